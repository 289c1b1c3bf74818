"""What a run recorded, where it comes from, and its file.

A trace by itself is arrays. Its `Origin` says what they are: integers or real numbers, in which scale, of which
samples, and how many steps each layer runs behind float time, so that `hypr_neuro.comparing.diff` can set traces of
different executors beside each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.store import load_arrays, save_arrays
from hypr_neuro.graph.integer import IntegerNetwork, Synapses, as_integer
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.run.recorded import recorded_shapes
from hypr_neuro.shown import Shown, as_html

KIND = "hypr-neuro trace"
REMEDY = "`hypr-neuro simulate NETWORK --trace FILE` writes one"
FLOAT, INTEGER = "float", "integer"
SPIKES, CURRENT = "spikes", "current"
"""Names of what is no state; a neuron of several currents has "current0", "current1", …"""


@dataclass(frozen=True)
class Link:
    """A connection: what `source` (a layer or "input") sends in step t arrives at `target` in t + lag, for each lag."""

    source: str
    target: str
    lags: tuple[int, ...]


@dataclass(frozen=True)
class Origin:
    """Where a trace comes from.

    Attributes
    ----------
    arithmetic
        "float" or "integer".
    device
        What ran it, such as "float", "sim" or "lava".
    layers
        Names in the order in which a step computes them.
    network
        sha256 of the network's numbers, "" if unknown.
    latency
        By layer, steps behind float time: step k of its arrays is float step k - latency; 0 if not named.
    state_scale, current_scale
        By layer, state_int = state · state_scale, current_int = current · current_scale; a layer of integers without
        them has no real units.
    links
        The connections.
    samples
        Number of each sample in its data; None: 0, 1, 2, …
    spiking
        Layers whose output is spikes, which have no scale.
    outputs
        Layers that give the readout, side by side, with their neurons; () for the last layer alone.
    dt
        Seconds of a step, None if unknown.
    """

    arithmetic: str
    device: str
    layers: tuple[str, ...]
    network: str = ""
    latency: Mapping[str, int] = field(default_factory=dict)
    state_scale: Mapping[str, float] = field(default_factory=dict)
    current_scale: Mapping[str, float] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    samples: tuple[int, ...] | None = None
    spiking: tuple[str, ...] = ()
    outputs: tuple[tuple[str, int], ...] = ()
    dt: float | None = None

    def __post_init__(self) -> None:
        if self.arithmetic not in (FLOAT, INTEGER):
            raise InputError(f"arithmetic = {self.arithmetic!r}, rule: '{FLOAT}' or '{INTEGER}'")
        if not self.layers or len(set(self.layers)) != len(self.layers):
            raise InputError(f"layers {self.layers}, rule: at least one, names differ")
        for layer, steps in self.latency.items():
            if not isinstance(steps, int) or steps < 0:
                raise InputError(f"latency of {layer} = {steps}, rule: whole steps, at least 0")
        for name, scales in (("state_scale", self.state_scale), ("current_scale", self.current_scale)):
            for layer, scale in scales.items():
                if not 0 < scale < float("inf"):
                    raise InputError(f"{name} of {layer} = {scale}, rule: above 0, finite")
        if not {name for name, _ in self.outputs} <= set(self.layers) or any(size < 1 for _, size in self.outputs):
            raise InputError(f"outputs {self.outputs}, rule: layers, of at least one neuron each")
        if self.samples is not None and len(set(self.samples)) != len(self.samples):
            raise InputError("samples: a number occurs twice, rule: each sample has a number of its own")
        if self.dt is not None and not 0 < self.dt < float("inf"):
            raise InputError(f"dt = {self.dt}, rule: above 0 s, finite")

    def scale(self, layer: str, what: str) -> float | None:
        """Return integer units of one real unit of a state, a current or the output: 1 in float, None if unknown."""
        if self.arithmetic == FLOAT:
            return 1.0
        return (self.current_scale if what.startswith(CURRENT) else self.state_scale).get(layer)


@dataclass
class Trace:
    """What a simulation recorded; device time, arrays (T + latency, sample, neuron).

    Attributes
    ----------
    readout : (sample, T, outputs)
        Already shifted back to float time; of no outputs where nobody recorded it.
    spikes
        By layer name (hidden layers).
    states
        By layer name, then state name, or "current".
    events
        By layer name, {name: count}.
    rates
        Mean spikes a neuron and step, by layer name.
    synaptic_operations
        Weights read for a spike, over the whole run.
    origin
        What the numbers are, None if nobody said (`with_origin`).
    input : (sample, T, channel)
        If it was recorded.
    """

    readout: Array
    spikes: dict[str, Array]
    states: dict[str, dict[str, Array]]
    events: dict[str, dict[str, int]]
    rates: dict[str, float]
    synaptic_operations: int
    origin: Origin | None = None
    input: Array | None = None

    def table(self) -> Shown:
        """Return the rate of each population, spikes a neuron and step."""
        return Shown(repr(self), ("population", "rate"), [(name, f"{rate:.3g}") for name, rate in self.rates.items()])

    _repr_html_ = as_html

    def __repr__(self) -> str:
        """Tell what was recorded and the rates, not the numbers."""
        rates = ", ".join(f"'{name}' {rate:.3g}" for name, rate in self.rates.items())
        device = "" if self.origin is None else f" on {self.origin.device}"
        return (
            f"Trace({recorded_shapes(self.readout, self.spikes, self.states)}{device}; "
            f"spikes a neuron and step: {rates or 'none counted'})"
        )

    def check(self, where: str = "trace") -> None:
        """Raise InputError, naming the array, unless shapes go together and all values are numbers."""
        if self.readout.ndim != 3:
            raise InputError(f"{where}: readout of shape {self.readout.shape}, rule: (sample, T, outputs)")
        samples, steps = self.readout.shape[:2]
        if self.input is not None and (self.input.ndim != 3 or self.input.shape[:2] != (samples, steps)):
            raise InputError(
                f"{where}: input of shape {self.input.shape}, rule: ({samples}, {steps}, channel) as the "
                f"readout {self.readout.shape}"
            )
        for layer, quantity, array in self.recorded():
            if array.ndim != 3 or array.shape[1] != samples or array.shape[0] < steps:
                raise InputError(
                    f"{where}: {layer}, {quantity} of shape {array.shape}, rule: ({steps} steps or more, "
                    f"{samples} samples, neuron) as the readout {self.readout.shape}"
                )
        arrays = {f"{layer}, {quantity}": array for layer, quantity, array in self.recorded()} | {
            "readout": self.readout
        }
        for name, array in (arrays if self.input is None else arrays | {"input": self.input}).items():
            # a readout without outputs was not recorded; it still says how many samples and steps there are
            if array.dtype.kind not in "biuf" or 0 in (array.shape[:2] if name == "readout" else array.shape):
                raise InputError(f"{where}: {name} is {array.dtype} of shape {array.shape}, rule: numbers, not empty")
        outputs = self.origin.outputs if self.origin is not None else ()
        if outputs and sum(size for _, size in outputs) != self.readout.shape[2]:
            raise InputError(f"{where}: readout of shape {self.readout.shape}, rule: those of {outputs} side by side")
        if self.origin is not None and self.origin.samples is not None and len(self.origin.samples) != samples:
            raise InputError(f"{where}: {len(self.origin.samples)} sample numbers, {samples} samples, rule: as many")

    def recorded(self) -> list[tuple[str, str, Array]]:
        """Return (layer, state name, "current" or "spikes", array) of all recorded for each step, the readout apart."""
        states = [(layer, quantity, a) for layer, by_name in self.states.items() for quantity, a in by_name.items()]
        return states + [(layer, SPIKES, a) for layer, a in self.spikes.items()]

    def save(self, path: str | Path) -> None:
        """Write an HDF5 file that `load` reads back equal; spikes and input in the narrowest integer type."""
        self.check()
        arrays = {"readout": self.readout}
        if self.input is not None:
            arrays["input"] = narrowed(self.input)
        names: dict[str, Any] = {"spikes": list(self.spikes), "states": [[k, list(v)] for k, v in self.states.items()]}
        arrays |= {f"spikes/{i}": narrowed(a) for i, a in enumerate(self.spikes.values())}
        arrays |= {
            f"states/{i}/{j}": a
            for i, by_name in enumerate(self.states.values())
            for j, a in enumerate(by_name.values())
        }
        counted = {
            "events": list(self.events.items()),
            "rates": list(self.rates.items()),
            "synaptic_operations": self.synaptic_operations,
        }
        origin = None if self.origin is None else asdict(self.origin)
        save_arrays(path, KIND, names | counted | {"origin": origin}, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read a file of `save`; raise FileFormatError for a damaged file or one of another kind."""
        try:
            meta, arrays = load_arrays(path, KIND)
        except FileFormatError as error:
            raise FileFormatError(f"{error}; {REMEDY}") from error
        try:
            spikes = {name: arrays[f"spikes/{i}"] for i, name in enumerate(meta["spikes"])}
            states = {
                name: {state: arrays[f"states/{i}/{j}"] for j, state in enumerate(state_names)}
                for i, (name, state_names) in enumerate(meta["states"])
            }
            trace = cls(
                readout=arrays["readout"],
                spikes=spikes,
                states=states,
                events=dict(meta["events"]),
                rates=dict(meta["rates"]),
                synaptic_operations=meta["synaptic_operations"],
                origin=loaded_origin(meta["origin"]),
                input=arrays.get("input"),
            )
            trace.check()
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise FileFormatError(f"file '{path}': {type(error).__name__} {error}; {REMEDY}") from error
        return trace


