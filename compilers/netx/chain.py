"""A network of integers as the layers that a netx file holds: each receives from the one before, and from itself.

Several connections with the same ends and delay become one, the sum of their whole weights. Constant currents become
lines of ones (`lines`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from hypr_neuro.compilers.netx.lines import REQUANTIZE, RULE, Constant, Line, is_line, plan
from hypr_neuro.compilers.netx.whole import dense, whole
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.netx.neurons import RF
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.numbers.arrays import Array

MODELS = ("lif", *RF.values())
"""Neurons that netx has."""
LARGEST_MATRIX = 1 << 26
"""Weights of one connection: netx has no sparse matrices, zeros are written out."""


@dataclass(frozen=True)
class Layer:
    """One layer of the file.

    population : its neurons, without those that only carry constant currents. below : lines without the constant ones
    forward : what comes from the layer below, by current. recurrent : what comes from itself
    lines : constant lines from below, each after the ordinary ones. helpers : steps from which those neurons fire in
        every step that carry constant currents for the layer above, each after the ordinary ones
    """

    population: Population
    below: int
    forward: dict[int, tuple[Synapses, ...]]
    recurrent: tuple[Synapses, ...]
    lines: tuple[Line, ...]
    helpers: tuple[int, ...]

    @property
    def size(self) -> int:
        return self.population.size + len(self.helpers)

    @property
    def inputs(self) -> int:
        """Lines from below, constant ones included."""
        return self.below + len(self.lines)

    def groups(self) -> list[tuple[Synapses, ...]]:
        """Its connections by source and current."""
        return [*self.forward.values(), self.recurrent]

    @property
    def names(self) -> str:
        """Its connections, as errors name them."""
        parts = [c for some in self.groups() for c in some]
        return "connection " + " and ".join(dict.fromkeys(c.name for c in parts))

    def matrix(self, current: int) -> Array:
        """Whole weights (size, inputs) from below into a current, int64."""
        found = np.zeros((self.size, self.inputs), np.int64)
        found[: self.population.size, : self.below] = _sum(self.forward[current], self)
        for i, line in enumerate(self.lines):
            found[:, self.below + i] = line.weights.get(current, 0)
        return found

    def loop(self) -> Array:
        """Whole recurrent weights (size, size), int64."""
        n = self.population.size
        found = np.zeros((self.size, self.size), np.int64)
        found[:n, :n] = _sum(self.recurrent, self)
        return found

    def delays(self) -> int | Array:
        """Delays of the weights from below: one number, or (size, inputs)."""
        given = self.forward[0][0].delays
        if isinstance(given, int) and all(line.delay == given for line in self.lines):
            return given
        found = np.zeros((self.size, self.inputs), np.int64)
        found[: self.population.size, : self.below] = given if isinstance(given, int) else dense(given)
        found[:, self.below :] = [line.delay for line in self.lines]
        return found


@dataclass(frozen=True)
class Chain:
    """layers : of the file, in order. readout : the readouts as a network whose input is the last layer's spikes"""

    layers: tuple[Layer, ...]
    readout: IntegerNetwork | None


def chain_of(network: IntegerNetwork, always_on: str, readout: str) -> Chain:
    """The layers of a network; see `write.write_netx` for the options.

    Raises InputError for a network that is no chain of such layers.
    """
    spiking = [p for p in network.populations if not p.model.readout]
    for p in spiking:
        if p.model.name not in MODELS:
            raise InputError(
                f"population '{p.name}': neuron '{p.model.name}', {RULE}: {', '.join(MODELS)}; choose one of these"
            )
    if network.connection_delay != 1:
        raise InputError(
            f"network: connection_delay = {network.connection_delay}, {RULE}: 1 (each layer receives one "
            "step after the one below has sent); quantize for a profile such as loihi2"
        )
    if not spiking:
        raise InputError(f"network: no population sends spikes, {RULE}: at least one layer of spiking neurons")
    outside = _readout(network, spiking[-1], readout)
    connections = [c for c in network.synapses if not network.population(c.target).model.readout]
    _refuse_lines(connections, always_on)
    _refuse_large(connections)
    layers = [_layer(p, spiking[i - 1] if i else None, network.inputs, connections) for i, p in enumerate(spiking)]
    constants = [[_constant(c) for c in connections if c.target == p.name and c.always_on is not None] for p in spiking]
    planned = plan(spiking, constants, [_uniform(layer) for layer in layers], [bool(a.recurrent) for a in layers])
    found = [replace(a, lines=lines, helpers=helpers) for a, (lines, helpers) in zip(layers, planned, strict=True)]
    return Chain(tuple(found), outside)


