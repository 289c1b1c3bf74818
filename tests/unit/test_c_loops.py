"""Functions over arrays in C: every update rule and every error equals its Python form on random and extreme arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needed import needs_gcc

from hypr_neuro.compilers.c import fixed_header
from hypr_neuro.compilers.c.build import Toolchain, compile_c
from hypr_neuro.compilers.c.learning.update import eval_length
from hypr_neuro.compilers.c.loops import CArray, LoopTranslator, Sink, helpers, writes_all
from hypr_neuro.errors import InputError
from hypr_neuro.numbers.fixed_point import shr_floor
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.updates import UPDATES
from hypr_neuro.testing.networks import random_quantized

Array = Any
LIBRARY = Toolchain(
    "library", "gcc", "size", ("-O1", "-shared", "-fPIC", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
)
LIMIT, AVERAGE, FRACTION, BITS = 4, 6, 20, 16
SHAPES = ((1, 1), (5, 1), (7, 12), (3, 40))
LONGEST = 64


def rule_loops(function: Any, shapes: Iterable[tuple[int, ...]]) -> Any:
    places = {1: "{0}", 2: "{0} * hn_tm + {1}"}
    return LoopTranslator(
        function,
        "void NAME(const int32_t gradient[], int64_t hn_tn, int64_t hn_tm, int64_t *state[], int64_t rate,"
        " int64_t steps[])",
        arrays={"gradient": CArray("gradient[{0} * hn_tm + {1}]", ("hn_tn", "hn_tm"), narrow=True)},
        given={"limit": LIMIT, "average_shift": AVERAGE},
        tuples={"state": [CArray(f"state[{k}][{places[len(s)]}]", ()) for k, s in enumerate(shapes)]},
        sink=Sink("step", "steps[{0} * hn_tm + {1}] = {2};", ("hn_tn", "hn_tm")),
    ).translated()


def error_loops(function: Any) -> Any:
    return LoopTranslator(
        function,
        "void NAME(const int32_t output[], int64_t count, int64_t label, int64_t error[])",
        arrays={
            "output": CArray("output[{0}]", ("count",), narrow=True),
            "error": CArray("error[{0}]", ("count",)),
            "table": CArray("table_NAME[{0}]", (), narrow=True),
        },
        given={"fraction": FRACTION, "bits": BITS},
    ).translated()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """All of them, signed overflow and wide shifts trapped."""
    folder: Path = tmp_path_factory.mktemp("loops")
    found = {f"rule_{name}": rule_loops(r.steps, r.shapes(1, 1).values()) for name, r in UPDATES.items()}
    found |= {f"error_{name}": error_loops(error.integer) for name, error in ERRORS.items()}
    calls = list(dict.fromkeys(f for loops in found.values() for f in loops.calls))
    parts = [
        '#include "hn_fixed.h"',
        *(
            f"static const int32_t table_error_{name}[] = {{{', '.join(map(str, error.table))}}};"
            for name, error in ERRORS.items()
            if error.table.size
        ),
        helpers([f for f in calls if f.__module__ != shr_floor.__module__], _rules()),
    ]
    for name, loops in found.items():
        scratch = "".join(f"static int64_t hn_scratch_{name}_{part}[{LONGEST}];\n" for part in loops.scratch)
        head, _, body = loops.text.partition("{")
        head = head.replace("NAME", name)
        text = f"{head};\n{head}{{{body}".replace("table_NAME", f"table_{name}")
        parts.append(scratch + text.replace("hn_scratch_", f"hn_scratch_{name}_"))
    (folder / "hn_fixed.h").write_text(fixed_header(), encoding="utf-8")
    # an argument that a rule does not read stands in its head all the same
    (folder / "loops.c").write_text("\n".join(parts), encoding="utf-8")
    compile_c(LIBRARY, ["-Wno-unused-parameter", "loops.c", "-o", "loops.so"], folder)
    return ctypes.CDLL(str(folder / "loops.so"))


def _rules() -> list[Any]:
    from hypr_neuro.numbers import fixed_point
    from hypr_neuro.numbers.jit import tagged_functions

    return [f for f in tagged_functions() if f.__module__ == fixed_point.__name__]


def pointer(array: Array, kind: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(kind))


@needs_gcc
@pytest.mark.parametrize("name", UPDATES)
def test_rules_equal_their_python_form(library: ctypes.CDLL, name: str, rng: np.random.Generator) -> None:
    rule, run = UPDATES[name], getattr(library, f"rule_{name}")
    for shape in SHAPES:
        wanted = tuple(np.zeros(size, np.int64) for size in rule.shapes(*shape).values())
        found = tuple(array.copy() for array in wanted)
        states = (ctypes.POINTER(ctypes.c_int64) * max(len(found), 1))(*(pointer(a, ctypes.c_int64) for a in found))
        for top in (1, 50, 1 << 12, 1 << 20, (1 << 30) - 1, 0):
            gradient = rng.integers(-top, top, shape, endpoint=True).astype(np.int32)
            rate = int(rng.integers(0, 1 << 27))
            step, got = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
            # Python's own integers, as numba's int64
            rule.steps(gradient.astype(np.int64), wanted, rate, LIMIT, AVERAGE, step)
            run(
                pointer(gradient, ctypes.c_int32),
                ctypes.c_int64(shape[0]),
                ctypes.c_int64(shape[1]),
                states,
                ctypes.c_int64(rate),
                pointer(got, ctypes.c_int64),
            )
            assert np.array_equal(step, got), f"{shape}, {top}"
            for one, other in zip(wanted, found, strict=True):
                assert np.array_equal(one, other)
        assert any(array.any() for array in wanted) == bool(wanted)


@needs_gcc
@pytest.mark.parametrize("name", ERRORS)
def test_errors_equal_their_python_form(library: ctypes.CDLL, name: str, rng: np.random.Generator) -> None:
    run, seen = getattr(library, f"error_{name}"), set()
    for trial in range(300):
        count = int(rng.integers(1, 12))
        output = rng.integers(-(1 << (trial % 30)), 1 << (trial % 30), count, endpoint=True).astype(np.int32)
        label, wanted, got = int(rng.integers(count)), np.zeros(count, np.int64), np.zeros(count, np.int64)
        ERRORS[name].integer(output.astype(np.int64), label, ERRORS[name].table, FRACTION, BITS, wanted)
        run(pointer(output, ctypes.c_int32), ctypes.c_int64(count), ctypes.c_int64(label), pointer(got, ctypes.c_int64))
        assert np.array_equal(wanted, got), f"{output}, {label}"
        seen |= set(got.tolist())
    assert len(seen) > 2


def reads_steps(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = rate
            step[i, j] = step[i, j] + 1


def writes_twice(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = rate
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = 0


def writes_elsewhere(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    for i in range(gradient.shape[0]):
        for _j in range(gradient.shape[1]):
            step[i, 0] = rate


def divides(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = rate / 2


def calls_numpy(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    largest = np.abs(gradient).max()
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = rate * (gradient[i, j] > largest)


def two_dimensions(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    room = np.zeros((3, 3), np.int64)
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = rate + room[0, 0]


def one_index_too_many(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    (row,) = state
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = row[i, j]


def under_if(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    n, m = gradient.shape
    for i in range(n):
        if gradient[i, 0] > 5:
            for j in range(m):
                step[i, j] = rate


def all_under_if(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    if rate > 5:
        for i in range(gradient.shape[0]):
            for j in range(gradient.shape[1]):
                step[i, j] = rate


def from_one(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    n, m = gradient.shape
    for i in range(n):
        for j in range(1, m):
            step[i, j] = rate


def not_all_rows(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    n, m = gradient.shape
    n = max(n - 1, 1)
    for i in range(n):
        for j in range(m):
            step[i, j] = rate


def moved_index(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = rate
            j = 0  # noqa: PLW2901  (an index that is assigned is the test)


def two_meanings(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    kept = state[0]
    if rate > 5:
        kept = state[1]
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = kept[i]


def two_lengths(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    room = np.zeros(gradient.shape[1], np.int64)
    room = np.zeros(gradient.shape[0], np.int64)
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = room[i]


def shape_of_state(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    (row,) = state
    for i in range(row.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = rate


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (
            under_if,
            r"for j under if: cannot become C, rule: the loop over all of step\[i, j\] is under no if; ask inside",
        ),
        (all_under_if, r"for i under if: cannot become C, rule: the loop over all of step\[i, j\] is under no if"),
        (
            from_one,
            r"range\(1, m\): cannot become C, rule: range\(step.shape\[1\]\), all of step; leave entries out by",
        ),
        (not_all_rows, r"range\(n\): cannot become C, rule: range\(step.shape\[0\]\), all of step"),
        (moved_index, "j: cannot become C, rule: an index of step is only set by its loop"),
        (two_meanings, "kept: cannot become C, rule: a name means one array throughout"),
        (two_lengths, "room: cannot become C, rule: a name means one array throughout"),
        (shape_of_state, r"range\(row.shape\[0\]\): cannot become C"),
        (one_index_too_many, r"row\[i, j\]: cannot become C, rule: 1 index"),
        (reads_steps, r"step\[i, j\]: cannot become C, rule: .*only written"),
        (writes_twice, r"step: cannot become C, rule: written in one loop over its two indices"),
        (writes_elsewhere, r"step\[i, 0\]: cannot become C"),
        (divides, r"Div: cannot become C"),
        (calls_numpy, r"np.abs"),
        (two_dimensions, r"np.zeros\(\(3, 3\), np.int64\): cannot become C, rule: np.zeros\(length, np.int64\)"),
    ],
)
def test_what_cannot_become_c_is_refused_by_function_line_and_construct(function: Any, told: str) -> None:
    line = function.__code__.co_firstlineno
    with pytest.raises(InputError, match=rf"test_c_loops\.{function.__name__}, line \d+: .*{told}") as refused:
        rule_loops(function, [(1,)] if function is not two_meanings else [(1,), (1,)])
    at = int(str(refused.value).partition("line ")[2].partition(":")[0])
    assert line <= at < line + 9


def swapped(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    m, n = gradient.shape
    top = np.zeros(m, np.int64)
    wide = np.zeros(step.shape[1], np.int64)
    both = np.zeros(n * m, np.int64)
    for i in range(m):
        for j in range(n):
            top[i] = max(top[i], abs(gradient[i, j]))
            wide[j] += top[i]
            both[i * n + j] = wide[j]
    for i in range(0, m):
        for j in range(n):
            step[i, j] = both[i * n + j]


def no_length(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    n = rate
    room = np.zeros(n, np.int64)
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = room[0]


def test_room_is_as_long_as_the_names_of_the_shape_say() -> None:
    plan = LearningPlan(random_quantized("lif", 0, "loihi2"), LearnOptions())
    tensor = next(t for t in plan.tensors if t.rows != t.columns)
    room = rule_loops(swapped, []).scratch
    assert {name: eval_length(length, tensor) for name, length in room.items()} == {
        "top": tensor.rows,
        "wide": tensor.columns,
        "both": tensor.rows * tensor.columns,
    }
    with pytest.raises(InputError, match=r"np.zeros of n numbers cannot become C, rule: n, m, .* = gradient.shape"):
        eval_length(rule_loops(no_length, []).scratch["room"], tensor)


def winner_and_label(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    if output[label] < 0:
        error[label] = 1


def adds_up(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    for k in range(output.shape[0]):
        error[k] += output[k]


def but_the_first(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    for k in range(1, output.shape[0]):
        error[k] = output[k]


def one_of_two(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    for k in range(output.shape[0]):
        if k != label:
            error[k] = output[k]


def elsewhere(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    for k in range(output.shape[0]):
        k = min(k, label)  # noqa: PLW2901  (an index that is assigned is the test)
        error[k] = output[k]


def before_it_writes(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    last = error[0]
    for k in range(output.shape[0]):
        error[k] = output[k] + last


def the_neighbour(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    for k in range(output.shape[0]):
        error[k] = error[label]


def fewer(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    count = output.shape[0]
    count = max(count - 1, 1)
    for k in range(count):
        error[k] = output[k]


def by_its_length(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    count = error.shape[0]
    for k in range(count):
        twice = 2 * output[k]
        error[k] = twice
        error[k] += error[0]
    error[label] -= 1


PARTIAL = (winner_and_label, adds_up, but_the_first, one_of_two, elsewhere, before_it_writes, the_neighbour, fewer)


@pytest.mark.parametrize("function", PARTIAL)
def test_an_error_that_may_leave_entries_out_is_seen(function: Any) -> None:
    assert not writes_all(function, "error")


@pytest.mark.parametrize("function", [by_its_length, *(ERRORS[name].integer for name in ("linear", "sign", "softmax"))])
def test_an_error_that_writes_every_entry_is_seen(function: Any) -> None:
    assert writes_all(function, "error")
