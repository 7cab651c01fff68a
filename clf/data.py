"""Store → `tf.data` batches.

The batch contract: `images` uint8 [B,S,S,C], values 0..255 (normalisation is inside the model); `targets` float32 [B,K]; `rows` int32
[B], the row numbers of the table. Every prediction is put back by the row number that came with its batch, never by order of arrival.
Training batches drop the remainder and are augmented; validation and test batches are padded with row -1 and never augmented.
Every draw is a function of (seed, epoch, row) alone, so a resumed run needs no generator's state.
"""

import functools
import os
from collections.abc import Callable

import cv2
import numpy as np
import tensorflow as tf

from clf import batch

Images = np.ndarray | batch.Rows
Augment = Callable[[Images, np.ndarray, int], Images]  # (images, rows, epoch) -> images


def order(seed: int, epoch: int, size: int) -> np.ndarray:
    """An exact shuffle of range(size), int64 (8 MB for a million rows): a function of seed and epoch alone."""
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(size)


def balanced_order(seed: int, epoch: int, codes: np.ndarray) -> np.ndarray:
    """As `order` over range(n), n = len(codes), but every class has the same number of places (give or take one): rows of rare classes
    come several times, of common ones not all, before any of its class comes once more. A row's repeat number r adds r · n."""
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    groups = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    places = np.full(len(groups), len(codes) // len(groups))
    places[generator.permutation(len(groups))[: len(codes) % len(groups)]] += 1
    drawn = []
    for group, size in zip(groups, places, strict=True):
        rounds = range(-(-size // len(group)))
        drawn.append(np.concatenate([generator.permutation(group) + repeat * len(codes) for repeat in rounds])[:size])
    return generator.permutation(np.concatenate(drawn))


def resize(images: np.ndarray | batch.Rows, side: int) -> np.ndarray:
    """uint8 [B,S,S,C] → [B,side,side,C], downwards only, as `batch.resize` does it."""
    if images.shape[1] == side:
        return np.asarray(images)
    given = batch.rows(images)
    out = batch.empty((len(given), side, side, given.shape[3]))
    for source, target, code in zip(given.sources(), out, given.codes(), strict=True):
        batch.resize(source, target)
        batch.mirror(target, code)
    return out


def training(
    pictures: np.ndarray,
    store_rows: np.ndarray,
    rows: np.ndarray,
    targets: Callable[[np.ndarray], np.ndarray],
    batch_size: int,
    side: int,
    augment: Augment,
    seed: int,
    start: int,
    steps: int,
    codes: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Batches number `start` … `steps - 1` of an endless shuffled, augmented stream over `rows`.

    `pictures` is the store, `store_rows` int [N] maps a table row to its row there; `targets(rows)` gives float32 [len(rows),K]. With
    `codes`, the class of each of `rows`, every class has an equal share of each epoch. One Python call makes a whole batch.
    """
    per_epoch = len(rows) // batch_size

    @functools.lru_cache(maxsize=2)
    def shuffled(epoch: int) -> np.ndarray:
        return order(seed, epoch, len(rows)) if codes is None else balanced_order(seed, epoch, codes)

    def make(step: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        epoch, position = divmod(int(step), per_epoch)
        repeat, place = np.divmod(shuffled(epoch)[position * batch_size : (position + 1) * batch_size], len(rows))
        chosen = rows[place]
        # A row that comes again in an epoch is augmented anew: the draws go by a number that no other row has.
        images = resize(augment(batch.Rows(pictures, store_rows[chosen]), chosen + repeat * len(store_rows), epoch), side)
        return images, targets(chosen), chosen.astype(np.int32)

    return _batches(make, start, steps, batch_size, side, pictures.shape[3], targets(rows[:1]).shape[1])


def passing(pictures: np.ndarray, store_rows: np.ndarray, rows: np.ndarray, batch_size: int, side: int) -> tf.data.Dataset:
    """One pass over `rows` in order, without targets ([B,0]); the last batch is filled up with row -1."""
    padded = np.full(-(-len(rows) // batch_size) * batch_size, -1)
    padded[: len(rows)] = rows

    def make(step: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        chosen = padded[int(step) * batch_size : (int(step) + 1) * batch_size]
        images = resize(batch.Rows(pictures, store_rows[np.maximum(chosen, 0)]), side)
        return images, np.empty((batch_size, 0), np.float32), chosen.astype(np.int32)

    return _batches(make, 0, len(padded) // batch_size, batch_size, side, pictures.shape[3], 0)


def cores() -> int:
    """How many calls make batches side by side: one for each core that this process may use, up to 8. Large pictures keep a core busy
    without Python's lock; each call holds a batch. OpenCV's own threads would compete with them, and are switched off."""
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)


def _batches(make: Callable, start: int, stop: int, batch_size: int, side: int, channels: int, classes: int) -> tf.data.Dataset:
    def call(step):
        images, targets, rows = tf.numpy_function(make, [step], (tf.uint8, tf.float32, tf.int32), stateful=False)
        images.set_shape([batch_size, side, side, channels])
        targets.set_shape([batch_size, classes])
        rows.set_shape([batch_size])
        return images, targets, rows

    cv2.setNumThreads(1)
    # Without autotune: its thread stalls the end of a finite pass by a second, and can hold up an iterator's end for half a minute.
    options = tf.data.Options()
    options.autotune.enabled = False
    return tf.data.Dataset.range(start, stop).map(call, num_parallel_calls=cores(), deterministic=True).prefetch(2).with_options(options)
