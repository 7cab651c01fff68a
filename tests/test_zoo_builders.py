"""The zoo itself: every layout is what it says, and so is every mutation of it."""

import ast
import json
import shutil
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from clf import archives
from tests.zoo import mutations, several, tables
from tests.zoo.entry import Built, Entry

ZOO = Path(__file__).parent / "zoo"
ENTRIES = {entry.competition: entry for entry in (*tables.ENTRIES, *several.ENTRIES)}
LABELS_ELSEWHERE = {"plant-seedlings-classification", "statoil-iceberg-classifier-challenge", "digit-recognizer"}
NO_PICTURES = {"statoil-iceberg-classifier-challenge", "digit-recognizer"}
EXCEPT = {  # mutations that do not apply, besides those that any layout without pictures lacks
    "extensions turned": {"human-protein-atlas-image-classification"},
    "columns renamed": {"plant-seedlings-classification", "statoil-iceberg-classifier-challenge"},
    "junk rows": {"plant-seedlings-classification"},
    "classes replaced": {
        *("aptos2019-blindness-detection", "cassava-leaf-disease-classification", "invasive-species-monitoring", "digit-recognizer"),
        *("statoil-iceberg-classifier-challenge", "histopathologic-cancer-detection", "imet-2020-fgvc7", "petfinder-pawpularity-score"),
        *("human-protein-atlas-image-classification", "hotel-id-2021-fgvc8"),
    },
}
WANT_PICTURES = {"extensions turned", "rows shuffled", "junk rows", "train files lost", "test files lost", "extensions raised"}
WANT_PICTURES |= {"pictures disguised", "ids replaced"}


def build(entry: Entry, folder: Path) -> Built:
    folder.mkdir(parents=True)
    return entry.build(folder, np.random.default_rng(3))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """`built(competition)` → its folder with all archives unpacked, never to be changed, and what the builder returned."""
    top = tmp_path_factory.mktemp("zoo")

    @cache
    def make(competition: str) -> tuple[Path, Built]:
        made = build(ENTRIES[competition], top / competition)
        for archive in [path for path in sorted((top / competition).iterdir()) if archives.is_archive(path)]:
            archives.unpack(archive, archive.parent)
            archive.unlink()
        return top / competition, made

    return make


