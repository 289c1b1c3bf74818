"""One connection of an integer network: weights, delays, the line that is always on; checked copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Union, cast

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Weights = Union[Array, "csr_array"]
LARGEST_DELAY = 63
LARGEST_MESSAGE = 32
"""Bits of a message; with 31 every input that the simulator takes is one, and Lava's own messages have 32."""


@dataclass(frozen=True, eq=False, repr=False)
class Synapses:
    """One connection.

    source : a population's name or "input". target : a population's name
    weights : (post, pre) mantissas, dense or scipy.sparse CSR
    exponent : of the sum, see above
    delays : steps beyond the usual, 0..63: one for all, or one a weight in the form of `weights` (CSR: the same
        pattern, zeros stored)
    always_on : (post,) mantissas of a line that fires in every step, part of the same sum; needs one delay for all
    current : which of the target's input currents
    message_bits : None takes any integers, 0 refuses all but 0 and 1, k up to 32 refuses magnitudes of 2^k and more
    """

    source: str
    target: str
    weights: Weights
    exponent: int = 0
    delays: int | Weights = 0
    always_on: Array | None = None
    current: int = 0
    message_bits: int | None = None

    def __post_init__(self) -> None:
        """Copies that nobody can write to: what was checked stays so."""
        weights = _matrix(self.name, "weights", self.weights)
        delays = self.delays
        if isinstance(delays, np.integer):
            delays = int(delays)
        elif not isinstance(delays, int):
            delays = _matrix(self.name, "delays", delays)
        line = self.always_on
        if line is not None:
            line = _frozen(np.array(line))
        for name, value in (("weights", weights), ("delays", delays), ("always_on", line)):
            object.__setattr__(self, name, value)
        if not isinstance(self.exponent, (int, np.integer)) or not -32 <= self.exponent <= 32:
            raise InputError(f"{self.name}: weight exponent {self.exponent}, rule: an integer from -32 to 32")
        self._check_message()
        self._check_delays()
        if line is not None:
            if not isinstance(delays, int):
                raise InputError(f"{self.name}: always_on, rule: needs one delay for all weights")
            if line.shape != (self.shape[0],) or line.dtype.kind not in "iu":
                raise InputError(
                    f"{self.name}: always_on is {line.dtype} of shape {line.shape}, rule: integers of shape "
                    f"({self.shape[0]},)"
                )

    def __repr__(self) -> str:
        kind = "sparse" if self.sparse else "dense"
        return f"Synapses({self.name}, {kind} {self.shape}, exponent {self.exponent})"

    def _check_message(self) -> None:
        bits = self.message_bits
        if bits is None:
            return
        if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not 0 <= bits <= LARGEST_MESSAGE:
            raise InputError(
                f"{self.name}: message_bits = {bits!r:.60}, rule: None for any integers, 0 for spikes, or 1 to "
                f"{LARGEST_MESSAGE}"
            )
        object.__setattr__(self, "message_bits", int(bits))

    def _check_delays(self) -> None:
        if not isinstance(self.delays, int):
            if self.delays.shape != self.shape or self.sparse != (not isinstance(self.delays, np.ndarray)):
                raise InputError(
                    f"{self.name}: delays of shape {self.delays.shape}, rule: in the form of the weights, {self.shape}"
                )
            if self.sparse and not _same_pattern(self.weights, self.delays):
                raise InputError(
                    f"{self.name}: delays, rule: a sparse matrix of the weights' own pattern, zeros stored"
                )
        low, high = self.delay_range
        if low < 0 or high > LARGEST_DELAY:
            raise InputError(f"{self.name}: delays {low} to {high}, rule: 0..{LARGEST_DELAY}")

    @property
    def delay_range(self) -> tuple[int, int]:
        """The smallest and the largest delay, 0 where there are no weights."""
        if isinstance(self.delays, int):
            return self.delays, self.delays
        values = _stored(self.delays)
        return (int(values.min()), int(values.max())) if values.size else (0, 0)

    @property
    def name(self) -> str:
        """'source -> target', as errors name it."""
        return f"{self.source} -> {self.target}"

    @property
    def shape(self) -> tuple[int, int]:
        post, pre = self.weights.shape
        return int(post), int(pre)

    @property
    def sparse(self) -> bool:
        return not isinstance(self.weights, np.ndarray)

    @cached_property
    def magnitudes(self) -> Array:
        """(post,) Σ_j |m_ij|, the always-on line apart, int64."""
        # abs would overflow at the lowest number of a narrow type
        up, down = (self.weights * (self.weights > 0), self.weights * (self.weights < 0))
        sums = [np.asarray(part.sum(axis=1, dtype=np.int64)).reshape(-1) for part in (up, down)]
        return np.asarray(sums[0] - sums[1])

    def by_delay(self) -> Iterator[tuple[int, Weights]]:
        """(delay, weights of that delay), each matrix in the full shape; one pair where the delay is one number."""
        if isinstance(self.delays, int):
            yield self.delays, self.weights
            return
        values = _stored(self.delays)
        for delay in np.unique(values):
            chosen = values == delay
            yield int(delay), _masked(self.weights, chosen)


