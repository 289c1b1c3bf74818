"""The arithmetic of learning for one source of a neuron, a synapse or a neuron parameter, in one step.

With the Jacobian A, B, C, C', F of the step (`neurons.base`), its entries clamped and with kc fraction bits, and
eligibilities ε of the d states with fe (synapse) or fp (parameter) fraction bits:

    ε' = sat(round(A ε / 2^kc) + b)                      in rows where the model's F is 0
    e  = sat(nearest((C ε' + C' ε + o) / 2^kc))
    ε' = sat(round((A ε + F e) / 2^kc) + b)              in the other rows, where C is 0
    G  ← sat(G + nearest(g e / 2^gs))

b drives the states and o the spike past them: b = nearest(B 2^fe / 2^kc) pre, o = 0 of a synapse; b = nearest(P 2^(fp
- f)), o = E 2^fp of a parameter, with f fraction bits of the states. g is the learning signal, nearest(B·C / 2^kc) g
goes down to the layer below. Where the source is a population of numbers, pre is its message over its scale,
b = nearest(nearest(B 2^fe / 2^kc) m / 2^q): an eligibility of 1 is that of a number of 1.

Functions take and return integers and tuples of d of them. Whoever executes learning runs these: the definition on
Python's integers (`reference_layer`), kernels on 64-bit ones through `unrolled`, C by running them on symbols. Beside
each that floats need stands its twin in real numbers. `eligibility_lanes` has the one other spelling, in 32 bits.
"""

from __future__ import annotations

from typing import Any

from hypr_neuro.numbers.fixed_point import sat, shift_nearest, shr, shr_nearest
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.unrolling import over_tuples


@over_tuples
def dot(a: Any, b: Any) -> Any:
    """Sum a_j b_j."""
    return sum(x * y for x, y in zip(a, b, strict=True))


@over_tuples
def clamped(entries: Any, bits: Any) -> Any:
    """Clamp each entry to so many bits."""
    return tuple(sat(x, bits) for x in entries)


@over_tuples
def changes(new: Any, old: Any) -> Any:
    """Count the entries that differ."""
    return sum(1 * (x != y) for x, y in zip(new, old, strict=True))


@over_tuples
def clamp_jacobian(A: Any, B: Any, C: Any, C_prev: Any, F: Any, bits: Any) -> Any:
    """Clamp the entries of a Jacobian to so many bits; return A, B, C, C', F and how many were clamped."""
    a = tuple(clamped(row, bits) for row in A)
    b, c, c_prev, f = clamped(B, bits), clamped(C, bits), clamped(C_prev, bits), clamped(F, bits)
    in_rows = sum(changes(new, old) for new, old in zip(a, A, strict=True))
    count = in_rows + changes(b, B) + changes(c, C) + changes(c_prev, C_prev) + changes(f, F)
    return a, b, c, c_prev, f, count


@over_tuples
def clamp_another(A: Any, B: Any, C: Any, C_prev: Any, F: Any, bits: Any) -> Any:
    """Clamp a Jacobian as `clamp_jacobian` does; count entries of B alone, for a second input current."""
    a = tuple(clamped(row, bits) for row in A)
    b = clamped(B, bits)
    return a, b, clamped(C, bits), clamped(C_prev, bits), clamped(F, bits), changes(b, B)


@over_tuples
def gain(B: Any, C: Any, kc: Any) -> Any:
    """Return nearest(B·C / 2^kc): effect of a unit of current on the spike, a factor of signals to the layer below."""
    return shr_nearest(dot(B, C), kc)


@over_tuples
def drive_of_current(B: Any, fe: Any, kc: Any) -> Any:
    """Return nearest(B 2^fe / 2^kc): what a unit that arrives at a synapse adds to its eligibility."""
    return tuple(shr_nearest(x << fe, kc) for x in B)


@over_tuples
def drive_of_synapse(by_current: Any, pre: Any) -> Any:
    """Return b of a synapse where `pre` arrives; by_current : from `drive_of_current`."""
    return tuple(x * pre for x in by_current)


@over_tuples
def drive_of_number(by_current: Any, message: Any, scale: Any) -> Any:
    """Return b of a synapse where a number arrives, as a message of 2^scale units: nearest(by_current · m / 2^scale).

    by_current : from `drive_of_current`, for a unit of the number itself
    """
    return tuple(shift_nearest(x * message, -scale) for x in by_current)


@over_tuples
def drive_of_parameter(P: Any, exponent: Any) -> Any:
    """Return b of a neuron parameter: nearest(P 2^exponent), exponent = fp - f."""
    return tuple(shift_nearest(x, exponent) for x in P)


@over_tuples
def eligibility_step(
    old: Any, A: Any, C: Any, C_prev: Any, F: Any, drive: Any, direct: Any, kc: Any, rounding: Any, bits: Any
) -> Any:
    """Take the eligibility `old` of one source through a step; return ε', e and whether anything of it was clamped.

    drive, direct : b and o. rounding : rule of the eligibilities' decay (`fixed_point.ROUNDING`). bits : of ε and e
    """
    # C is 0 in rows that a spike enters, so e is known before they are
    moved = tuple(sat(shr(dot(row, old), kc, rounding) + b, bits) for row, b in zip(A, drive, strict=True))
    effect = shr_nearest(dot(C, moved) + dot(C_prev, old) + direct, kc)
    e = sat(effect, bits)
    full = tuple(shr(dot(row, old) + f * e, kc, rounding) + b for row, f, b in zip(A, F, drive, strict=True))
    new = clamped(full, bits)
    return new, e, (e != effect) | any(x != y for x, y in zip(new, full, strict=True))


@jitable
def gradient_step(gradient: Any, signal: Any, e: Any, gs: Any, bits: Any) -> Any:
    """Return sat(G + nearest(g e / 2^gs)) in so many bits, and whether it was clamped."""
    full = gradient + shr_nearest(signal * e, gs)
    new = sat(full, bits)
    return new, new != full


@over_tuples
def float_eligibility_step(old: Any, A: Any, C: Any, C_prev: Any, drive: Any, direct: Any) -> Any:
    """Take the eligibility of one source through a step in real numbers, ε' = A ε + b, e = C ε' + C' ε + o.

    A, C : spikes of the own step are in them, as F and e are in integers. Returns ε' and e
    """
    new = tuple(sum((a * x for a, x in zip(row, old, strict=True)), b) for row, b in zip(A, drive, strict=True))
    return new, sum((c * x + cl * y for c, x, cl, y in zip(C, new, C_prev, old, strict=True)), direct)
