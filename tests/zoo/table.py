"""The README's table of the zoo, between its `zoo` markers: `python -m tests.zoo` writes it, a test keeps the columns without scores."""

import re
from collections.abc import Iterable

from clf import paths
from tests.zoo.entry import Entry
from tests.zoo.harness import Outcome

README = paths.CHECKOUT / "README.md"
SCORES = ("score", "without looking")
COLUMNS = ("competition", "labels from", "kind", "submission", "an id finds its picture by", "metric", "groups", "asked", *SCORES)
MARKS = re.compile(r"(<!-- zoo -->\n).*(<!-- /zoo -->)", re.DOTALL)


def understood(entry: Entry, found: dict[str, str], asked: bool) -> list[str]:
    """The columns without the scores. `found`: as `entry.expect` makes it."""
    values = [found[name] for name in ("layout", "kind", "style", "join", "metric", "group")]
    return [entry.competition, *(value or "–" for value in values), ", ".join(entry.answers) if asked else "–"]


def row(outcome: Outcome) -> list[str]:
    scores = ["–" if score is None else f"{score:.3f}" for score in (outcome.score, outcome.prior)]
    return [*understood(outcome.entry, outcome.inferred, bool(outcome.asked)), *scores]


def markdown(rows: Iterable[list[str]]) -> str:
    lines = [[*COLUMNS], ["---"] * len(COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(text: str, rows: Iterable[list[str]]) -> str:
    """The README's text with the table made anew."""
    return MARKS.sub(lambda marks: f"{marks[1]}{markdown(rows)}\n{marks[2]}", text)


def written(text: str) -> list[list[str]]:
    """The rows that the README's text has now."""
    lines = MARKS.search(text)[0].splitlines()[1:-1]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]
