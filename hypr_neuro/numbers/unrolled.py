"""Small tuples: columns of 2-D arrays, dot products, written out so that the compiler keeps them in registers.

numba's own conversion (`to_fixed_tuple`) and dynamic tuple indices go through memory and stop vectorisation: five
times slower here. d is the number of states, m the number of parameters.

LOAD[k](a, i)       (a[0, i], …, a[k-1, i])
PICK[k](arrays, i)  (arrays[0][i], …), of a tuple of 1-D arrays; PUT[k] writes the tuple t back
HEAD[k](c)          (c[0], …, c[k-1])
STORE[k](a, i, t)   write the tuple t back; ADD[k] adds it
FLUSH[d](s)         s with 0 for entries below 1e-30: silent neurons would decay into denormal floats, which are slow
DOT[d](a, b)        Σ a_j b_j
MAD[d](a, b, g)     (a_0 + b_0 g, …)
MATT[d](A, r)       Aᵀ r.
ROWS[m](P, r, E, g) (P_0·r + E_0 g, …), each P_q of length d; keyed (m, d)
One line each, on purpose: the formatter is off.
"""

# One function a line, long or with two statements, keeps 110 of them readable as a table.
# ruff: noqa: E501, E702
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypr_neuro.numbers.jit import jitable

# fmt: off

