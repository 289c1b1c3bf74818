"""Compiled kernels compute in one precision: 32 bits all the way, or 64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import exp
from typing import Any

import numba
import numpy as np
import pytest

from hypr_neuro.neurons import MODELS
from hypr_neuro.numbers import surrogates
from hypr_neuro.numbers.compiling import compile_kernel, prepare
from hypr_neuro.numbers.jit import single_precision, tagged_functions
from hypr_neuro.run.layer_kernels import s_stage
from hypr_neuro.testing.networks import random_network, random_spikes, spiking_models
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.kernels import p_stage
from hypr_neuro.train.rules import RULES

SCALAR = ("exp_neg", "slayer", "double_gaussian", "exponential")
FUNCTIONS = [pytest.param(getattr(surrogates, name), None, id=name) for name in SCALAR] + [
    pytest.param(getattr(model, kind), name, id=f"{name}.{kind}")
    for name, model in MODELS.items()
    for kind in ("float_step", "float_psi_arg", "float_jacobian", "float_spike_jacobian")
    if model.has_float and getattr(model, kind) is not None
]


def arguments(function: Callable, model: str | None, number: Any) -> list[Any]:
    """numba types of the function's arguments, every number a `number`."""
    record = MODELS.get(model or "")
    counts = (
        {}
        if record is None
        else {
            "s": record.d,
            "s_prev": record.d,
            "I": record.currents,
            "p": record.float_count,
        }
    )
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    return [numba.types.UniTuple(number, counts[name]) if name in counts else number for name in names]


def numbers(of: Any) -> Iterator[Any]:
    """The types of the numbers in a tuple of tuples."""
    if isinstance(of, numba.types.BaseTuple):
        for entry in of:
            yield from numbers(entry)
    else:
        yield of


def compiled(function: Callable, model: str | None, number: Any) -> tuple[set[Any], str]:
    """Types that the function returns, and what numba found of its variables."""
    prepare()
    kernel = numba.njit(error_model="numpy")(function)
    kernel.compile(tuple(arguments(function, model, number)))
    (found,) = kernel.overloads.values()
    return set(numbers(found.signature.return_type)), str(found.type_annotation)


@pytest.mark.parametrize(("function", "model"), FUNCTIONS)
def test_a_twin_computes_in_32_bits(function: Callable, model: str | None) -> None:
    returned, annotation = compiled(single_precision(function), model, numba.float32)
    assert returned == {numba.float32}
    assert "float64" not in annotation


def test_the_function_itself_would_compute_in_64_bits() -> None:
    """What the twins are for, and that the test above can tell."""
    assert compiled(surrogates.exp_neg, None, numba.float32)[0] == {numba.float64}
    assert numba.float64 in compiled(MODELS["alif"].float_jacobian, "alif", numba.float32)[0]


@pytest.mark.parametrize("model", spiking_models())
def test_kernels_compute_in_the_precision_of_their_arrays(model: str) -> None:
    net, x, y = random_network(model, 1), random_spikes(1, 2, 8, 4), np.zeros(2, int)
    for dtype, other in ((np.float32, "float64"), (np.float64, "float32")):
        precision = np.dtype(dtype).name
        for name, rule in RULES.items():
            gradients(net, x, y, rule=name, dtype=dtype)
            paths = rule.own_spike, rule.recurrent
            kernels = [
                s_stage(model, precision),
                p_stage(model, precision, *paths, rule.error_feedback),
                s_stage("li", precision),
                p_stage("li", precision, *paths, False),
            ]
            for kernel in kernels:
                assert kernel.overloads
                for found in kernel.overloads.values():
                    assert other not in str(found.type_annotation)
                    assert precision in str(found.type_annotation)


def test_a_twin_is_made_once() -> None:
    before = len(tagged_functions())
    for function in (surrogates.exp_neg, surrogates.slayer, MODELS["brf"].float_jacobian):
        twin = single_precision(function)
        assert twin is single_precision(function)
        assert twin is not function
        assert twin.__qualname__ == twin.__name__ == f"{function.__name__}__float32"
        assert not any(type(c) is np.float32 for c in function.__code__.co_consts), "the function itself is unchanged"
        assert not any(type(c) is float for c in twin.__code__.co_consts)
    called = single_precision(surrogates.slayer).__globals__["exp_neg"]
    assert called is single_precision(surrogates.exp_neg)
    assert len(tagged_functions()) == before


def test_a_twin_narrows_float_literals_alone() -> None:
    def function(x: Any, inner: Callable = abs) -> Any:
        return x + 0.1, 3, True, "text", (0.2, (0.3, 4)), inner(x), called(x), plain(x)

    def plain(x: Any) -> Any:
        return 0.5

    called = surrogates.exp_neg
    x, *others = single_precision(function)(np.float32(1.0))
    assert type(x) is np.float32
    assert others[:3] == [3, True, "text"]
    assert [type(v) for v in (others[3][0], *others[3][1])] == [np.float32, np.float32, int]
    assert others[3] == (np.float32(0.2), (np.float32(0.3), 4))
    assert type(others[5]) is np.float32, "a tagged function is replaced where it is called"
    assert type(others[6]) is float, "any other is not"


def values_of(precision: str, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """exp_neg of each y by a compiled kernel, and by Python on numpy numbers."""
    function = surrogates.exp_neg

    def kernel(y, out):
        for i in range(len(y)):
            out[i] = function(y[i])

    out = np.empty_like(y)
    compile_kernel(kernel, precision)(y, out)
    plain = single_precision(function) if precision == "float32" else function
    return out, np.array([plain(value) for value in y], y.dtype)


@pytest.mark.parametrize(
    ("precision", "up_to", "largest"),
    [("float64", 10, 1e-14), ("float64", 30, 2e-12), ("float32", 10, 4e-6), ("float32", 30, 1.5e-5)],
)
def test_the_error_of_exp_neg(precision: str, up_to: float, largest: float) -> None:
    """The relative error grows with y: by the series' missing term in 64 bits, by rounding in 32."""
    y = np.linspace(0.0, up_to, 4001).astype(precision)
    found, plain = values_of(precision, y)
    assert found.dtype == precision
    assert np.array_equal(found, plain), "compiled or not, the same bits"
    exact = np.array([exp(-float(value)) for value in y])
    error = np.abs(found.astype(np.float64) / exact - 1.0).max()
    assert largest / 3 < error < largest
    assert found[0] == 1.0


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_exp_neg_counts_large_arguments_as_64(precision: str) -> None:
    found, _ = values_of(precision, np.array([64.0, 64.5, 1e30, np.inf, 63.0], precision))
    assert np.all(found[:4] == found[0])
    assert 0.0 < found[0] < found[4]
