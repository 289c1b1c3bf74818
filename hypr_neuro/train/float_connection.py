"""One connection in the engine of any network: delivery, the way back, and the gradient of its weights."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.convolution import (
    convolution_delivery,
    convolution_feedback,
    convolution_gradient,
    reach_of,
    synapses_of,
)
from hypr_neuro.run.forward import FloatType
from hypr_neuro.train import graph_kernels as kernels


class FloatConnection:
    """One connection as kernels take it.

    Attributes
    ----------
    name : str
        That of its gradient.
    source, target : str
        Populations, or the input.
    lag : int
        Steps from sending to arriving.
    current : int
        Number of the target's input current.
    forward : bool
        Whether it carries learning signals by every rule.
    trainable : bool
        Whether its weights learn.
    feedback : FloatConnection
        That over whose weights signals go back: itself, or one with weights for that alone.
    """

    def __init__(self, graph: Network, c: FloatSynapses, name: str, dtype: FloatType, feedback: Any = None) -> None:
        self.name, self.source, self.target, self.shape = name, c.source, c.target, c.shape
        self.lag, self.forward, self.current, self.feedback = graph.lag(c), graph.forward(c), c.current, self
        self.trainable = c.trainable
        if feedback is not None:
            self.feedback = FloatConnection(graph, replace(c, weights=feedback), name, dtype)
        weights: Any = c.weights
        self.dense = isinstance(weights, np.ndarray)
        self.convolution = weights if isinstance(weights, Convolution) else None
        if self.dense:
            self.weights = np.ascontiguousarray(weights, dtype)
            self.rows = np.ascontiguousarray(weights.T, dtype)
            return
        if self.convolution is not None:
            self.kernel = np.ascontiguousarray(self.convolution.by_channel(), dtype)
            self.reach = reach_of(self.convolution)
            return
        csr = weights.tocsr()
        csr.sort_indices()
        # the place of each weight, sorted by sender, among the stored ones of the rows
        places = csr.astype(np.int64)
        places.data = np.arange(csr.nnz)
        columns = places.tocsc()
        columns.sort_indices()
        self.order = columns.data
        self.starts, self.post = columns.indptr.astype(np.int64), columns.indices.astype(np.int64)
        self.stored = csr.data[self.order].astype(dtype)

    def deliver(self, sent: Array, current: Array) -> None:
        """Add to current (λ, batch·n) what sent (λ, batch·pre) brings."""
        if self.dense:
            kernels.dense_delivery()(sent, self.rows, current)
        elif self.convolution is not None:
            convolution_delivery()(sent, self.kernel, self.reach, current, self.shape[0])
        else:
            kernels.sparse_delivery()(sent, self.starts, self.post, self.stored, current, self.shape[0])

    def feed_back(self, signal: Array, to: Array) -> None:
        """Add to `to` (λ, batch·pre) the signals (λ, batch·n) of the target, over the weights."""
        if self.dense:
            kernels.dense_feedback()(signal, self.weights, to)
        elif self.convolution is not None:
            convolution_feedback()(signal, self.kernel, self.reach, to, self.shape[0])
        else:
            kernels.sparse_feedback()(signal, self.starts, self.post, self.stored, to, self.shape[0])

    def zeros(self, batch: int, dtype: FloatType, by_synapse: bool) -> Array:
        """Return an empty sum for each sample.

        (batch, pre, n), (batch, stored) in the order of senders, or of a kernel (batch, channels, taps, reached); with
        `by_synapse` each synapse of a convolution has its own, since eligibilities belong to a neuron. Of weights that
        do not learn nothing is summed, (batch, 0).
        """
        if not self.trainable:
            return np.zeros((batch, 0), dtype)
        if self.dense:
            return np.zeros((batch, *self.rows.shape), dtype)
        if self.convolution is None:
            return np.zeros((batch, len(self.stored)), dtype)
        return np.zeros((batch, len(self._synapses[1])) if by_synapse else (batch, *self.kernel.shape), dtype)

    @cached_property
    def _synapses(self) -> tuple[Array, Array, Array]:
        """Of a convolution: where each sender's synapses start, their neurons, and their entries of the kernel."""
        return synapses_of(self.reach, *self.kernel.shape[1:])

    def add_gradient(self, sent: Array, signal: Array, to: Array) -> None:
        """Add Σ_t signal_t ⊗ sent_t to `to`, sample by sample."""
        if not self.trainable:
            return
        if self.dense:
            kernels.dense_gradient()(sent, signal, to)
        elif self.convolution is None:
            kernels.sparse_gradient()(sent, signal, self.starts, self.post, to, self.shape[0])
        elif to.ndim == 2:
            kernels.sparse_gradient()(sent, signal, *self._synapses[:2], to, self.shape[0])
        else:
            convolution_gradient()(sent, signal, self.reach, to, self.shape[0])

    def add_carried(self, neuron: Array, eligibility: Array, to: Array) -> None:
        """Add the numbers of the target's neurons (batch, n) times eligibilities, of the form of `zeros`, to a sum."""
        if not self.trainable:
            return
        if self.dense:
            to += neuron[:, None, :] * eligibility
        elif self.convolution is None:
            to += neuron[:, self.post] * eligibility
        else:
            _, post, entry = self._synapses
            moved = neuron[:, post] * eligibility
            if to.ndim == 2:
                to += moved
                return
            for total, one in zip(to, moved, strict=True):
                np.add(total, np.bincount(entry, one, total.size).reshape(total.shape), out=total, casting="same_kind")

    def as_weights(self, total: Array) -> Array:
        """Return one sample's sum in the form of the weights: (n, pre), or one a stored weight."""
        if self.dense:
            return total.T
        if self.convolution is not None:
            return self.convolution.from_channels(total)
        result = np.empty_like(total)
        result[self.order] = total
        return result
