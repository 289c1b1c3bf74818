"""Entries of integer Jacobians as arrays, and products with them, written out for 1 to 4 states as in `tuples`.

A step's Jacobians of all neurons stand in d·d + 4d arrays (steps, n): A row by row, B, C, C', F. Arrays of entries
that are 0 for the model are never touched: `has` says which there are.

PUT_ENTRIES[d](arrays, t, i, A, B, C, late, F, has)   write them, those that are there
GET_LANES[d](arrays, t, i, has)                       (A, B, C, late, F) as 32-bit lanes; GET_INTS as 64-bit integers
CLAMP_ENTRIES[d](A, B, C, late, F, top)               clamped to ±top, and how many were
CLAMP[d](t, top)                                      each entry clamped to ±top
DIFFERENT[d](a, b)                                    not 0 if a and b differ in an entry
HIGH[d](x), LOW[d](x)                                 x_j = high_j 2^12 + low_j
TIMES[d](b, x)                                        (b_0 x, …)
ARRIVE[d](B, fe, k, has)                              (round(B_0 2^fe / 2^k), …), 0 where there is none
SCALED[d](x, exponent)                                (round(x_0 2^exponent), …)
NARROW[d](A, high, low, F, eh, el, add, half, rounding, k)
                                                      (round((A_0·x + F_0 e) / 2^k) + add_0, …), all in 32 bits
WIDE[d](A, x, x, F, e, e, add, half, rounding, k)     the same in 64 bits
One line each, on purpose: the formatter is off.
"""

# One function a line keeps them readable as a table.
# ruff: noqa: E501, E702
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hypr_neuro.numbers.fixed_point import shift_nearest, shr, shr_nearest
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.lanes import lane32
from hypr_neuro.numbers.unrolled import DOT

SPLIT = 12
"""Bits of the lower part when a number of 24 bits meets an entry of 18: both products, and sums of four, fit 32 bits."""

dot1, dot2, dot3, dot4 = DOT[1], DOT[2], DOT[3], DOT[4]


@jitable
def put_entry(array: Any, t: Any, i: Any, value: Any, there: Any) -> None:
    """array[t, i] = value, if it is there."""
    if there:
        array[t, i] = value


@jitable
def entry(array: Any, t: Any, i: Any, there: Any) -> Any:
    """array[t, i] as a lane, 0 if it is not there."""
    return lane32(array[t, i]) if there else lane32(0)


@jitable
def int_entry(array: Any, t: Any, i: Any, there: Any) -> Any:
    """array[t, i], 0 if it is not there."""
    return np.int64(array[t, i]) if there else np.int64(0)


@jitable
def narrow(high: Any, low: Any, half: Any, rounding: Any, k: Any) -> Any:
    """⌊(high 2^12 + low + half) / 2^k⌋ of sums of products with both parts."""
    return (high + ((low + half) >> 12)) >> (k - 12)


@jitable
def wide(whole: Any, same: Any, half: Any, rounding: Any, k: Any) -> Any:
    """Sum of products by the rule `rounding`, for numbers that are not split."""
    return shr(whole, k, rounding)


@jitable
def clamp(x: Any, top: Any) -> Any:
    """x clamped to ±top."""
    return min(max(x, -top), top)


