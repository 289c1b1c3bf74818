"""Expressions of C as text, with as many brackets as the reader and gcc's -Wparentheses want."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import add, mul, sub
from typing import Any

PRIMARY, UNARY, PRODUCT, SUM, COMPARISON, BITS, LOGIC, CHOICE = 10, 9, 8, 7, 5, 4, 3, 2
INT = 1 << 31
Tree = Any
"""An `Expression`, or a tuple of trees."""
Shape = Any
"""None for a number, or a tuple of shapes."""


@dataclass(frozen=True)
class Expression:
    """A C expression.

    Attributes
    ----------
    text
        In C.
    rank
        How tightly it binds.
    wide
        Whether it is int64_t, not int.
    number
        The value of a literal.
    settled
        Whether it is a variable of its own or a literal, which writing elsewhere does not change.
    """

    text: str
    rank: int = PRIMARY
    wide: bool = True
    number: int | None = None
    settled: bool = True

    @property
    def boolean(self) -> bool:
        """Whether it is 0 or 1 as C's comparisons are."""
        return self.rank in (COMPARISON, LOGIC) or self.negated

    @property
    def negated(self) -> bool:
        """Whether it is !(…), which gcc wants in brackets where it is compared or its bits are combined."""
        return self.rank == UNARY and self.text.startswith("!")

    def at(self, rank: int) -> str:
        """Return the text, in brackets if it binds less tightly than that."""
        return self.text if self.rank >= rank else f"({self.text})"

    def apart(self, rank: int) -> str:
        """Return the text as `at`, and in brackets if it is !(…)."""
        return f"({self.text})" if self.negated else self.at(rank)


def literal(value: int) -> Expression:
    """Return an integer of 64 bits."""
    wide = not -INT < value < INT
    text = f"INT64_C({value})" if value >= 0 else f"-INT64_C({-value})"
    return Expression(text if wide else str(value), PRIMARY if value >= 0 else UNARY, wide, value)


FOLDED: dict[str, Callable[[int, int], int]] = {"Add": add, "Sub": sub, "Mult": mul}
ARITHMETIC = {"Add": ("+", SUM, SUM), "Sub": ("-", SUM, PRODUCT), "Mult": ("*", PRODUCT, UNARY)}
"""Sign, rank of the result, rank that the right-hand side needs."""
BITWISE = {"BitAnd": "&", "BitOr": "|", "BitXor": "^"}
CALLED = {"LShift": "hn_shl", "RShift": "hn_sar", "FloorDiv": "hn_floordiv"}
COMPARED = {"Eq": "==", "NotEq": "!=", "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">="}


def binary(operator: str, left: Expression, right: Expression) -> Expression | None:
    """Combine left OP right, None for an operator that there is not."""
    if operator in FOLDED and left.number is not None and right.number is not None:
        return literal(FOLDED[operator](left.number, right.number))
    if operator in ARITHMETIC:
        sign, rank, needed = ARITHMETIC[operator]
        # int times int could leave 32 bits
        first = left.at(rank) if left.wide or right.wide else f"(int64_t){left.at(UNARY)}"
        return Expression(f"{first} {sign} {right.at(needed)}", rank, settled=False)
    if operator in BITWISE:
        sign = BITWISE[operator]
        chained = (
            left.rank == BITS
            and f" {sign} " in left.text
            and all(f" {other} " not in left.text for other in BITWISE.values() if other != sign)
        )
        first = left.text if chained else left.apart(UNARY)
        return Expression(f"{first} {sign} {right.apart(UNARY)}", BITS, left.wide or right.wide, settled=False)
    if operator in CALLED:
        return Expression(f"{CALLED[operator]}({left.text}, {right.text})", settled=False)
    return None


def unary(operator: str, operand: Expression) -> Expression | None:
    """Return -operand or !operand (operand == 0 for a number), None for another operator."""
    if operator == "USub" and operand.number is not None:
        return literal(-operand.number)
    if operator == "USub":
        # never "--"
        inner = operand.at(UNARY) if operand.rank > UNARY else f"({operand.text})"
        return Expression(f"-{inner}", UNARY, operand.wide, settled=False)
    if operator == "Not" and not operand.boolean:
        return compare("Eq", operand, literal(0))
    if operator == "Not":
        return Expression(f"!{operand.at(UNARY)}", UNARY, wide=False, settled=False)
    return None


def compare(operator: str, left: Expression, right: Expression) -> Expression | None:
    """Compare left OP right as 0 or 1, None for another operator."""
    if operator not in COMPARED:
        return None
    return Expression(
        f"{left.apart(SUM)} {COMPARED[operator]} {right.apart(SUM)}", COMPARISON, wide=False, settled=False
    )


def logic(operator: str, parts: Sequence[Expression]) -> Expression:
    """Join parts by And or Or, 0 or 1."""
    sign = {"And": " && ", "Or": " || "}[operator]
    return Expression(sign.join(p.at(COMPARISON) for p in parts), LOGIC, wide=False, settled=False)


def conditional(test: Expression, yes: Expression, no: Expression) -> Expression:
    """Choose by test ? yes : no."""
    text = f"{test.at(LOGIC)} ? {yes.at(LOGIC)} : {no.at(LOGIC)}"
    return Expression(text, CHOICE, yes.wide or no.wide, settled=False)


# --- tuples of expressions


def leaves(tree: Tree) -> list[Any]:
    """Return the numbers of a tree, in order."""
    return [leaf for branch in tree for leaf in leaves(branch)] if isinstance(tree, tuple) else [tree]


def shape_of(tree: Tree) -> Shape:
    """Return the shape of a tree."""
    return tuple(shape_of(branch) for branch in tree) if isinstance(tree, tuple) else None


def mapped(tree: Tree, function: Callable[[Any], Any]) -> Tree:
    """Return the tree with `function` of each of its numbers."""
    return tuple(mapped(branch, function) for branch in tree) if isinstance(tree, tuple) else function(tree)
