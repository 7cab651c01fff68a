"""What the pictures themselves decide, where the user has not: channels, side, fit and flips (`GEOMETRY`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from clf import problem, survey
from clf.draft import Draft

LARGE = 64  # px; up to here pictures keep their side
STORE_SIDE = 160  # px, the most that is packed unless asked
MIRROR_ROWS = 5000


def look(draft: Draft, gathered: survey.Gathered) -> None:
    """Settles the fields that depend on the pictures."""
    shown = survey.named(draft.known, gathered.train["label"])
    draft.pictures, draft.picture_labels = gathered.look, [labels[0] if labels else "" for labels in shown]
    draft.settle(GEOMETRY)


def _channels(draft: Draft) -> tuple[int, str]:
    most = int(np.bincount(draft.pictures.bands).argmax())
    if most not in (1, 3):
        return most, f"most pictures have {most} channels"
    share = float(draft.pictures.colour.mean())
    return (3 if share > 0.01 else 1), f"{share:.1%} of the pictures hold colour"


def _side(draft: Draft) -> tuple[int, str]:
    """Small pictures keep their side; larger ones the median short side, down to a multiple of 32, 160 at most."""
    short = np.minimum(draft.pictures.heights, draft.pictures.widths)
    median = int(np.median(short))
    side = median if median <= LARGE else min(STORE_SIDE, median // 32 * 32)
    more = f"; at most {STORE_SIDE} is packed unless asked" if median > STORE_SIDE else ""
    return max(side, problem.SIDES[0]), f"median short side {median} px{more}"


def _fit(draft: Draft) -> tuple[str, str]:
    """By the middle 90 % of the aspect ratios (width / height): nearly equal → squash, up to a factor of 3 → crop, wider → pad."""
    aspects = draft.pictures.widths / draft.pictures.heights
    low, high = np.quantile(aspects, [0.05, 0.95])
    how = "squash" if high / low < 1.1 else "crop" if high / low <= 3 else "pad"
    reason = {"squash": "nearly equal", "crop": "different: the middle square", "pad": "very different: nothing may be cut off"}[how]
    return how, f"width / height is {low:.2f} to {high:.2f} for nine of ten pictures, {reason}"


@dataclass(frozen=True)
class Mirrored:
    """What half of the thumbnails teach a linear model, told of the other half."""

    rows: int
    prior: float  # share of the most frequent label
    upright: float  # accuracy
    mirrored: float  # accuracy on the same pictures, mirrored
    drop_error: float  # standard error of the difference of the two (McNemar)
    told: float  # accuracy at telling mirrored pictures from upright ones, one half each

    @property
    def learns(self) -> bool:
        return self.upright > self.prior + 3 * np.sqrt(0.25 / self.rows)

    @property
    def drops(self) -> bool:
        return self.upright - self.mirrored > max(3 * self.drop_error, 0.1 * (self.upright - self.prior))

    @property
    def decides(self) -> bool:
        """There are rows enough to see a drop of half of what was learned."""
        return 3 * self.drop_error < 0.5 * (self.upright - self.prior)

    def visible(self, margin: float) -> bool:
        return self.told > 0.5 + max(margin, 3 * np.sqrt(0.25 / self.rows))

    def text(self) -> str:
        return (
            f"a linear model on {self.rows:,} thumbnails is right for {self.upright:.3f} upright, {self.mirrored:.3f} mirrored "
            f"(most frequent label: {self.prior:.3f}); mirrored ones are told from upright ones with {self.told:.3f}"
        )


def mirror(thumbnails: np.ndarray, labels: list[str], axis: int) -> Mirrored:
    """Trains on half of at most 5,000 rows, tests on the other half. Axis 2: left and right; 1: up and down. Seeded."""
    from sklearn.linear_model import RidgeClassifier  # half a second that other steps need not wait for

    order = np.random.default_rng(0).permutation(len(labels))[:MIRROR_ROWS]
    pictures, truth = thumbnails[order].astype(np.float32) / 255 - 0.5, np.array(labels, object)[order].astype(str)
    half = len(order) // 2
    flat = pictures.reshape(len(order), -1)
    flipped = np.flip(pictures, axis).reshape(len(order), -1)
    model = RidgeClassifier(alpha=100.0).fit(flat[:half], truth[:half])
    right, right_flipped = (model.predict(rows[half:]) == truth[half:] for rows in (flat, flipped))
    teller = RidgeClassifier(alpha=100.0).fit(np.concatenate([flat[:half], flipped[:half]]), np.repeat([0, 1], half))
    told = np.concatenate([teller.predict(flat[half:]) == 0, teller.predict(flipped[half:]) == 1])
    return Mirrored(
        rows=len(order) - half,
        prior=float(pd.Series(truth[half:]).value_counts(normalize=True).max()),
        upright=float(right.mean()),
        mirrored=float(right_flipped.mean()),
        drop_error=float(np.sqrt((right != right_flipped).sum())) / (len(order) - half),
        told=float(told.mean()),
    )


def _flip_horizontal(draft: Draft) -> tuple[bool, str]:
    """Allowed unless mirroring costs the linear model accuracy, or shows."""
    if len(set(draft.picture_labels[: MIRROR_ROWS // 2])) < 2 or len(draft.picture_labels) < 20:
        return False, "assumed: too few pictures to tell"
    found = mirror(draft.pictures.thumbnails, draft.picture_labels, axis=2)
    return bool(not (found.drops or found.visible(0.1))), found.text()


def _flip_vertical(draft: Draft) -> tuple[bool, str]:
    """Allowed only where the linear model has learned something, mirroring clearly costs it nothing, and does not show."""
    if len(set(draft.picture_labels[: MIRROR_ROWS // 2])) < 2 or len(draft.picture_labels) < 20:
        return False, "assumed: too few pictures to tell"
    found = mirror(draft.pictures.thumbnails, draft.picture_labels, axis=1)
    allowed = found.learns and found.decides and not (found.drops or found.visible(0.05))
    return bool(allowed), found.text() + ("" if found.learns and found.decides else "; too little was learned to be sure, so no")


GEOMETRY: dict[str, Callable[[Draft], tuple[Any, str]]] = {
    "channels": _channels,
    "side": _side,
    "fit": _fit,
    "flip_horizontal": _flip_horizontal,
    "flip_vertical": _flip_vertical,
}
