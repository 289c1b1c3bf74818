"""Traces as files of NIR's data format: a node of the network's NIR graph each, with what was recorded of it.

The nodes have the names that `write_nir` gives them, so that `nir.NIRGraphData.check_nodes` takes the two together.
Spikes are events or a grid of booleans, states and the readout are grids. Beside them, in the dataset "hypr_neuro" of
the file, stands as JSON what the format has no place for, and with which `read_trace` gives back the same trace.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.data_grid import events_of
from hypr_neuro.exchange.nir.nodes import KEY
from hypr_neuro.exchange.nir.write_graph import UNSAFE, nodes_of, output_nodes
from hypr_neuro.files.store import sealed, write_atomically
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.kinds import require
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_path
from hypr_neuro.traces.trace import SPIKES, Trace

VERSION = 1
EVENTS, GRID = "events", "grid"
READOUT, VALUES = "readout", "values"
"""Observables of output nodes, and of an input that is no spikes."""


def write_trace(trace: Trace, path: str | Path, *, spikes: str = EVENTS) -> None:
    """Write a trace in NIR's data format, whole or not at all; `read_trace` gives it back equal.

    Times are seconds, of the device's steps; they count steps where the trace's origin does not say its dt.

    Parameters
    ----------
    trace
        What was recorded.
    path
        File to write.
    spikes
        "events", a time for each spike, or "grid", a boolean for each step.

    Raises
    ------
    InputError
        For a trace whose arrays do not go together, names that HDF5 cannot hold, and a path that cannot be written.
    """
    require("trace", trace, Trace)
    require_path("path", path, "the NIR file to write")
    data, entry = trace_data(trace, spikes=spikes)
    # in memory first: HDF5 2.0.0 crashes the program when the disk is full
    buffer = io.BytesIO()
    nir.write_data(buffer, data)
    import h5py

    with h5py.File(buffer, "r+") as file:
        file.create_dataset(KEY, data=json.dumps(entry, sort_keys=True), dtype=h5py.string_dtype())
    content = sealed(buffer.getvalue())
    write_atomically(Path(path), lambda temporary: _write_bytes(temporary, content))


def _write_bytes(path: Path, content: bytes) -> None:
    """Write bytes to a file."""
    path.write_bytes(content)


def trace_data(trace: Trace, *, spikes: str = EVENTS) -> tuple[nir.NIRGraphData, dict[str, Any]]:
    """Return the trace as data of the package `nir`, and what stands beside them; arguments as of `write_trace`."""
    if spikes not in (EVENTS, GRID):
        raise InputError(f"spikes = {spikes!r}, rule: '{EVENTS}' or '{GRID}'")
    trace.check()
    return _DataWriter(trace, spikes).write()


class _DataWriter:
    """Write one trace, array by array."""

    def __init__(self, trace: Trace, spikes: str) -> None:
        self.trace, self.spikes = trace, spikes
        named = [layer for layer, _, _ in trace.recorded()]
        layers = list(dict.fromkeys([*(trace.origin.layers if trace.origin else ()), *named]))
        self.outputs = self._outputs(layers)
        self.nodes = nodes_of(layers, max(1, len(self.outputs)))
        dt = None if trace.origin is None else trace.origin.dt
        self.unit, self.dt = ("steps", 1.0) if dt is None else ("seconds", dt)
        self.observables: dict[str, dict[str, Any]] = {}

    def _outputs(self, layers: list[str]) -> tuple[tuple[str, int], ...]:
        """Return name and neurons of the layers whose outputs stand side by side in the readout."""
        size, origin = self.trace.readout.shape[2], self.trace.origin
        if not size:
            return ()
        return (origin.outputs if origin else ()) or ((layers[-1] if layers else READOUT, size),)

    def write(self) -> tuple[nir.NIRGraphData, dict[str, Any]]:
        """Return data and what stands beside them."""
        trace = self.trace
        entry: dict[str, Any] = {
            "version": VERSION,
            "time": self.unit,
            "dt": self.dt,
            "origin": None if trace.origin is None else asdict(trace.origin),
            "events": list(trace.events.items()),
            "rates": list(trace.rates.items()),
            "synaptic_operations": trace.synaptic_operations,
            "spikes": [self._put(layer, SPIKES, z, fired=True) for layer, z in trace.spikes.items()],
            "states": [
                [layer, [self._put(layer, state, a) for state, a in states.items()]]
                for layer, states in trace.states.items()
            ],
            "input": None if trace.input is None else self._put_input(trace.input),
            "outputs": self._put_outputs(),
            "readout": [trace.readout.dtype.str, list(trace.readout.shape)],
        }
        nodes = {name: nir.NIRNodeData(observables) for name, observables in self.observables.items()}
        return nir.NIRGraphData(nodes), entry

    def _put(self, layer: str, quantity: str, array: Array, *, fired: bool = False) -> list[str]:
        """Add an array (step, sample, neuron); return its layer, name, node, observable and type."""
        node, observable = self.nodes[layer], UNSAFE.sub("_", quantity) or "state"
        self._add(node, observable, array.transpose(1, 0, 2), fired)
        return [layer, quantity, node, observable, array.dtype.str]

    def _put_input(self, x: Array) -> list[str]:
        fired = x.dtype.kind in "biu" and bool(np.all((x == 0) | (x == 1)))
        observable = SPIKES if fired else VALUES
        self._add(INPUT, observable, x, fired)
        return [INPUT, observable, x.dtype.str]

    def _put_outputs(self) -> list[list[str]]:
        """Add the readout, a node an output; return the nodes in their order."""
        first, added = 0, []
        for node, (_, size) in zip(output_nodes(len(self.outputs)), self.outputs, strict=True):
            self._add(node, READOUT, self.trace.readout[:, :, first : first + size], fired=False)
            added.append([node, READOUT])
            first += size
        return added

    def _add(self, node: str, observable: str, grid: Array, fired: bool) -> None:
        """Add (sample, step, neuron) to a node."""
        observables = self.observables.setdefault(node, {})
        if observable in observables:
            raise InputError(f"'{node}' has two arrays '{observable}', rule: names that differ in more than / and .")
        if fired and grid.dtype.kind in "biu":
            binary = bool(np.all((grid == 0) | (grid == 1)))
            if self.spikes == EVENTS:
                observables[observable] = events_of(grid, self.dt)
                return
            grid = grid.astype(bool) if binary else grid
        observables[observable] = nir.TimeGriddedData(np.ascontiguousarray(grid), self.dt)
