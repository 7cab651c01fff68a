"""What a competition asks, from its files and from what Kaggle says: `QUESTION`, the decisions on which `draft.Draft.settle` runs.

The sample submission is the contract, the label table (or the folders, or the file names) is the truth: see `location`. Names of
competitions and files decide nothing, except the generic words (train, test, sample, submission, label …). Two equally good answers stop
with both.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from clf import location, metrics, readers
from clf.config import Mistake
from clf.draft import Draft

SAMPLE_NAME = re.compile(r"(sample|example).*sub|sub.*sample|benchmark|sample_?sol", re.IGNORECASE)
NO_LABEL = re.compile(r"age|date|time|width|height|url|path|source|split|fold|size|lat|lon|author|licen[cs]e|comment|usage", re.IGNORECASE)
GROUPS = tuple(  # what keeps rows together, the surest first
    "patient subject driver individual person participant study slide scan series sequence seq video burst session batch plate experiment "
    "well camera machine device site location place plot field hospital center centre institution provider country".split()
)


# -- the submission ----------------------------------------------------------------------------------------------------------------


def _submission_file(draft: Draft) -> tuple[str, str]:
    """By name, else the only table whose prediction columns are all constant; several: the highest number in the name, then most rows."""
    raw = draft.raw
    candidates = [name for name in raw.headers if len(raw.headers[name]) >= 2 and name not in raw.pixel_tables]
    named = [name for name in candidates if SAMPLE_NAME.search(PurePosixPath(name).name)]
    found = named or [name for name in candidates if _is_constant(raw.read(name))]
    if not found:
        there = ", ".join(raw.headers) or "none"
        raise Mistake(f"there is no sample submission among the tables of raw/ ({there}; all files: {raw.inventory()}).")
    versions = {name: max(map(int, re.findall(r"\d+", PurePosixPath(name).name)), default=0) for name in found}
    ranks = {name: (versions[name], len(raw.read(name))) for name in found}
    best = [name for name in found if ranks[name] == max(ranks.values())]
    if len(best) > 1 and len({tuple(raw.headers[name]) for name in best}) > 1:
        raise Mistake(f"several tables could be the sample submission: {', '.join(best)}.")
    others = f"; not {', '.join(name for name in found if name != best[0])}" if len(found) > 1 else ""
    return best[0], ("by its name" if named else "assumed: the only table whose predictions are all the same") + others


def _is_constant(table: pd.DataFrame) -> bool:
    return len(table) > 1 and table.iloc[:, 0].is_unique and all(table[column].nunique() == 1 for column in table.columns[1:])


def _id_column(draft: Draft) -> tuple[str, str]:
    first = draft.raw.headers[draft.known.submission_file][0]
    if len(draft.sample()) == 0:
        raise Mistake(f"{draft.known.submission_file} has no rows.")
    return first, f"first column of {draft.known.submission_file}, {len(draft.sample()):,} rows"


def _prediction_columns(draft: Draft) -> tuple[tuple[str, ...], str]:
    header = [name for name in draft.raw.headers[draft.known.submission_file] if name != draft.known.id_column]
    return tuple(header), f"the other {'columns' if len(header) > 1 else 'column'} of {draft.known.submission_file}"


# -- labels, classes, metric -------------------------------------------------------------------------------------------------------


def _words(name: str) -> list[str]:
    """`"patientId"`, `"seq_id"` → words in lower case"""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def _label_column(draft: Draft) -> tuple[str, str]:
    """The column called like the prediction column, or in which the sample's values occur, or with a name like label."""
    known = draft.known
    if known.layout not in ("table", "pixels"):
        return "", "no column of labels in this layout"
    table = draft.raw.read(known.label_file)
    said = set(draft.sample()[known.columns[0]]) - {""} if len(known.columns) == 1 else set(known.columns)
    scores = {column: _label_score(table[column], said, known.columns) for column in table if column != known.file_id_column}
    if not scores:
        raise Mistake(f"{known.label_file} has no column besides {known.file_id_column!r}: there are no labels.")
    best = max(scores.values())
    winners = [column for column in scores if scores[column] == best]
    if best <= -5:
        raise Mistake(f"no column of {known.label_file} can be the label: {', '.join(scores)} are constant, or different in every row.")
    if len(winners) > 1:
        raise Mistake(f"several columns of {known.label_file} could be the label: {', '.join(winners)}.")
    count = table[winners[0]].nunique()
    why = "the only other column" if len(scores) == 1 else f"the best of {', '.join(scores)}"
    return winners[0], f"{why} of {known.label_file}; {count} different labels"


