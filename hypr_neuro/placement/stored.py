"""Connections as a core stores them: which synapses a range of target neurons has, axon by axon.

A core that holds neurons a to b of a population gets one axon for each source neuron with a synapse to any of them, and
one for the bias axon. Dense weights are stored whole, zeros too; sparse ones as they are listed. A convolution is
written out, each synapse on its own, unless the profile says that cores share its weights (`core.shared_weights`): then
a core keeps the kernels of the output channels that it holds, once.

    bits of an axon = Σ over entries of ≤ 63 synapses: count · (weight bits + delay bits + index bits) + 10,
                      rounded up to 64

(format of nengo-loihi 1.1), index bits = ⌈log2 n⌉ for n neurons on the core, delay bits = ⌈log2(largest delay + 1)⌉,
0 where nothing is delayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np

from hypr_neuro.graph.convolution import Convolution, places_of
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.placement.sources import DistinctSources, by_source, distinct_sources, rows_of
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection

SYNAPSES_PER_ENTRY = 63
ENTRY_HEADER_BITS = 10
MEMORY_WORD_BITS = 64


@lru_cache(maxsize=1 << 14)
def axon_bits(synapses: int, weight_bits: int, neurons: int = 0, delay_bits: int = 0) -> int:
    """Return the memory of one axon's synapses on a core of `neurons` neurons (0: as many as synapses), in bits."""
    each = weight_bits + delay_bits + _index_bits(neurons or synapses)
    full, rest = divmod(synapses, SYNAPSES_PER_ENTRY)
    whole = full * _words(SYNAPSES_PER_ENTRY * each + ENTRY_HEADER_BITS)
    return whole + (_words(rest * each + ENTRY_HEADER_BITS) if rest else 0)


def _index_bits(neurons: int) -> int:
    return (max(neurons, 2) - 1).bit_length()


