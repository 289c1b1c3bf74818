"""What each row loses against the base of a study that changes one field at a time, seed by seed.

loss = mean_s(base_s - row_s) of the accuracy, of a regression mean_s(row_s - base_s) of the squared error, over the
seeds s that both have; beside it the standard deviation of these differences. What a seed does to both cancels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hypr_neuro.studies.columns import SPREAD, all_numbers, direction_of, figure_of, is_number

LOSS = " loss"
"""Ending of the columns that hold it."""
SEED = "seed"


def with_losses(
    rows: Sequence[dict[str, Any]], trials: Sequence[Mapping[str, Any]], base: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Return the rows with what they lose of the score, on both parts of the data; as they are without a base.

    Parameters
    ----------
    rows
        Of a study's table.
    trials
        The same by seed.
    base
        Values by full name of the row that differences are told from, None where there is none.
    """
    if base is None:
        return list(rows)
    score = figure_of(rows)
    figures = [name for name in dict.fromkeys(name for row in rows for name in row) if name in _scores(score)]
    found = []
    for row in rows:
        made = dict(row)
        for figure in figures:
            made |= _loss(figure, row, trials, base)
        found.append(made)
    return found


def paired(
    trials: Sequence[Mapping[str, Any]], before: Mapping[str, Any], after: Mapping[str, Any], figure: str
) -> tuple[float, float | None, int]:
    """Return the mean difference of a figure over the seeds that both settings have, its standard deviation, the seeds.

    NaN where no seed has both, None for the deviation of fewer than two.
    """
    one, other = (by_seed(trials, at, figure) for at in (before, after))
    pairs = [other[seed] - one[seed] for seed in other if seed in one]
    if not pairs:
        return math.nan, None, 0
    mean = math.fsum(pairs) / len(pairs)
    if len(pairs) == 1:
        return mean, None, 1
    return mean, math.sqrt(math.fsum((d - mean) ** 2 for d in pairs) / (len(pairs) - 1)), len(pairs)


def by_seed(trials: Sequence[Mapping[str, Any]], at: Mapping[str, Any], figure: str) -> dict[int, float]:
    """Return the figure of each seed with these values."""
    return {
        trial[SEED]: trial[figure]
        for trial in trials
        if is_number(trial.get(figure)) and all(trial.get(name) == value for name, value in at.items())
    }


def _scores(score: str) -> tuple[str, ...]:
    return score, f"test {score}", f"validation {score}"


def _loss(
    figure: str, row: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], base: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the columns of one figure's loss, {} of a row without it."""
    mean, spread, seeds = paired(trials, base, {name: row[name] for name in base}, figure)
    if not seeds or not all_numbers([row.get(figure)]):
        return {}
    loss = {f"{figure}{LOSS}": (-mean if direction_of(figure) == "max" else mean) + 0.0}
    return loss if spread is None else loss | {f"{figure}{LOSS}{SPREAD}": spread}
