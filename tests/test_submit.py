"""Step 07 on hand-made predictions: the file, its record, the scores it prints, and what it sends, once."""

import dataclasses
import importlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from test_submission import PLAIN

from clf import config, kaggle, paths, problem, tables

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


class Kaggle:
    """Stands in for `clf.kaggle`'s three functions; remembers what was asked."""

    def __init__(self, monkeypatch, status: str = "COMPLETE"):
        self.sent, self.asked, self.status = [], [], status
        monkeypatch.setattr(kaggle, "credentials", lambda: "KAGGLE_API_TOKEN")
        monkeypatch.setattr(kaggle, "submit", self.submit)
        monkeypatch.setattr(kaggle, "wait", self.wait)

    def submit(self, competition, file, message):
        self.sent.append((competition, file.read_text(), message))
        return 70 + len(self.sent)

    def wait(self, competition, ref, seconds):
        self.asked.append((competition, ref, seconds))
        done = self.status == "COMPLETE"
        return {
            "status": self.status,
            "public": "0.987" if done else "",
            "private": "",
            "reason": "bad id" if self.status == "ERROR" else "",
        }


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
    assert "header        passed  id,Label" in done.stdout
    assert "out-of-fold accuracy 0.9876" in done.stdout
    # 0002, both 1e10 and 0001.jpg … of the answers cat, 1e10, cat, NA, 1e10, cat: NA and lost are wrong.
    assert "hidden accuracy 0.6667 on 6 embedded answers" in done.stdout
    assert "no Kaggle credentials" in done.stdout
    assert "kaggle competitions submit toy -f " in done.stdout
    assert not place.ledger.exists()

    again = script("07_submit", "competition=toy")
    assert again.stdout.startswith("submit: nothing to make")
    assert "hidden accuracy 0.6667" in again.stdout
    assert "header" not in again.stdout


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
    assert "holdout kappa 1.0000 on 3 locked rows" in said
    assert "hidden kappa 1.0000 on 3 embedded answers" in said


def test_a_failed_check_writes_and_sends_nothing(place, monkeypatch, capsys):
    service = Kaggle(monkeypatch)
    broken = dataclasses.replace(PLAIN, columns=("Label",), classes=("cat", "", "1e10"))
    problem.write(place.problem, broken, {})
    write(place.train, {"id": ["a"], "label": ["cat"], "cluster": [""]})
    make_run(place, "net-1234")
    with pytest.raises(config.Mistake, match="empty cells"):
        send()
    assert "empty cells   failed" in capsys.readouterr().out
    assert not place.submissions.exists()
    assert not service.sent


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
    assert "holdout accuracy 0.5000 on 2 locked rows" in capsys.readouterr().out


def test_the_file_is_sent_once_and_the_ledger_says_so(place, monkeypatch, capsys):
    service = Kaggle(monkeypatch)
    send()
    assert service.sent[0][:2] == ("toy", WANTED)
    assert "net-1234" in service.sent[0][2]
    assert "0.9876" in service.sent[0][2]
    assert "ref 71: public 0.987" in capsys.readouterr().out
    lines = tables.read(place.ledger)
    assert lines["event"].tolist() == ["submit", "score"]
    assert lines["ref"].tolist() == ["71", "71"]
    assert lines["public"].tolist() == ["", "0.987"]
    assert set(lines["file_hash"]) == {paths.hash_file(place.submission("net-1234"))}

    send()
    said = capsys.readouterr().out
    assert "not sent again" in said
    assert "public 0.987" in said
    make_run(place, "twin")  # another run with the very same file
    send(run="twin")
    assert "not sent again" in capsys.readouterr().out
    assert (len(service.sent), len(service.asked), len(tables.read(place.ledger))) == (1, 1, 2)
    send(force=True)
    assert len(service.sent) == 2
    assert "ref 72" in capsys.readouterr().out


def test_a_score_that_came_late_is_asked_for_again(place, monkeypatch, capsys):
    service = Kaggle(monkeypatch, "PENDING")
    send(wait=0.0)
    assert "not scored yet" in capsys.readouterr().out
    assert tables.read(place.ledger)["event"].tolist() == ["submit"]
    service.status = "COMPLETE"
    send()
    assert "ref 71: public 0.987" in capsys.readouterr().out
    assert len(service.sent) == 1
    assert [ref for _, ref, _ in service.asked] == [71, 71]


def test_a_file_that_kaggle_cannot_score_is_a_mistake_with_its_reason(place, monkeypatch):
    service = Kaggle(monkeypatch, "ERROR")
    for _ in range(2):  # the second time the ledger knows
        with pytest.raises(config.Mistake, match="ref 71: bad id"):
            send()
    assert len(service.sent) == 1


@pytest.mark.parametrize(
    ("words", "facts", "reason"),
    [
        ({"dry_run": True}, {}, "dry_run=true"),
        ({"dry_run": True, "force": True}, {}, "dry_run=true"),
        ({}, {"slice": True}, "a slice"),
        ({}, {"facts": {"code_competition": True}}, "a notebook"),
    ],
)
def test_what_must_not_be_sent_is_not(place, monkeypatch, capsys, words, facts, reason):
    service = Kaggle(monkeypatch)
    paths.write_json(place.download, {"source": "kaggle", "slice": False, "facts": {}, **facts})
    send(**words)
    said = capsys.readouterr().out
    assert "not sent: " in said
    assert reason in said
    assert not service.sent
    assert not place.ledger.exists()


def test_it_starts_without_tensorflow():
    code = "import importlib, sys; importlib.import_module('scripts.07_submit'); sys.exit(bool({'tensorflow', 'kaggle'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=paths.CHECKOUT).returncode == 0
