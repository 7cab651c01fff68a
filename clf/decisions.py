"""From probabilities to what a submission may say: labels, sets of labels, ratings, calibrated probabilities; and the numbers that decide it.

Those numbers, the cuts, are fitted on rows whose truth is known and whose predictions come from models that have not seen them (`Rule`), and
carried over to the mean of several models. `Metric` and `Asked` are those of `metrics`, whose scores decide by the same functions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from clf.metrics import Asked, Metric

SINGLE = ("binary", "multiclass", "ordinal")  # problem.SINGLE: problem imports metrics, which imports this module
RARE = 20  # positives: a class with fewer has too few for a threshold of its own
TRIED = 100  # thresholds
LEAST = 1e-15  # of a probability before its logarithm is taken
FLOORS = (1e-7, 1e-5, 1e-4, 1e-3, 3e-3, 0.01, 0.03)  # the first is what submissions are clipped to anyway
POWERS = np.log(8)  # the farthest from 1, as a logarithm
TRUST = 0.5  # standard deviation of the logarithm of a power, before any row is seen: few rows do not move it far
CELLS, ENOUGH = 100_000, 1000  # of predictions, that a power is fitted on; at least so many rows


# -- deciding ----------------------------------------------------------------------------------------------------------------------


def decide(metric: Metric, predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """What the metric wants, float64 [N,K], of predictions [N,K], row by row. Deciding once more by the defaults changes nothing; nor, of
    labels, sets, ratings and rankings, by other fitted cuts.

    labels: 1 for the most probable class, else 0. sets: 0 or 1, never an empty row. ratings: 1 for the rating, else 0. What wants
    probabilities, a ranking or values stays as it is, unless cuts were fitted for it.
    """
    predicted = np.asarray(predicted, np.float64)
    if asked.kind not in metric.rules:  # cuts of another metric mean nothing here
        asked = dataclasses.replace(asked, cuts=None)
    return DECISIONS[metric.wants](predicted, asked)


def as_labels(predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """One-hot of the most probable class, the first of equals. One cut: the positive class wherever its probability reaches it. K cuts: of
    the probabilities times these factors."""
    if asked.cuts is None:
        return _one_hot(predicted.argmax(1), predicted.shape[1])
    _check_cuts(asked, (1, predicted.shape[1]))
    if len(asked.cuts) > 1:
        return _one_hot((predicted * asked.cuts).argmax(1), predicted.shape[1])
    rest = predicted.copy()
    rest[:, asked.positive] = -np.inf
    reached = predicted[:, asked.positive] >= asked.cuts[0]
    return _one_hot(np.where(reached, asked.positive, rest.argmax(1)), predicted.shape[1])


def as_sets(predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """0/1: every class whose probability reaches its cut (one for all, or K; 0.5), and where none does, the most probable one.

    The kinds with one label for each picture have sets of that one label.
    """
    if asked.kind in SINGLE:
        return as_labels(predicted, asked)
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


def as_ranking(predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """Unchanged; with a cut, which is added to the probability of the class for what no other class is (`asked.new`): 1, 1/2, 1/3 … for the
    best labels and 0 for the others. Rows that are such a ranking already stay as they are."""
    if asked.cuts is None or asked.new is None:
        return predicted
    _check_cuts(asked, (1,))
    order = np.empty((len(predicted), min(asked.ranks, predicted.shape[1])), int)
    places = 1 / np.arange(1, order.shape[1] + 1)
    left, rows = predicted.copy(), np.arange(len(predicted))
    left[:, asked.new] += asked.cuts[0]
    for place in range(order.shape[1]):  # a few times the largest: sorting thousands of classes takes much longer
        order[:, place] = left.argmax(1)
        left[rows, order[:, place]] = -np.inf
    found = np.zeros(predicted.shape)
    np.put_along_axis(found, order, np.broadcast_to(places, order.shape), 1)
    best = -np.sort(-np.partition(predicted, -order.shape[1], axis=1)[:, -order.shape[1] :], axis=1)
    decided = (best == places).all(1) & (np.count_nonzero(predicted, axis=1) == order.shape[1])
    return np.where(decided[:, None], predicted, found)


def as_probabilities(predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """Unchanged; with one cut, for the positive class, as labels; with two, a power and a floor, calibrated."""
    if asked.cuts is None:
        return predicted
    _check_cuts(asked, (1, 2))
    return as_labels(predicted, asked) if len(asked.cuts) == 1 else calibrated(predicted, asked)


def calibrated(predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """Logits times a power, 1 / temperature (Guo et al. 2017), then none below the floor nor above 1 - floor.

    Of several labels each cell has a logit of its own; else the rows sum to 1 again.
    """
    power, floor = asked.cuts
    held = np.clip(predicted, LEAST, 1 - LEAST)
    if asked.kind == "multilabel":
        return np.clip(1 / (1 + ((1 - held) / held) ** power), floor, 1 - floor)
    raised = (held / held.max(1, keepdims=True)) ** power
    held = np.clip(raised / raised.sum(1, keepdims=True), floor, 1 - floor)
    return held / held.sum(1, keepdims=True)


DECISIONS: dict[str, Callable[[np.ndarray, Asked], np.ndarray]] = {
    "labels": as_labels,
    "sets": as_sets,
    "ratings": as_ratings,
    "probabilities": as_probabilities,
    "ranking": as_ranking,
    "values": lambda predicted, asked: predicted,
}


def _one_hot(codes: np.ndarray, classes: int) -> np.ndarray:
    found = np.zeros((len(codes), classes))
    found[np.arange(len(codes)), codes] = 1
    return found


def _check_cuts(asked: Asked, lengths: tuple[int, ...]) -> None:
    if np.shape(asked.cuts) not in [(length,) for length in lengths]:
        raise ValueError(f"cuts of shape {np.shape(asked.cuts)}: {' or '.join(str(length) for length in lengths)} are wanted")


# -- fitting -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """What is fitted for a metric.

    fit: (truth, predicted, asked, score) → cuts or None; `score(truth, predicted, asked)` is the metric's, the greater the better.
    carry: (cuts, parts, mean, asked) → cuts for the mean of several models' predictions [N,K], of which each part would go by the given ones.
    """

    name: str
    fit: Callable[[np.ndarray, np.ndarray, Asked, Callable[..., float]], np.ndarray | None]
    carry: Callable[[np.ndarray, Sequence[np.ndarray], np.ndarray, Asked], np.ndarray]


def fit_cuts(metric: Metric, truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> np.ndarray | None:
    """The metric's cuts for these rows, or None where it has none, or where no others score better on them than the defaults: where the score
    is a mean over rows, by more than the gain's standard error. (Networks on the embedded digits: a temperature that the rows hardly ask for
    costs more on others than it gains.)
    """
    sign, rule = 1 if metric.higher_is_better else -1, metric.rules.get(asked.kind)

    def score(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
        return sign * metric.score(truth, predicted, asked)

    truth, predicted = np.asarray(truth), np.asarray(predicted, np.float64)
    cuts = rule.fit(truth, predicted, asked, score) if rule else None
    if cuts is None:
        return None
    plain, fitted = dataclasses.replace(asked, cuts=None), dataclasses.replace(asked, cuts=cuts)
    if not metric.rows:
        return cuts if score(truth, predicted, fitted) > score(truth, predicted, plain) else None
    gain = sign * (metric.rows(truth, predicted, fitted) - metric.rows(truth, predicted, plain))
    return cuts if gain.mean() > gain.std() / np.sqrt(len(gain)) else None


def carry(metric: Metric, cuts: np.ndarray, parts: Sequence[np.ndarray], asked: Asked) -> np.ndarray:
    """Cuts for the mean of several models' predictions of the same rows ([N,K] each), made of those that were fitted on single models'.

    The mean of models that differ says extremes more rarely than each of them: a threshold that suits one of them is too strict for it. So
    the mean's lies where as large a share of the rows reaches it as, on average, reaches the parts'; no truth is needed for that.
    """
    return metric.rules[asked.kind].carry(cuts, parts, np.mean(parts, axis=0), asked) if len(parts) > 1 else cuts


def nested(metric: Metric, truth: np.ndarray, predicted: np.ndarray, parts: np.ndarray, asked: Asked) -> np.ndarray:
    """Decided predictions [N,K] whose score is honest: the rows of each part (int [N]) by cuts fitted on the rows of the others.

    The defaults decide where there is one part only. Predictions for a metric that fits nothing come back unchanged.
    """
    if asked.kind not in metric.rules:
        return predicted
    truth, predicted, parts = np.asarray(truth), np.asarray(predicted), np.asarray(parts)
    decided = np.empty(predicted.shape)
    for part in np.unique(parts):
        own = parts == part
        cuts = None if own.all() else fit_cuts(metric, truth[~own], predicted[~own], asked)
        decided[own] = decide(metric, predicted[own], dataclasses.replace(asked, cuts=cuts))
    return decided


def _matched(cut: float, parts: Sequence[np.ndarray], mean: np.ndarray) -> float:
    """The value that as large a share of `mean` [N] reaches as, on average, of the parts reaches the cut; the cut where that is all or none."""
    share = np.mean([(part >= cut).mean() for part in parts])
    return float(np.quantile(mean, 1 - share)) if 0 < share < 1 else float(cut)


# -- thresholds --------------------------------------------------------------------------------------------------------------------


def fit_positive(truth: np.ndarray, predicted: np.ndarray, asked: Asked, score: Callable[..., float]) -> np.ndarray | None:
    """[1]: the threshold on the positive class's probability with the best F1 of it; None without a positive row."""
    inside = truth[:, None] == asked.positive
    return _best_thresholds(inside, predicted[:, [asked.positive]]) if inside.any() else None


