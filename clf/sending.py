"""A submission's way to Kaggle: what forbids it, sent once, its score asked for, both written into the ledger."""

from pathlib import Path

from clf import config, kaggle, paths, runs, tables


def obstacle(download: dict) -> str | None:
    """Why a file must not be uploaded, by what `download.json` says of the data, and by who is signed in; None: it may."""
    if download.get("slice"):
        return "the data is a slice of the competition's, and Kaggle wants the whole test set"
    if download.get("facts", {}).get("code_competition"):
        return "a code competition takes a notebook, not a file"
    return None if kaggle.credentials() else "no Kaggle credentials were found"


def last_sent(ledger: Path, file_hash: str) -> dict[str, str] | None:
    """The ledger's newest line about an upload of just this file."""
    lines = tables.read(ledger).to_dict("records") if ledger.exists() else []
    return next((line for line in reversed(lines) if line["file_hash"] == file_hash and line["ref"]), None)


def send(place: paths.Place, event: dict, force: bool, seconds: float) -> dict:
    """Uploads `event["run"]`'s file once, waits for its score, and writes both into the ledger; returns the newest ledger line.

    event: run, file_hash, cv and message. The upload's line is written before the wait: a command that is stopped meanwhile, or whose
    seconds run out, asks for the score the next time and does not send again, unless force. Raises Mistake where Kaggle refuses.
    """
    line = last_sent(place.ledger, event["file_hash"])
    if line is None or force:
        ref = kaggle.submit(place.competition, place.submission(event["run"]), event["message"])
        line = {**event, "event": "submit", "ref": str(ref), "status": "PENDING"}
        runs.log(place, **line)
    else:
        print(f"this very file was sent before (run {line['run']}, ref {line['ref']}): not sent again; force=true would")
    if line["status"] == "PENDING":
        print(f"ref {line['ref']}: waiting up to {seconds:.0f} s for the score", flush=True)
        answer = kaggle.wait(place.competition, int(line["ref"]), seconds)
        line = {**event, "event": "score", "ref": line["ref"], **{name: answer[name] for name in ("status", "public", "private")}}
        line["message"] = answer["reason"] or event["message"]
        if answer["status"] != "PENDING":
            runs.log(place, **line)
    return line


def outcome(line: dict) -> str:
    """What a ledger line says of the score. Raises Mistake where Kaggle could not score the file."""
    if line["status"] == "ERROR":
        raise config.Mistake(f"Kaggle could not score ref {line['ref']}: {line['message']}. Once mended, force=true sends the file again.")
    return f"public {line['public']}" if line["status"] == "COMPLETE" else "not scored yet; the same command asks again"