def loaded_origin(entry: dict[str, Any] | None) -> Origin | None:
    """Return an origin from plain data, as `asdict` and JSON leave it; None of None."""
    if entry is None:
        return None
    links = tuple(Link(e["source"], e["target"], tuple(e["lags"])) for e in entry["links"])
    samples = None if entry["samples"] is None else tuple(entry["samples"])
    names = {key: tuple(entry.get(key, ())) for key in ("layers", "spiking")}
    outputs = tuple((str(name), int(size)) for name, size in entry.get("outputs", ()))
    return Origin(**entry | names | {"links": links, "samples": samples, "outputs": outputs})


def narrowed(array: Array) -> Array:
    """Return integers in the narrowest signed type that holds them all; real numbers as they are."""
    if array.dtype.kind == "b":
        return array.astype(np.int8)
    if array.dtype.kind not in "iu" or not array.size:
        return array
    low, high = int(array.min()), int(array.max())
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind, copy=False)
    return array


def with_origin(
    trace: Trace,
    network: QuantizedNetwork | IntegerNetwork | Network,
    x: Array | None = None,
    *,
    device: str = "",
    samples: Sequence[int] | None = None,
) -> Trace:
    """Return the same arrays, not copied, with what they are.

    Parameters
    ----------
    trace
        What was recorded.
    network
        What ran.
    x : (sample, T, channel)
        Its input, to store it with the trace.
    device
        "float" or "sim" if not given.
    samples
        Number of each sample in its data; two traces are compared on the numbers that both have.
    """
    numbers = None if samples is None else tuple(int(i) for i in samples)
    if isinstance(network, Network):
        origin = float_origin(network, device, numbers)
    else:
        origin = integer_origin(network, device, numbers)
    described = replace(trace, origin=origin, input=trace.input if x is None else np.asarray(x))
    described.check()
    return described


