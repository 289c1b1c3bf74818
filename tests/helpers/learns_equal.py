"""Learning of the simulator beside its definition's, and Lava's beside the simulator's, bit for bit."""

from __future__ import annotations

import numpy as np

from hypr_neuro.compilers.lava.learning.run import LavaLearning, LavaTask
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions, as_rate
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.testing.networks import random_spikes

SAMPLES, STEPS = 3, 25
RATES = 3 << 16, 5 << 16


def assert_learns_equal(qnet: QuantizedNetwork, options: LearnOptions, seed: int) -> int:
    """Learner and definition: gradients, outputs, weights, parameters and clips of every sample; returns changes."""
    mine, theirs = qnet.copy(), qnet.copy()
    learner, reference = Learner(mine, options), LearningReference(theirs, options)
    rng = np.random.default_rng([seed, 3])
    x = random_spikes(seed, SAMPLES, STEPS, qnet.inputs).astype(np.int32)
    label, scored = rng.integers(0, qnet.output_size, (SAMPLES, STEPS)), rng.random((SAMPLES, STEPS)) < 0.8
    wanted = reference.gradients(x[0], label[0].tolist(), scored[0].tolist())
    for name, gradient in learner.gradients(x[0], label[0], scored[0]).items():
        assert np.array_equal(gradient.reshape(-1), np.array(wanted[name]).reshape(-1)), f"seed {seed}: {name}"
    for i in range(SAMPLES):
        outputs = learner.sample(x[i], label[i], scored[i], *RATES)
        assert outputs.tolist() == reference.sample(x[i], label[i].tolist(), scored[i].tolist(), *RATES), f"seed {seed}"
        for (name, a), b in zip(mine.weights().items(), theirs.weights().values(), strict=True):
            assert np.array_equal(a, b), f"seed {seed}, sample {i}: {name}"
        for p, q in zip(mine.populations, theirs.populations, strict=True):
            assert np.array_equal(p.per_neuron, q.per_neuron), f"seed {seed}, sample {i}: {p.name}"
    assert learner.clips() == {f"{k}": v for k, v in reference.clips().items()}
    return sum(int((a != b).sum()) for a, b in zip(mine.weights().values(), qnet.weights().values(), strict=True))


def assert_lava_learned_equal(task: LavaTask, got: LavaLearning) -> None:
    """Readouts, weights after every update, neuron parameters and clips of a run in Lava are the learner's."""
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
