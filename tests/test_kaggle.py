"""`clf.kaggle` with the real client, against a loopback stand-in for Kaggle's API."""

import email.utils
import hashlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kaggle_server import SIGNATURE, TOKEN, Server, accuracy

from clf import kaggle
from clf.config import Mistake

NAME = "leaf-counting"
ANSWERS = b"id,label\n1,cat\n2,dog\n3,cat\n4,dog\n"
RULES = "You must accept this competition's rules before you'll be able to download files."


@pytest.fixture
def server(monkeypatch):
    """A server with one competition of a few files; this process's client points at it and never pauses."""
    kaggle._signed_in.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] in ("kaggle", "kagglesdk")]:
        monkeypatch.delitem(sys.modules, name)  # the client reads its surroundings when it is imported
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with Server() as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        noise = random.Random(0).randbytes(3 << 20)
        files = {"train.csv": b"id,label\n5,cat\n", "sample_submission.csv": ANSWERS, "train/5.jpg": b"5", "train/6.jpg": noise}
        running.add(NAME, files, accuracy(ANSWERS))
        yield running
    kaggle._signed_in.cache_clear()


@pytest.fixture
def submission(tmp_path):
    path = tmp_path / "resnet.csv"
    path.write_bytes(ANSWERS.replace(b"4,dog", b"4,cat"))
    return path


def refusal(action) -> str:
    with pytest.raises(Mistake) as caught:
        action()
    said = str(caught.value)
    assert TOKEN not in said
    assert SIGNATURE not in said
    return said


# -- credentials -------------------------------------------------------------------------------------------------------------------


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_credentials_are_found_in_the_clients_order(monkeypatch):
    home = Path.home() / ".kaggle"
    assert kaggle.credentials() is None
    write(home / "credentials.json", json.dumps({"refresh_token": "r"}))
    assert kaggle.credentials() == "~/.kaggle/credentials.json"
    write(home / "kaggle.json", json.dumps({"username": "a", "key": "b"}))
    assert kaggle.credentials().endswith("kaggle.json")
    monkeypatch.setenv("KAGGLE_USERNAME", "a")
    assert kaggle.credentials().endswith("kaggle.json")
    monkeypatch.setenv("KAGGLE_KEY", "b")
    assert kaggle.credentials() == "KAGGLE_USERNAME and KAGGLE_KEY"
    write(home / "access_token.txt", "t\n")
    assert kaggle.credentials() == "~/.kaggle/access_token.txt"
    write(home / "access_token", "t\n")
    assert kaggle.credentials() == "~/.kaggle/access_token"
    monkeypatch.setenv("KAGGLE_API_TOKEN", "t" * 5000)
    assert kaggle.credentials() == "KAGGLE_API_TOKEN"


def test_credentials_of_xdg_and_half_ones(monkeypatch):
    monkeypatch.delenv("KAGGLE_CONFIG_DIR")
    write(Path.home() / ".config" / "kaggle" / "kaggle.json", json.dumps({"username": "a"}))
    assert kaggle.credentials() is None
    write(Path.home() / ".config" / "kaggle" / "kaggle.json", json.dumps({"username": "a", "key": "b"}))
    assert kaggle.credentials().endswith("kaggle.json")


def test_damaged_kaggle_json_is_named():
    write(Path.home() / ".kaggle" / "kaggle.json", '{"username": "a", "key": "sec')
    said = refusal(kaggle.credentials)
    assert "kaggle.json" in said
    assert "sec" not in said.replace("second", "")


def test_credentials_load_no_client():
    code = "import sys; from clf import kaggle; kaggle.credentials(); print('kaggle' in sys.modules, 'requests' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert said.stdout.strip() == "False False"


def test_without_credentials_the_three_steps_are_said(server, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    said = refusal(lambda: kaggle.facts(NAME))
    assert all(f"  {step}. " in said for step in (1, 2, 3))
    assert server.calls == []


def test_wrong_token_is_refused_in_words(server, monkeypatch, capfd):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "stale-token")
    said = refusal(lambda: kaggle.facts(NAME))
    assert "refuses the credentials from KAGGLE_API_TOKEN" in said
    assert "stale-token" not in said + "".join(capfd.readouterr())


