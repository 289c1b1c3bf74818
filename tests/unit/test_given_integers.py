"""Integers that nobody quantized get a profile: nothing changes, everything works, and what does not fit is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

import hypr_neuro as hn
from hypr_neuro.compilers.c import build
from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.neurons.lif_refractory import lif_refractory_parameters
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.testing.integer import assert_same_run, random_integer_input, random_integer_network, run_of_simulator
from hypr_neuro.testing.networks import random_quantized, random_spikes, varied
from hypr_neuro.testing.populations import QUANTIZABLE

WIDE = varied(
    "loihi2",
    precision__weight_bits=10,
    precision__weight_exponent_min=-32,
    precision__weight_exponent_max=32,
    precision__coefficient_bits=17,
)
INPUTS = 6
RATES = 3 << 16, 5 << 16


def lif(name: str, size: int, vth: int = 300, **values: Any) -> hn.Population:
    return hn.Population.of(name, "lif", size, **lif_parameters(**({"du": 1500, "dv": 400, "vth": vth} | values)))


def weights(seed: int, post: int, pre: int) -> Any:
    return np.random.default_rng(seed).integers(-60, 127, (post, pre))


def loop(vth: int = 300, factor: int = 1, delay: int = 1, **values: Any) -> hn.IntegerNetwork:
    """Two populations of spikes that hear each other, one delayed and sparse; the last is the output."""
    exponent = factor.bit_length() - 1
    return hn.IntegerNetwork(
        INPUTS,
        (lif("a", 8, vth * factor, **values), lif("b", 5, vth * factor, **values)),
        (
            hn.Synapses("input", "a", weights(1, 8, INPUTS), exponent, always_on=weights(2, 8, 1)[:, 0]),
            hn.Synapses("a", "b", csr_array(weights(3, 5, 8)), exponent, delays=2),
            hn.Synapses("b", "a", weights(4, 8, 5), exponent, delays=np.arange(40).reshape(8, 5) % 7),
        ),
        delay,
    )


def spikes(seed: int, samples: int = 3, steps: int = 40, channels: int = INPUTS) -> Any:
    return (np.random.default_rng(seed).random((samples, steps, channels)) < 0.4).astype(np.int64)


@pytest.mark.parametrize("seed", range(24))
def test_a_random_network_computes_what_it_did(seed: int, tmp_path: Path) -> None:
    network = random_integer_network(seed)
    too_fine = [p.name for p in network.populations if p.named().get("decay_bits", 0) > 16]
    if too_fine:
        with pytest.raises(InputError, match=rf"population '{too_fine[0]}' on profile .* decay_bits = .*rule: 1\.\.16"):
            hn.quantize(network, WIDE)
        return
    qnet = hn.quantize(network, WIDE)
    qnet.save(tmp_path / "quantized.h5")
    again = QuantizedNetwork.load(tmp_path / "quantized.h5")
    x = random_integer_input(network, seed)
    expected = run_of_simulator(network, x)
    for found in (qnet, again):
        assert_same_run(network, x, expected, run_of_simulator(found.integer(), x), seed=seed, who=("bare", "profile"))
    assert again.explain() == qnet.explain()


SCALED = tuple(n for n in QUANTIZABLE if get_model(n).of_integers is not None and not get_model(n).sends_numbers)
"""Models that tell their scale from their integers; of others it is 1 unless it is given.

