"""Neurons whose functions break what a record promises are refused by name, before a kernel or C meets them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import Population
from hypr_neuro.neurons import MODELS, VARIANTS, check_variant, get_model, integer_model
from hypr_neuro.neurons.base import NeuronModel, StateVar
from hypr_neuro.numbers.fixed_point import sat
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.testing.networks import random_network, random_spikes

LIF = MODELS["lif"]


def of_one_state(step: Callable[..., Any], psi_index: Callable[..., Any]) -> NeuronModel:
    """A neuron of one parameter in integers alone that learns nothing of use."""

    def jacobian(s_prev, s, z_prev, I, p, psi):
        return ((0,),), (1,), (psi,), (0,), (), (), (0,)

    return NeuronModel(
        "mine",
        (StateVar("v"),),
        "made up",
        fixed_per_neuron=("a",),
        fixed_step=step,
        psi_index=psi_index,
        fixed_jacobian=jacobian,
    )


def step(s, z_prev, I, p):
    v = sat(I[0], 24)
    return (v,), 1 if v > 100 else 0, 0


def index(s_prev, s, p):
    return min(max(s[0], 0), 511)


def population(step: Callable[..., Any] = step, index: Callable[..., Any] = index, a: Any = (0, 0)) -> Population:
    return Population("p", of_one_state(step, index), np.array([a], np.int64), np.zeros(0, np.int64))


@jitable
def of_itself(x: Any) -> Any:
    return of_itself(x - 1) if x > 0 else x


@jitable
def there(x: Any) -> Any:
    return back(x)


@jitable
def back(x: Any) -> Any:
    return there(x)


@pytest.mark.parametrize(
    ("called", "circle"), [(of_itself, "of_itself -> of_itself"), (there, "there -> back -> there")]
)
def test_a_function_that_calls_itself_is_refused(called: Callable[..., Any], circle: str) -> None:
    def stepping(s, z_prev, I, p):
        return (called(s[0]),), 0, 0

    fault = rf"neuron 'mine': \w+ calls itself \({circle}\), rule: .* write a loop"
    with pytest.raises(InputError, match=fault):
        of_one_state(stepping, index)


def test_a_spike_is_0_or_1() -> None:
    with pytest.raises(
        InputError, match=r"population 'p': fixed_step of 'mine' gives an output of [23], rule: a spike is"
    ):
        population(lambda s, z_prev, I, p: ((sat(I[0], 24),), min(max(I[0] >> 10, 0), 3), 0))


def test_the_definition_looks_at_every_spike() -> None:
    """Of a neuron that no trial ran: the first of a population stands for all."""
    net = random_network("lif", 1)
    qnet = quantize(net, "ideal", calibration=random_spikes(1, 2, 20, net.inputs))
    given = LIF.fixed_step

    def doubled(s, z_prev, I, p):
        new, z, events = given(s, z_prev, I, p)
        return new, z * (2 if p[3] else 1), events

    layer = qnet.layers[0]
    layer.per_neuron[3], layer.per_neuron[3, 1] = 0, 1
    layer.per_neuron[2] = 1
    qnet = qnet.with_layers({0: replace(layer, model=replace(layer.model, fixed_step=doubled))})
    with pytest.raises(InputError, match=r"layers\.0, neuron 1: fixed_step of 'lif' gives an output of 2"):
        simulate_reference(qnet, np.ones((1, 20, net.inputs), np.int64))


def test_an_entry_of_the_table_is_inside() -> None:
    with pytest.raises(
        InputError, match=r"population 'p': psi_index of 'mine' gives -?\d+, rule: 0\.\.511; end it with min"
    ):
        population(index=lambda s_prev, s, p: s[0] + 256)


def test_the_definition_looks_at_every_entry() -> None:
    net = random_network("lif", 1)
    qnet = quantize(net, "ideal", calibration=random_spikes(1, 2, 20, net.inputs))
    layer = qnet.layers[0]
    layer.per_neuron[3] = 0
    layer.per_neuron[3, 1] = 7
    model = replace(layer.model, psi_index=lambda s_prev, s, p: 512 if p[3] == 7 else 0)
    qnet = qnet.with_layers({0: replace(layer, model=model)})
    learner = LearningReference(qnet, LearnOptions())
    with pytest.raises(InputError, match=r"layers\.0, neuron 1: psi_index of 'lif' gives 512, rule: 0\.\.511"):
        learner.sample(np.ones((5, net.inputs), np.int64), [0] * 5, [True] * 5, 1 << 16)


def test_a_learning_plan_tries_its_neurons() -> None:
    net = random_network("lif", 1)
    qnet = quantize(net, "ideal", calibration=random_spikes(1, 2, 20, net.inputs))
    model = replace(LIF, psi_index=lambda s_prev, s, p: s[1])
    qnet = qnet.with_layers({0: replace(qnet.layers[0], model=model)})
    with pytest.raises(InputError, match=r"layers\.0: psi_index of 'lif' gives"):
        LearningPlan(qnet, LearnOptions())


def test_a_step_gives_the_states_of_its_record() -> None:
    with pytest.raises(InputError, match="population 'p': fixed_step of 'mine' gives 2 states, rule: 1"):
        population(lambda s, z_prev, I, p: ((0, 0), 0, 0))


# --- other integers of a model


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        (
            {"states": (StateVar("u"), StateVar("v"), StateVar("w"))},
            r"state_names = \('u', 'v', 'w'\), rule: \('u', 'v'\)",
        ),
        ({"currents": 2}, "currents = 2, rule: 1"),
        ({"params": LIF.params[:2], "threshold": None, "bias_on": "current"}, "param_names = .* as of 'lif'"),
        ({"variant_of": "another"}, "variant_of = 'another', rule: a model, alif, "),
    ],
)
def test_a_variant_has_what_its_model_has(changed: dict[str, Any], fault: str) -> None:
    check_variant(VARIANTS["lif_narrow"])
    with pytest.raises(InputError, match=f"neuron 'lif_narrow': {fault}"):
        check_variant(replace(VARIANTS["lif_narrow"], **changed))


def test_integers_of_another_model_are_refused() -> None:
    fmt = load_profile("ideal").fixed_format(1.0, 1.0)
    for name in ("lif_narrow", "lif"):
        wrong = replace(MODELS["alif"], integer_form=lambda fmt, name=name: name)
        with pytest.raises(
            InputError, match=f"neuron 'alif': integer_form gives '{name}', rule: 'alif' or a VARIANT of "
        ):
            integer_model(wrong, fmt)
    assert integer_model(LIF, fmt) is get_model(LIF.integer_form(fmt))
