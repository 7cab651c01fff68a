"""A planted shift is found and named, noise is not called one; the mix of the predictions and their calibration, with what to do."""

import dataclasses

import cv2
import numpy as np
import pandas as pd
import pytest
from test_submission import PLAIN

from clf import embedded, folds, paths, shift, store, tables
from clf.config import Mistake

SIDE = 28


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """600 training and 500 test pictures of the embedded digits."""
    pictures, _, tested = embedded.rows()
    pictures = pictures.reshape(-1, SIDE, SIDE, 1)
    return pictures[~tested][::7][:600], pictures[tested][::2]


def jpeg(picture: np.ndarray) -> np.ndarray:
    _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 60])
    return cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)[:, :, None]


PLANTED = {
    "brightness": (lambda picture: np.clip(picture.astype(int) + 15, 0, 255).astype(np.uint8), "darkest parts"),
    "crop": (lambda picture: cv2.resize(picture[2:26, 2:26], (SIDE, SIDE))[:, :, None], "sharp"),
    "JPEG quality": (jpeg, "fine noise"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_shift_is_found_and_what_differs_is_named(digits, name):
    change, named = PLANTED[name]
    train, test = digits
    features = pd.concat([shift.facts(train), shift.facts(np.stack([change(picture) for picture in test]))], ignore_index=True)
    found = shift.told_apart(features, np.repeat([False, True], [len(train), len(test)]))
    line = shift.adversarial_line(found)
    assert found["low"] > 0.9
    assert line.worrying
    assert line.seen.startswith("Shift: ")
    assert named in found["differ"][0]["name"]
    assert found["differ"][0]["name"] in line.seen


def test_without_a_shift_none_is_found(digits):
    """Random parts of the same pictures, several times: a 99 % interval that missed 0.5 twice would be no such interval."""
    features = shift.facts(np.concatenate(digits))
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(4):
        picked = rng.permutation(len(features))[:500]
        lines.append(shift.adversarial_line(shift.told_apart(features.iloc[picked].reset_index(drop=True), np.arange(500) < 200)))
    assert sum(line.seen.startswith("None found") for line in lines) >= 3
    assert not lines[0].worrying


def test_areas_are_those_of_scikit_learn():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    positive, values = rng.random(60) < 0.3, rng.integers(0, 9, 60)
    assert shift.area(values, positive) == pytest.approx(roc_auc_score(positive, values))
    assert shift.standard_error(0.5, 40, 60) == pytest.approx(np.sqrt((40 + 60 + 1) / (12 * 40 * 60)), rel=0.02)  # Mann and Whitney


@pytest.fixture
def place(scratch, digits):
    """Prepared: 90 training rows, 60 of them of one group, and 50 test rows, two without a picture."""
    place = paths.Place("toy")
    train, test = digits[0][:90], digits[1][:48]
    groups = ["g"] * 60 + [f"h{row}" for row in range(30)]
    tables.write(place.train, pd.DataFrame({"id": [f"a{row}" for row in range(90)], "label": "cat", "cluster": "", "group": groups}))
    tables.write(place.test, pd.DataFrame({"id": [f"b{row}" for row in range(50)]}))
    rows = [*map(str, range(138)), "", ""]
    listed = pd.DataFrame({"part": ["train"] * 90 + ["test"] * 50, "id": "", "path": "", "row": rows, "width": "28", "height": "28", "format": "PNG"})
    tables.write(place.pictures, listed)
    packed = place.packed(SIDE)
    packed.folder.mkdir(parents=True)
    np.save(packed.pictures, np.concatenate([train, test]))
    paths.write_json(packed.record, {"made_from": {}})
    return place


def test_of_rows_that_belong_together_one_is_looked_at(place):
    assert "31 train rows that stand alone" in shift.sample(place, SIDE)
    train = tables.read(place.train)
    train.loc[:49, "group"] = ""
    tables.write(place.train, train)
    features, of_test = shift.sample(place, SIDE)
    assert (np.bincount(of_test) == [len(np.unique(folds.bound(train))), 48]).all()
    np.testing.assert_allclose(features[of_test].brightness, store.load(place.packed(SIDE))[90:].mean((1, 2, 3)), rtol=1e-5)
    assert {"width", "format"} <= {*features}


def test_a_format_that_only_the_test_has_is_a_shift(place):
    listed, train = tables.read(place.pictures), tables.read(place.train)
    tables.write(place.train, train.assign(group=""))
    tables.write(place.pictures, listed.assign(format=np.where(listed.part == "train", "PNG", "JPEG")))
    features, of_test = shift.sample(place, SIDE)
    assert shift.area(features["format"].to_numpy(), of_test) in (0, 1)
    assert "format" in [each["name"] for each in shift.told_apart(features, of_test)["differ"]]


def test_the_answer_is_kept_until_the_tables_or_the_store_change(place, capsys):
    train = tables.read(place.train)
    tables.write(place.train, train.assign(group=""))
    first = shift.adversarial(place, SIDE)
    assert "can a model tell" in capsys.readouterr().out
    assert shift.adversarial(place, SIDE) == first
    assert not capsys.readouterr().out
    tables.write(place.train, train)
    assert shift.adversarial(place, SIDE).seen.startswith("Not looked at: 31 train rows")
    place.packed(SIDE).record.unlink()
    with pytest.raises(Mistake, match="make prepare"):
        shift.adversarial(place, SIDE)


# -- mix and calibration ---------------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
VALUES = dataclasses.replace(PLAIN, kind="regression", classes=("size",), lowest=("0",), highest=("10",), metric="rmse")


def test_the_mix_is_the_same_within_noise_and_another_one_names_its_classes():
    valid = RNG.dirichlet([2, 1, 1], 800)
    same = shift.mix_line(PLAIN, valid, RNG.dirichlet([2, 1, 1], 500))
    assert same.seen.startswith("The same within noise")
    assert not same.worrying
    other = shift.mix_line(PLAIN, valid, RNG.dirichlet([1, 1, 2], 500))
    assert other.worrying
    assert repr(PLAIN.classes[0]) in other.seen
    assert repr(PLAIN.classes[1]) not in other.seen
    assert "Saerens" in other.advice


def test_the_mean_values_of_a_regression_are_compared_in_their_own_unit():
    valid = RNG.normal(5, 1, (400, 1))
    assert "The same within noise" in shift.mix_line(VALUES, valid, RNG.normal(5, 1, (300, 1))).seen
    assert "'size' 4.9" in shift.mix_line(VALUES, valid, RNG.normal(7, 1, (300, 1))).seen


def test_lines_that_are_not_defined_say_why():
    empty = np.empty((0, 3))
    assert "no row was validated" in shift.mix_line(PLAIN, empty, np.ones((50, 3)) / 3).seen
    assert "40 rows of each" in shift.mix_line(PLAIN, np.ones((5, 3)), np.ones((50, 3))).seen
    assert "no row was validated" in shift.calibration_line(PLAIN, None, 0).seen
    assert "40 rows are needed" in shift.calibration_line(PLAIN, None, 7).seen
    for kind in ("soft", "regression"):
        question = dataclasses.replace(PLAIN, kind=kind)
        assert shift.calibration(question, np.ones((50, 3)), np.ones((50, 3))) is None
        assert f"Not defined for the kind {kind}" in shift.calibration_line(question, None, 50).seen


def drawn(rows: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """True probabilities, and truth drawn from them."""
    rng = np.random.default_rng(1)
    if kind == "multilabel":
        chances = rng.random((rows, 3))
        return chances, (rng.random((rows, 3)) < chances).astype(np.float32)
    chances = rng.dirichlet([0.6] * 3, rows)
    return chances, (rng.random((rows, 1)) > chances.cumsum(1)).sum(1).clip(0, 2)


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_what_is_calibrated_is_told_from_what_is_too_sure(kind):
    question = dataclasses.replace(PLAIN, kind=kind, metric="log_loss")
    chances, truth = drawn(3000, kind)
    found = shift.calibration(question, truth, chances)
    line = shift.calibration_line(question, found, len(truth))
    assert line.seen.startswith("Calibrated"), line
    assert found.rows.sum() == (9000 if kind == "multilabel" else 3000)
    sharper = chances**3 / (chances**3).sum(1, keepdims=True) if kind == "multiclass" else np.sqrt(chances)
    line = shift.calibration_line(question, shift.calibration(question, truth, sharper), len(truth))
    assert line.worrying
    assert line.seen.startswith("Too confident" if kind == "multiclass" else "Probabilities too high")
    assert "temperature" in line.advice


def test_too_cautious_predictions_do_not_matter_to_a_metric_of_labels():
    chances, truth = drawn(3000, "multiclass")
    dull = np.sqrt(chances) / np.sqrt(chances).sum(1, keepdims=True)
    line = shift.calibration_line(PLAIN, shift.calibration(PLAIN, truth, dull), len(truth))
    assert line.seen.startswith("Too cautious")
    assert line.advice.startswith("Nothing: accuracy")
    assert not line.worrying


def test_the_calibration_error_by_hand():
    predicted = np.repeat([[0.95, 0.05, 0.0], [0.55, 0.45, 0.0]], 20, axis=0)
    truth = np.array([0] * 15 + [1] * 5 + [0] * 11 + [1] * 9)
    found = shift.calibration(PLAIN, truth, predicted)
    assert found.error == pytest.approx(0.5 * 0.2)
    np.testing.assert_allclose(found.right, [0.55, 0.75])
    np.testing.assert_allclose(found.confidence, [0.55, 0.95])