Layers of several spikes in a step are no chain in integers: `tests/conformance/test_several_spikes.py` holds them.
"""


@pytest.mark.parametrize("profile", ["loihi2", "ideal", "narrow"])
@pytest.mark.parametrize("model", SCALED)
def test_integers_that_were_quantized_come_back_with_their_scales(model: str, profile: str) -> None:
    """The bare network of a quantized one, given the scales that its integers leave open, is the quantized one."""
    chip = varied("loihi2", precision__state_bits=18) if profile == "narrow" else load_profile(profile)
    qnet = random_quantized(model, 2, chip, hidden=(5, 4), recurrent=True)
    scales = {p.name: p.state_scale for p in qnet.populations if p.model.neuron in ("lif", "lif_reset", "li")}
    again = hn.quantize(qnet.integer(), chip, state_scale=scales)
    assert again.is_chain
    assert again.integer().digest() == qnet.integer().digest()
    for p, q in zip(again.populations, qnet.populations, strict=True):
        assert (p.state_scale, p.trainable) == (q.state_scale, q.model.trainable)
        assert p.current_scale == pytest.approx(q.current_scale, rel=1e-4)  # brf's δ has 20 bits in its integers
        assert np.array_equal(p.psi_table, q.psi_table)
        assert np.array_equal(p.per_neuron, q.per_neuron)
    options = hn.LearnOptions(parameters=("all",), seed=4)
    mine, theirs = again.copy(), qnet.copy()
    x, label, scored = spikes(5, 2, 30, qnet.inputs), np.zeros((2, 30), int), np.ones((2, 30), bool)
    for network in (mine, theirs):
        learner = Learner(network, options)
        for i in range(2):
            learner.sample(x[i].astype(np.int32), label[i], scored[i], *RATES)
    for a, b in zip(mine.weights().values(), theirs.weights().values(), strict=True):
        assert np.array_equal(a, b)


def test_a_readout_has_the_scale_that_is_given_else_one() -> None:
    bare = random_quantized("lif", 2, "loihi2").integer()
    assert hn.quantize(bare, "loihi2").population("readout").state_scale == 1.0
    qnet = hn.quantize(bare, "loihi2", state_scale={"readout": 2.0**14})
    assert qnet.population("readout").state_scale == 2.0**14
    for name, scale, rule in (("x", 2.0, "known: layers.0, readout"), ("readout", 3.0, "rule: a power of two")):
        with pytest.raises(InputError, match=rule):
            hn.quantize(bare, "loihi2", state_scale={name: scale})
    alif = random_quantized("alif", 2, "loihi2").integer()
    with pytest.raises(
        InputError, match=r"layers\.0' on profile 'loihi2': state scale 2, rule: [\d.e+]+, which its own"
    ):
        hn.quantize(alif, "loihi2", state_scale={"layers.0": 2.0})


# ---------------------------------------------------------------- learning


def gradients_of(network: hn.IntegerNetwork) -> dict[str, Any]:
    qnet = hn.quantize(network, "loihi2")
    label, scored = np.arange(40) % 5, np.ones(40, bool)
    return Learner(qnet, hn.LearnOptions()).gradients(spikes(7)[0].astype(np.int32), label, scored)


@pytest.mark.parametrize("rule", ["factored", "sgd"])
def test_a_loop_of_spikes_learns_as_defined(rule: str) -> None:
    qnet = hn.quantize(loop(), "loihi2")
    assert not qnet.is_chain
    options = hn.LearnOptions(rule=rule, parameters=("all",), seed=3)
    mine, theirs = qnet.copy(), qnet.copy()
    learner, reference = Learner(mine, options), LearningReference(theirs, options)
    x, label, scored = spikes(8).astype(np.int32), np.arange(120).reshape(3, 40) % 5, np.ones((3, 40), bool)
    for i in range(3):
        outputs = learner.sample(x[i], label[i], scored[i], *RATES)
        assert outputs.tolist() == reference.sample(x[i], label[i].tolist(), scored[i].tolist(), *RATES)
        for (name, a), b in zip(mine.weights().items(), theirs.weights().values(), strict=True):
            assert np.array_equal(a, b), name
    changed = {
        name: int((a != b).sum()) for (name, a), b in zip(mine.weights().items(), qnet.weights().values(), strict=True)
    }
    assert all(changed.values()), changed


def test_gradients_do_not_depend_on_the_unit_of_the_integers() -> None:
    """Thresholds and weights 64 times as large are the same network, and learn with the same gradients.

    No decay and no 1/vth is rounded here, so that it is the same to the bit.
    """
    small, large = (gradients_of(loop(vth=256, factor=factor, du=4095, dv=0)) for factor in (1, 64))
    for name, gradient in small.items():
        assert np.abs(gradient).max() > 1000, name
        assert np.array_equal(gradient, large[name]), name


def test_neurons_without_a_jacobian_are_named_when_they_shall_learn() -> None:
    network = hn.IntegerNetwork(
        INPUTS,
        (
            hn.Population.of("r", "lif_refractory", 4, **lif_refractory_parameters(1500, 400, 200, 3)),
            hn.Population.of("t", "rf", 3, **rf_parameters(period=9.0, alpha=0.1, vth=20.0)),
        ),
        (hn.Synapses("input", "r", weights(5, 4, INPUTS)), hn.Synapses("r", "t", weights(6, 3, 4), current=1)),
    )
    qnet, x = hn.quantize(network, "loihi2"), spikes(9)
    found, wanted = (hn.simulate(n, x, record=("spikes",)).spikes for n in (qnet, network))
    for name, z in wanted.items():
        assert np.array_equal(found[name][: len(z)], z)
    with pytest.raises(InputError, match="r: neuron 'lif_refractory'"):
        Learner(qnet, hn.LearnOptions())


# ---------------------------------------------------------------- the rest of the way


def test_a_chain_is_placed_compiled_and_learns_through_learn(tmp_path: Path) -> None:
    bare = random_quantized("brf", 5, "loihi2", hidden=(6,), inputs=INPUTS, outputs=3).integer()
    qnet = hn.quantize(bare, "loihi2", state_scale={"readout": 2.0**16})
    assert hn.place(qnet).used == 2
    assert hn.place(hn.quantize(loop(), "loihi2"), learning=True).used == 3  # the trace of the outputs is one
    if not build.HOST.missing():
        hn.compile(qnet, target="c", out=tmp_path / "c")
        program, x = build.build(tmp_path / "c", build.HOST), random_spikes(5, 1, 30, INPUTS).astype(np.int64)
        (printed,) = build.outputs(build.run(program, list(x)), [30 + qnet.tail])
        assert np.array_equal(np.asarray(printed)[qnet.tail :], hn.simulate(qnet, x).readout[0])
    x = spikes(10, 12, 20)
    data = hn.SequenceData("toy", x, np.arange(12) % 3, np.repeat(["train", "test"], 6), 3)
    assert hn.learn(qnet, data, epochs=1, rate=0.5).epochs[-1].weights_changed > 0


def test_a_convolution_stays_one() -> None:
    kernel = np.random.default_rng(3).integers(-40, 80, (2, 1, 3))
    network = hn.IntegerNetwork(
        6,
        (lif("a", 8),),
        (hn.Synapses("input", "a", Convolution(2 * kernel, (6,), Taps((3,), (1,), (0,), (0,), (1,)))),),
    )
    qnet = hn.quantize(network, varied("loihi2", precision__weight_bits=8))
    (c,) = qnet.connections
    assert isinstance(c.mantissa, Convolution)
    found, wanted = (hn.simulate(n, spikes(11), record=("spikes",)).spikes["a"] for n in (qnet, network))
    assert np.array_equal(found[: len(wanted)], wanted)
    assert wanted.any()


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(("made_for", "profile"), [(1, "immediate"), (0, "loihi2"), (0, "immediate")])
def test_spikes_arrive_when_they_did(made_for: int, profile: str) -> None:
    chip: str | Profile = varied("loihi2", time__connection_delay=0) if profile == "immediate" else profile
    network = loop()
    if made_for == 0:
        later = tuple(replace(c, delays=c.delays + 1) if network.forward(c) else c for c in network.synapses)
        network = replace(network, synapses=later, connection_delay=0)
    qnet = hn.quantize(network, chip)
    assert qnet.integer().connection_delay == (0 if profile == "immediate" else 1)
    for name, z in hn.simulate(network, spikes(12), record=("spikes",)).spikes.items():
        assert np.array_equal(hn.simulate(qnet, spikes(12), record=("spikes",)).spikes[name][: len(z)], z)
        assert z.any()


def test_spikes_of_the_same_step_need_a_chip_that_has_them() -> None:
    with pytest.raises(InputError, match=r"input -> a: delays 0 to 0 .* rule: 1 to 63 .*or give a profile with"):
        hn.quantize(loop(delay=0), "loihi2")
    assert hn.quantize(loop(delay=0), varied("loihi2", time__connection_delay=0)).clock.connection_delay == 0


# ---------------------------------------------------------------- widths and formats


def with_weights(network: hn.IntegerNetwork, matrix: Any, exponent: int = 0) -> hn.IntegerNetwork:
    first = hn.Synapses("input", "a", np.asarray(matrix), exponent)
    return replace(network, synapses=(first, *network.synapses[1:]))


def test_even_weights_are_halved_and_exponents_moved_exactly() -> None:
    matrix = weights(13, 8, INPUTS)
    for factor, exponent, wanted in ((2, 0, 1), (1, 9, 7), (8, -9, -7), (1, 3, 3)):
        if exponent == 9:
            matrix = matrix // 4
        network = with_weights(loop(), factor * matrix, exponent)
        qnet = hn.quantize(network, "loihi2")
        assert qnet.connections[0].exponent == wanted
        assert np.array_equal(qnet.connections[0].entries() * 2.0**wanted, factor * matrix * 2.0**exponent)
        for name, z in hn.simulate(network, spikes(14), record=("spikes",)).spikes.items():
            assert np.array_equal(hn.simulate(qnet, spikes(14), record=("spikes",)).spikes[name][: len(z)], z)


ODD = np.full((8, INPUTS), 201)
REFUSED: dict[str, tuple[Any, Any, str, Any]] = {
    "weights": (
        with_weights(loop(), ODD),
        "loihi2",
        r"connection input -> a: weights 201\.\.201 · 2\^0, rule: ±127 \(precision.weight_bits 8\).*weight_bits 9",
        varied("loihi2", precision__weight_bits=9),
    ),
    "exponent": (
        with_weights(loop(), ODD // 2, 9),
        "loihi2",
        r"weights 100\.\.100 · 2\^9, rule: .* times 2\^-7\.\.2\^7",
        varied("loihi2", precision__weight_exponent_max=9),
    ),
    "states": (
        loop(),
        varied("loihi2", precision__state_bits=20),
        r"population 'a' .*: states of 24 bits, rule: at most 20 \(precision.state_bits\); give a profile",
        "loihi2",
    ),
    "overflow": (
        loop(),
        varied("loihi2", precision__overflow="hardware"),
        r"population 'a' .*: overflow = lava, rule: hardware \(precision.overflow\)",
        "loihi2",
    ),
    "decay": (
        loop(dv=600),
        varied("loihi2", precision__decay_bits=9),
        r"population 'a' .*: du1 = 1501\.\.1501, rule: 1\.\.512 \(precision.decay_bits 9, Loihi's offset 1 added\)",
        "loihi2",
    ),
    "threshold": (
        loop(vth=5000),
        varied("loihi2", precision__threshold_bits=12),
        r"population 'a' .*: vth = 320000\.\.320000, rule: 0\.\.262080 \(precision.threshold_bits 12, in multiples",
        "loihi2",
    ),
    "bias": (
        loop(bias=4097),
        "loihi2",
        r"population 'a' .*: bias\[0\] = 4097, rule: mantissa · 2\^exponent, mantissas up to 4095, exponents 0\.\.7",
        varied("loihi2", precision__bias_mantissa_bits=14),
    ),
    "coefficients": (
        random_quantized("alif", 2, "loihi2").integer(),
        varied("loihi2", precision__coefficient_bits=14),
        r"population 'layers\.0' .*: k = 15, rule: 13 \(precision.coefficient_bits 14, one is the sign\)",
        "loihi2",
    ),
    "rounding": (
        random_quantized("brf", 2, "loihi2").integer(),
        varied("loihi2", precision__state_rounding="floor"),
        r"population 'layers\.0' .*: rounding = nearest, rule: floor \(precision.state_rounding\)",
        "loihi2",
    ),
    "messages": (
        replace(loop(), synapses=(replace(loop().synapses[0], message_bits=8), *loop().synapses[1:])),
        "loihi1",
        r"connection input -> a: messages of 8 bits, rule: at most 0 on profile 'loihi1' \(precision.message_bits\)",
        "loihi2",
    ),
    "delays": (
        replace(loop(), synapses=(replace(loop().synapses[0], delays=63), *loop().synapses[1:])),
        varied("loihi2", time__connection_delay=0),
        r"connection input -> a: delays 63 to 63 where connections take 1 steps, rule: 0 to 62",
        "loihi2",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_named_and_the_remedy_works(what: str) -> None:
    network, profile, message, remedy = REFUSED[what]
    with pytest.raises(InputError, match=message):
        hn.quantize(network, profile)
    assert hn.quantize(network, remedy).populations


def test_options_of_floats_and_quantized_networks_are_refused() -> None:
    with pytest.raises(InputError, match="weight_groups, calibration: of float networks, rule: integers stay"):
        hn.quantize(loop(), "loihi2", calibration={"a": 1.0}, weight_groups=2)
    with pytest.raises(InputError, match=r"net is of type QuantizedNetwork, rule: Network or IntegerNetwork"):
        hn.quantize(hn.quantize(loop(), "loihi2"), "loihi2")
    net = hn.Network.build({"inputs": 2, "outputs": 2, "layers": [{"neuron": "lif", "size": 2}]}, seed=0)
    with pytest.raises(InputError, match="calibration is missing, rule: data"):
        hn.quantize(net, "loihi2")
    with pytest.raises(InputError, match="state_scale is of integer networks"):
        hn.quantize(net, "loihi2", calibration={"layers.0": 1.0, "readout": 1.0}, state_scale={})
