"""make compare runs=a,b: is the second run better than the first, or was it luck?

    python scripts/compare.py competition=… runs=resnet10-3f2a,resnet10-b77c

Both have to stand on the same folds and tables. Rows are paired, seeds count as luck; whether the budgets were equal is said.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import compare, config, paths


@dataclass(frozen=True)
class Words(config.Words):
    runs: str = config.word("", "two runs with a comma between them: what there was, and what may be better")


def main(words: Words) -> None:
    names = [name.strip() for name in words.runs.split(",") if name.strip()]
    if len(names) != 2 or names[0] == names[1]:
        raise config.Mistake(f"runs={words.runs} does not name two runs, as in runs=a,b: `make runs COMPETITION={words.competition}` lists them.")
    found = compare.compared(paths.Place(words.competition), *names)
    print(compare.text(found))
    print(f"compare: {compare.verdict(found.gain, *names)}")


if __name__ == "__main__":
    config.command(main, Words)
