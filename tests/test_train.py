"""One fold with all its parts: what a setting leads to, what is made room for, and entries of one's own in every table of names."""

import contextlib
import dataclasses
import json
import shutil
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from layouts import prepare

from clf import augment, config, learn, losses, material, metrics, models, optim, paths, planning, problem, runs, tables, targets, train
from clf.config import Mistake
from tests.small import small as small


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    work = tmp_path_factory.mktemp("train")
    with prepare("small", work, pictures=90, side=32):
        yield work


@pytest.fixture
def place(prepared, monkeypatch):
    monkeypatch.setenv("CLF_WORK", str(prepared))
    return paths.Place("small")


# kind -> what problem.toml says, and train.csv's label for each of the three classes of `layouts.folders`
OTHER_KINDS = {
    "multilabel": (
        {"classes": ("dark", "red", "round"), "separator": " ", "style": "labels", "metric": "samples_f1"},
        ("dark round", "red", ""),
    ),
    "soft": ({"classes": ("disk", "square", "cross"), "style": "columns", "metric": "log_loss"}, ("0.8 0.1 0.1", "0 1 0", "0.2 0.3 0.5")),
    "regression": (
        {"classes": ("size", "shade"), "style": "columns", "metric": "rmse", "lowest": ("10", "-1"), "highest": ("500", "2")},
        ("10 0.5", "300 -1", "500 2"),
    ),
}


@contextlib.contextmanager
def of_kind(work, folder, kind: str):
    """The competition of `layouts.prepare` in `work`, copied to `folder` with labels of another kind; gives its place."""
    shutil.copytree(work / "data", folder / "data", symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLF_WORK", str(folder))
        place = paths.Place("small")
        changes, labels = OTHER_KINDS[kind]
        question, train_table = problem.read(place.problem), tables.read(place.train)
        number = {name: code for code, name in enumerate(question.classes)}
        tables.write(place.train, train_table.assign(label=[labels[number[name]] for name in train_table.label]))
        problem.write(place.problem, dataclasses.replace(question, kind=kind, **changes), {})
        yield place


SMALL = {"model": "small", "batch_size": 16, "precision": "float32", "epochs": 1.0}


def settled(place, **changes) -> config.Config:
    return runs.settle(place, config.Config(**{**SMALL, **changes}))


def trained(place, **changes) -> paths.Run:
    """A whole run."""
    wanted = settled(place, **changes)
    run = runs.open_run(place, wanted)
    train.trained(place, run, wanted, 0.0)
    runs.finish(place, run, wanted, 1.0)
    return run


def learner_of(place, **changes) -> learn.Learner:
    wanted = settled(place, **changes)
    source = material.load(place, 32)
    return planning.make_learner(wanted, source, planning.make_plan(wanted, source, 72, 4))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (tf.errors.UnimplementedError, "GPU MaxPool gradient ops do not yet have a deterministic XLA implementation."),
        (tf.errors.InvalidArgumentError, "Detected unsupported operations when trying to compile graph: StatelessRandomGammaV3."),
    ],
)
def test_a_step_that_xla_cannot_compile_goes_without(place, monkeypatch, kind, message):
    """On a GPU the gradient of a maximum cannot be compiled where steps have to be repeatable, and some operations nowhere; their errors are
    raised here in their place."""
    whole = learn.Learner._replica_step

    def without(learner, *batch):
        if learner.plan.xla:
            raise kind(None, None, message)
        return whole(learner, *batch)

    monkeypatch.setattr(learn.Learner, "_replica_step", without)
    monkeypatch.setattr(models, "gpu_count", lambda: 1)
    source, said = material.load(place, 32), []
    learner = planning.fitting(settled(place), source, np.arange(72), 4, said.append)
    assert not learner.plan.xla
    assert [line.partition(" (")[0] for line in said] == ["xla: the step does not compile"]
    assert np.isfinite(float(learner.take_step(1, next(iter(material.batches(settled(place), source, learner.plan, np.arange(72))(0, 1))))))
    with pytest.raises(Mistake, match=r"xla=true: the step of model=small does not compile .* Take xla=auto or xla=false"):
        planning.fitting(settled(place, xla="true"), source, np.arange(72), 4, said.append)