# fmt: off
@jitable
def put_entries1(a: Any, t: Any, i: Any, A: Any, B: Any, C: Any, late: Any, F: Any, has: Any) -> None: put_entry(a[0], t, i, A[0][0], has[0]); put_entry(a[1], t, i, B[0], has[1]); put_entry(a[2], t, i, C[0], has[2]); put_entry(a[3], t, i, late[0], has[3]); put_entry(a[4], t, i, F[0], has[4])
@jitable
def put_entries2(a: Any, t: Any, i: Any, A: Any, B: Any, C: Any, late: Any, F: Any, has: Any) -> None: put_entry(a[0], t, i, A[0][0], has[0]); put_entry(a[1], t, i, A[0][1], has[1]); put_entry(a[2], t, i, A[1][0], has[2]); put_entry(a[3], t, i, A[1][1], has[3]); put_entry(a[4], t, i, B[0], has[4]); put_entry(a[5], t, i, B[1], has[5]); put_entry(a[6], t, i, C[0], has[6]); put_entry(a[7], t, i, C[1], has[7]); put_entry(a[8], t, i, late[0], has[8]); put_entry(a[9], t, i, late[1], has[9]); put_entry(a[10], t, i, F[0], has[10]); put_entry(a[11], t, i, F[1], has[11])
@jitable
def put_entries3(a: Any, t: Any, i: Any, A: Any, B: Any, C: Any, late: Any, F: Any, has: Any) -> None: put_entry(a[0], t, i, A[0][0], has[0]); put_entry(a[1], t, i, A[0][1], has[1]); put_entry(a[2], t, i, A[0][2], has[2]); put_entry(a[3], t, i, A[1][0], has[3]); put_entry(a[4], t, i, A[1][1], has[4]); put_entry(a[5], t, i, A[1][2], has[5]); put_entry(a[6], t, i, A[2][0], has[6]); put_entry(a[7], t, i, A[2][1], has[7]); put_entry(a[8], t, i, A[2][2], has[8]); put_entry(a[9], t, i, B[0], has[9]); put_entry(a[10], t, i, B[1], has[10]); put_entry(a[11], t, i, B[2], has[11]); put_entry(a[12], t, i, C[0], has[12]); put_entry(a[13], t, i, C[1], has[13]); put_entry(a[14], t, i, C[2], has[14]); put_entry(a[15], t, i, late[0], has[15]); put_entry(a[16], t, i, late[1], has[16]); put_entry(a[17], t, i, late[2], has[17]); put_entry(a[18], t, i, F[0], has[18]); put_entry(a[19], t, i, F[1], has[19]); put_entry(a[20], t, i, F[2], has[20])
@jitable
def put_entries4(a: Any, t: Any, i: Any, A: Any, B: Any, C: Any, late: Any, F: Any, has: Any) -> None: put_entry(a[0], t, i, A[0][0], has[0]); put_entry(a[1], t, i, A[0][1], has[1]); put_entry(a[2], t, i, A[0][2], has[2]); put_entry(a[3], t, i, A[0][3], has[3]); put_entry(a[4], t, i, A[1][0], has[4]); put_entry(a[5], t, i, A[1][1], has[5]); put_entry(a[6], t, i, A[1][2], has[6]); put_entry(a[7], t, i, A[1][3], has[7]); put_entry(a[8], t, i, A[2][0], has[8]); put_entry(a[9], t, i, A[2][1], has[9]); put_entry(a[10], t, i, A[2][2], has[10]); put_entry(a[11], t, i, A[2][3], has[11]); put_entry(a[12], t, i, A[3][0], has[12]); put_entry(a[13], t, i, A[3][1], has[13]); put_entry(a[14], t, i, A[3][2], has[14]); put_entry(a[15], t, i, A[3][3], has[15]); put_entry(a[16], t, i, B[0], has[16]); put_entry(a[17], t, i, B[1], has[17]); put_entry(a[18], t, i, B[2], has[18]); put_entry(a[19], t, i, B[3], has[19]); put_entry(a[20], t, i, C[0], has[20]); put_entry(a[21], t, i, C[1], has[21]); put_entry(a[22], t, i, C[2], has[22]); put_entry(a[23], t, i, C[3], has[23]); put_entry(a[24], t, i, late[0], has[24]); put_entry(a[25], t, i, late[1], has[25]); put_entry(a[26], t, i, late[2], has[26]); put_entry(a[27], t, i, late[3], has[27]); put_entry(a[28], t, i, F[0], has[28]); put_entry(a[29], t, i, F[1], has[29]); put_entry(a[30], t, i, F[2], has[30]); put_entry(a[31], t, i, F[3], has[31])
@jitable
def get_lanes1(a: Any, t: Any, i: Any, has: Any) -> Any: return ((entry(a[0], t, i, has[0]),),), (entry(a[1], t, i, has[1]),), (entry(a[2], t, i, has[2]),), (entry(a[3], t, i, has[3]),), (entry(a[4], t, i, has[4]),)
@jitable
def get_lanes2(a: Any, t: Any, i: Any, has: Any) -> Any: return ((entry(a[0], t, i, has[0]), entry(a[1], t, i, has[1]),), (entry(a[2], t, i, has[2]), entry(a[3], t, i, has[3]),),), (entry(a[4], t, i, has[4]), entry(a[5], t, i, has[5]),), (entry(a[6], t, i, has[6]), entry(a[7], t, i, has[7]),), (entry(a[8], t, i, has[8]), entry(a[9], t, i, has[9]),), (entry(a[10], t, i, has[10]), entry(a[11], t, i, has[11]),)
@jitable
def get_lanes3(a: Any, t: Any, i: Any, has: Any) -> Any: return ((entry(a[0], t, i, has[0]), entry(a[1], t, i, has[1]), entry(a[2], t, i, has[2]),), (entry(a[3], t, i, has[3]), entry(a[4], t, i, has[4]), entry(a[5], t, i, has[5]),), (entry(a[6], t, i, has[6]), entry(a[7], t, i, has[7]), entry(a[8], t, i, has[8]),),), (entry(a[9], t, i, has[9]), entry(a[10], t, i, has[10]), entry(a[11], t, i, has[11]),), (entry(a[12], t, i, has[12]), entry(a[13], t, i, has[13]), entry(a[14], t, i, has[14]),), (entry(a[15], t, i, has[15]), entry(a[16], t, i, has[16]), entry(a[17], t, i, has[17]),), (entry(a[18], t, i, has[18]), entry(a[19], t, i, has[19]), entry(a[20], t, i, has[20]),)
@jitable
def get_lanes4(a: Any, t: Any, i: Any, has: Any) -> Any: return ((entry(a[0], t, i, has[0]), entry(a[1], t, i, has[1]), entry(a[2], t, i, has[2]), entry(a[3], t, i, has[3]),), (entry(a[4], t, i, has[4]), entry(a[5], t, i, has[5]), entry(a[6], t, i, has[6]), entry(a[7], t, i, has[7]),), (entry(a[8], t, i, has[8]), entry(a[9], t, i, has[9]), entry(a[10], t, i, has[10]), entry(a[11], t, i, has[11]),), (entry(a[12], t, i, has[12]), entry(a[13], t, i, has[13]), entry(a[14], t, i, has[14]), entry(a[15], t, i, has[15]),),), (entry(a[16], t, i, has[16]), entry(a[17], t, i, has[17]), entry(a[18], t, i, has[18]), entry(a[19], t, i, has[19]),), (entry(a[20], t, i, has[20]), entry(a[21], t, i, has[21]), entry(a[22], t, i, has[22]), entry(a[23], t, i, has[23]),), (entry(a[24], t, i, has[24]), entry(a[25], t, i, has[25]), entry(a[26], t, i, has[26]), entry(a[27], t, i, has[27]),), (entry(a[28], t, i, has[28]), entry(a[29], t, i, has[29]), entry(a[30], t, i, has[30]), entry(a[31], t, i, has[31]),)
@jitable
def get_ints1(a: Any, t: Any, i: Any, has: Any) -> Any: return ((int_entry(a[0], t, i, has[0]),),), (int_entry(a[1], t, i, has[1]),), (int_entry(a[2], t, i, has[2]),), (int_entry(a[3], t, i, has[3]),), (int_entry(a[4], t, i, has[4]),)
@jitable
def get_ints2(a: Any, t: Any, i: Any, has: Any) -> Any: return ((int_entry(a[0], t, i, has[0]), int_entry(a[1], t, i, has[1]),), (int_entry(a[2], t, i, has[2]), int_entry(a[3], t, i, has[3]),),), (int_entry(a[4], t, i, has[4]), int_entry(a[5], t, i, has[5]),), (int_entry(a[6], t, i, has[6]), int_entry(a[7], t, i, has[7]),), (int_entry(a[8], t, i, has[8]), int_entry(a[9], t, i, has[9]),), (int_entry(a[10], t, i, has[10]), int_entry(a[11], t, i, has[11]),)
@jitable
def get_ints3(a: Any, t: Any, i: Any, has: Any) -> Any: return ((int_entry(a[0], t, i, has[0]), int_entry(a[1], t, i, has[1]), int_entry(a[2], t, i, has[2]),), (int_entry(a[3], t, i, has[3]), int_entry(a[4], t, i, has[4]), int_entry(a[5], t, i, has[5]),), (int_entry(a[6], t, i, has[6]), int_entry(a[7], t, i, has[7]), int_entry(a[8], t, i, has[8]),),), (int_entry(a[9], t, i, has[9]), int_entry(a[10], t, i, has[10]), int_entry(a[11], t, i, has[11]),), (int_entry(a[12], t, i, has[12]), int_entry(a[13], t, i, has[13]), int_entry(a[14], t, i, has[14]),), (int_entry(a[15], t, i, has[15]), int_entry(a[16], t, i, has[16]), int_entry(a[17], t, i, has[17]),), (int_entry(a[18], t, i, has[18]), int_entry(a[19], t, i, has[19]), int_entry(a[20], t, i, has[20]),)
@jitable
def get_ints4(a: Any, t: Any, i: Any, has: Any) -> Any: return ((int_entry(a[0], t, i, has[0]), int_entry(a[1], t, i, has[1]), int_entry(a[2], t, i, has[2]), int_entry(a[3], t, i, has[3]),), (int_entry(a[4], t, i, has[4]), int_entry(a[5], t, i, has[5]), int_entry(a[6], t, i, has[6]), int_entry(a[7], t, i, has[7]),), (int_entry(a[8], t, i, has[8]), int_entry(a[9], t, i, has[9]), int_entry(a[10], t, i, has[10]), int_entry(a[11], t, i, has[11]),), (int_entry(a[12], t, i, has[12]), int_entry(a[13], t, i, has[13]), int_entry(a[14], t, i, has[14]), int_entry(a[15], t, i, has[15]),),), (int_entry(a[16], t, i, has[16]), int_entry(a[17], t, i, has[17]), int_entry(a[18], t, i, has[18]), int_entry(a[19], t, i, has[19]),), (int_entry(a[20], t, i, has[20]), int_entry(a[21], t, i, has[21]), int_entry(a[22], t, i, has[22]), int_entry(a[23], t, i, has[23]),), (int_entry(a[24], t, i, has[24]), int_entry(a[25], t, i, has[25]), int_entry(a[26], t, i, has[26]), int_entry(a[27], t, i, has[27]),), (int_entry(a[28], t, i, has[28]), int_entry(a[29], t, i, has[29]), int_entry(a[30], t, i, has[30]), int_entry(a[31], t, i, has[31]),)
@jitable
def clamp_entries1(A: Any, B: Any, C: Any, late: Any, F: Any, top: Any) -> Any: return ((clamp(A[0][0], top),),), (clamp(B[0], top),), (clamp(C[0], top),), (clamp(late[0], top),), (clamp(F[0], top),), 1 * (abs(A[0][0]) > top) + 1 * (abs(B[0]) > top) + 1 * (abs(C[0]) > top) + 1 * (abs(late[0]) > top) + 1 * (abs(F[0]) > top)
@jitable
def clamp_entries2(A: Any, B: Any, C: Any, late: Any, F: Any, top: Any) -> Any: return ((clamp(A[0][0], top), clamp(A[0][1], top)), (clamp(A[1][0], top), clamp(A[1][1], top))), (clamp(B[0], top), clamp(B[1], top)), (clamp(C[0], top), clamp(C[1], top)), (clamp(late[0], top), clamp(late[1], top)), (clamp(F[0], top), clamp(F[1], top)), 1 * (abs(A[0][0]) > top) + 1 * (abs(A[0][1]) > top) + 1 * (abs(A[1][0]) > top) + 1 * (abs(A[1][1]) > top) + 1 * (abs(B[0]) > top) + 1 * (abs(B[1]) > top) + 1 * (abs(C[0]) > top) + 1 * (abs(C[1]) > top) + 1 * (abs(late[0]) > top) + 1 * (abs(late[1]) > top) + 1 * (abs(F[0]) > top) + 1 * (abs(F[1]) > top)
@jitable
def clamp_entries3(A: Any, B: Any, C: Any, late: Any, F: Any, top: Any) -> Any: return ((clamp(A[0][0], top), clamp(A[0][1], top), clamp(A[0][2], top)), (clamp(A[1][0], top), clamp(A[1][1], top), clamp(A[1][2], top)), (clamp(A[2][0], top), clamp(A[2][1], top), clamp(A[2][2], top))), (clamp(B[0], top), clamp(B[1], top), clamp(B[2], top)), (clamp(C[0], top), clamp(C[1], top), clamp(C[2], top)), (clamp(late[0], top), clamp(late[1], top), clamp(late[2], top)), (clamp(F[0], top), clamp(F[1], top), clamp(F[2], top)), 1 * (abs(A[0][0]) > top) + 1 * (abs(A[0][1]) > top) + 1 * (abs(A[0][2]) > top) + 1 * (abs(A[1][0]) > top) + 1 * (abs(A[1][1]) > top) + 1 * (abs(A[1][2]) > top) + 1 * (abs(A[2][0]) > top) + 1 * (abs(A[2][1]) > top) + 1 * (abs(A[2][2]) > top) + 1 * (abs(B[0]) > top) + 1 * (abs(B[1]) > top) + 1 * (abs(B[2]) > top) + 1 * (abs(C[0]) > top) + 1 * (abs(C[1]) > top) + 1 * (abs(C[2]) > top) + 1 * (abs(late[0]) > top) + 1 * (abs(late[1]) > top) + 1 * (abs(late[2]) > top) + 1 * (abs(F[0]) > top) + 1 * (abs(F[1]) > top) + 1 * (abs(F[2]) > top)
@jitable
def clamp_entries4(A: Any, B: Any, C: Any, late: Any, F: Any, top: Any) -> Any: return ((clamp(A[0][0], top), clamp(A[0][1], top), clamp(A[0][2], top), clamp(A[0][3], top)), (clamp(A[1][0], top), clamp(A[1][1], top), clamp(A[1][2], top), clamp(A[1][3], top)), (clamp(A[2][0], top), clamp(A[2][1], top), clamp(A[2][2], top), clamp(A[2][3], top)), (clamp(A[3][0], top), clamp(A[3][1], top), clamp(A[3][2], top), clamp(A[3][3], top))), (clamp(B[0], top), clamp(B[1], top), clamp(B[2], top), clamp(B[3], top)), (clamp(C[0], top), clamp(C[1], top), clamp(C[2], top), clamp(C[3], top)), (clamp(late[0], top), clamp(late[1], top), clamp(late[2], top), clamp(late[3], top)), (clamp(F[0], top), clamp(F[1], top), clamp(F[2], top), clamp(F[3], top)), 1 * (abs(A[0][0]) > top) + 1 * (abs(A[0][1]) > top) + 1 * (abs(A[0][2]) > top) + 1 * (abs(A[0][3]) > top) + 1 * (abs(A[1][0]) > top) + 1 * (abs(A[1][1]) > top) + 1 * (abs(A[1][2]) > top) + 1 * (abs(A[1][3]) > top) + 1 * (abs(A[2][0]) > top) + 1 * (abs(A[2][1]) > top) + 1 * (abs(A[2][2]) > top) + 1 * (abs(A[2][3]) > top) + 1 * (abs(A[3][0]) > top) + 1 * (abs(A[3][1]) > top) + 1 * (abs(A[3][2]) > top) + 1 * (abs(A[3][3]) > top) + 1 * (abs(B[0]) > top) + 1 * (abs(B[1]) > top) + 1 * (abs(B[2]) > top) + 1 * (abs(B[3]) > top) + 1 * (abs(C[0]) > top) + 1 * (abs(C[1]) > top) + 1 * (abs(C[2]) > top) + 1 * (abs(C[3]) > top) + 1 * (abs(late[0]) > top) + 1 * (abs(late[1]) > top) + 1 * (abs(late[2]) > top) + 1 * (abs(late[3]) > top) + 1 * (abs(F[0]) > top) + 1 * (abs(F[1]) > top) + 1 * (abs(F[2]) > top) + 1 * (abs(F[3]) > top)
@jitable
def clamp1(t: Any, top: Any) -> Any: return (clamp(t[0], top),)
@jitable
def clamp2(t: Any, top: Any) -> Any: return (clamp(t[0], top), clamp(t[1], top))
@jitable
def clamp3(t: Any, top: Any) -> Any: return (clamp(t[0], top), clamp(t[1], top), clamp(t[2], top))
@jitable
def clamp4(t: Any, top: Any) -> Any: return (clamp(t[0], top), clamp(t[1], top), clamp(t[2], top), clamp(t[3], top))
@jitable
def different1(a: Any, b: Any) -> Any: return (a[0] ^ b[0])
@jitable
def different2(a: Any, b: Any) -> Any: return (a[0] ^ b[0]) | (a[1] ^ b[1])
@jitable
def different3(a: Any, b: Any) -> Any: return (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2])
@jitable
def different4(a: Any, b: Any) -> Any: return (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])
@jitable
def high1(x: Any) -> Any: return (x[0] >> 12,)
@jitable
def high2(x: Any) -> Any: return (x[0] >> 12, x[1] >> 12)
@jitable
def high3(x: Any) -> Any: return (x[0] >> 12, x[1] >> 12, x[2] >> 12)
@jitable
def high4(x: Any) -> Any: return (x[0] >> 12, x[1] >> 12, x[2] >> 12, x[3] >> 12)
@jitable
def low1(x: Any) -> Any: return (x[0] & 4095,)
@jitable
def low2(x: Any) -> Any: return (x[0] & 4095, x[1] & 4095)
@jitable
def low3(x: Any) -> Any: return (x[0] & 4095, x[1] & 4095, x[2] & 4095)
@jitable
def low4(x: Any) -> Any: return (x[0] & 4095, x[1] & 4095, x[2] & 4095, x[3] & 4095)
@jitable
def times1(b: Any, x: Any) -> Any: return (b[0] * x,)
@jitable
def times2(b: Any, x: Any) -> Any: return (b[0] * x, b[1] * x)
@jitable
def times3(b: Any, x: Any) -> Any: return (b[0] * x, b[1] * x, b[2] * x)
@jitable
def times4(b: Any, x: Any) -> Any: return (b[0] * x, b[1] * x, b[2] * x, b[3] * x)
@jitable
def arrive1(B: Any, fe: Any, k: Any, has: Any) -> Any: return (shr_nearest(B[0] << fe, k) * has[1],)
@jitable
def arrive2(B: Any, fe: Any, k: Any, has: Any) -> Any: return (shr_nearest(B[0] << fe, k) * has[4], shr_nearest(B[1] << fe, k) * has[5])
@jitable
def arrive3(B: Any, fe: Any, k: Any, has: Any) -> Any: return (shr_nearest(B[0] << fe, k) * has[9], shr_nearest(B[1] << fe, k) * has[10], shr_nearest(B[2] << fe, k) * has[11])
@jitable
def arrive4(B: Any, fe: Any, k: Any, has: Any) -> Any: return (shr_nearest(B[0] << fe, k) * has[16], shr_nearest(B[1] << fe, k) * has[17], shr_nearest(B[2] << fe, k) * has[18], shr_nearest(B[3] << fe, k) * has[19])
@jitable
def scaled1(x: Any, exponent: Any) -> Any: return (shift_nearest(x[0], exponent),)
@jitable
def scaled2(x: Any, exponent: Any) -> Any: return (shift_nearest(x[0], exponent), shift_nearest(x[1], exponent))
@jitable
def scaled3(x: Any, exponent: Any) -> Any: return (shift_nearest(x[0], exponent), shift_nearest(x[1], exponent), shift_nearest(x[2], exponent))
@jitable
def scaled4(x: Any, exponent: Any) -> Any: return (shift_nearest(x[0], exponent), shift_nearest(x[1], exponent), shift_nearest(x[2], exponent), shift_nearest(x[3], exponent))
@jitable
def narrow1(A: Any, h: Any, l: Any, F: Any, eh: Any, el: Any, add: Any, half: Any, rounding: Any, k: Any) -> Any: return (narrow(dot1(A[0], h) + F[0] * eh, dot1(A[0], l) + F[0] * el, half, rounding, k) + add[0],)
@jitable
def narrow2(A: Any, h: Any, l: Any, F: Any, eh: Any, el: Any, add: Any, half: Any, rounding: Any, k: Any) -> Any: return (narrow(dot2(A[0], h) + F[0] * eh, dot2(A[0], l) + F[0] * el, half, rounding, k) + add[0], narrow(dot2(A[1], h) + F[1] * eh, dot2(A[1], l) + F[1] * el, half, rounding, k) + add[1])
@jitable
def narrow3(A: Any, h: Any, l: Any, F: Any, eh: Any, el: Any, add: Any, half: Any, rounding: Any, k: Any) -> Any: return (narrow(dot3(A[0], h) + F[0] * eh, dot3(A[0], l) + F[0] * el, half, rounding, k) + add[0], narrow(dot3(A[1], h) + F[1] * eh, dot3(A[1], l) + F[1] * el, half, rounding, k) + add[1], narrow(dot3(A[2], h) + F[2] * eh, dot3(A[2], l) + F[2] * el, half, rounding, k) + add[2])
@jitable
def narrow4(A: Any, h: Any, l: Any, F: Any, eh: Any, el: Any, add: Any, half: Any, rounding: Any, k: Any) -> Any: return (narrow(dot4(A[0], h) + F[0] * eh, dot4(A[0], l) + F[0] * el, half, rounding, k) + add[0], narrow(dot4(A[1], h) + F[1] * eh, dot4(A[1], l) + F[1] * el, half, rounding, k) + add[1], narrow(dot4(A[2], h) + F[2] * eh, dot4(A[2], l) + F[2] * el, half, rounding, k) + add[2], narrow(dot4(A[3], h) + F[3] * eh, dot4(A[3], l) + F[3] * el, half, rounding, k) + add[3])
@jitable
def wide1(A: Any, x: Any, same: Any, F: Any, e: Any, same_e: Any, add: Any, half: Any, rounding: Any, k: Any) -> Any: return (wide(dot1(A[0], x) + F[0] * e, 0, half, rounding, k) + add[0],)
@jitable
def wide2(A: Any, x: Any, same: Any, F: Any, e: Any, same_e: Any, add: Any, half: Any, rounding: Any, k: Any) -> Any: return (wide(dot2(A[0], x) + F[0] * e, 0, half, rounding, k) + add[0], wide(dot2(A[1], x) + F[1] * e, 0, half, rounding, k) + add[1])
@jitable
def wide3(A: Any, x: Any, same: Any, F: Any, e: Any, same_e: Any, add: Any, half: Any, rounding: Any, k: Any) -> Any: return (wide(dot3(A[0], x) + F[0] * e, 0, half, rounding, k) + add[0], wide(dot3(A[1], x) + F[1] * e, 0, half, rounding, k) + add[1], wide(dot3(A[2], x) + F[2] * e, 0, half, rounding, k) + add[2])
@jitable
def wide4(A: Any, x: Any, same: Any, F: Any, e: Any, same_e: Any, add: Any, half: Any, rounding: Any, k: Any) -> Any: return (wide(dot4(A[0], x) + F[0] * e, 0, half, rounding, k) + add[0], wide(dot4(A[1], x) + F[1] * e, 0, half, rounding, k) + add[1], wide(dot4(A[2], x) + F[2] * e, 0, half, rounding, k) + add[2], wide(dot4(A[3], x) + F[3] * e, 0, half, rounding, k) + add[3])

