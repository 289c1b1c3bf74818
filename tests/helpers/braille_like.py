"""A small NIR graph with the nodes of the NIR paper's recurrent Braille network."""

from __future__ import annotations

import nir
import numpy as np


def braille_like(inputs: int, hidden: int, outputs: int, seed: int = 0) -> nir.NIRGraph:
    """Weights of two layers of CubaLIF neurons, the first one recurrent."""
    rng = np.random.default_rng(seed)

    def weights(rows: int, columns: int) -> nir.Affine:
        return nir.Affine(weight=rng.normal(size=(rows, columns)), bias=np.zeros(rows))

    def neurons(n: int) -> nir.CubaLIF:
        full = dict.fromkeys(("tau_syn", "tau_mem"), np.full(n, 1e-3))
        ones = dict.fromkeys(("r", "v_threshold", "w_in"), np.ones(n))
        return nir.CubaLIF(**full, **ones, v_leak=np.zeros(n), v_reset=np.zeros(n))

    nodes = {
        "input": nir.Input(input_type={"input": np.array([inputs])}),
        "fc1": weights(hidden, inputs),
        "lif1.lif": neurons(hidden),
        "lif1.w_rec": weights(hidden, hidden),
        "fc2": weights(outputs, hidden),
        "lif2": neurons(outputs),
        "output": nir.Output(output_type={"output": np.array([outputs])}),
    }
    edges = [("input", "fc1"), ("fc1", "lif1.lif"), ("lif1.lif", "lif1.w_rec"), ("lif1.w_rec", "lif1.lif")]
    return nir.NIRGraph(nodes=nodes, edges=[*edges, ("lif1.lif", "fc2"), ("fc2", "lif2"), ("lif2", "output")])
