"""Files that hold many pictures: tables of pixels, JSON lists of records, TFRecord files, stacks of arrays.

Picture 17 (0-based) of a container is named `<file>#17`: `train.csv#17`, `train.json#17`, `x.tfrec#17`, `x.npy#17`. A container is read
once, from its beginning, with bounded memory, whichever of its pictures are wanted.
"""

import json
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clf import decoders, tables
from clf.decoders import Unreadable

PIXEL_COLUMN = re.compile(r"\s*(pixel|pix|px|p)?[ _.-]?\d+(x\d+)?\s*", re.IGNORECASE)
PIXEL_TEXT = "pixels"  # a column that holds all values of a row, parted by blanks
LEAST_PIXELS = 64  # of an array of numbers: shorter ones are boxes, points, scores
CHUNK_ROWS = 2000  # of a table of pixels
CHUNK_TEXT = 1 << 22  # characters of JSON, of which a record takes 150,000 where it holds two pictures of 75 × 75
MOST_TEXT = 1 << 28  # characters of one record
MOST_RECORD = 1 << 30  # bytes of one record

Wanted = set[int]
Picture = bytes | np.ndarray | Unreadable  # a picture file's bytes, an array [H,W(,C)] or [C,H,W], or the reason why there is none
BLANKS = re.compile(r"[\s,]*")


def split_name(name: str) -> tuple[str, int] | None:
    """`"x.tfrec#17"` → `("x.tfrec", 17)`; None for the name of a file."""
    file, mark, row = name.rpartition("#")
    return (file, int(row)) if mark and row.isdigit() and _suffix(file) in READERS else None


def read(path: Path, wanted: Wanted) -> Iterator[tuple[int, Picture]]:
    """Each wanted number once, in order, with its picture; the numbers that are left when the file ends or breaks have the reason."""
    left = set(wanted)
    try:
        for row, picture in READERS[_suffix(path.name)](path, wanted):
            left.discard(row)
            yield row, picture
            if not left:
                return
        reason = "the file has no such picture"
    except OSError as error:
        reason = f"cannot be opened: {error.strerror}"
    except Unreadable as unreadable:
        reason = str(unreadable)
    except (ValueError, EOFError) as error:  # also pandas' ParserError and UnicodeDecodeError
        reason = f"damaged: {error}"
    for row in sorted(left):
        yield row, Unreadable(reason)


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].lower()


# -- tables of pixels --------------------------------------------------------------------------------------------------------------


def pixel_columns(header: Sequence[str]) -> list[str]:
    """The columns of a table that hold pixels: `pixel0 …` or plain numbers (64 at least, a square number), or one column `pixels`."""
    found = [name for name in header if PIXEL_COLUMN.fullmatch(name)]
    if len(found) >= LEAST_PIXELS and int(len(found) ** 0.5) ** 2 == len(found):
        return found
    return [name for name in header if name.strip().lower() == PIXEL_TEXT]


def _read_table(path: Path, wanted: Wanted) -> Iterator[tuple[int, Picture]]:
    """Values 0..1 are taken times 255."""
    sign = tables.delimiter(path)
    columns = pixel_columns(list(pd.read_csv(path, nrows=0, sep=sign).columns))
    scale = None
    for chunk in pd.read_csv(path, usecols=columns, chunksize=CHUNK_ROWS, sep=sign):
        values = _pixel_values(chunk[columns])
        if scale is None:
            scale = 255.0 if 0 < np.nanmax(values, initial=0) <= 1 else 1.0
        first, end = chunk.index[0], chunk.index[-1] + 1
        for row in sorted(set(range(first, end)) & wanted):
            yield row, _pixel_row(values[row - first] * scale)
        if end > max(wanted):
            return


def _pixel_values(chunk: pd.DataFrame) -> np.ndarray:
    """float32 [rows, side²]; NaN where a cell holds no number or a row has another length."""
    if chunk.shape[1] > 1:
        texts = chunk.select_dtypes(exclude="number").columns
        if len(texts):
            chunk = chunk.assign(**{name: pd.to_numeric(chunk[name], errors="coerce") for name in texts})
        return chunk.to_numpy(np.float32)
    rows = [_numbers(str(text)) for text in chunk.iloc[:, 0]]
    size = max(len(row) for row in rows)
    return np.stack([row if len(row) == size else np.full(size, np.nan, np.float32) for row in rows])


