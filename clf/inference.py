"""A trained run put to use: predictions for any pictures, and an export that predicts the same without this package."""

import contextlib
import csv
import functools
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from clf import batch, config, containers, data, images, learn, losses, material, models, paths, problem, runs, store, tables, targets
from clf.config import Config, Mistake
from clf.problem import Problem

# -- a trained run ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """A run's networks, one for each fold, and what a picture goes through before them."""

    run: paths.Run
    question: Problem
    settled: Config
    networks: list[keras.Model]  # images [B,S,S,C] 0..255 → logits
    views: list[str]  # of each of them, see `learn.VIEWS`
    stored_side: int  # px, of the store that the run was trained on
    fit: str

    @property
    def side(self) -> int:
        """px that the networks see"""
        return self.networks[0].input_shape[1]

    @property
    def channels(self) -> int:
        return self.networks[0].input_shape[3]


def load(place: paths.Place, run: paths.Run) -> Trained:
    """A whole run's networks."""
    made = paths.read_json(run.identity)["store"]
    networks = [models.load(fold.weights) for fold in folds(run)]
    settled = runs.settings(run)
    views = [paths.read_json(fold.plan).get("views", settled.views) for fold in folds(run)]  # plans had none before a network chose them
    return Trained(run, problem.read(place.problem), settled, networks, views, made["side"], made["fit"])


def folds(run: paths.Run) -> list[paths.Fold]:
    return [run.fold(key) for key in paths.read_json(run.score)["folds"]]


def check_store(place: paths.Place, run: paths.Run) -> None:
    """Raises Mistake where the store that the run was trained on is gone or was packed otherwise since."""
    identity = paths.read_json(run.identity)
    side, fit = identity["store"]["side"], identity["store"]["fit"]
    record = paths.read_json(place.packed(side).record) or {}
    if paths.hash_text(str(record.get("made_from"))) != identity["made_from"]["store"]:
        raise Mistake(
            f"the store that run {run.name} was trained on, with which its export is compared, is gone, or was packed otherwise since: run "
            f"`make prepare COMPETITION={place.competition} side={side} fit={fit}`, or train again with `make train COMPETITION={place.competition}`."
        )


def forward(trained: Trained) -> Callable[[np.ndarray], np.ndarray]:
    """A function uint8 [B,S,S,C] → float64 [B,K]: the mean over the folds and over their views."""
    meaning = functools.partial(losses.probabilities, trained.question)
    members = [learn.Predictor(network, views, meaning) for network, views in zip(trained.networks, trained.views, strict=True)]

    def predict(pictures: np.ndarray) -> np.ndarray:
        pictures = tf.constant(pictures)
        return np.mean([member.forward(pictures).numpy() for member in members], axis=0, dtype=np.float64)

    return predict


# -- predictions for any pictures --------------------------------------------------------------------------------------------------------


def names(folder: Path, suffixes: Sequence[str] = ()) -> list[str]:
    """Every picture below the folder, named as `images.stream` reads it: those of containers first, then files by their path.

    Where a picture's channels are files of their own, told apart by their `suffixes`, the name is theirs, joined. Raises Mistake where
    there is no folder, or no picture in it.
    """
    if not folder.is_dir():
        raise Mistake(f"images={folder} is no folder.")
    files = [path.relative_to(folder).as_posix() for path in paths.files(folder)]
    sizes = {name: contained(folder / name) for name in files}
    found = [f"{name}#{row}" for name, size in sizes.items() for row in range(size)]
    pictures = [name for name, size in sizes.items() if not size and name.lower().endswith(images.EXTENSIONS)]
    joined = join_channels(pictures, suffixes) if suffixes else pictures
    if pictures and not joined:
        raise Mistake(f"images={folder} holds {len(pictures)} pictures, but none is called …{' or …'.join(suffixes)}, as the channels of one are.")
    if not found + joined:
        raise Mistake(
            f"images={folder} holds {len(files)} files and no picture. Known: {' '.join(images.EXTENSIONS)}, tables of pixels, JSON lists of "
            "records with arrays, and TFRecord files."
        )
    return found + joined


