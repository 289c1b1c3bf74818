"""CUBA LI, integrator with a synaptic current: a readout of two states. Its output is v.

    u_t = (1 - du) u_{t-1} + I_t
    v_t = (1 - dv) v_{t-1} + u_t + bias

It is `lif` without threshold, and what NIR calls CubaLI: du = 1 has no synaptic current (LI with a gain of 1), dv = 0
does not leak (I, the integrator). The layer's bias acts on v.

Integers, states with F fraction bits, coefficients with k:

    u' = sat(round(keep_u u / 2^k) + (I << i_shift)),          keep_u = (1 - du) 2^k
    v' = sat(round((2^k - dv) v / 2^k) + u' + bias)

keep_u and dv are below 2^k: a current that is gone after its step and a v that never leaks are both exact.
"""

from __future__ import annotations

from collections.abc import Mapping

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
from hypr_neuro.neurons.given_integers import at_scales, own_scale, require_coefficients
from hypr_neuro.neurons.scaling import input_shift
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import largest_in, sat, shift, shr
from hypr_neuro.numbers.jit import jitable


def float_coefficients(p):
    du, dv, _ = p
    return 1.0 - du, 1.0 - dv


@jitable
def float_step(s, z_prev, I, p):
    _, _, bias, keep_u, keep_v = p
    u = keep_u * s[0] + I[0]
    v = keep_v * s[1] + u + bias
    return (u, v), v


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, _, keep_u, keep_v = p
    A = ((keep_u, 0.0), (keep_u, keep_v))
    P = ((-s_prev[0], -s_prev[0]), (0.0, -s_prev[1]), (0.0, 1.0))
    return A, (1.0, 1.0), (0.0, 1.0), (0.0, 0.0), P, (0.0, 0.0, 0.0)


@jitable
def fixed_step(s, z_prev, I, p):
    keep_u, dv, bias, k, _, i_shift, bits, rounding = p
    u_full = shr(keep_u * s[0], k, rounding) + shift(I[0], i_shift)
    u = sat(u_full, bits)
    v_full = shr((shift(1, k) - dv) * s[1], k, rounding) + u + bias
    v = sat(v_full, bits)
    return (u, v), v, (1 if u != u_full else 0) | (2 if v != v_full else 0)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    keep_u, dv, _, k, f, _, _, _ = p
    unit = shift(1, k)
    # by 1 - du, dv and bias, in state units
    P = ((s_prev[0], s_prev[0]), (0, -s_prev[1]), (0, shift(1, f)))
    return ((keep_u, 0), (keep_u, unit - dv)), (unit, unit), (0, unit), (0, 0), P, (0, 0, 0), (0, 0)


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert 1 - du and dv to coefficients, the bias to the state's fraction bits."""
    out: list[Conversion] = []
    k, f = fmt.coefficient_fraction, fmt.state_fraction()
    top, most = (1 << k) - 1, largest_in(fmt.state_bits)
    rule = f"coefficient, {fmt.coefficient_bits} bits, {k} of fraction"
    keep_u = to_integer("1 - du", 1.0 - params["du"], 2.0**k, 0, top, rule, out)
    dv = to_integer("dv", params["dv"], 2.0**k, 0, top, rule, out)
    bias = to_integer("bias", params["bias"], 2.0**f, -most, most, f"state, {fmt.state_bits} bits", out)
    i_shift = input_shift(1.0, f, fmt)
    constants = {"k": k, "f": f, "i_shift": i_shift, "bits": fmt.state_bits, "rounding": fmt.rounding}
    unused_table = np.zeros(PSI_ENTRIES, dtype=np.int64)
    per_neuron = {"keep_u": keep_u, "dv": dv, "bias": bias}
    return FixedParams(per_neuron, constants, 2.0**f, 2.0 ** (f - i_shift), unused_table, out)


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are, at the scale that their fraction bits state."""
    require_coefficients(where, integers, fmt, coefficients=("keep_u", "dv"), states=("bias",))
    scale = own_scale(where, 2.0 ** int(integers["f"]), state_scale)
    return at_scales(integers, MODEL.fixed_per_neuron, scale, scale / 2.0 ** int(integers["i_shift"]))


def learned_values(params: Mapping[str, Array]) -> tuple[Array, ...]:
    """Return 1 - du, dv and bias."""
    return 1.0 - params["du"], np.array(params["dv"]), np.array(params["bias"])


def learned_params(params: Mapping[str, Array], values: tuple[Array, ...]) -> dict[str, Array]:
    """Recover du, dv and bias, inside their ranges."""
    result = {"du": 1.0 - values[0], "dv": values[1], "bias": values[2]}
    return {**params, **{key: np.clip(v, MODEL.param(key).low, MODEL.param(key).high) for key, v in result.items()}}


def learned_units(constants: Mapping[str, int]) -> tuple[float, ...]:
    decay = 2.0 ** -constants["k"]
    return decay, decay, 2.0 ** -constants["f"]


def learned_read(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> tuple[Array, ...]:
    unit = 2.0 ** constants["k"]
    return per_neuron["keep_u"] / unit, per_neuron["dv"] / unit, per_neuron["bias"] / 2.0 ** constants["f"]


@jitable
def learned_change(p, change):
    # decays in 0..2^k - 1, the bias as wide as a state
    top = shift(1, p[3]) - 1
    return min(max(p[0] - change[0], 0), top), min(max(p[1] - change[1], 0), top), sat(p[2] - change[2], p[6])


def constrain(params: dict[str, Array]) -> None:
    """Keep decays in [0, 1] after an update."""
    for name in ("du", "dv"):
        params[name][...] = np.clip(params[name], 0.0, 1.0)


def output_decay(params: Mapping[str, Array]) -> Array:
    """Return the share of v that a step keeps, 1 - dv."""
    return np.asarray(1.0 - params["dv"])


LEARNED = Learned(learned_values, learned_params, learned_units, learned_read, learned_change)

MODEL = NeuronModel(
    name="cuba_li",
    states=(StateVar("u", "saturate", "synaptic current"), StateVar("v", "saturate", "output")),
    membrane="v",
    params=(
        Param("du", "1/step", 1.0, 0.0, 1.0, trainable=True, description="decay of the synaptic current"),
        Param("dv", "1/step", 0.05, 0.0, 1.0, trainable=True, description="decay of v"),
        Param("bias", "1", 0.0, -1e6, 1e6, trainable=True, description="bias on v"),
    ),
    surrogate=None,
    bias_on="state",
    coefficients=("keep_u", "keep_v"),
    float_coefficients=float_coefficients,
    float_step=float_step,
    float_psi_arg=None,
    float_jacobian=float_jacobian,
    fixed_per_neuron=("keep_u", "dv", "bias"),
    fixed_constants=("k", "f", "i_shift", "bits", "rounding"),
    events=("u saturated", "v saturated"),
    fixed_step=fixed_step,
    psi_index=None,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    of_integers=of_integers,
    learned=LEARNED,
    constrain=constrain,
    output_decay=output_decay,
    readout=True,
    source="Pedersen et al. 2024, doi 10.1038/s41467-024-52259-9: CubaLI and I by forward Euler",
)
