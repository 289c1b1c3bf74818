"""`eligibility` in 32 bits, for widths that `fits_lanes` allows: twice as many synapses in each of a machine's vectors.

The only other spelling of that arithmetic. An eligibility of 24 bits and an entry of 18 would have a product of 41, so
numbers are split at 2^12, x = high 2^12 + low, and products with both parts summed apart; of signal and e likewise.
"""

from __future__ import annotations

from typing import Any

from hypr_neuro.numbers.fixed_point import NEAREST
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.lanes import lane32
from hypr_neuro.numbers.unrolling import over_tuples
from hypr_neuro.sim.learning.eligibility import dot


@over_tuples
def high(x: Any) -> Any:
    """Return each entry / 2^12, floored."""
    return tuple(v >> 12 for v in x)


@over_tuples
def low(x: Any) -> Any:
    """Return the 12 bits of each entry that `high` drops."""
    return tuple(v & 4095 for v in x)


@jitable
def joined(high_sum: Any, low_sum: Any, half: Any, kc: Any) -> Any:
    """Return ⌊(high_sum 2^12 + low_sum + half) / 2^kc⌋, kc ≥ 12."""
    return (high_sum + ((low_sum + half) >> 12)) >> (kc - 12)


@over_tuples
def eligibility_step(
    old: Any, A: Any, C: Any, C_prev: Any, F: Any, drive: Any, direct: Any, kc: Any, rounding: Any, bits: Any
) -> Any:
    """Take a step as `eligibility.eligibility_step`, in lanes; direct : below 2^11, rounding : FLOOR or NEAREST."""
    top = lane32((1 << (bits - 1)) - 1)
    half, nearest = lane32(((1 << kc) >> 1) * (rounding == NEAREST)), lane32((1 << kc) >> 1)
    old_high, old_low = high(old), low(old)
    moved = tuple(
        min(max(joined(dot(row, old_high), dot(row, old_low), half, kc) + b, -top), top)
        for row, b in zip(A, drive, strict=True)
    )
    effect = joined(
        dot(C, high(moved)) + dot(C_prev, old_high), dot(C, low(moved)) + dot(C_prev, old_low) + direct, nearest, kc
    )
    e = min(max(effect, -top), top)
    e_high, e_low = e >> 12, e & 4095
    full = tuple(
        joined(dot(row, old_high) + f * e_high, dot(row, old_low) + f * e_low, half, kc) + b
        for row, f, b in zip(A, F, drive, strict=True)
    )
    new = tuple(min(max(x, -top), top) for x in full)
    return new, e, ((e ^ effect) | differing(new, full)) != 0


@over_tuples
def differing(new: Any, full: Any) -> Any:
    """Return a number that is not 0 if an entry differs."""
    return any(x ^ y for x, y in zip(new, full, strict=True))


@jitable
def gradient_step(gradient: Any, signal: Any, e: Any, gs: Any, bits: Any) -> Any:
    """Add to the gradient as `eligibility.gradient_step` does, e in parts above and below 2^gs."""
    most = lane32((1 << (bits - 1)) - 1)
    full = gradient + signal * (e >> gs) + ((signal * (e & ((1 << gs) - 1)) + ((1 << gs) >> 1)) >> gs)
    new = min(max(full, -most), most)
    return new, new != full


@over_tuples
def entries_in_lanes(A: Any, B: Any, C: Any, C_prev: Any, F: Any) -> Any:
    """Return the entries of a Jacobian as lanes."""
    return tuple(lane32(row) for row in A), lane32(B), lane32(C), lane32(C_prev), lane32(F)
