"""Every route of the stand-in, driven by the real `kaggle` command in a process of its own."""

import csv
import io
import json
import random
import sys
import zipfile

import pytest

from tests.standin import client, content
from tests.standin.scoring import graded
from tests.standin.server import CALLS, Server

NAME = "leaf-counting"
ANSWERS = b"id,label,Usage\n1,cat,Public\n2,dog,Public\n3,cat,Private\n4,dog,Ignored\n"
SAMPLE = b"id,label\n1,cat\n2,cat\n3,cat\n4,cat\n"
NOISE = random.Random(0).randbytes(300_000)


@pytest.fixture
def server():
    with Server() as running:
        files = {"sample_submission.csv": SAMPLE, "my notes.txt": b"notes", "train/5.jpg": b"5", "train/6.jpg": NOISE, "test/1.jpg": b"1"}
        pages = {"evaluation": "Accuracy.", "rules": "One account."}
        running.add(NAME, files, graded("accuracy", ANSWERS), private=graded("accuracy", ANSWERS, "Private"), pages=pages, polls=0)
        running.add("tree-counting", {"a.csv": b"a\n"}, title="Trees")
        yield running


@pytest.fixture
def kaggle(server, tmp_path):
    """Runs `kaggle competitions …` in an empty folder → its output; `.folder` is that folder."""

    def run(*words: str, status: int = 0, **environment: str) -> str:
        server.calls.clear()
        done = client.kaggle(server, "competitions", *words, folder=run.folder, **environment)
        assert done.returncode == status, done.stdout + done.stderr
        asked = [name for name in server.calls if name not in ("IntrospectToken", "store", "upload")]
        assert set(asked) <= CALLS.keys()
        return done.stdout

    run.folder = tmp_path / "here"
    run.folder.mkdir()
    return run


PYTHON = """
import json, sys
from kaggle import api
from kagglesdk.competitions.types import competition_api_service as types
calls = api.build_kaggle_client().competitions.competition_api_client
one, facts = types.ApiGetSubmissionRequest(), types.ApiGetCompetitionRequest()
one.ref, facts.competition_name = 1001, "leaf-counting"
one, facts = calls.get_submission(one), calls.get_competition(facts)
print(json.dumps([one.status.name, one.public_score, facts.evaluation_metric, facts.max_daily_submissions]))
"""
# Call → the words behind `kaggle competitions` that make it; None: only Python does.
ROUTES = {
    "IntrospectToken": ("list",),
    "ListCompetitions": ("list",),
    "GetCompetition": None,
    "ListCompetitionPages": ("pages", "-c", NAME),
    "ListDataFiles": ("files", "-c", NAME),
    "DownloadDataFiles": ("download", "-c", NAME),
    "DownloadDataFile": ("download", "-c", NAME, "-f", "test/1.jpg"),
    "StartSubmissionUpload": ("submit", "-c", NAME, "-f", "mine.csv", "-m", "m"),
    "CreateSubmission": ("submit", "-c", NAME, "-f", "mine.csv", "-m", "m"),
    "GetSubmissionLimits": ("submission-limits", NAME),
    "ListSubmissions": ("submissions", "-c", NAME),
    "GetSubmission": None,
    "GetLeaderboard": ("leaderboard", "-c", NAME, "-s"),
    "DownloadLeaderboard": ("leaderboard", "-c", NAME, "-d"),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_route(server, kaggle, call):
    (kaggle.folder / "mine.csv").write_bytes(SAMPLE)
    if ROUTES[call]:
        kaggle(*ROUTES[call])
    else:
        server.competitions[NAME].take(SAMPLE, "mine.csv", "m")
        done = client.finish(client.start(server, [sys.executable, "-c", PYTHON], kaggle.folder))
        assert json.loads(done.stdout) == ["COMPLETE", "0.50000", "Categorization Accuracy", 5]
    assert call in server.calls


def rows(text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text)))


