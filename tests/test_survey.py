import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from clf import config, survey, tables
from tests import layouts


def gathered(raw, **yours) -> survey.Gathered:
    draft = layouts.inferred(raw, **yours)
    return survey.gather(draft.raw, draft.known)


def test_every_row_that_cannot_be_used_is_set_aside_with_its_reason(tmp_path):
    raw = layouts.small(tmp_path / "raw", {"label": ["cat", "dog", "emu"] * 8}, {"label": "cat"}, test=6)
    table = tables.read(raw / "train.csv")
    table.loc[0, "label"] = ""
    (raw / "train" / "train1.png").unlink()
    (raw / "train" / "train2.png").write_bytes((raw / "train" / "train2.png").read_bytes()[:60])
    (raw / "train" / "train3.png").write_bytes(b"")
    more = pd.DataFrame([("train4", "dog"), ("train5", "dog"), ("train6", "cat"), ("gone", "cat")], columns=["image", "label"])
    tables.write(raw / "train.csv", pd.concat([table, more]))  # 4 is dog already, 5 is emu, 6 is cat
    (raw / "test" / "test0.png").unlink()
    (raw / "test" / "test1.png").write_text("<html>")
    found = gathered(raw)
    aside = found.quarantine.set_index("id")
    wanted = {
        ("train", "train0"): "no label",
        ("train", "train1"): "no such picture",
        ("train", "train2"): "truncated",
        ("train", "train3"): "0 bytes",
        ("train", "train4"): "same label",
        ("train", "train5"): "several labels",
        ("train", "train6"): "same label",
        ("train", "gone"): "no such picture",
        ("test", "test0"): "no such picture",
        ("test", "test1"): "html",
    }
    assert len(aside) == len(wanted) + 1  # both rows of a contradiction
    for (part, name), reason in wanted.items():
        assert all(aside.loc[[name], "part"] == part)
        assert all(reason in text for text in aside.loc[[name], "reason"]), name
    assert set(found.train["id"]) == {f"train{number}" for number in range(24)} - {f"train{number}" for number in (0, 1, 2, 3, 5)}
    assert found.train["id"].is_unique
    assert list(found.test["id"]) == [f"test{number}" for number in range(6)]
    assert found.test_readable.tolist() == [False, False, True, True, True, True]
    assert len(found.look.widths) == len(found.train)
    assert len(found.inspection.widths) == len(found.train) + 4
    assert list(found.train_table) == ["id", "label", "cluster"]
    assert list(found.test_table) == ["id"]


def test_the_first_row_that_can_be_used_counts():
    rows = [("1", None, "1.jpg"), ("1", "a", "1.jpg"), ("1", "a", "1.jpg"), ("2", "b", ""), ("2", "b", "2.jpg")]
    train, aside = survey.reject(pd.DataFrame(rows, columns=["id", "label", "path"]))
    assert train.to_numpy().tolist() == [["1", "a", "1.jpg"], ["2", "b", "2.jpg"]]
    assert list(aside["reason"]) == ["no label", "the id occurs before, with the same label", "no such picture"]


def test_an_empty_set_is_a_label():
    train, aside = survey.reject(pd.DataFrame([("1", "", "1.jpg"), ("2", None, "2.jpg")], columns=["id", "label", "path"]))
    assert (list(train["id"]), list(aside["reason"])) == (["1"], ["no label"])


def test_no_readable_training_picture_stops(tmp_path):
    raw = layouts.small(tmp_path / "raw", {"label": ["cat", "dog", "emu"] * 4}, {"label": "cat"})
    draft = layouts.inferred(raw)
    for path in (raw / "train").iterdir():
        path.write_bytes(b"")
    with pytest.raises(config.Mistake, match=r"none of the 12 training pictures can be read.*0 bytes"):
        survey.gather(draft.raw, draft.known)


def test_twins_and_contradicting_copies_are_counted(tmp_path):
    raw = tmp_path / "raw"
    layouts.build("table", raw, 30, 32)
    ids, asked = tables.read(raw / "labels.csv")["id"], tables.read(raw / "sample_submission.csv")["id"]
    shutil.copy(raw / "train" / f"{ids[0]}.jpg", raw / "train" / f"{ids[3]}.jpg")  # the same class
    shutil.copy(raw / "train" / f"{ids[1]}.jpg", raw / "train" / f"{ids[5]}.jpg")  # another one
    shutil.copy(raw / "train" / f"{ids[2]}.jpg", raw / "test" / f"{asked[0]}.jpg")
    draft = layouts.inferred(raw)
    found = survey.gather(draft.raw, draft.known)
    clusters = dict(zip(found.train["id"], found.train["cluster"], strict=True))
    assert clusters[ids[0]] == clusters[ids[3]] != ""
    assert clusters[ids[1]] == clusters[ids[5]] != clusters[ids[0]]
    assert clusters[ids[2]] == clusters[ids[4]] == ""  # a twin in the test pictures binds no training rows
    shown = survey.findings(draft.raw, draft.known, found)
    assert (shown["conflicts"], shown["twins"], shown["cluster_rows"], shown["train"], shown["test"]) == (1, 1, 4, 30, 10)
    assert sum(shown["counts"].values()) == 30
    assert {picture.shape[2] for pictures in shown["samples"].values() for picture in pictures} <= {1, 3}


def test_a_cluster_above_one_percent_is_reported_and_not_used():
    numbers = np.array([0] * 30 + [1, 1] + [-1] * 968)
    used, notes = survey._used_clusters(numbers, 1000)
    assert (used[:30] == -1).all()
    assert list(used[30:32]) == [1, 1]
    assert "30" in notes[0]


def test_what_rows_are_shown_as():
    def shown(kind: str, labels: list[str], classes: tuple[str, ...] = ("a", "b"), separator: str = "") -> list[list[str]]:
        return survey.named(SimpleNamespace(kind=kind, classes=classes, separator=separator), pd.Series(labels))

    assert shown("multiclass", ["b", "a"]) == [["b"], ["a"]]
    assert shown("multilabel", ["b a", "", "a"], separator=" ") == [["b", "a"], [], ["a"]]
    assert shown("soft", ["0.2 0.8", "0.9 0.1"]) == [["b"], ["a"]]
    fifths = shown("regression", [str(number) for number in range(100)], ("age",))
    assert len({text for row in fifths for text in row}) == survey.BINS
    assert fifths[0] == ["age 0 to 19.8"]
    assert fifths[99] == ["age 79.2 to 99"]
    assert shown("regression", ["5", "5"], ("age",))[0][0].startswith("age 5")
