"""One pass over all pictures of `raw/`: the rows that can be used and those set aside, duplicates, and what the page shows of them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clf import duplicates, images, readers, tables
from clf.config import Mistake
from clf.problem import SINGLE, Problem
from clf.raw import Raw

SAMPLES, SAMPLE_CLASSES, SAMPLE_SIDE = 8, 40, 96  # pictures of a class, classes, px, for the page
BINS = 5  # of values, for the page
SHOWN_CLUSTERS, SHOWN_MEMBERS = 20, 8


@dataclass(frozen=True)
class Gathered:
    """Everything that step 02 knows of the rows; `train` is `id, label, path, cluster[, group]`, `test` is `id, path[, row]`."""

    train: pd.DataFrame
    test: pd.DataFrame
    test_readable: np.ndarray  # bool [test rows]
    quarantine: pd.DataFrame  # part, id, path, reason
    inspection: images.Inspection  # of the train rows, then the readable test rows
    numbers: np.ndarray  # int [the same rows]: cluster, or -1
    notes: list[str]

    @property
    def look(self) -> images.Inspection:
        """Of the train rows only."""
        return self.inspection.take(slice(len(self.train)))

    @property
    def test_table(self) -> pd.DataFrame:
        return self.test[[name for name in ("id", "row") if name in self.test]]

    @property
    def train_table(self) -> pd.DataFrame:
        return self.train[[name for name in ("id", "label", "cluster", "group") if name in self.train]]


def gather(raw: Raw, problem: Problem) -> Gathered:
    """Reads the labels, decodes every picture once, sets aside what cannot be read, finds duplicates within and between train and test."""
    labelled, refused = reject(readers.labelled(raw, problem))
    asked = readers.test(raw, problem)
    raw.forget_index()
    there = np.flatnonzero(asked["path"] != "")
    found = images.inspect(raw.folder, [*labelled["path"], *asked["path"].iloc[there]], problem.window)
    readable = found.readable
    train_readable, test_readable = readable[: len(labelled)], np.zeros(len(asked), bool)
    test_readable[there] = readable[len(labelled) :]
    if not train_readable.any():
        raise Mistake(
            f"none of the {len(labelled):,} training pictures can be read; the first: {next(iter(found.reasons.values()), 'none is labelled')}."
        )
    reasons = [found.reasons.get(position, "") for position in range(len(readable))]
    missing = asked["path"] == ""
    unreadable = there[~readable[len(labelled) :]]
    aside = [
        refused,
        quarantine("train", labelled[~train_readable], [text for text in reasons[: len(labelled)] if text]),
        quarantine("test", asked[missing], ["no such picture"] * int(missing.sum())),
        quarantine("test", asked.iloc[unreadable], [text for text in reasons[len(labelled) :] if text]),
    ]
    train, kept = labelled[train_readable].reset_index(drop=True), found if readable.all() else found.take(readable)
    numbers, notes = _used_clusters(duplicates.clusters(kept.thumbnails, kept.digests), len(train))
    train["cluster"] = _cluster_names(numbers[: len(train)])
    return Gathered(train, asked, test_readable, pd.concat(aside, ignore_index=True), kept, numbers, notes)


def reject(train: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labelled rows with a picture, and the others as rows of `quarantine.csv` (`part, id, path, reason`)."""
    reasons = pd.Series("", index=train.index)
    clash = train.groupby("id")["label"].transform("nunique") > 1
    usable = train[train["label"].notna() & (train["path"] != "")]
    reasons[usable.index[usable["id"].duplicated()]] = "the id occurs before, with the same label"
    reasons[clash] = "the id occurs with several labels"
    reasons[train["path"] == ""] = "no such picture"
    reasons[train["label"].isna()] = "no label"
    bad = train[reasons != ""]
    return train[reasons == ""].reset_index(drop=True), quarantine("train", bad, reasons[reasons != ""])


def quarantine(part: str, rows: pd.DataFrame, reasons: Iterable[str]) -> pd.DataFrame:
    return pd.DataFrame({"part": part, "id": rows["id"], "path": rows["path"], "reason": list(reasons)}, dtype=object)


