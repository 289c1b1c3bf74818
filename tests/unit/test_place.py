"""Placement: every limit holds, every neuron has one core, and what does not fit is named."""

from __future__ import annotations

import numpy as np
import pytest

from hypr_neuro.errors import DoesNotFitError
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.placement.estimate import estimate
from hypr_neuro.placement.learning_memory import Shape, learning_memory, memory_of
from hypr_neuro.placement.place import place
from hypr_neuro.placement.stored import axon_bits
from hypr_neuro.profiles.profile import Profile, load_profile, parse_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate


def network(size: int, inputs: int = 5, neuron: str = "lif") -> Network:
    return Network.build({"inputs": inputs, "outputs": 3, "layers": [{"neuron": neuron, "size": size}]})


def quantized(size: int, inputs: int = 5, neuron: str = "lif") -> QuantizedNetwork:
    return quantize(network(size, inputs, neuron), "loihi2", calibration={"layers.0": 2.0, "readout": 2.0})


def limited(**limits: int) -> Profile:
    """loihi2 with other limits of a core."""
    data = load_profile("loihi2").dump()
    for key, value in limits.items():
        data["core"][key] = {"value": value, "unit": "-", "source": "test"}
    return parse_profile(data, "test")


@pytest.mark.parametrize("limits", [{"neurons": 7}, {"synaptic_memory": 20_000}, {"neurons": 64, "in_axons": 60}])
def test_every_neuron_is_on_one_core_and_limits_hold(limits: dict[str, int]) -> None:
    qnet = quantized(50)
    placement = place(qnet, limited(**limits))
    hidden = [use for use in placement.cores if use.layer == "layers.0"]
    covered = np.concatenate([np.arange(u.first_neuron, u.first_neuron + u.neurons) for u in hidden])
    assert np.array_equal(covered, np.arange(50))
    assert max(u.neurons for u in hidden) - min(u.neurons for u in hidden) <= 1
    for use in placement.cores:
        assert use.neurons <= limits.get("neurons", 1024)
        assert use.memory_bits <= limits.get("synaptic_memory", 1 << 20)
        assert use.in_axons <= limits.get("in_axons", 4096)


def test_no_smaller_number_of_cores_would_do() -> None:
    qnet = quantized(50)
    chip = limited(synaptic_memory=20_000)
    used = sum(1 for use in place(qnet, chip).cores if use.layer == "layers.0")
    larger_group = -(-50 // (used - 1))
    axons = qnet.layers[0].input.mantissa.shape[1] + 50
    assert axons * axon_bits(larger_group, 8) > 20_000


def test_learning_synapses_take_their_memory() -> None:
    qnet = quantized(20, neuron="brf")
    plain, learning = place(qnet).cores[0], place(qnet, learning=True).cores[0]
    rules = qnet.profile.learning
    each = 3 * rules.eligibility_bits.value + rules.accumulator_bits.value
    assert learning.memory_bits - plain.memory_bits == learning.learning_bits > learning.synapses * each
    assert learning.learning_bits == learning_memory(qnet)[0].bits


def test_learning_memory_of_the_cores_adds_up_but_for_the_columns_that_each_keeps() -> None:
    qnet = quantized(50, neuron="brf")
    cores = [use for use in place(qnet, limited(neurons=7), learning=True).cores if use.layer == "layers.0"]
    whole = learning_memory(qnet)[0]
    columns = qnet.layers[0].input.mantissa.shape[1] + 50
    _, width = whole.layer["input column"]
    assert len(cores) == 8
    assert sum(use.learning_bits for use in cores) == whole.bits + (len(cores) - 1) * columns * width


def test_what_a_core_keeps_of_a_rule_is_as_wide_as_the_whole_layer_needs() -> None:
    """4000 rows: squares lose 12 bits instead of 10, though 40 neurons alone would lose 10."""
    chip = load_profile("loihi2")
    part, alone = (Shape(get_model("lif"), 40, 8, layer_neurons=n) for n in (4000, 0))
    found = [memory_of([s, Shape(get_model("li"), 2, 4000)], chip)[0].layer for s in (part, alone)]
    assert found == [{"input row": (40, b), "input column": (8, b)} for b in (60 - 12, 60 - 10)]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"in_axons": 20}, ["layers.0", "in axons", "limit 20", "core.in_axons"]),
        ({"synaptic_memory": 100}, ["layers.0", "memory bits", "limit 100", "core.synaptic_memory"]),
        ({"out_axons": 3}, ["layers.0", "out axons", "limit 3", "core.out_axons"]),
    ],
)
def test_what_does_not_fit_is_named(limits: dict[str, int], words: list[str]) -> None:
    with pytest.raises(DoesNotFitError) as caught:
        place(quantized(50), limited(**limits))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_too_many_cores_are_refused() -> None:
    data = limited(neurons=2).dump()
    data["chip"]["cores"]["value"] = 10
    with pytest.raises(DoesNotFitError, match=r"network: 27 cores, limit 10.*chip\.cores"):
        place(quantized(50), parse_profile(data, "test"))


