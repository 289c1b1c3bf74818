"""Which figure of a study is drawn, and as a file: curves, a map, a Pareto front, importance or sensitivity."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from hypr_neuro.errors import InputError, among
from hypr_neuro.report.drawing import FONT, MUTED, STYLE, label
from hypr_neuro.studies.columns import NO_FIGURES, all_numbers, figure_of, is_number, values_of
from hypr_neuro.studies.figures.changes import sensitivity_picture
from hypr_neuro.studies.figures.curves import curves
from hypr_neuro.studies.figures.front import front_picture
from hypr_neuro.studies.figures.heat_map import heat_map
from hypr_neuro.studies.figures.picture import Picture
from hypr_neuro.studies.figures.shares import importance_picture
from hypr_neuro.studies.importance import importance
from hypr_neuro.studies.pareto import pareto_front
from hypr_neuro.studies.reduced import reduced
from hypr_neuro.studies.sensitivity import Sensitivity, sensitivity
from hypr_neuro.studies.spec import Direction

KINDS = ("curve", "map", "pareto", "importance", "sensitivity")
MOST_CURVES = 8
"""Values of a second field that are curves; more of them, or a second field of numbers, make a map."""
WIDTH, HEIGHT = 460.0, 290.0
"""Of a file in points, the height the least."""
MOST_LETTERS = 62
"""Of a line of a title."""
MOST_OF_A_NOTE = 90
"""Letters of a line below a figure."""
OF_A_FILE: dict[str, Any] = STYLE | {"figure.facecolor": "white", "svg.hashsalt": "study"}
Rows = Sequence[dict[str, Any]]


def picture_of(
    rows: Rows,
    fields: Sequence[str],
    kind: str | None = None,
    *,
    over: Sequence[str] = (),
    others: str = "best",
    trials: Sequence[Mapping[str, Any]] = (),
    start: Mapping[str, Any] | None = None,
    objectives: Mapping[str, Direction] | Sequence[str] | None = None,
    logarithmic: Sequence[str] = (),
    found: Sensitivity | None = None,
) -> Picture:
    """Return a figure of the table.

    Parameters
    ----------
    rows
        Of the table.
    fields
        What varies, by full name.
    kind
        One of `KINDS`. None: of one field a curve with the spread over seeds, float beside it; of two a map where both
        are numbers and each has more than two values, else a curve for each value of the second; of more the front.
    over
        One field or two that a curve or a map is over, where more vary; () for all.
    others
        What stands for the other fields then: "best" or "mean", see `studies.reduced`.
    trials
        Rows by seed, of sensitivity, see `studies.sensitivity.sensitivity`.
    start
        Row that sensitivity starts from; None: that with the best figure.
    objectives
        Columns of the front, see `studies.pareto.pareto_front`.
    logarithmic
        Fields whose values lie evenly by their logarithm, for their importance.
    found
        Sensitivity that is drawn; None: one value less and more of each field, from `start`.

    Raises
    ------
    InputError
        For an unknown kind or field, fields that the kind does not take, and a table without figures.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(f"study plot: kind {among(kind, KINDS)}")
    for name in over:
        if name not in fields:
            raise InputError(f"study plot: over {among(name, fields)}")
    if kind is None:
        kind = "pareto" if len(over or fields) > 2 else None
    if kind == "pareto":
        return front_picture(rows, pareto_front(rows, objectives, fields))
    if kind == "importance":
        return importance_picture(importance(rows, fields, logarithmic=logarithmic))
    if kind == "sensitivity":
        return sensitivity_picture(found or sensitivity(rows, fields, trials=trials, row=start))
    return _over(rows, fields, kind, over, others)


def _over(rows: Rows, fields: Sequence[str], kind: str | None, over: Sequence[str], others: str) -> Picture:
    """Return curves or a map."""
    figure = figure_of(rows)
    shown = [row for row in rows if is_number(row.get(figure))]
    if not shown:
        raise InputError(NO_FIGURES)
    names = list(over or fields)
    if len(names) > 2 or (kind == "map" and len(names) != 2):
        rule = "two" if kind == "map" else "one or two"
        raise InputError(
            f"study plot: a {kind} over {', '.join(names)}, rule: over {rule} of them; say which with --over, or take "
            "another --kind"
        )
    said = ""
    if len(names) < len(fields):
        shown, said = reduced(shown, names, figure, others)
    as_map = len(names) == 2 and (kind == "map" or (kind is None and _is_map(shown, names)))
    return heat_map(shown, names, said) if as_map else curves(shown, names, said)


def _is_map(rows: Rows, fields: Sequence[str]) -> bool:
    columns = [values_of(rows, field) for field in fields]
    return all(all_numbers(values) and len(values) > 2 for values in columns) or len(columns[1]) > MOST_CURVES


def plotted(rows: Rows, fields: Sequence[str], title: str, ending: str, kind: str | None = None, **more: Any) -> bytes:
    """Return a figure of the table as the content of a file, the same bytes for the same rows.

    Parameters
    ----------
    rows, fields, kind, more
        As for `picture_of`.
    title
        Above the figure.
    ending
        "png" or "svg".
    """
    return as_file(picture_of(rows, fields, kind, **more), title, ending)


def as_file(picture: Picture, title: str, ending: str) -> bytes:
    """Return a figure as the content of a .png or .svg file, its caption in the metadata."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(OF_A_FILE)
        height = max(picture.height, HEIGHT if picture.height > 200 else 0)
        drawing = Figure(figsize=(WIDTH / 72, (height + 24) / 72), layout="constrained")
        axes = drawing.add_subplot()
        legend = picture.draw(axes)
        if len(legend) > 1:
            # what lies behind it shows through, and does not cross its words
            box: dict[str, Any] = {"frameon": True, "framealpha": 0.85, "facecolor": "white", "edgecolor": "none"}
            axes.legend([handle for _, handle in legend], [label(name) for name, _ in legend], **box)
        # over the whole figure and in lines: axes may be narrow beside long names
        drawing.suptitle("\n".join(textwrap.wrap(title or picture.title, MOST_LETTERS)), fontsize=FONT)
        if picture.note:
            note = "\n".join(textwrap.wrap(picture.note, MOST_OF_A_NOTE))
            drawing.supxlabel(note, fontsize=FONT - 1.5, color=MUTED)
        out = io.BytesIO()
        metadata = {"Software": None, "Description": picture.caption} if ending == "png" else _of_svg(picture)
        drawing.savefig(out, format=ending, dpi=150, metadata=metadata)
    return out.getvalue()


def _of_svg(picture: Picture) -> dict[str, Any]:
    return {"Date": None, "Creator": None, "Description": picture.caption}
