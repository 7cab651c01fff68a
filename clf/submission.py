"""Predictions → the file that the competition wants: written, checked, graded where the answers are known, and sent once.

The sample submission is the contract: its header, its ids as text, its order and its number of rows. Everything is joined by id.
Shapes: `probabilities` float64 [N, K], columns in the order of `problem.classes`.
"""

import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from clf import config, kaggle, metrics, paths, runs, tables
from clf.problem import Problem

CLIP = 1e-7  # of a log loss submission: a certain mistake costs 16 instead of Kaggle's 34.5, a certain hit costs nothing visible
SUM_TOLERANCE = 1e-6  # graders refuse rows that are further from 1
DIGITS = "{:.12g}"  # 120 rounded columns still sum to 1 within 1e-10, and ROC AUC gets no ties from rounding


@dataclass(frozen=True)
class Style:
    """How one kind of submission writes predictions, and how such cells are read back.

    write: (problem, probabilities [N, K]) → cells, text [N, columns].
    read: (problem, cells, text [N, columns]) → float64 [N, K]; NaN in the rows of a cell that means nothing.
    """

    write: Callable[[Problem, np.ndarray], np.ndarray]
    read: Callable[[Problem, np.ndarray], np.ndarray]


def write_label(problem: Problem, probabilities: np.ndarray) -> np.ndarray:
    """The text of the most probable class."""
    return np.array(problem.classes, object)[probabilities.argmax(1)][:, None]


def write_index(problem: Problem, probabilities: np.ndarray) -> np.ndarray:
    """The position of the most probable class in `problem.classes`."""
    return probabilities.argmax(1).astype(str).astype(object)[:, None]


def write_positive(problem: Problem, probabilities: np.ndarray) -> np.ndarray:
    """The positive class's probability; 1 or 0 where the metric wants labels."""
    column = probabilities[:, problem.positive_index]
    if metrics.METRICS[problem.metric].wants == "labels":
        column = (column > 0.5).astype(float)
    return numbers(column[:, None])


def write_columns(problem: Problem, probabilities: np.ndarray) -> np.ndarray:
    """A column of probabilities for each class."""
    return numbers(probabilities)


def read_label(problem: Problem, cells: np.ndarray) -> np.ndarray:
    return one_hot(cells, problem.classes)


def read_index(problem: Problem, cells: np.ndarray) -> np.ndarray:
    return one_hot(cells, [str(index) for index in range(len(problem.classes))])


def read_positive(problem: Problem, cells: np.ndarray) -> np.ndarray:
    column = floats(cells)
    probabilities = 1 - np.repeat(column, 2, axis=1)
    probabilities[:, problem.positive_index] = column[:, 0]
    return probabilities


def read_columns(problem: Problem, cells: np.ndarray) -> np.ndarray:
    return floats(cells)


WRITERS = {
    "label": Style(write_label, read_label),
    "index": Style(write_index, read_index),
    "positive": Style(write_positive, read_positive),
    "columns": Style(write_columns, read_columns),
}


def numbers(values: np.ndarray) -> np.ndarray:
    """Float64 [N, C] → text [N, C]."""
    return np.array([[DIGITS.format(value) for value in row] for row in values.tolist()], object).reshape(values.shape)


def floats(cells: np.ndarray) -> np.ndarray:
    """Text [N, C] → float64 [N, C]; NaN for what is no finite number."""
    values = np.stack([pd.to_numeric(pd.Series(column), errors="coerce").to_numpy(np.float64) for column in cells.T], axis=1)
    return np.where(np.isfinite(values), values, np.nan)


def one_hot(cells: np.ndarray, known: Sequence[str]) -> np.ndarray:
    """Text [N, 1] → float64 [N, K] of zeros and ones; rows of NaN for a text that is not known."""
    positions = {text: index for index, text in enumerate(known)}
    found = [positions.get(text, -1) for text in cells[:, 0]]
    return np.vstack([np.eye(len(known)), np.full(len(known), np.nan)])[found]


