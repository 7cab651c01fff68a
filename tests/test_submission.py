"""Submissions of every style against hand-written files; each check is broken on purpose and seen to fail."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from clf import config, preflight, styles, submission, targets
from clf.problem import STYLES, Problem

PLAIN = Problem(
    competition="toy",
    submission_file="sample_submission.csv",
    id_column="id",
    columns=("Label",),
    layout="table",
    label_file="labels.csv",
    file_id_column="id",
    test_file="",
    suffixes=(),
    test_root="test",
    train_root="train",
    label_column="breed",
    renames=(),
    separator="",
    metric="accuracy",
    style="label",
    classes=("cat", "NA", "1e10"),
    kind="multiclass",
    positive="",
    ranks=0,
    lowest=(),
    highest=(),
    group="",
    aggregate="",
    window=(),
    channels=3,
    side=32,
    fit="squash",
    flip_horizontal=True,
    flip_vertical=False,
)
IDS = ["0001.jpg", "0002", "1e10", "NA"]  # another order than the sample's
EXCLUSIVE = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.125, 0.125, 0.75], [0.75, 0.125, 0.125]])
SEVERAL = np.array([[0.5, 0.25, 0.25], [0.75, 0.5, 0.25], [0.125, 0.125, 0.75], [0.25, 0.125, 0.125]])


@dataclasses.dataclass(frozen=True)
class Case:
    """A style's problem, sample and predictions (of IDS), the file that has to come out, hidden answers, and the score by hand."""

    problem: Problem
    sample: str
    predicted: np.ndarray
    golden: str
    answers: str
    score: float


def long(header: str, cells: str, names: tuple[str, ...] = ("0002", "1e10", "NA", "0001.jpg")) -> str:
    """A file of long rows, `cells` for each example and class."""
    ids = [f"{name}_{label}" for name in names for label in PLAIN.classes]
    return header + "\n" + "".join(f"{row},{cell}\n" for row, cell in zip(ids, cells.split(), strict=True))


CASES = {
    "label": Case(
        PLAIN,
        "id,Label\n0002,cat\n1e10,cat\nNA,cat\n0001.jpg,cat\n",
        EXCLUSIVE,
        "id,Label\n0002,NA\n1e10,1e10\nNA,cat\n0001.jpg,cat\n",
        "id,Label\nNA,cat\n0002,NA\n0001.jpg,NA\n1e10,1e10\n",
        0.75,
    ),
    "index": Case(
        dataclasses.replace(PLAIN, style="index"),
        "id,Label\n0002,0\n1e10,0\nNA,0\n0001.jpg,0\n",
        EXCLUSIVE,
        "id,Label\n0002,1\n1e10,2\nNA,0\n0001.jpg,0\n",
        "id,Label\nNA,0\n0002,1\n0001.jpg,1\n1e10,2\n",
        0.75,
    ),
    "positive": Case(
        dataclasses.replace(PLAIN, kind="binary", classes=("cat", "dog"), style="positive", positive="dog", columns=("is_dog",), metric="log_loss"),
        "id,is_dog\n0002,0.5\n1e10,0.5\nNA,0.5\n0001.jpg,0.5\n",
        np.array([[0.5, 0.5], [0.25, 0.75], [0.125, 0.875], [0.75, 0.25]]),
        "id,is_dog\n0002,0.75\n1e10,0.875\nNA,0.25\n0001.jpg,0.5\n",
        "id,is_dog\nNA,0\n0002,1\n0001.jpg,0\n1e10,1\n",
        -(2 * math.log(0.75) + math.log(0.5) + math.log(0.875)) / 4,
    ),
    "columns": Case(
        dataclasses.replace(PLAIN, style="columns", columns=("cat", "NA", "1e10"), metric="log_loss"),
        "id,cat,NA,1e10\n0002,0.3,0.3,0.4\n1e10,0.3,0.3,0.4\nNA,0.3,0.3,0.4\n0001.jpg,0.3,0.3,0.4\n",
        EXCLUSIVE,
        "id,cat,NA,1e10\n0002,0.25,0.5,0.25\n1e10,0.125,0.125,0.75\nNA,0.75,0.125,0.125\n0001.jpg,0.5,0.25,0.25\n",
        "id,cat,NA,1e10\nNA,1,0,0\n0002,0,1,0\n0001.jpg,0,1,0\n1e10,0,0,1\n",
        -(2 * math.log(0.75) + math.log(0.5) + math.log(0.25)) / 4,
    ),
    "labels": Case(
        dataclasses.replace(PLAIN, style="labels", kind="multilabel", separator=" ", metric="samples_f1"),
        "id,Label\n0002,cat NA\n1e10,cat NA\nNA,cat NA\n0001.jpg,cat NA\n",
        SEVERAL,
        "id,Label\n0002,cat NA\n1e10,1e10\nNA,cat\n0001.jpg,cat\n",  # of NA no probability reaches one half
        "id,Label\nNA,cat\n0002,NA cat\n0001.jpg,cat 1e10\n1e10,NA\n",
        (1 + 1 + 2 / 3 + 0) / 4,
    ),
    "ranking": Case(
        dataclasses.replace(PLAIN, style="ranking", ranks=2, metric="map_at_k"),
        "id,Label\n0002,cat NA\n1e10,cat NA\nNA,cat NA\n0001.jpg,cat NA\n",
        EXCLUSIVE,
        "id,Label\n0002,NA cat\n1e10,1e10 cat\nNA,cat NA\n0001.jpg,cat NA\n",
        "id,Label\nNA,cat\n0002,cat\n0001.jpg,1e10\n1e10,1e10\n",
        (1 + 1 / 2 + 0 + 1) / 4,
    ),
    "number": Case(
        dataclasses.replace(PLAIN, style="number", kind="regression", classes=("age",), lowest=("0",), highest=("10",), metric="rmse"),
        "id,Label\n0002,5.5\n1e10,5.5\nNA,5.5\n0001.jpg,5.5\n",
        np.array([[2.5], [12.0], [-0.5], [1 / 3]]),
        "id,Label\n0002,10\n1e10,0\nNA,0.3333333\n0001.jpg,2.5\n",
        "id,Label\nNA,0.3333333\n0002,9\n0001.jpg,4.5\n1e10,0\n",
        math.sqrt((1 + 4) / 4),
    ),
    "rows": Case(
        dataclasses.replace(PLAIN, style="rows", kind="multilabel", columns=("p",), metric="log_loss"),
        long("id,p", "0.5 " * 12),
        SEVERAL,
        long("id,p", "0.75 0.5 0.25 0.125 0.125 0.75 0.25 0.125 0.125 0.5 0.25 0.25"),
        long("id,p", "1 0 0 0 1 1", ("NA", "0001.jpg")),
        -(math.log(0.25) + 2 * math.log(0.875) + math.log(0.5) + 2 * math.log(0.25)) / 6,
    ),
    "confidence": Case(
        dataclasses.replace(PLAIN, style="confidence", metric="average_precision"),
        "id,Label\n0002,cat 0.1\n1e10,cat 0.1\nNA,cat 0.1\n0001.jpg,cat 0.1\n",
        np.array([[0.5, 0.25, 0.25], [0.25, 0.625, 0.125], [0.125, 0.125, 0.75], [0.875, 0.0625, 0.0625]]),
        "id,Label\n0002,NA 0.625\n1e10,1e10 0.75\nNA,cat 0.875\n0001.jpg,cat 0.5\n",
        "id,Label\nNA,cat\n0002,NA\n0001.jpg,NA\n1e10,cat\n",
        (1 + 2 / 3) / 4,  # right, wrong, right, wrong
    ),
}


