"""Many pictures, decoded on all cores: a stream of them, what the whole set looks like, and how deep ones become 8 bits.

A picture's name is its path below `raw/`; `train.csv#17` is the 17th (0-based) picture of a container (`containers`); names joined with
`|` are the channels of one picture. How one file is decoded, the same for train and test, is `decoders`' matter.
"""

import collections
import functools
import mmap
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from clf import batch, config, containers, decoders
from clf.containers import pixel_columns
from clf.decoders import Large, Limits, Loaded, Unreadable, decode, expose

__all__ = ["Inspection", "Unreadable", "decode", "fit", "inspect", "measure_window", "pixel_columns", "stream", "visible"]

EXTENSIONS = (  # the better source first
    *(".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".jp2", ".tif", ".tiff"),
    *(".npy", ".dcm", ".dicom"),
)
THUMBNAIL = 16  # px
PART_PICTURES, PART_BYTES = 64, 8_000_000  # at most, of one thread's turn: pictures, and bytes of them when decoded
MANY = 50_000  # pictures to inspect, from which interpreters of their own are worth the second of their start
MAPPED_BYTES = 8_000_000  # larger files are mapped: their pages can be dropped, what is read cannot
LARGE_BYTES = 100_000_000  # a decoded picture; larger ones are decoded one at a time
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
    resized = np.empty((height, width, picture.shape[2]), picture.dtype)
    batch.resize(picture, resized)
    return resized


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
    keep: Callable[[int, np.ndarray], None] | None = None,
) -> Iterator[tuple[int, np.ndarray | Unreadable | None]]:
    """Each position of `names` once, in any order, with its picture, uint8 [H,W,C], or the reason why there is none.

    Decodes on all cores; a bounded number of pictures is in memory, at any number of names. `at_least` and `window`: see
    `decoders.decode` and `decoders.expose`. `change` makes of each picture what is wanted of it, on the thread that has decoded it.
    `keep(position, picture)` takes it there at once, and None comes in its place: handing pictures over costs a tenth of their decoding.
    """

    def reduce(loaded: Loaded, positions: list[int]) -> np.ndarray | None:
        picture = change(expose(loaded.array, window))
        if keep is None:
            return picture
        for position in positions:
            keep(position, picture)

    for positions, found in _each(raw, names, at_least, reduce):
        for number, places in enumerate(positions):
            for position in places:
                yield position, found[number]


class Item(NamedTuple):
    """One picture to be had: its positions among the names, and its name, or what a container holds."""

    positions: list[int]
    source: str | containers.Picture
    container: str = ""  # how the format of an array from it is called


def _each(
    raw: Path,
    names: Sequence[str],
    at_least: int,
    reduce: Callable[[Loaded, list[int]], Any],
    gather: Callable[[list[Any]], Any] = list,
    apart: bool = False,
    digest: bool = False,
) -> Iterator[tuple[list[list[int]], Any]]:
    """`stream` in parts: the positions of each picture of a part, and what `gather` makes of what `reduce` makes of each of them
    and its positions.

    Both run where the part was decoded; instead of what `reduce` makes there may be an Unreadable. Pictures of more than LARGE_BYTES are
    decoded here, so that only one of them is in memory. apart: in interpreters of their own, which `reduce` and `gather` must reach.
    digest: hash each file.
    """
    folder, cores = os.path.join(raw, ""), os.cpu_count() or 1
    limits, large_limits = Limits(at_least, LARGE_BYTES, digest), Limits(at_least, digest=digest)
    parts, running = _parts(raw, names), collections.deque()
    with _apart(cores) if apart else ThreadPoolExecutor(cores) as pool:
        while True:
            while len(running) < 3 * cores and (part := next(parts, None)):
                running.append(pool.submit(_work, folder, part, limits, reduce, gather))
            if not running:
                return
            positions, found, left, large = running.popleft().result()
            yield positions, found
            del found
            if large:
                yield _work(folder, left[:1], large_limits, reduce, gather)[:2]
                left = left[1:]
            if left:
                running.append(pool.submit(_work, folder, left, limits, reduce, gather))


def _work(
    folder: str, items: list[Item], limits: Limits, reduce: Callable[[Loaded, list[int]], Any], gather: Callable[[list[Any]], Any]
) -> tuple[list[list[int]], Any, list[Item], bool]:
    """Positions, what was gathered, the items that are left after PART_BYTES or a large one, and whether the first of these is large."""
    found, decoded, large = [], 0, False
    for item in items:
        try:
            loaded = _load(folder, item, limits)
        except Large:
            large = True
            break
        except Unreadable as reason:
            found.append(reason)
        except OSError as error:
            found.append(Unreadable(f"cannot be opened: {error.strerror}"))
        else:
            decoded += loaded.array.nbytes
            found.append(reduce(loaded, item.positions))
        if decoded > PART_BYTES:
            break
    return [item.positions for item in items[: len(found)]], gather(found), items[len(found) :], large


def _apart(cores: int) -> ProcessPoolExecutor:
    """Threads would wait for one another: around a small picture's decoding nearly as much time is spent with the GIL as without it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(cores, context, initializer=_follow)


def _follow() -> None:
    """Ctrl-C is the parent's matter; a parent that was killed takes this interpreter along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=lambda: (multiprocessing.parent_process().join(), os._exit(1)), daemon=True).start()


