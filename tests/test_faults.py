"""What goes wrong between here and Kaggle: one row a fault, what the unmodified client leaves behind, and what this project does.

Both are processes of their own against the stand-in; only the pauses between their tries are left out. Of ours no token, no signed address
and no traceback may be seen in any output or file, whatever the fault; a command that failed is repeated once the fault is gone. Ours runs
on every row of a download and every second of a submission; the client, which does not change, on a fifth of them (CLF_TESTS=all: on all).
"""

import contextlib
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from clf import ledger, paths, sources
from tests import cases
from tests.standin import client, content
from tests.standin.competition import Competition
from tests.standin.faults import MISSPELT, PAGE, RULES
from tests.standin.scoring import graded
from tests.standin.server import SIGNATURE, Server
from tests.zoo import harness
from tests.zoo.layouts import ZOO

# -- downloads ---------------------------------------------------------------------------------------------------------------------

NAME = "leaf-counting"
AGAIN = f"make download COMPETITION={NAME}"
RULES_PAGE = f"https://www.kaggle.com/competitions/{NAME}/rules"
NOISE = random.Random(0).randbytes(2_500_000)
NESTED = {"train/5.jpg": b"5", "train/6.jpg": NOISE[:100_000]}
FILES = {
    "train.zip": content.packed(NESTED),
    "train.csv": b"id,label\n5,cat\n",
    "sample_submission.csv": b"id,label\n1,cat\n",
    "test/1.jpg": NOISE,
}
EXPIRED = f"<Error><Code>ExpiredToken</Code><Signed>sig={SIGNATURE}</Signed></Error>".encode()
RAW = {**{f"train/{Path(name).name}": held for name, held in NESTED.items()}, **{name: held for name, held in FILES.items() if name != "train.zip"}}


def nothing(server: Server) -> None:
    """No fault."""


def named(*faults: str) -> Callable[[Server], None]:
    return lambda server: [server.break_by_name(fault) for fault in faults]


def planted(where: str, **what) -> Callable[[Server], None]:
    return lambda server: server.plant(where, **what)


@dataclass(frozen=True)
class Download:
    """One row. `kept`: whole, broken, partial or nothing; `again`: the same after the client's second run, with the fault gone."""

    fault: str
    breaks: Callable[[Server], None]
    plain: int  # exit status of the client; -1: it never ends
    says: str  # on either of its outputs
    kept: str
    again: str
    ours: int  # exit status
    answers: tuple[str, ...] = ()  # on stderr
    environment: tuple[tuple[str, str], ...] = ()
    competition: str = NAME


DOWNLOADS = [
    Download("cut once", named("cut"), 0, "Resuming from 1048576 bytes", "whole", "whole", 0),
    Download("reset once", named("reset"), 0, "Retry 1/5", "whole", "whole", 0),
    Download("cut early at every try", planted("store", cut=1000, times=99), 1, "Download failed after 5 retries", "partial", "whole", 2, (AGAIN,)),
    Download("dribbling", planted("store", slow=0.01, times=2), 0, "", "whole", "whole", 0),
    Download("one byte wrong", named("flip"), 0, "", "broken", "broken", 0, ("fetching it again",)),
    Download("a page in place of the data", planted("store", status=200, body=PAGE), 0, "", "broken", "whole", 0, ("fetching it again",)),
    Download("cut, then two error pages", named("poison"), 1, "does not match expected size", "broken", "broken", 0),
    Download("cut, and the address runs out", named("expired"), 1, "does not match expected size", "broken", "broken", 0),
    Download("an address that has run out", planted("store", status=403, body=EXPIRED, expires=True), 1, SIGNATURE, "nothing", "whole", 0),
    Download("no address works", planted("store", status=403, body=EXPIRED, times=99), 1, SIGNATURE, "nothing", "whole", 2, ("403", AGAIN)),
    Download("cut, without a length", named("no_length"), 0, "", "broken", "whole", 0),
    Download("cut, without ranges", named("no_range"), 0, "", "whole", "whole", 0),
    Download("too many requests", planted("DownloadDataFiles", status=429, text="Too many", retry_after="1"), 1, "Too many", "nothing", "whole", 0),
    Download("an hour's pause", planted("DownloadDataFiles", status=429, retry_after="3600"), 1, "planted", "nothing", "whole", 2, ("3600", AGAIN)),
    Download("an error once", planted("DownloadDataFiles", status=500, text="Internal error"), 1, "Internal error", "nothing", "whole", 0),
    Download("errors for long", planted("DownloadDataFiles", status=503, body=PAGE, times=99), 1, "503", "nothing", "whole", 2, ("503", AGAIN)),
    Download("a dropped call", planted("DownloadDataFiles", reset=True), 1, "Connection reset by peer", "nothing", "whole", 0),
    Download("a page in place of an answer", planted("ListDataFiles", status=200, body=PAGE, times=99), 0, "", "whole", "whole", 2, (AGAIN,)),
    Download("rules not accepted", named("rules"), 1, RULES, "nothing", "whole", 2, (RULES_PAGE, AGAIN)),
    Download("rules, the other shape", named("rules", "nested"), 1, "403 Client Error", "nothing", "whole", 2, (RULES_PAGE, AGAIN)),
    Download(
        "a misspelt id, 403", lambda server: setattr(server, "unknown", 403), 1, MISSPELT, "nothing", "nothing", 2,
        ("leaf-countng", "misspelt"), competition="leaf-countng",
    ),
    Download("a misspelt id, 404", nothing, 1, "Competition not found", "nothing", "nothing", 2, ("leaf-countng", "id"), competition="leaf-countng"),
    Download(
        "a stale token", nothing, 1, "Authentication required", "nothing", "nothing", 2, ("KAGGLE_API_TOKEN", AGAIN),
        environment=(("KAGGLE_API_TOKEN", "stale"),),
    ),
    Download("401 on a call", planted("DownloadDataFiles", status=401), 1, "Authentication required", "nothing", "whole", 2, (AGAIN,)),
    Download("the token check fails", planted("IntrospectToken", status=500, times=99), 1, "Traceback", "nothing", "whole", 2, (AGAIN,)),
    Download("no server", lambda server: server.__exit__(), 1, "Traceback", "nothing", "nothing", 2, (AGAIN,)),
    Download("no answer", planted("DownloadDataFiles", seconds=3600), -1, "", "nothing", "whole", 0),
]  # fmt: skip


