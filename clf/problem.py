"""What a competition asks: `Problem`, kept in `problem.toml`, where the user corrects it.

Step 02 infers the values (`infer`, `geometry`) and writes them with their evidence; every later step reads them. The source of this module
is part of what every run is made from: nothing that infers belongs here.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import tomlkit

from clf import metrics, paths
from clf.config import Mistake

LAYOUTS = ("pixels", "table", "columns", "long", "folders", "filename", "coco", "json", "tfrecord")  # the keys of readers.READERS
STYLES = ("label", "index", "positive", "columns", "labels", "ranking", "number", "rows", "confidence")  # the keys of submission.WRITERS
KINDS = ("binary", "multiclass", "ordinal", "multilabel", "soft", "regression")
SINGLE = ("binary", "multiclass", "ordinal")  # exactly one class for each picture; ordinal: the classes are steps of a scale, in order
FITS = ("squash", "crop", "pad")
AGGREGATES = ("", "mean", "max")
SIDES = (8, 1024)  # px
CHANNELS = (1, 8)

HEADER = """What is asked of us in this competition, and why we think so.
Correct a value here, then run `make explore` again: what depends on it follows, and your values and comments stay."""


@dataclass(frozen=True)
class Problem:
    """Everything that later steps know of the competition."""

    competition: str
    submission_file: str  # the sample submission, below raw/
    id_column: str
    columns: tuple[str, ...]  # the sample's prediction columns
    layout: str  # one of LAYOUTS
    label_file: str  # "" where folders or file names hold the labels; of TFRecords the folder
    file_id_column: str  # of label_file: names the picture
    test_file: str  # the table, JSON file or folder of TFRecords that says which pictures the submission's ids mean; "": the ids do
    suffixes: tuple[str, ...]  # ends of the names of the files that are one picture's channels, in order; (): one file, one picture
    test_root: str  # folder below raw/ ("": all of it), or the table of pixels
    train_root: str
    label_column: str  # of several columns: ""
    renames: tuple[str, ...]  # "label as it is found = label as it is submitted"; (): the same
    separator: str  # parts the labels of one picture, in label_column and in train.csv; "": one label for each picture
    metric: str  # a key of metrics.METRICS
    style: str  # one of STYLES
    classes: tuple[str, ...]  # labels as train.csv writes them (kinds soft, regression: names of the values); the order of predictions
    kind: str  # one of KINDS
    positive: str  # the class whose probability is asked; "" unless style is positive
    ranks: int  # labels in a ranking, the best first; 0 unless style is ranking
    lowest: tuple[str, ...]  # regression: the least value of each of `classes` among the training rows; () otherwise
    highest: tuple[str, ...]
    group: str  # column of label_file whose rows stay together in the folds, or ""
    aggregate: str  # how the predictions of several pictures become one row of the submission; "": one picture for each row
    window: tuple[str, ...]  # pictures of more than 8 bits: "low high" of each channel become 0 and 255; (): 8 bits
    channels: int
    side: int  # px, of the packed pictures
    fit: str  # squash | crop | pad
    flip_horizontal: bool
    flip_vertical: bool
    weights: tuple[str, ...] = ()  # "class = number": what counts more or less than 1 in the log loss of several labels; (): all the same

    @property
    def positive_index(self) -> int:
        """The column of the positive class among `classes`; the last one where none is asked for."""
        return self.classes.index(self.positive) if self.positive else len(self.classes) - 1


FIELDS = {field.name: field for field in dataclasses.fields(Problem)}


# -- problem.toml ------------------------------------------------------------------------------------------------------------------


def read(path: Path) -> Problem:
    """Raises Mistake for a missing or damaged file, a missing field, and a value that is none of its choices."""
    if not path.exists():
        raise Mistake(f"there is no {paths.show(path)}: run `make explore COMPETITION={path.parent.name}` first.")
    values = _values(path)
    for name in FIELDS:
        if name not in values:
            if FIELDS[name].default is not dataclasses.MISSING:
                continue
            raise Mistake(f"{paths.show(path)} lacks [{name}]: run `make explore COMPETITION={path.parent.name}` again.")
        check(name, values[name], CHOICES.get(name, lambda known: None)(SimpleNamespace(**values)), path)
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
        said = evidence.get(name, "")
        for key, content in (("value", _item(value)), ("sure", _sure(said)), ("evidence", said)):
            if document[name].get(key) != (list(value) if key == "value" and isinstance(value, tuple) else content):
                document[name][key] = content
    paths.write_text(path, tomlkit.dumps(document))


def _sure(evidence: str) -> str:
    return "you say so" if evidence.startswith("yours") else "no: look it up" if evidence.startswith("assumed") else "yes"


def _item(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    array = tomlkit.array()
    array.extend(value)
    return array.multiline(len(", ".join(value)) > 100)


def check(name: str, value: Any, choices: Iterable | range | None, where: Path | str) -> None:
    """Raises Mistake with the field, the value and the choices."""
    where = paths.show(where) if isinstance(where, Path) else where
    many = value if isinstance(value, tuple) else (value,)
    wrong = [part for part in many if choices is not None and part not in choices]
    if wrong:
        text = f"{choices[0]} to {choices[-1]}" if isinstance(choices, range) else ", ".join(repr(choice) for choice in [*choices][:40])
        raise Mistake(f"{where}: {name} = {wrong[0]!r} is none of its choices: {text}.")


# Checked whenever the file is read: they need no other file.
CHOICES: dict[str, Callable[[SimpleNamespace], Iterable]] = {
    "layout": lambda known: LAYOUTS,
    "metric": lambda known: [name for name, entry in metrics.METRICS.items() if known.kind in entry.kinds or known.kind not in KINDS],
    "style": lambda known: STYLES,
    "kind": lambda known: KINDS,
    "aggregate": lambda known: AGGREGATES,
    "positive": lambda known: known.classes if known.style == "positive" else ("", *known.classes),
    "channels": lambda known: range(CHANNELS[0], CHANNELS[1] + 1),
    "side": lambda known: range(SIDES[0], SIDES[1] + 1),
    "fit": lambda known: FITS,
}
