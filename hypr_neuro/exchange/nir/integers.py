"""The integers of a quantized network beside the nodes of the float network that they stand for (`stands_for`).

The weight nodes hold mantissa · step in float64; divided by the step and rounded that is the mantissa again, so that
they alone carry the weights. Metadata hold what no standard field can: exponents, bias axons, which sparse weights are
stored, delays, scales, the integers of neurons, ψ tables, profile and record of conversions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.errors import FileFormatError
from hypr_neuro.exchange.nir.nodes import KEY
from hypr_neuro.exchange.nir.stands_for import StandsFor
from hypr_neuro.exchange.nir.write_graph import WrittenGraph
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.synapses import matrix_entry
from hypr_neuro.neurons import VARIANTS, get_model
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection, QuantizedPopulation

Entry = Mapping[str, Any]
GRID_TOLERANCE = 1e-3
"""Share of a weight step by which a weight may miss its mantissa: what float32 loses is less."""
ARRAYS = ("per_neuron", "constants", "psi_table")


# ---------------------------------------------------------------- to metadata


def add_integers(written: WrittenGraph, qnet: QuantizedNetwork, real: StandsFor) -> None:
    """Add the integers to the metadata of the nodes of what they stand for."""
    connections: list[dict[str, Any]] = []
    arrays: dict[str, dict[str, Any]] = {}
    for i, (c, parts) in enumerate(zip(qnet.connections, real.parts, strict=True)):
        connections.append(_connection_entry(c) | {"parts": list(parts)})
        if found := _connection_arrays(c):
            arrays[str(i)] = found
        scale = {"exponent": int(c.exponent), "step": qnet.population(c.target).weight_step(c)}
        for k in parts:
            _add(written, written.connections[k], scale)
    for p in qnet.populations:
        entry = {key: getattr(p, key).copy() for key in ARRAYS}
        entry |= {"state_scale": float(p.state_scale), "current_scale": float(p.current_scale)}
        _add(
            written, written.populations[p.name], entry | ({"integers_of": p.model.name} if p.model.variant_of else {})
        )
    head = {"profile": qnet.profile.dump(), "record": qnet.record, "notes": qnet.notes, "connections": connections}
    texts = {key: json.dumps(value, sort_keys=True) for key, value in head.items()}
    _add(written, INPUT, {**texts, "output_decay": float(qnet.output_decay), "arrays": arrays})


def _add(written: WrittenGraph, node: str, entry: dict[str, Any]) -> None:
    written.nodes[node].metadata[KEY]["integers"] = entry


def _connection_entry(c: QuantizedConnection) -> dict[str, Any]:
    """Return all of a connection that is no array, as plain data."""
    return {
        "source": c.source,
        "target": c.target,
        "shape": [int(n) for n in c.mantissa.shape],
        "exponent": int(c.exponent),
        "bias_axon": bool(c.bias_axon),
        "delays": c.delays if isinstance(c.delays, int) else None,
        "current": int(c.current),
        "message_bits": None if c.message_bits is None else int(c.message_bits),
        "trainable": bool(c.trainable),
    } | matrix_entry(c.mantissa)


def _connection_arrays(c: QuantizedConnection) -> dict[str, Any]:
    """Return the arrays that no weight node holds: bias mantissas, the stored places of CSR, delays of each weight."""
    arrays: dict[str, Any] = {}
    weights, delays = c.mantissa, c.delays
    if c.bias_axon:
        arrays["bias"] = np.array(c.synapses(1).always_on, np.int64)
    if not isinstance(weights, (np.ndarray, Convolution)):
        arrays["stored"] = {part: getattr(weights, part).copy() for part in ("indices", "indptr")}
    if isinstance(delays, np.ndarray):
        arrays["delays"] = delays.copy()
    elif not isinstance(delays, int):
        arrays["delays"] = {part: getattr(delays, part).copy() for part in ("data", "indices", "indptr")}
    return arrays


# ---------------------------------------------------------------- from metadata


@dataclass(frozen=True)
class StoredIntegers:
    """The integers in a file, and the nodes that they belong to.

    Attributes
    ----------
    head
        Those of the input node: profile, record and notes as JSON, output_decay.
    populations, connections
        As of `WrittenGraph`, the nodes.
    entries
        What the file says of each connection of the quantized network.
    arrays
        The arrays of connections, by place.
    """

    head: Entry
    populations: Mapping[str, str]
    connections: list[str]
    entries: list[dict[str, Any]]
    arrays: Mapping[str, Any]


def quantized_population(node: str, real: Any, integers: Entry) -> QuantizedPopulation:
    """Return the integers of a population; `real` is the float population that the file holds."""
    model = _integer_model(node, real.model, integers)
    p = QuantizedPopulation(
        name=real.name,
        model=model,
        **{key: np.asarray(integers[key]) for key in ARRAYS},
        state_scale=float(integers["state_scale"]),
        current_scale=float(integers["current_scale"]),
        trainable=real.trainable,
    )
    if model.validate_fixed is not None:
        model.validate_fixed(f"node '{node}'", p.integer().named())
    return p


def _integer_model(node: str, model: NeuronModel, entry: Entry) -> NeuronModel:
    """Return the record that the integers are of; raise FileFormatError for one that does not stand for the neuron."""
    name = str(entry.get("integers_of", model.name))
    known = [model.name, *(v.name for v in VARIANTS.values() if v.variant_of == model.name)]
    if name not in known:
        raise FileFormatError(f"node '{node}': integers_of = '{name}', rule: {', '.join(known)}; write the file again")
    return get_model(name)


def quantized_connection(entry: Entry, arrays: Entry, parts: list[Any], delays: Any) -> QuantizedConnection:
    """Return a connection of the mantissas of its parts, (post, pre) or a kernel each."""
    post, columns = (int(n) for n in entry["shape"])
    bias = np.asarray(arrays["bias"], np.int64) if entry["bias_axon"] else np.zeros(post, np.int64)
    mantissa: Any
    if "convolution" in entry:
        mantissa = Convolution.of_description(parts[0], entry["convolution"])
    else:
        dense = sum(parts, np.zeros((post, columns - bool(entry["bias_axon"])), np.int64))
        mantissa = np.column_stack([dense, bias]) if entry["bias_axon"] else dense
        if "stored" in arrays:
            mantissa = _sparse(mantissa, arrays["stored"])
    return QuantizedConnection(
        mantissa=mantissa,
        exponent=entry["exponent"],
        source=entry["source"],
        target=entry["target"],
        bias_axon=entry["bias_axon"],
        delays=delays,
        current=entry["current"],
        message_bits=entry["message_bits"],
        trainable=entry["trainable"],
    )


def stored_delays(entry: Entry, arrays: Entry) -> Any:
    """Return the delays of a connection: one number, or one a weight in the form of the weights."""
    if entry["delays"] is not None:
        return int(entry["delays"])
    if isinstance(arrays["delays"], np.ndarray):
        return arrays["delays"]
    from scipy.sparse import csr_array

    shape = entry["shape"][0], entry["shape"][1] - bool(entry["bias_axon"])
    return csr_array(tuple(arrays["delays"][part] for part in ("data", "indices", "indptr")), shape=shape)


def _sparse(dense: Array, stored: Entry) -> Any:
    """Return the entries at the stored places of a matrix as CSR, zeros among them."""
    from scipy.sparse import csr_array

    indices, indptr = stored["indices"], stored["indptr"]
    rows = np.repeat(np.arange(len(dense)), np.diff(indptr))
    matrix = csr_array((dense[rows, indices], indices, indptr), shape=dense.shape)
    matrix.check_format(full_check=True)
    return matrix


def mantissas(node: str, c: FloatSynapses, integers: Entry, current_scale: float, top: int) -> Array:
    """Return the mantissas (post, pre), or of a kernel, that a connection's weights are multiples of its step by.

    Raises
    ------
    FileFormatError
        For weights off the grid of their step or wider than `top`; the error names the node.
    """
    weights: Any = c.weights
    real: Array = weights.kernel if isinstance(weights, Convolution) else weights if c.dense else weights.toarray()
    exponent = int(integers["exponent"])
    step = 2.0**exponent / current_scale
    if float(integers["step"]) != step:
        raise FileFormatError(
            f"node '{node}': step = {integers['step']}, rule: 2^{exponent} / {current_scale} = {step}; "
            "write the file again"
        )
    exact = real / step
    found: Array = np.rint(exact)
    misses = np.argwhere(np.abs(exact - found) > GRID_TOLERANCE)
    if len(misses):
        index = tuple(int(v) for v in misses[0])
        raise FileFormatError(
            f"node '{node}': weight {list(index)} = {real[index]}, rule: a multiple of its step "
            f"{step}; write the file again"
        )
    if np.any(np.abs(found) > top):
        raise FileFormatError(
            f"node '{node}': mantissas {found.min():.0f}..{found.max():.0f}, rule: ±{top}, the "
            "profile's precision.weight_bits; write the file again"
        )
    whole: Array = found.astype(np.int64)
    return whole
