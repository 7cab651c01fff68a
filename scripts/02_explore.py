"""Understands the problem and looks at the data: what is asked, where labels and pictures are, what is wrong with them.

    make explore COMPETITION=dog-breed-identification
    python -m scripts.02_explore competition=dog-breed-identification

It reads `raw/`, `download.json`, and your corrections in `problem.toml`. It writes `problem.toml`, `train.csv`, `test.csv`,
`pictures.csv`, `quarantine.csv` and `explore/index.html`.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # python scripts/02_explore.py works too

from clf import config, geometry, infer, paths, problem, report, survey, tables
from clf.draft import Draft
from clf.raw import Raw


@dataclass(frozen=True)
class Words(config.Words):
    pass


def main(words: Words) -> None:
    place = paths.Place(words.competition)
    download = paths.read_json(place.download)
    if download is None:
        raise config.Mistake(f"there is no data of {words.competition}: run `make download COMPETITION={words.competition}` first.")
    made = [place.train, place.test, place.pictures, place.quarantine, place.explore_page]
    made_from = {"raw": paths.hash_tree(place.raw), "download.json": paths.hash_file(place.download)}
    made_from |= {"problem.toml": problem.hash_values(place.problem), **{path.name: paths.hash_file(path) for path in made}}
    made_from |= paths.code("infer", "geometry", "survey", "tables", "report")
    reason = paths.changed(place.explore_record, made_from)
    if reason is None:
        print(f"explore: nothing to do ({paths.show(place.problem)} and the tables are up to date)")
        return
    print(f"explore: {words.competition} ({reason})")

    last = (paths.read_json(place.explore_record) or {}).get("inferred", {})
    raw = Raw(place.raw)
    draft = Draft(words.competition, raw, download["facts"], problem.edits(place.problem, last), place.problem)
    draft.settle(infer.QUESTION)
    gathered = survey.gather(raw, draft.known)
    geometry.look(draft, gathered)
    asked, findings = draft.problem(), survey.findings(raw, draft.problem(), gathered)

    tables.write(place.train, gathered.train_table)
    tables.write(place.test, gathered.test_table)
    tables.write(place.pictures, tables.pictures(gathered.train, gathered.test, gathered.test_readable, gathered.inspection))
    tables.write(place.quarantine, gathered.quarantine)
    problem.write(place.problem, asked, draft.evidence)
    notes = [*draft.assumptions(), *draft.remarks(), *gathered.notes]
    findings |= {"problem": asked, "evidence": draft.evidence, "group": draft.groups(gathered.train), "notes": notes}
    report.explore(place.explore_page, findings)
    made_from |= {"problem.toml": problem.hash_values(place.problem), **{path.name: paths.hash_file(path) for path in made}}
    paths.write_json(place.explore_record, {"made_from": made_from, "inferred": draft.inferred})

    for note in notes:
        print(f"  check: {note}")
    size = f"{len(asked.classes)} classes" if asked.kind != "regression" else f"values of {', '.join(asked.classes[:4])}"
    print(f"explore: {asked.kind}, {size}, {asked.metric}; labels from {asked.layout}, submission of {asked.style}")
    print(f"explore: {findings['train']:,} train and {findings['test']:,} test pictures, {len(gathered.quarantine):,} in quarantine,")
    print(f"         {findings['cluster_rows']:,} training rows have a duplicate, {findings['twins']:,} test pictures have a twin in train")
    print(f"explore: see {paths.show(place.explore_page)}; correct {paths.show(place.problem)} where it is wrong")
    print(f"explore: done. Next: make prepare COMPETITION={words.competition}")


if __name__ == "__main__":
    config.command(main, Words)
