"""Where a competition's labels and pictures are: the layout, the source of labels, and the folders that the ids are joined to.

The label table (or the JSON, the folders, the file names) is the truth, the list of files is the join. Names of competitions and files
decide nothing, except the generic words (train, test, sample, submission, label …). Two equally good answers stop with both.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from clf import joins, raw, readers
from clf.config import Mistake
from clf.draft import Draft
from clf.raw import PATH, folders, is_below

LABEL_NAME = re.compile(r"label|class|target|species|categor|breed|tag|diagnos|disease|emotion|cultivar|type|^y$", re.IGNORECASE)
SPLITS = re.compile(r"(train|test|val|valid|validation|images?|img|data|dataset)[\W\d_]*", re.IGNORECASE)
SECOND = re.compile(r"annot|box|old|leak|extra|mask|segment|val(?![a-z])|valid", re.IGNORECASE)  # a table beside the real one


def suffixes(draft: Draft) -> tuple[tuple[str, ...], str]:
    """Only where neither files nor folders are called like the ids."""
    ids, pictures = draft.asked(), draft.raw.pictures
    if not pictures or joins.Places(pictures).share(draft.some(ids)) >= 0.5:
        return (), "a picture is one file" if pictures else "no picture files"
    between = readers.table_between(draft.raw, ids, joins.Places(pictures), {draft.known.submission_file})
    if between:
        return (), f"{between[0]} says which pictures the ids mean"
    found = joins.suffixes(pictures, ids)
    return found, f"no file is called like the ids, but nearly every id has files that end in {', '.join(found)}" if found else "none"


@dataclass(frozen=True)
class Source:
    """A table (CSV or COCO JSON) of which a column names pictures."""

    file: str
    column: str
    layout: str  # table | long | coco; columns is told from table by what the submission wants
    score: float
    text: str


def layout(draft: Draft) -> tuple[str, str]:
    """A source of labels that names pictures; else class folders; else file names; else pictures inside of tables and records."""
    here = draft.raw
    raw.check_readable(here)
    if here.pictures:
        found = _of_pictures(draft)
        if found:
            return found
    if len(here.pixel_tables) >= 2:
        return "pixels", f"{_no_files(draft)}; tables with pixel columns: {', '.join(here.pixel_tables)}"
    if len(here.record_files) >= 2:
        return "json", f"{_no_files(draft)}; lists of records with arrays of numbers: {', '.join(here.record_files)}"
    if here.record_folders:
        return "tfrecord", f"{_no_files(draft)}; TFRecords below {', '.join(folder or 'raw' for folder in here.record_folders[:4])}"
    seen = ", ".join(f"{name} ({', '.join(here.headers[name][:4])})" for name in here.headers if name != draft.known.submission_file)
    raise Mistake(
        f"no labels found for the pictures ({here.inventory()}; the first is {here.pictures[0] if here.pictures else 'missing'}): "
        f"{f'no column of {seen} names pictures' if seen else 'there is no table besides the sample submission'}, "
        f"there are no class folders, and the file names hold no label. {here.unread()}"
    )


def _no_files(draft: Draft) -> str:
    return "no labels for the picture files" if draft.raw.pictures else "no picture files"


def _of_pictures(draft: Draft) -> tuple[str, str] | None:
    yours = draft.yours.get("label_file")
    sources = _sources(draft, [yours] if yours else [*draft.raw.headers, *draft.raw.coco])
    pictures = _outside(draft.not_for_test(), _test_folders(draft)[0][:1])
    if sources and (yours or not _is_beside(draft, sources[0], pictures)):
        best = sources[0]
        if best.layout != "table":
            return best.layout, best.text
        wanted = readers.targets_of(draft.raw, _of_source(draft, best)) or draft.known.columns
        columns = draft.raw.read(best.file).columns
        if len(wanted) > 1 and len(joins.matched(wanted, columns)) >= 0.5 * len(wanted):
            return "columns", f"{best.file} has the columns that the submission wants; {best.text}"
        if _only_onehot(draft, best):
            return "columns", f"{best.text}; its columns of 0 and 1 hold one 1 in each row"
        return "table", best.text
    if not yours:
        _check_no_labels(draft)
    if _class_folders(draft, pictures):
        return "folders", "no table of labels names pictures; one folder for each class"
    if readers.filename_labels(pictures):
        return "filename", f"no table of labels, no class folders; names like {PurePosixPath(pictures[0]).name} hold the label"
    return None


def _check_no_labels(draft: Draft) -> None:
    """Raises Mistake for a table that has the submission's columns, filled in differently, but names no pictures: folders are no classes then."""
    known, here = draft.known, draft.raw
    for file in here.headers:
        table = here.read(file)
        if file == known.submission_file or file in here.pixel_tables or not {known.id_column, *known.columns} <= set(table):
            continue
        if max(table[name].nunique() for name in known.columns) > 1 and not raw.TEST_LIKE.search(PurePosixPath(file).name):
            raise Mistake(
                f"{file} has the submission's columns, but no picture is called like the {known.id_column!r} in it "
                f"({', '.join(table[known.id_column][:3])}; pictures: {', '.join(draft.not_for_test()[:3])} …)."
            )


