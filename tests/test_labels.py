"""The decisions of `labels.DECISIONS`, each with what it accepts and what it refuses; 24 rows of 8 px each."""

import numpy as np
import pytest

from clf import infer, labels, metrics, problem
from clf.config import Mistake
from clf.submission import WRITERS
from tests import layouts

ROWS = 24
NUMBERS = [7, 12, 31, 44, 58, 63, 71, 80, 85, 90, 97, 99] * 2
EYE = np.eye(3, dtype=int)[np.arange(ROWS) % 3]


@pytest.fixture
def settle(tmp_path):
    """`settle(columns, sample, facts, **yours)` → Draft"""
    count = iter(range(100))

    def run(columns: dict, sample: dict, facts: dict | None = None, **yours):
        raw = layouts.small(tmp_path / str(next(count)) / "raw", {name: fill(values) for name, values in columns.items()}, sample)
        return layouts.inferred(raw, facts, **yours)

    return run


def fill(values) -> list:
    return (list(values) * ROWS)[:ROWS]


def evaluated(text: str) -> dict:
    return {"pages": {"evaluation": text}}


def test_decisions_settle_every_field_that_does_not_need_the_pictures():
    fields = set(problem.FIELDS) - {"competition", "channels", "side", "fit", "flip_horizontal", "flip_vertical"}
    assert set(infer.QUESTION) == fields
    assert set(WRITERS) == set(problem.STYLES)


# -- the column of labels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "sample", "column"),
    [
        ({"width": range(ROWS), "breed": ["a", "b"]}, {"breed": "a"}, "breed"),
        ({"age": [1, 2, 3], "Diagnosis": ["a", "b"]}, {"diagnosis": "a"}, "Diagnosis"),  # called like the prediction
        ({"colour": ["red", "blue"], "animal": ["cat", "dog"]}, {"what": "dog"}, "animal"),  # holds the sample's values
        ({"source": ["cat", "dog"], "species": ["x", "y"]}, {"x": 0.5, "y": 0.5}, "species"),  # holds the sample's columns
        ({"patient": ["p1", "p2", "p3"], "finding": ["x", "y"]}, {"target": 0.5}, "finding"),
        ({"constant": ["x"], "finding": ["x", "y"]}, {"target": 0.5}, "finding"),
        ({"split": ["train", "val"], "class": ["x", "y"]}, {"target": 0.5}, "class"),
        ({"url": [f"u{number}" for number in range(ROWS)], "text": ["x", "y"]}, {"target": 0.5}, "text"),
    ],
)
def test_the_column_of_labels(columns, sample, column, settle):
    assert settle(columns, sample).known.label_column == column


def test_no_or_several_columns_of_labels_stop(settle):
    with pytest.raises(Mistake, match=r"several columns .*breed \(a.*species \(x.*\[label_column\]"):
        settle({"breed": ["a", "b"], "species": ["x", "y", "z"]}, {"target": 0.5})
    with pytest.raises(Mistake, match=r"no column .* can be the label: note"):
        settle({"note": ["x"]}, {"target": 0.5})
    nearly = settle({"colour": ["a", "b"], "shape": ["x", "y", "z"]}, {"target": 0.5}, label_column="colour")
    assert nearly.known.classes == ("a", "b")


def test_two_names_of_the_same_classes_are_no_question(settle):
    assert settle({"label": ["a", "b"], "label_name": ["ant", "bee"]}, {"label": "a"}).known.classes == ("a", "b")


# -- numbers as the sample writes them -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "value", "classes"),
    [
        (["2.0", "0.0", "1.0"], 0, ("0", "1", "2")),
        (["014", "003", "120"], 14, ("3", "14", "120")),
        ([7, 14, 120], "007", ("007", "014", "120")),
        ([7, 14, 120], 7, ("7", "14", "120")),
        (["2.0", "0.0", "1.0"], "1.0", ("0.0", "1.0", "2.0")),
        (["1.5", "0.5", "2.5"], 0, ("0.5", "1.5", "2.5")),
        (["01", "1", "2"], 2, ("01", "1", "2")),  # two classes
    ],
)
def test_whole_numbers_are_spelled_as_in_the_sample(cells, value, classes, settle):
    draft = settle({"label": cells}, {"label": value}, {"metric": "Categorization Accuracy"})
    assert draft.known.classes == classes
    assert set(draft.labels) == set(classes)


