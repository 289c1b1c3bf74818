"""Inputs that drive a state as far as they can, and what the simulator makes of them.

A state x_T of a neuron hangs on the current k steps before by h_k, the (state, current) entry of A^k B of a step
without spikes. A channel is at its largest number where its weight times h_k is above 0, else at its smallest. A spike
train that holds or alternates finds what the response does not: resets, and what comes over several populations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.bounds.network import NetworkBounds
from hypr_neuro.bounds.reach import Stepper
from hypr_neuro.bounds.values import Value
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.engine import simulate
from hypr_neuro.traces.trace import Trace

STEPS, NEURONS, BATCH = 512, 10, 64
"""Steps of an input, neurons of each state that are driven, inputs that are run at once."""


@dataclass(frozen=True)
class Seen:
    """Ends of what was seen of a number, (n,)."""

    least: Array
    most: Array

    def joined(self, other: Seen | None) -> Seen:
        """Return the ends of both."""
        if other is None:
            return self
        return Seen(np.minimum(self.least, other.least), np.maximum(self.most, other.most))


@dataclass
class Found:
    """What runs of inputs showed.

    Attributes
    ----------
    seen
        By population, then state or current ("current", or "current0", …).
    examples : dict
        By population, then name of an event, the input (T, channel) that made it happen first.
    """

    seen: dict[str, dict[str, Seen]]
    examples: dict[str, dict[str, Array]]


def recorded_names(bounds: NetworkBounds) -> list[str]:
    """Return what a run records so that everything bounded is seen."""
    names = [name for p in bounds.network.populations for name in p.model.state_names]
    for p in bounds.network.populations:
        names += [f"current{k}" for k in range(p.model.currents)] if p.model.currents > 1 else ["current"]
    return list(dict.fromkeys(names))


def run_inputs(bounds: NetworkBounds, x: Array, found: Found, *, examples: bool = True) -> Found:
    """Run inputs (sample, T, channel) and add what they show; events are looked up sample by sample."""
    names = recorded_names(bounds)
    for first in range(0, len(x), BATCH):
        part = x[first : first + BATCH]
        trace = simulate(bounds.network, part, names)
        _see(trace, found)
        if examples:
            _events(bounds, trace, part, found)
    return found


def _see(trace: Trace, found: Found) -> None:
    for population, states in trace.states.items():
        for name, values in states.items():
            flat = values.reshape(-1, values.shape[-1])
            seen = Seen(flat.min(axis=0).astype(np.int64), flat.max(axis=0).astype(np.int64))
            known = found.seen.setdefault(population, {})
            known[name] = seen.joined(known.get(name))


def _events(bounds: NetworkBounds, trace: Trace, x: Array, found: Found) -> None:
    """Keep, of each event that happened and has no example yet, an input that makes it happen alone."""
    missing = [
        (population, event)
        for population, counts in trace.events.items()
        for event, count in counts.items()
        if count and event not in found.examples.get(population, {})
    ]
    if not missing:
        return
    for sample in x:
        alone = simulate(bounds.network, sample[None]).events
        for population, event in list(missing):
            if alone[population][event]:
                found.examples.setdefault(population, {})[event] = sample
                missing.remove((population, event))
        if not missing:
            return


def adversarial(bounds: NetworkBounds, seed: int = 0, steps: int = STEPS, neurons: int = NEURONS) -> Array:
    """Make inputs (sample, T, channel) that drive states and sums of the network to their ends."""
    rng = np.random.default_rng(seed)
    low, high = bounds.inputs
    drives = [drive for p in bounds.network.populations for drive in _of_population(bounds, p.name, steps, neurons)]
    channels = len(low)
    plain = [np.ones((steps, channels)), np.zeros((steps, channels))]
    alternating = (np.arange(steps) % 2)[:, None] * np.ones(channels)
    random = [rng.random((steps, channels)) < share for share in (0.1, 0.5, 0.9)]
    chosen = np.stack([*plain, alternating, *random, *drives]).astype(bool)
    x = np.where(chosen, high, low).astype(np.int64)
    # at rest a channel that takes both signs is 0
    return np.asarray(_unique(x))


def _unique(x: Array) -> Array:
    kept: dict[bytes, int] = {}
    for i, sample in enumerate(x):
        kept.setdefault(sample.tobytes(), i)
    return x[sorted(kept.values())]


def _of_population(bounds: NetworkBounds, name: str, steps: int, neurons: int) -> list[Array]:
    """Return the choices (T, channel) that drive the states of a population: where a channel is at its largest."""
    p = bounds.network.population(name)
    weights = _input_weights(bounds, name)
    if not weights.any():
        return []
    rows = _largest(bounds, name, weights, neurons)
    A, B = response(bounds, name)
    result = []
    for i in rows:
        for state in range(p.model.d):
            h = _impulse(A[..., i], B[..., i], state, steps)
            # of the current k steps before the last
            sign = np.einsum("kc,cj->kj", h, weights[:, i, :])[::-1]
            result += [sign > 0, sign < 0]
            half = steps // 2
            flipped = np.concatenate([sign[half:] < 0, sign[half:] > 0])
            result += [flipped[:steps], ~flipped[:steps]]
    return result


def _largest(bounds: NetworkBounds, name: str, weights: Array, neurons: int) -> list[int]:
    """Return the neurons of which the bounds are nearest to, or farthest beyond, their widths."""
    b = bounds.populations[name]
    size = np.abs(weights).sum(axis=(0, 2)).astype(float)
    for register in b.registers:
        most = np.maximum(np.abs(register.least), np.abs(register.most)) / max(abs(register.high), 1.0)
        size = np.maximum(size / max(size.max(), 1.0), np.where(np.isfinite(most), most, 1e9))
    return [int(i) for i in np.argsort(-size)[:neurons]]


def _input_weights(bounds: NetworkBounds, name: str) -> Array:
    """Return how the input moves each current, (currents, n, channels); over one population between, by its own."""
    network = bounds.network
    p = network.population(name)
    total = np.zeros((p.model.currents, p.size, network.inputs))
    for c in network.synapses:
        if c.target != name:
            continue
        matrix: Any = c.written_out().weights
        dense = np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray(), float) * 2.0**c.exponent
        if c.source == INPUT:
            total[c.current] += dense
        elif network.forward(c) and c.source != name:
            total[c.current] += 1e-6 * np.sign(dense @ _input_weights(bounds, c.source).sum(axis=0))
    return total


def response(bounds: NetworkBounds, name: str) -> tuple[Array, Array]:
    """Return A (d, d, n) and B (d, currents, n) of a step without spikes that forgets least, by their larger ends."""
    b = bounds.populations[name]
    stepper = Stepper(b.population, b.currents)
    d, currents, n = b.population.model.d, b.population.model.currents, b.population.size
    A, B, done = np.zeros((d, d, n)), np.zeros((d, currents, n)), np.zeros(n, np.bool_)
    for taken in stepper.taken(b.boxes, False, True):
        new = taken.active & ~done & (taken.start.low == 0)
        for i, x in enumerate(taken.states):
            terms = x.terms if isinstance(x, Value) else {}
            for key, (lo, hi) in terms.items():
                into = A[i, int(key[1:])] if key[0] == "s" else B[i, int(key[1:])]
                into[new] = np.where(np.abs(hi) >= np.abs(lo), hi, lo)[new]
        done |= new
    return A, B


def _impulse(A: Array, B: Array, state: int, steps: int) -> Array:
    """Return h (steps, currents): what a unit of current k steps before the last moves the state."""
    h, moved = np.zeros((steps, B.shape[1])), B.copy()
    for k in range(steps):
        h[k] = moved[state]
        moved = A @ moved
        size = np.abs(moved).max()
        if size > 1e100:
            moved = moved / size
    return h


def search(bounds: NetworkBounds, given: Sequence[Array] = (), seed: int = 0, steps: int = STEPS) -> Found:
    """Run adversarial inputs, and those that are given, each (sample, T, channel)."""
    found = Found({}, {})
    for x in (adversarial(bounds, seed, steps), *given):
        run_inputs(bounds, x, found)
    return found
