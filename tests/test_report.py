"""Pages are whole, ask nothing of the network, escape what comes from the data, and work for 2 and for 120 classes."""

import base64
import dataclasses
import re

import cv2
import numpy as np
import pandas as pd
import pytest
from test_submission import PLAIN

from clf import report

HOSTILE = "<script>alert('x')</script> $x^2 & “é”"


def page(path) -> str:
    """The page's text, after a look at what every page must be."""
    text = path.read_text()
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert not re.search(r"<link|<script|<iframe|@import|url\(|href=", text)
    assert all(source.startswith('"data:image/') for source in re.findall(r"src=(.{12})", text))
    for kind, content in re.findall(r'src="data:image/(\w+);base64,([^"]+)"', text):
        assert cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR) is not None, kind
    return text


def pictures(number: int, channels: int = 3) -> list[np.ndarray]:
    generator = np.random.default_rng(number)
    return [generator.integers(0, 256, (20 + 9 * index, 90 - 5 * index, channels), dtype=np.uint8) for index in range(number)]


def findings(classes: tuple[str, ...], **more) -> dict:
    counts = {name: 10 + index for index, name in enumerate(classes)}
    return {
        "problem": dataclasses.replace(PLAIN, classes=classes),
        "evidence": {"metric": "the page says accuracy"},
        "counts": counts,
        "heights": np.array([28, 300, 31]),
        "widths": np.array([28, 20, 900]),
        "formats": {"JPEG RGB": 1234},
        "samples": {name: pictures(index % 9) for index, name in enumerate(classes)},
        "clusters": [],
        "conflicts": 0,
        "twins": 0,
        "cluster_rows": 0,
        "group": None,
        "quarantine": pd.DataFrame(columns=["part", "id", "path", "reason"]),
        "train": sum(counts.values()),
        "test": 77,
        "notes": [],
        **more,
    }


@pytest.mark.parametrize("number", [2, 10, 120, 300])
def test_explore_shows_the_problem_and_every_class(tmp_path, number):
    classes = tuple(f"class {index}" for index in range(number))
    report.explore(tmp_path / "explore" / "index.html", findings(classes))
    text = page(tmp_path / "explore" / "index.html")
    assert text.count("<figcaption>") == min(number, report.SHOWN_CLASSES)
    assert ("more are not shown" in text) == (number > report.SHOWN_CLASSES)
    for words in (
        "the page says accuracy",
        "problem.toml",
        "make explore COMPETITION=toy",
        "1,234",
        "77",
        "No two pictures",
        "Nothing: every",
    ):
        assert words in text
    assert ("rarest</th>" in text) == (number > report.LEGIBLE)


def test_explore_escapes_what_comes_from_the_data(tmp_path):
    members = [{"part": part, "id": HOSTILE, "label": label, "picture": pictures(1, 1)[0]} for part, label in (("train", HOSTILE), ("test", ""))]
    table = pd.DataFrame([["train", HOSTILE, HOSTILE, HOSTILE]] * 60, columns=["part", "id", "path", "reason"])
    odd = {"clusters": [members] * 30, "conflicts": 3, "twins": 4, "cluster_rows": 5, "quarantine": table}
    group = {"column": HOSTILE, "groups": 11}
    report.explore(tmp_path / "odd.html", findings((HOSTILE, "cat"), **odd, group=group, notes=[HOSTILE], formats={HOSTILE: 1}))
    text = page(tmp_path / "odd.html")
    assert "&lt;script&gt;" in text
    assert "6 more clusters are not shown" in text
    assert "60 pictures or rows" in text
    assert "11 groups" in text


def test_explore_of_equal_sizes_and_of_nothing_measured(tmp_path):
    report.explore(tmp_path / "equal.html", findings(("a", "b"), heights=np.full(9, 28), widths=np.full(9, 28)))
    assert "All 9 pictures measure 28 × 28 px." in page(tmp_path / "equal.html")
    report.explore(tmp_path / "none.html", findings(("a", "b"), heights=np.array([]), widths=np.array([])))
    assert "No picture was measured." in page(tmp_path / "none.html")