def _numbers(text: str) -> np.ndarray:
    try:
        return np.array(text.split(), np.float32)
    except ValueError:
        return np.empty(0, np.float32)


def _pixel_row(values: np.ndarray) -> Picture:
    side = int(len(values) ** 0.5)
    if side * side != len(values):
        return Unreadable(f"{len(values)} pixels are no square")
    if np.isnan(values).any():
        return Unreadable(f"{np.isnan(values).sum()} of {len(values)} pixels are no number")
    return np.clip(values, 0, 255).astype(np.uint8).reshape(side, side)


# -- JSON --------------------------------------------------------------------------------------------------------------------------


class Numbers(NamedTuple):
    """Stands in a record where the file has a long array of numbers."""

    shape: tuple[int, ...]


def json_records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a JSON list, arrays that may be pictures replaced by `Numbers`. Raises Unreadable where it is no list of records."""
    for record in _records(path):
        shapes = {name: _shape(value) for name, value in record.items()}
        yield {name: Numbers(shapes[name]) if shapes[name] else value for name, value in record.items()}


def number_fields(record: dict[str, Any]) -> list[str]:
    """The fields of a record of `json_records` that hold arrays: the bands of its picture, in order."""
    return [name for name, value in record.items() if isinstance(value, Numbers)]


def _records(path: Path) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        text = file.read(CHUNK_TEXT).lstrip()
        if not text.startswith("["):
            raise Unreadable("no list of records")
        place = 1
        while True:
            place = BLANKS.match(text, place).end()
            if text.startswith("]", place):
                return
            try:
                record, place = decoder.raw_decode(text, place)
            except ValueError as error:
                # Most often the record goes on beyond what is read. Doubling keeps the repeated work below the file's length.
                more = file.read(max(CHUNK_TEXT, len(text) - place))
                if not more or len(text) - place > MOST_TEXT:
                    raise Unreadable("damaged: " + ("the file ends within a record" if not more else str(error))) from None
                text, place = text[place:] + more, 0
                continue
            if not isinstance(record, dict):
                raise Unreadable("no list of records")
            yield record


def _shape(value: Any) -> tuple[int, ...]:
    """Of a list that may be a picture: a square number of values, or nested lists that are 8 long at least; else ()."""
    shape = []
    while isinstance(value, list) and value:
        shape.append(len(value))
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, int | float | None) or len(shape) not in (1, 2, 3):
        return ()
    if len(shape) == 1:
        side = int(shape[0] ** 0.5)
        return (side, side) if side * side == shape[0] >= LEAST_PIXELS else ()
    return tuple(shape) if np.sort(shape)[-2] >= LEAST_PIXELS**0.5 else ()


def _read_json(path: Path, wanted: Wanted) -> Iterator[tuple[int, Picture]]:
    for row, record in enumerate(_records(path)):
        if row in wanted:
            yield row, _bands(record)


def _bands(record: dict[str, Any]) -> Picture:
    """Each array of a record is a band (or several), in the record's order."""
    shapes = {name: shape for name, value in record.items() if (shape := _shape(value))}
    if not shapes:
        return Unreadable(f"the record has no array of numbers that is a picture, only {', '.join(record)}")
    try:
        arrays = {name: np.array(record[name]) for name in shapes}
        arrays = {name: array if array.dtype.kind in "iu" else array.astype(np.float32) for name, array in arrays.items()}  # null is NaN
        bands = [decoders.as_picture(array.reshape(shapes[name])) for name, array in arrays.items()]
        return np.concatenate(bands, axis=2)
    except (ValueError, TypeError):
        return Unreadable(f"the arrays {', '.join(shapes)} are not of one size, or hold something else than numbers")
    except Unreadable as reason:
        return reason


# -- TFRecord ----------------------------------------------------------------------------------------------------------------------


def examples(path: Path) -> Iterator[dict[str, list[bytes] | list[int] | list[float]]]:
    """The records of a TFRecord file, each a `tf.train.Example`: feature → its values. Raises Unreadable where the file is damaged.

    Format: tensorflow.org/tutorials/load_data/tfrecord. The check sums are not looked at.
    """
    for record in _framed(path, None):
        try:
            yield _example(record)
        except (ValueError, IndexError, struct.error) as error:
            raise Unreadable(f"damaged: a record is no tf.train.Example ({error})") from None


