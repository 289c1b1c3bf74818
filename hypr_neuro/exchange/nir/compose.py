"""Products of linear maps, one behind the other: a convolution stays one where the product is one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.numbers.arrays import Array


def as_matrix(term: Any) -> Any:
    """Return a map as scipy CSR."""
    return term.tocsr() if isinstance(term, Convolution) else term


def product(after: Any, before: Any) -> Any:
    """Return the map `after` behind the map `before`.

    It is a convolution if one of them is and the other one is the identity, and if it is a convolution behind a pooling
    of one factor; else scipy CSR.
    """
    if isinstance(after, Convolution) and is_identity(before):
        return after
    if isinstance(before, Convolution) and isinstance(after, Convolution):
        factor = _pooling_factor(before)
        alike = after.image == before.outputs and after.channels_first == before.channels_first
        if factor is not None and after.pool is None and alike:
            return replace(after, kernel=after.kernel * factor, image=before.image, pool=before.pool)
    return as_matrix(after) @ as_matrix(before)


def scaled(gain: Array, term: Any) -> Any:
    """Return the map whose output neurons are multiplied by their gains (post,)."""
    if isinstance(term, Convolution) and term.channels_first:
        by_channel = gain.reshape(term.kernel.shape[0], -1)
        if np.all(by_channel == by_channel[:, :1]):
            return replace(term, kernel=term.kernel * by_channel[:, :1].reshape(-1, *(1,) * (term.kernel.ndim - 1)))
    return diagonal(gain) @ as_matrix(term)


def apply(after: Any, numbers: Array) -> Array:
    """Return the map of numbers (pre,)."""
    return np.asarray(after.apply(numbers) if isinstance(after, Convolution) else after @ numbers)


def diagonal(values: Array) -> Any:
    """Return a scipy CSR with these values on its diagonal, zeros stored."""
    from scipy.sparse import csr_array

    n = len(values)
    return csr_array((np.asarray(values, np.float64), np.arange(n), np.arange(n + 1)), shape=(n, n))


def is_identity(term: Any) -> bool:
    """Tell whether a map gives what it gets; a convolution counts as none."""
    n, inputs = term.shape
    if isinstance(term, Convolution) or n != inputs or term.nnz != n:
        return False
    return bool(np.array_equal(term.diagonal(), np.ones(n)))


def _pooling_factor(c: Convolution) -> float | None:
    """Return by what a convolution multiplies the sums of its pooling, None where it does more than that."""
    one_each = (
        c.pool is not None and c.groups == c.channels and c.kernel.shape == (c.channels, *(1,) * (c.kernel.ndim - 1))
    )
    plain = one_each and c.outputs == c.seen and bool(np.all(c.kernel == c.kernel.flat[0]))
    return float(c.kernel.flat[0]) if plain else None
