"""06's judgement on stored predictions: worthless changes are dropped, a large gain is kept, a user's config.toml stays."""

import dataclasses

import numpy as np
import pytest
from test_runs import CLASSES, place  # noqa: F401  the fixture

from clf import config, paths, problem, runs, search


def stored_trial(where, trial, right: float, seed: int, key: str = "0") -> paths.Run:
    """A whole run whose predictions are right for a share `right` of fold 0's rows; a full one validates none."""
    run = runs.open_run(where, trial.settled)
    rows = np.arange(0, 3000, 5)
    rng = np.random.default_rng(seed)
    codes = np.where(rng.random(len(rows)) < right, rows % 3, (rows + 1) % 3)
    paths.write_json(run.fold(key).plan, {"steps": 70, "steps_per_epoch": 20})
    paths.write_json(run.fold(key).record, {"seconds": 1.0})
    if key != "full":
        paths.write_predictions(run.fold(key).valid, rows, np.eye(3, dtype=np.float32)[codes] * 0.8 + 0.2 / 3)
    paths.write_predictions(run.fold(key).test, np.arange(12), np.full((12, 3), 1 / 3, np.float32))
    runs.finish(where, run, trial.settled, 1.0)
    return run


@pytest.fixture
def wide(place):  # noqa: F811
    """As `place`, with 3,000 rows."""
    train = "id,label,cluster\n" + "".join(f"{row},{CLASSES[row % 3]},\n" for row in range(3000))
    paths.write_text(place.train, train)
    paths.write_text(place.folds, "id,fold,sample\n" + "".join(f"{row},{row % 5},{row}\n" for row in range(3000)))
    return place


def tried(where, rights: list[float]):
    trials = search.trials(runs.settle(where, config.Config(minutes=5.0, width=1.0)))
    return [(trial, stored_trial(where, trial, right, number)) for number, (trial, right) in enumerate(zip(trials, rights, strict=False))]


def test_trials_share_the_budget_and_differ_in_one_thing_each(wide):
    base, seed, *changes = [trial.settled for trial in search.trials(runs.settle(wide, config.Config(minutes=5.0, width=1.0)))]
    assert len(changes) >= 3
    assert {each.minutes for each in (base, seed, *changes)} == {base.minutes}
    assert 4.3 < base.minutes * (2 + len(changes)) <= 5
    assert dataclasses.replace(seed, seed=0) == base
    for each in changes:
        assert sum(value != getattr(base, name) for name, value in dataclasses.asdict(each).items()) == 1
    by_epochs = search.trials(runs.settle(wide, config.Config(epochs=10.0)))
    assert {trial.settled.epochs for trial in by_epochs} == {2.0}


def test_a_width_that_follows_the_budget_is_not_tried(wide):
    def names(**words):
        return {trial.name for trial in search.trials(runs.settle(wide, config.Config(model="airbench", **words)))}

    assert names(minutes=5.0) == names(minutes=5.0, width=1.0) - {"wider network"} == names(epochs=10.0) - {"wider network"}
    assert "wider network" in names(epochs=10.0)


def test_worthless_changes_are_dropped(wide):
    table = search.judge(wide, tried(wide, [0.80, 0.80, 0.80, 0.80, 0.80]))
    assert not any(line["kept"] for line in table)


def test_where_the_base_alone_was_trained_nothing_is_judged_and_the_reason_said(wide):
    table = search.judge(wide, tried(wide, [0.80])[:1])
    assert [line["gain"] for line in table] == [None]
    assert search.keep(wide, table, {}) == ("", "nothing tried: minutes= leaves each of 5 trials fewer than 20 steps on this machine")


def test_a_large_gain_is_kept_and_only_the_largest(wide):
    table = search.judge(wide, tried(wide, [0.70, 0.70, 0.80, 0.90, 0.60]))
    assert [line["kept"] for line in table] == [False, False, False, True, False]
    assert table[3]["gain"] == pytest.approx(0.2, abs=0.05)
    assert table[4]["gain"] < 0
    assert "stronger augmentation" in search.text(table)


