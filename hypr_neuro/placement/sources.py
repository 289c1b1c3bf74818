"""How many distinct sources a range of neurons has, without sorting its synapses each time.

Synapses are listed row by row. Each remembers the row in which its source came last before it, so that in rows first to
stop a source comes for the first time where that row lies before `first`:

    distinct(first, stop) = Σ over synapses of rows first to stop of [row before < first]

Making the lists takes one pass over all synapses, a range as long as it has synapses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hypr_neuro.numbers.arrays import Array


@dataclass(frozen=True, eq=False)
class DistinctSources:
    """Counts the distinct sources of any range of rows in one list of synapses.

    Attributes
    ----------
    starts : (rows + 1,) int
        Where the synapses of each row start.
    before : (synapses,) int32
        Of each synapse the row, its own at most, in which its source came last, -1 for none.
    """

    starts: Array
    before: Array

    def count(self, first: int, stop: int) -> int:
        """Return how many distinct sources rows first to stop have."""
        return int(np.count_nonzero(self.before[self.starts[first] : self.starts[stop]] < first))

    @property
    def pairs(self) -> int:
        """How many pairs of a row and a source there are; synapses may be listed twice."""
        return int(np.count_nonzero(self.before < rows_of(self.starts)))


def rows_of(starts: Array) -> Array:
    """Return the row of each synapse, (synapses,) int32."""
    return np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))


def by_source(starts: Array, indices: Array, columns: int) -> Array:
    """Return the places of all synapses in the order of their columns, of one column in the order of rows."""
    from scipy.sparse import csr_array

    places = np.arange(len(indices), dtype=np.int32)
    ordered: Array = csr_array((places, indices, starts), shape=(len(starts) - 1, columns)).tocsc().data
    return ordered


def distinct_sources(starts: Array, indices: Array, order: Array) -> DistinctSources:
    """Return what counts the sources of a list in CSR form; `order` is that of `by_source`."""
    return DistinctSources(starts, _before(rows_of(starts), indices, order))


def distinct_of_several(lists: Sequence[tuple[Array, Array]]) -> list[DistinctSources]:
    """Return what counts the sources of several lists, (starts, sources) each, a source that several have once."""
    rows = np.concatenate([rows_of(starts) for starts, _ in lists])
    sources = np.concatenate([source for _, source in lists])
    before = _before(rows, sources, np.lexsort((rows, sources)))
    ends = np.cumsum([len(source) for _, source in lists])[:-1]
    return [DistinctSources(starts, part) for (starts, _), part in zip(lists, np.split(before, ends), strict=True)]


def _before(rows: Array, sources: Array, order: Array) -> Array:
    """Return the row in which each synapse's source came last; order : by source, and then by row."""
    source, row = sources[order], rows[order]
    last = np.full(len(row), -1, np.int32)
    same = source[1:] == source[:-1]
    last[1:][same] = row[:-1][same]
    before = np.empty_like(last)
    before[order] = last
    return before
