"""Update rules, momentum, rounding, errors and signals at their extremes: words, compiled kernels and C agree."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from fractions import Fraction
from math import exp, floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needed import needs_gcc

from hypr_neuro.compilers.c import fixed_header
from hypr_neuro.compilers.c.build import Toolchain, compile_c
from hypr_neuro.compilers.c.translate import module
from hypr_neuro.errors import InputError, WidthError
from hypr_neuro.numbers import fixed_point
from hypr_neuro.numbers.jit import tagged_functions
from hypr_neuro.numbers.words import Table, Word, error_context, on_words
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.feedback import feedback_kernel, learning_signal, output_errors
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.reference_update import ReferenceRule
from hypr_neuro.sim.learning.targets import rewarded
from hypr_neuro.sim.learning.update import (
    SEEN,
    SMALL,
    momentum_step,
    rounded_step,
    step_kernel,
    weight_kernel,
    weight_step,
)
from hypr_neuro.sim.learning.updates import UPDATES
from hypr_neuro.sim.learning.updates.base import StateArray, UpdateRule
from hypr_neuro.testing.networks import random_quantized

Array = Any
TRAPPING = Toolchain(
    "library", "gcc", "size", ("-O1", "-shared", "-fPIC", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
)
LARGEST_RATE = (2048 << 16) - 1
LIMIT, AVERAGE = 64, 3
WIDTHS = ((8, 0), (2, 0), (16, 0), (8, 4), (8, 8), (12, 4), (5, 16), (16, 16), (2, 1))
"""Bits of a weight and of its residual."""


def matrix(rng: np.random.Generator, top: int, shape: tuple[int, int]) -> Array:
    """Integers up to ±top, with both ends and 0 among them."""
    found = rng.integers(-top, top, shape, endpoint=True)
    found.flat[:3] = (top, -top, 0)
    return found


@pytest.mark.parametrize("name", UPDATES)
def test_rules_on_words_equal_the_kernel(name: str, rng: np.random.Generator) -> None:
    rule, shape = UPDATES[name], (3, 4)
    state = {key: np.zeros(size, np.int64) for key, size in rule.shapes(*shape).items()}
    bits = {key: array.word_bits for key, array in rule.state(*shape, 32).items()}
    for top in (1, 50, 1 << 12, 1 << 20, (1 << 31) - 1, 0):
        gradient = matrix(rng, top, shape)
        for rate in (0, 1, 60000, LARGEST_RATE):
            words = tuple(Table.of(array.tolist(), bits[key]) for key, array in state.items())
            step, wanted = np.zeros(shape, np.int64), Table(shape)
            on_words(rule.steps)(Table.of(gradient.tolist()), words, Word(rate), Word(LIMIT), Word(AVERAGE), wanted)
            nothing = np.zeros((0, 0), np.int64)
            step_kernel(name)(gradient, tuple(state.values()), rate, LIMIT, AVERAGE, nothing, 0, 1, step)
            assert wanted.numbers() == step.tolist(), (top, rate)
            assert [table.numbers() for table in words] == [array.tolist() for array in state.values()]
    assert any(array.any() for array in state.values()) == bool(state)


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("accumulator_bits", [8, 24, 32])
def test_rules_need_all_the_bits_that_they_state(name: str, accumulator_bits: int) -> None:
    """Gradients at their largest, again and again: no number leaves its bits, and the largest uses every one."""
    rule, shape, top = UPDATES[name], (3, 700), (1 << (accumulator_bits - 1)) - 1
    state = rule.state(*shape, accumulator_bits)
    arrays = tuple(np.zeros(array.shape, np.int64) for array in state.values())
    largest, nothing = dict.fromkeys(state, 0), np.zeros((0, 0), np.int64)
    for sign in (1, 0, -1, 0) * 4:
        gradient, step = np.full(shape, sign * top, np.int64), np.zeros(shape, np.int64)
        step_kernel(name)(gradient, arrays, LARGEST_RATE, LIMIT, AVERAGE, nothing, 0, 1, step)
        for key, array in zip(state, arrays, strict=True):
            assert state[key].signed or array.min() >= 0
            largest[key] = max(largest[key], int(np.abs(array).max()))
    assert {key: size.bit_length() for key, size in largest.items()} == {k: a.bits - a.signed for k, a in state.items()}


def test_squares_lose_bits_by_the_longer_side() -> None:
    """5000 squares of full-scale gradients fit 63 bits only where each loses 12 bits, not the 10 of short rows."""
    rule, (n, m), top = UPDATES["factored"], (5000, 2), (1 << 31) - 1
    state = tuple(Table(array.shape, array.word_bits) for array in rule.state(n, m, 32).values())
    step = Table((n, m))
    on_words(rule.steps)(Table.of([[top] * m] * n), state, Word(1 << 16), Word(LIMIT), Word(AVERAGE), step)
    row, column = (table.numbers() for table in state)
    assert set(row) == set(column) == {top * top >> 12}
    assert {entry for entries in step.numbers() for entry in entries} == {1 << 16}


def test_a_rule_that_leaves_its_bits_is_refused_by_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    factored = UPDATES["factored"]

    def narrow(n: int, m: int, accumulator_bits: int) -> dict[str, StateArray]:
        wide = factored.state(n, m, accumulator_bits)
        return wide | {"column": replace(wide["column"], bits=1)}

    monkeypatch.setitem(UPDATES, "factored", replace(factored, state=narrow))
    plan = LearningPlan(random_quantized("lif", 0, "loihi2"), LearnOptions())
    rule = ReferenceRule(plan.tensors[0], plan)
    n, m = plan.tensors[0].shape
    with pytest.raises(WidthError, match=r"layers\.0\.input, column .* leaves its 2 bits"):
        rule.change_weights(np.zeros((n, m), np.int32), [[1 << 20] * m] * n, 1 << 16, 0)


def test_rules_say_how_wide_their_numbers_are() -> None:
    steps, real = UPDATES["sgd"].steps, UPDATES["sgd"].real
    with pytest.raises(InputError, match=r"update rule 'old': state 'row' = \(1,\), rule: StateArray\(shape, bits\)"):
        UpdateRule("old", "", lambda n, m, bits: {"row": (n,)}, steps, real)
    with pytest.raises(InputError, match=r"update rule 'old': state: .*, rule: state\(n, m, accumulator_bits\)"):
        UpdateRule("old", "", lambda n, m: {}, steps, real)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (
            lambda n, m, bits: {"times": StateArray((m, n), 3)},
            r"'times' of shape \(3, 2\) at n = 2, m = 3, rule: \(n,\)",
        ),
        (
            lambda n, m, bits: {"row": StateArray((n * m,), 3)},
            r"'row' of shape \(6,\) at n = 2, m = 3, rule: .* or \(n, m\)",
        ),
        (lambda n, m, bits: {"row": StateArray((3,), 3)}, r"'row' of shape \(3,\) at n = 1, m = 1"),
        (
            lambda n, m, bits: {"momentum": StateArray((n, m), 3)},
            "'momentum', rule: a name .* none of momentum, residual",
        ),
        (lambda n, m, bits: {"two words": StateArray((n, m), 3)}, "'two words', rule: a name that Python and C take"),
        (lambda n, m, bits: [StateArray((n, m), 3)], r"state: .*, rule: state\(n, m, accumulator_bits\) -> dict"),
    ],
)
def test_what_a_rule_keeps_has_a_shape_and_a_name_that_every_executor_takes(state: Any, told: str) -> None:
    with pytest.raises(InputError, match=f"update rule 'new': .*{told}|update rule 'new': {told}"):
        UpdateRule("new", "", state, UPDATES["sgd"].steps, UPDATES["sgd"].real)


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("bits", [2, 8, 16])
def test_errors_on_words_equal_the_kernel(name: str, bits: int, rng: np.random.Generator) -> None:
    error, seen = ERRORS[name], set()
    table = Table.of(error.table.tolist())
    for fraction in (0, 3, 14, 20):
        outputs = rng.integers(-(1 << 31), 1 << 31, (12, 3)) >> rng.integers(0, 32, (12, 1))
        label = rng.integers(0, 3, 12)
        found = output_errors(name, outputs.astype(np.int32), label, np.arange(12) > 0, fraction, bits)
        assert not found[0].any()
        for row, k, wanted in zip(outputs[1:], label[1:], found[1:], strict=True):
            words = Table((3,))
            on_words(error.integer)(Table.of(row.tolist()), int(k), table, Word(fraction), Word(bits), words)
            assert words.numbers() == wanted.tolist(), (row, k)
            seen |= set(words.numbers())
    top = (1 << (bits - 1)) - 1
    assert {0, top, -top} <= seen | {0}
    assert max(map(abs, seen)) == top
    assert top < error.one(bits) + 1 <= top + 2


def error_on_words(name: str, outputs: tuple[int, ...], label: int, fraction: int, bits: int) -> list[int]:
    """The error of each output by its definition."""
    error, words = ERRORS[name], Table((len(outputs),))
    table = Table.of(error.table.tolist())
    on_words(error.integer)(Table.of(list(outputs)), label, table, Word(fraction), Word(bits), words)
    found: list[int] = words.numbers()
    return found


def test_of_equal_outputs_the_first_is_the_largest() -> None:
    assert error_on_words("sign", (5, 5), 1, 20, 8) == [127, -127]
    assert error_on_words("sign", (5, 5), 0, 20, 8) == [0, 0]


def test_outputs_with_few_fraction_bits_are_steps_of_the_exponential() -> None:
    """Below 4 fraction bits a difference of 10 is 10 steps of 1/16."""
    power = (1 << 15, round(2**15 * exp(-10 / 16)))
    share = [floor(Fraction(2**7 * p, sum(power)) + Fraction(1, 2)) for p in power]
    assert error_on_words("softmax", (40, 30), 1, 2, 8) == [share[0], share[1] - 2**7]


def test_rewarded_errors_are_rounded_to_the_nearest() -> None:
    assert [rewarded(error, 128, 16) for error in (3, 1, -1, -3)] == [2, 1, 0, -1]  # halves up
    assert [rewarded(error, 127, 16) for error in (3, -3)] == [1, -1]


@pytest.mark.parametrize("name", ERRORS)
def test_errors_in_integers_follow_their_real_form(name: str, rng: np.random.Generator) -> None:
    error, bits, fraction = ERRORS[name], 16, 20
    real = rng.uniform(-1.5, 1.5, (40, 4))
    label = rng.integers(0, 4, 40)
    whole = np.rint(real * 2.0**fraction).astype(np.int32)
    found = output_errors(name, whole, label, np.ones(40, bool), fraction, bits) / error.one(bits)
    wanted = np.clip(error.real(real, np.eye(4)[label]), -1, 1)
    # a table in steps of 1/16 takes the exponential at the nearest of them
    np.testing.assert_allclose(found, wanted, atol=0.04 if error.table.size else 2 / error.one(bits))


def weight_cases(rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Arguments of `weight_step` but those of the random counter: every width, ends of weight, residual and step."""
    cases = []
    for bits, residual_bits in WIDTHS:
        top, half = (1 << (bits - 1)) - 1, (1 << residual_bits) >> 1
        for weight in (-top, -1, 0, 1, top):
            # beyond a weight at its end nothing is kept
            low, high = (0 if weight == -top else -half), (0 if weight == top else max(half - 1, 0))
            for step in (1, -1, 1 << 15, -(1 << 15), (1 << 47) - 1, -(1 << 47), int(rng.integers(-(1 << 20), 1 << 20))):
                cases += [(weight, left, step, bits, residual_bits) for left in {low, 0, high}]
    return cases


