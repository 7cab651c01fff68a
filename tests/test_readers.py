"""Each layout small and whole: written here, understood by 02's decisions, read by its reader."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clf import config, images, problem, readers, survey
from tests import layouts
from tests.zoo import writing


@dataclass
class Wanted:
    """What the readers are to find: label and path of each training id, path (or paths) of each test id in the sample's order."""

    labels: dict[str, str]
    paths: dict[str, str]
    test: dict[str, str]


def sample(raw: Path, ids: list, name: str = "label", value: object = "x", **more) -> None:
    pd.DataFrame({"id": ids, name: value, **more}).to_csv(raw / "sample_submission.csv", index=False)


def long(raw: Path) -> Wanted:
    """As rsna-intracranial-hemorrhage: a row for each picture and target, in train and in the sample."""
    kinds, sets = ["any", "epidural"], {"ID_1": "", "ID_2": "any", "ID_3": "any epidural"}
    train = {f"ID_{number}": sets[f"ID_{number % 3 + 1}"] for number in range(12)}
    test = [f"ID_t{number}" for number in range(4)]
    layouts.grey(raw, [f"train/{name}.png" for name in train] + [f"test/{name}.png" for name in test])
    rows = [(f"{name}_{kind}", int(kind in label.split())) for name, label in train.items() for kind in kinds]
    pd.DataFrame(rows + rows[:2], columns=["ID", "Label"]).to_csv(raw / "stage_2_train.csv", index=False)  # some rows twice, as there
    sample(raw, [f"{name}_{kind}" for name in test for kind in kinds], "Label", 0.5)
    return Wanted(train, {name: f"train/{name}.png" for name in train}, {name: f"test/{name}.png" for name in test})


def coco(raw: Path) -> Wanted:
    """As herbarium-2020: JSON in latin-1; numbers as ids, the same ones for train and for test pictures."""
    kinds = [f"{number}" for number in (3, 10, 14)]
    train = {str(number): kinds[number % 3] for number in range(15)}
    layouts.grey(raw, [f"train/images/{int(name) // 5}/{name}.jpg" for name in train] + [f"test/images/0/{number}.jpg" for number in range(5)])
    pictures = [{"id": int(name), "file_name": f"images/{int(name) // 5}/{name}.jpg"} for name in train]
    notes = [{"id": 100 + int(name), "image_id": int(name), "category_id": int(label)} for name, label in train.items()]
    named = [{"id": int(name), "name": f"Châtaigne {name}"} for name in kinds]
    write_json(raw / "train" / "metadata.json", {"images": pictures, "annotations": notes, "categories": named})
    write_json(raw / "test" / "metadata.json", {"images": [{"id": number, "file_name": f"images/0/{number}.jpg"} for number in range(5)]})
    sample(raw, range(5), "Predicted", 0)
    paths = {name: f"train/images/{int(name) // 5}/{name}.jpg" for name in train}
    return Wanted(train, paths, {str(number): f"test/images/0/{number}.jpg" for number in range(5)})


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode("latin-1"))


def records(raw: Path) -> Wanted:
    """As statoil: lists of records whose arrays are bands of a picture."""
    labels = {f"{number:08x}": str(number % 2) for number in range(12)}
    for name, ids, more in (("train", labels, True), ("test", ["t1", "t2", "t3"], False)):
        rows = [{"id": one, "band_1": np.arange(64.0).tolist(), "band_2": [float(place)] * 64} for place, one in enumerate(ids)]
        write_json(raw / f"{name}.json", [{**row, "is_iceberg": int(labels[row["id"]])} for row in rows] if more else rows)
    sample(raw, ["t3", "t1", "t2"], "is_iceberg", 0.5)
    paths = {name: f"train.json#{number}" for number, name in enumerate(labels)}
    return Wanted(labels, paths, {"t3": "test.json#2", "t1": "test.json#0", "t2": "test.json#1"})


