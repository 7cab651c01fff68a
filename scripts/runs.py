"""make runs: the runs of one competition, best first, with their scores and what they changed.

python scripts/runs.py competition=…
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths, runs

Words = config.Words


def main(words: Words) -> None:
    place = paths.Place(words.competition)
    begun = runs.all_runs(place)
    if not begun:
        raise config.Mistake(f"{words.competition} has no runs yet: make train COMPETITION={words.competition}")
    for run in runs.ranked(begun):
        score = paths.read_json(run.score)
        said = runs.score_text(score) if score else "not whole: the command that began it continues it"
        changed = " ".join(f"{name}={value}" for name, value in config.changes(runs.settings(run)).items())
        print(f"{run.name:20} {said}  {changed}")


if __name__ == "__main__":
    config.command(main, Words)
