"""Script 01 as a user runs it: from the embedded slice, from a folder, from (a stand-in for) Kaggle."""

import csv
import itertools
import json
import os
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from kaggle_server import SIGNATURE, TOKEN, Server
from test_archives import packed, put

from clf import embedded, paths

DOGS = "dog-breed-identification"
CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture
def download(script):
    """Runs 01; nothing it says may hold a token, a signature or a traceback."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess:
        done = script("01_download", *words, **environment)
        said = done.stdout + done.stderr
        assert TOKEN not in said
        assert SIGNATURE not in said
        assert "Traceback" not in said, said
        return done

    return run


@pytest.fixture
def server():
    with Server() as running:
        inner = packed("zip", {f"train/{number}.jpg": bytes([number]) * 50 for number in range(5)})
        running.add(DOGS, {"train.zip": inner, "labels.csv.zip": packed("zip", {"labels.csv": b"id,breed\n"}), "sample_submission.csv": b"id\n"})
        yield running


@pytest.fixture
def folder(tmp_path):
    """A user's folder: files, a folder, an archive."""
    source = tmp_path / "mine"
    put(source / "labels.csv", b"id,breed\n1,pug\n")
    put(source / "test" / "2.jpg", b"2")
    put(source / "train.zip", packed("zip", {"train/1.jpg": b"1"}))
    put(source / ".DS_Store", b"junk")
    return source


def tree(root: Path) -> dict:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths.files(root)}


