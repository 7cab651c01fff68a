"""What the submission makes of the labels: metric, style, positive class, length of a ranking, range. Decisions for `infer.QUESTION`."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from clf import joins, labels, metrics, readers
from clf.config import Mistake
from clf.draft import Draft
from clf.problem import SINGLE


def metric(draft: Draft) -> tuple[str, str]:
    """What Kaggle says; else by the kind and by what the sample submission holds."""
    known, (name, source) = draft.known, labels.kaggles_metric(draft)
    if name and known.kind in metrics.METRICS[name].kinds:
        return name, source
    if name:
        fitting = ", ".join(other for other, entry in metrics.METRICS.items() if known.kind in entry.kinds)
        raise Mistake(f"{source} means {name}, which is not defined for a {known.kind} problem. Those that are: {fitting}.")
    stated = draft.facts.get("metric")
    unknown = f"Kaggle's metric {stated!r} is none that the kit computes; " if stated else "nothing here names the metric; "
    probabilities = len(known.columns) > 1 or labels.fractions(draft) or bool(readers.targets_of(draft.raw, known))
    if known.kind == "binary" and not probabilities and labels.said(draft) <= {"0", "1"}:
        raise Mistake(
            f"{unknown}{known.submission_file} holds {'/'.join(sorted(labels.said(draft))) or 'nothing'}: a label (accuracy, f1) or a "
            "probability (roc_auc, log_loss)? Look at the competition's evaluation page."
        )
    tokens = max(labels.lengths(labels.said(draft)), default=1)
    held = f"the sample submission holds {min(labels.said(draft), default='')!r}"
    by_kind = {"multilabel": "log_loss" if probabilities else "samples_f1", "soft": "kl_divergence", "regression": "rmse", "ordinal": "kappa"}
    parts = {part for value in labels.said(draft) for part in value.split()}
    if known.kind in SINGLE and tokens > 1 and not labels.said(draft) & set(known.classes) and len(parts & set(known.classes)) < 0.5 * len(parts):
        raise Mistake(f"{unknown}{held}, which is neither labels nor a probability: boxes or masks are not what this kit predicts.")
    single = "log_loss" if probabilities else "map_at_k" if tokens > 1 and not labels.said(draft) & set(known.classes) else "accuracy"
    name = by_kind.get(known.kind, single)
    others = ", ".join(other for other, entry in metrics.METRICS.items() if other != name and known.kind in entry.kinds)
    return name, f"assumed: {unknown}{held}, the problem is {known.kind}. If it is another one, write it here: {others}"


def style(draft: Draft) -> tuple[str, str]:
    known, values = draft.known, labels.said(draft)
    if len(known.columns) > 1:
        return "columns", f"{len(known.columns)} prediction columns"
    if readers.targets_of(draft.raw, known):
        return "rows", f"ids like {draft.sample()[known.id_column].iloc[0]!r}: a row for each picture and target"
    if known.kind == "multilabel":
        return "labels", f"several labels in one cell, like {max(values, key=len, default='')!r}"
    if known.kind == "regression":
        return "number", "one number"
    shown = f"{known.submission_file} holds values like {min(values, default='')!r}"
    known_labels = set(draft.labels)
    wants = metrics.METRICS[known.metric].wants
    if known.metric == "average_precision" and known.kind in SINGLE:
        return "confidence", f"{known.metric} ranks labels by their confidence; {shown}"
    if wants == "ranking" or (
        labels.lengths(values) - {1} and not values & known_labels and {part for value in values for part in value.split()} & known_labels
    ):
        return "ranking", f"{known.metric} and {shown}: labels, the best first"
    if known.kind == "binary" and (wants == "probabilities" or (labels.fractions(draft) and not values <= known_labels)):
        return "positive", f"two classes; {shown if labels.fractions(draft) else f'{known.metric} wants probabilities'}"
    if wants == "probabilities":
        raise Mistake(f"{known.metric} wants probabilities, and {known.submission_file} has one column for {len(known_labels)} labels.")
    if values and labels.whole(values) and not labels.whole(known_labels):
        return "index", f"assumed: {shown}, but the labels are names: the number of the class, from 0, in the order of classes"
    return "label", shown if values <= known_labels else f"assumed: {shown}, which is no label of the training rows; it is written as these write it"


ABSENCE = re.compile(
    r"(?<![a-z])(no|not|non|none|without|normal|healthy|negative|neg|absent|absence|benign|background|clean|uninfected|unaffected|false|control)(?![a-z])",
    re.IGNORECASE,
)
NAMES_POSITIVE = (  # 1 = dog; dog: 1; the probability that the image is a dog
    r"(?<![\w.])1\s*(=|:|for|means|is)\s*[\"'(]*{}(?!\w)",
    r"(?<!\w){}s?[\"')]*\s*(=|:)\s*1(?![\w.])",
    r"probab\w*[^.]{{0,80}}(?<!\w){}s?(?!\w)",
)


def positive(draft: Draft) -> tuple[str, str]:
    """{0, 1} literally; a class that Kaggle's text or the prediction column names; else the last."""
    known = draft.known
    if known.kind != "binary" or (known.style != "positive" and known.metric in ("accuracy", "balanced_accuracy", "log_loss")):
        return "", f"not asked: {known.kind}, {known.metric}, the submission's style is {known.style}"
    if set(known.classes) == {"0", "1"}:
        return "1", "the labels are 0 and 1"
    for source, text in draft.texts().items():
        for pattern in NAMES_POSITIVE:
            found = [name for name in known.classes if re.search(pattern.format(re.escape(name)), text, re.IGNORECASE)]
            if len(found) == 1:
                return found[0], f"{labels.whose(source)}: {labels.around(text, pattern.format(re.escape(found[0])))}"
    named = [name for name in known.classes if joins.plain(name) in [joins.plain(known.columns[0]), *labels.words(known.columns[0])]]
    if len(named) == 1:
        return named[0], f"the prediction column is called {known.columns[0]!r}"
    names = ", ".join(sorted(known.classes))
    present = [name for name in known.classes if not ABSENCE.search(name)]
    if len(present) == 1:
        return present[0], f"assumed: of {names} the other one reads like an absence. The wrong one spoils the score: look it up"
    last = sorted(known.classes)[-1]
    return last, f"assumed: nothing says whose probability is asked; the last of {names}. The wrong one spoils the score: look it up"


