"""Bounds of what learning keeps hold along the definition's own run, whatever the data."""

from __future__ import annotations

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.bounds.learning import learning_bounds
from hypr_neuro.sim.learning.options import as_rate
from hypr_neuro.sim.learning.reference import LearningReference

pytestmark = pytest.mark.once

STEPS = 24


@pytest.mark.parametrize("neuron", ["lif", "alif", "brf", "rf_threshold"])
def test_eligibilities_and_gradients_stay_inside(neuron: str) -> None:
    spec = {"inputs": 5, "outputs": 3, "layers": [{"neuron": neuron, "size": 4, "recurrent": True}]}
    qnet = hn.quantize(hn.Network.build(spec, seed=2), "loihi2", calibration={"layers.0": 3.0, "readout": 4.0})
    options = hn.LearnOptions(update_every=1)
    rows, notes = learning_bounds(qnet, options, (0, 1), STEPS + 4)
    assert rows
    assert not notes
    known = {(b.population, b.quantity): b for b in rows}
    learner = LearningReference(qnet.copy(), options)
    rng = np.random.default_rng(1)
    for rate in (0.1, 0.5, 1.0):
        x, label = (rng.random((STEPS, 5)) < rate).astype(np.int64), [int(rng.integers(3))] * STEPS
        learner.sample(x, label, [True] * STEPS, as_rate(0.2))
        for layer in learner.layers:
            for c in layer.incoming:
                if not c.learns:
                    continue
                bound = known[c.name, "eligibility"]
                values = np.array([row[c.first : c.first + c.synapses] for row in layer.eligibility], dtype=np.int64)
                if bound.low is not None and bound.verdict == "cannot overflow":
                    assert bound.low <= values.min(), (c.name, bound)
                    assert values.max() <= bound.high, (c.name, bound)
                if known[c.name, "gradient"].verdict == "cannot overflow":
                    assert not layer.clips["accumulators"]
            if all(b.verdict == "cannot overflow" for b in rows if b.quantity in ("eligibility", "effect")):
                assert not layer.clips["eligibilities"]


def test_a_gradient_needs_the_steps_that_it_adds_up() -> None:
    net = hn.Network.build({"inputs": 4, "outputs": 2, "layers": [{"neuron": "lif", "size": 3}]}, seed=0)
    qnet = hn.quantize(net, "loihi2", calibration={"layers.0": 3.0, "readout": 4.0})
    without, notes = learning_bounds(qnet, hn.LearnOptions(), (0, 1), None)
    assert not [b for b in without if b.quantity == "gradient"]
    assert [n for n in notes if "gradient: 31 bits hold any" in n]
    few, many = (
        [b for b in learning_bounds(qnet, hn.LearnOptions(), (0, 1), steps)[0] if b.quantity == "gradient"]
        for steps in (10, 10_000_000)
    )
    assert all(b.verdict == "cannot overflow" for b in few)
    assert all(b.verdict == "not proved" for b in many)
    assert [a.proved < b.proved for a, b in zip(few, many, strict=True)]


def test_neuron_parameters_that_learn_are_said_to_be_open() -> None:
    net = hn.Network.build({"inputs": 4, "outputs": 2, "layers": [{"neuron": "brf", "size": 3}]}, seed=0)
    qnet = hn.quantize(net, "loihi2", calibration={"layers.0": 3.0, "readout": 4.0})
    rows, notes = learning_bounds(qnet, hn.LearnOptions(parameters=("layers.0.omega",)), (0, 1), 10)
    assert any(n.startswith("layers.0: omega learn, so decays have no ends") for n in notes)
    assert {b.population.split(".")[0] for b in rows} == {"readout"}
