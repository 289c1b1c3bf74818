"""Functions on small tuples, written out for their size so that the compiler keeps the entries in registers.

numba's own conversion (`to_fixed_tuple`) and dynamic tuple indices go through memory and stop vectorisation: five
times slower here. Each table makes the source text of a function when its size is first asked for, for any size; d is
the number of states, m the number of parameters.

LOAD[k](a, i)       (a[0, i], …, a[k-1, i])
PICK[k](arrays, i)  (arrays[0][i], …), of a tuple of 1-D arrays; PUT[k] writes the tuple t back
HEAD[k](c)          (c[0], …, c[k-1])
STORE[k](a, i, t)   write the tuple t back; ADD[k] adds it
STORE_BLOCK[m, d](a, i, P)  a[q, j, i] = P_q,j
FLUSH[d](s)         s with 0 for entries below 1e-30: silent neurons would decay into denormal floats, which are slow
DOT[d](a, b)        Σ a_j b_j
DOTS[k, d](a, b)    (Σ_j a_0,j b_j, …), a of k tuples
TIMES[k](a, g)      (a_0 g, …)
MAD[d](a, b, g)     (a_0 + b_0 g, …)
MATT[d](A, r)       Aᵀ r
ROWS[m, d](P, r, E, g)  (P_0·r + E_0 g, …), each P_q of length d
"""

from __future__ import annotations

import linecache
import threading
from collections.abc import Callable
from typing import Any

from hypr_neuro.numbers.jit import jitable

_making = threading.RLock()


class Unrolled(dict[Any, Callable[..., Any]]):
    """Tagged functions by size, an integer or several, each made from its source text when first asked for.

    A function stands in its module under the table's name and its size, `dot3` or `rows7x5`, and its text in
    `linecache`: kernels that close over it are cached by reference, tracebacks and `inspect` show its source.
    """

    def __init__(self, namespace: dict[str, Any], name: str, arguments: str, body: Callable[..., str]) -> None:
        """Name the functions and say what they compute.

        namespace : globals of the module where they belong. arguments : as in a definition
        body : (size) or (size, size, …) -> the statements, one a line
        """
        super().__init__()
        self.namespace, self.name, self.arguments, self.body = namespace, name, arguments, body

    def __missing__(self, size: Any) -> Callable[..., Any]:
        with _making:  # kernels are made on threads: a size has one function
            if size not in self:
                self[size] = self._make(size if isinstance(size, tuple) else (size,))
            return self[size]

    def _make(self, sizes: tuple[int, ...]) -> Callable[..., Any]:
        name = self.name + "x".join(map(str, sizes))
        statements = self.body(*sizes).splitlines() or ["pass"]
        text = f"def {name}({self.arguments}):\n" + "".join(f"    {statement}\n" for statement in statements)
        file = f"<{self.namespace['__name__']}.{name}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        exec(compile(text, file, "exec", dont_inherit=True), self.namespace)
        function: Callable[..., Any] = jitable(self.namespace[name])
        return function


def listed(count: int, entry: str) -> str:
    """Write the text of a tuple: `entry` with its index for {j}."""
    return "(" + "".join(entry.format(j=j) + ", " for j in range(count)) + ")"


def summed(count: int, term: str) -> str:
    """Write the text of a sum: `term` with its index for {j}; 0 without terms."""
    return " + ".join(term.format(j=j) for j in range(count)) or "0"


def repeated(count: int, statement: str) -> str:
    """Write one line for each index, `statement` with its index for {j}."""
    return "\n".join(statement.format(j=j) for j in range(count))


@jitable
def flush(x: Any) -> Any:
    """Return 0 for numbers below 1e-30, x otherwise."""
    return 0.0 if abs(x) < 1e-30 else x


def _transposed_times(d: int) -> str:
    return "return (" + "".join(summed(d, f"a[{{j}}][{column}] * r[{{j}}]") + ", " for column in range(d)) + ")"


def _rows(m: int, d: int) -> str:
    return "return " + listed(m, f"{DOT[d].__name__}(p[{{j}}], r) + e[{{j}}] * g")


def _dots(k: int, d: int) -> str:
    return "return " + listed(k, f"{DOT[d].__name__}(a[{{j}}], b)")


def _block(m: int, d: int) -> str:
    return "\n".join(f"a[{q}, {j}, i] = p[{q}][{j}]" for q in range(m) for j in range(d))


LOAD = Unrolled(globals(), "load", "a, i", lambda k: "return " + listed(k, "a[{j}, i]"))
PICK = Unrolled(globals(), "pick", "a, i", lambda k: "return " + listed(k, "a[{j}][i]"))
PUT = Unrolled(globals(), "put", "a, i, t", lambda k: repeated(k, "a[{j}][i] = t[{j}]"))
HEAD = Unrolled(globals(), "head", "c", lambda k: "return " + listed(k, "c[{j}]"))
STORE = Unrolled(globals(), "store", "a, i, t", lambda k: repeated(k, "a[{j}, i] = t[{j}]"))
STORE_BLOCK = Unrolled(globals(), "store_block", "a, i, p", _block)
ADD = Unrolled(globals(), "add", "a, i, t", lambda k: repeated(k, "a[{j}, i] += t[{j}]"))
FLUSH = Unrolled(globals(), "flush", "s", lambda d: "return " + listed(d, "flush(s[{j}])"))
DOT = Unrolled(globals(), "dot", "a, b", lambda d: "return " + summed(d, "a[{j}] * b[{j}]"))
DOTS = Unrolled(globals(), "dots", "a, b", _dots)
TIMES = Unrolled(globals(), "times", "a, g", lambda k: "return " + listed(k, "a[{j}] * g"))
MAD = Unrolled(globals(), "mad", "a, b, g", lambda d: "return " + listed(d, "a[{j}] + b[{j}] * g"))
MATT = Unrolled(globals(), "matt", "a, r", _transposed_times)
ROWS = Unrolled(globals(), "rows", "p, r, e, g", _rows)
