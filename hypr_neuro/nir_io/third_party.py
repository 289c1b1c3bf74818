"""Graphs of other programs: a chain of Affine | Linear and neurons, each with at most one recurrent Affine | Linear.

    Input → W → CubaLIF | LIF → … → W → LI | CubaLI → Output,   neuron → W_rec → the same neuron

Forward Euler of the nodes (equations in `nodes`) becomes our neurons, with u = dt/τ_mem r I:

    CubaLIF   du = dt/τ_syn, dv = dt/τ_mem, gain = dv r du w_in: W := gain W, W_rec := gain W_rec, bias = dv v_leak
    LIF       du = 1, dv = dt/τ, gain = dv r
    LI        κ = 1 - dt/τ (τ_ours = -1/ln κ), W := r W, bias = r b + v_leak
    CubaLI    as LI with gain r w_in, if dt/τ_syn = 1

A bias b of Affine nodes acts on the current; our lif has its bias on v. They are the same if du = 1 (bias += gain b),
and only then; other graphs with such a bias are refused. So is everything else that does not fit, by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.network import Array, Layer, Network
from hypr_neuro.neurons import get_model
from hypr_neuro.nir_io.nodes import FIELDS, kind, naming, node_label, numbers, shape_of

WEIGHTS = ("Affine", "Linear")
SPIKING = ("CubaLIF", "LIF")
READOUTS = ("CubaLI", "LI")
RATE_TOLERANCE = 1e-6
"""dt/τ this near to 1 is 1: time constants often went through float32."""
ONE_STEP_TAU = 1e-3
"""τ in steps whose κ = e^{-1/τ} is 0 in float64."""


@dataclass(frozen=True)
class Stage:
    """Names of the nodes that form one layer."""

    weight: str
    neuron: str
    recurrent: str | None


def import_graph(graph: nir.NIRGraph, dt: float | None, reset: str | None) -> Network:
    """The network of another program's graph; raises InputError naming the node and the rule."""
    for name, node in graph.nodes.items():
        if kind(node) not in FIELDS:
            text = "flatten nested graphs before export" if kind(node) == "NIRGraph" else "replace it before export"
            raise InputError(f"{node_label(name, node)}: not imported, rule: one of {', '.join(FIELDS)}; {text}")
    stages = _Chain(graph).stages()
    _check_neurons(graph, stages)
    if dt is None:
        raise InputError("the graph was not written by hypr-neuro and does not say its time step; pass dt in seconds")
    if reset is None:
        label = node_label(stages[0].neuron, graph.nodes[stages[0].neuron])
        raise InputError(f"{label}: NIR does not say how a spike resets v; pass reset='zero' or reset='subtract'")
    with np.errstate(all="ignore"):  # what overflows is refused by the layer, which names it
        layers = [_spiking(graph, stage, dt, reset) for stage in stages[:-1]]
        layers.append(_readout(graph, stages[-1], dt))
    _check_ends(graph, stages, layers)
    return Network(layers, float(dt))


