"""HYPR: forward gradients of a stack of layers, in sub-sequences of λ steps (Baronig et al. 2025, arXiv 2506.14464).

S-stage: run the network for λ steps and keep the states. P-stage: backwards over the λ steps, for each layer,

    r_t = A_{t+1}ᵀ r_{t+1} + C_tᵀ g_t + C'_{t+1}ᵀ g_{t+1},    gradient Σ_t (B_tᵀ r_t) ⊗ pre_t + (what reaches ε_0) ε_0

with g_t = ∂L_t/∂z_t taken through the layers of step t only. Between sub-sequences the eligibilities
ε_λ = Φ ε_0 + Σ_t M_t ⊗ pre_t are carried on, so the result does not depend on λ, and memory does not depend on T.
Row j of Φ and of every M_t is one P-stage without learning signal whose adjoint starts as the unit vector e_j.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.errors import InputError
from hypr_neuro.forward import FloatType, LayerForward, chunks, over_batch
from hypr_neuro.network import Layer, Network
from hypr_neuro.train.kernels import p_stage
from hypr_neuro.train.losses import get_loss

Array = NDArray[Any]
RULES = ("hypr",)


class LayerEngine(LayerForward):
    """A layer that runs forward and gives gradients.

    Carried from one sub-sequence to the next, beside the state:
    eligibility : (batch, d, n, fan_in) for weights, fan_in = inputs, neurons if recurrent, 1 if biased; None before
        the first carry. eligibility_params : (trainable, d, batch·n)
    late : (delay, batch·n) learning signals that have not arrived yet
    """

    def __init__(self, layer: Layer, batch: int, dtype: FloatType, delay: int = 0) -> None:
        super().__init__(layer, batch, dtype)
        self.m = len(layer.model.trainable)
        self.eligibility: Array | None = None
        self.eligibility_params = np.zeros((self.m, *self.state.shape), dtype)
        self.late = np.zeros((delay, self.output.size), dtype)
        self.gradient = {name: np.zeros(a.shape, dtype) for name, a in layer.arrays()}

    def backward(self, signal: Array) -> Array:
        """P-stage: learning signals (λ, batch, n); adds to `gradient`, returns B_tᵀ C_t g_t, (λ, batch, n)."""
        flat = self._delayed(signal.reshape(signal.shape[0], -1))
        adjoint = np.zeros_like(self.state)
        d_current, d_now, d_params = self._p_stage(flat, adjoint)
        self._add(d_current, d_params)
        if self.eligibility is not None:
            self._add_carried(adjoint)
        return d_now.reshape(signal.shape)

    def carry_eligibilities(self) -> None:
        """ε_λ = Φ ε_0 + Σ_t M_t ⊗ pre_t, by one P-stage without signal for each state."""
        silent = np.zeros_like(self.current)
        pre = self._pre()
        old, old_p = self.eligibility, self.eligibility_params
        new = np.zeros((self.batch, self.d, self.n, pre.shape[2]), self.dtype)
        new_p = np.zeros_like(old_p)
        for j in range(self.d):
            phi = np.zeros_like(self.state)
            phi[j] = 1.0
            moved, _, of_params = self._p_stage(silent, phi)
            by_sample = moved.reshape(-1, self.batch, self.n).transpose(1, 2, 0)
            new[:, j] = by_sample @ pre.transpose(1, 0, 2)
            new_p[:, j] = of_params + np.einsum("ak,qak->qk", phi, old_p)
            if old is not None:
                new[:, j] += np.einsum("abn,banf->bnf", phi.reshape(self.d, self.batch, self.n), old)
        self.eligibility, self.eligibility_params = new, new_p

    def _delayed(self, signal: Array) -> Array:
        """The signals that arrive now: those of `delay` steps ago."""
        delay = self.late.shape[0]
        if delay == 0:
            return np.ascontiguousarray(signal)
        queue = np.concatenate([self.late, signal])
        self.late = queue[signal.shape[0] :].copy()
        return np.ascontiguousarray(queue[: signal.shape[0]])

    def _p_stage(self, signal: Array, adjoint: Array) -> tuple[Array, Array, Array]:
        d_current, d_now = np.empty_like(self.current), np.empty_like(self.current)
        d_params = np.zeros((self.m, self.current.shape[1]), self.dtype)
        kernel = p_stage(self.layer.model.name)
        args = (self.current, self.states, self.outputs, self.params, signal, adjoint, d_current, d_now, d_params)
        over_batch(self.batch, lambda b0, b1: kernel(*args, self.n, b0, b1))
        return d_current, d_now, d_params

    def _pre(self) -> Array:
        """(λ, batch, fan_in): inputs, own outputs of the previous step if recurrent, 1 if biased."""
        steps = self.current.shape[0]
        parts = [self.below]
        if self.layer.recurrent is not None:
            parts.append(self.outputs[:-1].reshape(steps, self.batch, self.n))
        if self.layer.bias is not None:
            parts.append(np.ones((steps, self.batch, 1), self.dtype))
        return np.concatenate(parts, axis=2)

    def _add(self, d_current: Array, d_params: Array) -> None:
        steps = d_current.shape[0]
        rows = d_current.reshape(steps * self.batch, self.n).T
        self.gradient["weight"] += rows @ self.below.reshape(steps * self.batch, -1)
        if self.layer.recurrent is not None:
            self.gradient["recurrent"] += rows @ self.outputs[:-1].reshape(steps * self.batch, self.n)
        if self.layer.bias is not None:
            self.gradient["bias"] += rows.sum(axis=1)
        self._add_params(d_params)

    def _add_params(self, d_params: Array) -> None:
        for q, name in enumerate(self.layer.model.trainable):
            if name in self.gradient:
                self.gradient[name] += d_params[q].reshape(self.batch, self.n).sum(axis=0)

    def _add_carried(self, adjoint: Array) -> None:
        assert self.eligibility is not None
        by_state = adjoint.reshape(self.d, self.batch, self.n)
        total = np.einsum("dbn,bdnf->nf", by_state, self.eligibility)
        inputs = self.layer.inputs
        self.gradient["weight"] += total[:, :inputs]
        if self.layer.recurrent is not None:
            self.gradient["recurrent"] += total[:, inputs : inputs + self.n]
        if self.layer.bias is not None:
            self.gradient["bias"] += total[:, -1]
        self._add_params(np.einsum("dk,qdk->qk", adjoint, self.eligibility_params))


def gradients(
    net: Network,
    x: Array,
    y: Array,
    mask: Array | None = None,
    *,
    rule: str = "hypr",
    chunk: int | None = None,
    loss: str = "per_step_cross_entropy",
    dtype: FloatType = np.float64,
    signal_delay: Sequence[int] | None = None,
) -> tuple[dict[str, Array], float]:
    """Gradient of the mean loss over all scored steps of a batch.

    x : (sample, T, channel). y : (sample,) or (sample, T) integer labels. mask : (sample, T), False = not scored
    chunk : λ, steps of a sub-sequence; does not change the result
    signal_delay : for each layer without the readout, steps by which learning signals arrive late (0 by default)

    Returns ({"layers.0.weight": array, …}, loss). Raises InputError for wrong shapes or an unknown rule.
    """
    if rule not in RULES:
        raise InputError(f"unknown rule '{rule}', known: {', '.join(RULES)}")
    x, label, weight = batch_arrays(net, x, y, mask, dtype)
    delays = [*(signal_delay or [0] * (len(net.layers) - 1)), 0]
    engines = [LayerEngine(layer, x.shape[1], dtype, delay) for layer, delay in zip(net.layers, delays, strict=True)]
    loss_of, total = get_loss(loss), 0.0
    for part in chunks(x.shape[0], chunk):
        values = x[part]
        for engine in engines:
            values = engine.forward(values)
        step_loss, signal = loss_of(values, label[part], weight[part])
        total += step_loss
        for engine in reversed(engines):
            signal = engine.backward(signal.astype(dtype, copy=False)) @ engine.weight_t.T
        if part.stop < x.shape[0]:
            for engine in engines:
                engine.carry_eligibilities()
    named = zip(range(len(engines)), engines, strict=True)
    return {f"{net.name(i)}.{k}": g for i, e in named for k, g in e.gradient.items()}, total


def batch_arrays(net: Network, x: Array, y: Array, mask: Array | None, dtype: FloatType) -> tuple[Array, Array, Array]:
    """User arrays to time-major ones: x (T, batch, channel), label (T, batch), weight (T, batch) with sum 1."""
    x = np.asarray(x)
    if x.ndim != 3 or x.shape[2] != net.inputs:
        raise InputError(f"x of shape {x.shape}, rule: (sample, T, {net.inputs}) for this network")
    samples, steps = x.shape[:2]
    y = np.asarray(y)
    if y.shape not in ((samples,), (samples, steps)):
        raise InputError(f"y of shape {y.shape}, rule: ({samples},) or ({samples}, {steps})")
    if y.size and (y.min() < 0 or y.max() >= net.outputs):
        raise InputError(
            f"label {y.max() if y.max() >= net.outputs else y.min()}, rule: 0 <= y < {net.outputs} outputs"
        )
    scored = np.ones((samples, steps), bool) if mask is None else np.asarray(mask, dtype=bool)
    if scored.shape != (samples, steps):
        raise InputError(f"mask of shape {scored.shape}, rule: ({samples}, {steps})")
    if not scored.any():
        raise InputError("mask leaves no scored step in this batch; at least one is needed")
    label = np.broadcast_to(y[:, None] if y.ndim == 1 else y, (samples, steps)).T.astype(np.int64)
    weight = (scored.T / scored.sum()).astype(dtype)
    return np.ascontiguousarray(x.transpose(1, 0, 2), dtype=dtype), np.ascontiguousarray(label), weight
