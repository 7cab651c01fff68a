"""`clf.kaggle` with the real client, against a loopback stand-in for Kaggle's API."""

import email.utils
import json
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
from client import ANSWERS, NAME, pointed, refusal
from kaggle_server import SIGNATURE, TOKEN

from clf import kaggle
from clf.config import Mistake

MARK = "#0a1b2c3d"
RULES = "You must accept this competition's rules before you'll be able to download files."


@pytest.fixture
def server(monkeypatch):
    with pointed(monkeypatch) as running:
        yield running


@pytest.fixture
def submission(tmp_path):
    path = tmp_path / "resnet.csv"
    path.write_bytes(ANSWERS.replace(b"4,dog", b"4,cat"))
    return path


# -- facts, errors -----------------------------------------------------------------------------------------------------------------


def test_facts(server):
    found = kaggle.facts(NAME)
    assert found["metric"] == "Categorization Accuracy"
    assert found["deadline"] == "2030-01-31T23:59:00Z"
    assert (found["daily_limit"], found["code_competition"]) == (5, False)
    assert "categorization accuracy" in found["pages"]["evaluation"]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("status", "text", "wanted"),
    [
        (401, "Unauthenticated", "refuses the credentials from KAGGLE_API_TOKEN"),
        (403, RULES, f"https://www.kaggle.com/competitions/{NAME}/rules and accept them, then repeat: make download COMPETITION={NAME}"),
        (403, "Permission 'competitions.get' was denied", "misspelt"),
        (404, "Competition not found", f"knows no competition '{NAME}'"),
        (400, "The competition is closed", "Kaggle says: The competition is closed"),
    ],
)
def test_final_errors_name_the_next_step_and_are_not_repeated(server, nested, status, text, wanted):
    server.plant("GetCompetition", status=status, text=text, nested=nested, times=99)
    assert wanted in refusal(lambda: kaggle.facts(NAME))
    assert server.calls.count("GetCompetition") == 1


@pytest.mark.parametrize("fault", [{"status": 429, "retry_after": "0"}, {"status": 500}, {"status": 503, "body": b"<html>busy</html>"}])
def test_passing_errors_are_repeated(server, fault):
    server.plant("GetCompetition", times=2, **fault)
    assert kaggle.facts(NAME)["title"]
    assert server.calls.count("GetCompetition") == 3


def test_repeats_are_bounded(server):
    server.plant("GetCompetition", status=503, times=99)
    said = refusal(lambda: kaggle.facts(NAME))
    assert "503" in said
    assert f"make download COMPETITION={NAME}" in said
    assert server.calls.count("GetCompetition") == kaggle.ATTEMPTS


@pytest.mark.parametrize("wait", ["3600", email.utils.formatdate(time.time() + 3600, usegmt=True)], ids=["seconds", "date"])
def test_a_long_wait_is_said_instead_of_waited(server, wait):
    server.plant("GetCompetition", status=429, text="Too many requests", retry_after=wait, times=99)
    assert "asks to wait 3" in refusal(lambda: kaggle.facts(NAME))
    assert server.calls.count("GetCompetition") == 1


def test_a_failing_token_check_is_repeated(server):
    server.plant("IntrospectToken", status=500, times=3)
    assert kaggle.facts(NAME)["title"]


def test_a_silent_server_times_out(server, monkeypatch):
    monkeypatch.setattr(kaggle, "TIMEOUT", (1, 0.2))
    server.plant("GetCompetition", seconds=1.0, times=99)
    assert "cannot be reached, or the line drops (ReadTimeout)" in refusal(lambda: kaggle.facts(NAME))


def test_no_network(server):
    server.__exit__()
    assert "cannot be reached" in refusal(lambda: kaggle.facts(NAME))


def test_an_answer_that_is_no_json(server):
    server.plant("GetCompetition", status=200, body=b"<html>sign in to the hotel</html>", times=99)
    assert "answer cannot be read" in refusal(lambda: kaggle.facts(NAME))


def test_an_error_that_echoes_the_token(server):
    server.plant("GetCompetition", status=400, text=f"bad token {TOKEN} at http://h/x?sig={SIGNATURE}")
    assert "bad token … at http://h/x" in refusal(lambda: kaggle.facts(NAME))


# -- submit ------------------------------------------------------------------------------------------------------------------------