def built(style: str) -> str:
    case = CASES[style]
    return submission.text(submission.build(case.problem, submission.parse(case.sample), IDS, case.predicted))


def states(style: str, content: str, **more) -> dict[str, str]:
    done = preflight.check_file(CASES[style].problem, submission.parse(content), submission.parse(CASES[style].sample), **more)
    assert all(check.text for check in done)
    return {check.name: check.state for check in done}


def test_every_style_has_a_case():
    assert CASES.keys() == submission.WRITERS.keys() == set(STYLES)


@pytest.mark.parametrize("style", CASES)
def test_contract_of_every_style(style):
    case, content = CASES[style], built(style)
    assert content == case.golden
    assert set(states(style, content).values()) == {"passed"}
    assert states(style, content).keys() == {"header", *preflight.FILE}
    assert set(states(style, content, held_out=case.predicted).values()) == {"passed"}
    frame, answers = submission.parse(content), submission.parse(case.answers)
    assert submission.grade(case.problem, frame, answers) == pytest.approx(case.score, abs=1e-6)
    assert submission.grade(case.problem, frame.iloc[::-1], answers) == pytest.approx(case.score, abs=1e-6)
    first = answers.iloc[: 3 if style == "rows" else 1]
    right = {"number": 0, "positive": -math.log(0.75), "columns": -math.log(0.75), "rows": -(math.log(0.25) + 2 * math.log(0.875)) / 3}
    assert submission.grade(case.problem, frame, first) == pytest.approx(right.get(style, 1), abs=1e-6)  # rows without an answer do not count


@pytest.mark.parametrize("style", CASES)
def test_what_is_written_is_what_is_read(style):
    """Random predictions: the file says the decisions or, to its digits, the numbers."""
    case = CASES[style]
    generator = np.random.default_rng(3)
    shape = len(IDS), len(case.problem.classes)
    values = generator.uniform(0, 10, shape) if style == "number" else generator.dirichlet(np.ones(shape[1]), shape[0])
    frame = submission.build(case.problem, submission.parse(case.sample), IDS, values)
    said = submission.read(case.problem, submission.parse(submission.text(frame)))
    said = said[[submission.examples(case.problem, frame).index(name) for name in IDS]]
    if style in ("positive", "columns", "number", "rows"):
        assert said == pytest.approx(values, rel=1e-6)
    assert (said.argmax(1) == values.argmax(1)).all()
    if style == "confidence":
        assert said.max(1) == pytest.approx(values.max(1), rel=1e-6)
    if style == "ranking":
        assert (np.argsort(-said)[:, :2] == np.argsort(-values)[:, :2]).all()


