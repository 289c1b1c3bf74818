"""One input current of a model: its Jacobian with the row of B that belongs to it.

Synapses of every current have the same A, C, C' and F, and each of them has one B. Executors take a model current by
current, so that what they do with one B is written once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.unrolled import LOAD


@cache
def jacobian_of(model: NeuronModel, current: int = 0, *, real: bool = False) -> Callable[..., Any]:
    """Return the model's integer Jacobian, `real` its float one, with the B of one input current; tagged."""
    jacobian = model.float_jacobian if real else model.fixed_jacobian
    if model.currents == 1:
        return jacobian

    def of_floats(s_prev, s, z_prev, I, p, psi):
        A, B, C, C_prev, P, E = jacobian(s_prev, s, z_prev, I, p, psi)
        return A, B[current], C, C_prev, P, E

    def of_integers(s_prev, s, z_prev, I, p, psi):
        A, B, C, C_prev, P, E, F = jacobian(s_prev, s, z_prev, I, p, psi)
        return A, B[current], C, C_prev, P, E, F

    return jitable(of_floats if real else of_integers)


@jitable
def only_current(currents, i):
    """Return the current of neuron i as a step takes it; currents : (n,)."""
    return (currents[i],)


def currents_at(model: NeuronModel) -> Callable[..., Any]:
    """Return the tagged function (currents, i) that gives a neuron's currents; currents : (n,), of several (c, n)."""
    return only_current if model.currents == 1 else LOAD[model.currents]