def prior(problem: Problem, labels: Sequence[str]) -> np.ndarray:
    """Each class's share of the training labels, float64 [K]: the prediction for a test row without a readable picture."""
    counts = Counter(labels)
    unknown = sorted(counts.keys() - set(problem.classes))
    if unknown or not counts:
        raise ValueError(f"labels that are no class: {unknown[:3]}" if unknown else "no labels to take the prior from")
    return np.array([counts[name] for name in problem.classes], np.float64) / counts.total()


def complete(ids: Sequence[str], rows: np.ndarray, probabilities: np.ndarray, prior: np.ndarray) -> tuple[list[str], np.ndarray, int]:
    """Every id once, its probabilities [U, K], and how many got the prior because none of their rows was predicted.

    ids: of all rows of `test.csv`; rows: the predicted ones, any order; probabilities: theirs.
    """
    known = {}
    for row, predicted in zip(rows.tolist(), probabilities, strict=True):
        known.setdefault(ids[row], predicted)
    once = list(dict.fromkeys(ids))
    filled = sum(name not in known for name in once)
    return once, np.array([known.get(name, prior) for name in once], np.float64).reshape(len(once), len(prior)), filled


def build(problem: Problem, sample: pd.DataFrame, ids: Sequence[str], probabilities: np.ndarray) -> pd.DataFrame:
    """The sample with its prediction cells filled, joined by id: its header, ids, order and row count, repeated ids included.

    ids: each predicted id once, any order; probabilities [N, K]: theirs. Raises ValueError for ids that are predicted twice or not at
    all, and for probabilities that are not finite or whose columns are not the classes.
    """
    probabilities = np.asarray(probabilities, np.float64)
    if probabilities.shape != (len(ids), len(problem.classes)) or not np.isfinite(probabilities).all():
        raise ValueError(f"{len(ids)} ids and {len(problem.classes)} classes want finite probabilities, not {probabilities.shape}")
    position = {name: index for index, name in enumerate(ids)}
    wanted = sample[problem.id_column].tolist()
    missing = [name for name in wanted if name not in position]
    if len(position) < len(ids) or missing:
        raise ValueError(f"ids without a prediction: {missing[:3]}" if missing else "an id is predicted twice")
    if problem.metric == "log_loss":
        probabilities = np.clip(probabilities, CLIP, 1 - CLIP)
        probabilities /= probabilities.sum(1, keepdims=True)
    cells = config.choose(WRITERS, problem.style, "submission style").write(problem, probabilities)
    frame = sample.copy()
    frame[list(problem.columns)] = cells[[position[name] for name in wanted]]
    return frame


def text(frame: pd.DataFrame) -> str:
    """The file's content."""
    return frame.to_csv(index=False, lineterminator="\n")


def parse(content: str) -> pd.DataFrame:
    """A submission's content as Kaggle gets it: every cell text, nothing taken for missing."""
    return pd.read_csv(io.StringIO(content), dtype=str, keep_default_na=False)


def read(problem: Problem, frame: pd.DataFrame) -> np.ndarray:
    """What a submission says, float64 [N, K] in the order of its rows; NaN in rows whose cells mean nothing."""
    return WRITERS[problem.style].read(problem, frame[list(problem.columns)].to_numpy(object))


# -- checks ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    name: str
    state: str  # "passed", "warned" or "failed"
    text: str


@dataclass(frozen=True)
class Subject:
    """What the checks look at. said: the submission read back, [N, K]; held_out: out-of-fold probabilities [M, K] or None."""

    problem: Problem
    frame: pd.DataFrame
    sample: pd.DataFrame
    said: np.ndarray
    held_out: np.ndarray | None

    @property
    def ids(self) -> list[str]:
        return self.frame[self.problem.id_column].tolist()

    @property
    def wanted(self) -> list[str]:
        return self.sample[self.problem.id_column].tolist()


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
    cells = subject.frame[list(subject.problem.columns)]
    empty = int((cells == "").to_numpy().sum() + cells.isna().to_numpy().sum())
    return not empty, f"{empty:,} cells" if empty else "none"