def fit_common(truth: np.ndarray, predicted: np.ndarray, asked: Asked, score: Callable[..., float]) -> np.ndarray | None:
    """[1]: one threshold for all classes: of quantiles of the true labels' probabilities the one with the best score."""
    values = predicted[truth > 0.5]
    values = values[values > 0]
    if not values.size:
        return None
    tried = np.unique(np.quantile(values, np.linspace(0, 1, TRIED), method="nearest"))
    scores = [score(truth, predicted, dataclasses.replace(asked, cuts=tried[[index]])) for index in range(len(tried))]
    return tried[[int(np.argmax(scores))]]


def fit_each(truth: np.ndarray, predicted: np.ndarray, asked: Asked, score: Callable[..., float]) -> np.ndarray | None:
    """[K]: a threshold for each class by its own F1; for rare classes the common one; the common one for all, [1], where it scores better."""
    common = fit_common(truth, predicted, asked, score)
    if common is None:
        return None
    inside = truth > 0.5
    each = np.where(inside.sum(0) < RARE, common, _best_thresholds(inside, predicted))
    # Each class's best ignores that no row stays empty: that can make it worse than the common one.
    return max((common, each), key=lambda cuts: score(truth, predicted, dataclasses.replace(asked, cuts=cuts)))


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


def carry_positive(cuts: np.ndarray, parts: Sequence[np.ndarray], mean: np.ndarray, asked: Asked) -> np.ndarray:
    return np.array([_matched(cuts[0], [part[:, asked.positive] for part in parts], mean[:, asked.positive])])


