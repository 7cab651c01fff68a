"""Is the judge right? Short trainings of several settings, folds and seeds, and what gates and intervals say of them.

The trainings are those of step 05, short ones, in a folder of their own: `make runs` does not list them.
"""

import dataclasses
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clf import compare, config, crew, decisions, folds, gate, intervals, paths, planning, problem, report, runs, styles, submission, tables, targets
from clf.compare import Bench, Training
from clf.config import Config

# name -> what differs from the base; some help, some harm, some do next to nothing: a gate has to tell them apart
SETTINGS: dict[str, dict] = {
    "base": {},
    "no augmentation": {"augment": "none"},
    "stronger augmentation": {"augment": "medium"},
    "no label smoothing": {"label_smoothing": 0.0},
    "narrower network": {"width": 0.7},
    "lower rate": {"learning_rate": 0.02},
    "no average of weights": {"ema": 0.0},
    "shorter": {"epochs": 0.7},
    "longer": {"epochs": 1.4},
}
TIMES = ("epochs", "width")  # settings above that multiply the base's
FOLDS = 3  # that every setting and seed trains; the base's first seed trains all
REPEATS = ((2, 1), (1, 1), (2, 2))  # trainings of each fold in the two arms of a gate; the first is what step 06 has
COLOURS = (report.BLUE, report.ORANGE, "#2f855a")
BINS = 6  # points of the curve
SEEDS = 4  # what the largest of REPEATS takes
MARKS = re.compile(r"(<!-- judge -->\n).*(<!-- /judge -->)", re.DOTALL)


# -- trainings -----------------------------------------------------------------------------------------------------------------------


def base(place: paths.Place, wanted: Config, steps: int, seeds: int) -> Config:
    """Every fold with each seed, about so many steps each."""
    settled = runs.settle(place, dataclasses.replace(wanted, fold="all", seeds=seeds, minutes=0.0, epochs=1.0, width=wanted.width or 1.0))
    rows = len(folds.rows(tables.read(place.folds), "0")[0])
    return dataclasses.replace(settled, epochs=round(steps * planning.batch_size(settled, rows) / rows, 3))


def variants(settled: Config) -> dict[str, Config]:
    """Of each of SETTINGS that changes something: what the metric asks for may be one of them."""

    def changes(change: dict) -> dict:
        return {key: getattr(settled, key) * value if key in TIMES else value for key, value in change.items()}

    found = {name: dataclasses.replace(settled, **changes(change)) for name, change in SETTINGS.items()}
    return {name: setting for name, setting in found.items() if name == "base" or setting != settled}


def trained(place: paths.Place, settled: Config, gated: bool = True) -> list[list[Training]]:
    """The trainings of each of SETTINGS, or of the base's first seed only.

    What lacks is trained, each part in a fresh interpreter; a killed command continues, changed code begins anew.
    """
    found = []
    for name, setting in variants(settled).items() if gated else [("base", settled)]:
        run = place.judged_run(name.replace(" ", "-"))
        made_from = runs.identity(place, setting)
        if paths.changed(run.identity, made_from):
            shutil.rmtree(run.folder, ignore_errors=True)
            config.write_toml(run.config, setting, f"The settings of {name!r}, every one.", only_changes=False)
            paths.write_json(run.identity, {"made_from": made_from})
        parts = [key.partition(".") for key in runs.fold_keys(place, setting)]
        keys = ["".join(part) for part in parts if (gated and int(part[0]) < FOLDS) or (name == "base" and not part[2])]
        print(f"-- {name} ({len(found) + 1} of {len(SETTINGS)}), {config.elapsed() / 60:.0f} minutes")
        crew.train(place, run, keys, None, None)
        found.append(run)
    on = compare.bench(place)
    return [compare.trainings(on, run) for run in found]


# -- gates on them -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """Of one gate: what it had, and what it said of a gain that is known better from all trainings (0 for another seed only)."""

    repeats: tuple[int, int]
    folds: int
    true: float
    gain: float
    kept: bool
    inside: bool  # whether the true gain lies in the interval


class Stored:
    """Decided predictions of trainings, by fold and seed."""

    def __init__(self, on: Bench, settings: Sequence[Sequence[Training]]):
        self.on, self.asked = on, runs.asked(on.question)
        self.folds = [str(number) for number in range(FOLDS)]
        seeds = [sorted({each.seed for each in trained}) for trained in settings]
        self.seeds = [seed for seed in seeds[0] if all(seed in other for other in seeds)]
        self.rows = {fold: next(each.rows for each in settings[0] if each.fold == fold) for fold in self.folds}
        self.held = [{(each.fold, each.seed): each.predicted for each in trained} for trained in settings]

    def arm(self, setting: int, wanted: Sequence[str], seeds: Sequence[int]) -> list[np.ndarray]:
        rows = self.of(wanted)
        parts = runs.honest_parts(self.on.fold[rows])
        values = [np.concatenate([self.held[setting][fold, seed] for fold in wanted]) for seed in seeds]
        return [runs.decided(self.on.question, self.on.truth[rows], each, parts) for each in values]

    def of(self, wanted: Sequence[str]) -> np.ndarray:
        return np.concatenate([self.rows[fold] for fold in wanted])

    def mean(self, setting: int, wanted: Sequence[str]) -> float:
        """The score of a setting, over all its trainings of these folds."""
        truth = self.on.truth[self.of(wanted)]
        return float(np.mean([self.on.metric.score(truth, each, self.asked) for each in self.arm(setting, wanted, self.seeds)]))


