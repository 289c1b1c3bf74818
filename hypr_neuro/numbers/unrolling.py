"""Functions of tuples, written once for any number of entries, and their twins for kernels, spelled out entry by entry.

A function tagged with `over_tuples` is ordinary Python: it runs on tuples of any length, of integers, floats or
symbols. Its loops go over all d entries, as `tuple(… for x, y in zip(a, b))`, `sum(…)`, `any(…)` or a for statement.
`unrolled(function, d)` is the twin that kernels call, in which no loop and no generator is left:

    sum(x * y for x, y in zip(a, b))      a[0] * b[0] + a[1] * b[1]                      d = 2

`sum` adds from left to right, behind its start if it has one; `any` becomes a bitwise or, which does not branch.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import threading
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import reduce
from types import CodeType, FunctionType
from typing import Any, NoReturn, TypeVar

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.jit import jitable

F = TypeVar("F", bound=Callable[..., Any])

_twins: dict[Callable[..., Any], dict[int, Callable[..., Any]]] = {}
_unrolling = threading.RLock()


def over_tuples(function: F) -> F:
    """Tag a function whose loops run over tuples of d entries; the function itself is returned unchanged."""
    _twins[function] = {}
    return function


def unrolled(function: Callable[..., Any], d: int) -> Callable[..., Any]:
    """Return the twin of a function tagged with `over_tuples` for tuples of `d` entries, tagged for kernels.

    It stands in the module of the function under the function's name and d, so that cached kernels name it by
    reference, and keeps the function's file and lines. Raises InputError for a loop that is not over tuples.
    """
    with _unrolling:  # kernels are made on threads: a function has one twin for a size
        twins = _twins[function]
        if d not in twins:
            twins[d] = _twin(function, d)
        return twins[d]


def _twin(function: Callable[..., Any], d: int) -> Callable[..., Any]:
    statements, first = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(statements)))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    name = f"{function.__name__}{d}"
    definition.name, definition.decorator_list, definition.returns = name, [], None
    for argument in definition.args.args:
        argument.annotation = None
    names = function.__globals__
    called = {
        n.id: unrolled(names[n.id], d)
        for n in ast.walk(tree)
        if isinstance(n, ast.Name) and isinstance(names.get(n.id), FunctionType) and names[n.id] in _twins
    }
    definition = _Unroll(function, d, first, {key: twin.__name__ for key, twin in called.items()}).visit(definition)
    ast.increment_lineno(ast.fix_missing_locations(tree), first - 1)
    module = compile(tree, inspect.getfile(function), "exec", dont_inherit=True)
    code = next(c for c in module.co_consts if isinstance(c, CodeType))
    names |= {twin.__name__: twin for twin in called.values()}
    twin = FunctionType(code.replace(co_firstlineno=first), names, name, function.__defaults__)
    twin.__module__, twin.__qualname__ = function.__module__, name
    names[name] = twin
    return jitable(twin)


class _Unroll(ast.NodeTransformer):
    """Write loops over tuples out for d entries, and call twins."""

    def __init__(self, function: Callable[..., Any], d: int, first: int, called: Mapping[str, str]) -> None:
        self.function, self.d, self.first, self.called = function, d, first, called

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.copy_location(ast.Name(self.called.get(node.id, node.id), node.ctx), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in ("tuple", "sum", "any") and node.args and isinstance(node.args[0], ast.GeneratorExp):
            entries = self._entries(node.args[0])
            if name == "tuple":
                return ast.copy_location(ast.Tuple(entries, ast.Load()), node)
            operator = ast.Add() if name == "sum" else ast.BitOr()
            started = [self.visit(a) for a in node.args[1:]] + entries
            total: ast.AST = reduce(lambda a, b: ast.copy_location(ast.BinOp(a, operator, b), node), started)
            return total
        self.generic_visit(node)
        return node

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> NoReturn:
        self._refuse(node)

    def visit_ListComp(self, node: ast.ListComp) -> NoReturn:
        self._refuse(node)

    def visit_For(self, node: ast.For) -> list[ast.stmt]:
        if node.orelse:
            self._refuse(node)
        bodies = [self._with(node.target, node.iter, j, node.body) for j in range(self.d)]
        return [self.visit(statement) for body in bodies for statement in body]

    def _entries(self, node: ast.GeneratorExp) -> list[ast.expr]:
        if len(node.generators) != 1 or node.generators[0].ifs:
            self._refuse(node)
        loop = node.generators[0]
        return [self.visit(self._with(loop.target, loop.iter, j, node.elt)) for j in range(self.d)]

    def _with(self, target: ast.expr, over: ast.expr, j: int, body: Any) -> Any:
        """`body` with entry j of what the loop runs over in place of its variables."""
        variables = target.elts if isinstance(target, ast.Tuple) else [target]
        zipped = isinstance(over, ast.Call) and isinstance(over.func, ast.Name) and over.func.id == "zip"
        tuples = over.args if zipped and isinstance(over, ast.Call) else [over]
        plain = all(isinstance(v, ast.Name) for v in variables)
        if (
            not plain
            or len(variables) != len(tuples)
            or not all(isinstance(t, (ast.Name, ast.Subscript)) for t in tuples)
        ):
            self._refuse(over)
        entries = {
            ast.unparse(v): ast.copy_location(ast.Subscript(t, ast.Constant(j), ast.Load()), t)
            for v, t in zip(variables, tuples, strict=True)
        }
        place = _Replace(entries)
        return [place.visit(deepcopy(s)) for s in body] if isinstance(body, list) else place.visit(deepcopy(body))

    def _refuse(self, node: ast.AST) -> NoReturn:
        where = f"{self.function.__module__}.{self.function.__name__}"
        raise InputError(
            f"{where}, line {self.first + getattr(node, 'lineno', 1) - 1}: {ast.unparse(node)}: cannot be written out, "
            "rule: tuple, sum or any of a generator, or for, over a name, an entry or a zip of these, without if; "
            "put what the loop runs over into a variable"
        )


class _Replace(ast.NodeTransformer):
    """Put expressions in place of variables."""

    def __init__(self, expressions: Mapping[str, ast.expr]) -> None:
        self.expressions = expressions

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return deepcopy(self.expressions[node.id]) if node.id in self.expressions else node
