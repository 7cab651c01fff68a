"""Step 07 on hand-made predictions: the file, its record, the scores it prints, and what it sends, once."""

import dataclasses
import importlib
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from kaggle_server import SIGNATURE, TOKEN, Server
from scipy import stats
from test_submission import PLAIN

from clf import config, kaggle, ledger, paths, preflight, problem, sending, tables

submit = importlib.import_module("scripts.07_submit")

TEST_IDS = ["0002", "1e10", "NA", "0001.jpg", "1e10", "lost"]  # one twice, the last without a picture
SURE = np.eye(3)


@pytest.fixture
def place(scratch):
    """A competition whose run `net-1234` (two folds) knows every answer; `lost` is "NA", the most frequent class of train."""
    place = paths.Place("toy")
    problem.write(place.problem, PLAIN, {})
    labels = ["cat", "NA", "1e10", "NA"]
    write(place.train, {"id": ["a", "b", "c", "d"], "label": labels, "cluster": [""] * 4})
    write(place.test, {"id": TEST_IDS})
    write(place.raw / PLAIN.submission_file, {"id": TEST_IDS, "Label": ["cat"] * 6})
    write(place.answers, {"id": TEST_IDS[::-1], "Label": ["cat", "1e10", "cat", "NA", "1e10", "cat"]})
    paths.write_json(place.download, {"source": "embedded", "slice": False, "facts": {}})
    make_run(place, "net-1234")
    return place


def write(path, columns: dict) -> None:
    tables.write(path, pd.DataFrame(columns))


def make_run(place, name: str, holdout: bool = False) -> None:
    run = place.run(name)
    paths.write_json(run.identity, {"made_from": {"problem.toml": problem.hash(problem.read(place.problem))}})
    test = np.array([3, 0, 1, 2])  # any order; row 4 repeats an id, row 5 has no picture
    said = np.array([1, 0, 2, 1])
    for key, valid in (("0", [0, 1]), ("1", [2, 3])):
        paths.write_predictions(run.fold(key).valid, np.array(valid), SURE[[0, 1] if key == "0" else [2, 1]])
        # Fold 1 is unsure: the mean of both still decides.
        paths.write_predictions(run.fold(key).test, test, SURE[said] if key == "0" else np.full((4, 3), 1 / 3))
        if holdout:
            paths.write_predictions(run.fold(key).holdout, np.array([1, 2]), SURE[[1, 1]])
    score = {"metric": "accuracy", "score": 0.9876, "low": 0.98, "high": 0.99, "rows": 4}
    paths.write_json(run.score, {**score, "folds": {"0": 1.0, "1": 1.0}})


WANTED = "id,Label\n0002,cat\n1e10,1e10\nNA,NA\n0001.jpg,NA\n1e10,1e10\nlost,NA\n"


@pytest.fixture
def server(monkeypatch):
    """The competition on a stand-in for Kaggle, at which this process's client points; nobody pauses."""
    kaggle._signed_in.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] in ("kaggle", "kagglesdk")]:
        monkeypatch.delitem(sys.modules, name)  # the client reads its surroundings when it is imported
    monkeypatch.setattr(kaggle, "PAUSE", 0.01)
    with Server() as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        running.add("toy", {"train.csv": b"x"}, lambda content: 0.987)
        yield running
    kaggle._signed_in.cache_clear()


def sent_to(server) -> list[dict]:
    return server.competitions["toy"].submissions


def send(**words) -> None:
    submit.main(submit.Words(competition="toy", **words))


def test_without_credentials_the_file_is_made_checked_and_graded(place, script):
    done = script("07_submit", "competition=toy")
    assert done.returncode == 0, done.stderr
    assert place.submission("net-1234").read_text() == WANTED
    record = paths.read_json(place.submission_record("net-1234"))
    assert record["members"] == {"net-1234": ["0", "1"]}
    assert record["rows_with_the_prior"] == 1
    assert record["their_first_ids"] == ["lost"]
    assert record["cuts"] is None
    assert "6 rows; 1 rows without a readable picture got the mean of train's labels" in done.stdout
    assert record["file_hash"] == paths.hash_file(place.submission("net-1234"))
    assert {check["state"] for check in record["checks"]} <= {"passed", "warned"}
    assert re.search("header +passed +id,Label", done.stdout)
    assert re.search("tries left +not asked +no Kaggle credentials were found", done.stdout)
    assert "out-of-fold accuracy 0.9876" in done.stdout
    # 0002, both 1e10 and 0001.jpg … of the answers cat, 1e10, cat, NA, 1e10, cat: NA and lost are wrong.
    low, high = stats.binomtest(4, 6).proportion_ci(method="wilson")
    assert f"hidden accuracy 0.6667 (95 % interval {low:.4f} … {high:.4f}) on 6 embedded answers" in done.stdout
    assert "no Kaggle credentials" in done.stdout
    assert "kaggle competitions submit toy -f " in done.stdout
    assert not place.ledger.exists()

    again = script("07_submit", "competition=toy")
    assert again.stdout.startswith("submit: nothing to make")
    assert "hidden accuracy 0.6667" in again.stdout


