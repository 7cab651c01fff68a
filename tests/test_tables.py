from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from clf import images, problem, readers, survey, tables
from tests import layouts

WHERE = {
    "pixels": {
        "label_file": "train.csv",
        "label_column": "label",
        "file_id_column": "",
        "train_root": "train.csv",
        "test_root": "test.csv",
    },
    "table": {"label_file": "labels.csv", "label_column": "breed", "file_id_column": "id", "train_root": "train", "test_root": "test"},
    "onehot": {"label_file": "train.csv", "label_column": "", "file_id_column": "image_id", "train_root": "images", "test_root": "images"},
    "folders": {"label_file": "", "label_column": "", "file_id_column": "", "train_root": "train", "test_root": "test"},
    "filename": {"label_file": "", "label_column": "", "file_id_column": "", "train_root": "train", "test_root": "test"},
}


def where(layout: str, raw: readers.Raw) -> SimpleNamespace:
    header = raw.headers["sample_submission.csv"]
    return SimpleNamespace(layout=layout, submission_file="sample_submission.csv", id_column=header[0], columns=tuple(header[1:]), **WHERE[layout])


@pytest.mark.parametrize("layout", readers.READERS)
def test_every_reader_finds_every_row(layout, tmp_path):
    answers = layouts.build(layout, tmp_path, pictures=30, side=32)
    raw = readers.Raw(tmp_path)
    train = readers.READERS[layout](raw, where(layout, raw))
    assert list(train) == ["id", "label", "path"]
    assert len(train) == 30
    assert train["id"].is_unique
    assert all(isinstance(value, str) for value in train.to_numpy().ravel())
    assert (train["label"].value_counts() == 30 // train["label"].nunique()).all()
    test = readers.test(raw, where(layout, raw))
    assert list(test["id"]) == list(answers.iloc[:, 0].astype(str))
    assert (test["path"] != "").all()
    found = dict(images.stream(tmp_path, [*train["path"], *test["path"]]))
    assert all(isinstance(picture, np.ndarray) for picture in found.values())


def test_each_reader_s_layout_can_be_written_in_problem_toml():
    assert tuple(readers.READERS) == problem.LAYOUTS


def test_read_leaves_every_cell_as_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfid,label\n0012,NA\n1e10,\nnull,caf\xc3\xa9\n")
    frame = tables.read(tmp_path / "a.csv")
    assert list(frame) == ["id", "label"]
    assert frame.to_numpy().tolist() == [["0012", "NA"], ["1e10", ""], ["null", "café"]]
    tables.write(tmp_path / "b.csv", frame)
    assert tables.read(tmp_path / "b.csv").equals(frame)
    (tmp_path / "c.csv").write_bytes("id,label\n1,café\n".encode("latin-1"))
    assert tables.read(tmp_path / "c.csv")["label"][0] == "café"


@pytest.mark.parametrize(
    ("identifier", "picture"),
    [
        ("a", "test/a.JPG"),
        ("a.jpg", "test/a.JPG"),
        ("1.2.826.0", "test/1.2.826.0.png"),
        ("1.2.826", ""),
        ("test/a.jpg", "test/a.JPG"),
        ("b", "test/b.png"),  # the better of two sources
        ("b.tif", "test/b.tif"),
        ("12", ""),
        ("0012", "test/0012.jpg"),
        ("c.jpg", "test/c.png"),
    ],
)
def test_ids_find_their_pictures(identifier, picture):
    known = readers.index(["test/b.tif", "test/b.png", "test/a.JPG", "test/1.2.826.0.png", "test/0012.jpg", "test/c.png"])
    assert readers.look_up(known, identifier) == picture


def test_names_are_matched_loosely_only_where_that_is_clear():
    assert readers.matched(["Red Oak", "elm"], ["red_oak", "elm"]) == {"Red Oak": "red_oak", "elm": "elm"}
    assert readers.matched(["A", "a"], ["a", "A"]) == {"A": "A", "a": "a"}
    assert readers.matched(["x-y"], ["x_y", "XY"]) == {}


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["cat.{}.jpg", "dog.{}.jpg"], ["cat", "dog"]),
        (["great_pyrenees_{}.jpg", "Abyssinian_{}.jpg"], ["great_pyrenees", "Abyssinian"]),
        (["n01440764_{}.JPEG", "n02102040_{}.JPEG"], ["n01440764", "n02102040"]),
        (["{}_cat.png", "{}_dog.png"], ["cat", "dog"]),
        (["3_{}.png", "7_{}.png"], ["3", "7"]),
    ],
)
def test_labels_in_file_names(names, labels):
    files = [name.format(f"{number:04d}") for number in range(12) for name in names]
    assert readers.filename_labels(files) == labels * 12


def test_hashes_as_names_hold_no_labels():
    generator = np.random.default_rng(0)
    assert readers.filename_labels([f"{generator.bytes(16).hex()}.jpg" for _ in range(200)]) is None
    assert readers.filename_labels([f"{number}.jpg" for number in range(200)]) is None


def test_refused_rows_say_why():
    rows = [("1", "a", "1.jpg"), ("2", "", "2.jpg"), ("3", "b", ""), ("4", "a", "4.jpg"), ("4", "b", "4.jpg"), ("1", "a", "1.jpg")]
    train, aside = survey.reject(pd.DataFrame(rows, columns=["id", "label", "path"]))
    assert list(train["id"]) == ["1"]
    assert list(aside["reason"]) == ["no label", "no such picture"] + ["the id occurs with several labels"] * 2 + [
        "the id occurs before, with the same label"
    ]


def test_rows_of_the_store_follow_the_tables():
    train = pd.DataFrame({"id": ["a", "b"], "path": ["a.jpg", "b.jpg"]})
    test = pd.DataFrame({"id": ["x", "y", "z"], "path": ["x.jpg", "", "z.jpg"]})
    frame = tables.pictures(train, test, np.array([True, False, True]))
    assert list(frame) == ["part", "id", "path", "view", "row"]
    assert list(frame["row"]) == ["0", "1", "2", "", "3"]


def test_a_cluster_above_one_percent_is_reported_and_not_used():
    numbers = np.array([0] * 30 + [1, 1] + [-1] * 968)
    used, notes = survey._used_clusters(numbers, 1000)
    assert (used[:30] == -1).all()
    assert list(used[30:32]) == [1, 1]
    assert "30" in notes[0]


def test_pixel_rows_by_the_sample_s_base_or_by_a_column(tmp_path):
    header = ",".join(f"pixel{number}" for number in range(64))
    row = ",".join(["7"] * 64)
    (tmp_path / "test.csv").write_text("\n".join([header, row, row]) + "\n")
    (tmp_path / "named.csv").write_text("\n".join([f"key,{header}", f"b,{row}", f"a,{row}"]) + "\n")
    raw = readers.Raw(tmp_path)
    assert readers.pixel_test_rows(raw, "test.csv", ["1", "2"]) == ["test.csv#0", "test.csv#1"]
    assert readers.pixel_test_rows(raw, "test.csv", ["0", "1", "2"]) == ["test.csv#0", "test.csv#1", ""]
    assert readers.pixel_test_rows(raw, "named.csv", ["a", "b"]) == ["named.csv#1", "named.csv#0"]
