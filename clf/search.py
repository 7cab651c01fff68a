"""Changes tried one at a time, on the same fold, at equal budget; one is kept only where its gain is larger than the noise."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clf import config, metrics, paths, problem, runs, tables, targets, train
from clf.config import Config

_STRONGER = {"none": "light", "light": "medium", "medium": "strong"}

# name -> the settings that it changes
CHANGES: dict[str, Callable[[Config], dict]] = {
    "wider network": lambda base: {"width": round(base.width * 1.5, 3)},
    "stronger augmentation": lambda base: {"augment": _STRONGER.get(base.augment, base.augment)},
    "mixing": lambda base: {"mix": "cutmix" if base.mix == "none" else "none"},
}
COST = {"model", "width", "image_size", "batch_size"}  # settings that change what a step costs


@dataclass(frozen=True)
class Trial:
    name: str
    settled: Config
    changed: dict


def trials(settled: Config) -> list[Trial]:
    """The base, the base with a second seed, and each change, with an equal share of the budget.

    A share is of `minutes=`, or of `epochs=` where there is no `minutes=`. Changes that change nothing are left out.
    """
    changes = {name: change(settled) for name, change in CHANGES.items()}
    changes = {name: changed for name, changed in changes.items() if dataclasses.replace(settled, **changed) != settled}
    parts = 2 + len(changes)
    share = {"minutes": round(settled.minutes / parts, 3)} if settled.minutes else {"epochs": round(settled.epochs / parts, 3)}
    base = dataclasses.replace(settled, fold="0" if settled.fold in ("all", "full") else settled.fold, seeds=1, **share)
    found = [Trial("base", base, {}), Trial("base, second seed", dataclasses.replace(base, seed=base.seed + 1), {})]
    return found + [Trial(name, dataclasses.replace(base, **changed), changed) for name, changed in changes.items()]


def run_trial(place: paths.Place, trial: Trial, budget: train.Budget) -> paths.Run:
    """Trains a trial as a run of its own; a no-op where it is whole."""
    run = runs.open_run(place, trial.settled)
    if not run.score.exists():
        began = config.elapsed()
        train.fold(place, run, trial.settled, runs.store_side(place), trial.settled.fold, budget)
        runs.finish(place, run, trial.settled, config.elapsed() - began)
    return run


def run_all(place: paths.Place, settled: Config) -> list[tuple[Trial, paths.Run]]:
    """Trains every trial. With `minutes=` the base gets its share of what is left, and each change the same budget: as many steps as the
    base where a step costs the same, else as many seconds of steps."""
    train.check_names(place, settled)
    found, end = trials(settled), train.end_of(settled)
    tried = []
    for number, trial in enumerate(found):
        print(f"-- {trial.name} {trial.changed or ''}")
        budget = train.Budget()
        if end and not tried:
            # One share stays in hand: wider networks predict longer as well, and the page has to be drawn.
            budget = train.Budget(finish_by=train.share(end, number, len(found) + 1))
        elif end:
            base = paths.read_json(tried[0][1].fold(tried[0][0].settled.fold).plan)
            budget = train.Budget(step_seconds=base["seconds"]) if COST & trial.changed.keys() else train.Budget(steps=base["steps"])
        tried.append((trial, run_trial(place, trial, budget)))
    return tried


def judge(place: paths.Place, tried: list[tuple[Trial, paths.Run]]) -> list[dict]:
    """One line per trial: score, gain over the mean of the two base runs (positive is better), the noise, whether it is kept.

    The noise is the larger of two: how far the two seeds of the base lie apart, and the half-width of the 95 % interval of the gain
    under resampling of validation rows in pairs (bootstrap). At most one change is kept, the one with the largest gain.
    """
    question = problem.read(place.problem)
    metric, asked = metrics.METRICS[question.metric], runs.asked(question)
    sign = 1 if metric.higher_is_better else -1
    held = [runs.predictions(place, question, run.name) for _, run in tried]
    seen = held[0].valid_rows
    truth, parts = targets.truth(question, tables.read(place.train).label)[seen], runs.honest_parts(tables.read(place.folds).fold.to_numpy()[seen])
    predicted = [runs.decided(question, truth, each.valid, parts) for each in held]
    shares = [metric.rows(truth, each, asked) for each in predicted] if metric.rows else None

    def scores(rows: np.ndarray) -> np.ndarray:
        if shares:
            return sign * np.array([each[rows].mean() for each in shares])
        return sign * np.array([metric.score(truth[rows], each[rows], asked) for each in predicted])

    every = np.arange(len(truth))
    total = scores(every)
    rng = np.random.default_rng(0)
    drawn = np.array([scores(rng.integers(0, len(every), len(every))) for _ in range(200)])
    gains, spread = total - total[:2].mean(), drawn - drawn[:, :2].mean(1, keepdims=True)
    seeds = abs(total[0] - total[1])
    table = []
    for number, (trial, run) in enumerate(tried):
        rows_noise = float(np.diff(np.nanquantile(spread[:, number], [0.025, 0.975]))[0] / 2)
        noise = max(seeds, rows_noise)
        line = {"change": trial.name, "run": run.name, "settings": trial.changed, "score": float(sign * total[number])}
        gain = {"gain": float(gains[number]), "noise": float(noise)} if trial.changed else {"gain": None, "noise": None}
        table.append(line | gain | {"kept": False})
    able = [line for line in table if line["gain"] is not None and line["gain"] > line["noise"]]
    if able:
        max(able, key=lambda line: line["gain"])["kept"] = True
    return table


def best_run(place: paths.Place, fold: str, like: paths.Run) -> str:
    """The best whole run on the same tables: of those that trained `fold`, where there are any (all or full have seen more than a trial),
    else of those that validate the same fold as the trial `like`. Of full runs, which nothing validates, the newest."""
    same = ("problem.toml", "train.csv", "test.csv", "folds.csv")
    wanted = paths.read_json(like.identity)["made_from"]
    made = {run: paths.read_json(run.identity)["made_from"] for run in runs.all_runs(place) if run.score.exists()}
    comparable = {run: made_from for run, made_from in made.items() if all(made_from.get(name) == wanted[name] for name in same)}
    found = [run for run in comparable if comparable[run]["fold"] == fold] or [run for run in comparable if comparable[run]["fold"] == wanted["fold"]]
    if fold == "full" and comparable[found[0]]["fold"] == "full":
        return max(found, key=lambda run: run.score.stat().st_mtime).name
    return runs.ranked(found)[0].name


def text(table: list[dict]) -> str:
    """The table for the screen: one aligned line per trial."""
    lines = [f"{'change':24} {'score':>8} {'gain':>9} {'noise':>9}"]
    for line in table:
        gain = "" if line["gain"] is None else f" {line['gain']:+9.4f} {line['noise']:9.4f}  {'kept' if line['kept'] else 'dropped'}"
        lines.append(f"{line['change']:24} {line['score']:8.4f}{gain}")
    return "\n".join(lines)


def keep(place: paths.Place, table: list[dict], base: dict) -> tuple[str, str]:
    """Writes the kept change, on top of the stored settings `base` that the trials began with, to config.toml.

    Returns the hash of the config.toml that step 06 wrote, or "", and a summary. A file that 06 did not write is never changed: the line
    to add is said instead. One that 06 wrote and that was not part of the base is what an earlier comparison kept: it gives way.
    """
    kept = next((line for line in table if line["kept"]), None)
    before = (paths.read_json(place.improve) or {}).get("config_hash", "")
    ours = not place.config.exists() or paths.hash_file(place.config) == before
    said = f"kept {kept['change']} ({kept['gain']:+.4f}, noise {kept['noise']:.4f})" if kept else "no change beat the noise, none kept"
    if not ours:
        lines = ", ".join(f"{name} = {value!r}" for name, value in kept["settings"].items()) if kept else ""
        return "", said + (f"; config.toml is yours and stays as it is: add {lines}" if kept else "")
    settings = Config(**{**base, **(kept["settings"] if kept else {})})
    if settings == Config():
        place.config.unlink(missing_ok=True)
        return "", said
    config.write_toml(place.config, settings, f"Written by 06 improve: {said}. `make train` uses it; edit it and 06 leaves it to you.", True)
    return paths.hash_file(place.config), said + (", written to config.toml: make train uses it" if kept else "")
