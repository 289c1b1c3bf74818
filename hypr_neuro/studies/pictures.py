"""The figures that a study's results give: all that its table has enough rows for, and why others are left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from hypr_neuro.errors import HyprError
from hypr_neuro.studies.choose import Costs
from hypr_neuro.studies.figures.changes import sensitivity_picture
from hypr_neuro.studies.figures.front import front_picture
from hypr_neuro.studies.figures.picture import Picture
from hypr_neuro.studies.figures.shares import importance_picture
from hypr_neuro.studies.plot import picture_of
from hypr_neuro.studies.results import StudyResults

Made = TypeVar("Made")


def tried(make: Callable[[], Made]) -> tuple[Made | None, str]:
    """Return what is made, or None and the reason."""
    try:
        return make(), ""
    except HyprError as error:
        return None, str(error)


def told_once(reasons: Sequence[tuple[str, str]]) -> list[str]:
    """Return why parts are missing, each reason once and each part named once."""
    said: dict[str, list[str]] = {}
    for name, reason in reasons:
        said.setdefault(reason.removeprefix(f"{name.lower()}: ").removeprefix("study: "), []).append(name)
    return [f"{', '.join(names)}: {reason}" for reason, names in said.items()]


def pictures_of(results: StudyResults, within: float, least: Costs) -> tuple[list[Picture], list[tuple[str, str]]]:
    """Return the figures that can be drawn, and name and reason of those that cannot.

    Parameters
    ----------
    results
        Of the study.
    within, least
        By which the row is chosen that sensitivity starts from, see `studies.choose.choose`.
    """
    over = results.fields[:2] if len(results.fields) > 2 else ()
    makers: dict[str, Callable[[], Picture]] = {
        "Over the fields": lambda: picture_of(results.rows, results.fields, over=over),
        "Pareto front": lambda: front_picture(results.rows, results.pareto()),
        "Sensitivity": lambda: sensitivity_picture(results.sensitivity(results.start(within, least))),
        "Importance": lambda: importance_picture(results.importance()),
    }
    if results.study.base is not None and len(results.fields) > 1:
        # of one field at a time most pairs of values were not tried
        del makers["Over the fields"], makers["Importance"]
    drawn, reasons = [], []
    for name, make in makers.items():
        picture, reason = tried(make)
        if picture is None:
            reasons.append((name, reason))
        else:
            drawn.append(picture)
    return drawn, reasons
