"""Who validates whom, and the nested sample: drawn once, stored in `folds.csv`, hashed into every run's identity."""

import numpy as np
import pandas as pd

from clf import targets
from clf.config import Mistake
from clf.problem import SINGLE, Problem

HOLDOUT = "holdout"
FOLDS = 5
BINS = 10  # of a number that is to be predicted: equally many rows in each
BALANCED = 300  # names whose rows are spread while groups are dealt: the time grows with their number


def draw(train: pd.DataFrame, question: Problem, folds: int = FOLDS, holdout: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """`train` as in train.csv → `id, fold, sample`, all text, in train's order.

    `fold` is `"0"` … or `"holdout"` (a locked share that no training, tuning or choice reads; step 07 scores it). Rows of one
    group or one duplicate cluster share a fold; labels are spread evenly as far as that allows. There are fewer folds than asked for
    where fewer groups can be parted; raises Mistake where less than two can.
    `sample` is a rank: the rows with rank < n are the stratified sample of n rows, so smaller samples nest in larger ones.
    """
    held, units = labels(train, question), bound(train)
    fold = np.full(len(train), "", dtype=object)
    if holdout:
        parts = split(held, units, _parts(max(2, round(1 / holdout)), units, question, holdout), seed + 1)
        sizes = np.bincount(parts)
        fold[parts == np.abs(sizes - holdout * len(train)).argmin()] = HOLDOUT
    left = np.flatnonzero(fold != HOLDOUT)
    place = pd.Series(np.arange(len(left)), index=left)
    of_left = held[held["row"].isin(left)]
    of_left = of_left.assign(row=place[of_left["row"]].to_numpy())
    fold[left] = _texts(split(of_left, units[left], _parts(folds, units[left], question, holdout), seed))
    return pd.DataFrame({"id": train["id"], "fold": fold, "sample": _texts(rank(_rarest(held, len(train)), fold, seed))})


def _texts(numbers: np.ndarray) -> pd.Series:
    """As text; `astype(str)` of an array takes 84 bytes for each."""
    return pd.Series(numbers).astype(str)


def _parts(wanted: int, units: np.ndarray, question: Problem, holdout: float) -> int:
    """At most as many as there are units. Raises Mistake where nothing can be parted."""
    found = len(np.unique(units))
    if found > 1:
        return min(wanted, found)
    rows, again = (
        f"the {len(units):,} training rows{' that are not locked' * bool(holdout)}",
        f"run `make explore COMPETITION={question.competition}`",
    )
    less = ", or leave out holdout=" if holdout else ""
    if not question.group:
        raise Mistake(f"no folds: {rows} are one picture and its duplicates, so none can validate another. Add pictures, then {again}{less}.")
    raise Mistake(
        f"no folds: {rows} share one value of {question.group!r}, the group column, so none may validate another. Where they may, set the value "
        f'of [group] in problem.toml to "" (or name another column), then {again}{less}.'
    )


# -- what is spread ----------------------------------------------------------------------------------------------------------------


def labels(train: pd.DataFrame, question: Problem) -> pd.DataFrame:
    """`row, name`, one line for each label of each row: what folds hold evenly. A row may have none.

    Of shares the class with the largest (its number), of values one of ten ranges with equally many rows (its number).
    """
    if question.kind in ("soft", "regression"):
        truth = targets.truth(question, train["label"])
        names = truth.argmax(axis=1) if question.kind == "soft" else _ranges(truth)
        return pd.DataFrame({"row": np.arange(len(train)), "name": names})
    if question.kind in SINGLE:
        return pd.DataFrame({"row": np.arange(len(train)), "name": train["label"]})
    cells = [list(dict.fromkeys(targets.split(question, cell))) for cell in train["label"]]
    rows = np.repeat(np.arange(len(cells)), [len(cell) for cell in cells])
    return pd.DataFrame({"row": rows, "name": pd.Series([name for cell in cells for name in cell], dtype=object)})


def _ranges(values: np.ndarray) -> np.ndarray:
    """Number of the quantile range, int [N]; of several values [N,K] along the direction in which they differ most."""
    centred = values - values.mean(axis=0)
    centred = centred / np.where(centred.std(axis=0) > 0, centred.std(axis=0), 1)
    along = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -1]
    return np.searchsorted(np.unique(np.quantile(along, np.arange(1, BINS) / BINS)), along, side="right")