def test_what_changes_is_made_again_and_said(place, capsys):
    send()
    place.submission("net-1234").write_text("id,Label\n")
    send()
    assert "net-1234.csv changed)" in capsys.readouterr().out
    assert place.submission("net-1234").read_text() == WANTED
    write(place.train, {"id": ["a", "b"], "label": ["cat", "NA"], "cluster": ["", ""]})
    send()
    assert "train.csv changed" in capsys.readouterr().out


def test_ratings_are_decided_by_cuts_from_out_of_fold_rows(place, capsys):
    """Expected ratings are too low: the default cuts, 0.5 and 1.5, would lose two ratings of three."""
    rated = dataclasses.replace(PLAIN, kind="ordinal", classes=("0", "1", "2"), metric="kappa", aggregate="mean")
    problem.write(place.problem, rated, {})
    truth = np.arange(30) % 3
    low = np.array([[1.0, 0.0, 0.0], [0.7, 0.2, 0.1], [0.25, 0.2, 0.55]])  # expected 0, 0.4 and 1.3
    write(place.train, {"id": [f"p{row}" for row in range(30)], "label": truth.astype(str), "cluster": [""] * 30})
    write(place.test, {"id": ["x1", "x2", "y1", "z1"], "row": ["x", "x", "y", "z"]})
    write(place.raw / PLAIN.submission_file, {"id": ["y", "x", "z"], "Label": ["0"] * 3})
    write(place.answers, {"id": ["x", "y", "z"], "Label": ["1", "2", "2"]})
    run = place.run("net-1234")
    paths.write_json(run.identity, {"made_from": {"problem.toml": problem.hash(rated)}})
    for key, valid in (("0", np.arange(15)), ("1", np.arange(15, 30))):
        paths.write_predictions(run.fold(key).valid, valid, low[truth[valid]])
        paths.write_predictions(run.fold(key).holdout, np.arange(3), low)
        paths.write_predictions(run.fold(key).test, np.array([0, 1, 2]), low[[1, 1, 2]])  # z1 cannot be read; the prior expects 1.0
    send()
    said = capsys.readouterr().out
    assert place.submission("net-1234").read_text() == "id,Label\ny,2\nx,1\nz,2\n"
    record = paths.read_json(place.submission_record("net-1234"))
    assert len(record["cuts"]) == 2
    assert 0 < record["cuts"][0] < 0.4 < record["cuts"][1] < 1.0
    assert (record["rows_with_the_prior"], record["their_first_ids"]) == (1, ["z"])
    assert re.search(r"holdout kappa 1\.0000 \(95 % interval .*\) on 3 locked rows", said)
    assert re.search(r"hidden kappa 1\.0000 \(95 % interval .*\) on 3 embedded answers", said)


def test_a_failed_check_writes_and_sends_nothing(place, server, capsys):
    broken = dataclasses.replace(PLAIN, columns=("Label",), classes=("cat", "", "1e10"))
    problem.write(place.problem, broken, {})
    write(place.train, {"id": ["a"], "label": ["cat"], "cluster": [""]})
    make_run(place, "net-1234")
    with pytest.raises(config.Mistake, match="empty cells"):
        send(force=True)
    assert re.search("empty cells +failed", capsys.readouterr().out)
    assert not place.submissions.exists()
    assert not sent_to(server)


def test_a_mistake_exits_with_2(place, script):
    done = script("07_submit", "competition=toy", "run=other")
    assert done.returncode == 2
    assert "run=other" in done.stderr
    assert "net-1234" in done.stderr
    missing = script("07_submit", "competition=elsewhere")
    assert missing.returncode == 2
    assert "make explore COMPETITION=elsewhere" in missing.stderr


def test_locked_rows_are_scored(place, capsys):
    make_run(place, "held", holdout=True)
    send(run="held")
    assert re.search(r"holdout accuracy 0\.5000 \(95 % interval .*\) on 2 locked rows", capsys.readouterr().out)


def constant(place) -> None:
    for key in ("0", "1"):
        paths.write_predictions(place.run("net-1234").fold(key).test, np.array([3, 0, 1, 2]), SURE[[1] * 4])


