"""A layout of the zoo through the steps, in one process: 01 (a folder), 02, 03, a linear model in place of 05, 07, and the grader's verdict."""

import contextlib
import importlib
import io
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import threadpoolctl
from sklearn.linear_model import Ridge

from clf import archives, config, folds, images, paths, problem, report, runs, store, tables, targets
from tests.zoo.entry import Built, Entry
from tests.zoo.graders import GRADERS

SIDE = 16  # px, that the linear model sees


@dataclass(frozen=True)
class Outcome:
    """What came of a layout; the scores are the independent grader's."""

    entry: Entry
    inferred: dict[str, str]  # as `entry.expect` says it; {} where 02 could not settle it
    asked: str  # the question that 02 stopped with, or ""
    score: float | None = None
    prior: float | None = None

    @property
    def better(self) -> bool:
        if self.score is None:
            return False
        return self.score > self.prior if GRADERS[self.entry.metric].higher_is_better else self.score < self.prior


def build(entry: Entry, folder: Path) -> Built:
    folder.mkdir(parents=True)
    return entry.build(folder, np.random.default_rng(3))


def unpack(folder: Path) -> None:
    """The folder's archives give way to what they hold, as in 01."""
    for archive in [path for path in sorted(folder.iterdir()) if archives.is_archive(path)]:
        archives.unpack(archive, folder)
    for archive in [path for path in sorted(folder.iterdir()) if archives.is_archive(path)]:
        archive.unlink()


# -- the steps ---------------------------------------------------------------------------------------------------------------------


def script(name: str) -> Callable:
    return importlib.import_module(f"scripts.{name}")


def quietly(function: Callable, *arguments) -> str:
    """What the function prints."""
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        function(*arguments)
    return said.getvalue()


def download(place: paths.Place, source: Path, entry: Entry) -> None:
    """01 with source=, and what the API would have said."""
    module = script("01_download")
    quietly(module.main, module.Words(competition=place.competition, source=str(source)))
    paths.write_json(place.download, paths.read_json(place.download) | {"facts": entry.facts()})


def explore(place: paths.Place, whole: bool = False) -> str:
    """02, without its page unless `whole`; returns the question that it stops with, or ""."""
    module = script("02_explore")
    with contextlib.nullcontext() if whole else mock.patch.object(report, "explore"), threadpoolctl.threadpool_limits(1):
        try:
            quietly(module.main, module.Words(competition=place.competition))
        except config.Mistake as mistake:
            return str(mistake)
    return ""


def answer(place: paths.Place, lines: dict) -> None:
    """The user's lines of problem.toml."""
    place.problem.parent.mkdir(parents=True, exist_ok=True)
    before = place.problem.read_text() if place.problem.exists() else ""
    text = "".join(f"[{name}]\nvalue = {_toml(value)}\n" for name, value in lines.items())
    place.problem.write_text(before + text)


def _toml(value) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int) else '"' + value + '"'


def prepare(place: paths.Place, question: problem.Problem, whole: bool = False) -> None:
    """03; without its picture of the augmentations unless `whole`."""
    if whole:
        module = script("03_prepare")
        quietly(module.main, module.Words(competition=place.competition))
        return
    train, pictures = tables.read(place.train), tables.read(place.pictures)
    tables.write(place.folds, folds.draw(train, question))
    names = pictures[pictures.row != ""].path.tolist()
    made_from = {"side": question.side, "fit": question.fit}
    quietly(
        lambda: store.pack(place.packed(question.side), place.raw, names, question.side, question.fit, question.channels, made_from, question.window)
    )
    paths.write_json(place.prepare_record, made_from)


def linear(place: paths.Place, question: problem.Problem, name: str = "linear", whole: bool = False) -> None:
    """A run of one fold (of all, if `whole`), as 05 would leave it, by linear models on thumbnails."""
    train, drawn = tables.read(place.train), tables.read(place.folds)
    pictures = tables.read(place.pictures)
    row = pictures.row.replace("", "-1").astype(int).to_numpy()
    of_train, of_test = row[(pictures.part == "train").to_numpy()], row[(pictures.part == "test").to_numpy()]
    stored = store.load(place.packed(question.side))
    small = np.stack([images.fit(picture, min(SIDE, question.side), "squash") for picture in stored])
    features = small.reshape(len(small), -1) / 127.5 - 1
    truth, test = targets.truth(question, list(train["label"])), np.flatnonzero(of_test >= 0)
    settled = runs.settle(place, replace(config.Config(), fold="all" if whole else "0", epochs=1.0))
    run = runs.open_run(place, settled, name)
    for key in runs.fold_keys(place, settled):
        rows, valid = folds.rows(drawn, key)
        predict = fitted(question, features[of_train[rows]], truth[rows])
        paths.write_predictions(run.fold(key).valid, valid, predict(features[of_train[valid]]))
        paths.write_predictions(run.fold(key).test, test, predict(features[of_test[test]]))
    runs.finish(place, run, settled, 1.0)


