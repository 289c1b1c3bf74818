"""SE-adLIF, adaptive LIF neuron in symplectic Euler form (Baronig et al. 2024, arXiv 2408.07517).

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

Integers: states and θ have F fraction bits, decays n, and k·a and k·b, which reach hundreds, have m in the same width:

    u' = sat(round((alpha u (1 - z) + (2^n - alpha) ((I << i_shift) - w)) / 2^n))         alpha = α 2^n
    z' = 1 if u' > theta else 0
    d  = round((ka u' (1 - z') + kb (z << F)) / 2^m)                                      ka = k a 2^m, kb = k b 2^m
    w' = sat(round((beta w + (2^n - beta) d) / 2^n))                                      beta = β 2^n

A gain is the complement of its decay, so that it is exactly 1 at rest: w then is d, whatever was lost of β.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, expm1
from typing import Any

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
from hypr_neuro.numbers.fixed_point import largest_in, sat, shift, shift_nearest, shr, shr_floor
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.surrogates import slayer

PSI_RANGE_BITS = 1
"""The ψ table spans ±2 around the threshold: beyond, ψ is below 3e-5."""

SLOPE_BITS, DRIVE_BITS = 28, 36
"""Widths in the Jacobian: of ∂w/∂z and of ∂u/∂α in state units; products with coefficients stay below 2^62."""

LOWEST_TAU_U, LOWEST_TAU_W = 5.0, 60.0
LOWEST_ALPHA, LOWEST_BETA = (round(2.0**30 * exp(-1.0 / tau)) for tau in (LOWEST_TAU_U, LOWEST_TAU_W))
"""Their decays, with 30 fraction bits."""


def float_coefficients(p):
    tau_u, tau_w, a, b, _, k = p
    alpha, beta, gain_w = exp(-1.0 / tau_u), exp(-1.0 / tau_w), -k * expm1(-1.0 / tau_w)
    return (
        alpha,
        -expm1(-1.0 / tau_u),
        alpha / tau_u / tau_u,
        beta,
        gain_w,
        gain_w * a,
        gain_w * b,
        beta / tau_w / tau_w,
    )


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


@jitable
def fixed_step(s, z_prev, I, p):
    alpha, beta, ka, kb, theta, n, m, f, i_shift, bits, rounding, _ = p
    unit = shift(1, n)
    current_full = shift(I[0], i_shift)
    current = sat(current_full, CURRENT_BITS)
    u_full = shr(alpha * s[0] * (1 - z_prev) + (unit - alpha) * (current - s[1]), n, rounding)
    u = sat(u_full, bits)
    z = 1 if u > theta else 0
    drive = shr(ka * u * (1 - z) + kb * shift(z_prev, f), m, rounding)
    w_full = shr(beta * s[1] + (unit - beta) * drive, n, rounding)
    w = sat(w_full, bits)
    events = (1 if u != u_full else 0) | (1 if current != current_full else 0) | (2 if w != w_full else 0)
    return (u, w), z, events


@jitable
def psi_index(s_prev, s, p):
    return min(max(shr_floor(s[0] - p[4], p[11]) + 256, 0), 511)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    alpha, beta, ka, kb, theta, n, m, f, i_shift, _, rounding, _ = p
    unit, one = shift(1, n), shift(1, f)
    gain_u, gain_w = unit - alpha, unit - beta
    silent = 0 if s[0] > theta else 1
    # ∂w_t/∂u_t between spikes; the spike of this step moves w_t by -(1 - β) k a u_t
    by_u = shr(gain_w * ka, m, rounding)
    w_u = silent * by_u
    w_z = -sat(shr(by_u * s[0], f, rounding), SLOPE_BITS)
    u_u = alpha * (1 - z_prev)
    A = ((u_u, -gain_u), (shr(w_u * u_u, n, rounding), beta - shr(w_u * gain_u, n, rounding)))
    # by α, β, k a, k b and θ, in state units
    by_alpha = sat(s_prev[0] * (1 - z_prev) - shift(I[0], i_shift) + s_prev[1], DRIVE_BITS)
    drive = shr(ka * s[0] * silent + kb * one * z_prev, m, rounding)
    P = (
        (by_alpha, shr(w_u * by_alpha, n, rounding)),
        (0, s_prev[1] - drive),
        (0, shr(gain_w * s[0] * silent, n, rounding)),
        (0, shr(gain_w * one * z_prev, n, rounding)),
        (0, 0),
    )
    B = (gain_u, shr(w_u * gain_u, n, rounding))
    return A, B, (psi, 0), (0, 0), P, (0, 0, 0, 0, -psi), (0, w_z)


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert α and β to coefficients, k·a and k·b to ones with the fraction bits that their size leaves, θ to a state.

    Products stay below 2^62 for states of 32 and coefficients of 17 bits: decays times states 2^47, times a clipped
    current 2^61 (`CURRENT_BITS`); k·a times u 2^47, and with 2^-m and 1 - β, 2^62 at most (`large_fraction`); those
    of the Jacobian by `SLOPE_BITS` and `DRIVE_BITS`.
    """
    out: list[Conversion] = []
    n = fmt.coefficient_fraction
    top = (1 << n) - 1
    state_top = largest_in(fmt.state_bits)
    f = fmt.state_fraction()
    ka, kb = params["k"] * params["a"], params["k"] * params["b"]
    m = large_fraction(float(max(ka.max(), kb.max())), n)
    decay_rule, drive_rule = (
        f"coefficient, {fmt.coefficient_bits} bits, {fraction} of fraction" for fraction in (n, m)
    )
    per_neuron = {
        "alpha": to_integer("α", np.exp(-1.0 / params["tau_u"]), 2.0**n, 0, top, decay_rule, out),
        "beta": to_integer("β", np.exp(-1.0 / params["tau_w"]), 2.0**n, 0, top, decay_rule, out),
        "ka": to_integer("k a", ka, 2.0**m, 0, top, drive_rule, out),
        "kb": to_integer("k b", kb, 2.0**m, 0, top, drive_rule, out),
        "theta": to_integer("θ", params["theta"], 2.0**f, -state_top, state_top, f"state, {fmt.state_bits} bits", out),
    }
    i_shift = input_shift(1.0, f, fmt)
    psi_shift, table = threshold_table(slayer, PSI_RANGE_BITS, f, fmt)
    constants = {
        "n": n,
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
    names = ("alpha", "beta", "ka", "kb")
    require_coefficients(where, integers, fmt, coefficients=names, states=("theta",), fraction="n")
    f = int(integers["f"])
    scale = own_scale(where, 2.0**f, state_scale)
    table = table_of_shift(slayer, int(integers["psi_shift"]), f, fmt)
    return at_scales(integers, MODEL.fixed_per_neuron, scale, scale / 2.0 ** int(integers["i_shift"]), table)


def learned_values(params: Mapping[str, Array]) -> tuple[Array, ...]:
    """Return α, β, k a, k b and θ."""
    k = params["k"]
    return (
        np.exp(-1.0 / params["tau_u"]),
        np.exp(-1.0 / params["tau_w"]),
        k * params["a"],
        k * params["b"],
        np.array(params["theta"]),
    )


def learned_params(params: Mapping[str, Array], values: tuple[Array, ...]) -> dict[str, Array]:
    """Recover τ_u and τ_w from their decays, a and b by k, which stays; all inside their ranges.

    Integers know no k: k a there can exceed k by as much as the coefficients' width leaves. a is then 1.
    """
    alpha, beta, ka, kb, theta = values
    result = {
        **params,
        "theta": np.clip(theta, MODEL.param("theta").low, MODEL.param("theta").high),
        "tau_u": time_constant(alpha, LOWEST_TAU_U),
        "tau_w": time_constant(beta, LOWEST_TAU_W),
    }
    for name, value in (("a", ka), ("b", kb)):
        by_k = np.divide(value, params["k"], out=np.array(params[name], np.float64), where=params["k"] > 0.0)
        result[name] = np.clip(by_k, 0.0, 1.0)
    return result


def learned_units(constants: Mapping[str, int]) -> tuple[float, ...]:
    """Return the units of change; θ, of F fraction bits, changes by 2^-12 where it has more."""
    decay, drive = 2.0 ** -constants["n"], 2.0 ** -constants["m"]
    return decay, decay, drive, drive, 2.0 ** -min(constants["f"], 12)


def learned_read(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> tuple[Array, ...]:
    fractions = (("alpha", "n"), ("beta", "n"), ("ka", "m"), ("kb", "m"), ("theta", "f"))
    return tuple(per_neuron[name] / 2.0 ** constants[bits] for name, bits in fractions)


@jitable
def learned_change(p, change):
    # decays from those of the lowest time constants, rounded as in quantizing, to 2^n - 1; k a, k b in 0..2^n - 1
    alpha, beta, ka, kb, theta, n, _, f, _, bits, _, _ = p
    top = shift(1, n) - 1
    return (
        min(max(alpha - change[0], shift_nearest(LOWEST_ALPHA, n - 30)), top),
        min(max(beta - change[1], shift_nearest(LOWEST_BETA, n - 30)), top),
        min(max(ka - change[2], 0), top),
        min(max(kb - change[3], 0), top),
        sat(theta - shift(change[4], f - min(f, 12)), bits),
    )


def constrain(params: dict[str, Array]) -> None:
    """Keep τ_u and τ_w at or above their lowest values after an update, a and b in [0, 1]."""
    for name, low in (("tau_u", LOWEST_TAU_U), ("tau_w", LOWEST_TAU_W)):
        params[name][...] = np.maximum(params[name], low)
    for name in ("a", "b"):
        params[name][...] = np.clip(params[name], 0.0, 1.0)


def not_learned(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> dict[str, Any]:
    """Return k: the integers know only k·a and k·b, with a and b at most 1."""
    largest = max(int(per_neuron["ka"].max()), int(per_neuron["kb"].max())) / 2.0 ** constants["m"]
    return {"k": max(MODEL.param("k").default, largest)}


LEARNED = Learned(learned_values, learned_params, learned_units, learned_read, learned_change)

MODEL = NeuronModel(
    name="se_adlif",
    states=(
        StateVar("u", "saturate", description="membrane potential before the reset"),
        StateVar("w", "saturate", description="adaptation current"),
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
    fixed_per_neuron=("alpha", "beta", "ka", "kb", "theta"),
    fixed_constants=("n", "m", "f", "i_shift", "bits", "rounding", "psi_shift"),
    events=("u saturated", "w saturated"),
    fixed_step=fixed_step,
    psi_index=psi_index,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    of_integers=of_integers,
    learned=LEARNED,
    constrain=constrain,
    threshold="theta",
    not_learned=not_learned,
    source="Baronig, Ferrand, Sabathiel, Legenstein: Advancing Spatio-Temporal Processing in Spiking Neural Networks "
    "through Adaptation, 2024, arXiv 2408.07517; k: Baronig, Bahariasl, Özdenizci, Legenstein 2025, arXiv 2506.14464",
)
