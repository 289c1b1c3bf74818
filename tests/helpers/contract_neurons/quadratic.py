"""Quadratic integrate-and-fire, driven by the signed square of its current.

v_t = κ v_{t-1} (1 - z_{t-1}) + c v_{t-1}² + I_t |I_t|
z_t = Θ(v_t - θ)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.neurons.base import PSI_ENTRIES, Conversion, FixedParams, NeuronModel, Param, StateVar, to_integer
from hypr_neuro.neurons.scaling import input_shift, psi_table
from hypr_neuro.numbers.fixed_point import sat, shift, shr, shr_floor
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.surrogates import slayer

CURRENT_BITS = 28


@jitable
def float_step(s, z_prev, I, p):
    kappa, curvature, theta = p
    v = kappa * s[0] * (1.0 - z_prev) + curvature * s[0] * s[0] + I[0] * abs(I[0])
    return (v,), 1.0 if v > theta else 0.0


@jitable
def float_psi_arg(s_prev, s, p):
    return s[0] - p[2]


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    kappa, curvature, _ = p
    keep = 1.0 - z_prev
    A = ((kappa * keep + 2.0 * curvature * s_prev[0],),)
    P = ((s_prev[0] * keep,), (s_prev[0] * s_prev[0],), (0.0,))
    return A, (2.0 * abs(I[0]),), (psi,), (0.0,), P, (0.0, 0.0, -psi)


@jitable
def float_spike_jacobian(s_prev, s, z_prev, I, p, psi):
    return (-p[0] * s_prev[0],)


@jitable
def arriving(current, i_shift):
    """The current in state units, so wide that its square fits."""
    return sat(shift(current, i_shift), CURRENT_BITS)


@jitable
def fixed_step(s, z_prev, I, p):
    kappa, curvature, theta, k, f, i_shift, bits, rounding = p
    current = arriving(I[0], i_shift)
    drive = shr(current * abs(current), f, rounding)
    squared = shr(s[0] * s[0], f, rounding)
    full = shr(kappa * s[0] * (1 - z_prev) + curvature * squared, k, rounding) + drive
    v = sat(full, bits)
    return (v,), 1 if v > theta else 0, 1 if v != full else 0


@jitable
def psi_index(s_prev, s, p):
    i = shift(s[0] - p[2], 7 - p[4]) + 256
    return min(max(i, 0), 511)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    kappa, curvature, _, k, f, i_shift, _, _ = p
    keep = 1 - z_prev
    A = ((kappa * keep + shr_floor(2 * curvature * s_prev[0], f),),)
    P = ((s_prev[0] * keep,), (shr_floor(s_prev[0] * s_prev[0], f),), (0,))
    B = shift(abs(arriving(I[0], i_shift)), k + 1 - f)
    return A, (B,), (psi,), (0,), P, (0, 0, -psi), (0,)


def operating_point(p):
    """At rest, driven so hard that one step brings it to 1."""
    _, _, _, _, f, i_shift, _, _ = p
    return (0,), (1 << max(f - i_shift, 0),)


def to_fixed(params, fmt):
    out: list[Conversion] = []
    k, f = fmt.coefficient_fraction, fmt.state_fraction()
    top, most = (1 << k) - 1, (1 << (fmt.state_bits - 1)) - 1
    per_neuron = {
        "kappa": to_integer("kappa", params["kappa"], 2.0**k, 0, top, "coefficient", out),
        "curvature": to_integer("curvature", params["curvature"], 2.0**k, 0, top, "coefficient", out),
        "theta": to_integer("theta", params["theta"], 2.0**f, -most, most, "state", out),
    }
    i_shift = input_shift(1.0, f, fmt)
    constants = {"k": k, "f": f, "i_shift": i_shift, "bits": fmt.state_bits, "rounding": fmt.rounding}
    x = (np.arange(PSI_ENTRIES) - 256 + 0.5) / 128
    return FixedParams(
        per_neuron, constants, 2.0**f, 2.0 ** (f - i_shift), psi_table(slayer, x, np.ones_like(x), fmt), out
    )


def constrain(params: dict[str, Any]) -> None:
    for name in ("kappa", "curvature"):
        params[name][...] = np.clip(params[name], 0.0, 1.0)


NAMES = ("kappa", "curvature", "theta")
MODEL = NeuronModel(
    name="quadratic",
    states=(StateVar("v", "saturate"),),
    params=(
        Param("kappa", "1", 0.8, 0.0, 1.0, trainable=True),
        Param("curvature", "1", 0.05, 0.0, 1.0, trainable=True),
        Param("theta", "1", 1.0, -10.0, 10.0, trainable=True),
    ),
    surrogate="slayer",
    float_step=float_step,
    float_psi_arg=float_psi_arg,
    float_jacobian=float_jacobian,
    float_spike_jacobian=float_spike_jacobian,
    fixed_per_neuron=NAMES,
    fixed_constants=("k", "f", "i_shift", "bits", "rounding"),
    events=("v saturated",),
    fixed_step=fixed_step,
    psi_index=psi_index,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    constrain=constrain,
    operating_point=operating_point,
    source="made up; a quadratic integrate-and-fire neuron is Ermentrout & Kopell 1986",
)