# -- several labels in a cell --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "separator", "classes"),
    [
        (["x y", "x", "y z", "z", "x z", "y"], " ", ("x", "y", "z")),
        (["16 0", "16", "7 1 2 0", "5", "1", "0", "16 5", "5 0"], " ", ("0", "1", "2", "5", "7", "16")),
        (["red fox,elk", "elk", "red fox", "red fox, grey owl", "grey owl,elk"], ",", ("elk", "grey owl", "red fox")),
        (["No Finding", "Edema|Mass", "Mass", "Edema|No Finding|Mass", "Edema"], "|", ("Edema", "Mass", "No Finding")),
        (["a;b", "a", "b;c", "c;a", "b"], ";", ("a", "b", "c")),
        (["clear primary", "clear agriculture primary water", "haze primary", "haze", "clear primary water", "haze water"], " ", None),
    ],
)
def test_what_parts_several_labels(cells, separator, classes, settle):
    known = settle({"tags": cells}, {"tags": cells[0]}).known
    assert (known.kind, known.separator, known.style, known.metric) == ("multilabel", separator, "labels", "samples_f1")
    assert classes in (None, known.classes)


@pytest.mark.parametrize(
    "names",
    [
        ["Fat Hen", "Maize", "Sugar beet", "Common wheat", "Charlock", "Loose Silky-bent"],
        ["red fox", "red deer", "grey fox"],
        ["red fox", "red deer", "grey fox", "fox"],
        ["Black-footed Albatross", "Laysan Albatross", "Sooty Albatross", "Crow"],
        ["1,5", "2,5", "3,5"],
        ["Sparrow, House", "Sparrow, Song", "Crow"],
        ["cat", "dog"],
        ["new york", "york"],
    ],
)
def test_blanks_in_names_part_nothing(names, settle):
    known = settle({"species": names}, {"species": names[0]}).known
    assert (known.separator, known.kind) == ("", "binary" if len(names) == 2 else "multiclass")
    assert set(known.classes) == set(names)


def test_between_names_of_columns_stands_what_no_name_holds(settle):
    several = {"ETT - Abnormal": EYE[:, 0], "CVC|x": EYE[:, 1] | EYE[:, 0], "fine": EYE[:, 2]}
    draft = settle(several, dict.fromkeys(several, 0.5))
    assert draft.known.separator == ";"
    assert draft.rows()["label"].tolist()[:3] == ["ETT - Abnormal;CVC|x", "CVC|x", "fine"]


# -- kind ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "sample", "facts", "kind", "metric"),
    [
        ({"label": ["a", "b"]}, {"label": "a"}, {}, "binary", "accuracy"),
        ({"label": ["a", "b", "c"]}, {"label": "a"}, {}, "multiclass", "accuracy"),
        ({"label": [3, 0, 2]}, {"label": 0}, {}, "multiclass", "accuracy"),
        ({"label": [3, 0, 2]}, {"label": 0}, {"metric": "Quadratic Weighted Kappa"}, "ordinal", "kappa"),
        ({"diagnosis": [3, 0, 2, 1, 4]}, {"diagnosis": 0}, {}, "ordinal", "kappa"),
        ({"diagnosis": [3, 0, 2, 1, 4]}, {"diagnosis": 0}, {"metric": "Categorization Accuracy"}, "multiclass", "accuracy"),
        ({"diagnosis": [0, 1]}, {"diagnosis": 0.5}, {}, "binary", "log_loss"),
        ({"score": NUMBERS}, {"score": 43}, {"metric": "Root Mean Squared Error"}, "regression", "rmse"),
        ({"score": NUMBERS}, {"score": 43.5}, {}, "regression", "rmse"),
        ({"score": [number / 7 for number in NUMBERS]}, {"score": 0}, {"metric": "RMSE"}, "regression", "rmse"),
        ({"score": ["NA", *NUMBERS]}, {"score": 0}, {"metric": "RMSE"}, "regression", "rmse"),
        ({"score": [number / 7 for number in NUMBERS]}, {"score": 0}, {}, "regression", "rmse"),
        ({"score": NUMBERS}, {"score": 43}, evaluated("scored by the mean absolute error"), "regression", "mae"),
        ({"a": EYE[:, 0], "b": EYE[:, 1], "c": EYE[:, 2]}, {"a": 0.3, "b": 0.3, "c": 0.4}, {}, "multiclass", "log_loss"),
        ({"a": EYE[:, 0], "b": 1 - EYE[:, 0]}, {"a": 0.5, "b": 0.5}, {}, "binary", "log_loss"),
        ({"a": EYE[:, 0], "b": EYE[:, 1]}, {"a": 0.5, "b": 0.5}, {}, "multilabel", "log_loss"),
        ({"a": EYE[:, 0] * 0.7 + 0.1, "b": 0.9 - EYE[:, 0] * 0.7}, {"a": 0.5, "b": 0.5}, {}, "soft", "kl_divergence"),
        ({"a": EYE[:, 0] * 3 + 1, "b": EYE[:, 1] * 2}, {"a": 0.5, "b": 0.5}, {}, "soft", "kl_divergence"),  # votes
        ({"a": NUMBERS, "b": EYE[:, 1] * 2}, {"a": 10, "b": 20}, {}, "regression", "rmse"),
        ({"a": EYE[:, 0] * 0.7 + 0.1, "b": 0.9 - EYE[:, 0] * 0.7}, {"a": 0, "b": 0}, {"metric": "RMSE"}, "soft", "rmse"),
        ({"a": EYE[:, 0] * 0.7 + 0.1, "b": EYE[:, 1] * 0.7}, {"a": 0, "b": 0}, {"metric": "RMSE"}, "regression", "rmse"),
    ],
)
def test_kind_and_metric(columns, sample, facts, kind, metric, settle):
    known = settle(columns, sample, facts).known
    assert (known.kind, known.metric) == (kind, metric)


