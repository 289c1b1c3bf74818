"""Ends of states that turn about each other, for which boxes grow: resonators, oscillating adaptation.

Between resets such states are linear in themselves, x' = A x + w, with A and w of known ends on every way through the
step.

Where every A is a I + d J (J turns by 90°, a between two ends, d fixed), x is a complex number, x' = λ x + w with
λ = a + i d. After k steps λ's product has a magnitude of at most r^k and an angle of at least k φ, of λ at the largest
a; any further angle Δ costs a factor e^{-κΔ}, as log |λ| is convex in the angle. So

    Re x ≤ Σ_k sup Re(z w),  z in {r^k e^{-κΔ} e^{i(kφ + Δ)}, 0 ≤ Δ ≤ k (φ' - φ)}

which is what an input of the worst signs reaches, roundings included, if the damping stays at its least.

Else A is taken to coordinates y = Y x in which the middle A of the slowest way is diagonal, turns apart. With the norms
M of the blocks of Y A Y^-1 over all ways, and those of Y w, v, magnitudes r with M r + v ≤ r hold for ever once they
hold: r = (I - M)^-1 v.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from hypr_neuro.bounds.outward import product_of, sum_of
from hypr_neuro.bounds.reach import Box, Stepper, Taken, ends_of
from hypr_neuro.bounds.values import Ends, Value
from hypr_neuro.numbers.arrays import Array

SAFETY = 1e-9
"""Relative room for the errors of floats, which are below 1e-12 of a bound here."""
LONGEST = 60_000
WORST_CONDITION = 1e6


@dataclass
class LinearWay:
    """A x + w of one way: neurons that take it (n,), ends of A (d, d, n) and of w (d, n)."""

    active: Array
    A: Ends
    w: Ends


def ways(stepper: Stepper, boxes: list[Box], block: list[int]) -> list[LinearWay]:
    """Return the ways of the states of a block, in terms of these states, all others between their ends."""
    return [linear_way(taken, block, stepper.n) for taken in stepper.taken(boxes, False, True)]


def linear_way(taken: Taken, block: list[int], n: int) -> LinearWay:
    """Return a way of the states of a block, likewise."""
    names = [f"s{i}" for i in block]
    A = np.zeros((len(block), len(block), n)), np.zeros((len(block), len(block), n))
    w = np.zeros((len(block), n)), np.zeros((len(block), n))
    for row, i in enumerate(block):
        x = taken.states[i]
        w[0][row], w[1][row] = _rest(x, names, n)
        for column, name in enumerate(names):
            if isinstance(x, Value) and name in x.terms:
                A[0][row, column], A[1][row, column] = x.terms[name]
    return LinearWay(taken.active, A, w)


def _rest(x: Any, names: list[str], n: int) -> Ends:
    if not isinstance(x, Value) or not x.terms:
        return ends_of(x, n)
    lo, hi = x.rest
    for name, c in x.terms.items():
        if name not in names:
            lo, hi = sum_of(lo, hi, *product_of(*c, *x.base[name]))
    return lo, hi


def block_ends(found: list[LinearWay], n: int) -> Ends:
    """Return ends (d, n) of the states of a block from rest, infinite where nothing here bounds them."""
    d = len(found[0].w[0])
    lo, hi = np.full((d, n), -np.inf), np.full((d, n), np.inf)
    for i in range(n):
        mine = [LinearWay(w.active[i : i + 1], *_of(w, i)) for w in found if w.active[i]]
        for bound in (_turning, _by_norms):
            ends = bound(mine)
            if ends is not None:
                room = SAFETY * (np.abs(ends[0]) + np.abs(ends[1]) + 1.0)
                lo[:, i] = np.maximum(lo[:, i], np.ceil(ends[0] - room))
                hi[:, i] = np.minimum(hi[:, i], np.floor(ends[1] + room))
    return lo, hi


def _of(way: LinearWay, i: int) -> tuple[Ends, Ends]:
    return (way.A[0][..., i], way.A[1][..., i]), (way.w[0][:, i], way.w[1][:, i])


# --- turns


def _turning(mine: list[LinearWay]) -> Ends | None:
    """Bound x' = (a I + d J) x + w, or None where a way is no such turn."""
    moving = [w for w in mine if np.any(w.A[0]) or np.any(w.A[1])]
    resets = [w for w in mine if not (np.any(w.A[0]) or np.any(w.A[1]))]
    if not moving or len(moving[0].w[0]) != 2:
        return None
    d = float(moving[0].A[0][1, 0])
    for w in moving:
        low, high = w.A
        same = low[0, 0] == low[1, 1] and high[0, 0] == high[1, 1]
        if not (same and low[1, 0] == high[1, 0] == d and low[0, 1] == high[0, 1] == -d):
            return None
    a_low, a_high = min(float(w.A[0][0, 0]) for w in moving), max(float(w.A[1][0, 0]) for w in moving)
    w_low, w_high = np.min([w.w[0] for w in moving], axis=0), np.max([w.w[1] for w in moving], axis=0)
    start_low = np.min([np.zeros(2), *(w.w[0] for w in resets)], axis=0)
    start_high = np.max([np.zeros(2), *(w.w[1] for w in resets)], axis=0)
    if not np.isfinite([*w_low, *w_high, *start_low, *start_high]).all():
        return None
    if d < 0:  # mirrored, so that it turns to the left
        ends = _summed(a_low, a_high, -d, *_mirrored(w_low, w_high), *_mirrored(start_low, start_high))
        return None if ends is None else _mirrored(*ends)
    return _summed(a_low, a_high, d, w_low, w_high, start_low, start_high)


