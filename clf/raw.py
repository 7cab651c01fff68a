"""What lies in `raw/`: files, pictures, and every source of rows read as a table of text, whatever format it has."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

import pandas as pd

from clf import containers, images, paths, tables
from clf.config import Mistake

TEST_LIKE = re.compile(r"(?<![a-z])test", re.IGNORECASE)
TABLES = (".csv", ".tsv")
TFRECORDS = (".tfrec", ".tfrecord", ".tfrecords")
UNREAD = (".bson", ".parquet", ".h5", ".hdf5", ".nii", ".nii.gz", ".mha", ".mrxs", ".svs", ".mp4", ".avi")  # named by 02 where nothing else is there
MOST_TEXT = 300_000  # bytes of a file that may be a competition's description
# From a heading about the evaluation to the next one that is not below it.
EVALUATION = re.compile(r"^(?P<level>#+)[ *_]*(evaluation|metric|scoring)\b[^\n]*\n(?P<text>.*?)(?=^(?!(?P=level)#)#+ |\Z)", re.I | re.M | re.S)
KINDS = {extension: place for place, extension in enumerate(images.EXTENSIONS)}
PATH = "path"  # the column of a table of records that names the picture


class Raw:
    """The files below `raw/`, listed once; names are relative, with `/`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._read: dict[str, pd.DataFrame] = {}

    @cached_property
    def files(self) -> list[str]:
        return paths.names(self.folder)

    @cached_property
    def pictures(self) -> list[str]:
        return [name for name in self.files if name.lower().endswith(images.EXTENSIONS)]

    @cached_property
    def index(self) -> dict[str, str]:
        """What ids may call the pictures → their paths."""
        return index(self.pictures)

    def forget_index(self) -> None:
        """Of a million pictures it takes 0.4 GB; it is made again when asked for."""
        self.__dict__.pop("index", None)

    @cached_property
    def headers(self) -> dict[str, list[str]]:
        """Columns of every table."""
        return {name: tables.header(self.folder / name) for name in self.files if name.lower().endswith(TABLES)}

    @cached_property
    def _json(self) -> dict[str, str]:
        """JSON file → "coco" (images, perhaps annotations), "records" (a list of records with arrays of numbers) or "" (anything else)."""
        return {name: self._json_kind(name) for name in self.files if name.lower().endswith(".json")}

    def _json_kind(self, name: str) -> str:
        start = _decoded(self.folder / name, 4096).lstrip()
        try:
            if start.startswith("["):
                first = next(containers.json_records(self.folder / name), {})
                if isinstance(first, dict) and "file_name" in first:
                    return "coco" if self._load_coco(name) is not None else ""
                return "records" if containers.number_fields(first) else ""
            return "coco" if start.startswith("{") and self._load_coco(name) is not None else ""
        except (containers.Unreadable, ValueError):  # other lists, JSON lines, a file that breaks off
            return ""

    @cached_property
    def coco(self) -> list[str]:
        return [name for name, kind in self._json.items() if kind == "coco"]

    @cached_property
    def record_files(self) -> list[str]:
        """JSON lists of records whose arrays of numbers are pictures."""
        return [name for name, kind in self._json.items() if kind == "records"]

    @cached_property
    def record_folders(self) -> list[str]:
        """Folders that hold TFRecord files directly or in folders; ("": raw/ itself)."""
        return sorted({folder for name in self.files if name.lower().endswith(TFRECORDS) for folder in folders(name)})

    @cached_property
    def pixel_tables(self) -> list[str]:
        return [name for name, columns in self.headers.items() if images.pixel_columns(columns)]

    def plain_columns(self, name: str) -> list[str]:
        """The columns of a source of rows that hold no pixels."""
        if name not in self.headers:
            return list(self.read(name))
        pixels = set(images.pixel_columns(self.headers[name]))
        return [column for column in self.headers[name] if column not in pixels]

    def read(self, name: str) -> pd.DataFrame:
        """A source of rows as text, without its pixels; read once. Empty where the file holds no rows.

        CSV: as it is. COCO JSON: a row for each annotation (or image) with the columns of its image. A list of records: a row for each.
        A folder of TFRecords: a row for each record, the column `path` naming its picture.
        """
        if name not in self._read:
            self._read[name] = self._table(name)
        return self._read[name]

    def _table(self, name: str) -> pd.DataFrame:
        if name in self.headers:
            try:
                return tables.read(self.folder / name, self.plain_columns(name))
            except pd.errors.ParserError:
                return pd.DataFrame()
        if name in self.coco:
            return self._load_coco(name)
        if name in self.record_files:
            return _text(pd.DataFrame([_plain(record) for record in self._undamaged(name, containers.json_records)]))
        return _text(pd.DataFrame(self._examples(name)))

    def _load_coco(self, name: str) -> pd.DataFrame | None:
        """None where the JSON is or has no list of images with file names and ids (`id` or `image_id`). The image's id becomes `id`; of the
        annotation's own only the category stays."""
        if name in self._read:
            return self._read[name]
        content = json.loads(_decoded(self.folder / name))
        content = {"images": content} if isinstance(content, list) else content
        listed = content.get("images")
        if not (isinstance(listed, list) and listed and isinstance(listed[0], dict) and "file_name" in listed[0]):
            return None
        found = _text(pd.DataFrame([_plain(image) for image in listed]))
        found = found if "id" in found else found.rename(columns={"image_id": "id"})
        if "id" not in found:
            return None
        notes = _text(pd.DataFrame([_plain(note) for note in content.get("annotations") or ()])).rename(columns={"id": "annotation_id"})
        if "image_id" in notes:
            notes = notes[[column for column in notes if column == "image_id" or column not in found]].drop(columns="annotation_id", errors="ignore")
            found = found.merge(notes, left_on="id", right_on="image_id", how="inner").drop(columns="image_id")
            named = {str(entry["id"]): entry["name"] for entry in content.get("categories", []) if "id" in entry and "name" in entry}
            if named and "category_id" in found and "category_name" not in found:
                found["category_name"] = found["category_id"].map(named)
            found = found.drop_duplicates(["id", *(["category_id"] if "category_id" in found else [])])
        self._read[name] = _text(found)
        return self._read[name]

    def _undamaged(self, name: str, records: Callable[[Path], Iterable[dict]]) -> Iterable[dict]:
        """The records of a file. Raises Mistake where it breaks off: rows must not be lost unseen."""
        try:
            yield from records(self.folder / name)
        except containers.Unreadable as reason:
            raise Mistake(f"{name} cannot be read ({reason}): download it again.") from None

    def _examples(self, folder: str) -> list[dict]:
        rows = []
        for name in self.files:
            if name.lower().endswith(TFRECORDS) and is_below(name, folder):
                for number, features in enumerate(self._undamaged(name, containers.examples)):
                    rows.append({**_features(features), PATH: f"{name}#{number}"})
        return rows

    def rows(self, name: str) -> int:
        """Rows of a source, also of one that holds pixels only."""
        if name in self.headers:
            return len(pd.read_csv(self.folder / name, usecols=[0], dtype=str, keep_default_na=False, sep=tables.delimiter(self.folder / name)))
        return len(self.read(name))

    def below(self, root: str, besides: str | None = None) -> list[str]:
        """Pictures below a folder ("": all), without those below another one that lies in it or beside it."""
        besides = None if not besides or is_below(root, besides) or root == besides else besides
        return [name for name in self.pictures if is_below(name, root) and not (besides and is_below(name, besides))]

    def evaluation(self) -> dict[str, str]:
        """Text file (description.md, README.txt …) → its section about the evaluation, where it has one."""
        found = {}
        for name in self.files:
            if name.lower().endswith((".md", ".txt", ".rst")) and (self.folder / name).stat().st_size < MOST_TEXT:
                section = EVALUATION.search(_decoded(self.folder / name))
                if section:
                    found[name] = section["text"].strip()
        return found

    def inventory(self) -> str:
        """What lies here, in words for a message: `"12 .jpg, 1 .csv"`."""
        counts = defaultdict(int)
        for name in self.files:
            counts[PurePosixPath(name).suffix.lower() or "without extension"] += 1
        return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda item: -item[1])) or "no files"

    def unread(self) -> str:
        """One line on the files whose format the kit does not read, or ""."""
        counts = {kind: sum(name.lower().endswith(kind) for name in self.files) for kind in UNREAD}
        found = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
        return f"not read by this kit: {found}" if found else ""


