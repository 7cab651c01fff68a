"""Which rows belong together: tables, ids and file names as competitions have them."""

import uuid

import numpy as np
import pandas as pd
import pytest

from clf import groups

ROWS = 2000


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def hexes(count: int, rng: np.random.Generator, size: int = 16) -> list[str]:
    return [rng.bytes(size).hex() for _ in range(count)]


def table(**columns) -> pd.DataFrame:
    return pd.DataFrame({name: [str(value) for value in values] for name, values in columns.items()})


def names(found: list[tuple[str, str]]) -> list[str]:
    return [column for column, _ in found]


# -- by a column -------------------------------------------------------------------------------------------------------------------


def test_drivers_of_a_list_without_a_test_table(rng):
    """state-farm: subject, classname, img."""
    subject = [f"p{number:03d}" for number in rng.integers(2, 82, 26)[rng.integers(0, 26, ROWS)]]
    frame = table(subject=subject, classname=[f"c{number}" for number in rng.integers(0, 10, ROWS)], img=[f"img_{n}.jpg" for n in range(ROWS)])
    (column, evidence), *others = groups.by_behaviour(frame, {"classname", "img"}, None)
    assert (column, others) == ("subject", [])
    assert evidence.startswith("assumed: ")


def test_places_that_the_test_table_does_not_share(rng):
    """iwildcam: bursts of frames at a place; the test's places are others."""
    seq = np.arange(ROWS) // 3
    place = rng.permutation(441)[np.minimum(seq // 3, 440)]
    frame = table(
        id=[uuid.UUID(bytes=rng.bytes(16)) for _ in range(ROWS)],
        category_id=rng.integers(0, 216, ROWS),
        location=place,
        seq_id=[uuid.uuid5(uuid.NAMESPACE_OID, str(number)) for number in seq],
        datetime=[f"2013-06-{1 + number % 28:02d} 10:{number % 60:02d}:00.000" for number in seq],
        seq_num_frames=rng.integers(1, 9, ROWS),
        frame_num=rng.integers(1, 9, ROWS),
        width=rng.choice([1024, 1280, 1366, 1920, 2048, 777], ROWS),
    )
    test = table(
        id=[uuid.UUID(bytes=rng.bytes(16)) for _ in range(500)],
        location=500 + np.arange(500) // 9,
        seq_id=[uuid.uuid5(uuid.NAMESPACE_OID, str(10_000 + number // 3)) for number in range(500)],
        seq_num_frames=rng.integers(1, 9, 500),
        frame_num=rng.integers(1, 9, 500),
        width=rng.choice([1024, 1280], 500),
    )
    found = groups.by_behaviour(frame, {"id", "category_id"}, test)
    assert names(found) == ["location", "seq_id"]
    assert "none of them is in the test table" in found[0][1]
    assert names(groups.by_behaviour(frame, {"id", "category_id"}, None)) == ["location", "seq_id"]


def test_nearly_no_shared_value_is_evidence_too_and_shared_values_are_none(rng):
    frame = table(id=range(ROWS), label=rng.integers(0, 3, ROWS), plot=rng.integers(0, 100, ROWS))
    apart = table(id=range(100), plot=[*range(97, 100), *range(1000, 1097)])
    assert "only 3.0%" in groups.by_behaviour(frame, {"id", "label"}, apart)[0][1]
    assert groups.by_behaviour(frame, {"id", "label"}, table(id=range(100), plot=range(100))) == []


def test_patients_beside_columns_of_labels(rng):
    """ranzcr: StudyInstanceUID is the id, PatientID the group."""
    flags = {f"ETT - {name}": rng.integers(0, 2, ROWS) for name in ("Abnormal", "Borderline", "Normal")}
    patient = hexes(300, rng, 5)
    frame = table(StudyInstanceUID=[f"1.2.826.0.1.{n}" for n in range(ROWS)], **flags, PatientID=[patient[n] for n in rng.integers(0, 300, ROWS)])
    assert names(groups.by_behaviour(frame, {"StudyInstanceUID", *flags}, None)) == ["PatientID"]


def test_patients_among_measures_and_diagnoses(rng):
    """siim: the test table shares sex, age and site of the body, and no patient."""
    patient = [f"IP_{number:07d}" for number in rng.choice(9_000_000, 400, replace=False)]
    body = ["torso", "lower extremity", "upper extremity", "head/neck", "palms/soles", "oral/genital"]
    target = (rng.random(ROWS) < 0.1).astype(int)
    shared = {"sex": rng.choice(["male", "female"], ROWS), "age_approx": rng.choice([f"{5 * n}.0" for n in range(18)], ROWS)}
    frame = table(
        image_name=[f"ISIC_{n:07d}" for n in range(ROWS)],
        patient_id=[patient[n] for n in rng.integers(0, 300, ROWS)],
        **shared,
        anatom_site_general_challenge=rng.choice(body, ROWS),
        diagnosis=np.where(target, "melanoma", rng.choice(["unknown", "nevus", "solar lentigo", "lentigo NOS", "cafe-au-lait macule"], ROWS)),
        benign_malignant=np.where(target, "malignant", "benign"),
        target=target,
    )
    test = table(
        image_name=[f"ISIC_{n + ROWS:07d}" for n in range(300)],
        patient_id=[patient[n] for n in rng.integers(300, 400, 300)],
        sex=rng.choice(["male", "female"], 300),
        age_approx=rng.choice([f"{5 * n}.0" for n in range(18)], 300),
        anatom_site_general_challenge=rng.choice(body, 300),
    )
    assert names(groups.by_behaviour(frame, {"image_name", "target"}, test)) == ["patient_id"]
    assert names(groups.by_behaviour(frame, {"image_name", "target"}, None)) == ["patient_id"]


def test_flags_and_scores_are_none(rng):
    """petfinder: twelve flags and a score."""
    frame = table(Id=hexes(ROWS, rng), Face=rng.integers(0, 2, ROWS), Blur=rng.integers(0, 2, ROWS), Pawpularity=rng.integers(1, 101, ROWS))
    assert groups.by_behaviour(frame, {"Id", "Pawpularity"}, frame[["Id", "Face", "Blur"]][:8]) == []


def test_measured_features_are_none(rng):
    """leaf: 192 numbers with a fraction, many of which recur."""
    features = {f"margin{number}": np.round(rng.random(990) / 100, 4) for number in range(4)}
    frame = table(id=range(990), species=np.repeat([f"Acer_{number}" for number in range(99)], 10), **features)
    assert groups.by_behaviour(frame, {"id", "species"}, table(id=range(594), margin0=np.round(rng.random(594), 6))) == []


def test_what_the_label_says_is_none(rng):
    """happy-whale: the species follows from the individual; panda: the grade follows from the Gleason score, two providers are a domain."""
    whale = rng.integers(0, 300, ROWS)
    frame = table(
        image=[f"{name}.jpg" for name in hexes(ROWS, rng)], species=[f"species_{n % 26}" for n in whale], individual_id=[f"w{n}" for n in whale]
    )
    assert groups.by_behaviour(frame, {"image", "individual_id"}, None) == []
    score = rng.integers(0, 10, ROWS)
    panda = table(
        image_id=hexes(ROWS, rng),
        data_provider=rng.choice(["karolinska", "radboud"], ROWS),
        isup_grade=score // 2,
        gleason_score=[f"{3 + n % 3}+{3 + n // 3}" for n in score],
    )
    assert groups.by_behaviour(panda, {"image_id", "isup_grade"}, panda[["image_id", "data_provider"]][:3]) == []


def test_patients_with_one_label_each_are_groups(rng):
    person = rng.integers(0, 15, ROWS)
    frame = table(id=range(ROWS), patient=person, ill=person % 2, stage=[f"grade{number}" for number in person])
    assert names(groups.by_behaviour(frame, {"id", "ill"}, None)) == ["patient"]


def test_ids_and_labels_alone_are_none(rng):
    """aptos."""
    assert groups.by_behaviour(table(id_code=hexes(ROWS, rng, 6), diagnosis=rng.integers(0, 5, ROWS)), {"id_code", "diagnosis"}, None) == []


def test_patients_come_before_machines_and_a_test_table_of_three_rows_says_nothing(rng):
    """rsna-breast-cancer-detection."""
    frame = table(
        site_id=rng.integers(1, 3, ROWS),
        patient_id=rng.integers(0, 500, ROWS) + 10_000,
        image_id=range(ROWS),
        age=rng.integers(30, 90, ROWS),
        machine_id=rng.integers(0, 10, ROWS),
        cancer=rng.integers(0, 2, ROWS),
    )
    test = table(site_id=[2, 2, 2], patient_id=[1, 1, 2], image_id=[1, 2, 3], age=[81, 81, 22], machine_id=[29, 29, 29])
    assert names(groups.by_behaviour(frame, {"image_id", "cancer"}, test)) == ["patient_id", "machine_id"]


def test_parts_of_the_body_are_no_places(rng):
    """isic-2024: the test table has three rows; the lesion and the place on the body have names like groups."""
    body = [f"{side} {part}" for side in ("Left", "Right") for part in ("Arm", "Leg", "Torso", "Leg - Lower", "Arm - Upper")]
    frame = table(
        isic_id=[f"ISIC_{n:07d}" for n in range(ROWS)],
        target=rng.integers(0, 2, ROWS),
        patient_id=[f"IP_{n:07d}" for n in rng.integers(0, 200, ROWS)],
        tbp_lv_location=rng.choice(body, ROWS),
        attribution=rng.choice([f"Hospital of {name}" for name in "ABCDEF"], ROWS),
        tbp_lv_area=rng.random(ROWS),
    )
    assert names(groups.by_behaviour(frame, {"isic_id", "target"}, frame[:3])) == ["patient_id"]


def test_a_column_that_is_mostly_empty_is_none(rng):
    frame = table(id=range(ROWS), label=rng.integers(0, 3, ROWS), subject=np.where(np.arange(ROWS) < 500, rng.integers(0, 50, ROWS).astype(str), ""))
    assert groups.by_behaviour(frame, {"id", "label"}, None) == []


# -- by the ids --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "group", "of"),
    [
        ([f"{number}_{side}" for number in range(50) for side in ("left", "right")], "10", "10_left"),
        ([f"{number}_{side}.png" for number in range(50) for side in "LR"], "10", "10_R.png"),
        ([f"{number:04d}{side}" for number in range(50) for side in "ab"], "0010", "0010b"),
        ([f"s{number}-{view}" for number in range(40) for view in range(1, 5)], "s7", "s7-3"),
        ([f"{video}_f{frame:04d}" for video in "abcdefgh" for frame in range(60)], "c", "c_f0013"),
        ([f"{eye}_{side}_{visit}" for eye in range(30) for side in ("left", "right") for visit in (1, 2)], "7", "7_left_2"),
        ([f"{number}_left" for number in range(40)] + [f"{number}_right" for number in range(25)], "30", "30_left"),
    ],
)
def test_ids_that_come_in_sets(ids, group, of):
    found, evidence = groups.by_prefix(ids)
    assert found[ids.index(of)] == group
    assert len(found) == len(ids)
    assert evidence.startswith("assumed: ")


@pytest.mark.parametrize(
    "ids",
    [
        [f"img_{number}" for number in range(1, 9999)],
        [f"Train_{number}.jpg" for number in range(1821)],
        [f"ISIC_{number:07d}" for number in range(1000)],
        [str(number) for number in range(3000)],
        [f"{label}.{number}" for label in ("cat", "dog") for number in range(1000)],
        [f"{label}_{number}" for label in "abcdefghij" for number in range(100)],
        [np.random.default_rng(number).bytes(16).hex() for number in range(500)],
        [np.random.default_rng(number).bytes(4).hex() + ".jpg" for number in range(3000)],
        [np.random.default_rng(number).bytes(2).hex() for number in range(2000)],
        [str(uuid.UUID(bytes=np.random.default_rng(number).bytes(16))) for number in range(500)],
        [f"1.2.826.0.1.3680043.8.498.{number * 7919}" for number in range(500)],
        ["only"],
        [],
    ],
    ids=lambda ids: ids[0] if ids else "none",
)
def test_ids_that_are_only_numbered_or_drawn(ids):
    assert groups.by_prefix(ids) is None


def test_a_stem_that_spells_the_label_is_no_group():
    ids = [f"{name}_{number}" for name in ("rose", "tulip", "daisy", "lily", "iris", "aster") for number in range(1, 11)]
    assert groups.by_prefix(ids) is not None  # nothing but the labels tells
    assert groups.by_prefix(ids, [name.split("_")[0] for name in ids]) is None
    eyes = [f"{number}_{side}" for number in range(50) for side in ("left", "right")]
    assert groups.by_prefix(eyes, [str(number % 5) for number in range(100)]) is not None


# -- by the file names -------------------------------------------------------------------------------------------------------------


def test_versions_of_one_picture():
    """alaska2: a cover and three pictures made of it, in four folders."""
    paths = [f"{folder}/{number:05d}.jpg" for folder in ("Cover", "JMiPOD", "JUNIWARD", "UERD") for number in range(1, 1501)]
    found, evidence = groups.same_name(paths)
    assert found[0] == found[1500] == "00001"
    assert evidence.startswith("assumed: ")


def test_names_that_are_no_numbers_are_sure(rng):
    drawn = hexes(100, rng, 4)
    _, evidence = groups.same_name([f"train/{folder}/{name}.png" for folder in ("a", "b") for name in drawn])
    assert not evidence.startswith("assumed")
    gaps = rng.choice(90_000, 300, replace=False)
    assert groups.same_name([f"train/{folder}/{name}.png" for folder in ("a", "b") for name in gaps])[1].startswith("assumed")


@pytest.mark.parametrize(
    "paths",
    [
        [f"train/{folder}/{number}.png" for folder in "abc" for number in range(100)],
        [f"train/{folder}/img_{number}.png" for folder in "abc" for number in range(2000)],
        [f"train/{folder}/{number:03d}.png" for folder in "abc" for number in range(1, 101)],
        [f"train/{folder}/{number:05d}.png" for folder, count in (("a", 2000), ("b", 1900)) for number in range(count)],
        [f"train/{folder}/{folder}{number}.png" for folder in "abc" for number in range(100)],
        [f"train/{number}.png" for number in range(100)],
        [],
    ],
    ids=["numbers", "img_", "padded", "unequal", "unique", "one folder", "none"],
)
def test_folders_that_number_their_own_pictures(paths):
    assert groups.same_name(paths) is None
