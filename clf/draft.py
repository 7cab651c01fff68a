"""How a problem's fields are settled, one after the other: what the files say, or what the user has corrected in `problem.toml`.

Each decision of a table (`infer.QUESTION`, then `geometry.GEOMETRY`, which looks at the pictures) takes the draft, returns a value and
its evidence, and reads only what was settled before it: a value that the user has corrected drives all that comes after it. An evidence
that begins with "assumed" wants a look.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pandas as pd

from clf import config, images, joins, metrics, paths, problem, readers
from clf.config import Mistake
from clf.problem import Problem
from clf.raw import TEST_LIKE, Raw, folders

SHARE_ROWS = 2000  # ids that are looked up to tell the share that names pictures


class Draft:
    """A problem in the making: `known` holds what is settled, `inferred` what the files say, `yours` what the user has corrected."""

    def __init__(self, competition: str, raw: Raw, facts: dict, yours: dict[str, Any], where: Path):
        self.raw, self.facts, self.yours, self.where = raw, facts, yours, where
        if "metric" in yours:  # speaks in decisions that come before its own
            problem.check("metric", yours["metric"], tuple(metrics.METRICS), where)
        self.known = SimpleNamespace(competition=competition)
        self.inferred: dict[str, Any] = {}
        self.evidence: dict[str, str] = {}
        self._asked: dict[str | None, list[str]] = {}
        self._rows: dict[tuple, pd.DataFrame] = {}
        self.pictures: images.Inspection | None = None  # of the train rows, for geometry
        self.picture_labels: list[str] = []

    def settle(self, decisions: dict[str, Callable[["Draft"], tuple[Any, str]]]) -> None:
        """Decides each field in turn. Raises Mistake for what the files leave open and for an edit that is none of its choices."""
        for name, decide in config.progress(decisions.items(), desc="understanding the files", unit=" questions"):
            try:
                value, evidence = decide(self)
            except Mistake as mistake:
                if name not in self.yours:
                    raise Mistake(f"{mistake} {self.how_to_answer(name)}") from None
                value, evidence = None, str(mistake)
            self.inferred[name] = value
            if name in self.yours:
                same = self.yours[name] == value
                evidence = f"yours; inferred was {'the same' if same else 'nothing' if value is None else _show(value)}: {evidence}"
                value = self.yours[name]
                self.check(name, value)
                if same:  # perhaps only because of another edit: it stays the user's, or the next run would forget it
                    self.inferred[name] = None
            setattr(self.known, name, value)
            self.evidence[name] = evidence
        self.__dict__.pop("trainable", None)  # 0.4 kB a picture

    def check(self, name: str, value: Any) -> None:
        if name in RAW_CHOICES:
            problem.check(name, value, RAW_CHOICES[name](self), self.where)
        if name in problem.CHOICES:
            problem.check(name, value, problem.CHOICES[name](self.known), self.where)
        if name == "classes" and self.known.kind in problem.SINGLE and (missing := set(self.labels) - set(value)):
            raise Mistake(f"{paths.show(self.where)}: classes lacks the label {min(missing)!r}.")

    def how_to_answer(self, name: str) -> str:
        value = '["…"]' if problem.FIELDS[name].type not in (str, int, bool) else '"…"'
        lines = f"the lines `[{name}]` and `value = {value}`"
        return f"To say it yourself, put {lines} into {paths.show(self.where)} and run `make explore` again."

    def groups(self, train: pd.DataFrame) -> dict | None:
        """For the page: the column and how many groups it makes of the training rows."""
        return {"column": self.known.group or "example", "groups": train["group"].nunique()} if "group" in train else None

    def problem(self) -> Problem:
        return Problem(**vars(self.known))

    def with_known(self, **values) -> SimpleNamespace:
        """What is settled so far, and these values besides."""
        return SimpleNamespace(**{**vars(self.known), **values})

    # -- what decisions ask for ----------------------------------------------------------------------------------------------------

    def sample(self) -> pd.DataFrame:
        return self.raw.read(self.known.submission_file)

    def asked(self) -> list[str]:
        """The submission's ids; of a long one its examples."""
        key = getattr(self.known, "label_file", None)
        if key not in self._asked:
            self._asked[key] = readers.asked(self.raw, self.known)
        return self._asked[key]

    def ends(self) -> set[str]:
        """The targets of a long submission as far as its ids alone tell them."""
        return set(readers.targets_of(self.raw, self.known)) or joins.endings(list(self.sample()[self.known.id_column]))

    @staticmethod
    def some(ids: Sequence[str]) -> list[str]:
        """So many of the ids, evenly spaced, that a share can be told."""
        ids = list(ids)
        return [ids[place] for place in joins.spaced(len(ids), SHARE_ROWS)]

    @cached_property
    def trainable(self) -> joins.Places:
        """The pictures that are not for test."""
        return joins.Places(self.not_for_test(), getattr(self.known, "suffixes", ()))

    def not_for_test(self) -> list[str]:
        """Pictures outside of folders that are called test…; all, where that leaves none."""
        return [name for name in self.raw.pictures if not TEST_LIKE.search(str(PurePosixPath(name).parent))] or self.raw.pictures

    def label_columns(self) -> list[str]:
        """The columns of the source of labels."""
        return list(self.raw.read(self.known.label_file)) if self.known.label_file or self.known.layout == "tfrecord" else []

    def rows(self) -> pd.DataFrame:
        """The labelled rows, by what is settled so far; read once for each kind of question."""
        known = self.with_known(group="")
        for name, value in (("kind", "multiclass"), ("separator", ""), ("renames", ())):  # as long as these are not settled
            setattr(known, name, getattr(known, name, value))
        key = known.kind, known.separator, known.renames
        if key not in self._rows:
            self._rows[key] = readers.labelled(self.raw, known)
        return self._rows[key]

    @property
    def labels(self) -> list[str]:
        """The labels of all labelled rows, as train.csv will write them."""
        return [label for label in self.rows()["label"] if label]

    def texts(self) -> dict[str, str]:
        """What Kaggle says, and a description among the files, the surest source first."""
        pages = dict(self.facts.get("pages") or {})
        first = {"metric": self.facts.get("metric") or "", "evaluation page": pages.pop("evaluation", "")}
        return {name: text for name, text in {**first, **self.raw.evaluation(), **pages}.items() if text}

    # -- what the user is told -----------------------------------------------------------------------------------------------------

    def assumptions(self) -> list[str]:
        """Lines `field = value: why` for what wants a look."""
        return [
            f"{name} = {_show(getattr(self.known, name))}: {text.removeprefix('assumed: ')}"
            for name, text in self.evidence.items()
            if text.startswith("assumed")
        ]

    def remarks(self) -> list[str]:
        """What is no decision, but should be known before time is spent."""
        said, ids = [], len(self.asked())
        if self.facts.get("code_competition"):
            said.append("a code competition: Kaggle takes a notebook and runs it on a hidden test set, not the file that 07 writes")
        elif ids <= 10 and len(self.labels) >= 20 * ids:
            said.append(f"{ids} test rows for {len(self.labels):,} training rows: a hidden test set is likely, which takes a notebook, not a file")
        return said + ([self.raw.unread()] if self.raw.unread() else [])


