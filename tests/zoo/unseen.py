"""Competitions that nobody looked at while the inference was written: pictures in class folders, named by their labels, or rows of tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tests.zoo import drawing
from tests.zoo.drawing import pictures
from tests.zoo.entry import Built, Entry
from tests.zoo.writing import Generator, mixed, numbers, onehot, pack, pack_file, ranked, shares, submission, write_table

TRAIN, TEST = 180, 48


def two_parts(classes: Sequence[str], generator: Generator, weights: Sequence[float] | None = None) -> tuple[list[str], list[np.ndarray]]:
    """The labels of TRAIN + TEST rows, and their pictures."""
    kinds = np.concatenate([mixed(range(len(classes)), count, generator, weights) for count in (TRAIN, TEST)])
    return [classes[kind] for kind in kinds], pictures(kinds, generator)


def most_frequent(labels: Sequence[str]) -> list[str]:
    return ranked(labels)[:1]


# -- class folders -----------------------------------------------------------------------------------------------------------------


def plankton(folder: Path, generator: Generator) -> Built:
    """Archives of class folders; the columns of the sample are not in the order of the alphabet."""
    classes = ["acantharia_protist", "trichodesmium_puff", "artifacts", "artifacts_edge", "copepod_cyclopoid_oithona", "unknown_blobs_and_smudges"]
    label, drawn = two_parts(classes, generator)
    files = [f"{number}.jpg" for number in numbers(len(label), 1, 161_000, generator)]
    for number, picture in enumerate(drawn):
        drawing.save(folder / (f"train/{label[number]}" if number < TRAIN else "test") / files[number], picture[..., 0])
    even = [f"{1 / len(classes):.6f}"] * len(classes)
    truth = onehot(label[TRAIN:], classes)
    built = submission(folder / "sampleSubmission.csv", {"image": files[TRAIN:]}, truth, shares(label[:TRAIN], classes), even)
    for part in ("train", "test"):
        pack(folder / f"{part}.zip", [folder / part], folder)
    pack_file(folder / "sampleSubmission.csv")
    return built


def cervix(folder: Path, generator: Generator) -> Built:
    """More pictures of each type in archives of their own; every folder numbers its pictures from 0."""
    classes = ["Type_1", "Type_2", "Type_3"]
    label, drawn = two_parts(classes, generator)
    taken: dict[str, int] = {}
    for number, picture in enumerate(drawn):
        kind = label[number]
        place = "test" if number >= TRAIN else f"train/{kind}" if number % 3 else f"additional_{kind}_v2/{kind}"
        drawing.save(folder / place / f"{taken.setdefault(place, 0)}.jpg", picture)
        taken[place] += 1
    ids = {"image_name": [f"{number}.jpg" for number in range(TEST)]}
    built = submission(
        folder / "sample_submission.csv", ids, onehot(label[TRAIN:], classes), shares(label[:TRAIN], classes), ["0.1688", "0.5274", "0.3038"]
    )
    for kind in classes:
        pack(folder / f"additional_{kind}_v2.7z", [folder / f"additional_{kind}_v2"], folder, "")
    for part in ("train", "test"):
        pack(folder / f"{part}.7z", [folder / part], folder)
    return built


def cassava_2019(folder: Path, generator: Generator) -> Built:
    """The sample's id is its last column; test pictures in a folder called 0; a folder of pictures without labels."""
    classes = ["cbb", "cbsd", "cgm", "cmd", "healthy"]
    label, drawn = two_parts(classes, generator, (0.1, 0.25, 0.15, 0.4, 0.1))
    for number, picture in enumerate(drawn):
        name = f"train/{label[number]}/train-{label[number]}-{number}.jpg" if number < TRAIN else f"test/0/test-img-{number - TRAIN}.jpg"
        drawing.save(folder / name, picture)
    for number, picture in enumerate(pictures(mixed(range(5), 20, generator), generator)):
        drawing.save(folder / f"extraimages/extra-image-{number}.jpg", picture)
    order = generator.permutation(TEST)
    truth = pd.DataFrame({"Category": [label[TRAIN + row] for row in order], "Id": [f"test-img-{row}.jpg" for row in order]})
    write_table(folder / "sample_submission_file.csv", dict(truth.assign(Category="cmd")))
    return Built(truth, truth.assign(Category="cmd"))


