"""Memory of learning: what is counted is what a learner keeps, and the page of the docs is fresh."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.placement.layer_memory import LayerMemory
from hypr_neuro.placement.learning_memory import (
    Shape,
    jacobian_entries,
    learning_memory,
    memory_of,
)
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.sim.learning.eligibility import gain
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.widths import layer_widths
from hypr_neuro.testing.networks import random_quantized, varied

ROOT = Path(__file__).resolve().parents[2]
TOOL = runpy.run_path(str(ROOT / "tools" / "make_learning_memory.py"))
LEARNING = [name for name, model in MODELS.items() if model.learned is not None]


def hidden(model: str = "brf", profile: Any = "loihi2", *, depth: int = 1, **options: Any) -> LayerMemory:
    """Memory of the first hidden layer."""
    return learning_memory(random_quantized(model, 0, profile, hidden=(6,) * depth), options=LearnOptions(**options))[0]


def test_page_is_fresh() -> None:
    page = (ROOT / "docs" / "learning_memory.md").read_text(encoding="utf-8")
    assert page == TOOL["page"](), "run: python tools/make_learning_memory.py"


def test_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", TOOL["page"](), re.DOTALL)
    assert code is not None
    exec(compile(code.group(1), "learning_memory.md", "exec"), {})
    assert capsys.readouterr().out.startswith("layers.0 79 bits a synapse")


@pytest.mark.parametrize("name", LEARNING)
def test_a_synapse_keeps_an_eligibility_a_state_and_an_accumulator(name: str) -> None:
    profile = varied("loihi2", learning__eligibility_bits=20, learning__accumulator_bits=30)
    shapes = [Shape(get_model("lif" if name == "li" else name), 3, 4, 3), Shape(get_model("li"), 2, 3)]
    memory = memory_of(shapes, profile)[1 if name == "li" else 0]
    assert memory.synapse_bits == 20 * get_model(name).d + 30


def test_a_layer_adds_up() -> None:
    memory = hidden("lif")
    assert (memory.neurons, memory.synapses) == (6, 6 * (4 + 6))
    assert [(c.key, c.columns) for c in memory.learning] == [("input", 4), ("recurrent", 6)]
    # mean squares of 60 - 10 bits
    assert memory.layer == {
        "input row": (6, 50),
        "input column": (4, 50),
        "recurrent row": (6, 50),
        "recurrent column": (6, 50),
    }
    # two eligibilities of 24 bits, 31 bits of accumulator
    assert memory.bits == 60 * (2 * 24 + 31) + 6 * memory.neuron_bits + 22 * 50
    assert memory.whole_bytes == 60 * (2 * 3 + 4) + 6 * (1 + 3 * jacobian_entries(get_model("lif")) + 2 * 2) + 22 * 7
    assert memory.network_bits == 60 * 8 + 6 * 2 * 24 + 6 * 5 * 24


def test_only_entries_that_can_differ_from_0_are_kept() -> None:
    # A: keep_u, keep_u, keep_v; B: both; C: by v
    assert jacobian_entries(get_model("lif")) == 6
    # A, B and C of one number each
    assert jacobian_entries(get_model("li")) == 3


def test_late_errors_keep_eligibilities_and_gains_waiting() -> None:
    qnet = random_quantized("brf", 0, "loihi2", hidden=(6, 5))
    late = varied("loihi2", time__error_latency=3)
    rules = late.dump()
    rules["learning"]["eligibility_alignment"] = {"value": "delayed", "unit": "-", "source": "test"}
    delayed = type(late).model_validate(rules)
    assert [late.clock(3).waiting(i) for i in range(3)] == [0, 0, 0]
    assert [delayed.clock(3).waiting(i) for i in range(3)] == [5, 4, 0]
    plain, found = learning_memory(qnet, late), learning_memory(qnet, delayed)
    assert [b.synapse_bits - a.synapse_bits for a, b in zip(plain, found, strict=True)] == [5 * 24, 4 * 24, 0]
    # nothing below the first layer takes its gain: (2^17 - 1)² / 2^15 = 2^19 - 8, and a sign
    assert [b.neuron_bits - a.neuron_bits for a, b in zip(plain, found, strict=True)] == [0, 4 * 20, 0]


def test_gains_have_the_bits_of_their_largest_sum() -> None:
    """No clamp follows B·C: entries of 18 bits, 15 of fraction."""
    widths, top = layer_widths(load_profile("loihi2"), readout=False), (1 << 17) - 1
    for terms in (1, 2, 3, 4):
        largest = gain((top,) * terms, (top,) * terms, 15)
        assert int(largest).bit_length() + 1 == widths.gain_bits(terms) == 20 + (terms - 1).bit_length()
    assert widths.gain_bits(0) == 0


def test_error_latency_queues_signals_in_front_of_the_last_hidden_layer() -> None:
    qnet = random_quantized("lif", 0, "loihi2", hidden=(6, 5))
    found = learning_memory(qnet, varied("loihi2", time__error_latency=3))
    assert [m.per_neuron["learning signals"] for m in found] == [(1, 16), (4, 16), (1, 16)]


def test_residuals_and_momentum_take_a_number_a_synapse() -> None:
    wide = varied("loihi2").dump()
    wide["learning"] |= {
        "residual_bits": {"value": 6, "unit": "bit", "source": "test"},
        "momentum_bits": {"value": 24, "unit": "bit", "source": "test"},
    }
    qnet = random_quantized("lif", 0, "loihi2")
    profile = type(qnet.profile).model_validate(wide)
    plain = learning_memory(qnet)[0].synapse_bits
    assert learning_memory(qnet, profile)[0].synapse_bits == plain + 6
    assert learning_memory(qnet, profile, LearnOptions(momentum=3))[0].synapse_bits == plain + 6 + 24


def test_parameters_that_learn_take_memory_of_a_neuron() -> None:
    plain, one, every = hidden(), hidden(parameters=("layers.0.omega",)), hidden(parameters=("all",))
    # three eligibilities of 24 bits, derivatives by three states of 24 bits and by the output, an accumulator
    assert one.neuron_bits - plain.neuron_bits == 3 * 24 + 3 * 24 + 18 + 31
    assert every.neuron_bits - plain.neuron_bits == 2 * (one.neuron_bits - plain.neuron_bits)
    assert one.layer["parameters row"] == (6, 50)
    assert one.layer["parameters column"] == (1, 50)
    assert every.layer["parameters row"] == (12, 50)
    assert every.synapse_bits == plain.synapse_bits


def test_rules_keep_what_they_remember() -> None:
    kept = {rule: hidden("lif", rule=rule).layer for rule in ("factored", "layer", "sgd", "sign")}
    assert kept["layer"] == {"input mean": (1, 50), "recurrent mean": (1, 50)}
    assert kept["sgd"] == kept["sign"] == {}


@pytest.mark.parametrize(("rule", "input_bits", "recurrent_bits"), [("factored", 50, 50), ("layer", 46, 44)])
def test_means_of_more_squares_are_narrower(rule: str, input_bits: int, recurrent_bits: int) -> None:
    """Sums of squares fit 63 bits: of 120 x 200 each loses 14 bits of 60, of 300 x 300 it loses 16."""
    readout = Shape(get_model("li"), 2, 3)
    wide, square = Shape(get_model("lif"), 120, 200), Shape(get_model("lif"), 300, 10, 300)
    options = LearnOptions(rule=rule)
    first, second = (memory_of([s, readout], "loihi2", options)[0].layer for s in (wide, square))
    assert {bits for _, bits in first.values()} == {input_bits}
    assert {bits for key, (_, bits) in second.items() if key.startswith("recurrent")} == {recurrent_bits}


def test_a_layer_that_does_not_learn_keeps_what_those_below_need() -> None:
    qnet = random_quantized("lif", 0, "loihi2", hidden=(6, 5))
    below, top, readout = learning_memory(qnet, options=LearnOptions(layers=("layers.0",)))
    assert below.synapse_bits > 0
    assert (top.synapse_bits, readout.synapse_bits) == (0, 0)
    # B·C of a LIF neuron is one product; the rest of its Jacobian nobody reads
    assert top.per_neuron == {"ψ": (1, 8), "Jacobian": (2, 18), "learning signals": (2, 16)}
    assert readout.per_neuron == {"Jacobian": (2, 18), "learning signals": (1, 16)}
    assert below.per_neuron["Jacobian"] == (jacobian_entries(get_model("lif")), 18)
    below, top, readout = learning_memory(qnet, options=LearnOptions(layers=("readout",)))
    assert (below.bits, top.bits) == (0, 0)
    assert readout.bits > 0


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(InputError, match=r"layers\.0\.nonsense"):
        hidden(parameters=("layers.0.nonsense",))


def test_options_are_refused_as_a_learner_refuses_them() -> None:
    with pytest.raises(InputError, match=r"layers: unknown layer 'nonsense'.*, known: layers\.0, readout"):
        hidden(layers=("nonsense",))
    with pytest.raises(InputError, match=r"rule = 'nonsense'.*, known: .*factored"):
        hidden(rule="nonsense")
    with pytest.raises(InputError, match=r"rule = 'nonsense'.*, known: .*factored"):
        memory_of(
            [Shape(get_model("lif"), 3, 4), Shape(get_model("li"), 2, 3)], "loihi2", LearnOptions(rule="nonsense")
        )
    # momentum needs room in the profile that is asked about, not in the one of the network
    qnet, roomy = random_quantized("lif", 0, "loihi2"), varied("loihi2", learning__momentum_bits=24)
    with pytest.raises(InputError, match=r"momentum = 3, but profile 'loihi2' keeps none"):
        learning_memory(qnet, options=LearnOptions(momentum=3))
    assert learning_memory(qnet, roomy, LearnOptions(momentum=3))[0].per_synapse["momentum"] == (1, 24)


def test_the_published_program_needs_what_the_article_states() -> None:
    assert TOOL["NEURONS"] * (TOOL["INPUTS"] + TOOL["NEURONS"] + TOOL["OUTPUTS"]) == 25_440
    assert TOOL["published_arrays"]() / 1024 == pytest.approx(680, rel=0.01)