@pytest.mark.parametrize("count", [5, 10, 24])
@pytest.mark.parametrize("name", ["label", "grade"])
def test_numbers_with_a_column_each_are_classes(count, name, settle):
    draft = settle({name: range(count)}, {str(number): 1 / count for number in range(count)})
    assert (draft.known.kind, draft.known.style, draft.known.metric) == ("multiclass", "columns", "log_loss")
    assert draft.known.classes == tuple(map(str, range(count)))


def test_a_fraction_for_whole_numbers_may_be_the_number_or_a_probability(settle):
    with pytest.raises(Mistake, match=r"'0\.5'.*regression.*probability.*\[kind\]"):
        settle({"label": [0, 1, 2]}, {"label": 0.5})
    known = settle({"label": [0, 1, 2]}, {"label": 0.5}, kind="regression").known
    assert (known.metric, known.style, known.lowest, known.highest) == ("rmse", "number", ("0",), ("2",))


def test_what_is_no_number_among_numbers_is_no_label(settle):
    draft = settle({"age": ["NA", *NUMBERS]}, {"age": 40.5}, {"metric": "RMSE"})
    assert (draft.known.kind, draft.known.lowest, draft.known.highest) == ("regression", ("7",), ("99",))
    assert "NA" in draft.evidence["kind"]
    assert draft.rows()["label"].isna().tolist() == [True] + [False] * (ROWS - 1)
    with pytest.raises(Mistake, match="rmse, which is not defined for a multiclass"):
        settle({"age": ["young", "old", "12", "13"]}, {"age": 40}, {"metric": "RMSE"})


@pytest.mark.parametrize(("cells", "found"), [(["x", ""], 1), ([" ", "y"], 1)])
def test_one_label_is_not_enough(cells, found, settle):
    with pytest.raises(Mistake, match=f"{found} different label"):
        settle({"label": cells}, {"label": "x"})


def test_columns_of_codes_are_several_questions_and_02_asks(settle):
    with pytest.raises(Mistake, match=r"a, b hold few different whole numbers.*\[kind\]"):
        settle({"a": EYE[:, 0] * 3 + 1, "b": EYE[:, 1] * 2}, {"a": 10, "b": 20})


def test_signs_are_yes_and_no(settle):
    draft = settle({"a": 2 * EYE[:, 0] - 1, "b": 2 * EYE[:, 1] - 1}, {"a": 0.5, "b": 0.5})
    assert draft.known.kind == "multilabel"
    assert draft.rows()["label"].tolist()[:3] == ["a", "b", ""]


def test_columns_without_a_whole_row_stop(settle):
    with pytest.raises(Mistake, match=r"no row of train\.csv has a number in each of a, b"):
        settle({"a": ["x", "z"], "b": [1, 0]}, {"a": 0.5, "b": 0.5})


# -- classes -------------------------------------------------------------------------------------------------------------------------


def test_classes_are_in_natural_order_or_in_that_of_the_columns(settle):
    assert settle({"label": ["c10", "c9", "a"]}, {"label": "a"}).known.classes == ("a", "c9", "c10")
    known = settle({"breed": ["Red fox", "elk", "Owl"]}, {"owl": 0.3, "red_fox": 0.3, "elk": 0.3}).known
    assert known.classes == ("Owl", "Red fox", "elk")
    assert settle({"label": ["A", "a", "b"]}, {"a": 0.3, "A": 0.3, "b": 0.3}).known.classes == ("a", "A", "b")


