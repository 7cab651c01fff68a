"""The ledger: whole under two processes, also while its header grows; cut lines; the newest state of each submission; Kaggle's list."""

import dataclasses
import subprocess
import sys

import pytest

from clf import config, ledger, paths, runs, tables

OLD = "time,event,run,ref,status,public,message,colour\n"  # an earlier version's header, and a column that none of ours has
NOTHING = dict.fromkeys(ledger.COLUMNS, "")


@pytest.fixture
def place(scratch):
    return paths.Place("x")


# Between what it reads of the ledger and what it writes, a process dawdles: without a lock the other one gets between.
WRITER = """
import sys, time
from clf import ledger, paths
parsed = ledger._parsed
ledger._parsed = lambda *given: (parsed(*given), time.sleep(0.05))[0]
print("ready", flush=True)
sys.stdin.readline()
for number in range(8):
    ledger.append(paths.Place("x"), event="submit", ref=f"{sys.argv[1]}{number}", run=f"r{number}", commit="c", message="a, b")
"""


@pytest.mark.parametrize("before", ["", OLD + "2024,submit,r,7,PENDING,,a,red\n" + '2024,submit,r,8,PENDING,,"x, y",blue\n' + "2024,subm"])
def test_the_ledger_is_whole_after_two_processes_wrote_it(place, before):
    """The one that comes first rewrites the header: the other's lines must not go into the file that is gone."""
    if before:
        paths.write_text(place.ledger, before)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([sys.executable, "-c", WRITER, name], cwd=paths.CHECKOUT, **pipes) for name in "pq"]
    assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        process.communicate()
    assert [process.returncode for process in both] == [0, 0]
    lines = ledger.read(place)
    assert sorted(lines.ref) == sorted([*(["7", "8"] if before else []), *(f"{name}{number}" for name in "pq" for number in range(8))])
    assert list(lines.columns) == [*ledger.COLUMNS, *(["colour"] if before else [])]
    assert set(lines.message[lines.run != "r"]) == {"a, b"}
    if before:
        assert lines[["ref", "message", "colour"]].to_numpy().tolist()[:2] == [["7", "a", "red"], ["8", "x, y", "blue"]]
        assert "2024,subm\n" in place.ledger.read_text()


def test_a_cut_last_line_swallows_no_other_wherever_it_was_cut(place, capsys):
    for ref in "12":
        ledger.append(place, event="submit", ref=ref, commit="c", message='say "a, b", twice')
    content = place.ledger.read_bytes()
    last = content.rindex(b"\n", 0, -1) + 1
    for length in range(last, len(content)):
        place.ledger.write_bytes(content[:length])
        ledger.append(place, event="submit", ref="3", commit="c", message="after")
        refs = ledger.read(place).ref.tolist()
        assert refs in (["1", "3"], ["1", "2", "3"]), content[:length]  # the second where only the message was cut
        assert ledger.folded(place).message.iloc[-1] == "after"
        assert list(tables.read(place.ledger).ref)[-1] == "3"  # other readers as well
        assert place.ledger.read_bytes().startswith(content[:length])
    assert "was cut" in capsys.readouterr().err


def test_a_cut_header_is_none_and_what_is_no_ledger_is_kept(place):
    paths.write_text(place.ledger, ",".join(ledger.COLUMNS)[:20])
    assert ledger.read(place).empty
    ledger.append(place, event="submit", ref="1", message="two\nlines  of text")
    assert ledger.read(place).message.tolist() == ["two lines of text"]
    paths.write_text(place.ledger, "time;event;run\n")
    with pytest.raises(config.Mistake, match="no ledger"):
        ledger.append(place, event="submit")
    assert place.ledger.read_text() == "time;event;run\n"


def test_unknown_columns_are_refused_and_unknown_values_are_empty(place):
    with pytest.raises(TypeError, match="no column"):
        ledger.append(place, scoer=1)
    ledger.append(place, event="submit", cv=float("nan"), seconds=None, ref=3)
    line = ledger.read(place).iloc[0]
    assert (line.cv, line.seconds, line.ref) == ("", "", "3")
    assert line.time
    assert line.commit == runs.commit()


def test_a_submissions_newest_line_counts(place):
    assert ledger.folded(place).empty
    ledger.append(place, event="submit", time="t1", run="a", cv=0.5, ref="1", status="PENDING")
    ledger.append(place, event="submit", time="t2", run="b", ref="2", status="PENDING")
    ledger.append(place, event="submit", time="t3", run="lost")  # no answer, no ref
    ledger.append(place, event="score", time="t4", ref="1", status="COMPLETE", public="0.9")
    found = ledger.folded(place)
    wanted = [["t1", "a", "0.5", "1", "COMPLETE", "0.9"], ["t2", "b", "", "2", "PENDING", ""]]
    assert found[["time", "run", "cv", "ref", "status", "public"]].to_numpy().tolist() == wanted


