"""Random convolutions, and the sum that defines one, in plain Python."""

from __future__ import annotations

from itertools import product

import numpy as np

from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Synapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.testing.integer import any_population
from hypr_neuro.testing.networks import random_spikes


def _fitting(rng: np.random.Generator, image: tuple[int, ...]) -> Taps:
    """Taps that fit into the image at least once."""
    while min((taps := _taps(rng, len(image))).outputs(image)) < 1:
        pass
    return taps


def _taps(rng: np.random.Generator, axes: int) -> Taps:
    kernel, stride, before, after, dilation = (
        tuple(int(n) for n in rng.integers(low, high, axes)) for low, high in ((1, 4), (1, 4), (0, 3), (0, 3), (1, 3))
    )
    return Taps(kernel, stride, before, after, dilation)


def random_convolution(
    rng: np.random.Generator, axes: int, image: tuple[int, ...] | None = None, channels: int | None = None
) -> Convolution:
    """One or two axes, groups, any stride, padding and dilation, both orders of neurons, a pooling or none."""
    lengths = image or tuple(int(n) for n in rng.integers(3, 9, axes))
    groups = int(rng.integers(1, 4)) if channels is None else 1
    per_group = channels or int(rng.integers(1, 4))
    pool = None if rng.random() < 0.5 else _fitting(rng, lengths)
    taps = _fitting(rng, lengths if pool is None else pool.outputs(lengths))
    kernel = rng.integers(-9, 9, (groups * int(rng.integers(1, 4)), per_group, *taps.kernel), endpoint=True)
    return Convolution(kernel, lengths, taps, groups, bool(rng.random() < 0.5), pool)


def matrix_by_definition(c: Convolution) -> np.ndarray:
    """(post, pre), entry by entry from the sums that define convolution and pooling."""
    rows = np.zeros((c.kernel.shape[0], *c.outputs, c.channels, *c.seen), c.dtype)
    for o, k, *y in product(*map(range, (*c.kernel.shape[:2], *c.outputs))):
        for tap in product(*map(range, c.taps.kernel)):
            at = _seen(c.taps, tuple(y), tap)
            if all(0 <= a < n for a, n in zip(at, c.seen, strict=True)):
                channel = o // (c.kernel.shape[0] // c.groups) * c.kernel.shape[1] + k
                rows[(o, *y, channel, *at)] += c.kernel[(o, k, *tap)]
    if c.pool is not None:
        windows = np.zeros((*c.seen, *c.image), c.dtype)
        for y in product(*map(range, c.seen)):
            for tap in product(*map(range, c.pool.kernel)):
                at = _seen(c.pool, y, tap)
                if all(0 <= a < n for a, n in zip(at, c.image, strict=True)):
                    windows[(*y, *at)] += 1
        axes = len(c.image)
        rows = np.tensordot(rows, windows, (list(range(-axes, 0)), list(range(axes))))
    if not c.channels_first:
        axes = len(c.image)
        rows = np.moveaxis(np.moveaxis(rows, 0, axes), 1 + axes, -1)
    return rows.reshape(c.shape)


def _seen(taps: Taps, y: tuple[int, ...], tap: tuple[int, ...]) -> tuple[int, ...]:
    numbers = zip(y, tap, taps.stride, taps.before, taps.dilation, strict=True)
    return tuple(place * stride - before + k * dilation for place, k, stride, before, dilation in numbers)


def random_convolutional_network(rng: np.random.Generator, model: str = "lif") -> tuple[IntegerNetwork, np.ndarray]:
    """Two convolutions in a row, the first with a bias axon, the second delayed; perhaps one of a population with
    itself. And an input of one sample (1, T, channel), of spikes or of any integers."""
    first = random_convolution(rng, int(rng.integers(1, 3)))
    second = random_convolution(rng, len(first.image), first.outputs, first.kernel.shape[0])
    sizes = (first.shape[0], second.shape[0])
    populations = [any_population(rng, name, model, n, 12.0) for name, n in zip(("a", "b"), sizes, strict=True)]
    bits = int(rng.choice([0, 6]))
    exponents = rng.integers(-2, 7, 3)
    synapses = [
        Synapses(INPUT, "a", first, int(exponents[0]), always_on=rng.integers(-9, 9, sizes[0]), message_bits=bits),
        Synapses("a", "b", second, int(exponents[1]), delays=int(rng.integers(0, 4))),
    ]
    if rng.random() < 0.5:
        around = Taps(*((n,) * len(second.outputs) for n in (3, 1, 1, 1, 1)))
        kernel = rng.integers(-9, 9, (second.kernel.shape[0], second.kernel.shape[0], *around.kernel))
        back = Convolution(kernel, second.outputs, around, 1, second.channels_first)
        synapses.append(Synapses("b", "b", back, int(exponents[2]), delays=int(rng.integers(0, 3))))
    x = rng.integers(-60, 60, (1, 40, first.shape[1])) if bits else rng.random((1, 40, first.shape[1])) < 0.3
    return IntegerNetwork(first.shape[1], tuple(populations), tuple(synapses)), x.astype(np.int64)


def quantized_convolutional_network() -> QuantizedNetwork:
    """The float network below in integers."""
    return quantize_graph(float_convolutional_network(), "loihi2", calibration=random_spikes(0, 4, 30, 24))


def float_convolutional_network() -> Network:
    """A convolution behind a pooling, which stays as it is, then a layer that learns and a readout."""
    rng = np.random.default_rng(5)
    kernel, stride, around, one = (3, 3), (1, 1), (1, 1), (1, 1)
    pool = Taps((2, 2), (2, 2), (0, 0), (0, 0), one)
    convolution = Convolution(
        rng.normal(0.2, 0.4, (2, 1, 3, 3)), (4, 6), Taps(kernel, stride, around, around, one), pool=pool
    )
    n = convolution.shape[0]
    lif = {"du": 1.0, "dv": 0.2, "vth": 0.6, "bias": 0.0, "subtract": 0.0}

    def spiking(name: str, size: int) -> FloatPopulation:
        return FloatPopulation(
            name, get_model("lif"), {k: np.full(size, v) for k, v in lif.items()}, {0: np.zeros(size)}
        )

    return Network(
        24,
        (
            spiking("image", n),
            spiking("hidden", 3),
            FloatPopulation("out", get_model("li"), {"tau": np.full(2, 10.0)}, {}),
        ),
        (
            FloatSynapses(INPUT, "image", convolution),
            FloatSynapses("image", "hidden", rng.normal(0.15, 0.3, (3, n)), delay=1),
            FloatSynapses("hidden", "out", rng.normal(0.0, 0.5, (2, 3))),
            FloatSynapses("image", "out", rng.normal(0.0, 0.3, (2, n))),
        ),
        1e-3,
        ("out",),
    )
