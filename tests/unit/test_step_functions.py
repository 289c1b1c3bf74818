"""Step functions keep to what every target can express: scalars, no arrays. They may call functions that do so, too.

Integer ones hold ints and named rules alone, float ones float literals alone: the float32 kernels are the same code
with its literals in float32, and an int literal would bring float64 back.
"""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter
from types import ModuleType

import numpy as np
import pytest
from contract_neurons import models
from model_records import learning_numbers

from hypr_neuro.errors import WidthError
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.base import NeuronModel, no_float_form, no_integer_form
from hypr_neuro.numbers import fixed_point, surrogates
from hypr_neuro.numbers.jit import tagged_functions
from hypr_neuro.numbers.words import Word
from hypr_neuro.testing.networks import varied


@dataclass(frozen=True)
class Subset:
    """number : type of literals and of constants of the module. rules : module of the tagged functions to call"""

    number: type
    operators: tuple[type, ...]
    statements: tuple[type, ...]
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
        known = name in rules and names.get(name) is getattr(self.rules, name)
        return known or self.holds(names.get(name))

    def holds(self, function: object) -> bool:
        """Whether it is a tagged function of this subset."""
        if not inspect.isfunction(function) or function not in tagged_functions():
            return False
        return not faults(inspect.getsource(function), vars(inspect.getmodule(function)), self)


STATEMENTS = (ast.Assign, ast.Return, ast.Expr, ast.FunctionDef)
SIGNS = (ast.Add, ast.Sub, ast.Mult, ast.USub, ast.And, ast.Or, ast.Not)
INTEGER = Subset(
    int,
    (*SIGNS, ast.BitOr, ast.BitAnd),
    (*STATEMENTS, ast.AugAssign, ast.If, ast.For, ast.While),
    fixed_point,
    {"min": 2, "max": 2, "abs": 1},
    "a named rule of fixed_point instead",
    "only integers",
    "only rules of fixed_point, abs, min and max of two, tagged functions of integers",
    "only arguments and integer constants of the module",
)
FLOAT = Subset(
    float,
    (*SIGNS, ast.Div),
    STATEMENTS,
    surrogates,
    {"min": 2, "max": 2, "abs": 1, "sqrt": 1},
    "only + - * /",
    "only floats",
    "only abs, sqrt, min and max of two, functions of surrogates, tagged functions of floats",
    "only arguments and float constants of the module",
)
COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
EXPRESSIONS = (
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.Call,
    ast.Name,
    ast.Constant,
    ast.Tuple,
    ast.Subscript,
)
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
    "learned.change": (INTEGER, ("p", "change")),
}


def step_functions(subset: Subset) -> Iterator[tuple[str, str, Callable]]:
    """(model, kind, function) of every step function that is written in the subset."""
    for name, model in MODELS.items():
        for kind, (wanted, _) in SIGNATURES.items():
            function = attrgetter(kind)(model) if model.learned or "." not in kind else None
            if wanted is subset and function not in (None, no_integer_form, no_float_form):
                yield name, kind, function


