"""The network cut into cores: what each holds, what messages it takes and where its own go.

Everything sent in one step is taken up in the next: inputs from the host, spikes of other cores and of the core itself,
and the bias axon, which is a message too, from the second step on. A core's program is therefore a network
of its own, one population whose inputs are its messages, and all cores of a step can run at once. A delay is kept by
the core that receives, which remembers its messages for so long. A convolution is written out, as each core has a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hypr_neuro.compilers.c.plan import Plan
from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses, Weights
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.placement.place import CoreUse, Placement, place
from hypr_neuro.profiles.quantity import Quantity
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection

HOST, ALWAYS = -1, -2
"""Cores that a message may come from beside the placed ones: the host, and the bias axon."""


@dataclass(frozen=True)
class CoreProgram:
    """One core's program.

    Attributes
    ----------
    number
        Of the core.
    layer
        Index of its population, of a chain its layer.
    first, stop
        Its neurons, first ≤ i < stop of the population.
    network
        Its own network, see the module's docstring.
    messages
        For each input of that network the core and the index there that it comes from.
    from_host
        Whether the population takes inputs of the network, whose values may be other than 0 and 1.
    """

    number: int
    layer: int
    first: int
    stop: int
    network: IntegerNetwork
    messages: tuple[tuple[int, int], ...]
    from_host: bool

    def plan(self, input_limit: int) -> Plan:
        """Return what its C program holds; only cores that take the network's inputs see values beyond 0 and 1."""
        return Plan(self.network, 0, input_limit if self.from_host else 1)


def placed(qnet: QuantizedNetwork, placement: Placement | None, neurons_per_core: int | None) -> Placement:
    """Return the given placement, or a new one for the network's profile with at most so many neurons a core.

    Raises
    ------
    InputError
        For a placement of another network, and for connections that arrive in the step of sending.
    """
    for p in qnet.populations:
        if p.model.most_spikes:
            raise InputError(
                f"population '{p.name}': neuron '{p.model.name}' sends several spikes in a step, rule for SpiNNaker2: "
                "one; compile for 'c', or give a neuron that sends one"
            )
    for c in qnet.connections:
        if c.message_shift is not None:
            raise InputError(
                f"connection {c.name}: '{c.source}' sends numbers, rule for SpiNNaker2: spikes; compile for 'c', or "
                f"leave '{c.source}' without targets"
            )
    delay = qnet.clock.connection_delay
    if delay != 1:
        raise InputError(
            f"profile '{qnet.profile.name}': time.connection_delay = {delay}, rule for SpiNNaker2: 1, messages arrive "
            "in the next step"
        )
    if placement is not None:
        if neurons_per_core is not None:
            raise InputError("neurons_per_core, rule: with a placement, the placement says it; give one of the two")
        _check_cover(qnet, placement.cores)
        _check_alone(placement)
        return placement
    profile = qnet.profile
    if neurons_per_core is not None:
        if neurons_per_core < 1:
            raise InputError(f"neurons_per_core = {neurons_per_core}, rule: at least 1")
        limit = Quantity(value=neurons_per_core, unit="neuron", source="option neurons_per_core")
        profile = profile.model_copy(update={"core": profile.core.model_copy(update={"neurons": limit})})
    made = replace(place(qnet, profile), profile=qnet.profile.name)
    _check_alone(made)
    return made


def _check_alone(placement: Placement) -> None:
    if placement.shared:
        raise InputError(
            f"placement: {placement.used} cores hold neurons of several populations, rule for SpiNNaker2: of one; "
            "make the populations smaller, or fewer"
        )


def _check_cover(qnet: QuantizedNetwork, cores: Sequence[CoreUse]) -> None:
    """Raise InputError unless each neuron stands on one core, in order."""
    known = [p.name for p in qnet.populations]
    for use in cores:
        if use.layer not in known:
            raise InputError(
                f"placement: holds '{use.layer}', rule: populations of the network, {', '.join(known)}; place this "
                "network anew, without learning (hn.place)"
            )
    for p in qnet.populations:
        placed_neurons = [
            n for use in cores if use.layer == p.name for n in range(use.first_neuron, use.first_neuron + use.neurons)
        ]
        if placed_neurons != list(range(p.size)):
            raise InputError(
                f"placement: {p.name} has {p.size} neurons, rule: each on one core, in order; "
                "place this network anew (hn.place)"
            )