def contained(path: Path) -> int:
    """How many pictures a file holds, where it is a container: a table of pixels, a JSON list of records with arrays, a TFRecord file, a
    stack [N,H,W,C]; else 0."""
    kind = path.suffix.lower()
    try:
        if kind == ".csv":
            columns = images.pixel_columns(tables.header(path))
            return len(pd.read_csv(path, usecols=columns[:1])) if columns else 0
        if kind == ".json":
            found = [containers.number_fields(record) for record in containers.json_records(path)]
            return len(found) if any(found) else 0
        if kind in (".tfrec", ".tfrecord", ".tfrecords"):
            return sum(1 for _ in containers.examples(path))
        if kind == ".npy":
            shape = np.load(path, mmap_mode="r").shape
            return shape[0] if len(shape) == 4 else 0
    except (ValueError, images.Unreadable):  # no such container, or a damaged one
        pass
    return 0


def join_channels(files: Sequence[str], suffixes: Sequence[str]) -> list[str]:
    """One name `a|b|…`, in the order of the suffixes, for all files that are called the same but for the suffix, before their extension.

    A file that is missing keeps its place: reading the name says so. Files without any of the suffixes are left out.
    """
    found: dict[str, dict[str, str]] = {}
    for name in files:
        stem, extension = os.path.splitext(name)
        suffix = max((suffix for suffix in suffixes if stem.endswith(suffix)), key=len, default=None)
        if suffix is not None:
            found.setdefault(stem.removesuffix(suffix), {}).setdefault(suffix, extension)
    return ["|".join(stem + suffix + parts.get(suffix, min(parts.values())) for suffix in suffixes) for stem, parts in found.items()]


def prepared(trained: Trained, folder: Path, names: list[str]) -> Iterator[tuple[str, np.ndarray | images.Unreadable]]:
    """Each name, in order, with its picture as step 03 stores it, uint8 [side,side,C], or the reason why there is none."""
    side, fit = trained.stored_side, trained.fit
    at_least = side if fit == "squash" else side + 1  # as the store asks for it: a JPEG is decoded at the same scale
    waiting, expected = {}, 0
    for position, picture in images.stream(folder, names, at_least, window=trained.question.window):
        readable = not isinstance(picture, images.Unreadable)
        waiting[position] = store.as_channels(images.fit(picture, side, fit), trained.channels) if readable else picture
        while expected in waiting:
            yield names[expected], waiting.pop(expected)
            expected += 1


def write_table(output: Path, trained: Trained, folder: Path, names: list[str]) -> int:
    """Writes `path, label, error` and a column per class with its probability or value, in the problem's order; one line for each name.

    A picture that cannot be read has its reason under `error` and nothing else. Returns how many these are.
    """
    predict, size, failed = forward(trained), material.FORWARD_BATCH, 0
    pictures = prepared(trained, folder, names)
    bar = config.progress(total=len(names), desc="predicting", unit="picture")
    # Names of files that are no UTF-8 stay what they are.
    with paths.writing(output) as temporary, open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as file, bar:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", "label", "error", *trained.question.classes])
        while group := list(itertools.islice(pictures, size)):
            readable = [picture for _, picture in group if not isinstance(picture, images.Unreadable)]
            probabilities = iter(_padded(predict, np.stack(readable), size, trained.side) if readable else ())
            for name, picture in group:
                if isinstance(picture, images.Unreadable):
                    failed += 1
                    table.writerow([name, "", picture, *[""] * len(trained.question.classes)])
                else:
                    values = next(probabilities)
                    table.writerow([name, label(trained.question, values), "", *(f"{value:.8g}" for value in values)])
            bar.update(len(group))
    return failed