def tfrecord(raw: Path) -> Wanted:
    """As flower-classification-with-tpus: the same pictures in two sizes, labels as numbers, none for the test's."""
    labels, test = {f"f{number}": str(number % 3) for number in range(12)}, ["t0", "t1", "t2", "t3"]
    for side in (16, 32):
        folder = raw / f"jpeg-{side}"
        layouts.grey(folder, [f"{name}.png" for name in [*labels, *test]], side)
        content = {name: (folder / f"{name}.png").read_bytes() for name in [*labels, *test]}
        for name in content:
            (folder / f"{name}.png").unlink()
        train = [{"image": content[name], "id": name, "class": int(label)} for name, label in labels.items()]
        writing.write_tfrecord(folder / "train" / "00-8.tfrec", train[:8])
        writing.write_tfrecord(folder / "train" / "01-4.tfrec", train[8:])
        writing.write_tfrecord(folder / "test" / "00.tfrec", [{"image": content[name], "id": name} for name in test])
    sample(raw, test[::-1], value=0)
    paths = {f"f{number}": f"jpeg-32/train/{'00-8' if number < 8 else '01-4'}.tfrec#{number % 8}" for number in range(12)}
    return Wanted(labels, paths, {name: f"jpeg-32/test/00.tfrec#{number}" for number, name in list(enumerate(test))[::-1]})


def whole(name: str) -> Callable[[Path], Wanted]:
    """A layout of `tests.layouts`: labels and paths follow from its file names."""

    def build(raw: Path) -> Wanted:
        answers = layouts.build(name, raw, pictures=30, side=32)
        ids = list(answers.iloc[:, 0].astype(str))
        if name == "pixels":
            numbers = [str(number) for number in range(30)]
            test = {one: f"test.csv#{place}" for place, one in enumerate(ids)}
            return Wanted({one: str(int(one) % 3) for one in numbers}, {one: f"train.csv#{one}" for one in numbers}, test)
        if name in ("folders", "filename"):
            paths = [path.relative_to(raw / "train").as_posix() for path in (raw / "train").rglob("*.*")]
            labels = {path: path.split("/")[0] if "/" in path else path.split(".")[0] for path in paths}
            end = ".jpg" if name == "filename" else ""
            return Wanted(labels, {path: f"train/{path}" for path in paths}, {one: f"test/{one}{end}" for one in ids})
        table = pd.read_csv(raw / ("labels.csv" if name == "table" else "train.csv"), dtype=str)
        labels = table.iloc[:, 1] if name == "table" else table.iloc[:, 1:].astype(int).idxmax(axis=1)
        train, test = ("train", "test") if name == "table" else ("images", "images")
        ids_of_train = table.iloc[:, 0]
        return Wanted(
            dict(zip(ids_of_train, labels, strict=True)),
            {one: f"{train}/{one}.jpg" for one in ids_of_train},
            {one: f"{test}/{one}.jpg" for one in ids},
        )

    return build


BUILDERS = {**{name: whole(name) for name in layouts.LAYOUTS}, "long": long, "coco": coco, "json": records, "tfrecord": tfrecord}
YOURS = {"json": {"metric": "log_loss"}}


def test_each_reader_s_layout_can_be_written_in_problem_toml_and_is_tested_here():
    assert tuple(readers.READERS) == problem.LAYOUTS
    assert set(readers.READERS) == set(BUILDERS)


