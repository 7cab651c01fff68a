"""Runs: their names, why a new one is made, predictions put back by row."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from clf import decisions, errors, metrics, paths, problem, runs, tables, targets
from clf.config import Config, Mistake

CLASSES = ("a", "b", "c")


@pytest.fixture
def place(scratch):
    """A prepared competition: 30 training rows in five folds, 12 test rows."""
    place = paths.Place("x")
    labels = [CLASSES[row % 3] for row in range(30)]
    ids = [f"{row:03d}" for row in range(30)]
    tables.write(place.train, pd.DataFrame({"id": ids, "label": labels, "cluster": ""}))
    tables.write(place.test, pd.DataFrame({"id": [f"t{row}" for row in range(12)]}))
    tables.write(place.pictures, pd.DataFrame({"part": ["train"], "id": ["000"], "path": ["0.png"], "row": ["0"]}))
    tables.write(place.folds, pd.DataFrame({"id": ids, "fold": [str(row % 5) for row in range(30)], "sample": [str(row) for row in range(30)]}))
    empty = {str: "", int: 0, bool: False}
    values = {name: empty.get(field.type, ()) for name, field in problem.FIELDS.items()}
    values |= {"competition": "x", "classes": CLASSES, "columns": ("label",), "metric": "accuracy", "kind": "multiclass", "style": "label"}
    values |= {"id_column": "id", "submission_file": "sample_submission.csv", "layout": "table"}
    values |= {"channels": 3, "side": 32, "fit": "squash", "flip_horizontal": True, "flip_vertical": False}
    problem.write(place.problem, problem.Problem(**values), dict.fromkeys(problem.FIELDS, "a test"))
    paths.write_json(place.prepare_record, {"side": 32, "fit": "squash"})
    return place


def settled(place, **changes) -> Config:
    return runs.settle(place, Config(**changes))


def finish_fold(run: paths.Run, key: str, valid: np.ndarray, test: np.ndarray, seed: int, **plan) -> np.ndarray:
    """Writes predictions and the plan of a fold; returns the test part."""
    paths.write_json(run.fold(key).plan, {"steps": 70, "steps_per_epoch": 20} | plan)
    rng = np.random.default_rng(seed)
    if len(valid):
        paths.write_predictions(run.fold(key).valid, valid, rng.dirichlet([1, 1, 1], len(valid)).astype(np.float32))
    values = rng.dirichlet([1, 1, 1], len(test)).astype(np.float32)
    paths.write_predictions(run.fold(key).test, test, values)
    return values


def test_auto_is_settled_by_store_problem_and_gpu(place, monkeypatch):
    monkeypatch.setattr(runs, "gpus", lambda: [])
    assert (settled(place).model, settled(place).epochs) == ("airbench", 20.0)
    paths.write_json(place.prepare_record, {"side": 64, "fit": "crop"})
    assert settled(place).model == "resnet10"
    paths.write_json(place.prepare_record, {"side": 160, "fit": "crop"})
    assert settled(place, minutes=3.0).model == "resnet10"
    monkeypatch.setattr(runs, "gpus", lambda: ["0"])
    assert settled(place, minutes=3.0).model == "resnet18_v2"
    assert settled(place, minutes=3.0).epochs == 0.0


def test_an_image_size_above_the_store_names_the_command_that_packs_a_larger_one(place):
    with pytest.raises(Mistake, match=r"make prepare COMPETITION=x side=64"):
        settled(place, image_size=64)


def test_an_unknown_fold_lists_the_choices(place):
    with pytest.raises(Mistake, match="fold=7 is none of 0, 1, 2, 3, 4, all, full"):
        settled(place, fold="7")


def test_the_same_command_continues_and_a_changed_line_of_code_is_a_new_run_with_the_reason(place, monkeypatch, capsys):
    first = runs.open_run(place, settled(place))
    assert first.name.startswith("airbench-")
    assert runs.open_run(place, settled(place)) == first
    assert "continues" in capsys.readouterr().out
    code = paths.code("train")
    assert "clf/augment.py" in code
    monkeypatch.setattr(paths, "code", lambda *modules: code | {"clf/augment.py": paths.hash_text("changed")})
    second = runs.open_run(place, settled(place))
    assert second != first
    assert f"since {first.name}, clf/augment.py changed" in capsys.readouterr().out


def test_a_changed_class_order_and_changed_folds_are_another_run(place):
    first = runs.open_run(place, settled(place))
    text = place.problem.read_text()
    place.problem.write_text(text.replace('["a", "b", "c"]', '["c", "b", "a"]'))
    assert problem.read(place.problem).classes == ("c", "b", "a")
    second = runs.open_run(place, settled(place))
    place.folds.write_text(place.folds.read_text().replace("000,0,", "000,1,"))
    assert len({first.name, second.name, runs.open_run(place, settled(place)).name}) == 3


def test_a_given_name_that_holds_other_settings_stops_and_shows_the_difference(place):
    runs.open_run(place, settled(place), "mine")
    assert runs.open_run(place, settled(place), "mine").name == "mine"
    with pytest.raises(Mistake, match=r"run=mine exists .*epochs was 20.0, is 3.0"):
        runs.open_run(place, settled(place, epochs=3.0), "mine")


def test_out_of_fold_rows_come_back_to_their_places_and_test_rows_are_averaged(place):
    wanted = settled(place, fold="all")
    run = runs.open_run(place, wanted)
    test = np.array([0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11])  # row 3 has no picture
    parts = [finish_fold(run, key, np.flatnonzero(np.arange(30) % 5 == int(key)), test, int(key)) for key in "01234"]
    score = runs.finish(place, run, wanted, 1.0)
    held = runs.predictions(place, problem.read(place.problem), run.name)
    assert sorted(held.valid_rows) == list(range(30))
    assert held.test_rows.tolist() == test.tolist()
    np.testing.assert_allclose(held.test, np.mean(parts, axis=0), atol=1e-7)
    codes = np.arange(30) % 3
    assert score["score"] == pytest.approx((held.valid.argmax(1) == codes[held.valid_rows]).mean())
    assert score["rows"] == 30
    assert score["low"] <= score["score"] <= score["high"]


def test_seeds_are_trained_per_fold_and_averaged_before_they_are_scored(place):
    wanted = settled(place, fold="0", seeds=2, seed=7)
    assert runs.fold_keys(place, wanted) == ["0", "0.1"]
    assert [runs.seed_of(wanted, key) for key in ("0", "0.1")] == [7, 8]
    assert runs.fold_keys(place, settled(place, fold="full", seeds=2)) == ["full", "full.1"]
    run = runs.open_run(place, wanted)
    valid, test = np.arange(0, 30, 5), np.arange(12)
    tests = [finish_fold(run, key, valid, test, seed) for seed, key in enumerate(("0", "0.1"))]
    score = runs.finish(place, run, wanted, 1.0)
    held = runs.predictions(place, problem.read(place.problem), run.name)
    parts = [paths.read_predictions(run.fold(key).valid)[1] for key in ("0", "0.1")]
    assert held.valid_rows.tolist() == valid.tolist()
    np.testing.assert_allclose(held.valid, np.mean(parts, axis=0))
    np.testing.assert_allclose(held.test, np.mean(tests, axis=0), atol=1e-7)
    assert score["rows"] == len(valid)
    assert score["score"] == pytest.approx((held.valid.argmax(1) == valid % 3).mean())
    assert list(score["folds"]) == ["0", "0.1"]


LABELS = ("x", "y", "z")


@pytest.fixture
def many_labels(place):
    """As `place`, with 300 rows of three labels each present or not, whose probabilities lie far below one half."""
    question = dataclasses.replace(problem.read(place.problem), kind="multilabel", classes=LABELS, separator=" ", metric="samples_f1", style="labels")
    problem.write(place.problem, question, {})
    rng = np.random.default_rng(0)
    truth = rng.random((300, 3)) < 0.7
    truth[~truth.any(1), 0] = True
    labels = [" ".join(name for name, there in zip(LABELS, row, strict=True) if there) for row in truth]
    ids = [str(row) for row in range(300)]
    tables.write(place.train, pd.DataFrame({"id": ids, "label": labels, "cluster": ""}))
    tables.write(place.folds, pd.DataFrame({"id": ids, "fold": [str(row % 2) for row in range(300)], "sample": ids}))
    predicted = np.where(truth, 0.3, 0.15) + rng.uniform(-0.05, 0.05, truth.shape)
    return place, predicted.astype(np.float32)


def stored(where, predicted: np.ndarray, fold: str) -> tuple[paths.Run, dict]:
    """A whole run with these predictions of the training rows; and its score."""
    wanted = settled(where, fold=fold)
    run = runs.open_run(where, wanted)
    for key in runs.fold_keys(where, wanted):
        valid = np.flatnonzero(np.arange(len(predicted)) % 2 == int(key))
        paths.write_predictions(run.fold(key).valid, valid, predicted[valid])
        paths.write_predictions(run.fold(key).test, np.arange(12), predicted[:12])
        paths.write_text(run.fold(key).history, "")
        paths.write_json(run.fold(key).plan, {"steps": 70, "steps_per_epoch": 20})
    return run, runs.finish(where, run, wanted, 1.0)


@pytest.mark.parametrize("fold", ["0", "all"])
def test_a_metric_that_fits_its_decisions_is_scored_by_cuts_of_other_rows(many_labels, fold):
    """Thresholds of one half would give the likeliest label alone."""
    place, predicted = many_labels
    question = problem.read(place.problem)
    run, score = stored(place, predicted, fold)
    found = runs.predictions(place, question, run.name)
    train = tables.read(place.train)
    truth = targets.truth(question, train.label)[found.valid_rows]
    default = runs.evaluate(question, truth, found.valid)["score"]
    assert default < 0.85
    assert score["score"] > default + 0.1
    assert score["low"] <= score["score"] <= score["high"]
    assert min(score["folds"].values()) > default + 0.1
    metric = metrics.METRICS["samples_f1"]
    asked = dataclasses.replace(runs.asked(question), cuts=runs.cuts(question, train, found))
    assert metric.score(truth, found.valid, asked) >= score["score"] - 1e-9
    assert errors.confusion(errors.held(place, run, question, found)) is None


def test_worthless_predictions_gain_nothing_by_their_cuts(many_labels):
    """Cuts that had seen the rows which they decide would look better than they are; of one fold its halves keep them apart."""
    place, _ = many_labels
    question = problem.read(place.problem)
    rng = np.random.default_rng(1)
    truth = (rng.random((40, 2)) < 0.5).astype(np.float32)
    noise = rng.random((200, 40, 2))
    metric, asked = metrics.METRICS["samples_f1"], runs.asked(question)
    parts = runs.honest_parts(np.full(40, "3"))
    assert sorted(np.bincount(parts)) == [20, 20]
    np.testing.assert_array_equal(parts, runs.honest_parts(np.full(40, "4")))
    honest, seen = [], []
    for each in noise:
        honest.append(metric.score(truth, runs.decided(question, truth, each, parts), asked))
        seen.append(metric.score(truth, each, dataclasses.replace(asked, cuts=decisions.fit_cuts(metric, truth, each, asked))))
    always = metric.score(truth, np.ones((40, 2)), asked)
    assert np.mean(honest) <= always + 0.005
    assert np.mean(seen) > np.mean(honest)


def test_cuts_of_a_metric_without_any_and_of_a_full_run_are_none(place, many_labels):
    question = problem.read(place.problem)
    run, _ = stored(place, many_labels[1], "all")
    found, train = runs.predictions(place, question, run.name), tables.read(place.train)
    assert runs.cuts(dataclasses.replace(question, metric="roc_auc"), train, found) is None
    full = dataclasses.replace(found, valid_rows=np.empty(0, int), valid=np.empty((0, 3)))
    assert runs.cuts(question, train, full) is None


def test_a_full_run_is_decided_by_the_numbers_of_the_same_settings_on_folds(many_labels):
    place, predicted = many_labels
    question, train = problem.read(place.problem), tables.read(place.train)
    run, _ = stored(place, predicted, "all")
    on_folds = runs.predictions(place, question, run.name)
    wanted = settled(place, fold="full")
    whole = runs.open_run(place, wanted)
    finish_fold(whole, "full", np.empty(0, int), np.arange(12), 1)
    runs.finish(place, whole, wanted, 1.0)
    found = runs.predictions(place, question, whole.name)
    assert not len(found.valid)
    np.testing.assert_array_equal(found.like, on_folds.valid)
    truth = targets.truth(question, train.label)[on_folds.valid_rows]
    fitted = decisions.fit_cuts(metrics.METRICS["samples_f1"], truth, on_folds.valid, runs.asked(question))
    np.testing.assert_array_equal(runs.cuts(question, train, found), fitted)


def test_the_folds_of_a_log_loss_are_blended_by_their_logits_and_its_labels_are_not_smoothed(place):
    assert settled(place).label_smoothing == 0.1
    problem.write(place.problem, dataclasses.replace(problem.read(place.problem), metric="log_loss"), dict.fromkeys(problem.FIELDS, "a test"))
    assert settled(place).label_smoothing == 0
    assert settled(place, label_smoothing=0.2).label_smoothing == 0.2
    wanted = settled(place, fold="all")
    run = runs.open_run(place, wanted)
    parts = [finish_fold(run, key, np.flatnonzero(np.arange(30) % 5 == int(key)), np.arange(12), int(key)) for key in "01234"]
    runs.finish(place, run, wanted, 1.0)
    mean = np.exp(np.mean(np.log(np.clip(parts, 1e-15, 1)), axis=0))
    found = runs.predictions(place, problem.read(place.problem), run.name)
    np.testing.assert_allclose(found.test, mean / mean.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(found.test_parts, parts)


def test_a_fold_whose_rows_leave_the_metric_undefined_is_said_and_the_others_count(place, capsys):
    problem.write(place.problem, dataclasses.replace(problem.read(place.problem), metric="roc_auc"), dict.fromkeys(problem.FIELDS, "a test"))
    wanted = settled(place, fold="all")
    run = runs.open_run(place, wanted)
    for key in "01234":
        rows = np.arange(0, 12, 3) if key == "0" else np.arange(int(key), 30, 7)  # labels repeat after three rows
        finish_fold(run, key, rows, np.arange(12), int(key))
    score = runs.finish(place, run, wanted, 1.0)
    assert np.isnan(score["folds"]["0"])
    assert np.isfinite([score["score"], *[score["folds"][key] for key in "1234"]]).all()
    said = [line for line in capsys.readouterr().out.splitlines() if "not defined" in line]
    assert len(said) == 1
    assert "fold 0: area under the ROC curve is not defined for its rows" in said[0]


def test_ranks_are_those_that_the_submission_has_room_for(place):
    question = problem.read(place.problem)
    plain = runs.asked(question)
    assert (plain.kind, plain.positive, plain.ranks, plain.cuts) == ("multiclass", 2, metrics.Asked.ranks, None)
    ranking = dataclasses.replace(question, style="ranking", ranks=3)
    assert runs.asked(ranking).ranks == 3


def test_first_weights_are_part_of_a_run_by_their_content(place, tmp_path):
    other = paths.Fold(tmp_path / "there" / "fold0")
    paths.write_text(other.weights, "one")
    wanted = settled(place, weights=str(tmp_path / "there"))
    first = runs.identity(place, wanted)
    paths.write_text(other.weights, "another")
    assert paths.difference(first, runs.identity(place, wanted)) == "first weights changed"
    with pytest.raises(Mistake, match="holds no trained weights"):
        runs.identity(place, settled(place, weights=str(tmp_path / "nowhere")))


def test_a_full_run_expects_the_score_of_the_folds_with_the_same_settings(place):
    wanted = settled(place, fold="0")
    run = runs.open_run(place, wanted)
    finish_fold(run, "0", np.arange(0, 30, 5), np.arange(12), 0)
    score = runs.finish(place, run, wanted, 1.0)
    full = settled(place, fold="full")
    assert full.epochs == 3.5
    whole = runs.open_run(place, full)
    finish_fold(whole, "full", np.empty(0, int), np.arange(12), 1)
    expected = runs.finish(place, whole, full, 1.0)
    assert (expected["score"], expected["rows"]) == (score["score"], 0)
    assert "expected from the folds" in runs.score_text(expected)
    other = settled(place, fold="full", width=2.0)
    odd = runs.open_run(place, other)
    finish_fold(odd, "full", np.empty(0, int), np.arange(12), 1)
    assert runs.finish(place, odd, other, 1.0)["score"] is None


@pytest.mark.parametrize(
    ("plan", "known"),
    [({"steps": 105}, True), ({"steps": 106}, False), ({"steps": 46}, False), ({"width": 0.5}, False), ({"mix": "both"}, False)],
)
def test_a_full_run_expects_nothing_of_folds_that_were_trained_otherwise(place, plan, known):
    """As where folds had a minute and the full run an hour: neither their score nor their temperature would be its own."""
    wanted = settled(place, fold="0", minutes=1.0)
    run = runs.open_run(place, wanted)
    finish_fold(run, "0", np.arange(0, 30, 5), np.arange(12), 0, width=1.0)
    runs.finish(place, run, wanted, 1.0)
    full = settled(place, fold="full", minutes=60.0)
    whole = runs.open_run(place, full)
    finish_fold(whole, "full", np.empty(0, int), np.arange(12), 1, **{"width": 1.0} | plan)
    assert (runs.finish(place, whole, full, 1.0)["score"] is not None) == known
    assert (runs.predictions(place, problem.read(place.problem), whole.name).like is not None) == known


def test_best_is_the_one_that_06_names_else_the_newest(place):
    with pytest.raises(Mistake, match="make train COMPETITION=x"):
        runs.best(place)
    names = []
    for seed in (0, 1):
        wanted = settled(place, seed=seed)
        run = runs.open_run(place, wanted)
        finish_fold(run, "0", np.arange(0, 30, 5), np.arange(12), seed)
        runs.finish(place, run, wanted, 1.0)
        names.append(run.name)
    assert runs.best(place) == names[1]
    paths.write_json(place.improve, {"best": names[0]})
    assert runs.best(place) == names[0]


def test_predictions_for_another_problem_are_refused(place):
    wanted = settled(place)
    run = runs.open_run(place, wanted)
    finish_fold(run, "0", np.arange(0, 30, 5), np.arange(12), 0)
    runs.finish(place, run, wanted, 1.0)
    place.problem.write_text(place.problem.read_text().replace('["a", "b", "c"]', '["c", "b", "a"]'))
    with pytest.raises(Mistake, match=r"trained for another problem\.toml"):
        runs.predictions(place, problem.read(place.problem), run.name)
    with pytest.raises(Mistake, match="Whole runs: airbench-"):
        runs.predictions(place, problem.read(place.problem), "resnet10-none")
