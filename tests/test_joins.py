from itertools import pairwise

import pytest

from clf import joins

PICTURES = [f"train/{name}" for name in ("p2/s10.dcm", "p2/s2.dcm", "p2/s1.dcm", "p1/a/s1.dcm", "p1/b/s1.dcm", "x_red.png", "x_green.png", "y.png")]


@pytest.mark.parametrize(
    ("identifier", "found"),
    [
        ("y", ["train/y.png"]),
        ("y.jpg", ["train/y.png"]),
        ("x", ["train/x_red.png|train/x_green.png"]),
        ("x.png", ["train/x_red.png|train/x_green.png"]),
        ("p2", ["train/p2/s1.dcm", "train/p2/s2.dcm", "train/p2/s10.dcm"]),  # by number, not by letter
        ("train/p2/", ["train/p2/s1.dcm", "train/p2/s2.dcm", "train/p2/s10.dcm"]),
        ("p1", ["train/p1/a/s1.dcm", "train/p1/b/s1.dcm"]),
        ("p1/b", ["train/p1/b/s1.dcm"]),
        ("p", []),
        ("z", []),
    ],
)
def test_an_id_finds_a_file_its_channels_or_a_folder(identifier, found):
    ends = ("_red", "_green") if identifier.startswith(("x", "y")) else ()
    places = joins.Places(PICTURES, ends)
    assert places.find(identifier) == found
    assert places.names(identifier) == bool(found)


def test_a_picture_that_lacks_a_channel_is_missing():
    assert joins.Places(["a_red.png", "b_red.png", "b_green.png"], ("_red", "_green")).find("a") == []


def test_of_many_slices_some_are_taken_evenly():
    names = [f"p/{number}.dcm" for number in range(1, 101)]
    found = joins.Places(names).find("p")
    assert len(found) == joins.MOST_VIEWS
    assert (found[0], found[-1]) == ("p/1.dcm", "p/100.dcm")
    steps = [int(second[2:-4]) - int(first[2:-4]) for first, second in pairwise(found)]
    assert set(steps) == {9}


def test_share_of_ids_with_a_picture():
    assert joins.Places(PICTURES).share(["y", "p1", "no", ""]) == 0.5
    assert joins.Places(PICTURES).share([]) == 0


# -- endings of file names -------------------------------------------------------------------------------------------------------------


def files(ids, ends):
    return [f"train/{name}{end}.png" for name in ids for end in ends]


def test_suffixes_are_ordered_as_colours_then_by_number():
    ids = [f"id{number:03d}" for number in range(60)]
    assert joins.suffixes(files(ids, ["_yellow", "_blue", "_green", "_red"]), ids) == ("_red", "_green", "_blue", "_yellow")
    assert joins.suffixes(files(ids, ["_10", "_2", "_1"]), ids) == ("_1", "_2", "_10")
    assert joins.suffixes(files(ids, ["_band1"]), ids) == ("_band1",)


def test_suffixes_are_those_of_nearly_every_id():
    ids = [f"id{number:03d}" for number in range(60)]
    assert joins.suffixes(files(ids, ["_a", "_b"]) + files(ids[:30], ["_c"]), ids) == ("_a", "_b")
    assert joins.suffixes(files(ids, ["_a", "_b"])[:-1], ids) == ("_a", "_b")
    assert joins.suffixes(files(ids, ["", "_mask"]), ids) == ()  # files are called like the ids
    assert joins.suffixes(files(ids, [f"_{number}" for number in range(20)]), ids) == ()  # no channels
    assert joins.suffixes(files(ids, ["x", "y"]), ids) == ()  # id1 is no id10's front
    assert joins.suffixes(files(["other"], ["_a"]), ids) == ()


# -- folders ---------------------------------------------------------------------------------------------------------------------------