class _Chain:
    """Follows the edges from Input to Output; every node and edge has its place or is refused."""

    def __init__(self, graph: nir.NIRGraph) -> None:
        self.nodes: Mapping[str, Any] = graph.nodes
        self.after: dict[str, list[str]] = {name: [] for name in graph.nodes}
        self.before: dict[str, list[str]] = {name: [] for name in graph.nodes}
        for a, b in graph.edges:
            for end in (a, b):
                if end not in self.nodes:
                    raise InputError(
                        f"edge ({a!r}, {b!r}): node {end!r} does not exist; repair the edge or add the node"
                    )
            if b in self.after[a]:
                raise InputError(f"edge ({a!r}, {b!r}) stands twice, rule: once; remove one")
            self.after[a].append(b)
            self.before[b].append(a)

    def stages(self) -> list[Stage]:
        start, end = self.only("Input"), self.only("Output")
        stages: list[Stage] = []
        previous, name = start, self.next(start, self.after[start])
        while name != end:
            stage, following = self.stage(previous, name)
            stages.append(stage)
            previous, name = stage.neuron, following
        self.sole(end, self.before[end], "arrives from")
        placed = {start, end} | {n for s in stages for n in (s.weight, s.neuron, s.recurrent) if n is not None}
        for name, node in self.nodes.items():
            if name not in placed:
                raise InputError(f"{node_label(name, node)}: not on the way from Input to Output; remove it")
        return stages

    def stage(self, previous: str, weight: str) -> tuple[Stage, str]:
        """The layer whose weights are node `weight`, and the node after it."""
        self.expect(weight, WEIGHTS, previous)
        self.sole(weight, self.before[weight], "arrives from")
        neuron = self.next(weight, self.after[weight])
        self.expect(neuron, SPIKING + READOUTS, weight)
        if neuron in self.after[neuron]:
            raise InputError(f"{self.label(neuron)}: an edge to itself, rule: feedback goes through Affine or Linear")
        loops = [n for n in self.after[neuron] if neuron in self.after[n]]
        if len(loops) > 1:
            raise InputError(f"{self.label(neuron)}: feedback through {_names(loops)}, rule: at most one; add them up")
        for loop in loops:
            self.expect(loop, WEIGHTS, neuron)
            self.sole(loop, self.before[loop], "arrives from")
            self.next(loop, self.after[loop])
        for source in self.before[neuron]:
            if source not in (weight, *loops):
                rule = "rule: one weight node, and one that comes back from the neuron itself"
                raise InputError(
                    f"{self.label(neuron)}: input from {self.label(source)}, {rule}; only chains are imported"
                )
        following = self.next(neuron, [n for n in self.after[neuron] if n not in loops])
        return Stage(weight, neuron, loops[0] if loops else None), following

    def label(self, name: str) -> str:
        return node_label(name, self.nodes[name])

    def only(self, node_kind: str) -> str:
        found = [name for name, node in self.nodes.items() if kind(node) == node_kind]
        if len(found) != 1:
            raise InputError(f"{len(found)} nodes of type {node_kind} ({_names(found)}), rule: exactly one")
        return found[0]

    def next(self, name: str, following: list[str]) -> str:
        return self.sole(name, following, "leads to")

    def sole(self, name: str, others: list[str], verb: str) -> str:
        if len(others) != 1:
            raise InputError(f"{self.label(name)} {verb} {_names(others)}, rule: one node; only chains are imported")
        return others[0]

    def expect(self, name: str, kinds: tuple[str, ...], previous: str) -> None:
        if kind(self.nodes[name]) not in kinds:
            rule = f"rule: {' or '.join(kinds)} comes next; only chains of weights and neurons are imported"
            raise InputError(f"{self.label(name)} after {self.label(previous)}, {rule}")


def _names(names: list[str]) -> str:
    return ", ".join(repr(n) for n in names[:4]) + (", …" if len(names) > 4 else "") if names else "no node"


def _check_neurons(graph: nir.NIRGraph, stages: list[Stage]) -> None:
    """Spiking layers, then one readout."""
    if not stages:
        raise InputError("Input leads straight to Output, rule: at least one spiking layer and a readout; add them")
    for stage in stages[:-1]:
        if kind(graph.nodes[stage.neuron]) in READOUTS:
            label = node_label(stage.neuron, graph.nodes[stage.neuron])
            raise InputError(f"{label}: a readout, rule: only the last layer is one; use LIF or CubaLIF here")
    last = graph.nodes[stages[-1].neuron]
    label = node_label(stages[-1].neuron, last)
    if kind(last) in SPIKING:
        rule = "rule: a network ends with a readout (LI)"
        raise InputError(
            f"{label}: the last neurons spike, {rule}; add Linear and LI before Output, or LI in its place"
        )
    if len(stages) < 2:
        raise InputError(
            f"{label}: the only neurons, rule: at least one spiking layer comes before the readout; add one"
        )
    if stages[-1].recurrent is not None:
        raise InputError(f"{label}: feedback through {stages[-1].recurrent!r}, rule: a readout has none; remove it")


def _check_ends(graph: nir.NIRGraph, stages: list[Stage], layers: list[Layer]) -> None:
    """Shapes along the chain; Input and Output may carry axes of length 1."""
    sizes = {"Input": layers[0].inputs, "Output": layers[-1].size}
    for name, node in graph.nodes.items():
        if kind(node) in sizes:
            shape = shape_of(node)
            if shape.dtype.kind not in "iu" or int(np.prod(shape)) != sizes[kind(node)] or np.any(shape < 1):
                text = f"shape {shape.tolist()}, rule: [{sizes[kind(node)]}], as its neighbour has it; repair the shape"
                raise InputError(f"{node_label(name, node)}: {text}")
    for stage, layer, below in zip(stages[1:], layers[1:], layers[:-1], strict=True):
        if layer.inputs != below.size:
            label = node_label(stage.weight, graph.nodes[stage.weight])
            raise InputError(
                f"{label}: {layer.inputs} columns, rule: {below.size}, the neurons before it; repair the weight"
            )


