"""The training step, its loop, resume, recalibration of batch norm, and prediction.

One explicit step under `strategy.run`: one device and several are one path. What defines a run's course is in `Plan`, frozen before the
first step; the position is the optimizer's step count; draws depend on (seed, epoch, row) alone. So a checkpoint is the variables of
the model and of the optimizer (with its moving averages), and a killed run continues as if it had not been killed.
"""

import contextlib
import io
import json
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from clf import config, paths


@dataclass(frozen=True)
class Plan:
    """What a fold's training will do. Rates are per picture seen at the peak of the schedule; `ema` is a share of all steps."""

    steps: int
    steps_per_epoch: int
    batch_size: int
    side: int  # px that the network sees
    optimizer: str
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    ema: float
    seed: int
    seconds: float = 0.0  # that the steps are expected to take, where a budget decided their number


@keras.saving.register_keras_serializable("clf")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Linear up to the peak over `warmup` of the steps, then linear to zero (Smith 2018; the triangle of airbench).

    `steps` may be a variable, so that a compiled step can be measured before its plan is known.
    """

    def __init__(self, peak: float, steps, warmup: float = 0.2):
        self.peak, self.steps, self.warmup = peak, steps, warmup

    def __call__(self, step):
        done = tf.cast(step, tf.float32) / tf.cast(self.steps, tf.float32)
        return self.peak * tf.maximum(0.0, tf.minimum(done / self.warmup, (1 - done) / (1 - self.warmup)))

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps, "warmup": self.warmup}


@keras.saving.register_keras_serializable("clf")
class Muon(keras.optimizers.Optimizer):
    """Muon (Jordan et al. 2024) for convolution kernels, flattened to [inputs, outputs]; SGD with Nesterov for everything else.

    The update of a kernel is its momentum, orthogonalised by three Newton-Schulz steps. `keras.optimizers.Muon` leaves every
    convolution kernel to AdamW. `sgd_ratio` is the rate of the other variables over that of the kernels.
    """

    def __init__(self, learning_rate, momentum=0.9, sgd_ratio=2.0, name="muon", **settings):
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
        if len(variable.shape) == 4:
            fan_in = variable.shape[0] * variable.shape[1] * variable.shape[2]
            stretch = max(1.0, variable.shape[3] / fan_in) ** 0.5
            flat = orthogonalise(tf.reshape(update, (fan_in, variable.shape[3])))
            variable.assign_sub(learning_rate * stretch * tf.reshape(flat, variable.shape))
        else:
            variable.assign_sub(learning_rate * self.sgd_ratio * update)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "sgd_ratio": self.sgd_ratio}


def orthogonalise(matrix: tf.Tensor, steps: int = 3) -> tf.Tensor:
    """[m,n] → nearly the nearest matrix with orthonormal rows or columns: quintic Newton-Schulz steps of Jordan et al. 2024."""
    wide = matrix.shape[0] < matrix.shape[1]
    x = matrix if wide else tf.transpose(matrix)
    x = x / (tf.norm(x) + 1e-7)
    for _ in range(steps):
        gram = tf.matmul(x, x, transpose_b=True)
        x = 3.4445 * x + tf.matmul(-4.7750 * gram + 2.0315 * tf.matmul(gram, gram), x)
    return x if wide else tf.transpose(x)


def _sgd(schedule, **settings):
    return keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, **settings)


OPTIMIZERS: dict[str, Callable] = {"sgd": _sgd, "muon": Muon}


def make_optimizer(plan: Plan, variables: list, steps: tf.Variable, memory: tf.Variable) -> keras.optimizers.Optimizer:
    """The plan's optimizer, built; with loss scaling where the policy computes in float16.

    `steps` (of the schedule) and `memory` (share of the moving average that a step keeps) are variables: `Learner.follow` sets them.
    """
    averaging = {"use_ema": True} if plan.ema else {}
    schedule = OneCycle(plan.learning_rate * plan.batch_size / 128, steps)
    optimizer = config.choose(OPTIMIZERS, plan.optimizer, "optimizer")(schedule, weight_decay=plan.weight_decay, **averaging)
    optimizer.ema_momentum = memory
    optimizer.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) < 2])
    if keras.mixed_precision.dtype_policy().compute_dtype == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer


def loss_of(targets: tf.Tensor, logits: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """Cross-entropy per picture, float32 [B], with label smoothing (Szegedy et al. 2016)."""
    classes = tf.cast(tf.shape(targets)[1], tf.float32)
    smooth = targets * (1 - label_smoothing) + label_smoothing / classes
    return tf.nn.softmax_cross_entropy_with_logits(smooth, logits)


class Learner:
    """A model, its optimizer and the compiled step: what a checkpoint holds."""

    def __init__(self, model: keras.Model, plan: Plan, mix: Callable | None, strategy: tf.distribute.Strategy):
        self.model, self.mix, self.strategy = model, mix, strategy
        with strategy.scope():
            self.steps, self.memory = tf.Variable(1), tf.Variable(0.0)
            self.optimizer = make_optimizer(plan, model.trainable_variables, self.steps, self.memory)
        self.step = tf.function(self._step)
        self.follow(plan)

    def follow(self, plan: Plan) -> None:
        """Takes a plan that differs in its number of steps only, without compiling again."""
        self.plan = plan
        self.steps.assign(plan.steps)
        # The average remembers `ema` of all steps: each step keeps 1 - 1/(ema · steps) of it.
        self.memory.assign(1 - 1 / max(1.0, plan.ema * plan.steps))

    def _step(self, images: tf.Tensor, targets: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """One step on every replica's part of a global batch; returns the mean loss, float32 []."""
        return self.strategy.reduce("sum", self.strategy.run(self._replica_step, (images, targets)), axis=None)

    def _replica_step(self, images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        images = tf.cast(images, tf.float32)
        if self.mix:
            # Stateless: the step's number and the seed give the draw, so a resumed run mixes alike.
            number = tf.cast(self.optimizer.iterations.value, tf.int32)
            images, targets = self.mix(images, targets, tf.stack([self.plan.seed, number]))
        with tf.GradientTape() as tape:
            logits = self.model(images, training=True)
            # Gradients are summed over replicas: divide by the global batch.
            loss = tf.reduce_sum(loss_of(targets, logits, self.plan.label_smoothing)) / self.plan.batch_size
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, [variable.value for variable in self.model.trainable_variables])
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return loss

    def variables(self) -> list:
        return [*self.model.variables, *self.optimizer.variables]

    def state(self) -> list[np.ndarray]:
        return [np.array(variable) for variable in self.variables()]

    def restore(self, state: list[np.ndarray]) -> None:
        for variable, value in zip(self.variables(), state, strict=True):
            variable.assign(value)

    def take_average(self) -> None:
        """Puts the moving average of the weights in their place."""
        inner = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        inner.finalize_variable_values(self.model.trainable_variables)