@pytest.fixture
def server():
    with Server() as running:
        running.add(NAME, FILES, graded("accuracy", FILES["sample_submission.csv"]))
        yield running


def mend(server: Server) -> None:
    server.faults.clear()
    for one in server.competitions.values():
        one.accepted = True
    server.closing.set()  # whoever waits still is answered
    server.closing = type(server.closing)()


def left(folder: Path) -> str:
    """What of the archive lies in the folder."""
    file = folder / f"{NAME}.zip"
    if not file.exists():
        return "nothing"
    try:
        with zipfile.ZipFile(file) as opened:
            return "whole" if opened.testzip() is None else "broken"
    except zipfile.BadZipFile:
        return "partial" if content.packed(FILES).startswith(file.read_bytes()) and marked(file) else "broken"


def marked(file: Path) -> bool:
    return file.with_name(file.name + ".kaggle-partial").exists()


def never_answered(server: Server, command: list[str], folder: Path, call: str = "DownloadDataFiles") -> None:
    """The command waits for as long as one lets it."""
    process = client.start(server, command, folder)
    while call not in server.calls and process.poll() is None:
        time.sleep(0.02)
    with pytest.raises(subprocess.TimeoutExpired):
        client.finish(process, 1.5)


@pytest.mark.parametrize("row", cases.part(DOWNLOADS, 5), ids=lambda row: row.fault)
def test_download_with_the_plain_client(server, row, tmp_path):
    row.breaks(server)
    words = ("competitions", "download", "-c", row.competition)
    if row.plain < 0:
        never_answered(server, [str(client.KAGGLE), *words], tmp_path)
    else:
        done = client.restless(server, *words, folder=tmp_path, **dict(row.environment))
        assert done.returncode == row.plain
        assert row.says in done.stdout + done.stderr
    assert left(tmp_path) == row.kept
    if row.fault != "no server":
        mend(server)
        client.restless(server, *words, folder=tmp_path, **dict(row.environment))
        assert left(tmp_path) == row.again


PATIENCE = "from clf import kaggle; kaggle.TIMEOUT = (10, 1.0)"  # seconds to connect, and between two pieces of an answer


def held(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths.files(folder)} if folder.exists() else {}


def leftovers(place: paths.Place) -> list[str]:
    """What a download leaves beside `raw/` and its record."""
    return sorted(path.name for path in place.data.iterdir() if path not in (place.raw, place.download)) if place.data.exists() else []