def with_cores(cores: int, **limits: int) -> Profile:
    """`limited` with that many cores."""
    data = limited(**limits).dump()
    data["chip"]["cores"]["value"] = cores
    return parse_profile(data, "test")


def test_a_chip_of_one_core_holds_a_network() -> None:
    """Its limits hold for the sum of its layers: what just fits, and what just does not."""
    qnet = quantized(50)
    apart = place(qnet, limited())
    assert (apart.used, apart.shared) == (2, False)
    needs = {
        "neurons": sum(use.neurons for use in apart.cores),
        "in_axons": sum(use.in_axons for use in apart.cores),
        "synaptic_memory": sum(use.memory_bits for use in apart.cores),
        "out_axons": 50,  # each spike goes to the one core that reads it
    }
    together = place(qnet, with_cores(1, **needs))
    assert (together.used, together.shared) == (1, True)
    assert [(use.core, use.layer, use.neurons) for use in together.cores] == [(0, "layers.0", 50), (0, "readout", 3)]
    for name, value in needs.items():
        message = r"core 0 \(layers.0, readout\): 50 out axons.*core\.out_axons" if name == "out_axons" else r"2 cores"
        with pytest.raises(DoesNotFitError, match=message):
            place(qnet, with_cores(1, **{name: value - 1}))


def test_layers_share_cores_only_where_the_chip_has_too_few() -> None:
    """50 and 3 neurons at 20 a core: four cores apart; three if the readout joins the last one."""
    qnet = quantized(50)
    apart, shared = (place(qnet, with_cores(cores, neurons=20)) for cores in (4, 3))
    assert [(use.core, use.neurons) for use in apart.cores] == [(0, 17), (1, 17), (2, 16), (3, 3)]
    assert [(use.core, use.neurons) for use in shared.cores] == [(0, 20), (1, 20), (2, 10), (2, 3)]
    assert [use.first_neuron for use in shared.cores] == [0, 20, 40, 0]
    # hidden neurons send to the three cores of their own layer, the last of which holds the readout too
    assert [use.out_axons for use in shared.cores] == [60, 60, 30, 0]


def test_an_estimate_takes_a_shared_core_as_one() -> None:
    qnet = quantized(10)
    x = np.zeros((2, 8, 5), np.int8)
    cost = estimate(place(qnet, with_cores(1)), qnet, simulate(qnet, x), 8, 2)
    assert cost.time_us == pytest.approx(10 * ((10 + 3) * 8.4 + 465.0) / 1e3)


def test_axon_memory_follows_the_published_format() -> None:
    # 10 synapses of 8 + 4 bits and the entry's 10 bits: 130, in words of 64
    assert axon_bits(10, 8) == 192
    # 63 + 1 synapses of 8 + 6 bits: entries of 892 and 24 bits
    assert axon_bits(64, 8) == 896 + 64


def test_estimate_adds_up_published_costs_of_a_silent_network() -> None:
    qnet = quantized(10)
    x = np.zeros((2, 8, 5), np.int8)
    cost = estimate(place(qnet), qnet, simulate(qnet, x), 8, 2)
    steps, neurons = 8 + 2, 10 + 3
    assert cost.energy_nj == pytest.approx(steps * neurons * 81.0 / 1e3)
    assert cost.time_us == pytest.approx(steps * (10 * 8.4 + 465.0) / 1e3)
    assert cost.synaptic_operations == 0
