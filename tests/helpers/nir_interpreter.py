"""NIR run node by node, dense, one step after the other, from its equations alone: what an import has to reproduce.

S_t: what arrives at a node. a(τ) = dt/τ, or 1 - e^{-dt/τ} for the integrator "exact".

    CubaLIF, CubaLI   I += a(τ_syn)(w_in S_t - I);  v += a(τ_mem)(v_leak - v + r I), with I of this or the last step
    LIF, LI           v += a(τ)(v_leak - v + r S_t)
    IF, I             v += dt r S_t
    Threshold         Θ(S_t - threshold)

Spikes: v > v_threshold, then v = v_reset or v -= v_threshold - v_reset. A connection that closes a loop delivers what
its neurons sent `recurrent_delay` steps before.
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np

Array = np.ndarray
NEURONS = ("LIF", "CubaLIF", "LI", "CubaLI", "IF", "I", "Threshold")


def kind(node: Any) -> str:
    return type(node).__name__


def flat(graph: nir.NIRGraph, prefix: str = "") -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Nodes 'outer.inner' and edges; a nested graph's Input and Output stay, and hand on what arrives."""
    nodes, edges, ends = {}, [], {}
    for name, node in graph.nodes.items():
        full = prefix + name
        if kind(node) == "NIRGraph":
            inner, inside = flat(node, f"{full}.")
            nodes |= inner
            edges += inside
            ends[name] = tuple(
                next(f"{full}.{k}" for k, n in node.nodes.items() if kind(n) == what) for what in ("Input", "Output")
            )
        else:
            nodes[full], ends[name] = node, (full, full)
    return nodes, edges + [(ends[a][1], ends[b][0]) for a, b in graph.edges]


def wide(values: Any, shape: tuple[int, ...]) -> Array:
    """A parameter over a node's shape; one number a channel where it has one axis and the node several."""
    values = np.asarray(values, float)
    if values.size == 1:
        return np.full(shape, values.reshape(-1)[0])
    if values.ndim == 1 and len(shape) > 1:
        values = values.reshape(-1, *(1,) * (len(shape) - 1))
    return np.broadcast_to(values, shape).copy()


