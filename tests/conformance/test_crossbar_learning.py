"""Learning on crossbars: without noise the simulator's weights, with it the same bits whatever cut it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from crossbar_cases import OFF, PROFILES, WIDE, noiseless, noisy
from learning_cases import labelled

import hypr_neuro as hn
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.faults.device import with_faults
from hypr_neuro.faults.kinds import Faults
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import draw32, mix32, sat, shr_nearest
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.crossbar.drawing import normals
from hypr_neuro.sim.learning.counter import ELIGIBILITY_TENSORS
from hypr_neuro.sim.learning.learn import LearnEpoch, learn
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions, as_rate
from hypr_neuro.sim.learning.state import restore_learner, save_learner
from hypr_neuro.testing.networks import integer_models, random_quantized

pytestmark = pytest.mark.once

OPTIONS: dict[str, dict[str, Any]] = {
    "samples": {},
    "steps": {"update_on": "step", "update_every": 7},
    "random feedback": {"feedback": "random"},
    "all parameters": {"parameters": ("all",)},
}


class Interrupted(Exception):
    """Stands for a killed process."""


def data_for(qnet: QuantizedNetwork, seed: int, samples: int = 6) -> SequenceData:
    x, label, scored = labelled(seed, qnet, samples)
    return SequenceData("random", x, label, np.full(samples, "train"), qnet.output_size, scored)


def held(qnet: QuantizedNetwork) -> dict[str, Array]:
    """All that a network has learned, cells included."""
    cells = {f"{i}/{k}": a for i, c in enumerate(qnet.connections) for k, a in (c.cells or {}).items()}
    return {**qnet.weights(), **cells, **{p.name: p.per_neuron for p in qnet.populations}}


def assert_same(one: QuantizedNetwork, other: QuantizedNetwork) -> None:
    a, b = held(one), held(other)
    assert a.keys() == b.keys()
    for name in a:
        assert np.array_equal(a[name], b[name]), name


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("model", integer_models())
def test_without_noise_pulses_of_a_mantissa_learn_the_simulators_weights(model: str, options: str) -> None:
    """Cells that take pulses of both signs, one mantissa a pulse, no noise: digital weights, bit for bit."""
    profile = noiseless("reram", pulse=1 / 127)
    qnet = random_quantized(model, 7, profile, hidden=(5, 4))
    digital = QuantizedNetwork(**{**vars_of(qnet), "profile": digital_of(profile)})
    data, chosen = data_for(qnet, 7), {"rate": 3.0, "seed": 3, **OPTIONS[options]}
    learned, expected = (learn(q, data, epochs=2, progress=False, **chosen) for q in (qnet, digital))
    for name, weights in expected.qnet.weights().items():
        assert np.array_equal(weights, learned.qnet.weights()[name]), name
        assert not np.array_equal(weights, qnet.weights()[name]), name
    for p, q in zip(expected.qnet.populations, learned.qnet.populations, strict=True):
        assert np.array_equal(p.per_neuron, q.per_neuron)
    assert [e.online_accuracy for e in learned.epochs] == [e.online_accuracy for e in expected.epochs]


def vars_of(qnet: QuantizedNetwork) -> dict[str, Any]:
    names = ("inputs", "populations", "connections", "dt", "outputs", "encoder", "record", "notes", "output_decay")
    return {name: getattr(qnet.copy(), name) for name in names}


def digital_of(profile: Any) -> Any:
    return profile.model_copy(update={"analog": None})


@pytest.mark.parametrize("update", ["pulses", "accumulated"])
@pytest.mark.parametrize("profile", PROFILES)
def test_learning_resumed_from_a_checkpoint_ends_as_if_undisturbed(profile: str, update: str, tmp_path: Path) -> None:
    qnet = random_quantized("alif", 6, noisy(profile, update=update), hidden=(5, 4))
    data, options = data_for(qnet, 6), {"epochs": 3, "rate": 2.0, "decay": 0.9, "seed": 6, "progress": False}

    def stop(entry: LearnEpoch, _: QuantizedNetwork) -> None:
        if entry.epoch == 1:
            raise Interrupted

    undisturbed = learn(qnet, data, **options)
    with pytest.raises(Interrupted):
        learn(qnet, data, checkpoint=tmp_path, on_epoch=stop, **options)
    resumed = learn(qnet, data, checkpoint=tmp_path, **options)
    assert resumed.epochs == undisturbed.epochs
    assert_same(resumed.qnet, undisturbed.qnet)
    assert all(c.cells is None for c in qnet.connections)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_learner_saved_between_updates_of_a_stream_goes_on_with_the_same_bits(profile: str, tmp_path: Path) -> None:
    """Cells have aged since they were last looked at: what counts is when that was."""
    qnet = random_quantized("lif", 6, noisy(profile))
    options = LearnOptions(seed=2, update_on="step", update_every=9)
    x, label, scored = (part[0] for part in labelled(6, qnet, 1))
    rate = as_rate(2.0)
    whole = Learner(qnet.copy(), options)
    outputs = whole.stream(x, label, scored, rate)
    cut = Learner(qnet.copy(), options)
    first = cut.stream(x[:13], label[:13], scored[:13], rate)
    save_learner(cut, tmp_path / "learner.h5")
    again = Learner(qnet.copy(), options)
    restore_learner(again, tmp_path / "learner.h5")
    parts = [again.stream(x[part], label[part], scored[part], rate) for part in (slice(13, 14), slice(14, None))]
    assert np.array_equal(outputs, np.concatenate([first, *parts]))
    assert_same(whole.qnet, again.qnet)


def test_blocks_and_threads_do_not_change_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    qnet = random_quantized("alif", 8, noisy("reram_neohebbian"), hidden=(5, 4))
    data = data_for(qnet, 8)
    expected = learn(qnet, data, rate=2.0, progress=False).qnet
    for name, value in (("hypr_neuro.sim.learning.learner.BLOCK", 5), ("hypr_neuro.sim.simulator.BLOCK", 3)):
        monkeypatch.setattr(name, value)
        assert_same(expected, learn(qnet, data, rate=2.0, progress=False).qnet)
    monkeypatch.setenv("HYPR_NEURO_THREADS", "3")
    assert_same(expected, learn(qnet, data, rate=2.0, progress=False).qnet)


def test_every_term_of_learning_changes_what_is_learned() -> None:
    profile = {**WIDE, **OFF, "analog.levels": 0, "analog.corrupt": 0.1}
    quiet = random_quantized("lif", 9, load_profile("reram_neohebbian", profile))
    data = data_for(quiet, 9)
    learned = learn(quiet, data, rate=2.0, progress=False).qnet
    for name in ("write_noise", "device_spread", "defects", "relaxation", "eligibility_noise", "eligibility_decay"):
        changed = load_profile("reram_neohebbian", {**profile, f"analog.{name}": True, "analog.age": 100.0})
        other = QuantizedNetwork(**{**vars_of(quiet), "profile": changed})
        weights = learn(other, data, rate=2.0, progress=False).qnet.weights()
        assert any(not np.array_equal(weights[k], w) for k, w in learned.weights().items()), name


def test_eligibilities_without_decay_and_noise_are_those_of_digital_memory() -> None:
    names = ("eligibility_noise", "eligibility_decay")
    data, learned = None, []
    for profile in (noisy("reram"), noisy("reram_neohebbian", **dict.fromkeys(names, False))):
        qnet = random_quantized("se_adlif", 9, profile)
        data = data or data_for(qnet, 9)
        learned.append(learn(qnet, data, rate=2.0, progress=False).qnet)
    assert_same(*learned)


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_eligibilities_decay_by_themselves_with_noise_of_their_own(
    spread: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The eligibilities of a readout, whose equation is short, ε ← κ ε + gain z, as they are kept."""
    profile = noisy("reram_neohebbian", eligibility_spread=spread, eligibility_time=0.02)
    qnet = random_quantized("lif", 11, profile, bias=False)
    options = LearnOptions(seed=5)
    learner = Learner(qnet, options)
    x, label, scored = (part[0] for part in labelled(11, qnet, 1))
    learner.samples = 4
    spikes: list[Array] = []
    block = learner.simulator.block

    def watched(*given: Any) -> None:
        block(*given)
        spikes.append(learner.simulator.populations[0].outputs.copy())

    monkeypatch.setattr(learner.simulator, "block", watched)
    learner._sample(x, learner._targets(len(x), label, scored, None, None, None), None)
    sent = np.concatenate(spikes)
    readout, widths = qnet.populations[1], learner.layers[1].widths
    names = get_model("li").fixed_per_neuron
    kappa, gain = (readout.per_neuron[names.index(k)] for k in ("kappa", "gain"))
    fe, kc, bits = widths.eligibility_fraction, widths.coefficient_fraction, widths.eligibility_bits
    n, pre, padded = readout.size, sent.shape[1], learner.layers[1].eligibility.shape[-1]
    number, seed = ELIGIBILITY_TENSORS + 8, draw32(0, 5, 0, 0)
    tau = 0.02 * np.abs(1.0 + spread * normals(0, 0, number, (n, padded)))
    shares = np.rint(np.exp(-0.001 / tau) * 65536).astype(int)
    amplitude = round(0.1 * 65536 / np.sqrt((256**2 - 1) / 3))
    eps = np.zeros((n, pre), int)
    for t in range(len(sent)):
        word = draw32(seed, 4, number, t)
        for i in range(n):
            drive = shr_nearest(int(gain[i]) << fe, kc)
            for s in range(pre):
                new = rounded(int(kappa[i]) * int(eps[i, s]), kc, widths.rounding) + drive * int(sent[t, s])
                draw = mix32(word ^ (i * padded + s))
                noise = sum((draw >> k) & 255 for k in (0, 8, 16, 24)) - 510
                kept = shr_nearest(new * int(shares[i, s]), 16) + shr_nearest(drive * amplitude * noise, 16)
                eps[i, s] = sat(kept, bits)
    assert sent.any()
    assert np.array_equal(learner.layers[1].eligibility[0, :, :pre], eps)


