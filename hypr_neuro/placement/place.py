"""Placement: which neurons go on which core, what that uses of each limit, and what a sample costs.

A layer is split into equal groups of neurons, as few as the limits allow, each on a core of its own. Where a chip has
fewer cores than that takes, layers share cores if they fit that way: neurons fill the cores in their order, each as far
as every limit allows for the sum of what is on it. A core that holds n neurons of a layer receives one axon for each of
the layer's inputs (the bias axon and, if recurrent, its own neurons included) and stores that axon's synapses:

    bits of an axon = Σ over entries of ≤ 63 synapses: count · (weight bits + index bits) + 10, rounded up to 64

(format of nengo-loihi 1.1), index bits = ⌈log2 n⌉. Learning takes what `learning_memory` counts, for the synapses,
neurons and axons of each core.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import DoesNotFitError
from hypr_neuro.graph.kinds import require
from hypr_neuro.placement.learning_memory import LayerMemory, Shape, memory_of
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.traces.trace import Trace

SYNAPSES_PER_ENTRY = 63
ENTRY_HEADER_BITS = 10
MEMORY_WORD_BITS = 64


@dataclass
class CoreUse:
    """Neurons of one layer on one core, and what they use; limits are None where the profile has none."""

    core: int
    layer: str
    first_neuron: int
    neurons: int
    synapses: int
    in_axons: int
    out_axons: int
    memory_bits: int
    learning_bits: int
    neuron_limit: int | None
    in_axon_limit: int | None
    out_axon_limit: int | None
    memory_limit: int | None


@dataclass
class Placement:
    """Cores in the order of layers, one entry for each layer on a core; `as_dict` is what the command line writes."""

    profile: str
    learning: bool
    cores: list[CoreUse] = field(default_factory=list)
    core_limit: int | None = None

    @property
    def used(self) -> int:
        """Number of cores that hold neurons."""
        return len({use.core for use in self.cores})

    @property
    def shared(self) -> bool:
        """Whether any core holds neurons of several layers."""
        return self.used < len(self.cores)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


@dataclass
class Estimate:
    """Cost of one sample after the profile's published figures for one operation; an estimate, not a measurement."""

    energy_nj: float | None
    time_us: float | None
    spikes_between_cores: float
    synaptic_operations: float
    note: str


def place(qnet: QuantizedNetwork, profile: Profile | str | Path | None = None, *, learning: bool = False) -> Placement:
    """Assign every neuron to a core of `profile` (default: the one the network was quantized for).

    Raise DoesNotFitError naming layer, limit, the profile's key and what would fit.
    """
    require("qnet", qnet, QuantizedNetwork)
    chip = qnet.profile if profile is None else load_profile(profile)
    placement = Placement(chip.name, learning, core_limit=_limit(chip.chip.cores))
    groups = _on_separate_cores([_split(qnet, i, chip, learning) for i in range(len(qnet.layers))])
    most = placement.core_limit
    if most is not None and _count(groups) > most:
        shared = _on_shared_cores(qnet, chip, learning)
        groups = shared if _count(shared) <= most else groups
    for i, layer in enumerate(qnet.layers):
        # an output goes once to every core that reads it: the next layer's and, if recurrent, its own layer's
        readers = (groups[i + 1] if i + 1 < len(groups) else []) + (groups[i] if layer.recurrent else [])
        start = 0
        for core, size in groups[i]:
            use = _core_use(core, qnet, i, size, chip, learning)
            use.first_neuron, use.out_axons = start, size * len({reader for reader, _ in readers})
            placement.cores.append(use)
            start += size
    for where, axons, limit in _out_axons(placement):
        _check(where, "out axons", axons, limit, chip, "core.out_axons")
    _check("network", "cores", placement.used, placement.core_limit, chip, "chip.cores")
    return placement


Groups = list[list[tuple[int, int]]]
"""For each layer (core, neurons), in the order of its neurons."""


def _on_separate_cores(sizes: list[list[int]]) -> Groups:
    """Give every group of every layer the next core."""
    numbers = count()
    return [[(next(numbers), size) for size in layer] for layer in sizes]


