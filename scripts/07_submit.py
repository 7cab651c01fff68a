"""Averages, formats, checks and sends a run's predictions.

    make submit COMPETITION=digit-recognizer run=resnet10-3f2a      or: python -m scripts.07_submit competition=… run=…

Reads   data/C/problem.toml, train.csv, test.csv, raw/ (the sample submission), runs/R/ (predictions)
Writes  submissions/C/R.csv, R.json, and a line in submissions/C/ledger.csv for whatever is sent

Nothing is written where a check fails. A file that was sent once is not sent again; then its score is asked for.
"""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # python scripts/07_submit.py works too

from clf import config, paths, problem, runs, sending, submission, tables, targets

NAMED = 100  # ids in the record


@dataclass(frozen=True)
class Words(config.Words):
    run: str = config.word("", "the run to submit; empty: the best by step 06, else the newest whole one")
    dry_run: bool = config.word(False, "write and check only, send nothing")
    force: bool = config.word(False, "send a file again that was sent before")
    wait: float = config.word(600.0, "seconds to wait for Kaggle's score; the same command asks again later")


def main(words: Words) -> None:
    place = paths.Place(words.competition)
    question = problem.read(place.problem)
    name = words.run or runs.best(place)
    file, record = place.submission(name), place.submission_record(name)
    sample_file = place.raw / question.submission_file
    found = runs.predictions(place, question, name)
    score = paths.read_json(place.run(name).score)
    made_from = {
        "problem.toml": problem.hash(question),
        **{path.name: paths.hash_file(path) for path in (sample_file, place.train, place.test, place.answers)},
        **{f"{name} {key}": paths.hash_bytes(array.tobytes()) for key, array in vars(found).items() if array is not None},
        **paths.code("submission"),
    }
    made = paths.read_json(record) or {}
    reason = paths.changed(record, made_from)
    if not reason and paths.hash_file(file) != made["file_hash"]:
        reason = f"{paths.show(file)} changed"
    if not reason:
        print(f"submit: nothing to make ({paths.show(file)} holds run {name} and passed its checks)")
    else:
        print(f"submit: run {name} ({reason})")
        train, test, sample = tables.read(place.train), tables.read(place.test), submission.load(sample_file)
        cuts = runs.cuts(question, train, found)
        prior = targets.prior(question, train["label"])
        ids, predictions, filled = submission.complete(question, sample, test, found.test_rows, found.test, prior)
        content = submission.text(submission.build(question, sample, ids, predictions, cuts))
        frame = submission.parse(content)
        checks = submission.check(question, frame, sample, found.valid if len(found.valid) else None, cuts)
        for check in checks:
            print(f"  {check.name:<13} {check.state:<7} {check.text}")
        submission.refuse_failed(checks)
        paths.write_text(file, content)
        made = {
            "made_from": made_from,
            "run": name,
            "members": {name: list(score["folds"])},
            "file_hash": paths.hash_file(file),
            "rows": len(frame),
            "rows_with_the_prior": len(filled),
            "their_first_ids": filled[:NAMED],
            "cuts": None if cuts is None else cuts.tolist(),
            "checks": [vars(check) for check in checks],
            "scores": submission.known_scores(place, question, frame, name, found, cuts),
            "cv": score["score"],
            "commit": runs.commit(),
        }
        paths.write_json(record, made)
        without = f"; {len(filled):,} rows without a readable picture got the mean of train's labels" if filled else ""
        print(f"{paths.show(file)}: {len(frame):,} rows{without}")
    for line in made["scores"]:
        print(line)

    cv = "" if made["cv"] is None else f"cv {made['cv']:.4f}"
    message = " ".join(f"run {name} {cv} {made['commit']}".split())
    command = shlex.join(["kaggle", "competitions", "submit", words.competition, "-f", paths.show(file), "-m", message])
    obstacle = "dry_run=true" if words.dry_run else sending.obstacle(paths.read_json(place.download) or {})
    if obstacle:
        print(f"submit: not sent: {obstacle}. What would be sent: {command}")
        return
    event = {"run": name, "file_hash": made["file_hash"], "cv": made["cv"], "message": message}
    sent = sending.send(place, event, words.force, words.wait)
    print(f"submit: {words.competition} ref {sent['ref']}: {sending.outcome(sent)}")


if __name__ == "__main__":
    config.command(main, Words)
