"""Changes to a built folder after which it asks the same question in other words: names gone, files gone, files too many.

Each of `MUTATIONS` takes a folder whose archives have been unpacked, what its builder returned, and a generator; it changes the folder in
place and returns what is right for it now, or None, with nothing changed, where it does not apply. They are made for folders as built:
of several on one folder, `extensions raised` comes last.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import pandas as pd

from tests.zoo.entry import Built
from tests.zoo.writing import Generator, disguise

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".npy", ".dcm")  # the first one that has a picture's stem gives the id its extension
JUNK = (".DS_Store", "Thumbs.db")
ENOUGH = 0.9  # share of a column's cells that name pictures; the rest is junk, and files that are missing

Mutation = Callable[[Path, Built, Generator], Built | None]

# -- what lies in the folder -------------------------------------------------------------------------------------------------------


def _pictures(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES]
    return sorted(found, key=lambda path: (SUFFIXES.index(path.suffix.lower()), path))


def _parted(folder: Path, built: Built) -> tuple[list[Path], list[Path]]:
    """Pictures of the training and of the test part: by their folders, and by the submission's ids where one folder holds both."""
    asked, parts = set(built.answers.iloc[:, 0]), ([], [])
    for path in _pictures(folder):
        place = path.parent.relative_to(folder).as_posix().lower()
        in_test = "test" in place or ("train" not in place and not asked.isdisjoint((path.name, path.stem)))
        parts[in_test].append(path)
    return parts


def _tables(folder: Path) -> dict[Path, pd.DataFrame]:
    return {path: pd.read_csv(path, dtype=str, keep_default_na=False) for path in sorted(folder.rglob("*.csv"))}


def _is_sample(table: pd.DataFrame, built: Built) -> bool:
    return [*table.columns] == [*built.answers.columns] and table.iloc[:, 0].equals(built.answers.iloc[:, 0])


def known_names(folder: Path, heads: bool = False) -> set[str]:
    """Names and stems of the pictures; with `heads` also the stems without what follows their last underscore (`<id>_red`)."""
    found = [name for path in _pictures(folder) for name in (path.name, path.stem)]
    return {*found, *((name.rpartition("_")[0] for name in found) if heads else ())} - {""}


def _share(cells: pd.Series, names: set[str]) -> float:
    return sum(cell in names for cell in cells.tolist()) / max(1, len(cells))


def _naming(table: pd.DataFrame, names: set[str]) -> str | None:
    """The column that names pictures."""
    fitting = [column for column in table if _share(table[column], names) >= ENOUGH]
    return max(fitting, key=lambda column: table[column].nunique(), default=None)


def find_label_table(folder: Path, built: Built) -> tuple[Path, pd.DataFrame, str] | None:
    """The table that names the most training pictures, and its column that does."""
    names, asked = known_names(folder, heads=True), set(built.answers.iloc[:, 0])
    found = []
    for path, table in _tables(folder).items():
        column = _naming(table, names)
        if column and not _is_sample(table, built) and not ("test" in path.name or table[column].isin(asked).all()):
            found.append((path, table, column))
    return max(found, key=lambda one: len(one[1]), default=None)


def find_samples(folder: Path, built: Built) -> list[Path]:
    return [path for path, table in _tables(folder).items() if _is_sample(table, built)]


def _named_by_json(folder: Path) -> bool:
    return any('"file_name"' in path.read_text(encoding="latin-1") for path in folder.rglob("*.json"))


def _folders(folder: Path) -> set[str]:
    return {name for _, names, _ in os.walk(folder) for name in names}


def _has_sets(folder: Path, built: Built) -> bool:
    """Whether the cells of the answers are lists of labels; blanks may also belong to the name of a class, which then is a folder."""
    return any(" " in cell and cell not in _folders(folder) for cell in set(built.answers.iloc[:, 1]))


def _mapped_ids(built: Built, change: Callable[[str], str]) -> Built:
    frames = [frame.assign(**{frame.columns[0]: frame.iloc[:, 0].map(change)}) for frame in (built.answers, built.prior)]
    return Built(*frames)


def words(count: int, generator: Generator) -> list[str]:
    """Different ones that mean nothing."""
    consonants, vowels, found = [*"bdfgklmnprstvz"], [*"aeiou"], {}
    while len(found) < count:
        found["".join(part for pair in zip(generator.choice(consonants, 4), generator.choice(vowels, 4), strict=True) for part in pair)] = None
    return list(found)


# -- tables ------------------------------------------------------------------------------------------------------------------------


