"""The scores of real competitions, by their definitions: a second opinion on `clf.metrics` and `clf.submission`, of which this knows nothing.

`score(submission, answers)` takes two frames of text (`dtype=str, keep_default_na=False`) whose first column is the id. It raises
ValueError for a file that Kaggle, or MLE-bench where it is the stricter one, would refuse.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn import metrics
from sklearn.preprocessing import MultiLabelBinarizer

LEAST = 1e-15  # Kaggle clips probabilities to [1e-15, 1 - 1e-15] before it takes their logarithm
SUM = 1e-6  # how far from 1 the probabilities of one row may sum up


@dataclass(frozen=True)
class Grader:
    score: Callable[[pd.DataFrame, pd.DataFrame], float]
    higher_is_better: bool


# -- what Kaggle refuses -----------------------------------------------------------------------------------------------------------


def align(submission: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """The submission's rows in the order of the answers. Raises ValueError for another header, and for ids other than the answers'.

    An id that the answers hold twice has to be there twice; its rows answer in the order in which they come.
    """
    if [*submission.columns] != [*answers.columns]:
        raise ValueError(f"the header is {[*submission.columns]}, not {[*answers.columns]}")
    keys = []
    for frame in (submission, answers):
        name = frame.iloc[:, 0]
        keys.append(pd.MultiIndex.from_arrays([name, name.groupby(name).cumcount()]))
    given, wanted = keys
    missing, strange = wanted.difference(given), given.difference(wanted)
    if len(missing):
        raise ValueError(f"{len(missing)} ids are missing, such as {missing[0][0]!r}")
    if len(strange):
        raise ValueError(f"{len(strange)} rows are unknown or there once too often, such as {strange[0][0]!r}")
    return submission.set_axis(given).loc[wanted].reset_index(drop=True)


def numbers(frame: pd.DataFrame, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """float64 [N,K], all columns but the id. Raises ValueError for a cell that holds no finite number from `low` to `high`."""
    found = np.empty((len(frame), frame.shape[1] - 1))
    for number, column in enumerate(frame.columns[1:]):
        for row, text in enumerate(frame[column]):
            try:
                found[row, number] = float(text)
            except ValueError:
                raise ValueError(f"column {column!r} holds {text!r}, which is no number") from None
            if not np.isfinite(found[row, number]) or not low <= found[row, number] <= high:
                raise ValueError(f"column {column!r} holds {text!r}, which is no number from {low} to {high}")
    return found


def shares(frame: pd.DataFrame) -> np.ndarray:
    """float64 [N,K], rows that sum to 1. Raises ValueError otherwise."""
    found = numbers(frame, 0, 1)
    off = np.abs(found.sum(axis=1) - 1)
    if len(off) and off.max() > SUM:
        raise ValueError(f"the row of {frame.iloc[off.argmax(), 0]!r} sums to {found[off.argmax()].sum()}, not to 1")
    return found


def single(frame: pd.DataFrame) -> np.ndarray:
    """text [N], the only column beside the id. Raises ValueError for an empty cell, and for blanks around the label."""
    if frame.shape[1] != 2:
        raise ValueError(f"one column beside the id is wanted, not {frame.shape[1] - 1}")
    cells = frame.iloc[:, 1].to_numpy(object)
    for name in cells:
        if not name or name != name.strip():
            raise ValueError(f"{name!r} is no label")
    return cells


def words(frame: pd.DataFrame) -> list[list[str]]:
    """The labels of each row, parted by single blanks; [] for an empty cell. Raises ValueError for other blanks and for repeated labels."""
    found = []
    for cell in frame.iloc[:, 1]:
        names = cell.split(" ") if cell else []
        if "" in names or any(name != name.strip() for name in names):
            raise ValueError(f"{cell!r} has blanks that part no labels")
        if len(set(names)) < len(names):
            raise ValueError(f"{cell!r} repeats a label")
        found.append(names)
    return found


# -- one label for each row --------------------------------------------------------------------------------------------------------


def accuracy(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    return float(np.mean(single(align(submission, answers)) == single(answers)))


def top_1_error(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """inaturalist-2019: a list is allowed, its first label counts."""
    given = words(align(submission, answers))
    if not all(given):
        raise ValueError("a row without a label")
    return float(np.mean([names[0] != right for names, right in zip(given, single(answers), strict=True)]))


def balanced_accuracy(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """UBC-OCEAN: the mean over the classes of the answers of the share of their rows that are right."""
    right = single(align(submission, answers)) == single(answers)
    return float(pd.Series(right).groupby(single(answers)).mean().mean())


def kappa(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """Quadratic weighted, between whole numbers: `2.0` is refused."""
    given, true = single(align(submission, answers)), single(answers)
    for text in given:
        if not text.removeprefix("-").isdecimal():
            raise ValueError(f"{text!r} is no whole number")
    return float(metrics.cohen_kappa_score(true.astype(int), given.astype(int), weights="quadratic"))


def macro_f1(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """Over the classes that the answers or the submission hold, as scikit-learn, which herbarium-2020 refers to."""
    given, true = single(align(submission, answers)), single(answers)
    return float(metrics.f1_score(true.astype(str), given.astype(str), average="macro", zero_division=0))


# -- several labels for each row ---------------------------------------------------------------------------------------------------


def _labels(average: str, beta: float = 1) -> Callable[[pd.DataFrame, pd.DataFrame], float]:
    def score(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
        given, true = words(align(submission, answers)), words(answers)
        known = MultiLabelBinarizer(sparse_output=True).fit(given + true)
        return float(metrics.fbeta_score(known.transform(true), known.transform(given), beta=beta, average=average, zero_division=0))

    return score


def map5(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """Mean average precision of rankings of at most five different labels, of which one is right: 1 / its rank, or 0."""
    given = words(align(submission, answers))
    if not all(0 < len(names) <= 5 for names in given):
        raise ValueError("a row without a label, or with more than 5")
    pairs = zip(given, single(answers), strict=True)
    return float(np.mean([1 / (1 + names.index(right)) if right in names else 0 for names, right in pairs]))


def gap(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """landmark-recognition's global average precision: `label confidence` or nothing in a cell; an empty answer is no landmark."""
    true = answers.iloc[:, 1].to_numpy(object)
    rows = []
    for cell, right in zip(align(submission, answers).iloc[:, 1], true, strict=True):
        if not cell:
            continue
        parts = cell.split(" ")
        if len(parts) != 2 or not parts[0]:
            raise ValueError(f"{cell!r} is no `label confidence`")
        confidence = float(parts[1])
        if not np.isfinite(confidence):
            raise ValueError(f"{cell!r} has no finite confidence")
        rows.append((confidence, parts[0] == right))
    rows.sort(key=lambda row: -row[0])
    right = np.array([right for _, right in rows], float)
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float((precision * right).sum() / (true != "").sum())