def test_submit_wait_and_the_clients_own_list(server, submission):
    server.competitions[NAME].polls = 3
    ref = kaggle.submit(NAME, submission, "resnet9-3f2a", MARK)
    found = kaggle.wait(NAME, ref, 60)
    assert [found[name] for name in ("ref", "status", "public", "private", "reason")] == [str(ref), "COMPLETE", "0.75000", "", ""]
    command = [str(Path(sys.executable).parent / "kaggle"), "competitions", "submissions", "-c", NAME, "--csv"]
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    assert f"{ref},resnet.csv," in listed
    assert "resnet9-3f2a #" in listed
    assert "COMPLETE,0.75000" in listed


@pytest.mark.parametrize("status", [500, 503])
def test_a_lost_answer_is_looked_up_by_its_mark(server, submission, status):
    server.plant("CreateSubmission", status=status, after=True)
    server.plant("ListSubmissions", status=503)
    assert kaggle.submit(NAME, submission, "m", MARK) == 1001
    assert server.calls.count("CreateSubmission") == 1


def test_a_lost_answer_by_time_out(server, submission, monkeypatch):
    monkeypatch.setattr(kaggle, "TIMEOUT", (1, 0.3))
    server.plant("CreateSubmission", seconds=0.6, after=True)
    assert kaggle.submit(NAME, submission, "m", MARK) == 1001
    assert server.calls.count("CreateSubmission") == 1


def test_a_submission_that_may_be_lost_is_never_repeated(server, submission):
    server.plant("CreateSubmission", status=500, times=99)
    said = refusal(lambda: kaggle.submit(NAME, submission, "m", MARK))
    assert f"competitions/{NAME}/submissions" in said
    assert server.calls.count("CreateSubmission") == 1


def test_the_mark_is_found_behind_the_first_page(server, submission):
    server.competitions[NAME].daily_limit = 99
    ref = kaggle.submit(NAME, submission, "first", MARK)
    for _ in range(25):
        kaggle.submit(NAME, submission, "later", MARK)
    assert kaggle.wait(NAME, ref, 0)["status"] in ("PENDING", "COMPLETE")
    assert kaggle._find(NAME, lambda one: one.ref == ref).description.startswith("first #")


@pytest.mark.parametrize("nested", [False, True])
def test_refused_submissions(server, submission, nested):
    server.plant("CreateSubmission", status=400, text="Submission not allowed:  Your team has used its allowance", nested=nested)
    assert "Submission not allowed: Your team" in refusal(lambda: kaggle.submit(NAME, submission, "m", MARK))
    assert server.calls.count("CreateSubmission") == 1


def test_a_refusal_that_looks_like_a_success(server, submission):
    server.plant("CreateSubmission", status=200, body=json.dumps({"message": "Your team has used its allowance", "ref": 0}).encode())
    assert "used its allowance" in refusal(lambda: kaggle.submit(NAME, submission, "m", MARK))


def test_the_daily_limit_is_seen_before_the_upload(server, submission, capsys):
    server.competitions[NAME].daily_limit = 1
    kaggle.submit(NAME, submission, "m", MARK)
    assert "1 submissions are left" in capsys.readouterr().out
    assert "no submission is left" in refusal(lambda: kaggle.submit(NAME, submission, "m", MARK))
    assert server.calls.count("upload") == 1


def test_a_failing_upload_is_repeated_and_submits_nothing(server, submission):
    server.plant("upload", status=403)
    assert kaggle.submit(NAME, submission, "m", MARK) == 1001
    server.plant("upload", status=403, times=99)
    assert "nothing was submitted" in refusal(lambda: kaggle.submit(NAME, submission, "m", MARK))
    assert server.calls.count("CreateSubmission") == 1


def test_a_closed_competition(server, submission):
    server.plant("CreateSubmission", status=404, text="The competition is closed")
    assert "takes no submission for 'leaf-counting' (The competition is closed)" in refusal(lambda: kaggle.submit(NAME, submission, "m", MARK))


def test_rules_at_submission(server, submission):
    server.competitions[NAME].accepted = False
    assert f"then repeat: make submit COMPETITION={NAME}" in refusal(lambda: kaggle.submit(NAME, submission, "m", MARK))


