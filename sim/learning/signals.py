"""Learning signals on their way back: from the errors of the outputs over forward connections to every population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hypr_neuro.graph.clock import SignalTerm
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.feedback import (
    add_shifted_kernel,
    dense_part_kernel,
    feedback_kernel,
    listed_part_kernel,
    signal_kernel,
)
from hypr_neuro.sim.learning.incoming import Incoming
from hypr_neuro.sim.learning.plan import LearningPlan


class Way:
    """A forward connection on the way back, with the numbers over which signals travel.

    Parameters
    ----------
    c : Incoming
        The connection.
    fixed : ndarray or None
        Numbers in the form of its weights that take their place; None for the weights themselves.

    Attributes
    ----------
    matrix : ndarray
        (n above, n below) int32 of whole rows, else (weights,) with the ends `post` and `pre`.
    """

    def __init__(self, c: Incoming, fixed: Array | None) -> None:
        self.c, self.whole, self.fixed = c, c.connection.dense, fixed
        self.post = self.pre = np.zeros(0, np.int64)
        mantissa: Any = c.connection.mantissa
        if isinstance(mantissa, Convolution):
            mantissa = mantissa.tocsr()
        self._stored, self._sent = mantissa, np.zeros(0, np.int64)
        if not self.whole:
            counts = np.diff(mantissa.indptr)
            # the bias axon has no neuron to which a signal could go
            self._sent = np.flatnonzero(mantissa.indices < c.source_size)
            self.post = np.repeat(np.arange(len(counts)), counts)[self._sent]
            self.pre = mantissa.indices.astype(np.int64)[self._sent]
        self.load()

    def load(self) -> None:
        """Take over the weights as they are now, unless the numbers are fixed."""
        if self.whole and self.c.connection.columns == int(self.c.connection.bias_axon):
            # a bias axon alone has no neuron to which a signal could go
            values = np.zeros((len(self._stored), self.c.source_size), np.int64)
        elif self.fixed is not None:
            values = self.fixed
        elif self.whole:
            values = self._stored[:, : self.c.source_size]
        else:
            values = self._stored.data
        if not self.whole:
            values = values.reshape(-1)[self._sent]
        self.matrix = np.ascontiguousarray(values, dtype=np.int32)

    def add(self, weighted_signal: Array, down: int, total: Array) -> None:
        """Add what goes back in each step, (steps, n above), to the sums (steps, n below)."""
        if self.whole:
            dense_part_kernel()(weighted_signal, self.matrix, down, total)
        else:
            listed_part_kernel()(weighted_signal, self.post, self.pre, self.matrix, down, total)


class Signals:
    """Computes the signals of each population in a block, from the last to the first; parts that are early wait.

    Parameters
    ----------
    plan : LearningPlan
        What signals are made of.

    Attributes
    ----------
    queues : list of ndarray
        What waits, in device steps, in front of each place where something does.
    clips : ndarray
        (1,), how many signals were clipped.
    """

    def __init__(self, plan: LearningPlan) -> None:
        self.plan, self.clips = plan, np.zeros(1, np.int64)
        returning = [c for layer in plan.layers for c in layer.incoming if plan.returns(c)]
        self.ways = {c.place: Way(c, plan.fixed_feedback(c)) for c in returning}
        self.restart()

    def restart(self) -> None:
        """Let nothing be under way."""
        chain = self.plan.qnet.is_chain
        layers = self.plan.layers[:-1] if chain else self.plan.layers
        self.queues: list[Array] = []
        self._queue_of: dict[tuple[int, int], int] = {}
        for layer in layers:
            for wait in sorted({term.wait for term in layer.terms}) if not chain else [layer.signal_wait]:
                self._queue_of[layer.index, wait] = len(self.queues)
                self.queues.append(np.zeros((wait, layer.size), np.int64))

    def load(self) -> None:
        """Take over the weights as they are now."""
        for way in self.ways.values():
            way.load()

    def of(self, i: int, errors: Mapping[int, Array], weighted: Mapping[str, Sequence[Array]], steps: int) -> Array:
        """Compute the signal (steps, n) of population i.

        errors : by place of an output population. weighted : by name of the populations above, for each of their input
        currents nearest(B·C / 2^kc) g, (steps, n)
        """
        layer = self.plan.layers[i]
        signals, bits = self.plan.signal_scales.of(i), layer.widths.signal_bits
        waits = sorted({term.wait for term in layer.terms})
        if layer.takes_error_alone:
            return self._queued(i, waits[0], errors[i])
        if len(layer.terms) == 1 and self._way(layer.terms[0]).whole:  # at once, as in every chain
            way, signal = self._way(layer.terms[0]), np.empty((steps, layer.size), np.int64)
            above = weighted[way.c.connection.target][way.c.connection.current]
            feedback_kernel()(above, way.matrix, signals.shift, bits, signal, self.clips)
            return self._queued(i, waits[0], signal)
        total = np.zeros((steps, layer.size), np.int64)
        for wait in waits:
            part = np.zeros((steps, layer.size), np.int64)
            for term, down in zip(layer.terms, signals.downs, strict=True):
                if term.wait != wait:
                    continue
                if term.connection is None:
                    add_shifted_kernel()(errors[i], down, part)
                else:
                    way = self._way(term)
                    way.add(weighted[way.c.connection.target][way.c.connection.current], down, part)
            total += self._queued(i, wait, part) if len(waits) > 1 else part
        signal = np.empty_like(total)
        signal_kernel()(total, signals.shift, bits, signal, self.clips)
        return signal if len(waits) > 1 else self._queued(i, waits[0], signal)

    def _way(self, term: SignalTerm) -> Way:
        assert term.connection is not None
        return self.ways[term.connection]

    def _queued(self, i: int, wait: int, new: Array) -> Array:
        """Put `new` in behind what waits and take as many steps out."""
        if not wait:
            return new
        at = self._queue_of[i, wait]
        joined = np.concatenate([self.queues[at], new])
        self.queues[at] = joined[len(new) :].copy()
        return np.ascontiguousarray(joined[: len(new)])
