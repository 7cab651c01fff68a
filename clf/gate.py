"""Is a change real? The gain of one setting over another on the same rows, its interval, and the probability that it is more than luck.

An *arm* is what one setting was trained to: repeats (other seeds), each decided predictions [n,K] of the same n rows. Two kinds of luck
move a gain. Which rows there are: rows are drawn anew in pairs, by units. Which seed there was: a second training answers other rows
differently, and row luck alone would call that real. Between repeats, the score varies `ratio` times as much as their rows explain;
that ratio is measured from whatever was repeated on this problem and, as few repeats say little, drawn towards what other problems
showed (the moderated variance of Smyth 2004): with no repeats at all that stored estimate stands alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clf import intervals
from clf.metrics import Asked, Metric

LEVEL = 0.05  # how often a worthless change may pass
RESAMPLES = 400
PAIRS = 3  # of repeats that the row luck of a training is measured on
MOST_REPEATS = 20


@dataclass(frozen=True)
class Noise:
    """By how much the score varies between seeds, over the variance that resampling their rows explains; and how well that is known."""

    ratio: float
    freedom: float  # degrees of freedom
    trainings: int = 0  # that it was measured on


# Where nothing was repeated. `make judge` found ratios of 1.5 on digits (accuracy) and 1.0 on photos (log loss), hardly more scattered than
# chance alone would scatter them; the few degrees of freedom leave other problems room to differ.
PRIOR = Noise(1.4, 4.0)


@dataclass(frozen=True)
class Gain:
    """Of the second arm over the first, positive where it is better, whichever way the metric points."""

    gain: float
    low: float  # of the interval whose lower end is above 0 where the change passes
    high: float
    probability: float  # that the gain is above 0
    level: float  # the probability of luck that is allowed
    by_rows: float  # standard deviation of the gain by the luck of rows alone
    by_seeds: float  # what seeds add to it
    repeats: int | None  # of each arm that would let a gain of this size pass; None where no number up to 20 would

    @property
    def real(self) -> bool:
        return self.low > 0


def sign(metric: Metric) -> int:
    return 1 if metric.higher_is_better else -1


def row_variance(metric: Metric, truth: np.ndarray, one: Sequence, other: Sequence, asked: Asked, units: np.ndarray | None) -> float:
    """Of the difference of two arms' mean scores, rows drawn anew in pairs."""
    if metric.rows:
        shares = [np.mean([metric.rows(truth, each, asked) for each in arm], axis=0) for arm in (one, other)]
        return intervals.variance_of_mean(shares[1] - shares[0], units)
    found = []
    for rows in intervals.draws(units, len(truth), intervals.affordable(len(truth), RESAMPLES)):
        each = [np.mean([metric.score(truth[rows], repeat[rows], asked) for repeat in arm]) for arm in (one, other)]
        found.append(each[1] - each[0])
    return float(np.nanvar(found, ddof=1))


def _within(metric: Metric, truth: np.ndarray, repeats: Sequence, asked: Asked, units: np.ndarray | None) -> float:
    """The variance of one training's score that the rows explain on which repeats differ."""
    pairs = [(number, number + 1) for number in range(len(repeats) - 1)][:PAIRS]
    return float(np.mean([row_variance(metric, truth, [repeats[a]], [repeats[b]], asked, units) for a, b in pairs])) / 2


def noise(metric: Metric, groups: Sequence[tuple], asked: Asked) -> Noise | None:
    """From groups `(truth, repeats, units)` of trainings that differ in their seed only; None where no two of them do."""
    ratios, freedom, trainings = [], [], 0
    for truth, repeats, units in groups:
        within = _within(metric, truth, repeats, asked, units) if len(repeats) > 1 else 0.0
        scores = [metric.score(truth, each, asked) for each in repeats]
        if within > 0 and not np.isnan(scores).any():
            ratios.append(np.var(scores, ddof=1) / within)
            freedom.append(len(repeats) - 1)
            trainings += len(repeats)
    return Noise(float(np.average(ratios, weights=freedom)), float(sum(freedom)), trainings) if ratios else None


def moderated(measured: Noise | None) -> Noise:
    """What is known of this problem's noise, drawn towards the stored estimate by its degrees of freedom."""
    if measured is None:
        return PRIOR
    freedom = PRIOR.freedom + measured.freedom
    return Noise((PRIOR.freedom * PRIOR.ratio + measured.freedom * measured.ratio) / freedom, freedom, measured.trainings)


def gain(
    metric: Metric,
    truth: np.ndarray,
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    asked: Asked,
    measured: Noise | None = None,
    units: np.ndarray | None = None,
    tries: int = 1,
) -> Gain:
    """Of `second` over `first`, arms on the same rows. `tries`: how many changes are judged together (Bonferroni 1936).

    The interval is two-sided with 1 - 2·level, by Student's t with Satterthwaite's (1946) degrees of freedom.
    """
    from scipy.stats import t  # slow to import: a step with nothing to do does not wait

    known, level = moderated(measured), LEVEL / tries
    scores = [np.mean([metric.score(truth, each, asked) for each in arm]) for arm in (first, second)]
    found = sign(metric) * float(scores[1] - scores[0])
    repeated = [arm for arm in (first, second) if len(arm) > 1]
    within = np.mean([_within(metric, truth, arm, asked, units) for arm in repeated or [(first[0], second[0])]])
    parts = 1 / len(first) + 1 / len(second)
    # Two arms answer at least as many rows differently as repeats of one do. Where they happen not to, the variance would be smaller than what
    # it is known of, and the degrees of freedom next to none.
    by_rows = max(within * parts, row_variance(metric, truth, first, second, asked, units))

    def spread(parts: float, rows: float) -> tuple[float, float]:
        """Variance of the gain and its degrees of freedom, for arms of such a number of repeats."""
        between = known.ratio * within * parts
        total = rows + max(0.0, between - within * parts)
        return total, known.freedom * (total / between) ** 2 if between > 0 else np.inf

    total, freedom = spread(parts, by_rows)
    width = float(t.ppf(1 - level, freedom) * np.sqrt(total))
    probability = float(t.cdf(found / np.sqrt(total), freedom)) if total > 0 else float(found > 0) if found else 0.5
    enough = None
    for repeats in range(max(len(first), len(second)) + 1, MOST_REPEATS + 1):
        fewer = 2 / repeats
        variance, degrees = spread(fewer, by_rows - within * parts + within * fewer)
        if found > t.ppf(1 - level, degrees) * np.sqrt(variance):
            enough = repeats
            break
    return Gain(found, found - width, found + width, probability, level, float(np.sqrt(by_rows)), float(np.sqrt(max(0.0, total - by_rows))), enough)
