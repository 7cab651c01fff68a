"""What a competition asks: inferred from its files, kept in `problem.toml`, where the user corrects it.

The sample submission is the contract, the label table (or the folders, or the file names) is the truth, the list of files is the join.
Fields are settled one after the other (`QUESTION`, then `GEOMETRY`, which looks at the pictures); each decision returns a value and its
evidence, and reads only what was settled before it: a value that the user has corrected drives all that comes after it. Names of
competitions and files decide nothing, except the generic words (train, test, sample, submission, label …). Two equally good answers
stop with both. An evidence that begins with "assumed" wants a look.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import tomlkit

from clf import images, metrics, paths, tables
from clf.config import Mistake

STYLES = ("label", "index", "positive", "columns")
KINDS = ("binary", "multiclass")
FITS = ("squash", "crop", "pad")
SIDES = (8, 1024)  # px
LARGE = 64  # px; up to here pictures keep their side
STORE_SIDE = 160  # px, the most that is packed unless asked

HEADER = """What is asked of us in this competition, and why we think so.
Correct a value here, then run `make explore` again: what depends on it follows, and your values and comments stay."""


@dataclass(frozen=True)
class Problem:
    """Everything that later steps know of the competition."""

    competition: str
    submission_file: str  # the sample submission, below raw/
    id_column: str
    columns: tuple[str, ...]  # the sample's prediction columns
    layout: str  # a key of tables.READERS
    label_file: str  # "" where folders or file names hold the labels
    file_id_column: str  # of label_file: names the picture
    test_root: str  # folder below raw/ ("": all of it), or the table of pixels
    train_root: str
    label_column: str
    metric: str  # a key of metrics.METRICS
    style: str  # label | index | positive | columns
    classes: tuple[str, ...]  # labels as train.csv writes them; the order of probabilities and of `columns`
    kind: str  # binary | multiclass
    positive: str  # the class whose probability is asked; "" unless style is positive
    group: str  # column of label_file whose rows stay together in the folds, or ""
    channels: int
    side: int  # px, of the packed pictures
    fit: str  # squash | crop | pad
    flip_horizontal: bool
    flip_vertical: bool

    @property
    def positive_index(self) -> int:
        """The column of the positive class among `classes`; the last one where none is asked for."""
        return self.classes.index(self.positive) if self.positive else len(self.classes) - 1


FIELDS = {field.name: field for field in dataclasses.fields(Problem)}


# -- problem.toml --------------------------------------------------------------------------------------------------------------------------


def read(path: Path) -> Problem:
    """Raises Mistake for a missing or damaged file, a missing field, and a value that is none of its choices."""
    if not path.exists():
        raise Mistake(f"there is no {paths.show(path)}: run `make explore COMPETITION={path.parent.name}` first.")
    values = _values(path)
    for name in FIELDS:
        if name not in values:
            raise Mistake(f"{paths.show(path)} lacks [{name}]: run `make explore COMPETITION={path.parent.name}` again.")
        _check(name, values[name], CHOICES.get(name, lambda known: None)(SimpleNamespace(**values)), path)
    return Problem(**values)


def hash(problem: Problem) -> str:
    """Of the values, not of comments and evidence."""
    return paths.hash_text(json.dumps(dataclasses.asdict(problem), sort_keys=True))


def hash_values(path: Path) -> str:
    """The hash of whatever values the file holds, also where it is not whole yet."""
    return paths.hash_text(json.dumps(_values(path), sort_keys=True)) if path.exists() else "missing"


def _parse(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(path.read_text())
    except tomlkit.exceptions.ParseError as error:
        raise Mistake(f"{paths.show(path)} is not valid TOML: {error}. Mend it, or delete it and run `make explore` again.") from None


def _values(path: Path) -> dict[str, Any]:
    """Field → value, of the field's type; lists as tuples."""
    found = {}
    for name, entry in _parse(path).unwrap().items():
        if name not in FIELDS:
            raise Mistake(f"{paths.show(path)} has an unknown field [{name}]. Known: {', '.join(FIELDS)}")
        if not isinstance(entry, dict) or "value" not in entry:
            raise Mistake(f"{paths.show(path)}: [{name}] has no value: write `value = …` below it.")
        value = entry["value"]
        wanted = {str: "text in quotes", int: "a whole number", bool: "true or false"}.get(FIELDS[name].type, "a list of texts")
        fits = type(value) is FIELDS[name].type if FIELDS[name].type in (str, int, bool) else isinstance(value, list)
        if not fits or (isinstance(value, list) and not all(isinstance(part, str) for part in value)):
            raise Mistake(f"{paths.show(path)}: {name} = {value!r} is not {wanted}.")
        found[name] = tuple(value) if isinstance(value, list) else value
    return found


def edits(path: Path, inferred: dict[str, Any]) -> dict[str, Any]:
    """The values in the file that are not the ones that were inferred last."""
    if not path.exists():
        return {}
    last = {name: tuple(value) if isinstance(value, list) else value for name, value in inferred.items()}
    return {name: value for name, value in _values(path).items() if name != "competition" and (name not in last or last[name] != value)}


