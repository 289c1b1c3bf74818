"""Memory that learning on a chip takes beside the network itself, from the widths of the profile.

Bits of a population of n neurons with s synapses that learn (those of the bias axon and, recurrent, of its own neurons
included), d states, Δ steps for which eligibilities wait for their error (0 unless `learning.eligibility_alignment` is
"delayed"):

    each synapse   d · eligibility_bits + accumulator_bits + Δ · eligibility_bits
                   + residual_bits + momentum_bits                       (the last only where momentum is used)
                   + the part of a pulse that waits                      (analog cells, `analog.update: accumulated`)
    each neuron    ψ, the entries of A, B, C, C' and F that are not always 0 (where only signals pass, those of B and C
                   that B·C is made of), the learning signal (D of them where it waits for D steps; of a signal whose
                   parts come at different times each part that waits, in the width of its sum), the gain B·C
                   for Δ steps where something below learns, and, for each parameter that learns, its eligibilities,
                   accumulator, ring and momentum and its d derivatives
    the whole      what the update rule keeps of each connection that learns and of each parameter that does, such as
                   row and column means, in the widths that the rule states (`UpdateRule.state`). To a rule, a
                   connection whose synapses stand in a list (sparse weights, delays of their own) is one column.

All of it follows from `LearningPlan`: connections that do not learn keep nothing, nor do populations that no signal
reaches. A population whose spikes are outputs learns from a trace of them, a population of its own (`output_traces`).

Weights, states and parameters are the network's own and stand apart (`LayerMemory.network_bits`); analog weights are
cells, no memory. What lives only while
one synapse is computed counts nothing. Feedback takes the weights of the population above where they lie; random
feedback is drawn again each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path

from hypr_neuro.graph.clock import layer_name
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.neurons.structure import structure
from hypr_neuro.placement.layer_memory import Entries, LayerMemory, LearningConnection, LearningTimes
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.incoming import Incoming
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.updates import UPDATES
from hypr_neuro.sim.learning.updates.base import STEP_FRACTION, UpdateRule
from hypr_neuro.sim.learning.widths import Widths, layer_widths


@dataclass(frozen=True)
class Shape:
    """One layer of a chain, by its sizes alone.

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


def learning_memory(
    qnet: QuantizedNetwork, profile: Profile | str | Path | None = None, options: LearnOptions | None = None
) -> list[LayerMemory]:
    """Count the memory of each population of a network, in `profile` (default: the one it was quantized for).

    Raise InputError for options that do not fit the network or the profile.
    """
    chip = qnet.profile if profile is None else load_profile(profile)
    plan = LearningPlan(replace(qnet, profile=chip), options)
    return [population_memory(plan, i) for i in range(len(plan.layers))]


def population_memory(plan: LearningPlan, i: int) -> LayerMemory:
    """Count the memory of the population at a place of a plan."""
    layer = plan.layers[i]
    learning = tuple(_learning(c) for c in layer.incoming if c.learns)
    signals = _signals(plan, layer) if layer.active else ()
    times = LearningTimes(layer.waiting, signals, layer.active, plan.passes_down(i))
    weights = dict[int, int]()
    for c in layer.incoming:  # those of a convolution once
        weights[c.weight_bits] = weights.get(c.weight_bits, 0) + int(c.weights().size)
    chip = plan.qnet.profile
    network = _network(layer.model, layer.size, {} if chip.analog else weights, layer.widths)
    waits = pulse_bits(chip)
    sizes = _Sizes(layer.name, layer.model, layer.size, layer.size, len(layer.parameters), waits)
    return replace(_memory(sizes, learning, layer.widths, times, plan.options), network=network)


def part_memory(whole: LayerMemory, plan: LearningPlan, held: Sequence[int], neurons: int) -> LayerMemory:
    """Count the memory of those neurons of a population that one core holds.

    Parameters
    ----------
    whole
        Of the population.
    plan
        How the network learns.
    held
        Of each of `whole.learning` the synapses on the core.
    neurons
        How many neurons are on the core.
    """
    learning = tuple(
        replace(c, synapses=count, rows=count if c.listed else neurons)
        for c, count in zip(whole.learning, held, strict=True)
    )
    accumulator = next(layer.widths.accumulator_bits for layer in plan.layers if layer.name == whole.name)
    kept = _kept(learning, whole, neurons, plan.options.rule, accumulator)
    return replace(whole, neurons=neurons, learning=learning, layer=kept, network={})


def _learning(c: Incoming) -> LearningConnection:
    rows, columns = c.shape
    return LearningConnection(c.key, int(c.weights().size), rows, columns, rows, c.listed)