def _on_shared_cores(qnet: QuantizedNetwork, chip: Profile, learning: bool) -> Groups:
    """Fill the cores in their order with the neurons of one layer after the other, and open a core where none has room.

    The limits of a core hold for the sum of what is on it.
    """
    held: list[list[CoreUse]] = []
    groups: Groups = [[] for _ in qnet.layers]
    for i, layer in enumerate(qnet.layers):
        left = layer.size
        for core in count():
            if not left:
                break
            if core == len(held):
                held.append([])
            neurons = _room(held[core], qnet, i, left, chip, learning)
            if neurons:
                held[core].append(_core_use(core, qnet, i, neurons, chip, learning))
                groups[i].append((core, neurons))
                left -= neurons
    return groups


def _room(held: list[CoreUse], qnet: QuantizedNetwork, index: int, most: int, chip: Profile, learning: bool) -> int:
    """Return how many neurons of a layer, at most `most`, a core takes beside what it holds."""

    def fits(neurons: int) -> bool:
        return _within([*held, _core_use(0, qnet, index, neurons, chip, learning)], chip)

    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _within(parts: list[CoreUse], chip: Profile) -> bool:
    """Whether what is on one core keeps to its limits, output axons aside."""
    last = parts[-1]
    sums = (
        (sum(use.neurons for use in parts), last.neuron_limit),
        (sum(use.in_axons for use in parts), last.in_axon_limit),
        (last.in_axons, _limit(chip.core.fan_in)),
        (sum(use.memory_bits for use in parts), last.memory_limit),
    )
    return all(limit is None or value <= limit for value, limit in sums)


def _count(groups: Groups) -> int:
    return len({core for layer in groups for core, _ in layer})


def _out_axons(placement: Placement) -> Iterator[tuple[str, int, int | None]]:
    """Yield for every core what to call it, its output axons and their limit."""
    for core in dict.fromkeys(use.core for use in placement.cores):
        parts = [use for use in placement.cores if use.core == core]
        where = parts[0].layer if len(parts) == 1 else f"core {core} ({', '.join(use.layer for use in parts)})"
        yield where, sum(use.out_axons for use in parts), parts[0].out_axon_limit


def _limit(quantity: Any) -> int | None:
    return None if quantity is None else int(quantity.value)


def _core_use(core: int, qnet: QuantizedNetwork, index: int, neurons: int, chip: Profile, learning: bool) -> CoreUse:
    """Return what `neurons` neurons of layer `index` take of a core."""
    name, layer = qnet.name(index), qnet.layers[index]
    axons = layer.input.mantissa.shape[1] + (layer.size if layer.recurrent is not None else 0)
    synapses = axons * neurons
    learning_bits = core_learning(qnet, index, neurons, chip).bits if learning else 0
    return CoreUse(
        core=core,
        layer=name,
        first_neuron=0,
        neurons=neurons,
        synapses=synapses,
        in_axons=axons,
        out_axons=0,
        memory_bits=axons * axon_bits(neurons, chip.precision.weight_bits.value) + learning_bits,
        learning_bits=learning_bits,
        neuron_limit=_limit(chip.core.neurons),
        in_axon_limit=_limit(chip.core.in_axons),
        out_axon_limit=_limit(chip.core.out_axons),
        memory_limit=_limit(chip.core.synaptic_memory),
    )


def core_learning(qnet: QuantizedNetwork, index: int, neurons: int, chip: Profile) -> LayerMemory:
    """Count memory of learning on a core that holds `neurons` neurons of layer `index`; every weight learns.

    Momentum counts where the profile has room for it. Raise InputError, naming the layer, for a neuron that cannot
    learn.
    """
    shapes = []
    for i, layer in enumerate(qnet.layers):
        layer.model.require_learning(qnet.name(i))
        recurrent = layer.size if layer.recurrent is not None else 0
        held = neurons if i == index else layer.size
        inputs = int(layer.input.mantissa.shape[1])
        shapes.append(Shape(layer.model, held, inputs, recurrent, layer_neurons=layer.size))
    return memory_of(shapes, chip, LearnOptions(momentum=1))[index]


