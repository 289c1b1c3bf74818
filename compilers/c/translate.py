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
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from hypr_neuro.compilers.c.expression import (
    Expression,
    Tree,
    leaves,
    literal,
    mapped,
    shape_of,
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
from hypr_neuro.compilers.c.values import INDENT, Function, Values
from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import NeuronModel

__all__ = ["PRELUDE", "STEP", "TUPLES", "Function", "Translator", "c_name", "layout", "leaves", "module", "safe"]
PRELUDE = (Path(__file__).with_name("templates") / "hn_prelude.h").read_text(encoding="utf-8")


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
    sizes = {"A": d * d, "B": d * model.currents, "C": d, "C_prev": d, "P": n * d, "E": n, "F": d}
    starts, at = {}, 0
    for key, size in sizes.items():
        starts[key] = at
        at += size
    return starts | {"size": at}


class Translator(Values):
    """One function on its way to C. `run` gives the result; methods are named after the nodes that they translate."""

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

    def callee(self, function: Callable[..., Any]) -> Function:
        """Translate a function that this one calls."""
        return translate(function)
