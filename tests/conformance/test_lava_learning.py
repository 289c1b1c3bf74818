"""Learning of chains and graphs under Lava's CPU runtime: spikes and states of every step, and weights after every
update, equal the definition's and the simulator's, bit for bit."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lava_learning_tasks import INPUTS, LATE, OUTPUTS, SEED, chain_tasks, graph_tasks, network
from learns_equal import assert_lava_learned_equal
from needed import needs_lava
from resonators import with_resonators

from hypr_neuro.compilers.lava.learning.network import check_learning, schedule
from hypr_neuro.compilers.lava.learning.run import LavaLearning, LavaTask, _labels, learn_all_in_lava, learn_in_lava
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.neurons import get_model
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.output_traces import with_output_traces
from hypr_neuro.quantizing.parts import QuantizedLayer
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions, as_rate
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import assert_equal_traces, random_spikes

Array = Any


class Recorded(LearningReference):
    """The definition, keeping states and outputs of every device step and weights after every update."""

    def __init__(self, qnet: QuantizedNetwork, options: LearnOptions) -> None:
        super().__init__(qnet, options)
        self.states: list[list[Array]] = [[] for _ in qnet.layers]
        self.outputs: list[list[Array]] = [[] for _ in qnet.layers]
        self.weights: list[dict[str, Array]] = []

    def _device_step(self, *arguments: Any) -> list[int]:
        found = super()._device_step(*arguments)
        for layer, states, outputs in zip(self.layers, self.states, self.outputs, strict=True):
            # an update makes new parameters, not new states
            states.append(np.array(layer.run.states).T)
            outputs.append(np.array(layer.run.outputs))
        return found

    def _update(self, rate: int, parameter_rate: int) -> None:
        super()._update(rate, parameter_rate)
        self.weights.append({name: w.copy() for name, w in self.qnet.weights().items()})


def shown(task: LavaTask, learner: Any) -> list[Array]:
    """The task's samples through a learner, one after the other; its readouts."""
    steps = task.x.shape[1]
    rates = task.rates or [(as_rate(task.options.rate), as_rate(task.options.parameter_rate))] * len(task.x)
    scored = np.ones(task.x.shape[:2], bool) if task.scored is None else task.scored
    run = learner.stream if task.stream else learner.sample
    return [
        np.array(run(x, np.broadcast_to(label, steps), counts, *rate))
        for x, label, counts, rate in zip(task.x, task.label, scored, rates, strict=True)
    ]


@pytest.fixture(scope="module")
def given() -> dict[str, LavaTask]:
    return chain_tasks() | graph_tasks()


@pytest.fixture(scope="module")
def learned(given: dict[str, LavaTask]) -> dict[str, LavaLearning]:
    return learn_all_in_lava(given)


@pytest.fixture(scope="module")
def defined(given: dict[str, LavaTask]) -> dict[str, tuple[Recorded, list[Array]]]:
    found = {name: Recorded(given[name].qnet.copy(), given[name].options) for name in NAMES}
    return {name: (learner, shown(given[name], learner)) for name, learner in found.items()}


NAMES, GRAPHS = ("samples", "steps", "everything", "stream"), tuple(graph_tasks())


@needs_lava
@pytest.mark.parametrize("name", NAMES)
def test_spikes_states_and_weights_equal_the_definition(
    name: str,
    given: dict[str, LavaTask],
    learned: dict[str, LavaLearning],
    defined: dict[str, tuple[Recorded, list[Array]]],
) -> None:
    task, got, (wanted, readouts) = given[name], learned[name], defined[name]
    samples = len(task.x)

    def same(layer: str, what: str, expected: list[Array], found: Array) -> None:
        axes = ("device step", "state", "neuron") if expected[0].ndim == 2 else ("device step", "neuron")
        flat = found.reshape(-1, *found.shape[2:])
        assert_equal_traces(np.array(expected), flat, seed=SEED, layer=layer, what=f"{name}: {what}", axes=axes)

    for i, layer in enumerate(task.qnet.layers):
        label = task.qnet.name(i)
        same(label, "states", wanted.states[i], got.states[label])
        if not layer.model.readout:
            same(label, "spikes", wanted.outputs[i], got.spikes[label])
    assert np.array_equal(np.array(readouts), got.readout)
    assert got.readout.shape == (samples, task.x.shape[1], OUTPUTS)
    assert list(got.weights) == [key for key in task.qnet.weights() if task.options.learns(key.rsplit(".", 1)[0])]
    for key, after in got.weights.items():
        assert_equal_traces(
            np.array([w[key] for w in wanted.weights]),
            after,
            seed=SEED,
            layer=key,
            what=f"{name}: weights",
            axes=("update", "neuron", "synapse"),
        )
    for mine, theirs in zip(got.qnet.layers, wanted.qnet.layers, strict=True):
        assert np.array_equal(mine.per_neuron, theirs.per_neuron)
    assert got.clips == wanted.clips()


