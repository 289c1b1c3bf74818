"""C99 from the syntax tree of a tagged function: the rules of `fixed_point` and the integer functions of neurons.

Every number is an int64_t, a comparison 0 or 1. Tuples that a function takes (`TUPLES`) are arrays; tuples inside it
are taken apart into single variables. What it returns decides the form:

    a number                       int64_t name(…)
    ((s…), z, events) of a step    int64_t name(…, int64_t s_out[], int64_t *events), returns z
    any other tuple                void name(…, int64_t out[]), flattened in order

Results are written after all arguments were read, so that s_out may be s. Shifts become `hn_sar` and `hn_shl`, whose
counts lie in 0..63, ``//`` becomes `hn_floordiv`; `PRELUDE` defines these. Sums and products are those of C: they must
fit 64 bits, which the neurons' own tests show. What is outside this subset is refused by function, line and construct.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
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
    shape_of,
    unary,
)
from hypr_neuro.compilers.c.names import (
    STEP,
    TUPLES,
    ascii_text,
    c_name,
    names_in,
    nested_names,
    safe,
    stored_names,
)
from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.fixed_point import quotient, shr_floor, shr_nearest, shr_zero

__all__ = ["PRELUDE", "STEP", "TUPLES", "Function", "Translator", "c_name", "layout", "leaves", "module", "safe"]
PRELUDE = (Path(__file__).with_name("templates") / "hn_prelude.h").read_text(encoding="utf-8")
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


def translate(function: Callable[..., Any], name: str | None = None) -> Function:
    """Translate a function, by default under the name `c_name`; InputError for what is outside the subset."""
    return _translated(function, name or c_name(function))


@cache
def _translated(function: Callable[..., Any], name: str) -> Function:
    return Translator(function, name).run()


def module(functions: Iterable[Callable[..., Any]], defined: Iterable[Callable[..., Any]] = ()) -> str:
    """Translate these functions and all that they call, each once, callees first, without those in `defined`."""
    texts: list[str] = []
    done: dict[str, Callable[..., Any]] = {c_name(f): f for f in defined}

    def add(function: Callable[..., Any]) -> None:
        name = c_name(function)
        if name in done:
            if done[name] is not function:
                raise InputError(
                    f"{function.__module__}.{function.__name__}: '{name}' is the C name of a function of "
                    f"{done[name].__module__} already; rename one of the two"
                )
            return
        done[name] = function
        translated = translate(function)
        for callee in translated.calls:
            add(callee)
        texts.append(translated.text)

    for function in functions:
        add(function)
    return "\n".join(texts)


def layout(model: NeuronModel) -> dict[str, int]:
    """Tell where A, B, C, C' ("C_prev"), P, E, F start in what `<model>_fixed_jacobian` writes, and its "size"."""
    d, n = model.d, len(model.trainable)
    sizes = {"A": d * d, "B": d, "C": d, "C_prev": d, "P": n * d, "E": n, "F": d}
    starts, at = {}, 0
    for key, size in sizes.items():
        starts[key] = at
        at += size
    return starts | {"size": at}


