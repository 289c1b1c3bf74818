"""One population in the engine of any network: its history, its gradient and its eligibilities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import FloatType
from hypr_neuro.train import graph_kernels as kernels
from hypr_neuro.train.float_connection import FloatConnection
from hypr_neuro.train.integer_forward import Steps
from hypr_neuro.train.noise import LayerNoise
from hypr_neuro.train.rules.base import Rule


class PopulationArrays:
    """A population's numbers as kernels take them, with the connections to it."""

    def __init__(self, population: FloatPopulation, incoming: list[FloatConnection], dtype: FloatType) -> None:
        self.population, self.incoming = population, incoming
        self.params = population.float_matrix().astype(dtype)
        self.biases = {first: bias.astype(dtype) for first, bias in population.biases.items()}


class PopulationSums:
    """What backward passes of a population add to, for each sample."""

    def __init__(self, population: PopulationEngine, by_synapse: bool = False) -> None:
        batch, n, dtype = population.batch, population.n, population.dtype
        self.weights = [c.zeros(batch, dtype, by_synapse) for c in population.incoming]
        self.biases = [np.zeros(population.current_size, dtype) for _ in population.biases]
        self.params = np.zeros((len(population.model.trainable), batch * n), dtype)


class StepHistory:
    """Numbers of the last steps (rows, size), from `first` on; step t stands in row t - first."""

    def __init__(self, past: int, *size: int, dtype: FloatType) -> None:
        self.past, self.first = past, -past
        self.rows = np.zeros((past, *size), dtype)

    def steps(self, start: int, stop: int) -> Array:
        """Return the steps start … stop - 1; none before the first row is asked for."""
        return self.rows[start - self.first : stop - self.first]

    def advance(self, start: int, steps: int) -> None:
        """Make room for so many steps from `start` on, 0 at first; of those before, the last `past` stay."""
        kept = self.steps(start - self.past, start).copy()
        if len(self.rows) != self.past + steps:
            self.rows = np.zeros((self.past + steps, *self.rows.shape[1:]), self.rows.dtype)
        self.rows[: self.past], self.rows[self.past :] = kept, 0.0
        self.first = start - self.past


