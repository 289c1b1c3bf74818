"""Samples through an integer network, and what is kept of the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.errors import InputError
from hypr_neuro.forward import chunks
from hypr_neuro.integer import HasInteger, IntegerNetwork, Population, as_integer
from hypr_neuro.sim.simulator import Simulator, check_values
from hypr_neuro.sim.trace import Trace

Array = NDArray[Any]
SPIKES, CURRENT = "spikes", "current"


def simulate(
    network: IntegerNetwork | HasInteger,
    x: Array,
    record: Sequence[str] = (),
    on_block: Callable[[int, int], None] | None = None,
    *,
    tail: int | None = None,
) -> Trace:
    """Run x (sample, T, channel) integers through the integer network, each sample from zero states.

    record : what to keep of every step, nothing else grows with T: "spikes", names of states ("u", "v", …) or
        "current" (with several inputs "current0", …), of all populations that have it, or "population/what" of one
    on_block : called with (steps done, steps in all)
    tail : steps without input at the end; by default those after which the readout of a quantized network has seen
        the whole sample, 0 for a network of integers. The trace's readout is shifted back by them

    Raises InputError for a wrong shape, values that are no integers, or sums that could leave 32 bits.
    """
    integer, tail = as_integer(network, tail)
    data = _checked(integer, x)
    recorder = _Recorder(integer, len(data), record)
    simulator = Simulator(integer, len(data))
    padded = np.concatenate([data.transpose(1, 0, 2), np.zeros((tail, *data.shape[::2]), data.dtype)])
    for part in chunks(len(padded), simulator.longest):
        simulator.block(padded[part], recorder.states, recorder.currents)
        recorder.take(simulator)
        if on_block is not None:
            on_block(part.stop, len(padded))
    return recorder.trace(simulator, tail)


def check_input(network: IntegerNetwork | HasInteger, x: Array) -> Array:
    """x as int32 (sample, T, channel), after the checks that `simulate` documents."""
    return _checked(as_integer(network)[0], x).astype(np.int32)


def _checked(integer: IntegerNetwork, x: Array) -> Array:
    data = np.asarray(x)
    if data.ndim != 3 or data.shape[2] != integer.inputs or 0 in data.shape:
        raise InputError(
            f"x of shape {data.shape}, rule: (sample, T, {integer.inputs}) for this network, none of them 0"
        )
    return check_values(integer, data)


def recordable(population: Population) -> dict[str, tuple[str, int]]:
    """What can be kept of a population: name to ("spikes", 0), ("state", index) or ("current", index)."""
    model = population.model
    found = {} if model.readout else {SPIKES: (SPIKES, 0)}
    found |= {name: ("state", j) for j, name in enumerate(model.state_names)}
    many = model.currents > 1
    return found | {f"{CURRENT}{c}" if many else CURRENT: (CURRENT, c) for c in range(model.currents)}


class _Recorder:
    """Collects what was asked for, block by block; `states` and `currents` say of which populations."""

    def __init__(self, network: IntegerNetwork, samples: int, record: Sequence[str]) -> None:
        self.network, self.samples, self.steps = network, samples, 0
        self.wanted = [self._of(p, record) for p in network.populations]
        _check_names(network, record)
        self.states = [any(kind == "state" for kind, _ in w.values()) for w in self.wanted]
        self.currents = [any(kind == CURRENT for kind, _ in w.values()) for w in self.wanted]
        self.kept: list[dict[str, list[Array]]] = [{name: [] for name in w} for w in self.wanted]
        self.outputs: list[Array] = []
        self.operations, self.totals = 0, dict.fromkeys(self._spiking(), 0)

    def _spiking(self) -> list[str]:
        return [p.name for p in self.network.populations if not p.model.readout]

    def _of(self, p: Population, record: Sequence[str]) -> dict[str, tuple[str, int]]:
        return {name: at for name, at in recordable(p).items() if name in record or f"{p.name}/{name}" in record}

    def take(self, simulator: Simulator) -> None:
        self.steps += len(simulator.populations[0].outputs)
        for run, wanted, kept in zip(simulator.populations, self.wanted, self.kept, strict=True):
            shape = (-1, self.samples, run.population.size)
            for name, (kind, j) in wanted.items():
                source = run.outputs if kind == SPIKES else run.states[:, j] if kind == "state" else run.currents[:, j]
                kept[name].append(source.reshape(shape).copy())
            if run.population.name in self.totals:
                self.totals[run.population.name] += int(np.count_nonzero(run.outputs))
        last = simulator.populations[-1]
        self.outputs.append(last.outputs.reshape(-1, self.samples, last.population.size).copy())
        self.operations += _synaptic_operations(simulator)

    def trace(self, simulator: Simulator, tail: int) -> Trace:
        spikes: dict[str, Array] = {}
        states: dict[str, dict[str, Array]] = {}
        rates, events = {}, {}
        for run, kept in zip(simulator.populations, self.kept, strict=True):
            p = run.population
            for name, blocks in kept.items():
                if name == SPIKES:
                    spikes[p.name] = np.concatenate(blocks)
                else:
                    states.setdefault(p.name, {})[name] = np.concatenate(blocks)
            events[p.name] = dict(zip(p.model.events, map(int, run.events.sum(axis=0)), strict=True))
            if p.name in self.totals:
                rates[p.name] = self.totals[p.name] / (self.steps * self.samples * p.size)
        readout = np.concatenate(self.outputs)[tail:].transpose(1, 0, 2)
        return Trace(readout, spikes, states, events, rates, self.operations)


def _check_names(network: IntegerNetwork, record: Sequence[str]) -> None:
    known = {name for p in network.populations for name in recordable(p)}
    exact = {f"{p.name}/{name}" for p in network.populations for name in recordable(p)}
    for name in record:
        if name not in known | exact:
            raise InputError(f"record: unknown '{name}', known: {', '.join(sorted(known))}, of one population: "
                             f"{network.populations[0].name}/{min(known)}")  # fmt: skip


def _synaptic_operations(simulator: Simulator) -> int:
    """Weights read for a spike or a value that is not 0 and that was sent in the last block."""
    total = 0
    for delivery in simulator.deliveries:
        fan_out, sent = delivery.fan_out(), simulator.sent(delivery.source, 0)
        if isinstance(fan_out, int):
            total += int(np.count_nonzero(sent)) * fan_out
        else:
            per_neuron = np.count_nonzero(sent, axis=0).reshape(simulator.batch, -1).sum(axis=0)
            total += int(per_neuron @ fan_out)
    return total