# -- probabilities and numbers -----------------------------------------------------------------------------------------------------


def _cost(truth: np.ndarray, given: np.ndarray) -> np.ndarray:
    given = np.clip(given, LEAST, 1 - LEAST)
    return -(truth * np.log(given) + (1 - truth) * np.log(1 - given))


def _one(frame: pd.DataFrame, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    single(frame)
    return numbers(frame, low, high)[:, 0]


def log_loss(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """One column, the probability of 1."""
    return float(_cost(_one(answers), _one(align(submission, answers), 0, 1)).mean())


def multiclass_log_loss(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """One column for each class; the answers are one-hot. Rows that do not sum to 1 are refused: MLE-bench does, Kaggle rescales them."""
    given = np.clip(shares(align(submission, answers)), LEAST, 1 - LEAST)
    return float(-(numbers(answers) * np.log(given)).sum(axis=1).mean())


def long_log_loss(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """rsna-intracranial-hemorrhage-detection: a row for each example and target; rows of the target `any` count twice."""
    weight = np.where(answers.iloc[:, 0].str.endswith("_any"), 2.0, 1.0)
    return float(np.average(_cost(_one(answers), _one(align(submission, answers), 0, 1)), weights=weight))


def fracture_log_loss(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """rsna-2022-cervical-spine-fracture-detection: `patient_overall` counts 7 times, positives twice; the weights of a study sum to 1."""
    true = _one(answers)
    weight = np.where(answers.iloc[:, 0].str.endswith("_patient_overall"), 7.0, 1.0) * (1 + true)
    cost = _cost(true, _one(align(submission, answers), 0, 1)) * weight
    study = answers.iloc[:, 0].str.split("_").str[0]
    return float((pd.Series(cost).groupby(study.to_numpy()).sum() / pd.Series(weight).groupby(study.to_numpy()).sum()).mean())


def roc_auc(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """One column; MLE-bench refuses values outside of 0 to 1."""
    return float(metrics.roc_auc_score(_one(answers), _one(align(submission, answers), 0, 1)))


def column_auc(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """plant-pathology-2020: the mean over the columns."""
    given, true = numbers(align(submission, answers), 0, 1), numbers(answers)
    return float(np.mean([metrics.roc_auc_score(true[:, number], given[:, number]) for number in range(true.shape[1])]))


def weighted_auc(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """alaska2: the area beside the curve, over true positive rates; those up to 0.4 count twice. Any finite score is allowed."""
    false, true, _ = metrics.roc_curve(_one(answers), _one(align(submission, answers)), drop_intermediate=False)
    area = 0.0
    for low, high, weight in ((0.0, 0.4, 2.0), (0.4, 1.0, 1.0)):
        for start, end, left, right in zip(true[:-1], true[1:], false[:-1], false[1:], strict=True):
            bottom, top = max(start, low), min(end, high)
            if top > bottom:
                middle = ((bottom + top) / 2 - start) / (end - start)  # of a straight piece of the curve the middle is the mean
                area += weight * (top - bottom) * (1 - (left + middle * (right - left)))
    return area / (2 * 0.4 + 0.6)


def probabilistic_f1(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """rsna-breast-cancer-detection: F1 whose counts are sums of probabilities (Yacouby and Axman, 2020)."""
    true, given = _one(answers), np.clip(_one(align(submission, answers)), 0, 1)
    hits = given[true == 1].sum()
    if hits == 0:
        return 0.0
    precision, recall = hits / given.sum(), hits / true.sum()
    return float(2 * precision * recall / (precision + recall))


def kl_divergence(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """hms-harmful-brain-activity-classification: of the answers' shares from the submitted ones, whose rows have to sum to 1."""
    true, given = shares(answers), np.clip(shares(align(submission, answers)), LEAST, 1 - LEAST)
    return float((true * np.log(np.where(true > 0, true, 1) / given)).sum(axis=1).mean())


def rmse(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    """Over all columns at once, as galaxy-zoo."""
    return float(np.sqrt(np.mean((numbers(align(submission, answers)) - numbers(answers)) ** 2)))


def mae(submission: pd.DataFrame, answers: pd.DataFrame) -> float:
    return float(np.mean(np.abs(numbers(align(submission, answers)) - numbers(answers))))


GRADERS: dict[str, Grader] = {
    "accuracy": Grader(accuracy, True),
    "top_1_error": Grader(top_1_error, False),
    "balanced_accuracy": Grader(balanced_accuracy, True),
    "kappa": Grader(kappa, True),
    "macro_f1": Grader(macro_f1, True),
    "micro_f1_labels": Grader(_labels("micro"), True),
    "macro_f1_labels": Grader(_labels("macro"), True),
    "samples_f1_labels": Grader(_labels("samples"), True),
    "samples_f2_labels": Grader(_labels("samples", beta=2), True),
    "map5": Grader(map5, True),
    "gap": Grader(gap, True),
    "log_loss": Grader(log_loss, False),
    "multiclass_log_loss": Grader(multiclass_log_loss, False),
    "long_log_loss": Grader(long_log_loss, False),
    "fracture_log_loss": Grader(fracture_log_loss, False),
    "roc_auc": Grader(roc_auc, True),
    "column_auc": Grader(column_auc, True),
    "weighted_auc": Grader(weighted_auc, True),
    "probabilistic_f1": Grader(probabilistic_f1, True),
    "kl_divergence": Grader(kl_divergence, False),
    "rmse": Grader(rmse, False),
    "mae": Grader(mae, False),
}
