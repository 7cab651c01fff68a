"""What the logits mean, and what training minimises, by the kind of question.

`targets` float32 [B,K]: one-hot or a mixture of classes (binary, multiclass, ordinal), shares that sum to 1 (soft), 0..1 for each label
(multilabel), or the values, where 0 is the problem's lowest and 1 its highest (regression). `logits` [B,L] with L = `outputs(kind, K)`.
A loss is `loss(targets, logits, label_smoothing) -> float32 [B]`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from keras import ops

from clf import config, targets
from clf.config import Mistake
from clf.problem import SINGLE, Problem


@dataclass(frozen=True)
class Kind:
    outputs: Callable[[int], int]  # classes → logits
    predictions: Callable[[tf.Tensor, Problem], tf.Tensor]  # logits [B,L] → [B,K]; of Keras's operations, so that an export can hold it
    loss: str  # unless another one is asked for; a key of LOSSES


def ordinal_probabilities(logits: tf.Tensor) -> tf.Tensor:
    """[B,K-1] → [B,K]. Logit k asks whether the class is above k (Frank and Hall 2001; CORAL, Cao et al. 2020).

    The answers are made monotone (each at most the one before), so that their differences are probabilities.
    """
    above = [logits[:, :1]]
    for number in range(1, logits.shape[1]):
        above.append(ops.minimum(above[-1], logits[:, number : number + 1]))
    share = ops.sigmoid(ops.concatenate(above, axis=1))
    lowest = ops.sigmoid(-logits[:, :1])  # 1 - share[:, :1], without its rounding
    return ops.concatenate([lowest, share[:, :-1] - share[:, 1:], share[:, -1:]], axis=1)


def values(logits: tf.Tensor, question: Problem) -> tf.Tensor:
    """[B,K] → [B,K] in the competition's own unit, between the lowest and the highest of the training rows."""
    low, high = targets.ranges(question)
    share = ops.sigmoid(logits)
    return ops.add(ops.multiply(ops.subtract(1.0, share), low), ops.multiply(share, high))  # both ends without rounding


KINDS: dict[str, Kind] = {
    "binary": Kind(lambda classes: classes, lambda logits, question: ops.softmax(logits), "cross_entropy"),
    "multiclass": Kind(lambda classes: classes, lambda logits, question: ops.softmax(logits), "cross_entropy"),
    "ordinal": Kind(lambda classes: classes - 1, lambda logits, question: ordinal_probabilities(logits), "ordinal"),
    "multilabel": Kind(lambda classes: classes, lambda logits, question: ops.sigmoid(logits), "binary_cross_entropy"),
    "soft": Kind(lambda classes: classes, lambda logits, question: ops.softmax(logits), "cross_entropy"),
    "regression": Kind(lambda classes: classes, values, "binary_cross_entropy"),
}


def outputs(kind: str, classes: int) -> int:
    """Number of logits. Raises Mistake for an unknown kind."""
    return config.choose(KINDS, kind, "kind").outputs(classes)


def probabilities(question: Problem, logits: tf.Tensor) -> tf.Tensor:
    """Logits [B,L] → float32 [B,K] in the order of the problem's classes; for regression the values. Raises Mistake for an unknown kind."""
    return config.choose(KINDS, question.kind, "kind").predictions(ops.cast(logits, "float32"), question)


def default(kind: str) -> str:
    """The name of the kind's loss. Raises Mistake for an unknown kind."""
    return config.choose(KINDS, kind, "kind").loss


# -- losses ----------------------------------------------------------------------------------------------------------------------------


