"""Where one stands: runs beside their public scores, how far a gain is noise, the two final picks, the place on the leaderboard."""

from pathlib import Path

import numpy as np
import pandas as pd

from clf import compare, config, gate, ledger, metrics, paths, problem, runs, tables
from clf.config import Mistake
from clf.problem import Problem

FEW = 3  # folds, or submissions: with fewer, their spread says nothing
DIGITS = 5  # behind the point, of a score on Kaggle's leaderboard
RANKED = 20_000  # test rows, evenly spaced, that a correlation of two runs is taken over


def number(text: str) -> float:
    """A cell of the ledger or of a leaderboard; NaN where it holds no number."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def direction(question: Problem) -> int:
    """1 where higher is better, -1 where lower is."""
    return gate.sign(metrics.METRICS[question.metric])


# -- noise -------------------------------------------------------------------------------------------------------------------------


def per_fold(score: dict) -> dict[str, float]:
    """The mean over seeds of each fold's score, of a run's `score.json`; folds without a score are left out."""
    found: dict[str, list[float]] = {}
    for key, value in score["folds"].items():
        if value is not None and not np.isnan(value):
            found.setdefault(key.partition(".")[0], []).append(value)
    return {key: float(np.mean(values)) for key, values in found.items()}


def half_width(values: list[float]) -> float:
    """Of the 95 % interval of the values' mean, by Student's t. Rows of other folds train each fold, so it is rather too narrow."""
    from scipy.stats import t

    return float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))


def noise(score: dict) -> tuple[float, str] | None:
    """How far a run's cross-validation score is uncertain (± with 95 %), and from what that is known; None where nothing says it."""
    folds = per_fold(score)
    if len(folds) >= FEW:
        return half_width(list(folds.values())), f"the spread of its {len(folds)} folds"
    if score.get("low") is None or np.isnan(score["low"]):
        return None
    return (score["high"] - score["low"]) / 2, "the bootstrap over its validation rows"


def gain_text(place: paths.Place, run: paths.Run) -> str:
    """One sentence: how the run compares with the best other one on the same tables and folds, and whether that is more than luck."""
    score, made_from = paths.read_json(run.score), paths.read_json(run.identity)["made_from"]
    if score["score"] is None or np.isnan(score["score"]):
        return "This run has no cross-validation score: nothing to compare."
    others = [other for other in runs.ranked(_scored_runs(place)) if other != run]
    others = [
        other for other in others if all(paths.read_json(other.identity)["made_from"].get(name) == made_from.get(name) for name in compare.SAME)
    ]
    if not others:
        return "No other whole run on the same tables: nothing to compare."
    try:
        gain = compare.compared(place, others[0].name, run.name).gain
    except Mistake as reason:
        return f"Not compared with {others[0].name}, the best other run: {reason}"
    luck = "more than luck" if gain.real or gain.high < 0 else "not told from luck"
    return f"Against {others[0].name}, the best other run: gain {compare.gain_text(gain)}: {luck}."


def _scored_runs(place: paths.Place) -> list[paths.Run]:
    """Whole runs that were validated on rows of their own and have a score."""
    found = [(run, paths.read_json(run.score)) for run in runs.all_runs(place)]
    return [run for run, score in found if score and score["rows"] and score["score"] is not None and not np.isnan(score["score"])]


# -- cross-validation against the leaderboard, on the page of a run --------------------------------------------------------------------


def points(place: paths.Place) -> pd.DataFrame:
    """Every submission that has both scores: run, ref, cv and public (floats)."""
    lines = ledger.folded(place)
    found = pd.DataFrame({"run": lines.run, "ref": lines.ref, "cv": lines.cv.map(number), "public": lines.public.map(number)})
    return found.astype({"cv": float, "public": float}).dropna().reset_index(drop=True)


def rank_correlation(found: pd.DataFrame) -> tuple[float, float]:
    """Spearman's, of cv and public score, and its p-value; NaN where one of them is the same everywhere."""
    from scipy.stats import spearmanr

    if found.cv.nunique() < 2 or found.public.nunique() < 2:
        return float("nan"), float("nan")
    result = spearmanr(found.cv, found.public)
    return float(result.statistic), float(result.pvalue)