def _layer(p: Population, before: Population | None, inputs: int, connections: list[Synapses]) -> Layer:
    """The layer of a population above `before` (None: the input), without constant currents."""
    below = INPUT if before is None else before.name
    forward: dict[int, tuple[Synapses, ...]] = {}
    recurrent: tuple[Synapses, ...] = ()
    for c in (c for c in connections if c.target == p.name and not is_line(c)):
        if c.source not in (below, p.name):
            raise InputError(
                f"connection {c.name}: {RULE}: each layer receives from the one before it ('{below}') and "
                "from itself; rearrange the network"
            )
        if c.source == p.name:
            recurrent = _joined(recurrent, c)
        else:
            forward[c.current] = _joined(forward.get(c.current, ()), c)
    missing = [str(k) for k in range(p.model.currents) if k not in forward]
    if missing:
        raise InputError(
            f"population '{p.name}': no weights from '{below}' into current {', '.join(missing)}, "
            f"{RULE}: some for each current"
        )
    size = inputs if before is None else before.size
    return Layer(p, size, dict(sorted(forward.items())), recurrent, (), ())


def _joined(parts: tuple[Synapses, ...], c: Synapses) -> tuple[Synapses, ...]:
    for other in parts[:1]:
        one = isinstance(other.delays, int) and isinstance(c.delays, int)
        if not one or other.delays != c.delays:
            raise InputError(
                f"connection {c.name}: the second one, with delays of its own, {RULE}: one delay for "
                "connections with the same ends; put a layer between"
            )
    return (*parts, c)


def _constant(c: Synapses) -> Constant:
    assert c.always_on is not None
    assert isinstance(c.delays, int)  # a line needs one delay for all, which Synapses has checked
    return Constant(c.name, c.current, c.delays, whole(c, c.always_on.astype(np.int64)[:, None])[:, 0])


def _uniform(layer: Layer) -> int | None:
    """The one delay of the weights from below, None where they have several."""
    given = layer.forward[0][0].delays
    return given if isinstance(given, int) else None


def _sum(parts: tuple[Synapses, ...], layer: Layer) -> Array:
    exponents = {c.exponent for some in layer.groups() for c in some}
    found: Array = np.sum([whole(c, dense(c.weights), exponents) for c in parts], axis=0)
    return found


def _refuse_lines(connections: list[Synapses], always_on: str) -> None:
    if always_on not in ("refuse", "channel"):
        raise InputError(f"always_on = {always_on!r}, rule: 'refuse' or 'channel'")
    for c in connections:
        if c.always_on is not None and always_on == "refuse":
            raise InputError(
                f"connection {c.name}: constant current (always_on), {RULE}: none; {REQUANTIZE} puts it "
                'on the membrane. Where its weights fit, always_on="channel" writes it as it is, over '
                "an input channel that is 1 in every step, or neurons that fire in every "
                "step"
            )


def _refuse_large(connections: list[Synapses]) -> None:
    for c in connections:
        if prod(c.shape) > LARGEST_MATRIX:
            raise InputError(
                f"connection {c.name}: {prod(c.shape)} weights, zeros written out, {RULE}: at most "
                f"{LARGEST_MATRIX}; netx has no sparse connections, targets c and lava keep "
                "them"
            )


def _readout(network: IntegerNetwork, last: Population, option: str) -> IntegerNetwork | None:
    """The network of the readouts; None where there are none."""
    if option not in ("refuse", "outside"):
        raise InputError(f"readout = {option!r}, rule: 'refuse' or 'outside'")
    readouts = [p for p in network.populations if p.model.readout]
    if not readouts:
        return None
    if option == "refuse":
        raise InputError(
            f"population '{readouts[0].name}': neuron '{readouts[0].model.name}' is a readout, {RULE}: "
            'spiking neurons only; readout="outside" writes the layers below it and hands the readout '
            "back as a network of its own"
        )
    from scipy.sparse import csr_array

    names = {p.name for p in readouts}
    kept = []
    for c in (c for c in network.synapses if c.target in names):
        if c.source != last.name and not is_line(c):
            raise InputError(
                f"connection {c.name}: {RULE}: a readout outside the file receives from the last layer, "
                f"'{last.name}', alone"
            )
        weights = c.weights if c.source == last.name else csr_array((c.shape[0], last.size), dtype=np.int64)
        kept.append(replace(c, source=INPUT, weights=weights, message_bits=0))
    return IntegerNetwork(last.size, tuple(readouts), tuple(kept), network.connection_delay, network.state_bits)