def cores_of(qnet: QuantizedNetwork, placement: Placement) -> list[CoreProgram]:
    """Return the programs of all cores, in the placement's order."""
    neurons_at: dict[str, list[tuple[int, int]]] = {p.name: [] for p in qnet.populations}
    for number, use in enumerate(placement.cores):
        neurons_at[use.layer] += [(number, i) for i in range(use.neurons)]
    neurons_at[INPUT] = [(HOST, i) for i in range(qnet.inputs)]
    return [_core(qnet, number, use, neurons_at) for number, use in enumerate(placement.cores)]


@dataclass(frozen=True)
class ConnectionPart:
    """What one core has of a connection: its weights that are not 0, one by one.

    Attributes
    ----------
    connection
        The whole.
    post, column
        Neuron of the core, column of the connection.
    weight, delay
        Mantissas, and delays where each weight has its own.
    """

    connection: QuantizedConnection
    post: Array
    column: Array
    weight: Array
    delay: Array | None

    def synapses(self, shape: tuple[int, int], at: Array, target: str, message_bits: int | None) -> Synapses:
        """Return its weights over a core's messages; `at` gives the message of each column."""
        c, places = self.connection, (self.post, at[self.column])
        delays = c.delays if self.delay is None else _matrix(self.delay, places, shape, c.dense)
        weights = _matrix(self.weight, places, shape, c.dense)
        return Synapses(INPUT, target, weights, c.exponent, delays, None, c.current, message_bits)


def _matrix(values: Array, places: tuple[Array, Array], shape: tuple[int, int], dense: bool) -> Weights:
    if dense:
        matrix = np.zeros(shape, np.int64)
        matrix[places] = values
        return matrix
    from scipy.sparse import csr_array

    return csr_array((values, places), shape=shape)


def _part(c: QuantizedConnection, rows: slice) -> ConnectionPart:
    """Return what neurons of the target have of a connection."""
    matrix: Any = c.mantissa
    matrix = (matrix.tocsr() if isinstance(matrix, Convolution) else matrix)[rows]
    delays: Any = c.delays if isinstance(c.delays, int) else c.delays[rows]
    if isinstance(matrix, np.ndarray):
        post, column = np.nonzero(matrix)
        weight = matrix[post, column]
        return ConnectionPart(c, post, column, weight, None if isinstance(delays, int) else delays[post, column])
    post = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    stored = np.flatnonzero(matrix.data)
    delay = None if isinstance(delays, int) else delays.data[stored]
    return ConnectionPart(c, post[stored], matrix.indices[stored], matrix.data[stored], delay)


def _core(
    qnet: QuantizedNetwork, number: int, use: CoreUse, neurons_at: dict[str, list[tuple[int, int]]]
) -> CoreProgram:
    """Return the program of one core: the weights of its neurons over the messages that they need."""
    index = [p.name for p in qnet.populations].index(use.layer)
    p, incoming = qnet.populations[index], qnet.incoming(use.layer)
    rows = slice(use.first_neuron, use.first_neuron + use.neurons)
    from_host = any(c.source == INPUT for c in incoming)
    parts, numbers = [], []
    messages: dict[tuple[int, int], int] = {}
    for c in incoming:
        part = _part(c, rows)
        # the last column is the bias axon, where there is one, and may be the only one
        sources = neurons_at[c.source][: c.columns - int(c.bias_axon)] + [(ALWAYS, 0)] * c.bias_axon
        at = np.zeros(c.columns, np.int64)
        for j in np.unique(part.column):
            at[j] = messages.setdefault(sources[j], len(messages))
        parts.append(part)
        numbers.append(at)
    if not messages:
        messages[(HOST if from_host else ALWAYS, 0)] = 0
    name, bits = f"core {number}", int(qnet.profile.precision.state_bits.value)
    population = Population(name, p.model, np.ascontiguousarray(p.per_neuron[:, rows]), p.constants)
    shape = (use.neurons, len(messages))
    synapses = tuple(
        part.synapses(shape, at, name, None if from_host else 0) for part, at in zip(parts, numbers, strict=True)
    )
    network = IntegerNetwork(len(messages), (population,), synapses, connection_delay=0, state_bits=bits)
    return CoreProgram(number, index, use.first_neuron, rows.stop, network, tuple(messages), from_host)


def receivers(cores: Sequence[CoreProgram]) -> list[list[list[tuple[int, int]]]]:
    """Return for each core and neuron of it (core, input there) of all that its output goes to."""
    targets: list[list[list[tuple[int, int]]]] = [[[] for _ in range(core.stop - core.first)] for core in cores]
    for core in cores:
        for channel, (source, index) in enumerate(core.messages):
            if source >= 0:
                targets[source][index].append((core.number, channel))
    return targets