def against_leaderboard(place: paths.Place, run: paths.Run) -> dict:
    """What the run's page says and draws of it: `text` (sentences), and `points`, `cv` and `noise` of the figure; no points, no figure."""
    found, score = points(place), paths.read_json(run.score)
    said = [gain_text(place, run)]
    if len(found) < FEW:
        return {"text": said, "points": found[:0], "cv": None, "noise": None, "name": run.name}
    value, chance = rank_correlation(found)
    same = "is not defined: one of them is the same everywhere" if np.isnan(value) else f"is {value:.2f} (Spearman, p = {chance:.2g})"
    said.append(f"Over {len(found)} scored submissions the rank correlation of cross-validation and public score {same}.")
    known = noise(score) if score["score"] is not None else None
    if known:
        said.append(f"The band is this run's score ± {known[0]:.4f} (95 %, from {known[1]}): submissions within it cannot be told apart by it.")
    return {"text": said, "points": found, "cv": score["score"], "noise": known and known[0], "name": run.name}


def write_page(place: paths.Place, run: paths.Run) -> None:
    """The page of a whole run."""
    from clf import run_page  # slow to import, and not every command draws

    run_page.write(place, run, against_leaderboard(place, run))


def refresh(place: paths.Place, name: str) -> None:
    """Draws the page of the run of this name again, where that run is here and whole. A page that cannot be drawn stops nothing."""
    run = place.run(name)
    if not name or not run.score.exists():
        return
    try:
        write_page(place, run)
    except (Mistake, FileNotFoundError) as problem_:
        print(f"the page of run {name} stays as it was: {problem_}")


def news_text(line: dict[str, str]) -> str:
    """What one of `ledger.take`'s events says that was not known before."""
    new = "" if line["before"] else "not in the ledger before, "
    scores = f"public {line['public'] or '–'}, private {line['private'] or '–'}"
    said = {"COMPLETE": scores, "ERROR": f"Kaggle could not score it: {line['message']}"}.get(line["status"], line["status"].lower())
    return f"ref {line['ref']}, {'run ' + line['run'] if line['run'] else repr(line['sent_as'])}: {new}{said}"


# -- runs and submissions side by side -------------------------------------------------------------------------------------------------

HEAD = ("run", "cv", "95 % interval", "folds", "public", "private", "status", "sent (UTC)", "settings")
WIDTH = 140  # characters


def table(place: paths.Place) -> list[tuple[str, ...]]:
    """Lines of `HEAD`'s columns: runs by cross-validation, the best first, one line for each submission of a run; then the submissions
    without a run here, by public score."""
    sent = ledger.folded(place)
    begun = runs.ranked(runs.all_runs(place))
    lines = []
    for run in begun:
        of_run = _run_cells(run)
        changed = " ".join(f"{name}={value}" for name, value in config.changes(runs.settings(run)).items())
        submitted = [_sent_cells(line) for line in sent[sent.run == run.name].to_dict("records")]
        lines += [(*of_run, *cells, changed) for cells in submitted or [("–",) * 4]]
    others = sent[~sent.run.isin([run.name for run in begun])].to_dict("records")
    for line in _by_public(place, others):
        score = number(line["cv"])
        known = "–" if np.isnan(score) else f"{score:.4f}"
        lines.append((line["run"] or f"(ref {line['ref']})", known, "–", "–", *_sent_cells(line), line["message"]))
    return lines


def _run_cells(run: paths.Run) -> tuple[str, str, str, str]:
    score = paths.read_json(run.score)
    if score is None:
        return run.name, "–", "not whole", "–"
    if score["score"] is None:
        return run.name, "–", "every row trained", "–"
    folds = list(per_fold(score).values())
    span = f"{len(folds)}: {min(folds):.4f}" + (f"–{max(folds):.4f}" if len(folds) > 1 else "") if folds else "as its folds"
    return run.name, f"{score['score']:.4f}", f"{score['low']:.4f}–{score['high']:.4f}", span


def _sent_cells(line: dict[str, str]) -> tuple[str, str, str, str]:
    return line["public"] or "–", line["private"] or "–", line["status"], line["time"][:16].replace("T", " ")


