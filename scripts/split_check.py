"""make split-check: the same small network on grouped and on plain random folds, and what would have leaked.

    python scripts/split_check.py competition=… [minutes=3] [group=COLUMN] [sample=2000]

Needs 01 to 03. It tests what folds.csv keeps together (the group of problem.toml, duplicates); where no group is named, the columns of the
label table that repeat like names; or group=, any column. It writes splits.json: scores, intervals, and the ids that only memory answered.
"""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths, runs

MINUTES = 3.0  # where neither minutes= nor epochs= is given


@dataclass(frozen=True)
class Words(config.TrainingWords):
    group: str = config.word("", "column of the label table to test; empty: what folds.csv binds, and without a named group what repeats")
    sample: int = config.word(2000, "rows at most, drawn by whole groups", 30)


def main(words: Words, wanted: config.Config) -> None:
    place = paths.Place(words.competition)
    minutes = wanted.minutes or (0.0 if wanted.epochs else MINUTES)
    side = wanted.image_size or min(runs.store_side(place), runs.SMALL)
    model = "resnet10" if wanted.model == "auto" else wanted.model
    settled = runs.settle(place, dataclasses.replace(wanted, model=model, image_size=side, fold="0", seeds=1, minutes=minutes))
    made_from = runs.identity(place, settled) | {"group": words.group, "sample": words.sample} | paths.code("splitcheck")
    reason = paths.changed(place.splits, made_from)
    if not reason:
        print(f"split-check: nothing to do, {paths.show(place.splits)} is made from just this")
        print("\n".join(paths.read_json(place.splits)["said"]))
        return
    print(f"split-check: {reason}")

    from clf import splitcheck  # TensorFlow: only where there is something to do

    found = splitcheck.all_checks(place, settled, words.group, words.sample, lambda said: print(said, flush=True))
    paths.write_json(place.splits, {"made_from": made_from, **found})


if __name__ == "__main__":
    config.command(main, Words)
