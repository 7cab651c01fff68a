"""How fast each stage between picture files and predictions is, beside what bounds it in the same run.

Photos of 500 x 375 px are made, packed as step 03 does it, trained on as step 05 does it, and predicted.
"""

import contextlib
import dataclasses
import importlib.util
import io
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from simplejpeg import decode_jpeg

from clf import augment, data, images, learn, material, models, paths, planning, store
from clf.bench import CLASSES, QUICK, draw, in_threads, peak, rates, record, sample_photos, seconds, turns
from clf.bench_explore import decode_quickly
from clf.config import Config
from clf.problem import Problem

CLOSE = 5  # repeats at least where a ratio is near its goal
READY = 8  # batches that a stream may have made while nobody asked
CORES = os.cpu_count() or 1
CROPS = "flip+cut"


@dataclass(frozen=True)
class Sizes:
    """How much of everything is measured."""

    photos: int = 400  # different ones
    copies: int = 4  # names of each
    height: int = 375
    width: int = 500
    batch: int = 128
    batches: int = 60  # at a time, of an endless stream
    epoch: int = 400  # batches of a finite one, as cifar-10 has them
    seconds: float = 8.0  # of a fit, whose start and two checkpoints count, and of the steps beside it
    networks: tuple[str, ...] = ("airbench", "resnet10")


class Ground:
    """The photos, and the stores that stages have packed of them."""

    def __init__(self, folder: Path, sizes: Sizes):
        self.folder, self.sizes, self.raw = folder, sizes, folder / "photos"
        self.names = write_photos(self.raw, sizes) * sizes.copies
        self.rows = np.arange(len(self.names))

    def pack(self, side: int) -> None:
        """As step 03 does it."""
        store.pack(self.packed(side), self.raw, self.names, side, "squash", 3, {"side": side})

    def packed(self, side: int) -> paths.Packed:
        return paths.Packed(self.folder / str(side))

    def store(self, side: int) -> np.ndarray:
        if not self.packed(side).record.exists():
            self.pack(side)
        return store.load(self.packed(side))

    def material(self, side: int) -> material.Material:
        """The store of that side, with classes that say nothing."""
        pictures = self.store(side)
        table = pd.DataFrame({"fold": "1", "sample": self.rows.astype(str)})
        return material.Material(question(), pictures, self.rows, np.empty(0, int), self.rows % CLASSES, table)


