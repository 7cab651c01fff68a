"""Runs: names, identities, predictions put back by row, scores. No TensorFlow here."""

import dataclasses
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from clf import config, decisions, folds, intervals, metrics, paths, problem, tables, targets
from clf.config import Config, Mistake
from clf.problem import Problem

EPOCHS = 20.0  # where neither epochs= nor minutes= is given and no run on folds has found how many
SMALL = 64  # px: above this store side `model=auto` takes the larger network, where there is a GPU
MIXED = ("binary", "multiclass")  # kinds on which mix=auto was tried
TINY = 32  # px: up to here it takes airbench


# -- identity ----------------------------------------------------------------------------------------------------------------------


def store_side(place: paths.Place) -> int:
    """Side in px of the store that step 03 made last. Raises Mistake where there is none."""
    prepared = paths.read_json(place.prepare_record)
    if prepared is None:
        raise Mistake(f"{place.competition} is not prepared: run `make prepare COMPETITION={place.competition}` first.")
    return prepared["side"]


def settle(place: paths.Place, wanted: Config) -> Config:
    """Every `auto` that the problem or the store decides, decided."""
    question = problem.read(place.problem)
    side = store_side(place)
    settled = {}
    if wanted.model == "auto":
        settled["model"] = network(side)
    if wanted.label_smoothing < 0:
        settled["label_smoothing"] = metrics.METRICS[question.metric].smoothing
    if wanted.mix == "auto" and question.kind not in MIXED:
        settled["mix"] = "none"  # else by how often each row is seen, see `planning.with_steps`
    if wanted.image_size > side:
        raise Mistake(
            f"image_size={wanted.image_size} is above the store's side of {side} px: pack a larger one first with "
            f"`make prepare COMPETITION={place.competition} side={wanted.image_size}`."
        )
    known = folds.keys(tables.read(place.folds, ["fold"]))
    if wanted.fold not in (*known, "all", "full"):
        raise Mistake(f"fold={wanted.fold} is none of {', '.join(known)}, all, full.")
    done = dataclasses.replace(wanted, **settled)
    if not (done.minutes or done.epochs):
        like = on_folds(place, done) if done.fold == "full" else None
        done = dataclasses.replace(done, epochs=epochs_trained(like) if like else EPOCHS)
    return done


def network(side: int) -> str:
    """The name behind `model=auto`: by the store's side in px, and whether there is a GPU."""
    if side > SMALL:
        return "resnet18_v2" if gpus() else "resnet10"
    return "airbench" if side <= TINY else "resnet10"


def gpus() -> list[str]:
    """The numbers of the GPUs that this command may use, as CUDA_VISIBLE_DEVICES names them. Asked of the NVIDIA driver, because TensorFlow
    takes seconds to start."""
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    found = [line for line in listed.stdout.splitlines() if line.startswith("GPU")] if listed.returncode == 0 else []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None or not found:
        return [str(number) for number in range(len(found))]
    return [name for name in chosen.split(",") if name and name != "-1"]


def identity(place: paths.Place, settled: Config) -> dict:
    """All that a run is made from: its settings, the question, tables, folds and store, and the code that trains."""
    packed = paths.read_json(place.packed(store_side(place)).record) or {}
    return {
        **dataclasses.asdict(settled),
        **hash_of_weights(settled),
        "problem.toml": problem.hash(problem.read(place.problem)),
        **{path.name: paths.hash_file(path) for path in (place.train, place.test, place.pictures, place.folds)},
        "store": paths.hash_text(str(packed.get("made_from"))),
        **paths.code("train"),
    }


def hash_of_weights(settled: Config) -> dict[str, str]:
    """The hash of what `weights=` points to. Raises Mistake where nothing is there."""
    if settled.weights in ("", "imagenet"):
        return {}
    path = Path(settled.weights).expanduser()
    stored = [path] if path.is_file() else sorted(path.rglob(paths.Fold(path).weights.name))
    if not stored:
        raise Mistake(
            f"weights={settled.weights} holds no trained weights: imagenet, the folder of a run (`make runs` lists them), or a .keras file."
        )
    return {"first weights": paths.hash_text(" ".join(paths.hash_file(file) for file in stored))}


