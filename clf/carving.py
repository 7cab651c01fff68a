"""The raw/ of a rehearsal: the competition's own in the same layout, in which some training examples have become the hidden test.

Pictures are linked, never copied. Tables and records lose the rows of the hidden examples and those of the real test; the test's side
gets the hidden ones, without their labels. What the kit does not read and what names hidden examples is left out: it could tell labels.
"""

import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from clf import config, joins, readers, styles, submission, tables, targets
from clf.config import Mistake
from clf.hidden import Hidden, Slot
from clf.problem import Problem
from clf.raw import PATH, TEST_LIKE, TFRECORDS, Raw, is_below, picture_keys

COVERED = 0.5  # of the names, where these are bare numbers: a column of fewer holds other numbers
MENTIONED = 0.1  # of the hidden examples: a text that names more is a list of them
REPEATS = 0.9  # different values in a column that describes pictures, per row; more are names
TEXTS = (".md", ".txt", ".rst", ".json", ".html")
MOST_TEXT = 50_000_000  # bytes
TOKEN = re.compile(r"[^\s,\"':;|\[\]{}()]+")


@dataclass
class Carving:
    """Everything that the parts of a new raw/ are made from. `found`: what the layout's reader finds, its group the example that several
    pictures belong to; `left_out`: names of files that are not in the new one."""

    raw: Raw
    question: Problem
    found: pd.DataFrame
    slots: list[Slot]
    hidden: list[Hidden]
    folder: Path
    left_out: list[str] = field(default_factory=list)

    @cached_property
    def examples(self) -> set[str]:
        """The hidden ones, as the source of labels calls them."""
        return {name for one in self.hidden for name in one.sources}

    @cached_property
    def in_files(self) -> bool:
        """Whether pictures are files, not rows of tables or records."""
        return self.question.layout not in ("pixels", "json", "tfrecord")

    @cached_property
    def names(self) -> set[str]:
        """All that may name a hidden example."""
        return self.examples | (_keys(path for one in self.hidden for path in one.pictures) if self.in_files else set())

    @cached_property
    def used(self) -> dict[str, Hidden]:
        """By the name of their place."""
        return {one.slot.name: one for one in self.hidden}

    @cached_property
    def test_names(self) -> set[str]:
        """All that may name an example of the real test."""
        return {slot.name for slot in self.slots} | _keys(path for slot in self.slots for path in slot.pictures)

    @cached_property
    def unused(self) -> set[str]:
        """Those that name nothing in the rehearsal."""
        filled = _keys(path for one in self.hidden for path in one.slot.pictures[: len(one.pictures)])
        return self.test_names - filled - self.used.keys()

    @cached_property
    def labels(self) -> pd.DataFrame:
        """What the source of labels says of each example besides the label, for tables that describe the test. A group keeps the test's own
        names: few groups of training would not show that the test has others."""
        question = self.question
        if question.layout not in ("table", "columns"):
            return pd.DataFrame()
        table = self.raw.read(question.label_file).drop_duplicates(question.file_id_column).set_index(question.file_id_column)
        told = {question.label_column, question.group, *(readers.label_columns(self.raw, question).values() if question.layout == "columns" else ())}
        return table[[column for column in table if column not in told and table[column].nunique() < REPEATS * len(table)]]

    def target(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, table: pd.DataFrame) -> None:
        table.to_csv(self.target(name), index=False, sep=tables.delimiter(self.raw.folder / name), lineterminator="\n")

    def link(self, name: str, new: str = "") -> None:
        """A hard link where the file system allows one, else a symbolic one."""
        source, target = (self.raw.folder / name).resolve(), self.target(new or name)
        try:
            os.link(source, target)
        except FileExistsError:
            raise Mistake(f"two pictures would both become {new or name}: the rehearsal cannot be made of this layout.") from None
        except OSError:
            target.symlink_to(source)


def _keys(pictures: Iterable[str]) -> set[str]:
    """What may name the pictures or their parts."""
    return {key for path in pictures for part in path.split("|") for key in picture_keys(part)}


