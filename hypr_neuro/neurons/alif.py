"""ALIF, leaky integrate-and-fire neuron with an adaptive threshold (Bellec et al. 2018, 2020), in float only.

    a_t = ρ a_{t-1} + (1 - ρ) z_{t-1},  ρ = e^{-1/τ_a}        the adaptation follows the neuron's own spikes
    θ_t = b0 + β a_t                                          threshold
    u_t = α u_{t-1} + (1 - α) I_t - θ_t z_{t-1},  α = e^{-1/τ_u}
    z_t = Θ(u_t - θ_t)

τ_u and τ_a in steps. ψ is SLAYER of u_t - θ_t. The reset takes off the threshold of its own step, which the spike has
already raised: ∂u_t/∂z_{t-1} = -θ_t - β (1 - ρ) z_{t-1}.

The form and the constants are those of Baronig et al. 2025, who start from τ_u = 20, τ_a = 100, b0 = 0.01 and β = 1.8
and keep τ_u >= 10, τ_a >= 100. Here both stay at or above one step, as any decay is stable.
"""

from __future__ import annotations

from math import exp, expm1

import numpy as np

from hypr_neuro.jit import jitable
from hypr_neuro.neurons.base import Array, NeuronModel, Param, StateVar


def float_coefficients(p):
    tau_u, tau_a, _, _ = p
    alpha, rho = exp(-1.0 / tau_u), exp(-1.0 / tau_a)
    return alpha, -expm1(-1.0 / tau_u), alpha / tau_u / tau_u, rho, -expm1(-1.0 / tau_a), rho / tau_a / tau_a


@jitable
def float_step(s, z_prev, I, p):
    _, _, b0, beta, alpha, gain_u, _, rho, gain_a, _ = p
    a = rho * s[1] + gain_a * z_prev
    theta = b0 + beta * a
    u = alpha * s[0] + gain_u * I[0] - theta * z_prev
    return (u, a), 1.0 if u - theta > 0.0 else 0.0


@jitable
def float_psi_arg(s_prev, s, p):
    return s[0] - (p[2] + p[3] * s[1])


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, _, beta, alpha, gain_u, alpha_by_tau, rho, _, rho_by_tau = p
    # what a_t moves in u_t, by way of the reset
    reset = -beta * z_prev
    A = ((alpha, reset * rho), (0.0, rho))
    by_tau_a = rho_by_tau * (s_prev[1] - z_prev)
    P = (
        (alpha_by_tau * (s_prev[0] - I[0]), 0.0),
        (reset * by_tau_a, by_tau_a),
        (-z_prev, 0.0),
        (-s[1] * z_prev, 0.0),
    )
    return A, (gain_u, 0.0), (psi, -psi * beta), (0.0, 0.0), P, (0.0, 0.0, -psi, -psi * s[1])


@jitable
def float_spike_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, b0, beta, _, _, _, _, gain_a, _ = p
    return -(b0 + beta * s[1]) - beta * gain_a * z_prev, gain_a


def constrain(params: dict[str, Array]) -> None:
    """After an update: τ_u and τ_a stay at or above one step."""
    for name in ("tau_u", "tau_a"):
        params[name][...] = np.maximum(params[name], 1.0)


MODEL = NeuronModel(
    name="alif",
    states=(
        StateVar("u", description="membrane potential after the reset by the previous spike"),
        StateVar("a", description="adaptation"),
    ),
    params=(
        Param("tau_u", "step", 20.0, 0.0, 1e6, trainable=True, open_low=True, description="time constant of u"),
        Param("tau_a", "step", 100.0, 0.0, 1e6, trainable=True, open_low=True, description="time constant of a"),
        Param("b0", "1", 0.01, -1e6, 1e6, trainable=True, description="threshold at rest"),
        Param("beta", "1", 1.8, -1e6, 1e6, trainable=True, description="weight of a in the threshold"),
    ),
    surrogate="slayer",
    bias_on="current",
    coefficients=("alpha", "gain_u", "alpha_by_tau", "rho", "gain_a", "rho_by_tau"),
    float_coefficients=float_coefficients,
    float_step=float_step,
    float_psi_arg=float_psi_arg,
    float_jacobian=float_jacobian,
    float_spike_jacobian=float_spike_jacobian,
    constrain=constrain,
    source="Bellec et al. 2018, arXiv 1803.09574, and 2020, doi 10.1038/s41467-020-17236-y; form and constants: "
    "Baronig, Bahariasl, Özdenizci, Legenstein 2025, arXiv 2506.14464",
)
