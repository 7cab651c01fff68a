"""A trained run on any pictures, and its export: the numbers are those that the run itself gave for its test pictures."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from layouts import build, downloaded

from clf import folds, images, inference, learn, paths, problem, runs, tables
from clf.config import Mistake
from tests import cases

CLOSE = 1e-5
SMALL = ("model=resnet10", "width=0.25", "image_size=24", "batch_size=8", "epochs=8", "augment=none", "views=mirror", "fold=all", "precision=float32")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A competition of rectangular colour pictures, padded into its store, and a run on its two folds with two views."""
    patch = pytest.MonkeyPatch()
    work = tmp_path_factory.mktemp("inference")
    patch.setenv("CLF_WORK", str(work))
    place = paths.Place("small")
    build("folders", downloaded(place.data), pictures=60, side=48)
    for number, path in enumerate(paths.files(place.raw)):
        if path.suffix == ".png":
            cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), ((40, 60), (64, 48), (48, 48))[number % 3]))

    def script(name: str, *words: str) -> None:
        command = [sys.executable, "-m", f"scripts.{name}", "competition=small", *words]
        done = subprocess.run(command, cwd=paths.CHECKOUT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    script("02_explore")
    script("03_prepare", "side=32", "fit=pad")
    tables.write(place.folds, folds.draw(tables.read(place.train), problem.read(place.problem), folds=2))
    script("05_train", *SMALL, "run=two")
    yield work
    patch.undo()


@pytest.fixture
def place(work, monkeypatch):
    monkeypatch.setenv("CLF_WORK", str(work))
    return paths.Place("small")


@pytest.fixture
def trained(place):
    return inference.load(place, place.run("two"))


@pytest.fixture
def expected(place):
    return runs.predictions(place, problem.read(place.problem), "two")


def test_paths(place) -> list[str]:
    """The file below raw/ of each row of test.csv."""
    table = tables.read(place.pictures)
    return table[table.part == "test"].path.tolist()


test_paths.__test__ = False


def test_a_folders_table_has_the_numbers_of_the_run_and_lists_what_cannot_be_read(script, place, expected, tmp_path):
    folder = tmp_path / "pictures of mine"
    shutil.copytree(place.raw, folder / "deep" / "down")
    first, second, third, *_ = known = test_paths(place)
    shutil.copy(place.raw / first, folder / "again.PNG")
    cv2.imwrite(str(folder / "other.bmp"), cv2.imread(str(place.raw / second)))
    (folder / "broken.png").write_bytes((place.raw / third).read_bytes()[:500])
    (folder / "notes.txt").write_text("no picture")
    done = script("predict", "competition=small", f"images={folder}")
    assert done.returncode == 0, done.stderr
    assert "1 cannot be read" in done.stdout
    frame = tables.read(place.prediction("two", folder.name)).set_index("path")
    classes = list(problem.read(place.problem).classes)
    assert list(frame.columns) == ["label", "error", *classes]
    assert len(frame) == 60 + 20 + 3
    for name, rows in (("again.PNG", [0]), ("other.bmp", [1])):
        np.testing.assert_allclose(frame.loc[name, classes].to_numpy(float), expected.test[rows[0]], atol=CLOSE)
    copied = frame.loc[[f"deep/down/{name}" for name in known]]
    values = copied[classes].to_numpy(float)
    assert np.ptp(values, axis=0).max() > 0.01
    np.testing.assert_allclose(values, expected.test, atol=CLOSE)
    assert copied.label.tolist() == [classes[code] for code in expected.test.argmax(1)]
    assert set(copied.error) == {""}
    assert "damaged" in frame.loc["broken.png", "error"]
    assert set(frame.loc["broken.png", ["label", *classes]]) == {""}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run=none", "images=."), "run=none is not whole. Whole runs: two"),
        ((), "images= is no folder"),
        (("images=nowhere",), "images=nowhere is no folder"),
        (("images=.", "output=."), "is a folder: name a file"),
    ],
)
def test_mistakes_of_predict_are_said(script, place, words, message):
    done = script("predict", "competition=small", *words)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_folder_without_pictures_is_a_mistake(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(Mistake, match=r"and no picture. Known: .jpg"):
        inference.names(tmp_path)
    with pytest.raises(Mistake, match="is no folder"):
        inference.names(tmp_path / "notes.txt")


def test_rows_of_a_table_of_pixels_and_files_come_in_the_order_of_their_names(trained, tmp_path):
    build("pixels", tmp_path, pictures=30, side=28)
    build("folders", tmp_path / "files", pictures=9, side=40)
    (tmp_path / "files" / "empty.png").write_bytes(b"")
    names = inference.names(tmp_path)
    assert names[:2] == ["test.csv#0", "test.csv#1"]
    assert len(names) == 10 + 30 + 9 + 3 + 1
    found = list(inference.prepared(trained, tmp_path, names))
    assert [name for name, _ in found] == names
    pictures = dict(found)
    assert isinstance(pictures.pop("files/empty.png"), images.Unreadable)
    assert {picture.shape for picture in pictures.values()} == {(32, 32, 3)}


def test_pictures_inside_of_other_files_are_named_by_their_number(tmp_path):
    np.save(tmp_path / "stack.npy", np.zeros((4, 8, 8, 2), np.uint8))
    np.save(tmp_path / "one.npy", np.zeros((2, 8, 8), np.uint8))
    paths.write_json(tmp_path / "bands.json", [{"id": "a", "band_1": [0.5] * 81}, {"id": "b", "band_1": [1.5] * 81}])
    paths.write_json(tmp_path / "notes.json", [{"id": "a", "box": [1, 2]}])
    paths.write_text(tmp_path / "broken.json", "[{")
    (tmp_path / "broken.tfrec").write_bytes(b"12345")
    assert inference.names(tmp_path) == [
        *("bands.json#0", "bands.json#1", "stack.npy#0", "stack.npy#1", "stack.npy#2", "stack.npy#3"),
        "one.npy",
    ]


def test_files_that_are_channels_of_one_picture_are_one_name(tmp_path):
    suffixes = ("_red", "_green", "_far_red")
    for name in ("deep/a_red.png", "deep/a_green.png", "deep/a_far_red.jpg", "b_green.png", "b_far_red.png", "c.png"):
        paths.write_text(tmp_path / name, "x")
    assert inference.names(tmp_path, suffixes) == [
        "b_red.png|b_green.png|b_far_red.png",  # the first is missing, and reading it says so
        "deep/a_red.png|deep/a_green.png|deep/a_far_red.jpg",
    ]
    assert len(inference.names(tmp_path)) == 6
    with pytest.raises(Mistake, match="6 pictures, but none is called …_blue or …_yellow"):
        inference.names(tmp_path, ("_blue", "_yellow"))


def other_kind(trained, kind: str, **changes) -> inference.Trained:
    """The same networks, whose logits mean something else."""
    return dataclasses.replace(trained, question=dataclasses.replace(trained.question, kind=kind, **changes))


RANGES = {"lowest": ("0", "-5", "100"), "highest": ("1", "5", "300")}


def test_what_predictions_say_of_a_picture(trained):
    question = trained.question
    first, second, third = question.classes
    assert inference.label(question, np.array([0.2, 0.5, 0.3])) == second
    several = other_kind(trained, "multilabel", separator="|").question
    assert inference.label(several, np.array([0.6, 0.2, 0.5])) == f"{first}|{third}"
    assert inference.label(several, np.array([0.1, 0.2, 0.3])) == third
    assert inference.label(other_kind(trained, "regression", **RANGES).question, np.array([0.25, -5, 123.456])) == "0.25 -5 123.456"


@pytest.mark.parametrize(("kind", "changes"), [("multilabel", {"separator": " "}), ("soft", {}), ("regression", RANGES)])
def test_the_combined_network_of_every_kind_holds_what_its_numbers_mean(trained, tmp_path, kind, changes):
    seen = other_kind(trained, kind, **changes)
    pictures = np.random.default_rng(0).integers(0, 256, (8, 24, 24, 3), np.uint8)
    wanted = inference.forward(seen)(pictures)
    inference.combined(seen).save(tmp_path / "model.keras")
    found = keras.models.load_model(tmp_path / "model.keras").predict(pictures, verbose=0)
    unit = 200 if kind == "regression" else 1
    np.testing.assert_allclose(found / unit, wanted / unit, atol=CLOSE)
    if kind == "regression":
        assert (wanted >= [0, -5, 100]).all()
        assert (wanted <= [1, 5, 300]).all()
        assert inference.describe(seen)["output"].startswith("values float32 [B,3]")


def test_an_export_says_how_deep_pictures_become_8_bits(trained):
    deep = dataclasses.replace(trained, question=dataclasses.replace(trained.question, window=("0 4095",)))
    assert "more than 8 bits, each from 0 4095 to 0 and 255" in inference.describe(deep)["input"]


def test_a_table_that_was_not_finished_leaves_the_former_one(trained, tmp_path, monkeypatch):
    def cut(*arguments):
        yield "a.png", np.zeros((32, 32, 3), np.uint8)
        raise OSError("cut")

    monkeypatch.setattr(inference, "prepared", cut)
    output = tmp_path / "out" / "table.csv"
    paths.write_text(output, "former")
    with pytest.raises(OSError, match="cut"):
        inference.write_table(output, trained, tmp_path, ["a.png", "b.png"])
    assert [(path.name, path.read_text()) for path in output.parent.iterdir()] == [("table.csv", "former")]


def test_a_store_that_was_packed_otherwise_since_is_no_match_for_an_export_and_nothing_to_a_prediction(place, tmp_path, monkeypatch):
    shutil.copytree(place.data, tmp_path / "data" / "small", symlinks=True)
    monkeypatch.setenv("CLF_WORK", str(tmp_path))
    record = paths.read_json(place.packed(32).record)
    paths.write_json(place.packed(32).record, record | {"made_from": record["made_from"] | {"fit": "crop"}})
    with pytest.raises(Mistake, match="packed otherwise since"):
        inference.check_store(place, place.run("two"))
    trained = inference.load(place, place.run("two"))
    assert (trained.stored_side, trained.fit) == (32, "pad")


# -- the export ----------------------------------------------------------------------------------------------------------------------------

STRANGER = """
import sys
import keras, numpy, tensorflow
folder, given, found = sys.argv[1:]
pictures = numpy.load(given)
keras_model = keras.models.load_model(folder + "/model.keras")
served = tensorflow.saved_model.load(folder + "/saved_model")
assert not [name for name in sys.modules if name.split(".")[0] in ("clf", "keras_cv")]
assert keras_model(pictures[:1]).dtype == "float32"
numpy.savez(
    found,
    keras_model.predict(pictures, verbose=0),
    keras_model.predict(pictures / 1.0, verbose=0),
    served.serve_uint8(pictures).numpy(),
    served.serve(pictures.astype("float32")).numpy(),
    served.signatures["serving_default"](tensorflow.constant(pictures, "float32")).popitem()[1].numpy(),
)
"""


def test_an_export_predicts_the_same_without_this_package(script, place, expected, tmp_path):
    output = tmp_path / "for others"
    for file in ("export.json", "model.keras", "saved_model/of_before"):
        paths.write_text(output / file, "an earlier export, which is replaced")
    done = script("export", "competition=small", f"output={output}")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in output.iterdir()) == ["export.json", "model.keras", "saved_model"]
    assert not (output / "saved_model" / "of_before").exists()
    said = json.loads((output / "export.json").read_text())
    assert said["classes"] == list(problem.read(place.problem).classes)
    assert (said["run"], said["side"], said["channels"], said["fit"], said["stored_side"]) == ("two", 24, 3, "pad", 32)
    assert max(said["largest_difference"].values()) < CLOSE
    assert said["input"].endswith("to 32 px, then bilinearly to 24 px")
    pictures = []
    for name in test_paths(place):  # as export.json says it
        stored = images.fit(images.decode((place.raw / name).read_bytes()), said["stored_side"], said["fit"])
        pictures.append(cv2.resize(stored, (said["side"], said["side"]), interpolation=cv2.INTER_LINEAR))
    np.save(tmp_path / "given.npy", np.stack(pictures))
    command = [sys.executable, "-c", STRANGER, str(output), str(tmp_path / "given.npy"), str(tmp_path / "found.npz")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "found.npz") as found:
        assert len(found.files) == 5
        for name in found.files:
            np.testing.assert_allclose(found[name], expected.test, atol=CLOSE)


