"""The tools beside the pipeline: what `make clean` keeps, what `make runs` lists, how the set-up fails."""

import subprocess
import sys

from clf import paths


def make(*words: str) -> subprocess.CompletedProcess:
    command = ["make", "--no-print-directory", "-C", str(paths.CHECKOUT), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return path


def test_clean_removes_what_can_be_made_again_and_nothing_else(script, scratch, tmp_path):
    place = paths.Place("x")
    outside = touch(tmp_path / "mine" / "a.jpg")
    place.raw.mkdir(parents=True)
    (place.raw / "train").symlink_to(outside.parent)
    derived = [touch(path) for path in (place.train, place.folds, place.explore_page, place.packed(32).pictures)]
    kept = [touch(path) for path in (place.problem, place.config, place.run("r").score, place.submission("r"), place.ledger)]
    other = touch(paths.Place("y").train)
    done = script("clean", "competition=x")
    assert done.returncode == 0, done.stderr
    assert not [path for path in derived if path.exists()]
    assert all(path.exists() for path in (*kept, other, outside, place.raw / "train" / "a.jpg"))
    script("clean", "competition=x", "raw=true", "runs=true", "submissions=true")
    assert outside.exists()
    assert not any(path.exists() for path in (place.raw, place.runs, place.submissions))
    assert place.problem.exists()


def test_board_and_runs_before_the_first_run_say_what_to_do(script):
    for name in ("board", "runs"):
        done = script(name, "competition=x")
        assert done.returncode == 2
        assert "make train COMPETITION=x" in done.stderr


def test_a_set_up_without_a_python_or_with_an_old_one_says_so(tmp_path):
    done = make("download", f"VENV={tmp_path / 'venv'}", "PYTHON=")
    assert done.returncode == 2
    assert "install Python 3.11 or newer" in done.stderr
    old = tmp_path / "python3.8"
    lies = "import sys; sys.version_info, sys.version = (3, 8, 20), '3.8.20 (default)'; exec(sys.argv[1])"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{lies}" "$2"\n')
    old.chmod(0o755)
    done = make("download", f"VENV={tmp_path / 'venv'}", f"PYTHON={old}")
    assert done.returncode == 2
    assert "python3.8 is Python 3.8.20; 3.11 or newer is needed" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_set_up_removes_only_an_environment_of_its_own(tmp_path):
    """The Python of this test makes no environment: it only shows whether make came so far."""
    python, venv = tmp_path / "python", tmp_path / "venv"
    python.write_text('#!/bin/sh\n[ "$1" = -c ] || exit 3\n')
    python.chmod(0o755)
    words = (f"VENV={venv}", f"PYTHON={python}")
    first = (paths.CHECKOUT / "requirements.txt").read_text().splitlines()[0]

    def made(**files: str) -> tuple[bool, subprocess.CompletedProcess]:
        """Whether a file of the folder is still there, and what make says."""
        for name, text in files.items():
            (venv / name).parent.mkdir(parents=True, exist_ok=True)
            (venv / name).write_text(text)
        done = make("download", *words)
        return all((venv / name).exists() for name in files if name != "requirements.txt"), done

    for files in ({"a.jpg": "x"}, {"pyvenv.cfg": "home"}, {"requirements.txt": "numpy"}):  # more and more is there
        kept, done = made(**files)
        assert kept
        assert done.returncode == 2
        assert f"error: VENV={venv} holds files, and make did not make it" in done.stderr
        assert "setup: making" not in done.stdout
    kept, done = made(**{"pyvenv.cfg": "home", "requirements.txt": f"{first}\nnumpy==1\n"})
    assert not kept
    assert "setup: making" in done.stdout
    assert [path.name for path in venv.iterdir()] == ["requirements.txt"]  # cut before the environment was there
    assert "setup: making" in made()[1].stdout


def test_make_hands_on_words_with_blanks_and_names_a_wrong_one(tmp_path):
    source = tmp_path / "two words"
    done = make("download", "VENV=", f"PYTHON={sys.executable}", "COMPETITION=x", f"source={source}")
    assert done.returncode == 2
    assert "two words" in done.stderr
    done = make("train", "epochs")
    assert done.returncode == 2
    assert "unknown verb epochs" in done.stderr
    done = make("train", "VENV=", f"PYTHON={sys.executable}", "epoch=3")
    assert "Did you mean epochs=" in done.stderr


def test_of_several_verbs_each_takes_the_words_that_it_reads():
    words = ("runs", "board", "VENV=", f"PYTHON={sys.executable}", "COMPETITION=never-seen")
    done = make(*words, "port=6007")
    assert "unknown word" not in done.stderr
    assert "make train COMPETITION=never-seen" in done.stderr
    assert "unknown word prt=" in make(*words, "prt=6007").stderr
    assert "unknown word port=" in make(words[0], *words[2:], "port=6007").stderr
