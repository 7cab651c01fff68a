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


def test_a_power_and_a_floor_are_found_again():
    for kind, classes in (("multiclass", 4), ("binary", 2), ("multilabel", 3), ("soft", 4)):
        truth, right = draw(kind, 4000, classes)
        asked = Asked(kind=kind, cuts=np.array([2.0, 1e-7]))
        cuts = decisions.fit_cuts(METRICS["log_loss"], truth, decisions.calibrated(right, asked), replace(asked, cuts=None))
        assert cuts[0] == pytest.approx(0.5, abs=0.06)
    truth, right = draw("multiclass", 4000, 4)
    right[::2] = np.eye(4)[truth[::2]] * (1 - 4e-9) + 1e-9
    wrong = np.arange(4000) % 100 == 0  # labels: a power would make all other rows unsure as well
    power, floor = decisions.fit_cuts(METRICS["log_loss"], np.where(wrong, (truth + 1) % 4, truth), right, Asked())
    assert floor >= 0.003
    assert power > 0.8


def test_a_gain_within_its_standard_error_is_not_kept():
    kept = []
    for seed in range(20):
        truth, predicted = draw("multiclass", 300, 4, seed)  # right as they are: any power but 1 fits noise
        cuts = decisions.CALIBRATION.fit(truth, predicted, Asked(), lambda *given: -METRICS["log_loss"].score(*given))
        assert METRICS["log_loss"].score(truth, predicted, Asked(cuts=cuts)) <= METRICS["log_loss"].score(truth, predicted, Asked())
        kept.append(decisions.fit_cuts(METRICS["log_loss"], truth, predicted, Asked()) is not None)
    assert sum(kept) < 4  # without the rule all of them would be


def test_few_rows_without_a_mistake_do_not_make_it_endlessly_certain():
    truth = np.arange(12) % 3
    predicted = np.eye(3)[truth] * 0.7 + 0.1
    few, many = (decisions.fit_cuts(METRICS["log_loss"], np.tile(truth, times), np.tile(predicted, (times, 1)), Asked())[0] for times in (1, 100))
    assert 1 < few < 3 < many < 8.1


def test_the_new_class_goes_above_what_is_less_probable():
    predicted = np.array([[0.05, 0.9, 0.05], [0.1, 0.3, 0.6], [0.2, 0.45, 0.35]])
    asked = Asked(ranks=2, new=0, cuts=np.array([0.4]))
    assert decisions.decide(METRICS["map_at_k"], predicted, asked).tolist() == [[0.5, 1, 0], [0.5, 0, 1], [1, 0.5, 0]]
    assert decisions.decide(METRICS["map_at_k"], predicted, replace(asked, new=None)) is predicted
    assert decisions.fit_cuts(METRICS["map_at_k"], np.array([0, 1, 2]), predicted, Asked(ranks=2)) is None


def test_factors_say_rare_classes_more_often():
    predicted = np.array([[0.6, 0.4], [0.75, 0.25]])
    asked = Asked(kind="binary", cuts=np.array([1.0, 2.0]))
    for name in ("balanced_accuracy", "macro_f1"):
        assert decisions.decide(METRICS[name], predicted, asked).argmax(1).tolist() == [1, 0]


def several(metric, kind: str, seed: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """Truth and out-of-fold predictions, and truth and the predictions of five models, each with errors of its own, of other rows."""
    generator, cuts = np.random.default_rng(seed), np.array([-0.2, 0.9, 1.5, 2.2])

    def rows(count: int, models: int) -> tuple[np.ndarray, list[np.ndarray]]:
        if kind == "ordinal":
            signal = generator.normal(0, 1.2, (count, 1))
            truth = (signal + generator.normal(0, 0.5, (count, 1)) > cuts).sum(1)
            above = [1 / (1 + np.exp(3 * (cuts - signal - generator.normal(0, noise, (count, 1))))) for _ in range(models)]
            return truth, [-np.diff(np.pad(each, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))) for each in above]
        signal = generator.normal(-1.5, 1.5, (count, 4 if kind == "multilabel" else 1))
        truth = generator.random(signal.shape) < 1 / (1 + np.exp(-signal))
        said = [1 / (1 + np.exp(-signal - generator.normal(0, noise, signal.shape))) for _ in range(models)]
        if kind == "multilabel":
            return truth.astype(np.float64), said
        return truth[:, 0].astype(int), [np.concatenate([1 - each, each], axis=1) for each in said]

    truth, (valid,) = rows(1500, 1)
    return truth, valid, *rows(3000, 5)


