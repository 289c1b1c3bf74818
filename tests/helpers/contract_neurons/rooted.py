"""Membrane whose input is divided by the root of a spike trace.

a_t = α a_{t-1} + z_{t-1}
v_t = κ v_{t-1} (1 - z_{t-1}) + I_t / √(1 + a_t)
z_t = Θ(v_t - 1 + |o|)
"""

from __future__ import annotations

from math import sqrt
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
from hypr_neuro.neurons.scaling import input_shift, psi_table
from hypr_neuro.numbers.fixed_point import isqrt, quotient, sat, shift, shr, shr_floor
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.surrogates import slayer

ROUNDS = 2


@jitable
def float_step(s, z_prev, I, p):
    a = p[1] * s[1] + z_prev
    v = p[0] * s[0] * (1.0 - z_prev) + I[0] / sqrt(1.0 + a)
    return (v, a), 1.0 if v > 1.0 - abs(p[2]) else 0.0


@jitable
def float_psi_arg(s_prev, s, p):
    return s[0] - 1.0 + abs(p[2])


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    kappa, alpha, offset = p
    root = sqrt(1.0 + s[1])
    by_a = -0.5 * I[0] / (root * root * root)
    keep = 1.0 - z_prev
    A = ((kappa * keep, by_a * alpha), (0.0, alpha))
    P = ((s_prev[0] * keep, 0.0), (by_a * s_prev[1], s_prev[1]), (0.0, 0.0))
    E = (0.0, 0.0, psi if offset > 0.0 else -psi)
    return A, (1.0 / root, 0.0), (psi, 0.0), (0.0, 0.0), P, E


@jitable
def float_spike_jacobian(s_prev, s, z_prev, I, p, psi):
    root = sqrt(1.0 + s[1])
    return -p[0] * s_prev[0] - 0.5 * I[0] / (root * root * root), 1.0


@jitable
def refined(r, x, k):
    """The 1/√x of k fraction bits by Newton's rule, r a first guess, as long as it moves."""
    for _ in range(ROUNDS):
        r = shr_floor(r * (3 * shift(1, k) - shr_floor(x * shr_floor(r * r, k), k)), k + 1)
    moved, left = 1, 5
    while moved > 0 and left > 0:
        new = shr_floor(r * (3 * shift(1, k) - shr_floor(x * shr_floor(r * r, k), k)), k + 1)
        moved = abs(new - r)
        r = max(new, 1)
        left -= 1
    return r


@jitable
def inverse_root(a, f, k):
    """1/√(1 + a) with k fraction bits, a with f of them."""
    root = max(isqrt(shift(shift(1, f) + max(a, 0), f)), 1)
    return refined(quotient(shift(1, f + k), root), shift(shift(1, f) + max(a, 0), k - f), k)


@jitable
def both(a, f, k=15, power=-1):
    """1/√(1 + a) and its third power."""
    r = inverse_root(a, f, k)
    return r, r if power > 0 else shr_floor(shr_floor(r * r, k) * r, k)


@jitable
def fixed_step(s, z_prev, I, p):
    kappa, alpha, offset, k, f, i_shift, bits, rounding = p
    a_full = shr(alpha * s[1], k, rounding) + shift(z_prev, f)
    a = sat(a_full, bits)
    v_full = shr(kappa * s[0] * (1 - z_prev) + inverse_root(a, f, k) * sat(shift(I[0], i_shift), 40), k, rounding)
    v = sat(v_full, bits)
    return (v, a), 1 if v > shift(1, f) - abs(offset) else 0, (1 if v != v_full else 0) | (2 if a != a_full else 0)


