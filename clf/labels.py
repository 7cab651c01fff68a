"""What the labels are: their column, how they are spelled and parted, the kind of problem, its classes. Decisions for `infer.QUESTION`."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from clf import joins, location, metrics, readers, tables
from clf.config import Mistake
from clf.draft import Draft
from clf.joins import natural
from clf.location import is_label_name
from clf.problem import SINGLE
from clf.raw import PATH

NO_LABEL = re.compile(r"date|time|width|height|url|path|source|split|fold|size|author|licen[cs]e|comment|usage", re.IGNORECASE)
MEASURES = {"age", "sex", "gender", "lat", "latitude", "lon", "longitude"}  # words of a column's name
GROUPS = tuple(  # what keeps rows together, the surest first
    "patient subject driver individual person participant study slide scan series sequence seq video burst session batch plate experiment "
    "well camera machine device site location place plot field hospital center centre institution provider country".split()
)
SCALE = re.compile(r"grade|level|severity|stage|diagnos|rating|score", re.IGNORECASE)
VALUES = ("columns", "long")  # layouts with several columns of labels


def words(name: str) -> list[str]:
    """`"patientId"`, `"seq_id"` → words in lower case"""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def numbers(texts: Iterable[str]) -> bool:
    return all(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text.strip()) for text in texts)


def whole(texts: Iterable[str]) -> bool:
    return all(re.fullmatch(r"[+-]?\d+", text.strip()) for text in texts)


def said(draft: Draft) -> set[str]:
    """What the sample submission writes into its prediction columns."""
    return {text.strip() for column in draft.known.columns for text in draft.sample()[column]} - {""}


def fractions(draft: Draft) -> bool:
    """The sample holds numbers, some of them no whole ones."""
    values = said(draft)
    return bool(values) and numbers(values) and not whole(values)


def lengths(values: Iterable[str]) -> set[int]:
    return {len(value.split()) for value in values}


# -- the column of labels ----------------------------------------------------------------------------------------------------------


def label_column(draft: Draft) -> tuple[str, str]:
    """The column called like the prediction column, or in which the sample's values occur, or with a name like label."""
    known = draft.known
    if known.layout in ("columns", "folders", "filename"):
        return "", "no column of labels in this layout"
    table = draft.raw.read(known.label_file)
    spoken = {part for value in said(draft) for part in (value, *value.split())} if len(known.columns) == 1 else set(known.columns)
    skipped = {known.file_id_column, PATH, "file_name"}
    given = location.test_table(draft) if known.layout == "table" else None
    if given is not None:  # what is told of the test rows is not asked
        skipped |= {column for column in given if given[column].nunique() > 1 and column not in known.columns}
    scores = {column: _label_score(table[column], spoken, known.columns) for column in table if column not in skipped}
    if not scores:
        raise Mistake(f"{known.label_file} has no column besides {known.file_id_column!r}: there are no labels.")
    best = max(scores.values())
    winners = [column for column in scores if scores[column] == best]
    if best <= -5:
        raise Mistake(f"no column of {known.label_file} can be the label: {', '.join(scores)} are constant, or different in every row.")
    if len(winners) > 1 and len(table[winners].drop_duplicates()) > max(table[column].nunique() for column in winners):
        shown = "; ".join(f"{column} ({', '.join(table[column].drop_duplicates()[:3])} …)" for column in winners)
        raise Mistake(f"several columns of {known.label_file} could be the label: {shown}.")
    winner = winners[0]
    near = [column for column in scores if column != winner and scores[column] > max(best - 1, 0)]
    why = "the only other column" if len(scores) == 1 else f"the best of {', '.join([*scores][:12])}"
    doubt = f"assumed: nearly as likely: {', '.join(near)}; " if near else ""
    return winner, f"{doubt}{why} of {known.label_file}; {table[winner].nunique()} different labels"


def _label_score(column: pd.Series, spoken: set[str], asked: tuple[str, ...]) -> float:
    name, values = str(column.name), set(column)
    score = 8.0 * bool(joins.matched([name], asked) or joins.matched(asked, [name]))
    score += 4 * bool(spoken & values) + 6 * (len(asked) > 1 and len(joins.matched(spoken, values)) == len(spoken))
    score += 3 * is_label_name(name)
    score -= 4 * bool(NO_LABEL.search(name) or set(words(name)) & (MEASURES | set(GROUPS))) * (not spoken & values)
    return score - 5 * (len(values) == len(column) > 20) - 10 * (len(values - {""}) < 2)


