"""How ids find their pictures: by file name, by file names with endings (the channels of one picture), or by the folder that holds them."""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np

from clf.raw import folders, identifier_keys, index, look_up, picture_keys, split_extension, unpadded_keys

MOST_SUFFIXES = 8  # channels of one picture
MOST_VIEWS = 12  # pictures taken of a folder that is one example, evenly spaced
COLOURS = ("red", "green", "blue", "yellow")
LOOKED_AT = 500  # ids, to learn how they name pictures
SEPARATORS = "_- :|.#/"  # may part an example's id from the name of a target


class Places:
    """Pictures by what ids may call them. `find` gives the names of an id's pictures, as `images.stream` takes them."""

    def __init__(self, pictures: Sequence[str], suffixes: Sequence[str] = ()):
        self.pictures, self.suffixes = pictures, suffixes

    @cached_property
    def files(self) -> dict[str, str]:
        return index(self.pictures)

    @cached_property
    def folders(self) -> dict[str, list[str]]:
        """Name of a folder, and ends of its path → the pictures somewhere below it, in natural order."""
        found = defaultdict(list)
        for name in self.pictures:
            for folder in folders(name)[1:]:
                parts = folder.split("/")
                for start in range(len(parts)):
                    found["/".join(parts[start:])].append(name)
        return found

    def find(self, identifier: str) -> list[str]:
        """[] where there is none; one name with `|` where several files are the channels of one picture; several for a folder."""
        one = look_up(self.files, identifier)
        if one:
            return [one]
        if self.suffixes:
            parts = [look_up(self.files, split_extension(identifier)[0] + suffix) for suffix in self.suffixes]
            return ["|".join(parts)] if all(parts) else []
        inside = sorted(self.folders.get(identifier.strip().strip("/"), ()), key=natural)
        return [inside[place] for place in spaced(len(inside), MOST_VIEWS)]

    def share(self, ids: Iterable[str]) -> float:
        """Of the ids that have a picture."""
        return float(np.mean([bool(name) and self.names(name) for name in ids])) if len(ids := list(ids)) else 0.0

    def names(self, identifier: str) -> bool:
        if look_up(self.files, identifier):
            return True
        if self.suffixes:
            return bool(look_up(self.files, split_extension(identifier)[0] + self.suffixes[0]))
        return identifier.strip().strip("/") in self.folders


def spaced(count: int, most: int) -> list[int]:
    """At most `most` of range(count), evenly spaced."""
    return list(range(count)) if count <= most else np.linspace(0, count - 1, most).round().astype(int).tolist()


def natural(text: str) -> list:
    """Sorting key: numbers by value, inside of names too."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def suffixes(pictures: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    """The endings that the file names of nearly every id have, where no file is called like the ids themselves: colours first."""
    stems = sorted({split_extension(PurePosixPath(name).name)[0] for name in pictures})
    few = [split_extension(ids[place])[0] for place in spaced(len(ids), LOOKED_AT)]
    counts: Counter[str] = Counter()
    for name in few:
        place = bisect_left(stems, name)
        while place < len(stems) and stems[place].startswith(name):
            counts[stems[place][len(name) :]] += 1
            place += 1
    ends = {ending: count for ending, count in counts.items() if ending and not ending[0].isalnum()}
    most = max(ends.values(), default=0)  # some files of one channel may be lost
    found = [ending for ending, count in ends.items() if count >= 0.75 * most]
    if most < 0.9 * len(few) or not found or len(found) > MOST_SUFFIXES or counts[""] >= 0.5 * len(few):
        return ()

    def order(ending: str) -> tuple:
        word = ending.strip("_- .").lower()
        return COLOURS.index(word) if word in COLOURS else len(COLOURS), natural(ending)

    return tuple(sorted(found, key=order))


def covering(pictures: Sequence[str], ids: Sequence[str], suffixes: Sequence[str] = ()) -> tuple[list[str], float]:
    """The deepest folders below which most ids have a picture, and the share of the ids that do."""
    names = [name + suffixes[0] for name in ids] if suffixes else ids
    found = _coverage(pictures, names) or _coverage(pictures, names, unpadded_keys) or _coverage_of_folders(pictures, ids)
    if not found:
        return [], 0.0
    most = max(map(len, found.values()))
    best = [folder for folder in found if len(found[folder]) == most]
    inner = {parent for folder in best for parent in folders(folder + "/x") if parent != folder}
    return [folder for folder in best if folder not in inner], most / len(set(ids))


def _coverage(pictures: Iterable[str], ids: Iterable[str], keys: Callable[[str], list[str]] = picture_keys) -> dict[str, set[str]]:
    """For every folder ("": all): the ids that have a picture somewhere below it, by one of its keys."""
    wanted = {key: name for name in ids for key in reversed(identifier_keys(name))}
    found = defaultdict(set)
    for picture in pictures:
        name = next((wanted[key] for key in keys(picture) if key in wanted), None)
        if name is not None:
            for folder in folders(picture):
                found[folder].add(name)
    return found


def _coverage_of_folders(pictures: Iterable[str], ids: Iterable[str]) -> dict[str, set[str]]:
    """The same where an id is the name of a folder."""
    wanted, found = {name.strip().strip("/") for name in ids}, defaultdict(set)
    for folder in {folder for picture in pictures for folder in folders(picture)[1:]}:
        parts = folder.split("/")
        name = next((end for start in range(len(parts)) if (end := "/".join(parts[start:])) in wanted), None)
        if name is not None:
            for parent in folders(folder):
                found[parent].add(name)
    return found


def split_rows(ids: Sequence[str], targets: Iterable[str]) -> tuple[list[str], list[str]] | None:
    """Ids of a long submission, `<example><separator><target>` → the examples and the targets, row by row.

    None unless (nearly) every id ends with a target behind a separator and every example has the same targets, two at least. Of targets
    that end alike (`overall`, `patient_overall`) the longest counts.
    """
    sure = set(targets) - {""}
    examples, ends = [], []
    for name in ids:
        cuts = (place for place, sign in enumerate(name) if sign in SEPARATORS and place)
        cut = next((place for place in cuts if name[place + 1 :] in sure), None)
        examples.append(name[:cut] if cut else name)
        ends.append(name[cut + 1 :] if cut else "")
    used = set(ends)
    if "" in used or len(used) < 2 or len(set(zip(examples, ends, strict=True))) != len(set(examples)) * len(used):
        return None
    return examples, ends


def endings(ids: Sequence[str]) -> set[str]:
    """What stands behind the last separator of the ids, where this is a small set that every id's front has whole; else nothing."""
    cut = [re.fullmatch(rf"(.+)[{re.escape(SEPARATORS)}]([^{re.escape(SEPARATORS)}]+)", name) for name in ids]
    if not all(cut):
        return set()
    found = {match[2] for match in cut}
    fronts = {match[1] for match in cut}
    return found if 2 <= len(found) <= 200 and len({match[0] for match in cut}) == len(found) * len(fronts) else set()


def plain(text: str) -> str:
    """For comparisons only: letters and digits, case folded."""
    return re.sub(r"[\W_]+", "", text.casefold())


def matched(wanted: Iterable[str], among: Iterable[str]) -> dict[str, str]:
    """Wanted name → the name among the others that is written the same, or the same but for case, blanks and punctuation."""
    among, wanted = list(among), list(wanted)
    if set(wanted) <= set(among):
        return {name: name for name in wanted}
    loose = defaultdict(list)
    for name in among:
        loose[plain(name)].append(name)
    found = {}
    for name in wanted:
        near = [name] if name in among else loose[plain(name)]
        if len(near) == 1:
            found[name] = near[0]
    return found
