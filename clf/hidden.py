"""The hidden test of a rehearsal: which training rows it holds, and the places of the real test that they take.

A hidden example is called as a real test example is, and its pictures lie where that one's lie: its own names, which may tell the label,
are gone, and the order, which is drawn, tells nothing. Where the real test is too small, further places are made like its own.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count as counting
from string import ascii_lowercase, ascii_uppercase, digits

import numpy as np
import pandas as pd

from clf import folds, joins, readers
from clf.config import Mistake
from clf.problem import SINGLE, Problem
from clf.raw import Raw, picture_keys, split_extension

SEED = 0


@dataclass(frozen=True)
class Slot:
    """A place of the test: what the submission calls the example, and where its pictures lie, relative to raw/."""

    name: str
    pictures: tuple[str, ...]
    like: "Slot | None" = None  # the real test's, of which a further one is a copy

    @property
    def folder(self) -> str | None:
        """The folder that is called like the example, if its pictures lie in one and are called otherwise themselves."""
        if _renamed(self.pictures[0].rpartition("/")[2], self.name.rpartition("/")[2], "x"):
            return None
        parts = self.pictures[0].split("/")[:-1]
        ends = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
        return next((end for end in ends if end == self.name or end.endswith("/" + self.name.strip("/"))), None)


@dataclass(frozen=True)
class Hidden:
    """One example of the hidden test."""

    sources: tuple[str, ...]  # what the source of labels calls it, or each of its pictures
    label: str  # as train.csv writes it
    pictures: tuple[str, ...]  # relative to raw/, as `images.stream` takes them
    slot: Slot

    def moves(self) -> list[tuple[str, str]]:
        """From where to where each file goes; its extension stays."""
        if self.slot.folder is None:
            pairs = zip(self.pictures, self.slot.pictures, strict=False)
        else:
            own = Slot(self.sources[0], self.pictures).folder
            inside = [path.removeprefix(own + "/") if own else f"{number:04d}{_extension(path)}" for number, path in enumerate(self.pictures, 1)]
            pairs = zip(self.pictures, (f"{self.slot.folder}/{name}" for name in inside), strict=True)
        parts = [(old, new) for olds, news in pairs for old, new in zip(olds.split("|"), news.split("|"), strict=True)]
        return [(old, split_extension(new)[0] + _extension(old)) for old, new in parts]


def _extension(path: str) -> str:
    return path[len(split_extension(path)[0]) :]


# -- which rows --------------------------------------------------------------------------------------------------------------------


def rows(train: pd.DataFrame, question: Problem, drawn: pd.DataFrame | None, holdout: float) -> tuple[np.ndarray, str]:
    """bool [N] and where they come from, in words: the locked rows of folds.csv where it has some, else a share that is drawn as step 03
    draws one. Without the rows (and those bound to them) whose class no other row shows. Raises Mistake where none are left."""
    locked = drawn is not None and bool((drawn["fold"] == folds.HOLDOUT).any())
    drawn = drawn if locked else folds.draw(train, question, holdout=holdout)
    out, units = (drawn["fold"] == folds.HOLDOUT).to_numpy(copy=True), folds.bound(train)
    first = out.sum()
    if question.kind in (*SINGLE, "multilabel"):
        held = folds.labels(train, question)
        names, of_row = pd.factorize(held["name"])[0], held["row"].to_numpy()
        while True:
            lost = ~np.isin(names, names[~out[of_row]])
            if not lost.any():
                break
            out &= ~np.isin(units, units[of_row[lost]])
    if not out.any():
        raise Mistake(f"nothing can be hidden: each of the {first:,} rows shows a class that no other row shows, or is bound to one that does.")
    said = "the locked rows of folds.csv" if locked else f"drawn for the rehearsal, holdout={holdout:g}"
    kept = f"; {first - out.sum():,} rows stay in training, because their class has no others" if out.sum() < first else ""
    return out, said + kept


# -- which places ------------------------------------------------------------------------------------------------------------------


def test(raw: Raw, question: Problem) -> list[Slot]:
    """The real test's, in the submission's order; without those whose picture is missing."""
    found = readers.test(raw, question)
    found = found[found["path"] != ""]
    names = found["row" if "row" in found else "id"]
    slots = [Slot(name, tuple(paths)) for name, paths in found.groupby(names, sort=False)["path"]]
    if not slots:
        raise Mistake("the sample submission's ids have no pictures, so nothing shows where those of a hidden test would lie.")
    return slots


def examples(question: Problem, found: pd.DataFrame, train: pd.DataFrame, out: np.ndarray, slots: Sequence[Slot], counted: bool) -> list[Hidden]:
    """The hidden rows as test examples. `found`: what the layout's reader finds, `id, label, path[, group]`, its group the example that
    several pictures belong to; `counted`: the ids count the rows of a table, so that the first ones are taken."""
    known = found.drop_duplicates("id").set_index("id")
    held = train[out].assign(path=known["path"].reindex(train["id"][out]).to_numpy())
    held["source"] = known["group"].reindex(held["id"]).to_numpy() if "group" in known else held["id"]
    parts = _parts(held, several=any(len(slot.pictures) > 1 for slot in slots), whole="group" in known, size=_typical(slots))
    generator = np.random.default_rng(SEED)
    strange = set() if counted else {key for name in (*found["id"], *found["path"]) for key in picture_keys(name)}
    taken = _taken(list(slots), len(parts), counted, strange, generator)
    order = generator.permutation(len(parts))
    return [
        Hidden(tuple(dict.fromkeys(part["source"])), part["label"].iloc[0], tuple(part["path"]), slot)
        for part, slot in zip((parts[place] for place in order), taken, strict=True)
    ]


def _typical(slots: Sequence[Slot]) -> int:
    return max(1, int(np.median([len(slot.pictures) for slot in slots])))


def _parts(held: pd.DataFrame, several: bool, whole: bool, size: int) -> list[pd.DataFrame]:
    """The rows of each example: one; where the test has several pictures of one, all of an example of the training's, or some of one group
    and label."""
    if not several:
        return [held.iloc[[row]] for row in range(len(held))]
    if whole:
        return [part for _, part in held.groupby("source", sort=False)]
    groups = held.groupby(["label", *(["group"] if "group" in held else [])], sort=False)
    return [part.iloc[start : start + size] for _, part in groups for start in range(0, len(part), size)]


def _taken(slots: list[Slot], count: int, counted: bool, strange: set[str], generator: np.random.Generator) -> list[Slot]:
    if count > len(slots):
        return [*slots, *further(slots, count - len(slots), strange, generator)]
    return slots[:count] if counted else [slots[place] for place in joins.spaced(len(slots), count)]


def further(slots: Sequence[Slot], count: int, strange: set[str], generator: np.random.Generator) -> list[Slot]:
    """More places like the given ones: their ids go on, or are drawn of the same kinds of characters. `strange`: names that training has."""
    names = alike([slot.name for slot in slots], count, strange, generator)
    likes = [slots[number % len(slots)] for number in range(count)]
    moved = [[_renamed(path, like.name, name) for path in like.pictures] for like, name in zip(likes, names, strict=True)]
    stems = [split_extension(path.rpartition("/")[2])[0] for slot in slots for path in slot.pictures]
    missing = sum(path is None for paths in moved for path in paths)
    drawn = iter(alike(stems, missing, strange, generator) if missing else ())  # pictures that a table names
    return [
        Slot(name, tuple(path or _with_stem(old, next(drawn)) for old, path in zip(like.pictures, paths, strict=True)), like)
        for name, like, paths in zip(names, likes, moved, strict=True)
    ]


def _with_stem(path: str, stem: str) -> str:
    return "/".join([*path.split("/")[:-1], stem + _extension(path)])


def _renamed(path: str, old: str, new: str) -> str | None:
    """The path for another id; None where nothing in it is called like the id."""
    old, new = (split_extension(name.strip().strip("/"))[0] for name in (old, new))
    renamed = []
    for one in path.split("|"):
        stem, ending = split_extension(one)[0], _extension(one)
        if stem == old or stem.endswith("/" + old):
            renamed.append(stem.removesuffix(old) + new + ending)
            continue
        parts = stem.split("/")
        same = [part == old or (part.isdecimal() and old.isdecimal() and int(part) == int(old)) for part in parts]
        begins = parts[-1].startswith(old) and not parts[-1][len(old) :][:1].isalnum()
        if not (any(same) or begins):
            return None
        found = [new.zfill(len(part)) if hit and part != old else new if hit else part for part, hit in zip(parts, same, strict=True)]
        found[-1] = new + parts[-1].removeprefix(old) if begins and not any(same) else found[-1]
        renamed.append("/".join(found) + ending)
    return "|".join(renamed)


def alike(names: Iterable[str], count: int, strange: set[str], generator: np.random.Generator) -> list[str]:
    """New names like the given ones, none of `strange`. Where these differ in one number only, it is counted on, as wide as theirs; else each
    letter and digit behind what all have in common is drawn from those that occur. Raises Mistake where not as many can be made."""
    names = list(dict.fromkeys(names))
    stems, ending = [split_extension(name)[0] for name in names], _extension(names[0])
    candidates, known, found = _counted(stems) or _drawn(stems, 100 * count, generator), {*stems, *strange}, []
    for stem in candidates:
        if stem not in known:
            known.add(stem)
            found.append(stem + ending)
            if len(found) == count:
                return found
    raise Mistake(f"no {count:,} further ids like {', '.join(names[:3])} can be made: give a smaller holdout=.")


def _counted(stems: Sequence[str]) -> Iterator[str] | None:
    parts = [re.fullmatch(r"(.*?)(\d+)(\D*)", stem) for stem in stems]
    if not all(parts) or len({(part[1], part[3]) for part in parts}) > 1:
        return None
    width, last = min(len(part[2]) for part in parts), max(int(part[2]) for part in parts)
    return (f"{parts[0][1]}{str(number).zfill(width)}{parts[0][3]}" for number in counting(last + 1))


def _drawn(stems: Sequence[str], tries: int, generator: np.random.Generator) -> Iterator[str]:
    same = [len(set(signs)) == 1 for signs in zip(*stems, strict=False)] if len(stems) > 1 else []
    shared = stems[0][: same.index(False) if False in same else len(same)]
    used = [sorted({sign for stem in stems for sign in stem} & set(kind)) for kind in (digits, ascii_lowercase, ascii_uppercase)]
    for number in range(tries):
        rest = stems[number % len(stems)][len(shared) :]
        yield shared + "".join(next((str(generator.choice(some)) for some in used if sign in some), sign) for sign in rest)
