"""From what a run sent and held in each step to the simulator's trace, for executors outside of this program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hypr_neuro.errors import InputError, among
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import names
from hypr_neuro.sim.delivery import deliveries
from hypr_neuro.sim.recorder import operations_of
from hypr_neuro.traces.trace import SPIKES, Trace


def recorded_states(network: IntegerNetwork, record: Sequence[str]) -> dict[str, list[str]]:
    """Return by population the states that `record` names; InputError for one that is unknown: "v", or "hidden/v"."""
    recorded = names("record", record)
    known = {SPIKES} | {state for p in network.populations for state in p.model.state_names}
    exact = {f"{p.name}/{state}" for p in network.populations for state in p.model.state_names}
    exact |= {f"{p.name}/{SPIKES}" for p in network.populations if not p.model.readout}
    for name in recorded:
        if name not in known | exact:
            raise InputError(
                f"record: unknown {among(name, sorted(known))}, of one population: "
                f"{network.populations[0].name}/{network.populations[0].model.state_names[0]}"
            )
    return {
        p.name: [state for state in p.model.state_names if state in recorded or f"{p.name}/{state}" in recorded]
        for p in network.populations
    }


def trace_of_rows(
    network: IntegerNetwork,
    x: Array,
    tail: int,
    record: Sequence[str],
    rows: Callable[[int], Array],
    events: Mapping[str, dict[str, int]],
) -> Trace:
    """Make the simulator's trace.

    Parameters
    ----------
    network, x, tail
        What ran, on which input (sample, T, channel), with so many steps behind it.
    record
        "spikes" and names of states, of one population "hidden/v".
    rows
        Of the population at a place: (sample, T + tail, states + 1, n), what it sends last; states only where some of
        them are recorded.
    events
        Counted, by population.
    """
    spikes: dict[str, Array] = {}
    numbers: dict[str, Array] = {}
    states: dict[str, dict[str, Array]] = {}
    outputs: dict[str, Array] = {}
    for i, (p, wanted) in enumerate(zip(network.populations, recorded_states(network, record).values(), strict=True)):
        values = np.ascontiguousarray(rows(i).swapaxes(0, 1))
        sent = np.ascontiguousarray(values[:, :, -1])
        if p.name in network.outputs:
            outputs[p.name] = sent
        if not p.model.readout:
            spikes[p.name] = sent.astype(np.int8)
        elif any(c.source == p.name for c in network.synapses):
            numbers[p.name] = sent
        if wanted:
            by_name = {s: np.ascontiguousarray(values[:, :, j]) for j, s in enumerate(p.model.state_names)}
            states[p.name] = {s: by_name[s] for s in wanted}
    return Trace(
        network.readout(outputs, tail),
        {name: z for name, z in spikes.items() if SPIKES in record or f"{name}/{SPIKES}" in record},
        states,
        dict(events),
        {name: float(z.sum(dtype=np.int64) / z.size) for name, z in spikes.items()},
        operations_of(deliveries(network), lambda source: (spikes | numbers).get(source, x)),
    )
