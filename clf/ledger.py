"""The ledger of one competition's submissions: append-only events, one a line, of which a submission's newest counts.

`event` is `submit` (a file was sent) or `score` (Kaggle's state of it changed). `commit` is that of the checkout when the submission's run
was begun (the message on Kaggle bears the one at the time of sending); of a submission without a run here, that of the moment.
A line that was cut while it was written has fewer cells than the header: it stays in the file, and no reader counts it.
"""

import csv
import dataclasses
import io
import json
import os
import re
import sys
from typing import Any

import pandas as pd

from clf import paths, runs
from clf.config import Mistake

COLUMNS = (
    *("time", "event", "run", "members", "commit", "settings", "tables", "folds", "cv", "seconds", "device"),
    *("file_hash", "ref", "status", "public", "private", "message"),
)
STATE = ("status", "public", "private")  # what Kaggle may change


def append(place: paths.Place, **event) -> None:
    """Appends one line, safe under other processes; `time` and `commit` are set where not given. Unknown columns raise TypeError.

    A ledger whose header lacks columns gets them first, in one atomic rewrite that keeps every line. The lock is a file beside it,
    because whoever waits for the lock of a file that is replaced would then write into the one that is gone.
    """
    if unknown := event.keys() - set(COLUMNS):
        raise TypeError(f"no column of the ledger: {sorted(unknown)}")
    given = {"time": runs.now(), **event} | ({} if "commit" in event else {"commit": runs.commit()})
    line = {name: _cell(value) for name, value in given.items()}
    with paths.locked(place.ledger_lock):
        content = place.ledger.read_bytes() if place.ledger.exists() else b""
        header, lines, cut = _parsed(place, content)
        columns = [*COLUMNS, *(name for name in header if name not in COLUMNS)]
        if not set(COLUMNS) <= set(header):
            kept = [_text([each.get(name, "") for name in columns]) for each in lines]
            whole = [_text(columns), *kept, *map(_closed, cut), _text([line.get(name, "") for name in columns])]
            paths.write_text(place.ledger, "".join(whole))
            return
        end = ""
        if not content.endswith(b"\n"):
            last = content.decode(errors="replace").rpartition("\n")[2]
            print(f"warning: the ledger's last line was cut ({last[:80]}…): make scores asks Kaggle for what it held.", file=sys.stderr)
            end = _closed(last).removeprefix(last)
        with open(place.ledger, "ab") as file:
            file.write((end + _text([line.get(name, "") for name in header])).encode())
            file.flush()
            os.fsync(file.fileno())


def read(place: paths.Place) -> pd.DataFrame:
    """Every event in order, all text. Raises Mistake where the file is no ledger."""
    header, lines, _ = _parsed(place, place.ledger.read_bytes() if place.ledger.exists() else b"")
    columns = [*COLUMNS, *(name for name in header if name not in COLUMNS)]
    return pd.DataFrame([{name: each.get(name, "") for name in columns} for each in lines], columns=columns, dtype=str)


def folded(place: paths.Place) -> pd.DataFrame:
    """One line a submission, in the order in which they were sent: its newest state, the time at which it was sent, and of all else the
    newest cell that is not empty."""
    events = read(place)
    events = events[events.ref != ""]
    if events.empty:
        return events
    found = events.mask(events == "").groupby("ref", sort=False).last().fillna("").reset_index()[list(events.columns)]
    found["time"] = events.drop_duplicates("ref").time.to_numpy()
    newest = ["event", *STATE]
    found[newest] = events.drop_duplicates("ref", keep="last").set_index("ref").loc[found.ref, newest].to_numpy()
    return found


def _cell(value: Any) -> str:
    """In one line; nothing for what is not known."""
    return "" if value is None or value != value else " ".join(str(value).split())


