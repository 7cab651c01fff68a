"""Each of 04's checks, broken on purpose: just that check sees it."""

import dataclasses
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from layouts import build, downloaded

from clf import augment, checks, config, folds, paths, problem, runs, store, tables

AMPLE = 300.0  # seconds: every training here ends by its number of steps, so no verdict hangs on how fast the machine is


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A prepared competition of 90 small pictures, made by the package as 02 and 03 do."""
    patch = pytest.MonkeyPatch()
    work = tmp_path_factory.mktemp("checks")
    patch.setenv("CLF_WORK", str(work))
    place = paths.Place("small")
    build("folders", downloaded(place.data), pictures=90, side=32)
    explore(place)
    question = problem.read(place.problem)
    pictures = tables.read(place.pictures)
    tables.write(place.folds, folds.draw(tables.read(place.train)))
    store.pack(place.packed(32), place.raw, pictures.path.tolist(), 32, "squash", 3, {"side": 32})
    paths.write_json(place.prepare_record, {"side": 32, "fit": "squash"})
    assert len(question.classes) == 3
    yield place, work
    patch.undo()


def explore(place: paths.Place) -> None:
    command = [sys.executable, "-m", "scripts.02_explore", f"competition={place.competition}"]
    subprocess.run(command, cwd=paths.CHECKOUT, check=True, capture_output=True)


@pytest.fixture
def bench(prepared, monkeypatch):
    place, work = prepared
    monkeypatch.setenv("CLF_WORK", str(work))
    settled = runs.settle(place, config.Config(model="resnet10", width=0.25, batch_size=16))
    return checks.bench(place, settled, 32, 90)


def slower(on: checks.Bench, rate: float) -> checks.Bench:
    return dataclasses.replace(on, settled=dataclasses.replace(on.settled, learning_rate=rate), plan=dataclasses.replace(on.plan, learning_rate=rate))


def test_a_sound_pipeline_passes_every_check(bench):
    heard = []
    found, timing = checks.all_checks(bench, AMPLE, heard.append)
    assert [(check.name, check.state) for check in found if check.state == "failed"] == []
    assert heard == found
    assert len(found) == 8
    forecast = checks.forecast(bench, timing)
    assert forecast["minutes_per_epoch"] == pytest.approx(4 * 16 * timing["seconds_per_step"] / 16 / 60, rel=0.3)
    assert forecast["peak_memory_mib"] > 100


def test_pictures_of_other_rows_are_seen(bench):
    moved = dataclasses.replace(bench.source, train_store=np.roll(bench.source.train_store, 1))
    assert checks.belong_together(dataclasses.replace(bench, source=moved)).state == "failed"


def test_labels_of_other_rows_are_seen(bench):
    moved = dataclasses.replace(bench.source, codes=np.roll(bench.source.codes, 1))
    check = checks.belong_together(dataclasses.replace(bench, source=moved))
    assert check.state == "failed"
    assert "make prepare" in check.advice


def test_an_augmentation_that_mixes_up_rows_is_seen(bench, monkeypatch):
    monkeypatch.setitem(augment.AUGMENTS, "light", (lambda images, draw, question, side: images[::-1],))
    assert checks.belong_together(bench).state == "failed"


def test_first_weights_that_are_too_large_are_seen(bench, monkeypatch):
    whole = checks.train.make_learner

    def large(*arguments):
        learner = whole(*arguments)
        head = learner.model.get_layer("logits")
        head.set_weights([keras.random.normal(weight.shape, stddev=3, seed=1) for weight in head.get_weights()])
        return learner

    monkeypatch.setattr(checks.train, "make_learner", large)
    assert checks.uniform_start(bench).state == "failed"


def test_a_network_that_does_not_learn_is_seen(bench):
    assert checks.learnt_by_heart(slower(bench, 1e-9), seconds=AMPLE).state == "failed"
    states = {check.name: check.state for check in checks.trained(slower(bench, 1e-9), AMPLE)[0]}
    assert states["the loss falls"] == "warned"
    assert states["predictions change with the input"] == "failed"


def test_held_out_labels_that_do_not_follow_from_the_pictures_are_seen(bench):
    codes = bench.source.codes.copy()
    codes[bench.held_out] = (codes[bench.held_out] + 1) % 3
    other = dataclasses.replace(bench, source=dataclasses.replace(bench.source, codes=codes))
    states = {check.name: check.state for check in checks.trained(other, AMPLE)[0]}
    assert states["better than the class prior on held-out rows"] == "warned"
    assert states["the loss falls"] == "passed"


def test_a_run_that_does_not_repeat_is_seen(bench, monkeypatch):
    whole, seeds = checks.train.make_learner, iter((0, 1))

    def other(settled, *rest):
        return whole(dataclasses.replace(settled, seed=next(seeds)), *rest)

    monkeypatch.setattr(checks.train, "make_learner", other)
    assert checks.same_twice(bench).state == "warned"


def test_waiting_for_data_is_seen(bench, monkeypatch):
    def slow(images, draw, question, side):
        time.sleep(0.5)
        return images

    monkeypatch.setitem(augment.AUGMENTS, "light", (slow,))
    states = {check.name: check.state for check in checks.trained(bench, 1.0)[0]}
    assert states["the step does not wait for data"] == "warned"
