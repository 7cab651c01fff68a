"""The competition's number: what it is called, how it is computed, which way is better, and what it wants: labels, sets, probabilities …

Every score takes `(truth, predicted, asked)`. Truth: int [N], class numbers (the kinds binary, multiclass, ordinal), or float [N,K]: 0 or
1 (multilabel), shares (soft), values (regression). Predicted: float [N,K], columns in the order of the problem's classes. What wants
labels, sets or ratings is decided by `decisions` first: predictions score as much before it as after.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from clf import decisions
from clf.decisions import SINGLE

CLIP = 1e-15  # Kaggle's log loss: one certain mistake costs 34.5
ABOVE = 0.2  # the part of the true positive rates, from the top, that the partial area is of
LABELLED = (*SINGLE, "multilabel")
MEASURED = ("regression", "soft")


@dataclass(frozen=True, eq=False)
class Asked:
    """What of the problem a score or a decision depends on."""

    kind: str = "multiclass"  # one of problem.KINDS
    positive: int = 1  # the positive class's column
    ranks: int = 5  # labels in a ranking
    weights: np.ndarray | None = None  # [K]: what the classes count in a log loss of several labels; None: the same
    new: int | None = None  # the column of the class for what no other class is
    cuts: np.ndarray | None = None  # what decisions.fit_cuts found; None: the defaults


@dataclass(frozen=True)
class Metric:
    """One name sets the recipe: besides what stands here, the kind that the metric is for gives head and loss (`losses.KINDS`).

    Every metric's run is the averaged weights at the end of the schedule: no checkpoint is chosen by a score, which would be too good then.
    """

    name: str
    title: str
    higher_is_better: bool
    score: Callable[[np.ndarray, np.ndarray, Asked], float]
    rows: Callable[[np.ndarray, np.ndarray, Asked], np.ndarray] | None  # each row's share, float64 [N], where the score is their mean
    wants: str  # labels | probabilities | sets | ratings | ranking | values: a key of decisions.DECISIONS
    kinds: tuple[str, ...]  # the problem kinds it is defined for
    words: str  # regular expression; WORDS
    rules: dict[str, decisions.Rule] = field(default_factory=dict)  # kind → what decisions.fit_cuts fits
    blend: str = "mean"  # of several models' predictions: a key of decisions.BLENDS
    smoothing: float = 0.1  # of the labels, unless label_smoothing= says another


def checked(truth: np.ndarray, predicted: np.ndarray, asked: Asked, kinds: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Truth int [N] or float64 [N,K], predicted float64 [N,K].

    Raises ValueError for another kind than these, no rows, shapes that do not fit, and what is not finite.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted, np.float64)
    if asked.kind not in kinds:
        raise ValueError(f"not defined for the kind {asked.kind!r}, only for {', '.join(kinds)}")
    if predicted.ndim != 2 or truth.shape != predicted.shape[: 1 if asked.kind in SINGLE else 2]:
        raise ValueError(f"truth {truth.shape} and predictions {predicted.shape} do not fit the kind {asked.kind}")
    if not len(truth):
        raise ValueError("no rows to score")
    if not np.isfinite(predicted).all() or not np.isfinite(truth).all():
        raise ValueError("truth or predictions hold values that are not finite")
    if asked.kind not in SINGLE:
        return truth.astype(np.float64), predicted
    if not np.issubdtype(truth.dtype, np.integer) or truth.min() < 0 or truth.max() >= predicted.shape[1]:
        raise ValueError(f"labels must be class indices from 0 to {predicted.shape[1] - 1}")
    return truth, predicted


def mean_of(rows: Callable[..., np.ndarray]) -> Callable[[np.ndarray, np.ndarray, Asked], float]:
    """The score that is the mean of what `rows` gives each row."""

    def score(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
        return float(rows(truth, predicted, asked).mean())

    return score


# -- one label for each picture ----------------------------------------------------------------------------------------------------


def accuracy_rows(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """1.0 where the most probable class is right; the first of equally probable ones counts. Its mean is scikit-learn's, as in mle-bench's
    competitions/cassava-leaf-disease-classification/grade.py."""
    truth, predicted = checked(truth, predicted, asked, SINGLE)
    return (predicted.argmax(1) == truth).astype(np.float64)


def top_1_error_rows(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> np.ndarray:
    return 1 - accuracy_rows(truth, predicted, asked)


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
    """Mean recall of the classes that occur."""
    truth, predicted = checked(truth, predicted, asked, SINGLE)
    rows = np.bincount(truth)
    hits = np.bincount(truth[decisions.as_labels(predicted, asked).argmax(1) == truth], minlength=len(rows))
    return float((hits[rows > 0] / rows[rows > 0]).mean())


def kappa(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
    """Cohen's kappa of the ratings, a disagreement weighing the square of its steps; NaN where all rows have one and the same rating.

    By hand, since a bootstrap calls it a thousand times; equal to scikit-learn's, as in mle-bench's
    competitions/aptos2019-blindness-detection/grade.py.
    """
    truth, predicted = checked(truth, predicted, asked, ("ordinal",))
    rating = decisions.as_ratings(predicted, asked).argmax(1)
    steps = np.arange(predicted.shape[1])
    of_truth, of_rating = (np.bincount(codes, minlength=len(steps)) for codes in (truth, rating))
    chance = of_truth @ (steps[:, None] - steps) ** 2.0 @ of_rating / len(truth)
    return float(1 - ((truth - rating) ** 2).sum() / chance) if chance else float("nan")


def f1(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
    """Of the positive class; 0 where it is neither there nor said."""
    truth, predicted = checked(truth, predicted, asked, ("binary",))
    return _positive_f1(truth == asked.positive, decisions.as_labels(predicted, asked)[:, asked.positive])


def probabilistic_f1(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
    """F1 with probabilities of the positive class for counts (Yacouby and Axman 2020); 0 where no row is positive, where mle-bench's
    competitions/rsna-breast-cancer-detection/grade.py, otherwise the same, divides by 0.

    Its cut makes 0 and 1 of the probabilities: where they are not calibrated for it, that scores better.
    """
    truth, predicted = checked(truth, predicted, asked, ("binary",))
    return _positive_f1(truth == asked.positive, decisions.as_probabilities(predicted, asked)[:, asked.positive])


def _positive_f1(inside: np.ndarray, said: np.ndarray) -> float:
    total = inside.sum() + said.sum()
    return float(2 * said[inside].sum() / total) if total else 0.0


# -- curves and rankings -----------------------------------------------------------------------------------------------------------


def roc_auc(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
    """One label of two classes: area under the curve of the positive column. Else the mean over the columns, each against the rest.

    By ranks (Mann and Whitney 1947), ties at one half: three times as quick as scikit-learn's function, and equal to it. Means over columns:
    as in mle-bench's competitions/plant-pathology-2020-fgvc7/grade.py.
    A column whose class never occurs, or always, has no curve: it is left out of the mean; NaN where none is left.
    """
    from scipy.stats import rankdata  # slow to import: a step with nothing to do does not wait

    truth, predicted = checked(truth, predicted, asked, LABELLED)
    columns = np.arange(predicted.shape[1])
    if asked.kind in SINGLE and len(columns) == 2:
        columns = np.array([asked.positive])
    found = truth[:, None] == columns if asked.kind in SINGLE else truth > 0.5
    inside = found.sum(0)
    outside = len(truth) - inside
    defined = (inside > 0) & (outside > 0)
    if not defined.any():
        return float("nan")
    wins = (rankdata(predicted[:, columns], axis=0) * found).sum(0) - inside * (inside + 1) / 2
    return float((wins[defined] / (inside * outside)[defined]).mean())


def weighted_auc(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
    """Area under the positive column's curve, twice the weight below a true positive rate of 0.4; NaN for one class only.

    As mle-bench's competitions/alaska2-image-steganalysis/grade.py, which parts the curve exactly at 0.4.
    """
    from sklearn.metrics import roc_curve

    truth, predicted = checked(truth, predicted, asked, ("binary",))
    inside = truth == asked.positive
    if inside.all() or not inside.any():
        return float("nan")
    false, true, _ = roc_curve(inside, predicted[:, asked.positive], drop_intermediate=False)
    start, rise = true[:-1], np.diff(true)
    slope = np.divide(np.diff(false), rise, out=np.zeros_like(rise), where=rise > 0)
    area = 0.0
    for low, high, weight in ((0.0, 0.4, 2), (0.4, 1.0, 1)):
        ends = np.clip([true[:-1], true[1:]], low, high)  # each segment's part within the band
        area += weight * ((ends[1] - ends[0]) * (1 - false[:-1] - slope * (ends.mean(0) - start))).sum()
    return float(area / 1.4)


def partial_auc(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
    """Area under the positive column's curve above a true positive rate of 0.8, 0 to 0.2 (isic-2024-challenge); NaN for one class only.

    Seen from the other class, that is scikit-learn's area below a false positive rate of 0.2, its scaling (McClish 1989) undone.
    """
    from sklearn.metrics import roc_auc_score

    truth, predicted = checked(truth, predicted, asked, ("binary",))
    outside = truth != asked.positive
    if outside.all() or not outside.any():
        return float("nan")
    least = ABOVE**2 / 2  # of a model that knows nothing
    scaled = roc_auc_score(outside, -predicted[:, asked.positive], max_fpr=ABOVE)
    return float(least + (2 * scaled - 1) * (ABOVE - least))


def map_at_k_rows(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """Average precision of the `ranks` best classes: the mean, over as many of a row's labels as fit in, of the precision at each.

    Of one label: 1 / its rank, 0 beyond. No label: 0. Of equal predictions the first class comes first. mle-bench takes the same from its
    metrics.py for competitions/hotel-id-2021-fgvc8/grade.py and whale-categorization-playground.
    """
    truth, predicted = checked(truth, predicted, asked, LABELLED)
    predicted = decisions.as_ranking(predicted, asked)
    if asked.ranks < 1:
        raise ValueError("ranks must be 1 or more")
    if asked.kind in SINGLE:  # without sorting: there may be 15,000 classes
        own = np.take_along_axis(predicted, truth[:, None], 1)
        earlier = np.arange(predicted.shape[1]) < truth[:, None]
        rank = 1 + ((predicted > own) | ((predicted == own) & earlier)).sum(1)
        return np.where(rank <= asked.ranks, 1 / rank, 0.0)
    best = np.argsort(-predicted, axis=1, kind="stable")[:, : asked.ranks]
    hits = np.take_along_axis(truth > 0.5, best, 1)
    precision = hits.cumsum(1) / np.arange(1, best.shape[1] + 1)
    return (precision * hits).sum(1) / np.clip((truth > 0.5).sum(1), 1, asked.ranks)


def average_precision(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
    """Of all rows' best labels in one list, the most confident first (landmark-recognition): the mean over all rows of the precision at
    each right one. Of equally confident rows the earlier comes first.
    """
    truth, predicted = checked(truth, predicted, asked, SINGLE)
    order = np.argsort(-predicted.max(1), kind="stable")
    hits = (predicted.argmax(1) == truth)[order]
    return float((hits.cumsum() / np.arange(1, len(hits) + 1) * hits).sum() / len(hits))


# -- F scores of sets --------------------------------------------------------------------------------------------------------------


def _sets(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> tuple[np.ndarray, np.ndarray]:
    """Of kind multilabel: which labels are there and which are said, bool [N,K] each."""
    return truth > 0.5, decisions.as_sets(predicted, asked) > 0.5


def macro_f1(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
    """Mean F1 of the classes. One label for each picture: of those that are there or said, as scikit-learn's in mle-bench's
    competitions/herbarium-2021-fgvc8/grade.py. Sets: of all, 0 for one that is neither.
    """
    truth, predicted = checked(truth, predicted, asked, LABELLED)
    if asked.kind in SINGLE:
        best, classes = decisions.as_labels(predicted, asked).argmax(1), predicted.shape[1]
        hits = np.bincount(truth[best == truth], minlength=classes)
        total = np.bincount(truth, minlength=classes) + np.bincount(best, minlength=classes)
        return float((2 * hits[total > 0] / total[total > 0]).mean())
    there, said = _sets(truth, predicted, asked)
    return float((2 * (there & said).sum(0) / np.maximum(there.sum(0) + said.sum(0), 1)).mean())


def micro_f1(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
    """F1 over all cells; with one label for each picture that is the accuracy. As scikit-learn's in mle-bench's competitions/*/grade.py:
    imet-2020-fgvc7 and plant-pathology-2021-fgvc8 (sets), plant-seedlings-classification (labels).
    """
    truth, predicted = checked(truth, predicted, asked, LABELLED)
    if asked.kind in SINGLE:
        return float(accuracy_rows(truth, predicted, asked).mean())
    there, said = _sets(truth, predicted, asked)
    return float(2 * (there & said).sum() / (there.sum() + said.sum()))


def samples_f_rows(truth: np.ndarray, predicted: np.ndarray, asked: Asked, *, beta: float) -> np.ndarray:
    """Each row's F; of one label 1 or 0. A row without labels gets 0: something is said of every row."""
    truth, predicted = checked(truth, predicted, asked, LABELLED)
    if asked.kind in SINGLE:
        return accuracy_rows(truth, predicted, asked)
    there, said = _sets(truth, predicted, asked)
    return (1 + beta**2) * (there & said).sum(1) / (beta**2 * there.sum(1) + said.sum(1))


f1_rows, f2_rows = partial(samples_f_rows, beta=1), partial(samples_f_rows, beta=2)


# -- losses and distances ----------------------------------------------------------------------------------------------------------


def log_loss_rows(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """Minus the log of the true class's probability, clipped and then renormalised as Kaggle does; defined also where not all classes
    occur. Shares: the cross-entropy against them. Sets: the mean of the binary log losses of a row's cells, by the weights of the classes
    (rsna-intracranial-hemorrhage-detection: `any` counts twice). One label: scikit-learn's, as in mle-bench's
    competitions/dog-breed-identification/grade.py.
    """
    truth, predicted = checked(truth, predicted, asked, (*LABELLED, "soft"))
    predicted = decisions.as_probabilities(predicted, asked)
    clipped = np.clip(predicted, CLIP, 1 - CLIP)
    if asked.kind in SINGLE:
        return np.log(clipped.sum(1)) - np.log(clipped[np.arange(len(truth)), truth])
    if asked.kind == "soft":
        return (truth * (np.log(clipped.sum(1, keepdims=True)) - np.log(clipped))).sum(1)
    return -np.average(truth * np.log(clipped) + (1 - truth) * np.log(1 - clipped), axis=1, weights=asked.weights)


def kl_rows(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> np.ndarray:
    """Kullback-Leibler divergence of the shares from the predictions, in nats: the cross-entropy without the shares' own entropy. As
    mle-bench's competitions/hms-harmful-brain-activity-classification/kullback_leibler_divergence.py, for rows that sum to 1.
    """
    truth, predicted = checked(truth, predicted, asked, ("soft",))
    own = truth * np.log(truth, out=np.zeros_like(truth), where=truth > 0)
    return log_loss_rows(truth, predicted, asked) + own.sum(1)


def rmse(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
    """Root of the mean square of all cells."""
    truth, predicted = checked(truth, predicted, asked, MEASURED)
    return float(np.sqrt(((truth - predicted) ** 2).mean()))


def mean_columnwise_rmse(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> float:
    truth, predicted = checked(truth, predicted, asked, MEASURED)
    return float(np.sqrt(((truth - predicted) ** 2).mean(0)).mean())


def mae_rows(truth: np.ndarray, predicted: np.ndarray, asked: Asked) -> np.ndarray:
    truth, predicted = checked(truth, predicted, asked, MEASURED)
    return np.abs(truth - predicted).mean(1)


# -- the table ---------------------------------------------------------------------------------------------------------------------


# Recognised in `plain` text, case ignored, in this order: the specific one before the one whose words also occur in its name or explanation.
WORDS = {
    "kappa": r"quadratic[^.]{0,40}kappa|kappa[^.]{0,40}quadratic|weighted[-_ ]kappa|(?<![a-z])qwk(?![a-z])",
    "map_at_k": r"(?<![a-z])map ?@|mean average precision ?(\(map\) ?)?(@|at (k|the top|top|\d))",
    "average_precision": r"(global|micro)[-_ ]average precision|(?-i:\bGAP\b)",  # in small letters GAP is an English word
    "weighted_auc": r"weighted[-_ ](auc|roc|area)",
    "partial_auc": r"((?<![a-z])p[-_ ]?auc|partial[-_ ]a(uc|rea))[^.]{0,80}(true positive|sensitivity|(?<![a-z])tpr)",
    "roc_auc": r"area under (the |a )?(roc|receiver|curve)|receiver operating characteristic|(?<![a-z])(roc|m?c?auc|auroc|rocauc)s?(?![a-z])",
    "log_loss": r"log[-_ ]?loss|logarithmic[-_ ]loss|multi[-_ ]?class[-_ ]?loss|cross[-_ ]?entropy",
    "kl_divergence": r"kullback|(?<![a-z])kl[-_ ]divergence",
    "probabilistic_f1": r"probabilistic[-_ ]f|(?<![a-z])pf[-_ ]?1(?!\d)",
    "macro_f1": r"macro[-_ ]?(averaged?[-_ ])?(mean[-_ ])?f[-_ ]?(1(?!\d|\.\d)|score|measure)|f[-_ ]?1[-_ ]macro|f[-_ ]?1[-_ ]?(score)?,? ?\(?macro",
    "micro_f1": r"micro[-_ ]?(averaged?[-_ ])?(mean[-_ ])?f[-_ ]?(1(?!\d|\.\d)|score|measure)|f[-_ ]?1[-_ ]micro",
    "samples_f2": r"(?<![a-z])f[-_ ]?2(?!\d|\.\d)|f[-_ ]?score[-_ ]beta",
    # Kaggle's "Mean F1-Score" is MeanFScore; with one label for each picture it is the micro-averaged one as well.
    "samples_f1": r"(mean|samples?|row[-_ ]?wise|average)[-_ ](averaged?[-_ ])?f[-_ ]?(1(?!\d|\.\d)|score)|f[-_ ]?1[-_ ]samples",
    "f1": r"(?<![a-z])f[-_ ]?1(?!\d|\.\d)|(?<![a-z])f[-_ ](score|measure)",
    "balanced_accuracy": r"balanced[-_ ]accuracy|(mean|average)[-_ ]per[-_ ]class[-_ ]accuracy",
    "top_1_error": r"top[-_ ]?1[-_ ](\w+[-_ ])?error|misclassification|(classification|categorization)[-_ ]error",
    "mean_columnwise_rmse": r"column[-_ ]?wise[-_ ](rmse|root[-_ ]mean[-_ ]square)|(?<![a-z])mcrmse",
    "rmse": r"(?<![a-z])rmse(?![a-z])|root[-_ ]mean[-_ ]squared?[-_ ](error|deviation)",
    "mae": r"mean[-_ ]absolute[-_ ]error|(?-i:\bMAE\b)",
    "accuracy": r"accuracy|percent(age)? of (labels|images) that are (predicted|classified) correctly",
}

ONE_LABEL = dict.fromkeys(SINGLE, decisions.FACTORS)
CALIBRATED = dict.fromkeys((*LABELLED, "soft"), decisions.CALIBRATION)
COMMON, EACH = {"multilabel": decisions.COMMON}, {"multilabel": decisions.EACH}
POSITIVE = {"binary": decisions.POSITIVE}
NEW, RATINGS = dict.fromkeys(SINGLE, decisions.NEW), {"ordinal": decisions.RATINGS}


def _of(name: str, title: str, higher_is_better: bool, score: Callable, wants: str, kinds: tuple[str, ...], *recipe, **named) -> Metric:
    """A metric whose score is one number for all rows."""
    return Metric(name, title, higher_is_better, score, None, wants, kinds, WORDS[name], *recipe, **named)


def _by_rows(name: str, title: str, higher_is_better: bool, rows: Callable, wants: str, kinds: tuple[str, ...], *recipe) -> Metric:
    """A metric whose score is a mean over the rows."""
    return Metric(name, title, higher_is_better, mean_of(rows), rows, wants, kinds, WORDS[name], *recipe)


METRICS = {
    metric.name: metric
    for metric in (
        _of("kappa", "quadratic weighted kappa", True, kappa, "ratings", ("ordinal",), RATINGS),
        _by_rows("map_at_k", "mean average precision @ k", True, map_at_k_rows, "ranking", LABELLED, NEW),
        _of("average_precision", "global average precision", True, average_precision, "probabilities", SINGLE),
        _of("weighted_auc", "weighted area under the ROC curve", True, weighted_auc, "probabilities", ("binary",), blend="ranks"),
        _of("partial_auc", "partial area under the ROC curve above 80 % TPR", True, partial_auc, "probabilities", ("binary",), blend="ranks"),
        _of("roc_auc", "area under the ROC curve", True, roc_auc, "probabilities", LABELLED, blend="ranks"),
        # Smoothed labels ask for probabilities that are never sure. On the embedded digits (model=resnet10 width=0.25 image_size=20 epochs=6,
        # means of three seeds) the log loss is 0.078 without and 0.156 with 0.1; calibrated 0.079 and 0.083, but what cannot be calibrated
        # (fold=full alone) should be right by itself.
        _by_rows("log_loss", "log loss", False, log_loss_rows, "probabilities", (*LABELLED, "soft"), CALIBRATED, "logits", 0.0),
        _by_rows("kl_divergence", "KL divergence", False, kl_rows, "probabilities", ("soft",), {"soft": decisions.CALIBRATION}, "logits"),
        _of("probabilistic_f1", "probabilistic F1 score", True, probabilistic_f1, "probabilities", ("binary",), POSITIVE),
        _of("macro_f1", "macro F1 score", True, macro_f1, "sets", LABELLED, EACH | ONE_LABEL),
        _of("micro_f1", "micro F1 score", True, micro_f1, "sets", LABELLED, COMMON),
        _by_rows("samples_f2", "mean F2 score", True, f2_rows, "sets", LABELLED, COMMON),
        _by_rows("samples_f1", "mean F1 score", True, f1_rows, "sets", LABELLED, COMMON),
        _of("f1", "F1 score", True, f1, "labels", ("binary",), POSITIVE),
        _of("balanced_accuracy", "balanced accuracy", True, balanced_accuracy, "labels", SINGLE, ONE_LABEL),
        _by_rows("top_1_error", "top-1 error", False, top_1_error_rows, "labels", SINGLE),
        _of("mean_columnwise_rmse", "mean column-wise RMSE", False, mean_columnwise_rmse, "values", MEASURED),
        _of("rmse", "root mean squared error", False, rmse, "values", MEASURED),
        _by_rows("mae", "mean absolute error", False, mae_rows, "values", MEASURED),
        _by_rows("accuracy", "accuracy", True, accuracy_rows, "labels", SINGLE),
    )
}

# Numbers that the kit does not compute, though their names or explanations may use the words of one that it does.
FOREIGN = (
    r"(?<!weighted.)kappa(?![^.]{0,40}quadratic)|top[-_ ]?([2-9]|1\d)\d*[-_ ](\w+[-_ ])?(accuracy|error)"
    r"|mean average precision(?! ?(\(map\) ?)?(@|at (k|the top|top|\d)))|(?<![a-z])(dice|jaccard|iou|rmsle)(?![a-z])|rmspe"
    r"|((?<![a-z])p[-_ ]?auc|partial[-_ ]a(uc|rea))(?![^.]{0,80}(true positive|sensitivity|(?<![a-z])tpr))"
    r"|(logarithmic|percentage) error|intersection over union|macro[-_ ](averaged )?recall|weighted[-_ ](f[-_ ]?1|f[-_ ]score|accuracy)|f[-_ ]?0\.5"
)
JUDGED = r"evaluat|(?<![a-z])(scored|judged|ranked|metric)"


# -- recognition -------------------------------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Without addresses (they name other metrics: wiki/MeanFScore) and marks of Markdown and HTML, and with blanks between the words of
    names like `MeanFScoreBeta`; acronyms like AUCs, mAP and pF1 stay whole.
    """
    text = re.sub(r"\]\([^)\s]*\)|https?://[^\s)\"'<>]+|[\[\]*`]|</?[a-zA-Z][^<>]*>", " ", text)
    text = re.sub(r"(?<=[a-z]{2})(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z]{2})", " ", text)
    return re.sub(r"[ \t]+", " ", text)


def recognise(text: str, kind: str | None = None) -> str | None:
    """The metric that Kaggle's evaluation text names; None where it names none, one that the kit does not compute, or one that is not
    defined for the kind. An F1 without further words is the positive class's of two classes, and else the one that fits the kind.

    The first sentence that says what is judged, and names a metric, counts before all others: they may explain or compare.
    """
    text = plain(text)
    judged = [sentence for sentence in re.split(r"(?<=[.!?:;])\s+|(?<![,\s])\s*\n\s*", text) if re.search(JUDGED, sentence, re.IGNORECASE)]
    name = None
    for part in (*judged, text):
        if re.search(FOREIGN, part, re.IGNORECASE):
            return None
        name = next((name for name, metric in METRICS.items() if re.search(metric.words, part, re.IGNORECASE)), None)
        if name:
            break
    if name is None or kind is None or kind in METRICS[name].kinds:
        return name
    return {"multilabel": "samples_f1", "multiclass": "macro_f1", "ordinal": "macro_f1"}.get(kind) if name == "f1" else None


def ranks_named(text: str) -> int:
    """The k of a metric such as MAP@5; 0 where the text names none."""
    found = re.search(r"@ ?\{?(\d+)|precision at (?:the )?(?:top )?(\d+)|(?<![a-z])k ?= ?(\d+)", text, re.IGNORECASE)
    return int(next(filter(None, found.groups()))) if found else 0


# -- comparison --------------------------------------------------------------------------------------------------------------------


def better(metric: Metric, score: float, than: float) -> bool:
    """Whether a score beats another one. NaN beats nothing and is beaten by any number."""
    if np.isnan(score) or np.isnan(than):
        return bool(np.isnan(than) and not np.isnan(score))
    return score > than if metric.higher_is_better else score < than