def carry_common(cuts: np.ndarray, parts: Sequence[np.ndarray], mean: np.ndarray, asked: Asked) -> np.ndarray:
    return np.array([_matched(cuts[0], [part.ravel() for part in parts], mean.ravel())])


def carry_each(cuts: np.ndarray, parts: Sequence[np.ndarray], mean: np.ndarray, asked: Asked) -> np.ndarray:
    cuts = np.broadcast_to(cuts, mean.shape[1:])
    return np.array([_matched(cut, [part[:, column] for part in parts], mean[:, column]) for column, cut in enumerate(cuts)])


# -- ratings -----------------------------------------------------------------------------------------------------------------------


def fit_ratings(truth: np.ndarray, predicted: np.ndarray, asked: Asked, score: Callable[..., float]) -> np.ndarray | None:
    """[K-1], ascending: the cuts on the expected class number with the greatest quadratic weighted kappa; None for rows of one class.

    1 - kappa is a quotient of two sums in which each cut has a term of its own. Dinkelbach's method (1967) makes differences of it, in
    which the best place of each cut does not depend on the others; as the weights are squares and no best kappa is below 0, the places
    ascend. No cuts do better on these rows, unless some of them are one-hot and so decided already.
    """
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


def carry_ratings(cuts: np.ndarray, parts: Sequence[np.ndarray], mean: np.ndarray, asked: Asked) -> np.ndarray:
    steps = np.arange(mean.shape[1])
    expected = [part @ steps for part in parts]
    return np.maximum.accumulate([_matched(cut, expected, mean @ steps) for cut in cuts])


