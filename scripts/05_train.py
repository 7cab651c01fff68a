"""Step 5: train on all data, and predict validation and test rows with the same weights and views.

    make train COMPETITION=… [minutes=10 | epochs=20] [fold=0|all|full] [seeds=3] [deadline=530] [model=…] [any word of Config]
    python scripts/05_train.py competition=…

reads   packed/<side>/, folds.csv, the tables, problem.toml, config.toml
writes  runs/R/: config.toml, foldK/ (weights, history.jsonl, predictions), index.html, and score.json last
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths, runs, sending


@dataclass(frozen=True)
class Words(config.TrainingWords):
    run: str = config.word("", "name of the run; empty: network and four digits of its identity")
    deadline: float = config.word(0.0, "minutes after which the command has stopped where it, or a copy of the folder, continues; 0: none", 0)


def main(words: Words, wanted: config.Config) -> None:
    place = paths.Place(words.competition)
    settled = runs.settle(place, wanted)
    if run := runs.whole(place, settled, words.run):
        print(f"train: nothing to do, run {run.name}: {runs.score_text(paths.read_json(run.score))}")
        return
    sending.announce(place)

    from clf import standing, train  # TensorFlow: only where there is something to do

    train.check_names(place, settled)
    run = runs.open_run(place, settled, words.run)
    train.trained(place, run, settled, words.deadline)
    score = runs.finish(place, run, settled, config.elapsed())
    standing.write_page(place, run)
    print(f"train: run {run.name}, {runs.score_text(score)}, {score['seconds']:.0f} s, page {paths.show(run.page)}. Next: make improve, make submit")


if __name__ == "__main__":
    config.command(main, Words)
