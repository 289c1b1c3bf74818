"""Importance of the fields as bars."""

from __future__ import annotations

from matplotlib.axes import Axes

from hypr_neuro.report.drawing import BLUE, FONT, INK, ON_BAR, Legend, label
from hypr_neuro.studies.columns import short
from hypr_neuro.studies.figures.picture import Picture
from hypr_neuro.studies.importance import Importance

BAR = 24.0
"""Height that a bar takes, in points."""
MOST_LETTERS = 44
"""Of a field's name."""


def importance_picture(found: Importance) -> Picture:
    """Return a bar a field, the most important on top."""
    names, shares = list(found.shares), [100 * share for share in found.shares.values()]

    def draw(axes: Axes) -> Legend:
        axes.barh(range(len(names)), shares, color=BLUE, height=0.6)
        for place, share in enumerate(shares):
            inside = share > 85
            axes.annotate(
                f"{share:.1f} %",
                (share, place),
                xytext=(-4 if inside else 4, 0),
                textcoords="offset points",
                va="center",
                ha="right" if inside else "left",
                fontsize=FONT - 1.5,
                color=ON_BAR if inside else INK,
            )
        axes.set_yticks(range(len(names)), [label(short(name), MOST_LETTERS) for name in names])
        axes.set(xlim=(0, 100), ylim=(len(names) - 0.5, -0.5), xlabel=f"share of the variance of {found.figure}, %")
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        return []

    caption = f"{found.method[0].upper()}{found.method[1:]}."
    return Picture("importance", "Importance of the fields", caption, draw, 60 + BAR * len(names))