def write(path: Path, problem: Problem, evidence: dict[str, str]) -> None:
    """Comments, order and blank lines of an existing file stay; only values and evidence that changed are replaced."""
    document = _parse(path) if path.exists() else tomlkit.document()
    if not path.exists():
        for line in HEADER.splitlines():
            document.add(tomlkit.comment(line))
    for name, value in dataclasses.asdict(problem).items():
        if name not in document:
            document.add(tomlkit.nl())
            document[name] = tomlkit.table()
        for key, content in (("value", _item(value)), ("evidence", evidence.get(name, ""))):
            if document[name].get(key) != (list(value) if key == "value" and isinstance(value, tuple) else content):
                document[name][key] = content
    paths.write_text(path, tomlkit.dumps(document))


def _item(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    array = tomlkit.array()
    array.extend(value)
    return array.multiline(len(", ".join(value)) > 100)


def _check(name: str, value: Any, choices: Iterable | range | None, where: Path | str) -> None:
    """Raises Mistake with the field, the value and the choices."""
    where = paths.show(where) if isinstance(where, Path) else where
    many = value if isinstance(value, tuple) else (value,)
    wrong = [part for part in many if choices is not None and part not in choices]
    if wrong:
        text = f"{choices[0]} to {choices[-1]}" if isinstance(choices, range) else ", ".join(repr(choice) for choice in [*choices][:40])
        raise Mistake(f"{where}: {name} = {wrong[0]!r} is none of its choices: {text}.")


# Checked whenever the file is read: they need no other file.
CHOICES: dict[str, Callable[[SimpleNamespace], Iterable]] = {
    "layout": lambda known: tuple(tables.READERS),
    "metric": lambda known: tuple(metrics.METRICS),
    "style": lambda known: STYLES,
    "kind": lambda known: KINDS,
    "positive": lambda known: known.classes if known.style == "positive" else ("",),
    "channels": lambda known: (1, 3),
    "side": lambda known: range(SIDES[0], SIDES[1] + 1),
    "fit": lambda known: FITS,
}

# Checked by `make explore`, where raw/ is at hand.
RAW_CHOICES: dict[str, Callable[["Draft"], Iterable]] = {
    "submission_file": lambda draft: list(draft.raw.headers),
    "id_column": lambda draft: draft.raw.headers[draft.known.submission_file],
    "columns": lambda draft: draft.raw.headers[draft.known.submission_file],
    "label_file": lambda draft: ["", *draft.raw.headers],
    "file_id_column": lambda draft: ["", *_columns(draft)],
    "label_column": lambda draft: ["", *_columns(draft)],
    "group": lambda draft: ["", *_columns(draft)],
    "test_root": lambda draft: _roots(draft),
    "train_root": lambda draft: _roots(draft),
    "style": lambda draft: (
        ("columns",) if len(draft.known.columns) > 1 else ("label", "index", "positive")[: 3 if len(set(draft.labels)) == 2 else 2]
    ),
}


# -- settling the fields ------------------------------------------------------------------------------------------------------------------------


class Draft:
    """A problem in the making: `known` holds what is settled, `inferred` what the files say, `yours` what the user has corrected."""

    def __init__(self, competition: str, raw: tables.Raw, facts: dict, yours: dict[str, Any], where: Path):
        self.raw, self.facts, self.yours, self.where = raw, facts, yours, where
        self.known = SimpleNamespace(competition=competition)
        self.inferred: dict[str, Any] = {}
        self.evidence: dict[str, str] = {}
        self.labels: list[str] = []  # of all labelled rows, from `style` on
        self.pictures: images.Inspection | None = None  # of the train rows, for GEOMETRY
        self.picture_labels: list[str] = []

    def settle(self, decisions: dict[str, Callable[["Draft"], tuple[Any, str]]]) -> None:
        """Decides each field in turn. Raises Mistake for what the files leave open and for an edit that is none of its choices."""
        for name, decide in decisions.items():
            try:
                value, evidence = decide(self)
            except Mistake as mistake:
                if name not in self.yours:
                    raise Mistake(f"{mistake} {self.how_to_answer(name)}") from None
                value, evidence = None, str(mistake)
            self.inferred[name] = value
            if name in self.yours and self.yours[name] != value:
                evidence = (
                    f"yours; inferred was {_show(value)}: {evidence}" if value is not None else f"yours; nothing was inferred: {evidence}"
                )
                value = self.yours[name]
                self.check(name, value)
            setattr(self.known, name, value)
            self.evidence[name] = evidence

    def check(self, name: str, value: Any) -> None:
        if name in RAW_CHOICES:
            _check(name, value, RAW_CHOICES[name](self), self.where)
        if name in CHOICES:
            _check(name, value, CHOICES[name](self.known), self.where)
        if name == "classes" and (missing := set(self.labels) - set(value)):
            raise Mistake(f"{paths.show(self.where)}: classes lacks the label {min(missing)!r}.")

    def how_to_answer(self, name: str) -> str:
        value = '["…"]' if FIELDS[name].type not in (str, int, bool) else '"…"'
        return f"To say it yourself, put the lines `[{name}]` and `value = {value}` into {paths.show(self.where)} and run `make explore` again."

    def look(self, gathered: tables.Gathered) -> None:
        """Settles the fields that depend on the pictures."""
        self.pictures, self.picture_labels = gathered.look, list(gathered.train["label"])
        self.settle(GEOMETRY)

    def groups(self, gathered: tables.Gathered) -> dict | None:
        """For the page: the column and how many groups it makes."""
        return {"column": self.known.group, "groups": gathered.train["group"].nunique()} if self.known.group else None

    def problem(self) -> Problem:
        return Problem(**vars(self.known))

    def sample(self) -> pd.DataFrame:
        return self.raw.read(self.known.submission_file)

    @cached_property
    def trainable(self) -> dict[str, str]:
        """How ids may call the pictures that are not for test."""
        return tables.index(_not_for_test(self))

    def asked(self) -> list[str]:
        """The sample submission's ids."""
        return list(self.sample()[self.known.id_column])

    def texts(self) -> dict[str, str]:
        """What Kaggle says, the surest source first."""
        pages = dict(self.facts.get("pages") or {})
        first = {"metric": self.facts.get("metric") or "", "evaluation page": pages.pop("evaluation", "")}
        return {name: text for name, text in {**first, **pages}.items() if text}

    def assumptions(self) -> list[str]:
        """Lines `field = value: why` for what wants a look."""
        return [
            f"{name} = {_show(getattr(self.known, name))}: {text.removeprefix('assumed: ')}"
            for name, text in self.evidence.items()
            if text.startswith("assumed")
        ]


def _show(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(value[:6])}{', …' if len(value) > 6 else ''}]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _columns(draft: Draft) -> list[str]:
    return list(draft.raw.read(draft.known.label_file)) if draft.known.label_file else []


