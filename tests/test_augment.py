"""Augmentations: the contract of every entry, each operation against a slow reference, draws by (seed, epoch, row) alone, flips that the
problem forbids."""

import cv2
import keras
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from scipy import stats

from clf import augment, data
from clf.config import Mistake


class Question:
    flip_horizontal = False
    flip_vertical = False


class Mirrored(Question):
    flip_horizontal = True


class EitherWay(Mirrored):
    flip_vertical = True


@pytest.fixture(autouse=True)
def deterministic():
    """As `planning.make_learner` has it: under op determinism some layers cannot be made."""
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()


@pytest.fixture
def batch():
    return np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)


def smooth(channels: int = 3, count: int = 12) -> np.ndarray:
    """Pictures [B,32,32,C] without edges: interpolations differ little."""
    coarse = np.random.default_rng(2).integers(20, 220, (count, 4, 4, channels), np.uint8)
    return np.stack([cv2.resize(each, (32, 32), interpolation=cv2.INTER_CUBIC).reshape(32, 32, channels) for each in coarse])


def given(*numbers: float):
    """A draw that gives every row the same numbers."""
    return lambda n: np.tile(numbers, (12, 1))


def drawn(n: int) -> np.ndarray:
    return augment.uniform(0, 0, np.arange(12), 0, n)


COLOURS_ONLY = {"kerascv_random_hue", "kerascv_random_saturation", "kerascv_channel_shuffle"}


@pytest.mark.parametrize(("side", "channels"), [(28, 1), (28, 3), (96, 1), (96, 3), (96, 2), (28, 4), (96, 6)])
@pytest.mark.parametrize("name", [*augment.AUGMENTS, *augment.OPERATIONS])
def test_every_name_keeps_shape_type_and_its_input_and_is_a_function_of_picture_seed_epoch_and_row(name, side, channels):
    pictures = np.random.default_rng(1).integers(0, 256, (6, side, side, channels), np.uint8)
    before = pictures.copy()
    rows = np.array([3, 1, 4, 15, 9, 26])
    network = side - 6 if name == "cut" else side  # of a picture that is no larger it cuts nothing
    operation = augment.build(name, Mirrored, 5, network)
    once = operation(pictures, rows, 2)
    assert once.shape == (6, network, network, channels)
    assert once.dtype == np.uint8
    np.testing.assert_array_equal(pictures, before)
    np.testing.assert_array_equal(operation(pictures, rows, 2), once)
    order = np.array([5, 0, 3, 1])
    np.testing.assert_array_equal(operation(pictures[order], rows[order], 2), once[order])
    if name == "none" or (channels != 3 and name in COLOURS_ONLY):
        np.testing.assert_array_equal(once, pictures)
    else:
        assert (operation(pictures, rows, 3) != once).any()
        assert (augment.build(name, Mirrored, 6, network)(pictures, rows, 2) != once).any()


@pytest.mark.parametrize("name", augment.AUGMENTS)
def test_every_set_gives_what_the_network_sees_or_the_stored_side(name):
    pictures = np.random.default_rng(1).integers(0, 256, (4, 96, 96, 3), np.uint8)
    assert augment.build(name, Question, 0, 64)(pictures, np.arange(4), 0).shape[1] == (96 if name == "none" else 64)


@pytest.mark.parametrize("name", ["strong", "trivial", "flip+kerascv_grid_mask+kerascv_random_gaussian_blur"])
def test_a_stream_that_starts_later_makes_the_same_batches(name, batch):
    rows = np.arange(12)

    def stream(start):
        operation = augment.build(name, Mirrored, 1, 32)
        return data.training(batch, rows, rows, lambda chosen: np.zeros((len(chosen), 2), np.float32), 4, 32, operation, 1, start, 12)

    whole = [images.numpy() for images, _, _ in stream(0)]
    later = [images.numpy() for images, _, _ in stream(7)]
    np.testing.assert_array_equal(whole[7:], later)


