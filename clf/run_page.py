"""The page of a run: what the judge says of it, and its figures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from clf import report

LINES = (report.BLUE, report.ORANGE, "#2f855a", "#805ad5", "#b83280", "#4a5568", "#00838f", "#8d6e63")
LABELLED = 12  # submissions: up to this many have their names beside their points, more only this run's

RUN = report.PAGES.from_string("""{% extends "page" %}{% from "table" import table %}{% block body %}
<h2>Folds</h2>
{{ table(["fold", metric, "epochs", "last training loss", "last validation loss"], folds, [1, 2, 3, 4]) }}
<h2>Curves</h2>
{{ curves or "No epoch has ended yet." }}
<h2>Against the leaderboard</h2>
{% for sentence in against_leaderboard %}<p>{{ sentence }}</p>{% endfor %}
{{ leaderboard_figure or "" }}
<h2>Confusions, out of fold</h2>
{{ confusion_figure or "" }}
{% if confusions %}{{ table(["true class", "predicted as", "rows", "share of the true class"], confusions, [2, 3]) }}
{% else %}<p>{{ no_confusions }}</p>{% endif %}
<h2>Settings</h2>
{{ table(["setting", "value"], settings, []) }}
{% endblock %}""")


def draw(
    path: Path,
    name: str,
    settings: dict,
    folds: list[dict],
    confusion: np.ndarray | None,
    classes: Sequence[str],
    metric: str,
    score: dict,
    standing: dict,
) -> None:
    """The page of a run.

    folds: {key, score or None, history: [{epoch, loss, learning_rate, valid_loss and valid_<metric> at some epochs}]}; confusion:
    int [K, K], true class by predicted class, or None; score: {score, low, high, rows}, a score of None is not known, and one on no rows
    is expected; standing: {text: sentences, points: table of run, cv, public (none: no figure), name, cv and noise (±) of this run}.
    """
    lead = "no score: every row trained"
    if score["score"] is not None:
        kind = "out-of-fold" if score["rows"] else "expected from the folds:"
        lead = f"{kind} {metric} {score['score']:.4f}, 95 % interval {score['low']:.4f} to {score['high']:.4f}"
    pairs = confusions(confusion, classes) if confusion is not None else []
    report.write_page(
        path,
        RUN,
        title=f"run {name}",
        lead=lead,
        metric=metric,
        folds=[fold_row(fold) for fold in folds],
        curves=curves_figure(folds, metric) if any(fold["history"] for fold in folds) else None,
        confusion_figure=confusion_figure(confusion, classes) if confusion is not None and len(classes) <= report.LEGIBLE else None,
        confusions=pairs,
        against_leaderboard=standing["text"],
        leaderboard_figure=leaderboard_figure(metric, **{name: standing[name] for name in ("points", "name", "cv", "noise")}),
        no_confusions=no_confusions(confusion, score["rows"]),
        settings=list(settings.items()),
    )


def no_confusions(confusion: np.ndarray | None, rows: int) -> str:
    """Why the page names none."""
    if not rows:
        return "No validation rows."
    return "Not counted: too many classes, or not one for each picture." if confusion is None else "None: every validation row is right."


def fold_row(fold: dict) -> tuple:
    history = fold["history"]
    last_valid = next((line["valid_loss"] for line in reversed(history) if "valid_loss" in line), None)
    return (
        fold["key"],
        report.number(fold["score"]),
        str(history[-1]["epoch"]) if history else "–",
        report.number(history[-1]["loss"]) if history else "–",
        report.number(last_valid),
    )


def curves_figure(folds: list[dict], metric: str) -> Markup:
    """Losses, the metric and the learning rate over epochs; one colour for each fold."""
    figure, axes = report.figure_with(3, 9.5, 2.9)
    for fold, colour in zip(folds, (LINES[index % len(LINES)] for index in range(len(folds))), strict=True):
        label = f"fold {fold['key']}" if str(fold["key"]).isdigit() else str(fold["key"])
        draw_curve(axes[0], fold["history"], "loss", color=colour, linestyle="--", linewidth=1)
        draw_curve(axes[0], fold["history"], "valid_loss", color=colour, marker=".")
        draw_curve(axes[1], fold["history"], f"valid_{metric}", color=colour, marker=".", label=label)
        draw_curve(axes[2], fold["history"], "learning_rate", color=colour)
    titles = ("loss: training dashed, validation solid", f"validation {metric}", "learning rate")
    for each, title in zip(axes, titles, strict=True):
        each.set_title(title, fontsize=9)
        each.set_xlabel("epoch", fontsize=9)
        each.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        each.grid(color="#e2e8f0", linewidth=0.6)
    if len(folds) > 1 and axes[1].get_legend_handles_labels()[0]:
        axes[1].legend(fontsize=8, frameon=False)
    return report.inline(report.png(figure), "curves")


def draw_curve(axes, history: list[dict], name: str, **style) -> None:
    points = [(line["epoch"], line[name]) for line in history if name in line]
    if points:
        axes.plot(*zip(*points, strict=True), **style)


def leaderboard_figure(metric: str, points, name: str, cv: float | None, noise: float | None) -> Markup:
    """Public score over cross-validation score of every submission, this run's in orange within the band of its noise; the dashed line is
    where both are equal, so far as it passes."""
    if not len(points):
        return Markup("")
    figure, (axes,) = report.figure_with(1, 6.0, 4.2)
    own = (points.run == name).to_numpy()
    if cv is not None and noise is not None:
        axes.axvspan(cv - noise, cv + noise, color=report.ORANGE, alpha=0.12, linewidth=0)
        axes.axvline(cv, color=report.ORANGE, linewidth=0.8)
    axes.scatter(points.cv[~own], points.public[~own], color=report.BLUE, s=26, zorder=3)
    axes.scatter(points.cv[own], points.public[own], color=report.ORANGE, s=40, zorder=4)
    shown = [points.cv, *([[cv - noise, cv + noise]] if cv is not None and noise is not None else [])]
    axes.set_xlim(*widened(np.concatenate(shown)))
    axes.set_ylim(*widened(points.public.to_numpy()))
    middle = float(points.cv.mean())
    axes.axline((middle, middle), slope=1, color=report.GREY, linewidth=0.8, linestyle="--")
    for index in points.index if len(points) <= LABELLED else points.index[own]:
        where = (points.cv[index], points.public[index])
        axes.annotate(report.shorten(points.run[index], 20), where, xytext=(5, 4), textcoords="offset points", fontsize=7)
    axes.set_xlabel(f"cross-validation {metric}", fontsize=9)
    axes.set_ylabel("public score", fontsize=9)
    axes.grid(color="#e2e8f0", linewidth=0.6)
    return report.inline(report.png(figure), "cross-validation against leaderboard")


def widened(values: np.ndarray, share: float = 0.12) -> tuple[float, float]:
    """Limits of an axis that shows all values, with a margin also where all are equal."""
    low, high = float(values.min()), float(values.max())
    margin = share * (high - low) or 0.01 * abs(high) or 1.0
    return low - margin, high + margin


def confusions(confusion: np.ndarray, classes: Sequence[str], most: int = 20) -> list[tuple[str, str, str, str]]:
    """The most frequent mistakes: (true class, predicted class, rows, share of the true class's rows)."""
    wrong = confusion - np.diag(np.diag(confusion))
    order = np.argsort(wrong, axis=None)[::-1][:most]
    totals = confusion.sum(1)
    found = []
    for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if rows := wrong[true, predicted]:
            found.append((classes[true], classes[predicted], f"{rows:,}", f"{rows / totals[true]:.1%}"))
    return found


def confusion_figure(confusion: np.ndarray, classes: Sequence[str]) -> Markup:
    """Shares of the true class in colour, rows as numbers; mistakes are coloured on their own scale, so that few of them still show."""
    count = len(classes)
    figure, (axes,) = report.figure_with(1, min(9.5, 2.2 + 0.42 * count), min(9.0, 1.6 + 0.38 * count))
    axes.spines[:].set_visible(False)
    share = confusion / np.maximum(1, confusion.sum(1, keepdims=True))
    right, wrong = np.eye(count, dtype=bool), ~np.eye(count, dtype=bool)
    top = max(share[wrong].max(initial=0), 0.01)
    axes.imshow(np.ma.masked_where(wrong, share), cmap="Blues", vmin=0, vmax=1.6)
    axes.imshow(np.ma.masked_where(right, share), cmap="Oranges", vmin=0, vmax=1.4 * top)
    axes.set_xticks(range(count), [report.shorten(name, 18) for name in classes], rotation=0 if max(map(len, classes)) < 4 else 90)
    axes.set_yticks(range(count), [report.shorten(name, 18) for name in classes])
    axes.set_xlabel("predicted", fontsize=9)
    axes.set_ylabel("true", fontsize=9)
    size = 8 if count <= 20 else 5.5
    for true, predicted in zip(*np.nonzero(confusion), strict=True):
        axes.text(predicted, true, str(confusion[true, predicted]), ha="center", va="center", fontsize=size)
    return report.inline(report.png(figure), "confusion matrix")
