"""Resonate-and-fire neuron (RF) with a phase condition; its integers equal Lava's fixed-point RF bit for bit.

Two input currents, I_0 real and I_1 imaginary. With φ = 2π/period, c = (1 - alpha) cos φ and s = (1 - alpha) sin φ:

    re_t = c re_{t-1} - s im_{t-1} + I_0,t
    im_t = s re_{t-1} + c im_{t-1} + I_1,t
    z_t  = 1 if re_t >= vth and im_t >= 0 and im_{t-1} < 0 else 0

The neuron fires where its state, which turns about the origin, crosses the positive real axis from below; nothing is
reset. Derivatives of the spike are those of lava-dl (slayer, RF phase): of the product of a smooth step S of re - vth
and a bell δ at im = 0, times 10, both of width τ = vth / 2:

    ∂z/∂re = 10 δ(re - vth) δ(im)        δ(x) = e^{-|x|/τ} / 2τ,  S' = δ
    ∂z/∂im = 10 S(re - vth) δ'(im)       im_{t-1} and vth are taken as constant

Integers, with c and s times 2^decay_bits, rounded toward zero:

    re' = sat24(zero(c re / 2^decay_bits) - zero(s im / 2^decay_bits) + wrap32(a_0 << state_exp))
    im' = sat24(zero(s re / 2^decay_bits) + zero(c im / 2^decay_bits) + wrap32(a_1 << state_exp))
    z'  = 1 if re' >= vth and im' >= 0 and im < 0 else 0

zero: rounded toward zero, each product apart. Lava's synapses send 32-bit numbers and its RF shifts them in 32 bits,
hence wrap32.

On a chip weights learn; period and alpha, which both stand in c and s, do not. With ψ = τ δ(re - vth) from a table, at
(re - vth)/vth with 7 bits of fraction, and E = e^{-|im|/τ}, by `exp_neg` of 12 bits of |im|/τ,

    ∂z/∂re = (20 E / vth²) ψ,   ∂z/∂im = -sign(im) (20 E / vth²) S

of which integers hold a sixteenth.

Intermediate results: 64 bits hold all of them (products of 24 + decay_bits bits, a << state_exp of 62 at most). In 32
bits fit the products up to decay_bits = 8, their shifted values (24) and the sum of the two (25), not the sum with the
current (33).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import cos, pi, sin
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import (
    PSI_ENTRIES,
    Conversion,
    FixedFormat,
    FixedParams,
    NeuronModel,
    Param,
    StateVar,
    check_integers,
)
from hypr_neuro.neurons.given_integers import at_scales, require_range, require_state_bits
from hypr_neuro.neurons.scaling import input_shift, psi_table
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import (
    largest_in,
    quotient,
    sat,
    shift,
    shr_floor,
    shr_nearest,
    shr_zero,
    wrap,
)
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.surrogates import exponential

Numbers = float | Sequence[float] | Array
STATE_BITS = 24
LARGEST_STATE_EXP = 31
LARGEST_DECAY_BITS = 30
LONGEST_PERIOD = 1e9
"""Steps of a turn that stands for none: its sine is 0 in integers."""
NUDGE = 2.0**-16
"""Of one unit of c and s: keeps what integers stand for inside the interval that is cut to them."""


def float_coefficients(p):
    period, alpha, vth = p
    angle = 2.0 * pi / period
    turn_re, turn_im = cos(angle), sin(angle)
    # c, s, cos φ, sin φ, -∂φ/∂period, 1/τ
    return (1.0 - alpha) * turn_re, (1.0 - alpha) * turn_im, turn_re, turn_im, angle / period, 2.0 / vth


@jitable
def float_step(s, z_prev, I, p):
    re, im = s
    _, _, vth, c, d, _, _, _, _ = p
    re1 = c * re - d * im + I[0]
    im1 = d * re + c * im + I[1]
    crosses = 1.0 if (im1 >= 0.0) and (im < 0.0) else 0.0
    return (re1, im1), crosses if re1 >= vth else 0.0


@jitable
def float_psi_arg(s_prev, s, p):
    return (s[0] - p[2]) * p[8]


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    re, im = s_prev
    _, _, vth, c, d, turn_re, turn_im, by_period, narrow = p
    A = ((c, -d), (d, c))
    B = ((1.0, 0.0), (0.0, 1.0))
    bell = narrow * exponential(s[1] * narrow)
    step = 1.0 - psi if s[0] > vth else psi
    slope = -narrow if s[1] > 0.0 else (narrow if s[1] < 0.0 else 0.0)
    C = (10.0 * psi * narrow * bell, 10.0 * step * slope * bell)
    P = (
        (by_period * (d * re + c * im), by_period * (d * im - c * re)),
        (turn_im * im - turn_re * re, -turn_im * re - turn_re * im),
    )
    return A, B, C, (0.0, 0.0), P, (0.0, 0.0)


@jitable
def fixed_step(s, z_prev, I, p):
    cos, sin, vth, state_exp, decay_bits = p
    wide_re, wide_im = shift(I[0], state_exp), shift(I[1], state_exp)
    a_re, a_im = wrap(wide_re, 32), wrap(wide_im, 32)
    full_re = shr_zero(cos * s[0], decay_bits) - shr_zero(sin * s[1], decay_bits) + a_re
    full_im = shr_zero(sin * s[0], decay_bits) + shr_zero(cos * s[1], decay_bits) + a_im
    re, im = sat(full_re, 24), sat(full_im, 24)
    # & of numbers instead of `and`: a branch here would stop the vectoriser
    crosses = (1 if im >= 0 else 0) & (1 if s[1] < 0 else 0)
    wrapped = (4 if a_re != wide_re else 0) | (4 if a_im != wide_im else 0)
    events = (1 if re != full_re else 0) | (2 if im != full_im else 0) | wrapped
    return (re, im), (1 if re >= vth else 0) & crosses, events


@jitable
def exp_neg(y):
    """Compute 2^15 e^{-y}, y >= 0 with 12 bits of fraction: off by less than 2^-13 of 1.

    As 2^-n 2^-f of y log2(e) = n + f, 2^-f = 1 - 0.6916 f + 0.2312 f² - 0.0396 f³, which is 1/2 at f = 1.
    """
    t = shr_floor(min(y, 122880) * 5909, 12)
    n = shr_floor(t, 12)
    f = t - shift(n, 12)
    curve = 22662 - shr_floor(f * (7575 - shr_floor(f * 1296, 12)), 12)
    return shr_floor(32768 - shr_floor(f * curve, 12), n)


@jitable
def psi_index(s_prev, s, p):
    # (re - vth)/vth with 7 bits of fraction
    i = quotient(shift(s[0] - p[2], 7), max(p[2], 1)) + 256
    return min(max(i, 0), 511)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    cos, sin, vth, _, decay_bits, k, f = p
    c, d, unit, above = shift(cos, k - decay_bits), shift(sin, k - decay_bits), shift(1, k), max(vth, 1)
    near = exp_neg(quotient(shift(abs(s[1]), 13), above))
    # 1/vth in real units with 12 bits of fraction, 256 at most; then 20/16 E / vth² with 15
    per_vth = min(quotient(shift(1, f + 12), above), 1048576)
    bell = shr_nearest(shr_nearest(5 * near * per_vth, 14) * per_vth, 12)
    step = unit - psi if s[0] > vth else psi
    falls = (1 if s[1] > 0 else 0) - (1 if s[1] < 0 else 0)
    C = (sat(shr_nearest(bell * psi, 15), 30), sat(-falls * shr_nearest(bell * step, 15), 30))
    return ((c, -d), (d, c)), ((unit, 0), (0, unit)), C, (0, 0), ((0, 0), (0, 0)), (0, 0), (0, 0)


def operating_point(p: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return a state at the threshold, about to leave the real axis: there a spike depends on both parts."""
    return (p[2], 1), (0, 0)


