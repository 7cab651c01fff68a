"""From probabilities to what a submission may say: labels, sets of labels, ratings; and the numbers that decide it.

Those numbers, the cuts, are fitted on rows whose truth is known and whose predictions come from models that have not seen them. `Metric`
and `Asked` are those of `metrics`, whose scores decide by the same rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from clf.metrics import Asked, Metric

SINGLE = ("binary", "multiclass", "ordinal")  # problem.SINGLE: problem imports metrics, which imports this module
RARE = 20  # positives: a class with fewer has too few for a threshold of its own
TRIED = 100  # thresholds


# -- deciding ----------------------------------------------------------------------------------------------------------------------


def decide(metric: Metric, predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """What the metric wants, float64 [N,K], of predictions [N,K], row by row. Deciding twice changes nothing, also with other fitted cuts.

    labels: 1 for the most probable class, else 0. sets: 0 or 1, never an empty row. ratings: 1 for the rating, else 0. What wants
    probabilities, a ranking or values stays as it is, unless cuts were fitted for it.
    """
    predicted = np.asarray(predicted, np.float64)
    if metric.fit is None:  # cuts of another metric mean nothing here
        asked = dataclasses.replace(asked, cuts=None)
    return DECISIONS[metric.wants](predicted, asked)


def as_labels(predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """One-hot of the most probable class, the first of equals. With a cut: the positive class wherever its probability reaches it."""
    if asked.cuts is None:
        return _one_hot(predicted.argmax(1), predicted.shape[1])
    _check_cuts(asked, (1,))
    rest = predicted.copy()
    rest[:, asked.positive] = -np.inf
    reached = predicted[:, asked.positive] >= asked.cuts[0]
    return _one_hot(np.where(reached, asked.positive, rest.argmax(1)), predicted.shape[1])


def as_sets(predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """0/1: every class whose probability reaches its cut (one for all, or K; 0.5), and where none does, the most probable one.

    The kinds with one label for each picture have sets of that one label.
    """
    if asked.kind in SINGLE:
        return _one_hot(predicted.argmax(1), predicted.shape[1])
    if asked.cuts is not None:
        _check_cuts(asked, (1, predicted.shape[1]))
    said = (predicted >= (0.5 if asked.cuts is None else asked.cuts)).astype(np.float64)
    empty = np.flatnonzero(said.max(1) == 0)
    said[empty, predicted[empty].argmax(1)] = 1
    return said


def as_ratings(predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """One-hot of the rating: the number of cuts (K-1; 0.5, 1.5, …) that the expected class number reaches.

    A row that is one-hot already has its rating: fitted cuts need not lie between the whole numbers.
    """
    classes = predicted.shape[1]
    cuts = np.arange(classes - 1) + 0.5 if asked.cuts is None else asked.cuts
    if asked.cuts is not None:
        _check_cuts(asked, (classes - 1,))
    rating = np.searchsorted(cuts, predicted @ np.arange(classes), side="right")
    decided = ((predicted == 0) | (predicted == 1)).all(1) & (predicted.sum(1) == 1)
    return _one_hot(np.where(decided, predicted.argmax(1), rating), classes)


def as_given(predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """Unchanged; with a cut for the positive class, as labels."""
    return predicted if asked.cuts is None else as_labels(predicted, asked)


DECISIONS: dict[str, Callable[[np.ndarray, Asked], np.ndarray]] = {
    "labels": as_labels,
    "sets": as_sets,
    "ratings": as_ratings,
    "probabilities": as_given,
    "ranking": as_given,
    "values": as_given,
}


def _one_hot(codes: np.ndarray, classes: int) -> np.ndarray:
    found = np.zeros((len(codes), classes))
    found[np.arange(len(codes)), codes] = 1
    return found


def _check_cuts(asked: Asked, lengths: tuple[int, ...]) -> None:
    if np.shape(asked.cuts) not in [(length,) for length in lengths]:
        raise ValueError(f"cuts of shape {np.shape(asked.cuts)}: {' or '.join(str(length) for length in lengths)} are wanted")


# -- fitting -----------------------------------------------------------------------------------------------------------------------


def fit_cuts(metric: Metric, truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> np.ndarray | None:
    """The metric's cuts for these rows, or None where it has none, or where no others score better on them than the defaults."""
    cuts = metric.fit(truth, predicted, asked) if metric.fit else None
    if cuts is None:
        return None
    sign = 1 if metric.higher_is_better else -1
    plain, fitted = (sign * metric.score(truth, predicted, dataclasses.replace(asked, cuts=each)) for each in (None, cuts))
    return cuts if fitted > plain else None