def write_photos(raw: Path, sizes: Sizes) -> list[str]:
    """Names below `raw/`, in a folder for each class, as Keras reads them."""
    names = [f"{number % CLASSES}/{number:08x}.jpg" for number in range(sizes.photos)]
    photos, shape = sample_photos(), (sizes.height, sizes.width)
    for number in range(CLASSES):
        (raw / str(number)).mkdir(parents=True)

    def write(batch: list[int]) -> None:
        generator = np.random.default_rng(batch[0])
        for number in batch:
            picture = draw(photos[:: len(photos) // 2], generator, shape)
            (raw / names[number]).write_bytes(cv2.imencode(".jpg", picture, QUICK[".jpg"])[1])

    in_threads(write, list(range(len(names))))
    return names


def question() -> Problem:
    blank = {field.name: "" for field in dataclasses.fields(Problem) if field.default is dataclasses.MISSING}
    named = {"columns": ("label",), "suffixes": (), "renames": (), "lowest": (), "highest": (), "window": (), "ranks": 0}
    named |= {"classes": tuple(f"class {number}" for number in range(CLASSES)), "kind": "multiclass", "metric": "accuracy", "style": "label"}
    named |= {"channels": 3, "side": 32, "fit": "squash", "flip_horizontal": True, "flip_vertical": False}
    return Problem(**{**blank, **named})


# -- files to store ----------------------------------------------------------------------------------------------------------------


def reading(ground: Ground, repeats: int) -> Iterator[dict]:
    """`images.inspect` beside a decoder alone."""
    raw, names = ground.raw, ground.names
    alone = "simplejpeg and imagecodecs"
    ways = {"ours": lambda: images.inspect(raw, names), alone: lambda: in_threads(lambda batch: decode_quickly(raw, batch), names)}
    found = rates(ways, len(names), repeats)
    yield record("inspect", found["ours"], "pictures/s", found[alone], alone)


def packing(ground: Ground, repeats: int) -> Iterator[dict]:
    """`store.pack` beside scaled decoding alone, and beside decoding and resizing."""
    raw, names, repeats = ground.raw, ground.names, max(repeats, CLOSE)
    small, large = 160, 256

    def scaled(batch: list[str]) -> None:
        for name in batch:
            decode_jpeg((raw / name).read_bytes(), min_height=small, min_width=small)

    def whole(batch: list[str]) -> None:
        for name in batch:
            cv2.resize(decode_jpeg((raw / name).read_bytes()), (large, large), interpolation=cv2.INTER_AREA)

    def tensorflow() -> None:
        listed = tf.data.Dataset.from_tensor_slices([str(raw / name) for name in names])
        for _ in listed.map(lambda name: tf.io.decode_jpeg(tf.io.read_file(name), ratio=2), num_parallel_calls=CORES).prefetch(CORES):
            pass

    def rate(work: Callable) -> Callable[[], float]:
        return lambda: len(names) / seconds(work)

    def packed(side: int) -> float:
        shutil.rmtree(ground.packed(side).folder, ignore_errors=True)
        return rate(lambda: ground.pack(side))()

    ways = {
        "small": lambda: packed(small),
        "simplejpeg, at half size": rate(lambda: in_threads(scaled, names)),
        "TensorFlow, at half size": rate(tensorflow),
        "large": lambda: packed(large),
        "simplejpeg and OpenCV": rate(lambda: in_threads(whole, names)),
    }
    turns(ways, 1)
    found = turns(ways, repeats)
    limit = max(("simplejpeg, at half size", "TensorFlow, at half size"), key=lambda name: np.median(found[name]))
    yield record(f"decode to the store, {small} px", found["small"], "pictures/s", found[limit], limit)
    yield record(f"decode to the store, {large} px", found["large"], "pictures/s", found["simplejpeg and OpenCV"], "simplejpeg and OpenCV")


# -- store to batches --------------------------------------------------------------------------------------------------------------


def stream(source: material.Material, side: int, sizes: Sizes, operations: str, steps: int) -> tf.data.Dataset:
    plan = learn.Plan(steps, max(1, len(source.truth) // sizes.batch), min(sizes.batch, len(source.truth)), side, "adamw", 0.1, 0)
    return material.batches(Config(augment=operations), source, plan, np.arange(len(source.truth)))(0)


def consume(batches) -> None:
    for _ in batches:
        pass


def batching(ground: Ground, repeats: int) -> Iterator[dict]:
    """Training and validation batches beside a copy of as many whole stored pictures on one thread."""
    for stored, side in ((256, 224), (32, 32)):
        yield from _batching(ground, stored, side, repeats)


def _batching(ground: Ground, stored: int, side: int, repeats: int) -> Iterator[dict]:
    sizes, source = ground.sizes, ground.material(stored)
    batch = min(sizes.batch, len(ground.rows))
    count = sizes.batches * batch
    out = np.empty((batch, *source.pictures.shape[1:]), np.uint8)
    passed = np.resize(ground.rows, count)
    chosen = np.random.default_rng(0).permutation(passed).reshape(sizes.batches, batch)
    copied, sets = "np.take of the stored pictures", dict.fromkeys((CROPS, "light"))
    endless = {operations: iter(stream(source, side, sizes, operations, 1_000_000)) for operations in sets}

    def copy() -> None:
        for rows in chosen:
            np.take(source.pictures, rows, axis=0, out=out, mode="clip")

    def steady(of: Iterator, batches: int = sizes.batches) -> float:
        consume(itertools.islice(of, READY))
        return seconds(lambda: consume(itertools.islice(of, batches)))

    title = f"{side} px of {stored}"
    ways = {f"training batches, {operations}, {title}": lambda of=of: count / steady(of) for operations, of in endless.items()}
    ways[f"validation batches, {title}"] = lambda: (
        count / seconds(lambda: consume(data.passing(source.pictures, source.train_store, passed, batch, side)))
    )
    copy()  # the store's pages are in memory from here on
    found = turns({**ways, copied: lambda: count / seconds(copy)}, repeats)
    for name in ways:
        yield record(name, found[name], "pictures/s", found[copied], copied)
    whole = {
        "epoch": lambda: seconds(lambda: consume(stream(source, side, sizes, CROPS, sizes.epoch))),
        "steady": lambda: steady(endless[CROPS], sizes.epoch),
    }
    found = turns(whole, max(repeats, CLOSE))
    yield record(f"an epoch of {sizes.epoch} batches, {title}", found["epoch"], "s", found["steady"], "steady state")


# -- steps -------------------------------------------------------------------------------------------------------------------------

STORED = {"airbench": 32, "resnet10": 160}  # px, what each network's pictures are stored at


class Trained:
    """A learner of one network on made classes, and a batch that stays on the device."""

    def __init__(self, ground: Ground, name: str):
        sizes = ground.sizes
        self.name, self.source = name, ground.material(STORED[name])
        self.settled = Config(model=name, batch_size=min(sizes.batch, len(ground.rows)), views="mirror")
        self.learner = planning.fitting(self.settled, self.source, ground.rows, 1, lambda line: None)
        self.plan = self.learner.plan
        self.stream = material.batches(self.settled, self.source, self.plan, ground.rows)
        self.before = self.learner.state()
        self.batch = next(iter(self.learner.strategy.experimental_distribute_dataset(self.stream(0, 1))))
        self.steps = 1
        self.bare()  # compiles
        self.steps = max(2, round(sizes.seconds / self.bare()))

    def bare(self) -> float:
        """Seconds of the steps, each on the same batch."""
        self.restore()
        began = time.perf_counter()
        for _ in range(self.steps):
            loss = self.learner.step(*self.batch)
        float(loss)
        return time.perf_counter() - began

    def fit(self) -> float:
        """Seconds of as many steps by the loop of step 05: batches, checkpoints, history."""
        self.restore()
        with tempfile.TemporaryDirectory(prefix="clf-bench-") as folder, contextlib.redirect_stdout(io.StringIO()):
            began = time.perf_counter()
            learn.fit(
                self.learner,
                lambda start: self.stream(start, self.steps),
                paths.Fold(Path(folder) / "fold0"),
                dict,
                lambda line: None,
            )
            return time.perf_counter() - began

    def restore(self) -> None:
        self.learner.restore(self.before)
        self.learner.follow(dataclasses.replace(self.plan, steps=self.steps))

    @property
    def pictures(self) -> int:
        return self.steps * self.plan.batch_size

    @property
    def title(self) -> str:
        return f"{self.name}, {self.plan.side} px"


def stepping(ground: Ground, repeats: int) -> Iterator[dict]:
    """The fit of step 05 beside the bare step on a batch that stays; augmentations beside the same step."""
    for name in ground.sizes.networks:
        on = Trained(ground, name)
        on.fit()  # what it compiles and reads for the first time
        found = turns({"fit": on.fit, "bare": on.bare}, max(repeats, CLOSE))
        yield record(f"fit, {on.title}", on.pictures / found["fit"], "pictures/s", on.pictures / found["bare"], "the bare step")
        yield from augmenting(ground, on, repeats)
        yield from predicting(ground, on, repeats)


def augmenting(ground: Ground, on: Trained, repeats: int) -> Iterator[dict]:
    """Each set and each operation of our own: its share of the step's time, where all cores augment."""
    rows = ground.rows[: on.plan.batch_size]
    batch = np.ascontiguousarray(on.source.pictures[rows])
    names = [name for name in (*augment.AUGMENTS, *augment.OPERATIONS) if name != "none" and not name.startswith("kerascv_")]
    ways = {}
    for name in names:
        made = augment.build(name, on.source.question, 0, on.plan.side)
        made(batch, rows, 0)

        def cost(made=made) -> float:
            began = time.process_time()
            data.resize(made(batch, rows, 1), on.plan.side)
            return (time.process_time() - began) / CORES / len(batch)

        ways[name] = cost
    few = max(2, on.steps // 8)

    def step() -> float:
        began = time.perf_counter()
        for _ in range(few):
            loss = on.learner.step(*on.batch)
        float(loss)
        return (time.perf_counter() - began) / few / on.plan.batch_size

    found = turns({**ways, "step": step}, repeats)
    for name in names:
        yield record(f"augment={name}, {on.title}", 1e6 * found[name], "us/picture", 1e6 * found["step"], "the bare step")


def predicting(ground: Ground, on: Trained, repeats: int) -> Iterator[dict]:
    """Prediction with mirrored views beside the forward pass on a batch that stays."""
    predictor = planning.make_predictor(on.source, on.learner.model, on.plan.views)
    rows, side = ground.rows, on.plan.side
    resident, _, _ = next(iter(material.passing(on.source, side, "train", rows)))
    resident = tf.identity(resident)
    calls = -(-len(rows) // len(resident))

    def bare() -> None:
        for _ in range(calls):
            found = predictor.forward(resident)
        found.numpy()

    padded = calls * len(resident)  # both compute the last batch's padding
    found = rates({"ours": lambda: predictor(material.passing(on.source, side, "train", rows), rows), "bare": bare}, padded, repeats)
    yield record(f"predict, 2 views, {on.title}", found["ours"], "pictures/s", found["bare"], "the bare forward pass")


# -- what one would write otherwise ------------------------------------------------------------------------------------------------


def directory(ground: Ground, side: int) -> tf.data.Dataset:
    """Keras's pictures of a folder, decoded anew in every epoch, with KerasCV's flips and moves."""
    import keras_cv

    layers = (keras_cv.layers.RandomFlip("horizontal", seed=1), keras_cv.layers.RandomTranslation(0.1, 0.1, seed=1))

    def change(pictures, labels):
        for layer in layers:
            pictures = layer(pictures, training=True)
        return pictures, labels

    with contextlib.redirect_stdout(io.StringIO()):
        read = keras.utils.image_dataset_from_directory(ground.raw, image_size=(side, side), batch_size=ground.sizes.batch, seed=1)
    return read.map(change, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def otherwise(ground: Ground, repeats: int) -> Iterator[dict]:
    """An epoch of ours from the store, and its fit, beside those that Keras and KerasCV give."""
    sizes, side, name = ground.sizes, 160, ground.sizes.networks[-1]
    source = ground.material(side)
    steps = max(1, len(ground.rows) // sizes.batch)
    ours, theirs = steps * min(sizes.batch, len(ground.rows)), sizes.photos
    read = directory(ground, side)
    consume(read)
    ways = {
        "ours": lambda: ours / seconds(lambda: consume(stream(source, side, sizes, CROPS, steps))),
        "theirs": lambda: theirs / seconds(lambda: consume(read)),
    }
    found = turns(ways, repeats)
    beside = "image_dataset_from_directory and KerasCV"
    yield record(f"an epoch's batches, {side} px", found["ours"], "pictures/s", found["theirs"], beside)

    on = Trained(ground, name)
    models.set_precision(on.plan.precision)
    model = models.build(name, on.plan.side, 3, CLASSES)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    small = directory(ground, on.plan.side)
    model.fit(small, verbose=0)
    ways = {"ours": lambda: on.pictures / on.fit(), "theirs": lambda: theirs / seconds(lambda: model.fit(small, verbose=0))}
    found = turns(ways, repeats)
    yield record(f"fit beside Keras's, {on.title}", found["ours"], "pictures/s", found["theirs"], f"model.fit of {beside}")


# In an interpreter of its own: PyTorch and TensorFlow bring two versions of the same libraries, and do not live in one process.
IMAGE_FOLDER = """
import sys, time
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
raw, side, size, workers = sys.argv[1], *map(int, sys.argv[2:])
folder = datasets.ImageFolder(raw, transforms.Compose([transforms.Resize((side, side)), transforms.ToTensor()]))
batches = DataLoader(folder, size, shuffle=True, num_workers=workers)
began = time.perf_counter()
for _ in batches:
    pass
print(len(folder) / (time.perf_counter() - began))
"""


def torch(ground: Ground, repeats: int) -> Iterator[dict]:
    """An epoch's pictures from the store beside torchvision's ImageFolder, which decodes them."""
    if not importlib.util.find_spec("torchvision"):
        print("left out: torchvision's ImageFolder (torchvision is not installed)")
        return
    side, sizes = 160, ground.sizes
    source, steps = ground.material(side), max(1, len(ground.rows) // sizes.batch)
    ours = steps * min(sizes.batch, len(ground.rows))
    command = [sys.executable, "-P", "-c", IMAGE_FOLDER, str(ground.raw), *map(str, (side, sizes.batch, CORES))]

    def theirs() -> float:
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    try:
        theirs()
    except subprocess.CalledProcessError as error:
        print(f"left out: torchvision's ImageFolder ({[f'exit status {error.returncode}', *error.stderr.splitlines()][-1]})")
        return
    found = turns({"ours": lambda: ours / seconds(lambda: consume(stream(source, side, sizes, CROPS, steps))), "theirs": theirs}, repeats)
    yield record(f"an epoch's pictures, {side} px", found["ours"], "pictures/s", found["theirs"], "torchvision's ImageFolder")


STAGES: tuple[Callable[[Ground, int], Iterator[dict]], ...] = (reading, packing, batching, stepping, otherwise, torch)


def measure(sizes: Sizes, repeats: int) -> Iterator[dict]:
    """Records of every stage, as they come; `peak_mib` is the most memory since the stage began."""
    with tempfile.TemporaryDirectory(prefix="clf-bench-") as folder:
        ground = Ground(Path(folder), sizes)
        for stage in STAGES:
            with peak() as most:
                for row in stage(ground, repeats):
                    yield row | ({"peak_mib": round(most[0])} if most else {})
