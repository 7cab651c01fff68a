"""Intervals of scores: against the binomial, with rows that belong together, and how often they hold what they claim."""

import math

import numpy as np
import pytest
from scipy import stats
from test_metrics import EVERY, draw

from clf import intervals
from clf.metrics import METRICS, Asked

ACCURACY = METRICS["accuracy"]


def answers(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Truth and one-hot predictions that are right where `right` is."""
    return np.zeros(len(right), int), np.eye(2)[(~right).astype(int)]


@pytest.mark.parametrize(("metric", "kind"), EVERY)
def test_interval_is_seeded_and_holds_the_score(metric, kind):
    truth, predicted = draw(kind, 1000, 2 if kind == "binary" else 4)
    asked = Asked(kind=kind, ranks=2)
    low, high = intervals.interval(metric, truth, predicted, asked, resamples=40)
    assert low < metric.score(truth, predicted, asked) < high
    assert (low, high) == intervals.interval(metric, truth, predicted, asked, resamples=40)
    wide = intervals.forecast(metric, truth, predicted, asked, 200, resamples=200)
    assert wide[0] < low < high < wide[1]


def test_what_no_draw_can_score_has_no_interval():
    ends = intervals.interval(METRICS["roc_auc"], np.zeros(4, int), np.full((4, 2), 0.5), Asked(kind="binary"), resamples=5)
    assert all(math.isnan(end) for end in ends)


@pytest.mark.parametrize(("right", "rows"), [(900, 1000), (50, 50), (0, 7), (3, 9)])
def test_the_interval_of_accuracy_is_wilsons(right, rows):
    truth, predicted = answers(np.arange(rows) < right)
    ends = intervals.interval(ACCURACY, truth, predicted, Asked())
    assert ends == pytest.approx(tuple(stats.binomtest(right, rows).proportion_ci(method="wilson")), abs=1e-9)


def test_rows_that_answer_alike_count_as_one():
    right = np.random.default_rng(0).random(100) < 0.8
    alone = intervals.interval(ACCURACY, *answers(right), Asked())
    together = intervals.interval(ACCURACY, *answers(np.repeat(right, 20)), Asked(), np.repeat(np.arange(100), 20))
    assert together == pytest.approx(alone, abs=0.003)
    apart = intervals.interval(ACCURACY, *answers(np.repeat(right, 20)), Asked())
    assert apart[1] - apart[0] < 0.3 * (alone[1] - alone[0])


def test_draws_keep_units_whole_and_cover_them_all():
    units = np.array([3, 3, 3, 7, 9, 9])
    seen = np.zeros(6)
    for rows in intervals.draws(units, 6, 200):
        counts = np.bincount(rows, minlength=6)
        assert counts[0] == counts[1] == counts[2]
        assert counts[4] == counts[5]
        seen += counts
    assert (seen > 0).all()
    assert np.mean([len(rows) for rows in intervals.draws(None, 6, 10, size=4)]) == 4


def test_the_variance_of_a_mean_of_single_rows_is_the_textbooks():
    values = np.random.default_rng(0).normal(size=50)
    assert intervals.variance_of_mean(values, None) == pytest.approx(stats.sem(values) ** 2)


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_a_forecast_holds_as_often_as_it_claims(metric):
    """The same predictor on other rows, 300 times."""
    generator = np.random.default_rng(0)
    kind, held, wide = "binary", 0, 0

    def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
        truth = generator.integers(0, 2, count)
        chance = 1 / (1 + np.exp(-generator.normal(2 * truth - 1, 1)))
        return truth, np.stack([1 - chance, chance], axis=1)

    for _ in range(300):
        low, high = intervals.forecast(METRICS[metric], *rows(200), Asked(kind=kind), 300, resamples=100)
        score = METRICS[metric].score(*rows(300), Asked(kind=kind))
        held += low <= score <= high
        wide += high - low
    assert 0.91 <= held / 300 <= 0.985
    assert wide / 300 < 0.2