def _framed(path: Path, wanted: Wanted | None) -> Iterator[bytes]:
    """Each record; b"" in the place of one that is not wanted, over which the reading jumps."""
    size, row = path.stat().st_size, 0
    with open(path, "rb") as file:
        while head := file.read(12):  # length, its check sum
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else MOST_RECORD
            if length >= MOST_RECORD or file.tell() + length + 4 > size:
                raise Unreadable(f"damaged: record {row} goes beyond the end of the file")
            if wanted is None or row in wanted:
                yield file.read(length)
                file.seek(4, 1)
            else:
                file.seek(length + 4, 1)
                yield b""
            row += 1


def _example(record: bytes) -> dict[str, list]:
    """Example { Features { map<string, Feature> } }, each of them field 1 of the one around it."""
    found = {}
    for features in _message(memoryview(record)).get(1, []):
        for entry in _message(features).get(1, []):
            parts = _message(entry)
            found[bytes(parts[1][0]).decode()] = _values(parts[2][0]) if 2 in parts else []
    return found


def _values(feature: memoryview) -> list:
    """bytes_list, float_list and int64_list are fields 1, 2 and 3; their values are field 1, numbers packed or one by one."""
    for kind, lists in _message(feature).items():
        values = [value for part in lists for value in _message(part).get(1, [])]
        if kind == 1:
            return [bytes(value) for value in values]
        if kind == 2:
            return [number for value in values for number in np.frombuffer(value, "<f4").tolist()]
        numbers = [number for value in values for number in ([value] if isinstance(value, int) else _varints(value))]
        return [number - (1 << 64) if number >> 63 else number for number in numbers]
    return []


def _message(view: memoryview) -> dict[int, list]:
    """A protocol buffer message: field number → what stands there; varints as int, all else as bytes."""
    found, place = {}, 0
    while place < len(view):
        key, place = _varint(view, place)
        if key & 7 == 0:
            value, place = _varint(view, place)
        elif key & 7 in (1, 2, 5):
            size, place = _varint(view, place) if key & 7 == 2 else ({1: 8, 5: 4}[key & 7], place)
            value, place = view[place : place + size], place + size
            if place > len(view):
                raise ValueError("a field goes beyond its message")
        else:
            raise ValueError(f"wire type {key & 7}")
        found.setdefault(key >> 3, []).append(value)
    return found


def _varints(view: memoryview) -> Iterator[int]:
    place = 0
    while place < len(view):
        value, place = _varint(view, place)
        yield value


def _varint(view: memoryview, place: int) -> tuple[int, int]:
    """The number and the place after it."""
    value = shift = 0
    while True:
        byte = view[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _read_tfrecord(path: Path, wanted: Wanted) -> Iterator[tuple[int, Picture]]:
    for row, record in enumerate(_framed(path, wanted)):
        if row in wanted:
            try:
                yield row, _picture_of(_example(record))
            except (ValueError, IndexError, KeyError):
                yield row, Unreadable("damaged: the record is no tf.train.Example")


def _picture_of(example: dict[str, list]) -> Picture:
    """The feature that begins as a picture file does; of several the longest (masks are shorter than pictures)."""
    found = [value for values in example.values() for value in values[:1] if isinstance(value, bytes) and decoders.is_picture(value)]
    return max(found, key=len, default=None) or Unreadable(f"the record has no picture file, only {', '.join(sorted(example))}")


# -- stacks of arrays --------------------------------------------------------------------------------------------------------------


def _read_stack(path: Path, wanted: Wanted) -> Iterator[tuple[int, Picture]]:
    stack = np.load(path, mmap_mode="r", allow_pickle=False)
    if stack.ndim not in (3, 4):
        raise Unreadable(f"no stack of pictures: an array of {' × '.join(map(str, stack.shape))} values")
    for row in sorted(wanted):
        if row < len(stack):
            yield row, np.array(stack[row])


READERS: dict[str, Callable[[Path, Wanted], Iterator[tuple[int, Picture]]]] = {
    "csv": _read_table,
    "tsv": _read_table,
    "json": _read_json,
    "tfrec": _read_tfrecord,
    "tfrecord": _read_tfrecord,
    "tfrecords": _read_tfrecord,
    "npy": _read_stack,
}