def test_explore_of_labels_of_which_a_picture_has_several_and_of_values(tmp_path):
    labels = {"problem": dataclasses.replace(PLAIN, classes=("a", "b"), kind="multilabel", separator=" ")}
    report.explore(tmp_path / "labels.html", findings(("a", "b"), **labels, train=12))
    text = page(tmp_path / "labels.html")
    assert "multilabel · 2 classes" in text
    assert "(10)" in text
    ranges = {"classes": ("size", HOSTILE), "kind": "regression", "lowest": ("1", "-5"), "highest": ("100", "5")}
    samples = {"size 1 to 20": pictures(3), "size 80 to 100": pictures(2, 4)}
    values = findings((), **{"problem": dataclasses.replace(PLAIN, **ranges), "counts": {}, "samples": samples, "train": 9})
    report.explore(tmp_path / "values.html", values)
    text = page(tmp_path / "values.html")
    for words in ("regression · 2 values", "size 1 to 100, ", " -5 to 5.", "size 80 to 100"):
        assert words in text
    assert text.count("<figcaption>") == 2
    shares = findings((), **{"problem": dataclasses.replace(PLAIN, classes=("a", "b"), kind="soft"), "counts": {}, "train": 9})
    report.explore(tmp_path / "shares.html", shares)
    assert "Each picture has 2 shares: a, b." in page(tmp_path / "shares.html")


def test_improve(tmp_path):
    first = {"change": "base", "settings": {}, "score": 0.981, "low": 0.97, "high": 0.99, "gain": None, "kept": False}
    better = {
        "change": HOSTILE,
        "settings": {"augment": "strong", "mix": "none"},
        "score": 0.984,
        "low": 0.975,
        "high": 0.992,
        "gain": 0.003,
        "gain_low": 0.001,
        "gain_high": 0.005,
        "probability": 0.987,
        "kept": True,
    }
    report.improve(tmp_path / "improve.html", [first, better], "kept strong")
    text = page(tmp_path / "improve.html")
    for words in (
        "kept strong",
        "+0.0030",
        "augment=strong mix=none",
        "0.9810",
        "0.9750 to 0.9920",
        "+0.0010 to +0.0050",
        "0.987",
        "gain of each change",
    ):
        assert words in text
    report.improve(tmp_path / "first.html", [first], "nothing tried")
    assert "<img" not in page(tmp_path / "first.html")


@pytest.mark.parametrize("channels", [2, 4, 6])
def test_pictures_of_other_channels_are_shown(tmp_path, channels):
    assert report.tile(np.zeros((10, 40, channels), np.uint8), side=80).shape == (80, 80, 3)
    before = np.random.default_rng(0).integers(0, 256, (3, 16, 16, channels), np.uint8)
    report.augmentations(tmp_path / "augment.png", before, {"light": before})
    assert cv2.imread(str(tmp_path / "augment.png")) is not None


@pytest.mark.parametrize(("number", "channels"), [(1, 1), (5, 3), (40, 3)])
def test_augmentations_keep_the_colours(tmp_path, number, channels):
    before = np.zeros((number, 16, 16, channels), np.uint8)
    before[..., 0] = 255  # white as grey, red as colour
    after = {"light": before.astype(np.float32), "strong": 255 - before}
    report.augmentations(tmp_path / "augment.png", before, after)
    drawn = cv2.imread(str(tmp_path / "augment.png"))
    centre = drawn[drawn.shape[0] // (6 if number <= 8 else 12), 80]
    assert centre.tolist() == ([255, 255, 255] if channels == 1 else [0, 0, 255])


def test_tiles_are_whole_pictures_on_white():
    wide = report.tile(np.zeros((10, 40, 1), np.uint8), side=80)
    assert wide.shape == (80, 80, 3)
    assert (wide[30:50] == 0).all()
    assert (wide[:30] == 255).all()
    assert (wide[50:] == 255).all()
    sliver = report.tile(np.zeros((3000, 1, 3), np.uint8))
    assert (sliver == 0).any()
