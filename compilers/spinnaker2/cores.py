"""The network cut into cores: what each holds, what messages it takes and where its own go.

Everything sent in one step is taken up in the next: inputs from the host, spikes of other cores and of the core itself,
and the bias axon, which is a message too, from the second step on. A core's program is therefore a network
of its own, one population whose inputs are its messages, and all cores of a step can run at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hypr_neuro.compilers.c.plan import Plan
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.placement.place import CoreUse, Placement, place
from hypr_neuro.profiles.profile import Quantity
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedLayer

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
        Index of its layer.
    first, stop
        Its neurons, first ≤ i < stop of the layer.
    network
        Its own network, see the module's docstring.
    messages
        For each input of that network the core and the index there that it comes from.
    """

    number: int
    layer: int
    first: int
    stop: int
    network: IntegerNetwork
    messages: tuple[tuple[int, int], ...]

    def plan(self, input_limit: int) -> Plan:
        """Return what its C program holds; only cores of the first layer see values beyond 0 and 1."""
        return Plan(self.network, 0, input_limit if self.layer == 0 else 1)


def placed(qnet: QuantizedNetwork, placement: Placement | None, neurons_per_core: int | None) -> Placement:
    """Return the given placement, or a new one for the network's profile with at most so many neurons a core.

    Raises
    ------
    InputError
        For a placement of another network, and for connections that arrive in the step of sending.
    """
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
            f"placement: {placement.used} cores hold several layers each, rule for SpiNNaker2: one layer a core; "
            "make the layers smaller"
        )


def _check_cover(qnet: QuantizedNetwork, cores: Sequence[CoreUse]) -> None:
    """Raise InputError unless each neuron stands on one core, in order."""
    for i, layer in enumerate(qnet.layers):
        placed_neurons = [
            n
            for use in cores
            if use.layer == qnet.name(i)
            for n in range(use.first_neuron, use.first_neuron + use.neurons)
        ]
        if placed_neurons != list(range(layer.size)):
            raise InputError(
                f"placement: {qnet.name(i)} has {layer.size} neurons, rule: each on one core, in order; "
                "place this network anew (hn.place)"
            )


def cores_of(qnet: QuantizedNetwork, placement: Placement) -> list[CoreProgram]:
    """Return the programs of all cores, in the placement's order."""
    names = [qnet.name(i) for i in range(len(qnet.layers))]
    neurons_at: list[list[tuple[int, int]]] = [[] for _ in names]
    for number, use in enumerate(placement.cores):
        neurons_at[names.index(use.layer)] += [(number, i) for i in range(use.neurons)]
    return [_core(qnet, number, names.index(use.layer), use, neurons_at) for number, use in enumerate(placement.cores)]


def _core(
    qnet: QuantizedNetwork, number: int, index: int, use: CoreUse, neurons_at: list[list[tuple[int, int]]]
) -> CoreProgram:
    """Return the program of one core: the weights of its neurons over the messages that they need."""
    layer = qnet.layers[index]
    rows = slice(use.first_neuron, use.first_neuron + use.neurons)
    presynaptic = neurons_at[index - 1] if index else [(HOST, i) for i in range(qnet.inputs)]
    # the input matrix's last column is the bias axon, where there is one
    columns = [(layer.input.mantissa[rows], presynaptic + [(ALWAYS, 0)] * layer.bias_axon, layer.input.exponent)]
    if layer.recurrent is not None:
        columns.append((layer.recurrent.mantissa[rows], neurons_at[index], layer.recurrent.exponent))
    messages: list[tuple[int, int]] = []
    blocks = []
    for matrix, sources, exponent in columns:
        used = np.flatnonzero(matrix.any(axis=0))
        blocks.append((matrix[:, used], len(messages), exponent))
        messages += [sources[j] for j in used]
    messages = messages or [(HOST if index == 0 else ALWAYS, 0)]
    network = _network(layer, qnet, f"core {number}", rows, blocks, len(messages), index)
    return CoreProgram(number, index, use.first_neuron, rows.stop, network, tuple(messages))


def _network(
    layer: QuantizedLayer,
    qnet: QuantizedNetwork,
    name: str,
    rows: slice,
    blocks: list[tuple[Array, int, int]],
    inputs: int,
    index: int,
) -> IntegerNetwork:
    """Return a core's network; `blocks` are (weights, number of the first input that they take, exponent)."""
    per_neuron = np.ascontiguousarray(layer.per_neuron[:, rows])
    population = Population(name, layer.model, per_neuron, layer.constants)
    synapses = []
    for matrix, first, exponent in blocks:
        weights = np.zeros((len(matrix), inputs), np.int64)
        weights[:, first : first + matrix.shape[1]] = matrix
        synapses.append(Synapses(INPUT, name, weights, exponent, message_bits=None if index == 0 else 0))
    bits = int(qnet.profile.precision.state_bits.value)
    return IntegerNetwork(inputs, (population,), tuple(synapses), connection_delay=0, state_bits=bits)


def receivers(cores: Sequence[CoreProgram]) -> list[list[list[tuple[int, int]]]]:
    """Return for each core and neuron of it (core, input there) of all that its output goes to."""
    targets: list[list[list[tuple[int, int]]]] = [[[] for _ in range(core.stop - core.first)] for core in cores]
    for core in cores:
        for channel, (source, index) in enumerate(core.messages):
            if source >= 0:
                targets[source][index].append((core.number, channel))
    return targets
