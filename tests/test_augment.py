"""Augmentations: the contract of every entry, draws by (seed, epoch, row) alone, flips that the problem forbids."""

import numpy as np
import pytest
import tensorflow as tf

from clf import augment
from clf.config import Mistake


class Question:
    flip_horizontal = False
    flip_vertical = False


class Mirrored(Question):
    flip_horizontal = True


@pytest.fixture
def batch():
    return np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [28, 96])
@pytest.mark.parametrize("name", augment.AUGMENTS)
def test_every_set_keeps_shape_type_and_its_input_and_is_a_function_of_seed_epoch_and_row(name, side, channels):
    pictures = np.random.default_rng(1).integers(0, 256, (6, side, side, channels), np.uint8)
    before = pictures.copy()
    rows = np.array([3, 1, 4, 15, 9, 26])
    operation = augment.build(name, Mirrored, 5, side)
    once = operation(pictures, rows, 2)
    assert once.shape == pictures.shape
    assert once.dtype == np.uint8
    np.testing.assert_array_equal(pictures, before)
    np.testing.assert_array_equal(operation(pictures, rows, 2), once)
    if name != "none":
        assert (operation(pictures, rows, 3) != once).any()
        assert (augment.build(name, Mirrored, 6, side)(pictures, rows, 2) != once).any()
        if "cutout" not in [part.__name__ for part in augment.AUGMENTS[name]]:  # it fills with the batch's mean
            order = np.array([5, 0, 3, 1, 4, 2])
            np.testing.assert_array_equal(operation(pictures[order], rows[order], 2), once[order])


def test_uniform_numbers_are_uniform_and_independent_of_their_neighbours():
    numbers = augment.uniform(0, 3, np.arange(20_000), 1, 2)
    assert abs(numbers.mean() - 0.5) < 0.01
    assert np.allclose(np.histogram(numbers, 10, (0, 1))[0] / numbers.size, 0.1, atol=0.005)
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.03
    assert abs(np.corrcoef(numbers[:, 0], numbers[:, 1])[0, 1]) < 0.03
    assert abs(np.corrcoef(numbers[:, 0], augment.uniform(0, 4, np.arange(20_000), 1, 2)[:, 0])[0, 1]) < 0.03


def test_flip_mirrors_about_half_and_only_where_the_problem_allows_it(batch):
    rows = np.arange(12)
    draw = lambda n: augment.uniform(0, 0, rows, 0, n)  # noqa: E731
    np.testing.assert_array_equal(augment.flip(batch, draw, Question, 32), batch)
    flipped = augment.flip(batch, draw, Mirrored, 32)
    mirrored = [(one == other[:, ::-1]).all() for one, other in zip(flipped, batch, strict=True)]
    same = [(one == other).all() for one, other in zip(flipped, batch, strict=True)]
    assert all(a or b for a, b in zip(mirrored, same, strict=True))
    assert 0 < sum(mirrored) < 12


def test_shift_moves_whole_pixels(batch):
    offsets = lambda n: np.full((12, 2), 0.999)  # noqa: E731  the largest move
    moved = augment.shift(batch, offsets, Question, 32, share=2 / 32)
    np.testing.assert_array_equal(moved[:, :30, :30], batch[:, 2:, 2:])


def test_crop_of_the_whole_area_is_the_picture(batch):
    whole = lambda n: np.tile([1.0, 0.5, 0.0, 0.0], (12, 1))  # noqa: E731
    np.testing.assert_array_equal(augment.crop(batch, whole, Question, 32), batch)


def test_crop_resizes_to_what_the_network_sees(batch):
    assert augment.crop(batch, lambda n: np.full((12, n), 0.5), Question, 24).shape == (12, 24, 24, 3)


def test_affine_without_a_turn_is_the_picture_and_with_one_moves_the_corner(batch):
    nothing = lambda n: np.full((12, n), 0.5)  # noqa: E731
    np.testing.assert_array_equal(augment.affine(batch, nothing, Question, 32), batch)
    turned = augment.affine(batch, lambda n: np.full((12, n), 1.0), Question, 32)
    assert (turned != batch).any()


def test_colour_changes_brightness_by_its_factor():
    grey = np.full((1, 8, 8, 3), 100, np.uint8)
    brighter = augment.colour(grey, lambda n: np.array([[1.0, 0.5, 0.5]]), Question, 8, strength=0.3)
    assert np.abs(brighter.astype(int) - 130).max() <= 1


def test_cutout_covers_one_square_of_the_share(batch):
    middle = lambda n: np.full((12, 2), 0.5)  # noqa: E731
    cut = augment.cutout(batch, middle, Question, 32, share=0.25)
    changed = (cut != batch).any(axis=(0, 3))
    assert changed.sum() == 64


@pytest.mark.parametrize("name", [name for name, mix in augment.MIXES.items() if mix])
def test_mixing_keeps_target_sums_and_repeats_for_the_same_seed(name, batch):
    images, targets = tf.constant(batch, tf.float32), tf.one_hot(np.arange(12) % 3, 3)
    mixed, blended = augment.MIXES[name](images, targets, tf.constant([1, 7]))
    np.testing.assert_allclose(blended.numpy().sum(1), 1, atol=1e-6)
    again, _ = augment.MIXES[name](images, targets, tf.constant([1, 7]))
    np.testing.assert_array_equal(mixed, again)
    other, _ = augment.MIXES[name](images, targets, tf.constant([1, 8]))
    assert (mixed.numpy() != other.numpy()).any()


def test_cutmix_gives_each_neighbour_the_share_of_its_area():
    images = tf.cast(tf.reshape([0.0, 1.0], (2, 1, 1, 1)), tf.float32) * tf.ones((2, 32, 32, 1))
    mixed, targets = augment.cutmix(images, tf.eye(2), tf.constant([3, 4]))
    np.testing.assert_allclose(mixed.numpy()[0].mean(), targets.numpy()[0, 1], atol=1e-6)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(Mistake, match="Known: light, medium, none, strong"):
        augment.build("lihgt", Question, 0, 32)
