"""Entries of integer Jacobians as arrays.

A step's Jacobians of all neurons stand in nested tuples of arrays (steps, n) as A, B, C, C', F do: d rows of d arrays,
then four times d. Arrays of entries that are 0 for the model are never touched: `mask`, nested likewise, says which
it has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.structure import structure
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.unrolling import over_tuples


def present(model_name: str, input_current: int = 0) -> tuple[Any, ...]:
    """Return for each entry of A, B of one input current, C, C', F whether the model has it, nested as they are."""
    pattern = structure(get_model(model_name), input_current)
    return pattern.A, pattern.B, pattern.C, pattern.C_prev, pattern.F


def entry_arrays(model_name: str, make: Callable[[bool], Any], input_current: int = 0) -> tuple[Any, ...]:
    """Return `make(whether the model has it)` of every entry, nested as they are."""
    rows, *others = present(model_name, input_current)
    return (tuple(tuple(map(make, row)) for row in rows), *(tuple(map(make, row)) for row in others))


@jitable
def write_entry(array: Any, t: Any, i: Any, value: Any, has: Any) -> None:
    """Write array[t, i] = value, where the model has that entry."""
    if has:
        array[t, i] = value


@jitable
def read_entry(array: Any, t: Any, i: Any, has: Any) -> Any:
    """Read array[t, i], 0 where the model does not have that entry."""
    return np.int64(array[t, i]) if has else np.int64(0)


@over_tuples
def write_row(arrays: Any, t: Any, i: Any, row: Any, mask: Any) -> None:
    """Write the entries of one row that the model has."""
    for array, value, has in zip(arrays, row, mask, strict=True):
        write_entry(array, t, i, value, has)


@over_tuples
def read_row(arrays: Any, t: Any, i: Any, mask: Any) -> Any:
    """Read the entries of one row."""
    return tuple(read_entry(array, t, i, has) for array, has in zip(arrays, mask, strict=True))


@over_tuples
def write_entries(arrays: Any, t: Any, i: Any, A: Any, B: Any, C: Any, C_prev: Any, F: Any, mask: Any) -> None:
    """Write the entries of neuron i in step t that the model has."""
    rows, mask_rows = arrays[0], mask[0]
    for array, row, row_mask in zip(rows, A, mask_rows, strict=True):
        write_row(array, t, i, row, row_mask)
    write_row(arrays[1], t, i, B, mask[1])
    write_row(arrays[2], t, i, C, mask[2])
    write_row(arrays[3], t, i, C_prev, mask[3])
    write_row(arrays[4], t, i, F, mask[4])


@over_tuples
def read_entries(arrays: Any, t: Any, i: Any, mask: Any) -> Any:
    """Read A, B, C, C', F of neuron i in step t."""
    rows, mask_rows = arrays[0], mask[0]
    A = tuple(read_row(array, t, i, row_mask) for array, row_mask in zip(rows, mask_rows, strict=True))
    B, C = read_row(arrays[1], t, i, mask[1]), read_row(arrays[2], t, i, mask[2])
    return A, B, C, read_row(arrays[3], t, i, mask[3]), read_row(arrays[4], t, i, mask[4])


@over_tuples
def masked_row(row: Any, mask: Any) -> Any:
    """Return the row with 0 for entries that the model lacks, which the compiler then knows to be 0."""
    return tuple(x * has for x, has in zip(row, mask, strict=True))


@over_tuples
def column(rows: Any, i: Any) -> Any:
    """Read (rows[0, i], …) of rows (d, n)."""
    return tuple(row[i] for row in rows)


@over_tuples
def read_jacobian(parts: Any, i: Any) -> Any:
    """Read A, B, C, C', F of neuron i; parts : arrays of A (d, d, n), B, C, C', F (d, n)."""
    matrices = parts[0]
    A = tuple(column(rows, i) for rows in matrices)
    return A, column(parts[1], i), column(parts[2], i), column(parts[3], i), column(parts[4], i)
