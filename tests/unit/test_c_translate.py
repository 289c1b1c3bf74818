"""Rules and neurons in C equal their Python form, number by number, without undefined behaviour."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from c_functions import branching

from hypr_neuro.compilers.c.translate import PRELUDE, STEP, TUPLES, c_name, layout, leaves, module, translate
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.base import PSI_ENTRIES, NeuronModel, no_integer_form
from hypr_neuro.numbers import fixed_point
from hypr_neuro.numbers.jit import jitable, tagged_functions
from hypr_neuro.testing.integer import any_population
from hypr_neuro.testing.networks import varied
from hypr_neuro.testing.populations import QUANTIZABLE, quantized_population

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


STRICT = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion")


UBSAN = ("-fsanitize=undefined", "-fno-sanitize-recover=all")


INTEGER = [name for name, model in MODELS.items() if model.integer]


TOP = (1 << 31) - 1


BIG = 1 << 61


EDGE = 8388608


@jitable
def chained(a, b):
    first, _ = branching(a, b)
    return (first ^ b ^ 5) + (70000 * (a > b)) * (70000 * (a != b)) // 3


@jitable
def beyond_an_int(a, b):
    return ((a > b) | (a == b)) * 70000 * 70000, ((a > b) ^ (a == 3)) * 70000 * 70000


@jitable
def by_default(x, low=-7, times=-2):
    return times * max(x, low), low


@jitable
def rounds(a, b):
    left, found = abs(a) & 63, 0
    while abs(left - 3) > 4 and found < 50:
        left = left - 1 if left > 3 else left + 1
        found += 1
    while by_default(left)[0] > by_default(left, -30)[1] and left < 60:
        last = left
        left = last + abs(b & 7) + 1
        while left > last + 4:
            left -= 1
    return left, found, abs(-abs(b)), abs(-3)


@jitable
def exchanged(a, b):
    pair = (a, (b, 1))
    for _ in range(3):
        pair = (pair[1][0], (pair[0] + 1, pair[1][1] + pair[0]))
    other = (a, b)
    if a > b:
        other = (other[1], other[0])
    return pair, other


@jitable
def shrinking(a, b):
    rounds, left, total = abs(a) & 7, (b & 3, 2), 0
    for i in range(rounds):
        rounds -= 1
        total += i + 1
    for i in range(left[1] - 2, left[0]):
        left = (left[0] - 1, left[1])
        total += 10 * (i + 1)
    for total in range(total):  # noqa: B020  (a name that ends its own loop is the test)
        rounds += total
    return rounds, left, total


@jitable
def parted(a, b):
    return a // b, a - a // b * b


@jitable
def guarded(a, b):
    found = abs(parted(a, b)[0]) if b > 0 else parted(a, -b)[1] if b < 0 else -1
    last = b if a > 0 else 3 - parted(a, a - 1)[0] if a > 1 else abs(a - b)
    both = b > 0 and parted(a, b)[0] > 2 and a > 9 and parted(a, a - 9)[1] < 2
    one = not (b <= 0 or parted(a, b)[1] == 0 or found == parted(a, b)[1])
    chain = 0 < b < parted(a, b)[0] < abs(a + b) + 3
    while b > 0 and parted(a, b)[1] > 1:
        b -= 1
    if b > 0 and parted(a, b)[0]:
        found += 100
    return found, last, both, one, chain, b


OWN = (branching, chained, beyond_an_int, rounds, exchanged, shrinking, guarded)


def rule_functions() -> list[Callable]:
    return [f for f in tagged_functions() if f.__module__ == fixed_point.__name__]


def model_functions(model: NeuronModel) -> list[Callable]:
    learned = None if model.learned is None else model.learned.change
    found = (model.fixed_step, model.psi_index, model.fixed_jacobian, learned)
    return [f for f in found if f not in (None, no_integer_form)]


# --- one program for all of them


def entry(function: Callable, sizes: dict[str, int]) -> str:
    """A C function that takes its arguments and leaves its results one after the other."""
    arguments, at = [], 0
    for name in inspect.signature(function).parameters:
        arguments.append(f"in + {at}" if name in TUPLES else f"in[{at}]")
        at += sizes.get(name, 1)
    returns = translate(function).returns
    name, given = c_name(function), ", ".join(arguments)
    if returns is None:
        call = f"out[0] = {name}({given});"
    elif tuple(inspect.signature(function).parameters) == STEP:
        count = len(leaves(returns))
        call = f"out[{count - 2}] = {name}({given}, out, &out[{count - 1}]);"
    else:
        call = f"{name}({given}, out);"
    return f"static void entry_{name}(const int64_t *in, int64_t *out) {{ {call} }}\n"


MAIN = """
typedef void entry_t(const int64_t *in, int64_t *out);
static entry_t *const entries[] = {%s};
int main(void) {
    static int64_t head[4], in[256], out[256];
    while (fread(head, sizeof head, 1, stdin) == 1) {
        for (int64_t row = 0; row < head[1]; row++) {
            if (fread(in, 8, (size_t)head[2], stdin) != (size_t)head[2]) return 1;
            entries[head[0]](in, out);
            fwrite(out, 8, (size_t)head[3], stdout);
        }
    }
    return 0;
}
"""


def sizes_of(model: NeuronModel, function: Callable) -> dict[str, int]:
    count = len(model.fixed_per_neuron) + len(model.fixed_constants)
    if function is model.fixed_jacobian:
        count = model.learning_count
    return {"s": model.d, "s_prev": model.d, "I": model.currents, "p": count, "change": len(model.trainable)}


class Program:
    """The compiled program; `run` gives what a function returns for rows of arguments."""

    def __init__(self, folder: Path, sizes: dict[Callable, dict[str, int]]) -> None:
        self.names: list[str] = []
        texts = ["#include <stdint.h>\n#include <stdio.h>\n", PRELUDE, module(sizes)]
        for function, size in sizes.items():
            texts.append(entry(function, size))
            self.names.append(c_name(function))
        texts.append(MAIN % ", ".join(f"entry_{name}" for name in self.names))
        source, self.path = folder / "all.c", folder / "all"
        source.write_text("".join(texts))
        done = subprocess.run(
            ["gcc", *STRICT, *UBSAN, str(source), "-o", str(self.path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def run(self, function: Callable, rows: np.ndarray) -> np.ndarray:
        return self.run_all({function: rows})[0]

    def run_all(self, rows: dict[Callable, np.ndarray]) -> list[np.ndarray]:
        """Several functions, each with its rows."""
        counts = [len(leaves(translate(function).returns)) for function in rows]
        given = b""
        for (function, part), count in zip(rows.items(), counts, strict=True):
            head = np.array([self.names.index(c_name(function)), *part.shape, count], np.int64)
            given += head.tobytes() + part.astype(np.int64).tobytes()
        done = subprocess.run([str(self.path)], input=given, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        lengths = [len(part) * count for part, count in zip(rows.values(), counts, strict=True)]
        parts = np.split(np.frombuffer(done.stdout, np.int64), np.cumsum(lengths)[:-1])
        return [part.reshape(-1, count) for part, count in zip(parts, counts, strict=True)]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    models = [MODELS[name] for name in INTEGER]
    sizes = {f: {} for f in (*rule_functions(), *OWN)} | {f: sizes_of(m, f) for m in models for f in model_functions(m)}
    return Program(tmp_path_factory.mktemp("translated"), sizes)


def python_rows(function: Callable, rows: np.ndarray, sizes: dict[str, int]) -> np.ndarray:
    """What the Python function returns for each row, flattened."""
    results = []
    for row in rows.tolist():
        arguments, at = [], 0
        for name in inspect.signature(function).parameters:
            size = sizes.get(name, 1)
            part = tuple(row[at : at + size])
            arguments.append(part if name in TUPLES else part[0])
            at += size
        results.append([int(v) for v in leaves(function(*arguments))])
    return np.array(results, dtype=np.int64)


# --- rules


def numbers(rng: np.random.Generator, low: int, high: int, count: int) -> np.ndarray:
    """Of all magnitudes, both ends, and small ones."""
    drawn = rng.integers(low, high, count, endpoint=True) >> rng.integers(0, 62, count)
    ends = rng.choice([low, high, *(v for v in (-1, 0, 1, -EDGE, EDGE, EDGE + 1) if low <= v <= high)], count)
    return np.clip(np.where(rng.random(count) < 0.3, ends, drawn), low, high)


WORD = (-(1 << 63), (1 << 63) - 1)


WIDE, SHIFTS, WIDTHS, EXPONENTS = (-BIG, BIG), (0, 60), (2, 60), (-32, 30)


RANGES = {
    "shr_floor": (WORD, (0, 63)),
    "shr_zero": ((-(1 << 63) + 1, (1 << 63) - 1), (0, 63)),
    "scale_zero": ((-TOP, TOP), (0, 4096), (12, 15)),
    "shr_nearest": (WIDE, SHIFTS),
    "shr_stochastic": (WIDE, SHIFTS, (0, (1 << 32) - 1)),
    "shr": (WIDE, SHIFTS, (0, 2)),
    "shift": ((-TOP, TOP), EXPONENTS),
    "shift_nearest": ((-TOP, TOP), EXPONENTS),
    "sat": (WORD, WIDTHS),
    "wrap": (WIDE, WIDTHS),
    "wrap24_lava": (WIDE,),
    "mix32": ((0, (1 << 32) - 1),),
    "draw32": (WORD, WORD, WORD, WORD),
    "isqrt": ((0, (1 << 62) - 1),),
    "quotient": (WORD, (1, (1 << 63) - 1)),
}


@pytest.mark.parametrize("function", rule_functions(), ids=lambda f: f.__name__)
def test_rules_equal_python(function: Callable, program: Program, rng: np.random.Generator) -> None:
    assert function.__name__ in RANGES, "say in RANGES what the new rule takes"
    rows = np.stack([numbers(rng, *r, 4000) for r in RANGES[function.__name__]], axis=1)
    np.testing.assert_array_equal(program.run(function, rows), python_rows(function, rows, {}))


@pytest.mark.parametrize("function", OWN, ids=lambda f: f.__name__)
def test_statements_mean_what_they_mean_in_python(
    function: Callable, program: Program, rng: np.random.Generator
) -> None:
    rows = rng.integers(-30, 30, (4000, 2))
    np.testing.assert_array_equal(program.run(function, rows), python_rows(function, rows, {}))


# --- one operator inside another

AMOUNT = "0 <= y < 16"


OPERATIONS = {
    **{f"x {sign} y": "1" for sign in ("+", "-", "*", "&", "|", "^", "<", "==", ">=")},
    "x << y": AMOUNT,
    "x >> y": AMOUNT,
    "x // y": "y > 0",
    "-x": "1",
    "not x": "1",
    "not x < y": "1",
    "x if y > 0 else -3": "1",
    "x < y and y < 1": "1",
    "x < y or y < 1": "1",
}
"""Expressions of x and y, and what their C takes."""


YES_OR_NO = ("a < b", "not a", "a < b and b < 1", "a < b or b < 1")


def of(expression: str, x: str, y: str) -> str:
    return expression.replace("x", x).replace("y", y)


def nested() -> dict[str, str]:
    """Every operator on the left and on the right of every other, of a, b and c; and the rows that each takes."""
    found = {}
    for outer, takes in OPERATIONS.items():
        for inner, also in OPERATIONS.items():
            left, right = f"({of(inner, 'a', 'b')})", f"({of(inner, 'b', 'c')})"
            found[of(outer, left, "c")] = f"({of(also, 'a', 'b')}) and ({of(takes, left, 'c')})"
            found[of(outer, "a", right)] = f"({of(also, 'b', 'c')}) and ({of(takes, 'a', right)})"
    for sign in ("and", "or"):
        for part in YES_OR_NO:
            found |= {f"({part}) {sign} c < 2": "1", f"c < 2 {sign} ({part})": "1", f"not (({part}) {sign} c < 2)": "1"}
    return found


def test_every_operator_inside_every_other_means_what_it_means_in_python(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    expressions = nested()
    text = "".join(
        f"def nested_{i}(a, b, c):\n    return {expression}\n\n\ndef takes_{i}(a, b, c):\n    return {takes}\n\n\n"
        for i, (expression, takes) in enumerate(expressions.items())
    )
    (tmp_path / "nested_operators.py").write_text(text)
    spec = importlib.util.spec_from_file_location("nested_operators", tmp_path / "nested_operators.py")
    assert spec is not None
    assert spec.loader is not None
    written = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(written)
    functions = [getattr(written, f"nested_{i}") for i in range(len(expressions))]
    drawn, rows = rng.integers(-9, 10, (400, 3)), {}
    for i, function in enumerate(functions):
        rule = getattr(written, f"takes_{i}")
        rows[function] = drawn[[bool(rule(*row)) for row in drawn.tolist()]]
        assert len(rows[function]) >= 5
    results = Program(tmp_path, {f: {} for f in functions}).run_all(rows)
    for expression, (function, given), result in zip(expressions, rows.items(), results, strict=True):
        np.testing.assert_array_equal(result, python_rows(function, given, {}), err_msg=expression)


# --- neurons


def parameters(rng: np.random.Generator, name: str) -> list[int]:
    """One neuron's integers and constants: as a profile gives them, or of the widest that one may state."""
    model = MODELS[name]
    if name not in QUANTIZABLE:
        p = any_population(rng, "p", name, 1)
        return [*map(int, p.per_neuron[:, 0]), *map(int, p.constants)]
    if rng.random() < 0.5:
        p = quantized_population(rng, "p", name, 1)
        return [*map(int, p.per_neuron[:, 0]), *map(int, p.constants)]
    wide = varied("ideal", precision__state_bits=32, precision__coefficient_bits=17)
    drawn = {}
    for q in model.params:
        low = q.low + 1e-3 * q.open_low
        drawn[q.name] = np.array([np.clip(rng.choice([low, q.high, q.default]), low, q.high)])
    if model.validate is not None and model.constrain is not None:
        model.constrain(drawn)
    fixed = model.to_fixed(drawn, wide.fixed_format(*map(float, 10.0 ** rng.uniform(-6, 9, 2))))
    per_neuron = [int(fixed.per_neuron[key][0]) for key in model.fixed_per_neuron]
    return per_neuron + [fixed.constants[key] for key in model.fixed_constants]


