"""What the C program of an integer network holds: ring buffers of what was sent, weights in their stored form.

Population and input have a ring buffer of what they sent, a row a step. A connection that is added up before its
source's own step finds the newest row one step old, one that comes after it finds the row of this step: `back` counts
rows from the newest. The ring has as many rows as the longest look back needs, at least one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hypr_neuro.compilers.c.tables import BYTES, signed_type, type_of, unsigned_type
from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.numbers.arrays import Array, common_power
from hypr_neuro.renamed import renamed_names

LARGEST_INPUT = (1 << 31) - 1
LARGEST_FACTOR = 15
"""Powers of two up to 2^15 that all weights of a connection share are moved into its exponent."""
LARGEST_AXES = 2
"""Of a convolution's image; one over more is written out."""


@dataclass(frozen=True)
class RingBuffer:
    """What one source sent in the last steps.

    Attributes
    ----------
    name
        In C.
    size
        Neurons or channels.
    kind
        C type of an entry.
    rows
        Steps that it holds.
    spikes
        Whether all entries are 0 or 1.
    """

    name: str
    size: int
    kind: str
    rows: int
    spikes: bool


@dataclass(frozen=True)
class DenseTable:
    """Weights (rows, post), a row for each presynaptic neuron from number `first` on; all others have no synapses."""

    weights: Array
    first: int = 0

    @property
    def bytes(self) -> int:
        """Memory."""
        return int(self.weights.size) * BYTES[type_of(self.weights)]


@dataclass(frozen=True)
class SparseTable:
    """Synapses sorted by presynaptic neuron: those of neuron j stand at starts[j] ≤ s < starts[j + 1]."""

    starts: Array
    post: Array
    weights: Array

    @property
    def bytes(self) -> int:
        """Memory."""
        start, post = unsigned_type(int(self.starts[-1])), unsigned_type(int(self.post.max(initial=0)))
        each = BYTES[post] + BYTES[type_of(self.weights)]
        return len(self.starts) * BYTES[start] + len(self.post) * each


@dataclass(frozen=True)
class KernelTable:
    """A convolution over one or two axes, which loops over its kernel."""

    convolution: Convolution

    @cached_property
    def weights(self) -> Array:
        """Kernel (channels, taps, out / groups) by input channel."""
        return self.convolution.by_channel()

    @property
    def bytes(self) -> int:
        """Memory."""
        return int(self.weights.size) * BYTES[type_of(self.weights)]


@dataclass(frozen=True)
class DelayedWeights:
    """Weights of one connection and one delay.

    Attributes
    ----------
    number, place
        Its place among all, and that of its connection among the network's.
    title
        For comments.
    source
        Index of the ring buffer.
    target
        Index of the population.
    current
        Number of the target's input current.
    back
        Rows from the newest, see above.
    lag
        Steps from sending to arriving.
    exponent
        Of the sum, after a common factor was taken out of the weights.
    weights
        As they are stored.
    bias : (post,)
        Mantissas of the bias axon, or None.
    nearest
        Whether a negative exponent rounds to nearest instead of down.
    """

    number: int
    place: int
    title: str
    source: int
    target: int
    current: int
    back: int
    lag: int
    exponent: int
    weights: DenseTable | SparseTable | KernelTable
    bias: Array | None
    nearest: bool = False


