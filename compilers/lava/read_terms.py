"""What a port of neurons receives in Lava, one contribution after the other, as connections of an integer network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.read_integers import Weights
from hypr_neuro.errors import InputError
from hypr_neuro.graph.clock import Clock
from hypr_neuro.graph.integer import INPUT, LARGEST_DELAY, Synapses
from hypr_neuro.numbers.arrays import Array


@dataclass
class CurrentTerm:
    """One contribution to a current: who sends, and weights (None: as it comes, in the same step).

    Attributes
    ----------
    number
        Place of the connection's process, or of the sender's, see `ProcessTree.rank`.
    rows, columns
        Of the weights, in the order of the populations' neurons.
    always_on
        The weights of a bias axon, as `rows`.
    """

    number: tuple[int, ...]
    source: Any
    target: str
    current: int
    weights: Weights | None
    rows: Array
    columns: Array
    always_on: Array | None = None


def synapses_of(s: CurrentTerm, source: str, first: int, pre: int, clock: Clock) -> Synapses:
    """Return a contribution as a connection.

    source : population or "input"; pre : neurons or channels that it has, of which the term's are `first` and on
    """
    if s.weights is None:
        columns = s.rows + first
        matrix = _csr(np.ones(columns.size, np.int64), np.arange(columns.size), columns, (columns.size, pre))
        return Synapses(source, s.target, matrix, current=s.current)
    # each of Lava's connections takes a step
    extra = 1 - clock.lag(source, s.target)
    delays = s.weights.delays
    if isinstance(delays, int):
        delays += extra
    else:
        delays = _placed(delays, s, first, pre, extra)
    if extra and _largest(delays) > LARGEST_DELAY:
        raise InputError(
            f"connection {source} -> {s.target}: delay {_largest(delays) - 1} beside neurons that "
            f"receive in the same step, rule: at most {LARGEST_DELAY - 1}; shorten it"
        )
    bias = None if s.always_on is None else s.always_on[s.rows]
    matrix = _placed(s.weights.weights, s, first, pre, 0)
    return Synapses(source, s.target, matrix, s.weights.exponent, delays, bias, s.current, s.weights.message_bits)


def axons_forward(c: Synapses, clock: Clock, channels: int) -> list[Synapses]:
    """Return the connection; where it leads backward its bias axon comes from the input, by itself."""
    if c.always_on is None or clock.forward(c.source, c.target):
        return [c]
    nothing = np.zeros((c.shape[0], channels), np.int64)
    return [replace(c, always_on=None), replace(c, source=INPUT, weights=nothing, message_bits=None)]


def _placed(matrix: Any, s: CurrentTerm, first: int, pre: int, extra: int) -> Any:
    """Put rows and columns in the order of the populations, columns of the input at their channels; add `extra`."""
    if isinstance(matrix, np.ndarray):
        values = matrix[s.rows][:, s.columns] + extra
        if values.shape[1] == pre:
            return values
        padded = np.zeros((values.shape[0], pre), np.int64)
        padded[:, first : first + values.shape[1]] = values
        return padded
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    row_of, column_of = np.argsort(s.rows), np.full(matrix.shape[1], -1)
    column_of[s.columns] = np.arange(s.columns.size) + first
    used = column_of[matrix.indices] >= 0
    return _csr(matrix.data[used] + extra, row_of[rows[used]], column_of[matrix.indices[used]], (s.rows.size, pre))


def _csr(data: Array, rows: Array, columns: Array, shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_array

    # one entry a place, so that nothing is summed and stored zeros stay
    order = np.lexsort((columns, rows))
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    return csr_array((data[order], columns[order], starts), shape=shape)


def _largest(delays: Any) -> int:
    if isinstance(delays, int):
        return delays
    values = delays if isinstance(delays, np.ndarray) else delays.data
    return int(values.max()) if values.size else 0
