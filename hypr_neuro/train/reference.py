"""Definition of the HYPR rule: explicit eligibilities, neuron by neuron, forward in time, float64.

For every synapse and every trainable parameter of a neuron, an eligibility of d numbers,

    ε_t = A_t ε_{t-1} + B_t pre_t,    ε^p_t = A_t ε^p_{t-1} + P_t

and with the learning signal g_t = ∂L_t/∂z_t, taken through the layers of step t only,

    gradient = Σ_t g_t (C_t ε_t + C'_t ε_{t-1}), for parameters + Σ_t g_t E_t

Slow on purpose; the sub-sequences of `hypr` must give the same numbers. The step of an eligibility is in matrices here,
apart from `sim.learning.eligibility.float_eligibility_step`, which `comparing.float_device` runs: two spellings of one
equation, and tests hold the second against this one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.surrogates import SURROGATES


class _LayerReference:
    """One layer for one sample: states, outputs, eligibilities and gradients.

    eligibility : (n, d, fan_in), fan_in = inputs, neurons if recurrent, 1 if biased
    eligibility_params : (n, d, trainable)
    """

    def __init__(self, layer: Layer, delay: int) -> None:
        self.layer, n, d = layer, layer.size, layer.model.d
        self.state, self.output = np.zeros((n, d)), np.zeros(n)
        parts = [layer.weight, layer.recurrent, None if layer.bias is None else layer.bias[:, None]]
        self.matrix = np.hstack([p for p in parts if p is not None])
        self.params = layer.float_matrix().T
        self.eligibility = np.zeros((n, d, self.matrix.shape[1]))
        self.eligibility_params = np.zeros((n, d, len(layer.model.trainable)))
        self.by_weight = np.zeros_like(self.matrix)
        self.by_param = np.zeros((n, len(layer.model.trainable)))
        self.pending = deque(np.zeros(n) for _ in range(delay))

    def forward(self, below: Array) -> Array:
        """Take one step and keep the states around it."""
        model, pre = self.layer.model, [below]
        if self.layer.recurrent is not None:
            pre.append(self.output)
        if self.layer.bias is not None:
            pre.append(np.ones(1))
        self.pre = np.concatenate(pre)
        self.current = self.matrix @ self.pre
        self.state_before, self.output_before = self.state, self.output
        self.state, self.output = np.empty_like(self.state), np.empty_like(self.output)
        for i, p in enumerate(self.params):
            self.state[i], self.output[i] = model.float_step(
                tuple(self.state_before[i]), self.output_before[i], (self.current[i],), tuple(p)
            )
        return self.output

    def learn(self, signal: Array) -> Array:
        """Take eligibilities and gradient through this step; return ∂L_t/∂(input from below) by way of it alone."""
        self.pending.append(signal)
        arrived, by_current = self.pending.popleft(), np.zeros(self.layer.size)
        for i, g in enumerate(arrived):
            A, B, C, C_prev, P, E = self._jacobian(i)
            old, old_p = self.eligibility[i].copy(), self.eligibility_params[i].copy()
            self.eligibility[i] = A @ old + np.outer(B, self.pre)
            self.eligibility_params[i] = A @ old_p + P.T
            self.by_weight[i] += g * (C @ self.eligibility[i] + C_prev @ old)
            self.by_param[i] += g * (C @ self.eligibility_params[i] + C_prev @ old_p + E)
            by_current[i] = g * (C @ B)
        return np.asarray(by_current @ self.layer.weight)

    def _jacobian(self, i: int) -> list[Array]:
        model, p = self.layer.model, tuple(self.params[i])
        before, after = tuple(self.state_before[i]), tuple(self.state[i])
        psi = 0.0
        if model.surrogate is not None and model.float_psi_arg is not None:
            psi = SURROGATES[model.surrogate](model.float_psi_arg(before, after, p))
        jacobian = model.float_jacobian(before, after, self.output_before[i], (self.current[i],), p, psi)
        return [np.array(entries) for entries in jacobian]

    def gradients(self) -> dict[str, Array]:
        """Return the gradients by the names of `Layer.arrays`."""
        layer, result = self.layer, {}
        result["weight"] = self.by_weight[:, : layer.inputs]
        if layer.recurrent is not None:
            result["recurrent"] = self.by_weight[:, layer.inputs : layer.inputs + layer.size]
        if layer.bias is not None:
            result["bias"] = self.by_weight[:, -1]
        for name in layer.trainable:
            result[name] = self.by_param[:, layer.model.trainable.index(name)]
        return result


def reference_gradients(
    net: Network, x: Array, y: Array, mask: Array | None = None, *, signal_delay: Sequence[int] | None = None
) -> tuple[dict[str, Array], float]:
    """Compute by definition what `gradients` gives for rule "hypr" and the per-step cross-entropy.

    Parameters
    ----------
    net : Network
        In float.
    x : ndarray
        (sample, T, channel).
    y : ndarray
        (sample,) or (sample, T) labels.
    mask : ndarray, optional
        (sample, T), False = not scored.
    signal_delay : sequence of int, optional
        For each hidden layer the steps by which learning signals arrive late.

    Returns
    -------
    gradients : dict
        By the names of `Network.arrays`.
    loss : float
        Mean over the scored steps.
    """
    samples, steps = x.shape[:2]
    label = np.broadcast_to(y[:, None] if y.ndim == 1 else y, (samples, steps))
    scored = np.ones((samples, steps), bool) if mask is None else mask
    delays = [*(signal_delay or [0] * (len(net.layers) - 1)), 0]
    total = {name: np.zeros(a.shape) for name, a in net.arrays().items()}
    loss = 0.0
    for b in range(samples):
        layers = [_LayerReference(layer, delay) for layer, delay in zip(net.layers, delays, strict=True)]
        for t in range(steps):
            values = x[b, t].astype(np.float64)
            for layer in layers:
                values = layer.forward(values)
            chance = np.exp(values - values.max())
            chance /= chance.sum()
            signal = (chance - np.eye(net.output_size)[label[b, t]]) * scored[b, t]
            loss -= scored[b, t] * np.log(chance[label[b, t]])
            for layer in reversed(layers):
                signal = layer.learn(signal)
        for i, layer in enumerate(layers):
            for name, gradient in layer.gradients().items():
                if f"{net.name(i)}.{name}" in total:
                    total[f"{net.name(i)}.{name}"] += gradient
    count = int(np.count_nonzero(scored))
    return {name: g / count for name, g in total.items()}, float(loss / count)
