"""The pre-flight: everything that is looked at before one of the day's tries is spent, each line passed, warned or failed.

FILE looks at the submission alone, OCCASION at what surrounds its upload: the data it answers, what Kaggle says of the competition, the
tries that are left, the ledger. A line that failed always stops the upload. So does a warning that the file itself is worthless, unless
the user insists (`force=true`). Other warnings are said only: they are about the world, and a try that nobody uses is lost at midnight.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import pandas as pd

from clf import metrics, styles, submission
from clf.config import Mistake
from clf.problem import SINGLE, Problem
from clf.styles import WRITERS
from clf.submission import some

SUM_TOLERANCE = 1e-6  # graders refuse rows that are further from 1
LARGE = 200e6  # bytes
NEAR = 24.0  # hours to the deadline
WHOLE, NUMBER = re.compile(r"-?\d+"), re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


@dataclass(frozen=True)
class Check:
    """state: passed, warned, failed or "not asked"; stops: nothing is uploaded (of a warning: unless the user insists)."""

    name: str
    state: str
    text: str
    stops: bool = False


# -- the file ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Subject:
    """What the checks of the file look at. held_out: out-of-fold predictions [M,K], decided as the submission is, or None."""

    problem: Problem
    frame: pd.DataFrame
    sample: pd.DataFrame
    held_out: np.ndarray | None

    @cached_property
    def ids(self) -> list[str]:
        return self.frame[self.problem.id_column].tolist()

    @cached_property
    def wanted(self) -> list[str]:
        return self.sample[self.problem.id_column].tolist()

    @cached_property
    def cells(self) -> np.ndarray:
        return submission.cells(self.problem, self.frame)

    @cached_property
    def values(self) -> np.ndarray:
        """Each row's cells as numbers."""
        return self.style.read(self.problem, self.cells)

    @cached_property
    def said(self) -> np.ndarray:
        """What `submission.read` says of the frame, [N,K]."""
        return submission.arrange(self.problem, self.frame, self.values)

    @cached_property
    def still(self) -> np.ndarray:
        """bool [K]: the classes that every one of several rows says the same of."""
        return (self.said == self.said[:1]).all(0) & (len(self.said) > 1)

    @property
    def style(self) -> styles.Style:
        return WRITERS[self.problem.style]

    @property
    def wants(self) -> str:
        return metrics.METRICS[self.problem.metric].wants

    def row(self, number: int) -> str:
        """How a message names a row and what it holds."""
        return f"row {number + 1} (id {self.ids[number]!r}): {some(self.cells[number].tolist())}"


def check_row_count(subject: Subject) -> tuple[bool, str]:
    rows, wanted = len(subject.frame), len(subject.sample)
    return rows == wanted, f"{rows:,}" if rows == wanted else f"{rows:,}, the sample has {wanted:,}"


def check_ids(subject: Subject) -> tuple[bool, str]:
    missing = sorted(set(subject.wanted) - set(subject.ids))
    foreign = sorted(set(subject.ids) - set(subject.wanted))
    said = [f"{len(names):,} {what} ({some(names)})" for what, names in (("missing", missing), ("not in the sample", foreign)) if names]
    return not said, "; ".join(said) or "those of the sample, as text"


def check_duplicates(subject: Subject) -> tuple[bool, str]:
    extra = list(Counter(subject.ids) - Counter(subject.wanted))
    repeated = len(subject.wanted) - len(set(subject.wanted))
    same = f"{repeated:,} ids that the sample repeats, and no others" if repeated else "none"
    return not extra, f"{len(extra):,} ids too often ({some(extra)})" if extra else same


def check_order(subject: Subject) -> tuple[bool, str]:
    pairs = enumerate(zip(subject.ids, subject.wanted, strict=False), 1)
    first = next((f"row {row} is {have!r}, the sample's is {want!r}" for row, (have, want) in pairs if have != want), None)
    return first is None, first or "the sample's"


def check_empty(subject: Subject) -> tuple[bool, str]:
    empty = subject.cells == ""
    first = int(empty.any(1).argmax()) if empty.any() else 0
    return not empty.any(), f"{empty.sum():,} cells, first {subject.row(first)}" if empty.any() else "none"


def check_types(subject: Subject) -> tuple[bool, str]:
    """Numbers as every parser reads them: pandas would also take ` 1`, `1_0` or `True`; whole ones where the metric wants decisions."""
    if subject.style.names:
        return True, "text"
    decided = subject.wants in ("labels", "sets", "ratings") and subject.problem.kind != "regression"
    good, wanted = (WHOLE, "whole numbers") if decided else (NUMBER, "numbers")
    bad = next((row for row, cells in enumerate(subject.cells) if not all(good.fullmatch(cell) for cell in cells)), None)
    return bad is None, wanted if bad is None else f"{subject.row(bad)} are no {wanted}"


def check_size(subject: Subject) -> tuple[bool, str]:
    size, sample = (len(submission.text(frame)) / 1e6 for frame in (subject.frame, subject.sample))
    return size * 1e6 <= LARGE, f"{size:.1f} MB, the sample has {sample:.1f} MB"


