"""Networks of any size from 1 to 100,000 neurons, of integers drawn at once, and limits for them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from limits_of_chips import limited

import hypr_neuro as hn
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection, QuantizedPopulation
from hypr_neuro.testing.networks import varied

DENSE = 1 << 18
"""Weights of a dense connection at most."""
TIMELESS = varied("loihi2", time__connection_delay=0, time__error_latency=0, learning__error_bits=12)
"""Connections and errors take no time, so that no signal waits."""


@cache
def _models() -> dict[str, QuantizedPopulation]:
    net = hn.Network.build({"inputs": 1, "outputs": 1, "layers": [{"neuron": "lif", "size": 1}]}, seed=0)
    hidden, readout = hn.quantize(net, TIMELESS, calibration={"layers.0": 2.0, "readout": 2.0}).populations
    return {"lif": hidden, "li": readout}


def _population(name: str, size: int, model: str) -> QuantizedPopulation:
    one = _models()[model]
    return replace(one, name=name, per_neuron=np.repeat(one.per_neuron, size, axis=1))


def drawn_network(seed: int, neurons: int, learns: bool) -> QuantizedNetwork:
    """Populations of so many neurons in all: sparse, dense, convolved, skewed, delayed, with biases and in loops.

    Of those that learn delays stand where no signal comes back over them, and no population sends numbers.
    """
    rng = np.random.default_rng([seed, neurons, learns])
    inputs, count = int(rng.integers(1, 60)), int(rng.integers(1, min(neurons, 5) + 1))
    cuts = np.sort(rng.choice(neurons - 1, count - 1, replace=False) + 1) if count > 1 else np.zeros(0, np.int64)
    sizes = np.diff([0, *cuts, neurons])
    graded = 0.0 if learns else 0.2
    models = ["li" if rng.random() < graded else "lif" for _ in sizes]
    models[-1] = "li" if rng.random() < 0.5 else "lif"
    populations = [_population(f"p{i}", int(n), m) for i, (n, m) in enumerate(zip(sizes, models, strict=True))]
    ends = {"input": inputs} | {p.name: p.size for p in populations}
    connections = []
    for i, p in enumerate(populations):
        before = ["input", *(q.name for q in populations[:i])]
        others = [q.name for q in populations[: i + 1] if q.model.name == "lif" or not learns]
        sources = [str(rng.choice(before[-2:])), *(name for name in others if rng.random() < 0.4)]
        for source in sources:
            back = source in (p.name, "input")
            graded_source = source != "input" and models[int(source[1:])] == "li"
            connections.append(
                _connection(rng, source, p.name, (p.size, ends[source]), back or not learns, graded_source)
            )
        if rng.random() < 0.2:
            ones: Any = np.ones((p.size, 1), np.int64)
            connections.append(
                QuantizedConnection(mantissa=ones, exponent=0, source="input", target=p.name, bias_axon=True)
            )
    return QuantizedNetwork(inputs, tuple(populations), tuple(connections), TIMELESS, 1e-3)


def _connection(
    rng: Any, source: str, target: str, shape: tuple[int, int], delayed: bool, graded: bool
) -> QuantizedConnection:
    kind = rng.choice(["sparse", "skewed", "near", "dense", "convolution"], p=[0.3, 0.15, 0.15, 0.2, 0.2])
    matrix: Any = _convolution(rng, shape) if kind == "convolution" else None
    if kind == "dense" and shape[0] * shape[1] <= DENSE:
        matrix = np.ones(shape, np.int64)
    bias = bool(matrix is None and rng.random() < 0.2)
    if matrix is None:
        matrix = _sparse(rng, shape, str(kind), bias)
    delays: Any = 0
    if delayed and not isinstance(matrix, Convolution) and rng.random() < 0.4:
        delays = int(rng.integers(1, 7))
        if isinstance(matrix, np.ndarray) and rng.random() < 0.5:
            delays = rng.integers(0, 7, shape)
    message: dict[str, Any] = {"message_bits": 8, "message_shift": 2} if graded else {}
    return QuantizedConnection(
        mantissa=matrix,
        exponent=-int(rng.integers(0, 2)) if graded else 0,
        source=source,
        target=target,
        bias_axon=bias,
        delays=delays,
        weight_bits=int(rng.integers(3, 9)) if rng.random() < 0.3 else None,
        trainable=not isinstance(matrix, Convolution) and bool(rng.random() < 0.8),
        **message,
    )


def _sparse(rng: Any, shape: tuple[int, int], kind: str, bias: bool) -> Any:
    """A few sources of each neuron: any, some far oftener than others, or those around its own place."""
    from scipy.sparse import csr_array

    post, pre = shape
    each = int(rng.integers(1, min(pre, 12) + 1))
    if kind == "skewed":
        columns = (pre * rng.random((post, each)) ** 4).astype(np.int64)
    elif kind == "near":
        columns = (np.arange(post)[:, None] * pre // post + rng.integers(0, 40, (post, each))) % pre
    else:
        columns = rng.integers(0, pre, (post, each))
    if bias:
        columns = np.hstack([columns, np.full((post, 1), pre)])
    rows = np.repeat(np.arange(post), columns.shape[1])
    kept = np.unique(rows * (pre + 1) + columns.ravel())
    kept = kept[rng.random(len(kept)) < 0.95] if len(kept) > 1 else kept
    values = np.ones(len(kept), np.int64)
    return csr_array((values, (kept // (pre + 1), kept % (pre + 1))), shape=(post, pre + int(bias)))


def _convolution(rng: Any, shape: tuple[int, int]) -> Convolution | None:
    """A convolution along one axis; None where sizes do not lend themselves to one."""
    post, pre = shape
    features, channels = (int(rng.choice([d for d in (1, 2, 3, 4) if n % d == 0])) for n in shape)
    length, image = post // features, pre // channels
    kernel = int(rng.integers(1, min(image, 5) + 1))
    stride = max((image - kernel) // max(length - 1, 1), 1)
    after = max((length - 1) * stride + kernel - image, 0)
    taps = Taps((kernel,), (stride,), (0,), (after,), (1,))
    if taps.outputs((image,)) != (length,) or after > 4 * image:
        return None
    weights = rng.integers(0, 3, (features, channels, kernel))
    weights[0] = 1
    return Convolution(weights, (image,), taps, channels_first=bool(rng.random() < 0.5))


def drawn_chip(seed: int, qnet: QuantizedNetwork, cores: int | None = None) -> Profile:
    """Limits of which a few hundred cores hold the network, if any do."""
    rng = np.random.default_rng([seed, 17])
    neurons = sum(p.size for p in qnet.populations)
    fan_in = max(_fan_in(qnet))
    limits: dict[str, Any] = dict.fromkeys(("neurons", "in_axons", "out_axons", "synaptic_memory", "delay"))

    def between(low: float, high: float) -> int:
        return int(np.exp(rng.uniform(np.log(max(low, 1)), np.log(max(high, low, 1) + 1))))

    share = max(neurons // 400, 1)
    if rng.random() < 0.6:
        limits["neurons"] = between(share, neurons)
    if rng.random() < 0.5:
        limits["in_axons"] = between(fan_in * min(share, 40), 8 * fan_in * share)
    if rng.random() < 0.5:
        limits["synaptic_memory"] = between(100 * fan_in * share, 1000 * fan_in * share)
    if rng.random() < 0.4:
        limits["out_axons"] = between(4 * share, 100 * share)
    if rng.random() < 0.3:
        limits |= {"fan_in": between(fan_in / 1.2, 2 * fan_in), "delay": int(rng.integers(5, 8))}
    return limited(TIMELESS, cores, shared_weights=bool(rng.random() < 0.5), **limits)


def _fan_in(qnet: QuantizedNetwork) -> list[int]:
    """The most synapses of a neuron of each population."""
    most = []
    for p in qnet.populations:
        sums: Array = np.zeros(p.size, np.int64)
        for c in qnet.incoming(p.name):
            matrix: Any = c.mantissa
            dense = isinstance(matrix, np.ndarray)
            sums = sums + (matrix.shape[1] if dense else np.diff(_rows(matrix).indptr))
        most.append(int(sums.max()))
    return most


def _rows(matrix: Any) -> Any:
    return matrix.tocsr() if isinstance(matrix, Convolution) else matrix
