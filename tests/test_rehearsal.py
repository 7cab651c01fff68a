"""A rehearsal of the zoo's layouts: the same question on fewer rows, nothing of the hidden test left in training, and a score at home."""

import os
import re
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

from clf import config, folds, hidden, images, metrics, paths, problem, rehearsal, submission, tables, targets
from clf.hidden import Slot
from tests import cases
from tests.zoo import harness
from tests.zoo.layouts import ZOO

FAST = (
    "aptos2019-blindness-detection",  # a table, ids are names without extension
    "plant-pathology-2020-fgvc7",  # columns; one folder for train and test
    "rsna-intracranial-hemorrhage-detection",  # long
    "plant-seedlings-classification",  # class folders
    "dogs-vs-cats-redux-kernels-edition",  # file names
    "digit-recognizer",  # pixels, ids count rows
    "herbarium-2020-fgvc7",  # COCO
    "statoil-iceberg-classifier-challenge",  # JSON records
    "human-protein-atlas-image-classification",  # four files for a picture
    "rsna-breast-cancer-detection",  # two pictures for a row of the submission, by a table
    "rsna-miccai-brain-tumor-radiogenomic-classification",  # a folder of pictures for an id
    "alaska2-image-steganalysis",  # groups by file name; corrections of the user's
)
OTHERS = [name for name in ZOO if name not in FAST]  # by the same paths


def explored(name: str, tmp_path, holdout: float = 0.2) -> tuple[paths.Place, paths.Place]:
    """The layout after 02, and its rehearsal after 02."""
    entry = ZOO[name]
    harness.build(entry, tmp_path / "built")
    place, question, asked = harness.ask(entry, tmp_path / "built")
    assert question is not None, asked
    rehearsal.make(place, holdout)
    there = rehearsal.of(place)
    assert harness.explore(there) == ""
    return place, there


def digests(place: paths.Place, part: str) -> pd.DataFrame:
    """`id, digest` of the content of every picture that can be read."""
    listed = tables.read(place.pictures)
    listed = listed[(listed.part == part) & (listed.row != "")]
    found = images.inspect(place.raw, list(listed.path), problem.read(place.problem).window).digests
    return pd.DataFrame({"id": listed.id.to_numpy(), "digest": found})


def check(place: paths.Place, there: paths.Place) -> None:
    """What must hold for a rehearsal of any layout."""
    assert [line for line in rehearsal.differences(place) if not line.startswith("flip_")] == []  # these follow from the pictures that are there
    question, answers = problem.read(there.problem), submission.load(there.answers)
    sample = submission.load(there.raw / question.submission_file)
    assert submission.header(sample) == submission.header(submission.load(place.raw / question.submission_file))
    assert list(answers[question.id_column]) == list(sample[question.id_column])
    assert set(tables.read(there.test).columns) == set(tables.read(place.test).columns)

    trained, asked, real = digests(there, "train"), digests(there, "test"), digests(place, "train")
    clusters = tables.read(place.train).set_index("id").cluster[real.id].to_numpy()
    unbound = set(real.digest[(clusters == "") & real.digest.duplicated(keep=False).to_numpy()])  # a cluster so large that 02 does not use it
    assert not set(trained.digest) & set(asked.digest) - unbound
    assert set(trained.digest) | set(asked.digest) == set(real.digest)

    aside = [set(rows.id[rows.part == "train"]) for rows in (tables.read(there.quarantine), tables.read(place.quarantine))]
    assert aside[0] <= aside[1]  # no labelled row without its picture

    labels = defaultdict(set)
    for digest, label in zip(real.digest, tables.read(place.train).set_index("id").label[real.id], strict=True):
        labels[digest].add(label)
    truth = dict(zip(submission.examples(question, answers), submission.read(question, answers), strict=True))
    of_row = tables.read(there.test).assign(row=lambda rows: rows.get("row", rows.id)).set_index("id").row
    for name, digest in zip(asked.id, asked.digest, strict=True):
        known = targets.dense(question, targets.truth(question, sorted(labels[digest])))
        if question.style in ("label", "ranking", "confidence"):
            known = (known == known.max(axis=1, keepdims=True)).astype(float)
        assert min(np.abs(known - truth[of_row[name]]).max(axis=1)) < 1e-5, name

    best = 1.0 if metrics.METRICS[question.metric].higher_is_better else 0.0
    assert submission.grade(question, answers, answers) == pytest.approx(best, abs=1e-6)


