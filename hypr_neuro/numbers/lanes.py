"""Integers of 16 and 32 bits for kernels, and one instruction that numba lacks.

To numba every integer expression has 64 bits, so loops over int32 arrays run with half or a quarter of the lanes that
the machine's vectors have. `lane16` and `lane32` mark a number as one whose sums and products stay in its own width:
an expression of lanes, or of a lane and an ordinary integer, is a lane and wraps in two's complement. In Python both
functions return their argument, so a step function stays what it is; whoever uses lanes shows that its intermediate
results fit or that the wrap is wanted.
"""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any

from hypr_neuro.numbers.fixed_point import isqrt, mix32

INLINED = {"no_cfunc_wrapper": True}
"""Options of functions that nothing calls by a pointer of C: without that entry they compile sooner."""


def lane16(x: Any) -> Any:
    """Return x as a 16-bit lane in kernels, x itself in Python."""
    return x


def lane32(x: Any) -> Any:
    """Return x as a 32-bit lane in kernels, x itself in Python."""
    return x


def plain(x: Any) -> Any:
    """Return a lane as an ordinary integer in kernels, x itself in Python."""
    return x


def lowest_bit(x: int) -> int:
    """Return the place of the lowest bit that is set, x > 0; one instruction in kernels."""
    return (x & -x).bit_length() - 1


@lru_cache(maxsize=1)
def register() -> None:
    """Teach numba the lanes; called before the first kernel is compiled."""
    from numba import types
    from numba.core.datamodel import models
    from numba.extending import register_model

    class Lane(types.Type):
        def __init__(self, bits: int) -> None:
            self.bits = bits
            super().__init__(name=f"lane{bits}")

        def can_convert_from(self, context: Any, other: Any) -> Any:
            from numba.core.typeconv import Conversion

            return Conversion.unsafe if isinstance(other, (types.Integer, types.Boolean)) else None

        def can_convert_to(self, context: Any, other: Any) -> Any:
            from numba.core.typeconv import Conversion

            # to its own width only, for storing: else numba's 64-bit operators would take lanes as well
            same = isinstance(other, types.Integer) and other.bitwidth == self.bits
            return Conversion.unsafe if same else None

        def unify(self, context: Any, other: Any) -> Any:
            return self if isinstance(other, (types.Integer, types.Boolean)) else None

    @register_model(Lane)
    class LaneModel(models.PrimitiveModel):
        def __init__(self, manager: Any, lane: Any) -> None:
            from llvmlite import ir

            super().__init__(manager, lane, ir.IntType(lane.bits))

    _conversions(Lane)
    _operators(Lane)
    for bits, function in ((16, lane16), (32, lane32)):
        _constructor(function, Lane(bits))
    _plain(Lane)
    _wide_rules(Lane)
    _bits()


def _conversions(Lane: Any) -> None:
    """Integer to lane, lane to integer and lane to truth value; a wider integer loses its high bits."""
    from numba import types
    from numba.extending import lower_cast

    def resize(builder: Any, value: Any, bits: int, signed: bool) -> Any:
        from llvmlite import ir

        if value.type.width == bits:
            return value
        if value.type.width > bits:
            return builder.trunc(value, ir.IntType(bits))
        return (builder.sext if signed else builder.zext)(value, ir.IntType(bits))

    @lower_cast(types.Integer, Lane)
    @lower_cast(types.Boolean, Lane)
    def to_lane(context: Any, builder: Any, source: Any, target: Any, value: Any) -> Any:
        return resize(builder, value, target.bits, getattr(source, "signed", False))

    @lower_cast(types.IntegerLiteral, Lane)
    def literal_to_lane(context: Any, builder: Any, source: Any, target: Any, value: Any) -> Any:
        return resize(builder, value, target.bits, True)

    @lower_cast(Lane, types.Integer)
    @lower_cast(Lane, Lane)
    def from_lane(context: Any, builder: Any, source: Any, target: Any, value: Any) -> Any:
        bits = target.bits if isinstance(target, Lane) else target.bitwidth
        return resize(builder, value, bits, True)

    @lower_cast(Lane, types.Boolean)
    def truth(context: Any, builder: Any, source: Any, target: Any, value: Any) -> Any:
        return builder.icmp_signed("!=", value, value.type(0))


