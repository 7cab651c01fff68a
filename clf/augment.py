"""What a training batch may look like.

`AUGMENTS` names sets of operations on uint8 batches, `MIXES` operations inside the training step on float batches. An operation is
`operation(images uint8 [B,S,S,C], draw, problem, side) -> uint8 [B,S,S,C]`, a loop of cv2 copies (per-image calls of tf.data and of
TensorFlow operations are several times slower); one that resizes anyway gives [B,side,side,C], what the network sees. `draw(n)` gives
uniform numbers float [B,n] that depend on (seed, epoch, row, operation) alone.
"""

from collections.abc import Callable

import cv2
import numpy as np
import tensorflow as tf

from clf import config
from clf.problem import Problem

SMALL = 64  # px: up to here pictures are moved about; larger ones are cropped and resized


def uniform(seed: int, epoch: int, rows: np.ndarray, operation: int, n: int) -> np.ndarray:
    """float64 [len(rows), n] in [0, 1): SplitMix64 (Steele, Lea, Flood 2014) of seed, epoch, row, operation and column."""
    with np.errstate(over="ignore"):
        state = np.uint64(seed * 1_000_003 + epoch) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(operation * 64)
        mixed = _splitmix(np.asarray(rows).astype(np.uint64)[:, None] + _splitmix(np.atleast_1d(state)))
        mixed = _splitmix(mixed + np.arange(1, n + 1, dtype=np.uint64)[None] * np.uint64(0xD1B54A32D192ED03))
    return (mixed >> np.uint64(11)) * 2.0**-53


def _splitmix(value: np.ndarray) -> np.ndarray:
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


Draw = Callable[[int], np.ndarray]


def flip(images: np.ndarray, draw: Draw, problem: Problem, side: int) -> np.ndarray:
    """Mirrors half of the pictures along each axis that the problem allows."""
    u = draw(2)
    out = images.copy()
    if problem.flip_horizontal:
        chosen = u[:, 0] < 0.5
        out[chosen] = out[chosen][:, :, ::-1]
    if problem.flip_vertical:
        chosen = u[:, 1] < 0.5
        out[chosen] = out[chosen][:, ::-1]
    return out


def shift(images: np.ndarray, draw: Draw, problem: Problem, side: int, share: float = 0.07) -> np.ndarray:
    """Crops of the picture padded by `share` of its side with its own mirror image: whole-pixel moves."""
    pad = max(1, round(images.shape[1] * share))
    offsets = (draw(2) * (2 * pad + 1)).astype(int)
    stored = images.shape[1]
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)), "reflect")
    out = np.empty_like(images)
    for source, target, (y, x) in zip(padded, out, offsets, strict=True):
        target[:] = source[y : y + stored, x : x + stored]
    return out


def crop(images: np.ndarray, draw: Draw, problem: Problem, side: int, smallest: float = 0.35) -> np.ndarray:
    """Random resized crops (Szegedy et al. 2015): `smallest` … 1 of the area, sides 3:4 … 4:3, resized to [B,side,side,C]."""
    u = draw(4)
    stored = images.shape[1]
    area = (smallest + (1 - smallest) * u[:, 0]) * stored * stored
    ratio = np.exp((2 * u[:, 1] - 1) * np.log(4 / 3))
    height = np.clip(np.sqrt(area / ratio).round().astype(int), 1, stored)
    width = np.clip(np.sqrt(area * ratio).round().astype(int), 1, stored)
    top = (u[:, 2] * (stored - height + 1)).astype(int)
    left = (u[:, 3] * (stored - width + 1)).astype(int)
    out = np.empty((len(images), side, side, images.shape[3]), np.uint8)
    for source, target, y, x, h, w in zip(images, out, top, left, height, width, strict=True):
        # Bilinear sampling aliases when it shrinks a lot.
        how = cv2.INTER_AREA if min(h, w) > 1.5 * side else cv2.INTER_LINEAR
        target[:] = cv2.resize(source[y : y + h, x : x + w], (side, side), interpolation=how).reshape(target.shape)
    return out


def place(images: np.ndarray, draw: Draw, problem: Problem, side: int) -> np.ndarray:
    """Moves small pictures, crops large ones."""
    return (shift if images.shape[1] <= SMALL else crop)(images, draw, problem, side)


