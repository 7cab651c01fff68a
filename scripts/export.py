"""make export: a run as one Keras model and one TensorFlow SavedModel, which need Keras and TensorFlow alone.

    python scripts/export.py competition=… [run=…] [output=FOLDER]

Both hold every fold and view of the run, and are loaded again and compared with its predictions. `export.json` beside them names the
classes in order, and what a picture goes through before.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths, problem, runs


@dataclass(frozen=True)
class Words(config.Words):
    run: str = config.word("", "the run to export; empty: the best by step 06, else the newest whole one")
    output: str = config.word("", "the folder to write; empty: data/<competition>/exports/<run>/")


def main(words: Words) -> None:
    place = paths.Place(words.competition)
    name = words.run or runs.best(place)
    expected = runs.predictions(place, problem.read(place.problem), name)
    output = paths.Export(Path(words.output).expanduser().resolve()) if words.output else place.export(name)

    from clf import inference  # TensorFlow: only where there is something to do

    record = inference.export(place, inference.load(place, place.run(name)), expected, output)
    largest = max(record["largest_difference"].values())
    print(f"export: {record['input']}")
    print(f"export: run {name} in {paths.show(output.folder)}, loaded again: its predictions to within {largest:.1e}, {config.elapsed():.0f} s")


if __name__ == "__main__":
    config.command(main, Words)
