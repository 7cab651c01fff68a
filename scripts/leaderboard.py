"""make leaderboard: one's place among the public scores, how far the next one is, and the borders of the medals.

    make leaderboard COMPETITION=digit-recognizer      or: python scripts/leaderboard.py competition=…

Keeps Kaggle's table in submissions/C/leaderboards/, a file for each call.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, kaggle, paths, problem, standing

Words = config.Words


def main(words: Words) -> None:
    place = paths.Place(words.competition)
    problem.read(place.problem)  # without it, no direction: the mistake comes before the download
    file = kaggle.leaderboard(words.competition, place.leaderboards)
    print(standing.leaderboard_text(place, file))
    print(f"kept in {paths.show(file)}")


if __name__ == "__main__":
    config.command(main, Words)
