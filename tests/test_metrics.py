"""Scores against numbers computed by hand and by scikit-learn."""

import math

import numpy as np
import pytest
import sklearn.metrics

from clf import metrics

LABELS = np.array([0, 1, 2, 1])
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.0, 1.0, 0.0]])


def draw(rows: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the very probabilities, so that the scores are neither chance nor perfect."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(classes), rows)
    labels = (generator.random(rows)[:, None] > probabilities.cumsum(1)).sum(1).clip(max=classes - 1)
    return labels, probabilities


def test_accuracy_by_hand():
    assert metrics.accuracy(LABELS, PROBABILITIES) == 0.75


def test_log_loss_by_hand():
    by_hand = -(math.log(0.7) + math.log(0.3) + math.log(0.8) + math.log(1 / (1 + 1e-15))) / 4
    assert metrics.log_loss(LABELS, PROBABILITIES) == pytest.approx(by_hand, abs=1e-12)


def test_log_loss_of_one_certain_mistake_is_what_kaggle_counts():
    assert metrics.log_loss(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(34.539, abs=1e-3)


def test_log_loss_rescales_rows_that_do_not_sum_to_one():
    assert metrics.log_loss(np.array([1]), np.array([[0.2, 0.2]])) == pytest.approx(math.log(2))


def test_roc_auc_by_hand_with_a_tie():
    # Pairs (negative, positive): 0.1<0.4, 0.1<0.8, 0.4=0.4 counts half, 0.4<0.8.
    scores = np.array([0.1, 0.4, 0.4, 0.8])
    probabilities = np.stack([1 - scores, scores], axis=1)
    labels = np.array([0, 0, 1, 1])
    assert metrics.roc_auc(labels, probabilities) == pytest.approx(3.5 / 4)
    assert metrics.roc_auc(1 - labels, probabilities[:, ::-1], positive=0) == pytest.approx(3.5 / 4)
    assert metrics.roc_auc(labels, probabilities[:, ::-1]) == pytest.approx(0.5 / 4)


@pytest.mark.parametrize("classes", [2, 5])
def test_scores_are_scikit_learns(classes):
    labels, probabilities = draw(500, classes)
    probabilities = probabilities.round(2) + 1e-9
    probabilities /= probabilities.sum(1, keepdims=True)
    assert metrics.accuracy(labels, probabilities) == sklearn.metrics.accuracy_score(labels, probabilities.argmax(1))
    assert metrics.log_loss(labels, probabilities) == pytest.approx(sklearn.metrics.log_loss(labels, probabilities, labels=range(classes)))
    columns = [sklearn.metrics.roc_auc_score(labels == column, probabilities[:, column]) for column in range(classes)]
    assert metrics.roc_auc(labels, probabilities) == pytest.approx(columns[1] if classes == 2 else np.mean(columns))


def test_one_class_only():
    labels = np.zeros(4, int)
    assert metrics.log_loss(labels, PROBABILITIES) == pytest.approx(-np.log(np.clip(PROBABILITIES[:, 0], 1e-15, 1)).mean())
    assert math.isnan(metrics.roc_auc(labels, PROBABILITIES))
    assert all(math.isnan(end) for end in metrics.interval(metrics.METRICS["roc_auc"], labels, PROBABILITIES, resamples=5))


def test_column_wise_auc_leaves_out_a_class_that_never_occurs():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.3, 0.6, 0.1], [0.1, 0.5, 0.4]])
    # Class 0: 0.6 beats both, 0.2 beats 0.1 only: 3 of 4. Class 1: 0.6 and 0.5 beat 0.3 only: 2 of 4.
    assert metrics.roc_auc(labels, probabilities) == pytest.approx((0.75 + 0.5) / 2)


@pytest.mark.parametrize("name", metrics.METRICS)
def test_contract_of_every_metric(name):
    metric = metrics.METRICS[name]
    labels, probabilities = draw(200, 2)
    perfect, wrong = np.eye(2)[labels], np.eye(2)[1 - labels]
    assert metric.name == name
    assert metric.wants in ("labels", "probabilities")
    assert isinstance(metric.score(labels, probabilities), float)
    assert metrics.better(metric, metric.score(labels, perfect), metric.score(labels, probabilities))
    assert metrics.better(metric, metric.score(labels, probabilities), metric.score(labels, wrong))
    if metric.rows:
        assert metric.rows(labels, probabilities).mean() == pytest.approx(metric.score(labels, probabilities))
    assert metrics.recognise(f"Submissions are evaluated on {metric.title}.") == name
    for bad in (np.full((200, 2), np.nan), probabilities[:-1], probabilities[:, 0]):
        with pytest.raises(ValueError, match=r"fit|finite"):
            metric.score(labels, bad)
    with pytest.raises(ValueError, match="no rows"):
        metric.score(labels[:0], probabilities[:0])
    with pytest.raises(ValueError, match="class indices"):
        metric.score(labels + 1, probabilities)


@pytest.mark.parametrize("name", metrics.METRICS)
def test_interval_is_seeded_and_holds_the_score(name):
    metric = metrics.METRICS[name]
    labels, probabilities = draw(10_000, 2)
    low, high = metrics.interval(metric, labels, probabilities, resamples=100)
    assert low < metric.score(labels, probabilities) < high
    assert (low, high) == metrics.interval(metric, labels, probabilities, resamples=100)
    assert (low, high) != metrics.interval(metric, labels, probabilities, resamples=100, seed=1)


def test_interval_of_accuracy_agrees_with_the_binomial():
    labels = np.zeros(1000, int)
    probabilities = np.eye(2)[(np.arange(1000) < 100).astype(int)]
    low, high = metrics.interval(metrics.METRICS["accuracy"], labels, probabilities)
    assert (high - low) / (2 * 1.96) == pytest.approx(math.sqrt(0.9 * 0.1 / 1000), rel=0.1)


def test_nan_beats_nothing():
    metric = metrics.METRICS["log_loss"]
    assert metrics.better(metric, 9.0, math.nan)
    assert not metrics.better(metric, math.nan, 9.0)
    assert not metrics.better(metric, math.nan, math.nan)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Submissions are evaluated on Multi Class Log Loss between the predicted probability and the observed target.", "log_loss"),
        ("evaluated using the multi-class logarithmic loss", "log_loss"),
        ("MulticlassLoss", "log_loss"),
        ("log_loss", "log_loss"),
        ("evaluated on area under the ROC curve between the predicted probability and the observed target", "roc_auc"),
        ("Area Under Receiver Operating Characteristic Curve", "roc_auc"),
        ("Roc Auc Score", "roc_auc"),
        ("mean column-wise ROC AUC", "roc_auc"),
        ("AUC. Unlike accuracy, it needs no threshold.", "roc_auc"),
        ("This competition is evaluated on the categorization accuracy of your predictions", "accuracy"),
        ("CategorizationAccuracy", "accuracy"),
        ("MeanFScore, which at Kaggle is actually a micro-averaged F1-score", "accuracy"),
        ("quadratic weighted kappa; accuracy is not enough", None),
        ("balanced accuracy", None),
        ("macro F1 score", None),
        ("weighted AUC", None),
        ("Mean Average Precision @ 5", None),
        ("the procedure of the rocket", None),
        ("", None),
    ],
)
def test_recognise(text, name):
    assert metrics.recognise(text) == name
