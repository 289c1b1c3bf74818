"""LIF with current-based synapses (CUBA), Loihi's neuron (Davies et al. 2018; lava.proc.lif 0.10.0).

    u_t = (1 - du) u_{t-1} + I_t
    v_t = (1 - dv) v_{t-1} (1 - z_{t-1}) + u_t + bias        subtractive reset: (1 - dv)(v_{t-1} - vth z_{t-1})
    z_t = Θ(v_t - vth)

The state v is the value before the reset (Lava's variable v is v_t (1 - z_t)). The layer's bias acts on v. ψ is
SLAYER of (v_t - vth)/vth; since the argument is divided by vth, ∂z_t/∂v_t = ψ/vth.

Integers, as Lava's fixed-point model, a = the weighted sum, decays of 12 bits:

    u' = wrap24(zero(u (4096 - du1) / 4096) + (a << 6))                  du1 = du + 1, Loihi's offset
    v' = sat24(zero(v (1 - z)(4096 - dv) / 4096) + u' + bias)            zero: rounded toward zero
    z  = 1 if v' > vth << 6 else 0

overflow "lava" wraps a << 6 at 32 bits and u by one addition of ±2^24, so that u can leave 24 bits. "hardware" keeps
the registers' widths: a << 6 wraps at 22 bits, u and u + bias at 24, in two's complement, the widths of nengo-loihi's
emulator (Q_BITS 21, U_BITS 23, without sign). v saturates in both; Intel documents none of it. Where a profile's states
have fewer than 24 bits the same equations run in that width, see `lif_narrow`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import (
    PSI_ENTRIES,
    Conversion,
    FixedFormat,
    FixedParams,
    Learned,
    NeuronModel,
    Param,
    StateVar,
    check_integers,
    to_integer,
)
from hypr_neuro.neurons.given_integers import at_scales, require_loihi, require_same, require_state_bits
from hypr_neuro.neurons.scaling import psi_table, shared_value
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
    wrap24_lava,
)
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.surrogates import slayer

Numbers = int | Array
ACTIVATION_SHIFT = 6
STATE_BITS = 24
INVERSE_FRACTION = 36
"""Fraction bits of 1/vth: vth has up to 23 bits, which leaves 13 significant ones."""
THRESHOLD_TOP, BIAS_TOP = (1 << 17) - 1, (1 << 12) - 1
"""Largest mantissas of Loihi's threshold and bias, of 17 bits and of 13 with the sign."""
LEARNED_NAMES = ("du", "dv", "vth", "bias")


def float_coefficients(p):
    du, dv, vth, _, subtract = p
    return 1.0 - du, 1.0 - dv, 1.0 / vth, subtract * vth, 1.0 - subtract


@jitable
def float_step(s, z_prev, I, p):
    _, _, vth, bias, _, keep_u, keep_v, _, drop, clear = p
    u = keep_u * s[0] + I[0]
    kept = s[1] - z_prev * (drop + clear * s[1])
    v = keep_v * kept + u + bias
    return (u, v), 1.0 if v > vth else 0.0


@jitable
def float_psi_arg(s_prev, s, p):
    return (s[1] - p[2]) * p[7]


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, _, _, subtract, keep_u, keep_v, per_vth, drop, clear = p
    kept = s_prev[1] - z_prev * (drop + clear * s_prev[1])
    A = ((keep_u, 0.0), (keep_u, keep_v * (1.0 - z_prev * clear)))
    P = (
        (-s_prev[0], -s_prev[0]),
        (0.0, -kept),
        (0.0, -keep_v * subtract * z_prev),
        (0.0, 1.0),
    )
    c_v = psi * per_vth
    return A, (1.0, 1.0), (0.0, c_v), (0.0, 0.0), P, (0.0, 0.0, -c_v * s[1] * per_vth, 0.0)


@jitable
def float_spike_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, _, _, _, _, keep_v, _, drop, clear = p
    return 0.0, -keep_v * (drop + clear * s_prev[1])


@jitable
def fixed_step(s, z_prev, I, p):
    du1, dv, vth, bias, _, lava, subtract, _, _ = p
    a_full = wrap(shift(I[0], 6), 32)
    a = a_full if lava else wrap(a_full, 22)
    u_full = wrap(scale_zero(s[0], 4096 - du1, 12) + a, 32)
    u = wrap24_lava(u_full) if lava else wrap(u_full, 24)
    drive = u + bias if lava else wrap(u + bias, 24)
    reset = z_prev * (vth if subtract else s[1])
    v_full = wrap(scale_zero(s[1] - reset, 4096 - dv, 12) + drive, 32)
    v = sat(v_full, 24)
    events = (1 if u != u_full else 0) | (2 if v != v_full else 0) | (4 if shift(a, -6) != I[0] else 0)
    return (u, v), 1 if v > vth else 0, events


