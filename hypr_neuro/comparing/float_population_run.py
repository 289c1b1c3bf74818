"""One population of `float_device`: what arrives, states, eligibilities, gradients, and signals on their way back."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.comparing.float_kernels import eligibility_kernel, step_kernel
from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.neurons.structure import spike_rows
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.sim.learning.incoming import Entries, Incoming
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.plan import LearningPlan

OUT_OF_REACH = 1e30
WRITTEN_OUT = 1 << 20
"""Numbers of a sparse matrix, zeros included, up to which a product with all of them is the faster one."""


@dataclass(frozen=True)
class _Block:
    """Values that arrive side by side: those of a source after a lag, then that of the bias axon.

    Attributes
    ----------
    incoming
        The connection.
    lag
        Steps from sending to arriving.
    first, width
        Place of the first value among those that arrive, and how many come from the source.
    """

    incoming: Incoming
    lag: int
    first: int
    width: int

    @property
    def stop(self) -> int:
        """Place after the last value."""
        return self.first + self.width + int(self.incoming.connection.bias_axon)


class FloatPopulationRun:
    """One population: states, eligibilities, what waits, gradients.

    Attributes
    ----------
    gradient : (n, synapses)
        Of weights that learn, in the order of `LayerPlan`.
    parameter_gradient : (n, trainable)
        Of neuron parameters.
    synapse, parameter_eligibility : (n, d, …)
        Their eligibilities.
    """

    def __init__(self, population: FloatPopulation, fixed: LayerPlan, form: FloatForm, plan: LearningPlan) -> None:
        self.population, self.fixed, self.form = population, fixed, form
        self.name, self.size, self.model, self.wait = population.name, population.size, population.model, fixed.waiting
        self._shared = {c.place for c in fixed.incoming if isinstance(c.connection.mantissa, Convolution)}
        self.incoming = [c.written_out() if c.place in self._shared else c for c in fixed.incoming]
        self._entries = {c.place: c.entries() for c in self.incoming if c.listed or fixed.listed}
        self._random = {
            c.place: plan.random_weights(c) * form.steps[c.name]
            for c in fixed.incoming
            if plan.returns(c) and plan.options.feedback == "random"
        }
        self._returns = {c.place for c in fixed.incoming if plan.returns(c)}
        synapses = sum(c.synapses for c in self.incoming if c.learns)
        parameters = len(self.model.trainable) if fixed.parameters else 0
        self.gradient = np.zeros((self.size, synapses))
        self.parameter_gradient = np.zeros((self.size, parameters))
        self._current_at = {c.place: c.connection.current for c in self.incoming}
        self._current_of = np.zeros(synapses, np.int64)
        for c in self.incoming:
            if c.learns:
                self._current_of[c.first : c.first + c.synapses] = c.connection.current
        self._place_blocks()
        # states of a population that no signal reaches decide nothing once its spikes are given
        self.by_spike = fixed.active and not self.model.readout and any(spike_rows(self.model))
        if self.by_spike and self.model.threshold is None:
            raise InputError(
                f"neuron '{self.model.name}': a spike changes its own step, but no threshold is stated, by which it is "
                "made to follow given spikes; name the parameter or coefficient in the model's record"
            )
        self.start()

    def start(self) -> None:
        """Start a sample: states, eligibilities and what waits 0; gradients stay."""
        n, d = self.size, self.model.d
        self.state, self.output = np.zeros((d, n)), np.zeros(n)
        self.synapse = np.zeros((n, d, self.gradient.shape[1]))
        self.parameter_eligibility = np.zeros((n, d, self.parameter_gradient.shape[1]))
        gains = np.zeros((self.model.currents, n))
        zeros = (np.zeros_like(self.gradient), np.zeros_like(self.parameter_gradient), gains)
        self.waiting: deque[tuple[Array, Array, Array]] = deque([zeros] * self.wait)

    def clear(self) -> None:
        """Set gradients to 0."""
        self.gradient[...], self.parameter_gradient[...] = 0.0, 0.0

    def refresh(self, weights: Mapping[str, Array]) -> None:
        """Take up weights, by name of connection, and parameters that have changed."""
        self.matrix = np.zeros((self.size, self._blocks_stop))
        self._others: list[tuple[_Block, Any]] = []
        self._back: dict[int, Any] = {}
        for c in self.incoming:
            for block, matrix in self._matrices(c, weights[c.name]):
                if self._apart(c):
                    self._others.append((block, matrix))
                else:
                    self.matrix[:, block.first : block.stop] = _written_out(matrix)
            if c.place in self._returns:
                self._back[c.place] = self._way_back(c, weights[c.name])
        self.params = self.population.float_matrix()
        if self.by_spike:
            self.forced = [self.params.copy(), self.params.copy()]
            place = (*self.model.param_names, *self.model.coefficients).index(str(self.model.threshold))
            self.forced[0][place], self.forced[1][place] = OUT_OF_REACH, -OUT_OF_REACH

    def forward(self, t: int, sent: Mapping[str, list[Array]], spikes: Array | None) -> Array:
        """Compute device step t, along `spikes` (n,) if given, and remember what learning needs of it."""
        self.arriving = self._arrive(t, sent)
        self.current = np.zeros((self.model.currents, self.size))
        self.current[0] = self.matrix @ self.arriving[: self._blocks_stop]
        for block, matrix in self._others:
            self.current[block.incoming.connection.current] += matrix @ self.arriving[block.first : block.stop]
        self.before, self.output_before, self.p_step = self.state, self.output, self.params
        if spikes is not None and self.by_spike:
            self.p_step = np.where(spikes > 0, self.forced[1], self.forced[0])
        self.state, self.output = np.empty_like(self.before), np.empty_like(self.output_before)
        step_kernel(self.model.name)(
            self.before, self.output_before, self.current, self.p_step, self.state, self.output
        )
        if spikes is not None:
            self.output = spikes
        return self.output

    def learn(self, signal: Array) -> Array:
        """Compute eligibilities and gradient of this step; return the local gradients of the currents, B·C g."""
        e, e_parameters, gain = (
            np.empty_like(self.gradient),
            np.empty_like(self.parameter_gradient),
            np.empty((self.model.currents, len(signal))),
        )
        eligibility_kernel(self.model.name)(
            self.before,
            self.state,
            self.output_before,
            self.current,
            self.params,
            self.p_step,
            self._presynaptic(),
            self._current_of,
            self.synapse,
            self.parameter_eligibility,
            e,
            e_parameters,
            gain,
        )
        self.waiting.append((e, e_parameters, gain))
        e, e_parameters, gain = self.waiting.popleft()
        self.gradient += signal[:, None] * e
        self.parameter_gradient += signal[:, None] * e_parameters
        return gain * signal

    def feed_back(self, place: int, weighted: Array) -> Array:
        """Return Σ_k h_k w_kj (n below,) of the connection at this place.

        weighted : (currents, n), h = B·C g of this population
        """
        matrix, weighted = self._back[place], weighted[self._current_at[place]]
        return np.asarray(weighted @ matrix if isinstance(matrix, np.ndarray) else matrix @ weighted)

    def gradients(self) -> dict[str, Array]:
        """Return sums over steps by connection that learns, in the shape of its tensor, and by parameter."""
        sums: dict[str, Array] = {}
        for c in self.incoming:
            if c.learns and c.listed:
                entries = self._entries[c.place]
                sums[c.name] = self.gradient[entries.post, c.first + entries.slot].reshape(c.shape)
            elif c.learns:
                sums[c.name] = self.gradient[:, c.first : c.first + c.synapses].copy()
        if self.parameter_gradient.shape[1]:
            columns = zip(self.model.trainable, self.parameter_gradient.T, strict=True)
            sums |= {f"{self.name}.{name}": g.copy() for name, g in columns}
        return sums

    # --- what arrives

    def _apart(self, c: Incoming) -> bool:
        """Tell whether a connection has a matrix of its own: large and sparse, or on another current."""
        size = self.size * (c.source_size + 1)
        return bool(c.connection.current) or (c.listed and size > WRITTEN_OUT)

    def _place_blocks(self) -> None:
        """Give each lag of each connection its places among the values that arrive, whole matrices first."""
        self._blocks: list[_Block] = []
        ordered = sorted(self.incoming, key=self._apart)
        self._blocks_stop = place = 0
        for c in ordered:
            bias = int(c.connection.bias_axon)
            # of a bias axon alone nothing is read of its source
            width = c.source_size if c.listed else c.connection.columns - bias
            lags = np.unique(self._entries[c.place].lag) if c.listed else [c.largest_lag]
            for lag in lags:
                self._blocks.append(_Block(c, int(lag), place, width))
                place = self._blocks[-1].stop
            if not self._apart(c):
                self._blocks_stop = place
        self._width = place + 1  # the last value is always 0, of synapses that a neuron lacks
        learning = [b for b in self._blocks if b.incoming.learns]
        if self.fixed.listed:
            self._index = np.full(self.gradient.shape, place)
            for block in learning:
                self._list_synapses(block)
        else:
            columns = [np.arange(b.first, b.stop) for b in sorted(learning, key=lambda b: b.incoming.first)]
            self._index = np.concatenate([np.zeros(0, np.int64), *columns])[None]
        self._all_learn = not self.fixed.listed and np.array_equal(self._index[0], np.arange(place))

    def _list_synapses(self, block: _Block) -> None:
        """Note for each synapse of this lag the place of its value."""
        c, entries = block.incoming, self._entries[block.incoming.place]
        here = entries.lag == block.lag
        value = np.minimum(entries.pre, block.width)  # the bias axon comes last
        self._index[entries.post[here], c.first + entries.slot[here]] = block.first + value[here]

    def _arrive(self, t: int, sent: Mapping[str, list[Array]]) -> Array:
        """Return all values that arrive in device step t, and a 0 behind them."""
        arriving = np.zeros(self._width)
        for block in self._blocks:
            if t < block.lag:
                continue
            if block.width:
                arriving[block.first : block.first + block.width] = sent[block.incoming.source][t - block.lag]
            if block.incoming.connection.bias_axon:
                arriving[block.stop - 1] = 1.0
        return arriving

    def _presynaptic(self) -> Array:
        """Return what arrives at the synapses that learn: (1, synapses) for all neurons, or (n, synapses)."""
        return self.arriving[None, :-1] if self._all_learn else np.asarray(self.arriving[self._index])

    # --- weights

    def _matrices(self, c: Incoming, weights: Array) -> list[tuple[_Block, Any]]:
        """Return the matrix (n, values) of each block of a connection."""
        blocks = [b for b in self._blocks if b.incoming is c]
        if not c.listed:
            return [(blocks[0], weights)]
        entries = self._entries[c.place]
        values, result = self._stored(c, weights), []
        for block in blocks:
            here = entries.lag == block.lag
            column = np.minimum(entries.pre[here], block.width)
            shape = (self.size, block.stop - block.first)
            result.append((block, _sparse(values[here], entries.post[here], column, shape)))
        return result

    def _way_back(self, c: Incoming, weights: Array) -> Any:
        """Return the matrix (n, source) over which signals go back: the weights, or fixed random numbers."""
        if not c.listed:
            return self._random.get(c.place, weights[:, : c.source_size])
        entries: Entries = self._entries[c.place]
        values = self._random[c.place].reshape(-1) if c.place in self._random else self._stored(c, weights)
        inside = entries.pre < c.source_size  # the bias axon has no neuron to which a signal could go
        matrix = _sparse(values[inside], entries.post[inside], entries.pre[inside], (self.size, c.source_size))
        # signals are multiplied from the left: of a sparse matrix by its transpose
        return _written_out(matrix) if not self._apart(c) else matrix.T.tocsr()

    def _stored(self, c: Incoming, weights: Array) -> Array:
        """Return the weights of a list one by one; of a convolution those of its matrix, which do not change."""
        if c.place in self._shared:
            return np.asarray(c.weights() * self.form.steps[c.name])
        return weights.reshape(-1)


def _sparse(values: Array, post: Array, pre: Array, shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_array

    return csr_array((values, (post, pre)), shape=shape)


def _written_out(matrix: Any) -> Any:
    """Return a matrix with its zeros."""
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