def refused(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    return done.stderr


def said(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- the embedded slice ------------------------------------------------------------------------------------------------------------


def test_embedded_slice(download, tmp_path):
    told = said(download())
    assert "4,000 of Kaggle's 42,000" in told
    assert "kaggle.com/settings/api" in told
    place = paths.Place("digit-recognizer")
    train, test, sample, answers = (
        list(csv.reader(path.open()))
        for path in (place.raw / "train.csv", place.raw / "test.csv", place.raw / "sample_submission.csv", place.answers)
    )
    pixels = [f"pixel{number}" for number in range(784)]
    assert train[0] == ["label", *pixels]
    assert test[0] == pixels
    assert sample == [["ImageId", "Label"], *([str(number), "0"] for number in range(1, 1001))]
    assert Counter(row[0] for row in train[1:]) == {str(digit): 400 for digit in range(10)}
    assert Counter(row[1] for row in answers[1:]) == {str(digit): 100 for digit in range(10)}
    assert [row[0] for row in answers] == [row[0] for row in sample]
    labels = [row[0] for row in train[1:]]
    assert sum(a == b for a, b in itertools.pairwise(labels)) < 600  # shuffled: about one in ten, not nearly all

    record = paths.read_json(place.download)
    assert (record["source"], record["slice"], record["facts"]) == ("embedded", True, {})
    assert [file["name"] for file in record["files"]] == ["sample_submission.csv", "test.csv", "train.csv"]

    pictures, digits, tested = embedded.rows()
    known = {tuple(map(str, row)): str(digit) for row, digit in zip(pictures.tolist(), digits.tolist(), strict=True)}
    assert all(known[tuple(row)] == answer[1] for row, answer in zip(test[1:], answers[1:], strict=True))
    assert all(known[tuple(row[1:])] == row[0] for row in train[1:])
    assert tested.tolist() == [False, False, False, False, True] * 1000
    assert embedded.write(tmp_path / "again") == place.answers.read_text()
    assert tree(tmp_path / "again") == tree(place.raw)


def test_a_second_run_is_a_quick_no_op(download):
    said(download())
    place = paths.Place("digit-recognizer")
    before = {path: path.stat().st_mtime_ns for path in paths.files(place.data)}
    told = said(download())
    assert told.startswith("download: nothing to do")
    assert len(told.splitlines()) == 1
    assert before == {path: path.stat().st_mtime_ns for path in paths.files(place.data)}
    code = "import runpy, sys; runpy.run_path('scripts/01_download.py', run_name='__main__'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True).stdout.split()
    assert {"kaggle", "mlxtend", "tensorflow", "pandas"} & set(loaded) == set()
    assert "clf.sources" in loaded


# -- a folder ----------------------------------------------------------------------------------------------------------------------


def test_a_folder_is_linked_and_its_archives_unpacked(download, folder):
    before = tree(folder)
    said(download(f"competition={DOGS}", f"source={folder}"))
    place = paths.Place(DOGS)
    assert tree(place.raw) == {"labels.csv": b"id,breed\n1,pug\n", "test/2.jpg": b"2", "train/1.jpg": b"1"}
    assert os.readlink(place.raw / "labels.csv") == str(folder / "labels.csv")
    assert os.readlink(place.raw / "test") == str(folder / "test")
    assert not (place.raw / "train").is_symlink()
    assert tree(folder) == before
    record = paths.read_json(place.download)
    assert (record["source"], record["slice"], record["facts"]) == ("folder", False, {})
    assert {file["name"]: file["bytes"] for file in record["files"]} == {"labels.csv": 15, "test/2.jpg": 1, "train/1.jpg": 1}
    assert said(download(f"competition={DOGS}", f"source={folder}")).startswith("download: nothing to do")
    assert said(download(f"competition={DOGS}")).startswith("download: nothing to do")  # no word: what is there


def test_a_relative_folder_holds_from_anywhere(download, folder):
    relative = os.path.relpath(folder, CHECKOUT)
    said(download(f"competition={DOGS}", f"source={relative}"))
    assert os.readlink(paths.Place(DOGS).raw / "test") == str(folder / "test")


def test_an_archive_beside_its_own_folder_is_not_unpacked_twice(download, folder):
    put(folder / "train" / "1.jpg", b"1")
    said(download(f"competition={DOGS}", f"source={folder}"))
    assert (paths.Place(DOGS).raw / "train").is_symlink()


def test_the_one_archive_of_everything(download, tmp_path):
    everything = {"train.zip": packed("zip", {"train/1.jpg": b"1"}), "labels.csv": b"id\n", f"{DOGS}/note.txt": b"n"}
    put(tmp_path / "all" / f"{DOGS}.zip", packed("zip", everything))
    said(download(f"competition={DOGS}", f"source={tmp_path / 'all'}"))
    raw = paths.Place(DOGS).raw
    assert tree(raw) == {"train/1.jpg": b"1", "labels.csv": b"id\n", f"{DOGS}/note.txt": b"n"}
    assert all(not path.name.startswith(".") for path in raw.iterdir())


def test_read_only_sources_stay_as_they_are(download, folder):
    for path in (folder / "test", folder):
        path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    said(download(f"competition={DOGS}", f"source={folder}"))
    for path in (folder, folder / "test"):
        path.chmod(stat.S_IRWXU)


def test_a_changed_folder_is_taken_again(download, folder):
    said(download(f"competition={DOGS}", f"source={folder}"))
    put(folder / "sample_submission.csv", b"id\n")
    assert "files changed" in said(download(f"competition={DOGS}"))
    assert (paths.Place(DOGS).raw / "sample_submission.csv").exists()


def test_another_source_replaces_raw_and_leaves_the_former_alone(download, folder, tmp_path):
    other = tmp_path / "other"
    put(other / "labels.csv", b"other\n")
    before = tree(folder)
    said(download(f"competition={DOGS}", f"source={folder}"))
    assert f"folder was {folder}, is {other}" in said(download(f"competition={DOGS}", f"source={other}"))
    assert tree(paths.Place(DOGS).raw) == {"labels.csv": b"other\n"}
    assert tree(folder) == before


def test_the_slices_answers_go_with_the_slice(download, folder):
    said(download())
    assert "source was embedded, is folder" in said(download(f"source={folder}"))
    assert not paths.Place("digit-recognizer").answers.exists()


def test_a_failed_new_source_leaves_the_old_one_whole(download, folder, tmp_path):
    said(download(f"competition={DOGS}", f"source={folder}"))
    place = paths.Place(DOGS)
    before, record = tree(place.raw), place.download.read_text()
    other = tmp_path / "other"
    put(other / "train.zip", packed("zip", {"train/1.jpg": b"1"})[:-30])
    told = refused(download(f"competition={DOGS}", f"source={other}"))
    assert "train.zip is damaged or no archive" in told
    assert "repeat the command" in told
    assert (tree(place.raw), place.download.read_text()) == (before, record)


def test_a_deleted_file_is_made_again(download, folder):
    said(download(f"competition={DOGS}", f"source={folder}"))
    place = paths.Place(DOGS)
    (place.raw / "labels.csv").unlink()
    assert "labels.csv is gone" in said(download(f"competition={DOGS}"))
    assert (place.raw / "labels.csv").exists()


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("source=/nowhere/at/all", "does not exist"),
        (f"source={CHECKOUT / 'clf' / 'paths.py'}", "is a file"),
        ("sourc=x", "Did you mean source="),
        ("competition=../x", "is no competition's id"),
    ],
)
def test_wrong_words(download, word, wanted):
    assert wanted in refused(download(word))