def _roots(draft: Draft) -> list[str]:
    if draft.known.layout == "pixels":
        return draft.raw.pixel_tables
    return sorted({folder for name in draft.raw.pictures for folder in tables.folders(name)})


# -- the submission ------------------------------------------------------------------------------------------------------------------------------

SAMPLE_NAME = re.compile(r"(sample|example).*sub|sub.*sample|benchmark|sample_?sol", re.IGNORECASE)


def _submission_file(draft: Draft) -> tuple[str, str]:
    """By name, else the only table whose prediction columns are all constant; several: the highest number in the name, then most rows."""
    raw = draft.raw
    candidates = [name for name in raw.headers if len(raw.headers[name]) >= 2 and name not in raw.pixel_tables]
    named = [name for name in candidates if SAMPLE_NAME.search(PurePosixPath(name).name)]
    found = named or [name for name in candidates if _is_constant(raw.read(name))]
    if not found:
        raise Mistake(
            f"there is no sample submission among the tables of raw/ ({', '.join(raw.headers) or 'none'}; all files: {raw.inventory()})."
        )
    ranks = {
        name: (max([int(part) for part in re.findall(r"\d+", PurePosixPath(name).name)] or [0]), len(raw.read(name))) for name in found
    }
    best = [name for name in found if ranks[name] == max(ranks.values())]
    if len(best) > 1 and len({tuple(raw.headers[name]) for name in best}) > 1:
        raise Mistake(f"several tables could be the sample submission: {', '.join(best)}.")
    others = f"; not {', '.join(name for name in found if name != best[0])}" if len(found) > 1 else ""
    return best[0], ("by its name" if named else "assumed: the only table whose predictions are all the same") + others


def _is_constant(table: pd.DataFrame) -> bool:
    return len(table) > 1 and table.iloc[:, 0].is_unique and all(table[column].nunique() == 1 for column in table.columns[1:])


def _id_column(draft: Draft) -> tuple[str, str]:
    first = draft.raw.headers[draft.known.submission_file][0]
    if len(draft.sample()) == 0:
        raise Mistake(f"{draft.known.submission_file} has no rows.")
    return first, f"first column of {draft.known.submission_file}, {len(draft.sample()):,} rows"


def _prediction_columns(draft: Draft) -> tuple[tuple[str, ...], str]:
    header = [name for name in draft.raw.headers[draft.known.submission_file] if name != draft.known.id_column]
    return tuple(header), f"the other {'columns' if len(header) > 1 else 'column'} of {draft.known.submission_file}"


# -- where labels and pictures are -----------------------------------------------------------------------------------------------------------------


def _layout(draft: Draft) -> tuple[str, str]:
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
        if len(columns) > 1 and len(tables.matched(columns, table.columns)) == len(columns):
            return "onehot", f"{candidates[0].file} has the submission's columns; {reason}"
        return ("onehot", f"{reason}; its columns of 0 and 1 hold one 1 in each row") if _only_onehot(draft, table) else ("table", reason)
    pictures = _outside(_not_for_test(draft), _test_folders(draft)[0][:1])
    if _class_folders(draft, pictures):
        return "folders", "no table of labels names pictures; one folder for each class"
    if tables.filename_labels(pictures):
        return "filename", f"no table of labels, no class folders; names like {PurePosixPath(pictures[0]).name} hold the label"
    seen = ", ".join(f"{name} ({', '.join(raw.headers[name][:4])})" for name in raw.headers if name != draft.known.submission_file)
    raise Mistake(
        f"no labels found for the pictures ({raw.inventory()}; the first is {raw.pictures[0]}): "
        f"{f'no column of {seen} names pictures' if seen else 'there is no table besides the sample submission'}, "
        "there are no class folders, and the file names hold no label."
    )