def test_steps_of_a_scale_are_in_the_order_of_their_numbers(settle):
    known = settle({"level": [2, -1, 10, 0, -2]}, {"level": 0}, {"metric": "Quadratic Weighted Kappa"}).known
    assert (known.kind, known.classes) == ("ordinal", ("-2", "-1", "0", "2", "10"))


def test_a_column_without_training_rows_stays_a_class(settle):
    draft = settle({"breed": ["elk", "owl"]}, {"owl": 0.3, "newt": 0.3, "elk": 0.3})
    assert draft.known.classes == ("owl", "newt", "elk")
    assert any(line.startswith("classes") and "newt" in line for line in draft.assumptions())


def test_labels_without_a_column_stop_and_can_be_answered(settle):
    with pytest.raises(Mistake, match=r"3 labels have no column .*: 0, 1, 2; columns: c_x, c_y, c_z.*\[classes\]"):
        settle({"label": [0, 1, 2]}, {"c_x": 0.3, "c_y": 0.3, "c_z": 0.3})
    assert settle({"label": [0, 1, 2]}, {"c_x": 0.3, "c_y": 0.3, "c_z": 0.3}, classes=("2", "0", "1")).known.classes == ("2", "0", "1")
    with pytest.raises(Mistake, match="newt"):
        settle({"breed": ["elk", "owl", "newt"]}, {"owl": 0.3, "elk": 0.3, "boar": 0.3})
    with pytest.raises(Mistake, match=r"no column for c of"):
        settle({"a": EYE[:, 0], "b": EYE[:, 1]}, {"a": 0.3, "b": 0.3, "c": 0.3})


# -- metric --------------------------------------------------------------------------------------------------------------------------


def test_a_metric_that_does_not_fit_the_kind_stops_with_those_that_do(settle):
    with pytest.raises(Mistake, match=r"means rmse, which is not defined for a binary problem.*accuracy.*\[metric\]"):
        settle({"label": ["a", "b"]}, {"label": "a"}, {"metric": "RMSE"})
    with pytest.raises(Mistake, match=r"metric = 'rmse' is none of its choices.*accuracy"):
        settle({"label": ["a", "b"]}, {"label": "a"}, metric="rmse")


def test_what_kaggle_names_counts_before_what_the_sample_holds(settle):
    labels_, sample = {"label": ["a", "b"]}, {"label": 0.5}
    assert settle(labels_, sample, {"metric": "AUC"}).known.metric == "roc_auc"
    assert settle(labels_, sample, evaluated("area under the ROC curve")).known.metric == "roc_auc"
    assert settle(labels_, sample, {"metric": "AUC", **evaluated("log loss")}).known.metric == "roc_auc"
    assert settle(labels_, sample, {"pages": {"rules": "RMSE", "evaluation": "log loss"}}).known.metric == "log_loss"
    draft = settle(labels_, sample, {"metric": "Weighted Sparsity of Unicorns"})
    assert draft.known.metric == "log_loss"
    assert "Unicorns" in next(line for line in draft.assumptions() if line.startswith("metric"))
    assert settle(labels_, sample, {"metric": "AUC"}, metric="log_loss").known.metric == "log_loss"


# -- style, positive, ranks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "value", "facts", "style"),
    [
        (["a", "b", "c"], "a", {}, "label"),
        (["a", "b", "c"], "x", {}, "label"),
        (["a", "b", "c"], 0, {}, "index"),
        ([5, 6, 7], 0, {}, "label"),
        (["a", "b"], 0.5, {}, "positive"),
        (["a", "b", "c", "d"], "a b", {}, "ranking"),
        (["a", "b", "c", "d"], "a", {"metric": "MAP@{K}"}, "ranking"),
        (["a", "b", "c"], "a 0.5", {"metric": "Global Average Precision"}, "confidence"),
        (NUMBERS, 3.5, {"metric": "RMSE"}, "number"),
    ],
)
def test_style_of_one_prediction_column(cells, value, facts, style, settle):
    assert settle({"label": cells}, {"label": value}, facts).known.style == style


def test_probabilities_of_three_classes_need_a_column_each(settle):
    with pytest.raises(Mistake, match=r"log_loss wants probabilities.*one column for 3 labels.*\[style\]"):
        settle({"label": ["a", "b", "c"]}, {"label": "a"}, {"metric": "log loss"})


