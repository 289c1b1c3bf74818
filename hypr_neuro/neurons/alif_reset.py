"""ALIF whose spike takes off the threshold of its own step, in that step (Yin et al. 2021, Higuchi et al. 2024).

    a_t = ρ a_{t-1} + (1 - ρ) z_{t-1},  ρ = e^{-1/τ_a}        the adaptation follows the neuron's own spikes
    θ_t = b0 + β a_t                                          threshold
    u_t = α (u_{t-1} - θ_{t-1} z_{t-1}) + (1 - α) I_t,  α = e^{-1/τ_u}
    z_t = Θ(u_t - θ_t)

τ_u and τ_a in steps. The authors' potential is the one after the reset, u_t - θ_t z_t; here the state is the one
before it, which decides the spike and from which theirs follows: the reset is the first thing that the next step does.
So no spike enters the state of its own step, and ∂u_t/∂z_{t-1} = -α θ_{t-1}. (`alif` takes θ_t off at step t, after the
leak: its reset comes one step later and by a threshold that the spike has already raised.)

ψ is the double Gaussian of u_t - θ_t. b0 = 0.01 and β = 1.8 are the authors' constants, τ_u = 20 and τ_a = 7 the means
that Higuchi et al. start from for ECG.

Integers: states and b0 have F fraction bits, decays k, and β, which exceeds 1, has m in the same width:

    r  = u - z (b0 + round(beta a / 2^m))                               the authors' potential of the step before
    a' = sat(round((rho a + (2^k - rho) (z << F)) / 2^k))               alpha = α 2^k, rho = ρ 2^k
    u' = sat(round((alpha r + (2^k - alpha) (I << i_shift)) / 2^k))
    z' = 1 if u' > b0 + round(beta a' / 2^m) else 0

A gain is the complement of its decay, so that it is exactly 1 at rest. a' stays between 0 and 1 << F, and θ, which no
state holds, needs no width of its own, and so r neither: after a spike at θ >= 0 it lies between 0 and u.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hypr_neuro.neurons import alif
from hypr_neuro.neurons.base import FixedFormat, FixedParams, NeuronModel, Param, StateVar
from hypr_neuro.neurons.scaling import CURRENT_BITS, threshold_table
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import sat, shift, shr
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.surrogates import double_gaussian

PSI_RANGE_BITS = 3
"""The ψ table spans ±8 around the threshold: the wide Gaussian has σ = 3."""


@jitable
def float_step(s, z_prev, I, p):
    _, _, b0, beta, alpha, gain_u, _, rho, gain_a, _ = p
    kept = s[0] - (b0 + beta * s[1]) * z_prev
    a = rho * s[1] + gain_a * z_prev
    u = alpha * kept + gain_u * I[0]
    return (u, a), 1.0 if u - (b0 + beta * a) > 0.0 else 0.0


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, b0, beta, alpha, gain_u, alpha_by_tau, rho, _, rho_by_tau = p
    kept = s_prev[0] - (b0 + beta * s_prev[1]) * z_prev
    # what the threshold of the step before moves in u_t
    reset = -alpha * z_prev
    P = (
        (alpha_by_tau * (kept - I[0]), 0.0),
        (0.0, rho_by_tau * (s_prev[1] - z_prev)),
        (reset, 0.0),
        (reset * s_prev[1], 0.0),
    )
    A = ((alpha, reset * beta), (0.0, rho))
    return A, (gain_u, 0.0), (psi, -psi * beta), (0.0, 0.0), P, (0.0, 0.0, -psi, -psi * s[1])


@jitable
def float_spike_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, b0, beta, alpha, _, _, _, gain_a, _ = p
    return -alpha * (b0 + beta * s_prev[1]), gain_a


@jitable
def fixed_step(s, z_prev, I, p):
    alpha, rho, b0, beta, k, m, f, i_shift, bits, rounding, _ = p
    unit = shift(1, k)
    current_full = shift(I[0], i_shift)
    current = sat(current_full, CURRENT_BITS)
    kept = s[0] - z_prev * (b0 + shr(beta * s[1], m, rounding))
    a_full = shr(rho * s[1] + (unit - rho) * shift(z_prev, f), k, rounding)
    a = sat(a_full, bits)
    u_full = shr(alpha * kept + (unit - alpha) * current, k, rounding)
    u = sat(u_full, bits)
    events = (1 if u != u_full or current != current_full else 0) | (2 if a != a_full else 0)
    return (u, a), 1 if u > b0 + shr(beta * a, m, rounding) else 0, events


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    alpha, rho, b0, beta, k, m, f, i_shift, _, rounding, _ = p
    one = shift(1, f)
    kept = s_prev[0] - z_prev * (b0 + shr(beta * s_prev[1], m, rounding))
    A = ((alpha, -z_prev * shr(alpha * beta, m, rounding)), (0, rho))
    # by α, ρ, b0 and β, in state units
    P = (
        (kept - shift(I[0], i_shift), 0),
        (0, s_prev[1] - z_prev * one),
        (-z_prev * shr(alpha * one, k, rounding), 0),
        (-z_prev * shr(alpha * s_prev[1], k, rounding), 0),
    )
    C = (psi, -shr(psi * beta, m, rounding))
    return A, (shift(1, k) - alpha, 0), C, (0, 0), P, (0, 0, -psi, -shr(psi * s[1], f, rounding)), (0, 0)


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert as `alif` does, with the ψ of this model.

    Products stay below 2^62 as there: θ below 2^46 for any a, α r below 2^62 with the clipped current beside it, since
    their coefficients add up to 2^k; in learning, α β 2^-m below 2^30 times an eligibility.
    """
    fixed = alif.to_fixed(params, fmt)
    psi_shift, table = threshold_table(double_gaussian, PSI_RANGE_BITS, fmt.state_fraction(), fmt)
    return replace(fixed, constants=fixed.constants | {"psi_shift": psi_shift}, psi_table=table)


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are, with the ψ of this model."""
    return alif.with_psi(double_gaussian, where, integers, fmt, state_scale)


MODEL = NeuronModel(
    name="alif_reset",
    states=(
        StateVar("u", "saturate", description="membrane potential before the reset"),
        StateVar("a", "saturate", description="adaptation"),
    ),
    params=(
        Param("tau_u", "step", 20.0, 0.0, 1e6, trainable=True, open_low=True, description="time constant of u"),
        Param("tau_a", "step", 7.0, 0.0, 1e6, trainable=True, open_low=True, description="time constant of a"),
        Param("b0", "1", 0.01, -1e6, 1e6, trainable=True, description="threshold at rest"),
        Param("beta", "1", 1.8, -1e6, 1e6, trainable=True, description="weight of a in the threshold"),
    ),
    surrogate="double_gaussian",
    bias_on="current",
    coefficients=alif.MODEL.coefficients,
    float_coefficients=alif.float_coefficients,
    float_step=float_step,
    float_psi_arg=alif.float_psi_arg,
    float_jacobian=float_jacobian,
    float_spike_jacobian=float_spike_jacobian,
    fixed_per_neuron=alif.MODEL.fixed_per_neuron,
    fixed_constants=alif.MODEL.fixed_constants,
    events=alif.MODEL.events,
    fixed_step=fixed_step,
    psi_index=alif.psi_index,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    of_integers=of_integers,
    learned=alif.LEARNED,
    constrain=alif.constrain,
    source="Yin, Corradi, Bohté 2021, doi 10.1038/s42256-021-00397-w; order of the reset and constants: Higuchi, "
    "Kairat, Bohte, Otte: Balanced Resonate-and-Fire Neurons, ICML 2024, arXiv 2402.14603",
)
