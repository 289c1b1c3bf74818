"""Traces of random numbers, in which tests plant differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hypr_neuro.comparing.diff import Diff
from hypr_neuro.traces.trace import Link, Origin, Trace

SCALE = 64.0


def made(seed: int, steps: int, samples: int, sizes: tuple[int, ...], delay: int, arithmetic: str = "integer") -> Trace:
    """A trace of random numbers of as many layers as `sizes`, the last one the readout; the same in float time for
    any delay and, in real units, for either arithmetic."""
    rng = np.random.default_rng(seed)
    names = (*(f"layers.{i}" for i in range(len(sizes) - 1)), "readout")
    latency = {name: (i + 1) * delay for i, name in enumerate(names)}
    spikes, states, last = {}, {}, np.empty(0)
    for name, size in zip(names, sizes, strict=True):
        around = ((latency[name], delay * len(sizes) - latency[name]), (0, 0), (0, 0))
        drawn = {s: rng.integers(-500, 500, (steps, samples, size)) for s in ("u", "v")}
        z = rng.integers(0, 2, (steps, samples, size))
        states[name] = {s: in_units(np.pad(a, around), arithmetic) for s, a in drawn.items()}
        if name != "readout":
            spikes[name] = np.pad(z, around).astype(np.int8)
        last = in_units(drawn["v"], arithmetic)
    links = tuple(Link(a, b, (delay,)) for a, b in zip(("input", *names[:-1]), names, strict=True))
    scales = {} if arithmetic == "float" else dict.fromkeys(names, SCALE)
    origin = Origin(arithmetic, "made", names, "", latency, scales, {}, links)
    x = rng.integers(0, 2, (samples, steps, 3)).astype(np.int8)
    return Trace(last.transpose(1, 0, 2), spikes, states, {}, {}, 0, origin, x)


def in_units(a: np.ndarray, arithmetic: str) -> np.ndarray:
    return a / SCALE if arithmetic == "float" else a.astype(np.int32)


def copied(trace: Trace) -> Trace:
    """Arrays of its own, so that a difference can be planted."""
    states = {layer: {s: a.copy() for s, a in by.items()} for layer, by in trace.states.items()}
    return replace(
        trace,
        readout=trace.readout.copy(),
        states=states,
        spikes={layer: a.copy() for layer, a in trace.spikes.items()},
    )


def places(trace: Trace) -> list[tuple[str, str, np.ndarray]]:
    """Every array as (steps, sample, neuron) view."""
    return [*trace.recorded(), (trace.origin.layers[-1], "output", trace.readout.transpose(1, 0, 2))]


def found_at(found: Diff) -> tuple[Any, ...]:
    assert found.first is not None
    return found.first.layer, found.first.what, found.first.step, found.first.sample, found.first.neuron
