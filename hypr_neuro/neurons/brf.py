"""BRF, balanced resonate-and-fire neuron (Higuchi et al., ICML 2024, arXiv 2402.14603).

    c_t = p(ω) - |b'| - q_{t-1},  p(ω) = (-1 + √(1 - (δω)²)) / δ          damping, stronger just after a spike
    u_t = u_{t-1} + δ (c_t u_{t-1} - |ω| v_{t-1} + I_t)
    v_t = v_{t-1} + δ (|ω| u_{t-1} + c_t v_{t-1})
    z_t = Θ(u_t - θ - q_{t-1})
    q_t = γ q_{t-1} + z_t

ψ is the double Gaussian of u_t - θ - q_{t-1}. δ|ω| < 1 keeps the square root real.

Integers: states have F fraction bits, coefficients k. δ is folded into weights and coefficients:

    c  = sat(cd - round(dlt · q / 2^qs))                       cd = δ(p(ω) - |b'|) 2^k, dlt = δ 2^m, qs = F + m - k
    u' = sat(u + round((c u - wd v) / 2^k) + (I << i_shift))            wd = δ|ω| 2^k
    v' = sat(v + round((wd u + c v) / 2^k))
    z  = 1 if u' - theta - q > 0 else 0
    q' = sat(round(gamma q / 2^k) + (z << F))
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import FixedFormat, FixedParams, Learned, NeuronModel, Param, StateVar
from hypr_neuro.neurons.folded_step import DELTA_FRACTION, Coefficient, delta_of, folded_params, folded_scales
from hypr_neuro.neurons.given_integers import require_coefficients
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import isqrt, quotient, sat, shift, shr, shr_floor
from hypr_neuro.numbers.jit import jitable

DAMPING_BITS = 28
"""Width of c and of the derivatives by q: their products with 32 bits then fit 64, three of them together. Only states
that saturated get near; in a step it is counted with u."""


def float_coefficients(p):
    omega, b_offset, delta, _, _ = p
    dw = delta * abs(omega)
    root = sqrt(1.0 - dw * dw)
    signed = delta if omega >= 0.0 else -delta
    by_b = -delta if b_offset >= 0.0 else delta
    # δω, 1 + δ(p(ω)-|b'|), and derivatives by ω (own: δp'(ω), cross: δ) and b'
    return dw, root - delta * abs(b_offset), -signed * dw / root, signed, by_b


@jitable
def float_step(s, z_prev, I, p):
    u, v, q = s
    _, _, delta, gamma, theta, dw, keep, _, _, _ = p
    a = keep - delta * q
    u1 = a * u - dw * v + delta * I[0]
    z = 1.0 if u1 - theta - q > 0.0 else 0.0
    return (u1, dw * u + a * v, gamma * q + z), z


@jitable
def float_psi_arg(s_prev, s, p):
    return s[0] - p[4] - s_prev[2]


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    u, v, q = s_prev
    _, _, delta, gamma, _, dw, keep, own, cross, by_b = p
    a_uu = keep - delta * q
    a_uq = -delta * u
    A = (
        (a_uu, -dw, a_uq),
        (dw, a_uu, -delta * v),
        (psi * a_uu, -psi * dw, gamma + psi * (a_uq - 1.0)),
    )
    w_u = own * u - cross * v
    b_u = by_b * u
    P = (
        (w_u, cross * u + own * v, psi * w_u),
        (b_u, by_b * v, psi * b_u),
    )
    return A, (delta, 0.0, psi * delta), (psi, 0.0, 0.0), (0.0, 0.0, -psi), P, (0.0, 0.0)


@jitable
def fixed_step(s, z_prev, I, p):
    u, v, q = s
    wd, cd, _, gamma, theta, dlt, qs, k, one, i_shift, bits, rounding, _ = p
    c_full = cd - shr(dlt * q, qs, rounding)
    c = sat(c_full, DAMPING_BITS)
    u_full = u + shr(c * u - wd * v, k, rounding) + shift(I[0], i_shift)
    v_full = v + shr(wd * u + c * v, k, rounding)
    u1 = sat(u_full, bits)
    v1 = sat(v_full, bits)
    z = 1 if u1 - theta - q > 0 else 0
    q_full = shr(gamma * q, k, rounding) + z * one
    q1 = sat(q_full, bits)
    events = (1 if u1 != u_full or c != c_full else 0) | (2 if v1 != v_full else 0) | (4 if q1 != q_full else 0)
    return (u1, v1, q1), z, events


@jitable
def psi_index(s_prev, s, p):
    i = shr_floor(s[0] - p[4] - s_prev[2], p[12]) + 256
    return min(max(i, 0), 511)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    u, v, q = s_prev
    wd, cd, dp, gamma, _, dlt, qs, k, _, _, _, rounding, _ = p
    unit = shift(1, k)
    a_uu = unit + sat(cd - shr(dlt * q, qs, rounding), DAMPING_BITS)
    a_uq = -sat(shr(dlt * u, qs, rounding), DAMPING_BITS)
    A = (
        (a_uu, -wd, a_uq),
        (wd, a_uu, -sat(shr(dlt * v, qs, rounding), DAMPING_BITS)),
        (0, 0, gamma),
    )
    # by δω and by δ|b'|, in state units
    P = (
        (shr(dp * u, k, rounding) - v, u + shr(dp * v, k, rounding), 0),
        (-u, -v, 0),
    )
    return A, (unit, 0, 0), (psi, 0, 0), (0, 0, -psi), P, (0, 0), (0, 0, unit)


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert δω, δ(p(ω)-|b'|), γ to coefficients, θ and 1 to the state's scale, ψ to a table of ±8 around θ."""
    delta = delta_of("brf", params)
    dw = delta * np.abs(params["omega"])
    root = np.sqrt(1.0 - dw**2)
    coefficients = (
        Coefficient("wd", "δω", dw),
        Coefficient("cd", "δ(p(ω)-|b'|)", root - 1.0 - delta * np.abs(params["b_offset"])),
        Coefficient("dp", "p'(ω)", -dw / root),
        Coefficient("gamma", "γ", params["gamma"]),
    )
    f = fmt.state_fraction()
    own = {"qs": f + DELTA_FRACTION - fmt.coefficient_fraction, "one": 1 << f}
    return folded_params(params, delta, coefficients, own, MODEL.fixed_constants, fmt)


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are, at the scale of their 1, which is a power of two."""
    require_coefficients(where, integers, fmt, coefficients=("wd", "cd", "dp", "gamma"), states=("theta",))
    f = int(integers["one"]).bit_length() - 1
    if int(integers["one"]) != 1 << f:
        raise InputError(f"{where}: one = {int(integers['one'])}, rule: a power of two; round it and the states to one")
    return folded_scales(where, integers, MODEL.fixed_per_neuron, f, fmt, state_scale)


def learned_values(params: Mapping[str, Array]) -> tuple[Array, ...]:
    """Return δ|ω| and δ|b'|."""
    return params["delta"] * np.abs(params["omega"]), params["delta"] * np.abs(params["b_offset"])


