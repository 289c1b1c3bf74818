"""What a run records, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hypr_neuro.errors import InputError, among
from hypr_neuro.graph.integer import IntegerNetwork, Population
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import names
from hypr_neuro.traces.trace import Trace

if TYPE_CHECKING:
    from hypr_neuro.sim.delivery import Delivery
    from hypr_neuro.sim.population import PopulationRun
    from hypr_neuro.sim.simulator import Simulator

SPIKES, CURRENT = "spikes", "current"


def recordable(population: Population) -> dict[str, tuple[str, int]]:
    """Return what can be recorded of a population: name to ("spikes", 0), ("state", index) or ("current", index)."""
    model = population.model
    names = {} if model.readout else {SPIKES: (SPIKES, 0)}
    names |= {name: ("state", j) for j, name in enumerate(model.state_names)}
    many = model.currents > 1
    return names | {f"{CURRENT}{c}" if many else CURRENT: (CURRENT, c) for c in range(model.currents)}


class Recorder:
    """Collects what was asked for, block by block; `states` and `currents` say of which populations."""

    def __init__(self, network: IntegerNetwork, samples: int, record: Sequence[str]) -> None:
        record = names("record", record)
        self.network, self.samples, self.steps = network, samples, 0
        self.requested = [self._of(p, record) for p in network.populations]
        _check_names(network, record)
        self.states = [any(kind == "state" for kind, _ in w.values()) for w in self.requested]
        self.currents = [any(kind == CURRENT for kind, _ in w.values()) for w in self.requested]
        self.blocks: list[dict[str, list[Array]]] = [{name: [] for name in w} for w in self.requested]
        self.outputs: dict[str, list[Array]] = {name: [] for name in network.outputs}
        self.operations, self.totals = 0, dict.fromkeys(self._spiking(), 0)

    def _spiking(self) -> list[str]:
        return [p.name for p in self.network.populations if not p.model.readout]

    def _of(self, p: Population, record: Sequence[str]) -> dict[str, tuple[str, int]]:
        return {name: at for name, at in recordable(p).items() if name in record or f"{p.name}/{name}" in record}

    def take(self, simulator: Simulator) -> None:
        """Copy what was asked for of the block that the simulator has just run."""
        self.steps += len(simulator.populations[0].outputs)
        for run, requested, blocks in zip(simulator.populations, self.requested, self.blocks, strict=True):
            shape = (-1, self.samples, run.population.size)
            for name, (kind, j) in requested.items():
                source = run.outputs if kind == SPIKES else run.states[:, j] if kind == "state" else run.currents[:, j]
                blocks[name].append(source.reshape(shape).astype(np.int8 if kind == SPIKES else source.dtype))
            if run.population.name in self.totals:
                self.totals[run.population.name] += _spikes(run)
        for name, sent in zip(self.outputs, simulator.outputs(), strict=True):
            self.outputs[name].append(sent.copy())
        self.operations += _synaptic_operations(simulator)

    def trace(self, simulator: Simulator, tail: int) -> Trace:
        """Join the blocks to a trace, the outputs shifted back by the `tail` steps that the last of them needs."""
        spikes: dict[str, Array] = {}
        states: dict[str, dict[str, Array]] = {}
        rates = {}
        for run, by_name in zip(simulator.populations, self.blocks, strict=True):
            p = run.population
            for name, blocks in by_name.items():
                if name == SPIKES:
                    spikes[p.name] = np.concatenate(blocks)
                else:
                    states.setdefault(p.name, {})[name] = np.concatenate(blocks)
            if p.name in self.totals:
                rates[p.name] = self.totals[p.name] / (self.steps * self.samples * p.size)
        outputs = {name: np.concatenate(blocks) for name, blocks in self.outputs.items()}
        return Trace(self.network.readout(outputs, tail), spikes, states, simulator.events(), rates, self.operations)


def _spikes(run: PopulationRun) -> int:
    """Count the spikes of the last block, several of a neuron in a step where it sends them."""
    several = bool(run.population.model.most_spikes)
    return int(run.outputs.sum(dtype=np.int64) if several else np.count_nonzero(run.outputs))


def _check_names(network: IntegerNetwork, record: Sequence[str]) -> None:
    known = {name for p in network.populations for name in recordable(p)}
    exact = {f"{p.name}/{name}" for p in network.populations for name in recordable(p)}
    for name in record:
        if name not in known | exact:
            raise InputError(
                f"record: unknown {among(name, sorted(known))}, of one population: "
                f"{network.populations[0].name}/{min(known)}"
            )


def _synaptic_operations(simulator: Simulator) -> int:
    """Count the weights read for what was sent in the last block."""

    def sent(source: str) -> Array:
        values = simulator.sent(source, 0)
        return values.reshape(len(values), simulator.batch, -1)

    return operations_of(simulator.deliveries, sent)


def operations_of(deliveries: Sequence[Delivery], sent: Callable[[str], Array]) -> int:
    """Count the weights read for a spike or a value that is not 0.

    sent : by name of a source what it sent (steps, sample, n), in any order of steps and samples
    """
    total = 0
    for delivery in deliveries:
        fan_out, values = delivery.fan_out, delivery.messages(sent(delivery.source))
        if isinstance(fan_out, int):
            total += int(np.count_nonzero(values)) * fan_out
        else:
            total += int(np.count_nonzero(values, axis=(0, 1)) @ fan_out)
    return total
