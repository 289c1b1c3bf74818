"""A graph that runs forward and gives gradients, for a block of samples, in sub-sequences of λ steps.

Forward: populations that feed each other in a circle run together, in pieces as short as the shortest way back; all
others run a whole sub-sequence at once. Backward: learning signals go over forward connections,

    g_p,t = ∂L/∂z_p,t + Σ_{forward c: p→q} W_cᵀ (B_q C_q g_q)_{t + delay_c}

so with delays a signal belongs to what a population sent some steps before. Each population therefore learns its steps
behind the input by as many steps as its longest way to an output takes (`horizon`), the last steps of one sub-sequence
are carried to the next, and the result does not depend on λ. Eligibilities are carried as in `engine`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.convolution import (
    convolution_delivery,
    convolution_feedback,
    convolution_gradient,
    reach_of,
    synapses_of,
)
from hypr_neuro.run.forward import FloatType
from hypr_neuro.train import graph_kernels as kernels
from hypr_neuro.train.rules.base import Rule


class FloatConnection:
    """One connection as kernels take it.

    Attributes
    ----------
    name : str
        That of its gradient.
    source, target : str
        Populations, or the input.
    lag : int
        Steps from sending to arriving.
    forward : bool
        Whether it carries learning signals by every rule.
    """

    def __init__(self, graph: Network, c: FloatSynapses, name: str, dtype: FloatType) -> None:
        self.name, self.source, self.target, self.shape = name, c.source, c.target, c.shape
        self.lag, self.forward = graph.lag(c), graph.forward(c)
        weights: Any = c.weights
        self.dense = isinstance(weights, np.ndarray)
        self.convolution = weights if isinstance(weights, Convolution) else None
        if self.dense:
            self.weights = np.ascontiguousarray(weights, dtype)
            self.rows = np.ascontiguousarray(weights.T, dtype)
            return
        if self.convolution is not None:
            self.kernel = np.ascontiguousarray(self.convolution.by_channel(), dtype)
            self.reach = reach_of(self.convolution)
            return
        csr = weights.tocsr()
        csr.sort_indices()
        # the place of each weight, sorted by sender, among the stored ones of the rows
        places = csr.astype(np.int64)
        places.data = np.arange(csr.nnz)
        columns = places.tocsc()
        columns.sort_indices()
        self.order = columns.data
        self.starts, self.post = columns.indptr.astype(np.int64), columns.indices.astype(np.int64)
        self.stored = csr.data[self.order].astype(dtype)

    def deliver(self, sent: Array, current: Array) -> None:
        """Add to current (λ, batch·n) what sent (λ, batch·pre) brings."""
        if self.dense:
            kernels.dense_delivery()(sent, self.rows, current)
        elif self.convolution is not None:
            convolution_delivery()(sent, self.kernel, self.reach, current, self.shape[0])
        else:
            kernels.sparse_delivery()(sent, self.starts, self.post, self.stored, current, self.shape[0])

    def feed_back(self, signal: Array, to: Array) -> None:
        """Add to `to` (λ, batch·pre) the signals (λ, batch·n) of the target, over the weights."""
        if self.dense:
            kernels.dense_feedback()(signal, self.weights, to)
        elif self.convolution is not None:
            convolution_feedback()(signal, self.kernel, self.reach, to, self.shape[0])
        else:
            kernels.sparse_feedback()(signal, self.starts, self.post, self.stored, to, self.shape[0])

    def zeros(self, batch: int, dtype: FloatType, by_synapse: bool) -> Array:
        """Return an empty sum for each sample.

        (batch, pre, n), (batch, stored) in the order of senders, or of a kernel (batch, channels, taps, reached); with
        `by_synapse` each synapse of a convolution has its own, since eligibilities belong to a neuron.
        """
        if self.dense:
            return np.zeros((batch, *self.rows.shape), dtype)
        if self.convolution is None:
            return np.zeros((batch, len(self.stored)), dtype)
        return np.zeros((batch, len(self._synapses[1])) if by_synapse else (batch, *self.kernel.shape), dtype)

    @cached_property
    def _synapses(self) -> tuple[Array, Array, Array]:
        """Of a convolution: where each sender's synapses start, their neurons, and their entries of the kernel."""
        return synapses_of(self.reach, *self.kernel.shape[1:])

    def add_gradient(self, sent: Array, signal: Array, to: Array) -> None:
        """Add Σ_t signal_t ⊗ sent_t to `to`, sample by sample."""
        if self.dense:
            kernels.dense_gradient()(sent, signal, to)
        elif self.convolution is None:
            kernels.sparse_gradient()(sent, signal, self.starts, self.post, to, self.shape[0])
        elif to.ndim == 2:
            kernels.sparse_gradient()(sent, signal, *self._synapses[:2], to, self.shape[0])
        else:
            convolution_gradient()(sent, signal, self.reach, to, self.shape[0])

    def add_carried(self, neuron: Array, eligibility: Array, to: Array) -> None:
        """Add the numbers of the target's neurons (batch, n) times eligibilities, of the form of `zeros`, to a sum."""
        if self.dense:
            to += neuron[:, None, :] * eligibility
        elif self.convolution is None:
            to += neuron[:, self.post] * eligibility
        else:
            _, post, entry = self._synapses
            moved = neuron[:, post] * eligibility
            if to.ndim == 2:
                to += moved
                return
            for total, one in zip(to, moved, strict=True):
                np.add(total, np.bincount(entry, one, total.size).reshape(total.shape), out=total, casting="same_kind")

    def as_weights(self, total: Array) -> Array:
        """Return one sample's sum in the form of the weights: (n, pre), or one a stored weight."""
        if self.dense:
            return np.ascontiguousarray(total.T)
        if self.convolution is not None:
            return self.convolution.from_channels(total)
        result = np.empty_like(total)
        result[self.order] = total
        return result