def carve(carving: Carving) -> str:
    """Fills the new folder; returns the answers, the content of a file in the sample submission's layout."""
    question, done = carving.question, set()
    for name in SOURCES[question.layout](carving):
        done.add(name)
    sample = submission.load(carving.raw.folder / question.submission_file)
    asked = sample_of(carving, sample)
    carving.target(question.submission_file).write_text(_text(asked, carving.raw.folder / question.submission_file))
    done.add(question.submission_file)
    if question.test_file in carving.raw.coco and question.test_file not in done:
        _test_images(carving)
        done.add(question.test_file)
    for name in carving.raw.headers:
        if name not in done and name not in carving.raw.pixel_tables:
            _side_table(carving, name)
            done.add(name)
    done |= _pictures(carving)
    for name in carving.raw.files:
        if name not in done:
            _beside(carving, name)
    return submission.text(answers(carving, asked))


def _text(frame: pd.DataFrame, like: Path) -> str:
    sign = tables.delimiter(like)
    return submission.text(frame) if sign == "," else frame.to_csv(index=False, sep=sign, lineterminator="\n")


# -- the submission ----------------------------------------------------------------------------------------------------------------


def sample_of(carving: Carving, sample: pd.DataFrame) -> pd.DataFrame:
    """The real sample's rows of the places that are used, in its order and with its cells; further places get copies of a row."""
    column = carving.question.id_column
    names = np.array(submission.keys(carving.question, sample)[0], object)
    kept = sample[[name in carving.used for name in names]]
    by_name = sample.groupby(names, sort=False).indices
    more = [
        sample.iloc[by_name[slot.like.name]].assign(
            **{column: lambda rows, slot=slot: [slot.name + name.removeprefix(slot.like.name) for name in rows[column]]}
        )
        for slot in (one.slot for one in carving.hidden)
        if slot.like is not None
    ]
    found = pd.concat([kept, *more], ignore_index=True)
    found.attrs = dict(sample.attrs)
    return found


def answers(carving: Carving, asked: pd.DataFrame) -> pd.DataFrame:
    """The hidden truth in the sample's rows."""
    question = carving.question
    names, codes = submission.keys(question, asked)
    order = {name: number for number, name in enumerate(carving.used)}
    truth = targets.dense(question, targets.truth(question, [one.label for one in carving.used.values()]))
    cells = TRUTHS[question.style](question, truth)[[order[name] for name in names]]
    found = asked.copy()
    found[list(question.columns)] = cells if codes is None else cells[np.arange(len(cells)), codes][:, None]
    found.attrs = dict(asked.attrs)
    return found


def _numbers(values: np.ndarray) -> np.ndarray:
    return np.array([[f"{value:.9g}" for value in row] for row in values.tolist()], object)


def _class(question: Problem, truth: np.ndarray) -> np.ndarray:
    return np.array(question.classes, object)[truth.argmax(1)][:, None]


def _classes(question: Problem, truth: np.ndarray) -> np.ndarray:
    """An empty cell for none: a submission's own writer would name one."""
    names = np.array(question.classes, object)
    return np.array([question.separator.join(names[row > 0.5]) for row in truth], object)[:, None]


# Style → (problem, truth float32 [N,K]) → cells, text [N,C]. Exact, where a submission is rounded and kept away from 0 and 1.
TRUTHS: dict[str, Callable[[Problem, np.ndarray], np.ndarray]] = {
    "label": _class,
    "ranking": _class,
    "confidence": _class,
    "labels": _classes,
    "index": lambda question, truth: styles.write_index(question, truth, truth),
    "positive": lambda question, truth: _numbers(truth[:, [question.positive_index]]),
    **dict.fromkeys(("columns", "number", "rows"), lambda question, truth: _numbers(truth)),
}


# -- sources of labels: each writes itself without the hidden rows, and returns the names of the files that it has dealt with ---------


