"""Names → networks; the weights they start from; precision; devices.

Every network takes pictures of 0..255 (any float type), normalises inside, and ends in float32 logits under every precision policy. It
is one flat graph of Keras's layers and our batch norm, whichever library its body comes from.
"""

import functools
import inspect
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from clf import config, networks, paths
from clf.config import Mistake

WHITENING_FLOOR = 5e-4  # added to the variances: in some directions patches hardly vary, and all is noise
Channels = float | tuple[float, float, float]

# (mean, deviation) in 0..255 of what a body expects. From scratch any fixed affine map does; with weights it is that of their training.
SCRATCH = (118.0, 60.0)
UNIT = (0.0, 255.0)  # 0..1
SIGNED = (127.5, 127.5)  # -1..1
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


@dataclass(frozen=True)
class Pretrained:
    """ImageNet weights: the file's or folder's name, the page that offers it, and `load(path or name) -> network with weights`."""

    name: str
    page: str
    load: Callable[[str], keras.Model]


@dataclass(frozen=True)
class Entry:
    """A network's body (see `networks`), and the defaults that suit it."""

    body: Callable
    optimizer: str
    learning_rate: float  # peak, for the entry's optimizer and batches of 128
    image_size: int  # side in px that it sees unless asked; never more than the store's
    scaling: tuple[Channels, Channels] = SCRATCH
    imagenet: Pretrained | None = None
    weight_decay: float = 5e-4
    by_budget: bool = False  # whether its width and its views follow the budget unless asked (see `planning.width` and `planning.with_views`)
    work: float = 0.0  # TFLOP of a step, per picture of image_size px; where given, the side follows the budget (see `planning.side`)


def _preset(model: str, name: str, family: str) -> Pretrained:
    """A KerasCV preset: a folder with config.json and model.weights.h5."""
    page = f"https://www.kaggle.com/models/keras/{model}/keras/{name}"
    return Pretrained(name, page, lambda source: networks.keras_cv(family).from_preset(source))


def _file(folder: str, name: str, family: str) -> Pretrained:
    """A weights file of keras.applications."""
    page = f"https://storage.googleapis.com/{folder}/{name}"
    return Pretrained(name, page, lambda source: networks.application(family, "imagenet" if source == name else source))


def _photos(body: Callable, scaling: tuple[Channels, Channels], imagenet: Pretrained, learning_rate: float = 0.05) -> Entry:
    """A network for photographs of 224 px, as libraries have them."""
    return Entry(body, "sgd", learning_rate, 224, scaling, imagenet)


resnet18_v2 = partial(networks.keras_cv_resnet, blocks=(2, 2, 2, 2), block_type="basic_block")
resnet50 = partial(networks.keras_cv_resnet, family="ResNetBackbone")
efficientnet_v2_s = partial(networks.efficientnet_v2, stages=networks.EFFICIENTNET_V2_S)
mobilenet_v3_large = partial(networks.mobilenet_v3, blocks=networks.MOBILENET_V3_LARGE)
KERAS = "tensorflow/keras-applications"
XCEPTION = "xception_weights_tf_dim_ordering_tf_kernels_notop.h5"
MOBILENET_V2 = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"

