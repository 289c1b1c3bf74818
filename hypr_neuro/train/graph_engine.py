"""The engine of any network: populations and connections apart, in sub-sequences of λ steps.

Forward: populations that feed each other in a circle run together, in pieces as short as the shortest way back; all
others run a whole sub-sequence at once. Backward: learning signals go over forward connections,

    g_p,t = ∂L/∂z_p,t + Σ_{forward c: p→q} W_cᵀ (B_q C_q g_q)_{t + delay_c}

or, with error feedback, straight from the outputs. With delays a signal belongs to what a population sent some steps
before. Each population therefore learns its steps behind the input by as many steps as its longest way to an output
takes (`horizons`), the last steps of one sub-sequence are carried to the next, and the result does not depend on λ.
Eligibilities are carried as in `engine`. Where weights change inside a sequence, a step is learned over the weights of
the time at which its signals are complete.

Losses look at the output populations side by side: at the value of a readout, and of spiking outputs at a trace

    y_t = κ y_{t-1} + z_t

κ = 1 is the running count. A rule without the path `above` sends the error of a step to the spikes of that step alone;
with error feedback the eligibilities of spiking outputs are filtered by κ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import FloatType
from hypr_neuro.train.feedback import project
from hypr_neuro.train.float_connection import FloatConnection
from hypr_neuro.train.integer_forward import IntegerRun
from hypr_neuro.train.networks import returning
from hypr_neuro.train.noise import layer_noise
from hypr_neuro.train.population_engine import PopulationArrays, PopulationEngine, StepHistory

if TYPE_CHECKING:
    from hypr_neuro.train.setup import Setup


class OutputTrace:
    """What losses see of the outputs of a block: readouts as they are, spikes as a leaky trace."""

    def __init__(self, net: Network, batch: int, decay: float, above: bool) -> None:
        self.decay, self.above = decay, above
        outputs = [net.population(name) for name in net.outputs]
        self.sizes = [p.size for p in outputs]
        self.traces = [None if p.model.readout else np.zeros((batch, p.size)) for p in outputs]

    def values(self, outputs: Sequence[Array]) -> Array:
        """Return (λ, batch, outputs) for the outputs (λ, batch, n) of a sub-sequence."""
        parts = []
        for i, output in enumerate(outputs):
            trace, value = self.traces[i], output
            if trace is not None:
                value = np.array(output)
                for t in range(len(value)):
                    trace = self.decay * trace + value[t]
                    value[t] = trace
                self.traces[i] = trace
            parts.append(value)
        return np.concatenate(parts, axis=2)

    def signals(self, error: Array) -> Iterator[Array]:
        """Yield ∂L/∂z of each output population for ∂L/∂y (λ, batch, outputs)."""
        first = 0
        for trace, size in zip(self.traces, self.sizes, strict=True):
            signal = np.ascontiguousarray(error[:, :, first : first + size])
            if trace is not None and self.above:
                for t in range(len(signal) - 2, -1, -1):
                    signal[t] += self.decay * signal[t + 1]
            yield signal.reshape(len(error), -1)
            first += size


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


class GraphArrays:
    """A network's numbers as kernels take them."""

    def __init__(self, net: Network, dtype: FloatType, feedback_weights: Sequence[Array]) -> None:
        feedback: dict[FloatSynapses, Array] = dict(zip(returning(net), feedback_weights, strict=False))
        incoming = {p.name: list[FloatConnection]() for p in net.populations}
        for c, name in zip(net.connections, net.connection_names(), strict=True):
            incoming[c.target].append(FloatConnection(net, c, name, dtype, feedback.get(c)))
        self.populations = [PopulationArrays(p, incoming[p.name], dtype) for p in net.populations]
        self.circles = [([net.populations.index(net.population(name)) for name in c], n) for c, n in circles(net)]
        self.horizons = list(horizons(net).values())
        self.lags = max((net.lag(c) for c in net.connections), default=0)

    def engine(self, setup: Setup, samples: int, first: int) -> GraphEngine:
        """Make the engine of a block of samples."""
        return GraphEngine(self, setup, samples, first)


