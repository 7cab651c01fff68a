import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from imagecodecs import png_encode

from clf import containers, decoders, images, paths
from tests import layouts
from tests.test_decoders import dicom, encoded, npy, tif


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(layouts.photos()[0][:120, :200])


# -- streams -----------------------------------------------------------------------------------------------------------------------


def test_stream_gives_every_position_once(tmp_path):
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


def test_the_content_counts_and_not_the_name(tmp_path, photo):
    contents = (encoded(photo), encoded(photo, "WEBP", lossless=True), tif(photo), npy(photo), dicom(photo, photometric="RGB", bits=8))
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.jpg").write_bytes(content)
    found = dict(images.stream(tmp_path, [f"{number}.jpg" for number in range(len(contents))]))
    for number in range(len(contents)):
        assert (found[number] == photo).all(), number


def test_large_pictures_come_one_at_a_time_and_all_arrive(tmp_path, photo, monkeypatch):
    """Neither a large picture nor much that is held may lose what stands behind it in a batch."""
    monkeypatch.setattr(images, "LARGE_BYTES", 10_000)
    monkeypatch.setattr(images, "PART_BYTES", 500)
    alone = []
    whole = decoders.load

    def watched(content, limits):
        loaded = whole(content, limits)
        if loaded.array.nbytes > 10_000:
            alone.append(limits.memory)
        return loaded

    monkeypatch.setattr(decoders, "load", watched)
    for number in range(30):
        picture = photo if number % 4 == 1 else np.full((9, 9), number, np.uint8)
        (tmp_path / f"{number}.png").write_bytes(b"" if number == 9 else encoded(picture))
    found = dict(images.stream(tmp_path, [f"{number}.png" for number in range(30)]))
    assert sorted(found) == list(range(30))
    for number in range(30):
        if number == 9:
            assert isinstance(found[number], images.Unreadable)
        else:
            assert (found[number] == (photo if number % 4 == 1 else number)).all()
    assert alone == [None] * 7


def test_files_that_are_mapped_decode_as_others(tmp_path, photo, monkeypatch):
    monkeypatch.setattr(images, "MAPPED_BYTES", 1000)
    for name, content in (("a.png", encoded(photo)), ("b.npy", npy(photo)), ("c.tif", tif(photo))):
        (tmp_path / name).write_bytes(content)
    assert all((picture == photo).all() for _, picture in images.stream(tmp_path, ["a.png", "b.npy", "c.tif"]))


def test_what_is_made_of_each_picture_is_the_callers(tmp_path, photo):
    (tmp_path / "a.png").write_bytes(encoded(photo))
    found = dict(images.stream(tmp_path, ["a.png", "b.png"], change=lambda picture: images.fit(picture, 16, "crop")))
    assert found[0].shape == (16, 16, 3)
    assert isinstance(found[1], images.Unreadable)


def test_interpreters_of_their_own_find_what_threads_find(tmp_path, photo, monkeypatch):
    monkeypatch.setattr(images, "PART_PICTURES", 7)
    for number in range(40):
        (tmp_path / f"{number}.png").write_bytes(b"" if number == 9 else encoded(np.roll(photo, number, 0)))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((3, 20, 30), np.float32))
    names = [*(f"{number}.png" for number in range(40)), "x.npy#1", "missing.png"]
    threads = images.inspect(tmp_path, names)
    monkeypatch.setattr(images, "MANY", 1)
    apart = images.inspect(tmp_path, names)
    assert apart.reasons == threads.reasons
    assert sorted(apart.reasons) == [9, 41]
    for name in ("heights", "widths", "formats", "colour", "bands", "thumbnails", "digests"):
        assert (getattr(apart, name) == getattr(threads, name)).all(), name