def arguments(rng: np.random.Generator, name: str, function: Callable, p: list[int]) -> list[int]:
    model, row = MODELS[name], []
    for argument in inspect.signature(function).parameters:
        if argument in ("s", "s_prev"):
            states = numbers(rng, -TOP, TOP, model.d) if rng.random() < 0.7 else rng.integers(-EDGE, EDGE, model.d)
            row += [*map(int, states)]
        elif argument in ("I", "change"):
            row += [*map(int, numbers(rng, -TOP, TOP, model.currents if argument == "I" else len(model.trainable)))]
        else:
            # fraction bits, which the Jacobian finds behind p
            more = [int(rng.integers(9, 17)) for _ in model.fixed_learning] * (function is model.fixed_jacobian)
            row += [*p, *more] if argument == "p" else [int(rng.integers(0, 2 if argument == "z_prev" else 1 << 16))]
    return row


@pytest.mark.parametrize("name", INTEGER)
def test_neurons_equal_python(name: str, program: Program, rng: np.random.Generator) -> None:
    sets = [parameters(rng, name) for _ in range(100)]
    for function in model_functions(MODELS[name]):
        rows = np.array([arguments(rng, name, function, sets[i % len(sets)]) for i in range(2000)], dtype=np.int64)
        expected = python_rows(function, rows, sizes_of(MODELS[name], function))
        np.testing.assert_array_equal(program.run(function, rows), expected, err_msg=c_name(function))
        assert not function.__name__.endswith("index") or np.all((expected >= 0) & (expected < PSI_ENTRIES))


@pytest.mark.parametrize("name", [n for n in INTEGER if MODELS[n].fixed_jacobian is not no_integer_form])
def test_layout_says_where_the_parts_of_a_jacobian_start(name: str) -> None:
    model = MODELS[name]
    parts = [len(leaves(shape)) for shape in translate(model.fixed_jacobian).returns]
    starts = layout(model)
    assert list(starts) == ["A", "B", "C", "C_prev", "P", "E", "F", "size"]
    assert np.diff(list(starts.values())).tolist() == parts


def test_a_step_may_write_over_the_state_that_it_reads(tmp_path: Path) -> None:
    step = MODELS["rf_iz"].fixed_step
    text = f"#include <stdint.h>\n{PRELUDE}{module([step])}"
    body = text[text.index("rf_iz_fixed_step") :]
    first_write = body.index("s_out[0] =")
    assert not re.search(r"\bs\[|\bp\[", body[first_write:]), (
        "every argument is read before the first result is written"
    )
