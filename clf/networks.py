"""Bodies of networks, `body(inputs [B,S,S,C] normalised, …) -> features [B,F]`, and what they are made of.

A body's parameters `width` (multiplies its channels) and `drop_path` (share of residual branches that a step leaves out for the last
block, growing linearly from the first: stochastic depth, Huang et al. 2016) say what its family has. Bodies from KerasCV and
keras.applications contain the library's model whole; `flatten` opens it, `own` puts our convolution and batch norm in: a saved network needs neither.
"""

import functools
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

FRONT = "normalise"  # the layer that scales the pictures
# Short runs: the usual momenta of 0.99 and 0.999 would still remember the first weights.
MOMENTUM = 0.9
WHITENING_VECTORS = 12  # all that patches of 2 x 2 px of three channels have
WHITENING = "whitening"  # the layer that `models.whiten` sets


@keras.saving.register_keras_serializable("clf")
class BatchNorm(layers.BatchNormalization):
    """`keras.layers.BatchNormalization` by TensorFlow's fused operation for maps [B,H,W,C]: in bfloat16 a sixth more steps per second.

    Every replica of a distributed step keeps the mean of all replicas' moving statistics; Keras's own drift apart.
    """

    def add_weight(self, *arguments, trainable=True, **settings):
        aggregation = {} if trainable else {"aggregation": "mean"}
        return super().add_weight(*arguments, trainable=trainable, **settings, **aggregation)

    def call(self, inputs, training=None, mask=None):
        if len(inputs.shape) != 4 or self.axis not in (-1, 3) or mask is not None or self.synchronized or self.renorm:
            return super().call(inputs, training=training, mask=mask)
        mean, variance = tf.convert_to_tensor(self.moving_mean), tf.convert_to_tensor(self.moving_variance)
        training = bool(training and self.trainable)
        # A processor's bfloat16 operation wants channels by the sixteen; for others it takes three to five times as long as this detour.
        narrow = inputs.dtype == "bfloat16" and inputs.shape[-1] % 16
        outputs, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=tf.cast(inputs, tf.float32) if narrow else inputs,
            scale=tf.convert_to_tensor(self.gamma) if self.scale else tf.ones_like(mean),
            offset=tf.convert_to_tensor(self.beta) if self.center else tf.zeros_like(mean),
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            # The operation divides by n - 1; Keras's moving variance is that of the batch itself.
            count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]), tf.float32)
            batch_variance *= (count - 1) / count
            self.moving_mean.assign(mean * self.momentum + batch_mean * (1 - self.momentum))
            self.moving_variance.assign(variance * self.momentum + batch_variance * (1 - self.momentum))
        return tf.cast(outputs, inputs.dtype)


@keras.saving.register_keras_serializable("clf")
class Conv2D(layers.Conv2D):
    """`keras.layers.Conv2D` that finds the gradient of a 3x3 kernel over small maps faster on processors.

    That gradient is itself a convolution, of the inputs with the outputs' gradient as its kernel and the pictures as its channels, and
    oneDNN's forward convolution takes, for maps of 7 px in bfloat16, 0.6 to 0.7 of the time of its operation for the gradient, for
    3 px 0.3 to 0.5. Where the processor multiplies matrices (AMX), a matrix product for each of the nine places of the kernel takes 0.5 to 0.8
    of the time of that convolution, whose outputs of 3x3 px are few rows for its units.
    """

    def call(self, inputs):
        small = 8 if inputs.dtype == "bfloat16" else 4  # px: of larger maps the operation of its own is faster
        suited = self.kernel_size == (3, 3) and self.strides == self.dilation_rate == (1, 1) and self.padding == "same" and self.groups == 1
        if not suited or max(inputs.shape[1:3]) > small or tf.config.list_physical_devices("GPU"):
            return super().call(inputs)
        outputs = _convolved(inputs, tf.convert_to_tensor(self.kernel))
        return self.activation(outputs + tf.cast(self.bias, outputs.dtype) if self.use_bias else outputs)


