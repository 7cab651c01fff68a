"""What is decided from probabilities, and the cuts that decide it: against search by hand, and honest on the rows they were not fitted on."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest

from clf import decisions, metrics
from clf.metrics import METRICS, Asked
from tests.test_metrics import EVERY, draw

FITTED = [each for each in EVERY if each.values[1] in each.values[0].rules]


def draw_hard(metric, kind: str, rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predictions that the default cuts do not suit: probabilities too small (the last class of two, all labels), ratings drawn to one side;
    else too sure of themselves, and rare classes; a first class, what no other class is, that is said too rarely."""
    classes = 2 if kind == "binary" else 4
    truth, predicted = draw(kind, rows, classes, seed)
    if metric.rules[kind] is decisions.POSITIVE:
        return truth, np.stack([1 - predicted[:, 1] ** 3, predicted[:, 1] ** 3], axis=1)
    if metric.rules[kind] is decisions.RATINGS:
        return truth, 0.4 * predicted + 0.6 * np.eye(4)[0]
    if kind == "multilabel":
        return truth, predicted**2
    tilted = predicted * 3.0 ** -np.arange(classes)
    tilted /= tilted.sum(1, keepdims=True)
    if kind in decisions.SINGLE:
        truth = (np.random.default_rng(seed).random(rows)[:, None] > tilted.cumsum(1)).sum(1).clip(max=classes - 1)
    predicted = (tilted if kind in decisions.SINGLE else predicted) ** 2
    if metric.rules[kind] is decisions.NEW:
        predicted[:, 0] *= 0.1
    return truth, predicted / predicted.sum(1, keepdims=True)


def asking(metric, kind: str) -> Asked:
    return Asked(kind=kind, ranks=2, new=0 if metric.wants == "ranking" else None)


def random_cuts(metric, kind: str, classes: int, seed: int) -> np.ndarray | None:
    """Of the length that the metric's fit gives; of ratings also such as do not lie between the whole numbers."""
    generator = np.random.default_rng(seed)
    if kind not in metric.rules:
        return None
    if metric.wants == "ratings":
        return np.sort(generator.uniform(0, classes - 1, classes - 1))
    rule = metric.rules[kind]
    return generator.uniform(0.01, 0.99, classes if rule in (decisions.EACH, decisions.FACTORS) else 2 if rule is decisions.CALIBRATION else 1)


@pytest.mark.parametrize(("metric", "kind"), EVERY)
def test_deciding_twice_changes_nothing(metric, kind):
    classes = 2 if kind == "binary" else 4
    truth, predicted = draw(kind, 200, classes)
    predicted[:3] = predicted[0].mean()  # ties
    for seed, other in ((0, 1), (2, 3), (4, 5)):
        asked = replace(asking(metric, kind), cuts=random_cuts(metric, kind, classes, seed))
        decided = decisions.decide(metric, predicted, asked)
        assert decided.shape == predicted.shape
        assert decided.dtype == np.float64
        again = replace(asked, cuts=random_cuts(metric, kind, classes, other))
        for each in (asked, again, replace(asked, cuts=None)):
            if metric.rules.get(kind) is decisions.CALIBRATION and each.cuts is not None:
                continue  # probabilities do not show that they are calibrated
            np.testing.assert_array_equal(decisions.decide(metric, decided, each), decided)
            assert metric.score(truth, decided, each) == pytest.approx(metric.score(truth, predicted, asked), abs=1e-12)
        one_by_one = np.concatenate([decisions.decide(metric, predicted[row : row + 1], asked) for row in range(10)])
        np.testing.assert_allclose(one_by_one, decided[:10], rtol=1e-12)
        if metric.wants in ("labels", "ratings") or (metric.wants == "sets" and kind in decisions.SINGLE):
            assert set(decided.sum(1)) == {1}
        if metric.wants in ("labels", "sets", "ratings"):
            assert set(decided.ravel()) == {0, 1}
            assert (decided.sum(1) > 0).all()
        elif asked.cuts is None:
            np.testing.assert_array_equal(decided, predicted)