def psi_of_threshold(fmt: FixedFormat) -> Array:
    """Return the table of ψ by (re - vth)/vth, whatever the threshold is."""
    x = (np.arange(PSI_ENTRIES) - 256 + 0.5) / 64
    return psi_table(exponential, x, np.ones_like(x), fmt)


def rf_parameters(
    period: Numbers, alpha: Numbers, vth: Numbers = 1.0, state_exp: int = 0, decay_bits: int = 12
) -> dict[str, Any]:
    """Make the integers of `rf` and `rf_iz` as Lava's processes RF and RF_IZ compute them, for `Population.of`.

    c = int((1 - alpha) cos(2π/period) 2^decay_bits), s likewise, vth = int(vth 2^state_exp): cut toward zero, so a
    last bit of the machine's sine may decide (period 12, alpha 0: s = 2047 of 4096).

    Parameters
    ----------
    period : float or array_like
        Steps of a turn, > 0; it, `alpha` and `vth` are one number or one for each neuron.
    alpha : float or array_like
        Loss a step, 0..1.
    vth : float or array_like
        Threshold in units of the input current.
    state_exp : int
        Left shift of currents and threshold, 0..31.
    decay_bits : int
        Fraction bits of cos_decay and sin_decay, 1..30.

    Returns
    -------
    dict
        Integers by name.

    Raises
    ------
    InputError
        For a number outside its range.
    """
    _check(period, alpha, state_exp, decay_bits)
    angle = np.pi * 2 * 1 / np.asarray(period, np.float64)
    keep, one = 1 - np.asarray(alpha, np.float64), 1 << decay_bits
    threshold = np.trunc(np.asarray(vth, np.float64) * (1 << state_exp))
    top = (1 << (STATE_BITS - 1)) - 1
    if not np.all(np.abs(threshold) < top):
        raise InputError(f"neuron 'rf': vth = {vth}, rule: magnitude of vth · 2^state_exp below {top}; lower state_exp")
    return {
        "cos_decay": _cut(keep * np.cos(angle) * one),
        "sin_decay": _cut(keep * np.sin(angle) * one),
        "vth": _cut(threshold),
        "state_exp": state_exp,
        "decay_bits": decay_bits,
    }


