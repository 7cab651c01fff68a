"""The page of a run: for every kind of problem, with few and many classes, and with what is not there."""

import numpy as np
import pandas as pd
import pytest
from test_report import HOSTILE, page

from clf import report, run_page

UNSENT = {"text": ["nothing to compare"], "points": pd.DataFrame(columns=["run", "cv", "public"]), "cv": None, "noise": None, "name": "net"}


def history(epochs: int) -> list[dict]:
    lines = [{"epoch": epoch, "step": epoch * 10, "loss": 1 / epoch, "learning_rate": 0.1} for epoch in range(1, epochs + 1)]
    return [line | ({"valid_loss": 0.5, "valid_accuracy": 0.75} if line["epoch"] % 2 == 0 else {}) for line in lines]


@pytest.mark.parametrize("number", [2, 40, 120])
def test_run_names_the_top_confusion(tmp_path, number):
    classes = [f"class {index} $ {HOSTILE}" for index in range(number)]
    confusion = 100 * np.eye(number, dtype=int)
    confusion[1, 0] = 25
    folds = [{"key": "0", "history": history(5), "score": 0.9}, {"key": "1", "history": [], "score": None}]
    score = {"score": 0.9, "low": 0.85, "high": 0.95, "rows": 200}
    run_page.draw(tmp_path / "run.html", "net-1234", {"model": "net"}, folds, confusion, classes, "accuracy", score, UNSENT)
    text = page(tmp_path / "run.html")
    assert "out-of-fold accuracy 0.9000, 95 % interval 0.8500 to 0.9500" in text
    assert "25</td>" in text
    assert "20.0%" in text
    assert ('alt="confusion matrix"' in text) == (number <= report.LEGIBLE)
    assert 'alt="curves"' in text


def test_run_on_every_row_has_no_confusions(tmp_path):
    folds = [{"key": "full", "history": history(1), "score": None}]
    score = {"score": None, "low": None, "high": None, "rows": 0}
    run_page.draw(tmp_path / "run.html", "net", {}, folds, None, ["a", "b"], "accuracy", score, UNSENT)
    text = page(tmp_path / "run.html")
    assert "No validation rows." in text
    assert "no score: every row trained" in text


def test_run_of_targets_that_are_no_single_class_counts_no_confusions_and_shows_a_metric_without_a_value(tmp_path):
    lines = [line | {"valid_roc_auc": float("nan")} for line in history(4)]
    folds = [{"key": "0", "history": lines, "score": float("nan")}]
    score = {"score": float("nan"), "low": float("nan"), "high": float("nan"), "rows": 9}
    run_page.draw(tmp_path / "run.html", "net", {}, folds, None, ["a", "b"], "roc_auc", score, UNSENT)
    text = page(tmp_path / "run.html")
    assert "Not counted: too many classes" in text
    assert 'alt="curves"' in text


def test_run_without_a_mistake_says_so(tmp_path):
    folds = [{"key": "0", "history": [], "score": 1.0}]
    run_page.draw(
        tmp_path / "run.html",
        "net",
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
    run_page.draw(tmp_path / "run.html", "net", {}, [], None, ["a", "b"], "accuracy", score, standing)
    text = page(tmp_path / "run.html")
    assert 'alt="cross-validation against leaderboard"' in text
    assert "within &lt;script&gt;" in text
    run_page.draw(tmp_path / "run.html", "net", {}, [], None, ["a", "b"], "accuracy", score, UNSENT)
    text = page(tmp_path / "run.html")
    assert 'alt="cross-validation against leaderboard"' not in text
    assert "nothing to compare" in text


def test_confusions_by_hand():
    confusion = np.array([[8, 2, 0], [0, 5, 5], [1, 0, 3]])
    assert run_page.confusions(confusion, ["a", "b", "c"]) == [("b", "c", "5", "50.0%"), ("a", "b", "2", "20.0%"), ("c", "a", "1", "25.0%")]
