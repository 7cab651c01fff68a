"""make bench: how fast each stage is beside what bounds it, in the same run: a table, and data/bench.json.

    python scripts/bench.py [set=stages] [repeats=3]     pictures to predictions, in minutes
    python scripts/bench.py set=explore [files=100000] [rows=1000000]     step 02, in a quarter of an hour, with 5 GB of temporary files
    python scripts/bench.py set=memory [files=200000]     the memory of 02, 03 and 05, for as many pictures and for twice as many
    python scripts/bench.py set=COMPETITION [budgets=1,3]     what 05 reaches in so many minutes; the competition is prepared

Each ratio compares two measures that took turns: the machine's other work changes both.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths


@dataclass(frozen=True)
class Words(config.Words):
    set: str = config.word("stages", "what is measured: stages, explore, memory, or a competition that is prepared")
    repeats: int = config.word(3, "how often each time is measured; five times at least where a ratio is near its goal", 1)
    files: int = config.word(0, "pictures of explore and memory; 0: 100,000 and 200,000", 0)
    rows: int = config.word(1_000_000, "rows of the tables whose memory explore measures, each with a picture", 20)
    budgets: str = config.word("1,3", "minutes= of a competition's trainings")


def chosen(words: Words) -> Iterable[dict]:
    """The records of `set=`, as they come. Raises Mistake for an unknown one."""
    if words.set == "explore":
        from clf import bench_explore

        return bench_explore.measure(words.files or 100_000, words.rows, words.repeats)
    if words.set == "memory":
        from clf import bench_runs

        return bench_runs.memory(words.files or 200_000)
    if words.set == "stages":
        from clf import bench_stages  # TensorFlow: only where it is measured

        return bench_stages.measure(bench_stages.Sizes(), words.repeats)
    config.check_competition(words.set)
    if not paths.Place(words.set).prepare_record.exists():
        raise config.Mistake(
            f"set={words.set} is none of stages, explore and memory, and no competition of that name is prepared: "
            f"`make download explore prepare COMPETITION={words.set}` prepares it."
        )
    from clf import bench_runs

    return bench_runs.reached(words.set, budgets(words.budgets), words.repeats)


def budgets(text: str) -> list[float]:
    """Raises Mistake for what are no minutes."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < minutes < 10_000 for minutes in found):
        raise config.Mistake(f"budgets={text} are no minutes, parted by commas, like budgets=1,3.")
    return found


def main(words: Words) -> None:
    rows = chosen(words)
    print(f"{'stage':46} {'measured':>10} {'limit':>10} {'unit':10} {'ratio':>6}  {'spread':14} peak MiB")
    found = []
    for row in rows:
        show(row)
        found.append(row)
    named = {row["stage"] for row in found}
    kept = [row for row in paths.read_json(paths.bench()) or [] if row["stage"] not in named]
    paths.write_json(paths.bench(), [*kept, *found])
    print(f"bench: {paths.show(paths.bench())}, {config.elapsed():.0f} s")


def show(row: dict) -> None:
    limit, ratio = (f"{row[name]:{form}}" if row[name] is not None else "–" for name, form in (("limit", ",.5g"), ("ratio", ".2f")))
    spread = " to ".join(f"{end:.2f}" for end in row["spread"])
    print(
        f"{row['stage']:46} {row['rate']:10,.5g} {limit:>10} {row['unit']:10} {ratio:>6}  {spread:14} {row.get('peak_mib', '–'):>8}"
        f"  {row.get('limit_name', '')}".rstrip(),
        flush=True,
    )


if __name__ == "__main__":
    config.command(main, Words)
