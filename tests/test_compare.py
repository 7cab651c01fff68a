"""`make compare`: arms of stored runs, what is refused, and what is said."""

import dataclasses
import re

import numpy as np
import pytest
from test_runs import place  # noqa: F401  the fixture
from test_search import wide  # noqa: F401  the fixture

from clf import compare, config, paths, runs, standing
from clf.config import Mistake


def stored(where, name: str, right: float, *, luck: int = 0, **settings) -> paths.Run:
    """A whole run on folds that is right for such a share of the rows; each training errs on other ones."""
    settled = runs.settle(where, config.Config(**{"epochs": 4.0, **settings}))
    run, fold = runs.open_run(where, settled, name), np.arange(3000) % 5
    generator = np.random.default_rng(luck)
    for key in runs.fold_keys(where, settled):
        rows = np.flatnonzero(fold == int(key[0])) if key[0].isdigit() else np.empty(0, int)
        codes = np.where(generator.random(len(rows)) < right, rows % 3, (rows + 1) % 3)
        paths.write_json(run.fold(key).plan, {"steps": 80, "steps_per_epoch": 20})
        paths.write_json(run.fold(key).record, {"seconds": 10.0})
        if len(rows):
            paths.write_predictions(run.fold(key).valid, rows, np.eye(3, dtype=np.float32)[codes] * 0.8 + 0.2 / 3)
        paths.write_predictions(run.fold(key).test, np.arange(12), np.full((12, 3), 1 / 3, np.float32))
    runs.finish(where, run, settled, 1.0)
    return run


def test_a_large_gain_is_told_from_luck(wide):  # noqa: F811
    stored(wide, "a", 0.80, fold="all")
    stored(wide, "b", 0.81, fold="all", luck=1, width=1.5)
    stored(wide, "c", 0.90, fold="all", luck=2, width=2.0)
    luck, better = (compare.compared(wide, "a", name) for name in "bc")
    assert not luck.gain.real
    assert better.gain.real
    assert better.gain.gain == pytest.approx(0.1, abs=0.03)
    assert (better.rows, better.folds, better.noise) == (3000, tuple("01234"), None)
    assert "c is better" in compare.verdict(better.gain, "a", "c")
    assert "c is better" in compare.verdict(compare.compared(wide, "c", "a").gain, "c", "a")
    assert "stay with a" in compare.verdict(luck.gain, "a", "b")
    assert "equal budget" in compare.text(better)
    assert "NOT" not in compare.text(better)


def test_only_folds_that_both_validated_count_and_seeds_are_repeats(wide):  # noqa: F811
    stored(wide, "a", 0.80, fold="all", seeds=2)
    stored(wide, "b", 0.80, fold="2", width=1.5, luck=1)
    found = compare.compared(wide, "a", "b")
    assert (found.folds, found.rows, found.first.repeats, found.second.repeats) == (("2",), 600, 2, 1)
    assert found.noise.freedom == 5  # each fold of a was trained twice
    assert found.noise.trainings == 10
    assert found.first.low < found.first.score < found.first.high


def test_runs_that_differ_in_the_seed_only_are_repeats_and_what_they_showed_outlives_them(wide):  # noqa: F811
    for seed in range(3):
        stored(wide, f"s{seed}", 0.80, luck=seed, seed=seed)
    stored(wide, "longer", 0.80, luck=9, epochs=8.0)
    on = compare.bench(wide)
    measured = compare.noise(on)
    assert (measured.freedom, measured.trainings) == (2, 3)
    for name in ("s1", "s2"):
        wide.run(name).identity.unlink()
    assert compare.noise(on) == measured
    paths.write_text(wide.folds, wide.folds.read_text().replace("\n0,0,", "\n0,1,"))
    assert compare.noise(compare.bench(wide)) is None


def test_what_cannot_be_compared_is_refused_with_the_reason(wide):  # noqa: F811
    stored(wide, "a", 0.8, fold="0")
    stored(wide, "b", 0.8, fold="1", width=1.5)
    stored(wide, "everything", 0.8, fold="full")
    with pytest.raises(Mistake, match="a validates fold 0 and b validates fold 1: no fold is shared"):
        compare.compared(wide, "a", "b")
    with pytest.raises(Mistake, match="everything validates nothing"):
        compare.compared(wide, "a", "everything")
    with pytest.raises(Mistake, match=r"run 'nope' is not whole, or not there. Whole runs: a, b, everything"):
        compare.compared(wide, "a", "nope")
    paths.write_text(wide.folds, wide.folds.read_text().replace("\n0,0,", "\n0,1,"))
    with pytest.raises(Mistake, match="other tables or folds than those of now"):
        compare.compared(wide, "a", "b")
    stored(wide, "c", 0.8, fold="0", width=2.0)
    with pytest.raises(Mistake, match=r"a and c were made on another folds\.csv"):
        compare.compared(wide, "a", "c")


def test_unequal_budgets_are_said(wide):  # noqa: F811
    for name, width in (("a", 1.0), ("b", 1.5)):
        stored(wide, name, 0.8, width=width)
    found = compare.compared(wide, "a", "b")
    longer = dataclasses.replace(found.second, epochs=12.0, seconds=30.0)
    assert "NOT an equal budget (4.0 epochs in 10 s a training against 12.0 in 30 s)" in compare.budget_text(found.first, longer)
    assert compare.budget_text(found.first, dataclasses.replace(longer, seconds=10.5)).startswith("equal budget")


def test_a_runs_page_says_how_it_stands_against_the_best_other_one(wide):  # noqa: F811
    stored(wide, "a", 0.80, fold="all")
    better = stored(wide, "b", 0.90, fold="all", luck=1, width=1.5)
    alike = stored(wide, "c", 0.90, fold="all", luck=2, width=2.0)
    said = standing.gain_text(wide, better)
    assert said.startswith("Against c, the best other run: gain ")
    assert said.endswith("not told from luck.")
    alike.score.unlink()
    assert re.match(r"Against a, the best other run: gain \+0\.1.*more than luck\.", standing.gain_text(wide, better))
    assert re.match(r"Against b, the best other run: gain -0\.1.*more than luck\.", standing.gain_text(wide, wide.run("a")))
    other = stored(wide, "d", 0.95, fold="3", width=3.0)
    assert standing.gain_text(wide, other).startswith("Against b, the best other run: gain +0.0")
