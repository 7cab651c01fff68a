"""Predictions → the file that the competition wants: completed, written, checked, and graded where the answers are known.

The sample submission is the contract: its header, its ids as text, its order and its number of rows. Everything is joined by id.
Shapes: `predictions` float64 [N,K], columns in the order of `problem.classes`. How cells are written and read: `styles`.
"""

import io
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from clf import config, metrics, paths, runs, styles, tables, targets
from clf.config import Mistake
from clf.problem import SINGLE, Problem
from clf.styles import WRITERS

SUM_TOLERANCE = 1e-6  # graders refuse rows that are further from 1


# -- the file ----------------------------------------------------------------------------------------------------------------------


def parse(content: str, sign: str = ",") -> pd.DataFrame:
    """A submission's content as Kaggle gets it: every cell text, nothing taken for missing. Its first line stays as `attrs["header"]`,
    because pandas gives columns of one name other names; not where another sign than Kaggle's comma parts the cells. Raises Mistake for a
    row of more cells than the header has names."""
    content = content.removeprefix("\ufeff")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # it would drop cells
        try:
            frame = pd.read_csv(io.StringIO(content), dtype=str, keep_default_na=False, index_col=False, sep=sign)
        except (pd.errors.ParserWarning, pd.errors.ParserError) as error:
            raise Mistake(f"a row of the submission has more cells than its header {content[:80].splitlines()[0]!r}: {error}") from None
    if sign == ",":
        frame.attrs["header"] = content.partition("\n")[0].removesuffix("\r")
    return frame


def load(path: Path) -> pd.DataFrame:
    """A submission's file, parsed; latin-1 where it is no UTF-8."""
    content, sign = path.read_bytes(), tables.delimiter(path)
    try:
        return parse(content.decode(), sign)
    except UnicodeDecodeError:
        return parse(content.decode("latin-1"), sign)


def header(frame: pd.DataFrame) -> str:
    """The first line of the file, as it is written there."""
    return frame.attrs.get("header") or frame.iloc[:0].to_csv(index=False).removesuffix("\n")


def text(frame: pd.DataFrame) -> str:
    """The file's content."""
    return header(frame) + "\n" + frame.to_csv(index=False, header=False, lineterminator="\n")


def keys(problem: Problem, frame: pd.DataFrame) -> tuple[list[str], np.ndarray | None]:
    """The example that each row is about: its id; where a row is about one class only, the id without the class, and int [N], the classes.

    There the class's name is the end of the id, after one more character; of several names that fit the longest counts. Raises Mistake
    for an id that ends with no class.
    """
    ids = frame[problem.id_column].tolist()
    if problem.style != "rows":
        return ids, None
    code = {name: number for number, name in enumerate(problem.classes)}
    lengths = sorted({len(name) for name in code}, reverse=True)
    names = [next((name[-length:] for length in lengths if length < len(name) and name[-length:] in code), None) for name in ids]
    if None in names:
        raise Mistake(f"the submission's id {ids[names.index(None)]!r} does not end with one of problem.toml's classes: {some(problem.classes)}.")
    return [row[: -len(name) - 1] for row, name in zip(ids, names, strict=True)], np.array([code[name] for name in names], int)


def cells(problem: Problem, frame: pd.DataFrame) -> np.ndarray:
    """Text [rows, columns], the prediction cells."""
    return frame[list(problem.columns)].to_numpy(object)


def read(problem: Problem, frame: pd.DataFrame) -> np.ndarray:
    """What a submission says, float64 [N,K] in the order of `examples`; NaN in rows whose cells mean nothing."""
    return arrange(problem, frame, WRITERS[problem.style].read(problem, cells(problem, frame)))


