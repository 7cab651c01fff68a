"""Every network under every precision policy; our batch norm against Keras's; the weights that a network starts from; precision."""

import dataclasses
import inspect
import itertools
import json
import subprocess
import sys
from functools import partial

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.legacy.saving import legacy_h5_format

from clf import learn, losses, models, networks, optim, paths
from clf.config import Mistake
from tests import cases

SIDE = 32
POLICIES = list(models.PRECISIONS)
NARROW = {"airbench": 0.25, "resnet10": 0.25, "resnet18": 0.125, "mobilenet_v2": 0.35}  # others that have a width: 0.25
# The same families with fewer blocks: tracing costs a second per twenty layers.
SHORT = {
    "resnet18_v2": {"blocks": (2, 2)},
    "resnet50": {"blocks": (1, 1)},
    "resnet50_v2": {"blocks": (2, 2)},
    "efficientnetv2_b0": {"stages": [(2, *stage[1:]) for stage in networks.EFFICIENTNET_V2_B0[2:4]]},
    "efficientnetv2_s": {"stages": [(2, *stage[1:]) for stage in networks.EFFICIENTNET_V2_S[2:4]]},
    "mobilenet_v3_small": {"blocks": networks.MOBILENET_V3_SMALL[:4]},
    "mobilenet_v3_large": {"blocks": networks.MOBILENET_V3_LARGE[:1] + networks.MOBILENET_V3_LARGE[3:7]},
    "densenet121": {"blocks": (1, 1, 1)},
    "cspdarknet_tiny": {"channels": (48, 96), "blocks": (1, 1)},
}
# Those of keras.applications up to a layer.
CUT = {"Xception": "block3_sepconv1_act", "MobileNetV2": "block_2_add", "EfficientNetB0": "block3b_add"}
CUT |= {"ConvNeXtTiny": "convnext_tiny_downsampling_block_1"}
WITH_DROP_PATH = [name for name, entry in models.MODELS.items() if "drop_path" in inspect.signature(entry.body).parameters]


@pytest.fixture(autouse=True)
def clean():
    keras.utils.set_random_seed(0)
    yield
    keras.mixed_precision.set_dtype_policy("float32")


@pytest.fixture
def short(monkeypatch):
    for name, changes in SHORT.items():
        entry = models.MODELS[name]
        monkeypatch.setitem(models.MODELS, name, dataclasses.replace(entry, body=partial(entry.body, **changes)))
    whole = networks.application

    def cut(family, *arguments, pooling=None, **settings):
        network = whole(family, *arguments, **settings)
        end = network.get_layer(CUT[family]).output
        return keras.Model(network.input, keras.layers.GlobalAveragePooling2D()(end) if pooling else end, name=network.name)

    monkeypatch.setattr(networks, "application", cut)


def build(name: str, channels: int = 3, outputs: int = 5, **settings) -> keras.Model:
    if "width" in inspect.signature(models.MODELS[name].body).parameters:
        settings = {"width": NARROW.get(name, 0.25), **settings}
    return models.build(name, SIDE, channels, outputs, **settings)


def pictures(channels: int = 3) -> tf.Tensor:
    return tf.constant(np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, channels)), tf.float32)


def features_of(model: keras.Model) -> keras.Model:
    return keras.Model(model.input, model.layers[-1].input)


def stir(model: keras.Model) -> None:
    """Random norms, biases and head, so that no part of the network is without effect."""
    rng = np.random.default_rng(1)
    for variable in model.weights:
        if "moving" not in variable.path and (len(variable.shape) == 1 or "logits" in variable.path):
            variable.assign(variable + rng.normal(0, 0.2, variable.shape))


def three_steps(name: str, model: keras.Model, images: tf.Tensor) -> None:
    plan = learn.Plan(3, 3, len(images), SIDE, models.MODELS[name].optimizer, 0.02, 0)
    schedule = optim.Schedule(0.02 * len(images) / 128, "one_cycle")
    optimizer = optim.build(plan.optimizer, schedule, model.trainable_variables, memory=tf.Variable(0.0))
    learner = learn.Learner(model, plan, optimizer, schedule, losses.build("auto", "multiclass", 0.1, "none"), tf.distribute.get_strategy())
    for _ in range(3):
        assert np.isfinite(learner.step(tf.cast(images, tf.uint8), tf.eye(5)[: len(images)], tf.range(len(images))))


