"""Losses and probabilities against plain NumPy, at the extremes, and for every kind of question."""

from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf

from clf import losses
from clf.config import Mistake


@dataclass(frozen=True)
class Question:
    """What probabilities depend on."""

    kind: str
    lowest: tuple[str, ...] = ("-1", "0", "10", "0.5")
    highest: tuple[str, ...] = ("1", "100", "30", "0.5")
    classes: tuple[str, ...] = ("a", "b", "c", "d")


ROWS, CLASSES = 6, 4
FOR_KIND = [(name, kind) for name, kinds in losses.LOSSES.items() for kind in kinds]


def random_targets(kind: str, classes: int = CLASSES, seed: int = 0) -> np.ndarray:
    """Mixtures of two classes, as mixing pictures makes them; shares; labels; or values."""
    rng = np.random.default_rng(seed)
    if kind == "regression":
        return rng.random((ROWS, classes)).astype(np.float32)
    if kind == "soft":
        return rng.dirichlet(np.ones(classes), ROWS).astype(np.float32)
    if kind == "multilabel":
        return rng.integers(0, 2, (ROWS, classes)).astype(np.float32)
    first, second = (np.eye(classes)[rng.integers(0, classes, ROWS)] for _ in range(2))
    return (0.7 * first + 0.3 * second).astype(np.float32)


def random_logits(kind: str, classes: int = CLASSES, seed: int = 1) -> np.ndarray:
    return (3 * np.random.default_rng(seed).normal(size=(ROWS, losses.outputs(kind, classes)))).astype(np.float32)


def log_softmax(logits):
    logits = logits.astype(np.float64)
    top = logits.max(1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True))


def log_sigmoid(logits):
    return -np.logaddexp(0, -logits.astype(np.float64))


def over_classes(targets, smoothing):
    return (1 - smoothing) * targets + smoothing / targets.shape[1]


def cross_entropy(targets, logits, smoothing):
    return -(over_classes(targets, smoothing) * log_softmax(logits)).sum(1)


def focal(targets, logits, smoothing):
    logs = log_softmax(logits)
    return -(over_classes(targets, smoothing) * (1 - np.exp(logs)) ** 2 * logs).sum(1)


def binary_cross_entropy(targets, logits, smoothing):
    return -(targets * log_sigmoid(logits) + (1 - targets) * log_sigmoid(-logits)).mean(1)


def binary_focal(targets, logits, smoothing):
    probability = np.exp(log_sigmoid(logits))
    present, absent = (1 - probability) ** 2 * log_sigmoid(logits), probability**2 * log_sigmoid(-logits)
    return -(targets * present + (1 - targets) * absent).mean(1)


def ordinal(targets, logits, smoothing):
    smooth = over_classes(targets, smoothing)
    above = np.stack([smooth[:, k + 1 :].sum(1) for k in range(targets.shape[1] - 1)], axis=1)
    return -(above * log_sigmoid(logits) + (1 - above) * log_sigmoid(-logits)).sum(1)


def mean_squared_error(targets, logits, smoothing):
    return ((targets.astype(np.float64) - np.exp(log_sigmoid(logits))) ** 2).mean(1)


def huber(targets, logits, smoothing):
    error = np.abs(targets.astype(np.float64) - np.exp(log_sigmoid(logits)))
    return np.where(error <= 0.1, error**2 / 2, 0.1 * (error - 0.05)).mean(1)


NUMPY = {
    **{("cross_entropy", kind): cross_entropy for kind in ("binary", "multiclass")},
    **{("focal", kind): focal for kind in ("binary", "multiclass")},
    ("cross_entropy", "soft"): lambda targets, logits, smoothing: cross_entropy(targets, logits, 0),
    ("focal", "soft"): lambda targets, logits, smoothing: focal(targets, logits, 0),
    ("focal", "multilabel"): binary_focal,
    **{("binary_cross_entropy", kind): binary_cross_entropy for kind in ("multilabel", "regression")},
    ("ordinal", "ordinal"): ordinal,
    ("mean_squared_error", "regression"): mean_squared_error,
    ("huber", "regression"): huber,
}


# -- probabilities ---------------------------------------------------------------------------------------------------------------------


def test_softmax_and_sigmoid():
    logits = random_logits("multiclass")
    for kind in ("binary", "multiclass", "soft"):
        np.testing.assert_allclose(losses.probabilities(Question(kind), logits), np.exp(log_softmax(logits)), rtol=1e-5)
    found = losses.probabilities(Question("multilabel"), logits)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits.astype(np.float64))), rtol=1e-5)


def test_values_lie_between_the_lowest_and_the_highest():
    """One that is everywhere 0.5 may be up to 1.5."""
    found = losses.probabilities(Question("regression"), [[-90, -90, -90, -90], [0, 0, np.log(3), 0], [90, 90, 90, 90], [-90, 90, 90, -90]])
    np.testing.assert_allclose(found, [[-1, 0, 10, 0.5], [0, 50, 25, 1], [1, 100, 30, 1.5], [-1, 100, 30, 0.5]], rtol=1e-6)


