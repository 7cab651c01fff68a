import json

import numpy as np
import pandas as pd
import pytest

from clf.config import Mistake
from clf.raw import Raw, check_readable, folders, index, is_below, look_up, split_extension
from tests import layouts
from tests.zoo import writing


@pytest.mark.parametrize(
    ("identifier", "picture"),
    [
        ("a", "test/a.JPG"),
        ("a.jpg", "test/a.JPG"),
        ("a.JPG", "test/a.JPG"),
        ("a.png", "test/a.JPG"),
        (" a ", "test/a.JPG"),
        ("1.2.826.0", "test/1.2.826.0.png"),
        ("1.2.826", ""),
        ("test/a.jpg", "test/a.JPG"),
        ("./test/a.jpg", "test/a.JPG"),
        ("/test/a.jpg", "test/a.JPG"),
        ("est/a.jpg", ""),
        ("b", "test/b.png"),  # the better of two sources
        ("b.tif", "test/b.tif"),
        ("12", "test/0012.jpg"),
        ("012", ""),
        ("0012", "test/0012.jpg"),
        ("c.jpg", "test/c.png"),
        ("12e4", "test/12e4.png"),
        ("120000", ""),
        ("NA", "test/NA.png"),
        ("", ""),
    ],
)
def test_ids_find_their_pictures(identifier, picture):
    names = "b.tif b.png a.JPG 1.2.826.0.png 0012.jpg c.png 12e4.png NA.png".split()
    assert look_up(index(f"test/{name}" for name in names), identifier) == picture


def test_names_and_folders():
    assert split_extension("a.b/1.2.JPEG") == ("a.b/1.2", ".jpeg")
    assert split_extension("1.2.3") == ("1.2.3", "")
    assert folders("a/b/c.png") == ["", "a", "a/b"]
    assert folders("c.png") == [""]
    assert is_below("a/b.png", "a")
    assert not is_below("ab/b.png", "a")
    assert is_below("a.png", "")


# -- sources of rows -----------------------------------------------------------------------------------------------------------------


def test_a_table_is_read_as_text_without_its_pixels(tmp_path):
    header = ["id", "label", *(f"pixel{number}" for number in range(64))]
    (tmp_path / "a.csv").write_text("\n".join([",".join(header), ",".join(["007", "NA", *["0"] * 64])]) + "\n")
    raw = Raw(tmp_path)
    assert raw.pixel_tables == ["a.csv"]
    assert raw.plain_columns("a.csv") == ["id", "label"]
    assert raw.read("a.csv").to_numpy().tolist() == [["007", "NA"]]
    assert raw.rows("a.csv") == 1


def test_damaged_and_empty_tables_do_not_stop_the_others(tmp_path):
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "ragged.csv").write_text('a,b\n1,2\n1,2,3,4\n"1')
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    (tmp_path / "header.csv").write_text("id,label\n")
    raw = Raw(tmp_path)
    assert [len(raw.read(name)) for name in ("empty.csv", "header.csv", "ragged.csv")] == [0, 0, 0]
    assert raw.headers["header.csv"] == ["id", "label"]


def coco(path, annotations, categories=None, **more):
    images = [{"id": number, "file_name": f"images/{number}.png", "width": 8, "place": f"p{number // 2}"} for number in range(4)]
    content = {"info": {"by": "Muséum"}, "images": images, "annotations": annotations, **({"categories": categories} if categories else {}), **more}
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode("latin-1"))


def test_coco_rows_are_annotations_with_the_columns_of_their_image(tmp_path):
    notes = [
        {"id": 90 + place, "image_id": image, "category_id": kind} for place, (image, kind) in enumerate([(0, 7), (1, 8), (1, 7), (1, 7), (3, 9)])
    ]
    coco(tmp_path / "a.json", notes, [{"id": 7, "name": "Ériz"}, {"id": 8, "name": "yew"}])
    table = Raw(tmp_path).read("a.json")
    assert Raw(tmp_path).coco == ["a.json"]
    assert table["id"].tolist() == ["0", "1", "1", "3"]  # 0 … 3 are images; a second note of the same kind says nothing new
    assert table["category_id"].tolist() == ["7", "8", "7", "9"]
    assert table["category_name"].tolist() == ["Ériz", "yew", "Ériz", ""]
    assert table["file_name"].tolist() == ["images/0.png", "images/1.png", "images/1.png", "images/3.png"]
    assert table["place"].tolist() == ["p0", "p0", "p0", "p1"]


def test_coco_ids_may_be_text_on_one_side_only(tmp_path):
    coco(tmp_path / "a.json", [{"image_id": "2", "category_id": "7"}], [{"id": 7, "name": "yew"}])
    assert Raw(tmp_path).read("a.json")[["id", "category_name"]].to_numpy().tolist() == [["2", "yew"]]


