"""Where a run is wrong, from its out-of-fold predictions: confusions, the worst and the least certain rows, groups and domains, and labels
that may be wrong themselves. Numbers and rows only; `run_page` shows them. No TensorFlow here."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clf import intervals, metrics, paths, runs, tables, targets
from clf.config import Mistake
from clf.problem import SINGLE, Problem

CONFUSABLE = 2000  # classes: up to here a table of every pair fits into memory
CLASSES, PICTURES = 10, 5  # that the page shows of the worst and the least certain
FEW = 25  # rows: a group or a domain with fewer is not scored
LARGE = 20_000  # rows: of more a bootstrap takes long, and says little
GROUPS = 12  # groups, or values of a domain, that are scored
DOUBTED = 0.1  # share of the rows that the list of doubtful labels holds at least


@dataclass(frozen=True)
class Held:
    """The out-of-fold rows of a run: everything below is int or float [n, …] in their order."""

    question: Problem
    rows: np.ndarray  # of train.csv
    truth: np.ndarray  # as `targets.truth` gives it
    predicted: np.ndarray  # [n,K]
    decided: np.ndarray  # [n,K], as the score counts them
    train: pd.DataFrame  # the rows of train.csv
    listed: pd.DataFrame  # the rows of pictures.csv

    @property
    def targets(self) -> np.ndarray:
        """float [n,K]"""
        return targets.dense(self.question, self.truth)


def held(place: paths.Place, run: paths.Run, question: Problem, found: runs.Predictions) -> Held | None:
    """None without validated rows. Raises Mistake where the tables are no longer those of the run."""
    made_from = paths.read_json(run.identity)["made_from"]
    for file in (place.train, place.folds):
        if made_from.get(file.name, paths.hash_file(file)) != paths.hash_file(file):
            raise Mistake(f"{file.name} has changed since run {run.name} was trained: which picture a prediction belongs to is lost.")
    if not len(found.valid_rows):
        return None
    train = tables.read(place.train, ["id", "label", "group"], found.valid_rows)
    truth = targets.truth(question, train.label)
    parts = runs.honest_parts(tables.read(place.folds, ["fold"], found.valid_rows).fold.to_numpy())
    decided = runs.decided(question, truth, found.valid, parts)
    listed = tables.read(place.pictures, ["part", "row", *tables.SIZES], found.valid_rows)  # the train rows come first
    return Held(question, found.valid_rows, truth, found.valid, decided, train, listed)


def confusion(on: Held) -> np.ndarray | None:
    """int [K,K], true class by decided class; None for more than CONFUSABLE classes, and where a picture has not exactly one."""
    if on.question.kind not in SINGLE or len(on.question.classes) > CONFUSABLE:
        return None
    counts = np.zeros((len(on.question.classes),) * 2, int)
    np.add.at(counts, (on.truth, on.decided.argmax(1)), 1)
    return counts


# -- the worst and the least certain ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """Pictures that belong together on the page, by their places among the held rows, each with what is said below it."""

    title: str
    places: np.ndarray
    captions: list[str]


def margins(predicted: np.ndarray) -> np.ndarray:
    """float [n]: how far the likeliest class lies before the second; 1 where there is one only."""
    if predicted.shape[1] < 2:
        return np.ones(len(predicted))
    found = np.empty(len(predicted))
    for start in range(0, len(predicted), 4096):  # the copies of many classes would fill the memory
        part = predicted[start : start + 4096].copy()
        place = (np.arange(len(part)), part.argmax(1))
        first = part[place]
        part[place] = -np.inf
        found[start : start + 4096] = first - part.max(1)
    return found


def worst(on: Held) -> list[Shown]:
    """The most confidently wrong rows of each true class, the classes with the most errors first; of values the widest misses."""
    if on.question.kind == "regression":
        low, high = targets.ranges(on.question)
        miss = np.abs(on.predicted - on.truth) / (high - low)
        return [_values_shown(on, number, miss[:, number]) for number in range(min(CLASSES, miss.shape[1]))]
    if on.question.kind == "multilabel":
        miss = np.abs(on.predicted - on.truth)
        wrong = miss > 0.5
        classes = np.argsort(-wrong.sum(0), kind="stable")[:CLASSES]
        return [_of_label(on, each, np.where(wrong[:, each], miss[:, each], -1)) for each in classes if wrong[:, each].any()]
    named = on.truth.argmax(1) if on.question.kind == "soft" else on.truth
    likeliest = on.predicted.argmax(1)
    sure = np.where(likeliest != named, on.predicted[np.arange(len(named)), likeliest], -1)
    counts = np.bincount(named[sure >= 0], minlength=len(on.question.classes))
    return [_of_class(on, each, named, sure, f"{counts[each]:,} wrong") for each in np.argsort(-counts, kind="stable")[:CLASSES] if counts[each]]


def least_certain(on: Held) -> list[Shown]:
    """Rows of each true class whose two likeliest classes lie closest together, right or wrong; of labels those next to one half."""
    if on.question.kind == "regression":
        return []
    if on.question.kind == "multilabel":
        doubt = 1 - np.abs(2 * on.predicted - 1)
        classes = np.argsort(-doubt.mean(0), kind="stable")[:CLASSES]
        return [_of_label(on, each, doubt[:, each]) for each in classes]
    named = on.truth.argmax(1) if on.question.kind == "soft" else on.truth
    doubt = 1 - margins(on.predicted)
    counts = np.bincount(named, minlength=len(on.question.classes))
    mean = np.bincount(named, doubt, len(counts)) / np.maximum(1, counts)
    return [
        _of_class(on, each, named, doubt, f"mean margin {1 - mean[each]:.2f}") for each in np.argsort(-mean, kind="stable")[:CLASSES] if counts[each]
    ]


def _top(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The places among `rows` with the greatest values of 0 and more, at most PICTURES of them."""
    rows = rows[values[rows] >= 0]
    return rows[np.argsort(-values[rows], kind="stable")[:PICTURES]]