def check_groups(model: keras.Model) -> None:
    """Groups fall from the stem to the head, none is left out, and the head is the last."""
    found = models.groups(model)
    assert len(found) == len(model.trainable_variables)
    assert found == sorted(found, reverse=True)
    assert found[0] == max(found) >= 4
    assert set(found) == set(range(max(found) + 1))
    assert found[-2:] == [0, 0]


# -- every entry of the table ----------------------------------------------------------------------------------------------------------


def trains(name: str, policy: str) -> bool:
    return name in ("airbench", "resnet10") or policy == POLICIES[list(models.MODELS).index(name) % 3]


BY_POLICY = list(itertools.product(models.MODELS, POLICIES))
TRAINED = [pair for pair in BY_POLICY if trains(*pair)]
PART = cases.part([pair for pair in BY_POLICY if not trains(*pair)], 12)


@pytest.mark.parametrize(("name", "policy"), [*TRAINED, *PART])
def test_three_steps_save_load_and_the_same_predictions(name, policy, short, tmp_path):
    """Our own networks train under every policy; those of libraries under one each and, a part of them (see `cases`), with one channel under
    the others."""
    models.set_precision(policy)
    channels = 3 if trains(name, policy) else 1
    model = build(name, channels, dropout=0.1)
    check_groups(model)
    images = pictures(channels)
    assert model(images).dtype == tf.float32
    np.testing.assert_array_equal(model(images), np.zeros((4, 5)))
    if trains(name, policy):
        three_steps(name, model, images)
    stir(model)
    assert np.abs(model(images)).max() > 0
    model.save(tmp_path / "m.keras")
    loaded = models.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(images, training=False), model(images, training=False))


@cases.long
def test_the_networks_of_libraries_have_their_published_sizes():
    """Numbers of weights without the top: KerasCV's presets and the table of keras.applications."""
    published = {
        **{"resnet18_v2": 11_183_488, "resnet50": 23_561_152, "resnet50_v2": 23_564_800, "densenet121": 7_037_504},
        **{"efficientnetv2_b0": 5_919_312, "efficientnetv2_s": 20_331_360, "cspdarknet_tiny": 2_380_416},
        **{"mobilenet_v3_small": 939_120, "mobilenet_v3_large": 2_996_352, "mobilenet_v2": 2_257_984},
        **{"xception": 20_861_480, "efficientnet_b0": 4_049_571, "convnext_tiny": 27_820_128},
    }
    assert published.keys() == models.MODELS.keys() - {"airbench", "resnet10", "resnet18"}
    for name, count in published.items():
        inputs = keras.Input((SIDE, SIDE, 3))
        assert keras.Model(inputs, models.MODELS[name].body(inputs)).count_params() == count, name


@pytest.mark.parametrize("name", WITH_DROP_PATH)
def test_drop_path_leaves_out_branches_more_often_near_the_top(name, short):
    model = build(name, drop_path=0.4)
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout) and layer.noise_shape and layer.rate]
    assert rates == sorted(rates)
    assert 0 < rates[0] < rates[-1] <= 0.4
    stir(model)
    images = tf.repeat(pictures(), 8, axis=0)
    outputs = [features_of(model)(images, training=training) for training in (False, False, True, True)]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert np.abs(outputs[2] - outputs[3]).max() > 1e-3


def test_dropout_drops_features_in_training_only():
    model = build("resnet10", dropout=0.5)
    stir(model)
    images = pictures()
    np.testing.assert_array_equal(model(images), model(images))
    assert np.abs(model(images, training=True) - model(images, training=True)).max() > 1e-3


