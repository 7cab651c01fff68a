"""Several devices: the same step under MirroredStrategy, on two logical processors, each in an interpreter of its own."""

import subprocess
import sys

import pytest

from clf import paths
from tests import cases

HEAD = """
import sys
import keras, numpy as np, tensorflow as tf
from clf import augment, data, learn, losses, models, optim, paths

tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
tf.config.experimental.enable_op_determinism()
ROWS, BATCH, SIDE = 64, 16, 16
rng = np.random.default_rng(0)
labels = np.arange(ROWS) % 3
pictures = (rng.integers(0, 60, (ROWS, SIDE, SIDE, 1)) + 70 * labels[:, None, None, None]).astype(np.uint8)

def batches(start, stop=6):
    rows, targets = np.arange(ROWS), np.eye(3, dtype=np.float32)[labels]
    return data.training(pictures, rows, rows, targets.__getitem__, BATCH, SIDE, lambda images, rows, epoch: images, 0, start, stop)

def make(strategy, network, optimizer, policy="float32", mix="none"):
    keras.backend.clear_session()
    keras.mixed_precision.set_dtype_policy(policy)
    keras.utils.set_random_seed(1)
    plan = learn.Plan(steps=6, steps_per_epoch=4, batch_size=BATCH, side=SIDE, optimizer=optimizer, learning_rate=0.1, seed=0, mix=mix)
    with strategy.scope():
        model = network()
        schedule = optim.Schedule(0.02, "one_cycle")
        memory = tf.Variable(0.0, trainable=False)
        built = optim.build(optimizer, schedule, model.trainable_variables, weight_decay=1e-3, memory=memory)
    loss = losses.build("auto", "multiclass", 0.1, "none")
    average = lambda step, steps: optim.weights_memory(step, steps, 0.3, 0.0)
    return learn.Learner(model, plan, built, schedule, loss, strategy, augment.MIXES[mix], average)

def train(learner, folder):
    learn.fit(learner, batches, paths.Fold(paths.Path(folder)), dict, lambda line: None, seconds_between=0)
    learner.take_average()
    learn.recalibrate(learner.model, batches(0, 4))
    return learn.Predictor(learner.model, "mirror")(data.passing(pictures, np.arange(ROWS), np.arange(ROWS), 16, SIDE), np.arange(ROWS))

def network():
    images = keras.Input((SIDE, SIDE, 1))
    x = keras.layers.Conv2D(6, 3, 2, activation="relu")(keras.layers.Rescaling(1 / 128)(images))
    return keras.Model(images, keras.layers.Dense(3, dtype="float32", name="logits")(keras.layers.Flatten()(x)))

def two():
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
"""

EQUAL = """
one, other = make(tf.distribute.get_strategy(), network, sys.argv[1]), make(two(), network, sys.argv[1])
start = [np.array(value) for value in one.model.trainable_variables]
predicted = [train(learner, f"{sys.argv[2]}/{number}") for number, learner in enumerate((one, other))]
assert max(np.abs(np.array(value) - before).max() for value, before in zip(one.model.trainable_variables, start)) > 0.01
for value, expected in zip(other.state(), one.state(), strict=True):
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)
np.testing.assert_allclose(*predicted, rtol=1e-4, atol=1e-5)
"""

NORMS = """
learner = make(two(), lambda: models.build("resnet10", SIDE, 1, 3, 0.25), "muon", mix="both")
for batch in learner.strategy.experimental_distribute_dataset(batches(0)):
    learner.step(*batch)
norms = [layer for layer in learner.model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
assert norms
for layer in norms:
    for variable in (layer.moving_mean, layer.moving_variance):
        first, second = [local.numpy() for local in learner.strategy.experimental_local_results(variable.value)]
        assert np.isfinite(first).all() and np.ptp(first) > 0
        np.testing.assert_array_equal(first, second)
predictions = train(learner, sys.argv[1])
assert np.isfinite(predictions).all()
"""

OVERFLOW = """
learner = make(two(), network, "sgd", "mixed_float16")
images, targets, rows = next(iter(batches(0)))

def halves(targets):
    whole = tf.data.Dataset.from_tensors((images, targets, rows)).unbatch().batch(BATCH)
    return next(iter(learner.strategy.experimental_distribute_dataset(whole)))

learner.step(*halves(targets))
before, scale = [np.array(value) for value in learner.model.trainable_variables], float(learner.optimizer.dynamic_scale.numpy())
learner.step(*halves(tf.concat([targets[:8], targets[8:] * float("inf")], 0)))
assert float(learner.optimizer.dynamic_scale.numpy()) == scale / 2
for value, expected in zip(learner.model.trainable_variables, before, strict=True):
    for local in learner.strategy.experimental_local_results(value.value):
        np.testing.assert_array_equal(local.numpy(), expected)
"""


def run(code: str, *arguments) -> None:
    done = subprocess.run([sys.executable, "-c", HEAD + code, *map(str, arguments)], cwd=paths.CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("optimizer", cases.part(["muon", "sgd"], 2))
def test_two_devices_take_the_steps_of_one_without_batch_norm(optimizer, tmp_path):
    run(EQUAL, optimizer, tmp_path)


def test_batch_norm_statistics_are_equal_on_both_devices(tmp_path):
    run(NORMS, tmp_path)


def test_an_overflow_on_one_device_skips_the_step_on_both():
    run(OVERFLOW)
