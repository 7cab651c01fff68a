"""One fold, from the store to its validation and test predictions: where data, augment, models and learn meet."""

import dataclasses
import functools
import json
import os
import platform
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from clf import augment, config, crew, data, folds, learn, losses, metrics, models, optim, paths, problem, runs, store, tables, targets
from clf.config import Config, Mistake
from clf.problem import Problem

FORWARD_BATCH = 256  # pictures per prediction step
MOVED_VIEWS = 0.05  # of a training's time, that views moved by a pixel may take
RECALIBRATION = 24  # batches that the batch-norm statistics are averaged over
PAGE = 6.0  # seconds for score and page: figures, a look for a shift, pictures
FEWEST = 20  # steps: fewer teach a network nothing
ENDLESS = 1_000_000_000  # batches
CURVE_ROWS = 1000  # validation rows that the curve during training uses


@dataclass(frozen=True)
class Material:
    """What every fold reads: the store, and by table row the place in it and the truth."""

    question: Problem
    pictures: np.ndarray  # the store, uint8 [N,S,S,C]
    train_store: np.ndarray  # int [train rows]: row in the store
    test_store: np.ndarray  # int [test rows]: row in the store, -1 without a readable picture
    truth: np.ndarray  # int [train rows], numbers of the classes, or float32 [train rows, K]: see `targets`
    folds: pd.DataFrame  # as in folds.csv

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """float32 [len(rows),K] as `losses` wants them; made by the batch: for every row at once it would not fit with many classes."""
        found = targets.dense(self.question, self.truth[rows])
        if self.question.kind != "regression":
            return found
        low, high = targets.ranges(self.question)
        return (found - low) / (high - low)


def material(place: paths.Place, side: int) -> Material:
    """Raises Mistake where an earlier step is missing, or labels and classes differ."""
    question = problem.read(place.problem)
    train, pictures = tables.read(place.train, ["label"]), tables.read(place.pictures, ["part", "row"])
    return Material(
        question=question,
        pictures=store.load(place.packed(side)),
        train_store=tables.store_rows(pictures, "train", len(train)),
        test_store=tables.store_rows(pictures, "test", len(tables.read(place.test, ["id"]))),
        truth=targets.truth(question, train.label),
        folds=tables.read(place.folds, ["fold", "sample"]),
    )


def check_names(place: paths.Place, settled: Config) -> None:
    """Raises Mistake for an unknown name, or a loss that is not for the problem's kind, before anything is written."""
    tables_of_names = {
        "model": models.MODELS,
        "optimizer": {"auto": None, **optim.OPTIMIZERS},
        "schedule": optim.SCHEDULES,
        "mix": augment.MIXES,
        "views": {"auto": None, **learn.VIEWS},
        "precision": {"auto": None, **models.PRECISIONS},
        "xla": {"auto": None, "true": None, "false": None},
    }
    for setting, table in tables_of_names.items():
        config.choose(table, getattr(settled, setting), setting)
    augment.choose(settled.augment)
    losses.build(settled.loss, problem.read(place.problem).kind, settled.label_smoothing, settled.balance, np.ones(2))


# -- what a training will do -----------------------------------------------------------------------------------------------------------


def image_side(settled: Config, source: Material) -> int:
    """Side in px that the network sees: asked for, else the network's own, at most the store's."""
    return min(settled.image_size or config.choose(models.MODELS, settled.model, "model").image_size, source.pictures.shape[1])


def batch_size(settled: Config, rows: int) -> int:
    """Asked for, else 128, less for few rows: a short training needs enough steps. Never more than the rows."""
    automatic = 128 if rows >= 8000 else 64 if rows >= 2000 else 32
    return min(settled.batch_size or automatic, rows)


def make_plan(settled: Config, source: Material, rows: int, steps: int) -> learn.Plan:
    """The plan but for what has to be measured: the number of steps, and whether XLA pays."""
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
    )


def make_learner(settled: Config, source: Material, plan: learn.Plan, say: Callable = lambda line: None) -> learn.Learner:
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
        models.whiten(model, functools.partial(some_pictures, source, plan.side))
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
        losses.build(settled.loss, question.kind, settled.label_smoothing, settled.balance, frequencies(source)),
        strategy,
        mix=config.choose(augment.MIXES, settled.mix, "mix"),
        average=functools.partial(optim.weights_memory, ema=settled.ema, average=settled.average) if averaged else None,
        head=[variable for variable, group in zip(model.trainable_variables, groups, strict=True) if group == 0],
    )


