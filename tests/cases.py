"""Long lists of alike cases: a suite that takes ten minutes runs a part of them, and all of them with CLF_TESTS=all."""

import os
from collections.abc import Iterable

import pytest

ALL = os.environ.get("CLF_TESTS") == "all"


def part(cases: Iterable, parts: int) -> list:
    """Every `parts`-th of the cases; always the same, so that what passes today passes tomorrow."""
    cases = list(cases)
    return cases if ALL else cases[::parts]


long = pytest.mark.skipif(not ALL, reason="long, and much of it is tested elsewhere: CLF_TESTS=all runs it")