def _label_score(column: pd.Series, said: set[str], asked: tuple[str, ...]) -> float:
    name, values = str(column.name), set(column)
    score = 8.0 * bool(readers.matched([name], asked) or readers.matched(asked, [name]))
    score += 4 * bool(said & values) + 6 * (len(asked) > 1 and len(readers.matched(said, values)) == len(said))
    score += 3 * location.is_label_name(name)
    score -= 4 * bool(NO_LABEL.search(name) or set(_words(name)) & set(GROUPS))
    return score - 5 * (len(values) == len(column) > 20) - 10 * (len(values - {""}) < 2)


def _numbers(texts: Iterable[str]) -> bool:
    return all(re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", text.strip()) for text in texts)


def _whole(texts: Iterable[str]) -> bool:
    return all(re.fullmatch(r"[+-]?\d+", text.strip()) for text in texts)


def _metric(draft: Draft) -> tuple[str, str]:
    """What Kaggle says; else by what the sample submission holds: probabilities → log loss, labels → accuracy."""
    for source, text in draft.texts().items():
        name = metrics.recognise(text)
        if name:
            return name, f"Kaggle's {source}: {_around(text, metrics.METRICS[name].words)}"
    stated = draft.facts.get("metric")
    unknown = f"Kaggle's metric {stated!r} is none that the kit computes; " if stated else "nothing here names the metric; "
    values = {text for column in draft.known.columns for text in draft.sample()[column]}
    fractions = _numbers(values) and not _whole(values)
    name, held = ("log_loss", "probabilities") if len(draft.known.columns) > 1 or fractions else ("accuracy", "labels")
    others = ", ".join(other for other in metrics.METRICS if other != name)
    return name, f"assumed: {unknown}the sample submission holds {held}. If it is another one, write it here: {others}"


def _around(text: str, words: str) -> str:
    found = re.search(words, text, re.IGNORECASE)
    start, end = max(0, found.start() - 60), found.end() + 60
    return repr(("…" if start else "") + " ".join(text[start:end].split()) + ("…" if end < len(text) else ""))


def _style(draft: Draft) -> tuple[str, str]:
    """Several columns: probabilities of the classes. One: the label, its index, or (two classes) the probability of one."""
    known = draft.known
    draft.labels = [label for label in readers.READERS[known.layout](draft.raw, known)["label"] if label.strip()]
    labels = set(draft.labels)
    _check_onehot(draft)
    if len(labels) < 2:
        raise Mistake(f"the training rows have {len(labels)} different labels: two at least are needed.")
    if len(known.columns) > 1:
        return "columns", f"{len(known.columns)} prediction columns"
    values = set(draft.sample()[known.columns[0]])
    shown = f"{known.submission_file} holds values like {min(values)!r}"
    fractions = _numbers(values) and not _whole(values) and not values <= labels
    if len(labels) == 2 and (fractions or metrics.METRICS[known.metric].wants == "probabilities"):
        return "positive", f"two classes; {shown if fractions else f'{known.metric} wants probabilities'}"
    if fractions and {str(float(value)) for value in values} - {str(float(label)) for label in labels if _numbers([label])}:
        raise Mistake(f"{shown}, and there are {len(labels)} different labels: this asks for a number or a measure, which the kit does not predict.")
    if _whole(values) and not _whole(labels):
        return "index", f"assumed: {shown}, but the labels are names: the number of the class, from 0, in the order of classes"
    if any(len(value.split()) > 1 and value not in labels and set(value.split()) <= labels for value in values):
        return "label", f"assumed: {shown}, several labels for a picture; the kit writes the best one"
    return (
        "label",
        shown if values <= labels else f"assumed: {shown}, which is no label of the training rows; the label is written as these write it",
    )


def _check_onehot(draft: Draft) -> None:
    """Raises Mistake for columns that are no classes: several ones in a row, or shares."""
    known = draft.known
    if known.layout != "onehot":
        return
    values = readers.onehot_values(draft.raw.read(known.label_file), readers.onehot_columns(draft.raw.read(known.label_file), known.columns))
    if not np.isin(values[~np.isnan(values)], (0, 1)).all():
        raise Mistake(f"the label columns of {known.label_file} hold other values than 0 and 1: shares or measures, which the kit does not predict.")
    several = (values.sum(axis=1) != 1).mean()
    if several > 0.01:
        raise Mistake(f"{several:.0%} of the rows of {known.label_file} do not have exactly one 1: pictures with several labels are not supported.")


def natural(text: str) -> list:
    """Sorting key: numbers by value, inside of names too."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def _classes(draft: Draft) -> tuple[tuple[str, ...], str]:
    known, labels = draft.known, set(draft.labels)
    if known.style != "columns":
        return tuple(sorted(labels, key=natural)), f"the {len(labels)} labels of the training rows, in natural order"
    spelled = readers.matched(labels, known.columns)
    strangers = sorted(labels - spelled.keys())
    if strangers or len(set(spelled.values())) < len(labels):
        lost = strangers or sorted(labels)
        raise Mistake(
            f"{len(strangers)} labels have no column in {known.submission_file}: {', '.join(lost[:5])}; columns: {', '.join(known.columns[:5])} …"
        )
    by_column = {column: label for label, column in spelled.items()}
    never = [column for column in known.columns if column not in by_column]
    more = f"assumed: never seen in training: {', '.join(never)}; " if never else ""
    return tuple(by_column.get(column, column) for column in known.columns), f"{more}the labels, in the order of the submission's columns"


def _kind(draft: Draft) -> tuple[str, str]:
    count = len(draft.known.classes)
    return ("binary" if count == 2 else "multiclass"), f"{count} classes, one label for each picture"


NAMES_POSITIVE = (  # 1 = dog; dog: 1; the probability that the image is a dog
    r"(?<![\w.])1\s*(=|:|for|means|is)\s*[\"'(]*{}(?!\w)",
    r"(?<!\w){}s?[\"')]*\s*(=|:)\s*1(?![\w.])",
    r"probab\w*[^.]{{0,80}}(?<!\w){}s?(?!\w)",
)


def _positive(draft: Draft) -> tuple[str, str]:
    """{0, 1} literally; a class that Kaggle's text or the prediction column names; else the last."""
    known = draft.known
    if known.style != "positive":
        return "", f"not asked: the submission's style is {known.style}"
    if set(known.classes) == {"0", "1"}:
        return "1", "the labels are 0 and 1"
    for source, text in draft.texts().items():
        for pattern in NAMES_POSITIVE:
            found = [name for name in known.classes if re.search(pattern.format(re.escape(name)), text, re.IGNORECASE)]
            if len(found) == 1:
                return found[0], f"Kaggle's {source}: {_around(text, pattern.format(re.escape(found[0])))}"
    named = [name for name in known.classes if readers.plain(name) in [readers.plain(known.columns[0]), *_words(known.columns[0])]]
    if len(named) == 1:
        return named[0], f"the prediction column is called {known.columns[0]!r}"
    last = sorted(known.classes)[-1]
    names = ", ".join(sorted(known.classes))
    return last, f"assumed: nothing says whose probability is asked; the last of {names}. The wrong one spoils the score: look it up"


def _group(draft: Draft) -> tuple[str, str]:
    """A column of the label table named like a patient, a driver, a place …, with 5 values at least, and some that repeat."""
    known = draft.known
    if not known.label_file:
        return "", "no table"
    table = draft.raw.read(known.label_file)
    used = {known.label_column, known.file_id_column, *(readers.onehot_columns(table, known.columns) if known.layout == "onehot" else ())}
    counts = {column: table[column].nunique() for column in table if column not in used and set(_words(column)) & set(GROUPS)}
    fitting = [column for column, count in counts.items() if 5 <= count < len(table)]
    if not fitting:
        few = f"; {', '.join(counts)} has too few or only different values" if counts else ""
        return "", f"no column is named like a patient, driver, place …{few}"
    best = min(fitting, key=lambda column: min(GROUPS.index(word) for word in _words(column) if word in GROUPS))
    others = f"; not {', '.join(column for column in fitting if column != best)}" if len(fitting) > 1 else ""
    return best, f"{counts[best]:,} different values in {len(table):,} rows: rows of one never validate each other{others}"


QUESTION: dict[str, Callable[[Draft], tuple[Any, str]]] = {
    "submission_file": _submission_file,
    "id_column": _id_column,
    "columns": _prediction_columns,
    "layout": location.layout,
    "label_file": location.label_file,
    "file_id_column": location.file_id_column,
    "test_root": location.test_root,
    "train_root": location.train_root,
    "label_column": _label_column,
    "metric": _metric,
    "style": _style,
    "classes": _classes,
    "kind": _kind,
    "positive": _positive,
    "group": _group,
}