def test_a_schedule_holds_no_whole_numbers():
    """TensorFlow keeps whole numbers in the host's memory, where a step that XLA compiled for a GPU cannot read them."""
    schedule = optim.Schedule(0.1, "one_cycle", 10)
    assert {variable.dtype for variable in (schedule.steps, schedule.start, schedule.begun)} == {tf.float32}


def test_the_width_of_airbench_follows_the_budget_and_no_other_does(place):
    def of(budget, **changes):
        return planning.width(settled(place, **{"model": "airbench", "width": 0.0, "minutes": 5.0, **changes}), "float32", budget)

    short, long = (of(planning.Budget(step_seconds=seconds)) for seconds in (0.01, 1e6))
    assert (short, long) == (models.SMALLEST, models.LARGEST)
    assert of(planning.Budget(finish_by=time.monotonic() + 1e6)) == models.LARGEST
    assert of(planning.Budget()) == of(planning.Budget(steps=5)) == 1
    assert of(planning.Budget(step_seconds=1e6), model="resnet10") == of(planning.Budget(step_seconds=1e6), minutes=0.0) == 1
    like = {"width": 0.5}  # as 06 gives its base's
    assert of(planning.Budget(steps=5, like=like)) == of(planning.Budget(step_seconds=1e6, like=like)) == 0.5
    assert of(planning.Budget(step_seconds=1e6), weights="imagenet") == 1
    run = trained(place, model="airbench", width=0.5)
    for weights in (run.folder, run.fold("0").folder, run.fold("0").weights):
        assert of(planning.Budget(step_seconds=1e6), weights=str(weights)) == 0.5


def test_the_side_of_resnet10_follows_the_budget_and_the_rows_and_of_no_other(place, monkeypatch):
    monkeypatch.setattr(models, "work_within", lambda policy, seconds: 0.1 * seconds)
    store = dataclasses.replace(material.load(place, 32), pictures=np.zeros((1, 160, 160, 3), np.uint8))

    def of(seconds: float, rows: int = 1000, predicted: int = 0, source=store, **changes) -> int:
        asked = settled(place, **{"model": "resnet10", "width": 0.0, "minutes": 5.0, **changes})
        return planning.chosen(asked, source, "float32", planning.Budget(step_seconds=seconds), rows, predicted).image_size

    sides = [of(seconds) for seconds in (5, 150, 300, 600, 1200, 2400, 4800)]
    assert sides == sorted(sides)
    assert set(sides) == {64, 96, 128, 160}
    needed = models.ENOUGH * 1000 * models.MODELS["resnet10"].work / 0.1 * 1.5**2  # seconds for 96 px
    assert (of(0.99 * needed), of(1.01 * needed)) == (64, 96)
    assert of(1.01 * needed, rows=1020) == of(1.01 * needed, predicted=1000) == 64
    assert of(1e6, source=material.load(place, 32)) == 32
    assert of(1e6, image_size=24) == 24
    assert of(1e6, model="airbench") == of(1e6, minutes=0.0) == 0


def test_parts_of_a_run_and_a_full_one_after_it_have_the_network_that_the_first_part_chose(place, monkeypatch):
    """The second part has more time than the first, and the full run none that would tell its width."""
    chosen = iter((0.25, 2.0))
    monkeypatch.setattr(models, "width_for", lambda policy, seconds: next(chosen))
    wanted = settled(place, model="airbench", width=0.0, minutes=1.0, image_size=24, views="mirror", fold="all")
    run = runs.open_run(place, wanted)
    for key, seconds in (("0", 1.0), ("1", 2.0)):
        train.fold(place, run, wanted, 32, key, planning.Budget(step_seconds=seconds))
    assert [plan["width"] for plan in runs.plans(run)] == [0.25, 0.25]
    paths.write_json(run.score, {"score": 0.5, "folds": {"0": 0.5, "1": 0.5}, "metric": "accuracy"})
    full = dataclasses.replace(wanted, minutes=0.0, epochs=0.2, fold="full")
    assert train.plan_like(place, runs.open_run(place, full), full) == runs.plans(run)[0]
    run = trained(place, model="airbench", width=0.0, image_size=24, views="mirror", fold="full", epochs=0.2)
    assert [(plan["width"], plan["side"], plan["steps"]) for plan in runs.plans(run)] == [(0.25, 24, 1)]