def rounded(x: int, n: int, rounding: int) -> int:
    from hypr_neuro.numbers.fixed_point import shr

    return int(shr(x, n, rounding))


def test_seeds_write_with_other_noise_on_the_same_chip() -> None:
    qnet = random_quantized("lif", 12, noisy("pcm_crossbar"))
    data = data_for(qnet, 12)
    one, other = (learn(qnet, data, rate=2.0, seed=s, progress=False).qnet for s in (0, 1))
    assert not np.array_equal(one.connections[0].cells["g"], other.connections[0].cells["g"])


def test_learning_goes_on_from_the_cells_of_what_was_learned() -> None:
    """Twice one epoch is no other chip: cells keep what they are, and their age."""
    qnet = random_quantized("lif", 12, noisy("pcm_crossbar", age=0.0))
    data = data_for(qnet, 12)
    once = learn(qnet, data, rate=2.0, progress=False).qnet
    before = held(once.copy())
    again = learn(once, data, rate=2.0, progress=False).qnet
    assert all(np.array_equal(before[k], a) for k, a in held(once).items())
    assert again.connections[0].cells["clock"][0] > once.connections[0].cells["clock"][0] > 0
    assert again.connections[0].cells["writes"][0] > once.connections[0].cells["writes"][0] > 1


def test_faults_change_cells_as_they_change_weights() -> None:
    """Bits that flip in what is read back are written to cells; broken neurons stay silent."""
    qnet = random_quantized("lif", 13, noisy("pcm_crossbar"))
    data = data_for(qnet, 13)
    with with_faults("sim", Faults(weight_flips=0.05, dead=0.2)) as device:
        device.load(qnet)
        faulty = device.learn(data, rate=1.0, progress=False)
    plain = learn(qnet, data, rate=1.0, progress=False)
    assert any(not np.array_equal(faulty.qnet.weights()[k], w) for k, w in plain.qnet.weights().items())


def test_convolutions_have_no_cells() -> None:
    from hypr_neuro.graph.convolution import Convolution, Taps

    qnet = random_quantized("lif", 13, noisy("pcm_crossbar"), inputs=9, hidden=(9,), bias=False)
    kernel = np.ones((1, 1, 1, 1), np.int64)
    c = qnet.connections[0]
    c.mantissa = Convolution(kernel, (3, 3), Taps((1, 1), (1, 1), (0, 0), (0, 0), (1, 1)))
    with pytest.raises(InputError, match=r"a convolution, rule for profile 'pcm_crossbar.*written_out"):
        hn.simulate(qnet, np.ones((1, 3, 9), np.int8))
