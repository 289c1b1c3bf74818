"""Which entries of a model's integer Jacobian can differ from 0, found by running it on symbols.

An entry that comes out as the literal 0 on every way through the function is no product to compute and no number to
keep. A comparison of symbols is open: the function is run once for every way through it, its branches followed in turn.
A loop whose end is a comparison has no last way; those of more than `LONGEST` comparisons are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.twins import twin

WAYS = 1 << 14
"""Runs of a Jacobian at most: fourteen branches that do not exclude each other."""
LONGEST = 300
"""Comparisons of a run at most."""
KEEPS_ZERO = frozenset(
    ("shr_floor", "shr_zero", "scale_zero", "shr_nearest", "shr", "shift", "shift_nearest", "sat", "wrap", "quotient")
)
"""Functions of `fixed_point` that give 0 for a first argument of 0."""
OPERATIONS = (
    "+, -, *, //, <<, >>, &, |, ^ and comparisons of integers, functions of fixed_point, their arguments by place, "
    "tagged functions that do not call themselves, abs, min and max of two"
)
"""What integer functions may use."""


@dataclass(frozen=True)
class Structure:
    """True where an entry can differ from 0: A row by row, B, C, C' (`C_prev`) and F, in the model's order.

    B is that of one input current.
    """

    A: tuple[tuple[bool, ...], ...]
    B: tuple[bool, ...]
    C: tuple[bool, ...]
    C_prev: tuple[bool, ...]
    F: tuple[bool, ...]


class _EndlessError(Exception):
    """A run of more than `LONGEST` comparisons."""


class _Branches:
    """Outcomes of open comparisons: those of this run so far, from the second run on begun as `next_way` says."""

    def __init__(self) -> None:
        self.outcomes: list[bool] = []
        self.met = 0

    def taken(self) -> bool:
        """Decide the next comparison, one that no run met before as true."""
        if self.met == len(self.outcomes):
            if self.met == LONGEST:
                raise _EndlessError
            self.outcomes.append(True)
        self.met += 1
        return self.outcomes[self.met - 1]

    def next_way(self) -> bool:
        """Turn the last comparison that was true and forget those after it; False where every way was run."""
        self.met = 0
        while self.outcomes and not self.outcomes[-1]:
            self.outcomes.pop()
        if not self.outcomes:
            return False
        self.outcomes[-1] = False
        return True


class _Symbol:
    """Any number: what is computed from it is a symbol again, but for what is 0 whatever it is."""

    def __init__(self, branches: _Branches) -> None:
        self.branches = branches

    def __bool__(self) -> bool:
        return self.branches.taken()

    def __index__(self) -> int:
        """Give the rounds of a loop over a number that is not known."""
        return 2 * self.branches.taken()

    def _symbol(self, *_: Any) -> _Symbol:
        return self

    def _product(self, other: Any) -> Any:
        return 0 if isinstance(other, int) and other == 0 else self

    __mul__ = __rmul__ = __and__ = __rand__ = __rlshift__ = __rrshift__ = __rfloordiv__ = _product
    __add__ = __radd__ = __sub__ = __rsub__ = __neg__ = __abs__ = __lshift__ = __rshift__ = __floordiv__ = _symbol
    __or__ = __ror__ = __xor__ = __rxor__ = __lt__ = __le__ = __gt__ = __ge__ = _symbol
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        """Give a symbol: what it stands for is not known to be equal."""
        return self

    def __ne__(self, other: object) -> Any:
        """Give a symbol, likewise."""
        return self


def _symbolic(choose: Callable[..., Any]) -> Callable[..., Any]:
    """Make `min` or `max`, which give one of their arguments, a symbol where one is: it stands for any number."""

    def on_symbols(*arguments: Any) -> Any:
        symbol = next((a for a in arguments if isinstance(a, _Symbol)), None)
        return choose(*arguments) if symbol is None else symbol

    return on_symbols


def _rule(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of `fixed_point` give a symbol for symbols; for plain numbers it is what it is."""

    def on_symbols(*arguments: Any) -> Any:
        symbol = next((a for a in arguments if isinstance(a, _Symbol)), None)
        if symbol is None:
            return function(*arguments)
        first = arguments[0]
        return 0 if function.__name__ in KEEPS_ZERO and not isinstance(first, _Symbol) and first == 0 else symbol

    return on_symbols


def _runs(model: NeuronModel) -> Iterator[tuple[Any, ...]]:
    """Yield what `fixed_jacobian` gives on symbols, with any number of spikes before, none and one; in every branch."""
    jacobian = twin(model.fixed_jacobian, _rule, {"min": _symbolic(min), "max": _symbolic(max)})
    for z in (None, 0, 1):
        branches, ways = _Branches(), 0
        x = _Symbol(branches)
        state, p = (x,) * model.d, (x,) * model.learning_count
        while ways == 0 or branches.next_way():
            ways += 1
            if ways > WAYS:
                raise InputError(
                    f"neuron '{model.name}': fixed_jacobian has more than {WAYS} ways through its comparisons, rule: "
                    "at most so many, each is run; put min, max, products with comparisons or fewer branches instead"
                )
            with suppress(ZeroDivisionError, _EndlessError):  # no numbers take these branches; a loop that has no end
                yield jacobian(state, state, x if z is None else z, (x,) * model.currents, p, x)


def _pattern(model: NeuronModel) -> dict[str, Any]:
    """Join the runs: for A, B, C, C_prev and F where an entry is not the literal 0 in one of them."""
    pattern: dict[str, Any] = {}
    for A, B, C, C_prev, _, _, F in _runs(model):
        for key, entries in (("A", A), ("B", B), ("C", C), ("C_prev", C_prev), ("F", F)):
            pattern[key] = pattern.get(key, False) | _nonzero(entries)
    return pattern


@cache
def structure(model: NeuronModel, current: int = 0) -> Structure:
    """Run the model's integer Jacobian on symbols, for one input current; InputError for a model without one."""
    model.require_learning("structure")
    try:
        pattern = _pattern(model)
    except InputError:
        raise
    except (TypeError, ValueError, IndexError, RecursionError) as error:
        raise InputError(
            f"neuron '{model.name}': fixed_jacobian does not run on symbols ({error}), rule: {OPERATIONS}, and the "
            "seven results A, B, C, C', P, E, F with an entry for each state; write it with these"
        ) from error
    if not pattern:
        raise InputError(
            f"neuron '{model.name}': fixed_jacobian divides by 0 whatever its comparisons say, rule: divisors above 0; "
            "keep them there by max(…, 1)"
        )
    a = tuple(tuple(bool(v) for v in row) for row in pattern.pop("A"))
    if model.currents > 1:
        pattern["B"] = pattern["B"][current]
    return Structure(a, **{key: tuple(bool(v) for v in value) for key, value in pattern.items()})


def _nonzero(entries: tuple[Any, ...]) -> Any:
    """Tell where an entry, or one of a row of entries, is a symbol or a number but 0."""
    return np.array(
        [
            [isinstance(e, _Symbol) or bool(e) for e in row]
            if isinstance(row, tuple)
            else isinstance(row, _Symbol) or bool(row)
            for row in entries
        ]
    )


def spike_rows(model: NeuronModel) -> tuple[bool, ...]:
    """Tell for each state whether a spike changes it in the spike's own step."""
    return structure(model).F