def _rarest(held: pd.DataFrame, size: int) -> np.ndarray:
    """int [size]: the number of each row's label that the fewest rows have; -1 for a row without labels."""
    numbers, names = pd.factorize(held["name"])
    often = np.bincount(numbers, minlength=len(names))
    order = np.lexsort((numbers, -often[numbers], held["row"]))
    found = np.full(size, -1)
    found[held["row"].to_numpy()[order]] = numbers[order]  # the last one stays: the rarest
    return found


# -- what is dealt out --------------------------------------------------------------------------------------------------------------


BINDING = ("group", "cluster")  # columns of train.csv


def bound(train: pd.DataFrame) -> np.ndarray:
    """int32 [N]: rows with equal numbers must not be separated, because they share a group or a duplicate cluster (or both, in a chain).

    The number is that of the first row among them.
    """
    from scipy.sparse import coo_array  # slow to import: steps that only read folds do not wait
    from scipy.sparse.csgraph import connected_components

    keys, count = [], 0  # for each column int32 [N]: the number of what a row shares with others, or -1
    for column in BINDING:
        numbers, names = pd.factorize(train[column] if column in train else np.full(len(train), ""))
        shared = (np.bincount(numbers, minlength=len(names)) > 1) & np.asarray(names != "", bool)
        keys.append(np.where(shared, count + np.cumsum(shared) - 1, -1).astype(np.int32)[numbers])
        count += int(shared.sum())
    one, other = keys
    both = (one >= 0) & (other >= 0)
    edges = coo_array((np.ones(both.sum(), bool), (one[both], other[both])), shape=(count, count))
    unit = np.arange(len(train), dtype=np.int32)
    if count:
        rows = np.flatnonzero((one >= 0) | (other >= 0))
        parts = connected_components(edges, directed=False)[1][np.maximum(one, other)[rows]]
        first = np.empty(count, np.int32)
        first[parts[::-1]] = rows[::-1]  # the last one stays: the first row
        unit[rows] = first[parts]
    return unit


