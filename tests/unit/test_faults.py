"""Faults of a device: what they do to neurons, weights, inputs and learning; they repeat; bad ones are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.compilers.c import build
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.devices import open_device
from hypr_neuro.errors import InputError
from hypr_neuro.faults import Faults, parse_faults, with_faults
from hypr_neuro.faults.device import check_faults
from hypr_neuro.faults.events import jittered
from hypr_neuro.faults.neurons import DEAD, STUCK, THRESHOLDS, broken_neurons, with_broken
from hypr_neuro.faults.weights import faulty_weights
from hypr_neuro.neurons import MODELS
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.learn import learn
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_quantized, varied

Array = Any
STEPS = 40
RESTS = ("lif_refractory", "lif_reset")
"""Rest after a spike, or are reset one step late."""
PHASE = ("rf", "rf_iz")
"""Fire on a phase, whatever the threshold."""
SPIKING = [name for name, m in MODELS.items() if m.learns_on_chip and not m.readout]
BREAKS = [name for name in SPIKING if set(THRESHOLDS) & set(MODELS[name].fixed_per_neuron)]
"""A neuron breaks by its threshold; one whose threshold is a number of the model has none to break."""


def network(model: str = "brf", seed: int = 0) -> QuantizedNetwork:
    return random_quantized(model, seed, "loihi2", hidden=(10, 8))


def data(samples: int = 8) -> SequenceData:
    rng = np.random.default_rng(3)
    split = np.array(["train"] * (samples - 2) + ["validation", "test"])
    return SequenceData(
        "random", rng.integers(0, 2, (samples, STEPS, 4)), rng.integers(0, 3, samples), split, classes=3
    )


@pytest.mark.parametrize("model", BREAKS)
def test_dead_neurons_never_fire_and_stuck_ones_always_do(model: str) -> None:
    qnet = random_learning_graph(4, varied("loihi2"), spiking=(model,))
    x = np.random.default_rng(1).integers(0, 2, (2, STEPS, qnet.inputs))
    faults = Faults(dead=0.3, stuck=0.0 if model in PHASE else 0.3)
    broken = broken_neurons(qnet, faults)
    assert sum(int(np.sum(state == DEAD)) for state in broken.values()) > 0
    assert model in PHASE or sum(int(np.sum(state == STUCK)) for state in broken.values()) > 0
    with with_faults("sim", faults) as device:
        device.load(qnet)
        spikes = device.run(x, ["spikes"]).spikes
    for name, state in broken.items():
        assert not spikes[name][:, :, state == DEAD].any(), f"{name}: a dead neuron fired"
        fired = spikes[name][:, :, state == STUCK] > 0
        assert fired[1:].all() or model in RESTS, f"{name}: a stuck neuron rested"
        assert not fired.size or fired.mean(axis=(0, 1)).min() > 0.2, f"{name}: a stuck neuron hardly fired"


def test_a_neuron_without_a_threshold_of_its_own_cannot_break() -> None:
    qnet = random_learning_graph(4, varied("loihi2"), spiking=("lif",))
    first = qnet.populations[0]
    names = tuple("level" if name == "vth" else name for name in first.model.fixed_per_neuron)
    nameless = replace(first, model=replace(first.model, fixed_per_neuron=names))
    qnet = replace(qnet, populations=(nameless, *qnet.populations[1:]))
    broken = {first.name: np.full(first.size, DEAD)}
    with pytest.raises(InputError, match="has no threshold of its own, rule for faults dead and stuck: one of theta"):
        with_broken(qnet, broken)


def test_neurons_that_fire_on_a_phase_cannot_be_stuck() -> None:
    qnet = random_learning_graph(4, varied("loihi2"), spiking=("rf",))
    with with_faults("sim", Faults(stuck=0.5)) as device, pytest.raises(InputError, match="'rf' fires on a phase"):
        device.load(qnet)


def test_whole_neurons_keep_their_integers() -> None:
    qnet = network()
    broken = broken_neurons(qnet, Faults(dead=0.2))
    changed = with_broken(qnet, broken)
    for before, after in zip(qnet.populations, changed.populations, strict=True):
        whole = broken.get(before.name, np.zeros(before.size)) == 0
        assert np.array_equal(before.per_neuron[:, whole], after.per_neuron[:, whole])
        assert before.per_neuron is not after.per_neuron


def test_bits_flip_as_often_as_said() -> None:
    weights = {"w": np.zeros((200, 200), np.int8)}
    flipped = [faulty_weights(weights, Faults(weight_flips=0.01, seed=7), n, 8)["w"] for n in range(4)]
    bits = [int(np.unpackbits(each.view(np.uint8)).sum()) for each in flipped]
    assert all(abs(count - 3200) < 5 * np.sqrt(3200) + 200 for count in bits), bits  # -128 is cut off to -127
    assert not np.array_equal(flipped[0], flipped[1])
    again = faulty_weights(weights, Faults(weight_flips=0.01, seed=7), 2, 8)["w"]
    assert np.array_equal(flipped[2], again)
    assert max(int(np.abs(each.astype(int)).max()) for each in flipped) == 127
    assert faulty_weights(weights, Faults(), 0, 8) == {}


def test_drift_takes_its_share_on_average() -> None:
    weights = {"w": np.full((300, 300), 100, np.int16), "v": np.full((300, 300), -37, np.int16)}
    changed = faulty_weights(weights, Faults(drift=0.013), 0, 9)
    assert abs(changed["w"].mean() - 98.7) < 0.01
    assert abs(changed["v"].mean() + 37 * 0.987) < 0.01
    assert set(np.unique(changed["w"])) == {98, 99}


def test_events_move_and_none_is_made() -> None:
    x = (np.random.default_rng(0).random((400, 3)) < 0.05).astype(np.int32) * 3
    moved = jittered(x, 2.0, 1, 0)
    assert np.array_equal(moved, jittered(x, 2.0, 1, 0))
    assert not np.array_equal(moved, jittered(x, 2.0, 1, 1))
    assert set(np.unique(moved)) == {0, 3}
    assert 0.8 * x.sum() < moved.sum() <= x.sum()
    at, there = np.nonzero(x[:, 0])[0], np.nonzero(moved[:, 0])[0]
    assert max(np.abs(there[:, None] - at).min(axis=1)) <= 10
    assert np.array_equal(jittered(x, 0.0, 1, 0), x)


@pytest.mark.parametrize(
    "faults",
    [
        Faults(weight_flips=2e-3, seed=1),
        Faults(drift=0.02, seed=1),
        Faults(dead=0.2, stuck=0.1, seed=1),
        Faults(jitter=1.5, seed=1),
        Faults(brownout=0.5, seed=1),
        Faults(brownout=0.5, save_every=2, seed=1),
    ],
    ids=lambda faults: "-".join(faults.described()),
)
def test_learning_with_faults_differs_and_repeats(faults: Faults) -> None:
    qnet, sequences = network(), data()
    options = {"epochs": 2, "rate": 2.0, "seed": 0}

    def learned() -> Any:
        with with_faults("sim", faults) as device:
            device.load(qnet)
            return device.learn(sequences, **options)

    one, two, whole = learned(), learned(), learn(qnet, sequences, **options)
    assert one.epochs == two.epochs
    different = False
    for name, weights in one.qnet.weights().items():
        assert np.array_equal(weights, two.qnet.weights()[name]), name
        different |= not np.array_equal(weights, whole.qnet.weights()[name])
    assert different, "the fault changed nothing"
    for mine, other in zip(one.qnet.populations, qnet.populations, strict=True):
        assert np.array_equal(mine.per_neuron, other.per_neuron), "broken thresholds are the device's alone"


def test_no_fault_is_the_device_itself() -> None:
    device = with_faults("sim", Faults(seed=3))
    assert type(device) is type(open_device("sim"))


def test_a_brown_out_after_every_sample_unlearns_all() -> None:
    qnet = network()
    with with_faults("sim", Faults(brownout=1.0)) as device:
        device.load(qnet)
        found = device.learn(data(), epochs=1, rate=2.0)
    for name, weights in qnet.weights().items():
        assert np.array_equal(found.qnet.weights()[name], weights), name


def test_a_run_with_flips_leaves_nothing_behind() -> None:
    qnet = network()
    x = data().x
    with with_faults("sim", Faults(weight_flips=0.02)) as device:
        device.load(qnet)
        first, second = device.run(x), device.run(x)
        held = device.read()["weights"]
    assert np.array_equal(first.readout, second.readout)
    assert not np.array_equal(first.readout, simulate(qnet, x).readout)
    for name, weights in qnet.weights().items():
        assert np.array_equal(held[name], weights), name


@pytest.mark.parametrize("faults", [Faults(weight_flips=0.01), Faults(drift=0.1, dead=0.2)])
def test_weights_that_do_not_learn_are_faulty_in_runs_of_a_program_that_learns(faults: Faults) -> None:
    if build.HOST.missing() is not None:  # as on a machine without a compiler
        pytest.skip("no compiler of C")
    found = []
    for name in ("sim", "c"):
        with with_faults(name, faults) as device:
            device.load(network())
            run = device.learn(data(), epochs=1, rate=2.0, layers=("readout",))
            outputs = [device.run(data().x).readout for _ in range(2)]
            assert np.array_equal(*outputs)
            found.append((run.epochs, outputs[0], device.read()["weights"]))
    (epochs, wanted, weights), (others, outputs, held) = found
    assert epochs == others
    assert np.array_equal(wanted, outputs)
    for name, array in weights.items():
        assert np.array_equal(array, held[name]), name


def test_brown_outs_and_checkpoints_do_not_go_together(tmp_path: Path) -> None:
    with with_faults("sim", Faults(brownout=0.5)) as device:
        device.load(network())
        with pytest.raises(InputError, match=r"cannot learn with a checkpoint: what a brown-out goes back to is lost"):
            device.learn(data(), epochs=1, rate=2.0, checkpoint=tmp_path / "c")


def test_an_interrupted_run_with_faults_goes_on(tmp_path: Path) -> None:
    qnet, faults = network(), Faults(weight_flips=1e-3, jitter=1.0, dead=0.1)

    def learned(epochs: int, folder: Path) -> Any:
        with with_faults("sim", faults) as device:
            device.load(qnet)
            return device.learn(data(), epochs=epochs, rate=2.0, checkpoint=folder)

    learned(1, tmp_path / "a")
    cut, whole = learned(2, tmp_path / "a"), learned(2, tmp_path / "b")
    assert cut.epochs == whole.epochs
    for name, weights in whole.qnet.weights().items():
        assert np.array_equal(cut.qnet.weights()[name], weights), name


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["weight_flip=1"], "unknown fault 'weight_flip' (did you mean 'weight_flips'?)"),
        (["dead=2"], "fault dead = 2.0, rule: a probability from 0 to 1"),
        (["dead=nan"], "fault dead = nan, rule: a probability from 0 to 1"),
        (["dead="], "--fault 'dead=', rule: dead=VALUE, a probability from 0 to 1"),
        (["dead"], "--fault 'dead', rule: dead=VALUE"),
        (["dead=x"], "--fault 'dead=x', rule: dead=VALUE"),
        (["dead=0.1,0.2"], "rule: one value a kind; `hypr-neuro faults` compares several"),
        (["dead=0.1", "dead=0.2"], "rule: one value a kind"),
        (["dead=0.6", "stuck=0.6"], "faults dead = 0.6 and stuck = 0.6, rule: together at most 1"),
        (["jitter=-1"], "fault jitter = -1.0, rule: a number from 0 to 1000"),
        (["save_every=2"], "fault save_every = 2 without brownout, rule: both, or neither"),
        (["brownout=0.1", "save_every=1.5"], "fault save_every = 1.5, rule: a whole number from 0 on"),
    ],
)
def test_faults_that_are_none_are_refused(texts: list[str], words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_faults(texts)
    assert words in str(caught.value)


def test_words_become_faults() -> None:
    assert parse_faults(["drift=1e-3", "brownout=0.5", "save_every=3"], 4) == Faults(
        drift=1e-3, brownout=0.5, save_every=3, seed=4
    )
    assert parse_faults([]) == Faults()
    assert not parse_faults([]).any


def test_faults_that_a_device_cannot_have_are_refused() -> None:
    with pytest.raises(InputError, match="fault drop on device 'sim', rule: a device behind a link"):
        with_faults("sim", Faults(drop=0.1))
    check_faults("sim", replace(Faults(), weight_flips=0.1, brownout=0.1))


def test_networks_of_integers_have_no_faults() -> None:
    with with_faults("sim", Faults(drift=0.1)) as device, pytest.raises(InputError, match="give it a profile"):
        device.load(network().integer())