def test_interpreters_of_their_own_end_with_a_killed_command(tmp_path, photo):
    (tmp_path / "0.png").write_bytes(encoded(photo))
    code = """
import multiprocessing, os, signal, sys, threading, time
from pathlib import Path
from clf import images

def end():
    while len(multiprocessing.active_children()) < (os.cpu_count() or 1):
        time.sleep(0.02)
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    threading.Thread(target=end).start()
    images.inspect(Path(sys.argv[1]), ["0.png"] * 10 * images.MANY)
"""
    (tmp_path / "command.py").write_text(code)
    environment = os.environ | {"PYTHONPATH": str(paths.CHECKOUT)}
    done = subprocess.run([sys.executable, tmp_path / "command.py", tmp_path], capture_output=True, text=True, env=environment)
    children = [Path(f"/proc/{number}/stat") for number in done.stdout.split()]
    assert children, done.stderr

    def living() -> list[Path]:
        return [child for child in children if child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z"]

    end = time.monotonic() + 30
    while living() and time.monotonic() < end:
        time.sleep(0.05)
    assert not living()


# -- containers --------------------------------------------------------------------------------------------------------------------


def test_pixel_tables_are_addressed_by_row(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "CHUNK_ROWS", 7)
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
    assert "no such picture" in str(found[5])
    assert images.inspect(tmp_path, names).formats[0] == "table L"


def test_files_and_containers_in_one_stream(tmp_path, photo):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.png").write_bytes(encoded(photo))
    stack = np.random.default_rng(0).random((6, 3, 20, 30), np.float32)
    np.save(tmp_path / "x.npy", stack)
    bands = np.random.default_rng(0).normal(-20, 5, (4, 64)).round(3)
    (tmp_path / "y.json").write_text(json.dumps([{"id": number, "band": values.tolist()} for number, values in enumerate(bands)]))
    found = dict(images.stream(tmp_path, ["x.npy#5", "y.json#2", "a/b.png", "x.npy#0", "z.json#1", "x.npy#6"], window=("-30 -10", "0 1", "0 1")))
    assert np.abs(found[0][:, :, 1] - stack[5, 1] * 255).max() < 1
    assert np.abs(found[1].ravel() - np.clip((bands[2] + 30) * 12.75, 0, 255)).max() < 1
    assert (found[2] == photo).all()
    assert found[3].shape == (20, 30, 3)
    assert "cannot be opened" in str(found[4])
    assert "no such picture" in str(found[5])


# -- several files as channels -----------------------------------------------------------------------------------------------------


def test_files_joined_are_channels_in_order(tmp_path, photo):
    grey = photo[:, :, 0].copy()
    for name, content in (
        ("r.png", encoded(grey)),
        ("g.png", encoded(255 - grey)),
        ("c.png", encoded(photo)),
        ("s.png", encoded(grey[::2, ::2].copy())),
    ):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "bad.png").write_bytes(b"")
    found = dict(images.stream(tmp_path, ["r.png|g.png|c.png|s.png", "g.png|r.png", "r.png|bad.png", "r.png|missing.png"]))
    assert found[0].shape == (120, 200, 4)
    assert (found[0][:, :, 0] == grey).all()
    assert (found[0][:, :, 1] == 255 - grey).all()
    assert np.abs(found[0][:, :, 2] - photo @ [0.299, 0.587, 0.114]).max() < 1
    assert np.abs(found[0][:, :, 3].astype(int) - grey).mean() < 6
    assert (found[1] == found[0][:, :, 1::-1]).all()
    assert str(found[2]) == "bad.png: empty file (0 bytes)"
    assert "missing.png cannot be opened" in str(found[3])
    look = images.inspect(tmp_path, ["r.png|g.png|c.png|s.png", "r.png|g.png", "g.png|r.png"])
    assert look.bands.tolist() == [4, 2, 2]
    assert look.formats[0] == "4 × PNG L"
    assert len(set(look.digests)) == 3


def test_deep_files_joined_keep_their_depth(tmp_path, photo):
    deep = np.random.default_rng(0).integers(0, 4096, (2, 20, 30)).astype(np.uint16)
    for name, picture in zip("ab", deep, strict=True):
        (tmp_path / f"{name}.png").write_bytes(encoded(picture))
    (tmp_path / "c.png").write_bytes(encoded(photo[:20, :30, 0].copy()))
    found = dict(images.stream(tmp_path, ["a.png|b.png", "a.png|c.png"], window=("0 4095", "0 255")))
    assert np.abs(found[0][:, :, 0] - deep[0] / 4095 * 255).max() < 1
    assert (found[1][:, :, 1] == photo[:20, :30, 0]).all()


# -- windows -----------------------------------------------------------------------------------------------------------------------


def test_no_window_for_8_bits(tmp_path, photo):
    (tmp_path / "a.jpg").write_bytes(encoded(photo, "JPEG"))
    (tmp_path / "b.npy").write_bytes(npy(photo.astype(np.int64)))
    (tmp_path / "c.png").write_bytes(b"")
    assert images.measure_window(tmp_path, ["a.jpg", "b.npy", "c.png"]) == ()
    assert images.measure_window(tmp_path, ["c.png"]) == ()
    assert images.measure_window(tmp_path, []) == ()


