"""Any picture → uint8 [H,W,C], or the reason why not; what a whole set of pictures looks like; duplicates.

A picture's name is its path below `raw/`; data row 17 (0-based) of a table of pixels is called `train.csv#17`. Decoding is the same for
train and test: EXIF orientation is applied, transparency lies on white, 16-bit grey is divided by 257. What cannot be decoded whole is
`Unreadable`: half a picture is never returned.
"""

import collections
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from clf import config

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".jp2", ".tif", ".tiff")  # the better source first
MOST_PIXELS = 250_000_000  # one decoded picture: 750 MB
THUMBNAIL = 16  # px
PIXEL_COLUMN = re.compile(r"\s*(pixel|pix|px)?[ _.-]?\d+(x\d+)?\s*", re.IGNORECASE)
PIXEL_TEXT = "pixels"  # a column that holds all values of a row, parted by blanks
CHUNK_ROWS = 2000  # of a table of pixels
BATCH_BYTES, BATCH_FILES = 500_000, 64

Image.MAX_IMAGE_PIXELS = None  # replaced by MOST_PIXELS, which counts after a JPEG's scaled decoding
ImageFile.LOAD_TRUNCATED_IMAGES = False


class Unreadable(Exception):
    """No picture can be had; `str()` is the reason, for `quarantine.csv`."""


class Loaded(NamedTuple):
    """One decoded picture and what its file said of it; height and width in px before any scaled decoding, upright."""

    picture: np.ndarray
    format: str
    height: int
    width: int
    digest: int  # 63-bit hash of the file's content


# -- one picture -------------------------------------------------------------------------------------------------------------------


def decode(content: bytes, at_least: int = 0) -> np.ndarray:
    """The bytes of a picture file → uint8 [H,W,1|3].

    A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, its short side never below `at_least` px; 0: full size. Raises Unreadable.
    """
    return _load(content, at_least).picture


def _load(content: bytes, at_least: int) -> Loaded:
    if not content:
        raise Unreadable("empty file (0 bytes)")
    try:
        with Image.open(io.BytesIO(content)) as image:
            size, form = image.size, f"{image.format} {image.mode}"
            if at_least:
                image.draft(None, (at_least, at_least))
            if image.width * image.height > MOST_PIXELS:
                raise Unreadable(f"{size[0]} × {size[1]} px is more than the {MOST_PIXELS / 1e6:.0f} million that are decoded")
            image.load()
            upright = _upright(image)
            picture = _as_array(upright)
    except UnidentifiedImageError:
        raise Unreadable(f"no picture: the file begins with {content[:12]!r}") from None
    except Unreadable:
        raise
    except Exception as error:  # the decoders raise many kinds on damaged files (OSError, SyntaxError, ValueError, zlib.error …)
        raise Unreadable(f"damaged: {str(error) or type(error).__name__}") from None
    turned = (upright.width < upright.height) != (image.width < image.height)
    width, height = reversed(size) if turned else size
    return Loaded(picture, form, height, width, _digest(content))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block says nothing of the picture
        return image


