"""From a quantized network to a network of Lava processes.

Connections are Lava's own (`integers.network`). So are neurons where one of Lava's processes computes the population
exactly; others are `processes.NeuronPopulation`, which runs the simulator's kernel.

Nothing here needs Lava but `lava_network`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.integers.network import (
    LavaIntegerNetwork,
    check_sums,
    connected,
    lava_arguments,
    lava_neurons,
)
from hypr_neuro.compilers.lava.population import PopulationStep
from hypr_neuro.compilers.lava.rules import WEIGHT_BITS, check_delay, check_reached, require_lava
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import IntegerNetwork, Population
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork

PORTS = 2
"""Input currents of `processes.NeuronPopulation`."""
RESET = ("u", "v", "real", "imag", "state", "output")
"""Variables of neurons that start a sample at zero."""


@dataclass
class LavaNetwork(LavaIntegerNetwork):
    """The Lava processes of a quantized network.

    Attributes
    ----------
    outputs
        Names of the output populations.
    spiking
        Names of the populations that spike, in the order of the network.
    """

    outputs: tuple[str, ...]
    spiking: tuple[str, ...]

    @property
    def s_in(self) -> Any:
        """Port (inputs,) for spikes or graded values; InputError where several connections take them: call `feed`."""
        return only_port(self.inputs)

    @property
    def spikes(self) -> dict[str, Any]:
        """Port of each population that spikes by name."""
        return {name: self.populations[name].s_out for name in self.spiking}

    @property
    def s_out(self) -> Any | None:
        """Port of the last population that spikes, None if there is none."""
        return self.populations[self.spiking[-1]].s_out if self.spiking else None

    @property
    def readouts(self) -> dict[str, Any]:
        """Port of each output population by name, spikes or integers, as late as `QuantizedNetwork.clock` says."""
        return {name: self.populations[name].s_out for name in self.outputs}

    @property
    def readout(self) -> Any:
        """Port of the output, `QuantizedNetwork.tail` steps behind the input; InputError where there are several."""
        if len(self.outputs) > 1:
            raise InputError(f"outputs {', '.join(self.outputs)}, rule for readout: one; take them from readouts")
        return self.populations[self.outputs[0]].s_out

    def reset(self) -> None:
        """Set states and what is under way to zero, as at the start of a sample, while Lava pauses between two runs."""
        for process in self.processes:
            for name in (*RESET, "a_buff"):
                var = getattr(process, name, None)
                if var is not None:
                    var.set(np.zeros(var.shape))


def only_port(ports: list[Any]) -> Any:
    """Return the only port that takes the input; InputError where there are several."""
    if len(ports) != 1:
        raise InputError(f"{len(ports)} connections take the input, rule for s_in: one; call feed(port)")
    return ports[0]


def lava_network(qnet: QuantizedNetwork) -> LavaNetwork:
    """Build the processes of `qnet`, connected; run them with ``Loihi2SimCfg(select_tag="fixed_pt")``.

    Inputs that are no spikes are taken as graded values; `check_network` says how large they may be. Raise
    MissingPackageError without Lava and InputError for what Lava cannot do.
    """
    require_lava()
    check_network(qnet)
    network = qnet.integer()
    messages = {c.source: c.message for c in network.synapses if c.message is not None}
    built = connected(network, {p.name: _neurons(p, messages.get(p.name)) for p in network.populations})
    spiking = tuple(p.name for p in network.populations if not p.model.readout)
    return LavaNetwork(built.populations, built.connections, built.lines, built.inputs, network.outputs, spiking)


def check_network(qnet: QuantizedNetwork, largest: int = 1) -> None:
    """Raise InputError, naming profile, population or connection, for what Lava cannot run as the simulator does.

    largest : magnitude of the input values
    """
    check_delay(qnet)
    bits = max(qnet.weight_bits(c) for c in qnet.connections)
    if bits > WEIGHT_BITS:
        raise InputError(
            f"profile '{qnet.profile.name}': precision.weight_bits = {bits}, rule for Lava: at most "
            f"{WEIGHT_BITS}; quantize for a profile such as loihi2"
        )
    network: IntegerNetwork = qnet.integer()
    check_reached([p.name for p in network.populations], network.synapses)
    for p in network.populations:
        own_arguments(p)
    check_sums(network, largest)


def own_arguments(p: Population) -> dict[str, Any] | None:
    """Return arguments of the Lava process that computes the population exactly, None if there is none.

    Raise InputError for neurons of more input currents than our process has ports.
    """
    if p.model.currents > PORTS:
        raise InputError(
            f"population '{p.name}': neuron '{p.model.name}' has {p.model.currents} input currents, rule for Lava: at "
            f"most {PORTS}; run it in the simulator"
        )
    try:
        return lava_arguments(p)
    except InputError:
        return None


def _neurons(p: Population, message: tuple[int, int] | None) -> Any:
    arguments = own_arguments(p)
    return _population(p, message) if arguments is None else lava_neurons(p, arguments)


def _population(p: Population, message: tuple[int, int] | None) -> Any:
    from hypr_neuro.compilers.lava.processes.process import NeuronPopulation

    per_neuron, constants = np.asarray(p.per_neuron, np.int64), np.asarray(p.constants, np.int64)
    # compiled here once: Lava's processes are forked from this one and inherit the kernel
    state, output = np.zeros((p.model.d, p.size), np.int32), np.zeros(p.size, np.int32)
    events: Array = np.zeros(len(p.model.events), np.int64)
    step = PopulationStep(p.model.name, p.size)
    currents = np.zeros((p.model.currents, p.size), np.int32)
    step(currents, state, output, np.ascontiguousarray(per_neuron), np.ascontiguousarray(constants), events)
    return NeuronPopulation(
        model=p.model.name, per_neuron=per_neuron, constants=constants, message=message, name=p.name
    )
