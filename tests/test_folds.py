"""Folds: nobody validates himself, bound rows never split, classes are spread, samples nest."""

import numpy as np
import pandas as pd
import pytest

from clf import folds


def table(rows: int, classes: int, seed: int, group: int = 0, clusters: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": [f"{row:05d}" for row in range(rows)], "label": rng.integers(0, classes, rows).astype(str)})
    frame["cluster"] = np.where(rng.random(rows) < 0.1, rng.integers(0, max(1, clusters), rows).astype(str), "") if clusters else ""
    if group:
        frame["group"] = rng.integers(0, group, rows).astype(str)
    return frame


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("holdout", [0.0, 0.1])
@pytest.mark.parametrize(("group", "clusters"), [(0, 0), (40, 0), (0, 30), (60, 30)])
def test_no_row_validates_itself_and_bound_rows_stay_together(seed, holdout, group, clusters):
    train = table(600, 3, seed, group, clusters)
    drawn = folds.draw(train, holdout=holdout, seed=seed)
    assert drawn.id.tolist() == train.id.tolist()
    for column in ("group", "cluster"):
        if column in train:
            named = train[column] != ""
            assert (drawn.fold[named].groupby(train[column][named]).nunique() == 1).all()
    seen = []
    for key in folds.keys(drawn):
        rows, valid = folds.rows(drawn, key)
        assert not set(rows) & set(valid)
        seen += valid.tolist()
    locked = np.flatnonzero(drawn.fold == folds.HOLDOUT)
    full, nothing = folds.rows(drawn, "full")
    assert sorted([*seen, *locked]) == list(range(600))
    assert not len(nothing)
    assert not set(full) & set(locked)
    assert bool(len(locked)) == bool(holdout)


def test_classes_are_spread_evenly_without_groups():
    drawn = folds.draw(table(1000, 4, 0))
    counts = pd.crosstab(table(1000, 4, 0).label, drawn.fold)
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1


def test_a_class_with_one_row_and_a_class_with_two_do_not_crash():
    train = table(100, 2, 0)
    train.loc[0, "label"], train.loc[[1, 2], "label"] = "rare", "pair"
    drawn = folds.draw(train)
    assert set(drawn.fold) == set("01234")
    assert "not in every fold: pair, rare" in folds.summary(drawn, train)


def test_every_prefix_of_the_sample_is_stratified_and_samples_nest():
    train = table(2000, 2, 1)
    train.label = np.where(np.arange(2000) < 200, "few", "many")
    ranks = folds.draw(train, holdout=0.1)["sample"].astype(int)
    assert sorted(ranks) == list(range(2000))
    for size in (100, 400, 1000):
        share = (train.label[ranks < size] == "few").mean()
        assert abs(share - 0.1) < 0.02
    assert (folds.draw(train, holdout=0.1).fold[ranks < 1500] != folds.HOLDOUT).all()


def test_the_same_table_gives_the_same_folds():
    train = table(300, 3, 2, group=20)
    pd.testing.assert_frame_equal(folds.draw(train), folds.draw(train))
