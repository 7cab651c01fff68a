"""Which training rows belong together though no column says so by its name: by how a column, the ids or the file names behave.

A group is a patient, a driver, a place …: pictures of one resemble each other in more than the label, so they must not validate each
other. Evidence that begins with "assumed" wants a look. Nothing here reads a picture, and a group that is in neither a table nor a name
is not found.
"""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

LEAST = 5  # different groups; less is a domain (two hospitals), which folds cannot part
SHARED = 0.05  # of the test's values that training may know, too, where a column is said to part them
MOST_ENDINGS = 12  # of a closed set (left and right, four views): more are a running number

_START, _END = r"(?:^|[^a-z])", r"(?:$|[^a-z])"
MEASURE = re.compile(
    _START + r"(?:age|dates?|datetime|time|timestamp|year|month|day|hour|minute|seconds?|width|height|size|area|length|weight|depth|rows?|cols?|"
    r"columns?|counts?|num|frames?|index|idx|rank|order|position|slice|number of|n|total|score|votes?|rating|percent|price|lat|latitude|lon|lng|"
    r"longitude|x|y|z|[xy]min|[xy]max|left|top|bbox|url|link|path|file|filename|image|img|comments?|text|description|licen[cs]e|author|copyright|"
    r"fold|split|source|usage)" + _END
)
DOMAIN = re.compile(_START + r"(?:site|machine|device|scanner|camera|hospital|cent(?:er|re)|institution|provider|vendor|manufacturer|country|region)")
LIVING = re.compile(_START + r"(?:patient|subject|driver|individual|person|people|participant|animal|volunteer|donor|speaker|user)")
GROUP = re.compile(
    _START + r"(?:study|slide|scan|series|sequence|seq|video|clip|burst|session|batch|plate|experiment|well|plot|field|farm|tree|plant|location|"
    r"place|station|case|product|scene|group)" + _END
)
EXTENSION = re.compile(r"\.(?:jpe?g|png|tiff?|bmp|gif|webp|dcm|npy)$", re.IGNORECASE)


# -- by a column -------------------------------------------------------------------------------------------------------------------


def by_behaviour(table: pd.DataFrame, used: set[str], test: pd.DataFrame | None) -> list[tuple[str, str]]:
    """Columns whose values group the rows, the surest first, each with its evidence.

    `table`, `test`: as text, one row for each picture; `used`: the table's columns for ids and labels. A column that parts training from
    test (no value, or nearly none, is in both) is sure; without that it takes a name or values like an identifier's, and is assumed.
    """
    found = []
    for column in repeating(table, used):
        values, words = table[column].astype(str), _words(column)
        count = f"{values[values != ''].nunique():,} different values of {column!r} in {len(values):,} rows"
        overlap = _overlap(values, test, column)
        if overlap is not None and overlap <= SHARED:
            said = "none of them is in the test table, too" if not overlap else f"only {overlap:.1%} of the test table's values are among them"
            found.append((0, values.nunique(), column, f"{count}, and {said}: rows of one never validate each other"))
        elif overlap is None and (LIVING.search(words) or _like_codes(column, values)):
            level = 1 if LIVING.search(words) else 4 if DOMAIN.search(words) else 2 if GROUP.search(words) else 3
            found.append((level, values.nunique(), column, f"assumed: {count}, which look like names of what the pictures show"))
    return [(column, evidence) for _, _, column, evidence in sorted(found)]  # of equally sure ones the coarser: it holds the finer


def repeating(table: pd.DataFrame, used: set[str]) -> list[str]:
    """The columns whose values repeat as names do and do not follow the labels: what could be a group, sure or not."""
    texts = {column: table[column].astype(str) for column in table if column not in used}
    return [name for name, values in texts.items() if _repeats_like_names(name, values) and not _follows_the_labels(name, values, table, used)]