# -- labels and rankings -----------------------------------------------------------------------------------------------------------


def fit_factors(truth: np.ndarray, predicted: np.ndarray, asked: Asked, score: Callable[..., float]) -> np.ndarray | None:
    """[K]: factors of the classes, their frequency to a power from 0 to -1.5, so that rare ones are said more often, by the score.

    -1 is the best for balanced accuracy where the probabilities are right (Menon et al. 2021); one number for all classes is little to overfit.
    """
    rows = np.bincount(truth, minlength=predicted.shape[1])
    frequency = np.maximum(rows, 1) / rows.max()
    tried = [frequency**-power for power in np.linspace(0, 1.5, 16)]
    return max(tried, key=lambda cuts: score(truth, predicted, dataclasses.replace(asked, cuts=cuts)))  # of equals the first


def fit_new(truth: np.ndarray, predicted: np.ndarray, asked: Asked, score: Callable[..., float]) -> np.ndarray | None:
    """[1]: what is added to the probability of the class for what no other class is before the labels are ranked (humpback-whale-identification:
    `new_whale` above the first class that is less probable than some number); None where there is no such class, and where the gain is
    less than twice its standard error: of 200 rows the best of many numbers was worse than none on hidden rows more often than better."""
    if asked.new is None or predicted.shape[1] < 2:
        return None
    own, others = predicted[:, asked.new], np.delete(predicted, asked.new, axis=1)
    best = -np.sort(-np.partition(others, -min(asked.ranks, others.shape[1]), axis=1)[:, -asked.ranks :], axis=1)
    right, new = np.take_along_axis(predicted, truth[:, None], 1)[:, 0], truth == asked.new
    rank = 1 + (best > right[:, None]).sum(1)  # without the new class
    gaps = np.concatenate([(best - own[:, None])[new].ravel(), (right - own)[~new & (rank <= asked.ranks)]])
    if not len(gaps):
        return None

    def rows(cut: float) -> np.ndarray:
        place = np.where(new, 1 + (best > (own + cut)[:, None]).sum(1), rank + (own + cut > right))
        return np.where(place <= asked.ranks, 1 / place, 0)

    edges = np.unique(np.quantile(gaps, np.linspace(0, 1, 2 * TRIED)))
    cut = max(np.concatenate([[0], (edges[1:] + edges[:-1]) / 2]), key=lambda cut: rows(cut).sum())
    gain = rows(cut) - rows(0)
    return np.array([cut]) if gain.mean() > 2 * gain.std() / np.sqrt(len(gain)) else None


def carry_new(cuts: np.ndarray, parts: Sequence[np.ndarray], mean: np.ndarray, asked: Asked) -> np.ndarray:
    """By the share of rows that have the new class first."""
    gaps = [part[:, asked.new] - np.delete(part, asked.new, axis=1).max(1) for part in (*parts, mean)]
    return np.array([-_matched(-cuts[0], gaps[:-1], gaps[-1])])


def carry_unchanged(cuts: np.ndarray, parts: Sequence[np.ndarray], mean: np.ndarray, asked: Asked) -> np.ndarray:
    return cuts


# -- probabilities -----------------------------------------------------------------------------------------------------------------


