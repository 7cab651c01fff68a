"""A run of two folds that is stopped by Ctrl-C and by its deadline, killed at several moments and copied, against the same run unbroken:
equal bit by bit.

With dropout, and a plan as `minutes=` leaves it. The unbroken run trains its folds side by side, on a machine that seems to have two GPUs.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from layouts import prepare

from clf import config, crew, learn, paths, runs, tables
from tests import cases

WORDS = ("model=resnet10", "width=0.25", "batch_size=16", "dropout=0.3", "fold=all", "minutes=0.5")

# Python runs a file of this name when it starts: the process and the folds that it starts are killed where KILL says.
CUSTOMIZE = """
import functools, os, signal, sys
if "KILL" in os.environ:
    sys.path.insert(0, {checkout!r})
    from clf import crew, learn, paths

    moment, number = os.environ["KILL"].split(":")
    left = [int(number)]

    def dying(whole, counts=lambda *given: True, after=False):
        @functools.wraps(whole)
        def call(*given, **named):
            left[0] -= counts(*given)
            due = counts(*given) and left[0] == 0
            if due and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = whole(*given, **named)
            if due:
                os.kill(os.getpid(), signal.SIGKILL)
            return result
        return call

    learn.fit = functools.partial(learn.fit, seconds_between=0)
    if moment == "step":
        learn.Learner.take_step = dying(learn.Learner.take_step)
    if moment == "checkpoint":
        paths.os.replace = dying(os.replace, lambda source, target: "checkpoint" in str(target))
    if moment == "validation":
        learn.Predictor.__call__ = dying(learn.Predictor.__call__, lambda *given: given[-1] == "validating")
    if moment == "recalibration":
        learn.recalibrate = dying(learn.recalibrate, after=True)
    if moment == "between":
        crew._start = dying(crew._start)
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The work folder of a prepared competition of 90 small pictures in two folds, with a run of each name begun and its plan frozen."""
    work = tmp_path_factory.mktemp("resume")
    with prepare("small", work, count=2) as place:
        settled = runs.settle(place, config.Config(model="resnet10", width=0.25, batch_size=16, dropout=0.3, fold="all", minutes=0.5))
        plan = learn.Plan(steps=9, steps_per_epoch=3, batch_size=16, side=32, optimizer="muon", learning_rate=0.05, seed=0)
        for name in ("whole", "broken"):
            run = runs.open_run(place, settled, name)
            for key in ("0", "1"):
                paths.write_json(run.fold(key).plan, asdict(plan))
        yield work


@pytest.fixture
def place(prepared, monkeypatch):
    monkeypatch.setenv("CLF_WORK", str(prepared))
    return paths.Place("small")


def command(name: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "scripts.05_train", "competition=small", f"run={name}", *WORDS, *more]


@pytest.fixture
def train(place, tmp_path):
    """Runs 05 on the run `name`, killed at `kill`; returns the finished process."""
    (tmp_path / "sitecustomize.py").write_text(CUSTOMIZE.format(checkout=str(paths.CHECKOUT)))

    def run(name: str, kill: str = "", *more: str, **environment: str) -> subprocess.CompletedProcess:
        extra = {"KILL": kill, "PYTHONPATH": str(tmp_path)} if kill else {}
        return subprocess.run(
            command(name, *more), cwd=paths.CHECKOUT, env={**os.environ, **extra, **environment}, capture_output=True, text=True, timeout=300
        )

    return run


def seeming_gpus(folder: Path, count: int) -> str:
    """A PATH on which the NVIDIA driver's tool lists `count` GPUs."""
    tool = folder / "nvidia-smi"
    tool.write_text("#!/bin/sh\n" + "".join(f"echo 'GPU {number}: NVIDIA T4 (UUID: GPU-{number})'\n" for number in range(count)))
    tool.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def stored(run: paths.Run) -> dict[str, np.ndarray]:
    """Every weight and prediction of both folds."""
    from clf import models

    found = {}
    for key in ("0", "1"):
        fold = run.fold(key)
        model = models.load(fold.weights)
        found |= {f"{key} weight {number}": value for number, value in enumerate(model.get_weights())}
        for file in (fold.valid, fold.test):
            rows, values = paths.read_predictions(file)
            found |= {f"{key} {file.name} rows": rows, f"{key} {file.name}": values}
    return found


def interrupted(place: paths.Place) -> None:
    """Ctrl-C at the command alone, in the first fold: it ends with 130, and so does the fold's own process, which keeps a checkpoint."""
    fold = place.run("broken").fold("0")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command("broken"), cwd=paths.CHECKOUT, text=True, **pipes)
    while not fold.checkpoint.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 130, out + errors
    assert errors.count("The same command continues") == 1
    assert "Traceback" not in errors
    assert learn_position(fold) < 9


def learn_position(fold: paths.Fold) -> int:
    with np.load(fold.checkpoint) as checkpoint:
        return json.loads(str(checkpoint["totals"]))["done"]


@pytest.mark.slow
def test_a_run_that_is_stopped_and_killed_again_and_again_and_copied_equals_the_unbroken_one(place, prepared, train, tmp_path, monkeypatch):
    side_by_side = train("whole", PATH=seeming_gpus(tmp_path, 2))
    assert side_by_side.returncode == 0, side_by_side.stderr
    whole, broken = place.run("whole"), place.run("broken")
    assert [paths.read_json(whole.fold(key).record)["devices"] for key in ("0", "1")] == ["0", "1"]

    interrupted(place)
    for kill in cases.part(("step:5", "checkpoint:2", "validation:2", "recalibration:1"), 4):
        done = train("broken", kill)
        assert done.returncode == 128 + signal.SIGKILL, kill + done.stderr
        assert "fold0 was killed by signal 9" in done.stderr
        assert not broken.fold("0").record.exists()
    assert train("broken", "between:2").returncode == -signal.SIGKILL
    assert broken.fold("0").record.exists()
    assert not broken.fold("1").checkpoint.exists()
    paused = train("broken", "", "deadline=0.26")
    assert paused.returncode == 75, paused.stdout + paused.stderr
    assert "the deadline came at step" in paused.stderr
    assert "same command continues" in paused.stderr
    copy = tmp_path / "elsewhere"
    shutil.copytree(prepared, copy)
    monkeypatch.setenv("CLF_WORK", str(copy))
    broken = paths.Place("small").run("broken")
    done = train("broken")
    assert done.returncode == 0, done.stderr
    assert "run broken: continues" in done.stdout

    one, other = stored(whole), stored(broken)
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)
    assert paths.read_json(broken.score)["score"] == paths.read_json(whole.score)["score"]


def test_devices_are_shared_out_where_there_are_enough_parts(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", seeming_gpus(tmp_path, 4))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert crew.devices(5) == ["0", "1", "2", "3"]
    assert crew.devices(3) == [None]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert crew.devices(5) == ["2", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert crew.devices(5) == [None]


def test_a_fold_that_fails_gives_the_command_its_status(place, train, tmp_path):
    """The second fold cannot be trained: it has one row."""
    table = tables.read(place.folds)
    try:
        tables.write(place.folds, pd.DataFrame(table).assign(fold=["1"] + ["0"] * (len(table) - 1)))
        done = subprocess.run([*command("unable")[:-1], "epochs=1"], cwd=paths.CHECKOUT, capture_output=True, text=True)
    finally:
        tables.write(place.folds, table)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "fold 0 has 1 training rows" in done.stderr
    assert "Traceback" not in done.stderr
    assert not place.run("unable").score.exists()
