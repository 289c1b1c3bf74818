"""Files of float networks: one kind, and the two of version 0.1, chains of layers and graphs."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from hypr_neuro.errors import FileFormatError
from hypr_neuro.files.store import load_arrays, save_arrays
from hypr_neuro.graph.chain import Graph, chain_parts
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import OF_THE_MODEL, FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.synapses import matrix_entry
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array

KIND = "hypr-neuro network"
KIND_OF_GRAPHS = "hypr-neuro float graph"
"""Of version 0.1; its chains have the kind of today and "layers" in the metadata."""

Made = TypeVar("Made")


class Stored(Graph, Protocol):
    """What a file holds of a network beside its graph."""

    inputs: int
    dt: float
    input_shape: tuple[int, ...]
    notes: dict[str, Any]
    encoder: dict[str, Any] | None


def save_contents(path: str | Path, net: Stored) -> None:
    """Write the file of a network."""
    save_arrays(path, KIND, *contents(net))


def contents(net: Stored) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return metadata and arrays of a network's file."""
    arrays: dict[str, Array] = {}
    populations, synapses = [], []
    for i, p in enumerate(net.populations):
        arrays |= {f"p{i}/params/{k}": v for k, v in p.params.items()}
        arrays |= {f"p{i}/biases/{k}": v for k, v in p.biases.items()}
        of_population = {"name": p.name, "neuron": p.model.name, "shape": list(p.shape), "biases": list(p.biases)}
        populations.append(of_population | {"trainable": list(p.trainable)})
    for i, c in enumerate(net.connections):
        shared = isinstance(c.weights, Convolution)
        parts = () if c.dense else ("kernel",) if shared else ("data", "indices", "indptr")
        arrays |= {f"c{i}/{k}": getattr(c.weights, k) for k in parts} or {f"c{i}/dense": np.asarray(c.weights)}
        ends: dict[str, Any] = {"source": c.source, "target": c.target, "delay": c.delay, "current": c.current}
        entry = ends | {"shape": list(c.shape), "sparse": not c.dense and not shared} | matrix_entry(c.weights)
        synapses.append(entry if c.trainable else entry | {"trainable": False})
    meta = {
        "inputs": net.inputs,
        "input_shape": list(net.input_shape),
        "dt": net.dt,
        "outputs": list(net.outputs),
        "notes": net.notes,
        "encoder": net.encoder,
        "populations": populations,
        "synapses": synapses,
    }
    return meta, arrays


def load_network(path: str | Path, make: Callable[..., Made]) -> Made:
    """Return what `make` does of the arguments of `Network` in a file; FileFormatError as `load_arrays` does."""
    meta, arrays = load_arrays(path, KIND, KIND_OF_GRAPHS)
    try:
        return make(**(_layers(meta, arrays) if "layers" in meta else _graph(meta, arrays)))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        remedy = "write it again with train" if "layers" in meta else "train or import it again"
        raise FileFormatError(f"file '{path}': {type(error).__name__} {error}; {remedy}") from error


def _graph(meta: dict[str, Any], arrays: dict[str, Array]) -> dict[str, Any]:
    return {
        "inputs": meta["inputs"],
        "populations": tuple(_population(i, e, arrays) for i, e in enumerate(meta["populations"])),
        "connections": tuple(_synapses(i, e, arrays) for i, e in enumerate(meta["synapses"])),
        "dt": meta["dt"],
        "outputs": tuple(meta["outputs"]),
        "input_shape": tuple(meta["input_shape"]),
        "notes": meta["notes"],
        "encoder": meta.get("encoder"),
    }


def _population(i: int, entry: dict[str, Any], arrays: dict[str, Array]) -> FloatPopulation:
    model = get_model(entry["neuron"])
    params = {p.name: arrays[f"p{i}/params/{p.name}"] for p in model.params}
    biases = {int(k): arrays[f"p{i}/biases/{k}"] for k in entry["biases"]}
    shape = tuple(entry["shape"])
    for name, values in params.items():  # one number for all is written out in a file: the shape makes no arrays
        if values.shape != (prod(shape),):
            raise ValueError(f"population '{entry['name']}': {name} of shape {values.shape} for neurons {shape}")
    trainable = tuple(entry.get("trainable", OF_THE_MODEL))
    return FloatPopulation(entry["name"], model, params, biases, shape, trainable)


def _synapses(i: int, entry: dict[str, Any], arrays: dict[str, Array]) -> FloatSynapses:
    weights: Any
    if "convolution" in entry:
        weights = Convolution.of_description(arrays[f"c{i}/kernel"], entry["convolution"])
    elif entry["sparse"]:
        from scipy.sparse import csr_array

        parts = tuple(arrays[f"c{i}/{k}"] for k in ("data", "indices", "indptr"))
        weights = csr_array(parts, shape=tuple(entry["shape"]))
    else:
        weights = arrays[f"c{i}/dense"]
    trainable = entry.get("trainable", True)
    return FloatSynapses(entry["source"], entry["target"], weights, entry["delay"], entry["current"], trainable)


def _layers(meta: dict[str, Any], arrays: dict[str, Array]) -> dict[str, Any]:
    """Return the arguments for a chain of version 0.1."""
    layers = []
    for i, entry in enumerate(meta["layers"]):
        model = get_model(entry["neuron"])
        params = {p.name: arrays[f"{i}/params/{p.name}"] for p in model.params}
        parts = [arrays.get(f"{i}/{k}") for k in ("recurrent", "bias")]
        layers.append(Layer(model, arrays[f"{i}/weight"], parts[0], parts[1], params, tuple(entry["trainable"])))
    populations, connections = chain_parts(layers)
    return {
        "inputs": layers[0].inputs,
        "populations": populations,
        "connections": connections,
        "dt": meta["dt"],
        "outputs": (populations[-1].name,),
        "notes": meta["notes"],
        "encoder": meta["encoder"],
    }