def whole_run(place, name: str) -> paths.Run:
    run = place.run(name)
    config.write_toml(run.config, config.Config(epochs=3.0), f"of {name}", only_changes=False)
    made_from = {"train.csv": "sha256:1", "test.csv": "sha256:2", "folds.csv": "sha256:3"}
    paths.write_json(run.identity, {"made_from": made_from, "commit": "abc1234+"})
    for key in ("0", "1"):
        paths.write_json(run.fold(key).record, {"device": "CPU"})
    paths.write_json(run.score, {"metric": "accuracy", "score": 0.875, "folds": {"0": 0.75, "1": 1.0}, "rows": 8, "seconds": 12.5})
    return run


def test_the_facts_of_a_run(place):
    whole_run(place, "net"), whole_run(place, "twin")
    found = ledger.facts_of(place, "net")
    known = {"members": "net/0 net/1", "folds": "0.75 1.0", "cv": 0.875, "seconds": 12.5, "device": "CPU", "commit": "abc1234+"}
    assert {name: found[name] for name in known} == known
    twin = ledger.facts_of(place, "twin")
    assert (found["settings"], found["tables"]) == (twin["settings"], twin["tables"])  # the name is no setting
    other = dataclasses.replace(runs.settings(place.run("twin")), epochs=4.0)
    config.write_toml(place.run("twin").config, other, "of twin", only_changes=False)
    paths.write_json(place.run("twin").identity, {"made_from": {"train.csv": "sha256:9"}})
    changed = ledger.facts_of(place, "twin")
    assert found["settings"] != changed["settings"]
    assert found["tables"] != changed["tables"]
    assert changed["commit"] == runs.commit()
    ledger.append(place, event="submit", run="net", ref=1, **found)
    assert ledger.read(place).cv.tolist() == ["0.875"]


def listed(ref: str, status: str = "COMPLETE", public: str = "0.9", private: str = "", message: str = "by hand", reason: str = "") -> dict:
    time = "2024-05-01T10:00:00Z"
    return dict(ref=ref, file="a.csv", message=message, time=time, status=status, public=public, private=private, reason=reason)


def test_what_is_new_in_kaggles_list_is_taken_once(place):
    whole_run(place, "net")
    ledger.append(place, event="submit", ref="1", run="net", status="PENDING", file_hash="h", message="ours", **ledger.facts_of(place, "net"))
    ledger.append(place, event="submit", ref="2", run="net", status="COMPLETE", public="0.8", message="ours")
    now = [listed("4", "ERROR", "", reason="the ids are wrong"), listed("3", message="a try"), listed("2", public="0.8"), listed("1")]
    taken = ledger.take(place, now)
    assert [line["ref"] for line in taken] == ["1", "3", "4"]
    found = {line["ref"]: line for line in ledger.folded(place).to_dict("records")}
    assert (found["1"]["public"], found["1"]["file_hash"], found["1"]["cv"], found["1"]["message"]) == ("0.9", "h", "0.875", "ours")
    assert (found["3"]["run"], found["3"]["commit"], found["3"]["time"]) == ("", "", "2024-05-01T10:00:00+00:00")
    assert (found["4"]["status"], found["4"]["message"]) == ("ERROR", "the ids are wrong")
    assert len(ledger.read(place)) == 5
    assert ledger.take(place, now) == []
    later = [*now[:3], listed("1", private="0.7")]
    assert [line["private"] for line in ledger.take(place, later)] == ["0.7"]
    assert len(ledger.read(place)) == 6


@pytest.mark.parametrize(
    ("message", "run", "cv"),
    [
        ("run net cv 0.9 abc #0123abcd", "net", "0.875"),  # it is here: its own facts
        ("run net again", "net", "0.875"),
        ("run far-12ab cv 0.9123 abc1234 #0123abcd", "far-12ab", "0.9123"),
        ("run full-12ab abc1234 #0123abcd", "full-12ab", ""),
        ("run of the mill", "", ""),
        ("a run net", "", ""),
        ("run ../../net cv 0.9", "", ""),
    ],
)
def test_a_submission_from_elsewhere_belongs_to_the_run_that_our_message_names(place, message, run, cv):
    whole_run(place, "net")
    ledger.take(place, [listed("5", message=message)])
    line = ledger.folded(place).iloc[0]
    assert (line.run, line.cv, line.message) == (run, cv, message)
