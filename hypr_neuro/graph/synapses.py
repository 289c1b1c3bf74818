"""One connection of an integer network: weights, delays, the bias axon; checked copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Union, cast

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.ends import WeightedEnds
from hypr_neuro.numbers.arrays import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Weights = Union[Array, "csr_array"]
"""A matrix."""
WeightMap = Union[Array, "csr_array", Convolution]
LARGEST_DELAY = 63
LARGEST_SHIFT, LOWEST_EXPONENT = 31, -30
"""Of messages, and of the weights behind them: half a unit of the sum then fits 32 bits."""
LARGEST_MESSAGE = 32
"""Bits of a message; with 31 every input that the simulator takes is one, and Lava's own messages have 32."""


@dataclass(frozen=True, eq=False, repr=False)
class Synapses(WeightedEnds):
    """One connection.

    Attributes
    ----------
    source
        A population's name or "input".
    target
        A population's name.
    weights : (post, pre)
        Mantissas: dense, scipy.sparse CSR, or a `Convolution`, whose kernel they are.
    exponent
        Of the sum, see `graph.integer`.
    delays
        Steps beyond the usual, 0..63: one for all, or one a weight in the form of `weights` (CSR: the same pattern,
        zeros stored; of a convolution one for all).
    always_on : (post,)
        Mantissas of a bias axon, which fires in every step and is part of the same sum; needs one delay for all.
    current
        Which of the target's input currents.
    message_bits
        None takes any integers, 0 refuses all but 0 and 1, k up to 32 refuses magnitudes of 2^k and more, in the
        channels that it reads.
    message_shift
        None from the input and from populations that send spikes of 0 and 1, 0 from those that send several in a step.
        k of 0 to 31 where the source's output is a number, which is then sent as sat(nearest(output / 2^k)), magnitudes
        below 2^message_bits (`numbers.message`).
    """

    source: str
    target: str
    weights: WeightMap
    exponent: int = 0
    delays: int | Weights = 0
    always_on: Array | None = None
    current: int = 0
    message_bits: int | None = None
    message_shift: int | None = None

    def __post_init__(self) -> None:
        """Make copies that nobody can write to: what was checked stays so."""
        weights = _matrix(self.name, "weights", self.weights)
        delays = self.delays
        if isinstance(delays, np.integer):
            delays = int(delays)
        elif not isinstance(delays, int):
            delays = _matrix(self.name, "delays", delays)
        bias = self.always_on
        if bias is not None:
            bias = _frozen(np.array(bias))
        for name, value in (("weights", weights), ("delays", delays), ("always_on", bias)):
            object.__setattr__(self, name, value)
        if not isinstance(self.exponent, (int, np.integer)) or not -32 <= self.exponent <= 32:
            raise InputError(f"{self.name}: weight exponent {self.exponent}, rule: an integer from -32 to 32")
        self._check_message()
        self._check_delays()
        if bias is not None:
            if not isinstance(delays, int):
                raise InputError(f"{self.name}: always_on, rule: needs one delay for all weights")
            if bias.shape != (self.shape[0],) or bias.dtype.kind not in "iu":
                raise InputError(
                    f"{self.name}: always_on is {bias.dtype} of shape {bias.shape}, rule: integers of shape "
                    f"({self.shape[0]},)"
                )

    def __repr__(self) -> str:
        kind = "convolution" if self.convolution is not None else "sparse" if self.sparse else "dense"
        return f"Synapses({self.name}, {kind} {self.shape}, exponent {self.exponent})"

    def _check_message(self) -> None:
        bits = self.message_bits
        if self.message_shift is not None:
            self._check_shift(self.message_shift)
        if bits is None:
            return
        if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not 0 <= bits <= LARGEST_MESSAGE:
            raise InputError(
                f"{self.name}: message_bits = {bits!r:.60}, rule: None for any integers, 0 for spikes, or 1 to "
                f"{LARGEST_MESSAGE}"
            )
        object.__setattr__(self, "message_bits", int(bits))

    def _check_shift(self, shift: int) -> None:
        if isinstance(shift, bool) or not isinstance(shift, (int, np.integer)) or not 0 <= shift <= LARGEST_SHIFT:
            raise InputError(f"{self.name}: message_shift = {shift!r:.60}, rule: None, or 0 to {LARGEST_SHIFT}")
        if self.message_bits not in range(1, LARGEST_MESSAGE):
            raise InputError(
                f"{self.name}: message_bits = {self.message_bits!r:.60} with message_shift = {shift}, rule: 1 to "
                f"{LARGEST_MESSAGE - 1} for the numbers of a population"
            )
        if self.exponent < LOWEST_EXPONENT:
            raise InputError(
                f"{self.name}: weight exponent {self.exponent}, rule for the numbers of a population: at least "
                f"{LOWEST_EXPONENT}"
            )
        object.__setattr__(self, "message_shift", int(shift))

    def _check_delays(self) -> None:
        if not isinstance(self.delays, int):
            if self.convolution is not None:
                raise InputError(
                    f"{self.name}: a matrix of delays, rule: one delay for all weights of a convolution; write it out "
                    "with weights.tocsr()"
                )
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
    def sparse(self) -> bool:
        """Whether the weights are CSR."""
        return not isinstance(self.weights, (np.ndarray, Convolution))

    @property
    def convolution(self) -> Convolution | None:
        """The weights, if they are a convolution."""
        return self.weights if isinstance(self.weights, Convolution) else None

    def written_out(self) -> Synapses:
        """Return the connection with a convolution written out as CSR, for whoever reads matrices alone."""
        return self if self.convolution is None else replace(self, weights=self.convolution.tocsr())

    @cached_property
    def magnitudes(self) -> Array:
        """Σ_j |m_ij| (post,), the bias axon apart, int64."""
        weights = self.weights
        if isinstance(weights, Convolution):
            return weights.magnitudes()
        if isinstance(weights, np.ndarray):
            return np.asarray(_magnitudes(weights).sum(axis=1, dtype=np.int64))
        starts, sums = weights.indptr, np.zeros(self.shape[0], np.int64)
        # a row without weights would take the first one of the next row
        rows = np.flatnonzero(np.diff(starts))
        if rows.size:
            sums[rows] = np.add.reduceat(_magnitudes(weights.data), starts[rows], dtype=np.int64)
        return sums

    @cached_property
    def reads(self) -> Array:
        """Whether a weight of a sender is not 0, (pre,) bool; of a convolution all are."""
        weights: Any = self.weights
        if isinstance(weights, Convolution):
            return np.ones(self.shape[1], np.bool_)
        if isinstance(weights, np.ndarray):
            return np.asarray((weights != 0).any(axis=0))
        found = np.zeros(self.shape[1], np.bool_)
        found[weights.indices[weights.data != 0]] = True
        return found

    @property
    def message(self) -> tuple[int, int] | None:
        """Shift and bits of what a population of numbers sends over it, None of spikes and of the input."""
        if self.message_shift is None or self.message_bits is None:
            return None
        return self.message_shift, self.message_bits

    @property
    def half(self) -> int:
        """What a sum of messages gets before a negative exponent floors it, so that it is rounded to nearest; else 0.

        Numbers come in every step, and what floors drop of their sums would add up as if it were a current.
        """
        return 0 if self.message_shift is None or self.exponent >= 0 else 1 << (-self.exponent - 1)

    @property
    def message_range(self) -> tuple[int, int] | None:
        """Smallest and largest message that it takes, None for any."""
        if self.message_bits is None:
            return None
        top = max((1 << self.message_bits) - 1, 1)
        return -top if self.message_bits else 0, top

    def by_delay(self) -> Iterator[tuple[int, WeightMap]]:
        """Yield (delay, its weights), each matrix in the full shape; one pair where the delay is one number."""
        if isinstance(self.delays, int):
            yield self.delays, self.weights
            return
        values = _stored(self.delays)
        for delay in np.unique(values):
            chosen = values == delay
            yield int(delay), _masked(self.weights, chosen)