def _is_beside(draft: Draft, source: Source, pictures: list[str]) -> bool:
    """A table that says nothing of what is asked, beside class folders or file names that do: boxes in some of the pictures, descriptions."""
    if source.layout != "table":
        return False
    table, known = draft.raw.read(source.file), draft.known
    others = [name for name in table if name != source.column]
    values = [set(table[name]) for name in others]
    asked = set(known.columns) if len(known.columns) > 1 else set(draft.sample()[known.columns[0]]) - {""}
    words = {part for text in asked for part in (text, *text.split()) if not re.fullmatch(r"[\d.]+", part)}
    if joins.matched(known.columns, others) or any(words & cells for cells in values):
        return False
    branches = _class_folders(draft, pictures)
    if branches and joins.matched(words, {folder.rpartition("/")[2] for name in pictures for folder in folders(name)}):
        return True
    places = draft.trainable
    counts = (1 if raw.look_up(places.files, name) else len(places.folders.get(name, ())) for name in dict.fromkeys(table[source.column]))
    covered = sum(counts) if not known.suffixes else len(pictures)
    return covered < 0.5 * len(pictures) and bool(branches or readers.filename_labels(pictures))


def _of_source(draft: Draft, source: Source):
    return draft.with_known(label_file=source.file, file_id_column=source.column, layout=source.layout)


def _only_onehot(draft: Draft, source: Source) -> bool:
    """One prediction column that the table does not have, and columns of 0 and 1 that sum to 1."""
    table, columns = draft.raw.read(source.file), draft.known.columns
    if len(columns) > 1 or joins.matched(columns, [name for name in table if name != source.column]):
        return False
    known = _of_source(draft, source)
    if len(readers.label_columns(draft.raw, known)) < 2:
        return False
    known.layout = "columns"
    values = readers.column_values(draft.raw, known)[2]
    return bool((values[np.isfinite(values).all(axis=1)].sum(axis=1) == 1).mean() > 0.99)


def _sources(draft: Draft, files: Sequence[str]) -> list[Source]:
    """Sources of labels of which a column names pictures, the best first. Raises Mistake where two are equally good."""
    found = [source for file in files if (source := _source(draft, file)) is not None]
    found.sort(key=lambda source: -source.score)
    if len(found) > 1 and found[0].score - found[1].score < 0.1:
        first, second = (f"{source.file} ({', '.join(draft.raw.read(source.file).iloc[0].astype(str)[:5])} …)" for source in found[:2])
        raise Mistake(f"two tables could hold the labels: {first} and {second}. Say which with [label_file].")
    rows = {source.file: len(draft.raw.read(source.file)) for source in found}
    larger = [name for name in rows if rows[name] > rows[found[0].file] and not _is_second(name)]
    if larger and _is_second(found[0].file):
        raise Mistake(f"{found[0].file} has the column that is asked, and {larger[0]} names more pictures. Say with [label_file] which one it is.")
    return found


def _is_second(file: str) -> bool:
    return bool(SECOND.search(PurePosixPath(file).name))


