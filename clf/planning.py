"""What a training will do: from settings, data, machine and budget to a plan, and to the learner and the predictor that follow it."""

import dataclasses
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from clf import augment, config, learn, losses, material, models, optim, paths
from clf.config import Config, Mistake

MOVED_VIEWS = 0.05  # of a training's time, that views moved by a pixel may take
RECALIBRATION = 24  # batches that the batch-norm statistics are averaged over
PAGE = 4.0  # seconds for score and page (figures, pictures) and for the end of the process
FEWEST = 20  # steps: fewer teach a network nothing
AUTOMATIC = "both"  # what mix=auto is, from OFTEN times that each row is seen
OFTEN = 30
ENDLESS = 1_000_000_000  # batches
NOT_COMPILED = (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError)  # by XLA: an operation under determinism; one that it lacks
CURVE_ROWS = 1000  # validation rows that the curve during training uses


def image_side(settled: Config, source: material.Material) -> int:
    """Side in px that the network sees: asked for, else the network's own, at most the store's."""
    return min(settled.image_size or config.choose(models.MODELS, settled.model, "model").image_size, source.pictures.shape[1])


def batch_size(settled: Config, rows: int) -> int:
    """Asked for, else 128, less for few rows: a short training needs enough steps. Never more than the rows."""
    automatic = 128 if rows >= 8000 else 64 if rows >= 2000 else 32
    return min(settled.batch_size or automatic, rows)


def make_plan(settled: Config, source: material.Material, rows: int, steps: int) -> learn.Plan:
    """The plan but for what has to be measured: the number of steps, with that whether `mix=auto` mixes, and whether XLA pays."""
    entry = config.choose(models.MODELS, settled.model, "model")
    batch = batch_size(settled, rows)
    own = settled.optimizer in ("auto", entry.optimizer)
    return learn.Plan(
        steps=max(1, steps),
        steps_per_epoch=rows // batch,
        batch_size=batch,
        side=image_side(settled, source),
        optimizer=entry.optimizer if own else settled.optimizer,
        learning_rate=settled.learning_rate or (entry.learning_rate if own else optim.PEAKS.get(settled.optimizer, 0.001)),
        seed=settled.seed,
        precision=models.choose_precision(settled.precision)[0],
        parts=max(1, settled.accumulate),
        xla=settled.xla == "true",
        frozen=round(settled.freeze * steps) if settled.weights else 0,
        width=settled.width or 1.0,
        views=settled.views if settled.views != "auto" else "mirror" if source.question.flip_horizontal else "one",
        mix=AUTOMATIC if settled.mix == "auto" else settled.mix,
    )


def make_learner(settled: Config, source: material.Material, plan: learn.Plan, say: Callable = lambda line: None) -> learn.Learner:
    """A fresh network, with first weights where they are asked for, and its learner; equal for equal seeds."""
    keras.backend.clear_session()
    models.set_precision(plan.precision)  # which clearing the session has forgotten
    keras.utils.set_random_seed(plan.seed)
    tf.config.experimental.enable_op_determinism()
    question = source.question
    strategy = models.strategy()
    averaged = settled.ema or settled.average
    with strategy.scope():
        outputs = losses.outputs(question.kind, len(question.classes))
        model = models.build(settled.model, plan.side, source.pictures.shape[3], outputs, plan.width, settled.dropout, settled.drop_path)
        models.whiten(model, functools.partial(material.some_pictures, source, plan.side))
        if settled.weights:
            say(models.start_from(model, settled.weights, paths.imagenet()))
        groups = models.groups(model)
        schedule = optim.Schedule(plan.learning_rate * plan.batch_size / 128, settled.schedule)
        optimizer = optim.build(
            plan.optimizer,
            schedule,
            model.trainable_variables,
            weight_decay=models.MODELS[settled.model].weight_decay if settled.weight_decay < 0 else settled.weight_decay,
            clip=settled.clip,
            rates=[settled.layer_decay**group for group in groups] if settled.weights else None,
            memory=tf.Variable(0.0, trainable=False) if averaged else None,
        )
    return learn.Learner(
        model,
        plan,
        optimizer,
        schedule,
        losses.build(settled.loss, question.kind, settled.label_smoothing, settled.balance, material.frequencies(source)),
        strategy,
        mix=config.choose(augment.MIXES, plan.mix, "mix"),
        average=functools.partial(optim.weights_memory, ema=settled.ema, average=settled.average) if averaged else None,
        head=[variable for variable, group in zip(model.trainable_variables, groups, strict=True) if group == 0],
    )


