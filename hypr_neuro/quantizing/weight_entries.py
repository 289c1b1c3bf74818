"""Entries of a float connection's weights, whatever form they have: dense, sparse or a convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.numbers.arrays import Array


def chosen_entries(matrix: Any, kept: Array) -> Any:
    """Return the chosen entries of the matrix as CSR, a convolution as it is.

    A row keeps its zeros, which may learn.
    """
    if isinstance(matrix, Convolution):
        return matrix
    from scipy.sparse import coo_array, csr_array

    if isinstance(matrix, np.ndarray):
        at = np.nonzero(kept)
        return csr_array(coo_array((matrix[at], at), matrix.shape))
    entries = matrix.tocoo()
    at = entries.row[kept], entries.col[kept]
    return csr_array(coo_array((entries.data[kept], at), matrix.shape))


def most_synapses(c: FloatSynapses) -> int:
    """Return the most synapses that a neuron of the target has."""
    matrix: Any = c.weights
    if c.dense:
        return int(matrix.shape[1])
    rows = matrix.tocsr()
    return int(np.diff(rows.indptr).max(initial=0))


def largest_magnitude(values: Array) -> float:
    """Return the largest magnitude, 0 of none."""
    return float(np.abs(values).max()) if values.size else 0.0


def stored_entries(matrix: Any) -> Array:
    """Return the entries of a dense matrix, the stored ones of a sparse one, those of a kernel."""
    return matrix if isinstance(matrix, np.ndarray) else np.asarray(matrix.data)


def with_entries(matrix: Any, values: Array) -> Any:
    """Return a matrix of the same form that holds these entries."""
    if isinstance(matrix, np.ndarray):
        return values.reshape(matrix.shape)
    if isinstance(matrix, Convolution):
        return matrix.with_data(values)
    from scipy.sparse import csr_array

    return csr_array((values, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)