def _only_onehot(draft: Draft, table: pd.DataFrame) -> bool:
    """One prediction column that the table does not have, and columns of 0 and 1 that sum to 1."""
    columns = tables.onehot_columns(table, draft.known.columns)
    if len(columns) < 2 or len(draft.known.columns) > 1 or tables.matched(draft.known.columns, table.columns):
        return False
    return bool((tables.onehot_values(table, columns).sum(axis=1) == 1).mean() > 0.99)


def _not_for_test(draft: Draft) -> list[str]:
    """Pictures outside of folders that are called test…; all, where that leaves none."""
    return [name for name in draft.raw.pictures if not tables.TEST_LIKE.search(str(PurePosixPath(name).parent))] or draft.raw.pictures


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
        score = joined[column] + 4 * bool(tables.matched(draft.known.columns, [name for name in table if name != column]))
        score += bool(re.search(r"train|label|target|solution", words)) - 3 * bool(
            re.search(r"annot|box|old|leak|extra|mask|segment", words)
        )
        score -= 5 * bool(tables.TEST_LIKE.search(words)) + 4 * (table[column].isin(asked).mean() > 0.95)
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
    return float(np.mean([bool(name) and bool(tables.look_up(known, name)) for name in column]))


def _label_file(draft: Draft) -> tuple[str, str]:
    known, raw = draft.known, draft.raw
    if known.layout in ("folders", "filename"):
        return "", "no table"
    if known.layout in ("table", "onehot"):
        found = _label_tables(draft, list(raw.headers))
        if not found:
            raise Mistake(f"no table of raw/ names pictures: {', '.join(raw.headers)}.")
        return found[0].file, found[0].text
    extra = {name: raw.plain_columns(name) for name in raw.pixel_tables}
    labelled = [name for name in raw.pixel_tables if tables.matched(known.columns, extra[name]) or any(map(_is_label_name, extra[name]))]
    labelled = labelled or [name for name in raw.pixel_tables if extra[name] and not tables.TEST_LIKE.search(name)]
    if not labelled:
        raise Mistake(f"no table of pixels has a label: {', '.join(raw.pixel_tables)} have pixel columns only.")
    best = max(labelled, key=raw.rows)
    others = [name for name in labelled if name != best]
    return best, f"pixels and the columns {', '.join(extra[best])}" + (f"; not used: {', '.join(others)}" if others else "")


def _file_id_column(draft: Draft) -> tuple[str, str]:
    if not draft.known.label_file:
        return "", "no table"
    if draft.known.layout == "pixels":
        named = tables.matched([draft.known.id_column], _columns(draft)).get(draft.known.id_column, "")
        unique = bool(named) and draft.raw.read(draft.known.label_file)[named].is_unique
        return (named, "the submission's id column") if unique else ("", "no column of ids: the data row's number, from 0, is the id")
    found = _label_tables(draft, [draft.known.label_file])
    if not found:
        raise Mistake(
            f"no column of {draft.known.label_file} names pictures ({draft.raw.inventory()}; the first is {draft.raw.pictures[0]})."
        )
    return found[0].column, found[0].text


def _test_root(draft: Draft) -> tuple[str, str]:
    if draft.known.layout == "pixels":
        others = [name for name in draft.raw.pixel_tables if name != draft.known.label_file]
        rows = {name: draft.raw.rows(name) for name in others}
        count = len(draft.asked())
        best = [name for name in others if rows[name] == count] or [name for name in others if rows[name] > count]
        best = [name for name in best if tables.TEST_LIKE.search(name)] or best
        if not best:
            raise Mistake(f"no table of pixels has the {count:,} rows of the sample submission: {rows}.")
        return best[0], f"table of pixels with {rows[best[0]]:,} rows for {count:,} ids"
    roots, share = _test_folders(draft)
    asked, pictures = draft.asked(), draft.raw.pictures
    if not roots:
        shown = ", ".join(repr(name) for name in asked[:3])
        raise Mistake(
            f"no picture is called like the ids of {draft.known.submission_file} ({shown}; pictures: {', '.join(pictures[:3])} …)."
        )
    best = _better_source(draft, roots)
    others = f"; as good: {', '.join(root for root in roots if root != best)}" if len(roots) > 1 else ""
    return best, f"{share:.1%} of the {len(set(asked)):,} ids have a picture below {best or 'raw'}/{others}"


def _test_folders(draft: Draft) -> tuple[list[str], float]:
    """Folders that hold the pictures of most ids, and their share: those called test…; else outside of where the training pictures are."""
    asked, pictures = draft.asked(), draft.raw.pictures
    roots, share = _covering([name for name in pictures if tables.TEST_LIKE.search(str(PurePosixPath(name).parent))], asked)
    if share >= 0.5:
        return roots, share
    train, sure = _covering(pictures, _train_ids(draft))
    roots, share = _covering(_outside(pictures, train) if sure > 0.5 and len(train) == 1 else pictures, asked)
    return (roots, share) if share >= 0.5 else _covering(pictures, asked)


