"""Every test runs with a scratch home, without Kaggle's variables, without make's flags, and may connect to loopback only."""

import ipaddress
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

for name in [*os.environ]:
    if name.startswith("KAGGLE_") or name in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MAKECMDGOALS"):
        del os.environ[name]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a shell's background, which hands that on: processes that a test starts could not be stopped by Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_connect = socket.socket.connect


def _loopback_only(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        host = address[0]
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise AssertionError(f"a test tried to connect to {address}")
    return _connect(self, address)


socket.socket.connect = _loopback_only


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: one that begins last would be worked at by one process, while the other has nothing to do."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """A scratch home and work folder; returns the work folder (`$CLF_WORK`)."""
    home = tmp_path / "home"
    home.mkdir()
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(home / ".kaggle"))
    monkeypatch.setenv("CLF_WORK", str(work))
    return work


@pytest.fixture
def script():
    """Runs a numbered script as a user does: `script("02_explore", "competition=x", …)` → CompletedProcess with text output."""

    def run(name: str, *words: str, **environment: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", f"scripts.{name}", *words]
        return subprocess.run(command, cwd=CHECKOUT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=600)

    return run
