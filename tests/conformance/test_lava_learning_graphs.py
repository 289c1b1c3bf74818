"""Learning under Lava of networks that are no chain of layers: all integers equal those of the simulator's learner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from convolutions import quantized_convolutional_network
from needed import needs_lava
from resonators import with_resonators

from hypr_neuro.compilers.lava.learning.network import check_learning
from hypr_neuro.compilers.lava.learning.run import LavaLearning, LavaTask, learn_all_in_lava
from hypr_neuro.errors import InputError
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.output_traces import with_output_traces
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions, as_rate
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_spikes, varied

Array = Any
SAMPLES, STEPS = 2, 18
DELAYED = varied("loihi2", learning__eligibility_alignment="delayed", learning__residual_bits=3)
LATE = varied("loihi2", time__error_latency=3)
NARROW = varied(
    "loihi2",
    learning__error_bits=12,
    learning__signal_bits=5,
    learning__eligibility_bits=14,
    learning__accumulator_bits=12,
)


def task(qnet: QuantizedNetwork, seed: int = 0, stream: bool = False, **options: Any) -> LavaTask:
    samples, steps = (1, 2 * STEPS) if stream else (SAMPLES, STEPS)
    rng = np.random.default_rng([seed, 3])
    chosen = LearnOptions(**{"rate": 3.0, "parameter_rate": 5.0, "seed": seed} | options)
    return LavaTask(
        qnet,
        random_spikes(seed, samples, steps, qnet.inputs),
        rng.integers(0, qnet.output_size, (samples, steps)),
        rng.random((samples, steps)) < 0.8,
        chosen,
        stream=stream,
    )


def tasks() -> dict[str, LavaTask]:
    everything: dict[str, Any] = {"parameters": ("all",)}
    alone = random_learning_graph(3, DELAYED)
    return {
        "delayed": task(random_learning_graph(24, DELAYED), 24, feedback="random", rule="layer", **everything),
        "late errors": task(random_learning_graph(7, LATE), 7, update_every=7, update_on="step", **everything),
        "narrow": task(random_learning_graph(30, NARROW), 30, rule="sgd", rate=500.0),
        "stream": task(random_learning_graph(36, DELAYED), 36, True, update_every=5, update_on="step", **everything),
        "one connection": task(alone, 3, layers=(alone.connection_names()[0],)),
        "convolution": task(quantized_convolutional_network(), layers=("hidden", "image -> out"), feedback="random"),
        "numbers": task(random_learning_graph(1, LATE, graded=True), 1, **everything),
        "numbers, delayed": task(random_learning_graph(5, DELAYED, graded=True), 5, feedback="random", rule="layer"),
        "aside": task(with_resonators(random_learning_graph(33, LATE)), 33),
    }


NAMES = tuple(tasks())


@pytest.fixture(scope="module")
def given() -> dict[str, LavaTask]:
    return tasks()


@pytest.fixture(scope="module")
def learned(given: dict[str, LavaTask]) -> dict[str, LavaLearning]:
    return learn_all_in_lava(given)


@needs_lava
@pytest.mark.parametrize("name", NAMES)
def test_all_integers_equal_the_learners(
    name: str, given: dict[str, LavaTask], learned: dict[str, LavaLearning]
) -> None:
    task, got = given[name], learned[name]
    learner, seen = Learner(task.qnet.copy(), task.options), []
    learner.before_update = lambda learner: seen.append({k: w.copy() for k, w in learner.qnet.weights().items()})
    rates = as_rate(task.options.rate), as_rate(task.options.parameter_rate)
    run = learner.stream if task.stream else learner.sample
    assert task.scored is not None
    readouts = [run(x, label, scored, *rates) for x, label, scored in zip(task.x, task.label, task.scored, strict=True)]
    assert np.array_equal(np.array(readouts), got.readout)
    after = [*seen[1:], learner.qnet.weights()]
    for key, weights in got.weights.items():
        assert np.array_equal(weights, np.array([w[key] for w in after])), key
    for key, weights in got.qnet.weights().items():
        assert np.array_equal(weights, learner.qnet.weights()[key]), key
    for p in got.qnet.populations:
        assert np.array_equal(p.per_neuron, learner.qnet.population(p.name).per_neuron), p.name
    assert got.clips == learner.clips()


@needs_lava
def test_what_was_compared_meets_the_edges(given: dict[str, LavaTask], learned: dict[str, LavaLearning]) -> None:
    for name, got in learned.items():
        changed = [k for k, w in got.qnet.weights().items() if not np.array_equal(w, given[name].qnet.weights()[k])]
        assert changed, f"{name}: nothing learns"
        assert set(changed) <= set(got.weights)
    assert list(learned["one connection"].weights) == [given["one connection"].options.layers[0]]
    assert list(learned["convolution"].weights) == ["image -> hidden", "image -> hidden (2)", "image -> out"]
    for what in ("eligibilities", "accumulators"):
        assert sum(n for name, n in learned["narrow"].clips.items() if name.endswith(what)) > 0, what
    networks = [given[name].qnet for name in NAMES]
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
