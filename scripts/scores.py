"""make scores: asks Kaggle for the state of all submissions, and writes what is new into the ledger.

    make scores COMPETITION=digit-recognizer      or: python scripts/scores.py competition=…

Scores that came after the wait of step 07, private scores after the deadline, and submissions sent by hand or from elsewhere.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, kaggle, ledger, paths, standing

Words = config.Words


def main(words: Words) -> None:
    place = paths.Place(words.competition)
    listed = kaggle.submissions(words.competition)
    taken = ledger.take(place, listed)
    for line in taken:
        print(standing.news_text(line))
    for name in dict.fromkeys(line["run"] for line in taken):
        standing.refresh(place, name)
    print(f"scores: {len(taken)} of {len(listed)} submissions changed, in {paths.show(place.ledger)}" if taken else "scores: nothing new")


if __name__ == "__main__":
    config.command(main, Words)
