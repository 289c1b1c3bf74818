"""From integers to a network of Lava processes.

Synapses are Lava's Dense. In sign mode MIXED it clips weights to -256..255 and clears the lowest bit, so a signed
8-bit mantissa m goes in as 2m with its exponent lowered by 1: 2 Σ m z >> (1 - e) = Σ m z shifted by e, exactly.
Neurons are Lava's LIF where that computes the layer (`rules.builtin_lif`), else `processes.Population`, which runs
the simulator's kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.population import PopulationStep
from hypr_neuro.compilers.lava.rules import builtin_lif, check_network, require_lava
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import Connection, QuantizedLayer

MESSAGE_BITS = 32
"""Dense reads whole numbers instead of testing for a spike when this is above 0."""


@dataclass
class LavaLayer:
    """The processes of one layer; `builtin` says that `neuron` is Lava's own LIF."""

    name: str
    neuron: Any
    input: Any
    recurrent: Any | None
    always_on: Any | None
    builtin: bool

    @property
    def s_in(self) -> Any:
        """Port for what comes from below."""
        return self.input.s_in if self.always_on is None else self.always_on.s_in

    def reset(self) -> None:
        """Set states and what is under way in the connections to zero, while Lava pauses between two runs."""
        states = (self.neuron.u, self.neuron.v) if self.builtin else (self.neuron.state, self.neuron.output)
        pending = [dense.a_buff for dense in (self.input, self.recurrent) if dense is not None]
        for var in (*states, *pending):
            var.set(np.zeros(var.shape))


@dataclass
class LavaNetwork:
    """A network of Lava processes.

    Attributes
    ----------
    layers
        The processes by layer.
    s_in
        Port (inputs,) for spikes or graded values.
    readout
        Port (outputs,) of the last layer, integers that run `QuantizedNetwork.tail` steps behind.
    """

    layers: list[LavaLayer]
    s_in: Any
    readout: Any

    @property
    def spikes(self) -> dict[str, Any]:
        """Port of each hidden layer by name."""
        return {layer.name: layer.neuron.s_out for layer in self.layers[:-1]}

    @property
    def s_out(self) -> Any | None:
        """Port of the last hidden layer, None if there is none."""
        return self.layers[-2].neuron.s_out if len(self.layers) > 1 else None

    def reset(self) -> None:
        """Set all states to zero, as at the start of a sample; Lava has to pause between two runs."""
        for layer in self.layers:
            layer.reset()


def lava_network(qnet: QuantizedNetwork) -> LavaNetwork:
    """Build the processes of `qnet`, connected; run them with ``Loihi2SimCfg(select_tag="fixed_pt")``.

    Inputs that are no spikes are taken as graded values; `rules.check_sums` says how large they may be. Raise
    MissingPackageError without Lava and InputError for what Lava cannot do.
    """
    require_lava()
    check_network(qnet)
    layers = [_layer(qnet.name(i), layer, graded=i == 0) for i, layer in enumerate(qnet.layers)]
    for below, above in pairwise(layers):
        below.neuron.s_out.connect(above.s_in)
    return LavaNetwork(layers, layers[0].s_in, layers[-1].neuron.s_out)


def _layer(name: str, layer: QuantizedLayer, graded: bool) -> LavaLayer:
    from hypr_neuro.compilers.lava.processes.process import AlwaysOn

    lif = builtin_lif(layer)
    neuron = _population(name, layer) if lif is None else _lif(name, layer.size, lif)
    synapses = _dense(f"{name}.input", layer.input, graded)
    synapses.a_out.connect(neuron.a_in)
    recurrent, always_on = None, None
    if layer.recurrent is not None:
        recurrent = _dense(f"{name}.recurrent", layer.recurrent, graded=False)
        neuron.s_out.connect(recurrent.s_in)
        recurrent.a_out.connect(neuron.a_in)
    if layer.bias_axon:
        always_on = AlwaysOn(size=layer.inputs, name=f"{name}.always_on")
        always_on.s_out.connect(synapses.s_in)
    return LavaLayer(name, neuron, synapses, recurrent, always_on, lif is not None)


def _dense(name: str, connection: Connection, graded: bool) -> Any:
    from lava.proc.dense.process import Dense
    from lava.utils.weightutils import SignMode

    return Dense(
        weights=2 * connection.mantissa,
        weight_exp=connection.exponent - 1,
        num_weight_bits=8,
        sign_mode=SignMode.MIXED,
        num_message_bits=MESSAGE_BITS if graded else 0,
        name=name,
    )


def _lif(name: str, size: int, arguments: dict[str, Any]) -> Any:
    from lava.proc.lif.process import LIF

    return LIF(shape=(size,), name=name, **arguments)


def _population(name: str, layer: QuantizedLayer) -> Any:
    from hypr_neuro.compilers.lava.processes.process import NeuronPopulation

    per_neuron, constants = np.asarray(layer.per_neuron, np.int64), np.asarray(layer.constants, np.int64)
    # compiled here once: Lava's processes are forked from this one and inherit the kernel
    PopulationStep(layer.model.name, layer.size)(
        np.zeros(layer.size, np.int64),
        np.zeros((layer.model.d, layer.size), np.int32),
        np.zeros(layer.size, np.int32),
        np.ascontiguousarray(per_neuron),
        np.ascontiguousarray(constants),
        np.zeros(len(layer.model.events), np.int64),
    )
    return NeuronPopulation(model=layer.model.name, per_neuron=per_neuron, constants=constants, name=name)
