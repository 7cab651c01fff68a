"""The gate on trainings that are drawn: how often worthless changes pass, that real ones do, and what it refuses to say."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from clf import gate
from clf.gate import Noise
from clf.metrics import METRICS, Asked

ACCURACY, ASKED = METRICS["accuracy"], Asked()
TRUTH = np.zeros(600, int)


def training(ease: np.ndarray, generator: np.random.Generator, help: float = 0.0, seeds: float = 0.0) -> np.ndarray:
    """One-hot answers to rows of such an ease, with the luck of this seed on every row and on all together."""
    right = ease + help + generator.normal(0, seeds) + generator.normal(0, 0.5, len(ease)) > 0
    return np.eye(2)[(~right).astype(int)]


def arms(generator, sizes=(2, 1), help=0.0, seeds=0.0):
    ease = generator.normal(1.5, 1, len(TRUTH))
    return [[training(ease, generator, added, seeds) for _ in range(size)] for size, added in zip(sizes, (0.0, help), strict=True)]


def passed(count: int, **drawn) -> float:
    generator, kept = np.random.default_rng(0), 0
    for _ in range(count):
        first, second = arms(generator, **drawn)
        measured = gate.noise(ACCURACY, [(TRUTH, first, None)], ASKED)
        kept += gate.gain(ACCURACY, TRUTH, first, second, ASKED, measured).real
    return kept / count


@pytest.mark.parametrize("seeds", [0.0, 0.03])
def test_a_change_that_does_nothing_passes_rarely(seeds):
    assert passed(300, seeds=seeds) <= 0.07


def test_rows_alone_would_call_the_luck_of_seeds_real():
    """Seeds of an unsteady training (a ratio of about 3): drawn towards the stored estimate, few repeats let a little more pass than 5 %."""
    generator, alone, both = np.random.default_rng(0), 0, 0
    for _ in range(200):
        first, second = arms(generator, (5, 1), seeds=0.12)
        found = gate.gain(ACCURACY, TRUTH, first, second, ASKED, gate.noise(ACCURACY, [(TRUTH, first, None)], ASKED))
        alone += found.gain > stats.norm.ppf(1 - gate.LEVEL) * found.by_rows
        both += found.real
    assert alone / 200 > 0.15
    assert both / 200 <= 0.1


def test_a_large_gain_passes_and_more_repeats_find_a_smaller_one():
    assert passed(60, help=0.4) > 0.95
    assert passed(60, help=0.12, sizes=(4, 4)) > passed(60, help=0.12, sizes=(2, 1)) + 0.2


def test_the_variance_of_paired_rows_is_mcnemars():
    generator = np.random.default_rng(0)
    first, second = (each[0] for each in arms(generator, (1, 1), help=0.3))
    only = [((one.argmax(1) == 0) & (other.argmax(1) == 1)).sum() for one, other in ((first, second), (second, first))]
    rows, gained = len(TRUTH), only[1] - only[0]
    expected = (sum(only) - gained**2 / rows) / rows**2 * rows / (rows - 1)
    assert gate.row_variance(ACCURACY, TRUTH, [first], [second], ASKED, None) == pytest.approx(expected)


def test_the_bootstrap_of_a_score_that_is_no_mean_agrees_with_the_formula_of_one_that_is():
    first, second = arms(np.random.default_rng(0), (2, 2), help=0.2)
    formula = gate.row_variance(ACCURACY, TRUTH, first, second, ASKED, None)
    resampled = gate.row_variance(dataclasses.replace(ACCURACY, rows=None), TRUTH, first, second, ASKED, None)
    assert resampled == pytest.approx(formula, rel=0.2)


def test_noise_is_the_ratio_of_variances_and_counts_its_freedom():
    generator = np.random.default_rng(0)
    groups = [(TRUTH, arms(generator, (4, 1), seeds=seeds)[0], None) for seeds in (0.0,) * 20]
    calm = gate.noise(ACCURACY, groups, ASKED)
    assert calm.ratio == pytest.approx(1, abs=0.35)
    assert (calm.freedom, calm.trainings) == (60, 80)
    wild = gate.noise(ACCURACY, [(TRUTH, arms(generator, (4, 1), seeds=0.2)[0], None) for _ in range(20)], ASKED)
    assert wild.ratio > 2
    assert gate.noise(ACCURACY, [(TRUTH, groups[0][1][:1], None)], ASKED) is None
    assert gate.moderated(None) == gate.PRIOR
    between = gate.moderated(Noise(5.0, gate.PRIOR.freedom, 8))
    assert between.ratio == pytest.approx((5 + gate.PRIOR.ratio) / 2)
    assert between.freedom == 2 * gate.PRIOR.freedom


def test_more_tries_want_more():
    first, second = arms(np.random.default_rng(3), (2, 2), help=0.3)
    once, often = (gate.gain(ACCURACY, TRUTH, first, second, ASKED, tries=tries) for tries in (1, 20))
    assert once.gain == often.gain
    assert often.low < once.low
    assert often.level == once.level / 20
    assert once.real == (once.probability > 1 - once.level)
    assert often.real == (often.probability > 1 - often.level)


def test_for_a_loss_less_is_a_gain():
    first, second = arms(np.random.default_rng(0), (2, 2), help=0.4)
    soft = [[0.1 + 0.8 * each for each in arm] for arm in (first, second)]
    found = gate.gain(METRICS["log_loss"], TRUTH, *soft, ASKED)
    assert found.gain > 0
    assert found.real
    assert gate.gain(METRICS["log_loss"], TRUTH, *soft[::-1], ASKED).high < 0


def test_equal_predictions_are_no_gain():
    first, _ = arms(np.random.default_rng(0), (1, 1))
    found = gate.gain(ACCURACY, TRUTH, first, first, ASKED)
    assert (found.gain, found.probability, found.real) == (0, 0.5, False)


def test_arms_that_happen_to_agree_keep_an_interval_that_says_something():
    """Three trainings that each err on five rows of their own, and the same once more with one error more."""
    first = [np.eye(2)[TRUTH] for _ in range(3)]
    for number, answers in enumerate(first):
        answers[5 * number : 5 * number + 5] = (0, 1)
    second = [answers.copy() for answers in first]
    second[2][100] = (0, 1)
    found = gate.gain(ACCURACY, TRUTH, first, second, ASKED, Noise(0.6, 12.0, 18))
    assert found.gain == pytest.approx(-1 / 1800)
    assert 0.002 < found.high - found.low < 0.02


def test_how_many_repeats_would_show_a_gain():
    generator = np.random.default_rng(5)
    told = []
    for _ in range(30):
        found = gate.gain(ACCURACY, TRUTH, *arms(generator, (1, 1), help=0.15), ASKED)
        if found.gain > 0 and not found.real:
            told.append(found.repeats)
    assert any(told)
    assert all(number is None or 2 <= number <= gate.MOST_REPEATS for number in told)


def test_rows_of_one_unit_are_drawn_together():
    generator = np.random.default_rng(0)
    ease = generator.normal(1.5, 1, 60)
    pair = [np.repeat(training(ease, generator), 10, axis=0) for _ in range(2)]
    units = np.repeat(np.arange(60), 10)
    apart, together = (gate.row_variance(ACCURACY, TRUTH, [pair[0]], [pair[1]], ASKED, each) for each in (None, units))
    assert together == pytest.approx(10 * apart, rel=0.05)