def _of_class(on: Held, number: int, named: np.ndarray, values: np.ndarray, more: str) -> Shown:
    places = _top(values, np.flatnonzero(named == number))
    return Shown(f"{on.question.classes[number]} ({more})", places, [said(on, place) for place in places])


def _of_label(on: Held, number: int, values: np.ndarray) -> Shown:
    places = _top(values, np.arange(len(values)))
    there = ["has it" if on.truth[place, number] > 0.5 else "has it not" for place in places]
    captions = [f"{on.train.id[place]}: {text}, {on.predicted[place, number]:.2f}" for place, text in zip(places, there, strict=True)]
    return Shown(on.question.classes[number], places, captions)


def _values_shown(on: Held, number: int, values: np.ndarray) -> Shown:
    places = _top(values, np.arange(len(values)))
    captions = [f"{on.train.id[place]}: {on.truth[place, number]:.4g}, predicted {on.predicted[place, number]:.4g}" for place in places]
    return Shown(on.question.classes[number], places, captions)


def said(on: Held, place: int) -> str:
    likeliest = int(on.predicted[place].argmax())
    return f"{on.train.id[place]}: {on.question.classes[likeliest]} {on.predicted[place, likeliest]:.2f}"


# -- groups and domains ----------------------------------------------------------------------------------------------------------------


def domains(on: Held) -> dict[str, pd.Series]:
    """Name → text of each held row: its group, the file's format, quarters of its short side, its shape. Left out where all are alike."""
    found = {}
    if "group" in on.train:
        found["group"] = on.train.group
    if "format" in on.listed:
        found["format"] = on.listed.format
        width, height = on.listed.width.astype(float), on.listed.height.astype(float)
        found["short side"] = _quarters(np.minimum(width, height))
        found["shape"] = pd.Series(np.select([width > 1.05 * height, height > 1.05 * width], ["landscape", "portrait"], "square"))
    return {name: values for name, values in found.items() if values.nunique() > 1}


def _quarters(sides: pd.Series) -> pd.Series:
    edges = np.unique(np.quantile(sides, [0, 0.25, 0.5, 0.75, 1]))
    if len(edges) < 2:
        return sides.map("{:.0f} px".format)
    number = np.clip(np.searchsorted(edges, sides, "right") - 1, 0, len(edges) - 2)
    return pd.Series([f"{edges[each]:.0f} to {edges[each + 1]:.0f} px" for each in number])


def scores(on: Held, name: str, values: pd.Series) -> tuple[list[tuple[str, int, float, float, float]], str]:
    """(value, rows, score, low, high of its 95 % interval, NaN for LARGE ones), the worst first, at most GROUPS; and what is left out, in
    a sentence."""
    metric, asked = metrics.METRICS[on.question.metric], runs.asked(on.question)
    counts = values.value_counts()
    enough = counts[counts >= FEW].index
    numbers = pd.Categorical(values, enough).codes
    order = np.argsort(numbers, kind="stable")
    rows = np.split(order, np.searchsorted(numbers[order], np.arange(len(enough))))[1:]
    every = [(value, own, _score(metric, on, own, asked)) for value, own in zip(enough, rows, strict=True)]
    sign = 1 if metric.higher_is_better else -1
    every.sort(key=lambda each: sign * each[2] if not np.isnan(each[2]) else np.inf)
    found = [(str(value), len(own), score, *_interval(metric, on, own, asked)) for value, own, score in every[:GROUPS]]
    few = int((counts < FEW).sum())
    notes = [f"{few:,} of {len(counts):,} with fewer than {FEW} rows are not scored"] if few else []
    notes += [f"{len(every) - GROUPS:,} better ones are not shown"] if len(every) > GROUPS else []
    return found, f"{name}: {'; '.join(notes)}." if notes else ""