def label(question: Problem, values: np.ndarray) -> str:
    """What predictions [K] say of one picture: its class; every label that is likelier than not, at least the likeliest; or the values."""
    if question.kind == "regression":
        return " ".join(f"{value:.8g}" for value in values)
    chosen = np.flatnonzero(values >= 0.5) if question.kind == "multilabel" else ()
    return question.separator.join(question.classes[code] for code in (chosen if len(chosen) else [values.argmax()]))


def _padded(predict: Callable, pictures: np.ndarray, size: int, side: int) -> np.ndarray:
    """Predictions float64 [n,K], made in a batch of `size`: another size would be compiled anew."""
    padded = np.zeros((size, side, side, pictures.shape[3]), np.uint8)
    padded[: len(pictures)] = data.resize(pictures, side)
    return predict(padded)[: len(pictures)]


# -- the export --------------------------------------------------------------------------------------------------------------------------

TOLERANCE = 1e-4  # of a probability, or of a value's range
LOOSE = 2e-2  # where half precision, or another kind of device, computed the run's predictions
COMPARED = 64  # pictures
OUTPUTS = {"multilabel": "probabilities of each label by itself", "soft": "shares", "regression": "values"}  # by the problem's kind
# Runs with -P, where this package is not found: what it loads needs Keras and TensorFlow alone.
ELSEWHERE = """
import sys
import keras, numpy, tensorflow
model, saved_model, pictures, found = sys.argv[1:]
pictures = numpy.load(pictures)
served = tensorflow.saved_model.load(saved_model)
numpy.savez(
    found,
    keras=keras.models.load_model(model).predict(pictures, verbose=0),
    keras_float=keras.models.load_model(model).predict(pictures.astype("float32"), verbose=0),
    saved_model=served.serve_uint8(pictures).numpy(),
    saved_model_float=served.serve(pictures.astype("float32")).numpy(),
)
"""


def export(place: paths.Place, trained: Trained, expected: runs.Predictions, output: paths.Export) -> dict:
    """Writes the run as one Keras model, one SavedModel and a record of what they want and give; returns the record.

    Both take pictures uint8 or float32 [B,S,S,C] of 0..255 and give probabilities or values float32 [B,K]. They are loaded again, without this
    package, and compared with the run's own predictions of test pictures: RuntimeError for a difference above the tolerance.
    """
    check_output(output)
    check_store(place, trained.run)
    model = combined(trained)
    with _beside(output) as draft:
        model.save(draft.model)
        archive = keras.export.ExportArchive()
        archive.track(model)
        for name, dtype in (("serve", tf.float32), ("serve_uint8", tf.uint8)):
            signature = tf.TensorSpec([None, *model.input_shape[1:]], dtype, "images")
            archive.add_endpoint(name, lambda pictures: model(tf.cast(pictures, tf.float32), training=False), [signature])
        archive.write_out(str(draft.saved_model), verbose=False)
        difference = differences(place, trained, expected, draft)
        if (largest := max(difference.values())) > (allowed := tolerance(trained)):
            raise RuntimeError(f"the export of run {trained.run.name} predicts something else: by {largest:.1e}, {allowed:.0e} are allowed")
        record = describe(trained) | {"largest_difference": difference}
        paths.write_json(draft.record, record)
        _install(draft, output)
    return record


def combined(trained: Trained) -> keras.Model:
    """All folds and views as one network of stock layers: images [B,S,S,C] 0..255 → probabilities or values float32 [B,K]."""
    pictures = keras.Input(trained.networks[0].input_shape[1:], name="images")
    parts = []
    for number, (network, views) in enumerate(zip(trained.networks, trained.views, strict=True)):
        plain = models.plain(network)
        member = keras.Model(plain.inputs, plain.outputs[0], name=f"member{number}")  # the networks' own names are equal
        for view, share in learn.VIEWS[views]:
            parts.append(losses.probabilities(trained.question, member(view(pictures))) * (share / len(trained.networks)))
    mean = keras.ops.sum(keras.ops.stack(parts), axis=0)
    return keras.Model(pictures, keras.layers.Activation("linear", dtype="float32", name="probabilities")(mean), name=trained.run.name)


