"""Entries of integer Jacobians as arrays.

A step's Jacobians of all neurons stand in nested tuples of arrays (steps, n) as A, B, C, C', F do: d rows of d arrays,
then four times d. Arrays of entries that are 0 for the model are never touched: `there`, nested likewise, says which
there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.structure import structure
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.unrolling import over_tuples


def present(model_name: str) -> tuple[Any, ...]:
    """Return for each entry of A, B, C, C', F whether the model has it, nested as they are."""
    found = structure(get_model(model_name))
    return found.A, found.B, found.C, found.late, found.F


def entry_arrays(model_name: str, make: Callable[[bool], Any]) -> tuple[Any, ...]:
    """Return `make(whether the model has it)` of every entry, nested as they are."""
    rows, *others = present(model_name)
    return (tuple(tuple(map(make, row)) for row in rows), *(tuple(map(make, row)) for row in others))


@jitable
def write_entry(array: Any, t: Any, i: Any, value: Any, there: Any) -> None:
    """Write array[t, i] = value, where the model has that entry."""
    if there:
        array[t, i] = value


@jitable
def read_entry(array: Any, t: Any, i: Any, there: Any) -> Any:
    """Read array[t, i], 0 where the model does not have that entry."""
    return np.int64(array[t, i]) if there else np.int64(0)


@over_tuples
def write_row(arrays: Any, t: Any, i: Any, row: Any, there: Any) -> None:
    """Write the entries of one row that the model has."""
    for array, value, is_there in zip(arrays, row, there, strict=True):
        write_entry(array, t, i, value, is_there)


@over_tuples
def read_row(arrays: Any, t: Any, i: Any, there: Any) -> Any:
    """Read the entries of one row."""
    return tuple(read_entry(array, t, i, is_there) for array, is_there in zip(arrays, there, strict=True))


@over_tuples
def write_entries(arrays: Any, t: Any, i: Any, A: Any, B: Any, C: Any, late: Any, F: Any, there: Any) -> None:
    """Write the entries of neuron i in step t that the model has."""
    rows, rows_there = arrays[0], there[0]
    for array, row, row_there in zip(rows, A, rows_there, strict=True):
        write_row(array, t, i, row, row_there)
    write_row(arrays[1], t, i, B, there[1])
    write_row(arrays[2], t, i, C, there[2])
    write_row(arrays[3], t, i, late, there[3])
    write_row(arrays[4], t, i, F, there[4])


@over_tuples
def read_entries(arrays: Any, t: Any, i: Any, there: Any) -> Any:
    """Read A, B, C, C', F of neuron i in step t."""
    rows, rows_there = arrays[0], there[0]
    A = tuple(read_row(array, t, i, row_there) for array, row_there in zip(rows, rows_there, strict=True))
    B, C = read_row(arrays[1], t, i, there[1]), read_row(arrays[2], t, i, there[2])
    return A, B, C, read_row(arrays[3], t, i, there[3]), read_row(arrays[4], t, i, there[4])


@over_tuples
def those_there(row: Any, there: Any) -> Any:
    """Return the row with 0 for entries that the model lacks, which the compiler then knows to be 0."""
    return tuple(x * is_there for x, is_there in zip(row, there, strict=True))


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
