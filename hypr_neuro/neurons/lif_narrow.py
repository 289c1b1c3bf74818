"""The integers of `lif` where states have fewer than Loihi's 24 bits: the same equations in the width that is given.

With b bits of state and weighted sums shifted left by h = max(b - 18, 0), at most 6:

    u' = wrap(zero(u (4096 - du1) / 4096) + (a << h), b)
    v' = sat(zero(v (1 - z)(4096 - dv) / 4096) + u' + bias, b)           zero: rounded toward zero
    z  = 1 if v' > vth << h else 0

a << h and u wrap in two's complement at b bits in either overflow mode, since Lava has no such neuron; v saturates. The
threshold's mantissa has 17 bits or what b leaves. All else is `lif`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hypr_neuro.neurons import lif
from hypr_neuro.neurons.base import FixedFormat, FixedParams, StateVar, check_integers
from hypr_neuro.neurons.given_integers import require_loihi, require_state_bits
from hypr_neuro.neurons.lif import (
    ACTIVATION_SHIFT,
    BIAS_TOP,
    INT32,
    INVERSE_FRACTION,
    STATE_BITS,
    THRESHOLD_TOP,
    fixed_params,
    with_learning,
)
from hypr_neuro.neurons.lif import fixed_jacobian as lif_jacobian
from hypr_neuro.neurons.lif import psi_index as lif_psi_index
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import largest_in, quotient, sat, scale_zero, shift, wrap
from hypr_neuro.numbers.jit import jitable

MANTISSA_BITS = STATE_BITS - 1 - ACTIVATION_SHIFT
"""Bits of a threshold's mantissa that a shift of the weighted sums leaves at least."""


@jitable
def fixed_step(s, z_prev, I, p):
    du1, dv, vth, bias, _, _, subtract, _, _, up, bits = p
    a = wrap(shift(I[0], up), bits)
    u_full = scale_zero(s[0], 4096 - du1, 12) + a
    u = wrap(u_full, bits)
    reset = z_prev * (vth if subtract else s[1])
    v_full = scale_zero(s[1] - reset, 4096 - dv, 12) + u + bias
    v = sat(v_full, bits)
    events = (1 if u != u_full else 0) | (2 if v != v_full else 0) | (4 if shift(a, -up) != I[0] else 0)
    return (u, v), 1 if v > vth else 0, events


@jitable
def psi_index(s_prev, s, p):
    inv_vth = shift(p[4], STATE_BITS - p[10])
    return lif_psi_index(s_prev, s, (p[0], p[1], p[2], p[3], inv_vth))


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    inv_vth = shift(p[4], STATE_BITS - p[10])
    return lif_jacobian(s_prev, s, z_prev, I, (p[0], p[1], p[2], p[3], inv_vth, p[5], p[6], p[7], p[8]), psi)


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert as `lif` does, in the format's width; a bias is kept inside the states'."""
    up = min(max(fmt.state_bits - 1 - MANTISSA_BITS, 0), ACTIVATION_SHIFT)
    fixed = fixed_params(params, fmt, fmt.state_bits, up)
    top = largest_in(fmt.state_bits)
    fixed.per_neuron["bias"] = np.clip(fixed.per_neuron["bias"], -top, top)
    fixed.constants |= {"up": up, "bits": fmt.state_bits}
    return fixed


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are, as `lif` does."""
    bits, up = int(integers["bits"]), int(integers["up"])
    require_state_bits(where, bits, fmt)
    require_loihi(where, integers, fmt, up)
    return with_learning(integers, fmt, state_scale, bits, up)


def learned_units(constants: Mapping[str, int]) -> tuple[float, ...]:
    mantissa = 2.0 ** (constants["up"] - constants["scale_log2"])
    return 1 / 4096, 1 / 4096, mantissa, mantissa


@jitable
def learned_change(p, change):
    # mantissas of threshold and bias change, inside Loihi's and inside the state's width
    du1, dv, vth, bias, _, _, _, _, _, up, bits = p
    top = shift(shift(1, bits - 1) - 1, -up)
    most, highest = min(top, BIAS_TOP), min(top, THRESHOLD_TOP)
    vth1 = shift(min(max(shift(vth, -up) - change[2], 1), highest), up)
    bias1 = shift(min(max(shift(bias, -up) - change[3], -most), most), up)
    return (
        min(max(du1 - change[0], 1), 4096),
        min(max(dv - change[1], 0), 4096),
        vth1,
        bias if change[3] == 0 else bias1,
        quotient(shift(1, bits + INVERSE_FRACTION - STATE_BITS), vth1),
    )


def validate_fixed(where: str, values: Mapping[str, Array]) -> None:
    """Hold decays to 4096ths, thresholds and biases to the states' width; InputError outside."""
    top = largest_in(int(np.max(values["bits"])))
    ranges = {"du1": (0, 4096), "dv": (0, 4096), "vth": (0, top), "bias": (-top, top), "subtract": (0, 1)}
    check_integers(where, values, ranges | {"up": (0, ACTIVATION_SHIFT), "bits": (2, STATE_BITS), "lava": INT32})


VARIANT = replace(
    lif.MODEL,
    name="lif_narrow",
    variant_of="lif",
    integer_form=None,
    states=(
        StateVar("u", "modulo", "synaptic current, in two's complement"),
        StateVar("v", "saturate", "membrane potential before the reset"),
    ),
    fixed_constants=(*lif.MODEL.fixed_constants, "up", "bits"),
    fixed_step=fixed_step,
    psi_index=psi_index,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    of_integers=of_integers,
    learned=replace(lif.LEARNED, units=learned_units, change=learned_change),
    validate_fixed=validate_fixed,
)
