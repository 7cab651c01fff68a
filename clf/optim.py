"""How a step moves the weights: schedules of the learning rate, optimizers, and the moving average of the weights.

`SCHEDULES` names functions of the share of the steps that are done, `OPTIMIZERS` functions that make a Keras optimizer. `build` adds to
each of them what all have alike: decoupled weight decay, clipping, a rate for each variable, the average, and loss scaling.
"""

import math
from collections.abc import Callable

import keras
import tensorflow as tf

from clf import config

# -- schedules: (share of the steps done, float32 [] in 0..1; share of the steps that warms up) → multiple of the peak, 0..1 -------------


def one_cycle(share: tf.Tensor, warmup: float = 0.2) -> tf.Tensor:
    """Linear up to the peak, then linear to zero (Smith 2018; the triangle of airbench)."""
    return tf.minimum(_rise(share, warmup), (1 - share) / (1 - warmup))


def cosine(share: tf.Tensor, warmup: float = 0.05) -> tf.Tensor:
    """Linear up to the peak, then half a cosine to zero (Loshchilov and Hutter 2017, without restarts)."""
    fallen = tf.maximum(0.0, (share - warmup) / (1 - warmup))
    return tf.minimum(_rise(share, warmup), 0.5 + 0.5 * tf.cos(math.pi * fallen))


def linear(share: tf.Tensor, warmup: float = 0.0) -> tf.Tensor:
    """Linear to zero from the first step on."""
    return one_cycle(share, warmup)


def _rise(share: tf.Tensor, warmup: float) -> tf.Tensor:
    return tf.minimum(1.0, share / warmup) if warmup else tf.ones_like(share)


SCHEDULES: dict[str, Callable] = {"one_cycle": one_cycle, "cosine": cosine, "linear": linear}