@pytest.mark.parametrize("layout", readers.READERS)
def test_every_reader_finds_every_row(layout, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    wanted = BUILDERS[layout](raw)
    draft = layouts.inferred(raw, **YOURS.get(layout, {}))
    assert draft.known.layout == layout
    train, test = readers.labelled(draft.raw, draft.known), readers.test(draft.raw, draft.known)
    assert set(train) == {"id", "label", "path"}
    assert all(isinstance(value, str) for value in train.to_numpy().ravel())
    assert dict(zip(train["id"], train["label"], strict=True)) == wanted.labels
    assert dict(zip(train["id"], train["path"], strict=True)) == wanted.paths
    assert list(zip(test["id"], test["path"], strict=True)) == list(wanted.test.items())
    found = dict(images.stream(raw, [*train["path"], *test["path"]], window=draft.known.window))
    assert all(isinstance(picture, np.ndarray) for picture in found.values())
    rows, aside = survey.reject(train)
    assert (len(rows), len(aside)) == (len(wanted.labels), 0)


# -- labels as train.csv writes them -------------------------------------------------------------------------------------------------


def test_a_picture_with_several_categories_has_them_all(tmp_path):
    raw = tmp_path / "raw"
    layouts.grey(raw, [f"train/{number}.jpg" for number in range(12)] + [f"test/{number + 50}.jpg" for number in range(4)])
    pictures = [{"id": number, "file_name": f"{number}.jpg"} for number in range(12)]
    notes = [{"image_id": number, "category_id": kind} for number in range(12) for kind in {number % 3, (number + number // 6) % 3}]
    write_json(raw / "train.json", {"images": pictures, "annotations": notes, "categories": [{"id": kind, "name": f"k {kind}"} for kind in range(3)]})
    sample(raw, [number + 50 for number in range(4)], "predicted", "0 1")
    known = layouts.inferred(raw).known
    assert (known.layout, known.kind, known.separator, known.style) == ("coco", "multilabel", "|", "labels")
    assert known.classes == ("0", "1", "2")
    train = readers.labelled(layouts.Raw(raw), known)
    assert train["label"].map(lambda label: frozenset(label.split("|"))).to_list() == [
        frozenset({str(number % 3), str((number + number // 6) % 3)}) for number in range(12)
    ]


def test_labels_of_columns_are_names_sets_shares_or_nothing():
    values = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, np.nan, 1], [2, 0, 0], [0.25, 0.75, 0.8]])
    names = ["healthy", "leaf rust", "scab"]

    def written(kind: str) -> list[str | None]:
        return readers._labels(type("Known", (), {"kind": kind, "separator": "|"}), names, values)

    assert written("multiclass") == ["healthy", None, None, None, None, None]
    assert written("multilabel") == ["healthy", "leaf rust|scab", "", None, "healthy", "leaf rust|scab"]
    assert written("soft") == ["1 0 0", "0 0.5 0.5", None, None, "1 0 0", "0.138888889 0.416666667 0.444444444"]
    assert written("regression") == ["1 0 0", "0 1 1", "0 0 0", None, "2 0 0", "0.25 0.75 0.8"]


def test_empty_cells_are_no_labels_and_repeated_names_count_once():
    def written(cells: list[str], separator: str = "", kind: str = "multilabel", columns: tuple[str, ...] = ("label",)) -> list[str | None]:
        return readers._cells(type("Known", (), {"separator": separator, "kind": kind, "columns": columns}), pd.Series(cells, dtype=object))

    assert written([" cat ", "", "  ", "NA"]) == ["cat", None, None, "NA"]
    assert written(["b a", "a  a", "", " c"], " ") == ["b a", "a", None, "c"]
    assert written(["red fox, elk", "elk,,elk"], ",") == ["red fox,elk", "elk"]
    two = ("edema", "mass")  # columns of the submission: what stands alone and has none is the name of nothing
    assert written(["No Finding", "edema|mass", "mass", ""], "|", columns=two) == ["", "edema|mass", "mass", None]
    assert written(["cyst|mass", "cyst", "edema"], "|", columns=two) == ["cyst|mass", "cyst", "edema"]
    assert written(["1.50", " 1e3 ", "NA", "", "inf", "-2"], kind="regression") == ["1.50", "1e3", None, None, None, "-2"]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["cat.{}.jpg", "dog.{}.jpg"], ["cat", "dog"]),
        (["great_pyrenees_{}.jpg", "Abyssinian_{}.jpg"], ["great_pyrenees", "Abyssinian"]),
        (["n01440764_{}.JPEG", "n02102040_{}.JPEG"], ["n01440764", "n02102040"]),
        (["{}_cat.png", "{}_dog.png"], ["cat", "dog"]),
        (["3_{}.png", "7_{}.png"], ["3", "7"]),
        (["red fox ({}).png", "elk ({}).png"], ["red fox", "elk"]),
    ],
)
def test_labels_in_file_names(names, labels):
    files = [name.format(f"{number:04d}") for number in range(12) for name in names]
    assert readers.filename_labels(files) == labels * 12


def test_hashes_as_names_hold_no_labels():
    generator = np.random.default_rng(0)
    assert readers.filename_labels([f"{generator.bytes(16).hex()}.jpg" for _ in range(200)]) is None
    assert readers.filename_labels([f"{number}.jpg" for number in range(200)]) is None


# -- class folders -------------------------------------------------------------------------------------------------------------------


def test_class_folders_below_those_of_patients(tmp_path):
    raw = tmp_path / "raw"
    places = [(f"p{patient}", kind, number) for patient in range(6) for kind in ("benign", "tumour") for number in range(3)]
    layouts.grey(raw, [f"train/{patient}/{kind}/{patient}{kind[0]}{number}.png" for patient, kind, number in places])
    layouts.grey(raw, [f"test/x{number}.png" for number in range(5)])
    sample(raw, [f"x{number}" for number in range(5)], value="benign")
    draft = layouts.inferred(raw)
    assert (draft.known.layout, draft.known.train_root, draft.known.classes) == ("folders", "train", ("benign", "tumour"))
    assert draft.known.group == readers.FOLDER
    train = readers.labelled(draft.raw, draft.known)
    assert train["group"].tolist() == [name.split("/")[0] for name in train["id"]]
    assert train["label"].tolist() == [name.split("/")[1] for name in train["id"]]


def test_class_folders_beside_a_validation_set(tmp_path):
    raw = tmp_path / "raw"
    layouts.grey(raw, [f"{part}/{kind}/{number}.png" for part, count in (("train", 9), ("valid", 3)) for kind in "abc" for number in range(count)])
    layouts.grey(raw, [f"test/{number}.png" for number in range(5)])
    sample(raw, [f"{number}.png" for number in range(5)], value="a")
    draft = layouts.inferred(raw)
    train, test = readers.labelled(draft.raw, draft.known), readers.test(draft.raw, draft.known)
    assert draft.known.classes == ("a", "b", "c")
    assert test["path"].tolist() == [f"test/{number}.png" for number in range(5)]
    assert not train["path"].str.startswith("test").any()
    assert len(train) == 27
    assert "valid" in draft.evidence["train_root"]


# -- renames -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", [False, True])
def test_names_become_the_numbers_of_a_map_beside_them(turned, tmp_path):
    """As cassava, had its table held the names."""
    kinds = ["mosaic", "healthy", "rot = brown"]
    raw = layouts.small(tmp_path / "raw", {"label": kinds * 4}, {"label": 2})
    numbers = {name: number for number, name in enumerate(kinds)}
    write_json(raw / "label_map.json", {str(number): name for name, number in numbers.items()} if turned else numbers)
    draft = layouts.inferred(raw)
    assert (draft.known.classes, draft.known.style) == (("0", "1", "2"), "label")
    assert readers.labelled(draft.raw, draft.known)["label"].tolist() == ["0", "1", "2"] * 4
    pd.DataFrame({"number": [10, 11, 12], "name": kinds}).to_csv(raw / "names.csv", index=False)
    (raw / "label_map.json").unlink()
    assert layouts.inferred(raw).known.classes == ("10", "11", "12")


def test_a_map_that_lacks_a_label_is_not_used(tmp_path):
    raw = layouts.small(tmp_path / "raw", {"label": ["a", "b", "c"] * 4}, {"label": 2})
    write_json(raw / "map.json", {"a": 0, "b": 1})
    draft = layouts.inferred(raw)
    assert (draft.known.renames, draft.known.style, draft.known.classes) == ((), "index", ("a", "b", "c"))
    assert draft.evidence["style"].startswith("assumed")


def test_renames_of_the_user_may_join_classes(tmp_path):
    """As alaska2: four folders, one question with two answers."""
    raw = tmp_path / "raw"
    kinds = ["Cover", "JMiPOD", "JUNIWARD", "UERD"]
    layouts.grey(raw, [f"{kind}/{number:05d}.jpg" for kind in kinds for number in (3, 8, 21, 34, 60, 77)])
    layouts.grey(raw, [f"Test/{number:04d}.jpg" for number in range(4)])
    sample(raw, [f"{number:04d}.jpg" for number in range(4)], "Label", 0)
    facts = {"metric": "Weighted AUC"}
    with pytest.raises(config.Mistake, match=r"4 labels \(Cover.*which are 1.*\[renames\]"):
        layouts.inferred(raw, facts)
    draft = layouts.inferred(raw, facts, renames=tuple(f"{kind} = {int(kind != 'Cover')}" for kind in kinds))
    assert (draft.known.kind, draft.known.classes, draft.known.style, draft.known.positive) == ("binary", ("0", "1"), "positive", "1")
    assert draft.known.group == readers.FILE_NAME
    train = readers.labelled(draft.raw, draft.known)
    assert train["label"].value_counts().to_dict() == {"1": 18, "0": 6}
    assert train.groupby("group").size().eq(4).all()


def test_renames_reach_each_of_several_labels(tmp_path):
    raw = layouts.small(tmp_path / "raw", {"tags": ["a b", "b", "c a", "c", "b c", "a"] * 4}, {"tags": "a"})
    draft = layouts.inferred(raw, renames=("a = 1", "b = 2", "c = 2"))
    assert draft.known.classes == ("1", "2")
    assert readers.labelled(draft.raw, draft.known)["label"].tolist()[:6] == ["1 2", "2", "2 1", "2", "2", "1"]


# -- test pictures -------------------------------------------------------------------------------------------------------------------


def test_ids_of_several_pictures_through_a_table(tmp_path):
    """As rsna-breast-cancer: an id is a breast, the test table names its pictures."""
    raw = tmp_path / "raw"
    layouts.grey(
        raw,
        [f"train_images/{number // 2}/{number}.png" for number in range(20)]
        + [f"test_images/9{number // 3}/{100 + number}.png" for number in range(6)],
    )
    train = {"patient_id": [number // 2 for number in range(20)], "image_id": range(20), "cancer": [number // 2 % 2 for number in range(20)]}
    pd.DataFrame(train).to_csv(raw / "train.csv", index=False)
    test = {"patient_id": [90] * 3 + [91] * 3, "image_id": range(100, 106), "prediction_id": ["90_L", "90_R", "90_R", "91_L", "91_L", "91_R"]}
    pd.DataFrame(test).to_csv(raw / "test.csv", index=False)
    pd.DataFrame({"prediction_id": ["91_R", "91_L", "90_L", "90_R"], "cancer": 0.02}).to_csv(raw / "sample_submission.csv", index=False)
    draft = layouts.inferred(raw)
    assert (draft.known.test_file, draft.known.aggregate, draft.known.group) == ("test.csv", "mean", "patient_id")
    found = readers.test(draft.raw, draft.known)
    assert found["row"].tolist() == ["91_R", "91_L", "91_L", "90_L", "90_R", "90_R"]
    assert found["path"].tolist() == [f"test_images/9{one}" for one in ("1/105.png", "1/103.png", "1/104.png", "0/100.png", "0/101.png", "0/102.png")]
    assert found["id"].is_unique
    assert readers.labelled(draft.raw, draft.known)["label"].tolist() == [str(number // 2 % 2) for number in range(20)]


def test_folders_of_slices_are_examples_of_several_pictures(tmp_path):
    """As rsna-miccai: a folder for each patient, ids that begin with zeros."""
    raw = tmp_path / "raw"
    layouts.grey(
        raw,
        [
            f"{part}/{number:05d}/s-{place}.png"
            for part, ids in (("train", range(12)), ("test", range(20, 24)))
            for number in ids
            for place in (1, 2, 10)
        ],
    )
    pd.DataFrame({"BraTS21ID": [f"{number:05d}" for number in range(12)], "MGMT_value": [0, 1] * 6}).to_csv(raw / "train_labels.csv", index=False)
    pd.DataFrame({"BraTS21ID": [f"{number:05d}" for number in range(20, 24)], "MGMT_value": 0.5}).to_csv(raw / "sample_submission.csv", index=False)
    draft = layouts.inferred(raw)
    assert (draft.known.train_root, draft.known.test_root, draft.known.aggregate) == ("train", "test", "mean")
    train, test = readers.labelled(draft.raw, draft.known), readers.test(draft.raw, draft.known)
    assert (len(train), len(test)) == (36, 12)
    assert train["group"].tolist() == [f"{number:05d}" for number in range(12) for _ in range(3)]
    assert train["label"].tolist() == [str(number % 2) for number in range(12) for _ in range(3)]
    assert test["path"].tolist()[:3] == [f"test/00020/s-{place}.png" for place in (1, 2, 10)]
    assert test["row"].tolist() == [f"{number:05d}" for number in range(20, 24) for _ in range(3)]


def test_channels_in_files_of_their_own(tmp_path):
    """As human-protein-atlas: four grey files for each id, labels as sets."""
    raw = tmp_path / "raw"
    ids = [f"{number:04x}-bbad" for number in range(32)]
    layouts.grey(
        raw,
        [
            f"{'train' if place < 12 else 'test'}/{name}_{colour}.png"
            for place, name in enumerate(ids)
            for colour in ("blue", "green", "red", "yellow")
        ],
    )
    pd.DataFrame({"Id": ids[:12], "Target": ["5 0", "5", "7 0", "7", "0", "5 7"] * 2}).to_csv(raw / "train.csv", index=False)
    pd.DataFrame({"Id": ids[12:], "Predicted": "0"}).to_csv(raw / "sample_submission.csv", index=False)
    (raw / "test" / f"{ids[13]}_blue.png").unlink()
    draft = layouts.inferred(raw)
    assert draft.known.suffixes == ("_red", "_green", "_blue", "_yellow")
    assert (draft.known.kind, draft.known.separator, draft.known.classes) == ("multilabel", " ", ("0", "5", "7"))
    train, test = readers.labelled(draft.raw, draft.known), readers.test(draft.raw, draft.known)
    assert train["path"][0] == "|".join(f"train/{ids[0]}_{colour}.png" for colour in ("red", "green", "blue", "yellow"))
    assert [bool(path) for path in test["path"]] == [place != 1 for place in range(20)]


def test_rows_of_pixels_by_the_sample_s_base_or_by_a_column(tmp_path):
    header = ",".join(f"pixel{number}" for number in range(64))
    row = ",".join(["7"] * 64)
    (tmp_path / "test.csv").write_text("\n".join([header, row, row]) + "\n")
    (tmp_path / "named.csv").write_text("\n".join([f"key,{header}", f"b,{row}", f"a,{row}"]) + "\n")
    raw = layouts.Raw(tmp_path)
    assert readers._test_rows(raw, "test.csv", ["1", "2"]) == ["test.csv#0", "test.csv#1"]
    assert readers._test_rows(raw, "test.csv", ["2", "1"]) == ["test.csv#1", "test.csv#0"]
    assert readers._test_rows(raw, "test.csv", ["0", "1", "2"]) == ["test.csv#0", "test.csv#1", ""]
    assert readers._test_rows(raw, "named.csv", ["a", "b"]) == ["named.csv#1", "named.csv#0"]


@pytest.mark.parametrize("ids", [["00012", "00013"], ["1e10", "12e4"], ["NA", "null"], ["1.20", "1.2"], ["a.b.c", "TRUE"]])
def test_ids_stay_text(ids, tmp_path):
    raw = layouts.small(tmp_path / "raw", {"label": ["x", "y"] * 6}, {"label": "x"})
    table = pd.read_csv(raw / "train.csv", dtype=str)
    table.loc[:1, "image"] = ids
    table.to_csv(raw / "train.csv", index=False)
    layouts.grey(raw, [f"train/{name}.png" for name in ids] + [f"test/{name}.png" for name in ids])
    pd.DataFrame({"image": [*ids, "test0", "test1"], "label": "x"}).to_csv(raw / "sample_submission.csv", index=False)
    draft = layouts.inferred(raw)
    assert readers.labelled(draft.raw, draft.known)["path"].tolist()[:2] == [f"train/{name}.png" for name in ids]
    assert readers.test(draft.raw, draft.known)[["id", "path"]].to_numpy().tolist()[:2] == [[name, f"test/{name}.png"] for name in ids]
