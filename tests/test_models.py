"""Every network, under every precision policy: three steps, save, load, the same predictions; float32 logits, a uniform start."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clf import learn, models
from clf.config import Mistake

SIDE = {"resnet10": 16, "resnet18_v2": 32}
WIDTH = {"resnet10": 0.25, "resnet18_v2": 0.125}


@pytest.fixture(autouse=True)
def policy():
    yield
    keras.mixed_precision.set_dtype_policy("float32")


def plan(name: str, steps: int = 3) -> learn.Plan:
    return learn.Plan(steps, steps, 4, SIDE[name], models.MODELS[name].optimizer, 0.02, 5e-4, 0.1, 0.1, 0)


@pytest.mark.parametrize("precision", models.PRECISIONS)
@pytest.mark.parametrize("name", models.MODELS)
def test_three_steps_save_load_and_the_same_predictions(name, precision, tmp_path):
    models.set_precision(precision)
    keras.utils.set_random_seed(0)
    side = SIDE[name]
    model = models.build(name, side, 3, 5, WIDTH[name])
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (4, side, side, 3), np.uint8))
    floats = tf.cast(images, tf.float32)
    assert model(floats).dtype == tf.float32
    np.testing.assert_array_equal(model(floats), np.zeros((4, 5)))
    learner = learn.Learner(model, plan(name), None, tf.distribute.get_strategy())
    for _ in range(3):
        loss = learner.step(images, tf.eye(5)[:4], tf.range(4))
        assert np.isfinite(loss)
    assert int(learner.optimizer.iterations.numpy()) == 3 or precision == "mixed_float16"  # a scaled loss that overflows skips its step
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(floats, training=False), model(floats, training=False))


def test_unknown_names_stop():
    with pytest.raises(Mistake, match=r"unknown model 'resnet50'"):
        models.build("resnet50", 32, 3, 2, 1.0)
    with pytest.raises(Mistake, match="unknown precision 'half'"):
        models.set_precision("half")


def test_width_multiplies_the_channels():
    narrow, wide = (models.build("resnet10", 16, 1, 2, width).count_params() for width in (1.0, 2.0))
    assert 3.5 < wide / narrow < 4.1
