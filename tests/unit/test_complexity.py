"""What a network keeps and does in a sample: by hand on small networks, the same however it is written or cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.placement import complexity as module
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_quantized, varied

Array = Any


def by_hand(*more: hn.Synapses) -> IntegerNetwork:
    """Two inputs, three neurons that fire at once whenever input 1 is on."""
    weights = np.array([[0, 100], [5, 100], [0, 100]])
    a = hn.Population.of("a", "lif", 3, **lif_parameters(4095, 4095, 1))
    return IntegerNetwork(2, (a,), (hn.Synapses("input", "a", weights), *more), outputs=("a",))


def test_a_network_by_hand() -> None:
    x = np.zeros((1, 6, 2), np.int64)
    x[0, 2] = 1, 1
    found = hn.complexity(by_hand(), x)
    assert found.dense_operations == 6 * 6
    assert found.effective_acs == 1 + 3
    assert found.effective_macs == 0
    assert found.connection_sparsity == pytest.approx(2 / 6)
    assert found.activation_sparsity == pytest.approx(1 - 3 / 18)
    # all in the first step; then what the input pushes, and what falls back
    assert found.membrane_updates == 3 + 3 + 3
    assert found.footprint.weights == (6 * 8 + 7) // 8
    assert found.footprint.states == 3 * 2 * 4


def test_a_bias_axon_of_its_own_is_no_connection() -> None:
    x = np.zeros((1, 6, 2), np.int64)
    x[0, 2] = 1, 1
    bias = hn.Synapses("input", "a", np.zeros((3, 2), np.int64), always_on=np.array([1, -1, 0]))
    found, alone = hn.complexity(by_hand(bias), x), hn.complexity(by_hand(), x)
    assert found.dense_operations == alone.dense_operations
    assert found.connection_sparsity == alone.connection_sparsity


def test_numbers_are_multiplied() -> None:
    x = np.zeros((1, 3, 2), np.int64)
    x[0, 1, 1] = 2
    found = hn.complexity(by_hand(), x)
    assert (found.effective_acs, found.effective_macs) == (0, 3)


def test_groups_of_weights_are_one_connection() -> None:
    whole = random_quantized("lif", 3, "loihi2", hidden=(9,))
    x = np.random.default_rng(0).integers(0, 2, (2, 30, whole.inputs))
    c = whole.connections[0]
    assert isinstance(c.mantissa, np.ndarray)
    large = np.abs(c.mantissa) > 20
    parts = (replace(c, mantissa=np.where(large, c.mantissa, 0)), replace(c, mantissa=np.where(large, 0, c.mantissa)))
    split = replace(whole, connections=(*parts, *whole.connections[1:]))
    one, two = hn.complexity(whole, x), hn.complexity(split, x)
    for name in ("connection_sparsity", "dense_operations", "effective_acs", "membrane_updates"):
        assert getattr(one, name) == getattr(two, name)


@pytest.mark.parametrize("spiking", [n for n, m in MODELS.items() if m.learns_on_chip and not m.readout])
def test_blocks_and_order_of_samples_change_nothing(spiking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    qnet = random_learning_graph(6, varied("loihi2"), spiking=(spiking,))
    x = np.random.default_rng(1).integers(0, 2, (9, 50, qnet.inputs))
    whole = hn.complexity(qnet, x)
    monkeypatch.setattr(module, "SIDE_BY_SIDE", 2)
    monkeypatch.setattr("hypr_neuro.sim.simulator.BLOCK", 7)
    assert hn.complexity(qnet, x[::-1]) == whole
    assert whole.membrane_updates <= 50 * sum(p.size for p in qnet.populations)
    assert whole.effective_acs + whole.effective_macs <= whole.dense_operations


def test_a_convolution_counts_its_kernel_once() -> None:
    kernel = np.arange(18).reshape(2, 1, 3, 3)
    ones = Taps((3, 3), (1, 1), (0, 0), (0, 0), (1, 1))
    a = hn.Population.of("a", "lif", 32, **lif_parameters(4095, 4095, 1))
    net = IntegerNetwork(36, (a,), (hn.Synapses("input", "a", Convolution(kernel, (6, 6), ones)),), outputs=("a",))
    found = hn.complexity(net, np.ones((1, 4, 36), np.int64))
    assert found.dense_operations == 4 * 2 * 9 * 16
    assert found.effective_acs == 4 * 17 * 16
    assert found.connection_sparsity == pytest.approx(1 / 18)
    assert found.footprint.weights == (18 * 6 + 7) // 8


@pytest.mark.parametrize("given", ["a", 3, None])
def test_other_things_are_refused(given: Any) -> None:
    with pytest.raises(InputError):
        hn.complexity(given, np.ones((1, 2, 2)))
    with pytest.raises(InputError):
        hn.complexity(by_hand(), given)
