"""What the C program of an integer network holds: lines of what was sent, weights as they are stored, who reads what.

A population or the input keeps what it sent in a ring of rows. A connection that is added up before its source's own
step finds the newest row one step old, one that comes after it finds the row of this step: `back` counts rows from the
newest. The ring has as many rows as the longest look back needs, at least one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hypr_neuro.compilers.c.tables import BYTES, signed_type, type_of, unsigned_type
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.numbers.arrays import Array

LARGEST_INPUT = (1 << 31) - 1
LARGEST_FACTOR = 15
"""Powers of two up to 2^15 that all weights of a connection share are moved into its exponent."""


@dataclass(frozen=True)
class Line:
    """What one source sends. name : in C. kind : type of an entry. rows : of the ring. spikes : all are 0 or 1"""

    name: str
    size: int
    kind: str
    rows: int
    spikes: bool


@dataclass(frozen=True)
class Dense:
    """weights : (rows, post), a row for each presynaptic neuron from number `first` on; all others have no synapses."""

    weights: Array
    first: int = 0

    @property
    def bytes(self) -> int:
        return int(self.weights.size) * BYTES[type_of(self.weights)]


@dataclass(frozen=True)
class Sparse:
    """Synapses sorted by presynaptic neuron: those of neuron j stand at starts[j] ≤ s < starts[j + 1]."""

    starts: Array
    post: Array
    weights: Array

    @property
    def bytes(self) -> int:
        start, post = unsigned_type(int(self.starts[-1])), unsigned_type(int(self.post.max(initial=0)))
        each = BYTES[post] + BYTES[type_of(self.weights)]
        return len(self.starts) * BYTES[start] + len(self.post) * each


@dataclass(frozen=True)
class Delivery:
    """Weights of one connection and one delay.

    number : its place among all. source : index of the line. target : of the population. back : see above
    lag : steps from sending to arriving. exponent : of the sum, after a common factor was taken out of the weights
    line : (post,) mantissas of the always-on line, or None
    """

    number: int
    title: str
    source: int
    target: int
    current: int
    back: int
    lag: int
    exponent: int
    weights: Dense | Sparse
    line: Array | None


class Plan:
    """The network as the C program holds it.

    lines[0] is the input, lines[1 + i] population i. deliveries[i] : those of population i, in order
    tail : steps without input that end a run. input_limit : largest magnitude of an input, where that is known
    """

    def __init__(self, network: IntegerNetwork, tail: int = 0, input_limit: int | None = None) -> None:
        self.network, self.tail, self._input_limit = network, tail, input_limit
        self.places = {INPUT: 0} | {p.name: i + 1 for i, p in enumerate(network.populations)}
        found: list[Delivery] = []
        for connection in network.synapses:
            for delay, weights in connection.by_delay():
                delivery = self._delivery(len(found), connection, delay, weights)
                if delivery is not None:
                    found.append(delivery)
        self.deliveries = [[d for d in found if d.target == i] for i in range(len(network.populations))]
        self.lines = [self._line(i, found) for i in range(len(self.places))]

    @property
    def populations(self) -> tuple[Population, ...]:
        return self.network.populations

    @cached_property
    def largest_lag(self) -> int:
        """Longest lag of a connection with an always-on line, for which steps have to be counted."""
        return max((d.lag for group in self.deliveries for d in group if d.line is not None), default=0)

    @property
    def largest_input(self) -> int:
        """Magnitude of an input up to which no sum can leave 32 bits."""
        if self._input_limit is not None:
            return self._input_limit
        limits = [self.network.largest_input(p.name) for p in self.populations]
        bits = [c.message_bits for c in self.network.synapses if c.source == INPUT and c.message_bits is not None]
        return min([LARGEST_INPUT, *limits, *(max((1 << b) - 1, 1) for b in bits)])

    @property
    def lowest_input(self) -> int:
        """The smallest input value that the simulator takes: 0 where a connection takes spikes alone."""
        spikes = any(c.message_bits == 0 for c in self.network.synapses if c.source == INPUT)
        return 0 if spikes else -self.largest_input

    def _delivery(self, number: int, c: Synapses, delay: int, weights: Any) -> Delivery | None:
        line = None if c.always_on is None else c.always_on.astype(np.int64)
        if line is not None and not line.any():
            line = None
        matrix = _by_presynaptic(weights)
        if not matrix[2].size and line is None:
            return None
        factor = common_factor(matrix[2], line)
        lag, source, target = self.network.lag(c, delay), self.places[c.source], self.network.index(c.target)
        # the target's own step comes after what arrives, so only lines of earlier populations have this step's row
        back = lag if source <= target else lag - 1
        title = f"{c.name}, delay {delay}" if delay else c.name
        return Delivery(
            number,
            title,
            source,
            target,
            c.current,
            back,
            lag,
            int(c.exponent) + factor,
            smallest(weights.shape, *matrix, factor),
            None if line is None else line >> factor,
        )

    def _line(self, index: int, found: list[Delivery]) -> Line:
        rows = 1 + max((d.back for d in found if d.source == index), default=0)
        if index:
            p = self.populations[index - 1]
            kind = "int32_t" if p.model.readout else "int8_t"
            return Line(f"p{index - 1}", p.size, kind, rows, not p.model.readout)
        spikes = all(c.message_bits == 0 for c in self.network.synapses if c.source == INPUT)
        kind = "int8_t" if spikes else signed_type(-self.largest_input, self.largest_input)
        return Line("input", self.network.inputs, kind, rows, spikes)


def common_factor(values: Array, line: Array | None) -> int:
    """k with 2^k the largest power of two, at most 2^15, that divides all; 0 where that needs no smaller type."""
    every = np.concatenate([values.astype(np.int64), np.zeros(0, np.int64) if line is None else line])
    bits = int(np.bitwise_or.reduce(every)) if every.size else 0
    factor = min((bits & -bits).bit_length() - 1, LARGEST_FACTOR) if bits else 0
    return factor if type_of(every >> factor) != type_of(every) else 0


def _by_presynaptic(weights: Any) -> tuple[Array, Array, Array]:
    """(starts, post, weight) of all weights that are not 0."""
    from scipy.sparse import csc_array

    columns = csc_array(weights, dtype=np.int64)
    columns.eliminate_zeros()
    columns.sort_indices()
    return columns.indptr.astype(np.int64), columns.indices.astype(np.int64), columns.data


def smallest(shape: tuple[int, int], starts: Array, post: Array, values: Array, factor: int) -> Dense | Sparse:
    """The weights (post, pre), divided by 2^factor, in whichever form takes fewer bytes."""
    if np.any(np.abs(values) >= 1 << 31):
        raise InputError(f"weights up to {np.abs(values).max()}, rule for C: 32 bits")
    sparse = Sparse(starts, post, values >> factor)
    pre = np.repeat(np.arange(shape[1]), np.diff(starts))
    first, stop = (int(pre[0]), int(pre[-1]) + 1) if pre.size else (0, 1)
    if sparse.bytes < (stop - first) * shape[0] * BYTES[type_of(sparse.weights)]:
        return sparse
    rows = np.zeros((stop - first, shape[0]), np.int64)
    rows[pre - first, post] = sparse.weights
    return Dense(rows, first)