@pytest.mark.parametrize(
    ("cells", "column", "facts", "positive", "sure"),
    [
        (["0", "1"], "label", {}, "1", True),
        (["cat", "dog"], "is_dog", {}, "dog", True),
        (["cat", "dog"], "is_cat", {}, "cat", True),
        (["cat", "dog"], "label", evaluated("the probability that the image is a cat"), "cat", True),
        (["cat", "dog"], "label", evaluated("dog = 1, cat = 0"), "dog", True),
        (["cat", "dog"], "label", evaluated("1 for cat and 0 for dog"), "cat", True),
        (["cat", "dog"], "label", {}, "dog", False),
        (["normal", "ill"], "label", {}, "ill", False),  # what is absent is not asked for
        (["tumour", "healthy"], "label", {}, "tumour", False),
        (["defect", "no defect"], "label", {}, "defect", False),
        (["true", "false"], "label", {}, "true", False),
    ],
)
def test_the_class_whose_probability_is_asked(cells, column, facts, positive, sure, settle):
    draft = settle({"label": cells}, {column: 0.5}, facts)
    assert (draft.known.style, draft.known.positive) == ("positive", positive)
    assert draft.evidence["positive"].startswith("assumed") != sure


def test_no_positive_class_where_none_is_asked(settle):
    assert settle({"label": ["a", "b"]}, {"label": "a"}).known.positive == ""
    assert settle({"label": ["a", "b"]}, {"a": 0.5, "b": 0.5}).known.positive == ""


@pytest.mark.parametrize(
    ("value", "facts", "ranks"),
    [
        ("a b c", {}, 3),
        ("a", {"metric": "MAP@{K}", "pages": {"evaluation": "MAP@4, the mean average precision"}}, 4),
        ("a", {"metric": "MAP@{K}"}, 5),
    ],
)
def test_labels_in_a_ranking(value, facts, ranks, settle):
    draft = settle({"label": list("abcdef")}, {"label": value}, facts)
    assert (draft.known.style, draft.known.ranks, draft.known.metric) == ("ranking", ranks, "map_at_k")
    assert settle({"label": list("abc")}, {"label": "a"}).known.ranks == 0


def test_the_range_of_values(settle):
    draft = settle({"a": [0.5, -2, 30], "b": [1e-3, 0, 7]}, {"a": 1, "b": 1})
    assert (draft.known.kind, draft.known.lowest, draft.known.highest) == ("regression", ("-2", "0"), ("30", "7"))
    assert settle({"label": ["a", "b"]}, {"label": "a"}).known.lowest == ()


def test_words_of_a_column_s_name():
    assert labels.words("patientId") == ["patient", "id"]
    assert labels.words("SEQ_id") == ["seq", "id"]
    assert labels.words("BraTS21ID")[-1] == "id"


def test_every_assumed_metric_is_defined_for_its_kind():
    assumed = {"multilabel": ["log_loss", "samples_f1"], "soft": ["kl_divergence"], "regression": ["rmse"], "ordinal": ["kappa"]}
    assumed |= {kind: ["log_loss", "map_at_k", "accuracy"] for kind in ("binary", "multiclass")}
    assert set(assumed) == set(problem.KINDS)
    assert all(kind in metrics.METRICS[name].kinds for kind, names in assumed.items() for name in names)


# -- weights -------------------------------------------------------------------------------------------------------------------------

WEIGHTED = "Submissions are evaluated using a weighted multi-label logarithmic loss. "


@pytest.mark.parametrize(
    ("text", "weights", "evidence"),
    [
        (WEIGHTED + "The `any` label is weighted more highly than specific sub-types.", ("any = 2",), "assumed: no number is said"),
        (WEIGHTED + "The label any has a weight of 7; all others weigh 1.", ("any = 7",), "Kaggle's evaluation page"),
        (WEIGHTED + "The any label counts double weight.", ("any = 2",), "Kaggle's evaluation page"),
        (WEIGHTED + "There are many labels.", (), "assumed: Kaggle's evaluation page names a weighted log loss"),
        ("Submissions are evaluated on the log loss. Do not weigh any label.", (), "every label counts the same"),
        ("Submissions are evaluated on the mean column-wise AUC.", (), "not asked"),
    ],
)
def test_a_label_that_weighs_more(text, weights, evidence, settle):
    cells = {name: ([0, 1, 1, 0, 1], [1, 0, 1], [0, 1])[number] for number, name in enumerate(("any", "left", "right"))}
    draft = settle(cells, dict.fromkeys(cells, 0.5), evaluated(text))
    assert draft.known.kind == "multilabel"
    assert draft.known.weights == weights
    assert draft.evidence["weights"].startswith(evidence)
