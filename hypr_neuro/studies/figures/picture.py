"""A figure before it is drawn: what draws it on axes, and a caption that says what to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from hypr_neuro.report.drawing import HEIGHT, Legend
from hypr_neuro.studies.columns import ACCURACY, short

MOST_TICKS = 10


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes
    ----------
    name
        Of ids on a page.
    title, caption
        In a few words, and in a sentence or more.
    draw
        Draws on axes and returns the legend.
    height
        In points.
    note
        What a figure without its caption has to say itself.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[Axes], Legend]
    height: float = HEIGHT
    note: str = ""


def unit_of(column: str) -> tuple[float, str]:
    """Return the factor with which a column is drawn and the words on its axis: shares are drawn in per cent."""
    return (100.0, f"{column}, %") if column.endswith((ACCURACY, "agreement")) else (1.0, short(column))


def count_axis(axes: Axes, which: str) -> None:
    """Write large whole numbers on an axis with their thousands apart, and not more ticks than there is room."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(nbins=5))
    axis.set_major_formatter(FuncFormatter(_tick))


def _tick(value: float, _place: int | None = None) -> str:
    return f"{value:,.0f}".replace(",", "\u202f") if abs(value) >= 10_000 else f"{value:g}"
