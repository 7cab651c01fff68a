"""What a competition asks, from its files and from what Kaggle says: `QUESTION`, the decisions on which `draft.Draft.settle` runs.

The sample submission is the contract, the label table (or the folders, or the file names) is the truth: see `location`. Names of
competitions and files decide nothing, except the generic words (train, test, sample, submission, label …). Two equally good answers stop
with both.
"""

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from clf import groups, images, joins, labels, location, readers, request
from clf.config import Mistake
from clf.draft import Draft

WINDOW_PICTURES = 200
SAMPLE_NAME = re.compile(r"(sample|example).*sub|sub.*sample|benchmark|sample_?sol", re.IGNORECASE)


# -- the submission ----------------------------------------------------------------------------------------------------------------


def _submission_file(draft: Draft) -> tuple[str, str]:
    """By name, else the only table whose prediction columns are all constant; several: the highest number in the name, then most rows."""
    raw = draft.raw
    candidates = [name for name in raw.headers if len(raw.headers[name]) >= 2 and name not in raw.pixel_tables and len(raw.read(name))]
    named = [name for name in candidates if SAMPLE_NAME.search(PurePosixPath(name).name)]
    found = named or [name for name in candidates if _is_constant(raw.read(name))]
    if not found:
        there = ", ".join(raw.headers) or "none"
        raise Mistake(f"there is no sample submission among the tables of raw/ ({there}; all files: {raw.inventory()}).")
    versions = {name: max(map(int, re.findall(r"\d+", PurePosixPath(name).name)), default=0) for name in found}
    ranks = {name: (versions[name], len(raw.read(name))) for name in found}
    best = [name for name in found if ranks[name] == max(ranks.values())]
    if len(best) > 1 and len({tuple(raw.headers[name]) for name in best}) > 1:
        shown = "; ".join(f"{name} ({', '.join(raw.headers[name][:4])}; {len(raw.read(name)):,} rows)" for name in best)
        raise Mistake(f"several tables could be the sample submission: {shown}.")
    others = f"; not {', '.join(name for name in found if name != best[0])}" if len(found) > 1 else ""
    return best[0], ("by its name" if named else "assumed: the only table whose predictions are all the same") + others


def _is_constant(table: pd.DataFrame) -> bool:
    return len(table) > 1 and table.iloc[:, 0].is_unique and all(table[column].nunique() == 1 for column in table.columns[1:])


def _id_column(draft: Draft) -> tuple[str, str]:
    sample, file = draft.sample(), draft.known.submission_file
    if len(sample) == 0:
        raise Mistake(f"{file} has no rows.")
    columns = list(sample)
    different = [name for name in columns if sample[name].is_unique]
    if sample[columns[0]].nunique() == 1 < len(sample) and len(different) == 1:
        return different[0], f"the only column of {file} whose {len(sample):,} values are all different"
    return columns[0], f"first column of {file}, {len(sample):,} rows"


def _prediction_columns(draft: Draft) -> tuple[tuple[str, ...], str]:
    header = [name for name in draft.raw.headers[draft.known.submission_file] if name != draft.known.id_column]
    return tuple(header), f"the other {'columns' if len(header) > 1 else 'column'} of {draft.known.submission_file}"


# -- groups ------------------------------------------------------------------------------------------------------------------------


def _group(draft: Draft) -> tuple[str, str]:
    """A column of the label table named like a patient, a driver, a place …, with 5 values at least, and some that repeat; one that
    behaves like that; else ids that share a front, or class folders that share file names."""
    known = draft.known
    table = draft.raw.read(known.label_file) if known.label_file or known.layout == "tfrecord" else pd.DataFrame()
    used = readers.used_columns(draft.raw, known)
    behaving = groups.by_behaviour(table, used, location.test_table(draft)) if len(table) else []
    if behaving and not behaving[0][1].startswith("assumed"):
        return behaving[0]
    counts = {column: table[column].nunique() for column in table if column not in used and _names_a_group(column)}
    fitting = [column for column, count in counts.items() if 5 <= count < len(table)]
    if fitting:
        best = min(fitting, key=lambda column: min(labels.GROUPS.index(word) for word in labels.words(column) if word in labels.GROUPS))
        others = f"; not {', '.join(column for column in fitting if column != best)}" if len(fitting) > 1 else ""
        return best, f"{counts[best]:,} different values in {len(table):,} rows: rows of one never validate each other{others}"
    if behaving:
        return behaving[0]
    rows = draft.rows()
    if known.layout == "folders":
        found = groups.same_name(list(rows["path"]))
        return (readers.FILE_NAME, found[1]) if found else _folders(draft, rows)
    found = groups.by_prefix(list(rows["id"]), list(rows["label"])) if known.layout != "filename" and "group" not in rows else None
    if found:
        return readers.ID_PREFIX, found[1]
    few = f"; {', '.join(counts)} has too few or only different values" if counts else ""
    return "", f"no column is named like a patient, driver, place …, or behaves like one{few}"


def _names_a_group(column: str) -> bool:
    found = set(labels.words(column))
    return bool(found & set(labels.GROUPS)) and not found & labels.MEASURES


def _folders(draft: Draft, rows: pd.DataFrame) -> tuple[str, str]:
    """Folders besides the class, five at least and none of them of all pictures of a class: of patients, recordings, places."""
    beside = pd.Series(readers.folders_beside(draft.raw, draft.known, list(rows["id"])), dtype=object)
    pairs = pd.DataFrame({"folder": beside, "label": rows["label"].to_numpy(object)}).drop_duplicates()
    if groups.LEAST <= beside.nunique() < len(beside) / 1.5 and len(pairs) > rows["label"].nunique():
        return readers.FOLDER, f"assumed: {beside.nunique():,} folders besides those of the classes: pictures of one never validate each other"
    return "", "no table, and no folders besides the classes"


def _aggregate(draft: Draft) -> tuple[str, str]:
    found = readers.test(draft.raw, draft.known)
    if "row" not in found:
        return "", "one picture for each id"
    return "mean", f"{len(found):,} pictures for {found['row'].nunique():,} ids: the mean of their predictions (or max)"


def _window(draft: Draft) -> tuple[tuple[str, ...], str]:
    names = [name for name in draft.rows()["path"] if name]
    found = images.measure_window(draft.raw.folder, [names[place] for place in joins.spaced(len(names), WINDOW_PICTURES)])
    return found, "middle 99 % of the values of some training pictures" if found else "pictures of 8 bits"


QUESTION: dict[str, Callable[[Draft], tuple[Any, str]]] = {
    "submission_file": _submission_file,
    "id_column": _id_column,
    "columns": _prediction_columns,
    "suffixes": location.suffixes,
    "layout": location.layout,
    "label_file": location.label_file,
    "file_id_column": location.file_id_column,
    "test_file": location.test_file,
    "test_root": location.test_root,
    "train_root": location.train_root,
    **labels.DECISIONS,
    **request.DECISIONS,
    "group": _group,
    "aggregate": _aggregate,
    "window": _window,
}
