"""Folds: nobody validates himself, bound rows never split, labels are spread, samples nest; for every kind of labels."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from clf import folds, problem
from clf.config import Mistake

KINDS = problem.KINDS


def asked(kind: str = "multiclass", classes: int = 3, group: str = "") -> SimpleNamespace:
    """What folds read of a problem."""
    names = tuple(str(number) for number in range(classes))
    return SimpleNamespace(competition="any", kind=kind, classes=names, separator=" " if kind == "multilabel" else "", group=group)


def cells(kind: str, rows: int, classes: int, rng: np.random.Generator) -> list[str]:
    """Labels as train.csv writes them; of sets the classes are of very different frequency, and some sets are empty."""
    if kind == "multilabel":
        there = rng.random((rows, classes)) < 0.6 / np.arange(1, classes + 1)
        return [" ".join(map(str, np.flatnonzero(row))) for row in there]
    if kind == "soft":
        return [" ".join(f"{share:.4f}" for share in row) for row in rng.dirichlet(np.ones(classes), rows)]
    if kind == "regression":
        return [" ".join(f"{value:.3f}" for value in row) for row in rng.lognormal(0, 1, (rows, classes))]
    return [str(number) for number in rng.integers(0, classes, rows)]


def table(rows: int, classes: int, seed: int, group: int = 0, clusters: int = 0, kind: str = "multiclass") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": [f"{row:05d}" for row in range(rows)], "label": cells(kind, rows, classes, rng)})
    frame["cluster"] = np.where(rng.random(rows) < 0.1, rng.integers(0, max(1, clusters), rows).astype(str), "") if clusters else ""
    if group:
        frame["group"] = np.floor(group * rng.random(rows) ** 2).astype(int).astype(str)  # of very different sizes
    return frame


@pytest.fixture(autouse=True)
def no_warning():
    """Rare classes and few groups are said in the summary, not by a library on the screen."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("holdout", [0.0, 0.1])
@pytest.mark.parametrize(("group", "clusters"), [(0, 0), (40, 0), (0, 30), (60, 30), (6, 0)])
def test_no_row_validates_itself_and_bound_rows_stay_together(kind, holdout, group, clusters):
    for seed in range(2):
        train, question = table(600, 3, seed, group, clusters, kind), asked(kind)
        drawn = folds.draw(train, question, holdout=holdout, seed=seed)
        assert drawn.id.tolist() == train.id.tolist()
        assert folds.keys(drawn) == list("01234")
        for column in ("group", "cluster"):
            if column in train:
                named = train[column] != ""
                assert (drawn.fold[named].groupby(train[column][named]).nunique() == 1).all()
        seen = []
        for key in folds.keys(drawn):
            rows, valid = folds.rows(drawn, key)
            assert len(valid)
            assert not set(rows) & set(valid)
            seen += valid.tolist()
        locked = np.flatnonzero(drawn.fold == folds.HOLDOUT)
        full, nothing = folds.rows(drawn, "full")
        assert sorted([*seen, *locked]) == list(range(600))
        assert not len(nothing)
        assert not set(full) & set(locked)
        assert bool(len(locked)) == bool(holdout)
        assert sorted(drawn["sample"].astype(int)) == list(range(600))


def counts(train: pd.DataFrame, question: SimpleNamespace, drawn: pd.DataFrame) -> pd.DataFrame:
    """How often each fold holds each label."""
    held = folds.labels(train, question)
    return pd.crosstab(held["name"].to_numpy(), drawn.fold.to_numpy()[held["row"]])


@pytest.mark.parametrize("holdout", [0.0, 0.2])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "multilabel"])
def test_labels_are_spread_evenly_where_nothing_is_bound(kind, holdout):
    train, question = table(1003, 4, 0, kind=kind), asked(kind, 4)
    drawn = folds.draw(train, question, holdout=holdout)
    found = counts(train, question, drawn)[folds.keys(drawn)]
    assert (found.max(axis=1) - found.min(axis=1)).max() <= 1
    sizes = drawn.fold.value_counts()[folds.keys(drawn)]
    assert sizes.max() - sizes.min() <= 1
    assert len(found) == {"regression": folds.BINS}.get(kind, 4)


