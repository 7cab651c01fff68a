"""Raw labels of any layout → rows: what lies in `raw/`, how ids find their pictures, and a reader for each layout.

A reader of `READERS` takes what lies in `raw/` and a problem (of which it reads only where the labels are) and returns a frame `id,
label, path[, group]`: one row for each labelled example, `path` below `raw/` or "" where the picture is missing.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from clf import images, paths, tables
from clf.problem import Problem

TEST_LIKE = re.compile(r"(?<![a-z])test", re.IGNORECASE)


# -- what lies in raw/ -------------------------------------------------------------------------------------------------------------


class Raw:
    """The files below `raw/`, listed once; names are relative, with `/`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._read = {}

    @cached_property
    def files(self) -> list[str]:
        return [path.relative_to(self.folder).as_posix() for path in paths.files(self.folder)]

    @cached_property
    def pictures(self) -> list[str]:
        return [name for name in self.files if PurePosixPath(name).suffix.lower() in images.EXTENSIONS]

    @cached_property
    def headers(self) -> dict[str, list[str]]:
        """Columns of every table."""
        return {name: tables.header(self.folder / name) for name in self.files if name.lower().endswith(".csv")}

    @cached_property
    def pixel_tables(self) -> list[str]:
        return [name for name, columns in self.headers.items() if images.pixel_columns(columns)]

    def plain_columns(self, name: str) -> list[str]:
        """The columns of a table that hold no pixels."""
        pixels = set(images.pixel_columns(self.headers[name]))
        return [column for column in self.headers[name] if column not in pixels]

    def read(self, name: str) -> pd.DataFrame:
        """A table as text, without its pixel columns; read once. Empty where the file is no table."""
        if name not in self._read:
            try:
                self._read[name] = tables.read(self.folder / name, self.plain_columns(name))
            except pd.errors.ParserError:
                self._read[name] = pd.DataFrame()
        return self._read[name]

    def rows(self, name: str) -> int:
        """Data rows of a table, also of one that holds pixels only."""
        return len(pd.read_csv(self.folder / name, usecols=[0], dtype=str, keep_default_na=False))

    def below(self, root: str, besides: str | None = None) -> list[str]:
        """Pictures below a folder ("": all), without those below another one."""
        return [name for name in self.pictures if is_below(name, root) and not (besides and besides != root and is_below(name, besides))]

    def inventory(self) -> str:
        """What lies here, in words for a message: `"12 .jpg, 1 .csv"`."""
        counts = defaultdict(int)
        for name in self.files:
            counts[PurePosixPath(name).suffix.lower() or "without extension"] += 1
        return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda item: -item[1])) or "no files"


def is_below(name: str, root: str) -> bool:
    return not root or name.startswith(root + "/")


# -- joining ids and files ---------------------------------------------------------------------------------------------------------


def split_extension(name: str) -> tuple[str, str]:
    """Cut before a picture's extension only: ids may hold dots."""
    for extension in images.EXTENSIONS:
        if name.lower().endswith(extension):
            return name[: -len(extension)], extension
    return name, ""


def picture_keys(name: str) -> list[str]:
    """What an id may call a picture: its path, the ends of the path, file name; each with the extension in lower case and without."""
    stem, extension = split_extension(name)
    parts = stem.split("/")
    ends = ["/".join(parts[start:]) for start in range(len(parts))]
    return [key for end in ends for key in (end + extension, end)]


def identifier_keys(identifier: str) -> list[str]:
    """Tried in this order: file name, stem, the id without its extension as a stem."""
    identifier = identifier.strip().removeprefix("./").lstrip("/")
    stem, extension = split_extension(identifier)
    return [stem + extension, identifier, stem] if extension else [identifier]