def turned(pictures):
    return keras.ops.rot90(pictures, axes=(1, 2))


@pytest.mark.parametrize("views", cases.part([*learn.VIEWS, "turned"], 2))
def test_every_view_is_the_same_in_the_combined_network(trained, monkeypatch, views):
    monkeypatch.setitem(learn.VIEWS, "turned", ((turned, 0.5), (learn.mirrored, 0.5)))
    seen = dataclasses.replace(trained, views=[views] * 2)
    pictures = np.random.default_rng(0).integers(0, 256, (8, 24, 24, 3), np.uint8)
    wanted = inference.forward(seen)(pictures)
    np.testing.assert_allclose(inference.combined(seen)(pictures), wanted, atol=CLOSE)
    others = [view for view in learn.VIEWS if learn.VIEWS[view] != learn.VIEWS[views]]
    for view in others:
        other = dataclasses.replace(trained, views=[view] * 2)
        assert np.abs(inference.forward(other)(pictures) - wanted).max() > 10 * CLOSE


def test_an_export_that_predicts_something_else_is_an_error_and_leaves_nothing(place, trained, expected, tmp_path):
    wrong = dataclasses.replace(expected, test_parts=tuple(np.roll(part, 1, axis=0) for part in expected.test_parts))
    with pytest.raises(RuntimeError, match="predicts something else"):
        inference.export(place, trained, wrong, paths.Export(tmp_path / "out"))
    assert not [path for path in tmp_path.iterdir() if path.name not in ("home", "work")]


@keras.saving.register_keras_serializable("tests")
class Twice(keras.layers.Layer):
    def call(self, logits):
        return 2 * logits


@cases.long
def test_an_export_that_needs_code_of_ours_is_an_error(place, trained, expected, tmp_path):
    custom = [keras.Model(network.inputs, Twice()(network.outputs[0])) for network in trained.networks]
    with pytest.raises(RuntimeError, match=r"cannot be loaded without this package(.|\n)*Twice"):
        inference.export(place, dataclasses.replace(trained, networks=custom), expected, paths.Export(tmp_path / "out"))


def test_a_folder_that_holds_something_else_is_not_written_to(place, trained, expected, tmp_path):
    mine = tmp_path / "mine" / "thesis.txt"
    paths.write_text(mine, "x")
    for output in (mine.parent, mine):
        with pytest.raises(Mistake, match=r"thesis\.txt"):
            inference.export(place, trained, expected, paths.Export(output))
    assert mine.read_text() == "x"
