"""Raw labels of any layout → rows: a reader for each layout, and the pictures that a submission's ids mean.

A reader of `READERS` takes what lies in `raw/` and a problem (of which it reads only where the labels are and of what kind) and returns a
frame `id, label, path[, group]`: one row for each labelled picture, `label` as train.csv writes it (None where there is none), `path` as
`images.stream` takes it, or "" where the picture is missing. An example of several pictures is a row for each, bound by its group.
"""

import re
from collections.abc import Callable
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from clf import groups, joins, tables
from clf.config import Mistake
from clf.problem import Problem
from clf.raw import PATH, Raw, is_below, look_up, split_extension

ID_PREFIX, FILE_NAME, FOLDER = "(id prefix)", "(file name)", "(folder)"  # values of Problem.group besides columns
ROW = "(row)"  # a column that counts a table's rows
BLANK = 0.5  # share of rows with blanks above which a blank is a 0, not a row that nobody has looked at


def labelled(raw: Raw, problem: Problem) -> pd.DataFrame:
    """What the layout's reader finds, with labels renamed and grouped."""
    found = READERS[problem.layout](raw, problem)
    if problem.renames:
        new = dict(tuple(part.strip() for part in line.rsplit("=", 1)) for line in problem.renames)
        renamed = [_renamed(new, problem.separator, label) for label in found["label"]]
        found["label"] = pd.Series(renamed, found.index, dtype=object)  # None stays None
    if problem.group == ID_PREFIX:
        prefixes = groups.by_prefix(list(found["id"]))
        if prefixes is None:
            raise Mistake(f'group = {ID_PREFIX!r} does not fit: the ids ({", ".join(found["id"][:3])} …) share no fronts. Name a column, or "".')
        found["group"] = prefixes[0]
    elif problem.group == FILE_NAME:
        found["group"] = [PurePosixPath(name).stem for name in found["path"]]
    elif problem.group == FOLDER:
        found["group"] = folders_beside(raw, problem, list(found["id"]))
    return found


def _renamed(new: dict[str, str], separator: str, label: str | None) -> str | None:
    """Of several labels each is renamed; those that become the same count once."""
    if not separator or label is None:
        return new.get(label, label)
    return separator.join(dict.fromkeys(new.get(part, part) for part in tables.parted(separator, label)))


def _with_group(frame: pd.DataFrame, table: pd.DataFrame, problem: Problem) -> pd.DataFrame:
    group = getattr(problem, "group", "")
    return frame.assign(group=table[group].to_numpy()) if group in table else frame


def _cells(problem: Problem, cells: pd.Series) -> list[str | None]:
    """The cells of one column as train.csv writes labels: None for an empty one, and for one that is no number where numbers are asked."""
    if problem.kind == "regression":
        known = np.isfinite(pd.to_numeric(cells, errors="coerce"))
        return [cell.strip() if good else None for cell, good in zip(cells, known, strict=True)]
    if not problem.separator:
        return [cell.strip() or None for cell in cells]
    sets = [list(dict.fromkeys(tables.parted(problem.separator, cell))) for cell in cells]
    nothing = _names_of_nothing(problem, sets)
    return [problem.separator.join(name for name in parts if name not in nothing) if parts else None for parts in sets]


def _names_of_nothing(problem: Problem, sets: list[list[str]]) -> set[str]:
    """Labels that have no column in the submission, if they only stand alone (`No Finding`): the empty set."""
    every = {name for parts in sets for name in parts}
    strangers = every - joins.matched(every, problem.columns).keys() if len(problem.columns) > 1 else set()
    return strangers if strangers < every and not any(len(parts) > 1 and strangers & set(parts) for parts in sets) else set()


# -- tables of labels --------------------------------------------------------------------------------------------------------------


def read_table(raw: Raw, problem: Problem) -> pd.DataFrame:
    table = raw.read(problem.label_file)
    return _joined(raw, problem, table, list(table[problem.file_id_column]), _cells(problem, table[problem.label_column]))


def read_columns(raw: Raw, problem: Problem) -> pd.DataFrame:
    """Several columns of labels: one 1 in each row, several, or numbers, by the problem's kind."""
    table, names, values = column_values(raw, problem)
    return _joined(raw, problem, table, list(table[problem.file_id_column]), _labels(problem, names, values))