def test_a_plan_keeps_the_width_so_that_another_machine_continues_with_it(place):
    wanted = settled(place, model="airbench", width=0.0)
    source = material.load(place, 32)
    plan = dataclasses.replace(planning.make_plan(wanted, source, 72, 4), width=0.5)
    stem, first = [layer for layer in planning.make_learner(wanted, source, plan).model.layers if isinstance(layer, keras.layers.Conv2D)][:2]
    assert (stem.filters, first.filters) == (24, 32)
    assert planning.make_plan(settled(place, width=0.25), source, 72, 4).width == 0.25


def test_pictures_are_mixed_by_themselves_where_each_has_one_label_and_is_seen_often(place, prepared, tmp_path):
    source = material.load(place, 32)

    def of(epochs: float, like: dict | None = None, **changes) -> str:
        asked = planning.chosen(settled(place, **changes), source, "float32", planning.Budget(like=like or {}), 72, 0)
        plan = planning.make_plan(asked, source, 72, 1)
        return planning.with_steps(plan, asked, round(epochs * plan.steps_per_epoch)).mix

    assert (of(planning.OFTEN - 1), of(planning.OFTEN)) == ("none", planning.AUTOMATIC)
    assert (of(1, mix="mixup"), of(1000, mix="none")) == ("mixup", "none")
    assert of(1000, like={"mix": "none"}) == "none"  # as the run's first part
    assert of(1, like={"mix": "both"}) == of(1, like={"mix": "both"}, minutes=1.0) == "both"
    with of_kind(prepared, tmp_path / "other", "multilabel") as other:
        assert settled(other).mix == "none"


def test_decay_is_the_networks_own_unless_asked(place, monkeypatch):
    given = []
    build = train.optim.build
    monkeypatch.setattr(train.optim, "build", lambda *arguments, **named: given.append(named["weight_decay"]) or build(*arguments, **named))
    for changes in ({"model": "airbench"}, {"model": "resnet10"}, {"model": "airbench", "weight_decay": 0.0}):
        learner_of(place, **changes)
    assert given == [models.MODELS["airbench"].weight_decay, models.MODELS["resnet10"].weight_decay, 0.0]


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16", "float32"])
def test_the_network_computes_in_the_precision_that_was_asked_for(place, precision):
    model = learner_of(place, precision=precision).model
    kinds = {layer.compute_dtype for layer in model._flatten_layers() if isinstance(layer, keras.layers.Conv2D)}
    assert kinds == {precision.removeprefix("mixed_")}
    assert model.output.dtype == "float32"


def test_a_step_that_does_not_fit_is_computed_in_parts(place, monkeypatch):
    """The memory of a processor cannot be short for one step alone: the error of a GPU is raised in its place."""
    whole = learn.Learner._replica_step

    def short(learner, *batch):
        if learner.plan.parts < 4:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return whole(learner, *batch)

    monkeypatch.setattr(learn.Learner, "_replica_step", short)
    wanted, source, said = settled(place), material.load(place, 32), []
    learner = planning.fitting(wanted, source, np.arange(72), 4, said.append)
    assert learner.plan.parts == 4
    assert said[-1] == "out of memory: the batch of 16 is computed in 4 parts"
    assert int(learner.optimizer.iterations.numpy()) == 0


def test_a_picture_that_does_not_fit_alone_is_a_mistake(place, monkeypatch):
    def short(learner, *batch):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(learn.Learner, "_replica_step", short)
    with pytest.raises(Mistake, match=r"one picture of 32 px is too much.*image_size="):
        planning.fitting(settled(place, batch_size=4), material.load(place, 32), np.arange(72), 4, print)


@pytest.mark.parametrize(("budget", "before"), [({"minutes": 1.0, "epochs": 0.0}, True), ({"epochs": 0.1}, False)])
def test_a_budget_is_divided_after_the_look_for_a_shift(place, monkeypatch, budget, before):
    """It takes seconds, but only in the competition's first run: what is set aside for the page cannot know of it."""
    place.shift.unlink(missing_ok=True)
    looked = []
    monkeypatch.setattr(train, "fold", lambda *given: looked.append(place.shift.exists()))
    wanted = settled(place, **budget)
    train.trained(place, runs.open_run(place, wanted), wanted, 0.0)
    assert looked == [before]