def test_coco_without_annotations_is_a_list_of_images(tmp_path):
    coco(tmp_path / "a.json", [])
    assert Raw(tmp_path).read("a.json")["id"].tolist() == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    "content",
    [
        "[1, 2, 3]",
        '["a"]',
        "[]",
        "",
        "   ",
        '{"a": 1}\n{"a": 2}\n',
        '{"a": [1,',
        '[{"a": [1,',
        '{"images": []}',
        '{"images": [{"file_name": "a.png"}]}',
        '{"images": {"a": 1}}',
        '[{"points": [1, 2]}]',
        "nonsense",
    ],
)
def test_other_json_files_are_passed_over(content, tmp_path):
    (tmp_path / "a.json").write_text(content)
    raw = Raw(tmp_path)
    assert (raw.coco, raw.record_files) == ([], [])


def test_records_of_json_and_tfrecords_are_rows(tmp_path):
    band = [0.5] * 64
    records = [{"id": "x1", "band": band, "angle": 3.5, "label": 1}, {"id": "x2", "band": band, "angle": "na", "label": 0}]
    (tmp_path / "a.json").write_text(json.dumps(records))
    layouts.grey(tmp_path, ["one.png"], 32)
    picture = (tmp_path / "one.png").read_bytes()
    writing.write_tfrecord(tmp_path / "t" / "a.tfrec", [dict(image=picture, id="0012", label=number) for number in (5, 300)])
    writing.write_tfrecord(tmp_path / "t" / "b.tfrec", [dict(image=picture, id="1e5")])
    raw = Raw(tmp_path)
    assert raw.record_files == ["a.json"]
    assert raw.read("a.json").to_numpy().tolist() == [["x1", "3.5", "1"], ["x2", "na", "0"]]
    assert raw.record_folders == ["", "t"]
    table = raw.read("t")
    assert table["id"].tolist() == ["0012", "0012", "1e5"]
    assert table["label"].tolist() == ["5", "300", ""]
    assert table["path"].tolist() == ["t/a.tfrec#0", "t/a.tfrec#1", "t/b.tfrec#0"]
    assert raw.rows("t") == 3


def test_records_that_break_off_are_named(tmp_path):
    writing.write_tfrecord(tmp_path / "a.tfrec", [dict(id="1"), dict(id="2")])
    (tmp_path / "a.tfrec").write_bytes((tmp_path / "a.tfrec").read_bytes()[:-3])
    text = json.dumps([{"band": [1] * 64, "id": 1}, {"band": [2] * 64, "id": 2}])
    (tmp_path / "b.json").write_text(text[:-20])
    for name, source in (("a.tfrec", ""), ("b.json", "b.json")):
        with pytest.raises(Mistake, match=f"{name} cannot be read .*again"):
            Raw(tmp_path).read(source)


# -- what lies there -----------------------------------------------------------------------------------------------------------------


def test_pictures_below_a_folder_and_besides_another(tmp_path):
    layouts.grey(tmp_path, ["train/1.png", "train/test/2.png", "training/3.png", "4.JPG"])
    raw = Raw(tmp_path)
    assert sorted(raw.pictures) == ["4.JPG", "train/1.png", "train/test/2.png", "training/3.png"]
    assert raw.below("train") == ["train/1.png", "train/test/2.png"]
    assert raw.below("train", "train/test") == ["train/1.png"]
    assert raw.below("train", "train") == raw.below("train")


def test_what_cannot_be_read_is_named(tmp_path):
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "a.csv")
    (tmp_path / "a.bson").write_bytes(b"1")
    (tmp_path / "b.nii.gz").write_bytes(b"1")
    with pytest.raises(Mistake, match=r"1 \.csv.*not read by this kit: 1 \.bson"):
        check_readable(Raw(tmp_path))
    assert "nii" in Raw(tmp_path).unread()
    layouts.grey(tmp_path, ["a.png"])
    check_readable(Raw(tmp_path))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(Mistake, match=r"no pictures.*no files.*Known: .*\.png"):
        check_readable(Raw(empty))


def test_a_description_among_the_files_says_how_it_is_scored(tmp_path):
    text = "# About\nlog loss everywhere\n## Evaluation\nSubmissions are scored by AUC.\n### File\nid,label\n## Prizes\nRMSE\n"
    (tmp_path / "description.md").write_text(text)
    (tmp_path / "notes.txt").write_text("nothing")
    assert Raw(tmp_path).evaluation() == {"description.md": "Submissions are scored by AUC.\n### File\nid,label"}


def test_arrays_are_pictures(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((8, 8), np.float16))
    assert Raw(tmp_path).pictures == ["a.npy"]