@jitable
def psi_index(s_prev, s, p):
    # (v - vth)/vth with 7 bits of fraction: inv_vth = 2^36 / vth
    i = shr_floor((s[1] - p[2]) * p[4], 36 - 7) + 256
    return min(max(i, 0), 511)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    du1, dv, vth, _, inv_vth, _, subtract, k, scale_log2 = p
    keep_u = shift(4096 - du1, k - 12)
    unit = shift(1, k)
    kept = s_prev[1] - z_prev * (vth if subtract else s_prev[1])
    closed = z_prev * (0 if subtract else 1)
    keep_v = shift(4096 - dv, k - 12)
    A = ((keep_u, 0), (keep_u, keep_v * (1 - closed)))
    # ψ/vth in real units: vth = vth_int / 2^scale_log2
    c_v = shr_nearest(psi * inv_vth, 36 - scale_log2)
    P = (
        (-s_prev[0], -s_prev[0]),
        (0, -kept),
        (0, shift(-z_prev * subtract * keep_v, scale_log2 - k)),
        (0, shift(1, scale_log2)),
    )
    # -(ψ/vth)(v/vth), v/vth taken with 7 bits of fraction
    e_vth = -shr_floor(c_v * shr_floor(s[1] * inv_vth, 36 - 7), 7)
    return A, (unit, unit), (0, c_v), (0, 0), P, (0, 0, e_vth, 0), (0, 0)


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert to Loihi's integers; formats of narrower states have `lif_narrow`'s (`integer_form`)."""
    return fixed_params(params, fmt, STATE_BITS, ACTIVATION_SHIFT)


def integer_form(fmt: FixedFormat) -> str:
    """Name Loihi's own integers from 24 bits of state on; below them the same equations in the format's width."""
    return "lif" if fmt.state_bits >= STATE_BITS else "lif_narrow"


def fixed_params(params: Mapping[str, Array], fmt: FixedFormat, state_bits: int, activation_shift: int) -> FixedParams:
    """Convert by one power of two S: weights a = I S, and u, v, vth, bias = real S 2^activation_shift.

    S is the largest for which threshold (17 bits at most), states (with headroom) and weights fit. 1/vth has 12 more
    fraction bits than a state has bits.
    """
    out: list[Conversion] = []
    mantissa_bits = state_bits - 1 - activation_shift
    largest = max(float(np.max(params["vth"])), fmt.state_range * fmt.headroom)
    limit = min((1 << fmt.threshold_bits) - 1, (1 << mantissa_bits) - 1)
    weight_limit = largest_in(fmt.weight_bits) * 2.0**fmt.weight_exponent_max
    by_weight = weight_limit / max(fmt.weight_range, 1e-9)
    scale_log2 = min(int(np.floor(np.log2(min(limit / largest, by_weight)))), mantissa_bits)
    scale = 2.0**scale_log2
    decay_top = (1 << fmt.decay_bits) - 1
    decay_rule = f"decay, {fmt.decay_bits} bits unsigned"
    du = to_integer("du (minus Loihi's offset 1)", params["du"] - 1 / 4096, 4096.0, 0, decay_top, decay_rule, out)
    dv = to_integer("dv", params["dv"], 4096.0, 0, decay_top, decay_rule, out)
    vth_top = (1 << fmt.threshold_bits) - 1
    vth = to_integer("vth mantissa", params["vth"], scale, 1, vth_top, f"threshold, {fmt.threshold_bits} bits", out)
    state_scale = scale * 2.0**activation_shift
    bias = _bias(params["bias"], state_scale, fmt, out)
    vth_state = vth << activation_shift
    per_neuron = {
        "du1": du + 1,
        "dv": dv,
        "vth": vth_state,
        "bias": bias,
        "inv_vth": (1 << (state_bits + INVERSE_FRACTION - STATE_BITS)) // vth_state,
    }
    constants = {
        "lava": int(fmt.overflow == "lava"),
        "subtract": int(shared_value("lif", "subtract", params["subtract"])),
        "k": fmt.coefficient_fraction,
        "scale_log2": scale_log2 + activation_shift,
    }
    return FixedParams(per_neuron, constants, state_scale, scale, psi_table_of(fmt), out)


def _bias(value: Array, scale: float, fmt: FixedFormat, out: list[Conversion]) -> Array:
    """Convert biases to mantissa · 2^exponent, one exponent a layer, the smallest that holds the largest bias."""
    top = largest_in(fmt.bias_mantissa_bits)
    largest = float(np.max(np.abs(value))) * scale
    exponent = min(max(int(np.ceil(np.log2(max(largest, 1.0) / top))), 0), fmt.bias_exponent_max)
    rule = f"bias mantissa, {fmt.bias_mantissa_bits} bits, times 2^{exponent}"
    return to_integer("bias mantissa", value, scale / 2.0**exponent, -top, top, rule, out) << exponent


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are; what learning alone reads (k, fraction bits, 1/vth) becomes the format's."""
    require_state_bits(where, STATE_BITS, fmt)
    require_loihi(where, integers, fmt, ACTIVATION_SHIFT)
    require_same(where, "overflow", "lava" if int(integers["lava"]) else "hardware", fmt.overflow, "precision.overflow")
    return with_learning(integers, fmt, state_scale, STATE_BITS, ACTIVATION_SHIFT)


