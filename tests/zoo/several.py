"""Competitions that ask for several labels or numbers of each picture, or for a ranking: small copies of the folders that Kaggle ships."""

from pathlib import Path

import cv2
import numpy as np

from tests.zoo import drawing
from tests.zoo.entry import Built, Entry, expect
from tests.zoo.writing import (
    Generator,
    best_set,
    disguise,
    empty,
    hexes,
    mean_f,
    micro_f1,
    mixed,
    numbers,
    pack,
    pack_file,
    pack_tar_7z,
    ranked,
    submission,
    truncate,
    write_table,
    write_tfrecord,
)

# -- labels --------------------------------------------------------------------------------------------------------------------------


def imet(folder: Path, generator: Generator) -> Built:
    """Numbers of attributes parted by blanks; a second table names them, also those that no picture has."""
    train, test = 220, 60
    attributes = ("0", "3", "12", "784", "1092", "3473")
    present = generator.random((train + test, 6)) < (0.6, 0.5, 0.4, 0.3, 0.25, 0.2)
    present[~present.any(1), 0] = True
    ids = hexes(train + test, 32, generator)
    for number, board in enumerate(drawing.boards(present, generator)):
        picture = drawing.coloured(board, generator, 40, int(generator.integers(52, 68)))
        drawing.save(folder / ("train" if number < train else "test") / f"{ids[number]}.png", picture)
    sets = [{name for name, there in zip(attributes, row, strict=True) if there} for row in present]
    cells = [" ".join(sorted(labels, key=int)) for labels in sets]
    write_table(folder / "train.csv", {"id": ids[:train], "attribute_ids": cells[:train]})
    sorts = ("country::american", "culture::british", "dimension::", "medium::gold", "tags::men", "tags::women", "tags::birds")
    every = sorted({*attributes, "1", "2", "77"}, key=int)
    write_table(folder / "labels.csv", {"attribute_id": every, "attribute_name": [f"{sorts[number % 7]} {number}" for number in range(len(every))]})
    truncate(folder / f"train/{ids[30]}.png")
    prior = " ".join(sorted(best_set(sets[:train], micro_f1), key=int))
    return submission(folder / "sample_submission.csv", {"id": ids[train:]}, {"attribute_ids": cells[train:]}, [prior], ["0 1 2"])


def planet(folder: Path, generator: Generator) -> Built:
    """Tags parted by blanks; every picture also as 16-bit tif of four bands; the test's files lie in two folders with two kinds of names."""
    train, test, more = 200, 40, 20
    sky, ground = ("clear", "partly_cloudy", "cloudy"), ("agriculture", "road", "water")
    weather = generator.choice(3, train + test + more, p=(0.7, 0.2, 0.1))
    present = np.hstack([np.eye(3, dtype=bool)[weather], generator.random((len(weather), 3)) < (0.4, 0.3, 0.25)])
    present[weather == 2, 3:] = False
    ids = [f"train_{number}" for number in range(train)] + [f"test_{number}" for number in range(test)]
    ids += [f"file_{number}" for number in range(more)]
    sets = []
    for number, board in enumerate(drawing.boards(present, generator)):
        part = "train" if number < train else "test" if number < train + test else "test-additional"
        picture = drawing.coloured(board, generator, 40, 60)
        drawing.save(folder / ("test-jpg-additional" if part == "test-additional" else f"{part}-jpg") / f"{ids[number]}.jpg", picture)
        bands = np.dstack([picture[:, :, ::-1], 255 - picture[:, :, :1]]).astype(np.uint16)[::2, ::2] * 40 + 3000
        tif = folder / ("train-tif-v2" if part == "train" else "test-tif-v2") / f"{ids[number]}.tif"
        tif.parent.mkdir(exist_ok=True)
        tif.write_bytes(cv2.imencode(".tif", bands)[1].tobytes())
        seen = [name for name, there in zip(sky + ground, present[number], strict=True) if there]
        sets.append(set(seen) if weather[number] == 2 else {*seen, "primary"})
    sets[5].add("blow_down")
    cells = [" ".join(generator.permutation(sorted(labels))) for labels in sets]
    write_table(folder / "train_v2.csv", {"image_name": ids[:train], "tags": cells[:train]})
    truncate(folder / "train-jpg/train_8.jpg")
    truncate(folder / "test-jpg-additional/file_4.jpg")
    answers, prior = {"tags": cells[train:]}, " ".join(best_set(sets[:train], mean_f(2)))
    sample = ["primary clear agriculture road water"]
    built = submission(folder / "sample_submission_v2.csv", {"image_name": ids[train:]}, answers, [prior], sample)
    for part in ("train-jpg", "train-tif-v2", "test-jpg", "test-jpg-additional", "test-tif-v2"):
        pack_tar_7z(folder / part)
    for name in ("train_v2.csv", "sample_submission_v2.csv"):
        pack_file(folder / name)
    return built