def check_values(subject: Subject) -> tuple[bool, str]:
    bad = ~((subject.said >= 0) & (subject.said <= 1)).all(1)  # NaN is bad as well
    cells = subject.frame[list(subject.problem.columns)].to_numpy(object)[bad]
    numeric = subject.problem.style in ("positive", "columns")
    good = "numbers from 0 to 1" if numeric else "known classes"
    return not bad.any(), f"{bad.sum():,} rows hold no {good}, first {some(cells[0].tolist())}" if bad.any() else good


def check_sums(subject: Subject) -> tuple[bool, str]:
    if subject.problem.metric != "log_loss":
        return True, "not asked for by this metric"
    off = np.abs(subject.said.sum(1) - 1)
    worst = float(np.nanmax(off, initial=0.0))
    return worst <= SUM_TOLERANCE, f"within {worst:.0e} of 1" if worst <= SUM_TOLERANCE else f"up to {worst:.2g} away from 1"


def check_spread(subject: Subject) -> tuple[bool, str]:
    still = (subject.said == subject.said[:1]).all(0)
    wants = metrics.METRICS[subject.problem.metric].wants
    if len(subject.said) > 1 and still.all():
        return False, "every row says the same"
    if len(subject.said) > 1 and wants == "probabilities" and still.any():
        return False, f"the same in every row for {some(np.array(subject.problem.classes)[still].tolist())}"
    return True, f"{len(np.unique(subject.said.argmax(1))):,} of {len(subject.problem.classes):,} classes are predicted somewhere"


def check_mix(subject: Subject) -> tuple[bool, str]:
    said, held_out = subject.said[~np.isnan(subject.said).any(1)], subject.held_out
    if held_out is None or not len(said):
        return True, "no out-of-fold predictions to compare with" if held_out is None else "nothing readable to compare"
    if metrics.METRICS[subject.problem.metric].wants == "labels":
        held_out = np.eye(held_out.shape[1])[held_out.argmax(1)]
    gap = said.mean(0) - held_out.mean(0)
    distance = float(np.abs(gap).sum() / 2)
    # Two samples of the same mix are about half of √(K/N) apart.
    limit = 0.1 + 0.5 * np.sqrt(held_out.shape[1] / min(len(said), len(held_out)))
    largest = int(np.abs(gap).argmax())
    more = f"{subject.problem.classes[largest]!r} {held_out[:, largest].mean():.1%} → {said[:, largest].mean():.1%}"
    return distance <= limit, f"{distance:.1%} away from the out-of-fold predictions' (most: {more})"


# Name → (function, state when it does not hold).
CHECKS = {
    "row count": (check_row_count, "failed"),
    "ids": (check_ids, "failed"),
    "repeated ids": (check_duplicates, "failed"),
    "order": (check_order, "failed"),
    "empty cells": (check_empty, "failed"),
    "values": (check_values, "failed"),
    "row sums": (check_sums, "failed"),
    "spread": (check_spread, "warned"),
    "class mix": (check_mix, "warned"),
}


def check(problem: Problem, frame: pd.DataFrame, sample: pd.DataFrame, held_out: np.ndarray | None = None) -> list[Check]:
    """Looks at a submission, as `parse` reads it, before it is sent.

    held_out: out-of-fold probabilities [M, K] for the comparison of the class mix. With a wrong header the columns cannot be told
    apart: then the header is the only check.
    """
    header, wanted = list(frame.columns), list(sample.columns)
    if header != wanted:
        return [Check("header", "failed", f"{','.join(header)}, the sample's is {','.join(wanted)}")]
    subject = Subject(problem, frame, sample, read(problem, frame), held_out)
    done = [Check("header", "passed", ",".join(header) if len(header) < 6 else f"{len(header)} columns, the sample's")]
    for name, (function, state) in CHECKS.items():
        holds, said = function(subject)
        done.append(Check(name, "passed" if holds else state, said))
    return done


def refuse_failed(checks: Sequence[Check]) -> None:
    """Raises Mistake that names the failed checks."""
    failed = [check.name for check in checks if check.state == "failed"]
    if failed:
        raise config.Mistake(f"the submission fails its checks ({', '.join(failed)}): nothing was written or sent.")


