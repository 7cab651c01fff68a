"""Every metric once more, by its definition in plain loops: nothing of `clf`, nothing of numpy's vectors.

`DEFINED[name](truth, predicted, kind, positive, ranks, weights)`: truth and predicted are lists, as `metrics` describes their arrays. NaN where the
definition has no value. mle-bench's graders (competitions/*/grade.py) say the same where they compute it.
"""

import itertools
from math import inf, log, nan, sqrt

SINGLE = ("binary", "multiclass", "ordinal")


def best(row):
    return max(range(len(row)), key=lambda code: (row[code], -code))


def mean(values):
    return sum(values) / len(values)


def said(row, kind):
    """The labels of a set."""
    return {best(row)} if kind in SINGLE else {code for code, value in enumerate(row) if value >= 0.5} or {best(row)}


def there(label, kind):
    return {label} if kind in SINGLE else {code for code, value in enumerate(label) if value > 0.5}


def f(hits, given, wanted, beta=1):
    return (1 + beta**2) * hits / (given + beta**2 * wanted) if given + beta**2 * wanted else 0.0


def accuracy(truth, predicted, *rest):
    return mean([best(row) == label for label, row in zip(truth, predicted, strict=True)])


def balanced_accuracy(truth, predicted, *rest):
    return mean([mean([best(row) == code for label, row in zip(truth, predicted, strict=True) if label == code]) for code in set(truth)])


def kappa(truth, predicted, *rest):
    given = [int(sum(code * share for code, share in enumerate(row)) + 0.5) for row in predicted]
    seen = mean([(label - rating) ** 2 for label, rating in zip(truth, given, strict=True)])
    chance = mean([(label - rating) ** 2 for label in truth for rating in given])
    return 1 - seen / chance if chance else nan


def f1(truth, predicted, kind, positive, *rest):
    given = [best(row) == positive for row in predicted]
    return f(sum(a and b == positive for a, b in zip(given, truth, strict=True)), sum(given), truth.count(positive))


def probabilistic_f1(truth, predicted, kind, positive, *rest):
    right = sum(row[positive] for label, row in zip(truth, predicted, strict=True) if label == positive)
    given = sum(row[positive] for row in predicted)
    if not right:
        return 0.0
    precision, recall = right / given, right / truth.count(positive)
    return 2 * precision * recall / (precision + recall)


def curve(inside, values):
    """The points of the ROC curve, (false, true) positive rates, by every threshold; None where a class is missing."""
    if all(inside) or not any(inside):
        return None
    points = []
    for threshold in [inf, *sorted(set(values), reverse=True)]:
        reached = [one for one, value in zip(inside, values, strict=True) if value >= threshold]
        points.append(((len(reached) - sum(reached)) / (len(inside) - sum(inside)), sum(reached) / sum(inside)))
    return points


def area(points, low, high):
    """Of the band between two true positive rates, below the curve."""
    total = 0.0
    for (left, bottom), (right, top) in itertools.pairwise(points):
        steps = sorted({0.0, 1.0, *((level - bottom) / (top - bottom) for level in (low, high) if top > bottom and bottom < level < top)})
        for start, end in itertools.pairwise(steps):
            width = (end - start) * (right - left)
            heights = [min(max(bottom + at * (top - bottom), low), high) - low for at in (start, end)]
            total += width * mean(heights)
    return total


def roc_auc(truth, predicted, kind, positive, *rest):
    classes = [positive] if kind == "binary" or (kind in SINGLE and len(predicted[0]) == 2) else range(len(predicted[0]))
    found = [curve([code in there(label, kind) for label in truth], [row[code] for row in predicted]) for code in classes]
    areas = [area(points, 0, 1) for points in found if points]
    return mean(areas) if areas else nan


def weighted_auc(truth, predicted, kind, positive, *rest):
    points = curve([label == positive for label in truth], [row[positive] for row in predicted])
    return (2 * area(points, 0, 0.4) + area(points, 0.4, 1)) / 1.4 if points else nan


def partial_auc(truth, predicted, kind, positive, *rest):
    points = curve([label == positive for label in truth], [row[positive] for row in predicted])
    return area(points, 0.8, 1) if points else nan


