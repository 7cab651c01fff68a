"""The cells of a submission: how predictions are written into them, and how they are read back. One entry of WRITERS for each style.

Shapes: `predicted` float64 [N,K], columns in the order of `problem.classes`; `decided` float64 [N,K], what `decide` makes of it; cells are
text [N,C], C the number of `problem.columns` (style rows: one for each class, which the submission then has below each other).
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clf import decisions, metrics, runs, targets
from clf.problem import SINGLE, Problem

LOGARITHMIC = ("log_loss", "kl_divergence")
CLIP = 1e-7  # of a log loss submission: a certain mistake costs 16 instead of Kaggle's 34.5, a certain hit costs nothing visible
PRECISE = 12  # significant digits: ROC AUC gets no ties from rounding
SHORT = 7  # in large files: 100,000 rows of 120 classes stay below 150 MB
LARGE = 2_000_000  # cells


@dataclass(frozen=True)
class Style:
    """How one kind of submission writes predictions, and how such cells are read back.

    write: (problem, predicted, decided) → cells.
    read: (problem, cells) → float64 [N,K] (rows: the shape of the cells); NaN in the rows of a cell that means nothing.
    fault: (problem, cell) → what is wrong with the form of a cell that can be read, or "".
    """

    write: Callable[[Problem, np.ndarray, np.ndarray], np.ndarray]
    read: Callable[[Problem, np.ndarray], np.ndarray]
    names: bool = False  # the cells name classes; else they hold numbers
    fault: Callable[[Problem, str], str] | None = None


# -- what is written ---------------------------------------------------------------------------------------------------------------


def decide(problem: Problem, predicted: np.ndarray, cuts: np.ndarray | None = None) -> np.ndarray:
    """What the metric makes of the predictions: 0 or 1 where it wants labels, sets or ratings, else the predictions; by fitted cuts
    where there are any."""
    asked = dataclasses.replace(runs.asked(problem), cuts=cuts)
    return decisions.decide(metrics.METRICS[problem.metric], predicted, asked)


def one_hot(codes: np.ndarray, classes: int) -> np.ndarray:
    """int [N] → float64 [N,K] of zeros and ones; rows of NaN for codes below 0."""
    found = np.zeros((len(codes), classes))
    found[np.arange(len(codes)), codes] = 1
    found[np.asarray(codes) < 0] = np.nan
    return found


def prepare(problem: Problem, predicted: np.ndarray) -> np.ndarray:
    """Values within lowest … highest; for a logarithm never 0 or 1, rows that sum to 1 where the classes exclude each other."""
    if problem.kind == "regression":
        return np.clip(predicted, *bounds(problem))
    if problem.metric not in LOGARITHMIC:
        return predicted
    clipped = np.clip(predicted, CLIP, 1 - CLIP)
    return clipped if problem.kind == "multilabel" else clipped / clipped.sum(1, keepdims=True)


def bounds(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest value of each class, float64 [K] each."""
    if problem.kind != "regression":
        return np.zeros(len(problem.classes)), np.ones(len(problem.classes))
    return np.array(problem.lowest, np.float64), np.array(problem.highest, np.float64)


def sums(problem: Problem) -> bool:
    """Whether each row of the submission has to sum to 1."""
    return problem.style == "columns" and problem.metric in LOGARITHMIC and problem.kind in (*SINGLE, "soft")


def numbers(problem: Problem, values: np.ndarray) -> np.ndarray:
    """Float64 [N,C] → text [N,C]."""
    digits = PRECISE if values.size <= LARGE and problem.kind != "regression" else SHORT
    if sums(problem):
        values = rounded(values, digits)
    pattern = ",".join([f"%.{digits}g"] * values.shape[1])
    cells = np.empty(values.shape, object)
    for row, line in enumerate(values + 0.0):  # no "-0"
        cells[row] = (pattern % tuple(line.tolist())).replace("e-0", "e-").split(",")
    return cells


def rounded(values: np.ndarray, digits: int) -> np.ndarray:
    """Positive rows that sum to 1, each value of so many digits; the largest takes what rounding the others leaves."""
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(values)))
    values = np.rint(values * scale) / scale
    values[np.arange(len(values)), values.argmax(1)] += 1 - values.sum(1)
    return values


# -- numbers -----------------------------------------------------------------------------------------------------------------------


