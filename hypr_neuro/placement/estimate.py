"""Cost of a sample: energy and time from a placement, the activity of a run and the profile's published figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from hypr_neuro.placement.place import Placement
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.traces.trace import Trace


@dataclass
class Estimate:
    """Cost of one sample after the profile's published figures for one operation; an estimate, not a measurement."""

    energy_nj: float | None
    time_us: float | None
    spikes_between_cores: float
    synaptic_operations: float
    note: str


def estimate(placement: Placement, qnet: QuantizedNetwork, trace: Trace, steps: int, samples: int) -> Estimate:
    """Estimate energy and time of one sample from the activity of `trace` (`samples` samples of `steps` steps).

    Energy: neuron updates, spikes, synaptic operations and axon messages; all neurons of a population are taken to
    spike equally often, and those whose output is a number and feeds others to send in every step; several
    spikes of a step are one message. Time: every step
    lasts as long as its busiest core and one barrier. None where the profile has no figures. Learning is not included:
    no energy of learning is published.
    """
    chip, run_steps = qnet.profile.energy, qnet.clock.run_steps(steps)
    sizes = population_sizes(placement)
    senders = {c.source for c in qnet.connections if c.message_shift is not None}
    numbers = {name: min(trace.rates.get(name, 1.0), 1.0) for name in senders}
    spikes = {name: rate * run_steps * sizes[name] for name, rate in (trace.rates | numbers).items()}
    operations = trace.synaptic_operations / samples
    messages = sum(
        spikes[use.layer] * use.out_axons / sizes[use.layer] for use in placement.cores if use.layer in spikes
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


def population_sizes(placement: Placement) -> Counter[str]:
    """Return the neurons of each population."""
    sizes: Counter[str] = Counter()
    for use in placement.cores:
        sizes[use.layer] += use.neurons
    return sizes


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
    sizes = population_sizes(placement)
    synapses = max(sum(use.synapses for use in placement.cores), 1)
    duration: dict[int, float] = defaultdict(float)
    for use in placement.cores:
        fired = spikes.get(use.layer, 0.0) / run_steps * use.neurons / sizes[use.layer]
        read = operations / run_steps * use.synapses / synapses
        busy = use.neurons * chip.neuron_update_time.value + fired * chip.spike_out_time.value
        duration[use.core] += busy + read * chip.synapse_time.value
    return run_steps * (max(duration.values()) + chip.barrier_time.value) / 1e3
