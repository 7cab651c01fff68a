"""What a training batch may look like.

`OPERATIONS` names operations on uint8 batches, `AUGMENTS` sets of them, `MIXES` operations inside the training step on float batches. An
operation is `operation(images uint8 [B,S,S,C], draw, problem, side) -> uint8 [B,S,S,C]`, a loop of cv2 calls that write into the new batch
(per-image calls of tf.data and of TensorFlow operations are several times slower); one that resizes or cuts gives [B,side,side,C], what the
network sees. Those in `READERS` take a `batch.Rows` too and read the store themselves; of these `flip` reads nothing, and what reads its
result mirrors each picture as it writes it. `draw(n)` gives uniform numbers float [B,n] that depend on (seed, epoch, row, place in the set)
alone. What becomes of a picture depends on its own pixels and numbers, never on the rest of the batch; the images that come in stay as they
are.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow as tf
from scipy import special

from clf import batch, config
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
Images = np.ndarray | batch.Rows


# -- geometry ------------------------------------------------------------------------------------------------------------------------


def flip(images: Images, draw: Draw, problem: Problem, side: int) -> batch.Rows:
    """Mirrors half of the pictures along each axis that the problem allows: as soon as something reads them."""
    chosen = (draw(2) < 0.5) & [problem.flip_horizontal, problem.flip_vertical]
    return batch.rows(images).flipped(*chosen.T)


def cut(images: Images, draw: Draw, problem: Problem, side: int) -> Images:
    """Crops [B,side,side,C] as they are stored, of larger pictures."""
    given = batch.rows(images)
    spare = given.shape[1] - side
    if spare <= 0:
        return images
    top, left = given.seen((draw(2) * (spare + 1)).astype(int), spare)
    out = batch.empty((len(given), side, side, given.shape[3]))
    for source, target, code, y, x in zip(given.sources(), out, given.codes(), top, left, strict=True):
        target[...] = source[y : y + side, x : x + side]
        batch.mirror(target, code)
    return out


def shift(images: Images, draw: Draw, problem: Problem, side: int, share: float = 0.07) -> np.ndarray:
    """Crops of the picture padded by `share` of its side with its own mirror image: whole-pixel moves."""
    given = batch.rows(images)
    stored = given.shape[1]
    pad = max(1, round(stored * share))
    top, left = given.seen((draw(2) * (2 * pad + 1)).astype(int), 2 * pad)
    out = batch.empty(given.shape)
    for source, target, code, y, x in zip(given.sources(), out, given.codes(), top, left, strict=True):
        _move(source, target, pad - y, pad - x)
        batch.mirror(target, code)
    return out


def _move(source: np.ndarray, target: np.ndarray, down: int, right: int) -> None:
    """By whole pixels; the mirror image of what is seen fills the rest."""
    above, below, before, behind = max(down, 0), max(-down, 0), max(right, 0), max(-right, 0)
    part = source[below : len(source) - above, behind : len(source) - before]
    cv2.copyMakeBorder(part, above, below, before, behind, cv2.BORDER_REFLECT_101, target)


def crop(images: Images, draw: Draw, problem: Problem, side: int, smallest: float = 0.35) -> np.ndarray:
    """Random resized crops (Szegedy et al. 2015): `smallest` … 1 of the area, sides 3:4 … 4:3, resized to [B,side,side,C]."""
    given = batch.rows(images)
    u = draw(4)
    stored = given.shape[1]
    area = (smallest + (1 - smallest) * u[:, 0]) * stored * stored
    ratio = np.exp((2 * u[:, 1] - 1) * np.log(4 / 3))
    size = np.clip(np.sqrt(area[:, None] * np.stack([1 / ratio, ratio], -1)).round().astype(int), 1, stored)
    top, left = given.seen((u[:, 2:] * (stored - size + 1)).astype(int), stored - size)
    out = batch.empty((len(given), side, side, given.shape[3]))
    for source, target, code, y, x, (h, w) in zip(given.sources(), out, given.codes(), top, left, size.tolist(), strict=True):
        batch.resize(source[y : y + h, x : x + w], target)
        batch.mirror(target, code)
    return out


def place(images: Images, draw: Draw, problem: Problem, side: int) -> np.ndarray:
    """Moves small pictures, crops large ones."""
    return (shift if images.shape[1] <= SMALL else crop)(images, draw, problem, side)


def affine(images: Images, draw: Draw, problem: Problem, side: int, degrees: float = 12.0, scale: float = 0.12) -> np.ndarray:
    """Turns by up to ±`degrees` and scales by up to ±`scale` about the middle, in one warp; the border is mirrored."""
    given = batch.rows(images)
    u = 2 * draw(2) - 1
    stored = given.shape[1]
    middle = ((stored - 1) / 2, (stored - 1) / 2)
    out = batch.empty(given.shape)
    for source, target, code, (turn, zoom) in zip(given.sources(), out, given.codes(), u.tolist(), strict=True):
        seen = turn if code in (None, -1) else -turn  # a mirrored picture turns the other way
        matrix = cv2.getRotationMatrix2D(middle, degrees * seen, 1 + scale * zoom)
        cv2.warpAffine(source, matrix, (stored, stored), target, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        batch.mirror(target, code)
    return out


class Reach(NamedTuple):
    """The largest moves of `rand_augment` and `trivial_augment`; shear by the side's opposite end, translation as a share of the side."""

    degrees: float
    shear: float
    translation: float