@pytest.mark.parametrize(("name", "kind"), [("kappa", "ordinal"), ("macro_f1", "multilabel"), ("f1", "binary"), ("probabilistic_f1", "binary")])
def test_cuts_carried_to_the_mean_of_models_are_better_than_those_of_single_models(name, kind):
    metric, asked, gains = METRICS[name], Asked(kind=kind), []
    for seed in range(3):
        truth, valid, hidden, parts = several(metric, kind, seed, noise=2.0)
        cuts = decisions.fit_cuts(metric, truth, valid, asked)
        carried = decisions.carry(metric, cuts, parts, asked)
        assert decisions.carry(metric, cuts, parts[:1], asked) is cuts
        plain, better = (metric.score(hidden, np.mean(parts, axis=0), replace(asked, cuts=each)) for each in (cuts, carried))
        gains.append(better - plain)
    assert min(gains) > 0


def test_as_large_a_share_of_the_mean_reaches_a_carried_cut():
    _, _, _, parts = several(METRICS["macro_f1"], "multilabel", 0)
    asked, mean = Asked(kind="multilabel"), np.mean(parts, axis=0)
    wanted = np.mean([(part >= 0.6).mean(0) for part in parts], axis=0)
    carried = decisions.carry(METRICS["macro_f1"], np.array([0.6]), parts, asked)
    np.testing.assert_allclose((mean >= carried).mean(0), wanted, atol=1 / len(mean))
    common = decisions.carry(METRICS["micro_f1"], np.array([0.6]), parts, asked)
    assert (mean >= common).mean() == pytest.approx(wanted.mean(), abs=1 / len(mean))
    np.testing.assert_array_equal(decisions.carry(METRICS["macro_f1"], np.array([1.0]), parts, asked), np.ones(4))  # none reaches it
    ranking, asked = [part / part.sum(1, keepdims=True) for part in parts], Asked(ranks=3, new=1)
    carried = decisions.carry(METRICS["map_at_k"], np.array([0.2]), ranking, asked)
    first = [
        (decisions.decide(METRICS["map_at_k"], each, replace(asked, cuts=cuts))[:, 1] == 1).mean()
        for each, cuts in [*((part, np.array([0.2])) for part in ranking), (np.mean(ranking, axis=0), carried)]
    ]
    assert first[-1] == pytest.approx(np.mean(first[:-1]), abs=1 / len(mean))


@pytest.mark.parametrize("name", ["roc_auc", "partial_auc", "weighted_auc"])
def test_ranks_blend_models_of_different_scales(name):
    metric, asked = METRICS[name], Asked(kind="binary")
    _, _, truth, parts = several(metric, "binary", 0)
    parts = [np.stack([1 - part[:, 1] ** power, part[:, 1] ** power], axis=1) for part, power in zip(parts, (0.1, 0.5, 1, 3, 9), strict=True)]
    blended = decisions.blend(metric, parts, asked)
    assert metric.score(truth, blended, asked) > metric.score(truth, np.mean(parts, axis=0), asked)
    np.testing.assert_allclose(np.sort(blended[:, 1]), np.sort(np.mean(parts, axis=0)[:, 1]), atol=0.02)  # equal ranks share their values
    np.testing.assert_allclose(blended.sum(1), 1)
    assert decisions.blend(metric, parts[:1], asked) is parts[0]
    same = decisions.mean_of_ranks([np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]])] * 2, asked)
    np.testing.assert_allclose(same, [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]])


@pytest.mark.parametrize(("kind", "classes"), [("multiclass", 4), ("multilabel", 3), ("soft", 4)])
def test_logits_blend_at_least_as_well_as_the_models_do_and_a_power_comes_before_or_behind(kind, classes):
    metric, asked = METRICS["log_loss"], Asked(kind=kind)
    truth, first = draw(kind, 500, classes)
    parts = [first, draw(kind, 500, classes, 1)[1], np.clip(first**9, 1e-12, 1 - 1e-12)]
    if kind != "multilabel":
        parts = [part / part.sum(1, keepdims=True) for part in parts]
    blended = decisions.blend(metric, parts, asked)
    assert metric.score(truth, blended, asked) < np.mean([metric.score(truth, part, asked) for part in parts])
    calibrated = replace(asked, cuts=np.array([0.5, 1e-15]))
    before = decisions.blend(metric, [decisions.calibrated(part, calibrated) for part in parts], asked)
    np.testing.assert_allclose(decisions.calibrated(blended, calibrated), before, rtol=1e-6)


def test_cuts_of_many_ratings_are_found_in_seconds():
    truth, predicted = draw("ordinal", 50_000, 6)
    started = time.process_time()
    decisions.fit_cuts(METRICS["kappa"], truth, predicted, Asked(kind="ordinal"))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("classes", [10, 100])
def test_a_temperature_of_many_rows_is_found_in_seconds(classes):
    truth, predicted = draw("multiclass", 400_000 // classes, classes)
    started = time.process_time()
    assert decisions.fit_cuts(METRICS["log_loss"], truth, predicted**2 / (predicted**2).sum(1, keepdims=True), Asked()) is not None
    assert time.process_time() - started < 5
