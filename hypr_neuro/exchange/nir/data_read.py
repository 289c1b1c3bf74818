"""Files of NIR's data format to traces: equal to what `write_trace` wrote, and recordings of other programs.

Of another program's file, node "input" becomes the trace's input and "output", "output_0", … its readout; other nodes
become layers. Events and booleans are spikes, other grids are states. Time is seconds; events need a dt, which a grid
in the same file says, or the caller.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.nir.data_grid import Events
from hypr_neuro.exchange.nir.data_write import READOUT, VERSION
from hypr_neuro.exchange.nir.files import ATTRIBUTES, one_line, read_tree
from hypr_neuro.exchange.nir.nodes import KEY, naming
from hypr_neuro.exchange.nir.write_graph import nodes_of
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_path
from hypr_neuro.traces.trace import FLOAT, INTEGER, SPIKES, Origin, Trace, loaded_origin

KIND = "__type__"
GRIDDED, EVENT, VALUED = "TimeGriddedData", "EventData", "ValuedEventData"
GRAPH, NODE = "NIRGraphData", "NIRNodeData"
OUTPUT_NODE = re.compile(r"output(_\d+)?$")
DEVICE = "NIR data"
"""What an origin says of a recording of which nobody says on what it was made."""


@dataclass(frozen=True)
class Observable:
    """One array of a file, as it is there.

    Attributes
    ----------
    node, name
        Names of the node, those of graphs inside each other joined with dots, and of what was observed.
    grid : (sample, step, neuron), optional
        None for events.
    dt
        Seconds a step of the grid.
    events
        None for a grid.
    """

    node: str
    name: str
    grid: Array | None = None
    dt: float | None = None
    events: Events | None = None

    @property
    def fired(self) -> bool:
        """Whether it is a list of spikes, or of booleans."""
        return self.events is not None or (self.grid is not None and self.grid.dtype == bool)

    def gridded(self, dt: float) -> Array:
        """Return (sample, step, neuron); dt : seconds a step, which a grid must have."""
        try:
            if self.events is not None:
                return self.events.gridded(dt)
        except FileFormatError as error:
            raise FileFormatError(f"node '{self.node}', '{self.name}': {error}") from error
        assert self.grid is not None
        assert self.dt is not None
        if not np.isclose(self.dt, dt, rtol=1e-6, atol=0.0):
            raise InputError(f"node '{self.node}', '{self.name}': dt = {self.dt:g} s, elsewhere {dt:g} s, rule: one dt")
        return self.grid


def read_trace(path: str | Path, *, dt: float | None = None, like: Origin | None = None) -> Trace:
    """Return the trace in a file of NIR's data format; of `write_trace` the same, of other programs what they recorded.

    Parameters
    ----------
    path
        Of the file.
    dt
        Seconds a step, for events of other programs.
    like
        Origin of a trace that a recording of another program is to be compared with: says dt, which layers nodes stand
        for ("layers_0" for "layers.0") and how wide the outputs are.

    Raises
    ------
    FileFormatError
        For a damaged or altered file, and for one that holds no data of NIR.
    InputError
        For events without dt, and for arrays that do not go together.
    """
    require_path("path", path, "a file of NIR's data format")
    if dt is not None and not 0 < dt < float("inf"):
        raise InputError(f"dt = {dt}, rule: above 0 s, finite")
    with naming(f"file '{path}'"):
        tree = read_tree(Path(path), attributes=True)
        observables = list(_of_graph(tree, "", ""))
        if KEY not in tree:
            return _foreign(observables, dt, like)
        try:
            return _own(json.loads(str(tree[KEY])), observables)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as error:
            raise FileFormatError(f"'{KEY}' is altered ({one_line(error)}); write the file again") from error


def read_input(path: str | Path, *, dt: float | None = None) -> Array:
    """Return the input (sample, T, channel) in a file of NIR's data format, to run a network on.

    It is that of node "input", or of the only node; dt : seconds a step, for events.
    """
    trace = read_trace(path, dt=dt)
    arrays = [a.transpose(1, 0, 2) for _, _, a in trace.recorded()]
    if trace.input is not None:
        return trace.input
    if len(arrays) != 1:
        raise InputError(f"file '{path}' holds {len(arrays)} arrays and no node '{INPUT}', rule: one of that name")
    return arrays[0]


# --- the file


def _of_graph(tree: Any, node: str, where: str) -> Iterator[Observable]:
    """Yield all that was observed in a graph, and in the graphs inside it."""
    _require_kind(tree, where or "the file", GRAPH)
    for name, inner in _groups(tree, "nodes", where):
        full = f"{node}.{name}" if node else name
        if _kind(inner) == GRAPH:
            yield from _of_graph(inner, full, f"node '{full}'")
            continue
        _require_kind(inner, f"node '{full}'", NODE)
        for observable, entries in _groups(inner, "observables", f"node '{full}'"):
            yield _observable(full, observable, entries)


def _kind(entries: Any) -> Any:
    """Return the type that a group states, None where there is none."""
    return entries[ATTRIBUTES].get(KIND) if isinstance(entries, dict) else None


def _require_kind(entries: Any, where: str, *wanted: str) -> str:
    kind = _kind(entries)
    if not isinstance(kind, str) or kind not in wanted:
        raise FileFormatError(
            f"{where} is {kind if isinstance(kind, str) else 'nothing'!r:.40}, rule: {' or '.join(wanted)}; "
            "`nir.write_data` writes one, `hypr-neuro simulate NETWORK --trace FILE.nir`, too"
        )
    return kind


def _groups(entries: Mapping[str, Any], key: str, where: str) -> Iterator[tuple[str, Any]]:
    inner = entries.get(key)
    if not isinstance(inner, dict):
        raise FileFormatError(f"{where or 'the file'} has no group '{key}', rule: one; write it again")
    yield from ((name, entry) for name, entry in inner.items() if name != ATTRIBUTES)


def _observable(node: str, name: str, entries: Any) -> Observable:
    """Return one observable; raise FileFormatError, naming it, for what is none."""
    where = f"node '{node}', '{name}'"
    kind = _require_kind(entries, where, GRIDDED, EVENT, VALUED)
    if kind == GRIDDED:
        grid, dt = _array(entries, "data", where), float(_number(entries, "dt", where))
        if grid.ndim != 3 or 0 in grid.shape or grid.dtype.kind not in "biuf":
            raise FileFormatError(
                f"{where}: data {grid.dtype} of shape {grid.shape}, rule: numbers (sample, step, neuron), not empty"
            )
        if not 0 < dt < float("inf"):
            raise FileFormatError(f"{where}: dt = {dt:g}, rule: above 0 s, finite")
        return Observable(node, name, grid=grid, dt=dt)
    neurons, t_max = _number(entries, "n_neurons", where), float(_number(entries, "t_max", where))
    if neurons != int(neurons):
        raise FileFormatError(f"{where}: n_neurons = {neurons:g}, rule: a whole number")
    value = _array(entries, "value", where) if kind == VALUED else None
    events = Events(_array(entries, "idx", where), _array(entries, "time", where), value, int(neurons), t_max)
    if not len(events.idx):
        raise FileFormatError(f"{where}: no sample, rule: one or more")
    return Observable(node, name, events=events)


def _array(entries: Mapping[str, Any], key: str, where: str) -> Array:
    array = entries.get(key)
    if not isinstance(array, np.ndarray):
        raise FileFormatError(f"{where} has no array '{key}', rule: one; write it again")
    return array


def _number(entries: Mapping[str, Any], key: str, where: str) -> float:
    """Return a number among the attributes of a group."""
    value = np.asarray(entries[ATTRIBUTES].get(key))
    if value.size != 1 or value.dtype.kind not in "iuf" or not np.isfinite(value.item()):
        raise FileFormatError(f"{where}: attribute '{key}' is no finite number, rule: one; write it again")
    number: float = value.item()
    return number


# --- files of `write_trace`


def _own(entry: dict[str, Any], observables: list[Observable]) -> Trace:
    """Return the trace that was written."""
    if entry["version"] != VERSION:
        raise FileFormatError(f"format version {entry['version']}, this program reads {VERSION}")
    held, dt = {(o.node, o.name): o for o in observables}, float(entry["dt"])

    def grid(node: str, name: str, dtype: str) -> Array:
        """Return (sample, step, neuron) in the type in which it was recorded."""
        if (node, name) not in held:
            raise FileFormatError(f"node '{node}' has no '{name}', rule: all that was written; write it again")
        found, wanted = held[node, name].gridded(dt), np.dtype(dtype)
        if wanted.kind not in "biuf" or not np.array_equal(found.astype(wanted), found, equal_nan=wanted.kind == "f"):
            raise FileFormatError(f"node '{node}', '{name}': not the {dtype} that were written; write it again")
        return found.astype(wanted, copy=False)

    def steps(node: str, name: str, dtype: str) -> Array:
        return grid(node, name, dtype).transpose(1, 0, 2)

    dtype, shape = entry["readout"]
    parts = [grid(node, name, dtype) for node, name in entry["outputs"]]
    readout = np.concatenate(parts, axis=2) if parts else np.zeros((*map(int, shape[:2]), 0), dtype)
    if list(readout.shape) != shape:
        raise FileFormatError(f"readout of shape {readout.shape}, written was {shape}; write it again")
    trace = Trace(
        readout=readout,
        spikes={layer: steps(*place) for layer, _, *place in entry["spikes"]},
        states={layer: {state: steps(*place) for _, state, *place in states} for layer, states in entry["states"]},
        events=dict(entry["events"]),
        rates=dict(entry["rates"]),
        synaptic_operations=entry["synaptic_operations"],
        origin=loaded_origin(entry["origin"]),
        input=None if entry["input"] is None else grid(*entry["input"]),
    )
    trace.check()
    return trace


# --- files of other programs


def _foreign(observables: list[Observable], dt: float | None, like: Origin | None) -> Trace:
    """Return what another program recorded, in its own time."""
    if not observables:
        raise InputError("nothing was observed in any node, rule: one observable or more")
    step = _step(observables, dt, like)
    layers = {node: layer for layer, node in nodes_of(like.layers, max(1, len(like.outputs))).items()} if like else {}
    readouts: dict[str, Array] = {}
    spikes: dict[str, Array] = {}
    states: dict[str, dict[str, Array]] = {}
    x = None
    for o in observables:
        grid, beside = o.gridded(step), [other for other in observables if other.node == o.node]
        layer = layers.get(o.node, o.node)
        if o.node == INPUT and x is None:
            x = grid.astype(np.int8) if grid.dtype == bool else grid
        elif OUTPUT_NODE.match(o.node) and (len(beside) == 1 or o.name == READOUT):
            readouts[o.node] = grid.astype(np.int8) if grid.dtype == bool else grid
        elif o.name == SPIKES or (o.fired and sum(other.fired or other.name == SPIKES for other in beside) == 1):
            spikes[layer] = grid.transpose(1, 0, 2).astype(np.int8 if grid.dtype == bool else grid.dtype)
        else:
            states.setdefault(layer, {})[o.name] = grid.transpose(1, 0, 2)
    recorded = [*spikes.values(), *(a for by_name in states.values() for a in by_name.values())]
    readout = _readout(readouts, recorded, x)
    kinds = {a.dtype.kind for a in [*recorded, *readouts.values()]}
    names = tuple(dict.fromkeys([*spikes, *states])) or (READOUT,)
    known = [layer for layer in (like.layers if like else ()) if layer in names]
    ordered = (*known, *(name for name in names if name not in known))
    origin = _origin(FLOAT if "f" in kinds else INTEGER, ordered, tuple(spikes), step, readout, like)
    rates = {layer: float(np.count_nonzero(z) / z.size) for layer, z in spikes.items()}
    trace = Trace(readout, spikes, states, {}, rates, 0, origin, x)
    trace.check("recording")
    return trace


def _step(observables: list[Observable], dt: float | None, like: Origin | None) -> float:
    """Return the seconds of a step: of a grid in the file, else as given, else those of the other trace."""
    known = [o.dt for o in observables if o.dt is not None]
    step = known[0] if known else dt if dt is not None else like.dt if like is not None else None
    if step is None:
        raise InputError("holds events only, rule: a dt that says how long a step is; give dt (--dt), in seconds")
    if dt is not None and not np.isclose(step, dt, rtol=1e-6, atol=0.0):
        raise InputError(f"dt = {dt:g} s, the file says {step:g} s; leave dt out")
    return step


def _readout(readouts: Mapping[str, Array], recorded: list[Array], x: Array | None) -> Array:
    """Return the outputs side by side, of no outputs where none was recorded."""
    if readouts:
        parts = [readouts[name] for name in sorted(readouts)]
        if len({a.shape[:2] for a in parts}) > 1:
            raise InputError(f"outputs of shapes {[a.shape for a in parts]}, rule: as many samples and steps")
        return np.concatenate(parts, axis=2)
    if recorded:
        return np.zeros((recorded[0].shape[1], min(map(len, recorded)), 0))
    assert x is not None
    return np.zeros((*x.shape[:2], 0))


def _origin(
    arithmetic: str, layers: tuple[str, ...], spiking: tuple[str, ...], dt: float, readout: Array, like: Origin | None
) -> Origin:
    """Return what is known of a recording; its outputs are those of `like` where they are as wide."""
    outputs = like.outputs if like is not None else ()
    if not readout.shape[2] or sum(size for _, size in outputs) != readout.shape[2]:
        outputs = ()
    if readout.shape[2]:
        last = [name for name, _ in outputs] or [READOUT]
        layers = (*(name for name in layers if name not in last), *last)
    return Origin(arithmetic, DEVICE, layers, spiking=spiking, outputs=outputs, dt=dt)
