"""The chain 01 to 07 as a user runs it, on small real pictures with a small network, with the real kaggle client on loopback."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from kaggle_server import Server, accuracy
from layouts import build

from clf import paths, problem, submission, tables, targets
from tests import cases

SMALL = ("model=resnet10", "width=0.25", "epochs=8", "batch_size=16")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths.files(folder)}


def said(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_make_all_uploads_and_reads_the_score_and_a_second_one_does_nothing(script, tmp_path, monkeypatch):
    answers = build("folders", tmp_path / "kaggle", pictures=90, side=32)
    with Server() as server:
        server.add("seedlings", contents(tmp_path / "kaggle"), score=accuracy(answers.to_csv(index=False).encode()))
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        words = ("competition=seedlings", *SMALL, "sample=60", "seconds=1")
        first = said(script("all", *words))
        place = paths.Place("seedlings")
        raw = contents(place.raw)
        listed = subprocess.run(
            [str(Path(sys.executable).with_name("kaggle")), "competitions", "submissions", "-c", "seedlings"], capture_output=True, text=True
        )
        uploads = server.calls.count("CreateSubmission")
        second = said(script("all", *words))
        assert server.calls.count("CreateSubmission") == uploads == 1
    run = paths.read_json(place.improve)["best"]
    frame = submission.parse(place.submission(run).read_text())
    grade = submission.grade(problem.read(place.problem), frame, answers)
    assert grade > 0.6  # three classes
    assert frame[["file"]].equals(tables.read(place.raw / "sample_submission.csv")[["file"]])
    ledger = tables.read(place.ledger)
    assert float(ledger.iloc[-1].public) == pytest.approx(grade, abs=1e-4)
    assert f"{grade:.5f}"[:6] in listed.stdout
    assert f"{run}.csv" in listed.stdout
    assert contents(place.raw) == raw
    for text in ("passed   pictures and labels belong together", "stronger augmentation", "second seed"):
        assert text in first
    for step in ("download", "explore", "prepare", "sample", "train", "improve"):
        assert f"{step}: nothing to do" in second
    assert "submit: nothing to make" in second


def whole_predictions(place: paths.Place, run: str) -> bytes:
    return place.run(run).fold("0").valid.read_bytes() + place.run(run).fold("0").test.read_bytes()


def interrupted_and_continued(place: paths.Place) -> bytes:
    """Ctrl-C after the first epoch, then the same command: the predictions."""
    words = [f"competition={place.competition}", *SMALL, "run=stopped"]
    command = [sys.executable, "-m", "scripts.05_train", *words]
    fold = place.run("stopped").fold("0")
    process = subprocess.Popen(command, cwd=paths.CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not fold.history.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "The same command continues" in errors
    assert "Traceback" not in errors
    assert fold.checkpoint.exists()
    assert not fold.record.exists()
    subprocess.run(command, cwd=paths.CHECKOUT, check=True, capture_output=True)
    return whole_predictions(place, "stopped")


@pytest.mark.slow
@cases.long
@pytest.mark.parametrize(("layout", "metric"), [("filename", "log_loss")])  # other layouts: tests/test_zoo.py, without a network
def test_the_chain_on_a_folder_ends_with_a_checked_submission_better_than_the_prior(script, tmp_path, layout, metric, scratch):
    answers = build(layout, tmp_path / "given", pictures=120, side=32)
    given = contents(tmp_path / "given")
    place = paths.Place("mine")
    said(script("01_download", "competition=mine", f"source={tmp_path / 'given'}"))
    said(script("02_explore", "competition=mine"))
    said(script("03_prepare", "competition=mine", "holdout=0.1"))
    said(script("05_train", "competition=mine", *SMALL, "run=small"))
    out = said(script("07_submit", "competition=mine", "run=small", "dry_run=true"))
    question = problem.read(place.problem)
    frame = submission.parse(place.submission("small").read_text())
    prior = np.tile(targets.prior(question, tables.read(place.train).label), (len(frame), 1))
    guess = submission.build(question, tables.read(place.raw / question.submission_file), frame.iloc[:, 0].tolist(), prior)
    assert question.metric == metric
    assert submission.grade(question, frame, answers.astype(str)) < submission.grade(question, guess, answers.astype(str))
    assert "holdout" in out
    assert "dry_run=true" in out
    assert not place.ledger.exists()
    assert contents(tmp_path / "given") == given
    assert interrupted_and_continued(place) == whole_predictions(place, "small")
    again = script("05_train", "competition=mine", *SMALL, "run=small", "seed=1")
    assert again.returncode == 2
    assert "seed was 0, is 1" in again.stderr