def _as_array(image: Image.Image) -> np.ndarray:
    """uint8 [H,W,1] for grey modes, else [H,W,3]."""
    if image.mode.startswith("I"):  # 16 bit, or 32 that hold 16
        array = (np.clip(np.asarray(image).astype(np.int64), 0, 65535) // 257).astype(np.uint8)
    elif image.mode == "F":
        array = np.nan_to_num(np.asarray(image, np.float32))
        array = np.clip(array * (255 if array.max() <= 1 else 1), 0, 255).astype(np.uint8)
    elif image.mode in ("1", "L"):
        array = np.asarray(image.convert("L"))
    elif image.has_transparency_data:
        layer = image.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        array = np.asarray(flat.convert("L" if image.mode in ("LA", "La") else "RGB"))
    else:
        array = np.asarray(image.convert("RGB"))
    return np.ascontiguousarray(array.reshape(*array.shape[:2], -1))


def _digest(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") >> 1


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
    if picture.shape[:2] == (side, side):
        return np.ascontiguousarray(picture)
    shrinks = picture.shape[0] > side or picture.shape[1] > side
    resized = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized.reshape(side, side, channels)


# -- many pictures -----------------------------------------------------------------------------------------------------------------


def stream(raw: Path, names: Sequence[str], at_least: int = 0) -> Iterator[tuple[int, np.ndarray | Unreadable]]:
    """Each position of `names` once, in any order, with its picture (see `decode`) or the reason why there is none.

    Decodes on all cores; a bounded number of pictures is in memory, at any number of names.
    """
    return _each(raw, names, at_least, lambda loaded: loaded.picture)


def _each(raw: Path, names: Sequence[str], at_least: int, reduce: Callable[[Loaded], Any]) -> Iterator[tuple[int, Any]]:
    """`stream` with a function that runs beside the decoding, on the same thread."""
    files, rows = [], collections.defaultdict(dict)
    for position, name in enumerate(names):
        table, mark, row = name.rpartition("#")
        if mark and row.isdigit() and table.lower().endswith(".csv"):
            rows[table].setdefault(int(row), []).append(position)
        else:
            files.append(position)
    for table, wanted in rows.items():
        yield from _pixel_rows(raw / table, wanted, reduce)

    def work(position: int) -> Any:
        try:
            return reduce(_load((raw / names[position]).read_bytes(), at_least))
        except Unreadable as reason:
            return reason
        except OSError as error:
            return Unreadable(f"cannot be opened: {error.strerror}")

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        running = collections.deque()
        for batch in _batches(raw, names, files):
            running.append((batch, pool.submit(lambda batch: [work(position) for position in batch], batch)))
            if len(running) >= 3 * workers:
                first, future = running.popleft()
                yield from zip(first, future.result(), strict=True)
        for batch, future in running:
            yield from zip(batch, future.result(), strict=True)


def _batches(raw: Path, names: Sequence[str], positions: list[int]) -> Iterator[list[int]]:
    """Small files share a task, as handing over costs as much as decoding them; a large one has its own."""
    batch, size = [], 0
    for position in positions:
        try:
            more = os.path.getsize(raw / names[position])
        except OSError:
            more = 0
        if batch and (size + more > BATCH_BYTES or len(batch) >= BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(position)
        size += more
    if batch:
        yield batch


def pixel_columns(header: Sequence[str]) -> list[str]:
    """The columns of a table that hold pixels: `pixel0 …` or plain numbers (64 at least, a square number), or one column `pixels`."""
    found = [name for name in header if PIXEL_COLUMN.fullmatch(name)]
    if len(found) >= 64 and int(len(found) ** 0.5) ** 2 == len(found):
        return found
    return [name for name in header if name.strip().lower() == PIXEL_TEXT]


def _pixel_rows(path: Path, wanted: dict[int, list[int]], reduce: Callable[[Loaded], Any]) -> Iterator[tuple[int, Any]]:
    """Rows of a table of pixels, read in chunks. Values 0..1 are taken times 255."""
    columns = pixel_columns(list(pd.read_csv(path, nrows=0).columns))
    scale = None
    for chunk in pd.read_csv(path, usecols=columns, chunksize=CHUNK_ROWS):
        values = _pixel_values(chunk[columns])
        if scale is None:
            scale = 255.0 if 0 < np.nanmax(values) <= 1 else 1.0
        for row in set(range(chunk.index[0], chunk.index[-1] + 1)) & wanted.keys():
            loaded = _pixel_row(values[row - chunk.index[0]] * scale)
            for position in wanted[row]:
                yield position, loaded if isinstance(loaded, Unreadable) else reduce(loaded)
        wanted = {row: positions for row, positions in wanted.items() if row > chunk.index[-1]}
        if not wanted:
            return
    for positions in wanted.values():
        for position in positions:
            yield position, Unreadable("the table has no such row")


def _pixel_values(chunk: pd.DataFrame) -> np.ndarray:
    """float32 [rows, side²]; NaN where a cell holds no number or a row has another length."""
    if chunk.shape[1] > 1:
        texts = chunk.select_dtypes(exclude="number").columns
        if len(texts):
            chunk = chunk.assign(**{name: pd.to_numeric(chunk[name], errors="coerce") for name in texts})
        return chunk.to_numpy(np.float32)
    rows = [np.array([float(word) for word in str(text).split()], np.float32) for text in chunk.iloc[:, 0]]
    size = max(len(row) for row in rows)
    return np.stack([row if len(row) == size else np.full(size, np.nan, np.float32) for row in rows])


def _pixel_row(values: np.ndarray) -> Loaded | Unreadable:
    side = int(len(values) ** 0.5)
    if side * side != len(values):
        return Unreadable(f"{len(values)} pixels are no square")
    if np.isnan(values).any():
        return Unreadable(f"{np.isnan(values).sum()} of {len(values)} pixels are no number")
    picture = np.clip(values, 0, 255).astype(np.uint8).reshape(side, side, 1)
    return Loaded(picture, "table L", side, side, _digest(picture.tobytes()))


# -- a set of pictures at a glance -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inspection:
    """What one pass over N pictures found, row i for name i. Where `reasons` has row i, the rest of that row is zero."""

    heights: np.ndarray  # int32 [N], px
    widths: np.ndarray  # int32 [N], px
    formats: np.ndarray  # text [N]: "JPEG RGB"
    colour: np.ndarray  # bool [N]: not all pixels are grey
    thumbnails: np.ndarray  # uint8 [N,16,16,3], proportions not kept
    digests: np.ndarray  # int64 [N], of the files' content
    reasons: dict[int, str]

    @property
    def readable(self) -> np.ndarray:
        """bool [N]"""
        found = np.ones(len(self.heights), bool)
        found[list(self.reasons)] = False
        return found

    def take(self, rows: np.ndarray) -> "Inspection":
        """The rows that a bool [N] or int array names; readable ones only."""
        arrays = (self.heights, self.widths, self.formats, self.colour, self.thumbnails, self.digests)
        return Inspection(*(array[rows] for array in arrays), reasons={})


def inspect(raw: Path, names: Sequence[str]) -> Inspection:
    """Decodes every picture once, wholly but at reduced scale; 0.8 kB a picture stay in memory."""
    count = len(names)
    found = Inspection(
        heights=np.zeros(count, np.int32),
        widths=np.zeros(count, np.int32),
        formats=np.full(count, "", object),
        colour=np.zeros(count, bool),
        thumbnails=np.zeros((count, THUMBNAIL, THUMBNAIL, 3), np.uint8),
        digests=np.zeros(count, np.int64),
        reasons={},
    )
    glances = _each(raw, names, 2 * THUMBNAIL, _glance)
    for position, glance in config.progress(glances, desc="reading pictures", total=count, unit=" pictures"):
        if isinstance(glance, Unreadable):
            found.reasons[position] = str(glance)
        else:
            found.heights[position], found.widths[position], found.formats[position] = glance[:3]
            found.colour[position], found.thumbnails[position], found.digests[position] = glance[3:]
    return found


def _glance(loaded: Loaded) -> tuple:
    small = fit(loaded.picture, THUMBNAIL, "squash").astype(np.int16)
    # JPEG stores colour in blocks: grey pictures come back with differences of a few units
    colour = small.shape[2] == 3 and int(np.ptp(small, axis=2).max()) > 8
    return loaded.height, loaded.width, loaded.format, colour, small.astype(np.uint8), loaded.digest


# -- duplicates --------------------------------------------------------------------------------------------------------------------

BANDS = 4  # of 16 bits: hashes that agree in one band are compared
NEIGHBOURS = 24  # compared within a band's bucket, sorted by the whole hash: bounds the work where one hash is very common
MOST_BITS = 10  # of 64 that differ: pictures saved again as JPEG differ in up to 10
MOST_DIFFERENCE = 4.0  # mean absolute difference of two thumbnails, of 255; saved again: up to 2, resized: up to 5
LEAST_CORRELATION = 0.99


def clusters(thumbnails: np.ndarray, digests: np.ndarray) -> np.ndarray:
    """Pictures that are the same → int [N], the number of the cluster, -1 for a picture that has no twin.

    thumbnails uint8 [N,S,S,C], digests int64 [N]. Files with equal content are the same. Otherwise a 64-bit difference hash (dHash,
    N. Krawetz 2013) proposes pairs, and the thumbnails must agree in mean absolute difference and in correlation: on small drawings
    the hash alone chains thousands of different pictures. Time N log N, memory 0.3 kB a picture.
    """
    grey = thumbnails.astype(np.float32).mean(axis=3)
    pairs = [_neighbours(np.argsort(digests, kind="stable"), digests, 1)]
    hashes = difference_hashes(grey)
    for band in range(BANDS):
        part = (hashes >> np.uint64(16 * band)) & np.uint64(0xFFFF)
        order = np.lexsort((hashes, part))
        for distance in range(1, NEIGHBOURS + 1):
            near = _neighbours(order, part, distance)
            near = near[np.bitwise_count(hashes[near[:, 0]] ^ hashes[near[:, 1]]) <= MOST_BITS]
            pairs.append(near[_agree(thumbnails, near)])
    edges = np.concatenate(pairs)
    count = len(thumbnails)
    graph = coo_matrix((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), (count, count))
    _, parts = connected_components(graph, directed=False)
    sizes = np.bincount(parts, minlength=1)
    numbers = np.where(sizes > 1, np.cumsum(sizes > 1) - 1, -1)
    return numbers[parts]


def difference_hashes(grey: np.ndarray) -> np.ndarray:
    """float [N,S,S] → uint64 [N]: is each of 8 × 8 fields brighter than its left neighbour?"""
    small = np.einsum("rh,nhw,cw->nrc", _shrink(grey.shape[1], 8), grey, _shrink(grey.shape[2], 9), optimize=True)
    bits = (small[:, :, 1:] > small[:, :, :-1] + 0.5).reshape(len(grey), 64)
    return (bits.astype(np.uint64) << np.arange(64, dtype=np.uint64)).sum(axis=1, dtype=np.uint64)


def _shrink(size: int, fields: int) -> np.ndarray:
    """float32 [fields,size]: weights of the mean over each of `fields` equal parts."""
    edges = np.linspace(0, size, fields + 1)
    starts = np.arange(size)
    overlap = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    weights = np.clip(overlap, 0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _neighbours(order: np.ndarray, keys: np.ndarray, distance: int) -> np.ndarray:
    """int [P,2]: pairs `distance` apart in the order that have the same key."""
    first, second = order[:-distance], order[distance:]
    same = keys[first] == keys[second]
    return np.stack([first[same], second[same]], axis=1)


def _agree(thumbnails: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """bool [P]: the two thumbnails are the same but for noise."""
    flat = thumbnails.reshape(len(thumbnails), int(np.prod(thumbnails.shape[1:])))
    said = []
    for part in np.array_split(pairs, len(pairs) // 20_000 + 1):
        first, second = (flat[part[:, side]].astype(np.float32) for side in (0, 1))
        near = np.abs(first - second).mean(axis=1) <= MOST_DIFFERENCE
        first -= first.mean(axis=1, keepdims=True)
        second -= second.mean(axis=1, keepdims=True)
        length = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        correlated = (first * second).sum(axis=1) >= LEAST_CORRELATION * length
        said.append(near & correlated & (length > 0))
    return np.concatenate(said)
