"""Network to NIR: one weight node, one neuron node and, if recurrent, one feedback node a layer.

    Input → Linear | Affine → neuron → … → Output,   neuron → Linear → neuron (spikes of the previous step)

LIF and LI are exact under forward Euler with the network's dt (equations in `nodes`):

    lif: dt/τ_syn = du, w_in = 1/du, dt/τ_mem = dv, r = 1/dv, v_leak = bias/dv, v_threshold = vth, v_reset = 0
    li:  dt/τ = 1 - κ, r = 1, v_leak = 0

NIR has no node for the other models. They are written as the LIF that forgets an input impulse at the same rate and
fires from rest on the same impulse: with the local derivatives A, B, C, C' of the model at rest (no spike, no input),

    s_t = A^t B,   h_t = C s_t + C' s_{t-1},   ρ² = Σ_{t≥1} |s_t|² / Σ_{t≥0} |s_t|²  (256 steps)
    dt/τ = 1 - ρ,  r = τ/dt,  v_threshold = θ / max_t h_t,  -θ = argument of the surrogate at rest

Oscillation, adaptation and refractoriness are lost there; the summary of `write_nir` says so, and so does
`approximate` in the node's metadata. Our own reader takes the exact neuron from the metadata.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.network import Array, Layer, Network
from hypr_neuro.nir_io.integers import float_network, integer_metadata
from hypr_neuro.nir_io.nodes import KEY, VERSION, base_name, graph_digest, naming
from hypr_neuro.quantize import QuantizedNetwork
from hypr_neuro.store import sealed, write_atomically

MIN_RATE = 1e-9
"""Smallest dt/τ that is written: NIR divides by the rates, so a state that never leaks has no finite τ."""
NEVER = 1e30
"""Threshold of a neuron that no impulse brings to fire."""
HORIZON = 256
DT_RANGE = (1e-15, 1e15)
IN_FLOAT = "the network is one of integers; other readers run the numbers that these stand for, in floating point"


@dataclass(frozen=True)
class NirSummary:
    """What `write_nir` wrote; `approximations`: one line for each thing that another reader will not run exactly."""

    path: Path
    nodes: int
    edges: int
    approximations: tuple[str, ...]


def write_nir(net: Network | QuantizedNetwork, path: str | Path) -> NirSummary:
    """Write the network as a NIR file, whole or not at all; `read_nir` gives it back equal.

    A quantized network is written as the float network that its integers stand for, with the integers in the metadata;
    `read_quantized_nir` gives it back equal, `read_nir` that float network.

    Raises InputError for values that are not finite or out of range, an encoder or notes that JSON cannot hold,
    and a path that cannot be written.
    """
    graph, approximations = to_graph(net)
    # in memory first: HDF5 2.0.0 crashes the program when the disk is full
    buffer = io.BytesIO()
    nir.write(buffer, graph)
    content, target = sealed(buffer.getvalue()), Path(path)
    write_atomically(target, lambda temporary: _write_bytes(temporary, content))
    return NirSummary(target, len(graph.nodes), len(graph.edges), approximations)


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def to_graph(net: Network | QuantizedNetwork) -> tuple[nir.NIRGraph, tuple[str, ...]]:
    """The network as a nir.NIRGraph, and one line for each thing that is only approximate in standard nodes."""
    if isinstance(net, QuantizedNetwork):
        return _graph_of(float_network(net), integer_metadata(net), [IN_FLOAT])
    return _graph_of(net, {}, [])


def _graph_of(
    net: Network, integers: Mapping[str, Any], approximations: list[str]
) -> tuple[nir.NIRGraph, tuple[str, ...]]:
    """The graph; integers : entries of the metadata by name of the node, of a quantized network"""
    low, high = DT_RANGE
    if not low <= net.dt <= high:
        raise InputError(f"dt = {net.dt} s, rule: {low} to {high}, so that time constants stay finite; set net.dt")
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input(np.array([net.inputs]))}
    edges: list[tuple[str, str]] = []
    approximations = list(approximations)
    previous, count = "input", len(net.layers)
    for i, layer in enumerate(net.layers):
        with naming(net.name(i)):
            layer.check()
            neuron, losses = _neuron_node(layer, net.dt)
        name = base_name(i, count)
        approximations += [f"{net.name(i)} ({layer.model.name}): {text}" for text in losses]
        neuron.metadata = {KEY: _layer_metadata(layer, i, net.dt, bool(losses))}
        nodes |= _weight_nodes(name, i, layer) | {name: neuron}
        edges += [(previous, f"{name}_weight"), (f"{name}_weight", name)]
        if layer.recurrent is not None:
            edges += [(name, f"{name}_recurrent"), (f"{name}_recurrent", name)]
        previous = name
    nodes["output"] = nir.Output(np.array([net.outputs]))
    nodes["output"].metadata = {KEY: {"version": VERSION, "role": "output"}}
    edges.append((previous, "output"))
    nodes["input"].metadata = {KEY: _network_metadata(net)}
    for name, entry in integers.items():
        nodes[name].metadata[KEY]["integers"] = entry
    graph = nir.NIRGraph(nodes, edges)
    nodes["input"].metadata[KEY]["sha256"] = graph_digest(graph)
    return graph, tuple(approximations)


def _weight_nodes(name: str, index: int, layer: Layer) -> dict[str, nir.NIRNode]:
    """Input weights (Affine with a bias on the current, else Linear) and recurrent weights, float64 as they are."""
    weight = layer.weight.copy()
    nodes = {f"{name}_weight": nir.Linear(weight) if layer.bias is None else nir.Affine(weight, layer.bias.copy())}
    if layer.recurrent is not None:
        nodes[f"{name}_recurrent"] = nir.Linear(layer.recurrent.copy())
    for key, node in nodes.items():
        node.metadata = {KEY: {"version": VERSION, "layer": index, "role": key.removeprefix(f"{name}_")}}
    return nodes


def _network_metadata(net: Network) -> dict[str, Any]:
    return {
        "version": VERSION,
        "role": "network",
        "layers": len(net.layers),
        "dt": float(net.dt),
        "encoder": _json("encoder", net.encoder),
        "notes": _json("notes", net.notes),
    }


def _layer_metadata(layer: Layer, index: int, dt: float, approximate: bool) -> dict[str, Any]:
    """All that is not in the weight nodes; what stands here twice is for other readers."""
    return {
        "version": VERSION,
        "role": "neuron",
        "layer": index,
        "neuron": layer.model.name,
        "params": {key: values.copy() for key, values in layer.params.items()},
        "trainable": _json("trainable", list(layer.trainable)),
        "bias": layer.bias is not None,
        "recurrent": layer.recurrent is not None,
        "dt": float(dt),
        "integrator": "forward Euler",
        "reset": reset_of(layer),
        "approximate": approximate,
    }


def reset_of(layer: Layer) -> str:
    """'zero', 'subtract', 'mixed', or 'model' where the reset is part of the model's own dynamics."""
    subtract = layer.params.get("subtract")
    if subtract is None:
        return "model"
    if np.all(subtract == 0.0):
        return "zero"
    return "subtract" if np.all(subtract == 1.0) else "mixed"


