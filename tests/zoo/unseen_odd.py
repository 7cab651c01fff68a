"""Competitions that nobody looked at while the inference was written: rarer forms of tables, and questions that are no classification."""

from pathlib import Path

import numpy as np
import pandas as pd

from tests.zoo import drawing
from tests.zoo.drawing import boards, pictures
from tests.zoo.entry import Built, Entry
from tests.zoo.unseen import ACCURACY, TEST, TRAIN, most_frequent, two_parts
from tests.zoo.unseen_tables import drawn_sets
from tests.zoo.writing import Generator, hexes, mixed, numbers, onehot, ranked, submission, write_table

AUC = "Submissions are evaluated on the mean column-wise area under the ROC curve."


def fungi(folder: Path, generator: Generator) -> Built:
    """One table and one folder for train and test: a column says which is which, and test rows have no label."""
    classes = ["Amanita muscaria", "Boletus edulis", "Cantharellus cibarius", "Lactarius deliciosus", "Russula emetica"]
    label, drawn = two_parts(classes, generator)
    names = [f"{name}.jpg" for name in hexes(len(label), 12, generator)]
    for name, picture in zip(names, drawn, strict=True):
        drawing.save(folder / "images" / name, picture)
    order = generator.permutation(len(label))
    table = pd.DataFrame({"filename": names, "species": [*label[:TRAIN], *[""] * TEST], "split": ["train"] * TRAIN + ["test"] * TEST})
    write_table(folder / "metadata.csv", dict(table.iloc[order]))
    return submission(folder / "sample_submission.csv", {"filename": names[TRAIN:]}, {"species": label[TRAIN:]}, most_frequent(label), [classes[0]])


def eyes(folder: Path, generator: Generator) -> Built:
    """Two pictures of each patient, named in two columns; the classes are columns of 0 and 1."""
    names = list("NDGCAM")
    found = drawn_sets(TRAIN + TEST, generator)
    patients = numbers(len(found), 1, 4784, generator)
    for number, picture in enumerate(boards(found, generator)):
        for side in ("left", "right"):
            drawing.save(folder / f"{'Training' if number < TRAIN else 'Testing'} Images/{patients[number]}_{side}.jpg", picture)
    values = {name: found[:, place].astype(int) for place, name in enumerate(names)}
    facts = {"ID": patients, "Patient Age": generator.integers(20, 90, len(found)), "Patient Sex": generator.choice(["Male", "Female"], len(found))}
    facts |= {f"{side.title()}-Fundus": [f"{patient}_{side}.jpg" for patient in patients] for side in ("left", "right")}
    write_table(folder / "train.csv", {name: column[:TRAIN] for name, column in (facts | values).items()})
    truth = {name: column[TRAIN:] for name, column in values.items()}
    prior = [f"{column[:TRAIN].mean():.4f}" for column in values.values()]
    return submission(folder / "sample_submission.csv", {"ID": patients[TRAIN:]}, truth, prior, [0.5] * 6)


def x_rays(folder: Path, generator: Generator) -> Built:
    """Findings parted by | in the label table, a column for each in the submission; patients."""
    names = np.array(["Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule"])
    found = drawn_sets(TRAIN + TEST, generator) & (generator.random((TRAIN + TEST, 6)) < 0.6)
    ids = [f"{number // 3:08d}_{number % 3:03d}.png" for number in range(len(found))]
    for name, picture in zip(ids, boards(found, generator), strict=True):
        drawing.save(folder / f"images_{int(name[:8]) // 40 + 1:03d}/images" / name, picture)
    label = ["|".join(names[row]) or "No Finding" for row in found]
    facts = {"Image Index": ids, "Finding Labels": label, "Follow-up #": [int(name[9:12]) for name in ids]}
    facts |= {"Patient ID": [int(name[:8]) for name in ids]}
    write_table(folder / "Data_Entry_2017.csv", {name: values[:TRAIN] for name, values in facts.items()})
    truth = {name: found[TRAIN:, place].astype(int) for place, name in enumerate(names)}
    prior = [f"{share:.4f}" for share in found[:TRAIN].mean(axis=0)]
    return submission(folder / "sample_submission.csv", {"Image Index": ids[TRAIN:]}, truth, prior, [0.5] * 6)


