"""make readme: writes the tables of words and of metrics into README.md, from where the code declares them.

python scripts/readme.py
"""

import importlib
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clf import config, metrics, paths, problem


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


def recipes() -> str:
    """Markdown: what each metric asks."""
    lines = [
        "| metric | better | kinds | submission | fitted on out-of-fold rows | folds blended by | label smoothing |",
        "|---|---|---|---|---|---|---|",
    ]
    for metric in sorted(metrics.METRICS.values(), key=lambda metric: metric.name):
        kinds = "all but regression" if set(metric.kinds) == set(problem.KINDS) - {"regression"} else ", ".join(metric.kinds)
        fitted = {}
        for kind, rule in metric.rules.items():
            fitted.setdefault(rule.name, []).append(kind)
        every = len(fitted) == 1 and metric.rules.keys() == set(metric.kinds)
        said = "; ".join(name if every else f"{name} ({', '.join(kinds)})" for name, kinds in fitted.items()) or "–"
        better = "higher" if metric.higher_is_better else "lower"
        single = set(metric.kinds) & set(problem.SINGLE)
        lines.append(
            f"| {metric.name} | {better} | {kinds} | {metric.wants} | {said} | {metric.blend} | {shown(metric.smoothing) if single else '–'} |"
        )
    return "\n".join(lines)


def filled(text: str) -> str:
    """The README's text with the tables between its markers made anew."""
    for name, table in {"words": words(), "metrics": recipes()}.items():
        start, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
        text = text[: text.index(start) + len(start)] + table + text[text.index(end) :]
    return text


if __name__ == "__main__":
    with config.guard():
        paths.write_text(paths.readme(), filled(paths.readme().read_text()))