def _operators(Lane: Any) -> None:
    from numba import types
    from numba.core.typing.templates import AbstractTemplate, infer_global, signature
    from numba.extending import lower_builtin

    def narrowest(args: Any) -> Any:
        """Return the lane that an expression of these operands is, None where it is none of ours."""
        lanes = [a for a in args if isinstance(a, Lane)]
        fits = all(isinstance(a, (Lane, types.Integer, types.Boolean)) for a in args)
        return lanes[0] if lanes and fits and len(set(lanes)) == 1 else None

    def template(function: Any, arity: int, truth: bool) -> None:
        @infer_global(function)
        class Template(AbstractTemplate):
            def generic(self, args: Any, kws: Any) -> Any:
                lane = narrowest(args) if len(args) == arity and not kws else None
                return None if lane is None else signature(types.boolean if truth else lane, *([lane] * arity))

    def binary(function: Any, make: Any, truth: bool = False) -> None:
        template(function, 2, truth)

        @lower_builtin(function, Lane, Lane)
        def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return make(builder, *args)

    arithmetic = {
        "add": lambda b, x, y: b.add(x, y),
        "sub": lambda b, x, y: b.sub(x, y),
        "mul": lambda b, x, y: b.mul(x, y),
        "lshift": lambda b, x, y: b.shl(x, y),
        "rshift": lambda b, x, y: b.ashr(x, y),
        "and_": lambda b, x, y: b.and_(x, y),
        "or_": lambda b, x, y: b.or_(x, y),
        "xor": lambda b, x, y: b.xor(x, y),
        "floordiv": _floor_quotient,
    }
    for name, make in arithmetic.items():
        binary(getattr(operator, name), make)
        binary(getattr(operator, "i" + name.rstrip("_")), make)
    for name, sign in (("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="), ("eq", "=="), ("ne", "!=")):
        binary(getattr(operator, name), lambda b, x, y, sign=sign: b.icmp_signed(sign, x, y), truth=True)
    binary(min, lambda b, x, y: b.select(b.icmp_signed("<", y, x), y, x))
    binary(max, lambda b, x, y: b.select(b.icmp_signed(">", y, x), y, x))

    template(operator.neg, 1, False)
    template(abs, 1, False)
    template(bool, 1, True)

    @lower_builtin(abs, Lane)
    def magnitude(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.icmp_signed("<", args[0], args[0].type(0)), builder.neg(args[0]), args[0])

    @lower_builtin(operator.neg, Lane)
    def negate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.neg(args[0])

    @lower_builtin(bool, Lane)
    def is_true(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.icmp_signed("!=", args[0], args[0].type(0))


def _floor_quotient(builder: Any, x: Any, y: Any) -> Any:
    """⌊x / y⌋; 0 for y = 0, as numba has it, and -x, wrapped, for y = -1: both would stop the processor."""
    zero, one = x.type(0), x.type(1)
    by_zero, by_minus_one = builder.icmp_signed("==", y, zero), builder.icmp_signed("==", y, x.type(-1))
    divisor = builder.select(builder.or_(by_zero, by_minus_one), one, y)
    whole, rest = builder.sdiv(x, divisor), builder.srem(x, divisor)
    signs_differ = builder.icmp_signed("<", builder.xor(rest, divisor), zero)
    below = builder.and_(builder.icmp_signed("!=", rest, zero), signs_differ)
    floored = builder.select(below, builder.sub(whole, one), whole)
    return builder.select(by_zero, zero, builder.select(by_minus_one, builder.neg(x), floored))


def _wide_rules(Lane: Any) -> None:
    """Functions of `fixed_point` with constants that no lane holds: of a lane they are computed in 64 bits.

    `mix32` takes the lane's bits as an unsigned number and gives 32 bits back, which read as a signed one.
    """
    from numba.extending import overload

    @overload(isqrt, strict=False)
    def root(x: Any) -> Any:
        if not isinstance(x, Lane):
            return None
        return (lambda x: lane16(isqrt(plain(x)))) if x.bits == 16 else (lambda x: lane32(isqrt(plain(x))))

    @overload(mix32, strict=False)
    def mixed(x: Any) -> Any:
        if not isinstance(x, Lane):
            return None
        if x.bits == 16:
            return lambda x: lane16(mix32(plain(x) & 4294967295))
        return lambda x: lane32(mix32(plain(x) & 4294967295))


def _constructor(function: Any, lane: Any) -> None:
    """Teach kernels `function`: its argument cast to `lane`; a tuple's every entry."""
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic, overload

    @intrinsic
    def convert(context: Any, x: Any) -> Any:
        if isinstance(x, types.BaseTuple):
            result: Any = types.UniTuple(lane, len(x))

            def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                entries = cgutils.unpack_tuple(builder, args[0], len(x))
                cast = [context.cast(builder, e, t, lane) for e, t in zip(entries, x.types, strict=True)]
                return context.make_tuple(builder, result, cast)
        else:
            result = lane

            def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                return context.cast(builder, args[0], x, lane)

        return result(x), codegen

    @overload(function, strict=False, jit_options=INLINED)
    def implementation(x: Any) -> Any:
        def call(x: Any) -> Any:
            return convert(x)

        return call


def _plain(Lane: Any) -> None:
    from numba import types
    from numba.extending import intrinsic, overload

    @intrinsic
    def widen(context: Any, x: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return context.cast(builder, args[0], x, types.int64)

        return types.int64(x), codegen

    @overload(plain, strict=False, jit_options=INLINED)
    def implementation(x: Any) -> Any:
        def call(x: Any) -> Any:
            return widen(x)

        return call if isinstance(x, Lane) else None


def _bits() -> None:
    """`lowest_bit` of unsigned 64-bit words."""
    from numba import types
    from numba.extending import intrinsic, overload

    @intrinsic
    def count(context: Any, x: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            from llvmlite import ir

            return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

        return types.uint64(types.uint64), codegen

    @overload(lowest_bit, strict=False, jit_options=INLINED)
    def implementation(x: Any) -> Any:
        def call(x: Any) -> Any:
            return count(x)

        return call
