"""Pictures inside other files: each kind made as a competition ships it, read by row, and damaged."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from clf import containers
from clf.decoders import Unreadable
from tests.test_decoders import encoded


@pytest.fixture(scope="module")
def icebergs() -> list[dict]:
    """40 records as statoil-iceberg-classifier-challenge has them, 75 × 75 px in decibels."""
    generator = np.random.default_rng(0)
    bands = generator.normal(-20, 5, (40, 2, 75 * 75)).round(6)
    return [
        {
            "id": f"{number:08x}",
            "band_1": first.tolist(),
            "band_2": second.tolist(),
            "inc_angle": "na" if number % 3 else 43.9,
            "is_iceberg": number % 2,
        }
        for number, (first, second) in enumerate(bands)
    ]


def found(path, rows) -> dict:
    return dict(containers.read(path, set(rows)))


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a/train.csv#17", ("a/train.csv", 17)),
        ("x.TFREC#0", ("x.TFREC", 0)),
        ("x.json#3", ("x.json", 3)),
        ("x.npy#3", ("x.npy", 3)),
        ("x.npy", None),
        ("a#7.png", None),
        ("a.png#7", None),
    ],
)
def test_names(name, place):
    assert containers.split_name(name) == place


# -- tables of pixels --------------------------------------------------------------------------------------------------------------


def test_tables_that_hold_something_else_than_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "CHUNK_ROWS", 7)
    values = np.random.default_rng(0).integers(0, 256, (40, 64))
    table = pd.DataFrame(values, columns=[f"pixel{number}" for number in range(64)]).astype(object)
    table.iloc[11, 5] = ""
    table.iloc[12, 6] = "x"
    table.to_csv(tmp_path / "train.csv", index=False)
    pictures = found(tmp_path / "train.csv", [0, 11, 12, 39, 40])
    assert (pictures[0] == values[0].reshape(8, 8)).all()
    assert (pictures[39] == values[39].reshape(8, 8)).all()
    assert "1 of 64 pixels are no number" in str(pictures[11])
    assert "1 of 64 pixels are no number" in str(pictures[12])
    assert "no such picture" in str(pictures[40])


def test_fractions_and_one_column_of_words(tmp_path):
    values = np.arange(64)
    pd.DataFrame({"emotion": 0, " pixels": [" ".join(map(str, values)), "1 2 x"]}).to_csv(tmp_path / "all.csv", index=False)
    pictures = found(tmp_path / "all.csv", [0, 1])
    assert (pictures[0] == values.reshape(8, 8)).all()
    assert isinstance(pictures[1], Unreadable)
    pd.DataFrame([values / 63.0], columns=[f"{row}x{column}" for row in range(8) for column in range(8)]).to_csv(tmp_path / "part.csv", index=False)
    assert found(tmp_path / "part.csv", [0])[0].max() == 255


# -- JSON --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1 << 22, 30_000, 7], ids=["whole", "parts of a record", "few characters"])
def test_json_records_become_bands(tmp_path, icebergs, monkeypatch, chunk):
    monkeypatch.setattr(containers, "CHUNK_TEXT", chunk)
    (tmp_path / "train.json").write_text(json.dumps(icebergs))
    pictures = found(tmp_path / "train.json", [39, 0, 17, 40])
    for row in (0, 17, 39):
        expected = np.stack([np.array(icebergs[row][name]).reshape(75, 75) for name in ("band_1", "band_2")], axis=2)
        assert pictures[row].dtype == np.float32
        assert np.abs(pictures[row] - expected).max() < 1e-5
    assert "no such picture" in str(pictures[40])


def test_json_records_for_labels_hold_no_arrays(tmp_path, icebergs):
    (tmp_path / "train.json").write_text("\ufeff" + json.dumps(icebergs, indent=1))
    records = list(containers.json_records(tmp_path / "train.json"))
    assert [record["id"] for record in records] == [record["id"] for record in icebergs]
    assert records[3] == {"id": "00000003", "band_1": ((75, 75),), "band_2": ((75, 75),), "inc_angle": 43.9, "is_iceberg": 1}
    assert containers.number_fields(records[3]) == ["band_1", "band_2"]
    assert containers.number_fields({"box": [1, 2, 3, 4], "name": "x"}) == []


def test_nested_arrays_nulls_and_records_without_pictures(tmp_path):
    picture = np.random.default_rng(0).integers(0, 4000, (9, 12))
    colour = np.random.default_rng(0).integers(0, 256, (9, 12, 3))
    records = [
        {"a": picture.tolist()},
        {"a": picture.tolist(), "b": colour.tolist()},
        {"a": [*picture.ravel().tolist(), 1], "box": [1, 2, 3, 4]},
        {"a": picture.tolist(), "b": picture[:, :10].tolist()},
        {"a": [[1.5, None] * 4] * 8},
        {"a": [["x"] * 8] * 8},
        {"a": [[1] * 8] * 7 + [[1, 2]]},
    ]
    (tmp_path / "x.json").write_text(json.dumps(records))
    pictures = found(tmp_path / "x.json", range(7))
    assert (pictures[0][:, :, 0] == picture).all()
    assert pictures[1].shape == (9, 12, 4)
    assert (pictures[1][:, :, 1:] == colour).all()
    assert np.isnan(pictures[4][:, 1, 0]).all()
    assert "no array of numbers that is a picture, only a, box" in str(pictures[2])
    assert "not of one size" in str(pictures[3])
    assert isinstance(pictures[5], Unreadable)
    assert isinstance(pictures[6], Unreadable)


@pytest.mark.parametrize("text", ["", "{}", "7", "[1, 2]", '{"images": [], "annotations": []}'])
def test_other_json_is_no_list_of_records(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(Unreadable, match="no list of records"):
        list(containers.json_records(tmp_path / "x.json"))


def test_a_cut_json_file_gives_what_is_whole(tmp_path, icebergs):
    text = json.dumps(icebergs)
    (tmp_path / "x.json").write_text(text[: len(text) // 2])
    pictures = found(tmp_path / "x.json", range(40))
    whole = [row for row, picture in pictures.items() if not isinstance(picture, Unreadable)]
    assert whole == list(range(len(whole)))
    assert 18 <= len(whole) <= 20
    assert "ends within a record" in str(pictures[39])


def test_an_endless_record_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "CHUNK_TEXT", 100)
    monkeypatch.setattr(containers, "MOST_TEXT", 1000)
    (tmp_path / "x.json").write_text('[{"a": 1}, {"b": oops' + " " * 100_000 + "}]")
    pictures = found(tmp_path / "x.json", [0, 1])
    assert "damaged: Expecting value" in str(pictures[1])


# -- TFRecord ----------------------------------------------------------------------------------------------------------------------


FLOWERS = r"""
import sys, tensorflow as tf
Feature, Bytes = tf.train.Feature, tf.train.BytesList
def example(number, picture):
    return {
        "class": Feature(int64_list=tf.train.Int64List(value=[number % 5])),
        "id": Feature(bytes_list=Bytes(value=[b"id%d" % number])),
        "image": Feature(bytes_list=Bytes(value=[picture])),
        "mask": Feature(bytes_list=Bytes(value=[picture[:40]])),
        "floats": Feature(float_list=tf.train.FloatList(value=[0.5, -number])),
        "ints": Feature(int64_list=tf.train.Int64List(value=[-1, 300, number])),
        "none": Feature(),
    }
