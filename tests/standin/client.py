"""The unmodified `kaggle` command and this project's scripts, in processes of their own, pointed at a stand-in."""

import os
import subprocess
import sys
from pathlib import Path

from tests.standin.server import SIGNATURE, TOKEN, Server

CHECKOUT = Path(__file__).resolve().parent.parent.parent
KAGGLE = Path(sys.executable).with_name("kaggle")
# Neither is changed by this: only nobody has to wait for the pauses between their tries.
RESTLESS = "import sys, time; time.sleep = lambda seconds: None; "
CLIENT = RESTLESS + "sys.argv[0] = 'kaggle'; from kaggle.cli import main; main()"
SCRIPT = RESTLESS + "import runpy; runpy.run_module('scripts.' + sys.argv.pop(1), run_name='__main__', alter_sys=True)"


def start(server: Server, command: list[str], folder: Path, **environment: str) -> subprocess.Popen:
    """The command in the folder, with text output; HOME and the rest are those of the test."""
    surroundings = {**os.environ, **server.environment(), **environment}
    return subprocess.Popen(command, cwd=folder, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen, seconds: float = 120) -> subprocess.CompletedProcess:
    with process:
        try:
            said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, *said)


def kaggle(server: Server, *words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess:
    """The real command, pauses included."""
    return finish(start(server, [str(KAGGLE), *words], folder, **environment))


def restless(server: Server, *words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess:
    """The real command without its pauses."""
    return finish(start(server, [sys.executable, "-c", CLIENT, *words], folder, **environment))


def script(server: Server, name: str, *words: str, before: str = "", **environment: str) -> subprocess.CompletedProcess:
    """A script of this project without its pauses; `before`: code that runs ahead of it."""
    return finish(start(server, [sys.executable, "-c", f"{before}\n{SCRIPT}", name, *words], CHECKOUT, **environment))


def check_silence(*folders: Path, **said: str) -> None:
    """No token, no signature and no traceback in the texts; no token and no signature in any file below the folders."""
    for name, text in said.items():
        for marked in (TOKEN, SIGNATURE, "Traceback (most recent"):
            assert marked not in text, f"{marked} in {name}: {text}"
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        content = path.read_bytes()
        for marked in (TOKEN, SIGNATURE):
            assert marked.encode() not in content, f"{marked} in {path}"
            assert marked not in path.name
