"""Learning in integers: the kernels equal the definition, bit for bit, whatever the block size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_records import record_of

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import FileFormatError, InputError, WidthError
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import dequantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning import learner as learner_module
from hypr_neuro.sim.learning.learn import LearnEpoch, Learner, LearnOptions, learn
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.sim.learning.state import restore_learner, save_learner
from hypr_neuro.testing.networks import (
    assert_equal_traces,
    integer_models,
    random_network,
    random_quantized,
    random_spikes,
    varied,
)
from hypr_neuro.train.gradients import gradients

STEPS, RATE, PARAMETER_RATE = 30, 60000, 200000
# of "sgd": the gradients of these small networks are far below 2^19
LARGE_RATE = 1 << 23


@dataclass(frozen=True)
class Case:
    """A network and how it learns. profile : its name and the fields that differ. options : of LearnOptions"""

    hidden: tuple[int, ...] = (4, 3)
    chip: str = "loihi2"
    recurrent: bool = True
    bias: bool = True
    profile: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    rate: int = 60000

    def network(self, model: str, seed: int) -> QuantizedNetwork:
        chip = varied(self.chip, **self.profile)
        return random_quantized(model, seed, chip, hidden=self.hidden, recurrent=self.recurrent, bias=self.bias)

    def learn_options(self, seed: int) -> LearnOptions:
        return LearnOptions(seed=seed, **self.options)


DELAYED = {"learning__eligibility_alignment": "delayed", "time__error_latency": 3}
CASES = {
    "recurrent": Case((5,)),
    "feed-forward": Case((5,), "ideal", recurrent=False, bias=False),
    "two layers": Case(),
    "two layers, no delay": Case((4, 3), "ideal", bias=False),
    "late errors": Case((4, 3), "loihi1", recurrent=False, profile={"time__error_latency": 9}),
    "three layers, late errors": Case((6, 5, 4), "ideal", profile={"time__error_latency": 3}),
    "narrow": Case(
        profile={
            "learning__eligibility_bits": 10,
            "learning__accumulator_bits": 10,
            "learning__signal_bits": 6,
            "learning__eligibility_rounding": "floor",
            "precision__state_rounding": "zero",
        },
        options={"parameters": ("all",)},
    ),
    "coarse": Case(
        (4, 3),
        "ideal",
        profile={
            "learning__error_bits": 4,
            "learning__psi_bits": 4,
            "learning__eligibility_fraction": 5,
            "learning__eligibility_rounding": "zero",
            "precision__weight_bits": 6,
            "precision__state_rounding": "floor",
            "precision__coefficient_bits": 12,
        },
        options={"parameters": ("all",)},
    ),
    "delayed eligibilities": Case(profile=DELAYED),
    "delayed eligibilities, three layers": Case((4, 3, 3), profile=DELAYED, options={"parameters": ("all",)}),
    "delayed eligibilities, no delay of spikes": Case((4, 3), "ideal", profile=DELAYED),
    "linear error": Case(profile={"learning__error": "linear"}),
    "sign error": Case(profile={"learning__error": "sign"}),
    "layer rule": Case(options={"rule": "layer"}),
    "sgd": Case(options={"rule": "sgd"}, rate=LARGE_RATE),
    "sign rule": Case(options={"rule": "sign"}),
    "momentum": Case(profile={"learning__momentum_bits": 24}, options={"momentum": 2, "parameters": ("all",)}),
    "narrow momentum": Case(
        profile={"learning__momentum_bits": 15}, options={"momentum": 1, "rule": "sgd"}, rate=LARGE_RATE
    ),
    "residual": Case(profile={"learning__residual_bits": 8}),
    "largest residual, momentum": Case(
        profile={"learning__residual_bits": 16, "learning__momentum_bits": 32, "precision__weight_bits": 5},
        options={"momentum": 3, "rule": "layer"},
    ),
    "random feedback": Case((4, 3, 3), options={"feedback": "random"}),
    "neuron parameters": Case(options={"parameters": ("all",)}),
    "neuron parameters, layer rule": Case(options={"parameters": ("readout.tau",), "rule": "layer"}),
    "neuron parameters, late signs": Case(
        (4, 3), "ideal", profile=DELAYED, options={"parameters": ("all",), "rule": "sign", "limit": 1}
    ),
    "every third sample": Case(options={"update_every": 3, "parameters": ("all",)}),
    "every seventh step": Case(options={"update_every": 7, "update_on": "step", "parameters": ("all",)}),
    "every step, delayed": Case(profile=DELAYED, options={"update_on": "step", "rule": "sign"}),
    "some layers": Case((4, 3, 3), options={"layers": ("layers.1",), "parameters": ("all",)}),
    "the readout": Case(profile=DELAYED, options={"layers": ("readout",)}),
}


def labelled(seed: int, qnet: QuantizedNetwork, samples: int, steps: int = STEPS):
    """x (sample, T, channel), label (sample, T), scored (sample, T)."""
    rng = np.random.default_rng([seed, 3])
    x = random_spikes(seed, samples, steps, qnet.inputs).astype(np.int32)
    return x, rng.integers(0, qnet.output_size, (samples, steps)), rng.random((samples, steps)) < 0.8


def kept(learner: Any) -> Iterator[tuple[str, str, np.ndarray]]:
    """Everything that an update changes, as (name, what, array)."""
    qnet, state = learner.qnet, getattr(learner, "updater", learner)
    for name, weights in qnet.weights().items():
        yield name, "weights", weights
    for i, layer in enumerate(qnet.layers):
        yield qnet.name(i), "neuron integers", layer.per_neuron
    for name, averages in state.averages.items():
        for key, values in averages.items():
            yield name, f"{key} averages", np.ravel(np.array(values))
    for what in ("momentum", "residual"):
        for name, values in getattr(state, what).items():
            if np.size(values):
                yield name, what, np.array(values)


def assert_same(
    slow: LearningReference, fast: Learner, when: str, seed: int, case: tuple[QuantizedNetwork, Any]
) -> None:
    """Weights, neuron parameters and all that updates keep."""
    expected, got = list(kept(slow)), list(kept(fast))
    assert [entry[:2] for entry in expected] == [entry[:2] for entry in got]
    for (name, what, wanted), (_, _, found) in zip(expected, got, strict=True):
        assert_equal_traces(
            wanted,
            found,
            seed=seed,
            layer=name,
            what=f"{what} after {when}",
            axes=tuple("abc"[: wanted.ndim]),
            case=case,
        )
    assert slow.updates == fast.updates, f"seed {seed}, {when}"


def assert_same_gradients(slow: LearningReference, fast: Learner, seed: int, x: Any, label: Any, scored: Any) -> None:
    expected, got = slow.gradients(x, label, scored), fast.gradients(x, label, scored)
    assert list(expected) == list(got)
    for name, gradient in expected.items():
        assert_equal_traces(
            np.array(gradient),
            got[name].reshape(len(gradient), -1),
            seed=seed,
            layer=name,
            what="gradient",
            axes=("neuron", "synapse"),
            case=(slow.qnet, x),
        )


def assert_learns_as_defined(
    qnet: QuantizedNetwork, seed: int, options: LearnOptions, samples: int = 3, rate: int = RATE
) -> Learner:
    """Gradients of one sample, then all that changes after each of several samples."""
    x, label, scored = labelled(seed, qnet, samples)
    fast, slow = Learner(qnet.copy(), options), LearningReference(qnet.copy(), options)
    assert_same_gradients(slow, fast, seed, x[0], label[0], scored[0])
    for i in range(samples):
        output = fast.sample(x[i], label[i], scored[i], rate, PARAMETER_RATE)
        wanted = np.array(slow.sample(x[i], label[i], scored[i], rate, PARAMETER_RATE))
        assert_equal_traces(
            wanted,
            output,
            seed=seed,
            layer="readout",
            what=f"output of sample {i}",
            axes=("step", "neuron"),
            case=(qnet, x),
        )
        assert_same(slow, fast, f"sample {i}", seed, (qnet, x))
    assert slow.clips() == fast.clips(), f"seed {seed}"
    return fast


def unlearned(before: QuantizedNetwork, learner: Learner) -> set[str]:
    """What is to learn and did not."""
    result = set()
    rows = {name: i for i, name in enumerate(before.name(i) for i in range(len(before.layers)))}
    for name in getattr(learner, "updater", learner).averages:
        layer, key = name.rsplit(".", 1)
        if key in ("input", "recurrent"):
            if np.array_equal(before.weights()[name], learner.qnet.weights()[name]):
                result.add(name)
        elif np.array_equal(before.layers[rows[layer]].per_neuron, learner.qnet.layers[rows[layer]].per_neuron):
            result.add(name)
    return result


def network(model: str, seed: int, case: str) -> QuantizedNetwork:
    return CASES[case].network(model, seed)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("model", integer_models())
def test_learning_equals_its_definition(model: str, case: str) -> None:
    unchanged: set[str] | None = None
    for seed in range(11, 19):
        qnet = network(model, seed, case)
        learner = assert_learns_as_defined(qnet, seed, CASES[case].learn_options(seed), rate=CASES[case].rate)
        if case == "narrow":
            assert sum(learner.clips().values()) > 100
        of_seed = unlearned(qnet, learner)
        unchanged = of_seed if unchanged is None else unchanged & of_seed
        if not unchanged:
            return
    raise AssertionError(f"{unchanged} kept their values with every seed, so their updates were never compared")


@pytest.mark.parametrize("block", [1, 7])
@pytest.mark.parametrize(
    "case", ["late errors", "two layers, no delay", "delayed eligibilities, three layers", "every seventh step"]
)
@pytest.mark.parametrize("model", integer_models())
def test_learning_does_not_depend_on_the_block_size(
    model: str, case: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner_module, "BLOCK", block)
    assert_learns_as_defined(network(model, 5, case), 5, CASES[case].learn_options(5), samples=1)


STREAMS = {
    "plain": Case(options={"update_every": 5, "update_on": "step"}),
    "delayed": Case(
        (4, 3, 3), profile=DELAYED, options={"update_every": 4, "update_on": "step", "parameters": ("all",)}
    ),
    "no delay of spikes, momentum": Case(
        (4, 3),
        "ideal",
        profile=DELAYED | {"learning__momentum_bits": 20, "learning__residual_bits": 6},
        options={"update_every": 11, "update_on": "step", "momentum": 2},
    ),
    "every step": Case((4,), profile={"time__error_latency": 2}, options={"update_on": "step", "rule": "sign"}),
}


@pytest.mark.parametrize("case", STREAMS)
@pytest.mark.parametrize("model", integer_models())
def test_a_stream_learns_as_defined_wherever_it_is_cut(model: str, case: str) -> None:
    """Three blocks, step for step; then the same steps in other blocks."""
    seed = 21
    qnet, options = STREAMS[case].network(model, seed), STREAMS[case].learn_options(seed)
    x, label, scored = (array[0] for array in labelled(seed, qnet, 1, 45))
    slow, fast = LearningReference(qnet.copy(), options), Learner(qnet.copy(), options)
    outputs: list[Any] = []
    for start, stop in ((0, 13), (13, 14), (14, 45)):
        part = x[start:stop], label[start:stop], scored[start:stop], RATE, PARAMETER_RATE
        outputs += slow.stream(*part)
        assert_equal_traces(
            np.array(outputs[start:]),
            fast.stream(*part),
            seed=seed,
            layer="readout",
            what=f"output from step {start}",
            axes=("step", "neuron"),
            case=(qnet, x),
        )
        assert_same(slow, fast, f"step {stop}", seed, (qnet, x))
    assert slow.clips() == fast.clips()
    for cuts in ((0, 45), (0, 1, 2, 9, 30, 45)):
        other = Learner(qnet.copy(), options)
        for start, stop in pairwise(cuts):
            found = other.stream(x[start:stop], label[start:stop], scored[start:stop], RATE, PARAMETER_RATE)
            assert np.array_equal(found, np.array(outputs[start:stop])), f"steps {start}..{stop - 1}"
        assert_same(slow, other, f"the stream cut at {cuts}", seed, (qnet, x))
        assert other.clips() == slow.clips()


@pytest.mark.parametrize("model", integer_models())
def test_samples_and_streams_follow_each_other(model: str) -> None:
    """Each starts anew, a stream goes on with a stream; gradients that wait and the count of steps stay."""
    seed, case = 22, Case(profile=DELAYED, options={"update_every": 25, "update_on": "step", "parameters": ("all",)})
    qnet, options = case.network(model, seed), case.learn_options(seed)
    kinds = ("stream", "sample", "stream", "stream", "sample")
    x, label, scored = labelled(seed, qnet, len(kinds), 12)
    slow, fast = LearningReference(qnet.copy(), options), Learner(qnet.copy(), options)
    for i, kind in enumerate(kinds):
        part = x[i], label[i], scored[i], RATE, PARAMETER_RATE
        wanted, found = getattr(slow, kind)(*part), getattr(fast, kind)(*part)
        assert np.array_equal(np.array(wanted), found), f"{kind} {i}"
        assert_same(slow, fast, f"{kind} {i}", seed, (qnet, x))
    assert slow.updates == 2
    assert_same_gradients(slow, fast, seed, x[0], label[0], scored[0])
    assert slow.clips() == fast.clips()


@pytest.mark.parametrize("model", integer_models())
def test_gradients_of_a_sample_disturb_no_update(model: str) -> None:
    case = Case(profile=CASES["narrow"].profile, options={"update_every": 3, "parameters": ("all",)})
    qnet, options = case.network(model, 23), case.learn_options(23)
    x, label, scored = labelled(23, qnet, 3)
    plain, asked = Learner(qnet.copy(), options), Learner(qnet.copy(), options)
    for i in range(3):
        before = asked.clips()
        asked.gradients(x[2 - i], label[2 - i], scored[2 - i])
        assert asked.clips() == before
        for learner in (plain, asked):
            learner.sample(x[i], label[i], scored[i], RATE, PARAMETER_RATE)
    assert plain.updates == asked.updates == 1
    for (name, what, wanted), (_, _, found) in zip(kept(plain), kept(asked), strict=True):
        assert np.array_equal(wanted, found), f"{name}, {what}"


@pytest.mark.parametrize("case", ["plain", "delayed", "no delay of spikes, momentum"])
def test_a_stream_goes_on_from_a_file(case: str, tmp_path: Path) -> None:
    qnet, options = STREAMS[case].network("brf", 24), STREAMS[case].learn_options(24)
    x, label, scored = (array[0] for array in labelled(24, qnet, 1, 40))
    first, undisturbed = (Learner(qnet.copy(), options) for _ in range(2))
    first.stream(x[:17], label[:17], scored[:17], RATE, PARAMETER_RATE)
    save_learner(first, tmp_path / "learner.h5")
    second = Learner(qnet.copy(), options)
    restore_learner(second, tmp_path / "learner.h5")
    wanted = undisturbed.stream(x, label, scored, RATE, PARAMETER_RATE)[17:]
    assert np.array_equal(second.stream(x[17:], label[17:], scored[17:], RATE, PARAMETER_RATE), wanted)
    for (name, what, expected), (_, _, found) in zip(kept(undisturbed), kept(second), strict=True):
        assert np.array_equal(expected, found), f"{name}, {what}"
    assert second.clips() == undisturbed.clips()
    assert second.updates == undisturbed.updates > 2


@pytest.mark.parametrize("hop", [0, 1])
@pytest.mark.parametrize("model", integer_models())
def test_delayed_eligibilities_give_the_gradient_of_a_network_without_delays(model: str, hop: int) -> None:
    """Exactly, where nothing but spikes moves a state: no line that is always on."""
    seed, options = 31, LearnOptions(parameters=("all",))
    aligned = {"learning__eligibility_alignment": "delayed", "time__connection_delay": hop}
    found = []
    for changed in ({}, aligned | {"time__error_latency": 4}, {"time__error_latency": 4}):
        qnet = random_quantized(model, seed, varied("ideal", **changed), hidden=(4, 3, 3), bias=False)
        x, label, scored = (array[0] for array in labelled(seed, qnet, 1))
        found.append(LearningReference(qnet, options).gradients(x, label, scored))
    assert found[1] == found[0]
    assert found[2] != found[0]


@pytest.mark.parametrize("model", integer_models())
def test_integer_gradients_point_where_those_of_the_float_rule_do(model: str) -> None:
    """Wide words, the first seed with spikes, the same in both: weights and neuron parameters, cosine as stated."""
    for seed in range(10):
        net = random_network(model, seed, bias=False)
        qnet = random_quantized(model, seed, "ideal", bias=False)
        x, label, _ = (array[:1] for array in labelled(seed, qnet, 1, 60))
        if simulate(qnet, x, ["spikes"]).spikes["layers.0"].any():
            break
    exact, _ = gradients(dequantize(net, qnet), x, label)
    found = LearningReference(qnet, LearnOptions(parameters=("all",))).gradients(x[0], label[0], [True] * 60)
    for i, layer in enumerate(net.layers):
        ours = {key.rsplit(".", 1)[1]: np.array(g, float) for key, g in found.items() if key.startswith(qnet.name(i))}
        for key, gradient in ours.items():
            name = {"input": "weight"}.get(key, key)
            if f"{qnet.name(i)}.{name}" not in exact:
                assert key == "bias"  # a float network without biases does not train those of LIF
                continue
            by_value = np.ones(1)
            if layer.model.learned is not None and key in layer.model.trainable:
                values = layer.model.learned.values
                j, small = layer.model.trainable.index(key), 1e-6
                moved = layer.params | {key: layer.params[key] * (1 + small)}
                by_value = ((values(moved)[j] - values(layer.params)[j]) / (small * layer.params[key]))[:, None]
            a, b = (gradient * by_value).ravel(), exact[f"{qnet.name(i)}.{name}"].ravel()
            cosine = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
            assert cosine > record_of(layer.model.name).cosines.get(key, 0.99), (
                f"{qnet.name(i)}.{key}: cosine {cosine:.4f}"
            )


STEEP = {name: record_of(name).steep for name in integer_models() if record_of(name).steep is not None}
"""Parameters with which entries of the Jacobian pass 4, the largest that they may be."""


@pytest.mark.parametrize("alignment", ["none", "delayed"])
@pytest.mark.parametrize("model", STEEP)
def test_entries_of_the_jacobian_are_clipped_as_defined(model: str, alignment: str) -> None:
    profile = varied("loihi2", learning__eligibility_alignment=alignment)
    qnet = random_quantized(model, 13, profile, hidden=(4, 3), params=STEEP[model])
    learner = assert_learns_as_defined(qnet, 13, LearnOptions(seed=13, parameters=("all",)))
    assert learner.clips()["layers.0 Jacobians"] > 0


@pytest.mark.parametrize("lowest", ["layers.1", "readout"])
def test_no_signal_goes_below_the_lowest_layer_that_learns(lowest: str) -> None:
    """Nothing there is clipped, though every signal would be."""
    profile = varied("loihi2", learning__signal_bits=4, precision__weight_bits=4)
    qnet = random_quantized("brf", 14, profile, hidden=(4, 3), params=STEEP["brf"])
    everything = assert_learns_as_defined(qnet, 14, LearnOptions(seed=14))
    some = assert_learns_as_defined(qnet, 14, LearnOptions(seed=14, layers=(lowest,)))
    assert everything.clips()["layers.0 Jacobians"] > some.clips()["layers.0 Jacobians"] == 0


def test_a_subtractive_reset_learns_as_defined() -> None:
    qnet = random_quantized("lif", 3, "loihi2", params={"subtract": 1.0})
    assert_learns_as_defined(qnet, 3, LearnOptions(seed=3, parameters=("all",)))


def test_only_the_chosen_layers_learn() -> None:
    qnet, options = network("lif", 11, "some layers"), CASES["some layers"].learn_options(11)
    learner = assert_learns_as_defined(qnet, 11, options)
    for name, before in qnet.weights().items():
        assert np.array_equal(learner.qnet.weights()[name], before) == (not name.startswith("layers.1")), name
    for i, layer in enumerate(qnet.layers):
        assert np.array_equal(learner.qnet.layers[i].per_neuron, layer.per_neuron) == (i != 1), qnet.name(i)


def test_the_definition_refuses_an_eligibility_that_leaves_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    qnet = network("brf", 2, "narrow")
    x, label, scored = labelled(2, qnet, 1)
    monkeypatch.setattr("hypr_neuro.sim.learning.eligibility.sat", lambda value, bits: value)
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
    return SequenceData("random", x, label, np.full(samples, "train"), qnet.output_size, scored)


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
        assert_equal_traces(
            weights, resumed.qnet.weights()[name], seed=6, layer=name, what="weights", axes=("neuron", "synapse")
        )
    assert not np.array_equal(resumed.qnet.weights()["readout.input"], qnet.weights()["readout.input"])


def test_learning_cut_inside_an_epoch_goes_on_from_its_last_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hypr_neuro.sim.learning.learn.SAVE_SECONDS", 0.0)
    qnet = network("brf", 6, "two layers")
    data, seen = data_for(qnet, 6), []
    undisturbed = learn(qnet, data, epochs=2, rate=1.0, seed=6, parameters=("all",))

    def stop_at(number: int):
        def on_sample(done: int, total: int) -> None:
            seen.append(done)
            if len(seen) == number:
                raise Interrupted

        return on_sample

    with pytest.raises(Interrupted):
        learn(qnet, data, epochs=2, rate=1.0, seed=6, parameters=("all",), checkpoint=tmp_path, on_sample=stop_at(9))
    resumed = learn(
        qnet,
        data,
        epochs=2,
        rate=1.0,
        seed=6,
        parameters=("all",),
        checkpoint=tmp_path,
        on_sample=lambda done, total: seen.append(done),
    )
    assert seen == [1, 2, 3, 4, 5, 6, 1, 2, 3, 3, 4, 5, 6], "the ninth sample was not saved and is run again"
    assert resumed.epochs == undisturbed.epochs
    for name, weights in undisturbed.qnet.weights().items():
        assert np.array_equal(weights, resumed.qnet.weights()[name]), name


def test_a_checkpoint_whose_state_was_exchanged_is_refused(tmp_path: Path) -> None:
    qnet = network("lif", 6, "feed-forward")
    for folder, samples in (("one", 6), ("other", 5)):
        learn(qnet, data_for(qnet, 6, samples), rate=1.0, checkpoint=tmp_path / folder)
    (state,) = (tmp_path / "one").glob("*.learner.h5")
    (other,) = (tmp_path / "other").glob("*.learner.h5")
    state.write_bytes(other.read_bytes())
    with pytest.raises(FileFormatError, match="is missing or another; two runs may have shared the folder"):
        learn(qnet, data_for(qnet, 6), epochs=2, rate=1.0, checkpoint=tmp_path / "one")


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
    start = {
        "weights": network("lif", 7, "recurrent"),
        "connections": network("lif", 6, "feed-forward"),
        "profile": random_quantized("lif", 6, "ideal"),
    }.get(other, qnet)
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


@pytest.mark.parametrize("largest", [40000, 3])
def test_a_stream_of_graded_values_may_be_cut_after_a_large_one(largest: int) -> None:
    """What was sent in one call arrives in the next, and numbers above 2^15 do not fit what 32-bit kernels read."""
    profile = varied("loihi2", learning__eligibility_fraction=10, learning__eligibility_bits=20)
    qnet = random_quantized("brf", 8, profile, hidden=(5,))
    x, label, scored = labelled(8, qnet, 1, 24)
    x[0, 7, :] = largest
    x[0, 15, 0] = -largest
    options = LearnOptions(seed=8, update_on="step", update_every=6)
    slow, fast = LearningReference(qnet.copy(), options), Learner(qnet.copy(), options)
    for part in (slice(0, 8), slice(8, 9), slice(9, 24)):
        slow.stream(x[0, part], label[0, part].tolist(), scored[0, part].tolist(), RATE)
        fast.stream(x[0, part], label[0, part], scored[0, part], RATE)
        for name, weights in slow.qnet.weights().items():
            assert np.array_equal(weights, fast.qnet.weights()[name]), (name, part)
    assert slow.clips() == fast.clips()


BAD_STREAMS: dict[str, tuple[dict[str, object], str]] = {
    "fractions": ({"x": np.full((4, 3), 0.5)}, "x holds fractions"),
    "channels": ({"x": np.zeros((4, 2), int)}, r"x of shape \(4, 2\)"),
    "short labels": ({"label": np.zeros(3, int)}, r"label is int64 of shape \(3,\)"),
    "short scored": ({"scored": np.ones(2, bool)}, r"scored is bool of shape \(2,\)"),
    "unknown label": ({"label": np.array([0, 1, 9, 0])}, "labels 0 to 9"),
    "real labels": ({"label": np.zeros(4)}, "label is float64"),
    "rate as it is": ({"rate": 0.3}, "rate = 0.3, rule: an integer with 16 fraction bits"),
    "negative rate": ({"rate": -5}, "rate = -5"),
}


@pytest.mark.parametrize("case", BAD_STREAMS)
def test_a_stream_says_what_does_not_fit(case: str) -> None:
    changed, message = BAD_STREAMS[case]
    qnet = random_quantized("lif", 6, "loihi2", inputs=3)
    given = {"x": np.zeros((4, 3), int), "label": np.zeros(4, int), "scored": np.ones(4, bool), "rate": 100} | changed
    with pytest.raises(InputError, match=message):
        Learner(qnet, LearnOptions(update_on="step")).stream(**given)
