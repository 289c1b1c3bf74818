"""How much of a figure's variance each field explains."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypr_neuro.errors import InputError
from hypr_neuro.shown import Shown, as_html, as_text
from hypr_neuro.studies.columns import all_numbers, counted, direction_of, figure_of, values_of
from hypr_neuro.studies.search import require_optuna

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

LEAST_ROWS = 4
"""Rows below which a forest of regression trees says nothing."""
MOST_ROWS = 256
"""Rows that the forest is fitted to; of more, so many are drawn: its time grows with their square."""
SEED = 0
"""Of the forest and of that draw, so that the same table gives the same numbers."""


@dataclass(frozen=True, repr=False)
class Importance:
    """Shares of the variance of a figure.

    Attributes
    ----------
    shares : dict
        Of each field, the largest first; they add up to 1.
    figure : str
        Column whose variance is explained.
    rows, of : int
        Rows that were used, and those that have figures.
    """

    shares: dict[str, float]
    figure: str
    rows: int
    of: int

    @property
    def method(self) -> str:
        """Return how they were found, in words."""
        drawn = f" drawn from {self.of}" if self.rows < self.of else ""
        return (
            f"share of the variance of {self.figure} over {self.rows} rows{drawn} that the field explains by itself, "
            "scaled to a sum of 1 (fANOVA: Hutter, Hoos, Leyton-Brown 2014, as Optuna evaluates it)"
        )

    def table(self) -> Shown:
        """Return the fields with their shares."""
        cells = [[name, f"{share:.1%}"] for name, share in self.shares.items()]
        return Shown(f"Importance: {self.method}", ["field", "share"], cells)

    __repr__ = as_text
    _repr_html_ = as_html


def importance(
    rows: Sequence[dict[str, Any]],
    fields: Sequence[str],
    figure: str | None = None,
    logarithmic: Sequence[str] = (),
) -> Importance:
    """Return how much of a figure's variance each field explains, by functional analysis of variance.

    A random forest is fitted to the rows; its variance over the whole space of the values is split into that of each
    field (F. Hutter, H. Hoos, K. Leyton-Brown, An efficient approach for assessing hyperparameter importance, ICML
    2014). Optuna's evaluator does it, with a seed of its own, so that the same rows give the same shares.
    Of more than 256 rows so many are drawn.

    Parameters
    ----------
    rows
        Of a study's table; refused ones are left out.
    fields
        What varies, by full name; those with one value among the rows have share 0.
    figure
        Column that is explained; None: the accuracy, of a regression the squared error.
    logarithmic
        Fields whose values lie evenly by their logarithm.

    Raises
    ------
    InputError
        For an unknown column, fewer than two fields with several values, fewer than four rows, or figures that are all
        the same.
    MissingPackageError
        Where Optuna is not installed.
    """
    figure = figure or figure_of(rows)
    used = counted(rows, [figure], "figure")
    varying = [name for name in fields if len(values_of(used, name)) > 1]
    if len(varying) < 2:
        held = f"'{varying[0]}' alone has" if varying else "no field has"
        raise InputError(f"importance: {held} several values, rule: two fields or more to compare; vary another one")
    if len(used) < LEAST_ROWS:
        raise InputError(
            f"importance: {len(used)} rows have figures, rule: {LEAST_ROWS} or more; run the other trials, or more"
        )
    if len({row[figure] for row in used}) == 1:
        raise InputError(f"importance: every row has the same {figure}, rule: one that differs; choose another column")
    require_optuna()
    of = len(used)
    if of > MOST_ROWS:
        used = [used[place] for place in sorted(random.Random(SEED).sample(range(of), MOST_ROWS))]
    shares = _evaluated(used, varying, figure, logarithmic)
    return Importance(shares | {name: 0.0 for name in fields if name not in varying}, figure, len(used), of)


def _evaluated(
    rows: Sequence[dict[str, Any]], fields: Sequence[str], figure: str, logarithmic: Sequence[str]
) -> dict[str, float]:
    """Return the shares by field, the largest first."""
    from optuna import create_study
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import create_trial

    # Optuna's evaluator passes over a space's own logarithm, so that it is given the values as they are split
    scale: dict[str, Callable[[Any], Any]] = {name: math.log if name in logarithmic else _same for name in fields}
    spaces = {name: _distribution([scale[name](value) for value in values_of(rows, name)]) for name in fields}
    with _quiet():
        study = create_study(direction="maximize" if direction_of(figure) == "max" else "minimize")
        for row in rows:
            params = {name: scale[name](row[name]) for name in fields}
            study.add_trial(create_trial(params=params, distributions=spaces, value=float(row[figure])))
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=SEED))
    return {name: float(share) for name, share in found.items()}


def _same(value: Any) -> Any:
    return value


def _distribution(values: Sequence[Any]) -> BaseDistribution:
    """Return the space of a field: the range of its numbers, or its values."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if all_numbers(values):
        return FloatDistribution(float(min(values)), float(max(values)))
    return CategoricalDistribution(tuple(values))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from telling about a study in memory."""
    from optuna import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(level)
