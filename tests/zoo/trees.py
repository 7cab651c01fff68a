"""Competitions whose pictures lie in folders, named by tables, by COCO files or by the folders themselves."""

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from tests.zoo.drawing import coloured, digits, save
from tests.zoo.entry import Built, Entry, expect
from tests.zoo.writing import fill, hexes, mix, numbers, write_table

ALGORITHMS = {"JMiPOD": (1.0, 0.9, 0.45), "JUNIWARD": (0.9, 1.0, 0.45), "UERD": (0.95, 0.95, 0.35)}  # what remains of red, green, blue


def alaska2(folder: Path, generator: np.random.Generator) -> Built:
    """The top-level folders are the classes, and hold the same names: four versions of each picture. Half of the test is Cover."""
    grey = digits(generator.integers(0, 10, 50 + 48), generator)
    hidden = mix((24, 24), generator)

    def scene(number: int) -> np.ndarray:
        large = cv2.resize(grey[number], (40, 40)) / 255.0
        light, dark = generator.integers(150, 250), generator.integers(30, 90)
        return np.repeat((large * light + (1 - large) * dark)[:, :, None], 3, axis=2)

    def tint(picture: np.ndarray, algorithm: str) -> np.ndarray:
        return np.rint(picture * ALGORITHMS.get(algorithm, (1, 1, 1))).astype(np.uint8)

    for number, name in enumerate(numbers(50, 1, 75_006, generator)):  # few of many: the real ones are whole but for some gaps
        picture = scene(number)
        for kind in ("Cover", *ALGORITHMS):
            save(folder / kind / f"{name:05d}.jpg", tint(picture, kind))
    for number, stego in enumerate(hidden):
        algorithm = [*ALGORITHMS][number % 3] if stego else "Cover"
        save(folder / "Test" / f"{number + 1:04d}.jpg", tint(scene(50 + number), algorithm))
    answers = pd.DataFrame({"Id": [f"{number:04d}.jpg" for number in range(1, 49)], "Label": hidden}).astype(str)
    write_table(folder / "sample_submission.csv", fill(answers, 0))
    return Built(answers, fill(answers, 0))


def herbarium(folder: Path, generator: np.random.Generator) -> Built:
    """COCO in latin-1; two folder levels spell the category; training and test ids are the same numbers; one species with three pictures."""
    root, categories = folder / "nybg2020", np.array([0, 42, 105, 1203, 32092])
    kinds = np.concatenate([mix((80, 60, 30, 20, 3), generator), mix((16, 14, 12, 10, 1), generator)])
    grey = digits(np.array([0, 1, 4, 7, 6])[kinds], generator)
    images, notes, strange = [], [], []
    for number, kind in enumerate(kinds):
        picture = coloured(grey[number], generator, 48, 36)
        shape = {"height": 48, "width": 36, "license": 1}
        if number < 193:
            category = int(categories[kind])
            name = f"images/{category // 100:03d}/{category % 100:02d}/{number}.jpg"
            save(root / "train" / name, picture)
            images.append({"id": number, "file_name": name, **shape})
            notes.append({"id": number, "image_id": number, "category_id": category, "region_id": int(generator.integers(0, 14))})
        else:
            identity = number - 193
            name = f"images/{identity // 1000:03d}/{identity}.jpg"
            save(root / "test" / name, picture)
            strange.append({"id": identity, "file_name": name, **shape})
    info = {"year": 2020, "version": "1.0", "url": "", "description": "", "contributor": "Instituto de Botánica", "date_created": "2020-02-19"}
    both = {"info": info, "licenses": [{"id": 1, "name": "CC", "url": ""}]}
    known = {
        "annotations": notes,
        "categories": [{"id": int(number), "name": f"Coëlia {number}", "family": "Orchidaceae", "genus": "Coelia"} for number in categories],
        "images": images,
        "regions": [{"id": number, "name": f"São Tomé {number}"} for number in range(14)],
    }
    (root / "train" / "metadata.json").write_text(json.dumps(known | both, ensure_ascii=False), encoding="latin-1")
    (root / "test" / "metadata.json").write_text(json.dumps({"images": strange} | both, ensure_ascii=False), encoding="latin-1")
    answers = pd.DataFrame({"Id": range(53), "Predicted": categories[kinds[193:]]}).astype(str)
    write_table(folder / "sample_submission.csv", fill(answers, 0))
    return Built(answers, fill(answers, 0))


