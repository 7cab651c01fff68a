"""The stand-in by hand (`make kaggle-local`), its scores, and what its faults put on the line."""

import math
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import requests

from clf import config
from tests.standin import client
from tests.standin.__main__ import Words, main, serve
from tests.standin.faults import CUT, NAMED
from tests.standin.scoring import graded
from tests.standin.server import Server

SAMPLE = b"id,label\n1,cat\n2,cat\n3,cat\n4,cat\n"
SOLUTION = b"id,label,Usage\n1,cat,Public\n2,dog,Public\n3,cat,Private\n4,dog,Ignored\n"


# -- by hand -----------------------------------------------------------------------------------------------------------------------


class ByHand:
    """`python -m tests.standin …` on a free port, reached with the variables that it prints."""

    def __init__(self, *words: str):
        command = [sys.executable, "-m", "tests.standin", "port=0", *words]
        self.process = subprocess.Popen(command, cwd=client.CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lines = [self.process.stdout.readline() for _ in range(5)]
        self.printed = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
        self.origin = self.printed["http_proxy"]

    def environment(self) -> dict[str, str]:
        return self.printed

    def __enter__(self) -> "ByHand":
        return self

    def __exit__(self, *problem) -> None:
        self.process.send_signal(signal.SIGINT)
        self.said = self.process.communicate(timeout=30)[1]

    def kaggle(self, *words: str, folder: Path, status: int = 0) -> str:
        done = client.kaggle(self, "competitions", *words, folder=folder)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def switch(self, fault: str) -> str:
        """As curl would; no proxy is asked."""
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{self.origin}/fault/{fault}", timeout=30).read().decode()


def test_by_hand_with_files_of_ones_own_both_scores_and_faults(tmp_path):
    (tmp_path / "ships" / "train").mkdir(parents=True)
    (tmp_path / "ships" / "sample_submission.csv").write_bytes(SAMPLE)
    (tmp_path / "ships" / "train" / "5.jpg").write_bytes(b"5")
    (tmp_path / "solution.csv").write_bytes(SOLUTION)
    words = (f"folder={tmp_path / 'ships'}", f"answers={tmp_path / 'solution.csv'}", "ended=true", "fault=pending")
    submit = ("submit", "-c", "toys", "-f", str(tmp_path / "ships" / "sample_submission.csv"), "-m", "m")
    with ByHand("competition=toys", *words) as hand:
        assert hand.origin.startswith("http://127.0.0.1:")
        hand.kaggle("download", "-c", "toys", "-f", "train/5.jpg", folder=tmp_path)
        assert (tmp_path / "5.jpg").read_bytes() == b"5"
        hand.kaggle(*submit, folder=tmp_path)
        listed = [hand.kaggle("submissions", "-c", "toys", "--csv", folder=tmp_path) for _ in range(6)]
        assert "PENDING,," in listed[0]
        assert "COMPLETE,0.50000,1.00000" in listed[-1]
        assert "the sample submission" in hand.kaggle("leaderboard", "-c", "toys", "-s", folder=tmp_path)
        assert all(f"\n{name} " in f"\n{hand.switch('')}" for name in NAMED)
        assert hand.switch("closed").startswith("closed: ")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            hand.switch("none")
        assert "The competition is closed" in hand.kaggle(*submit, folder=tmp_path, status=1)
    assert hand.process.returncode == 130
    assert "Traceback" not in hand.said


@pytest.mark.parametrize(("name", "file"), [("digit-recognizer", "train.csv"), ("dog-breed-identification", "labels.csv")])
def test_without_a_folder_the_embedded_digits_or_a_small_copy_are_served_and_graded(name, file):
    with Server() as server:
        found = serve(server, Words(competition=name))
        assert file in found.files
        assert 0 < found.others["the sample submission"] < 6


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ({"competition": "toys"}, "folder= is wanted for toys"),
        ({"competition": "toys", "folder": "/nowhere"}, "folder=/nowhere holds no file"),
        ({"answers": "/nowhere.csv"}, "answers=/nowhere.csv is no file"),
        ({"metric": "acuracy"}, "Did you mean accuracy"),
        ({"fault": "cut,slwo"}, "Did you mean slow"),
    ],
)
def test_wrong_words(words, wanted):
    with pytest.raises(config.Mistake, match=wanted):
        main(Words(port=0, **words))