def with_learning(
    integers: Mapping[str, Array],
    fmt: FixedFormat,
    state_scale: float | None,
    state_bits: int,
    activation_shift: int,
    per_neuron: Sequence[str] = (),
) -> FixedParams:
    """Return the integers with what learning reads at a state's scale.

    Where none is given it is the power of two at which the middle threshold lies between 1 and 2: ψ/vth then has all of
    a coefficient's bits. `per_neuron` names what each neuron has, where that is not what `lif` has.
    """
    vth = np.maximum(integers["vth"], 1 << activation_shift)
    scale_log2 = round(np.log2(state_scale)) if state_scale else int(np.log2(np.median(vth)))
    learning: dict[str, Any] = {
        "inv_vth": (1 << (state_bits + INVERSE_FRACTION - STATE_BITS)) // vth,
        "k": fmt.coefficient_fraction,
        "scale_log2": scale_log2,
    }
    scale = 2.0**scale_log2
    return at_scales(
        {**integers, **learning},
        per_neuron or MODEL.fixed_per_neuron,
        scale,
        scale / 2.0**activation_shift,
        psi_table_of(fmt),
    )


def psi_table_of(fmt: FixedFormat) -> Array:
    """Return ψ of (v - vth)/vth, whatever the threshold is."""
    x = (np.arange(PSI_ENTRIES) - 256 + 0.5) / 128
    return psi_table(slayer, x, np.ones_like(x), fmt)


def learned_values(params: Mapping[str, Array]) -> tuple[Array, ...]:
    """Return du, dv, vth and bias, which learn as they are."""
    return tuple(np.array(params[name]) for name in LEARNED_NAMES)


def learned_params(params: Mapping[str, Array], values: tuple[Array, ...]) -> dict[str, Array]:
    """Take the values as parameters, inside their ranges."""
    return {**params, **{name: _inside(name, value) for name, value in zip(LEARNED_NAMES, values, strict=True)}}


def _inside(name: str, value: Array) -> Array:
    return np.clip(value, MODEL.param(name).low, MODEL.param(name).high)


def learned_units(constants: Mapping[str, int]) -> tuple[float, ...]:
    mantissa = 2.0 ** (ACTIVATION_SHIFT - constants["scale_log2"])
    return 1 / 4096, 1 / 4096, mantissa, mantissa


