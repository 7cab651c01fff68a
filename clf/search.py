"""Changes tried one at a time, on the same fold, at equal budget; one is kept only where its gain is more than luck."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from clf import compare, config, gate, intervals, paths, planning, runs, train
from clf.config import Config

_STRONGER = {"none": "light", "light": "medium", "medium": "strong"}

# name -> the settings that it changes
CHANGES: dict[str, Callable[[Config], dict]] = {
    "wider network": lambda base: {} if planning.by_budget(base) else {"width": round((base.width or 1) * 1.5, 3)},
    "stronger augmentation": lambda base: {"augment": _STRONGER.get(base.augment, base.augment)},
    "mixing": lambda base: {"mix": {"none": "both", "auto": "cutmix"}.get(base.mix, "none")},
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


def run_trial(place: paths.Place, trial: Trial, budget: planning.Budget) -> paths.Run:
    """Trains a trial as a run of its own; a no-op where it is whole."""
    run = runs.open_run(place, trial.settled)
    if not run.score.exists():
        began = config.elapsed()
        train.fold(place, run, trial.settled, runs.store_side(place), trial.settled.fold, budget)
        runs.finish(place, run, trial.settled, config.elapsed() - began)
    return run


def run_all(place: paths.Place, settled: Config) -> list[tuple[Trial, paths.Run]]:
    """Trains every trial. With `minutes=` the base gets its share of what is left, and each change the same budget: as many steps as the
    base where a step costs the same, else as many seconds of steps. Only the base where its share is worth fewer than planning.FEWEST steps."""
    train.check_names(place, settled)
    found, end = trials(settled), planning.end_of(settled)
    tried = []
    for number, trial in enumerate(found):
        print(f"-- {trial.name} {trial.changed or ''}")
        budget = planning.Budget()
        if end and not tried:
            # One share stays in hand: wider networks predict longer as well, and the page has to be drawn.
            budget = planning.Budget(finish_by=planning.share(end, number, len(found) + 1))
        elif end:
            base = paths.read_json(tried[0][1].fold(tried[0][0].settled.fold).plan)
            limit = {"step_seconds": base["seconds"]} if COST & trial.changed.keys() else {"steps": base["steps"]}
            budget = planning.Budget(**limit, like=base)
        tried.append((trial, run_trial(place, trial, budget)))
        if end and len(tried) == 1 and paths.read_json(tried[0][1].fold(trial.settled.fold).plan)["steps"] < planning.FEWEST:
            break
    return tried


def judge(place: paths.Place, tried: list[tuple[Trial, paths.Run]]) -> list[dict]:
    """One line per trial: score and its interval; of a change the gain over the base's runs (positive is better), its interval, the
    probability that it is real, and whether it is kept.

    The gate's level is shared among the changes, so that of twenty worthless ones not every one has its chance. At most one change is
    kept, of those that pass the one with the largest gain.
    """
    on = compare.bench(place)
    asked, known = runs.asked(on.question), compare.noise(on)
    arms = [compare.arm(on, compare.trainings(on, run), [trial.settled.fold]) for trial, run in tried]
    rows = arms[0][0]
    base = [each for (trial, _), (_, repeats) in zip(tried, arms, strict=True) if not trial.changed for each in repeats]
    changes = sum(bool(trial.changed) for trial, _ in tried)
    table = []
    for (trial, run), (_, repeats) in zip(tried, arms, strict=True):
        low, high = intervals.interval(on.metric, on.truth[rows], repeats[0], asked, on.units[rows])
        line = {"change": trial.name, "run": run.name, "settings": trial.changed, "low": low, "high": high, "gain": None, "kept": False}
        line["score"] = on.metric.score(on.truth[rows], repeats[0], asked)
        if trial.changed:
            found = gate.gain(on.metric, on.truth[rows], base, repeats, asked, known, on.units[rows], changes)
            line |= {"gain": found.gain, "gain_low": found.low, "gain_high": found.high, "probability": found.probability, "level": found.level}
        table.append(line)
    able = [line for line in table if line["gain"] is not None and line["gain_low"] > 0]
    if able:
        max(able, key=lambda line: line["gain"])["kept"] = True
    return table


def note(tried: list[tuple[Trial, paths.Run]], table: list[dict], summary: str) -> None:
    """The table into the record of every run that it judges."""
    for _, run in tried:
        paths.write_json(run.tried, {"table": table, "summary": summary})


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
    lines = [f"{'change':24} {'score':>8} {'gain':>9}   {'interval of the gain':22} {'real':>6}"]
    for line in table:
        said = f"{line['change']:24} {line['score']:8.4f}"
        if line["gain"] is not None:
            ends = f"{line['gain_low']:+.4f} … {line['gain_high']:+.4f}"
            said += f" {line['gain']:+9.4f}   {ends:22} {line['probability']:6.3f}  {'kept' if line['kept'] else 'dropped'}"
        lines.append(said)
    return "\n".join(lines)


def keep(place: paths.Place, table: list[dict], base: dict) -> tuple[str, str]:
    """Writes the kept change, on top of the stored settings `base` that the trials began with, to config.toml.

    Returns the hash of the config.toml that step 06 wrote, or "", and a summary. A file that 06 did not write is never changed: the line
    to add is said instead. One that 06 wrote and that was not part of the base is what an earlier comparison kept: it gives way.
    """
    kept = next((line for line in table if line["kept"]), None)
    before = (paths.read_json(place.improve) or {}).get("config_hash", "")
    ours = not place.config.exists() or paths.hash_file(place.config) == before
    said = "no change beat the noise, none kept"
    if all(line["gain"] is None for line in table):
        said = f"nothing tried: minutes= leaves each of {len(CHANGES) + 2} trials fewer than {planning.FEWEST} steps on this machine"
    if kept:
        said = f"kept {kept['change']} ({kept['gain']:+.4f}, interval {kept['gain_low']:+.4f} … {kept['gain_high']:+.4f})"
    if not ours:
        lines = ", ".join(f"{name} = {value!r}" for name, value in kept["settings"].items()) if kept else ""
        return "", said + (f"; config.toml is yours and stays as it is: add {lines}" if kept else "")
    settings = Config(**{**base, **(kept["settings"] if kept else {})})
    if settings == Config():
        place.config.unlink(missing_ok=True)
        return "", said
    config.write_toml(place.config, settings, f"Written by 06 improve: {said}. `make train` uses it; edit it and 06 leaves it to you.", True)
    return paths.hash_file(place.config), said + (", written to config.toml: make train uses it" if kept else "")
