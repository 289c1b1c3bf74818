"""Results of a command as tables of 80 columns, without broken words, or as JSON."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from hypr_neuro.cli.encodings import print_json

SHARES = (
    "over labelled steps",
    "on chip from scratch",
    "float rule from scratch",
    "disturbed",
    "on chip after fine-tuning",
    "answers as in float",
    "steps below half a unit",
)
"""Figures that are shares, beside whatever is called an accuracy."""

LONG = 100
"""Rows from which a table is laid out here: the same, but for words that are longer than a column."""


def emit(content: dict[str, Any], as_json: bool, title: str = "") -> None:
    """Show a mapping as a table, or as JSON, where keys have underscores for spaces."""
    if as_json:
        from hypr_neuro.files.run_folder import to_json

        print_json(to_json(_without_spaces(content)))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names = {key: key.replace("_", " ") for key in content}
    table = Table(
        title=Text(title, style="bold") if title else None,
        show_header=False,
        title_justify="left",
        box=box.SIMPLE,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column(min_width=max(map(len, names.values()), default=0))
    table.add_column(overflow="fold")
    for key, value in content.items():
        table.add_row(Text(names[key]), Text(figure(names[key], value)))
    print()
    Console().print(table)
    print()


def _without_spaces(value: Any) -> Any:
    """Return the same with underscores for the spaces of keys; names of connections, "a -> b", stay as they are."""
    if isinstance(value, dict):
        return {k if " -> " in str(k) else str(k).replace(" ", "_"): _without_spaces(v) for k, v in value.items()}
    return [_without_spaces(v) for v in value] if isinstance(value, list | tuple) else value


def figure(name: str, value: Any) -> str:
    """Return a figure as text: shares in percent of one decimal, others as `show` has them."""
    from hypr_neuro.shown import percent

    is_share = "accuracy" in name or name in SHARES
    return percent(float(value)) if is_share and isinstance(value, int | float) else show(value)


def show(value: Any) -> str:
    """Return a value as short text; a mapping has a line for each entry, counts of 0 are left out."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.4g}"
    if isinstance(value, dict):
        entries = _flat(value)
        counts = all(type(entry) is int for entry in entries.values())
        lines = [f"{name}: {show(entry)}" for name, entry in entries.items() if entry or not counts]
        return "\n".join(lines) or "none"
    return ", ".join(map(show, value)) or "none" if isinstance(value, list | tuple) else str(value)


def _flat(value: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of mappings in mappings, their names behind one another."""
    entries: dict[str, Any] = {}
    for name, entry in value.items():
        inner = _flat(entry) if isinstance(entry, dict) else None
        entries |= {str(name): entry} if inner is None else {f"{name} {key}": one for key, one in inner.items()}
    return entries


def print_table(headings: list[str], table_rows: list[list[Any]], title: str = "") -> None:
    """Print a table with headings, whose columns are as wide as their longest word as long as there is room.

    In a file or a pipe no number is cut, however many columns that takes: a number that is cut in two is another one.
    Headings that name an accuracy stand over shares, which are shown in percent.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[figure(name, v) for name, v in zip(headings, row, strict=True)] for row in table_rows]
    columns = list(zip(headings, *cells, strict=True))
    console = Console()
    widths = _widths(columns, console.width - 2 * len(columns))
    if not console.is_terminal:
        console = Console(width=max(console.width, sum(widths) + 2 * len(columns)))
    table = Table(
        title=Text(title, style="bold") if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    numbers = [_are_numbers(column) for column in columns]
    for column, width, right in zip(columns, widths, numbers, strict=True):
        table.add_column(column[0], overflow="fold", width=width, justify="right" if right else "left")
    is_long = len(cells) > LONG
    for row in () if is_long else cells:
        table.add_row(*map(Text, row))
    print()
    console.print(table)
    for row in cells if is_long else ():
        print("\n".join(_lines(row, widths, numbers)))
    print()


def _are_numbers(column: Sequence[str]) -> bool:
    return all(cell[:1] in "0123456789+-–" for cell in column[1:])


def _lines(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    """Return the lines of a row; rich takes 1.5 ms for the same, which thousands of rows do not have."""
    parts = [
        [cell] if len(cell) <= width and "\n" not in cell else _wrapped(cell, width)
        for cell, width in zip(row, widths, strict=True)
    ]
    lines = []
    for i in range(max(map(len, parts), default=0)):
        texts = [part[i] if i < len(part) else "" for part in parts]
        padded = [t.rjust(w) if r else t.ljust(w) for t, w, r in zip(texts, widths, right, strict=True)]
        lines.append("  ".join(padded) + " ")
    return lines


def _wrapped(cell: str, width: int) -> list[str]:
    return [part for line in cell.split("\n") for part in textwrap.wrap(line, width, break_on_hyphens=False) or [""]]


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """Return widths of columns: whole lines where there is room, else words; names, in front, are cut if need be."""
    widths = [max(len(line) for cell in column for line in cell.split("\n")) for column in columns]
    words = [max(len(word) for cell in column for word in cell.split() or [""]) for column in columns]
    while sum(widths) > room:
        spare = [width - word for width, word in zip(widths, words, strict=True)]
        widest = spare.index(max(spare))
        if spare[widest] <= 0:
            if not _are_numbers(columns[0]):
                widths[0] = max(widths[0] - (sum(widths) - room), 8)
            break
        widths[widest] -= 1
    return widths