def _outside(pictures: list[str], folders: list[str]) -> list[str]:
    """Pictures below none of the folders; all, where that leaves none."""
    return [name for name in pictures if not any(tables.is_below(name, folder) for folder in folders)] or pictures


def _train_ids(draft: Draft) -> list[str]:
    """The ids of the label table; none before it is settled, or without one."""
    file = getattr(draft.known, "label_file", "")
    return list(draft.raw.read(file)[draft.known.file_id_column]) if file else []


def _covering(pictures: list[str], ids: list[str]) -> tuple[list[str], float]:
    """The deepest folders below which most ids have a picture, and the share of the ids that do."""
    found = tables.coverage(pictures, ids)
    if not found:
        return [], 0.0
    most = max(map(len, found.values()))
    best = [folder for folder in found if len(found[folder]) == most]
    inner = {parent for folder in best for parent in tables.folders(folder + "/x") if parent != folder}
    return [folder for folder in best if folder not in inner], most / len(set(ids))


def _better_source(draft: Draft, roots: list[str]) -> str:
    """Of folders that hold the same pictures: the better format, then the larger files."""

    def rank(root: str) -> tuple:
        names = draft.raw.below(root)[:20]
        kinds = [images.EXTENSIONS.index(tables.split_extension(name)[1]) for name in names]
        return max(kinds), -float(np.mean([(draft.raw.folder / name).stat().st_size for name in names]))

    return min(roots, key=rank)


def _train_root(draft: Draft) -> tuple[str, str]:
    known, raw = draft.known, draft.raw
    if known.layout == "pixels":
        return known.label_file, "the table of labels holds the pixels"
    pictures = _outside(_not_for_test(draft), [known.test_root])
    if known.layout == "folders":
        root, text = _class_folders(draft, pictures) or ("", "")
        if not text:
            raise Mistake("there are no class folders (two at least, side by side, with two pictures each).")
        return root, text
    if known.layout == "filename":
        root = tables.folders(_common(pictures))[-1]
        return root, f"{len(pictures):,} pictures that are not for test"
    ids = _train_ids(draft)
    roots, share = _covering(pictures, ids)
    if share < 0.5:
        roots, share = _covering(raw.pictures, ids)
    if not roots:
        raise Mistake(
            f"no picture is called like the ids of {known.label_file} ({', '.join(map(repr, ids[:3]))}; pictures: {', '.join(raw.pictures[:3])} …)."
        )
    best = _better_source(draft, roots)
    others = f"; as good: {', '.join(root for root in roots if root != best)}" if len(roots) > 1 else ""
    return best, f"{share:.1%} of the {len(set(ids)):,} ids have a picture below {best or 'raw'}/{others}"


def _common(names: list[str]) -> str:
    """A path in the deepest folder that holds all the names."""
    shared = set(tables.folders(names[0]))
    for name in names:
        shared &= set(tables.folders(name))
    return max(shared, key=len) + "/x" if max(shared, key=len) else "x"


SPLITS = re.compile(r"(train|test|val|valid|validation|images?|img|data|dataset)[\W\d_]*", re.IGNORECASE)


def _class_folders(draft: Draft, pictures: list[str]) -> tuple[str, str] | None:
    """The folder whose folders are classes: two at least with two pictures each, best those that the submission names."""
    children: dict[str, dict[str, int]] = {}
    for name in pictures:
        parents = tables.folders(name)
        for parent, child in zip(parents, parents[1:], strict=False):
            branch = children.setdefault(parent, {})
            branch[child] = branch.get(child, 0) + 1
    sample = draft.sample()
    said = set(draft.known.columns) if len(draft.known.columns) > 1 else set(sample[draft.known.columns[0]])
    ranked = []
    for parent, counts in children.items():
        names = [child.rpartition("/")[2] for child in counts]
        if sum(count >= 2 for count in counts.values()) < 2 or all(SPLITS.fullmatch(name) for name in names):
            continue
        ranked.append((len(tables.matched(said, names)) / len(said), sum(counts.values()), -len(parent), parent, len(names)))
    if not ranked:
        return None
    _, total, _, parent, count = max(ranked)
    others = [root for *_, root, _ in ranked if root != parent and not root.startswith(parent) and not parent.startswith(root)]
    more = f"; not used: {', '.join(others)}" if others else ""
    return parent, f"{count} class folders with {total:,} pictures below {parent or 'raw'}/{more}"


# -- labels, classes, metric ------------------------------------------------------------------------------------------------------------------------

LABEL_NAME = re.compile(r"label|class|target|species|categor|breed|tag|diagnos|disease|emotion|cultivar|type|y$", re.IGNORECASE)
NO_LABEL = re.compile(r"age|date|time|width|height|url|path|source|split|fold|size|lat|lon|author|licen[cs]e|comment|usage", re.IGNORECASE)
GROUPS = tuple(  # what keeps rows together, the surest first
    "patient subject driver individual person participant study slide scan series sequence seq video burst session batch plate experiment "
    "well camera machine device site location place plot field hospital center centre institution provider country".split()
)


def _words(name: str) -> list[str]:
    """`"patientId"`, `"seq_id"` → words in lower case"""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def _is_label_name(name: str) -> bool:
    return bool(LABEL_NAME.search(name))


