"""make zoo: every layout through all steps, every mutation of it through 02, and the README's table of what came of it.

    python -m tests.zoo [COMPETITION …]

Works in scratch folders. The table between the README's `zoo` markers is written when all layouts beat the prior. Exit status 1 where a
submission is no better than that, or where 02 takes a mutation for another question; a traceback where the grader refuses a submission.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from clf import config, paths
from tests.zoo import harness, same, table
from tests.zoo.entry import Entry
from tests.zoo.layouts import ZOO
from tests.zoo.mutations import MUTATIONS

FULL = 5  # of the mutations that 02 lets through every fifth goes on to the grader


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in ZOO]
    if unknown:
        raise config.Mistake(f"the zoo has no {unknown[0]}. It has: {', '.join(ZOO)}")
    entries, rows, wrong = [ZOO[name] for name in names or ZOO], [], []
    for entry, scratch in _each(entries, "layouts"):
        outcome = harness.run(entry, scratch / "built", harness.build(entry, scratch / "built"), whole=True)
        if outcome.better:
            rows.append(table.row(outcome))
        else:
            wrong.append(f"{entry.competition}: {outcome.asked or f'{outcome.score} is no better than the prior, {outcome.prior}'}")
    print(table.markdown(rows))
    if len(rows) == len(ZOO):
        paths.write_text(table.README, table.filled(table.README.read_text(), rows))
        print(f"zoo: wrote the table in {paths.show(table.README)}")
    passed = []
    for entry, scratch in _each(entries, "mutations"):
        for name, asked, found in mutate(entry, scratch):
            (wrong if found else passed).append(f"{entry.competition}, {name}: {'; '.join(found)}")
            if asked:
                tqdm.write(f"  asked: {entry.competition}, {name}: {asked.partition('. To say it yourself')[0]}")
    for line in wrong:
        print(f"  WRONG: {line}")
    print(f"zoo: {len(rows)} of {len(entries)} layouts beat the prior; {len(passed)} mutations understood or asked about, {len(wrong)} findings")
    return int(bool(wrong))


def _each(entries: list[Entry], what: str) -> Iterator[tuple[Entry, Path]]:
    """Each with a scratch folder, below which $CLF_WORK lies."""
    for entry in (bar := tqdm(entries, unit=what, mininterval=1)):
        bar.set_postfix_str(entry.competition)
        with tempfile.TemporaryDirectory(prefix="zoo-") as scratch:
            os.environ["CLF_WORK"] = f"{scratch}/work"
            yield entry, Path(scratch)


def mutate(entry: Entry, scratch: Path) -> Iterator[tuple[str, str, list[str]]]:
    """For each mutation that applies: its name, what 02 asked, or "", and what it understood otherwise, or a submission that is no good."""
    built = harness.build(entry, scratch / "built")
    harness.unpack(scratch / "built")
    place, question, _ = harness.ask(entry, scratch / "built")
    before = same.understood(place, question, built)
    for number, (name, mutation) in enumerate(MUTATIONS.items()):
        harness.forget(entry)
        shutil.copytree(scratch / "built", scratch / name)
        changed = mutation(scratch / name, built, np.random.default_rng(5))
        if changed is not None:
            place, question, asked = harness.ask(entry, scratch / name)
            if question is None:
                yield name, asked, []
                continue
            found = same.differences(before, same.understood(place, question, changed))
            if not found and (number + [*ZOO].index(entry.competition)) % FULL == 0:
                scored = harness.score(entry, place, question, asked, changed)
                found = [] if scored.better else [f"{scored.score} is no better than the prior, {scored.prior}"]
            yield name, "", found
        shutil.rmtree(scratch / name)


if __name__ == "__main__":
    with config.guard():
        sys.exit(main(sys.argv[1:]))
