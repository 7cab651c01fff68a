"""make judge: is the gate right, and are the intervals? Measured on short trainings of nine settings, several seeds and folds.

    make judge COMPETITION=digit-recognizer model=resnet10 width=0.5 image_size=20 [steps=150] [seeds=4] [gates=400] [any word of Config]
    python scripts/judge.py competition=digit-recognizer …

reads   what 05 reads; answers.csv, where there is one, at the end only
writes  data/<competition>/judged/ (the trainings), data/judge.json and data/judge.png (of all competitions so far); readme=true: the
        README's table and picture

A training of 150 steps takes about 15 seconds on two idle cores, start included; there are 110 of them.
"""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths


@dataclass(frozen=True)
class Words(config.TrainingWords):
    steps: int = config.word(150, "of each training", 1)
    gates: int = config.word(400, "between random settings, and as many between seeds of one setting; 0: only forecasts, of five trainings", 0)
    readme: bool = config.word(False, "true: write the table and the picture into the README")


def main(words: Words, wanted: config.Config) -> None:
    from clf import judge  # TensorFlow

    place = paths.Place(words.competition)
    settled = judge.base(place, wanted, words.steps, max(judge.SEEDS, wanted.seeds))
    trained = judge.trained(place, settled, words.gates > 0)
    found = judge.known() | {words.competition: judge.judged(place, trained, words.gates)}
    paths.write_json(paths.judge(), {name: dataclasses.asdict(each) for name, each in found.items()})
    judge.draw(paths.judge_picture(), found)
    if words.readme:
        judge.write_readme(found)
    print("\n".join(judge.text(words.competition, found[words.competition])))
    print(f"judge: {paths.show(paths.judge())}, {paths.show(paths.judge_picture())}, {config.elapsed():.0f} s")


if __name__ == "__main__":
    config.command(main, Words)