def _of_table(carving: Carving) -> list[str]:
    """The rows of the real test, which a table may hold as well, go with the hidden ones."""
    question, file = carving.question, carving.question.label_file
    table = carving.raw.read(file)
    ids = table[question.file_id_column]
    if question.layout == "long":
        ids = pd.Series(joins.split_rows(list(ids), readers.targets_of(carving.raw, question))[0], table.index, dtype=object)
    labelled = set(carving.found["group"] if "group" in carving.found else carving.found["id"])
    strange = pd.Series([name in carving.unused and name not in labelled for name in ids], table.index, dtype=bool)
    kept = table[~ids.isin(carving.examples) & ~strange]
    further = _copies(carving, table, readers.holding_column(table, [slot.name for slot in carving.slots])) if file == question.test_file else []
    carving.write(file, pd.concat([kept, *further], ignore_index=True))
    return [file]


def _of_files(carving: Carving) -> list[str]:
    return []


def _of_coco(carving: Carving) -> list[str]:
    file = carving.question.label_file
    content = _read_json(carving.raw.folder / file)
    listed = content if isinstance(content, list) else content["images"]
    kept = [image for image in listed if str(image.get("id", image.get("image_id"))) not in carving.examples]
    if isinstance(content, dict):
        notes = [note for note in content.get("annotations") or () if str(note.get("image_id")) not in carving.examples]
        kept = content | {"images": kept, "annotations": notes}
    _write_json(carving.target(file), kept)
    return [file]


def _test_images(carving: Carving) -> None:
    """The images of the test's JSON: those of the places that are used, described as the hidden ones are."""
    file, of_labels = carving.question.test_file, {}
    if carving.question.layout == "coco":
        content = _read_json(carving.raw.folder / carving.question.label_file)
        listed = content if isinstance(content, list) else content["images"]
        of_labels = {str(image.get("id", image.get("image_id"))): image for image in listed}
    content = _read_json(carving.raw.folder / file)
    listed = content if isinstance(content, list) else content["images"]
    by_name = {str(image.get("id", image.get("image_id"))): image for image in listed}
    made = []
    for name, one in carving.used.items():
        image = dict(by_name[one.slot.like.name if one.slot.like else name])
        own = of_labels.get(one.sources[0], {})
        kept = ("id", "image_id", "file_name", carving.question.group)
        image |= {key: own[key] for key in image if key in own and key not in kept and not _is_name(own[key])}
        if one.slot.like is not None:
            key = "id" if "id" in image else "image_id"
            image[key] = type(image[key])(name)
            image["file_name"] = _like(image["file_name"], one.slot)
        made.append(image)
    _write_json(carving.target(file), made if isinstance(content, list) else content | {"images": made})


def _is_name(value: object) -> bool:
    return isinstance(value, list | dict) or (isinstance(value, str) and "/" in value)


def _like(name: str, slot: Slot) -> str:
    """What a table calls a picture of the slot that is a copy, by what it calls the original's."""
    return _renaming(slot).get(name, slot.pictures[0].rpartition("/")[2])


def _renaming(slot: Slot) -> dict[str, str]:
    """What names the original → the same of the copy."""
    found = {slot.like.name: slot.name}
    for old, new in zip(slot.like.pictures, slot.pictures, strict=True):
        for before, after in zip(old.split("|"), new.split("|"), strict=True):
            found |= dict(zip(picture_keys(before), picture_keys(after), strict=False))
    return found


def _read_json(path: Path):
    content = path.read_bytes()
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return json.loads(content.decode("latin-1"))


def _write_json(path: Path, content: dict | list) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _row_of(path: str) -> int:
    return int(path.rpartition("#")[2])


def _of_pixels(carving: Carving) -> list[str]:
    question, folder = carving.question, carving.raw.folder
    place = {_row_of(one.pictures[0]): one for one in carving.hidden}
    columns = tables.header(folder / question.test_root)
    key = _key_column(carving, question.test_root)
    taken, first = [], True
    with open(carving.target(question.label_file), "w", newline="") as file:
        chunks = pd.read_csv(
            folder / question.label_file, dtype=str, keep_default_na=False, chunksize=5_000, sep=tables.delimiter(folder / question.label_file)
        )
        for chunk in config.progress(chunks, desc="parting the pixels", unit="chunk"):
            here = chunk.index.isin(place)
            chunk[~here].to_csv(file, index=False, header=first, lineterminator="\n", sep=tables.delimiter(folder / question.label_file))
            taken.append(chunk[here].reindex(columns=columns, fill_value=""))
            first = False
    table = pd.concat(taken)
    if key:
        table[key] = [place[row].slot.name for row in table.index]
    order = {name: number for number, name in enumerate(carving.used)}
    carving.write(question.test_root, table.iloc[np.argsort([order[place[row].slot.name] for row in table.index])])
    return [question.label_file, question.test_root]