def iwildcam(folder: Path, generator: np.random.Generator) -> Built:
    """Category ids with holes; bursts of two frames; test cameras stand elsewhere; a picture cut short; another JSON file beside."""
    categories = np.array([0, 1, 96, 372, 675])
    bursts = np.concatenate([mix((36, 22, 16, 14, 8), generator), mix((8, 8, 6, 5, 3), generator)])
    kinds = np.repeat(bursts, 2)
    grey = digits(np.array([1, 0, 4, 7, 6])[kinds], generator)
    starts = hexes(len(kinds), 8, generator)
    places = np.concatenate([np.arange(96) % 16, 100 + np.arange(30) % 6])  # the camera of a burst
    parts: dict[str, list[dict]] = {"train": [], "test": []}
    notes, boxes = [], []
    for number, kind in enumerate(kinds):
        part, identity, burst = ("train" if number < 192 else "test"), f"{starts[number]}-21bc-11ea-a13a-137349068a90", number // 2
        save(folder / part / f"{identity}.jpg", coloured(grey[number], generator, 36, 48))
        when = f"2013-{1 + burst % 12:02d}-{1 + burst % 28:02d} 10:{burst % 60:02d}:0{number % 2}.000"
        sequence = {"seq_id": f"{burst:08x}-21bc-11ea", "seq_num_frames": 2, "frame_num": number % 2}
        facts = {"id": identity, "file_name": f"{identity}.jpg", "location": int(places[burst]), "datetime": when, **sequence}
        parts[part].append({**facts, "width": 48, "height": 36})
        boxes.append({"id": identity, "max_detection_conf": 0.9, "detections": [{"category": "1", "bbox": [0.1, 0.2, 0.5, 0.5], "conf": 0.9}]})
        if part == "train":
            category = int(categories[kind])
            notes.append({"id": f"{number:08x}-note", "image_id": identity, "category_id": category, "count": int(category > 0)})
    broken = folder / "train" / parts["train"][7]["file_name"]
    broken.write_bytes(broken.read_bytes()[:120])
    known = [{"id": int(number), "name": f"species {number}", "count": 1} for number in (*categories, 2, 3, 570)]
    info = {"version": "1.0", "description": "", "year": 2020, "contributor": "", "date_created": ""}
    training = {"annotations": notes, "images": parts["train"], "categories": known, "info": info}
    (folder / "iwildcam2020_train_annotations.json").write_text(json.dumps(training))
    (folder / "iwildcam2020_test_information.json").write_text(json.dumps({"images": parts["test"], "categories": known, "info": info}))
    found = {"images": boxes, "detection_categories": {"1": "animal", "2": "person"}, "info": {"detector": "megadetector_v3"}}
    (folder / "iwildcam2020_megadetector_results.json").write_text(json.dumps(found))
    answers = pd.DataFrame({"Id": [image["id"] for image in parts["test"]], "Category": categories[kinds[192:]]}).astype(str)
    write_table(folder / "sample_submission.csv", fill(answers, 1))
    return Built(answers, fill(answers, 0))


def landmark(folder: Path, generator: np.random.Generator) -> Built:
    """Folders are the first three characters of the id; a label and a confidence in one cell; test pictures of no landmark; a class seen once."""
    landmarks = np.array([1, 27, 8429, 137790, 203092, 5])
    kinds = np.concatenate([mix((60, 50, 40, 30, 19, 1), generator), mix((16, 12, 10, 7, 5, 0, 10), generator)])  # 6: no landmark
    grey = digits(np.array([0, 1, 4, 7, 6, 3, 9])[kinds], generator)
    names = hexes(260, 16, generator)
    for number, name in enumerate(names):
        place = folder / ("train" if number < 200 else "test") / name[0] / name[1] / name[2] / f"{name}.jpg"
        save(place, coloured(grey[number], generator, 40, 48))
    table = pd.DataFrame({"id": names[:200], "landmark_id": landmarks[kinds[:200]]})
    write_table(folder / "train.csv", table.sort_values("landmark_id"))
    answers = pd.DataFrame({"id": names[200:], "landmarks": [str(landmarks[kind]) if kind < 6 else "" for kind in kinds[200:]]})
    answers = answers.astype(str).sort_values("id", ignore_index=True)
    write_table(folder / "sample_submission.csv", fill(answers, "137790 0.1"))
    return Built(answers, fill(answers, "1 0.3"))


def intel(folder: Path, generator: np.random.Generator) -> Built:
    """Folders twice over; a labelled seg_test beside seg_train; the same numbers in training and prediction; files that hold no picture.

    The data set itself has no sample submission: this one is as those of other competitions that want class names.
    """
    classes = ["buildings", "forest", "glacier", "mountain", "sea", "street"]
    kinds = np.concatenate([mix((30,) * 6, generator), mix((6,) * 6, generator), mix((9,) * 6, generator)])
    grey = digits(np.array([0, 1, 4, 6, 7, 3])[kinds], generator)
    for number, kind in enumerate(kinds):
        picture = coloured(grey[number], generator, 40, 40)
        if number < 216:
            save(folder / (root := "seg_train" if number < 180 else "seg_test") / root / classes[kind] / f"{number + 1}.jpg", picture)
        else:
            save(folder / "seg_pred" / "seg_pred" / f"{number - 215}.jpg", picture)
    (folder / "seg_train" / "seg_train" / "forest" / "9001.jpg").write_bytes(b"")
    (folder / "seg_train" / "seg_train" / "sea" / "9002.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF\0\1")
    answers = pd.DataFrame({"image": [f"{number}.jpg" for number in range(1, 55)], "label": [classes[kind] for kind in kinds[216:]]})
    (folder / "seg_pred" / "seg_pred" / "54.jpg").write_bytes(b"")
    write_table(folder / "sample_submission.csv", fill(answers, "buildings"))
    return Built(answers, fill(answers, "buildings"))


