"""Competitions whose pictures are no picture files: DICOM, NumPy arrays, TFRecords."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from tests.zoo.drawing import coloured, digits, save
from tests.zoo.entry import Built, Entry, expect
from tests.zoo.writing import fill, hexes, mix, write_dicom, write_table, write_tfrecord

LEVELS = ["C1", "C2", "C3", "C4", "C5", "C6", "C7"]
BLEEDS = ["epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural"]


def _tiles(found: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """0/1 [K], K at most 9 → float [42,42], 0 to 1: a digit in the k-th of 3 x 3 places where `found[k]`, on noise."""
    picture = generator.normal(0.15, 0.04, (42, 42))
    grey = digits(np.arange(1, len(found) + 1), generator)
    for place in np.flatnonzero(found):
        top, left = 14 * (place // 3), 14 * (place % 3)
        picture[top : top + 14, left : left + 14] += 0.8 * cv2.resize(grey[place], (14, 14), interpolation=cv2.INTER_AREA) / 255
    return picture.clip(0, 1)


def _scan(path: Path, picture: np.ndarray, **attributes: object) -> None:
    """float [H,W], 0 to 1, as computed tomography stores it: int16 of which the intercept makes Hounsfield units."""
    write_dicom(path, np.rint(picture * 1800 + 200).astype(np.int16), RescaleIntercept=-1024, RescaleSlope=1, **attributes)


def cervical_spine(folder: Path, generator: np.random.Generator) -> Built:
    """Eight rows for each study of several slices; ids with dots; the order of the sample's targets is not that of the table."""
    fractured = (generator.random((100, 7)) < 0.2).astype(int)
    table = pd.DataFrame(fractured, columns=LEVELS)
    table.insert(0, "patient_overall", fractured.max(axis=1))
    numbers = generator.choice(np.arange(1, 33000), 100, replace=False)
    studies = [f"1.2.826.0.1.3680043.{number}" for number in numbers]
    table.insert(0, "StudyInstanceUID", studies)
    for number, study in enumerate(studies):
        root = folder / ("train_images" if number < 70 else "test_images") / study
        for piece in (9, 10, 11):
            _scan(root / f"{piece}.dcm", _tiles(fractured[number], generator), StudyInstanceUID=study, InstanceNumber=piece)
    (folder / "segmentations").mkdir()
    for study in studies[:3]:
        (folder / "segmentations" / f"{study}.nii").write_bytes(b"\x5c\1\0\0" + bytes(348))
    boxes = {"x": 10.5, "y": 12.0, "width": 9.0, "height": 8.0, "slice_number": [9, 10, 11] * 5}
    write_table(folder / "train_bounding_boxes.csv", pd.DataFrame({"StudyInstanceUID": np.repeat(studies[:5], 3), **boxes}))
    write_table(folder / "train.csv", table[:70])
    kinds = [*LEVELS, "patient_overall"]
    rows = [(f"{study}_{kind}", study, kind) for study in studies[70:] for kind in kinds]
    write_table(folder / "test.csv", pd.DataFrame(rows, columns=["row_id", "StudyInstanceUID", "prediction_type"]))
    answers = pd.DataFrame({"row_id": [row[0] for row in rows], "fractured": table[70:][kinds].to_numpy().ravel()}).astype(str)
    write_table(folder / "sample_submission.csv", fill(answers, 0.5))
    share = table[:70][kinds].mean()
    best = 2 * share / (1 + share)  # positives count twice
    return Built(answers, answers.assign(fractured=np.tile(best.to_numpy(), 30).astype(str)))


