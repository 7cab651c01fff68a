"""make runs: runs and submissions side by side, best first, and the two to pick in the end.

python scripts/runs.py competition=…
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths, standing

Words = config.Words


def main(words: Words) -> None:
    place = paths.Place(words.competition)
    lines = standing.table(place)
    if not lines:
        raise config.Mistake(f"{words.competition} has no runs yet: make train COMPETITION={words.competition}")
    print(standing.aligned(lines))
    if place.problem.exists():
        print(standing.picks_text(place))


if __name__ == "__main__":
    config.command(main, Words)
