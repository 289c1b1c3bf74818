"""A small network that learns, and random samples for it."""

from __future__ import annotations

import numpy as np

from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.learning.chip_learner import LearnSample
from hypr_neuro.testing.networks import varied

PROFILE = varied("loihi2", learning__momentum_bits=24)


def learning_network(seed: int) -> QuantizedNetwork:
    layer = {"neuron": "brf", "size": 9, "recurrent": True, "bias": True}
    spec = {"inputs": 4, "outputs": 3, "dt": 1e-3, "layers": [layer], "readout": {"neuron": "li"}}
    net = Network.build(spec, seed)
    net.layers[0].weight[...] *= 8
    return quantize(net, PROFILE, calibration={"layers.0": 4.0, "readout": 4.0})


def learning_samples(count: int, seed: int, steps: int = 30) -> list[LearnSample]:
    rng = np.random.default_rng([seed, 7])
    x = rng.integers(0, 2, (count, steps, 4)).astype(np.int32)
    label, scored = rng.integers(0, 3, (count, steps)), rng.random((count, steps)) < 0.8
    return [LearnSample(x[i], label[i], scored[i], (3 << 16, 2 << 16)) for i in range(count)]
