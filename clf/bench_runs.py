"""Whole steps in processes of their own: how much a training reaches within its budget, and how much memory preparing and training take."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np

from clf import paths
from clf.bench import COMPETITION, family, made, peak, record, write_links

MOST_MEMORY, MOST_GROWTH = 3 * 1024, 1.1  # MiB of each step; of twice as many pictures, as a multiple
TRAINING = ("model=resnet10", "width=0.25", "epochs=0.05")  # of the memory's: any that lasts a minute


def step(script: str, *words: str) -> tuple[float, float | None]:
    """Runs a numbered script: seconds, and the most MiB that it and its children had for themselves."""
    command = [sys.executable, str(paths.CHECKOUT / "scripts" / f"{script}.py"), *words]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process, peak(lambda: family(process.pid), 0.2) as most:
        process.wait()
    if process.returncode:
        raise RuntimeError(f"{script} {' '.join(words)} ended with {process.returncode}")
    return time.perf_counter() - began, most[0] if most else None


# -- time to accuracy --------------------------------------------------------------------------------------------------------------


def reached(competition: str, budgets: list[float], repeats: int) -> Iterator[dict]:
    """The score on fold 0, wall time over the budget and pictures/s of `repeats` seeds at each budget; the competition's runs stay as they
    are."""
    source, before = paths.Place(competition).data, os.environ.get("CLF_WORK")
    with tempfile.TemporaryDirectory(prefix="clf-bench-") as folder:
        os.environ["CLF_WORK"] = folder
        try:
            place = paths.Place(competition)
            place.data.mkdir(parents=True)
            for path in source.iterdir():
                if path != source / place.runs.name:
                    (place.data / path.name).symlink_to(path.resolve())
            for minutes in budgets:
                yield from _reached(place, minutes, repeats)
        finally:
            os.environ.pop("CLF_WORK") if before is None else os.environ.update(CLF_WORK=before)


def _reached(place: paths.Place, minutes: float, repeats: int) -> Iterator[dict]:
    taken, scores, rates, most = [], [], [], []
    for seed in range(repeats):
        run = place.run(f"bench-{minutes:g}-{seed}")
        words = (f"competition={place.competition}", f"minutes={minutes:g}", "fold=0", f"seed={seed}", f"run={run.name}")
        used, memory = step("05_train", *words)
        taken.append(used)
        most += [] if memory is None else [memory]
        score = paths.read_json(run.score)
        scores.append(score["score"])
        lines = [json.loads(line) for line in run.fold(0).history.read_text().splitlines()]
        rates.append(np.mean([line["images_per_second"] for line in lines]))
    title, peaks = f"{place.competition}, minutes={minutes:g}", {"peak_mib": round(max(most))} if most else {}
    yield record(title, taken, "s", [60 * minutes] * repeats, "the budget") | peaks
    yield record(f"{title}: {score['metric']}", scores, "") | peaks
    yield record(f"{title}: training", rates, "pictures/s") | peaks


# -- memory ------------------------------------------------------------------------------------------------------------------------


def memory(files: int) -> Iterator[dict]:
    """Peaks of 02, 03 and 05 on so many small pictures, and on twice as many."""
    first = {}
    for count in (files, 2 * files):
        with made(lambda raw, rows: write_links(raw, rows, ".jpg"), count) as _:
            words = f"competition={COMPETITION}"
            for script, more in (("02_explore", ()), ("03_prepare", ()), ("05_train", TRAINING)):
                _, most = step(script, words, *more)
                if most is None:
                    print("left out: memory (this system does not say how much a process has for itself)")
                    return
                title = f"memory of {script}, {count:,} pictures"
                yield record(title, [most], "MiB", [MOST_MEMORY]) | {"peak_mib": round(most)}
                if script in first:
                    yield record(f"memory of {script}, growth", [most], "MiB", [first[script]], f"with {files:,} pictures")
                first[script] = most
