"""Competitions whose pictures lie in archives within the downloaded one."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from tests.zoo.drawing import coloured, digits, save
from tests.zoo.entry import Built, Entry, expect
from tests.zoo.writing import fill, hexes, mix, pack_file, pack_folder, split, write_table


def dogs_vs_cats(folder: Path, generator: np.random.Generator) -> Built:
    """The label is in the file name and nowhere else; ids are numbers, as the training pictures' are."""
    kinds = np.concatenate([mix((90, 90), generator), mix((30, 30), generator)])
    grey = digits(np.array([1, 0])[kinds], generator)
    seen = [0, 0]
    for number, kind in enumerate(kinds[:180]):
        save(folder / "train" / f"{('cat', 'dog')[kind]}.{seen[kind]}.jpg", coloured(grey[number], generator, *generator.integers(32, 49, 2)))
        seen[kind] += 1
    for number in range(60):
        save(folder / "test" / f"{number + 1}.jpg", coloured(grey[180 + number], generator, *generator.integers(32, 49, 2)))
    pack_folder(folder / "train", "zip")
    pack_folder(folder / "test", "zip")
    answers = pd.DataFrame({"id": range(1, 61), "label": kinds[180:]}).astype(str)
    write_table(folder / "sample_submission.csv", fill(answers, 0.5))
    return Built(answers, fill(answers, 0.5))


def cactus(folder: Path, generator: np.random.Generator) -> Built:
    """Ids with extension; pictures of 32 px; three of four show a cactus."""
    kinds = np.concatenate([mix((45, 135), generator), mix((15, 45), generator)])
    grey = digits(np.array([0, 1])[kinds], generator)
    names = [f"{token}.jpg" for token in hexes(240, 32, generator)]
    for number, name in enumerate(names):
        save(folder / ("train" if number < 180 else "test") / name, coloured(grey[number], generator, 32, 32))
    pack_folder(folder / "train", "zip")
    pack_folder(folder / "test", "zip")
    table = pd.DataFrame({"id": names, "has_cactus": kinds}).astype(str)
    answers = table[180:].reset_index(drop=True)
    write_table(folder / "train.csv", table[:180])
    write_table(folder / "sample_submission.csv", fill(answers, 0.5))
    return Built(answers, fill(answers, 0.75))


def right_whales(folder: Path, generator: np.random.Generator) -> Built:
    """Pictures for training and test in one folder, and some of them again in another one; one whale was seen once."""
    whales = ["whale_00195", "whale_03103", "whale_28216", "whale_48813", "whale_78785", "whale_95370"]
    drawn = np.array([0, 1, 4, 6, 7, 3])
    kinds = np.concatenate([mix((60, 45, 40, 30, 24, 1), generator), mix((18, 14, 12, 9, 7, 0), generator)])
    grey = digits(drawn[kinds], generator)
    names = [f"w_{number}.jpg" for number in generator.choice(9999, len(kinds), replace=False)]
    for number, name in enumerate(names):
        picture = coloured(grey[number], generator, 36, 48)
        save(folder / "imgs" / name, picture)
        if number % 20 == 0:
            save(folder / "imgs_subset" / name, picture)
    pack_folder(folder / "imgs", "zip")
    pack_folder(folder / "imgs_subset", "zip")
    write_table(folder / "train.csv", pd.DataFrame({"Image": names[:200], "whaleID": [whales[kind] for kind in kinds[:200]]}))
    answers = pd.DataFrame(np.eye(6, dtype=int)[kinds[200:]], columns=whales).astype(str)
    answers.insert(0, "Image", names[200:])
    write_table(folder / "sample_submission.csv", fill(answers, 1 / 6))
    for name in ("train.csv", "sample_submission.csv"):
        pack_file(folder / name)
    return Built(answers, fill(answers, *(np.bincount(kinds[:200], minlength=6) / 200).tolist()))


