"""`clf.credentials` and `make login-check`: every place, in the client's order, and which of them work at a loopback stand-in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from client import NAME, pointed, refusal
from kaggle_server import TOKEN, Server

from clf import credentials, kaggle

CHECKOUT = Path(__file__).resolve().parent.parent
SECRETS = (TOKEN, "right-key", "stale-token", "refresh-me")


@pytest.fixture
def server(monkeypatch):
    with pointed(monkeypatch) as running:
        yield running


@pytest.fixture
def check(script):
    """Runs the login check; what it says holds no secret and no traceback."""

    def run(server: Server, *words: str, **environment: str) -> subprocess.CompletedProcess:
        done = script("login_check", *words, **{**server.environment(token=""), **environment})
        said = done.stdout + done.stderr
        assert not [secret for secret in SECRETS if secret in said], said
        assert "Traceback" not in said, said
        return done

    return run


@pytest.fixture
def standing():
    with Server() as running:
        running.add(NAME, {"train.csv": b"id\n"})
        yield running


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# -- where they lie ------------------------------------------------------------------------------------------------------------------


def test_they_are_found_in_the_clients_order(monkeypatch):
    home = Path.home() / ".kaggle"
    assert credentials.source() is None
    write(home / "credentials.json", json.dumps({"refresh_token": "r"}))
    assert credentials.source() == "~/.kaggle/credentials.json"
    write(home / "kaggle.json", json.dumps({"username": "a", "key": "b"}))
    assert credentials.source() == "~/.kaggle/kaggle.json"
    monkeypatch.setenv("KAGGLE_USERNAME", "other")
    assert credentials.source() == "~/.kaggle/kaggle.json"
    assert credentials.used().secret == {"username": "other", "key": "b"}
    monkeypatch.setenv("KAGGLE_KEY", "b")
    assert credentials.source() == "KAGGLE_USERNAME and KAGGLE_KEY"
    write(home / "access_token.txt", "t\n")
    assert credentials.source() == "~/.kaggle/access_token.txt"
    write(home / "access_token", "t\n")
    assert credentials.source() == "~/.kaggle/access_token"
    monkeypatch.setenv("KAGGLE_API_TOKEN", "t")
    assert credentials.source() == "KAGGLE_API_TOKEN"
    assert [place.name for place in credentials.hidden()][-1] == "~/.kaggle/credentials.json"
    assert kaggle.credentials() == credentials.source()
    write(Path.home() / "v1", "t")
    for name, value in {"KERNEL_RUN_TYPE": "Batch", "DATA_PROXY_URL": "x", "API_V1_TOKEN": str(Path.home() / "v1")}.items():
        monkeypatch.setenv(f"KAGGLE_{name}", value)
    assert credentials.source() == "KAGGLE_API_V1_TOKEN"


def test_a_variable_that_names_a_file(monkeypatch, tmp_path):
    monkeypatch.setenv("KAGGLE_API_TOKEN", str(tmp_path / "token"))
    write(tmp_path / "token", "t\n")
    assert credentials.used().secret == {"token": "t"}
    write(tmp_path / "token", "\n")
    write(Path.home() / ".kaggle" / "access_token", "u")
    assert credentials.used() is None  # the client then looks at no other token
    monkeypatch.setenv("KAGGLE_API_TOKEN", str(tmp_path))
    assert "cannot be read (IsADirectoryError)" in refusal(credentials.used)


@pytest.mark.parametrize("token", ["secret" * 50, "sec ret", "secret\n", "sécret"], ids=["long", "blank", "line", "letter"])
def test_what_is_no_token_is_said_without_it(monkeypatch, token):
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    said = refusal(credentials.used)
    assert said.startswith("KAGGLE_API_TOKEN ")
    assert token.strip() not in said


def test_key_files_of_other_folders(monkeypatch):
    monkeypatch.delenv("KAGGLE_CONFIG_DIR")
    file = Path.home() / ".config" / "kaggle" / "kaggle.json"
    write(file, json.dumps({"username": "a"}))
    assert credentials.source() is None
    write(file, json.dumps({"username": "a", "key": "b"}))
    assert credentials.source() == "~/.config/kaggle/kaggle.json"
    (Path.home() / ".kaggle").mkdir()
    assert credentials.source() is None
    assert "not looked at" in next(place.said for place in credentials.places() if place.name == "~/.config/kaggle/kaggle.json")


def test_damaged_kaggle_json_is_named():
    write(Path.home() / ".kaggle" / "kaggle.json", '{"username": "a", "key": "sec')
    said = refusal(credentials.used)
    assert "kaggle.json" in said
    assert "sec" not in said.replace("second", "")


def test_no_client_is_loaded_and_nothing_is_printed_by_repr(monkeypatch):
    code = "import sys; from clf import kaggle; kaggle.credentials(); print('kaggle' in sys.modules, 'requests' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT)
    assert said.stdout.strip() == "False False"
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    assert TOKEN not in repr(credentials.places())
    assert TOKEN in credentials.secrets()


def test_the_secrets_of_a_kaggle_notebook(tmp_path, standing, script):
    lines = ["class UserSecretsClient:", "    def get_secret(self, name):", f"        return {{'KAGGLE_API_TOKEN': ' {TOKEN}\\n'}}[name]"]
    write(tmp_path / "kaggle" / "kaggle_secrets.py", "\n".join(lines))
    around = {**standing.environment(token=""), "PYTHONPATH": str(tmp_path / "kaggle")}
    done = script("01_download", f"competition={NAME}", **around)
    assert "signed in as tester, with the notebook's secret KAGGLE_API_TOKEN" in done.stdout, done.stderr
    assert TOKEN not in done.stdout + done.stderr


# -- refused -------------------------------------------------------------------------------------------------------------------------


def test_without_credentials_the_three_steps_are_said(server, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    said = refusal(lambda: kaggle.facts(NAME))
    assert all(f"  {step}. " in said for step in (1, 2, 3))
    assert server.calls == []


@pytest.mark.parametrize("status", [0, 401, 403])
def test_a_wrong_token_is_refused_in_words(server, monkeypatch, capfd, status):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "stale-token")
    if status:
        server.plant("IntrospectToken", status=status, text="bad stale-token", times=99)
    said = refusal(lambda: kaggle.facts(NAME))
    assert "refuses the credentials from KAGGLE_API_TOKEN" in said
    assert "stale-token" not in said + "".join(capfd.readouterr())


def test_a_wrong_key_is_refused_in_words(server, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    monkeypatch.setenv("KAGGLE_USERNAME", "tester")
    monkeypatch.setenv("KAGGLE_KEY", "wrong-key")
    assert "refuses the credentials from KAGGLE_USERNAME" in refusal(lambda: kaggle.facts(NAME))
    server.keys["tester"] = "wrong-key"
    kaggle._signed_in.cache_clear()
    assert kaggle.facts(NAME)["title"]


def test_an_old_token_that_hides_a_key_is_said(server, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    write(Path.home() / ".kaggle" / "access_token", "stale-token")
    write(Path.home() / ".kaggle" / "kaggle.json", json.dumps({"username": "tester", "key": "right-key"}))
    said = refusal(lambda: kaggle.facts(NAME))
    assert "~/.kaggle/kaggle.json, which would be next, is hidden by it. To use that one: rm ~/.kaggle/access_token" in said
    assert "GetCompetition" not in server.calls


# -- make login-check ----------------------------------------------------------------------------------------------------------------


def test_login_check_without_anything(check, standing):
    done = check(standing, f"competition={NAME}")
    assert done.returncode == 2
    assert "KAGGLE_API_TOKEN               not set" in done.stdout
    assert "Three steps" in done.stderr
    assert standing.calls == []


def test_login_check_of_a_token(check, standing):
    done = check(standing, f"competition={NAME}", KAGGLE_API_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert "a token; works: signed in as tester, the competitions can be listed" in done.stdout
    assert "its files can be downloaded" in done.stdout
    standing.competitions[NAME].accepted = False
    told = check(standing, f"competition={NAME}", KAGGLE_API_TOKEN=TOKEN).stdout
    assert f"competitions/{NAME}/rules and accept them, then repeat: make login-check COMPETITION={NAME}" in told


def test_login_check_of_an_old_token_before_a_good_key(check, standing):
    write(Path(os.environ["KAGGLE_CONFIG_DIR"]) / "kaggle.json", json.dumps({"username": "tester", "key": "right-key"}))
    done = check(standing, KAGGLE_API_TOKEN="stale-token")
    assert done.returncode == 2
    assert "a token; refused (not active)" in done.stdout
    assert "hidden by the place above; on its own it works: signed in as tester" in done.stdout
    assert "~/.kaggle/kaggle.json would work. Make way for it: unset KAGGLE_API_TOKEN" in done.stderr


def test_login_check_of_a_wrong_key_and_a_login(check, standing):
    write(Path(os.environ["KAGGLE_CONFIG_DIR"]) / "kaggle.json", json.dumps({"username": "tester", "key": "wrong"}))
    login = {"refresh_token": "refresh-me", "access_token": TOKEN, "access_token_expiration": "2099-01-01T00:00:00+00:00", "username": "tester"}
    write(Path.home() / ".kaggle" / "credentials.json", json.dumps(login))
    done = check(standing)
    assert done.returncode == 2
    assert "refused (error 401" in done.stdout
    assert "~/.kaggle/credentials.json would work. Make way for it: rm ~/.kaggle/kaggle.json" in done.stderr
