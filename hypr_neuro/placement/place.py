"""Placement: which neurons go on which core, what that uses of each limit, and what a sample costs.

A layer is split into equal groups of neurons, as few as the limits allow. A core that holds n neurons of a layer
receives one axon for each of the layer's inputs (the always-on line and, if recurrent, its own neurons included) and
stores that axon's synapses:

    bits of an axon = Σ over entries of ≤ 63 synapses: count · (weight bits + index bits) + 10, rounded up to 64

(format of nengo-loihi 1.1), index bits = ⌈log2 n⌉. Learning takes what `learning_memory` counts, for the synapses,
neurons and axons of each core.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import DoesNotFitError
from hypr_neuro.graph.kinds import require
from hypr_neuro.placement.learning_memory import LayerMemory, Shape, memory_of
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.quantize import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.traces.trace import Trace

SYNAPSES_PER_ENTRY = 63
ENTRY_HEADER_BITS = 10
MEMORY_WORD_BITS = 64


@dataclass
class CoreUse:
    """One core: what it holds and what it uses; limits are None where the profile has none."""

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
    """cores in order of layers; `as_dict` is what the command line writes."""

    profile: str
    learning: bool
    cores: list[CoreUse] = field(default_factory=list)
    core_limit: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
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

    Raises DoesNotFitError naming layer, limit, the profile's key and what would fit.
    """
    require("qnet", qnet, QuantizedNetwork)
    chip = qnet.profile if profile is None else load_profile(profile)
    placement = Placement(chip.name, learning, core_limit=_limit(chip.chip.cores))
    groups = [_split(qnet, i, chip, learning) for i in range(len(qnet.layers))]
    for i, layer in enumerate(qnet.layers):
        # an output goes once to every core that reads it: the next layer's and, if recurrent, its own layer's
        targets = (len(groups[i + 1]) if i + 1 < len(groups) else 0) + (len(groups[i]) if layer.recurrent else 0)
        start = 0
        for size in groups[i]:
            use = _core_use(len(placement.cores), qnet, i, size, chip, learning)
            use.first_neuron, use.out_axons = start, size * targets
            _check(use.layer, "out axons", use.out_axons, use.out_axon_limit, chip, "core.out_axons")
            placement.cores.append(use)
            start += size
    needed = len(placement.cores)
    _check("network", "cores", needed, placement.core_limit, chip, "chip.cores")
    return placement


def _limit(quantity: Any) -> int | None:
    return None if quantity is None else int(quantity.value)


def _core_use(core: int, qnet: QuantizedNetwork, index: int, neurons: int, chip: Profile, learning: bool) -> CoreUse:
    """What `neurons` neurons of layer `index` take of a core."""
    name, layer = qnet.name(index), qnet.layers[index]
    axons = layer.input.mantissa.shape[1] + (layer.size if layer.recurrent is not None else 0)
    synapses = axons * neurons
    learning_bits = core_learning(qnet, index, neurons, chip).bits if learning else 0
    return CoreUse(
        core,
        name,
        0,
        neurons,
        synapses,
        axons,
        0,
        axons * axon_bits(neurons, chip.precision.weight_bits.value) + learning_bits,
        learning_bits,
        _limit(chip.core.neurons),
        _limit(chip.core.in_axons),
        _limit(chip.core.out_axons),
        _limit(chip.core.synaptic_memory),
    )


def core_learning(qnet: QuantizedNetwork, index: int, neurons: int, chip: Profile) -> LayerMemory:
    """Memory of learning on a core that holds `neurons` neurons of layer `index`; every weight learns.

    Momentum counts where the profile has room for it.

    Raises InputError, naming the layer, for a neuron that cannot learn.
    """
    shapes = []
    for i, layer in enumerate(qnet.layers):
        layer.model.require_learning(qnet.name(i))
        recurrent = layer.size if layer.recurrent is not None else 0
        held = neurons if i == index else layer.size
        shapes.append(Shape(layer.model, held, int(layer.input.mantissa.shape[1]), recurrent))
    return memory_of(shapes, chip, LearnOptions(momentum=1))[index]


def axon_bits(synapses: int, weight_bits: int) -> int:
    """Memory of one axon's synapses to `synapses` neurons of a core, in bits; see the module's docstring."""
    each = weight_bits + max(int(np.ceil(np.log2(max(synapses, 2)))), 1)
    full, rest = divmod(synapses, SYNAPSES_PER_ENTRY)
    entries = [SYNAPSES_PER_ENTRY] * full + ([rest] if rest else [])
    return sum(-(-(n * each + ENTRY_HEADER_BITS) // MEMORY_WORD_BITS) * MEMORY_WORD_BITS for n in entries)


def _split(qnet: QuantizedNetwork, index: int, chip: Profile, learning: bool) -> list[int]:
    """Sizes of the layer's groups: equal up to one, as few as possible."""
    name, layer = qnet.name(index), qnet.layers[index]

    def fits(neurons: int) -> bool:
        use = _core_use(0, qnet, index, neurons, chip, learning)
        pairs = (
            (use.neurons, use.neuron_limit),
            (use.in_axons, use.in_axon_limit),
            (use.in_axons, _limit(chip.core.fan_in)),
            (use.memory_bits, use.memory_limit),
        )
        return all(limit is None or value <= limit for value, limit in pairs)

    largest = next((n for n in range(layer.size, 0, -1) if fits(n)), 0)
    if largest == 0:
        one = _core_use(0, qnet, index, 1, chip, learning)
        _check(name, "synapses of one neuron", one.in_axons, _limit(chip.core.fan_in), chip, "core.fan_in")
        _check(name, "in axons of one neuron", one.in_axons, one.in_axon_limit, chip, "core.in_axons")
        _check(name, "memory bits of one neuron", one.memory_bits, one.memory_limit, chip, "core.synaptic_memory")
    count = -(-layer.size // largest)
    return [layer.size // count + (1 if i < layer.size % count else 0) for i in range(count)]


def _check(where: str, what: str, value: int, limit: int | None, chip: Profile, key: str) -> None:
    if limit is not None and value > limit:
        raise DoesNotFitError(
            f"{where}: {value} {what}, limit {limit} (profile '{chip.name}', {key}); "
            f"at most {limit} fit: make the layers smaller or choose another profile"
        )


def estimate(placement: Placement, qnet: QuantizedNetwork, trace: Trace, steps: int, samples: int) -> Estimate:
    """Energy and time of one sample from the activity of `trace` (a run of `samples` samples of `steps` steps).

    Energy: neuron updates, spikes, synaptic operations and axon messages. Time: every step lasts as long as its
    busiest core and one barrier. None where the profile has no figures. Learning is not included: no energy of
    learning is published.
    """
    chip, run_steps = qnet.profile.energy, steps + qnet.latency(len(qnet.layers) - 1)
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
    """Microseconds of a sample; synaptic operations are shared among cores by their synapses."""
    chip = qnet.profile.energy
    if (
        chip.neuron_update_time is None
        or chip.synapse_time is None
        or chip.spike_out_time is None
        or chip.barrier_time is None
    ):
        return None
    synapses = sum(use.synapses for use in placement.cores)
    slowest = 0.0
    for use in placement.cores:
        fired = spikes.get(use.layer, 0.0) / run_steps * use.neurons / _size(qnet, use.layer)
        read = operations / run_steps * use.synapses / synapses
        busy = use.neurons * chip.neuron_update_time.value + fired * chip.spike_out_time.value
        slowest = max(slowest, busy + read * chip.synapse_time.value)
    return run_steps * (slowest + chip.barrier_time.value) / 1e3
