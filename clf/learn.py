"""The training step, its loop, resume, recalibration of batch norm, and prediction.

One explicit step under `strategy.run`: one device and several are one path. What defines a run's course is in `Plan`, frozen before the
first step; the position is the optimizer's step count; draws depend on (seed, epoch, row) alone. So a checkpoint is the variables of
the model and of the optimizer (with its moving averages), and a killed run continues as if it had not been killed.
"""

import contextlib
import dataclasses
import functools
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

MIXED = 0.9  # share of the steps, the first ones, that mix pictures: a network that never saw whole ones is too unsure of itself


@dataclass(frozen=True)
class Plan:
    """What a fold's training will do, where a setting leaves it to the data, the network, the machine or the budget."""

    steps: int
    steps_per_epoch: int
    batch_size: int
    side: int  # px that the network sees
    optimizer: str
    learning_rate: float  # peak, for batches of 128
    seed: int
    precision: str = "float32"  # Keras's policy
    parts: int = 1  # that a batch is computed in
    xla: bool = False
    frozen: int = 0  # first steps, that train the head alone
    width: float = 1.0  # of the network
    views: str = "one"  # of the predictions, see VIEWS
    mix: str = "none"  # of the pictures of a batch, in the first MIXED of the steps
    seconds: float = 0.0  # that the steps and the curve's validations may take, where a budget decides the number of steps; else 0