@tf.custom_gradient
def _convolved(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple:
    """[B,H,W,C], [3,3,C,K] → [B,H,W,K]."""

    def gradients(outer: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_inputs = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(inputs), filter=kernel, out_backprop=outer, strides=[1, 1, 1, 1], padding="SAME"
        )
        maps, outer = tf.pad(tf.transpose(inputs, [3, 1, 2, 0]), [[0, 0], [1, 1], [1, 1], [0, 0]]), tf.transpose(outer, [1, 2, 0, 3])
        if inputs.dtype == tf.bfloat16 and processor_has("amx_bf16"):
            (height, width), (channels, filters) = inputs.shape[1:3], kernel.shape[2:]
            places = [maps[:, row : row + height, column : column + width] for row in range(3) for column in range(3)]
            products = [tf.matmul(tf.reshape(place, [channels, -1]), tf.reshape(outer, [-1, filters])) for place in places]
            return of_inputs, tf.reshape(tf.stack(products), kernel.shape)
        return of_inputs, tf.transpose(tf.nn.conv2d(maps, outer, 1, "VALID"), [1, 2, 0, 3])

    return tf.nn.conv2d(inputs, kernel, 1, "SAME"), gradients


@functools.cache
def processor_has(*flags: str) -> bool:
    """One of the flags, as Linux names them; elsewhere False."""
    try:
        return bool(set(flags) & set(Path("/proc/cpuinfo").read_text().split()))
    except OSError:
        return False


# -- opening the models of libraries ---------------------------------------------------------------------------------------------------


def flatten(model: keras.Model) -> keras.Model:
    """The same network and weights without layers that hold layers, and without input scaling other than the front's."""
    while any(_composite(layer) for layer in model.layers):
        model = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=_open)
    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=_open)


def _composite(layer: layers.Layer) -> bool:
    return isinstance(layer, keras.Model) or type(layer).__module__.startswith("keras_cv.")


def _open(layer, *arguments, **settings):
    """The output of a layer on symbolic inputs: of what is inside it where it holds layers."""
    if _composite(layer):
        return layer.call(*arguments)
    scaling = isinstance(layer, layers.Rescaling | layers.Normalization) and layer.name != FRONT
    # An opened model leaves a conversion of its input to float32, which a mixed policy would pay for.
    if scaling or type(layer).__name__ == "ConvertToTensor":
        return arguments[0]
    if isinstance(layer, layers.Lambda):  # KerasCV's CSPDarkNet has SiLU as a Lambda, which Keras loads from no file
        return layers.Activation("silu", name=layer.name)(*arguments)
    if isinstance(getattr(layer, "activation", None), layers.Layer):  # MobileNetV3's, which cannot be written to a file
        layer.activation = keras.activations.hard_sigmoid
    return layer(*arguments, **settings)


def own(model: keras.Model) -> keras.Model:
    """The same network anew, with fresh weights and our convolution and batch norm."""
    return keras.models.clone_model(model, clone_function=_own)


def _own(layer):
    settings = layer.get_config()
    if type(layer) is layers.BatchNormalization:
        return BatchNorm.from_config(settings | {"momentum": min(layer.momentum, MOMENTUM)})
    if type(layer) is layers.Conv2D:
        return Conv2D.from_config(settings)
    return type(layer).from_config(settings)


def plain(model: keras.Model) -> keras.Model:
    """The same network and weights with Keras's own layers only."""

    def stock(layer):
        kind = {BatchNorm: layers.BatchNormalization, Conv2D: layers.Conv2D}.get(type(layer), type(layer))
        return kind.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=stock)
    copy.set_weights(model.get_weights())
    return copy


# -- our own ---------------------------------------------------------------------------------------------------------------------------


def _conv(x, channels: int, size: int = 3, stride: int = 1, padding: str = "same"):
    return Conv2D(channels, size, stride, padding=padding, use_bias=False)(x)


def _norm(x):
    return BatchNorm(momentum=MOMENTUM, epsilon=1e-5)(x)


