"""How a problem's fields are settled, one after the other: what the files say, or what the user has corrected in `problem.toml`.

Each decision of a table (`infer.QUESTION`, then `geometry.GEOMETRY`, which looks at the pictures) takes the draft, returns a value and
its evidence, and reads only what was settled before it: a value that the user has corrected drives all that comes after it. An evidence
that begins with "assumed" wants a look.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pandas as pd

from clf import images, paths, problem, readers
from clf.config import Mistake
from clf.problem import Problem


class Draft:
    """A problem in the making: `known` holds what is settled, `inferred` what the files say, `yours` what the user has corrected."""

    def __init__(self, competition: str, raw: readers.Raw, facts: dict, yours: dict[str, Any], where: Path):
        self.raw, self.facts, self.yours, self.where = raw, facts, yours, where
        self.known = SimpleNamespace(competition=competition)
        self.inferred: dict[str, Any] = {}
        self.evidence: dict[str, str] = {}
        self.labels: list[str] = []  # of all labelled rows, from `style` on
        self.pictures: images.Inspection | None = None  # of the train rows, for geometry
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
                evidence = f"yours; inferred was {'nothing' if value is None else _show(value)}: {evidence}"
                value = self.yours[name]
                self.check(name, value)
            setattr(self.known, name, value)
            self.evidence[name] = evidence

    def check(self, name: str, value: Any) -> None:
        if name in RAW_CHOICES:
            problem.check(name, value, RAW_CHOICES[name](self), self.where)
        if name in problem.CHOICES:
            problem.check(name, value, problem.CHOICES[name](self.known), self.where)
        if name == "classes" and (missing := set(self.labels) - set(value)):
            raise Mistake(f"{paths.show(self.where)}: classes lacks the label {min(missing)!r}.")

    def how_to_answer(self, name: str) -> str:
        value = '["…"]' if problem.FIELDS[name].type not in (str, int, bool) else '"…"'
        lines = f"the lines `[{name}]` and `value = {value}`"
        return f"To say it yourself, put {lines} into {paths.show(self.where)} and run `make explore` again."

    def groups(self, train: pd.DataFrame) -> dict | None:
        """For the page: the column and how many groups it makes of the training rows."""
        return {"column": self.known.group, "groups": train["group"].nunique()} if self.known.group else None

    def problem(self) -> Problem:
        return Problem(**vars(self.known))

    def sample(self) -> pd.DataFrame:
        return self.raw.read(self.known.submission_file)

    @cached_property
    def trainable(self) -> dict[str, str]:
        """How ids may call the pictures that are not for test."""
        return readers.index(self.not_for_test())

    def not_for_test(self) -> list[str]:
        """Pictures outside of folders that are called test…; all, where that leaves none."""
        return [name for name in self.raw.pictures if not readers.TEST_LIKE.search(str(PurePosixPath(name).parent))] or self.raw.pictures

    def label_columns(self) -> list[str]:
        """The columns of the label table."""
        return list(self.raw.read(self.known.label_file)) if self.known.label_file else []

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


def _styles(draft: Draft) -> tuple[str, ...]:
    """Those that the number of prediction columns and of labels allows."""
    if len(draft.known.columns) > 1:
        return ("columns",)
    return ("label", "index", "positive") if len(set(draft.labels)) == 2 else ("label", "index")


def _roots(draft: Draft) -> list[str]:
    if draft.known.layout == "pixels":
        return draft.raw.pixel_tables
    return sorted({folder for name in draft.raw.pictures for folder in readers.folders(name)})


def _show(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(value[:6])}{', …' if len(value) > 6 else ''}]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


# Besides problem.CHOICES: checked by `make explore`, where raw/ is at hand.
RAW_CHOICES: dict[str, Callable[[Draft], Iterable]] = {
    "submission_file": lambda draft: list(draft.raw.headers),
    "id_column": lambda draft: draft.raw.headers[draft.known.submission_file],
    "columns": lambda draft: draft.raw.headers[draft.known.submission_file],
    "label_file": lambda draft: ["", *draft.raw.headers],
    "file_id_column": lambda draft: ["", *draft.label_columns()],
    "label_column": lambda draft: ["", *draft.label_columns()],
    "group": lambda draft: ["", *draft.label_columns()],
    "test_root": lambda draft: _roots(draft),
    "train_root": lambda draft: _roots(draft),
    "style": lambda draft: _styles(draft),
}
