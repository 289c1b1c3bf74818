"""Ends of states that turn and are damped by their own spikes, where turning alone may not bound them.

x' = λ(q) x + w is a complex number; a spike adds to q, which damps: log |λ(q)| ≤ G - κ q. A silent step leaves Re x' at
T at most unless q > p; a spike makes q' ≥ γ q + s, silence q' ≥ γ q - e. Take

    V = log |x| - η q + h(arg x),    μ = κ - η (1 - γ) ≥ 0

with h ≥ 0 periodic, falling by c a radian, and rising only where Re x > T for certain. With q ≥ -b, t and t' the least
and the largest turn of a step, and G' = G + log(1 + |w| / |λ x|), V changes

    where h falls               by at most G' + μ b + η e - c t
    where h rises, by a spike   by at most G' + μ b - η s + rise t'
    in silence                  by at most G' - μ p + η e + rise t'

If none is above 0 wherever |x| ≥ R, V is never above log(|λ| R + |w|) + max h + η b, so that

    |x| ≤ (|λ| R + |w|) e^(max h + η (b + max q))

The best R, η and p of a grid are taken, neuron by neuron.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from hypr_neuro.bounds.reach import Box, Stepper, Taken, ends_of
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
        known = np.isfinite(least) & np.isfinite(top) & (top > -least)
        if m in block or not known.any():
            continue
        q = np.where(known, least, 0.0), np.where(known, top, 0.0)
        found = np.where(known, _least(_measured(stepper, boxes, block, m, q)), np.inf)
        most = found if most is None else np.minimum(most, found)
    return None if most is None else (np.array([-most, -most]), np.array([most, most]))


@dataclass
class _Seen:
    """What ways through a step showed, a number for each neuron and part of q's range; NaN before any."""

    there: Array
    T: Array
    W: Array
    gamma: Array
    spike: Array
    silent: Array
    a_low: Array
    a_high: Array
    d: Array

    @staticmethod
    def nothing(n: int) -> _Seen:
        """Return it before any way was seen."""
        least, most, open_ = np.full(n, np.inf), np.full(n, -np.inf), np.full(n, np.nan)
        return _Seen(np.ones(n, np.bool_), np.zeros(n), np.zeros(n), open_, least, least, least, most, open_)

    def add(self, taken: Taken, block: list[int], m: int) -> None:
        """Take over what one way shows."""
        on, n = taken.active, len(self.d)
        way = linear_way(taken, block, n)
        (low, high), w = way.A, way.w
        turns = (low[0, 0] == low[1, 1]) & (high[0, 0] == high[1, 1]) & (low[0, 1] == high[0, 1]) & (low[0, 0] > 0)
        turns &= (low[1, 0] == high[1, 0]) & (low[0, 1] == -low[1, 0])
        x = taken.states[m]
        terms = x.terms if isinstance(x, Value) else {}
        keeps = terms.get(f"s{m}", (np.zeros(n), np.zeros(n)))
        adds = x.rest[0] if terms else ends_of(x, n)[0]
        self.gamma = np.where(on & np.isnan(self.gamma), keeps[0], self.gamma)
        self.d = np.where(on & np.isnan(self.d), low[1, 0], self.d)
        turns &= (self.gamma == keeps[0]) & (self.gamma == keeps[1]) & (self.d == low[1, 0])
        self.there &= ~on | (turns & (len(terms.keys() - {f"s{m}"}) == 0))
        self.a_low = np.where(on, np.minimum(self.a_low, low[0, 0]), self.a_low)
        self.a_high = np.where(on, np.maximum(self.a_high, high[0, 0]), self.a_high)
        self.W = np.where(on, np.maximum(self.W, np.hypot(*np.maximum(np.abs(w[0]), np.abs(w[1])))), self.W)
        if taken.output == 0:
            self.T = np.where(on, np.maximum(self.T, ends_of(taken.states[block[0]], n)[1]), self.T)
            self.silent = np.where(on, np.minimum(self.silent, adds), self.silent)
        else:
            self.spike = np.where(on, np.minimum(self.spike, adds), self.spike)


def _measured(stepper: Stepper, boxes: list[Box], block: list[int], m: int, q: Ends) -> Damped:
    """Run all ways, with the damping in each part of its range as if that were a neuron of its own."""
    n, population = stepper.n, stepper.population
    many = replace(population, per_neuron=np.tile(population.per_neuron, SLICES))
    wide = Stepper(many, [(np.tile(lo, SLICES), np.tile(hi, SLICES)) for lo, hi in stepper.currents])
    ends = q[0] + np.floor((q[1] - q[0]) * np.arange(SLICES + 1)[:, None] / SLICES)
    parts = [Box(box.low, box.high, np.tile(box.lo, SLICES), np.tile(box.hi, SLICES)) for box in boxes]
    for part in parts:
        part.lo[m], part.hi[m] = np.maximum(part.lo[m], ends[:-1].ravel()), np.minimum(part.hi[m], ends[1:].ravel())
    seen = _Seen.nothing(wide.n)
    for taken in wide.taken(parts, False, True):
        seen.add(taken, block, m)
    s = _Seen(*(array.reshape(SLICES, n) for array in vars(seen).values()))
    met = ~np.isnan(s.d)
    d, gamma = (np.nanmax(np.where(met, x, -np.inf), axis=0) for x in (s.d, s.gamma))
    there = (s.there & (~met | ((s.d == d) & (s.gamma == gamma)))).all(axis=0)
    W, spike, silent = s.W.max(axis=0), s.spike.min(axis=0), s.silent.min(axis=0)
    there &= np.isfinite(s.T).all(axis=0) & np.isfinite(W) & np.isfinite(spike) & np.isfinite(silent)
    there &= (d != 0) & (gamma >= 0) & (gamma < 1) & (spike > 0) & np.isfinite(d)
    with np.errstate(invalid="ignore"):  # parts that are never met
        logs = np.log(np.where(met, np.hypot(s.a_high, d), 0.0), out=np.full(s.d.shape, -np.inf), where=met)
    return Damped(
        there,
        np.maximum.accumulate(s.T),
        W,
        gamma,
        spike,
        np.maximum(-silent, 0.0),
        np.maximum(-q[0], 0.0),
        q[1],
        logs,
        ends[:-1],
        s.a_low.min(axis=0),
        s.a_high.max(axis=0),
        np.abs(d),
    )


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
    return np.asarray(np.where(holds & np.isfinite(bound), bound, np.inf).min(axis=0))