def _over_classes(targets: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """Spreads a share of each target over all classes (Szegedy et al. 2016)."""
    return targets * (1 - label_smoothing) + label_smoothing / tf.cast(tf.shape(targets)[1], tf.float32)


def cross_entropy(targets: tf.Tensor, logits: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    return tf.nn.softmax_cross_entropy_with_logits(_over_classes(targets, label_smoothing), logits)


def focal(targets: tf.Tensor, logits: tf.Tensor, label_smoothing: float, gamma: float = 2.0) -> tf.Tensor:
    """Cross-entropy, each class's share times (1 - its probability)^gamma: sure answers count little (Lin et al. 2017)."""
    logs = tf.nn.log_softmax(logits)
    return -tf.reduce_sum(_over_classes(targets, label_smoothing) * (1 - tf.exp(logs)) ** gamma * logs, axis=1)


def binary_cross_entropy(targets: tf.Tensor, logits: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """Each label, or each value's place in its range, as a question of its own; mean over them, so that it does not grow with their number.

    Its least expected value is at the targets' mean, as the squared error's is, but no gradient is larger than a class's: one rate serves
    both. `label_smoothing` is not read: spread over two answers it would hold the probability of a rare label above its half.
    """
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits), axis=1)


def binary_focal(targets: tf.Tensor, logits: tf.Tensor, label_smoothing: float, gamma: float = 2.0) -> tf.Tensor:
    """The focal loss of each label, mean over the labels (Lin et al. 2017). `label_smoothing` is not read."""
    present = targets * tf.sigmoid(-logits) ** gamma * tf.nn.softplus(-logits)
    absent = (1 - targets) * tf.sigmoid(logits) ** gamma * tf.nn.softplus(logits)
    return tf.reduce_mean(present + absent, axis=1)


def ordinal(targets: tf.Tensor, logits: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """Binary cross-entropy of the K-1 questions whether the class is above k, summed (Cao et al. 2020).

    The answers wanted are the targets' cumulative sums, so mixtures of classes work.
    """
    above = tf.cumsum(_over_classes(targets, label_smoothing), axis=1, exclusive=True, reverse=True)[:, :-1]
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(above, logits), axis=1)


def mean_squared_error(targets: tf.Tensor, logits: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """A value has no classes to spread a target over: `label_smoothing` is not read."""
    return tf.reduce_mean(tf.square(targets - tf.sigmoid(logits)), axis=1)


def huber(targets: tf.Tensor, logits: tf.Tensor, label_smoothing: float, delta: float = 0.1) -> tf.Tensor:
    """Half the square of errors up to `delta`, a tenth of the range of values, linear beyond (Huber 1964). `label_smoothing` is not read."""
    error = tf.abs(targets - tf.sigmoid(logits))
    near = tf.minimum(error, delta)
    return tf.reduce_mean(0.5 * tf.square(near) + delta * (error - near), axis=1)


def as_they_are(loss: Callable) -> Callable:
    """The loss of targets that are shares already: spread any further they would be other shares. `label_smoothing` is not read."""
    return lambda targets, logits, label_smoothing: loss(targets, logits, 0.0)


# Name → kind that it is for → loss.
LOSSES: dict[str, dict[str, Callable]] = {
    "cross_entropy": {"binary": cross_entropy, "multiclass": cross_entropy, "soft": as_they_are(cross_entropy)},
    "focal": {"binary": focal, "multiclass": focal, "soft": as_they_are(focal), "multilabel": binary_focal},
    "binary_cross_entropy": {"multilabel": binary_cross_entropy, "regression": binary_cross_entropy},
    "ordinal": {"ordinal": ordinal},
    "mean_squared_error": {"regression": mean_squared_error},
    "huber": {"regression": huber},
}


# -- balance: a loss of (targets, logits) and the classes' frequencies → a loss of (targets, logits) ------------------------------------


def unchanged(loss: Callable, prior: np.ndarray | None) -> Callable:
    return loss


def weighted(loss: Callable, prior: np.ndarray) -> Callable:
    """Each picture's loss times the weight of its class, 1 / frequency, scaled to a mean of 1 over the pictures."""
    frequency = _frequency(prior)
    weights = 1 / frequency
    weights = (weights / (weights * prior / prior.sum()).sum()).astype(np.float32)
    return lambda targets, logits: loss(targets, logits) * tf.linalg.matvec(targets, weights)


def adjusted(loss: Callable, prior: np.ndarray, tau: float = 1.0) -> Callable:
    """Adds tau · log frequency to the logits, in training only: those of prediction then suit classes that are equally frequent
    (Menon et al. 2021)."""
    shift = (tau * np.log(_frequency(prior))).astype(np.float32)
    return lambda targets, logits: loss(targets, logits + shift)


def _frequency(prior: np.ndarray) -> np.ndarray:
    """Shares of the classes; one that no training row has counts as the rarest of the others, lest its weight be infinite."""
    return np.maximum(prior, prior[prior > 0].min()) / prior.sum()


# Balanced sampling is the loader's: the loss stays, and each picture needs a class to be drawn by. Weights and adjusted logits want
# classes, or shares of them, that sum to 1.
BALANCES: dict[str, dict[str, Callable]] = {
    "none": dict.fromkeys(KINDS, unchanged),
    "sampling": dict.fromkeys(SINGLE, unchanged),
    "weights": dict.fromkeys((*SINGLE, "soft"), weighted),
    "logits": dict.fromkeys(("binary", "multiclass", "soft"), adjusted),
}


def build(name: str, kind: str, label_smoothing: float, balance: str, prior: np.ndarray | None = None) -> Callable:
    """`(targets [B,K], logits [B,L]) -> float32 [B]`, the loss of each picture; `auto` names the kind's own.

    `prior` is the share of each class among the training rows, float [K]; only `balance` weights and logits read it. Raises Mistake for
    unknown names, and for a loss or a balance that is not for the kind.
    """
    loss = _for_kind(LOSSES, default(kind) if name == "auto" else name, kind, "loss")
    balanced = _for_kind(BALANCES, balance, kind, "balance")(lambda targets, logits: loss(targets, logits, label_smoothing), prior)
    return lambda targets, logits: balanced(tf.cast(targets, tf.float32), tf.cast(logits, tf.float32))


def _for_kind(table: dict[str, dict[str, Callable]], name: str, kind: str, what: str) -> Callable:
    entry = config.choose(table, name, what)
    config.choose(KINDS, kind, "kind")
    if kind not in entry:
        fitting = [known for known, kinds in table.items() if kind in kinds]
        raise Mistake(f"{what}={name} does not suit {kind} problems. Those that do: {', '.join(fitting)}")
    return entry[kind]
