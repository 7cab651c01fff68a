"""One fold, from the store to its validation and test predictions: where data, augment, models and learn meet."""

import dataclasses
import platform
import resource
import time
from dataclasses import asdict, dataclass

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from clf import augment, config, data, folds, learn, metrics, models, paths, problem, store, tables
from clf.config import Config, Mistake
from clf.problem import Problem

FORWARD_BATCH = 256  # pictures per prediction step
RECALIBRATION = 24  # batches that the batch-norm statistics are averaged over
CURVE_ROWS = 1000  # validation rows that the curve during training uses


@dataclass(frozen=True)
class Material:
    """What every fold reads: the store, and by table row the place in it and the target."""

    question: Problem
    pictures: np.ndarray  # the store, uint8 [N,S,S,C]
    train_store: np.ndarray  # int [train rows]: row in the store
    test_store: np.ndarray  # int [test rows]: row in the store, -1 without a readable picture
    codes: np.ndarray  # int [train rows]: number of the class
    folds: pd.DataFrame  # as in folds.csv

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """float32 [len(rows),K], one-hot; made by the batch: for every row at once it would not fit with many classes."""
        found = np.zeros((len(rows), len(self.question.classes)), np.float32)
        found[np.arange(len(rows)), self.codes[rows]] = 1
        return found


def material(place: paths.Place, side: int) -> Material:
    """Raises Mistake where an earlier step is missing, or labels and classes differ."""
    question = problem.read(place.problem)
    train, pictures = tables.read(place.train), tables.read(place.pictures)
    number = {name: code for code, name in enumerate(question.classes)}
    if strangers := sorted(set(train.label) - set(number)):
        raise Mistake(f"problem.toml's classes lack the label {strangers[0]!r} of train.csv: add it, then run `make explore`.")
    return Material(
        question=question,
        pictures=store.load(place.packed(side)),
        train_store=store_rows(pictures, "train", len(train)),
        test_store=store_rows(pictures, "test", len(tables.read(place.test))),
        codes=train.label.map(number).to_numpy(int),
        folds=tables.read(place.folds),
    )


def store_rows(pictures, part: str, size: int) -> np.ndarray:
    """int [size]: each table row's row in the store, -1 where it has no picture."""
    found = pictures[pictures.part == part].row.replace("", "-1").to_numpy(int)
    if len(found) != size:
        raise Mistake(f"pictures.csv has {len(found)} {part} rows, the table {size}: run `make explore` again.")
    return found


def check_names(settled: Config) -> None:
    """Raises Mistake for an unknown name, before anything is written."""
    tables_of_names = {"model": models.MODELS, "augment": augment.AUGMENTS, "mix": augment.MIXES, "views": learn.VIEWS}
    for setting, table in tables_of_names.items():
        config.choose(table, getattr(settled, setting), setting)
    config.choose({"auto": None, **models.PRECISIONS}, settled.precision, "precision")


# -- what a training will do -----------------------------------------------------------------------------------------------------------


def image_side(settled: Config, source: Material) -> int:
    """Side in px that the network sees: asked for, else the network's own, at most the store's."""
    return min(settled.image_size or config.choose(models.MODELS, settled.model, "model").image_size, source.pictures.shape[1])


def batch_size(settled: Config, rows: int) -> int:
    """Asked for, else 128, less for few rows: a short training needs enough steps. Never more than the rows."""
    automatic = 128 if rows >= 8000 else 64 if rows >= 2000 else 32
    return min(settled.batch_size or automatic, rows)


def make_plan(settled: Config, source: Material, rows: int, steps: int) -> learn.Plan:
    entry = config.choose(models.MODELS, settled.model, "model")
    batch = batch_size(settled, rows)
    return learn.Plan(
        steps=max(1, steps),
        steps_per_epoch=rows // batch,
        batch_size=batch,
        side=image_side(settled, source),
        optimizer=entry.optimizer,
        learning_rate=settled.learning_rate or entry.learning_rate,
        weight_decay=settled.weight_decay,
        label_smoothing=settled.label_smoothing,
        ema=settled.ema,
        seed=settled.seed,
    )


