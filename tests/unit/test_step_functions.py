"""Step functions keep to what every target can express: scalars, no loops, no arrays.

Integer ones hold ints and named rules alone, float ones float literals alone: the float32 kernels are the same code
with its literals in float32, and an int literal would bring float64 back.
"""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

import pytest

from hypr_neuro import fixed_point, surrogates
from hypr_neuro.jit import tagged_functions
from hypr_neuro.neurons import MODELS


@dataclass(frozen=True)
class Subset:
    """number : type of literals and of constants of the module. rules : module of the tagged functions to call"""

    number: type
    operators: tuple[type, ...]
    rules: ModuleType
    builtins: dict[str, int]
    operator_text: str
    number_text: str
    call_text: str
    name_text: str

    def calls(self, node: ast.Call, names: dict[str, object]) -> bool:
        if not isinstance(node.func, ast.Name) or node.keywords:
            return False
        name = node.func.id
        if self.builtins.get(name) == len(node.args):
            return names.get(name) is None or names[name] is math.sqrt
        rules = {f.__name__ for f in tagged_functions() if f.__module__ == self.rules.__name__}
        return name in rules and names.get(name) is getattr(self.rules, name)


SIGNS = (ast.Add, ast.Sub, ast.Mult, ast.USub, ast.And, ast.Or, ast.Not)
INTEGER = Subset(
    int, (*SIGNS, ast.BitOr, ast.BitAnd), fixed_point, {"min": 2, "max": 2},
    "a named rule of fixed_point instead", "only integers", "only rules of fixed_point, min and max of two",
    "only arguments and integer constants of the module",
)  # fmt: skip
FLOAT = Subset(
    float, (*SIGNS, ast.Div), surrogates, {"min": 2, "max": 2, "abs": 1, "sqrt": 1},
    "only + - * /", "only floats", "only abs, sqrt, min and max of two, functions of surrogates",
    "only arguments and float constants of the module",
)  # fmt: skip
STATEMENTS = (ast.Assign, ast.Return, ast.Expr, ast.FunctionDef)
COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
EXPRESSIONS = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Constant, ast.Tuple,
               ast.Subscript)  # fmt: skip
STEP = ("s", "z_prev", "I", "p")
PSI_ARGUMENT = ("s_prev", "s", "p")
JACOBIAN = ("s_prev", "s", "z_prev", "I", "p", "psi")
SIGNATURES = {
    "float_step": (FLOAT, STEP),
    "float_psi_arg": (FLOAT, PSI_ARGUMENT),
    "float_jacobian": (FLOAT, JACOBIAN),
    "float_spike_jacobian": (FLOAT, JACOBIAN),
    "fixed_step": (INTEGER, STEP),
    "psi_index": (INTEGER, PSI_ARGUMENT),
    "fixed_jacobian": (INTEGER, JACOBIAN),
}
FUNCTIONS = [
    pytest.param(getattr(model, kind), kind, id=f"{name}.{kind}")
    for name, model in MODELS.items()
    for kind, (subset, _) in SIGNATURES.items()
    if getattr(model, kind) is not None and (subset is FLOAT or model.integer)
]


def faults(source: str, names: dict[str, object], subset: Subset) -> list[str]:
    """What in a step function is outside the subset; `names` are those of its module."""
    function = ast.parse(textwrap.dedent(source)).body[0]
    assert isinstance(function, ast.FunctionDef)
    function.decorator_list = []
    local = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    local |= {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return [f"line {getattr(node, 'lineno', '?')}: {text}" for node, text in found(function, local, names, subset)]


def found(
    function: ast.FunctionDef, local: set[str], names: dict[str, object], subset: Subset
) -> Iterator[tuple[ast.AST, str]]:
    indices = {id(node.slice) for node in ast.walk(function) if isinstance(node, ast.Subscript)}
    called = {id(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
    for node in ast.walk(function):
        if isinstance(node, ast.stmt) and not isinstance(node, STATEMENTS):
            yield node, f"{type(node).__name__}: only assignments and return"
        elif isinstance(node, ast.operator | ast.unaryop | ast.boolop) and not isinstance(node, subset.operators):
            yield function, f"{type(node).__name__}: {subset.operator_text}"
        elif isinstance(node, ast.cmpop) and not isinstance(node, COMPARISONS):
            yield function, f"{type(node).__name__}: not a comparison of numbers"
        elif isinstance(node, ast.Constant) and not is_docstring(node, function):
            if type(node.value) is not (int if id(node) in indices else subset.number):
                yield node, f"{node.value!r}: {subset.number_text}"
        elif isinstance(node, ast.Call) and not subset.calls(node, names):
            yield node, f"{ast.unparse(node.func)}(): {subset.call_text}"
        elif isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
            yield node, f"{ast.unparse(node)}: an entry of a tuple has a constant index"
        elif isinstance(node, ast.Name) and id(node) not in called and node.id not in local:
            if type(names.get(node.id)) is not subset.number:
                yield node, f"{node.id}: {subset.name_text}"
        elif isinstance(node, ast.expr) and not isinstance(node, EXPRESSIONS):
            yield node, f"{type(node).__name__}: outside the subset"


def is_docstring(node: ast.Constant, function: ast.FunctionDef) -> bool:
    return isinstance(node.value, str) and node.value == ast.get_docstring(function, clean=False)


@pytest.mark.parametrize(("function", "kind"), FUNCTIONS)
def test_step_functions_keep_to_the_subset(function: Callable, kind: str) -> None:
    subset, signature = SIGNATURES[kind]
    assert not faults(inspect.getsource(function), vars(inspect.getmodule(function)), subset)
    assert tuple(inspect.signature(function).parameters) == signature
    assert function in tagged_functions()


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
    text = "\n".join(faults(f"def f(x):\n    {body}\n", vars(fixed_point), INTEGER))
    assert (fault in text) if fault else (text == ""), text


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("return 2 * x[0]", "2: only floats"),
        ("return 1.0 if x > 0 else 0.0", "0: only floats"),
        ("return x // 2.0", "FloorDiv"),
        ("return x ** 2.0", "Pow"),
        ("return x | x", "BitOr"),
        ("return exp(x)", "exp(): only abs"),
        ("return abs(x, x)", "abs(): only abs"),
        ("return math.sqrt(x)", "math.sqrt()"),
        ("return x[0.0]", "0.0: only floats"),
        ("for i in x:\n        x = i\n    return x", "For"),
        ("return OTHER", "OTHER: only arguments"),
        ("return sqrt(abs(x[0])) / exp_neg(min(x[1], 0.5)) - (1.0 if x > 0.0 else 0.0)", ""),
    ],
)
def test_what_is_outside_the_float_subset_is_found(body: str, fault: str) -> None:
    names = vars(surrogates) | {"sqrt": math.sqrt, "exp": math.exp, "math": math}
    text = "\n".join(faults(f"def f(x):\n    {body}\n", names, FLOAT))
    assert (fault in text) if fault else (text == ""), text
