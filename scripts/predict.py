"""make predict: a table of a run's predictions for every picture below a folder.

    python scripts/predict.py competition=… images=FOLDER [run=…] [output=FILE]

Pictures of any format and size go the way of the store: fitted, turned grey or coloured, resized. Probabilities are the mean over the
run's folds and views. A picture that cannot be read is listed with the reason.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths, problem, runs


@dataclass(frozen=True)
class Words(config.Words):
    run: str = config.word("", "the run that predicts; empty: the best by step 06, else the newest whole one")
    images: str = config.word("", "the folder with pictures; folders in it are read as well")
    output: str = config.word("", "the table's file (CSV); empty: below data/<competition>/predictions/")


def main(words: Words) -> None:
    place = paths.Place(words.competition)
    name = words.run or runs.best(place)
    question = problem.read(place.problem)
    runs.predictions(place, question, name)  # refuses a run that is not whole, or of another problem
    folder = Path(words.images).expanduser().resolve()
    if not (words.images and folder.is_dir()):
        raise config.Mistake(f"images={words.images} is no folder: make predict COMPETITION={words.competition} images=FOLDER")
    output = Path(words.output).expanduser() if words.output else place.prediction(name, folder.name)
    if output.is_dir():
        raise config.Mistake(f"output={words.output} is a folder: name a file, for example output={output / 'predictions.csv'}.")

    from clf import inference  # TensorFlow: only where there is something to do

    names = inference.names(folder, question.suffixes)
    print(f"predict: run {name}, {len(names):,} pictures below {paths.show(folder)}")
    failed = inference.write_table(output, inference.load(place, place.run(name)), folder, names)
    unreadable = f", {failed:,} cannot be read (column error)" if failed else ""
    print(f"predict: {paths.show(output)}: {len(names) - failed:,} pictures predicted{unreadable}, {config.elapsed():.0f} s")


if __name__ == "__main__":
    config.command(main, Words)