def make_learner(settled: Config, source: Material, plan: learn.Plan) -> learn.Learner:
    """A fresh network and its learner, equal for equal seeds."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(settled.seed)
    tf.config.experimental.enable_op_determinism()
    strategy = models.strategy()
    with strategy.scope():
        model = models.build(settled.model, plan.side, source.pictures.shape[3], len(source.question.classes), settled.width)
    return learn.Learner(model, plan, config.choose(augment.MIXES, settled.mix, "mix"), strategy)


def batches(settled: Config, source: Material, plan: learn.Plan, rows: np.ndarray, augmentation: str | None = None):
    """`start -> tf.data.Dataset` of training batches from number `start` to the plan's end."""
    operation = augment.build(augmentation or settled.augment, source.question, settled.seed, plan.side)

    def stream(start: int, steps: int = plan.steps) -> tf.data.Dataset:
        return data.training(
            source.pictures, source.train_store, rows, source.targets, plan.batch_size, plan.side, operation, settled.seed, start, steps
        )

    return stream


def passing(source: Material, side: int, part: str, rows: np.ndarray) -> tf.data.Dataset:
    """One pass over table rows of `train` or `test`, never augmented."""
    where = source.train_store if part == "train" else source.test_store
    return data.passing(source.pictures, where, rows, FORWARD_BATCH, side)


def measure(learner: learn.Learner, stream, seconds: float = 3.0) -> tuple[float, float]:
    """Seconds per step (after the first, which compiles), and seconds until the first step was done. The learner is put back."""
    before = learner.state()
    began = time.monotonic()
    iterator = iter(learner.strategy.experimental_distribute_dataset(stream(0, 1_000_000)))
    for _ in range(2):
        float(learner.step(*next(iterator)))
    first = time.monotonic() - began
    began, taken = time.monotonic(), 0
    while time.monotonic() - began < seconds or not taken:
        for _ in range(4):  # without waiting in between, as in training
            loss = learner.step(*next(iterator))
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


def planned(budget: Budget, settled: Config, source: Material, rows: np.ndarray, parts: list[int], learner, predictor) -> learn.Plan:
    """The plan of a fold: by `epochs=`, or by what the machine manages within the budget.

    `parts` are the numbers of validation, locked and test rows, which have to be predicted in the time as well.
    """
    plan = learner.plan
    if not (budget.finish_by or budget.step_seconds):
        return dataclasses.replace(plan, steps=budget.steps or max(1, round(settled.epochs * plan.steps_per_epoch)))
    left = budget.step_seconds or budget.finish_by - time.monotonic()
    per_step, compiling = measure(learner, batches(settled, source, plan, rows), float(np.clip(0.03 * left, 1, 3)))
    rest = 0.0
    if not budget.step_seconds:
        rest = rest_seconds(source, plan, rows, parts, predictor, left / per_step) + RECALIBRATION * per_step / 3 + compiling / 2
        left = budget.finish_by - time.monotonic() - rest
    plan = dataclasses.replace(plan, steps=max(1, int(left / per_step)), seconds=max(per_step, left))
    print(
        f"plan: {plan.steps} steps of {plan.batch_size}, {plan.steps / plan.steps_per_epoch:.1f} epochs: "
        f"{plan.batch_size / per_step:.0f} pictures/s measured, {plan.seconds:.0f} s for steps" + (f", {rest:.0f} s for the rest" if rest else "")
    )
    if plan.steps < 20:
        print(f"warning: minutes={settled.minutes:g} leaves time for {plan.steps} steps only; the result will be poor")
    return plan


