"""make all: runs 01 to 07, handing each word to the steps that read it.

    python scripts/all.py competition=… minutes=…

A word that no step reads stops before 01. `minutes=` is the budget of 05 and of 06, each. Data goes one way: 04 to 06 start from the
settings that were there before 06 wrote its own, so a second call has nothing to do.
"""

import importlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths, steps

STEPS = ("01_download", "02_explore", "03_prepare", "04_train_sample", "05_train", "06_improve", "07_submit")
EMBEDDED_MINUTES = {"05_train": "1", "06_improve": "1.5"}  # of the embedded default, where neither minutes= nor epochs= is given


def main(given: dict[str, str]) -> None:
    began, scripts = time.monotonic(), {step: importlib.import_module(f"scripts.{step}") for step in STEPS}
    steps.check_words(scripts, given, [], "all steps")
    place = paths.Place(given.get("competition", config.DEFAULT_COMPETITION))
    config.check_competition(place.competition)
    for step, script in scripts.items():
        embedded = (paths.read_json(place.download) or {}).get("source") == "embedded"
        budget = {"minutes": EMBEDDED_MINUTES[step]} if step in EMBEDDED_MINUTES and embedded and not {"minutes", "epochs"} & given.keys() else {}
        steps.run({step: script}, given | budget, began)
    print(f"\nall: 01 to 07 done in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    with config.guard():
        main(config.split_words(sys.argv[1:]))
