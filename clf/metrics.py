"""The competition's number: what it is called, how it is computed, which way is better, and whether it wants labels or probabilities.

Shapes: `labels` int [N], class indices; `probabilities` float [N, K], rows in the order of `labels`, columns in the order of the
problem's classes. Every score takes `positive`, the index of the positive class; only the two-class ROC AUC reads it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CLIP = 1e-15  # Kaggle's log loss: one certain mistake costs 34.5


@dataclass(frozen=True)
class Metric:
    name: str
    title: str
    higher_is_better: bool
    score: Callable[..., float]  # (labels, probabilities, *, positive=1)
    rows: Callable[..., np.ndarray] | None  # each row's share, float64 [N], where the score is the mean of the rows
    wants: str  # "labels" or "probabilities"
    words: str  # regular expression that recognises it in Kaggle's evaluation text, case ignored


def checked(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels int [N], probabilities float64 [N, K]. Raises ValueError for no rows, shapes that do not fit, and what is not finite."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise ValueError(f"labels {labels.shape} and probabilities {probabilities.shape} do not fit: [N] and [N, K] are wanted")
    if not labels.size:
        raise ValueError("no rows to score")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise ValueError(f"labels must be class indices from 0 to {probabilities.shape[1] - 1}")
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities hold values that are not finite")
    return labels, probabilities


def accuracy_rows(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """1.0 where the most probable class is right; the first of equally probable ones counts."""
    labels, probabilities = checked(labels, probabilities)
    return (probabilities.argmax(1) == labels).astype(np.float64)


def accuracy(labels: np.ndarray, probabilities: np.ndarray, *, positive: int = 1) -> float:
    return float(accuracy_rows(labels, probabilities).mean())


def log_loss_rows(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Minus the log of the true class's probability, clipped and then renormalised as Kaggle does."""
    labels, probabilities = checked(labels, probabilities)
    clipped = np.clip(probabilities, CLIP, 1 - CLIP)
    return np.log(clipped.sum(1)) - np.log(clipped[np.arange(len(labels)), labels])


def log_loss(labels: np.ndarray, probabilities: np.ndarray, *, positive: int = 1) -> float:
    """Defined for any labels, also where some classes, or all but one, do not occur."""
    return float(log_loss_rows(labels, probabilities).mean())


def roc_auc(labels: np.ndarray, probabilities: np.ndarray, *, positive: int = 1) -> float:
    """Two classes: area under the curve of the positive column. More: mean over the columns, each against the rest.

    By ranks (Mann and Whitney 1947), ties at one half: three times as quick as scikit-learn's function, and equal to it.
    A column whose class never occurs, or is the only one, has no curve: it is left out of the mean; NaN where none is left.
    """
    from scipy.stats import rankdata  # slow to import: a step with nothing to do does not wait

    labels, probabilities = checked(labels, probabilities)
    columns = np.array([positive]) if probabilities.shape[1] == 2 else np.arange(probabilities.shape[1])
    truth = labels[:, None] == columns
    inside = truth.sum(0)
    outside = len(labels) - inside
    defined = (inside > 0) & (outside > 0)
    if not defined.any():
        return float("nan")
    wins = (rankdata(probabilities[:, columns], axis=0) * truth).sum(0) - inside * (inside + 1) / 2
    return float((wins[defined] / (inside * outside)[defined]).mean())


# In the order of recognition: the specific one before the one whose words also occur in its explanation.
METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            "roc_auc",
            "area under the ROC curve",
            True,
            roc_auc,
            None,
            "probabilities",
            r"area under (the |a )?(roc|receiver|curve)|receiver operating characteristic|(?<![a-z])(roc|auc|auroc)(?![a-z])",
        ),
        Metric(
            "log_loss",
            "log loss",
            False,
            log_loss,
            log_loss_rows,
            "probabilities",
            r"log[-_ ]?loss|logarithmic[-_ ]loss|multi[-_ ]?class[-_ ]?loss|cross[-_ ]?entropy",
        ),
        Metric(
            "accuracy",
            "accuracy",
            True,
            accuracy,
            accuracy_rows,
            "labels",
            # With one label for each picture, micro-averaged F1 is the accuracy (plant-seedlings-classification).
            r"accuracy|(?<![a-z])micro[-_ ]?(averaged )?f1|percent(age)? of (labels|images) that are (predicted|classified) correctly",
        ),
    )
}

# Numbers that the kit does not compute, though their explanation may use the words of one that it does.
FOREIGN = (
    r"kappa|balanced[-_ ]accuracy|top[-_ ]?\d+|(?<![a-z])map ?@|mean average precision|macro[-_ ]?(averaged )?f1|(?<![a-z])f2(?![a-z])"
    r"|weighted[-_ ](auc|area|multi[-_ ]?label|log)|kullback|root mean squared|rmse|probabilistic f|dice|jaccard|macro[-_ ]recall"
)


def recognise(text: str) -> str | None:
    """The metric that Kaggle's evaluation text names, or None where it names none or one that the kit does not compute."""
    if re.search(FOREIGN, text, re.IGNORECASE):
        return None
    return next((name for name, metric in METRICS.items() if re.search(metric.words, text, re.IGNORECASE)), None)


def better(metric: Metric, score: float, than: float) -> bool:
    """Whether a score beats another one. NaN beats nothing and is beaten by any number."""
    if np.isnan(score) or np.isnan(than):
        return bool(np.isnan(than) and not np.isnan(score))
    return score > than if metric.higher_is_better else score < than


def interval(
    metric: Metric,
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    positive: int = 1,
    resamples: int = 1000,
    seed: int = 0,
    share: float = 0.95,
) -> tuple[float, float]:
    """Bootstrap percentile interval of the score over rows drawn with replacement (Efron 1979): (low, high).

    It says how far the score moves with other rows of the same kind; not with another training. Resamples in which the score is not
    defined (ROC AUC without one of the classes) are left out; all undefined: (nan, nan).
    """
    labels, probabilities = checked(labels, probabilities)
    rows = metric.rows(labels, probabilities) if metric.rows else None
    generator = np.random.default_rng(seed)
    scores = np.empty(resamples)
    for index in range(resamples):
        drawn = generator.integers(0, len(labels), len(labels))
        scores[index] = metric.score(labels[drawn], probabilities[drawn], positive=positive) if rows is None else rows[drawn].mean()
    scores = scores[~np.isnan(scores)]
    if not scores.size:
        return float("nan"), float("nan")
    low, high = np.quantile(scores, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