def _cut(x: Array) -> Array:
    """Round toward zero, to int64."""
    return np.asarray(np.trunc(x), np.int64)


def _check(period: Numbers, alpha: Numbers, state_exp: int, decay_bits: int) -> None:
    turn, loss = np.asarray(period, np.float64), np.asarray(alpha, np.float64)
    for name, value, good, rule in (
        ("period", period, np.all((turn > 0) & np.isfinite(turn)), "above 0 and finite"),
        ("alpha", alpha, np.all((loss >= 0) & (loss <= 1)), "0..1"),
        ("state_exp", state_exp, 0 <= state_exp <= LARGEST_STATE_EXP, f"0..{LARGEST_STATE_EXP}"),
        ("decay_bits", decay_bits, 1 <= decay_bits <= LARGEST_DECAY_BITS, f"1..{LARGEST_DECAY_BITS}"),
    ):
        if not good:
            raise InputError(f"neuron 'rf': {name} = {value}, rule: {rule}")


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert by `rf_parameters`: c and s to the decays' width, vth to the state's scale, both cut toward zero."""
    if fmt.state_bits < STATE_BITS:
        raise InputError(
            f"neurons 'rf' and 'rf_iz' have states of {STATE_BITS} bits, and the profile's have {fmt.state_bits} "
            "(precision.state_bits), rule: at least as many; give a profile with wider states"
        )
    # the states are 24 bits wide whatever the profile has
    fraction = replace(fmt, state_bits=STATE_BITS).state_fraction()
    state_exp = input_shift(1.0, fraction, fmt)
    current_scale, decay_bits = 2.0 ** (fraction - state_exp), min(fmt.decay_bits, fmt.coefficient_fraction)
    threshold = np.minimum(params["vth"] * current_scale, (largest_in(STATE_BITS) - 1) / 2.0**state_exp)
    made = rf_parameters(params["period"], params["alpha"], threshold, state_exp, decay_bits)
    keep, angle, one = 1.0 - params["alpha"], 2.0 * np.pi / params["period"], 2.0**decay_bits
    coefficient = f"decay, {decay_bits} bits of fraction"
    real = {
        "cos_decay": ("(1-α) cos φ", keep * np.cos(angle), one, coefficient),
        "sin_decay": ("(1-α) sin φ", keep * np.sin(angle), one, coefficient),
        "vth": ("vth", params["vth"], 2.0**fraction, f"state, {STATE_BITS} bits"),
    }
    out = [
        Conversion(label, value, scale, made[name], "toward zero", _clips(value * scale, made[name]), rule)
        for name, (label, value, scale, rule) in real.items()
    ]
    per_neuron = {name: made[name] for name in PER_NEURON}
    constants = {name: int(made[name]) for name in CONSTANTS}
    named = per_neuron | constants
    table = psi_of_threshold(fmt)
    return replace(at_scales(named, PER_NEURON, 2.0**fraction, current_scale, table), conversions=out)


def _clips(exact: Array, integer: Array) -> int:
    return int(np.count_nonzero(np.abs(exact - integer) >= 1.0))


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are: turns are coefficients.

    Where no scale of the states is given it is the power of two at which the middle threshold lies between 1 and 2, as
    of `lif`, so that the float form trains with weights of usual size.
    """
    require_state_bits(where, STATE_BITS, fmt)
    most, shift_bits = fmt.coefficient_fraction, int(integers["state_exp"])
    key = f"precision.coefficient_bits {fmt.coefficient_bits}, one is the sign"
    require_range(where, "decay_bits", integers["decay_bits"], 1, most, key)
    one = 1 << int(integers["decay_bits"])
    for name in ("cos_decay", "sin_decay"):
        require_range(where, name, integers[name], -one, one, "2^decay_bits")
    top = largest_in(STATE_BITS)
    require_range(where, "vth", integers["vth"], -top, top, f"states of {STATE_BITS} bits")
    scale = state_scale or 2.0 ** int(np.log2(np.median(np.maximum(integers["vth"], 1))))
    return at_scales(integers, PER_NEURON, scale, scale / 2.0**shift_bits, psi_of_threshold(fmt))


