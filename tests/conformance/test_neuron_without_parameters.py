"""A neuron without float parameters and without integers of its own: every executor computes the same of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needed import needs_gcc

from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.c.build import SANITIZERS, build, run, traces
from hypr_neuro.graph.integer import as_integer
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.base import PSI_ENTRIES, FixedParams, NeuronModel, StateVar
from hypr_neuro.neurons.scaling import input_shift, psi_table
from hypr_neuro.numbers.fixed_point import sat, shift, shr_floor
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.surrogates import slayer
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.run.forward import readout
from hypr_neuro.run.graph_forward import run_graph
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.testing.integer import assert_same_run, run_of_reference
from hypr_neuro.testing.networks import assert_equal_traces, random_network, random_spikes
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.reference import reference_gradients

SEED, STEPS = 5, 30


@jitable
def float_step(s, z_prev, I, p):
    v = 0.5 * s[0] * (1.0 - z_prev) + I[0]
    return (v,), 1.0 if v > 1.0 else 0.0


@jitable
def float_psi_arg(s_prev, s, p):
    return s[0] - 1.0


@jitable
def float_jacobian(s_prev, s, z_prev, I, p, psi):
    return ((0.5 * (1.0 - z_prev),),), (1.0,), (psi,), (0.0,), (), ()


@jitable
def float_spike_jacobian(s_prev, s, z_prev, I, p, psi):
    return (-0.5 * s_prev[0],)


@jitable
def fixed_step(s, z_prev, I, p):
    _, f, i_shift, bits = p
    full = shr_floor(s[0] * (1 - z_prev), 1) + shift(I[0], i_shift)
    v = sat(full, bits)
    return (v,), 1 if v > shift(1, f) else 0, 1 if v != full else 0


@jitable
def psi_index(s_prev, s, p):
    return min(max(shift(s[0] - shift(1, p[1]), 7 - p[1]) + 256, 0), 511)


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    half = shift(1, p[0] - 1)
    return ((half * (1 - z_prev),),), (2 * half,), (psi,), (0,), (), (), (0,)


def to_fixed(params, fmt):
    k, f = fmt.coefficient_fraction, fmt.state_fraction()
    i_shift = input_shift(1.0, f, fmt)
    x = (np.arange(PSI_ENTRIES) - 256 + 0.5) / 128
    table = psi_table(slayer, x, np.ones_like(x), fmt)
    return FixedParams(
        {}, {"k": k, "f": f, "i_shift": i_shift, "bits": fmt.state_bits}, 2.0**f, 2.0 ** (f - i_shift), table
    )


BARE = NeuronModel(
    name="bare",
    states=(StateVar("v", "saturate"),),
    source="made up",
    surrogate="slayer",
    float_step=float_step,
    float_psi_arg=float_psi_arg,
    float_jacobian=float_jacobian,
    float_spike_jacobian=float_spike_jacobian,
    fixed_constants=("k", "f", "i_shift", "bits"),
    events=("v saturated",),
    fixed_step=fixed_step,
    psi_index=psi_index,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
)


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Network:
    """Two hidden layers of this neuron, both recurrent."""
    monkeypatch.setitem(MODELS, "bare", BARE)
    net = random_network("lif", SEED, hidden=(4, 3))
    hidden = [
        Layer(BARE, 3 * np.abs(layer.weight), layer.recurrent, np.full(layer.size, 0.1), {}, ())
        for layer in net.layers[:-1]
    ]
    return Network.from_layers([*hidden, net.layers[-1]], net.dt, notes=net.notes)


def quantized(net: Network) -> tuple[QuantizedNetwork, Any]:
    x = random_spikes(SEED, 3, STEPS, net.inputs)
    return quantize(net, "loihi2", calibration=x), x.astype(np.int64)


def test_float_networks_run_and_train(net: Network, tmp_path: Path) -> None:
    x, y = random_spikes(SEED, 2, STEPS, net.inputs), np.array([0, 1])
    outputs = readout(net, x)
    got, wanted = gradients(net, x, y)[0], reference_gradients(net, x, y)[0]
    for name, value in got.items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-9, atol=1e-12)
        assert np.any(value)
    assert all(np.any(value) for value in gradients(net, x, y, rule="bptt")[0].values())
    net.save(tmp_path / "net.npz")
    assert np.array_equal(readout(Network.load(tmp_path / "net.npz"), x), outputs)
    graph = net
    assert run_graph(graph, x)
    assert quantize_graph(graph, "loihi2", calibration=x).integer().populations[0].per_neuron.shape == (0, 4)


def test_simulator_equals_reference(net: Network, tmp_path: Path) -> None:
    qnet, x = quantized(net)
    assert qnet.layers[0].per_neuron.shape == (0, 4)
    trace, wanted = simulate(qnet, x, ["spikes", "v"]), simulate_reference(qnet, x)
    for i in range(2):
        assert_equal_traces(
            wanted[i]["states"][:, 0], trace.states[qnet.name(i)]["v"], seed=SEED, layer=f"{i}", what="v"
        )
        assert trace.spikes[qnet.name(i)].any()
    qnet.save(tmp_path / "q.npz")
    again = QuantizedNetwork.load(tmp_path / "q.npz")
    assert np.array_equal(simulate(again, x, ["v"]).states["layers.1"]["v"], trace.states["layers.1"]["v"])


def test_learning_equals_its_definition(net: Network) -> None:
    qnet, x = quantized(net)
    options = LearnOptions(rate=4.0)
    slow, fast = LearningReference(qnet.copy(), options), Learner(qnet.copy(), options)
    for sample in x:
        given = sample, np.zeros(STEPS, np.int64), np.ones(STEPS, bool), 4 << 16
        assert np.array_equal(np.array(slow.sample(*given)), np.array(fast.sample(*given)))
    for key, weights in slow.qnet.weights().items():
        assert np.array_equal(weights, fast.qnet.weights()[key])
        assert not np.array_equal(weights, qnet.weights()[key])


@needs_gcc
def test_c_equals_reference(net: Network, tmp_path: Path) -> None:
    qnet, x = quantized(net)
    integer, _ = as_integer(qnet)
    program = build(compile_network(qnet, target="c", out=tmp_path).folder, SANITIZERS, trace=True)
    got = traces(run(program, [x[0]]), integer, [STEPS + qnet.tail])
    padded = np.concatenate([x[:1], np.zeros((1, qnet.tail, qnet.inputs), np.int64)], axis=1)
    assert_same_run(integer, padded, run_of_reference(integer, padded), got[0], seed=SEED, who=("reference", "C"))