def _find(place: paths.Place, settled: Config, name: str) -> tuple[paths.Run, dict, str | None]:
    """The run of these settings, tables and code, or of this name; what it should be made from; how what it was made from differs."""
    made_from = identity(place, settled)
    digest = paths.hash_text(str(sorted(made_from.items()))).removeprefix("sha256:")

    def compared(run: paths.Run) -> str | None:
        stored = paths.read_json(run.identity)
        return paths.difference(stored["made_from"], made_from) if stored else None

    run = place.run(name or f"{settled.model}-{digest[:4]}")
    if not name and compared(run):
        run = place.run(f"{settled.model}-{digest[:8]}")  # four digits met by chance
    return run, made_from, compared(run)


def whole(place: paths.Place, settled: Config, name: str = "") -> paths.Run | None:
    """The whole run of these settings, tables and code, where there is one."""
    run, _, difference = _find(place, settled, name)
    return run if run.score.exists() and not difference else None


def open_run(place: paths.Place, settled: Config, name: str = "") -> paths.Run:
    """The run of these settings, tables and code: an existing one to continue, or a new folder; says which and why.

    A run is never overwritten: a given name whose folder holds something else raises Mistake with the difference.
    """
    run, made_from, difference = _find(place, settled, name)
    if difference:
        raise Mistake(f"run={name} exists and was made from something else ({difference}). Give another name, or none.")
    if run.identity.exists():
        print(f"run {run.name}: {'whole' if run.score.exists() else 'continues'}")
        return run
    if run.folder.exists() and any(run.folder.iterdir()):
        raise Mistake(f"{paths.show(run.folder)} holds files but no run: give another name with run=.")
    print(f"run {run.name}: new{_why_new(place, made_from)}")
    config.write_toml(run.config, settled, f"The settings of run {run.name}, every one.", only_changes=False)
    stored = (paths.read_json(place.packed(store_side(place)).record) or {}).get("made_from", {})
    store = {name: stored.get(name) for name in ("side", "fit")}  # what `make predict` has to do to other pictures
    paths.write_json(run.identity, {"made_from": made_from, "commit": commit(), "begun": now(), "store": store})
    return run


def _why_new(place: paths.Place, made_from: dict) -> str:
    others = all_runs(place)
    if not others:
        return ""
    last = max(others, key=lambda run: run.identity.stat().st_mtime)
    difference = paths.difference(paths.read_json(last.identity)["made_from"], made_from)
    return f": since {last.name}, {difference}" if difference else ""


def all_runs(place: paths.Place) -> list[paths.Run]:
    """Every run that was begun, whole or not; not the sample's."""
    found = [paths.Run(folder) for folder in sorted(place.runs.iterdir())] if place.runs.exists() else []
    return [run for run in found if run.identity.exists()]


def settings(run: paths.Run) -> Config:
    return Config(**config.read_toml(run.config))


def fold_keys(place: paths.Place, settled: Config) -> list[str]:
    """The folds that a run trains: `["0"]`, all of them, or `["full"]`; with `seeds=2` each of them again as `"0.1"`."""
    once = folds.keys(tables.read(place.folds, ["fold"])) if settled.fold == "all" else [settled.fold]
    return [f"{key}.{further}" if further else key for further in range(settled.seeds) for key in once]