def test_a_window_is_measured_over_many_pictures(tmp_path, photo):
    """Each picture is flat: only the set tells its range, and one bright outlier does not set it."""
    for number in range(300):
        picture = np.stack([np.full((40, 40), value, np.float32) for value in (-30 + 0.1 * number, 1000 - number, 7)], axis=2)
        picture[0, 0] = 6e4
        (tmp_path / f"{number}.npy").write_bytes(npy(picture.astype(np.float16) if number % 2 else picture))
    (tmp_path / "eight.png").write_bytes(encoded(photo))
    names = [*(f"{number}.npy" for number in range(300)), "eight.png"]
    window = images.measure_window(tmp_path, names)
    low, high = np.array([entry.split() for entry in window], float).T
    assert low[:2] == pytest.approx([-29.9, 702], abs=2.5)
    assert high[:2] == pytest.approx([-0.3, 998], abs=2.5)
    assert window[2].startswith("7 ")
    found = dict(images.stream(tmp_path, ["0.npy", "299.npy", "eight.png"], window=window))
    assert found[0][20, 20, :2].tolist() == [0, 255]
    assert found[1][20, 20, :2].tolist() == [255, 0]
    assert (found[2] == photo).all()
    assert len(images.measure_window(tmp_path, ["eight.png", *names])) == 3


def test_dark_16_bit_pictures_have_a_window(tmp_path):
    (tmp_path / "a.png").write_bytes(png_encode(np.full((50, 50, 3), 9, np.uint16)))
    (tmp_path / "b.png").write_bytes(png_encode(np.full((50, 50, 3), 209, np.uint16)))
    assert images.measure_window(tmp_path, ["a.png", "b.png"]) == ("9 209",) * 3


# -- at a glance -------------------------------------------------------------------------------------------------------------------


def test_exif_turns_the_size_too(tmp_path, photo):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    (tmp_path / "a.jpg").write_bytes(encoded(photo, "JPEG", exif=exif, quality=95))
    found = images.inspect(tmp_path, ["a.jpg"])
    assert (found.heights[0], found.widths[0]) == (200, 120)


def test_an_inspection_of_all_kinds(tmp_path, photo):
    deep = np.random.default_rng(0).integers(0, 4096, (40, 50, 4)).astype(np.uint16)
    files = {
        "a.png": (encoded(photo), "PNG RGB", True, 3),
        "grey.jpg": (encoded(photo[:, :, :1].repeat(3, axis=2), "JPEG"), "JPEG RGB", False, 3),
        "l.png": (encoded(photo[:, :, 0].copy()), "PNG L", False, 1),
        "four.tif": (tif(deep, photometric="minisblack", planarconfig="contig"), "TIFF 4 × uint16", True, 4),
        "six.npy": (npy((np.random.default_rng(0).random((6, 30, 40)) * 4000).astype(np.float16)), "NPY 6 × float32", True, 6),
        "x.dcm": (dicom(deep[:, :, 0]), "DICOM MONOCHROME2 12 bit", False, 1),
        "bad.png": (b"", "", False, 0),
    }
    for name, (content, *_) in files.items():
        (tmp_path / name).write_bytes(content)
    found = images.inspect(tmp_path, list(files), window=("0 4095",))
    assert found.formats.tolist() == [form for _, form, _, _ in files.values()]
    assert found.colour.tolist() == [colour for *_, colour, _ in files.values()]
    assert found.bands.dtype == np.int8
    assert found.bands.tolist() == [bands for *_, bands in files.values()]
    assert found.thumbnails.shape == (7, 16, 16, 3)
    assert found.heights.tolist() == [120, 120, 120, 40, 30, 40, 0]
    assert list(found.reasons) == [6]
    assert len(found.take(found.readable).bands) == 6


def test_any_number_of_channels_can_be_shown():
    picture = np.random.default_rng(0).integers(0, 256, (5, 6, 8)).astype(np.uint8)
    for channels, shown in ((1, 1), (2, 3), (3, 3), (4, 3), (8, 3)):
        found = images.visible(picture[:, :, :channels])
        assert found.shape == (5, 6, shown)
        assert found.dtype == np.uint8
        assert (found[:, :, : min(channels, 3)] == picture[:, :, : min(channels, 3)]).all()
    assert (images.visible(np.full((2, 2, 2), 200, np.uint8)) == 200).all()


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


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("side", [20, 60])
def test_fit_resizes_each_channel_alike(channels, side):
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, channels)).astype(np.uint8)
    for how in ("squash", "crop", "pad"):
        found = images.fit(picture, side, how)
        assert found.shape == (side, side, channels)
        alone = images.fit(picture[:, :, -1:], side, how)
        assert np.abs(found[:, :, -1:].astype(int) - alone).max() <= 1  # OpenCV rounds two channels otherwise
