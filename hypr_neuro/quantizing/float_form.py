"""The float network that integers stand for, connection by connection, and where each weight of the chip is in it.

Time is that of the chip: a population's own step is the device step minus its latency, and a connection takes as many
of them as it does there. Connections that lead back over several populations arrive later than in the network that was
quantized, since their source runs behind their target (`QuantizedNetwork.notes` says so).

An output that spikes learns from a trace of its spikes (`output_traces`). In real numbers that is the readout `li`,
u ← κ u + (1 - κ) I, over weights 1 / (1 - κ).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons.li import time_constant
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.float_params import float_params
from hypr_neuro.quantizing.learned_values import read_values
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.output_traces import trace_name
from hypr_neuro.quantizing.parts import QuantizedConnection, QuantizedPopulation
from hypr_neuro.quantizing.psi import at_state_scale
from hypr_neuro.quantizing.same import check_same


@dataclass(frozen=True)
class WeightPart:
    """Weights of a connection of the chip that are one connection in float: those of one delay.

    Attributes
    ----------
    connection
        Place of the float connection.
    numbers
        For each of its stored weights, in their shape, the number of the chip's among those of its connection.
    """

    connection: int
    numbers: Array


@dataclass(frozen=True)
class BiasPart:
    """Weights of a bias axon that act from the same step on.

    Attributes
    ----------
    population
        Place of the target.
    first
        Its own step from which they act.
    neurons, numbers : (weights,)
        Whom they reach, and which weights of the connection they are.
    current
        Number of the target's input current.
    """

    population: int
    first: int
    neurons: Array
    numbers: Array
    current: int = 0


class FloatForm:
    """A float network of a quantized network's populations and connections.

    Parameters
    ----------
    net
        The network that was quantized: models, and parameters where learning has not changed their integers.
    qnet
        The integers, with or without traces behind outputs that spike.
    rounded
        Whether every parameter is the one that its integers stand for, as every weight is.

    Attributes
    ----------
    net : Network
        Its own arrays; a bias is the sum over the bias axons of its population.
    seen : Network
        The same without the traces, sharing all arrays: what is scored, as the integers are.
    steps : dict of float
        Real size of one mantissa unit, by connection of the chip.
    early : tuple of str
        Connections over which something arrives earlier than a float network of this order of populations can have it;
        in `net` they take no time.

    Raises
    ------
    InputError
        If the two do not have the same populations.
    """

    def __init__(self, net: Network, qnet: QuantizedNetwork, *, rounded: bool = False) -> None:
        check_same(net, qnet)
        self.qnet, self.names = qnet, qnet.connection_names()
        self.steps: dict[str, float] = {}
        self.weight_parts: dict[str, tuple[WeightPart, ...]] = {}
        self.bias_parts: dict[str, tuple[BiasPart, ...]] = {}
        self._place = {p.name: i for i, p in enumerate(qnet.populations)}
        self._connections: list[FloatSynapses] = []
        early = []
        own = len(net.populations)
        pairs = list(zip(net.populations, qnet.populations, strict=False))
        populations = [_rounded(p, q) if rounded else _population(p, q, qnet) for p, q in pairs]
        populations += [_trace(q) for q in qnet.populations[own:]]
        for name, c in zip(self.names, qnet.connections, strict=True):
            target = self._place[c.target]
            gain = 1.0 if target < own else -1.0 / float(np.expm1(-1.0 / populations[target].params["tau"][0]))
            self.steps[name] = qnet.weight_step(c) * gain
            if self._add(name, c):
                early.append(name)
        for i in range(len(populations)):
            firsts = sorted({b.first for parts in self.bias_parts.values() for b in parts if b.population == i})
            populations[i].biases = {first: np.zeros(populations[i].current_shape) for first in firsts}
        self.early = tuple(early)
        self.net = Network(
            net.inputs,
            tuple(populations),
            tuple(self._connections),
            net.dt,
            qnet.outputs,
            net.input_shape,
            dict(net.notes),
            net.encoder,
        )
        self.seen = self._without_traces(own)
        self._arrays = self._array_names()
        self.write({n: c.entries() * self.steps[n] for n, c in zip(self.names, qnet.connections, strict=True)})

    # --- weights by connection of the chip

    def weights(self) -> dict[str, Array]:
        """Return copies of the weights by connection of the chip, in the shape of its mantissas' entries."""
        result = {}
        for name, c in zip(self.names, self.qnet.connections, strict=True):
            values = np.zeros(c.entries().size)
            for part in self.weight_parts[name]:
                values[part.numbers] = self.net.connections[part.connection].stored()
            for bias in self.bias_parts[name]:
                values[bias.numbers] = self._axons[name, bias.first]
            result[name] = values.reshape(c.entries().shape)
        return result

    def write(self, weights: dict[str, Array]) -> None:
        """Give the network these weights, by connection of the chip as `weights` returns them."""
        for p in self.net.populations:
            for current in p.biases.values():
                current[...] = 0.0
        self._axons: dict[tuple[str, int], Array] = {}
        for name in self.names:
            values = weights[name].reshape(-1)
            for part in self.weight_parts[name]:
                self.net.connections[part.connection].stored()[...] = values[part.numbers]
            for bias in self.bias_parts[name]:
                axon = self._axons[name, bias.first] = values[bias.numbers].astype(np.float64)
                self.net.populations[bias.population].bias_of(bias.first, bias.current)[bias.neurons] += axon

    def by_connection(self, arrays: dict[str, Array]) -> dict[str, Array]:
        """Turn gradients by the names of `net.arrays` into those by connection of the chip, and by neuron parameter.

        A parameter keeps its name, such as "layers.0.omega"; of a connection come the entries as in `weights`.
        """
        result: dict[str, Array] = {}
        for name, c in zip(self.names, self.qnet.connections, strict=True):
            values = np.zeros(c.entries().size)
            for part in self.weight_parts[name]:
                values[part.numbers] = arrays[self._arrays[part.connection]]
            for bias in self.bias_parts[name]:
                population = self.net.populations[bias.population]
                gradient = arrays[population.bias_name(bias.first)].reshape(-1, population.size)
                values[bias.numbers] = gradient[bias.current][bias.neurons]
            result[name] = values.reshape(c.entries().shape)
        for p in self.net.populations:
            result |= {f"{p.name}.{key}": arrays[f"{p.name}.{key}"] for key in p.trainable}
        return result

    # --- how it is made

    def _add(self, name: str, c: QuantizedConnection) -> bool:
        """Add the float connections and biases of one of the chip's; return whether any of them comes too early."""
        clock, target = self.qnet.clock, self._place[c.target]
        # steps beyond those that a float connection of no delay takes
        extra = clock.lag(c.source, c.target) - clock.shift(c.source, c.target)
        extra -= 0 if clock.forward(c.source, c.target) else 1
        weights, biases, early = [], [], False
        for delay, matrix in _numbered(c, self.qnet.size(c.source)):
            early = early or delay + extra < 0
            connection = FloatSynapses(c.source, c.target, matrix, max(delay + extra, 0), c.current)
            numbers = np.rint(connection.stored()).astype(np.int64) - 1
            weights.append(WeightPart(len(self._connections), numbers))
            self._connections.append(connection)
        for delay, neurons, numbers in _bias_by_delay(c):
            biases.append(BiasPart(target, max(delay + extra, 0), neurons, numbers, c.current))
        self.weight_parts[name], self.bias_parts[name] = tuple(weights), tuple(biases)
        return early

    def _without_traces(self, own: int) -> Network:
        """Return the first `own` populations and what leads to them; they share all arrays."""
        net = self.net
        if len(net.populations) == own:
            return net
        names = [p.name for p in net.populations[:own]]
        traced = {trace_name(name): name for name in names}
        connections = tuple(c for c in net.connections if c.target in names)
        outputs = tuple(traced.get(name, name) for name in net.outputs)
        return replace(net, populations=net.populations[:own], connections=connections, outputs=outputs)

    def _array_names(self) -> list[str]:
        """Name the array of each float connection as `net.arrays` does."""
        if not self.net.is_chain:
            return self.net.connection_names()
        return [f"{c.target}.{'recurrent' if c.source == c.target else 'weight'}" for c in self.net.connections]


