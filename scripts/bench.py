"""make bench: how fast step 02 is beside what bounds it, on pictures made for the purpose: a table, and data/bench.json.

    python scripts/bench.py [files=100000] [rows=1000000] [repeats=3]

Each ratio compares two measures of the same run: the machine's other work changes both. It takes a quarter of an hour on two cores, and
5 GB for temporary files.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import bench, config, paths


@dataclass(frozen=True)
class Words(config.Words):
    files: int = config.word(100_000, "small pictures to read", 20)
    rows: int = config.word(1_000_000, "rows of the tables whose memory is measured, each with a picture", 20)
    repeats: int = config.word(3, "how often each time is measured", 1)


def main(words: Words) -> None:
    found = bench.measure(words.files, words.rows, words.repeats)
    print(f"{'stage':44} {'measured':>10} {'limit':>10} {'unit':10} {'ratio':>6}  spread")
    for row in found:
        low, high = row["spread"]
        print(f"{row['stage']:44} {row['rate']:10,.5g} {row['limit']:10,.5g} {row['unit']:10} {row['ratio']:6.2f}  {low:.2f} to {high:.2f}")
    paths.write_json(paths.bench(), found)
    print(f"bench: {paths.show(paths.bench())}, {config.elapsed():.0f} s")


if __name__ == "__main__":
    config.command(main, Words)
