"""A batch before it is made: rows of a store, read where they lie, and the memory that a batch is written to. No TensorFlow here.

What limits a batch of large pictures is memory: each pass over it, and each page that is touched for the first time, costs as much as the
work itself. So the first operation reads the memory map, a picture is mirrored where it was just written, and memory is used again.
"""

import collections
import weakref
from collections.abc import Iterator

import cv2
import numpy as np

ALIGNED = 64  # bytes: TensorFlow takes such an array over as a tensor, any other it copies
FLIPS = (None, 1, 0, -1)  # cv2.flip's codes, by mirrored + 2 · upside down

_free: collections.deque[np.ndarray] = collections.deque(maxlen=8)  # each of its methods is atomic: batches are made in several threads


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """As np.empty of uint8, aligned, in memory that an array had which nothing refers to any more, be it a view or a tensor."""
    size = int(np.prod(shape))
    memory = _found(size + ALIGNED)
    # Through a memoryview, so that views of the array refer to it and not to the memory: else it would be free too early.
    array = np.frombuffer(memoryview(memory), np.uint8, size, -memory.ctypes.data % ALIGNED)
    weakref.finalize(array, _free.append, memory).atexit = False
    return array.reshape(shape)


def _found(size: int) -> np.ndarray:
    for _ in range(len(_free)):
        try:
            memory = _free.pop()  # the last one freed: it may still lie in the processor's cache
        except IndexError:  # another thread was quicker
            break
        if len(memory) == size:
            return memory
        _free.appendleft(memory)
    return np.empty(size, np.uint8)


class Rows:
    """uint8 [B,S,S,C]: some rows of a store, some of them mirrored. `np.asarray` reads them all."""

    def __init__(self, store: np.ndarray, rows: np.ndarray | None = None, flips: np.ndarray | None = None):
        """`rows`: int [B], by default all; `flips`: int [B], numbers in FLIPS. Raises IndexError for a row that the store lacks."""
        self.store = np.asarray(store)  # without np.memmap's slow indexing
        self.rows = np.arange(len(store)) if rows is None else np.asarray(rows)
        self.flips = np.zeros(len(self.rows), int) if flips is None else flips
        if len(self.rows) and not 0 <= self.rows.min() <= self.rows.max() < len(store):
            raise IndexError(f"rows {self.rows.min()} … {self.rows.max()} of a store of {len(store)}")
        self.shape = (len(self.rows), *self.store.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def sources(self) -> Iterator[np.ndarray]:
        """Read-only views [S,S,C] of the store: not mirrored."""
        return map(self.store.__getitem__, self.rows.tolist())

    def codes(self) -> list[int | None]:
        """What `mirror` is to do to each picture."""
        return [FLIPS[number] for number in self.flips.tolist()]

    def flipped(self, mirrored: np.ndarray, upside_down: np.ndarray) -> "Rows":
        return Rows(self.store, self.rows, self.flips ^ (mirrored + 2 * upside_down))

    def seen(self, starts: np.ndarray, spare: np.ndarray | int) -> tuple[list[int], list[int]]:
        """Where windows lie in the pictures as stored that start at `starts` (y, x) int [B,2] of the mirrored ones: all y and all x.
        `spare`: the last possible start, [B,2] or one for all."""
        mirrored = self.flips[:, None] & (2, 1) > 0
        return np.where(mirrored, spare - starts, starts).T.tolist()

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        out = empty(self.shape)
        if not self.flips.any():
            np.take(self.store, self.rows, axis=0, out=out, mode="clip")  # by default it would write to a copy of `out`
            return out
        for source, target, code in zip(self.sources(), out, self.codes(), strict=True):
            target[...] = source
            mirror(target, code)
        return out


def rows(images: np.ndarray | Rows) -> Rows:
    return images if isinstance(images, Rows) else Rows(images)


def mirror(target: np.ndarray, code: int | None) -> None:
    """In place: just written it lies in the processor's cache, and this costs a fifth of writing it mirrored."""
    if code is not None:
        cv2.flip(target, code, target)


def _blocks(height: float, width: float) -> int:
    """Side in px of the blocks that `resize` averages, by how many times each side shrinks."""
    return max(1, int(max(height, width) + 0.4))


def by_area(before: int, after: int) -> bool:
    """Whether `resize` takes means of areas for pictures of so many px, or samples bilinearly."""
    return _blocks(before / after, before / after) > 1


def resize(source: np.ndarray, target: np.ndarray) -> None:
    """[H,W,C] of uint8, uint16 or float32 → the size of `target` [h,w,C], for any number of channels.

    Bilinear sampling aliases when it shrinks a lot, but up to 1.6 by less than resizing differs between libraries (40 dB). The mean of areas
    takes half as long as a JPEG's decoding, unless they are blocks of 2x2: sampled so that each pixel is one, it takes two fifths, for 50 dB.
    """
    height, width, channels = target.shape
    times = _blocks(len(source) / height, source.shape[1] / width)
    for first in range(0, channels, 4):  # OpenCV resizes at most four channels
        some = slice(first, first + 4)
        given, out = (source, target) if channels <= 4 else (source[..., some], np.empty((height, width, min(4, channels - first)), target.dtype))
        if times == 2:
            given = cv2.resize(given, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
        cv2.resize(given, (width, height), out, interpolation=cv2.INTER_AREA if times > 1 else cv2.INTER_LINEAR)
        if out is not target:
            target[..., some] = out
