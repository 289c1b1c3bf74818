"""A small convolutional network of N-MNIST's shape learns in float, and is in integers what it was."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import hypr_neuro as hn
from hypr_neuro.data.score import score_readout
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.run.graph_forward import run_graph
from hypr_neuro.train.loop import train

Array = Any
SIDE, STEPS, CLASSES = 34, 12, 4
PARTS = {"train": 192, "validation": 32, "test": 200}


@cache
def bars() -> SequenceData:
    """Bars of four orientations that move across 34 × 34 pixels: ON at the edge in front, OFF behind, and noise."""
    rng = np.random.default_rng(6)
    samples = sum(PARTS.values())
    y = np.arange(samples) % CLASSES
    v, u = np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2
    x = rng.random((samples, STEPS, 2, SIDE, SIDE)) < 0.01
    for sample, orientation in enumerate(y):
        angle = np.pi * orientation / CLASSES + rng.uniform(-0.15, 0.15)
        across, along = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
        start, speed = rng.uniform(-10, 4), rng.uniform(0.5, 1.2)
        inside = np.abs(along - rng.uniform(-5, 5)) < 10
        for t in range(STEPS):
            front = start + speed * t
            for polarity, edge in enumerate((front, front - 3)):
                x[sample, t, polarity] |= inside & (np.abs(across - edge) < 0.7) & (rng.random((SIDE, SIDE)) < 0.7)
    split = rng.permutation(np.repeat(list(PARTS), list(PARTS.values())))
    return SequenceData("bars", x.reshape(samples, STEPS, -1).astype(np.int8), y, split, CLASSES)


def convolutional() -> Network:
    """Two convolutions, the second behind a pooling, and a dense readout."""
    rng = np.random.default_rng(7)

    def lif(name: str, shape: tuple[int, ...]) -> FloatPopulation:
        n = int(np.prod(shape))
        values = {"du": 1.0, "dv": 0.2, "vth": 1.0, "bias": 0.0, "subtract": 0.0}
        return FloatPopulation(name, get_model("lif"), {k: np.full(n, v) for k, v in values.items()}, {}, shape)

    def taps(kernel: int, stride: int, padding: int) -> Taps:
        return Taps(*((n, n) for n in (kernel, stride, padding, padding, 1)))

    first = Convolution(rng.normal(0.1, 0.3, (6, 2, 5, 5)), (SIDE, SIDE), taps(5, 2, 1))
    second = Convolution(rng.normal(0.05, 0.2, (8, 6, 3, 3)), first.outputs, taps(3, 1, 1), pool=taps(2, 2, 0))
    readout = FloatPopulation("out", get_model("li"), {"tau": np.full(CLASSES, 10.0)}, {}, (CLASSES,))
    return Network(
        2 * SIDE * SIDE,
        (lif("a", (6, *first.outputs)), lif("b", (8, *second.outputs)), readout),
        (
            FloatSynapses(INPUT, "a", first),
            FloatSynapses("a", "b", second),
            FloatSynapses("b", "out", rng.normal(0.0, 0.05, (CLASSES, second.shape[0]))),
        ),
        1e-3,
        ("out",),
        (2, SIDE, SIDE),
    )


def accuracy(output: Array, data: SequenceData) -> float:
    return score_readout(output, data).accuracy


def test_a_convolutional_network_learns_and_is_in_integers_what_it_was() -> None:
    data, net = bars(), convolutional()
    kernels = [c.stored().copy() for c in net.connections]
    before = accuracy(run_graph(net, data.part("test").x, ()).readout, data.part("test"))
    train(net, data, rule="hypr", epochs=14, batch_size=16, rate=0.01)
    assert all(np.abs(c.stored() - old).max() > 1e-3 for c, old in zip(net.connections, kernels, strict=True))
    assert [type(c.weights) for c in net.connections] == [Convolution, Convolution, np.ndarray]
    test = data.part("test")
    in_float = accuracy(run_graph(net, test.x, ()).readout, test)
    assert before < 0.5
    assert in_float > 0.9
    integers = quantize_graph(net, "loihi2", calibration=data)
    assert all(c.convolution is not None for c in integers.integer().synapses if c.target != "out")
    in_integers = accuracy(hn.simulate(integers, test.x).readout, test)
    assert abs(in_integers - in_float) <= 0.01
