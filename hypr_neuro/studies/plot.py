"""Figures of a study: curves of what varies against how good, or a map of two numbers that vary."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hypr_neuro.errors import InputError
from hypr_neuro.studies.columns import ACCURACY, ERROR

SIZE = (6.4, 4.0)
MOST_CURVES = 8
"""Values of a second field that are curves; more of them, or a second field of numbers, make a map."""
STYLE: dict[str, Any] = {
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "study",
    "axes.grid": True,
    "text.parse_math": False,
}


def plotted(rows: Sequence[dict[str, Any]], fields: Sequence[str], title: str, kind: str) -> bytes:
    """Return a figure of the table, the same bytes for the same rows.

    One field: a curve with the spread over seeds, float beside it. Two: a map where both are numbers and each has more
    than two values, else a curve for each value of the second.

    Parameters
    ----------
    rows
        Of the table.
    fields
        What varies, by full name.
    title
        Above the figure.
    kind
        "png" or "svg".

    Raises
    ------
    InputError
        For three fields or more, and for a table without figures.
    """
    figure_name = ACCURACY if any(isinstance(row.get(ACCURACY), float) for row in rows) else ERROR
    shown = [row for row in rows if isinstance(row.get(figure_name), (int, float))]
    if not shown:
        raise InputError("study plot: no row of the table has figures yet; run the study first")
    if len(fields) > 2:
        raise InputError(f"study plot: {len(fields)} fields vary, rule: one or two; take the table")
    with matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=SIZE, layout="constrained")
        axes = drawing.add_subplot()
        if len(fields) == 2 and _is_map(shown, fields):
            _map(drawing, axes, shown, fields, figure_name)
        else:
            _curves(axes, shown, fields, figure_name)
        axes.set_title(title)
        out = io.BytesIO()
        metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
        drawing.savefig(out, format=kind, dpi=150, metadata=metadata)
    return out.getvalue()


def _values(rows: Sequence[dict[str, Any]], field: str) -> list[Any]:
    """Return the values of a field, numbers in order, others as they come."""
    values = list(dict.fromkeys(row[field] for row in rows))
    return sorted(values) if _numbers(values) else values


def _numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def _is_map(rows: Sequence[dict[str, Any]], fields: Sequence[str]) -> bool:
    columns = [_values(rows, field) for field in fields]
    return all(_numbers(values) and len(values) > 2 for values in columns) or len(columns[1]) > MOST_CURVES


def _unit(figure_name: str) -> tuple[float, str]:
    return (100.0, "accuracy, %") if figure_name == ACCURACY else (1.0, figure_name)


def _curves(axes: Axes, rows: Sequence[dict[str, Any]], fields: Sequence[str], figure_name: str) -> None:
    factor, label = _unit(figure_name)
    ticks = _values(rows, fields[0])
    places = np.array(ticks, float) if _numbers(ticks) else np.arange(len(ticks))
    seconds = _values(rows, fields[1]) if len(fields) == 2 else [None]
    for second in seconds:
        chosen = {row[fields[0]]: row for row in rows if len(fields) < 2 or row[fields[1]] == second}
        at = [i for i, tick in enumerate(ticks) if tick in chosen]
        means = np.array([chosen[ticks[i]][figure_name] for i in at]) * factor
        spread = np.array([chosen[ticks[i]].get(f"{figure_name} sd", 0.0) or 0.0 for i in at]) * factor
        name = "integers" if second is None else f"{_short(fields[1])} {second}"
        axes.errorbar(places[at], means, spread, marker="o", markersize=4, capsize=3, label=name)
    floats = [row[f"float {figure_name}"] for row in rows if isinstance(row.get(f"float {figure_name}"), float)]
    if floats and max(floats) - min(floats) < 1e-9:
        axes.axhline(floats[0] * factor, color="0.4", linestyle="--", label="float")
    axes.set_xticks(places, [str(tick) for tick in ticks])
    axes.set_xlabel(_short(fields[0]))
    axes.set_ylabel(label)
    axes.legend()


def _map(drawing: Figure, axes: Axes, rows: Sequence[dict[str, Any]], fields: Sequence[str], figure_name: str) -> None:
    factor, label = _unit(figure_name)
    across, up = (_values(rows, field) for field in fields)
    cells = np.full((len(up), len(across)), np.nan)
    for row in rows:
        cells[up.index(row[fields[1]]), across.index(row[fields[0]])] = row[figure_name] * factor
    picture = axes.imshow(cells, origin="lower", aspect="auto", cmap="viridis")
    low, high = np.nanmin(cells), np.nanmax(cells)
    for (y, x), value in np.ndenumerate(cells):
        if not np.isnan(value):
            dark = high > low and (value - low) / (high - low) < 0.6
            axes.text(x, y, f"{value:.3g}", ha="center", va="center", color="white" if dark else "black", fontsize=8)
    axes.set_xticks(range(len(across)), [str(v) for v in across])
    axes.set_yticks(range(len(up)), [str(v) for v in up])
    axes.set_xlabel(_short(fields[0]))
    axes.set_ylabel(_short(fields[1]))
    axes.grid(visible=False)
    drawing.colorbar(picture, label=label)


def _short(field: str) -> str:
    return field.rpartition(".")[2].replace("_", " ")