def _relu(x):
    return layers.Activation("relu")(x)


def _drop_path(x, rate: float):
    return layers.Dropout(rate, noise_shape=(None, 1, 1, 1))(x) if rate else x


def _channels(width: float, *counts: int) -> list[int]:
    return [max(8, round(count * width)) for count in counts]


def _block(x, count: int, stride: int, drop: float):
    """A residual block of two 3x3 convolutions (He et al. 2016); its shortcut is projected where the shape changes."""
    y = _relu(_norm(_conv(x, count, stride=stride)))
    y = _norm(_conv(y, count))
    shortcut = x if stride == 1 and x.shape[-1] == count else _norm(_conv(x, count, 1, stride))
    return _relu(layers.Add()([shortcut, _drop_path(y, drop)]))


def resnet10(inputs, width: float = 1.0, drop_path: float = 0.0):
    """A residual network for small pictures (about 32 px): a 4x4 patch stem with stride 2, then three stages of
    one residual block at 1/2, 1/4 and 1/8 of the side. Pooled by maximum and mean, and normalised."""
    channels = [max(8, round(32 * width) * factor) for factor in (1, 2, 4)]
    x = _relu(_norm(_conv(inputs, channels[0], 4, 2)))
    for stage, count in enumerate(channels):
        if stage:
            x = _relu(_norm(_conv(x, count, 3, 2)))
        x = _block(x, count, 1, drop_path * stage / 2)
    # Normalised once more: maxima are large where pictures are mostly empty, and the head's first steps would leap.
    return _norm(layers.Concatenate()([layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)]))


def resnet18(inputs, width: float = 1.0, drop_path: float = 0.0):
    """ResNet-18 (He et al. 2016) in its form for pictures of about 32 px: a 3x3 stem without pooling, four stages of two blocks."""
    channels = _channels(width, 64, 128, 256, 512)
    x = _relu(_norm(_conv(inputs, channels[0])))
    for number in range(8):
        stage, second = divmod(number, 2)
        x = _block(x, channels[stage], 1 if second or not stage else 2, drop_path * number / 7)
    return layers.GlobalAveragePooling2D()(x)


def airbench(inputs, width: float = 1.0):
    """The network of airbench (Jordan 2024, github.com/KellerJordan/cifar10-airbench) for pictures of about 32 px: a frozen 2x2 stem that
    whitens (see `models.whiten`), three groups of convolution, 2x2 maximum, convolution, in the second and third one convolution more with
    what went into the group's last two added (as in airbench96); the maximum of each map, over three.

    Two differences: ReLU stands for GELU, faster in bfloat16, and there it is over nine, with a rate of its own for the head.
    """
    x = _relu(_whitening(inputs))
    for group, count in enumerate(_channels(width, 64, 128, 256)):
        x = _relu(_norm(layers.MaxPooling2D()(_through(x, count))))
        y = _relu(_norm(_through(x, count)))
        x = layers.Add()([_relu(_norm(_through(y, count))), x]) if group else y
    return layers.Rescaling(1 / 3)(layers.GlobalMaxPooling2D()(x))


def _whitening(x, size: int = 2):
    """A frozen convolution without padding; random until `models.whiten` sets it. As many filters for any number of channels, so that what
    follows is a start for pictures of others."""
    return layers.Conv2D(2 * WHITENING_VECTORS, size, use_bias=False, trainable=False, name=WHITENING)(x)


def _through(x, count: int):
    """A 3x3 convolution that hands its inputs through at the start: its first filters are the identity (dirac initialisation)."""
    conv = Conv2D(count, 3, padding="same", use_bias=False)
    y = conv(x)
    kernel = np.array(conv.kernel)
    same = min(kernel.shape[2:])
    kernel[..., :same] = 0
    kernel[1, 1, range(same), range(same)] = 1
    conv.kernel.assign(kernel)
    return y


# -- KerasCV: built from the family class, since its named backbones fetch even their settings from the network -----------------------


