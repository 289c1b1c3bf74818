"""Columns of a study's table: which says how good, which is better large, which rows count."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from hypr_neuro.errors import InputError, among
from hypr_neuro.studies.fields import PROFILE, key_of
from hypr_neuro.studies.spec import Direction
from hypr_neuro.studies.work import REFUSED

DIRECTIONS: tuple[Direction, Direction] = ("max", "min")
ACCURACY, ERROR = "accuracy", "squared error"
SPREAD = " sd"
"""Ending of the column that holds a figure's standard deviation over seeds."""
LARGE_IS_GOOD = ("accuracy", "agreement", "cosine")
"""Last words of figures that shall be large; all others, and what varies, cost something."""
SHARES = ("accuracy", "agreement", "gap", "accuracy loss")
"""Last words of figures that are shares of answers, shown in per cent."""
NO_FIGURES = "study: no row of the table has figures yet; run the study first"


def is_number(value: object) -> bool:
    """Return whether a cell is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def all_numbers(values: Iterable[object]) -> bool:
    """Return whether all values are numbers, so that they have an order."""
    return all(is_number(value) for value in values)


def figure_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the column that says how good a row is: the accuracy, of a regression the squared error."""
    return ACCURACY if any(is_number(row.get(ACCURACY)) for row in rows) else ERROR


def direction_of(column: str) -> Direction:
    """Return whether a column shall be large or small."""
    return "max" if column.endswith(LARGE_IS_GOOD) else "min"


def toward_small(column: str, value: float, direction: Direction | None = None) -> float:
    """Return the value with the sign with which small is good."""
    return -value if (direction or direction_of(column)) == "max" else value


def with_numbers(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of all columns that hold numbers, spreads apart."""
    names = dict.fromkeys(name for row in rows for name, value in row.items() if is_number(value))
    return [name for name in names if not name.endswith(SPREAD)]


def counted(rows: Sequence[dict[str, Any]], columns: Sequence[str], what: str = "column") -> list[dict[str, Any]]:
    """Return the rows that have numbers in all these columns; refused ones are left out.

    Raises
    ------
    InputError
        For a column that no row has, and where no row has them all.
    """
    usable = [row for row in rows if REFUSED not in row]
    known = with_numbers(usable)
    for column in columns:
        if usable and column not in known and column not in (ACCURACY, ERROR):
            raise InputError(f"study: {what} {among(column, known)}")
    chosen = [row for row in usable if all_numbers(row.get(column) for column in columns)]
    if not chosen:
        raise InputError(NO_FIGURES)
    return chosen


def best_of(rows: Sequence[dict[str, Any]], figure: str) -> dict[str, Any]:
    """Return the row with the best figure, the first among equals."""
    return min(rows, key=lambda row: toward_small(figure, row[figure]))


def values_of(rows: Sequence[Mapping[str, Any]], field: str) -> list[Any]:
    """Return the values of a field in the table: numbers in order, others as they come."""
    values = list(dict.fromkeys(row[field] for row in rows if field in row))
    return sorted(values) if all_numbers(values) else values


def short(field: str) -> str:
    """Return the last part of a field's name, in words, with what it is of where it names one."""
    key, of = key_of(field)
    last = key.replace("_", " ")
    if of:
        return f"{last} of {of}"
    return f"{field.split('.')[-2].replace('_', ' ')} {last}" if field.startswith("network.") and "." in field else last


def cell_text(column: str, value: Any) -> str:
    """Return a cell as text: shares of answers in per cent, other numbers in four digits, of files their names."""
    if column == PROFILE:
        return PurePath(str(value)).name
    if not is_number(value):
        return "–" if value is None or isinstance(value, float) else str(value)
    if isinstance(value, float) and column.endswith(SHARES):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