def _source(draft: Draft, file: str) -> Source | None:
    here, known = draft.raw, draft.known
    if file == known.submission_file or file in here.pixel_tables:
        return None
    table = here.read(file)
    if len(table) == 0 or table.shape[1] < 2:
        return None
    if here.headers.get(file) == here.headers[known.submission_file] and table.iloc[:, 0].isin(set(draft.asked())).mean() > 0.95:
        return None  # another sample submission
    if file in here.coco:
        column, how, share = "id", "coco", draft.trainable.share(draft.some(table["file_name"]))
        if share < 0.5 or not any(is_label_name(name) for name in table):
            return None
    else:
        named = {name: _naming(draft, table[name]) for name in table}
        column = max(named, key=lambda name: (round(named[name][0], 1), table[name].nunique()))  # pictures before the folders they are in
        share, how = named[column]
        if share < 0.5:
            column, share = _linked(draft, file)
        if not column:
            return None
    words = PurePosixPath(file).name.lower()
    others = [name for name in table if name != column]
    wanted = [name for name in known.columns if name != column]
    answers = joins.matched(wanted, others).values()
    if others == [known.id_column]:
        return None  # which pictures an id of the submission means
    if answers and all(table[name].nunique() < 2 for name in answers):
        return None  # a table of one class, or of test pictures
    score = share + 4 * bool(joins.matched(wanted, others)) + 4 * (how == "long")
    score += bool(re.search(r"train|label|target|solution", words)) - 3 * _is_second(file) + 0.5 * (how == "coco")
    score -= 5 * bool(raw.TEST_LIKE.search(words)) + 4 * (table[column].isin(set(draft.asked())).mean() > 0.95 and how != "coco")
    score -= 4 * (len(others) > 0 and all(_is_measure(table[name]) for name in others) and not joins.matched(wanted, others))
    text = f"{share:.1%} of the {len(table):,} values of {column!r} in {file} name pictures" + (", with a target behind" if how == "long" else "")
    return Source(file, column, how, score, text)


def _linked(draft: Draft, file: str) -> tuple[str, float]:
    """The column called like the submission's ids, if another table says which pictures its values mean; and a share below any of names."""
    column, table = draft.known.id_column, draft.raw.read(file)
    besides = {draft.known.submission_file, file}
    return (column, 0.5) if column in table and readers.table_between(draft.raw, list(table[column]), draft.trainable, besides) else ("", 0.0)


def _is_measure(column) -> bool:
    """Different in (nearly) every row: no label."""
    return column.nunique() > 0.95 * len(column) and len(column) > 20


def _naming(draft: Draft, column) -> tuple[float, str]:
    """Share of the values that name pictures, and how (table or long); 0 for a column that repeats itself, like a table of boxes."""
    if column.nunique() < 0.5 * len(column):
        return 0.0, "table"
    share = draft.trainable.share(draft.some(column))
    split = joins.split_rows(list(column.drop_duplicates()), ends) if share < 0.5 and (ends := draft.ends()) else None
    if split and set(split[1]) == ends:
        examples = list(dict.fromkeys(split[0]))
        return draft.trainable.share(draft.some(examples)), "long"
    return share, "table"


def label_file(draft: Draft) -> tuple[str, str]:
    known, here = draft.known, draft.raw
    if known.layout in ("folders", "filename"):
        return "", "no table"
    if known.layout in ("table", "columns", "long", "coco"):
        kinds = ("coco",) if known.layout == "coco" else ("table", "long")
        found = [source for source in _sources(draft, [*here.headers, *here.coco]) if source.layout in kinds]
        if not found:
            raise Mistake(f"no table of raw/ names pictures: {', '.join([*here.headers, *here.coco])}.")
        others = [source.file for source in found[1:] if source.score > 0]
        return found[0].file, found[0].text + (f"; not used: {', '.join(others)}" if others else "")
    if known.layout == "tfrecord":
        return _record_folder(draft)
    sources = here.pixel_tables if known.layout == "pixels" else here.record_files
    extra = {name: here.plain_columns(name) for name in sources}
    shared = set.intersection(*(set(columns) for columns in extra.values()))
    labelled = [name for name in sources if joins.matched(known.columns, extra[name]) or any(map(is_label_name, extra[name]))]
    labelled = labelled or [name for name in sources if set(extra[name]) - shared and not raw.TEST_LIKE.search(name)]
    if not labelled:
        raise Mistake(f"no table of pixels has a label: {', '.join(sources)} have pixel columns only.")
    best = max(labelled, key=here.rows)
    others = [name for name in labelled if name != best]
    return best, f"pixels and the columns {', '.join(extra[best])}" + (f"; not used: {', '.join(others)}" if others else "")