FREE = Reach(30.0, 0.3, 0.3)
UPRIGHT = Reach(12.0, 0.2, 0.1)  # where a mirrored picture means something else: digits, letters


def _warp(picture: np.ndarray, matrix) -> np.ndarray:
    side = len(picture)
    return cv2.warpAffine(picture, np.asarray(matrix), (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _shear_x(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    slope = reach.shear * magnitude
    return _warp(picture, [[1, slope, -slope * (len(picture) - 1) / 2], [0, 1, 0]])


def _shear_y(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    slope = reach.shear * magnitude
    return _warp(picture, [[1, 0, 0], [slope, 1, -slope * (len(picture) - 1) / 2]])


def _translate_x(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    return _moved(picture, 0, round(reach.translation * magnitude * len(picture)))


def _translate_y(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    return _moved(picture, round(reach.translation * magnitude * len(picture)), 0)


def _moved(picture: np.ndarray, down: int, right: int) -> np.ndarray:
    out = np.empty_like(picture)
    _move(picture, out, down, right)
    return out


def _rotate(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    middle = (len(picture) - 1) / 2
    return _warp(picture, cv2.getRotationMatrix2D((middle, middle), reach.degrees * magnitude, 1))


# -- values --------------------------------------------------------------------------------------------------------------------------


def colour(images: np.ndarray, draw: Draw, problem: Problem, side: int, strength: float = 0.3) -> np.ndarray:
    """Brightness, contrast about the mean and, with three channels, saturation, each by a factor of 1 ± `strength`: one matrix per picture."""
    brightness, contrast, saturation = (1 + strength * (2 * draw(3) - 1)).T
    channels = images.shape[3]
    if channels != 3:
        saturation = np.ones_like(saturation)  # other channels are no colours of one picture, to be made alike
    weights = _grey_weights(channels)
    means = np.array([_means(source) for source in images]) @ weights
    matrices = np.empty((len(images), channels, channels + 1))
    kept = saturation[:, None, None] * np.eye(channels) + (1 - saturation)[:, None, None] * weights
    matrices[:, :, :channels] = (brightness * contrast)[:, None, None] * kept
    matrices[:, :, channels] = (brightness * (1 - contrast) * means)[:, None]
    out = batch.empty(images.shape)
    for source, target, matrix in zip(images, out, matrices, strict=True):
        cv2.transform(source, matrix, target)
    return out


def _means(picture: np.ndarray) -> np.ndarray:
    """float64 [C], each channel's mean; of [H,W,C] or [H,W]."""
    if picture.ndim == 2 or picture.shape[2] <= 4:
        return np.array(cv2.mean(picture)[: 1 if picture.ndim == 2 else picture.shape[2]])
    return picture.mean((0, 1))  # several times slower, for any number of channels


LUMA = np.array([0.299, 0.587, 0.114])


def _grey_weights(channels: int) -> np.ndarray:
    return LUMA if channels == 3 else np.full(channels, 1 / channels)


def blur(images: np.ndarray, draw: Draw, problem: Problem, side: int, share: float = 0.01) -> np.ndarray:
    """Gaussian blur; its standard deviation is uniform up to half a pixel and `share` of the side."""
    deviations = draw(1)[:, 0] * (0.5 + share * images.shape[1])
    out = batch.empty(images.shape)
    for source, target, deviation in zip(images, out, deviations.tolist(), strict=True):
        if deviation > 0.25:
            cv2.GaussianBlur(source, (0, 0), deviation, target, borderType=cv2.BORDER_REFLECT_101)
        else:  # the kernel is 1 in its middle, rounded to 8 bits
            target[...] = source
    return out


def cutout(images: np.ndarray, draw: Draw, problem: Problem, side: int, share: float = 0.3) -> np.ndarray:
    """Sets one square per picture to the picture's mean colour (DeVries and Taylor 2017); its side is `share` of the picture's."""
    here = images.shape[1]
    hole = max(1, round(here * share))
    corners = (draw(2) * (here + hole)).astype(int) - hole
    out = images.copy()
    for target, (y, x) in zip(out, corners.tolist(), strict=True):
        target[max(0, y) : y + hole, max(0, x) : x + hole] = np.rint(_means(target)).astype(np.uint8)
    return out


def _identity(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    return picture


def _auto_contrast(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    return _look_up(picture, [_stretching(*cv2.minMaxLoc(channel)[:2]) for channel in cv2.split(picture)])


def _stretching(low: float, high: float) -> np.ndarray:
    """The table that gives the darkest value 0 and the brightest 255; of values that do not occur it says nothing."""
    if low == high:
        return VALUES
    slope = 255 / (high - low)
    return VALUES * slope - low * slope


def _equalize(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    channels = range(1 if picture.ndim == 2 else picture.shape[2])
    return _look_up(picture, [_equalizing(cv2.calcHist([picture], [channel], None, [256], [0, 256]).ravel()) for channel in channels])


def _equalizing(counts: np.ndarray) -> np.ndarray:
    """The table that makes every value about equally frequent, as Pillow does it; counts: whole numbers, as float."""
    sums = counts.cumsum(dtype=float)
    step = (sums[-1] - counts[counts.nonzero()[0][-1]]) // 255
    return np.minimum((step // 2 + sums - counts) / step, 255) if step else VALUES


VALUES = np.arange(256.0)


def _look_up(picture: np.ndarray, tables: list[np.ndarray]) -> np.ndarray:
    """Every channel through its own table of values, cut off after the point."""
    return cv2.LUT(picture, np.array(tables).T.astype(int).astype(np.uint8)[None])  # from float at once, -1 would not be defined


def _posterize(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    """Keeps the highest 8 … 4 bits."""
    return picture & (0xFF << round(4 * abs(magnitude)) & 0xFF)


def _solarize(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    """Inverts what is brighter than a threshold that sinks from 256 to 0."""
    return cv2.LUT(picture, np.where(VALUES < 256 * (1 - abs(magnitude)), VALUES, 255 - VALUES).astype(np.uint8))


def _brightness(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    return cv2.addWeighted(picture, 1 + 0.9 * magnitude, picture, 0, 0)


def _contrast(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    means = _means(picture)
    mean = float(_grey_weights(len(means)) @ means)
    return cv2.addWeighted(picture, 1 + 0.9 * magnitude, picture, 0, -0.9 * magnitude * mean)


COLOUR = np.eye(3) - LUMA  # what is not grey


def _saturation(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    if picture.ndim == 2 or picture.shape[2] != 3:
        return picture
    return cv2.transform(picture, np.eye(3) + 0.9 * magnitude * COLOUR)


def _sharpness(picture: np.ndarray, magnitude: float, reach: Reach) -> np.ndarray:
    """Away from Pillow's SMOOTH, or towards it: a mean of 3 x 3 pixels in which the middle one counts five times."""
    mean = cv2.blur(picture, (3, 3), borderType=cv2.BORDER_REFLECT_101)
    share = -0.9 * magnitude * 9 / 13
    return cv2.addWeighted(picture, 1 - share, mean, share, 0)


# -- one of many -------------------------------------------------------------------------------------------------------------------


# name -> (picture uint8 [S,S,C] or [S,S], magnitude -1 … 1, reach) -> picture, also [S,S] for one channel
TRANSFORMATIONS: dict[str, Callable[[np.ndarray, float, Reach], np.ndarray]] = {
    "identity": _identity,
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "posterize": _posterize,
    "solarize": _solarize,
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "sharpness": _sharpness,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
    "rotate": _rotate,
}


def rand_augment(images: np.ndarray, draw: Draw, problem: Problem, side: int, magnitude: float = 0.3, count: int = 2) -> np.ndarray:
    """`count` of `TRANSFORMATIONS` for each picture, all at one magnitude, to either side (Cubuk et al. 2020)."""
    u = draw(2 * count)
    return _transform(images, u[:, :count], np.where(u[:, count:] < 0.5, -magnitude, magnitude), problem)


def trivial_augment(images: np.ndarray, draw: Draw, problem: Problem, side: int) -> np.ndarray:
    """One of `TRANSFORMATIONS` for each picture, at a uniform magnitude, to either side (Müller and Hutter 2021)."""
    u = draw(2)
    return _transform(images, u[:, :1], 2 * u[:, 1:] - 1, problem)


def _transform(images: np.ndarray, which: np.ndarray, magnitudes: np.ndarray, problem: Problem) -> np.ndarray:
    """which: float [B,n] in [0, 1), magnitudes: float [B,n]."""
    reach = FREE if problem.flip_horizontal else UPRIGHT
    known = list(TRANSFORMATIONS.values())
    numbers = (which * len(known)).astype(int)
    out = batch.empty(images.shape)
    for source, target, chosen, strengths in zip(images, out, numbers.tolist(), magnitudes.tolist(), strict=True):
        for number, strength in zip(chosen, strengths, strict=True):
            source = known[number](source, strength, reach)
        target[:] = source.reshape(target.shape)
    return out


# -- KerasCV -------------------------------------------------------------------------------------------------------------------------


def kerascv(name: str, images: np.ndarray, draw: Draw, problem: Problem, side: int) -> np.ndarray:
    """A layer of KerasCV by its entry in `KERASCV`; several times slower than the operations above."""
    with tf.device("CPU"):
        return _kerascv(name, images.shape[3])(tf.constant(images), tf.constant(draw(8), tf.float32)).numpy()


@functools.lru_cache
def _kerascv(name: str, channels: int) -> Callable:
    """`(images uint8 [B,S,S,C], u float32 [B,8]) -> uint8 [B,S,S,C]`, the layer made and traced once."""
    import keras_cv  # takes seconds

    layer = KERASCV[name](keras_cv.layers, channels)

    def change(images, u):
        return tf.cast(tf.clip_by_value(tf.round(layer(tf.cast(images, tf.float32), u)), 0, 255), tf.uint8)

    return tf.function(change)


class _Numbers:
    """Stands for a KerasCV layer's generator: gives the row's own numbers in [0, 1) one after the other."""

    def __init__(self, numbers: tf.Tensor):
        self.numbers = iter(tf.unstack(numbers))

    def uniform(self, shape, minval=0.0, maxval=1.0, dtype=tf.float32) -> tf.Tensor:
        return tf.reshape(minval + next(self.numbers) * (maxval - minval), shape)


# Seed 0 is no seed to KerasCV: then it asks for TensorFlow's global generator, which op determinism forbids.
SETTINGS = {"seed": 1, "dtype": "float32"}


def _each(change: Callable) -> Callable:
    return lambda images, u: tf.map_fn(lambda pair: change(*pair), (images, u), fn_output_signature=tf.float32)


def _random_hue(layers, channels: int) -> Callable:
    layer = layers.RandomHue(0.1, (0, 255), **SETTINGS)
    return lambda images, u: layer.augment_images(images, 0.2 * u[:, 0] - 0.1) if channels == 3 else images


def _random_saturation(layers, channels: int) -> Callable:
    layer = layers.RandomSaturation((0.3, 0.7), **SETTINGS)
    return lambda images, u: layer.augment_images(images, 0.3 + 0.4 * u[:, 0]) if channels == 3 else images


def _random_channel_shift(layers, channels: int) -> Callable:
    layer = layers.RandomChannelShift((0, 255), 0.3, channels, **SETTINGS)
    return lambda images, u: layer.augment_image(images, [0.3 * u[:, number, None, None] - 0.15 for number in range(channels)])


def _channel_shuffle(layers, channels: int) -> Callable:
    layer = layers.ChannelShuffle(channels, **SETTINGS)
    return lambda images, u: layer.augment_images(images, tf.argsort(u[:, :channels])) if channels == 3 else images


def _random_gaussian_blur(layers, channels: int) -> Callable:
    layer = layers.RandomGaussianBlur(5, 1.5, **SETTINGS)

    def change(image, u):
        layer.factor = lambda: 1.5 * u[0]
        return layer.augment_image(image, layer.get_random_transformation())

    return _each(change)


def _grid_mask(layers, channels: int) -> Callable:
    """Chen et al. 2020."""
    layer = layers.GridMask(**SETTINGS)

    def change(image, u):
        layer.ratio_factor = lambda: 0.5 * u[0]
        layer._random_generator = layer.random_rotate._random_generator = _Numbers(u[1:])
        return layer.augment_image(image, layer.get_random_transformation(image))

    return _each(change)


# Layers that change single pictures and leave targets alone, and whose draws can be the row's own numbers.
KERASCV: dict[str, Callable] = {
    "grid_mask": _grid_mask,
    "random_hue": _random_hue,
    "random_saturation": _random_saturation,
    "random_channel_shift": _random_channel_shift,
    "channel_shuffle": _channel_shuffle,
    "random_gaussian_blur": _random_gaussian_blur,
}


# -- the tables ----------------------------------------------------------------------------------------------------------------------


OPERATIONS: dict[str, Callable] = {
    "flip": flip,
    "cut": cut,
    "shift": shift,
    "crop": crop,
    "place": place,
    "affine": affine,
    "rotate": functools.partial(affine, scale=0.0),
    "scale": functools.partial(affine, degrees=0.0),
    "colour": colour,
    "blur": blur,
    "cutout": cutout,
    "rand_augment": rand_augment,
    "trivial_augment": trivial_augment,
    **{f"kerascv_{name}": functools.partial(kerascv, name) for name in KERASCV},
}

READERS = {flip, cut, shift, crop, place, affine}  # take a batch that is not yet read; the others are given an array

AUGMENTS: dict[str, tuple[Callable, ...]] = {
    "none": (),
    "light": (flip, place),
    "medium": (flip, affine, place),
    "strong": (flip, affine, place, colour, cutout),
    "rand": (flip, place, rand_augment),
    "trivial": (flip, place, trivial_augment),
}


def choose(name: str) -> tuple[Callable, ...]:
    """The operations of a set, of an operation, or of several joined by `+`, in that order. Raises Mistake for an unknown name."""
    known = {each: (operation,) for each, operation in OPERATIONS.items()} | AUGMENTS
    return tuple(operation for part in name.split("+") for operation in config.choose(known, part, "augment"))


def build(name: str, problem: Problem, seed: int, side: int) -> Callable[[Images, np.ndarray, int], Images]:
    """`(images, rows, epoch) -> images` of what `choose` finds; from an array always an array. Raises Mistake for an unknown name."""
    operations = choose(name)

    def augment(given: Images, rows: np.ndarray, epoch: int) -> Images:
        images = given
        for number, operation in enumerate(operations):
            if getattr(operation, "func", operation) not in READERS:
                images = np.asarray(images)
            images = operation(images, lambda n, number=number: uniform(seed, epoch, rows, number, n), problem, side)
        return np.asarray(images) if isinstance(given, np.ndarray) else images

    return augment


# -- mixing, inside the training step ------------------------------------------------------------------------------------------------


def mixup(images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Blends each picture with its neighbour in the batch (Zhang et al. 2018), share from Beta(0.2, 0.2) by the batch."""
    share = _beta(seed)
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


def both(images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`mixup` or `cutmix`, evenly, by the batch."""
    blends = tf.random.stateless_uniform([], tf.random.fold_in(seed, 1)) < 0.5
    return tf.cond(blends, lambda: mixup(images, targets, seed), lambda: cutmix(images, targets, seed))


QUANTILES = special.betaincinv(0.2, 0.2, np.linspace(0, 1, 1025)).astype(np.float32)


def _beta(seed: tf.Tensor) -> tf.Tensor:
    """A number from Beta(0.2, 0.2), float32 []: by its quantiles, since XLA compiles none of TensorFlow's gamma distributions."""
    place = tf.random.stateless_uniform([], seed) * (len(QUANTILES) - 1)
    below = tf.minimum(tf.cast(place, tf.int32), len(QUANTILES) - 2)
    low, high = tf.gather(QUANTILES, below), tf.gather(QUANTILES, below + 1)
    return low + (place - tf.cast(below, tf.float32)) * (high - low)


MIXES: dict[str, Callable | None] = {"none": None, "mixup": mixup, "cutmix": cutmix, "both": both}