def nested(metric: Metric, truth: np.ndarray, predicted: np.ndarray, parts: np.ndarray, asked: Asked) -> np.ndarray:
    """Decided predictions [N,K] whose score is honest: the rows of each part (int [N]) by cuts fitted on the rows of the others.

    The defaults decide where there is one part only. Predictions for a metric that fits nothing come back unchanged.
    """
    if metric.fit is None:
        return predicted
    truth, predicted, parts = np.asarray(truth), np.asarray(predicted), np.asarray(parts)
    decided = np.empty(predicted.shape)
    for part in np.unique(parts):
        own = parts == part
        cuts = None if own.all() else fit_cuts(metric, truth[~own], predicted[~own], asked)
        decided[own] = decide(metric, predicted[own], dataclasses.replace(asked, cuts=cuts))
    return decided


def fit_positive(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> np.ndarray | None:
    """[1]: the threshold on the positive class's probability with the best F1 of it; None without a positive row."""
    inside = np.asarray(truth)[:, None] == asked.positive
    return _best_thresholds(inside, np.asarray(predicted, np.float64)[:, [asked.positive]]) if inside.any() else None


def fit_common(score: Callable[..., float]) -> Callable[..., np.ndarray | None]:
    """A fit of one threshold for all classes, [1]: of quantiles of the true labels' probabilities the one with the best score.

    One label for each picture leaves nothing to fit: None.
    """

    def fit(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> np.ndarray | None:
        if asked.kind in SINGLE:
            return None
        values = np.asarray(predicted, np.float64)[np.asarray(truth) > 0.5]
        values = values[values > 0]
        if not values.size:
            return None
        tried = np.unique(np.quantile(values, np.linspace(0, 1, TRIED), method="nearest"))
        scores = [score(truth, predicted, dataclasses.replace(asked, cuts=tried[[index]])) for index in range(len(tried))]
        return tried[[int(np.argmax(scores))]]

    return fit


def fit_each(score: Callable[..., float]) -> Callable[..., np.ndarray | None]:
    """A fit of a threshold for each class by its own F1, [K]; for rare classes the common one; the common one [1] where it scores better."""

    def fit(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> np.ndarray | None:
        common = fit_common(score)(truth, predicted, asked)
        if common is None:
            return None
        inside = np.asarray(truth) > 0.5
        each = np.where(inside.sum(0) < RARE, common, _best_thresholds(inside, np.asarray(predicted, np.float64)))
        # Each class's best ignores that no row stays empty: that can make it worse than the common one.
        return max((common, each), key=lambda cuts: score(truth, predicted, dataclasses.replace(asked, cuts=cuts)))

    return fit


def _best_thresholds(inside: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """[K], above 0: the threshold of each column with the best F1, half-way between two neighbouring values; 0.5 where none has any."""
    order = np.argsort(-predicted, axis=0, kind="stable")
    values = np.take_along_axis(predicted, order, 0)
    below = np.concatenate([values[1:], np.zeros((1, values.shape[1]))])
    hits = np.take_along_axis(inside, order, 0).cumsum(0)
    scores = 2 * hits / (inside.sum(0) + np.arange(1, len(values) + 1)[:, None])
    scores[values <= below] = 0  # no threshold parts equal values
    best = scores.argmax(0)[None]
    middle = (np.take_along_axis(values, best, 0) + np.take_along_axis(below, best, 0))[0] / 2
    return np.where(scores.max(0) > 0, middle, 0.5)


def fit_ratings(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> np.ndarray | None:
    """[K-1], ascending: the cuts on the expected class number with the greatest quadratic weighted kappa; None for rows of one class.

    1 - kappa is a quotient of two sums in which each cut has a term of its own. Dinkelbach's method (1967) makes differences of it, in
    which the best place of each cut does not depend on the others; as the weights are squares and no best kappa is below 0, the places
    ascend. No cuts do better on these rows, unless some of them are one-hot and so decided already.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted, np.float64)
    classes = predicted.shape[1]
    steps = np.arange(classes)
    if len(np.unique(truth)) < 2:
        return None
    values, place = np.unique(predicted @ steps, return_inverse=True)
    counts = np.zeros((classes, len(values) + 1))  # rows of each true class below each gap between two values
    np.add.at(counts, (truth, place + 1), 1)
    counts = counts.cumsum(1)
    distance = (steps[:, None] - steps) ** 2.0  # [rating, true class]
    share = counts[:, -1] / len(truth)
    costs, chances = distance @ counts, np.outer(distance @ share, counts.sum(0))
    cost, chance = -np.diff(costs, axis=0), -np.diff(chances, axis=0)  # [cut, gap]: rows below it get one rating less
    ratio, best = np.inf, None
    while True:
        least = cost if best is None else cost - ratio * chance
        gaps = np.maximum.accumulate(least.argmin(1))  # rounding may break the order of equals
        at = (np.arange(classes - 1), gaps)
        found = (costs[-1, -1] + cost[at].sum()) / (chances[-1, -1] + chance[at].sum())
        if found >= ratio - 1e-12:
            break
        ratio, best = found, gaps
    edges = np.concatenate([[-1], values, [classes]])
    return (edges[best] + edges[best + 1]) / 2