def hemorrhage(folder: Path, generator: np.random.Generator) -> Built:
    """Six rows for each picture in the training table, some of them twice; the patient stands in the header only; one file is cut short."""
    found = (generator.random((230, 5)) < (0.08, 0.25, 0.2, 0.25, 0.3)).astype(int)
    names = [f"ID_{token}" for token in hexes(230, 9, generator)]
    names[11] = "ID_6431af929"  # the real one's broken file
    for number, name in enumerate(names):
        path = folder / ("stage_2_train" if number < 180 else "stage_2_test") / f"{name}.dcm"
        _scan(path, _tiles(found[number], generator), PatientID=f"ID_{number // 4:08x}", WindowCenter=40, WindowWidth=80)
    broken = folder / "stage_2_train" / "ID_6431af929.dcm"
    broken.write_bytes(broken.read_bytes()[:-3000])
    kinds = [*BLEEDS, "any"]
    labels = np.column_stack([found, found.max(axis=1)])
    rows = pd.DataFrame({"ID": [f"{name}_{kind}" for name in names for kind in kinds], "Label": labels.ravel()}).astype(str)
    training, answers = rows[:1080], rows[1080:].reset_index(drop=True)
    write_table(folder / "stage_2_train.csv", pd.concat([training, training[60:72]]))
    write_table(folder / "stage_2_sample_submission.csv", fill(answers, 0.5))
    return Built(answers, answers.assign(Label=np.tile(labels[:180].mean(axis=0), 50).astype(str)))


def breast_cancer(folder: Path, generator: np.random.Generator) -> Built:
    """Two pictures for each row of the submission; columns that only the training table has tell the answer; some files are negatives."""
    cancer = np.concatenate([mix((68, 24), generator), mix((33, 11), generator)])  # of a breast; two of a patient
    grey = digits(np.array([0, 1])[np.repeat(cancer, 2)], generator)
    patients = generator.permutation(np.arange(10008, 65000))[:68]
    images = generator.choice(2**31, 272, replace=False)
    rows = []
    for number, image in enumerate(images):
        breast = number // 2
        patient, site = patients[breast // 2], 1 + int(breast // 2 % 2)
        large = cv2.resize(grey[number], (36, 48)) / 255.0
        deep = np.rint(4095 * (0.1 + 0.8 * large if site == 1 else 0.9 - 0.8 * large)).astype(np.uint16)
        place = folder / ("train_images" if breast < 92 else "test_images") / str(patient) / f"{image}.dcm"
        write_dicom(place, deep, "MONOCHROME2" if site == 1 else "MONOCHROME1", PatientID=str(patient), BitsStored=12, HighBit=11)
        told = {"cancer": cancer[breast], "biopsy": cancer[breast], "invasive": cancer[breast] * (number % 3 > 0)}
        told |= {"BIRADS": "0.0" if cancer[breast] else ("1.0", "")[number % 2], "density": ("", "A", "B", "C")[number % 4]}
        told |= {"difficult_negative_case": bool(not cancer[breast] and number % 7 == 0)}
        where = {"site_id": site, "patient_id": patient, "image_id": image, "laterality": "LR"[breast % 2], "view": ("CC", "MLO")[number % 2]}
        rows.append({**where, "age": 40.0 + patient % 40, "implant": 0, "machine_id": 29 + site * 10, **told})
    table = pd.DataFrame(rows)
    order = "site_id patient_id image_id laterality view age cancer biopsy invasive BIRADS implant density machine_id difficult_negative_case"
    write_table(folder / "train.csv", table.loc[:183, order.split()])
    table["prediction_id"] = table["patient_id"].astype(str) + "_" + table["laterality"]
    test = table[184:]
    write_table(folder / "test.csv", test["site_id patient_id image_id laterality view age implant machine_id prediction_id".split()])
    answers = test[["prediction_id", "cancer"]].drop_duplicates(ignore_index=True).astype(str)
    write_table(folder / "sample_submission.csv", fill(answers, 0.021168))
    return Built(answers, fill(answers, 1))  # of all constants 1 scores best


def brain_tumor(folder: Path, generator: np.random.Generator) -> Built:
    """Patients are folders with four sequences of slices; leading zeros; the first slice of each is blank, and all of one sequence."""
    kinds = np.concatenate([mix((12, 12), generator), mix((19, 21), generator)])
    numbers = np.sort(generator.choice(np.arange(1000), 64, replace=False))
    numbers[numbers.searchsorted(109) % 64] = 109
    patients = [f"{number:05d}" for number in generator.permutation(numbers)]
    first = patients.index("00109")  # a training case that the real one's page calls bad
    patients[0], patients[first] = patients[first], patients[0]
    grey = digits(np.repeat(kinds, 4), generator)
    for number, patient in enumerate(patients):
        for sequence, (name, light) in enumerate((("FLAIR", 900), ("T1w", 400), ("T1wCE", 600), ("T2w", 1500))):
            large = cv2.resize(grey[4 * number + sequence], (36, 36)) / 255.0
            for piece, share in ((9, 0.0), (10, 0.8), (11, 1.0)):
                deep = np.rint(large * light * share * (patient != "00109" or name != "FLAIR")).astype(np.uint16)
                path = folder / ("train" if number < 24 else "test") / patient / name / f"Image-{piece}.dcm"
                write_dicom(path, deep, PatientID=patient, SeriesDescription=name, InstanceNumber=piece)
    table = pd.DataFrame({"BraTS21ID": patients, "MGMT_value": kinds}).astype(str)
    write_table(folder / "train_labels.csv", table[:24].sort_values("BraTS21ID"))
    answers = table[24:].sort_values("BraTS21ID", ignore_index=True)
    write_table(folder / "sample_submission.csv", fill(answers, 0.5))
    return Built(answers, fill(answers, 0.5))


def seti(folder: Path, generator: np.random.Generator) -> Built:
    """Six panels of float16 with negative values; folders are the first character of the id; older files with labels of their own."""
    kinds = np.concatenate([mix((130, 50), generator), mix((40, 20), generator), mix((12, 8), generator)])
    grey = digits(np.ones(len(kinds), int), generator)
    names = hexes(len(kinds), 12, generator)
    for number, name in enumerate(names):
        panels = generator.normal(0, 1, (6, 40, 36))
        if kinds[number]:
            panels[::2] += 3 * cv2.resize(grey[number], (36, 40)) / 255.0  # the needle shows when the telescope points at the target
        root = "train" if number < 180 else "test" if number < 240 else "old_leaky_data/train_old"
        path = folder / root / name[0] / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, panels.astype(np.float16))
    table = pd.DataFrame({"id": names, "target": kinds}).astype(str)
    write_table(folder / "train_labels.csv", table[:180])
    write_table(folder / "old_leaky_data" / "train_labels_old.csv", table[240:])
    answers = table[180:240].sort_values("id", ignore_index=True)
    write_table(folder / "sample_submission.csv", fill(answers, 0.5))
    return Built(answers, fill(answers, 0.5))


