"""What a layout of the zoo is: builders and graders import nothing of `clf`, so that they cannot share its mistakes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Built:
    """All text, in the layout of the sample submission (its columns, its ids in its order)."""

    answers: pd.DataFrame  # the hidden truth, as `graders` reads it
    prior: pd.DataFrame  # the best submission that looks at no picture: shares of the training labels, the most frequent label …


def expect(kind: str, style: str, layout: str, metric: str, join: str, group: str = "") -> dict[str, str]:
    """In the words of problem.toml; `join` is how an id of the submission finds its picture: name, stem, suffixes, folder, table, JSON, row or
    record."""
    return {"kind": kind, "style": style, "layout": layout, "metric": metric, "join": join, "group": group}


@dataclass(frozen=True)
class Entry:
    """A real competition's layout, rebuilt small.

    `build(folder, generator)` writes what Kaggle ships, the outermost archive already unpacked, inner archives as they are.
    """

    competition: str  # the id of the real one
    build: Callable[[Path, np.random.Generator], Built]
    metric: str  # a key of graders.GRADERS
    says: str = ""  # the metric as Kaggle's API and evaluation page name it; "" where nothing is known
    pages: dict[str, str] = field(default_factory=dict)  # further page texts, by name
    code_competition: bool = False
    answers: dict[str, Any] = field(default_factory=dict)  # lines of problem.toml that a user has to write, because the files leave it open
    expects: dict[str, str] = field(default_factory=dict)  # what has to be inferred, as `expect` says it

    def facts(self) -> dict[str, Any]:
        """As `download.json` keeps what the API says."""
        pages = {**({"evaluation": self.says} if self.says else {}), **self.pages}
        return {"metric": self.says or None, "code_competition": self.code_competition, "pages": pages}
