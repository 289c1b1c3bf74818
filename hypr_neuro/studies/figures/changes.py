"""Sensitivity as bars: what one value less or more of one field changes."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from hypr_neuro.errors import InputError
from hypr_neuro.report.drawing import FONT, GREEN, INK, MUTED, ORANGE, Legend, label
from hypr_neuro.studies.columns import all_numbers, cell_text, direction_of, short, toward_small
from hypr_neuro.studies.figures.picture import Picture
from hypr_neuro.studies.sensitivity import Change, Sensitivity

BAR = 24.0
"""Height that a bar takes, in points."""
MOST_LETTERS = 44
"""Of a bar's name."""


def sensitivity_picture(found: Sensitivity) -> Picture:
    """Return a bar a change, with the spread of the seeds' differences; what is not known says why.

    Raises
    ------
    InputError
        Where nothing is known.
    """
    if all(change.difference is None for change in found.changes):
        said = ", ".join(dict.fromkeys(change.reason for change in found.changes)) or "one value each"
        raise InputError(
            f"sensitivity: no row that differs in one field alone has figures ({said}), rule: one or more; a grid of "
            "values has them, which sampler: grid runs"
        )
    points = direction_of(found.figure) == "max"
    factor = 100.0 if points else 1.0
    fields = dict.fromkeys(change.field for change in found.changes)
    here = ", ".join(f"{short(name)} {cell_text(name, found.row[name])}" for name in fields)
    caption = (
        f"What one field changes, the others as they are, measured from {here} with {found.figure} "
        f"{cell_text(found.figure, found.row[found.figure])}."
    )
    if any(change.spread is not None for change in found.changes):
        caption += " Whiskers are the standard deviation over seeds of the difference, seed by seed."

    def draw(axes: Axes) -> Legend:
        for place, change in enumerate(found.changes):
            _bar(axes, place, change, factor, found.figure)
        axes.axvline(0, color=INK, linewidth=1)
        names = [_name(found, change) for change in found.changes]
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
        if len(fields) == 1:
            axes.set_ylabel(short(next(iter(fields))))
        axes.set_xlabel(f"change of {found.figure}, points" if points else f"change of {found.figure}")
        axes.margins(x=0.15)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        return [("worse", Patch(color=ORANGE)), ("better", Patch(color=GREEN))]

    title = "Sensitivity, one field at a time"
    return Picture("sensitivity", title, caption, draw, 80 + BAR * len(found.changes))


def _name(found: Sensitivity, change: Change) -> str:
    """Return what changes to what; the field's own name stands beside the axis where there is one alone."""
    alone = all(other.field == change.field for other in found.changes)
    here, there = (cell_text(change.field, value) for value in (found.row[change.field], change.value))
    if alone and not all_numbers([change.value]):
        return label(there, MOST_LETTERS)
    return label(f"{here} → {there}" if alone else f"{short(change.field)} {here} → {there}", MOST_LETTERS)


def _bar(axes: Axes, place: int, change: Change, factor: float, figure: str) -> None:
    """Draw one change, or why there is none."""
    if change.difference is None:
        text = label(change.reason, 30)
        axes.annotate(
            text, (0, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=FONT - 1.5, color=MUTED
        )
        return
    worse = toward_small(figure, change.difference) > 0
    axes.barh(place, change.difference * factor, color=ORANGE if worse else GREEN, height=0.6)
    if change.spread is not None:
        axes.errorbar(
            change.difference * factor, place, xerr=change.spread * factor, color=INK, capsize=3, linewidth=1.2
        )