def _signals(plan: LearningPlan, layer: LayerPlan) -> tuple[tuple[int, int], ...]:
    """Return the signals that wait: of one time in the signal's width, of several each as wide as its sum can be."""
    waits = sorted({term.wait for term in layer.terms})
    if len(waits) == 1:
        return ((waits[0], layer.widths.signal_bits),)
    return tuple((wait, plan.signal_scales.waiting_bits(layer.index, wait)) for wait in waits if wait)


def memory_of(
    shapes: Sequence[Shape], profile: Profile | str | Path, options: LearnOptions | None = None
) -> list[LayerMemory]:
    """Count the memory of a chain that is given by the shapes of its layers, the readout last.

    Of the options the update rule and momentum count; shapes say what learns. Raise InputError for bad values.
    """
    chip, options = load_profile(profile), options or LearnOptions()
    options.check_values()
    return [_of_shape(shapes, i, chip, options) for i in range(len(shapes))]


def _of_shape(shapes: Sequence[Shape], i: int, chip: Profile, options: LearnOptions) -> LayerMemory:
    shape, clock = shapes[i], chip.clock(len(shapes))
    widths = layer_widths(chip, readout=i == clock.output)
    below = any(s.learns or s.parameters for s in shapes[:i])
    active = shape.learns or bool(shape.parameters) or below
    columns = [(key, m) for key, m in (("input", shape.inputs), ("recurrent", shape.recurrent)) if m]
    learning = tuple(
        LearningConnection(key, shape.neurons * m, shape.neurons, m, shape.layer_neurons or shape.neurons)
        for key, m in columns
        if shape.learns
    )
    signals = ((clock.signal_wait(i), widths.signal_bits),)
    times = LearningTimes(clock.waiting(i), signals, active, below)
    whole = shape.layer_neurons or shape.neurons
    sizes = _Sizes(layer_name(i, len(shapes)), shape.model, shape.neurons, whole, shape.parameters, pulse_bits(chip))
    weights = shape.neurons * sum(m for _, m in columns)
    network = _network(shape.model, shape.neurons, {} if chip.analog else {widths.weight_bits: weights}, widths)
    return replace(_memory(sizes, learning, widths, times, options), network=network)


@dataclass(frozen=True)
class _Sizes:
    """Neurons of a population, all or those on a core; `whole` counts all. `pulse_bits`: `pulse_bits` of the chip."""

    name: str
    model: NeuronModel
    neurons: int
    whole: int
    parameters: int
    pulse_bits: int = 0


def pulse_bits(chip: Profile) -> int:
    """Count the bits, sign included, in which steps of a weight wait until they are a pulse; 0 where none wait.

    They wait in mantissas of 2^16 units, below one pulse; of cells that are programmed anew also what that leaves, the
    whole range of a pair at most.
    """
    analog = chip.analog
    if analog is None or analog.update.value != "accumulated":
        return 0
    top = chip.precision.weight_top << STEP_FRACTION
    left = 2 * top if analog.one_sided.value else 0
    return (left + max(round(analog.pulse.value * top), 1)).bit_length() + 1


def _memory(
    sizes: _Sizes, learning: tuple[LearningConnection, ...], widths: Widths, times: LearningTimes, options: LearnOptions
) -> LayerMemory:
    """Count all but the network's own."""
    model, parameters = sizes.model, sizes.parameters
    empty = LayerMemory(sizes.name, model, sizes.neurons, sizes.whole, parameters, learning, {}, {}, {}, {})
    if not times.active:
        return empty
    momentum = widths.momentum_bits if options.momentum else 0
    per_synapse = {
        "eligibilities": (model.d, widths.eligibility_bits),
        "accumulator": (1, widths.accumulator_bits),
        "waiting eligibilities": (times.waiting, widths.eligibility_bits),
        "residual": (1, widths.residual_bits),
        "momentum": (1, momentum),
        "steps that wait for a pulse": (1, sizes.pulse_bits),
    }
    jacobian = jacobian_entries(model) if learning or parameters else _passing_entries(model)
    per_neuron = {
        "ψ": (0 if model.readout else 1, widths.psi_bits),
        "Jacobian": (jacobian, widths.entry_bits),
        **_signal_entries(times, widths),
        **_waiting_gains(model, times, widths),
        **_of_parameters(model, parameters, widths, momentum, times.waiting),
    }
    return replace(
        empty,
        per_synapse=_present(per_synapse) if learning else {},
        per_neuron=_present(per_neuron),
        layer=_kept(learning, empty, sizes.neurons, options.rule, widths.accumulator_bits),
    )


