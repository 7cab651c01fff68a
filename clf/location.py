"""Where a competition's labels and pictures are: the layout, the label table, and the folders that the ids are joined to.

The label table (or the folders, or the file names) is the truth, the list of files is the join. Names of competitions and files decide
nothing, except the generic words (train, test, sample, submission, label …). Two equally good answers stop with both.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from clf import images, readers
from clf.config import Mistake
from clf.draft import Draft

LABEL_NAME = re.compile(r"label|class|target|species|categor|breed|tag|diagnos|disease|emotion|cultivar|type|y$", re.IGNORECASE)
SPLITS = re.compile(r"(train|test|val|valid|validation|images?|img|data|dataset)[\W\d_]*", re.IGNORECASE)


def layout(draft: Draft) -> tuple[str, str]:
    """A table of pixels where there are no pictures; else a table of labels that names pictures; else folders; else file names."""
    raw = draft.raw
    if not raw.pictures:
        if len(raw.pixel_tables) >= 2:
            return "pixels", f"no picture files; tables with pixel columns: {', '.join(raw.pixel_tables)}"
        raise Mistake(
            f"there are no pictures that can be read in raw/: {raw.inventory()}. Known: {' '.join(images.EXTENSIONS)} and tables of pixels."
        )
    candidates = _label_tables(draft, [draft.yours["label_file"]] if draft.yours.get("label_file") else list(raw.headers))
    if candidates:
        table, columns = raw.read(candidates[0].file), draft.known.columns
        reason = candidates[0].text
        if len(columns) > 1 and len(readers.matched(columns, table.columns)) == len(columns):
            return "onehot", f"{candidates[0].file} has the submission's columns; {reason}"
        return ("onehot", f"{reason}; its columns of 0 and 1 hold one 1 in each row") if _only_onehot(draft, table) else ("table", reason)
    pictures = _outside(draft.not_for_test(), _test_folders(draft)[0][:1])
    if _class_folders(draft, pictures):
        return "folders", "no table of labels names pictures; one folder for each class"
    if readers.filename_labels(pictures):
        return "filename", f"no table of labels, no class folders; names like {PurePosixPath(pictures[0]).name} hold the label"
    seen = ", ".join(f"{name} ({', '.join(raw.headers[name][:4])})" for name in raw.headers if name != draft.known.submission_file)
    raise Mistake(
        f"no labels found for the pictures ({raw.inventory()}; the first is {raw.pictures[0]}): "
        f"{f'no column of {seen} names pictures' if seen else 'there is no table besides the sample submission'}, "
        "there are no class folders, and the file names hold no label."
    )


def _only_onehot(draft: Draft, table: pd.DataFrame) -> bool:
    """One prediction column that the table does not have, and columns of 0 and 1 that sum to 1."""
    columns = readers.onehot_columns(table, draft.known.columns)
    if len(columns) < 2 or len(draft.known.columns) > 1 or readers.matched(draft.known.columns, table.columns):
        return False
    return bool((readers.onehot_values(table, columns).sum(axis=1) == 1).mean() > 0.99)


@dataclass(frozen=True)
class LabelTable:
    file: str
    column: str  # names the pictures
    score: float
    text: str


def _label_tables(draft: Draft, files: list[str]) -> list[LabelTable]:
    """Tables of which a column names pictures, the best first. Raises Mistake where two are equally good."""
    known, asked = draft.trainable, set(draft.asked())
    found = []
    for file in files:
        if file == draft.known.submission_file or file in draft.raw.pixel_tables:
            continue
        table = draft.raw.read(file)
        if len(table) == 0 or table.shape[1] < 2:
            continue
        joined = {column: _share_named(table[column], known) for column in table}
        column = max(joined, key=joined.get)
        if joined[column] < 0.5:
            continue
        words = PurePosixPath(file).name.lower()
        score = joined[column] + 4 * bool(readers.matched(draft.known.columns, [name for name in table if name != column]))
        score += bool(re.search(r"train|label|target|solution", words))
        score -= 3 * bool(re.search(r"annot|box|old|leak|extra|mask|segment", words))
        score -= 5 * bool(readers.TEST_LIKE.search(words)) + 4 * (table[column].isin(asked).mean() > 0.95)
        text = f"{joined[column]:.1%} of the {len(table):,} values of {column!r} in {file} name pictures"
        found.append(LabelTable(file, column, score, text))
    found.sort(key=lambda table: -table.score)
    if len(found) > 1 and found[0].score - found[1].score < 0.1:
        raise Mistake(f"two tables could hold the labels: {found[0].file} and {found[1].file}. Say which with [label_file].")
    return found


def _share_named(column: pd.Series, known: dict[str, str]) -> float:
    """Share of the values that name pictures; 0 for a column that repeats itself, like a table of boxes."""
    if column.nunique() < 0.5 * len(column):
        return 0.0
    return float(np.mean([bool(name) and bool(readers.look_up(known, name)) for name in column]))


def label_file(draft: Draft) -> tuple[str, str]:
    known, raw = draft.known, draft.raw
    if known.layout in ("folders", "filename"):
        return "", "no table"
    if known.layout in ("table", "onehot"):
        found = _label_tables(draft, list(raw.headers))
        if not found:
            raise Mistake(f"no table of raw/ names pictures: {', '.join(raw.headers)}.")
        return found[0].file, found[0].text
    extra = {name: raw.plain_columns(name) for name in raw.pixel_tables}
    labelled = [name for name in raw.pixel_tables if readers.matched(known.columns, extra[name]) or any(map(is_label_name, extra[name]))]
    labelled = labelled or [name for name in raw.pixel_tables if extra[name] and not readers.TEST_LIKE.search(name)]
    if not labelled:
        raise Mistake(f"no table of pixels has a label: {', '.join(raw.pixel_tables)} have pixel columns only.")
    best = max(labelled, key=raw.rows)
    others = [name for name in labelled if name != best]
    return best, f"pixels and the columns {', '.join(extra[best])}" + (f"; not used: {', '.join(others)}" if others else "")


def file_id_column(draft: Draft) -> tuple[str, str]:
    if not draft.known.label_file:
        return "", "no table"
    if draft.known.layout == "pixels":
        named = readers.matched([draft.known.id_column], draft.label_columns()).get(draft.known.id_column, "")
        unique = bool(named) and draft.raw.read(draft.known.label_file)[named].is_unique
        return (named, "the submission's id column") if unique else ("", "no column of ids: the data row's number, from 0, is the id")
    found = _label_tables(draft, [draft.known.label_file])
    if not found:
        there = f"{draft.raw.inventory()}; the first is {draft.raw.pictures[0]}"
        raise Mistake(f"no column of {draft.known.label_file} names pictures ({there}).")
    return found[0].column, found[0].text


def test_root(draft: Draft) -> tuple[str, str]:
    if draft.known.layout == "pixels":
        others = [name for name in draft.raw.pixel_tables if name != draft.known.label_file]
        rows = {name: draft.raw.rows(name) for name in others}
        count = len(draft.asked())
        best = [name for name in others if rows[name] == count] or [name for name in others if rows[name] > count]
        best = [name for name in best if readers.TEST_LIKE.search(name)] or best
        if not best:
            raise Mistake(f"no table of pixels has the {count:,} rows of the sample submission: {rows}.")
        return best[0], f"table of pixels with {rows[best[0]]:,} rows for {count:,} ids"
    roots, share = _test_folders(draft)
    asked, pictures = draft.asked(), draft.raw.pictures
    if not roots:
        raise _no_picture(draft.known.submission_file, asked, pictures)
    best = _better_source(draft, roots)
    others = f"; as good: {', '.join(root for root in roots if root != best)}" if len(roots) > 1 else ""
    return best, f"{share:.1%} of the {len(set(asked)):,} ids have a picture below {best or 'raw'}/{others}"


def _no_picture(file: str, ids: list[str], pictures: list[str]) -> Mistake:
    return Mistake(f"no picture is called like the ids of {file} ({', '.join(map(repr, ids[:3]))}; pictures: {', '.join(pictures[:3])} …).")


def _test_folders(draft: Draft) -> tuple[list[str], float]:
    """Folders that hold the pictures of most ids, and their share: those called test…; else outside of where the training pictures are."""
    asked, pictures = draft.asked(), draft.raw.pictures
    roots, share = _covering([name for name in pictures if readers.TEST_LIKE.search(str(PurePosixPath(name).parent))], asked)
    if share >= 0.5:
        return roots, share
    train, sure = _covering(pictures, _train_ids(draft))
    roots, share = _covering(_outside(pictures, train) if sure > 0.5 and len(train) == 1 else pictures, asked)
    return (roots, share) if share >= 0.5 else _covering(pictures, asked)


def _outside(pictures: list[str], folders: list[str]) -> list[str]:
    """Pictures below none of the folders; all, where that leaves none."""
    return [name for name in pictures if not any(readers.is_below(name, folder) for folder in folders)] or pictures


def _train_ids(draft: Draft) -> list[str]:
    """The ids of the label table; none before it is settled, or without one."""
    file = getattr(draft.known, "label_file", "")
    return list(draft.raw.read(file)[draft.known.file_id_column]) if file else []


def _covering(pictures: list[str], ids: list[str]) -> tuple[list[str], float]:
    """The deepest folders below which most ids have a picture, and the share of the ids that do."""
    found = readers.coverage(pictures, ids)
    if not found:
        return [], 0.0
    most = max(map(len, found.values()))
    best = [folder for folder in found if len(found[folder]) == most]
    inner = {parent for folder in best for parent in readers.folders(folder + "/x") if parent != folder}
    return [folder for folder in best if folder not in inner], most / len(set(ids))


def _better_source(draft: Draft, roots: list[str]) -> str:
    """Of folders that hold the same pictures: the better format, then the larger files."""

    def rank(root: str) -> tuple:
        names = draft.raw.below(root)[:20]
        kinds = [images.EXTENSIONS.index(readers.split_extension(name)[1]) for name in names]
        return max(kinds), -float(np.mean([(draft.raw.folder / name).stat().st_size for name in names]))

    return min(roots, key=rank)


def train_root(draft: Draft) -> tuple[str, str]:
    known, raw = draft.known, draft.raw
    if known.layout == "pixels":
        return known.label_file, "the table of labels holds the pixels"
    pictures = _outside(draft.not_for_test(), [known.test_root])
    if known.layout == "folders":
        root, text = _class_folders(draft, pictures) or ("", "")
        if not text:
            raise Mistake("there are no class folders (two at least, side by side, with two pictures each).")
        return root, text
    if known.layout == "filename":
        root = readers.folders(_common(pictures))[-1]
        return root, f"{len(pictures):,} pictures that are not for test"
    ids = _train_ids(draft)
    roots, share = _covering(pictures, ids)
    if share < 0.5:
        roots, share = _covering(raw.pictures, ids)
    if not roots:
        raise _no_picture(known.label_file, ids, raw.pictures)
    best = _better_source(draft, roots)
    others = f"; as good: {', '.join(root for root in roots if root != best)}" if len(roots) > 1 else ""
    return best, f"{share:.1%} of the {len(set(ids)):,} ids have a picture below {best or 'raw'}/{others}"


def _common(names: list[str]) -> str:
    """A path in the deepest folder that holds all the names."""
    shared = set(readers.folders(names[0]))
    for name in names:
        shared &= set(readers.folders(name))
    return max(shared, key=len) + "/x" if max(shared, key=len) else "x"


def _class_folders(draft: Draft, pictures: list[str]) -> tuple[str, str] | None:
    """The folder whose folders are classes: two at least with two pictures each, best those that the submission names."""
    children: dict[str, dict[str, int]] = {}
    for name in pictures:
        parents = readers.folders(name)
        for parent, child in pairwise(parents):
            branch = children.setdefault(parent, {})
            branch[child] = branch.get(child, 0) + 1
    sample = draft.sample()
    said = set(draft.known.columns) if len(draft.known.columns) > 1 else set(sample[draft.known.columns[0]])
    ranked = []
    for parent, counts in children.items():
        names = [child.rpartition("/")[2] for child in counts]
        if sum(count >= 2 for count in counts.values()) < 2 or all(SPLITS.fullmatch(name) for name in names):
            continue
        ranked.append((len(readers.matched(said, names)) / len(said), sum(counts.values()), -len(parent), parent, len(names)))
    if not ranked:
        return None
    _, total, _, parent, count = max(ranked)
    others = [root for *_, root, _ in ranked if root != parent and not root.startswith(parent) and not parent.startswith(root)]
    more = f"; not used: {', '.join(others)}" if others else ""
    return parent, f"{count} class folders with {total:,} pictures below {parent or 'raw'}/{more}"


def is_label_name(name: str) -> bool:
    return bool(LABEL_NAME.search(name))
