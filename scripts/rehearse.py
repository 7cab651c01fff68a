"""make rehearse: a competition of one's own, of some training rows as a hidden test, through 02 to 07 without network, and its score.

    python scripts/rehearse.py competition=… [holdout=0.2] [any word of 02 to 07, as minutes=3]

Needs 01 and 02 of the competition. The hidden test are the locked rows of its folds.csv, or holdout= of its rows, drawn for this alone.
The rehearsal is a competition called C.rehearsal, on which every verb works; the same command again only does what is new. At the end:
the hidden score beside the cross-validation's and the prior's, and every graded run, best first.
"""

import importlib
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths, problem, rehearsal, runs, steps

STEPS = ("02_explore", "03_prepare", "04_train_sample", "05_train", "06_improve", "07_submit")


@dataclass(frozen=True)
class Words(config.Words):
    holdout: float = config.word(0.2, "share of the training rows that is the hidden test, where 03 has locked none", 0.01, 0.5)


def main(given: dict[str, str]) -> None:
    began, scripts = time.monotonic(), {step: importlib.import_module(f"scripts.{step}") for step in STEPS}
    steps.check_words(scripts, given, list(config.fields(Words)), "a rehearsal")
    words = Words(**{name: config.set_typed(Words, name, given[name]) for name in config.fields(Words) if name in given})
    config.check_competition(words.competition)
    place = paths.Place(words.competition)
    there = rehearsal.of(place)
    print(f"rehearse: {rehearsal.make(place, words.holdout)}", flush=True)

    on = {word: value for word, value in given.items() if word != "holdout"} | {"competition": there.competition, "dry_run": "true"}
    alone = rehearsal.offline(dict(os.environ), there)
    steps.run({"02_explore": scripts.pop("02_explore")}, on, began, alone)
    for line in rehearsal.differences(place):
        print(f"  check: another question than {place.competition}'s: {line}")
    steps.run(scripts, on, began, alone)

    run, metric = given.get("run") or runs.best(there), problem.read(there.problem).metric
    found, score = rehearsal.graded(there, run), paths.read_json(there.run(run).score)
    print(f"\n== {there.competition}, run {run}")
    print(f"hidden {metric} {found['score']:.4f} (95 % interval {found['low']:.4f} … {found['high']:.4f}) on {found['rows']:,} examples")
    print(runs.score_text(score))
    print(f"prior {metric} {found['prior']:.4f}: the mean of train's labels, whatever the picture")
    print(rehearsal.verdict(metric, found, score))
    print("\nhidden   cross-validation  run")
    for row in rehearsal.leaderboard(there):
        print(f"{row['score']:.4f}   {'–' if row['cv'] is None else format(row['cv'], '.4f'):16}  {row['run']}")
    print(f"rehearse: done in {time.monotonic() - began:.0f} s; further runs: make train, then make submit, with COMPETITION={there.competition}")


if __name__ == "__main__":
    with config.guard():
        main(config.split_words(sys.argv[1:]))