class Plan:
    """The network as the C program holds it.

    Attributes
    ----------
    rings
        rings[0] is the input's, rings[1 + i] that of population i; those of messages follow.
    messages
        Of populations that send numbers: the place of their ring of messages, shift and bits, by place.
    connections
        connections[i] leads to population i, in order.
    tail
        Steps without input that end a run.

    Parameters
    ----------
    network, tail
        As above.
    input_limit
        Largest magnitude of an input, None for what the network allows.
    places
        Of the connections that it holds, None for all.
    """

    def __init__(
        self,
        network: IntegerNetwork,
        tail: int = 0,
        input_limit: int | None = None,
        places: Collection[int] | None = None,
    ) -> None:
        self.network, self.tail, self._input_limit = network, tail, input_limit
        self.places = {INPUT: 0} | {p.name: i + 1 for i, p in enumerate(network.populations)}
        self.messages: dict[int, tuple[int, int, int]] = {}
        for c in network.synapses:
            if c.message is not None and network.index(c.source) not in self.messages:
                ring = 1 + len(network.populations) + len(self.messages)
                self.messages[network.index(c.source)] = (ring, *c.message)
        connections: list[DelayedWeights] = []
        for place, connection in enumerate(network.synapses):
            for delay, matrix in connection.by_delay() if places is None or place in places else ():
                weights = self._connection(len(connections), place, connection, delay, matrix)
                if weights is not None:
                    connections.append(weights)
        self.connections = [[d for d in connections if d.target == i] for i in range(len(network.populations))]
        self.rings = [self._ring(i, connections) for i in range(len(self.places))]
        self.rings += [self._message_ring(i, connections) for i in self.messages]

    @property
    def populations(self) -> tuple[Population, ...]:
        """Those of the network."""
        return self.network.populations

    @cached_property
    def largest_lag(self) -> int:
        """Longest lag of a connection with a bias axon, for which steps have to be counted."""
        return max((d.lag for group in self.connections for d in group if d.bias is not None), default=0)

    @property
    def largest_input(self) -> int:
        """Magnitude of an input up to which no sum can leave 32 bits."""
        if self._input_limit is not None:
            return self._input_limit
        limits = [self.network.largest_input(p.name) for p in self.populations]
        return min(LARGEST_INPUT, *limits, self._messages[1])

    @property
    def lowest_input(self) -> int:
        """The smallest input value that the simulator takes: 0 where a connection takes spikes alone."""
        return max(-self.largest_input, self._messages[0])

    @cached_property
    def _messages(self) -> tuple[int, int]:
        """Smallest and largest value that some channel takes by the messages of all connections that read it."""
        low, high = (np.full(self.network.inputs, sign * LARGEST_INPUT) for sign in (-1, 1))
        read = np.zeros(self.network.inputs, np.bool_)
        for c in self.network.synapses:
            if c.source == INPUT:
                read |= c.reads
                smallest, largest = c.message_range or (-LARGEST_INPUT, LARGEST_INPUT)
                low[c.reads], high[c.reads] = np.maximum(low[c.reads], smallest), np.minimum(high[c.reads], largest)
        return (int(low[read].min()), int(high[read].max())) if read.any() else (-LARGEST_INPUT, LARGEST_INPUT)

    def _connection(self, number: int, place: int, c: Synapses, delay: int, weights: Any) -> DelayedWeights | None:
        bias = None if c.always_on is None else c.always_on.astype(np.int64)
        if bias is not None and not bias.any():
            bias = None
        if isinstance(weights, Convolution) and len(weights.image) > LARGEST_AXES:
            weights = weights.tocsr()
        kernel = isinstance(weights, Convolution)
        values = weights.data if kernel else (matrix := _by_presynaptic(weights))[2]
        if not values.any() and bias is None:
            return None
        factor = common_factor(values, bias)
        _check_width(values)
        lag, source, target = self.network.lag(c, delay), self.places[c.source], self.network.index(c.target)
        # the target's own step comes after what arrives, so only rings of earlier populations have this step's row
        back = lag if source <= target else lag - 1
        title = f"{c.name}, delay {delay}" if delay else c.name
        return DelayedWeights(
            number=number,
            place=place,
            title=title,
            source=source if c.message is None else self.messages[source - 1][0],
            target=target,
            current=c.current,
            back=back,
            lag=lag,
            exponent=int(c.exponent) + factor,
            weights=KernelTable(weights.with_data(values >> factor))
            if kernel
            else smallest(weights.shape, *matrix, factor),
            bias=None if bias is None else bias >> factor,
            nearest=c.half > 0,
        )

    def _message_ring(self, population: int, connections: list[DelayedWeights]) -> RingBuffer:
        ring, _, bits = self.messages[population]
        rows, top = 1 + max((d.back for d in connections if d.source == ring), default=0), (1 << bits) - 1
        size = self.populations[population].size
        return RingBuffer(f"m{population}", size, signed_type(-top, top), rows, False)

    def _ring(self, index: int, connections: list[DelayedWeights]) -> RingBuffer:
        rows = 1 + max((d.back for d in connections if d.source == index), default=0)
        if index:
            p = self.populations[index - 1]
            kind = "int32_t" if p.model.readout else "int8_t"
            return RingBuffer(f"p{index - 1}", p.size, kind, rows, not p.model.sends_numbers)
        spikes = all(c.message_bits == 0 for c in self.network.synapses if c.source == INPUT)
        kind = "int8_t" if spikes else signed_type(-self.largest_input, self.largest_input)
        return RingBuffer("input", self.network.inputs, kind, rows, spikes)


def common_factor(values: Array, bias: Array | None) -> int:
    """Return k with 2^k the largest power of two up to 2^15 that divides all; 0 where that needs no smaller type."""
    every = np.concatenate([values.astype(np.int64), np.zeros(0, np.int64) if bias is None else bias])
    factor = common_power(every, most=LARGEST_FACTOR)
    return factor if type_of(every >> factor) != type_of(every) else 0


def _by_presynaptic(weights: Any) -> tuple[Array, Array, Array]:
    """Return (starts, post, weight) of all weights that are not 0."""
    from scipy.sparse import csc_array

    columns = csc_array(weights, dtype=np.int64)
    columns.eliminate_zeros()
    columns.sort_indices()
    return columns.indptr.astype(np.int64), columns.indices.astype(np.int64), columns.data


def _check_width(values: Array) -> None:
    """Raise InputError for weights of more than 32 bits."""
    if np.any(np.abs(values) >= 1 << 31):
        raise InputError(f"weights up to {np.abs(values).max()}, rule for C: 32 bits")


def smallest(
    shape: tuple[int, int], starts: Array, post: Array, values: Array, factor: int
) -> DenseTable | SparseTable:
    """Return the weights (post, pre), divided by 2^factor, in whichever form takes fewer bytes."""
    _check_width(values)
    sparse = SparseTable(starts, post, values >> factor)
    pre = np.repeat(np.arange(shape[1]), np.diff(starts))
    first, stop = (int(pre[0]), int(pre[-1]) + 1) if pre.size else (0, 1)
    if sparse.bytes < (stop - first) * shape[0] * BYTES[type_of(sparse.weights)]:
        return sparse
    rows = np.zeros((stop - first, shape[0]), np.int64)
    rows[pre - first, post] = sparse.weights
    return DenseTable(rows, first)


__getattr__ = renamed_names(
    __name__, {"Delivery": "DelayedWeights", "Dense": "DenseTable", "Line": "RingBuffer", "Sparse": "SparseTable"}
)