def renames(draft: Draft) -> tuple[tuple[str, ...], str]:
    """Where the sample holds numbers and the labels are names: a file of raw/ that says which number a name has."""
    known, values = draft.known, said(draft)
    if len(known.columns) > 1 and known.layout not in VALUES:
        return _as_columns(draft)
    if known.layout in VALUES or not values or not whole(values):
        return (), "labels are submitted as they are found"
    labels = set(draft.labels)
    spelled = _respelled(labels, values)
    if spelled:
        return tuple(f"{label} = {spelled[label]}" for label in sorted(labels, key=natural)), f"numbers as {known.submission_file} writes them"
    if not labels or whole(labels):
        return (), "labels and sample hold numbers"
    for name, numbering in _numberings(draft):
        if labels <= numbering.keys() and len(set(numbering[label] for label in labels)) > 1:
            return tuple(f"{label} = {numbering[label]}" for label in sorted(labels, key=natural)), f"the numbers of {name}"
    if len(labels) > 2 and _two_classes_asked(draft):
        example = " ".join(f'"{label} = …",' for label in sorted(labels)).rstrip(",")
        raise Mistake(
            f"{known.submission_file} asks for one number of a question with two answers, but there are {len(labels)} labels "
            f"({', '.join(sorted(labels)[:6])}): which are 1, which are 0? For instance [{example}]."
        )
    return (), "labels are submitted as they are found"


def _as_columns(draft: Draft) -> tuple[tuple[str, ...], str]:
    """Where each column is a label with the same words around it (`prob_cat`): these columns."""
    columns, labels = draft.known.columns, set(draft.labels)
    before, after = _common_start(columns), _common_start([name[::-1] for name in columns])[::-1]
    inner = {name[len(before) : len(name) - len(after)]: name for name in columns}
    found = joins.matched(labels, inner)
    if joins.matched(labels, columns) or "" in inner or len(found) < len(labels) or len(set(found.values())) < len(labels):
        return (), "labels are submitted as they are found"
    around = f"{before}…{after}"
    return tuple(f"{label} = {inner[found[label]]}" for label in sorted(labels, key=natural)), f"the columns are labels as {around!r}"


def _common_start(names: Iterable[str]) -> str:
    first, last = min(names), max(names)  # what these share all share
    return first[: next((place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))]


def _respelled(labels: set[str], values: set[str]) -> dict[str, str]:
    """Label → the same number as the sample writes numbers (`2.0` → `2`, `014` → `14`, `7` → `007`); nothing where a value is a label already,
    or where numbers would not stay different."""
    if values & labels or not numbers(labels) or not whole(values):
        return {}
    known = {label: float(label) for label in labels}
    if not all(number.is_integer() for number in known.values()) or not {float(value) for value in values} & set(known.values()):
        return {}
    padded = {len(value) for value in values} if any(value.startswith("0") and len(value) > 1 for value in values) else {1}
    found = {label: str(int(number)).zfill(min(padded)) for label, number in known.items()}
    return found if len(padded) == 1 and len(set(found.values())) == len(labels) and values <= set(found.values()) else {}


def _two_classes_asked(draft: Draft) -> bool:
    name, _ = stated_metric(draft)
    return name is not None and "binary" in metrics.METRICS[name].kinds and "multiclass" not in metrics.METRICS[name].kinds


def _numberings(draft: Draft) -> Iterable[tuple[str, dict[str, str]]]:
    """Files that pair names with whole numbers, each name and each number once."""
    here = draft.raw
    for name in here.files:
        if name.lower().endswith(".json") and (here.folder / name).stat().st_size < 1_000_000:
            try:
                content = json.loads((here.folder / name).read_text())
            except ValueError:
                continue
            if isinstance(content, dict) and all(isinstance(value, (str, int)) for value in content.values()):
                pairs = {str(key): str(value) for key, value in content.items()}
                yield name, {value: key for key, value in pairs.items()} if whole(pairs) else pairs
    for name, columns in here.headers.items():
        if len(columns) == 2 and name not in (draft.known.submission_file, draft.known.label_file):
            table = here.read(name)
            if len(table) and all(table[column].is_unique for column in table):
                first, second = (list(table[column]) for column in table)
                if whole(first) != whole(second):
                    yield name, dict(zip(second, first, strict=True)) if whole(first) else dict(zip(first, second, strict=True))