def test_a_port_that_is_taken_and_the_lines_for_eval():
    with Server() as server:
        command = [sys.executable, "-m", "tests.standin", f"port={server.port}"]
        taken = subprocess.run(command, cwd=client.CHECKOUT, capture_output=True, text=True)
        assert taken.returncode == 2
        assert f"such as port={server.port + 1}" in taken.stderr
        shown = subprocess.run([*command, "show=true"], cwd=client.CHECKOUT, capture_output=True, text=True)
        script = f'{shown.stdout}\n"{client.KAGGLE}" competitions list'
        assert "No competitions found" in subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout


# -- scores ------------------------------------------------------------------------------------------------------------------------


def test_scores_are_the_graders_on_the_rows_of_their_usage():
    assert graded("accuracy", SOLUTION)(SAMPLE) == 0.5
    assert graded("accuracy", SOLUTION, "Private")(SAMPLE) == 1.0
    shuffled = b"id,label\n4,dog\n2,dog\n1,cat\n3,dog\n"
    assert graded("accuracy", SOLUTION)(shuffled) == 1.0
    loss = graded("multiclass_log_loss", b"id,a,b\n1,1,0\n2,0,1\n")
    assert loss(b"id,a,b\n1,0.5,0.5\n2,0.75,0.25\n") == pytest.approx(-(math.log(0.5) + math.log(0.25)) / 2)


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (b"id,class\n1,cat\n", "the header is"),
        (SAMPLE.replace(b"4,", b"5,"), "the ids are not those"),
        (SAMPLE + b"4,cat\n", "the ids are not those"),
        (SAMPLE.replace(b"1,cat", b"1,"), "is no label"),
        (b"", "no CSV file"),
    ],
)
def test_what_cannot_be_scored(sent, wanted):
    with pytest.raises(ValueError, match=wanted):
        graded("accuracy", SOLUTION)(sent)


# -- faults on the line ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server():
    with Server() as running:
        running.add("toys", {"train/1.jpg": bytes(range(256)) * 8192})  # 2 MiB
        yield running


def fetch(server: Server, address: str = "", **headers: str) -> requests.Response:
    session = requests.Session()
    session.trust_env = False  # no proxy
    return session.get(
        address or server.sign("store/toys.zip"), headers={name.replace("_", "-"): value for name, value in headers.items()}, timeout=30
    )


def test_a_reset_is_no_mere_end(server):
    server.break_by_name("reset")
    with pytest.raises(requests.exceptions.RequestException, match="reset by peer"):
        fetch(server)
    server.plant("IntrospectToken", reset=True)
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.post(f"{server.origin}/api/v1/security.OAuthService/IntrospectToken", json={}, proxies={"http": ""}, timeout=30)


def test_without_a_length_a_cut_is_not_to_be_seen(server):
    server.break_by_name("no_length")
    found = fetch(server)
    assert "Content-Length" not in found.headers
    assert len(found.content) == CUT < len(server.competitions["toys"].archive())


def test_an_address_that_ran_out_stays_so_and_a_new_one_works(server):
    address = server.sign("store/toys.zip")
    server.break_by_name("expired")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        fetch(server, address)
    assert [fetch(server, address).status_code for _ in range(2)] == [403, 403]
    assert fetch(server).content == server.competitions["toys"].archive()


def test_a_range_is_served_unless_the_content_is_another_or_ranges_are_unknown(server):
    whole = server.competitions["toys"].archive()
    tag = fetch(server).headers["ETag"]
    part = fetch(server, Range="bytes=1000-", If_Range=tag)
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, whole[1000:], f"bytes 1000-{len(whole) - 1}/{len(whole)}")
    assert fetch(server, Range="bytes=1000-", If_Range='"another"').content == whole
    assert fetch(server, Range=f"bytes={len(whole)}-").status_code == 416
    server.plant("store", no_range=True)
    found = fetch(server, Range="bytes=1000-")
    assert (found.status_code, found.content, "Accept-Ranges" in found.headers) == (200, whole, False)
    server.break_by_name("slow")
    assert fetch(server).content == whole
    server.break_by_name("flip")
    flipped = fetch(server).content
    assert sum(one != other for one, other in zip(flipped, whole, strict=True)) == 1
    assert server.ranges.count("bytes=1000-") == 3


def test_it_listens_on_loopback_only(server):
    assert server.http.server_address[0] == "127.0.0.1"