def test_repeated_ids_of_the_sample_are_predicted_once_and_filled():
    sample = submission.parse("id,Label\nb,cat\na,cat\nb,cat\n")
    frame = submission.build(PLAIN, sample, ["a", "b"], EXCLUSIVE[:2])
    assert submission.text(frame) == "id,Label\nb,NA\na,cat\nb,NA\n"
    assert {check.state for check in preflight.check_file(PLAIN, frame, sample)} == {"passed"}


def test_other_columns_of_the_sample_stay():
    sample = submission.parse("id,Usage,Label\n7,Public,cat\n")
    assert submission.text(submission.build(PLAIN, sample, ["7"], EXCLUSIVE[1:2])) == "id,Usage,Label\n7,Public,NA\n"


def test_text_with_commas_quotes_and_blanks_survives():
    problem = dataclasses.replace(PLAIN, classes=(" a, b", 'c"d'), columns=(" labels",))
    sample = submission.parse('id, labels\n"x,1.jpg","c""d"\n')
    content = submission.text(submission.build(problem, sample, ["x,1.jpg"], np.array([[0.9, 0.1]])))
    assert content == 'id, labels\n"x,1.jpg"," a, b"\n'
    assert {check.state for check in preflight.check_file(problem, submission.parse(content), sample)} == {"passed"}


def test_log_loss_never_says_zero_or_one_and_120_written_columns_sum_to_one():
    classes = tuple(f"class {index}" for index in range(120))
    problem = dataclasses.replace(PLAIN, style="columns", classes=classes, columns=classes, metric="log_loss")
    certain = np.eye(120, dtype=np.float32)
    certain[1] = np.random.default_rng(0).dirichlet(np.ones(120)) * 1.01
    sample = submission.parse(f"id,{','.join(classes)}\n" + "".join(f"{row},{','.join(['0'] * 120)}\n" for row in range(120)))
    frame = submission.parse(submission.text(submission.build(problem, sample, [str(row) for row in range(120)], certain)))
    said = submission.read(problem, frame)
    assert said.min() > 0.9e-7
    assert said.max() < 1
    assert np.abs(said.sum(1) - 1).max() < 1e-9
    assert {check.name: check.state for check in preflight.check_file(problem, frame, sample)}["row sums"] == "passed"


def test_roc_auc_keeps_the_order_of_close_probabilities():
    problem = dataclasses.replace(CASES["positive"].problem, metric="roc_auc")
    dog = np.array([1e-9, 2e-9, 1 - 1e-10, 1.0])
    sample = submission.parse(CASES["positive"].sample)
    frame = submission.build(problem, sample, sample["id"].tolist(), np.stack([1 - dog, dog], axis=1))
    assert np.diff(submission.read(problem, submission.parse(submission.text(frame)))[:, 1]).min() > 0


def test_positive_style_follows_the_named_class_and_a_metric_that_wants_labels():
    problem = dataclasses.replace(CASES["positive"].problem, positive="cat", metric="accuracy")
    sample = submission.parse("id,is_dog\n7,0\n8,0\n")
    frame = submission.build(problem, sample, ["7", "8"], np.array([[0.9, 0.1], [0.2, 0.8]]))
    assert submission.text(frame) == "id,is_dog\n7,1\n8,0\n"
    assert submission.grade(problem, frame, submission.parse("id,is_dog\n7,1\n8,1\n")) == 0.5


@pytest.mark.parametrize(
    ("ids", "values"),
    [
        (IDS[:3], EXCLUSIVE[:3]),  # an id of the sample is not predicted
        ([*IDS, "NA"], np.vstack([EXCLUSIVE, EXCLUSIVE[:1]])),  # twice
        (IDS, EXCLUSIVE[:3]),  # rows do not fit
        (IDS, EXCLUSIVE[:, :2]),  # classes do not fit
        (IDS, np.where(EXCLUSIVE > 0.7, np.nan, EXCLUSIVE)),
    ],
)
def test_build_refuses(ids, values):
    with pytest.raises(ValueError, match=r"id|finite"):
        submission.build(PLAIN, submission.parse(CASES["label"].sample), ids, values)


def test_unknown_style_lists_the_known_ones():
    with pytest.raises(config.Mistake, match="columns, confidence, index, label, labels, number, positive, ranking, rows"):
        submission.build(dataclasses.replace(PLAIN, style="table"), submission.parse(CASES["label"].sample), IDS, EXCLUSIVE)


# -- what the metric decides -------------------------------------------------------------------------------------------------------


