"""A rehearsal: a competition of one's own, made of another one's training rows, whose hidden test can be graded at home.

It is called `C.rehearsal`, lies where competitions lie, and every step works on it; only its `raw/` comes from here. Its hidden test are
the locked rows of C's folds.csv, or a share that is drawn in the same way for the rehearsal alone: C's own folds stay as they are.
"""

import dataclasses
import os
from typing import Any

import numpy as np
import pandas as pd
import tomlkit

from clf import carving, hidden, metrics, paths, problem, readers, runs, sources, submission, tables, targets
from clf.config import Mistake
from clf.paths import Place
from clf.problem import Problem
from clf.raw import Raw

BY_ROWS = ("competition", "lowest", "highest", "window", "side")  # fields of a problem that follow from which rows are there
PROXIES = ("http_proxy", "https_proxy", "all_proxy")
NOWHERE = "http://127.0.0.1:9"  # the discard port, on which nothing listens
HEADING = "Your corrections of {}'s problem.toml: as a rehearsal is explored anew, they would be asked for again."


def of(place: Place) -> Place:
    """The rehearsal's place. Raises Mistake for a rehearsal of a rehearsal."""
    if place.competition.endswith(paths.REHEARSAL):
        raise Mistake(f"{place.competition} is a rehearsal itself: make rehearse COMPETITION={place.competition.removesuffix(paths.REHEARSAL)}")
    return Place(place.competition + paths.REHEARSAL)


def make(place: Place, holdout: float) -> str:
    """Makes the rehearsal's raw/, answers, problem.toml and record, unless they are made from just this; returns what was done, in words.

    Raises Mistake where steps 01 and 02 of the competition are not done, or its layout allows no hidden test.
    """
    download, explored = paths.read_json(place.download), paths.read_json(place.explore_record)
    if download is None or explored is None:
        raise Mistake(f"{place.competition} is not explored: run `make download` and `make explore COMPETITION={place.competition}` first.")
    there, question = of(place), problem.read(place.problem)
    train = tables.read(place.train)
    drawn = tables.read(place.folds) if place.folds.exists() else None
    drawn = drawn if drawn is not None and len(drawn) == len(train) else None
    out, origin = hidden.rows(train, question, drawn, holdout)
    carried = problem.edits(place.problem, explored["inferred"])
    made_from = {
        "source": "rehearsal",
        "of": place.competition,
        "hidden rows": paths.hash_text("\n".join(train["id"][out])),
        "raw": paths.hash_tree(place.raw),
        "problem.toml": problem.hash_values(place.problem),
        "corrections": paths.hash_text(str(sorted(carried.items()))),
        "train.csv": paths.hash_file(place.train),
        "facts": paths.hash_text(str(download["facts"])),
        **paths.code("carving", "hidden"),
    }
    reason = paths.changed(there.download, made_from)
    if not reason and there.raw.exists() and there.answers.exists():
        return f"nothing to do ({paths.show(there.raw)} is made from just this)"
    if reason == "not made yet" and there.raw.exists() and not there.answers.exists():
        raise Mistake(f"{paths.show(there.raw)} holds files that no rehearsal put there: move {paths.show(there.data)} away.")
    carved = _carve(place, there, question, train, out)
    _carry(there, carried)
    facts = download["facts"] | {"code_competition": False}
    record = {"made_from": made_from, "competition": there.competition, "source": "rehearsal", "slice": True}
    record |= {"carried": carried, "files": sources.listing(there.raw), "facts": facts}
    paths.write_json(there.download, record)
    left_out = f"; left out: {_named(carved.left_out)}" if carved.left_out else ""
    return f"{len(carved.hidden):,} of {len(train):,} rows are the hidden test of {paths.show(there.data)} ({origin}){left_out}"


def _carve(place: Place, there: Place, question: Problem, train: pd.DataFrame, out: np.ndarray) -> carving.Carving:
    """A whole new raw/ and its answers in the old ones' places."""
    raw = Raw(place.raw)
    plain = dataclasses.replace(question, group="")
    found = readers.labelled(raw, plain)
    slots = hidden.test(raw, question)
    counted = question.layout in ("pixels", "json") or _counts_rows(raw, question, slots)
    parts = hidden.examples(question, found, train, out, slots, counted)
    sources.remove(there.raw_next)
    there.raw_next.mkdir(parents=True)
    carved = carving.Carving(raw, question, found, slots, parts, there.raw_next)
    answers = carving.carve(carved)
    there.download.unlink(missing_ok=True)
    sources.remove(there.raw)
    os.rename(there.raw_next, there.raw)
    paths.write_text(there.answers, answers)
    return carved