def _label_column(draft: Draft) -> tuple[str, str]:
    """The column called like the prediction column, or in which the sample's values occur, or with a name like label."""
    known = draft.known
    if known.layout not in ("table", "pixels"):
        return "", "no column of labels in this layout"
    table = draft.raw.read(known.label_file)
    said = set(draft.sample()[known.columns[0]]) - {""} if len(known.columns) == 1 else set(known.columns)
    scores = {column: _label_score(table[column], said, known.columns) for column in table if column != known.file_id_column}
    if not scores:
        raise Mistake(f"{known.label_file} has no column besides {known.file_id_column!r}: there are no labels.")
    best = max(scores.values())
    winners = [column for column in scores if scores[column] == best]
    if best <= -5:
        raise Mistake(f"no column of {known.label_file} can be the label: {', '.join(scores)} are constant, or different in every row.")
    if len(winners) > 1:
        raise Mistake(f"several columns of {known.label_file} could be the label: {', '.join(winners)}.")
    count = table[winners[0]].nunique()
    why = "the only other column" if len(scores) == 1 else f"the best of {', '.join(scores)}"
    return winners[0], f"{why} of {known.label_file}; {count} different labels"


def _label_score(column: pd.Series, said: set[str], asked: tuple[str, ...]) -> float:
    name, values = str(column.name), set(column)
    score = 8.0 * bool(tables.matched([name], asked) or tables.matched(asked, [name]))
    score += 4 * bool(said & values) + 6 * (len(asked) > 1 and len(tables.matched(said, values)) == len(said))
    score += 3 * _is_label_name(name)
    score -= 4 * bool(NO_LABEL.search(name) or set(_words(name)) & set(GROUPS))
    return score - 5 * (len(values) == len(column) > 20) - 10 * (len(values - {""}) < 2)