def ranks(draft: Draft) -> tuple[int, str]:
    """As many labels as Kaggle's text or the sample's cells name."""
    known = draft.known
    if known.style != "ranking":
        return 0, f"not asked: the submission's style is {known.style}"
    for source, text in draft.texts().items():
        if metrics.ranks_named(text):
            return metrics.ranks_named(text), labels.whose(source)
    longest = max(labels.lengths(labels.said(draft)), default=0)
    if longest > 1:
        return longest, f"the cells of {known.submission_file} hold up to {longest} labels"
    return 5, "assumed: nothing says how many labels"


NUMBER = r"(?P<number>\d+(\.\d+)?|twice|double)"
WEIGHED = (rf"weigh[^.\n]{{0,60}}?{NUMBER}", rf"{NUMBER}[^.\n]{{0,20}}?weigh", r"weigh\w* (more|higher)")


def weights(draft: Draft) -> tuple[tuple[str, ...], str]:
    """Of several labels in a weighted log loss: the ones that a sentence of Kaggle's text says to weigh more."""
    known = draft.known
    if known.kind != "multilabel" or known.metric != "log_loss":
        return (), f"not asked: {known.kind}, {known.metric}"
    for source, text in draft.texts().items():
        text = metrics.plain(text)
        if not re.search(r"weighted[^.\n]{0,40}log", text, re.IGNORECASE):
            continue
        for pattern in WEIGHED:
            named = {name: re.search(rf"(?<!\w){re.escape(name)}(?!\w)[^.\n]{{0,40}}?{pattern}", text, re.IGNORECASE) for name in known.classes}
            found = {name: match.groupdict().get("number") for name, match in named.items() if match}
            if found:
                lines = tuple(f"{name} = {WORDS.get(number, number)}" for name, number in found.items())
                unsure = "assumed: no number is said; " if None in found.values() else ""
                return lines, f"{unsure}{labels.whose(source)}: {labels.around(text, re.escape(next(filter(None, named.values()))[0]))}"
        return (), f"assumed: {labels.whose(source)} names a weighted log loss, but no label that weighs more: look it up"
    return (), "every label counts the same"


WORDS = {"twice": "2", "double": "2", None: "2"}


def _extreme(draft: Draft, choose: Callable[[np.ndarray], np.ndarray]) -> tuple[tuple[str, ...], str]:
    if draft.known.kind != "regression":
        return (), f"not asked: the problem is {draft.known.kind}"
    values = np.array([[float(word) for word in label.split()] for label in draft.labels])
    return tuple(f"{value:.9g}" for value in choose(values)), f"{len(values):,} training rows; predictions stay within"


DECISIONS: dict[str, Callable[[Draft], tuple[Any, str]]] = {
    "metric": metric,
    "style": style,
    "positive": positive,
    "ranks": ranks,
    "weights": weights,
    "lowest": partial(_extreme, choose=lambda values: values.min(axis=0)),
    "highest": partial(_extreme, choose=lambda values: values.max(axis=0)),
}