def stands_for(per_neuron: Mapping[str, Array], constants: Mapping[str, int], state_scale: float) -> dict[str, Array]:
    """Return period, alpha and vth that integers stand for; `rf_parameters` makes the same integers of them.

    Raise InputError, naming the neuron, for a state that grows, and a threshold that is not above 0.
    """
    one = 2.0 ** constants["decay_bits"]
    c, d = (_inside(per_neuron[name]) / one for name in ("cos_decay", "sin_decay"))
    for neuron in np.flatnonzero(per_neuron["cos_decay"] ** 2 + per_neuron["sin_decay"] ** 2 > one * one)[:1]:
        raise InputError(
            f"neuron 'rf': cos_decay[{neuron}], sin_decay[{neuron}] = {per_neuron['cos_decay'][neuron]}, "
            f"{per_neuron['sin_decay'][neuron]}, rule for a float form: "
            f"length at most {one:.0f}, 2^decay_bits; lower them"
        )
    for neuron in np.flatnonzero(per_neuron["vth"] <= 0)[:1]:
        raise InputError(
            f"neuron 'rf': vth[{neuron}] = {per_neuron['vth'][neuron]}, rule for a float form: above 0; raise it"
        )
    angle = np.mod(np.arctan2(d, c), 2.0 * np.pi)
    period = np.divide(2.0 * np.pi, angle, out=np.full(angle.shape, LONGEST_PERIOD), where=angle > 0.0)
    return {"period": period, "alpha": np.maximum(1.0 - np.hypot(c, d), 0.0), "vth": per_neuron["vth"] / state_scale}


def _inside(integers: Array) -> Array:
    """Return numbers that are cut to these integers and lie next to them."""
    return np.asarray(integers + NUDGE * np.sign(integers))


def constrain(params: dict[str, Array]) -> None:
    """After an update: at least two steps a turn, a loss of 0 to 1."""
    params["period"][...] = np.clip(params["period"], 2.0, LONGEST_PERIOD)
    params["alpha"][...] = np.clip(params["alpha"], 0.0, 1.0)


STATES = (
    StateVar("re", "saturate", "real part"),
    StateVar("im", "saturate", "imaginary part"),
)
PARAMS = (
    Param("period", "step", 20.0, 1.0, LONGEST_PERIOD, trainable=True, description="steps of a turn"),
    Param("alpha", "1/step", 0.05, 0.0, 1.0, trainable=True, description="loss a step"),
    Param("vth", "1", 1.0, 0.0, 1e6, open_low=True, description="threshold"),
)
COEFFICIENTS = ("c", "s", "turn_re", "turn_im", "by_period", "narrow")
PER_NEURON = ("cos_decay", "sin_decay", "vth")
CONSTANTS = ("state_exp", "decay_bits")
LEARNING = ("coefficient_fraction", "state_fraction")
EVENTS = ("re saturated", "im saturated", "current wrapped")

RANGES = {
    "cos_decay": (-(1 << 30), 1 << 30),
    "sin_decay": (-(1 << 30), 1 << 30),
    "state_exp": (0, 31),
    "decay_bits": (1, 30),
}


def validate_fixed(where: str, values: Mapping[str, Array]) -> None:
    """Hold integers to ranges in which products and sums of a step fit 64 bits; InputError outside."""
    check_integers(where, values, RANGES)


MODEL = NeuronModel(
    name="rf",
    states=STATES,
    membrane="im",
    params=PARAMS,
    surrogate="exponential",
    coefficients=COEFFICIENTS,
    float_coefficients=float_coefficients,
    float_step=float_step,
    float_psi_arg=float_psi_arg,
    float_jacobian=float_jacobian,
    fixed_per_neuron=PER_NEURON,
    fixed_constants=CONSTANTS,
    events=EVENTS,
    fixed_step=fixed_step,
    fixed_learning=LEARNING,
    derivative_exponent=4,
    psi_index=psi_index,
    fixed_jacobian=fixed_jacobian,
    operating_point=operating_point,
    to_fixed=to_fixed,
    of_integers=of_integers,
    currents=2,
    constrain=constrain,
    stands_for=stands_for,
    validate_fixed=validate_fixed,
    source="lava-nc 0.10.0, lava.proc.rf; surrogate: lava-dl 0.6, slayer.spike.complex; Izhikevich: Resonate-and-fire "
    "neurons, Neural Networks 14, 2001",
)
