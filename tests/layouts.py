"""Small competition folders in the layouts that Kaggle ships, with real picture files that a small network can learn.

A picture is a crop of a photo with a shape drawn on it; the shape and its colour belong to the class. `build(name, folder)` writes what
`raw/` holds after unpacking and returns the test answers in the sample submission's layout.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_sample_images

from clf import folds, infer, paths, problem, store, tables
from clf.draft import Draft
from clf.raw import Raw

CLASSES = ("Black disk", "red-square", "white cross")


@cache
def photos() -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(photo) for photo in load_sample_images().images)


def draw(kind: int, side: int, generator: np.random.Generator) -> np.ndarray:
    """uint8 [side,side,3]"""
    photo = photos()[generator.integers(2)]
    top, left = generator.integers(0, photo.shape[0] - side), generator.integers(0, photo.shape[1] - side)
    picture = photo[top : top + side, left : left + side].copy()
    middle = [int(side * part) for part in generator.uniform(0.4, 0.6, 2)]
    size = int(side * generator.uniform(0.22, 0.32))
    if kind == 0:
        cv2.circle(picture, middle, size, (10, 10, 20), -1)
    elif kind == 1:
        corners = [(place - size, place + size) for place in middle]
        cv2.rectangle(picture, *zip(*corners, strict=True), (220, 30, 30), -1)
    else:
        cv2.drawMarker(picture, middle, (250, 250, 250), cv2.MARKER_CROSS, 2 * size, max(2, side // 10))
    return picture


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[:, :, ::-1])


def kinds(count: int, classes: int) -> np.ndarray:
    return np.arange(count) % classes


def _onehot(kind: np.ndarray, columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(np.eye(len(columns), dtype=int)[kind], columns=columns)


def pixels(folder: Path, pictures: int, side: int, generator: np.random.Generator) -> pd.DataFrame:
    """As digit-recognizer: the test table has no ids."""
    train, test = kinds(pictures, 3), kinds(pictures // 3, 3)
    for name, kind in (("train", train), ("test", test)):
        grey = [cv2.cvtColor(draw(number, side, generator), cv2.COLOR_RGB2GRAY).ravel() for number in kind]
        table = pd.DataFrame(np.stack(grey), columns=[f"pixel{number}" for number in range(side * side)])
        if name == "train":
            table.insert(0, "label", kind)
        table.to_csv(folder / f"{name}.csv", index=False)
    ids = range(1, len(test) + 1)
    pd.DataFrame({"ImageId": ids, "Label": 0}).to_csv(folder / "sample_submission.csv", index=False)
    return pd.DataFrame({"ImageId": ids, "Label": test})


def table(folder: Path, pictures: int, side: int, generator: np.random.Generator) -> pd.DataFrame:
    """As dog-breed-identification: ids and labels, a probability column for each class, spelled differently from the labels."""
    ids = [generator.bytes(16).hex() for _ in range(pictures + pictures // 3)]
    kind = kinds(len(ids), 3)
    for number, name in enumerate(ids):
        save(folder / ("train" if number < pictures else "test") / f"{name}.jpg", draw(kind[number], side, generator))
    labels = [CLASSES[number] for number in kind]
    pd.DataFrame({"id": ids, "breed": labels})[:pictures].to_csv(folder / "labels.csv", index=False)
    columns = [name.lower().replace(" ", "_") for name in reversed(CLASSES)]
    answers = _onehot(2 - kind[pictures:], columns)
    answers.insert(0, "id", ids[pictures:])
    answers.assign(**dict.fromkeys(columns, 1 / 3)).to_csv(folder / "sample_submission.csv", index=False)
    return answers


def columns(folder: Path, pictures: int, side: int, generator: np.random.Generator) -> pd.DataFrame:
    """As plant-pathology-2020: train and test pictures in one folder, one column for each class, a test table."""
    names = ["healthy", "rust", "scab"]
    parts = {}
    for part, count in (("Train", pictures), ("Test", pictures // 3)):
        kind = kinds(count, 3)
        for number in range(count):
            save(folder / "images" / f"{part}_{number}.jpg", draw(kind[number], side, generator))
        parts[part] = _onehot(kind, names)
        parts[part].insert(0, "image_id", [f"{part}_{number}" for number in range(count)])
    parts["Train"].to_csv(folder / "train.csv", index=False)
    parts["Test"][["image_id"]].to_csv(folder / "test.csv", index=False)
    parts["Test"].assign(**dict.fromkeys(names, 1 / 3)).to_csv(folder / "sample_submission.csv", index=False)
    return parts["Test"]


def folders(folder: Path, pictures: int, side: int, generator: np.random.Generator) -> pd.DataFrame:
    """As plant-seedlings-classification: one folder for each class, ids with extension; file names repeat between classes."""
    for number, kind in enumerate(kinds(pictures, 3)):
        save(folder / "train" / CLASSES[kind] / f"{number // 3}.png", draw(kind, side, generator))
    kind = kinds(pictures // 3, 3)
    names = [f"{generator.bytes(4).hex()}.png" for _ in kind]
    for name, number in zip(names, kind, strict=True):
        save(folder / "test" / name, draw(number, side, generator))
    pd.DataFrame({"file": names, "species": CLASSES[1]}).to_csv(folder / "sample_submission.csv", index=False)
    return pd.DataFrame({"file": names, "species": [CLASSES[number] for number in kind]})


def filename(folder: Path, pictures: int, side: int, generator: np.random.Generator) -> pd.DataFrame:
    """As dogs-vs-cats-redux: the label is in the file name, the probability of one of two classes is asked."""
    for number, kind in enumerate(kinds(pictures, 2)):
        save(folder / "train" / f"{('cat', 'dog')[kind]}.{number // 2}.jpg", draw(kind, side, generator))
    kind = kinds(pictures // 3, 2)
    for number, one in enumerate(kind):
        save(folder / "test" / f"{number + 1}.jpg", draw(one, side, generator))
    ids = range(1, len(kind) + 1)
    pd.DataFrame({"id": ids, "label": 0.5}).to_csv(folder / "sample_submission.csv", index=False)
    return pd.DataFrame({"id": ids, "label": kind})


LAYOUTS: dict[str, Callable] = {"pixels": pixels, "table": table, "columns": columns, "folders": folders, "filename": filename}


def build(name: str, folder: Path, pictures: int = 60, side: int = 48, seed: int = 0) -> pd.DataFrame:
    """Writes the layout with `pictures` for training and a third as many for test; returns the test answers."""
    folder.mkdir(parents=True, exist_ok=True)
    return LAYOUTS[name](folder, pictures, side, np.random.default_rng(seed))


def small(raw: Path, columns: dict[str, list], sample: dict[str, object], test: int = 4) -> Path:
    """A table `train.csv` of labels for `train/train0.png` … of 8 px, and a sample submission with these values for `test/test0.png` …"""
    count = len(next(iter(columns.values())))
    for part, number in (("train", count), ("test", test)):
        grey(raw, [f"{part}/{part}{place}.png" for place in range(number)])
    pd.DataFrame({"image": [f"train{place}" for place in range(count)], **columns}).to_csv(raw / "train.csv", index=False)
    pd.DataFrame({"image": [f"test{place}" for place in range(test)], **sample}).to_csv(raw / "sample_submission.csv", index=False)
    return raw


def grey(raw: Path, names: list[str], side: int = 8) -> None:
    """A picture of one grey for each name, no two alike."""
    for number, name in enumerate(names):
        save(raw / name, np.full((side, side, 3), 5 * number % 256, np.uint8))


def inferred(raw: Path, facts: dict | None = None, **yours) -> Draft:
    """What 02 settles before it looks at pictures; `facts` as Kaggle says them, `yours` as problem.toml is edited."""
    draft = Draft("any", Raw(raw), facts or {}, yours, raw.parent / "problem.toml")
    draft.settle(infer.QUESTION)
    return draft


def downloaded(data: Path, facts: dict | None = None) -> Path:
    """`raw/` and the record of a finished download in a competition's data folder; returns `raw/`."""
    (data / "raw").mkdir(parents=True)
    record = {"made_from": {}, "competition": data.name, "source": "folder", "slice": False, "files": [], "facts": facts or {}}
    (data / "download.json").write_text(json.dumps(record))
    return data / "raw"


@contextlib.contextmanager
def prepare(name: str, work: Path, pictures: int = 90, side: int = 32, count: int = 5):
    """A competition of the layout `folders` in `work`, explored by the script, with `count` folds and its store; gives its place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLF_WORK", str(work))
        place = paths.Place(name)
        build("folders", downloaded(place.data), pictures=pictures, side=side)
        command = [sys.executable, "-m", "scripts.02_explore", f"competition={name}"]
        subprocess.run(command, cwd=paths.CHECKOUT, check=True, capture_output=True)
        tables.write(place.folds, folds.draw(tables.read(place.train), problem.read(place.problem), folds=count))
        stored = tables.read(place.pictures).path.tolist()
        store.pack(place.packed(side), place.raw, stored, side, "squash", problem.read(place.problem).channels, {"side": side, "fit": "squash"})
        paths.write_json(place.prepare_record, {"side": side, "fit": "squash"})
        yield place