def _score(metric: metrics.Metric, on: Held, rows: np.ndarray, asked: metrics.Asked) -> float:
    """NaN where these rows leave the metric undefined."""
    try:
        return float(metric.score(on.truth[rows], on.decided[rows], asked))
    except ValueError:
        return float("nan")


def _interval(metric: metrics.Metric, on: Held, rows: np.ndarray, asked: metrics.Asked) -> tuple[float, float]:
    if len(rows) > LARGE:
        return float("nan"), float("nan")
    try:
        return intervals.interval(metric, on.truth[rows], on.decided[rows], asked, resamples=100)
    except ValueError:
        return float("nan"), float("nan")


# -- labels that may be wrong ---------------------------------------------------------------------------------------------------------


def doubtful(on: Held) -> pd.DataFrame | str:
    """The tenth of the rows whose labels are most doubtful, and every row that confident learning calls an error, the most doubtful first:
    `id, label, suggested, quality, error`; or why there is no such list.

    Confident learning (Northcutt et al. 2021, cleanlab): a row is an error where another class is more probable for it than it is on average
    for rows of that class; `quality` is the label's normalized margin, 0 to 1. Several labels: cleanlab's score over classes, and `suggested`
    are the classes above one half. A value: its score of the residual, `suggested` the prediction; no row is called an error.
    """
    question, classes = on.question, np.array(on.question.classes, object)
    if question.kind == "soft":
        return "Not defined for the kind soft: shares are opinions, none of which is wrong."
    if len(classes) > CONFUSABLE:
        return f"Not searched: more than {CONFUSABLE:,} classes."
    if question.kind in SINGLE:
        quality, error = _single(on)
        suggested = classes[on.predicted.argmax(1)]
    elif question.kind == "multilabel":
        quality, error = _several(on)
        suggested = [(question.separator or " ").join(classes[row > 0.5]) for row in on.predicted]
    else:
        from cleanlab.regression.rank import get_label_quality_scores

        each = [get_label_quality_scores(on.truth[:, number], on.predicted[:, number]) for number in range(len(classes))]
        quality, error = np.min(each, axis=0), np.zeros(len(on.rows), bool)
        suggested = [" ".join(f"{value:.4g}" for value in row) for row in on.predicted]
    table = pd.DataFrame({"id": on.train.id, "label": on.train.label, "suggested": suggested, "quality": quality, "error": error})
    table = table.sort_values("quality", kind="stable")
    kept = table.error.to_numpy() | (np.arange(len(table)) < np.ceil(DOUBTED * len(table)))
    return table[kept]


def _single(on: Held) -> tuple[np.ndarray, np.ndarray]:
    from cleanlab import filter as confident  # seconds to import
    from cleanlab import rank

    seen, labels = np.unique(on.truth, return_inverse=True)  # cleanlab wants every class to have rows
    if len(seen) < 2:
        return np.ones(len(labels)), np.zeros(len(labels), bool)
    predicted = on.predicted[:, seen] + 1e-12
    predicted /= predicted.sum(1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one for each class with few rows
        error = confident.find_label_issues(labels, predicted, filter_by="confident_learning", n_jobs=1)  # jobs would fork beside TensorFlow
        return rank.get_label_quality_scores(labels, predicted, method="normalized_margin"), error


def _several(on: Held) -> tuple[np.ndarray, np.ndarray]:
    from cleanlab.multilabel_classification import filter as confident
    from cleanlab.multilabel_classification import rank

    labels = [list(np.flatnonzero(row)) for row in on.truth > 0.5]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error = confident.find_label_issues(labels, on.predicted, filter_by="confident_learning", n_jobs=1)
        return rank.get_label_quality_scores(labels, on.predicted), error


def label_errors(run: paths.Run, on: Held) -> pd.DataFrame | str:
    """`doubtful`, kept in the run's folder: a page that is drawn again reads it there, as text."""
    if not run.label_errors.exists():
        found = doubtful(on)
        if isinstance(found, str):
            return found
        found.quality = found.quality.map("{:.6f}".format)
        tables.write(run.label_errors, found)
    return tables.read(run.label_errors)