def fitted(question: problem.Problem, features: np.ndarray, truth: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """features [N,F] → predictions float64 [N,K] by ridge regression on the targets, brought into the range of the problem's kind."""
    goals = targets.dense(question, truth)
    with threadpoolctl.threadpool_limits(1):  # the matrices are small: threads only wait for each other
        model = Ridge(alpha=30.0).fit(features, goals)
    low, high = (goals.min(axis=0), goals.max(axis=0)) if question.kind == "regression" else (0.01, 0.99)

    def predict(rows: np.ndarray) -> np.ndarray:
        found = np.clip(model.predict(rows).reshape(len(rows), -1), low, high)
        return found if question.kind in ("regression", "multilabel") else found / found.sum(axis=1, keepdims=True)

    return predict


def submit(place: paths.Place, name: str = "linear") -> pd.DataFrame:
    module = script("07_submit")
    quietly(module.main, module.Words(competition=place.competition, run=name, dry_run=True))
    return pd.read_csv(place.submission(name), dtype=str, keep_default_na=False)


# -- all of them -------------------------------------------------------------------------------------------------------------------


def ask(entry: Entry, source: Path, whole: bool = False) -> tuple[paths.Place, problem.Problem | None, str]:
    """01 and 02 for a folder that was built; the work lies below $CLF_WORK. The entry's answers are given where 02 asks.

    Returns the place, the problem (None where 02 could not settle it) and the question that 02 asked, or "".
    """
    place = paths.Place(entry.competition)
    download(place, source, entry)
    asked = explore(place, whole)
    if asked and entry.answers:
        answer(place, entry.answers)
        again = explore(place, whole)
        if again:
            return place, None, f"{asked} THEN {again}"
    elif asked:
        return place, None, asked
    return place, problem.read(place.problem), asked


def score(entry: Entry, place: paths.Place, question: problem.Problem, asked: str, built: Built, whole: bool = False) -> Outcome:
    """The steps after 02, and the grader's verdict on what 07 writes."""
    prepare(place, question, whole)
    quietly(linear, place, question, "linear", whole)
    sent, prior, answers = (id_first(frame, question) for frame in (submit(place), built.prior, built.answers))
    grader = GRADERS[entry.metric]
    return Outcome(entry, inferred(question, built), asked, grader.score(sent, answers), grader.score(prior, answers))


def id_first(frame: pd.DataFrame, question: problem.Problem) -> pd.DataFrame:
    """As the graders want it; a file's order of columns may be another one."""
    return frame[[question.id_column, *(name for name in frame if name != question.id_column)]]


def run(entry: Entry, source: Path, built: Built, whole: bool = False) -> Outcome:
    """Everything, for a folder that was built."""
    place, question, asked = ask(entry, source, whole)
    if question is None:
        return Outcome(entry, {}, asked)
    return score(entry, place, question, asked, built, whole)


def forget(entry: Entry) -> None:
    """Removes all that the steps made of the layout."""
    place = paths.Place(entry.competition)
    for folder in (place.problem.parent, place.submission("linear").parent):
        shutil.rmtree(folder, ignore_errors=True)


def inferred(question: problem.Problem, built: Built) -> dict[str, str]:
    """As `entry.expect` says it."""
    return {name: getattr(question, name) for name in ("kind", "style", "layout", "metric", "group")} | {"join": _join(question, built)}


def _join(question: problem.Problem, built: Built) -> str:
    """How an id of the submission finds its picture, in a word."""
    if question.layout in ("pixels", "json", "tfrecord"):
        return "row" if question.layout == "pixels" else "record"
    if question.test_file:
        return "JSON" if question.test_file.endswith(".json") else "table"
    if question.suffixes or question.aggregate:
        return "suffixes" if question.suffixes else "folder"
    return "name" if built.answers.iloc[:, 0].str.lower().str.endswith(images.EXTENSIONS).all() else "stem"