def _decoded(path: Path, most: int = -1) -> str:
    """A text file's content, at most so many bytes; latin-1 where it is no UTF-8."""
    with open(path, "rb") as file:
        content = file.read(most)
    try:
        return content.decode("utf-8-sig", errors="strict" if most < 0 else "ignore")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _plain(record: dict) -> dict:
    """The fields that hold one text or number."""
    return {name: value for name, value in record.items() if isinstance(value, (str, int, float, bool))}


def _features(features: dict) -> dict:
    """One value each, as text; pictures are left out."""
    found = {}
    for name, values in features.items():
        if len(values) == 1 and not (isinstance(values[0], bytes) and len(values[0]) > 300):
            found[name] = values[0].decode("utf-8", errors="replace") if isinstance(values[0], bytes) else values[0]
    return found


def _text(frame: pd.DataFrame) -> pd.DataFrame:
    """Every cell as text: whole numbers without a fraction, what is missing empty."""

    def cell(value) -> str:
        if value is None or value != value:  # NaN
            return ""
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    return pd.DataFrame({column: [cell(value) for value in frame[column]] for column in frame}, dtype=str)


def is_below(name: str, root: str) -> bool:
    return not root or name.startswith(root + "/")


def folders(name: str) -> list[str]:
    """`"a/b/c.png"` → `["", "a", "a/b"]`"""
    parts = name.split("/")[:-1]
    return ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]