def protein_atlas(folder: Path, generator: Generator) -> Built:
    """Four grey pictures, one channel each, for every id; the sample calls the target otherwise than the table; zips without a top folder."""
    train, test = 160, 48
    present = generator.random((train + test, 6)) < (0.6, 0.4, 0.35, 0.3, 0.25, 0.2)
    present[~present.any(1), 0] = True
    names = ("0", "2", "5", "7", "21", "25")
    raw = generator.bytes(16 * len(present)).hex()
    ids = [f"{raw[at : at + 8]}-bad0-11e8-b2b8-ac1f6b{raw[at + 8 : at + 14]}" for at in range(0, 32 * len(present), 32)]
    nuclei = drawing.digits(np.full(len(present), 8), generator)
    for number, board in enumerate(drawing.boards(present, generator)):
        nucleus = cv2.resize(nuclei[number], (44, 44)) // 2
        noise = generator.integers(0, 40, (44, 44)).astype(np.uint8)
        channels = {"red": nucleus + noise, "green": cv2.resize(board, (44, 44)), "blue": nucleus, "yellow": noise}
        for name, channel in channels.items():
            drawing.save(folder / ("train" if number < train else "test") / f"{ids[number]}_{name}.png", channel)
    cells = [" ".join(name for name, there in zip(names, row, strict=True) if there) for row in present]
    write_table(folder / "train.csv", {"Id": ids[:train], "Target": cells[:train]})
    truncate(folder / f"train/{ids[6]}_green.png")
    answers = {"Predicted": cells[train:]}
    built = submission(folder / "sample_submission.csv", {"Id": ids[train:]}, answers, [" ".join(names)], ["0"])
    for part in ("train", "test"):
        pack(folder / f"{part}.zip", [folder / part], folder / part)
    return built


