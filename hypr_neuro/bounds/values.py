"""Numbers of many neurons of which ends are known: an interval each, and how they depend on what a step began with.

A value is between `lo` and `hi`, and equals Σ_j c_j x_j + r with the numbers x_j that the step began with (states and
currents), c_j and r intervals. The second says more where something is taken off itself, as in u + (c u - w v) / 2^k.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from hypr_neuro.bounds.outward import EXACT, largest, product_of, sum_of, whole_ends, whole_product
from hypr_neuro.bounds.paths import Paths
from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array

Ends = tuple[Array, Array]
NOTHING: dict[str, Ends] = {}


@lru_cache(maxsize=256)
def everywhere(number: float, n: int) -> Array:
    """Return (n,) times the same number, to read only."""
    made = np.full(n, number)
    made.flags.writeable = False
    return made


class Value:
    """Integers of n neurons; results of operations are values again, comparisons are decided by the way that is run.

    Attributes
    ----------
    paths
        The way that is run.
    lo, hi : (n,)
        Ends, whole numbers or infinite.
    terms
        c_j by name of x_j.
    rest
        r.
    base
        Ends of the x_j, by name.
    origin
        (x, y) of a quotient ⌊x / y⌋.
    parts
        (x, y) of a sum x + y of which a term is known by name.
    multiple
        (x, c) of c x, c a plain number above 1.
    narrow
        Whether the ends are no wider than what the terms say.
    """

    __slots__ = ("base", "hi", "lo", "multiple", "narrow", "origin", "parts", "paths", "rest", "terms")
    __hash__ = None  # type: ignore[assignment]  # == gives ends, not a truth: nothing is to be found by it

    def __init__(
        self,
        paths: Paths,
        lo: Array,
        hi: Array,
        base: Mapping[str, Ends],
        terms: Mapping[str, Ends] | None = None,
        rest: Ends | None = None,
    ) -> None:
        self.paths, self.lo, self.hi, self.base = paths, lo, hi, base
        self.terms = NOTHING if terms is None else terms
        self.rest = (lo, hi) if rest is None else rest
        self.origin: tuple[Value, Array] | None = None
        self.parts: tuple[Value, Value] | None = None
        self.multiple: tuple[Value, int] | None = None
        self.narrow = not self.terms

    @property
    def constant(self) -> bool:
        """Whether every neuron has one number, known from the beginning."""
        return self.lo is self.hi

    def of(self, other: Any) -> Value:
        """Make a value of a plain number."""
        if isinstance(other, Value):
            return other
        if not isinstance(other, (int, np.integer)):
            raise InputError(f"a step function computes with {type(other).__name__}, rule: integers")
        ends = everywhere(float(other), len(self.lo))
        return Value(self.paths, ends, ends, self.base)

    def tight(self) -> Value:
        """Narrow the ends to what the terms say, in place."""
        if not self.narrow:
            lo, hi = self.rest
            for name, c in self.terms.items():
                lo, hi = sum_of(lo, hi, *product_of(*c, *self.base[name]))
            with np.errstate(invalid="ignore"):
                self.lo = np.fmax(self.lo, np.ceil(lo))
                self.hi = np.fmin(self.hi, np.floor(hi))
            self.narrow = True
        return self

    def _made(self, ends: Ends, terms: dict[str, Ends] = NOTHING, rest: Ends | None = None) -> Value:
        if not terms:
            return Value(self.paths, *ends, self.base)
        kept = {k: c for k, c in terms.items() if c[0].any() or c[1].any()}
        return Value(self.paths, *ends, self.base, kept, rest if kept else None)

    # --- arithmetic

    def __add__(self, other: Any) -> Value:
        o = self.of(other)
        if self.lo is self.hi and o.lo is o.hi:
            return self._single(self.lo + o.lo)
        ends = whole_ends(self.lo + o.lo, self.hi + o.hi)
        if not (self.terms or o.terms):
            return Value(self.paths, *ends, self.base)
        terms = dict(self.terms)
        for name, c in o.terms.items():
            terms[name] = sum_of(*terms[name], *c) if name in terms else c
        made = self._made(ends, terms, sum_of(*self.rest, *o.rest))
        made.parts = (self, o)
        return made.tight() if self.terms and o.terms else made

    __radd__ = __add__

    def _single(self, number: Array) -> Value:
        """Make a constant, unless it is too large for a float to hold."""
        if largest(number) >= EXACT:
            return Value(self.paths, *whole_ends(number, number), self.base)
        return Value(self.paths, number, number, self.base)

    def __neg__(self) -> Value:
        if self.lo is self.hi:
            return self._single(-self.lo)
        terms = {name: (-hi, -lo) for name, (lo, hi) in self.terms.items()}
        return self._made((-self.hi, -self.lo), terms, (-self.rest[1], -self.rest[0]))

    def __sub__(self, other: Any) -> Any:
        if other is self:
            return 0
        return self + (-other)

    def __rsub__(self, other: Any) -> Value:
        return self.of(other) + (-self)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, (int, np.integer)):
            if other == 1:
                return self
            if other == 0:
                return 0
            made = self._by(float(other)) if not self.terms else self._times(self.of(other))
            made.multiple = (self, int(other)) if other > 1 else None
            return made
        return self._times(self.of(other))

    def _by(self, factor: float) -> Value:
        """Return the product with a number but 0 that has no ends to choose among."""
        if self.lo is self.hi:
            return self._single(self.lo * factor)
        least, most = self.lo * factor, self.hi * factor
        return Value(self.paths, *(whole_ends(least, most) if factor > 0 else whole_ends(most, least)), self.base)

    def _times(self, o: Value) -> Value:
        if self.lo is self.hi and o.lo is o.hi:
            return self._single(self.lo * o.lo)
        ends = whole_product(self.lo, self.hi, o.lo, o.hi)
        if not (self.terms or o.terms):
            return Value(self.paths, *ends, self.base)
        # one of the two stands for itself, the other for its ends
        named, factor = (self, o) if self.terms and _wider(self, o) else (o, self)
        if not named.terms or not (np.isfinite(factor.lo).all() and np.isfinite(factor.hi).all()):
            return self._made(ends)
        f = (factor.lo, factor.hi)
        terms = {name: product_of(*c, *f) for name, c in named.terms.items()}
        return self._made(ends, terms, product_of(*named.rest, *f))

    __rmul__ = __mul__

    def __abs__(self) -> Value:
        return self if self >= 0 else -self

    def rounded(self, ends: Ends) -> Value:
        """Return the value with these ends, a function of this one that keeps a constant constant."""
        if self.lo is self.hi:
            return self._single(ends[0])
        return Value(self.paths, *ends, self.base)

    def scaled(self, factor: Array, ends: Ends, error: tuple[Any, Any]) -> Value:
        """Return the value with these ends that equals `factor` times this one plus an error between two ends.

        factor : (n,), exact floats
        """
        f = (factor, factor)
        terms = {name: product_of(*c, *f) for name, c in self.terms.items()}
        rest = sum_of(*product_of(*self.rest, *f), *(np.broadcast_to(e, factor.shape).astype(float) for e in error))
        return self._made(ends, terms, rest)

    # --- comparisons

    def _narrowed(self, lo: Array | None = None, hi: Array | None = None) -> None:
        """Take over what a comparison said, in place, for neurons on this way; quotients and sums pass it on."""
        if self.lo is self.hi:
            return
        on = self.paths.active
        if lo is not None:
            self.lo = np.where(on, np.fmax(self.lo, lo), self.lo)
        if hi is not None:
            self.hi = np.where(on, np.fmin(self.hi, hi), self.hi)
        empty = on & (self.lo > self.hi)
        if empty.any():
            self.paths.leave(empty)
        if self.origin is not None:
            x, y = self.origin
            x._narrowed(None if lo is None else self.lo * y, None if hi is None else self.hi * y + y - 1.0)
        if self.parts is not None:
            for part, other in (self.parts, self.parts[::-1]):
                with np.errstate(invalid="ignore"):
                    ends = whole_ends(self.lo - other.hi, self.hi - other.lo)
                part._narrowed(*ends)

    def __lt__(self, other: Any) -> bool:
        return not self >= other

    def __gt__(self, other: Any) -> bool:
        o = self.of(other)
        self.tight(), o.tight()
        decided = self.paths.decide(self.hi > o.lo, self.lo <= o.hi)
        if decided:
            self._narrowed(lo=o.lo + 1.0)
            o._narrowed(hi=self.hi - 1.0)
        else:
            self._narrowed(hi=o.hi)
            o._narrowed(lo=self.lo)
        return decided

    def __ge__(self, other: Any) -> bool:
        return bool(self > other - 1)

    def __le__(self, other: Any) -> bool:
        return not self > other

    def __eq__(self, other: object) -> bool:
        if other is self:
            return True
        o = self.of(other)
        self.tight(), o.tight()
        apart = (self.hi != self.lo) | (o.hi != o.lo) | (self.lo != o.lo)
        decided = self.paths.decide((self.lo <= o.hi) & (self.hi >= o.lo), apart)
        if decided:
            self._narrowed(o.lo, o.hi)
            o._narrowed(self.lo, self.hi)
        else:
            self._cut(o)
        return decided

    def _cut(self, other: Value) -> None:
        """Take one number, which this is not, off an end."""
        one = other.lo == other.hi
        self._narrowed(np.where(one & (self.lo == other.lo), self.lo + 1.0, self.lo))
        self._narrowed(hi=np.where(one & (self.hi == other.lo), self.hi - 1.0, self.hi))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return self != 0

    def __index__(self) -> int:
        if self.constant and np.all(self.lo == self.lo[0]):
            return int(self.lo[0])
        raise InputError("a step function counts rounds or shifts by a number of its state, rule: by constants")

    # --- bits

    def __lshift__(self, count: Any) -> Any:
        return self * (1 << int(count))

    def __rshift__(self, count: Any) -> Value:
        unit = 2.0 ** int(count)
        if unit == 1.0:
            return self
        ends = np.floor(self.lo / unit), np.floor(self.hi / unit)
        if not self.terms:
            return self.rounded(ends)
        return self.scaled(everywhere(1.0 / unit, len(self.lo)), ends, (-(1.0 - 1.0 / unit), 0.0))

    def __floordiv__(self, divisor: Any) -> Value:
        y = self.of(divisor)
        if not (y.constant and np.all(y.lo > 0)):
            raise InputError("a step function divides by a number of its state, rule: by constants above 0")
        made = Value(self.paths, np.floor(self.lo / y.lo), np.floor(self.hi / y.lo), self.base)
        if largest(made.lo) >= EXACT or largest(made.hi) >= EXACT:  # a float's quotient may round up
            made.lo, made.hi = made.lo - 1.0, made.hi + 1.0
        made.origin = (self, y.lo)
        return made

    def __and__(self, mask: Any) -> Any:
        if isinstance(mask, int) and mask >= 0 and mask & (mask + 1) == 0:
            inside = (self.lo >= 0) & (self.hi <= mask)
            if inside[self.paths.active].all():
                return self
            zero = np.zeros(self.lo.shape)
            return Value(self.paths, zero, zero + float(mask), self.base)
        raise InputError("a step function takes bits of its state by '&', rule: a mask of the lowest bits")

    __rand__ = __and__


def _wider(one: Value, other: Value) -> bool:
    """Tell which of two is better known by name: the one whose ends are farther apart."""
    if not other.terms:
        return True
    return bool(np.max(one.hi - one.lo) >= np.max(other.hi - other.lo))
