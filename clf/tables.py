"""The kit's tables: `train.csv` (`id, label, cluster[, group]`), `test.csv` (`id[, row]`), `pictures.csv`; all text, read as text."""

from pathlib import Path

import numpy as np
import pandas as pd

from clf import paths
from clf.config import Mistake

CHUNK_ROWS = 20_000
SIZES = ("width", "height", "format")  # columns of pictures.csv: what 02 wrote of the files


def read(path: Path, columns: list[str] | None = None, rows: np.ndarray | None = None) -> pd.DataFrame:
    """A table as text: `0012`, `1e10`, `NA` and the empty cell stay what they are. A byte-order mark is dropped; latin-1 is tried last.

    `columns`: of these those that there are. `rows`: those with these numbers, in their order; the others never lie in memory together.
    """
    sign, chosen = delimiter(path), columns and columns.__contains__
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            # In chunks: while it is parsed, a table takes twice the memory that it takes in the end.
            chunks = pd.read_csv(
                path, dtype=str, keep_default_na=False, encoding=encoding, usecols=chosen, index_col=False, sep=sign, chunksize=CHUNK_ROWS
            )
            if rows is None:
                return pd.concat(chunks, ignore_index=True)
            return pd.concat(chunk[chunk.index.isin(rows)] for chunk in chunks).reindex(rows).reset_index(drop=True)
        except UnicodeDecodeError:
            continue
        except pd.errors.EmptyDataError:
            return pd.DataFrame()


def header(path: Path) -> list[str]:
    """The columns' names as they are written."""
    sign = delimiter(path)
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            return list(pd.read_csv(path, nrows=0, encoding=encoding, sep=sign).columns)
        except UnicodeDecodeError:
            continue
        except (pd.errors.EmptyDataError, pd.errors.ParserError):
            return []


def delimiter(path: Path) -> str:
    """What parts the cells: a comma, unless the header has none, but semicolons or tabs."""
    with open(path, "rb") as file:
        first = file.readline(1 << 20)
    return next((sign for sign in (",", ";", "\t") if sign.encode() in first), ",")


def write(path: Path, frame: pd.DataFrame) -> None:
    paths.write_bytes(path, frame.to_csv(index=False, lineterminator="\n").encode())


def pictures(train: pd.DataFrame, test: pd.DataFrame, test_readable: np.ndarray, seen) -> pd.DataFrame:
    """`part, id, path, row, width, height, format`: train rows first, then the test's; bool [test rows] says which are readable.

    `seen`: the `images.Inspection` of the train rows, then of the readable test rows; px of the files as they came.
    """
    rows = np.full(len(test), "", object)
    rows[test_readable] = [str(len(train) + number) for number in range(int(test_readable.sum()))]
    parts = [
        pd.DataFrame({"part": "train", "id": train["id"], "path": train["path"], "row": [str(row) for row in range(len(train))]}),
        pd.DataFrame({"part": "test", "id": test["id"], "path": test["path"], "row": rows}),
    ]
    table, there = pd.concat(parts, ignore_index=True), np.concatenate([np.ones(len(train), bool), test_readable])
    for name, values in (("width", seen.widths), ("height", seen.heights)):
        sizes = np.zeros(len(table), np.int32)
        sizes[there] = values
        table[name] = pd.arrays.IntegerArray(sizes, ~there)  # a million of them as text would take 100 MB
    table["format"] = ""
    table.loc[there, "format"] = seen.formats
    return table


def store_rows(pictures: pd.DataFrame, part: str, size: int) -> np.ndarray:
    """int32 [size]: each row of the table train or test, its row in the store, -1 where it has no picture."""
    # By way of Int32: otherwise every number becomes a Python string first.
    found = pictures.row[pictures.part == part].replace("", "-1").astype("Int32").to_numpy(np.int32)
    if len(found) != size:
        raise Mistake(f"pictures.csv has {len(found)} {part} rows, the table {size}: run `make explore` again.")
    return found


def parted(separator: str, cell: str) -> list[str]:
    """The labels of a cell. A blank parts at any white space; labels themselves are stripped."""
    parts = cell.split(None if separator == " " else separator)
    return [part for part in map(str.strip, parts) if part]