def split_extension(name: str) -> tuple[str, str]:
    """Cut before a picture's extension only: ids may hold dots."""
    stem, dot, extension = name.rpartition(".")
    extension = dot + extension.lower()
    return (stem, extension) if extension in KINDS else (name, "")


def kind_of(name: str) -> int:
    """The place of a picture's extension among `images.EXTENSIONS`, the better source first."""
    return KINDS[split_extension(name)[1]]


def picture_keys(name: str) -> list[str]:
    """What an id may call a picture: its path, the ends of the path, file name; each with the extension in lower case and without."""
    stem, extension = split_extension(name)
    found = [stem + extension, stem]
    while "/" in stem:
        stem = stem[stem.index("/") + 1 :]
        found += [stem + extension, stem]
    return found


def unpadded_keys(name: str) -> list[str]:
    """`000017.jpg` may be called 17 and 17.jpg."""
    stem, extension = split_extension(name)
    name = stem.rpartition("/")[2]
    return [str(int(name)), str(int(name)) + extension] if name.startswith("0") and name.isdecimal() and len(name) > 1 else []


def identifier_keys(identifier: str) -> list[str]:
    """Tried in this order: file name, stem, the id without its extension as a stem. Paths may be written as on Windows; what was cut from a
    longer id (`a__total`) may end with a separator."""
    identifier = identifier.strip().replace("\\", "/").removeprefix("./").lstrip("/")
    stem, extension = split_extension(identifier)
    return [stem + extension, identifier, stem] if extension else list(dict.fromkeys([identifier, identifier.rstrip("_-")]))


def index(pictures: Iterable[str]) -> dict[str, str]:
    """Key → path. Where a key has several files the better source wins (the order of `images.EXTENSIONS`), and a name before a number."""
    found, unpadded = {}, {}
    for name in sorted(pictures, key=kind_of):
        for key in picture_keys(name):
            found.setdefault(key, name)
        for key in unpadded_keys(name):
            unpadded.setdefault(key, name)
    return {**unpadded, **found}


def look_up(known: dict[str, str], identifier: str) -> str:
    """The picture that an id means, or ""."""
    for key in identifier_keys(identifier):
        if key in known:
            return known[key]
    return ""


def check_readable(raw: Raw) -> None:
    """Raises Mistake where nothing that the kit can read holds a picture."""
    if not (raw.pictures or raw.pixel_tables or raw.record_files or raw.record_folders):
        known = f"Known: {' '.join(images.EXTENSIONS)}, tables of pixels, JSON lists of arrays, TFRecords."
        raise Mistake(f"there are no pictures that can be read in raw/: {raw.inventory()}; {raw.unread() or known}")
