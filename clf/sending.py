"""A submission's way to Kaggle: the file made, its pre-flight, sent once, its score asked for, all of it written into the ledger."""

import contextlib
import secrets
import sys
import threading
from collections.abc import Iterator

import numpy as np

from clf import config, kaggle, ledger, metrics, paths, preflight, problem, runs, submission, tables, targets
from clf.problem import Problem

NAMED = 100  # ids in the record
SENDING, UNSENT = "SENDING", "UNSENT"  # the ledger's own states of an upload that has no ref yet


# -- the file ----------------------------------------------------------------------------------------------------------------------


def make(place: paths.Place, question: Problem, name: str) -> dict:
    """The run's submission and its record, made where they are not there or were made from something else; returns the record.

    Raises Mistake where a check of the file fails: nothing is written then.
    """
    file, record, sample_file = place.submission(name), place.submission_record(name), place.raw / question.submission_file
    found = runs.predictions(place, question, name)
    made_from = {
        "problem.toml": problem.hash(question),
        **{path.name: paths.hash_file(path) for path in (sample_file, place.train, place.test, place.answers)},
        **{f"{name} {key}": paths.hash_bytes(array.tobytes()) for key, array in vars(found).items() if isinstance(array, np.ndarray)},
        **paths.code("preflight"),
    }
    made = paths.read_json(record) or {}
    reason = paths.changed(record, made_from)
    if not reason and paths.hash_file(file) != made["file_hash"]:
        reason = f"{paths.show(file)} changed"
    if not reason:
        print(f"submit: nothing to make ({paths.show(file)} holds run {name} and passed its checks)")
        return made
    print(f"submit: run {name} ({reason})")
    train, test, sample = tables.read(place.train), tables.read(place.test), submission.load(sample_file)
    cuts = runs.cuts(question, train, found)
    prior = targets.prior(question, train["label"])
    ids, predictions, filled = submission.complete(question, sample, test, found.test_rows, found.test, prior)
    content = submission.text(submission.build(question, sample, ids, predictions, cuts))
    frame = submission.parse(content)
    checks = preflight.check_file(question, frame, sample, found.valid if len(found.valid) else None, cuts)
    if any(check.state == "failed" for check in checks):
        preflight.show(checks)
        preflight.refuse(checks, force=False)
    paths.write_text(file, content)
    made = {
        "made_from": made_from,
        "run": name,
        "members": {name: list(paths.read_json(place.run(name).score)["folds"])},
        "file_hash": paths.hash_file(file),
        "rows": len(frame),
        "rows_with_the_prior": len(filled),
        "their_first_ids": filled[:NAMED],
        "cuts": None if cuts is None else cuts.tolist(),
        "checks": [vars(check) for check in checks],
        "scores": submission.known_scores(place, question, frame, name, found, cuts),
        "cv": paths.read_json(place.run(name).score)["score"],
        "commit": runs.commit(),
    }
    paths.write_json(record, made)
    without = f"; {len(filled):,} rows without a readable picture got the mean of train's labels" if filled else ""
    print(f"{paths.show(file)}: {len(frame):,} rows{without}")
    return made


def message(made: dict) -> str:
    """What the submission is called on Kaggle, before its mark."""
    cv = "" if made["cv"] is None else f"cv {made['cv']:.4f}"
    return " ".join(f"run {made['run']} {cv} {made['commit']}".split())


# -- before the upload -------------------------------------------------------------------------------------------------------------


def announce(place: paths.Place) -> None:
    """Says, before training time is spent, what will keep a submission from counting, by what 01 was told by Kaggle. Of files from a folder
    01 was told nothing: Kaggle is asked here, where there are credentials; without an answer nothing is said."""
    download = paths.read_json(place.download) or {}
    facts = download.get("facts", {})
    with contextlib.suppress(config.Mistake):
        if download and not facts and not download.get("slice") and kaggle.credentials():
            facts = kaggle.facts(place.competition, "submit")
    for name in ("kind", "deadline") if facts else ():
        holds, said = preflight.OCCASION[name][0](preflight.Occasion(place.competition, facts=facts))
        if holds is False:
            print(f"note: {'the deadline, ' if name == 'deadline' else ''}{said}")


def look(place: paths.Place, made: dict, dry_run: bool, force: bool) -> preflight.Occasion:
    """What surrounds the upload of a file; Kaggle is asked where there are credentials, and a dry run goes on where it does not answer.

    An upload that an earlier command began and did not see the end of is looked for in Kaggle's list first, unless this is a dry run.
    """
    download = paths.read_json(place.download) or {}
    signed_in, whole = kaggle.credentials(), not download.get("slice")
    facts, allowance, unasked = download.get("facts", {}), None, "no Kaggle credentials were found"
    if signed_in and not whole:
        unasked = "the data is a slice"
    elif signed_in:
        unasked = ""
        try:
            facts = facts or kaggle.facts(place.competition, "submit")
            allowance = kaggle.allowance(place.competition)
            if not dry_run:
                recover(place, made)
        except config.Mistake as mistake:
            if not dry_run:
                raise
            unasked = str(mistake)
    sent = last_sent(place, made["file_hash"])
    return preflight.Occasion(place.competition, made["run"], whole, facts, allowance, unasked, sent, force)


# -- sent once ---------------------------------------------------------------------------------------------------------------------


def mark_of(file_hash: str) -> str:
    """What a message ends with: found in Kaggle's list, it says that just this file was sent, also where the ledger is lost."""
    return f"#{file_hash.removeprefix('sha256:')[:8]}"