def fit_calibration(truth: np.ndarray, predicted: np.ndarray, asked: Asked, score: Callable[..., float]) -> np.ndarray | None:
    """[2]: the power, 1 / temperature, and the floor with the best score.

    Few rows without a mistake would ask for endless certainty: the power's logarithm costs as if it were normally distributed about 0.
    """
    every = max(1, min(predicted.size // CELLS, len(predicted) // ENOUGH))
    truth, predicted = truth[::every], predicted[::every]

    def value(power: float, floor: float) -> float:
        return score(truth, predicted, dataclasses.replace(asked, cuts=np.array([power, floor])))

    def best_power(floor: float) -> float:
        return _best_power(lambda power: value(power, floor), len(truth))

    def best_floor(power: float) -> float:
        return max(FLOORS, key=lambda floor: value(power, floor))

    found = []
    for start in {FLOORS[0], best_floor(1.0)}:  # a few wrong labels want a floor, or else a power that spoils all others
        floor = best_floor(best_power(start))
        found.append((best_power(floor), floor))
    return np.array(max(found, key=lambda cuts: value(*cuts)))


def _best_power(value: Callable[[float], float], rows: int) -> float:
    from scipy.optimize import minimize_scalar  # slow to import

    def cost(log: float) -> float:
        return log**2 / (2 * TRUST**2 * rows) - value(np.exp(log))

    return float(np.exp(minimize_scalar(cost, bounds=(-POWERS, POWERS), method="bounded", options={"xatol": 5e-3}).x))


POSITIVE = Rule("threshold of the positive class", fit_positive, carry_positive)
COMMON = Rule("one threshold", fit_common, carry_common)
EACH = Rule("a threshold for each class", fit_each, carry_each)
RATINGS = Rule("cut points", fit_ratings, carry_ratings)
FACTORS = Rule("factors of rare classes", fit_factors, carry_unchanged)
NEW = Rule("threshold of the new class", fit_new, carry_new)
CALIBRATION = Rule("temperature and floor", fit_calibration, carry_unchanged)


# -- blending ----------------------------------------------------------------------------------------------------------------------


def blend(metric: Metric, parts: Sequence[np.ndarray], asked: Asked) -> np.ndarray:
    """Float64 [N,K]: several models' predictions of the same rows as one, by `metric.blend`, a key of BLENDS."""
    return np.asarray(parts[0], np.float64) if len(parts) == 1 else BLENDS[metric.blend](parts, asked)


def mean_of_values(parts: Sequence[np.ndarray], asked: Asked) -> np.ndarray:
    return np.mean(parts, axis=0, dtype=np.float64)


def mean_of_ranks(parts: Sequence[np.ndarray], asked: Asked) -> np.ndarray:
    """Rows in the order of their mean rank, column by column, with the sorted values of the mean: probabilities as it has them."""
    from scipy.stats import rankdata  # slow to import

    mean = mean_of_values(parts, asked)
    ranks = np.mean([rankdata(part, axis=0) for part in parts], axis=0)
    found = np.empty(mean.shape)
    for column in range(mean.shape[1]):
        _, place = np.unique(ranks[:, column], return_inverse=True)
        rows = np.bincount(place, np.sort(mean[:, column])[np.argsort(np.argsort(ranks[:, column], kind="stable"))])
        found[:, column] = (rows / np.bincount(place))[place]
    if asked.kind == "binary":
        found[:, 1 - asked.positive] = 1 - found[:, asked.positive]
    return found


def mean_of_logits(parts: Sequence[np.ndarray], asked: Asked) -> np.ndarray:
    """By the log loss at least as good as the parts are on average. A power of it is the mean of the parts' logits times that power: what was
    fitted on single models holds."""
    logs = [np.log(np.clip(part, LEAST, 1 - LEAST, dtype=np.float64)) for part in parts]
    if asked.kind == "multilabel":
        logits = np.mean([log - np.log1p(-np.exp(log)) for log in logs], axis=0)
        return 1 / (1 + np.exp(-logits))
    mean = np.mean(logs, axis=0)
    found = np.exp(mean - mean.max(1, keepdims=True))
    return found / found.sum(1, keepdims=True)


BLENDS = {"mean": mean_of_values, "ranks": mean_of_ranks, "logits": mean_of_logits}
