"""Runs as the arms of a gate: trainings on the same folds, what was repeated on this problem, and what `make compare` says."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from clf import folds, gate, intervals, metrics, paths, problem, runs, tables, targets
from clf.config import Mistake
from clf.gate import Gain, Noise
from clf.problem import Problem

SAME = ("problem.toml", "train.csv", "folds.csv")  # what two runs share whose scores can be compared
LUCK = ("seed", "seeds", "fold")  # settings in which repeats may differ
ALIKE = 0.1  # share by which the lengths of repeats, or of runs with an equal budget, may differ


@dataclass(frozen=True)
class Bench:
    """What every comparison on one competition shares."""

    place: paths.Place
    question: Problem
    truth: np.ndarray  # as `targets.truth`
    fold: np.ndarray  # text [N]
    units: np.ndarray  # int [N], see `folds.bound`

    @property
    def metric(self) -> metrics.Metric:
        return metrics.METRICS[self.question.metric]


@dataclass(frozen=True)
class Training:
    """One network of a run, which validated one fold."""

    run: paths.Run
    key: str
    seed: int
    steps: int
    epochs: float
    seconds: float
    rows: np.ndarray  # of train.csv, int [n]
    predicted: np.ndarray  # float64 [n,K]

    @property
    def fold(self) -> str:
        return self.key.partition(".")[0]


def bench(place: paths.Place) -> Bench:
    question, units = problem.read(place.problem), folds.bound(tables.read(place.train, [*folds.BINDING]))
    truth = targets.truth(question, tables.read(place.train, ["label"]).label)
    return Bench(place, question, truth, tables.read(place.folds, ["fold"]).fold.to_numpy(), units)


def trainings(on: Bench, run: paths.Run) -> list[Training]:
    """Those of a run's whole folds that validated rows."""
    settled, found = runs.settings(run), []
    for folder in sorted(run.folder.iterdir()):
        fold = paths.Fold(folder)
        if fold.record.exists() and fold.valid.exists():
            rows, values = runs.out_of_fold(run, [fold.key], len(on.question.classes))
            plan, record = paths.read_json(fold.plan), paths.read_json(fold.record)
            epochs = plan["steps"] / plan["steps_per_epoch"]
            found.append(Training(run, fold.key, runs.seed_of(settled, fold.key), plan["steps"], epochs, record["seconds"], rows, values))
    return found


