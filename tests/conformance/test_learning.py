"""Learning in integers: the kernels equal the definition, bit for bit, whatever the block size."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from hypr_neuro.data import SequenceData
from hypr_neuro.errors import FileFormatError, WidthError
from hypr_neuro.neurons import MODELS
from hypr_neuro.quantize import QuantizedNetwork
from hypr_neuro.sim import learn as learn_module
from hypr_neuro.sim.learn import LearnEpoch, Learner, LearnOptions, learn
from hypr_neuro.sim.learning_reference import LearningReference
from hypr_neuro.testing import assert_equal_traces, random_quantized, random_spikes, spiking_models

STEPS, RATE = 40, 60000
HIDDEN = [(5,), (4, 3)]
PROFILES = ["ideal", "loihi2"]


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
    changed = [int((weights != qnet.weights()[name]).sum()) for name, weights in fast.qnet.weights().items()]
    assert all(changed), f"seed {seed}: nothing was learned somewhere: {changed}"
    return fast


@pytest.mark.parametrize(
    ("model", "hidden", "profile", "recurrent", "bias"),
    [
        (m, h, p, *variant)
        for m, (h, p) in itertools.product(spiking_models(), itertools.product(HIDDEN, PROFILES))
        for variant in ((True, True), (False, False))
    ],
)
def test_learning_equals_its_definition(
    model: str, hidden: tuple[int, ...], profile: str, recurrent: bool, bias: bool
) -> None:
    seed = 11
    qnet = random_quantized(model, seed, profile, hidden=hidden, recurrent=recurrent, bias=bias)
    assert_learns_as_defined(qnet, seed, LearnOptions(seed=seed))