class PopulationSums:
    """What backward passes of a population add to, for each sample."""

    def __init__(self, population: PopulationEngine, by_synapse: bool = False) -> None:
        batch, n, dtype = population.batch, population.n, population.dtype
        self.weights = [c.zeros(batch, dtype, by_synapse) for c in population.incoming]
        self.biases = [np.zeros(batch * n, dtype) for _ in population.biases]
        self.params = np.zeros((len(population.model.trainable), batch * n), dtype)

    def arrays(self) -> Iterator[Array]:
        """Yield every array."""
        yield from self.weights
        yield from self.biases
        yield self.params


class StepHistory:
    """Numbers of some steps (rows, size), from `first` on; step t stands in row t - first."""

    def __init__(self, past: int, steps: int, *size: int, dtype: FloatType) -> None:
        self.past, self.first = past, -past
        self.rows = np.zeros((past + steps, *size), dtype)

    def steps(self, start: int, stop: int) -> Array:
        """Return the steps start … stop - 1; none before the first row is asked for."""
        return self.rows[start - self.first : stop - self.first]

    def advance(self, steps: int) -> None:
        """Let the oldest `steps` rows go, and make as many new ones, 0."""
        kept = len(self.rows) - steps
        self.rows[:kept] = self.rows[steps:].copy()
        self.rows[kept:] = 0.0
        self.first += steps