def read_long(raw: Raw, problem: Problem) -> pd.DataFrame:
    """A row for each picture and target."""
    table, names, values = column_values(raw, problem)
    return _joined(raw, problem, table, list(table.index), _labels(problem, names, values))


def column_values(raw: Raw, problem: Problem) -> tuple[pd.DataFrame, list[str], np.ndarray]:
    """The label table, the names of its columns of labels as the submission spells them, and their cells, float64 [rows,names]; NaN where a
    cell is no number. Where all are 1 or -1, these become 1 and 0; where most rows have blanks
    beside 0 and 1, these become 0. A long table comes with a row for each example, named by the index."""
    table = raw.read(problem.label_file)
    if problem.layout != "long":
        columns = label_columns(raw, problem)
        values = table[list(columns.values())].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        signs = set(np.unique(values[np.isfinite(values)])) == {-1, 1}
        values = (values + 1) / 2 if signs else values
        return table, list(columns), np.nan_to_num(values) if blank_share(raw, problem) > BLANK else values
    examples, targets = joins.split_rows(list(table[problem.file_id_column]), targets_of(raw, problem))
    cells = pd.DataFrame({"example": examples, "target": targets, "value": pd.to_numeric(table[problem.label_column], errors="coerce")})
    wide = cells.drop_duplicates(["example", "target"]).pivot(index="example", columns="target", values="value")
    wide = wide.reindex(dict.fromkeys(examples))[targets_of(raw, problem)]
    first = table.assign(example=examples).drop_duplicates("example").set_index("example")
    return first, list(wide), wide.to_numpy(np.float64)


def blank_share(raw: Raw, problem: Problem) -> float:
    """Of the rows with blanks among columns of 0 and 1 (or -1 and 1), where (nearly) every row says something; else 0."""
    if problem.layout != "columns":
        return 0.0
    cells = raw.read(problem.label_file)[list(label_columns(raw, problem).values())].apply(lambda column: column.str.strip())
    blank, numbers = cells == "", cells.apply(pd.to_numeric, errors="coerce")
    plain = (numbers.isin((0, 1)) | blank).to_numpy().all() or (numbers.isin((-1, 1)) | blank).to_numpy().all()
    return float(blank.any(axis=1).mean()) if plain and blank.all(axis=1).mean() < 0.1 else 0.0


def label_columns(raw: Raw, problem: Problem) -> dict[str, str]:
    """What the submission calls a value → the column of the label table; where the submission has one column only: all that hold 0 and 1."""
    table = raw.read(problem.label_file)
    wanted = targets_of(raw, problem) or list(problem.columns)
    found = joins.matched(wanted, [name for name in table if name != problem.file_id_column])
    if len(wanted) > 1 and found:
        return found
    return {column: column for column in table if set(pd.to_numeric(table[column], errors="coerce").dropna()) == {0, 1}}


def used_columns(raw: Raw, problem: Problem) -> set[str]:
    """The columns of the source of labels that are ids, labels or paths."""
    used = {problem.label_column, problem.file_id_column, "file_name", "id", PATH}
    return used | (set(label_columns(raw, problem).values()) if problem.layout == "columns" else set())


def targets_of(raw: Raw, problem: Problem) -> list[str]:
    """The targets of a long submission in the order of the sample, [] for any other. One has a single prediction column, and ids that are
    no picture's name."""
    if getattr(problem, "style", "rows") != "rows" or len(problem.columns) > 1 or ids_name_pictures(raw, problem):
        return []
    ids = list(raw.read(problem.submission_file)[problem.id_column])
    file = getattr(problem, "label_file", None)
    files = [name for name in raw.headers if name != problem.submission_file] if file is None else [file] if file else []
    for targets in [getattr(problem, "classes", ()), *_possible_targets(raw, files, ids)]:
        split = joins.split_rows(ids, targets)
        if split:
            return list(dict.fromkeys(split[1]))
    return []


def ids_name_pictures(raw: Raw, problem: Problem) -> bool:
    """Whether most ids of the sample submission are the names of files."""
    ids = raw.read(problem.submission_file)[problem.id_column]
    few = [ids.iloc[place] for place in joins.spaced(len(ids), joins.LOOKED_AT)]
    return sum(bool(look_up(raw.index, name)) for name in few) >= 0.5 * len(few)