def chest(folder: Path, generator: Generator) -> Built:
    """Class folders in train and in val, some files of which are no pictures."""
    label, drawn = two_parts(["NORMAL", "PNEUMONIA"], generator, (0.3, 0.7))
    test = [f"{number}.jpeg" for number in numbers(TEST, 100, 9999, generator)]
    for number, picture in enumerate(drawn):
        kind = label[number]
        name = f"IM-{number:04d}-0001.jpeg" if kind == "NORMAL" else f"person{number // 2}_{('bacteria', 'virus')[number % 2]}_{number}.jpeg"
        place = f"chest_xray/{'val' if number < 16 else 'train'}/{kind}/{name}" if number < TRAIN else f"chest_xray/test/{test[number - TRAIN]}"
        drawing.save(folder / place, picture[..., 0])
    (folder / "chest_xray/train/NORMAL/.DS_Store").write_bytes(b"\0\0\0\1Bud1")
    return submission(folder / "sample_submission.csv", {"image": test}, {"label": label[TRAIN:]}, ["PNEUMONIA"], ["NORMAL"])


def species(folder: Path, generator: Generator) -> Built:
    """Classes one level deeper: train/genus/species."""
    classes = ["Danaus plexippus", "Danaus chrysippus", "Papilio machaon", "Papilio demoleus", "Vanessa atalanta", "Vanessa cardui"]
    label, drawn = two_parts(classes, generator)
    for number, picture in enumerate(drawn):
        genus = label[number].split()[0]
        drawing.save(folder / (f"train/{genus}/{label[number]}/{number:05d}.jpg" if number < TRAIN else f"test/{number:05d}.jpg"), picture)
    ids = {"id": [f"{number:05d}" for number in range(TRAIN, TRAIN + TEST)]}
    return submission(folder / "sample_submission.csv", ids, {"species": label[TRAIN:]}, most_frequent(label[:TRAIN]), [classes[3]])


def histology(folder: Path, generator: Generator) -> Built:
    """Patients are folders, and in each the classes are."""
    label, drawn = two_parts(["0", "1"], generator, (0.65, 0.35))
    for number, picture in enumerate(drawn):
        patient, name = 8863 + number // 9, f"x{number % 9 * 50 + 51}_y{number % 7 * 50 + 1}"
        path = f"train/{patient}/{label[number]}/{patient}_idx5_{name}.png" if number < TRAIN else f"test/{number - TRAIN}.png"
        drawing.save(folder / path, picture)
    return submission(folder / "sample_submission.csv", {"id": range(TEST)}, {"label": label[TRAIN:]}, [f"{label.count('1') / len(label):.4f}"], [0])


def gestures(folder: Path, generator: Generator) -> Built:
    """Each class folder holds a folder for every recording."""
    classes = ["palm", "fist", "thumb", "index", "ok"]
    label, drawn = two_parts(classes, generator)
    for number, picture in enumerate(drawn):
        name = f"train/{label[number]}/take_{number // 24:02d}/frame_{number:05d}.png" if number < TRAIN else f"test/frame_{number:05d}.png"
        drawing.save(folder / name, picture)
    ids = {"frame": [f"frame_{number:05d}" for number in range(TRAIN, TRAIN + TEST)]}
    return submission(folder / "sample_submission.csv", ids, {"gesture": label[TRAIN:]}, most_frequent(label[:TRAIN]), ["palm"])