def arrange(problem: Problem, frame: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """Values of rows about one class each, float64 [rows, 1] → [N,K], NaN where there is no row; values of other rows as they are."""
    names, codes = keys(problem, frame)
    if codes is None:
        return values
    numbers, once = pd.factorize(np.array(names, object))
    found = np.full((len(once), len(problem.classes)), np.nan)
    found[numbers, codes] = values[:, 0]
    return found


def examples(problem: Problem, frame: pd.DataFrame) -> list[str]:
    """The id of each row of `read`."""
    names, codes = keys(problem, frame)
    return names if codes is None else list(dict.fromkeys(names))


# -- predictions into it -----------------------------------------------------------------------------------------------------------


def complete(
    problem: Problem, sample: pd.DataFrame, test: pd.DataFrame, rows: np.ndarray, predictions: np.ndarray, prior: np.ndarray
) -> tuple[list[str], np.ndarray, list[str]]:
    """A prediction for each example that the sample asks for: ids, float64 [U,K]; and the ids of the sample's rows that got the prior,
    because nothing that answers them was predicted.

    test: `id[, row]`, all of test.csv; rows: the predicted ones, any order; predictions: theirs. Lines that answer the same example of the
    sample, by the column `row` where there is one, become one prediction: their mean, or what `problem.aggregate` says.
    """
    wanted, _ = keys(problem, sample)
    once = list(dict.fromkeys(wanted))
    names = test["id"].to_numpy(object)[rows]
    answered = test["row"].to_numpy(object)[rows] if "row" in test else names
    known = {}
    if len(rows):
        order = sorted(range(len(rows)), key=lambda number: (answered[number], names[number]))  # a sum depends on the order of its parts
        answered = answered[order]
        starts = np.flatnonzero(np.r_[True, answered[1:] != answered[:-1]])
        known = dict(zip(answered[starts].tolist(), combine(problem, np.asarray(predictions, np.float64)[order], starts), strict=True))
    filled = [row for row, name in zip(sample[problem.id_column], wanted, strict=True) if name not in known]
    return once, np.array([known.get(name, prior) for name in once], np.float64).reshape(len(once), len(problem.classes)), filled


def combine(problem: Problem, predictions: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Float64 [N,K] → [groups, K]; a group goes from one start to the next. The greatest of two classes' probabilities is the positive one's."""
    if problem.aggregate != "max" or problem.kind == "regression":
        return np.add.reduceat(predictions, starts) / np.diff(np.r_[starts, len(predictions)])[:, None]
    found = np.maximum.reduceat(predictions, starts)
    if problem.kind == "binary":
        found[:, 1 - problem.positive_index] = 1 - found[:, problem.positive_index]
    return found if problem.kind == "multilabel" else found / found.sum(1, keepdims=True)


def build(problem: Problem, sample: pd.DataFrame, ids: Sequence[str], predictions: np.ndarray, cuts: np.ndarray | None = None) -> pd.DataFrame:
    """The sample with its prediction cells filled, joined by id: its header, ids, order and row count, repeated ids included.

    ids: each predicted example once, any order; predictions [N,K]: theirs; cuts: the metric's decision numbers. Raises ValueError for ids
    that are predicted twice or not at all, and for predictions that are not finite or whose columns are not the classes.
    """
    predictions = np.asarray(predictions, np.float64)
    if predictions.shape != (len(ids), len(problem.classes)) or not np.isfinite(predictions).all():
        raise ValueError(f"{len(ids)} ids and {len(problem.classes)} classes want finite predictions, not {predictions.shape}")
    position = {name: index for index, name in enumerate(ids)}
    wanted, codes = keys(problem, sample)
    missing = [name for name in wanted if name not in position]
    if len(position) < len(ids) or missing:
        raise ValueError(f"ids without a prediction: {missing[:3]}" if missing else "an id is predicted twice")
    predictions = styles.prepare(problem, predictions)
    style = config.choose(WRITERS, problem.style, "submission style")
    written = style.write(problem, predictions, styles.decide(problem, predictions, cuts))
    order = [position[name] for name in wanted]
    frame = sample.copy()
    frame[list(problem.columns)] = written[order] if codes is None else written[order, codes][:, None]
    return frame


# -- checks ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    name: str
    state: str  # "passed", "warned" or "failed"
    text: str


@dataclass(frozen=True)
class Subject:
    """What the checks look at. held_out: out-of-fold predictions [M,K], decided as the submission is, or None."""

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
        return cells(self.problem, self.frame)

    @cached_property
    def values(self) -> np.ndarray:
        """Each row's cells as numbers."""
        return self.style.read(self.problem, self.cells)

    @cached_property
    def said(self) -> np.ndarray:
        """What `read` says of the frame, [N,K]."""
        return arrange(self.problem, self.frame, self.values)

    @property
    def style(self) -> styles.Style:
        return WRITERS[self.problem.style]

    def row(self, number: int) -> str:
        """How a message names a row and what it holds."""
        return f"row {number + 1} (id {self.ids[number]!r}): {some(self.cells[number].tolist())}"


def some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:3])) + (" …" if len(names) > 3 else "")


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