def _counts_rows(raw: Raw, question: Problem, slots: list[hidden.Slot]) -> bool:
    return bool(question.test_file) and readers.keyed(raw.read(question.test_file), [slot.name for slot in slots])[1] == readers.ROW


def _carry(there: Place, carried: dict[str, Any]) -> None:
    """A problem.toml of the corrections alone: the competition's, and those made in an earlier rehearsal's own."""
    before = (paths.read_json(there.download) or {}).get("carried", {})
    last = (paths.read_json(there.explore_record) or {}).get("inferred")
    own = problem.edits(there.problem, last) if last is not None else {}
    own = {name: value for name, value in own.items() if before.get(name) != (list(value) if isinstance(value, tuple) else value)}
    document = tomlkit.document()
    document.add(tomlkit.comment(HEADING.format(there.competition.removesuffix(paths.REHEARSAL))))
    for name, value in {**carried, **own}.items():
        document[name] = {"value": list(value) if isinstance(value, tuple) else value}
    paths.write_text(there.problem, tomlkit.dumps(document))
    sources.remove(there.explore_record.parent)


def _named(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more files" if len(names) > 3 else "")


def differences(place: Place) -> list[str]:
    """Where the rehearsal's problem is another one than the competition's, a line for each field that its rows do not explain."""
    real, found = (dataclasses.asdict(problem.read(one.problem)) for one in (place, of(place)))
    return [f"{name} was {real[name]!r}, is {found[name]!r}" for name in real if name not in BY_ROWS and real[name] != found[name]]


def offline(environment: dict[str, str], there: Place) -> dict[str, str]:
    """The environment without Kaggle's variables, in which whatever asks the network is refused at once."""
    kept = {name: value for name, value in environment.items() if not name.startswith("KAGGLE_") and name.lower() not in (*PROXIES, "no_proxy")}
    return kept | dict.fromkeys((*PROXIES, *map(str.upper, PROXIES)), NOWHERE) | {"KAGGLE_CONFIG_DIR": str(there.data)}


# -- scores ------------------------------------------------------------------------------------------------------------------------


def graded(there: Place, run: str) -> dict:
    """The hidden score of a run's submission, `{"score", "low", "high"}` as `runs.evaluate` gives it, and `prior`, the score of train's
    class shares (mean values) for every row."""
    question = problem.read(there.problem)
    frame, answers = submission.load(there.submission(run)), submission.load(there.answers)
    ids = submission.examples(question, answers)
    prior = np.tile(targets.prior(question, tables.read(there.train)["label"]), (len(ids), 1))
    guess = submission.build(question, answers, ids, prior)
    found = runs.evaluate(question, *submission.against(question, frame, answers))
    return {**found, "prior": submission.grade(question, guess, answers), "rows": len(ids)}


def verdict(metric: str, found: dict, cv: dict) -> str:
    """What the hidden score says of the cross-validation's, each with `score`, `low`, `high`."""
    if cv["score"] is None:
        return "the run validated no row, so there is nothing to compare with: train one on folds"
    if cv["low"] <= found["score"] <= cv["high"]:
        return "within the cross-validation's interval: validation can be trusted"
    better = metrics.better(metrics.METRICS[metric], found["score"], cv["score"])
    if found["low"] <= cv["high"] and cv["low"] <= found["high"]:
        return f"{'better' if better else 'worse'} than the cross-validation's interval, but so few hidden rows explain that"
    if better:
        return "better than the cross-validation's interval, by more than the hidden rows' chance: several folds' mean, or an easier draw"
    return (
        "worse than the cross-validation's interval, by more than the hidden rows' chance: rows that validate are like rows that train (a group "
        "or duplicates that problem.toml does not know), or choices were fitted to the folds"
    )


def leaderboard(there: Place) -> list[dict]:
    """`run`, `cv` and `score` of every submission against these very answers, best first."""
    if not there.submissions.exists():
        return []
    question, answers = problem.read(there.problem), submission.load(there.answers)
    rows = []
    for file in sorted(there.submissions.glob("*.json")):
        record = paths.read_json(file) or {}
        made = record.get("made_from", {})
        sent = there.submission(file.stem)
        if made.get(there.answers.name) == paths.hash_file(there.answers) and record.get("file_hash") == paths.hash_file(sent):
            rows.append({"run": record["run"], "cv": record["cv"], "score": submission.grade(question, submission.load(sent), answers)})
    return sorted(rows, key=lambda row: row["score"], reverse=metrics.METRICS[question.metric].higher_is_better)
