"""Any float network forward in time (equations in `graph.network`).

Sums run over the senders in their order, sample by sample, and states are computed one by one, so that results do not
depend on how samples are spread over threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.unrolled import LOAD, PICK, STORE
from hypr_neuro.run.convolution import convolution_delivery, reach_of
from hypr_neuro.run.forward import over_blocks
from hypr_neuro.run.recorded import SPIKES, FloatRun, checked_input, current_names, reserved

BLOCK = 64
"""Samples that run together."""


@cache
def rows_kernel() -> Callable[..., None]:
    """Compile the kernel (sent (batch, pre), rows (pre, n), arriving (batch, n)): arriving += sent · rows.

    Zeros are left out.
    """

    def kernel(sent, rows, arriving):
        for b in range(sent.shape[0]):
            for j in range(sent.shape[1]):
                if sent[b, j] != 0.0:
                    for i in range(rows.shape[1]):
                        arriving[b, i] += sent[b, j] * rows[j, i]

    return compile_kernel(kernel)


@cache
def sparse_kernel() -> Callable[..., None]:
    """Compile the kernel (sent (batch, pre), starts (pre+1,), post, weight, arriving (batch, n)), weights by sender."""

    def kernel(sent, starts, post, weight, arriving):
        for b in range(sent.shape[0]):
            for j in range(sent.shape[1]):
                if sent[b, j] != 0.0:
                    for k in range(starts[j], starts[j + 1]):
                        arriving[b, post[k]] += sent[b, j] * weight[k]

    return compile_kernel(kernel)


@cache
def neuron_kernel(model_name: str) -> Callable[..., None]:
    """Compile the kernel of one step of a population: state (d, batch, n) and output (batch, n) in place.

    The others are current (currents, batch, n) and p (parameters and coefficients, n).
    """
    model = get_model(model_name)
    step, d = model.float_step, model.d
    load_s, load_p, store, pick = LOAD[d], LOAD[model.float_count], STORE[d], PICK[model.currents]

    def kernel(state, output, current, p):
        for b in range(output.shape[0]):
            sample, arriving = state[:, b], current[:, b]
            for i in range(output.shape[1]):
                s, z = step(load_s(sample, i), output[b, i], pick(arriving, i), load_p(p, i))
                store(sample, i, s)
                output[b, i] = z

    return compile_kernel(kernel)


class _Connection:
    """Weights of one connection, ready for its kernel."""

    def __init__(self, graph: Network, c: FloatSynapses) -> None:
        self.source, self.lag, self.current = c.source, graph.lag(c), c.current
        weights: Any = c.weights
        self.dense, self.post = isinstance(weights, np.ndarray), c.shape[0]
        self.reach = reach_of(weights) if isinstance(weights, Convolution) else None
        if self.dense:
            self.rows = np.ascontiguousarray(weights.T)
        elif self.reach is not None:
            self.kernel = np.ascontiguousarray(weights.by_channel())
        else:
            columns = weights.tocsc()
            columns.sort_indices()
            self.parts = (columns.indptr.astype(np.int64), columns.indices.astype(np.int64), columns.data)

    def deliver(self, sent: Array, arriving: Array) -> None:
        """Add to arriving (batch, n) what sent (batch, pre) brings."""
        if self.dense:
            rows_kernel()(sent, self.rows, arriving)
        elif self.reach is not None:
            convolution_delivery()(sent.reshape(1, -1), self.kernel, self.reach, arriving.reshape(1, -1), self.post)
        else:
            sparse_kernel()(sent, *self.parts, arriving)


class _PopulationStepper:
    """One population of a block of samples: `state` (d, batch, n), `output` (batch, n)."""

    def __init__(self, graph: Network, population: FloatPopulation, batch: int) -> None:
        self.population, self.kernel = population, neuron_kernel(population.model.name)
        self.connections = [_Connection(graph, c) for c in graph.incoming(population.name)]
        self.parameters = population.float_matrix()
        self.state = np.zeros((population.model.d, batch, population.size))
        self.output = np.zeros((batch, population.size))
        self.current = np.zeros((population.model.currents, batch, population.size))

    def step(self, time: int, sent: dict[str, list[Array]]) -> None:
        """Compute step `time`; sent[source][t] is what a source sent in step t, of which only the last ones remain."""
        self.current[...] = 0.0
        for first, bias in self.population.biases.items():
            if time >= first:
                self.current += bias.reshape(len(self.current), 1, -1)
        for c in self.connections:
            if time >= c.lag:
                c.deliver(sent[c.source][time - c.lag], self.current[c.current])
        self.kernel(self.state, self.output, self.current, self.parameters)

    def recorded(self, quantity: str) -> Array:
        """Return a state (batch, n), as the integers of the model hold it, or an input current, by name."""
        model = self.population.model
        if quantity in model.state_names:
            place = model.state_names.index(quantity)
            if model.after_reset is None:
                return np.asarray(self.state[place])
            return np.asarray(model.after_reset(tuple(self.state), self.output, tuple(self.parameters))[place])
        return np.asarray(self.current[current_names(model).index(quantity)])


class GraphRunner:
    """A graph running for a batch of samples, step by step."""

    def __init__(self, graph: Network, batch: int) -> None:
        self.graph, self.batch, self.time = graph, batch, 0
        self.populations = [_PopulationStepper(graph, p, batch) for p in graph.populations]
        self.keep = max([graph.lag(c) for c in graph.connections], default=0) + 1
        self.sent: dict[str, list[Any]] = {INPUT: []} | {p.name: [] for p in graph.populations}

    def step(self, x: Array) -> None:
        """Compute one step from x (batch, channel)."""
        self.sent[INPUT].append(np.ascontiguousarray(x, dtype=np.float64))
        for running in self.populations:
            running.step(self.time, self.sent)
            self.sent[running.population.name].append(running.output.copy())
        self.time += 1
        if self.time > self.keep:  # older ones are never asked for again
            for history in self.sent.values():
                history[self.time - 1 - self.keep] = None


def run_graph(
    net: Network,
    x: Array,
    record: Sequence[str] = (SPIKES,),
    on_block: Callable[[int, int], None] | None = None,
) -> FloatRun:
    """Run any network in float64, see `run_float`."""
    data = checked_input(net, x)
    recorded = reserved(net, record, data.shape[0], data.shape[1], np.float64)

    def run(first: int, stop: int) -> int:
        runner = GraphRunner(net, stop - first)
        for t in range(data.shape[1]):
            runner.step(data[first:stop, t])
            _take(runner, recorded, t, slice(first, stop))
        return stop

    for finished in over_blocks(len(data), BLOCK, run):
        if on_block is not None:
            on_block(finished, len(data))
    return recorded


def state_ranges(graph: Network, x: Array) -> dict[str, float]:
    """Return the largest magnitude of any state of each population over samples x."""
    data = checked_input(graph, x)
    largest = {p.name: 0.0 for p in graph.populations}
    runner = GraphRunner(graph, len(data))
    for t in range(data.shape[1]):
        runner.step(data[:, t])
        for running in runner.populations:
            name = running.population.name
            largest[name] = max(largest[name], float(np.abs(running.state).max()))
    return largest


def _take(runner: GraphRunner, recorded: FloatRun, t: int, samples: slice) -> None:
    by_name = {running.population.name: running for running in runner.populations}
    recorded.readout[samples, t] = np.concatenate([by_name[name].output for name in runner.graph.outputs], axis=1)
    for name, running in by_name.items():
        recorded.count(running.population, samples, running.output, (1,))
        if name in recorded.spikes:
            recorded.spikes[name][t, samples] = running.output
        for quantity, array in recorded.states.get(name, {}).items():
            array[t, samples] = running.recorded(quantity)
