"""Memory that learning on a chip takes beside the network itself, from the widths of the profile.

Bits of a layer of n neurons with m columns of weights (inputs, bias axon, own neurons), d states, Δ steps for
which eligibilities wait for their error (0 unless `learning.eligibility_alignment` is "delayed"):

    each synapse   d · eligibility_bits + accumulator_bits + Δ · eligibility_bits
                   + residual_bits + momentum_bits                       (the last only where momentum is used)
    each neuron    ψ, the entries of A, B, C, C' and F that are not always 0 (where only signals pass, those of B and C
                   that B·C is made of), the learning signal (D of them in front of the last hidden layer), the gain B·C
                   for Δ steps where a layer below learns, and, for each parameter that learns, its eligibilities,
                   accumulator, ring and momentum and its d derivatives
    the layer      what the update rule keeps of each connection and of each parameter that learns, such as row and
                   column means, in the widths that the rule states (`UpdateRule.state`)

Weights, states and parameters are the network's own and stand apart (`LayerMemory.network_bits`). What lives only while
one synapse is computed counts nothing. Feedback takes the weights of the layer above where they lie; random feedback is
drawn again each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import prod
from pathlib import Path

from hypr_neuro.graph.clock import layer_name
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.neurons.structure import structure
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.updates import UPDATES
from hypr_neuro.sim.learning.widths import Widths, layer_widths


@dataclass(frozen=True)
class Shape:
    """One layer, or the part of it that a core holds.

    Attributes
    ----------
    model, neurons
        What is there.
    inputs
        Columns of weights, the bias axon's included.
    recurrent
        Neurons whose spikes come back, 0 for none.
    parameters
        How many neuron parameters learn.
    learns
        Whether its weights do.
    layer_neurons
        Of the whole layer, where this is a part of it; 0 if it is all of it. A mean over the layer is as wide as that.
    """

    model: NeuronModel
    neurons: int
    inputs: int
    recurrent: int = 0
    parameters: int = 0
    learns: bool = True
    layer_neurons: int = 0

    @property
    def synapses(self) -> int:
        """Of all neurons."""
        return self.neurons * (self.inputs + self.recurrent)


@dataclass(frozen=True)
class LayerMemory:
    """What learning stores of one layer: each entry (numbers, bits of one).

    Attributes
    ----------
    name, shape
        The layer.
    per_synapse, per_neuron
        Of one synapse and of one neuron.
    layer
        Of the layer as a whole.
    network
        Weights, states and parameters of the layer, which it has without learning, too.
    """

    name: str
    shape: Shape
    per_synapse: dict[str, tuple[int, int]]
    per_neuron: dict[str, tuple[int, int]]
    layer: dict[str, tuple[int, int]]
    network: dict[str, tuple[int, int]]

    @property
    def synapse_bits(self) -> int:
        """Of one synapse."""
        return _bits(self.per_synapse)

    @property
    def neuron_bits(self) -> int:
        """Of one neuron, its synapses apart."""
        return _bits(self.per_neuron)

    @property
    def bits(self) -> int:
        """Of the whole layer, every number in its own width."""
        return self.shape.synapses * self.synapse_bits + self.shape.neurons * self.neuron_bits + _bits(self.layer)

    @property
    def whole_bytes(self) -> int:
        """Of the whole layer, every number in as many bytes as it needs."""
        return (
            self.shape.synapses * _whole_bytes(self.per_synapse)
            + self.shape.neurons * _whole_bytes(self.per_neuron)
            + _whole_bytes(self.layer)
        )

    @property
    def network_bits(self) -> int:
        """Of weights, states and parameters."""
        return _bits(self.network)

    @property
    def network_bytes(self) -> int:
        """The same, every number in as many bytes as it needs."""
        return _whole_bytes(self.network)


def _bits(entries: dict[str, tuple[int, int]]) -> int:
    return sum(count * width for count, width in entries.values())


def _whole_bytes(entries: dict[str, tuple[int, int]]) -> int:
    return sum(count * -(-width // 8) for count, width in entries.values())


def learning_memory(
    qnet: QuantizedNetwork, profile: Profile | str | Path | None = None, options: LearnOptions | None = None
) -> list[LayerMemory]:
    """Count the memory of each layer of a network, in `profile` (default: the one it was quantized for).

    Raise InputError for options that do not fit the network or the profile.
    """
    options = options or LearnOptions()
    chip = qnet.profile if profile is None else load_profile(profile)
    options.check(replace(qnet, profile=chip))
    chosen = options.learning_parameters(qnet)
    shapes = []
    for i, layer in enumerate(qnet.layers):
        recurrent = layer.size if layer.recurrent is not None else 0
        shapes.append(
            Shape(
                layer.model,
                layer.size,
                int(layer.input.mantissa.shape[1]),
                recurrent,
                len(chosen[i]),
                options.learns(qnet.name(i)),
            )
        )
    return memory_of(shapes, chip, options)


def memory_of(
    shapes: Sequence[Shape], profile: Profile | str | Path, options: LearnOptions | None = None
) -> list[LayerMemory]:
    """Count the memory of a network that is given by the shapes of its layers, the readout last.

    Of the options the update rule and momentum count; shapes say what learns. Raise InputError for bad values.
    """
    chip, options = load_profile(profile), options or LearnOptions()
    options.check_values()
    return [_layer_memory(shapes, i, chip, options) for i in range(len(shapes))]


def _layer_memory(shapes: Sequence[Shape], i: int, chip: Profile, options: LearnOptions) -> LayerMemory:
    shape, clock = shapes[i], chip.clock(len(shapes))
    widths, wait = layer_widths(chip, readout=i == clock.output), clock.waiting(i)
    below_learns = any(s.learns or s.parameters for s in shapes[:i])
    if not (shape.learns or shape.parameters or below_learns):
        return LayerMemory(layer_name(i, len(shapes)), shape, {}, {}, {}, _network(shape, widths))
    per_synapse: dict[str, tuple[int, int]] = {}
    momentum = widths.momentum_bits if options.momentum else 0
    if shape.learns:
        per_synapse = _present(
            {
                "eligibilities": (shape.model.d, widths.eligibility_bits),
                "accumulator": (1, widths.accumulator_bits),
                "waiting eligibilities": (wait, widths.eligibility_bits),
                "residual": (1, widths.residual_bits),
                "momentum": (1, momentum),
            }
        )
    per_neuron = {
        "ψ": (0 if shape.model.readout else 1, widths.psi_bits),
        "Jacobian": (_entries_in_use(shape), widths.entry_bits),
        "learning signals": (1 + clock.signal_wait(i), widths.signal_bits),
        "waiting gains": (wait if below_learns else 0, widths.gain_bits(gain_terms(shape.model))),
    }
    per_neuron |= _of_parameters(shape, widths, momentum, wait)
    name = layer_name(i, len(shapes))
    of_layer: dict[str, tuple[int, int]] = {}
    if shape.learns:
        for key, columns in (("input", shape.inputs), ("recurrent", shape.recurrent)):
            of_layer |= _kept_by_rule(key, options.rule, shape, columns, widths) if columns else {}
    for name_of_state, (count, bits) in _kept_by_rule("parameters", options.rule, shape, 1, widths).items():
        of_layer[name_of_state] = (shape.parameters * count, bits)
    return LayerMemory(name, shape, per_synapse, _present(per_neuron), _present(of_layer), _network(shape, widths))


def gain_terms(model: NeuronModel) -> int:
    """Count the products of B·C that are not always 0."""
    pattern = structure(model)
    return sum(b and c for b, c in zip(pattern.B, pattern.C, strict=True))


def _entries_in_use(shape: Shape) -> int:
    """Count the entries of the Jacobian that learning reads: where signals only pass, those of B·C."""
    if shape.learns or shape.parameters:
        return jacobian_entries(shape.model)
    return 2 * gain_terms(shape.model)


def jacobian_entries(model: NeuronModel) -> int:
    """Count the entries of A, B, C, C' and F that are not always 0."""
    pattern = structure(model)
    return sum(chain(*pattern.A, pattern.B, pattern.C, pattern.C_prev, pattern.F))