def test_sets_of_labels_are_spread_evenly_label_by_label():
    train, question = table(2000, 30, 0, kind="multilabel"), asked("multilabel", 30)
    found = counts(train, question, drawn := folds.draw(train, question))
    assert (found.max(axis=1) - found.min(axis=1)).max() <= 2
    assert (drawn.fold.value_counts() == 400).all()
    chance = pd.crosstab(folds.labels(train, question)["name"].to_numpy(), np.arange(2000)[folds.labels(train, question)["row"]] % 5)
    assert (chance.max(axis=1) - chance.min(axis=1)).max() > 10


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_labels_and_sizes_are_spread_where_a_few_rows_are_duplicates(kind):
    train, question = table(2000, 5, 1, clusters=90, kind=kind), asked(kind, 5)
    found = counts(train, question, drawn := folds.draw(train, question))
    assert (found.max(axis=1) - found.min(axis=1)).max() <= 2
    assert drawn.fold.value_counts().between(395, 405).all()


@pytest.mark.parametrize("kind", ["multiclass", "multilabel", "regression"])
def test_labels_and_sizes_are_spread_as_far_as_groups_allow(kind):
    train, question = table(3000, 3, 2, group=150, kind=kind), asked(kind)
    found = counts(train, question, drawn := folds.draw(train, question))
    assert ((found.max(axis=1) - found.min(axis=1)) / found.mean(axis=1)).max() < 0.35
    assert drawn.fold.value_counts().between(500, 700).all()


def test_regression_folds_have_the_same_spread_of_values():
    train = table(500, 1, 3, kind="regression")
    drawn = folds.draw(train, asked("regression", 1))
    means = train.label.astype(float).groupby(drawn.fold.to_numpy()).median()
    assert means.max() - means.min() < 0.15
    constant = train.assign(label="5")
    assert (folds.draw(constant, asked("regression", 1)).fold.value_counts() == 100).all()


# -- what is rare ------------------------------------------------------------------------------------------------------------------


def test_a_class_with_one_row_and_a_class_with_two_do_not_crash():
    train = table(100, 2, 0)
    train.loc[0, "label"], train.loc[[1, 2], "label"] = "rare", "pair"
    drawn = folds.draw(train, asked())
    assert set(drawn.fold) == set("01234")
    assert drawn.fold[1] != drawn.fold[2]
    assert "not in every fold: pair, rare" in folds.summary(drawn, train, asked())


def test_rare_classes_are_spread_as_far_as_they_go():
    """Most classes with two to four pictures: if these shared a fold, nothing of the class would train when they validate."""
    train = pd.DataFrame({"id": np.arange(900).astype(str), "label": np.repeat(np.arange(300), 3).astype(str), "cluster": ""})
    drawn = folds.draw(train, asked())
    assert (drawn.fold.groupby(train.label).nunique() == 3).all()
    assert (drawn.fold.value_counts() == 180).all()


def test_sets_of_labels_name_what_a_fold_lacks():
    train, question = table(200, 3, 0, kind="multilabel"), asked("multilabel", 3)
    train.loc[[4, 5], "label"] = ["0 seldom", "seldom"]
    drawn = folds.draw(train, question)
    assert drawn.fold[4] != drawn.fold[5]
    assert folds.summary(drawn, train, question).endswith("rows; not in every fold: seldom")
    nothing = train.assign(label="")
    assert folds.summary(folds.draw(nothing, question), nothing, question) == "folds: 40 40 40 40 40 rows"


def test_a_label_named_twice_in_a_cell_counts_once():
    held = folds.labels(pd.DataFrame({"label": ["a a b", ""]}), asked("multilabel"))
    assert held.to_numpy().tolist() == [[0, "a"], [0, "b"]]


@pytest.mark.parametrize("kind", KINDS)
def test_as_few_rows_as_folds(kind):
    train = table(5, 3, 0, kind=kind)
    assert sorted(folds.draw(train, asked(kind)).fold) == list("01234")
    assert sorted(folds.draw(train[:3], asked(kind)).fold) == list("012")