def _key_column(carving: Carving, source: str) -> str | None:
    asked = {slot.name for slot in carving.slots}
    return next((column for column in carving.raw.plain_columns(source) if asked <= set(carving.raw.read(source)[column])), None)


def _of_records(carving: Carving) -> list[str]:
    question, folder = carving.question, carving.raw.folder
    records, of_test = _read_json(folder / question.label_file), _read_json(folder / question.test_root)
    place, fields = {_row_of(one.pictures[0]): one for one in carving.hidden}, list(of_test[0])
    key = _key_column(carving, question.test_root)
    rows = {one.slot.name: row for row, one in place.items()}
    made = []
    for slot in carving.used:
        record = records[rows[slot]]
        made.append({name: record[name] for name in fields if name in record} | ({key: slot} if key else {}))
    _write_json(carving.target(question.label_file), [record for row, record in enumerate(records) if row not in place])
    _write_json(carving.target(question.test_root), made)
    return [question.label_file, question.test_root]


def _of_tfrecords(carving: Carving) -> list[str]:
    """Records that stay are copied as they are; hidden ones take the places of the test's, without the features that those have not."""
    import tensorflow as tf  # it knows the format; only this layout waits for it

    question, folder = carving.question, carving.raw.folder
    table = carving.raw.read(question.label_file)
    key = readers.holding_column(table, [slot.name for slot in carving.slots])
    wanted = {one.pictures[0]: one for one in carving.hidden}
    labelled = {path for path in table[PATH][table[question.label_column] != ""]}
    features, moved, by_file = set(), {}, {}
    files = [name for name in carving.raw.files if name.lower().endswith(TFRECORDS) and is_below(name, question.label_file)]
    for name in files:
        for number, record in enumerate(tf.data.TFRecordDataset(str(folder / name)).as_numpy_iterator()):
            path = f"{name}#{number}"
            if path in wanted:
                moved[path] = record
            elif path in labelled:
                by_file.setdefault(name, []).append(record)
            else:
                by_file.setdefault(name, [])
                features |= set(tf.train.Example.FromString(record).features.feature)
    for path, one in wanted.items():
        example = tf.train.Example.FromString(moved[path])
        for feature in [name for name in example.features.feature if name not in features]:
            del example.features.feature[feature]
        values = example.features.feature[key]
        if values.WhichOneof("kind") == "bytes_list":
            values.bytes_list.value[:] = [one.slot.name.encode()]
        else:
            values.int64_list.value[:] = [int(one.slot.name)]
        by_file[(one.slot.like or one.slot).pictures[0].rpartition("#")[0]].append(example.SerializeToString())
    for name, records in by_file.items():
        if records:
            with tf.io.TFRecordWriter(str(carving.target(name))) as writer:
                for record in records:
                    writer.write(record)
    return files


SOURCES: dict[str, Callable[[Carving], list[str]]] = {
    **dict.fromkeys(("table", "columns", "long"), _of_table),
    **dict.fromkeys(("folders", "filename"), _of_files),
    "coco": _of_coco,
    "pixels": _of_pixels,
    "json": _of_records,
    "tfrecord": _of_tfrecords,
}


# -- beside the labels ---------------------------------------------------------------------------------------------------------------


