"""ALIF, leaky integrate-and-fire neuron with an adaptive threshold (Bellec et al. 2018, 2020).

    a_t = ρ a_{t-1} + (1 - ρ) z_{t-1},  ρ = e^{-1/τ_a}        the adaptation follows the neuron's own spikes
    θ_t = b0 + β a_t                                          threshold
    u_t = α u_{t-1} + (1 - α) I_t - θ_t z_{t-1},  α = e^{-1/τ_u}
    z_t = Θ(u_t - θ_t)

τ_u and τ_a in steps. ψ is SLAYER of u_t - θ_t. The reset takes off the threshold of its own step, which the spike has
already raised: ∂u_t/∂z_{t-1} = -θ_t - β (1 - ρ) z_{t-1}.

The form and the constants are those of Baronig et al. 2025, who start from τ_u = 20, τ_a = 100, b0 = 0.01 and β = 1.8
and keep τ_u >= 10, τ_a >= 100. Here both stay at or above one step, as any decay is stable.

Integers: states and b0 have F fraction bits, decays k, and β, which exceeds 1, has m in the same width:

    a' = sat(round((rho a + (2^k - rho) (z << F)) / 2^k))               alpha = α 2^k, rho = ρ 2^k
    θ  = b0 + round(beta a' / 2^m)
    u' = sat(round((alpha u + (2^k - alpha) (I << i_shift)) / 2^k) - θ z)
    z' = 1 if u' > θ else 0

A gain is the complement of its decay, so that it is exactly 1 at rest. a' stays between 0 and 1 << F, and θ, which no
state holds, needs no width of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, expm1

import numpy as np

from hypr_neuro.neurons.base import (
    Conversion,
    FixedFormat,
    FixedParams,
    Learned,
    NeuronModel,
    Param,
    StateVar,
    to_integer,
)
from hypr_neuro.neurons.given_integers import at_scales, own_scale, require_coefficients
from hypr_neuro.neurons.li import time_constant
from hypr_neuro.neurons.scaling import CURRENT_BITS, input_shift, large_fraction, table_of_shift, threshold_table
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import largest_in, sat, shift, shr, shr_floor
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.surrogates import slayer

PSI_RANGE_BITS = 1
"""The ψ table spans ±2 around the threshold: beyond, ψ is below 3e-5."""


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


@jitable
def fixed_step(s, z_prev, I, p):
    alpha, rho, b0, beta, k, m, f, i_shift, bits, rounding, _ = p
    unit = shift(1, k)
    current_full = shift(I[0], i_shift)
    current = sat(current_full, CURRENT_BITS)
    a_full = shr(rho * s[1] + (unit - rho) * shift(z_prev, f), k, rounding)
    a = sat(a_full, bits)
    theta = b0 + shr(beta * a, m, rounding)
    u_full = shr(alpha * s[0] + (unit - alpha) * current, k, rounding) - theta * z_prev
    u = sat(u_full, bits)
    events = (1 if u != u_full else 0) | (1 if current != current_full else 0) | (2 if a != a_full else 0)
    return (u, a), 1 if u > theta else 0, events


@jitable
def psi_index(s_prev, s, p):
    theta = p[2] + shr(p[3] * s[1], p[5], p[9])
    return min(max(shr_floor(s[0] - theta, p[10]) + 256, 0), 511)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    alpha, rho, _, beta, k, m, f, i_shift, _, rounding, _ = p
    one = shift(1, f)
    # what a_t moves in u_t, by way of the reset: -β z
    A = ((alpha, -z_prev * shr(beta * rho, m, rounding)), (0, rho))
    by_rho = s_prev[1] - z_prev * one
    # by α, ρ, b0 and β, in state units
    P = (
        (s_prev[0] - shift(I[0], i_shift), 0),
        (-z_prev * shr(beta * by_rho, m, rounding), by_rho),
        (-z_prev * one, 0),
        (-z_prev * s[1], 0),
    )
    C = (psi, -shr(psi * beta, m, rounding))
    return A, (shift(1, k) - alpha, 0), C, (0, 0), P, (0, 0, -psi, -shr(psi * s[1], f, rounding)), (0, 0)


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert α and ρ to coefficients, β to one with as many fraction bits as its size leaves, b0 to the state's scale.

    Products stay below 2^62 for states of 32 and coefficients of 17 bits: decays times states 2^47, times a clipped
    current 2^61 (`CURRENT_BITS`); β times a 2^47; in learning, β ρ 2^-m times an eligibility 2^61 (`large_fraction`).
    """
    out: list[Conversion] = []
    k = fmt.coefficient_fraction
    top = (1 << k) - 1
    state_top = largest_in(fmt.state_bits)
    f = fmt.state_fraction()
    m = large_fraction(float(np.abs(params["beta"]).max()), k)
    decay_rule, beta_rule = (f"coefficient, {fmt.coefficient_bits} bits, {n} of fraction" for n in (k, m))
    state_rule = f"state, {fmt.state_bits} bits"
    per_neuron = {
        "alpha": to_integer("α", np.exp(-1.0 / params["tau_u"]), 2.0**k, 0, top, decay_rule, out),
        "rho": to_integer("ρ", np.exp(-1.0 / params["tau_a"]), 2.0**k, 0, top, decay_rule, out),
        "b0": to_integer("b0", params["b0"], 2.0**f, -state_top, state_top, state_rule, out),
        "beta": to_integer("β", params["beta"], 2.0**m, -top, top, beta_rule, out),
    }
    i_shift = input_shift(1.0, f, fmt)
    psi_shift, table = threshold_table(slayer, PSI_RANGE_BITS, f, fmt)
    constants = {
        "k": k,
        "m": m,
        "f": f,
        "i_shift": i_shift,
        "bits": fmt.state_bits,
        "rounding": fmt.rounding,
        "psi_shift": psi_shift,
    }
    return FixedParams(per_neuron, constants, 2.0**f, 2.0 ** (f - i_shift), table, out)


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are, at the scale that their fraction bits state."""
    return with_psi(slayer, where, integers, fmt, state_scale)


def with_psi(
    surrogate: Callable[[float], float],
    where: str,
    integers: Mapping[str, Array],
    fmt: FixedFormat,
    state_scale: float | None,
) -> FixedParams:
    """Take integers as they are, with the table of a surrogate."""
    require_coefficients(where, integers, fmt, coefficients=("alpha", "rho", "beta"), states=("b0",))
    f = int(integers["f"])
    scale = own_scale(where, 2.0**f, state_scale)
    table = table_of_shift(surrogate, int(integers["psi_shift"]), f, fmt)
    return at_scales(integers, MODEL.fixed_per_neuron, scale, scale / 2.0 ** int(integers["i_shift"]), table)


def learned_values(params: Mapping[str, Array]) -> tuple[Array, ...]:
    """Return α, ρ, b0 and β."""
    return (
        np.exp(-1.0 / params["tau_u"]),
        np.exp(-1.0 / params["tau_a"]),
        np.array(params["b0"]),
        np.array(params["beta"]),
    )


def learned_params(params: Mapping[str, Array], values: tuple[Array, ...]) -> dict[str, Array]:
    """Recover τ_u and τ_a from their decays; b0 and β inside their ranges."""
    b0, beta = (
        np.clip(v, MODEL.param(n).low, MODEL.param(n).high) for n, v in zip(("b0", "beta"), values[2:], strict=True)
    )
    return {**params, "tau_u": time_constant(values[0]), "tau_a": time_constant(values[1]), "b0": b0, "beta": beta}


def learned_units(constants: Mapping[str, int]) -> tuple[float, ...]:
    """Return the units of change; b0, of F fraction bits, changes by 2^-12 where it has more."""
    decay = 2.0 ** -constants["k"]
    return decay, decay, 2.0 ** -min(constants["f"], 12), 2.0 ** -constants["m"]


def learned_read(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> tuple[Array, ...]:
    unit = 2.0 ** constants["k"]
    return (
        per_neuron["alpha"] / unit,
        per_neuron["rho"] / unit,
        per_neuron["b0"] / 2.0 ** constants["f"],
        per_neuron["beta"] / 2.0 ** constants["m"],
    )


@jitable
def learned_change(p, change):
    # decays in 0..2^k - 1; b0 inside the states' width, β inside the coefficients'
    alpha, rho, b0, beta, k, _, f, _, bits, _, _ = p
    top = shift(1, k) - 1
    return (
        min(max(alpha - change[0], 0), top),
        min(max(rho - change[1], 0), top),
        sat(b0 - shift(change[2], f - min(f, 12)), bits),
        sat(beta - change[3], k + 1),
    )


def constrain(params: dict[str, Array]) -> None:
    """Keep τ_u and τ_a at or above one step after an update."""
    for name in ("tau_u", "tau_a"):
        params[name][...] = np.maximum(params[name], 1.0)


LEARNED = Learned(learned_values, learned_params, learned_units, learned_read, learned_change)

MODEL = NeuronModel(
    name="alif",
    states=(
        StateVar("u", "saturate", description="membrane potential after the reset by the previous spike"),
        StateVar("a", "saturate", description="adaptation"),
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
    fixed_per_neuron=("alpha", "rho", "b0", "beta"),
    fixed_constants=("k", "m", "f", "i_shift", "bits", "rounding", "psi_shift"),
    events=("u saturated", "a saturated"),
    fixed_step=fixed_step,
    psi_index=psi_index,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    of_integers=of_integers,
    learned=LEARNED,
    constrain=constrain,
    source="Bellec et al. 2018, arXiv 1803.09574, and 2020, doi 10.1038/s41467-020-17236-y; form and constants: "
    "Baronig, Bahariasl, Özdenizci, Legenstein 2025, arXiv 2506.14464",
)
