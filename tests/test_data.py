"""Batches: the picture, the target and the row number that come together belong together, whatever the order."""

import numpy as np
import pytest

from clf import data

SIDE = 8


@pytest.fixture
def numbered():
    """300 pictures; row r lies in store row 299 - r and every pixel says r (low byte, high byte); the target is r % 3."""
    pictures = np.zeros((300, SIDE, SIDE, 3), np.uint8)
    for row in range(300):
        pictures[299 - row, ..., 0], pictures[299 - row, ..., 1] = row % 256, row // 256
    return pictures, np.arange(299, -1, -1), np.eye(3, dtype=np.float32)[np.arange(300) % 3]


def rows_seen(images):
    return images[:, 0, 0, 0].astype(int) + 256 * images[:, 0, 0, 1].astype(int)


def plain(images, rows, epoch):
    return images


def stream(numbered, rows, start=0, steps=40, seed=0, augment=plain):
    pictures, store_rows, targets = numbered
    return data.training(pictures, store_rows, rows, targets.__getitem__, 16, SIDE, augment, seed, start, steps)


def test_pictures_targets_and_rows_belong_together(numbered):
    rows = np.arange(0, 300, 2)
    for images, targets, numbers in stream(numbered, rows):
        np.testing.assert_array_equal(rows_seen(images.numpy()), numbers.numpy())
        np.testing.assert_array_equal(targets.numpy().argmax(1), numbers.numpy() % 3)
        assert set(numbers.numpy()) <= set(rows)
        assert images.dtype == "uint8"
        assert images.shape == (16, SIDE, SIDE, 3)


def test_an_epoch_holds_each_row_at_most_once_in_a_new_order(numbered):
    rows = np.arange(64)
    numbers = [batch[2].numpy() for batch in stream(numbered, rows, steps=8)]
    first, second = np.concatenate(numbers[:4]), np.concatenate(numbers[4:])
    assert sorted(first) == sorted(second) == list(rows)
    assert (first != second).any()


def test_a_stream_that_starts_later_goes_on_as_the_whole_one(numbered):
    def noisy(images, rows, epoch):
        return np.asarray(images) + np.uint8(epoch)

    rows = np.arange(100)
    whole = [batch for batch in stream(numbered, rows, augment=noisy)]
    later = [batch for batch in stream(numbered, rows, start=23, augment=noisy)]
    assert len(later) == 17
    for one, other in zip(whole[23:], later, strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)


def test_another_seed_is_another_order(numbered):
    rows = np.arange(300)
    one, other = (next(iter(stream(numbered, rows, seed=seed)))[2].numpy() for seed in (0, 1))
    assert (one != other).any()


def test_a_pass_holds_every_row_once_and_pads_with_minus_one(numbered):
    pictures, store_rows, _ = numbered
    rows = np.array([5, 290, 17, 3, 200, 100, 44])
    batches = list(data.passing(pictures, store_rows, rows, 4, SIDE))
    numbers = np.concatenate([batch[2].numpy() for batch in batches])
    assert numbers.tolist() == [*rows.tolist(), -1]
    images = np.concatenate([batch[0].numpy() for batch in batches])
    np.testing.assert_array_equal(rows_seen(images)[:7], rows)


def test_training_pictures_are_brought_to_the_side_that_the_network_sees(numbered):
    pictures, store_rows, targets = numbered
    stream = data.training(pictures, store_rows, np.arange(32), targets.__getitem__, 16, 4, plain, 0, 0, 2)
    images, _, rows = next(iter(stream))
    assert images.shape == (16, 4, 4, 3)
    np.testing.assert_array_equal(rows_seen(images.numpy()), rows.numpy())


def test_resize_averages_areas():
    images = np.zeros((2, 4, 4, 1), np.uint8)
    images[1, ::2] = 100
    assert data.resize(images, 2).tolist() == [[[[0], [0]], [[0], [0]]], [[[50], [50]], [[50], [50]]]]


def test_resize_averages_any_number_of_channels():
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 12, 7), np.uint8)
    each = np.concatenate([data.resize(images[..., channel : channel + 1], 4) for channel in range(7)], axis=3)
    np.testing.assert_array_equal(data.resize(images, 4), each)


def test_balanced_epochs_give_every_class_its_share_and_use_every_row_before_any_again():
    codes = np.array([0] * 40 + [1] * 8 + [2] * 3)
    drawn = data.balanced_order(0, 5, codes)
    assert len(drawn) == len(codes)
    repeats, rows = np.divmod(drawn, len(codes))
    counts = np.bincount(codes[rows])
    assert counts.tolist() == [17, 17, 17]
    for code in range(3):
        times = np.bincount(rows[codes[rows] == code], minlength=len(codes))[codes == code]
        assert times.max() - times.min() <= 1
    assert len(set(drawn.tolist())) == len(drawn)
    assert repeats.max() == 5
    np.testing.assert_array_equal(drawn, data.balanced_order(0, 5, codes))
    assert (drawn != data.balanced_order(0, 6, codes)).any()


def test_a_row_that_comes_again_in_a_balanced_epoch_is_augmented_anew(numbered):
    pictures, store_rows, targets = numbered
    rows, seen = np.arange(0, 64), []
    codes = np.array([0] * 62 + [1] * 2)

    def noting(images, numbers, epoch):
        seen.extend(numbers.tolist())
        return images

    stream = data.training(pictures, store_rows, rows, targets.__getitem__, 16, SIDE, noting, 0, 0, 4, codes)
    batches = [(images.numpy(), numbers.numpy()) for images, _, numbers in stream]
    numbers = np.concatenate([numbers for _, numbers in batches])
    np.testing.assert_array_equal(np.concatenate([rows_seen(images) for images, _ in batches]), numbers)
    assert (numbers >= 62).sum() == 32
    assert sorted(seen) == sorted(set(seen))
