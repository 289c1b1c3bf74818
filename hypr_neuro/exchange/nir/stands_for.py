"""The float network that integers stand for, as other programs run it.

    weight = mantissa · 2^exponent / current_scale          parameters: `model.learned.read` and `params`

Time. On a chip populations run behind the input (`graph.clock`). Here each runs in its own time, which is that of the
float network: a connection has the delay with which it arrives there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.graph.synapses import LARGEST_DELAY
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.float_params import float_params
from hypr_neuro.quantizing.network import OUTPUT_DECAY, QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection, QuantizedPopulation


@dataclass(frozen=True)
class StandsFor:
    """The float network of a quantized one.

    Attributes
    ----------
    network
        The float network.
    parts
        For each connection of the quantized network the places of its own in `network`: one for each delay that its
        weights have, none for a bias axon of its own.
    late
        One line for each connection whose time no delay says.
    """

    network: Network
    parts: tuple[tuple[int, ...], ...]
    late: tuple[str, ...]


def float_network(qnet: QuantizedNetwork) -> Network:
    """Return the float network that the integers stand for: weights, biases and neuron parameters.

    Raises
    ------
    InputError
        For a neuron without float form and for mantissas wider than the profile's; the error names population or
        connection.
    """
    return stands_for(qnet).network


def stands_for(qnet: QuantizedNetwork) -> StandsFor:
    """Return the same with what became of each connection."""
    made, shapes = _Connections(qnet), _shapes(qnet)
    for name, c in zip(qnet.connection_names(), qnet.connections, strict=True):
        made.add(name, c)
    populations = [_population(p, made.biases[p.name], shapes.get(p.name, (p.size,))) for p in qnet.populations]
    notes = {} if qnet.output_decay == OUTPUT_DECAY else {"output decay": qnet.output_decay}
    shape = shapes.get(INPUT, (qnet.inputs,))
    network = Network(
        qnet.inputs, tuple(populations), tuple(made.connections), qnet.dt, qnet.outputs, shape, notes, qnet.encoder
    )
    return StandsFor(network, tuple(made.parts), tuple(made.late))


@dataclass
class _Connections:
    """What the connections so far stand for."""

    qnet: QuantizedNetwork
    connections: list[FloatSynapses] = field(default_factory=list)
    parts: list[tuple[int, ...]] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.biases: dict[str, dict[int, Array]] = {p.name: {} for p in self.qnet.populations}

    def add(self, name: str, c: QuantizedConnection) -> None:
        """Add a connection: the bias axon as a constant current, the weights of each delay apart."""
        step, top = self.qnet.weight_step(c), self.qnet.weight_top(c)
        mantissas = c.entries()
        if np.any(np.abs(mantissas) > top):
            raise InputError(
                f"{name}: mantissas {mantissas.min()}..{mantissas.max()}, rule: ±{top}, the profile's "
                "precision.weight_bits"
            )
        synapses, first = c.synapses(self.qnet.size(c.source)), len(self.connections)
        if synapses.always_on is not None:
            start = max(0, self.own_time(c, c.largest_delay))
            currents, n = self.qnet.population(c.target).model.currents, len(synapses.always_on)
            rows = self.biases[c.target].setdefault(start, np.zeros(n if currents == 1 else (currents, n)))
            rows.reshape(currents, n)[c.current] += synapses.always_on * step
        if not c.bias_alone:
            for delay, weights in synapses.by_delay():
                self.connections.append(self._part(name, c, delay, weights, step))
        self.parts.append(tuple(range(first, len(self.connections))))

    def own_time(self, c: QuantizedConnection, delay: int) -> int:
        """Return the steps from sending to arriving, each end in its own time; below 0 where it arrives before."""
        clock = self.qnet.clock
        return clock.lag(c.source, c.target, delay) - clock.shift(c.source, c.target)

    def _part(self, name: str, c: QuantizedConnection, delay: int, weights: Any, step: float) -> FloatSynapses:
        # in float a connection that leads back takes a step
        steps = self.own_time(c, delay) - (not self.qnet.clock.forward(c.source, c.target))
        possible = min(max(steps, 0), LARGEST_DELAY)
        if possible != steps:
            at_most = f"a connection takes at most {LARGEST_DELAY} steps"
            why = "where its target runs further behind the input" if steps < 0 else at_most
            sooner = "later" if steps < 0 else "earlier"
            self.late.append(f"{name}: arrives {abs(possible - steps)} step(s) {sooner} than on the chip, {why}")
        real: Any = weights.with_data(weights.data * step) if isinstance(weights, Convolution) else weights * step
        return FloatSynapses(c.source, c.target, real, possible, c.current, c.trainable)


def _shapes(qnet: QuantizedNetwork) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what convolutions connect, by name."""
    shapes: dict[str, tuple[int, ...]] = {}
    for c in qnet.connections:
        weights: Any = c.mantissa
        if isinstance(weights, Convolution) and weights.channels_first:
            shapes.setdefault(c.source, (weights.channels, *weights.image))
            shapes.setdefault(c.target, (int(weights.kernel.shape[0]), *weights.outputs))
    return shapes


def _population(p: QuantizedPopulation, biases: dict[int, Array], shape: tuple[int, ...]) -> FloatPopulation:
    """Return the float neurons of integers."""
    p.model.require_float(f"population '{p.name}'")
    return FloatPopulation(p.name, get_model(p.model.neuron), float_params(p), biases, shape, p.trainable)