def test_ordinal_probabilities_by_hand():
    """Logits of 3/4, 1/2, 1/5; then one whose second answer contradicts the first and is lowered to it."""
    logits = np.log([[3.0, 1.0, 0.25], [1.0, 3.0, 1 / 3]]).astype(np.float32)
    found = losses.probabilities(Question("ordinal"), logits).numpy()
    np.testing.assert_allclose(found, [[0.25, 0.25, 0.3, 0.2], [0.5, 0.0, 0.25, 0.25]], atol=1e-6)
    np.testing.assert_allclose(losses.probabilities(Question("ordinal"), [[np.log(4.0)]]), [[0.2, 0.8]], rtol=1e-6)


@pytest.mark.parametrize("kind", losses.KINDS)
def test_probabilities_of_every_kind_are_float32_and_finite(kind):
    """Half-precision logits too. With one class for each picture they sum to one."""
    for scale, dtype in ((1, tf.float16), (1, tf.float32), (3e3, tf.float32)):
        found = losses.probabilities(Question(kind), tf.cast(scale * random_logits(kind), dtype))
        assert found.dtype == tf.float32
        assert found.shape == (ROWS, CLASSES)
        assert np.isfinite(found).all()
        if kind != "regression":
            assert found.numpy().min() >= 0
        if kind in ("binary", "multiclass", "ordinal", "soft"):
            np.testing.assert_allclose(found.numpy().sum(1), 1, atol=1e-6)


def test_numbers_of_logits():
    assert {kind: losses.outputs(kind, 5) for kind in losses.KINDS} == {
        "binary": 5,
        "multiclass": 5,
        "ordinal": 4,
        "multilabel": 5,
        "soft": 5,
        "regression": 5,
    }


# -- losses ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("name", "kind"), FOR_KIND)
def test_every_loss_against_numpy(name, kind, smoothing):
    targets, logits = random_targets(kind), random_logits(kind)
    found = losses.build(name, kind, smoothing, "none")(targets, logits)
    assert found.dtype == tf.float32
    assert found.shape == (ROWS,)
    np.testing.assert_allclose(found, NUMPY[name, kind](targets, logits, smoothing), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("name", "kind"), FOR_KIND)
def test_every_loss_and_its_gradient_are_finite_at_the_extremes(name, kind, smoothing):
    signs = np.random.default_rng(2).choice([-1.0, 0.0, 1.0], (ROWS, losses.outputs(kind, CLASSES)))
    logits = tf.Variable(1e4 * signs, dtype=tf.float32)
    targets = random_targets(kind)
    with tf.GradientTape() as tape:
        found = losses.build(name, kind, smoothing, "none")(targets, logits)
    np.testing.assert_allclose(found, NUMPY[name, kind](targets, logits.numpy(), smoothing), rtol=1e-5)
    assert np.isfinite(tape.gradient(found, logits)).all()


@pytest.mark.parametrize(
    ("name", "kind", "balance"), [(*pair, balance) for pair in FOR_KIND for balance, kinds in losses.BALANCES.items() if pair[1] in kinds]
)
def test_every_loss_falls_along_its_gradient(name, kind, balance):
    """With every balance that is for the kind."""
    loss = losses.build(name, kind, 0.05, balance, np.array([0.4, 0.3, 0.2, 0.1]))
    logits, targets = tf.Variable(random_logits(kind)), random_targets(kind)
    course = []
    for _ in range(5):
        with tf.GradientTape() as tape:
            found = tf.reduce_sum(loss(targets, logits))
        course.append(float(found))
        logits.assign_sub(0.05 * tape.gradient(found, logits))
    assert (np.diff(course) < 0).all()


def test_smoothing_by_hand():
    """At logits of 0 and log 3 the classes have 1/4 and 3/4; a fifth of the target is spread over both."""
    targets, logits = [[0.0, 1.0]], [[0.0, np.log(3.0)]]
    found = losses.build("cross_entropy", "binary", 0.2, "none")(targets, logits)
    np.testing.assert_allclose(found, [-0.1 * np.log(0.25) - 0.9 * np.log(0.75)], rtol=1e-6)
    # Two questions, at 1/2 and 3/4, are not smoothed: a rare label's probability could not fall below a tenth.
    found = losses.build("binary_cross_entropy", "multilabel", 0.2, "none")(targets, logits)
    np.testing.assert_allclose(found, [(np.log(2.0) - np.log(0.75)) / 2], rtol=1e-6)
    # One question, at 3/4: the classes above the first have 0.9 of the target.
    found = losses.build("ordinal", "ordinal", 0.2, "none")(targets, [[np.log(3.0)]])
    np.testing.assert_allclose(found, [-0.9 * np.log(0.75) - 0.1 * np.log(0.25)], rtol=1e-6)


def test_sure_answers_count_little_in_the_focal_loss():
    targets, logits = [[0.0, 1.0]], [[0.0, np.log(3.0)]]
    found = losses.build("focal", "binary", 0.0, "none")(targets, logits)
    np.testing.assert_allclose(found, [-np.log(0.75) / 16], rtol=1e-6)


