"""The zoo's graders against small hand computations, scikit-learn, and what Kaggle refuses."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from tests.zoo.graders import GRADERS


def frame(header: str, *rows: str) -> pd.DataFrame:
    return pd.DataFrame([row.split(",") for row in rows], columns=header.split(","), dtype=str)


def column(values, header: str = "id,label") -> pd.DataFrame:
    """The values as text, with the ids 0, 1, …"""
    return frame(header, *(f"{number},{value}" for number, value in enumerate(values)))


def score(name: str, submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    return GRADERS[name].score(submission, answers)


BY_HAND = {
    "accuracy": (["cat", "dog", "A", "a"], ["cat", "cat", "a", "a"], 0.5),
    "top_1_error": (["71 108", "333", "690 347", "4"], ["71", "333", "347", "5"], 0.5),
    "balanced_accuracy": (["a", "a", "b", "b"], ["a", "a", "a", "b"], (2 / 3 + 1) / 2),
    "kappa": (["0", "1", "2", "2"], ["0", "1", "2", "1"], 1 - 1 / 5),  # squared differences: 1 seen, 20 / 4 by chance
    "macro_f1": (["0", "0", "10"], ["0", "10", "10"], 2 / 3),
    "micro_f1_labels": (["0 1", "2", ""], ["0", "2 1", "1"], 2 * 2 / (3 + 4)),
    "macro_f1_labels": (["0 1", "2"], ["0", "2 1"], (1 + 0 + 1) / 3),
    "samples_f1_labels": (["0 1", "2"], ["0", "2 1"], 2 / 3),
    "samples_f2_labels": (["0 1", "2"], ["0", "2 1"], (5 * 0.5 / (4 * 0.5 + 1) + 5 * 0.5 / (4 * 1 + 0.5)) / 2),
    "map5": (["a b c d e", "b a", "c b"], ["a", "a", "a"], (1 + 1 / 2) / 3),
    "gap": (["7 0.9", "8 0.8", "", "9 0.5"], ["7", "", "5", "9"], (1 + 2 / 3) / 3),
    "log_loss": (["0.5", "1", "0.25"], ["1", "1", "0"], -(np.log(0.5) + np.log(1 - 1e-15) + np.log(0.75)) / 3),
    "roc_auc": (["0.9", "0.2", "0.2", "0.1"], ["1", "1", "0", "0"], 3.5 / 4),
    "weighted_auc": (["2.5", "-1", "0"], ["1", "1", "0"], (2 * 0.4 + 0.1) / 1.4),
    "probabilistic_f1": (["1", "0.5", "0.5"], ["1", "1", "0"], 2 * 0.75 * 0.75 / 1.5),
    "rmse": (["1", "4"], ["1", "2"], np.sqrt(2)),
    "mae": (["1", "4"], ["1", "2"], 1),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    submitted, true, expected = BY_HAND[name]
    assert score(name, column(submitted), column(true)) == pytest.approx(expected)


def test_several_columns_by_hand():
    true = frame("id,a,b", "0,1,0", "1,0,1")
    assert score("multiclass_log_loss", frame("id,a,b", "1,0.75,0.25", "0,0.5,0.5"), true) == pytest.approx(-(np.log(0.5) + np.log(0.25)) / 2)
    assert score("column_auc", frame("id,a,b", "0,0.9,0.1", "1,0.1,0.1"), true) == pytest.approx((1 + 0.5) / 2)
    assert score("rmse", frame("id,a,b", "0,1,2", "1,0,1"), true) == pytest.approx(1)
    votes = frame("id,a,b", "0,0.5,0.5", "1,1,0")
    assert score("kl_divergence", frame("id,a,b", "0,0.25,0.75", "1,0.5,0.5"), votes) == pytest.approx((0.5 * np.log(2 / 1.5) + np.log(2)) / 2)


def test_rows_of_an_example_by_hand():
    true = frame("ID,Label", "ID_1_epidural,0", "ID_1_any,1")
    given = frame("ID,Label", "ID_1_epidural,0.5", "ID_1_any,0.25")
    assert score("long_log_loss", given, true) == pytest.approx((np.log(2) + 2 * np.log(4)) / 3)
    true = frame("row_id,fractured", "1.2_C1,0", "1.2_patient_overall,1")
    given = frame("row_id,fractured", "1.2_C1,0.5", "1.2_patient_overall,0.25")
    assert score("fracture_log_loss", given, true) == pytest.approx((np.log(2) + 14 * np.log(4)) / 15)


def test_random_rows_against_scikit_learn():
    generator = np.random.default_rng(0)
    true, given = generator.integers(0, 5, (2, 300))
    chance, positive = generator.random(300).round(2), generator.integers(0, 2, 300)
    expected = {
        "accuracy": metrics.accuracy_score(true, given),
        "balanced_accuracy": metrics.balanced_accuracy_score(true, given),
        "macro_f1": metrics.f1_score(true, given, average="macro"),
        "micro_f1_labels": metrics.f1_score(true, given, average="micro"),
        "kappa": metrics.cohen_kappa_score(true, given, weights="quadratic"),
        "mae": metrics.mean_absolute_error(true, given),
        "rmse": metrics.root_mean_squared_error(true, given),
    }
    for name, value in expected.items():
        assert score(name, column(given), column(true)) == pytest.approx(value), name
    assert score("log_loss", column(chance), column(positive)) == pytest.approx(metrics.log_loss(positive, np.clip(chance, 1e-15, 1 - 1e-15)))
    assert score("roc_auc", column(chance), column(positive)) == pytest.approx(metrics.roc_auc_score(positive, chance))
    shares = generator.dirichlet(np.ones(5), 300)
    header = "id,a,b,c,d,e"
    rows = [f"{number},{','.join(map(repr, row.tolist()))}" for number, row in enumerate(shares)]
    onehot = [f"{number},{','.join(map(str, row))}" for number, row in enumerate(np.eye(5, dtype=int)[true])]
    assert score("multiclass_log_loss", frame(header, *rows), frame(header, *onehot)) == pytest.approx(metrics.log_loss(true, shares))
    expected = metrics.roc_auc_score(np.eye(5, dtype=int)[true], shares, average="macro")
    assert score("column_auc", frame(header, *rows), frame(header, *onehot)) == pytest.approx(expected)


def test_weighted_auc_of_chance_and_of_a_perfect_order():
    """Chance: beside the diagonal lie 0.8 of the band up to 0.4 and 0.3 of the other one."""
    assert score("weighted_auc", column(["0", "0", "0", "0"]), column(["1", "0", "1", "0"])) == pytest.approx(
        0.7 * 0 + (2 * 0.4 * 0.8 + 0.6 * 0.3) / 1.4
    )
    assert score("weighted_auc", column(["3", "-2", "9", "0"]), column(["1", "0", "1", "0"])) == pytest.approx(1)


def test_the_order_of_the_rows_does_not_count_and_repeated_ids_stay():
    answers = frame("id,label", "b,1", "a,2", "b,1")
    assert score("accuracy", frame("id,label", "a,2", "b,1", "b,0"), answers) == pytest.approx(2 / 3)


REFUSED = {
    "another header": ("accuracy", frame("Id,label", "0,a"), column(["a"])),
    "columns in another order": ("rmse", frame("id,b,a", "0,1,2"), frame("id,a,b", "0,1,2")),
    "a missing id": ("accuracy", column(["a"]), column(["a", "b"])),
    "an id too many": ("accuracy", column(["a", "b"]), column(["a"])),
    "an id twice": ("accuracy", frame("id,label", "0,a", "0,a"), column(["a"])),
    "an id without its zeros": ("accuracy", frame("id,label", "1,a"), frame("id,label", "001,a")),
    "an empty label": ("accuracy", column([""]), column(["a"])),
    "no number": ("log_loss", column(["nan"]), column(["1"])),
    "an empty number": ("mae", column([""]), column(["1"])),
    "an infinite number": ("weighted_auc", column(["inf", "1"]), column(["1", "0"])),
    "a probability above 1": ("log_loss", column(["1.1"]), column(["1"])),
    "a negative probability": ("roc_auc", column(["-0.1", "0.5"]), column(["1", "0"])),
    "a row that sums to 1.1": ("multiclass_log_loss", frame("id,a,b", "0,0.6,0.5"), frame("id,a,b", "0,1,0")),
    "shares that sum to 0.9": ("kl_divergence", frame("id,a,b", "0,0.5,0.4"), frame("id,a,b", "0,1,0")),
    "a rating with a point": ("kappa", column(["2.0", "1"]), column(["2", "1"])),
    "six labels": ("map5", column(["a b c d e f"]), column(["a"])),
    "a repeated label": ("map5", column(["a a b"]), column(["a"])),
    "two blanks": ("micro_f1_labels", column(["a  b"]), column(["a"])),
    "no confidence": ("gap", column(["7"]), column(["7"])),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    name, submission, answers = REFUSED[what]
    with pytest.raises(ValueError, match=r".+"):
        score(name, submission, answers)
