"""What one value less or more of a single field changes, measured: no model, no derivative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypr_neuro.errors import InputError
from hypr_neuro.shown import Shown, as_html, as_text
from hypr_neuro.studies.columns import (
    all_numbers,
    best_of,
    cell_text,
    counted,
    direction_of,
    figure_of,
    is_number,
    values_of,
)
from hypr_neuro.studies.differences import paired
from hypr_neuro.studies.work import REFUSED

NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Change:
    """One field with its neighbouring value, all others as they are.

    Attributes
    ----------
    field, value
        What is changed, to what.
    difference
        Mean figure with the change minus that without, over the seeds that have both; None where it is not known.
    spread
        Standard deviation over seeds of that difference, seed by seed; None with fewer than two seeds.
    seeds
        Seeds that have both; 0 where the trials of the seeds are not given.
    reason
        Why the difference is not known: not tried, refused and why, or no figure.
    """

    field: str
    value: Any
    difference: float | None
    spread: float | None
    seeds: int
    reason: str = ""


@dataclass(frozen=True, repr=False)
class Sensitivity:
    """Changes of one row.

    Attributes
    ----------
    row : dict
        From which one field at a time is changed.
    figure : str
        Column whose change is told.
    changes : list of Change
        In the order of the fields, the smaller value first.
    """

    row: dict[str, Any]
    figure: str
    changes: list[Change]

    def table(self) -> Shown:
        """Return the changes, of accuracies in points."""
        cells = [[c.field, cell_text(c.field, self.row[c.field]), str(c.value), *self.cells(c)] for c in self.changes]
        said = (
            f"Sensitivity of {self.figure}, one field at a time, from {cell_text(self.figure, self.row[self.figure])}"
        )
        return Shown(said, ["field", "here", "changed to", "difference", "± over seeds"], cells)

    def cells(self, change: Change) -> tuple[str, str]:
        """Return difference and spread as text."""
        if change.difference is None:
            return change.reason, ""
        factor, unit = (100.0, " points") if direction_of(self.figure) == "max" else (1.0, "")
        spread = "" if change.spread is None else f"{change.spread * factor:.3g}"
        difference = round(change.difference * factor, 9)  # rounding of means is no difference
        return f"{difference:+.3g}{unit}".replace("-", "−"), spread

    __repr__ = as_text
    _repr_html_ = as_html


def sensitivity(
    rows: Sequence[dict[str, Any]],
    fields: Sequence[str],
    *,
    trials: Sequence[Mapping[str, Any]] = (),
    row: Mapping[str, Any] | None = None,
    figure: str | None = None,
    every: bool = False,
) -> Sensitivity:
    """Return what one value less and one more of each field changes, as far as the table has it.

    Of numbers these are the next smaller and the next larger value of the table, of anything else every other value.

    Parameters
    ----------
    rows
        Of a study's table.
    fields
        What varies, by full name.
    trials
        The same by seed, see `studies.table.trial_rows`: differences are then of the same seeds on both sides, and
        their spread is that of the pairs, smaller than that of the two means where a seed moves both alike.
    row
        From which is started, with a value of each field; None: the row with the best figure.
    figure
        Column; None: the accuracy, of a regression the squared error.
    every
        Tell all other values of numbers as well, in the order of the table.

    Raises
    ------
    InputError
        For a row that is not of the table, an unknown column, or a table without figures.
    """
    figure = figure or figure_of(rows)
    used = counted(rows, [figure], "figure")
    start = best_of(used, figure) if row is None else _found(used, fields, row)
    if start is None:
        said = ", ".join(f"{name} = {(row or {}).get(name)}" for name in fields)
        raise InputError(f"sensitivity: row {said}, rule: one of the table that has figures; choose such a row")
    changes = [
        _change(rows, fields, trials, start, name, value, figure)
        for name in fields
        for value in _others(rows, name, start[name], every)
    ]
    return Sensitivity(start, figure, changes)


def _others(rows: Sequence[Mapping[str, Any]], name: str, value: Any, every: bool) -> list[Any]:
    """Return one value less and one more; of what has no order, and where all are wanted, every other value."""
    values = list(dict.fromkeys(row[name] for row in rows if name in row)) if every else values_of(rows, name)
    if every or not all_numbers(values):
        return [other for other in values if other != value]
    at = values.index(value)
    return [*values[max(at - 1, 0) : at], *values[at + 1 : at + 2]]


def _found(rows: Sequence[dict[str, Any]], fields: Sequence[str], wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the row with these values."""
    return next((row for row in rows if all(row.get(name) == wanted.get(name) for name in fields)), None)


def _change(
    rows: Sequence[dict[str, Any]],
    fields: Sequence[str],
    trials: Sequence[Mapping[str, Any]],
    start: dict[str, Any],
    name: str,
    value: Any,
    figure: str,
) -> Change:
    wanted = {field: start[field] for field in fields} | {name: value}
    found = _found(rows, fields, wanted)
    if found is None:
        return Change(name, value, None, None, 0, NOT_TRIED)
    if REFUSED in found:
        return Change(name, value, None, None, 0, f"refused: {found[REFUSED]}")
    if not is_number(found.get(figure)):
        return Change(name, value, None, None, 0, f"no {figure}")
    mean, spread, seeds = paired(trials, {field: start[field] for field in fields}, wanted, figure)
    if not seeds:
        return Change(name, value, found[figure] - start[figure], None, 0)
    return Change(name, value, mean, spread, seeds)