def listing(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check(folder: Path, made: Built) -> None:
    """Frames of text in the layout of a sample submission that lies in the folder."""
    for frame in (made.answers, made.prior):
        assert all(isinstance(cell, str) for column in frame for cell in frame[column])
    assert [*made.answers.columns] == [*made.prior.columns]
    assert made.answers.iloc[:, 0].equals(made.prior.iloc[:, 0])
    assert made.answers.iloc[:, 0].is_unique
    assert len(made.answers) >= 40
    assert not (made.answers.iloc[:, 1:] == "").any().any()
    assert not made.answers.equals(made.prior)
    assert mutations.find_samples(folder, made)


RUNNING = {"harness.py", "same.py", "table.py", "__main__.py"}  # they run what the others describe


def test_layouts_and_graders_import_nothing_of_what_they_test():
    for path in [path for path in ZOO.glob("*.py") if path.name not in RUNNING]:
        found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [name.name for node in found for name in node.names] + [getattr(node, "module", "") or "" for node in found]
        assert not [name for name in names if name.split(".")[0] in ("clf", "scripts")], path


def test_no_competition_is_there_twice():
    assert len(ENTRIES) == len(tables.ENTRIES) + len(several.ENTRIES) == 24


@pytest.mark.parametrize("competition", ENTRIES)
def test_an_entry_is_what_its_sample_submission_says(competition, built):
    folder, made = built(competition)
    check(folder, made)
    json.dumps(ENTRIES[competition].facts())
    stems = mutations.known_names(folder, heads=True)
    joined = made.answers.iloc[:, 0].isin(stems)
    assert joined.all() if competition not in NO_PICTURES else not joined.any()
    assert (mutations.find_label_table(folder, made) is None) == (competition in LABELS_ELSEWHERE)


@pytest.mark.parametrize("competition", ENTRIES)
def test_the_same_generator_builds_the_same_answers(competition, built, tmp_path):
    again = build(ENTRIES[competition], tmp_path / "again")
    assert built(competition)[1].answers.equals(again.answers)


@pytest.mark.parametrize("competition", ENTRIES)
def test_mutations_keep_the_question(competition, built, tmp_path):
    """Of each layout every fourth mutation, each time others."""
    folder, made = built(competition)
    before = listing(folder)
    for name in [*mutations.MUTATIONS][[*ENTRIES].index(competition) % 4 :: 4]:
        shutil.copytree(folder, tmp_path / name)
        changed = mutations.MUTATIONS[name](tmp_path / name, made, np.random.default_rng(4))
        applies = competition not in EXCEPT.get(name, ()) and not (competition in NO_PICTURES and name in WANT_PICTURES)
        assert (changed is not None) == applies, name
        assert (listing(tmp_path / name) != before) == applies, name
        if applies:
            check(tmp_path / name, changed)
            known = {known.lower() for known in mutations.known_names(tmp_path / name, heads=True)}
            joined = changed.answers.iloc[:, 0].str.lower().isin(known)
            assert joined.all() or name == "test files lost" or competition in NO_PICTURES, name


@pytest.fixture
def mutate(built, tmp_path):
    """`mutate(mutation, competition)` → the changed folder and what is right for it now."""

    def apply(name: str, competition: str) -> tuple[Path, Built]:
        folder, made = built(competition)
        shutil.copytree(folder, tmp_path / "raw")
        return tmp_path / "raw", mutations.MUTATIONS[name](tmp_path / "raw", made, np.random.default_rng(5))

    return apply


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_columns_that_are_the_classes_keep_their_names(mutate):
    folder, _ = mutate("columns renamed", "plant-pathology-2020-fgvc7")
    columns = [*read(folder / "train.csv").columns]
    assert columns[1:] == ["healthy", "multiple_diseases", "rust", "scab"]
    assert columns[0] != "image_id"
    assert [*read(folder / "test.csv").columns] == columns[:1]


def test_extensions_turn_in_the_tables_and_in_the_sample(mutate):
    folder, made = mutate("extensions turned", "cassava-leaf-disease-classification")
    assert not read(folder / "train.csv")["image_id"].str.contains(".", regex=False).any()
    assert read(folder / "sample_submission.csv")["image_id"].equals(made.answers["image_id"])
    shutil.rmtree(folder)
    folder, made = mutate("extensions turned", "ranzcr-clip-catheter-line-classification")
    assert {path.name for path in (folder / "test").iterdir()} == {*made.answers["StudyInstanceUID"]}


def test_replaced_ids_stand_on_the_same_pictures(mutate, built):
    folder, made = mutate("ids replaced", "human-protein-atlas-image-classification")
    old, before = built("human-protein-atlas-image-classification")
    for row in (0, 30):
        for colour in ("red", "green", "blue", "yellow"):
            new = folder / "test" / f"{made.answers['Id'][row]}_{colour}.png"
            assert new.read_bytes() == (old / "test" / f"{before.answers['Id'][row]}_{colour}.png").read_bytes()
    assert read(folder / "train.csv")["Target"].equals(read(old / "train.csv")["Target"])


def test_replaced_classes_stay_apart(mutate, built):
    folder, made = mutate("classes replaced", "plant-seedlings-classification")
    before = built("plant-seedlings-classification")[1].answers["species"]
    pairs = {*zip(before, made.answers["species"], strict=True)}
    assert len(pairs) == 6
    assert {path.name for path in (folder / "train").iterdir() if path.is_dir()} == {new for _, new in pairs}
    shutil.rmtree(folder)
    folder, made = mutate("classes replaced", "state-farm-distracted-driver-detection")
    names = {*made.answers.columns[1:]}
    assert {path.name for path in (folder / "imgs/train").iterdir()} == names == {*read(folder / "driver_imgs_list.csv")["classname"]}
    shutil.rmtree(folder)
    folder, made = mutate("classes replaced", "planet-understanding-the-amazon-from-space")
    assert not {"clear", "primary", "blow_down"} & {tag for cell in read(folder / "train_v2.csv")["tags"] for tag in cell.split(" ")}
    assert {tag for cell in made.answers["tags"] for tag in cell.split(" ")} <= {
        tag for cell in read(folder / "train_v2.csv")["tags"] for tag in cell.split(" ")
    }


def test_shuffled_rows_are_the_same_rows(mutate, built):
    folder, made = mutate("rows shuffled", "petfinder-pawpularity-score")
    before = built("petfinder-pawpularity-score")[1].answers
    assert not before.equals(made.answers)
    assert before.sort_values("Id", ignore_index=True).equals(made.answers.sort_values("Id", ignore_index=True))
    assert read(folder / "sample_submission.csv")["Id"].equals(made.answers["Id"])


def test_an_older_sample_has_other_rows(mutate):
    folder, made = mutate("older sample", "planet-understanding-the-amazon-from-space")
    assert len(read(folder / "sample_submission.csv")) < len(read(folder / "sample_submission_v2.csv")) == len(made.answers)


def test_lost_files_are_of_the_part_that_is_named(mutate, built):
    folder, _ = mutate("train files lost", "plant-pathology-2020-fgvc7")
    gone = listing(built("plant-pathology-2020-fgvc7")[0]).keys() - listing(folder).keys()
    assert len(gone) == 10
    assert all(name.startswith("images/Train_") for name in gone)


def test_a_linear_model_sees_the_class(built):
    """Grey thumbnails of 24 px: what any network has to beat."""
    folder, made = built("cassava-leaf-disease-classification")

    def thumbnails(part: str, names: pd.Series) -> np.ndarray:
        read_grey = (cv2.imread(str(folder / part / name), cv2.IMREAD_GRAYSCALE) for name in names)
        return np.stack([cv2.resize(picture, (24, 24), interpolation=cv2.INTER_AREA).ravel() for picture in read_grey]) / 255

    train = read(folder / "train.csv")
    model = LogisticRegression(max_iter=200).fit(thumbnails("train_images", train["image_id"]), train["label"])
    right = model.predict(thumbnails("test_images", made.answers["image_id"])) == made.answers["label"]
    assert right.mean() > (made.prior["label"] == made.answers["label"]).mean() + 0.1