def _numbers(texts: Iterable[str]) -> bool:
    return all(re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", text.strip()) for text in texts)


def _whole(texts: Iterable[str]) -> bool:
    return all(re.fullmatch(r"[+-]?\d+", text.strip()) for text in texts)


def _metric(draft: Draft) -> tuple[str, str]:
    """What Kaggle says; else by what the sample submission holds: probabilities → log loss, labels → accuracy."""
    for source, text in draft.texts().items():
        name = metrics.recognise(text)
        if name:
            return name, f"Kaggle's {source}: {_around(text, metrics.METRICS[name].words)}"
    stated = draft.facts.get("metric")
    unknown = f"Kaggle's metric {stated!r} is none that the kit computes; " if stated else "nothing here names the metric; "
    values = {text for column in draft.known.columns for text in draft.sample()[column]}
    fractions = _numbers(values) and not _whole(values)
    if len(draft.known.columns) > 1 or fractions:
        return (
            "log_loss",
            f"assumed: {unknown}the sample submission holds probabilities. If it is another one, write it here: {', '.join(metrics.METRICS)}",
        )
    return (
        "accuracy",
        f"assumed: {unknown}the sample submission holds labels. If it is another one, write it here: {', '.join(metrics.METRICS)}",
    )


def _around(text: str, words: str) -> str:
    found = re.search(words, text, re.IGNORECASE)
    start, end = max(0, found.start() - 60), found.end() + 60
    return repr(("…" if start else "") + " ".join(text[start:end].split()) + ("…" if end < len(text) else ""))


def _style(draft: Draft) -> tuple[str, str]:
    """Several columns: probabilities of the classes. One: the label, its index, or (two classes) the probability of one."""
    known = draft.known
    draft.labels = [label for label in tables.READERS[known.layout](draft.raw, known)["label"] if label.strip()]
    labels = set(draft.labels)
    _check_onehot(draft)
    if len(labels) < 2:
        raise Mistake(f"the training rows have {len(labels)} different labels: two at least are needed.")
    if len(known.columns) > 1:
        return "columns", f"{len(known.columns)} prediction columns"
    values = set(draft.sample()[known.columns[0]])
    shown = f"{known.submission_file} holds values like {min(values)!r}"
    fractions = _numbers(values) and not _whole(values) and not values <= labels
    if len(labels) == 2 and (fractions or metrics.METRICS[known.metric].wants == "probabilities"):
        return "positive", f"two classes; {shown if fractions else f'{known.metric} wants probabilities'}"
    if fractions and {str(float(value)) for value in values} - {str(float(label)) for label in labels if _numbers([label])}:
        raise Mistake(
            f"{shown}, and there are {len(labels)} different labels: this asks for a number or a measure, which the kit does not predict."
        )
    if _whole(values) and not _whole(labels):
        return "index", f"assumed: {shown}, but the labels are names: the number of the class, from 0, in the order of classes"
    if any(len(value.split()) > 1 and value not in labels and set(value.split()) <= labels for value in values):
        return "label", f"assumed: {shown}, several labels for a picture; the kit writes the best one"
    return (
        "label",
        shown if values <= labels else f"assumed: {shown}, which is no label of the training rows; the label is written as these write it",
    )


def _check_onehot(draft: Draft) -> None:
    """Raises Mistake for columns that are no classes: several ones in a row, or shares."""
    known = draft.known
    if known.layout != "onehot":
        return
    values = tables.onehot_values(draft.raw.read(known.label_file), tables.onehot_columns(draft.raw.read(known.label_file), known.columns))
    if not np.isin(values[~np.isnan(values)], (0, 1)).all():
        raise Mistake(
            f"the label columns of {known.label_file} hold other values than 0 and 1: shares or measures, which the kit does not predict."
        )
    several = (values.sum(axis=1) != 1).mean()
    if several > 0.01:
        raise Mistake(
            f"{several:.0%} of the rows of {known.label_file} do not have exactly one 1: pictures with several labels are not supported."
        )


def natural(text: str) -> list:
    """Sorting key: numbers by value, inside of names too."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def _classes(draft: Draft) -> tuple[tuple[str, ...], str]:
    known, labels = draft.known, set(draft.labels)
    if known.style != "columns":
        return tuple(sorted(labels, key=natural)), f"the {len(labels)} labels of the training rows, in natural order"
    spelled = tables.matched(labels, known.columns)
    strangers = sorted(labels - spelled.keys())
    if strangers or len(set(spelled.values())) < len(labels):
        lost = strangers or sorted(labels)
        raise Mistake(
            f"{len(strangers)} labels have no column in {known.submission_file}: {', '.join(lost[:5])}; columns: {', '.join(known.columns[:5])} …"
        )
    by_column = {column: label for label, column in spelled.items()}
    never = [column for column in known.columns if column not in by_column]
    more = f"assumed: never seen in training: {', '.join(never)}; " if never else ""
    return tuple(by_column.get(column, column) for column in known.columns), f"{more}the labels, in the order of the submission's columns"


def _kind(draft: Draft) -> tuple[str, str]:
    count = len(draft.known.classes)
    return ("binary" if count == 2 else "multiclass"), f"{count} classes, one label for each picture"


def _positive(draft: Draft) -> tuple[str, str]:
    """{0, 1} literally; a class that Kaggle's text or the prediction column names; else the last."""
    known = draft.known
    if known.style != "positive":
        return "", f"not asked: the submission's style is {known.style}"
    if set(known.classes) == {"0", "1"}:
        return "1", "the labels are 0 and 1"
    for source, text in draft.texts().items():
        for pattern in (
            r"(?<![\w.])1\s*(=|:|for|means|is)\s*[\"'(]*{}(?!\w)",
            r"(?<!\w){}s?[\"')]*\s*(=|:)\s*1(?![\w.])",
            r"probab\w*[^.]{{0,80}}(?<!\w){}s?(?!\w)",
        ):
            found = [name for name in known.classes if re.search(pattern.format(re.escape(name)), text, re.IGNORECASE)]
            if len(found) == 1:
                return found[0], f"Kaggle's {source}: {_around(text, pattern.format(re.escape(found[0])))}"
    named = [name for name in known.classes if tables.plain(name) in [tables.plain(known.columns[0]), *_words(known.columns[0])]]
    if len(named) == 1:
        return named[0], f"the prediction column is called {known.columns[0]!r}"
    last = sorted(known.classes)[-1]
    return (
        last,
        f"assumed: nothing says whose probability is asked; the last of {', '.join(sorted(known.classes))}. The wrong one spoils the score: look it up",
    )


def _group(draft: Draft) -> tuple[str, str]:
    """A column of the label table named like a patient, a driver, a place …, with 5 values at least, and some that repeat."""
    known = draft.known
    if not known.label_file:
        return "", "no table"
    table = draft.raw.read(known.label_file)
    used = {known.label_column, known.file_id_column, *(tables.onehot_columns(table, known.columns) if known.layout == "onehot" else ())}
    counts = {column: table[column].nunique() for column in table if column not in used and set(_words(column)) & set(GROUPS)}
    fitting = [column for column, count in counts.items() if 5 <= count < len(table)]
    if not fitting:
        few = f"; {', '.join(counts)} has too few or only different values" if counts else ""
        return "", f"no column is named like a patient, driver, place …{few}"
    best = min(fitting, key=lambda column: min(GROUPS.index(word) for word in _words(column) if word in GROUPS))
    others = f"; not {', '.join(column for column in fitting if column != best)}" if len(fitting) > 1 else ""
    return best, f"{counts[best]:,} different values in {len(table):,} rows: rows of one never validate each other{others}"


QUESTION: dict[str, Callable[[Draft], tuple[Any, str]]] = {
    "submission_file": _submission_file,
    "id_column": _id_column,
    "columns": _prediction_columns,
    "layout": _layout,
    "label_file": _label_file,
    "file_id_column": _file_id_column,
    "test_root": _test_root,
    "train_root": _train_root,
    "label_column": _label_column,
    "metric": _metric,
    "style": _style,
    "classes": _classes,
    "kind": _kind,
    "positive": _positive,
    "group": _group,
}


# -- geometry --------------------------------------------------------------------------------------------------------------------------------------------


def _channels(draft: Draft) -> tuple[int, str]:
    share = float(draft.pictures.colour.mean())
    return (3 if share > 0.01 else 1), f"{share:.1%} of the pictures hold colour"


def _side(draft: Draft) -> tuple[int, str]:
    """Small pictures keep their side; larger ones the median short side, down to a multiple of 32, 160 at most."""
    short = np.minimum(draft.pictures.heights, draft.pictures.widths)
    median = int(np.median(short))
    side = median if median <= LARGE else min(STORE_SIDE, median // 32 * 32)
    return max(side, SIDES[0]), f"median short side {median} px" + (
        f"; at most {STORE_SIDE} is packed unless asked" if median > STORE_SIDE else ""
    )


def _fit(draft: Draft) -> tuple[str, str]:
    """By the middle 90 % of the aspect ratios (width / height): nearly equal → squash, up to a factor of 3 → crop, wider → pad."""
    aspects = draft.pictures.widths / draft.pictures.heights
    low, high = np.quantile(aspects, [0.05, 0.95])
    how = "squash" if high / low < 1.1 else "crop" if high / low <= 3 else "pad"
    reason = {"squash": "nearly equal", "crop": "different: the middle square", "pad": "very different: nothing may be cut off"}[how]
    return how, f"width / height is {low:.2f} to {high:.2f} for nine of ten pictures, {reason}"


@dataclass(frozen=True)
class Mirrored:
    """What half of the thumbnails teach a linear model, told of the other half."""

    rows: int
    prior: float  # share of the most frequent label
    upright: float  # accuracy
    mirrored: float  # accuracy on the same pictures, mirrored
    drop_error: float  # standard error of the difference of the two (McNemar)
    told: float  # accuracy at telling mirrored pictures from upright ones, one half each

    @property
    def learns(self) -> bool:
        return self.upright > self.prior + 3 * np.sqrt(0.25 / self.rows)

    @property
    def drops(self) -> bool:
        return self.upright - self.mirrored > max(3 * self.drop_error, 0.1 * (self.upright - self.prior))

    @property
    def decides(self) -> bool:
        """There are rows enough to see a drop of half of what was learned."""
        return 3 * self.drop_error < 0.5 * (self.upright - self.prior)

    def visible(self, margin: float) -> bool:
        return self.told > 0.5 + max(margin, 3 * np.sqrt(0.25 / self.rows))

    def text(self) -> str:
        return (
            f"a linear model on {self.rows:,} thumbnails is right for {self.upright:.3f} upright, {self.mirrored:.3f} mirrored "
            f"(most frequent label: {self.prior:.3f}); mirrored ones are told from upright ones with {self.told:.3f}"
        )


MIRROR_ROWS = 5000


def mirror(thumbnails: np.ndarray, labels: list[str], axis: int) -> Mirrored:
    """Trains on half of at most 5,000 rows, tests on the other half. Axis 2: left and right; 1: up and down. Seeded."""
    from sklearn.linear_model import RidgeClassifier  # half a second that other steps need not wait for

    order = np.random.default_rng(0).permutation(len(labels))[:MIRROR_ROWS]
    pictures, truth = thumbnails[order].astype(np.float32) / 255 - 0.5, np.array(labels, object)[order].astype(str)
    half = len(order) // 2
    flat = pictures.reshape(len(order), -1)
    flipped = np.flip(pictures, axis).reshape(len(order), -1)
    model = RidgeClassifier(alpha=100.0).fit(flat[:half], truth[:half])
    right, right_flipped = (model.predict(rows[half:]) == truth[half:] for rows in (flat, flipped))
    teller = RidgeClassifier(alpha=100.0).fit(np.concatenate([flat[:half], flipped[:half]]), np.repeat([0, 1], half))
    told = np.concatenate([teller.predict(flat[half:]) == 0, teller.predict(flipped[half:]) == 1])
    return Mirrored(
        rows=len(order) - half,
        prior=float(pd.Series(truth[half:]).value_counts(normalize=True).max()),
        upright=float(right.mean()),
        mirrored=float(right_flipped.mean()),
        drop_error=float(np.sqrt((right != right_flipped).sum())) / (len(order) - half),
        told=float(told.mean()),
    )


def _flip_horizontal(draft: Draft) -> tuple[bool, str]:
    """Allowed unless mirroring costs the linear model accuracy, or shows."""
    if len(set(draft.picture_labels[: MIRROR_ROWS // 2])) < 2 or len(draft.picture_labels) < 20:
        return False, "assumed: too few pictures to tell"
    found = mirror(draft.pictures.thumbnails, draft.picture_labels, axis=2)
    return bool(not (found.drops or found.visible(0.1))), found.text()


def _flip_vertical(draft: Draft) -> tuple[bool, str]:
    """Allowed only where the linear model has learned something, mirroring clearly costs it nothing, and does not show."""
    if len(set(draft.picture_labels[: MIRROR_ROWS // 2])) < 2 or len(draft.picture_labels) < 20:
        return False, "assumed: too few pictures to tell"
    found = mirror(draft.pictures.thumbnails, draft.picture_labels, axis=1)
    allowed = found.learns and found.decides and not (found.drops or found.visible(0.05))
    return bool(allowed), found.text() + ("" if found.learns and found.decides else "; too little was learned to be sure, so no")


GEOMETRY: dict[str, Callable[[Draft], tuple[Any, str]]] = {
    "channels": _channels,
    "side": _side,
    "fit": _fit,
    "flip_horizontal": _flip_horizontal,
    "flip_vertical": _flip_vertical,
}