def _side_table(carving: Carving, name: str) -> None:
    """Rows about hidden examples leave; of rows about the test those stay whose place is used, and say of it what the source of labels says."""
    table = carving.raw.read(name)
    if not len(table):
        carving.link(name)
        return
    names = [slot.name for slot in carving.slots]
    table, key = readers.keyed(table, names) if name == carving.question.test_file else (table, readers.holding_column(table, names))
    of_test = np.logical_or.reduce([_names(table[column], carving.test_names, len(carving.slots)) for column in table])
    of_hidden = np.logical_or.reduce([_names(table[column], carving.names, len(carving.hidden)) for column in table])
    if (of_test & of_hidden).any():  # both are numbered from 1
        sure = bool(TEST_LIKE.search(name)) or name == carving.question.test_file or carving.question.id_column in table
        of_test, of_hidden = (of_test, of_hidden & False) if sure else (of_test & False, of_hidden)
    leaving = of_hidden.copy()
    for column in table:
        leaving |= of_test & table[column].isin(carving.unused).to_numpy()
    kept = _described(carving, table[~leaving], key)
    further = _copies(carving, table, key)
    found = pd.concat([kept, *further], ignore_index=True)
    carving.write(name, found.drop(columns=[readers.ROW], errors="ignore"))


def _names(column: pd.Series, names: set[str], count: int) -> np.ndarray:
    """bool: the cells that are one of the names, of `count` examples. Bare numbers are, where the column has half of them."""
    there = column.isin(names).to_numpy()
    numbers = column.str.fullmatch(r"\d+").to_numpy(bool) & there
    return there if column[numbers].nunique() >= COVERED * count else there & ~numbers


def _described(carving: Carving, table: pd.DataFrame, key: str | None) -> pd.DataFrame:
    """The table with what the source of labels says of the hidden examples in the columns that both have."""
    shared = [column for column in carving.labels if column in table and column != key and not table[column].isin(carving.test_names).any()]
    if key is None or not shared:
        return table
    turn = table.groupby(key, sort=False).cumcount()  # rows of one place describe its pictures in order
    sources = [
        carving.used[name].sources[min(number, len(carving.used[name].sources) - 1)] if name in carving.used else None
        for name, number in zip(table[key], turn, strict=True)
    ]
    rows = np.array([source in carving.labels.index for source in sources], bool)
    table = table.copy()
    table.loc[rows, shared] = carving.labels.loc[[source for source, here in zip(sources, rows, strict=True) if here], shared].to_numpy()
    return table


def _copies(carving: Carving, table: pd.DataFrame, key: str | None) -> list[pd.DataFrame]:
    """For each further place the rows of the one that it is like, with its names."""
    further = [one.slot for one in carving.hidden if one.slot.like is not None] if key else []
    rows = table.groupby(key, sort=False).indices if further else {}
    copies = [(_renaming(slot), table.iloc[rows[slot.like.name]]) for slot in further if slot.like.name in rows]
    return [copy.map(lambda cell, new=new: new.get(cell, cell)) for new, copy in copies]


def _pictures(carving: Carving) -> set[str]:
    """Links the pictures that the kit reads: the hidden ones to their places. Returns every picture's name."""
    moved, stay = [], {}
    if carving.in_files:
        moved = [move for one in carving.hidden for move in one.moves()]
        stay = dict.fromkeys(part for path in carving.found["path"] if path for part in path.split("|"))
    gone = {old for old, _ in moved} | {part for slot in carving.slots for path in slot.pictures for part in path.split("|")}
    links = [(name, name) for name in stay if name not in gone] + moved
    for old, new in config.progress(links, desc="linking", unit="picture"):
        carving.link(old, new)
    known = {old for old, _ in links} | gone
    carving.left_out += [name for name in carving.raw.pictures if name not in known]
    return set(carving.raw.pictures)


def _beside(carving: Carving, name: str) -> None:
    """Descriptions and lists of classes stay; what names hidden examples, and what nobody can look into, does not."""
    path = carving.raw.folder / name
    if not name.lower().endswith(TEXTS) or path.stat().st_size > MOST_TEXT:
        carving.left_out.append(name)
        return
    tokens = pd.Series(list(set(TOKEN.findall(path.read_text(errors="replace")))), dtype=str)
    if _names(tokens, carving.names, len(carving.hidden)).sum() > MENTIONED * len(carving.hidden):
        carving.left_out.append(name)
    else:
        carving.link(name)