def axon_bits(synapses: int, weight_bits: int) -> int:
    """Return the memory of one axon's synapses to `synapses` neurons of a core, in bits; see the module's docstring."""
    each = weight_bits + max(int(np.ceil(np.log2(max(synapses, 2)))), 1)
    full, rest = divmod(synapses, SYNAPSES_PER_ENTRY)
    entries = [SYNAPSES_PER_ENTRY] * full + ([rest] if rest else [])
    return sum(-(-(n * each + ENTRY_HEADER_BITS) // MEMORY_WORD_BITS) * MEMORY_WORD_BITS for n in entries)


def _split(qnet: QuantizedNetwork, index: int, chip: Profile, learning: bool) -> list[int]:
    """Return sizes of the layer's groups: equal up to one, as few as possible."""
    name, layer = qnet.name(index), qnet.layers[index]

    def fits(neurons: int) -> bool:
        return _within([_core_use(0, qnet, index, neurons, chip, learning)], chip)

    largest = next((n for n in range(layer.size, 0, -1) if fits(n)), 0)
    if largest == 0:
        single = _core_use(0, qnet, index, 1, chip, learning)
        _check(name, "synapses of one neuron", single.in_axons, _limit(chip.core.fan_in), chip, "core.fan_in")
        _check(name, "in axons of one neuron", single.in_axons, single.in_axon_limit, chip, "core.in_axons")
        _check(name, "memory bits of one neuron", single.memory_bits, single.memory_limit, chip, "core.synaptic_memory")
    groups = -(-layer.size // largest)
    return [layer.size // groups + (1 if i < layer.size % groups else 0) for i in range(groups)]


def _check(where: str, resource: str, value: int, limit: int | None, chip: Profile, key: str) -> None:
    if limit is not None and value > limit:
        raise DoesNotFitError(
            f"{where}: {value} {resource}, limit {limit} (profile '{chip.name}', {key}); "
            f"at most {limit} fit: make the layers smaller or choose another profile"
        )


def estimate(placement: Placement, qnet: QuantizedNetwork, trace: Trace, steps: int, samples: int) -> Estimate:
    """Estimate energy and time of one sample from the activity of `trace` (`samples` samples of `steps` steps).

    Energy: neuron updates, spikes, synaptic operations and axon messages. Time: every step lasts as long as its busiest
    core and one barrier. None where the profile has no figures. Learning is not included: no energy of learning is
    published.
    """
    chip, run_steps = qnet.profile.energy, qnet.clock.run_steps(steps)
    spikes = {name: rate * run_steps * _size(qnet, name) for name, rate in trace.rates.items()}
    operations = trace.synaptic_operations / samples
    messages = sum(
        spikes[use.layer] * use.out_axons / use.neurons * use.neurons / _size(qnet, use.layer)
        for use in placement.cores
        if use.layer in spikes
    )
    neurons = sum(use.neurons for use in placement.cores)
    if chip.neuron_update is None or chip.synapse is None or chip.spike_out is None or chip.axon_out is None:
        return Estimate(None, None, messages / run_steps, operations, "the profile has no published energy figures")
    energy = (
        neurons * run_steps * chip.neuron_update.value
        + sum(spikes.values()) * chip.spike_out.value
        + operations * chip.synapse.value
        + messages * chip.axon_out.value
    )
    note = f"estimate for inference after {chip.synapse.source}; learning not included"
    return Estimate(
        energy / 1e3, _time(placement, qnet, spikes, operations, run_steps), messages / run_steps, operations, note
    )


def _size(qnet: QuantizedNetwork, name: str) -> int:
    return next(layer.size for i, layer in enumerate(qnet.layers) if qnet.name(i) == name)


def _time(
    placement: Placement, qnet: QuantizedNetwork, spikes: dict[str, float], operations: float, run_steps: int
) -> float | None:
    """Return microseconds of a sample; synaptic operations are shared among cores by their synapses."""
    chip = qnet.profile.energy
    if (
        chip.neuron_update_time is None
        or chip.synapse_time is None
        or chip.spike_out_time is None
        or chip.barrier_time is None
    ):
        return None
    synapses = sum(use.synapses for use in placement.cores)
    duration: dict[int, float] = defaultdict(float)
    for use in placement.cores:
        fired = spikes.get(use.layer, 0.0) / run_steps * use.neurons / _size(qnet, use.layer)
        read = operations / run_steps * use.synapses / synapses
        busy = use.neurons * chip.neuron_update_time.value + fired * chip.spike_out_time.value
        duration[use.core] += busy + read * chip.synapse_time.value
    return run_steps * (max(duration.values()) + chip.barrier_time.value) / 1e3