MODELS: dict[str, Entry] = {
    "airbench": Entry(networks.airbench, "muon", 0.1, 32, weight_decay=5e-3, by_budget=True),
    "resnet10": Entry(networks.resnet10, "muon", 0.05, 64, work=4.06e-4),
    "resnet18": Entry(networks.resnet18, "sgd", 0.1, 32),
    "resnet18_v2": Entry(resnet18_v2, "sgd", 0.1, 128),
    "resnet50": _photos(resnet50, UNIT, _preset("resnetv1", "resnet50_imagenet", "ResNetBackbone")),
    "resnet50_v2": _photos(networks.keras_cv_resnet, UNIT, _preset("resnetv2", "resnet50_v2_imagenet", "ResNetV2Backbone")),
    "efficientnetv2_b0": _photos(networks.efficientnet_v2, UNIT, _preset("efficientnetv2", "efficientnetv2_b0_imagenet", "EfficientNetV2Backbone")),
    "efficientnetv2_s": _photos(efficientnet_v2_s, UNIT, _preset("efficientnetv2", "efficientnetv2_s_imagenet", "EfficientNetV2Backbone")),
    "mobilenet_v3_small": _photos(networks.mobilenet_v3, UNIT, _preset("mobilenetv3", "mobilenet_v3_small_imagenet", "MobileNetV3Backbone")),
    "mobilenet_v3_large": _photos(mobilenet_v3_large, UNIT, _preset("mobilenetv3", "mobilenet_v3_large_imagenet", "MobileNetV3Backbone")),
    "densenet121": _photos(networks.densenet, UNIT, _preset("densenet", "densenet121_imagenet", "DenseNetBackbone")),
    "cspdarknet_tiny": _photos(networks.cspdarknet, UNIT, _preset("cspdarknet", "csp_darknet_tiny_imagenet", "CSPDarkNetBackbone")),
    "xception": _photos(networks.xception, SIGNED, _file(f"{KERAS}/xception", XCEPTION, "Xception")),
    "mobilenet_v2": _photos(networks.mobilenet_v2, SIGNED, _file(f"{KERAS}/mobilenet_v2", MOBILENET_V2, "MobileNetV2")),
    "efficientnet_b0": _photos(networks.efficientnet_b0, IMAGENET, _file("keras-applications", "efficientnetb0_notop.h5", "EfficientNetB0")),
    "convnext_tiny": _photos(networks.convnext_tiny, IMAGENET, _file(f"{KERAS}/convnext", "convnext_tiny_notop.h5", "ConvNeXtTiny"), 0.02),
}


# -- building --------------------------------------------------------------------------------------------------------------------------


def build(name: str, side: int, channels: int, outputs: int, width: float = 1.0, dropout: float = 0.0, drop_path: float = 0.0) -> keras.Model:
    """The named network for images [B,side,side,channels] 0..255 → float32 logits [B,outputs], with random weights.

    `dropout` is the share of pooled features that a step leaves out, `drop_path` that of residual branches. Raises Mistake for an
    unknown name, and for a width or drop_path that the family does not have.
    """
    entry = config.choose(MODELS, name, "model")
    inputs = keras.Input((side, side, channels), name="images")
    features = entry.body(_normalise(entry.scaling, channels)(inputs), **_settings(name, width=width, drop_path=drop_path))
    if dropout:
        features = layers.Dropout(dropout, name="dropout_of_features")(features)
    # The head is float32 under every policy, and starts at zero: the first loss is a uniform guess's.
    logits = layers.Dense(outputs, kernel_initializer="zeros", dtype="float32", name="logits")(features)
    model = keras.Model(inputs, logits, name=name)
    if any(isinstance(layer, keras.Model) for layer in model.layers):
        return networks.own(networks.flatten(model))
    return model


def _normalise(scaling: tuple[Channels, Channels], channels: int) -> layers.Layer:
    mean, deviation = (np.broadcast_to(part, 3) if channels == 3 else np.full(channels, np.mean(part)) for part in scaling)
    return layers.Rescaling((1 / deviation).tolist(), (-mean / deviation).tolist(), name=networks.FRONT)


def _settings(name: str, **given: float) -> dict[str, float]:
    """What differs from a body's defaults. Raises Mistake where its family does not have it."""
    neutral = {"width": 1.0, "drop_path": 0.0}
    chosen = {setting: value for setting, value in given.items() if value != neutral[setting]}
    for setting, value in chosen.items():
        having = [other for other, entry in MODELS.items() if setting in inspect.signature(entry.body).parameters]
        if name not in having:
            raise Mistake(f"{setting}={value:g}: {name} has no {setting}. Those that have it: {', '.join(having)}.")
    return chosen


def whiten(model: keras.Model, pictures: Callable[[], np.ndarray]) -> None:
    """Sets the stem of a network that has a whitening one by `pictures()` [N,S,S,C] 0..255: its filters are the eigenvectors of their patches
    with the largest variances, scaled to unit variance, and their negatives (Page 2019, myrtle.ai's "How to train your ResNet 8"); where
    there are fewer, they repeat. No-op for other networks."""
    stem = next((layer for layer in model.layers if layer.name == networks.WHITENING), None)
    if stem is None:
        return
    pixels = model.get_layer(networks.FRONT)(pictures().astype(np.float32)).numpy()
    size, _, channels, _ = stem.kernel.shape
    patches = np.lib.stride_tricks.sliding_window_view(pixels, (size, size), axis=(1, 2)).reshape(-1, channels * size * size)
    values, vectors = np.linalg.eigh(patches.T.astype(np.float64) @ patches / len(patches))
    chosen = len(values) - 1 - np.arange(networks.WHITENING_VECTORS) % len(values)  # eigh sorts upwards
    filters = (vectors / np.sqrt(values + WHITENING_FLOOR))[:, chosen].reshape(channels, size, size, -1).transpose(1, 2, 0, 3)
    stem.kernel.assign(np.concatenate([filters, -filters], axis=3))