def test_empty_and_own_folders(download, tmp_path, scratch):
    (tmp_path / "empty").mkdir()
    assert "is empty" in refused(download(f"source={tmp_path / 'empty'}"))
    put(scratch / "data" / "digit-recognizer" / "raw" / "train.csv", b"label\n")
    assert "where the kit itself works" in refused(download(f"source={scratch}"))


def test_files_put_into_raw_by_hand_are_not_deleted(download):
    raw = paths.Place("digit-recognizer").raw
    put(raw / "train.csv", b"label\n1\n")
    assert "holds files that this step did not put there" in refused(download())
    assert tree(raw) == {"train.csv": b"label\n1\n"}


def test_what_a_killed_run_left_is_no_hindrance(download, folder):
    place = paths.Place(DOGS)
    put(place.raw_next / "half.csv", b"h")
    put(place.raw_old / "old.csv", b"o")
    said(download(f"competition={DOGS}", f"source={folder}"))
    assert not place.raw_next.exists()
    assert not place.raw_old.exists()
    assert "half.csv" not in tree(place.raw)


# -- Kaggle ------------------------------------------------------------------------------------------------------------------------


def test_without_credentials_the_next_steps_are_said(download):
    told = refused(download(f"competition={DOGS}"))
    assert "kaggle.com/settings/api" in told
    assert f"make download COMPETITION={DOGS} source=FOLDER" in told
    assert "three steps" in told.lower()
    assert "Three steps" in refused(download(f"competition={DOGS}", "source=embedded"))
    assert "Three steps" in refused(download(f"competition={DOGS}", "source=kaggle"))


def test_from_kaggle(download, server):
    said(download(f"competition={DOGS}", **server.environment()))
    place = paths.Place(DOGS)
    wanted = {f"train/{number}.jpg": bytes([number]) * 50 for number in range(5)}
    assert tree(place.raw) == {**wanted, "labels.csv": b"id,breed\n", "sample_submission.csv": b"id\n"}
    record = paths.read_json(place.download)
    assert record["source"] == "kaggle"
    assert record["facts"]["metric"] == "Categorization Accuracy"
    assert not place.cache.exists()
    calls = len(server.calls)
    assert said(download(f"competition={DOGS}", **server.environment())).startswith("download: nothing to do")
    assert said(download(f"competition={DOGS}")).startswith("download: nothing to do")
    assert len(server.calls) == calls


def test_with_a_key_file_instead_of_a_token(download, server):
    put(Path(os.environ["KAGGLE_CONFIG_DIR"]) / "kaggle.json", json.dumps({"username": "tester", "key": "right-key"}).encode())
    told = download(f"competition={DOGS}", **server.environment(token=""))
    assert "right-key" not in said(told) + told.stderr


def test_with_a_token_file(download, server):
    put(Path.home() / ".kaggle" / "access_token", f"{TOKEN}\n".encode())
    said(download(f"competition={DOGS}", **server.environment(token="")))


def test_credentials_replace_the_slice(download, server):
    said(download())
    server.add("digit-recognizer", {"train.csv": b"label,pixel0\n"})
    assert "source was embedded, is kaggle" in said(download(**server.environment()))
    assert not paths.Place("digit-recognizer").answers.exists()


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda server: server.tokens.clear(), "refuses the credentials from KAGGLE_API_TOKEN"),
        (lambda server: setattr(server.competitions[DOGS], "accepted", False), f"https://www.kaggle.com/competitions/{DOGS}/rules"),
        (lambda server: server.competitions.clear(), f"knows no competition '{DOGS}'"),
        (lambda server: server.plant("ListDataFiles", status=429, retry_after="999", text="Too many requests"), "asks to wait 999 seconds"),
    ],
)
def test_what_kaggle_refuses(download, server, change, wanted):
    change(server)
    assert wanted in refused(download(f"competition={DOGS}", **server.environment()))
    assert not paths.Place(DOGS).download.exists()
    assert not paths.Place(DOGS).raw.exists()