def test_weight_steps_on_words_equal_the_kernel_and_keep_their_widths(rng: np.random.Generator) -> None:
    saturations = 0
    for place, (weight, left, step, bits, residual_bits) in enumerate(weight_cases(rng)):
        random = 7, place, 1025, 0
        new, kept, saturated = weight_step(Word(weight), Word(left), Word(step), bits, residual_bits, *random)
        mantissa, residual = np.array([[weight]], np.int32), np.array([[left]], np.int64)
        counts = np.zeros(4, np.int64)
        weight_kernel()(mantissa, residual, np.array([[step]]), bits, residual_bits, *random[:3], counts)
        assert (int(mantissa[0, 0]), int(counts[0])) == (int(new), int(saturated))
        assert int(residual[0, 0]) == (int(kept) if residual_bits else left)
        assert abs(new) < 1 << (bits - 1)
        assert -(1 << residual_bits) <= 2 * kept < 1 << residual_bits or kept == 0
        saturations += saturated
    assert saturations > 100


@pytest.mark.parametrize("residual_bits", [0, 4])
def test_a_step_of_half_a_unit_is_not_small(residual_bits: int) -> None:
    half, counts = 1 << (15 - residual_bits), np.zeros(4, np.int64)
    mantissa, residual = np.zeros((1, 4), np.int32), np.zeros((1, 4), np.int64)
    weight_kernel()(mantissa, residual, np.array([[half, -half, half - 1, 0]]), 8, residual_bits, 7, 0, 0, counts)
    assert (counts[SMALL], counts[SEEN]) == (1, 3)


