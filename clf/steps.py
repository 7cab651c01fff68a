"""The numbered scripts one after the other, each with the words that it reads, as processes of their own."""

import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

from clf import config


def check_words(scripts: dict[str, ModuleType], given: dict[str, str], own: list[str], where: str) -> None:
    """Raises Mistake for a word that neither the command itself (`own`) nor any of the scripts reads."""
    known = {*own, *(word for script in scripts.values() for word in config.known_words(script))}
    for word in given:
        if word not in known:
            raise config.unknown_word(word, sorted(known), where)


def run(scripts: dict[str, ModuleType], given: dict[str, str], began: float, environment: dict[str, str] | None = None) -> None:
    """Runs each script (name → module); the first that fails ends this process with its status.

    `began`: of the whole command, as `time.monotonic` counts; `deadline=` is of the whole command as well, where a step counts from its
    own start. Data goes one way: steps start from the settings that were there before 06 wrote its own.
    """
    for name, script in scripts.items():
        known = config.known_words(script)
        words = {word: value for word, value in given.items() if word in known}
        if "improved" in known:
            words.setdefault("improved", "false")
        if "deadline" in words:
            minutes = config.set_typed(script.Words, "deadline", words["deadline"])
            words["deadline"] = str(max(0.01, minutes - (time.monotonic() - began) / 60))
        print(f"\n== {name} ({time.monotonic() - began:.0f} s)", flush=True)
        command = [sys.executable, str(Path(script.__file__)), *(f"{word}={value}" for word, value in words.items())]
        status = subprocess.run(command, env=environment).returncode
        if status:
            sys.exit(status)