def rename_columns(folder: Path, built: Built, generator: Generator) -> Built | None:
    """Of the label table, and of a test table likewise; columns that are the classes themselves keep their names, and so do pixels."""
    tables = {path: table for path, table in _tables(folder).items() if not _is_sample(table, built)}
    label_table = find_label_table(folder, built)
    label_path = label_table[0] if label_table else next((path for path, table in tables.items() if "pixel0" in table and "label" in table), None)
    if label_path is None:
        return None
    classes = built.answers.columns[1:] if built.answers.shape[1] > 2 else []
    old = [name for name in tables[label_path] if name not in classes and not name.startswith("pixel")]
    new = dict(zip(old, words(len(old), generator), strict=True))
    for path, table in tables.items():
        if path == label_path or "test" in path.name:
            table.rename(columns=new).to_csv(path, index=False)
    return built


def turn_extensions(folder: Path, built: Built, generator: Generator) -> Built | None:
    """Ids lose the extension that they have, and get the one that they lack."""
    pictures = _pictures(folder)
    names, full = known_names(folder), {path.stem: path.name for path in reversed(pictures)}
    ids = built.answers.iloc[:, 0]
    if _share(ids, names) < ENOUGH or _named_by_json(folder):
        return None
    usual = max(SUFFIXES, key=lambda suffix: sum(path.suffix == suffix for path in pictures))

    def shorter(name: str) -> str:
        return name[: -len(Path(name).suffix)] if Path(name).suffix in SUFFIXES else name

    def longer(name: str) -> str:
        return full.get(name, name if name in JUNK else name + usual)

    change = shorter if ids.iloc[0].endswith(SUFFIXES) else longer
    for path, table in _tables(folder).items():
        column = _naming(table, names)
        if column:
            table.assign(**{column: table[column].map(change)}).to_csv(path, index=False)
    return _mapped_ids(built, change)


def shuffle_rows(folder: Path, built: Built, generator: Generator) -> Built | None:
    """Of every table that names its pictures, the sample submission among them."""
    names, order = known_names(folder, heads=True), generator.permutation(len(built.answers))
    if _share(built.answers.iloc[:, 0], names) < ENOUGH:
        return None
    for path, table in _tables(folder).items():
        if _is_sample(table, built):
            table.iloc[order].to_csv(path, index=False)
        elif _naming(table, names):
            table.iloc[generator.permutation(len(table))].to_csv(path, index=False)
    return Built(*(frame.iloc[order].reset_index(drop=True) for frame in (built.answers, built.prior)))


def add_junk_rows(folder: Path, built: Built, generator: Generator) -> Built | None:
    """Rows of files that macOS and Windows leave behind; where a picture has one label, also a row without it."""
    found = find_label_table(folder, built)
    if found is None:
        return None
    path, table, column = found
    if not _has_sets(folder, built):  # there no label is a set too
        table.loc[generator.integers(len(table)), [name for name in table if name != column]] = ""
    junk = [pd.DataFrame({**dict.fromkeys(table, ""), column: name}, index=[0])[[*table]] for name in JUNK]
    pd.concat([junk[0], table, junk[1]]).to_csv(path, index=False)
    return built