def _words(column: str) -> str:
    """`PatientID`, `patient_id` → `patient id`."""
    return re.sub(r"[^A-Za-z0-9]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column)).lower().strip()


def _repeats_like_names(column: str, values: pd.Series) -> bool:
    """Neither a measure (by its name, or because it has a fraction, or is a date) nor all different, nor only a few values."""
    there = values[values != ""]
    different = there.unique()
    if len(there) < len(values) / 2 or len(different) < LEAST or len(there) < 1.5 * len(different) or MEASURE.search(_words(column)):
        return False
    measures = pd.Series(different).str.fullmatch(
        r"[-+]?\d*\.\d*(?:[eE][-+]?\d+)?|-\d+|nan|NaN|\d{4}[-/:]\d{1,2}[-/:]\d{1,2}.*|.*\s.*\s.*\s.*|https?:.*"
    )
    return measures.mean() < 0.1


def _follows_the_labels(column: str, values: pd.Series, table: pd.DataFrame, used: set[str]) -> bool:
    """A coarser or finer name of the label itself: each label has one value (species of an individual), or each of a few values has one
    label (Gleason score and grade; not patients, each of whom may well be only ill or only healthy)."""
    few = 0 if LIVING.search(_words(column)) else 20
    for label in used & set(table):
        labels = table[label].astype(str)
        if labels.nunique() > 0.9 * len(labels) or labels.nunique() < 2:
            continue  # ids
        pairs = len(pd.DataFrame({"value": values, "label": labels}).drop_duplicates())
        if pairs == labels.nunique() or (pairs == values.nunique() and values.nunique() <= few):
            return True
    return False


def _overlap(values: pd.Series, test: pd.DataFrame | None, column: str) -> float | None:
    """Share of the test table's different values that training has, too; None where that table says too little."""
    if test is None or column not in test:
        return None
    asked = set(test[column].astype(str)) - {""}
    return len(asked & set(values)) / len(asked) if len(asked) >= LEAST else None


def _like_codes(column: str, values: pd.Series) -> bool:
    """Letters with digits (`p012`, `0a31-77`) in most values; bare numbers only in a column named like a group or `…_id`, `… code`.
    Words are kinds of things (a part of the body, a country), whatever the column's name."""
    different = pd.Series(values[values != ""].unique())
    if different.str.fullmatch(r"\d+").mean() > 0.5:
        return bool(GROUP.search(_words(column)) or re.search(r"\b(?:id|ids|code|uid|key)$", _words(column)))
    return different.str.fullmatch(r"(?=.*\d)[\w.:-]+").mean() > 0.9 and (bool(GROUP.search(_words(column))) or len(different) >= 2 * LEAST)


# -- by the ids --------------------------------------------------------------------------------------------------------------------


def by_prefix(ids: Sequence[str], labels: Sequence[str] | None = None) -> tuple[list[str], str] | None:
    """Group of each id, and the evidence, where ids are a stem and one of a few endings that recur (`10_left`, `7_R`, `a_f0001`).

    None for ids that are only numbered (`img_1` …): there the ending is what differs. `labels`: stems are no groups where they only
    spell the label (`rose_1`). Ids that name a patient and then a long running number are not found: no name tells them from a class.
    """
    whole = pd.Series([EXTENSION.sub("", name) for name in ids], dtype=object)
    stems, endings = whole, []
    while (step := _parted(stems)) is not None:
        stems, ends = step
        endings = [*endings, *(end for end in ends if end not in endings)]
    if not endings or (labels is not None and _spell(stems, pd.Series(list(labels), dtype=object))):
        return None
    example = whole[stems.duplicated(keep=False)].iloc[0]
    shown = ", ".join(sorted(endings)[:MOST_ENDINGS])
    evidence = f"assumed: ids share their stems ({stems.nunique():,} stems of {len(stems):,} ids, such as {example!r}; endings: {shown})"
    return stems.tolist(), f"{evidence}: pictures of one stem never validate each other"


def _parted(names: pd.Series) -> tuple[pd.Series, list[str]] | None:
    """Names without their last part, and the different last parts (frames: their pattern), where these are a closed set that recurs."""
    distinct = names.drop_duplicates()
    for pattern in (r"^(?P<stem>.*[^_\-. ])[_\-. ]+(?P<end>[^_\-. ]+)$", r"^(?P<stem>.*\d)(?P<end>[A-Za-z]{1,5})$"):
        found = distinct.str.extract(pattern).dropna()
        if len(found) < 0.9 * len(distinct):
            continue
        frames = found["end"].str.fullmatch(r"(?:f|fr|frame)\d+", case=False)
        ends = found["end"].str.lower().where(~frames, "f…")
        sharing = found["stem"].duplicated(keep=False).sum()
        spread = found.groupby(ends)["stem"].nunique()
        recurring = spread.index[spread >= LEAST / 2]
        closed = 0 < len(recurring) <= MOST_ENDINGS and ends.isin(recurring).mean() > 0.9  # the rest is junk
        if sharing >= len(distinct) / 2 and found["stem"].nunique() >= LEAST and closed:
            return names.str.extract(pattern)["stem"].fillna(names), sorted(recurring)
    return None


def _spell(stems: pd.Series, labels: pd.Series) -> bool:
    """Whether each label has one stem only."""
    return len(pd.DataFrame({"stem": stems, "label": labels}).drop_duplicates()) == labels.nunique()


# -- by the file names -------------------------------------------------------------------------------------------------------------


def same_name(paths: Sequence[str]) -> tuple[list[str], str] | None:
    """Group of each picture, and the evidence, where the folders of the classes hold files of the same names: versions of one picture.

    Folders that number their own pictures repeat names, too. Numbers are taken for names of pictures only where (nearly) every folder has
    the same ones and they leave gaps, or all have them, padded with zeros and a thousand at least: seldom chance, and assumed.
    """
    places = [PurePosixPath(path) for path in paths]
    frame = pd.DataFrame({"name": [place.stem for place in places], "folder": [str(place.parent) for place in places]}).drop_duplicates()
    folders, names = frame["folder"].nunique(), frame["name"].nunique()
    spread = frame.groupby("name")["folder"].nunique()
    if folders < 2 or names < LEAST or (spread >= 2).mean() < 0.9:
        return None
    counters = _counters(spread.index)
    surely = counters is None
    if not surely:
        gaps = any(column.max() - column.min() + 1 > 1.05 * column.nunique() for _, column in counters.items())
        padded = len(set(map(len, spread.index))) == 1 and spread.index.str.contains(r"(?:^|\D)0\d").any()
        whole = (spread == folders).mean()
        if not ((gaps and whole >= 0.75) or (padded and names >= 1000 and whole == 1)):  # a few files may be lost
            return None
    evidence = f"{names:,} file names are in {int(spread.median())} of {folders} folders each: versions of one picture never validate each other"
    return [place.stem for place in places], evidence if surely else f"assumed: {evidence}. They are numbers: look whether they are pictures' names"


def _counters(names: pd.Index) -> pd.DataFrame | None:
    """The numbers in the names, a column each, where the names differ in nothing else (`img_12` → 12, `00003_00029` → 3 and 29)."""
    texts = names.to_series()
    if texts.str.replace(r"\d+", "0", regex=True).nunique() > 1 or not texts.str.contains(r"\d").all() or texts.str.contains(r"\d{16}").any():
        return None
    return texts.str.findall(r"\d+").apply(pd.Series).astype(np.int64)
