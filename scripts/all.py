"""make all: runs 01 to 07, handing each word to the steps that read it.

    python scripts/all.py competition=… minutes=…

A word that no step reads stops before 01. `minutes=` is the budget of 05 and of 06, each. Data goes one way: 04 to 06 start from the
settings that were there before 06 wrote its own, so a second call has nothing to do.
"""

import importlib
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths

STEPS = ("01_download", "02_explore", "03_prepare", "04_train_sample", "05_train", "06_improve", "07_submit")
EMBEDDED_MINUTES = {"05_train": "1", "06_improve": "1.5"}  # of the embedded default, where neither minutes= nor epochs= is given


def main(given: dict[str, str]) -> None:
    known = {step: config.known_words(importlib.import_module(f"scripts.{step}")) for step in STEPS}
    for word in given:
        if not any(word in words for words in known.values()):
            raise config.unknown_word(word, sorted(set().union(*known.values())), "all steps")
    place = paths.Place(given.get("competition", config.DEFAULT_COMPETITION))
    config.check_competition(place.competition)
    began = time.monotonic()
    for step in STEPS:
        words = {word: value for word, value in given.items() if word in known[step]}
        if "improved" in known[step]:
            words.setdefault("improved", "false")
        embedded = (paths.read_json(place.download) or {}).get("source") == "embedded"
        if step in EMBEDDED_MINUTES and embedded and not {"minutes", "epochs"} & words.keys():
            words["minutes"] = EMBEDDED_MINUTES[step]
        if "deadline" in words:  # of the whole command, where the step counts from its own start
            minutes = config.set_typed(importlib.import_module(f"scripts.{step}").Words, "deadline", words["deadline"])
            words["deadline"] = str(max(0.01, minutes - (time.monotonic() - began) / 60))
        print(f"\n== {step} ({time.monotonic() - began:.0f} s)", flush=True)
        script = Path(__file__).with_name(f"{step}.py")
        status = subprocess.run([sys.executable, str(script), *(f"{word}={value}" for word, value in words.items())]).returncode
        if status:
            sys.exit(status)
    print(f"\nall: 01 to 07 done in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    with config.guard():
        main(config.split_words(sys.argv[1:]))
