"""Names → networks; precision; devices.

Every network takes pictures of 0..255 (any float type), normalises inside, and ends in float32 logits under every precision policy.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf
from keras import layers

from clf import config

# ImageNet's means and deviations in 0..255; any fixed affine map does for a network trained from scratch.
MEAN, DEVIATION = 118.0, 60.0


@dataclass(frozen=True)
class Entry:
    """A network's body, `body(inputs [B,S,S,C] normalised, width) -> features [B,F]`, and the defaults that suit it."""

    body: Callable
    optimizer: str
    learning_rate: float  # peak, for the entry's optimizer and batches of 128
    image_size: int  # side in px that it sees unless asked; never more than the store's


def _conv(x, channels: int, size: int = 3, stride: int = 1):
    return layers.Conv2D(channels, size, stride, padding="same", use_bias=False)(x)


def _norm(x):
    # Short runs: the default momentum of 0.99 would still remember the first weights.
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def _relu(x):
    return layers.Activation("relu")(x)


def resnet10(inputs, width: float):
    """A residual network for small pictures (about 32 px): a 4x4 patch stem with stride 2, then three stages of
    one residual block at 1/2, 1/4 and 1/8 of the side. Pooled by maximum and mean, and normalised."""
    channels = [max(8, round(32 * width) * factor) for factor in (1, 2, 4)]
    x = _relu(_norm(_conv(inputs, channels[0], 4, 2)))
    for stage, count in enumerate(channels):
        if stage:
            x = _relu(_norm(_conv(x, count, 3, 2)))
        y = _relu(_norm(_conv(x, count)))
        y = _norm(_conv(y, count))
        x = _relu(layers.Add()([x, y]))
    # Normalised once more: maxima are large where pictures are mostly empty, and the head's first steps would leap.
    return _norm(layers.Concatenate()([layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)]))


def resnet18_v2(inputs, width: float):
    """KerasCV's ResNetV2-18 (He et al. 2016), built from the family class: its named presets want the network."""
    import keras_cv  # slow to import, and only this entry needs it

    backbone = keras_cv.models.ResNetV2Backbone(
        stackwise_filters=[64, *(round(filters * width) for filters in (128, 256, 512))],  # the stem has 64, whatever the width
        stackwise_blocks=[2, 2, 2, 2],
        stackwise_strides=[1, 2, 2, 2],
        block_type="basic_block",
        include_rescaling=False,
        input_shape=inputs.shape[1:],
    )
    # As a plain Keras model a saved file loads without KerasCV.
    body = keras.Model(backbone.input, backbone.output, name="backbone")
    return layers.GlobalAveragePooling2D()(body(inputs))


MODELS: dict[str, Entry] = {
    "resnet10": Entry(resnet10, "muon", 0.05, 64),
    "resnet18_v2": Entry(resnet18_v2, "sgd", 0.1, 128),
}


def build(name: str, side: int, channels: int, classes: int, width: float) -> keras.Model:
    """The named network for images [B,side,side,channels] 0..255 → float32 logits [B,classes]. Raises Mistake for an unknown name."""
    entry = config.choose(MODELS, name, "model")
    inputs = keras.Input((side, side, channels), name="images")
    normalised = layers.Rescaling(1 / DEVIATION, -MEAN / DEVIATION)(inputs)
    features = entry.body(normalised, width)
    # The head is float32 under every policy, and starts at zero: the first loss is a uniform guess's.
    logits = layers.Dense(classes, kernel_initializer="zeros", dtype="float32", name="logits")(features)
    return keras.Model(inputs, logits, name=name)


def has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


PRECISIONS = {"float32": None, "mixed_float16": None, "mixed_bfloat16": None}


def set_precision(name: str) -> str:
    """Sets Keras's policy, before any layer exists; returns what was taken and why."""
    reason = "asked for"
    if name == "auto":
        gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
        cores = bool(gpus) and all(details.get("compute_capability", (0, 0)) >= (7, 0) for details in gpus)
        name = "mixed_float16" if cores else "float32"
        reason = "every GPU has tensor cores" if cores else "no GPU with tensor cores"
    config.choose(PRECISIONS, name, "precision")
    keras.mixed_precision.set_dtype_policy(name)
    return f"{name} ({reason})"


def strategy() -> tf.distribute.Strategy:
    """One device: the default strategy; several GPUs of this machine: MirroredStrategy."""
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()