_Table = dict[int, Callable[..., Any]]
PUT_ENTRIES: _Table = {1: put_entries1, 2: put_entries2, 3: put_entries3, 4: put_entries4}
GET_LANES: _Table = {1: get_lanes1, 2: get_lanes2, 3: get_lanes3, 4: get_lanes4}
GET_INTS: _Table = {1: get_ints1, 2: get_ints2, 3: get_ints3, 4: get_ints4}
CLAMP_ENTRIES: _Table = {1: clamp_entries1, 2: clamp_entries2, 3: clamp_entries3, 4: clamp_entries4}
CLAMP: _Table = {1: clamp1, 2: clamp2, 3: clamp3, 4: clamp4}
DIFFERENT: _Table = {1: different1, 2: different2, 3: different3, 4: different4}
HIGH: _Table = {1: high1, 2: high2, 3: high3, 4: high4}
LOW: _Table = {1: low1, 2: low2, 3: low3, 4: low4}
TIMES: _Table = {1: times1, 2: times2, 3: times3, 4: times4}
ARRIVE: _Table = {1: arrive1, 2: arrive2, 3: arrive3, 4: arrive4}
SCALED: _Table = {1: scaled1, 2: scaled2, 3: scaled3, 4: scaled4}
NARROW: _Table = {1: narrow1, 2: narrow2, 3: narrow3, 4: narrow4}
WIDE: _Table = {1: wide1, 2: wide2, 3: wide3, 4: wide4}