def inaturalist(folder: Path, generator: np.random.Generator) -> Built:
    """tar.gz; three COCO files, of which the second one is more training data; ids are those of test2019.json, not the file names."""
    from json import dumps

    classes, kingdoms = (71, 108, 339, 341, 560, 729), ("Fungi", "Plants", "Plants", "Birds", "Birds", "Insects")
    kinds = np.concatenate([mix((30,) * 6, generator), mix((3,) * 6, generator), mix((10,) * 6, generator)])
    grey = digits(np.array([0, 1, 4, 6, 7, 3])[kinds], generator)
    names = hexes(len(kinds), 32, generator)
    parts: dict[str, list[dict]] = {"train": [], "val": [], "test": []}
    notes: dict[str, list[dict]] = {"train": [], "val": []}
    for number, kind in enumerate(kinds):
        part = "train" if number < 180 else "val" if number < 198 else "test"
        path = f"test2019/{names[number]}.jpg"
        if part != "test":
            path = f"train_val2019/{kingdoms[kind]}/{classes[kind]}/{names[number]}.jpg"
            notes[part].append({"id": number, "image_id": number, "category_id": classes[kind]})
        save(folder / path, coloured(grey[number], generator, 40, 48))
        identity = number if part != "test" else 268243 + number - 198
        shape = {"width": 48, "height": 40, "license": 0, "rights_holder": "unknown"}
        parts[part].append({"id": identity, "file_name": path, **shape})
    for name in ("train_val2019", "test2019"):
        pack_folder(folder / name, "tar.gz")
    steps = ("kingdom", "phylum", "class", "order", "family", "genus")
    known = [{"id": number, "name": str(number), **dict.fromkeys(steps, "x"), "kingdom": top} for number, top in zip(classes, kingdoms, strict=True)]
    info = {"year": 2019, "version": "1", "description": "", "contributor": "", "url": "", "date_created": ""}
    for part, images in parts.items():
        content = {"info": info, "images": images, "licenses": [{"id": 0, "name": "", "url": ""}]}
        if part != "test":
            content |= {"categories": known, "annotations": notes[part]}
        (folder / f"{part}2019.json").write_text(dumps(content))
    answers = pd.DataFrame({"id": range(268243, 268243 + 60), "predicted": np.array(classes)[kinds[198:]]}).astype(str)
    lists = [" ".join(map(str, generator.permutation(classes)[:5])) for _ in range(60)]
    write_table(folder / "kaggle_sample_submission.csv", answers.assign(predicted=lists))
    return Built(answers, fill(answers, classes[0]))


def street_view(folder: Path, generator: np.random.Generator) -> Built:
    """`A` and `a` are two classes, beside digits as text; .Bmp; every picture again at 20 px; ids go on from training to test."""
    classes = np.array(["0", "1", "A", "a", "n"])
    kinds = np.concatenate([mix((40, 40, 44, 36, 40), generator), mix((12,) * 5, generator)])
    grey = digits(np.array([0, 1, 4, 6, 7])[kinds], generator)
    for number in range(260):
        part = "train" if number < 200 else "test"
        picture = coloured(grey[number], generator, *generator.integers(28, 49, 2))
        save(folder / part / f"{number + 1}.Bmp", picture)
        save(folder / f"{part}Resized" / f"{number + 1}.Bmp", cv2.resize(picture, (20, 20), interpolation=cv2.INTER_AREA))
    for name in ("train", "test", "trainResized", "testResized"):
        pack_folder(folder / name, "zip")
    table = pd.DataFrame({"ID": range(1, 261), "Class": classes[kinds]}).astype(str)
    answers = table[200:].reset_index(drop=True)
    write_table(folder / "trainLabels.csv", table[:200])
    write_table(folder / "sampleSubmission.csv", fill(answers, "A"))
    return Built(answers, fill(answers, "A"))


def diabetic_retinopathy(folder: Path, generator: np.random.Generator) -> Built:
    """Archives in parts; the two eyes of a patient, mostly of one level; a sample of the training pictures in an archive of its own."""
    level = np.concatenate([mix((50, 10, 18, 7, 5), generator), mix((18, 4, 6, 2, 2), generator)])  # of a patient
    patients = np.concatenate([generator.permutation(np.arange(10, 300))[:90], generator.permutation(np.arange(300, 500))[:32]])
    kinds = np.repeat(level, 2)
    kinds[1::2] = np.where(generator.random(122) < 0.15, np.minimum(level + 1, 4), level)
    names = [f"{patient}_{side}" for patient in patients for side in ("left", "right")]
    grey = digits(np.array([1, 7, 3, 6, 0])[kinds], generator)
    for number, name in enumerate(names):
        picture = coloured(grey[number], generator, 40, 48)
        save(folder / ("train" if number < 180 else "test") / f"{name}.jpeg", picture)
        if number < 10:
            save(folder / "sample" / f"{name}.jpeg", picture)
    split(pack_folder(folder / "train", "zip"), 5)
    split(pack_folder(folder / "test", "zip"), 2)
    pack_folder(folder / "sample", "zip")
    table = pd.DataFrame({"image": names, "level": kinds}).astype(str)
    answers = table[180:].reset_index(drop=True)
    write_table(folder / "trainLabels.csv", table[:180])
    write_table(folder / "sampleSubmission.csv", fill(answers, 0))
    for name in ("trainLabels.csv", "sampleSubmission.csv"):
        pack_file(folder / name)
    return Built(answers, fill(answers, 0))