def map_at_k(truth, predicted, kind, positive, ranks, *rest):
    found = []
    for label, row in zip(truth, predicted, strict=True):
        order, wanted = sorted(range(len(row)), key=lambda code: (-row[code], code))[:ranks], there(label, kind)
        precisions = [mean([code in wanted for code in order[: place + 1]]) for place in range(len(order)) if order[place] in wanted]
        found.append(sum(precisions) / min(len(wanted), ranks) if wanted else 0.0)
    return mean(found)


def average_precision(truth, predicted, *rest):
    order = sorted(range(len(truth)), key=lambda row: -max(predicted[row]))
    right = [best(predicted[row]) == truth[row] for row in order]
    return sum(mean(right[: place + 1]) for place in range(len(right)) if right[place]) / len(right)


def macro_f1(truth, predicted, kind, *rest):
    given, wanted = [said(row, kind) for row in predicted], [there(label, kind) for label in truth]
    scores = []
    for code in range(len(predicted[0])):
        counts = [
            sum(code in a and code in b for a, b in zip(given, wanted, strict=True)),
            sum(code in a for a in given),
            sum(code in a for a in wanted),
        ]
        if any(counts) or kind not in SINGLE:
            scores.append(f(*counts))
    return mean(scores)


def micro_f1(truth, predicted, kind, *rest):
    given, wanted = [said(row, kind) for row in predicted], [there(label, kind) for label in truth]
    return f(sum(len(a & b) for a, b in zip(given, wanted, strict=True)), sum(map(len, given)), sum(map(len, wanted)))


def samples_f(beta):
    def score(truth, predicted, kind, *rest):
        pairs = [(said(row, kind), there(label, kind)) for label, row in zip(truth, predicted, strict=True)]
        return mean([f(len(a & b), len(a), len(b), beta) for a, b in pairs])

    return score


def held(value):
    return min(max(value, 1e-15), 1 - 1e-15)


def log_loss(truth, predicted, kind, positive, ranks, weights):
    found = []
    for label, row in zip(truth, predicted, strict=True):
        row = [held(value) for value in row]
        if kind == "multilabel":
            costs = [-log(value if wanted > 0.5 else 1 - value) for wanted, value in zip(label, row, strict=True)]
            found.append(sum(w * cost for w, cost in zip(weights, costs, strict=True)) / sum(weights))
        else:
            shares = label if kind == "soft" else [code == label for code in range(len(row))]
            found.append(-sum(share * log(value / sum(row)) for share, value in zip(shares, row, strict=True)))
    return mean(found)


def kl_divergence(truth, predicted, *rest):
    own = mean([sum(share * log(share) for share in label if share) for label in truth])
    return own + log_loss(truth, predicted, *rest)


def cells(truth, predicted):
    return [[a - b for a, b in zip(label, row, strict=True)] for label, row in zip(truth, predicted, strict=True)]


def rmse(truth, predicted, *rest):
    return sqrt(mean([gap**2 for row in cells(truth, predicted) for gap in row]))


def mean_columnwise_rmse(truth, predicted, *rest):
    return mean([sqrt(mean([gap**2 for gap in column])) for column in zip(*cells(truth, predicted), strict=True)])


def mae(truth, predicted, *rest):
    return mean([abs(gap) for row in cells(truth, predicted) for gap in row])


DEFINED = {
    "kappa": kappa,
    "map_at_k": map_at_k,
    "average_precision": average_precision,
    "weighted_auc": weighted_auc,
    "partial_auc": partial_auc,
    "roc_auc": roc_auc,
    "log_loss": log_loss,
    "kl_divergence": kl_divergence,
    "probabilistic_f1": probabilistic_f1,
    "macro_f1": macro_f1,
    "micro_f1": micro_f1,
    "samples_f2": samples_f(2),
    "samples_f1": samples_f(1),
    "f1": f1,
    "balanced_accuracy": balanced_accuracy,
    "top_1_error": lambda *given: 1 - accuracy(*given),
    "mean_columnwise_rmse": mean_columnwise_rmse,
    "rmse": rmse,
    "mae": mae,
    "accuracy": accuracy,
}
