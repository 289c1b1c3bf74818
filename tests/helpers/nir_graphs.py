"""Random NIR graphs: branches, sums, skips, feedback over one or more layers, nested graphs, all types of nodes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import nir
import numpy as np

DT = 1e-3
Shape = tuple[int, ...]
PARAMS = {
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
    "IF": ("r", "v_threshold", "v_reset"),
    "Threshold": ("threshold",),
    "LI": ("tau", "r", "v_leak"),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    "I": ("r",),
}
RANGE = {
    "tau": (1.1, 8),
    "tau_mem": (1.1, 8),
    "tau_syn": (1.1, 8),
    "r": (0.5, 3),
    "v_leak": (-0.3, 0.4),
    "v_threshold": (0.3, 0.9),
    "v_reset": (-0.3, 0.2),
    "w_in": (0.5, 2),
    "threshold": (-0.2, 0.5),
}


class Builder:
    """Adds nodes at random; shapes : of what leaves each node, by its name in the flat graph"""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.shapes: dict[str, Shape] = {}
        self.neurons: list[str] = []

    def name(self, stem: str) -> str:
        """Names in no order that means anything."""
        return f"{'zyxwabcd'[self.rng.integers(8)]}{len(self.nodes)}_{stem}"

    def add(self, node: Any, shape: Shape, *sources: str) -> str:
        name = self.name(type(node).__name__.lower())
        self.nodes[name], self.shapes[name] = node, shape
        self.edges += [(source, name) for source in sources]
        return name

    def draw(self, low: float, high: float, *shape: int) -> np.ndarray:
        return self.rng.uniform(low, high, shape)

    def input(self) -> str:
        kinds: list[Shape] = [(4,), (2, 4, 3), (2, 7)]
        shape = kinds[self.rng.integers(3)]
        return self.add(nir.Input(np.array(shape)), shape)

    def width(self, shape: Shape) -> Shape:
        """Shape of a parameter: one number each, or one for all, or one a channel where that is no other axis."""
        forms = [shape, (1,), ()] + ([shape[:1]] if len(shape) > 1 and shape.count(shape[0]) == 1 else [])
        return forms[self.rng.integers(len(forms))]

    def neuron(self, what: str, shape: Shape) -> Any:
        """All parameters of one shape, as nir wants them; time constants in seconds."""
        form = self.width(shape)
        values = {k: self.draw(*RANGE[k], *form) * (DT if k.startswith("tau") else 1.0) for k in PARAMS[what]}
        if what in ("IF", "I"):
            values["r"] = values["r"] * 0.3 / DT
        return getattr(nir, what)(**{k: np.asarray(v) for k, v in values.items()})

    def spiking(self, source: str) -> str:
        what = ("LIF", "CubaLIF", "CubaLIF", "IF", "Threshold")[self.rng.integers(5)]
        return self.neurons_at(what, source)

    def neurons_at(self, what: str, *sources: str) -> str:
        shape = self.shapes[sources[0]]
        name = self.add(self.neuron(what, shape), shape, *sources)
        self.neurons.append(name)
        return name

    def dense(self, source: str, n: int | None = None) -> str:
        shape = self.shapes[source]
        if len(shape) > 1:
            source = self.add(nir.Flatten(np.array(shape), 0, -1), (int(np.prod(shape)),), source)
            shape = self.shapes[source]
        n = n or int(self.rng.integers(2, 6))
        weight = self.draw(-0.7, 1.0, n, shape[0]) * (self.rng.random((n, shape[0])) < 0.8)
        if self.rng.random() < 0.5:
            return self.add(nir.Affine(weight, self.draw(-0.3, 0.4, n)), (n,), source)
        return self.add(nir.Linear(weight), (n,), source)

    def scale(self, source: str) -> str:
        shape = self.shapes[source]
        return self.add(nir.Scale(self.draw(0.5, 2.0, *self.width(shape))), shape, source)

    def delay(self, source: str) -> str:
        shape = self.shapes[source]
        steps = self.rng.integers(0, 4, self.width(shape))
        return self.add(nir.Delay(np.asarray(steps * DT)), shape, source)

    def window(self, source: str) -> str:
        """A convolution or pooling where there are axes for one, else a dense node."""
        shape = self.shapes[source]
        if len(shape) == 1 or min(shape[1:]) < 3:
            return self.dense(source)
        if len(shape) == 3 and self.rng.random() < 0.4:
            cls = (nir.SumPool2d, nir.AvgPool2d)[self.rng.integers(2)]
            padding = self.rng.integers(0, 2, 2)
            kernel, stride = np.array([2, 3]), np.array([2, 1])
            axes = zip(shape[1:], kernel, stride, padding, strict=True)
            size = tuple(int((n + 2 * p - k) // s + 1) for n, k, s, p in axes)
            return self.add(cls(kernel, stride, padding), (shape[0], *size), source)
        return self.convolution(source, shape)

    def convolution(self, source: str, shape: Shape) -> str:
        axes, groups = len(shape) - 1, int(self.rng.choice([1, shape[0]]))
        out, kernel = groups * int(self.rng.integers(1, 3)), tuple(int(k) for k in self.rng.integers(1, 3, axes))
        stride, dilation = (int(v) for v in self.rng.integers(1, 3, 2))
        padding: Any = [0, 1, "same", "valid"][self.rng.integers(4)]
        stride = 1 if padding == "same" else stride
        weight, bias = self.draw(-0.7, 1.0, out, shape[0] // groups, *kernel), self.draw(-0.2, 0.3, out)
        before = {"same": None, "valid": 0}.get(padding, padding)
        size = tuple(
            n if before is None else (n + 2 * before - dilation * (k - 1) - 1) // stride + 1
            for n, k in zip(shape[1:], kernel, strict=True)
        )
        if min(size) < 1:
            return self.dense(source)
        cls = nir.Conv1d if axes == 1 else nir.Conv2d
        return self.add(cls(None, weight, stride, padding, dilation, groups, bias), (out, *size), source)

    def nested(self, source: str) -> str:
        """A graph of a recurrent layer with its own Input and Output."""
        shape = self.shapes[source]
        if len(shape) > 1:
            return self.spiking(source)
        n = shape[0]
        neuron = self.neuron("CubaLIF", shape)
        inner = {
            "input": nir.Input(np.array(shape)),
            "cell": neuron,
            "rec": nir.Linear(self.draw(-0.5, 0.5, n, n)),
            "output": nir.Output(np.array(shape)),
        }
        edges = [("input", "cell"), ("cell", "rec"), ("rec", "cell"), ("cell", "output")]
        name = self.add(nir.NIRGraph(inner, edges, type_check=False), shape, source)
        self.shapes |= {f"{name}.{key}": shape for key in inner}
        return name

    def sum(self, source: str) -> str:
        """What several nodes of one shape send, into neurons or a linear node."""
        shape = self.shapes[source]
        others = [n for n, s in self.shapes.items() if s == shape and n in self.nodes and n != source]
        if not others:
            return self.spiking(source)
        other = others[self.rng.integers(len(others))]
        if self.rng.random() < 0.5:
            return self.neurons_at("LIF", source, other)
        return self.add(nir.Scale(self.draw(0.5, 1.5, *shape)), shape, source, other)

    def feedback(self) -> None:
        """From neurons to neurons before them, or to themselves."""
        flat = [n for n in self.neurons if len(self.shapes[n]) == 1]
        if not flat:
            return
        i, j = sorted(self.rng.integers(0, len(flat), 2))
        last = self.dense(flat[j], self.shapes[flat[i]][0])
        self.nodes[last].weight *= 0.4
        if self.rng.random() < 0.4:
            last = self.delay(last)
        self.edges.append((last, flat[i]))

    def step(self, source: str) -> str:
        moves = (
            self.dense,
            self.dense,
            self.spiking,
            self.spiking,
            self.scale,
            self.delay,
            self.window,
            self.window,
            self.nested,
            self.sum,
            self.integrator,
        )
        return moves[self.rng.integers(len(moves))](source)

    def integrator(self, source: str) -> str:
        return self.neurons_at(("LI", "CubaLI", "I")[self.rng.integers(3)], source)

    def finish(self) -> nir.NIRGraph:
        """An Output behind every node that leads nowhere, and sometimes behind one that does not."""
        leads = {a for a, _ in self.edges}
        ends = [name for name in self.nodes if name not in leads]
        if self.neurons and (not ends or self.rng.random() < 0.3):
            ends.append(self.neurons[0])
        for name in dict.fromkeys(ends):
            self.add(nir.Output(np.array(self.shapes[name])), self.shapes[name], name)
        order = self.rng.permutation(len(self.edges))
        return nir.NIRGraph(dict(self.nodes), [self.edges[i] for i in order], type_check=False)


def random_graph(seed: int) -> tuple[nir.NIRGraph, dict[str, Shape]]:
    """A graph and the shapes of what leaves its nodes."""
    b = Builder(seed)
    ways = [b.input() for _ in range(1 + (b.rng.random() < 0.2))]
    for _ in range(int(b.rng.integers(2, 9))):
        k = int(b.rng.integers(len(ways)))
        new = b.step(ways[k])
        if b.rng.random() < 0.75:
            ways[k] = new
        else:
            ways.append(new)
    for _ in range(int(b.rng.integers(0, 3))):
        b.feedback()
    return b.finish(), b.shapes


def lif(n: int, **changes: Any) -> nir.LIF:
    fields = {"tau": 4 * DT, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.5, "v_reset": 0.0} | changes
    return nir.LIF(**{k: np.full(n, v) for k, v in fields.items()})


def li(n: int) -> nir.LI:
    return nir.LI(tau=np.full(n, 4 * DT), r=np.ones(n), v_leak=np.zeros(n))


def chain(*nodes: Any, inputs: int = 2, outs: int = 2) -> nir.NIRGraph:
    """Input → n0 → n1 → … → Output."""
    named = {
        "in": nir.Input(np.array([inputs])),
        **{f"n{i}": node for i, node in enumerate(nodes)},
        "out": nir.Output(np.array([outs])),
    }
    return nir.NIRGraph(named, list(pairwise(named)), type_check=False)