def traffic_signs(folder: Path, generator: Generator) -> Built:
    """Tracks of one sign; tables with semicolons in each class folder; folders with leading zeros, and answers without."""
    kinds = np.repeat(mixed(range(5), 60, generator), 3)
    label = np.concatenate([kinds, mixed(range(5), TEST, generator)]) * 7
    drawn, counts = pictures(label // 7, generator), dict.fromkeys(range(0, 35, 7), 0)
    tables: dict[int, list[str]] = {kind: [] for kind in counts}
    for number, (kind, picture) in enumerate(zip(label.tolist(), drawn, strict=True)):
        if number < TRAIN:
            name = f"{counts[kind] // 3:05d}_{counts[kind] % 3:05d}.ppm"
            counts[kind] += 1
            tables[kind].append(f"{name};40;40;5;5;35;35;{kind}")
            drawing.save(folder / f"Final_Training/Images/{kind:05d}/{name}", picture)
        else:
            drawing.save(folder / f"Final_Test/Images/{number - TRAIN:05d}.ppm", picture)
    for kind, lines in tables.items():
        text = "\n".join(["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId", *lines]) + "\n"
        (folder / f"Final_Training/Images/{kind:05d}/GT-{kind:05d}.csv").write_text(text)
    lines = [f"{number:05d}.ppm;40;40;5;5;35;35" for number in range(TEST)]
    (folder / "Final_Test/Images/GT-final_test.test.csv").write_text("\n".join(["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2", *lines]) + "\n")
    ids = {"Filename": [f"{number:05d}.ppm" for number in range(TEST)]}
    return submission(folder / "sample_submission.csv", ids, {"ClassId": label[TRAIN:]}, [0], [0])


def dogs(folder: Path, generator: Generator) -> Built:
    """Folders called by a code and a name; the files repeat the code."""
    classes = ["n02085620-Chihuahua", "n02085782-Japanese_spaniel", "n02088364-beagle", "n02091831-Saluki", "n02099712-Labrador_retriever"]
    label, drawn = two_parts(classes, generator)
    for number, picture in enumerate(drawn):
        code = label[number].partition("-")[0]
        drawing.save(folder / (f"Images/{label[number]}/{code}_{number + 100}.jpg" if number < TRAIN else f"Test/{number + 100}.jpg"), picture)
    ids = {"Id": [f"{number + 100}.jpg" for number in range(TRAIN, TRAIN + TEST)]}
    return submission(folder / "sample_submission.csv", ids, {"Breed": label[TRAIN:]}, most_frequent(label[:TRAIN]), [classes[0]])


def vehicles(folder: Path, generator: Generator) -> Built:
    """Ids are the numbers of files whose names are padded with zeros."""
    classes = ["Ambulance", "Barge", "Bicycle", "Boat", "Bus", "Car"]
    label, drawn = two_parts(classes, generator)
    for number, picture in enumerate(drawn):
        where = f"train/train/{label[number]}/{number:06d}_{number % 16:02d}.jpg" if number < TRAIN else f"test/testset/{number - TRAIN:06d}.jpg"
        drawing.save(folder / where, picture)
    return submission(folder / "sample_submission.csv", {"Id": range(TEST)}, {"Category": label[TRAIN:]}, most_frequent(label[:TRAIN]), ["Car"])


def knees(folder: Path, generator: Generator) -> Built:
    """Grades are folders; left and right knee of a patient."""
    label, drawn = two_parts(list("01234"), generator, (0.35, 0.2, 0.25, 0.12, 0.08))
    files = [f"{9000000 + number // 2}{'LR'[number % 2]}.png" for number in range(TRAIN + TEST)]
    for number, picture in enumerate(drawn):
        drawing.save(folder / (f"train/{label[number]}" if number < TRAIN else "test") / files[number], picture[..., 1])
    return submission(folder / "sample_submission.csv", {"id": files[TRAIN:]}, {"KL_grade": label[TRAIN:]}, ["1"], ["0"])


# -- names of files ----------------------------------------------------------------------------------------------------------------


def cats_2013(folder: Path, generator: Generator) -> Built:
    """The folder of the test is called test1; the sample says 0 to all; accuracy."""
    label, drawn = two_parts(["cat", "dog"], generator)
    counts = {"cat": 0, "dog": 0}
    for number, picture in enumerate(drawn):
        kind = label[number]
        drawing.save(folder / (f"train/{kind}.{counts[kind]}.jpg" if number < TRAIN else f"test1/{number - TRAIN + 1}.jpg"), picture)
        counts[kind] += 1
    truth = [int(name == "dog") for name in label[TRAIN:]]
    built = submission(folder / "sampleSubmission.csv", {"id": range(1, TEST + 1)}, {"label": truth}, [0], [0])
    pack(folder / "train.zip", [folder / "train"], folder)
    pack(folder / "test1.zip", [folder / "test1"], folder)
    return built


def weather(folder: Path, generator: Generator) -> Built:
    """Labels are the front of the names, without anything before the number; two formats; capital extensions."""
    classes = ["cloudy", "foggy", "rainy", "shine", "sunrise"]
    label, drawn = two_parts(classes, generator)
    suffix = [(".jpg", ".jpeg", ".JPG", ".png")[number % 4] for number in range(TRAIN + TEST)]
    for number, picture in enumerate(drawn):
        name = f"dataset/{label[number]}{number}" if number < TRAIN else f"alien_test/Cloud_{number - TRAIN}"
        drawing.save(folder / f"{name}{suffix[number]}", picture)
    ids = {"Image_id": [f"Cloud_{number - TRAIN}{suffix[number]}" for number in range(TRAIN, TRAIN + TEST)]}
    return submission(folder / "sample.csv", ids, {"labels": label[TRAIN:]}, most_frequent(label[:TRAIN]), ["cloudy"])


def faces(folder: Path, generator: Generator) -> Built:
    """The first number of a name is the age; the others are sex, origin and a date."""
    kinds = np.concatenate([mixed(range(10), count, generator) for count in (TRAIN, TEST)])
    age = kinds * 9 + 2 * generator.integers(1, 4, len(kinds))
    dates = [f"201701{number % 28 + 1:02d}{number:09d}" for number in range(len(kinds))]
    for number, picture in enumerate(pictures(kinds, generator)):
        name = f"train/{age[number]}_{number % 2}_{number % 5}_{dates[number]}.jpg" if number < TRAIN else f"test/{number - TRAIN}.jpg"
        drawing.save(folder / name, picture)
    ids = {"id": range(TEST)}
    return submission(folder / "sample_submission.csv", ids, {"age": age[TRAIN:]}, [int(np.median(age[:TRAIN]))], [30])


# -- tables of pixels --------------------------------------------------------------------------------------------------------------


def kannada(folder: Path, generator: Generator) -> Built:
    """A second labelled table of another origin; only the test has ids."""
    label = np.concatenate([mixed(range(10), count, generator) for count in (240, 60, 60)])
    flat = drawing.digits(label, generator).reshape(len(label), -1)
    cut = {"train.csv": ("label", slice(0, 240)), "Dig-MNIST.csv": ("label", slice(240, 300)), "test.csv": ("id", slice(300, 360))}
    for name, (head, rows) in cut.items():
        first = range(60) if head == "id" else label[rows]
        write_table(folder / name, {head: first, **{f"pixel{number}": flat[rows, number] for number in range(784)}})
    return submission(folder / "sample_submission.csv", {"id": range(60)}, {"label": label[300:]}, [0], [0])


def letters(folder: Path, generator: Generator) -> Built:
    """Ids first, then pixels called p0 …; letters as labels."""
    label, drawn = two_parts(list("ABCDEF"), generator)
    flat = np.stack([picture[6:34, 6:34].mean(axis=2) for picture in drawn]).astype(np.uint8).reshape(len(label), -1)
    ids = numbers(len(label), 1, 10_000, generator)
    pixels = {f"p{number}": flat[:, number] for number in range(784)}
    write_table(folder / "train.csv", {"id": ids[:TRAIN], "letter": label[:TRAIN], **{name: values[:TRAIN] for name, values in pixels.items()}})
    write_table(folder / "test.csv", {"id": ids[TRAIN:], **{name: values[TRAIN:] for name, values in pixels.items()}})
    return submission(folder / "sample_submission.csv", {"id": ids[TRAIN:]}, {"letter": label[TRAIN:]}, most_frequent(label[:TRAIN]), ["A"])


def signs(folder: Path, generator: Generator) -> Built:
    """Files called after the competition; numbers with a hole (no J) as labels; the test table holds a label, too: 0 in every row."""
    kinds = np.concatenate([mixed(range(6), count, generator) for count in (TRAIN, 60)])
    label = np.array([0, 1, 2, 8, 10, 24])[kinds]
    flat = drawing.digits(kinds, generator).reshape(len(kinds), -1)
    for name, rows, first in (("train", slice(0, TRAIN), label[:TRAIN]), ("test", slice(TRAIN, None), [0] * 60)):
        write_table(folder / f"sign_mnist_{name}.csv", {"label": first, **{f"pixel{number + 1}": flat[rows, number] for number in range(784)}})
    return submission(folder / "sampleSubmission.csv", {"Id": range(60)}, {"label": label[TRAIN:]}, [0], [0])


LOG_LOSS = (
    "Submissions are evaluated using the multi-class logarithmic loss. Each image has been labeled with one true class. For each image, you must "
    "submit a set of predicted probabilities (one for every class)."
)
ACCURACY = "Submissions are evaluated on the categorization accuracy of their predictions (the percentage of images that are correctly classified)."

ENTRIES = [
    Entry("datasciencebowl", plankton, "multiclass_log_loss", LOG_LOSS),
    Entry("intel-mobileodt-cervical-cancer-screening", cervix, "multiclass_log_loss", LOG_LOSS),
    Entry("cassava-disease", cassava_2019, "accuracy", "The evaluation metric for this competition is Categorization Accuracy."),
    Entry("chest-xray-pneumonia", chest, "accuracy", ACCURACY),
    Entry("butterfly-species", species, "accuracy", ACCURACY),
    Entry("breast-histopathology-images", histology, "roc_auc", "Submissions are evaluated on area under the ROC curve."),
    Entry("leap-gestures", gestures, "accuracy", ACCURACY),
    Entry("gtsrb-german-traffic-sign", traffic_signs, "accuracy", ACCURACY),
    Entry("stanford-dogs", dogs, "accuracy", ""),
    Entry("vehicle", vehicles, "accuracy", "Submissions are evaluated on the classification accuracy."),
    Entry("knee-osteoarthritis", knees, "kappa", "Submissions are scored based on the quadratic weighted kappa."),
    Entry(
        "dogs-vs-cats",
        cats_2013,
        "accuracy",
        "Your submissions are scored by classification accuracy: the percentage of correctly labelled images.",
        {"data-description": "The training archive contains 25,000 images of dogs and cats. Predict the labels for test1.zip (1 = dog, 0 = cat)."},
    ),
    Entry("alien-weather", weather, "macro_f1", "The evaluation metric for this competition is the macro averaged F1 score."),
    Entry("age-from-face", faces, "mae", "The evaluation metric for this competition is Mean Absolute Error."),
    Entry(
        "Kannada-MNIST",
        kannada,
        "accuracy",
        "This competition is evaluated on the categorization accuracy of your predictions.",
        code_competition=True,
    ),
    Entry("letters-mnist", letters, "accuracy", ACCURACY),
    Entry("sign-language-mnist", signs, "accuracy", ACCURACY),
]
