"""The named checks of step 04: each passed, warned or failed, with its figure and what to do; and the forecast of step 05."""

import dataclasses
import math
import resource
import time
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from clf import augment, data, folds, images, learn, losses, material, metrics, models, paths, planning, runs, store, tables, targets, train
from clf.config import Config
from clf.problem import SINGLE


@dataclass(frozen=True)
class Check:
    """`state` is passed, warned (04 goes on) or failed (04 stops)."""

    name: str
    state: str
    figure: str
    advice: str


def verdict(name: str, good: bool, figure: str, advice: str, otherwise: str = "failed") -> Check:
    return Check(name, "passed" if good else otherwise, figure, "" if good else advice)


@dataclass(frozen=True)
class Bench:
    """What the checks share: the sample's rows (training and held out) and a plan for them."""

    place: paths.Place
    settled: Config
    source: material.Material
    rows: np.ndarray
    held_out: np.ndarray
    plan: learn.Plan

    def stream(self, augmentation: str | None = None):
        return material.batches(self.settled, self.source, self.plan, self.rows, augmentation)

    def learner(self) -> learn.Learner:
        return planning.make_learner(self.settled, self.source, self.plan)


def bench(place: paths.Place, settled: Config, side: int, size: int) -> Bench:
    """The first `size` rows of the nested sample: those of fold 0 are held out. Batches are as large as step 05's, for the forecast's sake."""
    source = material.load(place, side)
    every, _ = folds.rows(source.folds, "0")
    rows, held_out = (folds.sample(source.folds, round(size * len(part) / len(source.folds)), part) for part in folds.rows(source.folds, "0"))
    # As a plan leaves `mix=auto` where no row is seen often.
    settled = dataclasses.replace(settled, mix="none" if settled.mix == "auto" else settled.mix)
    settled = dataclasses.replace(settled, batch_size=max(1, min(planning.batch_size(settled, len(every)), len(rows) // 4)))
    plan = planning.fitting(settled, source, rows, 1000, print).plan if models.gpu_count() else planning.make_plan(settled, source, len(rows), 1000)
    return Bench(place, settled, source, rows, held_out, plan)


# -- the checks, each (bench, …) -> Check ------------------------------------------------------------------------------------------------


def thumbnails(batch: np.ndarray, side: int = 8) -> np.ndarray:
    """uint8 [B,S,S,C] → float [B,side·side·C], each with mean 0 and length 1."""
    small = data.resize(np.ascontiguousarray(batch), side).reshape(len(batch), -1).astype(np.float64)
    small -= small.mean(1, keepdims=True)
    return small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-9)


def pictures_differ(on: Bench) -> Check:
    """The pictures of a batch are not all alike, neither as they are stored nor as they are augmented."""
    spread = {}
    for augmentation in ("none", on.settled.augment):
        pictures, _, _ = next(iter(on.stream(augmentation)(0)))
        spread[augmentation] = float(pictures.numpy().std(0, dtype=np.float64).mean())
    plain, augmented = spread["none"], spread[on.settled.augment]
    figure = f"standard deviation over {on.plan.batch_size} pictures {plain:.1f} plain and {augmented:.1f} augmented, of 255"
    wiped, alike = f"augment={on.settled.augment} wipes them out", "the store holds one picture over and over: make clean explore prepare"
    advice = wiped if plain >= 0.5 else alike
    return verdict("pictures differ from one another", plain >= 0.5 and augmented >= 0.5, figure, advice)


def belong_together(on: Bench, count: int = 64) -> Check:
    """The pictures that leave the pipeline are, by nearest neighbour among originals read anew from raw/, those of the rows that they
    come with; and their targets are what those rows' labels in train.csv mean."""
    few = on.rows[: max(2, min(count, len(on.rows)))]
    plan = dataclasses.replace(on.plan, batch_size=len(few), steps_per_epoch=1, steps=1)
    side = plan.side
    table = tables.read(on.place.pictures)
    names = table[table.part == "train"].path.to_numpy()[few]
    fit = paths.read_json(on.place.prepare_record)["fit"]
    originals = np.zeros((len(few), side, side, on.source.pictures.shape[3]), np.uint8)
    question = on.source.question
    for position, picture in images.stream(on.place.raw, list(names), side, window=question.window):
        originals[position] = store.as_channels(images.fit(picture, side, fit), originals.shape[3])
    labels = tables.read(on.place.train).label.to_numpy()
    reread = dataclasses.replace(on.source, truth=targets.truth(question, labels))
    reference = thumbnails(originals)
    found = {}
    right_labels = 0
    for augmentation in ("none", on.settled.augment):
        stream = material.batches(on.settled, on.source, plan, few, augmentation)
        pictures, wanted, rows = next(iter(stream(0)))
        nearest = few[(thumbnails(pictures.numpy()) @ reference.T).argmax(1)]
        # Equal pictures under two rows are not an error: their reference thumbnails agree.
        place_of = {row: position for position, row in enumerate(few)}
        same = [np.allclose(reference[place_of[a]], reference[place_of[b]], atol=0.05) for a, b in zip(nearest, rows.numpy(), strict=True)]
        found[augmentation] = float(np.mean(same))
        right_labels = int(np.isclose(wanted, reread.targets(rows.numpy()), atol=1e-5).all(axis=1).sum())
    plain, augmented = found["none"], found[on.settled.augment]
    good = plain >= 0.98 and right_labels == len(few) and augmented >= min(0.5, 4 / len(few) + 0.1)
    figure = f"{plain:.0%} plain and {augmented:.0%} augmented of {len(few)} are nearest to their own row, {right_labels} labels agree"
    return verdict("pictures and labels belong together", good, figure, "the store and the tables differ: make clean explore prepare")


def held_out_stays_out(on: Bench) -> Check:
    """No batch of a training epoch holds a held-out row, its picture, or a row that is bound to one (the same group or duplicates)."""
    stream = material.batches(on.settled, on.source, on.plan, on.rows, "none")
    seen = np.concatenate([rows.numpy() for _, _, rows in stream(0, on.plan.steps_per_epoch)])
    units = folds.bound(tables.read(on.place.train))
    leaked = {
        "rows": np.isin(seen, on.held_out).sum(),
        "pictures": np.isin(on.source.train_store[seen], on.source.train_store[on.held_out]).sum(),
        "twins or group members": np.isin(units[seen], units[on.held_out]).sum(),
    }
    figure = ", ".join(f"{count} {what}" for what, count in leaked.items()) + f" of the {len(on.held_out)} held out in {len(seen)} trained on"
    advice = "scores would be too good: make clean explore prepare"
    return verdict("held-out rows stay out of training", not any(leaked.values()), figure, advice)


def other_seed(on: Bench) -> Check:
    """Another seed gives another order of rows, other first weights and, where augmentation draws, other draws for the same pictures."""
    few = on.rows[: min(32, len(on.rows))]
    pictures = on.source.pictures[on.source.train_store[few]]
    orders, draws, weights = [], [], []
    for seed in (on.settled.seed, on.settled.seed + 1):
        settled = dataclasses.replace(on.settled, seed=seed, batch_size=len(few))
        plan = planning.make_plan(settled, on.source, len(few), 1)
        _, _, rows = next(iter(material.batches(settled, on.source, plan, few, "none")(0)))
        orders.append(rows.numpy())
        draws.append(augment.build(settled.augment, on.source.question, seed, plan.side)(pictures, few, 0))
        weights.append(planning.make_learner(settled, on.source, plan).model.get_weights())
    equal = {
        "orders": np.array_equal(*orders),
        "draws": np.array_equal(*draws) and not np.array_equal(draws[0], pictures),
        # Weights that were trained elsewhere are the same for every seed, and the head starts at zero.
        "first weights": not on.settled.weights and all(np.array_equal(one, other) for one, other in zip(*weights, strict=True)),
    }
    alike = [what for what, same in equal.items() if same]
    figure = f"{' and '.join(alike) or 'nothing'} the same with seed={on.settled.seed} and {on.settled.seed + 1}"
    advice = "something draws without seed=, or always with the same: runs with other seeds would not tell the noise"
    return verdict("another seed gives another run", not alike, figure, advice)


def uniform_start(on: Bench) -> Check:
    """The first loss is near that of logits that are all zero: classes alike, labels as likely as not, values in the middle of their range."""
    learner = on.learner()
    pictures, wanted, _ = next(iter(on.stream()(0)))
    logits = learner.model(tf.cast(pictures, tf.float32), training=True)
    loss, guess = (float(tf.reduce_mean(learner.loss(wanted, values))) for values in (logits, tf.zeros_like(logits)))
    figure = f"loss {loss:.3f}, a uniform guess {guess:.3f}"
    return verdict("loss at start is a uniform guess's", abs(loss - guess) <= 0.2 * guess, figure, "the head's first weights are too large")


def first_steps(on: Bench, steps: int = 6) -> list[Check]:
    """A few steps on one batch. The head (the last layer with weights) makes something of its features: the logits differ between
    pictures. And every weight moves; decay is off, which would move weights that no gradient reaches."""
    settled = dataclasses.replace(on.settled, weight_decay=0.0)
    learner = planning.make_learner(settled, on.source, planning.make_plan(settled, on.source, len(on.rows), steps + 2))
    batch = next(iter(on.stream()(0)))
    before = [variable.numpy() for variable in learner.model.trainable_variables]
    for _ in range(steps):
        learner.step(*batch)
    logits = learner.model(tf.cast(batch[0], tf.float32), training=True).numpy()
    spread = float(logits.std(0).max())
    head = [layer for layer in learner.model.layers if layer.weights][-1]
    moved = [not np.array_equal(old, new.numpy()) for old, new in zip(before, learner.model.trainable_variables, strict=True)]
    still = [variable.path for variable, did in zip(learner.model.trainable_variables, moved, strict=True) if not did]
    off = [layer.name for layer in learner.model._flatten_layers(include_self=False) if layer.weights and not layer.trainable]
    return [
        verdict(
            "the head answers to its features",
            spread > 1e-6,
            f"largest standard deviation of a logit over pictures {spread:.2g} after {steps} steps",
            f"layer {head.name} gets no gradient, or passes nothing on: are its weights trainable, are its features connected?",
        ),
        verdict(
            "every weight moves",
            not still and not off,
            f"{len(still)} of {len(moved)} variables unchanged after {steps} steps, {len(off)} layers not trainable",
            f"frozen, or not reached by a gradient: {', '.join([*off, *still][:8])}",
            "failed" if still else "warned",
        ),
    ]


def learnt_by_heart(on: Bench, seconds: float = 15.0, steps: int = 200) -> Check:
    """A few pictures, not augmented, over and over: nearly all are right in the end (see `learnt`)."""
    few = on.rows[: min(32, len(on.rows))]
    settled = dataclasses.replace(on.settled, label_smoothing=0.0, mix="none", ema=0.0, batch_size=len(few))
    plan = dataclasses.replace(planning.make_plan(settled, on.source, len(few), steps), learning_rate=on.plan.learning_rate * 128 / len(few) / 2)
    learner = planning.make_learner(settled, on.source, plan)
    batch = next(iter(material.batches(settled, on.source, plan, few, "none")(0)))
    float(learner.step(*batch))  # compiles, which is not counted
    right, began, taken = 0.0, time.monotonic(), 1
    while right < 0.97 and taken < steps and (time.monotonic() - began < seconds or taken < 12):
        for _ in range(4):
            learner.step(*batch)
            taken += 1
        right = learnt(on, batch[1].numpy(), learner.model(tf.cast(batch[0], tf.float32), training=True))
    what = "pictures right" if on.source.question.kind in SINGLE else "pictures' targets explained"
    figure = f"{right:.0%} of {len(few)} {what} after {taken} steps"
    advice = "the network cannot fit even these: lower learning_rate=, or labels do not belong to pictures"
    # A slow machine may not come far in the time: that alone is no proof of a fault.
    return verdict("one batch is learnt by heart", right >= 0.9, figure, advice, "failed" if taken >= 40 else "warned")


def learnt(on: Bench, wanted: np.ndarray, logits: tf.Tensor) -> float:
    """The share of pictures whose class is the most probable one; where they have no single class, of the targets' variance the share that
    the predictions explain (1 - squared error / variance): labels, shares and values differ in their losses, not in this."""
    question = on.source.question
    predicted = tf.sigmoid(logits).numpy() if question.kind == "regression" else losses.probabilities(question, logits).numpy()
    if question.kind in SINGLE:
        return float((predicted.argmax(1) == wanted.argmax(1)).mean())
    error, variance = float(((predicted - wanted) ** 2).mean()), float(wanted.var(axis=0).mean())
    return 1 - error / max(variance, 1e-3)  # alike pictures leave nothing to explain: then a small error is enough


def same_twice(on: Bench, steps: int = 2) -> Check:
    """Two runs of one seed take the same steps to the same weights, bit by bit."""
    ends, starts = [], [on.learner().state()]
    learner = on.learner()
    starts.append(learner.state())
    for _ in range(2):
        for batch in on.stream()(0, steps):
            learner.step(*batch)
        ends.append(learner.state())
        learner.restore(starts[1])
    equal = all(np.array_equal(one, other) for pair in (starts, ends) for one, other in zip(*pair, strict=True))
    figure = f"after {steps} steps the weights are {'equal' if equal else 'different'}"
    return verdict("the same seed gives the same run", equal, figure, "an operation is not deterministic: results will not repeat", "warned")


def trained(on: Bench, seconds: float) -> tuple[list[Check], dict]:
    """A short training on the sample: does the loss fall, is the result better than the prior, does it depend on the picture, and how
    long does the step wait for data? Returns the checks and what the forecast needs."""
    learner = on.learner()
    per_step, compiling = planning.measure(learner, on.stream(), 2.0)
    steps = int(np.clip(seconds / per_step, 8, 30 * on.plan.steps_per_epoch))
    plan = dataclasses.replace(on.plan, steps=steps)
    on = dataclasses.replace(on, plan=plan)
    learner.follow(plan)
    course = []
    for batch in on.stream()(0):
        course.append(float(learner.step(*batch)))
        if len(course) == 1:
            began = time.monotonic()  # the first batches are not yet made
    step_seconds = (time.monotonic() - began) / (steps - 1)
    began = time.monotonic()
    for _ in on.stream()(0, min(steps, 50)):
        pass
    feeding = (time.monotonic() - began) / min(steps, 50)
    learn.recalibrate(learner.model, on.stream()(0, min(steps, planning.RECALIBRATION)))
    held_out = on.held_out
    predictor = planning.make_predictor(on.source, learner.model, "one")
    predicted = predictor(material.passing(on.source, plan.side, "train", held_out), held_out).astype(np.float64)
    part = max(1, len(course) // 5)
    first, last = float(np.mean(course[:part])), float(np.mean(course[-part:]))
    spread = float((predicted.std(0) / unit(on)).max())
    waiting = feeding / step_seconds
    seen = f"after {steps} steps of {plan.batch_size}"
    found = [
        verdict("the loss falls", last < 0.98 * first, f"{first:.3f} → {last:.3f} {seen}", "try another learning_rate=", "warned"),
        better_than_prior(on, predicted),
        verdict(
            "predictions change with the input",
            spread > 1e-3,
            f"largest standard deviation of a class {spread:.4f}",
            "the network ignores the picture",
        ),
        verdict(
            "the step does not wait for data",
            waiting < 0.5,
            f"a batch takes {1000 * feeding:.1f} ms to make, a step {1000 * step_seconds:.1f} ms",
            "a lighter augment=, or a smaller store (make prepare side=…)",
            "warned",
        ),
    ]
    return found, {"seconds_per_step": step_seconds, "compiling": compiling}


def unit(on: Bench) -> np.ndarray | float:
    """What a prediction's spread is measured by: 1 of a probability, the range of a value."""
    if on.source.question.kind != "regression":
        return 1.0
    low, high = targets.ranges(on.source.question)
    return high - low


def better_than_prior(on: Bench, predicted: np.ndarray) -> Check:
    """The held-out rows' loss, or their accuracy where each has one class, against the mean of the training rows, whatever the picture."""
    question, truth = on.source.question, on.source.truth[on.held_out]
    prior = np.tile(targets.dense(question, on.source.truth[on.rows]).mean(0, dtype=np.float64), (len(truth), 1))

    def measured(metric: str) -> tuple[float, float]:
        return tuple(metrics.METRICS[metric].score(truth, values, runs.asked(question)) for values in (predicted, prior))

    name = train.loss_metric(question)
    loss, guess = measured(name)
    good, figure = loss < 0.99 * guess, f"{name.replace('_', ' ')} {loss:.3f}, prior {guess:.3f}"
    if question.kind in SINGLE:
        right, most = measured("accuracy")
        good |= right > most + 2 * math.sqrt(most * (1 - most) / len(truth))
        figure += f"; accuracy {right:.3f}, prior {most:.3f}"
    return verdict(
        "better than the class prior on held-out rows",
        good,
        figure,
        "where one batch is learnt by heart the network can learn: the labels may not follow from the pictures (shuffled, or joined by the "
        "wrong column: compare explore's page with train.csv), or the pictures are hard, or the training too short (seconds=60)",
        "warned",
    )


CHECKS = (pictures_differ, belong_together, held_out_stays_out, other_seed, uniform_start, first_steps, learnt_by_heart, same_twice)


def all_checks(on: Bench, seconds: float, report) -> tuple[list[Check], dict | None]:
    """Runs the checks, from the pictures to the trained network, hands each to `report` as it comes, and returns them with the training's
    timing. A failed one is the last (and there is no timing): what comes after it would fail for its reason."""
    found = []
    for check in CHECKS:
        result = check(on)
        for one in result if isinstance(result, list) else [result]:
            found.append(one)
            report(one)
            if one.state == "failed":
                return found, None
    more, timing = trained(on, seconds)
    for check in more:
        report(check)
    return [*found, *more], timing


def forecast(on: Bench, timing: dict) -> dict:
    """Minutes per epoch of step 05 on fold 0, and its peak memory in MiB: this process's, which holds the same network and batches."""
    rows, _ = folds.rows(on.source.folds, "0")
    batch = planning.batch_size(on.settled, len(rows))
    per_picture = timing["seconds_per_step"] / on.plan.batch_size
    minutes = len(rows) // batch * batch * per_picture / 60
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": len(rows), "side": on.plan.side, "minutes_per_epoch": minutes, "peak_memory_mib": peak}