def test_decisions_by_hand():
    sets = np.array([[0.6, 0.5, 0.1], [0.3, 0.4, 0.2]])
    asked = Asked(kind="multilabel")
    assert decisions.decide(METRICS["macro_f1"], sets, asked).tolist() == [[1, 1, 0], [0, 1, 0]]
    assert decisions.decide(METRICS["macro_f1"], sets, replace(asked, cuts=np.array([0.3]))).tolist() == [[1, 1, 0], [1, 1, 0]]
    assert decisions.decide(METRICS["macro_f1"], sets, replace(asked, cuts=np.array([0.7, 0.6, 0.2]))).tolist() == [[1, 0, 0], [0, 0, 1]]
    ratings = np.array([[0.5, 0.5, 0], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0]])  # expected: 0.5, 1.4, 1
    asked = Asked(kind="ordinal")
    assert decisions.decide(METRICS["kappa"], ratings, asked).argmax(1).tolist() == [1, 1, 1]
    assert decisions.decide(METRICS["kappa"], ratings, replace(asked, cuts=np.array([0.6, 0.9]))).argmax(1).tolist() == [0, 2, 1]
    two = np.array([[0.9, 0.1], [0.7, 0.3]])
    for name in ("f1", "probabilistic_f1"):
        asked = Asked(kind="binary", positive=1, cuts=np.array([0.2]))
        assert decisions.decide(METRICS[name], two, asked).tolist() == [[1, 0], [0, 1]]
        assert decisions.decide(METRICS[name], two, replace(asked, positive=0, cuts=np.array([0.8]))).tolist() == [[1, 0], [0, 1]]
    assert decisions.decide(METRICS["accuracy"], two, asked).tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize(("name", "kind"), [("macro_f1", "multilabel"), ("kappa", "ordinal"), ("f1", "binary")])
def test_cuts_of_another_length_are_refused(name, kind):
    truth, predicted = draw(kind, 20, 2 if kind == "binary" else 4)
    with pytest.raises(ValueError, match="cuts of shape"):
        METRICS[name].score(truth, predicted, Asked(kind=kind, cuts=np.array([0.1, 0.2, 0.3, 0.4, 0.5])))


@pytest.mark.parametrize(("metric", "kind"), FITTED)
def test_fitted_cuts_beat_the_defaults_on_their_own_rows_and_on_others(metric, kind):
    truth, predicted = draw_hard(metric, kind, 1500)
    asked = asking(metric, kind)
    cuts = decisions.fit_cuts(metric, truth, predicted, asked)
    for seed in (0, 1):
        truth, predicted = draw_hard(metric, kind, 1500, seed)
        fitted, plain = (metric.score(truth, predicted, replace(asked, cuts=each)) for each in (cuts, None))
        assert metrics.better(metric, fitted, plain)
    if metric.wants == "ratings":
        assert (np.diff(cuts) >= 0).all()
    else:
        assert (cuts > 0).all()


@pytest.mark.parametrize(("metric", "kind"), FITTED)
@pytest.mark.parametrize("case", ["one row", "one class", "constant", "zeros"])
def test_fitting_survives_rows_that_teach_nothing(metric, kind, case):
    truth, predicted = draw_hard(metric, kind, 40)
    if case == "one row":
        truth, predicted = truth[:1], predicted[:1]
    if case == "one class":
        truth = np.zeros_like(truth)
    if case == "constant":
        predicted = np.full_like(predicted, 1 / predicted.shape[1])
    if case == "zeros":
        predicted = np.zeros_like(predicted)
    asked = asking(metric, kind)
    cuts = decisions.fit_cuts(metric, truth, predicted, asked)
    plain, fitted = metric.score(truth, predicted, asked), metric.score(truth, predicted, replace(asked, cuts=cuts))
    assert not metrics.better(metric, plain, fitted)
    assert cuts is None or np.isfinite(cuts).all()


def test_cuts_that_do_not_beat_the_defaults_are_not_kept():
    truth, predicted = draw("binary", 200, 2)
    rule = replace(decisions.POSITIVE, fit=lambda truth, predicted, asked, score: np.array([0.999]))
    worse = replace(METRICS["f1"], rules={"binary": rule})
    assert decisions.fit_cuts(worse, truth, predicted, Asked(kind="binary")) is None