def leaks(place: paths.Place, there: paths.Place) -> list[str]:
    """Ids of rows that became hidden and that some text of the rehearsal still says; bare numbers may mean something else."""
    kept = set(digests(there, "train").digest)
    gone = digests(place, "train")
    gone = {name for name, digest in zip(gone.id, gone.digest, strict=True) if digest not in kept and not name.isdigit()}
    texts = [path.read_text(errors="replace") for path in paths.files(there.raw) if path.suffix in (".csv", ".json", ".txt", ".md")]
    words = {word for text in texts for word in re.findall(r"[^\s,\"']+", text)} | set(paths.names(there.raw))
    return sorted(gone & words)


@pytest.mark.parametrize("name", cases.part(FAST, 2))
def test_a_rehearsal_asks_the_same_of_fewer_rows(name, tmp_path):
    place, there = explored(name, tmp_path)
    check(place, there)
    assert leaks(place, there) == []


@pytest.mark.parametrize("name", cases.part(OTHERS, 5))
def test_a_rehearsal_asks_the_same_of_fewer_rows_in_the_other_layouts(name, tmp_path):
    place, there = explored(name, tmp_path)
    check(place, there)
    assert leaks(place, there) == []


@pytest.mark.parametrize("name", ["leaf-classification", "digit-recognizer", "rsna-breast-cancer-detection", "iwildcam-2020-fgvc7"])
def test_more_hidden_rows_than_the_test_has_get_further_places(name, tmp_path):
    """In one folder with training; rows of pixels; rows of a table; images of a JSON file."""
    place, there = explored(name, tmp_path, holdout=0.5)
    examples = tables.read(there.test)
    assert len(examples) > 1.2 * len(tables.read(place.test)) or name == "rsna-breast-cancer-detection"
    check(place, there)
    assert leaks(place, there) == []


@pytest.mark.parametrize("name", ["digit-recognizer", "petfinder-pawpularity-score", "rsna-intracranial-hemorrhage-detection"])
def test_a_run_is_graded_and_beats_the_prior(name, tmp_path):
    _, there = explored(name, tmp_path)
    question = problem.read(there.problem)
    harness.prepare(there, question)
    harness.quietly(harness.linear, there, question)
    said = harness.quietly(harness.script("07_submit").main, harness.script("07_submit").Words(competition=there.competition, run="linear"))
    found, metric = rehearsal.graded(there, "linear"), metrics.METRICS[question.metric]
    assert metrics.better(metric, found["score"], found["prior"])
    assert found["low"] <= found["score"] <= found["high"]
    assert f"hidden {question.metric} {found['score']:.4f} (95 % interval {found['low']:.4f}" in said
    assert "submit: not sent: " in said
    cv = paths.read_json(there.run("linear").score)["score"]
    assert rehearsal.leaderboard(there) == [{"run": "linear", "cv": cv, "score": found["score"]}]
    there.answers.write_text(there.answers.read_text() + "\n")  # other answers: the old score says nothing of them
    assert rehearsal.leaderboard(there) == []


def test_locked_rows_are_the_hidden_test_and_the_competitions_own_files_stay(tmp_path):
    harness.build(ZOO["aptos2019-blindness-detection"], tmp_path / "built")
    place, question, _ = harness.ask(ZOO["aptos2019-blindness-detection"], tmp_path / "built")
    train = tables.read(place.train)
    drawn = folds.draw(train, question, holdout=0.1)
    tables.write(place.folds, drawn)
    before = {name: (place.data / name).read_bytes() for name in paths.names(place.data)}
    said = rehearsal.make(place, 0.3)
    assert "the locked rows of folds.csv" in said
    assert {name: (place.data / name).read_bytes() for name in paths.names(place.data)} == before
    there = rehearsal.of(place)
    harness.explore(there)
    assert set(tables.read(there.train).id) == set(train.id[drawn.fold != folds.HOLDOUT])
    assert "nothing to do" in rehearsal.make(place, 0.3)
    linked = next(name for name in paths.names(there.raw) if name.startswith("train_images/"))
    assert os.path.samefile(place.raw / linked, there.raw / linked)


def test_corrections_are_carried_over_and_those_of_the_rehearsal_stay(tmp_path):
    place, there = explored("aptos2019-blindness-detection", tmp_path)
    text = there.problem.read_text()
    there.problem.write_text(text.replace('[fit]\nvalue = "', '[fit]\nvalue = "crop" # was "'))
    assert harness.explore(there) == ""
    text = place.problem.read_text()
    place.problem.write_text(re.sub(r"\[metric\]\nvalue = \"\w+\"", '[metric]\nvalue = "accuracy"', text))
    assert harness.explore(place) == ""
    assert "hidden test" in rehearsal.make(place, 0.2)
    assert harness.explore(there) == ""
    found = problem.read(there.problem)
    assert found.metric == "accuracy"
    assert found.fit == "crop"