def some_pictures(source: Material, side: int, count: int = 2000) -> np.ndarray:
    """uint8 [N,side,side,C]: at most `count` training pictures that are not locked, evenly spaced among the rows."""
    rows = np.flatnonzero(source.folds.fold != folds.HOLDOUT)
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, count).astype(int))]
    return data.resize(source.pictures[source.train_store[chosen]], side)


def frequencies(source: Material) -> np.ndarray:
    """float64 [K]: each class's share of the rows that are not locked, or the mean of its shares; ones for values, which have none."""
    seen = source.truth[source.folds.fold != folds.HOLDOUT]
    if source.question.kind == "regression":
        return np.ones(len(source.question.classes))
    if source.question.kind in problem.SINGLE:
        return np.bincount(seen, minlength=len(source.question.classes)) / len(seen)
    return seen.mean(axis=0, dtype=np.float64)


def make_predictor(source: Material, model: keras.Model, views: str) -> learn.Predictor:
    return learn.Predictor(model, views, functools.partial(losses.probabilities, source.question))


def first_weights(place: paths.Place, settled: Config, key: str) -> str:
    """`weights=` for the part `key`: of a run's folds the same one, where it has it.

    Raises Mistake for a run of this competition that has seen the rows which the part validates.
    """
    if settled.weights in ("", "imagenet"):
        return settled.weights
    given, fold = Path(settled.weights).expanduser(), key.partition(".")[0]
    run = paths.Run(given.parent if (given / paths.Fold(given).weights.name).exists() else given)
    chosen = given if run.folder != given else run.fold(fold).folder if run.fold(fold).weights.exists() else given
    if fold != "full" and place.runs.resolve() == run.folder.resolve().parent:
        made_from = (paths.read_json(run.identity) or {}).get("made_from", {})
        if paths.Fold(chosen).key.partition(".")[0] != fold or made_from.get(place.folds.name) != paths.hash_file(place.folds):
            raise Mistake(
                f"weights={settled.weights} has seen rows that fold {fold} validates: its score would be too good. Take a run that trained "
                f"fold {fold} on the same folds.csv, one of another competition, or fold=full."
            )
    return str(chosen)


def batches(settled: Config, source: Material, plan: learn.Plan, rows: np.ndarray, augmentation: str | None = None):
    """`start -> tf.data.Dataset` of training batches from number `start` to the plan's end, or to number `steps`."""
    operation = augment.build(augmentation or settled.augment, source.question, plan.seed, plan.side)
    codes = source.truth[rows] if settled.balance == "sampling" else None

    def stream(start: int, steps: int = plan.steps) -> tf.data.Dataset:
        return data.training(
            source.pictures, source.train_store, rows, source.targets, plan.batch_size, plan.side, operation, plan.seed, start, steps, codes
        )

    return stream


def passing(source: Material, side: int, part: str, rows: np.ndarray) -> tf.data.Dataset:
    """One pass over table rows of `train` or `test`, never augmented."""
    where = source.train_store if part == "train" else source.test_store
    return data.passing(source.pictures, where, rows, FORWARD_BATCH, side)


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


@dataclass(frozen=True)
class Budget:
    """What limits a fold besides `epochs=`: `finish_by` (time.monotonic), all included; or the seconds of the steps alone; or their number."""

    finish_by: float | None = None
    step_seconds: float | None = None
    steps: int | None = None
    width: float = 0.0  # of the network, where another training has chosen it
    views: str = ""  # of the predictions, likewise


def fitting(settled: Config, source: Material, rows: np.ndarray, steps: int, say: Callable) -> learn.Learner:
    """A learner whose step fits into the device's memory: where it does not, the batch is computed in twice as many parts.

    On one GPU with xla=auto the step that measures faster. Raises Mistake where not even parts of one picture fit.
    """
    try:
        learner = _fitting(settled, source, rows, make_plan(settled, source, len(rows), steps), say)
    except tf.errors.UnimplementedError as error:  # as the gradient of a maximum on a GPU, where steps have to be repeatable
        if settled.xla != "true":
            raise
        raise Mistake(f"xla=true: the step of model={settled.model} does not compile ({_first_line(error)}) Take xla=auto or xla=false.") from None
    if settled.xla != "auto" or models.gpu_count() != 1:
        return learner
    try:
        compiled = _fitting(settled, source, rows, dataclasses.replace(learner.plan, xla=True), lambda line: None)
    except tf.errors.UnimplementedError as error:
        say(f"xla: the step does not compile ({_first_line(error)})")
        return learner
    each = [measure(one, batches(settled, source, one.plan, rows), 1.0)[0] for one in (learner, compiled)]
    say(f"xla: a step takes {1000 * each[1]:.1f} ms with it, {1000 * each[0]:.1f} ms without")
    return compiled if each[1] < each[0] else learner


