"""One layer that runs forward and gives gradients, for a block of samples, in sub-sequences of λ steps.

S-stage: run the layer for λ steps and keep the states. P-stage: backwards over the λ steps (`kernels.p_stage`).
Between sub-sequences the eligibilities ε_λ = Φ ε_0 + Σ_t M_t ⊗ pre_t are carried on, so the result does not depend on
λ, and memory does not depend on T. Row j of Φ and of every M_t is one P-stage without learning signal whose adjoint
starts as the unit vector e_j.
"""

from __future__ import annotations

import numpy as np

from hypr_neuro.graph.layer import Layer
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import FloatType, LayerArrays, LayerForward, Noise
from hypr_neuro.train.kernels import carried_sums, current_stage, p_stage
from hypr_neuro.train.rules.base import Rule


class Sums:
    """What P-stages add to: one entry a synapse, neuron or parameter and sample; with `rows` so many of each."""

    def __init__(self, layer: Layer, batch: int, dtype: FloatType, rows: int | None = None) -> None:
        n, front = layer.size, () if rows is None else (rows,)
        self.weight = np.zeros((*front, batch, layer.inputs, n), dtype)
        learned = 0 if layer.recurrent is None or "recurrent" in layer.frozen else n
        self.recurrent = np.zeros((*front, batch, learned, n), dtype)
        self.bias = np.zeros((*front, batch * n), dtype)
        self.param = np.zeros((*front, len(layer.model.trainable), batch * n), dtype)

    def arrays(self) -> tuple[Array, Array, Array, Array]:
        """Return the arrays in the order of the kernel's arguments."""
        return self.weight, self.recurrent, self.bias, self.param


class LayerEngine(LayerForward):
    """A layer that runs forward and gives gradients by a rule.

    Parameters
    ----------
    arrays : LayerArrays
        Weights and parameters.
    batch : int
        Samples.
    rule : Rule
        Whose paths the P-stage keeps.
    leak : float
        κ of the readout, for a rule with error feedback.
    delay : int
        Steps by which learning signals arrive late.
    feedback_weights : ndarray, optional
        (n, inputs), feedback weights to the layer below in place of the weights.
    noise : Noise, optional
        On the currents.
    buffers : dict, optional
        Arrays of an earlier engine, used again.

    Attributes
    ----------
    eligibility : Sums
        Carried from one sub-sequence to the next, beside the state: a row for each state and, if the rule needs it, one
        for the last spike (or its filtered trace); None before the first carry.
    pending : ndarray
        (delay, batch·n), learning signals that have not arrived yet.
    """

    def __init__(
        self,
        arrays: LayerArrays,
        batch: int,
        rule: Rule,
        *,
        leak: float = 0.0,
        delay: int = 0,
        feedback_weights: Array | None = None,
        noise: Noise | None = None,
        buffers: dict[str, Array] | None = None,
    ) -> None:
        super().__init__(arrays, batch, buffers, noise)
        layer, dtype = self.layer, self.dtype
        filtered = rule.error_feedback and not layer.model.readout
        self.kernel = p_stage(layer.model.name, self.precision, rule.own_spike, rule.recurrent, filtered)
        spike_returns = rule.own_spike and layer.model.float_spike_jacobian is not None
        self.of_current = rule.eligibility == "current"
        self.carried = 0 if self.of_current else self.d + int(spike_returns or filtered)
        self.leak, self.gradient = dtype(leak), Sums(layer, batch, dtype)
        self.eligibility: Sums | None = None
        self.pending = np.zeros((delay, self.output.size), dtype)
        self._feedback_weights = None if feedback_weights is None else np.ascontiguousarray(feedback_weights, dtype)
        self._no_weight = np.zeros((self.n, 0), dtype)
        self._rows = np.zeros((2, self.output.size), dtype)

    def backward(self, signal: Array, below_signal: Array | None) -> None:
        """Run the P-stage for learning signals (λ, batch·n).

        It adds to `gradient`, and to `below_signal` (λ, batch·inputs) if given.
        """
        signal = self._delayed(signal)
        if self.of_current:
            self._current_stage(signal)
            return
        adjoint = np.zeros((self.d + 1, self.output.size), self.dtype)
        sums = self.gradient.arrays()
        self._p_stage(signal, adjoint, sums, below_signal)
        self._add_carried(adjoint[None], *(a[None] for a in sums))

    def take_over(self, arrays: LayerArrays) -> None:
        """Go on with other weights and parameters; the gradient starts anew, eligibilities stay."""
        super().take_over(arrays)
        for array in self.gradient.arrays():
            array[...] = 0.0

    def carry_eligibilities(self) -> None:
        """Compute ε_λ = Φ ε_0 + Σ_t M_t ⊗ pre_t, by one P-stage without signal for each carried number."""
        if self.carried == 0:
            return
        silent = self.buffer("silent", self.current.shape[0], self.output.size)
        silent[...] = 0.0
        adjoint = np.zeros((self.carried, self.d + 1, self.output.size), self.dtype)
        moved = Sums(self.layer, self.batch, self.dtype, self.carried)
        for j in range(self.carried):
            adjoint[j, j] = 1.0
            self._p_stage(silent, adjoint[j], tuple(a[j] for a in moved.arrays()), None)
        self._add_carried(adjoint, *moved.arrays())
        self.eligibility = moved

    def _delayed(self, signal: Array) -> Array:
        """Return the signals that arrive in these steps: those of `delay` steps before."""
        delay = self.pending.shape[0]
        if delay == 0:
            return signal
        queue = np.concatenate([self.pending, signal])
        self.pending = queue[signal.shape[0] :].copy()
        return np.ascontiguousarray(queue[: signal.shape[0]])

    def _learned_events(self) -> tuple[Array, Array]:
        """Return the events of what comes from below, none of them where its weights are frozen."""
        index, count = self.below_events
        return index, np.zeros_like(count) if "weight" in self.layer.frozen else count

    def _current_stage(self, signal: Array) -> None:
        sums = self.gradient
        current_stage()(
            self.below,
            *self._learned_events(),
            self.outputs,
            *self.previous_events,
            signal,
            sums.weight,
            sums.recurrent,
            sums.bias,
            self.n,
        )

    def _p_stage(self, signal: Array, adjoint: Array, sums: tuple[Array, ...], below_signal: Array | None) -> None:
        feedback_weights = self.arrays.weight if self._feedback_weights is None else self._feedback_weights
        weight = self._no_weight if below_signal is None else feedback_weights
        self.kernel(
            self.below,
            *self._learned_events(),
            self.current,
            self.states,
            self.outputs,
            *self.previous_events,
            self.params,
            signal,
            adjoint,
            *sums,
            weight,
            self.below if below_signal is None else below_signal,
            self.arrays.recurrent,
            self._rows,
            self.leak,
            self.n,
        )

    def _add_carried(self, adjoint: Array, *sums: Array) -> None:
        """Add Σ_j adjoint_j · ε_j to the sums, row by row."""
        if self.eligibility is not None:
            carried_sums(self.precision)(adjoint, *sums, *self.eligibility.arrays())

    @property
    def nbytes(self) -> int:
        """Count the bytes of the sub-sequence's arrays, the eligibilities and the gradient."""
        sums = [self.gradient, *([] if self.eligibility is None else [self.eligibility])]
        return sum(a.nbytes for a in self._buffers.values()) + sum(a.nbytes for s in sums for a in s.arrays())
