"""Submissions of every style against hand-written files; each check is broken on purpose and seen to fail."""

import dataclasses
import math

import numpy as np
import pytest

from clf import config, submission
from clf.problem import Problem

PLAIN = Problem(
    competition="toy",
    kind="multiclass",
    classes=("cat", "NA", "1e10"),
    metric="accuracy",
    id_column="id",
    submission_file="sample_submission.csv",
    style="label",
    columns=("Label",),
    positive="",
    layout="table",
    label_file="labels.csv",
    label_column="breed",
    file_id_column="id",
    train_root="train",
    test_root="test",
    group="",
    channels=3,
    side=32,
    fit="squash",
    flip_horizontal=True,
    flip_vertical=False,
)
PROBLEMS = {
    "label": PLAIN,
    "index": dataclasses.replace(PLAIN, style="index"),
    "positive": dataclasses.replace(
        PLAIN, kind="binary", classes=("cat", "dog"), style="positive", positive="dog", columns=("is_dog",), metric="log_loss"
    ),
    "columns": dataclasses.replace(PLAIN, style="columns", columns=("cat", "NA", "1e10"), metric="log_loss"),
}
SAMPLES = {
    "label": "id,Label\n0002,cat\n1e10,cat\nNA,cat\n0001.jpg,cat\n",
    "index": "id,Label\n0002,0\n1e10,0\nNA,0\n0001.jpg,0\n",
    "positive": "id,is_dog\n0002,0.5\n1e10,0.5\nNA,0.5\n0001.jpg,0.5\n",
    "columns": "id,cat,NA,1e10\n0002,0.3,0.3,0.4\n1e10,0.3,0.3,0.4\nNA,0.3,0.3,0.4\n0001.jpg,0.3,0.3,0.4\n",
}
IDS = ["0001.jpg", "0002", "1e10", "NA"]  # another order than the sample's
PROBABILITIES = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.125, 0.125, 0.75], [0.75, 0.125, 0.125]])
GOLDEN = {
    "label": "id,Label\n0002,NA\n1e10,1e10\nNA,cat\n0001.jpg,cat\n",
    "index": "id,Label\n0002,1\n1e10,2\nNA,0\n0001.jpg,0\n",
    "positive": "id,is_dog\n0002,0.75\n1e10,0.875\nNA,0.25\n0001.jpg,0.5\n",
    "columns": "id,cat,NA,1e10\n0002,0.25,0.5,0.25\n1e10,0.125,0.125,0.75\nNA,0.75,0.125,0.125\n0001.jpg,0.5,0.25,0.25\n",
}
ANSWERS = {
    "label": "id,Label\nNA,cat\n0002,NA\n0001.jpg,NA\n1e10,1e10\n",
    "index": "id,Label\nNA,0\n0002,1\n0001.jpg,1\n1e10,2\n",
    "positive": "id,is_dog\nNA,0\n0002,1\n0001.jpg,0\n1e10,1\n",
    "columns": "id,cat,NA,1e10\nNA,1,0,0\n0002,0,1,0\n0001.jpg,0,1,0\n1e10,0,0,1\n",
}
SCORES = {
    "label": 0.75,
    "index": 0.75,
    "positive": -(2 * math.log(0.75) + math.log(0.5) + math.log(0.875)) / 4,
    "columns": -(2 * math.log(0.75) + math.log(0.5) + math.log(0.25)) / 4,
}


def probabilities(style: str) -> np.ndarray:
    if style != "positive":
        return PROBABILITIES
    dog = np.array([0.5, 0.75, 0.875, 0.25])
    return np.stack([1 - dog, dog], axis=1)


def built(style: str) -> str:
    return submission.text(submission.build(PROBLEMS[style], submission.parse(SAMPLES[style]), IDS, probabilities(style)))


def states(style: str, content: str, **more) -> dict[str, str]:
    done = submission.check(PROBLEMS[style], submission.parse(content), submission.parse(SAMPLES[style]), **more)
    assert all(check.text for check in done)
    return {check.name: check.state for check in done}


@pytest.mark.parametrize("style", submission.WRITERS)
def test_contract_of_every_style(style):
    content = built(style)
    assert content == GOLDEN[style]
    assert set(states(style, content).values()) == {"passed"}
    assert set(states(style, content, held_out=probabilities(style)).values()) == {"passed"}
    frame, answers = submission.parse(content), submission.parse(ANSWERS[style])
    assert submission.grade(PROBLEMS[style], frame, answers) == pytest.approx(SCORES[style], abs=1e-6)
    assert submission.grade(PROBLEMS[style], frame.iloc[::-1], answers.iloc[:2]) == pytest.approx(
        {"label": 1, "index": 1}.get(style, -math.log(0.75) if style == "positive" else -(math.log(0.75) + math.log(0.5)) / 2), abs=1e-6
    )


