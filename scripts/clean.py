"""make clean: removes what the steps derived from one competition's files: tables, folds, the store, pages.

    python scripts/clean.py competition=… [raw=true] [runs=true] [submissions=true]

Never touched without being asked: raw/ (hours of download), runs/ (hours of training), submissions/. problem.toml and a config.toml
may hold your own edits and stay as well.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths


@dataclass(frozen=True)
class Words(config.Words):
    raw: bool = config.word(False, "true: the downloaded files too")
    runs: bool = config.word(False, "true: the trained runs too")
    submissions: bool = config.word(False, "true: the submissions and their ledger too")


def main(words: Words) -> None:
    place = paths.Place(words.competition)
    doomed = place.derived() + place.asked_for(raw=words.raw, runs=words.runs, submissions=words.submissions)
    for path in doomed:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)  # links inside are removed, what they point to is not
        else:
            path.unlink()
        print(f"removed {paths.show(path)}")
    print(f"clean: {len(doomed)} removed. Kept: {', '.join(paths.show(path) for path in place.kept())}")


if __name__ == "__main__":
    config.command(main, Words)
