"""Ends of states that turn and are damped by their own spikes, where turning alone may not bound them.

x' = λ(q) x + w is a complex number; a spike adds to q, which damps: log |λ(q)| ≤ G - κ q. A silent step leaves Re x' at
T at most unless q > p; a spike makes q' ≥ γ q + s, silence q' ≥ γ q - e. Take

    V = log |x| - η q + h(arg x),    μ = κ - η (1 - γ) ≥ 0

with h ≥ 0 periodic, falling by c a radian, and rising only where Re x > T for certain. With G' = G + log(1 + |w| / |λ x|),
q ≥ -b and t, t' the least and largest turn of a step, V changes

    where h falls               by at most G' + μ b + η e - c t
    where h rises, by a spike   by at most G' + μ b - η s + rise t'
    in silence                  by at most G' - μ p + η e + rise t'

If none is above 0 wherever |x| ≥ R, V is never above log(|λ| R + |w|) + max h + η b, so that

    |x| ≤ (|λ| R + |w|) e^(max h + η (b + max q))

The best R, η and p of a grid are taken, neuron by neuron.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from hypr_neuro.bounds.reach import Box, Stepper, ends_of
from hypr_neuro.bounds.spectral import SAFETY, linear_way
from hypr_neuro.bounds.values import Ends, Value
from hypr_neuro.numbers.arrays import Array

SLICES = 32
"""Parts of q's range, in each of which λ is bounded apart."""
SIZES = 2.0 ** np.arange(0.0, 30.0, 0.25)[:, None]
"""R, in the larger of |w| and T."""
LEVELS = (0, 1, 3, 7, 15, SLICES - 1)
"""The part of q's range that ends at p."""
SHARES = tuple(product((1.0, 0.5), 2.0 ** -np.arange(0.0, 6.0)))
"""Of the largest κ and of the largest η."""


@dataclass
class Damped:
    """What V needs, (n,) each; neurons that are not of this kind have `there` False.

    Attributes
    ----------
    T : (SLICES, n)
        Largest real part that a silent step leaves for q up to the end of a part.
    W
        Largest |w|.
    gamma, spike, error
        γ, s and e of q.
    below, top
        b, and the largest q.
    logs, starts : (SLICES, n)
        Largest log |λ| of a part of q's range, and where the part begins.
    a_low, a_high, d
        Of λ.
    """

    there: Array
    T: Array
    W: Array
    gamma: Array
    spike: Array
    error: Array
    below: Array
    top: Array
    logs: Array
    starts: Array
    a_low: Array
    a_high: Array
    d: Array


def damped_ends(stepper: Stepper, boxes: list[Box], block: list[int]) -> Ends | None:
    """Return ends (2, n) of two states that turn, infinite where a spike's damping does not bound them."""
    if len(block) != 2 or stepper.model.readout:
        return None
    most: Array | None = None
    for m in range(stepper.model.d):
        top = np.max([np.where(b.there, b.hi[m], 0.0) for b in boxes], axis=0)
        least = np.min([np.where(b.there, b.lo[m], 0.0) for b in boxes], axis=0)
        if m in block or not (np.isfinite(least) & np.isfinite(top) & (top > -least)).any():
            continue
        known = _measured(stepper, boxes, block, m, (least, top))
        if known is not None:
            found = _least(known)
            most = found if most is None else np.minimum(most, found)
    return None if most is None else (np.array([-most, -most]), np.array([most, most]))