class GraphEngine:
    """A block of samples of any network; methods as of `setup.Engine`, populations by their place."""

    def __init__(self, arrays: GraphArrays, setup: Setup, samples: int, first: int) -> None:
        self.arrays, self.setup, self.samples, self.first = arrays, setup, samples, first
        self.restart()

    def restart(self) -> None:
        """Go back to the first step."""
        net, rule, arrays, setup, samples = self.setup.net, self.setup.rule, self.arrays, self.setup, self.samples
        self.time = self.steps = 0
        behind = self._horizons()
        past = max(behind) + arrays.lags + max(setup.delays)
        self.populations = [
            PopulationEngine(
                p,
                samples,
                rule,
                past,
                horizon=behind[i],
                delay=setup.delays[i],
                leak=self._leak(i),
                noise=layer_noise(setup, i, samples, self.first),
            )
            for i, p in enumerate(arrays.populations)
        ]
        self.input = StepHistory(past + 1, samples * net.inputs, dtype=setup.dtype)
        self.places = {p.population.name: i for i, p in enumerate(self.populations)}
        self.sources = {INPUT: self.input} | {p.population.name: p.outputs for p in self.populations}
        self.outputs = [self.populations[self.places[name]] for name in net.outputs]
        self.trace = OutputTrace(net, samples, setup.trace, rule.above)
        self.integers = None if setup.forward is None else IntegerRun(setup.forward, samples, setup.dtype)

    def _horizons(self) -> list[int]:
        """Return for each population the steps after which no more of its learning signals come."""
        if self._sends_down and self.setup.rule.forward:
            return self.arrays.horizons
        late = [0] * len(self.arrays.populations)
        for way in self.setup.ways:
            late[way.place] = max(late[way.place], way.delay)
        return late

    @property
    def _sends_down(self) -> bool:
        """Whether signals go from population to population."""
        return not (self.setup.rule.error_feedback or self.setup.rule.uses("error"))

    def _leak(self, place: int) -> float | None:
        """Return κ by which a population's eligibilities are filtered, None where they are not."""
        p = self.arrays.populations[place].population
        if not self.setup.rule.error_feedback:
            return None
        if p.name not in self.setup.net.outputs:
            return self.setup.leak
        return None if p.model.readout else self.setup.trace

    def run(self, x: Array, integers: Array | None = None) -> Array:
        """Run one sub-sequence (λ, batch, channel); return what losses see."""
        start, self.steps = self.time, len(x)
        self.time = stop = start + len(x)
        self.input.advance(start, len(x))
        for p in self.populations:
            p.advance(start, len(x))
        self.input.steps(start, stop)[...] = x.reshape(len(x), -1)
        if self.integers is not None:
            assert integers is not None
            self.integers.advance(integers, len(x))
            for i, p in enumerate(self.populations):
                p.take(start, stop, self.integers.steps(i), self.integers.before(i) if start == 0 else None)
        else:
            self._run_float(start, stop)
        return self.trace.values([p.outputs.steps(start, stop).reshape(len(x), self.samples, -1) for p in self.outputs])

    def _run_float(self, start: int, stop: int) -> None:
        for members, way_back in self.arrays.circles:
            for a, b in _pieces(start, stop, way_back):
                for i in members:
                    self.populations[i].run(a, b, self.sources)

    def sent(self, place: int) -> Array:
        """Return the outputs (λ, batch·n) of a population."""
        return self.populations[place].outputs.steps(self.time - self.steps, self.time)

    def noise(self, place: int) -> Array | None:
        """Return the noise on its currents, see `setup.Engine`."""
        p = self.populations[place]
        return None if p.noise is None else p.drawn.steps(self.time - self.steps, self.time)

    def learn(self, error: Array, rates: Mapping[int, Array], given: Mapping[int, Array] | None, *, last: bool) -> None:
        """Take learning signals, from the last population to the first."""
        start, stop = self.time - self.steps, self.time
        if given is None:
            for p, signal in zip(self.outputs, self.trace.signals(error), strict=True):
                p.signals.steps(start, stop)[...] += signal
            for way in self.setup.ways:
                first = max(start, way.delay)
                if first < stop:
                    to = self.populations[way.place].signals.steps(first - way.delay, stop - way.delay)
                    project(error[first - start :], way.matrix, to)
        for place, added in (rates if given is None else given).items():
            self.populations[place].signals.steps(start, stop)[...] += added
        if self.setup.rule.forward:
            self._learn(last)
        else:
            self._through_time()

    def finish(self) -> None:
        """Learn the steps whose signals are complete because nothing follows."""
        if self.setup.rule.forward:
            self._learn(last=True)

    def _learn(self, last: bool) -> None:
        for p in reversed(self.populations):
            start, end = p.learned, self.time if last else max(self.time - p.horizon, 0)
            if end <= start:
                continue
            down = p.learn(start, end, self.sources)
            for c in p.incoming if self._sends_down else ():
                if c.forward:
                    self._send_back(c, down, start, end)
            if not last:
                p.carry(start, end, self.sources)
            p.learned = end

    def _through_time(self) -> None:
        """Go back through the whole sequence, every path open."""
        for members, way_back in reversed(self.arrays.circles):
            adjoints = {i: self.populations[i].adjoint() for i in members}
            for start, end in reversed(_pieces(0, self.time, way_back)):
                for i in reversed(members):
                    p = self.populations[i]
                    signal = p.signals.steps(start, end)
                    down = p.back(start, end, signal, adjoints[i], p.gradient, self.sources)
                    for c in p.incoming:
                        self._send_back(c, down, start, end)

    def _send_back(self, c: FloatConnection, down: Sequence[Array], start: int, end: int) -> None:
        """Add what a target's steps start … end - 1 say to the signals of the steps in which the source sent.

        `down` holds what goes back from each of the target's currents.
        """
        first = max(start, c.lag)  # what was sent before the sequence began is nobody's
        if c.source != INPUT and first < end:
            to = self.populations[self.places[c.source]].signals.steps(first - c.lag, end - c.lag)
            c.feedback.feed_back(down[c.current][first - start :], to)

    def take_over(self, setup: Setup) -> None:
        """Go on with other weights."""
        assert isinstance(setup.arrays, GraphArrays)
        self.setup, self.arrays = setup, setup.arrays
        for p, arrays in zip(self.populations, setup.arrays.populations, strict=True):
            p.take_over(arrays, self.time)

    def gradients(self) -> Iterator[tuple[str, Iterable[Array]]]:
        """Yield names and the gradients of each sample."""
        for p in self.populations:
            yield from p.gradients()

    def close(self) -> None:
        """Do nothing: its memory is its own."""


def _pieces(start: int, stop: int, size: int) -> Sequence[tuple[int, int]]:
    """Cut the steps into pieces of `size`, 0 for one piece."""
    size = size or max(stop - start, 1)
    return [(a, min(a + size, stop)) for a in range(start, stop, size)]
