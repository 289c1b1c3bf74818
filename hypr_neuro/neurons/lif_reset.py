"""LIF with the reset rules and the floor that networks of other libraries have, in states of any width up to 24 bits.

    u_t = (1 - du) u_{t-1} + I_t
    r_t = (1 - dv) k_{t-1} + u_t + bias
    v_t = max(r_t - z_{t-1} q_t, floor),   z_t = Θ(v_t - vth)

                        reset at once, before the leak         reset delayed, after it
    to zero             k = v (1 - z),    q = 0                k = v,  q_t = r_t
    by subtraction      k = v - vth z,    q = 0                k = v,  q_t = vth

A delayed reset is snnTorch's default: it takes the threshold off whole, where the reset at once takes off what the leak
leaves of it, and its reset to zero discards what arrives in the step after a spike. A floor holds v from below before
the spike is decided (Sinabs' min_v_mem); -10^6 means none. Reset at once without a floor is `lif`. As there, the state
v is the value before the reset at once, and ψ is SLAYER of (v_t - vth)/vth; at the floor v depends on nothing.

Integers are `lif_narrow`'s with its widths (24 bits at most, two's complement); floor is a state, and the lowest one
where it is out of range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hypr_neuro.neurons import lif, lif_narrow
from hypr_neuro.neurons.base import FixedFormat, FixedParams, NeuronModel, Param, StateVar, check_integers, to_integer
from hypr_neuro.neurons.given_integers import require_loihi, require_state_bits
from hypr_neuro.neurons.lif import STATE_BITS
from hypr_neuro.neurons.lif import fixed_jacobian as lif_jacobian
from hypr_neuro.neurons.lif import float_psi_arg as lif_psi_arg
from hypr_neuro.neurons.lif import psi_index as lif_psi_index
from hypr_neuro.neurons.lif_narrow import learned_change as narrow_change
from hypr_neuro.neurons.scaling import shared_value
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import largest_in, sat, scale_zero, shift, wrap
from hypr_neuro.numbers.jit import jitable

NO_FLOOR = -1e6


def float_coefficients(p):
    du, dv, vth, _, _, subtract, delayed = p
    drop, clear = subtract * vth, 1.0 - subtract
    return (
        1.0 - du,
        1.0 - dv,
        1.0 / vth,
        (1.0 - delayed) * drop,
        (1.0 - delayed) * clear,
        delayed * drop,
        delayed * clear,
    )


@jitable
def float_step(s, z_prev, I, p):
    _, _, vth, bias, floor, _, _, keep_u, keep_v, _, drop, clear, drop_after, clear_after = p
    u = keep_u * s[0] + I[0]
    raw = keep_v * (s[1] - z_prev * (drop + clear * s[1])) + u + bias
    v = raw - z_prev * (drop_after + clear_after * raw)
    v = v if v > floor else floor
    return (u, v), 1.0 if v > vth else 0.0


@jitable
def float_psi_arg(s_prev, s, p):
    return lif_psi_arg(s_prev, s, (p[0], p[1], p[2], p[3], p[5], p[7], p[8], p[9]))


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, _, _, floor, subtract, delayed, keep_u, keep_v, per_vth, drop, clear, _, clear_after = p
    kept = s_prev[1] - z_prev * (drop + clear * s_prev[1])
    above = 1.0 if s[1] > floor else 0.0
    through = above * (1.0 - z_prev * clear_after)
    A = ((keep_u, 0.0), (keep_u * through, keep_v * (1.0 - z_prev * clear) * through))
    P = (
        (-s_prev[0], -s_prev[0] * through),
        (0.0, -kept * through),
        (0.0, -z_prev * subtract * (keep_v * (1.0 - delayed) * through + above * delayed)),
        (0.0, through),
    )
    c_v = psi * per_vth
    return A, (1.0, through), (0.0, c_v), (0.0, 0.0), P, (0.0, 0.0, -c_v * s[1] * per_vth, 0.0)


@jitable
def float_spike_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, _, bias, floor, _, _, keep_u, keep_v, _, drop, clear, drop_after, clear_after = p
    raw = keep_v * (s_prev[1] - z_prev * (drop + clear * s_prev[1])) + keep_u * s_prev[0] + I[0] + bias
    above = 1.0 if s[1] > floor else 0.0
    before = keep_v * (drop + clear * s_prev[1]) * (1.0 - z_prev * clear_after)
    return 0.0, -above * (before + drop_after + clear_after * raw)


@jitable
def fixed_step(s, z_prev, I, p):
    du1, dv, vth, bias, floor, _, subtract, delayed, _, _, up, bits = p
    a = wrap(shift(I[0], up), bits)
    u_full = scale_zero(s[0], 4096 - du1, 12) + a
    u = wrap(u_full, bits)
    reset = z_prev * (0 if delayed else (vth if subtract else s[1]))
    raw = scale_zero(s[1] - reset, 4096 - dv, 12) + u + bias
    v_full = raw - z_prev * ((vth if subtract else raw) if delayed else 0)
    v_sat = sat(v_full, bits)
    v = max(v_sat, floor)
    events = (1 if u != u_full else 0) | (2 if v_sat != v_full else 0) | (4 if shift(a, -up) != I[0] else 0)
    return (u, v), 1 if v > vth else 0, events


@jitable
def psi_index(s_prev, s, p):
    inv_vth = shift(p[5], STATE_BITS - p[11])
    return lif_psi_index(s_prev, s, (p[0], p[1], p[2], p[3], inv_vth))


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    du1, dv, vth, bias, floor, per_vth, subtract, delayed, k, scale_log2, _, bits = p
    inv_vth = shift(per_vth, STATE_BITS - bits)
    at_once = z_prev * (1 - delayed)
    A, B, C, D, P, E, F = lif_jacobian(
        s_prev, s, at_once, I, (du1, dv, vth, bias, inv_vth, 0, subtract, k, scale_log2), psi
    )
    above = 1 if s[1] > floor else 0
    through = above * (1 - z_prev * delayed * (1 - subtract))
    whole = shift(z_prev * delayed * subtract, scale_log2)
    return (
        (A[0], (A[1][0] * through, A[1][1] * through)),
        (B[0], B[1] * through),
        C,
        D,
        (
            (P[0][0], P[0][1] * through),
            (P[1][0], P[1][1] * through),
            (P[2][0], (P[2][1] - whole) * above),
            (P[3][0], P[3][1] * through),
        ),
        E,
        F,
    )


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert as `lif_narrow` does; the floor is a state."""
    narrow = replace(fmt, state_bits=min(fmt.state_bits, STATE_BITS))
    fixed = lif_narrow.to_fixed(params, narrow)
    top = largest_in(narrow.state_bits)
    held = np.maximum(params["floor"], -top / fixed.state_scale)  # the lowest state where there is no floor
    floor = to_integer("floor", held, fixed.state_scale, -top, top, "a state", fixed.conversions)
    order = MODEL.fixed_per_neuron
    values = fixed.per_neuron | {"floor": floor}
    constants = fixed.constants | {"delayed": int(shared_value("lif_reset", "delayed", params["delayed"]))}
    return replace(
        fixed,
        per_neuron={name: values[name] for name in order},
        constants={name: constants[name] for name in MODEL.fixed_constants},
    )


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are, as `lif` does."""
    bits, up = int(integers["bits"]), int(integers["up"])
    require_state_bits(where, bits, fmt)
    require_loihi(where, integers, fmt, up)
    return lif.with_learning(integers, fmt, state_scale, bits, up, MODEL.fixed_per_neuron)


@jitable
def learned_change(p, change):
    du1, dv, vth, bias, floor, per_vth, subtract, _, k, scale_log2, up, bits = p
    du1, dv, vth, bias, per_vth = narrow_change(
        (du1, dv, vth, bias, per_vth, 0, subtract, k, scale_log2, up, bits), change
    )
    return du1, dv, vth, bias, floor, per_vth


def validate_fixed(where: str, values: Mapping[str, Array]) -> None:
    """Hold the integers to those of `lif_narrow`, the floor to a state below the threshold; InputError outside."""
    lif_narrow.validate_fixed(where, {**values, "lava": np.zeros(1, np.int64)})
    top = largest_in(int(np.max(values["bits"])))
    check_integers(where, values, {"floor": (-top, top), "delayed": (0, 1)})


def not_learned(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> dict[str, Any]:
    """Return how the reset works, and the floor."""
    floor = per_neuron["floor"] / 2.0 ** constants["scale_log2"]
    return {"subtract": float(constants["subtract"]), "delayed": float(constants["delayed"]), "floor": floor}


MODEL = NeuronModel(
    name="lif_reset",
    states=(
        StateVar("u", "modulo", "synaptic current, in two's complement"),
        StateVar("v", "saturate", "membrane potential, before a reset at once"),
    ),
    membrane="v",
    params=(
        *lif.MODEL.params[:4],
        Param("floor", "1", NO_FLOOR, NO_FLOOR, 0.0, description="lowest v"),
        Param("subtract", "1", 0.0, 0.0, 1.0, description="0: reset to zero, 1: by subtraction of vth"),
        Param(
            "delayed",
            "1",
            1.0,
            0.0,
            1.0,
            description="0: reset at once, before the leak; 1: after it",
        ),
    ),
    surrogate="slayer",
    bias_on="state",
    coefficients=("keep_u", "keep_v", "per_vth", "drop", "clear", "drop_after", "clear_after"),
    float_coefficients=float_coefficients,
    float_step=float_step,
    float_psi_arg=float_psi_arg,
    float_jacobian=float_jacobian,
    float_spike_jacobian=float_spike_jacobian,
    fixed_per_neuron=("du1", "dv", "vth", "bias", "floor", "inv_vth"),
    fixed_constants=("subtract", "delayed", "k", "scale_log2", "up", "bits"),
    events=lif.MODEL.events,
    fixed_step=fixed_step,
    psi_index=psi_index,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    of_integers=of_integers,
    learned=replace(lif_narrow.VARIANT.learned or lif.LEARNED, change=learned_change),
    constrain=lif.constrain,
    validate_fixed=validate_fixed,
    threshold="vth",
    not_learned=not_learned,
    lanes=True,
    source="snnTorch 0.9 (Leaky, Synaptic: reset_delay, reset_mechanism); Sinabs 3 (min_v_mem); integers as lif",
)
