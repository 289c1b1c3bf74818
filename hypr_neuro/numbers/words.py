"""Integers of 64 bits in Python, as compiled code has them, but that an overflow raises WidthError where it would wrap.

A tagged function runs on these as on plain ints, and every sum, product and shift on its way is checked.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from types import FunctionType, SimpleNamespace
from typing import Any, TypeVar, cast

from hypr_neuro.errors import WidthError

WORD_BITS = 64
F = TypeVar("F", bound=Callable[..., Any])
Int = TypeVar("Int", bound=int)


def check_width(value: int, bits: int, name: str) -> int:
    """Return `value` if a signed word of `bits` bits holds it; raise WidthError with its `name` otherwise."""
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise WidthError(f"{name} = {value} leaves its {bits} bits; a rule that keeps it inside is missing")
    return value


def held_to(bits: int) -> Callable[[type[Int]], type[Int]]:
    """Decorate a class of ints: results are of the class again, WidthError where one leaves so many bits."""

    def hold(kind: type[Int]) -> type[Int]:
        for name in ("add", "sub", "mul", "mod", "and", "or", "xor"):
            setattr(kind, f"__{name}__", _checked(kind, f"__{name}__", bits))
            setattr(kind, f"__r{name}__", _checked(kind, f"__r{name}__", bits))
        for name in ("__lshift__", "__rshift__", "__rlshift__", "__rrshift__"):
            setattr(kind, name, _shifting(kind, name, bits))
        for name in ("__floordiv__", "__rfloordiv__"):
            setattr(kind, name, _dividing(kind, name, bits))
        for name in ("__neg__", "__abs__", "__invert__"):
            setattr(kind, name, _checked(kind, name, bits))
        return kind

    return hold


def _checked(kind: type[Int], name: str, bits: int) -> Callable[..., Any]:
    plain, new = getattr(int, name), int.__new__
    lowest, largest = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def operation(self: Int, *other: Any) -> Any:
        value = plain(self, *other)
        if value is NotImplemented:
            if not hasattr(other[0], "__index__"):
                return value
            value = plain(self, operator.index(other[0]))
        if lowest <= value <= largest:
            return new(kind, value)
        raise WidthError(f"{_place()}: {value} leaves its {bits} bits; a rule that keeps it inside is missing")

    return operation


def _shifting(kind: type[Int], name: str, bits: int) -> Callable[..., Any]:
    shifted, count_is_self = _checked(kind, name, bits), name in ("__rlshift__", "__rrshift__")

    def operation(self: Int, other: Any) -> Any:
        count = self if count_is_self else other
        if not 0 <= count < bits:
            raise WidthError(f"{_place()}: shift by {int(count)}, rule: 0 to {bits - 1}")
        return shifted(self, other)

    return operation


def _dividing(kind: type[Int], name: str, bits: int) -> Callable[..., Any]:
    divided, divisor_is_self = _checked(kind, name, bits), name == "__rfloordiv__"

    def operation(self: Int, other: Any) -> Any:
        divisor = self if divisor_is_self else other
        if divisor <= 0:
            raise WidthError(f"{_place()}: division by {int(divisor)}, rule: by 1 or more, as `quotient` says")
        return divided(self, other)

    return operation


def _place() -> str:
    """Name the function, file and line whose operation this is."""
    frame = sys._getframe(2)
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_name} ({frame.f_code.co_filename.rpartition('/')[2]}, line {frame.f_lineno})"


@held_to(WORD_BITS)
class Word(int):
    """A signed word of 64 bits: an int whose results are words again, WidthError where one leaves 64 bits."""


class Table:
    """An array of words, (n,) or (n, m), all 0 at first, which tagged functions index as they do NumPy's.

    Parameters
    ----------
    shape : lengths
    bits : width that every entry must fit
    name : of the table, in errors
    """

    def __init__(self, shape: Sequence[int], bits: int = WORD_BITS, name: str = "entry") -> None:
        self.shape, self.bits, self.name = tuple(shape), bits, name
        places = range(self.shape[0]) if len(self.shape) == 1 else product(*map(range, self.shape))
        self._entries: dict[Any, Word] = dict.fromkeys(places, Word(0))

    @classmethod
    def of(cls, values: Any, bits: int = WORD_BITS, name: str = "entry") -> Table:
        """Make a table of numbers or rows of numbers."""
        rows = len(values) and hasattr(values[0], "__len__")
        table = cls((len(values), len(values[0])) if rows else (len(values),), bits, name)
        for place in table._entries:
            table[place] = values[place[0]][place[1]] if rows else values[place]
        return table

    def __getitem__(self, place: Any) -> Word:
        try:
            return self._entries[place]
        except KeyError:
            raise self._outside(place) from None

    def __setitem__(self, place: Any, value: Any) -> None:
        if place not in self._entries:
            raise self._outside(place)
        number = operator.index(value)
        if number.bit_length() >= self.bits:
            check_width(number, self.bits, f"{self.name} {_plain(place)}")
        self._entries[place] = Word(number)

    def _outside(self, place: Any) -> WidthError:
        return WidthError(f"{self.name}: no entry {_plain(place)} in shape {list(self.shape)}")

    def numbers(self) -> list[Any]:
        """Return the entries as plain ints, in rows where there are two lengths."""
        entries = [int(v) for v in self._entries.values()]
        m = self.shape[-1]
        return entries if len(self.shape) == 1 else [entries[i : i + m] for i in range(0, len(entries), m)]


def _plain(place: Any) -> list[int]:
    return [int(i) for i in place] if isinstance(place, tuple) else [int(place)]


def mapped(tree: Any, function: Callable[[Any], Any]) -> Any:
    """Return a tree of tuples with `function` of each of its numbers."""
    return tuple([mapped(part, function) for part in tree]) if isinstance(tree, tuple) else function(tree)


def on_words(function: F) -> F:
    """Return the function with arrays that it makes for itself (``np.zeros(length, np.int64)``) as tables of words."""
    numpy = SimpleNamespace(zeros=lambda length, kind: Table((length,)), int64=Word)
    names = function.__globals__ | {"np": numpy}
    parts: Any = (function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    return cast(F, FunctionType(*parts))


@contextmanager
def error_context(where: str) -> Iterator[None]:
    """Put `where` in front of the message of a WidthError."""
    try:
        yield
    except WidthError as error:
        raise WidthError(f"{where}, {error}") from None