def test_competitions_are_listed_searched_and_paged(server, kaggle):
    found = rows(kaggle("list", "--csv"))
    assert [row["ref"].rsplit("/", 1)[-1] for row in found] == [NAME, "tree-counting"]
    assert found[0]["deadline"].startswith("2030-01-31")
    assert server.calls == ["IntrospectToken", "ListCompetitions"]
    assert "tree-counting" in kaggle("list", "-s", "tree-countng")
    assert "No competitions found" in kaggle("list", "-s", "whales")
    first = kaggle("list", "--page-size", "1", "--csv")
    assert first.startswith("Next Page Token = 1\n")
    assert "tree-counting" not in first
    assert "tree-counting" in kaggle("list", "--page-size", "1", "--page-token", "1", "--csv")
    assert NAME not in kaggle("list", "--page-size", "1", "-p", "2", "--csv")


def test_files_are_listed_page_by_page(server, kaggle):
    first = kaggle("files", "-c", NAME, "--csv")
    assert first.startswith("Next Page Token = 3\n")
    second = rows(kaggle("files", "-c", NAME, "--csv", "--page-token", "3"))
    assert [row["name"] for row in second] == ["train/6.jpg", "test/1.jpg"]
    server.competitions[NAME].page = 200
    every = rows(kaggle("files", "-c", NAME, "--csv", "--page-size", "200"))
    assert [int(row["size"]) for row in every] == [len(held) for held in server.competitions[NAME].files.values()]


def test_all_files_come_as_one_archive_once(server, kaggle):
    kaggle("download", "-c", NAME)
    arrived = kaggle.folder / f"{NAME}.zip"
    assert server.calls == ["IntrospectToken", "DownloadDataFiles", "store"]
    assert arrived.read_bytes() == server.competitions[NAME].archive()
    assert [path.name for path in kaggle.folder.iterdir()] == [arrived.name]
    assert "Skipping" in kaggle("download", "-c", NAME)


def test_one_file_comes_under_the_last_part_of_its_name(server, kaggle):
    kaggle("download", "-c", NAME, "-f", "train/6.jpg")
    assert server.calls == ["IntrospectToken", "DownloadDataFile", "store"]
    assert (kaggle.folder / "6.jpg").read_bytes() == NOISE
    kaggle("download", "-c", NAME, "-f", "my notes.txt")
    assert (kaggle.folder / "my%20notes.txt").read_bytes() == b"notes"
    server.competitions[NAME].zip_single = True
    kaggle("download", "-c", NAME, "-f", "sample_submission.csv")
    with zipfile.ZipFile(kaggle.folder / "sample_submission.csv.zip") as opened:
        assert opened.read("sample_submission.csv") == SAMPLE
    kaggle("download", "-c", NAME, "-f", "none.csv", status=1)


def test_what_lies_on_disk_is_served_from_there(server, kaggle, tmp_path):
    (tmp_path / "big.jpg").write_bytes(NOISE)
    server.add("from-disk", {"train/big.jpg": tmp_path / "big.jpg", "a.csv": b"a\n"})
    content.pack({"train/big.jpg": NOISE}, tmp_path / "whole.zip")
    server.add("packed", {}, whole=tmp_path / "whole.zip")
    for name in ("from-disk", "packed"):
        assert f"train/big.jpg,{len(NOISE)}," in kaggle("files", "-c", name, "--csv")
        server.plant("store", cut=1000)
        client.restless(server, "competitions", "download", "-c", name, folder=kaggle.folder)
        with zipfile.ZipFile(kaggle.folder / f"{name}.zip") as opened:
            assert opened.read("train/big.jpg") == NOISE
    kaggle("download", "-c", "from-disk", "-f", "train/big.jpg")
    assert (kaggle.folder / "big.jpg").read_bytes() == NOISE