def test_the_file_is_sent_once_and_the_ledger_says_so(place, server, capsys):
    send()
    (made,) = sent_to(server)
    assert made["content"].decode() == WANTED
    assert made["description"].startswith("run net-1234 cv 0.9876")
    said = capsys.readouterr().out
    assert "ref 1001: public 0.98700, cv 0.9876, difference -0.0006" in said
    assert re.search("tries left +passed +5, this one included", said)
    assert re.search("sent before +passed +never", said)
    lines = tables.read(place.ledger)
    assert lines[["event", "ref", "status", "public"]].to_numpy().tolist() == [
        ["submit", "", "SENDING", ""],
        ["submit", "1001", "PENDING", ""],
        ["score", "1001", "COMPLETE", "0.98700"],
    ]
    assert set(lines["file_hash"]) == {paths.hash_file(place.submission("net-1234"))}
    assert set(lines["members"]) == {"net-1234/0 net-1234/1"}

    send()
    said = capsys.readouterr().out
    assert "nothing to make" in said
    assert re.search("header +passed +id,Label", said)
    assert "as ref 1001 (run net-1234, COMPLETE): not sent again" in said
    assert "public 0.98700" in said
    make_run(place, "twin")  # another run with the very same file
    send(run="twin")
    assert "not sent again" in capsys.readouterr().out
    assert (len(sent_to(server)), len(tables.read(place.ledger))) == (1, 3)
    send(force=True)
    assert len(sent_to(server)) == 2
    assert "ref 1002: public 0.98700, cv 0.9876, difference -0.0006, number 1 of 2 own submissions" in capsys.readouterr().out
    assert len({made["description"] for made in sent_to(server)}) == 2


def test_a_score_that_came_late_is_asked_for_again(place, server, capsys):
    server.competitions["toy"].polls = 1
    server.competitions["toy"].daily_limit = 1  # none is left the second time, and none is needed
    send(wait=0.0)
    assert "not scored yet" in capsys.readouterr().out
    assert ledger.folded(place)["status"].tolist() == ["PENDING"]
    send()
    said = capsys.readouterr().out
    assert "ref 1001: public 0.98700" in said
    assert "none is needed" in said
    assert len(sent_to(server)) == 1


def test_a_file_that_kaggle_cannot_score_is_a_mistake_with_its_reason(place, server):
    def refuse(content: bytes) -> float:
        raise ValueError("bad id")

    server.competitions["toy"].score = refuse
    for _ in range(2):  # the second time the ledger knows
        with pytest.raises(config.Mistake, match="ref 1001: bad id"):
            send()
    assert len(sent_to(server)) == 1


def test_a_doubtful_file_is_sent_only_by_force(place, server, capsys):
    constant(place)
    write(place.test, {"id": [*TEST_IDS[:5], "lost"]})
    with pytest.raises(config.Mistake, match=r"doubts the file \(spread\).*force=true"):
        send()
    assert re.search("spread +warned +every row says the same", capsys.readouterr().out)
    assert not sent_to(server)
    assert not place.ledger.exists()
    send(force=True)
    assert len(sent_to(server)) == 1


def test_no_try_left_and_a_code_competition_stop_also_by_force(place, server):
    for changed, name in (({"daily_limit": 0}, "tries left"), ({}, "kind")):
        if name == "kind":
            paths.write_json(place.download, {"source": "kaggle", "slice": False, "facts": {"code_competition": True}})
        for attribute, value in changed.items():
            setattr(server.competitions["toy"], attribute, value)
            sent_to(server).append(
                {"ref": 1, "fileName": "", "description": "by hand", "date": "2024-01-01T00:00:00.000Z", "polls": 9, "content": b""}
            )
        with pytest.raises(config.Mistake, match=name):
            send(force=True)
    assert "CreateSubmission" not in server.calls
    assert "upload" not in server.calls


@pytest.mark.parametrize(
    ("words", "download"), [({"dry_run": True}, {}), ({"dry_run": True, "force": True}, {}), ({"dry_run": True}, {"slice": True})]
)
def test_a_dry_run_asks_and_sends_nothing(place, server, capsys, words, download):
    paths.write_json(place.download, {"source": "kaggle", "slice": False, "facts": {}, **download})
    send(**words)
    said = capsys.readouterr().out
    assert "not sent: dry_run=true" in said
    names = ["header", *preflight.FILE, *preflight.OCCASION]
    assert [line[2:18].strip() for line in said.splitlines() if re.match(r"  \w.{15} (passed|warned|failed|not asked)", line)] == names
    assert bool(re.search("tries left +passed +5, this one", said)) == (not download)
    assert bool(re.search("whole data +failed", said)) == bool(download)
    assert not sent_to(server)
    assert not place.ledger.exists()