def _measured(stepper: Stepper, boxes: list[Box], block: list[int], m: int, q: Ends) -> Damped | None:
    """Run all ways with the damping between its ends, then part by part; None where no neuron is of this kind."""
    n = stepper.n
    nothing = np.full(n, -np.inf)
    there = np.isfinite(q[0]) & np.isfinite(q[1]) & (q[1] > -q[0])
    T, W, d, gamma = np.zeros((SLICES, n)), np.zeros(n), np.full(n, np.nan), np.full(n, np.nan)
    spike, rest = np.full(n, np.inf), np.zeros(n)
    for taken in stepper.taken(boxes, False, True):
        on, x = taken.active, taken.states[m]
        if not isinstance(x, Value) or set(x.terms) - {f"s{m}"}:
            return None
        keeps = x.terms.get(f"s{m}", (np.zeros(n), np.zeros(n)))
        adds = x.rest[0] if x.terms else x.lo
        gamma = np.where(on & np.isnan(gamma), keeps[0], gamma)
        there &= ~on | ((gamma == keeps[0]) & (gamma == keeps[1]))
        if taken.output == 0:
            rest = np.where(on, np.minimum(rest, adds), rest)
        else:
            spike = np.where(on, np.minimum(spike, adds), spike)
    a_low, a_high = np.full(n, np.inf), nothing.copy()
    logs, starts = np.full((SLICES, n), -np.inf), np.zeros((SLICES, n))
    for k, (start, part) in enumerate(_parts(boxes, m, q)):
        starts[k] = start
        for taken in stepper.taken(part, False, True):
            way = linear_way(taken, block, n)
            if taken.output == 0:
                T[k] = np.where(way.active, np.maximum(T[k], ends_of(taken.states[block[0]], n)[1]), T[k])
            (low, high), w, on = way.A, way.w, way.active
            turn = (low[0, 0] == low[1, 1]) & (high[0, 0] == high[1, 1]) & (low[1, 0] == high[1, 0])
            turn &= (low[0, 1] == high[0, 1]) & (low[0, 1] == -low[1, 0]) & (low[0, 0] > 0) & (low[1, 0] != 0)
            d = np.where(on & np.isnan(d), np.abs(low[1, 0]), d)
            there &= ~on | (turn & (d == np.abs(low[1, 0])))
            a_low = np.where(on, np.minimum(a_low, low[0, 0]), a_low)
            a_high = np.where(on, np.maximum(a_high, high[0, 0]), a_high)
            size = np.log(np.hypot(np.where(there & on, high[0, 0], 1.0), np.where(there & on, d, 0.0)))
            logs[k] = np.where(on, np.maximum(logs[k], size), logs[k])
            W = np.where(on, np.maximum(W, np.hypot(*np.maximum(np.abs(w[0]), np.abs(w[1])))), W)
    there &= np.isfinite(T).all(axis=0) & np.isfinite(W) & np.isfinite(spike) & (gamma >= 0) & (gamma < 1) & (spike > 0)
    if not there.any():
        return None
    below = np.maximum(-q[0], 0.0)
    return Damped(there, np.maximum.accumulate(T), W, gamma, spike, -rest, below, q[1], logs, starts, a_low, a_high, d)


def _parts(boxes: list[Box], m: int, q: Ends) -> Iterator[tuple[Array, list[Box]]]:
    """Yield where each part of the range of state m begins, and the boxes in it."""
    ends = q[0] + np.floor((q[1] - q[0]) * np.arange(SLICES + 1)[:, None] / SLICES)
    for start, end in zip(ends, ends[1:], strict=False):
        part = []
        for box in boxes:
            lo, hi = box.lo.copy(), box.hi.copy()
            lo[m], hi[m] = np.maximum(lo[m], start), np.minimum(hi[m], end)
            part.append(Box(box.low, box.high, lo, hi))
        yield start, part


def _least(known: Damped) -> Array:
    """Return the least bound (n,) of |x|, infinite where none is found."""
    best = np.full(known.W.shape, np.inf)
    ends = np.concatenate([known.starts[1:], known.top[None]])
    with np.errstate(all="ignore"):  # what is not of this kind is masked
        kappa = np.min((known.logs[0] - known.logs[1:]) / (known.starts[1:] - known.starts[0]), axis=0)
        for (of_kappa, of_eta), level in product(SHARES, LEVELS):
            slope = of_kappa * kappa
            growth = np.max(known.logs + slope * ends, axis=0)
            eta, mu = of_eta * slope / (1.0 - known.gamma), (1.0 - of_eta) * slope
            held = eta * known.spike - mu * known.below
            if level + 1 < SLICES:
                held = np.minimum(held, mu * ends[level] - eta * known.error)
            bound = _bound(known, known.T[level], growth, eta, mu, held)
            best = np.where(known.there & (bound < best), bound, best)
    return best


def _bound(known: Damped, T: Array, growth: Array, eta: Array, mu: Array, held: Array) -> Array:
    """Return the least bound (n,) over R, infinite where V may grow; `held` is what V loses where h rises."""
    R = SIZES * np.maximum(known.W, np.maximum(T, 1.0))
    least, most = np.hypot(known.a_low, known.d), np.hypot(known.a_high, known.d)
    share = known.W / (least * R)
    growth = growth + np.log1p(share) + SAFETY
    turned = np.arcsin(share)
    turn_low = np.arctan2(known.d, known.a_high) - turned - SAFETY
    turn_high = np.arctan2(known.d, known.a_low) + turned + SAFETY
    rising = 2.0 * np.arccos(T / (least * R - known.W)) - turn_high - SAFETY
    falls = np.maximum((growth + mu * known.below + eta * known.error) / turn_low, 0.0)
    high = falls * (2.0 * np.pi - rising)
    holds = (share < 1) & (turn_low > 0) & (rising > 0) & (eta >= 0)
    holds &= growth - held + high / rising * turn_high <= 0
    bound = (most * R + known.W) * np.exp(high + eta * (known.below + known.top))
    return np.where(holds & np.isfinite(bound), bound, np.inf).min(axis=0)