def _record_folder(draft: Draft) -> tuple[str, str]:
    """The deepest folder that holds labelled records and those of the ids; of several (the same pictures in other sizes) the largest files."""
    asked, ranked = draft.asked(), []
    for folder in draft.raw.record_folders:
        table = draft.raw.read(folder)
        if readers.holding_column(table, asked) and len(table) > len(asked):
            names = [name for name in draft.raw.files if name.lower().endswith(raw.TFRECORDS) and is_below(name, folder)]
            size = np.mean([(draft.raw.folder / name).stat().st_size for name in names])
            ranked.append((table[readers.holding_column(table, asked)].is_unique, size, folder, len(table)))
    if not ranked:
        raise Mistake(f"no folder of TFRecords holds the ids of {draft.known.submission_file} ({', '.join(asked[:3])} …) and labelled records.")
    _, _, best, rows = max(ranked)
    others = [folder for *_, folder, _ in ranked if not is_below(best, folder) and not is_below(folder, best)]
    return best, f"{rows:,} records" + (f"; the same ids in smaller files: {', '.join(others)}" if others else "")


def file_id_column(draft: Draft) -> tuple[str, str]:
    known, here = draft.known, draft.raw
    if not known.label_file and known.layout != "tfrecord":
        return "", "no table"
    if known.layout in ("pixels", "json", "tfrecord"):
        columns = here.plain_columns(known.label_file)
        named = joins.matched([known.id_column], columns).get(known.id_column) or readers.holding_column(here.read(known.label_file), draft.asked())
        unique = bool(named) and here.read(known.label_file)[named].is_unique
        return (named, "holds the submission's ids, or is called alike") if unique else ("", "no column of ids: the data row's number, from 0")
    found = _source(draft, known.label_file)
    if not found:
        there = f"{here.inventory()}; the first is {here.pictures[0]}"
        raise Mistake(f"no column of {known.label_file} names pictures ({there}).")
    return found.column, found.text


def test_file(draft: Draft) -> tuple[str, str]:
    """Something between ids and pictures: a COCO JSON that holds the ids, or a table, where the ids themselves name none."""
    known, here, ids = draft.known, draft.raw, draft.asked()
    if known.layout == "tfrecord":
        return known.label_file, "records with the submission's ids"
    if known.layout in ("pixels", "json"):
        return "", "rows of tables"
    for name in here.coco:
        if name != known.label_file and len(set(ids) & set(here.read(name)["id"])) >= 0.9 * len(set(ids)):
            return name, f"its images have the ids of {known.submission_file}"
    named = joins.Places(here.pictures, known.suffixes)
    if named.share(draft.some(ids)) >= 0.5:
        return "", "the ids themselves name pictures" + ("" if raw.look_up(named.files, ids[0]) or known.suffixes else ": the folders that hold them")
    between = readers.table_between(here, ids, named, {known.submission_file, known.label_file})
    if between:
        name, key, column = between
        return name, f"beside {key!r}, the submission's ids, its column {column!r} names pictures"
    for name in here.headers:
        table, key = readers.keyed(here.read(name), ids)
        if key == readers.ROW and name not in (known.submission_file, known.label_file) and readers.naming_column(table, named, besides=key):
            return name, f"assumed: the ids count the rows of {name}, which names pictures"
    return "", "the ids themselves"


def test_table(draft: Draft) -> pd.DataFrame | None:
    """The table beside the label table that describes the test rows."""
    known, ids = draft.known, draft.asked()
    names = [name for name in draft.raw.headers if name not in (known.label_file, known.submission_file, *draft.raw.pixel_tables)]
    names = ([known.test_file] if known.test_file else []) + names
    return next((table for name in names if len(table := draft.raw.read(name)) and readers.holding_column(table, ids)), None)


