"""Who validates whom, and the nested sample: drawn once, stored in `folds.csv`, hashed into every run's identity."""

import numpy as np
import pandas as pd

HOLDOUT = "holdout"


def draw(train: pd.DataFrame, folds: int = 5, holdout: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """`train` as in train.csv → `id, fold, sample`, all text, in train's order.

    `fold` is `"0"` … or `"holdout"` (a locked share that no training, tuning or choice reads; step 07 scores it). Rows of one
    group or one duplicate cluster share a fold; classes are spread evenly as far as that allows.
    `sample` is a rank: the rows with rank < n are the stratified sample of n rows, so smaller samples nest in larger ones.
    """
    units = bound(train)
    fold = np.full(len(train), "", dtype=object)
    open_rows = np.arange(len(train))
    if holdout:
        parts = max(2, round(1 / holdout))
        locked = split(train.label, units, parts, seed + 1)[0]
        fold[locked] = HOLDOUT
        open_rows = np.setdiff1d(open_rows, locked)
    for number, rows in enumerate(split(train.label.iloc[open_rows], units[open_rows], folds, seed)):
        fold[open_rows[rows]] = str(number)
    return pd.DataFrame({"id": train.id, "fold": fold, "sample": rank(train.label, fold, seed).astype(str)})


def bound(train: pd.DataFrame) -> np.ndarray:
    """int [N]: rows with equal numbers must not be separated, because they share a group or a duplicate cluster (or both, in a chain)."""
    parent = np.arange(len(train))

    def root(row):
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for column in ("group", "cluster"):
        if column in train:
            named = train[column][train[column] != ""]
            for rows in named.reset_index(drop=True).groupby(named.to_numpy()).groups.values():
                rows = named.index[rows]
                for row in rows[1:]:
                    parent[root(row)] = root(rows[0])
    return np.array([root(row) for row in range(len(train))])


def split(labels: pd.Series, units: np.ndarray, folds: int, seed: int) -> list[np.ndarray]:
    """Validation rows of each fold. A class with fewer rows than folds is spread as far as it goes, without a warning."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # slow to import: steps that only read folds do not wait

    codes = pd.factorize(labels)[0]
    single = len(np.unique(units)) == len(units)
    kind = StratifiedKFold if single else StratifiedGroupKFold
    rare = np.bincount(codes)[codes] < folds
    strata = np.where(rare, codes.max() + 1, codes)  # scikit-learn refuses classes smaller than the number of folds
    if (strata == codes.max() + 1).sum() < folds:
        strata = np.where(rare, np.bincount(codes).argmax(), codes)
    splitter = kind(folds, shuffle=True, random_state=seed)
    return [valid for _, valid in splitter.split(codes, strata, None if single else units)]


def rank(labels: pd.Series, fold: np.ndarray, seed: int) -> np.ndarray:
    """int [N]: a random order in which every prefix holds each (class, fold) in its share; locked rows come last."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"label": labels.to_numpy(), "fold": fold, "draw": rng.permutation(len(labels))})
    cells = frame.sort_values("draw").groupby(["label", "fold"])
    position = cells.cumcount().reindex(frame.index)
    size = frame.groupby(["label", "fold"])["draw"].transform("size")
    key = (position + rng.random(len(frame))) / size + 2.0 * (fold == HOLDOUT)
    order = np.argsort(key.to_numpy(), kind="stable")
    ranks = np.empty(len(order), dtype=int)
    ranks[order] = np.arange(len(order))
    return ranks


def rows(folds: pd.DataFrame, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation rows for a fold's number, or for `full` (every open row, nothing to validate)."""
    fold = folds.fold.to_numpy()
    locked = fold == HOLDOUT
    valid = np.zeros(len(fold), bool) if key == "full" else fold == key
    return np.flatnonzero(~valid & ~locked), np.flatnonzero(valid)


def sample(folds: pd.DataFrame, size: int, rows: np.ndarray | None = None) -> np.ndarray:
    """The first `size` of the rows (default: all) by their rank in the nested sample, in table order."""
    rows = np.arange(len(folds)) if rows is None else rows
    return np.sort(rows[np.argsort(folds["sample"].to_numpy(int)[rows])[:size]])


def keys(folds: pd.DataFrame) -> list[str]:
    return sorted(set(folds.fold) - {HOLDOUT}, key=int)


def summary(folds: pd.DataFrame, train: pd.DataFrame) -> str:
    """One line: rows per fold, locked rows, and the classes that some fold lacks."""
    sizes = folds.fold.value_counts()
    text = f"folds: {' '.join(str(sizes[key]) for key in keys(folds))} rows"
    if HOLDOUT in sizes:
        text += f", {sizes[HOLDOUT]} locked"
    per_class = pd.crosstab(train.label.to_numpy(), folds.fold.to_numpy())
    lacking = [name for name, row in per_class[keys(folds)].iterrows() if (row == 0).any()]
    return text + (f"; not in every fold: {', '.join(lacking[:5])}{' …' if len(lacking) > 5 else ''}" if lacking else "")