class PopulationEngine:
    """One population of a block of samples.

    Attributes
    ----------
    horizon : int
        Steps by which its learning is behind the input.
    outputs, states, currents, signals : StepHistory
        Of the last steps; signals are ∂L/∂z as far as it is known.
    learned : int
        Steps that its gradient holds.
    gradient : PopulationSums
    eligibility : list of PopulationSums
        As in `engine.LayerEngine`.
    """

    def __init__(
        self,
        population: FloatPopulation,
        incoming: list[FloatConnection],
        batch: int,
        rule: Rule,
        horizon: int,
        past: int,
        steps: int,
        dtype: FloatType,
    ) -> None:
        self.population, self.model, self.incoming, self.batch = population, population.model, incoming, batch
        self.n, self.dtype, self.horizon, self.rule = population.size, dtype, horizon, rule
        self.precision = np.dtype(dtype).name
        self.params = np.tile(population.float_matrix().astype(dtype), batch)
        self.biases = {first: np.tile(bias.astype(dtype), batch) for first, bias in population.biases.items()}
        size = batch * self.n
        # one more step: a step starts from the states and the output before it
        self.states = StepHistory(past + 1, steps, self.model.d, size, dtype=dtype)
        self.outputs = StepHistory(past + 1, steps, size, dtype=dtype)
        self.currents = StepHistory(past, steps, size, dtype=dtype)
        self.signals = StepHistory(past, steps, size, dtype=dtype)
        self.learned = 0
        self.gradient, self.eligibility = PopulationSums(self), list[PopulationSums]()
        spike_returns = rule.own_spike and self.model.float_spike_jacobian is not None
        self.carried = self.model.d + int(spike_returns)
        self._stage = kernels.adjoint_stage(self.model.name, self.precision, rule.own_spike, rule.recurrent, False)

    def histories(self) -> tuple[StepHistory, ...]:
        """Return what moves on from one sub-sequence to the next."""
        return self.states, self.outputs, self.currents, self.signals

    def run(self, start: int, stop: int, sent: dict[str, StepHistory]) -> None:
        """Compute the steps start … stop - 1 from what the sources have sent."""
        current = self.currents.steps(start, stop)
        current[...] = 0.0
        for first, bias in self.biases.items():
            current[max(first - start, 0) :] += bias
        for c in self.incoming:
            c.deliver(sent[c.source].steps(start - c.lag, stop - c.lag), current)
        states, outputs = self.states.steps(start - 1, stop), self.outputs.steps(start - 1, stop)
        kernels.state_stage(self.model.name, self.precision)(current, states, outputs, self.params)

    def adjoint(self) -> Array:
        """Return zeros for what later steps say: one row a state, one for the spike."""
        return np.zeros((self.model.d + 1, self.batch * self.n), self.dtype)

    def back(
        self, start: int, stop: int, signal: Array, adjoint: Array, to: PopulationSums, sent: dict[str, StepHistory]
    ) -> Array:
        """Take the signals of the steps start … stop - 1 to the sums; return what goes down forward connections."""
        by_current, down = np.empty_like(signal), np.empty_like(signal)
        self._stage(
            self.currents.steps(start, stop),
            self.states.steps(start - 1, stop),
            self.outputs.steps(start - 1, stop),
            self.params,
            signal,
            adjoint,
            by_current,
            down,
            to.params,
            self.dtype(0.0),
        )
        for total, first in zip(to.biases, self.biases, strict=True):
            for row in by_current[max(first - start, 0) :][::-1]:
                np.add(total, row, out=total)
        for c, total in zip(self.incoming, to.weights, strict=True):
            c.add_gradient(sent[c.source].steps(start - c.lag, stop - c.lag), by_current, total)
        return down

    def add_carried(self, adjoint: Array, to: PopulationSums) -> None:
        """Add Σ_j adjoint_j · ε_j to the sums."""
        for j, sums in enumerate(self.eligibility):
            neuron = adjoint[j].reshape(self.batch, self.n)
            for c, total, e in zip(self.incoming, to.weights, sums.weights, strict=True):
                c.add_carried(neuron, e, total)
            for total, e in zip(to.biases, sums.biases, strict=True):
                np.add(total, adjoint[j] * e, out=total)
            to.params += adjoint[j] * sums.params

    def carry(self, start: int, stop: int, sent: dict[str, StepHistory]) -> None:
        """Move the eligibilities on by the steps start … stop - 1."""
        silent = np.zeros_like(self.signals.steps(start, stop))
        moved = []
        for j in range(self.carried):
            adjoint, sums = self.adjoint(), PopulationSums(self, by_synapse=True)
            adjoint[j] = 1.0
            self.back(start, stop, silent, adjoint, sums, sent)
            self.add_carried(adjoint, sums)
            moved.append(sums)
        self.eligibility = moved