def _add_older_sample(old: str, new: str) -> Mutation:
    """The sample gets the ending `new`; one with the ending `old` has a part of its rows."""

    def mutation(folder: Path, built: Built, generator: Generator) -> Built | None:
        path = find_samples(folder, built)[0]
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        stem = path.stem.removesuffix("_v2")
        path.rename(path.with_name(f"{stem}{new}.csv"))
        table[: len(table) * 3 // 5].to_csv(path.with_name(f"{stem}{old}.csv"), index=False)
        return built

    return mutation


# -- files -------------------------------------------------------------------------------------------------------------------------


def _remove(paths: Sequence[Path], generator: Generator) -> bool:
    """One in twenty."""
    for row in generator.permutation(len(paths))[: -(-len(paths) // 20)]:
        paths[row].unlink()
    return bool(paths)


def lose_train_files(folder: Path, built: Built, generator: Generator) -> Built | None:
    return built if _remove(_parted(folder, built)[0], generator) else None


def lose_test_files(folder: Path, built: Built, generator: Generator) -> Built | None:
    return built if _remove(_parted(folder, built)[1], generator) else None


def add_stray_files(folder: Path, built: Built, generator: Generator) -> Built | None:
    """A table of boxes in some of the training pictures, and a text."""
    some = _parted(folder, built)[0][::3]
    boxes = pd.DataFrame(generator.integers(1, 30, (len(some), 4)), columns=["x", "y", "width", "height"])
    boxes.insert(0, "image", [path.stem for path in some])
    boxes.to_csv(folder / "bounding_boxes.csv", index=False)
    (folder / "README.txt").write_text("The boxes were drawn by hand.\n")
    return built


def raise_extensions(folder: Path, built: Built, generator: Generator) -> Built | None:
    """Of every second picture; the tables keep theirs."""
    pictures = _pictures(folder)
    for path in pictures[::2]:
        path.rename(path.with_suffix(path.suffix.upper()))
    return built if pictures else None


def disguise_pictures(folder: Path, built: Built, generator: Generator) -> Built | None:
    """One of each part holds another format than its name says."""
    parts = _parted(folder, built)
    for paths in parts:
        for path in [path for path in paths if cv2.imread(str(path)) is not None][1:2]:
            disguise(path, ".jpg" if path.suffix == ".png" else ".png")
    return built if any(parts) else None


# -- names -------------------------------------------------------------------------------------------------------------------------


def replace_ids(folder: Path, built: Built, generator: Generator) -> Built | None:
    """Ids and stems, wherever they stand. Copies inside TFRecords go: they name their pictures too."""
    names, pictures = known_names(folder, heads=True), _pictures(folder)
    if _share(built.answers.iloc[:, 0], names) < ENOUGH or _named_by_json(folder):
        return None
    tables = {path: (table, _naming(table, names)) for path, table in _tables(folder).items()}
    ids = {_stem(cell) for table, column in tables.values() if column for cell in table[column] if cell not in JUNK}
    pairs = Counter(name.rpartition("_")[0] for name in ids)
    if "" not in pairs and len(pairs) == len(ids) / 2:  # `10_left`, `10_right`
        ids = set(pairs)
    heads = {path: _head(path.stem, ids) for path in pictures}
    new = dict(zip(sorted(ids.union(heads.values())), words(len(ids.union(heads.values())), generator), strict=True))

    def change(cell: str) -> str:
        head = _head(_stem(cell), ids)
        return new[head] + cell[len(head) :] if head in new else cell

    for path, head in heads.items():
        path.rename(path.with_name(new[head] + path.name[len(head) :]))
    for path, (table, column) in tables.items():
        if column:
            table.assign(**{column: table[column].map(change)}).to_csv(path, index=False)
    for path in folder.rglob("*.tfrec"):
        path.unlink()
    return _mapped_ids(built, change)


def _stem(cell: str) -> str:
    return next((cell.removesuffix(suffix) for suffix in SUFFIXES if cell.endswith(suffix)), cell)


def _head(stem: str, ids: set[str]) -> str:
    """`<id>_red` → `<id>`"""
    head = stem.rpartition("_")[0]
    return head if stem not in ids and head in ids else stem


def replace_classes(folder: Path, built: Built, generator: Generator) -> Built | None:
    """Names of classes, wherever they stand: folders, columns, cells. Numbers stay: their order may mean something."""
    tables, several = _tables(folder), built.answers.shape[1] > 2
    whole = not several and not _folders(folder).isdisjoint(built.answers.iloc[:, 1])
    found = find_label_table(folder, built)

    def tokens(cells: Iterable[str]) -> set[str]:
        return {token for cell in cells for token in ([cell] if whole else cell.split(" "))} - {""}

    if several:
        classes = set(built.answers.columns[1:])
    else:
        cells = [frame.iloc[:, 1] for frame in (built.answers, built.prior)] + [tables[path].iloc[:, 1] for path in find_samples(folder, built)]
        classes = tokens(pd.concat(cells))
        if found:
            overlap = {name: len(classes & tokens(found[1][name])) for name in found[1] if name != found[2]}
            classes |= tokens(found[1][max(overlap, key=overlap.get)])
    if not several and all(_is_number(part) for name in classes for part in name.split(" ")):
        return None
    new = dict(zip(sorted(classes), words(len(classes), generator), strict=True))

    def change(cell: str) -> str:
        return new.get(cell, cell) if several or whole else " ".join(new.get(token, token) for token in cell.split(" "))

    def changed(frame: pd.DataFrame, but: Sequence[str]) -> pd.DataFrame:
        kept = frame.assign(**{name: frame[name].map(change) for name in frame if name not in but})
        return kept.rename(columns=new) if several else kept

    for path, table in tables.items():
        if _is_sample(table, built):
            changed(table, table.columns[:1]).to_csv(path, index=False)
        elif found and found[2] in table:
            changed(table, [found[2]]).to_csv(path, index=False)
    for path in [path for path in folder.rglob("*") if path.is_dir() and path.name in new]:
        path.rename(path.with_name(new[path.name]))
    return Built(*(changed(frame, frame.columns[:1]) for frame in (built.answers, built.prior)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


MUTATIONS: dict[str, Mutation] = {
    "columns renamed": rename_columns,
    "extensions turned": turn_extensions,
    "rows shuffled": shuffle_rows,
    "junk rows": add_junk_rows,
    "older sample": _add_older_sample("", "_v2"),
    "samples of two stages": _add_older_sample("_stg1", "_stg2"),
    "train files lost": lose_train_files,
    "test files lost": lose_test_files,
    "stray files": add_stray_files,
    "extensions raised": raise_extensions,
    "pictures disguised": disguise_pictures,
    "ids replaced": replace_ids,
    "classes replaced": replace_classes,
}