def correlate(weight: Array, bias: Array, x: Array, stride: Any, padding: Any, dilation: Any, groups: int) -> Array:
    """A convolution by its definition, over one or two axes."""
    kernel, axes = weight.shape[2:], x.ndim - 1
    stride, dilation = np.broadcast_to(stride, axes), np.broadcast_to(dilation, axes)
    if isinstance(padding, str):
        total = [0 if padding == "valid" else d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        pads = [(t // 2, t - t // 2) for t in total]
    else:
        pads = [(int(p), int(p)) for p in np.broadcast_to(padding, axes)]
    padded = np.pad(x, [(0, 0), *pads])
    size = [
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(padded.shape[1:], kernel, stride, dilation, strict=True)
    ]
    out = np.zeros((weight.shape[0], *size))
    per, each = weight.shape[0] // groups, weight.shape[1]
    for o in range(weight.shape[0]):
        for place in np.ndindex(*size):
            window = tuple(
                slice(p * s, p * s + d * (k - 1) + 1, d)
                for p, s, d, k in zip(place, stride, dilation, kernel, strict=True)
            )
            seen = padded[(slice(o // per * each, o // per * each + each), *window)]
            out[(o, *place)] = np.sum(seen * weight[o]) + bias[o]
    return out


def linear(node: Any, x: Array) -> Array:
    """What leaves a linear node that has no memory."""
    what = kind(node)
    if what in ("Affine", "Linear"):
        return node.weight @ x.reshape(-1) + (node.bias if what == "Affine" else 0.0)
    if what == "Scale":
        return wide(node.scale, x.shape) * x
    if what == "Flatten":
        return x.reshape(-1)
    if what in ("Conv1d", "Conv2d"):
        return correlate(node.weight, node.bias, x, node.stride, node.padding, node.dilation, node.groups)
    if what in ("SumPool2d", "AvgPool2d"):
        area = np.prod(node.kernel_size) if what == "AvgPool2d" else 1.0
        weight = np.ones((x.shape[0], 1, *node.kernel_size)) / area
        return correlate(weight, np.zeros(x.shape[0]), x, node.stride, node.padding, 1, x.shape[0])
    return x  # the ends of nested graphs


class Interpreter:
    """A graph over one sequence.

    x : (steps, …) by name of the Input. shapes : of what leaves each node. closing : (source, target) neurons whose
    connection closes a loop. All else as the importer takes it.
    """

    def __init__(
        self,
        graph: nir.NIRGraph,
        shapes: dict[str, tuple[int, ...]],
        x: dict[str, Array],
        closing: set[tuple[str, str]],
        dt: float,
        reset: str = "zero",
        integrator: str = "euler",
        order: str = "current_first",
        recurrent_delay: int = 1,
        floor: float | None = None,
    ) -> None:
        self.graph, self.shapes, self.x, self.closing, self.dt = graph, shapes, x, closing, dt
        self.reset, self.integrator, self.order = reset, integrator, order
        self.recurrent_delay, self.floor = recurrent_delay, floor
        self.nodes, edges = flat(graph)
        self.before = {name: [a for a, b in edges if b == name] for name in self.nodes}
        self.out: dict[tuple[str, int], Array] = {}
        self.state: dict[tuple[str, int], tuple[Array, Array]] = {}

    def arriving(self, name: str, t: int, target: str) -> Array:
        """The sum of what the nodes before send to it in step t, on the way to the neurons `target`."""
        total: Any = 0.0
        for source in self.before[name]:
            total = total + self.value(source, t, target).reshape(self.shapes[source])
        return np.asarray(total)

    def value(self, name: str, t: int, target: str) -> Array:
        node = self.nodes[name]
        if t < 0:
            return np.zeros(self.shapes[name])
        if kind(node) == "Input" and name in self.x:
            return self.x[name][t]
        if kind(node) in NEURONS:
            back = self.recurrent_delay if (name, target) in self.closing else 0
            return self.neurons(name, t - back) if t >= back else np.zeros(self.shapes[name])
        if kind(node) == "Delay":
            steps = np.rint(wide(node.delay, self.shapes[name]) / self.dt).astype(int)
            found = np.zeros(self.shapes[name])
            for d in np.unique(steps):
                if t >= d:
                    found[steps == d] = self.arriving(name, t - d, target).reshape(steps.shape)[steps == d]
            return found
        return linear(node, self.arriving(name, t, target))

    def rate(self, tau: Array) -> Array:
        return self.dt / tau if self.integrator == "euler" else 1.0 - np.exp(-self.dt / tau)

    def neurons(self, name: str, t: int) -> Array:
        """Output of neurons in step t; earlier steps are there, or are computed on the way."""
        if (name, t) in self.out:
            return self.out[name, t]
        node, shape = self.nodes[name], self.shapes[name]
        p = {k: wide(getattr(node, k), shape) for k in vars(node) if isinstance(getattr(node, k), (np.ndarray, float))}
        zero = np.zeros(shape)
        if t > 0:
            self.neurons(name, t - 1)
        current, v = self.state[name, t - 1] if t > 0 else (zero, p.get("v_reset", zero))
        S = np.broadcast_to(self.arriving(name, t, name).reshape(shape) if self.before[name] else zero, shape)
        what = kind(node)
        if what == "Threshold":
            self.state[name, t], z = (zero, zero), (p["threshold"] < S).astype(float)
            self.out[name, t] = z
            return z
        if what.startswith("Cuba"):
            old = current
            current = current + self.rate(p["tau_syn"]) * (p["w_in"] * S - current)
            drive = old if self.order == "membrane_first" else current
            v = v + self.rate(p["tau_mem"]) * (p["v_leak"] - v + p["r"] * drive)
        elif what in ("LIF", "LI"):
            v = v + self.rate(p["tau"]) * (p["v_leak"] - v + p["r"] * S)
        else:
            v = v + self.dt * p["r"] * S
        z = v
        if what in ("LIF", "CubaLIF", "IF"):

            def reset(v: Array) -> Array:
                return p["v_reset"] if self.reset.startswith("zero") else v - (p["v_threshold"] - p["v_reset"])

            delayed = self.reset.endswith("delayed")
            if delayed and t > 0:
                v = np.where(self.out[name, t - 1] > 0, reset(v), v)
            if self.floor is not None:
                v = np.maximum(v, self.floor)
            z = (v > p["v_threshold"]).astype(float)
            if not delayed:
                v = np.where(z > 0, reset(v), v)
        self.state[name, t], self.out[name, t] = (current, v), z
        return z

    def run(self, steps: int) -> dict[str, Array]:
        """Outputs (steps, n) of each population of neurons and each Output of the graph."""
        found: dict[str, list[Array]] = {}
        for t in range(steps):
            for name, node in self.nodes.items():
                if kind(node) in NEURONS:
                    found.setdefault(name, []).append(self.neurons(name, t).reshape(-1))
            for name, node in self.graph.nodes.items():
                if kind(node) == "Output":
                    found.setdefault(name, []).append(self.arriving(name, t, name).reshape(-1))
        return {name: np.array(values) for name, values in found.items()}