def test_ratings_follow_the_cuts():
    problem = dataclasses.replace(PLAIN, kind="ordinal", classes=("0", "1", "2"), metric="kappa")
    sample = submission.parse("id,Label\na,0\nb,0\n")
    values = np.array([[0.6, 0.0, 0.4], [0.1, 0.1, 0.8]])  # expected ratings 0.8 and 1.7; the most probable class of a is 0
    assert submission.text(submission.build(problem, sample, ["a", "b"], values)) == "id,Label\na,1\nb,2\n"
    assert submission.text(submission.build(problem, sample, ["a", "b"], values, np.array([1.0, 1.8]))) == "id,Label\na,0\nb,1\n"
    index = dataclasses.replace(problem, style="index")
    assert submission.text(submission.build(index, sample, ["a", "b"], values, np.array([0.5, 1.8]))) == "id,Label\na,1\nb,1\n"


def test_sets_follow_the_cuts_and_are_never_empty():
    case = CASES["labels"]
    frame = submission.build(case.problem, submission.parse(case.sample), IDS, case.predicted, np.array([0.8]))
    assert frame["Label"].tolist() == ["cat", "1e10", "cat", "cat"]
    frame = submission.build(case.problem, submission.parse(case.sample), IDS, case.predicted, np.array([0.25]))
    assert frame["Label"].tolist() == ["cat NA 1e10", "1e10", "cat", "cat NA 1e10"]
    comma = dataclasses.replace(case.problem, separator=", ")
    assert submission.build(comma, submission.parse(case.sample), IDS, case.predicted)["Label"].tolist()[0] == "cat, NA"


def test_columns_hold_zeros_and_ones_where_the_metric_wants_sets():
    problem = dataclasses.replace(CASES["labels"].problem, style="columns", columns=PLAIN.classes, metric="micro_f1")
    sample = submission.parse(CASES["columns"].sample)
    content = submission.text(submission.build(problem, sample, IDS, SEVERAL))
    assert content == "id,cat,NA,1e10\n0002,1,1,0\n1e10,0,0,1\nNA,1,0,0\n0001.jpg,1,0,0\n"
    assert {check.state for check in preflight.check_file(problem, submission.parse(content), sample, SEVERAL)} == {"passed"}


def test_a_ranking_of_few_classes_holds_them_all():
    case = CASES["ranking"]
    problem = dataclasses.replace(case.problem, ranks=5)
    sample = submission.parse(case.sample)
    frame = submission.build(problem, sample, IDS, case.predicted)
    assert frame["Label"].tolist() == ["NA cat 1e10", "1e10 cat NA", "cat NA 1e10", "cat NA 1e10"]
    assert {check.state for check in preflight.check_file(problem, frame, sample)} == {"passed"}


def test_log_loss_of_several_labels_is_clipped_and_not_shared_out():
    problem = dataclasses.replace(CASES["rows"].problem, style="columns", columns=PLAIN.classes)
    sample = submission.parse("id,cat,NA,1e10\n7,0.5,0.5,0.5\n")
    frame = submission.build(problem, sample, ["7"], np.array([[1.0, 0.9, 0.0]]))
    assert submission.text(frame) == "id,cat,NA,1e10\n7,0.9999999,0.9,1e-7\n"
    assert {check.name: check.state for check in preflight.check_file(problem, frame, sample)}["row sums"] == "passed"


def test_values_stay_within_their_own_class_s_range_and_no_zero_is_negative():
    names = ("a", "b")
    problem = dataclasses.replace(
        CASES["number"].problem, style="columns", classes=names, columns=names, lowest=("-1", "10.123456789"), highest=("0", "20")
    )
    sample = submission.parse("id,a,b\n1,0,0\n2,0,0\n")
    frame = submission.build(problem, sample, ["1", "2"], np.array([[5, 5], [-0.0, 1e9]]))
    assert submission.text(frame) == "id,a,b\n1,0,10.12346\n2,0,20\n"
    done = {check.name: check.state for check in preflight.check_file(problem, frame, sample)}
    assert done | {"constant columns": "warned"} == done  # a is the same in both rows
    assert "failed" not in done.values()
    low = submission.parse("id,a,b\n1,0,5\n2,-1,20\n")  # within the range of a
    assert {check.name: check.state for check in preflight.check_file(problem, low, sample)}["values"] == "failed"


@pytest.mark.parametrize(("metric", "kind"), [("log_loss", "multiclass"), ("kl_divergence", "soft")])
@pytest.mark.parametrize("digits", [styles.PRECISE, styles.SHORT])
def test_written_rows_sum_to_one(monkeypatch, metric, kind, digits):
    monkeypatch.setattr(styles, "PRECISE", digits)
    generator = np.random.default_rng(1)
    for classes in (2, 6, 1000):
        names = tuple(f"c{number}" for number in range(classes))
        problem = dataclasses.replace(PLAIN, style="columns", kind=kind, metric=metric, classes=names, columns=names)
        values = np.vstack([generator.dirichlet(np.full(classes, share), 20) for share in (0.02, 1, 50)])
        ids = [str(row) for row in range(len(values))]
        sample = submission.parse(f"id,{','.join(names)}\n" + "".join(f"{row}{',0' * classes}\n" for row in ids))
        frame = submission.parse(submission.text(submission.build(problem, sample, ids, values)))
        said = submission.read(problem, frame)
        assert np.abs(said.sum(1) - 1).max() < 2e-7
        assert np.allclose(said, values, rtol=2e-4, atol=2e-7)  # 1,000 classes of at least 1e-7 take 1e-4 from the others
        assert {check.state for check in preflight.check_file(problem, frame, sample, values)} == {"passed"}