def _matrix(name: str, what: str, value: Any) -> Weights:
    """A copy, read-only: dense, or any sparse format as CSR with sorted columns. Raises InputError for no integers."""
    if hasattr(value, "tocsr"):
        from scipy.sparse import csr_array

        # of explicit parts: a matrix of numpy's old kind multiplies differently
        try:
            found = value.tocsr().copy()
            matrix: Any = csr_array((found.data, found.indices, found.indptr), shape=found.shape)
            matrix.check_format(full_check=True)
        except ValueError as error:
            raise InputError(f"{name}: {what}, no sparse matrix: {error}; build it with scipy.sparse") from error
        matrix.sort_indices()
        if not matrix.has_canonical_format:
            if what == "delays":
                raise InputError(f"{name}: delays, rule: no entry of the sparse matrix twice")
            matrix = matrix.astype(np.int64)  # so that a sum cannot overflow
            matrix.sum_duplicates()
        for part in (matrix.data, matrix.indices, matrix.indptr):
            _frozen(part)
    else:
        matrix = _frozen(np.array(value))
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind not in "iu":
        raise InputError(
            f"{name}: {what} are {matrix.dtype} of shape {matrix.shape}, rule: integers of shape (post, pre), both "
            "positive"
        )
    return cast("Weights", matrix)


def _frozen(array: Array) -> Array:
    array.setflags(write=False)
    return array


def _stored(matrix: Any) -> Array:
    """Entries of a dense matrix, stored ones of a sparse one."""
    return matrix if isinstance(matrix, np.ndarray) else np.asarray(matrix.data)


def _same_pattern(a: Any, b: Any) -> bool:
    return np.array_equal(a.indptr, b.indptr) and np.array_equal(a.indices, b.indices)


def _masked(weights: Any, chosen: Array) -> Weights:
    """The weights where `chosen` (dense: the shape; CSR: one a stored entry), as CSR."""
    from scipy.sparse import csr_array

    if isinstance(weights, np.ndarray):
        return csr_array(np.where(chosen, weights, 0))
    # a copy, because what drops the zeros works in place
    part = csr_array((np.where(chosen, weights.data, 0), weights.indices, weights.indptr), weights.shape, copy=True)
    part.eliminate_zeros()
    return part


def matrix_arrays(name: str, matrix: Any) -> dict[str, Array]:
    """The parts of a matrix, dense or CSR, as a file keeps them."""
    if isinstance(matrix, np.ndarray):
        return {name: matrix}
    return {f"{name}/{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}


def _loaded_matrix(name: str, shape: list[int], arrays: dict[str, Array]) -> Weights:
    if name in arrays:
        return arrays[name]
    from scipy.sparse import csr_array

    matrix = csr_array(tuple(arrays[f"{name}/{part}"] for part in ("data", "indices", "indptr")), shape=tuple(shape))
    matrix.check_format(full_check=True)
    return matrix


def loaded_synapses(name: str, entry: dict[str, Any], arrays: dict[str, Array]) -> Synapses:
    """A connection from what a file keeps of it."""
    delays = entry["delays"]
    return Synapses(
        entry["source"],
        entry["target"],
        _loaded_matrix(f"{name}/weights", entry["shape"], arrays),
        entry["exponent"],
        _loaded_matrix(f"{name}/delays", entry["shape"], arrays) if delays is None else delays,
        arrays.get(f"{name}/always_on"),
        entry["current"],
        entry["message_bits"],
    )
