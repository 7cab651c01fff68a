"""What the labels of `train.csv` mean as numbers, by the problem's kind.

The truth of N rows is int [N], class numbers, for the kinds of `problem.SINGLE`; else float32 [N,K]: 0 or 1 for each class (multilabel),
shares that sum to 1 (soft), values (regression). K is the number of `problem.classes`, in their order.
"""

import re
from collections.abc import Sequence

import numpy as np

from clf import tables
from clf.config import Mistake
from clf.problem import SINGLE, Problem


def truth(problem: Problem, labels: Sequence[str]) -> np.ndarray:
    """int [N] or float32 [N,K]. Raises Mistake for a label that problem.toml does not list, and for a value that is no number."""
    if problem.kind in ("soft", "regression"):
        return np.array([_values(problem, label) for label in labels], np.float32).reshape(len(labels), len(problem.classes))
    number = {name: code for code, name in enumerate(problem.classes)}
    try:
        if problem.kind in SINGLE:
            return np.array([number[label] for label in labels], int)
        found = np.zeros((len(labels), len(number)), np.float32)
        for row, label in enumerate(labels):
            found[row, [number[name] for name in split(problem, label)]] = 1
        return found
    except KeyError as stranger:
        raise Mistake(
            f"problem.toml's classes lack the label {stranger.args[0]!r} of train.csv: add it, then run "
            f"`make explore COMPETITION={problem.competition}`."
        ) from None


def split(problem: Problem, label: str) -> list[str]:
    """The labels of one cell of train.csv; none for an empty one."""
    return tables.parted(problem.separator, label) if problem.separator else [label]


def _values(problem: Problem, label: str) -> list[float]:
    words = label.split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != len(problem.classes) or not np.isfinite(values).all():
        raise Mistake(f"train.csv: {label!r} does not hold {len(problem.classes)} numbers: run `make explore COMPETITION={problem.competition}`.")
    return values


def dense(problem: Problem, truth: np.ndarray) -> np.ndarray:
    """float32 [N,K]: one-hot where the truth is class numbers."""
    if problem.kind not in SINGLE:
        return truth
    found = np.zeros((len(truth), len(problem.classes)), np.float32)
    found[np.arange(len(truth)), truth] = 1
    return found


def prior(problem: Problem, labels: Sequence[str]) -> np.ndarray:
    """float64 [K], the mean of the targets (shares of the classes, mean values): the prediction for a test row without a readable picture."""
    known = truth(problem, labels)
    if problem.kind in SINGLE:
        return np.bincount(known, minlength=len(problem.classes)) / len(known)
    return known.mean(axis=0, dtype=np.float64)


NEW = re.compile(r"(new|unknown|unseen|other|others)([-_ ].*)?", re.IGNORECASE)


def new(problem: Problem) -> int | None:
    """Where the submission ranks labels: the number of the class whose name says that it is for what no other class is, as `new_whale`."""
    found = [number for number, name in enumerate(problem.classes) if NEW.fullmatch(name)] if problem.style == "ranking" else []
    return found[0] if len(found) == 1 else None


def weights(problem: Problem) -> np.ndarray | None:
    """float64 [K]: what each class counts in the score, 1 where `problem.weights` does not name it; None: all the same.

    Raises Mistake for a line that is not "class = number", and for a class that is none.
    """
    if not problem.weights:
        return None
    found = dict.fromkeys(problem.classes, 1.0)
    for line in problem.weights:
        name, _, number = line.rpartition(" = ")
        try:
            known = float(number) if name in found else 0.0
        except ValueError:
            known = 0.0
        if not 0 < known < np.inf:
            raise Mistake(f"problem.toml: weights has {line!r}: write one of {', '.join(problem.classes[:20])}, then = and a number above 0.")
        found[name] = known
    return np.array([*found.values()])


def ranges(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Regression: the least and the greatest value of each class, float32 [K] each; a constant one is widened by 1.

    Raises Mistake for what is no number, and for another number of them than of the classes.
    """
    low, high = _bounds(problem, "lowest"), _bounds(problem, "highest")
    return low, np.where(high > low, high, low + 1)


def _bounds(problem: Problem, name: str) -> np.ndarray:
    texts = getattr(problem, name)
    try:
        values = np.array([float(text) for text in texts], np.float32)
    except ValueError:
        values = np.empty(0, np.float32)
    if len(values) != len(problem.classes) or not np.isfinite(values).all():
        raise Mistake(f"problem.toml: {name} = {list(texts)} does not hold one number for each of {', '.join(problem.classes[:20])}.")
    return values