def check_values(subject: Subject) -> tuple[bool, str]:
    low, high = styles.bounds(subject.problem)
    good = "known classes" if subject.style.names else f"numbers from {low.min():.7g} to {high.max():.7g}"
    if subject.problem.kind == "regression":  # written with 7 digits, a bound may be passed
        room = 1e-6 * np.maximum(np.abs(low), np.abs(high))
        low, high = low - room, high + room
    if subject.problem.style == "rows":
        codes = submission.keys(subject.problem, subject.frame)[1]
        low, high = low[codes][:, None], high[codes][:, None]
    bad = ~((subject.values >= low) & (subject.values <= high)).all(1)  # NaN is bad as well
    return not bad.any(), f"{bad.sum():,} rows hold no {good}, first {subject.row(int(bad.argmax()))}" if bad.any() else good


def check_form(subject: Subject) -> tuple[bool, str]:
    fault = subject.style.fault
    if fault is None:
        return True, "not asked for by this style"
    faults = [fault(subject.problem, cell) for cell in subject.cells[:, 0]]
    first = next((row for row, said in enumerate(faults) if said), None)
    return first is None, "as the style wants it" if first is None else f"{subject.row(first)} {faults[first]}"


def check_sums(subject: Subject) -> tuple[bool, str]:
    if not styles.sums(subject.problem):
        return True, "not asked for by this metric and style"
    off = np.nan_to_num(np.abs(subject.said.sum(1) - 1))
    worst = float(off.max(initial=0.0))
    if worst <= SUM_TOLERANCE:
        return True, f"within {worst:.0e} of 1"
    return False, f"up to {worst:.2g} away from 1, {subject.row(int(off.argmax()))}"


def check_spread(subject: Subject) -> tuple[bool, str]:
    said, classes = subject.said, subject.problem.classes
    if subject.still.all():
        return False, "every row says the same"
    if subject.problem.kind == "regression":
        return True, f"{len(np.unique(said[:, 0])):,} different values of {classes[0]!r}"
    several = subject.problem.kind == "multilabel"
    count = (said >= 0.5).any(0).sum() if several else len(np.unique(said.argmax(1)))
    return True, f"{count:,} of {len(classes):,} classes are predicted somewhere"


def check_constant(subject: Subject) -> tuple[bool, str]:
    if subject.wants not in ("probabilities", "values"):
        return True, "not asked for by this metric"
    still = np.array(subject.problem.classes)[subject.still].tolist()
    return not still, f"the same in every row for {some(still)}" if still else "none"


def check_mix(subject: Subject) -> tuple[bool, str]:
    problem, said, held_out = subject.problem, subject.said[~np.isnan(subject.said).any(1)], subject.held_out
    if held_out is None or not len(said):
        return True, "no out-of-fold predictions to compare with" if held_out is None else "nothing readable to compare"
    if problem.style in ("label", "index", "ranking", "confidence"):
        said, held_out = (styles.one_hot(values.argmax(1), values.shape[1]) for values in (said, held_out))
    means = held_out.mean(0), said.mean(0)
    gap = np.abs(means[1] - means[0])
    low, high = styles.bounds(problem)
    exclusive = problem.kind in (*SINGLE, "soft")
    distance = float(gap.sum() / 2 if exclusive else (gap / np.maximum(high - low, 1e-12)).max())
    # Two samples of the same mix are about half of √(K/N) apart.
    limit = 0.1 + 0.5 * np.sqrt((len(gap) if exclusive else 1) / min(len(said), len(held_out)))
    largest = int((gap / np.maximum(high - low, 1e-12)).argmax())
    before, after = (f"{mean[largest]:.4g}" if problem.kind == "regression" else f"{mean[largest]:.1%}" for mean in means)
    more = f"most: {problem.classes[largest]!r} {before} → {after}"
    return distance <= limit, f"{distance:.1%} away from the out-of-fold predictions' ({more})"


# Name → (function, state when it does not hold, whether that stops the upload).
FILE = {
    "row count": (check_row_count, "failed", True),
    "ids": (check_ids, "failed", True),
    "repeated ids": (check_duplicates, "failed", True),
    "order": (check_order, "failed", True),
    "empty cells": (check_empty, "failed", True),
    "types": (check_types, "failed", True),
    "values": (check_values, "failed", True),
    "form": (check_form, "failed", True),
    "row sums": (check_sums, "failed", True),
    "spread": (check_spread, "warned", True),
    "constant columns": (check_constant, "warned", True),
    "class mix": (check_mix, "warned", False),
    "file size": (check_size, "warned", False),
}


