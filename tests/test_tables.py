from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from clf import tables
from clf.config import Mistake


def test_read_leaves_every_cell_as_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfid,label\n0012,NA\n1e10,\nnull,caf\xc3\xa9\n")
    frame = tables.read(tmp_path / "a.csv")
    assert list(frame) == tables.header(tmp_path / "a.csv") == ["id", "label"]
    assert frame.to_numpy().tolist() == [["0012", "NA"], ["1e10", ""], ["null", "café"]]
    tables.write(tmp_path / "b.csv", frame)
    assert tables.read(tmp_path / "b.csv").equals(frame)
    (tmp_path / "c.csv").write_bytes("id,étiquette\n1,café\n".encode("latin-1"))
    assert tables.read(tmp_path / "c.csv")["étiquette"][0] == "café"
    assert tables.header(tmp_path / "c.csv") == ["id", "étiquette"]


def test_a_header_keeps_its_blanks_and_an_empty_file_has_none(tmp_path):
    (tmp_path / "a.csv").write_text('Id, Label,"a,b"\n1,x,2\n')
    assert tables.header(tmp_path / "a.csv") == ["Id", " Label", "a,b"]
    (tmp_path / "b.csv").write_bytes(b"")
    assert tables.header(tmp_path / "b.csv") == []
    assert len(tables.read(tmp_path / "b.csv")) == 0


@pytest.mark.filterwarnings("ignore:Length of header")
def test_a_row_that_ends_with_a_comma_does_not_move_the_columns(tmp_path):
    (tmp_path / "a.csv").write_text("id,label\nx,cat,\ny,dog,\n")
    assert tables.read(tmp_path / "a.csv").to_numpy().tolist() == [["x", "cat"], ["y", "dog"]]


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_what_parts_the_cells_is_told_by_the_header(sign, tmp_path):
    (tmp_path / "a.csv").write_text(f'id{sign}label\n1{sign}"a, b; c"\n2{sign}\n')
    assert tables.header(tmp_path / "a.csv") == ["id", "label"]
    assert tables.read(tmp_path / "a.csv").to_numpy().tolist() == [["1", "a, b; c"], ["2", ""]]


def test_some_columns(tmp_path):
    (tmp_path / "a.csv").write_text("id,a,b\n1,2,3\n")
    assert tables.read(tmp_path / "a.csv", ["b", "id"]).to_dict("records") == [{"id": "1", "b": "3"}]


def test_some_rows_in_their_order_over_all_chunks(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("id,label\n" + "".join(f"0{number},{number % 3}\n" for number in range(50)))
    monkeypatch.setattr(tables, "CHUNK_ROWS", 7)
    chosen = np.array([48, 0, 6, 7, 7, 21])
    expected = tables.read(path).iloc[chosen].reset_index(drop=True)
    pd.testing.assert_frame_equal(tables.read(path, rows=chosen), expected)
    pd.testing.assert_frame_equal(tables.read(path, ["label"], chosen), expected[["label"]])


def test_cells_are_parted_at_blanks_or_at_a_sign():
    assert tables.parted(" ", " a  b\tc ") == ["a", "b", "c"]
    assert tables.parted("|", "red fox | elk||") == ["red fox", "elk"]
    assert tables.parted(",", "") == tables.parted(" ", " ") == []


def test_rows_of_the_store_and_the_files_sizes_follow_the_tables(tmp_path):
    train = pd.DataFrame({"id": ["a", "b"], "path": ["a.jpg", "b.jpg"]})
    test = pd.DataFrame({"id": ["x", "y", "z"], "path": ["x.jpg", "", "z.jpg"]})
    seen = SimpleNamespace(widths=np.array([4, 5, 6, 7]), heights=np.array([1, 2, 3, 4]), formats=np.array(["JPEG RGB"] * 3 + ["PNG L"], object))
    tables.write(tmp_path / "pictures.csv", tables.pictures(train, test, np.array([True, False, True]), seen))
    frame = tables.read(tmp_path / "pictures.csv")
    assert list(frame) == ["part", "id", "path", "row", "width", "height", "format"]
    assert frame[["width", "height", "format"]].iloc[2:].to_numpy().tolist() == [["6", "3", "JPEG RGB"], ["", "", ""], ["7", "4", "PNG L"]]
    assert tables.store_rows(frame, "test", 3).tolist() == [2, -1, 3]
    with pytest.raises(Mistake, match="make explore"):
        tables.store_rows(frame, "test", 4)
    assert list(frame["part"]) == ["train"] * 2 + ["test"] * 3
    assert list(frame["row"]) == ["0", "1", "2", "", "3"]