@pytest.mark.parametrize("row", DOWNLOADS, ids=lambda row: row.fault)
def test_download_with_ours(server, row, scratch):
    row.breaks(server)
    place = paths.Place(row.competition)
    before = PATIENCE if row.plain < 0 else ""
    done = client.script(server, "01_download", f"competition={row.competition}", before=before, **dict(row.environment))
    client.check_silence(scratch, stdout=done.stdout, stderr=done.stderr)
    assert done.returncode == row.ours, done.stderr
    for text in row.answers:
        assert text in done.stderr
    if row.ours:
        assert "error: " in done.stderr
        assert held(place.raw) == {}
    if row.ours and row.competition == NAME and row.fault != "no server":  # the same command, once the fault is gone
        mend(server)
        done = client.script(server, "01_download", f"competition={row.competition}")
        client.check_silence(scratch, stdout=done.stdout, stderr=done.stderr)
        assert done.returncode == 0, done.stderr
    if done.returncode == 0:
        assert held(place.raw) == RAW
        assert leftovers(place) == []


# -- submissions -------------------------------------------------------------------------------------------------------------------

TOYS = ZOO["sorghum-id-fgvc-9"]
SUBMISSIONS_PAGE = f"https://www.kaggle.com/competitions/{TOYS.competition}/submissions"
SUBMIT = f"make submit COMPETITION={TOYS.competition}"


def toys(server: Server) -> Competition:
    return server.competitions[TOYS.competition]


@dataclass(frozen=True)
class Submission:
    """One row. `made`: submissions that the client's command leaves at Kaggle; `tries`: how often ours asks for one.

    Our command is repeated once the fault is gone; then there is one submission, in the ledger as well, whatever happened before.
    """

    fault: str
    breaks: Callable[[Server], None]
    plain: int  # exit status of the client; -1: it never ends
    says: str  # on either of its outputs
    made: int
    ours: int  # exit status
    tries: int
    answers: tuple[str, ...] = ()  # on either output
    words: tuple[str, ...] = ()
    again: int = 0  # exit status of the repeated command


REFUSED = "Submission not allowed"
SENT = "Successfully submitted"
SUBMISSIONS = [
    Submission("too many requests at the upload", named("busy_upload"), 0, SENT, 1, 0, 1),
    Submission("the upload is cut", planted("upload", reset=True), 0, SENT, 1, 0, 1),
    Submission("the upload fails once", named("upload"), 0, "Could not submit", 0, 0, 1),
    Submission("the upload always fails", planted("upload", status=503, times=99), 0, "Could not submit", 0, 2, 0, ("nothing was submitted", SUBMIT)),
    Submission("an error, and it did not count", planted("CreateSubmission", status=500), 1, "planted", 0, 2, 1, (SUBMISSIONS_PAGE, SUBMIT)),
    Submission("an error, but it counted", named("lost"), 1, "Internal error", 1, 0, 1),
    Submission("it counted, but the line dropped", planted("CreateSubmission", reset=True, after=True), 1, "reset by peer", 1, 0, 1),
    Submission("it counted, but nobody answers", planted("CreateSubmission", seconds=3600, after=True), -1, "", 1, 0, 1),
    Submission("over quota", named("quota"), 1, REFUSED, 0, 2, 0, ("day ends at 00:00 UTC",)),
    Submission("over quota, seen at the end", planted("CreateSubmission", status=400, text=REFUSED), 1, REFUSED, 0, 2, 1, (REFUSED,)),
    Submission("over quota inside a 200", named("quota_200"), 0, "used its submission allowance", 0, 2, 1, ("used its submission allowance",)),
    Submission("closed, 400", named("closed"), 1, "is closed", 0, 2, 1, ("is closed",)),
    Submission("closed, 404", named("closed_404"), 1, "is closed", 0, 2, 1, ("is closed",)),
    Submission("rules not accepted at the end", named("rules"), 1, RULES, 0, 2, 0, (f"{TOYS.competition}/rules", SUBMIT)),
    Submission("scored late", named("pending"), 0, SENT, 1, 0, 1, ("public",)),
    Submission("scored much later", lambda server: setattr(toys(server), "polls", 10**9), 0, SENT, 1, 0, 1, ("not scored yet",), ("wait=0",)),
    Submission("a scoring error", named("scoring"), 0, SENT, 1, 2, 1, ("Evaluation Exception",), again=2),
    Submission("an error while the score is waited for", planted("ListSubmissions", status=500), 0, SENT, 1, 0, 1, ("public",)),
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A work folder in which a run is trained and ready to be submitted, and the hidden answers."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLF_WORK", str(folder))
        built = harness.build(TOYS, folder / "built")
        place, question, _ = harness.ask(TOYS, folder / "built", built)
        harness.prepare(place, question)
        harness.linear(place, question)
        harness.submit(place)
    return folder, built.answers.to_csv(index=False).encode()


@pytest.fixture
def ready(trained, scratch):
    """A server with the competition, and the trained run in this test's own work folder: the server and the submission file."""
    for name in ("data", "submissions"):
        shutil.copytree(trained[0] / name, scratch / name, symlinks=True)
    with Server() as running:
        running.add(TOYS.competition, {"a.csv": b"a\n"}, graded(TOYS.metric, trained[1]))
        yield running, paths.Place(TOYS.competition).submission("linear")