def test_uniform_numbers_are_uniform_and_independent_of_their_neighbours():
    numbers = augment.uniform(0, 3, np.arange(20_000), 1, 2)
    assert abs(numbers.mean() - 0.5) < 0.01
    assert np.allclose(np.histogram(numbers, 10, (0, 1))[0] / numbers.size, 0.1, atol=0.005)
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.03
    assert abs(np.corrcoef(numbers[:, 0], numbers[:, 1])[0, 1]) < 0.03
    assert abs(np.corrcoef(numbers[:, 0], augment.uniform(0, 4, np.arange(20_000), 1, 2)[:, 0])[0, 1]) < 0.03


# -- each operation against a slow reference -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", [Question, Mirrored, EitherWay])
def test_flip_mirrors_about_half_and_only_where_the_problem_allows_it(question, batch):
    expected = batch.copy()
    mirrored, upside_down = (drawn(2) < 0.5).T
    assert 0 < mirrored.sum() < 12
    for number in range(12):
        if question.flip_horizontal and mirrored[number]:
            expected[number] = expected[number, :, ::-1]
        if question.flip_vertical and upside_down[number]:
            expected[number] = expected[number, ::-1]
    np.testing.assert_array_equal(augment.flip(batch, drawn, question, 32), expected)


def test_shift_moves_whole_pixels_over_a_mirrored_border(batch):
    moved = augment.shift(batch, given(0.999, 0.0), Question, 32, share=3 / 32)
    padded = np.pad(batch, ((0, 0), (3, 3), (3, 3), (0, 0)), "reflect")
    np.testing.assert_array_equal(moved, padded[:, 6:, :32])


def test_cut_takes_what_is_stored(batch):
    expected = [each[y : y + 20, x : x + 20] for each, (y, x) in zip(batch, (drawn(2) * 13).astype(int), strict=True)]
    np.testing.assert_array_equal(augment.cut(batch, drawn, Question, 20), expected)


@pytest.mark.parametrize("side", [32, 40])
def test_cut_of_a_picture_that_is_no_larger_is_the_picture(side, batch):
    np.testing.assert_array_equal(augment.cut(batch, drawn, Question, side), batch)


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize(
    ("name", "tolerance"), [("cut", 0), ("shift", 0), ("crop", 1), ("affine", 1), ("colour", 0), ("cutout", 0), ("rand_augment", 0)]
)
def test_an_operation_sees_the_mirrored_picture_though_it_reads_the_stored_one(name, tolerance, channels):
    """Also one that mirrors after it: it rounds once in the other direction."""
    pictures, operation = smooth(channels), augment.build(f"flip+{name}", EitherWay, 3, 24)
    flipped = np.array(augment.build("flip", EitherWay, 3, 24)(pictures, np.arange(12), 1))
    expected = augment.OPERATIONS[name](flipped, lambda n: augment.uniform(3, 1, np.arange(12), 1, n), EitherWay, 24)
    np.testing.assert_allclose(operation(pictures, np.arange(12), 1).astype(int), expected.astype(int), atol=tolerance)


def test_crop_cuts_and_resizes(batch):
    cut = augment.crop(batch, given(0.0, 0.5, 0.0, 0.999), Question, 24, smallest=0.25)
    expected = [cv2.resize(each[:16, 16:], (24, 24), interpolation=cv2.INTER_LINEAR) for each in batch]
    np.testing.assert_array_equal(cut, expected)


def test_a_crop_cuts_every_channel_alike():
    """Also where it averages areas, which OpenCV does for four channels at once."""
    plain = np.random.default_rng(0).integers(0, 256, (12, 96, 96, 1), np.uint8)
    cut = augment.crop(np.repeat(plain, 6, axis=3), drawn, Question, 24)
    np.testing.assert_array_equal(cut, np.repeat(augment.crop(plain, drawn, Question, 24), 6, axis=3))


def test_crop_of_the_whole_area_is_the_picture(batch):
    np.testing.assert_array_equal(augment.crop(batch, given(1.0, 0.5, 0.0, 0.0), Question, 32), batch)


