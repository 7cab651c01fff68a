"""Competitions that nobody looked at while the inference was written: tables and JSON files that name the pictures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from tests.zoo import drawing
from tests.zoo.drawing import boards, pictures
from tests.zoo.entry import Built, Entry
from tests.zoo.unseen import ACCURACY, TEST, TRAIN, most_frequent, two_parts
from tests.zoo.writing import Generator, best_set, hexes, mean_f, mixed, numbers, onehot, ranked, shares, submission, write_table

# -- one label for each picture ----------------------------------------------------------------------------------------------------


def wildcam_2019(folder: Path, generator: Generator) -> Built:
    """Many columns beside; the id is a column, the file another one; test locations are others."""
    categories = [0, 1, 13, 14, 19]
    kinds = np.concatenate([mixed(range(5), TRAIN, generator, (0.4, 0.2, 0.15, 0.15, 0.1)), mixed(range(5), TEST, generator)])
    ids = [f"{name[:8]}-23d2-11e8-a6a3-{name[8:]}" for name in hexes(len(kinds), 20, generator)]
    for number, picture in enumerate(pictures(kinds, generator)):
        drawing.save(folder / f"{'train' if number < TRAIN else 'test'}_images/{ids[number]}.jpg", picture)
    order = np.arange(len(kinds))
    table = pd.DataFrame(
        {
            "category_id": np.array(categories)[kinds],
            "date_captured": [f"2011-05-{1 + number % 28:02d} 23:43:{number % 60:02d}" for number in order],
            "file_name": [f"{name}.jpg" for name in ids],
            "frame_num": 1 + order % 3,
            "id": ids,
            "location": np.where(order < TRAIN, order // 15, 100 + order % 7),
            "rights_holder": "Justin Brown",
            "seq_id": [f"6f084ccc-5567-11e8-bc84-{number // 3:012d}" for number in order],
            "seq_num_frames": 3,
            "width": 1024,
            "height": 747,
        }
    )
    write_table(folder / "train.csv", dict(table[:TRAIN]))
    write_table(folder / "test.csv", dict(table[TRAIN:].drop(columns="category_id")))
    return submission(folder / "sample_submission.csv", {"Id": ids[TRAIN:]}, {"Predicted": list(table["category_id"][TRAIN:])}, [0], [0])


def food(folder: Path, generator: Generator) -> Built:
    """Three guesses in a cell; a labelled val table beside the train table, and a list of class names without a header."""
    kinds = np.concatenate([mixed(range(6), count, generator) for count in (TRAIN, 40, TEST)])
    parts = ["train"] * TRAIN + ["val"] * 40 + ["test"] * TEST
    label, names = (kinds * 40).tolist(), [f"{part}_{number:06d}.jpg" for number, part in enumerate(parts)]
    for name, part, picture in zip(names, parts, pictures(kinds, generator), strict=True):
        drawing.save(folder / f"{part}_set" / name, picture)
    for part in ("train", "val"):
        rows = [number for number, other in enumerate(parts) if other == part]
        write_table(folder / f"{part}_labels.csv", {"img_name": [names[row] for row in rows], "label": [label[row] for row in rows]})
    (folder / "class_list.txt").write_text("".join(f"{kind * 40} food_{kind}\n" for kind in range(6)))
    first = TRAIN + 40
    best = " ".join(map(str, ranked(label[:TRAIN])[:3]))
    return submission(folder / "sample_submission.csv", {"img_name": names[first:]}, {"label": label[first:]}, [best], ["0 40 80"])


def prostate(folder: Path, generator: Generator) -> Built:
    """Two hospitals, no group; a second column that follows the grade; a sample of zeros."""
    kinds = np.concatenate([mixed(range(6), count, generator, (0.27, 0.25, 0.13, 0.12, 0.12, 0.11)) for count in (TRAIN, TEST)])
    ids = hexes(len(kinds), 32, generator)
    for number, picture in enumerate(pictures(kinds, generator)):
        drawing.save(folder / f"{'train' if number < TRAIN else 'test'}_images/{ids[number]}.png", picture)
    provider = generator.choice(["karolinska", "radboud"], len(kinds))
    gleason = [("0+0", "3+3", "3+4", "4+3", "4+4", "5+5")[kind] for kind in kinds]
    table = pd.DataFrame({"image_id": ids, "data_provider": provider, "isup_grade": kinds, "gleason_score": gleason})
    write_table(folder / "train.csv", dict(table[:TRAIN]))
    write_table(folder / "test.csv", dict(table[TRAIN:][["image_id", "data_provider"]]))
    return submission(folder / "sample_submission.csv", {"image_id": ids[TRAIN:]}, {"isup_grade": kinds[TRAIN:]}, [1], [0])


def clots(folder: Path, generator: Generator) -> Built:
    """The submission asks for patients, of whom the test table names one to three pictures; another table of pictures of other kinds."""
    classes, rows, images = ["CE", "LAA"], [], []
    for number, kind in enumerate(np.concatenate([mixed((0, 1), count, generator, (0.6, 0.4)) for count in (110, TEST)])):
        patient = f"{hexes(1, 6, generator)[0]}{number:02x}"[-7:]
        for image in range(1 + number % 3):
            rows.append((f"{patient}_{image}", number % 11 + 1, patient, image, classes[kind], number))
            images.append(kind)
    drawn = pictures(np.array(images), generator)
    table = pd.DataFrame(rows, columns=["image_id", "center_id", "patient_id", "image_num", "label", "order"])
    for name, order, picture in zip(table["image_id"], table["order"], drawn, strict=True):
        drawing.save(folder / f"{'train' if order < 110 else 'test'}/{name}.tif", picture)
    train, test = (part.drop(columns="order") for part in (table[table["order"] < 110], table[table["order"] >= 110]))
    write_table(folder / "train.csv", dict(train))
    write_table(folder / "test.csv", dict(test.drop(columns="label")))
    other = pd.DataFrame({"image_id": [f"{name}_0" for name in hexes(14, 6, generator)], "patient_id": [f"{number:06x}" for number in range(14)]})
    return _clots_answers(folder, train, test, other, classes)


def _clots_answers(folder: Path, train: pd.DataFrame, test: pd.DataFrame, other: pd.DataFrame, classes: list[str]) -> Built:
    for name in other["image_id"]:
        drawing.save(folder / f"other/{name}.tif", np.zeros((40, 40, 3), np.uint8))
    write_table(folder / "other.csv", dict(other.assign(image_num=0, other_specified="Dissection", label=["Unknown", "Other"] * 7)))
    patients = test.drop_duplicates("patient_id")
    truth = onehot(list(patients["label"]), classes)
    prior = shares(list(train["label"]), classes)
    return submission(folder / "sample_submission.csv", {"patient_id": list(patients["patient_id"])}, truth, prior, [0.5, 0.5])


def camera_traps(folder: Path, generator: Generator) -> Built:
    """As DrivenData: features and one-hot labels in tables of their own; submission_format.csv; sites."""
    classes = ["antelope_duiker", "bird", "blank", "civet_genet", "hog", "leopard", "monkey_prosimian", "rodent"]
    label, drawn = two_parts(classes, generator)
    names = [f"ZJ{number:06d}" if number < TRAIN else f"ZJ{number - TRAIN + 16488:06d}" for number in range(TRAIN + TEST)]
    site = [f"S{number % 17:04d}" if number < TRAIN else f"S{100 + number % 9:04d}" for number in range(TRAIN + TEST)]
    paths = [f"{'train' if number < TRAIN else 'test'}_features/{name}.jpg" for number, name in enumerate(names)]
    for path, picture in zip(paths, drawn, strict=True):
        drawing.save(folder / path, picture)
    for part, rows in (("train", slice(0, TRAIN)), ("test", slice(TRAIN, None))):
        write_table(folder / f"{part}_features.csv", {"id": names[rows], "filepath": paths[rows], "site": site[rows]})
    truth = {name: [float(value) for value in values] for name, values in onehot(label, classes).items()}
    write_table(folder / "train_labels.csv", {"id": names[:TRAIN], **{name: values[:TRAIN] for name, values in truth.items()}})
    answers = {name: values[TRAIN:] for name, values in truth.items()}
    return submission(folder / "submission_format.csv", {"id": names[TRAIN:]}, answers, shares(label[:TRAIN], classes), [0.125] * 8)


def artworks(folder: Path, generator: Generator) -> Built:
    """Tables with semicolons in a folder of their own; ids are paths written on Windows; class numbers with leading zeros."""
    classes = ["001", "002", "007", "010", "042"]
    label, drawn = two_parts(classes, generator)
    ids = [f"data\\{'train' if number < TRAIN else 'test'}\\img{number:04d}.png" for number in range(TRAIN + TEST)]
    for name, picture in zip(ids, drawn, strict=True):
        drawing.save(folder / name.replace("\\", "/"), picture)
    (folder / "tables").mkdir()
    lines = [f"{name};{kind}" for name, kind in zip(ids, label, strict=True)]
    (folder / "tables/train_labels.csv").write_text("\n".join(["file;style", *lines[:TRAIN]]) + "\n")
    (folder / "tables/sample_submission.csv").write_text("\n".join(["file;style", *(f"{name};001" for name in ids[TRAIN:])]) + "\n")
    truth = pd.DataFrame({"file": ids[TRAIN:], "style": label[TRAIN:]})
    return Built(truth, truth.assign(style=ranked(label[:TRAIN])[0]))


def severity(folder: Path, generator: Generator) -> Built:
    """Grades written as floats because some rows have none; ids are paths with ./ in front; the sample holds whole numbers."""
    kinds = np.concatenate([mixed(range(4), count, generator, (0.4, 0.3, 0.2, 0.1)) for count in (TRAIN, TEST)])
    ids = [f"./{'train' if number < TRAIN else 'test'}/{number:04d}.png" for number in range(TRAIN + TEST)]
    for name, picture in zip(ids, pictures(kinds, generator), strict=True):
        drawing.save(folder / name[2:], picture)
    grade = ["" if number % 23 == 5 else f"{kind}.0" for number, kind in enumerate(kinds[:TRAIN])]
    write_table(folder / "train.csv", {"path": ids[:TRAIN], "severity": grade})
    return submission(folder / "sample_submission.csv", {"path": ids[TRAIN:]}, {"severity": kinds[TRAIN:]}, [1], [0])


def cracks(folder: Path, generator: Generator) -> Built:
    """Labels True and False; a sample of halves; the sample is called test_sample.csv."""
    label, drawn = two_parts(["False", "True"], generator)
    names = [f"{name}.jpg" for name in hexes(len(label), 10, generator)]
    for name, picture in zip(names, drawn, strict=True):
        drawing.save(folder / "images" / name, picture)
    write_table(folder / "train.csv", {"filename": names[:TRAIN], "has_crack": label[:TRAIN]})
    truth = [int(kind == "True") for kind in label[TRAIN:]]
    return submission(folder / "test_sample.csv", {"filename": names[TRAIN:]}, {"has_crack": truth}, [0.5], [0.5])


def smokers(folder: Path, generator: Generator) -> Built:
    """Labels yes and no, the sample says no; a column Usage in the sample."""
    label, drawn = two_parts(["no", "yes"], generator)
    for number, picture in enumerate(drawn):
        drawing.save(folder / f"pictures/{number}.jpg", picture)
    write_table(folder / "train.csv", {"image": range(TRAIN), "smoking": label[:TRAIN]})
    ids = range(TRAIN, TRAIN + TEST)
    write_table(folder / "test.csv", {"image": ids})
    return submission(folder / "sample_submission.csv", {"image": ids}, {"smoking": label[TRAIN:]}, ["yes"], ["no"])


def tabs(folder: Path, generator: Generator) -> Built:
    """Tables parted by tabs, under the name .tsv; the sample is a csv."""
    classes = ["Abyssinian", "Bengal", "Birman", "Bombay", "British Shorthair"]
    label, drawn = two_parts(classes, generator)
    for number, picture in enumerate(drawn):
        drawing.save(folder / f"images/{number:05d}.jpg", picture)
    table = pd.DataFrame({"image": [f"{number:05d}.jpg" for number in range(TRAIN)], "breed": label[:TRAIN]})
    table.to_csv(folder / "train.tsv", sep="\t", index=False)
    ids = {"image": [f"{number:05d}.jpg" for number in range(TRAIN, TRAIN + TEST)]}
    return submission(folder / "sample_submission.csv", ids, {"breed": label[TRAIN:]}, most_frequent(label[:TRAIN]), ["Abyssinian"])


def emotions(folder: Path, generator: Generator) -> Built:
    """A cell holds all the pixels of a picture, parted by blanks."""
    kinds = np.concatenate([mixed(range(7), count, generator) for count in (TRAIN, TEST)])
    cells = [" ".join(map(str, grey.ravel())) for grey in drawing.digits(kinds, generator)]
    write_table(folder / "train.csv", {"emotion": kinds[:TRAIN], "pixels": cells[:TRAIN]})
    write_table(folder / "test.csv", {"pixels": cells[TRAIN:]})
    return submission(folder / "sample_submission.csv", {"id": range(TEST)}, {"emotion": kinds[TRAIN:]}, [int(kinds[0])], [0])


def herbarium_2022(folder: Path, generator: Generator) -> Built:
    """COCO whose ids are called image_id; the test's JSON is a list; pictures two folders deep."""
    categories = np.array([0, 3, 15, 100, 15504])
    kinds = np.concatenate([mixed(range(5), TRAIN, generator), mixed(range(5), TEST, generator)])
    images, notes, test = [], [], []
    for number, picture in enumerate(pictures(kinds, generator)):
        category = int(categories[kinds[number]])
        if number < TRAIN:
            name = f"{category // 100:03d}/{category % 100:02d}/{category:05d}__{number:03d}.jpg"
            identity = f"{category:05d}__{number:03d}"
            images.append({"image_id": identity, "file_name": name, "license": 0})
            notes.append({"genus_id": category // 3, "institution_id": number % 15, "category_id": category, "image_id": identity})
        else:
            name = f"000/test-{number - TRAIN:06d}.jpg"
            test.append({"image_id": str(number - TRAIN), "file_name": name, "license": 0})
        drawing.save(folder / f"{'train' if number < TRAIN else 'test'}_images" / name, picture)
    known = [{"category_id": int(number), "scientificName": f"Abies {number}", "family": "Pinaceae", "genus": "Abies"} for number in categories]
    content = {"annotations": notes, "images": images, "categories": known, "genera": [{"genus_id": 0, "genus": "Abies"}]}
    content |= {"institutions": [{"institution_id": 0, "collectionCode": "New"}], "distances": [{"genus_id_x": 0, "genus_id_y": 1, "distance": 2.5}]}
    (folder / "train_metadata.json").write_text(json.dumps(content | {"license": [{"id": 0}]}))
    (folder / "test_metadata.json").write_text(json.dumps(test))
    return submission(folder / "sample_submission.csv", {"Id": range(TEST)}, {"Predicted": categories[kinds[TRAIN:]]}, [0], [42])


# -- several labels or numbers for each picture ------------------------------------------------------------------------------------

PRESENT = (0.6, 0.5, 0.4, 0.3, 0.3, 0.2)


def drawn_sets(count: int, generator: Generator) -> np.ndarray:
    """bool [count,6]"""
    return generator.random((count, 6)) < PRESENT


def apples(folder: Path, generator: Generator) -> Built:
    """Labels parted by blanks, of which healthy stands alone; the sample says healthy."""
    names = np.array(["complex", "frog_eye_leaf_spot", "powdery_mildew", "rust", "scab", "healthy"])
    found = drawn_sets(TRAIN + TEST, generator) & (generator.random((TRAIN + TEST, 6)) < 0.6)
    found[:, 5] = False
    found[:, 5] = ~found.any(axis=1)
    sets = [list(generator.permutation(names[row])) for row in found]
    ids = [f"{name}.jpg" for name in hexes(len(sets), 16, generator)]
    for number, (name, picture) in enumerate(zip(ids, boards(found, generator), strict=True)):
        drawing.save(folder / f"{'train' if number < TRAIN else 'test'}_images" / name, picture)
    labels = [" ".join(row) for row in sets]
    write_table(folder / "train.csv", {"image": ids[:TRAIN], "labels": labels[:TRAIN]})
    best = best_set([set(row) for row in sets[:TRAIN]], mean_f(1))
    return submission(folder / "sample_submission.csv", {"image": ids[TRAIN:]}, {"labels": labels[TRAIN:]}, [" ".join(best)], ["healthy"])


def restaurants(folder: Path, generator: Generator) -> Built:
    """Several photos for each business, in train and test, by tables of pairs; labels are numbers parted by blanks."""
    train, test, each = 90, 45, 3
    found = drawn_sets(train + test, generator)
    found[~found.any(axis=1), 0] = True
    sets = [[str(place) for place in np.flatnonzero(row)] for row in found]
    photos = numbers(len(found) * each, 1, 470_000, generator)
    businesses = numbers(train, 1000, 4001, generator) + [f"{name}" for name in hexes(test, 5, generator)]
    owner = np.repeat(np.arange(len(found)), each)
    for photo, place, picture in zip(photos, owner, boards(found[owner], generator), strict=True):
        drawing.save(folder / f"{'train' if place < train else 'test'}_photos/{photo}.jpg", picture)
    pairs = pd.DataFrame({"photo_id": photos, "business_id": [businesses[place] for place in owner]})
    write_table(folder / "train_photo_to_biz_ids.csv", dict(pairs[: train * each]))
    write_table(folder / "test_photo_to_biz.csv", dict(pairs[train * each :]))
    labels = [" ".join(row) for row in sets]
    write_table(folder / "train.csv", {"business_id": businesses[:train], "labels": labels[:train]})
    best = " ".join(best_set([set(row) for row in sets[:train]], mean_f(1)))
    return submission(folder / "sample_submission.csv", {"business_id": businesses[train:]}, {"labels": labels[train:]}, [best], ["1 2 3"])


def celebrities(folder: Path, generator: Generator) -> Built:
    """Attributes are 1 and -1; the sample's are 0.5."""
    names = ["Bald", "Bangs", "Eyeglasses", "Male", "Smiling", "Wearing_Hat"]
    found = drawn_sets(TRAIN + TEST, generator)
    ids = [f"{number + 1:06d}.jpg" for number in range(TRAIN + TEST)]
    for name, picture in zip(ids, boards(found, generator), strict=True):
        drawing.save(folder / "img_align_celeba" / name, picture)
    signs = np.where(found, 1, -1)
    write_table(folder / "list_attr_celeba_train.csv", {"image_id": ids[:TRAIN], **{name: signs[:TRAIN, place] for place, name in enumerate(names)}})
    truth = {name: found[TRAIN:, place].astype(int) for place, name in enumerate(names)}
    prior = [f"{share:.4f}" for share in found[:TRAIN].mean(axis=0)]
    return submission(folder / "sample_submission.csv", {"image_id": ids[TRAIN:]}, truth, prior, [0.5] * 6)


def graphemes(folder: Path, generator: Generator) -> Built:
    """Three questions with a class each for every picture: rows `Test_0_grapheme_root`."""
    kinds = np.concatenate([mixed(range(10), count, generator) for count in (TRAIN, TEST)])
    parts = {"consonant_diacritic": kinds % 3, "grapheme_root": kinds * 16, "vowel_diacritic": kinds // 2}
    for number, picture in enumerate(pictures(kinds, generator)):
        drawing.save(folder / (f"train/Train_{number}.png" if number < TRAIN else f"test/Test_{number - TRAIN}.png"), picture)
    ids = [f"Train_{number}" for number in range(TRAIN)]
    order = ("grapheme_root", "vowel_diacritic", "consonant_diacritic")
    write_table(
        folder / "train.csv", {"image_id": ids, **{name: parts[name][:TRAIN] for name in order}, "grapheme": [f"g{kind}" for kind in kinds[:TRAIN]]}
    )
    rows = [(f"Test_{number}_{name}", f"Test_{number}", name) for number in range(TEST) for name in parts]
    write_table(
        folder / "test.csv", {"row_id": [row[0] for row in rows], "image_id": [row[1] for row in rows], "component": [row[2] for row in rows]}
    )
    truth = [parts[name][TRAIN + number] for number in range(TEST) for name in parts]
    return submission(folder / "sample_submission.csv", {"row_id": [row[0] for row in rows]}, {"target": truth}, [0], [0])


def biomass(folder: Path, generator: Generator) -> Built:
    """Rows of picture and target in train and test, parted by two underscores; facts beside that the test lacks."""
    targets = ["Dry_Clover_g", "Dry_Dead_g", "Dry_Green_g", "Dry_Total_g", "GDM_g"]
    kinds = np.concatenate([mixed(range(10), count, generator) for count in (TRAIN, TEST)])
    values = np.stack([kinds * 3.0, 30 - kinds * 2.5, kinds * 5.0, kinds * 5.5 + 30, kinds * 8.0], axis=1) + generator.uniform(0, 3, (len(kinds), 5))
    ids = [f"ID{number}" for number in numbers(len(kinds), 4_464_212, 2_000_000_000, generator)]
    for number, picture in enumerate(pictures(kinds, generator, 36, 72)):
        drawing.save(folder / f"{'train' if number < TRAIN else 'test'}/{ids[number]}.jpg", picture)
    rows = []
    for number, name in enumerate(ids):
        path, day = f"{'train' if number < TRAIN else 'test'}/{name}.jpg", f"2015/{number % 12 + 1}/4"
        facts = (path, day, "Tas", "Ryegrass_Clover", round(0.5 + number / 1000, 2), 4.6667)
        rows += [(f"{name}__{target}", *facts, target, round(float(value), 4)) for target, value in zip(targets, values[number], strict=True)]
    head = "sample_id image_path Sampling_Date State Species Pre_GSHH_NDVI Height_Ave_cm target_name target"
    rows = pd.DataFrame(rows, columns=head.split())
    train, test = rows[: TRAIN * 5], rows[TRAIN * 5 :]
    write_table(folder / "train.csv", dict(train))
    write_table(folder / "test.csv", dict(test[["sample_id", "image_path", "target_name"]]))
    built = submission(folder / "sample_submission.csv", {"sample_id": list(test["sample_id"])}, {"target": list(test["target"])}, [0], [0.0])
    means = dict(zip(targets, values[:TRAIN].mean(axis=0), strict=True))
    return Built(built.answers, built.prior.assign(target=[str(means[name]) for name in test["target_name"]]))


def bones(folder: Path, generator: Generator) -> Built:
    """The age is the label; another column beside it that the test table has, too."""
    kinds = np.concatenate([mixed(range(10), count, generator) for count in (TRAIN, TEST)])
    months = kinds * 20 + generator.integers(1, 19, len(kinds))
    ids, male = numbers(len(kinds), 1377, 15_612, generator), generator.choice([True, False], len(kinds))
    parts = ["training" if number < TRAIN else "test" for number in range(len(kinds))]
    for name, part, picture in zip(ids, parts, pictures(kinds, generator), strict=True):
        drawing.save(folder / f"boneage-{part}-dataset/boneage-{part}-dataset/{name}.png", picture)
    write_table(folder / "boneage-training-dataset.csv", {"id": ids[:TRAIN], "boneage": months[:TRAIN], "male": male[:TRAIN]})
    write_table(folder / "boneage-test-dataset.csv", {"Case ID": ids[TRAIN:], "Sex": np.where(male[TRAIN:], "M", "F")})
    return submission(folder / "sample_submission.csv", {"Case ID": ids[TRAIN:]}, {"boneage": months[TRAIN:]}, [int(np.median(months))], [120])


def cells(folder: Path, generator: Generator) -> Built:
    """Six channels and two sites for each well, in folders of experiments and plates that the ids only hint at."""
    kinds = np.concatenate([mixed(range(4), count, generator) for count in (60, 40)])
    rows = []
    for number, picture in enumerate(pictures(np.repeat(kinds, 2), generator)):
        row = number // 2
        experiment, plate, well = f"HEPG2-{1 + row // 12:02d}", 1 + row % 4, f"{'BCDEF'[row % 5]}{2 + row % 12:02d}"
        for channel in range(1, 7):
            place = f"{'train' if row < 60 else 'test'}/{experiment}/Plate{plate}/{well}_s{1 + number % 2}_w{channel}.png"
            drawing.save(folder / place, picture[..., channel % 3])
        rows.append((f"{experiment}_{plate}_{well}", experiment, plate, well, 277 * kinds[row]))
    table = pd.DataFrame(rows[::2], columns=["id_code", "experiment", "plate", "well", "sirna"])
    write_table(folder / "train.csv", dict(table[:60]))
    write_table(folder / "test.csv", dict(table[60:].drop(columns="sirna")))
    return submission(folder / "sample_submission.csv", {"id_code": list(table["id_code"][60:])}, {"sirna": list(table["sirna"][60:])}, [0], [0])


ENTRIES = [
    Entry("iwildcam-2019-fgvc6", wildcam_2019, "macro_f1", "Submissions will be evaluated based on their macro F1 score."),
    Entry(
        "ifood-2019-fgvc6",
        food,
        "map5",
        "Lower the better: the error is the mean of the best of 3 guesses. Predictions are scored by mean average precision @ 3.",
    ),
    Entry(
        "prostate-cancer-grade-assessment", prostate, "kappa", "Submissions are scored based on the quadratic weighted kappa.", code_competition=True
    ),
    Entry("mayo-clinic-strip-ai", clots, "multiclass_log_loss", "Submissions are evaluated using a weighted multi-class logarithmic loss."),
    Entry("conser-vision", camera_traps, "multiclass_log_loss", "The metric is log loss (a.k.a. logistic loss or cross-entropy loss)."),
    Entry("artworks", artworks, "accuracy", ACCURACY),
    Entry("acne-severity", severity, "kappa", "Submissions are scored based on the quadratic weighted kappa."),
    Entry("surface-cracks", cracks, "roc_auc", "Submissions are evaluated on area under the ROC curve."),
    Entry("smoker-detection", smokers, "accuracy", ACCURACY),
    Entry("cat-breeds", tabs, "accuracy", ACCURACY),
    Entry("facial-expression-recognition", emotions, "accuracy", ACCURACY),
    Entry("herbarium-2022-fgvc9", herbarium_2022, "macro_f1", "Submissions are evaluated using the macro F1 score."),
    Entry(
        "plant-pathology-2021-fgvc8",
        apples,
        "samples_f1_labels",
        "The evaluation metric for this competition is Mean F1-Score.",
        code_competition=True,
    ),
    Entry("yelp-restaurant-photo-classification", restaurants, "samples_f1_labels", "The evaluation metric for this competition is Mean F1-Score."),
    Entry("celebrities", celebrities, "column_auc", "Submissions are evaluated on mean column-wise ROC AUC."),
    Entry("bengaliai-cv19", graphemes, "accuracy", "Submissions are evaluated using a hierarchical macro-averaged recall.", code_competition=True),
    Entry("csiro-biomass", biomass, "rmse", "The model performance is evaluated using a globally weighted coefficient of determination (R^2)."),
    Entry("rsna-bone-age", bones, "mae", "The evaluation metric is the mean absolute error."),
    Entry("recursion-cellular-image-classification", cells, "accuracy", "Submissions will be evaluated on Multiclass Accuracy."),
]
