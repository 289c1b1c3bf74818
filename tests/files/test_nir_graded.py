"""NIR files of networks in which populations whose output is a number feed others."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.testing.graphs import random_graph
from hypr_neuro.testing.networks import random_spikes, spiking_models

MODELS = ["lif", "lif_reset"]
"""Neurons that a standard node says exactly."""


@pytest.mark.parametrize("seed", range(6))
def test_a_network_comes_back_as_it_was(seed: int, tmp_path: Path) -> None:
    net = random_graph(seed, spiking=MODELS if seed % 2 else spiking_models(), graded=True)
    sends = [c for c in net.connections if c.source != "input" and net.population(c.source).model.readout]
    assert sends
    x = random_spikes(seed, 2, 30, net.inputs)
    hn.write_nir(net, tmp_path / "net.nir")
    net.save(tmp_path / "net.h5")
    for back in (hn.load(tmp_path / "net.nir"), hn.Network.load(tmp_path / "net.h5")):
        assert back.digest() == net.digest()
        assert np.array_equal(hn.run_float(back, x).readout, hn.run_float(net, x).readout)


def test_standard_nodes_between_spiking_ones_send_their_values() -> None:
    """LI, CubaLI and I between two layers of LIF, against forward Euler written out."""
    rng, dt, steps = np.random.default_rng(3), 1e-3, 50
    weights = rng.normal(0.5, 1.0, (5, 4)), rng.normal(0.0, 2.0, (3, 5)), rng.normal(1.0, 1.0, (2, 3)) * 40.0
    tau, tau_syn = 8e-3, 4e-3
    integrators = {
        "LI": nir.LI(np.full(3, tau), np.ones(3), np.zeros(3)),
        "CubaLI": nir.CubaLI(np.full(3, tau_syn), np.full(3, tau), np.ones(3), np.zeros(3)),
        "I": nir.I(np.full(3, 20.0)),
    }

    def lif(n: int) -> nir.LIF:
        return nir.LIF(np.full(n, 5e-3), np.ones(n), np.zeros(n), np.full(n, 0.3), np.zeros(n))

    x = random_spikes(3, 1, steps, 4, rate=0.5)
    for kind, node in integrators.items():
        parts = (nir.Linear(weights[0]), lif(5), nir.Linear(weights[1]), node, nir.Linear(weights[2]), lif(2))
        net = hn.import_nir(nir.NIRGraph.from_list(*parts), dt=dt, reset="zero").graph
        run = hn.run_float(net, x, record=("spikes",))
        v, u, i, w = np.zeros(5), np.zeros(3), np.zeros(3), np.zeros(2)
        spikes = []
        for t in range(steps):
            v += dt / 5e-3 * (weights[0] @ x[0, t] - v)
            z = v > 0.3
            v[z] = 0.0
            current = weights[1] @ z
            if kind == "CubaLI":
                i += dt / tau_syn * (current - i)
                current = i
            u += dt * 20.0 * current if kind == "I" else dt / tau * (current - u)
            w += dt / 5e-3 * (weights[2] @ u - w)
            spikes.append(w > 0.3)
            w[w > 0.3] = 0.0
        assert 3 < np.sum(spikes) < 2 * steps
        assert np.array_equal(run.readout[0], np.array(spikes, float)), kind