def make_predictor(source: material.Material, model: keras.Model, views: str) -> learn.Predictor:
    return learn.Predictor(model, views, functools.partial(losses.probabilities, source.question))


@dataclass(frozen=True)
class Budget:
    """What limits a fold besides `epochs=`: `finish_by` (time.monotonic), all included; or the seconds of the steps alone; or their number."""

    finish_by: float | None = None
    step_seconds: float | None = None
    steps: int | None = None
    like: dict = field(default_factory=dict)  # the plan of a training whose width, side and views this one takes, where there is one


def measure(learner: learn.Learner, stream, seconds: float = 3.0, step: Callable | None = None) -> tuple[float, float]:
    """Seconds per step (after the first, which compiles), and seconds until the first step was done. The learner is put back.

    `step`: which of the learner's; by default the whole one.
    """
    step = step or learner.step
    before = learner.state()
    began = time.monotonic()
    iterator = iter(learner.strategy.experimental_distribute_dataset(stream(0, ENDLESS)))
    for _ in range(2):
        float(step(*next(iterator)))
    first = time.monotonic() - began
    began, taken = time.monotonic(), 0
    while time.monotonic() - began < seconds or not taken:
        for _ in range(4):  # without waiting in between, as in training
            loss = step(*next(iterator))
        float(loss)
        taken += 4
    per_step = (time.monotonic() - began) / taken
    learner.restore(before)
    return per_step, first


def fitting(settled: Config, source: material.Material, rows: np.ndarray, steps: int, say: Callable) -> learn.Learner:
    """A learner whose step fits into the device's memory: where it does not, the batch is computed in twice as many parts.

    On one GPU with xla=auto the step that measures faster. Raises Mistake where not even parts of one picture fit.
    """
    try:
        learner = _fitting(settled, source, rows, make_plan(settled, source, len(rows), steps), say)
    except NOT_COMPILED as error:  # as the gradient of a maximum on a GPU, where steps have to be repeatable
        if settled.xla != "true":
            raise
        raise Mistake(f"xla=true: the step of model={settled.model} does not compile ({_first_line(error)}) Take xla=auto or xla=false.") from None
    if settled.xla != "auto" or models.gpu_count() != 1:
        return learner
    try:
        compiled = _fitting(settled, source, rows, dataclasses.replace(learner.plan, xla=True), lambda line: None)
    except NOT_COMPILED as error:
        say(f"xla: the step does not compile ({_first_line(error)})")
        return learner
    each = [measure(one, material.batches(settled, source, one.plan, rows), 1.0)[0] for one in (learner, compiled)]
    say(f"xla: a step takes {1000 * each[1]:.1f} ms with it, {1000 * each[0]:.1f} ms without")
    return compiled if each[1] < each[0] else learner


def _first_line(error: tf.errors.OpError) -> str:
    return (error.message.splitlines() or [type(error).__name__])[0]


def _fitting(settled: Config, source: material.Material, rows: np.ndarray, plan: learn.Plan, say: Callable) -> learn.Learner:
    while True:
        learner = make_learner(settled, source, plan, say)
        before = learner.state()
        try:
            float(learner.step(*next(iter(learner.strategy.experimental_distribute_dataset(material.batches(settled, source, plan, rows)(0, 1))))))
        except tf.errors.ResourceExhaustedError:
            if plan.parts >= plan.batch_size:
                raise Mistake(
                    f"one picture of {plan.side} px is too much for the memory with model={settled.model}: take a smaller image_size= or model=."
                ) from None
            plan = dataclasses.replace(plan, parts=min(2 * plan.parts, plan.batch_size))
            say(f"out of memory: the batch of {plan.batch_size} is computed in {plan.parts} parts")
        else:
            learner.restore(before)
            return learner