def test_root(draft: Draft) -> tuple[str, str]:
    known = draft.known
    if known.layout == "tfrecord":
        return known.label_file, "TFRecords"
    if known.layout in ("pixels", "json"):
        return _test_source(draft)
    roots, share = _test_folders(draft)
    if not roots:
        raise _no_picture(known.submission_file, draft.asked(), draft.raw.pictures)
    names = draft.some(_train_names(draft))
    if len(roots) == 1 and names:
        outside = joins.Places(_outside(draft.raw.pictures, roots), known.suffixes).share(names)
        if joins.Places(draft.raw.pictures, known.suffixes).share(names) > 1.1 * outside:  # train and test are mixed
            roots, _ = joins.covering(draft.raw.pictures, [*names, *draft.some(_test_names(draft))], known.suffixes)
    return _settled(draft, roots, share, len(set(_test_names(draft))))


def _test_source(draft: Draft) -> tuple[str, str]:
    known, here = draft.known, draft.raw
    others = [name for name in (here.pixel_tables if known.layout == "pixels" else here.record_files) if name != known.label_file]
    rows = {name: here.rows(name) for name in others}
    count = len(draft.asked())
    best = [name for name in others if rows[name] == count] or [name for name in others if rows[name] > count]
    best = [name for name in best if raw.TEST_LIKE.search(name)] or best
    if not best:
        raise Mistake(f"no table of pixels has the {count:,} rows of the sample submission: {rows}.")
    return best[0], f"{rows[best[0]]:,} rows of pixels for {count:,} ids"


def _settled(draft: Draft, roots: list[str], share: float, count: int) -> tuple[str, str]:
    """Of folders that hold as many: the better source."""
    best = _better_source(draft, roots)
    others = f"; as good: {', '.join(root for root in roots if root != best)}" if len(roots) > 1 else ""
    return best, f"{share:.1%} of the {count:,} ids have a picture below {best or 'raw'}/{others}"


def _no_picture(file: str, ids: list[str], pictures: list[str]) -> Mistake:
    return Mistake(f"no picture is called like the ids of {file} ({', '.join(map(repr, ids[:3]))}; pictures: {', '.join(pictures[:3])} …).")


def _test_names(draft: Draft) -> list[str]:
    """What names the test pictures: the submission's ids, or what the table between says of them."""
    file = getattr(draft.known, "test_file", "")
    if not file:
        return draft.asked()
    table, key = readers.keyed(draft.raw.read(file), draft.asked())
    table = table[table[key].isin(set(draft.asked()))]
    column = "file_name" if file in draft.raw.coco else readers.naming_column(table, joins.Places(draft.raw.pictures), besides=key)
    return list(table[column])


def _test_folders(draft: Draft) -> tuple[list[str], float]:
    """Folders that hold the pictures of most ids, and their share: those called test…; else outside of where the training pictures are.
    Where numbers as names are in several, those without folders inside: folders with folders are classes."""
    roots, share = _for_test(draft)
    flat = _flat(draft, roots)
    if not flat and not any(raw.TEST_LIKE.search(root) for root in roots):  # of the test a few files may be lost
        others, nearly = _covering(_outside(draft.raw.pictures, roots), _test_names(draft), draft.known.suffixes)
        if nearly >= 0.9 * share and _flat(draft, others):
            return _flat(draft, others), nearly
    return flat or roots, share


def _flat(draft: Draft, roots: list[str]) -> list[str]:
    return [root for root in roots if not any("/" in name.removeprefix(root).lstrip("/") for name in draft.raw.below(root))]


def _for_test(draft: Draft) -> tuple[list[str], float]:
    names, pictures, ends = _test_names(draft), draft.raw.pictures, draft.known.suffixes
    roots, share = _covering([name for name in pictures if raw.TEST_LIKE.search(str(PurePosixPath(name).parent))], names, ends)
    if share >= 0.5:
        return roots, share
    train, sure = _covering(pictures, _train_names(draft), ends)
    roots, share = _covering(_outside(pictures, train) if sure > 0.5 and len(train) == 1 else pictures, names, ends)
    return (roots, share) if share >= 0.5 else _covering(pictures, names, ends)


def _covering(pictures: list[str], names: list[str], ends: Sequence[str]) -> tuple[list[str], float]:
    """`joins.covering`, of the best kind of file that (nearly) all names have: the same pictures may lie there as jpg and as tif, parted
    into folders otherwise."""
    roots, most = joins.covering(pictures, names, ends)
    kinds = sorted({raw.kind_of(name) for name in pictures})
    for kind in kinds if len(kinds) > 1 and most >= 0.5 else ():
        found, share = joins.covering([name for name in pictures if raw.kind_of(name) == kind], names, ends)
        if share >= 0.98 * most and not all(SECOND.search(root) for root in found):
            return found, share
    return roots, most