def test_a_slice_stops(place, server):
    paths.write_json(place.download, {"source": "embedded", "slice": True, "facts": {}})
    with pytest.raises(config.Mistake, match="whole data"):
        send()
    assert not sent_to(server)


# -- killed and stopped ------------------------------------------------------------------------------------------------------------


def begin(place, until) -> subprocess.Popen:
    """Step 07 in a process of its own, returned as soon as the condition holds."""
    command = [sys.executable, "-m", "scripts.07_submit", "competition=toy"]
    process = subprocess.Popen(command, cwd=paths.CHECKOUT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not until() and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()
    return process


@pytest.mark.parametrize(("where", "arrived"), [("CreateSubmission", 1), ("StartSubmissionUpload", 0)])
def test_a_kill_during_the_upload_leads_to_no_second_one(place, server, capsys, where, arrived):
    server.plant(where, seconds=3.0, after=True)
    process = begin(place, lambda: where in server.calls and (len(sent_to(server)) == arrived))
    process.kill()
    process.communicate()
    assert len(sent_to(server)) == arrived
    assert tables.read(place.ledger)["status"].tolist() == ["SENDING"]
    send()
    said = capsys.readouterr().out
    assert ("it is there as ref 1001" if arrived else "it is not there") in said
    assert "ref 1001: public 0.98700" in said
    assert len(sent_to(server)) == 1
    assert ledger.folded(place)[["ref", "status", "run"]].to_numpy().tolist() == [["1001", "COMPLETE", "net-1234"]]


def test_a_list_that_cannot_be_read_after_a_kill_sends_nothing(place, server):
    made = sending.make(place, problem.read(place.problem), "net-1234")
    ledger.append(place, event="submit", run="net-1234", file_hash=made["file_hash"], status="SENDING", message="run net-1234 #12345678")
    server.plant("ListSubmissions", status=503, times=99)
    with pytest.raises(config.Mistake, match="503"):
        send()
    assert not sent_to(server)


def test_a_lost_ledger_sends_nothing_twice(place, server, capsys):
    send()
    place.ledger.unlink()
    send()
    assert len(sent_to(server)) == 1
    assert "as ref 1001" in capsys.readouterr().out
    assert ledger.folded(place)["public"].tolist() == ["0.98700"]


def test_ctrl_c_during_the_wait_leaves_the_score_for_later(place, server):
    server.competitions["toy"].polls = 99
    process = begin(place, lambda: "ListSubmissions" in server.calls and sent_to(server))
    said = ""
    while "waiting up to" not in said:
        said += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "ref 1001 is with Kaggle and stands in the ledger: make scores COMPETITION=toy" in errors
    assert "Traceback" not in errors
    assert TOKEN not in said + out + errors
    assert SIGNATURE not in said + out + errors
    assert ledger.folded(place)["status"].tolist() == ["PENDING"]


# -- before training ---------------------------------------------------------------------------------------------------------------


def test_what_keeps_a_submission_from_counting_is_said_before_training(place, capsys):
    sending.announce(place)
    assert capsys.readouterr().out == ""
    facts = {"code_competition": True, "deadline": "2020-01-01T00:00:00Z"}
    paths.write_json(place.download, {"source": "kaggle", "slice": False, "facts": facts})
    sending.announce(place)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("note: a code competition takes a notebook, not a file: train here, make export COMPETITION=toy")
    assert said[1].startswith("note: the deadline, passed on 2020-01-01 00:00 UTC")


def test_of_files_from_a_folder_kaggle_is_asked_before_training(place, server, capsys):
    server.competitions["toy"].code_only = True
    for download, wanted in (({"source": "folder"}, True), ({"source": "embedded", "slice": True}, False)):
        paths.write_json(place.download, {"slice": False, "facts": {}, **download})
        sending.announce(place)
        assert ("note: a code competition takes a notebook" in capsys.readouterr().out) == wanted
    del server.competitions["toy"]
    paths.write_json(place.download, {"source": "folder", "slice": False, "facts": {}})
    sending.announce(place)  # Kaggle does not know it: that is for 07 to say
    assert "note" not in capsys.readouterr().out


def test_it_starts_without_tensorflow():
    code = "import importlib, sys; importlib.import_module('scripts.07_submit'); sys.exit(bool({'tensorflow', 'kaggle'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=paths.CHECKOUT).returncode == 0
