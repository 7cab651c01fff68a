"""One fold with all its parts: what a setting leads to, what is made room for, and entries of one's own in every table of names."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from layouts import prepare

from clf import augment, config, learn, losses, models, optim, paths, runs, train
from clf.config import Mistake


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    work = tmp_path_factory.mktemp("train")
    with prepare("small", work, pictures=90, side=32):
        yield work


@pytest.fixture
def place(prepared, monkeypatch):
    monkeypatch.setenv("CLF_WORK", str(prepared))
    return paths.Place("small")


SMALL = {"model": "resnet10", "width": 0.25, "batch_size": 16, "precision": "float32", "epochs": 1.0}


def settled(place, **changes) -> config.Config:
    return runs.settle(place, config.Config(**{**SMALL, **changes}))


def trained(place, **changes) -> paths.Run:
    """A whole run."""
    wanted = settled(place, **changes)
    run = runs.open_run(place, wanted)
    train.trained(place, run, wanted, 0.0)
    runs.finish(place, run, wanted, 1.0)
    return run


def learner_of(place, **changes) -> learn.Learner:
    wanted = settled(place, **changes)
    source = train.material(place, 32)
    return train.make_learner(wanted, source, train.make_plan(wanted, source, 72, 4))


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16", "float32"])
def test_the_network_computes_in_the_precision_that_was_asked_for(place, precision):
    model = learner_of(place, precision=precision).model
    kinds = {layer.compute_dtype for layer in model._flatten_layers() if isinstance(layer, keras.layers.Conv2D)}
    assert kinds == {precision.removeprefix("mixed_")}
    assert model.output.dtype == "float32"


def test_a_step_that_does_not_fit_is_computed_in_parts(place, monkeypatch):
    """The memory of a processor cannot be short for one step alone: the error of a GPU is raised in its place."""
    whole = learn.Learner._replica_step

    def short(learner, *batch):
        if learner.plan.parts < 4:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return whole(learner, *batch)

    monkeypatch.setattr(learn.Learner, "_replica_step", short)
    wanted, source, said = settled(place), train.material(place, 32), []
    learner = train.fitting(wanted, source, np.arange(72), 4, said.append)
    assert learner.plan.parts == 4
    assert said[-1] == "out of memory: the batch of 16 is computed in 4 parts"
    assert int(learner.optimizer.iterations.numpy()) == 0


def test_a_picture_that_does_not_fit_alone_is_a_mistake(place, monkeypatch):
    def short(learner, *batch):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(learn.Learner, "_replica_step", short)
    with pytest.raises(Mistake, match=r"one picture of 32 px is too much.*image_size="):
        train.fitting(settled(place, batch_size=4), train.material(place, 32), np.arange(72), 4, print)


def test_entries_of_ones_own_are_trained_by_their_names(place, monkeypatch, capsys):
    def body(inputs, *given, **named):
        return keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, 2, activation="relu")(inputs))

    own = dataclasses.replace(models.MODELS["resnet10"], body=body)
    used = []

    def darker(images, draw, question, side):
        used.append(len(images))
        return images // 2

    monkeypatch.setitem(models.MODELS, "mine", own)
    monkeypatch.setitem(
        losses.LOSSES, "mine", {"multiclass": lambda targets, logits, smoothing: tf.reduce_mean((targets - tf.nn.softmax(logits)) ** 2, 1)}
    )
    monkeypatch.setitem(optim.OPTIMIZERS, "mine", lambda schedule, **settings: keras.optimizers.Lion(schedule, **settings))
    monkeypatch.setitem(augment.OPERATIONS, "darker", darker)
    wanted = settled(place, model="mine", loss="mine", optimizer="mine", augment="flip+darker", width=1.0)
    train.check_names(place, wanted)
    run = runs.open_run(place, wanted)
    train.trained(place, run, wanted, 0.0)
    assert "mine" in capsys.readouterr().out
    assert set(used) == {16}
    values = paths.read_predictions(run.fold("0").valid)[1]
    np.testing.assert_allclose(values.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("loss", "mean_squared_error"),
        ("loss", "huuber"),
        ("optimizer", "adam"),
        ("schedule", "cosin"),
        ("balance", "yes"),
        ("augment", "flip+crob"),
        ("xla", "1"),
    ],
)
def test_an_unknown_name_stops_before_anything_is_written(place, setting, name):
    with pytest.raises(Mistake, match=r"Known|Those that do"):
        train.check_names(place, settled(place, **{setting: name}))


def test_first_weights_come_from_another_run_and_the_head_is_trained_first(place, capsys):
    first = trained(place, epochs=3.0)
    capsys.readouterr()
    run = trained(place, weights=str(first.folder), epochs=4.0, freeze=0.5, layer_decay=0.5)
    assert "weights" in capsys.readouterr().out
    plan = paths.read_json(run.fold("0").plan)
    assert plan["frozen"] == plan["steps"] // 2


def test_first_weights_that_have_seen_the_validation_rows_are_refused(place):
    first = trained(place)
    wanted = settled(place, weights=str(first.folder))
    assert train.first_weights(place, wanted, "0.2") == str(first.fold("0").folder)
    assert train.first_weights(place, wanted, "full") == str(first.folder)
    for weights in (first.folder, first.fold("0").folder):
        with pytest.raises(Mistake, match="has seen rows that fold 1 validates"):
            train.first_weights(place, settled(place, weights=str(weights)), "1")


def test_an_ordinal_problem_is_trained_on_cumulative_logits(place):
    text = place.problem.read_text()
    try:
        place.problem.write_text(text.replace('value = "multiclass"', 'value = "ordinal"'))
        run = trained(place)
        model = models.load(run.fold("0").weights)
        values = paths.read_predictions(run.fold("0").valid)[1]
    finally:
        place.problem.write_text(text)
    assert model.output_shape[-1] == 2
    assert values.shape[1] == 3
    np.testing.assert_allclose(values.sum(1), 1, atol=1e-5)


def test_rare_classes_are_drawn_as_often_as_common_ones(place):
    source = train.material(place, 32)
    wanted = settled(place, balance="sampling")
    rows = np.concatenate([np.flatnonzero(source.codes == 0)[:2], np.flatnonzero(source.codes != 0)[:46]])
    plan = train.make_plan(wanted, source, len(rows), 3)
    targets = np.concatenate([targets.numpy() for _, targets, _ in train.batches(wanted, source, plan, rows)(0)])
    assert targets.sum(0).tolist() == [16, 16, 16]
