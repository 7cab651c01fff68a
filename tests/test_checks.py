"""Each of 04's checks, broken on purpose: just that check sees it."""

import dataclasses
import shutil
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from layouts import prepare
from test_train import OTHER_KINDS, of_kind

from clf import augment, checks, config, data, models, paths, runs, tables, targets
from tests import cases
from tests.small import small as small

AMPLE = 300.0  # seconds: every training here ends by its number of steps, so no verdict hangs on how fast the machine is


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    work = tmp_path_factory.mktemp("checks")
    with prepare("small", work, pictures=90, side=32) as place:
        yield place, work


def make_bench(place: paths.Place) -> checks.Bench:
    settled = runs.settle(place, config.Config(model="small", batch_size=16, precision="float32"))
    return checks.bench(place, settled, 32, 90)


@pytest.fixture
def bench(prepared, monkeypatch):
    place, work = prepared
    monkeypatch.setenv("CLF_WORK", str(work))
    return make_bench(place)


@pytest.fixture
def other_table(prepared, monkeypatch, tmp_path):
    """A function: a bench whose train.csv is another one."""
    _, work = prepared

    def bench_of(change):
        monkeypatch.setenv("CLF_WORK", str(tmp_path))
        place = paths.Place("small")
        shutil.copytree(work, tmp_path, dirs_exist_ok=True)
        tables.write(place.train, change(tables.read(place.train)))
        return make_bench(place)

    return bench_of


def seen(on: checks.Bench) -> dict[str, str]:
    """Every check that does not pass, with its state, out of all of them."""
    found, _ = checks.all_checks(on, AMPLE, lambda check: None)
    return {check.name: check.state for check in found if check.state != "passed"}


def slower(on: checks.Bench, rate: float) -> checks.Bench:
    return dataclasses.replace(on, settled=dataclasses.replace(on.settled, learning_rate=rate), plan=dataclasses.replace(on.plan, learning_rate=rate))


def test_a_sound_pipeline_passes_every_check(bench):
    heard = []
    found, timing = checks.all_checks(bench, AMPLE, heard.append)
    assert [(check.name, check.state) for check in found if check.state == "failed"] == []
    assert heard == found
    assert len(found) == 13
    forecast = checks.forecast(bench, timing)
    assert forecast["minutes_per_epoch"] == pytest.approx(4 * 16 * timing["seconds_per_step"] / 16 / 60, rel=0.3)
    assert forecast["peak_memory_mib"] > 100


def test_pictures_of_other_rows_are_seen(bench):
    moved = dataclasses.replace(bench.source, train_store=np.roll(bench.source.train_store, 1))
    assert seen(dataclasses.replace(bench, source=moved)) == {"pictures and labels belong together": "failed"}


def test_labels_of_other_rows_are_seen(bench):
    moved = dataclasses.replace(bench.source, truth=np.roll(bench.source.truth, 1))
    assert seen(dataclasses.replace(bench, source=moved)) == {"pictures and labels belong together": "failed"}


def test_an_augmentation_that_mixes_up_rows_is_seen(bench, monkeypatch):
    monkeypatch.setitem(augment.AUGMENTS, "light", (lambda images, draw, question, side: images[::-1],))
    assert seen(bench) == {"pictures and labels belong together": "failed"}


@pytest.mark.parametrize("value", [0, 255])
def test_a_store_of_equal_pictures_is_seen(bench, value):
    alike = dataclasses.replace(bench.source, pictures=np.full_like(bench.source.pictures, value))
    assert seen(dataclasses.replace(bench, source=alike)) == {"pictures differ from one another": "failed"}


