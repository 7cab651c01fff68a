"""Long lists of alike cases: a suite that takes ten minutes runs another part of them each day, and all of them with CLF_TESTS=all."""

import datetime
import os
from collections.abc import Iterable

ALL = os.environ.get("CLF_TESTS") == "all"
TODAY = datetime.datetime.now(datetime.UTC).date().toordinal()


def part(cases: Iterable, parts: int) -> list:
    """Every `parts`-th of the cases, from another first one each day."""
    cases = list(cases)
    return cases if ALL else cases[TODAY % parts :: parts]