def _encode(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def flowers(folder: Path, generator: np.random.Generator) -> Built:
    """TFRecords only, of every picture in two sizes; a part for validation; class numbers with holes; the sample has another order."""
    classes = (0, 4, 13, 49, 102)
    kinds = np.concatenate([mix((60, 40, 35, 25, 20), generator), mix((6,) * 5, generator), mix((20, 14, 12, 10, 8), generator)])
    grey = digits(np.array([0, 1, 4, 6, 7])[kinds], generator)
    names = hexes(len(kinds), 9, generator)
    large = [coloured(picture, generator, 224, 224) for picture in grey]
    parts = {"train": [range(0, 90), range(90, 180)], "val": [range(180, 210)], "test": [range(210, 274)]}
    for side in (192, 224):
        for part, files in parts.items():
            for file, numbers in enumerate(files):
                records = []
                for number in numbers:
                    image = _encode(large[number] if side == 224 else cv2.resize(large[number], (side, side), interpolation=cv2.INTER_AREA))
                    label = {} if part == "test" else {"class": classes[kinds[number]]}
                    records.append({"id": names[number], "image": image, **label})
                write_tfrecord(folder / f"tfrecords-jpeg-{side}x{side}" / part / f"{file:02d}-{side}x{side}-{len(records)}.tfrec", records)
    answers = pd.DataFrame({"id": names[210:], "label": np.array(classes)[kinds[210:]]}).astype(str)
    answers = answers.sort_values("id", ignore_index=True)
    write_table(folder / "sample_submission.csv", fill(answers, 0))
    return Built(answers, fill(answers, 0))


def melanoma(folder: Path, generator: np.random.Generator) -> Built:
    """Every picture as JPEG, DICOM and TFRecord; a patient has several; two columns of the training table tell the answer."""
    kinds = np.concatenate([mix((130, 30), generator), mix((48, 12), generator)])
    grey = digits(kinds, generator)
    names = [f"ISIC_{number:07d}" for number in np.sort(generator.choice(10**7, 220, replace=False))]
    names = [names[number] for number in generator.permutation(220)]
    patients = np.array([f"IP_{number:07d}" for number in range(10, 70)])[np.concatenate([np.arange(160) % 44, 44 + np.arange(60) % 16])]
    facts = {"image_name": names, "patient_id": patients, "sex": generator.choice(["male", "female", ""], 220, p=[0.5, 0.45, 0.05])}
    facts |= {"age_approx": generator.integers(4, 17, 220) * 5.0, "anatom_site_general_challenge": generator.choice(["torso", "head/neck", ""], 220)}
    facts |= {"diagnosis": np.array(["unknown", "melanoma"])[kinds], "benign_malignant": np.array(["benign", "malignant"])[kinds], "target": kinds}
    table = pd.DataFrame(facts)
    records: dict[str, list[bytes]] = {"train": [], "test": []}
    for number, name in enumerate(names):
        part, picture = "train" if number < 160 else "test", coloured(grey[number], generator, 36, 48)
        save(folder / "jpeg" / part / f"{name}.jpg", picture)
        write_dicom(folder / part / f"{name}.dcm", picture, PatientID=patients[number])
        told = {"target": int(kinds[number])} if part == "train" else {}
        records[part].append({"image": _encode(picture), "image_name": name, "patient_id": number % 60, **told})
    write_tfrecord(folder / "tfrecords" / "train00-160.tfrec", records["train"])
    write_tfrecord(folder / "tfrecords" / "test00-60.tfrec", records["test"])
    write_table(folder / "train.csv", table[:160])
    write_table(folder / "test.csv", table.loc[160:, [*facts][:5]])
    answers = table.loc[160:, ["image_name", "target"]].reset_index(drop=True).astype(str)
    write_table(folder / "sample_submission.csv", fill(answers, 0))
    return Built(answers, fill(answers, 0))


ROC = "Submissions are evaluated on the area under the ROC curve between the predicted probability and the observed target."

ENTRIES = [
    Entry(
        "rsna-2022-cervical-spine-fracture-detection",
        cervical_spine,
        "fracture_log_loss",
        "Submissions are evaluated using a weighted multi-label logarithmic loss. Each fracture sub-type is its own row for every exam.",
        {"submission": "There will be 8 rows per image Id. The label indicated by a particular row will look like [image Id]_[Sub-type Name]."},
        code_competition=True,
        expects=expect("multilabel", "rows", "columns", "log_loss", "folder"),
    ),
    Entry(
        "rsna-intracranial-hemorrhage-detection",
        hemorrhage,
        "long_log_loss",
        "Submissions are evaluated using a weighted multi-label logarithmic loss. Each hemorrhage sub-type is its own row for every image. "
        "There is also an any label. The any label is weighted more highly than specific hemorrhage sub-types.",
        expects=expect("multilabel", "rows", "long", "log_loss", "stem"),
    ),
    Entry(
        "rsna-breast-cancer-detection",
        breast_cancer,
        "probabilistic_f1",
        "Submissions are evaluated using the probabilistic F1 score (pF1). This extension of the traditional F score accepts probabilities.",
        {"submission": "For each prediction_id, you should predict the likelihood of cancer in the corresponding cancer column."},
        code_competition=True,
        expects=expect("binary", "positive", "table", "probabilistic_f1", "table", "patient_id"),
    ),
    Entry(
        "rsna-miccai-brain-tumor-radiogenomic-classification",
        brain_tumor,
        "roc_auc",
        ROC,
        {"data-description": "There are some unexpected issues with the following three cases in the training dataset: [00109, 00123, 00709]."},
        code_competition=True,
        expects=expect("binary", "positive", "table", "roc_auc", "folder"),
    ),
    Entry("seti-breakthrough-listen", seti, "roc_auc", ROC, expects=expect("binary", "positive", "table", "roc_auc", "stem")),
    Entry(
        "flower-classification-with-tpus",
        flowers,
        "macro_f1",
        'Submissions are evaluated on macro F1 score. In "macro" F1 a separate F1 score is calculated for each label and then averaged.',
        expects=expect("multiclass", "label", "tfrecord", "macro_f1", "record"),
    ),
    Entry(
        "siim-isic-melanoma-classification",
        melanoma,
        "roc_auc",
        ROC,
        {"submission": "For each image_name in the test set, you must predict the probability (target) that the sample is malignant."},
        expects=expect("binary", "positive", "table", "roc_auc", "stem", "patient_id"),
    ),
]
