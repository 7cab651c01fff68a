"""This process's own Kaggle client, pointed at a loopback stand-in with one competition."""

import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kaggle_server import SIGNATURE, TOKEN, Server, accuracy

from clf import kaggle
from clf.config import Mistake

NAME = "leaf-counting"
ANSWERS = b"id,label\n1,cat\n2,dog\n3,cat\n4,dog\n"


@contextmanager
def pointed(monkeypatch) -> Iterator[Server]:
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


def refusal(action) -> str:
    """What the action is refused with; it holds no secret."""
    with pytest.raises(Mistake) as caught:
        action()
    said = str(caught.value)
    assert TOKEN not in said
    assert SIGNATURE not in said
    return said