def _parts(raw: Path, names: Sequence[str]) -> Iterator[list[Item]]:
    """The pictures of each container in one pass, then all other files, up to PART_PICTURES at once: handing over costs as much as decoding
    a small one."""
    files, rows = [], collections.defaultdict(dict)
    for position, name in enumerate(names):
        if "#" in name and (place := containers.split_name(name)):
            rows[place[0]].setdefault(place[1], []).append(position)
        else:
            files.append(position)
    for container, wanted in rows.items():
        suffix = container.rpartition(".")[2].upper()
        form = "table" if suffix == "CSV" else suffix
        part, size = [], 0
        for row, picture in containers.read(raw / container, set(wanted)):
            part.append(Item(wanted[row], picture, form))
            size += len(picture) if isinstance(picture, bytes) else getattr(picture, "nbytes", 0)
            if size > PART_BYTES or len(part) >= PART_PICTURES:
                yield part
                part, size = [], 0
        if part:
            yield part
    for start in range(0, len(files), PART_PICTURES):
        yield [Item([position], names[position]) for position in files[start : start + PART_PICTURES]]


def _load(folder: str, item: Item, limits: Limits) -> Loaded:
    if isinstance(item.source, str):
        return _load_channels(folder, item.source, limits) if "|" in item.source else _load_file(folder + item.source, limits)
    if isinstance(item.source, Unreadable):
        raise item.source
    return decoders.load(item.source, limits) if isinstance(item.source, bytes) else decoders.of_array(item.source, item.container)


def _load_file(path: str, limits: Limits) -> Loaded:
    file = os.open(path, os.O_RDONLY)  # half of the time that `open` takes
    try:
        size = os.fstat(file).st_size
        if size > MAPPED_BYTES:
            return decoders.load(mmap.mmap(file, 0, access=mmap.ACCESS_READ), limits)
        content = os.read(file, size)
        while len(content) < size and (more := os.read(file, size - len(content))):  # file systems of a network may give less at once
            content += more
    finally:
        os.close(file)
    return decoders.load(content, limits)


def _load_channels(folder: str, names: str, limits: Limits) -> Loaded:
    """Each file made grey, in the size of the first, one channel each; of one depth, or all float32. The limits hold for each file."""
    found = []
    for name in names.split("|"):
        try:
            found.append(_load_file(folder + name, limits))
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
    samples = [values for _, found in sampled for values in found if not isinstance(values, Unreadable) and values.dtype != np.uint8]
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


def _sample(loaded: Loaded, positions: list[int]) -> np.ndarray:
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
    with config.progress(desc="reading pictures", total=count, unit=" pictures") as bar:
        for positions, glances in _each(raw, names, 2 * THUMBNAIL, functools.partial(_glance, window=window), _gather, count >= MANY, True):
            places = np.array([position for several in positions for position in several], int)
            rows = np.repeat(np.arange(len(positions)), [len(several) for several in positions])
            for name, values in glances.items():
                if name == "reasons":
                    found.reasons.update((int(place), values[row]) for place, row in zip(places, rows, strict=True) if row in values)
                else:
                    getattr(found, name)[places] = values[rows]
            bar.update(len(places))
    return found


def _glance(loaded: Loaded, positions: list[int], window: Sequence[str]) -> tuple:
    array = loaded.array if loaded.array.dtype == np.uint8 else expose(loaded.array, window)
    height, width, bands = array.shape
    if height >= 2 * THUMBNAIL and width >= 2 * THUMBNAIL and bands <= 4:  # INTER_AREA takes a fraction of the time on whole multiples
        array = cv2.resize(array, (width - width % THUMBNAIL, height - height % THUMBNAIL), interpolation=cv2.INTER_LINEAR)
    small = _resize(array.reshape(*array.shape[:2], bands), THUMBNAIL, THUMBNAIL)
    return loaded.height, loaded.width, loaded.format, bands, small if bands == 3 else visible(small), loaded.digest


def _gather(found: list[tuple | Unreadable]) -> dict[str, Any]:
    """The rows of an Inspection; `reasons` by row."""
    blank = (0, 0, "", 0, np.zeros((1, 1, 1), np.uint8), 0)
    heights, widths, formats, bands, small, digests = zip(*(blank if isinstance(one, Unreadable) else one for one in found), strict=True)
    thumbnails = np.empty((len(found), THUMBNAIL, THUMBNAIL, 3), np.uint8)
    for row, thumbnail in enumerate(small):
        thumbnails[row] = thumbnail
    planes = np.ascontiguousarray(thumbnails.reshape(len(found), -1, 3).transpose(2, 0, 1))
    return {
        "heights": np.array(heights),
        "widths": np.array(widths),
        "formats": np.array(formats, object),
        # JPEG stores colour in blocks: grey pictures come back with differences of a few units
        "colour": (planes.max(axis=0) - planes.min(axis=0)).max(axis=1) > 8,
        "bands": np.array(bands),
        "thumbnails": thumbnails,
        "digests": np.array(digests),
        "reasons": {row: str(one) for row, one in enumerate(found) if isinstance(one, Unreadable)},
    }
