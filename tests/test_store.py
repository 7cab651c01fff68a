"""The store: row i is picture i, a killed packing continues, and nothing starts that the disk cannot hold."""

import cv2
import numpy as np
import pytest

from clf import images, paths, store
from clf.config import Mistake


@pytest.fixture
def raw(tmp_path):
    """Twelve numbered pictures: picture i is one flat colour of value 10 i, so that a row tells which picture it holds."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(12):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((20 + number, 30, 3), 10 * number, np.uint8))
    return folder


NAMES = [f"{number}.png" for number in (7, 3, 11, 0, 5, 1, 9, 2, 4, 10, 6, 8)]


@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_row_i_is_picture_i(raw, scratch, fit):
    packed = paths.Place("x").packed(16)
    store.pack(packed, raw, NAMES, 16, fit, 3, {"side": 16})
    pictures = store.load(packed)
    assert pictures.shape == (12, 16, 16, 3)
    assert pictures.dtype == np.uint8
    assert [int(picture.mean()) // 10 for picture in pictures] == [int(name.split(".")[0]) for name in NAMES]


def test_a_second_packing_does_nothing_and_another_side_says_why(raw, scratch):
    packed = paths.Place("x").packed(16)
    assert "packed 12 pictures" in store.pack(packed, raw, NAMES, 16, "squash", 1, {"fit": "squash"})
    assert "nothing to do" in store.pack(packed, raw, NAMES, 16, "squash", 1, {"fit": "squash"})
    assert "fit was squash, is crop" in store.pack(packed, raw, NAMES, 16, "crop", 1, {"fit": "crop"})


def test_a_cut_packing_continues_with_what_is_missing(raw, scratch, monkeypatch):
    packed = paths.Place("x").packed(16)
    whole = images.stream

    def cut(*arguments):
        for number, each in enumerate(whole(*arguments)):
            if number == 5:
                raise KeyboardInterrupt
            yield each

    monkeypatch.setattr(images, "stream", cut)
    with pytest.raises(KeyboardInterrupt):
        store.pack(packed, raw, NAMES, 16, "squash", 3, {"side": 16})
    with pytest.raises(Mistake, match="make prepare"):
        store.load(packed)
    monkeypatch.setattr(images, "stream", whole)
    assert "packed 7 pictures" in store.pack(packed, raw, NAMES, 16, "squash", 3, {"side": 16})
    assert [int(picture.mean()) // 10 for picture in store.load(packed)] == [int(name.split(".")[0]) for name in NAMES]


def test_it_refuses_to_start_when_the_disk_is_too_small(raw, scratch, monkeypatch):
    packed = paths.Place("x").packed(16)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda folder: type("usage", (), {"free": 5000})())
    with pytest.raises(Mistake, match=r"GiB are free.*side="):
        store.pack(packed, raw, NAMES, 16, "squash", 3, {"side": 16})
    assert not packed.pictures.exists()


def test_a_picture_that_went_bad_after_02_stops_with_its_name(raw, scratch):
    (raw / "5.png").write_bytes(b"no picture")
    with pytest.raises(Mistake, match=r"5\.png could be read by 02"):
        store.pack(paths.Place("x").packed(16), raw, NAMES, 16, "squash", 3, {"side": 16})


def test_grey_and_colour():
    colour = np.zeros((4, 4, 3), np.uint8)
    colour[..., 1] = 255
    assert store.as_channels(colour, 1).shape == (4, 4, 1)
    assert store.as_channels(colour, 1)[0, 0, 0] == 150  # 0.587 · 255
    assert (store.as_channels(colour[:, :, 1:2], 3) == 255).all()


@pytest.mark.parametrize(
    ("found", "channels", "expected"),
    [
        (1, 4, [0, 0, 0, 0]),
        (2, 2, [0, 10]),
        (2, 1, [5]),
        (4, 1, [15]),
        (2, 3, [0, 10, 10]),
        (3, 5, [0, 10, 20, 20, 20]),
        (4, 3, [0, 10, 20]),
        (8, 8, [0, 10, 20, 30, 40, 50, 60, 70]),
    ],
)
def test_any_number_of_channels_becomes_any_other(found, channels, expected):
    picture = np.broadcast_to(np.arange(found, dtype=np.uint8) * 10, (4, 4, found))
    made = store.as_channels(picture, channels)
    assert made.dtype == np.uint8
    assert made.shape == (4, 4, channels)
    assert made[2, 2].tolist() == expected


def test_deep_pictures_are_packed_through_the_window(tmp_path, scratch):
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(3):
        np.save(folder / f"{number}.npy", np.stack([np.full((20, 30), -10.0 * number), np.full((20, 30), 500.0 * number)]).astype(np.float16))
    packed = paths.Place("x").packed(16)
    store.pack(packed, folder, ["2.npy", "0.npy", "1.npy"], 16, "squash", 2, {"side": 16}, ("-20 0", "0 1000"))
    assert store.load(packed)[:, 8, 8].tolist() == [[0, 255], [255, 0], [128, 128]]