def _possible_targets(raw: Raw, files: list[str], ids: list[str]) -> list[set[str]]:
    """Sets of names that may stand behind the ids' last separator: a table's columns, the values of one, or the endings that its ids have
    as well."""
    ends = joins.endings(ids)
    found = []
    for file in files:
        table = raw.read(file)
        if not len(table):
            continue
        found.append(set(table))
        found += [values for column in table if _ends_an_id(table, column, ids[0]) and (values := _few(table[column]))]
        if ends and any(joins.endings(list(table[column])) == ends for column in table):
            found.append(ends)
    return found


def _few(column: pd.Series) -> set[str]:
    """The values of a column that repeats some; nothing for any other."""
    values = set(column) - {""}
    return values if 2 <= len(values) <= min(200, len(column) / 2) else set()


def _ends_an_id(table: pd.DataFrame, column: str, asked: str) -> bool:
    """Whether each value is the end of another column's, as in ids of pictures and targets; not in a table that describes the test."""
    ends = [name for name in table if name != column and table[name].iloc[0].endswith(table[column].iloc[0]) and asked not in set(table[name])]
    return any(all(name.endswith(end) for name, end in zip(table[other], table[column], strict=True)) for other in ends)


def _labels(problem: Problem, names: list[str], values: np.ndarray) -> list[str | None]:
    """Each row's label as train.csv writes it; None where a cell is no number, or not exactly one is 1 for a kind that wants just one."""
    known = np.isfinite(values).all(axis=1)
    if problem.kind in ("soft", "regression"):
        if problem.kind == "soft":
            known &= values.sum(axis=1) > 0
            values = values / np.where(known, values.sum(axis=1), 1)[:, None]
        return [" ".join(f"{value:.9g}" for value in row) if good else None for row, good in zip(values.tolist(), known, strict=True)]
    if problem.kind == "multilabel":
        chosen = [problem.separator.join(name for name, one in zip(names, row, strict=True) if one) for row in values > 0.5]
        return [label if good else None for label, good in zip(chosen, known, strict=True)]
    single = known & ((values == 1).sum(axis=1) == 1)
    return [names[place] if good else None for place, good in zip((values == 1).argmax(axis=1), single, strict=True)]


def _joined(raw: Raw, problem: Problem, table: pd.DataFrame, ids: list[str], labels: list[str | None]) -> pd.DataFrame:
    places = joins.Places(raw.below(problem.train_root, problem.test_root), problem.suffixes)
    between = table_of_pictures(raw, problem)
    found = _through(raw.read(between[0]), *between[1:], places, ids) if between else [places.find(name) for name in ids]
    return _with_group(_spread(ids, labels, found), table.iloc[np.repeat(np.arange(len(ids)), [max(1, len(paths)) for paths in found])], problem)


def table_of_pictures(raw: Raw, problem: Problem) -> tuple[str, str, str] | None:
    """The table between the label table's ids and the pictures, as `table_between`, where the ids themselves name no pictures."""
    ids, places = raw.read(problem.label_file)[problem.file_id_column], joins.Places(raw.pictures, problem.suffixes)
    if problem.layout == "long" or places.share(ids.iloc[joins.spaced(len(ids), joins.LOOKED_AT)]) >= 0.5:
        return None
    return table_between(raw, list(ids), places, {problem.submission_file, problem.label_file})


def table_between(raw: Raw, ids: list[str], places: joins.Places, besides: set[str]) -> tuple[str, str, str] | None:
    """A table with a column that holds (nearly) all the ids and one that names pictures: its name and these columns."""
    for name in raw.headers:
        table = raw.read(name) if name not in besides else pd.DataFrame()
        key = holding_column(table, ids) if len(table) else None
        column = naming_column(table, places, besides=key) if key else None
        if column:
            return name, key, column
    return None


def _through(table: pd.DataFrame, key: str, column: str, places: joins.Places, ids: list[str]) -> list[list[str]]:
    """Each id's pictures by the rows that hold it in the column `key` and name one in the other column."""
    found: dict[str, list[str]] = {}
    for name, picture in zip(table[key], table[column], strict=True):
        found.setdefault(name, []).extend(places.find(picture))
    return [list(dict.fromkeys(found.get(name, []))) for name in ids]


def _spread(ids: list[str], labels: list[str | None], found: list[list[str]]) -> pd.DataFrame:
    """A row for each picture; those of an example with several are called by their paths and grouped by the example."""
    if all(len(paths) <= 1 for paths in found):
        return pd.DataFrame({"id": ids, "label": labels, "path": [paths[0] if paths else "" for paths in found]}, dtype=object)
    rows = [
        (path if len(paths) > 1 else name, label, path, name) for name, label, paths in zip(ids, labels, found, strict=True) for path in paths or [""]
    ]
    return pd.DataFrame(rows, columns=["id", "label", "path", "group"], dtype=object)


