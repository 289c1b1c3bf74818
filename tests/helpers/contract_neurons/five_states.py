"""Membrane with a chain of four compartments behind it, which feeds back: five states, seven trainable parameters.

v_t = k0 v_{t-1} (1 - z_{t-1}) + g x4_{t-1} + I_t          x1_t = k1 x1_{t-1} + g v_{t-1}
x2_t = k2 x2_{t-1} + g x1_{t-1}   x3_t = k3 x3_{t-1} + g x2_{t-1}   x4_t = k4 x4_{t-1} - g x3_{t-1}
z_t = Θ(v_t - θ)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.neurons.base import PSI_ENTRIES, Conversion, FixedParams, NeuronModel, Param, StateVar, to_integer
from hypr_neuro.neurons.scaling import input_shift, psi_table
from hypr_neuro.numbers.fixed_point import sat, shift, shr
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.surrogates import slayer


@jitable
def float_step(s, z_prev, I, p):
    k0, k1, k2, k3, k4, g, theta = p
    v = k0 * s[0] * (1.0 - z_prev) + g * s[4] + I[0]
    x1, x2 = k1 * s[1] + g * s[0], k2 * s[2] + g * s[1]
    x3, x4 = k3 * s[3] + g * s[2], k4 * s[4] - g * s[3]
    return (v, x1, x2, x3, x4), 1.0 if v > theta else 0.0


@jitable
def float_psi_arg(s_prev, s, p):
    return s[0] - p[6]


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    k0, k1, k2, k3, k4, g, _ = p
    keep = 1.0 - z_prev
    A = (
        (k0 * keep, 0.0, 0.0, 0.0, g),
        (g, k1, 0.0, 0.0, 0.0),
        (0.0, g, k2, 0.0, 0.0),
        (0.0, 0.0, g, k3, 0.0),
        (0.0, 0.0, 0.0, -g, k4),
    )
    P = (
        (s_prev[0] * keep, 0.0, 0.0, 0.0, 0.0),
        (0.0, s_prev[1], 0.0, 0.0, 0.0),
        (0.0, 0.0, s_prev[2], 0.0, 0.0),
        (0.0, 0.0, 0.0, s_prev[3], 0.0),
        (0.0, 0.0, 0.0, 0.0, s_prev[4]),
        (s_prev[4], s_prev[0], s_prev[1], s_prev[2], -s_prev[3]),
        (0.0, 0.0, 0.0, 0.0, 0.0),
    )
    nothing = (0.0, 0.0, 0.0, 0.0, 0.0)
    E = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -psi)
    return A, (1.0, 0.0, 0.0, 0.0, 0.0), (psi, 0.0, 0.0, 0.0, 0.0), nothing, P, E


@jitable
def float_spike_jacobian(s_prev, s, z_prev, I, p, psi):
    return -p[0] * s_prev[0], 0.0, 0.0, 0.0, 0.0


@jitable
def fixed_step(s, z_prev, I, p):
    k0, k1, k2, k3, k4, g, theta, k, _, i_shift, bits, rounding = p
    v = shr(k0 * s[0] * (1 - z_prev) + g * s[4], k, rounding) + shift(I[0], i_shift)
    x1, x2 = shr(k1 * s[1] + g * s[0], k, rounding), shr(k2 * s[2] + g * s[1], k, rounding)
    x3, x4 = shr(k3 * s[3] + g * s[2], k, rounding), shr(k4 * s[4] - g * s[3], k, rounding)
    new = (sat(v, bits), sat(x1, bits), sat(x2, bits), sat(x3, bits), sat(x4, bits))
    lost = 1 if new[1] != x1 or new[2] != x2 or new[3] != x3 or new[4] != x4 else 0
    return new, 1 if new[0] > theta else 0, (1 if new[0] != v else 0) | 2 * lost


@jitable
def psi_index(s_prev, s, p):
    i = shift(s[0] - p[6], 7 - p[8]) + 256
    return min(max(i, 0), 511)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    k0, k1, k2, k3, k4, g, _, k, _, _, _, _ = p
    keep = 1 - z_prev
    A = ((k0 * keep, 0, 0, 0, g), (g, k1, 0, 0, 0), (0, g, k2, 0, 0), (0, 0, g, k3, 0), (0, 0, 0, -g, k4))
    P = (
        (s_prev[0] * keep, 0, 0, 0, 0),
        (0, s_prev[1], 0, 0, 0),
        (0, 0, s_prev[2], 0, 0),
        (0, 0, 0, s_prev[3], 0),
        (0, 0, 0, 0, s_prev[4]),
        (s_prev[4], s_prev[0], s_prev[1], s_prev[2], -s_prev[3]),
        (0, 0, 0, 0, 0),
    )
    nothing = (0, 0, 0, 0, 0)
    return A, (shift(1, k), 0, 0, 0, 0), (psi, 0, 0, 0, 0), nothing, P, (0, 0, 0, 0, 0, 0, -psi), nothing


def to_fixed(params, fmt):
    out: list[Conversion] = []
    k, f = fmt.coefficient_fraction, fmt.state_fraction()
    per_neuron = {}
    for name in COEFFICIENTS:
        per_neuron[name] = to_integer(name, params[name], 2.0**k, -(1 << k) + 1, (1 << k) - 1, "coefficient", out)
    top = (1 << (fmt.state_bits - 1)) - 1
    per_neuron["theta"] = to_integer("theta", params["theta"], 2.0**f, -top, top, "state", out)
    i_shift = input_shift(1.0, f, fmt)
    constants = {"k": k, "f": f, "i_shift": i_shift, "bits": fmt.state_bits, "rounding": fmt.rounding}
    x = (np.arange(PSI_ENTRIES) - 256 + 0.5) / 128
    return FixedParams(
        per_neuron, constants, 2.0**f, 2.0 ** (f - i_shift), psi_table(slayer, x, np.ones_like(x), fmt), out
    )


def constrain(params: dict[str, Any]) -> None:
    for name in COEFFICIENTS:
        params[name][...] = np.clip(params[name], -0.95, 0.95)


COEFFICIENTS = ("k0", "k1", "k2", "k3", "k4", "g")
MODEL = NeuronModel(
    name="five_states",
    states=tuple(StateVar(name, "saturate") for name in ("v", "x1", "x2", "x3", "x4")),
    params=(
        *(Param(f"k{j}", "1", 0.9 - 0.1 * j, -0.95, 0.95, trainable=True) for j in range(5)),
        Param("g", "1", 0.2, -0.95, 0.95, trainable=True),
        Param("theta", "1", 1.0, -10.0, 10.0, trainable=True),
    ),
    surrogate="slayer",
    float_step=float_step,
    float_psi_arg=float_psi_arg,
    float_jacobian=float_jacobian,
    float_spike_jacobian=float_spike_jacobian,
    fixed_per_neuron=(*COEFFICIENTS, "theta"),
    fixed_constants=("k", "f", "i_shift", "bits", "rounding"),
    events=("v saturated", "chain saturated"),
    fixed_step=fixed_step,
    psi_index=psi_index,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    constrain=constrain,
    threshold="theta",
    source="made up",
)