def learned_params(params: Mapping[str, Array], values: tuple[Array, ...]) -> dict[str, Array]:
    """Recover ω and b' from δ|ω| and δ|b'|, at least 0; each keeps its sign in `params`, 0 is positive."""
    result = dict(params)
    for name, value in zip(("omega", "b_offset"), values, strict=True):
        # a δ|b'| just below 0 comes from the rounding of c
        size = np.clip(value / params["delta"], 0.0, MODEL.param(name).high)
        result[name] = np.where(params[name] < 0.0, -size, size)
    return result


def learned_units(constants: Mapping[str, int]) -> tuple[float, ...]:
    return 2.0 ** -constants["k"], 2.0 ** -constants["k"]


def learned_read(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> tuple[Array, ...]:
    """Return wd, and b as `learned_change` takes it from wd and cd."""
    unit = 1 << constants["k"]
    wd = per_neuron["wd"]
    root = np.array([isqrt(unit * unit - int(w) * int(w)) for w in wd])
    return wd / unit, (root - unit - per_neuron["cd"]) / unit


@jitable
def learned_change(p, change):
    # δ|ω| in 0..2^k - 1, and b = root(wd) - 2^k - cd, at least 0, where root(wd) = √(2^2k - wd²): cd and p'(ω) follow
    wd, cd, dp, gamma, theta, _, _, k, _, _, _, _, _ = p
    unit = shift(1, k)
    top = unit - 1
    wd1 = min(max(wd - change[0], 0), top)
    root = isqrt(shift(1, 2 * k) - wd * wd)
    root1 = isqrt(shift(1, 2 * k) - wd1 * wd1)
    b = max(root - unit - cd - change[1], 0)
    cd1 = min(max(root1 - unit - b, -top), top)
    # -(wd1 2^k / root1) to nearest
    dp1 = min(max(quotient(root1 - shift(wd1, k + 1), shift(root1, 1)), -top), top)
    # what quantizing rounded otherwise stays until something changes
    moved = wd1 != wd
    return wd1, cd1 if moved or change[1] != 0 else cd, dp1 if moved else dp, gamma, theta


def validate(params: Mapping[str, Array]) -> None:
    """Raise InputError, naming the neuron, where δ|ω| ≥ 1: p(ω) would not be real."""
    product = params["delta"] * np.abs(params["omega"])
    bad = np.flatnonzero(product >= 1.0)
    if bad.size:
        raise InputError(f"neuron 'brf': δ|ω| = {product[bad[0]]:.4g} for neuron {bad[0]}, rule: below 1; lower omega")


def constrain(params: dict[str, Array]) -> None:
    """Clip |ω| after an update so that δ|ω| < 1 (the damping boundary p(ω) is real)."""
    limit = 0.999 / params["delta"]
    params["omega"][...] = np.clip(params["omega"], -limit, limit)


def not_learned(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> dict[str, Any]:
    """Return δ, γ and θ."""
    return {
        "delta": constants["dlt"] / 2.0**DELTA_FRACTION,
        "gamma": per_neuron["gamma"] / 2.0 ** constants["k"],
        "theta": per_neuron["theta"] / constants["one"],
    }


LEARNED = Learned(learned_values, learned_params, learned_units, learned_read, learned_change)

MODEL = NeuronModel(
    name="brf",
    states=(
        StateVar("u", "saturate", "real part"),
        StateVar("v", "saturate", "imaginary part"),
        StateVar("q", "saturate", "refractory variable"),
    ),
    params=(
        Param("omega", "rad per 1/δ steps", 4.0, -1e4, 1e4, trainable=True, description="angular frequency"),
        Param("b_offset", "per 1/δ steps", 0.5, -1e4, 1e4, trainable=True, description="damping offset"),
        Param("delta", "1/step", 0.01, 0.0, 1.0, open_low=True, description="integration step"),
        Param("gamma", "1", 0.9, 0.0, 1.0, description="decay of q"),
        Param("theta", "1", 1.0, 0.0, 1e6, description="threshold"),
    ),
    surrogate="double_gaussian",
    bias_on="current",
    coefficients=("dw", "keep", "own", "cross", "by_b"),
    float_coefficients=float_coefficients,
    float_step=float_step,
    float_psi_arg=float_psi_arg,
    float_jacobian=float_jacobian,
    fixed_per_neuron=("wd", "cd", "dp", "gamma", "theta"),
    fixed_constants=("dlt", "qs", "k", "one", "i_shift", "bits", "rounding", "psi_shift"),
    events=("u saturated", "v saturated", "q saturated"),
    fixed_step=fixed_step,
    psi_index=psi_index,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    of_integers=of_integers,
    learned=LEARNED,
    constrain=constrain,
    validate=validate,
    threshold="theta",
    not_learned=not_learned,
    source="Higuchi, Kairat, Bohte, Otte: Balanced Resonate-and-Fire Neurons, ICML 2024, arXiv 2402.14603",
)
