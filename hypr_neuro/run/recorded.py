"""What a run of a float network records, and the input that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hypr_neuro.errors import InputError, among
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import names, require_finite
from hypr_neuro.run.forward import FloatType

SPIKES, CURRENT = "spikes", "current"


@dataclass
class FloatRun:
    """What a run recorded, float time: readout (sample, T, outputs), other arrays (T, sample, n) by population.

    Attributes
    ----------
    readout : (sample, T, outputs)
        Of the network.
    spikes
        Outputs of populations that spike.
    states
        By population, then by state or "current"; of a model with several input currents "current0", "current1", …
    counts
        By population, outputs of each sample (sample,) that are not 0.
    fired
        Likewise, how many spikes these are: more than `counts` where a neuron sends several in a step.
    """

    readout: Array
    spikes: dict[str, Array] = field(default_factory=dict)
    states: dict[str, dict[str, Array]] = field(default_factory=dict)
    counts: dict[str, Array] = field(default_factory=dict)
    fired: dict[str, Array] = field(default_factory=dict)

    def count(self, population: FloatPopulation, samples: slice, outputs: Array, axes: tuple[int, ...]) -> None:
        """Add outputs of some samples to `counts` and `fired`; `axes` are those of steps and neurons."""
        name, sent = population.name, np.count_nonzero(outputs, axis=axes)
        self.counts[name][samples] += sent
        if name in self.fired:
            several = bool(population.model.most_spikes)
            self.fired[name][samples] += outputs.sum(axis=axes, dtype=np.float64).astype(np.int64) if several else sent

    def __repr__(self) -> str:
        """Tell what was recorded, not the numbers."""
        return f"FloatRun({recorded_shapes(self.readout, self.spikes, self.states)})"


def recorded_shapes(readout: Array, spikes: Mapping[str, Array], states: Mapping[str, Mapping[str, Array]]) -> str:
    """Tell the shape of a readout, and whose spikes and states there are."""
    quantities = [f"spikes of {', '.join(spikes)}"] if spikes else []
    quantities += [f"{', '.join(arrays)} of {name}" for name, arrays in states.items() if arrays]
    return "; ".join([f"readout of shape {readout.shape}", *quantities])


def checked_input(net: Network, x: Array) -> Array:
    """Return x as numbers (sample, T, channel); raise InputError."""
    data = np.asarray(x)
    shapes = {(net.inputs,), tuple(net.input_shape)}
    if data.ndim < 3 or data.shape[2:] not in shapes or 0 in data.shape or data.dtype.kind not in "biuf":
        rule = " or ".join(f"(sample, T, {', '.join(map(str, s))})" for s in sorted(shapes, key=len))
        raise InputError(f"x is {data.dtype} of shape {data.shape}, rule: numbers {rule} for this network, no length 0")
    require_finite("x", data)
    return data.reshape(*data.shape[:2], net.inputs)


def recordable(population: FloatPopulation) -> list[str]:
    """Return what `record` may name of a population."""
    return [
        *population.model.state_names,
        *current_names(population.model),
        *([] if population.model.readout else [SPIKES]),
    ]


def current_names(model: NeuronModel) -> list[str]:
    """Return what a record calls the model's input currents, in their order."""
    return [CURRENT] if model.currents == 1 else [f"{CURRENT}{k}" for k in range(model.currents)]


def reserved(net: Network, record: Sequence[str], samples: int, steps: int, dtype: FloatType) -> FloatRun:
    """Make room for what is recorded; raise InputError for an unknown name."""
    record = names("record", record)
    known = {name for p in net.populations for name in recordable(p)}
    exact = {f"{p.name}/{name}" for p in net.populations for name in recordable(p)}
    for requested in record:
        if requested not in known | exact | {SPIKES}:  # a network of readouts alone has no spikes to keep
            raise InputError(f"record: unknown {among(requested, sorted(known))}, of one population: {min(exact)}")
    recorded = FloatRun(
        np.empty((samples, steps, net.output_size), dtype),
        counts={p.name: np.zeros(samples, np.int64) for p in net.populations},
        fired={p.name: np.zeros(samples, np.int64) for p in net.populations if not p.model.readout},
    )
    for p in net.populations:
        for name in recordable(p):
            if name not in record and f"{p.name}/{name}" not in record:
                continue
            if name == SPIKES:
                recorded.spikes[p.name] = np.empty((steps, samples, p.size), np.int8)
            else:
                recorded.states.setdefault(p.name, {})[name] = np.empty((steps, samples, p.size), dtype)
    return recorded