def float_origin(net: Network, device: str = "", samples: tuple[int, ...] | None = None) -> Origin:
    """Return the origin of a float run: no latency, real units."""
    links = tuple(Link(c.source, c.target, (net.lag(c),)) for c in net.connections)
    return Origin(
        FLOAT,
        device or FLOAT,
        tuple(p.name for p in net.populations),
        net.digest(),
        links=links,
        samples=samples,
        spiking=_spiking(net),
        outputs=tuple((name, net.population(name).size) for name in net.outputs),
        dt=net.dt,
    )


def integer_origin(
    network: QuantizedNetwork | IntegerNetwork,
    device: str = "",
    samples: tuple[int, ...] | None = None,
) -> Origin:
    """Return the origin of an integer run; an `IntegerNetwork` knows no real units.

    Latency is that of `graph.clock`.
    """
    integers, _ = as_integer(network)
    latency = dict(integers.clock.latencies)
    states, currents = {}, {}
    if isinstance(network, QuantizedNetwork):
        states = {p.name: p.state_scale for p in network.populations}
        currents = {p.name: p.current_scale for p in network.populations}
    links = tuple(Link(c.source, c.target, tuple(integers.lag(c, d) for d in _delays(c))) for c in integers.synapses)
    names = tuple(p.name for p in integers.populations)
    return Origin(
        arithmetic=INTEGER,
        device=device or "sim",
        layers=names,
        network=integers.digest(),
        latency=latency,
        state_scale=states,
        current_scale=currents,
        links=links,
        samples=samples,
        spiking=_spiking(integers),
        outputs=tuple((p.name, p.size) for name in integers.outputs for p in integers.populations if p.name == name),
        dt=network.dt if isinstance(network, QuantizedNetwork) else None,
    )


def _spiking(network: IntegerNetwork | Network) -> tuple[str, ...]:
    return tuple(p.name for p in network.populations if not p.model.readout)


def _delays(c: Synapses) -> list[int]:
    values: Any = c.delays
    if not isinstance(values, int):
        return [int(d) for d in np.unique(values.data if c.sparse else values)]
    return [values]