def split(held: pd.DataFrame, units: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The number of each row's fold, int [N]; `held` as of `labels`, and at least as many different `units` as folds."""
    units = np.unique(units, return_inverse=True)[1]
    tied = np.bincount(units)[units] > 1
    fold = np.full(len(units), -1)
    if len(np.unique(units[tied])) >= 2 * folds:
        fold[tied] = _split_groups(held, units, tied, folds, seed)[tied]
    fold = _deal(held, units, fold, folds, seed)
    return fold if len(np.unique(fold)) == folds else _deal(held, units, np.full(len(units), -1), folds, seed)


def _split_groups(held: pd.DataFrame, units: np.ndarray, tied: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The folds of the rows in units of several rows, int [N], -1 elsewhere.

    Every label of a row counts as a row of its own, and each row once more, so that the folds' sizes are even, too: that makes
    scikit-learn's splitter, which knows one class for each row, one for sets of labels.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    lines = held[tied[held["row"]]]
    often = lines["name"].value_counts()
    numbers = often[often >= folds].index[:BALANCED].get_indexer(lines["name"])
    rows = np.concatenate([np.flatnonzero(tied), lines["row"].to_numpy()[numbers >= 0]])
    strata = np.concatenate([np.full(tied.sum(), BALANCED), numbers[numbers >= 0]])
    fold = np.full(len(units), -1)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for number, (_, valid) in enumerate(splitter.split(rows, strata, units[rows])):
        fold[rows[valid]] = number
    return fold


def _deal(held: pd.DataFrame, units: np.ndarray, fold: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Gives the rows that have no fold yet (-1) theirs.

    The rarest label first, large units first: each goes where its rarest label is fewest, then where the fewest rows are. A label of
    single rows so differs by one row at most. Iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011) of units of any size.
    """
    names, known = pd.factorize(held["name"])
    often = np.append(np.bincount(names, minlength=len(known)), len(units) + 1)  # the last: units without a label
    of_row = held["row"].to_numpy()
    size = np.bincount(units)
    rarest = np.full(len(size), len(known))
    order = np.lexsort((names, -often[names]))
    rarest[units[of_row[order]]] = names[order]
    there = [[0] * folds for _ in often]
    for number in range(folds):
        for name, count in zip(*np.unique(names[fold[of_row] == number], return_counts=True), strict=True):
            there[name][number] = int(count)
    filled = np.bincount(fold[fold >= 0], minlength=folds).tolist()

    dealt = np.zeros(len(size), bool)
    dealt[units[fold >= 0]] = True
    generator = np.random.default_rng(seed)
    turn = generator.permutation(len(size))
    queue = np.lexsort((turn, -size, rarest, often[rarest]))
    line = np.argsort(units[of_row], kind="stable")
    start = np.searchsorted(units[of_row][line], np.arange(len(size) + 1)).tolist()
    listed, sizes, rarest, turn = names[line].tolist(), size.tolist(), rarest.tolist(), turn.tolist()
    found = np.full(len(size), -1)
    for unit in queue[~dealt[queue]].tolist():
        have, first = there[rarest[unit]], turn[unit]
        to = min(range(folds), key=lambda number: (have[number], filled[number], (number + first) % folds))
        found[unit] = to
        filled[to] += sizes[unit]
        for name in listed[start[unit] : start[unit + 1]]:
            there[name][to] += 1
    return np.where(fold >= 0, fold, found[units])


def rank(strata: np.ndarray, fold: np.ndarray, seed: int) -> np.ndarray:
    """int [N]: a random order in which every prefix holds each (stratum, fold) in its share; locked rows come last."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"stratum": strata, "fold": fold, "draw": rng.permutation(len(strata))})
    cells = frame.sort_values("draw").groupby(["stratum", "fold"])
    position = cells.cumcount().reindex(frame.index)
    size = frame.groupby(["stratum", "fold"])["draw"].transform("size")
    key = (position + rng.random(len(frame))) / size + 2.0 * (fold == HOLDOUT)
    order = np.argsort(key.to_numpy(), kind="stable")
    ranks = np.empty(len(order), dtype=int)
    ranks[order] = np.arange(len(order))
    return ranks


# -- what is read --------------------------------------------------------------------------------------------------------------------


def rows(folds: pd.DataFrame, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation rows for a fold's number, or for `full` (every open row, nothing to validate)."""
    fold = folds.fold.to_numpy()
    locked = fold == HOLDOUT
    valid = np.zeros(len(fold), bool) if key == "full" else fold == key
    return np.flatnonzero(~valid & ~locked), np.flatnonzero(valid)


def sample(folds: pd.DataFrame, size: int, rows: np.ndarray | None = None) -> np.ndarray:
    """The first `size` of the rows (default: all) by their rank in the nested sample, in table order."""
    rows = np.arange(len(folds)) if rows is None else rows
    return np.sort(rows[np.argsort(folds["sample"].iloc[rows].to_numpy(int))[:size]])


def keys(folds: pd.DataFrame) -> list[str]:
    return sorted(set(folds.fold) - {HOLDOUT}, key=int)


def summary(folds: pd.DataFrame, train: pd.DataFrame, question: Problem) -> str:
    """One line: rows per fold, why there are few folds, locked rows, and the classes that some fold lacks (of sets, too)."""
    sizes = folds.fold.value_counts()
    text = f"folds: {' '.join(str(sizes[key]) for key in keys(folds))} rows"
    if len(keys(folds)) < FOLDS and len(np.unique(bound(train)[folds.fold != HOLDOUT])) == len(keys(folds)):
        what = f"the open rows have {len(keys(folds))} groups only ({question.group})" if question.group else "there are no more rows to part"
        text += f", {len(keys(folds))} folds instead of {FOLDS}: {what}"
    if HOLDOUT in sizes:
        text += f", {sizes[HOLDOUT]} locked"
    if question.kind not in (*SINGLE, "multilabel"):
        return text
    held = labels(train, question)
    there = pd.crosstab(held["name"].to_numpy(), folds.fold.to_numpy()[held["row"]]).reindex(columns=keys(folds), fill_value=0)
    lacking = there.index[(there == 0).any(axis=1)]
    return text + (f"; not in every fold: {', '.join(lacking[:5])}{' …' if len(lacking) > 5 else ''}" if len(lacking) else "")
