"""Every way through a step function, for many neurons at once.

A comparison of intervals may be open. The function is then run once for either outcome: neurons for which an outcome is
impossible leave that run, the others keep it as something known of the numbers compared, which narrows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array

MOST_PATHS = 4096


class _DeadEnd(Exception):
    """No neuron is left on this way."""


@dataclass
class Need:
    """What a rule of overflow was given: it changes nothing for numbers from `low` to `high`.

    Attributes
    ----------
    name
        Variable that the result was assigned to.
    bits
        Width of the rule.
    low, high
        Ends between which it leaves a number as it is.
    value
        The number that came out.
    least, most : (n,)
        Ends of what came.
    """

    name: str
    bits: int
    low: float
    high: float
    value: Any
    least: Array
    most: Array


@dataclass
class Paths:
    """The way that is being run.

    Attributes
    ----------
    active : (n,)
        Neurons that can take it.
    clipping
        Whether numbers are clipped and wrapped as they are; otherwise they go on as if every width were enough, and
        `needs` holds what widths must hold for that.
    tracking
        Whether values know how they depend on what a step began with.
    outcomes
        Of open comparisons so far.
    calls
        Of rules of overflow, by file and line.
    """

    active: Array
    clipping: bool
    tracking: bool = False
    outcomes: list[bool] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    met: int = 0
    calls: dict[tuple[str, int], int] = field(default_factory=dict)

    def decide(self, possible: Array, impossible: Array) -> bool:
        """Decide a comparison: neurons for which it may hold, and for which it may not."""
        true, false = self.active & possible, self.active & impossible
        some, others = bool(true.any()), bool(false.any())
        if not (some and others):
            if not (some or others):
                raise _DeadEnd
            return some
        if self.met == len(self.outcomes):
            self.outcomes.append(True)
        outcome = self.outcomes[self.met]
        self.met += 1
        self.active = true if outcome else false
        return outcome

    def leave(self, neurons: Array) -> None:
        """Take neurons off this way, on which nothing is left of a number of theirs."""
        self.active = self.active & ~neurons
        if not self.active.any():
            raise _DeadEnd


def every_path(
    n: int, clipping: bool, tracking: bool, run: Callable[[Paths], Any], where: str
) -> Iterator[tuple[Paths, Any]]:
    """Yield (the way, result) of each way through `run` that some of n neurons can take."""
    outcomes: list[bool] = []
    for _ in range(MOST_PATHS):
        paths = Paths(np.ones(n, np.bool_), clipping, tracking, list(outcomes))
        try:
            with np.errstate(invalid="ignore"):  # 0 times infinity, and infinity less itself
                result = run(paths)
            yield paths, result
        except _DeadEnd:
            pass
        outcomes = paths.outcomes[: paths.met]
        while outcomes and not outcomes[-1]:
            outcomes.pop()
        if not outcomes:
            return
        outcomes[-1] = False
    raise InputError(
        f"{where}: more than {MOST_PATHS} ways through its comparisons, rule: at most so many to bound it; "
        "use min, max and fewer branches"
    )
