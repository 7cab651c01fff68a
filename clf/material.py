"""What the trainings of a competition read: the store, the place of each table row in it and the truth; and batches of it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import tensorflow as tf

from clf import augment, data, folds, learn, paths, problem, store, tables, targets
from clf.config import Config
from clf.problem import Problem

FORWARD_BATCH = 256  # pictures per prediction step


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


def load(place: paths.Place, side: int) -> Material:
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
