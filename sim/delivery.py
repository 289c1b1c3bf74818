"""One connection made ready to run: its weights in the form and width that its kernel reads."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from hypr_neuro.graph.convolution import Convolution, places_of
from hypr_neuro.graph.integer import IntegerNetwork, Synapses
from hypr_neuro.numbers.arrays import Array, common_power
from hypr_neuro.numbers.message import messages_of
from hypr_neuro.renamed import renamed_names
from hypr_neuro.sim.synapses import convolution_kernel, graded_kernel, sparse_kernel, spikes_kernel

LARGEST_SHIFT, LARGEST_FACTOR = 31, 15
NARROW = (1 << 15) - 1
DENSE_FROM, DENSE_ENTRIES = 20, 1 << 26
"""One weight in so many is enough for whole rows, zeros and all, to be added faster; up to so many entries."""

SMALL_MATRIX = 1 << 17
"""A convolution of so many synapses, 12 bytes each, is written out: a matrix in the cache is added up faster."""


@dataclass
class DenseWeights:
    """Whole rows of weights.

    Attributes
    ----------
    rows : (pre, n)
        int8 or int16 where `chunk` rows fit 16 bits together, int32 else.
    chunk
        How many rows fit, 0 for int32.
    """

    rows: Array
    chunk: int


@dataclass
class SparseWeights:
    """Synapses sorted by presynaptic neuron.

    Attributes
    ----------
    starts : (pre + 1,)
        Where those of each neuron start.
    post, weight : (synapses,) int32
        Receiving neurons and mantissas.
    """

    starts: Array
    post: Array
    weight: Array


@dataclass
class KernelWeights:
    """A convolution's kernel and what each place of the input reaches.

    Attributes
    ----------
    starts, place, tap
        See `graph.convolution.Footprint`.
    at, channel : (pre,) int64
        Place and channel of each presynaptic neuron.
    kernel : (channels, taps, out / groups) int32
        Mantissas by input channel.
    first : (channels,) int64
        The first output channel that each input channel reaches.
    order : (n,) int64
        Number of each neuron among the sums, in C order of (place, channel).
    channels
        Of the output.
    """

    starts: Array
    place: Array
    tap: Array
    at: Array
    channel: Array
    kernel: Array
    first: Array
    order: Array
    channels: int


class Delivery:
    """Weights of one connection and one delay: what they bring to one of the target's currents.

    Attributes
    ----------
    source, target
        Names.
    current
        Number of the target's input current.
    lag
        Steps from sending to arriving.
    shape
        (pre, post).
    given_exponent, exponent
        Of the sum, that of the connection and after the weights' common factor 2^k was taken out.
    bias : (post,) int32
        Mantissas of the bias axon.
    weights
        In the form that its kernel reads.
    fan_out
        Synapses of each presynaptic neuron (pre,), or one number for all.
    message, half
        As of `Synapses`; the half is part of `bias`.
    """

    def __init__(self, connection: Synapses, network: IntegerNetwork, delay: int, weights: Any) -> None:
        self.source, self.target = connection.source, connection.target
        self.current, self.lag = connection.current, network.lag(connection, delay)
        self.message, self.half = connection.message, connection.half
        self.given_exponent, self.shape = connection.exponent, (connection.shape[1], connection.shape[0])
        self.load(weights, connection.always_on)

    def load(self, weights: Any, bias: Array | None) -> None:
        """Take these weights (post, pre), dense, CSR or a convolution, and those of the bias axon."""
        if isinstance(weights, Convolution) and weights.nnz <= SMALL_MATRIX:
            weights = weights.tocsr()
        always_on = (np.zeros(weights.shape[0], np.int64) if bias is None else bias.astype(np.int64)) + self.half
        values = weights if isinstance(weights, np.ndarray) else weights.data
        factor = common_power(values, always_on, most=LARGEST_FACTOR)
        # a shift by 31 or more leaves the sign, or 0 of a sum that fits
        self.exponent = int(np.clip(self.given_exponent + factor, -LARGEST_SHIFT, LARGEST_SHIFT))
        self.bias = (always_on >> factor).astype(np.int32)
        self.weights: DenseWeights | SparseWeights | KernelWeights
        self.fan_out: Any
        if isinstance(weights, Convolution):
            self.fan_out, self.weights = weights.fan_out, by_kernel(weights, factor)
            return
        if isinstance(weights, np.ndarray):
            self.fan_out, self.weights = weights.shape[0], _dense(weights >> factor)
        elif _worth_rows(weights):
            self.fan_out = np.bincount(weights.indices, minlength=weights.shape[1])
            self.weights = _dense(weights.toarray() >> factor)
        else:
            self.weights = by_presynaptic(weights, factor)
            self.fan_out = np.diff(self.weights.starts)

    def messages(self, sent: Array) -> Array:
        """Return what travels over the connection of what its source gave."""
        return sent if self.message is None else messages_of(sent, *self.message)

    def run(self, sent: Array, start: int, arriving: Array, spikes: bool, first: int, stop: int) -> None:
        """Add to arriving (steps, batch·n) what `sent` brings in a block whose first step is `start`."""
        on = (np.arange(start, start + len(sent)) >= self.lag).astype(np.int32)
        tail = (self.bias, on, self.exponent, arriving, first, stop)
        if isinstance(self.weights, KernelWeights):
            convolution_kernel()(sent, *vars(self.weights).values(), *tail)
        elif isinstance(self.weights, SparseWeights):
            sparse_kernel()(sent, self.weights.starts, self.weights.post, self.weights.weight, *tail)
        elif spikes and self.weights.chunk > 0:
            spikes_kernel()(sent, self.weights.rows, self.weights.chunk, *tail)
        else:
            graded_kernel()(sent, self.weights.rows, self.weights.chunk, *tail)


def _worth_rows(weights: Any) -> bool:
    entries = weights.shape[0] * weights.shape[1]
    return bool(weights.nnz * DENSE_FROM >= entries and entries <= DENSE_ENTRIES)


def _dense(weights: Array) -> DenseWeights:
    largest = max(int(weights.max()), -int(weights.min()))
    dtype = np.int8 if largest < 1 << 7 else np.int16 if largest <= NARROW else np.int32
    chunk = NARROW // max(largest, 1) if largest <= NARROW else 0
    return DenseWeights(np.ascontiguousarray(weights.T, dtype=dtype), chunk)


def by_presynaptic(weights: Any, factor: int = 0) -> SparseWeights:
    """Sort the synapses of a CSR matrix (post, pre) by presynaptic neuron, mantissas divided by 2^factor."""
    from scipy.sparse import csc_array

    columns = csc_array(weights)
    return SparseWeights(
        columns.indptr.astype(np.int64),
        columns.indices.astype(np.int32, copy=False),
        (columns.data >> factor if factor else columns.data).astype(np.int32, copy=False),
    )


def by_kernel(convolution: Convolution, factor: int = 0) -> KernelWeights:
    """Return a convolution in the form of its kernel, mantissas divided by 2^factor."""
    out, per_group = convolution.kernel.shape[:2]
    at, channel = convolution.senders()
    place, of = places_of(prod(convolution.outputs), out, convolution.channels_first)
    kernel = np.ascontiguousarray(convolution.by_channel().astype(np.int64) >> factor, np.int32)
    first = np.arange(convolution.channels) // per_group * kernel.shape[2]
    return KernelWeights(*convolution.footprint, at, channel, kernel, first, place * out + of, out)


def deliveries(network: IntegerNetwork) -> list[Delivery]:
    """Return all connections of the network, one entry a delay.

    What a population sends itself is added up inside its own kernel, which reads matrices alone.
    """
    connections = [c.written_out() if c.source == c.target else c for c in network.synapses]
    return [Delivery(c, network, delay, weights) for c in connections for delay, weights in c.by_delay()]


__getattr__ = renamed_names(__name__, {"Rows": "DenseWeights", "Sparse": "SparseWeights"})
