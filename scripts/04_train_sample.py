"""Step 4: a simple model on the sample, and the checks that the pipeline is sound, in about a minute.

    make sample COMPETITION=… [sample=2000] [model=…]
    python scripts/04_train_sample.py competition=…

reads   packed/<side>/, folds.csv, the tables, raw/ (a few pictures, to compare)
writes  runs/sample/: each check with its figure, and a forecast of step 05
"""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths, runs


@dataclass(frozen=True)
class Words(config.TrainingWords):
    sample: int = config.word(2000, "rows of the nested sample", 8)
    seconds: float = config.word(15.0, "of the short training", 0)


def main(words: Words, wanted: config.Config) -> None:
    place = paths.Place(words.competition)
    # Nothing here depends on how long 05 will train.
    settled = dataclasses.replace(runs.settle(place, wanted), fold="0", minutes=0.0, epochs=0.0)
    run = place.run("sample")
    made_from = runs.identity(place, settled) | {"sample": words.sample} | paths.code("checks")
    reason = paths.changed(run.score, made_from)
    if not reason:
        print(f"sample: nothing to do ({paths.read_json(run.score)['summary']})")
        return
    print(f"sample: {reason}")

    from clf import checks  # TensorFlow: only where there is something to do

    on = checks.bench(place, settled, runs.store_side(place), words.sample)
    print(f"sample: {len(on.rows)} rows train, {len(on.held_out)} are held out")
    found, timing = checks.all_checks(on, words.seconds, lambda check: print(f"{check.state:7}  {check.name}: {check.figure}", flush=True))
    for check in found:
        if check.advice:
            print(f"{check.state}: {check.name}: {check.advice}")
    counts = {state: sum(check.state == state for check in found) for state in ("passed", "warned", "failed")}
    summary = ", ".join(f"{count} {state}" for state, count in counts.items())
    if counts["failed"]:
        raise config.Mistake(f"checks: {summary}. The pipeline is not sound: mend that first, then `make sample`.")
    forecast = checks.forecast(on, timing)
    print(
        f"forecast of 05: {forecast['minutes_per_epoch']:.2f} minutes per epoch of {forecast['rows']} rows at {forecast['side']} px, "
        f"peak memory {forecast['peak_memory_mib']:.0f} MiB"
    )
    report = {"checks": [dataclasses.asdict(check) for check in found], "forecast": forecast, "summary": summary}
    paths.write_json(run.score, {"made_from": made_from, **report})
    print(f"sample: {summary}. Next: make train")


if __name__ == "__main__":
    config.command(main, Words)
