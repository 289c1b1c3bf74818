"""One connection of a network of real numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.ends import WeightedEnds
from hypr_neuro.graph.float_population import real_array, require_real
from hypr_neuro.graph.synapses import LARGEST_DELAY
from hypr_neuro.numbers.arrays import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Matrix = Union[Array, "csr_array"]


@dataclass(eq=False, repr=False)
class FloatSynapses(WeightedEnds):
    """One connection.

    Attributes
    ----------
    weights : (post, pre) float64
        Dense, CSR, or a `Convolution`, whose kernel they are.
    delay
        Steps beyond the usual, 0..63.
    current
        Number of the target's input current.
    trainable
        Whether training may change the weights; a chip leaves those of a frozen connection as they are, too.
    """

    source: str
    target: str
    weights: Matrix
    delay: int = 0
    current: int = 0
    trainable: bool = True

    def __post_init__(self) -> None:
        self.weights = _matrix(self.name, self.weights)
        if not isinstance(self.delay, (int, np.integer)) or not 0 <= self.delay <= LARGEST_DELAY:
            raise InputError(
                f"{self.name}: delay of {self.delay} steps, rule: 0..{LARGEST_DELAY}; a larger dt makes fewer steps "
                "of a delay in seconds"
            )
        self.delay = int(self.delay)
        if not isinstance(self.trainable, (bool, np.bool_)):
            raise InputError(f"{self.name}: trainable = {self.trainable!r:.60}, rule: True or False")
        self.trainable = bool(self.trainable)

    def __repr__(self) -> str:
        return f"FloatSynapses({self.name}, {self.shape}, delay {self.delay}{'' if self.trainable else ', frozen'})"

    @property
    def dense(self) -> bool:
        """Whether zeros are written out."""
        return isinstance(self.weights, np.ndarray)

    def stored(self) -> Array:
        """Return the numbers that stand for the weights, not copied: all, of CSR those that it stores, or a kernel."""
        weights: Any = self.weights
        values: Array = weights if self.dense else weights.data
        return values


def _matrix(name: str, value: Any) -> Matrix:
    """Return a float64 copy in its form; raise InputError for indices outside the shape, which scipy would follow."""
    if isinstance(value, Convolution):
        require_real(f"{name}: weights", value.dtype)
        copied: Any = value.astype(np.float64)
        stored = copied.data
    elif hasattr(value, "tocsr"):
        from scipy.sparse import csr_array

        require_real(f"{name}: weights", value.dtype)
        if hasattr(value, "check_format"):
            try:
                value.check_format(full_check=True)
            except ValueError as error:
                raise InputError(f"{name}: sparse weights, {error}, rule: indices inside {value.shape}") from error
        copied = csr_array(value, dtype=np.float64, copy=True)
        copied.sum_duplicates()
        copied.eliminate_zeros()  # one form of a matrix: formats that have no sparse one give the same back
        if copied.indices.dtype != np.int32 and max(copied.nnz, *copied.shape) < 1 << 31:
            parts = copied.data, copied.indices.astype(np.int32), copied.indptr.astype(np.int32)
            copied = csr_array(parts, shape=copied.shape)
        stored = copied.data
    else:
        copied = real_array(f"{name}: weights", value)
        stored = copied
    if copied.ndim != 2 or 0 in copied.shape or not np.all(np.isfinite(stored)):
        raise InputError(f"{name}: weights of shape {copied.shape}, rule: (post, pre), both positive, finite")
    matrix: Matrix = copied
    return matrix