def test_a_gain_below_the_difference_of_two_seeds_is_dropped(wide):
    calm, wild = (search.judge(wide, tried(wide, rights)) for rights in ([0.70, 0.70, 0.85, 0.7, 0.7], [0.60, 0.80, 0.85, 0.80, 0.80]))
    assert calm[2]["kept"]
    assert wild[2]["gain_high"] - wild[2]["gain_low"] > 2 * (calm[2]["gain_high"] - calm[2]["gain_low"])
    assert not any(line["kept"] for line in wild)


def test_for_a_loss_less_is_a_gain(wide):
    wide.problem.write_text(wide.problem.read_text().replace('value = "accuracy"', 'value = "log_loss"'))
    assert problem.read(wide.problem).metric == "log_loss"
    runs_tried = tried(wide, [0.70, 0.70, 0.90, 0.70, 0.70])
    table = search.judge(wide, runs_tried)
    assert table[2]["kept"]
    assert table[2]["score"] < table[0]["score"]
    assert search.best_run(wide, "0", runs_tried[0][1]) == table[2]["run"]


@pytest.mark.parametrize("metric", ["samples_f1", "macro_f1"])  # the mean of the rows' shares, and not
def test_labels_of_which_a_picture_has_several_are_judged_alike(wide, metric):
    several = dataclasses.replace(problem.read(wide.problem), kind="multilabel", separator=" ", style="labels", metric=metric)
    problem.write(wide.problem, several, {})
    table = search.judge(wide, tried(wide, [0.70, 0.70, 0.80, 0.70, 0.60]))
    assert [line["kept"] for line in table] == [False, False, True, False, False]
    assert table[2]["gain"] == pytest.approx(0.1, abs=0.05)
    assert table[2]["gain_low"] < table[2]["gain"] < table[2]["gain_high"]


def test_the_best_run_is_one_that_trained_what_was_asked_where_there_is_one(wide):
    runs_tried = tried(wide, [0.70, 0.90, 0.70, 0.70, 0.70])
    assert search.best_run(wide, "full", runs_tried[0][1]) == runs_tried[1][1].name
    full = stored_trial(
        wide, dataclasses.replace(runs_tried[0][0], settled=runs.settle(wide, config.Config(fold="full", minutes=5.0, width=1.0))), 0.7, 0, "full"
    )
    assert search.best_run(wide, "full", runs_tried[0][1]) == full.name
    assert search.best_run(wide, "0", runs_tried[0][1]) == runs_tried[1][1].name


def test_a_kept_change_is_written_and_06_never_overwrites_a_config_that_is_not_its_own(wide):
    kept = {"change": "wider network", "settings": {"width": 1.5}, "gain": 0.1, "gain_low": 0.09, "gain_high": 0.11, "kept": True}
    written, summary = search.keep(wide, [kept], {})
    assert config.read_toml(wide.config) == {"width": 1.5}
    assert "make train uses it" in summary
    paths.write_json(wide.improve, {"config_hash": written})
    mixing = kept | {"change": "mixing", "settings": {"mix": "cutmix"}}
    written, _ = search.keep(wide, [mixing], {"width": 1.5})
    assert config.read_toml(wide.config) == {"width": 1.5, "mix": "cutmix"}
    paths.write_json(wide.improve, {"config_hash": written})
    written, _ = search.keep(wide, [kept | {"kept": False}], {"width": 1.5, "mix": "cutmix"})
    paths.write_json(wide.improve, {"config_hash": written})
    assert config.read_toml(wide.config) == {"width": 1.5, "mix": "cutmix"}
    assert search.keep(wide, [kept | {"kept": False}], {})[0] == ""
    assert not wide.config.exists()
    wide.config.write_text("seed = 4  # mine\n")
    for line in (kept, kept | {"kept": False}):
        written, summary = search.keep(wide, [line], {})
        assert wide.config.read_text() == "seed = 4  # mine\n"
        assert written == ""
        assert ("add width = 1.5" in summary) == line["kept"]