def write_positive(problem: Problem, predicted: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """The positive class's probability; 1 or 0 where the metric decides."""
    return numbers(problem, decided[:, [problem.positive_index]])


def write_columns(problem: Problem, predicted: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """A number for each class: a probability, a share or a value; 1 or 0 where the metric decides."""
    return numbers(problem, decided)


def floats(problem: Problem, cells: np.ndarray) -> np.ndarray:
    """Text [N,C] → float64 [N,C]; NaN for what is no finite number."""
    values = pd.to_numeric(pd.Series(cells.ravel(), dtype=object), errors="coerce").to_numpy(np.float64, copy=True).reshape(cells.shape)
    values[~np.isfinite(values)] = np.nan
    return values


def read_positive(problem: Problem, cells: np.ndarray) -> np.ndarray:
    column = floats(problem, cells)
    values = 1 - np.repeat(column, 2, axis=1)
    values[:, problem.positive_index] = column[:, 0]
    return values


# -- names -------------------------------------------------------------------------------------------------------------------------


def write_label(problem: Problem, predicted: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """The text of the decided class."""
    return np.array(problem.classes, object)[decided.argmax(1)][:, None]


def write_index(problem: Problem, predicted: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """The position of the decided class in `problem.classes`."""
    return decided.argmax(1).astype(str).astype(object)[:, None]


def write_labels(problem: Problem, predicted: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """The labels decided on, in the order of the classes; the most probable one where there would be none."""
    chosen = decided >= 0.5
    chosen[np.arange(len(chosen)), decided.argmax(1)] |= ~chosen.any(1)
    return _column(problem.separator.join(problem.classes[code] for code in np.flatnonzero(row)) for row in chosen)


def write_ranking(problem: Problem, predicted: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """The most probable `problem.ranks` labels, the best first, of fewer classes all of them."""
    order = np.empty((len(decided), places(problem)), int)
    left, rows = decided.copy(), np.arange(len(decided))
    for place in range(order.shape[1]):  # a few times the largest: sorting thousands of classes takes much longer
        order[:, place] = left.argmax(1)
        left[rows, order[:, place]] = -np.inf
    return _column(" ".join(row) for row in np.array(problem.classes, object)[order])


def write_confidence(problem: Problem, predicted: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """The label and its probability, parted by a blank."""
    codes = predicted.argmax(1)
    sure = numbers(problem, predicted[np.arange(len(codes)), codes][:, None])[:, 0]
    return _column(f"{problem.classes[code]} {text}" for code, text in zip(codes, sure, strict=True))


def _column(texts: Iterable[str]) -> np.ndarray:
    return np.array([*texts], object)[:, None]


def places(problem: Problem) -> int:
    """Labels in a ranking."""
    return min(problem.ranks, len(problem.classes))


def read_label(problem: Problem, cells: np.ndarray) -> np.ndarray:
    return _one_of(cells, problem.classes)


def read_index(problem: Problem, cells: np.ndarray) -> np.ndarray:
    return _one_of(cells, [str(index) for index in range(len(problem.classes))])


def _one_of(cells: np.ndarray, known: Sequence[str]) -> np.ndarray:
    positions = {text: index for index, text in enumerate(known)}
    return one_hot(np.array([positions.get(text, -1) for text in cells[:, 0]], int), len(known))


def read_labels(problem: Problem, cells: np.ndarray) -> np.ndarray:
    """1 for each label; no label for an empty cell."""
    return _weighted(problem, ([(name, 1.0) for name in targets.split(problem, cell)] for cell in cells[:, 0]), len(cells))


def read_ranking(problem: Problem, cells: np.ndarray) -> np.ndarray:
    """1, 1/2, 1/3 … for the labels, the best first; 0 for the others."""
    return _weighted(problem, ([(name, 1 / rank) for rank, name in enumerate(cell.split(" "), 1)] for cell in cells[:, 0]), len(cells))


def read_confidence(problem: Problem, cells: np.ndarray) -> np.ndarray:
    """The confidence for its label, 0 for the others; 1 for a label alone, as answers have it."""
    known = set(problem.classes)
    return _weighted(problem, ([(cell, 1.0) if cell in known else _sure(cell)] for cell in cells[:, 0]), len(cells))


def _sure(cell: str) -> tuple[str, float]:
    name, _, number = cell.rpartition(" ")
    try:
        return name, float(number)
    except ValueError:
        return cell, np.nan


def _weighted(problem: Problem, cells: Iterable[list[tuple[str, float]]], rows: int) -> np.ndarray:
    """Cells as lists of (label, weight) → float64 [N,K]; of a label that is there twice the larger weight counts."""
    positions = {name: index for index, name in enumerate(problem.classes)}
    found = np.zeros((rows, len(positions)))
    for row, pairs in enumerate(cells):
        if any(name not in positions or not np.isfinite(weight) for name, weight in pairs):
            found[row] = np.nan
            continue
        for name, weight in pairs:
            found[row, positions[name]] = max(found[row, positions[name]], weight)
    return found


def fault_of_labels(problem: Problem, cell: str) -> str:
    names = targets.split(problem, cell)
    if len(set(names)) < len(names):
        return "repeats a label"
    return "" if problem.separator.join(names) == cell else f"has other separators than {problem.separator!r}"


def fault_of_ranking(problem: Problem, cell: str) -> str:
    names = cell.split(" ")
    if len(set(names)) < len(names):
        return "repeats a label"
    return "" if len(names) == places(problem) else f"holds {len(names)} labels instead of {places(problem)}"


def fault_of_confidence(problem: Problem, cell: str) -> str:
    return "" if " " in cell and _sure(cell)[0] in problem.classes else "is no label with a confidence"


WRITERS = {
    "label": Style(write_label, read_label, names=True),
    "index": Style(write_index, read_index, names=True),
    "positive": Style(write_positive, read_positive),
    "columns": Style(write_columns, floats),
    "labels": Style(write_labels, read_labels, True, fault_of_labels),
    "ranking": Style(write_ranking, read_ranking, True, fault_of_ranking),
    "number": Style(write_columns, floats),
    "rows": Style(write_columns, floats),
    "confidence": Style(write_confidence, read_confidence, True, fault_of_confidence),
}
