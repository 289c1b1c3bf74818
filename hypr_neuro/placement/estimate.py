"""Cost of a sample: energy and time from a placement, the activity of a run and the profile's published figures.

Counted for a sample of T steps, that takes T' = T + tail device steps:

    neuron updates           neurons · T'
    spikes                   of all neurons, each of several in a step; a number that is sent counts as one
    messages between cores   spikes · cores that read the neuron
    synaptic operations      weights read for a spike or an input that is not 0: Σ spikes · fan-out
    barriers                 T'

and learning, on top of that (a step of learning is a step of inference, too):

    eligibility updates      synapses that learn · states of their neuron · steps
    weight updates           synapses that learn · updates a sample
    parameter updates        neuron parameters that learn · updates a sample

Energy is the sum of count · figure. Time: each step lasts as long as its busiest core and a barrier.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.placement.accesses import accesses_of
from hypr_neuro.placement.cost import SAMPLE, STEP, Estimate, Operations, Phase, counted
from hypr_neuro.placement.place import Placement, learning_plan, place
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.profiles.quantity import Quantity
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.simulator import Simulator
from hypr_neuro.traces.trace import Trace

MOST_SAMPLES = 32
"""Samples of a data set that are run to learn of its activity."""
NOT_IN_ANY = "static power, input and output of the chip"


@dataclass(frozen=True)
class Activity:
    """What a network did in one sample, or does at most in one step.

    Attributes
    ----------
    steps
        Steps of the sample, 0 of a step alone.
    run_steps
        Device steps.
    spikes
        By population, those of all its neurons.
    synaptic_operations
        Weights read for them and for the input.
    """

    steps: int
    run_steps: int
    spikes: dict[str, float]
    synaptic_operations: float


def estimate_network(
    network: QuantizedNetwork,
    data: SequenceData | Array | None = None,
    profile: Profile | str | Path | None = None,
    *,
    learning: bool | LearnOptions = True,
    technology: str = "",
) -> Estimate:
    """Estimate energy and time of one sample, of inference and of learning.

    Parameters
    ----------
    network : QuantizedNetwork
        Any.
    data : SequenceData or array (sample, T, channel), optional
        Whose activity is run in the simulator: the first 32 samples of the test part, all of an array. Without data
        the counts are those of one step in which every input and every neuron sends, a bound from above.
    profile
        The chip; by default the one that the network was quantized for.
    learning : bool or LearnOptions
        How it learns, as of `hn.place`; True leaves learning out of a network that cannot.
    technology
        Name of a set of figures for accesses to memory, "generic_45nm"; "" for the profile's own.

    Returns
    -------
    Estimate
        Counts, figures, sums and what they leave out; None, printed as unknown, where the profile has no figures.

    Raises
    ------
    InputError
        For another kind of network, data and options that do not fit it, and a set of figures that is none.
    DoesNotFitError
        For a network that the chip does not hold without learning.
    """
    require("network", network, QuantizedNetwork)
    chip = network.profile if profile is None else load_profile(profile)
    return _estimate(replace(network, profile=chip), activity(network, data), learning, technology)


def estimate_run(qnet: QuantizedNetwork, trace: Trace, steps: int, samples: int) -> Estimate:
    """Estimate what `estimate_network` does from a trace of `samples` samples of `steps` steps."""
    return _estimate(qnet, activity_of(qnet, trace, steps, samples), True)


def _estimate(qnet: QuantizedNetwork, seen: Activity, learning: bool | LearnOptions, technology: str = "") -> Estimate:
    """Place a network and return what the activity costs; say why learning is left out where True was asked for."""
    plan: LearningPlan | None = None
    missing: tuple[str, ...] = ()
    try:
        plan = learning_plan(qnet, qnet.profile, learning)
    except InputError as error:
        if learning is not True:
            raise
        missing = (f"learning ({_first(error)})",)
    try:
        placement = place(qnet, learning=False if plan is None else plan.options)
    except DoesNotFitError as error:
        placement, missing = place(qnet), (f"learning, which does not fit ({_first(error)})",)
        plan = None
    found = cost_of(placement, qnet, seen, plan, technology)
    return replace(found, leaves_out=found.leaves_out + missing)


def _first(error: Exception) -> str:
    """Return what an error says, without its remedy."""
    return str(error).split(";")[0]


def estimate_placed(
    placement: Placement,
    qnet: QuantizedNetwork,
    data: SequenceData | Array | None,
    learning: bool | LearnOptions,
    technology: str = "",
) -> Estimate:
    """Estimate a network that is placed already, on the profile of `qnet`; arguments as of `estimate_network`."""
    return cost_of(placement, qnet, activity(qnet, data), learning_plan(qnet, qnet.profile, learning), technology)


def activity(network: QuantizedNetwork, data: SequenceData | Array | None) -> Activity:
    """Return what the network does in a sample of the data, without any at most in a step."""
    if data is None:
        return largest_activity(network)
    if isinstance(data, SequenceData):
        part = data.part("test") if np.any(data.split == "test") else data
        data = part.take(np.arange(min(MOST_SAMPLES, len(part)))).x
    x = np.asarray(data)
    return activity_of(network, simulate(network, x), x.shape[1], len(x))


def estimate(placement: Placement, qnet: QuantizedNetwork, trace: Trace, steps: int, samples: int) -> Estimate:
    """Estimate inference of one sample from the activity of `trace` (`samples` samples of `steps` steps)."""
    return cost_of(placement, qnet, activity_of(qnet, trace, steps, samples), None)


def activity_of(qnet: QuantizedNetwork, trace: Trace, steps: int, samples: int) -> Activity:
    """Return what the network did in a sample on average."""
    run_steps = qnet.clock.run_steps(steps)
    numbers = {c.source for c in qnet.connections if c.message_shift is not None}
    rates = trace.rates | {name: min(trace.rates.get(name, 1.0), 1.0) for name in numbers}
    spikes = {name: rate * run_steps * qnet.size(name) for name, rate in rates.items()}
    return Activity(steps, run_steps, spikes, trace.synaptic_operations / samples)


def largest_activity(qnet: QuantizedNetwork) -> Activity:
    """Return what the network does in a step in which every input and every neuron sends."""
    simulator = Simulator(qnet.integer(), 1)
    operations = sum(
        d.fan_out * d.shape[0] if isinstance(d.fan_out, int) else int(d.fan_out.sum()) for d in simulator.deliveries
    )
    sources = {c.source for c in qnet.connections} | {p.name for p in qnet.populations if not p.model.readout}
    spikes = {p.name: float(p.size) for p in qnet.populations if p.name in sources}
    return Activity(0, 1, spikes, float(operations))


def cost_of(
    placement: Placement, qnet: QuantizedNetwork, seen: Activity, plan: LearningPlan | None, technology: str = ""
) -> Estimate:
    """Return what the activity costs on the profile of `qnet`, and what learning by `plan` adds.

    technology : of the figures of memory, see `placement.accesses`
    """
    chip, run_steps = qnet.profile, seen.run_steps
    sizes = population_sizes(placement)
    messages = sum(
        seen.spikes[use.layer] * use.out_axons / sizes[use.layer] for use in placement.cores if use.layer in seen.spikes
    )
    neurons = sum(p.size for p in qnet.populations)
    operations = (
        Operations.of("neuron updates", neurons * run_steps, chip, "neuron_update"),
        Operations.of("spikes", sum(seen.spikes.values()), chip, "spike_out"),
        Operations.of("messages between cores", messages, chip, "axon_out", timed=False),
        Operations.of("synaptic operations", seen.synaptic_operations, chip, "synapse"),
        Operations.of("barriers", run_steps, chip, "barrier"),
    )
    inference = Phase(operations, _inference_energy(operations), _inference_time(placement, chip, seen))
    learning = None if plan is None else _learning(placement, chip, seen, plan)
    learned = () if learning is None else learning.operations
    times = None if plan is None else (plan, *_steps_and_updates(plan, seen))
    return Estimate(
        profile=chip.name,
        per=SAMPLE if seen.steps else STEP,
        steps=run_steps,
        inference=inference,
        learning=learning,
        spikes_between_cores=messages / run_steps,
        accesses=accesses_of(placement, qnet, run_steps, seen.synaptic_operations, times, technology),
        leaves_out=(*_without_figure((*operations[:-1], *learned)), *_left_out(placement, chip), NOT_IN_ANY),
        chips=_chips(chip),
        sources=_sources(chip),
    )


def population_sizes(placement: Placement) -> Counter[str]:
    """Return the neurons of each population."""
    sizes: Counter[str] = Counter()
    for use in placement.cores:
        sizes[use.layer] += use.neurons
    return sizes


def _inference_energy(operations: Iterable[Operations]) -> float | None:
    """Add up nJ; None unless neurons and synapses have figures, without which a sum says nothing."""
    by_name = {o.name: o.energy_nj for o in operations}
    if by_name["neuron updates"] is None or by_name["synaptic operations"] is None:
        return None
    return sum(value for value in by_name.values() if value is not None)


def _inference_time(placement: Placement, chip: Profile, seen: Activity) -> float | None:
    """Return microseconds; synaptic operations are shared among cores by their synapses."""
    figures = chip.energy
    if figures.neuron_update_time is None or figures.synapse_time is None or figures.barrier_time is None:
        return None
    spike_time = 0.0 if figures.spike_out_time is None else figures.spike_out_time.value
    sizes, run_steps = population_sizes(placement), seen.run_steps
    synapses = max(sum(use.synapses for use in placement.cores), 1)
    duration: dict[int, float] = defaultdict(float)
    for use in placement.cores:
        fired = seen.spikes.get(use.layer, 0.0) / run_steps * use.neurons / sizes[use.layer]
        read = seen.synaptic_operations / run_steps * use.synapses / synapses
        busy = use.neurons * figures.neuron_update_time.value + fired * spike_time
        duration[use.core] += busy + read * figures.synapse_time.value
    return run_steps * (max(duration.values()) + figures.barrier_time.value) / 1e3


def _learning(placement: Placement, chip: Profile, seen: Activity, plan: LearningPlan) -> Phase:
    """Return what learning adds; energy and time are those of weight updates alone, which some profiles have."""
    steps, updates = _steps_and_updates(plan, seen)
    synapses = {layer.index: sum(int(c.weights().size) for c in layer.incoming if c.learns) for layer in plan.layers}
    eligibilities = sum(synapses[layer.index] * layer.model.d for layer in plan.layers)
    parameters = sum(len(layer.parameters) * layer.size for layer in plan.layers)
    changed = Operations.of("weight updates", sum(synapses.values()) * updates, chip, "weight_update")
    operations = (
        Operations("eligibility updates", float(eligibilities * steps), None, None),
        changed,
        Operations("parameter updates", parameters * updates, None, None),
    )
    time = None
    if changed.time_ns is not None:
        on_core: Counter[int] = Counter()
        for use in placement.cores:
            on_core[use.core] += sum(c.synapses for c in use.connections if c.learns)
        time = max(on_core.values(), default=0) * updates * changed.time_ns / 1e3
    return Phase(operations, changed.energy_nj, time)


def _steps_and_updates(plan: LearningPlan, seen: Activity) -> tuple[int, float]:
    """Return in how many steps a sample is learned from, and how many updates it has."""
    options = plan.options
    steps = plan.clock.learning_steps(seen.steps) if seen.steps else 1
    return steps, (steps if options.update_on == "step" else 1) / options.update_every


def _without_figure(operations: Iterable[Operations]) -> list[str]:
    """Name the operations that no published figure prices."""
    return [f"{o.name} ({counted(o.count)}, no figure)" for o in operations if o.count and o.energy_pj is None]


def _left_out(placement: Placement, chip: Profile) -> list[str]:
    return ["hops between tiles"] if chip.energy.axon_out is not None and placement.used > 1 else []


def _chips(chip: Profile) -> tuple[str, ...]:
    return tuple(dict.fromkeys(q.chip for q in _figures(chip) if q.chip is not None))


def _sources(chip: Profile) -> tuple[str, ...]:
    """Return the sources of all figures; of one table what stands before the colon, once."""
    return tuple(dict.fromkeys(q.source.split(": ")[0] for q in _figures(chip)))


def _figures(chip: Profile) -> list[Quantity[float]]:
    """Return the figures of operations; those of memory are told with the accesses."""
    return [q for key, q in chip.energy if q is not None and not key.startswith("memory_")]