def gates(stored: Stored, count: int, worthless: bool, seed: int = 0) -> list[Verdict]:
    """`count` gates between random settings, on one fold or all, with random seeds; worthless ones between seeds of one setting."""
    on, generator, found = stored.on, np.random.default_rng(seed), []
    means: dict[tuple, float] = {}
    for number in config.progress(range(count), desc="gates", unit=" gates"):
        first, second = generator.permutation(len(stored.held))[:2]
        second = first if worthless else second
        wanted = [stored.folds[generator.integers(FOLDS)]] if number % 2 else stored.folds
        sizes = REPEATS[number // 2 % len(REPEATS)]
        drawn = generator.permutation(stored.seeds)
        arms = stored.arm(first, wanted, drawn[: sizes[0]]), stored.arm(second, wanted, drawn[sizes[0] : sum(sizes)])
        rows = stored.of(wanted)
        repeated = [(on.truth[stored.rows[fold]], stored.arm(first, [fold], drawn[: sizes[0]]), on.units[stored.rows[fold]]) for fold in wanted]
        measured = gate.noise(on.metric, repeated, stored.asked)
        said = gate.gain(on.metric, on.truth[rows], *arms, stored.asked, measured, on.units[rows])
        for setting in (first, second):
            key = setting, *wanted
            means[key] = means.get(key) or stored.mean(setting, wanted)
        true = gate.sign(on.metric) * (means[second, *wanted] - means[first, *wanted])
        found.append(Verdict(sizes, len(wanted), true, said.gain, said.real, said.low <= true <= said.high))
    return found


def ratios(stored: Stored) -> list[gate.Noise]:
    """The noise of each setting and fold alone: what `gate.PRIOR` stands for."""
    on, found = stored.on, []
    for setting in range(len(stored.held)):
        for fold in stored.folds:
            rows = stored.rows[fold]
            group = (on.truth[rows], stored.arm(setting, [fold], stored.seeds), on.units[rows])
            found.append(gate.noise(on.metric, [group], stored.asked))
    return [each for each in found if each]


# -- intervals on hidden rows --------------------------------------------------------------------------------------------------------


def forecasts(on: Bench, trained: Sequence[Training]) -> list[tuple[float, float, float, float]]:
    """For each training `(own score, low, high, score on the hidden answers)`; low and high by `intervals.forecast`. None without answers."""
    place, question, asked = on.place, on.question, runs.asked(on.question)
    if not place.answers.exists():
        return []
    answers, test = submission.load(place.answers), tables.read(place.test)
    truth = submission.read(question, answers)
    truth = truth.argmax(1) if question.kind in problem.SINGLE else truth
    prior = targets.prior(question, tables.read(place.train).label)
    found = []
    for each in trained:
        rows, values = paths.read_predictions(each.run.fold(each.key).test)
        ids, predicted, _ = submission.complete(question, answers, test, rows, values, prior)
        known = on.truth[each.rows]
        cuts = decisions.fit_cuts(on.metric, known, each.predicted, asked)
        own = runs.decided(question, known, each.predicted, runs.honest_parts(on.fold[each.rows]))
        low, high = intervals.forecast(on.metric, known, own, asked, len(ids), on.units[each.rows])
        hidden = on.metric.score(truth, styles.decide(question, predicted, cuts), asked)
        found.append((on.metric.score(known, own, asked), low, high, hidden))
    return found


@dataclass(frozen=True)
class Judged:
    """What `make judge` found on one competition."""

    metric: str
    worthless: list[Verdict]
    real: list[Verdict]
    ratios: list[gate.Noise]
    forecasts: list[tuple[float, float, float, float]]


def known() -> dict[str, Judged]:
    """By competition, what earlier commands found."""

    def read(of: dict) -> Judged:
        verdicts = {name: [Verdict(**{**each, "repeats": tuple(each["repeats"])}) for each in of[name]] for name in ("worthless", "real")}
        return Judged(**{**of, **verdicts, "ratios": [gate.Noise(**each) for each in of["ratios"]]})

    return {name: read(of) for name, of in (paths.read_json(paths.judge()) or {}).items()}


def judged(place: paths.Place, settings: Sequence[Sequence[Training]], count: int) -> Judged:
    on = compare.bench(place)
    held = forecasts(on, [each for trained in settings for each in trained])
    if not count:
        return Judged(on.question.metric, [], [], [], held)
    stored = Stored(on, settings)
    worthless, real = (gates(stored, count, each) for each in (True, False))
    return Judged(on.question.metric, worthless, real, ratios(stored), held)


# -- what is said and drawn ------------------------------------------------------------------------------------------------------------


def share(kept: Sequence[bool]) -> tuple[float, float, float]:
    """(share, low, high): Wilson's 95 % interval, as if the gates were independent; they share trainings, so it is rather too narrow."""
    right = np.asarray(kept)
    return float(right.mean()), *intervals.share_interval(float(right.mean()), len(right))


def curve(verdicts: Sequence[Verdict]) -> list[tuple[float, float, float, float, int]]:
    """`(mean true gain, share kept, low, high, gates)` in bins of equally many gates with a true gain above 0."""
    real = sorted((each for each in verdicts if each.true > 0), key=lambda each: each.true)
    bins = [real[len(real) * number // BINS : len(real) * (number + 1) // BINS] for number in range(BINS)]
    return [(float(np.mean([each.true for each in part])), *share([each.kept for each in part]), len(part)) for part in bins if part]


def draw(path: Path, found: dict[str, Judged]) -> None:
    """A PNG: for each competition the share of changes that are kept over their true gain."""
    found = {name: of for name, of in found.items() if of.worthless}
    if not found:
        return
    figure, axes = report.figure_with(len(found), 4.6 * len(found), 3.2)
    for each, (name, of) in zip(axes, found.items(), strict=True):
        for sizes, colour in zip(REPEATS, COLOURS, strict=True):
            gains, kept, low, high, _ = zip(*curve(of_sizes(of.real, sizes)), strict=True)
            bars = np.abs(np.array([low, high]) - np.array(kept))
            label = f"{sizes[0]} trainings against {sizes[1]}"
            each.errorbar(gains, kept, yerr=bars, color=colour, marker=".", linewidth=1.2, elinewidth=0.8, label=label)
        nothing = share([verdict.kept for verdict in of.worthless])[0]
        each.axhline(nothing, color=report.GREY, linestyle="--", linewidth=0.9, label=f"another seed only: {nothing:.1%}")
        each.set_title(name, fontsize=9)
        each.set_xlabel(f"true gain, {of.metric}", fontsize=9)
        each.set_ylabel("share kept", fontsize=9)
        each.set_ylim(-0.02, 1.02)
        each.grid(color="#e2e8f0", linewidth=0.6)
        each.legend(fontsize=7, frameon=False)
    paths.write_bytes(path, report.png(figure))


def of_sizes(verdicts: Sequence[Verdict], sizes: tuple[int, int]) -> list[Verdict]:
    return [each for each in verdicts if each.repeats == sizes]


def table(found: dict[str, Judged]) -> list[str]:
    """Markdown: how often worthless changes are kept and real ones by their true gain; and how often forecasts hold."""
    lines = ["| competition | metric | trainings a fold | worthless changes kept | real changes kept, by their true gain |", "|---|---|---|---|---|"]
    for name, of in found.items():
        for sizes in REPEATS if of.worthless else ():
            nothing, points = [each.kept for each in of_sizes(of.worthless, sizes)], curve(of_sizes(of.real, sizes))
            kept, low, high = share(nothing)
            shares = ", ".join(f"{gain:.2g}: {part:.0%}" for gain, part, *_ in points)
            lines.append(f"| {name} | {of.metric} | {sizes[0]}, {sizes[1]} | {kept:.1%} ({low:.1%} to {high:.1%}) of {len(nothing)} | {shares} |")
    head = "| competition | trainings | own fold's forecast holds the hidden score | interval of a gain holds the true gain |"
    lines += ["", head, "|---|---|---|---|"]
    for name, of in found.items():
        held = [low <= hidden <= high for _, low, high, hidden in of.forecasts]
        inside = f"{share([each.inside for each in (*of.worthless, *of.real)])[0]:.1%}" if of.worthless else "–"
        lines.append(f"| {name} | {len(held)} | {f'{sum(held)} of {len(held)}' if held else 'no answers'} | {inside} |")
    return lines


def text(name: str, of: Judged) -> list[str]:
    """The same for the screen, and what the stored estimate of noise would be by this competition."""
    if not of.ratios:
        return table({name: of})
    known = [each.ratio for each in of.ratios]
    spread = f"median {np.median(known):.2f}, mean {np.mean(known):.2f}, variance {np.var(known, ddof=1):.2f} of {len(known)} settings and folds"
    return [*table({name: of}), f"seeds vary the score {spread} times as much as their rows explain"]


def write_readme(found: dict[str, Judged]) -> None:
    """The README's table and its picture."""
    draw(paths.readme_picture(), found)
    lines = "\n".join(table(found))
    text = paths.readme().read_text()
    paths.write_text(paths.readme(), MARKS.sub(lambda marks: f"{marks[1]}{lines}\n{marks[2]}", text))
