"""Learning in integers: the kernels equal the definition, bit for bit, whatever the block size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import FileFormatError, InputError, WidthError
from hypr_neuro.quantize import QuantizedNetwork
from hypr_neuro.sim import learner as learner_module
from hypr_neuro.sim.learn import LearnEpoch, Learner, LearnOptions, learn
from hypr_neuro.sim.learning_reference import LearningReference
from hypr_neuro.testing import assert_equal_traces, integer_models, random_quantized, random_spikes, varied

STEPS, RATE = 30, 60000

# hidden layers, profile, recurrent, bias, profile fields that differ
CASES = {
    "recurrent": ((5,), "loihi2", True, True, {}),
    "feed-forward": ((5,), "ideal", False, False, {}),
    "two layers": ((4, 3), "loihi2", True, True, {}),
    "two layers, no delay": ((4, 3), "ideal", True, False, {}),
    "late errors": ((4, 3), "loihi1", False, True, {"time__error_latency": 9}),
    "three layers, late errors": ((6, 5, 4), "ideal", True, True, {"time__error_latency": 3}),
    "narrow": (
        (4, 3), "loihi2", True, True,
        {"learning__eligibility_bits": 10, "learning__accumulator_bits": 10, "learning__signal_bits": 6,
         "learning__eligibility_rounding": "floor", "precision__state_rounding": "zero"},
    ),
    "coarse": (
        (4, 3), "ideal", True, True,
        {"learning__error_bits": 4, "learning__psi_bits": 4, "learning__eligibility_fraction": 5,
         "learning__eligibility_rounding": "zero", "precision__weight_bits": 6, "precision__state_rounding": "floor"},
    ),
}  # fmt: skip


def labelled(seed: int, qnet: QuantizedNetwork, samples: int, steps: int = STEPS):
    """x (sample, T, channel), label (sample, T), scored (sample, T)."""
    rng = np.random.default_rng([seed, 3])
    x = random_spikes(seed, samples, steps, qnet.inputs).astype(np.int32)
    return x, rng.integers(0, qnet.outputs, (samples, steps)), rng.random((samples, steps)) < 0.8


def assert_learns_as_defined(qnet: QuantizedNetwork, seed: int, options: LearnOptions, samples: int = 3) -> Learner:
    """Gradients of one sample, then weights, averages and clips after several updates."""
    x, label, scored = labelled(seed, qnet, samples)
    fast, slow = Learner(qnet.copy(), options), LearningReference(qnet.copy(), options)
    expected, got = slow.gradients(x[0], label[0], scored[0]), fast.gradients(x[0], label[0], scored[0])
    assert expected.keys() == got.keys()
    for name, gradient in expected.items():
        assert_equal_traces(np.array(gradient), got[name], seed=seed, layer=name, what="gradient",
                            axes=("neuron", "synapse"), case=(qnet, x))  # fmt: skip
    for i in range(samples):
        output = fast.sample(x[i], label[i], scored[i], RATE)
        wanted = np.array(slow.sample(x[i], label[i].tolist(), scored[i].tolist(), RATE))
        assert_equal_traces(wanted, output, seed=seed, layer="readout", what=f"output of sample {i}",
                            axes=("step", "neuron"), case=(qnet, x))  # fmt: skip
        for name, weights in slow.qnet.weights().items():
            assert_equal_traces(weights, fast.qnet.weights()[name], seed=seed, layer=name, what=f"update {i}",
                                axes=("neuron", "synapse"), case=(qnet, x))  # fmt: skip
            for k, average in enumerate(slow.averages[name]):
                assert_equal_traces(np.array(average), fast.averages[name][k], seed=seed, layer=name,
                                    what=f"average {k}, update {i}", axes=("entry",), case=(qnet, x))  # fmt: skip
    assert slow.clips() == fast.clips(), f"seed {seed}"
    return fast


def learned_everywhere(before: QuantizedNetwork, after: QuantizedNetwork) -> bool:
    return all(np.any(weights != before.weights()[name]) for name, weights in after.weights().items())


def network(model: str, seed: int, case: str) -> QuantizedNetwork:
    hidden, profile, recurrent, bias, changed = CASES[case]
    return random_quantized(model, seed, varied(profile, **changed), hidden=hidden, recurrent=recurrent, bias=bias)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("model", integer_models())
def test_learning_equals_its_definition(model: str, case: str) -> None:
    for seed in range(11, 17):
        qnet = network(model, seed, case)
        learner = assert_learns_as_defined(qnet, seed, LearnOptions(seed=seed))
        if case == "narrow":
            assert sum(learner.clips().values()) > 100
        if learned_everywhere(qnet, learner.qnet):
            return
    raise AssertionError("some connection kept its weights with every seed, so its update was never compared")


@pytest.mark.parametrize("block", [1, 7])
@pytest.mark.parametrize("case", ["late errors", "two layers, no delay"])
@pytest.mark.parametrize("model", integer_models())
def test_learning_does_not_depend_on_the_block_size(
    model: str, case: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner_module, "BLOCK", block)
    assert_learns_as_defined(network(model, 5, case), 5, LearnOptions(seed=5), samples=1)


def test_a_subtractive_reset_learns_as_defined() -> None:
    qnet = random_quantized("lif", 3, "loihi2", params={"subtract": 1.0})
    assert_learns_as_defined(qnet, 3, LearnOptions(seed=3))


def test_only_the_chosen_layers_learn() -> None:
    qnet = network("lif", 4, "two layers")
    x, label, scored = labelled(4, qnet, 1)
    options = LearnOptions(layers=("layers.1",))
    fast, slow = Learner(qnet.copy(), options), LearningReference(qnet.copy(), options)
    fast.sample(x[0], label[0], scored[0], RATE)
    slow.sample(x[0], label[0].tolist(), scored[0].tolist(), RATE)
    for name, before in qnet.weights().items():
        assert np.array_equal(fast.qnet.weights()[name], slow.qnet.weights()[name]), name
        assert np.array_equal(fast.qnet.weights()[name], before) == (not name.startswith("layers.1")), name


def test_the_definition_refuses_an_eligibility_that_leaves_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    qnet = network("brf", 2, "narrow")
    x, label, scored = labelled(2, qnet, 1)
    monkeypatch.setattr("hypr_neuro.sim.learning_reference.sat", lambda value, bits: value)
    with pytest.raises(WidthError, match=r"layers\.\d, neuron \d, synapse \d: eligibility = -?\d+ leaves its 10 bits"):
        LearningReference(qnet, LearnOptions()).gradients(x[0], label[0].tolist(), scored[0].tolist())


class Interrupted(Exception):
    """Stands for a killed process."""


def stop_after(epoch: int):
    def on_epoch(entry: LearnEpoch, qnet: QuantizedNetwork) -> None:
        if entry.epoch == epoch:
            raise Interrupted

    return on_epoch


def data_for(qnet: QuantizedNetwork, seed: int, samples: int = 6) -> SequenceData:
    x, label, scored = labelled(seed, qnet, samples)
    return SequenceData("random", x, label, np.full(samples, "train"), qnet.outputs, scored)


@pytest.mark.parametrize("model", integer_models())
def test_learning_resumed_from_a_checkpoint_ends_as_if_undisturbed(model: str, tmp_path: Path) -> None:
    qnet = network(model, 6, "two layers")
    data = data_for(qnet, 6)
    undisturbed = learn(qnet, data, epochs=3, rate=1.0, decay=0.9, seed=6)
    with pytest.raises(Interrupted):
        learn(qnet, data, epochs=3, rate=1.0, decay=0.9, seed=6, checkpoint=tmp_path, on_epoch=stop_after(1))
    resumed = learn(qnet, data, epochs=3, rate=1.0, decay=0.9, seed=6, checkpoint=tmp_path)
    assert resumed.epochs == undisturbed.epochs
    for name, weights in undisturbed.qnet.weights().items():
        assert_equal_traces(weights, resumed.qnet.weights()[name], seed=6, layer=name, what="weights",
                            axes=("neuron", "synapse"))  # fmt: skip
    assert not np.array_equal(resumed.qnet.weights()["readout.input"], qnet.weights()["readout.input"])


def test_a_learning_checkpoint_of_other_options_is_refused(tmp_path: Path) -> None:
    qnet = network("lif", 6, "feed-forward")
    data = data_for(qnet, 6)
    learn(qnet, data, rate=1.0, checkpoint=tmp_path)
    with pytest.raises(FileFormatError, match=r"learning\.h5' is of another run"):
        learn(qnet, data, rate=0.5, checkpoint=tmp_path)


@pytest.mark.parametrize("other", ["data", "weights", "profile", "connections"])
def test_a_learning_checkpoint_of_another_start_is_refused(other: str, tmp_path: Path) -> None:
    qnet = network("lif", 6, "recurrent")
    data = data_for(qnet, 6)
    start = {"weights": network("lif", 7, "recurrent"), "connections": network("lif", 6, "feed-forward"),
             "profile": random_quantized("lif", 6, "ideal")}.get(other, qnet)  # fmt: skip
    learn(start, data_for(qnet, 7) if other == "data" else data, rate=1.0, checkpoint=tmp_path)
    with pytest.raises(FileFormatError, match=r"learning\.h5' is of another run"):
        learn(qnet, data, rate=1.0, epochs=2, checkpoint=tmp_path)


def test_learning_leaves_the_network_that_was_given_alone() -> None:
    qnet = network("lif", 6, "feed-forward")
    before = {name: weights.copy() for name, weights in qnet.weights().items()}
    learn(qnet, data_for(qnet, 6), rate=1.0)
    assert all(np.array_equal(weights, before[name]) for name, weights in qnet.weights().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 0.0}, "rate = 0.0"),
        ({"rate": float("nan")}, "rate = nan"),
        ({"decay": 1.5}, "decay = 1.5"),
        ({"limit": 0}, "limit = 0"),
        ({"average_shift": 21}, "average_shift = 21"),
        ({"seed": -1}, "seed = -1"),
        ({"layers": ("layers.9",)}, "unknown layer 'layers.9', known: layers.0, readout"),
        ({"speed": 1}, "known options: rate"),
        ({"epochs": 0}, "epochs = 0"),
    ],
)
def test_bad_learning_options_are_named(options: dict[str, object], message: str) -> None:
    qnet = network("lif", 6, "feed-forward")
    with pytest.raises(InputError, match=message):
        learn(qnet, data_for(qnet, 6), **options)


def test_a_profile_that_cannot_learn_is_refused() -> None:
    qnet = random_quantized("lif", 6, varied("ideal", learning__ability="none"))
    with pytest.raises(InputError, match="profile 'ideal' cannot learn"):
        learn(qnet, data_for(qnet, 6))