def _words(bits: int) -> int:
    return -(-bits // MEMORY_WORD_BITS) * MEMORY_WORD_BITS


@dataclass(frozen=True)
class HeldSynapses:
    """What a range of target neurons has of one connection.

    Attributes
    ----------
    synapses
        How many.
    axons
        Sources that have any, the bias axon included.
    memory_bits
        What they take on the core.
    """

    synapses: int
    axons: int
    memory_bits: int


@dataclass(frozen=True, eq=False)
class StoredConnection:
    """One connection in its stored form.

    Attributes
    ----------
    name, source, target
        As the network names it.
    source_size
        Neurons or channels that send; 0 for a bias axon alone.
    neurons
        Neurons of the target.
    bias_axon
        Whether the last column is the bias axon's.
    weight_bits, largest_delay
        Of one synapse, and of all in steps.
    starts, indices
        Row and column indices of CSR; None where every neuron has every column.
    shared
        The convolution, where cores store its kernel.
    rounds
        Whether an axon that is always on brings each neuron half a unit, so that sums of numbers round to nearest.
    analog
        Whether weights are analog cells, which take no memory of a core, see `placement.crossbars`.
    """

    name: str
    source: str
    target: str
    source_size: int
    neurons: int
    bias_axon: bool
    weight_bits: int
    largest_delay: int
    starts: Array | None
    indices: Array | None
    shared: Convolution | None
    rounds: bool = False
    analog: bool = False

    @property
    def columns(self) -> int:
        """Axons that there can be."""
        return self.source_size + int(self.bias_axon)

    @property
    def delay_bits(self) -> int:
        """Of one synapse, to tell its delay."""
        return self.largest_delay.bit_length()

    def row_counts(self) -> Array:
        """Return the synapses of each target neuron, (neurons,)."""
        if self.starts is None:
            return np.full(self.neurons, self.columns)
        return np.diff(self.starts)

    @cached_property
    def _order(self) -> Array:
        """Places of its synapses by source, only of those that are listed."""
        assert self.starts is not None
        assert self.indices is not None
        return by_source(self.starts, self.indices, self.columns)

    @cached_property
    def distinct(self) -> DistinctSources:
        """Counts the axons of any range of neurons, the bias axon as one of them; only of synapses that are listed."""
        assert self.starts is not None
        assert self.indices is not None
        return distinct_sources(self.starts, self.indices, self._order)

    @cached_property
    def sent(self) -> tuple[Array, Array]:
        """Source and target of each synapse that is listed, the bias axon's left out, by source and then target."""
        assert self.starts is not None
        assert self.indices is not None
        source = self.indices[self._order].astype(np.int64)
        kept = slice(0, int(np.searchsorted(source, self.source_size)))
        return source[kept], rows_of(self.starts)[self._order[kept]]

    def synapses(self, first: int, stop: int) -> int:
        """Count the synapses of a range."""
        return (stop - first) * self.columns if self.starts is None else int(self.starts[stop] - self.starts[first])

    def memory_between(self, first: int, stop: int) -> tuple[int, int]:
        """Return bits that a range takes at least and at most, without looking at each axon."""
        if self.starts is None or self.shared is not None or self.analog:
            memory = self.held(first, stop).memory_bits
            return memory, memory
        n, axons, synapses = stop - first, self.distinct.count(first, stop), self.synapses(first, stop)
        half = axon_bits(n, self.weight_bits, n, self.delay_bits) if self.rounds else 0
        each = self.weight_bits + self.delay_bits + _index_bits(n)
        one, entries = _words(each + ENTRY_HEADER_BITS), axons + synapses // SYNAPSES_PER_ENTRY
        least = max(axons * one, synapses * each + axons * ENTRY_HEADER_BITS)
        most = synapses * each + entries * (ENTRY_HEADER_BITS + MEMORY_WORD_BITS - 1)
        return half + least, half + most

    def rows(self, first: int, stop: int) -> Array:
        """Return the column of each synapse of a range; only of those that are listed."""
        assert self.starts is not None
        assert self.indices is not None
        return self.indices[self.starts[first] : self.starts[stop]]

    def held(self, first: int, stop: int) -> HeldSynapses:
        """Return what neurons first to stop have of it."""
        n = stop - first
        if self.analog:
            axons = self.columns if self.starts is None else self.distinct.count(first, stop)
            return HeldSynapses(self.synapses(first, stop), axons + int(self.rounds), 0)
        half = axon_bits(n, self.weight_bits, n, self.delay_bits) if self.rounds else 0
        if self.starts is None:
            memory = self.columns * axon_bits(n, self.weight_bits, n, self.delay_bits) + half
            return HeldSynapses(n * self.columns, self.columns + int(self.rounds), memory)
        rows = self.rows(first, stop)
        count = _counted(rows, self.columns)
        if self.shared is None:
            how_often = np.bincount(count)
            memory = sum(
                int(how_often[k]) * axon_bits(int(k), self.weight_bits, n, self.delay_bits)
                for k in np.flatnonzero(how_often)
            )
        else:
            memory = self._kernels(self.shared, first, stop)
        return HeldSynapses(len(rows), len(count) + int(self.rounds), memory + half)

    def _kernels(self, c: Convolution, first: int, stop: int) -> int:
        """Return the bits of the kernels of the output channels in a range."""
        _, channel = places_of(prod(c.outputs), len(c.kernel), c.channels_first)
        channels = len(np.unique(channel[first:stop]))
        return _words(channels * prod(c.kernel.shape[1:]) * self.weight_bits)


def _counted(values: Array, below: int) -> Array:
    """Return how often each of the different values comes, all below a number, in their order."""
    if 8 * len(values) < below:  # sorting a few is faster than counting many
        sorted_values = np.sort(values)
        last = np.append(sorted_values[1:] != sorted_values[:-1], len(values) > 0)
        return np.diff(np.flatnonzero(last), prepend=-1)
    counts = np.bincount(values, minlength=below)
    return counts[counts > 0]


def stored_connections(qnet: QuantizedNetwork, chip: Profile) -> list[StoredConnection]:
    """Return the connections of a network as cores of a chip store them."""
    names = qnet.connection_names()
    return [_stored(name, c, qnet, chip) for name, c in zip(names, qnet.connections, strict=True)]


def _stored(name: str, c: QuantizedConnection, qnet: QuantizedNetwork, chip: Profile) -> StoredConnection:
    matrix: Any = c.mantissa
    shares = chip.core.shared_weights is not None and chip.core.shared_weights.value
    convolution = matrix if isinstance(matrix, Convolution) else None
    if convolution is not None:
        # the pattern alone; the sums of overlapping windows of a pooling must not wrap
        ones = (convolution.kernel != 0).astype(np.int8 if convolution.pool is None else np.int32)
        matrix = convolution.with_data(ones).tocsr()
    listed = not isinstance(matrix, np.ndarray)
    return StoredConnection(
        name=name,
        source=c.source,
        target=c.target,
        source_size=int(matrix.shape[1]) - int(c.bias_axon),
        neurons=int(matrix.shape[0]),
        bias_axon=c.bias_axon,
        weight_bits=chip.precision.stored_weight_bits if c.weight_bits is None else c.weight_bits,
        largest_delay=c.largest_delay,
        starts=matrix.indptr if listed else None,
        indices=matrix.indices if listed else None,
        shared=convolution if shares else None,
        rounds=c.message_shift is not None and c.exponent < 0,
        analog=chip.analog is not None,
    )