@keras.saving.register_keras_serializable("clf")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A named schedule: step number → learning rate, float32 []. Raises Mistake for an unknown name.

    `steps`, the number of all steps, is a variable, so that a compiled step can be measured before its plan is known, and `bend` can change
    it later. So is `scale`, a factor of every rate that may be lowered after a divergence. `warmup=None` takes the schedule's own.
    """

    def __init__(self, peak: float, name: str, steps: int = 1, scale: float = 1.0, warmup: float | None = None, start: int = 0, begun: float = 0.0):
        self.peak, self.name, self.warmup = peak, name, warmup
        self.multiple = config.choose(SCHEDULES, name, "schedule")
        # All float32, exact up to 16 million steps: whole numbers lie in the host's memory, where a step that XLA compiles for a GPU cannot read.
        self.steps, self.start, self.begun = (tf.Variable(float(value), trainable=False) for value in (steps, start, begun))
        # A Keras variable: `build` hangs it on the optimizer, whose variables are what a checkpoint holds.
        self.scale = keras.Variable(scale, dtype="float32", trainable=False, name="scale")

    def bend(self, steps: int, start: int = 0, begun: float = 0.0) -> None:
        """From step `start` on, where the share `begun` of the schedule was over, the rest of it takes until step `steps`."""
        for variable, value in ((self.steps, steps), (self.start, start), (self.begun, begun)):
            variable.assign(float(value))

    def share(self, step) -> tf.Tensor:
        """float32 [] in 0..1, of the schedule that is over before step number `step` (from 0)."""
        steps, start, step = (tf.cast(value, tf.float32) for value in (self.steps, self.start, step))
        return tf.clip_by_value(self.begun + (1 - self.begun) * (step - start) / tf.maximum(steps - start, 1), 0.0, 1.0)

    def __call__(self, step) -> tf.Tensor:
        warmup = {} if self.warmup is None else {"warmup": self.warmup}
        return self.peak * tf.convert_to_tensor(self.scale) * self.multiple(self.share(step), **warmup)

    def get_config(self) -> dict:
        place = {"steps": int(self.steps.numpy()), "start": int(self.start.numpy()), "begun": float(self.begun.numpy())}
        return {"peak": self.peak, "name": self.name, "warmup": self.warmup, "scale": float(self.scale.numpy()), **place}


# -- optimizers ------------------------------------------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("clf")
class Muon(keras.optimizers.Optimizer):
    """Muon (Jordan et al. 2024) for convolution kernels, flattened to [inputs, outputs]; SGD with Nesterov for everything else.

    The update of a kernel is its momentum, orthogonalised by three Newton-Schulz steps. `keras.optimizers.Muon` leaves every
    convolution kernel to AdamW. `sgd_ratio` is the rate of the other variables over that of the kernels.
    """

    def __init__(self, learning_rate, momentum=0.8, sgd_ratio=2.0, name="muon", **settings):
        super().__init__(learning_rate=learning_rate, name=name, **settings)
        self.momentum, self.sgd_ratio = momentum, sgd_ratio

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.momenta = [self.add_variable_from_reference(variable, name="momentum") for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        gradient = tf.cast(gradient, variable.dtype)
        momentum = self.momenta[self._get_variable_index(variable)]
        momentum.assign(self.momentum * momentum + gradient)
        update = gradient + self.momentum * momentum
        # A depthwise kernel [h,w,C,1] is no matrix: its one column has no directions to make equal.
        if len(variable.shape) == 4 and variable.shape[3] > 1:
            fan_in = variable.shape[0] * variable.shape[1] * variable.shape[2]
            stretch = max(1.0, variable.shape[3] / fan_in) ** 0.5
            flat = orthogonalise(tf.reshape(update, (fan_in, variable.shape[3])))
            variable.assign_sub(learning_rate * stretch * tf.reshape(flat, variable.shape))
        else:
            variable.assign_sub(learning_rate * self.sgd_ratio * update)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "sgd_ratio": self.sgd_ratio}


def orthogonalise(matrix: tf.Tensor, steps: int = 3) -> tf.Tensor:
    """[m,n] → nearly the nearest matrix with orthonormal rows or columns: quintic Newton-Schulz steps of Jordan et al. 2024.

    Each step multiplies by a polynomial of the Gram matrix, and such polynomials commute: so the steps are taken on the Gram matrix, which is
    small, and the matrix itself is multiplied once, by the product of them all.
    """
    wide = matrix.shape[0] < matrix.shape[1]
    gram = tf.matmul(matrix, matrix, transpose_a=not wide, transpose_b=wide)
    scale = 1 / (tf.sqrt(tf.linalg.trace(gram)) + 1e-7)  # of the matrix, to the Frobenius norm of 1
    gram *= scale**2
    one = tf.eye(gram.shape[0])
    product = scale * one
    for step in range(steps):
        factor = 3.4445 * one - 4.7750 * gram + 2.0315 * tf.matmul(gram, gram)
        product = tf.matmul(factor, product)
        if step < steps - 1:
            gram = tf.matmul(factor, tf.matmul(gram, factor))
    return tf.matmul(product, matrix) if wide else tf.matmul(matrix, product)


def _sgd(schedule, **settings):
    return keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, **settings)


def _adamw(schedule, **settings):
    """Adam: with the decoupled decay of `build` it is AdamW (Loshchilov and Hutter 2019)."""
    return keras.optimizers.Adam(schedule, beta_1=0.9, beta_2=0.999, **settings)


# `(schedule, **settings of any Keras optimizer) -> Keras optimizer`, without weight decay.
OPTIMIZERS: dict[str, Callable] = {"sgd": _sgd, "adamw": _adamw, "muon": Muon}
PEAKS = {"sgd": 0.1, "adamw": 0.001, "muon": 0.05}  # of the rate, for batches of 128, where a network's own is for another optimizer


def build(
    name: str,
    schedule: Schedule,
    variables: list,
    *,
    weight_decay: float = 0.0,
    clip: float = 0.0,
    rates: list[float] | None = None,
    memory: tf.Variable | None = None,
) -> keras.optimizers.Optimizer:
    """The named optimizer, built for `variables`; with loss scaling where the policy computes in float16.

    A step takes rate · `weight_decay` of each kernel away (not of norms and biases: of rank 0 or 1). `clip` is the largest global norm of
    the gradients, 0: any. `rates` are each variable's multiple of the schedule's rate, None: 1. `memory` is the share of the moving average
    of the weights that a step keeps, None: there is no average. Raises Mistake for an unknown name, ValueError where `rates` do not fit.

    All that a step changes is in `variables` of the result; `schedule.scale` too.
    """
    rates = [1.0] * len(variables) if rates is None else rates
    if len(rates) != len(variables):
        raise ValueError(f"{len(rates)} rates for {len(variables)} variables")
    settings = {"use_ema": True} if memory is not None else {}
    if clip:
        # Keras clips each replica's share of the gradient, before they are summed.
        settings["global_clipnorm"] = clip / tf.distribute.get_strategy().num_replicas_in_sync
    optimizer = config.choose(OPTIMIZERS, name, "optimizer")(schedule, **settings)
    if memory is not None:
        optimizer.ema_momentum = memory  # Keras's own check wants a number in its constructor
    optimizer.scale = schedule.scale
    decays = [weight_decay if len(variable.shape) > 1 else 0.0 for variable in variables]
    _by_variable(optimizer, rates, decays)
    if keras.mixed_precision.dtype_policy().compute_dtype == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer


def _by_variable(optimizer: keras.optimizers.Optimizer, rates: list[float], decays: list[float]) -> None:
    """Gives each variable its own learning rate and decoupled decay, whatever the optimizer; Keras knows one rate for all."""
    update = optimizer.update_step

    def update_step(gradient, variable, learning_rate):
        number = optimizer._get_variable_index(variable)
        if not rates[number]:
            return
        own = tf.cast(learning_rate, variable.dtype) * rates[number]
        if decays[number]:
            variable.assign_sub(variable * decays[number] * own)
        update(gradient, variable, own)

    optimizer.update_step = update_step


# -- the average of the weights --------------------------------------------------------------------------------------------------------


def weights_memory(step: tf.Tensor, steps: tf.Tensor, ema: float, average: float) -> tf.Tensor:
    """The share of the moving average that step number `step` (int, from 0) of `steps` keeps, float32 [].

    With `average` = 0 the average forgets exponentially, with a horizon of `ema` · `steps`; `ema` = 0: at once. Else it is the plain mean
    of the weights after each of the last `average` · `steps` steps, at least one (Izmailov et al. 2018), and `ema` is not read.
    """
    total = tf.cast(steps, tf.float32)
    if not average:
        return 1 - 1 / tf.maximum(1.0, ema * total)
    first = total - tf.maximum(1.0, tf.round(average * total))
    return 1 - 1 / tf.maximum(1.0, tf.cast(step, tf.float32) - first + 1)