def separator(draft: Draft) -> tuple[str, str]:
    """What parts several labels of one picture. A blank does only where parts come in different numbers and are reused: class names may
    hold blanks."""
    known = draft.known
    if known.layout in VALUES:
        names = readers.column_values(draft.raw, draft.with_known(kind="multilabel", separator=""))[1]
        sign = next(sign for sign in (" ", "|", ";", ",", "\t") if not any(sign in name for name in names))
        return sign, f"between the names of columns in train.csv, none of which holds {sign!r}"
    if known.layout == "coco":
        table = draft.raw.read(known.label_file)
        several = 1 - table["id"].nunique() / len(table)
        return ("|", f"{several:.1%} of the annotations are further ones of a picture") if several > 0.02 else ("", "one category for each picture")
    if known.layout in ("folders", "filename"):
        return "", "one label for each picture"
    cells = [cell.strip() for cell in draft.raw.read(known.label_file)[known.label_column] if cell.strip()]
    if numbers(cells[:100]) and numbers(cells):
        return "", "each cell is one number"
    for sign in (" ", ",", "|", ";"):
        parted = [tables.parted(sign, cell) for cell in cells]
        several = np.mean([len(parts) > 1 for parts in parted])
        distinct = {tuple(sorted(parts)) for parts in parted}
        parts = {part for parts in distinct for part in parts}
        reused = sum(map(len, distinct)) / max(1, len(parts))
        of_sample = {part for value in said(draft) if len(tables.parted(sign, value)) > 1 for part in tables.parted(sign, value)}
        asked = bool(of_sample) and of_sample <= parts and not said(draft) <= set(cells)
        if several > 0.02 and len({len(parts) for parts in distinct}) > 1 and reused >= 1.3 and (len(distinct) > len(parts) or asked):
            text = f"{len(parts)} parts in {len(distinct)} combinations, e.g. {max(cells, key=len)!r}"
            return sign, f"{several:.0%} of the labels hold {sign!r}: {text}"
    return "", "one label for each picture"


# -- kind and classes --------------------------------------------------------------------------------------------------------------


def stated_metric(draft: Draft) -> tuple[str | None, str]:
    """The metric that the user has written, or that Kaggle names, and where."""
    return (draft.yours["metric"], "yours") if "metric" in draft.yours else kaggles_metric(draft)


def kaggles_metric(draft: Draft) -> tuple[str | None, str]:
    said = draft.texts()
    for source in ("metric", "evaluation page") if "evaluation page" in said else said:  # other pages may name any number
        name = metrics.recognise(said.get(source, ""))
        if name:
            return name, f"{whose(source)}: {around(metrics.plain(said[source]), metrics.METRICS[name].words)}"
    return None, ""


def around(text: str, words: str) -> str:
    """The place of the text that a regular expression finds, quoted."""
    found = re.search(words, text, re.IGNORECASE)
    if not found:
        return repr(text[:80])
    start, end = max(0, found.start() - 60), found.end() + 60
    return repr(("…" if start else "") + " ".join(text[start:end].split()) + ("…" if end < len(text) else ""))


def whose(source: str) -> str:
    return source if "." in source else f"Kaggle's {source}"


def kind(draft: Draft) -> tuple[str, str]:
    known, (metric, _) = draft.known, stated_metric(draft)
    if known.layout in VALUES:
        return _kind_of_columns(draft, metric)
    labels = draft.labels
    distinct = set(labels)
    if known.separator:
        return "multilabel", f"several labels for a picture, parted by {known.separator!r}"
    if len(distinct) < 2:
        raise Mistake(f"the training rows have {len(distinct)} different labels: two at least are needed.")
    count = f"{len(distinct)} different labels, one for each picture"
    number = numbers(distinct) and len(known.columns) == 1  # several columns: the probabilities of the numbers as classes
    if metric and not set(SINGLE) & set(metrics.METRICS[metric].kinds):
        strangers = sorted(label for label in distinct if not numbers([label]))
        if number or (len(known.columns) == 1 and len(strangers) <= 0.1 * len(distinct)):
            more = f"; no label where there is none: {', '.join(strangers)}" if strangers else ""
            return "regression", f"numbers, and {metric} is a measure of their error{more}"
    if number and not whole(distinct) and len(distinct) > 10:
        return "regression", f"{len(distinct)} different numbers that are no whole ones"
    if number and not metric and fractions(draft) and len(distinct) > 2:
        outside = [value for value in said(draft) if not 0 <= float(value) <= 1]
        if outside or len(distinct) > 20:
            return "regression", f"numbers, and {known.submission_file} holds {min(said(draft))!r}"
        raise Mistake(
            f"{known.submission_file} holds values like {min(said(draft))!r}, and there are {len(distinct)} different labels: the number itself "
            "(regression), or the probability of one?"
        )
    if whole(distinct) and len(distinct) > 2 and metric and metrics.METRICS[metric].wants == "ratings":
        return "ordinal", f"whole numbers, and {metric} measures how far they are apart"
    if number and whole(distinct) and 2 < len(distinct) <= 10 and not metric and SCALE.search(known.label_column):
        return "ordinal", f"assumed: {len(distinct)} whole numbers in a column called {known.label_column!r} are steps of a scale"
    return ("binary" if len(distinct) == 2 else "multiclass"), count