def test_a_new_entry_is_a_network(monkeypatch):
    def tiny(inputs, width: float = 1.0):
        return keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(round(8 * width), 3)(inputs))

    monkeypatch.setitem(models.MODELS, "tiny", models.Entry(tiny, "sgd", 0.1, 32))
    assert models.build("tiny", 8, 1, 2).count_params() == 8 * 9 + 8 + 2 * 8 + 2
    assert models.build("tiny", 8, 1, 2, width=2.0).count_params() == 16 * 9 + 16 + 2 * 16 + 2
    with pytest.raises(Mistake, match=r"drop_path=0.1: tiny has no drop_path.*resnet10"):
        models.build("tiny", 8, 1, 2, drop_path=0.1)


def test_what_a_family_does_not_have_stops():
    with pytest.raises(Mistake, match=r"unknown model 'resnet60'. Did you mean resnet"):
        models.build("resnet60", 32, 3, 2)
    with pytest.raises(Mistake, match=r"width=0.5: xception has no width. Those that have it: .*resnet10"):
        models.build("xception", 32, 3, 2, width=0.5)
    with pytest.raises(Mistake, match=r"drop_path=0.2: airbench has no drop_path. Those that have it: .*convnext_tiny"):
        models.build("airbench", 32, 3, 2, drop_path=0.2)


@pytest.mark.parametrize("name", ["airbench", "resnet10", "resnet18"])
def test_width_multiplies_the_channels(name):
    narrow, wide = (models.build(name, 16, 1, 2, width).count_params() for width in (0.5, 1.0))
    assert 3.5 < wide / narrow < 4.1


def test_airbench_hands_its_pictures_through_at_the_start():
    model = build("airbench")
    kernels = [layer.kernel.numpy() for layer in model.layers if isinstance(layer, keras.layers.Conv2D)][1:]
    assert len(kernels) == 8
    for kernel in kernels:
        same = min(kernel.shape[2:])
        np.testing.assert_array_equal(kernel[1, 1, :same, :same], np.eye(same))
        assert np.abs(kernel[..., :same]).sum() == same


# -- convolution -----------------------------------------------------------------------------------------------------------------------

CONVOLUTIONS = [  # side, channels in and out, and settings: small maps in ways of our own, the rest in Keras's
    (3, (5, 7), {}),
    (4, (1, 3), {"activation": "relu"}),
    (7, (6, 4), {"use_bias": False}),
    (8, (16, 32), {}),
    (9, (4, 4), {}),
    (3, (4, 4), {"strides": 2}),
    (3, (4, 4), {"dilation_rate": 2}),
    (3, (4, 4), {"padding": "valid"}),
    (3, (4, 8), {"groups": 2}),
    (3, (4, 4), {"kernel_size": 1}),
]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize(
    ("policy", "tiles", "tolerance"), [("float32", False, 1e-5), ("mixed_bfloat16", False, 0.02), ("mixed_bfloat16", True, 0.02)]
)
def test_our_convolution_is_that_of_keras(monkeypatch, case, policy, tiles, tolerance):
    side, (before, after), settings = case
    monkeypatch.setattr(networks, "processor_has", lambda *flags: tiles)
    models.set_precision(policy)
    settings = {"filters": after, "kernel_size": 3, "padding": "same", "bias_initializer": "random_normal"} | settings
    theirs, ours = keras.layers.Conv2D(**settings), networks.Conv2D(**settings)
    for layer in (theirs, ours):
        layer.build((None, side, side + 1, before))
    ours.set_weights(theirs.get_weights())
    inputs = tf.cast(tf.random.stateless_normal([5, side, side + 1, before], [0, 1]), theirs.compute_dtype)
    expected, gradients = through(theirs, inputs)
    outputs, found = through(ours, inputs)
    for one, other in zip([outputs, *found], [expected, *gradients], strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(np.float32(one), np.float32(other), rtol=tolerance, atol=tolerance * np.abs(np.float32(other)).max())


@pytest.mark.parametrize(
    ("policy", "tiles", "most", "products"), [("float32", True, 4, 0), ("mixed_bfloat16", False, 8, 0), ("mixed_bfloat16", True, 8, 9)]
)
def test_small_maps_need_no_operation_for_the_kernels_gradient(monkeypatch, policy, tiles, most, products):
    """The slow operation is in a step where maps are large, and not where they are small; there are products of matrices where the processor
    has units for them."""
    monkeypatch.setattr(networks, "processor_has", lambda *flags: tiles)
    models.set_precision(policy)
    kind = keras.mixed_precision.dtype_policy().compute_dtype
    for side in (most, most + 1):
        layer = networks.Conv2D(4, 3, padding="same")
        layer.build((None, side, side, 4))
        step = tf.function(lambda inputs, layer=layer: through(layer, inputs)[1]).get_concrete_function(tf.zeros([2, side, side, 4], kind))
        kinds = [operation.type for operation in step.graph.get_operations()]
        assert ("Conv2DBackpropFilter" in kinds) == (side > most)
        assert kinds.count("MatMul") == (0 if side > most else products)


# -- batch norm ------------------------------------------------------------------------------------------------------------------------


def both_norms(shape, **settings):
    """Keras's layer and ours with equal, random variables."""
    rng = np.random.default_rng(0)
    theirs, ours = keras.layers.BatchNormalization(**settings), networks.BatchNorm(**settings)
    for layer in (theirs, ours):
        layer.build(shape)
    values = [rng.uniform(0.5, 1.5, variable.shape) for variable in theirs.variables]
    for layer in (theirs, ours):
        for variable, value in zip(layer.variables, values, strict=True):
            variable.assign(value)
    return theirs, ours


def through(layer, inputs, **settings):
    """Outputs, and gradients of a random weighing of them by inputs and variables."""
    variables = [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch([inputs, *variables])
        outputs = layer(inputs, **settings)
        total = tf.reduce_sum(tf.cast(outputs, tf.float32) * tf.random.stateless_normal(outputs.shape, [1, 2]))
    return outputs, tape.gradient(total, [inputs, *variables])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False}, {"momentum": 0.6, "epsilon": 1e-5}], ids=str)
