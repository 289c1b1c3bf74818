"""The table of a study on its page: columns that differ, those that do not, cells with what they are sorted by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypr_neuro.report.values import NOTHING, percent, show
from hypr_neuro.studies.columns import (
    ACCURACY,
    ERROR,
    SHARES,
    SPREAD,
    cell_text,
    counted,
    figure_of,
    is_number,
    short,
    toward_small,
)
from hypr_neuro.studies.differences import LOSS
from hypr_neuro.studies.fields import PROFILE
from hypr_neuro.studies.objectives import ROOM
from hypr_neuro.studies.results import StudyResults
from hypr_neuro.studies.rows import EARLIER
from hypr_neuro.studies.table import columns_of
from hypr_neuro.studies.work import REFUSED, WARNED

MOST_ROWS = 2000
"""Rows that a page shows; of more, the best."""
SCORES = (ACCURACY, ERROR)


@dataclass(frozen=True)
class Column:
    """A column: its name in the table, its heading, whether it holds numbers."""

    name: str
    heading: str
    numbers: bool


@dataclass(frozen=True)
class PageTable:
    """What the page's table shows.

    Attributes
    ----------
    columns
        Those that differ between rows, what varies first.
    rows
        A list of cells a row: text, and the value that it is sorted by.
    same
        Headings and texts of the columns that are the same in every row.
    left_out
        Rows that are not shown.
    chosen
        Place of the row that is to be seen first.
    """

    columns: list[Column]
    rows: list[list[tuple[str, Any]]]
    same: list[tuple[str, str]]
    left_out: int
    chosen: int | None = None


def table_of(results: StudyResults, marks: dict[int, str], chosen: dict[str, Any] | None = None) -> PageTable:
    """Return the table of the rows that have figures.

    Parameters
    ----------
    results
        Of the study.
    marks
        What a row is, by its `id`: the best, of the front.
    chosen
        Row that is to be seen first.
    """
    rows = [row for row in results.rows if REFUSED not in row]
    shown, left_out = rows, 0
    if len(rows) > MOST_ROWS:
        figure = figure_of(rows)
        ordered = sorted(counted(rows, [figure]), key=lambda row: toward_small(figure, row[figure]))
        shown, left_out = ordered[:MOST_ROWS], len(rows) - MOST_ROWS
    names = _in_order(results, [name for name in columns_of(rows) if name != WARNED and not name.endswith(SPREAD)])
    fields = results.fields
    same = [name for name in names if name not in fields and len(rows) > 1 and _is_same(rows, name)]
    columns = [
        Column(name, heading_of(results, name), all(is_number(row.get(name)) or row.get(name) is None for row in rows))
        for name in names
        if name not in same
    ]
    cells = [[(cell_of(row, column.name), _sorted_by(row.get(column.name))) for column in columns] for row in shown]
    if marks:
        columns.insert(len(fields), Column("", "what it is", False))
        for row, texts in zip(shown, cells, strict=True):
            texts.insert(len(fields), (marks.get(id(row), ""), marks.get(id(row), "")))
    facts = [(heading_of(results, name), cell_of(rows[0], name)) for name in same]
    place = next((at for at, row in enumerate(shown) if row is chosen), None)
    return PageTable(columns, cells, facts, left_out, place)


def _in_order(results: StudyResults, names: Sequence[str]) -> list[str]:
    """Return the columns in the order of reading: what varies, what it loses, how good, what it takes, all others."""
    scores = [f"{part}{score}" for part in ("", f"{results.parts[1]} ", "float ", "start ") for score in SCORES]
    losses = [f"{part}{score}{LOSS}" for part in ("", f"{results.parts[1]} ") for score in SCORES]
    first = [*results.fields, *losses, *scores, *ROOM]
    return [name for name in first if name in names] + [name for name in names if name not in first]


def _is_same(rows: Sequence[dict[str, Any]], name: str) -> bool:
    return len({cell_of(row, name) for row in rows}) == 1


def heading_of(results: StudyResults, name: str) -> str:
    """Return the head of a column in words; figures by the part of the data on which they were taken."""
    if name in results.fields:
        return short(name)
    if name in ("accuracy", "squared error", "float accuracy", "float squared error"):
        kind, _, score = name.rpartition("accuracy" if name.endswith("accuracy") else "squared error")
        return f"{kind}{results.parts[0]} {name.removeprefix(kind)}{score}"
    return "of other sources" if name == EARLIER else name.replace("nJ", "in nJ").replace(" us", " in µs")


def cell_of(row: dict[str, Any], name: str) -> str:
    """Return a cell as text: the mean with its standard deviation over seeds."""
    value, spread = row.get(name), row.get(f"{name}{SPREAD}")
    if value is None or name == PROFILE:
        return NOTHING if value is None else cell_text(name, value)
    if is_number(value) and name.endswith(SHARES):
        text = percent(float(value))
        return text if spread is None else f"{text} ± {100 * spread:.1f}"
    return show(value) + (f" ± {show(float(f'{spread:.3g}'))}" if spread else "")


def _sorted_by(value: Any) -> Any:
    return "" if value is None else value
