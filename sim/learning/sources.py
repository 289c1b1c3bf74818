"""What arrives at the synapses of a population that learns: one row for all neurons, or a list for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.message import messages_of
from hypr_neuro.sim.learning.incoming import Entries, Incoming
from hypr_neuro.sim.learning.kernels import TILE
from hypr_neuro.sim.learning.layer_plan import LayerPlan


class ArrivingSpikes:
    """Joins what the connections that learn bring in the steps of a block.

    Parameters
    ----------
    plan : LayerPlan
        Of the population.
    input_current : int
        Current of the neurons to which the synapses belong.
    padded : int
        Synapses of a neuron with those that never fire, which fill whole vectors.

    Attributes
    ----------
    incoming : tuple of Incoming
        Connections that learn.
    first : int
        Place of their first synapse among all of a neuron that learn.
    listed : bool
        Whether each neuron has a list of synapses of its own.
    numbers : bool
        Whether a population of numbers is among the sources.
    scales : ndarray
        (padded,) log2 of what a unit that arrives at a synapse is as a message, 0 of spikes.
    """

    def __init__(self, plan: LayerPlan, input_current: int, padded: int) -> None:
        self.incoming = plan.learning(input_current)
        self.first = min((c.first for c in self.incoming), default=0)
        self.listed = any(c.listed for c in self.incoming)
        self.numbers, self.scales = any(c.message is not None for c in self.incoming), np.zeros(padded, np.int64)
        for c in self.incoming:
            self.scales[self.of(c)] = c.scale
        self._entries = {c.place: c.entries() for c in self.incoming} if self.listed else {}
        # what is read side by side: (connection, lag, its first column)
        self._blocks: list[tuple[Incoming, int, int]] = []
        self._index = np.zeros((1, 1), np.int32)
        self._width = padded
        if self.listed:
            self._list(plan.size, padded)
        else:
            self._blocks = [(c, c.largest_lag, c.first - self.first) for c in self.incoming]
        self._pre = np.zeros((0, self._width), np.int16)
        self._rows = np.zeros((TILE, padded) if self.listed else (1, 1), np.int16)

    def of(self, c: Incoming) -> slice:
        """Return the columns of a connection."""
        return slice(c.first - self.first, c.first - self.first + c.synapses)

    def _list(self, n: int, padded: int) -> None:
        """Give each lag of each connection columns of its own, and each synapse the number of one."""
        first, places = 0, []
        for c in self.incoming:
            entries = self._entries[c.place]
            base = {}
            for lag in np.unique(entries.lag):
                self._blocks.append((c, int(lag), first))
                base[int(lag)] = first
                first += c.source_size + int(c.connection.bias_axon)
            start = np.array([base[int(lag)] for lag in entries.lag], dtype=np.int64)
            places.append((c, entries, start + entries.pre))
        self._width = first + 1
        self._index = np.full((n, padded), first, np.int32)  # the last column never fires
        for c, entries, at in places:
            self._index[entries.post, c.first - self.first + entries.slot] = at

    def arriving(
        self, sent: Callable[[str, int], Array], time: int, active: slice, dtype: type[Any]
    ) -> tuple[Array, Array, Array]:
        """Return what arrives in the steps `active`: (steps, sources), the list of each neuron, and room for a tile."""
        if not self.incoming:
            return self._pre[:0], self._index, self._rows
        steps = active.stop - active.start
        if self._pre.shape[0] < steps or self._pre.dtype != dtype:
            self._pre = np.zeros((steps, self._width), dtype)
            self._rows = self._rows.astype(dtype)
        pre = self._pre[:steps]
        for c, lag, first in self._blocks:
            # of a bias axon alone nothing is read of its source
            width = c.source_size if self.listed else c.connection.columns - int(c.connection.bias_axon)
            if width:
                values = sent(c.source, lag)[active]
                pre[:, first : first + width] = values if c.message is None else messages_of(values, *c.message)
            if c.connection.bias_axon:
                pre[:, first + width] = np.arange(time + active.start, time + active.stop) >= lag
        return pre, self._index, self._rows

    def gradient(self, c: Incoming, gradient: Array) -> Array:
        """Return the gradients (weights, 1) of a connection whose synapses stand in lists."""
        stored: Array = gradient[self.places(c)]
        return stored[:, None]

    def places(self, c: Incoming) -> tuple[Any, Any]:
        """Return the index of a connection's synapses in an array (n, synapses): whole rows, or each of a list."""
        if not c.listed:
            return slice(None), self.of(c)
        entries: Entries = self._entries[c.place]
        return entries.post, c.first - self.first + entries.slot
