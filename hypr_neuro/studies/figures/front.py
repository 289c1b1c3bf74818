"""A Pareto front: all rows as points, the front as steps, its knee ringed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes

from hypr_neuro.report.drawing import BLUE, FONT, INK, MUTED, ORANGE, Legend
from hypr_neuro.studies.columns import cell_text, counted, short
from hypr_neuro.studies.figures.picture import Picture, count_axis, unit_of
from hypr_neuro.studies.knee import RULE
from hypr_neuro.studies.pareto import Front

MOST_NAMED = 8
"""Points of a front up to which others than its knee and ends have their settings beside them."""
MANY = 300
"""Rows from which points are small."""
LETTER, LINE = 0.016, 0.06
"""Width of a letter and height of a line beside a point, as shares of the axes."""


def front_picture(rows: Sequence[dict[str, Any]], front: Front) -> Picture:
    """Return a front in the plane of its first two columns.

    Parameters
    ----------
    rows
        Of the table, those that the front was found in.
    front
        Of two columns or more.
    """
    columns = list(front.objectives)
    across, up = columns[:2]
    others = [row for row in counted(rows, columns) if all(row is not one for one in front.rows)]
    caption = (
        f"{front.of} rows, of which the {len(front.rows)} of the front have none that is at least as good in "
        f"{' and '.join(columns)} and better in one."
    )
    if front.knee is not None:
        caption += f" Ringed is the {RULE.replace('knee:', 'knee,', 1)}: {_settings(front, front.knee, names=True)}."
    if len(columns) > 2:
        caption += f" The plane shows {across} and {up} alone."

    note = f"beside points: {', '.join(map(short, front.fields))}" if front.fields and len(columns) == 2 else ""

    def draw(axes: Axes) -> Legend:
        legend = _points(axes, front, others, (across, up))
        axes.set_xlabel(unit_of(across)[1])
        axes.set_ylabel(unit_of(up)[1])
        count_axis(axes, "x")
        count_axis(axes, "y")
        axes.margins(0.08)
        if len(columns) == 2:
            _name_points(axes, front, (across, up))
        return legend

    return Picture("pareto", f"Pareto front of {short(across)} and {short(up)}", caption, draw, note=note)


def _points(axes: Axes, front: Front, others: Sequence[dict[str, Any]], columns: tuple[str, str]) -> Legend:
    """Draw rows, front and knee; return the legend."""
    factors = [unit_of(column)[0] for column in columns]

    def at(row: dict[str, Any]) -> tuple[float, float]:
        return row[columns[0]] * factors[0], row[columns[1]] * factors[1]

    legend: Legend = []
    if others:
        size = 3.5 if len(others) < MANY else 1.5
        (drawn,) = axes.plot(*zip(*map(at, others), strict=True), "o", color=MUTED, markersize=size, alpha=0.6)
        legend.append(("other rows", drawn))
    # steps, for nothing between two rows was measured; a front of three columns is none in the plane of two
    plane = len(front.objectives) == 2
    line = "-" if plane else ""
    (drawn,) = axes.plot(
        *zip(*map(at, front.rows), strict=True), marker="o", linestyle=line, drawstyle="steps-post", color=BLUE
    )
    legend.append(("front", drawn))
    if front.knee is not None:
        (ring,) = axes.plot(*at(front.knee), "o", color=ORANGE, markersize=10, fillstyle="none", markeredgewidth=2)
        legend.append(("knee", ring))
    return legend


def _name_points(axes: Axes, front: Front, columns: tuple[str, str]) -> None:
    """Write the settings beside the points of a front, the knee and the ends first, where there is room."""
    factors = [unit_of(column)[0] for column in columns]
    order = [front.rows[0], front.rows[-1], *(front.rows if len(front.rows) <= MOST_NAMED else [])]
    if front.knee is not None:
        order.insert(0, front.knee)
    shares = [_share_of(*axes.get_xlim()), _share_of(*axes.get_ylim())]
    taken: list[tuple[float, float, float]] = []
    for row in {id(row): row for row in order}.values():
        point = (row[columns[0]] * factors[0], row[columns[1]] * factors[1])
        text = _settings(front, row)
        x, y = (share(value) for share, value in zip(shares, point, strict=True))
        width = LETTER * len(text)
        # below a point at the right the steps that lead to it would cross its name
        left, y = (x, y) if x < 0.6 else (x - width, y + LINE)
        if any(abs(y - other) < LINE and left < end and start < left + width for start, end, other in taken):
            continue
        taken.append((left, left + width, y))
        axes.annotate(
            text,
            point,
            xytext=(4, -4) if x < 0.6 else (-4, 4),
            textcoords="offset points",
            va="top" if x < 0.6 else "bottom",
            ha="left" if x < 0.6 else "right",
            fontsize=FONT - 2.5,
            color=INK,
        )


def _share_of(low: float, high: float) -> Callable[[float], float]:
    """Return where a value lies between the ends of an axis, 0…1."""
    return lambda value: (value - low) / (high - low)


def _settings(front: Front, row: dict[str, Any], names: bool = False) -> str:
    """Return the values of a row's fields."""
    texts = [(short(name), cell_text(name, row[name])) for name in front.fields]
    return ", ".join(f"{name} {value}" if names else value for name, value in texts)
