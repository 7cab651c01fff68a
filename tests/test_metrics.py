"""Scores against numbers computed by hand and by scikit-learn, and the recognition of what Kaggle's pages call them."""

import math
import re

import numpy as np
import pytest
import sklearn.metrics

from clf import decisions, metrics, problem
from clf.metrics import METRICS, Asked
from tests.by_definition import DEFINED

LABELS = np.array([0, 1, 2, 1])
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.0, 1.0, 0.0]])
EXACT = {"rel": 0, "abs": 1e-9}


def draw(kind: str, rows: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth drawn from the very predictions, so that the scores are neither chance nor perfect."""
    generator = np.random.default_rng(seed)
    shares = generator.dirichlet(np.ones(classes), rows)
    if kind in problem.SINGLE:
        return (generator.random(rows)[:, None] > shares.cumsum(1)).sum(1).clip(max=classes - 1), shares
    if kind == "multilabel":
        cells = generator.random((rows, classes)) ** 2
        return (generator.random((rows, classes)) < cells).astype(np.float32), cells
    if kind == "soft":
        return np.float32(generator.multinomial(5, shares) / 5), shares
    values = generator.normal(50, 10, (rows, classes))
    return np.float32(values + generator.normal(0, 3, (rows, classes))), values


def perfect(truth: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes)[truth] if truth.ndim == 1 else truth.astype(np.float64)


def prior(truth: np.ndarray, classes: int) -> np.ndarray:
    return np.tile(perfect(truth, classes).mean(0), (len(truth), 1))


def score(name: str, truth: np.ndarray, predicted: np.ndarray, kind: str = "multiclass", **asked) -> float:
    return METRICS[name].score(truth, predicted, Asked(kind=kind, **asked))


EVERY = [pytest.param(METRICS[name], kind, id=f"{name}-{kind}") for name in METRICS for kind in METRICS[name].kinds]


# -- the contract ------------------------------------------------------------------------------------------------------------------


def test_the_table_fits_the_problem():
    assert decisions.SINGLE == problem.SINGLE
    assert {metric.wants for metric in METRICS.values()} == set(decisions.DECISIONS)
    assert {kind for metric in METRICS.values() for kind in metric.kinds} == set(problem.KINDS)
    assert [*metrics.WORDS] == [*METRICS]


@pytest.mark.parametrize(("metric", "kind"), EVERY)
def test_contract_of_every_metric(metric, kind):
    classes = 2 if kind == "binary" else 4
    asked = Asked(kind=kind, ranks=2)
    truth, predicted = draw(kind, 300, classes)
    assert METRICS[metric.name] is metric
    reached = metric.score(truth, predicted, asked)
    assert isinstance(reached, float)
    assert math.isfinite(reached)
    ideal = metric.score(truth, perfect(truth, classes), asked)
    if kind in problem.SINGLE or metric.name in ("rmse", "mae", "kl_divergence", "roc_auc"):
        best = 0.2 if metric.name == "partial_auc" else 1
        assert ideal == pytest.approx(best if metric.higher_is_better else 0, abs=1e-6)  # float32 shares do not sum to 1
    assert metrics.better(metric, ideal, metric.score(truth, prior(truth, classes), asked))
    assert metrics.better(metric, ideal, reached)
    if metric.rows:
        rows = metric.rows(truth, predicted, asked)
        assert rows.shape == (300,)
        assert rows.mean() == pytest.approx(reached, **EXACT)
    assert metrics.recognise(f"Submissions are evaluated on the {metric.title}.") == metric.name
    assert isinstance(metric.score(truth[:1], predicted[:1], asked), float)


@pytest.mark.parametrize(("metric", "kind"), EVERY)
def test_every_metric_refuses_what_does_not_fit(metric, kind):
    classes = 2 if kind == "binary" else 4
    asked = Asked(kind=kind)
    truth, predicted = draw(kind, 50, classes)
    for bad in (np.full(predicted.shape, np.nan), predicted[:-1], predicted[:, 0]):
        with pytest.raises(ValueError, match=r"fit|finite"):
            metric.score(truth, bad, asked)
    with pytest.raises(ValueError, match="no rows"):
        metric.score(truth[:0], predicted[:0], asked)
    if kind in problem.SINGLE:
        for bad in (truth + 1, truth - 1, truth.astype(float)):
            with pytest.raises(ValueError, match="class indices"):
                metric.score(bad, predicted, asked)
    for other in set(problem.KINDS) - set(metric.kinds):
        with pytest.raises(ValueError, match="not defined for the kind"):
            metric.score(*draw(other, 50, classes), Asked(kind=other))


# -- by their definitions, in plain loops ------------------------------------------------------------------------------------------


def degenerate(case: str, kind: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    truth, predicted = draw(kind, 60, classes, seed=5)
    if case == "ties":
        predicted = (8 * predicted).round() / 8  # eighths: the same sum in every order
    if case == "constant":
        predicted = np.full_like(predicted, 1 / classes)
    if case == "one row":
        truth, predicted = truth[:1], predicted[:1]
    if case == "one class":
        truth = np.zeros_like(truth) if kind in problem.SINGLE else np.eye(classes)[truth.argmax(1) * 0]
    if case == "no label":
        truth = np.zeros_like(truth)
    if case == "right":
        predicted = perfect(truth, classes)
    if case == "wrong":
        predicted = np.roll(perfect(truth, classes), 1, axis=1)
    if case == "certain":
        predicted = np.eye(classes)[predicted.argmax(1)]
    return truth, predicted


@pytest.mark.parametrize(("metric", "kind"), EVERY)
def test_every_metric_is_its_definition_also_of_degenerate_rows(metric, kind):
    classes = 2 if kind == "binary" else 4
    for case in ("random", "ties", "constant", "one row", "one class", "no label", "right", "wrong", "certain"):
        truth, predicted = degenerate(case, kind, classes)
        for positive, ranks, weights in ((1, 1, [1.0] * classes), (0, 3, [2.0, *[1.0] * (classes - 1)])):
            asked = Asked(kind=kind, positive=positive, ranks=ranks, weights=np.array(weights) if kind == "multilabel" else None)
            given = truth.astype(np.float64) if truth.ndim == 2 else truth
            wanted = DEFINED[metric.name](given.tolist(), predicted.tolist(), kind, positive, ranks, weights)
            assert metric.score(truth, predicted, asked) == pytest.approx(wanted, nan_ok=True, **EXACT), case


# -- against scikit-learn ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 7, 400])
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.filterwarnings("ignore")
def test_scores_of_one_label_are_scikit_learns(classes, rows):
    truth, predicted = draw("multiclass", rows, classes, seed=rows)
    predicted = predicted.round(2) + 1e-9
    predicted /= predicted.sum(1, keepdims=True)
    best = predicted.argmax(1)
    right = sklearn.metrics.accuracy_score(truth, best)
    for name in ("accuracy", "micro_f1", "samples_f1", "samples_f2"):
        assert score(name, truth, predicted) == pytest.approx(right, **EXACT)
    assert score("top_1_error", truth, predicted) == pytest.approx(1 - right, **EXACT)
    assert score("balanced_accuracy", truth, predicted) == pytest.approx(sklearn.metrics.balanced_accuracy_score(truth, best), **EXACT)
    assert score("macro_f1", truth, predicted) == pytest.approx(sklearn.metrics.f1_score(truth, best, average="macro", zero_division=0), **EXACT)
    assert score("log_loss", truth, predicted) == pytest.approx(sklearn.metrics.log_loss(truth, predicted, labels=range(classes)), **EXACT)
    if classes == 2:
        for positive in (0, 1):
            by_library = sklearn.metrics.f1_score(truth, best, pos_label=positive, zero_division=0)
            assert score("f1", truth, predicted, "binary", positive=positive) == pytest.approx(by_library, **EXACT)
            assert score("probabilistic_f1", truth, np.eye(2)[best], "binary", positive=positive) == pytest.approx(by_library, **EXACT)
    if rows == 400:
        columns = [sklearn.metrics.roc_auc_score(truth == column, predicted[:, column]) for column in range(classes)]
        assert score("roc_auc", truth, predicted) == pytest.approx(columns[1] if classes == 2 else np.mean(columns), **EXACT)


@pytest.mark.parametrize("rows", [1, 7, 400])
@pytest.mark.filterwarnings("ignore")
def test_scores_of_sets_are_scikit_learns(rows):
    truth, predicted = draw("multilabel", rows, 6, seed=rows)
    truth[:, 5] = predicted[:, 5] = 0  # neither there nor said
    said = decisions.as_sets(predicted, Asked(kind="multilabel"))
    for average in ("macro", "micro", "samples"):
        by_library = sklearn.metrics.f1_score(truth, said, average=average, zero_division=0)
        assert score(f"{average}_f1", truth, predicted, "multilabel") == pytest.approx(by_library, **EXACT)
    by_library = sklearn.metrics.fbeta_score(truth, said, beta=2, average="samples", zero_division=0)
    assert score("samples_f2", truth, predicted, "multilabel") == pytest.approx(by_library, **EXACT)
    cells = [sklearn.metrics.log_loss(truth[:, column], predicted[:, column], labels=[0, 1]) for column in range(5)]
    assert score("log_loss", truth[:, :5], predicted[:, :5], "multilabel") == pytest.approx(np.mean(cells), **EXACT)
    if rows == 400:
        columns = [sklearn.metrics.roc_auc_score(truth[:, column], predicted[:, column]) for column in range(5)]
        assert score("roc_auc", truth, predicted, "multilabel") == pytest.approx(np.mean(columns), **EXACT)


@pytest.mark.parametrize("rows", [2, 7, 400])
def test_kappa_is_scikit_learns(rows):
    truth, predicted = draw("ordinal", rows, 5, seed=rows)
    truth[:2] = 0, 3
    truth[truth == 4] = 3  # a class that is never there
    rating = np.rint(predicted @ np.arange(5)).astype(int)
    by_library = sklearn.metrics.cohen_kappa_score(truth, rating, weights="quadratic", labels=range(5))
    assert score("kappa", truth, predicted, "ordinal") == pytest.approx(by_library, **EXACT)
    assert score("kappa", truth, prior(truth, 5), "ordinal") == pytest.approx(0, abs=1e-9)
    assert math.isnan(score("kappa", truth * 0, np.eye(5)[truth * 0], "ordinal"))


def test_distances_are_scikit_learns():
    truth, predicted = draw("regression", 200, 3)
    squares = sklearn.metrics.mean_squared_error(truth, predicted, multioutput="raw_values")
    assert score("rmse", truth, predicted, "regression") == pytest.approx(math.sqrt(squares.mean()), **EXACT)
    assert score("mean_columnwise_rmse", truth, predicted, "regression") == pytest.approx(np.sqrt(squares).mean(), **EXACT)
    assert score("mae", truth, predicted, "regression") == pytest.approx(sklearn.metrics.mean_absolute_error(truth, predicted), **EXACT)


# -- by hand -----------------------------------------------------------------------------------------------------------------------


def test_one_label_by_hand():
    assert score("accuracy", LABELS, PROBABILITIES) == 0.75
    by_hand = -(math.log(0.7) + math.log(0.3) + math.log(0.8) + math.log(1 / (1 + 1e-15))) / 4
    assert score("log_loss", LABELS, PROBABILITIES) == pytest.approx(by_hand, abs=1e-12)


def test_log_loss_of_one_certain_mistake_is_what_kaggle_counts():
    assert score("log_loss", np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(34.539, abs=1e-3)
    assert score("log_loss", np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]]), "multilabel") == pytest.approx(34.539 / 2, abs=1e-3)


def test_log_loss_rescales_rows_that_do_not_sum_to_one():
    assert score("log_loss", np.array([1]), np.array([[0.2, 0.2]])) == pytest.approx(math.log(2))
    assert score("log_loss", np.array([[0.5, 0.5]]), np.array([[0.2, 0.2]]), "soft") == pytest.approx(math.log(2))


def test_shares_by_hand():
    truth, predicted = np.array([[0.25, 0.75, 0.0], [0.0, 1.0, 0.0]]), np.array([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]])
    first, second = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.25), -math.log(0.3)
    assert score("kl_divergence", truth, predicted, "soft") == pytest.approx((first + second) / 2, **EXACT)
    cross = -0.25 * math.log(0.5) - 0.75 * math.log(0.25)
    assert score("log_loss", truth, predicted, "soft") == pytest.approx((cross + second) / 2, **EXACT)


def test_roc_auc_by_hand_with_a_tie():
    # Pairs (negative, positive): 0.1<0.4, 0.1<0.8, 0.4=0.4 counts half, 0.4<0.8.
    values = np.array([0.1, 0.4, 0.4, 0.8])
    predicted = np.stack([1 - values, values], axis=1)
    truth = np.array([0, 0, 1, 1])
    assert score("roc_auc", truth, predicted, "binary") == pytest.approx(3.5 / 4)
    assert score("roc_auc", 1 - truth, predicted[:, ::-1], "binary", positive=0) == pytest.approx(3.5 / 4)
    assert score("roc_auc", truth, predicted[:, ::-1], "binary") == pytest.approx(0.5 / 4)
    predicted[:, 0] = 0.5  # the other column is not read
    assert score("roc_auc", truth, predicted, "binary") == pytest.approx(3.5 / 4)
    assert score("roc_auc", truth, predicted, "binary", positive=0) == 0.5


def test_column_wise_auc_leaves_out_a_class_that_never_occurs():
    truth = np.array([0, 0, 1, 1])
    predicted = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.3, 0.6, 0.1], [0.1, 0.5, 0.4]])
    # Class 0: 0.6 beats both, 0.2 beats 0.1 only: 3 of 4. Class 1: 0.6 and 0.5 beat 0.3 only: 2 of 4.
    assert score("roc_auc", truth, predicted) == pytest.approx((0.75 + 0.5) / 2)
    assert score("roc_auc", np.eye(3)[truth], predicted, "multilabel") == pytest.approx((0.75 + 0.5) / 2)


def test_one_class_only():
    truth = np.zeros(4, int)
    assert score("log_loss", truth, PROBABILITIES) == pytest.approx(-np.log(np.clip(PROBABILITIES[:, 0], 1e-15, 1)).mean())
    assert math.isnan(score("roc_auc", truth, PROBABILITIES))
    assert math.isnan(score("weighted_auc", truth, PROBABILITIES[:, :2], "binary"))
    assert math.isnan(score("partial_auc", truth, PROBABILITIES[:, :2], "binary"))
    assert score("f1", truth, PROBABILITIES[:, :2], "binary") == 0
    assert score("probabilistic_f1", truth, np.eye(2)[truth], "binary") == 0


def test_weighted_auc_by_hand():
    # The curve: (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1). Of the band 0 to 0.4 all is below it; of 0.4 to 1: 0.1, and half of 0.5.
    truth, values = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.3, 0.1])
    predicted = np.stack([1 - values, values], axis=1)
    assert score("weighted_auc", truth, predicted, "binary") == pytest.approx((2 * 0.4 + 0.1 + 0.25) / 1.4, **EXACT)
    # All values equal: the diagonal. Below 0.4: 0.4 - 0.08; above: 0.6 ** 2 / 2.
    assert score("weighted_auc", truth, np.full((4, 2), 0.5), "binary") == pytest.approx((2 * 0.32 + 0.18) / 1.4, **EXACT)


def test_weighted_auc_is_that_of_the_competitions_own_code():
    truth, predicted = draw("binary", 20_000, 2)
    false, true, _ = sklearn.metrics.roc_curve(truth, predicted[:, 1])
    total = 0.0
    for low, high, weight in ((0, 0.4, 2), (0.4, 1, 1)):  # as the organisers' notebook does it: only points within the band, then level
        within = (low < true) & (true < high)
        rest = np.linspace(false[within][-1], 1, 100)
        total += weight * sklearn.metrics.auc([*false[within], *rest], [*true[within] - low, *[high - low] * 100])
    assert score("weighted_auc", truth, predicted, "binary") == pytest.approx(total / 1.4, abs=1e-3)


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_partial_auc_is_the_area_of_the_curves_top(decimals):
    """By the curve itself, with the point where it passes 0.8 put in: the definition of isic-2024-challenge, not its code."""
    truth, predicted = draw("binary", 400, 2)
    predicted = predicted.round(decimals)  # ties
    false, true, _ = sklearn.metrics.roc_curve(truth, predicted[:, 1], drop_intermediate=False)
    start = np.interp(0.8, true, false)  # of several places the last: the curve is level there
    start = max([start, *false[true == 0.8]])
    above = true > 0.8
    area = sklearn.metrics.auc([start, *false[above]], np.array([0.8, *true[above]]) - 0.8)
    assert score("partial_auc", truth, predicted, "binary") == pytest.approx(area, **EXACT)
    assert score("partial_auc", 1 - truth, predicted[:, ::-1], "binary", positive=0) == pytest.approx(area, **EXACT)


def test_partial_auc_by_hand():
    # Five positives; the curve is at (0.5, 0.8) after four of them and one of two negatives, then (0.5, 1), then (1, 1).
    values = np.array([0.9, 0.8, 0.7, 0.6, 0.2, 0.65, 0.1])
    predicted, truth = np.stack([1 - values, values], axis=1), np.array([1, 1, 1, 1, 1, 0, 0])
    assert score("partial_auc", truth, predicted, "binary") == pytest.approx(0.5 * 0.2, **EXACT)
    assert score("partial_auc", truth, np.full((7, 2), 0.5), "binary") == pytest.approx(0.2 * 0.2 / 2, **EXACT)


def test_log_loss_by_weights_of_the_labels():
    truth, predicted = draw("multilabel", 300, 6)
    weights = np.array([2.0, 1, 1, 1, 1, 1])
    cells = [sklearn.metrics.log_loss(truth[:, column], predicted[:, column], labels=[0, 1]) for column in range(6)]
    assert score("log_loss", truth, predicted, "multilabel", weights=weights) == pytest.approx(np.average(cells, weights=weights), **EXACT)
    same = sklearn.metrics.log_loss(truth.ravel(), predicted.ravel(), sample_weight=np.tile(weights, 300))
    assert score("log_loss", truth, predicted, "multilabel", weights=weights) == pytest.approx(same, **EXACT)


def test_map_at_k_by_hand():
    predicted = np.array([[0.4, 0.3, 0.2, 0.1]] * 4)
    assert [*METRICS["map_at_k"].rows(np.arange(4), predicted, Asked(ranks=3))] == pytest.approx([1, 1 / 2, 1 / 3, 0])
    truth = np.array([[0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]])
    by_hand = [(1 / 2 + 2 / 3) / 2, 1, 0, 0]
    assert [*METRICS["map_at_k"].rows(truth, predicted, Asked("multilabel", ranks=3))] == pytest.approx(by_hand)
    with pytest.raises(ValueError, match="ranks"):
        score("map_at_k", np.arange(4), predicted, ranks=0)


@pytest.mark.parametrize("ranks", [1, 3, 9])
def test_map_at_k_of_one_label_is_that_of_a_set_of_one(ranks):
    truth, predicted = draw("multiclass", 300, 6)
    predicted = predicted.round(1)  # ties: the first of equals comes first, in both
    as_sets = score("map_at_k", np.eye(6)[truth], predicted, "multilabel", ranks=ranks)
    assert score("map_at_k", truth, predicted, ranks=ranks) == pytest.approx(as_sets, **EXACT)
    if ranks == 1:
        assert as_sets == pytest.approx(score("accuracy", truth, predicted), **EXACT)


def test_global_average_precision_by_hand():
    # By confidence: 0.9 right, 0.8 wrong, 0.7 right, 0.6 wrong: (1/1 + 2/3) / 4.
    predicted = np.array([[0.3, 0.7], [0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    assert score("average_precision", np.array([1, 0, 0, 0]), predicted) == pytest.approx((1 + 2 / 3) / 4, **EXACT)


def test_probabilistic_f1_by_hand():
    # Soft true positives 0.6 + 0.4, false 0.2: precision 1 / 1.2, recall 1 / 2.
    predicted = np.array([[0.4, 0.6], [0.6, 0.4], [0.8, 0.2]])
    precision, recall = 1 / 1.2, 0.5
    by_hand = 2 * precision * recall / (precision + recall)
    assert score("probabilistic_f1", np.array([1, 1, 0]), predicted, "binary") == pytest.approx(by_hand, **EXACT)


# -- comparison --------------------------------------------------------------------------------------------------------------------


def test_nan_beats_nothing():
    metric = METRICS["log_loss"]
    assert metrics.better(metric, 9.0, math.nan)
    assert not metrics.better(metric, math.nan, 9.0)
    assert not metrics.better(metric, math.nan, math.nan)


# -- recognition -------------------------------------------------------------------------------------------------------------------

NAMED = [
    ("Submissions are evaluated on Multi Class Log Loss between the predicted probability and the observed target.", "log_loss"),
    ("evaluated using the multi-class logarithmic loss", "log_loss"),
    ("Submissions are evaluated using a weighted multi-label logarithmic loss.", "log_loss"),
    ("evaluated on area under the ROC curve between the predicted probability and the observed target", "roc_auc"),
    ("Area Under Receiver Operating Characteristic Curve", "roc_auc"),
    ("Roc Auc Score", "roc_auc"),
    (
        "Submissions are evaluated on mean column-wise ROC AUC. In other words, the score is the average of the individual AUCs of each column.",
        "roc_auc",
    ),
    ("AUC. Unlike accuracy, it needs no threshold.", "roc_auc"),
    ("Submissions are evaluated on the weighted AUC. Each region of the ROC curve is weighted according to these parameters:", "weighted_auc"),
    ("This competition is evaluated on the categorization accuracy of your predictions", "accuracy"),
    ("The evaluation metric for this contest is the categorization accuracy. Log in to see it; log loss and AUC come later.", "accuracy"),
    ("Submissions are evaluated by the percentage of images that are classified correctly.", "accuracy"),
    (
        "## Evaluation\n\nSubmissions are evaluated on **MeanFScore**,\n\nwhich at Kaggle is actually a "
        "[micro-averaged F1-score](https://en.wikipedia.org/wiki/F1_score).\n\nGiven positive/negative rates for each class *k*, …",
        "micro_f1",
    ),
    ("Submissions will be evaluated based on their micro averaged [F1 score](https://en.wikipedia.org/wiki/F1_score).", "micro_f1"),
    ("<p>Submissions will be evaluated based on their <b>micro averaged</b> <a href='https://en.wikipedia.org/wiki/F1'>F1 score</a>.", "micro_f1"),
    ("Submissions will be evaluated based on their macro F1 score.\nF1 measures accuracy using precision and recall.", "macro_f1"),
    ("Submissions are evaluated using the macro-averaged F1 score", "macro_f1"),
    ("The evaluation metric for this competition is [Mean F1-Score](https://www.kaggle.com/wiki/MeanFScore).", "samples_f1"),
    (
        "The evaluation metric for this competition is Mean F1-Score. The F1 score, commonly used in information retrieval, measures accuracy "
        "using the statistics precision p and recall r.",
        "samples_f1",
    ),
    ("Submissions will be evaluated based on their mean F2 score. The F score measures accuracy using precision and recall.", "samples_f2"),
    ("F1 score of the positive class", "f1"),
    ("evaluated using the probabilistic F1 score (pF1), an extension of the traditional F score", "probabilistic_f1"),
    ("The goal is accuracy.\nSubmissions are scored based on the quadratic weighted kappa, which measures the agreement of two.", "kappa"),
    ("quadratic weighted kappa; accuracy is not enough", "kappa"),
    ("Cohen's kappa with quadratic weights", "kappa"),
    ("Submissions are evaluated according to the Mean Average Precision @ 5 (MAP@5):", "map_at_k"),
    ("mAP@{K}", "map_at_k"),
    ("Submissions are evaluated using balanced accuracy: accuracy as the mean recall of the classes", "balanced_accuracy"),
    ("We use top-1 classification error as the metric. Predict more labels, so that we can analyze top-3 and top-5 performances.", "top_1_error"),
    ("Submissions are evaluated using Global Average Precision (GAP) at k, where k=1.", "average_precision"),
    (
        "Your model may improve accuracy.\n### Evaluation\n\nSubmissions are evaluated on the [Kullback Liebler divergence](https://a.b/c).",
        "kl_divergence",
    ),
    ("Submissions are scored on the root mean squared error. RMSE is defined as:", "rmse"),
    ("Submissions are scored using MCRMSE, the mean columnwise root mean squared error", "mean_columnwise_rmse"),
    ("mean absolute error", "mae"),
    ("QuadraticWeightedKappa", "kappa"),
    ("MulticlassLoss", "log_loss"),
    ("LogLoss", "log_loss"),
    ("MulticlassLossOld", "log_loss"),
    ("log_loss", "log_loss"),
    ("AUC", "roc_auc"),
    ("MCAUC", "roc_auc"),
    ("MeanColumnwiseROCAUC", "roc_auc"),
    ("WeightedAUC", "weighted_auc"),
    ("CategorizationAccuracy", "accuracy"),
    ("MeanFScore", "samples_f1"),
    ("MeanFScoreBeta", "samples_f2"),
    ("MacroFScore", "macro_f1"),
    ("F1-Score (Macro)", "macro_f1"),
    ("MAP@{K}", "map_at_k"),
    ("RMSE", "rmse"),
    ("Top1Error", "top_1_error"),
    ("Submissions are evaluated using the mean Dice coefficient; the AUC is no use here.", None),
    ("The metric is weighted macro recall of three targets.", None),
    ("Submissions are evaluated on partial area under the ROC curve (pAUC) above 80% true positive rate.", "partial_auc"),
    ("ISIC pAUC-aboveTPR", "partial_auc"),
    ("Submissions are evaluated on the partial AUC at false positive rates below 10 %.", None),
    ("Top-5 accuracy", None),
    ("Submissions are evaluated using the column-wise root mean squared logarithmic error.", None),
    ("the standard PASCAL VOC 2010 mean Average Precision (mAP) at IoU > 0.5", None),
    ("Cohen's kappa", None),
    ("weighted F1 score", None),
    ("the procedure of the rocket bridges a gap", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "name"), NAMED)
def test_recognise(text, name):
    assert metrics.recognise(text) == name
    if name:
        assert re.search(METRICS[name].words, metrics.plain(text), re.IGNORECASE)
        for kind in METRICS[name].kinds:
            assert metrics.recognise(text, kind) == name


def test_recognise_for_a_kind():
    assert metrics.recognise("F1 score", "binary") == "f1"
    assert metrics.recognise("F1 score", "multilabel") == "samples_f1"
    assert metrics.recognise("F1 score", "multiclass") == "macro_f1"
    assert metrics.recognise("F1 score", "regression") is None
    assert metrics.recognise("quadratic weighted kappa, not accuracy", "multiclass") is None


@pytest.mark.parametrize(
    ("text", "ranks"),
    [
        ("MAP@5", 5),
        ("Mean Average Precision @ 3 (MAP@3)", 3),
        ("mean average precision at 20", 20),
        ("MAP@{K} with K = 10", 10),
        ("GAP at k, where k=1", 1),
        ("MAP@K", 0),
        ("F1 score", 0),
    ],
)
def test_ranks_named(text, ranks):
    assert metrics.ranks_named(text) == ranks