def test_large_files_have_fewer_digits(monkeypatch):
    problem = dataclasses.replace(CASES["positive"].problem, metric="roc_auc")
    sample, values = submission.parse("id,is_dog\n7,0\n8,0\n"), np.array([[2 / 3, 1 / 3], [1, 1e-5 / 3]])
    assert submission.build(problem, sample, ["7", "8"], values)["is_dog"].tolist() == ["0.333333333333", "3.33333333333e-6"]
    monkeypatch.setattr(styles, "LARGE", 1)
    assert submission.build(problem, sample, ["7", "8"], values)["is_dog"].tolist() == ["0.3333333", "3.333333e-6"]


# -- the file's own text -----------------------------------------------------------------------------------------------------------


NASTY = ["00012", "12", "1e10", "NA", "null", "nan", "", " x", "x ", "a,b", 'say "a"', "True", "1.0", "é", "a/b.JPG", "#7", "-", "_cat"]


@pytest.mark.parametrize("style", CASES)
def test_ids_are_text_whatever_they_look_like(style):
    case = CASES[style]
    generator = np.random.default_rng(0)
    shape = len(NASTY), len(case.problem.classes)
    values = generator.uniform(0, 10, shape) if style == "number" else generator.dirichlet(np.ones(shape[1]), shape[0])
    header, _, first = case.sample.partition("\n")
    cells = first.partition("\n")[0].partition(",")[2]
    ids = [f"{name}_{label}" for name in NASTY for label in case.problem.classes] if style == "rows" else NASTY
    sample = submission.parse(header + "\n" + "".join('"' + name.replace('"', '""') + f'",{cells}\n' for name in ids))
    content = submission.text(submission.build(case.problem, sample, NASTY[::-1], values[::-1]))
    frame = submission.parse(content)
    assert frame["id"].tolist() == ids
    assert "failed" not in [check.state for check in preflight.check_file(case.problem, frame, sample, values)]
    assert (submission.read(case.problem, frame).argmax(1) == values.argmax(1)).all()


@pytest.mark.parametrize("header", ["id,Label", ' "id", Label ', "id,x.1,x.1,Label", "id,x,x,x.1,Label", "id,,Label", "\ufeffid,Label"])
def test_the_header_stays_as_it_is_written(tmp_path, header):
    columns = submission.parse(header + "\n").columns.tolist()
    problem = dataclasses.replace(PLAIN, id_column=columns[0], columns=(columns[-1],))
    extra = "0," * (len(columns) - 2)
    file = tmp_path / "sample.csv"
    file.write_bytes(f"{header}\r\n7,{extra}cat\r\n8,{extra}cat\r\n".encode())
    sample = submission.load(file)
    content = submission.text(submission.build(problem, sample, ["7", "8"], EXCLUSIVE[:2]))
    plain = header.removeprefix("\ufeff")
    assert content == f"{plain}\n7,{extra}cat\n8,{extra}NA\n"
    assert {check.state for check in preflight.check_file(problem, submission.parse(content), sample)} == {"passed"}
    renamed = submission.parse(content.replace("x.1", "x", 1) if "x" in header else content.replace("Label", "Label.1", 1))
    assert [check.name for check in preflight.check_file(problem, renamed, sample)] == ["header"]


@pytest.mark.parametrize("content", ["id,Label\na,cat,NA\nb,cat\n", "id,Label\na,cat\nb,cat,NA\n", "id,Label\na,cat,NA\nb,cat,NA\n"])
def test_cells_without_a_name_are_not_dropped(content):
    with pytest.raises(config.Mistake, match="more cells than its header 'id,Label'"):
        submission.parse(content)


def test_an_index_column_in_front_is_copied():
    sample = submission.parse(",id,Label\n0,b,cat\n5,a,cat\n")
    frame = submission.build(PLAIN, sample, ["a", "b"], EXCLUSIVE[:2])
    assert submission.text(frame) == ",id,Label\n0,b,NA\n5,a,cat\n"


def test_a_sample_in_latin_1_is_read(tmp_path):
    (tmp_path / "sample.csv").write_bytes("id,Label\né,cat\n".encode("latin-1"))
    assert submission.load(tmp_path / "sample.csv")["id"].tolist() == ["é"]


# -- long rows ---------------------------------------------------------------------------------------------------------------------


