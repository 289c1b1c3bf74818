"""How good, over one field; a curve for each value of a second one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from hypr_neuro.report.drawing import MUTED, PALETTE, Legend
from hypr_neuro.studies.columns import all_numbers, cell_text, figure_of, is_number, short, values_of
from hypr_neuro.studies.figures.picture import MOST_TICKS, Picture, unit_of

MARKERS, DASHES = "osD^vP", ("-", "--", "-.", ":")
LOGARITHMIC = 50.0
"""Largest over smallest value from which an axis of positive numbers is logarithmic."""
ROOM = 48
"""Letters for which there is room below an axis."""
BESIDE = 0.5
"""Share of the room of a name that its curves take."""
Rows = Sequence[dict[str, Any]]


def curves(rows: Rows, fields: Sequence[str], said: str = "") -> Picture:
    """Return the figure over the first field, a curve a value of the second; bars are the spread over seeds.

    Parameters
    ----------
    rows
        With figures, one for each combination of the fields.
    fields
        One or two.
    said
        How rows were made of the other fields, for the caption.
    """
    figure = figure_of(rows)
    names = " and ".join(short(field) for field in fields)
    spread = any(is_number(row.get(f"{figure} sd")) for row in rows)
    caption = f"Mean {figure} over {names}" + ("; bars are the standard deviation over seeds." if spread else ".")

    def draw(axes: Axes) -> Legend:
        legend = _all(axes, rows, fields, figure)
        axes.set_xlabel(short(fields[0]))
        axes.set_ylabel(unit_of(figure)[1])
        return legend

    return Picture(
        "curve", f"{figure[0].upper()}{figure[1:]} over {names}", f"{caption} {said}".strip(), draw, note=said
    )


def _all(axes: Axes, rows: Rows, fields: Sequence[str], figure: str) -> Legend:
    """Draw the curves and float's; return the legend."""
    ticks = values_of(rows, fields[0])
    places = _places(axes, fields[0], ticks)
    seconds = values_of(rows, fields[1]) if len(fields) == 2 else [None]
    legend: Legend = []
    for number, second in enumerate(seconds):
        chosen = [row for row in rows if len(fields) < 2 or row[fields[1]] == second]
        name = "integers" if second is None else f"{short(fields[1])} {cell_text(fields[1], second)}"
        # beside names, curves stand next to one another, since they would hide each other
        aside = 0.0 if all_numbers(places) else BESIDE * (number - (len(seconds) - 1) / 2) / len(seconds)
        moved = {tick: place + aside for tick, place in places.items()}
        legend += _curve(axes, chosen, fields[0], figure, moved, number, name)
    return legend + _float(axes, rows, fields, figure, places)


def _places(axes: Axes, field: str, ticks: Sequence[Any]) -> dict[Any, float]:
    """Return where the values of the first field stand, and write them on the axis, long names aslant."""
    numbers = all_numbers(ticks)
    places = {tick: float(tick) if numbers else float(i) for i, tick in enumerate(ticks)}
    if numbers and min(ticks) > 0 and max(ticks) / min(ticks) >= LOGARITHMIC:
        axes.set_xscale("log")
    elif not numbers or len(ticks) <= MOST_TICKS:
        texts = [f"{t:.4g}" if isinstance(t, float) else str(t) if numbers else cell_text(field, t) for t in ticks]
        aslant: dict[str, Any] = (
            {"rotation": 25.0, "ha": "right", "rotation_mode": "anchor"} if len("".join(texts)) > ROOM else {}
        )
        axes.set_xticks(list(places.values()), texts, **aslant)
    return places


def _curve(axes: Axes, rows: Rows, field: str, figure: str, places: dict[Any, float], number: int, name: str) -> Legend:
    factor, _ = unit_of(figure)
    ordered = sorted(rows, key=lambda row: places[row[field]])
    x = [places[row[field]] for row in ordered]
    y = [row[figure] * factor for row in ordered]
    # between names there is nothing that a line could stand for
    line = DASHES[(number + number // len(PALETTE)) % len(DASHES)] if all_numbers(places) else "none"
    spread = [(row.get(f"{figure} sd") or 0.0) * factor for row in ordered]
    drawn = axes.errorbar(
        x,
        y,
        spread if any(spread) else None,
        marker=MARKERS[number % len(MARKERS)],
        color=PALETTE[number % len(PALETTE)],
        linestyle=line,
        capsize=3,
    )
    return [(name, drawn[0])]


def _float(axes: Axes, rows: Rows, fields: Sequence[str], figure: str, places: dict[Any, float]) -> Legend:
    """Draw what float reaches: a line where it is the same everywhere, a curve where it follows the only field."""
    factor, _ = unit_of(figure)
    name = f"float {figure}"
    known = [row for row in rows if is_number(row.get(name))]
    style: dict[str, Any] = {"color": MUTED, "linestyle": (0, (1, 2)), "linewidth": 1.4}
    if known and max(row[name] for row in known) - min(row[name] for row in known) < 1e-9:
        return [("float", axes.axhline(known[0][name] * factor, **style))]
    if known and len(fields) == 1:
        points = sorted((places[row[fields[0]]], row[name] * factor) for row in known)
        if not all_numbers(places):
            style = {"color": MUTED, "linestyle": "none", "marker": "_", "markersize": 12.0}
        return [("float", axes.plot([x for x, _ in points], [y for _, y in points], **style)[0])]
    return []