def test_a_submission_is_sent_scored_counted_and_seen_on_the_leaderboard(server, kaggle):
    server.competitions[NAME].others = {"a": 1.0, "b": 0.25}
    file = kaggle.folder / "mine.csv"
    file.write_bytes(SAMPLE)
    said = kaggle("submit", "-c", NAME, "-f", str(file), "-m", "the first")
    assert "4 submissions remaining today.\nSuccessfully submitted to A competition" in said
    assert server.calls == ["IntrospectToken", "StartSubmissionUpload", "upload", "CreateSubmission", "GetSubmissionLimits"]
    server.competitions[NAME].polls = 1
    kaggle("submit", "-q", "-c", NAME, "-f", str(file), "-m", "the second")
    assert "GetSubmissionLimits" not in server.calls

    (second, first) = rows(kaggle("submissions", "-c", NAME, "--csv"))
    assert server.calls == ["IntrospectToken", "ListSubmissions"]
    assert [first[name] for name in ("ref", "fileName", "description", "publicScore", "privateScore")] == [
        "1001", "mine.csv", "the first", "0.50000", "1.00000",
    ]  # fmt: skip
    assert (first["status"], second["status"]) == ("SubmissionStatus.COMPLETE", "SubmissionStatus.PENDING")
    older = kaggle("submissions", "-c", NAME, "--page-size", "1", "--page-token", "1")
    assert "the first" in older
    assert "the second" not in older

    assert "Submissions today: 2\nLifetime submissions: 2\nRemaining today: 3" in kaggle("submission-limits", NAME)
    standing = rows(kaggle("leaderboard", "-c", NAME, "-s", "--csv"))
    assert [(row["teamName"], row["score"]) for row in standing] == [("a", "1.0"), ("tester", "0.5"), ("b", "0.25")]
    assert kaggle("leaderboard", "-c", NAME, "-s", "--page-size", "2").startswith("Next Page Token = 2")
    assert "tester" not in kaggle("leaderboard", "-c", NAME, "-s", "--page-size", "2", "--page-token", "2")
    kaggle("leaderboard", "-c", NAME, "-d", "-p", str(kaggle.folder / "board"))
    with zipfile.ZipFile(kaggle.folder / "board" / f"{NAME}.zip") as opened:
        assert b"2,2,tester," in opened.read(opened.namelist()[0])


def test_pages(kaggle):
    assert kaggle("pages", "-c", NAME).split()[-2:] == ["evaluation", "rules"]
    assert rows(kaggle("pages", "-c", NAME, "--content", "--page-name", "rules", "--csv")) == [{"name": "rules", "content": "One account."}]


def test_a_key_signs_in_without_a_check_and_wrong_credentials_are_refused(server, kaggle):
    kaggle("files", "-c", NAME, KAGGLE_API_TOKEN="", KAGGLE_USERNAME="tester", KAGGLE_KEY="right-key")
    assert server.calls == ["ListDataFiles"]
    said = kaggle("files", "-c", NAME, KAGGLE_API_TOKEN="", KAGGLE_USERNAME="tester", KAGGLE_KEY="wrong", status=1)
    assert "Authentication required" in said
    assert "Authentication required" in kaggle("files", "-c", NAME, KAGGLE_API_TOKEN="stale", status=1)
    assert set(server.calls) == {"IntrospectToken"}


@pytest.mark.parametrize("nested", [False, True])
def test_both_shapes_of_error_body(server, kaggle, nested):
    server.nested = nested
    server.competitions[NAME].accepted = False
    done = client.kaggle(server, "competitions", "download", "-c", NAME, folder=kaggle.folder)
    assert done.returncode == 1
    assert ("You must accept" in done.stderr) == (not nested)
    server.unknown = 403
    done = client.kaggle(server, "competitions", "files", "-c", "leaf-countng", folder=kaggle.folder)
    assert ("Permission 'competitions.get' was denied" in done.stderr) == (not nested)