def test_fewer_groups_than_folds_make_fewer_folds_and_it_is_said():
    train, question = table(90, 2, 0, group=3), asked(group="site")
    drawn = folds.draw(train, question)
    assert folds.keys(drawn) == list("012")
    assert "3 folds instead of 5: the open rows have 3 groups only (site)" in folds.summary(drawn, train, question)
    assert "instead" not in folds.summary(folds.draw(train.drop(columns="group"), asked()), train, asked())


def test_less_than_two_groups_name_the_column_and_what_to_do():
    train = table(90, 2, 0).assign(group="only")
    with pytest.raises(Mistake, match=r"'site'.*\[group\].*make explore COMPETITION=any"):
        folds.draw(train, asked(group="site"))
    train.loc[:30, "group"] = "other"
    assert folds.keys(folds.draw(train, asked(group="site"))) == list("01")
    with pytest.raises(Mistake, match="leave out holdout="):
        folds.draw(train, asked(group="site"), holdout=0.1)
    with pytest.raises(Mistake, match="one picture and its duplicates"):
        folds.draw(table(3, 2, 0).assign(cluster="c0"), asked())


def test_the_locked_share_is_the_part_of_the_wanted_size():
    """One group holds half of the rows: it is not what a tenth means."""
    train = table(1000, 2, 0, group=30)
    train.loc[:500, "group"] = "large"
    drawn = folds.draw(train, asked(group="site"), holdout=0.1)
    assert 20 <= (drawn.fold == folds.HOLDOUT).sum() <= 180


# -- the nested sample -------------------------------------------------------------------------------------------------------------


def test_every_prefix_of_the_sample_is_stratified_and_samples_nest():
    train = table(2000, 2, 1)
    train.label = np.where(np.arange(2000) < 200, "few", "many")
    drawn = folds.draw(train, asked(), holdout=0.1)
    ranks = drawn["sample"].astype(int)
    assert sorted(ranks) == list(range(2000))
    for size in (100, 400, 1000):
        share = (train.label[ranks < size] == "few").mean()
        assert abs(share - 0.1) < 0.02
    assert (drawn.fold[ranks < 1500] != folds.HOLDOUT).all()


@pytest.mark.parametrize("kind", ["multilabel", "soft", "regression"])
def test_the_sample_holds_labels_and_folds_in_their_shares(kind):
    train, question = table(2000, 4, 1, kind=kind), asked(kind, 4)
    drawn = folds.draw(train, question)
    first = drawn["sample"].astype(int) < 400
    held = folds.labels(train, question)
    whole = held["name"].value_counts() / 2000
    part = held["name"][first.to_numpy()[held["row"]]].value_counts() / 400
    assert (whole - part.reindex(whole.index, fill_value=0)).abs().max() < 0.03
    assert drawn.fold[first].value_counts().between(70, 90).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_table_gives_the_same_folds(kind):
    train = table(300, 3, 2, group=20, clusters=20, kind=kind)
    pd.testing.assert_frame_equal(folds.draw(train, asked(kind)), folds.draw(train, asked(kind)))
    free = train.drop(columns=["group", "cluster"])
    assert (folds.draw(free, asked(kind), seed=1).fold != folds.draw(free, asked(kind)).fold).any()


# -- bound rows --------------------------------------------------------------------------------------------------------------------


def test_groups_and_clusters_bind_in_a_chain():
    train = pd.DataFrame({"group": ["a", "a", "b", "", "", "c"], "cluster": ["", "x", "x", "", "", "y"]})
    assert folds.bound(train).tolist() == [0, 0, 0, 3, 4, 5]


def test_a_hundred_thousand_rows_and_many_classes_take_seconds():
    rng = np.random.default_rng(0)
    label = np.minimum((rng.pareto(1, 100_000) * 20).astype(int), 3_000).astype(str)
    cluster = np.where(rng.random(100_000) < 0.05, rng.integers(0, 2_000, 100_000).astype(str), "")
    train = pd.DataFrame({"id": np.arange(100_000).astype(str), "label": label, "cluster": cluster})
    drawn = folds.draw(train, asked())
    assert drawn.fold.value_counts().between(19_900, 20_100).all()