@pytest.mark.parametrize("side", [augment.SMALL, augment.SMALL + 1])
def test_place_moves_small_pictures_and_crops_large_ones(side):
    pictures = np.random.default_rng(0).integers(0, 256, (12, side, side, 3), np.uint8)
    expected = (augment.shift if side == augment.SMALL else augment.crop)(pictures, drawn, Question, 48)
    np.testing.assert_array_equal(augment.place(pictures, drawn, Question, 48), expected)


def resample(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The picture [S,S,C] with each point moved by `matrix` (of x and y from the middle, in px), slowly."""
    back = np.linalg.inv(matrix[:, :2])[::-1, ::-1]  # scipy asks where in (y, x) a point comes from
    middle = (len(picture) - 1) / 2
    offset = middle - back @ (middle + matrix[::-1, 2])
    channels = [scipy.ndimage.affine_transform(channel, back, offset, order=1, mode="mirror") for channel in np.moveaxis(picture.astype(float), 2, 0)]
    return np.stack(channels, -1)


def turn(degrees: float, scale: float = 1.0) -> np.ndarray:
    """Counter-clockwise as one sees it: y points down."""
    cosine, sine = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[cosine, sine, 0], [-sine, cosine, 0]])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "matrix"),
    [("affine", turn(12, 0.88)), ("rotate", turn(12)), ("scale", turn(0, 0.88))],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_affine_rotate_and_scale_resample(name, matrix, channels):
    pictures = smooth(channels)
    changed = augment.OPERATIONS[name](pictures, given(1.0, 0.0), Question, 32)
    expected = np.stack([resample(each, matrix) for each in pictures])
    assert np.abs(expected - pictures).max() > 20
    np.testing.assert_allclose(changed, expected, atol=2)


def test_affine_without_a_turn_is_the_picture(batch):
    np.testing.assert_array_equal(augment.affine(batch, given(0.5, 0.5), Question, 32), batch)


@pytest.mark.parametrize(("channels", "weights"), [(1, [1.0]), (3, [0.299, 0.587, 0.114]), (2, [1 / 2] * 2), (6, [1 / 6] * 6)])
def test_colour_is_contrast_saturation_and_brightness(channels, weights, batch):
    """Saturation of three channels only."""
    pictures = np.concatenate([batch, 255 - batch // 2], axis=3)[:, :, :, :channels]
    brightness, contrast, saturation = (0.8 + 0.4 * drawn(3)).T
    if channels != 3:
        saturation[:] = 1
    expected = []
    for number, each in enumerate(pictures.astype(float)):
        mean = (each @ weights).mean()
        changed = (each - mean) * contrast[number] + mean
        grey = (changed @ weights)[:, :, None]
        expected.append(((changed - grey) * saturation[number] + grey) * brightness[number])
    np.testing.assert_allclose(augment.colour(pictures, drawn, Question, 32, strength=0.2), np.clip(expected, 0, 255), atol=1)


def test_blur_is_gaussian():
    pictures = smooth()
    deviations = drawn(1)[:, 0] * 1.5
    expected = [
        scipy.ndimage.gaussian_filter(each.astype(float), (sigma, sigma, 0), mode="mirror") for each, sigma in zip(pictures, deviations, strict=True)
    ]
    np.testing.assert_allclose(augment.blur(pictures, drawn, Question, 32, share=1 / 32), expected, atol=2)
    np.testing.assert_array_equal(augment.blur(pictures, given(0.0), Question, 32), pictures)


def test_cutout_sets_one_square_to_the_picture_s_mean(batch):
    expected = batch.copy()
    for target, (y, x) in zip(expected, (drawn(2) * 40).astype(int) - 8, strict=True):
        target[max(0, y) : y + 8, max(0, x) : x + 8] = target.mean(axis=(0, 1)).round()
    np.testing.assert_array_equal(augment.cutout(batch, drawn, Question, 32, share=0.25), expected)


# -- rand_augment and trivial_augment --------------------------------------------------------------------------------------------------


def through_pillow(change):
    def changed(picture: np.ndarray, magnitude: float) -> np.ndarray:
        image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
        return np.asarray(change(image, magnitude)).reshape(picture.shape)

    return changed


def moved(x_from_y: float = 0.0, y_from_x: float = 0.0, x: float = 0.0, y: float = 0.0):
    return lambda picture, magnitude: resample(
        picture, np.array([[1, x_from_y * magnitude, round(x * magnitude)], [y_from_x * magnitude, 1, round(y * magnitude)]])
    )


def sharpened(image: Image.Image, magnitude: float) -> Image.Image:
    # Pillow leaves the border as it is.
    border = ImageOps.expand(image.filter(ImageFilter.SMOOTH).crop((1, 1, 31, 31)), 1)
    inside = Image.fromarray(np.pad(np.full((30, 30), 255, np.uint8), 1))
    return Image.composite(Image.blend(border, image, 1 + 0.9 * magnitude), image, inside)


# name -> (the reference, by how much it may differ)
REFERENCES = {
    "identity": (lambda picture, magnitude: picture, 0),
    "auto_contrast": (through_pillow(lambda image, magnitude: ImageOps.autocontrast(image)), 0),
    "equalize": (through_pillow(lambda image, magnitude: ImageOps.equalize(image)), 0),
    "posterize": (through_pillow(lambda image, magnitude: ImageOps.posterize(image, 8 - round(4 * abs(magnitude)))), 0),
    "solarize": (through_pillow(lambda image, magnitude: ImageOps.solarize(image, 256 * (1 - abs(magnitude)))), 0),
    "brightness": (through_pillow(lambda image, magnitude: ImageEnhance.Brightness(image).enhance(1 + 0.9 * magnitude)), 1),
    "contrast": (through_pillow(lambda image, magnitude: ImageEnhance.Contrast(image).enhance(1 + 0.9 * magnitude)), 1),
    "saturation": (through_pillow(lambda image, magnitude: ImageEnhance.Color(image).enhance(1 + 0.9 * magnitude)), 2),
    "sharpness": (through_pillow(sharpened), 1),
    "shear_x": (moved(x_from_y=0.3), 2),
    "shear_y": (moved(y_from_x=0.3), 2),
    "translate_x": (moved(x=0.3 * 32), 0),
    "translate_y": (moved(y=0.3 * 32), 0),
    "rotate": (lambda picture, magnitude: resample(picture, turn(30 * magnitude)), 2),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("magnitude", [-0.9, -0.3, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", augment.TRANSFORMATIONS)
def test_every_transformation_is_its_reference(name, magnitude, channels):
    reference, tolerance = REFERENCES[name]
    inner = slice(1, 31) if name == "sharpness" else slice(None)
    for picture in smooth(channels, 4):
        before = picture.copy()
        changed = augment.TRANSFORMATIONS[name](picture, magnitude, augment.FREE).reshape(picture.shape)
        assert changed.dtype == np.uint8
        np.testing.assert_array_equal(picture, before)
        np.testing.assert_allclose(changed[inner, inner].astype(float), reference(picture, magnitude)[inner, inner].astype(float), atol=tolerance)


@pytest.mark.parametrize("name", [name for name in augment.TRANSFORMATIONS if name not in ("auto_contrast", "equalize")])
def test_every_transformation_that_has_a_magnitude_does_nothing_at_0(name, batch):
    np.testing.assert_array_equal(augment.TRANSFORMATIONS[name](batch[0], 0.0, augment.FREE), batch[0])


@pytest.mark.parametrize("name", augment.TRANSFORMATIONS)
def test_every_transformation_takes_a_picture_of_one_colour(name):
    picture = np.full((32, 32, 3), 77, np.uint8)
    assert len(np.unique(augment.TRANSFORMATIONS[name](picture, 0.5, augment.FREE))) == 1


@pytest.mark.parametrize("question", [Question, Mirrored])
def test_pictures_that_must_not_be_mirrored_are_turned_less(question, monkeypatch):
    monkeypatch.setattr(augment, "TRANSFORMATIONS", {"rotate": augment.TRANSFORMATIONS["rotate"]})
    pictures = smooth()
    expected = [resample(each, turn(30 if question.flip_horizontal else 12)) for each in pictures]
    np.testing.assert_allclose(augment.trivial_augment(pictures, given(0.0, 1.0), question, 32), expected, atol=2)


def test_rand_augment_applies_as_many_as_asked_at_its_magnitude(batch):
    u = drawn(6)
    expected = batch.copy()
    for number in range(12):
        for which, direction in zip(u[number, :3], u[number, 3:], strict=True):
            change = list(augment.TRANSFORMATIONS.values())[int(which * len(augment.TRANSFORMATIONS))]
            expected[number] = change(expected[number], 0.6 if direction >= 0.5 else -0.6, augment.FREE)
    np.testing.assert_array_equal(augment.rand_augment(batch, drawn, Mirrored, 32, magnitude=0.6, count=3), expected)


def test_trivial_augment_applies_one_at_a_random_magnitude(batch):
    u = drawn(2)
    names = [list(augment.TRANSFORMATIONS)[int(which * len(augment.TRANSFORMATIONS))] for which in u[:, 0]]
    expected = [augment.TRANSFORMATIONS[name](each, 2 * at - 1, augment.FREE) for name, each, at in zip(names, batch, u[:, 1], strict=True)]
    np.testing.assert_array_equal(augment.trivial_augment(batch, drawn, Mirrored, 32), expected)


# -- KerasCV ---------------------------------------------------------------------------------------------------------------------------


def test_kerascv_channel_shuffle_permutes_the_channels(batch):
    shuffled = augment.OPERATIONS["kerascv_channel_shuffle"](batch, drawn, Question, 32)
    for each, before, u in zip(shuffled, batch, drawn(3), strict=True):
        np.testing.assert_array_equal(each, before[:, :, np.argsort(u)])


def test_kerascv_channel_shift_moves_each_channel_by_its_own_amount(batch):
    moves = (0.3 * drawn(3) - 0.15) * 255
    expected = np.clip(batch + moves[:, None, None], 0, 255)
    np.testing.assert_allclose(augment.OPERATIONS["kerascv_random_channel_shift"](batch, drawn, Question, 32), expected, atol=0.51)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("hue", lambda image, u: tf.image.adjust_hue(image, 0.2 * u - 0.1)),
        ("saturation", lambda image, u: tf.image.adjust_saturation(image, (0.3 + 0.4 * u) / (0.7 - 0.4 * u))),
    ],
)
def test_kerascv_hue_and_saturation_are_tensorflow_s(name, tensor, batch):
    expected = [
        255 * tensor(tf.constant(each / 255, tf.float32), u).numpy() for each, u in zip(batch, drawn(1)[:, 0].astype(np.float32), strict=True)
    ]
    np.testing.assert_allclose(augment.OPERATIONS[f"kerascv_random_{name}"](batch, drawn, Question, 32), expected, atol=1)


def test_kerascv_gaussian_blur_is_a_gauss_of_five_pixels():
    pictures = smooth()
    blurred = augment.OPERATIONS["kerascv_random_gaussian_blur"](pictures, given(1.0, 0, 0, 0, 0), Question, 32)
    expected = [cv2.GaussianBlur(each, (5, 5), 1.5) for each in pictures]
    np.testing.assert_allclose(blurred[:, 2:-2, 2:-2].astype(float), np.array(expected, float)[:, 2:-2, 2:-2], atol=1)


def test_kerascv_grid_mask_blackens_a_part_and_leaves_the_rest(batch):
    pictures = np.maximum(batch, 1)
    masked = augment.OPERATIONS["kerascv_grid_mask"](pictures, drawn, Question, 32)
    black = (masked == 0).all(axis=3)
    np.testing.assert_array_equal(masked, np.where(black[..., None], 0, pictures))
    assert 0.02 < black.mean() < 0.5
    assert (black[0] != black[1]).any()


# -- names -----------------------------------------------------------------------------------------------------------------------------


def test_names_joined_by_plus_are_done_in_their_order(batch):
    rows = np.arange(12)
    joined = augment.build("light+colour+cutout", Mirrored, 3, 32)(batch, rows, 1)
    expected = batch
    for number, operation in enumerate([augment.flip, augment.place, augment.colour, augment.cutout]):
        expected = operation(expected, lambda n, number=number: augment.uniform(3, 1, rows, number, n), Mirrored, 32)
    np.testing.assert_array_equal(joined, expected)


def test_the_same_operation_twice_draws_twice(batch):
    once, twice = (augment.build(name, Question, 0, 32)(batch, np.arange(12), 0) for name in ("cutout", "cutout+cutout"))
    assert (once != twice).any()


def test_an_operation_of_one_s_own_is_used_by_its_name(batch, monkeypatch):
    monkeypatch.setitem(augment.OPERATIONS, "negative", lambda images, draw, problem, side: 255 - images)
    np.testing.assert_array_equal(augment.build("negative", Question, 0, 32)(batch, np.arange(12), 0), 255 - batch)
    changed = augment.build("negative+cutout+negative", Question, 0, 32)(batch, np.arange(12), 0)
    assert 0.5 < (changed == batch).mean() < 1


@pytest.mark.parametrize("name", ["lihgt", "flip+lihgt", "light+"])
def test_an_unknown_name_lists_the_known_sets_and_operations(name):
    with pytest.raises(Mistake) as raised:
        augment.build(name, Question, 0, 32)
    known = str(raised.value).partition("Known: ")[2].split(", ")
    assert known == sorted([*augment.AUGMENTS, *augment.OPERATIONS])


# -- mixing ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, mix in augment.MIXES.items() if mix])
def test_mixing_keeps_target_sums_and_repeats_for_the_same_seed(name, batch):
    images, targets = tf.constant(batch, tf.float32), tf.one_hot(np.arange(12) % 3, 3)
    mixed, blended = augment.MIXES[name](images, targets, tf.constant([1, 7]))
    np.testing.assert_allclose(blended.numpy().sum(1), 1, atol=1e-6)
    again, _ = augment.MIXES[name](images, targets, tf.constant([1, 7]))
    np.testing.assert_array_equal(mixed, again)
    others = [augment.MIXES[name](images, targets, tf.constant([1, step]))[0].numpy() for step in (8, 9)]
    assert any((mixed.numpy() != other).any() for other in others)


@pytest.mark.parametrize("name", [name for name, mix in augment.MIXES.items() if mix])
def test_mixing_treats_any_targets_as_it_treats_the_pictures(name):
    """Targets that are the pictures' own means, of any scale and sign, stay so: what is mixed is a share of each."""
    values = np.random.default_rng(0).normal(0, 100, (8, 2)).astype(np.float32)
    pictures = np.broadcast_to(values[:, None, None], (8, 32, 32, 2))
    for step in range(6):
        mixed, blended = tf.function(augment.MIXES[name])(tf.constant(pictures), tf.constant(values), tf.constant([0, step]))
        np.testing.assert_allclose(mixed.numpy().mean(axis=(1, 2)), blended, atol=1e-2)


@pytest.mark.parametrize("name", [name for name, mix in augment.MIXES.items() if mix])
def test_mixing_compiles_by_xla(name, batch):
    """As a step on one GPU, where that is faster."""
    mixed, blended = tf.function(augment.MIXES[name], jit_compile=True)(tf.constant(batch, tf.float32), tf.eye(12), tf.constant([1, 7]))
    assert np.isfinite(mixed).all()
    np.testing.assert_allclose(blended.numpy().sum(1), 1, atol=1e-6)


def test_the_share_of_a_blend_is_from_a_beta_distribution():
    share = tf.function(lambda step: augment._beta(tf.stack([3, step])))
    shares = [float(share(tf.constant(step))) for step in range(2000)]
    assert stats.kstest(shares, stats.beta(0.2, 0.2).cdf).pvalue > 0.05


def test_both_is_now_one_and_now_the_other(batch):
    images, targets = tf.constant(batch, tf.float32), tf.eye(12)
    found = {"mixup": 0, "cutmix": 0}
    for step in range(40):
        seed = tf.constant([5, step])
        mixed, blended = augment.both(images, targets, seed)
        for name in found:
            pictures, shares = augment.MIXES[name](images, targets, seed)
            found[name] += bool(np.array_equal(mixed, pictures) and np.array_equal(blended, shares))
    assert found["mixup"] + found["cutmix"] == 40
    assert min(found.values()) >= 10
