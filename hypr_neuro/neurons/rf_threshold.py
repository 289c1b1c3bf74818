"""RF, resonate-and-fire neuron with a threshold and no reset (vanilla RF of Higuchi et al., ICML 2024).

    c   = -|b'|                                                damping
    u_t = u_{t-1} + δ (c u_{t-1} - |ω| v_{t-1} + I_t)
    v_t = v_{t-1} + δ (|ω| u_{t-1} + c v_{t-1})
    z_t = Θ(u_t - θ)

ψ is the double Gaussian of u_t - θ. Unlike BRF's, the damping holds no p(ω): a step multiplies the state's magnitude by
√((1 - δ|b'|)² + (δω)²), which is above 1, so that oscillations grow, where |b'| < δω²/2 (about).

Integers: states have F fraction bits, coefficients k. δ is folded into weights and coefficients:

    u' = sat(u + round((cd u - wd v) / 2^k) + (I << i_shift))           wd = δ|ω| 2^k
    v' = sat(v + round((wd u + cd v) / 2^k))                            cd = -δ|b'| 2^k
    z  = 1 if u' - theta > 0 else 0

`rf` is Lava's resonate-and-fire neuron, which turns by a sine and a cosine and fires on its phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import FixedFormat, FixedParams, Learned, NeuronModel, Param, StateVar

# what learns is the same: δ|ω| and δ|b'|
from hypr_neuro.neurons.brf import learned_params, learned_units, learned_values
from hypr_neuro.neurons.folded_step import DELTA_FRACTION, Coefficient, delta_of, folded_params, folded_scales
from hypr_neuro.neurons.given_integers import require_coefficients
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import sat, shift, shr, shr_floor
from hypr_neuro.numbers.jit import jitable


def float_coefficients(p):
    omega, b_offset, delta, _ = p
    by_omega = delta if omega >= 0.0 else -delta
    by_b = -delta if b_offset >= 0.0 else delta
    # δω, 1 - δ|b'|, and the derivatives of δ|ω| and of -δ|b'|
    return delta * abs(omega), 1.0 - delta * abs(b_offset), by_omega, by_b


@jitable
def float_step(s, z_prev, I, p):
    u, v = s
    _, _, delta, theta, dw, keep, _, _ = p
    u1 = keep * u - dw * v + delta * I[0]
    return (u1, dw * u + keep * v), 1.0 if u1 - theta > 0.0 else 0.0


@jitable
def float_psi_arg(s_prev, s, p):
    return s[0] - p[3]


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    u, v = s_prev
    _, _, delta, _, dw, keep, by_omega, by_b = p
    A = ((keep, -dw), (dw, keep))
    P = ((-by_omega * v, by_omega * u), (by_b * u, by_b * v))
    return A, (delta, 0.0), (psi, 0.0), (0.0, 0.0), P, (0.0, 0.0)


@jitable
def fixed_step(s, z_prev, I, p):
    u, v = s
    wd, cd, theta, _, _, k, i_shift, bits, rounding, _ = p
    u_full = u + shr(cd * u - wd * v, k, rounding) + shift(I[0], i_shift)
    v_full = v + shr(wd * u + cd * v, k, rounding)
    u1 = sat(u_full, bits)
    v1 = sat(v_full, bits)
    events = (1 if u1 != u_full else 0) | (2 if v1 != v_full else 0)
    return (u1, v1), 1 if u1 - theta > 0 else 0, events


@jitable
def psi_index(s_prev, s, p):
    i = shr_floor(s[0] - p[2], p[9]) + 256
    return min(max(i, 0), 511)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    u, v = s_prev
    wd, cd, _, _, _, k, _, _, _, _ = p
    unit = shift(1, k)
    # P by δ|ω| and by δ|b'|, in state units
    return ((unit + cd, -wd), (wd, unit + cd)), (unit, 0), (psi, 0), (0, 0), ((-v, u), (-u, -v)), (0, 0), (0, 0)


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert δω and -δ|b'| to coefficients, θ to the state's scale, ψ to a table of ±8 around θ."""
    delta = delta_of("rf_threshold", params)
    coefficients = (
        Coefficient("wd", "δω", delta * np.abs(params["omega"])),
        Coefficient("cd", "-δ|b'|", -delta * np.abs(params["b_offset"])),
    )
    return folded_params(params, delta, coefficients, {"f": fmt.state_fraction()}, MODEL.fixed_constants, fmt)


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are, at the scale of their fraction bits f."""
    require_coefficients(where, integers, fmt, coefficients=("wd", "cd"), states=("theta",))
    return folded_scales(where, integers, MODEL.fixed_per_neuron, int(integers["f"]), fmt, state_scale)


def learned_read(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> tuple[Array, ...]:
    unit = 1 << constants["k"]
    return per_neuron["wd"] / unit, -per_neuron["cd"] / unit


@jitable
def learned_change(p, change):
    # δ|ω| and δ|b'|, both in 0..2^k - 1
    wd, cd, theta, _, _, k, _, _, _, _ = p
    top = shift(1, k) - 1
    return min(max(wd - change[0], 0), top), -min(max(-cd - change[1], 0), top), theta


def validate(params: Mapping[str, Array]) -> None:
    """Raise InputError, naming the neuron, where δ|ω| or δ|b'| is 1 or more: a step so long says nothing of the ODE."""
    for name, text in (("omega", "δ|ω|"), ("b_offset", "δ|b'|")):
        product = params["delta"] * np.abs(params[name])
        for neuron in np.flatnonzero(product >= 1.0)[:1]:
            raise InputError(
                f"neuron 'rf_threshold': {text} = {product[neuron]:.4g} for neuron {neuron}, rule: below 1; "
                f"lower {name}"
            )


