"""Competitions that ask for one label of each picture: small copies of the folders that Kaggle ships, with their names, headers and traps."""

import json
from pathlib import Path

import numpy as np

from tests.zoo import drawing
from tests.zoo.entry import Built, Entry, expect
from tests.zoo.writing import (
    Generator,
    disguise,
    empty,
    hexes,
    mixed,
    numbers,
    onehot,
    pack,
    pack_file,
    ranked,
    shares,
    submission,
    truncate,
    write_table,
    write_tfrecord,
)


def aptos(folder: Path, generator: Generator) -> Built:
    """Ordinal grades; sizes of all kinds, some with black borders; the same retina under two ids with two grades."""
    train, test = 220, 60
    grades = np.concatenate([mixed(range(5), count, generator, (0.49, 0.10, 0.27, 0.05, 0.09)) for count in (train, test)])
    ids = hexes(len(grades) + 3, 12, generator)
    ids[7] = "12345678e004"  # a number to whoever does not read it as text
    ids, again = ids[: len(grades)], ids[len(grades) :]
    for number, (name, grey) in enumerate(zip(ids, drawing.digits(grades, generator), strict=True)):
        height = int(generator.integers(34, 60)) if number else 700
        picture = drawing.coloured(grey, generator, height, int(height * generator.uniform(1, 1.5)))
        if number % 4 == 0:
            picture = np.pad(picture, ((0, 0), (height // 6, height // 6), (0, 0)))
        drawing.save(folder / ("train_images" if number < train else "test_images") / f"{name}.png", picture)
    for number, name in enumerate(again, 1):
        (folder / f"train_images/{name}.png").write_bytes((folder / f"train_images/{ids[number]}.png").read_bytes())
    other = [(grade + 1) % 5 for grade in grades[1:4]]
    write_table(folder / "train.csv", {"id_code": ids[:train] + again, "diagnosis": [*grades[:train], *other]})
    write_table(folder / "test.csv", {"id_code": ids[train:]})
    truncate(folder / f"train_images/{ids[20]}.png")
    truncate(folder / f"test_images/{ids[train + 5]}.png")
    return submission(folder / "sample_submission.csv", {"id_code": ids[train:]}, {"diagnosis": grades[train:]}, [0], [0])


def cassava(folder: Path, generator: Generator) -> Built:
    """Class numbers whose names stand in a JSON file; every picture a second time inside TFRecords."""
    train, test = 200, 50
    label = np.concatenate([mixed(range(5), count, generator, (0.06, 0.11, 0.12, 0.6, 0.11)) for count in (train, test)])
    ids = [f"{number}.jpg" for number in numbers(len(label), 6_000_000, 9_999_999, generator)]
    for number, (name, picture) in enumerate(zip(ids, drawing.pictures(label, generator, 36, 48), strict=True)):
        drawing.save(folder / ("train_images" if number < train else "test_images") / name, picture)
    names = (
        *("Cassava Bacterial Blight (CBB)", "Cassava Brown Streak Disease (CBSD)", "Cassava Green Mottle (CGM)"),
        *("Cassava Mosaic Disease (CMD)", "Healthy"),
    )
    (folder / "label_num_to_disease_map.json").write_text(json.dumps({str(number): name for number, name in enumerate(names)}))
    write_table(folder / "train.csv", {"image_id": ids[:train], "label": label[:train]})
    for part, first, last in (("train", 0, 100), ("train", 100, train), ("test", train, train + test)):
        records = [
            {"image": (folder / f"{part}_images" / ids[row]).read_bytes(), "image_name": ids[row].encode()}
            | ({"target": int(label[row])} if part == "train" else {})
            for row in range(first, last)
        ]
        shard = 0 if part == "test" else first // 100
        write_tfrecord(folder / f"{part}_tfrecords" / f"ld_{part}{shard:02d}-{len(records)}.tfrec", records)
    disguise(folder / "train_images" / ids[3], ".png")
    return submission(folder / "sample_submission.csv", {"image_id": ids[train:]}, {"label": label[train:]}, [3], [4])


def dog_breed(folder: Path, generator: Generator) -> Built:
    """A column for each class in alphabetical order, with _ and - in the names; sizes of all kinds."""
    breeds = ("affenpinscher", "afghan_hound", "black-and-tan_coonhound", "german_short-haired_pointer", "whippet", "yorkshire_terrier")
    train, test = 210, 60
    kind = np.concatenate([mixed(range(6), count, generator) for count in (train, test)])
    ids = hexes(len(kind), 32, generator)
    for number, (name, grey) in enumerate(zip(ids, drawing.digits(kind, generator), strict=True)):
        picture = drawing.coloured(grey, generator, *(int(side) for side in generator.integers(36, 64, 2)))
        drawing.save(folder / ("train" if number < train else "test") / f"{name}.jpg", picture)
    breed = [breeds[number] for number in kind]
    write_table(folder / "labels.csv", {"id": ids[:train], "breed": breed[:train]})
    truncate(folder / f"train/{ids[11]}.jpg")
    even = ["0.16666666666666666"] * 6
    answers = onehot(breed[train:], breeds)
    return submission(folder / "sample_submission.csv", {"id": ids[train:]}, answers, shares(breed[:train], breeds), even)


def invasive(folder: Path, generator: Generator) -> Built:
    """Train and test are numbered from 1 each; every part is an archive of its own."""
    train, test = 180, 50
    labels = {"train": mixed((0, 1), train, generator, (0.37, 0.63)), "test": mixed((0, 1), test, generator, (0.37, 0.63))}
    drawn = iter(drawing.pictures(np.concatenate([*labels.values()]) * 4, generator, 36, 48))
    for part, label in labels.items():
        for number in range(1, len(label) + 1):
            drawing.save(folder / part / f"{number}.jpg", next(drawn))
    truncate(folder / "train/17.jpg")
    empty(folder / "test/9.jpg")
    write_table(folder / "train_labels.csv", {"name": range(1, train + 1), "invasive": labels["train"]})
    answers, prior = {"invasive": labels["test"]}, [f"{labels['train'].mean():.6f}"]
    built = submission(folder / "sample_submission.csv", {"name": range(1, test + 1)}, answers, prior, [0.5])
    for part in labels:
        pack(folder / f"{part}.7z", [folder / part], folder)
    for name in ("train_labels.csv", "sample_submission.csv"):
        pack_file(folder / name)
    return built


def plant_pathology(folder: Path, generator: Generator) -> Built:
    """The classes are columns of 0 and 1; one folder holds train and test."""
    names = ("healthy", "multiple_diseases", "rust", "scab")
    parts, drawn_as = {}, np.array([0, 7, 1, 4])
    for part, count in (("Train", 200), ("Test", 56)):
        kind = mixed(range(4), count, generator, (0.28, 0.05, 0.34, 0.33))
        for number, picture in enumerate(drawing.pictures(drawn_as[kind], generator, 36, 54)):
            drawing.save(folder / "images" / f"{part}_{number}.jpg", picture)
        parts[part] = {"image_id": [f"{part}_{number}" for number in range(count)]}, [names[number] for number in kind]
    (train, label), (test, truth) = parts.values()
    write_table(folder / "train.csv", {**train, **onehot(label, names)})
    write_table(folder / "test.csv", test)
    empty(folder / "images/Train_31.jpg")
    return submission(folder / "sample_submission.csv", test, onehot(truth, names), shares(label, names), [0.25] * 4)


def plant_seedlings(folder: Path, generator: Generator) -> Built:
    """Folders named with blanks and hyphens; sizes of all kinds; some pictures with transparency, one of another format than its name says."""
    names = ("Black-grass", "Common Chickweed", "Fat Hen", "Shepherds Purse", "Small-flowered Cranesbill", "Sugar beet")
    train, test = 220, 54
    kind = np.concatenate([mixed(range(6), train, generator, (0.1, 0.2, 0.2, 0.2, 0.2, 0.1)), mixed(range(6), test, generator)])
    species = [names[number] for number in kind]
    files = [f"{name}.png" for name in hexes(len(kind), 9, generator)]
    files[train + 1] = "12345e678.png"
    for number, (name, grey) in enumerate(zip(files, drawing.digits(kind, generator), strict=True)):
        side = int(generator.integers(32, 72))
        picture = drawing.coloured(grey, generator, side, side + int(generator.integers(-2, 3)))
        path = folder / "train" / species[number] / name if number < train else folder / "test" / name
        if number % 15 == 0:
            drawing.save_rgba(path, np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)]))
        else:
            drawing.save(path, picture)
    disguise(folder / "train" / species[4] / files[4], ".jpg")
    truncate(folder / "train" / species[5] / files[5])
    (folder / "train" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    answers = {"species": species[train:]}
    return submission(folder / "sample_submission.csv", {"file": files[train:]}, answers, ranked(species[:train])[:1], ["Sugar beet"])


def statoil(folder: Path, generator: Generator) -> Built:
    """Pictures as JSON arrays of decibels in two bands; angles that are text, some of them "na"; 7z archives with a path inside."""
    train, test, side = 170, 56, 28
    label = np.concatenate([mixed((0, 1), count, generator, (0.53, 0.47)) for count in (train, test)])
    ids = hexes(len(label), 8, generator)
    angles = [f"{angle:.4f}" for angle in generator.uniform(30, 46, 80)]
    records = []
    for number, grey in enumerate(drawing.digits(label * 7, generator)):
        noise = generator.normal(0, 2, (2, side, side))
        bands = np.round(np.stack([grey / 10.0, grey / 16.0 - 4]) - 28 + noise, 6).reshape(2, -1)
        angle = float(angles[number % 80]) if number >= train or number % 13 else "na"
        record = {"id": ids[number], "band_1": bands[0].tolist(), "band_2": bands[1].tolist(), "inc_angle": angle}
        records.append({**record, **({"is_iceberg": int(label[number])} if number < train else {})})
    for name, some in (("train.json", records[:train]), ("test.json", records[train:])):
        (folder / name).write_text(json.dumps(some))
    built = submission(folder / "sample_submission.csv", {"id": ids[train:]}, {"is_iceberg": label[train:]}, [f"{label[:train].mean():.6f}"], [0.5])
    for name in ("train.json", "test.json", "sample_submission.csv"):
        pack(folder / f"{name}.7z", [folder / name], folder, "data/processed/")
    return built


def digit_recognizer(folder: Path, generator: Generator) -> Built:
    """Pixels in tables; the test table has no ids: they count its rows from 1."""
    train, test = 240, 80
    label = np.concatenate([mixed(range(10), count, generator) for count in (train, test)])
    flat = drawing.digits(label, generator).reshape(len(label), -1)
    pixels = {f"pixel{number}": flat[:, number] for number in range(784)}
    write_table(folder / "train.csv", {"label": label[:train], **{name: values[:train] for name, values in pixels.items()}})
    write_table(folder / "test.csv", {name: values[train:] for name, values in pixels.items()})
    answers, prior = {"Label": label[train:]}, ranked(list(label[:train]))[:1]
    return submission(folder / "sample_submission.csv", {"ImageId": range(1, test + 1)}, answers, prior, [0])


def cifar(folder: Path, generator: Generator) -> Built:
    """Train and test are numbered from 1 each; 7z archives; names of files without an underscore."""
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    train, test = 240, 80
    kind = np.concatenate([mixed(range(10), count, generator) for count in (train, test)])
    for number, picture in enumerate(drawing.pictures(kind, generator, 32, 32)):
        drawing.save(folder / (f"train/{number + 1}.png" if number < train else f"test/{number - train + 1}.png"), picture)
    label = [names[number] for number in kind]
    write_table(folder / "trainLabels.csv", {"id": range(1, train + 1), "label": label[:train]})
    answers, prior = {"label": label[train:]}, ranked(label[:train])[:1]
    built = submission(folder / "sampleSubmission.csv", {"id": range(1, test + 1)}, answers, prior, ["cat"])
    for part in ("train", "test"):
        pack(folder / f"{part}.7z", [folder / part], folder)
    return built


def state_farm(folder: Path, generator: Generator) -> Built:
    """Video frames of drivers: within a driver and a class they are almost one picture, and the test's drivers are others."""
    names, frames, subjects = [f"c{number}" for number in range(6)], 3, [f"p{number:03d}" for number in numbers(18, 2, 99, generator)]
    scenes = [(subject, kind) for subject in subjects for kind in range(6)]
    rows, greys = [], drawing.digits(np.array([kind for _, kind in scenes]), generator)
    tints = {subject: (generator.integers(170, 256, 3), generator.integers(0, 70, 3)) for subject in subjects}
    files = iter(numbers(len(scenes) * frames, 1, 99_999, generator))
    for (subject, kind), grey in zip(scenes, greys, strict=True):
        light, dark = tints[subject]
        part = grey[:, :, None] / 255.0
        for _ in range(frames):
            frame = np.roll(part, generator.integers(-1, 2, 2), (0, 1)) * (light - dark) + dark + generator.normal(0, 3, (28, 28, 1))
            place = f"train/c{kind}" if subject in subjects[:14] else "test"
            rows.append((subject, f"c{kind}", f"img_{next(files)}.jpg"))
            picture = np.rint(frame.clip(0, 255)).astype(np.uint8).repeat(2, 0).repeat(2, 1)[4:-4]
            drawing.save(folder / place / rows[-1][2], picture)
    train = 14 * 6 * frames
    write_table(folder / "driver_imgs_list.csv", dict(zip(("subject", "classname", "img"), zip(*rows[:train], strict=True), strict=True)))
    truth = [rows[number] for number in train + generator.permutation(len(rows) - train)]
    ids, answers = {"img": [name for _, _, name in truth]}, onehot([label for _, label, _ in truth], names)
    prior = shares([label for _, label, _ in rows[:train]], names)
    built = submission(folder / "sample_submission.csv", ids, answers, prior, ["0.1"] * 6)
    pack(folder / "imgs.zip", [folder / "train", folder / "test"], folder)
    for name in ("driver_imgs_list.csv", "sample_submission.csv"):
        pack_file(folder / name)
    return built


def ubc_ocean(folder: Path, generator: Generator) -> Built:
    """Thumbnails beside the pictures, but not of all; a class in the test that no training picture has."""
    names = ("CC", "EC", "HGSC", "LGSC", "MC", "Other")
    train, test = 180, 46
    kind = mixed(range(5), train, generator, (0.18, 0.23, 0.41, 0.09, 0.09))
    kind = np.concatenate([kind, mixed(range(6), test, generator)])
    ids = numbers(len(kind), 4, 65_535, generator)
    sizes = generator.integers(90, 160, (len(kind), 2))
    tma = np.arange(len(kind)) % 20 == 3
    for number, grey in enumerate(drawing.digits(kind, generator)):
        part = "train" if number < train else "test"
        picture = drawing.coloured(grey, generator, *(int(side) for side in sizes[number]))
        drawing.save(folder / f"{part}_images" / f"{ids[number]}.png", picture)
        if not tma[number]:
            drawing.save(folder / f"{part}_thumbnails" / f"{ids[number]}_thumbnail.png", picture[::3, ::3])
    label = [names[number] for number in kind]
    size = {"image_width": sizes[:, 1], "image_height": sizes[:, 0]}
    write_table(
        folder / "train.csv",
        {"image_id": ids[:train], "label": label[:train], **{name: values[:train] for name, values in size.items()}, "is_tma": tma[:train]},
    )
    write_table(folder / "test.csv", {"image_id": ids[train:], **{name: values[train:] for name, values in size.items()}})
    return submission(folder / "sample_submission.csv", {"image_id": ids[train:]}, {"label": label[train:]}, ["HGSC"], ["HGSC"])


def leaf(folder: Path, generator: Generator) -> Built:
    """Black and white pictures of train and test in one folder, numbered together; 192 columns of features beside the label; a zip made on macOS."""
    names = ("Acer_Capillipes", "Alnus_Cordata", "Betula_Pendula", "Cytisus_Battandieri", "Ginkgo_Biloba", "Quercus_Agrifolia")
    count, train = 240, 180
    kind = np.concatenate([mixed(range(6), train, generator), mixed(range(6), count - train, generator)])
    ids = np.array(numbers(count, 1, count + 1, generator))
    for number, grey in zip(ids, drawing.digits(kind, generator), strict=True):
        black_and_white = np.where(grey > 90, 255, 0).astype(np.uint8)
        picture = np.pad(black_and_white.repeat(2, 0).repeat(2, 1), ((0, 0), [int(side) for side in generator.integers(0, 12, 2)]))
        drawing.save(folder / "images" / f"{number}.jpg", picture)
    features = {f"{sort}{number}": generator.uniform(0, 0.1, count).round(6) for sort in ("margin", "shape", "texture") for number in range(1, 65)}
    species = [names[number] for number in kind]
    write_table(
        folder / "train.csv",
        {"id": ids[:train], "species": species[:train], **{name: values[:train] for name, values in features.items()}},
    )
    write_table(folder / "test.csv", {"id": ids[train:], **{name: values[train:] for name, values in features.items()}})
    empty(folder / f"images/{ids[8]}.jpg")
    answers = onehot(species[train:], names)
    built = submission(folder / "sample_submission.csv", {"id": ids[train:]}, answers, shares(species[:train], names), ["0.010101"] * 6)
    (folder / "__MACOSX/images").mkdir(parents=True)
    (folder / f"__MACOSX/images/._{ids[0]}.jpg").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    pack(folder / "images.zip", [folder / "images", folder / "__MACOSX"], folder)
    for name in ("train.csv", "test.csv", "sample_submission.csv"):
        pack_file(folder / name)
    return built


def paddy(folder: Path, generator: Generator) -> Built:
    """Folders and a table that agree; the sample's label column is empty."""
    names = ("bacterial_leaf_blight", "blast", "brown_spot", "hispa", "normal", "tungro")
    train, test = 210, 60
    shares_of = (0.1, 0.2, 0.1, 0.2, 0.25, 0.15)
    kind = np.concatenate([mixed(range(6), count, generator, shares_of) for count in (train, test)])
    label = [names[number] for number in kind]
    files = [f"{100_001 + number}.jpg" for number in generator.permutation(train)] + [f"{200_001 + number}.jpg" for number in range(test)]
    for number, picture in enumerate(drawing.pictures(kind, generator, 48, 36)):
        drawing.save(folder / (f"train_images/{label[number]}" if number < train else "test_images") / files[number], picture)
    variety = generator.choice(["ADT45", "KarnatakaPonni", "Ponni", "Zonal"], train, p=(0.7, 0.1, 0.1, 0.1))
    age = generator.choice([45, 50, 55, 60, 65, 70], train)
    write_table(folder / "train.csv", {"image_id": files[:train], "label": label[:train], "variety": variety, "age": age})
    truncate(folder / f"train_images/{label[12]}/{files[12]}")
    answers, prior = {"label": label[train:]}, ranked(label[:train])[:1]
    return submission(folder / "sample_submission.csv", {"image_id": files[train:]}, answers, prior, [""])


def sorghum(folder: Path, generator: Generator) -> Built:
    """The first row of the label table is a macOS file without a label; the sample calls the file otherwise than the table."""
    names = ("PI_144134", "PI_145619", "PI_152651", "PI_152961", "PI_257599", "PI_92270")
    train, test = 200, 56
    kind = np.concatenate([mixed(range(6), count, generator) for count in (train, test)])
    clock = numbers(len(kind), 0, 24 * 3600 * 1000, generator)  # milliseconds of a day
    files = [
        f"2017-06-{generator.integers(1, 31):02d}__{at // 3600_000:02d}-{at // 60_000 % 60:02d}-{at // 1000 % 60:02d}-{at % 1000:03d}.png"
        for at in clock
    ]
    for number, picture in enumerate(drawing.pictures(kind, generator, 40, 40)):
        drawing.save(folder / ("train_images" if number < train else "test") / files[number], picture)
    cultivar = [names[number] for number in kind]
    write_table(folder / "train_cultivar_mapping.csv", {"image": [".DS_Store", *files[:train]], "cultivar": ["", *cultivar[:train]]})
    (folder / "train_images" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    empty(folder / "train_images" / files[40])
    answers, prior = {"cultivar": cultivar[train:]}, ranked(cultivar[:train])[:1]
    return submission(folder / "sample_submission.csv", {"filename": files[train:]}, answers, prior, ["PI_257599"])


def histopathologic(folder: Path, generator: Generator) -> Built:
    """8-bit colour tif; the sample says 0 where a probability is meant."""
    train, test = 200, 60
    label = np.concatenate([mixed((0, 1), count, generator, (0.6, 0.4)) for count in (train, test)])
    ids = hexes(len(label), 40, generator)
    for number, (name, picture) in enumerate(zip(ids, drawing.pictures(label, generator, 48, 48), strict=True)):
        drawing.save(folder / ("train" if number < train else "test") / f"{name}.tif", picture)
    write_table(folder / "train_labels.csv", {"id": ids[:train], "label": label[:train]})
    truncate(folder / f"train/{ids[2]}.tif")
    prior = [f"{label[:train].mean():.6f}"]
    return submission(folder / "sample_submission.csv", {"id": ids[train:]}, {"label": label[train:]}, prior, [0])


# The texts are Kaggle's evaluation pages, shortened.
AUC = "Submissions are evaluated on area under the ROC curve between the predicted probability and the observed target."
ACCURACY = "Submissions will be evaluated based on their categorization accuracy."
MULTI_CLASS = (
    "Submissions are evaluated using the multi-class logarithmic loss. Each image has been labeled with one true class. For each image, you "
    "must submit a set of predicted probabilities (one for every image)."
)
KAPPA = (
    "Submissions are scored based on the quadratic weighted kappa, which measures the agreement between two ratings. This metric typically "
    "varies from 0 (random agreement between raters) to 1 (complete agreement between raters)."
)
COLUMN_AUC = (
    "Submissions are evaluated on mean column-wise ROC AUC. In other words, the score is the average of the individual AUCs of each predicted column."
)
PATHOLOGY_FILES = "image_id: the foreign key. combinations: one of the target labels. healthy, rust, scab: one of the target labels."
SEEDLINGS = (
    "Submissions are evaluated on MeanFScore, which at Kaggle is actually a micro-averaged F1-score. For each file in the test set, you must "
    "predict a probability for the species variable."
)
SEEDLINGS_FILES = "train.csv - the training set, with plant species organized by folder. test.csv - the test set, you need to predict the species."
LOG_LOSS = "Submissions are evaluated on the log loss between the predicted values and the ground truth."
DIGITS = "The evaluation metric for this contest is the categorization accuracy, or the proportion of test images that are correctly classified."

ENTRIES: list[Entry] = [
    Entry(
        "aptos2019-blindness-detection", aptos, "kappa", KAPPA, code_competition=True, expects=expect("ordinal", "label", "table", "kappa", "stem")
    ),
    Entry(
        "cassava-leaf-disease-classification",
        cassava,
        "accuracy",
        ACCURACY,
        code_competition=True,
        expects=expect("multiclass", "label", "table", "accuracy", "name"),
    ),
    Entry(
        "dog-breed-identification",
        dog_breed,
        "multiclass_log_loss",
        "Submissions are evaluated on Multi Class Log Loss between the predicted probability and the observed target.",
        expects=expect("multiclass", "columns", "table", "log_loss", "stem"),
    ),
    Entry("invasive-species-monitoring", invasive, "roc_auc", AUC, expects=expect("binary", "positive", "table", "roc_auc", "stem")),
    Entry(
        "plant-pathology-2020-fgvc7",
        plant_pathology,
        "column_auc",
        COLUMN_AUC,
        {"data-description": PATHOLOGY_FILES},
        expects=expect("multiclass", "columns", "columns", "roc_auc", "stem"),
    ),
    Entry(
        "plant-seedlings-classification",
        plant_seedlings,
        "accuracy",
        SEEDLINGS,
        {"data-description": SEEDLINGS_FILES},
        expects=expect("multiclass", "label", "folders", "micro_f1", "name"),
    ),
    Entry("statoil-iceberg-classifier-challenge", statoil, "log_loss", LOG_LOSS, expects=expect("binary", "positive", "json", "log_loss", "record")),
    Entry("digit-recognizer", digit_recognizer, "accuracy", DIGITS, expects=expect("multiclass", "label", "pixels", "accuracy", "row")),
    Entry(
        "cifar-10",
        cifar,
        "accuracy",
        "Submissions are evaluated on classification accuracy (the percent of labels that are predicted correctly).",
        expects=expect("multiclass", "label", "table", "accuracy", "stem"),
    ),
    Entry(
        "state-farm-distracted-driver-detection",
        state_farm,
        "multiclass_log_loss",
        MULTI_CLASS,
        expects=expect("multiclass", "columns", "table", "log_loss", "name", "subject"),
    ),
    Entry(
        "UBC-OCEAN",
        ubc_ocean,
        "balanced_accuracy",
        "Submissions are evaluated using balanced accuracy.",
        code_competition=True,
        expects=expect("multiclass", "label", "table", "balanced_accuracy", "stem"),
    ),
    Entry("leaf-classification", leaf, "multiclass_log_loss", MULTI_CLASS, expects=expect("multiclass", "columns", "table", "log_loss", "stem")),
    Entry(
        "paddy-disease-classification",
        paddy,
        "accuracy",
        "Submissions are evaluated using the classification accuracy.",
        expects=expect("multiclass", "label", "table", "accuracy", "name"),
    ),
    Entry("sorghum-id-fgvc-9", sorghum, "accuracy", ACCURACY, expects=expect("multiclass", "label", "table", "accuracy", "name")),
    Entry("histopathologic-cancer-detection", histopathologic, "roc_auc", AUC, expects=expect("binary", "positive", "table", "roc_auc", "stem")),
]