folder, count = sys.argv[1], int(sys.argv[2])
with tf.io.TFRecordWriter(folder + "/00-9x7-30.tfrec") as file:
    for number in range(count):
        picture = open(f"{folder}/{number}.jpg", "rb").read()
        file.write(tf.train.Example(features=tf.train.Features(feature=example(number, picture))).SerializeToString())
    file.write(tf.train.Example(features=tf.train.Features(feature={"id": Feature(bytes_list=Bytes(value=[b"x"]))})).SerializeToString())
"""


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    """30 records as TensorFlow writes them, of a picture each, and one without."""
    folder = tmp_path_factory.mktemp("flowers")
    for number in range(30):
        (folder / f"{number}.jpg").write_bytes(encoded(np.full((9, 7, 3), 8 * number, np.uint8), "JPEG"))
    subprocess.run([sys.executable, "-c", FLOWERS, str(folder), "30"], check=True, capture_output=True)
    return folder / "00-9x7-30.tfrec"


def test_tfrecords_give_every_feature(flowers):
    records = list(containers.examples(flowers))
    assert len(records) == 31
    assert records[17]["class"] == [2]
    assert records[17]["id"] == [b"id17"]
    assert records[17]["floats"] == [0.5, -17]
    assert records[17]["ints"] == [-1, 300, 17]
    assert records[17]["none"] == []
    assert records[17]["image"] == [(flowers.parent / "17.jpg").read_bytes()]


def test_tfrecords_give_pictures_by_row(flowers):
    pictures = found(flowers, [3, 29, 30, 31])
    assert pictures[3] == (flowers.parent / "3.jpg").read_bytes()
    assert pictures[29] == (flowers.parent / "29.jpg").read_bytes()
    assert "no picture file, only id" in str(pictures[30])
    assert "no such picture" in str(pictures[31])


def test_damaged_tfrecords(flowers, tmp_path):
    content = flowers.read_bytes()
    (tmp_path / "cut.tfrec").write_bytes(content[: len(content) // 2])
    pictures = found(tmp_path / "cut.tfrec", range(30))
    assert isinstance(pictures[0], bytes)
    assert "beyond the end" in str(pictures[29])
    (tmp_path / "other.tfrec").write_bytes(content[:12] + b"\xff" * (len(content) - 12))
    assert "no tf.train.Example" in str(found(tmp_path / "other.tfrec", [0])[0])
    with pytest.raises(Unreadable, match=r"no tf\.train\.Example"):
        list(containers.examples(tmp_path / "other.tfrec"))
    (tmp_path / "text.tfrec").write_bytes(b"<html>not found</html>")
    assert "beyond the end" in str(found(tmp_path / "text.tfrec", [0])[0])


# -- stacks of arrays --------------------------------------------------------------------------------------------------------------


def test_stacks(tmp_path):
    stack = np.random.default_rng(0).integers(0, 256, (5, 12, 10, 3), np.uint8)
    np.save(tmp_path / "x.npy", stack)
    pictures = found(tmp_path / "x.npy", [4, 0, 5])
    assert (pictures[4] == stack[4]).all()
    assert (pictures[0] == stack[0]).all()
    assert "no such picture" in str(pictures[5])
    np.save(tmp_path / "flat.npy", stack[0, 0])
    assert "no stack of pictures: an array of 10 × 3" in str(found(tmp_path / "flat.npy", [0])[0])
    (tmp_path / "cut.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:500])
    assert "damaged" in str(found(tmp_path / "cut.npy", [0])[0])
    (tmp_path / "empty.npy").write_bytes(b"")
    assert isinstance(found(tmp_path / "empty.npy", [0])[0], Unreadable)
    assert "cannot be opened" in str(found(tmp_path / "missing.npy", [0])[0])
