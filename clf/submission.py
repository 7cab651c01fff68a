"""Predictions → the file that the competition wants: completed, written, read back, and graded where the answers are known. Its checks: `preflight`.

The sample submission is the contract: its header, its ids as text, its order and its number of rows. Everything is joined by id.
Shapes: `predictions` float64 [N,K], columns in the order of `problem.classes`. How cells are written and read: `styles`.
"""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from clf import config, folds, metrics, paths, runs, styles, tables, targets
from clf.config import Mistake
from clf.problem import SINGLE, Problem
from clf.styles import WRITERS

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


def some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:3])) + (" …" if len(names) > 3 else "")


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


# -- scores that are known without Kaggle --------------------------------------------------------------------------------------------


def against(problem: Problem, frame: pd.DataFrame, answers: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """`(truth, said)` of known answers (the sample's layout) and what a submission says of them, as scores take them, joined by id; rows
    without an answer do not count.

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
    return (truth.argmax(1) if problem.kind in SINGLE else truth.astype(np.float32)), said


def grade(problem: Problem, frame: pd.DataFrame, answers: pd.DataFrame) -> float:
    """The score of a submission against known answers; see `against`."""
    return metrics.METRICS[problem.metric].score(*against(problem, frame, answers), runs.asked(problem))


def known_scores(place: paths.Place, problem: Problem, frame: pd.DataFrame, run: str, found: runs.Predictions, cuts: np.ndarray | None) -> list[str]:
    """A line for each score that can be known without Kaggle: out-of-fold, on locked rows, and against known answers."""
    lines = [runs.score_text(paths.read_json(place.run(run).score))]
    if found.holdout is not None:
        truth = targets.truth(problem, tables.read(place.train)["label"])[found.holdout_rows]
        units = folds.bound(tables.read(place.train))[found.holdout_rows]
        held = runs.evaluate(problem, truth, styles.decide(problem, found.holdout, cuts), units=units)
        lines.append(f"holdout {problem.metric} {runs.with_ends(held)} on {len(truth):,} locked rows")
    if place.answers.exists():
        answers = load(place.answers)
        source = (paths.read_json(place.download) or {}).get("source", "local")
        graded = runs.evaluate(problem, *against(problem, frame, answers))
        lines.append(f"hidden {problem.metric} {runs.with_ends(graded)} on {len(answers):,} {source} answers")
    return lines
