"""Combinations that follow from results: Optuna chooses a generation, its results are told, it chooses the next.

A generation is chosen before any of its results is known, and told whole, in the order of its numbers. So what is
chosen depends on the study and on results alone, and not on how many workers there are or which of them is first: a
study that was interrupted is asked the same questions again, and goes on where answers are missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from hypr_neuro.errors import MissingPackageError
from hypr_neuro.studies.spec import Span, Study

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial

SEED = 16
"""Of the samplers."""
DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {"max": "maximize", "min": "minimize"}


def require_optuna() -> None:
    """Raise MissingPackageError where what chooses is not installed."""
    if find_spec("optuna") is None:
        raise MissingPackageError(
            "samplers tpe and nsga2, importance and --storage are Optuna's, which is not installed: pip install optuna"
        )


class Search:
    """Asks Optuna for combinations.

    Parameters
    ----------
    study
        With an adaptive sampler.
    directions
        Of each objective, "max" or "min".

    Raises
    ------
    MissingPackageError
        Without Optuna.
    """

    def __init__(self, study: Study, directions: Sequence[str]) -> None:
        require_optuna()
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            sampler=_sampler(study), directions=[DIRECTIONS[direction] for direction in directions]
        )
        self._spec = study
        self._space = {name: distribution(study, name) for name in study.vary}
        self._asked: list[Trial] = []

    def ask(self, count: int) -> list[dict[str, Any]]:
        """Choose so many combinations."""
        self._asked = [self._study.ask(self._space) for _ in range(count)]
        return [{name: value_of(self._spec, name, trial.params[name]) for name in self._space} for trial in self._asked]

    def tell(self, results: Sequence[Sequence[float] | None]) -> None:
        """Say what the combinations asked for last gave, None where there are no figures."""
        from optuna.trial import TrialState

        for trial, values in zip(self._asked, results, strict=True):
            if values is None:
                self._study.tell(trial, state=TrialState.FAIL)
            else:
                self._study.tell(trial, list(values))
        self._asked = []


def _sampler(study: Study) -> BaseSampler:
    from optuna.samplers import NSGAIISampler, TPESampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # arguments that Optuna calls experimental
        if study.chosen_sampler == "nsga2":
            return NSGAIISampler(seed=SEED, population_size=study.generation)
        return TPESampler(seed=SEED, multivariate=True, constant_liar=True)


def distribution(study: Study, name: str) -> BaseDistribution:
    """Return where the values of a field lie, in Optuna's words; a list of numbers by its places, to keep their order.

    Parameters
    ----------
    study, name
        The study, and the full name of the field.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    given = study.vary[name]
    if not isinstance(given, Span):
        held = list(given)
        return IntDistribution(0, len(held) - 1) if _in_order(held) else CategoricalDistribution(range(len(held)))
    low, high = given.ends
    if not given.whole:
        return FloatDistribution(float(low), float(high), log=given.log)
    values = sorted(given.values() or ())
    return IntDistribution(values[0], values[-1], step=given.step or 1, log=given.log)


def value_of(study: Study, name: str, chosen: Any) -> Any:
    """Return the value that Optuna's choice stands for."""
    given = study.vary[name]
    return chosen if isinstance(given, Span) else _ordered(list(given))[chosen]


def _ordered(values: list[Any]) -> list[Any]:
    return sorted(values) if _in_order(values) else values


def _in_order(values: list[Any]) -> bool:
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
