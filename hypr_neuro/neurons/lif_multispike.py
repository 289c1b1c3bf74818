"""LIF that sends several spikes in a step, as many thresholds as v has in it, and loses one threshold for each.

    u_t = (1 - du) u_{t-1} + I_t
    v_t = (1 - dv) (v_{t-1} - vth z_{t-1}) + u_t + bias
    z_t = min(floor(v_t / vth), max_spikes) where v_t ≥ vth, else 0

As in `lif`, the state v is the value before the reset. One spike needs v ≥ vth, where `lif` needs v > vth. z is a
number of 0 to max_spikes and multiplies the weights that it meets; of `max_spikes` its whole part counts, in integers
one for the whole population.

z rises by 1 at every multiple of vth up to the highest, so its derivative by v/vth is the surrogate of the nearest of
these steps: ψ is SLAYER of v/vth - n, n = v/vth rounded to the nearest of 1 to max_spikes, and ∂z/∂v = ψ/vth. It has
the same form at each step for every vth. Sinabs' PeriodicExponential takes off n, not n times the threshold, from v,
which is periodic for vth = 1 alone; for another vth it is not what this file computes. With one spike at most this is
`lif` by subtraction.

Integers are those of `lif_narrow`, in states of at most 24 bits, two's complement:

    u' = wrap(zero(u (4096 - du1) / 4096) + (a << h))
    v' = sat(zero((v - vth z)(4096 - dv) / 4096) + u' + bias)
    z  = min(floor(v' / vth), max_spikes) where v' >= vth, else 0

Spikes travel as messages of as many bits as max_spikes has, unshifted. A synapse's eligibility grows with the number
of spikes that arrive; ψ is looked up at v'/vth - n with 7 bits of fraction, n as above, and ∂z/∂v = ψ/vth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hypr_neuro.neurons import lif, lif_narrow
from hypr_neuro.neurons.base import (
    FixedFormat,
    FixedParams,
    NeuronModel,
    Param,
    StateVar,
    check_integers,
)
from hypr_neuro.neurons.contract import MOST_SPIKES
from hypr_neuro.neurons.given_integers import at_scales, require_loihi, require_state_bits
from hypr_neuro.neurons.lif import ACTIVATION_SHIFT, STATE_BITS
from hypr_neuro.neurons.lif_narrow import learned_change as narrow_change
from hypr_neuro.neurons.scaling import shared_value
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import (
    largest_in,
    quotient,
    sat,
    scale_zero,
    shift,
    shr_floor,
    shr_nearest,
    wrap,
)
from hypr_neuro.numbers.jit import jitable


def float_coefficients(p):
    return 1.0 - p[0], 1.0 - p[1], 1.0 / p[2], float(int(p[4]))


@jitable
def whole(x):
    """Return the largest whole number up to x, of 0 to 127; kernels of float32 have no other way of the same type."""
    n = 64.0 if x >= 64.0 else 0.0
    n = n + (32.0 if x >= n + 32.0 else 0.0)
    n = n + (16.0 if x >= n + 16.0 else 0.0)
    n = n + (8.0 if x >= n + 8.0 else 0.0)
    n = n + (4.0 if x >= n + 4.0 else 0.0)
    n = n + (2.0 if x >= n + 2.0 else 0.0)
    return n + (1.0 if x >= n + 1.0 else 0.0)


@jitable
def float_step(s, z_prev, I, p):
    _, _, vth, bias, _, keep_u, keep_v, _, most = p
    u = keep_u * s[0] + I[0]
    v = keep_v * (s[1] - z_prev * vth) + u + bias
    return (u, v), min(whole(v / vth), most)


@jitable
def float_psi_arg(s_prev, s, p):
    x = s[1] / p[2]
    return x - max(min(whole(x + 0.5), p[8]), 1.0)


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, vth, _, _, keep_u, keep_v, per_vth, _ = p
    A = ((keep_u, 0.0), (keep_u, keep_v))
    P = ((-s_prev[0], -s_prev[0]), (0.0, z_prev * vth - s_prev[1]), (0.0, -keep_v * z_prev), (0.0, 1.0))
    c_v = psi * per_vth
    return A, (1.0, 1.0), (0.0, c_v), (0.0, 0.0), P, (0.0, 0.0, -c_v * s[1] * per_vth, 0.0)


@jitable
def float_spike_jacobian(s_prev, s, z_prev, I, p, psi):
    return 0.0, -p[6] * p[2]


@jitable
def fixed_step(s, z_prev, I, p):
    du1, dv, vth, bias, most, up, bits = p
    a = wrap(shift(I[0], up), bits)
    u_full = scale_zero(s[0], 4096 - du1, 12) + a
    u = wrap(u_full, bits)
    v_full = scale_zero(s[1] - z_prev * vth, 4096 - dv, 12) + u + bias
    v = sat(v_full, bits)
    events = (1 if u != u_full else 0) | (2 if v != v_full else 0) | (4 if shift(a, -up) != I[0] else 0)
    return (u, v), min(quotient(max(v, 0), vth), most), events


@jitable
def psi_index(s_prev, s, p):
    # v/vth, less the nearest step of z, with 7 bits of fraction
    x = quotient(shift(s[1], 7), p[2])
    i = x - shift(min(max(shr_nearest(x, 7), 1), p[4]), 7) + 256
    return min(max(i, 0), 511)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    du1, dv, vth, _, _, _, _, k, f = p
    keep_u, keep_v, unit = shift(4096 - du1, k - 12), shift(4096 - dv, k - 12), shift(1, k)
    # ψ/vth in real units, to nearest
    c_v = sat(quotient(shift(psi, f + 1) + vth, 2 * vth), 30)
    P = (
        (-s_prev[0], -s_prev[0]),
        (0, z_prev * vth - s_prev[1]),
        (0, shift(-z_prev * keep_v, f - k)),
        (0, shift(1, f)),
    )
    # -(ψ/vth)(v/vth), v/vth with 7 bits of fraction
    e_vth = -shr_floor(c_v * sat(quotient(shift(s[1], 7), vth), 32), 7)
    return ((keep_u, 0), (keep_u, keep_v)), (unit, unit), (0, c_v), (0, 0), P, (0, 0, e_vth, 0), (0, 0)


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert as `lif_narrow` does."""
    narrow = replace(fmt, state_bits=min(fmt.state_bits, STATE_BITS))
    fixed = lif_narrow.to_fixed({**params, "subtract": np.ones(1)}, narrow)
    most = int(shared_value("lif_multispike", "max_spikes", params["max_spikes"]))
    constants = fixed.constants | {"max_spikes": most}
    return replace(
        fixed,
        per_neuron={name: fixed.per_neuron[name] for name in MODEL.fixed_per_neuron},
        constants={name: constants[name] for name in MODEL.fixed_constants},
    )


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are; without a scale the middle threshold lies between 1 and 2."""
    bits, up = int(integers["bits"]), int(integers["up"])
    require_state_bits(where, bits, fmt)
    require_loihi(where, integers, fmt, up)
    scale = state_scale or 2.0 ** int(np.log2(np.median(integers["vth"])))
    return at_scales(integers, MODEL.fixed_per_neuron, scale, scale / 2.0**up, lif.psi_table_of(fmt))


def learned_units(constants: Mapping[str, int]) -> tuple[float, ...]:
    mantissa = 2.0 ** (constants["up"] - constants["state_fraction"])
    return 1 / 4096, 1 / 4096, mantissa, mantissa


def learned_read(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> tuple[Array, ...]:
    return lif.learned_read(per_neuron, {"scale_log2": constants["state_fraction"]})


@jitable
def learned_change(p, change):
    du1, dv, vth, bias, _, up, bits = p
    # the last of lif's is 1/vth
    du_next, dv_next, vth_next, bias_next, _ = narrow_change((du1, dv, vth, bias, 0, 0, 1, 0, 0, up, bits), change)
    return du_next, dv_next, vth_next, bias_next


def not_learned(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> dict[str, Any]:
    """Return the most spikes of a step."""
    return {"max_spikes": float(constants["max_spikes"])}


def validate_fixed(where: str, values: Mapping[str, Array]) -> None:
    """Hold the integers to those of `lif_narrow`, thresholds above 0; InputError outside."""
    top = largest_in(int(np.max(values["bits"])))
    ranges = {"du1": (0, 4096), "dv": (0, 4096), "vth": (1, top), "bias": (-top, top), "max_spikes": (1, MOST_SPIKES)}
    check_integers(where, values, ranges | {"up": (0, ACTIVATION_SHIFT), "bits": (2, STATE_BITS)})


MODEL = NeuronModel(
    name="lif_multispike",
    states=(
        StateVar("u", "modulo", "synaptic current, in two's complement"),
        StateVar("v", "saturate", "membrane potential before the reset"),
    ),
    membrane="v",
    params=(
        *lif.MODEL.params[:4],
        Param("max_spikes", "1", 15.0, 1.0, float(MOST_SPIKES), description="most spikes of a step"),
    ),
    surrogate="slayer",
    bias_on="state",
    coefficients=("keep_u", "keep_v", "per_vth", "most"),
    float_coefficients=float_coefficients,
    float_step=float_step,
    float_psi_arg=float_psi_arg,
    float_jacobian=float_jacobian,
    float_spike_jacobian=float_spike_jacobian,
    fixed_per_neuron=("du1", "dv", "vth", "bias"),
    fixed_constants=("max_spikes", "up", "bits"),
    events=lif.MODEL.events,
    fixed_learning=("coefficient_fraction", "state_fraction"),
    fixed_step=fixed_step,
    psi_index=psi_index,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    of_integers=of_integers,
    constrain=lif.constrain,
    validate_fixed=validate_fixed,
    learned=replace(lif.LEARNED, units=learned_units, read=learned_read, change=learned_change),
    not_learned=not_learned,
    most_spikes="max_spikes",
    lanes=True,
    source="Sinabs 3.1.3 (MultiSpike, MaxSpike, MembraneSubtract); integers as lif",
)
