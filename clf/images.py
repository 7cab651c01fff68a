"""Many pictures, decoded on all cores: a stream of them, what the whole set looks like, and how deep ones become 8 bits.

A picture's name is its path below `raw/`; `train.csv#17` is the 17th (0-based) picture of a container (`containers`); names joined with
`|` are the channels of one picture. How one file is decoded, the same for train and test, is `decoders`' matter.
"""

import collections
import functools
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from clf import config, containers, decoders
from clf.containers import pixel_columns
from clf.decoders import Large, Limits, Loaded, Unreadable, decode, expose

__all__ = ["Inspection", "Unreadable", "decode", "fit", "inspect", "measure_window", "pixel_columns", "stream", "visible"]

EXTENSIONS = (  # the better source first
    *(".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".jp2", ".tif", ".tiff"),
    *(".npy", ".dcm", ".dicom"),
)
THUMBNAIL = 16  # px
BATCH_BYTES, BATCH_FILES = 500_000, 64
MAPPED_BYTES = 8_000_000  # larger files are mapped: their pages can be dropped, what is read cannot
LARGE_BYTES = 100_000_000  # a decoded picture; larger ones are decoded one at a time
HELD_BYTES = 32_000_000  # of decoded pictures, after which a thread stops until they are taken
WINDOW_PICTURES, WINDOW_VALUES = 200, 20_000  # looked at for a window: pictures, values of each channel of a picture
WINDOW_PERCENTILES = (0.5, 99.5)


def fit(picture: np.ndarray, side: int, how: str) -> np.ndarray:
    """Rectangle → uint8 [side,side,C]. `squash` changes proportions, `crop` keeps the middle, `pad` adds the colour of the rim."""
    height, width, channels = picture.shape
    if how == "crop":
        short = min(height, width)
        top, left = (height - short) // 2, (width - short) // 2
        picture = picture[top : top + short, left : left + short]
    elif how == "pad" and height != width:
        rim = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        square = np.empty((max(height, width),) * 2 + (channels,), np.uint8)
        square[:] = np.median(rim, axis=0)
        top, left = (len(square) - height) // 2, (len(square) - width) // 2
        square[top : top + height, left : left + width] = picture
        picture = square
    return _resize(picture, side, side)


def _resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """[H,W,C] of uint8, uint16 or float32 → [height,width,C]"""
    if picture.shape[:2] == (height, width):
        return np.ascontiguousarray(picture)
    if picture.shape[2] > 4:  # more than OpenCV resizes at once
        parts = [picture[:, :, start : start + 4] for start in range(0, picture.shape[2], 4)]
        return np.concatenate([_resize(part, height, width) for part in parts], axis=2)
    shrinks = picture.shape[0] > height or picture.shape[1] > width
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized.reshape(height, width, -1)


def visible(picture: np.ndarray) -> np.ndarray:
    """uint8 [H,W,C] → [H,W,1|3], to be shown: of two channels the third is their mean, of four and more the first three are shown."""
    if picture.shape[2] == 2:
        mean = (picture.sum(axis=2, keepdims=True, dtype=np.uint16) // 2).astype(np.uint8)
        return np.concatenate([picture, mean], axis=2)
    return picture if picture.shape[2] == 1 else picture[:, :, :3]


# -- many pictures -----------------------------------------------------------------------------------------------------------------


def stream(
    raw: Path,
    names: Sequence[str],
    at_least: int = 0,
    window: Sequence[str] = (),
    change: Callable[[np.ndarray], np.ndarray] = lambda picture: picture,
) -> Iterator[tuple[int, np.ndarray | Unreadable]]:
    """Each position of `names` once, in any order, with its picture, uint8 [H,W,C], or the reason why there is none.

    Decodes on all cores; a bounded number of pictures is in memory, at any number of names. `at_least` and `window`: see
    `decoders.decode` and `decoders.expose`. `change` makes of each picture what is wanted of it, on the thread that has decoded it.
    """
    return _each(raw, names, at_least, lambda loaded: change(expose(loaded.array, window)))


class Source(NamedTuple):
    """One picture to be had."""

    positions: list[int]  # among the names
    size: int  # bytes, before decoding
    load: Callable[[Limits], Loaded]


def _each(raw: Path, names: Sequence[str], at_least: int, reduce: Callable[[Loaded], Any]) -> Iterator[tuple[int, Any]]:
    """`stream` with what `reduce` makes of each picture, on the thread that has decoded it.

    Pictures of more than LARGE_BYTES end a thread's batch and are decoded here, so that only one of them is in memory.
    """

    def attempt(source: Source, memory: int | None) -> Any:
        try:
            return reduce(source.load(Limits(at_least, memory)))
        except Unreadable as reason:
            return reason
        except OSError as error:
            return Unreadable(f"cannot be opened: {error.strerror}")

    def work(batch: list[Source]) -> tuple[list[tuple[Source, Any]], list[Source]]:
        """What was done, and what is left of the batch."""
        done, held = [], 0
        for number, source in enumerate(batch):
            try:
                done.append((source, attempt(source, LARGE_BYTES)))
            except Large:
                return done, batch[number:]
            held += getattr(done[-1][1], "nbytes", 0)
            if held > HELD_BYTES:
                return done, batch[number + 1 :]
        return done, []

    def finish(done: list[tuple[Source, Any]], left: list[Source]) -> Iterator[tuple[int, Any]]:
        while True:
            for source, found in done:
                for position in source.positions:
                    yield position, found
            if not left:
                return
            done = found = None  # the last large picture goes before the next one comes
            done, left = [(left[0], attempt(left[0], None))], left[1:]

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        running = collections.deque()
        for batch in _batches(_sources(raw, names)):
            running.append(pool.submit(work, batch))
            if len(running) >= 3 * workers:
                yield from finish(*running.popleft().result())
        while running:
            yield from finish(*running.popleft().result())


def _batches(sources: Iterator[Source]) -> Iterator[list[Source]]:
    """Small files share a task, as handing over costs as much as decoding them; a large one has its own."""
    batch, size = [], 0
    for source in sources:
        if batch and (size + source.size > BATCH_BYTES or len(batch) >= BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(source)
        size += source.size
    if batch:
        yield batch


def _sources(raw: Path, names: Sequence[str]) -> Iterator[Source]:
    """The pictures of each container in one pass, then all other files."""
    files, rows = [], collections.defaultdict(dict)
    for position, name in enumerate(names):
        if place := containers.split_name(name):
            rows[place[0]].setdefault(place[1], []).append(position)
        else:
            files.append(position)
    for container, wanted in rows.items():
        suffix = container.rpartition(".")[2].upper()
        for row, picture in containers.read(raw / container, set(wanted)):
            size = len(picture) if isinstance(picture, bytes) else getattr(picture, "nbytes", 0)
            yield Source(wanted[row], size, functools.partial(_take, picture, "table" if suffix == "CSV" else suffix))
    for position in files:
        parts = names[position].split("|")
        paths = [os.path.join(raw, part) for part in parts]
        try:
            size = sum(os.path.getsize(path) for path in paths)
        except OSError:
            size = 0
        load = functools.partial(_load_file, paths[0], size) if len(paths) == 1 else functools.partial(_load_channels, parts, paths)
        yield Source([position], size, load)


def _take(picture: containers.Picture, container: str, limits: Limits) -> Loaded:
    if isinstance(picture, Unreadable):
        raise picture
    return decoders.load(picture, limits) if isinstance(picture, bytes) else decoders.of_array(picture, container)


def _load_file(path: str, size: int, limits: Limits) -> Loaded:
    with open(path, "rb", buffering=0) as file:
        return decoders.load(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size > MAPPED_BYTES else file.read(), limits)


def _load_channels(names: list[str], paths: list[str], limits: Limits) -> Loaded:
    """Each file made grey, in the size of the first, one channel each; of one depth, or all float32. The limits hold for each file."""
    found = []
    for name, path in zip(names, paths, strict=True):
        try:
            found.append(_load_file(path, os.path.getsize(path), limits))
        except Unreadable as reason:
            raise Unreadable(f"{name}: {reason}") from None
        except OSError as error:
            raise Unreadable(f"{name} cannot be opened: {error.strerror}") from None
    first = found[0]
    if len(found) > decoders.MOST_CHANNELS:
        raise Unreadable(f"{len(found)} channels are more than {decoders.MOST_CHANNELS}")
    kinds = {loaded.array.dtype for loaded in found}
    kind = kinds.pop() if len(kinds) == 1 and kinds <= {np.dtype(np.uint8), np.dtype(np.uint16)} else np.dtype(np.float32)
    channels = [_resize(decoders.as_grey(loaded.array).astype(kind, copy=False), *first.array.shape[:2]) for loaded in found]
    digest = decoders.digest(np.array([loaded.digest for loaded in found]).tobytes())
    return first._replace(array=np.concatenate(channels, axis=2), format=f"{len(found)} × {first.format}", digest=digest)


# -- deep pictures -----------------------------------------------------------------------------------------------------------------


def measure_window(raw: Path, names: Sequence[str]) -> tuple[str, ...]:
    """What `window` maps to 0..255 in the pictures of a competition: "low high" of each channel; () where all have 8 bits.

    low and high are the 0.5 and 99.5 percentile of the deep ones among 200 pictures, evenly spaced among the names. Whole numbers of
    any type that all fit into 8 bits count as 8 bits, save 16-bit files, which may be dark.
    """
    chosen = np.unique(np.linspace(0, len(names) - 1, min(len(names), WINDOW_PICTURES)).astype(int))
    sampled = _each(raw, [names[number] for number in chosen], 2 * THUMBNAIL, _sample)
    samples = [values for _, values in sampled if not isinstance(values, Unreadable) and values.dtype != np.uint8]
    if all(_fits_8_bits(values) for values in samples):
        return ()
    found = []
    for channel in range(max(values.shape[1] for values in samples)):
        values = np.concatenate([values[:, channel].astype(np.float64) for values in samples if values.shape[1] > channel])
        values = values[np.isfinite(values)]
        low, high = np.percentile(values, WINDOW_PERCENTILES) if len(values) else (0, 0)
        if low == high:  # nearly all of it is background
            low, high = values.min(initial=low), values.max(initial=high)
        found.append(f"{low:.6g} {high:.6g}")
    return tuple(found)


def _sample(loaded: Loaded) -> np.ndarray:
    """[values, C] of the picture's own depth; drawn at random, as equal steps could fall on one column again and again."""
    values = loaded.array.reshape(-1, loaded.array.shape[2])
    if values.dtype == np.uint8 or len(values) <= WINDOW_VALUES:
        return values[:WINDOW_VALUES].copy()
    return values[np.random.default_rng(0).integers(0, len(values), WINDOW_VALUES)]


def _fits_8_bits(values: np.ndarray) -> bool:
    return values.dtype.kind in "iu" and values.dtype != np.uint16 and values.min() >= 0 and values.max() <= 255


# -- a set of pictures at a glance -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inspection:
    """What one pass over N pictures found, row i for name i. Where `reasons` has row i, the rest of that row is zero."""

    heights: np.ndarray  # int32 [N], px
    widths: np.ndarray  # int32 [N], px
    formats: np.ndarray  # text [N]: "JPEG RGB"
    colour: np.ndarray  # bool [N]: not all pixels are grey
    bands: np.ndarray  # int8 [N]: channels of the decoded picture, 1 to 8
    thumbnails: np.ndarray  # uint8 [N,16,16,3], proportions not kept, of more channels than three as `visible` shows them
    digests: np.ndarray  # int64 [N], of the files' content
    reasons: dict[int, str]

    @property
    def readable(self) -> np.ndarray:
        """bool [N]"""
        found = np.ones(len(self.heights), bool)
        found[list(self.reasons)] = False
        return found

    def take(self, rows: np.ndarray | slice) -> "Inspection":
        """The rows that a bool [N] or int array names, as a copy, or a slice, without; readable ones only."""
        arrays = (self.heights, self.widths, self.formats, self.colour, self.bands, self.thumbnails, self.digests)
        return Inspection(*(array[rows] for array in arrays), reasons={})


def inspect(raw: Path, names: Sequence[str], window: Sequence[str] = ()) -> Inspection:
    """Decodes every picture once, wholly but at reduced scale; 0.8 kB a picture stay in memory."""
    count = len(names)
    found = Inspection(
        heights=np.zeros(count, np.int32),
        widths=np.zeros(count, np.int32),
        formats=np.full(count, "", object),
        colour=np.zeros(count, bool),
        bands=np.zeros(count, np.int8),
        thumbnails=np.zeros((count, THUMBNAIL, THUMBNAIL, 3), np.uint8),
        digests=np.zeros(count, np.int64),
        reasons={},
    )
    glances = _each(raw, names, 2 * THUMBNAIL, lambda loaded: _glance(loaded, window))
    for position, glance in config.progress(glances, desc="reading pictures", total=count, unit=" pictures"):
        if isinstance(glance, Unreadable):
            found.reasons[position] = str(glance)
        else:
            found.heights[position], found.widths[position], found.formats[position] = glance[:3]
            found.colour[position], found.bands[position], found.thumbnails[position], found.digests[position] = glance[3:]
    return found


def _glance(loaded: Loaded, window: Sequence[str] = ()) -> tuple:
    small = _resize(expose(loaded.array, window), THUMBNAIL, THUMBNAIL)
    bands = small.shape[2]
    # JPEG stores colour in blocks: grey pictures come back with differences of a few units
    planes = np.ascontiguousarray(small.reshape(-1, bands).T)
    colour = bands > 1 and int((planes.max(axis=0) - planes.min(axis=0)).max()) > 8
    return loaded.height, loaded.width, loaded.format, colour, bands, visible(small), loaded.digest