def test_wrong_key_is_refused_in_words(server, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    monkeypatch.setenv("KAGGLE_USERNAME", "tester")
    monkeypatch.setenv("KAGGLE_KEY", "wrong-key")
    assert "refuses the credentials from KAGGLE_USERNAME" in refusal(lambda: kaggle.facts(NAME))
    server.keys["tester"] = "wrong-key"
    kaggle._signed_in.cache_clear()
    assert kaggle.facts(NAME)["title"]


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
def test_final_errors_name_the_next_step_and_are_not_repeated(server, tmp_path, nested, status, text, wanted):
    server.plant("DownloadDataFiles", status=status, text=text, nested=nested, times=99)
    assert wanted in refusal(lambda: kaggle.download(NAME, tmp_path / "cache"))
    assert server.calls.count("DownloadDataFiles") == 1


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


# -- download ----------------------------------------------------------------------------------------------------------------------


def whole(server, path) -> bool:
    return path.read_bytes() == server.competitions[NAME].archive() and not path.with_name(path.name + kaggle.MARKER).exists()


def test_download(server, tmp_path, capfd):
    (path,) = kaggle.download(NAME, tmp_path / "cache")
    assert whole(server, path)
    assert server.calls.count("ListDataFiles") == 2  # paged
    kaggle.download(NAME, tmp_path / "cache")
    said = "".join(capfd.readouterr())
    assert TOKEN not in said
    assert SIGNATURE not in said


def test_a_flipped_byte_is_fetched_again(server, tmp_path, capfd):
    server.plant("store", flip=True)
    (path,) = kaggle.download(NAME, tmp_path)
    assert whole(server, path)
    assert "arrived broken" in capfd.readouterr().err


def test_a_file_that_stays_broken_is_not_kept(server, tmp_path):
    server.plant("store", flip=True, times=99)
    assert f"arrived broken {kaggle.ATTEMPTS} times" in refusal(lambda: kaggle.download(NAME, tmp_path))
    assert list(tmp_path.glob("*.zip*")) == []


def test_a_cut_download_is_resumed(server, tmp_path, capfd):
    server.plant("store", cut=(1 << 20) + 5)
    (path,) = kaggle.download(NAME, tmp_path)
    assert whole(server, path)
    assert SIGNATURE not in "".join(capfd.readouterr())


def test_an_error_page_in_place_of_the_rest(server, tmp_path):
    server.plant("store", cut=(1 << 20) + 5)
    server.plant("store", status=503, times=2)
    (path,) = kaggle.download(NAME, tmp_path)
    assert whole(server, path)


def test_a_partial_file_poisoned_earlier(server, tmp_path):
    archive = server.competitions[NAME].archive()
    path = tmp_path / f"{NAME}.zip"
    path.write_bytes(b'{"code": 503, "message": "busy"}')
    etag = f'"{hashlib.sha256(archive).hexdigest()[:16]}"'
    path.with_name(path.name + kaggle.MARKER).write_text(json.dumps({"validator": etag, "size": len(archive)}))
    kaggle.download(NAME, tmp_path)
    assert whole(server, path)


def test_a_signed_address_that_has_run_out(server, tmp_path):
    server.plant("store", status=403, text="expired")
    assert whole(server, *kaggle.download(NAME, tmp_path))
    server.plant("store", status=403, text=f"expired {SIGNATURE}", times=99)
    (tmp_path / f"{NAME}.zip").unlink()
    assert "answers with 403" in refusal(lambda: kaggle.download(NAME, tmp_path))


def test_a_list_that_differs_is_fetched_twice_and_warned_of(server, tmp_path, capfd):
    server.competitions[NAME].listed = {"train.csv": 99, "gone.csv": 5}
    kaggle.download(NAME, tmp_path)
    assert server.calls.count("store") == 2
    assert "train.csv: 99 bytes, got 15" in capfd.readouterr().err


def test_no_room(server, tmp_path):
    server.competitions[NAME].listed = {"train.csv": 1 << 60}
    assert "GB are free" in refusal(lambda: kaggle.download(NAME, tmp_path))


# -- submit ------------------------------------------------------------------------------------------------------------------------


def test_submit_wait_and_the_clients_own_list(server, submission):
    server.competitions[NAME].polls = 3
    ref = kaggle.submit(NAME, submission, "resnet9-3f2a")
    assert kaggle.wait(NAME, ref, 60) == {"status": "COMPLETE", "public": "0.75000", "private": "", "reason": ""}
    command = [str(Path(sys.executable).parent / "kaggle"), "competitions", "submissions", "-c", NAME, "--csv"]
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    assert f"{ref},resnet.csv," in listed
    assert "resnet9-3f2a #" in listed
    assert "COMPLETE,0.75000" in listed


@pytest.mark.parametrize("status", [500, 503])
def test_a_lost_answer_is_looked_up_by_its_mark(server, submission, status):
    server.plant("CreateSubmission", status=status, after=True)
    server.plant("ListSubmissions", status=503)
    assert kaggle.submit(NAME, submission, "m") == 1001
    assert server.calls.count("CreateSubmission") == 1


def test_a_lost_answer_by_time_out(server, submission, monkeypatch):
    monkeypatch.setattr(kaggle, "TIMEOUT", (1, 0.3))
    server.plant("CreateSubmission", seconds=0.6, after=True)
    assert kaggle.submit(NAME, submission, "m") == 1001
    assert server.calls.count("CreateSubmission") == 1


def test_a_submission_that_may_be_lost_is_never_repeated(server, submission):
    server.plant("CreateSubmission", status=500, times=99)
    said = refusal(lambda: kaggle.submit(NAME, submission, "m"))
    assert f"competitions/{NAME}/submissions" in said
    assert server.calls.count("CreateSubmission") == 1


def test_the_mark_is_found_behind_the_first_page(server, submission):
    server.competitions[NAME].daily_limit = 99
    ref = kaggle.submit(NAME, submission, "first")
    for _ in range(25):
        kaggle.submit(NAME, submission, "later")
    assert kaggle.wait(NAME, ref, 0)["status"] in ("PENDING", "COMPLETE")
    assert kaggle._find(NAME, lambda one: one.ref == ref).description.startswith("first #")


@pytest.mark.parametrize("nested", [False, True])
def test_refused_submissions(server, submission, nested):
    server.plant("CreateSubmission", status=400, text="Submission not allowed:  Your team has used its allowance", nested=nested)
    assert "Submission not allowed: Your team" in refusal(lambda: kaggle.submit(NAME, submission, "m"))
    assert server.calls.count("CreateSubmission") == 1


def test_a_refusal_that_looks_like_a_success(server, submission):
    server.plant("CreateSubmission", status=200, body=json.dumps({"message": "Your team has used its allowance", "ref": 0}).encode())
    assert "used its allowance" in refusal(lambda: kaggle.submit(NAME, submission, "m"))


def test_the_daily_limit_is_seen_before_the_upload(server, submission, capsys):
    server.competitions[NAME].daily_limit = 1
    kaggle.submit(NAME, submission, "m")
    assert "1 submissions are left" in capsys.readouterr().out
    assert "no submission is left" in refusal(lambda: kaggle.submit(NAME, submission, "m"))
    assert server.calls.count("upload") == 1


def test_a_failing_upload_is_repeated_and_submits_nothing(server, submission):
    server.plant("upload", status=403)
    assert kaggle.submit(NAME, submission, "m") == 1001
    server.plant("upload", status=403, times=99)
    assert "nothing was submitted" in refusal(lambda: kaggle.submit(NAME, submission, "m"))
    assert server.calls.count("CreateSubmission") == 1


def test_a_closed_competition(server, submission):
    server.plant("CreateSubmission", status=404, text="The competition is closed")
    assert "takes no submission for 'leaf-counting' (The competition is closed)" in refusal(lambda: kaggle.submit(NAME, submission, "m"))


def test_rules_at_submission(server, submission):
    server.competitions[NAME].accepted = False
    assert f"then repeat: make submit COMPETITION={NAME}" in refusal(lambda: kaggle.submit(NAME, submission, "m"))


def test_a_scoring_error_gives_its_reason(server, submission):
    submission.write_text("id,label\n1,cat\n")
    found = kaggle.wait(NAME, kaggle.submit(NAME, submission, "m"), 60)
    assert found["status"] == "ERROR"
    assert "ids are not those" in found["reason"]


def test_waiting_ends(server, submission):
    server.competitions[NAME].polls = 10**9
    assert kaggle.wait(NAME, kaggle.submit(NAME, submission, "m"), 1)["status"] == "PENDING"


def test_no_file_to_submit(server, tmp_path):
    assert "there is no submission" in refusal(lambda: kaggle.submit(NAME, tmp_path / "none.csv", "m"))
    assert server.calls == []