def _used_clusters(numbers: np.ndarray, train_rows: int) -> tuple[np.ndarray, list[str]]:
    """Clusters of more than 1 % of the training rows (and more than 10) are no duplicates but pictures that look alike: not used."""
    sizes = np.bincount(numbers[:train_rows][numbers[:train_rows] >= 0], minlength=max(numbers.max(initial=-1) + 1, 1))
    large = np.flatnonzero(sizes > max(10, train_rows // 100))
    notes = [f"a cluster of {sizes[number]:,} training pictures that look the same is too large to be duplicates: not used" for number in large]
    return np.where(np.isin(numbers, large), -1, numbers), notes


def _cluster_names(numbers: np.ndarray) -> list[str]:
    """`c17` for training rows that share a cluster with another training row, else ""."""
    sizes = np.bincount(numbers[numbers >= 0], minlength=1)
    return [f"c{number}" if number >= 0 and sizes[number] > 1 else "" for number in numbers]


def named(problem: Problem, labels: pd.Series) -> list[list[str]]:
    """What each row is shown as: its label or labels; the largest share; the fifth of the (first) value's range."""
    if problem.kind in SINGLE:
        return [[label] for label in labels]
    if problem.kind == "multilabel":
        return [tables.parted(problem.separator, label) for label in labels]
    values = np.array([[float(word) for word in label.split()] for label in labels])
    if problem.kind == "soft":
        return [[problem.classes[place]] for place in values.argmax(axis=1)]
    edges = np.unique(np.quantile(values[:, 0], np.linspace(0, 1, BINS + 1)))
    places = np.clip(np.searchsorted(edges, values[:, 0], "right") - 1, 0, len(edges) - 2)
    return [[f"{problem.classes[0]} {edges[place]:.4g} to {edges[place + 1]:.4g}"] for place in places]


def findings(raw: Raw, problem: Problem, gathered: Gathered) -> dict:
    """What `report.explore` shows of the rows; pictures are uint8 [S,S,1|3]."""
    train, numbers = gathered.train, gathered.numbers
    shown_as = pd.Series(named(problem, train["label"]), index=train.index).explode().dropna()
    members = pd.DataFrame(
        {
            "part": ["train"] * len(train) + ["test"] * int(gathered.test_readable.sum()),
            "id": [*train["id"], *gathered.test["id"][gathered.test_readable]],
            "label": [*train["label"], *[""] * int(gathered.test_readable.sum())],
            "path": [*train["path"], *gathered.test["path"][gathered.test_readable]],
            "cluster": numbers,
        }
    )
    clustered = members[members["cluster"] >= 0]
    of_train = clustered[clustered["part"] == "train"]
    sizes = clustered["cluster"].value_counts()
    shown = {number: clustered[clustered["cluster"] == number].head(SHOWN_MEMBERS) for number in sizes.index[:SHOWN_CLUSTERS]}
    counts = shown_as.value_counts()
    samples = {label: train.loc[shown_as.index[shown_as == label][:SAMPLES]] for label in counts.index[:SAMPLE_CLASSES]}
    pictures = small_pictures(raw, problem, [path for rows in [*shown.values(), *samples.values()] for path in rows["path"]])
    formats = pd.Series(gathered.inspection.formats).value_counts()
    return {
        "counts": {label: int(count) for label, count in counts.items()},
        "heights": gathered.inspection.heights,
        "widths": gathered.inspection.widths,
        "formats": {name: int(count) for name, count in formats.items()},
        "samples": {label: [pictures[path] for path in rows["path"]] for label, rows in samples.items()},
        "clusters": [[{**row, "picture": pictures[row["path"]]} for row in rows.to_dict("records")] for rows in shown.values()],
        "conflicts": int((of_train.groupby("cluster")["label"].nunique() > 1).sum()),
        "twins": int(clustered["cluster"][clustered["part"] == "test"].isin(of_train["cluster"]).sum()),
        "cluster_rows": int((train["cluster"] != "").sum()),
        "quarantine": gathered.quarantine,
        "train": len(train),
        "test": len(gathered.test),
    }


def small_pictures(raw: Raw, problem: Problem, names: list[str]) -> dict[str, np.ndarray]:
    """Name → uint8 [S,S,1|3], padded to squares, none above 96 px."""
    names = list(dict.fromkeys(names))
    found = {}
    for position, picture in images.stream(raw.folder, names, SAMPLE_SIDE, problem.window):
        found[names[position]] = images.visible(images.fit(picture, min(SAMPLE_SIDE, max(picture.shape[:2])), "pad"))
    return found
