"""How far a score is uncertain: with other rows of the same kind, and on other rows.

Rows that belong together (a group, a cluster of duplicates: a *unit*) are drawn together: twenty pictures of one patient are not twenty
independent answers. `units` int [N], equal numbers belong together, as `folds.bound` makes them; None: every row stands alone.
"""

from collections.abc import Callable, Iterator

import numpy as np

from clf.metrics import Asked, Metric, checked

RESAMPLES, LEAST = 1000, 100
ROWS = 20_000_000  # to score in all, at most; so LEAST resamples of a million rows
SHARE = 0.95


def draws(units: np.ndarray | None, rows: int, count: int, seed: int = 0, size: int | None = None) -> Iterator[np.ndarray]:
    """`count` times row numbers, drawn with replacement by units: about `size` rows each, by default as many as there are."""
    generator = np.random.default_rng(seed)
    size = size or rows
    if units is None or len(np.unique(units)) == rows:
        for _ in range(count):
            yield generator.integers(0, rows, size)
        return
    numbers = np.unique(units, return_inverse=True)[1]
    order, counts = np.argsort(numbers, kind="stable"), np.bincount(numbers)
    start = np.cumsum(counts) - counts
    wanted = max(1, round(size / counts.mean()))
    for _ in range(count):
        drawn = generator.integers(0, len(counts), wanted)
        lengths = counts[drawn]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        yield order[np.repeat(start[drawn], lengths) + within]


def affordable(rows: int, most: int = RESAMPLES) -> int:
    """Resamples: fewer of many rows, whose scores vary little."""
    return int(np.clip(ROWS // rows, LEAST, most))


def variance_of_mean(values: np.ndarray, units: np.ndarray | None) -> float:
    """Of the mean of rows' values [N], with rows drawn by units (the linearised ratio estimator, Cochran 1977, chapter 9)."""
    centred = values - values.mean()
    if units is not None:
        centred = np.bincount(np.unique(units, return_inverse=True)[1], centred)
    return float((centred**2).sum() / len(values) ** 2 * len(centred) / max(1, len(centred) - 1))


def _scores(score: Callable[[np.ndarray], float], drawn: Iterator[np.ndarray]) -> np.ndarray:
    """Of each draw; draws in which the score is not defined (ROC AUC without one of the classes) are left out."""
    found = np.array([score(rows) for rows in drawn])
    return found[~np.isnan(found)]


def interval(
    metric: Metric,
    truth: np.ndarray,
    predicted: np.ndarray,
    asked: Asked,
    units: np.ndarray | None = None,
    resamples: int = 0,
    seed: int = 0,
    share: float = SHARE,
) -> tuple[float, float]:
    """(low, high) of the score with other rows of the same kind; another training is not in it.

    Shares of right rows: Wilson's interval (1927), for as many independent rows as the units are worth, so that 50 right of 50 is not
    certainty. All else: percentiles of the bootstrap (Efron 1979). (nan, nan) where no draw has a score.
    """
    truth, predicted = checked(truth, predicted, asked, metric.kinds)
    resamples = resamples or affordable(len(truth))
    rows = metric.rows(truth, predicted, asked) if metric.rows else None
    if rows is not None and _answers(rows):
        return share_interval(float(rows.mean()), _worth(rows, units), share)

    score = _of_rows(metric, truth, predicted, asked, rows)
    return _ends(_scores(score, draws(units, len(truth), resamples, seed)), share)


def forecast(
    metric: Metric,
    truth: np.ndarray,
    predicted: np.ndarray,
    asked: Asked,
    size: int,
    units: np.ndarray | None = None,
    resamples: int = 0,
    seed: int = 0,
    share: float = SHARE,
) -> tuple[float, float]:
    """(low, high) of the score that the same predictor will have on `size` other rows of the same kind.

    Wider than `interval`, because those rows are drawn as well. Shares of right rows: the beta-binomial prediction interval under
    Jeffreys' prior; all else: the bootstrap of both draws.
    """
    truth, predicted = checked(truth, predicted, asked, metric.kinds)
    resamples = resamples or affordable(len(truth))
    rows = metric.rows(truth, predicted, asked) if metric.rows else None
    if rows is not None and _answers(rows):
        from scipy.stats import betabinom  # slow to import: a step with nothing to do does not wait

        worth = _worth(rows, units)
        right, others = rows.mean() * worth, max(1, round(size * worth / len(rows)))
        ends = betabinom.ppf([(1 - share) / 2, (1 + share) / 2], others, right + 0.5, worth - right + 0.5)
        return float(ends[0] / others), float(ends[1] / others)

    score = _of_rows(metric, truth, predicted, asked, rows)
    own = _scores(score, draws(units, len(truth), resamples, seed))
    other = _scores(score, draws(units, len(truth), resamples, seed + 1, size))
    count = min(len(own), len(other))
    return _ends(metric.score(truth, predicted, asked) + other[:count] - own[:count], share)


def _of_rows(metric: Metric, truth: np.ndarray, predicted: np.ndarray, asked: Asked, rows: np.ndarray | None) -> Callable[[np.ndarray], float]:
    """The score of drawn row numbers; `rows` holds each row's share where the score is their mean."""
    if rows is not None:
        return lambda drawn: rows[drawn].mean()
    return lambda drawn: metric.score(truth[drawn], predicted[drawn], asked)


def _answers(rows: np.ndarray) -> bool:
    return bool(((rows == 0) | (rows == 1)).all())


def _worth(rows: np.ndarray, units: np.ndarray | None) -> float:
    """As how many independent rows these count: fewer where units answer alike (Kish's design effect), never more than there are."""
    if units is None:
        return float(len(rows))
    share = rows.mean()
    spread, alone = variance_of_mean(rows, units), share * (1 - share) / len(rows)
    return len(rows) * min(1.0, alone / spread) if spread > 0 else float(len(np.unique(units)))


def share_interval(right: float, rows: float, share: float = SHARE) -> tuple[float, float]:
    """Wilson's (1927) interval of a share of `rows` independent rows."""
    from scipy.stats import norm  # slow to import: a step with nothing to do does not wait

    z = norm.ppf((1 + share) / 2)
    middle, width = right + z**2 / (2 * rows), z * np.sqrt(right * (1 - right) / rows + z**2 / (4 * rows**2))
    low, high = (float(end / (1 + z**2 / rows)) for end in (middle - width, middle + width))
    return min(max(low, 0.0), right), max(min(high, 1.0), right)  # all right, or none: rounding must not put it outside


def _ends(scores: np.ndarray, share: float) -> tuple[float, float]:
    if not scores.size:
        return float("nan"), float("nan")
    low, high = np.quantile(scores, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