def index(pictures: Iterable[str]) -> dict[str, str]:
    """Key → path. Where a key has several files the better source wins (the order of `images.EXTENSIONS`)."""
    better = {extension: place for place, extension in enumerate(images.EXTENSIONS)}
    found = {}
    for name in sorted(pictures, key=lambda name: better[split_extension(name)[1]]):
        for key in picture_keys(name):
            found.setdefault(key, name)
    return found


def look_up(known: dict[str, str], identifier: str) -> str:
    """The picture that an id means, or ""."""
    return next((known[key] for key in identifier_keys(identifier) if key in known), "")


def coverage(pictures: Iterable[str], ids: Iterable[str]) -> dict[str, set[str]]:
    """For every folder ("": all): the ids that have a picture somewhere below it."""
    wanted = {key: name for name in ids for key in reversed(identifier_keys(name))}
    found = defaultdict(set)
    for picture in pictures:
        name = next((wanted[key] for key in picture_keys(picture) if key in wanted), None)
        if name is not None:
            for folder in folders(picture):
                found[folder].add(name)
    return found


def folders(name: str) -> list[str]:
    """`"a/b/c.png"` → `["", "a", "a/b"]`"""
    parts = name.split("/")[:-1]
    return ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]


def plain(text: str) -> str:
    """For comparisons only: letters and digits, case folded."""
    return re.sub(r"[\W_]+", "", text.casefold())


def matched(wanted: Iterable[str], among: Iterable[str]) -> dict[str, str]:
    """Wanted name → the name among the others that is written the same, or the same but for case, blanks and punctuation."""
    among, wanted = list(among), list(wanted)
    if set(wanted) <= set(among):
        return {name: name for name in wanted}
    loose = defaultdict(list)
    for name in among:
        loose[plain(name)].append(name)
    found = {}
    for name in wanted:
        near = [name] if name in among else loose[plain(name)]
        if len(near) == 1:
            found[name] = near[0]
    return found


# -- readers -----------------------------------------------------------------------------------------------------------------------


def _with_group(frame: pd.DataFrame, table: pd.DataFrame, problem: Problem) -> pd.DataFrame:
    group = getattr(problem, "group", "")
    return frame.assign(group=table[group].to_numpy()) if group else frame


def read_pixels(raw: Raw, problem: Problem) -> pd.DataFrame:
    """One row, one picture; the id is a column's, else the data row's number from 0."""
    table = raw.read(problem.label_file)
    rows = [str(row) for row in range(len(table))]
    ids = table[problem.file_id_column] if problem.file_id_column else rows
    where = [f"{problem.label_file}#{row}" for row in rows]
    return _with_group(pd.DataFrame({"id": list(ids), "label": list(table[problem.label_column]), "path": where}), table, problem)


def read_table(raw: Raw, problem: Problem) -> pd.DataFrame:
    table = raw.read(problem.label_file)
    return _with_group(_joined(raw, problem, table, list(table[problem.label_column])), table, problem)


def read_onehot(raw: Raw, problem: Problem) -> pd.DataFrame:
    """The label is the name of the column that holds the 1; rows with another number of ones have no label."""
    table = raw.read(problem.label_file)
    columns = onehot_columns(table, problem.columns)
    ones = onehot_values(table, columns) == 1
    labels = np.where(ones.sum(axis=1) == 1, np.array(columns, object)[ones.argmax(axis=1)], "")
    return _with_group(_joined(raw, problem, table, list(labels)), table, problem)


def onehot_columns(table: pd.DataFrame, wanted: Iterable[str]) -> list[str]:
    """The table's columns for the submission's (matched by name); where it has one column only: all that hold 0 and 1."""
    wanted = list(wanted)
    if len(wanted) > 1:
        return list(matched(wanted, table.columns).values())
    return [column for column in table if set(pd.to_numeric(table[column], errors="coerce").unique()) == {0, 1}]


def onehot_values(table: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """float [rows, columns]; NaN where a cell is no number."""
    return table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)