def test_repeated_ids_of_the_sample_are_predicted_once_and_filled():
    sample = submission.parse("id,Label\nb,cat\na,cat\nb,cat\n")
    frame = submission.build(PLAIN, sample, ["a", "b"], PROBABILITIES[:2])
    assert submission.text(frame) == "id,Label\nb,NA\na,cat\nb,NA\n"
    assert {check.state for check in submission.check(PLAIN, frame, sample)} == {"passed"}


def test_other_columns_of_the_sample_stay():
    sample = submission.parse("id,Usage,Label\n7,Public,cat\n")
    assert submission.text(submission.build(PLAIN, sample, ["7"], PROBABILITIES[1:2])) == "id,Usage,Label\n7,Public,NA\n"


def test_text_with_commas_quotes_and_blanks_survives():
    problem = dataclasses.replace(PLAIN, classes=(" a, b", 'c"d'), columns=(" labels",))
    sample = submission.parse('id, labels\n"x,1.jpg","c""d"\n')
    content = submission.text(submission.build(problem, sample, ["x,1.jpg"], np.array([[0.9, 0.1]])))
    assert content == 'id, labels\n"x,1.jpg"," a, b"\n'
    assert {check.state for check in submission.check(problem, submission.parse(content), sample)} == {"passed"}


def test_log_loss_never_says_zero_or_one_and_120_written_columns_sum_to_one():
    classes = tuple(f"class {index}" for index in range(120))
    problem = dataclasses.replace(PLAIN, style="columns", classes=classes, columns=classes, metric="log_loss")
    certain = np.eye(120, dtype=np.float32)
    certain[1] = np.random.default_rng(0).dirichlet(np.ones(120)) * 1.01
    sample = submission.parse(f"id,{','.join(classes)}\n" + "".join(f"{row},{','.join(['0'] * 120)}\n" for row in range(120)))
    frame = submission.parse(submission.text(submission.build(problem, sample, [str(row) for row in range(120)], certain)))
    said = submission.read(problem, frame)
    assert said.min() > 0.9e-7
    assert said.max() < 1
    assert np.abs(said.sum(1) - 1).max() < 1e-9
    assert {check.name: check.state for check in submission.check(problem, frame, sample)}["row sums"] == "passed"


def test_roc_auc_keeps_the_order_of_close_probabilities():
    problem = dataclasses.replace(PROBLEMS["positive"], metric="roc_auc")
    dog = np.array([1e-9, 2e-9, 1 - 1e-10, 1.0])
    sample = submission.parse(SAMPLES["positive"])
    frame = submission.build(problem, sample, sample["id"].tolist(), np.stack([1 - dog, dog], axis=1))
    assert np.diff(submission.read(problem, submission.parse(submission.text(frame)))[:, 1]).min() > 0


def test_positive_style_follows_the_named_class_and_a_metric_that_wants_labels():
    problem = dataclasses.replace(PROBLEMS["positive"], positive="cat", metric="accuracy")
    sample = submission.parse("id,is_dog\n7,0\n8,0\n")
    frame = submission.build(problem, sample, ["7", "8"], np.array([[0.9, 0.1], [0.2, 0.8]]))
    assert submission.text(frame) == "id,is_dog\n7,1\n8,0\n"
    assert submission.grade(problem, frame, submission.parse("id,is_dog\n7,1\n8,1\n")) == 0.5


@pytest.mark.parametrize(
    ("ids", "values"),
    [
        (IDS[:3], PROBABILITIES[:3]),  # an id of the sample is not predicted
        ([*IDS, "NA"], np.vstack([PROBABILITIES, PROBABILITIES[:1]])),  # twice
        (IDS, PROBABILITIES[:3]),  # rows do not fit
        (IDS, PROBABILITIES[:, :2]),  # classes do not fit
        (IDS, np.where(PROBABILITIES > 0.7, np.nan, PROBABILITIES)),
    ],
)
def test_build_refuses(ids, values):
    with pytest.raises(ValueError, match=r"id|finite"):
        submission.build(PLAIN, submission.parse(SAMPLES["label"]), ids, values)


def test_unknown_style_lists_the_known_ones():
    with pytest.raises(config.Mistake, match="columns, index, label, positive"):
        submission.build(dataclasses.replace(PLAIN, style="labels"), submission.parse(SAMPLES["label"]), IDS, PROBABILITIES)


