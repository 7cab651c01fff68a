"""The worst and the least certain rows, groups and domains, and labels that may be wrong: for every kind of problem."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from test_submission import PLAIN

from clf import decisions, embedded, errors, metrics, paths, problem, runs, tables

CLASSES = ("cat", "dog", "owl")
KINDS = {
    "multiclass": dataclasses.replace(PLAIN, classes=CLASSES),
    "ordinal": dataclasses.replace(PLAIN, classes=CLASSES, kind="ordinal", metric="kappa"),
    "binary": dataclasses.replace(PLAIN, classes=CLASSES[:2], kind="binary", metric="roc_auc"),
    "multilabel": dataclasses.replace(PLAIN, classes=CLASSES, kind="multilabel", metric="samples_f1", separator=" "),
    "soft": dataclasses.replace(PLAIN, classes=CLASSES, kind="soft", metric="kl_divergence"),
    "regression": dataclasses.replace(PLAIN, classes=("size",), kind="regression", metric="rmse", lowest=("0",), highest=("10",)),
}


def held(kind: str, truth: np.ndarray, predicted: np.ndarray, **columns) -> errors.Held:
    question, rows = KINDS[kind], np.arange(len(truth))
    train = pd.DataFrame({"id": [f"r{row}" for row in rows], "label": [str(value) for value in truth], **columns})
    listed = pd.DataFrame({"row": rows.astype(str), "width": "64", "height": "48", "format": "JPEG RGB"})
    return errors.Held(question, rows, truth, predicted, runs.decided(question, truth, predicted, None), train, listed)


def near(truth: np.ndarray, classes: int, seed: int = 0, noise: float = 0.9) -> np.ndarray:
    """Probabilities [n,K] that are mostly right."""
    rng = np.random.default_rng(seed)
    found = rng.dirichlet([1.0] * classes, len(truth)) * noise
    found[np.arange(len(truth)), truth] += 1 - noise + 0.3
    return found / found.sum(1, keepdims=True)


# -- the worst and the least certain ---------------------------------------------------------------------------------------------------


def test_the_worst_are_the_most_confidently_wrong_of_each_class_and_the_class_with_most_errors_is_first():
    truth = np.array([0, 0, 1, 1, 1, 2])
    predicted = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.6, 0.4, 0], [0.1, 0, 0.9], [0, 1, 0], [0, 0, 1.0]])
    shown = errors.worst(held("multiclass", truth, predicted))
    assert [each.title for each in shown] == ["dog (2 wrong)", "cat (1 wrong)"]
    assert shown[0].places.tolist() == [3, 2]
    assert shown[0].captions[0] == "r3: owl 0.90"


def test_the_least_certain_have_the_smallest_margin_right_or_wrong():
    truth = np.array([0, 0, 0, 1])
    predicted = np.array([[0.9, 0.1, 0], [0.5, 0.45, 0.05], [0.3, 0.36, 0.34], [0, 1, 0]])
    shown = errors.least_certain(held("multiclass", truth, predicted))
    assert [each.title.split()[0] for each in shown] == ["cat", "dog"]
    assert shown[0].places.tolist() == [2, 1, 0]


def test_labels_of_which_a_picture_has_several_are_looked_at_one_by_one():
    truth = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], np.float32)
    predicted = np.array([[0.1, 0.4, 0.1], [0.1, 0.9, 0.8], [0.9, 0.45, 0.1]])
    on = held("multilabel", truth, predicted)
    shown = {each.title: each for each in errors.worst(on)}
    assert shown["cat"].captions == ["r0: has it, 0.10"]
    assert shown["owl"].captions == ["r1: has it not, 0.80"]
    assert errors.least_certain(on)[0].title == "dog"


def test_values_have_their_widest_misses_and_no_doubt():
    on = held("regression", np.array([[1.0], [5.0], [9.0]]), np.array([[1.5], [2.0], [9.0]]))
    assert errors.worst(on)[0].captions[0] == "r1: 5, predicted 2"
    assert errors.least_certain(on) == []


def test_shares_are_shown_by_their_largest():
    on = held("soft", np.array([[0.7, 0.3, 0], [0, 0.4, 0.6]]), np.array([[0.1, 0.9, 0], [0, 0.45, 0.55]]))
    assert [each.title for each in errors.worst(on)] == ["cat (1 wrong)"]
    assert errors.least_certain(on)[0].title.startswith("owl")


# -- groups and domains ----------------------------------------------------------------------------------------------------------------


def test_a_bad_group_is_first_and_groups_with_few_rows_are_said():
    truth = np.arange(120) % 3
    predicted = near(truth, 3, noise=0.1)
    predicted[:30] = predicted[:30, [1, 2, 0]]
    on = held("multiclass", truth, predicted, group=["bad"] * 30 + ["good"] * 80 + [f"lone {row}" for row in range(10)])
    found = errors.domains(on)
    assert list(found) == ["group"]  # the files are all alike
    scored, left = errors.scores(on, "group", found["group"])
    assert [(value, rows, score) for value, rows, score, *_ in scored] == [("bad", 30, 0.0), ("good", 80, 1.0)]
    assert left == "group: 10 of 12 with fewer than 25 rows are not scored."


def test_many_groups_are_cut_and_a_metric_without_a_value_is_last():
    truth = np.repeat(np.arange(20) > 0, 30).astype(int)  # the first group has one class only
    truth[45::30] = 0
    on = held("binary", truth, near(truth, 2), group=[f"g{row // 30:02d}" for row in range(600)])
    scored, left = errors.scores(on, "group", errors.domains(on)["group"])
    assert len(scored) == errors.GROUPS
    assert "8 better ones are not shown" in left
    assert all(low <= score <= high for _, _, score, low, high in scored)
    few = held("binary", truth[:60], near(truth[:60], 2), group=["one class"] * 30 + ["both"] * 30)
    assert [value for value, *_ in errors.scores(few, "group", few.train.group)[0]] == ["both", "one class"]


def test_domains_are_what_02_wrote_of_the_files():
    on = held("multiclass", np.arange(80) % 3, near(np.arange(80) % 3, 3))
    width, height = np.arange(100, 180), np.full(80, 120)
    listed = on.listed.assign(width=width.astype(str), height=height.astype(str), format=["JPEG RGB"] * 40 + ["PNG L"] * 40)
    found = errors.domains(dataclasses.replace(on, listed=listed))
    assert list(found) == ["format", "short side", "shape"]
    assert set(found["shape"]) == {"portrait", "square", "landscape"}
    assert found["short side"].iloc[0].startswith("100 to 1")
    older = dataclasses.replace(on, listed=on.listed[["row"]])
    assert errors.domains(older) == {}


# -- labels that may be wrong ---------------------------------------------------------------------------------------------------------


def test_four_fifths_of_planted_wrong_labels_are_in_the_first_tenth_of_the_list():
    """5 % wrong labels on the embedded digits; predictions of a model that was trained on the wrong labels too, cross-validated."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
    from sklearn.model_selection import cross_val_predict

    pictures, digits, _ = embedded.rows()
    pictures, digits = pictures[::2], digits[::2]
    rng = np.random.default_rng(0)
    planted = rng.choice(len(digits), len(digits) // 20, replace=False)
    given = digits.copy()
    given[planted] = (given[planted] + rng.integers(1, 10, len(planted))) % 10
    small = pictures.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(len(pictures), -1) / 255
    parts = PCA(30, random_state=0).fit_transform(small)
    predicted = cross_val_predict(QuadraticDiscriminantAnalysis(reg_param=0.1), parts, given, method="predict_proba", cv=4)
    on = held("multiclass", given, predicted)
    on = dataclasses.replace(on, question=dataclasses.replace(on.question, classes=tuple("0123456789")))
    found = errors.doubtful(on)
    first = found.head(len(given) // 10)
    hit = first.id.isin([f"r{row}" for row in planted]).sum() / len(planted)
    assert hit >= 0.8, hit
    called = found[found.error]
    assert called.id.isin([f"r{row}" for row in planted]).sum() / len(planted) >= 0.8
    rows, suggested = called.id.str[1:].astype(int).to_numpy(), called.suggested.astype(int).to_numpy()
    assert (suggested == digits[rows])[np.isin(rows, planted)].mean() > 0.8


def test_a_label_that_is_missing_and_a_value_far_off_lead_their_lists():
    rng = np.random.default_rng(0)
    truth = (rng.random((200, 3)) < 0.5).astype(np.float32)
    predicted = np.clip(np.where(truth > 0, 0.9, 0.1) + rng.uniform(-0.1, 0.1, truth.shape), 0, 1)
    truth[7] = 1 - truth[7]
    found = errors.doubtful(held("multilabel", truth, predicted))
    assert found.id.iloc[0] == "r7"
    assert found.error.iloc[0]
    assert len(found) >= 20
    values = rng.uniform(0, 10, (100, 1))
    guessed = values + rng.normal(0, 0.3, values.shape)
    values[5] = 10 - values[5] + 4
    found = errors.doubtful(held("regression", values, guessed))
    assert found.id.iloc[0] == "r5"
    assert len(found) == 10


def test_where_there_is_no_list_the_reason_is_said(monkeypatch):
    assert "Not defined for the kind soft" in errors.doubtful(held("soft", np.ones((3, 3)) / 3, np.ones((3, 3)) / 3))
    on = held("multiclass", np.array([0, 1, 2]), np.eye(3))
    monkeypatch.setattr(errors, "CONFUSABLE", 2)
    assert errors.doubtful(on) == "Not searched: more than 2 classes."
    assert errors.confusion(on) is None


def test_the_list_is_written_once(tmp_path):
    truth = np.arange(60) % 3
    predicted = near(truth, 3, noise=0.1)
    truth[4] = (truth[4] + 1) % 3
    run = paths.Run(tmp_path)
    first = errors.label_errors(run, held("multiclass", truth, predicted))
    assert first.id[0] == "r4"
    assert first.equals(tables.read(run.label_errors))
    assert errors.label_errors(run, held("multiclass", truth[:3], predicted[:3])).equals(first)


def test_confusions_by_the_decisions_that_count():
    truth = np.array([0, 1, 2, 2])
    on = held("ordinal", truth, np.array([[1.0, 0, 0], [0.5, 0, 0.5], [0, 0, 1], [0.4, 0.2, 0.4]]))
    metric = metrics.METRICS[on.question.metric]
    on = dataclasses.replace(on, decided=decisions.decide(metric, on.predicted, runs.asked(on.question)))
    assert errors.confusion(on).tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]  # a rating is the expected class's number
    assert errors.confusion(held("multilabel", np.eye(3), np.eye(3))) is None


def test_tables_that_are_others_by_now_are_refused(scratch):
    place = paths.Place("toy")
    tables.write(place.train, pd.DataFrame({"id": ["a"], "label": ["cat"]}))
    run = place.run("net")
    paths.write_json(run.identity, {"made_from": {place.train.name: "sha256:1"}})
    with pytest.raises(problem.Mistake, match=r"train\.csv has changed since run net"):
        errors.held(place, run, PLAIN, runs.Predictions(np.array([0]), np.eye(3)[:1], np.array([0]), np.eye(3)[:1]))
