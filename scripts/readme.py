"""make readme: writes the tables of words into README.md, from the dataclasses that declare them.

python scripts/readme.py
"""

import importlib
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, paths


def shown(default) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default) or "–"


def rows(kind: type) -> list[str]:
    return [f"| `{name}=` | {shown(field.default)} | {field.metadata['help']} |" for name, field in config.fields(kind).items()]


def words() -> str:
    """Markdown: the place and each script's own words, then Config's."""
    lines = ["| word | default | meaning |", "|---|---|---|"]
    shared = config.fields(config.TrainingWords)
    lines += rows(config.TrainingWords)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        script = importlib.import_module(f"scripts.{path.stem}") if path.stem not in ("all", "readme") else None
        own = [row for row in rows(script.Words) if re.match(r"\| `(\w+)=", row)[1] not in shared] if script else []
        lines += [row.replace("` |", f"` ({path.stem}) |", 1) for row in own]
    lines += ["", "How we train (`Config`; 04, 05 and 06 read it, and it is part of a run's identity):", ""]
    return "\n".join([*lines, "| word | default | meaning |", "|---|---|---|", *rows(config.Config)])


def filled(text: str) -> str:
    """The README's text with the tables between its markers made anew."""
    return re.sub(r"(<!-- words -->\n).*(<!-- /words -->)", lambda marks: f"{marks[1]}{words()}\n{marks[2]}", text, flags=re.DOTALL)


if __name__ == "__main__":
    with config.guard():
        paths.write_text(paths.readme(), filled(paths.readme().read_text()))