def test_a_scoring_error_gives_its_reason(server, submission):
    submission.write_text("id,label\n1,cat\n")
    found = kaggle.wait(NAME, kaggle.submit(NAME, submission, "m", MARK), 60)
    assert found["status"] == "ERROR"
    assert "ids are not those" in found["reason"]


def test_waiting_ends(server, submission):
    server.competitions[NAME].polls = 10**9
    assert kaggle.wait(NAME, kaggle.submit(NAME, submission, "m", MARK), 1)["status"] == "PENDING"


def test_no_file_to_submit(server, tmp_path):
    assert "there is no submission" in refusal(lambda: kaggle.submit(NAME, tmp_path / "none.csv", "m", MARK))
    assert server.calls == []


def test_the_leaderboard_has_a_folder_of_its_own(server, tmp_path):
    server.competitions[NAME].others = {"a": 0.9, "b": 0.7}
    file = kaggle.leaderboard(NAME, tmp_path / "boards")
    assert file.read_text().splitlines()[1].startswith("1,1,a,")
    assert [path.suffix for path in (tmp_path / "boards").iterdir()] == [".csv"]
    server.plant("DownloadLeaderboard", status=200, body=b"<html>busy</html>")
    with pytest.raises(Mistake, match="arrived broken"):
        kaggle.leaderboard(NAME, tmp_path / "boards")


def test_all_submissions_are_listed(server, submission):
    kaggle.submit(NAME, submission, "the first", MARK)
    made = server.competitions[NAME].submissions
    made += [{**made[0], "ref": number} for number in range(22)]
    found = kaggle.submissions(NAME)
    assert [one["ref"] for one in found] == ["1001", *map(str, range(22))]
    assert found[0]["message"].startswith("the first #")
    assert {one["status"] for one in found} == {"PENDING"}


# -- hints, allowance, leaks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "text"), [(404, "Competition not found"), (403, "Permission 'competitions.get' was denied")])
def test_a_misspelt_id_gets_near_matches(server, status, text):
    server.add("dog-breed-identification", {})
    server.plant("GetCompetition", status=status, text=text)
    assert "Did you mean dog-breed-identification?" in refusal(lambda: kaggle.facts("dog-bred-identification"))
    server.plant("GetCompetition", status=status, text=text)
    server.plant("ListCompetitions", status=500, times=99)
    assert "Did you mean" not in refusal(lambda: kaggle.facts("dog-bred-identification"))


def test_allowance(server, submission):
    server.competitions[NAME].daily_limit = 2
    kaggle.submit(NAME, submission, "m", MARK)
    assert kaggle.allowance(NAME) == {"today": 1, "total": 1, "allowed": 1, "by_total": False}
    nothing = {"numToday": 0, "numTotal": 0, "numAllowedNow": 0}
    server.plant("GetSubmissionLimits", status=200, body=json.dumps(nothing).encode())
    # the planted body comes as text/html, which the client parses all the same
    assert kaggle.allowance(NAME)["allowed"] is None


def test_an_upload_that_is_repeated_by_the_client_logs_no_signed_address(server, submission, capfd, caplog):
    server.plant("upload", status=503, retry_after="0", times=2)
    kaggle.submit(NAME, submission, "m", MARK)
    assert SIGNATURE not in "".join(capfd.readouterr()) + caplog.text


def test_an_unforeseen_error_holds_no_signed_address(server):
    def broken(api):
        try:
            raise ValueError(f"http://h/x?sig={SIGNATURE}")
        except ValueError:
            raise KeyError(f"no entry at http://h/x?sig={SIGNATURE} for {TOKEN}") from None

    with pytest.raises(RuntimeError, match="KeyError") as caught:
        kaggle.call(NAME, "download", broken)
    text = "".join(traceback.format_exception(caught.value))
    assert SIGNATURE not in text.replace("{SIGNATURE}", "")
    assert TOKEN not in text


def test_a_mark_is_found_or_not_and_an_unreadable_list_is_no_answer(server, submission):
    assert kaggle.find(NAME, MARK) == 0
    ref = kaggle.submit(NAME, submission, "m", MARK)
    assert kaggle.find(NAME, MARK) == ref
    server.plant("ListSubmissions", status=503, times=99)
    assert "503" in refusal(lambda: kaggle.find(NAME, "#other", 2))