def rest_seconds(source: Material, plan: learn.Plan, rows: np.ndarray, parts: list[int], predictor: learn.Predictor, steps: float) -> float:
    """Seconds that the predictions of a fold of about `steps` steps take, those for the curve included, and the writing."""
    few = rows[:FORWARD_BATCH]
    predictor(passing(source, plan.side, "train", few), few)  # compiles
    began = time.monotonic()
    predictor(passing(source, plan.side, "train", few), few)
    per_batch = time.monotonic() - began
    points = min(learn.CURVE_POINTS, -(-steps // plan.steps_per_epoch))
    return sum(-(-size // FORWARD_BATCH) for size in [*parts, points * min(CURVE_ROWS, parts[0])]) * per_batch + 1.0


def share(end: float, number: int, of: int) -> float:
    """When (time.monotonic) part `number` of `of` has to be done, so that all are done at `end` and have had equal time from now on."""
    return time.monotonic() + (end - time.monotonic()) / (of - number)


def end_of(settled: Config) -> float | None:
    """When (time.monotonic) the command has to stop training and predicting, by `minutes=`: a second stays for score and page."""
    return config.STARTED + 60 * settled.minutes - 1.0 if settled.minutes else None


# -- one fold --------------------------------------------------------------------------------------------------------------------------


def fold(place: paths.Place, run: paths.Run, settled: Config, side: int, key: str, budget: Budget) -> None:
    """Trains fold `key` of a run and predicts its validation, locked and test rows; continues a killed one; no-op when whole.

    What the budget resolves to is frozen in `plan.json`.
    """
    out = run.fold(key)
    if out.record.exists():
        print(f"{run.name} {out.folder.name}: whole, nothing to do")
        return
    began = time.monotonic()
    precision = models.set_precision(settled.precision)
    source = material(place, side)
    rows, valid = folds.rows(source.folds, key)
    locked = np.flatnonzero(source.folds.fold == folds.HOLDOUT)
    test = np.flatnonzero(source.test_store >= 0)
    if len(rows) < 2:
        raise Mistake(f"fold {key} has {len(rows)} training rows.")
    learner = make_learner(settled, source, make_plan(settled, source, len(rows), 1))
    predictor = learn.Predictor(learner.model, settled.views)
    if stored := paths.read_json(out.plan):
        plan = learn.Plan(**stored)
    else:
        plan = planned(budget, settled, source, rows, [len(valid), len(locked), len(test)], learner, predictor)
        paths.write_json(out.plan, asdict(plan))
    learner.follow(plan)
    device = "GPU" if models.has_gpu() else "CPU"
    print(
        f"{run.name} {out.folder.name}: {settled.model}, {learner.model.count_params():,} weights, {plan.side} px, "
        f"{len(rows)} training rows, {plan.steps / plan.steps_per_epoch:.1f} epochs, {device}, {precision}"
    )
    stream = batches(settled, source, plan, rows)
    learn.fit(learner, stream, out, validation(source, plan.side, predictor, valid), scalars(out))
    if settled.ema:
        learner.take_average()
    learn.recalibrate(learner.model, stream(0, min(RECALIBRATION, plan.steps)))
    predict(out, source, plan.side, predictor, {"valid": valid, "holdout": locked, "test": test})
    learner.model.save(out.weights)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts = {"seconds": round(time.monotonic() - began, 1), "peak_memory_mib": round(peak), "device": device, "precision": precision}
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}
    paths.write_json(out.record, {"rows": len(rows), "steps": plan.steps, **facts, "versions": versions})
    out.checkpoint.unlink(missing_ok=True)


def validation(source: Material, side: int, predictor: learn.Predictor, valid: np.ndarray):
    """A function for the curve: loss and metric of the weights as they are, on at most CURVE_ROWS rows."""
    if not len(valid):
        return dict
    few = folds.sample(source.folds, CURVE_ROWS, valid)
    codes = source.codes[few]
    metric = metrics.METRICS[source.question.metric]
    positive = source.question.positive_index

    def validate() -> dict:
        probabilities = predictor(passing(source, side, "train", few), few, "validating").astype(np.float64)
        loss = metrics.METRICS["log_loss"].score(codes, probabilities)
        return {"valid_loss": loss, f"valid_{metric.name}": metric.score(codes, probabilities, positive=positive)}

    return validate


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
            probabilities = predictor(passing(source, side, table, rows), rows, f"predicting {part}")
            paths.write_predictions(files[part], rows, probabilities)