def _json(what: str, value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{what} cannot be stored: {error}; use numbers, strings, lists and dicts of them") from error


def _neuron_node(layer: Layer, dt: float) -> tuple[nir.NIRNode, list[str]]:
    """The standard node of a layer's neurons, and what it does not carry."""
    if layer.model.name == "lif":
        return _cuba_lif(layer, dt)
    if layer.model.name == "li":
        with np.errstate(over="ignore"):
            rate = -np.expm1(-1.0 / layer.params["tau"])
        return nir.LI(tau=dt / rate, r=np.ones(layer.size), v_leak=np.zeros(layer.size)), []
    return _linearised(layer, dt)


def _cuba_lif(layer: Layer, dt: float) -> tuple[nir.NIRNode, list[str]]:
    """LIF as CubaLIF, exact unless a state never leaks or the reset is by subtraction."""
    losses = []
    for name in ("du", "dv"):
        if np.any(layer.params[name] < MIN_RATE):
            losses.append(f"{name} below {MIN_RATE} is written as {MIN_RATE}; NIR needs finite time constants")
    if reset_of(layer) != "zero":
        losses.append("NIR cannot say that the reset is by subtraction; other readers reset to 0 unless they are told")
    du, dv = (np.maximum(layer.params[name], MIN_RATE) for name in ("du", "dv"))
    node = nir.CubaLIF(
        tau_syn=dt / du,
        tau_mem=dt / dv,
        r=1.0 / dv,
        v_leak=layer.params["bias"] / dv,
        v_threshold=layer.params["vth"].copy(),
        v_reset=np.zeros(layer.size),
        w_in=1.0 / du,
    )
    return node, losses


def _linearised(layer: Layer, dt: float) -> tuple[nir.NIRNode, list[str]]:
    """The LIF (LI for a readout) nearest to any other model; see the module's docstring."""
    try:
        rest = [_at_rest(layer, j) for j in range(layer.size)]
    except (ArithmeticError, ValueError) as error:
        text = f"neuron '{layer.model.name}' cannot run with these parameters ({error})"
        raise InputError(
            f"{text}, rule: its step is defined at rest; see the equations of neurons/{layer.model.name}.py"
        ) from error
    A, B, C, C_prev, threshold = (np.array([r[k] for r in rest]) for k in range(5))
    s, h = B, np.einsum("nd,nd->n", C, B)
    peak, first, energy, later = h.copy(), h.copy(), np.sum(B * B, axis=1), np.zeros(layer.size)
    with np.errstate(all="ignore"):
        for _ in range(HORIZON - 1):
            previous, s = s, np.einsum("nij,nj->ni", A, s)
            later += np.sum(s * s, axis=1)
            peak = np.maximum(peak, np.einsum("nd,nd->n", C, s) + np.einsum("nd,nd->n", C_prev, previous))
        # both sums over as many steps, so that a pure exponential gives its ρ for any horizon
        kept = np.sqrt(later / (energy + later - np.sum(s * s, axis=1)))
        rate = np.clip(1.0 - np.nan_to_num(kept), MIN_RATE, 1.0)
        fires_at = np.nan_to_num(threshold / peak, nan=NEVER, posinf=NEVER, neginf=-NEVER)
    zeros = np.zeros(layer.size)
    if layer.model.readout:
        return nir.LI(tau=dt / rate, r=first / rate, v_leak=zeros), ["written as LI, linearised at rest"]
    v_threshold = np.where(peak > 0.0, np.clip(fires_at, -NEVER, NEVER), NEVER)
    node = nir.LIF(tau=dt / rate, r=1.0 / rate, v_leak=zeros, v_threshold=v_threshold, v_reset=zeros.copy())
    return node, [
        "NIR has no such neuron; written as the LIF of equal decay that fires from rest on the same impulse, "
        "other readers run that LIF"
    ]


def _at_rest(layer: Layer, j: int) -> tuple[Any, Any, Any, Any, float]:
    """A (d, d), B (d), C (d), C' (d) of neuron j at rest, through states only, and -(surrogate's argument)."""
    model = layer.model
    p = model.with_coefficients(tuple(float(layer.params[name][j]) for name in model.param_names))
    rest, current = (0.0,) * model.d, (0.0,) * model.currents
    s, _ = model.float_step(rest, 0.0, current, p)
    A, B = model.float_jacobian(rest, s, 0.0, current, p, 0.0)[:2]
    C, C_prev = model.float_jacobian(rest, s, 0.0, current, p, 1.0)[2:4]
    argument = 0.0 if model.float_psi_arg is None else float(model.float_psi_arg(rest, s, p))
    by_first_current: Array = np.asarray(B, dtype=np.float64).reshape(model.d, -1)[:, 0]
    return A, by_first_current, C, C_prev, -argument
