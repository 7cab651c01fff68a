"""Schedules by hand, optimizers against Keras's own and against NumPy, averages of the weights against plain means."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clf import optim
from clf.config import Mistake

SHAPES = ((3, 3, 2, 4), (5, 6), (6,))  # a convolution's kernel, a dense one, a bias


def variables(shapes=SHAPES, seed: int = 0) -> list[keras.Variable]:
    rng = np.random.default_rng(seed)
    return [keras.Variable(rng.normal(size=shape).astype("float32"), name=f"v{number}") for number, shape in enumerate(shapes)]


def gradients(count: int, shapes=SHAPES, seed: int = 1) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [[rng.normal(size=shape).astype("float32") for shape in shapes] for _ in range(count)]


def flat_schedule(peak: float = 0.1) -> optim.Schedule:
    """Linear from the peak, over so many steps that the first ones have the same rate."""
    return optim.Schedule(peak, "linear", 10**9)


def moved(name: str, steps: int, **settings) -> list[np.ndarray]:
    """How far each variable moves."""
    weights = variables()
    before = [weight.numpy() for weight in weights]
    optimizer = optim.build(name, flat_schedule(), weights, **settings)
    for step in gradients(steps):
        optimizer.apply([tf.constant(gradient) for gradient in step], weights)
    return [weight.numpy() - start for weight, start in zip(weights, before, strict=True)]


@pytest.fixture
def float16():
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    yield
    keras.mixed_precision.set_dtype_policy("float32")


# -- schedules -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("one_cycle", [0.0, 1.0, 2.0, 1.0, 0.0, 0.0]),
        (
            "cosine",
            [
                0.0,
                2 * (0.5 + 0.5 * np.cos(np.pi * 5 / 95)),
                2 * (0.5 + 0.5 * np.cos(np.pi * 15 / 95)),
                2 * (0.5 + 0.5 * np.cos(np.pi * 55 / 95)),
                0,
                0,
            ],
        ),
        ("linear", [2.0, 1.8, 1.6, 0.8, 0.0, 0.0]),
    ],
)
def test_schedules_by_hand(name, expected):
    schedule = optim.Schedule(2.0, name, 100)
    np.testing.assert_allclose([float(schedule(step)) for step in (0, 10, 20, 60, 100, 130)], expected, atol=1e-6)


@pytest.mark.parametrize("warmup", [None, 0.0, 0.3])
@pytest.mark.parametrize("name", optim.SCHEDULES)
def test_every_schedule_rises_to_its_peak_once_and_falls_to_zero(name, warmup):
    schedule = optim.Schedule(1.0, name, 200, warmup=warmup)
    rates = np.array([float(schedule(step)) for step in range(201)])
    top = rates.argmax()
    assert rates.min() >= 0
    assert rates[top] == pytest.approx(1)
    assert warmup is None or top == 200 * warmup
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 1e-6).all()
    assert rates[-1] < 1e-6


def test_number_of_steps_and_scale_may_change_after_the_step_is_compiled():
    schedule = optim.Schedule(1.0, "linear")
    compiled = tf.function(schedule)
    assert float(compiled(tf.constant(50))) == 0  # beyond the end of the single step
    schedule.steps.assign(100)
    assert float(compiled(tf.constant(50))) == pytest.approx(0.5)
    schedule.scale.assign(0.25)
    assert float(compiled(tf.constant(50))) == pytest.approx(0.125)
    assert compiled.experimental_get_tracing_count() == 1


def test_a_schedule_is_saved_as_plain_numbers():
    schedule = optim.Schedule(0.3, "cosine", 40, warmup=0.1)
    schedule.scale.assign(0.5)
    assert schedule.get_config() == {"peak": 0.3, "name": "cosine", "warmup": 0.1, "steps": 40, "scale": 0.5, "start": 0, "begun": 0.0}
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert [float(again(step)) for step in range(40)] == [float(schedule(step)) for step in range(40)]


def test_a_schedule_of_ones_own(monkeypatch):
    monkeypatch.setitem(optim.SCHEDULES, "constant", lambda share: tf.ones_like(share))
    assert float(optim.Schedule(0.5, "constant", 10)(9)) == 0.5


# -- optimizers ------------------------------------------------------------------------------------------------------------------------


def small_model() -> keras.Model:
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(3)]
    return keras.Sequential([keras.Input((6, 6, 1)), *layers])


STOCK = {
    "sgd": lambda rate, **settings: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, **settings),
    "adamw": keras.optimizers.AdamW,
}


@pytest.mark.parametrize(
    ("name", "schedule", "rate"),
    [
        ("sgd", (0.1, "cosine"), keras.optimizers.schedules.CosineDecay(0.0, 19, warmup_target=0.1, warmup_steps=1)),
        ("adamw", (0.01, "linear"), keras.optimizers.schedules.PolynomialDecay(0.01, 20, 0.0)),
    ],
)
def test_twenty_steps_equal_those_of_keras(name, schedule, rate):
    """Rate, momentum, decay of kernels alone, and clipping, against `train_on_batch` with Keras's optimizer and schedule."""
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(8, 6, 6, 1)).astype("float32"), np.eye(3, dtype="float32")[rng.integers(0, 3, 8)]) for _ in range(20)]
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    ours, other = small_model(), small_model()
    stock = STOCK[name](rate, weight_decay=0.05, global_clipnorm=1.3)
    stock.exclude_from_weight_decay(var_list=[variable for variable in other.trainable_variables if len(variable.shape) < 2])
    other.compile(stock, loss, jit_compile=False)
    optimizer = optim.build(name, optim.Schedule(*schedule, 20), ours.trainable_variables, weight_decay=0.05, clip=1.3)
    start = ours.get_weights()

    @tf.function
    def step(images, targets):
        with tf.GradientTape() as tape:
            value = loss(targets, ours(images, training=True))
        found = tape.gradient(value, [variable.value for variable in ours.trainable_variables])
        optimizer.apply(found, ours.trainable_variables)
        return tf.linalg.global_norm(found)

    norms = []
    for images, targets in batches:
        norms.append(float(step(tf.constant(images), tf.constant(targets))))
        other.train_on_batch(images, targets)
    assert min(norms) < 1.3 < max(norms)  # some are clipped, some are not
    for one, two, before in zip(ours.get_weights(), other.get_weights(), start, strict=True):
        assert np.abs(one - before).max() > 1e-3
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-6)


