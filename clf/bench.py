"""How fast step 02 is beside what bounds it, measured on pictures made for the purpose: each stage as a ratio to its limit in the same run.

The pictures are parts of scikit-learn's two sample photos, each with a place and colours of its own, 64 to 96 px, half of them JPEG and
half PNG. A million rows name hard links to 500 of them. All lies below one temporary folder and is read from the system's cache.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from PIL import Image

from clf import config, images, paths

CLASSES, TEST_SHARE = 10, 0.2
SIDES, SCALES = (64, 97), (1, 0.5, 0.25)  # px from and to, of the photos
DIFFERENT = 500  # files that the rows' links share: on ext4 each may have 65,000 names
LEAST = 2 * images.THUMBNAIL  # px that `images.inspect` asks for
MOST_SECONDS, MOST_MEMORY = 60, 2  # of 02 besides `inspect`, s; of 02 on the rows, GiB
QUICK = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 90], ".png": [cv2.IMWRITE_PNG_COMPRESSION, 1]}  # a tenth larger than by default
COMPETITION = "bench"


# -- what is measured on -----------------------------------------------------------------------------------------------------------


def draw(photos: Sequence[np.ndarray], generator: np.random.Generator) -> np.ndarray:
    """uint8 [H,W,3]: a part of a photo, perhaps mirrored, its colours shifted."""
    photo = photos[generator.integers(len(photos))]
    height, width, mirrored, *shift = generator.integers((*SIDES[:1] * 2, 0, 0, 0, 0), (*SIDES[1:] * 2, 2, 60, 60, 60)).tolist()
    top, left = generator.integers(0, (photo.shape[0] - height, photo.shape[1] - width)).tolist()
    picture = cv2.add(photo[top : top + height, left : left + width], (*shift, 0))
    return picture[:, ::-1] if mirrored else picture


def write_pictures(raw: Path, files: int) -> list[str]:
    """Names below `raw/`: the first are for test, the others for training; every other one is a PNG."""
    from sklearn.datasets import load_sample_images

    photos = [cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for photo in load_sample_images().images for scale in SCALES]
    names = [f"{part}/{number:08x}{[*QUICK][number % 2]}" for number, part in enumerate(parts(files))]

    def write(batch: list[int]) -> None:
        generator = np.random.default_rng(batch[0])
        for number in batch:
            suffix = names[number][-4:]
            _, content = cv2.imencode(suffix, draw(photos, generator), QUICK[suffix])
            (raw / names[number]).write_bytes(content)

    in_threads(write, list(range(files)))
    return names


def write_links(raw: Path, rows: int) -> list[str]:
    """The same, `rows` names of few files."""
    for part in ("train", "test"):
        (raw / "sources" / part).mkdir(parents=True)
    sources = write_pictures(raw / "sources", min(rows, DIFFERENT))
    names = [f"{part}/{number:08x}{Path(sources[number % len(sources)]).suffix}" for number, part in enumerate(parts(rows))]
    for number, name in enumerate(config.progress(names, desc="linking pictures", unit=" pictures")):
        os.link(raw / "sources" / sources[number % len(sources)], raw / name)
    shutil.rmtree(raw / "sources")
    return names


def parts(count: int) -> list[str]:
    tested = round(TEST_SHARE * count)
    return ["test"] * tested + ["train"] * (count - tested)


def competition(place: paths.Place, write: Callable[[Path, int], list[str]], count: int) -> list[str]:
    """A folder as step 01 leaves it: pictures, a table of labels with three columns more and a group, a sample submission; returns the
    pictures' names."""
    for part in ("train", "test"):
        (place.raw / part).mkdir(parents=True)
    names = write(place.raw, count)
    stems = pd.Series([Path(name).stem for name in names])
    tested = pd.Series([name.startswith("test/") for name in names])
    train = pd.DataFrame({"id": stems[~tested]})
    number = np.arange(len(train))
    generator = np.random.default_rng(0)
    train["label"] = [f"class {one}" for one in generator.integers(0, CLASSES, len(train))]
    train["patient"] = [f"p{one}" for one in number // 20]
    train["age"] = generator.integers(20, 90, len(train))
    train["weight"] = generator.uniform(40, 120, len(train)).round(1)
    train["view"] = np.where(number % 2, "front", "side")
    train.to_csv(place.raw / "train_labels.csv", index=False)
    pd.DataFrame({"id": stems[tested], "label": "class 0"}).to_csv(place.raw / "sample_submission.csv", index=False)
    facts = {"metric": "categorization accuracy", "code_competition": False, "pages": {}}
    paths.write_json(
        place.download, {"made_from": {}, "competition": place.competition, "source": "made", "slice": False, "files": [], "facts": facts}
    )
    return names


# -- what is measured --------------------------------------------------------------------------------------------------------------


def in_threads(work: Callable[[list], None], items: list) -> None:
    """`work` on batches of the items, on all cores."""
    batches = [items[start : start + images.PART_PICTURES] for start in range(0, len(items), images.PART_PICTURES)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in config.progress(pool.map(work, batches), total=len(batches), unit=" batches"):
            pass


def decode_with_pillow(raw: Path, names: list[str]) -> None:
    for name in names:
        with Image.open(raw / name) as image:
            image.draft(None, (LEAST, LEAST))
            image.load()


def decode_with_opencv(raw: Path, names: list[str]) -> None:
    """At half size: no picture of SIDES is then below LEAST."""
    for name in names:
        cv2.imread(str(raw / name), cv2.IMREAD_REDUCED_COLOR_2)


def decode_quickly(raw: Path, names: list[str]) -> None:
    """The quickest decoders known, with nothing around them."""
    from imagecodecs import png_decode
    from simplejpeg import decode_jpeg

    folder = str(raw)
    for name in names:
        with open(f"{folder}/{name}", "rb", buffering=0) as file:
            content = file.read()
        if content.startswith(b"\x89PNG"):
            png_decode(content)
        else:
            decode_jpeg(content, min_height=LEAST, min_width=LEAST)


DECODERS = {"Pillow, draft and load": decode_with_pillow, "OpenCV, reduced": decode_with_opencv, "simplejpeg and imagecodecs": decode_quickly}


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def explore(place: paths.Place) -> tuple[float, float]:
    """Runs 02 from the beginning in a process of its own: seconds, and the most memory it had, GiB."""
    for path in (*place.derived(), place.problem):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    command = [sys.executable, str(paths.CHECKOUT / "scripts" / "02_explore.py"), f"competition={place.competition}"]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"02 ended with {process.returncode}")
    return time.perf_counter() - started, used.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


@contextlib.contextmanager
def made(write: Callable[[Path, int], list[str]], count: int):
    """A competition in a folder of its own, and the names of its pictures."""
    before = os.environ.get("CLF_WORK")
    with tempfile.TemporaryDirectory(prefix="clf-bench-") as folder:
        os.environ["CLF_WORK"] = folder
        try:
            place = paths.Place(COMPETITION)
            yield place, competition(place, write, count)
        finally:
            os.environ.pop("CLF_WORK") if before is None else os.environ.update(CLF_WORK=before)


def record(stage: str, values: ArrayLike, unit: str, limits: ArrayLike) -> dict:
    """Medians over the repeats; the spread is the least and greatest ratio."""
    ratios = np.array(values) / np.array(limits)
    middle = {"rate": np.median(values), "limit": np.median(limits), "ratio": np.median(ratios)}
    return {
        "stage": stage,
        "unit": unit,
        **{name: float(value) for name, value in middle.items()},
        "spread": [float(ratios.min()), float(ratios.max())],
    }


def measure_pictures(files: int, repeats: int) -> list[dict]:
    """Decoding alone, `images.inspect`, and all else that 02 does. The ways to decode take turns."""
    used = {name: np.zeros(repeats) for name in ("inspect", *DECODERS)}
    rest = np.zeros(repeats)
    with made(write_pictures, files) as (place, names):
        raw = place.raw
        ways = {name: lambda decode=decode: in_threads(lambda batch: decode(raw, batch), names) for name, decode in DECODERS.items()}
        ways["inspect"] = lambda: images.inspect(raw, names)
        for repeat in range(repeats):
            for name, work in ways.items():
                used[name][repeat] = seconds(work)
            rest[repeat] = explore(place)[0] - used["inspect"][repeat]
    rates = {name: files / taken for name, taken in used.items()}
    found = [record(f"inspect / {name}", rates["inspect"], "pictures/s", rates[name]) for name in DECODERS]
    return [*found, record(f"02 without inspect, {files:,} pictures", rest, "s", [MOST_SECONDS] * repeats)]


def measure_rows(rows: int) -> list[dict]:
    """Once, as it takes minutes."""
    with made(write_links, rows) as (place, _):
        return [record(f"02's memory, {rows:,} rows", [explore(place)[1]], "GiB", [MOST_MEMORY])]


def measure(files: int, rows: int, repeats: int) -> list[dict]:
    """Records `stage, unit, rate, limit, ratio, spread`."""
    return measure_pictures(files, repeats) + measure_rows(rows)