FUNCTIONS = [
    pytest.param(function, kind, id=f"{name}.{kind}")
    for subset in (INTEGER, FLOAT)
    for name, kind, function in step_functions(subset)
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
    ranges = {id(node.iter) for node in ast.walk(function) if isinstance(node, ast.For) and is_range(node.iter)}
    for node in ast.walk(function):
        if isinstance(node, ast.stmt):
            fault = statement_fault(node, subset)
            if fault:
                yield node, fault
        elif isinstance(node, ast.operator | ast.unaryop | ast.boolop) and not isinstance(node, subset.operators):
            yield function, f"{type(node).__name__}: {subset.operator_text}"
        elif isinstance(node, ast.cmpop) and not isinstance(node, COMPARISONS):
            yield function, f"{type(node).__name__}: not a comparison of numbers"
        elif isinstance(node, ast.Constant) and not is_docstring(node, function):
            if type(node.value) is not (int if id(node) in indices else subset.number):
                yield node, f"{node.value!r}: {subset.number_text}"
        elif isinstance(node, ast.Call) and id(node) not in ranges and not subset.calls(node, names):
            yield node, f"{ast.unparse(node.func)}(): {subset.call_text}"
        elif isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
            yield node, f"{ast.unparse(node)}: an entry of a tuple has a constant index"
        elif isinstance(node, ast.Name) and id(node) not in called and node.id not in local:
            if type(names.get(node.id)) is not subset.number:
                yield node, f"{node.id}: {subset.name_text}"
        elif isinstance(node, ast.expr) and not isinstance(node, EXPRESSIONS):
            yield node, f"{type(node).__name__}: outside the subset"


def statement_fault(node: ast.stmt, subset: Subset) -> str:
    """What of a statement is outside the subset, "" for none."""
    if not isinstance(node, subset.statements):
        return f"{type(node).__name__}: only assignments and return"
    if isinstance(node, ast.For | ast.While) and node.orelse:
        return "else: a loop has none"
    return "For: only over range" if isinstance(node, ast.For) and not is_range(node.iter) else ""


def is_range(node: ast.expr) -> bool:
    """Whether it is range(stop) or range(start, stop)."""
    called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"
    return called and isinstance(node, ast.Call) and len(node.args) in (1, 2) and not node.keywords


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
        ("for i in x:\n        x = i\n    return x", "For: only over range"),
        ("for i in range(x, 3, 2):\n        x = i\n    return x", "For: only over range"),
        ("while x:\n        x = x - 1\n    else:\n        x = 3\n    return x", "else: a loop has none"),
        ("while x:\n        break\n    return x", "Break"),
        ("return range(x)", "range(): only rules"),
        ("return [x]", "List"),
        ("return sum(y for y in x)", "sum(): only rules of fixed_point"),
        ("return max(x)", "max(): only rules of fixed_point"),
        ("return abs(x, x)", "abs(): only rules of fixed_point"),
        ("return x[x]", "constant index"),
        ("return OTHER", "OTHER: only arguments"),
        ("return np.int64(x)", "np.int64()"),
        ("x.y = 1\n    return x", "Attribute"),
        ("return True", "True: only integers"),
        ("return sat(min(x, 0), 24) + (1 if x > 3 else 0) | x[0]", ""),
        ("for i in range(1, x):\n        if i > 3:\n            x += isqrt(abs(-i))\n    return quotient(x, 7)", ""),
        ("while x > 3:\n        x -= 1\n    return x", ""),
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


@pytest.mark.parametrize("name", models())
def test_neurons_at_the_ends_of_the_contract_keep_to_the_subset(name: str) -> None:
    for kind, (subset, signature) in SIGNATURES.items():
        function = attrgetter(kind)(models()[name]) if models()[name].learned or "." not in kind else None
        if function is not None:
            assert not faults(inspect.getsource(function), vars(inspect.getmodule(function)), subset), kind
            assert tuple(inspect.signature(function).parameters) == signature


def test_a_step_calls_steps_of_its_own_kind_only() -> None:
    lif, source = MODELS["lif"], "def f(x):\n    return step(x, x, x, x)\n"
    assert not faults(source, {"step": lif.fixed_step}, INTEGER)
    assert not faults(source, {"step": lif.float_step}, FLOAT)
    assert "step(): only rules" in faults(source, {"step": lif.float_step}, INTEGER)[0]
    assert "step(): only abs" in faults(source, {"step": lif.fixed_step}, FLOAT)[0]
    assert "step(): only rules" in faults(source, {"step": lif.to_fixed}, INTEGER)[0]


# --- widths


TOP = (1 << 31) - 1
EXACT_IN_64_BITS = [name for name, model in MODELS.items() if model.integer and model.has_float]
"""These keep to 64 bits for every parameter in its range and every 32-bit state and sum."""


def words(values: Iterable[int]) -> tuple[Word, ...]:
    return tuple(Word(v) for v in values)


def extreme_params(model: NeuronModel, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One neuron: each parameter at an end of its range, its default or anywhere between."""
    drawn = {}
    for p in model.params:
        low = p.low + 1e-3 * p.open_low
        value = rng.choice([low, p.high, p.default, 10.0 ** rng.uniform(-3, 6)])
        drawn[p.name] = np.array([np.clip(value, low, p.high)])
    if model.validate is not None and model.constrain is not None:
        model.constrain(drawn)
    return drawn


@pytest.mark.parametrize("name", EXACT_IN_64_BITS)
def test_no_intermediate_result_leaves_64_bits(name: str) -> None:
    """States of 32 and coefficients of 17 bits, eligibilities of 32: the widest that a profile may state."""
    model, rng = MODELS[name], np.random.default_rng(1)
    profile = varied("ideal", precision__state_bits=32, precision__coefficient_bits=17)
    for _ in range(500):
        state_range, weight_range = 10.0 ** rng.uniform(-6, 9, 2)
        form = replace(profile.fixed_format(state_range, weight_range), rounding=int(rng.integers(0, 3)))
        fixed = model.to_fixed(extreme_params(model, rng), form)
        numbers = [fixed.per_neuron[key][0] for key in model.fixed_per_neuron]
        p = words([*map(int, numbers), *(fixed.constants[key] for key in model.fixed_constants)])
        before = words(map(int, rng.choice([-TOP, 0, TOP, *rng.integers(-TOP, TOP, 3)], model.d)))
        z, current = Word(rng.integers(0, 2)), words(map(int, rng.choice([-TOP, 0, TOP], model.currents)))
        after = words(model.fixed_step(before, z, current, p)[0])
        if model.fixed_jacobian is no_integer_form:
            continue
        entry = 256 if model.psi_index is None else rng.choice([model.psi_index(before, after, p), 256])
        more = words(learning_numbers(model, profile.precision.coefficient_bits.value - 1, fixed.state_scale).values())
        A, _, C, late, _, _, _ = model.fixed_jacobian(
            before, after, z, current, (*p, *more), Word(fixed.psi_table[entry])
        )
        for row in (*A, C, late):
            assert sum(abs(v) << 31 for v in row) < 1 << 62, "room for rounding and for what arrives"
        if model.learned is not None:
            model.learned.change(p, words(map(int, rng.choice([-(1 << 31), 0, TOP], len(model.trainable)))))


def test_a_result_that_leaves_64_bits_is_found() -> None:
    for leaves in (lambda: Word(1 << 62) * 2, lambda: 1 << Word(63), lambda: 5 + Word((1 << 63) - 1)):
        with pytest.raises(WidthError, match="leaves its 64 bits"):
            leaves()
    assert Word(-(1 << 62)) * 2 == -(1 << 63)