def check_values(subject: Subject) -> tuple[bool, str]:
    low, high = styles.bounds(subject.problem)
    good = "known classes" if subject.style.names else f"numbers from {low.min():.7g} to {high.max():.7g}"
    if subject.problem.kind == "regression":  # written with 7 digits, a bound may be passed
        room = 1e-6 * np.maximum(np.abs(low), np.abs(high))
        low, high = low - room, high + room
    if subject.problem.style == "rows":
        codes = keys(subject.problem, subject.frame)[1]
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
    still = (said == said[:1]).all(0)
    if len(said) > 1 and still.all():
        return False, "every row says the same"
    if len(said) > 1 and still.any() and metrics.METRICS[subject.problem.metric].wants in ("probabilities", "values"):
        return False, f"the same in every row for {some(np.array(classes)[still].tolist())}"
    if subject.problem.kind == "regression":
        return True, f"{len(np.unique(said[:, 0])):,} different values of {classes[0]!r}"
    several = subject.problem.kind == "multilabel"
    count = (said >= 0.5).any(0).sum() if several else len(np.unique(said.argmax(1)))
    return True, f"{count:,} of {len(classes):,} classes are predicted somewhere"


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


# Name → (function, state when it does not hold).
CHECKS = {
    "row count": (check_row_count, "failed"),
    "ids": (check_ids, "failed"),
    "repeated ids": (check_duplicates, "failed"),
    "order": (check_order, "failed"),
    "empty cells": (check_empty, "failed"),
    "values": (check_values, "failed"),
    "form": (check_form, "failed"),
    "row sums": (check_sums, "failed"),
    "spread": (check_spread, "warned"),
    "class mix": (check_mix, "warned"),
}


def check(
    problem: Problem, frame: pd.DataFrame, sample: pd.DataFrame, held_out: np.ndarray | None = None, cuts: np.ndarray | None = None
) -> list[Check]:
    """Looks at a submission, as `parse` reads it.

    held_out: out-of-fold predictions [M,K] for the comparison of the class mix; cuts: the metric's decision numbers. With a wrong header
    or wrong ids it cannot be said what the cells mean: they are not looked at.
    """
    line, wanted = header(frame), header(sample)
    if line != wanted:
        return [Check("header", "failed", f"{line}, the sample's is {wanted}")]
    done = [Check("header", "passed", line if frame.shape[1] < 6 else f"{frame.shape[1]} columns, the sample's")]
    subject = Subject(problem, frame, sample, None if held_out is None else styles.decide(problem, held_out, cuts))
    for name, (function, state) in CHECKS.items():
        holds, said = function(subject)
        done.append(Check(name, "passed" if holds else state, said))
        if name == "order" and any(check.state == "failed" for check in done):
            break
    return done


def refuse_failed(checks: Sequence[Check]) -> None:
    """Raises Mistake that names the failed checks."""
    failed = [check.name for check in checks if check.state == "failed"]
    if failed:
        raise Mistake(f"the submission fails its checks ({', '.join(failed)}): nothing was written or sent.")


# -- scores that are known without Kaggle --------------------------------------------------------------------------------------------


def grade(problem: Problem, frame: pd.DataFrame, answers: pd.DataFrame) -> float:
    """The score of a submission against known answers (the sample's layout), joined by id; rows without an answer do not count.

    Raises Mistake for an answer whose id was not predicted, and for cells that mean nothing.
    """
    place = {}
    for number, name in enumerate(examples(problem, frame)):
        place.setdefault(name, number)
    asked = examples(problem, answers)
    missing = sorted(set(asked) - place.keys())
    if missing:
        raise Mistake(f"{len(missing):,} ids of the answers are not in the submission ({some(missing)}): run `make explore` again.")
    said = read(problem, frame)[[place[name] for name in asked]]
    truth = read(problem, answers)
    if np.isnan(said).any() or np.isnan(truth).any():
        raise Mistake("the submission or the answers hold cells that are no prediction: look at the checks above.")
    truth = truth.argmax(1) if problem.kind in SINGLE else truth.astype(np.float32)
    return metrics.METRICS[problem.metric].score(truth, said, runs.asked(problem))


def known_scores(place: paths.Place, problem: Problem, frame: pd.DataFrame, run: str, found: runs.Predictions, cuts: np.ndarray | None) -> list[str]:
    """A line for each score that can be known without Kaggle: out-of-fold, on locked rows, and against known answers."""
    lines = [runs.score_text(paths.read_json(place.run(run).score))]
    if found.holdout is not None:
        truth = targets.truth(problem, tables.read(place.train)["label"])[found.holdout_rows]
        held = runs.evaluate(problem, truth, styles.decide(problem, found.holdout, cuts))["score"]
        lines.append(f"holdout {problem.metric} {held:.4f} on {len(truth):,} locked rows")
    if place.answers.exists():
        answers = load(place.answers)
        source = (paths.read_json(place.download) or {}).get("source", "local")
        lines.append(f"hidden {problem.metric} {grade(problem, frame, answers):.4f} on {len(answers):,} {source} answers")
    return lines
