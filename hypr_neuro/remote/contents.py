"""Networks, samples, traces and what a chip holds as plain data and arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import parse_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.network_file import contents, fields_of
from hypr_neuro.remote.packing import Content
from hypr_neuro.sim.learning.chip_learner import LearnCounts, LearnSample, Numbers
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.traces.trace import Trace, narrowed

ARRAYS = ("x", "label", "scored", "values", "errors")
"""Of a sample."""


def network_out(network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None) -> Content:
    """Return a network and how it learns."""
    if isinstance(network, QuantizedNetwork):
        meta, arrays = contents(network)
    else:
        meta, arrays = network.contents()
        meta = meta | {"notes": network.notes}
    kind = "quantized" if isinstance(network, QuantizedNetwork) else "integer"
    return {"kind": kind, "network": meta, "options": None if options is None else options.described()}, arrays


def network_in(meta: Mapping[str, Any], arrays: dict[str, Array]) -> tuple[Any, LearnOptions | None]:
    """Return what `network_out` was given; InputError for what is none."""
    try:
        entry = meta["network"]
        if meta["kind"] == "quantized":
            profile = parse_profile(entry["profile"], "the network's profile")
            network: Any = QuantizedNetwork(**fields_of(entry, arrays, profile))
        else:
            network = IntegerNetwork.from_contents(entry, arrays)
        return network, None if meta["options"] is None else LearnOptions.from_described(meta["options"])
    except HyprError:
        raise
    except Exception as error:
        raise InputError(f"network: {type(error).__name__} {error}; send what a network's contents are") from error


def samples_out(samples: Sequence[LearnSample]) -> Content:
    """Return samples, or parts of a stream; spikes and classes in the narrowest type."""
    arrays: dict[str, Array] = {}
    for i, sample in enumerate(samples):
        for name in ARRAYS:
            array = getattr(sample, name)
            if array is not None:
                arrays[f"{i}/{name}"] = np.asarray(array) if name == "scored" else narrowed(np.asarray(array))
    return {"rates": [list(sample.rates) for sample in samples]}, arrays


def sample_in(rates: Sequence[int], arrays: Mapping[str, Array]) -> LearnSample:
    """Return one sample of its rates and its own arrays, by name."""
    wide = {name: a if name == "scored" else a.astype(np.int64) for name, a in arrays.items()}
    if "x" not in wide or "scored" not in wide or len(rates) != 2:
        raise InputError("sample without x, scored steps or its two rates; send all three")
    return LearnSample(
        wide["x"], wide.get("label"), wide["scored"], (rates[0], rates[1]), wide.get("values"), wide.get("errors")
    )


def trace_out(trace: Trace) -> Content:
    """Return what was recorded."""
    arrays = {"readout": trace.readout}
    arrays |= {f"spikes/{i}": a for i, a in enumerate(trace.spikes.values())}
    arrays |= {f"states/{i}/{j}": a for i, by in enumerate(trace.states.values()) for j, a in enumerate(by.values())}
    meta = {
        "spikes": list(trace.spikes),
        "states": [[layer, list(by_name)] for layer, by_name in trace.states.items()],
        "events": trace.events,
        "rates": trace.rates,
        "operations": int(trace.synaptic_operations),
    }
    return meta, arrays


def trace_in(meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> Trace:
    """Return the trace of `trace_out`."""
    return Trace(
        readout=arrays["readout"],
        spikes={name: arrays[f"spikes/{i}"] for i, name in enumerate(meta["spikes"])},
        states={
            layer: {name: arrays[f"states/{i}/{j}"] for j, name in enumerate(names)}
            for i, (layer, names) in enumerate(meta["states"])
        },
        events=meta["events"],
        rates=meta["rates"],
        synaptic_operations=meta["operations"],
    )


def numbers_out(numbers: Mapping[str, Mapping[str, Array]]) -> Content:
    """Return what a chip holds."""
    names = {kind: list(by_name) for kind, by_name in numbers.items()}
    return {"names": names}, {f"{k}/{i}": a for k, by in numbers.items() for i, a in enumerate(by.values())}


def numbers_in(meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> Numbers:
    """Return the numbers of `numbers_out`."""
    return {kind: {n: arrays[f"{kind}/{i}"] for i, n in enumerate(names)} for kind, names in meta["names"].items()}


def counts_out(counts: LearnCounts) -> dict[str, Any]:
    """Return counts as plain data."""
    plain = asdict(counts)
    return {k: {n: int(v) for n, v in x.items()} if isinstance(x, dict) else int(x) for k, x in plain.items()}
