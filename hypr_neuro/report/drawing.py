"""From matplotlib's object interface to inline SVG in the report's colours.

A figure is drawn in the colours of the light page; `_inline` then replaces each by the page's CSS variable of that
role, so that one drawing serves light and dark pages. Ids get the figure's name in front, since all figures share one
page; namespaces, metadata and fixed sizes are dropped. Text stays text.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hypr_neuro.files.store import write_text

WIDTH, WIDE, HEIGHT = 350, 800, 225  # points; a column of the page, its full width, the height of a curve
FONT = 10.5
INK, MUTED, GRID, ON_BAR = "#1f2a37", "#5a6675", "#e2e7ed", "#fffffe"
BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = "#0072b2", "#d55e00", "#00916a", "#b8588f", "#a87900", "#2f9fd6"
PALETTE = (BLUE, ORANGE, GREEN, PINK, YELLOW, SKY)
ROLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    ON_BAR: "on-bar",
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    PINK: "pink",
    YELLOW: "yellow",
    SKY: "sky",
}

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "path.simplify": False,
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": FONT,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.fontsize": FONT,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.0,
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}


Legend = list[tuple[str, Artist]]  # the legend: names and what stands before them


@dataclass(frozen=True)
class Drawing:
    """A figure: the SVG element, a caption that says what to see, and whether it takes the page's full width."""

    svg: Markup
    caption: str
    wide: bool = False


def label(text: str, most: int = 24) -> str:
    """Return a name for a legend or an axis: short, and never hidden by a leading underscore."""
    short = text if len(text) <= most else text[: most - 1] + "…"
    return f"\u200b{short}" if short.startswith("_") else short


def drawing(
    name: str, draw: Callable[[Axes], Legend], caption: str, *, height: float = HEIGHT, wide: bool = False
) -> Drawing:
    """Return one pair of axes, drawn by `draw`, with its legend above."""
    return stacked(name, lambda rows: draw(rows[0]), caption, heights=(height,), wide=wide)


def stacked(
    name: str, draw: Callable[[Sequence[Axes]], Legend], caption: str, *, heights: Sequence[float], wide: bool = False
) -> Drawing:
    """Return axes of these heights, one below the other, drawn by `draw`, with one legend above."""
    width, height = WIDE if wide else WIDTH, sum(heights)
    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.filterwarnings("ignore", message=r".*[Gg]lyph.*")  # the browser has the fonts that matplotlib lacks
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**STYLE, "svg.hashsalt": name})
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
        keys = draw([row[0] for row in figure.subplots(len(heights), 1, squeeze=False)])
        if len(keys) > 1:
            _add_legend(figure, keys, width, height)
        svg = io.StringIO()
        figure.savefig(svg, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return Drawing(_inline(svg.getvalue(), name, caption), caption, wide)


def write_svg(drawn: Drawing, path: Path) -> Path:
    """Write a figure as a file that stands by itself, in the colours of the light page; return its path."""
    by_role = {role: color for color, role in ROLES.items()}
    text = re.sub(r"var\(--fig-([a-z-]+)\)", lambda found: by_role[found[1]], str(drawn.svg))
    text = text.replace(
        "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ', 1
    )
    write_text(path, re.sub(r'(?<!xlink:)href="#', 'xlink:href="#', text) + "\n")
    return path


def _add_legend(figure: Figure, keys: Legend, width: float, height: float) -> None:
    """Add the legend above the axes and make the figure taller for its rows."""
    labels = [label(name) for name, _ in keys]
    columns = _columns(labels, width)
    extra_rows = math.ceil(len(labels) / columns) - 1
    figure.set_size_inches(width / 72, (height + 1.5 * FONT * extra_rows) / 72)
    handles = [handle for _, handle in keys]
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, columnspacing=1.4)


def _columns(labels: Sequence[str], width: float) -> int:
    """Return as many columns as fit, each as wide as the longest label."""
    return max(1, min(len(labels), int(width // (0.55 * FONT * max(map(len, labels)) + 34))))


def _inline(svg: str, name: str, caption: str) -> Markup:
    """Return the SVG element for use inside HTML; see the module's docstring."""
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        parent.tag = _local(parent.tag)
        for child in list(parent):
            if _local(child.tag) == "metadata":
                parent.remove(child)
        attributes = {_local(key): _attribute(_local(key), value, name) for key, value in parent.attrib.items()}
        parent.attrib.clear()
        parent.attrib.update(attributes)
        parent.tail = None if not (parent.tail or "").strip() else parent.tail
    root.attrib.clear()
    root.attrib.update({"viewBox": _view_box(svg), "role": "img", "aria-label": caption})
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _local(name: str) -> str:
    """Return a tag or attribute without its namespace."""
    return name.rpartition("}")[2]


def _attribute(key: str, value: str, name: str) -> str:
    """Return one attribute: ids and references get the figure's name, colours become CSS variables."""
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    value = value.replace("url(#", f"url(#{name}-")
    return re.sub(r"#[0-9a-f]{6}\b(?!-)", lambda match: _color(match[0]), value) if key in ("style", "fill") else value


def _color(code: str) -> str:
    """Return the page's variable for a colour of the drawing."""
    return f"var(--fig-{ROLES[code]})" if code in ROLES else code


def _view_box(svg: str) -> str:
    """Return the drawing's view box."""
    match = re.search(r'viewBox="([^"]*)"', svg)
    return match[1] if match else f"0 0 {WIDTH} {HEIGHT}"
