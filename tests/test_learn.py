"""The step and its loop: against Keras's own, resume bit by bit, batch-norm statistics, predictions by row."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clf import data, learn, models, paths

SIDE, ROWS, BATCH = 16, 96, 16


def plan(steps: int, **changes) -> learn.Plan:
    settings = {"optimizer": "muon", "learning_rate": 0.02, "weight_decay": 5e-4, "label_smoothing": 0.1, "ema": 0.2, "seed": 0}
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


def make(settings: learn.Plan, mix=None) -> learn.Learner:
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()
    return learn.Learner(models.build("resnet10", SIDE, 1, 3, 0.25), settings, mix, tf.distribute.get_strategy())


def quiet(line):
    return None


def test_ten_steps_equal_those_of_keras_fit(pictures):
    """SGD with Nesterov, decay and the schedule, against `model.fit` with the same optimizer."""
    settings = plan(10, optimizer="sgd", ema=0.0, label_smoothing=0.0)
    ours = make(settings)
    theirs = keras.models.clone_model(ours.model)
    theirs.set_weights(ours.model.get_weights())
    batches = [(images.numpy().astype("float32"), targets.numpy()) for images, targets, _ in stream_of(*pictures, 10)(0)]
    for images, targets in batches:
        ours.step(tf.constant(images), tf.constant(targets), tf.range(BATCH))
    optimizer = learn.make_optimizer(settings, theirs.trainable_variables, tf.Variable(10), tf.Variable(0.0))
    theirs.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    for images, targets in batches:
        theirs.train_on_batch(images, targets)
    for one, other in zip(ours.model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def test_the_schedule_is_a_triangle():
    schedule = learn.OneCycle(2.0, 100, warmup=0.2)
    assert [round(float(schedule(step)), 3) for step in (0, 10, 20, 60, 100)] == [0.0, 1.0, 2.0, 1.0, 0.0]


def test_muon_makes_orthonormal_updates():
    """Five Newton-Schulz steps bring every singular value near one, as in the reference's description (0.7 … 1.2)."""
    for shape in ((27, 8), (16, 64)):
        matrix = tf.constant(np.random.default_rng(0).normal(size=shape), tf.float32)
        values = np.linalg.svd(learn.orthogonalise(matrix, steps=5).numpy(), compute_uv=False)
        assert values.min() > 0.6
        assert values.max() < 1.3


def test_biases_and_norms_do_not_decay(pictures):
    learner = make(plan(3, weight_decay=1.0, optimizer="sgd"))
    inner = learner.optimizer
    for variable in learner.model.trainable_variables:
        assert inner._use_weight_decay(variable) == (len(variable.shape) > 1), variable.path


@pytest.mark.parametrize("killed_at", [4, 8])
def test_a_killed_training_continues_bit_by_bit(pictures, tmp_path, killed_at):
    settings = plan(14)
    stream = stream_of(*pictures, 14)
    unbroken = make(settings)
    learn.fit(unbroken, stream, paths.Fold(tmp_path / "a"), dict, quiet, seconds_between=0)

    class Killed(Exception):
        pass

    broken = make(settings)
    step = broken.step

    def dying(*batch):
        if int(broken.optimizer.iterations.numpy()) == killed_at:
            raise Killed
        return step(*batch)

    broken.step = dying
    fold = paths.Fold(tmp_path / "b")
    with pytest.raises(Killed):
        learn.fit(broken, stream, fold, dict, quiet, seconds_between=0)
    resumed = make(settings)
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
    learner = make(plan(6, ema=1.0))
    kernel = learner.model.trainable_variables[0]
    expected, memory = np.zeros(kernel.shape), float(learner.memory.numpy())
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
