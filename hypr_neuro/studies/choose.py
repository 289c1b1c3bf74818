"""The cheapest settings that are good enough, and the profile of a chip that has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypr_neuro.errors import InputError
from hypr_neuro.profiles.override import overridden
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.studies.columns import ACCURACY, best_of, counted, figure_of
from hypr_neuro.studies.fields import PROFILE, of_section
from hypr_neuro.studies.spec import Study

ROUNDING = 1e-12
"""A row exactly so much worse counts as good enough, however the difference is rounded."""


@dataclass(frozen=True)
class Chosen:
    """What was chosen from a table.

    Attributes
    ----------
    row
        The cheapest of those that are good enough.
    best
        The row with the best figure.
    figure, cost
        Names of the columns that say how good and how costly.
    rule
        In words.
    """

    row: dict[str, Any]
    best: dict[str, Any]
    figure: str
    cost: str
    rule: str


def choose(rows: Sequence[dict[str, Any]], within: float, cost: str) -> Chosen:
    """Return the cheapest row whose figure is within so much of the best one; among equals the better one.

    Parameters
    ----------
    rows
        Of a study's table; those that were refused, or that do not fit a chip, are left out.
    within
        Points of accuracy, in hundredths; of a regression per cent of the least squared error.
    cost
        Column that shall be small: "memory bits", "cores", or what varies, such as "precision.weight_bits".

    Raises
    ------
    InputError
        For an unknown column, one without numbers, or a table without rows.
    """
    if not 0 <= within < float("inf"):
        raise InputError(f"within = {within}, rule: 0 or more, in points of accuracy")
    figure = figure_of(rows)
    numbered = counted(rows, [figure, cost], "cost")
    best = best_of(numbered, figure)
    if figure == ACCURACY:
        enough = [row for row in numbered if row[figure] >= best[figure] - within / 100 - ROUNDING]
        rule = f"least {cost} among rows within {_points(within)} of the best mean accuracy, {best[figure]:.1%}"
        chosen = min(enough, key=lambda row: (row[cost], -row[figure]))
    else:
        enough = [row for row in numbered if row[figure] <= best[figure] * (1 + within / 100)]
        rule = f"least {cost} among rows within {within:g} % of the least mean squared error, {best[figure]:.4g}"
        chosen = min(enough, key=lambda row: (row[cost], row[figure]))
    return Chosen(chosen, best, figure, cost, rule)


def _points(within: float) -> str:
    return f"{within:g} point{'' if within == 1 else 's'}"


def profile_of(study: Study, row: dict[str, Any]) -> Profile:
    """Return the chip of a row, with the numbers that the study sets."""
    settings = {**study.set, **{name: row[name] for name in study.values()}}
    numbers = of_section(settings, PROFILE)
    return overridden(load_profile(numbers.pop(PROFILE, study.profile)), numbers)