def test_an_augmentation_that_leaves_nothing_is_seen(bench, monkeypatch):
    monkeypatch.setitem(augment.AUGMENTS, "light", (lambda images, draw, question, side: images // 255 // 2,))
    assert seen(bench) == {"pictures differ from one another": "failed"}
    assert "augment=light" in checks.pictures_differ(bench).advice


def test_held_out_rows_among_the_training_rows_are_seen(bench):
    leaky = dataclasses.replace(bench, rows=np.append(bench.rows, bench.held_out[:8]))
    assert seen(leaky) == {"held-out rows stay out of training": "failed"}


def test_a_twin_of_a_held_out_row_is_seen(other_table, bench):
    def twin(table):
        table.loc[[bench.rows[0], bench.held_out[0]], "cluster"] = "7"
        return table

    assert seen(other_table(twin)) == {"held-out rows stay out of training": "failed"}


def same_order(monkeypatch):
    monkeypatch.setattr(data, "order", lambda seed, epoch, size: np.random.default_rng(epoch).permutation(size))


def same_draws(monkeypatch):
    def noise(images, draw, question, side):
        return images // 2 + np.random.default_rng(0).integers(0, 99, images.shape).astype(np.uint8)

    monkeypatch.setitem(augment.AUGMENTS, "light", (noise,))


def same_weights(monkeypatch):
    whole = keras.utils.set_random_seed
    monkeypatch.setattr(keras.utils, "set_random_seed", lambda seed: whole(0))


@pytest.mark.parametrize(("leak", "what"), [(same_order, "orders"), (same_draws, "draws"), (same_weights, "first weights")])
def test_what_does_not_follow_the_seed_is_seen(bench, monkeypatch, leak, what):
    leak(monkeypatch)
    assert seen(bench) == {"another seed gives another run": "failed"}
    assert f"{what} the same" in checks.other_seed(bench).figure


def rebuilt(monkeypatch, change) -> None:
    """Networks come with `change(head's layer, features) -> logits` in the place of their head."""
    whole = models.build

    def build(*arguments, **settings):
        model = whole(*arguments, **settings)
        head = model.get_layer("logits")
        features = head.input
        return keras.Model(model.inputs, change(head, features))

    monkeypatch.setattr(models, "build", build)


def without_features(head, features):
    return head(keras.layers.Rescaling(0.0)(features))


def not_trainable(head, features):
    head.trainable = False
    return head(features)


@pytest.mark.parametrize("kill", [without_features, not_trainable])
def test_a_dead_head_is_seen(bench, monkeypatch, kill):
    rebuilt(monkeypatch, kill)
    assert seen(bench) == {"the head answers to its features": "failed"}


def test_weights_that_no_gradient_reaches_are_seen_and_named(bench, monkeypatch):
    def beside(head, features):
        return head(keras.layers.Add()([features, keras.layers.Rescaling(0.0)(keras.layers.Dense(features.shape[1], name="lame")(features))]))

    rebuilt(monkeypatch, beside)
    assert seen(bench) == {"every weight moves": "failed"}
    assert "lame/kernel" in checks.first_steps(bench)[1].advice


def test_a_layer_that_is_not_trainable_is_seen_and_named(bench, monkeypatch):
    whole = models.build

    def build(*arguments, **settings):
        model = whole(*arguments, **settings)
        convolution = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
        convolution._name = convolution.name = "ice"
        convolution.trainable = False
        return model

    monkeypatch.setattr(models, "build", build)
    assert seen(bench) == {"every weight moves": "warned"}
    assert "ice" in checks.first_steps(bench)[1].advice


def test_shuffled_labels_are_seen(other_table):
    def shuffled(table):
        return table.assign(label=np.random.default_rng(0).permutation(table.label))

    on = other_table(shuffled)
    assert seen(on) == {"better than the class prior on held-out rows": "warned"}


def test_first_weights_that_are_too_large_are_seen(bench, monkeypatch):
    whole = checks.planning.make_learner

    def large(*arguments):
        learner = whole(*arguments)
        head = learner.model.get_layer("logits")
        head.set_weights([keras.random.normal(weight.shape, stddev=3, seed=1) for weight in head.get_weights()])
        return learner

    monkeypatch.setattr(checks.planning, "make_learner", large)
    assert seen(bench) == {"loss at start is a uniform guess's": "failed"}


def test_a_network_that_does_not_learn_is_seen(bench):
    assert checks.learnt_by_heart(slower(bench, 1e-9), seconds=AMPLE).state == "failed"
    states = {check.name: check.state for check in checks.trained(slower(bench, 1e-9), AMPLE)[0]}
    assert states["the loss falls"] == "warned"
    assert states["predictions change with the input"] == "failed"


def test_held_out_labels_that_do_not_follow_from_the_pictures_are_seen(bench):
    truth = bench.source.truth.copy()
    truth[bench.held_out] = (truth[bench.held_out] + 1) % 3
    other = dataclasses.replace(bench, source=dataclasses.replace(bench.source, truth=truth))
    states = {check.name: check.state for check in checks.trained(other, AMPLE)[0]}
    assert states["better than the class prior on held-out rows"] == "warned"
    assert states["the loss falls"] == "passed"


def test_a_run_that_does_not_repeat_is_seen(bench, monkeypatch):
    whole, seeds = checks.planning.make_learner, iter((0, 1))

    def other(settled, source, plan):
        return whole(settled, source, dataclasses.replace(plan, seed=next(seeds)))

    monkeypatch.setattr(checks.planning, "make_learner", other)
    assert checks.same_twice(bench).state == "warned"


def test_waiting_for_data_is_seen(bench, monkeypatch):
    def slow(images, draw, question, side):
        time.sleep(0.2)
        return images

    monkeypatch.setitem(augment.AUGMENTS, "light", (slow,))
    states = {check.name: check.state for check in checks.trained(bench, 1.0)[0]}
    assert states["the step does not wait for data"] == "warned"


# -- other kinds of targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", cases.part(OTHER_KINDS, 3))
def test_targets_that_are_no_single_class_are_checked_as_well(prepared, tmp_path, kind):
    with of_kind(prepared[1], tmp_path / "other", kind) as place:
        on = make_bench(place)
        assert checks.belong_together(on).state == "passed"
        moved = dataclasses.replace(on, source=dataclasses.replace(on.source, truth=np.roll(on.source.truth, 1, axis=0)))
        assert checks.belong_together(moved).state == "failed"
        assert checks.uniform_start(on).state == "passed"
        by_heart = checks.learnt_by_heart(on, seconds=AMPLE)
        assert by_heart.state == "passed"
        assert "targets explained" in by_heart.figure
        assert checks.learnt_by_heart(slower(on, 1e-9), seconds=AMPLE, steps=40).state == "failed"
        right = on.source.truth[on.held_out].astype(np.float64)
        assert checks.better_than_prior(on, 0.9 * right + 0.1 * right.mean(0)).state == "passed"
        assert checks.better_than_prior(on, np.tile(right.mean(0), (len(right), 1))).state == "warned"


def test_predictions_of_values_are_measured_by_their_range(prepared, tmp_path):
    with of_kind(prepared[1], tmp_path / "other", "regression") as place:
        on = make_bench(place)
    assert checks.unit(on).tolist() == [490, 3]
    assert targets.ranges(on.source.question)[0].tolist() == [10, -1]


def test_an_ordinal_batch_is_right_by_its_classes_and_not_by_its_questions(bench):
    """Two logits ask whether the class is above the first and above the second of three."""
    question = dataclasses.replace(bench.source.question, kind="ordinal")
    ordinal = dataclasses.replace(bench, source=dataclasses.replace(bench.source, question=question))
    logits = tf.constant([[-9.0, -9.0], [9.0, -9.0], [9.0, 9.0]])
    assert checks.learnt(ordinal, np.eye(3), logits) == 1
    assert checks.learnt(ordinal, np.eye(3)[[0, 1, 0]], logits) == pytest.approx(2 / 3)
