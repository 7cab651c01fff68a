"""Whether step 02 has understood two folders as the same question: a layout, and the layout changed by one of `mutations.MUTATIONS`."""

from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from clf import images, paths, problem, tables
from tests.zoo import harness
from tests.zoo.entry import Built

GONE = 0.12  # share of rows that a mutation may take away, for each file of a row's picture
FIELDS = ("kind", "style", "metric", "join")


@dataclass(frozen=True)
class Understood:
    """What 02 wrote, in what a change of names leaves alone."""

    fields: dict[str, object]
    labels: list[tuple[str, str]]  # of the training rows: the id without extension, and the label with its parts in order
    positive: str
    groups: int  # of the training rows; 0: none
    train: int  # readable training pictures
    test: float  # share of the test rows that have a picture
    files: int  # of one picture


def understood(place: paths.Place, question: problem.Problem, built: Built) -> Understood:
    train, pictures = tables.read(place.train), tables.read(place.pictures)
    fields = {name: value for name, value in harness.inferred(question, built).items() if name in FIELDS}
    fields |= {"ranks": question.ranks, "aggregate": question.aggregate, "channels": question.channels}
    if fields["join"] in ("name", "stem"):
        fields["join"] = "file"  # extensions may turn
    labels = [" ".join(sorted(tables.parted(question.separator, label))) if question.separator else label for label in train["label"]]
    of_train, of_test = (pictures[pictures["part"] == part] for part in ("train", "test"))
    return Understood(
        fields,
        list(zip(map(_shortened, train["id"]), labels, strict=True)),
        question.positive,
        train["group"].nunique() if question.group else 0,
        int((of_train["row"] != "").sum()),
        float((of_test["row"] != "").mean()),
        max(1, len(question.suffixes)),
    )


def _shortened(name: str) -> str:
    return next((name[: -len(end)] for end in images.EXTENSIONS if name.lower().endswith(end)), name)


def differences(before: Understood, after: Understood) -> list[str]:
    """In words, what 02 understood otherwise; [] for the same question."""
    gone = GONE * before.files
    found = [f"{name} = {after.fields[name]!r}, not {value!r}" for name, value in before.fields.items() if after.fields[name] != value]
    if after.train < (1 - gone) * before.train or after.train > before.train:
        found.append(f"{after.train} training pictures, not {before.train}")
    if abs(after.test - before.test) > gone:
        found.append(f"{after.test:.0%} of the test rows have a picture, not {before.test:.0%}")
    if abs(after.groups - before.groups) > gone * before.groups:
        found.append(f"{after.groups} groups, not {before.groups}")
    renamed = _renamed(before, after)
    if renamed is None:
        found.append("the labels are others")
    elif renamed.get(before.positive, before.positive) != after.positive:
        found.append(f"positive is {after.positive!r}, which was {[old for old, new in renamed.items() if new == after.positive]}")
    return found


def _renamed(before: Understood, after: Understood) -> dict[str, str] | None:
    """Old label → new label by the rows that both have: one for one, or None. Where the ids are new, rows go by their order if all are there,
    and by how frequent each label is."""
    old, new = pd.DataFrame(before.labels, columns=["id", "old"]), pd.DataFrame(after.labels, columns=["id", "new"])
    pairs = _paired(old, new)
    if len(pairs) < 0.5 * len(old):  # folders that are classes have new names
        pairs = _paired(*(frame.assign(id=[PurePosixPath(name).name for name in frame["id"]]) for frame in (old, new)))
    if len(pairs) < 0.5 * len(old):
        if len(old) == len(new):
            pairs = pd.DataFrame({"old": old["old"], "new": new["new"]})
        if not len(pairs) or not _one_for_one(pairs):
            counts = (old["old"].value_counts().sort_index(), new["new"].value_counts().sort_index())
            return {name: name for name in counts[0].index} if counts[0].equals(counts[1].rename_axis("old")) else None
    return dict(pairs.drop_duplicates().itertuples(index=False, name=None)) if _one_for_one(pairs := pairs[["old", "new"]]) else None


def _paired(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    return old.drop_duplicates("id", keep=False).merge(new.drop_duplicates("id", keep=False), on="id")


def _one_for_one(pairs: pd.DataFrame) -> bool:
    different = pairs[["old", "new"]].drop_duplicates()
    return different["old"].is_unique and different["new"].is_unique