def learned_read(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> tuple[Array, ...]:
    scale = 2.0 ** constants["scale_log2"]
    return per_neuron["du1"] / 4096, per_neuron["dv"] / 4096, per_neuron["vth"] / scale, per_neuron["bias"] / scale


@jitable
def learned_change(p, change):
    # mantissas of threshold and bias change: a bias that does gets the exponent 6
    du1, dv, vth, bias, _, _, _, _, _ = p
    vth1 = shift(min(max(shift(vth, -6) - change[2], 1), THRESHOLD_TOP), 6)
    bias1 = shift(min(max(shift(bias, -6) - change[3], -BIAS_TOP), BIAS_TOP), 6)
    return (
        min(max(du1 - change[0], 1), 4096),
        min(max(dv - change[1], 0), 4096),
        vth1,
        bias if change[3] == 0 else bias1,
        quotient(shift(1, 36), vth1),
    )


def lif_parameters(
    du: Numbers, dv: Numbers, vth: Numbers, bias: Numbers = 0, *, overflow: str = "lava", subtract: bool = False
) -> dict[str, Any]:
    """Make the integers of `lif` from the numbers that Lava's fixed-point LIF takes, for `Population.of`.

    Parameters
    ----------
    du, dv : int or ndarray
        Decays a step in 4096ths, 0..4095; du gets Loihi's offset 1. Each of the four numbers is one for all neurons or
        an array.
    vth : int or ndarray
        Threshold mantissa, 0..2^17 - 1, of which the neuron takes 64 times.
    bias : int or ndarray
        What a step adds to v, mantissa · 2^exponent (`loihi_weights.bias`).
    overflow : str
        "lava" or "hardware".
    subtract : bool
        Reset by subtraction of the threshold, which Lava does not have.

    Returns
    -------
    dict
        Integers by name.

    Raises
    ------
    InputError
        For a number outside its range.
    """
    for name, value, top in (("du", du, 4095), ("dv", dv, 4095), ("vth", vth, (1 << 17) - 1)):
        array = np.asarray(value)
        if array.dtype.kind not in "iu" or np.any((array < 0) | (array > top)):
            raise InputError(f"neuron 'lif': {name} = {value}, rule: integers 0..{top}")
    if overflow not in ("lava", "hardware"):
        raise InputError(f"neuron 'lif': overflow = {overflow!r}, rule: 'lava' or 'hardware'")
    threshold = np.asarray(vth, np.int64) << ACTIVATION_SHIFT
    return {
        "du1": np.asarray(du, np.int64) + 1,
        "dv": dv,
        "vth": threshold,
        "bias": bias,
        "inv_vth": (1 << INVERSE_FRACTION) // np.maximum(threshold, 1 << ACTIVATION_SHIFT),
        "lava": int(overflow == "lava"),
        "subtract": int(subtract),
        "k": 15,
        "scale_log2": ACTIVATION_SHIFT,
    }


INT32 = (-(1 << 31) + 1, (1 << 31) - 1)
RANGES = {"du1": (0, 4096), "dv": (0, 4096), "vth": INT32, "bias": INT32, "lava": (0, 1)}
"""Of the integers that decide a step."""


def validate_fixed(where: str, values: Mapping[str, Array]) -> None:
    """Hold decays to 4096ths, thresholds and biases to 32 bits; InputError outside."""
    check_integers(where, values, RANGES | {"subtract": (0, 1), "inv_vth": INT32})


def constrain(params: dict[str, Array]) -> None:
    """Keep decays in [0, 1] and the threshold above 0 after an update."""
    for name in ("du", "dv"):
        params[name][...] = np.clip(params[name], 0.0, 1.0)
    params["vth"][...] = np.maximum(params["vth"], 1e-3)


def not_learned(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> dict[str, Any]:
    """Return how the reset works."""
    return {"subtract": float(constants["subtract"])}


LEARNED = Learned(learned_values, learned_params, learned_units, learned_read, learned_change)

MODEL = NeuronModel(
    name="lif",
    states=(
        StateVar("u", "wrap", "synaptic current; in overflow mode 'lava' it can leave 24 bits"),
        StateVar("v", "saturate", "membrane potential before the reset"),
    ),
    membrane="v",
    params=(
        Param("du", "1/step", 1.0, 0.0, 1.0, trainable=True, description="decay of the synaptic current"),
        Param("dv", "1/step", 0.1, 0.0, 1.0, trainable=True, description="decay of the membrane potential"),
        Param("vth", "1", 1.0, 0.0, 1e6, trainable=True, open_low=True, description="threshold"),
        Param("bias", "1", 0.0, -1e6, 1e6, trainable=True, description="bias on v"),
        Param("subtract", "1", 0.0, 0.0, 1.0, description="0: reset to zero, 1: by subtraction of vth"),
    ),
    surrogate="slayer",
    bias_on="state",
    coefficients=("keep_u", "keep_v", "per_vth", "drop", "clear"),
    float_coefficients=float_coefficients,
    float_step=float_step,
    float_psi_arg=float_psi_arg,
    float_jacobian=float_jacobian,
    float_spike_jacobian=float_spike_jacobian,
    fixed_per_neuron=("du1", "dv", "vth", "bias", "inv_vth"),
    fixed_constants=("lava", "subtract", "k", "scale_log2"),
    events=("u wrapped", "v saturated", "current wrapped"),
    fixed_step=fixed_step,
    psi_index=psi_index,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    of_integers=of_integers,
    learned=LEARNED,
    constrain=constrain,
    validate_fixed=validate_fixed,
    threshold="vth",
    integer_form=integer_form,
    not_learned=not_learned,
    lanes=True,
    source="Davies et al. 2018 (Loihi); lava-nc 0.10.0, lava.proc.lif; surrogate: Shrestha & Orchard 2018",
)
