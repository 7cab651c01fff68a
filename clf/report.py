"""The pages and pictures: each HTML page is one file, with its style and figures inside, and asks nothing of the network."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import jinja2
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from clf import images, paths

BLUE, ORANGE, GREY = "#2b6cb0", "#c05621", "#718096"
LEGIBLE = 40  # classes: up to this many have a bar and a row of the confusion matrix with their names
SHOWN_CLASSES = 200
SHOWN_CLUSTERS = 24
SHOWN_ROWS = 50
TILE = 72  # px, side of one picture in a strip

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a202c; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid #e2e8f0; }
table { border-collapse: collapse; margin: .6rem 0; } th, td { text-align: left; padding: .2rem .9rem .2rem 0; vertical-align: top; }
th { font-weight: 600; border-bottom: 1px solid #cbd5e0; } td { border-bottom: 1px solid #edf2f7; overflow-wrap: anywhere; }
td:first-child, td:last-child { overflow-wrap: normal; } td.n { white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; } code { background: #f7fafc; padding: 0 .25rem; }
.lead, .small { color: #4a5568; } .small { font-size: .85rem; }
.note { background: #fffaf0; border-left: 3px solid #c05621; padding: .3rem .8rem; margin: .4rem 0; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: .7rem 1.2rem; }
.grid figure { margin: 0; } .grid img { display: block; } figcaption { font-size: .85rem; overflow-wrap: anywhere; }
.galleries { display: grid; grid-template-columns: repeat(auto-fill, minmax(27rem, 1fr)); gap: 0 1.5rem; }
.tiles { display: flex; flex-wrap: wrap; gap: .4rem; margin: .2rem 0 .7rem; }
.tiles figure { margin: 0; width: 4.95rem; } .tiles figcaption { font-size: .7rem; line-height: 1.25; color: #4a5568; }
h3 { font-size: 1rem; margin: 1.3rem 0 .3rem; } h4 { font-size: .9rem; margin: .6rem 0 .1rem; font-weight: 600; }
"""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{ title }}</title>
<style>{{ style }}</style></head>
<body><h1>{{ title }}</h1>
<p class="lead">{{ lead }}</p>
{% block body %}{% endblock %}
</body></html>
"""

TABLE = """
{% macro table(head, rows, numeric) %}<table><tr>
{%- for name in head %}<th{% if loop.index0 in numeric %} class="n"{% endif %}>{{ name }}</th>{% endfor %}</tr>
{% for row in rows %}<tr>
{%- for cell in row %}<td{% if loop.index0 in numeric %} class="n"{% endif %}>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table>{% endmacro %}
"""

EXPLORE = """{% extends "page" %}{% from "table" import table %}{% block body %}
{% for note in notes %}<p class="note">{{ note }}</p>{% endfor %}
<h2>What is asked, and why we think so</h2>
{{ table(["field", "value", "evidence"], fields, []) }}
<p>Something wrong? Change the line in <code>problem.toml</code>: every later step reads that file only.
Then repeat <code>make explore COMPETITION={{ competition }}</code>, which looks at the data again in the light of it.</p>
<h2>Classes</h2>
<p>{{ balance }}</p>
{{ classes_figure }}
{% if extremes %}{{ table(["most frequent", "rows", "rarest", "rows"], extremes, [1, 3]) }}{% endif %}
<h2>Sizes and formats</h2>
<p>{{ sizes }}</p>
{{ sizes_figure }}
{{ table(["format", "pictures"], formats, [1]) }}
<h2>Samples of each class</h2>
{% if hidden_classes %}<p class="small">The first {{ strips|length }} classes; {{ hidden_classes }} more are not shown.</p>{% endif %}
<div class="grid">{% for label, count, strip in strips %}<figure>{{ strip }}<figcaption>{{ label }}
 <span class="small">{{ count }}</span></figcaption></figure>{% endfor %}</div>
<h2>Duplicates</h2>
<p>{{ duplicates }}</p>
<div class="grid">{% for caption, strip in clusters %}<figure>{{ strip }}<figcaption>{{ caption }}</figcaption></figure>{% endfor %}</div>
{% if hidden_clusters %}<p class="small">{{ hidden_clusters }} more clusters are not shown.</p>{% endif %}
<h2>Groups</h2>
<p>{{ group }}</p>
<h2>Quarantine</h2>
<p>{{ quarantined }}</p>
{% if quarantine %}{{ table(["part", "id", "path", "reason"], quarantine, []) }}{% endif %}
{% endblock %}"""

IMPROVE = """{% extends "page" %}{% from "table" import table %}{% block body %}
{{ figure }}
{{ table(head, rows, [2, 3, 4, 5, 6]) }}
<p class="small">Gain: how much better than the base, in the metric's own unit; positive is better, whichever way the metric points.
Its interval holds the luck of the validation rows and of the seeds, and is the wider the more changes are tried; a change is kept only
where the whole of it lies above 0.</p>
{% endblock %}"""

TEMPLATES = {"page": PAGE, "table": TABLE, "explore": EXPLORE, "improve": IMPROVE}
PAGES = jinja2.Environment(loader=jinja2.DictLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)


def write_page(path: Path, template: str | jinja2.Template, **values) -> None:
    """`template`: a name of TEMPLATES, or what `PAGES.from_string` made of another module's."""
    paths.write_text(path, PAGES.get_template(template).render(style=Markup(STYLE), **values))