def test_long_rows_are_parted_before_the_longest_class_name():
    problem = dataclasses.replace(CASES["rows"].problem, classes=("any", "not any", "a_any"))
    ids = ["x_any", "x-not any", "x.a_any", "a_a_any", "_any_any"]
    names, codes = submission.keys(problem, submission.parse("id,p\n" + "".join(f"{name},0\n" for name in ids)))
    assert names == ["x", "x", "x", "a", "_any"]
    assert codes.tolist() == [0, 1, 2, 2, 0]
    with pytest.raises(config.Mistake, match=r"'x_none'.*'any', 'not any'"):
        submission.keys(problem, submission.parse("id,p\nx_any,0\nx_none,0\n"))


def test_long_rows_of_any_order_and_of_some_classes_only():
    case = CASES["rows"]
    sample = submission.parse("id,p\nNA_1e10,0\n0002_cat,0\nNA_cat,0\n")
    frame = submission.build(case.problem, sample, IDS, case.predicted)
    assert submission.text(frame) == "id,p\nNA_1e10,0.125\n0002_cat,0.75\nNA_cat,0.25\n"
    assert "failed" not in [check.state for check in preflight.check_file(case.problem, frame, sample, case.predicted)]


# -- completing --------------------------------------------------------------------------------------------------------------------


def table(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns, dtype=str)


def sample_of(*ids: str) -> pd.DataFrame:
    return submission.parse("id,Label\n" + "".join(f"{name},cat\n" for name in ids))


def test_what_was_not_predicted_gets_the_prior():
    prior = targets.prior(PLAIN, ["NA", "cat", "NA", "NA"])
    sample = sample_of("b", "a", "c", "b", "unheard of", "c")
    # "b" stands twice, its second row was predicted; "c" was not, "unheard of" is in no line; "more" is not asked for.
    test = table(id=["b", "a", "c", "b", "more"])
    ids, full, filled = submission.complete(PLAIN, sample, test, np.array([3, 1, 4]), EXCLUSIVE[:3], prior)
    assert ids == ["b", "a", "c", "unheard of"]
    assert full.tolist() == [EXCLUSIVE[0].tolist(), EXCLUSIVE[1].tolist(), prior.tolist(), prior.tolist()]
    assert filled == ["c", "unheard of", "c"]
    nothing = submission.complete(PLAIN, sample, test, np.empty(0, int), np.empty((0, 3)), prior)
    assert nothing[1].tolist() == [prior.tolist()] * 4
    assert len(nothing[2]) == 6


@pytest.mark.parametrize(
    ("kind", "aggregate", "wanted"),
    [
        ("multilabel", "mean", [0.4, 0.5]),
        ("multilabel", "max", [0.6, 0.8]),
        ("binary", "mean", [0.4, 0.5]),
        ("binary", "max", [0.2, 0.8]),  # the greatest probability of the positive class
        ("multiclass", "max", [0.6 / 1.4, 0.8 / 1.4]),
        ("regression", "max", [0.4, 0.5]),
    ],
)
def test_several_pictures_answer_one_row(kind, aggregate, wanted):
    problem = dataclasses.replace(PLAIN, kind=kind, aggregate=aggregate, classes=("no", "yes"))
    test = table(id=["p1", "p2", "p3", "p4"], row=["left", "right", "left", "left"])
    values = np.array([[0.6, 0.2], [0.3, 0.7], [0.2, 0.8]])  # p1, p2, p3; p4 has no readable picture
    ids, full, filled = submission.complete(problem, sample_of("right", "left"), test, np.array([0, 1, 2]), values, np.zeros(2))
    assert (ids, filled) == (["right", "left"], [])
    assert full == pytest.approx(np.array([[0.3, 0.7], wanted]))


@pytest.mark.parametrize("style", CASES)
@pytest.mark.parametrize("aggregate", ["", "mean", "max"])
def test_the_order_of_test_csv_means_nothing(style, aggregate):
    case = CASES[style]
    problem = dataclasses.replace(case.problem, aggregate=aggregate)
    generator = np.random.default_rng(5)
    classes = len(problem.classes)
    examples = [f"picture {number}" for number in range(40)]
    answered = [IDS[number % 3] for number in range(40)] if aggregate else [*IDS[:3], *examples[3:]]  # of NA there is no picture
    values = generator.uniform(0, 10, (40, classes)) if style == "number" else generator.dirichlet(np.ones(classes), 40)
    prior = np.full(classes, 1 / classes)
    made = set()
    for _ in range(5):
        order = generator.permutation(40)
        names, row = np.array(examples, object)[order], np.array(answered, object)[order]
        test = table(id=names, row=row) if aggregate else table(id=row)
        predicted = generator.permutation(40)
        ids, full, filled = submission.complete(problem, submission.parse(case.sample), test, predicted, values[order][predicted], prior)
        assert {name.partition("_")[0] for name in filled} == {"NA"}
        made.add(submission.text(submission.build(problem, submission.parse(case.sample), ids, full)))
    assert len(made) == 1


