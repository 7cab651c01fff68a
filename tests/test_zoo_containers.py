"""The zoo's archives, trees and containers: each is what its sample submission and its grader say, and readers of other makers open it."""

import json
import struct
import zipfile
from functools import cache

import numpy as np
import pandas as pd
import pydicom
import pytest

from tests.zoo import archives, containers, trees
from tests.zoo.entry import Built, Entry
from tests.zoo.graders import GRADERS
from tests.zoo.writing import checksum

ENTRIES = {entry.competition: entry for entry in (*archives.ENTRIES, *trees.ENTRIES, *containers.ENTRIES)}
SAMPLES = ("sample_submission", "sampleSubmission", "stage_2_sample", "kaggle_sample")


def build(entry: Entry, folder) -> Built:
    folder.mkdir(parents=True)
    return entry.build(folder, np.random.default_rng(3))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """`built(competition)` → its folder, never to be changed, and what the builder returned."""
    top = tmp_path_factory.mktemp("zoo")

    @cache
    def make(competition: str):
        return top / competition, build(ENTRIES[competition], top / competition)

    return make


def read(path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def truth(entry: Entry, made: Built) -> pd.DataFrame:
    """The answers as a submission."""
    if entry.metric != "gap":
        return made.answers
    return made.answers.assign(landmarks=[f"{label} 0.5" if label else "" for label in made.answers["landmarks"]])


def test_no_competition_is_there_twice():
    assert len(ENTRIES) == len(archives.ENTRIES) + len(trees.ENTRIES) + len(containers.ENTRIES) == 20


@pytest.mark.parametrize("competition", ENTRIES)
def test_an_entry_is_what_its_sample_submission_and_its_grader_say(competition, built):
    entry = ENTRIES[competition]
    folder, made = built(competition)
    json.dumps(entry.facts())
    sample = read(max(path for path in folder.iterdir() if path.name.startswith(SAMPLES)))  # of two stages the later one
    for frame in (made.answers, made.prior):
        assert all(isinstance(cell, str) for column in frame for cell in frame[column])
        assert [*frame.columns] == [*sample.columns]
        assert frame.iloc[:, 0].equals(sample.iloc[:, 0])
    assert 40 <= len(made.answers) <= 300
    grader = GRADERS[entry.metric]
    blind, best = (grader.score(frame, made.answers) for frame in (made.prior, truth(entry, made)))
    assert (best > blind + 0.3) if grader.higher_is_better else (best < blind - 0.3)


@pytest.mark.parametrize("competition", ["rsna-breast-cancer-detection", "herbarium-2020-fgvc7", "seti-breakthrough-listen"])
def test_the_same_generator_builds_the_same_files(competition, built, tmp_path):
    again = build(ENTRIES[competition], tmp_path / "again")
    folder, made = built(competition)
    assert made.answers.equals(again.answers)
    first, second = (
        {path.relative_to(top): path.read_bytes() for path in top.rglob("*.*") if path.is_file()} for top in (folder, tmp_path / "again")
    )
    assert first == second


def test_parts_joined_are_an_archive_of_pictures(built, tmp_path):
    folder, _ = built("diabetic-retinopathy-detection")
    parts = sorted(folder.glob("train.zip.*"))
    assert [path.suffix for path in parts] == [".001", ".002", ".003", ".004", ".005"]
    (tmp_path / "train.zip").write_bytes(b"".join(path.read_bytes() for path in parts))
    with zipfile.ZipFile(tmp_path / "train.zip") as archive:
        assert archive.testzip() is None
        assert sum(name.endswith(".jpeg") for name in archive.namelist()) == 180


def test_dicom_files_open_but_for_the_one_that_is_cut_short(built):
    folder, _ = built("rsna-intracranial-hemorrhage-detection")
    broken = []
    for path in [*sorted((folder / "stage_2_train").iterdir())[::20], folder / "stage_2_train" / "ID_6431af929.dcm"]:
        content = pydicom.dcmread(path)
        try:
            assert content.pixel_array.dtype == np.int16
        except ValueError:
            broken.append(path.name)
    assert {*broken} == {"ID_6431af929.dcm"}


def test_checksums_of_tfrecords_are_masked_castagnoli():
    masked = struct.unpack("<I", checksum(b"123456789"))[0]
    turned = masked - 0xA282EAD8 & 0xFFFFFFFF
    assert (turned >> 17 | turned << 15) & 0xFFFFFFFF == 0xE3069283  # the check value of CRC-32C


def test_tensorflow_reads_the_tfrecords(built):
    import tensorflow

    folder, made = built("flower-classification-with-tpus")
    seen = []
    for part, labelled in (("val", True), ("test", False)):
        for path in (folder / "tfrecords-jpeg-192x192" / part).iterdir():
            for record in tensorflow.data.TFRecordDataset(str(path)):
                features = tensorflow.train.Example.FromString(record.numpy()).features.feature
                assert tensorflow.io.decode_jpeg(features["image"].bytes_list.value[0]).shape == (192, 192, 3)
                assert ("class" in features) == labelled
                if not labelled:
                    seen.append(features["id"].bytes_list.value[0].decode())
    assert sorted(seen) == sorted(made.answers["id"])
    assert seen != [*made.answers["id"]]


def test_corrupt_files_are_there(built):
    folder, _ = built("iwildcam-2020-fgvc7")
    assert sum(path.stat().st_size == 120 for path in (folder / "train").iterdir()) == 1
    folder, _ = built("intel-image-classification")
    assert sorted(path.name for path in folder.rglob("*.jpg") if path.stat().st_size == 0) == ["54.jpg", "9001.jpg"]


def test_json_of_herbarium_is_no_utf_8(built):
    folder, _ = built("herbarium-2020-fgvc7")
    content = (folder / "nybg2020" / "train" / "metadata.json").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        content.decode()
    assert json.loads(content.decode("latin-1"))["regions"][0]["name"] == "São Tomé 0"


def test_the_four_versions_of_a_cover_have_one_name(built):
    folder, _ = built("alaska2-image-steganalysis")
    names = [{path.name for path in (folder / name).iterdir()} for name in ("Cover", "JMiPOD", "JUNIWARD", "UERD")]
    assert all(one == names[0] for one in names)
    assert len(names[0]) == 50