def last_sent(place: paths.Place, file_hash: str) -> dict[str, str] | None:
    """The ledger's newest line about a submission of just this file."""
    lines = ledger.folded(place)
    return next(iter(lines[lines.file_hash == file_hash].to_dict("records")[::-1]), None)


def recover(place: paths.Place, made: dict) -> None:
    """Looks for the uploads of this file that were begun and whose end nobody wrote down (a kill, a cut line), and writes it down.

    Without a ledger the file may have been sent from another place. Raises Mistake where Kaggle's list cannot be read: it is not known
    then whether the file is there, and nothing may be sent.
    """
    events = ledger.read(place)
    newest = events[events.file_hash == made["file_hash"]].drop_duplicates("message", keep="last")
    begun = newest[newest.status == SENDING].to_dict("records")
    if events.empty:
        mark = mark_of(made["file_hash"])
        if ref := kaggle.find(place.competition, mark):
            ledger.append(place, **_event(place, made, f"{message(made)} {mark}"), event="submit", ref=str(ref), status="PENDING")
    for line in begun:
        print("an earlier command did not see the end of its upload of this file: looking for it in Kaggle's list", flush=True)
        ref = kaggle.find(place.competition, line["message"].rpartition(" ")[2], kaggle.ATTEMPTS)
        known = {name: cell for name, cell in line.items() if name in ledger.COLUMNS and name != "time"}
        ledger.append(place, **{**known, "ref": str(ref or ""), "status": "PENDING" if ref else UNSENT})
        print(f"it is there as ref {ref}" if ref else "it is not there: nothing was submitted by it")


def _event(place: paths.Place, made: dict, sent_as: str) -> dict:
    return {**ledger.facts_of(place, made["run"]), "run": made["run"], "file_hash": made["file_hash"], "cv": made["cv"], "message": sent_as}


def send(place: paths.Place, made: dict, force: bool) -> dict:
    """Uploads the file once and returns the ledger's line about it. Raises Mistake where Kaggle refuses.

    The intent is written before the upload, so that a command that is killed meanwhile leaves the mark to look for: `recover`. Another
    process that sends for this competition is waited for.
    """
    with paths.locked(place.sending_lock):
        line = last_sent(place, made["file_hash"])
        if line is not None and not force:
            return line
        mark = mark_of(made["file_hash"]) if line is None else f"#{secrets.token_hex(4)}"
        line = {**_event(place, made, f"{message(made)} {mark}"), "event": "submit", "ref": "", "status": SENDING}
        ledger.append(place, **line)
        ref = kaggle.submit(place.competition, place.submission(made["run"]), message(made), mark)
        line |= {"ref": str(ref), "status": "PENDING"}
        ledger.append(place, **line)
        return line


# -- its score ---------------------------------------------------------------------------------------------------------------------


def wait(place: paths.Place, line: dict, seconds: float) -> dict:
    """Asks for the score of a ledger line's submission, and writes it into the ledger; returns the newest line.

    The upload's line stands there already: whoever is stopped meanwhile, or whose seconds run out, asks again later.
    """
    if line["status"] != "PENDING":
        return line
    try:
        print(f"ref {line['ref']}: waiting up to {seconds:.0f} s for the score", flush=True)
        with _clock(seconds):
            answer = kaggle.wait(place.competition, int(line["ref"]), seconds)
    except KeyboardInterrupt:
        print(f"\nref {line['ref']} is with Kaggle and stands in the ledger: make scores COMPETITION={place.competition}", file=sys.stderr)
        raise
    state = {name: answer[name] for name in ("status", "public", "private")}
    known = {name: cell for name, cell in line.items() if name in ledger.COLUMNS and name != "time"}
    scored = {**known, **state, "event": "score", "message": answer["reason"] or line["message"]}
    if answer["status"] != "PENDING":
        ledger.append(place, **scored)
    return scored


@contextlib.contextmanager
def _clock(seconds: float) -> Iterator[None]:
    """Shows the time that has passed and its limit while the block waits."""
    over = threading.Event()
    with config.progress(total=round(seconds), desc="score", bar_format="{desc}: waited {elapsed}, at most {total_fmt} s") as bar:

        def tick() -> None:
            while not over.wait(1):
                bar.update(1)

        ticking = threading.Thread(target=tick, daemon=True)
        ticking.start()
        try:
            yield
        finally:
            over.set()
            ticking.join()


def outcome(place: paths.Place, question: Problem, line: dict) -> str:
    """What a ledger line says of the score, beside the cross-validation's and one's own others. Raises Mistake where Kaggle could not score it."""
    if line["status"] == "ERROR":
        raise config.Mistake(f"Kaggle could not score ref {line['ref']}: {line['message']}. Once mended, force=true sends the file again.")
    if line["status"] != "COMPLETE":
        return f"not scored yet; the same command asks again, and so does make scores COMPETITION={place.competition}"
    if not line["public"]:
        return "scored, but Kaggle shows no public score"
    said = f"public {line['public']}"
    if str(line["cv"] or "") not in ("", "nan"):
        said += f", cv {float(line['cv']):.4f}, difference {float(line['public']) - float(line['cv']):+.4f}"
    own = ledger.folded(place)
    scores = [float(score) for score in own[own.status == "COMPLETE"].public if score]
    higher = metrics.METRICS[question.metric].higher_is_better
    better = sum(score > float(line["public"]) if higher else score < float(line["public"]) for score in scores)
    return said + (f", number {better + 1} of {len(scores)} own submissions" if len(scores) > 1 else "")
