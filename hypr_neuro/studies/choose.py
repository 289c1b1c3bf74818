"""The cheapest settings that are good enough, and the profile of a chip that has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypr_neuro.errors import InputError
from hypr_neuro.profiles.override import overridden
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.shown import Shown, as_html, as_text
from hypr_neuro.studies.columns import ACCURACY, SPREAD, best_of, cell_text, counted, figure_of
from hypr_neuro.studies.fields import PROFILE, of_section
from hypr_neuro.studies.spec import Study

Costs = str | Sequence[str]
"""A column that shall be small, or several, of which a later one decides among rows equal in those before."""
ROUNDING = 1e-12
"""A row exactly so much worse counts as good enough, however the difference is rounded."""


@dataclass(frozen=True, repr=False)
class Chosen:
    """What was chosen from a table.

    Attributes
    ----------
    row
        The cheapest of those that are good enough.
    best
        The row with the best figure.
    figure, costs
        Names of the columns that say how good and how costly.
    rule
        In words.
    """

    row: dict[str, Any]
    best: dict[str, Any]
    figure: str
    costs: tuple[str, ...]
    rule: str

    @property
    def cost(self) -> str:
        """Return the column that decides first."""
        return self.costs[0]

    def table(self) -> Shown:
        """Return the chosen row beside the best one."""
        names = [name for name in self.row if not name.endswith(SPREAD)]
        cells = [[name, cell_text(name, self.row[name]), cell_text(name, self.best.get(name))] for name in names]
        return Shown(f"Chosen: {self.rule}", ["", "chosen", "best"], cells)

    __repr__ = as_text
    _repr_html_ = as_html


def choose(rows: Sequence[dict[str, Any]], within: float, cost: Costs) -> Chosen:
    """Return the cheapest row whose figure is within so much of the best one; among equals the better one.

    Parameters
    ----------
    rows
        Of a study's table; those that were refused, or that do not fit a chip, are left out.
    within
        Points of accuracy, in hundredths; of a regression per cent of the least squared error.
    cost
        Column that shall be small: "memory bits", "cores", or what varies, such as "precision.weight_bits"; or several,
        of which a later one decides among rows that are equal in those before.

    Raises
    ------
    InputError
        For an unknown column, one without numbers, or a table without rows.
    """
    if not 0 <= within < float("inf"):
        raise InputError(f"within = {within}, rule: 0 or more, in points of accuracy")
    figure = figure_of(rows)
    costs = (cost,) if isinstance(cost, str) else tuple(cost)
    if not costs:
        raise InputError("cost = [], rule: one column or more, such as memory bits")
    numbered = counted(rows, [figure, *costs], "cost")
    least = f"least {', then '.join(costs)}{',' if len(costs) > 1 else ''} among rows"
    best = best_of(numbered, figure)
    if figure == ACCURACY:
        enough = [row for row in numbered if row[figure] >= best[figure] - within / 100 - ROUNDING]
        rule = f"{least} within {_points(within)} of the best mean accuracy, {best[figure]:.1%}"
        chosen = min(enough, key=lambda row: (*(row[name] for name in costs), -row[figure]))
    else:
        enough = [row for row in numbered if row[figure] <= best[figure] * (1 + within / 100 + ROUNDING)]
        rule = f"{least} within {within:g} % of the least mean squared error, {best[figure]:.4g}"
        chosen = min(enough, key=lambda row: (*(row[name] for name in costs), row[figure]))
    return Chosen(chosen, best, figure, costs, rule + _of_seeds(numbered))


def _of_seeds(rows: Sequence[dict[str, Any]]) -> str:
    """Say that rows are means over different numbers of seeds, so that they differ by chance more than they seem."""
    seeds = sorted({row["seeds"] for row in rows if "seeds" in row})
    return f"; rows have {seeds[0]} to {seeds[-1]} seeds, run the others before you choose" if len(seeds) > 1 else ""


def _points(within: float) -> str:
    return f"{within:g} point{'' if within == 1 else 's'}"


def profile_of(study: Study, row: dict[str, Any]) -> Profile:
    """Return the chip of a row, with the numbers that the study sets."""
    numbers = of_section(study.stated({name: row[name] for name in study.vary}), PROFILE)
    return overridden(load_profile(numbers.pop(PROFILE, study.profile)), numbers)
