"""Values of a function on its way to C: its names, and expressions by the methods named after their nodes."""

from __future__ import annotations

import ast
import inspect
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NoReturn

from hypr_neuro.compilers.c.expression import (
    PRIMARY,
    Expression,
    Shape,
    Tree,
    binary,
    compare,
    conditional,
    leaves,
    literal,
    logic,
    mapped,
    unary,
)
from hypr_neuro.compilers.c.names import (
    STEP,
    TUPLES,
    safe,
)
from hypr_neuro.errors import InputError
from hypr_neuro.numbers.fixed_point import quotient, shr_floor, shr_nearest, shr_zero

INDENT = "    "
RIGHT: dict[Callable[..., Any], str] = {
    quotient: "FloorDiv",
    shr_floor: "RShift",
    shr_zero: "RShift",
    shr_nearest: "RShift",
}
"""What a rule does by its second argument."""


@dataclass(frozen=True)
class Function:
    """A translated function: its C name, its definition, what it calls (Python functions) and returns."""

    name: str
    text: str
    calls: tuple[Callable[..., Any], ...]
    returns: Shape


@cache
def _source_of(function: Callable[..., Any]) -> tuple[str, int]:
    """Return the source of a function and the number of its first line; to find its end is most of a translation."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError) as error:
        raise InputError(f"{function!r}: has no source, rule: a function that stands in a file") from error
    return textwrap.dedent("".join(lines)), first


class Values(ABC):
    """What a function being translated knows of its names, the lines of C so far, and how expressions become C."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function, self.name = function, name
        text, self.first_line = _source_of(function)
        # anew each time: loops mark their tree
        tree = ast.parse(text).body[0]
        if not isinstance(tree, ast.FunctionDef):
            raise InputError(f"{function!r}: is no definition, rule: a function written with def")
        self.tree = tree
        self.arguments = [a.arg for a in self.tree.args.args]
        self.read = {n.id for n in ast.walk(self.tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        self.variables: dict[str, Tree] = {a: Expression(safe(a)) for a in self.arguments if a not in TUPLES}
        self.owners: dict[str, str] = {}
        self.calls: dict[Callable[..., Any], None] = {}
        self.returns: list[Shape] = []
        self.lines: list[str] = []
        self.depth, self.temporaries = 1, 0
        for argument in self.arguments:
            self.own(argument, safe(argument))

    @abstractmethod
    def callee(self, function: Callable[..., Any]) -> Function:
        """Translate a function that this one calls."""

    def put(self, line: str) -> None:
        """Append a line of C at the depth of the block."""
        self.lines.append(INDENT * self.depth + line)

    def refuse(self, node: ast.AST, construct: str, rule: str) -> NoReturn:
        """Raise InputError, naming function, line, construct and rule."""
        line = self.first_line + getattr(node, "lineno", 1) - 1
        where = f"{self.function.__module__}.{self.function.__name__}"
        raise InputError(f"{where}, line {line}: {construct}: cannot become C, rule: {rule}")

    def settled(self, value: Expression) -> Expression:
        """Return the value in a form that later writes do not change."""
        return value if value.settled else self.keep(self.fresh(), value)

    def keep(self, name: str, value: Expression) -> Expression:
        """Put a value into a new variable."""
        self.put(f"int64_t {name} = {value.text};")
        return Expression(name)

    def declare(self, name: str, c: str, value: Expression) -> Expression:
        """Put the first value of a name into a C variable of its own."""
        self.own(name, c)
        return self.keep(c, value)

    def own(self, name: str, c: str) -> None:
        """Give a name its name in C; InputError where another one has that."""
        owner = self.owners.setdefault(c, name)
        if owner != name:
            self.refuse(self.tree, f"{owner}, {name}", f"both are '{c}' in C; rename one of the two")

    def fresh(self) -> str:
        """Name a new temporary."""
        self.temporaries += 1
        return f"hn_t{self.temporaries}"

    def value(self, node: ast.expr) -> Tree:
        """Translate an expression by the method named after its node."""
        handler = getattr(self, f"of_{type(node).__name__}", None)
        if handler is None:
            self.refuse(node, ast.unparse(node), "integers, names, + - * // << >> & | ^, comparisons, if-else, calls")
        return handler(node)

    def number(self, node: ast.expr) -> Expression:
        """Translate an expression that is a number, not a tuple."""
        tree = self.value(node)
        if isinstance(tree, tuple):
            self.refuse(node, ast.unparse(node), "a number, not a tuple")
        assert isinstance(tree, Expression)
        return tree

    def of_Constant(self, node: ast.Constant) -> Expression:
        """Translate an integer literal."""
        if type(node.value) is not int:
            self.refuse(node, repr(node.value), "only integers")
        return literal(node.value)

    def of_Name(self, node: ast.Name) -> Tree:
        """Read a variable, or an integer constant of the module."""
        if node.id in self.variables:
            return self.variables[node.id]
        if node.id in TUPLES and node.id in self.arguments:
            self.refuse(node, node.id, "a tuple argument is taken apart or indexed")
        constant = self.function.__globals__.get(node.id)
        if type(constant) is not int:
            self.refuse(node, node.id, "arguments, variables and integer constants of the module")
        return literal(constant)

    def of_Tuple(self, node: ast.Tuple) -> Tree:
        """Translate each entry of a tuple."""
        return tuple(map(self.value, node.elts))

    def of_Subscript(self, node: ast.Subscript) -> Tree:
        """Read an entry, of constant index, of a tuple."""
        index = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if type(index) is not int:
            self.refuse(node, ast.unparse(node), "an entry of a tuple has a constant index")
        if isinstance(node.value, ast.Name) and node.value.id in TUPLES and node.value.id in self.arguments:
            return Expression(f"{safe(node.value.id)}[{index}]", settled=False)
        tree = self.value(node.value)
        if not isinstance(tree, tuple) or index >= len(tree):
            self.refuse(node, ast.unparse(node), "an entry that the tuple has")
        return tree[index]

    def of_BinOp(self, node: ast.BinOp) -> Expression:
        """Translate + - * // << >> & | ^."""
        left, right = self.number(node.left), self.number(node.right)
        self.check_right(node, type(node.op).__name__, right.number)
        expression = binary(type(node.op).__name__, left, right)
        return expression or self.refuse(node, type(node.op).__name__, "+ - * // << >> & | ^")

    def check_right(self, node: ast.expr, operator: str, number: int | None) -> None:
        """Refuse a literal by which C would divide or shift otherwise than Python, or not at all."""
        if number is not None and operator == "FloorDiv" and number <= 0:
            self.refuse(node, ast.unparse(node), "division by 1 or more")
        if number is not None and operator in ("LShift", "RShift") and not 0 <= number < 64:
            self.refuse(node, ast.unparse(node), "shifts by 0 to 63")

    def of_UnaryOp(self, node: ast.UnaryOp) -> Expression:
        """Translate a sign or `not`."""
        take = self.truth if isinstance(node.op, ast.Not) else self.number
        expression = unary(type(node.op).__name__, take(node.operand))
        return expression or self.refuse(node, type(node.op).__name__, "- and not")

    def of_Compare(self, node: ast.Compare) -> Expression:
        """Translate a comparison, also a chain of them, to 0 or 1."""
        ends = [self.number(node.left)]

        def compared(operator: str, right: ast.expr) -> Expression:
            ends.append(self.number(right))
            return compare(operator, *ends[-2:]) or self.refuse(node, operator, "== != < <= > >=")

        pairs = zip([type(o).__name__ for o in node.ops], node.comparators, strict=True)
        return self.short("And", [partial(compared, *pair) for pair in pairs])

    def of_BoolOp(self, node: ast.BoolOp) -> Expression:
        """Translate `and`, `or` of comparisons to 0 or 1."""

        def part(value: ast.expr) -> Expression:
            found = self.number(value)
            if not found.boolean:
                self.refuse(node, ast.unparse(node), "and, or of comparisons, unless it decides an if: C gives 0 or 1")
            return found

        return self.short(type(node.op).__name__, [partial(part, value) for value in node.values])

    def truth(self, node: ast.expr) -> Expression:
        """Translate a number of which only matters whether it is 0."""
        if isinstance(node, ast.BoolOp):
            return self.short(type(node.op).__name__, [partial(self.truth, v) for v in node.values])
        return self.number(node)

    def of_IfExp(self, node: ast.IfExp) -> Expression:
        """Translate a conditional expression; what only one of its values needs first is computed under an if."""
        test = self.truth(node.test)
        (yes, yes_first), (no, no_first) = self.aside(node.body), self.aside(node.orelse)
        if not yes_first and not no_first:
            return conditional(test, yes, no)
        result, inner = self.keep(self.fresh(), literal(0)), INDENT * (self.depth + 1)
        self.put(f"if ({test.text}) {{")
        self.lines += [*yes_first, f"{inner}{result.text} = {yes.text};"]
        self.put("} else {")
        self.lines += [*no_first, f"{inner}{result.text} = {no.text};"]
        self.put("}")
        return result

    def aside(self, node: ast.expr) -> tuple[Expression, list[str]]:
        """Translate a number and return it with the lines of C that it needs first, of an inner block."""
        before, self.depth = len(self.lines), self.depth + 1
        value = self.number(node)
        self.depth -= 1
        first, self.lines = self.lines[before:], self.lines[:before]
        return value, first

    def short(self, operator: str, parts: Sequence[Callable[[], Expression]]) -> Expression:
        """Join parts by And or Or; what a part needs first is computed only where Python comes to that part."""
        found, firsts = [parts[0]()], []
        for depth, part in enumerate(parts[1:], 1):
            before, self.depth = len(self.lines), self.depth + depth
            found.append(part())
            self.depth -= depth
            firsts.append(self.lines[before:])
            self.lines = self.lines[:before]
        if len(found) == 1:
            return found[0]
        if not any(firsts):
            return logic(operator, found)
        result, no = self.keep(self.fresh(), found[0]), "" if operator == "And" else "!"
        for value, first in zip(found[1:], firsts, strict=True):
            self.put(f"if ({no}{result.text}) {{")
            self.depth += 1
            self.lines += first
            self.put(f"{result.text} = {value.text};")
        for _ in firsts:
            self.depth -= 1
            self.put("}")
        return compare("NotEq", result, literal(0)) or result

    def of_Call(self, node: ast.Call) -> Tree:
        """Translate a call of a tagged function, of `abs`, or of `min` and `max` of two."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in ("min", "max") and len(node.args) == 2 and not node.keywords:
            return Expression(f"hn_{name}({', '.join(self.number(a).text for a in node.args)})", settled=False)
        if name == "abs" and len(node.args) == 1 and not node.keywords:
            value = self.settled(self.number(node.args[0]))
            return Expression(f"hn_max({value.text}, -{value.at(PRIMARY)})", settled=False)
        function = self.function.__globals__.get(name)
        if not inspect.isfunction(function) or node.keywords or name in self.variables:
            self.refuse(node, f"{ast.unparse(node.func)}()", "tagged functions, abs, min and max of two; no keywords")
        if function in RIGHT and len(node.args) > 1:
            self.check_right(node, RIGHT[function], self.literal_of(node.args[1]))
        callee = self.callee(function)
        self.calls[function] = None
        parameters = list(inspect.signature(function).parameters.values())
        given: list[ast.expr] = [*node.args, *self.defaults(node, parameters[len(node.args) :])]
        if len(parameters) != len(given):
            self.refuse(node, ast.unparse(node), f"{len(parameters)} arguments")
        arguments = [self.passed(a, n.name in TUPLES) for a, n in zip(given, parameters, strict=True)]
        return self.called(callee, [n.name for n in parameters], arguments)

    def literal_of(self, node: ast.expr) -> int | None:
        """Return the value of an integer literal or a constant of the module, None for another expression."""
        plain = isinstance(node, ast.Name) and node.id not in self.variables
        try:
            value = self.function.__globals__.get(ast.unparse(node)) if plain else ast.literal_eval(node)
        except ValueError:
            return None
        return value if type(value) is int else None

    def defaults(self, node: ast.Call, left: list[inspect.Parameter]) -> list[ast.expr]:
        """Return the callee's defaults of the arguments that a call leaves out."""
        if any(type(n.default) is not int for n in left):
            self.refuse(node, ast.unparse(node), "an argument for each name without an integer as default")
        return [ast.copy_location(ast.Constant(n.default), node) for n in left]

    def passed(self, node: ast.expr, as_array: bool) -> str:
        """Translate an argument; a tuple becomes an array."""
        if isinstance(node, ast.Name) and node.id in TUPLES and node.id in self.arguments and as_array:
            return safe(node.id)
        tree = self.value(node)
        if as_array != isinstance(tree, tuple):
            self.refuse(node, ast.unparse(node), "a tuple where the function takes one, else a number")
        if not as_array:
            return str(tree.text)
        name = self.fresh()
        values = ", ".join(leaf.text for leaf in leaves(tree))
        self.put(f"const int64_t {name}[{len(leaves(tree))}] = {{{values}}};")
        return name

    def called(self, callee: Function, names: list[str], arguments: list[str]) -> Tree:
        """Write the call; results that are a tuple go into a temporary array."""
        if callee.returns is None:
            return Expression(f"{callee.name}({', '.join(arguments)})", settled=False)
        name, count = self.fresh(), len(leaves(callee.returns))
        self.put(f"int64_t {name}[{count}];")
        if tuple(names) == STEP:
            given = ", ".join([*arguments, name, f"&{name}[{count - 1}]"])
            self.put(f"{name}[{count - 2}] = {callee.name}({given});")
        else:
            self.put(f"{callee.name}({', '.join([*arguments, name])});")
        numbers = iter([Expression(f"{name}[{i}]") for i in range(count)])
        return mapped(callee.returns, lambda _: next(numbers))