@pytest.mark.parametrize("seed", range(12))
def test_no_cuts_give_a_better_kappa(seed):
    truth, predicted = draw_hard(METRICS["kappa"], "ordinal", 9, seed)
    if seed % 2:  # noise: the best kappa is hardly above 0
        truth = np.random.default_rng(seed).permutation([0, 0, 1, 1, 2, 2, 3, 3, 3])
    asked = Asked(kind="ordinal")
    cuts = decisions.fit_cuts(METRICS["kappa"], truth, predicted, asked)
    values = np.sort(predicted @ np.arange(4))
    middles = [-1, *(values[1:] + values[:-1]) / 2, 4]
    best = max(
        METRICS["kappa"].score(truth, predicted, replace(asked, cuts=np.array(each))) for each in itertools.combinations_with_replacement(middles, 3)
    )
    assert METRICS["kappa"].score(truth, predicted, replace(asked, cuts=cuts)) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_gives_a_better_f1(seed):
    truth, predicted = draw_hard(METRICS["f1"], "binary", 60, seed)
    predicted = predicted.round(1)  # ties
    asked = Asked(kind="binary")
    cuts = decisions.fit_cuts(METRICS["f1"], truth, predicted, asked)
    best = max(METRICS["f1"].score(truth, predicted, replace(asked, cuts=np.array([each]))) for each in np.linspace(0.01, 1, 100))
    assert METRICS["f1"].score(truth, predicted, replace(asked, cuts=cuts)) == pytest.approx(best, abs=1e-12)


def test_a_rare_class_gets_the_common_threshold():
    truth, predicted = draw("multilabel", 2000, 4)
    predicted = predicted * [1, 0.5, 0.2, 1]  # classes that want thresholds of their own
    truth[:, 3] = np.arange(2000) < decisions.RARE - 1
    asked = Asked(kind="multilabel")
    common = decisions.fit_common(truth, predicted, asked, METRICS["macro_f1"].score)
    cuts = decisions.fit_cuts(METRICS["macro_f1"], truth, predicted, asked)
    assert cuts[3] == common[0]
    assert cuts[2] < cuts[1] < cuts[0]


def test_the_common_threshold_stays_where_each_classs_own_score_worse():
    truth, predicted = draw("multilabel", 60, 3, seed=53)
    predicted = predicted * [1, 0.4, 0.7]
    assert (truth.sum(0) >= decisions.RARE).any()
    assert decisions.fit_each(truth, predicted, Asked(kind="multilabel"), METRICS["macro_f1"].score).shape == (1,)


@pytest.mark.parametrize(("metric", "kind"), FITTED)
def test_nested_decisions_do_not_see_their_own_rows(metric, kind):
    truth, predicted = draw_hard(metric, kind, 900)
    parts = np.arange(900) % 3
    asked = asking(metric, kind)
    decided = decisions.nested(metric, truth, predicted, parts, asked)
    np.testing.assert_array_equal(decisions.decide(metric, decided, asked), decided)
    own = parts == 1
    other = truth.copy()
    other[own] = truth[own][::-1] * 0 if kind in decisions.SINGLE else 1 - truth[own]
    changed = decisions.nested(metric, other, predicted, parts, asked)
    np.testing.assert_array_equal(changed[own], decided[own])
    assert (changed[~own] != decided[~own]).any()
    assert metrics.better(metric, metric.score(truth, decided, asked), metric.score(truth, predicted, asked))
    cuts = decisions.fit_cuts(metric, truth[~own], predicted[~own], asked)
    np.testing.assert_array_equal(decided[own], decisions.decide(metric, predicted[own], replace(asked, cuts=cuts)))


def test_nested_without_anything_to_fit():
    truth, predicted = draw("multiclass", 30, 4)
    assert decisions.nested(METRICS["accuracy"], truth, predicted, np.arange(30) % 2, Asked()) is predicted
    truth, predicted = draw("ordinal", 30, 4)
    asked = Asked(kind="ordinal", cuts=np.array([0.0, 0.0, 0.0]))
    by_default = decisions.decide(METRICS["kappa"], predicted, replace(asked, cuts=None))
    np.testing.assert_array_equal(decisions.nested(METRICS["kappa"], truth, predicted, np.zeros(30, int), asked), by_default)


def test_cuts_of_many_ratings_are_found_in_seconds():
    truth, predicted = draw("ordinal", 50_000, 6)
    started = time.process_time()
    decisions.fit_cuts(METRICS["kappa"], truth, predicted, Asked(kind="ordinal"))
    assert time.process_time() - started < 5