def keras_cv(family: str) -> type:
    """A backbone class of KerasCV."""
    import keras_cv  # slow to import, and only its own networks need it

    return getattr(keras_cv.models, family)


def _pooled(inputs, family: str, **settings):
    backbone = keras_cv(family)(include_rescaling=False, input_shape=inputs.shape[1:], **settings)
    return layers.GlobalAveragePooling2D()(backbone(inputs))


def keras_cv_resnet(inputs, width: float = 1.0, family="ResNetV2Backbone", blocks=(3, 4, 6, 3), block_type="block"):
    """ResNet (He et al. 2015) or ResNetV2 (He et al. 2016)."""
    filters = [64, *_channels(width, 128, 256, 512)]  # the stem has 64, whatever the width
    stages = len(blocks)
    return _pooled(
        inputs,
        family,
        stackwise_filters=filters[:stages],
        stackwise_blocks=list(blocks),
        stackwise_strides=[1, 2, 2, 2][:stages],
        block_type=block_type,
    )


# Per stage: blocks, channels in and out, factor of the expansion, stride, share of squeeze and excitation (0: fused blocks).
EFFICIENTNET_V2_B0 = ((1, 32, 16, 1, 1, 0), (2, 16, 32, 4, 2, 0), (2, 32, 48, 4, 2, 0))
EFFICIENTNET_V2_B0 += ((3, 48, 96, 4, 2, 0.25), (5, 96, 112, 6, 1, 0.25), (8, 112, 192, 6, 2, 0.25))
EFFICIENTNET_V2_S = ((2, 24, 24, 1, 1, 0), (4, 24, 48, 4, 2, 0), (4, 48, 64, 4, 2, 0))
EFFICIENTNET_V2_S += ((6, 64, 128, 4, 2, 0.25), (9, 128, 160, 6, 1, 0.25), (15, 160, 256, 6, 2, 0.25))


def efficientnet_v2(inputs, width: float = 1.0, drop_path: float = 0.0, stages=EFFICIENTNET_V2_B0):
    """EfficientNetV2 (Tan, Le 2021)."""
    repeats, before, after, expansions, strides, squeezes = map(list, zip(*stages, strict=True))
    return _pooled(
        inputs,
        "EfficientNetV2Backbone",
        width_coefficient=width,
        depth_coefficient=1.0,
        skip_connection_dropout=drop_path,
        stackwise_kernel_sizes=[3] * len(stages),
        stackwise_num_repeats=repeats,
        stackwise_input_filters=before,
        stackwise_output_filters=after,
        stackwise_expansion_ratios=expansions,
        stackwise_squeeze_and_excite_ratios=squeezes,
        stackwise_strides=strides,
        stackwise_conv_types=["unfused" if squeeze else "fused" for squeeze in squeezes],
    )


# Per block: factor of the expansion, channels, kernel, stride, share of squeeze and excitation, activation.
MOBILENET_V3_SMALL = ((1, 16, 3, 2, 0.25, "relu"), (72 / 16, 24, 3, 2, None, "relu"), (88 / 24, 24, 3, 1, None, "relu"))
MOBILENET_V3_SMALL += ((4, 40, 5, 2, 0.25, "hard_swish"), *((6, 40, 5, 1, 0.25, "hard_swish"),) * 2)
MOBILENET_V3_SMALL += (*((3, 48, 5, 1, 0.25, "hard_swish"),) * 2, (6, 96, 5, 2, 0.25, "hard_swish"))
MOBILENET_V3_SMALL += ((6, 96, 5, 1, 0.25, "hard_swish"),) * 2
MOBILENET_V3_LARGE = ((1, 16, 3, 1, None, "relu"), (4, 24, 3, 2, None, "relu"), (3, 24, 3, 1, None, "relu"))
MOBILENET_V3_LARGE += ((3, 40, 5, 2, 0.25, "relu"), *((3, 40, 5, 1, 0.25, "relu"),) * 2, (6, 80, 3, 2, None, "hard_swish"))
MOBILENET_V3_LARGE += ((2.5, 80, 3, 1, None, "hard_swish"), *((2.3, 80, 3, 1, None, "hard_swish"),) * 2)
MOBILENET_V3_LARGE += (*((6, 112, 3, 1, 0.25, "hard_swish"),) * 2, (6, 160, 5, 2, 0.25, "hard_swish"))
MOBILENET_V3_LARGE += ((6, 160, 5, 1, 0.25, "hard_swish"),) * 2