def seed_of(settled: Config, key: str) -> int:
    """The seed that the part `key` of a run is trained with."""
    return settled.seed + int(key.partition(".")[2] or 0)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def commit() -> str:
    """The checkout's commit, `+` behind it where files differ from it; empty outside git."""
    git = ["git", "-C", str(paths.CHECKOUT)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        return head + ("+" if subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True).stdout.strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


# -- predictions and scores ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Predictions:
    """A run's probabilities or values, float64 [n,K] in the order of the problem's classes, each with the rows of its table.

    `valid` is out-of-fold (row numbers of train.csv, empty for a `full` run), `test` of all folds together (row numbers of test.csv),
    `holdout` of all folds together for the locked rows, or None. `test_parts` holds what each fold says of the test rows. A `full` run's
    decisions are fitted on `like`, out-of-fold of its like on folds (see `on_folds`), where there is one.
    """

    valid_rows: np.ndarray
    valid: np.ndarray
    test_rows: np.ndarray
    test: np.ndarray
    holdout_rows: np.ndarray | None = None
    holdout: np.ndarray | None = None
    test_parts: tuple[np.ndarray, ...] = ()
    like_rows: np.ndarray | None = None
    like: np.ndarray | None = None


def predictions(place: paths.Place, question: Problem, name: str) -> Predictions:
    """Raises Mistake where the run does not exist, is not whole, or was made for other classes."""
    run = place.run(name)
    if not run.score.exists():
        whole = ", ".join(run.name for run in all_runs(place) if run.score.exists()) or "none yet"
        raise Mistake(f"run={name} is not whole. Whole runs: {whole}. `make train` trains one.")
    keys = list(paths.read_json(run.score)["folds"])
    metric, wanted = metrics.METRICS[question.metric], asked(question)
    valid_rows, valid = out_of_fold(run, keys, len(question.classes))
    test_rows, test_parts = of_folds(run, keys, "test")
    locked_rows, locked_parts = of_folds(run, keys, "holdout")
    if test_parts[0].shape[1] != len(question.classes) or _of_another_problem(run, question):
        raise Mistake(f"run {name} was trained for another problem.toml: train again with `make train COMPETITION={place.competition}`.")
    like_rows, like = None, None
    if not len(valid_rows) and (other := on_folds(place, settings(run), run)) and not _of_another_problem(other, question):
        like_rows, like = out_of_fold(other, list(paths.read_json(other.score)["folds"]), len(question.classes))
    return Predictions(
        valid_rows=valid_rows,
        valid=valid,
        test_rows=test_rows,
        test=decisions.blend(metric, test_parts, wanted),
        holdout_rows=locked_rows if locked_parts else None,
        holdout=decisions.blend(metric, locked_parts, wanted) if locked_parts else None,
        test_parts=tuple(test_parts),
        like_rows=like_rows,
        like=like,
    )


def _of_another_problem(run: paths.Run, question: Problem) -> bool:
    return paths.read_json(run.identity)["made_from"]["problem.toml"] != problem.hash(question)


def of_folds(run: paths.Run, keys: list[str], part: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """`(rows, [float64 [n,K] of each fold])`, the mean over its seeds, of the part test or holdout; no array where no fold has it."""
    found = {}
    for key in keys:
        file = getattr(run.fold(key), part)
        if file.exists():
            rows, values = paths.read_predictions(file)
            found.setdefault(key.partition(".")[0], []).append(values)
    return (rows if found else np.empty(0, int)), [np.mean(values, axis=0, dtype=np.float64) for values in found.values()]


def out_of_fold(run: paths.Run, keys: list[str], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """`(rows, probabilities [n,K])` of a run's validation rows, the mean over the seeds of each fold; empty for a `full` run."""
    found = {}
    for key in keys:
        if run.fold(key).valid.exists():
            found.setdefault(key.partition(".")[0], []).append(paths.read_predictions(run.fold(key).valid))
    if not found:
        return np.empty(0, int), np.empty((0, classes))
    rows = [parts[0][0] for parts in found.values()]
    return np.concatenate(rows), np.concatenate([np.mean([values for _, values in parts], axis=0) for parts in found.values()])


def asked(question: Problem) -> metrics.Asked:
    """What the metric has to know of the question, decisions by its defaults."""
    return metrics.Asked(
        kind=question.kind,
        positive=question.positive_index,
        ranks=question.ranks or metrics.Asked.ranks,
        weights=targets.weights(question),
        new=targets.new(question),
    )


def cuts(question: Problem, train: pd.DataFrame, found: Predictions) -> np.ndarray | None:
    """The decision numbers for test rows, fitted on every out-of-fold row, and carried over to the mean of the folds; None where the metric
    has none, or nothing was validated, neither here nor by the same settings on folds."""
    metric, wanted = metrics.METRICS[question.metric], asked(question)
    rows, values = (found.valid_rows, found.valid) if len(found.valid_rows) else (found.like_rows, found.like)
    if question.kind not in metric.rules or rows is None:
        return None
    fitted = decisions.fit_cuts(metric, targets.truth(question, train.label)[rows], values, wanted)
    return None if fitted is None else decisions.carry(metric, fitted, found.test_parts, wanted)


def decided(question: Problem, truth: np.ndarray, predicted: np.ndarray, parts: np.ndarray | None) -> np.ndarray:
    """Predictions [n,K] that a score is honest for: where the metric's decisions are fitted, each row's by rows of other parts.

    `parts` int [n], as `honest_parts` makes them; None: the metric's default decisions.
    """
    metric = metrics.METRICS[question.metric]
    if parts is None:
        return predicted
    return decisions.nested(metric, truth, predicted, parts, asked(question))


def honest_parts(folds_of_rows: np.ndarray) -> np.ndarray:
    """int [n]: the rows' folds; where there is one fold only, halves of its rows, always the same."""
    known, parts = np.unique(folds_of_rows, return_inverse=True)
    return parts if len(known) > 1 else np.random.default_rng(0).permutation(len(parts)) % 2


def evaluate(question: Problem, truth: np.ndarray, predicted: np.ndarray, parts: np.ndarray | None = None, units: np.ndarray | None = None) -> dict:
    """`{"score", "low", "high"}`: the competition's metric with its 95 % interval over rows, drawn by `units`; see `decided` for `parts`."""
    metric, wanted = metrics.METRICS[question.metric], asked(question)
    predicted = decided(question, truth, predicted, parts)
    low, high = intervals.interval(metric, truth, predicted, wanted, units)
    return {"score": metric.score(truth, predicted, wanted), "low": low, "high": high}


def finish(place: paths.Place, run: paths.Run, settled: Config, seconds: float) -> dict:
    """Scores a run whose folds are all trained and writes `score.json`, which makes it whole: the score of all out-of-fold rows and of
    each fold (`fold_ends`: its 95 % interval, and the one that the fold's model alone will have on as many other rows as the test has).

    A `full` run has no validation rows: its expected score is that of its like on folds (see `on_folds`), where there is one.
    """
    question, fold = problem.read(place.problem), tables.read(place.folds, ["fold"]).fold.to_numpy()
    units = folds.bound(tables.read(place.train, [*folds.BINDING]))
    truth, asked_for = targets.truth(question, tables.read(place.train, ["label"]).label), len(tables.read(place.test, ["id"]))
    metric, keys = metrics.METRICS[question.metric], fold_keys(place, settled)
    scores, ends = dict.fromkeys(keys), {}
    for key in keys:
        rows, values = out_of_fold(run, [key], len(question.classes))
        if len(rows):
            own = decided(question, truth[rows], values, honest_parts(fold[rows]))
            scores[key] = metric.score(truth[rows], own, asked(question))
            of_fold = (metric, truth[rows], own, asked(question))
            known = intervals.interval(*of_fold, units[rows]), intervals.forecast(*of_fold, asked_for, units[rows])
            ends[key] = dict(zip(("low", "high", "test_low", "test_high"), (*known[0], *known[1]), strict=True))
            if np.isnan(scores[key]):
                print(f"run {run.name}, fold {key}: {metric.title} is not defined for its rows (one class only?); all folds' rows together count")
    rows, values = out_of_fold(run, keys, len(question.classes))
    found = evaluate(question, truth[rows], values, honest_parts(fold[rows]), units[rows]) if len(rows) else expected(place, run)
    result = {"metric": question.metric, **found, "rows": len(rows), "folds": scores, "fold_ends": ends}
    result |= {"test_rows": asked_for, "seconds": round(seconds, 1), "finished": now()}
    paths.write_json(run.score, result)
    return result


def page(place: paths.Place, run: paths.Run) -> dict:
    """What a run's folder says of it, as arguments of `run_page.draw`: settings, histories, scores."""
    question = problem.read(place.problem)
    score = paths.read_json(run.score)
    lines = {key: [json.loads(line) for line in run.fold(key).history.read_text().splitlines()] for key in score["folds"]}
    ends = score.get("fold_ends", {})  # runs of before do not have them
    parts = [{"key": key, "history": lines[key], "score": value, "ends": ends.get(key)} for key, value in score["folds"].items()]
    settled = dataclasses.asdict(settings(run))
    return {
        "name": run.name,
        "settings": settled,
        "folds": parts,
        "classes": question.classes,
        "metric": question.metric,
        "score": score,
        "tried": paths.read_json(run.tried),
    }


def expected(place: paths.Place, run: paths.Run) -> dict:
    """What a `full` run may expect: the score of its like on folds, where there is one."""
    like = on_folds(place, settings(run), run)
    found = paths.read_json(like.score) if like else {}
    return {name: found.get(name) for name in ("score", "low", "high")}


def on_folds(place: paths.Place, settled: Config, trained: paths.Run | None = None) -> paths.Run | None:
    """The whole run on folds that differs from the settings in fold, seeds and budget only; of several, the one trained longest. It tells
    what a run that is `trained` may expect only where it is the same network, trained about as long, and mixes pictures alike."""
    free = {"fold": "", "epochs": 0.0, "minutes": 0.0, "seed": 0, "seeds": 1}
    wanted = dataclasses.replace(settled, **free)
    whole = [(run, settings(run)) for run in all_runs(place) if run.score.exists()]
    like = [run for run, made in whole if made.fold != "full" and dataclasses.replace(made, **free) == wanted]
    return max((run for run in like if not trained or _alike(run, trained)), key=epochs_trained, default=None)


AS_LONG = 1.5  # times the epochs, at the most, of two runs that were trained about as long


def _alike(one: paths.Run, other: paths.Run) -> bool:
    ways = [{(plan.get("width"), plan.get("side"), plan.get("mix", "none")) for plan in plans(run)} for run in (one, other)]
    shorter, longer = sorted(epochs_trained(run) for run in (one, other))
    return ways[0] == ways[1] and longer <= AS_LONG * shorter


def epochs_trained(run: paths.Run) -> float:
    """Of the run's folds, on average."""
    return round(float(np.mean([plan["steps"] / plan["steps_per_epoch"] for plan in plans(run)])), 2)


def plans(run: paths.Run) -> list[dict]:
    """Of each part of the run that has one, in the parts' order."""
    return [paths.read_json(path) for path in sorted(run.folder.glob(f"*/{run.fold(0).plan.name}"))]


def ranked(begun: list[paths.Run]) -> list[paths.Run]:
    """Best first by the metric's direction; runs without a score last."""

    def key(run: paths.Run) -> tuple[bool, float]:
        score = paths.read_json(run.score) or {}
        if score.get("score") is None or np.isnan(score["score"]):
            return True, 0.0
        return False, -score["score"] if metrics.METRICS[score["metric"]].higher_is_better else score["score"]

    return sorted(begun, key=key)


def score_text(score: dict) -> str:
    if score["score"] is None:
        return f"{score['metric']} unknown: every row trained (the same settings on folds, for about as many epochs, give the expected score)"
    kind = "out-of-fold" if score["rows"] else "expected from the folds,"
    return f"{kind} {score['metric']} {with_ends(score)}"


def with_ends(score: dict) -> str:
    """A score with its interval, as `evaluate` gives them."""
    return f"{score['score']:.4f} (95 % interval {score['low']:.4f} … {score['high']:.4f})"


def best(place: paths.Place) -> str:
    """The run that step 06 names best, else the newest whole one. Raises Mistake where there is none."""
    named = (paths.read_json(place.improve) or {}).get("best")
    if named and place.run(named).score.exists():
        return named
    whole = [run for run in all_runs(place) if run.score.exists()]
    if not whole:
        raise Mistake(f"no run of {place.competition} is whole: run `make train COMPETITION={place.competition}` first.")
    return max(whole, key=lambda run: run.score.stat().st_mtime).name