def planned(
    budget: Budget, settled: Config, source: material.Material, rows: np.ndarray, parts: list[int], learner: learn.Learner
) -> tuple[learn.Plan, learn.Predictor]:
    """The plan of a fold, by `epochs=` or by what the machine manages within the budget, and what predicts by it.

    `parts` are the numbers of validation, locked and test rows, which have to be predicted in the time as well.
    """
    plan = learner.plan
    if not (budget.finish_by or budget.step_seconds):
        plan = with_steps(plan, settled, budget.steps or round(settled.epochs * plan.steps_per_epoch))
        plan = with_views(plan, settled, sum(parts), plan.steps)
        return plan, make_predictor(source, learner.model, plan.views)
    left = budget.step_seconds or budget.finish_by - time.monotonic()
    stream = material.batches(settled, source, plan, rows)
    seconds = float(np.clip(0.03 * left, 1, 3))
    per_step, compiling = measure(learner, stream, seconds)
    if settled.weights and settled.freeze:
        head_step, more = measure(learner, stream, seconds, learner.head_step)
        per_step, compiling = settled.freeze * head_step + (1 - settled.freeze) * per_step, compiling + more
    plan = with_views(plan, settled, sum(parts), left / per_step)
    predictor = make_predictor(source, learner.model, plan.views)
    rest = curve = 0.0
    if not budget.step_seconds:
        rest, curve = rest_seconds(source, plan, rows, parts, predictor, left / per_step)
        rest += RECALIBRATION * per_step / 3 + compiling / 2
        left = budget.finish_by - time.monotonic() - rest
    plan = dataclasses.replace(with_steps(plan, settled, int((left - curve) / per_step)), seconds=max(per_step, left))
    print(
        f"plan: {plan.steps} steps of {plan.batch_size}, {plan.steps / plan.steps_per_epoch:.1f} epochs: "
        f"{plan.batch_size / per_step:.0f} pictures/s measured, {plan.seconds:.0f} s for steps" + (f", {rest:.0f} s for the rest" if rest else "")
    )
    if plan.steps < FEWEST:
        print(f"warning: minutes={settled.minutes:g} leaves time for {plan.steps} steps only; the result will be poor")
    return plan, predictor


def with_steps(plan: learn.Plan, settled: Config, steps: int) -> learn.Plan:
    """The plan for a number of steps, the frozen ones among them; without mixing where that is left open and each row is seen fewer than
    OFTEN times.

    Mixing gained, on 2,000 pictures of cifar-10 that airbench saw 34 times, 0.022, 0.023, 0.027 of accuracy with smoothed labels, and without
    them 0.19, 0.25, 0.24 of log loss (three seeds, whole pictures in the last fifth); seen 17 times, nothing. On 800 photos of cats and dogs
    that resnet10 saw 67 times at 64 px, log loss fell from 0.66 to 0.48 (one fold and seed), at each one's best temperature from 0.51 to 0.47.
    """
    steps = max(1, steps)
    mix = "none" if settled.mix == "auto" and steps < OFTEN * plan.steps_per_epoch else plan.mix
    return dataclasses.replace(plan, steps=steps, frozen=round(settled.freeze * steps) if settled.weights else 0, mix=mix)


def with_views(plan: learn.Plan, settled: Config, predicted: int, steps: float) -> learn.Plan:
    """The plan with views moved by a pixel, too, where the views are auto, the network one whose recipe has them, and their passes over
    `predicted` rows take at most MOVED_VIEWS of the time of about `steps` steps: a pass takes a third of a step."""
    more = {"one": "shift", "mirror": "mirror_shift"}
    if settled.views != "auto" or plan.views not in more or not models.MODELS[settled.model].by_budget:
        return plan
    passes = len(learn.VIEWS[more[plan.views]]) - len(learn.VIEWS[plan.views])
    worthwhile = passes * predicted / 3 <= MOVED_VIEWS * steps * plan.batch_size
    return dataclasses.replace(plan, views=more[plan.views]) if worthwhile else plan