def test_prior_and_complete():
    prior = submission.prior(PLAIN, ["NA", "cat", "NA", "NA"])
    assert prior.tolist() == [0.25, 0.75, 0.0]
    # "b" stands twice, its second row was predicted; "c" was not.
    ids, full, filled = submission.complete(["b", "a", "c", "b"], np.array([3, 1]), PROBABILITIES[:2], prior)
    assert (ids, filled) == (["b", "a", "c"], 1)
    assert full.tolist() == [PROBABILITIES[0].tolist(), PROBABILITIES[1].tolist(), prior.tolist()]
    with pytest.raises(ValueError, match="dog"):
        submission.prior(PLAIN, ["dog"])
    with pytest.raises(ValueError, match="no labels"):
        submission.prior(PLAIN, [])


BROKEN = {  # name of the check → (style, the content as it was, the content broken)
    "header": [("label", "id,Label", "id,label"), ("columns", "cat,NA", "NA,cat"), ("label", "id,Label", "id,Label,more")],
    "row count": [("label", "NA,cat\n", ""), ("label", "NA,cat\n", "NA,cat\nNA,cat\n")],
    "ids": [("label", "0002", "2"), ("label", "1e10", "10000000000.0"), ("label", "0001.jpg", "0001"), ("label", "\nNA,", "\n,")],
    "repeated ids": [("label", "1e10,1e10", "0002,1e10")],
    "order": [("label", "0002,NA\n1e10,1e10\n", "1e10,1e10\n0002,NA\n")],
    "empty cells": [("label", "0002,NA", "0002,"), ("columns", "0.125,0.125,0.75", "0.125,,0.875")],
    "values": [
        ("label", "NA,cat", "NA,dog"),
        ("label", "NA,cat", "NA,Cat"),
        ("index", "NA,0", "NA,3"),
        ("index", "NA,0", "NA,0.0"),
        ("positive", "0.875", "1.5"),
        ("positive", "0.875", "-0.1"),
        ("positive", "0.875", "nan"),
        ("positive", "0.875", "inf"),
        ("columns", "0.75,0.125,0.125", "1.25,-0.125,-0.125"),
        ("columns", "0.75,0.125,0.125", "x,0.5,0.5"),
    ],
    "row sums": [("columns", "0.125,0.125,0.75", "0.125,0.125,0.750002")],
}


@pytest.mark.parametrize(("name", "style", "was", "broken"), [(name, *case) for name, cases in BROKEN.items() for case in cases])
def test_each_broken_submission_fails_its_check(name, style, was, broken):
    assert was in GOLDEN[style]
    assert states(style, GOLDEN[style].replace(was, broken, 1))[name] == "failed"


@pytest.mark.parametrize(
    ("style", "content"),
    [
        ("label", "id,Label\n0002,cat\n1e10,cat\nNA,cat\n0001.jpg,cat\n"),
        ("positive", "id,is_dog\n0002,0.5\n1e10,0.5\nNA,0.5\n0001.jpg,0.5\n"),
        ("columns", "id,cat,NA,1e10\n0002,0.1,0.5,0.4\n1e10,0.1,0.4,0.5\nNA,0.1,0.3,0.6\n0001.jpg,0.1,0.6,0.3\n"),
    ],
)
def test_a_constant_prediction_warns(style, content):
    assert states(style, content) | {"spread": "warned"} == states(style, content)


def test_every_check_has_been_broken():
    assert {*BROKEN, "spread", "class mix"} == {"header", *submission.CHECKS}


def test_another_class_mix_than_out_of_fold_warns():
    rows = 400
    ids = [str(row) for row in range(rows)]
    sample = submission.parse("id,Label\n" + "".join(f"{name},cat\n" for name in ids))
    held_out = np.eye(3)[np.arange(rows) % 3]
    for shift, state in ((0, "passed"), (280, "warned")):
        shifted = np.eye(3)[np.where(np.arange(rows) < shift, 0, np.arange(rows) % 3)]
        frame = submission.build(PLAIN, sample, ids, shifted)
        done = {check.name: check for check in submission.check(PLAIN, frame, sample, held_out)}
        assert done["class mix"].state == state
    assert "'cat' 33.5% → " in done["class mix"].text


def test_grade_says_what_is_missing_or_unreadable():
    frame = submission.parse(GOLDEN["label"])
    with pytest.raises(config.Mistake, match="1 ids of the answers"):
        submission.grade(PLAIN, frame.iloc[1:], submission.parse(ANSWERS["label"]))
    with pytest.raises(config.Mistake, match="no prediction"):
        submission.grade(PLAIN, submission.parse(GOLDEN["label"].replace("NA,cat", "NA,")), submission.parse(ANSWERS["label"]))