class PopulationEngine:
    """One population of a block of samples.

    Parameters
    ----------
    arrays : PopulationArrays
    batch : int
        Samples.
    rule : Rule
        Whose paths the backward pass keeps.
    past : int
        Steps that are kept before those of a sub-sequence.
    horizon : int
        Steps by which its learning is behind the input.
    delay : int
        Steps by which signals arrive late.
    leak : float or None
        κ by which eligibilities are filtered, None where they are not.
    noise : LayerNoise or None
        On the currents.

    Attributes
    ----------
    outputs, states, currents, signals, drawn : StepHistory
        Of the last steps; signals are ∂L/∂z as far as it is known, `drawn` is the noise.
    current_size : tuple of int
        (batch·n,), of a model with several input currents (currents, batch·n).
    learned : int
        Steps that its gradient holds.
    gradient : PopulationSums
    eligibility : list of PopulationSums
        As in `engine.LayerEngine`.
    """

    def __init__(
        self,
        arrays: PopulationArrays,
        batch: int,
        rule: Rule,
        past: int,
        *,
        horizon: int = 0,
        delay: int = 0,
        leak: float | None = None,
        noise: LayerNoise | None = None,
    ) -> None:
        population, dtype = arrays.population, arrays.params.dtype.type
        self.population, self.model, self.batch, self.n = population, population.model, batch, population.size
        self.dtype, self.horizon, self.delay, self.noise = dtype, horizon, delay, noise
        self.precision, self.leak = np.dtype(dtype).name, dtype(0.0 if leak is None else leak)
        size, many = batch * self.n, self.model.currents
        self.current_size = (size,) if many == 1 else (many, size)
        # one more step: a step starts from the states and the output before it
        self.states = StepHistory(past + 1, self.model.d, size, dtype=dtype)
        self.outputs = StepHistory(past + 1, size, dtype=dtype)
        self.currents, self.signals = (StepHistory(past, *n, dtype=dtype) for n in (self.current_size, (size,)))
        # drawn sample by sample, the currents of one behind each other
        self.drawn = StepHistory(past, many * size, dtype=dtype)
        self.learned, self.eligibility = 0, list[PopulationSums]()
        self._params = list[tuple[int, Array]]()
        self.take_over(arrays, 0)
        through = (rule.own_spike and self.model.float_spike_jacobian is not None) or leak is not None
        self.of_current = rule.eligibility == "current"
        self.carried = 0 if self.of_current else self.model.d + int(through)
        self._stage = kernels.adjoint_stage(
            self.model.name, self.precision, rule.own_spike, rule.recurrent, leak is not None
        )

    def take_over(self, arrays: PopulationArrays, time: int) -> None:
        """Go on with other weights from step `time` on; the gradient starts anew, eligibilities stay.

        Steps that are not learned yet keep the parameters with which they were run.
        """
        self.incoming = arrays.incoming
        # of a bias (n,) or (currents, n): samples side by side
        self.biases = {first: np.tile(bias, self.batch) for first, bias in arrays.biases.items()}
        following = [first for first, _ in self._params[1:]] + [time]
        held = [entry for entry, end in zip(self._params, following, strict=False) if end > self.learned]
        self._params = [*held, (time, np.tile(arrays.params, self.batch))]
        self.gradient = PopulationSums(self)

    def advance(self, start: int, steps: int) -> None:
        """Make room for so many steps from `start` on."""
        for history in (self.states, self.outputs, self.currents, self.signals):
            history.advance(start, steps)
        if self.noise is not None:
            self.drawn.advance(start, steps)

    def run(self, start: int, stop: int, sent: Mapping[str, StepHistory]) -> None:
        """Compute the steps start … stop - 1 from what the sources have sent."""
        current = self.currents.steps(start, stop)
        current[...] = 0.0
        if self.noise is not None:
            self.noise.time = start
            self.noise.fill(self.drawn.steps(start, stop))
            current[...] = self._by_current(self.drawn.steps(start, stop))
        for first, bias in self.biases.items():
            current[max(first - start, 0) :] += bias
        arriving = self._apart(current)
        for c in self.incoming:
            c.deliver(sent[c.source].steps(start - c.lag, stop - c.lag), arriving[c.current])
        if len(arriving) > 1:
            current[...] = np.stack(arriving, axis=1)
        states, outputs = self.states.steps(start - 1, stop), self.outputs.steps(start - 1, stop)
        kernels.state_stage(self.model.name, self.precision)(current, states, outputs, self._params[-1][1])

    def take(self, start: int, stop: int, done: Steps, before: Array | None) -> None:
        """Hold what ran elsewhere in the steps start … stop - 1, and what was `sent` before the first one."""
        if before is not None and len(before):
            kept = before[-self.outputs.past :]
            self.outputs.steps(start - len(kept), start)[...] = kept
        self.currents.steps(start, stop)[...] = done.current
        self.states.steps(start - 1, stop)[...] = done.states
        self.outputs.steps(start - 1, stop)[...] = done.outputs

    def _apart(self, currents: Array) -> Sequence[Array]:
        """Return (λ, batch·n) for each input current: the array itself, of several currents copies."""
        if self.model.currents == 1:
            return (currents,)
        return [np.ascontiguousarray(currents[:, k]) for k in range(self.model.currents)]

    def _by_current(self, drawn: Array) -> Array:
        """Return noise as it was drawn in the form of the currents."""
        if self.model.currents == 1:
            return drawn
        steps = len(drawn)
        by_sample = drawn.reshape(steps, self.batch, self.model.currents, self.n)
        return np.asarray(by_sample.transpose(0, 2, 1, 3)).reshape(steps, *self.current_size)

    def adjoint(self) -> Array:
        """Return zeros for what later steps say: one row a state, one for the spike or its filtered trace."""
        return np.zeros((self.model.d + 1, self.batch * self.n), self.dtype)

    def back(
        self,
        start: int,
        stop: int,
        signal: Array,
        adjoint: Array,
        to: PopulationSums,
        sent: Mapping[str, StepHistory],
    ) -> Sequence[Array]:
        """Take the signals of the steps start … stop - 1 to the sums; return what goes down, by input current."""
        by_current = down = signal
        if not self.of_current:
            by_current, down = (np.empty((len(signal), *self.current_size), self.dtype) for _ in range(2))
            end = stop
            for first, params in reversed(self._params):
                a = max(first, start)
                if a < end:
                    rows = slice(a - start, end - start)
                    self._stage(
                        self.currents.steps(a, end),
                        self.states.steps(a - 1, end),
                        self.outputs.steps(a - 1, end),
                        params,
                        signal[rows],
                        adjoint,
                        by_current[rows],
                        down[rows],
                        to.params,
                        self.leak,
                    )
                    end = a
        for total, first in zip(to.biases, self.biases, strict=True):
            for row in by_current[max(first - start, 0) :][::-1]:
                np.add(total, row, out=total)
        of_each = self._apart(by_current)
        for c, total in zip(self.incoming, to.weights, strict=True):
            c.add_gradient(sent[c.source].steps(start - c.lag, stop - c.lag), of_each[c.current], total)
        return self._apart(down)

    def learn(self, start: int, stop: int, sent: Mapping[str, StepHistory]) -> Sequence[Array]:
        """Add the gradient of the steps start … stop - 1; return what goes down, by input current."""
        signal, adjoint = self.signals.steps(start - self.delay, stop - self.delay), self.adjoint()
        down = self.back(start, stop, signal, adjoint, self.gradient, sent)
        self._add_carried(adjoint, self.gradient)
        return down

    def _add_carried(self, adjoint: Array, to: PopulationSums) -> None:
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
            self._add_carried(adjoint, sums)
            moved.append(sums)
        self.eligibility = moved

    def gradients(self) -> Iterator[tuple[str, Iterable[Array]]]:
        """Yield names and the gradients of each sample."""
        for c, sums in zip(self.incoming, self.gradient.weights, strict=True):
            if c.trainable:
                yield c.name, [c.as_weights(one) for one in sums]
        for first, sums in zip(self.biases, self.gradient.biases, strict=True):
            samples = sums.reshape(-1, self.batch, self.n).swapaxes(0, 1)
            yield self.population.bias_name(first), samples.reshape(self.batch, *self.population.biases[first].shape)
        for parameter, sums in zip(self.model.trainable, self.gradient.params, strict=True):
            if parameter in self.population.trainable:
                yield f"{self.population.name}.{parameter}", sums.reshape(self.batch, -1)
