"""A NIR file that py-spinnaker2 reads, and the settings that its reader needs.

According to its source, py-spinnaker2 (`spinnaker2.s2_nir`) reads the nodes Input, Output, LIF, IF, CubaLIF, Affine,
Linear, Conv2d, pooling and Flatten. Each weight node must stand between two nodes that send spikes. It refuses
LI, so the file leaves readouts out. Whatever NIR does not say is given by
`s2_nir.ConversionConfig(dt, output_record, conn_delay, scale_weights, integrator, reset)`. Its defaults (dt = 1, a
delay of one step, unscaled weights, exponential Euler, reset by subtraction) are wrong for these files.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import nir

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.write import to_graph
from hypr_neuro.files.store import write_atomically
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedPopulation

NIR_FILE = "spinnaker2.nir"
READABLE = (nir.Input, nir.Output, nir.LIF, nir.IF, nir.CubaLIF, nir.Affine, nir.Linear)
NOTE = (
    "floating-point numbers that the integers stand for; py-spinnaker2 rounds them anew, so its spikes can differ "
    "from those of the C programs; the readout is computed on the host from recorded spikes"
)
NEURONS = (nir.LIF, nir.IF, nir.CubaLIF)


def write_readable(qnet: QuantizedNetwork, folder: Path) -> dict[str, Any]:
    """Write the spiking populations as `NIR_FILE`, if py-spinnaker2 has their nodes; return the manifest's entry."""
    reason = _reason(qnet)
    if reason is not None:
        return {"file": None, "reason": reason}
    try:
        spiking = without_readouts(to_graph(qnet)[0])
    except InputError as error:
        return {"file": None, "reason": str(error)}
    for name, node in spiking.nodes.items():
        if not isinstance(node, READABLE):
            kind = type(node).__name__
            reason = f"node '{name}' is of type {kind}; the models that py-spinnaker2's NIR reader picks have none"
            return {"file": None, "reason": reason}
    buffer = io.BytesIO()
    nir.write(buffer, spiking)
    write_atomically(folder / NIR_FILE, lambda path: _write(path, buffer.getvalue()))
    return {
        "file": NIR_FILE,
        "reason": None,
        "reader": "spinnaker2.s2_nir.from_nir(graph, ConversionConfig(…))",
        "config": settings(qnet),
        "left_out": [p.name for p in qnet.populations if p.model.readout],
        "note": NOTE,
    }


def settings(qnet: QuantizedNetwork) -> dict[str, Any]:
    """Return the arguments of `ConversionConfig` for these files.

    conn_delay is 0, since the models that the reader picks, lif_no_delay and lif_curr_exp_no_delay, have no other.
    scale_weights is set: float weights become int8 only when scaled to [-127, 127].
    """
    return {
        "dt": qnet.dt,
        "output_record": ["spikes"],
        "conn_delay": 0,
        "scale_weights": True,
        "integrator": "IntegratorMethod.FORWARD",
        "reset": f"ResetMethod.{_resets(qnet)[0]}",
    }


def _spiking(qnet: QuantizedNetwork) -> list[QuantizedPopulation]:
    """Return the populations that spike."""
    return [p for p in qnet.populations if not p.model.readout]


def _resets(qnet: QuantizedNetwork) -> list[str]:
    """Return the reset of each population that spikes."""
    return ["SUBTRACT" if p.constant("subtract") else "ZERO" for p in _spiking(qnet)]


def _reason(qnet: QuantizedNetwork) -> str | None:
    """Return why py-spinnaker2 has no neurons for the network, or None."""
    for p in _spiking(qnet):
        if p.model.name != "lif":
            return f"{p.name}: neuron '{p.model.name}'; py-spinnaker2's NIR reader takes LIF, IF and CubaLIF"
    if not _spiking(qnet):
        return "no population spikes; py-spinnaker2's NIR reader takes LIF, IF and CubaLIF"
    if len(set(_resets(qnet))) > 1:
        return "layers reset to zero and by subtraction; py-spinnaker2's NIR reader takes one reset for all"
    return None


def without_readouts(graph: nir.NIRGraph) -> nir.NIRGraph:
    """Return the graph without readouts and what leads to them alone.

    py-spinnaker2 records the neurons that lead to an Output: each that is an output or leads to a readout gets one.
    """
    readouts = {a for a, b in graph.edges if isinstance(graph.nodes[b], nir.Output)}
    gone = {name for name in readouts if not isinstance(graph.nodes[name], NEURONS)}
    gone |= {name for name, node in graph.nodes.items() if isinstance(node, nir.Output)}
    gone |= {b for a, b in graph.edges if a in gone}
    before = 0
    while len(gone) > before:
        before = len(gone)
        for name, node in graph.nodes.items():
            targets = [b for a, b in graph.edges if a == name]
            if targets and not isinstance(node, (*NEURONS, nir.Input)) and gone.issuperset(targets):
                gone.add(name)
    recorded = [name for name in graph.nodes if any(a == name and b in gone for a, b in graph.edges)]
    recorded = [name for name in recorded if isinstance(graph.nodes[name], NEURONS)]
    readable = {name: node for name, node in graph.nodes.items() if name not in gone}
    edges = [(a, b) for a, b in graph.edges if a in readable and b in readable]
    for i, name in enumerate(recorded):
        output = "output" if len(recorded) == 1 else f"output_{i}"
        readable[output] = nir.Output(graph.nodes[name].output_type)
        edges.append((name, output))
    return nir.NIRGraph(readable, edges)


def _write(path: Path, content: bytes) -> None:
    """Write bytes to a file."""
    path.write_bytes(content)