def test_entries_of_ones_own_are_trained_by_their_names(place, monkeypatch, capsys):
    def body(inputs, *given, **named):
        return keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, 2, activation="relu")(inputs))

    own = dataclasses.replace(models.MODELS["resnet10"], body=body)
    used = []

    def darker(images, draw, question, side):
        used.append(len(images))
        return images // 2

    monkeypatch.setitem(models.MODELS, "mine", own)
    monkeypatch.setitem(
        losses.LOSSES, "mine", {"multiclass": lambda targets, logits, smoothing: tf.reduce_mean((targets - tf.nn.softmax(logits)) ** 2, 1)}
    )
    monkeypatch.setitem(optim.OPTIMIZERS, "mine", lambda schedule, **settings: keras.optimizers.Lion(schedule, **settings))
    monkeypatch.setitem(augment.OPERATIONS, "darker", darker)
    wanted = settled(place, model="mine", loss="mine", optimizer="mine", augment="flip+darker", width=1.0)
    train.check_names(place, wanted)
    run = runs.open_run(place, wanted)
    train.trained(place, run, wanted, 0.0)
    assert "mine" in capsys.readouterr().out
    assert set(used) == {16}
    values = paths.read_predictions(run.fold("0").valid)[1]
    np.testing.assert_allclose(values.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("loss", "mean_squared_error"),
        ("loss", "huuber"),
        ("optimizer", "adam"),
        ("schedule", "cosin"),
        ("balance", "yes"),
        ("augment", "flip+crob"),
        ("xla", "1"),
    ],
)
def test_an_unknown_name_stops_before_anything_is_written(place, setting, name):
    with pytest.raises(Mistake, match=r"Known|Those that do"):
        train.check_names(place, settled(place, **{setting: name}))


def test_first_weights_come_from_another_run_and_the_head_is_trained_first(place, capsys):
    first = trained(place, epochs=3.0)
    capsys.readouterr()
    run = trained(place, weights=str(first.folder), epochs=4.0, freeze=0.5, layer_decay=0.5)
    assert "weights" in capsys.readouterr().out
    plan = paths.read_json(run.fold("0").plan)
    assert plan["frozen"] == plan["steps"] // 2


def test_first_weights_that_have_seen_the_validation_rows_are_refused(place):
    first = trained(place)
    wanted = settled(place, weights=str(first.folder))
    assert train.first_weights(place, wanted, "0.2") == str(first.fold("0").folder)
    assert train.first_weights(place, wanted, "full") == str(first.folder)
    for weights in (first.folder, first.fold("0").folder):
        with pytest.raises(Mistake, match="has seen rows that fold 1 validates"):
            train.first_weights(place, settled(place, weights=str(weights)), "1")


