"""Learning on every device, sample by sample and as a stream; what is read and written; where it is cut it goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from devices_here import opened

from hypr_neuro.devices import Device, DeviceBase, device_names
from hypr_neuro.errors import InputError, MissingPackageError
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.chip_learner import KINDS, ChipLearner, LearnSample
from hypr_neuro.sim.learning.learn import learn
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.simulated import SimulatedLearner
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import varied

pytestmark = pytest.mark.once

SEED = int(os.environ.get("HYPR_SEED", "0"))
RATES = (3 << 16, 2 << 16)
STEPS = 30


@pytest.fixture(scope="module", params=device_names())
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    context = opened(request.param)
    try:
        device = context.__enter__()
    except MissingPackageError as error:  # Lava exists for Python 3.10 alone
        pytest.skip(str(error))
    try:
        need(device, "learn")
        yield device
    finally:
        context.__exit__(None, None, None)


def need(device: Device, capability: str) -> None:
    """Skip what the device says it cannot do, with its reason."""
    if capability not in device.capabilities:  # a device may lack what it gives a reason for
        assert isinstance(device, DeviceBase)
        pytest.skip(f"{device.name}: {capability}: {device.missing[capability]}")


PROFILE = varied("loihi2", learning__momentum_bits=24)


def network() -> QuantizedNetwork:
    layer = {"neuron": "brf", "size": 9, "recurrent": True, "bias": True}
    spec = {"inputs": 4, "outputs": 3, "dt": 1e-3, "layers": [layer], "readout": {"neuron": "li"}}
    net = Network.build(spec, SEED)
    net.layers[0].weight[...] *= 8
    return quantize(net, PROFILE, calibration={"layers.0": 4.0, "readout": 4.0})


def samples(count: int, qnet: QuantizedNetwork | None = None, seed: int = SEED) -> list[LearnSample]:
    inputs, outputs = (4, 3) if qnet is None else (qnet.inputs, qnet.output_size)
    rng = np.random.default_rng([seed, 7])
    x = rng.integers(0, 2, (count, STEPS, inputs)).astype(np.int32)
    label, scored = rng.integers(0, outputs, (count, STEPS)), rng.random((count, STEPS)) < 0.8
    return [LearnSample(x[i], label[i], scored[i], RATES) for i in range(count)]


def begun(device: Device, qnet: QuantizedNetwork, options: LearnOptions) -> tuple[ChipLearner, ChipLearner]:
    """Return the device's learner and the simulator's, of the same network."""
    device.load(qnet, options)
    return device.learner(), SimulatedLearner(qnet.copy(), options)


def assert_same(found: ChipLearner, wanted: ChipLearner, kinds: tuple[str, ...] = KINDS) -> None:
    there, here = found.read(kinds), wanted.read(kinds)
    for kind in kinds:
        assert there[kind].keys() == here[kind].keys(), kind
        for name, array in here[kind].items():
            assert np.array_equal(there[kind][name], array), f"{kind} of {name}"


OPTIONS = {
    "plain": LearnOptions(seed=SEED),
    "parameters": LearnOptions(seed=SEED, parameters=("all",)),
    "momentum": LearnOptions(seed=SEED, momentum=2),
    "every third sample": LearnOptions(seed=SEED, update_every=3),
    "steps": LearnOptions(seed=SEED, update_on="step", update_every=7),
    "random feedback": LearnOptions(seed=SEED, feedback="random"),
    "readout alone": LearnOptions(seed=SEED, layers=("readout",)),
    "sgd": LearnOptions(seed=SEED, rule="sgd"),
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_samples_teach_every_device_the_same(device: Device, kind: str) -> None:
    qnet = network()
    mine, wanted = begun(device, qnet, OPTIONS[kind])
    for first in (0, 3):
        part = samples(6)[first : first + 3]
        for found, output in zip(mine.learn(part), wanted.learn(part), strict=True):
            assert np.array_equal(found, output)
    assert mine.samples == wanted.samples == 6
    assert mine.counts() == wanted.counts()
    learned, expected = mine.fetch(), wanted.fetch()
    assert any(not np.array_equal(w, qnet.weights()[name]) for name, w in expected.weights().items()), "nothing changed"
    for name, weights in expected.weights().items():
        assert np.array_equal(learned.weights()[name], weights), name
    for mine_p, wanted_p in zip(learned.populations, expected.populations, strict=True):
        assert np.array_equal(mine_p.per_neuron, wanted_p.per_neuron), mine_p.name


LEARNING = [name for name, model in MODELS.items() if model.learns_on_chip and not model.readout]


@pytest.mark.parametrize("neuron", LEARNING)
def test_graphs_of_every_neuron_learn_on_every_device(device: Device, neuron: str) -> None:
    """Graphs with loops, lists, delays, several outputs, outputs that spike."""
    for seed in (SEED, SEED + 1):
        qnet = random_learning_graph(seed, PROFILE, spiking=(neuron,))
        mine, wanted = begun(device, qnet, LearnOptions(seed=seed, parameters=("all",)))
        part = samples(2, qnet, seed)
        for found, output in zip(mine.learn(part), wanted.learn(part), strict=True):
            assert np.array_equal(found, output)
        if "inspect" in device.capabilities:
            assert_same(mine, wanted)
        for name, weights in wanted.fetch().weights().items():
            assert np.array_equal(mine.fetch().weights()[name], weights), name


def test_all_that_a_chip_holds_is_read(device: Device) -> None:
    need(device, "inspect")
    mine, wanted = begun(device, network(), replace(OPTIONS["parameters"]))
    mine.learn(samples(2))
    wanted.learn(samples(2))
    assert_same(mine, wanted)
    assert any(a.any() for a in wanted.read(("eligibilities",))["eligibilities"].values())


def test_a_stream_goes_on_and_can_be_looked_at(device: Device) -> None:
    need(device, "stream")
    options = LearnOptions(seed=SEED, update_on="step", update_every=5, parameters=("all",))
    mine, wanted = begun(device, network(), options)
    for part in samples(3):
        assert np.array_equal(mine.stream(part), wanted.stream(part))
        if "inspect" in device.capabilities:
            assert_same(mine, wanted)
    assert_same(mine, wanted, ("weights", "parameters"))


def test_what_is_written_is_held(device: Device) -> None:
    need(device, "inspect")
    options = LearnOptions(seed=SEED, update_on="step", update_every=5, parameters=("all",))
    mine, wanted = begun(device, network(), options)
    rng = np.random.default_rng(SEED)
    for each in (mine, wanted):
        each.stream(samples(1)[0])
    held = wanted.read()
    new = {
        kind: {name: rng.permutation(array.reshape(-1)).reshape(array.shape) for name, array in held[kind].items()}
        for kind in ("weights", "eligibilities")
    }
    for each in (mine, wanted):
        each.write(new)
        written = each.read()
        for kind, by_name in new.items():
            for name, array in by_name.items():
                assert np.array_equal(written[kind][name], array), f"{kind} of {name}"
    assert np.array_equal(mine.stream(samples(2)[1]), wanted.stream(samples(2)[1]))
    assert_same(mine, wanted)


def test_what_cannot_be_written_changes_nothing(device: Device) -> None:
    need(device, "inspect")
    mine, wanted = begun(device, network(), LearnOptions(seed=SEED))
    mine.learn(samples(1))
    wanted.learn(samples(1))
    shape = wanted.read(("weights",))["weights"]["layers.0.input"].shape
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"wieghts": {}}, "write: unknown 'wieghts'"),
        ({"states": {}}, "write: unknown 'states'"),
        ({"weights": {"layers.9": np.zeros(shape, int)}}, "write weights: unknown 'layers.9'"),
        ({"weights": {"layers.0.input": np.zeros((1, 1), int)}}, r"of shape \(1, 1\), rule: integers of shape"),
        ({"weights": {"layers.0.input": np.full(shape, 0.5)}}, "is float64 of shape"),
        ({"weights": {"layers.0.input": np.full(shape, 1 << 20)}}, "magnitudes up to 1048576, rule: at most"),
    ]
    for numbers, words in wrong:
        with pytest.raises(InputError, match=words):
            mine.write(numbers)
    assert_same(mine, wanted)


def test_it_goes_on_where_it_was_saved(device: Device, tmp_path: Path) -> None:
    need(device, "resume")
    options = LearnOptions(seed=SEED, update_every=2, momentum=1, parameters=("all",))
    part = samples(5)
    whole, wanted = begun(device, network(), options)
    wanted.learn(part)
    whole.learn(part[:3])
    whole.save(tmp_path / "learner")
    whole.learn(part[3:4])  # is forgotten again
    device.load(network(), options)
    again = device.learner()
    again.restore(tmp_path / "learner")
    assert again.samples == 3
    again.learn(part[3:])
    assert again.counts() == wanted.counts()
    assert_same(again, wanted, KINDS if "inspect" in device.capabilities else ("weights", "parameters"))


def test_samples_that_do_not_fit_change_nothing(device: Device) -> None:
    mine, wanted = begun(device, network(), LearnOptions(seed=SEED))
    good = samples(2)
    bad = [
        (replace(good[1], x=good[1].x[:, :3]), r"x of shape \(30, 3\), rule: \(steps, 4\)"),
        (replace(good[1], label=good[1].label + 3), r"labels 3 to 5, rule: 0 to 2"),
        (replace(good[1], x=good[1].x.astype(np.int64) << 40), "x holds"),
        (replace(good[1], rates=(-1, 0)), "rate"),
    ]
    for sample, words in bad:
        with pytest.raises(InputError, match=words):
            mine.learn([good[0], sample] if device.name != "sim" else [sample])
    for found, output in zip(mine.learn(good), wanted.learn(good), strict=True):
        assert np.array_equal(found, output)
    with pytest.raises(InputError, match="a stream has no samples to update after"):
        mine.stream(good[0])


def test_what_was_learned_runs(device: Device) -> None:
    qnet = network()
    mine, wanted = begun(device, qnet, LearnOptions(seed=SEED))
    mine.learn(samples(3))
    wanted.learn(samples(3))
    x = np.random.default_rng(SEED).integers(0, 2, (2, STEPS, 4))
    expected = simulate(wanted.fetch(), x, ["spikes"])
    found = device.run(x, ["spikes"])
    assert np.array_equal(found.readout, expected.readout)
    for name, spikes in expected.spikes.items():
        assert np.array_equal(found.spikes[name], spikes)
    assert not np.array_equal(expected.readout, simulate(qnet, x).readout)


def test_what_was_loaded_to_learn_runs_before_it_learns(device: Device) -> None:
    """A board holds one program, and what it holds is scored before it learns."""
    qnet, x = network(), np.random.default_rng(SEED).integers(0, 2, (2, STEPS, 4))
    device.load(qnet, LearnOptions(seed=SEED))
    assert np.array_equal(device.run(x).readout, simulate(qnet, x).readout)


def test_a_learner_needs_options(device: Device) -> None:
    device.load(network())
    with pytest.raises(InputError, match=r"learner of a network that was loaded to run; call load\(qnet, options\)"):
        device.learner()


def test_an_epoch_has_the_simulators_figures(device: Device, tmp_path: Path) -> None:
    from hypr_neuro.data.sequence import SequenceData

    rng = np.random.default_rng(SEED)
    split = np.array(["train"] * 6 + ["validation", "test"])
    data = SequenceData("random", rng.integers(0, 2, (8, STEPS, 4)), rng.integers(0, 3, 8), split, classes=3)
    qnet, options = network(), {"epochs": 2, "rate": 2.0, "decay": 0.5, "seed": SEED}
    device.load(qnet)
    found, wanted = device.learn(data, **options), learn(qnet, data, **options)
    assert found.epochs == wanted.epochs
    for name, weights in wanted.qnet.weights().items():
        assert np.array_equal(found.qnet.weights()[name], weights), name


def test_a_learner_goes_on_from_what_the_device_holds(device: Device) -> None:
    options = LearnOptions(seed=SEED)
    mine, _ = begun(device, network(), options)
    mine.learn(samples(2))
    learned = mine.fetch().copy()
    assert not np.array_equal(learned.weights()["layers.0.input"], network().weights()["layers.0.input"])
    again, wanted = device.learner(), SimulatedLearner(learned, options)
    for found, output in zip(again.learn(samples(2)), wanted.learn(samples(2)), strict=True):
        assert np.array_equal(found, output)
    for name, weights in wanted.fetch().weights().items():
        assert np.array_equal(again.fetch().weights()[name], weights), name


def test_inputs_beyond_what_a_program_takes_change_nothing() -> None:
    qnet, options = random_learning_graph(3, varied("loihi2")), LearnOptions(seed=SEED)
    with opened("c") as device:
        mine, wanted = begun(device, qnet, options)
        top = wanted.plan.largest_input
        good, *_ = samples(1, qnet)
        large = replace(good, x=np.full_like(good.x, top))
        with pytest.raises(InputError, match=rf"device 'c': x holds magnitudes up to {top}, rule: at most \d+"):
            mine.learn([good, large])
        with pytest.raises(InputError, match="load the learned network without options to run it"):
            device.run(large.x[None])
        assert np.array_equal(mine.learn([good])[0], wanted.learn([good])[0])
        assert mine.counts() == wanted.counts()
