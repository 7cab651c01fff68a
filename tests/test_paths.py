"""Atomic writes, and what a result was made from."""

import pytest

from clf import paths


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    paths.write_json(path, {"whole": True})
    monkeypatch.setattr(paths.os, "replace", lambda *names: (_ for _ in ()).throw(OSError("cut")))
    with pytest.raises(OSError, match="cut"):
        paths.write_json(path, {"whole": False})
    assert paths.read_json(path) == {"whole": True}
    assert [entry.name for entry in tmp_path.iterdir() if entry.name not in ("home", "work")] == ["a.json"]


def test_a_cut_record_counts_as_none(tmp_path):
    path = tmp_path / "record.json"
    path.write_text('{"made_from": {')
    assert paths.changed(path, {"side": 1}) == "not made yet"


def test_the_reason_names_words_with_both_values_and_files_without(tmp_path):
    path = tmp_path / "record.json"
    made_from = {"side": 32, "train.csv": paths.hash_text("a"), "kept": 1}
    paths.write_json(path, {"made_from": made_from})
    assert paths.changed(path, made_from) is None
    changed = {"side": 64, "train.csv": paths.hash_text("b"), "kept": 1}
    assert paths.changed(path, changed) == "side was 32, is 64, train.csv changed"


def test_code_follows_imports_and_leaves_out_layer_0():
    found = paths.code("store")
    assert {"clf/store.py", "clf/images.py"} <= found.keys()
    assert not {"clf/paths.py", "clf/config.py", "clf/train.py"} & found.keys()


def test_a_tree_hash_sees_added_and_changed_files_and_no_litter(tmp_path):
    folder = tmp_path / "raw"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "a.jpg").write_bytes(b"1")
    first = paths.hash_tree(folder)
    (folder / "train" / ".DS_Store").write_bytes(b"")
    assert paths.hash_tree(folder) == first
    (folder / "train" / "b.jpg").write_bytes(b"1")
    assert paths.hash_tree(folder) != first
