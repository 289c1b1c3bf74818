"""Which entries of a model's integer Jacobian can differ from 0, found by running it on symbols.

An entry that comes out as the literal 0 in every branch is no product to compute and no number to keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from hypr_neuro.neurons.base import NeuronModel


@dataclass(frozen=True)
class Structure:
    """True where an entry can differ from 0: A row by row, B, C, C' and F, d entries each, in the model's order."""

    A: tuple[tuple[bool, ...], ...]
    B: tuple[bool, ...]
    C: tuple[bool, ...]
    late: tuple[bool, ...]
    F: tuple[bool, ...]


class _Symbol:
    """Any number: what is computed from it is a symbol again, and a comparison takes the branch `taken`."""

    taken = True

    def __bool__(self) -> bool:
        return _Symbol.taken

    def _symbol(self, *_: Any) -> _Symbol:
        return self

    def __mul__(self, other: Any) -> Any:
        return 0 if isinstance(other, int) and other == 0 else self

    def __add__(self, other: Any) -> Any:
        return self

    __rmul__ = __mul__
    __radd__ = __sub__ = __rsub__ = __neg__ = __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = _symbol
    __and__ = __rand__ = __xor__ = __rxor__ = __lt__ = __le__ = __gt__ = __ge__ = _symbol
    __eq__ = __ne__ = _symbol  # type: ignore[assignment]  # object's give bool; a symbol is not known to be equal
    __hash__ = object.__hash__


@cache
def structure(model: NeuronModel) -> Structure:
    """Of a model that has `fixed_jacobian`."""
    model.require_learning("structure")
    x = _Symbol()
    state, p = (x,) * model.d, (x,) * (len(model.fixed_per_neuron) + len(model.fixed_constants))
    found: dict[str, Any] = {}
    for taken, z in product((True, False), (x, 0, 1)):
        _Symbol.taken = taken
        A, B, C, late, _, _, F = model.fixed_jacobian(state, state, z, (x,) * model.currents, p, x)
        for key, entries in (("A", A), ("B", B), ("C", C), ("late", late), ("F", F)):
            there = np.array(
                [
                    [e is x or bool(e) for e in row] if isinstance(row, tuple) else row is x or bool(row)
                    for row in entries
                ]
            )
            found[key] = found.get(key, False) | there
    a = tuple(tuple(bool(v) for v in row) for row in found.pop("A"))
    return Structure(a, **{key: tuple(bool(v) for v in value) for key, value in found.items()})


def spike_rows(model: NeuronModel) -> tuple[bool, ...]:
    """For each state whether a spike changes it in the spike's own step."""
    return structure(model).F
