"""Batches before they are made: rows of a read-only store, mirrored, and memory that is used again, but never too early."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_sample_image

from clf import batch, data

CHANNELS = [1, 2, 3, 4, 6]


@pytest.fixture(params=CHANNELS)
def store(request, tmp_path):
    """uint8 [20,12,12,C], a memory map that cannot be written."""
    pictures = np.random.default_rng(0).integers(0, 256, (20, 12, 12, request.param), np.uint8)
    np.save(tmp_path / "pictures.npy", pictures)
    return np.load(tmp_path / "pictures.npy", mmap_mode="r")


def test_rows_are_read_as_they_are_or_mirrored(store):
    rows, mirrored, upside_down = np.array([3, 19, 3, 0]), np.array([False, True, False, True]), np.array([False, False, True, True])
    expected = store[rows]
    plain = batch.Rows(store, rows)
    np.testing.assert_array_equal(plain, expected)
    expected[1] = expected[1, :, ::-1]
    expected[2] = expected[2, ::-1]
    expected[3] = expected[3, ::-1, ::-1]
    flipped = plain.flipped(mirrored, upside_down)
    np.testing.assert_array_equal(flipped, expected)
    np.testing.assert_array_equal(flipped.flipped(mirrored, upside_down), plain)


@pytest.mark.parametrize("row", [-1, 20])
def test_a_row_that_the_store_lacks_is_refused(row):
    with pytest.raises(IndexError, match="of a store of 20"):
        batch.Rows(np.zeros((20, 4, 4, 1), np.uint8), np.array([0, row]))


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("code", [1, 0, -1])
def test_a_picture_is_mirrored_in_place(channels, code):
    out = batch.empty((2, 9, 9, channels))
    out[:] = np.random.default_rng(0).integers(0, 256, out.shape, np.uint8)
    axes = {1: (1,), 0: (0,), -1: (0, 1)}[code]
    expected = np.stack([np.flip(out[0], axes), out[1]])
    batch.mirror(out[0], code)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize(("side", "how"), [(4, cv2.INTER_AREA), (9, cv2.INTER_LINEAR)])
def test_resize_writes_into_its_target_by_area_where_it_shrinks_a_lot(channels, side, how):
    source = np.random.default_rng(0).integers(0, 256, (12, 13, channels), np.uint8)
    out = batch.empty((2, side, side, channels))
    batch.resize(source, out[1])
    for channel in range(channels):
        np.testing.assert_array_equal(out[1, ..., channel], cv2.resize(source[..., channel], (side, side), interpolation=how))


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("before", [(103, 160), (128, 128), (160, 131)])
def test_halving_comes_as_close_to_the_mean_of_areas_as_bilinear_sampling_does_not(channels, before):
    photo = cv2.resize(load_sample_image("china.jpg"), before[::-1], interpolation=cv2.INTER_AREA)
    source = np.ascontiguousarray(np.resize(photo.transpose(2, 0, 1), (channels, *before)).transpose(1, 2, 0))
    out = np.empty((64, 64, channels), np.uint8)
    batch.resize(source, out)
    assert batch.by_area(max(before), 64)

    def by(how: int) -> np.ndarray:
        return np.stack([cv2.resize(source[..., channel], (64, 64), interpolation=how) for channel in range(channels)], axis=2)

    assert cv2.PSNR(out, by(cv2.INTER_AREA)) > 45
    assert before == (128, 128) or cv2.PSNR(by(cv2.INTER_LINEAR), by(cv2.INTER_AREA)) < 40


# -- memory ------------------------------------------------------------------------------------------------------------------------


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def shared(tensor: tf.Tensor) -> np.ndarray:
    """Without the copy that `numpy()` makes."""
    return np.asarray(memoryview(tensor))


def test_memory_is_aligned_and_used_again_when_nothing_refers_to_it():
    shape = (3, 17, 5, 1)
    array = batch.empty(shape)
    assert array.shape == shape
    assert address(array) % batch.ALIGNED == 0
    view, place = array[1, 2:], address(array)
    assert address(batch.empty(shape)) != place
    del array
    assert all(address(each) != place for each in [batch.empty(shape) for _ in range(20)])  # the view still refers to it
    del view
    assert address(batch.empty(shape)) == place


def test_batches_that_are_kept_stay_as_they_are():
    """As tensors and as the arrays that share their memory, while others are made."""
    pictures = np.random.default_rng(0).integers(0, 256, (64, 24, 24, 3), np.uint8)
    rows = np.arange(64)
    arrays, tensors = [], []
    for _ in range(3):
        for images, _, numbers in data.passing(pictures, rows, rows, 4, 24):
            arrays.append((shared(images)[1:], numbers.numpy()[1:]))
            tensors.append((images, numbers))
    for images, numbers in arrays + tensors:
        np.testing.assert_array_equal(images, pictures[np.asarray(numbers)])


def test_tensorflow_takes_the_memory_over():
    made = []

    def make(step):
        out = batch.empty((4, 32, 32, 3))
        made.append(address(out))
        return out

    tensors = tf.data.Dataset.range(1).map(lambda step: tf.numpy_function(make, [step], tf.uint8))
    assert [address(shared(tensor)) for tensor in tensors] == made
