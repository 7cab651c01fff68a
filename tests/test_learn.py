"""The step and its loop: against Keras's own, resume bit by bit, batch-norm statistics, predictions by row."""

import dataclasses
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from clf import augment, config, data, learn, losses, models, optim, paths
from tests import cases
from tests.small import small as small

SIDE, ROWS, BATCH = 16, 96, 16


def plan(steps: int, **changes) -> learn.Plan:
    settings = {"optimizer": "muon", "learning_rate": 0.16, "seed": 0}
    return learn.Plan(steps=steps, steps_per_epoch=ROWS // BATCH, batch_size=BATCH, side=SIDE, **{**settings, **changes})


@pytest.fixture(scope="module")
def pictures():
    """96 pictures of three classes that differ in brightness."""
    rng = np.random.default_rng(0)
    labels = np.arange(ROWS) % 3
    return (rng.integers(0, 60, (ROWS, SIDE, SIDE, 1)) + 70 * labels[:, None, None, None]).astype(np.uint8), labels


def stream_of(pictures, labels, steps):
    targets = np.eye(3, dtype=np.float32)[labels]
    rows = np.arange(ROWS)

    def stream(start, stop=steps):
        return data.training(pictures, rows, rows, targets.__getitem__, BATCH, SIDE, lambda images, rows, epoch: images, 0, start, stop)

    return stream


def make(settings: learn.Plan, mix=None, ema=0.2, smoothing=0.1, dropout=0.0, strategy=None) -> learn.Learner:
    keras.backend.clear_session()
    keras.mixed_precision.set_dtype_policy(settings.precision)  # clearing the session has forgotten it
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        model = models.build("small", SIDE, 1, 3, dropout=dropout)
        schedule = optim.Schedule(settings.learning_rate * BATCH / 128, "one_cycle")
        memory = tf.Variable(0.0, trainable=False) if ema else None
        optimizer = optim.build(settings.optimizer, schedule, model.trainable_variables, weight_decay=5e-4, memory=memory)
    loss = losses.build("auto", "multiclass", smoothing, "none")
    average = (lambda step, steps: optim.weights_memory(step, steps, ema, 0.0)) if ema else None
    head = model.get_layer("logits").trainable_variables
    return learn.Learner(model, settings, optimizer, schedule, loss, strategy, mix=mix, average=average, head=head)


def quiet(line):
    return None


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_twenty_steps_equal_those_of_keras_fit(pictures, name):
    """With decay and the schedule, against `model.fit` with Keras's own optimizer."""
    settings = plan(20, optimizer=name, learning_rate=0.16 if name == "sgd" else 0.008)
    ours = make(settings, ema=0.0, smoothing=0.0)
    theirs = keras.models.clone_model(ours.model)
    theirs.set_weights(ours.model.get_weights())
    batches = [(images.numpy().astype("float32"), targets.numpy()) for images, targets, _ in stream_of(*pictures, 20)(0)]
    for images, targets in batches:
        ours.step(tf.constant(images), tf.constant(targets), tf.range(BATCH))
    peak = settings.learning_rate * BATCH / 128
    schedule = optim.Schedule(peak, "one_cycle", steps=20)
    stock = {"sgd": keras.optimizers.SGD(schedule, 0.9, True, 5e-4), "adamw": keras.optimizers.AdamW(schedule, 5e-4)}[name]
    stock.exclude_from_weight_decay(var_list=[variable for variable in theirs.trainable_variables if len(variable.shape) < 2])
    theirs.compile(stock, keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    stream = tf.data.Dataset.from_tensor_slices(tuple(np.concatenate(part) for part in zip(*batches, strict=True))).batch(BATCH)
    theirs.fit(stream, shuffle=False, verbose=0)
    assert np.abs(ours.model.get_weights()[0] - make(settings).model.get_weights()[0]).max() > 0.003
    for one, other in zip(ours.model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def test_parts_of_a_batch_add_up_to_the_whole(pictures):
    """Without batch norm, whose statistics are the part's own: their scale and shift are all that is trained before the head."""
    batch = next(iter(stream_of(*pictures, 1)(0)))
    whole, parts = make(plan(4, optimizer="sgd"), ema=0.0), make(plan(4, optimizer="sgd", parts=3), ema=0.0)
    for learner in (whole, parts):
        for _ in range(3):
            learner.head_step(*batch)
    np.testing.assert_allclose(whole.model.get_weights()[-2], parts.model.get_weights()[-2], rtol=1e-5, atol=1e-7)
    before = parts.model.get_weights()[0]
    assert np.isfinite(parts.step(*batch))
    assert (parts.model.get_weights()[0] != before).any()


def test_frozen_steps_move_the_head_alone_and_leave_the_statistics(pictures):
    settings = plan(6, frozen=4)
    learner = make(settings)
    before = learner.model.get_weights()
    for number, batch in enumerate(stream_of(*pictures, 4)(0), 1):
        learner.take_step(number, batch)
    after = learner.model.get_weights()
    changed = [(one != other).any() for one, other in zip(before, after, strict=True)]
    assert changed == [False] * (len(changed) - 2) + [True, True]
    learner.take_step(5, batch)
    assert all((one != other).any() for one, other in zip(after, learner.model.get_weights(), strict=True))


def test_an_overflow_halves_the_scale_skips_the_step_and_moves_nothing(pictures):
    learner = make(plan(6, precision="mixed_float16"))
    images, targets, rows = next(iter(stream_of(*pictures, 1)(0)))
    learner.step(images, targets, rows)
    scale = float(learner.optimizer.dynamic_scale.numpy())
    held = [*learner.model.trainable_variables, *(variable for variable in learner.inner.variables if "ema_momentum" not in variable.name)]
    before = [variable.numpy() for variable in held]
    learner.step(images, targets * float("inf"), rows)
    assert float(learner.optimizer.dynamic_scale.numpy()) == scale / 2
    for one, other in zip(before, held, strict=True):
        np.testing.assert_array_equal(one, other.numpy())


def test_xla_steps_are_those_without(pictures):
    batch = next(iter(stream_of(*pictures, 1)(0)))
    plain, compiled = make(plan(4)), make(plan(4, xla=True))
    for _ in range(2):
        one, other = plain.step(*batch), compiled.step(*batch)
    np.testing.assert_allclose(one, other, rtol=1e-3)


def test_pictures_are_mixed_until_the_last_tenth_and_without_that_all_is_as_in_a_network_that_cannot(pictures):
    """As where `mix=auto` finds that rows are seen too rarely, and where its run goes on in another process."""
    batches = list(stream_of(*pictures, 2)(0))
    cannot, can = make(plan(20)), make(plan(20, mix="cutmix"), augment.cutmix)
    first = {learner: learner.state() for learner in (cannot, can)}

    def trained(learner: learn.Learner, done: int = 0, mix: str = "cutmix", bend: int = 0) -> list[np.ndarray]:
        """The variables after steps number `done` and `done` + 1, the schedule bent to `bend` steps before."""
        learner.restore(first[learner])
        learner.follow(plan(20, mix=mix))
        learner.optimizer.iterations.assign(done)
        if bend:
            learner.bend(bend, 0, 0.0)
        for batch in batches:
            learner.step(*batch)
        return learner.state()

    def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
        return all((a == b).all() for a, b in zip(one, other, strict=True))

    assert equal(trained(cannot), trained(can, mix="none"))
    assert not equal(trained(cannot), trained(can))
    assert equal(trained(cannot, 18), trained(can, 18))
    assert not equal(trained(cannot, 17), trained(can, 17))
    assert equal(trained(cannot, 9, bend=10), trained(can, 9, bend=10))


@pytest.mark.parametrize("killed_at", cases.part([8, 4], 2))
def test_a_killed_training_that_mixes_continues_bit_by_bit(pictures, tmp_path, killed_at):
    settings = plan(14, mix="cutmix")
    stream = stream_of(*pictures, 14)
    unbroken = make(settings, augment.cutmix)
    learn.fit(unbroken, stream, paths.Fold(tmp_path / "a"), dict, quiet, seconds_between=0)

    class Killed(Exception):
        pass

    broken = make(settings, augment.cutmix)
    step = broken.step

    def dying(*batch):
        if int(broken.optimizer.iterations.numpy()) == killed_at:
            raise Killed
        return step(*batch)

    broken.step = dying
    fold = paths.Fold(tmp_path / "b")
    with pytest.raises(Killed):
        learn.fit(broken, stream, fold, dict, quiet, seconds_between=0)
    resumed = make(settings, augment.cutmix)
    learn.fit(resumed, stream, fold, dict, quiet, seconds_between=0)
    for one, other in zip(unbroken.state(), resumed.state(), strict=True):
        np.testing.assert_array_equal(one, other)
    lines = [path.read_text().count("\n") for path in (paths.Fold(tmp_path / "a").history, fold.history)]
    assert lines == [3, 3]


def test_recalibration_gives_the_statistics_of_the_batches(pictures):
    learner = make(plan(6))
    stream = stream_of(*pictures, 6)
    for batch in stream(0):
        learner.step(*batch)
    learn.recalibrate(learner.model, stream(0))
    norm = next(layer for layer in learner.model.layers if isinstance(layer, keras.layers.BatchNormalization))
    before = keras.Model(learner.model.inputs, norm.input)
    means = [before(tf.cast(images, tf.float32)).numpy().mean((0, 1, 2)) for images, _, _ in stream(0)]
    np.testing.assert_allclose(norm.moving_mean.numpy(), np.mean(means, axis=0), rtol=1e-3, atol=1e-4)
    assert norm.momentum == 0.9


def test_the_average_of_the_weights_takes_their_place(pictures):
    learner = make(plan(6), ema=1.0)
    kernel = learner.model.trainable_variables[0]
    expected, memory = np.zeros(kernel.shape), 1 - 1 / 6
    for number, batch in enumerate(stream_of(*pictures, 6)(0)):
        learner.step(*batch)
        expected = memory * expected + (1 - memory) * kernel.numpy() if number else kernel.numpy().copy()
    assert np.abs(kernel.numpy() - expected).max() > 1e-4
    learner.take_average()
    np.testing.assert_allclose(kernel.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_predictions_are_placed_by_the_row_that_came_with_them(pictures):
    images, _ = pictures
    learner = make(plan(1))
    learner.model.layers[-1].set_weights([np.random.default_rng(0).normal(size=w.shape) for w in learner.model.layers[-1].get_weights()])
    predictor = learn.Predictor(learner.model, "one")
    rows = np.array([40, 2, 95, 17, 63, 8, 71])
    batches = list(data.passing(images, np.arange(ROWS), rows, 4, SIDE))
    together = predictor(batches, rows)
    np.testing.assert_array_equal(predictor(reversed(batches), rows), together)
    for position, row in enumerate(rows):
        alone = predictor(data.passing(images, np.arange(ROWS), rows[position : position + 1], 4, SIDE), np.array([row]))
        np.testing.assert_allclose(together[position], alone[0], rtol=1e-4)


def diverging(learner: learn.Learner, at: set[int]):
    """A step that gives no number in the steps `at`, counted over the whole life of the learner."""
    step, taken = learner.step, iter(range(1, 1000))

    def broken(*batch):
        return step(*batch) * (float("nan") if next(taken) in at else 1.0)

    learner.step = broken


def test_a_divergence_goes_back_to_the_checkpoint_and_on_at_a_quarter_of_the_rate(pictures, tmp_path, capsys):
    learner, fold = make(plan(14)), paths.Fold(tmp_path / "fold0")
    diverging(learner, {9})
    learn.fit(learner, stream_of(*pictures, 14), fold, dict, quiet, seconds_between=0)
    out = capsys.readouterr().out
    assert "diverged by step 9: back to step 8" in out
    lines = [line for line in fold.history.read_text().splitlines()]
    assert len(lines) == 3
    assert np.isfinite(learner.model.get_weights()[0]).all()
    assert float(learner.schedule.scale.numpy()) == learn.RESCUE


def test_a_second_divergence_stops_with_advice_and_loses_nothing(pictures, tmp_path):
    learner, fold = make(plan(14)), paths.Fold(tmp_path / "fold0")
    diverging(learner, {9, 12})
    with pytest.raises(config.Mistake, match=r"diverged again by step 11.*learning_rate=0.016.*clip=1.*up to step 10"):
        learn.fit(learner, stream_of(*pictures, 14), fold, dict, quiet, seconds_between=0)
    assert learn.resume(learner, fold.checkpoint)["done"] == 10


def test_a_weight_that_is_no_number_is_never_stored(pictures, tmp_path):
    learner = make(plan(4))
    learner.model.trainable_variables[0].assign(learner.model.trainable_variables[0] * float("nan"))
    with pytest.raises(learn.Diverged):
        learn.save(learner, tmp_path / "c.npz", dict(learn.BEGINNING))
    assert not (tmp_path / "c.npz").exists()


def test_a_deadline_stops_where_the_same_training_continues(pictures, tmp_path):
    whole, fold = make(plan(10), dropout=0.3), paths.Fold(tmp_path / "a")
    learn.fit(whole, stream_of(*pictures, 10), fold, dict, quiet)
    paused, fold = make(plan(10), dropout=0.3), paths.Fold(tmp_path / "b")
    with pytest.raises(config.Paused, match="deadline came at step 1 of 10"):
        learn.fit(paused, stream_of(*pictures, 10), fold, dict, quiet, pause_at=0.0)
    later = make(plan(10), dropout=0.3)
    learn.fit(later, stream_of(*pictures, 10), fold, dict, quiet)
    for one, other in zip(whole.state(), later.state(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_views_average_probabilities(pictures):
    images, _ = pictures
    learner = make(plan(1))
    learner.model.layers[-1].set_weights([np.random.default_rng(0).normal(size=w.shape) for w in learner.model.layers[-1].get_weights()])
    rows = np.arange(4)
    batches = [(tf.constant(images[:4]), None, tf.range(4))]
    mirrored = [(tf.reverse(images[:4], [2]), None, tf.range(4))]
    one = learn.Predictor(learner.model, "one")
    both = learn.Predictor(learner.model, "mirror")(batches, rows)
    np.testing.assert_allclose(both, (one(batches, rows) + one(mirrored, rows)) / 2, atol=1e-6)
    np.testing.assert_allclose(both.sum(1), 1, atol=1e-5)


def test_moved_views_show_the_picture_a_pixel_further_and_have_half_of_the_weight(pictures):
    images = pictures[0][:4].astype(np.float32)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    seen = [view(tf.constant(images)).numpy() for view, _ in learn.VIEWS["mirror_shift"]]
    wanted = [images, padded[:, :-2, :-2], padded[:, 2:, 2:]]
    for found, plain in zip(seen[:3], wanted, strict=True):
        np.testing.assert_array_equal(found, plain)
    np.testing.assert_array_equal(seen[4], np.pad(images[:, :, ::-1], ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")[:, :-2, :-2])
    assert [share for _, share in learn.VIEWS["mirror_shift"]] == [1 / 4, 1 / 8, 1 / 8] * 2
    assert all(sum(share for _, share in views) == 1 for views in learn.VIEWS.values())


@pytest.mark.parametrize(("promised", "fewest", "most"), [(10, 11, 200), (10**6, 1, 200)])
def test_a_number_of_steps_that_was_wrong_is_mended_by_the_clock(pictures, tmp_path, promised, fewest, most):
    learner = make(dataclasses.replace(plan(promised), seconds=4.0))
    learner.step(*next(iter(stream_of(*pictures, 1)(0))))  # compiles
    rates, step = [], learner.step

    def slow(*batch):
        time.sleep(0.02)
        rates.append(float(learner.schedule(learner.optimizer.iterations.value)))
        return step(*batch)

    learner.step = slow
    began = time.monotonic()
    learn.fit(learner, stream_of(*pictures, 10**6), paths.Fold(tmp_path / "fold0"), lambda: time.sleep(0.1) or {}, quiet)
    assert 2.0 < time.monotonic() - began < 12.0  # not exact: machines that run tests are busy
    assert fewest <= learner.plan.steps == len(rates) <= most
    assert rates[-1] < 0.1 * max(rates)  # the schedule came to its end


def test_a_killed_training_by_the_clock_goes_on_with_the_seconds_that_are_left(pictures, tmp_path):
    fold = paths.Fold(tmp_path / "fold0")
    learner = make(dataclasses.replace(plan(10**6), seconds=3.0))
    fresh = learner.state()
    learner.step(*next(iter(stream_of(*pictures, 1)(0))))  # compiles, which here would take all the time until the pause
    learner.restore(fresh)
    with pytest.raises(config.Paused):
        learn.fit(learner, stream_of(*pictures, 10**6), fold, dict, quiet, pause_at=time.monotonic() + 2.0)
    later = make(dataclasses.replace(plan(10**6), seconds=3.0))
    totals = learn.resume(later, fold.checkpoint)
    assert totals["spent"] >= 1.5
    assert later.plan.steps == learner.plan.steps < 10**6
    assert float(later.schedule.share(totals["done"])) == pytest.approx(float(learner.schedule.share(totals["done"])))
    later = make(dataclasses.replace(plan(10**6), seconds=3.0))
    learn.fit(later, stream_of(*pictures, 10**6), fold, dict, quiet)
    assert int(later.optimizer.iterations.numpy()) == later.plan.steps > totals["done"]


def test_the_first_step_of_a_process_which_compiles_does_not_tell_the_speed(pictures, tmp_path):
    """Else a training that goes on would take its second of compiling for the time of each step, and end after a few."""
    learner = make(dataclasses.replace(plan(10**6), seconds=4.0))
    compiling, step = [3.0], learner.step

    def slow(*batch):
        time.sleep(compiling.pop() if compiling else 0.0)
        return step(*batch)

    learner.step(*next(iter(stream_of(*pictures, 1)(0))))
    learner.step = slow
    learn.fit(learner, stream_of(*pictures, 10**6), paths.Fold(tmp_path / "fold0"), dict, quiet)
    assert learner.plan.steps > 10
