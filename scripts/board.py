"""make board: TensorBoard of one competition's runs, on loopback only.

python scripts/board.py competition=… [port=6006]
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths


@dataclass(frozen=True)
class Words(config.Words):
    port: int = config.word(6006, "on 127.0.0.1")


def main(words: Words) -> None:
    place = paths.Place(words.competition)
    if not place.runs.exists():
        raise config.Mistake(f"{words.competition} has no runs yet: make train COMPETITION={words.competition}")
    options = ["--logdir", str(place.runs), "--host", "127.0.0.1", "--port", str(words.port)]
    os.execv(sys.executable, [sys.executable, "-m", "tensorboard.main", *options])


if __name__ == "__main__":
    config.command(main, Words)