def load1(a: Any, i: int) -> Any: return (a[0, i],)
def load2(a: Any, i: int) -> Any: return (a[0, i], a[1, i],)
def load3(a: Any, i: int) -> Any: return (a[0, i], a[1, i], a[2, i],)
def load4(a: Any, i: int) -> Any: return (a[0, i], a[1, i], a[2, i], a[3, i],)
def load5(a: Any, i: int) -> Any: return (a[0, i], a[1, i], a[2, i], a[3, i], a[4, i],)
def load6(a: Any, i: int) -> Any: return (a[0, i], a[1, i], a[2, i], a[3, i], a[4, i], a[5, i],)
def load7(a: Any, i: int) -> Any: return (a[0, i], a[1, i], a[2, i], a[3, i], a[4, i], a[5, i], a[6, i],)
def load8(a: Any, i: int) -> Any: return (a[0, i], a[1, i], a[2, i], a[3, i], a[4, i], a[5, i], a[6, i], a[7, i],)
def load9(a: Any, i: int) -> Any: return (a[0, i], a[1, i], a[2, i], a[3, i], a[4, i], a[5, i], a[6, i], a[7, i], a[8, i],)
def load10(a: Any, i: int) -> Any: return (a[0, i], a[1, i], a[2, i], a[3, i], a[4, i], a[5, i], a[6, i], a[7, i], a[8, i], a[9, i],)
def load11(a: Any, i: int) -> Any: return (a[0, i], a[1, i], a[2, i], a[3, i], a[4, i], a[5, i], a[6, i], a[7, i], a[8, i], a[9, i], a[10, i],)
def load12(a: Any, i: int) -> Any: return (a[0, i], a[1, i], a[2, i], a[3, i], a[4, i], a[5, i], a[6, i], a[7, i], a[8, i], a[9, i], a[10, i], a[11, i],)
def load13(a: Any, i: int) -> Any: return (a[0, i], a[1, i], a[2, i], a[3, i], a[4, i], a[5, i], a[6, i], a[7, i], a[8, i], a[9, i], a[10, i], a[11, i], a[12, i],)
def load14(a: Any, i: int) -> Any: return (a[0, i], a[1, i], a[2, i], a[3, i], a[4, i], a[5, i], a[6, i], a[7, i], a[8, i], a[9, i], a[10, i], a[11, i], a[12, i], a[13, i],)
def pick1(a: Any, i: int) -> Any: return (a[0][i],)
def pick2(a: Any, i: int) -> Any: return (a[0][i], a[1][i],)
def pick3(a: Any, i: int) -> Any: return (a[0][i], a[1][i], a[2][i],)
def pick4(a: Any, i: int) -> Any: return (a[0][i], a[1][i], a[2][i], a[3][i],)
def put1(a: Any, i: int, t: Any) -> None: a[0][i] = t[0]
def put2(a: Any, i: int, t: Any) -> None: a[0][i] = t[0]; a[1][i] = t[1]
def put3(a: Any, i: int, t: Any) -> None: a[0][i] = t[0]; a[1][i] = t[1]; a[2][i] = t[2]
def put4(a: Any, i: int, t: Any) -> None: a[0][i] = t[0]; a[1][i] = t[1]; a[2][i] = t[2]; a[3][i] = t[3]
def head1(c: Any) -> Any: return (c[0],)
def head2(c: Any) -> Any: return (c[0], c[1],)
def head3(c: Any) -> Any: return (c[0], c[1], c[2],)
def head4(c: Any) -> Any: return (c[0], c[1], c[2], c[3],)
def head5(c: Any) -> Any: return (c[0], c[1], c[2], c[3], c[4],)
def head6(c: Any) -> Any: return (c[0], c[1], c[2], c[3], c[4], c[5],)
def head7(c: Any) -> Any: return (c[0], c[1], c[2], c[3], c[4], c[5], c[6],)
def head8(c: Any) -> Any: return (c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7],)
def head9(c: Any) -> Any: return (c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8],)
def head10(c: Any) -> Any: return (c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9],)
def head11(c: Any) -> Any: return (c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10],)
def head12(c: Any) -> Any: return (c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11],)
def head13(c: Any) -> Any: return (c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11], c[12],)
def head14(c: Any) -> Any: return (c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11], c[12], c[13],)
def store1(a: Any, i: int, t: Any) -> None: a[0, i] = t[0]
def store2(a: Any, i: int, t: Any) -> None: a[0, i] = t[0]; a[1, i] = t[1]
def store3(a: Any, i: int, t: Any) -> None: a[0, i] = t[0]; a[1, i] = t[1]; a[2, i] = t[2]
def store4(a: Any, i: int, t: Any) -> None: a[0, i] = t[0]; a[1, i] = t[1]; a[2, i] = t[2]; a[3, i] = t[3]
def flush(x: Any) -> Any: return 0.0 if abs(x) < 1e-30 else x
def flush1(s: Any) -> Any: return (flush(s[0]),)
def flush2(s: Any) -> Any: return (flush(s[0]), flush(s[1]),)
def flush3(s: Any) -> Any: return (flush(s[0]), flush(s[1]), flush(s[2]),)
def flush4(s: Any) -> Any: return (flush(s[0]), flush(s[1]), flush(s[2]), flush(s[3]),)
def add1(a: Any, i: int, t: Any) -> None: a[0, i] += t[0]
def add2(a: Any, i: int, t: Any) -> None: a[0, i] += t[0]; a[1, i] += t[1]
def add3(a: Any, i: int, t: Any) -> None: a[0, i] += t[0]; a[1, i] += t[1]; a[2, i] += t[2]
def add4(a: Any, i: int, t: Any) -> None: a[0, i] += t[0]; a[1, i] += t[1]; a[2, i] += t[2]; a[3, i] += t[3]
def add5(a: Any, i: int, t: Any) -> None: a[0, i] += t[0]; a[1, i] += t[1]; a[2, i] += t[2]; a[3, i] += t[3]; a[4, i] += t[4]
def add6(a: Any, i: int, t: Any) -> None: a[0, i] += t[0]; a[1, i] += t[1]; a[2, i] += t[2]; a[3, i] += t[3]; a[4, i] += t[4]; a[5, i] += t[5]
def dot1(a: Any, b: Any) -> Any: return a[0] * b[0]
def dot2(a: Any, b: Any) -> Any: return a[0] * b[0] + a[1] * b[1]
def dot3(a: Any, b: Any) -> Any: return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
def dot4(a: Any, b: Any) -> Any: return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
def mad1(a: Any, b: Any, g: Any) -> Any: return (a[0] + b[0] * g,)
def mad2(a: Any, b: Any, g: Any) -> Any: return (a[0] + b[0] * g, a[1] + b[1] * g,)
def mad3(a: Any, b: Any, g: Any) -> Any: return (a[0] + b[0] * g, a[1] + b[1] * g, a[2] + b[2] * g,)
def mad4(a: Any, b: Any, g: Any) -> Any: return (a[0] + b[0] * g, a[1] + b[1] * g, a[2] + b[2] * g, a[3] + b[3] * g,)
def matt1(a: Any, r: Any) -> Any: return (a[0][0] * r[0],)
def matt2(a: Any, r: Any) -> Any: return (a[0][0] * r[0] + a[1][0] * r[1], a[0][1] * r[0] + a[1][1] * r[1],)
def matt3(a: Any, r: Any) -> Any: return (a[0][0] * r[0] + a[1][0] * r[1] + a[2][0] * r[2], a[0][1] * r[0] + a[1][1] * r[1] + a[2][1] * r[2], a[0][2] * r[0] + a[1][2] * r[1] + a[2][2] * r[2],)
def matt4(a: Any, r: Any) -> Any: return (a[0][0] * r[0] + a[1][0] * r[1] + a[2][0] * r[2] + a[3][0] * r[3], a[0][1] * r[0] + a[1][1] * r[1] + a[2][1] * r[2] + a[3][1] * r[3], a[0][2] * r[0] + a[1][2] * r[1] + a[2][2] * r[2] + a[3][2] * r[3], a[0][3] * r[0] + a[1][3] * r[1] + a[2][3] * r[2] + a[3][3] * r[3],)
def rows1x1(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot1(p[0], r) + e[0] * g,)
def rows1x2(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot2(p[0], r) + e[0] * g,)
def rows1x3(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot3(p[0], r) + e[0] * g,)
def rows1x4(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot4(p[0], r) + e[0] * g,)
def rows2x1(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot1(p[0], r) + e[0] * g, dot1(p[1], r) + e[1] * g,)
def rows2x2(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot2(p[0], r) + e[0] * g, dot2(p[1], r) + e[1] * g,)
def rows2x3(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot3(p[0], r) + e[0] * g, dot3(p[1], r) + e[1] * g,)
def rows2x4(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot4(p[0], r) + e[0] * g, dot4(p[1], r) + e[1] * g,)
def rows3x1(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot1(p[0], r) + e[0] * g, dot1(p[1], r) + e[1] * g, dot1(p[2], r) + e[2] * g,)
def rows3x2(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot2(p[0], r) + e[0] * g, dot2(p[1], r) + e[1] * g, dot2(p[2], r) + e[2] * g,)
def rows3x3(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot3(p[0], r) + e[0] * g, dot3(p[1], r) + e[1] * g, dot3(p[2], r) + e[2] * g,)
def rows3x4(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot4(p[0], r) + e[0] * g, dot4(p[1], r) + e[1] * g, dot4(p[2], r) + e[2] * g,)
def rows4x1(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot1(p[0], r) + e[0] * g, dot1(p[1], r) + e[1] * g, dot1(p[2], r) + e[2] * g, dot1(p[3], r) + e[3] * g,)
def rows4x2(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot2(p[0], r) + e[0] * g, dot2(p[1], r) + e[1] * g, dot2(p[2], r) + e[2] * g, dot2(p[3], r) + e[3] * g,)
def rows4x3(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot3(p[0], r) + e[0] * g, dot3(p[1], r) + e[1] * g, dot3(p[2], r) + e[2] * g, dot3(p[3], r) + e[3] * g,)
def rows4x4(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot4(p[0], r) + e[0] * g, dot4(p[1], r) + e[1] * g, dot4(p[2], r) + e[2] * g, dot4(p[3], r) + e[3] * g,)
def rows5x1(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot1(p[0], r) + e[0] * g, dot1(p[1], r) + e[1] * g, dot1(p[2], r) + e[2] * g, dot1(p[3], r) + e[3] * g, dot1(p[4], r) + e[4] * g,)
def rows5x2(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot2(p[0], r) + e[0] * g, dot2(p[1], r) + e[1] * g, dot2(p[2], r) + e[2] * g, dot2(p[3], r) + e[3] * g, dot2(p[4], r) + e[4] * g,)
def rows5x3(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot3(p[0], r) + e[0] * g, dot3(p[1], r) + e[1] * g, dot3(p[2], r) + e[2] * g, dot3(p[3], r) + e[3] * g, dot3(p[4], r) + e[4] * g,)
def rows5x4(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot4(p[0], r) + e[0] * g, dot4(p[1], r) + e[1] * g, dot4(p[2], r) + e[2] * g, dot4(p[3], r) + e[3] * g, dot4(p[4], r) + e[4] * g,)
def rows6x1(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot1(p[0], r) + e[0] * g, dot1(p[1], r) + e[1] * g, dot1(p[2], r) + e[2] * g, dot1(p[3], r) + e[3] * g, dot1(p[4], r) + e[4] * g, dot1(p[5], r) + e[5] * g,)
def rows6x2(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot2(p[0], r) + e[0] * g, dot2(p[1], r) + e[1] * g, dot2(p[2], r) + e[2] * g, dot2(p[3], r) + e[3] * g, dot2(p[4], r) + e[4] * g, dot2(p[5], r) + e[5] * g,)
def rows6x3(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot3(p[0], r) + e[0] * g, dot3(p[1], r) + e[1] * g, dot3(p[2], r) + e[2] * g, dot3(p[3], r) + e[3] * g, dot3(p[4], r) + e[4] * g, dot3(p[5], r) + e[5] * g,)
def rows6x4(p: Any, r: Any, e: Any, g: Any) -> Any: return (dot4(p[0], r) + e[0] * g, dot4(p[1], r) + e[1] * g, dot4(p[2], r) + e[2] * g, dot4(p[3], r) + e[3] * g, dot4(p[4], r) + e[4] * g, dot4(p[5], r) + e[5] * g,)