def plain(model: keras.Model) -> keras.Model:
    """The same network and weights with Keras's own layers only, for export."""
    return networks.plain(model)


def load(path: Path) -> keras.Model:
    """A saved model. Raises Mistake for a file that is none."""
    try:
        return keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Mistake(f"{paths.show(path)} holds no network that can be read: {str(error).splitlines()[0]}") from None


GROUPS = 5


def groups(model: keras.Model) -> list[int]:
    """For each trainable variable its distance from the top, in groups of layers: 0 for the head (what follows the pooled features),
    then 1 … 5 down to the stem, for rates that fall from layer to layer (Howard, Ruder 2018)."""
    weighted = [layer for layer in model.layers if layer.trainable_variables]
    body = 1 + max(number for number, layer in enumerate(weighted) if len(layer.input.shape) == 4)
    kernels = np.cumsum([any(len(variable.shape) > 1 for variable in layer.trainable_variables) for layer in weighted[:body]])
    parts = min(GROUPS, int(kernels[-1]))
    # A norm belongs to the kernel before it; one that comes before every kernel to the first.
    group = [parts - (max(int(number), 1) - 1) * parts // int(kernels[-1]) for number in kernels] + [0] * (len(weighted) - body)
    of = {variable.path: number for layer, number in zip(weighted, group, strict=True) for variable in layer.trainable_variables}
    return [of[variable.path] for variable in model.trainable_variables]


# -- weights to start from -------------------------------------------------------------------------------------------------------------


def start_from(model: keras.Model, weights: str, folder: Path) -> str:
    """Fills the body's weights, not the head's; returns a line that says from where and how many.

    `weights` is "imagenet" (looked for in `folder`, then downloaded), or the path of a run, of one of its folds, or of a .keras file.
    Raises Mistake where there are none, or none that agree with this network.
    """
    if weights == "imagenet":
        source, origin = _imagenet(model.name, folder)
    else:
        source, origin = _trained(model.name, weights)
    taken, total = _take(source, model)
    # A run of another width agrees in the stem, whose channels are fixed, and in little else.
    if taken < (total if weights == "imagenet" else total / 2):
        raise Mistake(
            f"{origin} holds a {source.name}, and only {taken} of the {total} weights of this {model.name} agree with it in name and "
            "shape: build it with the same width=."
        )
    said = f"{taken} of {total} weights of {model.name} from {origin}, the head is new"
    before, now = source.input_shape[-1], model.input_shape[-1]
    if before == now:
        return said
    how = "summed into one" if now == 1 else f"repeated for {now}" if now > before else f"those of the first {now}"
    return f"{said}; the stem's kernels for {before} channels are {how}"


def _imagenet(name: str, folder: Path) -> tuple[keras.Model, str]:
    """The library's network with its ImageNet weights, flat, and where they came from."""
    pretrained = MODELS[name].imagenet
    if not pretrained:
        having = [other for other, entry in MODELS.items() if entry.imagenet]
        raise Mistake(f"weights=imagenet: there are none for {name}. Those that have them: {', '.join(having)}.")
    local = folder / pretrained.name
    try:
        if not local.exists():
            _reach(pretrained.page)
        network = pretrained.load(str(local) if local.exists() else pretrained.name)
    except Exception as error:  # the libraries raise a dozen kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if local.exists():
            raise Mistake(f"{paths.show(local)} cannot be read as ImageNet weights of {name}: {reason}") from None
        raise Mistake(
            f"weights=imagenet: the download for {name} failed ({reason}). Get {pretrained.name} from {pretrained.page} "
            f"and put it at {paths.show(local)}" + ("." if local.suffix else ", a folder with config.json and model.weights.h5.")
        ) from None
    inputs = keras.Input((224, 224, 3))
    source = networks.flatten(keras.Model(inputs, network(inputs), name=network.name))
    return source, paths.show(local) if local.exists() else pretrained.page


def _reach(page: str) -> None:
    """Raises OSError within seconds where the network is closed; the libraries' own downloads may wait for minutes."""
    try:
        urllib.request.urlopen(page, timeout=5).close()
    except urllib.error.HTTPError:
        pass  # it answered


def _trained(name: str, weights: str) -> tuple[keras.Model, str]:
    """A trained network of the same name, flat, and its file."""
    given = [Path(weights), paths.work() / weights]
    places = [path for base in given for path in (base, paths.Fold(base).weights, *_of_folds(base))]
    found = next((path for path in places if path.is_file()), None)
    if not found:
        raise Mistake(
            f"weights={weights} is neither imagenet nor a trained network: write a run's folder (data/<competition>/runs/<run>), "
            "a fold's folder inside it, or a .keras file. `make runs` lists the runs."
        )
    source = load(found)
    if source.name != name:
        raise Mistake(f"weights={weights} is a {source.name}, not a {name}: choose model={source.name}, or other weights.")
    return networks.flatten(source), paths.show(found)


def _of_folds(run: Path) -> list[Path]:
    folders = sorted(path for path in run.iterdir() if path.is_dir()) if run.is_dir() else []
    return [paths.Fold(folder).weights for folder in folders]


def _take(source: keras.Model, model: keras.Model) -> tuple[int, int]:
    """Copies the weights of the body that agree in layer name and shape; how many did, of how many."""
    theirs, ours = _by_name(source), _by_name(model)
    channels = source.input_shape[-1], model.input_shape[-1]
    taken = 0
    for number, (key, variable) in enumerate(ours.items()):
        if key not in theirs:
            continue
        value = np.array(theirs[key])
        if number == 0 and channels[0] != channels[1]:
            value = _for_channels(value, *channels)
        if value.shape == tuple(variable.shape):
            variable.assign(value)
            taken += 1
    return taken, len(ours)


def _by_name(model: keras.Model) -> dict[tuple, keras.Variable]:
    """The body's weights by layer name and place. Keras numbers the layers of a process, so a name counts without its digits, and the
    layers that share it in the order of the graph."""
    found: dict[tuple, keras.Variable] = {}
    seen: dict[str, int] = {}
    for layer in model.layers:
        if layer.name == "logits" or not layer.weights:
            continue
        name = re.sub(r"\d+|_(?=\d+$)", "", layer.name)
        seen[name] = seen.get(name, -1) + 1
        found |= {(name, seen[name], place): variable for place, variable in enumerate(layer.weights)}
    return found


def _for_channels(kernel: np.ndarray, before: int, now: int) -> np.ndarray:
    """A stem's kernel [h,w,before·m,out] for `now` channels: summed for one, else taken in turn and scaled to give as much."""
    shape = kernel.shape
    apart = kernel.reshape(*shape[:2], shape[2] // before, before, shape[3])
    if now == 1:
        apart = apart.sum(3, keepdims=True)
    else:
        apart = apart[:, :, :, np.arange(now) % before] * (before / now)
    return apart.reshape(*shape[:2], -1, shape[3])


# -- precision and devices -------------------------------------------------------------------------------------------------------------


def gpu_count() -> int:
    return len(tf.config.list_physical_devices("GPU"))


PRECISIONS = {"float32": None, "mixed_float16": None, "mixed_bfloat16": None}
WORTHWHILE = 1.2  # times as fast as float32, from which bfloat16 is taken


def choose_precision(name: str) -> tuple[str, str]:
    """A policy's name and why. "auto": mixed_float16 where every GPU has tensor cores, mixed_bfloat16 on a processor that computes in
    it and is measured (in a second) to be faster with it, else float32. Raises Mistake for an unknown name."""
    if name != "auto":
        config.choose(PRECISIONS, name, "precision")
        return name, "asked for"
    if gpu_count():
        details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
        if all(detail.get("compute_capability", (0, 0)) >= (7, 0) for detail in details):
            return "mixed_float16", "every GPU has tensor cores"
        return "float32", "a GPU without tensor cores"
    if not networks.processor_has("avx512_bf16", "amx_bf16"):
        return "float32", "neither GPU nor a processor with bfloat16"
    ratio = _bfloat16_speed()
    policy = "mixed_bfloat16" if ratio >= WORTHWHILE else "float32"
    return policy, f"a convolution in bfloat16 measured {ratio:.2f} times as fast as in float32"


def _bfloat16_speed() -> float:
    """How many times as fast a 3x3 convolution 64 → 64 runs forward and backward in bfloat16."""
    seconds = _convolution_seconds(tf.float32, tf.bfloat16)
    return seconds[tf.float32] / seconds[tf.bfloat16]


WORK = 3 * 2 * 16 * 32 * 32 * 9 * 64 * 64 / 1e12  # TFLOP of `_convolution_seconds`
SMALLEST, LARGEST = 0.25, 2.0  # widths that a budget chooses


def width_for(policy: str, seconds: float) -> float:
    """The width of an `airbench` that learns most in `seconds` of steps, in quarters, for channels by the sixteen: by what a convolution in the
    policy's type measures here.

    Of widths 0.25 to 2 at equal numbers of operations on cifar-10, the best were 0.35 for 9 TFLOP, 0.5 for 60, 0.75 to 1 for 240 and 1 to 1.5
    for 750.
    """
    work = work_within(policy, seconds)
    return float(np.clip(round(4 * 0.35 * (work / 9) ** 0.28) / 4, SMALLEST, LARGEST))


SIDES = (64, 96, 128, 160, 192, 224)  # px that a budget chooses from
ENOUGH = 60  # times that each row is seen, before more pixels are taken for fewer epochs


def side_for(name: str, policy: str, seconds: float, rows: int, predicted: int, width: float, most: int) -> int:
    """The side in px, at most `most`, that a network takes for `rows` in so many seconds: the largest at which it sees each of them ENOUGH times
    and predicts others (each in two views, which take about as long as a step), by what a convolution measures here.

    On 800 photos of cats and dogs in equal time (one seed), 67 epochs of 64 px that mix pictures reached log loss 0.48 and accuracy 0.80, 28 of
    96 px 0.52 and 0.72 (200 rows); 14 epochs of 128 px, too few to mix, 0.51 and 0.76, 67 of 64 px that do not mix 0.73 and 0.76 (400 rows).
    At this border, 62 epochs of 96 px against 120 of 64 px, all mixing, nothing told them apart: 0.482 and 0.469, 0.778 and 0.781 (1,000 rows;
    90 % interval of the gain in log loss -0.045 to 0.018).
    """
    entry = MODELS[name]
    pictures = work_within(policy, seconds) / (entry.work * width**2)  # of image_size px; the time of each grows with its pixels
    able = [side for side in SIDES if side <= most and pictures * (entry.image_size / side) ** 2 >= ENOUGH * rows + predicted]
    return max(able, default=min(SIDES[0], most))


def work_within(policy: str, seconds: float) -> float:
    """TFLOP of a network's steps in so many seconds: they reach some four fifths of a convolution's speed."""
    kind = tf.as_dtype(keras.DTypePolicy(policy).compute_dtype)
    return 0.8 * seconds * WORK / _convolution_seconds(kind)[kind]


@functools.cache  # measured once in a process
def _convolution_seconds(*kinds: tf.DType, repeats: int = 15) -> dict[tf.DType, float]:
    """Seconds that a 3x3 convolution 64 → 64 takes forward and backward: the median of interleaved repeats. The best of them may be one of the
    moments in which a processor that others share is half as fast again, and the network would be too wide for the rest of the time."""
    _memory_grows()
    maps, kernel = tf.random.stateless_normal([16, 32, 32, 64], [0, 0]), tf.random.stateless_normal([3, 3, 64, 64], [0, 1])
    taken = {kind: [] for kind in kinds}
    for _ in range(repeats):
        for kind in kinds:
            x, w = tf.cast(maps, kind), tf.cast(kernel, kind)
            began = time.perf_counter()
            with tf.GradientTape() as tape:
                tape.watch([x, w])
                y = tf.nn.conv2d(x, w, 1, "SAME")
            _ = [float(gradient[(0,) * 4]) for gradient in tape.gradient(y, [x, w])]  # waits for a GPU
            taken[kind].append(time.perf_counter() - began)
    return {kind: float(np.median(seconds)) for kind, seconds in taken.items()}


def set_precision(policy: str) -> None:
    """Sets Keras's policy, before any layer exists. Raises Mistake for an unknown name."""
    config.choose(PRECISIONS, policy, "precision")
    keras.mixed_precision.set_dtype_policy(policy)


def _memory_grows() -> None:
    """TensorFlow takes a GPU's memory as it needs it. Before anything is computed: later it raises RuntimeError."""
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def strategy() -> tf.distribute.Strategy:
    """One device: the default strategy; several GPUs of this machine: MirroredStrategy."""
    _memory_grows()
    return tf.distribute.MirroredStrategy() if gpu_count() > 1 else tf.distribute.get_strategy()
