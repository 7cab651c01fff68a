"""make judge: is the gate right, and are the intervals? Measured on short trainings of nine settings, several seeds and folds.

    python scripts/judge.py [sets=digit-recognizer,dogs-vs-cats-redux-kernels-edition] [seeds=4] [steps=150] [gates=400] [readme=true]

reads   what 05 reads, of each competition; answers.csv, where there is one, at the end only
writes  data/<competition>/judged/ (the trainings), data/judge.json, data/judge.png; readme=true: the README's table and picture

A training of 150 steps takes about 15 seconds on two idle cores, start included; there are 110 of them for each competition.
"""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths


@dataclass(frozen=True)
class Words(config.TrainingWords):
    sets: str = config.word("", "prepared competitions, with commas; empty: that of competition=")
    steps: int = config.word(150, "of each training", 1)
    gates: int = config.word(400, "between random settings, and as many between seeds of one setting; 0: only forecasts, of five trainings", 0)
    readme: bool = config.word(False, "true: write the table and the picture into the README")


def main(words: Words, wanted: config.Config) -> None:
    from clf import judge  # TensorFlow

    found = {}
    for competition in (words.sets or words.competition).split(","):
        place = paths.Place(competition)
        settled = judge.base(place, wanted, words.steps, max(judge.SEEDS, wanted.seeds))
        found[competition] = judge.judged(place, judge.trained(place, settled, words.gates > 0), words.gates)
        print("\n".join(judge.text(competition, found[competition])))
    judge.draw(paths.judge_picture(), found)
    paths.write_json(paths.judge(), {name: dataclasses.asdict(each) for name, each in found.items()})
    if words.readme:
        judge.write_readme(found)
    print(f"judge: {paths.show(paths.judge())}, {paths.show(paths.judge_picture())}, {config.elapsed():.0f} s")


if __name__ == "__main__":
    config.command(main, Words)
