"""Pictures decoded once: uint8, square, memory-mapped, addressed by row. No TensorFlow here.

`packed/<side>/pictures.npy` is uint8 [N,side,side,C]; row numbers are those of pictures.csv. A killed packing continues: a flag per
row beside it says which rows are written.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clf import config, decoders, images, paths
from clf.config import Mistake


def pack(
    packed: paths.Packed, raw: Path, names: Sequence[str], side: int, fit: str, channels: int, made_from: dict, window: Sequence[str] = ()
) -> str:
    """Decodes and resizes `names[row]` into row `row`; returns one line that says what was done. `window`: see `decoders.expose`.

    Raises Mistake where the disk cannot hold the store, or a picture that step 02 could read no longer can be.
    """
    if not (reason := paths.changed(packed.record, made_from)):
        return f"store: {len(names)} pictures of {side} px are packed, nothing to do"
    # Written first: a killed packing continues only where it was made from the same.
    if paths.changed(packed.begun, made_from):
        shutil.rmtree(packed.folder, ignore_errors=True)
        check_disk(packed.folder, len(names) * side * side * channels)
        paths.write_json(packed.begun, {"made_from": made_from})
    pictures = memory_map(packed.pictures, (len(names), side, side, channels), np.uint8)
    written = memory_map(packed.written, (len(names),), np.bool_)
    todo = np.flatnonzero(~written)
    at_least = side if fit == "squash" else side + 1

    def change(picture: np.ndarray) -> np.ndarray:
        return as_channels(images.fit(picture, side, fit), channels)

    bar = config.progress(total=len(names), initial=len(names) - len(todo), desc="packing", unit="picture")
    with open(packed.pictures, "r+b", buffering=0) as file, bar:

        def keep(position: int, picture: np.ndarray) -> None:
            # Not through the memory map: its page faults take longer, and on a full disk they end the process.
            content, place = memoryview(np.ascontiguousarray(picture)).cast("B"), pictures.offset + int(todo[position]) * picture.nbytes
            while content:
                count = os.pwrite(file.fileno(), content, place)
                content, place = content[count:], place + count

        for position, failure in images.stream(raw, [names[row] for row in todo], at_least, window, change, keep):
            row = todo[position]
            if failure:
                raise Mistake(f"{names[row]} could be read by 02 and now cannot: {failure}. Run `make explore` again.")
            written[row] = True
            bar.update()
    paths.write_json(packed.record, {"made_from": made_from, "shape": list(pictures.shape), "fit": fit})
    return f"store: packed {len(todo)} pictures into {side} px, {pictures.nbytes / 2**20:.0f} MiB ({reason})"


def memory_map(path: Path, shape: tuple, dtype: type) -> np.memmap:
    """An .npy array on disk, opened where it exists, made (zeros, sparse) where it does not."""
    if path.exists():
        return np.lib.format.open_memmap(path, mode="r+")
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def as_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    """uint8 [S,S,C] → [S,S,channels].

    One channel is repeated. One is made of three as luma (ITU-R BT.601, as in JPEG), of any other number as their mean. Else the first
    channels are kept, and the last one is repeated where some are missing.
    """
    found = picture.shape[2]
    if found == channels:
        return picture
    if channels == 1:
        return decoders.as_grey(picture)
    return picture[:, :, np.minimum(np.arange(channels), found - 1)]


def check_disk(folder: Path, needed: int) -> None:
    """Raises Mistake where the file system of the folder has fewer than `needed` bytes (and a tenth) free."""
    parent = next(path for path in folder.parents if path.exists())
    free = shutil.disk_usage(parent).free
    if needed * 1.1 > free:
        raise Mistake(
            f"the store needs {needed / 2**30:.1f} GiB in {paths.show(folder)} and {free / 2**30:.1f} GiB are free. "
            "Take a smaller side= (make prepare side=…), free some space (make clean), or set CLF_WORK to a larger disk."
        )


def load(packed: paths.Packed) -> np.memmap:
    """uint8 [N,S,S,C], read only. Raises Mistake where the store is not whole."""
    if not packed.record.exists():
        raise Mistake(f"there is no store in {paths.show(packed.folder)}: run `make prepare` first.")
    return np.load(packed.pictures, mmap_mode="r")
