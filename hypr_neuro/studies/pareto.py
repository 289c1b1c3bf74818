"""The Pareto front of a table: rows of which no other is at least as good in every column and better in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypr_neuro.errors import InputError, among
from hypr_neuro.shown import Shown, as_html, as_text
from hypr_neuro.studies.columns import DIRECTIONS, cell_text, counted, direction_of, figure_of, toward_small
from hypr_neuro.studies.knee import RULE, knee_of
from hypr_neuro.studies.spec import Direction

COST = "memory bits"
Objectives = Mapping[str, Direction] | Sequence[str] | None


@dataclass(frozen=True, repr=False)
class Front:
    """A Pareto front.

    Attributes
    ----------
    rows : list of dict
        In the order of the first column, its best first.
    objectives : dict
        Of each column "max" or "min".
    of : int
        Rows that were compared.
    knee : dict or None
        The row of two columns' front that is farthest on the good side of the line through its ends, see
        `studies.knee`; None where there is none.
    fields : tuple of str
        What varies, which the table shows.
    """

    rows: list[dict[str, Any]]
    objectives: dict[str, Direction]
    of: int
    knee: dict[str, Any] | None
    fields: tuple[str, ...] = ()

    def table(self) -> Shown:
        """Return the rows of the front with what they reach and take."""
        names = [*self.fields, *(name for name in self.objectives if name not in self.fields)]
        cells = [
            [*(cell_text(name, row.get(name)) for name in names), "knee" if row is self.knee else ""]
            for row in self.rows
        ]
        said = " and ".join(f"{name} ({direction})" for name, direction in self.objectives.items())
        rule = f"; {RULE}" if self.knee is not None else ""
        return Shown(f"Pareto front of {said}: {len(self.rows)} of {self.of} rows{rule}", [*names, ""], cells)

    __repr__ = as_text
    _repr_html_ = as_html


def pareto_front(
    rows: Sequence[dict[str, Any]],
    objectives: Objectives = None,
    fields: Sequence[str] = (),
) -> Front:
    """Return the rows that no other row dominates.

    Row a dominates row b where it is at least as good in every column and better in one. Rows equal in every column
    are on the front together.

    Parameters
    ----------
    rows
        Of a study's table; refused ones, and those that lack one of the numbers, are left out.
    objectives
        Two columns or more, each with "max" or "min", or their names: accuracies, agreements and cosines shall then be
        large, all others small. None: memory bits against the accuracy, of a regression the squared error.
    fields
        What varies, to be shown.

    Raises
    ------
    InputError
        For fewer than two columns, unknown ones, other directions, or a table without figures.
    """
    goals = _directions(rows, objectives)
    chosen = counted(rows, list(goals), "objective")
    # in this order only an earlier row can dominate a later one
    scored = sorted(((_scores(row, goals), place) for place, row in enumerate(chosen)), key=lambda pair: pair)
    front: list[tuple[tuple[float, ...], int]] = []
    for scores, place in scored:
        if not any(_dominates(other, scores) for other, _ in front):
            front.append((scores, place))
    found = [chosen[place] for _, place in front]
    knee = None
    if len(goals) == 2:
        at = knee_of([(scores[0], scores[1]) for scores, _ in front])
        knee = None if at is None else found[at]
    return Front(found, goals, len(chosen), knee, tuple(fields))


def _directions(rows: Sequence[dict[str, Any]], objectives: Objectives) -> dict[str, Direction]:
    if objectives is None:
        objectives = [COST, figure_of(rows)]
    if isinstance(objectives, str):
        raise InputError(f"objectives = '{objectives}', rule: two columns or more; give a list")
    goals = dict(objectives) if isinstance(objectives, Mapping) else {name: direction_of(name) for name in objectives}
    if len(goals) < 2:
        raise InputError(f"objectives = {list(goals)}, rule: two columns or more, such as {COST} and accuracy")
    for name, direction in goals.items():
        if direction not in DIRECTIONS:
            raise InputError(f"objective '{name}': direction {among(direction, DIRECTIONS)}")
    return goals


def _scores(row: Mapping[str, Any], goals: Mapping[str, Direction]) -> tuple[float, ...]:
    """Return the row's figures with the signs with which small is good."""
    return tuple(toward_small(name, row[name], direction) for name, direction in goals.items())


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
