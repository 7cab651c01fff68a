"""What `make bench` measures with: made pictures and competitions, turns that stages and their limits take, memory, and records.

Pictures are parts of scikit-learn's two sample photos, each with a place and colours of its own. Many rows name hard links to few of
them. All lies below one temporary folder and is read from the system's cache.
"""

import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from clf import config, images, paths

CLASSES, TEST_SHARE = 10, 0.2
SIDES, SCALES = (64, 97), (1, 0.5, 0.25)  # px from and to, of the photos
DIFFERENT = 500  # files that the rows' links share: on ext4 each may have 65,000 names
QUICK = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 90], ".png": [cv2.IMWRITE_PNG_COMPRESSION, 1]}  # a tenth larger than by default
COMPETITION = "bench"
MIB = 2**20


# -- what is measured on -----------------------------------------------------------------------------------------------------------


def sample_photos() -> list[np.ndarray]:
    """uint8 [H,W,3], two of them at each of SCALES."""
    from sklearn.datasets import load_sample_images

    photos = load_sample_images().images
    return [cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for photo in photos for scale in SCALES]


def draw(photos: Sequence[np.ndarray], generator: np.random.Generator, size: tuple[int, int] | None = None) -> np.ndarray:
    """uint8 [H,W,3]: a part of a photo, perhaps mirrored, its colours shifted; of that size, else of one within SIDES."""
    photo = photos[generator.integers(len(photos))]
    height, width, mirrored, *shift = generator.integers((*SIDES[:1] * 2, 0, 0, 0, 0), (*SIDES[1:] * 2, 2, 60, 60, 60)).tolist()
    height, width = size or (height, width)
    top, left = generator.integers(0, (photo.shape[0] - height, photo.shape[1] - width)).tolist()
    picture = cv2.add(photo[top : top + height, left : left + width], (*shift, 0))
    return picture[:, ::-1] if mirrored else picture


def write_pictures(raw: Path, files: int, suffixes: Sequence[str] = tuple(QUICK)) -> list[str]:
    """Names below `raw/`: the first are for test, the others for training; of the kinds in turn."""
    photos = sample_photos()
    names = [f"{part}/{number:08x}{suffixes[number % len(suffixes)]}" for number, part in enumerate(parts(files))]

    def write(batch: list[int]) -> None:
        generator = np.random.default_rng(batch[0])
        for number in batch:
            suffix = names[number][-4:]
            _, content = cv2.imencode(suffix, draw(photos, generator), QUICK[suffix])
            (raw / names[number]).write_bytes(content)

    in_threads(write, list(range(files)))
    return names


def write_links(raw: Path, rows: int, *suffixes: str) -> list[str]:
    """The same, `rows` names of few files."""
    for part in ("train", "test"):
        (raw / "sources" / part).mkdir(parents=True)
    sources = write_pictures(raw / "sources", min(rows, DIFFERENT), suffixes or tuple(QUICK))
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


# -- how it is measured ------------------------------------------------------------------------------------------------------------


def in_threads(work: Callable[[list], None], items: list) -> None:
    """`work` on batches of the items, on all cores."""
    batches = [items[start : start + images.PART_PICTURES] for start in range(0, len(items), images.PART_PICTURES)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in config.progress(pool.map(work, batches), total=len(batches), unit=" batches"):
            pass


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def turns(ways: dict[str, Callable[[], float]], repeats: int) -> dict[str, np.ndarray]:
    """What each way returns, [repeats]: all of them one after the other, again and again, every other time in the opposite order, so that
    the machine's other work, which comes and goes, meets all alike."""
    found = {name: np.zeros(repeats) for name in ways}
    for repeat in range(repeats):
        for name in list(ways)[:: -1 if repeat % 2 else 1]:
            found[name][repeat] = ways[name]()
    return found


def rates(ways: dict[str, Callable[[], object]], count: int, repeats: int) -> dict[str, np.ndarray]:
    """`turns` of ways that each do `count` things: things per second. Each is tried once before."""
    for work in ways.values():
        work()
    return turns({name: lambda work=work: count / seconds(work) for name, work in ways.items()}, repeats)


def record(stage: str, values: ArrayLike, unit: str, limits: ArrayLike | None = None, limit_name: str = "") -> dict:
    """Medians over the repeats; the spread is the least and greatest ratio, or value where nothing limits it."""
    limited = limits is not None
    ratios = np.array(values) / np.array(limits) if limited else np.array(values)
    return {
        "stage": stage,
        "unit": unit,
        "rate": float(np.median(values)),
        "limit": float(np.median(limits)) if limited else None,
        "ratio": float(np.median(ratios)) if limited else None,
        "spread": [float(ratios.min()), float(ratios.max())],
        **({"limit_name": limit_name} if limit_name else {}),
    }


@contextlib.contextmanager
def peak(process: Callable[[], list[int]] = lambda: [os.getpid()], every: float = 0.05):
    """A list whose first entry is, at the block's end, the most MiB that the processes together had for themselves (RssAnon: without files
    that are mapped); empty where the system does not say."""
    found, done = [], threading.Event()

    def look() -> None:
        while not done.wait(every):
            used = [anonymous(number) for number in process()]
            if None not in used:
                found[:] = [max([*found, sum(used)])]

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()


def anonymous(process: int) -> float | None:
    """MiB of memory that are not pages of files; None outside Linux. 0 of a process that is gone."""
    if not Path("/proc/self/status").exists():
        return None
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def family(process: int) -> list[int]:
    """The process and all that descend from it."""
    found = [process]
    for number in found:
        for listed in Path(f"/proc/{number}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, listed.read_text().split())
    return found


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
