"""What labels mean as numbers, for every kind of problem."""

import dataclasses

import numpy as np
import pytest

from clf import problem, targets
from clf.config import Mistake
from clf.problem import Problem

EMPTY = {str: "", int: 0, bool: False}
PLAIN = Problem(
    **{name: EMPTY.get(field.type, ()) for name, field in problem.FIELDS.items()}
    | {"competition": "toy", "kind": "multiclass", "classes": ("cat", "NA", "1e10")}
)


def question(kind: str, **changes) -> Problem:
    return dataclasses.replace(PLAIN, kind=kind, **changes)


SEVERAL = question("multilabel", separator=" ")
VALUES = question("regression", classes=("size", "age"), lowest=("-1.5", "3"), highest=("2.5", "3"))


def test_weights_of_the_classes():
    assert targets.weights(SEVERAL) is None
    weighted = dataclasses.replace(SEVERAL, weights=("NA = 2", "1e10 = 0.5"))
    assert targets.weights(weighted).tolist() == [1, 2, 0.5]
    for line in ("dog = 2", "NA", "NA = two", "NA = 0", "NA = -1", "NA = inf", "NA=2"):
        with pytest.raises(Mistake, match=r"weights has .* write one of cat, NA, 1e10"):
            targets.weights(dataclasses.replace(SEVERAL, weights=(line,)))


def test_the_class_for_what_no_other_class_is():
    for classes, found in ((("a", "new_whale"), 1), (("new_individual", "a"), 0), (("newt", "renew", "a"), None), (("new", "unknown"), None)):
        assert targets.new(question("multiclass", classes=classes, style="ranking")) == found
        assert targets.new(question("multiclass", classes=classes, style="label")) is None


@pytest.mark.parametrize("kind", problem.SINGLE)
def test_one_class_for_each_picture_is_its_number(kind):
    found = targets.truth(question(kind), ["NA", "cat", "1e10", "NA"])
    assert found.dtype == int
    assert found.tolist() == [1, 0, 2, 1]
    assert targets.dense(question(kind), found).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert targets.prior(question(kind), ["NA", "cat", "NA", "NA"]).tolist() == [0.25, 0.75, 0]


def test_labels_of_a_picture_are_ones_in_any_order_and_none_of_them_is_none():
    found = targets.truth(SEVERAL, ["1e10 cat", "", " NA  cat ", "NA"])
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert targets.dense(SEVERAL, found) is found
    assert targets.prior(SEVERAL, ["1e10 cat", "", "NA", "NA"]).tolist() == [0.25, 0.5, 0.25]


def test_another_separator_lets_labels_hold_blanks():
    words = question("multilabel", separator="|", classes=("big cat", "dog"))
    assert targets.truth(words, ["dog|big cat", "big cat | dog", "dog"]).tolist() == [[1, 1], [1, 1], [0, 1]]


def test_shares_and_values_are_their_numbers():
    shares = question("soft")
    np.testing.assert_allclose(targets.truth(shares, ["0.2 0.3 0.5", "1 0 0"]), [[0.2, 0.3, 0.5], [1, 0, 0]])
    found = targets.truth(VALUES, ["-1.5 3", "1e-1 3.0"])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[-1.5, 3], [0.1, 3]])
    np.testing.assert_allclose(targets.prior(VALUES, ["1 2", "2 4"]), [1.5, 3])


def test_no_rows_keep_the_number_of_columns():
    assert targets.truth(PLAIN, []).shape == (0,)
    assert targets.truth(SEVERAL, []).shape == (0, 3)
    assert targets.truth(VALUES, []).shape == (0, 2)


def test_labels_that_problem_toml_does_not_know_stop():
    for kind, label in ((PLAIN, "dog"), (PLAIN, ""), (SEVERAL, "cat dog")):
        with pytest.raises(Mistake, match=f"classes lack the label '{label.split()[-1] if label else ''}'.*make explore COMPETITION=toy"):
            targets.truth(kind, ["cat", label])


@pytest.mark.parametrize("label", ["1", "1 2 3", "", "1 x", "1 nan", "inf 1"])
def test_cells_that_do_not_hold_a_number_for_each_value_stop(label):
    with pytest.raises(Mistake, match="does not hold 2 numbers"):
        targets.truth(VALUES, ["1 2", label])


def test_a_value_that_never_changes_has_a_range_all_the_same():
    low, high = targets.ranges(VALUES)
    assert low.dtype == high.dtype == np.float32
    assert (low.tolist(), high.tolist()) == ([-1.5, 3], [2.5, 4])


@pytest.mark.parametrize("change", [{"lowest": ()}, {"highest": ("1", "2", "3")}, {"lowest": ("1", "x")}, {"highest": ("inf", "2")}])
def test_ranges_that_are_none_stop(change):
    with pytest.raises(Mistake, match=r"(lowest|highest) = \[.*\] does not hold one number for each of size, age"):
        targets.ranges(dataclasses.replace(VALUES, **change))