def _of_parameters(shape: Shape, widths: Widths, momentum: int, wait: int) -> dict[str, tuple[int, int]]:
    """Count the neuron parameters that learn: each like a synapse, with its own ∂s/∂p in place of B."""
    count = shape.parameters
    return {
        "parameter eligibilities": (count * shape.model.d, widths.eligibility_bits),
        "parameter derivatives by state": (count * shape.model.d, widths.state_bits),
        "parameter derivatives by output": (count, widths.entry_bits),
        "parameter accumulators": (count, widths.accumulator_bits),
        "waiting parameter eligibilities": (count * wait, widths.eligibility_bits),
        "parameter momentum": (count, momentum),
    }


def _kept_by_rule(key: str, name: str, shape: Shape, columns: int, widths: Widths) -> dict[str, tuple[int, int]]:
    """Count what the update rule keeps of a connection of so many columns, or of one parameter with 1.

    Its numbers are as many as the neurons here need, and as wide as those of the whole layer.
    """
    rule, rows = UPDATES[name], shape.layer_neurons or shape.neurons
    wide = rule.state(rows, columns, widths.accumulator_bits)
    here = rule.shapes(shape.neurons, columns)
    return {f"{key} {state}": (prod(here[state]), array.bits) for state, array in wide.items()}


def _network(shape: Shape, widths: Widths) -> dict[str, tuple[int, int]]:
    """Count weights, states and the integers of each neuron (as wide as a state: some are thresholds)."""
    bits = widths.state_bits
    return {
        "weights": (shape.synapses, widths.weight_bits),
        "states": (shape.neurons * shape.model.d, bits),
        "parameters": (shape.neurons * len(shape.model.fixed_per_neuron), bits),
    }


def _present(entries: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {name: (count, width) for name, (count, width) in entries.items() if count and width}
