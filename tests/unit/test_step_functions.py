"""Integer step functions keep to what every target can express: ints, named rules, no loops, no arrays."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator

import pytest

from hypr_neuro import fixed_point
from hypr_neuro.jit import tagged_functions
from hypr_neuro.neurons import MODELS

RULES = {f.__name__ for f in tagged_functions() if f.__module__ == fixed_point.__name__}
BUILTINS = {"min", "max"}
STATEMENTS = (ast.Assign, ast.Return, ast.Expr, ast.FunctionDef)
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.BitOr, ast.BitAnd, ast.USub, ast.And, ast.Or, ast.Not)
COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
EXPRESSIONS = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Constant, ast.Tuple,
               ast.Subscript)  # fmt: skip
STEP = ("s", "z_prev", "I", "p")
SIGNATURES = {
    "fixed_step": STEP,
    "psi_index": ("s_prev", "s", "p"),
    "fixed_jacobian": ("s_prev", "s", "z_prev", "I", "p", "psi"),
}
FUNCTIONS = [
    pytest.param(getattr(model, kind), kind, id=f"{name}.{kind}")
    for name, model in MODELS.items()
    for kind in SIGNATURES
    if getattr(model, kind) is not None
]


def faults(source: str, names: dict[str, object]) -> list[str]:
    """What in a step function is outside the subset; `names` are those of its module."""
    function = ast.parse(textwrap.dedent(source)).body[0]
    assert isinstance(function, ast.FunctionDef)
    function.decorator_list = []
    local = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    local |= {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return [f"line {getattr(node, 'lineno', '?')}: {text}" for node, text in found(function, local, names)]


def found(function: ast.FunctionDef, local: set[str], names: dict[str, object]) -> Iterator[tuple[ast.AST, str]]:
    called = {id(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
    for node in ast.walk(function):
        if isinstance(node, ast.stmt) and not isinstance(node, STATEMENTS):
            yield node, f"{type(node).__name__}: only assignments and return"
        elif isinstance(node, ast.operator | ast.unaryop | ast.boolop) and not isinstance(node, OPERATORS):
            yield function, f"{type(node).__name__}: a named rule of fixed_point instead"
        elif isinstance(node, ast.cmpop) and not isinstance(node, COMPARISONS):
            yield function, f"{type(node).__name__}: not a comparison of numbers"
        elif isinstance(node, ast.Constant) and type(node.value) is not int and not is_docstring(node, function):
            yield node, f"{node.value!r}: only integers"
        elif isinstance(node, ast.Call) and not allowed_call(node, names):
            yield node, f"{ast.unparse(node.func)}(): only rules of fixed_point, min and max of two"
        elif isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
            yield node, f"{ast.unparse(node)}: an entry of a tuple has a constant index"
        elif isinstance(node, ast.Name) and id(node) not in called and node.id not in local:
            if type(names.get(node.id)) is not int:
                yield node, f"{node.id}: only arguments and integer constants of the module"
        elif isinstance(node, ast.expr) and not isinstance(node, EXPRESSIONS):
            yield node, f"{type(node).__name__}: outside the subset"


def is_docstring(node: ast.Constant, function: ast.FunctionDef) -> bool:
    return isinstance(node.value, str) and node.value == ast.get_docstring(function, clean=False)


def allowed_call(node: ast.Call, names: dict[str, object]) -> bool:
    if not isinstance(node.func, ast.Name) or node.keywords:
        return False
    if node.func.id in BUILTINS and len(node.args) == 2:
        return node.func.id not in names
    return node.func.id in RULES and names.get(node.func.id) is getattr(fixed_point, node.func.id)


@pytest.mark.parametrize(("function", "kind"), FUNCTIONS)
def test_integer_functions_keep_to_the_subset(function: Callable, kind: str) -> None:
    assert not faults(inspect.getsource(function), vars(inspect.getmodule(function)))
    assert tuple(inspect.signature(function).parameters) == SIGNATURES[kind]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("return x >> 1", "RShift"),
        ("return x << 1", "LShift"),
        ("return x * 0.5", "0.5: only integers"),
        ("return x / 2", "Div"),
        ("return x // 2", "FloorDiv"),
        ("return x % 2", "Mod"),
        ("return x ** 2", "Pow"),
        ("for i in x:\n        x = i\n    return x", "For"),
        ("while x:\n        x = x - 1\n    return x", "While"),
        ("return [x]", "List"),
        ("return sum(y for y in x)", "sum(): only rules of fixed_point"),
        ("return max(x)", "max(): only rules of fixed_point"),
        ("return abs(x)", "abs(): only rules of fixed_point"),
        ("return x[x]", "constant index"),
        ("return OTHER", "OTHER: only arguments"),
        ("return np.int64(x)", "np.int64()"),
        ("x.y = 1\n    return x", "Attribute"),
        ("return True", "True: only integers"),
        ("return sat(min(x, 0), 24) + (1 if x > 3 else 0) | x[0]", ""),
    ],
)
def test_what_is_outside_the_subset_is_found(body: str, fault: str) -> None:
    text = "\n".join(faults(f"def f(x):\n    {body}\n", vars(fixed_point)))
    assert (fault in text) if fault else (text == ""), text