@jitable
def psi_index(s_prev, s, p):
    i = shift(s[0] - shift(1, p[4]) + abs(p[2]), 7 - p[4]) + 256
    return min(max(i, 0), 511)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    kappa, alpha, offset, k, f, i_shift, _, _ = p
    keep = 1 - z_prev
    r, cubed = both(s[1], f, k)
    by_a = -shr_floor(sat(shift(I[0], i_shift), 40) * cubed, f + 1)
    A = ((kappa * keep, shr_floor(by_a * alpha, k)), (0, alpha))
    P = ((s_prev[0] * keep, 0), (shr_floor(by_a * s_prev[1], k), s_prev[1]), (0, 0))
    return A, (r, 0), (psi, 0), (0, 0), P, (0, 0, psi if offset > 0 else -psi), (0, 0)


def to_fixed(params, fmt):
    out: list[Conversion] = []
    k, f = fmt.coefficient_fraction, min(fmt.state_fraction(), fmt.coefficient_fraction)
    top, most = (1 << k) - 1, (1 << (fmt.state_bits - 1)) - 1
    per_neuron = {
        "kappa": to_integer("kappa", params["kappa"], 2.0**k, 0, top, "coefficient", out),
        "alpha": to_integer("alpha", params["alpha"], 2.0**k, 0, top, "coefficient", out),
        "offset": to_integer("offset", params["offset"], 2.0**f, -most, most, "state", out),
    }
    i_shift = input_shift(1.0, f, fmt)
    constants = {"k": k, "f": f, "i_shift": i_shift, "bits": fmt.state_bits, "rounding": fmt.rounding}
    x = (np.arange(PSI_ENTRIES) - 256 + 0.5) / 128
    return FixedParams(
        per_neuron, constants, 2.0**f, 2.0 ** (f - i_shift), psi_table(slayer, x, np.ones_like(x), fmt), out
    )


def learned_values(params):
    return tuple(np.array(params[name]) for name in NAMES)


def learned_params(params, values):
    return {
        **params,
        **{n: np.clip(v, MODEL.param(n).low, MODEL.param(n).high) for n, v in zip(NAMES, values, strict=True)},
    }


def learned_units(constants):
    return 2.0 ** -constants["k"], 2.0 ** -constants["k"], 2.0 ** -constants["f"]


def learned_read(per_neuron, constants):
    return tuple(per_neuron[n] / 2.0 ** constants[b] for n, b in zip(NAMES, ("k", "k", "f"), strict=True))


@jitable
def limited(x, low, high):
    """x inside low..high."""
    return min(max(x, low), high)


@jitable
def learned_change(p, change):
    kappa, alpha, offset, k, f, _, _, _ = p
    halves = 0
    size = abs(change[2])
    while size > 1:
        size = quotient(size, 2)
        halves += 1
    # the root of the change, as far as it can be halved
    step = isqrt(shift(1, 2 * halves)) if change[2] > 0 else -abs(change[2])
    top = shift(1, k) - 1
    return (
        limited(kappa - change[0], 0, top),
        limited(alpha - change[1], 0, top),
        limited(offset - step, -shift(1, f), shift(1, f)),
    )


def constrain(params: dict[str, Any]) -> None:
    for name, low in (("kappa", 0.0), ("alpha", 0.0), ("offset", -1.0)):
        params[name][...] = np.clip(params[name], low, 1.0)


NAMES = ("kappa", "alpha", "offset")
MODEL = NeuronModel(
    name="rooted",
    states=(StateVar("v", "saturate"), StateVar("a", "saturate")),
    params=(
        Param("kappa", "1", 0.9, 0.0, 1.0, trainable=True),
        Param("alpha", "1", 0.8, 0.0, 1.0, trainable=True),
        Param("offset", "1", -0.25, -1.0, 1.0, trainable=True),
    ),
    surrogate="slayer",
    float_step=float_step,
    float_psi_arg=float_psi_arg,
    float_jacobian=float_jacobian,
    float_spike_jacobian=float_spike_jacobian,
    fixed_per_neuron=NAMES,
    fixed_constants=("k", "f", "i_shift", "bits", "rounding"),
    events=("v saturated", "a saturated"),
    fixed_step=fixed_step,
    psi_index=psi_index,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    learned=Learned(learned_values, learned_params, learned_units, learned_read, learned_change),
    constrain=constrain,
    source="made up",
)
