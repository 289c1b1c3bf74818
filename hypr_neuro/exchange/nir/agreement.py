"""How far the graph of standard nodes strays from the network that it was written from, measured.

Both run on the same input, each from zero states, as another program would: forward Euler, reset to zero. By spiking
node, over samples, steps and neurons:

    equal        share of entries (spike or none) that agree
    coincidence  2 |A and B| / (|A| + |B|) of the spikes A and B, 1 where neither has one
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.import_graph import import_foreign
from hypr_neuro.exchange.nir.nodes import KEY
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.graph_forward import run_graph

SAMPLES, STEPS, RATE, SEED = 8, 128, 0.1, 0
RANDOM = f"{SAMPLES} samples of {STEPS} steps, random spikes, rate {RATE}, seed {SEED}"
DIGITS = 4
"""Figures are rounded, so that another machine's last bit does not change a file."""


def random_input(channels: int) -> Array:
    """Return spikes (sample, T, channel) for a network of which no data are given."""
    return (np.random.default_rng(SEED).random((SAMPLES, STEPS, channels)) < RATE).astype(np.int8)


def spike_agreement(
    exact: Network, standard: nir.NIRGraph, names: Mapping[str, str], x: Array | None
) -> dict[str, dict[str, Any]]:
    """Return by spiking node: "equal", "coincidence", "rate" of the network, "rate_standard" and "input".

    Empty where the standard nodes cannot run with the network's dt.

    Parameters
    ----------
    exact
        The network.
    standard
        The nodes that other programs run.
    names
        Node of each population of `exact`.
    x : (sample, T, channel)
        Samples; random spikes if None.
    """
    data = random_input(exact.inputs) if x is None else np.asarray(x)
    origin = RANDOM if x is None else f"{data.shape[0]} given samples of {data.shape[1]} steps"
    try:
        imported = import_foreign(_without_metadata(standard), {"dt": exact.dt, "reset": "zero"}, "NIR graph").graph
    except InputError:
        return {}
    ours, theirs = run_graph(exact, data), run_graph(imported, data)
    agreement = {}
    for population, node in names.items():
        if population in ours.spikes and node in theirs.spikes:
            a, b = ours.spikes[population] != 0, theirs.spikes[node] != 0
            agreement[node] = _measure(a, b) | {"input": origin}
    return agreement


def _measure(a: Array, b: Array) -> dict[str, float]:
    """Return the figures of two rasters of spikes."""
    spikes = int(a.sum()) + int(b.sum())
    coincidence = 2.0 * float(np.sum(a & b)) / spikes if spikes else 1.0
    figures = {
        "equal": float(np.mean(a == b)),
        "coincidence": coincidence,
        "rate": float(a.mean()),
        "rate_standard": float(b.mean()),
    }
    return {name: round(value, DIGITS) for name, value in figures.items()}


def _without_metadata(graph: nir.NIRGraph) -> nir.NIRGraph:
    """Return the same nodes as another program sees them; arrays are shared."""
    nodes = {}
    for name, node in graph.nodes.items():
        copy = object.__new__(type(node))
        copy.__dict__.update(node.__dict__)
        copy.metadata = {key: value for key, value in node.metadata.items() if key != KEY}
        nodes[name] = copy
    return nir.NIRGraph(nodes, list(graph.edges), type_check=False)
