"""2 GiB through the download; left out of the ordinary suite, as it wants 6 GB of disk and a few minutes:

python -m pytest -m huge tests/test_huge.py -s
"""

import os
import random
import sys
import time
import zipfile
from pathlib import Path

import pytest

from clf import paths
from tests.standin import client
from tests.standin.server import Server

NAME = "many-pictures"
MEMBERS, BLOCK, BLOCKS = 32, 1 << 20, 64  # 32 × 64 × 1 MiB
MEMORY = 500 << 20  # bytes
SLACK = 64 << 20  # bytes


def make(archive: Path) -> int:
    """Writes the archive member by member; bytes of the contents. The blocks differ, and do not get smaller."""
    noise = random.Random(0).randbytes(BLOCK)
    with zipfile.ZipFile(archive, "w") as opened:
        for number in range(MEMBERS):
            with opened.open(f"train/{number}.bin", "w") as member:
                for block in range(BLOCKS):
                    member.write(number.to_bytes(4, "big") + block.to_bytes(4, "big") + noise[8:])
    return MEMBERS * BLOCK * BLOCKS


def used(folder: Path) -> int:
    """Bytes on disk below the folder, whatever comes and goes meanwhile."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


@pytest.mark.huge
def test_two_gib_are_downloaded_verified_and_unpacked_in_little_memory_and_no_second_copy(scratch, tmp_path):
    contents = make(tmp_path / "whole.zip")
    size = (tmp_path / "whole.zip").stat().st_size
    assert size > 2 << 30
    place = paths.Place(NAME)
    command = [sys.executable, "-m", "scripts.01_download", f"competition={NAME}"]
    with Server() as server, open(tmp_path / "said", "w+") as said:
        server.add(NAME, {}, whole=tmp_path / "whole.zip", page=200)
        environment = {**os.environ, **server.environment()}
        child = os.posix_spawn(
            command[0], ["python", "-c", f"import os; os.chdir({str(client.CHECKOUT)!r}); os.execv({command[0]!r}, {command!r})"], environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, said.fileno(), 1), (os.POSIX_SPAWN_DUP2, said.fileno(), 2)],
        )  # fmt: skip
        most, began, ended = 0, time.monotonic(), 0
        while not ended:
            most = max(most, used(scratch))
            time.sleep(0.05)
            ended, status, facts = os.wait4(child, os.WNOHANG)
        said.seek(0)
        text = said.read()
    memory = facts.ru_maxrss * 1024
    figures = f"{size / 1e9:.2f} GB in {time.monotonic() - began:.0f} s; memory {memory >> 20} MiB; disk {most / 1e9:.2f} GB at most"
    print(figures)
    assert os.waitstatus_to_exitcode(status) == 0, text
    client.check_silence(said=text)
    noise = random.Random(0).randbytes(BLOCK)[8:]
    for number in range(MEMBERS):
        with open(place.raw / "train" / f"{number}.bin", "rb") as file:
            for block in range(BLOCKS):
                assert file.read(BLOCK) == number.to_bytes(4, "big") + block.to_bytes(4, "big") + noise
            assert not file.read(1)
    assert memory < MEMORY, figures
    assert most < size + contents + SLACK, figures
    assert used(scratch) < contents + SLACK
