"""Networks and graphs that the tests of NIR files share, and how two networks compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nir
import numpy as np
from model_records import inside

from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.base import NeuronModel

DT = 1e-4


def random_params(model: NeuronModel, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Every parameter around its default, inside its range; switches keep 0 or 1."""
    params = {}
    for p in model.params:
        if p.name == "subtract":
            params[p.name] = np.full(n, float(rng.integers(2)))
            continue
        spread = rng.uniform(0.5, 1.5, n) * p.default if p.default else rng.uniform(-0.2, 0.2, n)
        params[p.name] = inside(p, spread, 0.5, 1.5) if p.trainable else np.clip(spread, p.low, p.high)
    return params


def random_layer(name: str, n: int, inputs: int, recurrent: bool, bias: bool, rng: np.random.Generator) -> Layer:
    model = get_model(name)
    return Layer(
        model,
        rng.normal(size=(n, inputs)),
        rng.normal(size=(n, n)) if recurrent and not model.readout else None,
        rng.normal(size=n) if bias and model.bias_on == "current" else None,
        random_params(model, n, rng),
        tuple(t for t in model.trainable if rng.random() < 0.7),
    )


def random_net(hidden: list[tuple[str, int, bool, bool]], readout: str, seed: int) -> Network:
    rng = np.random.default_rng(seed)
    layers, inputs = [], int(rng.integers(1, 5))
    for name, n, recurrent, bias in hidden:
        layers.append(random_layer(name, n, inputs, recurrent, bias, rng))
        inputs = n
    layers.append(random_layer(readout, int(rng.integers(1, 4)), inputs, False, bool(rng.integers(2)), rng))
    encoder = {"method": "level_crossing", "threshold": 0.1, "labels": ["ü", "\x00"]} if rng.integers(2) else None
    return Network.from_layers(
        layers, float(rng.uniform(1e-4, 1e-2)), encoder, {"seed": seed, "nested": {"x": [1.5, None]}}
    )


def small_net(name: str = "lif", **changes: Any) -> Network:
    net = random_net([(name, 4, True, True)], "li", 3)
    for key, value in changes.items():
        net.layers[0].params[key][...] = value
    return net


def assert_equal(a: Network, b: Network) -> None:
    """Every array equal and float64, everything else equal."""
    assert (a.dt, a.encoder, a.notes, len(a.layers)) == (b.dt, b.encoder, b.notes, len(b.layers))
    for i, (x, y) in enumerate(zip(a.layers, b.layers, strict=True)):
        assert x.model is y.model, i
        assert x.trainable == y.trainable, i
        assert list(x.params) == list(y.params), i
        pairs = [(x.weight, y.weight), (x.recurrent, y.recurrent), (x.bias, y.bias)]
        for u, v in [*pairs, *((x.params[k], y.params[k]) for k in x.params)]:
            assert (u is None) == (v is None), i
            if u is not None and v is not None:
                assert v.dtype == np.float64
                assert np.array_equal(u, v), i


def euler(graph: nir.NIRGraph, x: np.ndarray, dt: float, reset: str = "zero") -> dict[str, tuple[np.ndarray, ...]]:
    """Forward Euler of a chain of NIR nodes as another program would do it; per neuron node (v, z) over time.

    Written from NIR's equations alone: S = sum of the incoming nodes' output, recurrent ones of the step before.
    """
    chain = [n for n in topological(graph) if hasattr(graph.nodes[n], "v_leak")]
    size = {n: graph.nodes[n].v_leak.shape[0] for n in chain}
    current, v = ({n: np.zeros(size[n]) for n in chain} for _ in range(2))
    z_old, record = {n: np.zeros(size[n]) for n in chain}, {n: ([], []) for n in chain}

    def linear(name: str, y: np.ndarray) -> np.ndarray:
        node = graph.nodes[name]
        return node.weight @ y + getattr(node, "bias", 0.0)

    for row in x:
        y = row
        for n in chain:
            node = graph.nodes[n]
            sources = [a for a, b in graph.edges if b == n]
            arriving = sum(linear(a, z_old[n] if (n, a) in graph.edges else y) for a in sources)
            if hasattr(node, "tau_syn"):
                current[n] = current[n] + dt / node.tau_syn * (-current[n] + node.w_in * arriving)
                tau = node.tau_mem
            else:
                current[n], tau = arriving, node.tau
            v[n] = v[n] + dt / tau * (node.v_leak - v[n] + node.r * current[n])
            record[n][0].append(v[n].copy())
            y = (v[n] > node.v_threshold).astype(float) if hasattr(node, "v_threshold") else v[n]
            record[n][1].append(y)
            z_old[n] = y
            if hasattr(node, "v_threshold"):
                v[n] = np.where(y > 0, node.v_reset if reset == "zero" else v[n] - node.v_threshold, v[n])
    return {n: (np.array(a), np.array(b)) for n, (a, b) in record.items()}