def _by_public(place: paths.Place, lines: list[dict[str, str]]) -> list[dict[str, str]]:
    """Best first where the problem says which way is better; those without a score last."""
    sign = direction(problem.read(place.problem)) if place.problem.exists() else 1
    return sorted(lines, key=lambda line: np.nan_to_num(-sign * number(line["public"]), nan=np.inf))


def aligned(lines: list[tuple[str, ...]]) -> str:
    """The table for the screen, at most `WIDTH` characters wide: long names and settings are cut."""
    rows = [[name if len(name) <= 24 else name[:23] + "…", *rest] for name, *rest in (HEAD, *lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(text if len(text) <= WIDTH else text[: WIDTH - 1] + "…" for text in texts)


# -- the two final picks ---------------------------------------------------------------------------------------------------------------


def picks(place: paths.Place) -> list[tuple[str, str]]:
    """The two runs to choose for the private leaderboard, each with the reason; one where only one run is whole.

    The first is the best by cross-validation. The second is, of those whose score lies within the first one's 95 % interval, the one
    whose test predictions are least correlated with it: it fails where the first does not. Where none lies within, the next best, with a
    warning.
    """
    question = problem.read(place.problem)
    sign, found = direction(question), _candidates(place, question)
    if not found:
        return []
    first, *others = found
    score = paths.read_json(first.score)
    chosen = [(first.name, f"best cross-validation, {score['score']:.4f}" + ", that of its like on folds" * (not score["rows"]))]
    if not others:
        return chosen
    border = sign * (score["low"] if sign > 0 else score["high"])
    near = [run for run in others if sign * paths.read_json(run.score)["score"] >= border]
    best = runs.predictions(place, question, first.name)
    compared = near or others[:1]
    bar = config.progress(compared, desc="correlations")
    alike = [(correlation(best, runs.predictions(place, question, run.name)), run) for run in bar]
    value, second = min(alike, key=lambda pair: pair[0])
    reached = paths.read_json(second.score)["score"]
    if near:
        why = f"least correlated with it of {len(near)} within its interval"
    else:
        worse, half = sign * (score["score"] - reached), (score["high"] - score["low"]) / 2
        why = f"warning: worse by {worse:.4f} (noise ±{half:.4f}), only the next best"
    return [*chosen, (second.name, f"{why}: rank correlation {value:.3f}, cross-validation {reached:.4f}")]


def _candidates(place: paths.Place, question: Problem) -> list[paths.Run]:
    """The whole runs of this problem, the best first. A run on every row counts with the score of its like on folds, and takes its place
    where that trained one fold only: the same settings, taught less. A mean over several folds is as good as one network of every row."""
    hashed, found = problem.hash(question), []
    for run in runs.ranked(runs.all_runs(place)):
        score = paths.read_json(run.score)
        same = paths.read_json(run.identity)["made_from"].get("problem.toml") == hashed
        if same and score and score["score"] is not None and not np.isnan(score["score"]):
            found.append(run)
    every = [run for run in found if not paths.read_json(run.score)["rows"]]
    likes = [like for run in every if (like := runs.on_folds(place, runs.settings(run), run))]
    taught_less = [like for like in likes if len(per_fold(paths.read_json(like.score))) == 1]
    return [run for run in found if run not in taught_less]


def correlation(one: runs.Predictions, other: runs.Predictions) -> float:
    """Of two runs' test predictions: Spearman's rank correlation, the mean over the classes; 1 where no class varies."""
    from scipy.stats import rankdata

    _, first, second = np.intersect1d(one.test_rows, other.test_rows, return_indices=True)
    step = max(1, len(first) // RANKED)
    ranks = [rankdata(values, axis=0) for values in (one.test[first[::step]], other.test[second[::step]])]
    centred = [values - values.mean(0) for values in ranks]
    spread = np.sqrt((centred[0] ** 2).sum(0) * (centred[1] ** 2).sum(0))
    varied = spread > 0
    return float(((centred[0] * centred[1]).sum(0)[varied] / spread[varied]).mean()) if varied.any() else 1.0


def picks_text(place: paths.Place) -> str:
    """The picks for the screen, and what is left to do for them."""
    chosen, sent = picks(place), ledger.folded(place)
    if not chosen:
        return "final picks: none yet, no whole run of this problem.toml has a cross-validation score"
    lines = ["final picks (choose them on Kaggle's page of your submissions):"]
    for place_of, (name, reason) in enumerate(chosen, 1):
        refs = sent.ref[(sent.run == name) & (sent.status == "COMPLETE")].tolist()
        known = f"ref {refs[-1]}" if refs else f"not scored yet: make submit COMPETITION={place.competition} run={name}"
        lines += [f"  {place_of}. {name}: {known}", f"     {reason}"]
    if len(chosen) == 1:
        lines.append("  2. only one run is whole: train another network, or other settings, for a second one")
    return "\n".join(lines)


# -- the place among the public scores -------------------------------------------------------------------------------------------------


def leaderboard_scores(file: Path) -> np.ndarray:
    """float [teams], in the order of the file, of Kaggle's leaderboard."""
    scores = tables.read(file).Score.map(number).to_numpy(float)
    return scores[~np.isnan(scores)]


def place_among(scores: np.ndarray, own: float, sign: int) -> tuple[int, int]:
    """(place, teams): one more than the teams that are better, in the digits that Kaggle shows: the ledger may hold more than the
    leaderboard. A score that the leaderboard does not show yet is one team more."""
    scores, own = np.round(scores, DIGITS), np.round(own, DIGITS)
    return 1 + int((sign * scores > sign * own).sum()), len(scores) + (own not in scores)


def medals(teams: int) -> dict[str, int]:
    """Medal → its last place, by the number of teams, percentages rounded down (kaggle.com/progression). Not every competition has them."""
    if teams < 100:
        return {"gold": teams // 10, "silver": teams // 5, "bronze": 2 * teams // 5}
    if teams < 250:
        return {"gold": 10, "silver": teams // 5, "bronze": 2 * teams // 5}
    if teams < 1000:
        return {"gold": 10 + teams // 500, "silver": 50, "bronze": 100}
    return {"gold": 10 + teams // 500, "silver": teams // 20, "bronze": teams // 10}


def best_public(place: paths.Place, sign: int) -> dict[str, str] | None:
    """The ledger's submission with the best public score."""
    scored = [line for line in ledger.folded(place).to_dict("records") if not np.isnan(number(line["public"]))]
    return max(scored, key=lambda line: sign * number(line["public"]), default=None)


def leaderboard_text(place: paths.Place, file: Path) -> str:
    """One's place, the next score above, the borders of the medals; and a warning where the metric's direction is not the leaderboard's."""
    question = problem.read(place.problem)
    sign, scores = direction(question), leaderboard_scores(file)
    if not len(scores):
        return "the leaderboard is empty: no team has a public score yet"
    lines = []
    if sign * (scores[0] - scores[-1]) < 0:
        better = "lower" if sign > 0 else "higher"
        lines.append(
            f"warning: on the leaderboard {better} is better, by {question.metric} in {paths.show(place.problem)} it is not: "
            "the metric may be misunderstood, and with it every choice of a run. What follows goes by the metric."
        )
    ordered = -np.sort(-sign * scores) * sign
    own = best_public(place, sign)
    if own is None:
        lines.append(f"{len(scores):,} teams, best {ordered[0]:g}; the ledger holds no public score of yours yet")
        teams = len(scores)
    else:
        value = number(own["public"])
        at, teams = place_among(scores, value, sign)
        lines.append(f"place {at:,} of {teams:,} teams (top {100 * at / teams:.1f} %) with {value:g}, run {own['run'] or '–'}, ref {own['ref']}")
        if at > 1:
            lines.append(f"next above: {ordered[at - 2]:g}; first: {ordered[0]:g}")
    zones = {medal: last for medal, last in medals(teams).items() if last}
    borders = ", ".join(f"{medal} to place {last:,} ({ordered[min(last, len(ordered)) - 1]:g})" for medal, last in zones.items())
    if own is not None:
        within = next((medal for medal, last in zones.items() if at <= last), None)
        lines.append(f"medal zone: {within or 'none'}")
    lines.append(f"where this competition has medals: {borders or 'too few teams for any'}")
    return "\n".join(lines)
