"""Forms of files that no layout of the first zoo had, one at a time."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from clf import images, joins, labels, raw, readers, submission, tables
from clf.raw import Raw


def problem(**values) -> SimpleNamespace:
    known = {"submission_file": "sample.csv", "id_column": "id", "columns": ("label",), "layout": "table", "label_file": "train.csv"}
    known |= {"file_id_column": "id", "label_column": "label", "separator": "", "suffixes": (), "train_root": "", "test_root": "test"}
    return SimpleNamespace(**{**known, "renames": (), "group": "", "kind": "multilabel", **values})


@pytest.mark.parametrize(
    ("content", "sign"), [("a,b;c\n1,2\n", ","), ("a;b\n1,5;2\n", ";"), ("a\tb\n1\t2\n", "\t"), ("a\n1;2\n", ","), ("", ","), ("\ufeffa;b\n", ";")]
)
def test_the_header_tells_what_parts_the_cells(content, sign, tmp_path):
    (tmp_path / "x.csv").write_text(content)
    assert tables.delimiter(tmp_path / "x.csv") == sign


def test_a_sample_with_semicolons_is_answered_with_commas(tmp_path):
    (tmp_path / "x.csv").write_text("id;label\na;b,c\n")
    frame = submission.load(tmp_path / "x.csv")
    assert [*frame.iloc[0]] == ["a", "b,c"]
    assert submission.text(frame) == 'id,label\na,"b,c"\n'


@pytest.mark.parametrize(("name", "sign"), [("x.csv", ";"), ("x.tsv", "\t")])
def test_pixels_parted_by_other_signs(name, sign, tmp_path):
    values = np.arange(128).reshape(2, 64)
    pd.DataFrame(values, columns=[f"p{number}" for number in range(64)]).assign(id=[5, 6]).to_csv(tmp_path / name, sep=sign, index=False)
    here = Raw(tmp_path)
    assert (here.pixel_tables, here.plain_columns(name), here.rows(name)) == ([name], ["id"], 2)
    [(_, picture)] = images.stream(tmp_path, [f"{name}#1"])
    assert picture.ravel().tolist() == values[1].tolist()


def test_numbers_find_padded_names_unless_a_name_is_the_number():
    pictures = ["a/000017.jpg", "a/000007.jpg", "b/7.jpg", "a/x012.jpg"]
    places = joins.Places(pictures)
    assert [places.find(name) for name in ("17", "7", "12")] == [["a/000017.jpg"], ["b/7.jpg"], []]
    assert joins.covering(pictures[:2], ["7", "17"]) == (["a"], 1.0)
    assert joins.covering(pictures, ["7"]) == (["b"], 1.0)  # the exact name counts before


@pytest.mark.parametrize("identifier", [r"data\test\1.png", r".\data\test\1.png", "./data/test/1.png", "data/test/1_"])
def test_paths_of_other_makers(identifier):
    assert raw.look_up(raw.index(["data/test/1.png"]), identifier) == "data/test/1.png"


@pytest.mark.parametrize(
    ("found", "said", "spelled"),
    [
        ({"00000", "00014"}, {"0"}, {"00000": "0", "00014": "14"}),
        ({"0.0", "1.0", "3.0"}, {"1"}, {"0.0": "0", "1.0": "1", "3.0": "3"}),
        ({"0", "7"}, {"000"}, {"0": "000", "7": "007"}),
        ({"0", "7"}, {"0"}, {}),  # a label as it is
        ({"0.5", "1.0"}, {"1"}, {}),  # amounts
        ({"01", "1"}, {"0"}, {}),  # would not stay different
        ({"cat", "dog"}, {"0"}, {}),
        ({"01", "02"}, {"0"}, {}),  # none of them is the number
    ],
)
def test_numbers_are_spelled_as_the_sample_does(found, said, spelled):
    assert labels._respelled(found, said) == spelled


@pytest.mark.parametrize(
    ("names", "said", "place"),
    [
        (["Danaus/D. plexippus/1.jpg", "Papilio/P. machaon/2.jpg"], {"P. machaon"}, -1),
        (["cat/a/1.jpg", "dog/b/2.jpg"], {"cat"}, 0),
        (["train/cat/1.jpg", "train/dog/1.jpg", "val/cat/1.jpg", "val/dog/1.jpg"], {"cat"}, 0),  # splits, not patients
        ([f"{patient}/{kind}/1.png" for patient in range(8863, 8869) for kind in (0, 1)], {"0"}, -1),
        (["cat/1.jpg", "dog/2.jpg"], {"0.5"}, 0),
        (["cat/1.jpg", "dog/sub/2.jpg"], {"sub"}, 0),
    ],
)
def test_which_folder_is_the_class(names, said, place):
    assert readers.place_of_class(names, said) == place


def columns(tmp_path, cells: str, **values) -> np.ndarray:
    (tmp_path / "train.csv").write_text("id,a,b\n" + cells)
    (tmp_path / "sample.csv").write_text("id,a,b\n9,0.5,0.5\n")
    return readers.column_values(Raw(tmp_path), problem(layout="columns", columns=("a", "b"), **values))[2]


def test_signs_are_ones_and_zeros(tmp_path):
    assert columns(tmp_path, "1,1,-1\n2,-1,-1\n").tolist() == [[1, 0], [0, 0]]


def test_blanks_are_zeros_only_where_most_rows_have_some(tmp_path):
    assert columns(tmp_path, "1,1,\n2,,0\n3,1,1\n").tolist() == [[1, 0], [0, 0], [1, 1]]
    assert np.isnan(columns(tmp_path, "1,1,\n2,1,0\n3,1,1\n")).sum() == 1
    assert np.isnan(columns(tmp_path, "1,1.5,\n2,,0\n3,1,1\n")).sum() == 2  # amounts


def test_a_label_without_a_column_that_stands_alone_is_the_empty_set():
    asked = problem(columns=("rust", "scab"), separator="|")
    assert readers._cells(asked, ["rust|scab", "healthy", "rust", ""]) == ["rust|scab", "", "rust", None]
    assert readers._cells(asked, ["rust|other", "scab"]) == ["rust|other", "scab"]
    assert readers._cells(problem(separator="|"), ["rust|scab", "healthy"]) == ["rust|scab", "healthy"]


@pytest.mark.parametrize("listed", [False, True])
def test_pictures_listed_in_json_by_image_id(listed, tmp_path):
    images = [{"image_id": "00__1", "file_name": "a/1.jpg"}, {"image_id": "00__2", "file_name": "a/2.jpg"}]
    notes = [{"image_id": "00__1", "category_id": 3}, {"image_id": "00__2", "category_id": 4}]
    (tmp_path / "x.json").write_text(json.dumps(images if listed else {"images": images, "annotations": notes}))
    table = Raw(tmp_path).read(Raw(tmp_path).coco[0])
    assert [*table["id"]] == ["00__1", "00__2"]
    assert listed or [*table["category_id"]] == ["3", "4"]


def test_targets_behind_ids_are_a_column_s_values_but_not_a_test_table_s(tmp_path):
    (tmp_path / "sample.csv").write_text("id,label\n" + "".join(f"T{row}__{name},0\n" for row in range(4) for name in ("dry_g", "all_g")))
    rows = [(f"A{row}__{name}", name, row) for row in range(4) for name in ("dry_g", "all_g")]
    frame = pd.DataFrame(rows, columns=["id", "target_name", "label"])
    frame.to_csv(tmp_path / "train.csv", index=False)
    assert readers.targets_of(Raw(tmp_path), problem(layout="long")) == ["dry_g", "all_g"]
    frame.assign(id=frame["id"].str.replace("A", "T")).to_csv(tmp_path / "train.csv", index=False)  # it describes the test: sides of a breast
    assert readers.targets_of(Raw(tmp_path), problem(layout="long")) == []


def test_pictures_through_a_table_between(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(4):
        (tmp_path / f"photos/{number}.jpg").write_bytes(b"x")
    (tmp_path / "sample.csv").write_text("id,label\nq,1\n")
    (tmp_path / "train.csv").write_text("id,label\np,cat\nr,dog\n")
    (tmp_path / "pairs.csv").write_text("photo,id\n0,p\n1,p\n2,r\n")
    found = readers.read_table(Raw(tmp_path), problem())
    assert found[["id", "label", "path"]].values.tolist() == [
        ["photos/0.jpg", "cat", "photos/0.jpg"],
        ["photos/1.jpg", "cat", "photos/1.jpg"],
        ["r", "dog", "photos/2.jpg"],
    ]


def test_a_folder_is_left_out_only_where_it_lies_inside(tmp_path):
    for name in ("all/1.jpg", "all/test/2.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    here = Raw(tmp_path)
    assert here.below("all", "all/test") == ["all/1.jpg"]
    assert here.below("all/test", "all") == ["all/test/2.jpg"]
    assert here.below("all", "all") == ["all/1.jpg", "all/test/2.jpg"]


def test_ids_that_count_the_rows_of_a_table():
    table = pd.DataFrame({"image": ["b.jpg", "a.jpg"]})
    for ids in (["0", "1"], ["2", "1"]):
        found, key = readers.keyed(table, ids)
        assert dict(zip(found[key], found["image"], strict=True)) == dict(zip(sorted(ids), ["b.jpg", "a.jpg"], strict=True))
    assert readers.keyed(table, ["1", "3"])[1] is None
    assert readers.keyed(table.assign(id=["1", "0"]), ["0", "1"])[1] == "id"