def test_an_ordinal_problem_is_trained_on_cumulative_logits(place):
    text = place.problem.read_text()
    try:
        place.problem.write_text(text.replace('value = "multiclass"', 'value = "ordinal"'))
        run = trained(place)
        model = models.load(run.fold("0").weights)
        values = paths.read_predictions(run.fold("0").valid)[1]
    finally:
        place.problem.write_text(text)
    assert model.output_shape[-1] == 2
    assert values.shape[1] == 3
    np.testing.assert_allclose(values.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_targets_that_are_no_single_class_are_learnt_and_predicted_in_their_own_unit(prepared, tmp_path, kind):
    with of_kind(prepared, tmp_path / "other", kind) as place:
        run = trained(place, epochs=12.0)
        question, score = problem.read(place.problem), paths.read_json(run.score)
        truth = targets.truth(question, tables.read(place.train).label)
        found = runs.predictions(place, question, run.name)
        lines = [json.loads(line) for line in run.fold("0").history.read_text().splitlines()]
    assert found.valid.shape == (18, len(question.classes))
    assert found.test.shape == (30, len(question.classes))
    curve = [line["valid_loss"] for line in lines if f"valid_{question.metric}" in line]
    assert curve[-1] < curve[0]
    if kind == "regression":
        assert (found.test >= [10, -1]).all()
        assert (found.test <= [500, 2]).all()
        assert score["low"] <= score["score"] <= score["high"]
    elif kind == "soft":
        np.testing.assert_allclose(found.test.sum(1), 1, atol=1e-5)
    loss = metrics.METRICS[train.loss_metric(question)]
    prior = np.tile(truth.mean(0), (18, 1))
    asked = runs.asked(question)
    assert loss.score(truth[found.valid_rows], found.valid, asked) < 0.9 * loss.score(truth[found.valid_rows], prior, asked)


def test_values_are_targets_from_zero_to_one(prepared, tmp_path):
    with of_kind(prepared, tmp_path / "other", "regression") as place:
        source = material.load(place, 32)
        labels = tables.read(place.train).label.to_numpy()
    found = source.targets(np.array([5, 0, 40]))
    assert found.dtype == np.float32
    size, shade = np.array([[float(word) for word in label.split()] for label in labels[[5, 0, 40]]]).T
    np.testing.assert_allclose(found, np.stack([(size - 10) / 490, (shade + 1) / 3], axis=1), atol=1e-6)
    assert material.frequencies(source).tolist() == [1, 1]


def test_frequencies_of_labels_are_their_shares_of_the_rows(prepared, tmp_path):
    """Of the three kinds of pictures one is dark and round, one red, one nothing."""
    with of_kind(prepared, tmp_path / "other", "multilabel") as place:
        np.testing.assert_allclose(material.frequencies(material.load(place, 32)), [1 / 3] * 3, atol=1e-6)


def test_views_are_moved_where_their_passes_are_cheap_and_the_network_is_one_for_small_pictures(place):
    wanted, source = settled(place, model="airbench"), material.load(place, 32)

    def views(predicted: int, steps: int, **changes) -> str:
        asked = dataclasses.replace(wanted, **changes)
        return planning.with_views(planning.make_plan(asked, source, 72, steps), asked, predicted, steps).views

    assert wanted.views == "auto"
    batch = planning.batch_size(wanted, 72)
    most = int(planning.MOVED_VIEWS * 1000 * batch * 3 / 4)  # four passes more, each a third of a step
    assert views(most, 1000) == "mirror_shift"
    assert views(most + 1, 1000) == views(most, 1000, views="mirror") == views(most, 1000, model="resnet10") == "mirror"
    assert views(most, 1000, views="one") == "one"


@pytest.mark.parametrize("channels", [2, 6])
def test_pictures_of_other_channels_are_augmented_trained_on_and_predicted(place, channels):
    wanted, source = settled(place, augment="rand"), material.load(place, 32)
    source = dataclasses.replace(source, pictures=np.concatenate([source.pictures, 255 - source.pictures], axis=3)[..., :channels])
    rows = np.arange(72)
    learner = planning.make_learner(wanted, source, planning.make_plan(wanted, source, len(rows), 3))
    course = [float(learner.step(*batch)) for batch in material.batches(wanted, source, learner.plan, rows)(0)]
    assert np.isfinite(course).all()
    found = planning.make_predictor(source, learner.model, "mirror")(material.passing(source, 32, "train", rows), rows)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_an_undefined_metric_of_the_curve_is_no_number(place):
    text = place.problem.read_text()
    try:
        place.problem.write_text(text.replace('value = "accuracy"', 'value = "roc_auc"'))
        source = material.load(place, 32)
        rows = np.flatnonzero(source.truth == 1)[:4]
        line = train.validation(source, 32, lambda batches, rows, what: np.full((len(rows), 3), 1 / 3), rows)()
    finally:
        place.problem.write_text(text)
    assert line["valid_loss"] == pytest.approx(np.log(3))
    assert np.isnan(line["valid_roc_auc"])


def test_balanced_sampling_needs_one_class_for_each_picture(prepared, tmp_path):
    with of_kind(prepared, tmp_path / "other", "multilabel") as place, pytest.raises(Mistake, match=r"Those that do: none$"):
        train.check_names(place, settled(place, balance="sampling"))


def test_rare_classes_are_drawn_as_often_as_common_ones(place):
    source = material.load(place, 32)
    wanted = settled(place, balance="sampling")
    rows = np.concatenate([np.flatnonzero(source.truth == 0)[:2], np.flatnonzero(source.truth != 0)[:46]])
    plan = planning.make_plan(wanted, source, len(rows), 3)
    targets = np.concatenate([targets.numpy() for _, targets, _ in material.batches(wanted, source, plan, rows)(0)])
    assert targets.sum(0).tolist() == [16, 16, 16]