# -- checks ------------------------------------------------------------------------------------------------------------------------


FOREIGN_ROWS = [("rows", "0002_cat", "0002_dog"), ("rows", "0002_cat", "2_cat")]
BROKEN = {  # name of the check → (style, the content as it was, the content broken)
    "header": [("label", "id,Label", "id,label"), ("columns", "cat,NA", "NA,cat"), ("label", "id,Label", "id,Label,more")],
    "row count": [("label", "NA,cat\n", ""), ("label", "NA,cat\n", "NA,cat\nNA,cat\n")],
    "ids": [("label", "0002", "2"), ("label", "1e10", "10000000000.0"), ("label", "0001.jpg", "0001"), ("label", "\nNA,", "\n,"), *FOREIGN_ROWS],
    "repeated ids": [("label", "1e10,1e10", "0002,1e10")],
    "order": [("label", "0002,NA\n1e10,1e10\n", "1e10,1e10\n0002,NA\n")],
    "empty cells": [
        ("label", "0002,NA", "0002,"),
        ("columns", "0.125,0.125,0.75", "0.125,,0.875"),
        *((style, CASES[style].golden.split(",")[-1], "\n") for style in ("labels", "ranking", "number", "rows", "confidence")),
    ],
    "values": [
        ("label", "NA,cat", "NA,dog"),
        ("label", "NA,cat", "NA,Cat"),
        ("index", "NA,0", "NA,3"),
        ("index", "NA,0", "NA,0.0"),
        ("positive", "0.875", "1.5"),
        ("positive", "0.875", "-0.1"),
        ("positive", "0.875", "nan"),
        ("positive", "0.875", "inf"),
        ("columns", "0.75,0.125,0.125", "1.25,-0.125,-0.125"),
        ("columns", "0.75,0.125,0.125", "x,0.5,0.5"),
        ("labels", "cat NA", "cat dog"),
        ("labels", "cat NA", "cat;NA"),
        ("ranking", "NA cat", "NA dog"),
        ("ranking", "NA cat", "NA;cat"),
        ("number", "0002,10", "0002,10.001"),
        ("number", "0002,10", "0002,-1"),
        ("number", "0002,10", "0002,ten"),
        ("rows", "0002_NA,0.5", "0002_NA,1.5"),
        ("rows", "0002_NA,0.5", "0002_NA,cat"),
        ("confidence", "cat 0.875", "dog 0.875"),
        ("confidence", "cat 0.875", "cat 1.5"),
        ("confidence", "cat 0.875", "cat cat"),
    ],
    "form": [
        ("labels", "cat NA", "cat  NA"),
        ("labels", "cat NA", "cat NA "),
        ("labels", "cat NA", "cat NA cat"),
        ("ranking", "NA cat", "NA"),
        ("ranking", "NA cat", "NA NA"),
        ("ranking", "NA cat", "NA cat 1e10"),
        ("ranking", "NA cat", " NA cat"),
        ("confidence", "cat 0.875", "cat"),
    ],
    "row sums": [("columns", "0.125,0.125,0.75", "0.125,0.125,0.750002")],
    "types": [
        ("positive", "0.875", " 0.875"),
        ("positive", "0.875", "0.8_75"),
        ("positive", "0.875", "True"),
        ("columns", "0.75,0.125,0.125", "0.75,0.125,.125"),
        ("number", "0002,10", "0002,+10"),
        ("rows", "0002_NA,0.5", "0002_NA,0.5 "),
    ],
}


@pytest.mark.parametrize(("name", "style", "was", "broken"), [(name, *case) for name, cases in BROKEN.items() for case in cases])
def test_each_broken_submission_fails_its_check(name, style, was, broken):
    assert was in CASES[style].golden
    assert states(style, CASES[style].golden.replace(was, broken, 1))[name] == "failed"


@pytest.mark.parametrize(
    ("style", "content"),
    [
        ("label", "id,Label\n0002,cat\n1e10,cat\nNA,cat\n0001.jpg,cat\n"),
        ("positive", "id,is_dog\n0002,0.5\n1e10,0.5\nNA,0.5\n0001.jpg,0.5\n"),
        ("columns", "id,cat,NA,1e10\n0002,0.1,0.5,0.4\n1e10,0.1,0.5,0.4\nNA,0.1,0.5,0.4\n0001.jpg,0.1,0.5,0.4\n"),
        *((style, CASES[style].sample) for style in ("index", "labels", "ranking", "number", "rows", "confidence")),
    ],
)
def test_a_constant_prediction_warns(style, content):
    assert states(style, content) | {"spread": "warned"} == states(style, content)