def describe(trained: Trained) -> dict:
    """What somebody who has the exported files alone has to know."""
    colours = {1: "grey", 3: "RGB"}.get(trained.channels, f"{trained.channels} channels")
    if trained.question.window:
        colours += f" of more than 8 bits, each from {' and '.join(trained.question.window)} to 0 and 255"
    resizing = "by area" if batch.by_area(trained.stored_side, trained.side) else "bilinearly"
    return {
        "competition": trained.question.competition,
        "run": trained.run.name,
        "classes": trained.question.classes,
        "side": trained.side,
        "channels": trained.channels,
        "fit": trained.fit,
        "stored_side": trained.stored_side,
        "input": f"pictures uint8 or float32 [B,{trained.side},{trained.side},{trained.channels}], {colours}, 0..255, upright: rectangles by "
        f"fit={trained.fit} to {trained.stored_side} px, then {resizing} to {trained.side} px",
        "output": f"{OUTPUTS.get(trained.question.kind, 'probabilities')} float32 [B,{len(trained.question.classes)}], in the order of classes",
        "use": "keras.models.load_model(file).predict(pictures); tf.saved_model.load(folder).serve(pictures), or .serve_uint8(pictures)",
        "folds": [fold.key for fold in folds(trained.run)],
        "views": trained.views,
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
    }


def differences(place: paths.Place, trained: Trained, expected: runs.Predictions, draft: paths.Export) -> dict[str, float]:
    """The largest difference from the run's own predictions, of a probability or as a share of a value's range, for each way to ask."""
    source = material.load(place, trained.stored_side)
    pictures = data.resize(source.pictures[source.test_store[expected.test_rows[:COMPARED]]], trained.side)
    given, found = draft.folder / "given.npy", draft.folder / "found.npz"
    np.save(given, pictures)
    command = [sys.executable, "-P", "-c", ELSEWHERE, *(str(path) for path in (draft.model, draft.saved_model, given, found))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the export of run {trained.run.name} cannot be loaded without this package:\n{done.stderr[-2000:]}")
    unit = np.subtract(*targets.ranges(trained.question)[::-1]) if trained.question.kind == "regression" else 1.0
    mean = np.mean(expected.test_parts, axis=0)  # the blend of submissions may be another
    with np.load(found) as answers:
        return {name: float((np.abs(answers[name] - mean[:COMPARED]) / unit).max()) for name in answers.files}


def tolerance(trained: Trained) -> float:
    here = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    records = [paths.read_json(fold.record) for fold in folds(trained.run)]
    alike = all(record["device"] == here and record["precision"].startswith("float32") for record in records)
    return TOLERANCE if alike else LOOSE


def check_output(output: paths.Export) -> None:
    """Raises Mistake where the folder holds anything but an export, which would be replaced."""
    own = {path.name for path in (output.model, output.saved_model, output.record)}
    others = sorted(set(os.listdir(output.folder)) - own) if output.folder.is_dir() else [output.folder.name] if output.folder.exists() else []
    if others:
        raise Mistake(f"output={paths.show(output.folder)} is no folder for an export, it holds {others[0]!r}: name a new one.")


@contextlib.contextmanager
def _beside(output: paths.Export):
    """An export in the making, next to the place where it will lie; gone when its block ends."""
    draft = paths.Export(output.folder.with_name(f".{output.folder.name}.{os.getpid()}.tmp"))
    draft.folder.mkdir(parents=True)
    try:
        yield draft
    finally:
        shutil.rmtree(draft.folder)


def _install(draft: paths.Export, output: paths.Export) -> None:
    """Replaces an earlier export; the record goes first and comes last."""
    output.folder.mkdir(parents=True, exist_ok=True)
    output.record.unlink(missing_ok=True)
    shutil.rmtree(output.saved_model, ignore_errors=True)
    for part in ("saved_model", "model", "record"):
        os.replace(getattr(draft, part), getattr(output, part))
