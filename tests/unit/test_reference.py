"""The definition refuses, by population, neuron, function and line, what compiled code would do differently."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hypr_neuro.errors import WidthError
from hypr_neuro.numbers.fixed_point import quotient, shr_floor
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.testing.networks import random_quantized


def divides(s: Any, z_prev: Any, I: Any, p: Any) -> Any:
    return (quotient(s[0] + I[0], -3), s[1]), 0, 0


def shifts(s: Any, z_prev: Any, I: Any, p: Any) -> Any:
    return (shr_floor(I[0], 70), s[1]), 0, 0


def overflows(s: Any, z_prev: Any, I: Any, p: Any) -> Any:
    return (((1 + abs(I[0])) << 40) * p[0] * p[0] * p[0] & 1, s[1]), 0, 0


def jacobian(s_prev: Any, s: Any, z_prev: Any, I: Any, p: Any, psi: Any) -> Any:
    return ((quotient(p[0], s[0] - s[0]),),), (1,), (psi,), (0,), ((0,),), (0,), (0,)


def changed(**functions: Any) -> QuantizedNetwork:
    """A LIF network with other functions in its first layer."""
    qnet = random_quantized("lif", 0, "loihi2")
    layer = qnet.layers[0]
    return qnet.with_layers({0: replace(layer, model=replace(layer.model, **functions))})


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (divides, r"quotient \(fixed_point\.py, line \d+\): division by -3, rule: by 1 or more"),
        (shifts, r"shr_floor \(fixed_point\.py, line \d+\): shift by 70, rule: 0 to 63"),
        (overflows, r"overflows \(test_reference\.py, line \d+\): -?\d+ leaves its 64 bits"),
    ],
)
def test_a_step_that_compiled_code_would_take_otherwise_is_refused(function: Any, told: str) -> None:
    qnet = changed(fixed_step=function)
    with pytest.raises(WidthError, match=rf"layers\.0, neuron 0, {told}"):
        simulate_reference(qnet, np.ones((1, 3, qnet.inputs), np.int64))


def test_a_jacobian_that_compiled_code_would_take_otherwise_is_refused() -> None:
    learner = LearningReference(changed(fixed_jacobian=jacobian), LearnOptions())
    x = np.ones((3, learner.qnet.inputs), np.int64)
    with pytest.raises(WidthError, match=r"layers\.0, neuron 0, quotient \(.*\): division by 0, rule: by 1 or more"):
        learner.sample(x, [0] * 3, [True] * 3, 60000)