@pytest.mark.parametrize(
    ("name", "style", "was", "broken", "said"),
    [
        ("values", "columns", "0.75,0.125,0.125", "1.75,0,0", "1 rows hold no numbers from 0 to 1, first row 3 (id 'NA'): '1.75', '0', '0'"),
        ("values", "number", "0002,10", "0002,11", "1 rows hold no numbers from 0 to 10, first row 1 (id '0002'): '11'"),
        ("values", "rows", "1e10_NA,0.125", "1e10_NA,x", "1 rows hold no numbers from 0 to 1, first row 5 (id '1e10_NA'): 'x'"),
        ("form", "ranking", "1e10 cat", "1e10", "row 2 (id '1e10'): '1e10' holds 1 labels instead of 2"),
        ("form", "labels", "cat NA", "cat NA cat", "row 1 (id '0002'): 'cat NA cat' repeats a label"),
        ("form", "labels", "cat NA", "cat NA ", "row 1 (id '0002'): 'cat NA ' has other separators than ' '"),
        ("empty cells", "confidence", "NA 0.625", "", "1 cells, first row 1 (id '0002'): ''"),
        ("row sums", "columns", "0.5,0.25,0.25", "0.5,0.25,0.35", "up to 0.1 away from 1, row 4 (id '0001.jpg'): '0.5', '0.25', '0.35'"),
        ("order", "label", "0002,NA\n1e10,1e10", "1e10,1e10\n0002,NA", "row 1 is '1e10', the sample's is '0002'"),
        ("header", "label", "id,Label", "id, Label", "id, Label, the sample's is id,Label"),
    ],
)
def test_a_failed_check_names_the_row_and_its_value(name, style, was, broken, said):
    case = CASES[style]
    frame = submission.parse(case.golden.replace(was, broken, 1))
    done = {check.name: check for check in preflight.check_file(case.problem, frame, submission.parse(case.sample))}
    assert (done[name].state, done[name].text) == ("failed", said)


def test_a_decision_that_is_no_whole_number_fails():
    problem = dataclasses.replace(CASES["positive"].problem, metric="accuracy")
    sample = submission.parse("id,is_dog\n7,0\n8,0\n")
    for cell, state in (("1", "passed"), ("0.75", "failed")):
        done = preflight.check_file(problem, submission.parse(f"id,is_dog\n7,{cell}\n8,0\n"), sample)
        assert {check.name: check.state for check in done}["types"] == state


def test_a_column_that_never_changes_warns():
    content = "id,cat,NA,1e10\n0002,0.1,0.5,0.4\n1e10,0.1,0.4,0.5\nNA,0.1,0.3,0.6\n0001.jpg,0.1,0.6,0.3\n"
    done = {check.name: check for check in preflight.check_file(CASES["columns"].problem, submission.parse(content), submission.parse(content))}
    assert (done["constant columns"].state, done["constant columns"].text) == ("warned", "the same in every row for 'cat'")
    assert done["spread"].state == "passed"


def test_a_large_file_warns(monkeypatch):
    assert states("label", built("label"))["file size"] == "passed"
    monkeypatch.setattr(preflight, "LARGE", 10)
    assert states("label", built("label"))["file size"] == "warned"


def test_every_check_has_been_broken():
    assert {*BROKEN, "spread", "constant columns", "class mix", "file size"} == {"header", *preflight.FILE}


@pytest.mark.parametrize("style", CASES)
def test_another_class_mix_than_out_of_fold_warns(style):
    """Test rows like the out-of-fold ones pass; those that all look like one of them do not."""
    problem, rows = CASES[style].problem, 400
    classes = len(problem.classes)
    ids = [str(row) for row in range(rows)]
    header, cell = CASES[style].sample.split("\n")[0], CASES[style].sample.split("\n")[1].partition(",")[2]
    asked = [f"{name}_{label}" for name in ids for label in problem.classes] if style == "rows" else ids
    sample = submission.parse(header + "\n" + "".join(f"{name},{cell}\n" for name in asked))
    generator = np.random.default_rng(2)
    held_out = generator.uniform(0, 4, (rows, 1)) if style == "number" else generator.dirichlet(np.full(classes, 0.3), rows)
    last = np.full((rows, 1), 8.0) if style == "number" else np.eye(classes)[[-1] * rows] * 0.9 + 0.1 / classes
    for shift, state in ((0, "passed"), (280, "warned")):
        shifted = np.where(np.arange(rows)[:, None] < shift, last, np.roll(held_out, 7, axis=0))
        frame = submission.build(problem, sample, ids, shifted)
        done = {check.name: check for check in preflight.check_file(problem, frame, sample, held_out)}
        assert done["class mix"].state == state, done["class mix"].text
    assert f"most: {problem.classes[-1]!r} " in done["class mix"].text or style == "positive"


def test_grade_says_what_is_missing_or_unreadable():
    frame = submission.parse(CASES["label"].golden)
    with pytest.raises(config.Mistake, match="1 ids of the answers"):
        submission.grade(PLAIN, frame.iloc[1:], submission.parse(CASES["label"].answers))
    with pytest.raises(config.Mistake, match="no prediction"):
        submission.grade(PLAIN, submission.parse(CASES["label"].golden.replace("NA,cat", "NA,")), submission.parse(CASES["label"].answers))