def stretched(update: np.ndarray) -> np.ndarray:
    """Muon's update of a kernel by its singular values: Newton-Schulz steps are a polynomial of them."""
    flat = update.astype(np.float64).reshape(-1, update.shape[-1])
    left, values, right = np.linalg.svd(flat, full_matrices=False)
    values = values / np.sqrt((values**2).sum())
    for _ in range(3):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    inputs, outputs = flat.shape
    return ((left * values) @ right * max(1, outputs / inputs) ** 0.5).reshape(update.shape)


def test_muon_against_numpy():
    shapes = ((3, 3, 4, 36), (3, 3, 8, 16), (1, 1, 8, 32), (3, 3, 5, 1), (7, 4), (4,))  # square, tall, wide, depthwise; dense, bias
    weights = variables(shapes)
    expected = [weight.numpy().astype(np.float64) for weight in weights]
    momenta = [np.zeros(shape) for shape in shapes]
    optimizer = optim.build("muon", optim.Schedule(0.05, "one_cycle", 8), weights, weight_decay=0.1)
    for number, step in enumerate(gradients(8, shapes)):
        optimizer.apply([tf.constant(gradient) for gradient in step], weights)
        rate = 0.05 * min(number / 8 / 0.2, (1 - number / 8) / 0.8)
        for index, gradient in enumerate(step):
            momenta[index] = 0.8 * momenta[index] + gradient
            update = gradient + 0.8 * momenta[index]
            if index < 5:
                expected[index] -= rate * 0.1 * expected[index]
            expected[index] -= rate * (stretched(update) if index < 3 else 2 * update)
    for weight, wanted in zip(weights, expected, strict=True):
        np.testing.assert_allclose(weight.numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_muon_makes_orthonormal_updates():
    """Five Newton-Schulz steps bring every singular value near one, as in the reference's description (0.7 … 1.2)."""
    for shape in ((27, 8), (16, 64)):
        matrix = tf.constant(np.random.default_rng(0).normal(size=shape), tf.float32)
        values = np.linalg.svd(optim.orthogonalise(matrix, steps=5).numpy(), compute_uv=False)
        assert values.min() > 0.6
        assert values.max() < 1.3


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_kernels_decay_by_rate_times_decay_and_biases_do_not(name):
    """Without gradients nothing but the decay moves a weight."""
    weights = variables()
    before = [weight.numpy() for weight in weights]
    optimizer = optim.build(name, flat_schedule(), weights, weight_decay=0.5, rates=[1.0, 0.5, 1.0])
    optimizer.apply([tf.zeros(shape) for shape in SHAPES], weights)
    for weight, start, share in zip(weights, before, (0.05, 0.025, 0.0), strict=True):
        np.testing.assert_allclose(weight.numpy(), start * (1 - share), rtol=1e-6)


@pytest.mark.parametrize(("steps", "weight_decay"), [(1, 0.3), (4, 0.0)])
@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_each_variable_has_its_own_rate(name, steps, weight_decay):
    """Given the gradients, moves are linear in the rate: over one step with its decay, over several without."""
    full = moved(name, steps, weight_decay=weight_decay)
    for index in range(len(SHAPES)):
        rates = [1.0] * len(SHAPES)
        rates[index] = 0.5
        half = moved(name, steps, weight_decay=weight_decay, rates=rates)
        rates[index] = 0.0
        none = moved(name, steps, weight_decay=weight_decay, rates=rates)
        assert not none[index].any()
        assert np.abs(full[index]).max() > 1e-3
        np.testing.assert_allclose(half[index], full[index] / 2, rtol=1e-4, atol=1e-6)
        for other in set(range(len(SHAPES))) - {index}:
            np.testing.assert_array_equal(half[other], full[other])
            np.testing.assert_array_equal(none[other], full[other])


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_a_restored_optimizer_continues_bit_by_bit(name):
    """The variables are all that a checkpoint keeps: moments, average, step, and the scale of the rate."""

    def fresh():
        weights, schedule = variables(), optim.Schedule(0.1, "one_cycle", 8)
        memory = tf.Variable(0.5)
        return weights, schedule, optim.build(name, schedule, weights, weight_decay=0.1, clip=3.0, rates=[1.0, 0.3, 1.0], memory=memory)

    def run(weights, optimizer, batches):
        for step in batches:
            optimizer.apply([tf.constant(gradient) for gradient in step], weights)

    batches = gradients(8)
    weights, schedule, optimizer = fresh()
    run(weights, optimizer, batches[:3])
    schedule.scale.assign(0.5)
    stored = [np.array(variable) for variable in [*weights, *optimizer.variables]]
    run(weights, optimizer, batches[3:])
    others, other_schedule, resumed = fresh()
    for variable, value in zip([*others, *resumed.variables], stored, strict=True):
        variable.assign(value)
    assert float(other_schedule.scale.numpy()) == 0.5
    run(others, resumed, batches[3:])
    for one, other in zip([*weights, *optimizer.variables], [*others, *resumed.variables], strict=True):
        np.testing.assert_array_equal(np.array(one), np.array(other))


def test_an_optimizer_of_ones_own(monkeypatch):
    """It gets decay, rates and average as every other one does."""
    monkeypatch.setitem(optim.OPTIMIZERS, "lion", keras.optimizers.Lion)
    moves = moved("lion", 1, rates=[1.0, 0.5, 0.0], memory=tf.Variable(0.0))
    for move, size in zip(moves, (0.1, 0.05, 0.0), strict=True):
        np.testing.assert_allclose(np.abs(move), size, rtol=1e-4)  # Lion moves by the sign of the gradient


def test_unknown_names_stop():
    with pytest.raises(Mistake, match=r"unknown optimizer 'adam'.*adamw"):
        optim.build("adam", flat_schedule(), variables())
    with pytest.raises(Mistake, match=r"unknown schedule 'onecycle'.*one_cycle"):
        optim.Schedule(0.1, "onecycle")
    with pytest.raises(ValueError, match="2 rates for 3 variables"):
        optim.build("sgd", flat_schedule(), variables(), rates=[1.0, 1.0])


# -- the average of the weights, and loss scaling ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "ema", "average"), [(10, 0.3, 0.0), (10, 0.0, 0.0), (10, 0.0, 0.35), (10, 0.5, 1.0), (7, 0.5, 0.01), (1, 0.1, 0.2)]
)
def test_the_average_along_a_training(steps, ema, average):
    weights, total, memory = variables(), tf.Variable(1), tf.Variable(0.0)
    optimizer = optim.build("sgd", optim.Schedule(0.1, "one_cycle", steps), weights, memory=memory)

    @tf.function
    def step(*found):
        memory.assign(optim.weights_memory(optimizer.iterations.value, total, ema, average))
        optimizer.apply(found, weights)

    total.assign(steps)
    course = []
    for found in gradients(steps):
        step(*[tf.constant(gradient) for gradient in found])
        course.append([weight.numpy().astype(np.float64) for weight in weights])
    optimizer.finalize_variable_values(weights)
    for index, weight in enumerate(weights):
        path = [values[index] for values in course]
        if average:
            expected = np.mean(path[-max(1, round(average * steps)) :], axis=0)
        else:
            keep = 1 - 1 / max(1, ema * steps)
            shares = np.array([(1 - keep if number else 1) * keep ** (steps - 1 - number) for number in range(steps)])
            assert shares.sum() == pytest.approx(1)
            expected = np.tensordot(shares, path, 1)
        np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_an_overflow_halves_the_scale_and_moves_nothing(name, float16):
    weights = variables()
    optimizer = optim.build(name, flat_schedule(), weights, weight_decay=0.1, clip=1.0, memory=tf.Variable(0.5))
    scale = float(optimizer.scale_loss(tf.constant(1.0)))
    first, second = gradients(2)
    optimizer.apply([tf.constant(gradient * scale) for gradient in first], weights)
    before = [np.array(variable) for variable in [*weights, *optimizer.inner_optimizer.variables]]
    second[1][0, 0] = np.inf
    optimizer.apply([tf.constant(gradient) for gradient in second], weights)
    assert float(optimizer.scale_loss(tf.constant(1.0))) == scale / 2
    assert int(optimizer.iterations.numpy()) == 1
    for variable, value in zip([*weights, *optimizer.inner_optimizer.variables], before, strict=True):
        np.testing.assert_array_equal(np.array(variable), value)


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_a_scaled_loss_moves_the_weights_as_an_unscaled_one(name, float16):
    """Clipping, decay, rates and average see the gradients as they were before scaling."""
    settings = {"weight_decay": 0.1, "clip": 1.0, "rates": [1.0, 0.5, 1.0]}
    weights = variables()
    optimizer = optim.build(name, flat_schedule(), weights, memory=tf.Variable(0.5), **settings)
    before = [weight.numpy() for weight in weights]
    for step in gradients(3):
        scale = optimizer.scale_loss(tf.constant(1.0))
        optimizer.apply([tf.constant(gradient) * scale for gradient in step], weights)
    keras.mixed_precision.set_dtype_policy("float32")
    for weight, start, move in zip(weights, before, moved(name, 3, **settings), strict=True):
        np.testing.assert_allclose(weight.numpy() - start, move, rtol=1e-4, atol=1e-6)


def test_a_bent_schedule_goes_on_from_where_it_was_to_its_new_end():
    schedule = optim.Schedule(0.3, "one_cycle", 100)
    before = float(schedule(40))
    schedule.bend(60, 40, float(schedule.share(40)))
    assert float(schedule(40)) == pytest.approx(before)
    assert float(schedule.share(50)) == pytest.approx(0.7)
    assert float(schedule(60)) == 0.0
    again = optim.Schedule(**schedule.get_config())
    assert float(again(50)) == float(schedule(50))