def check_message(c: Synapses, sends_numbers: bool, messages: set[tuple[int, int] | None]) -> None:
    """Raise InputError unless a connection's messages go with its source, which has `messages` over all of its own."""
    if sends_numbers and c.message is None:
        raise InputError(
            f"connection {c.name}: '{c.source}' sends numbers, rule: what it sends has message_bits and "
            "message_shift; state them, or quantize a float network, which chooses them"
        )
    if not sends_numbers and c.message_shift is not None:
        raise InputError(
            f"connection {c.name}: message_shift = {c.message_shift}, rule: None, as '{c.source}' sends no states"
        )
    if sends_numbers and c.always_on is not None:
        raise InputError(f"connection {c.name}: always_on beside numbers, rule: a connection of its own from '{INPUT}'")
    if sends_numbers and len(messages) > 1:
        raise InputError(
            f"connection {c.name}: '{c.source}' sends messages of (shift, bits) {sorted(map(str, messages))}, rule: "
            "the same ones over all its connections; make a population of each"
        )


def _matrix(name: str, quantity: str, value: Any) -> Weights:
    """Return a copy, read-only: dense, any sparse format as CSR with sorted columns, a convolution as it is.

    Raise InputError for no integers.
    """
    if isinstance(value, Convolution):
        matrix: Any = value.astype(value.dtype)
        _frozen(matrix.kernel)
    elif hasattr(value, "tocsr"):
        from scipy.sparse import csr_array

        # of explicit parts: a matrix of numpy's old kind multiplies differently
        try:
            csr = value.tocsr(copy=True)
            matrix = csr_array((csr.data, csr.indices, csr.indptr), shape=csr.shape)
            matrix.check_format(full_check=True)
        except ValueError as error:
            raise InputError(f"{name}: {quantity}, no sparse matrix: {error}; build it with scipy.sparse") from error
        matrix.sort_indices()
        if not matrix.has_canonical_format:
            if quantity == "delays":
                raise InputError(f"{name}: delays, rule: no entry of the sparse matrix twice")
            matrix = matrix.astype(np.int64)  # so that a sum cannot overflow
            matrix.sum_duplicates()
        for part in (matrix.data, matrix.indices, matrix.indptr):
            _frozen(part)
    else:
        matrix = _frozen(np.array(value))
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind not in "iu":
        raise InputError(
            f"{name}: {quantity} are {matrix.dtype} of shape {matrix.shape}, rule: integers of shape (post, pre), both "
            "positive"
        )
    return cast("Weights", matrix)


