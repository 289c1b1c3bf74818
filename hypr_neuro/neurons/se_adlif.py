"""SE-adLIF, adaptive LIF neuron in symplectic Euler form (Baronig et al. 2024, arXiv 2408.07517), in float only.

    u_t = α u_{t-1} (1 - z_{t-1}) + (1 - α) (I_t - w_{t-1}),  α = e^{-1/τ_u}
    z_t = Θ(u_t - θ)
    w_t = β w_{t-1} + (1 - β) k (a u_t (1 - z_t) + b z_{t-1}),  β = e^{-1/τ_w}

τ_u and τ_w in steps; k = 120 and a, b in [0, 1] as the authors have them. w_t is driven by u_t of its own step (that
is the symplectic part), so that a > 0 makes u and w oscillate. ψ is SLAYER of u_t - θ; z_t enters w_t, which makes
∂w_t/∂u_t = (1 - β) k a (1 - z_t - ψ u_t).

Between spikes the pair (u, w) has determinant αβ < 1 and is stable for (1 - α)(1 - β) k a < (1 + α)(1 + β). τ_u >= 5,
τ_w >= 60 and k <= 1000, the lower ends of the authors' ranges 5..25 and 60..300, guarantee that; parameters below are
refused, and an update is clipped there. The upper ends of those ranges, to which the authors clip as well, are left
open, because long tasks need a long τ_w.
"""

from __future__ import annotations

from math import exp, expm1

import numpy as np

from hypr_neuro.jit import jitable
from hypr_neuro.neurons.base import Array, NeuronModel, Param, StateVar

LOWEST_TAU_U, LOWEST_TAU_W = 5.0, 60.0


def float_coefficients(p):
    tau_u, tau_w, a, b, _, k = p
    alpha, beta, gain_w = exp(-1.0 / tau_u), exp(-1.0 / tau_w), -k * expm1(-1.0 / tau_w)
    return (
        alpha, -expm1(-1.0 / tau_u), alpha / tau_u / tau_u,
        beta, gain_w, gain_w * a, gain_w * b, beta / tau_w / tau_w,
    )  # fmt: skip


@jitable
def float_step(s, z_prev, I, p):
    _, _, _, _, theta, _, alpha, gain_u, _, beta, _, by_u, by_z, _ = p
    u = alpha * s[0] * (1.0 - z_prev) + gain_u * (I[0] - s[1])
    z = 1.0 if u - theta > 0.0 else 0.0
    return (u, beta * s[1] + by_u * u * (1.0 - z) + by_z * z_prev), z


@jitable
def float_psi_arg(s_prev, s, p):
    return s[0] - p[4]


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, a, b, theta, k, alpha, gain_u, alpha_by_tau, beta, gain_w, by_u, _, beta_by_tau = p
    kept = 1.0 - z_prev
    silent = 0.0 if s[0] - theta > 0.0 else 1.0
    # ∂w_t/∂u_t, the spike of this step by ψ
    w_u = by_u * (silent - psi * s[0])
    u_u = alpha * kept
    A = ((u_u, -gain_u), (w_u * u_u, beta - w_u * gain_u))
    u_tau = alpha_by_tau * (s_prev[0] * kept - I[0] + s_prev[1])
    P = (
        (u_tau, w_u * u_tau),
        (0.0, beta_by_tau * (s_prev[1] - k * (a * s[0] * silent + b * z_prev))),
        (0.0, gain_w * s[0] * silent),
        (0.0, gain_w * z_prev),
        (0.0, by_u * s[0] * psi),
    )
    return A, (gain_u, w_u * gain_u), (psi, 0.0), (0.0, 0.0), P, (0.0, 0.0, 0.0, 0.0, -psi)


@jitable
def float_spike_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, _, _, theta, _, alpha, _, _, _, _, by_u, by_z, _ = p
    silent = 0.0 if s[0] - theta > 0.0 else 1.0
    u_z = -alpha * s_prev[0]
    return u_z, by_u * (silent - psi * s[0]) * u_z + by_z


def constrain(params: dict[str, Array]) -> None:
    """After an update: τ_u and τ_w stay at or above their lowest values, a and b in [0, 1]."""
    for name, low in (("tau_u", LOWEST_TAU_U), ("tau_w", LOWEST_TAU_W)):
        params[name][...] = np.maximum(params[name], low)
    for name in ("a", "b"):
        params[name][...] = np.clip(params[name], 0.0, 1.0)


MODEL = NeuronModel(
    name="se_adlif",
    states=(
        StateVar("u", description="membrane potential before the reset"),
        StateVar("w", description="adaptation current"),
    ),
    params=(
        Param("tau_u", "step", 15.0, LOWEST_TAU_U, 1e6, trainable=True, description="time constant of u"),
        Param("tau_w", "step", 180.0, LOWEST_TAU_W, 1e6, trainable=True, description="time constant of w"),
        Param("a", "1", 0.5, 0.0, 1.0, trainable=True, description="drive of w by u"),
        Param("b", "1", 0.5, 0.0, 1.0, trainable=True, description="drive of w by the previous spike"),
        Param("theta", "1", 1.0, -1e6, 1e6, trainable=True, description="threshold"),
        Param("k", "1", 120.0, 0.0, 1e3, description="scale of a and b"),
    ),
    surrogate="slayer",
    bias_on="current",
    coefficients=("alpha", "gain_u", "alpha_by_tau", "beta", "gain_w", "by_u", "by_z", "beta_by_tau"),
    float_coefficients=float_coefficients,
    float_step=float_step,
    float_psi_arg=float_psi_arg,
    float_jacobian=float_jacobian,
    float_spike_jacobian=float_spike_jacobian,
    constrain=constrain,
    source="Baronig, Ferrand, Sabathiel, Legenstein: Advancing Spatio-Temporal Processing in Spiking Neural Networks "
    "through Adaptation, 2024, arXiv 2408.07517; k: Baronig, Bahariasl, Özdenizci, Legenstein 2025, arXiv 2506.14464",
)
