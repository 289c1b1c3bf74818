"""How good, over two fields of numbers: a map of cells with their figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.report.drawing import FONT, HEIGHT, Legend
from hypr_neuro.studies.columns import direction_of, figure_of, is_number, short, values_of
from hypr_neuro.studies.figures.picture import Picture, unit_of

MOST_LABELLED = 12
"""Values of a field up to which cells hold their figures as text."""
COLORS = 48
CELL = 18.0
"""Height of a cell that holds text, in points."""


def heat_map(rows: Sequence[dict[str, Any]], fields: Sequence[str], said: str = "") -> Picture:
    """Return the figure over two fields; cells that were not tried stay empty.

    Parameters
    ----------
    rows
        With figures, one for each combination of the fields.
    fields
        Across, and up.
    said
        How rows were made of the other fields, for the caption.
    """
    figure = figure_of(rows)
    factor, label = unit_of(figure)
    across, up = (values_of(rows, field) for field in fields)
    cells = np.full((len(up), len(across)), np.nan)
    for row in rows:
        cells[up.index(row[fields[1]]), across.index(row[fields[0]])] = row[figure] * factor
    names = " and ".join(short(field) for field in fields)
    empty = " Empty cells have no figure." if bool(np.isnan(cells).any()) else ""

    def draw(axes: Axes) -> Legend:
        _cells(axes, cells, figure)
        axes.set_xticks(range(len(across)), [_text(v) for v in across])
        axes.set_yticks(range(len(up)), [_text(v) for v in up])
        axes.set_xlabel(short(fields[0]))
        axes.set_ylabel(short(fields[1]))
        return []

    caption = f"Mean {label}, over {names}; bright is good.{empty} {said}".strip()
    note = label + _of_float(rows, figure) + (f"; {said[:1].lower()}{said[1:]}" if said else "")
    return Picture("map", f"Map over {names}", caption, draw, max(HEIGHT, 60 + CELL * len(up)), note)


def _of_float(rows: Sequence[dict[str, Any]], figure: str) -> str:
    """Return in words what float reaches, where that is the same in all cells."""
    name, (factor, label) = f"float {figure}", unit_of(figure)
    values = [row[name] for row in rows if is_number(row.get(name))]
    same = values and len(values) == len(rows) and max(values) - min(values) < 1e-9
    return f"; float {values[0] * factor:.3g}{' %' if label.endswith('%') else ''}" if same else ""


def _cells(axes: Axes, cells: Array, figure: str) -> None:
    """Draw the cells with their figures, or with a scale where there is no room for them."""
    scale = Normalize(float(np.nanmin(cells)), float(np.nanmax(cells)))
    # no image: pages show no data of other kinds; cells are centred on whole numbers, as the ticks are
    # from 50 colours on, the scale beside a map would be an image, which pages do not show
    palette = colormaps["viridis" if direction_of(figure) == "max" else "viridis_r"].resampled(COLORS)
    edges = [np.arange(count + 1) - 0.5 for count in reversed(cells.shape)]
    picture = axes.pcolormesh(*edges, cells, cmap=palette, norm=scale)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    if max(cells.shape) > MOST_LABELLED:
        if isinstance(axes.figure, Figure):
            axes.figure.colorbar(picture, label=unit_of(figure)[1])
        return
    digits = ".1f" if unit_of(figure)[0] == 100.0 else ".3g"
    for (y, x), value in np.ndenumerate(cells):
        if not np.isnan(value):
            red, green, blue, _ = palette(float(scale(value)))
            ink = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else "black"
            axes.text(x, y, f"{value:{digits}}", ha="center", va="center", color=ink, fontsize=FONT - 2.5)


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
