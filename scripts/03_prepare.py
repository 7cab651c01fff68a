"""Step 3 (and 2C): folds, the nested sample, and the store of decoded pictures.

    make prepare COMPETITION=… [side=160] [fit=squash|crop|pad] [holdout=0.1]
    python scripts/03_prepare.py competition=…

reads   problem.toml, train.csv, test.csv, pictures.csv, raw/
writes  folds.csv, packed/<side>/, augment.png (a batch before and after augmentation), prepare.json
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, folds, paths, problem, store, tables


@dataclass(frozen=True)
class Words(config.Words):
    side: int = config.word(0, "side in px of the stored pictures; 0: by problem.toml", 0)
    fit: str = config.word("", "from rectangle to square: squash, crop or pad; empty: by problem.toml")
    holdout: float = config.word(0.0, "share of the training rows that is locked: nothing reads it but 07, which scores it", 0, 0.5)


def main(words: Words) -> None:
    place = paths.Place(words.competition)
    question = problem.read(place.problem)
    train, pictures = tables.read(place.train, ["id", "label", *folds.BINDING]), tables.read(place.pictures, ["path", "row"])
    side, fit = words.side or question.side, words.fit or question.fit
    inputs = {"problem.toml": problem.hash(question), "train.csv": paths.hash_file(place.train), "holdout": words.holdout}
    inputs |= {"pictures.csv": paths.hash_file(place.pictures), "side": side, "fit": fit, "window": list(question.window)}
    made_from = inputs | {"raw": paths.hash_tree(place.raw), **paths.code("folds", "store", "augment", "report")}
    reason = paths.changed(place.prepare_record, made_from)
    if not reason:
        print(f"prepare: nothing to do ({place.folds.name} and the store of {side} px are made from just this)")
        return
    print(f"prepare: {reason}")

    drawn = folds.draw(train, question, holdout=words.holdout)
    tables.write(place.folds, drawn)
    print(folds.summary(drawn, train, question))

    stored, rows = pictures.path[pictures.row != ""], folds.sample(drawn, 16)
    del train, pictures, drawn
    source = {name: made_from[name] for name in ("pictures.csv", "raw", "side", "fit", "window")} | paths.code("store")
    print(store.pack(place.packed(side), place.raw, stored.tolist(), side, fit, question.channels, source, question.window))

    from clf import augment, report  # TensorFlow: only where there is something to do

    batch = store.load(place.packed(side))[rows]
    sets = {name: augment.build(name, question, 0, side)(batch, rows, 0) for name in augment.AUGMENTS if name != "none"}
    report.augmentations(place.augment_picture, batch, sets)
    paths.write_json(place.prepare_record, {"made_from": made_from, "side": side, "fit": fit})
    print(f"prepare: done, {paths.show(place.augment_picture)} shows a batch before and after. Next: make sample")


if __name__ == "__main__":
    config.command(main, Words)
