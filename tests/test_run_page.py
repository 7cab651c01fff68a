"""The page of a run: for every kind of problem, with few and many classes, and with what is not there."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from test_errors import CLASSES, KINDS, near
from test_report import HOSTILE, page

from clf import config, paths, problem, report, run_page, shift, standing, tables

NO_SHIFT = {"lines": [shift.Line("Train against test", "None found", "Nothing."), shift.Line("Mix", HOSTILE, HOSTILE, True)], "curve": None}
UNSENT = {"text": ["nothing to compare"], "points": pd.DataFrame(columns=["run", "cv", "public"]), "cv": None, "noise": None, "name": "net"}


def draw(folder, settings, folds, confusion, classes, metric, score, standing) -> None:
    seen = {"notes": [HOSTILE], "confusion": confusion}
    run_page.draw(folder / "run.html", "net", settings, folds, classes, metric, score, standing, NO_SHIFT, seen)


def history(epochs: int) -> list[dict]:
    lines = [{"epoch": epoch, "step": epoch * 10, "loss": 1 / epoch, "learning_rate": 0.1} for epoch in range(1, epochs + 1)]
    return [line | ({"valid_loss": 0.5, "valid_accuracy": 0.75} if line["epoch"] % 2 == 0 else {}) for line in lines]


@pytest.mark.parametrize("number", [2, 40, 120])
def test_run_names_the_top_confusion(tmp_path, number):
    classes = [f"class {index} $ {HOSTILE}" for index in range(number)]
    confusion = 100 * np.eye(number, dtype=int)
    confusion[1, 0] = 25
    folds = [{"key": "0", "history": history(5), "score": 0.9, "ends": None}, {"key": "1", "history": [], "score": None, "ends": None}]
    score = {"score": 0.9, "low": 0.85, "high": 0.95, "rows": 200}
    draw(tmp_path, {"model": "net"}, folds, confusion, classes, "accuracy", score, UNSENT)
    text = page(tmp_path / "run.html")
    assert "out-of-fold accuracy 0.9000, 95 % interval 0.8500 to 0.9500" in text
    assert "25</td>" in text
    assert "20.0%" in text
    assert ('alt="confusion matrix"' in text) == (number <= report.LEGIBLE)
    assert 'alt="curves"' in text
    assert ">Mix</b>" in text


def test_run_on_every_row_has_no_confusions(tmp_path):
    folds = [{"key": "full", "history": history(1), "score": None, "ends": None}]
    score = {"score": None, "low": None, "high": None, "rows": 0}
    draw(tmp_path, {}, folds, None, ["a", "b"], "accuracy", score, UNSENT)
    text = page(tmp_path / "run.html")
    assert "No validation rows." in text
    assert "no score: every row trained" in text


def test_run_of_targets_that_are_no_single_class_counts_no_confusions_and_shows_a_metric_without_a_value(tmp_path):
    lines = [line | {"valid_roc_auc": float("nan")} for line in history(4)]
    folds = [{"key": "0", "history": lines, "score": float("nan"), "ends": None}]
    score = {"score": float("nan"), "low": float("nan"), "high": float("nan"), "rows": 9}
    draw(tmp_path, {}, folds, None, ["a", "b"], "roc_auc", score, UNSENT)
    text = page(tmp_path / "run.html")
    assert "Not counted: too many classes" in text
    assert 'alt="curves"' in text


def test_run_without_a_mistake_says_so(tmp_path):
    folds = [{"key": "0", "history": [], "score": 1.0, "ends": None}]
    draw(
        tmp_path,
        {},
        folds,
        np.diag([3, 0]),
        ["a", "b"],
        "accuracy",
        {"score": 1.0, "low": 1.0, "high": 1.0, "rows": 3},
        UNSENT,
    )
    assert "every validation row is right" in page(tmp_path / "run.html")


@pytest.mark.parametrize("number", [3, run_page.LABELLED + 5])
def test_run_draws_submissions_against_the_leaderboard(tmp_path, number):
    points = pd.DataFrame({"run": [HOSTILE, "net", *["other"] * (number - 2)], "cv": np.linspace(0.9, 0.91, number)})
    points["public"] = points.cv - 0.002
    score = {"score": 0.9, "low": 0.85, "high": 0.95, "rows": 200}
    standing = {"text": [f"within {HOSTILE}"], "points": points, "cv": 0.9, "noise": 0.004, "name": "net"}
    draw(tmp_path, {}, [], None, ["a", "b"], "accuracy", score, standing)
    text = page(tmp_path / "run.html")
    assert 'alt="cross-validation against leaderboard"' in text
    assert "within &lt;script&gt;" in text
    draw(tmp_path, {}, [], None, ["a", "b"], "accuracy", score, UNSENT)
    text = page(tmp_path / "run.html")
    assert 'alt="cross-validation against leaderboard"' not in text
    assert "nothing to compare" in text


def test_confusions_by_hand():
    confusion = np.array([[8, 2, 0], [0, 5, 5], [1, 0, 3]])
    assert run_page.confusions(confusion, ["a", "b", "c"]) == [("b", "c", "5", "50.0%"), ("a", "b", "2", "20.0%"), ("c", "a", "1", "25.0%")]


# -- the whole page of a run -----------------------------------------------------------------------------------------------------------

ROWS, TEST, SIDE = 90, 60, 8


def labels_of(kind: str) -> list[str]:
    several = {"multilabel": ("cat", "cat owl", "dog"), "soft": ("0.7 0.2 0.1", "0 0.9 0.1", "0.2 0.2 0.6"), "regression": ("1", "5.5", "9")}
    return [several.get(kind, CLASSES[: 2 if kind == "binary" else 3])[row % (2 if kind == "binary" else 3)] for row in range(ROWS)]


def whole_run(kind: str, **changes) -> tuple[paths.Place, paths.Run]:
    """A competition of that kind, prepared by hand, and a run on its folds that is mostly right."""
    place = paths.Place("toy")
    question = dataclasses.replace(KINDS[kind], **changes)
    problem.write(place.problem, question, {})
    labels, ids = labels_of(kind), [f"r{row}" for row in range(ROWS)]
    tables.write(place.train, pd.DataFrame({"id": ids, "label": labels, "cluster": "", "group": [f"g{row // 30}" for row in range(ROWS)]}))
    tables.write(place.test, pd.DataFrame({"id": [f"t{row}" for row in range(TEST)]}))
    tables.write(place.folds, pd.DataFrame({"id": ids, "fold": [str(row % 2) for row in range(ROWS)], "sample": ids}))
    listed = pd.DataFrame({"part": ["train"] * ROWS + ["test"] * TEST, "id": "", "path": "", "row": [str(row) for row in range(ROWS + TEST)]})
    listed = listed.assign(width="64", height="48", format=np.where(np.arange(ROWS + TEST) % 3, "JPEG RGB", "PNG L"))
    tables.write(place.pictures, listed)
    packed = place.packed(SIDE)
    packed.folder.mkdir(parents=True)
    np.save(packed.pictures, np.random.default_rng(0).integers(0, 256, (ROWS + TEST, SIDE, SIDE, 3), dtype=np.uint8))
    paths.write_json(packed.record, {"made_from": {place.pictures.name: paths.hash_file(place.pictures)}})
    paths.write_json(place.prepare_record, {"side": SIDE, "fit": "crop"})
    run = place.run("net")
    config.write_toml(run.config, config.Config(model="net"), "a test", only_changes=False)
    made_from = {file.name: paths.hash_file(file) for file in (place.train, place.folds)} | {"problem.toml": problem.hash(question)}
    paths.write_json(run.identity, {"made_from": made_from})
    predicted = near(np.arange(ROWS + TEST) % 3, 3)[:, : len(question.classes)] * (10 if kind == "regression" else 1)
    predicted = predicted / predicted.sum(1, keepdims=True) if kind == "binary" else predicted
    for key in (0, 1):
        paths.write_predictions(run.fold(key).valid, np.arange(key, ROWS, 2), predicted[key:ROWS:2])
        paths.write_predictions(run.fold(key).test, np.arange(TEST), predicted[ROWS:])
        paths.write_text(run.fold(key).history, '{"epoch": 1, "loss": 0.5, "learning_rate": 0.1}\n')
    score = {"metric": question.metric, "score": 0.5, "low": 0.4, "high": 0.6, "rows": ROWS, "folds": {"0": 0.5, "1": 0.5}, "seconds": 1.0}
    paths.write_json(run.score, score)
    return place, run


SAID = {
    "multiclass": ("Confident learning calls", "The most confidently wrong of each true class", "Calibration, out of fold"),
    "ordinal": ("Confident learning calls", "The most confidently wrong of each true class"),
    "binary": ("Confident learning calls", "roc_auc"),
    "multilabel": ("The most confidently wrong of each label", "has it", "Confident learning calls"),
    "soft": ("Not defined for the kind soft: its targets", "Not defined for the kind soft: shares are opinions", "Class mix"),
    "regression": ("The widest misses", "Not defined for values", "Mean values, test against out of fold", "label_errors.csv, beside this page"),
}


@pytest.mark.parametrize("kind", SAID)
def test_the_page_of_every_kind_says_what_is_defined_for_it(scratch, kind):
    place, run = whole_run(kind)
    standing.write_page(place, run)
    text = page(run.page)
    for words in (*SAID[kind], "Train against test", "g0</td>", "PNG L</td>"):
        assert words in text, words
    assert run.label_errors.exists() == (kind != "soft")
    assert text.count('src="data:image/jpeg') >= 5
    assert "All files are alike in short side, shape." in text


def test_a_page_is_drawn_again_without_pictures_and_after_the_tables_have_changed(scratch, capsys):
    place, run = whole_run("multiclass")
    standing.write_page(place, run)
    first = tables.read(run.label_errors)
    place.packed(SIDE).record.unlink()
    standing.refresh(place, run.name)
    text = page(run.page)
    assert "The pictures themselves are not shown: there is no store" in text
    assert "data:image/jpeg" not in text
    assert first.id[0] in text
    assert "Not looked at: there is no store" in text
    tables.write(place.train, tables.read(place.train).iloc[::-1])
    standing.refresh(place, run.name)
    text = page(run.page)
    assert "train.csv has changed since run net was trained" in text
    assert "Class mix" in text
    assert "stays as it was" not in capsys.readouterr().out


def test_a_page_with_a_store_of_other_pictures_shows_none(scratch):
    place, run = whole_run("multiclass")
    paths.write_json(place.packed(SIDE).record, {"made_from": {place.pictures.name: "sha256:1"}})
    standing.write_page(place, run)
    assert "pictures.csv has changed since they were packed" in page(run.page)


def test_many_classes_are_cut_and_the_page_stays_small(scratch):
    many = tuple(f"class {number}" for number in range(3000))
    place, run = whole_run("multiclass", classes=(*CLASSES, *many))
    for key in (0, 1):
        for file in (run.fold(key).valid, run.fold(key).test):
            rows, predicted = paths.read_predictions(file)
            paths.write_predictions(file, rows, np.concatenate([predicted, np.zeros((len(rows), len(many)))], axis=1))
    standing.write_page(place, run)
    text = page(run.page)
    assert "Not searched: more than 2,000 classes." in text
    assert "more classes with fewer errors, or without rows, are not shown" in text
    assert len(text) < 1_000_000
