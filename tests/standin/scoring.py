"""Scores of submissions by the graders of the zoo, which know nothing of `clf`."""

import io
from collections.abc import Callable

Score = Callable[[bytes], float]  # ValueError: a scoring error, its text the reason
USAGE = "Usage"  # the column of a solution file that parts its rows into Public, Private and Ignored


def graded(grader: str, answers: bytes, usage: str = "Public") -> Score:
    """A scorer by a key of `GRADERS`. answers: CSV in the sample submission's layout, the id first; with a column `Usage` only the rows
    of that usage count. ValueError for another header, for other ids, and for what the grader refuses."""
    import pandas as pd

    from tests.zoo.graders import GRADERS

    wanted = pd.read_csv(io.BytesIO(answers), dtype=str, keep_default_na=False)
    counted = wanted[USAGE] == usage if USAGE in wanted and USAGE != wanted.columns[0] else None
    wanted = wanted.drop(columns=USAGE) if counted is not None else wanted
    ids = wanted.iloc[:, 0]
    right = wanted if counted is None else wanted[counted]

    def score(content: bytes) -> float:
        try:
            given = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
        except (ValueError, pd.errors.ParserError) as error:
            raise ValueError(f"no CSV file ({error})") from None
        if [*given.columns] != [*wanted.columns]:
            raise ValueError(f"the header is {[*given.columns]}, not {[*wanted.columns]}")
        if sorted(given.iloc[:, 0]) != sorted(ids):
            raise ValueError("the ids are not those of the sample submission")
        kept = given if counted is None else given[given.iloc[:, 0].isin(set(right.iloc[:, 0]))]
        return GRADERS[grader].score(kept.reset_index(drop=True), right.reset_index(drop=True))

    return score


def accuracy(answers: bytes) -> Score:
    return graded("accuracy", answers)


def parted(answers: bytes) -> bool:
    """Whether the solution file has rows of its own for the private score."""
    return USAGE in answers.split(b"\n", 1)[0].decode().strip().split(",")[1:]