def read_coco(raw: Raw, problem: Problem) -> pd.DataFrame:
    """Ids are joined through the images of the JSON. A picture with several categories has them all, parted by the separator."""
    table = raw.read(problem.label_file)
    places = joins.Places(raw.below(problem.train_root, problem.test_root))
    labels = table[problem.label_column].str.strip()
    if problem.separator:
        sets = labels.groupby(table["id"], sort=False).agg(lambda cells: problem.separator.join(dict.fromkeys(cells)))
        table = table.drop_duplicates("id")
        labels = table["id"].map(sets)
    paths = [look_up(places.files, name) for name in table["file_name"]]
    found = pd.DataFrame({"id": list(table["id"]), "label": [label or None for label in labels], "path": paths}, dtype=object)
    return _with_group(found, table, problem)


# -- pictures inside of tables and records -----------------------------------------------------------------------------------------


def read_pixels(raw: Raw, problem: Problem) -> pd.DataFrame:
    """A row of a table of pixels, or of a JSON list of records, is a picture; the id is a column's, else the row's number from 0."""
    table = raw.read(problem.label_file)
    rows = [str(row) for row in range(len(table))]
    ids = list(table[problem.file_id_column]) if problem.file_id_column else rows
    where = [f"{problem.label_file}#{row}" for row in rows]
    found = pd.DataFrame({"id": ids, "label": _cells(problem, table[problem.label_column]), "path": where}, dtype=object)
    return _with_group(found, table, problem)


def read_tfrecord(raw: Raw, problem: Problem) -> pd.DataFrame:
    """The records that have a label."""
    table = raw.read(problem.label_file)
    table = table[table[problem.label_column] != ""]
    ids = table[problem.file_id_column] if problem.file_id_column else table[PATH]
    found = pd.DataFrame({"id": list(ids), "label": _cells(problem, table[problem.label_column]), "path": list(table[PATH])}, dtype=object)
    return _with_group(found, table, problem)


# -- folders and file names --------------------------------------------------------------------------------------------------------


def read_folders(raw: Raw, problem: Problem) -> pd.DataFrame:
    """The label is the folder below the root, or the one that holds the picture, where the submission writes these; the id is the path below
    the root, as names may repeat between classes."""
    found = [(name.removeprefix(problem.train_root).lstrip("/"), name) for name in train_files(raw, problem)]
    place = place_of_class([rest for rest, _ in found], submitted(raw, problem))
    rows = [(rest, rest.split("/")[:-1][place], name) for rest, name in found if "/" in rest]
    return pd.DataFrame(rows, columns=["id", "label", "path"], dtype=object)


def folders_beside(raw: Raw, problem: Problem, ids: list[str]) -> list[str]:
    """The folders of each picture below the train root, but for the class; "" where there are none."""
    place = place_of_class(ids, submitted(raw, problem))
    return ["/".join(parts[1:] if place == 0 else parts[:-1]) for parts in (name.split("/")[:-1] for name in ids)]


def submitted(raw: Raw, problem: Problem) -> set[str]:
    """What the sample submission calls classes, as far as it does: its columns, or the values of its only one."""
    return set(problem.columns) if len(problem.columns) > 1 else set(raw.read(problem.submission_file)[problem.columns[0]])


def place_of_class(names: list[str], said: set[str]) -> int:
    """Which folder of a path is the class: 0, the first, or -1, the last, where only the last are what the submission says. Splits side by
    side (train, val) hold folders of the same names, too: they are fewer than the patients or places that would."""
    parents = [name.split("/")[:-1] for name in names]
    first, last = {parts[0] for parts in parents if parts}, {parts[-1] for parts in parents if parts}
    pairs = {(parts[0], parts[-1]) for parts in parents if parts}
    nested = all(len(parts) != 1 for parts in parents) and len(last) >= 2 and (len(pairs) == len(last) or len(first) >= 5)
    return -1 if nested and joins.matched(said, last) and not joins.matched(said, first) else 0


