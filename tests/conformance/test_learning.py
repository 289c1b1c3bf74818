"""Learning in integers: the kernels equal the definition, bit for bit, whatever the block size."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_cases import CASES, DELAYED, PARAMETER_RATE, RATE, Case, labelled, network
from model_records import record_of

from hypr_neuro.errors import InputError, WidthError
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import dequantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning import learner as learner_module
from hypr_neuro.sim.learning.learn import Learner, LearnOptions
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.sim.learning.state import restore_learner, save_learner
from hypr_neuro.testing.networks import (
    assert_equal_traces,
    integer_models,
    random_network,
    random_quantized,
    varied,
)
from hypr_neuro.train.gradients import gradients


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