def number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


# -- pictures ----------------------------------------------------------------------------------------------------------------------


def inline(content: bytes, alt: str, kind: str = "png") -> Markup:
    """An `<img>` that holds its own content."""
    return Markup('<img alt="{}" src="data:image/{};base64,{}">').format(alt, kind, base64.b64encode(content).decode())


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def figure_with(columns: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    """A figure (inches) and its axes, without the frame's upper and right line."""
    figure = Figure((width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8)
    return figure, axes


def tile(picture: np.ndarray, side: int = TILE) -> np.ndarray:
    """uint8 [h, w, C] → uint8 [side, side, 3]: the whole picture on white, small ones enlarged by whole pixels."""
    picture = images.visible(picture)
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST).reshape(*size[::-1], -1)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    square = np.full((side, side, 3), 255, np.uint8)
    square[top : top + size[1], left : left + size[0]] = picture
    return square


def strip(pictures: Sequence[np.ndarray], alt: str) -> Markup:
    """Pictures side by side, four or more columns wide, as one inline JPEG."""
    gap = np.full((TILE, 3, 3), 255, np.uint8)
    row = np.hstack([part for picture in pictures for part in (tile(picture), gap)]) if pictures else gap
    _, content = cv2.imencode(".jpg", row[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    return inline(content.tobytes(), alt, "jpeg")


# -- explore -----------------------------------------------------------------------------------------------------------------------


def explore(path: Path, findings: dict) -> None:
    """The page of step 02.

    findings: problem; evidence {field: text}; counts {label: rows that have it}, {} of values; heights, widths (px, one for each picture);
    formats {name: pictures}; samples {label, or what else its pictures share: [uint8 [h, w, C], at most 8]};
    clusters [[{part, id, label, picture}]]; conflicts, twins, cluster_rows (numbers);
    group {column, groups} or None; quarantine (table); train, test (rows); notes [text].
    """
    problem, counts, clusters = findings["problem"], findings["counts"], findings["clusters"]
    named = list(counts or findings["samples"])
    shown = named[:SHOWN_CLASSES]
    table = findings["quarantine"]
    write_page(
        path,
        "explore",
        title=f"{problem.competition}: the data",
        lead=f"{problem.kind} · {len(problem.classes):,} {'classes' if counts else 'values'} · {problem.metric} · "
        f"rows: {findings['train']:,} train, {findings['test']:,} test",
        competition=problem.competition,
        notes=findings["notes"],
        fields=problem_rows(problem, findings["evidence"]),
        balance=balance_text(counts) if counts else values_text(problem),
        classes_figure=classes_figure(counts),
        extremes=extremes(counts) if len(counts) > LEGIBLE else [],
        sizes=sizes_text(findings["heights"], findings["widths"]),
        sizes_figure=sizes_figure(findings["heights"], findings["widths"]),
        formats=[(name, f"{number:,}") for name, number in findings["formats"].items()],
        strips=[(label, f"({counts[label]:,})" if counts else "", strip(findings["samples"].get(label, []), label)) for label in shown],
        hidden_classes=len(named) - len(shown),
        duplicates=duplicates_text(findings),
        clusters=[cluster_figure(members) for members in clusters[:SHOWN_CLUSTERS]],
        hidden_clusters=max(0, len(clusters) - SHOWN_CLUSTERS),
        group=group_text(findings["group"], findings["train"]),
        quarantined=f"{len(table):,} pictures or rows cannot be used." if len(table) else "Nothing: every row has a readable picture.",
        quarantine=table[["part", "id", "path", "reason"]].head(SHOWN_ROWS).to_numpy().tolist(),
    )


def problem_rows(problem, evidence: dict[str, str]) -> list[tuple[str, str, str]]:
    return [(field, value_text(value), evidence.get(field, "")) for field, value in vars(problem).items()]


def value_text(value, most: int = 12) -> str:
    """Lists joined, long ones cut."""
    if not isinstance(value, tuple):
        return str(value)
    return ", ".join(map(str, value[:most])) + (f" … ({len(value):,} in all)" if len(value) > most else "")


def balance_text(counts: dict[str, int]) -> str:
    most, least = max(counts, key=counts.get), min(counts, key=counts.get)
    if counts[most] == counts[least]:
        return f"Every class has {counts[most]:,} rows."
    few = sum(number < 10 for number in counts.values())
    rare = f" {few:,} classes have fewer than 10 rows." if few else ""
    ratio = counts[most] / max(1, counts[least])
    return f"{most!r} is the most frequent ({counts[most]:,} rows), {least!r} the rarest ({counts[least]:,}): {ratio:.1f} to 1.{rare}"


def values_text(problem, most: int = 40) -> str:
    """What each picture has in place of a class."""
    if not problem.lowest:
        return f"Each picture has {len(problem.classes):,} shares: {value_text(problem.classes, most)}."
    ranges = zip(problem.classes[:most], problem.lowest, problem.highest, strict=False)
    more = f" … ({len(problem.classes):,} in all)" if len(problem.classes) > most else ""
    return "Each picture has values: " + ", ".join(f"{name} {low} to {high}" for name, low, high in ranges) + more + "."


def extremes(counts: dict[str, int], number: int = 10) -> list[tuple]:
    """Rows of the most frequent beside the rarest classes."""
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    pairs = zip(ranked[:number], ranked[::-1][:number], strict=True)
    return [(top, f"{most:,}", rare, f"{least:,}") for (top, most), (rare, least) in pairs]


def shorten(text: str, most: int = 24) -> str:
    """A label for a figure: cut in its middle; `$` would start mathematics."""
    text = text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"
    return text.replace("$", r"\$")


def classes_figure(counts: dict[str, int]) -> Markup:
    """A bar for each class; beyond 40 classes the ranked counts as one curve."""
    if not counts:
        return Markup("")
    if len(counts) <= LEGIBLE:
        figure, (axes,) = figure_with(1, 8.5, 0.8 + 0.24 * len(counts))
        bars = axes.barh([shorten(label) for label in counts], list(counts.values()), color=BLUE, height=0.7)
        axes.bar_label(bars, [f"{number:,}" for number in counts.values()], padding=3, fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel("training rows", fontsize=9)
    else:
        figure, (axes,) = figure_with(1, 8.5, 2.8)
        ranked = sorted(counts.values(), reverse=True)
        axes.fill_between(range(1, len(ranked) + 1), ranked, color=BLUE, step="mid")
        axes.set_xlim(1, len(ranked))
        axes.set_ylim(0)
        axes.set_xlabel("classes, the most frequent first", fontsize=9)
        axes.set_ylabel("training rows", fontsize=9)
    return inline(png(figure), "rows of each class")


def sizes_text(heights: np.ndarray, widths: np.ndarray) -> str:
    if not len(heights):
        return "No picture was measured."
    if np.ptp(heights) == 0 and np.ptp(widths) == 0:
        return f"All {len(heights):,} pictures measure {widths[0]} × {heights[0]} px."
    ratios = widths / heights
    return (
        f"{len(heights):,} pictures: width {span(widths)}, height {span(heights)} px. Width by height: median {np.median(ratios):.2f}, "
        f"90 % lie between {np.quantile(ratios, 0.05):.2f} and {np.quantile(ratios, 0.95):.2f}."
    )


def span(values: np.ndarray) -> str:
    return f"{values.min():,} to {values.max():,} (median {np.median(values):,.0f})"


def sizes_figure(heights: np.ndarray, widths: np.ndarray) -> Markup:
    """Short sides and aspect ratios, both on a logarithmic scale; nothing where all pictures are equal."""
    if not len(heights) or (np.ptp(heights) == 0 and np.ptp(widths) == 0):
        return Markup("")
    figure, axes = figure_with(2, 8.5, 2.6)
    sides, ratios = np.minimum(heights, widths), widths / heights
    for each, values, ticks, title in (
        (axes[0], sides, 2.0 ** np.arange(3, 16), "short side, px"),
        (axes[1], ratios, np.array([0.1, 0.25, 0.5, 0.75, 1, 4 / 3, 2, 4, 10]), "width by height"),
    ):
        low, high = values.min() * 0.95, values.max() * 1.05
        each.hist(values, bins=np.geomspace(low, high, 40), color=BLUE)
        each.set_xscale("log")
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        each.set_xticks(ticks, [f"{tick:.3g}" if tick < 10 else f"{tick:.0f}" for tick in ticks])
        each.minorticks_off()
        each.set_xlabel(title, fontsize=9)
    axes[0].set_ylabel("pictures", fontsize=9)
    return inline(png(figure), "sizes and aspect ratios")


def duplicates_text(findings: dict) -> str:
    if not findings["clusters"]:
        return "No two pictures agree so closely that one would be the other's copy."
    return (
        f"Clusters of pictures that agree with each other: {len(findings['clusters']):,}, of which {findings['conflicts']:,} with "
        f"different labels. Training rows in a cluster: {findings['cluster_rows']:,}. "
        f"Test pictures with a twin in train: {findings['twins']:,}. A cluster's rows never part between training and validation."
    )


def cluster_figure(members: list[dict]) -> tuple[str, Markup]:
    """(caption, strip) of at most eight members; train and test told apart."""
    shown = [f"{member['part']} {member['id']}" + (f" ({member['label']})" if member["label"] else "") for member in members[:8]]
    more = f" and {len(members) - 8} more" if len(members) > 8 else ""
    return ", ".join(shown) + more, strip([member["picture"] for member in members[:8]], "duplicates")


def group_text(group: dict | None, rows: int) -> str:
    if group is None:
        return "None: every row stands alone. Several pictures of one patient, animal or place? Name their column in problem.toml."
    return f"Column {group['column']!r}: {group['groups']:,} groups, {rows / max(1, group['groups']):.1f} rows each. A group never parts."


# -- improve -----------------------------------------------------------------------------------------------------------------------


def improve(path: Path, table: list[dict], text: str) -> None:
    """The page of step 06.

    table: {change, settings {name: value}, score, low, high, gain, kept}, and of changes gain_low, gain_high, probability; the gain is None
    for the base's runs. text: the summary.
    """
    write_page(
        path,
        "improve",
        title="What each change is worth",
        lead=text,
        head=CHANGES,
        rows=[change_row(line) for line in table],
        figure=gains_figure(table),
    )


CHANGES = ("change", "settings", "score", "95 % interval", "gain", "interval of the gain", "P(real)", "")


def change_row(line: dict) -> tuple:
    settings = " ".join(f"{name}={value}" for name, value in line["settings"].items())
    said = line["change"], settings, number(line["score"]), f"{line['low']:.4f} to {line['high']:.4f}", signed(line["gain"])
    if line["gain"] is None:
        return *said, "–", "–", ""
    return *said, f"{line['gain_low']:+.4f} to {line['gain_high']:+.4f}", f"{line['probability']:.3f}", "kept" if line["kept"] else "dropped"


def signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}"


def gains_figure(table: list[dict]) -> Markup:
    """A bar for each change with the interval of its gain; kept ones in blue."""
    changes = [line for line in table if line["gain"] is not None]
    if not changes:
        return Markup("")
    figure, (axes,) = figure_with(1, 8.5, 1.0 + 0.3 * len(changes))
    axes.barh(
        range(len(changes)),
        [line["gain"] for line in changes],
        xerr=np.transpose([(line["gain"] - line["gain_low"], line["gain_high"] - line["gain"]) for line in changes]),
        color=[BLUE if line["kept"] else "#cbd5e0" for line in changes],
        error_kw={"elinewidth": 1, "ecolor": "#1a202c", "capsize": 2},
        height=0.65,
    )
    axes.set_yticks(range(len(changes)), [shorten(line["change"], 40) for line in changes])
    axes.invert_yaxis()
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel("gain (blue: kept; line: its interval)", fontsize=9)
    return inline(png(figure), "gain of each change")


# -- augmentations -----------------------------------------------------------------------------------------------------------------


def augmentations(path: Path, before: np.ndarray, after: dict[str, np.ndarray]) -> None:
    """A PNG of at most 16 pictures, below each of them what every set of augmentations makes of it.

    before and each of after: [B, S, S, C], 0 to 255.
    """
    count = min(16, len(before))
    columns = min(8, count)
    rows = {"as stored": before, **after}
    blocks = -(-count // columns)
    figure = Figure((1.1 * columns + 0.5, 1.15 * blocks * len(rows)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, hspace=0, wspace=0)
    axes = figure.subplots(blocks * len(rows), columns, squeeze=False)
    for each in axes.flat:
        each.set(xticks=[], yticks=[])
        each.spines[:].set_visible(False)
    for index in range(count):
        block, column = divmod(index, columns)
        for offset, (name, pictures) in enumerate(rows.items()):
            shown = axes[block * len(rows) + offset, column]
            picture = images.visible(np.clip(np.rint(np.asarray(pictures[index])), 0, 255).astype(np.uint8))
            shown.imshow(picture[:, :, 0] if picture.shape[2] == 1 else picture, cmap="gray", vmin=0, vmax=255)
            if column == 0:
                shown.set_ylabel(name, fontsize=9)
    paths.write_bytes(path, png(figure))