@needs_gcc
def test_steps_in_c_equal_those_on_words(tmp_path: Path, rng: np.random.Generator) -> None:
    functions = [momentum_step, rounded_step, weight_step, learning_signal]
    rules = [f for f in tagged_functions() if f.__module__ == fixed_point.__name__]
    text = module(functions, rules).replace("static inline ", "")
    heads = [line.replace(" {", ";") for line in text.splitlines() if line.endswith(") {") and line[0] not in " }"]
    (tmp_path / "hn_fixed.h").write_text(fixed_header(), encoding="utf-8")
    (tmp_path / "steps.c").write_text("\n".join(['#include "hn_fixed.h"', *heads, text]), encoding="utf-8")
    compile_c(TRAPPING, ["steps.c", "-o", "steps.so"], tmp_path)
    library = ctypes.CDLL(str(tmp_path / "steps.so"))
    library.hn_momentum_step.restype = ctypes.c_int64
    for place, case in enumerate(weight_cases(rng)):
        arguments = (*case, 7, place, 1025, 3)
        out = (ctypes.c_int64 * 3)()
        library.hn_weight_step(*map(ctypes.c_int64, arguments), out)
        assert list(out) == [int(v) for v in weight_step(*map(Word, arguments))]
    for bits in (2, 24, 32):
        top = (1 << (bits - 1)) - 1
        for momentum in (-top, -1, 0, top):
            for step in (-(1 << 47), -1, 0, 3, 1 << 47):
                for shift in (1, 12):
                    given = step, momentum, shift, bits
                    wanted = int(momentum_step(*map(Word, given)))
                    assert library.hn_momentum_step(*map(ctypes.c_int64, given)) == wanted
                    assert abs(wanted) <= top


