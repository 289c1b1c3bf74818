"""`lif_reset` against the formulas of other libraries, and against `lif` where both are the same neuron."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.neurons.lif_reset import NO_FLOOR

STEPS, N = 200, 7


def run(drive: np.ndarray, **params: float) -> tuple[np.ndarray, np.ndarray]:
    """Spikes and v (T, N) of unconnected neurons in float64."""
    values = {"du": 1.0, "dv": 0.1, "vth": 1.0, "bias": 0.0, "floor": NO_FLOOR} | params
    neurons = FloatPopulation("n", MODELS["lif_reset"], {k: np.full(N, v) for k, v in values.items()})
    net = hn.Network(N, (neurons,), (FloatSynapses(INPUT, "n", np.eye(N)),), 1e-3, ("n",))
    trace = hn.float_trace(net, drive[None], ["spikes", "v"], dtype=np.float64)
    return trace.spikes["n"][:, 0], trace.states["n"]["v"][:, 0]


def snntorch_leaky(drive: np.ndarray, beta: float, threshold: float, mechanism: str) -> tuple[np.ndarray, np.ndarray]:
    """Run snnTorch's Leaky with reset_delay=True: the reset follows from the membrane of the step before."""
    mem, spikes, mems = np.zeros(N), [], []
    for current in drive:
        reset = (mem - threshold > 0).astype(float)
        base = beta * mem + current
        mem = base - reset * threshold if mechanism == "subtract" else base * (1 - reset)
        spikes.append((mem - threshold > 0).astype(float))
        mems.append(mem)
    return np.array(spikes), np.array(mems)


def sinabs_lif(drive: np.ndarray, alpha: float, threshold: float, lowest: float) -> tuple[np.ndarray, np.ndarray]:
    """Run Sinabs' LIF with single spikes: floor, spike, then the threshold is taken off what decays next."""
    v, spikes, membranes = np.zeros(N), [], []
    for current in drive:
        v = np.maximum(alpha * v + current, lowest)
        z = (v > threshold).astype(float)
        spikes.append(z)
        membranes.append(v)
        v = v - threshold * z
    return np.array(spikes), np.array(membranes)


def drive(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.15, 0.5, (STEPS, N))


@pytest.mark.parametrize("mechanism", ["subtract", "zero"])
def test_a_delayed_reset_is_that_of_snntorch(mechanism: str) -> None:
    x = drive(1)
    spikes, v = run(x, dv=0.1, subtract=float(mechanism == "subtract"), delayed=1.0)
    wanted, membrane = snntorch_leaky(x, 0.9, 1.0, mechanism)
    assert wanted.sum() > 40
    assert np.array_equal(spikes, wanted)
    np.testing.assert_allclose(v, membrane, rtol=0, atol=1e-12)


def test_a_floor_is_that_of_sinabs() -> None:
    x = drive(2) - 0.1
    spikes, v = run(x, dv=0.1, subtract=1.0, delayed=0.0, floor=-0.5)
    wanted, membrane = sinabs_lif(x, 0.9, 1.0, -0.5)
    assert wanted.sum() > 20
    assert (membrane == -0.5).sum() > 100
    assert np.array_equal(spikes, wanted)
    np.testing.assert_allclose(v, membrane, rtol=0, atol=1e-12)


@pytest.mark.parametrize("subtract", [0, 1])
def test_at_once_without_a_floor_it_is_lif(subtract: int) -> None:
    """Integers of 24 bits, bit for bit, and floats."""
    rng = np.random.default_rng(3)
    values = lif_parameters(300, 500, 60, 10 << 6, overflow="hardware", subtract=bool(subtract))
    both: dict[str, Any] = {
        "lif": values,
        "lif_reset": {k: v for k, v in values.items() if k not in ("lava", "k", "scale_log2")}
        | {"floor": -(1 << 23) + 1, "delayed": 0, "k": 15, "scale_log2": 6, "up": 6, "bits": 24},
    }
    x, weights, runs = rng.integers(0, 2, (1, STEPS, 5)), rng.integers(-90, 120, (N, 5)), {}
    for name, integers in both.items():
        population = Population.of("n", name, N, **integers)
        network = IntegerNetwork(5, (population,), (Synapses(INPUT, "n", weights, 0),))
        trace = hn.simulate(network, x, ["spikes", "u", "v"])
        runs[name] = [trace.spikes["n"], trace.states["n"]["u"], trace.states["n"]["v"]]
    assert runs["lif"][0].sum() > 100
    for a, b in zip(*runs.values(), strict=True):
        assert np.array_equal(a, b)


def test_integers_follow_each_rule_of_reset() -> None:
    """Quantized for 24 bits: spikes of the float neuron, but for few at the threshold."""
    for subtract in (0.0, 1.0):
        for delayed in (0.0, 1.0):
            values = {"du": 1.0, "dv": 0.1, "vth": 1.0, "bias": 0.05, "floor": -0.25}
            params = {k: np.full(N, v) for k, v in (values | {"subtract": subtract, "delayed": delayed}).items()}
            neurons = FloatPopulation("n", MODELS["lif_reset"], params)
            weights = np.random.default_rng(4).normal(0.1, 0.5, (N, 5))
            net = hn.Network(5, (neurons,), (FloatSynapses(INPUT, "n", weights),), 1e-3, ("n",))
            x = (np.random.default_rng(5).random((1, STEPS, 5)) < 0.3).astype(np.int64)
            qnet = hn.quantize(net, "ideal", calibration=x)
            found, wanted = hn.simulate(qnet, x, ["spikes", "v"]), hn.float_trace(net, x, ["spikes", "v"])
            scale = qnet.population("n").state_scale
            assert abs(found.states["n"]["v"].min() / scale + 0.25) < 1e-3
            assert wanted.spikes["n"].sum() > 100
            assert np.mean(found.spikes["n"] != wanted.spikes["n"]) < 0.01, (subtract, delayed)
