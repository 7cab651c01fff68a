"""The page of a run: what the judge says of it, and its figures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from clf import errors, intervals, paths, problem, report, runs, shift, store
from clf.config import Mistake

LINES = (report.BLUE, report.ORANGE, "#2f855a", "#805ad5", "#b83280", "#4a5568", "#00838f", "#8d6e63")
LABELLED = 12  # submissions: up to this many have their names beside their points, more only this run's
DOUBTED = 24  # doubtful labels that are shown with their pictures

RUN = report.PAGES.from_string("""{% extends "page" %}{% from "table" import table %}
{% macro tiles(several) %}<div class="tiles">{% for picture, caption in several %}<figure>{{ picture }}<figcaption>{{ caption }}</figcaption></figure>
{% endfor %}</div>{% endmacro %}
{% block body %}
<h2>Folds</h2>
{{ table(["fold", metric, "95 % interval", "forecast", "epochs", "last training loss", "last validation loss"], folds, [1, 2, 3, 4, 5, 6]) }}
<p class="small">Interval: with other rows of the same kind, drawn by groups and clusters. Forecast: where the score of this fold's model
alone will lie with 95 % on as many other rows as the test has ({{ test_rows }}). The luck of another seed is in neither of them:
<code>make compare</code> counts it.</p>
<h2>Curves</h2>
{{ curves or "No epoch has ended yet." }}
<h2>Against the leaderboard</h2>
{% for sentence in against_leaderboard %}<p>{{ sentence }}</p>{% endfor %}
{{ leaderboard_figure or "" }}
<h2>Shift</h2>
{{ table(["line", "what is seen", "what to do"], shift_lines, []) }}
{{ reliability_figure or "" }}
<h2>Errors seen, out of fold</h2>
{% for sentence in errors_notes %}<p>{{ sentence }}</p>{% endfor %}
<h3>Confusions</h3>
{{ confusion_figure or "" }}
{% if confusions %}{{ table(["true class", "predicted as", "rows", "share of the true class"], confusions, [2, 3]) }}
{% else %}<p>{{ no_confusions }}</p>{% endif %}
{% for title, text, classes in galleries %}<h3>{{ title }}</h3><p class="small">{{ text }}</p>
<div class="galleries">{% for name, several in classes %}<div><h4>{{ name }}</h4>{{ tiles(several) }}</div>{% endfor %}</div>
{% endfor %}
<h3>Groups and domains</h3>
{% for sentence in domain_notes %}<p class="small">{{ sentence }}</p>{% endfor %}
{% if domains %}{{ table(["of", "value", "rows", metric, "95 % interval"], domains, [2, 3, 4]) }}{% endif %}
<h3>Labels that may be wrong</h3>
<p>{{ doubted_text }}</p>
{{ tiles(doubted) }}
{% if tried %}<h2>Tried beside it</h2>
<p>{{ tried_text }}</p>
{{ table(tried_head, tried, [2, 3, 4, 5, 6]) }}{% endif %}
<h2>Settings</h2>
{{ table(["setting", "value"], settings, []) }}
{% endblock %}""")


def write(place: paths.Place, run: paths.Run, standing: dict) -> None:
    """The page of a whole run, also where its pictures are gone, or its tables are others by now; `standing` as in `draw`."""
    question = problem.read(place.problem)
    found = runs.predictions(place, question, run.name)
    why = "No validation rows: nothing here is out of fold."
    try:
        on = errors.held(place, run, question, found)
    except Mistake as changed:
        on, why = None, str(changed)
    drawn = errors_seen(run, on, Pictures(place, on)) if on else {"notes": [why]}
    draw(run.page, **runs.page(place, run), standing=standing, shift=shift_seen(place, question, found, on), errors=drawn)


def shift_seen(place: paths.Place, question: problem.Problem, found: runs.Predictions, on: errors.Held | None) -> dict:
    """`lines` of the section and the `curve` of the calibration, or None."""
    try:
        first = shift.adversarial(place, runs.store_side(place))
    except Mistake as gone:
        first = shift.Line("Train against test", f"Not looked at: {gone}", "–")
    curve = shift.calibration(question, on.truth, on.predicted) if on else None
    calibrated = shift.calibration_line(question, curve, len(on.rows) if on else 0)
    return {"lines": [first, shift.mix_line(question, found.valid, found.test), calibrated], "curve": curve}


class Pictures:
    """The pictures of the held rows, from the store that 03 made last, so long as it is there; else `why` they are not shown."""

    def __init__(self, place: paths.Place, on: errors.Held) -> None:
        self.why = ""
        self.rows = on.listed.row.to_numpy(int)
        try:
            packed = place.packed(runs.store_side(place))
            self.stored = store.load(packed)
            if paths.read_json(packed.record)["made_from"].get(place.pictures.name) != paths.hash_file(place.pictures):
                raise Mistake(f"{place.pictures.name} has changed since they were packed: run `make prepare` again.")
        except Mistake as gone:
            self.why = f"The pictures themselves are not shown: {gone}"

    def tile(self, place: int) -> Markup:
        """`place` is that among the held rows."""
        return Markup("") if self.why else report.strip([self.stored[self.rows[place]]], "")


def errors_seen(run: paths.Run, on: errors.Held, pictures: Pictures) -> dict:
    """What `draw` shows of the errors: notes, confusion, galleries (title, text, classes), domains, domain_notes, doubted_text, doubted."""

    def gallery(shown: errors.Shown) -> tuple[str, list]:
        tiles = zip(shown.places, shown.captions, strict=True)
        return shown.title, [(pictures.tile(place), caption) for place, caption in tiles]

    worst, uncertain = errors.worst(on), errors.least_certain(on)
    galleries = [("The worst", worst_text(on, len(worst)), [gallery(each) for each in worst])]
    galleries.append(("The least certain", uncertain_text(on, len(uncertain)), [gallery(each) for each in uncertain]))
    lines, notes = domain_lines(on)
    text, doubted = doubted_labels(run, on, pictures)
    return {
        "notes": [pictures.why] if pictures.why else [],
        "confusion": errors.confusion(on),
        "galleries": galleries,
        "domains": lines,
        "domain_notes": notes,
        "doubted_text": text,
        "doubted": doubted,
    }


def worst_text(on: errors.Held, shown: int) -> str:
    if on.question.kind == "regression":
        return "The widest misses, as shares of the value's range."
    if not shown:
        return "None: every validation row is right."
    what = "each label" if on.question.kind == "multilabel" else "each true class"
    return f"The most confidently wrong of {what}; below each its id and what was predicted.{_left_out(on, shown, 'with fewer errors')}"


def uncertain_text(on: errors.Held, shown: int) -> str:
    if on.question.kind == "regression":
        return "Not defined for values: a prediction comes without its doubt."
    how = "next to one half" if on.question.kind == "multilabel" else "whose two likeliest classes lie closest together, right or wrong"
    return f"Rows {how}.{_left_out(on, shown, 'that are surer')}"


def _left_out(on: errors.Held, shown: int, which: str) -> str:
    more = len(on.question.classes) - shown
    return f" {more:,} more classes {which}, or without rows, are not shown." if more else ""


def domain_lines(on: errors.Held) -> tuple[list[tuple], list[str]]:
    """Rows of the table, and sentences of what is not in it."""
    found, lines, notes = errors.domains(on), [], []
    for name, values in found.items():
        scored, left = errors.scores(on, name, values)
        lines += [(name, value, f"{rows:,}", *_scores_said(score, low, high)) for value, rows, score, low, high in scored]
        notes += [left] if left else []
    if "group" not in on.train:
        notes.append("There is no group column: name one in problem.toml where several pictures are of one patient, animal or place.")
    alike = [name for name in ("format", "short side", "shape") if name not in found]
    notes += [f"All files are alike in {', '.join(alike)}."] if alike and "format" in on.listed else []
    return lines, notes


def _scores_said(score: float, low: float, high: float) -> tuple[str, str]:
    if np.isnan(score):
        return "not defined", "–"
    return f"{score:.4f}", "narrow" if np.isnan(low) else f"{low:.4f} to {high:.4f}"


def doubted_labels(run: paths.Run, on: errors.Held, pictures: Pictures) -> tuple[str, list]:
    found = errors.label_errors(run, on)
    if isinstance(found, str):
        return found, []
    wrong = int((found.error == "True").sum())
    said = f"Confident learning calls {wrong:,} of {len(on.rows):,} labels wrong. " if on.question.kind != "regression" else ""
    text = (
        f"{said}{run.label_errors.name}, beside this page, lists {len(found):,} rows, the most doubtful first; what the model finds hard stands "
        "there as well, the more the weaker it is. Look at them, correct or drop what is wrong in the competition's label file, and repeat from make "
        f"explore. The first {min(DOUBTED, len(found))}, given label → suggested:"
    )
    shown = found[found.id.isin(on.train.id)].head(DOUBTED)  # a user may have edited the file
    near = on.train.id[on.train.id.isin(shown.id)]
    place_of = pd.Series(near.index, near)
    return text, [(pictures.tile(place_of[each.id]), f"{each.id}: {each.label} → {each.suggested}") for each in shown.itertuples()]


def draw(
    path: Path,
    name: str,
    settings: dict,
    folds: list[dict],
    classes: Sequence[str],
    metric: str,
    score: dict,
    standing: dict,
    shift: dict,
    errors: dict,
    tried: dict | None = None,
) -> None:
    """The page of a run.

    folds: {key, score or None, ends: {low, high, test_low, test_high} or None, history: [{epoch, loss, learning_rate, valid_loss and
    valid_<metric> at some epochs}]}; score: {score, low, high, rows}, a score of None is not known, and one on no rows is expected;
    standing: {text: sentences, points: table of run, cv, public (none: no figure), name, cv and noise (±) of this run}; shift, errors: of
    `shift_seen` and `errors_seen`, of the latter only notes where nothing was validated; tried: of step 06, {table, summary}; confusion
    int [K, K], true class by predicted class, or None.
    """
    lead = "no score: every row trained"
    if score["score"] is not None:
        kind = "out-of-fold" if score["rows"] else "expected from the folds:"
        lead = f"{kind} {metric} {score['score']:.4f}, 95 % interval {score['low']:.4f} to {score['high']:.4f}"
    confusion = errors.get("confusion")
    report.write_page(
        path,
        RUN,
        title=f"run {name}",
        lead=lead,
        metric=metric,
        folds=[fold_row(fold) for fold in folds],
        test_rows=f"{score.get('test_rows', 0):,}",
        tried=[report.change_row(line) for line in tried["table"]] if tried else [],
        tried_text=tried["summary"] if tried else "",
        tried_head=report.CHANGES,
        curves=curves_figure(folds, metric) if any(fold["history"] for fold in folds) else None,
        against_leaderboard=standing["text"],
        leaderboard_figure=leaderboard_figure(metric, **{name: standing[name] for name in ("points", "name", "cv", "noise")}),
        shift_lines=[(strong(line.name) if line.worrying else line.name, line.seen, line.advice) for line in shift["lines"]],
        reliability_figure=reliability_figure(shift["curve"]) if shift["curve"] else None,
        errors_notes=errors["notes"],
        confusion_figure=confusion_figure(confusion, classes) if confusion is not None and len(classes) <= report.LEGIBLE else None,
        confusions=confusions(confusion, classes) if confusion is not None else [],
        no_confusions=no_confusions(confusion, score["rows"]),
        galleries=errors.get("galleries", []),
        domains=errors.get("domains", []),
        domain_notes=errors.get("domain_notes", []),
        doubted_text=errors.get("doubted_text", ""),
        doubted=errors.get("doubted", []),
        settings=list(settings.items()),
    )


def strong(text: str) -> Markup:
    return Markup('<b style="color: {}">{}</b>').format(report.ORANGE, text)


def no_confusions(confusion: np.ndarray | None, rows: int) -> str:
    """Why the page names none."""
    if not rows:
        return "No validation rows."
    return "Not counted: too many classes, or not one for each picture." if confusion is None else "None: every validation row is right."


def reliability_figure(curve: shift.Calibration) -> Markup:
    """How often a prediction of some confidence is right, where five rows or more say it, and how often it is as confident."""
    figure, axes = report.figure_with(2, 7.5, 2.9)
    axes[0].plot([0, 1], [0, 1], color=report.GREY, linewidth=0.8, linestyle="--")
    told = curve.rows >= 5
    each = zip(curve.right[told], curve.rows[told], strict=True)
    low, high = np.transpose([intervals.share_interval(*one) for one in each]) if told.any() else ((), ())
    axes[0].vlines(curve.confidence[told], low, high, color=report.BLUE, linewidth=1)
    axes[0].plot(curve.confidence[told], curve.right[told], color=report.BLUE, marker="o", markersize=4)
    axes[0].set(xlim=(0, 1.02), ylim=(0, 1.02))
    axes[0].set_xlabel("confidence (dashed: calibrated; lines: 95 %)", fontsize=9)
    axes[0].set_ylabel("share that is right", fontsize=9)
    axes[1].bar(curve.confidence, curve.rows, width=0.6 / shift.BINS, color=report.BLUE)
    axes[1].set(xlim=(0, 1.02))
    axes[1].set_xlabel("confidence", fontsize=9)
    axes[1].set_ylabel("predictions", fontsize=9)
    return report.inline(report.png(figure), "reliability curve")


def fold_row(fold: dict) -> tuple:
    history = fold["history"]
    last_valid = next((line["valid_loss"] for line in reversed(history) if "valid_loss" in line), None)
    ends = fold["ends"]
    return (
        fold["key"],
        report.number(fold["score"]),
        f"{ends['low']:.4f} to {ends['high']:.4f}" if ends else "–",
        f"{ends['test_low']:.4f} to {ends['test_high']:.4f}" if ends else "–",
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
