"""One fold, from its plan to its validation and test predictions, and the parts of a run."""

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
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from clf import augment, config, crew, folds, learn, losses, material, metrics, models, optim, paths, planning, problem, runs, shift
from clf.config import Config, Mistake


def check_names(place: paths.Place, settled: Config) -> None:
    """Raises Mistake for an unknown name, or a loss that is not for the problem's kind, before anything is written."""
    tables_of_names = {
        "model": models.MODELS,
        "optimizer": {"auto": None, **optim.OPTIMIZERS},
        "schedule": optim.SCHEDULES,
        "mix": {"auto": None, **augment.MIXES},
        "views": {"auto": None, **learn.VIEWS},
        "precision": {"auto": None, **models.PRECISIONS},
        "xla": {"auto": None, "true": None, "false": None},
    }
    for setting, table in tables_of_names.items():
        config.choose(table, getattr(settled, setting), setting)
    augment.choose(settled.augment)
    losses.build(settled.loss, problem.read(place.problem).kind, settled.label_smoothing, settled.balance, np.ones(2))


def trained(place: paths.Place, run: paths.Run, settled: Config, deadline: float) -> None:
    """Trains what a run lacks: one part here, several in fresh interpreters. `deadline`: minutes after which the command has ended, or 0."""
    if settled.minutes:
        shift.look(place, runs.store_side(place))  # for the page: it takes seconds the first time, which the budget has to know of
    keys, end, pause_at = runs.fold_keys(place, settled), planning.end_of(settled), crew.pause_time(deadline)
    if len(keys) > 1:
        crew.train(place, run, keys, end, pause_at)
    else:
        fold(place, run, settled, runs.store_side(place), keys[0], planning.Budget(end), pause_at)


def fold(place: paths.Place, run: paths.Run, settled: Config, side: int, key: str, budget: planning.Budget, pause_at: float | None = None) -> None:
    """Trains fold `key` of a run and predicts its validation, locked and test rows; continues a killed one; no-op when whole.

    What data, network, machine and budget resolve to is frozen in `plan.json`; only a budget's number of steps follows the clock. Raises
    config.Paused at `pause_at` (time.monotonic).
    """
    out = run.fold(key)
    with paths.locked(out.lock):
        if out.record.exists():
            print(f"{run.name} {out.folder.name}: whole, nothing to do")
            return
        budget = dataclasses.replace(budget, like=budget.like or plan_like(place, run, settled))
        own = {"seed": runs.seed_of(settled, key), "weights": first_weights(place, settled, key)}
        _fold(place, run, dataclasses.replace(settled, **own), side, key, budget, pause_at)
        out.checkpoint.unlink(missing_ok=True)


def _fold(place: paths.Place, run: paths.Run, settled: Config, side: int, key: str, budget: planning.Budget, pause_at: float | None) -> None:
    out = run.fold(key)
    began = time.monotonic()
    stored = paths.read_json(out.plan)
    precision, why = (stored["precision"], "as planned") if stored else models.choose_precision(settled.precision)
    source = material.load(place, side)
    rows, valid = folds.rows(source.folds, key.partition(".")[0])
    locked = np.flatnonzero(source.folds.fold == folds.HOLDOUT)
    test = np.flatnonzero(source.test_store >= 0)
    if len(rows) < 2:
        raise Mistake(f"fold {key} has {len(rows)} training rows.")
    if stored:
        plan = learn.Plan(**stored)
        learner = planning.make_learner(settled, source, plan)
        predictor = planning.make_predictor(source, learner.model, plan.views)
    else:
        parts = [len(valid), len(locked), len(test)]
        settled = planning.chosen(settled, source, precision, budget, len(rows), sum(parts))
        learner = planning.fitting(settled, source, rows, 1, print)
        plan, predictor = planning.planned(budget, settled, source, rows, parts, learner)
        paths.write_json(out.plan, asdict(plan))
    learner.follow(plan)
    device = "GPU" if models.gpu_count() else "CPU"
    print(
        f"{run.name} {out.folder.name}: {settled.model} of width {plan.width:g}, {learner.model.count_params():,} weights, {plan.side} px, "
        f"{len(rows)} training rows, {plan.steps / plan.steps_per_epoch:.1f} epochs, mix={plan.mix}, {len(predictor.views)} views, "
        f"{device}, {precision} ({why})"
    )
    stream = material.batches(settled, source, plan, rows)
    validate = validation(source, plan.side, predictor, valid)
    learn.fit(learner, functools.partial(stream, steps=planning.ENDLESS), out, validate, scalars(out), pause_at=pause_at)
    if learner.plan != plan:
        paths.write_json(out.plan, asdict(learner.plan))  # the steps that it became
    learner.take_average()
    learn.recalibrate(learner.model, stream(0, min(planning.RECALIBRATION, learner.plan.steps)))
    predict(out, source, plan.side, predictor, {"valid": valid, "holdout": locked, "test": test})
    learner.model.save(out.weights)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts = {"seconds": round(time.monotonic() - began, 1), "peak_memory_mib": round(peak), "device": device, "precision": precision}
    facts |= {"devices": os.environ.get("CUDA_VISIBLE_DEVICES", "all")} | learn.device_memory()
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}
    paths.write_json(out.record, {"rows": len(rows), "steps": learner.plan.steps, **facts, "versions": versions})


def plan_like(place: paths.Place, run: paths.Run, settled: Config) -> dict:
    """The plan that a new part of the run has to be like: that of an earlier part, or of a full run without a budget that of the folds with
    the same settings, from which its epochs and its expected score come. Empty where there is none."""
    found = runs.plans(run)
    if not found and settled.fold == "full" and not settled.minutes and (other := runs.on_folds(place, settled)):
        found = runs.plans(other)
    return found[0] if found else {}


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


def validation(source: material.Material, side: int, predictor: learn.Predictor, valid: np.ndarray):
    """A function for the curve: loss and metric of the weights as they are, on at most CURVE_ROWS rows. The metric is that of the default
    decisions, and NaN where these rows leave it undefined."""
    if not len(valid):
        return dict
    few = folds.sample(source.folds, planning.CURVE_ROWS, valid)
    truth, asked = source.truth[few], runs.asked(source.question)
    loss, metric = metrics.METRICS[loss_metric(source.question)], metrics.METRICS[source.question.metric]

    def validate() -> dict:
        predicted = predictor(material.passing(source, side, "train", few), few, "validating").astype(np.float64)
        return {"valid_loss": loss.score(truth, predicted, asked), f"valid_{metric.name}": metric.score(truth, predicted, asked)}

    return validate


def loss_metric(question: problem.Problem) -> str:
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


def predict(out: paths.Fold, source: material.Material, side: int, predictor: learn.Predictor, parts: dict[str, np.ndarray]) -> None:
    """Predictions for each part that has rows, with the same weights and the same views."""
    files = {"valid": out.valid, "holdout": out.holdout, "test": out.test}
    for part, rows in parts.items():
        if len(rows) or part == "test":
            table = "test" if part == "test" else "train"
            predicted = predictor(material.passing(source, side, table, rows), rows, f"predicting {part}")
            paths.write_predictions(files[part], rows, predicted)


def main(task: dict) -> None:
    """One part of a run, as `crew` asks for it."""
    place = paths.Place(task["competition"])
    run = paths.Run(Path(task["run"]))
    budget = planning.Budget(task["seconds"] and config.STARTED + task["seconds"])
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
