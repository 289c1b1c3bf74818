"""Float graphs with convolutions: forward as the matrix runs, gradients of kernels by automatic differentiation."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from convolutions import random_convolution
from graph_oracle import graph_oracle

from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.run.graph_forward import run_graph
from hypr_neuro.testing.networks import _ranges
from hypr_neuro.train.gradients import gradients

Array = Any
SAMPLES, STEPS, SEEDS = 3, 24, range(8)
RULES = ("hypr", "ostl", "bptt", "eprop")
RELATIVE = 1e-10


def population(name: str, model: str, n: int, rng: np.random.Generator) -> FloatPopulation:
    params = {k: rng.uniform(low, high, n) for k, (low, high) in _ranges(model).items()}
    return FloatPopulation(name, get_model(model), params, {})


def real(c: Convolution, rng: np.random.Generator, size: float = 1.0) -> Convolution:
    return c.with_data(rng.normal(0.7 * size, size, c.kernel.size))


@cache
def graph(seed: int) -> Network:
    """The first one drawn in which both populations fire."""
    for attempt in range(100):
        drawn = draw(seed, np.random.default_rng([seed, 41, attempt]))
        counts = run_graph(drawn, samples(seed, drawn.inputs)).counts
        if counts["a"].sum() and counts["b"].sum():
            return drawn
    raise AssertionError("no graph fires")


def draw(seed: int, rng: np.random.Generator) -> Network:
    """Two convolutions, the first with one on itself, the second delayed, a dense readout of both."""
    first = random_convolution(rng, 1 + seed % 2)
    second = random_convolution(rng, len(first.image), first.outputs, first.kernel.shape[0])
    axes = len(first.outputs)
    channels = first.kernel.shape[0]
    around = Taps(*((k,) * axes for k in (3, 1, 1, 1, 1)))
    own = Convolution(np.ones((channels, channels, *around.kernel)), first.outputs, around, 1, first.channels_first)
    models = [("lif", "alif", "brf", "cuba_lif")[(seed + k) % 3] for k in range(2)]
    populations = (
        population("a", models[0], first.shape[0], rng),
        population("b", models[1], second.shape[0], rng),
        population("out", "li", 3, rng),
    )
    connections = (
        FloatSynapses(INPUT, "a", real(first, rng)),
        FloatSynapses("a", "a", real(own, rng, 0.3), delay=seed % 3),
        FloatSynapses("a", "b", real(second, rng), delay=seed % 2),
        FloatSynapses("a", "out", rng.normal(0, 1, (3, first.shape[0]))),
        FloatSynapses("b", "out", rng.normal(0, 1, (3, second.shape[0]))),
    )
    return Network(first.shape[1], populations, connections, 1e-3, ("out",))


def samples(seed: int, inputs: int) -> Array:
    return (np.random.default_rng([seed, 42]).random((SAMPLES, STEPS, inputs)) < 0.4).astype(float)


def written_out(g: Network) -> Network:
    connections = [
        FloatSynapses(c.source, c.target, c.weights.tocsr(), c.delay) if isinstance(c.weights, Convolution) else c
        for c in g.connections
    ]
    return Network(g.inputs, g.populations, tuple(connections), g.dt, g.outputs)


@pytest.mark.parametrize("seed", SEEDS)
def test_forward_is_that_of_the_matrix(seed: int) -> None:
    g, x = graph(seed), samples(seed, graph(seed).inputs)
    one, other = run_graph(g, x, ("spikes", "current")), run_graph(written_out(g), x, ("spikes", "current"))
    assert one.counts["a"].sum() > 0
    alone = all(c.weights.pool is None for c in g.connections if isinstance(c.weights, Convolution))
    for name in ("a", "b"):
        assert np.array_equal(one.spikes[name], other.spikes[name])
        close = np.array_equal if alone else np.allclose
        assert close(one.states[name]["current"], other.states[name]["current"])


@cache
def expected(seed: int) -> dict[str, Any]:
    g, x = graph(seed), samples(seed, graph(seed).inputs)
    y, mask = np.arange(SAMPLES) % 3, np.ones((SAMPLES, STEPS), bool)
    return graph_oracle(g, x, y, [mask], "per_step_cross_entropy")


# back-propagation sees whole sequences alone
@pytest.mark.parametrize(
    ("rule", "chunk"), [(rule, chunk) for rule in RULES for chunk in (STEPS, 7, 1) if rule != "bptt" or chunk == STEPS]
)
@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_of_kernels_are_those_of_automatic_differentiation(seed: int, rule: str, chunk: int) -> None:
    g, x = graph(seed), samples(seed, graph(seed).inputs)
    y, mask = np.arange(SAMPLES) % 3, np.ones((SAMPLES, STEPS), bool)
    found, _ = gradients(g, x, y, mask, rule=rule, chunk=chunk)
    wanted_by_name = expected(seed)[rule][0][0]
    for name, wanted in wanted_by_name.items():
        assert found[name].shape == wanted.shape
        assert np.abs(found[name] - wanted).max() <= RELATIVE * max(np.abs(wanted).max(), 1e-9), name
    assert np.abs(wanted_by_name[g.connection_names()[0]]).max() > 0


def test_file_keeps_the_kernel(tmp_path: Path) -> None:
    g = graph(1)
    g.save(tmp_path / "g.h5")
    again = Network.load(tmp_path / "g.h5")
    assert again.digest() == g.digest()
    assert isinstance(again.connections[0].weights, Convolution)
    assert np.array_equal(again.connections[0].weights.kernel, g.connections[0].weights.kernel)
