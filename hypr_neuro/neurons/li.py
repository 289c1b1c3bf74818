"""LI, leaky integrator: the readout. Its output is its state.

    u_t = κ u_{t-1} + (1 - κ) I_t,  κ = e^{-1/τ}, τ in steps

Integers, states with F fraction bits, coefficients with k:

    u' = sat(round((kappa u + gain (I << i_shift)) / 2^k)),  kappa = κ 2^k, gain = 2^k - kappa
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, expm1

import numpy as np

from hypr_neuro.neurons.base import (
    PSI_ENTRIES,
    Conversion,
    FixedFormat,
    FixedParams,
    Learned,
    NeuronModel,
    Param,
    StateVar,
    to_integer,
)
from hypr_neuro.neurons.given_integers import at_scales, require_coefficients
from hypr_neuro.neurons.scaling import CURRENT_BITS, input_shift
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import sat, shift, shr
from hypr_neuro.numbers.jit import jitable


def float_coefficients(p):
    kappa = exp(-1.0 / p[0])
    return kappa, -expm1(-1.0 / p[0]), kappa / p[0] / p[0]


@jitable
def float_step(s, z_prev, I, p):
    _, kappa, gain, _ = p
    u = kappa * s[0] + gain * I[0]
    return (u,), u


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    _, kappa, gain, kappa_by_tau = p
    return ((kappa,),), (gain,), (1.0,), (0.0,), (((s_prev[0] - I[0]) * kappa_by_tau,),), (0.0,)


@jitable
def fixed_step(s, z_prev, I, p):
    kappa, gain, k, i_shift, bits, rounding = p
    current_full = shift(I[0], i_shift)
    current = sat(current_full, CURRENT_BITS)
    full = shr(kappa * s[0] + gain * current, k, rounding)
    u = sat(full, bits)
    return (u,), u, 1 if u != full or current != current_full else 0


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    kappa, gain, k, i_shift, _, _ = p
    # by κ, in state units
    P = ((s_prev[0] - sat(shift(I[0], i_shift), CURRENT_BITS),),)
    return ((kappa,),), (gain,), (shift(1, k),), (0,), P, (0,), (0,)


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert κ to a coefficient; 1 - κ is its complement, so that the gain at rest stays exactly 1."""
    out: list[Conversion] = []
    k = fmt.coefficient_fraction
    top = (1 << k) - 1
    f = fmt.state_fraction()
    rule = f"coefficient, {fmt.coefficient_bits} bits, {k} of fraction"
    kappa = to_integer("κ", np.exp(-1.0 / params["tau"]), 2.0**k, 0, top, rule, out)
    i_shift = input_shift(1.0, f, fmt)
    constants = {"k": k, "i_shift": i_shift, "bits": fmt.state_bits, "rounding": fmt.rounding}
    unused_table = np.zeros(PSI_ENTRIES, dtype=np.int64)
    per_neuron = {"kappa": kappa, "gain": (1 << k) - kappa}
    return FixedParams(per_neuron, constants, 2.0**f, 2.0 ** (f - i_shift), unused_table, out)


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are; the state's scale is the one given, else 1."""
    require_coefficients(where, integers, fmt, coefficients=("kappa", "gain"))
    scale = 1.0 if state_scale is None else state_scale
    return at_scales(integers, MODEL.fixed_per_neuron, scale, scale / 2.0 ** int(integers["i_shift"]))


def time_constant(decay: Array, low: float = 0.0) -> Array:
    """Recover τ, in steps, of a decay e^{-1/τ}, between `low` and 1e6, the largest of any model; of 0 it is 1/691."""
    tau: Array = np.clip(-1.0 / np.log(np.clip(decay, 1e-300, 1.0 - 1e-12)), low, 1e6)
    return tau


def learned_values(params: Mapping[str, Array]) -> tuple[Array, ...]:
    """Return κ."""
    return (np.exp(-1.0 / params["tau"]),)


def learned_params(params: Mapping[str, Array], values: tuple[Array, ...]) -> dict[str, Array]:
    """Recover τ from κ."""
    return {**params, "tau": time_constant(values[0])}


def learned_units(constants: Mapping[str, int]) -> tuple[float, ...]:
    return (2.0 ** -constants["k"],)


def learned_read(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> tuple[Array, ...]:
    return (per_neuron["kappa"] / 2.0 ** constants["k"],)


@jitable
def learned_change(p, change):
    # κ in 0..2^k - 1, the gain its complement
    unit = shift(1, p[2])
    kappa = min(max(p[0] - change[0], 0), unit - 1)
    return kappa, unit - kappa


def constrain(params: dict[str, Array]) -> None:
    """Keep τ at or above one step after an update."""
    params["tau"][...] = np.maximum(params["tau"], 1.0)


def output_decay(params: Mapping[str, Array]) -> Array:
    """Return κ, the share of u that a step keeps."""
    return np.asarray(np.exp(-1.0 / params["tau"]))


LEARNED = Learned(learned_values, learned_params, learned_units, learned_read, learned_change)

MODEL = NeuronModel(
    name="li",
    states=(StateVar("u", "saturate", "output"),),
    params=(Param("tau", "step", 20.0, 0.0, 1e6, trainable=True, open_low=True, description="time constant"),),
    surrogate=None,
    bias_on="current",
    coefficients=("kappa", "gain", "kappa_by_tau"),
    float_coefficients=float_coefficients,
    float_step=float_step,
    float_psi_arg=None,
    float_jacobian=float_jacobian,
    fixed_per_neuron=("kappa", "gain"),
    fixed_constants=("k", "i_shift", "bits", "rounding"),
    events=("u saturated",),
    fixed_step=fixed_step,
    psi_index=None,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    of_integers=of_integers,
    learned=LEARNED,
    constrain=constrain,
    output_decay=output_decay,
    readout=True,
    source="Baronig, Bahariasl, Özdenizci, Legenstein 2025, arXiv 2506.14464",
)
