"""Resonate-and-fire neuron as Izhikevich resets it; its integers equal Lava's fixed-point RF_IZ bit for bit.

Two input currents; c and s as of `rf`. States are those before the reset, which the next step begins with:

    re, im = (0, vth) if z_{t-1} else (re_{t-1}, im_{t-1})
    re_t = c re - s im + I_0,t,    im_t = s re + c im + I_1,t,    z_t = 1 if im_t >= vth else 0

ψ = 0.1 e^{-|im - vth|/τ} / 2τ with τ = 100 vth, as lava-dl's (slayer, RF Izhikevich): all but constant, 0.0005 / vth.
lava-dl goes back through a reset as if there was none; here the states after a spike do not depend on those before it,
and the reset is a path of its own, which OSTL and BPTT keep.

Integers hold states after the reset; those before it are those of `rf`, events too; parameters by `rf.rf_parameters`.
Then

    z' = 1 if im' >= vth else 0,   with z' = 1:  re' = 0, im' = vth - 1

On a chip weights learn. ψ τ is looked up at (im - vth)/vth with one bit of fraction, of im after the reset: where it
fired that is next to 0, which changes ψ by less than 1 % where im was at most vth above. ∂z/∂im is held 256 times, as
it has no more than 16 units of a coefficient of 16 bits.

vth - 1 is one unit below the threshold; float has none and begins at vth. Records of float runs hold the states after
the reset, too. Widths of intermediate results: as in `rf`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hypr_neuro.neurons.base import PSI_ENTRIES, FixedFormat, FixedParams, NeuronModel
from hypr_neuro.neurons.rf import (
    COEFFICIENTS,
    CONSTANTS,
    EVENTS,
    LEARNING,
    PARAMS,
    PER_NEURON,
    STATES,
    constrain,
    stands_for,
    validate_fixed,
)
from hypr_neuro.neurons.rf import fixed_step as rf_step
from hypr_neuro.neurons.rf import float_coefficients as rf_coefficients
from hypr_neuro.neurons.rf import of_integers as rf_of_integers
from hypr_neuro.neurons.rf import to_fixed as rf_to_fixed
from hypr_neuro.neurons.scaling import psi_table
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import quotient, sat, shift
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.surrogates import exponential


def float_coefficients(p):
    *turns, _ = rf_coefficients(p)
    return *turns, 0.01 / p[2]


@jitable
def float_step(s, z_prev, I, p):
    _, _, vth, c, d, _, _, _, _ = p
    re, im = s[0] * (1.0 - z_prev), s[1] * (1.0 - z_prev) + vth * z_prev
    re1 = c * re - d * im + I[0]
    im1 = d * re + c * im + I[1]
    return (re1, im1), 1.0 if im1 >= vth else 0.0


@jitable
def float_psi_arg(s_prev, s, p):
    return (s[1] - p[2]) * p[8]


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, vth, c, d, turn_re, turn_im, by_period, narrow = p
    keep = 1.0 - z_prev
    re, im = s_prev[0] * keep, s_prev[1] * keep + vth * z_prev
    A = ((c * keep, -d * keep), (d * keep, c * keep))
    P = (
        (by_period * (d * re + c * im), by_period * (d * im - c * re)),
        (turn_im * im - turn_re * re, -turn_im * re - turn_re * im),
    )
    return A, ((1.0, 0.0), (0.0, 1.0)), (0.0, 0.1 * narrow * psi), (0.0, 0.0), P, (0.0, 0.0)


@jitable
def float_spike_jacobian(s_prev, s, z_prev, I, p, psi):
    _, _, vth, c, d, _, _, _, _ = p
    re, im = -s_prev[0], vth - s_prev[1]
    return (c * re - d * im, d * re + c * im)


@jitable
def fixed_step(s, z_prev, I, p):
    (re, im), _, events = rf_step(s, z_prev, I, p)
    z = 1 if im >= p[2] else 0
    return (0 if z else re, p[2] - 1 if z else im), z, events


@jitable
def psi_index(s_prev, s, p):
    # (im - vth)/vth with one bit of fraction
    i = quotient(shift(s[1] - p[2], 1), max(p[2], 1)) + 256
    return min(max(i, 0), 511)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    cos, sin, vth, _, decay_bits, k, f = p
    keep, unit, above = 1 - z_prev, shift(1, k), max(vth, 1)
    c, d = keep * shift(cos, k - decay_bits), keep * shift(sin, k - decay_bits)
    # 2^8 · 0.1 · ψ 0.01/vth in real units, to nearest: 16777 / 2^16 of ψ/vth
    c_im = sat(quotient(shift(psi * 16777, f) + 32768 * above, 65536 * above), 30)
    return ((c, -d), (d, c)), ((unit, 0), (0, unit)), (0, c_im), (0, 0), ((0, 0), (0, 0)), (0, 0), (0, 0)


def operating_point(p: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return rest with a current that keeps the neuron from firing, as a reset hides what a current does."""
    return (0, 0), (0, -(1 << 12))


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert as `rf` does, with the table of this neuron's ψ."""
    return replace(rf_to_fixed(params, fmt), psi_table=_psi_table(fmt))


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as `rf` does, with the table of this neuron's ψ."""
    return replace(rf_of_integers(where, integers, fmt, state_scale), psi_table=_psi_table(fmt))


def _psi_table(fmt: FixedFormat) -> Array:
    x = (np.arange(PSI_ENTRIES) - 256 + 0.5) / 200
    return psi_table(exponential, x, np.ones_like(x), fmt)


def after_reset(states: tuple[Array, ...], output: Array, params: tuple[Array, ...]) -> tuple[Array, ...]:
    """Return the states after the reset."""
    fired = output > 0.0
    return np.where(fired, 0.0, states[0]), np.where(fired, params[2], states[1])


MODEL = NeuronModel(
    name="rf_iz",
    states=STATES,
    membrane="im",
    params=PARAMS,
    surrogate="exponential",
    coefficients=COEFFICIENTS,
    float_coefficients=float_coefficients,
    float_step=float_step,
    float_psi_arg=float_psi_arg,
    float_jacobian=float_jacobian,
    float_spike_jacobian=float_spike_jacobian,
    fixed_per_neuron=PER_NEURON,
    fixed_constants=CONSTANTS,
    events=EVENTS,
    fixed_step=fixed_step,
    fixed_learning=LEARNING,
    derivative_exponent=-8,
    psi_index=psi_index,
    fixed_jacobian=fixed_jacobian,
    operating_point=operating_point,
    to_fixed=to_fixed,
    of_integers=of_integers,
    currents=2,
    constrain=constrain,
    stands_for=stands_for,
    validate_fixed=validate_fixed,
    after_reset=after_reset,
    source="lava-nc 0.10.0, lava.proc.rf_iz; surrogate: lava-dl 0.6, slayer.spike; Izhikevich: Resonate-and-fire "
    "neurons, Neural Networks 14, 2001",
)