def test_a_class_of_one_picture_stays_in_training(tmp_path):
    place, _ = explored("whale-categorization-playground", tmp_path)
    train, question = tables.read(place.train), problem.read(place.problem)
    single = train.label.map(train.label.value_counts()) == 1
    assert single.any()
    drawn = pd.DataFrame({"id": train.id, "fold": np.where(single | (np.arange(len(train)) % 5 == 0), folds.HOLDOUT, "0")})
    out, said = hidden.rows(train, question, drawn, 0.2)
    assert out.any()
    assert not out[single].any()
    assert set(train.label[~out]) == set(train.label)
    assert "stay in training" in said


def test_further_places_are_called_like_the_tests_own():
    generator = np.random.default_rng(0)
    for names, like in (
        (["7", "9"], r"1\d"),
        (["Test_08.png", "Test_09.png"], r"Test_\d\d\.png"),
        (["00ffa1", "9b3c02", "77e1d0"], r"[0-9a-f]{6}"),
    ):
        made = hidden.alike(names, 3, {"11"}, generator)
        assert len({*made, *names}) == 3 + len(names)
        assert "11" not in made
        assert all(re.fullmatch(like, name) for name in made), made
    slots = [Slot("12", ("test/0012/0.dcm", "test/0012/1.dcm")), Slot("13", ("test/0013/0.dcm",))]
    assert hidden.further(slots, 1, set(), generator)[0] == Slot("14", ("test/0014/0.dcm", "test/0014/1.dcm"), slots[0])


def test_the_verdict_says_what_the_hidden_score_means():
    cv = {"score": 0.9, "low": 0.88, "high": 0.92}
    for score, low, high, said in (
        (0.89, 0.8, 0.95, "can be trusted"),
        (0.86, 0.8, 0.93, "so few hidden rows explain that"),
        (0.7, 0.6, 0.8, "rows that validate are like rows that train"),
        (0.99, 0.98, 1.0, "better than the cross-validation's interval, by more"),
    ):
        assert said in rehearsal.verdict("accuracy", {"score": score, "low": low, "high": high}, cv)
    assert "nothing to compare" in rehearsal.verdict("accuracy", {"score": 1.0, "low": 1.0, "high": 1.0}, {"score": None, "low": None, "high": None})


def test_what_cannot_be_rehearsed_says_why(script, tmp_path):
    for words, said in (
        (("competition=x",), "make explore COMPETITION=x"),
        (("competition=x.rehearsal",), "is a rehearsal itself"),
        (("competition=x", "holdout=0.9"), "out of range"),
        (("competition=x", "minute=3"), "Did you mean minutes="),
    ):
        done = script("rehearse", *words)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    place = paths.Place("mine")
    found = rehearsal.offline({"KAGGLE_KEY": "secret", "no_proxy": "*", "HOME": "/h"}, rehearsal.of(place))
    assert "secret" not in found.values()
    assert found["https_proxy"] == found["HTTPS_PROXY"] == rehearsal.NOWHERE
    assert "no_proxy" not in found
    with pytest.raises(config.Mistake):
        rehearsal.of(paths.Place("mine.rehearsal"))


@pytest.mark.slow
@cases.long
def test_make_rehearse_ends_with_a_hidden_score_and_a_second_one_does_nothing(script, tmp_path, scratch):
    entry = ZOO["cifar-10"]
    harness.build(entry, tmp_path / "built")
    place, _, _ = harness.ask(entry, tmp_path / "built")
    words = ("competition=cifar-10", "model=resnet10", "width=0.25", "epochs=6", "batch_size=16", "sample=60", "seconds=1")
    first = script("rehearse", *words)
    assert first.returncode == 0, first.stdout + first.stderr
    there = rehearsal.of(place)
    run = paths.read_json(there.improve)["best"]
    score = rehearsal.leaderboard(there)[0]["score"]
    assert f"== {there.competition}, run {run}\nhidden accuracy {score:.4f}" in first.stdout
    again = script("rehearse", *words)
    assert again.returncode == 0, again.stderr
    for step in ("rehearse", "explore", "prepare", "sample", "train", "improve"):
        assert f"{step}: nothing to do" in again.stdout
    assert not there.ledger.exists()
    assert not place.folds.exists()
