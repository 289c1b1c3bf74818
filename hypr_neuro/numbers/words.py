"""Integers as compiled code holds them, in Python: what would wrap there raises here.

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


def held(value: int, bits: int, what: str) -> int:
    """Return `value` if a signed word of `bits` bits holds it; raise WidthError naming what it is otherwise."""
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise WidthError(f"{what} = {value} leaves its {bits} bits; a rule that keeps it inside is missing")
    return value


class Word(int):
    """A signed word of 64 bits: an int whose results are words again, WidthError where one leaves 64 bits."""


def _checked(name: str) -> Callable[..., Any]:
    plain, shifts = getattr(int, name), name in ("__lshift__", "__rshift__", "__rlshift__", "__rrshift__")

    def operation(self: Word, *other: Any) -> Any:
        if other and not hasattr(other[0], "__index__"):
            return NotImplemented
        count = (self if name.startswith("__r") and name != "__rshift__" else other[0]) if shifts else 0
        if not 0 <= count < WORD_BITS:
            raise WidthError(f"{_place()}: shift by {int(count)}, rule: 0 to {WORD_BITS - 1}")
        value = plain(int(self), *map(operator.index, other))
        if not -(1 << (WORD_BITS - 1)) <= value < 1 << (WORD_BITS - 1):
            raise WidthError(f"{_place()}: {value} leaves its {WORD_BITS} bits; a rule that keeps it inside is missing")
        return Word(value)

    return operation


def _place() -> str:
    """Name the function, file and line whose operation this is."""
    frame = sys._getframe(2)
    return f"{frame.f_code.co_name} ({frame.f_code.co_filename.rpartition('/')[2]}, line {frame.f_lineno})"


for _name in ("add", "sub", "mul", "floordiv", "mod", "lshift", "rshift", "and", "or", "xor"):
    setattr(Word, f"__{_name}__", _checked(f"__{_name}__"))
    setattr(Word, f"__r{_name}__", _checked(f"__r{_name}__"))
for _name in ("neg", "abs", "invert"):
    setattr(Word, f"__{_name}__", _checked(f"__{_name}__"))


class Table:
    """An array of words, (n,) or (n, m), all 0 at first, which tagged functions index as they do NumPy's.

    Parameters
    ----------
    shape : lengths
    bits : width that every entry must fit
    what : name of the table in errors
    """

    def __init__(self, shape: Sequence[int], bits: int = WORD_BITS, what: str = "entry") -> None:
        self.shape, self.bits, self.what = tuple(shape), bits, what
        self._entries = {place: Word(0) for place in product(*map(range, self.shape))}

    @classmethod
    def of(cls, values: Any, bits: int = WORD_BITS, what: str = "entry") -> Table:
        """Make a table of numbers or rows of numbers."""
        rows = len(values) and hasattr(values[0], "__len__")
        table = cls((len(values), len(values[0])) if rows else (len(values),), bits, what)
        for place in table._entries:
            table[place] = values[place[0]][place[1]] if rows else values[place[0]]
        return table

    def __getitem__(self, place: Any) -> Word:
        return self._entries[self._known(place)]

    def __setitem__(self, place: Any, value: Any) -> None:
        place = self._known(place)
        self._entries[place] = Word(held(operator.index(value), self.bits, f"{self.what} {list(map(int, place))}"))

    def _known(self, place: Any) -> tuple[int, ...]:
        known: tuple[int, ...] = place if isinstance(place, tuple) else (place,)
        if known not in self._entries:
            raise WidthError(f"{self.what}: no entry {list(map(int, known))} in shape {list(self.shape)}")
        return known

    def numbers(self) -> list[Any]:
        """Return the entries as plain ints, in rows where there are two lengths."""
        found = [int(v) for v in self._entries.values()]
        m = self.shape[-1]
        return found if len(self.shape) == 1 else [found[i : i + m] for i in range(0, len(found), m)]


def on_words(function: F) -> F:
    """Return the function with arrays that it makes for itself (``np.zeros(length, np.int64)``) as tables of words."""
    numpy = SimpleNamespace(zeros=lambda length, kind: Table((length,)), int64=Word)
    names = function.__globals__ | {"np": numpy}
    parts: Any = (function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    return cast(F, FunctionType(*parts))


@contextmanager
def told(what: str) -> Iterator[None]:
    """Put `what` in front of the message of a WidthError."""
    try:
        yield
    except WidthError as error:
        raise WidthError(f"{what}, {error}") from None