def test_signals_on_words_equal_the_kernel(rng: np.random.Generator) -> None:
    for bits, shift in ((4, 0), (8, 5), (24, 20), (24, 40)):
        down = matrix(rng, 1 << 35, (4, 3))
        mantissa = matrix(rng, (1 << 15) - 1, (3, 5)).astype(np.int32)
        signal, clips = np.empty((4, 5), np.int64), np.zeros(1, np.int64)
        feedback_kernel()(down, mantissa, shift, bits, signal, clips)
        wanted = [[learning_signal(Word(v), shift, bits) for v in row] for row in (down @ mantissa).tolist()]
        assert signal.tolist() == [[int(value) for value, _ in row] for row in wanted]
        assert clips[0] == sum(clipped for row in wanted for _, clipped in row)
        assert clips[0] > 0 or shift == 40


def cubes(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    for i in range(gradient.shape[0]):
        room = np.zeros(1, np.int64)
        room[0] = gradient[i, 0] * gradient[i, 0]
        step[i, 0] = room[0] * gradient[i, 0]


def too_far(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    step[0, 0] = rate << gradient[0, 0]


def outside(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    step[0, 0] = gradient[0, -1]


def divides(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    step[0, 0] = fixed_point.quotient(rate, -gradient[0, 0])


def divides_a_number(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    step[0, 0] = 7 // (limit - 1)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (divides, r"quotient \(fixed_point\.py, line \d+\): division by -1048576, rule: by 1 or more"),
        (divides_a_number, r"divides_a_number \(.*\): division by 0, rule: by 1 or more"),
        (cubes, r"layers\.0, cubes \(test_update_arithmetic\.py, line \d+\): \d+ leaves its 64 bits; a rule that"),
        (too_far, r"too_far \(.*\): shift by 1048576, rule: 0 to 63"),
        (outside, r"entry: no entry \[0, -1\] in shape \[1, 1\]"),
    ],
)
def test_words_refuse_what_compiled_code_would_wrap(function: Any, message: str) -> None:
    gradient = Table.of([[1 << 22 if function is cubes else 1 << 20]])
    with pytest.raises(WidthError, match=message), error_context("layers.0"):
        on_words(function)(gradient, (), Word(3), Word(1), Word(1), Table((1, 1)))
