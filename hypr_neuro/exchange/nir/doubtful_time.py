"""Whether a time step suits a graph's time constants: with one that does not a network runs and says nothing."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hypr_neuro.exchange.nir.flatten import Place
from hypr_neuro.numbers.arrays import Array

# those of readouts may well be longer than any sequence
MEMBRANE = {"LIF": "tau", "CubaLIF": "tau_mem"}
LONG, SHORT = 3.0, 1e-4
"""dt/τ from which on a state is forgotten within a step, and below which it does not leak in ten thousand."""
FINE = 20.0
"""Steps that a shortest time constant is taken for, where a dt is suggested."""
UNIT = 0.1
"""dt below which an integrator with r = 1 is taken for one that counts in steps."""


def doubts_of_time(places: Iterable[Place], dt: float) -> list[str]:
    """Return what is doubtful about `dt`, in seconds, for these neurons; nothing where it suits them."""
    nodes = list(places)
    membranes = [np.asarray(getattr(p.node, MEMBRANE[p.kind]), float).reshape(-1) for p in nodes if p.kind in MEMBRANE]
    return [*_of_membranes(membranes, dt), *_of_integrators([p for p in nodes if p.kind in ("IF", "I")], dt)]


def _of_membranes(constants: list[Array], dt: float) -> list[str]:
    if not constants:
        return []
    shortest, longest = (float(pick([pick(tau) for tau in constants])) for pick in (min, max))
    told = f"time constants of the membranes are {shortest:.3g} to {longest:.3g} s"
    suits = f"dt near {shortest / FINE:.1g} s suits them; pass the dt that the network was trained with"
    if dt > LONG * longest:
        return [f"dt = {dt:g} s, {told}: every state is forgotten within a step; {suits}"]
    if dt < SHORT * shortest:
        return [f"dt = {dt:g} s, {told}: no state leaks within ten thousand steps; {suits}"]
    return []


def _of_integrators(places: list[Place], dt: float) -> list[str]:
    in_steps = [p for p in places if np.all(np.asarray(p.node.r) == 1.0)]
    if not in_steps or dt >= UNIT:
        return []
    return [
        f"{in_steps[0].label} integrates with r = 1, a step of dt = {dt:g} s adds {dt:g} of its input; a graph that "
        "counts in steps wants dt = 1"
    ]