def _population(p: FloatPopulation, q: QuantizedPopulation, qnet: QuantizedNetwork) -> FloatPopulation:
    """Return a copy with the parameters that changed integers stand for, without constant currents."""
    result = replace(p, name=q.name, biases={})
    if p.model.learned is not None:
        per_neuron = dict(zip(p.model.fixed_per_neuron, q.per_neuron, strict=True))
        constants = q.named_constants()
        start = at_state_scale(q.model, p.params, q.state_scale, qnet.profile.of(q.name)).per_neuron
        read_values(result, constants, start, per_neuron)
    return result


def _rounded(p: FloatPopulation, q: QuantizedPopulation) -> FloatPopulation:
    """Return a copy with the parameters that all integers stand for, without constant currents."""
    return replace(p, name=q.name, params=float_params(q, p.params), biases={})


def _trace(q: QuantizedPopulation) -> FloatPopulation:
    """Return the readout that is the trace of an output's spikes, with a gain of 1 - κ instead of 1."""
    kappa = q.per_neuron[q.model.fixed_per_neuron.index("kappa")] / 2.0 ** q.constant("k")
    tau = np.full(q.size, time_constant(kappa[:1])[0])
    return FloatPopulation(q.name, q.model, {"tau": tau}, trainable=())


def _numbered(c: QuantizedConnection, source_size: int) -> Iterator[tuple[int, Any]]:
    """Yield each delay and the matrix (post, pre) of its weights' numbers, from 1 on, in their order in `entries`."""
    if isinstance(c.delays, int) and not (c.bias_axon and c.columns == 1):
        if isinstance(c.mantissa, Convolution):
            yield c.delays, c.mantissa.with_data(np.arange(1.0, c.entries().size + 1))
            return
        if c.dense:
            yield c.delays, np.arange(1.0, c.entries().size + 1).reshape(c.mantissa.shape)[:, :source_size]
            return
    from scipy.sparse import csr_array

    post, pre, delays = _listed(c)
    inside = pre < c.columns - int(c.bias_axon)
    for delay in np.unique(delays[inside]):
        numbers = np.flatnonzero(inside & (delays == delay))
        shape = (int(c.mantissa.shape[0]), source_size)
        yield int(delay), csr_array((numbers + 1.0, (post[numbers], pre[numbers])), shape=shape)


def _bias_by_delay(c: QuantizedConnection) -> Iterator[tuple[int, Array, Array]]:
    """Yield each delay of the bias axon with the neurons and the numbers of its weights in `entries`."""
    if not c.bias_axon:
        return
    post, pre, delays = _listed(c)
    for delay in np.unique(delays[pre == c.columns - 1]):
        numbers = np.flatnonzero((pre == c.columns - 1) & (delays == delay))
        yield int(delay), post[numbers], numbers


def _listed(c: QuantizedConnection) -> tuple[Array, Array, Array]:
    """Return target, column and delay of each weight, in their order in `entries`."""
    matrix: Any = c.mantissa
    if c.dense:
        post, pre = (part.reshape(-1) for part in np.indices(matrix.shape))
    else:
        post = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        pre = np.asarray(matrix.indices)
    delays: Any = c.delays
    if not isinstance(delays, int):
        delays = delays.reshape(-1) if isinstance(delays, np.ndarray) else delays.data
    return post, pre, np.broadcast_to(delays, post.shape)