def _styles(draft: Draft) -> tuple[str, ...]:
    """Those that the number of prediction columns and the kind allow."""
    known = draft.known
    if len(known.columns) > 1:
        return ("columns",)
    if readers.targets_of(draft.raw, known):
        return ("rows",)
    single = ("label", "index", "ranking", "confidence")
    by_kind = {"multilabel": ("labels",), "regression": ("number",), "soft": ("label", "ranking"), "binary": (*single, "positive")}
    return by_kind.get(known.kind, single)


def _roots(draft: Draft) -> list[str]:
    here = draft.raw
    inside = {"pixels": here.pixel_tables, "json": here.record_files, "tfrecord": here.record_folders}
    return inside.get(draft.known.layout) or sorted({folder for name in here.pictures for folder in folders(name)})


def _show(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(value[:6])}{', …' if len(value) > 6 else ''}]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


# Besides problem.CHOICES: checked by `make explore`, where raw/ is at hand.
RAW_CHOICES: dict[str, Callable[[Draft], Iterable]] = {
    "submission_file": lambda draft: list(draft.raw.headers),
    "id_column": lambda draft: draft.raw.headers[draft.known.submission_file],
    "columns": lambda draft: draft.raw.headers[draft.known.submission_file],
    "label_file": lambda draft: ["", *draft.raw.headers, *draft.raw.coco, *draft.raw.record_files, *draft.raw.record_folders],
    "file_id_column": lambda draft: ["", *draft.label_columns()],
    "test_file": lambda draft: ["", *draft.raw.headers, *draft.raw.coco, *draft.raw.record_folders],
    "label_column": lambda draft: ["", *draft.label_columns()],
    "group": lambda draft: ["", readers.ID_PREFIX, readers.FILE_NAME, readers.FOLDER, *draft.label_columns()],
    "test_root": lambda draft: _roots(draft),
    "train_root": lambda draft: _roots(draft),
    "style": lambda draft: _styles(draft),
}
