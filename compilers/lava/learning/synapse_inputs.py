"""What one connection brings in a step: weighted sums for its neurons, and what arrives at each of their synapses."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import shift
from hypr_neuro.numbers.message import messages_of
from hypr_neuro.sim.learning.incoming import Incoming


class SynapseInputs:
    """Reads what arrives out of the ring buffer of a connection.

    The buffer (depth, sources + 1) keeps what was sent in the last steps, in its last column the bias axon. Those of
    its rows that arrive, one for each lag of the connection, stand side by side in `columns` of a line.

    Parameters
    ----------
    c : Incoming
        The connection; no convolution.
    size : int
        Neurons that it leads to.

    Attributes
    ----------
    lags : ndarray
        Steps from sending to arriving.
    depth : int
        Rows of the buffer.
    shape : tuple of int
        (n, synapses) of those that may learn.
    """

    def __init__(self, c: Incoming, size: int) -> None:
        self.c, self.size, self.width = c, size, c.source_size + 1
        self.shape = size, c.synapses
        self.lags, self.depth = np.array([c.largest_lag]), c.largest_lag
        bias = int(c.connection.bias_axon)
        # whole rows: without a bias axon, or with it alone
        self._columns = slice(c.source_size if bias and c.connection.columns == 1 else 0, c.source_size + bias)
        if c.listed:
            self._list()

    def _list(self) -> None:
        """Find the column of each weight and of each synapse, and the sum to which a weight adds."""
        entries = self.c.entries()
        if entries.lag.size:
            self.lags = np.unique(entries.lag)
        of_lag = np.searchsorted(self.lags, entries.lag)
        self._place, self._sum = of_lag * self.width + entries.pre, of_lag * self.size + entries.post
        # the last column never fires: of synapses that a neuron has fewer than others
        self._index = np.full(self.shape, len(self.lags) * self.width)
        self._index[entries.post, entries.slot] = self._place
        self.post, self.slot = entries.post, entries.slot

    def line(self, buffer: Array, time: int) -> Array:
        """Read what arrives in step `time`: rows of the buffer side by side, then 0."""
        return np.append(buffer[(time - self.lags) % self.depth].reshape(-1), 0)

    def put(self, buffer: Array, time: int, sent: Array) -> None:
        """Keep what is sent in step `time`, (sources,), in the place of the oldest."""
        row = buffer[time % self.depth]
        row[:-1], row[-1] = sent if self.c.message is None else messages_of(sent, *self.c.message), 1

    def sums(self, weights: Array, line: Array) -> Array:
        """Compute weighted sums (n,), those of each lag shifted by the exponent.

        weights : in the form of `Incoming.weights`
        """
        if not self.c.listed:
            totals: Any = weights @ line[self._columns]
        else:
            by_lag = np.zeros(len(self.lags) * self.size, np.int64)
            np.add.at(by_lag, self._sum, weights.reshape(-1) * line[self._place])
            totals = by_lag.reshape(len(self.lags), self.size)
        shifted: Any = shift(totals + self.c.half, self.c.connection.exponent)
        return np.asarray(shifted.reshape(-1, self.size).sum(axis=0))

    def at_synapses(self, line: Array) -> Array:
        """Return what arrives at the synapses, (1, synapses) where it is the same for all neurons, else `shape`."""
        return line[self._index] if self.c.listed else line[None, self._columns]

    def gradient(self, gradient: Array) -> Array:
        """Return gradients (n, synapses) in the shape of `Incoming.shape`; of a list a copy."""
        return gradient[self.post, self.slot][:, None] if self.c.listed else gradient
