"""Does the test set differ from the training set? Can a model tell them apart, and do predictions and their confidence carry over?

Each finding is a `Line` of the run's page. No TensorFlow here.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from clf import folds, images, metrics, paths, store, tables, targets
from clf.problem import Problem

ROWS = 1500  # of train and of test, at most, that the adversarial model sees
ENOUGH = 40  # rows of each that it needs
PARTS, TREES = 5, 60
THUMBNAIL = 6  # px: the side of the small grey picture among the features
CLEAR = 0.6  # area under the curve from which train and test differ so far that validation may mislead
SURE = 2.576  # standard errors to both sides of a 99 % interval: many pages are drawn, and noise must not be called shift
BINS = 15  # of the reliability curve, as Guo et al. 2017
PAIRS = 100_000  # rows, or pairs of row and class, at most, that a curve is taken from
DRAWN = 300  # times that a perfectly calibrated model of this confidence is drawn
SMALL = 0.01  # calibration errors and changes of the mix below this are of no consequence, however sure


@dataclass(frozen=True)
class Line:
    """A named finding, and what to do about it. `worrying`: it asks for something."""

    name: str
    seen: str
    advice: str
    worrying: bool = False


# -- can a model tell train from test? ------------------------------------------------------------------------------------------------


def facts(pictures: np.ndarray) -> pd.DataFrame:
    """What is cheap to see of pictures uint8 [N,S,S,C]: named columns, then those of a thumbnail (`thumbnail 0` …)."""
    found = []
    for picture in pictures:
        shown = images.visible(picture)
        grey = shown[:, :, 0] if shown.shape[2] == 1 else cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY)
        every = max(1, len(grey) // 48)  # px: quantiles of a large picture take long
        low, high = np.percentile(grey[::every, ::every], (5, 95))
        spread = (shown.max(2).astype(int) - shown.min(2)).mean()
        edges = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
        step = np.abs(np.diff(grey.astype(np.float32), axis=1))
        border = step[:, :1].mean() + step[:, -1:].mean()
        means = picture.reshape(-1, picture.shape[2]).mean(0) if picture.shape[2] > 1 else ()
        small = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).ravel()
        noise = np.median(edges[::every, ::every])
        found.append([grey.mean(), grey.std(), low, high, spread, edges.mean(), noise, edges.max(), border, *means, *small])
    channels = [f"channel {number}" for number in range(pictures.shape[3])] if pictures.shape[3] > 1 else []
    named = [
        "brightness",
        "contrast",
        "darkest parts",
        "brightest parts",
        "colourfulness",
        "sharpness",
        "fine noise",
        "sharpest edge",
        "edges at the border",
    ]
    return pd.DataFrame(found, columns=[*named, *channels, *(f"thumbnail {number}" for number in range(THUMBNAIL**2))])


def sizes(listed: pd.DataFrame) -> pd.DataFrame:
    """What 02 wrote of the files, rows of pictures.csv: width, height, their quotient, and a number for each format."""
    if "format" not in listed:  # tables that were written before 02 recorded it
        return pd.DataFrame(index=range(len(listed)))
    width, height = (listed[name].to_numpy(float) for name in ("width", "height"))
    formats = pd.factorize(listed["format"], sort=True)[0]
    return pd.DataFrame({"width": width, "height": height, "width by height": width / height, "format": formats})


def sample(place: paths.Place, side: int) -> tuple[pd.DataFrame, np.ndarray] | str:
    """(features, bool: of the test) of at most ROWS rows of each, or why not. Of training rows that belong together (`folds.bound`) one is
    taken: a model that knows a patient again has found no shift."""
    packed, rng = store.load(place.packed(side)), np.random.default_rng(0)
    units = folds.bound(tables.read(place.train, [*folds.BINDING]))
    order = rng.permutation(len(units))
    alone = order[np.unique(units[order], return_index=True)[1]]
    listed, found, lines = tables.read(place.pictures, ["part", "row"]), [], []
    for part, rows in (("train", alone), ("test", None)):
        of_part = np.flatnonzero(listed.part == part)
        where = tables.store_rows(listed, part, len(of_part))
        rows = np.flatnonzero(where >= 0) if rows is None else rows
        if len(rows) < ENOUGH:
            return f"Not looked at: {len(rows)} {part} rows that stand alone, and {ENOUGH} are needed."
        rows = np.sort(rng.permutation(rows)[:ROWS])
        found.append(facts(packed[where[rows]]))
        lines.append(of_part[rows])
    del listed
    seen = sizes(tables.read(place.pictures, ["part", *tables.SIZES], np.concatenate(lines)))  # together: a format has one number
    return pd.concat([pd.concat(found, ignore_index=True), seen], axis=1), np.repeat([False, True], [len(each) for each in lines])


def told_apart(features: pd.DataFrame, of_test: np.ndarray) -> dict:
    """`{auc, low, high, rows, differ}`: the cross-validated area under the ROC curve of trees that tell test rows from training rows.

    The mean of the parts' areas: none of a part's rows trained its trees, so that without a shift each area is that of random order
    (Mann and Whitney 1947), and the 99 % interval (standard error of Hanley and McNeil 1982) holds 0.5. `differ`: of the named features
    those that alone tell them apart beyond chance, the most telling first, as {name, auc, train, test (medians)}.
    """
    from sklearn.ensemble import ExtraTreesClassifier  # seconds to import
    from sklearn.model_selection import StratifiedKFold

    values, areas = features.to_numpy(np.float32), []
    for seen, unseen in StratifiedKFold(PARTS, shuffle=True, random_state=0).split(values, of_test):
        trees = ExtraTreesClassifier(TREES, min_samples_leaf=3, random_state=0).fit(values[seen], of_test[seen])
        areas.append(area(trees.predict_proba(values[unseen])[:, 1], of_test[unseen]))
    auc = float(np.mean(areas))
    noise = SURE * standard_error(auc, int(of_test.sum()), int((~of_test).sum()))
    named = [name for name in features if not name.startswith("thumbnail")]
    alone = {name: area(features[name].to_numpy(), of_test) for name in named}
    chance = (SURE + 1) * standard_error(0.5, int(of_test.sum()), int((~of_test).sum()))  # about 1 in 100 for 20 features together
    telling = sorted((name for name in named if abs(alone[name] - 0.5) > chance), key=lambda name: -abs(alone[name] - 0.5))
    medians = [{"name": name, "auc": alone[name]} | _medians(features[name], of_test) for name in telling]
    return {
        "auc": auc,
        "low": max(0.0, auc - noise),
        "high": min(1.0, auc + noise),
        "rows": [int((~of_test).sum()), int(of_test.sum())],
        "differ": medians,
    }


def _medians(values: pd.Series, of_test: np.ndarray) -> dict:
    return {"train": float(values[~of_test].median()), "test": float(values[of_test].median())}


def area(values: np.ndarray, positive: np.ndarray) -> float:
    """Under the ROC curve of float [N] for bool [N]."""
    return metrics.roc_auc(positive.astype(int), np.stack([-values, values], axis=1), metrics.Asked(kind="binary"))


def standard_error(auc: float, ones: int, zeros: int) -> float:
    """Of an area under the ROC curve, by Hanley and McNeil 1982."""
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    return float(np.sqrt((auc * (1 - auc) + (ones - 1) * (first - auc**2) + (zeros - 1) * (second - auc**2)) / (ones * zeros)))


def adversarial(place: paths.Place, side: int) -> Line:
    """Raises Mistake without a store."""
    return adversarial_line(look(place, side))


def look(place: paths.Place, side: int) -> dict:
    """`told_apart`, or `why` not. Once for these tables and this store, in some seconds: the answer stands in a record beside them.

    Raises Mistake without a store.
    """
    store.load(place.packed(side))
    files = (place.train, place.test, place.pictures, place.packed(side).record)
    made_from = {file.name: paths.hash_file(file) for file in files} | {"side": side} | paths.code("shift")
    if paths.changed(place.shift, made_from):
        print("shift: can a model tell test pictures from training pictures?")
        drawn = sample(place, side)
        found = {"why": drawn} if isinstance(drawn, str) else told_apart(*drawn)
        paths.write_json(place.shift, {"made_from": made_from, **found})
    return paths.read_json(place.shift)


def adversarial_line(found: dict) -> Line:
    name = "Train against test"
    if "why" in found:
        return Line(name, found["why"], "–")
    of = f"{found['rows'][0]:,} training and {found['rows'][1]:,} test pictures"
    seen = f"area under the curve {found['auc']:.3f} (99 % interval {found['low']:.3f} to {found['high']:.3f}, {of})"
    if found["low"] <= 0.5:
        return Line(
            name, f"None found: a small model cannot tell test from training pictures, {seen}.", "Nothing: validation rows are like test rows."
        )
    differ = ", ".join(f"{one['name']} (median {one['train']:.4g} in train, {one['test']:.4g} in test)" for one in found["differ"][:3])
    where = f"Most: {differ}." if differ else "No single measure shows it: look at what the pictures show, and how they are framed."
    if found["auc"] < CLEAR:
        return Line(name, f"Slight: {seen}. {where}", "Keep an eye on the public score; augmentation that varies what differs costs little.", True)
    advice = (
        "Vary in training what differs (augment=, fit=), or make both alike before 03. Trust a public score more than cross-validation, and validate "
        "on the training rows that look like the test's. A measure that gives the answer away (a size, a format) is a trap, not a help."
    )
    return Line(name, f"Shift: a small model tells test from training pictures, {seen}. {where}", advice, True)


# -- the mix of the predictions -------------------------------------------------------------------------------------------------------


def mix_line(question: Problem, valid: np.ndarray, test: np.ndarray) -> Line:
    """Mean predictions [N,K] of the test rows against the out-of-fold rows, class by class: Welch's z, by Bonferroni with 99 % for all of
    them together. Means are as those of the folds' models, also where the test's predictions are averages over them."""
    from scipy.stats import norm

    name = "Class mix, test against out of fold" if question.kind != "regression" else "Mean values, test against out of fold"
    if not len(valid):
        return Line(name, "Not defined: no row was validated.", "A run on folds with the same settings has it.")
    if min(len(valid), len(test)) < ENOUGH:
        return Line(name, f"Not looked at: {ENOUGH} rows of each are needed.", "–")
    before, after = valid.mean(0), test.mean(0)
    noise = np.sqrt(sum((np.einsum("ij,ij->j", rows, rows) / len(rows) - rows.mean(0) ** 2).clip(0) / len(rows) for rows in (valid, test)))
    sure = norm.ppf(1 - 0.01 / (2 * len(before)))
    gap = after - before
    unit = np.ones(len(before)) if question.kind != "regression" else np.diff(targets.ranges(question), axis=0)[0]
    beyond = (np.abs(gap) > sure * noise) & (np.abs(gap) > SMALL * unit)
    ranked = np.argsort(-np.abs(gap) / unit)
    figure = "{:.2%}" if question.kind != "regression" else "{:.4g}"
    widest = f"widest gap: {question.classes[ranked[0]]!r}, {figure.format(after[ranked[0]])} of test, {figure.format(before[ranked[0]])} out of fold"
    if not beyond.any():
        return Line(name, f"The same within noise ({widest}).", "Nothing.")
    shown = [place for place in ranked if beyond[place]]
    said = ", ".join(f"{question.classes[place]!r} {figure.format(before[place])} → {figure.format(after[place])}" for place in shown[:5])
    more = f" and {len(shown) - 5:,} more" if len(shown) > 5 else ""
    advice = (
        "Either the test holds another mix (then thresholds fitted out of fold, and probabilities, are off: rescale them, Saerens et al. "
        "2002), or its pictures look different: see the line above."
    )
    return Line(name, f"Out of fold → test: {said}{more}.", advice, True)


# -- calibration ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calibration:
    """A reliability curve: of each bin that has rows the mean confidence, how often it was right, and its rows."""

    confidence: np.ndarray
    right: np.ndarray
    rows: np.ndarray
    error: float  # expected calibration error
    chance: float  # what a perfectly calibrated model of this confidence stays below with 99 %


def calibration(question: Problem, truth: np.ndarray, predicted: np.ndarray) -> Calibration | None:
    """Of the likeliest class (kinds with one), or of every class of every row (multilabel); None for shares and values, and for few rows.

    The expected calibration error over BINS bins of equal width is that of Guo et al. 2017. It is never 0 for a finite number of rows:
    `chance` is drawn.
    """
    if question.kind in ("soft", "regression") or len(predicted) < ENOUGH:
        return None
    rng = np.random.default_rng(0)
    if question.kind == "multilabel":
        picked = rng.integers(0, predicted.size, PAIRS) if predicted.size > PAIRS else np.arange(predicted.size)
        confidence, right = predicted.ravel()[picked], truth.ravel()[picked] > 0.5
    else:
        picked = rng.integers(0, len(predicted), PAIRS) if len(predicted) > PAIRS else slice(None)
        likeliest, confidence = predicted[picked].argmax(1), predicted[picked].max(1)
        right = likeliest == truth[picked]
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    rows, sums = (np.bincount(bins, weights, BINS) for weights in (None, confidence))
    hits = np.bincount(bins, right, BINS)
    drawn = [np.abs(np.bincount(bins, rng.random(len(bins)) < confidence, BINS) - sums).sum() / len(bins) for _ in range(DRAWN)]
    held = rows > 0
    error = float(np.abs(hits - sums).sum() / len(bins))
    return Calibration(sums[held] / rows[held], hits[held] / rows[held], rows[held].astype(int), error, float(np.quantile(drawn, 0.99)))


def calibration_line(question: Problem, found: Calibration | None, rows: int) -> Line:
    name = "Calibration, out of fold"
    if question.kind in ("soft", "regression"):
        return Line(name, f"Not defined for the kind {question.kind}: its targets are no events that happen or not.", "–")
    if found is None:
        return Line(name, "Not defined: no row was validated." if not rows else f"Not looked at: {ENOUGH} rows are needed.", "–")
    mean, hit = (float(values @ found.rows / found.rows.sum()) for values in (found.confidence, found.right))
    said = f"expected calibration error {found.error:.3f} (chance alone: up to {found.chance:.3f}); mean confidence {mean:.3f}, right {hit:.3f}"
    if found.error <= max(found.chance, SMALL):
        return Line(name, f"Calibrated: {said}.", "Nothing.")
    way = "Too confident" if mean > hit else "Too cautious"
    if question.kind == "multilabel":
        way = "Probabilities too high" if mean > hit else "Probabilities too low"
    if decisions_only(question):
        return Line(name, f"{way}: {said}.", f"Nothing: {question.metric} asks for decisions, not for probabilities.")
    less = "more" if mean > hit else "less"
    advice = f"A temperature fitted on the out-of-fold predictions mends it for {question.metric}; in training, {less} label_smoothing="
    return Line(name, f"{way}: {said}.", f"{advice} (or mixing, mix=) moves it.", True)


def decisions_only(question: Problem) -> bool:
    """Whether the metric looks at labels, sets, ratings or an order only."""
    return metrics.METRICS[question.metric].wants not in ("probabilities", "values") or "auc" in question.metric
