"""The integers of a quantized network beside the nodes of the float network that they stand for (`stands_for`).

The weight nodes hold mantissa · step in float64; divided by the step and rounded that is the mantissa again, so that
they alone carry the weights. Metadata hold what no standard field can, by the names of quantized.h5: exponents, which
sparse weights are stored, delays, scales, the integers of neurons, ψ tables, profile and record; and bias axons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.errors import FileFormatError
from hypr_neuro.exchange.nir.nodes import KEY
from hypr_neuro.exchange.nir.stands_for import StandsFor
from hypr_neuro.exchange.nir.write_graph import WrittenGraph, json_text
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.network_file import contents

Entry = Mapping[str, Any]
GRID_TOLERANCE = 1e-3
"""Share of a weight step by which a weight may miss its mantissa: what float32 loses is less."""
ARRAYS, SCALES = ("per_neuron", "constants", "psi_table"), ("state_scale", "current_scale")


def add_integers(written: WrittenGraph, qnet: QuantizedNetwork, real: StandsFor) -> None:
    """Add the integers to the metadata of the nodes of what they stand for."""

    def add(node: str, entry: dict[str, Any]) -> None:
        written.nodes[node].metadata[KEY]["integers"] = entry

    meta, arrays = contents(qnet)
    for i, p in enumerate(qnet.populations):
        entry: dict[str, Any] = {key: arrays.pop(f"p{i}/{key}").copy() for key in ARRAYS}
        add(written.populations[p.name], entry | {key: float(meta["populations"][i].pop(key)) for key in SCALES})
    for i, (c, parts) in enumerate(zip(qnet.connections, real.parts, strict=True)):
        meta["connections"][i]["parts"] = list(parts)
        for key in ("", "/data", "/kernel"):
            arrays.pop(f"c{i}/mantissa{key}", None)
        if c.bias_axon:
            arrays[f"c{i}/bias"] = np.array(c.synapses(1).always_on, np.int64)
        scale = {"exponent": int(c.exponent), "step": qnet.weight_step(c)}
        for k in parts:
            add(written.connections[k], scale)
    copies = {name: array.copy() for name, array in arrays.items()}
    add(INPUT, {"network": json_text("record, notes or encoder", meta), "arrays": copies})


@dataclass(frozen=True)
class NirIntegers:
    """The integers in a file, and the nodes that they belong to.

    Attributes
    ----------
    meta, arrays
        As of `quantizing.network_file.contents`, but weights; bias mantissas apart, and for each connection the places
        of its parts in the float network ("parts").
    populations, connections
        As of `WrittenGraph`, the nodes.
    """

    meta: dict[str, Any]
    arrays: dict[str, Array]
    populations: Mapping[str, str]
    connections: list[str]


def add_mantissas(stored: NirIntegers, place: int, parts: list[Array]) -> None:
    """Add the mantissas of a connection to the arrays, from those of its parts: (post, pre), or a kernel."""
    entry, name, arrays = stored.meta["connections"][place], f"c{place}/mantissa", stored.arrays
    if "convolution" in entry:
        arrays[f"{name}/kernel"] = parts[0]
        return
    post, columns = (int(n) for n in entry["shape"])
    dense = sum(parts, np.zeros((post, columns - bool(entry["bias_axon"])), np.int64))
    if entry["bias_axon"]:
        dense = np.column_stack([dense, arrays[f"c{place}/bias"]])
    if f"{name}/indices" not in arrays:
        arrays[name] = dense
        return
    rows = np.repeat(np.arange(post), np.diff(arrays[f"{name}/indptr"]))
    arrays[f"{name}/data"] = dense[rows, arrays[f"{name}/indices"]]


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


def flat_arrays(entry: Entry, path: str = "") -> dict[str, Array]:
    """Return arrays by their whole names, which HDF5 gives back as groups."""
    arrays: dict[str, Array] = {}
    for key, value in entry.items():
        arrays |= flat_arrays(value, f"{path}{key}/") if isinstance(value, Mapping) else {path + key: np.asarray(value)}
    return arrays