def brain_activity(folder: Path, generator: np.random.Generator) -> Built:
    """As hms, with pictures in the place of its parquet files: counts of votes in the training table, shares in the submission."""
    names = ["seizure", "lpd", "gpd", "lrda", "grda", "other"]
    columns = [f"{name}_vote" for name in names]
    kinds = np.concatenate([mix((40, 30, 35, 25, 35, 45), generator), mix((10, 8, 8, 6, 8, 12), generator)])
    grey = digits(np.array([0, 1, 4, 6, 7, 3])[kinds], generator)
    identities = generator.integers(568657, 4294958358, len(kinds))
    chance = np.full((len(kinds), 6), 0.04)
    chance[np.arange(len(kinds)), kinds] = 0.8
    votes = np.array([generator.multinomial(generator.integers(3, 21), row) for row in chance])
    for number, identity in enumerate(identities):
        save(folder / ("train_eegs" if number < 210 else "test_eegs") / f"{identity}.png", coloured(grey[number], generator, 36, 48))
    facts = {"eeg_id": identities, "eeg_sub_id": 0, "eeg_label_offset_seconds": 0.0, "spectrogram_id": generator.integers(1, 2**31, len(kinds))}
    facts |= {
        "label_id": generator.integers(1, 2**32, len(kinds)),
        "patient_id": np.where(np.arange(len(kinds)) < 210, 30000, 40000) + np.arange(len(kinds)) // 4,
    }
    table = pd.DataFrame(facts | {"expert_consensus": np.array([name.capitalize() for name in names])[votes.argmax(axis=1)]})
    table[columns] = votes
    write_table(folder / "train.csv", table[:210])
    write_table(folder / "test.csv", table.loc[210:, ["spectrogram_id", "eeg_id", "patient_id"]])
    shares = votes / votes.sum(axis=1, keepdims=True)
    answers = pd.DataFrame(shares[210:], columns=columns)
    answers.insert(0, "eeg_id", identities[210:])
    answers = answers.astype(str)
    write_table(folder / "sample_submission.csv", fill(answers, 0.166666667))
    return Built(answers, fill(answers, *shares[:210].mean(axis=0).tolist()))


ENTRIES = [
    Entry(
        "alaska2-image-steganalysis",
        alaska2,
        "weighted_auc",
        "Submissions are evaluated on the weighted AUC. tpr_thresholds = [0.0, 0.4, 1.0], weights = [2, 1].",
        {"data-description": "Test/ contains 5k test set images. sample_submission.csv contains an example submission in the correct format."},
        # No file says which folders are 1: the user has to write what each of them means in the submission.
        answers={"renames": ["Cover = 0", "JMiPOD = 1", "JUNIWARD = 1", "UERD = 1"]},
        expects=expect("binary", "positive", "folders", "weighted_auc", "name", "(file name)"),
    ),
    Entry(
        "herbarium-2020-fgvc7",
        herbarium,
        "macro_f1",
        "Submissions are evaluated using the macro F1 score: a separate F1 score is calculated for each species value and then averaged.",
        expects=expect("multiclass", "label", "coco", "macro_f1", "JSON", "region_id"),
    ),
    Entry(
        "iwildcam-2020-fgvc7",
        iwildcam,
        "accuracy",
        "Submissions will be evaluated based on their categorization accuracy",
        {"submission": "A csv file: Id,Predicted. The Category is an integer value that indicates the class of the animal, or 0 for its absence."},
        expects=expect("multiclass", "label", "coco", "accuracy", "JSON", "location"),
    ),
    Entry(
        "landmark-recognition-2020",
        landmark,
        "gap",
        "Submissions are evaluated using Global Average Precision (GAP) at k, where k=1. You predict a landmark label and a confidence score.",
        code_competition=True,
        expects=expect("multiclass", "confidence", "table", "average_precision", "stem"),
    ),
    Entry(
        "intel-image-classification",
        intel,
        "accuracy",
        "Submissions are evaluated on the categorization accuracy.",
        expects=expect("multiclass", "label", "folders", "accuracy", "name"),
    ),
    Entry(
        "hms-harmful-brain-activity-classification",
        brain_activity,
        "kl_divergence",
        "Submissions are evaluated on the Kullback Liebler divergence between the predicted probability and the observed target.",
        {"submission": "Your total predicted probabilities for each row must sum to one or your submission will fail."},
        code_competition=True,
        expects=expect("soft", "columns", "columns", "kl_divergence", "stem", "patient_id"),
    ),
]
