"""Readout that filters its current twice with one decay: an alpha function. Its output is y.

x_t = κ x_{t-1} + (1 - κ) I_t
y_t = κ y_{t-1} + (1 - κ) x_t
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.neurons.base import (
    PSI_ENTRIES,
    Conversion,
    FixedParams,
    Learned,
    NeuronModel,
    Param,
    StateVar,
    to_integer,
)
from hypr_neuro.neurons.scaling import input_shift
from hypr_neuro.numbers.fixed_point import sat, shift, shr
from hypr_neuro.numbers.jit import jitable


@jitable
def float_step(s, z_prev, I, p):
    x = p[0] * s[0] + (1.0 - p[0]) * I[0]
    y = p[0] * s[1] + (1.0 - p[0]) * x
    return (x, y), y


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    kappa, gain = p[0], 1.0 - p[0]
    by_x = s_prev[0] - I[0]
    A = ((kappa, 0.0), (gain * kappa, kappa))
    P = ((by_x, s_prev[1] - s[0] + gain * by_x),)
    return A, (gain, gain * gain), (0.0, 1.0), (0.0, 0.0), P, (0.0,)


@jitable
def fixed_step(s, z_prev, I, p):
    kappa, k, _, i_shift, bits, rounding = p
    gain = shift(1, k) - kappa
    x_full = shr(kappa * s[0] + gain * sat(shift(I[0], i_shift), 40), k, rounding)
    x = sat(x_full, bits)
    y_full = shr(kappa * s[1] + gain * x, k, rounding)
    y = sat(y_full, bits)
    return (x, y), y, (1 if x != x_full else 0) | (2 if y != y_full else 0)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    kappa, k, _, i_shift, _, rounding = p
    unit = shift(1, k)
    gain = unit - kappa
    by_x = s_prev[0] - sat(shift(I[0], i_shift), 40)
    A = ((kappa, 0), (shr(gain * kappa, k, rounding), kappa))
    P = ((by_x, s_prev[1] - s[0] + shr(gain * by_x, k, rounding)),)
    return A, (gain, shr(gain * gain, k, rounding)), (0, unit), (0, 0), P, (0,), (0, 0)


def to_fixed(params, fmt):
    out: list[Conversion] = []
    k, f = fmt.coefficient_fraction, fmt.state_fraction()
    kappa = to_integer("decay", params["decay"], 2.0**k, 0, (1 << k) - 1, "coefficient", out)
    i_shift = input_shift(1.0, f, fmt)
    constants = {"k": k, "f": f, "i_shift": i_shift, "bits": fmt.state_bits, "rounding": fmt.rounding}
    return FixedParams({"decay": kappa}, constants, 2.0**f, 2.0 ** (f - i_shift), np.zeros(PSI_ENTRIES, np.int64), out)


@jitable
def learned_change(p, change):
    return (min(max(p[0] - change[0], 0), shift(1, p[1]) - 1),)


def constrain(params: dict[str, Any]) -> None:
    params["decay"][...] = np.clip(params["decay"], 0.0, 0.999)


MODEL = NeuronModel(
    name="alpha_out",
    states=(StateVar("x", "saturate"), StateVar("y", "saturate")),
    params=(Param("decay", "1", 0.8, 0.0, 1.0, trainable=True),),
    float_step=float_step,
    float_jacobian=float_jacobian,
    fixed_per_neuron=("decay",),
    fixed_constants=("k", "f", "i_shift", "bits", "rounding"),
    events=("x saturated", "y saturated"),
    fixed_step=fixed_step,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    learned=Learned(
        lambda params: (np.array(params["decay"]),),
        lambda params, values: {**params, "decay": np.clip(values[0], 0.0, 1.0)},
        lambda constants: (2.0 ** -constants["k"],),
        lambda per_neuron, constants: (per_neuron["decay"] / 2.0 ** constants["k"],),
        learned_change,
    ),
    constrain=constrain,
    output_decay=lambda params: params["decay"],
    readout=True,
    source="made up",
)