class Learner:
    """A model, its optimizer and the compiled step: what a checkpoint holds.

    `optimizer` is built for the model's trainable variables; `schedule` is its learning rate's, whose `steps` and `scale` are set here.
    `loss(targets [B,K], logits)` → float32 [B]. `average(step, steps)` → the share of the weights' moving average that a step keeps,
    None where the optimizer has no average. `head` are the variables that the plan's frozen steps train.
    """

    def __init__(
        self,
        model: keras.Model,
        plan: Plan,
        optimizer: keras.optimizers.Optimizer,
        schedule: keras.optimizers.schedules.LearningRateSchedule,
        loss: Callable,
        strategy: tf.distribute.Strategy,
        mix: Callable | None = None,
        average: Callable | None = None,
        head: list | None = None,
    ):
        self.model, self.optimizer, self.schedule, self.loss = model, optimizer, schedule, loss
        self.strategy, self.mix, self.average = strategy, mix, average
        with strategy.scope():
            self.mixed = tf.Variable(0.0, trainable=False)  # first steps, that mix; no int, which a GPU's compiled step cannot read
        self.inner = getattr(optimizer, "inner_optimizer", optimizer)  # inside the loss scaling
        compiled = {"jit_compile": True} if plan.xla else {}
        self.step = tf.function(lambda *batch: self._step(model.trainable_variables, *batch), **compiled)
        self.head_step = tf.function(lambda *batch: self._step(head, *batch), **compiled)
        self.follow(plan)

    def follow(self, plan: Plan) -> None:
        """Takes a plan that differs in its number of steps only, and in whether it mixes at all, without compiling again."""
        self._take(plan)
        self.schedule.bend(plan.steps)

    def bend(self, steps: int, start: int, begun: float) -> None:
        """Changes the number of all steps, see `optim.Schedule.bend`."""
        self._take(dataclasses.replace(self.plan, steps=steps))
        self.schedule.bend(steps, start, begun)

    def _take(self, plan: Plan) -> None:
        self.plan = plan
        self.mixed.assign(MIXED * plan.steps if plan.mix != "none" else 0)

    def _step(self, variables: list, images: tf.Tensor, targets: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """One step on every replica's part of a global batch; returns the mean loss, float32 []."""
        if self.average:
            self.inner.ema_momentum.assign(self.average(self.optimizer.iterations.value, self.schedule.steps))
        return self.strategy.reduce("sum", self.strategy.run(self._replica_step, (variables, images, targets)), axis=None)

    def _replica_step(self, variables: list, images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        if self.mix:
            # Stateless: the step's number and the seed give the draw, so a resumed run mixes alike.
            number = tf.cast(self.optimizer.iterations.value, tf.int32)
            seed, images = tf.stack([self.plan.seed, number]), tf.cast(images, tf.float32)
            images, targets = tf.cond(tf.cast(number, tf.float32) < self.mixed, lambda: self.mix(images, targets, seed), lambda: (images, targets))
        if self.plan.parts == 1:
            loss, gradients = self._gradients(variables, images, targets)
        else:
            loss, gradients = self._accumulated(variables, images, targets)
        replicas = self.strategy.num_replicas_in_sync
        if replicas > 1:
            # Summed here, and each replica hands its share of the sum on to the optimizer, which sums again: so all see the same gradients
            # where they are checked for overflow (Keras asks one replica only) and clipped.
            summed = tf.distribute.get_replica_context().all_reduce("sum", gradients)
            gradients = [gradient / replicas for gradient in summed]
        self.optimizer.apply(gradients, variables)
        return loss

    def _gradients(self, variables: list, images: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """This part's share of the global batch's mean loss, and its (scaled) gradients, which replicas and parts add up."""
        whole = len(variables) == len(self.model.trainable_variables)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            # Where the head alone is trained the body infers: its batch-norm statistics belong to its weights.
            logits = self.model(tf.cast(images, tf.float32), training=whole)
            loss = tf.reduce_sum(self.loss(targets, logits)) / self.plan.batch_size
            scaled = self.optimizer.scale_loss(loss)
        return loss, tape.gradient(scaled, [variable.value for variable in variables], unconnected_gradients="zero")

    def _accumulated(self, variables: list, images: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """As `_gradients`, part by part: each part's activations are gone before the next begins."""
        size = tf.shape(images)[0]

        def add(number, loss, gradients):
            part = slice(size * number // self.plan.parts, size * (number + 1) // self.plan.parts)
            more, found = self._gradients(variables, images[part], targets[part])
            return number + 1, loss + more, [total + gradient for total, gradient in zip(gradients, found, strict=True)]

        zeros = [tf.zeros(variable.shape, variable.dtype) for variable in variables]
        _, loss, gradients = tf.while_loop(
            lambda number, *_: number < self.plan.parts, add, (tf.constant(0), tf.constant(0.0), zeros), parallel_iterations=1
        )
        return loss, gradients

    def take_step(self, number: int, batch: tuple) -> tf.Tensor:
        """Step `number` (from 1) of the plan."""
        return (self.head_step if number <= self.plan.frozen else self.step)(*batch)

    def variables(self) -> list:
        return [*self.model.variables, *self.optimizer.variables]

    def state(self) -> list[np.ndarray]:
        return [np.array(variable) for variable in self.variables()]

    def restore(self, state: list[np.ndarray]) -> None:
        for variable, value in zip(self.variables(), state, strict=True):
            variable.assign(value)

    def take_average(self) -> None:
        """Puts the moving average of the weights in their place, where there is one."""
        if self.average:
            self.inner.finalize_variable_values(self.model.trainable_variables)


CURVE_POINTS = 8  # validations during a training, at the most
RESCUE = 0.25  # of all rates, after a divergence
FRESH = {"loss": 0.0, "steps": 0, "seconds": 0.0}  # of the epoch so far
BEGINNING = {**FRESH, "done": 0, "history": [], "spent": 0.0, "bend": None}  # spent: seconds of all, what `Plan.seconds` limits; bend: the last one
REVISIONS = 50  # of a budget's number of steps, at the most
RECENT = 4  # revisions whose steps tell the present speed


class Diverged(Exception):
    """The loss or a weight is not a number; the text says where."""


def save(learner: Learner, path, totals: dict) -> None:
    """A checkpoint: every variable, and `totals` (the position in the stream, and what the history needs). Raises Diverged instead of
    storing a weight that is not a number."""
    state = learner.state()
    if not all(np.isfinite(value).all() for value in state if value.dtype.kind == "f"):
        raise Diverged(f"step {totals['done']}")
    with paths.writing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, totals=json.dumps(totals), **{f"v{number}": value for number, value in enumerate(state)})


def resume(learner: Learner, path) -> dict:
    """Restores a checkpoint and returns its totals."""
    with np.load(path) as stored:
        learner.restore([stored[f"v{number}"] for number in range(len(stored.files) - 1)])
        totals = json.loads(str(stored["totals"]))
    if totals["bend"]:
        learner.bend(*totals["bend"])
    return totals


def fit(
    learner: Learner,
    batches: Callable,
    fold: paths.Fold,
    validate: Callable,
    report: Callable,
    seconds_between: float = 30.0,
    pause_at: float | None = None,
) -> None:
    """Trains to the plan's last step, from the fold's checkpoint where there is one. Where the plan has `seconds`, the number of steps
    follows the clock (see `Pace`), and `learner.plan` tells it afterwards.

    `batches(start)` gives the stream from batch `start` to as far as the plan may reach; `validate()` → dict, called at some epochs' ends;
    `report(line)` gets each epoch's line, which also goes to the screen and to `history.jsonl`. A checkpoint is written at the start, every
    `seconds_between`, on Ctrl-C, at `pause_at` (time.monotonic; raises config.Paused), and at the end. After a divergence the last
    checkpoint's weights go on at a quarter of the rate, once; then Mistake says what to try.
    """
    plan = learner.plan

    def back() -> dict:
        learner.follow(plan)
        return resume(learner, fold.checkpoint)

    if fold.checkpoint.exists():
        totals = back()
    else:
        totals = dict(BEGINNING)
        save(learner, fold.checkpoint, totals)
    try:
        advance(learner, totals, batches, fold, validate, report, seconds_between, pause_at)
    except Diverged as first:
        totals = back()
        if float(learner.schedule.scale.numpy()) == 1:
            learner.schedule.scale.assign(RESCUE)
            print(f"diverged by {first}: back to step {totals['done']}, and on at {RESCUE:g} of the rate")
            try:
                return advance(learner, totals, batches, fold, validate, report, seconds_between, pause_at)
            except Diverged as second:
                first, totals = second, back()
        raise config.Mistake(
            f"the training diverged again by {first}, at {RESCUE:g} of learning_rate={learner.plan.learning_rate:g}: the loss is not a number. "
            f"Try learning_rate={learner.plan.learning_rate / 10:g}, or clip=1, or precision=float32. "
            f"What was trained up to step {totals['done']} is kept in {paths.show(fold.checkpoint)}."
        ) from None


class Pace:
    """Keeps a training within `Plan.seconds`: the number of steps that its first seconds promised is revised by how fast it goes.

    `spent` are the seconds that were used before this process, `every` the steps from one validation to the next.
    """

    def __init__(self, learner: Learner, done: int, spent: float, every: int):
        self.learner, self.every, self.began = learner, every, time.monotonic() - spent
        self.interval = max(0.1, learner.plan.seconds / REVISIONS)
        self.marks = [(time.monotonic(), done)]
        self.validating = 0.0  # seconds of the last validation

    def compiled(self, done: int) -> None:
        """The first step is done, which takes seconds more than the others."""
        self.marks = [(time.monotonic(), done)]

    def validated(self, seconds: float) -> None:
        """That long no step was taken."""
        self.validating, self.marks = seconds, [(when + seconds, done) for when, done in self.marks]

    def spent(self) -> float:
        return time.monotonic() - self.began

    def due(self) -> bool:
        return self.learner.plan.seconds > 0 and time.monotonic() - self.marks[-1][0] > self.interval

    def revise(self, done: int) -> list | None:
        """Bends the learner's schedule where the number of steps changes, and returns how (see `Learner.bend`)."""
        self.marks = [*self.marks[-RECENT:], (time.monotonic(), done)]
        (first, before), (now, _) = self.marks[0], self.marks[-1]
        validations = -(-(self.learner.plan.steps - done) // self.every)  # that are still to come, the one behind the last step too
        left = self.learner.plan.seconds - self.spent() - validations * self.validating
        steps = done + max(1, round(left * (done - before) / (now - first)))
        if steps == self.learner.plan.steps:
            return None
        bend = [steps, done, float(self.learner.schedule.share(done))]
        self.learner.bend(*bend)
        return bend


def advance(
    learner: Learner, totals: dict, batches: Callable, fold: paths.Fold, validate: Callable, report: Callable, seconds_between: float, pause_at
) -> None:
    """`fit` from the position in `totals`. Raises Diverged where the loss is not a number."""
    per_epoch = learner.plan.steps_per_epoch
    every = -(-learner.plan.steps // (per_epoch * CURVE_POINTS))  # epochs from one validation to the next
    stream = iter(learner.strategy.experimental_distribute_dataset(batches(totals["done"])))
    bar = config.progress(total=learner.plan.steps, initial=totals["done"], desc=f"training {fold.folder.name}", unit="step")
    losses, began = [], time.monotonic()
    saved, pace = began, Pace(learner, totals["done"], totals["spent"], every * per_epoch)

    def count() -> None:
        """Adds what was done since the last call to the totals."""
        nonlocal losses, began
        total = float(sum(losses))
        now = time.monotonic()
        sums = {"done": len(losses), "loss": total, "steps": len(losses), "seconds": now - began}
        totals.update({name: totals[name] + value for name, value in sums.items()}, spent=pace.spent())
        losses, began = [], now
        if not np.isfinite(total):
            raise Diverged(f"step {totals['done']}")

    with ctrl_c() as stop, bar:
        number = totals["done"]
        first = number + 1
        while number < learner.plan.steps:
            number += 1
            losses.append(learner.take_step(number, next(stream)))
            bar.update()
            if number == first:
                float(losses[-1])  # waits for it
                pace.compiled(number)
            if number < learner.plan.steps and pace.due():
                count()
                totals["bend"] = pace.revise(number) or totals["bend"]
                bar.total = learner.plan.steps
            last = number == learner.plan.steps
            if number % per_epoch == 0 or last:
                count()
                epoch, epochs = (-(-steps // per_epoch) for steps in (number, learner.plan.steps))
                line = {"epoch": epoch, "step": number, "loss": totals["loss"] / totals["steps"]}
                line |= {"images_per_second": totals["steps"] * learner.plan.batch_size / totals["seconds"]}
                if last or epoch % every == 0:
                    asked = time.monotonic()
                    line |= validate()
                    pace.validated(time.monotonic() - asked)
                line |= {"learning_rate": float(learner.optimizer.learning_rate)} | device_memory()
                left = (learner.plan.steps - number) * totals["seconds"] / totals["steps"]
                totals |= FRESH | {"history": [*totals["history"], line]}
                paths.write_text(fold.history, "".join(json.dumps(entry) + "\n" for entry in totals["history"]))
                bar.clear()
                print(epoch_line(line, epochs, left), flush=True)
                report(line)
                began = time.monotonic()
            pause = pause_at is not None and time.monotonic() > pause_at
            if last or stop.is_set() or pause or time.monotonic() - saved > seconds_between:
                count()
                save(learner, fold.checkpoint, totals)
                saved = time.monotonic()
            if stop.is_set():
                raise KeyboardInterrupt
            if pause:
                raise config.Paused(f"the deadline came at step {number} of {learner.plan.steps}; all is in {paths.show(fold.folder.parent)}.")


def device_memory() -> dict:
    """`{"device_memory_mib"}`: the largest use of a GPU's memory so far, where there is one."""
    peaks = [
        tf.config.experimental.get_memory_info(gpu.name.removeprefix("/physical_device:"))["peak"] for gpu in tf.config.list_physical_devices("GPU")
    ]
    return {"device_memory_mib": round(max(peaks) / 2**20)} if peaks else {}


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
    memory = f"  {line['device_memory_mib']} MiB" if "device_memory_mib" in line else ""
    return (
        f"epoch {line['epoch']:3d}/{epochs}  loss {line['loss']:.4f}{valid}  lr {line['learning_rate']:.4f}"
        f"  {line['images_per_second']:.0f} pictures/s{memory}  {left:.0f} s left"
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
    return keras.ops.flip(images, axis=2)


def moved(images: tf.Tensor, pixels: int) -> tf.Tensor:
    """By -1 or 1 px down and to the right, the rim mirrored."""
    padded, side = keras.ops.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect"), images.shape[1]
    return padded[:, 1 - pixels : 1 - pixels + side, 1 - pixels : 1 - pixels + side]


View = tuple[Callable, float]  # and its share of the mean


def and_moved(views: tuple[View, ...]) -> tuple[View, ...]:
    """Half of each view's share goes to the view moved by a pixel, one way and the other (airbench's, Jordan 2024)."""
    return tuple(
        (functools.partial(_seen, view, pixels), share * part) for view, share in views for pixels, part in ((0, 0.5), (1, 0.25), (-1, 0.25))
    )


def _seen(view: Callable, pixels: int, images: tf.Tensor) -> tf.Tensor:
    return moved(view(images), pixels) if pixels else view(images)


ONE, BOTH = ((upright, 1.0),), ((upright, 0.5), (mirrored, 0.5))
# Of Keras's operations, so that an export can hold them.
VIEWS: dict[str, tuple[View, ...]] = {"one": ONE, "mirror": BOTH, "shift": and_moved(ONE), "mirror_shift": and_moved(BOTH)}


class Predictor:
    """The compiled forward pass with test-time views: probabilities are the weighted mean over the views'.

    `probabilities(logits)` → float32 [B,K]: the one place where logits become probabilities.
    """

    def __init__(self, model: keras.Model, views: str, probabilities: Callable = tf.nn.softmax):
        self.model, self.views, self.probabilities = model, config.choose(VIEWS, views, "views"), probabilities
        self.forward = tf.function(self._forward)
        self.classes = probabilities(tf.zeros((1, model.output_shape[-1]))).shape[1]

    def _forward(self, images: tf.Tensor) -> tf.Tensor:
        images = tf.cast(images, tf.float32)
        return tf.add_n([share * self.probabilities(self.model(view(images), training=False)) for view, share in self.views])

    def __call__(self, batches: tf.data.Dataset, rows: np.ndarray, describe: str = "") -> np.ndarray:
        """float32 [len(rows),K], entry i for rows[i]: placed by the row number that came with each batch."""
        place = np.full(rows.max(initial=-1) + 1, len(rows))  # of a row that nobody asked for: beyond the end
        place[rows] = np.arange(len(rows))
        out = np.full((len(rows), self.classes), np.nan, np.float32)
        bar = config.progress(total=len(rows), desc=describe or "predicting", unit="picture")
        for images, _, numbers in batches:
            numbers = numbers.numpy()
            real = numbers >= 0
            out[place[numbers[real]]] = self.forward(images).numpy()[real]
            bar.update(int(real.sum()))
        bar.close()
        if np.isnan(out).any():
            raise RuntimeError("the predictions are not numbers, or rows are missing: the training diverged (lower learning_rate=)")
        return out
