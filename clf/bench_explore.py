"""How fast step 02 is beside what bounds it: decoding alone, and the memory of many rows."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from clf import images, paths
from clf.bench import in_threads, made, record, seconds, write_links, write_pictures

LEAST = 2 * images.THUMBNAIL  # px that `images.inspect` asks for
MOST_SECONDS, MOST_MEMORY = 60, 2  # of 02 besides `inspect`, s; of 02 on the rows, GiB


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
