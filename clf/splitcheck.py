"""What plain random folds would let leak: the same small network on folds that keep groups together and on folds that do not.

Both kinds part the same rows into as many folds, every fold is trained with every seed on equally many rows for equally many steps, and
every row is validated once by each kind and seed: what differs is only whether pictures of one group stand on both sides.
"""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clf import config, folds, groups, learn, material, metrics, paths, planning, readers, runs, tables, targets
from clf.config import Config, Mistake
from clf.problem import SINGLE, Problem
from clf.raw import Raw

KINDS = ("grouped", "random")
FOLDS, SEEDS = 3, 2
TRAININGS = len(KINDS) * FOLDS * SEEDS
TESTED = 3  # columns that are no group, tested unasked
FEW = 30  # rows with a fellow: fewer show no leak
LEAST_MEMBERS = 4  # of a group in the sample, where it has as many: a leak needs the others on the training side
EPOCHS = 40.0  # at most: by then a small network knows its rows by heart
OVERHEAD = 0.25  # share of the time that is left for predictions and statistics
RESAMPLES = 400
SHOWN = 5


# -- what may belong together ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grouping:
    """`names` [train rows]: what a row's unit is called; `units` int [train rows]: rows of equal numbers belong together."""

    column: str
    names: np.ndarray
    units: np.ndarray
    used: bool  # folds.csv keeps these units together


def groupings(place: paths.Place, question: Problem, table: pd.DataFrame, asked: str) -> list[Grouping]:
    """What to test: `asked`, a value of Problem.group; else what folds.csv binds, and, where no group is named, columns that repeat.

    `table` as train.csv. Raises Mistake where `asked` is no such value, and where there is nothing to test.
    """
    if asked and asked != question.group:
        return [_grouping(Raw(place.raw), question, table, asked)]
    bound, found = folds.bound(table), []
    if (tied := int(_tied(bound).sum())) >= FEW:
        names = table["group"] if "group" in table else table["cluster"]
        what = question.group or ("example" if "group" in table else "duplicates")
        found = [Grouping(what, names.where(names != "", table["id"]).to_numpy(object), bound, True)]
    if not question.group:
        raw = Raw(place.raw)
        found += [_grouping(raw, question, table, column) for column in candidates(raw, question)[:TESTED]]
    if not found:
        columns = ", ".join(_columns(Raw(place.raw), question)) or "none"
        raise Mistake(
            f"nothing to check: problem.toml names no group, {tied} pictures have a duplicate (a leak shows from {FEW} on), and no column of the "
            "labels repeats like a name. "
            f"To test one all the same, give group=COLUMN (columns: {columns})."
        )
    return found


def candidates(raw: Raw, question: Problem) -> list[str]:
    """The columns of the label table that could be groups, those with most values first: one object each is likelier than one place."""
    columns = _columns(raw, question)
    if not columns:
        return []
    source = raw.read(question.label_file)
    return sorted(groups.repeating(source, readers.used_columns(raw, question)), key=lambda column: -source[column].nunique())


def _columns(raw: Raw, question: Problem) -> list[str]:
    return list(raw.read(question.label_file)) if question.label_file or question.layout == "tfrecord" else []


def _grouping(raw: Raw, question: Problem, table: pd.DataFrame, column: str) -> Grouping:
    known = [readers.ID_PREFIX, readers.FILE_NAME, readers.FOLDER, *_columns(raw, question)]
    config.choose(dict.fromkeys(known), column, "group")
    found = readers.labelled(raw, dataclasses.replace(question, group=column)).drop_duplicates("id").set_index("id")
    names = found["group"].reindex(table["id"]).fillna("").to_numpy(object)
    units = folds.bound(table.drop(columns="group", errors="ignore").assign(group=names))
    if len(np.unique(units)) < FOLDS or _tied(units).sum() < FEW:
        raise Mistake(
            f"group={column} parts nothing: the {len(table):,} training rows have {len(np.unique(units)):,} groups by it, and "
            f"{_tied(units).sum():,} rows share theirs with another; {FOLDS} groups and {FEW} rows at least are needed."
        )
    return Grouping(column, np.where(names != "", names, table["id"]), units, False)


def _tied(units: np.ndarray) -> np.ndarray:
    """bool [N]: rows whose unit has others."""
    return np.bincount(units)[units] > 1