def affine(images: np.ndarray, draw: Draw, problem: Problem, side: int, degrees: float = 12.0, scale: float = 0.12) -> np.ndarray:
    """Turns by up to ±`degrees` and scales by up to ±`scale` about the middle, in one warp; the border is mirrored."""
    u = 2 * draw(2) - 1
    stored = images.shape[1]
    middle = ((stored - 1) / 2, (stored - 1) / 2)
    out = np.empty_like(images)
    for source, target, (turn, zoom) in zip(images, out, u, strict=True):
        matrix = cv2.getRotationMatrix2D(middle, degrees * turn, 1 + scale * zoom)
        warped = cv2.warpAffine(source, matrix, (stored, stored), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        target[:] = warped.reshape(target.shape)
    return out


def colour(images: np.ndarray, draw: Draw, problem: Problem, side: int, strength: float = 0.3) -> np.ndarray:
    """Brightness, contrast and, with three channels, saturation, each by a factor of 1 ± `strength`: one table look-up and one blend."""
    u = 1 + strength * (2 * draw(3) - 1)
    out = np.empty_like(images)
    values = np.arange(256, dtype=np.float32)
    for source, target, (brightness, contrast, saturation) in zip(images, out, u, strict=True):
        mean = float(cv2.mean(source)[0])
        table = np.clip(((values - mean) * contrast + mean) * brightness, 0, 255).astype(np.uint8)
        changed = cv2.LUT(source, table)
        if images.shape[3] == 3:
            grey = cv2.cvtColor(cv2.cvtColor(changed, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            changed = cv2.addWeighted(changed, saturation, grey, 1 - saturation, 0)
        target[:] = changed.reshape(target.shape)
    return out


def cutout(images: np.ndarray, draw: Draw, problem: Problem, side: int, share: float = 0.3) -> np.ndarray:
    """Sets one square per picture to the batch's mean colour (DeVries and Taylor 2017); its side is `share` of the picture's."""
    here = images.shape[1]
    hole = max(1, round(here * share))
    corners = (draw(2) * (here + hole)).astype(int) - hole
    fill = images.mean(axis=(0, 1, 2)).astype(np.uint8)
    out = images.copy()
    for target, (y, x) in zip(out, corners, strict=True):
        target[max(0, y) : y + hole, max(0, x) : x + hole] = fill
    return out


AUGMENTS: dict[str, tuple[Callable, ...]] = {
    "none": (),
    "light": (flip, place),
    "medium": (flip, affine, place),
    "strong": (flip, affine, place, colour, cutout),
}


def build(name: str, problem: Problem, seed: int, side: int) -> Callable[[np.ndarray, np.ndarray, int], np.ndarray]:
    """`(images, rows, epoch) -> images` of a named set. Raises Mistake for an unknown name."""
    operations = config.choose(AUGMENTS, name, "augment")

    def augment(images: np.ndarray, rows: np.ndarray, epoch: int) -> np.ndarray:
        for number, operation in enumerate(operations):
            images = operation(images, lambda n, number=number: uniform(seed, epoch, rows, number, n), problem, side)
        return images

    return augment


# -- mixing, inside the training step ------------------------------------------------------------------------------------------------


def mixup(images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Blends each picture with its neighbour in the batch (Zhang et al. 2018), share from Beta(0.2, 0.2) by the batch."""
    share = _beta(seed, 0.2)
    share = tf.maximum(share, 1 - share)
    return share * images + (1 - share) * tf.roll(images, 1, 0), share * targets + (1 - share) * tf.roll(targets, 1, 0)


def cutmix(images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Pastes a box of the neighbour's picture (Yun et al. 2019); the targets follow the area. Box area uniform, by the batch."""
    side = tf.shape(images)[1]
    u = tf.random.stateless_uniform([3], seed)
    half = tf.cast(side, tf.float32) * tf.sqrt(u[0]) / 2
    middle = u[1:] * tf.cast(side, tf.float32)
    steps = tf.cast(tf.range(side), tf.float32) + 0.5
    inside = [tf.cast(tf.abs(steps - middle[axis]) < half, images.dtype) for axis in (0, 1)]
    box = inside[0][:, None] * inside[1][None, :]
    share = 1 - tf.reduce_mean(tf.cast(box, tf.float32))
    box = box[None, :, :, None]
    return images * (1 - box) + tf.roll(images, 1, 0) * box, share * targets + (1 - share) * tf.roll(targets, 1, 0)


def _beta(seed: tf.Tensor, alpha: float) -> tf.Tensor:
    pair = tf.random.stateless_gamma([2], seed, alpha)
    return pair[0] / tf.maximum(tf.reduce_sum(pair), 1e-12)


MIXES: dict[str, Callable | None] = {"none": None, "mixup": mixup, "cutmix": cutmix}