def topological(graph: nir.NIRGraph) -> list[str]:
    """Nodes in the order from Input, feedback left out."""
    order = [n for n, node in graph.nodes.items() if isinstance(node, nir.Input)]
    for name in order:
        order += [b for a, b in graph.edges if a == name and b not in order]
    return order


def forward(net: Network, x: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The network by its models' own float_step; per layer (states, output), each over time."""
    s = [[(0.0,) * layer.model.d] * layer.size for layer in net.layers]
    z = [np.zeros(layer.size) for layer in net.layers]
    record: list[tuple[list[Any], list[Any]]] = [([], []) for _ in net.layers]
    for row in x:
        y = row
        for i, layer in enumerate(net.layers):
            total = layer.weight @ y
            if layer.recurrent is not None:
                total = total + layer.recurrent @ z[i]
            if layer.bias is not None:
                total = total + layer.bias
            p = layer.float_matrix()
            steps = [layer.model.float_step(s[i][j], z[i][j], (total[j],), p[:, j]) for j in range(layer.size)]
            s[i], z[i] = [step[0] for step in steps], np.array([step[1] for step in steps])
            record[i][0].append(s[i])
            record[i][1].append(z[i])
            y = z[i]
    return [(np.array(a), np.array(b)) for a, b in record]


def lif_net(seed: int, subtract: float = 0.0) -> Network:
    rng = np.random.default_rng(seed)
    hidden = [random_layer("lif", 6, 4, True, True, rng), random_layer("lif", 5, 6, bool(seed % 2), True, rng)]
    for layer in hidden:
        layer.params |= {
            "du": rng.uniform(0.05, 1.0, layer.size),
            "dv": rng.uniform(0.02, 1.0, layer.size),
            "bias": rng.uniform(-0.1, 0.5, layer.size),
            "subtract": np.full(layer.size, subtract),
        }
    return Network.from_layers([*hidden, random_layer("li", 3, 5, False, True, rng)], 2e-3)


def foreign_graph(seed: int, cuba: bool, readout: str) -> nir.NIRGraph:
    """12-6-3 in float32 as other programs write it: gains other than 1, biases, v_leak, feedback with bias."""
    rng = np.random.default_rng(seed)

    def draw(low: float, high: float, *shape: int) -> np.ndarray:
        return rng.uniform(low, high, shape).astype(np.float32)

    n = 6
    shared = {"r": draw(1, 3, n), "v_leak": draw(-0.1, 0.2, n), "v_threshold": draw(0.3, 1, n), "v_reset": np.zeros(n)}
    if cuba:
        hidden = nir.CubaLIF(tau_syn=np.full(n, DT), tau_mem=draw(3e-4, 2e-3, n), w_in=draw(1, 2, n), **shared)
    else:
        hidden = nir.LIF(tau=draw(3e-4, 2e-3, n), **shared)
    last = {"r": draw(1, 3, 3), "v_leak": draw(-0.1, 0.2, 3)}
    if readout == "CubaLI":
        out = nir.CubaLI(tau_syn=np.full(3, DT), tau_mem=draw(3e-4, 2e-3, 3), w_in=draw(1, 2, 3), **last)
    else:
        out = nir.LI(tau=draw(3e-4, 2e-3, 3), **last)
    nodes = {
        "in": nir.Input(np.array([12])),
        "fc1": nir.Affine(draw(-1, 2, n, 12), draw(-0.2, 0.2, n)),
        "lif.rec": nir.Affine(draw(-1, 1, n, n), draw(-0.2, 0.2, n)),
        "lif": hidden,
        "fc2": nir.Affine(draw(-1, 1, 3, n), draw(-0.2, 0.2, 3)),
        "li": out,
        "out": nir.Output(np.array([3])),
    }
    edges = [("li", "out"), ("in", "fc1"), ("fc2", "li"), ("lif", "lif.rec"), ("lif.rec", "lif"), ("fc1", "lif")]
    return nir.NIRGraph(nodes, [*edges, ("lif", "fc2")])


Change = Callable[[nir.NIRGraph], Any]


def put(node: str, field: str, value: Any) -> Change:
    return lambda graph: setattr(graph.nodes[node], field, value)


def node(name: str, value: Any) -> Change:
    return lambda graph: graph.nodes.__setitem__(name, value)


def li_node(n: int) -> nir.LI:
    return nir.LI(tau=np.full(n, 1e-3), r=np.ones(n), v_leak=np.zeros(n))
