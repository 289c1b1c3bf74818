"""Chips with limits of their own: what just fits and what just does not, and what they cannot run, by name."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import hypr_neuro as hn
from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.neurons import get_model
from hypr_neuro.placement.place import place
from hypr_neuro.placement.whole_chip import counted
from hypr_neuro.profiles.profile import Profile, load_profile, parse_profile

IAF = {"du": 1.0, "dv": 0.0, "bias": 0.0, "subtract": 0.0}
SETTLED = ("du", "dv", "bias")


def population(name: str, size: int, neuron: str = "lif", **params: float) -> Any:
    """Neurons without memory of their currents, which ReckOn asks for and others take."""
    values = {**IAF, "dv": 0.125, "subtract": 1.0, **params} if neuron == "lif" else {"tau": 8.0, **params}
    arrays = {key: np.full(size, value) for key, value in values.items()}
    return hn.FloatPopulation(name, get_model(neuron), arrays | ({"vth": np.ones(size)} if neuron == "lif" else {}))


def synapses(source: str, target: str, shape: tuple[int, int], seed: int = 0) -> Any:
    weights = np.random.default_rng([seed, *shape]).normal(scale=0.3, size=shape)
    return hn.FloatSynapses(source, target, weights)


def layered(inputs: int, hidden: int, outputs: int, recurrent: int = 0, **params: float) -> Any:
    """Hidden LIF neurons and leaky outputs; each hidden neuron sends to so many hidden ones, 0 for none."""
    connections = [synapses(INPUT, "h", (hidden, inputs)), synapses("h", "out", (outputs, hidden))]
    if recurrent:
        rows = (np.arange(hidden)[:, None] + np.arange(recurrent)) % hidden
        columns = np.repeat(np.arange(hidden), recurrent)
        listed = scipy.sparse.csr_array((np.full(columns.size, 0.25), (rows.reshape(-1), columns)))
        connections.append(hn.FloatSynapses("h", "h", listed))
    populations = (population("h", hidden, **params), population("out", outputs, "li"))
    return hn.Network(inputs, populations, tuple(connections), 1e-3, ("out",))


def placed(net: Any, profile: str | Profile) -> Any:
    return place(quantized(net, profile))


def quantized(net: Any, profile: str | Profile) -> Any:
    return hn.quantize(net, profile, calibration={p.name: 4.0 for p in net.populations})


# ---------------------------------------------------------------- what just fits, and what just does not


@pytest.mark.parametrize(
    ("profile", "most", "more", "told"),
    [
        ("xylo", (16, 20, 8, 0), (17, 20, 8, 0), "17 input channels, limit 16 (profile 'xylo', chip.inputs); give it"),
        (
            "xylo",
            (2, 1000, 8, 0),
            (2, 1001, 8, 0),
            "1001 hidden neurons, limit 1000 (profile 'xylo', chip.hidden); make",
        ),
        ("xylo", (2, 20, 8, 0), (2, 20, 9, 0), "9 outputs, limit 8 (profile 'xylo', chip.outputs); take data of fewer"),
        (
            "xylo",
            (2, 100, 2, 64),
            (2, 100, 2, 65),
            "65 synapses of one hidden neuron to hidden ones, limit 64 (profile",
        ),
        ("xylo", (2, 1000, 2, 32), (2, 1000, 2, 33), "33000 synapses between hidden neurons, limit 32000 (profile"),
        ("reckon", (256, 20, 16, 0), (257, 20, 16, 0), "257 input channels, limit 256 (profile 'reckon', chip.inputs)"),
        ("reckon", (2, 256, 16, 4), (2, 257, 16, 4), "257 hidden neurons, limit 256 (profile 'reckon', chip.hidden)"),
        ("reckon", (2, 256, 16, 0), (2, 256, 17, 0), "17 outputs, limit 16 (profile 'reckon', chip.outputs)"),
        ("brainscales2", (128, 4, 2, 0), (129, 4, 2, 0), "129 synapses of one neuron (number 0), limit 128 (profile"),
    ],
)
def test_what_just_fits_and_what_just_does_not(
    profile: str, most: tuple[int, ...], more: tuple[int, ...], told: str
) -> None:
    fitting = placed(layered(*most), profile)
    assert fitting.fits
    assert fitting.used == 1
    with pytest.raises(DoesNotFitError) as raised:
        placed(layered(*more), profile)
    line = str(raised.value)
    assert told in line
    assert "or take a profile with a higher limit" in line
    limit, named = re.search(r"limit (\d+) ", line), re.search(r"; .*at most (\d+)", line)
    assert limit is not None
    assert named is not None, line
    assert limit[1] == named[1]  # and that many were placed above
    assert "\n" not in line


def test_brainscales2_holds_512_neurons() -> None:
    assert placed(spiking(120, 120, 120, 120, 32, inputs=100), "brainscales2").fits
    with pytest.raises(DoesNotFitError, match=r"513 neurons, limit 512 \(profile 'brainscales2', chip.neurons\); make"):
        placed(spiking(120, 120, 120, 120, 33, inputs=100), "brainscales2")


def test_numbers_are_counted_as_the_network_has_them() -> None:
    net = layered(3, 10, 2, recurrent=4)
    qnet = quantized(net, "xylo")
    assert counted(qnet, load_profile("xylo")) == {
        "inputs": 3,
        "hidden": 10,
        "outputs": 2,
        "neurons": 12,
        "synapses": 3 * 10 + 10 * 4 + 10 * 2,
        "hidden_synapses": 40,
        "hidden_fan_out": 4,
    }


def test_a_constant_current_takes_an_input_where_neurons_have_none_of_their_own() -> None:
    spec = {"inputs": 256, "outputs": 2, "layers": [{"neuron": "alif", "size": 3, "recurrent": False, "bias": True}]}
    net = hn.Network.build(spec, seed=0)
    net.layers[0].bias[...] = 0.5
    qnet = quantized(net, "ideal")
    data = load_profile("ideal").dump()
    data["chip"]["inputs"] = {"value": 256, "unit": "channel", "source": "test"}
    for own, fits in ((True, True), (False, False)):
        data["runs"]["own_bias"] = {"value": own, "unit": "-", "source": "test"}
        chip = parse_profile(data, "test")
        if fits:
            assert place(qnet, chip).used
        else:
            with pytest.raises(
                DoesNotFitError, match=r"257 input channels, limit 256 \(profile 'ideal', chip\.inputs\).* at most 255,"
            ):
                place(qnet, chip)


def test_limits_that_nobody_published_stay_unknown() -> None:
    unknown = placed(layered(2, 4, 2), "xylo").unknown_limits
    assert "chip.synapses" in unknown
    assert "chip.inputs" not in unknown
    assert not any(key.startswith("chip.") for key in placed(layered(2, 4, 2), "loihi2").unknown_limits)
    assert {"chip.inputs", "chip.neurons"} <= set(placed(layered(2, 4, 2), "ideal").unknown_limits)
    assert placed(layered(2, 4, 2), "ideal").fits is None


# ---------------------------------------------------------------- ODIN, DYNAP-CNN


def spiking(*sizes: int, inputs: int = 4, back: bool = False) -> Any:
    """Integrate-and-fire populations in a row, of which the last one is the output."""
    populations = tuple(population(f"p{i}", n, dv=0.0, subtract=0.0) for i, n in enumerate(sizes))
    for p in populations:
        p.trainable = ("vth",)
    names, lengths = [INPUT, *(p.name for p in populations)], [inputs, *sizes]
    connections = [synapses(names[i], names[i + 1], (lengths[i + 1], lengths[i])) for i in range(len(sizes))]
    connections += [synapses("p0", "p0", (sizes[0], sizes[0]))] if back else []
    return hn.Network(inputs, populations, tuple(connections), 1e-3, (names[-1],))


@pytest.mark.filterwarnings("ignore:connection .* one sign a source")
def test_odin_takes_256_sources_and_neurons_and_no_more() -> None:
    assert placed(spiking(200, 56, inputs=56), "odin").fits
    with pytest.raises(DoesNotFitError, match=r"257 neurons, limit 256 \(profile 'odin', chip.neurons\)"):
        placed(spiking(200, 57, inputs=50), "odin")
    # inputs and neurons share the rows of the crossbar
    with pytest.raises(DoesNotFitError, match=r"in axons.*limit 256 \(profile 'odin', core.in_axons\)"):
        placed(spiking(10, inputs=257), "odin")


@pytest.mark.parametrize("profile", ["dynapcnn", "speck"])
def test_convolutional_chips_refuse_what_leads_back(profile: str) -> None:
    assert placed(spiking(8, 3), profile).used == 2
    with pytest.raises(DoesNotFitError, match=rf"connection p0 -> p0: leads back .*'{profile}', runs.recurrence"):
        placed(spiking(8, 3, back=True), profile)
    qnet = quantized(spiking(8, 3, back=True), "ideal")
    with pytest.raises(DoesNotFitError, match="leads back from 'p0' to 'p0', rule: forward connections alone"):
        place(qnet, profile)


def convolved(side: int, kernel: int, channels: int) -> Any:
    """One population behind a convolution over an image of one channel."""
    weights = np.random.default_rng(kernel).normal(size=(channels, 1, kernel, kernel))
    taps = Taps((kernel, kernel), (1, 1), (0, 0), (0, 0), (1, 1))
    c = Convolution(weights, (side, side), taps)
    size = int(c.shape[0])
    p = population("p0", size, dv=0.0, subtract=0.0)
    p.trainable = ("vth",)
    return hn.Network(side * side, (p,), (hn.FloatSynapses(INPUT, "p0", c),), 1e-3, ("p0",))


def test_kernels_are_held_to_the_chips() -> None:
    assert placed(convolved(18, 16, 2), "dynapcnn").used == 1
    with pytest.raises(DoesNotFitError, match=r"kernel 17×17, limit 16 a side \(profile 'dynapcnn', runs.kernel\)"):
        placed(convolved(18, 17, 2), "dynapcnn")


def test_each_population_needs_a_core_with_room_for_weights_and_neurons() -> None:
    """Weights are c · 2^(⌈log2 k⌉ + ⌈log2 f⌉): 128 inputs to 513 neurons take 128 · 1024."""
    assert placed(spiking(512, inputs=128), "dynapcnn").used == 1  # 65536 weights
    with pytest.raises(DoesNotFitError, match="population 'p0': 131072 weights and 513 neurons, limit one core of"):
        placed(spiking(513, inputs=128), "dynapcnn")


def test_cores_are_shared_out_as_well_as_can_be() -> None:
    """Two cores have 65536 weights; a third population that needs one finds none, whatever the order."""
    assert placed(spiking(4, 512, 128, 512, inputs=128), "dynapcnn").used == 4
    with pytest.raises(
        DoesNotFitError, match=r"no core is left for population 'p\d' \(65536 weights and \d+ neurons\)"
    ):
        placed(spiking(512, 128, 512, 128, inputs=128), "dynapcnn")
    with pytest.raises(
        DoesNotFitError, match=r"10 populations, limit 9, a core each \(profile 'dynapcnn', chip.layer_cores"
    ):
        placed(spiking(*[4] * 10), "dynapcnn")


# ---------------------------------------------------------------- neurons


@pytest.mark.parametrize(
    ("profile", "change", "told"),
    [
        ("xylo", {"subtract": 0.0}, "subtract[0] = 0, rule: 1, reset 'subtract' (profile 'xylo', runs.reset)"),
        ("reckon", {"du": 0.5}, "du[0] = 0.5, rule: 1, synaptic currents last one step (profile 'reckon', runs.cur"),
        ("reckon", {"bias": 0.25}, "bias[0] = 0.25, rule: 0, neurons have no constant current of their own (profile"),
    ],
)
def test_parameters_that_a_chip_settles_are_named(profile: str, change: dict[str, float], told: str) -> None:
    assert placed(layered(2, 4, 2), profile).fits
    with pytest.raises(DoesNotFitError) as raised:
        placed(layered(2, 4, 2, **change), profile)
    name = next(iter(change))
    assert told in str(raised.value)
    remedy = "bias: false" if name == "bias" else f"params: {{{name}: "
    assert f"give the layer of its spec {remedy}" in str(raised.value)


@pytest.mark.parametrize(
    ("profile", "neuron"), [("xylo", "brf"), ("reckon", "alif"), ("brainscales2", "se_adlif"), ("odin", "brf")]
)
def test_neurons_that_a_chip_does_not_have_are_refused_by_name(profile: str, neuron: str) -> None:
    net = hn.Network.build({"inputs": 2, "outputs": 2, "layers": [{"neuron": neuron, "size": 3}]}, seed=0)
    with pytest.raises(DoesNotFitError, match=rf"'layers.0': neuron '{neuron}', rule: lif.*'{profile}', runs.models"):
        quantized(net, profile)
    qnet = quantized(net, "ideal")
    with pytest.raises(DoesNotFitError, match=rf"'layers.0': neuron '{neuron}', rule: lif.*'{profile}', runs.models"):
        place(qnet, profile)


def test_parameters_that_a_chip_settles_do_not_learn_there() -> None:
    """ReckOn learns weights alone; where all may learn, those that are settled or shifted stay."""
    qnet = quantized(layered(2, 4, 2), "ideal")
    every = hn.LearnOptions(rate=0.2, parameters=("all",))

    def learn_on(**sections: dict[str, Any]) -> list[list[str]]:
        data = load_profile("ideal").dump()
        for section, numbers in sections.items():
            data[section] |= {key: {"value": value, "unit": "-", "source": "test"} for key, value in numbers.items()}
        chosen = every.learning_parameters(replace(qnet, profile=parse_profile(data, "test")))
        return [[p.model.trainable[j] for j in row] for p, row in zip(qnet.populations, chosen, strict=True)]

    assert learn_on() == [["du", "dv", "vth", "bias"], ["tau"]]
    assert learn_on(runs={"current_decay": False, "own_bias": False}) == [["dv", "vth"], ["tau"]]
    assert learn_on(precision={"decay_shift_bits": 4}) == [["vth", "bias"], []]
    assert learn_on(learning={"neuron_parameters": False}) == [[], []]
    there = replace(qnet, profile=load_profile("reckon"))
    assert every.learning_parameters(there) == ((), ())


@pytest.mark.parametrize("profile", ["xylo", "odin", "dynapcnn", "speck"])
def test_chips_that_do_not_learn_say_why(profile: str) -> None:
    ability = load_profile(profile).learning.ability
    assert ability.value == "none"
    assert len(ability.source) > 40
    qnet = quantized(layered(2, 4, 2), "ideal")
    with pytest.raises((InputError, DoesNotFitError)):
        place(qnet, profile, learning=True)
