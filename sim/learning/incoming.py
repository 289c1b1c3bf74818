"""A connection to a population that may learn: which synapses it has, what arrives there, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.levels import top_of
from hypr_neuro.quantizing.parts import QuantizedConnection


@dataclass(frozen=True)
class Entries:
    """Weights of a connection one by one, in the order in which they are stored.

    Attributes
    ----------
    post, pre : ndarray
        (weights,) ends. The bias axon has the number of its source's neurons as `pre`.
    lag : ndarray
        (weights,) steps from sending to arriving.
    slot : ndarray
        (weights,) number of the synapse among those of its neuron in this connection.
    """

    post: Array
    pre: Array
    lag: Array
    slot: Array


@dataclass(frozen=True, eq=False)
class Incoming:
    """One connection to a population.

    Attributes
    ----------
    place : int
        Among the network's connections.
    connection : QuantizedConnection
        Its integers; learning changes them in place.
    name, key : str
        Of its tensor: "layers.0.input" and "input" in a chain of layers, else both the name of the connection.
    number : int
        Third word of the random counter.
    source_size : int
        Neurons or channels that send.
    lag : int
        Steps from sending to arriving where the connection has no delay of its own.
    forward : bool
        Whether learning signals come back over it.
    learns : bool
        Whether its weights learn.
    first : int
        The first of its synapses among those of a neuron that learn.
    scale : int
        log2 of what one unit of the source's output is as a message; 0 of spikes and of the input.
    weight_bits : int
        In which a weight is stored.
    """

    place: int
    connection: QuantizedConnection
    name: str
    key: str
    number: int
    source_size: int
    lag: int
    forward: bool
    learns: bool
    first: int
    scale: int = 0
    weight_bits: int = 8

    @property
    def weight_top(self) -> int:
        """Largest magnitude of a weight, also while it learns."""
        return top_of(self.weight_bits)

    @property
    def message(self) -> tuple[int, int] | None:
        """Shift and bits of what a population of numbers sends over it, None of spikes and of the input."""
        c = self.connection
        return None if c.message_shift is None or c.message_bits is None else (c.message_shift, c.message_bits)

    @property
    def largest_message(self) -> int:
        """Magnitude of what a population sends over it."""
        return 1 if self.message is None else (1 << self.message[1]) - 1

    @property
    def half(self) -> int:
        """As of `graph.synapses.Synapses`."""
        return 0 if self.message is None or self.connection.exponent >= 0 else 1 << (-self.connection.exponent - 1)

    @property
    def source(self) -> str:
        """The population, or the input, that sends."""
        return self.connection.source

    @property
    def listed(self) -> bool:
        """Whether its synapses stand in a list instead of whole rows: sparse, or with delays of their own."""
        return not self.connection.dense or not isinstance(self.connection.delays, int)

    @property
    def largest_lag(self) -> int:
        """Steps from sending to arriving over the longest delay."""
        return self.lag + self.connection.largest_delay

    @property
    def synapses(self) -> int:
        """Synapses of a neuron that could learn, of a list those of the neuron that has most, of a convolution none."""
        if isinstance(self.connection.mantissa, Convolution):
            return 0
        if not self.listed:
            return self.connection.columns
        return int(np.bincount(self.entries().post, minlength=1).max(initial=0))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of what an update changes: neurons and synapses, or all weights of a list in one column."""
        return (self.weights().size, 1) if self.listed else (len(self.weights()), self.connection.columns)

    def largest_sum(self, top: int) -> tuple[int, int]:
        """Bound what one unit of every source, and the bias axon, add to a sum, whatever the weights become.

        Weights of a convolution do not change.
        """
        c = self.connection
        up = max(c.exponent, 0)
        if isinstance(c.mantissa, Convolution):
            return int(c.mantissa.magnitudes().max()) << up, 0
        own = 0 if self.listed else int(c.bias_axon)  # a list may have neurons without a bias
        return (self.synapses - own) * top << up, int(c.bias_axon) * top << up

    def weights(self) -> Array:
        """Return all weights; not a copy."""
        return self.connection.entries()

    def tensor(self) -> Array:
        """Return the weights in the shape of `shape`; not a copy."""
        return self.weights().reshape(self.shape)

    def written_out(self) -> Incoming:
        """Return a convolution as the matrix that it makes, which does not learn."""
        matrix: Any = self.connection.mantissa
        return replace(self, connection=replace(self.connection, mantissa=matrix.tocsr()), learns=False)

    def entries(self) -> Entries:
        """List the weights one by one."""
        c = self.connection
        matrix: Any = c.mantissa
        if isinstance(matrix, Convolution):
            raise InputError(f"connection {c.name}: the weights of a convolution are shared, rule: none that learns is")
        if isinstance(matrix, np.ndarray):
            post, pre = (part.reshape(-1) for part in np.indices(matrix.shape))
            if c.bias_axon:
                pre = np.where(pre == matrix.shape[1] - 1, self.source_size, pre)
            slot = np.tile(np.arange(matrix.shape[1]), len(matrix))
        else:
            counts = np.diff(matrix.indptr)
            post, pre = np.repeat(np.arange(len(counts)), counts), matrix.indices
            slot = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], counts)
        delays: Any = c.delays
        if not isinstance(delays, int):
            delays = delays.reshape(-1) if isinstance(delays, np.ndarray) else delays.data
        lag = self.lag + np.broadcast_to(delays, post.shape)
        return Entries(post.astype(np.int64), pre.astype(np.int64), lag.astype(np.int64), slot.astype(np.int64))


def incoming_name(c: QuantizedConnection) -> str:
    """Name the end of a connection in a chain: "input" from the layer below, "recurrent" from the layer itself."""
    return "recurrent" if c.source == c.target != INPUT else "input"