def test_covering_finds_the_deepest_folders_of_most_ids():
    names = [f"data/train/{number}.png" for number in range(10)] + [f"data/test/{number}.png" for number in range(6)] + ["logo.png"]
    assert joins.covering(names, [str(number) for number in range(10)]) == (["data/train"], 1.0)
    roots, share = joins.covering(names, [str(number) for number in range(6)])
    assert (sorted(roots), share) == (["data/test", "data/train"], 1.0)
    assert joins.covering(names, ["9", "8", "no", "none"]) == (["data/train"], 0.5)
    assert joins.covering(names, ["no"]) == ([], 0.0)
    parted = [f"train/{number % 3}/{number}.png" for number in range(9)]
    assert joins.covering(parted, [str(number) for number in range(9)]) == (["train"], 1.0)


def test_covering_knows_channels_and_folders_of_slices():
    assert joins.covering([*files(["a", "b"], ["_red", "_green"]), "test/a_red.png"], ["a", "b"], ("_red", "_green")) == (["train"], 1.0)
    slices = [f"train/{name}/{number}.dcm" for name in "ab" for number in range(3)] + [f"test/c/{number}.dcm" for number in range(3)]
    assert joins.covering(slices, ["a", "b"]) == (["train"], 1.0)
    assert joins.covering(slices, ["c"])[0] in (["test/c"], ["test"])


# -- long submissions --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("examples", "targets", "sign"),
    [
        (["ID_1", "ID_2"], ["any", "epidural"], "_"),
        (["1.2.826.0", "1.2.826.1"], ["C1", "C2", "patient_overall"], "_"),
        (["p-1", "p-2"], ["overall", "patient_overall"], "_"),
        (["a b", "c d"], ["red fox", "elk"], ":"),
        (["x", "y"], ["ETT - Abnormal", "ETT - Normal"], "|"),
    ],
)
def test_long_ids_are_parted_behind_the_example(examples, targets, sign):
    pairs = [(example, target) for example in examples for target in targets]
    ids = [example + sign + target for example, target in pairs]
    found, ends = joins.split_rows(ids, ["other", *targets, ""])
    assert list(zip(found, ends, strict=True)) == pairs
    back = [ids[place] for place in (3, 0, 2, 1, *range(4, len(ids)))]
    assert joins.split_rows(back, targets)[1] == [pairs[ids.index(name)][1] for name in back]


@pytest.mark.parametrize(
    "ids",
    [
        ["1_a", "1_b", "2_a"],  # not every example has every target
        ["1_a", "2_a"],  # one target only
        ["1_a", "1_b", "2_a", "2_c"],  # a stranger
        ["a", "b"],
        ["_a", "_b"],
        [],
    ],
)
def test_other_ids_are_not_parted(ids):
    assert joins.split_rows(ids, ["a", "b"]) is None


def test_endings_are_a_small_set_that_every_front_has():
    assert joins.endings(["p1_L", "p1_R", "p2_L", "p2_R"]) == {"L", "R"}
    assert joins.endings(["p1_L", "p1_R", "p2_L"]) == set()
    assert joins.endings(["p1_L", "p2_L"]) == set()
    assert joins.endings(["p1", "p2"]) == set()
    assert joins.endings(["p1_L", "p1_R", "p1_L", "p1_R"]) == {"L", "R"}
    assert joins.endings([f"img_{number}" for number in range(300)]) == set()


# -- names -------------------------------------------------------------------------------------------------------------------------------


def test_names_are_matched_loosely_only_where_that_is_clear():
    assert joins.matched(["Red Oak", "elm"], ["red_oak", "elm"]) == {"Red Oak": "red_oak", "elm": "elm"}
    assert joins.matched(["A", "a"], ["a", "A"]) == {"A": "A", "a": "a"}
    assert joins.matched(["x-y"], ["x_y", "XY"]) == {}
    assert joins.matched(["elm", "oak"], ["elm"]) == {"elm": "elm"}


def test_numbers_sort_by_value_inside_of_names():
    assert sorted(["10", "9", "x2", "x10", "1.5", "a"], key=joins.natural) == ["1.5", "9", "10", "a", "x2", "x10"]
