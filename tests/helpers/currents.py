"""Float networks of neurons with several input currents."""

from __future__ import annotations

import numpy as np

from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model

INPUTS, N, OUTPUTS = 6, 12, 2


def network(model: str, seed: int = 0, n: int = N) -> Network:
    """Every current hears something, one of them the neurons' own spikes; each has a constant current."""
    rng = np.random.default_rng([seed, 40])
    params = {"period": rng.uniform(6, 24, n), "alpha": rng.uniform(0.01, 0.1, n)}
    neurons = FloatPopulation("a", get_model(model), params, {0: rng.normal(0, 0.02, (2, n))})
    out = FloatPopulation("out", get_model("li"), {"tau": np.full(OUTPUTS, 10.0)})
    connections = (
        FloatSynapses(INPUT, "a", rng.normal(0, 0.7, (n, INPUTS))),
        FloatSynapses(INPUT, "a", rng.normal(0, 0.7, (n, INPUTS)), delay=1, current=1),
        FloatSynapses("a", "a", rng.normal(0, 0.2, (n, n)), current=1),
        FloatSynapses("a", "out", rng.normal(0, 0.5, (OUTPUTS, n))),
    )
    return Network(INPUTS, (neurons, out), connections, 1e-3, ("out",))
