"""Small float networks that tests of graphs share."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

import hypr_neuro as hn
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.testing.networks import spiking_models

Array = Any


SPIKING = sorted(spiking_models())


def small_net(neuron: str, seed: int = 0, bias: bool = False) -> hn.Network:
    spec = {"inputs": 4, "outputs": 3, "layers": [{"neuron": neuron, "size": 7, "bias": bias}]}
    net = hn.Network.build(spec, seed=seed)
    for layer in net.layers[:-1]:
        layer.weight *= 40.0  # every model fires
    return net


def spikes(seed: int, samples: int = 5, steps: int = 40, channels: int = 4) -> Array:
    return (np.random.default_rng(seed).random((samples, steps, channels)) < 0.3).astype(np.int8)


def lif(name: str, n: int, **params: float) -> FloatPopulation:
    return FloatPopulation(name, get_model("lif"), {"du": 1.0, "dv": 1.0, "vth": 0.5} | params, shape=(n,))


def random_graph(seed: int, sparse: bool = True) -> Network:
    """Three populations with a skip, a loop over two of them, delays and biases."""
    rng = np.random.default_rng(seed)

    def weights(post: int, pre: int, scale: float = 0.4) -> Array:
        found = rng.normal(0, scale, (post, pre)) * (rng.random((post, pre)) < 0.7)
        return csr_array(found) if sparse and rng.random() < 0.5 else found

    a = {"du": 0.6, "dv": 0.2, "vth": 1.0}
    populations = (
        FloatPopulation("a", get_model("lif"), {k: np.full(6, v) for k, v in a.items()}, {0: rng.normal(0, 0.1, 6)}),
        FloatPopulation("b", get_model("alif"), {"tau_u": np.full(5, 8.0)}, {2: rng.normal(0, 0.2, 5)}),
        FloatPopulation("c", get_model("lif"), {k: np.full(3, v) for k, v in a.items()}),
    )
    synapses = (
        FloatSynapses("input", "a", weights(6, 4)),
        FloatSynapses("a", "a", weights(6, 6)),
        FloatSynapses("a", "b", weights(5, 6, 3.0)),
        FloatSynapses("input", "b", weights(5, 4, 3.0), delay=2),
        FloatSynapses("b", "c", weights(3, 5)),
        FloatSynapses("input", "c", weights(3, 4)),
    )
    return Network(4, populations, synapses, 1e-3, ("c",), notes={"from": "a test"})
