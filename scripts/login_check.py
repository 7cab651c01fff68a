"""What signs in to Kaggle: every place that was looked at, which one is used, what works, and what to do next.

    make login-check [COMPETITION=dog-breed-identification]
    python -m scripts.login_check competition=…

Each place that holds credentials is tried on its own, so that an old token in front of a good key shows. No secret is printed.
Exit status 2 where nothing works.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # python scripts/login_check.py works too
from clf import config, credentials, kaggle


@dataclass(frozen=True)
class Words(config.Words):
    pass


def main(words: Words) -> None:
    print("credentials, in the order in which the Kaggle client looks for them:", flush=True)
    works = {}
    for place in credentials.places():
        said = place.problem or place.said
        if place.secret and not place.problem:
            works[place.name], answer = kaggle.try_alone(place)
            said += f"; {'hidden by the place above; on its own it ' if len(works) > 1 else ''}{answer}"
        print(f"  {place.name:<30} {said}", flush=True)
    used = credentials.used()
    if used is None:
        raise config.Mistake(f"no credentials for Kaggle were found. Three steps to them:\n{credentials.token_steps(words.competition)}")
    if not works[used.name]:
        good = next((name for name in works if works[name]), None)
        hint = f" {good} would work. Make way for it: {used.remove}; then: make login-check\nOr get a new token:" if good else " Get a new one:"
        raise config.Mistake(f"{used.name} is used, and does not work.{hint}\n{credentials.token_steps(words.competition)}")
    print(f"used: {used.name}")
    try:
        print(f"{words.competition}: {kaggle.access(words.competition)}. Next: make download COMPETITION={words.competition}")
    except config.Mistake as mistake:
        print(f"{words.competition}: {mistake}")


if __name__ == "__main__":
    config.command(main, Words)