def grade(problem: Problem, frame: pd.DataFrame, answers: pd.DataFrame) -> float:
    """The score of a submission against known answers (the sample's layout), joined by id; rows without an answer do not count.

    Raises Mistake for an answer whose id was not predicted, and for cells that mean nothing.
    """
    predicted = frame.drop_duplicates(problem.id_column).set_index(problem.id_column)
    missing = sorted(set(answers[problem.id_column]) - set(predicted.index))
    if missing:
        raise config.Mistake(f"{len(missing):,} ids of the answers are not in the submission ({some(missing)}): run `make explore` again.")
    said = read(problem, predicted.loc[answers[problem.id_column]])
    truth = read(problem, answers)
    if np.isnan(said).any() or np.isnan(truth).any():
        raise config.Mistake("the submission or the answers hold cells that are no prediction: look at the checks above.")
    return metrics.METRICS[problem.metric].score(truth.argmax(1), said, positive=problem.positive_index)


def known_scores(place: paths.Place, problem: Problem, frame: pd.DataFrame, run: str, found: runs.Predictions) -> list[str]:
    """A line for each score that can be known without Kaggle: out-of-fold, on locked rows, and against known answers."""
    lines = [runs.score_text(paths.read_json(place.run(run).score))]
    if found.holdout is not None:
        codes = runs.label_codes(problem, tables.read(place.train))[found.holdout_rows]
        held = runs.evaluate(problem, codes, found.holdout)["score"]
        lines.append(f"holdout {problem.metric} {held:.4f} on {len(codes):,} locked rows")
    if place.answers.exists():
        answers = tables.read(place.answers)
        source = (paths.read_json(place.download) or {}).get("source", "local")
        lines.append(f"hidden {problem.metric} {grade(problem, frame, answers):.4f} on {len(answers):,} {source} answers")
    return lines


# -- sending -----------------------------------------------------------------------------------------------------------------------


def obstacle(download: dict) -> str | None:
    """Why a file must not be uploaded, by what `download.json` says of the data, and by who is signed in; None: it may."""
    if download.get("slice"):
        return "the data is a slice of the competition's, and Kaggle wants the whole test set"
    if download.get("facts", {}).get("code_competition"):
        return "a code competition takes a notebook, not a file"
    return None if kaggle.credentials() else "no Kaggle credentials were found"


def last_sent(ledger: Path, file_hash: str) -> dict[str, str] | None:
    """The ledger's newest line about an upload of just this file."""
    lines = tables.read(ledger).to_dict("records") if ledger.exists() else []
    return next((line for line in reversed(lines) if line["file_hash"] == file_hash and line["ref"]), None)


def send(place: paths.Place, event: dict, force: bool, seconds: float) -> dict:
    """Uploads `event["run"]`'s file once, waits for its score, and writes both into the ledger; returns the newest ledger line.

    event: run, file_hash, cv and message. The upload's line is written before the wait: a command that is stopped meanwhile, or whose
    seconds run out, asks for the score the next time and does not send again, unless force. Raises Mistake where Kaggle refuses.
    """
    line = last_sent(place.ledger, event["file_hash"])
    if line is None or force:
        ref = kaggle.submit(place.competition, place.submission(event["run"]), event["message"])
        line = {**event, "event": "submit", "ref": str(ref), "status": "PENDING"}
        runs.log(place, **line)
    else:
        print(f"this very file was sent before (run {line['run']}, ref {line['ref']}): not sent again; force=true would")
    if line["status"] == "PENDING":
        print(f"ref {line['ref']}: waiting up to {seconds:.0f} s for the score", flush=True)
        answer = kaggle.wait(place.competition, int(line["ref"]), seconds)
        line = {**event, "event": "score", "ref": line["ref"], **{name: answer[name] for name in ("status", "public", "private")}}
        line["message"] = answer["reason"] or event["message"]
        if answer["status"] != "PENDING":
            runs.log(place, **line)
    return line


def outcome(line: dict) -> str:
    """What a ledger line says of the score. Raises Mistake where Kaggle could not score the file."""
    if line["status"] == "ERROR":
        raise config.Mistake(f"Kaggle could not score ref {line['ref']}: {line['message']}. Once mended, force=true sends the file again.")
    return f"public {line['public']}" if line["status"] == "COMPLETE" else "not scored yet; the same command asks again"
