"""Learning of one layer in whole arrays of int64: what Lava's learning processes compute in a step.

Shapes: d states, n neurons, m synapses a neuron. Entries of the Jacobian have kc fraction bits and stand, clamped, in
d·d + 4d rows (n,): A row by row, B, C, C', F. See `sim.learning_reference` for the definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.structure import spike_rows
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import shift_nearest, shr, shr_nearest
from hypr_neuro.sim.learning.widths import Widths


def clamped(x: Array, bits: int) -> Array:
    """`fixed_point.sat` of every entry."""
    top = (1 << (bits - 1)) - 1
    return np.clip(x, -top, top)


def nearest(x: Any, n: Any) -> Array:
    """`fixed_point.shr_nearest` of every entry; n may be an array too."""
    return np.asarray(shr_nearest(x, n))


def shifted(x: Any, n: int) -> Array:
    """`fixed_point.shift_nearest` of every entry."""
    return np.asarray(shift_nearest(x, n))


def rounded(x: Any, n: int, rounding: int) -> Array:
    """`fixed_point.shr` of every entry."""
    return np.asarray(shr(x, n, rounding))


@dataclass(frozen=True)
class Message:
    """Rows (rows, n) of what neurons send to their synapses in a learning step: entries, then g, then B·C g."""

    d: int

    @property
    def entries(self) -> int:
        return self.d * self.d + 4 * self.d

    @property
    def rows(self) -> int:
        return self.entries + 2

    @property
    def signal(self) -> int:
        return self.entries

    @property
    def down(self) -> int:
        return self.entries + 1

    def split(self, rows: Array) -> tuple[Array, Array, Array, Array, Array]:
        """(A (d, d, n), B (d, n), C (d, n), C' (d, n), F (d, n)) of the rows."""
        d = self.d
        B, C, late, F = rows[d * d : self.entries].reshape(4, d, -1)
        return rows[: d * d].reshape(d, d, -1), B, C, late, F


class Eligibilities:
    """The recursion of eligibilities for a model and its widths."""

    def __init__(self, model_name: str, widths: Widths) -> None:
        self.widths, self.message = widths, Message(get_model(model_name).d)
        self.by_spike = [j for j, there in enumerate(spike_rows(get_model(model_name))) if there]

    def arriving(self, rows: Array, pre: Array) -> Array:
        """b pre (d, n, m) of what came in, pre (m,)."""
        w = self.widths
        B = self.message.split(rows)[1]
        return nearest(B << w.eligibility_fraction, w.coefficient_fraction)[:, :, None] * pre

    def advance(self, old: Array, rows: Array, arriving: Array, added: Array | int = 0) -> tuple[Array, Array, int]:
        """From ε (d, n, m) to that of the next step; with it e (n, m), and how many of n m had anything clamped.

        added : to the sum of C ε and C' ε, before it is rounded
        """
        w = self.widths
        A, _, C, late, F = (part[..., None] for part in self.message.split(rows))
        products = (A * old).sum(axis=1)
        full = rounded(products, w.coefficient_fraction, w.rounding) + arriving
        new = clamped(full, w.eligibility_bits)
        # C is 0 in rows that a spike enters, so e is known before they are
        effect = nearest((C * new).sum(axis=0) + (late * old).sum(axis=0) + added, w.coefficient_fraction)
        e = clamped(effect, w.eligibility_bits)
        for j in self.by_spike:
            full[j] = rounded(products[j] + F[j] * e, w.coefficient_fraction, w.rounding) + arriving[j]
            new[j] = clamped(full[j], w.eligibility_bits)
        return new, e, int(np.count_nonzero((new != full).any(axis=0) | (e != effect)))

    def accumulate(self, gradient: Array, signal: Array, e: Array) -> tuple[Array, int]:
        """G + g e, clamped, and how many were; signal (n, 1)."""
        full = gradient + nearest(signal * e, self.widths.gradient_shift)
        kept = clamped(full, self.widths.accumulator_bits)
        return kept, int(np.count_nonzero(kept != full))