def read_filename(raw: Raw, problem: Problem) -> pd.DataFrame:
    pictures = train_files(raw, problem)
    labels = filename_labels(pictures) or [""] * len(pictures)
    ids = [name.removeprefix(problem.train_root).lstrip("/") for name in pictures]
    return pd.DataFrame({"id": ids, "label": [label or None for label in labels], "path": pictures}, dtype=object)


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
    "columns": read_columns,
    "long": read_long,
    "folders": read_folders,
    "filename": read_filename,
    "coco": read_coco,
    "json": read_pixels,
    "tfrecord": read_tfrecord,
}


# -- the test pictures -------------------------------------------------------------------------------------------------------------


def test(raw: Raw, problem: Problem) -> pd.DataFrame:
    """`id, path[, row]`: the pictures that the submission's ids mean, in its order; path "" where one is missing.

    Where an id means several pictures each is an example of its own, called by its path, and `row` is the id that it answers.
    """
    ids = asked(raw, problem)
    if problem.layout in ("pixels", "json"):
        found = [[place] if place else [] for place in _test_rows(raw, problem.test_root, ids)]
    elif problem.test_file:
        found = _through_table(raw, problem, ids)
    else:
        train = problem.train_root if problem.train_root != problem.test_root and is_below(problem.train_root, problem.test_root) else None
        places = joins.Places(raw.below(problem.test_root, train), problem.suffixes)
        found = [places.find(name) for name in ids]
    if all(len(paths) <= 1 for paths in found):
        return pd.DataFrame({"id": ids, "path": [paths[0] if paths else "" for paths in found]}, dtype=object)
    rows = [(path if len(paths) > 1 else name, path, name) for name, paths in zip(ids, found, strict=True) for path in paths or [""]]
    return pd.DataFrame(rows, columns=["id", "path", "row"], dtype=object)


def asked(raw: Raw, problem: Problem) -> list[str]:
    """The ids of the sample submission; of a long one the examples, each once."""
    ids = list(raw.read(problem.submission_file)[problem.id_column])
    targets = targets_of(raw, problem)
    return list(dict.fromkeys(joins.split_rows(ids, targets)[0])) if targets else ids


def _through_table(raw: Raw, problem: Problem, ids: list[str]) -> list[list[str]]:
    """The pictures that a table, a COCO JSON or a folder of TFRecords names beside each id."""
    table = raw.read(problem.test_file)
    table, key = keyed(table, ids)
    if PATH in table and problem.layout == "tfrecord":
        names = {name: [path] for name, path in zip(table[key], table[PATH], strict=True)}
        return [names.get(name, []) for name in ids]
    places = joins.Places(raw.below(problem.test_root), problem.suffixes)
    return _through(table, key, naming_column(table, places, besides=key), places, ids)


def keyed(table: pd.DataFrame, ids: list[str]) -> tuple[pd.DataFrame, str | None]:
    """The table, and the column that holds the ids; where they count its rows, from 0 or 1, that is a column of these numbers."""
    key = holding_column(table, ids)
    for base in (0, 1) if key is None else ():
        rows = [str(base + row) for row in range(len(table))]
        if rows and set(rows) == set(ids):
            return table.assign(**{ROW: rows}), ROW
    return table, key


def holding_column(table: pd.DataFrame, ids: list[str]) -> str | None:
    """The column that holds (nearly) all the ids, the first of several."""
    wanted = set(ids)
    return next((column for column in table if len(wanted & set(table[column])) >= 0.9 * len(wanted)), None)


def naming_column(table: pd.DataFrame, places: joins.Places, besides: str | None = None) -> str | None:
    """The column whose values name pictures, most of them at least; rather pictures than the folders that hold them."""
    shares = {column: places.share(table[column].iloc[joins.spaced(len(table), joins.LOOKED_AT)]) for column in table if column != besides}
    best = max(shares, key=lambda column: (round(shares[column], 1), table[column].nunique()), default=None)
    return best if best is not None and shares[best] >= 0.5 else None


def _test_rows(raw: Raw, source: str, ids: list[str]) -> list[str]:
    """Where the source has a column that holds the ids, by that; else an id is a row's number, counted from the sample's lowest."""
    for column in raw.plain_columns(source):
        rows = {name: row for row, name in enumerate(raw.read(source)[column])}
        if all(name in rows for name in ids):
            return [f"{source}#{rows[name]}" for name in ids]
    numbers = [int(name) if name.isdigit() else -1 for name in ids]
    base, count = min(numbers), raw.rows(source)
    return [f"{source}#{number - base}" if base >= 0 and number - base < count else "" for number in numbers]
