"""Arrays of integers as C tables, each in the smallest type that holds it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hypr_neuro.numbers.arrays import Array

BYTES = {"int8_t": 1, "int16_t": 2, "int32_t": 4, "int64_t": 8, "uint8_t": 1, "uint16_t": 2, "uint32_t": 4}
WIDTH = 116


def signed_type(low: int, high: int) -> str:
    """Return the smallest signed type of numbers from low to high; the lowest number of a type is used, too."""
    for bits in (8, 16, 32):
        if -(1 << (bits - 1)) <= low and high < 1 << (bits - 1):
            return f"int{bits}_t"
    return "int64_t"


def unsigned_type(high: int) -> str:
    """Return the smallest unsigned type of numbers from 0 to high."""
    return "uint8_t" if high < 1 << 8 else "uint16_t" if high < 1 << 16 else "uint32_t"


def type_of(values: Array) -> str:
    """Return the smallest signed type of all values; int8_t of none."""
    return signed_type(int(values.min()), int(values.max())) if values.size else "int8_t"


def table(kind: str, name: str, values: Array, keyword: str = "static const") -> str:
    """Define a table of one or two dimensions; C has no empty arrays, so one zero stands for none."""
    array = np.asarray(values)
    if array.size == 0:
        array = np.zeros((1,) * array.ndim, np.int64)
    dimensions = "".join(f"[{n}]" for n in array.shape)
    if array.ndim == 1:
        body = "\n".join(_rows(array.tolist()))
    else:
        body = "\n".join("    {\n" + "\n".join(_rows(row, "        ")) + "\n    }," for row in array.tolist())
    return f"{keyword} {kind} {name}{dimensions} = {{\n{body}\n}};\n"


def number(value: int) -> str:
    """Return a literal of int64_t, or of int where that is enough."""
    if -(1 << 31) < value < 1 << 31:
        return str(value)
    return f"INT64_C({value})" if value >= 0 else f"-INT64_C({-value})"


def _rows(values: list[int], indent: str = "    ") -> Iterator[str]:
    row = indent
    for value in values:
        # the lowest 32-bit number has no literal of its own
        text = f"{number(value)}," if value != -(1 << 31) else "-2147483647 - 1,"
        if len(row) + len(text) > WIDTH:
            yield row.rstrip()
            row = indent
        row += text + " "
    yield row.rstrip()