def constrain(params: dict[str, Array]) -> None:
    """Clip |ω| and |b'| after an update so that δ|ω| and δ|b'| stay below 1."""
    limit = 0.999 / params["delta"]
    for name in ("omega", "b_offset"):
        params[name][...] = np.clip(params[name], -limit, limit)


def not_learned(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> dict[str, Any]:
    """Return δ and θ."""
    return {"delta": constants["dlt"] / 2.0**DELTA_FRACTION, "theta": per_neuron["theta"] / 2.0 ** constants["f"]}


LEARNED = Learned(learned_values, learned_params, learned_units, learned_read, learned_change)

MODEL = NeuronModel(
    name="rf_threshold",
    states=(
        StateVar("u", "saturate", "real part"),
        StateVar("v", "saturate", "imaginary part"),
    ),
    params=(
        Param("omega", "rad per 1/δ steps", 10.0, -1e4, 1e4, trainable=True, description="angular frequency"),
        Param("b_offset", "per 1/δ steps", 1.0, -1e4, 1e4, trainable=True, description="damping"),
        Param("delta", "1/step", 0.01, 0.0, 1.0, open_low=True, description="integration step"),
        Param("theta", "1", 1.0, 0.0, 1e6, description="threshold"),
    ),
    surrogate="double_gaussian",
    bias_on="current",
    coefficients=("dw", "keep", "by_omega", "by_b"),
    float_coefficients=float_coefficients,
    float_step=float_step,
    float_psi_arg=float_psi_arg,
    float_jacobian=float_jacobian,
    fixed_per_neuron=("wd", "cd", "theta"),
    fixed_constants=("dlt", "f", "k", "i_shift", "bits", "rounding", "psi_shift"),
    events=("u saturated", "v saturated"),
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
    source="Higuchi, Kairat, Bohte, Otte: Balanced Resonate-and-Fire Neurons, ICML 2024, arXiv 2402.14603, its "
    "program's RFCell; Izhikevich: Resonate-and-fire neurons, Neural Networks 14, 2001",
)