def _text(cells: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def _closed(cut: str) -> str:
    """A cut line with its end, so that no reader takes the next one for a part of it."""
    return cut + ('"' if cut.count('"') % 2 else "") + "\n"


def _parsed(place: paths.Place, content: bytes) -> tuple[list[str], list[dict[str, str]], list[str]]:
    """Header, lines, and those that were cut, as they are; a header that was cut is none."""
    texts = [text.rstrip("\r") for text in content.decode("utf-8-sig", errors="replace").split("\n")]
    if len(texts) == 1 and ",".join(COLUMNS).startswith(texts[0]):
        return [], [], []
    cells = [next(csv.reader([text]), []) for text in texts]
    header = cells[0]
    if not {"event", "ref"} <= set(header):
        raise Mistake(f"{paths.show(place.ledger)} is no ledger: it begins with {texts[0][:80]!r}. Restore it, or move it away.")
    last = len(header) - 1
    lines = [dict(zip(header, [*found[:last], ",".join(found[last:])], strict=True)) for found in cells[1:] if len(found) > last]
    return header, lines, [text for text, found in zip(texts[1:], cells[1:], strict=True) if text and len(found) <= last]


# -- what there is to say of a submission --------------------------------------------------------------------------------------------


def facts_of(place: paths.Place, name: str) -> dict[str, Any]:
    """The cells that a run decides: members, settings, tables (of what it was trained on), folds, cv, seconds, device and commit."""
    run = place.run(name)
    score, identity = paths.read_json(run.score) or {}, paths.read_json(run.identity) or {}
    folds, made_from = score.get("folds", {}), identity.get("made_from", {})
    settled = json.dumps(dataclasses.asdict(runs.settings(run)), sort_keys=True) if run.config.exists() else ""
    trained_on = [made_from.get(table.name) or paths.hash_file(table) for table in (place.train, place.test, place.folds)]
    devices = [(paths.read_json(run.fold(key).record) or {}).get("device") for key in folds]
    return {
        "members": " ".join(f"{name}/{key}" for key in folds),
        "settings": paths.hash_text(settled) if settled else "",
        "tables": paths.hash_text(" ".join(trained_on)),
        "folds": " ".join(_cell(value) for value in folds.values()),
        "cv": score.get("score"),
        "seconds": score.get("seconds"),
        "device": " ".join(dict.fromkeys(filter(None, devices))),
        "commit": identity.get("commit") or runs.commit(),
    }


def take(place: paths.Place, listed: list[dict[str, str]]) -> list[dict[str, str]]:
    """Appends a `score` event for each submission of Kaggle's list (`kaggle.submissions`) whose state is not the ledger's; returns them,
    the oldest submission first, each with the status `before` ("" where the ledger did not know it) and the message that it was `sent_as`.

    One that the ledger does not know was sent by hand or from elsewhere: its line bears Kaggle's time, and the run that its message names.
    """
    known = {line["ref"]: line for line in folded(place).to_dict("records")}
    taken = []
    for one in listed[::-1]:
        before = known.get(one["ref"])
        state = {name: one[name] for name in STATE}
        if before and all(before[name] == value for name, value in state.items()):
            continue
        of = {name: before[name] for name in COLUMNS if name != "time"} if before else _unknown(place, one)
        event = {**of, **state, "event": "score", "ref": one["ref"], "message": one["reason"] or of["message"]}
        append(place, **event)
        taken.append({**dict.fromkeys(COLUMNS, ""), **event, "before": before["status"] if before else "", "sent_as": one["message"]})
    return taken


def _unknown(place: paths.Place, one: dict[str, str]) -> dict[str, Any]:
    """What Kaggle says of a submission that the ledger does not know. Our messages read `run NAME cv 0.9876 COMMIT #MARK`."""
    sent = {"time": one["time"].replace("Z", "+00:00"), "message": one["message"], "commit": ""}
    named = re.match(r"run ([\w.-]+)(?: cv (-?[\d.]+))?", one["message"])
    if named and place.run(named[1]).score.exists():
        return {**sent, **facts_of(place, named[1]), "run": named[1]}
    ours = named and (named[2] or re.search(r" #[0-9a-f]{8}$", one["message"]))
    return {**sent, "run": named[1], "cv": named[2]} if ours else sent