def _kept(learning: Sequence[LearningConnection], of: LayerMemory, neurons: int, rule: str, bits: int) -> Entries:
    """Count what the update rule keeps of the connections that learn, and of the parameters of so many neurons."""
    entries: Entries = {}
    for c in learning:
        entries |= _kept_by_rule(c, rule, bits)
    one = LearningConnection("parameters", 0, neurons, 1, of.whole)
    for name, (count, width) in _kept_by_rule(one, rule, bits).items():
        entries[name] = (of.parameters * count, width)
    return _present(entries)


def _signal_entries(times: LearningTimes, widths: Widths) -> Entries:
    """Count the signal of this step and those that wait."""
    now = (1, widths.signal_bits)
    if len(times.signals) == 1 and times.signals[0][1] == widths.signal_bits:
        return {"learning signals": (1 + times.signals[0][0], widths.signal_bits)}
    parts = {f"parts of signals, {wait} steps": (wait, bits) for wait, bits in times.signals}
    return {"learning signals": now, **parts}


def _waiting_gains(model: NeuronModel, times: LearningTimes, widths: Widths) -> Entries:
    """Count the gains that wait, one for each input current."""
    count, entries = times.waiting if times.passes_down else 0, Entries()
    for k in range(model.currents):
        name = f"waiting gains, current {k}" if k else "waiting gains"
        entries[name] = (count, widths.gain_bits(gain_terms(model, k)))
    return entries


def gain_terms(model: NeuronModel, input_current: int = 0) -> int:
    """Count the products of B·C that are not always 0, of one input current."""
    pattern = structure(model, input_current)
    return sum(b and c for b, c in zip(pattern.B, pattern.C, strict=True))


def _passing_entries(model: NeuronModel) -> int:
    """Count the entries of B and C that the gains are made of."""
    patterns = [structure(model, k) for k in range(model.currents)]
    used = [[b and c for b, c in zip(p.B, p.C, strict=True)] for p in patterns]
    return sum(map(sum, used)) + sum(map(any, zip(*used, strict=True)))


def jacobian_entries(model: NeuronModel) -> int:
    """Count the entries of A, B, C, C' and F that are not always 0."""
    pattern, rows = structure(model), (structure(model, k).B for k in range(model.currents))
    return sum(chain(*pattern.A, *rows, pattern.C, pattern.C_prev, pattern.F))


def _of_parameters(model: NeuronModel, count: int, widths: Widths, momentum: int, wait: int) -> Entries:
    """Count the neuron parameters that learn: each like a synapse, with its own ∂s/∂p in place of B."""
    return {
        "parameter eligibilities": (count * model.d, widths.eligibility_bits),
        "parameter derivatives by state": (count * model.d, widths.state_bits),
        "parameter derivatives by output": (count, widths.entry_bits),
        "parameter accumulators": (count, widths.accumulator_bits),
        "waiting parameter eligibilities": (count * wait, widths.eligibility_bits),
        "parameter momentum": (count, momentum),
    }


def _kept_by_rule(c: LearningConnection, name: str, accumulator_bits: int) -> Entries:
    """Count what the update rule keeps of a connection, or of one parameter.

    Its numbers are as many as what is here needs, and as wide as those of the whole connection.
    """
    wide = _rule_state(UPDATES[name], c.all_rows, c.columns, accumulator_bits)
    return {f"{c.key} {state}": (c.rows**n * c.columns**m, bits) for state, (n, m, bits) in wide.items()}


@lru_cache(maxsize=1 << 10)
def _rule_state(rule: UpdateRule, rows: int, columns: int, bits: int) -> dict[str, tuple[int, int, int]]:
    """Return of what a rule keeps whether it has numbers by row and by column, 0 or 1 each, and the bits of one."""
    shapes = rule.shapes(3, 2)
    wide = rule.state(rows, columns, bits)
    return {name: (int(3 in shapes[name]), int(2 in shapes[name]), array.bits) for name, array in wide.items()}


def _network(model: NeuronModel, neurons: int, weights: Mapping[int, int], widths: Widths) -> Entries:
    """Count weights by their bits, states and the integers of each neuron (as wide as a state: some are thresholds)."""
    bits = widths.state_bits
    one = len(weights) == 1
    return {
        **{"weights" if one else f"weights of {width} bits": (count, width) for width, count in weights.items()},
        "states": (neurons * model.d, bits),
        "parameters": (neurons * len(model.fixed_per_neuron), bits),
    }


def _present(entries: Entries) -> Entries:
    return {name: (count, width) for name, (count, width) in entries.items() if count and width}


def neuron_bits(model: NeuronModel, neurons: int, profile: Profile) -> int:
    """Count the bits of states and parameters of so many neurons, which they have without learning, too."""
    entries = _network(model, neurons, {}, layer_widths(profile, readout=model.readout))
    return sum(count * width for count, width in entries.values())