@pytest.mark.parametrize("kind", losses.KINDS)
def test_every_kind_has_a_loss_of_its_own(kind):
    assert kind in losses.LOSSES[losses.default(kind)]
    targets, logits = random_targets(kind), random_logits(kind)
    found, named = (losses.build(name, kind, 0.1, "none")(targets, logits) for name in ("auto", losses.default(kind)))
    np.testing.assert_array_equal(found, named)


# -- balance ---------------------------------------------------------------------------------------------------------------------------


def test_class_weights_by_hand():
    """Frequencies of 1/2 and 1/4, 1/4: weights of 2/3 and 4/3, whose mean over the rows is one. A mixture has the mean of its classes'."""
    prior = np.array([0.5, 0.25, 0.25])
    targets = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0, 0.5]], np.float32)
    logits = np.random.default_rng(0).normal(size=(4, 3))
    plain = losses.build("cross_entropy", "multiclass", 0.1, "none")(targets, logits).numpy()
    for scale in (1, 100):  # counts do as well
        found = losses.build("cross_entropy", "multiclass", 0.1, "weights", scale * prior)(targets, logits)
        np.testing.assert_allclose(found, plain * np.array([2 / 3, 4 / 3, 4 / 3, 1]), rtol=1e-5)
    cumulative = losses.build("ordinal", "ordinal", 0.1, "none")(targets, logits[:, :2]).numpy()
    found = losses.build("ordinal", "ordinal", 0.1, "weights", prior)(targets, logits[:, :2])
    np.testing.assert_allclose(found, cumulative * np.array([2 / 3, 4 / 3, 4 / 3, 1]), rtol=1e-5)


def test_logit_adjustment_by_hand():
    """Logits of zero have the prior's probabilities in training."""
    prior = np.array([0.5, 0.3, 0.2])
    found = losses.build("cross_entropy", "multiclass", 0.0, "logits", prior)(np.eye(3), np.zeros((3, 3)))
    np.testing.assert_allclose(found, -np.log(prior), rtol=1e-6)


@pytest.mark.parametrize("balance", ["weights", "logits"])
def test_a_class_without_rows_counts_as_the_rarest(balance):
    targets, logits = random_targets("multiclass", 3), random_logits("multiclass", 3)
    found = losses.build("cross_entropy", "multiclass", 0.1, balance, np.array([0.8, 0.2, 0.0]))(targets, logits).numpy()
    assert np.isfinite(found).all()
    if balance == "logits":
        by_hand = losses.build("cross_entropy", "multiclass", 0.1, "none")(targets, logits + np.log([0.8, 0.2, 0.2])).numpy()
    else:
        plain = losses.build("cross_entropy", "multiclass", 0.1, "none")(targets, logits).numpy()
        by_hand = plain * (targets @ [0.625, 2.5, 2.5])  # 0.8 · 0.625 + 0.2 · 2.5 = 1
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)


def test_balanced_sampling_leaves_the_loss_alone():
    targets, logits = random_targets("multiclass"), random_logits("multiclass")
    none, sampling = (losses.build("auto", "multiclass", 0.1, balance)(targets, logits) for balance in ("none", "sampling"))
    np.testing.assert_array_equal(none, sampling)


# -- names -----------------------------------------------------------------------------------------------------------------------------


def test_a_loss_of_ones_own(monkeypatch):
    def absolute(targets, logits, label_smoothing):
        return tf.reduce_mean(tf.abs(targets - logits), axis=1)

    monkeypatch.setitem(losses.LOSSES, "absolute", {"regression": absolute})
    np.testing.assert_allclose(losses.build("absolute", "regression", 0.0, "none")([[1.0], [2.0]], [[3.0], [1.5]]), [2.0, 0.5])
    with pytest.raises(Mistake, match="mean_squared_error, huber, absolute"):
        losses.build("cross_entropy", "regression", 0.0, "none")


def test_what_is_not_for_the_kind_stops():
    with pytest.raises(Mistake, match=r"loss=cross_entropy does not suit multilabel problems\. Those that do: focal, binary_cross_entropy$"):
        losses.build("cross_entropy", "multilabel", 0.0, "none")
    with pytest.raises(Mistake, match=r"balance=weights does not suit regression problems\. Those that do: none$"):
        losses.build("auto", "regression", 0.0, "weights", np.ones(1))
    with pytest.raises(Mistake, match=r"balance=sampling does not suit soft problems\. Those that do: none, weights, logits$"):
        losses.build("auto", "soft", 0.0, "sampling", np.ones(3))
    with pytest.raises(Mistake, match=r"balance=logits does not suit ordinal problems\. Those that do: none, sampling, weights$"):
        losses.build("auto", "ordinal", 0.0, "logits", np.ones(3))


def test_unknown_names_stop():
    with pytest.raises(Mistake, match=r"unknown loss 'crossentropy'.*cross_entropy"):
        losses.build("crossentropy", "binary", 0.0, "none")
    with pytest.raises(Mistake, match=r"unknown kind 'detection'"):
        losses.build("auto", "detection", 0.0, "none")
    with pytest.raises(Mistake, match=r"unknown balance 'weight'.*weights"):
        losses.build("auto", "binary", 0.0, "weight")