_Table = dict[Any, Callable[..., Any]]
LOAD: _Table = {1: load1, 2: load2, 3: load3, 4: load4, 5: load5, 6: load6, 7: load7, 8: load8, 9: load9, 10: load10, 11: load11, 12: load12, 13: load13, 14: load14}
PICK: _Table = {1: pick1, 2: pick2, 3: pick3, 4: pick4}
PUT: _Table = {1: put1, 2: put2, 3: put3, 4: put4}
HEAD: _Table = {1: head1, 2: head2, 3: head3, 4: head4, 5: head5, 6: head6, 7: head7, 8: head8, 9: head9, 10: head10, 11: head11, 12: head12, 13: head13, 14: head14}
STORE: _Table = {1: store1, 2: store2, 3: store3, 4: store4}
FLUSH: _Table = {1: flush1, 2: flush2, 3: flush3, 4: flush4}
ADD: _Table = {1: add1, 2: add2, 3: add3, 4: add4, 5: add5, 6: add6}
DOT: _Table = {1: dot1, 2: dot2, 3: dot3, 4: dot4}
MAD: _Table = {1: mad1, 2: mad2, 3: mad3, 4: mad4}
MATT: _Table = {1: matt1, 2: matt2, 3: matt3, 4: matt4}
ROWS: dict[Any, Callable[..., Any]] = {(1, 1): rows1x1, (1, 2): rows1x2, (1, 3): rows1x3, (1, 4): rows1x4, (2, 1): rows2x1, (2, 2): rows2x2, (2, 3): rows2x3, (2, 4): rows2x4, (3, 1): rows3x1, (3, 2): rows3x2, (3, 3): rows3x3, (3, 4): rows3x4, (4, 1): rows4x1, (4, 2): rows4x2, (4, 3): rows4x3, (4, 4): rows4x4, (5, 1): rows5x1, (5, 2): rows5x2, (5, 3): rows5x3, (5, 4): rows5x4, (6, 1): rows6x1, (6, 2): rows6x2, (6, 3): rows6x3, (6, 4): rows6x4}

for _table in ({0: flush}, LOAD, PICK, PUT, HEAD, STORE, FLUSH, ADD, DOT, MAD, MATT, ROWS):
    for _function in _table.values():
        jitable(_function)