def _mirrored(lo: Array, hi: Array) -> Ends:
    return np.array([lo[0], -hi[1]]), np.array([hi[0], -lo[1]])


def _summed(
    a_low: float, a_high: float, d: float, w_low: Array, w_high: Array, start_low: Array, start_high: Array
) -> Ends | None:
    """Add what w of all steps before can bring, and what is left of a reset."""
    magnitudes = [np.hypot(a, d) for a in (a_low, a_high)]
    if abs(a_low) > abs(a_high) or a_low < 0 < a_high:
        return _summed_by_magnitude(max(magnitudes), w_low, w_high, start_low, start_high)
    r, least = magnitudes[1], magnitudes[0]
    if r >= 1.0:
        return None
    if r == 0.0:
        return np.minimum(w_low, start_low), np.maximum(w_high, start_high)
    angle, angle_most = np.arctan2(d, a_high), np.arctan2(d, a_low)
    free = angle_most - angle
    cost = np.log(r / least) / free if free > 1e-12 and least > 0 else np.inf
    steps = int(min(np.ceil(np.log(1e-3 * (1 - r)) / np.log(r)) + 8, LONGEST))
    k = np.arange(steps)
    fixed = a_low == a_high
    real, imaginary = (_sector(r**k, k * angle + turned, k * free, cost, fixed) for turned in (0.0, -np.pi / 2))
    largest = 2.0 * np.abs([w_low, w_high]).max() / (1.0 - r) + 2.0 * np.abs([start_low, start_high]).max()
    tail, low, high = r**steps * largest, np.zeros(2), np.zeros(2)
    # Re(z w) = Re z w_0 - Im z w_1, Im(z w) = Im z w_0 + Re z w_1
    for i, (first, second, sign) in enumerate(((real, imaginary, -1.0), (imaginary, real, 1.0))):
        brought, left = (
            [
                a + b
                for a, b in zip(_times(first, lo[0], hi[0]), _times(second, sign * lo[1], sign * hi[1]), strict=True)
            ]
            for lo, hi in ((w_low, w_high), (start_low, start_high))
        )
        for ends, e, choose in ((low, 0, np.min), (high, 1, np.max)):
            sums = np.concatenate([[0.0], np.cumsum(brought[e])])
            ends[i] = choose(sums + np.concatenate([left[e], [0.0]]))
    return low - tail, high + tail


def _both(one: Ends, other: Ends) -> Ends:
    return one[0] + other[0], one[1] + other[1]


def _times(z: Ends, lo: float, hi: float) -> Ends:
    """Return the ends of z w for ends of both; z : (steps,)."""
    all_ends = np.stack([z[0] * lo, z[0] * hi, z[1] * lo, z[1] * hi])
    return all_ends.min(axis=0), all_ends.max(axis=0)


def _sector(radius: Array, angle: Array, free: Array, cost: float, fixed: bool) -> Ends:
    """Return the ends of radius e^{-cost Δ} cos(angle + Δ), 0 ≤ Δ ≤ free, and, unless fixed, of what is damped more."""
    ends = [radius * np.cos(angle)]
    if not fixed:
        ends.append(np.zeros_like(radius))
    if np.isfinite(cost):
        ends.append(radius * np.exp(-cost * free) * np.cos(angle + free))
        # where the derivative is 0: tan(angle + Δ) = -cost
        for turn in (0.0, np.pi):
            at = np.mod(turn - np.arctan(cost) - angle, 2 * np.pi)
            inside = np.minimum(at, free)
            ends.append(radius * np.exp(-cost * inside) * np.cos(angle + inside))
    stacked = np.stack(ends)
    return stacked.min(axis=0), stacked.max(axis=0)