def _kind_of_columns(draft: Draft, metric: str | None) -> tuple[str, str]:
    known = draft.known
    _, names, values = readers.column_values(draft.raw, draft.with_known(kind="multilabel"))
    here = values[np.isfinite(values).all(axis=1)]
    if not len(here):
        raise Mistake(f"no row of {known.label_file} has a number in each of {', '.join(names[:6])}.")
    kinds = metrics.METRICS[metric].kinds if metric else ()
    if kinds == ("regression",):
        return "regression", f"{metric} measures errors of numbers"
    sums = here.sum(axis=1)
    if np.isin(here, (0, 1)).all():
        share = float((sums == 1).mean())
        if share >= 0.99:
            return ("binary" if len(names) == 2 else "multiclass"), f"{share:.1%} of the rows have exactly one 1 in {len(names)} columns"
        text = f"0 and 1 in {len(names)} columns, {1 - share:.0%} of the rows have none or several 1"
        blank = readers.blank_share(draft.raw, known)
        return "multilabel", f"assumed: {text}; the blank cells of {blank:.0%} of the rows count as 0" if blank > readers.BLANK else text
    shown = draft.sample()[list(known.columns)].apply(pd.to_numeric, errors="coerce").sum(axis=1)
    shares = len(known.columns) > 1 and (np.abs(sums - 1) < 1e-3).mean() > 0.95
    votes = len(known.columns) > 1 and (here >= 0).all() and (here == here.round()).all() and (np.abs(shown - 1) < 0.01).mean() > 0.95
    if shares or votes or ("soft" in kinds and "regression" not in kinds):
        return "soft", f"{'shares that sum to 1' if shares else 'votes, submitted as shares'} in {len(names)} columns"
    codes = len(names) > 1 and not metric and (here == here.round()).all() and not fractions(draft)
    if codes and max(len(np.unique(column)) for column in here.T) <= 0.1 * len(here):
        raise Mistake(
            f"{', '.join(names[:6])} hold few different whole numbers, and no known metric is named: several questions with classes of their own "
            "(which this kit does not answer), or amounts (regression)?"
        )
    return "regression", f"numbers from {here.min():g} to {here.max():g} in {len(names)} columns"


def classes(draft: Draft) -> tuple[tuple[str, ...], str]:
    known = draft.known
    if known.layout in VALUES:
        names = readers.column_values(draft.raw, known)[1]
        if known.kind not in SINGLE or len(known.columns) == 1:
            missing = [name for name in known.columns if name not in names] if len(known.columns) > 1 else []
            if missing:
                raise Mistake(f"{known.label_file} has no column for {', '.join(missing[:5])} of {known.submission_file}.")
            return tuple(names), f"the columns of {known.label_file}, as {known.submission_file} writes them"
    if known.kind == "regression":
        return (known.label_column or known.columns[0],), "one number"
    found = {part for label in draft.labels for part in (tables.parted(known.separator, label) if known.separator else [label])}
    if len(known.columns) == 1:
        order = float if known.kind == "ordinal" and numbers(found) else natural  # a step below 0 comes first
        return tuple(sorted(sorted(found), key=order)), f"the {len(found)} labels of the training rows, in natural order"
    spelled = joins.matched(found, known.columns)
    strangers = sorted(found - spelled.keys())
    if strangers or len(set(spelled.values())) < len(found):
        lost = strangers or sorted(found)
        raise Mistake(
            f"{len(lost)} labels have no column of their own in {known.submission_file}: {', '.join(lost[:5])}; "
            f"columns: {', '.join(known.columns[:5])} …"
        )
    by_column = {column: label for label, column in spelled.items()}
    never = [column for column in known.columns if column not in by_column]
    more = f"assumed: never seen in training: {', '.join(never)}; " if never else ""
    return tuple(by_column.get(column, column) for column in known.columns), f"{more}the labels, in the order of the submission's columns"


DECISIONS: dict[str, Callable[[Draft], tuple[Any, str]]] = {
    "label_column": label_column,
    "renames": renames,
    "separator": separator,
    "kind": kind,
    "classes": classes,
}