class Translator:
    """One function on its way to C. `run` gives the result; methods are named after the nodes that they translate."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function, self.name = function, name
        try:
            lines, self.first_line = inspect.getsourcelines(function)
        except (OSError, TypeError) as error:
            raise InputError(f"{function!r}: has no source, rule: a function that stands in a file") from error
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
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

    def run(self) -> Function:
        """Translate the function; InputError, naming line and construct, for what is outside the subset."""
        body = self.body()
        for name in sorted(nested_names(body) & self.read - set(self.arguments)):
            self.variables[name] = self.declare(name, safe(name), literal(0))
        self.block(body)
        if len(set(self.returns)) != 1:
            self.refuse(self.tree, "return", "every way through the function returns the same number of values")
        text = "".join([*self.comment(), self.head() + " {\n", *self.unused(), *(f"{line}\n" for line in self.lines)])
        return Function(self.name, text + "}\n", tuple(self.calls), self.returns[0])

    def body(self) -> list[ast.stmt]:
        """Return the statements behind the docstring."""
        return self.tree.body[1:] if ast.get_docstring(self.tree) is not None else self.tree.body

    @property
    def is_step(self) -> bool:
        """Tell whether the function is a step, by its arguments."""
        return tuple(self.arguments) == STEP

    def head(self) -> str:
        """Write the C declaration, in the form that the returned value decides."""
        arguments = [f"const int64_t {safe(a)}[]" if a in TUPLES else f"int64_t {safe(a)}" for a in self.arguments]
        shape = self.returns[0]
        kind = "void" if isinstance(shape, tuple) and not self.is_step else "int64_t"
        if self.is_step:
            if not isinstance(shape, tuple) or [isinstance(part, tuple) for part in shape] != [True, False, False]:
                self.refuse(self.tree, "return", "a step returns (states, z, events)")
            arguments += ["int64_t s_out[]", "int64_t *events_out"]
        elif isinstance(shape, tuple):
            arguments.append("int64_t out[]")
        return f"static inline {kind} {self.name}({', '.join(arguments)})"

    def comment(self) -> list[str]:
        """Write the first line of the docstring, in ASCII."""
        text = ast.get_docstring(self.tree)
        return [] if not text else [f"/* {ascii_text(text.splitlines()[0])} */\n"]

    def unused(self) -> list[str]:
        """Write a cast to void of each argument that is not read, which compilers would warn of."""
        return [f"{INDENT}(void){safe(a)};\n" for a in self.arguments if a not in self.read]

    def put(self, line: str) -> None:
        """Append a line of C at the depth of the block."""
        self.lines.append(INDENT * self.depth + line)

    def refuse(self, node: ast.AST, construct: str, rule: str) -> NoReturn:
        """Raise InputError, naming function, line, construct and rule."""
        line = self.first_line + getattr(node, "lineno", 1) - 1
        where = f"{self.function.__module__}.{self.function.__name__}"
        raise InputError(f"{where}, line {line}: {construct}: cannot become C, rule: {rule}")

    # --- statements

    def block(self, statements: Iterable[ast.stmt]) -> None:
        """Translate statements by the methods named after their nodes."""
        for statement in statements:
            handler = getattr(self, f"do_{type(statement).__name__}", None)
            if handler is None:
                self.refuse(statement, type(statement).__name__, "assignments, if, while, for over range, return")
            handler(statement)

    def do_Return(self, node: ast.Return) -> None:
        """Write results into `out`, or `s_out` and `events_out` of a step, after all arguments were read."""
        if node.value is None:
            self.refuse(node, "return", "a number or a tuple of numbers")
        tree = self.value(node.value)
        self.returns.append(shape_of(tree))
        if not isinstance(tree, tuple):
            self.put(f"return {tree.text};")
            return
        values = [self.settled(leaf) for leaf in leaves(tree)]
        targets = [f"out[{i}]" for i in range(len(values))]
        if self.is_step:
            targets = [f"s_out[{i}]" for i in range(len(values) - 2)] + ["", "*events_out"]
        for target, value in zip(targets, values, strict=True):
            if target:
                self.put(f"{target} = {value.text};")
        self.put(f"return {values[-2].text};" if self.is_step else "return;")

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

    def do_Assign(self, node: ast.Assign) -> None:
        """Assign to a name or a tuple of names; of a tuple, values that the targets occur in are taken first."""
        if len(node.targets) != 1:
            self.refuse(node, "a = b = c", "one target")
        target, tree = node.targets[0], self.assigned(node.targets[0], node.value)
        if isinstance(tree, tuple) and names_in(target) & names_in(node.value):
            tree = mapped(tree, lambda value: self.keep(self.fresh(), value))
        self.bind(target, tree)

    def assigned(self, target: ast.expr, value: ast.expr) -> Tree:
        """Translate the right-hand side; an argument that is a tuple has as many entries as the target names."""
        if isinstance(value, ast.Name) and value.id in TUPLES and value.id in self.arguments:
            if not isinstance(target, ast.Tuple):
                self.refuse(value, value.id, "a tuple argument is taken apart or indexed")
            return tuple(Expression(f"{safe(value.id)}[{i}]", settled=False) for i in range(len(target.elts)))
        return self.value(value)

    def bind(self, target: ast.expr, tree: Tree) -> None:
        """Give names their values; one that is never read is left out."""
        if isinstance(target, ast.Tuple):
            if not isinstance(tree, tuple) or len(tree) != len(target.elts):
                self.refuse(target, ast.unparse(target), "as many names as values")
            for part, value in zip(target.elts, tree, strict=True):
                self.bind(part, value)
        elif isinstance(target, ast.Name):
            if target.id in self.read:
                self.variables[target.id] = self.stored(target.id, safe(target.id), tree, self.variables.get(target.id))
        else:
            self.refuse(target, ast.unparse(target), "a name or a tuple of names")

    def stored(self, name: str, c: str, tree: Tree, old: Tree) -> Tree:
        """Write an assignment to C variables, declared where the name is new; a tuple is one variable an entry."""
        if isinstance(tree, tuple):
            if name in self.arguments or (old is not None and shape_of(old) != shape_of(tree)):
                self.refuse(self.tree, name, "a name keeps its form, a number or a tuple of one shape")
            olds = old if isinstance(old, tuple) else (None,) * len(tree)
            parts = enumerate(zip(tree, olds, strict=True))
            return tuple(self.stored(f"{name}[{i}]", f"{c}_{i}", t, o) for i, (t, o) in parts)
        if isinstance(old, tuple):
            self.refuse(self.tree, name, "a name keeps its form, a number or a tuple of one shape")
        if old is None and self.depth > 1:
            self.refuse(self.tree, c, "a tuple is first assigned outside of if and for")
        if old is None:
            return self.declare(name, c, tree)
        self.put(f"{c} = {tree.text};")
        return Expression(c)

    def do_AugAssign(self, node: ast.AugAssign) -> None:
        """Translate `a += b` as `a = a + b`."""
        left = ast.copy_location(ast.Name(getattr(node.target, "id", ""), ast.Load()), node)
        if not left.id:
            self.refuse(node, ast.unparse(node), "a name on the left")
        self.bind(node.target, self.value(ast.copy_location(ast.BinOp(left, node.op, node.value), node)))

    def do_If(self, node: ast.If) -> None:
        """Translate an if with its else."""
        self.put(f"if ({self.truth(node.test).text}) {{")
        self.inside(node.body)
        if node.orelse:
            self.put("} else {")
            self.inside(node.orelse)
        self.put("}")

    def do_While(self, node: ast.While) -> None:
        """Translate a loop whose test is evaluated in each round."""
        if node.orelse:
            self.refuse(node, "while", "no else")
        before, self.depth = len(self.lines), self.depth + 1
        test = self.truth(node.test)
        self.depth -= 1
        # what the test needs first, such as the result of a call, is computed again in every round
        first, self.lines = self.lines[before:], self.lines[:before]
        self.put(f"while ({'1' if first else test.text}) {{")
        if first:
            self.lines += [*first, f"{INDENT * (self.depth + 1)}if (!({test.text})) {{ break; }}"]
        self.inside(node.body)
        self.put("}")

    def inside(self, statements: Iterable[ast.stmt]) -> None:
        """Translate statements of an inner block."""
        self.depth += 1
        self.block(statements)
        self.depth -= 1

    def do_For(self, node: ast.For) -> None:
        """Translate a loop over a range; its ends are evaluated once, and the name may be assigned to inside."""
        call = node.iter
        ranged = isinstance(call, ast.Call) and ast.unparse(call.func) == "range" and not call.keywords
        if not (ranged and isinstance(call, ast.Call) and len(call.args) in (1, 2)) or node.orelse:
            self.refuse(node, "for", "for NAME in range(stop) or range(start, stop), no else")
        if not isinstance(node.target, ast.Name):
            self.refuse(node, "for", "one name")
        ends = [self.settled(self.number(a)) for a in call.args]
        if ends[-1].number is None and names_in(call.args[-1]) & stored_names(node):
            # Python asks for the end once, C in every round
            ends[-1] = self.keep(self.fresh(), ends[-1])
        counter = self.fresh()
        start, stop = ends[0].text if len(ends) == 2 else "0", ends[-1].text
        self.put(f"for (int64_t {counter} = {start}; {counter} < {stop}; {counter}++) {{")
        self.depth += 1
        self.bind(node.target, Expression(counter))
        self.block(node.body)
        self.depth -= 1
        self.put("}")

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
        callee = translate(function)
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