CURVE_POINTS = 8  # validations during a training, at the most
FRESH = {"done": 0, "loss": 0.0, "steps": 0, "seconds": 0.0, "history": []}  # loss, steps and seconds are of the epoch so far


def save(learner: Learner, path, totals: dict) -> None:
    """A checkpoint: every variable, and `totals` (the position in the stream, and what the history needs)."""
    buffer = io.BytesIO()
    state = {f"v{number}": value for number, value in enumerate(learner.state())}
    np.savez(buffer, totals=json.dumps(totals), **state)
    paths.write_bytes(path, buffer.getvalue())


def resume(learner: Learner, path) -> dict:
    """Restores a checkpoint and returns its totals; without one, those of a fresh start."""
    if not path.exists():
        return dict(FRESH)
    with np.load(path) as stored:
        learner.restore([stored[f"v{number}"] for number in range(len(stored.files) - 1)])
        return json.loads(str(stored["totals"]))


def fit(learner: Learner, batches: Callable, fold: paths.Fold, validate: Callable, report: Callable, seconds_between: float = 30.0) -> None:
    """Trains to the plan's last step, from the fold's checkpoint where there is one.

    `batches(start)` gives the stream from batch `start`; `validate()` → dict, called at some epochs' ends; `report(line)` gets each
    epoch's line, which also goes to the screen and to `history.jsonl`. A checkpoint is written every `seconds_between`, on Ctrl-C, and
    at the end.
    """
    plan = learner.plan
    totals = resume(learner, fold.checkpoint)
    epochs = -(-plan.steps // plan.steps_per_epoch)
    every = -(-epochs // CURVE_POINTS)
    stream = iter(learner.strategy.experimental_distribute_dataset(batches(totals["done"])))
    bar = config.progress(total=plan.steps, initial=totals["done"], desc=f"training {fold.folder.name}", unit="step")
    losses, began = [], time.monotonic()
    saved = began

    def count() -> None:
        """Adds what was done since the last call to the totals."""
        nonlocal losses, began
        now = time.monotonic()
        sums = {"done": len(losses), "loss": float(sum(losses)), "steps": len(losses), "seconds": now - began}
        totals.update({name: totals[name] + value for name, value in sums.items()})
        losses, began = [], now

    with ctrl_c() as stop, bar:
        for number in range(totals["done"] + 1, plan.steps + 1):
            losses.append(learner.step(*next(stream)))
            bar.update()
            if number % plan.steps_per_epoch == 0 or number == plan.steps:
                count()
                epoch = -(-number // plan.steps_per_epoch)
                line = {"epoch": epoch, "step": number, "loss": totals["loss"] / totals["steps"]}
                line |= {"images_per_second": totals["steps"] * plan.batch_size / totals["seconds"]}
                line |= validate() if epoch % every == 0 or epoch == epochs else {}
                line |= {"learning_rate": float(learner.optimizer.learning_rate)}
                left = (plan.steps - number) * totals["seconds"] / totals["steps"]
                totals = FRESH | {"done": number, "history": [*totals["history"], line]}
                paths.write_text(fold.history, "".join(json.dumps(entry) + "\n" for entry in totals["history"]))
                bar.clear()
                print(epoch_line(line, epochs, left), flush=True)
                report(line)
                began = time.monotonic()
            if number == plan.steps or stop.is_set() or time.monotonic() - saved > seconds_between:
                count()
                save(learner, fold.checkpoint, totals)
                saved = time.monotonic()
            if stop.is_set():
                raise KeyboardInterrupt


@contextlib.contextmanager
def ctrl_c():
    """An event that Ctrl-C sets, so that a step is never cut in two; a second Ctrl-C stops at once."""
    stop = threading.Event()

    def asked(number, frame):
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, asked)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def epoch_line(line: dict, epochs: int, left: float) -> str:
    valid = "".join(f"  {name} {line[name]:.4f}" for name in line if name.startswith("valid_"))
    return (
        f"epoch {line['epoch']:3d}/{epochs}  loss {line['loss']:.4f}{valid}  lr {line['learning_rate']:.4f}"
        f"  {line['images_per_second']:.0f} pictures/s  {left:.0f} s left"
    )


def recalibrate(model: keras.Model, batches: tf.data.Dataset) -> None:
    """Batch-norm statistics of the weights as they are: the plain mean over the batches of each batch's mean and variance.

    After averaging the weights, or after very short schedules, the running statistics belong to other weights (Izmailov et al. 2018).
    """
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0  # after a forward pass the moving statistics are the batch's own; read when the function below is traced

    @tf.function
    def forward(images):
        model(tf.cast(images, tf.float32), training=True)

    sums = [0.0] * (2 * len(norms))
    count = 0
    for images, _, _ in batches:
        forward(images)
        for number, layer in enumerate(norms):
            sums[2 * number] += layer.moving_mean.numpy()
            sums[2 * number + 1] += layer.moving_variance.numpy()
        count += 1
    for number, layer in enumerate(norms):
        layer.moving_mean.assign(sums[2 * number] / count)
        layer.moving_variance.assign(sums[2 * number + 1] / count)
        layer.momentum = momenta[number]


def upright(images: tf.Tensor) -> tf.Tensor:
    return images


def mirrored(images: tf.Tensor) -> tf.Tensor:
    return tf.reverse(images, [2])


VIEWS: dict[str, tuple[Callable, ...]] = {"one": (upright,), "mirror": (upright, mirrored)}


class Predictor:
    """The compiled forward pass with test-time views: probabilities are the mean over the views'."""

    def __init__(self, model: keras.Model, views: str):
        self.model, self.views = model, config.choose(VIEWS, views, "views")
        self.forward = tf.function(self._forward)

    def _forward(self, images: tf.Tensor) -> tf.Tensor:
        images = tf.cast(images, tf.float32)
        return tf.add_n([tf.nn.softmax(self.model(view(images), training=False)) for view in self.views]) / len(self.views)

    def __call__(self, batches: tf.data.Dataset, rows: np.ndarray, describe: str = "") -> np.ndarray:
        """float32 [len(rows),K], entry i for rows[i]: placed by the row number that came with each batch."""
        place = {row: position for position, row in enumerate(rows.tolist())}
        out = np.full((len(rows), self.model.output_shape[-1]), np.nan, np.float32)
        bar = config.progress(total=len(rows), desc=describe or "predicting", unit="picture")
        for images, _, numbers in batches:
            numbers = numbers.numpy()
            real = numbers >= 0
            out[[place[row] for row in numbers[real].tolist()]] = self.forward(images).numpy()[real]
            bar.update(int(real.sum()))
        bar.close()
        if np.isnan(out).any():
            raise RuntimeError("the predictions are not numbers, or rows are missing: the training diverged (lower learning_rate=)")
        return out