@needs_lava
@pytest.mark.parametrize("name", NAMES)
def test_weights_after_every_update_equal_the_simulators(
    name: str, given: dict[str, LavaTask], learned: dict[str, LavaLearning]
) -> None:
    task, got = given[name], learned[name]
    learner, seen = Learner(task.qnet.copy(), task.options), []

    def before_update(learner: Learner) -> None:
        seen.append({key: w.copy() for key, w in learner.qnet.weights().items()})

    learner.before_update = before_update
    assert np.array_equal(np.array(shown(task, learner)), got.readout)
    # before the second update stands what the first one left
    after = [*seen[1:], learner.qnet.weights()]
    for key, weights in got.weights.items():
        assert np.array_equal(weights, np.array([w[key] for w in after])), f"{name}, {key}"
    assert {k: w.tolist() for k, w in got.qnet.weights().items()} == {
        k: w.tolist() for k, w in learner.qnet.weights().items()
    }
    assert [a.per_neuron.tolist() for a in got.qnet.layers] == [a.per_neuron.tolist() for a in learner.qnet.layers]
    assert got.clips == learner.clips()


@needs_lava
def test_what_was_compared_meets_the_edges(given: dict[str, LavaTask], learned: dict[str, LavaLearning]) -> None:
    for name in NAMES:
        got = learned[name]
        assert all(0 < spikes.mean() < 1 for spikes in got.spikes.values()), f"{name}: a layer is silent"
        for key, weights in got.weights.items():
            before = np.concatenate([given[name].qnet.weights()[key][None], weights[:-1]])
            assert np.any(weights != before), f"{name}: {key} stays as it was"
    assert sum(learned[name].readout.shape[0] * 250 for name in ("samples", "steps")) == 2000
    assert [len(learned[name].weights["readout.input"]) for name in NAMES] == [4, 25, 2 * 95 // 9, 200 // 17]
    narrow = learned["everything"].clips
    for what in (
        "layers.1 Jacobians",
        "layers.0 eligibilities",
        "layers.0 accumulators",
        "readout accumulators",
    ):
        assert narrow[what] > 0, what
    moved = {
        name: [
            int(np.count_nonzero(a.per_neuron != b.per_neuron))
            for a, b in zip(given[name].qnet.layers, learned[name].qnet.layers, strict=True)
        ]
        for name in NAMES
    }
    assert all(moved["everything"])
    assert moved["stream"][0] > 0
    assert moved["samples"] == moved["steps"] == [*moved["stream"][1:], 0] == [0, 0, 0]


OWN_PROGRAM = """
import sys
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.source import RingBuffer
from hypr_neuro.compilers.lava.learning.network import learning_network
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions

qnet, x = QuantizedNetwork.load("network.h5"), np.load("x.npy")
built = learning_network(qnet, LearnOptions(), [[1 << 17, 0]], len(x))
steps = len(x) + qnet.tail
label = np.zeros((2, steps), np.int32)
label[1, qnet.tail:] = 1
source, labels = RingBuffer(data=np.pad(x, ((0, qnet.tail), (0, 0))).T), RingBuffer(data=label)
source.s_out.connect(built.s_in)
labels.s_out.connect(built.label_in)
source.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
np.savez("out.npz", **{name: synapses.weights.get() for name, synapses in built.synapses.items()})
source.stop()
"""
"""As a user would put the processes into a program: Lava chooses their models itself."""


@needs_lava
def test_processes_learn_in_a_program_of_ones_own(tmp_path: Path) -> None:
    qnet, x = network(("brf",)), random_spikes(SEED, 1, 60, INPUTS)[0]
    qnet.save(tmp_path / "network.h5")
    np.save(tmp_path / "x.npy", x.astype(np.int32))
    done = subprocess.run(
        [sys.executable, "-c", OWN_PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    learner = Learner(qnet.copy(), LearnOptions())
    learner.sample(x, np.zeros(60, np.int64), np.ones(60, bool), 1 << 17)
    assert np.any(learner.qnet.weights()["layers.0.input"] != qnet.weights()["layers.0.input"])
    with np.load(tmp_path / "out.npz") as out:
        for key, weights in learner.qnet.weights().items():
            assert np.array_equal(out[key], weights), key


def test_schedule_counts_updates_and_windows() -> None:
    plan = check_learning(network(("brf",)), LearnOptions(update_every=2))
    by_sample = schedule(plan, 0, 10, stream=False)
    assert by_sample.period == 12
    assert [t for t in range(48) if by_sample.updates(t)] == [23, 47]
    assert [t for t in range(24) if by_sample.learns(t)] == [*range(1, 11), *range(13, 23)]
    by_step = replace(by_sample, on="step", every=5, period=0)
    assert [t for t in range(20) if by_step.updates(t)] == [4, 9, 14, 19]
    assert [t for t in range(5) if by_step.learns(t)] == [1, 2, 3, 4]
    assert [by_step.sample(t) for t in (0, 99)] == [0, 0]
    # a stream has no end
    endless = schedule(check_learning(network(("brf",)), LearnOptions(update_on="step")), 0, 10, stream=True)
    assert [endless.learns(t) for t in (0, 1, 11, 10**9)] == [False, True, True, True]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two streams": ({"stream": True, "options": LearnOptions(update_on="step")}, "stream of 2 samples, rule: one"),
    "updates": ({"stream": True, "x": np.ones((1, 5, 4), int), "label": np.zeros(1, int)}, "update_on = 'sample' with"),
    "rates": ({"rates": [(1, 1)]}, r"rates of shape \(1, 2\) and int64, rule: \(2, 2\), integers from 0"),
    "rate": ({"rates": [(1, 1), ((2048 << 16) + 1, 1)]}, r"rate = 134217729, rule: an integer .* 0 to 134217728"),
    "parameter rate": ({"rates": [(1, 1), (1, -1)]}, r"parameter_rate = -1, rule: an integer with 16 fraction bits"),
    "real rates": ({"rates": [(1.0, 1.0)] * 2}, r"rate = 1\.0, rule: an integer with 16 fraction bits"),
    "labels": ({"label": np.array([0, 3])}, r"labels 3 to 3, rule: 0 to 2 where scored"),
    "real labels": ({"label": np.array([0.0, 1.0])}, r"label is float64 of shape \(5,\), rule: one integer a step"),
    "scores": ({"scored": np.ones((2, 5), int)}, r"scored is int64 of shape \(5,\), rule: one truth value a step"),
    "label": ({"label": np.array([0])}, r"label of shape \(1,\), rule: \(2,\) or \(2, 5\)"),
    "scored": ({"scored": np.ones(5, bool)}, r"scored of shape \(5,\), rule: \(2, 5\)"),
    "options": ({"options": LearnOptions(layers=("top",))}, r"unknown layer 'top'.*, known: layers\.0"),
    "input": ({"x": np.full((2, 5, 4), 1 << 26)}, r"layers\.0: inputs up to 67108864 can sum to 2\^31"),
}
"""What differs from a task that runs, what the error says."""


@pytest.mark.parametrize("what", REFUSED)
def test_tasks_that_cannot_run_are_refused(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypr_neuro.compilers.lava.learning.run.require_lava", lambda: None)
    different, message = REFUSED[what]
    fine = LavaTask(network(("brf",)), np.ones((2, 5, 4), int), np.array([0, 1]))
    with pytest.raises(InputError, match=message):
        learn_all_in_lava({"task": replace(fine, **different)})


def test_labels_that_do_not_count_may_be_any_number() -> None:
    """As in the simulator: a dataset marks steps without a label by -1, say."""
    label, scored = np.array([[0, -1, 2, 99, 1]]), np.array([[True, False, True, False, True]])
    task = LavaTask(network(("brf",)), np.ones((1, 5, 4), int), label, scored)
    given = _labels(task, check_learning(task.qnet, task.options), 7)
    assert given[0, task.qnet.tail :].tolist() == [[0, 1], [0, 0], [2, 1], [0, 0], [1, 1]][: 7 - task.qnet.tail]
    assert not given[0, : task.qnet.tail].any()


@pytest.mark.parametrize("noise", [(), (0, 0)])
def test_options_reach_the_child_process_as_they_are(noise: tuple[int, ...]) -> None:
    options = LearnOptions(layers=("layers.0",), parameters=("layers.0.omega",), noise=noise, update_every=3)
    told = LearnOptions.from_described(json.loads(json.dumps(options.described())))
    assert told == options
    check_learning(network(("brf",)), told)


def test_inputs_that_larger_weights_could_not_take_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypr_neuro.compilers.lava.learning.run.require_lava", lambda: None)
    qnet = network(("brf",))
    qnet.layers[0].input.mantissa[...] = 1
    largest = check_learning(qnet, LearnOptions()).largest_input
    with pytest.raises(InputError, match=rf"magnitudes up to {largest + 1}, rule: at most {largest}, as learning may"):
        learn_in_lava(qnet, np.full((1, 5, 4), largest + 1), np.array([0]))


def test_networks_that_cannot_learn_in_lava_are_refused() -> None:
    with pytest.raises(InputError, match=r"profile 'ideal': time\.connection_delay = 0, rule for Lava: 1 .*loihi2"):
        check_learning(replace(network(("brf",)), profile=load_profile("ideal")), LearnOptions())
    qnet = network(("brf",))
    qnet = qnet.with_layers({0: of_model(qnet.layers[0], "lif_refractory")})
    with pytest.raises(InputError, match=r"layers\.0: neuron 'lif_refractory' has no integer Jacobian"):
        check_learning(qnet, LearnOptions())
    with pytest.raises(InputError, match=r"noise = \(3, 0\), but Lava adds none"):
        check_learning(network(("brf",)), LearnOptions(noise=(3, 0)))


def of_model(layer: QuantizedLayer, name: str) -> QuantizedLayer:
    model = get_model(name)
    per_neuron = np.ones((len(model.fixed_per_neuron), layer.size), np.int64)
    return replace(layer, model=model, per_neuron=per_neuron, constants=np.ones(len(model.fixed_constants), np.int64))


@needs_lava
def test_a_run_that_takes_too_long_is_reported() -> None:
    with pytest.raises(HyprError, match=r"Lava: not done after 0\.01 s"):
        learn_in_lava(network(("brf",)), np.ones((1, 5, 4), int), np.array([0]), timeout=0.01)


# --- graphs


@needs_lava
@pytest.mark.parametrize("name", GRAPHS)
def test_all_integers_equal_the_learners(
    name: str, given: dict[str, LavaTask], learned: dict[str, LavaLearning]
) -> None:
    assert_lava_learned_equal(given[name], learned[name])


@needs_lava
def test_graphs_that_were_compared_meet_the_edges(given: dict[str, LavaTask], learned: dict[str, LavaLearning]) -> None:
    for name in GRAPHS:
        got = learned[name]
        changed = [k for k, w in got.qnet.weights().items() if not np.array_equal(w, given[name].qnet.weights()[k])]
        assert changed, f"{name}: nothing learns"
        assert set(changed) <= set(got.weights)
    assert list(learned["one connection"].weights) == [given["one connection"].options.layers[0]]
    assert list(learned["convolution"].weights) == ["image -> hidden", "image -> hidden (2)", "image -> out"]
    for what in ("eligibilities", "accumulators"):
        assert sum(n for name, n in learned["narrow"].clips.items() if name.endswith(what)) > 0, what
    networks = [given[name].qnet for name in GRAPHS]
    assert {with_output_traces(q) is q for q in networks} == {True, False}
    assert any(len(q.outputs) > 1 for q in networks)
    assert any(c.bias_axon and c.columns == 1 for q in networks for c in q.connections)
    assert any(not c.dense for q in networks for c in q.connections)
    numbers = [(q, c) for q in networks for c in q.connections if c.message_shift is not None]
    assert {"li", "cuba_li"} == {q.population(c.source).model.name for q, c in numbers}
    assert any(not q.clock.forward(c.source, c.target) for q, c in numbers)
    assert any(c.largest_delay > 1 for q in networks for c in q.connections)
    assert any(not q.clock.forward(c.source, c.target) for q in networks for c in q.connections)


@needs_lava
def test_states_and_spikes_of_a_run_are_the_simulators(
    given: dict[str, LavaTask], learned: dict[str, LavaLearning]
) -> None:
    """Of the first sample, in which no weight has changed yet; of resonators too, which only run."""
    for name in ("aside", "convolution"):
        qnet = with_output_traces(given[name].qnet)
        tail = learned[name].readout.shape[1]
        record = ["spikes", *{s for p in qnet.populations for s in p.model.state_names}]
        trace = simulate(qnet, given[name].x[:1], record)
        for population, spikes in learned[name].spikes.items():
            assert np.array_equal(spikes[0, :tail], trace.spikes[population][:tail, 0]), population
        for population, states in learned[name].states.items():
            for j, state in enumerate(qnet.population(population).model.state_names):
                assert np.array_equal(states[0, :tail, j], trace.states[population][state][:tail, 0]), population
        assert any(spikes.any() for spikes in learned[name].spikes.values())
    assert learned["aside"].spikes["aside"].any()


def test_a_population_apart_from_the_input_is_refused() -> None:
    qnet = with_resonators(random_learning_graph(3, LATE))
    apart = replace(qnet, connections=qnet.connections[:-2], outputs=qnet.outputs)
    with pytest.raises(InputError, match="population 'aside': no connections lead from it to the input"):
        check_learning(apart, LearnOptions())
