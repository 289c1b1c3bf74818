"""Widths, shifts, tensors and random words of learning, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.fixed_point import NEAREST, draw32
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.counter import (
    FEEDBACK_TENSORS,
    MOST_LAYERS,
    NOISE_TENSORS,
    PARAMETER_TENSORS,
    PARAMETERS_OF_A_LAYER,
)
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.widths import Widths, layer_widths
from hypr_neuro.testing.networks import random_quantized, varied

ALL = LearnOptions(parameters=("all",))


def network(profile: str = "loihi2", **values: object) -> QuantizedNetwork:
    """4 channels, 3 ALIF neurons with an always-on line and recurrence, 2 outputs; exponents 4, readout gain 1000."""
    qnet = random_quantized("alif", 1, varied(profile, **values), hidden=(3,), outputs=2)
    for connection in qnet.layers[0].connections().values():
        connection.exponent = 4
    qnet.layers[1].input.exponent = 2
    qnet.layers[1].per_neuron[...] = [[(1 << 15) - 1000, (1 << 15) - 10], [1000, 10]]
    return qnet


def test_widths_of_a_profile() -> None:
    # coefficients of 16 bits, eligibilities of 24 with 12 of fraction, signals of 16: 15 + 12 - 19 bits too many
    hidden = Widths(15, 12, 24, NEAREST, 8, 31, 18, 10, 16, 24, 8, 0, 0, 8)
    assert layer_widths(load_profile("loihi2"), readout=False, state_scale=1024.0) == hidden
    narrow = varied("loihi2", learning__error_bits=6, learning__signal_bits=9)
    assert layer_widths(narrow, readout=True).gradient_shift == 0
    assert layer_widths(narrow, readout=False).gradient_shift == 8 + 12 - 19
    assert layer_widths(narrow, readout=True).signal_bits == 6


def test_fractions_of_parameters_follow_their_unit() -> None:
    widths = layer_widths(load_profile("loihi2"), readout=False)
    # a coefficient's unit, 2^-15: 4 bits fewer than a synapse's 12, and the gradient drops 4 fewer
    assert widths.parameter_fraction(2.0**-15) == 8
    assert widths.parameter_shift(8) == 12
    assert widths.parameter_fraction(1.0) == 16
    assert widths.parameter_shift(16) == 4
    assert widths.parameter_fraction(2.0**-40) == 0


def test_tensors_carry_their_random_words() -> None:
    plan = LearningPlan(network(learning__residual_bits=3), ALL)
    found = [(t.name, t.number, t.shape, t.first, t.place, t.residual_bits) for t in plan.tensors]
    assert found[:2] == [
        ("layers.0.input", 0, (3, 5), 0, None, 3),
        ("layers.0.recurrent", 1, (3, 3), 5, None, 3),
    ]
    parameters = plan.layers[0].model.trainable
    assert [t.number for t in plan.tensors if t.layer == 0 and t.parameter] == [
        1024 + j for j in range(len(parameters))
    ]
    assert found[-2:] == [("readout.input", 2, (2, 4), 0, None, 3), ("readout.tau", 1040, (2, 1), 0, 0, 0)]


def test_no_two_draws_share_a_random_word() -> None:
    """Words of the deepest network, with every trainable parameter and a recurrent connection in each layer."""
    deep = range(MOST_LAYERS)
    parameters = [PARAMETER_TENSORS + PARAMETERS_OF_A_LAYER * i for i in deep]
    words = [LearningPlan.connection_number(i, key) for i in deep for key in ("input", "recurrent")]
    words += [first + j for first in parameters for j in range(PARAMETERS_OF_A_LAYER)]
    words += [base + i for base in (FEEDBACK_TENSORS, NOISE_TENSORS) for i in deep]
    assert len(set(words)) == len(words) == MOST_LAYERS * (2 + PARAMETERS_OF_A_LAYER + 2)
    qnet = random_quantized("lif", 1, "loihi2", hidden=(1,) * (MOST_LAYERS - 1))
    plan = LearningPlan(qnet, LearnOptions(layers=("readout",)))
    assert [layer.first_parameter_number for layer in plan.layers] == parameters
    longer = QuantizedNetwork.from_layers([*qnet.layers[:2], *qnet.layers[1:]], qnet.profile, qnet.dt)
    # another layer would draw its parameters' rounding from the words of the feedback
    with pytest.raises(InputError, match=rf"network of {MOST_LAYERS + 1} layers, rule: at most {MOST_LAYERS} to learn"):
        LearningPlan(longer, LearnOptions(layers=("readout",)))


def test_the_shift_of_a_signal_fits_a_quarter_of_the_largest_feedback() -> None:
    plan = LearningPlan(network())
    assert plan.layers[1].largest_gain() == 1000
    # 8 parts of errors · 127 · 1000 · 2^15 = 2^34.95, a quarter has 33 bits, a signal 15 and its sign
    assert plan.signal_shifts == (33 - 15,)


def test_feedback_that_leaves_63_bits_is_refused() -> None:
    wide = {"learning__signal_bits": 24, "precision__weight_bits": 16, "learning__error_bits": 16}
    qnet = network("loihi2", **wide)
    assert LearningPlan(qnet).signal_shifts
    qnet.layers[1].per_neuron[1] = 1 << 31
    with pytest.raises(
        InputError, match=r"readout: feedback sums can need 64 bits, rule: 63; lower learning\.signal_bits"
    ):
        LearningPlan(qnet)


def test_largest_input_leaves_room_for_any_weight() -> None:
    qnet = network()
    qnet.layers[0].recurrent.exponent = 14
    # (2^31 - 1 - 127 · 2^4 of the always-on line - 3 · 127 · 2^14) / (4 channels · 127 · 2^4)
    assert LearningPlan(qnet).largest_input == (2147483647 - 2032 - 6242304) // 8128 == 263439
    # and of noise of either sign, twice its amplitude
    noisy = LearningPlan(qnet, LearnOptions(noise=(1 << 24, 0))).largest_input
    assert noisy == (2147483647 - 2032 - 6242304 - 33554432) // 8128 == 259311
    qnet.layers[0].recurrent.exponent = 24
    with pytest.raises(InputError, match=r"layers\.0: weights of up to 127 · 2\^exponent would let sums reach 2\^31"):
        _ = LearningPlan(qnet).largest_input


def test_only_what_is_chosen_learns() -> None:
    plan = LearningPlan(network(), LearnOptions(layers=("readout",), parameters=("all",)))
    assert [layer.learns for layer in plan.layers] == [False, True]
    assert [t.name for t in plan.tensors] == ["readout.input", "readout.tau"]
    assert plan.lowest == 1
    assert not plan.active(0)
    assert not plan.passes_down(1)


def test_times_are_those_of_the_clock() -> None:
    plan = LearningPlan(network(time__error_latency=3, learning__eligibility_alignment="delayed"))
    assert [(layer.lag, layer.waiting, layer.signal_wait) for layer in plan.layers] == [(1, 4, 3), (1, 0, 0)]


def test_random_feedback_is_drawn_from_the_counter() -> None:
    plan = LearningPlan(network(), LearnOptions(feedback="random", seed=5))
    assert plan.feedback is not None
    (matrix,) = plan.feedback
    assert matrix.shape == (2, 3)
    assert matrix[1, 2] == draw32(5, 0, 2048 + 1, 5) % 255 - 127
    assert np.abs(matrix).max() <= 127
    assert LearningPlan(network()).feedback is None
