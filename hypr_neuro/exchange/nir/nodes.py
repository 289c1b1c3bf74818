"""What writer and reader share: the fields of NIR's nodes, their names in our files, the digest, the refusals.

NIR states its neurons in continuous time. Here, as in the NIR paper's experiments, they are stepped by forward Euler,
dt seconds a step, the synaptic current before the membrane (S_t: sum of what arrives at the node):

    CubaLIF   I_t = (1 - dt/τ_syn) I_{t-1} + w_in dt/τ_syn S_t
              v_t = (1 - dt/τ_mem) v_{t-1} + dt/τ_mem (v_leak + r I_t);   z_t = Θ(v_t - v_threshold), then v_t = v_reset
    LIF       v_t as above with I_t = S_t, τ for τ_mem
    CubaLI, LI   the same without spike and reset; the output is v_t
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.files.store import content_digest
from hypr_neuro.numbers.arrays import Array

KEY = "hypr_neuro"
"""Our entry in the metadata of a node."""
VERSION = 2
"""Of our metadata. Version 1 had a layout of its own for chains, see `chain_0_1`."""
FIELDS: dict[str, tuple[str, ...]] = {
    "Input": (),
    "Output": (),
    "Affine": ("weight", "bias"),
    "Linear": ("weight",),
    "Conv1d": ("weight", "bias", "stride", "padding", "dilation", "groups"),
    "Conv2d": ("weight", "bias", "stride", "padding", "dilation", "groups"),
    "SumPool2d": ("kernel_size", "stride", "padding"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    "LI": ("tau", "r", "v_leak"),
    "IF": ("r", "v_threshold", "v_reset"),
    "I": ("r",),
    "Delay": ("delay",),
    "Flatten": ("start_dim", "end_dim"),
}
"""The node types that are written, and their arrays."""
NOT_IN_DIGEST_1 = ("IF", "I", "Delay", "Flatten")
"""Types whose arrays the digest of version 1 left out."""


def kind(node: Any) -> str:
    """Return the node's NIR type, such as 'CubaLIF'."""
    return type(node).__name__


def shape_of(node: Any) -> Array:
    """Return the shape that an Input or Output node declares."""
    declared = field_of(node, "input_type")
    shape = declared.get("input") if isinstance(declared, Mapping) else None
    return array_of(shape, f"shape {short_repr(shape)} is no array, rule: positive whole numbers")


def field_of(node: Any, name: str) -> Any:
    """Return a field of a node; raise InputError where it is missing."""
    try:
        return getattr(node, name)
    except AttributeError as error:
        raise InputError(f"{name} is missing; build the node with nir.{kind(node)}") from error


def array_of(value: Any, refusal: str) -> Array:
    """Return the value as an array of any type; raise InputError with this message for what makes none."""
    try:
        return np.asarray(value)
    except Exception as error:  # ragged lists raise ValueError; arrays of other libraries raise what they like
        raise InputError(refusal) from error


def numbers(node: Any, name: str) -> Array:
    """Return a field of a node as float64; raise InputError for anything but finite real numbers."""
    raw = array_of(field_of(node, name), f"{name} is no array, rule: real numbers")
    if raw.dtype.kind not in "iuf":
        raise InputError(f"{name} of type {raw.dtype}, rule: real numbers")
    with np.errstate(over="ignore"):  # a longer float beyond float64 becomes inf, refused below
        values = raw.astype(np.float64)
    if not np.all(np.isfinite(values)):
        index = [int(i) for i in np.argwhere(~np.isfinite(values))[0]]
        raise InputError(f"{name}{index} = {values[tuple(index)]}, rule: finite; repair the file that was exported")
    return values


def own_metadata(node: Any) -> dict[str, Any] | None:
    """Return our entry in a node's metadata, None where another program wrote the node."""
    metadata = getattr(node, "metadata", None)
    entry = metadata.get(KEY) if isinstance(metadata, dict) else None
    return entry if isinstance(entry, dict) else None


def graph_digest(graph: nir.NIRGraph, version: int = VERSION) -> str:
    """Return the sha256 over all nodes (type, arrays, shapes, our metadata) and edges, in whatever order.

    `version` is that of the file's metadata.
    """
    fields = {k: v for k, v in FIELDS.items() if version > 1 or k not in NOT_IN_DIGEST_1}
    texts: dict[str, Any] = {"edges": sorted([str(a), str(b)] for a, b in graph.edges)}
    arrays: dict[str, Array] = {}
    for name, node in graph.nodes.items():
        content: dict[str, Any] = {field: getattr(node, field) for field in fields.get(kind(node), ())}
        if kind(node) in ("Input", "Output"):
            content["shape"] = shape_of(node)
        metadata = {k: v for k, v in (own_metadata(node) or {}).items() if k != "sha256"}
        _flatten(f"{name}/", {"type": kind(node), **content, "metadata": metadata}, texts, arrays)
    return content_digest(json.dumps(texts, sort_keys=True), arrays)


def _flatten(path: str, content: Mapping[str, Any], texts: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Collect strings and arrays under their paths; numbers count as arrays, since HDF5 gives them back so."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            _flatten(f"{path}{key}/", value, texts, arrays)
        elif isinstance(value, str):
            texts[path + key] = value
        else:
            arrays[path + key] = np.asarray(value)


def short_repr(value: Any) -> str:
    """Return a value of any type for an error: on one line, cut short."""
    return " ".join(repr(value).split())[:80]


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Put the place in front of an InputError raised inside."""
    try:
        yield
    except InputError as error:
        raise type(error)(on_one_line(f"{where}: {error}")) from error


def on_one_line(text: str) -> str:
    """Return the text with its line breaks, which a name may hold, written out."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


def node_label(name: str, node: Any) -> str:
    """Return "node 'fc1' (Affine)"; quotes as Python's, so that a name with line breaks stays on one line."""
    return f"node {name!r} ({kind(node)})"