def chexpert(folder: Path, generator: Generator) -> Built:
    """Blank where a report says nothing; paths three folders deep."""
    names = ["No Finding", "Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Pleural Effusion"]
    found = drawn_sets(TRAIN + TEST, generator)
    parts = ["train" if row < TRAIN else "test" for row in range(len(found))]
    paths = [f"CheXpert-v1.0/{part}/patient{row // 2:05d}/study{row % 2 + 1}/view1_frontal.jpg" for row, part in enumerate(parts)]
    for name, picture in zip(paths, boards(found, generator), strict=True):
        drawing.save(folder / name, picture)
    cells = np.where(found, "1.0", np.where(generator.random(found.shape) < 0.5, "0.0", ""))
    facts = {"Path": paths[:TRAIN], "Sex": ["Male", "Female"] * (TRAIN // 2), "Frontal/Lateral": "Frontal"}
    write_table(folder / "train.csv", facts | {name: cells[:TRAIN, place] for place, name in enumerate(names)})
    truth = {name: found[TRAIN:, place].astype(int) for place, name in enumerate(names)}
    prior = [f"{share:.4f}" for share in found[:TRAIN].mean(axis=0)]
    return submission(folder / "sample_submission.csv", {"Path": paths[TRAIN:]}, truth, prior, [0.5] * 6)


def by_rows(folder: Path, generator: Generator) -> Built:
    """Ids of the submission count the rows of test.csv, which names the files."""
    classes = ["Attire", "Decorationandsignage", "Food", "misc"]
    label, drawn = two_parts(classes, generator)
    names = [f"image{number}.jpg" for number in numbers(len(label), 1, 9999, generator)]
    for number, picture in enumerate(drawn):
        drawing.save(folder / f"{'Train' if number < TRAIN else 'Test'} Images" / names[number], picture)
    write_table(folder / "train.csv", {"Image": names[:TRAIN], "Class": label[:TRAIN]})
    write_table(folder / "test.csv", {"Image": names[TRAIN:]})
    return submission(folder / "sample_submission.csv", {"Id": range(TEST)}, {"Class": label[TRAIN:]}, most_frequent(label), ["Food"])


def prefixed(folder: Path, generator: Generator) -> Built:
    """The submission's columns have a word before the label."""
    classes = ["glioma", "meningioma", "notumor", "pituitary"]
    label, drawn = two_parts(classes, generator)
    for number, picture in enumerate(drawn):
        drawing.save(folder / ("Training" if number < TRAIN else "Testing") / f"{number}.png", picture)
    write_table(folder / "train.csv", {"image_id": range(TRAIN), "tumor": label[:TRAIN]})
    truth = {f"prob_{name}": values for name, values in onehot(label[TRAIN:], classes).items()}
    return submission(folder / "sample_submission.csv", {"image_id": range(TRAIN, TRAIN + TEST)}, truth, [0.25] * 4, [0.25] * 4)


def paintings(folder: Path, generator: Generator) -> Built:
    """A year to predict, beside a title that is different in every row, an artist, and a file size."""
    kinds = np.concatenate([mixed(range(10), count, generator) for count in (TRAIN, TEST)])
    year = 1500 + kinds * 45 + generator.integers(0, 45, len(kinds))
    names = [f"{name}.jpg" for name in hexes(len(kinds), 10, generator)]
    for number, picture in enumerate(pictures(kinds, generator)):
        drawing.save(folder / f"{'train' if number < TRAIN else 'test'}/{names[number]}", picture)
    facts = {"filename": names, "title": [f"Study no. {number}" for number in range(len(kinds))], "artist": [f"{name:x}" for name in year // 9]}
    facts |= {"size_bytes": numbers(len(kinds), 10_000, 900_000, generator)}
    write_table(folder / "train_info.csv", {**{name: values[:TRAIN] for name, values in facts.items()}, "year": year[:TRAIN]})
    write_table(folder / "test_info.csv", {name: values[TRAIN:] for name, values in facts.items()})
    return submission(folder / "sample_submission.csv", {"filename": names[TRAIN:]}, {"year": year[TRAIN:]}, [int(np.median(year))], [1700])


def sharks(folder: Path, generator: Generator) -> Built:
    """The sample has a column Usage; the labels are names with commas and quotes; a table of names and Latin names beside."""
    classes = ["Shark, great white", "Shark, tiger", 'Ray "manta"', "Cod", "Eel, moray"]
    label, drawn = two_parts(classes, generator)
    for number, picture in enumerate(drawn):
        drawing.save(folder / f"{'train' if number < TRAIN else 'test'}/{number:04d}.webp", picture)
    write_table(folder / "train.csv", {"Id": [f"{number:04d}" for number in range(TRAIN)], "Fish": label[:TRAIN]})
    write_table(folder / "names.csv", {"name": classes, "latin": ["C. carcharias", "G. cuvier", "M. birostris", "G. morhua", "M. helena"]})
    ids = {"Id": [f"{number:04d}" for number in range(TRAIN, TRAIN + TEST)]}
    return submission(folder / "SampleSolution.csv", ids, {"Fish": label[TRAIN:]}, ranked(label[:TRAIN])[:1], [classes[0]])


# -- no classification -------------------------------------------------------------------------------------------------------------


def steel(folder: Path, generator: Generator) -> Built:
    """Masks as run lengths."""
    kinds = mixed(range(4), TRAIN + TEST, generator)
    names = [f"{name}.jpg" for name in hexes(len(kinds), 9, generator)]
    for number, picture in enumerate(pictures(kinds, generator)):
        drawing.save(folder / f"{'train' if number < TRAIN else 'test'}_images/{names[number]}", picture)
    runs = [f"{start} 12 {start + 40} 12" for start in numbers(len(kinds), 1, 1500, generator)]
    write_table(folder / "train.csv", {"ImageId": names[:TRAIN], "ClassId": kinds[:TRAIN] + 1, "EncodedPixels": runs[:TRAIN]})
    ids = {"ImageId": names[TRAIN:]}
    truth = {"EncodedPixels": runs[TRAIN:], "ClassId": kinds[TRAIN:]}
    return submission(folder / "sample_submission.csv", ids, truth, ["1 409600", 0], ["1 409600", 0])


def lungs(folder: Path, generator: Generator) -> Built:
    """Boxes: a row for each in the label table; a cell of confidence and box in the submission."""
    kinds = mixed((0, 1), TRAIN + TEST, generator)
    names = hexes(len(kinds), 32, generator)
    for number, picture in enumerate(pictures(kinds, generator)):
        drawing.save(folder / f"stage_2_{'train' if number < TRAIN else 'test'}_images/{names[number]}.png", picture[..., 0])
    rows = []
    for name, kind in zip(names[:TRAIN], kinds[:TRAIN], strict=True):
        rows += [(name, 10 + box, 12, 9, 8, 1) for box in range(2)] if kind else [(name, "", "", "", "", 0)]
    write_table(folder / "stage_2_train_labels.csv", dict(pd.DataFrame(rows, columns=["patientId", "x", "y", "width", "height", "Target"])))
    cells = ["0.5 10 12 9 8" if kind else "" for kind in kinds[TRAIN:]]
    return submission(folder / "stage_2_sample_submission.csv", {"patientId": names[TRAIN:]}, {"PredictionString": cells}, [""], ["0.5 0 0 100 100"])


ENTRIES = [
    Entry("fungi", fungi, "accuracy", ACCURACY),
    Entry("ocular-disease", eyes, "column_auc", AUC),
    Entry("nih-chest-xrays", x_rays, "column_auc", AUC),
    Entry("chexpert", chexpert, "column_auc", AUC),
    Entry("auto-tagging-gala-images", by_rows, "accuracy", ACCURACY),
    Entry("brain-tumor-mri", prefixed, "multiclass_log_loss", "Submissions are evaluated using the multi-class log loss."),
    Entry("year-of-a-painting", paintings, "mae", "The evaluation metric is the mean absolute error."),
    Entry("fish", sharks, "accuracy", ACCURACY),
    Entry("severstal-steel-defect-detection", steel, "accuracy", "This competition is evaluated on the mean Dice coefficient."),
    Entry("rsna-pneumonia-detection-challenge", lungs, "accuracy", "Mean average precision at different intersection over union (IoU) thresholds."),
]