def _joined(raw: Raw, problem: Problem, table: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    known = index(raw.below(problem.train_root, problem.test_root))
    ids = list(table[problem.file_id_column])
    return pd.DataFrame({"id": ids, "label": labels, "path": [look_up(known, name) for name in ids]})


def read_folders(raw: Raw, problem: Problem) -> pd.DataFrame:
    """The label is the folder below the root; the id is the path below the root, as names may repeat between classes."""
    found = [(name.removeprefix(problem.train_root).lstrip("/"), name) for name in raw.below(problem.train_root, problem.test_root)]
    rows = [(rest, rest.partition("/")[0], name) for rest, name in found if "/" in rest]
    return pd.DataFrame(rows, columns=["id", "label", "path"])


def read_filename(raw: Raw, problem: Problem) -> pd.DataFrame:
    pictures = train_files(raw, problem)
    labels = filename_labels(pictures)
    ids = [name.removeprefix(problem.train_root).lstrip("/") for name in pictures]
    return pd.DataFrame({"id": ids, "label": labels or [""] * len(ids), "path": pictures})


def train_files(raw: Raw, problem: Problem) -> list[str]:
    """Pictures below the train root that are no test picture, where train and test share a folder too."""
    asked = set(test(raw, problem)["path"])
    return [name for name in raw.below(problem.train_root, problem.test_root) if name not in asked]


NAME_PATTERNS = (  # how a label may stand in a file's stem: dog.12 and great_pyrenees_12, 12_dog, 3_0012, 0012_3
    re.compile(r"(.*[^\W\d_].*?)[._ \-(]*\d+\)?"),
    re.compile(r"\d+[._ -]+(.*[^\W\d_].*)"),
    re.compile(r"([^._ -]+)[._ -]+.+"),
    re.compile(r".+[._ -]+([^._ -]+)"),
)


def filename_labels(names: list[str]) -> list[str] | None:
    """The label in each file name by the first pattern that nearly every name (95 %) fits, with 2 to 200 labels of 4 names each in the
    mean and 2 at least for most; None where no pattern does. A name that does not fit has the label ""."""
    stems = [split_extension(PurePosixPath(name).name)[0] for name in names]
    for pattern in NAME_PATTERNS:
        matches = [pattern.fullmatch(stem) for stem in stems]
        labels = [match[1] if match else "" for match in matches]
        counts = pd.Series([label for label in labels if label]).value_counts()
        if sum(counts) >= 0.95 * len(names) and 2 <= len(counts) <= min(200, len(names) / 4) and (counts >= 2).mean() > 0.8:
            return labels
    return None


READERS: dict[str, Callable[[Raw, Problem], pd.DataFrame]] = {
    "pixels": read_pixels,
    "table": read_table,
    "onehot": read_onehot,
    "folders": read_folders,
    "filename": read_filename,
}


def test(raw: Raw, problem: Problem) -> pd.DataFrame:
    """`id, path` in the sample submission's order; path "" where the test picture is missing."""
    ids = list(raw.read(problem.submission_file)[problem.id_column])
    if problem.layout == "pixels":
        places = pixel_test_rows(raw, problem.test_root, ids)
    else:
        train = problem.train_root if is_below(problem.train_root, problem.test_root) else None
        known = index(raw.below(problem.test_root, train))
        places = [look_up(known, name) for name in ids]
    return pd.DataFrame({"id": ids, "path": places}, dtype=object)


def pixel_test_rows(raw: Raw, table: str, ids: list[str]) -> list[str]:
    """Where the table has a column that holds the ids, by that; else an id is a row's number, counted from the sample's lowest."""
    for column in raw.plain_columns(table):
        rows = {name: row for row, name in enumerate(raw.read(table)[column])}
        if all(name in rows for name in ids):
            return [f"{table}#{rows[name]}" for name in ids]
    numbers = [int(name) if name.isdigit() else -1 for name in ids]
    base, count = min(numbers), raw.rows(table)
    return [f"{table}#{number - base}" if base >= 0 and number - base < count else "" for number in numbers]
