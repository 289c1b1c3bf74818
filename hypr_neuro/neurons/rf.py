"""Resonate-and-fire neuron (RF) with a phase condition, integers only: equals Lava's fixed-point RF bit for bit.

Two input currents, a_0 real and a_1 imaginary. With c and s = (1 - alpha) · cos and sin of 2π/period, times
2^decay_bits, z the spike:

    re' = sat24(zero(c re / 2^decay_bits) - zero(s im / 2^decay_bits) + wrap32(a_0 << state_exp))
    im' = sat24(zero(s re / 2^decay_bits) + zero(c im / 2^decay_bits) + wrap32(a_1 << state_exp))
    z'  = 1 if re' >= vth and im' >= 0 and im < 0 else 0

zero: rounded toward zero, each product apart. The neuron fires where its state, which turns about the origin, crosses
the positive real axis from below; nothing is reset. Lava's synapses send 32-bit numbers and its RF shifts them in 32
bits, hence wrap32.

Intermediate results: 64 bits hold all of them (products of 24 + decay_bits bits, a << state_exp of 62 at most). In 32
bits fit the products up to decay_bits = 8, their shifted values (24) and the sum of the two (25), not the sum with the
current (33).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import FixedFormat, FixedParams, NeuronModel, StateVar, check_integers
from hypr_neuro.neurons.given_integers import at_scales, require_range, require_state_bits
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import largest_in, sat, shift, shr_zero, wrap
from hypr_neuro.numbers.jit import jitable

Numbers = float | Sequence[float] | Array
STATE_BITS = 24
LARGEST_STATE_EXP = 31
LARGEST_DECAY_BITS = 30


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


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are: turns are coefficients, the current has scale 1 unless the state's is given."""
    require_state_bits(where, STATE_BITS, fmt)
    most, shift_bits = fmt.coefficient_fraction, int(integers["state_exp"])
    key = f"precision.coefficient_bits {fmt.coefficient_bits}, one is the sign"
    require_range(where, "decay_bits", integers["decay_bits"], 1, most, key)
    one = 1 << int(integers["decay_bits"])
    for name in ("cos_decay", "sin_decay"):
        require_range(where, name, integers[name], -one, one, "2^decay_bits")
    top = largest_in(STATE_BITS)
    require_range(where, "vth", integers["vth"], -top, top, f"states of {STATE_BITS} bits")
    scale = 2.0**shift_bits if state_scale is None else state_scale
    return at_scales(integers, PER_NEURON, scale, scale / 2.0**shift_bits)


STATES = (
    StateVar("re", "saturate", "real part"),
    StateVar("im", "saturate", "imaginary part"),
)
PER_NEURON = ("cos_decay", "sin_decay", "vth")
CONSTANTS = ("state_exp", "decay_bits")
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
    fixed_per_neuron=PER_NEURON,
    fixed_constants=CONSTANTS,
    events=EVENTS,
    fixed_step=fixed_step,
    of_integers=of_integers,
    currents=2,
    validate_fixed=validate_fixed,
    source="lava-nc 0.10.0, lava.proc.rf; Izhikevich: Resonate-and-fire neurons, Neural Networks 14, 2001",
)