def fisheries(folder: Path, generator: np.random.Generator) -> Built:
    """Two stages: the second sample holds the first one's rows and ids with a path in front; its values do not sum to 1."""
    classes = ["ALB", "BET", "DOL", "LAG", "NoF", "OTHER", "SHARK", "YFT"]
    kinds = np.concatenate([mix((70, 20, 16, 12, 30, 22, 16, 44), generator), mix((8, 2, 2, 1, 3, 2, 2, 5), generator)])
    kinds = np.concatenate([kinds, mix((12, 4, 3, 2, 5, 4, 2, 8), generator)])  # 230 for training, 25 of stage 1, 40 of stage 2
    grey = digits(np.array([1, 0, 6, 7, 4, 3, 2, 9])[kinds], generator)
    numbers = generator.permutation(np.arange(1, 8000))[: len(kinds)]
    names = [f"img_{number:05d}.jpg" for number in numbers[:255]] + [f"test_stg2/image_{number:05d}.jpg" for number in range(1, 41)]
    for number, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        place = f"train/{classes[kind]}/{name}" if number < 230 else f"test_stg1/{name}" if number < 255 else name
        save(folder / place, coloured(grey[number], generator, 36, 48))
    (folder / "train" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    pack_folder(folder / "train", "zip")
    pack_folder(folder / "test_stg1", "zip")
    pack_folder(folder / "test_stg2", "7z")
    answers = pd.DataFrame(np.eye(8, dtype=int)[kinds[230:]], columns=classes).astype(str)
    answers.insert(0, "image", names[230:])
    sample = fill(answers, 0.455003, 0.052938, 0.030977, 0.017738, 0.123081, 0.079142, 0.046585, 0.194283)
    write_table(folder / "sample_submission_stg1.csv", sample[:25])
    write_table(folder / "sample_submission_stg2.csv", sample)
    for stage in (1, 2):
        pack_file(folder / f"sample_submission_stg{stage}.csv")
    return Built(answers, fill(answers, *(np.bincount(kinds[:230]) / 230).tolist()))


ROC = "Submissions are evaluated on area under the ROC curve between the predicted probability and the observed target."

ENTRIES = [
    Entry(
        "dogs-vs-cats-redux-kernels-edition",
        dogs_vs_cats,
        "log_loss",
        "Submissions are scored on the log loss: ŷ is the predicted probability of the image being a dog, y is 1 if the image is a dog, 0 if cat.",
        {"data-description": "For each image in the test set, you should predict a probability that the image is a dog (1 = dog, 0 = cat)."},
        expects=expect("binary", "positive", "filename", "log_loss", "stem"),
    ),
    Entry(
        "aerial-cactus-identification",
        cactus,
        "roc_auc",
        ROC,
        code_competition=True,
        expects=expect("binary", "positive", "table", "roc_auc", "name"),
    ),
    Entry(
        "noaa-right-whale-recognition",
        right_whales,
        "multiclass_log_loss",
        "Submissions are evaluated using the multi-class logarithmic loss. Each image has been labeled with one true class (whale).",
        expects=expect("multiclass", "columns", "table", "log_loss", "name"),
    ),
    Entry(
        "inaturalist-2019-fgvc6",
        inaturalist,
        "top_1_error",
        "We use top-1 classification error as the metric for this competition. For each image, an algorithm will produce 1 label.",
        {"submission": "The first category id will be used to compute the metric. However, we encourage you to predict more categories."},
        expects=expect("multiclass", "ranking", "coco", "top_1_error", "JSON"),
    ),
    Entry(
        "street-view-getting-started-with-julia",
        street_view,
        "accuracy",
        "Your model will be scored by its classification accuracy.",
        expects=expect("multiclass", "label", "table", "accuracy", "stem"),
    ),
    Entry(
        "diabetic-retinopathy-detection",
        diabetic_retinopathy,
        "kappa",
        "Submissions are scored based on the quadratic weighted kappa, which measures the agreement between two ratings.",
        expects=expect("ordinal", "label", "table", "kappa", "stem", "(id prefix)"),
    ),
    Entry(
        "the-nature-conservancy-fisheries-monitoring",
        fisheries,
        "multiclass_log_loss",
        "Submissions are evaluated using the multi-class logarithmic loss. Each image has been labeled with one true class.",
        expects=expect("multiclass", "columns", "folders", "log_loss", "name"),
    ),
]
