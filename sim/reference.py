"""The definition of the integer semantics: Python's integers, neuron by neuron, step by step.

They never wrap, so a forgotten overflow rule shows as a state outside its declared width, which is checked after every
step. Inside a neuron's step they are words (`numbers.words`), which refuse what compiled code would do differently:
leave 64 bits, shift by a count outside of 0 to 63, divide by what is not positive. Slow on purpose; the fast engine and
every compiled target must equal it, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.errors import WidthError
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses, as_integer
from hypr_neuro.neurons.contract import check_spike
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import shift
from hypr_neuro.numbers.message import message_of
from hypr_neuro.numbers.words import Word, check_width


class ReferencePopulation:
    """One population for one sample: `states` a tuple of ints a neuron, `outputs` an int a neuron, `events` counts."""

    def __init__(self, population: Population, state_bits: int) -> None:
        self.name, self.model, self.size = population.name, population.model, population.size
        constants = tuple(Word(c) for c in population.constants)
        self.params = [tuple(Word(v) for v in column) + constants for column in population.per_neuron.T]
        self.states: list[tuple[int, ...]] = [(0,) * self.model.d] * self.size
        self.outputs = [0] * self.size
        self.events = [0] * len(self.model.events)
        self.state_bits = state_bits

    def step(self, currents: list[tuple[int, ...]]) -> None:
        """Step every neuron: from its currents, one for each input, to its states and output."""
        for i, current in enumerate(currents):
            before, arriving = tuple(map(Word, self.states[i])), tuple(map(Word, current))
            try:
                state, z, events = self.model.fixed_step(before, self.outputs[i], arriving, self.params[i])
            except WidthError as error:
                raise WidthError(f"{self.name}, neuron {i}, {error}") from None
            self.states[i] = tuple(map(int, state))
            self.outputs[i] = check_spike(f"{self.name}, neuron {i}", self.model, z)
            for bit in range(len(self.events)):
                self.events[bit] += (events >> bit) & 1
            self._check_width(i)

    def _check_width(self, neuron: int) -> None:
        # Lava's own wrap may leave 24 bits; that variable still fits Lava's int32
        for variable, value in zip(self.model.states, self.states[neuron], strict=True):
            bits = 32 if variable.overflow == "wrap" else self.state_bits
            check_width(value, bits, f"{self.name}, neuron {neuron}: {variable.name} ({variable.overflow})")


class ReferenceSynapses:
    """One connection: for each delay its lag and, for each target neuron that it reaches, [(pre, mantissa), …]."""

    def __init__(self, connection: Synapses, network: IntegerNetwork) -> None:
        self.exponent, self.half = connection.exponent, connection.half
        self.source, self.target, self.current = connection.source, connection.target, connection.current
        self.message = connection.message
        self.bias = [0] * connection.shape[0] if connection.always_on is None else connection.always_on.tolist()
        self.groups = [
            (network.lag(connection, delay), self._rows(weights)) for delay, weights in connection.by_delay()
        ]

    def _rows(self, weights: Any) -> list[tuple[int, list[tuple[int, int]]]]:
        dense = weights if isinstance(weights, np.ndarray) else weights.toarray()
        rows = [(i, [(j, int(m)) for j, m in enumerate(row) if m]) for i, row in enumerate(dense)]
        return [(i, row) for i, row in rows if row or self.bias[i]]

    def add_to(self, total: list[int], sent: list[list[int]], step: int) -> None:
        """Add what arrives in `step`; sent[t] is what the source sent in step t. One shift a delay, as in Lava."""
        for lag, rows in self.groups:
            if step >= lag:
                pre = sent[step - lag]
                if self.message is not None:
                    pre = [int(message_of(Word(z), *self.message)) for z in pre]
                for i, row in rows:
                    total[i] += shift(sum(m * pre[j] for j, m in row) + self.bias[i] + self.half, self.exponent)


def simulate_reference(network: Any, x: Array, tail: int | None = None) -> list[dict[str, Array]]:
    """Run x (sample, T, channel) from zero states.

    Parameters
    ----------
    network
        An IntegerNetwork or what has its form (`QuantizedNetwork`).
    x : (sample, T, channel)
        Integers.
    tail
        Steps without input at the end; by default those after which the last layer of a quantized network has seen the
        whole sample.

    Returns
    -------
    list
        For each population "spikes" (steps, sample, n), "states" (steps, d, sample, n), "events" (sample, bits).
    """
    qnet, tail = as_integer(network, tail)
    steps = x.shape[1] + tail
    result: list[dict[str, Array]] = [
        {
            "spikes": np.zeros((steps, len(x), p.size), np.int64),
            "states": np.zeros((steps, p.model.d, len(x), p.size), np.int64),
            "events": np.zeros((len(x), len(p.model.events)), np.int64),
        }
        for p in qnet.populations
    ]
    for b, sample in enumerate(x):
        _run_sample(qnet, [[int(v) for v in row] for row in sample], tail, result, b)
    return result


def _run_sample(
    qnet: IntegerNetwork, sample: list[list[int]], tail: int, result: list[dict[str, Array]], b: int
) -> None:
    populations = [ReferencePopulation(p, qnet.state_bits) for p in qnet.populations]
    synapses = [ReferenceSynapses(c, qnet) for c in qnet.synapses]
    sent: dict[str, list[list[int]]] = {INPUT: sample + [[0] * qnet.inputs] * tail} | {p.name: [] for p in populations}
    for step in range(len(sample) + tail):
        for p, out in zip(populations, result, strict=True):
            totals = [[0] * p.size for _ in range(p.model.currents)]
            for s in synapses:
                if s.target == p.name:
                    s.add_to(totals[s.current], sent[s.source], step)
            p.step(list(zip(*totals, strict=True)))
            sent[p.name].append(list(p.outputs))
            out["spikes"][step, b], out["states"][step, :, b] = p.outputs, np.array(p.states).T
    for p, out in zip(populations, result, strict=True):
        out["events"][b] = p.events