def ranzcr(folder: Path, generator: Generator) -> Built:
    """Grey pictures whose ids have dots; several of a patient; columns of 0 and 1 that are no classes of one another, one of them rare."""
    train, test = 216, 60
    names = ("ETT - Abnormal", "ETT - Normal", "NGT - Incompletely Imaged", "CVC - Borderline", "Swan Ganz Catheter Present")
    present = generator.random((train + test, 6)) < (0, 0.3, 0.2, 0.4, 0.25, 0)
    present[[4, 70, 150, train + 3, train + 9], 0] = True
    uids = [f"1.2.826.0.1.3680043.8.498.{number:026d}" for number in numbers(train + test, 10**12, 10**13, generator)]
    patients = [f"{number:09x}" for number in numbers((train + test) // 3, 16**8, 16**9, generator)]
    for number, board in enumerate(drawing.boards(present, generator)):
        tone = number // 3 % 5 * 15  # a patient's
        picture = cv2.resize(board, (60, 40)) // 5 * 3 + np.uint8(tone)
        drawing.save(folder / ("train" if number < train else "test") / f"{uids[number]}.jpg", picture)
    columns = {name: present[:, number].astype(int) for number, name in enumerate(names)}
    order = generator.permutation(train)
    table = {"StudyInstanceUID": np.array(uids)[order], **{name: values[order] for name, values in columns.items()}}
    write_table(folder / "train.csv", {**table, "PatientID": [patients[number // 3] for number in order]})
    seen = [(uids[row], name) for row in range(12) for number, name in enumerate(names) if present[row, number]]
    data = ["[[10, 12], [14, 20]]"] * len(seen)
    write_table(folder / "train_annotations.csv", {"StudyInstanceUID": [uid for uid, _ in seen], "label": [name for _, name in seen], "data": data})
    records = [{"StudyInstanceUID": uid.encode(), "image": (folder / f"train/{uid}.jpg").read_bytes()} for uid in uids[:train]]
    write_tfrecord(folder / "train_tfrecords" / f"00-{train}.tfrec", records)
    empty(folder / f"train/{uids[11]}.jpg")
    answers = {name: values[train:] for name, values in columns.items()}
    prior = [f"{values[:train].mean():.6f}" for values in columns.values()]
    return submission(folder / "sample_submission.csv", {"StudyInstanceUID": uids[train:]}, answers, prior, [0] * 5)


# -- numbers -------------------------------------------------------------------------------------------------------------------------


def petfinder(folder: Path, generator: Generator) -> Built:
    """A score from 1 to 100 beside twelve flags that the test table has too; one picture twice with two scores."""
    flags = ("Subject Focus", "Eyes", "Face", "Near", "Action", "Accessory", "Group", "Collage", "Human", "Occlusion", "Info", "Blur")
    train, test = 220, 60
    kind = np.concatenate([mixed(range(3), count, generator) for count in (train, test)])
    ids = hexes(len(kind), 32, generator)
    for number, grey in enumerate(drawing.digits(np.array([1, 4, 0])[kind], generator)):
        picture = drawing.coloured(grey, generator, *(int(side) for side in generator.integers(36, 60, 2)))
        drawing.save(folder / ("train" if number < train else "test") / f"{ids[number]}.jpg", picture)
    (folder / f"train/{ids[1]}.jpg").write_bytes((folder / f"train/{ids[0]}.jpg").read_bytes())
    score = np.rint(np.array([22, 38, 65])[kind] + generator.normal(0, 7, len(kind))).clip(1, 100).astype(int)
    score[(kind == 2) & (generator.random(len(kind)) < 0.1)] = 100
    seen = {name: generator.integers(0, 2, len(kind)) for name in flags}
    rows = {"Id": ids[:train], **{name: values[:train] for name, values in seen.items()}}
    write_table(folder / "train.csv", {**rows, "Pawpularity": score[:train]})
    write_table(folder / "test.csv", {"Id": ids[train:], **{name: values[train:] for name, values in seen.items()}})
    disguise(folder / f"train/{ids[9]}.jpg", ".png")
    truncate(folder / f"test/{ids[train + 2]}.jpg")
    prior = [f"{score[:train].mean():.4f}"]
    built = submission(folder / "sample_submission.csv", {"Id": ids[train:]}, {"Pawpularity": score[train:]}, prior, [0])
    write_table(folder / "sample_submission.csv", {"Id": ids[train:], "Pawpularity": generator.uniform(1, 100, test).round(2)})
    return built


def galaxy_zoo(folder: Path, generator: Generator) -> Built:
    """Shares of votes that follow a tree; three benchmarks are samples of the same submission."""
    train, test = 220, 60
    kind = np.concatenate([mixed(range(3), count, generator) for count in (train, test)])
    first = np.array([generator.dirichlet(alpha) for alpha in np.array([(12, 2, 0.5), (2, 12, 0.5), (4, 4, 3)])[kind]])
    halves = generator.beta(*np.array([(2, 6), (6, 2), (4, 4)])[kind].T), generator.beta(3, 3, len(kind))
    second = np.stack([first[:, 1] * halves[0], first[:, 1] * (1 - halves[0])], 1)
    third = np.stack([second[:, 1] * halves[1], second[:, 1] * (1 - halves[1])], 1)
    values = np.hstack([first, second, third]).round(6)
    names = ("Class1.1", "Class1.2", "Class1.3", "Class2.1", "Class2.2", "Class3.1", "Class3.2")
    ids = sorted(numbers(len(kind), 100_008, 999_999, generator))
    in_test = np.sort(generator.permutation(len(kind))[:test])
    in_train = np.setdiff1d(np.arange(len(kind)), in_test)
    for number, grey in enumerate(drawing.digits(np.array([0, 1, 4])[kind], generator)):
        part = "test" if number in in_test else "training"
        picture = np.pad(drawing.coloured(grey, generator, 36, 36) // 2, ((6, 6), (6, 6), (0, 0)))
        drawing.save(folder / f"images_{part}_rev1" / f"{ids[number]}.jpg", picture)
    solution = {"GalaxyID": [ids[number] for number in in_train], **dict(zip(names, values[in_train].T, strict=True))}
    write_table(folder / "training_solutions_rev1.csv", solution)
    truncate(folder / f"images_training_rev1/{ids[in_train[5]]}.jpg")
    test_ids = {"GalaxyID": [ids[number] for number in in_test]}
    answers, prior = dict(zip(names, values[in_test].T, strict=True)), [f"{value:.6f}" for value in values[in_train].mean(0)]
    built = submission(folder / "all_zeros_benchmark.csv", test_ids, answers, prior, [0] * 7)
    submission(folder / "all_ones_benchmark.csv", test_ids, answers, prior, [1] * 7)
    submission(folder / "central_pixel_benchmark.csv", test_ids, answers, prior, prior)
    for part in ("training", "test"):
        pack(folder / f"images_{part}_rev1.zip", [folder / f"images_{part}_rev1"], folder)
    for name in ("training_solutions_rev1", "all_zeros_benchmark", "all_ones_benchmark", "central_pixel_benchmark"):
        pack(folder / f"{name}.zip", [folder / f"{name}.csv"], folder)
    return built


# -- rankings ------------------------------------------------------------------------------------------------------------------------


def whales(folder: Path, generator: Generator) -> Built:
    """A class for all that is none of the others; classes with one picture; grey and colour mixed."""
    train, test, single = 180, 60, 8
    known = [f"w_{name}" for name in hexes(4 + single, 7, generator)]
    common = ["new_whale", *known[:4]]
    kind = np.concatenate([mixed(range(5), train - single, generator, (0.3, 0.25, 0.2, 0.15, 0.1)), np.full(single, 5)])
    label = [common[number] for number in kind[:-single]] + known[4:]
    asked = mixed(range(5), test, generator, (0.2, 0.2, 0.2, 0.2, 0.2))
    label += [common[number] for number in asked]
    files = [f"{name}.jpg" for name in hexes(len(label), 8, generator)]
    digit = np.array([8, 0, 1, 4, 7, 5])[np.concatenate([kind, asked])]
    for number, grey in enumerate(drawing.digits(digit, generator)):
        picture = drawing.coloured(grey, generator, int(generator.integers(30, 48)), int(generator.integers(48, 72)))
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if number % 2 else picture
        drawing.save(folder / ("train" if number < train else "test") / files[number], picture)
    order = generator.permutation(train)
    write_table(folder / "train.csv", {"Image": [files[number] for number in order], "Id": [label[number] for number in order]})
    truncate(folder / "train" / files[2])
    prior, sample = " ".join(ranked(label[:train])[:5]), " ".join(["new_whale", *known[:4]])
    return submission(folder / "sample_submission.csv", {"Image": files[train:]}, {"Id": label[train:]}, [prior], [sample])


def happy_whale(folder: Path, generator: Generator) -> Built:
    """Two columns that could be the label; the sample calls it `predictions`; an individual that no training picture shows."""
    train, test = 200, 60
    species = ("beluga", "humpback_whale", "kiler_whale", "bottlenose_dolpin")
    individuals = hexes(8, 12, generator)
    shares_of = (0.2, 0.2, 0.15, 0.15, 0.1, 0.1, 0.05, 0.05)
    kind = np.concatenate([mixed(range(8), train, generator, shares_of), mixed(range(9), test, generator)])
    label = [[*individuals, "new_individual"][number] for number in kind]
    files = [f"{name}.jpg" for name in hexes(len(kind), 14, generator)]
    for number, grey in enumerate(drawing.digits(kind, generator)):
        picture = drawing.coloured(grey, generator, *(int(side) for side in generator.integers(36, 72, 2)))
        drawing.save(folder / ("train_images" if number < train else "test_images") / files[number], picture)
    rows = {"image": files[:train], "species": [species[number // 2] for number in kind[:train]], "individual_id": label[:train]}
    write_table(folder / "train.csv", rows)
    truncate(folder / "train_images" / files[25])
    empty(folder / "test_images" / files[train + 7])
    prior, sample = " ".join(ranked(label[:train])[:5]), " ".join(individuals[:5])
    return submission(folder / "sample_submission.csv", {"image": files[train:]}, {"predictions": label[train:]}, [prior], [sample])


def hotels(folder: Path, generator: Generator) -> Built:
    """The folders are the chains and not the label; one picture stands in the table twice, with two chains."""
    train, test = 200, 60
    hotel_ids, chains = numbers(8, 90, 65_000, generator), (3, 5, 5, 88, 88, 0, 0, 0)
    kind = np.concatenate([mixed(range(8), count, generator) for count in (train, test)])
    files = [f"{name}.jpg" for name in hexes(len(kind), 16, generator)]
    files[0] = "ce27d36c9147cc19.jpg"
    for number, picture in enumerate(drawing.pictures(kind, generator, 36, 48)):
        place = f"train_images/{chains[kind[number]]}" if number < train else "test_images"
        drawing.save(folder / place / files[number], picture)
    twin = next(number for number in range(8) if chains[number] != chains[kind[0]])
    drawing.save(
        folder / f"train_images/{chains[twin]}/{files[0]}", cv2.imread(str(folder / f"train_images/{chains[kind[0]]}/{files[0]}"))[:, :, ::-1]
    )
    rows = [*range(train), 0]
    hotel = [*kind[:train], twin]
    stamps = [f"2018-{month:02d}-{day:02d} 0{hour}:59:00" for month, day, hour in generator.integers(1, (13, 29, 10), (len(rows), 3))]
    table = {
        "image": [files[row] for row in rows],
        "chain": [chains[number] for number in hotel],
        "hotel_id": [hotel_ids[number] for number in hotel],
    }
    write_table(folder / "train.csv", {**table, "timestamp": stamps})
    truncate(folder / f"train_images/{chains[kind[14]]}/{files[14]}")
    label = [str(hotel_ids[number]) for number in kind]
    prior, sample = " ".join(ranked(label[:train])[:5]), " ".join(str(number) for number in hotel_ids[:5])
    return submission(folder / "sample_submission.csv", {"image": files[train:]}, {"hotel_id": label[train:]}, [prior], [sample])


# The texts are Kaggle's evaluation pages, shortened.
MAP_5 = (
    "Submissions are evaluated according to the Mean Average Precision @ 5 (MAP@5): MAP@5 = 1/U sum_u sum_k P(k) x rel(k), where U is the "
    "number of images, P(k) is the precision at cutoff k and rel(k) equals 1 if the item at rank k is a relevant (correct) label."
)
IMET_FILES = "The metric is F2: attribute_ids are space-delimited. labels.csv provides descriptions of the attributes."
RMSE = "The evaluation metric for this competition is Root Mean Squared Error."
PAWPULARITY = (
    "Submissions are scored on the root mean squared error. For each Id in the test set, you must predict a probability for the target "
    "variable, Pawpularity. The file should contain a header and have the following format: Id, Pawpularity 0008dbfb52aa1dc6, 99.24"
)
MEAN_F2 = (
    "Submissions will be evaluated based on their mean F2 score. The F score, commonly used in information retrieval, measures accuracy using "
    "the precision p and recall r. The F2 metric weights recall more heavily than precision. The mean F2 score is formed by averaging the "
    "individual F2 scores for each row in the test set."
)
LINES = (
    "Submissions are evaluated on area under the ROC curve between the predicted probability and the observed target. To calculate the final "
    "score, AUC is calculated for each of the labels, then averaged. The score is then the average of the individual AUCs of each predicted column."
)

ENTRIES: list[Entry] = [
    Entry(
        "imet-2020-fgvc7",
        imet,
        "micro_f1_labels",
        "Submissions will be evaluated based on their micro averaged F1 score.",
        {"data-description": IMET_FILES},
        code_competition=True,
        expects=expect("multilabel", "labels", "table", "micro_f1", "stem"),
    ),
    Entry(
        "petfinder-pawpularity-score",
        petfinder,
        "rmse",
        PAWPULARITY,
        code_competition=True,
        expects=expect("regression", "number", "table", "rmse", "stem"),
    ),
    Entry("whale-categorization-playground", whales, "map5", MAP_5, expects=expect("multiclass", "ranking", "table", "map_at_k", "name")),
    Entry(
        "planet-understanding-the-amazon-from-space",
        planet,
        "samples_f2_labels",
        MEAN_F2,
        expects=expect("multilabel", "labels", "table", "samples_f2", "stem"),
    ),
    Entry(
        "human-protein-atlas-image-classification",
        protein_atlas,
        "macro_f1_labels",
        "Submissions will be evaluated based on their macro F1 score.",
        expects=expect("multilabel", "labels", "table", "macro_f1", "suffixes"),
    ),
    Entry("happy-whale-and-dolphin", happy_whale, "map5", MAP_5, expects=expect("multiclass", "ranking", "table", "map_at_k", "name")),
    Entry("galaxy-zoo-the-galaxy-challenge", galaxy_zoo, "rmse", RMSE, expects=expect("regression", "columns", "columns", "rmse", "stem")),
    Entry(
        "ranzcr-clip-catheter-line-classification",
        ranzcr,
        "column_auc",
        LINES,
        code_competition=True,
        expects=expect("multilabel", "columns", "columns", "roc_auc", "stem", "PatientID"),
    ),
    Entry("hotel-id-2021-fgvc8", hotels, "map5", MAP_5, code_competition=True, expects=expect("multiclass", "ranking", "table", "map_at_k", "name")),
]
