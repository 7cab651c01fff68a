"""Raw labels of any layout → `train.csv` (`id, label, cluster[, group]`), `test.csv`, `pictures.csv`; all text, read as text.

A reader of `READERS` takes what lies in `raw/` and a problem (of which it reads only where the labels are) and returns a frame `id,
label, path[, group]`: one row for each labelled example, `path` below `raw/` or "" where the picture is missing.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from clf import images, paths
from clf.config import Mistake

if TYPE_CHECKING:
    from clf.problem import Problem

TEST_LIKE = re.compile(r"(?<![a-z])test", re.IGNORECASE)


def read(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """A table as text: `0012`, `1e10`, `NA` and the empty cell stay what they are. A byte-order mark is dropped; latin-1 is tried last."""
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            return pd.read_csv(path, dtype=str, keep_default_na=False, encoding=encoding, usecols=columns, index_col=False)
        except UnicodeDecodeError:
            continue
        except pd.errors.EmptyDataError:
            return pd.DataFrame()


def header(path: Path) -> list[str]:
    """The columns' names as they are written."""
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            return list(pd.read_csv(path, nrows=0, encoding=encoding).columns)
        except UnicodeDecodeError:
            continue
        except (pd.errors.EmptyDataError, pd.errors.ParserError):
            return []


def write(path: Path, frame: pd.DataFrame) -> None:
    paths.write_bytes(path, frame.to_csv(index=False, lineterminator="\n").encode())


# -- what lies in raw/ ---------------------------------------------------------------------------------------------------------------


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
        return {name: header(self.folder / name) for name in self.files if name.lower().endswith(".csv")}

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
                self._read[name] = read(self.folder / name, self.plain_columns(name))
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


# -- joining ids and files ----------------------------------------------------------------------------------------------------------------


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


# -- readers -----------------------------------------------------------------------------------------------------------------------------------


def _with_group(frame: pd.DataFrame, table: pd.DataFrame, problem: "Problem") -> pd.DataFrame:
    group = getattr(problem, "group", "")
    return frame.assign(group=table[group].to_numpy()) if group else frame


def read_pixels(raw: Raw, problem: "Problem") -> pd.DataFrame:
    """One row, one picture; the id is a column's, else the data row's number from 0."""
    table = raw.read(problem.label_file)
    rows = [str(row) for row in range(len(table))]
    ids = table[problem.file_id_column] if problem.file_id_column else rows
    where = [f"{problem.label_file}#{row}" for row in rows]
    return _with_group(pd.DataFrame({"id": list(ids), "label": list(table[problem.label_column]), "path": where}), table, problem)


def read_table(raw: Raw, problem: "Problem") -> pd.DataFrame:
    table = raw.read(problem.label_file)
    return _with_group(_joined(raw, problem, table, list(table[problem.label_column])), table, problem)


def read_onehot(raw: Raw, problem: "Problem") -> pd.DataFrame:
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