def _first_line(error: tf.errors.OpError) -> str:
    return (error.message.splitlines() or [type(error).__name__])[0]


def _fitting(settled: Config, source: Material, rows: np.ndarray, plan: learn.Plan, say: Callable) -> learn.Learner:
    while True:
        learner = make_learner(settled, source, plan, say)
        before = learner.state()
        try:
            float(learner.step(*next(iter(learner.strategy.experimental_distribute_dataset(batches(settled, source, plan, rows)(0, 1))))))
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
    budget: Budget, settled: Config, source: Material, rows: np.ndarray, parts: list[int], learner: learn.Learner
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
    stream = batches(settled, source, plan, rows)
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
    """The plan for a number of steps, the frozen ones among them."""
    steps = max(1, steps)
    return dataclasses.replace(plan, steps=steps, frozen=round(settled.freeze * steps) if settled.weights else 0)


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
    source: Material, plan: learn.Plan, rows: np.ndarray, parts: list[int], predictor: learn.Predictor, steps: float
) -> tuple[float, float]:
    """Seconds that the predictions of a fold take, and the writing; and those that the curve's validations take, of about `steps` steps."""
    few = rows[:FORWARD_BATCH]
    predictor(passing(source, plan.side, "train", few), few)  # compiles
    began = time.monotonic()
    predictor(passing(source, plan.side, "train", few), few)
    per_batch = time.monotonic() - began
    points = min(learn.CURVE_POINTS, -(-steps // plan.steps_per_epoch))
    batches_of = [-(-size // FORWARD_BATCH) for size in (*parts, min(CURVE_ROWS, parts[0]))]
    return sum(batches_of[:-1]) * per_batch + 1.0, points * batches_of[-1] * per_batch


def width(settled: Config, precision: str, budget: Budget) -> float:
    """Of the network that a budget trains: by its seconds and the machine's speed where the network's width follows them, else 1. With a
    run's weights that of the run."""
    if settled.weights and models.MODELS[settled.model].by_budget:
        given = Path(settled.weights).expanduser()
        plans = sorted((given.parent if given.is_file() else given).rglob(paths.Fold(given).plan.name))
        return paths.read_json(plans[0]).get("width", 1.0) if plans else 1.0
    seconds = budget.step_seconds or (budget.finish_by or 0) - time.monotonic()
    return budget.width or (models.width_for(precision, seconds) if by_budget(settled) and seconds > 0 else 1.0)


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


def trained(place: paths.Place, run: paths.Run, settled: Config, deadline: float) -> None:
    """Trains what a run lacks: one part here, several in fresh interpreters. `deadline`: minutes after which the command has ended, or 0."""
    keys, end, pause_at = runs.fold_keys(place, settled), end_of(settled), crew.pause_time(deadline)
    if len(keys) > 1:
        crew.train(place, run, keys, end, pause_at)
    else:
        fold(place, run, settled, runs.store_side(place), keys[0], Budget(end), pause_at)


# -- one fold --------------------------------------------------------------------------------------------------------------------------


def fold(place: paths.Place, run: paths.Run, settled: Config, side: int, key: str, budget: Budget, pause_at: float | None = None) -> None:
    """Trains fold `key` of a run and predicts its validation, locked and test rows; continues a killed one; no-op when whole.

    What data, network, machine and budget resolve to is frozen in `plan.json`; only a budget's number of steps follows the clock. Raises
    config.Paused at `pause_at` (time.monotonic).
    """
    out = run.fold(key)
    with paths.locked(out.lock):
        if out.record.exists():
            print(f"{run.name} {out.folder.name}: whole, nothing to do")
            return
        own = {"seed": runs.seed_of(settled, key), "weights": first_weights(place, settled, key)}
        _fold(place, run, dataclasses.replace(settled, **own), side, key, budget, pause_at)
        out.checkpoint.unlink(missing_ok=True)


def _fold(place: paths.Place, run: paths.Run, settled: Config, side: int, key: str, budget: Budget, pause_at: float | None) -> None:
    out = run.fold(key)
    began = time.monotonic()
    stored = paths.read_json(out.plan)
    precision, why = (stored["precision"], "as planned") if stored else models.choose_precision(settled.precision)
    source = material(place, side)
    rows, valid = folds.rows(source.folds, key.partition(".")[0])
    locked = np.flatnonzero(source.folds.fold == folds.HOLDOUT)
    test = np.flatnonzero(source.test_store >= 0)
    if len(rows) < 2:
        raise Mistake(f"fold {key} has {len(rows)} training rows.")
    if stored:
        plan = learn.Plan(**stored)
        learner = make_learner(settled, source, plan)
        predictor = make_predictor(source, learner.model, plan.views)
    else:
        chosen = {"width": settled.width or width(settled, precision, budget), "views": budget.views or settled.views}
        settled = dataclasses.replace(settled, **chosen)
        learner = fitting(settled, source, rows, 1, print)
        plan, predictor = planned(budget, settled, source, rows, [len(valid), len(locked), len(test)], learner)
        paths.write_json(out.plan, asdict(plan))
    learner.follow(plan)
    device = "GPU" if models.gpu_count() else "CPU"
    print(
        f"{run.name} {out.folder.name}: {settled.model} of width {plan.width:g}, {learner.model.count_params():,} weights, {plan.side} px, "
        f"{len(rows)} training rows, {plan.steps / plan.steps_per_epoch:.1f} epochs, {len(predictor.views)} views, {device}, {precision} ({why})"
    )
    stream = batches(settled, source, plan, rows)
    learn.fit(
        learner, functools.partial(stream, steps=ENDLESS), out, validation(source, plan.side, predictor, valid), scalars(out), pause_at=pause_at
    )
    if learner.plan != plan:
        paths.write_json(out.plan, asdict(learner.plan))  # the steps that it became
    learner.take_average()
    learn.recalibrate(learner.model, stream(0, min(RECALIBRATION, learner.plan.steps)))
    predict(out, source, plan.side, predictor, {"valid": valid, "holdout": locked, "test": test})
    learner.model.save(out.weights)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts = {"seconds": round(time.monotonic() - began, 1), "peak_memory_mib": round(peak), "device": device, "precision": precision}
    facts |= {"devices": os.environ.get("CUDA_VISIBLE_DEVICES", "all")} | learn.device_memory()
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}
    paths.write_json(out.record, {"rows": len(rows), "steps": learner.plan.steps, **facts, "versions": versions})


def validation(source: Material, side: int, predictor: learn.Predictor, valid: np.ndarray):
    """A function for the curve: loss and metric of the weights as they are, on at most CURVE_ROWS rows. The metric is that of the default
    decisions, and NaN where these rows leave it undefined."""
    if not len(valid):
        return dict
    few = folds.sample(source.folds, CURVE_ROWS, valid)
    truth, asked = source.truth[few], runs.asked(source.question)
    loss, metric = metrics.METRICS[loss_metric(source.question)], metrics.METRICS[source.question.metric]

    def validate() -> dict:
        predicted = predictor(passing(source, side, "train", few), few, "validating").astype(np.float64)
        return {"valid_loss": loss.score(truth, predicted, asked), f"valid_{metric.name}": metric.score(truth, predicted, asked)}

    return validate


def loss_metric(question: Problem) -> str:
    """The metric that stands for the loss of predictions, whatever the competition's is."""
    return "rmse" if question.kind == "regression" else "log_loss"


def scalars(out: paths.Fold):
    """A function that hands each line of the history to TensorBoard."""
    writer = tf.summary.create_file_writer(str(out.board))

    def write(line: dict) -> None:
        with writer.as_default():
            for name, value in line.items():
                tf.summary.scalar(name, value, step=line["step"])
        writer.flush()

    return write


def predict(out: paths.Fold, source: Material, side: int, predictor: learn.Predictor, parts: dict[str, np.ndarray]) -> None:
    """Predictions for each part that has rows, with the same weights and the same views."""
    files = {"valid": out.valid, "holdout": out.holdout, "test": out.test}
    for part, rows in parts.items():
        if len(rows) or part == "test":
            table = "test" if part == "test" else "train"
            predicted = predictor(passing(source, side, table, rows), rows, f"predicting {part}")
            paths.write_predictions(files[part], rows, predicted)


def main(task: dict) -> None:
    """One part of a run, as `crew` asks for it."""
    place = paths.Place(task["competition"])
    run = paths.Run(Path(task["run"]))
    budget = Budget(task["seconds"] and config.STARTED + task["seconds"])
    pause_at = None if task["pause"] is None else config.STARTED + task["pause"]
    # Whoever started this process holds the other end of its input: when that process is gone, stop where it can be continued.
    threading.Thread(target=lambda: (sys.stdin.read(), os.kill(os.getpid(), signal.SIGINT)), daemon=True).start()
    try:
        fold(place, run, runs.settings(run), runs.store_side(place), task["key"], budget, pause_at)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    with config.guard():
        main(json.loads(sys.argv[1]))