@pytest.mark.parametrize("row", cases.part(SUBMISSIONS, 5), ids=lambda row: row.fault)
def test_submission_with_the_plain_client(ready, row, tmp_path):
    server, file = ready
    row.breaks(server)
    words = ("competitions", "submit", "-c", TOYS.competition, "-f", str(file), "-m", "m")
    if row.plain < 0:
        never_answered(server, [str(client.KAGGLE), *words], tmp_path, "CreateSubmission")
    else:
        done = client.restless(server, *words, folder=tmp_path)
        assert done.returncode == row.plain
        assert row.says in done.stdout + done.stderr
    assert len(toys(server).submissions) == row.made


@pytest.mark.parametrize("row", cases.part(SUBMISSIONS, 2), ids=lambda row: row.fault)
def test_submission_with_ours(ready, row, scratch):
    server, file = ready
    row.breaks(server)
    before = PATIENCE if row.plain < 0 else ""
    words = (f"competition={TOYS.competition}", "run=linear")
    done = client.script(server, "07_submit", *words, *row.words, before=before)
    client.check_silence(scratch, stdout=done.stdout, stderr=done.stderr)
    assert done.returncode == row.ours, done.stdout + done.stderr
    for text in row.answers:
        assert text in done.stdout + done.stderr
    assert server.calls.count("CreateSubmission") == row.tries
    mend(server)
    vars(toys(server)).update(accepted=True, closed=0, elsewhere=0, polls=0)
    for made in toys(server).submissions:
        made["polls"] = 0
    done = client.script(server, "07_submit", *words)
    client.check_silence(scratch, stdout=done.stdout, stderr=done.stderr)
    assert done.returncode == row.again, done.stdout + done.stderr
    (made,) = toys(server).submissions
    assert made["content"] == file.read_bytes()
    (line,) = ledger.folded(paths.Place(TOYS.competition)).to_dict("records")
    shown = toys(server).state(made)
    assert (line["ref"], line["status"], line["public"]) == (str(made["ref"]), shown["status"], shown.get("publicScore", ""))


def test_the_plain_client_sends_a_file_twice_where_the_answer_is_lost(ready, tmp_path):
    """What the rows above stand against: it fails, so one repeats the command."""
    server, file = ready
    server.break_by_name("lost")
    words = ("competitions", "submit", "-c", TOYS.competition, "-f", str(file), "-m", "m")
    assert [client.restless(server, *words, folder=tmp_path).returncode for _ in range(2)] == [1, 0]
    assert len(toys(server).submissions) == 2


def test_a_kill_while_kaggle_answers_sends_nothing_twice(ready, scratch):
    server, _ = ready
    server.plant("CreateSubmission", seconds=3600, after=True)
    words = (f"competition={TOYS.competition}", "run=linear")
    process = client.start(server, [sys.executable, "-m", "scripts.07_submit", *words], client.CHECKOUT)
    while not toys(server).submissions and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    mend(server)
    done = client.script(server, "07_submit", *words)
    client.check_silence(scratch, stdout=done.stdout, stderr=done.stderr)
    assert len(toys(server).submissions) == 1


# -- kills -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_download_killed_at_random_points_ends_whole_when_it_is_repeated(server, scratch):
    """SIGKILL between the start and the end of the download; the command that follows finds, resumes, or starts again."""
    place, draw = paths.Place(NAME), random.Random(5)
    words = [sys.executable, "-m", "scripts.01_download", f"competition={NAME}"]
    began = time.monotonic()
    server.plant("store", slow=0.01, piece=1 << 15)
    assert client.finish(client.start(server, words, client.CHECKOUT)).returncode == 0
    whole = time.monotonic() - began
    killed = []
    for _ in range(20 if cases.ALL else 8):
        sources.remove(place.data)
        mend(server)
        server.plant("store", slow=0.01, piece=1 << 15)
        process = client.start(server, words, client.CHECKOUT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(draw.uniform(0.2, 1.0) * whole)
        process.kill()
        said = process.communicate()
        killed.append(process.returncode == -signal.SIGKILL)
        client.check_silence(scratch, stdout=said[0], stderr=said[1])
        mend(server)
        done = client.script(server, "01_download", f"competition={NAME}")
        client.check_silence(scratch, stdout=done.stdout, stderr=done.stderr)
        assert done.returncode == 0, done.stderr
        assert held(place.raw) == RAW
        assert leftovers(place) == []
    assert sum(killed) >= len(killed) / 2
    assert any(server.ranges)  # some went on where they stopped
