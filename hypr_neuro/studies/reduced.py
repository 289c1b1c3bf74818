"""A table over one or two of its fields, where more vary: the best of the others, or their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hypr_neuro.errors import InputError, among
from hypr_neuro.studies.columns import best_of, is_number

OTHERS = ("best", "mean")


def reduced(
    rows: Sequence[dict[str, Any]], fields: Sequence[str], figure: str, others: str
) -> tuple[list[dict[str, Any]], str]:
    """Return a row for each combination of these fields, and in words what stands for the others.

    Parameters
    ----------
    rows
        With numbers in the column `figure`.
    fields
        That stay.
    figure
        Column that says how good.
    others
        "best": the row with the best figure. "mean": the mean figure of all rows, float's likewise, without a spread:
        it is one over settings, not over seeds.

    Raises
    ------
    InputError
        For other words.
    """
    if others not in OTHERS:
        raise InputError(f"others {among(others, OTHERS)}")
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in fields), []).append(row)
    if others == "best":
        return [best_of(group, figure) for group in groups.values()], "Of the other fields the best row is shown."
    made = []
    for values, group in groups.items():
        row = dict(zip(fields, values, strict=True))
        for name in (figure, f"float {figure}"):
            numbers = [one[name] for one in group if is_number(one.get(name))]
            if numbers:
                row[name] = math.fsum(numbers) / len(numbers)
        made.append(row)
    return made, "Shown is the mean over the rows of the other fields."