def _frozen(array: Array) -> Array:
    array.setflags(write=False)
    return array


def _magnitudes(values: Array) -> Array:
    """Return |values| in the unsigned type of the same width, which holds that of the lowest number too."""
    found = np.abs(values)
    return np.asarray(found.view(f"u{found.itemsize}"))


def _stored(matrix: Any) -> Array:
    """Return the entries of a dense matrix, the stored ones of a sparse one."""
    return matrix if isinstance(matrix, np.ndarray) else np.asarray(matrix.data)


def _same_pattern(a: Any, b: Any) -> bool:
    return np.array_equal(a.indptr, b.indptr) and np.array_equal(a.indices, b.indices)


def _masked(weights: Any, chosen: Array) -> Weights:
    """Return the weights where `chosen` (dense: the shape; CSR: one a stored entry), as CSR."""
    from scipy.sparse import csr_array

    if isinstance(weights, np.ndarray):
        return csr_array(np.where(chosen, weights, 0))
    # a copy, because what drops the zeros works in place
    part = csr_array((np.where(chosen, weights.data, 0), weights.indices, weights.indptr), weights.shape, copy=True)
    part.eliminate_zeros()
    return part


def matrix_arrays(name: str, matrix: Any) -> dict[str, Array]:
    """Return the parts of a matrix, dense, CSR or a convolution's kernel, as a file stores them."""
    if isinstance(matrix, np.ndarray):
        return {name: matrix}
    if isinstance(matrix, Convolution):
        return {f"{name}/kernel": matrix.kernel}
    return {f"{name}/{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}


def check_spikes(c: Synapses, bits: int) -> None:
    """Raise InputError where a message would change several spikes of a step, of which `bits` hold the most."""
    shift, width = c.message or (0, bits)
    if shift or width < bits:
        raise InputError(
            f"connection {c.name}: message_shift = {shift}, message_bits = {width}, rule: 0 and at least {bits}, those "
            f"of the most spikes of a step of '{c.source}'"
        )


def shift_entry(message_shift: int | None) -> dict[str, int]:
    """Return what a file says of the numbers that a population sends, nothing of spikes: older files stay the same."""
    return {} if message_shift is None else {"message_shift": message_shift}


def matrix_entry(matrix: Any) -> dict[str, Any]:
    """Return what a file says of a matrix beside its parts: how a convolution lies, else nothing."""
    return {"convolution": matrix.described()} if isinstance(matrix, Convolution) else {}


def loaded_matrix(
    name: str, shape: list[int], arrays: Mapping[str, Array], convolution: Mapping[str, Any] | None = None
) -> Any:
    """Make a matrix of the parts that `matrix_arrays` gave, a convolution with what `matrix_entry` says of it."""
    if convolution is not None:
        return Convolution.of_description(arrays[f"{name}/kernel"], convolution)
    if name in arrays:
        return arrays[name]
    from scipy.sparse import csr_array

    matrix = csr_array(tuple(arrays[f"{name}/{part}"] for part in ("data", "indices", "indptr")), shape=tuple(shape))
    matrix.check_format(full_check=True)
    return matrix


def loaded_synapses(name: str, entry: dict[str, Any], arrays: dict[str, Array]) -> Synapses:
    """Make a connection from what a file stores of it."""
    delays = entry["delays"]
    return Synapses(
        source=entry["source"],
        target=entry["target"],
        weights=loaded_matrix(f"{name}/weights", entry["shape"], arrays, entry.get("convolution")),
        exponent=entry["exponent"],
        delays=loaded_matrix(f"{name}/delays", entry["shape"], arrays) if delays is None else delays,
        always_on=arrays.get(f"{name}/always_on"),
        current=entry["current"],
        message_bits=entry["message_bits"],
        message_shift=entry.get("message_shift"),
    )
