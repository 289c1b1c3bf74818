"""C by running functions on symbols: literals leave no trace, magnitudes decide widths, an expression is one symbol."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hypr_neuro.compilers.c.learning.symbols import WORD, Scope, Symbol, on_symbols
from hypr_neuro.numbers.fixed_point import FLOOR, NEAREST, ZERO, shift_nearest, shr_floor, shr_nearest, shr_zero
from hypr_neuro.sim.learning import eligibility

ARITHMETIC = on_symbols(eligibility)


def test_what_is_0_leaves_no_trace() -> None:
    scope = Scope()
    a, x = scope.variable("a", 7), scope.variable("x", 7)
    assert ARITHMETIC.dot((a, 0, 3), (x, a, 0)).text(narrow=False) == "(int64_t)a * x"
    assert ARITHMETIC.dot((0, 3), (x, 5)) == 15
    assert ARITHMETIC.clamped((0, 300, a), 8)[:2] == (0, 127)
    assert ARITHMETIC.gain((0,), (x,), 3) == 0
    assert ARITHMETIC.drive_of_current((0, a), 4, 6)[0] == 0


def test_one_expression_is_one_symbol() -> None:
    scope = Scope()
    a, b = scope.variable("a", 7), scope.variable("b", 7)
    assert id(a * b + a) == id(a * b + a)
    assert id(a * b) != id(b * a)
    assert a * 1 is a
    assert a + 0 is a
    with pytest.raises(TypeError):
        a * 2


@pytest.mark.parametrize(
    ("largest", "kind", "text"), [(1 << 14, "int32_t", "clip(s, 127)"), (None, "int64_t", "hn_sat(s, 8)")]
)
def test_magnitudes_decide_widths(largest: int | None, kind: str, text: str) -> None:
    scope = Scope()
    a, x, drive = (scope.variable(name, most) for name, most in (("a", WORD), ("x", WORD), ("d", largest)))
    total = ARITHMETIC.shr_nearest(a * x, 40) + drive
    cast = "(int32_t)" if largest else ""
    assert total.declared("s") == f"const {kind} s = {cast}hn_shr_nearest((int64_t)a * x, 40) + d;"
    assert ARITHMETIC.sat(total, 8).declared("kept") == f"const int32_t kept = {text};"
    assert total.narrow == (kind == "int32_t")


CALLS: dict[str, Callable[[int, int], int]] = {
    "hn_shr_floor": shr_floor,
    "hn_shr_zero": shr_zero,
    "hn_shr_nearest": shr_nearest,
    "hn_shift_nearest": shift_nearest,
    "hn_shl": lambda v, n: v << n,
    "hn_sat": lambda v, bits: max(1 - 2 ** (bits - 1), min(v, 2 ** (bits - 1) - 1)),
    "clip": lambda v, top: max(-top, min(v, top)),
}


def evaluated(x: Any, values: dict[str, int]) -> int:
    """The number that C would compute for an expression."""
    if not isinstance(x, Symbol):
        return int(x)
    text = x.text(x.narrow).replace("(int64_t)", "").replace("(int32_t)", "").replace("||", "or")
    return computed(ast.parse(text, mode="eval").body, values)


def computed(node: ast.AST, values: dict[str, int]) -> int:
    def of(part: ast.AST) -> int:
        return computed(part, values)

    if isinstance(node, ast.Constant):
        return int(node.value)
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.BinOp):
        left, right = of(node.left), of(node.right)
        return left * right if isinstance(node.op, ast.Mult) else left + right
    if isinstance(node, ast.Compare):
        return int(of(node.left) != of(node.comparators[0]))
    if isinstance(node, ast.BoolOp):
        return int(any(of(part) for part in node.values))
    assert isinstance(node, ast.Call)
    return CALLS[ast.unparse(node.func)](of(node.args[0]), of(node.args[1]))


@pytest.mark.parametrize("rounding", [FLOOR, ZERO, NEAREST])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_expressions_compute_what_the_function_computes(d: int, rounding: int) -> None:
    rng = np.random.default_rng([d, rounding])
    clips = 0
    for _ in range(50):
        scope, values = Scope(), {}

        def number(name: str, top: int, scope: Scope = scope, values: dict[str, int] = values) -> Any:
            if rng.random() < 0.3:
                return 0, 0
            values[name] = int(rng.integers(-top, top, endpoint=True))
            return scope.variable(name, top), values[name]

        def row(name: str, top: int, number: Any = number) -> tuple[Any, ...]:
            return tuple(zip(*(number(f"{name}{r}", top) for r in range(d)), strict=True))

        A = tuple(zip(*(row(f"a{r}", 500) for r in range(d)), strict=True))
        others = [row(name, top) for name, top in (("c", 500), ("l", 500), ("f", 500))]
        old, drive, direct = row("old", 511), row("b", 600), number("o", 10000)
        found, wanted = (
            function(old[k], A[k], *(x[k] for x in others), drive[k], direct[k], 9, rounding, 10)
            for k, function in enumerate((ARITHMETIC.eligibility_step, eligibility.eligibility_step))
        )
        assert tuple(evaluated(x, values) for x in found[0]) == wanted[0]
        assert evaluated(found[1], values) == wanted[1]
        assert evaluated(found[2], values) == wanted[2]
        clips += wanted[2]
    assert 0 < clips < 50