def mobilenet_v3(inputs, width: float = 1.0, blocks=MOBILENET_V3_SMALL):
    """MobileNetV3 (Howard et al. 2019)."""
    expansions, filters, kernels, strides, squeezes, activations = map(list, zip(*blocks, strict=True))
    return _pooled(
        inputs,
        "MobileNetV3Backbone",
        alpha=width,
        stackwise_expansion=expansions,
        stackwise_filters=filters,
        stackwise_kernel_size=kernels,
        stackwise_stride=strides,
        stackwise_se_ratio=squeezes,
        stackwise_activation=activations,
    )


def densenet(inputs, width: float = 1.0, blocks=(6, 12, 24, 16)):
    """DenseNet (Huang et al. 2017); `width` multiplies its growth rate of 32."""
    return _pooled(inputs, "DenseNetBackbone", stackwise_num_repeats=list(blocks), growth_rate=max(4, round(32 * width)))


def cspdarknet(inputs, width: float = 1.0, channels=(48, 96, 192, 384), blocks=(1, 3, 3, 1)):
    """CSPDarkNet (Wang et al. 2020)."""
    return _pooled(inputs, "CSPDarkNetBackbone", stackwise_channels=_channels(width, *channels), stackwise_depth=list(blocks))


# -- keras.applications ----------------------------------------------------------------------------------------------------------------


def application(family: str, weights: str | None = None, side: int = 224, channels: int = 3, **settings) -> keras.Model:
    """A network of keras.applications without its top; `weights`: none, "imagenet" (downloads), or a file's path."""
    pictures = keras.Input((side, side, channels))
    network = getattr(keras.applications, family)(include_top=False, weights=weights, input_tensor=pictures, **settings)
    return keras.Model(pictures, network.outputs[0], name=network.name)  # some of them would want their input in a list


def _applied(inputs, family: str, **settings) -> keras.Model:
    return application(family, None, inputs.shape[1], inputs.shape[3], **settings)


def xception(inputs):
    """Xception (Chollet 2017)."""
    return layers.GlobalAveragePooling2D()(_applied(inputs, "Xception")(inputs))


def mobilenet_v2(inputs, width: float = 1.0):
    """MobileNetV2 (Sandler et al. 2018)."""
    return layers.GlobalAveragePooling2D()(_applied(inputs, "MobileNetV2", alpha=width)(inputs))


def efficientnet_b0(inputs, drop_path: float = 0.0):
    """EfficientNet-B0 (Tan, Le 2019)."""
    network = _applied(inputs, "EfficientNetB0")
    for layer in network.layers:
        if isinstance(layer, layers.Dropout):  # of residual branches, growing to the library's 0.2
            layer.rate *= drop_path / 0.2
    return layers.GlobalAveragePooling2D()(network(inputs))


def convnext_tiny(inputs, drop_path: float = 0.0):
    """ConvNeXt-T (Liu et al. 2022)."""
    # With pooling the library puts its last normalisation where the paper has it, behind the mean.
    network = _applied(inputs, "ConvNeXtTiny", include_preprocessing=False, pooling="avg")
    branches = [layer.name for layer in network.layers if layer.name.endswith("_identity")]

    def drop(layer):
        if layer.name not in branches or not drop_path:
            return layer
        rate = drop_path * branches.index(layer.name) / (len(branches) - 1)
        return layers.Dropout(rate, noise_shape=(None, 1, 1, 1), name=layer.name)

    return keras.models.clone_model(network, clone_function=drop)(inputs)
