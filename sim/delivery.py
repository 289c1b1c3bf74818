"""One connection made ready to run: its weights in the form and width that its kernel reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.graph.integer import IntegerNetwork, Synapses
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.synapses import graded_kernel, sparse_kernel, spikes_kernel

LARGEST_SHIFT = 31
NARROW = (1 << 15) - 1
DENSE_FROM, DENSE_ENTRIES = 20, 1 << 26
"""One weight in so many is enough for whole rows, zeros and all, to be added faster; up to so many entries."""


@dataclass
class Rows:
    """Dense weights: rows (pre, n), int8 or int16 where `chunk` rows fit 16 bits together, int32 else (chunk 0)."""

    rows: Array
    chunk: int


@dataclass
class Sparse:
    """Sparse weights by presynaptic neuron: starts (pre+1,), post and weight (synapses,)."""

    starts: Array
    post: Array
    weight: Array


class Delivery:
    """Weights of one connection and one delay: what they bring to `target`'s current `current`.

    shape : (pre, post). lag : steps from sending to arriving
    exponent : of the sum, after the weights' common factor 2^k was taken out
    fan_out : synapses of each presynaptic neuron (pre,), or one number for all
    """

    def __init__(self, connection: Synapses, network: IntegerNetwork, delay: int, weights: Any) -> None:
        self.source, self.target = connection.source, connection.target
        self.current, self.lag = connection.current, network.lag(connection, delay)
        self.own_exponent, self.shape = connection.exponent, (connection.shape[1], connection.shape[0])
        self.load(weights, connection.always_on)

    def load(self, weights: Any, line: Array | None) -> None:
        """Take these weights (post, pre), dense or CSR, and those of the always-on line."""
        always_on = np.zeros(weights.shape[0], np.int64) if line is None else line.astype(np.int64)
        values = weights if isinstance(weights, np.ndarray) else weights.data
        factor = _common_shift(values, always_on)
        # a shift by 31 or more leaves the sign, or 0 of a sum that fits
        self.exponent = int(np.clip(self.own_exponent + factor, -LARGEST_SHIFT, LARGEST_SHIFT))
        self.line = (always_on >> factor).astype(np.int32)
        self.weights: Rows | Sparse
        sparse = not isinstance(weights, np.ndarray)
        self.fan_out = np.bincount(weights.indices, minlength=weights.shape[1]) if sparse else weights.shape[0]
        if sparse and _worth_rows(weights):
            weights = weights.toarray()
        if isinstance(weights, np.ndarray):
            self.weights = _dense(weights >> factor)
        else:
            self.weights = by_presynaptic(weights, factor)

    def run(self, sent: Array, start: int, arriving: Array, spikes: bool, first: int, stop: int) -> None:
        """Add to arriving (steps, batch·n) what `sent` brings in a block whose first step is `start`."""
        on = (np.arange(start, start + len(sent)) >= self.lag).astype(np.int32)
        tail = (self.line, on, self.exponent, arriving, first, stop)
        if isinstance(self.weights, Sparse):
            sparse_kernel()(sent, self.weights.starts, self.weights.post, self.weights.weight, *tail)
        elif spikes and self.weights.chunk > 0:
            spikes_kernel()(sent, self.weights.rows, self.weights.chunk, *tail)
        else:
            graded_kernel()(sent, self.weights.rows, self.weights.chunk, *tail)


def _worth_rows(weights: Any) -> bool:
    entries = weights.shape[0] * weights.shape[1]
    return bool(weights.nnz * DENSE_FROM >= entries and entries <= DENSE_ENTRIES)


def _common_shift(values: Array, line: Array) -> int:
    """k with 2^k the largest power of two, at most 2^15, that divides all: even mantissas then fit fewer bits."""
    bits = int(np.bitwise_or.reduce(line))
    if values.size:
        bits |= int(np.bitwise_or.reduce(values, axis=None))
    return min((bits & -bits).bit_length() - 1, 15) if bits else 0


def _dense(weights: Array) -> Rows:
    largest = max(int(weights.max()), -int(weights.min()))
    dtype = np.int8 if largest < 1 << 7 else np.int16 if largest <= NARROW else np.int32
    chunk = NARROW // max(largest, 1) if largest <= NARROW else 0
    return Rows(np.ascontiguousarray(weights.T, dtype=dtype), chunk)


def by_presynaptic(weights: Any, factor: int = 0) -> Sparse:
    """Synapses of a CSR matrix (post, pre), sorted by presynaptic neuron, mantissas divided by 2^factor."""
    from scipy.sparse import csc_array

    columns = csc_array(weights)
    return Sparse(
        columns.indptr.astype(np.int64),
        columns.indices.astype(np.int64),
        (columns.data.astype(np.int64) >> factor).astype(np.int32),
    )


def deliveries(network: IntegerNetwork) -> list[Delivery]:
    """All connections of the network, one entry a delay."""
    return [Delivery(c, network, delay, weights) for c in network.synapses for delay, weights in c.by_delay()]