def check_file(
    problem: Problem, frame: pd.DataFrame, sample: pd.DataFrame, held_out: np.ndarray | None = None, cuts: np.ndarray | None = None
) -> list[Check]:
    """Looks at a submission, as `submission.parse` reads it.

    held_out: out-of-fold predictions [M,K] for the comparison of the class mix; cuts: the metric's decision numbers. With a wrong header
    or wrong ids it cannot be said what the cells mean: they are not looked at.
    """
    line, wanted = submission.header(frame), submission.header(sample)
    if line != wanted:
        return [Check("header", "failed", f"{line}, the sample's is {wanted}", True)]
    done = [Check("header", "passed", line if frame.shape[1] < 6 else f"{frame.shape[1]} columns, the sample's")]
    subject = Subject(problem, frame, sample, None if held_out is None else styles.decide(problem, held_out, cuts))
    for name, rule in FILE.items():
        done.append(_judge(name, rule, subject))
        if name == "order" and any(check.state == "failed" for check in done):
            break
    return done


def _judge(name: str, rule: tuple, subject: "Subject | Occasion") -> Check:
    function, state, stops = rule
    holds, said = function(subject)
    if holds is None:
        return Check(name, "not asked", said)
    return Check(name, "passed", said) if holds else Check(name, state, said, stops)


# -- what surrounds it -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Occasion:
    """What the checks of the circumstances look at.

    facts: what Kaggle says of the competition, as `download.json` keeps it, or {}; allowance: what `kaggle.allowance` says, or None;
    unasked: why Kaggle was not asked; sent: the ledger's newest line about an upload of just this file, or None; force: sent again then.
    """

    competition: str
    run: str = "…"
    whole: bool = True  # the data is the competition's, not a slice of it
    facts: dict = field(default_factory=dict)
    allowance: dict | None = None
    unasked: str = ""
    sent: dict[str, str] | None = None
    force: bool = False
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


def check_whole(occasion: Occasion) -> tuple[bool, str]:
    said = "the data is a slice of the competition's, and Kaggle wants the whole test set"
    return occasion.whole, "the competition's own" if occasion.whole else f"{said}: make download COMPETITION={occasion.competition}, with a token"


def check_kind(occasion: Occasion) -> tuple[bool | None, str]:
    if not occasion.facts:
        return None, occasion.unasked or "not known"
    export = f"make export COMPETITION={occasion.competition} run={occasion.run}"
    steps = f"train here, {export}, attach that folder as a Kaggle dataset to a notebook of yours that predicts with it, and submit the notebook"
    code = occasion.facts.get("code_competition")
    return not code, f"a code competition takes a notebook, not a file: {steps}" if code else "takes files"


def check_deadline(occasion: Occasion) -> tuple[bool | None, str]:
    if not occasion.facts.get("deadline"):
        return None, occasion.unasked or "not known"
    deadline = datetime.fromisoformat(occasion.facts["deadline"])
    hours, when = (deadline - occasion.now).total_seconds() / 3600, f"{deadline:%Y-%m-%d %H:%M} UTC"
    if hours < 0:
        return False, f"passed on {when}: Kaggle takes late submissions at most, and they count on no leaderboard"
    return hours >= NEAR, f"in {hours / 24:.0f} days, {when}" if hours >= NEAR else f"in {hours:.1f} hours, {when}"


def check_tries(occasion: Occasion) -> tuple[bool | None, str]:
    if occasion.allowance is None:
        return None, occasion.unasked
    left = occasion.allowance
    made = f"{left['today']} made today, {left['total']} in all"
    if left["allowed"] is None:
        return True, "the team's first submission"
    if left["allowed"] == 0:
        needed = occasion.sent is None or occasion.force
        when = "" if left["by_total"] else "; the day ends at 00:00 UTC"
        return not needed, f"none ({made}{when})" if needed else f"none, and none is needed ({made})"
    return True, f"{left['allowed']}, this one included ({made})"


def check_sent(occasion: Occasion) -> tuple[bool, str]:
    if occasion.sent is None:
        return True, "never"
    line = f"as ref {occasion.sent['ref']} (run {occasion.sent['run']}, {occasion.sent['status']})"
    return False, f"{line}; force=true sends it again" if occasion.force else f"{line}: not sent again, its score is asked for; force=true would send"


# As FILE.
OCCASION = {
    "whole data": (check_whole, "failed", True),
    "kind": (check_kind, "failed", True),
    "deadline": (check_deadline, "warned", False),
    "tries left": (check_tries, "failed", True),
    "sent before": (check_sent, "warned", False),
}


def check_occasion(occasion: Occasion) -> list[Check]:
    return [_judge(name, rule, occasion) for name, rule in OCCASION.items()]


# -- what follows from it ----------------------------------------------------------------------------------------------------------


def show(checks: Sequence[Check]) -> None:
    for check in checks:
        print(f"  {check.name:<16} {check.state:<9} {check.text}")


def refuse(checks: Sequence[Check], force: bool) -> None:
    """Raises Mistake that names the checks that stop the upload."""
    failed = [check.name for check in checks if check.state == "failed"]
    doubted = [check.name for check in checks if check.state == "warned" and check.stops]
    if failed:
        raise Mistake(f"the pre-flight failed ({', '.join(failed)}): nothing was uploaded, no try is spent. See its lines above.")
    if doubted and not force:
        raise Mistake(
            f"the pre-flight doubts the file ({', '.join(doubted)}): nothing was uploaded, no try is spent. Its lines above say why; "
            "force=true sends it all the same."
        )