def _spiking(graph: nir.NIRGraph, stage: Stage, dt: float, reset: str) -> Layer:
    """CubaLIF or LIF as our lif."""
    node = graph.nodes[stage.neuron]
    weight, current = _weights(graph, stage.weight)
    recurrent = None
    if stage.recurrent is not None:
        recurrent, back = _weights(graph, stage.recurrent)
        if recurrent.shape != (weight.shape[0],) * 2:
            label = node_label(stage.recurrent, graph.nodes[stage.recurrent])
            raise InputError(f"{label}: weight of shape {recurrent.shape}, rule: {(weight.shape[0],) * 2}; repair it")
        current = current + back
    with naming(node_label(stage.neuron, node)):
        values = _fields(node, weight.shape[0])
        cuba = kind(node) == "CubaLIF"
        du = _rate(values, "tau_syn", dt) if cuba else np.ones(weight.shape[0])
        dv = _rate(values, "tau_mem" if cuba else "tau", dt)
        _zero_reset(values["v_reset"])
        gain = dv * values["r"] * (du * values["w_in"] if cuba else 1.0)
        _check_current(current, du)
        params = {
            "du": du,
            "dv": dv,
            "vth": values["v_threshold"],
            "bias": dv * values["v_leak"] + np.where(du == 1.0, gain * current, 0.0),
            "subtract": np.full(weight.shape[0], float(reset == "subtract")),
        }
        model = get_model("lif")
        fixed = () if cuba else ("du",)
        trainable = tuple(name for name in model.trainable if name not in fixed)
        scaled = None if recurrent is None else gain[:, None] * recurrent
        return Layer(model, gain[:, None] * weight, scaled, None, params, trainable)


def _readout(graph: nir.NIRGraph, stage: Stage, dt: float) -> Layer:
    """LI or CubaLI as our li."""
    node = graph.nodes[stage.neuron]
    weight, current = _weights(graph, stage.weight)
    with naming(node_label(stage.neuron, node)):
        values = _fields(node, weight.shape[0])
        gain = values["r"]
        if kind(node) == "CubaLI":
            if np.any(_rate(values, "tau_syn", dt) != 1.0):
                rule = f"rule: dt/tau_syn = 1 (dt = {dt} s), the readout here has no synaptic current"
                raise InputError(f"tau_syn = {values['tau_syn'].max()} s, {rule}; use LI")
            gain = gain * values["w_in"]
        rate = _rate(values, "tau_mem" if kind(node) == "CubaLI" else "tau", dt)
        tau = np.maximum(-1.0 / np.log1p(-rate), ONE_STEP_TAU)
        bias = gain * current + values["v_leak"]
        has_bias = kind(graph.nodes[stage.weight]) == "Affine" or bool(np.any(bias))
        model = get_model("li")
        return Layer(model, gain[:, None] * weight, None, bias if has_bias else None, {"tau": tau}, model.trainable)


def _weights(graph: nir.NIRGraph, name: str) -> tuple[Array, Array]:
    """Weight (n, inputs) and bias (n,), 0 for Linear."""
    node = graph.nodes[name]
    with naming(node_label(name, node)):
        weight = numbers(node, "weight")
        if weight.ndim != 2 or 0 in weight.shape:
            raise InputError(f"weight of shape {weight.shape}, rule: (neurons, inputs), both positive; repair it")
        bias = numbers(node, "bias") if kind(node) == "Affine" else np.zeros(weight.shape[0])
        if bias.shape != weight.shape[:1]:
            raise InputError(f"bias of shape {bias.shape}, rule: {weight.shape[:1]}; repair it")
        return weight, bias


def _fields(node: Any, n: int) -> dict[str, Array]:
    """All fields of a neuron node, each (n,)."""
    values = {name: numbers(node, name) for name in FIELDS[kind(node)]}
    for name, array in values.items():
        if array.shape != (n,):
            raise InputError(f"{name} of shape {array.shape}, rule: ({n},), one number a neuron; repair it")
    return values


def _rate(values: Mapping[str, Array], name: str, dt: float) -> Array:
    """dt/τ, in (0, 1]."""
    rate = dt / values[name]
    bad = np.flatnonzero(~(rate > 0.0) | (rate > 1.0 + RATE_TOLERANCE))
    if bad.size:
        rule = f"rule: at least dt = {dt} s, forward Euler is unstable below; pass the dt the network was trained with"
        raise InputError(f"{name}[{bad[0]}] = {values[name][bad[0]]} s, {rule}")
    return np.where(np.abs(rate - 1.0) <= RATE_TOLERANCE, 1.0, rate)


def _zero_reset(v_reset: Array) -> None:
    bad = np.flatnonzero(v_reset)
    if bad.size:
        rule = "rule: 0, what the lif of hypr-neuro resets to"
        raise InputError(f"v_reset[{bad[0]}] = {v_reset[bad[0]]}, {rule}; train it with v_reset = 0")


def _check_current(current: Array, du: Array) -> None:
    """A constant current is a bias on v only if the current does not outlive its step."""
    bad = np.flatnonzero((current != 0.0) & (du != 1.0))
    if bad.size:
        i = bad[0]
        rule = "rule: 0 where dt/tau_syn < 1, since the bias of lif acts on v"
        raise InputError(f"bias[{i}] = {current[i]} on its current, {rule}; train without it, or set v_leak instead")