@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 2e-5), ("mixed_bfloat16", 0.03), ("mixed_float16", 4e-3)])
def test_our_batch_norm_is_that_of_keras(training, settings, policy, tolerance):
    models.set_precision(policy)
    theirs, ours = both_norms((None, 6, 5, 7), **settings)
    kind = keras.mixed_precision.dtype_policy().compute_dtype
    inputs = tf.cast(tf.random.stateless_normal([3, 6, 5, 7], [0, 1]) * 2 + 1, kind)
    expected, gradients = through(theirs, inputs, training=training)
    outputs, found = through(ours, inputs, training=training)
    assert outputs.dtype == expected.dtype
    for one, other in zip([outputs, *found], [expected, *gradients], strict=True):
        np.testing.assert_allclose(np.float32(one), np.float32(other), rtol=tolerance, atol=tolerance * np.abs(np.float32(other)).max())
    for one, other in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4 if policy == "float32" else 1e-2)


def test_our_batch_norm_in_other_places_is_that_of_keras():
    inputs = tf.random.stateless_normal([8, 7], [0, 1])
    theirs, ours = both_norms((None, 7))
    np.testing.assert_array_equal(ours(inputs, training=True), theirs(inputs, training=True))
    np.testing.assert_array_equal(ours.moving_variance.numpy(), theirs.moving_variance.numpy())
    maps = tf.random.stateless_normal([3, 6, 5, 7], [0, 1])
    theirs, ours = both_norms((None, 6, 5, 7))
    theirs.trainable = ours.trainable = False  # frozen: the moving statistics are used and stay
    np.testing.assert_allclose(ours(maps, training=True), theirs(maps, training=True), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(ours.moving_variance.numpy(), theirs.moving_variance.numpy())


def test_a_plain_network_gives_the_same_without_us():
    model = build("resnet10", drop_path=0.1)
    stir(model)
    copy = models.plain(model)
    assert {type(layer).__module__.split(".")[0] for layer in copy.layers} == {"keras"}
    np.testing.assert_allclose(copy(pictures()), model(pictures()), rtol=1e-4, atol=1e-5)


REPLICAS = """
import json, keras, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from functools import partial
from clf import models, networks
blocks = networks.MOBILENET_V3_SMALL[:2]
models.MODELS["short"] = models.Entry(partial(networks.mobilenet_v3, blocks=blocks), "sgd", 0.1, 32)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
found = {}
for name in ("resnet10", "short"):
    with strategy.scope():
        model = models.build(name, 16, 3, 2, width=0.25)
    @tf.function
    def step(images):
        strategy.run(lambda part: model(part, training=True), (images,))
    for number in range(2):
        step(strategy.experimental_distribute_values_from_function(
            lambda context: tf.random.stateless_normal([4, 16, 16, 3], [number, context.replica_id_in_sync_group]) * 60 + 100))
    moving = [variable for variable in model.variables if "moving" in variable.path]
    parts = [[part.numpy() for part in strategy.experimental_local_results(variable.value)] for variable in moving]
    found[name] = [len(moving), max(float(np.abs(one - other).max()) for one, other in parts),
                   min(float(np.abs(one - (0 if "mean" in variable.path else 1)).max()) for (one, _), variable in zip(parts, moving))]
print(json.dumps(found))
"""


def test_the_moving_statistics_of_replicas_stay_equal():
    done = subprocess.run([sys.executable, "-c", REPLICAS], cwd=paths.CHECKOUT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    for count, apart, moved in json.loads(done.stdout.splitlines()[-1]).values():
        assert count >= 10
        assert apart == 0
        assert moved > 0


def test_a_norm_before_the_head_belongs_to_it():
    assert models.groups(build("resnet10")).count(0) == 4
    assert models.groups(build("resnet18")).count(0) == 2


# -- weights to start from -------------------------------------------------------------------------------------------------------------


def backbone_of(name: str) -> keras.Model:
    inputs = keras.Input((SIDE, SIDE, 3))
    body = keras.Model(inputs, models.MODELS[name].body(inputs))
    return next(layer for layer in body.layers if isinstance(layer, keras.Model))


def test_a_preset_folder_fills_the_body(tmp_path, short):
    from keras_cv.src.utils.preset_utils import save_to_preset

    backbone = backbone_of("mobilenet_v3_small")
    backbone = type(backbone)(**{**backbone.get_config(), "include_rescaling": True, "input_shape": (None, None, 3)})  # as published
    stir(backbone)
    save_to_preset(backbone, str(tmp_path / "mobilenet_v3_small_imagenet"))
    model = models.build("mobilenet_v3_small", SIDE, 3, 5)
    count = len([variable for layer in model.layers[:-1] for variable in layer.weights])
    assert models.start_from(model, "imagenet", tmp_path).startswith(f"{count} of {count} weights of mobilenet_v3_small from ")
    expected = np.mean(backbone(pictures()), axis=(1, 2))
    np.testing.assert_allclose(features_of(model)(pictures()), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(model(pictures()), np.zeros((4, 5)))
    with pytest.raises(Mistake, match=r"agree with it in name and shape: build it with the same width="):
        models.start_from(models.build("mobilenet_v3_small", SIDE, 3, 5, width=0.25), "imagenet", tmp_path)
    grey = models.build("mobilenet_v3_small", SIDE, 1, 5)
    assert "the stem's kernels for 3 channels are summed into one" in models.start_from(grey, "imagenet", tmp_path)
    one = pictures(1)
    np.testing.assert_allclose(features_of(grey)(one), features_of(model)(tf.repeat(one, 3, 3)), rtol=1e-3, atol=1e-4)


def test_a_file_of_keras_applications_fills_the_body(tmp_path):
    network = networks.application("MobileNetV2", side=SIDE)
    stir(network)
    file = tmp_path / models.MODELS["mobilenet_v2"].imagenet.name
    with h5py.File(file, "w") as content:
        legacy_h5_format.save_weights_to_hdf5_group(content, network)
    model = models.build("mobilenet_v2", SIDE, 3, 5)
    assert models.start_from(model, "imagenet", tmp_path).startswith("260 of 260 weights")
    expected = np.mean(network(keras.applications.mobilenet_v2.preprocess_input(pictures().numpy())), axis=(1, 2))
    np.testing.assert_allclose(features_of(model)(pictures()), expected, rtol=1e-3, atol=1e-3)
    file.write_bytes(b"no weights")
    with pytest.raises(Mistake, match="cannot be read as ImageNet weights of mobilenet_v2"):
        models.start_from(model, "imagenet", tmp_path)


@pytest.mark.parametrize(("name", "file"), [("mobilenet_v3_small", "config.json"), ("mobilenet_v2", "_1.0_224_no_top.h5")])
def test_without_network_one_line_says_what_to_put_where(name, file, tmp_path):
    inputs = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs), name=name)  # not looked at before the weights are there
    with pytest.raises(Mistake) as caught:
        models.start_from(model, "imagenet", tmp_path)
    pretrained = models.MODELS[name].imagenet
    assert f"Get {pretrained.name} from {pretrained.page} and put it at {tmp_path / pretrained.name}" in str(caught.value)
    assert file in str(caught.value)


def test_a_family_without_imagenet_weights_names_those_that_have_them(tmp_path):
    with pytest.raises(Mistake, match=r"there are none for airbench. Those that have them: resnet50, .*convnext_tiny"):
        models.start_from(build("airbench"), "imagenet", tmp_path)


@pytest.fixture
def run(tmp_path):
    """A run's folder with one fold, and its network."""
    model = build("airbench", outputs=3)
    stir(model)
    fold = paths.Run(tmp_path / "data" / "animals" / "runs" / "airbench-3f2a").fold(0)
    fold.folder.mkdir(parents=True)
    model.save(fold.weights)
    return fold.folder.parent, model


def test_a_run_is_a_start_for_other_classes(run, monkeypatch):
    folder, old = run
    monkeypatch.setenv("CLF_WORK", str(folder.parents[3]))
    for weights in (folder, folder / "fold0", paths.Fold(folder / "fold0").weights, "data/animals/runs/airbench-3f2a"):
        model = build("airbench", outputs=7)
        said = models.start_from(model, str(weights), folder)
        assert said.startswith("41 of 41 weights of airbench from ")
        assert said.endswith("the head is new")
        np.testing.assert_array_equal(features_of(model)(pictures()), features_of(old)(pictures()))
        np.testing.assert_array_equal(model(pictures()), np.zeros((4, 7)))


def test_a_stem_fits_other_channels(run):
    folder, old = run
    grey = build("airbench", channels=1)
    assert models.start_from(grey, str(folder), folder).endswith("the stem's kernels for 3 channels are summed into one")
    one = pictures(1)
    np.testing.assert_allclose(features_of(grey)(one), features_of(old)(tf.repeat(one, 3, 3)), rtol=1e-3, atol=1e-4)
    grey.save(paths.Fold(folder / "fold0").weights)
    colour = build("airbench", channels=3)
    assert models.start_from(colour, str(folder), folder).endswith("the stem's kernels for 1 channels are repeated for 3")
    np.testing.assert_allclose(features_of(colour)(tf.repeat(one, 3, 3)), features_of(grey)(one), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("before", "now"), [(3, 2), (3, 4), (2, 6), (4, 1)])
def test_a_stem_gives_as_much_for_another_number_of_equal_channels(before, now):
    kernel = np.random.default_rng(0).normal(size=(3, 3, before, 5))
    kernel[:] = kernel.mean(2, keepdims=True)  # all channels alike
    found = models._for_channels(kernel, before, now)
    assert found.shape == (3, 3, now, 5)
    np.testing.assert_allclose(found.sum(2), kernel.sum(2))


def test_a_stem_for_fewer_channels_says_which_are_taken(run):
    folder, _ = run
    two = build("airbench", channels=2)
    assert models.start_from(two, str(folder), folder).endswith("the stem's kernels for 3 channels are those of the first 2")


@pytest.mark.parametrize("name", models.MODELS)
def test_every_network_takes_pictures_of_other_channels(name, short):
    for channels in (2, 6) if name in NARROW else (4,):
        model = build(name, channels)
        assert model(pictures(channels)).shape == (4, 5)
        assert model.get_layer(networks.FRONT).get_config()["scale"] == pytest.approx([1 / np.mean(models.MODELS[name].scaling[1])] * channels)


def test_a_stem_on_patches_keeps_its_order():
    """CSPDarkNet's stem sees four neighbours' channels side by side."""
    kernel = np.arange(2 * 2 * 12 * 3).reshape(2, 2, 12, 3)
    summed = models._for_channels(kernel, 3, 1)
    assert summed.shape == (2, 2, 4, 3)
    np.testing.assert_array_equal(summed[:, :, 1], kernel[:, :, 3:6].sum(2))


def test_weights_of_another_network_stop(run, tmp_path):
    folder, _ = run
    with pytest.raises(Mistake, match=r"is a airbench, not a resnet10: choose model=airbench"):
        models.start_from(build("resnet10"), str(folder), tmp_path)
    with pytest.raises(Mistake, match=r"only \d+ of the 41 weights"):
        models.start_from(build("airbench", width=0.5), str(folder), tmp_path)
    with pytest.raises(Mistake, match=r"weights=runs/none is neither imagenet nor a trained network"):
        models.start_from(build("airbench"), "runs/none", tmp_path)
    file = tmp_path / "broken.keras"
    file.write_bytes(b"no network")
    with pytest.raises(Mistake, match=r"broken.keras holds no network that can be read"):
        models.start_from(build("airbench"), str(file), tmp_path)


# -- precision -------------------------------------------------------------------------------------------------------------------------


def test_precision_is_asked_for_or_measured(monkeypatch):
    assert models.choose_precision("mixed_float16") == ("mixed_float16", "asked for")
    for act in (models.choose_precision, models.set_precision):
        with pytest.raises(Mistake, match="unknown precision 'half'"):
            act("half")
    assert models._bfloat16_speed() > 0
    if models.gpu_count():
        return
    for ratio, policy in ((1.6, "mixed_bfloat16"), (1.1, "float32")):
        monkeypatch.setattr(networks, "processor_has", lambda *flags: True)
        monkeypatch.setattr(models, "_bfloat16_speed", lambda ratio=ratio: ratio)
        assert models.choose_precision("auto") == (policy, f"a convolution in bfloat16 measured {ratio:.2f} times as fast as in float32")
    monkeypatch.setattr(networks, "processor_has", lambda *flags: False)
    assert models.choose_precision("auto") == ("float32", "neither GPU nor a processor with bfloat16")


def test_a_whitening_stem_makes_patches_uncorrelated_and_is_never_trained():
    model = models.build("airbench", 16, 3, 4, 0.25)
    generator = np.random.default_rng(0)
    grey = generator.integers(0, 256, (200, 16, 16, 1))
    pictures = np.clip(grey + generator.normal(0, 20, (200, 16, 16, 3)), 0, 255).astype(np.uint8)
    models.whiten(model, lambda: pictures)
    stem = model.get_layer(networks.WHITENING)
    assert not any(variable is stem.kernel for variable in model.trainable_variables)
    seen = stem(model.get_layer(networks.FRONT)(pictures.astype(np.float32))).numpy().reshape(-1, 24)
    np.testing.assert_allclose(seen[:, 12:], -seen[:, :12], atol=1e-5)
    second = seen[:, :12].T.astype(np.float64) @ seen[:, :12] / len(seen)
    np.testing.assert_allclose(second, np.eye(12), atol=0.05)  # the floor takes a little of the smallest
    one = models.build("airbench", 16, 1, 4, 0.25)
    models.whiten(one, lambda: pictures[..., :1])
    kernel = one.get_layer(networks.WHITENING).kernel.numpy()
    np.testing.assert_array_equal(kernel[..., :4], kernel[..., 4:8])  # patches of one channel have four directions
    other = models.build("resnet10", 16, 3, 4, 0.25)
    before = other.get_weights()
    models.whiten(other, lambda: pytest.fail("read for nothing"))
    for one, two in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