def _joined(raw: Raw, problem: "Problem", table: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    known = index(raw.below(problem.train_root, problem.test_root))
    ids = list(table[problem.file_id_column])
    return pd.DataFrame({"id": ids, "label": labels, "path": [look_up(known, name) for name in ids]})


def read_folders(raw: Raw, problem: "Problem") -> pd.DataFrame:
    """The label is the folder below the root; the id is the path below the root, as names may repeat between classes."""
    found = [(name.removeprefix(problem.train_root).lstrip("/"), name) for name in raw.below(problem.train_root, problem.test_root)]
    rows = [(rest, rest.partition("/")[0], name) for rest, name in found if "/" in rest]
    return pd.DataFrame(rows, columns=["id", "label", "path"])


def read_filename(raw: Raw, problem: "Problem") -> pd.DataFrame:
    pictures = train_files(raw, problem)
    labels = filename_labels(pictures)
    ids = [name.removeprefix(problem.train_root).lstrip("/") for name in pictures]
    return pd.DataFrame({"id": ids, "label": labels or [""] * len(ids), "path": pictures})


def train_files(raw: Raw, problem: "Problem") -> list[str]:
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


READERS: dict[str, Callable[[Raw, "Problem"], pd.DataFrame]] = {
    "pixels": read_pixels,
    "table": read_table,
    "onehot": read_onehot,
    "folders": read_folders,
    "filename": read_filename,
}


# -- the kit's tables -----------------------------------------------------------------------------------------------------------------------------


def test(raw: Raw, problem: "Problem") -> pd.DataFrame:
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


def reject(train: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labelled rows with a picture, and the others as rows of `quarantine.csv` (`part, id, path, reason`)."""
    reasons = pd.Series("", index=train.index)
    clash = train.groupby("id")["label"].transform("nunique") > 1
    reasons[train["id"].duplicated()] = "the id occurs before, with the same label"
    reasons[clash] = "the id occurs with several labels"
    reasons[train["path"] == ""] = "no such picture"
    reasons[train["label"].str.strip() == ""] = "no label"
    bad = train[reasons != ""]
    return train[reasons == ""].reset_index(drop=True), quarantine("train", bad, reasons[reasons != ""])


def quarantine(part: str, rows: pd.DataFrame, reasons: Iterable[str]) -> pd.DataFrame:
    return pd.DataFrame({"part": part, "id": rows["id"], "path": rows["path"], "reason": list(reasons)}, dtype=object)


def pictures(train: pd.DataFrame, test: pd.DataFrame, test_readable: np.ndarray) -> pd.DataFrame:
    """`part, id, path, view, row`: train rows first, then the readable test pictures; bool [test rows] says which these are."""
    rows = np.full(len(test), "", object)
    rows[test_readable] = [str(len(train) + number) for number in range(int(test_readable.sum()))]
    parts = [
        pd.DataFrame(
            {"part": "train", "id": train["id"], "path": train["path"], "view": "", "row": [str(row) for row in range(len(train))]}
        ),
        pd.DataFrame({"part": "test", "id": test["id"], "path": test["path"], "view": "", "row": rows}),
    ]
    return pd.concat(parts, ignore_index=True)


# -- one pass over all pictures ---------------------------------------------------------------------------------------------------------------------

SAMPLES, SAMPLE_CLASSES, SAMPLE_SIDE = 8, 40, 96  # pictures of a class, classes, px, for the page
SHOWN_CLUSTERS, SHOWN_MEMBERS = 20, 8


@dataclass(frozen=True)
class Gathered:
    """Everything that step 02 knows of the rows; `train` is `id, label, path, cluster[, group]`, `test` is `id, path`."""

    train: pd.DataFrame
    test: pd.DataFrame
    test_readable: np.ndarray  # bool [test rows]
    quarantine: pd.DataFrame  # part, id, path, reason
    inspection: images.Inspection  # of the train rows, then the readable test rows
    numbers: np.ndarray  # int [the same rows]: cluster, or -1
    notes: list[str]

    @property
    def look(self) -> images.Inspection:
        """Of the train rows only."""
        return self.inspection.take(np.arange(len(self.train)))

    @property
    def train_table(self) -> pd.DataFrame:
        return self.train[[name for name in ("id", "label", "cluster", "group") if name in self.train]]


def gather(raw: Raw, problem: "Problem") -> Gathered:
    """Reads the labels, decodes every picture once, sets aside what cannot be read, finds duplicates within and between train and test."""
    labelled, refused = reject(READERS[problem.layout](raw, problem))
    asked = test(raw, problem)
    there = np.flatnonzero(asked["path"] != "")
    found = images.inspect(raw.folder, [*labelled["path"], *asked["path"].iloc[there]])
    readable = found.readable
    train_readable, test_readable = readable[: len(labelled)], np.zeros(len(asked), bool)
    test_readable[there] = readable[len(labelled) :]
    if not train_readable.any():
        raise Mistake(
            f"none of the {len(labelled):,} training pictures can be read; the first: {next(iter(found.reasons.values()), 'none is labelled')}."
        )
    reasons = [found.reasons.get(position, "") for position in range(len(readable))]
    missing = asked["path"] == ""
    unreadable = there[~readable[len(labelled) :]]
    aside = [
        refused,
        quarantine("train", labelled[~train_readable], [text for text in reasons[: len(labelled)] if text]),
        quarantine("test", asked[missing], ["no such picture"] * int(missing.sum())),
        quarantine("test", asked.iloc[unreadable], [text for text in reasons[len(labelled) :] if text]),
    ]
    train, kept = labelled[train_readable].reset_index(drop=True), found.take(readable)
    numbers, notes = _used_clusters(images.clusters(kept.thumbnails, kept.digests), len(train))
    train["cluster"] = _cluster_names(numbers[: len(train)])
    return Gathered(train, asked, test_readable, pd.concat(aside, ignore_index=True), kept, numbers, notes)


def _used_clusters(numbers: np.ndarray, train_rows: int) -> tuple[np.ndarray, list[str]]:
    """Clusters of more than 1 % of the training rows (and more than 10) are no duplicates but pictures that look alike: not used."""
    sizes = np.bincount(numbers[:train_rows][numbers[:train_rows] >= 0], minlength=max(numbers.max(initial=-1) + 1, 1))
    large = np.flatnonzero(sizes > max(10, train_rows // 100))
    notes = [
        f"a cluster of {sizes[number]:,} training pictures that look the same is too large to be duplicates: not used" for number in large
    ]
    return np.where(np.isin(numbers, large), -1, numbers), notes


def _cluster_names(numbers: np.ndarray) -> list[str]:
    """`c17` for training rows that share a cluster with another training row, else ""."""
    sizes = np.bincount(numbers[numbers >= 0], minlength=1)
    return [f"c{number}" if number >= 0 and sizes[number] > 1 else "" for number in numbers]


def findings(raw: Raw, gathered: Gathered) -> dict:
    """What `report.explore` shows of the rows; pictures are uint8 [S,S,C]."""
    train, numbers = gathered.train, gathered.numbers
    members = pd.DataFrame(
        {
            "part": ["train"] * len(train) + ["test"] * int(gathered.test_readable.sum()),
            "id": [*train["id"], *gathered.test["id"][gathered.test_readable]],
            "label": [*train["label"], *[""] * int(gathered.test_readable.sum())],
            "path": [*train["path"], *gathered.test["path"][gathered.test_readable]],
            "cluster": numbers,
        }
    )
    clustered = members[members["cluster"] >= 0]
    of_train = clustered[clustered["part"] == "train"]
    sizes = clustered["cluster"].value_counts()
    shown = {number: clustered[clustered["cluster"] == number].head(SHOWN_MEMBERS) for number in sizes.index[:SHOWN_CLUSTERS]}
    counts = train["label"].value_counts()
    samples = {label: train[train["label"] == label].iloc[:SAMPLES] for label in counts.index[:SAMPLE_CLASSES]}
    pictures = small_pictures(raw, [path for rows in [*shown.values(), *samples.values()] for path in rows["path"]])
    formats = pd.Series(gathered.inspection.formats).value_counts()
    return {
        "counts": {label: int(count) for label, count in counts.items()},
        "heights": gathered.inspection.heights,
        "widths": gathered.inspection.widths,
        "formats": {name: int(count) for name, count in formats.items()},
        "samples": {label: [pictures[path] for path in rows["path"]] for label, rows in samples.items()},
        "clusters": [
            [{**row, "picture": pictures[row["path"]]} for row in rows[["part", "id", "label", "path"]].to_dict("records")]
            for rows in shown.values()
        ],
        "conflicts": int((of_train.groupby("cluster")["label"].nunique() > 1).sum()),
        "twins": int(clustered["cluster"][clustered["part"] == "test"].isin(of_train["cluster"]).sum()),
        "cluster_rows": int((train["cluster"] != "").sum()),
        "quarantine": gathered.quarantine,
        "train": len(train),
        "test": len(gathered.test),
    }


def small_pictures(raw: Raw, names: list[str]) -> dict[str, np.ndarray]:
    """Name → uint8 [S,S,C], padded to squares, none above 96 px."""
    names = list(dict.fromkeys(names))
    found = {}
    for position, picture in images.stream(raw.folder, names, SAMPLE_SIDE):
        found[names[position]] = images.fit(picture, min(SAMPLE_SIDE, max(picture.shape[:2])), "pad")
    return found