def _summed_by_magnitude(r: float, w_low: Array, w_high: Array, start_low: Array, start_high: Array) -> Ends | None:
    if r >= 1.0:
        return None
    w = np.hypot(*np.maximum(np.abs(w_low), np.abs(w_high)))
    start = np.hypot(*np.maximum(np.abs(start_low), np.abs(start_high)))
    most = np.full(2, max(w / (1.0 - r), start))
    return -most, most


# --- norms


def _by_norms(mine: list[LinearWay]) -> Ends | None:
    """Bound a block by the norms of its parts in the coordinates of its slowest way."""
    middle = [0.5 * (w.A[0] + w.A[1]) for w in mine]
    if not all(np.isfinite(m).all() for m in middle) or not all(np.isfinite(w.w).all() for w in mine):
        return None
    slowest = max(middle, key=lambda m: float(np.abs(np.linalg.eigvals(m)).max()))
    result: Ends | None = None
    for matrix in _unlike(slowest, middle):
        basis = _basis(matrix)
        for shifted in (False, True):
            ends = None if basis is None else _in_basis(mine, *basis, shifted=shifted, slowest=slowest)
            if ends is not None:
                result = ends if result is None else (np.maximum(result[0], ends[0]), np.minimum(result[1], ends[1]))
    return result


def _unlike(slowest: Array, middle: list[Array]) -> list[Array]:
    """Return the slowest matrix and up to two others that differ from it."""
    others = [m for m in middle if not np.allclose(m, slowest)]
    return [slowest, *others[:1], *others[-1:]]


def _basis(matrix: Array) -> tuple[Array, list[list[int]]] | None:
    """Return real coordinates in which a matrix is diagonal but for turns, and the columns of each part."""
    values, vectors = np.linalg.eig(matrix)
    columns, parts, done = list[Array](), list[list[int]](), set[int]()
    for i, value in enumerate(values):
        if i in done:
            continue
        if abs(value.imag) < 1e-12:
            parts.append([len(columns)])
            columns.append(vectors[:, i].real)
            continue
        partner = int(np.argmin(np.abs(values - value.conjugate())))
        done.add(partner)
        parts.append([len(columns), len(columns) + 1])
        columns += [vectors[:, i].real, vectors[:, i].imag]
    basis = np.stack(columns, axis=1)
    if not np.isfinite(basis).all() or np.linalg.cond(basis) > WORST_CONDITION:
        return None
    return basis, parts


def _in_basis(
    mine: list[LinearWay], basis: Array, parts: list[list[int]], *, shifted: bool, slowest: Array
) -> Ends | None:
    inverse, count, d = np.linalg.inv(basis), len(parts), len(basis)
    center = np.zeros(d)
    if shifted:  # about the state at which a steady input would leave it
        drive = np.mean([0.5 * (w.w[0] + w.w[1]) for w in mine], axis=0)
        try:
            center = np.linalg.solve(np.eye(d) - slowest, drive)
        except np.linalg.LinAlgError:  # nothing leads back
            return None
    slack = 1e-12 * (1.0 + np.linalg.cond(basis))
    M, v = np.zeros((count, count)), np.zeros(count)
    for way in mine:
        A, spread = inverse @ (0.5 * (way.A[0] + way.A[1])) @ basis, 0.5 * (way.A[1] - way.A[0])
        around = np.abs(inverse) @ spread @ np.abs(basis)
        moved = sum_of(*way.w, *_applied(way.A, center))
        moved = (moved[0] - center, moved[1] - center)
        corners = np.array([inverse @ np.array(c) for c in product(*zip(*moved, strict=True))])
        for i, one in enumerate(parts):
            v[i] = max(v[i], np.linalg.norm(corners[:, one], axis=1).max())
            for j, other in enumerate(parts):
                norm = np.linalg.norm(A[np.ix_(one, other)], 2) + np.linalg.norm(around[np.ix_(one, other)])
                M[i, j] = max(M[i, j], norm + slack)
    if np.abs(np.linalg.eigvals(M)).max() >= 1.0 - 1e-9:
        return None
    r = np.linalg.solve(np.eye(count) - M, v * (1.0 + SAFETY) + 1e-9)
    begun = np.array([np.linalg.norm((inverse @ center)[one]) for one in parts])
    r *= max(1.0, float(np.max(begun / np.maximum(r, 1e-300))))
    if np.any(r < 0) or np.any(M @ r + v > r * (1.0 + SAFETY)):
        return None
    most = sum(np.linalg.norm(basis[:, one], axis=1) * r[i] for i, one in enumerate(parts))
    return center - most, center + most


def _applied(A: Ends, x: Array) -> Ends:
    """Return the ends of A x."""
    lo, hi = np.minimum(A[0] * x, A[1] * x), np.maximum(A[0] * x, A[1] * x)
    return lo.sum(axis=1), hi.sum(axis=1)