def circles(graph: Network) -> list[tuple[list[str], int]]:
    """Split the populations into groups that feed each other, each with the steps of its shortest way back.

    Groups come in an order in which each finds what feeds it computed; a group that is no circle has 0 steps.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    place = {p.name: i for i, p in enumerate(graph.populations)}
    ends = [(place[c.source], place[c.target]) for c in graph.connections if c.source != INPUT]
    sources, targets = [a for a, _ in ends], [b for _, b in ends]
    links = csr_array((np.ones(len(ends)), (sources, targets)), shape=(len(place), len(place)))
    _, group = connected_components(links, connection="strong")
    waiting = {int(g): {int(group[a]) for a, b in ends if group[b] == g} - {int(g)} for g in group}
    names = list(place)
    result = []
    while waiting:
        g = min((g for g, before in waiting.items() if not before & waiting.keys()), key=lambda g: list(group).index(g))
        members = [name for name in names if group[place[name]] == g]
        backward = [
            graph.lag(c)
            for c in graph.connections
            if c.source in members and c.target in members and not graph.forward(c)
        ]
        result.append((members, min(backward, default=0)))
        del waiting[g]
    return result


def horizons(graph: Network) -> dict[str, int]:
    """Count for each population the steps after which no more of its learning signals come."""
    behind = {p.name: 0 for p in graph.populations}
    for p in reversed(graph.populations):
        ways = (graph.lag(c) + behind[c.target] for c in graph.connections if c.source == p.name and graph.forward(c))
        behind[p.name] = max(ways, default=0)
    return behind


class GraphEngine:
    """A block of samples of a graph on its way through a sequence.

    Parameters
    ----------
    graph : Network
        Its weights and parameters are read once.
    batch : int
        Samples.
    rule : Rule
        Whose paths count; without a hook for errors and without error feedback.
    steps : int
        λ, the most steps of a sub-sequence.
    dtype : type
        float32 or float64.
    """

    def __init__(self, graph: Network, batch: int, rule: Rule, steps: int, dtype: FloatType) -> None:
        self.graph, self.batch, self.rule, self.dtype, self.time = graph, batch, rule, dtype, 0
        names = graph.connection_names()
        incoming = {p.name: list[FloatConnection]() for p in graph.populations}
        for c, name in zip(graph.connections, names, strict=True):
            incoming[c.target].append(FloatConnection(graph, c, name, dtype))
        behind = horizons(graph) if rule.forward else {p.name: 0 for p in graph.populations}
        lags = max((graph.lag(c) for c in graph.connections), default=0)
        past = max(behind.values()) + lags
        self.populations = {
            p.name: PopulationEngine(p, incoming[p.name], batch, rule, behind[p.name], past, steps, dtype)
            for p in graph.populations
        }
        self.input = StepHistory(past + 1, steps, batch * graph.inputs, dtype=dtype)
        self.sent = {INPUT: self.input} | {name: p.outputs for name, p in self.populations.items()}
        self.circles = circles(graph)
        self.steps = steps

    def run(self, x: Array) -> dict[str, Array]:
        """Run one sub-sequence (λ, batch, channel); return the outputs of the graph's output populations."""
        start, stop = self.time, self.time + len(x)
        if start > 0:
            for history in (self.input, *(h for p in self.populations.values() for h in p.histories())):
                history.advance(start - history.first - history.past)
        self.input.steps(start, stop)[...] = x.reshape(len(x), -1)
        for members, way_back in self.circles:
            for a, b in _pieces(start, stop, way_back):
                for name in members:
                    self.populations[name].run(a, b, self.sent)
        self.time = stop
        shape = (len(x), self.batch, -1)
        return {name: self.populations[name].outputs.steps(start, stop).reshape(shape) for name in self.graph.outputs}

    def learn(self, signals: dict[str, Array], *, last: bool) -> None:
        """Take ∂L/∂z (λ, batch, n) of output populations in the steps just run; last : the sequence ends here."""
        stop = self.time
        for name, signal in signals.items():
            history = self.populations[name].signals
            history.steps(stop - len(signal), stop)[...] += signal.reshape(len(signal), -1)
        if not self.rule.forward:
            if not last or self.time > self.steps:
                raise InputError(f"rule '{self.rule.name}' goes back through the whole sequence; take it in one part")
            self._through_time(stop)
            return
        for p in reversed(self.populations.values()):
            start, end = p.learned, stop if last else max(stop - p.horizon, 0)
            if end <= start:
                continue
            adjoint = p.adjoint()
            down = p.back(start, end, p.signals.steps(start, end), adjoint, p.gradient, self.sent)
            if p.eligibility:
                p.add_carried(adjoint, p.gradient)
            for c in p.incoming:
                if c.forward and c.source != INPUT:
                    # what was sent before the sequence began is nobody's
                    first = max(start, c.lag)
                    if first < end:
                        to = self.populations[c.source].signals.steps(first - c.lag, end - c.lag)
                        c.feed_back(down[first - start :], to)
            if not last:
                p.carry(start, end, self.sent)
            p.learned = end

    def _through_time(self, stop: int) -> None:
        """Go back through the whole sequence, every path open."""
        for members, way_back in reversed(self.circles):
            adjoints = {name: self.populations[name].adjoint() for name in members}
            for start, end in reversed(_pieces(0, stop, way_back)):
                for name in reversed(members):
                    p = self.populations[name]
                    down = p.back(start, end, p.signals.steps(start, end), adjoints[name], p.gradient, self.sent)
                    for c in p.incoming:
                        first = max(start, c.lag)
                        if c.source != INPUT and first < end:
                            to = self.populations[c.source].signals.steps(first - c.lag, end - c.lag)
                            c.feed_back(down[first - start :], to)


def _pieces(start: int, stop: int, size: int) -> Sequence[tuple[int, int]]:
    """Cut the steps into pieces of `size`, 0 for one piece."""
    size = size or max(stop - start, 1)
    return [(a, min(a + size, stop)) for a in range(start, stop, size)]
