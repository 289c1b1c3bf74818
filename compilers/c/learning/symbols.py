"""Expressions of C by running a tagged function on symbols: the arithmetic of learning becomes C by being computed.

A symbol stands for an integer that C holds. What is computed from it is a symbol again, and what is computed from
literals is a literal, so that entries which a neuron does not have (0) leave no trace. Every symbol knows the largest
magnitude that it can have, None where nothing is known, and by that whether 32 bits hold it: products, and what shifts
round, have 64, all else 32 where that is proven.

Functions see `fixed_point`'s rules as calls of their C form. The same expression of the same symbols is one symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

from hypr_neuro.numbers import fixed_point
from hypr_neuro.numbers.fixed_point import FLOOR, NEAREST, ZERO, largest_in

ROUNDED = {FLOOR: "hn_shr_floor", ZERO: "hn_shr_zero", NEAREST: "hn_shr_nearest"}
"""What `fixed_point.shr` does by the code of its rule."""
WORD = (1 << 31) - 1


@dataclass(eq=False)
class Symbol:
    """An integer in C.

    Attributes
    ----------
    scope : Scope
        Where it was made.
    kind : str
        "name", "product", "sum", "call", "clamp", "differs" or "or".
    parts : tuple of Symbol
        What it is computed from.
    largest : int or None
        Magnitude that it cannot exceed.
    call : str
        C function of a call. bits : of a clamp, or argument of a call
    name : str
        Variable that holds it, "" while it is an expression.
    """

    scope: Scope
    kind: str
    parts: tuple[Symbol, ...]
    largest: int | None
    call: str = ""
    bits: int = 0
    name: str = ""

    @property
    def narrow(self) -> bool:
        """Tell whether 32 bits are proven to hold it."""
        return self.largest is not None and self.largest <= WORD

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, Symbol):
            return self if other == 0 else NotImplemented
        terms = tuple(t for s in (self, other) for t in (s.parts if s.kind == "sum" else (s,)))
        return self.scope.made("sum", terms, _bound(sum, terms))

    def __radd__(self, other: Any) -> Any:
        return self if other == 0 else NotImplemented

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, Symbol):
            return {0: 0, 1: self}.get(other, NotImplemented)
        return self.scope.made("product", (self, other), _bound(lambda x: x[0] * x[1], (self, other)))

    __rmul__ = __mul__

    def __lshift__(self, count: int) -> Symbol:
        largest = None if self.largest is None else self.largest << count
        return self.scope.made("call", (self,), largest, "hn_shl", count)

    def __ne__(self, other: object) -> Any:
        return self.scope.made("differs", (self, other), 1) if isinstance(other, Symbol) else NotImplemented

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, Symbol):
            return NotImplemented if other else self
        parts = tuple(t for s in (self, other) for t in (s.parts if s.kind == "or" else (s,)))
        return self.scope.made("or", parts, 1)

    __ror__ = __or__
    __hash__ = object.__hash__

    def text(self, narrow: bool) -> str:
        """Write it in C, computed in 32 or 64 bits."""
        return self.name or self.expression(narrow)

    def expression(self, narrow: bool) -> str:
        """Write the C expression that computes it."""
        if self.kind == "product":
            return f"{'' if narrow else '(int64_t)'}{self.parts[0].text(narrow)} * {self.parts[1].text(narrow)}"
        if self.kind == "sum":
            return " + ".join(part.text(narrow) for part in self.parts)
        if self.kind == "call":
            return f"{'(int32_t)' if narrow else ''}{self.call}({self.parts[0].text(False)}, {self.bits})"
        if self.kind == "clamp":
            return self.scope.clamped(self.parts[0], self.bits)
        between = {"differs": " != ", "or": " || "}[self.kind]
        return between.join(part.text(part.narrow) for part in self.parts)

    def declared(self, name: str, kind: str = "") -> str:
        """Write a line that puts it into a variable of that name, const and of the width that it needs by default."""
        narrow = self.narrow or kind.startswith("HN_FACTOR")
        line = f"{kind or ('const int32_t' if narrow else 'const int64_t')} {name} = {self.expression(narrow)};"
        self.name = name
        return line


@dataclass
class Scope:
    """Symbols of one piece of C; clamps : C functions by the bits to which they clamp 64 bits to 32."""

    clamps: dict[int, str] = field(default_factory=dict)
    known: dict[Any, Symbol] = field(default_factory=dict)

    def variable(self, name: str, largest: int | None = None) -> Symbol:
        """Make the symbol of a variable or an entry of an array."""
        return Symbol(self, "name", (), largest, name=name)

    def made(self, kind: str, parts: Any, largest: int | None, call: str = "", bits: int = 0) -> Symbol:
        """Return the one symbol of an expression."""
        key = (kind, tuple(map(id, parts)), call, bits)
        if key not in self.known:
            self.known[key] = Symbol(self, kind, parts, largest, call, bits)
        return self.known[key]

    def clamped(self, whole: Symbol, bits: int) -> str:
        """Write `fixed_point.sat` in C."""
        text = whole.text(whole.narrow)
        if whole.narrow:
            return f"clip({text}, {largest_in(bits)})"
        return f"{self.clamps[bits]}({text})" if bits in self.clamps else f"hn_sat({text}, {bits})"


def _bound(combine: Callable[[list[int]], int], parts: Iterable[Symbol]) -> int | None:
    largest = [part.largest for part in parts]
    return combine([x for x in largest if x is not None]) if None not in largest else None


def _rounded(x: Any, count: int, call: str, plain: Callable[[int, int], int]) -> Any:
    if not isinstance(x, Symbol):
        return plain(x, count)
    largest = None if x.largest is None else (x.largest + (1 << count)) >> count
    return x.scope.made("call", (x,), largest, call, count)


def _sat(x: Any, bits: int) -> Any:
    return (
        x.scope.made("clamp", (x,), largest_in(bits), bits=bits) if isinstance(x, Symbol) else fixed_point.sat(x, bits)
    )


def _shr(x: Any, count: int, rounding: int) -> Any:
    return _rounded(x, count, ROUNDED[rounding], lambda v, n: fixed_point.shr(v, n, rounding))


def _shr_nearest(x: Any, count: int) -> Any:
    return _rounded(x, count, ROUNDED[NEAREST], fixed_point.shr_nearest)


def _shift_nearest(x: Any, exponent: int) -> Any:
    if not isinstance(x, Symbol):
        return fixed_point.shift_nearest(x, exponent)
    return x.scope.made("call", (x,), None, "hn_shift_nearest", exponent)


def _any(conditions: Iterable[Any]) -> Any:
    result: Any = False
    for condition in conditions:
        result = condition | result if result is False else result | condition
    return result


RULES: dict[str, Any] = {
    "sat": _sat,
    "shr": _shr,
    "shr_nearest": _shr_nearest,
    "shift_nearest": _shift_nearest,
    "any": _any,
}


def on_symbols(module: ModuleType) -> Any:
    """Return the functions of a module as they compute with symbols, by name."""
    names = vars(module) | RULES
    for name, function in vars(module).items():
        if isinstance(function, FunctionType) and function.__module__ == module.__name__:
            names[name] = FunctionType(function.__code__, names, name, function.__defaults__)
    return SimpleNamespace(**names)