def rest_seconds(
    source: material.Material, plan: learn.Plan, rows: np.ndarray, parts: list[int], predictor: learn.Predictor, steps: float
) -> tuple[float, float]:
    """Seconds that the predictions of a fold take, and the writing; and those that the curve's validations take, of about `steps` steps."""
    few = rows[: material.FORWARD_BATCH]
    predictor(material.passing(source, plan.side, "train", few), few)  # compiles
    began = time.monotonic()
    predictor(material.passing(source, plan.side, "train", few), few)
    per_batch = time.monotonic() - began
    points = min(learn.CURVE_POINTS, -(-steps // plan.steps_per_epoch))
    batches_of = [-(-size // material.FORWARD_BATCH) for size in (*parts, min(CURVE_ROWS, parts[0]))]
    return sum(batches_of[:-1]) * per_batch + 1.0, points * batches_of[-1] * per_batch


def chosen(settled: Config, source: material.Material, precision: str, budget: Budget, rows: int, predicted: int) -> Config:
    """The settings with the network's width, the pictures' side, the views and the mixing, where they are left open and the budget, or the
    plan of a training that this one has to be like, leads to them.

    `rows` are trained on, `predicted` predicted.
    """
    views = budget.like.get("views", "auto") if settled.views == "auto" else settled.views
    mix = budget.like.get("mix", "none") if budget.like and settled.mix == "auto" else settled.mix
    settled = dataclasses.replace(settled, width=settled.width or width(settled, precision, budget), views=views, mix=mix)
    return dataclasses.replace(settled, image_size=settled.image_size or side(settled, source, precision, budget, rows, predicted))


def width(settled: Config, precision: str, budget: Budget) -> float:
    """Of the network that a budget trains: by its seconds and the machine's speed where the network's width follows them, else 1. With a
    run's weights that of the run."""
    if settled.weights and models.MODELS[settled.model].by_budget:
        given = Path(settled.weights).expanduser()
        plans = sorted((given.parent if given.is_file() else given).rglob(paths.Fold(given).plan.name))
        return paths.read_json(plans[0]).get("width", 1.0) if plans else 1.0
    seconds = _seconds(budget) if by_budget(settled) else 0
    return budget.like.get("width") or (models.width_for(precision, seconds) if seconds > 0 else 1.0)


def side(settled: Config, source: material.Material, precision: str, budget: Budget, rows: int, predicted: int) -> int:
    """Px that the network sees where the side follows the budget; 0: see `image_side`."""
    seconds = _seconds(budget) if settled.minutes and models.MODELS[settled.model].work else 0
    if budget.like or seconds <= 0:
        return budget.like.get("side", 0)
    return models.side_for(settled.model, precision, seconds, rows, predicted, settled.width, source.pictures.shape[1])


def _seconds(budget: Budget) -> float:
    return budget.step_seconds or (budget.finish_by or 0) - time.monotonic()


def by_budget(settled: Config) -> bool:
    """Whether the network's width follows the budget."""
    return bool(settled.minutes) and not settled.width and not settled.weights and models.MODELS[settled.model].by_budget


def share(end: float, number: int, of: int) -> float:
    """When (time.monotonic) part `number` of `of` has to be done, so that all are done at `end` and have had equal time from now on."""
    return time.monotonic() + (end - time.monotonic()) / (of - number)


def end_of(settled: Config) -> float | None:
    """When (time.monotonic) the command has to stop training and predicting, by `minutes=`: PAGE seconds stay for score and page, of a short
    budget a tenth."""
    whole = 60 * settled.minutes
    return config.STARTED + whole - min(PAGE, 0.1 * whole) if whole else None
