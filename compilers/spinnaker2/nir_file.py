"""A NIR file that py-spinnaker2 reads, and the settings that its reader needs.

According to its source, py-spinnaker2 (`spinnaker2.s2_nir`) reads the nodes Input, Output, LIF, IF, CubaLIF, Affine,
Linear, Conv2d, pooling and Flatten. Each weight node must stand between two nodes that send spikes. It raises
NotImplementedError for LI, so the file leaves the readout out. Whatever NIR does not say is given by
`s2_nir.ConversionConfig(dt, output_record, conn_delay, scale_weights, integrator, reset)`. Its defaults (dt = 1, a
delay of one step, unscaled weights, exponential Euler, reset by subtraction) are wrong for these files.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import nir

from hypr_neuro.exchange.nir.write import to_graph
from hypr_neuro.files.store import write_atomically
from hypr_neuro.quantizing.network import QuantizedNetwork

NIR_FILE = "spinnaker2.nir"
READABLE = (nir.Input, nir.Output, nir.LIF, nir.IF, nir.CubaLIF, nir.Affine, nir.Linear)
NOTE = (
    "floating-point numbers that the integers stand for; py-spinnaker2 rounds them anew, so its spikes can differ "
    "from those of the C programs; the readout is computed on the host from recorded spikes"
)
NEURONS = (nir.LIF, nir.IF, nir.CubaLIF)


def write_readable(qnet: QuantizedNetwork, folder: Path) -> dict[str, Any]:
    """Write the spiking layers as `NIR_FILE`, if py-spinnaker2 has their neurons; return the manifest's entry."""
    reason = _reason(qnet)
    if reason is not None:
        return {"file": None, "reason": reason}
    spiking = without_readout(to_graph(qnet)[0])
    buffer = io.BytesIO()
    nir.write(buffer, spiking)
    write_atomically(folder / NIR_FILE, lambda path: _write(path, buffer.getvalue()))
    return {
        "file": NIR_FILE,
        "reason": None,
        "reader": "spinnaker2.s2_nir.from_nir(graph, ConversionConfig(…))",
        "config": settings(qnet),
        "left_out": [qnet.name(len(qnet.layers) - 1)],
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


def _resets(qnet: QuantizedNetwork) -> list[str]:
    """Return the reset of each spiking layer."""
    return ["SUBTRACT" if layer.constant("subtract") else "ZERO" for layer in qnet.layers[:-1]]


def _reason(qnet: QuantizedNetwork) -> str | None:
    """Return why there is no file for py-spinnaker2, or None."""
    if not qnet.is_chain:
        return "the network is no chain of layers, of which alone the file is written; the C programs hold all of it"
    for i, layer in enumerate(qnet.layers[:-1]):
        if layer.model.name != "lif":
            return f"{qnet.name(i)}: neuron '{layer.model.name}'; py-spinnaker2's NIR reader takes LIF, IF and CubaLIF"
    if len(set(_resets(qnet))) > 1:
        return "layers reset to zero and by subtraction; py-spinnaker2's NIR reader takes one reset for all"
    return None


def without_readout(graph: nir.NIRGraph) -> nir.NIRGraph:
    """Return the graph whose Output reads the last spiking node.

    py-spinnaker2 records the neurons that lead to an Output.
    """
    spiking = [name for name, node in graph.nodes.items() if isinstance(node, NEURONS)]
    readable: dict[str, nir.NIRNode] = {}
    for name, node in graph.nodes.items():
        targets = [b for a, b in graph.edges if a == name]
        into_readout = any(b in graph.nodes and not isinstance(graph.nodes[b], READABLE) for b in targets)
        if isinstance(node, READABLE) and not isinstance(node, nir.Output) and not into_readout:
            readable[name] = node
    last = spiking[-1]
    readable["output"] = nir.Output(graph.nodes[last].output_type)
    edges = [(a, b) for a, b in graph.edges if a in readable and b in readable and b != "output"]
    return nir.NIRGraph(readable, [*edges, (last, "output")])


def _write(path: Path, content: bytes) -> None:
    """Write bytes to a file."""
    path.write_bytes(content)