def arm(on: Bench, trained: Sequence[Training], wanted: Sequence[str]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The rows of the folds `wanted`, and for each seed that has them all the decided predictions [n,K] for them."""
    by_seed: dict[int, dict[str, Training]] = {}
    for each in trained:
        by_seed.setdefault(each.seed, {})[each.fold] = each
    rows, repeats = np.empty(0, int), []
    for parts in by_seed.values():
        if set(wanted) <= parts.keys():
            rows = np.concatenate([parts[fold].rows for fold in wanted])
            values = np.concatenate([parts[fold].predicted for fold in wanted])
            repeats.append(runs.decided(on.question, on.truth[rows], values, runs.honest_parts(on.fold[rows])))
    return rows, repeats


# -- what was repeated -----------------------------------------------------------------------------------------------------------------


def same_but_luck(run: paths.Run) -> str:
    """Equal for runs that differ in nothing but the seed and the folds that they trained."""
    made_from = paths.read_json(run.identity)["made_from"]
    return json.dumps({name: value for name, value in made_from.items() if name not in LUCK}, sort_keys=True)


def repeated(on: Bench, found: Sequence[paths.Run]) -> list[tuple]:
    """For each setting and fold that was trained with several seeds and about equally long: `(truth, repeats, units)` as `gate.noise` wants."""
    groups: dict[tuple[str, str], list[Training]] = {}
    for run in found:
        for each in trainings(on, run):
            groups.setdefault((same_but_luck(run), each.fold), []).append(each)
    result = []
    for (_, fold), trained in groups.items():
        like = [each for each in trained if abs(each.steps / trained[0].steps - 1) <= ALIKE]
        rows, repeats = arm(on, like, [fold])
        if len(repeats) > 1:
            result.append((on.truth[rows], repeats, on.units[rows]))
    return result


def noise(on: Bench) -> Noise | None:
    """How far seeds move the score on this problem: measured on the repeats in runs/, where there are more than the stored estimate knew,
    else that; None where nothing was ever repeated."""
    known = [run for run in runs.all_runs(on.place) if _comparable(on, run)]
    measured = gate.noise(on.metric, repeated(on, known), runs.asked(on.question))
    tied = {"metric": on.question.metric, **_made_on(on)}
    stored = paths.read_json(on.place.noise)
    if stored and stored["made_from"] == tied and (measured is None or stored["noise"]["trainings"] > measured.trainings):
        return Noise(**stored["noise"])
    if measured:
        paths.write_json(on.place.noise, {"made_from": tied, "noise": asdict(measured)})
    return measured


def _made_on(on: Bench) -> dict[str, str]:
    """The tables of now, as the identity of a run made on them holds them."""
    return {"problem.toml": problem.hash(on.question), **{path.name: paths.hash_file(path) for path in (on.place.train, on.place.folds)}}


def _comparable(on: Bench, run: paths.Run) -> bool:
    made_from = paths.read_json(run.identity)["made_from"]
    return all(made_from.get(name) == own for name, own in _made_on(on).items())


# -- two runs ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Side:
    """One of two runs that are compared, on the rows that both validated."""

    name: str
    score: float  # mean of its repeats
    low: float
    high: float
    repeats: int
    epochs: float
    seconds: float  # of one training


@dataclass(frozen=True)
class Comparison:
    metric: str
    folds: tuple[str, ...]
    rows: int
    first: Side
    second: Side
    gain: Gain
    noise: Noise | None


def side(on: Bench, run: paths.Run, trained: Sequence[Training], rows: np.ndarray, repeats: list[np.ndarray]) -> Side:
    asked, units = runs.asked(on.question), on.units[rows]
    score = np.mean([on.metric.score(on.truth[rows], each, asked) for each in repeats])
    ends = np.mean([intervals.interval(on.metric, on.truth[rows], each, asked, units) for each in repeats], axis=0)
    each = [float(np.mean([getattr(part, name) for part in trained])) for name in ("epochs", "seconds")]
    return Side(run.name, float(score), *map(float, ends), len(repeats), *each)


def compared(place: paths.Place, first: str, second: str) -> Comparison:
    """Raises Mistake for a run that is not whole, has no validation rows, or was made on other folds or tables than the other one, and
    where the two share no fold."""
    on = bench(place)
    pair = [_whole(place, name) for name in (first, second)]
    made = [paths.read_json(run.identity)["made_from"] for run in pair]
    other = [name for name in SAME if made[0].get(name) != made[1].get(name)]
    if other:
        raise Mistake(f"{first} and {second} were made on another {' and '.join(other)}: their scores cannot be compared. Train one of them again.")
    if not _comparable(on, pair[0]):
        raise Mistake(f"{first} and {second} were made on other tables or folds than those of now: train them again, or restore the tables.")
    trained = [trainings(on, run) for run in pair]
    shared = sorted({each.fold for each in trained[0]} & {each.fold for each in trained[1]}, key=int)
    if not shared:
        have = " and ".join(f"{run.name} validates {_listed(each)}" for run, each in zip(pair, trained, strict=True))
        raise Mistake(f"{have}: no fold is shared. Train both on one, as in `make train COMPETITION={place.competition} fold=0`, or fold=all.")
    trained = [[each for each in part if each.fold in shared] for part in trained]
    arms = [arm(on, part, shared) for part in trained]
    rows = arms[0][0]
    order = [np.argsort(each, kind="stable") for each, _ in arms]
    repeats = [[values[sorting] for values in part] for (_, part), sorting in zip(arms, order, strict=True)]
    rows = rows[order[0]]
    known = noise(on)
    found = gate.gain(on.metric, on.truth[rows], *repeats, runs.asked(on.question), known, on.units[rows])
    sides = [side(on, run, part, rows, each) for run, part, each in zip(pair, trained, repeats, strict=True)]
    return Comparison(on.question.metric, tuple(shared), len(rows), *sides, found, known)


def _whole(place: paths.Place, name: str) -> paths.Run:
    run = place.run(name)
    if not run.score.exists():
        known = ", ".join(run.name for run in runs.all_runs(place) if run.score.exists()) or "none yet"
        raise Mistake(f"run {name!r} is not whole, or not there. Whole runs: {known}. `make train COMPETITION={place.competition}` trains one.")
    return run


def _listed(trained: Sequence[Training]) -> str:
    return f"fold {', '.join(sorted({each.fold for each in trained}))}" if trained else "nothing (it trained on every row)"


# -- what is said --------------------------------------------------------------------------------------------------------------------


def gain_text(found: Gain) -> str:
    share = f"{100 * (1 - 2 * found.level):.3g} %"
    return f"{found.gain:+.4f} ({share} interval {found.low:+.4f} … {found.high:+.4f}), real with probability {found.probability:.3f}"


def noise_text(known: Noise | None) -> str:
    said = "the stored estimate of other problems (nothing was repeated here: seeds=2 repeats)"
    return f"measured on {known.trainings} repeated trainings of this problem" if known else said


def budget_text(first: Side, second: Side) -> str:
    """Whether both had the same: as many epochs, or as many seconds."""
    epochs, seconds = second.epochs / first.epochs, second.seconds / first.seconds
    said = f"{first.epochs:.1f} epochs in {first.seconds:.0f} s a training against {second.epochs:.1f} in {second.seconds:.0f} s"
    if min(abs(epochs - 1), abs(seconds - 1)) <= ALIKE:
        return f"equal budget ({said})"
    return f"NOT an equal budget ({said}): the difference of budgets is part of the gain"


def verdict(found: Gain, first: str, second: str) -> str:
    """One sentence: which of the two to go on with, or what would tell."""
    if found.real:
        return f"{second} is better: the gain is more than luck."
    if found.high < 0:
        return f"{first} is better: the loss is more than luck."
    if found.gain <= 0:
        return f"no gain: stay with {first}."
    if found.repeats is None:
        return f"the gain may be luck, and {gate.MOST_REPEATS} seeds would not tell either: more rows would (fold=all). Until then stay with {first}."
    return f"the gain may be luck; if it is as large as it looks, seeds={found.repeats} of both would show it. Until then stay with {first}."


def text(found: Comparison) -> str:
    lines = [f"{found.metric} on {found.rows:,} rows of fold {', '.join(found.folds)}"]
    for each in (found.first, found.second):
        repeats = f", mean of {each.repeats} seeds" if each.repeats > 1 else ""
        lines.append(f"{each.name:24} {each.score:.4f} (95 % interval {each.low:.4f} … {each.high:.4f}{repeats})")
    luck = f"luck of rows ±{found.gain.by_rows:.4f}, of seeds ±{found.gain.by_seeds:.4f} on top ({noise_text(found.noise)})"
    lines += [f"gain {gain_text(found.gain)}", luck, budget_text(found.first, found.second)]
    return "\n".join(lines)
