"""What results and networks print: a title and a table of one screen, as text in a terminal, as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isnan
from textwrap import wrap
from typing import Protocol

LARGEST = 20
"""Rows that are shown; of more, the first and the last."""
COLUMNS = 80
"""Of a terminal, to which a title is wrapped."""
WIDEST = 36
"""Characters of a cell that are shown as text."""


@dataclass(frozen=True)
class Shown:
    """Hold a title, headings and rows of cells, all text.

    Attributes
    ----------
    title
        A sentence or its beginning.
    headings, rows
        Of one length each; rows () where the title says all.
    """

    title: str
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.headings):
                raise ValueError(f"'{self.title}': a row of {len(row)} cells under {len(self.headings)} headings")


class HasTable(Protocol):
    """Whatever shows itself by `table`."""

    def table(self) -> Shown:
        """Return what is shown."""


def _screen(rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Return the rows of one screen."""
    if len(rows) <= LARGEST:
        return list(rows)
    last = LARGEST // 4
    first = LARGEST - last - 1
    left_out = f"… {len(rows) - first - last} more"
    return [*rows[:first], [left_out, *[""] * (len(rows[0]) - 1)], *rows[-last:]]


def _short(cell: str) -> str:
    return cell if len(cell) <= WIDEST else cell[: WIDEST - 1] + "…"


def as_text(thing: HasTable) -> str:
    """Return what a thing shows as text: its title, then columns, numbers to the right."""
    shown = thing.table()
    title = wrap(shown.title, COLUMNS)
    if not shown.rows:
        return "\n".join(title)
    lines = [[_short(cell) for cell in row] for row in (shown.headings, *_screen(shown.rows))]
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(_is_number(cell) for cell in column[1:]) for column in columns]
    text = ["  ".join(_aligned(*cell) for cell in zip(line, widths, right, strict=True)) for line in lines]
    return "\n".join([*title, *(f"  {line.rstrip()}" for line in text)])


def _aligned(cell: str, width: int, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("-+").replace(",", "")[:1].isdigit()


def as_html(thing: HasTable) -> str:
    """Return what a thing shows as an HTML table, every text escaped."""
    shown = thing.table()
    head = "".join(f"<th>{escape(cell)}</th>" for cell in shown.headings)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in _screen(shown.rows)
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    return f"<div><p>{escape(shown.title)}</p>{table}</div>"


def percent(share: float) -> str:
    """Return a share as a percentage of one decimal, "–" for NaN."""
    return "–" if isnan(share) else f"{share:.1%}"


def percent_or_error(share: float, error: float | None) -> str:
    """Return a share in percent, or the squared error that stands in its place for a regression."""
    return percent(share) if error is None else f"{error:.4g}"