def sample(units: np.ndarray, open_rows: np.ndarray, size: int, seed: int) -> np.ndarray:
    """At most `size` of the rows, drawn by whole units as far as these are small: of a large one equally many as of the others.

    A sample of rows would leave most of them without their fellows, and hide the leak. Rows without any come last.
    """
    generator = np.random.default_rng(seed)
    drawn = pd.DataFrame({"row": generator.permutation(open_rows)})
    drawn["unit"] = units[drawn["row"]]
    most = max(LEAST_MEMBERS, -(-size // drawn["unit"].nunique()))
    drawn = drawn[drawn.groupby("unit").cumcount() < most]
    turn = generator.permutation(units.max() + 1)[drawn["unit"]]
    order = np.lexsort((turn, ~_tied(drawn["unit"].to_numpy())))
    return np.sort(drawn["row"].to_numpy()[order][:size])


# -- the trainings -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """`predicted[kind]` float64 [seeds,n,K] and `fold[kind]` int [n] of the same n rows; `mates[kind]` bool [n]: another row of the unit
    was among those that the row's network was trained on."""

    rows: np.ndarray
    units: np.ndarray
    fold: dict[str, np.ndarray]
    mates: dict[str, np.ndarray]
    predicted: dict[str, np.ndarray]
    trained_on: int
    plan: learn.Plan


def foldings(table: pd.DataFrame, question: Problem, units: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """The fold of each row, int [N], as folds.csv's are drawn, and stratified at random. Raises Mistake for fewer units than folds."""
    if len(np.unique(units)) < FOLDS:
        raise Mistake(f"{len(np.unique(units))} groups cannot be parted into {FOLDS} folds.")
    held = folds.labels(table, question)
    return {"grouped": folds.split(held, units, FOLDS, seed), "random": folds.split(held, np.arange(len(table)), FOLDS, seed)}


def sides(fold: dict[str, np.ndarray], seed: int) -> dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]:
    """(kind, fold) → positions that train and that validate. Equally many train everywhere: the others are left out at random."""
    generator = np.random.default_rng(seed)
    size = min(int((of_kind != number).sum()) for of_kind in fold.values() for number in range(FOLDS))
    return {
        (kind, number): (np.sort(generator.permutation(np.flatnonzero(fold[kind] != number))[:size]), np.flatnonzero(fold[kind] == number))
        for kind in fold
        for number in range(FOLDS)
    }


def outcome(
    source: material.Material, table: pd.DataFrame, settled: Config, rows: np.ndarray, units: np.ndarray, finish_by: float | None = None
) -> Outcome:
    """Trains every fold of both kinds with every seed. `table` as train.csv, `units` of all its rows, `rows` the sample.

    As many steps as `epochs=` says, or as end by about `finish_by` (time.monotonic). The network is compiled once for each seed, and put
    back to its first weights before each training.
    """
    units = units[rows]
    fold = foldings(table.iloc[rows].reset_index(drop=True), source.question, units, settled.seed)
    parts = sides(fold, settled.seed)
    predicted = {kind: np.zeros((SEEDS, len(rows), len(source.question.classes))) for kind in KINDS}
    mates = {kind: np.zeros(len(rows), bool) for kind in KINDS}
    bar, plan = config.progress(total=TRAININGS, desc="training", unit="network"), None
    for number in range(SEEDS):
        seeded = dataclasses.replace(settled, seed=settled.seed + number)
        some = rows[parts[KINDS[0], 0][0]]
        learner = planning.fitting(seeded, source, some, 1, print)
        plan = learner.plan if plan is None else plan
        steps = plan.steps if number else _steps(seeded, source, learner, some, finish_by)
        plan = planning.with_steps(learner.plan, seeded, steps)
        learner.follow(plan)
        predictor, first = planning.make_predictor(source, learner.model, "one"), learner.state()
        for (kind, _), (seen, valid) in parts.items():
            learner.restore(first)
            predicted[kind][number, valid] = _trained(seeded, source, learner, predictor, rows[seen], rows[valid])
            mates[kind][valid] = np.isin(units[valid], units[seen])
            bar.update()
    bar.close()
    return Outcome(rows, units, fold, mates, predicted, len(some), plan)


def _steps(settled: Config, source: material.Material, learner: learn.Learner, rows: np.ndarray, finish_by: float | None) -> int:
    per_epoch = learner.plan.steps_per_epoch
    if finish_by is None:
        return round(settled.epochs * per_epoch)
    per_step, compiling = planning.measure(learner, material.batches(settled, source, learner.plan, rows), 2.0)
    left = (finish_by - time.monotonic() - (SEEDS - 1) * compiling) * (1 - OVERHEAD)
    return int(np.clip(left / TRAININGS / per_step, min(20, per_epoch), EPOCHS * per_epoch))


def _trained(settled: Config, source: material.Material, learner: learn.Learner, predictor, seen: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """float64 [len(valid),K]"""
    stream = material.batches(settled, source, learner.plan, seen)
    for number, batch in enumerate(learner.strategy.experimental_distribute_dataset(stream(0)), 1):
        learner.take_step(number, batch)
    learner.take_average()
    learn.recalibrate(learner.model, stream(0, min(planning.RECALIBRATION, learner.plan.steps)))
    return predictor(material.passing(source, learner.plan.side, "train", valid), valid).astype(np.float64)


def all_checks(place: paths.Place, settled: Config, asked: str, size: int, report: Callable) -> dict:
    """Tests each grouping in an equal share of `minutes=`, hands what it says to `report`, and returns `{"groupings", "said"}`."""
    source, table = material.load(place, runs.store_side(place)), tables.read(place.train)
    todo, end = groupings(place, source.question, table, asked), planning.end_of(settled)
    open_rows, results = np.flatnonzero(source.folds.fold != folds.HOLDOUT), []
    for number, grouping in enumerate(todo):
        rows = sample(grouping.units, open_rows, size, settled.seed)
        found = outcome(source, table, settled, rows, grouping.units, planning.share(end, number, len(todo)) if end else None)
        truth = source.truth[rows]
        result = {"column": grouping.column, "used": grouping.used, "steps": found.plan.steps, **judged(source.question, truth, found)}
        result["leaked"] = leaked(source.question, truth, found, grouping.names[rows], table["id"].to_numpy()[rows])
        results.append(result)
        report(text(place, result))
    return {"groupings": results, "said": [text(place, result) for result in results]}


# -- what they say -----------------------------------------------------------------------------------------------------------------


def judged(question: Problem, truth: np.ndarray, found: Outcome) -> dict:
    """Both scores, their gap (positive: random folds look better) and the intervals, of the rows that have a fellow in the sample.

    `truth` of the outcome's rows. An interval adds two noises: that of the units, which are drawn with replacement (bootstrap), and that of
    training, from how far two seeds of one fold lie apart; Student's t with as many degrees of freedom as there are such pairs.
    """
    from scipy.stats import t

    metric, asked = metrics.METRICS[question.metric], runs.asked(question)
    sign = 1 if metric.higher_is_better else -1
    tied = np.flatnonzero(_tied(found.units))

    def scores(rows: np.ndarray, kind: str) -> list[float]:
        """Of each seed."""
        return [metric.score(truth[rows], values[rows], asked) if len(rows) else float("nan") for values in found.predicted[kind]]

    single = {kind: [scores(tied[found.fold[kind][tied] == number], kind) for number in range(FOLDS)] for kind in KINDS}
    pairs = np.array([np.std(pair, ddof=1) ** 2 for kind in KINDS for pair in single[kind]])
    luck = float(np.nanmean(pairs)) / (FOLDS * SEEDS)
    width = float(t.ppf(0.975, int(np.isfinite(pairs).sum())))
    total = {kind: float(np.mean(scores(tied, kind))) for kind in KINDS}
    drawn = pd.DataFrame([{kind: np.mean(scores(rows, kind)) for kind in KINDS} for rows in _redrawn(found.units, tied)])
    gap = sign * (total["random"] - total["grouped"])
    noise = width * float(np.sqrt((drawn["random"] - drawn["grouped"]).var() + 2 * luck))
    result = {"metric": metric.name, "rows": len(tied), "groups": len(np.unique(found.units[tied])), "trained_on": found.trained_on}
    for kind in KINDS:
        half = width * float(np.sqrt(drawn[kind].var() + luck))
        result[kind] = {"score": total[kind], "low": total[kind] - half, "high": total[kind] + half, "trainings": single[kind]}
    return result | {"gap": gap, "low": gap - noise, "high": gap + noise, "leak": bool(gap - noise > 0)}


def _redrawn(units: np.ndarray, rows: np.ndarray):
    """The rows of as many units, drawn with replacement, again and again."""
    members = [group.to_numpy() for _, group in pd.Series(rows).groupby(units[rows])]
    generator = np.random.default_rng(0)
    for _ in range(RESAMPLES):
        yield np.concatenate([members[number] for number in generator.integers(0, len(members), len(members))])


def leaked(question: Problem, truth: np.ndarray, found: Outcome, names: np.ndarray, ids: np.ndarray) -> dict:
    """Which rows random folds answer and grouped ones do not, and the groups they belong to. `names`, `ids` of the outcome's rows.

    Answered: the most probable class is right; where there is no single one: less than half the other kind's absolute error.
    """
    predicted = {kind: values.mean(axis=0) for kind, values in found.predicted.items()}
    if question.kind in SINGLE:
        right = {kind: values.argmax(axis=1) == truth for kind, values in predicted.items()}
        only = {"random": right["random"] & ~right["grouped"], "grouped": right["grouped"] & ~right["random"]}
    else:
        wrong = {kind: np.abs(targets.dense(question, truth) - values).mean(axis=1) for kind, values in predicted.items()}
        only = {"random": 2 * wrong["random"] < wrong["grouped"], "grouped": 2 * wrong["grouped"] < wrong["random"]}
    by_memory = only["random"] & found.mates["random"]
    often = pd.Series(names[by_memory], dtype=object).value_counts()
    return {
        "only_random": int(only["random"].sum()),
        "of_them_with_a_fellow": int(by_memory.sum()),
        "only_grouped": int(only["grouped"].sum()),
        "parted_groups": len(np.unique(found.units[found.mates["random"]])),
        "most": {str(name): int(count) for name, count in often.head(SHOWN).items()},
        "ids": ids[by_memory].tolist(),
    }


def text(place: paths.Place, grouping: dict) -> str:
    """What one grouping's record says, for the screen; the verdict is the last line."""
    kinds = [
        f"  {kind:8} {grouping['metric']} {of['score']:.4f} (95 % interval {of['low']:.4f} … {of['high']:.4f}), single trainings "
        + " ".join(f"{score:.3f}" for pair in of["trainings"] for score in pair)
        for kind in KINDS
        for of in [grouping[kind]]
    ]
    out = grouping["leaked"]
    most = ", ".join(f"{name} ({count})" for name, count in out["most"].items())
    alone = f"they alone answer {out['only_random']:,} rows, {out['of_them_with_a_fellow']:,} of them with a fellow in training"
    return "\n".join(
        [
            f"{grouping['column']}: {grouping['rows']:,} rows in {grouping['groups']:,} groups; "
            f"{TRAININGS} trainings of {grouping['steps']} steps on {grouping['trained_on']:,} rows",
            *kinds,
            f"  gap      {grouping['gap']:+.4f} ({grouping['low']:+.4f} … {grouping['high']:+.4f}) in favour of random folds",
            f"  leaked   random folds part {out['parted_groups']:,} groups; {alone}{f': {most}' * bool(most)}",
            f"           grouped folds alone answer {out['only_grouped']:,}",
            verdict(place, grouping),
        ]
    )


def verdict(place: paths.Place, grouping: dict) -> str:
    """What it means and what to do, in a sentence or two."""
    column, gap = grouping["column"], f"{grouping['gap']:+.4f} ({grouping['low']:+.4f} … {grouping['high']:+.4f})"
    if not grouping["leak"]:
        unseen = grouping["high"] - grouping["gap"]
        return (
            f"no leak found by {column}: the gap {gap} is within the noise. One below {unseen:.3f} cannot be seen with this budget: "
            "give more minutes=, or a larger sample=."
        )
    found = f"LEAK by {column}: random folds promise {grouping['metric']} better by {gap} than pictures of unknown groups get."
    if grouping["used"]:
        return f"{found} folds.csv keeps them together: trust its scores, and no random split."
    return (
        f'{found} Unless the test shows the same groups as train, name the column in problem.toml, value = "{column}" below [group], then '
        f"`make explore prepare COMPETITION={place.competition}`."
    )
