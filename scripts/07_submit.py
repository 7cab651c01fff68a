"""Averages, formats, checks and sends a run's predictions.

    make submit COMPETITION=digit-recognizer run=resnet10-3f2a      or: python -m scripts.07_submit competition=… run=…

Reads   data/C/problem.toml, train.csv, test.csv, raw/ (the sample submission), runs/R/ (predictions)
Writes  submissions/C/R.csv, R.json, and lines in submissions/C/ledger.csv for whatever is sent

The pre-flight's lines come first: one that failed stops (exit status 2), and so does a warning that the file is worthless, unless
force=true. A file that was sent once is not sent again; then its score is asked for.
"""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # python scripts/07_submit.py works too

from clf import config, kaggle, paths, preflight, problem, runs, sending, standing


@dataclass(frozen=True)
class Words(config.Words):
    run: str = config.word("", "the run to submit; empty: the best by step 06, else the newest whole one")
    dry_run: bool = config.word(False, "write and check only, send nothing")
    force: bool = config.word(False, "send a file that was sent before, or that the pre-flight warns of; never one that fails it")
    wait: float = config.word(600.0, "seconds to wait for Kaggle's score; the same command asks again later")


def main(words: Words) -> None:
    place = paths.Place(words.competition)
    question = problem.read(place.problem)
    name = words.run or runs.best(place)
    made = sending.make(place, question, name)
    for line in made["scores"]:
        print(line)

    occasion = sending.look(place, made, words.dry_run, words.force)
    checks = [*(preflight.Check(**check) for check in made["checks"]), *preflight.check_occasion(occasion)]
    preflight.show(checks)
    if words.dry_run or not kaggle.credentials():
        sent_by = ["kaggle", "competitions", "submit", words.competition, "-f", paths.show(place.submission(name)), "-m", sending.message(made)]
        print(f"submit: not sent: {'dry_run=true' if words.dry_run else occasion.unasked}. What would be sent: {shlex.join(sent_by)}")
        return
    line = occasion.sent
    if line is None or words.force:
        preflight.refuse(checks, words.force)
        line = sending.send(place, made, words.force)
    line = sending.wait(place, line, words.wait)
    standing.refresh(place, name)
    print(f"submit: {words.competition} ref {line['ref']}: {sending.outcome(place, question, line)}")


if __name__ == "__main__":
    config.command(main, Words)
