"""Step 6: try changes one at a time on the same fold at equal budget; keep one only where the gain is larger than the noise.

    make improve COMPETITION=… [minutes=30 | epochs=…] [any word of Config: the base]
    python scripts/06_improve.py competition=…

reads   what 05 reads, and runs/
writes  a run per trial (tried.json: the table), improve.json (the same, and the best run), improve.html, and config.toml where a change is kept
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths, runs

Words = config.TrainingWords


def main(words: Words, wanted: config.Config) -> None:
    place = paths.Place(words.competition)
    settled = runs.settle(place, wanted)
    made_from = runs.identity(place, settled) | paths.code("search")
    reason = paths.changed(place.improve, made_from)
    if not reason:
        print(f"improve: nothing to do ({paths.read_json(place.improve)['summary']})")
        return
    print(f"improve: {reason}")

    from clf import report, search, standing  # TensorFlow: only where there is something to do

    tried = search.run_all(place, settled)
    table = search.judge(place, tried)
    print(search.text(table))
    written, summary = search.keep(place, table, config.stored_settings(place, words.improved))
    best = search.best_run(place, settled.fold, tried[0][1])
    summary += f"; best run {best}"
    report.improve(place.improve_page, table, summary)
    search.note(tried, table, summary)
    for _, run in tried:
        standing.refresh(place, run.name)
    paths.write_json(place.improve, {"made_from": made_from, "table": table, "best": best, "summary": summary, "config_hash": written})
    print(f"improve: {summary}, page {paths.show(place.improve_page)}. Next: make submit")


if __name__ == "__main__":
    config.command(main, Words)