def _outside(pictures: list[str], roots: list[str]) -> list[str]:
    """Pictures below none of the folders; all, where that leaves none."""
    return [name for name in pictures if not any(is_below(name, folder) for folder in roots)] or pictures


def _train_names(draft: Draft) -> list[str]:
    """What names the training pictures in the source of labels; nothing before it is settled, or without one."""
    file = getattr(draft.known, "label_file", "")
    if not file:
        return []
    table = draft.raw.read(file)
    if draft.known.layout == "coco":
        return list(table["file_name"])
    names = list(table[draft.known.file_id_column])
    if between := readers.table_of_pictures(draft.raw, draft.known):
        return list(draft.raw.read(between[0])[between[2]])
    return list(dict.fromkeys(joins.split_rows(names, draft.ends())[0])) if draft.known.layout == "long" else names


def _better_source(draft: Draft, roots: list[str]) -> str:
    """Of folders that hold the same pictures: those that are no masks, then the better format, then the larger files."""

    def rank(root: str) -> tuple:
        names = draft.raw.below(root)[:20]
        kinds = [raw.kind_of(name) for name in names]
        return bool(SECOND.search(root)), max(kinds), -float(np.mean([(draft.raw.folder / name).stat().st_size for name in names]))

    return min(roots, key=rank)


def train_root(draft: Draft) -> tuple[str, str]:
    known, here = draft.known, draft.raw
    if known.layout in ("pixels", "json", "tfrecord"):
        return known.label_file, "the source of labels holds the pictures"
    pictures = _outside(draft.not_for_test(), [known.test_root] if known.test_root else [])
    if known.layout == "folders":
        root, text = _class_folders(draft, pictures) or ("", "")
        if not text:
            raise Mistake("there are no class folders (two at least, side by side, with two pictures each).")
        return root, text
    if known.layout == "filename":
        root = folders(_common(pictures))[-1]
        return root, f"{len(pictures):,} pictures that are not for test"
    names = _train_names(draft)
    roots, share = _covering(pictures, names, known.suffixes)
    if share < 0.5:
        roots, share = _covering(here.pictures, names, known.suffixes)
    if not roots:
        raise _no_picture(known.label_file, names, here.pictures)
    return _settled(draft, roots, share, len(set(names)))


def _common(names: list[str]) -> str:
    """A path in the deepest folder that holds all the names."""
    shared = set(folders(names[0]))
    for name in names:
        shared &= set(folders(name))
    return max(shared, key=len) + "/x" if max(shared, key=len) else "x"


def _class_folders(draft: Draft, pictures: list[str]) -> tuple[str, str] | None:
    """The folder whose folders are classes: two at least with two pictures each, best those that the submission names."""
    children: dict[str, dict[str, int]] = {}
    for name in pictures:
        for parent, child in pairwise(folders(name)):
            branch = children.setdefault(parent, {})
            branch[child] = branch.get(child, 0) + 1
    said, ranked = readers.submitted(draft.raw, draft.known), []
    for parent, counts in children.items():
        names = [child.rpartition("/")[2] for child in counts]
        if sum(count >= 2 for count in counts.values()) < 2 or all(SPLITS.fullmatch(name) for name in names):
            continue
        if readers.place_of_class([name.removeprefix(parent).lstrip("/") for name in pictures if is_below(name, parent)], said):
            names = sorted({name.split("/")[-2] for name in pictures if is_below(name, parent)})
        ranked.append((len(joins.matched(said, names)) / len(said), sum(counts.values()), -len(parent), parent, len(names)))
    if not ranked:
        return None
    _, total, _, parent, count = max(ranked)
    others = [root for *_, root, _ in ranked if root != parent and not root.startswith(parent) and not parent.startswith(root)]
    more = f"; not used: {', '.join(others)}" if others else ""
    return parent, f"{count} class folders with {total:,} pictures below {parent or 'raw'}/{more}"


def is_label_name(name: str) -> bool:
    return bool(LABEL_NAME.search(name)) and name != PATH