def test_a_broken_download_through_the_script(download, server):
    server.plant("store", flip=True)
    done = download(f"competition={DOGS}", **server.environment())
    assert "fetching it again" in done.stderr
    assert (paths.Place(DOGS).raw / "train" / "3.jpg").exists()


def test_a_part_grows_and_is_completed(download, server):
    server.competitions[DOGS].files["more.csv"] = b"more\n"
    words, place = (f"competition={DOGS}", "files=sample_submission.csv"), paths.Place(DOGS)
    assert "Kaggle, in part: sample_submission.csv" in said(download(*words, **server.environment()))
    assert tree(place.raw) == {"sample_submission.csv": b"id\n"}
    assert paths.read_json(place.download)["part"] is True
    assert said(download(*words, **server.environment())).startswith("download: nothing to do")
    said(download(f"competition={DOGS}", "files=more.csv,train.zip", **server.environment()))
    assert server.calls.count("DownloadDataFile") == 3  # what was there is not fetched again
    assert set(tree(place.raw)) == {"sample_submission.csv", "more.csv", *(f"train/{number}.jpg" for number in range(5))}
    said(download(f"competition={DOGS}", **server.environment()))
    assert (place.raw / "labels.csv").exists()
    assert paths.read_json(place.download)["part"] is False
    assert said(download(*words, **server.environment())).startswith("download: nothing to do")
    assert "files= takes a part of Kaggle's files" in refused(download("source=embedded", "files=train.csv"))


KILLING = """
import os, random, signal, sys, importlib
from clf import kaggle, paths, sources
script = importlib.import_module("scripts.01_download")
kaggle._signed_in()
kaggle.PAUSE = 0.0
points = ("rename", "replace", "unlink", "rmdir", "mkdir", "open", "write", "link", "scandir", "flush", "close", "lstat", "stat")
words, place = script.Words(competition=sys.argv[1]), paths.Place(sys.argv[1])

def attempt(limit):
    seen = [0]
    def count(frame, event, what):
        if event == "c_call" and what.__name__ in points:
            seen[0] += 1
            if seen[0] == limit:
                os.kill(os.getpid(), signal.SIGKILL)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        sys.setprofile(count)
        script.main(words)
        sys.setprofile(None)
        os.write(writer, str(seen[0]).encode())
        os._exit(0)
    os.close(writer)
    status = os.waitpid(child, 0)[1]
    return status, int(os.read(reader, 20) or 0)

def wiped():
    sources.remove(place.data)

status, total = attempt(0)
assert status == 0 and total > 100, (status, total)
draw = random.Random(5)
for number in range(20):
    wiped()
    limits = [draw.randrange(1, total) for _ in range(1 + number % 3)]  # some are killed again while they mend
    killed = [attempt(limit)[0] for limit in limits]
    status, _ = attempt(0)
    files = {name: (place.raw / name).read_bytes()[:3] for name in paths.names(place.raw)}
    left = sorted(path.name for path in place.data.iterdir() if not path.name.endswith(".tmp"))
    print(number, limits, killed, status, sorted(files), left, flush=True)
"""


def test_killed_at_random_points_01_always_ends_with_a_whole_raw(server):
    server.competitions[DOGS].files["big.bin"] = os.urandom(1 << 20)
    environment = {**os.environ, **server.environment()}
    done = subprocess.run([sys.executable, "-c", KILLING, DOGS], cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line[:1].isdigit()]
    assert len(lines) == 20, done.stdout[-2000:] + done.stderr[-3000:]
    names = sorted(["big.bin", "labels.csv", "sample_submission.csv", *(f"train/{number}.jpg" for number in range(5))])
    assert all(line.endswith(f" 0 {names} ['download.json', 'raw']") for line in lines), done.stdout
    assert sum("[9" in line for line in lines) >= 15, done.stdout
    assert tree(paths.Place(DOGS).raw)["big.bin"] == server.competitions[DOGS].files["big.bin"]
