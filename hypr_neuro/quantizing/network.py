"""The network in integers with all that a device and a study need beside them: scales, ψ tables, profile, record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError, among
from hypr_neuro.files.store import save_arrays
from hypr_neuro.graph.clock import INPUT, Clock, layer_name
from hypr_neuro.graph.encoder import check_encoder
from hypr_neuro.graph.ends import check_populations
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.graph.tables import network_table
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.levels import top_of
from hypr_neuro.quantizing.network_file import KIND, contents, load_network
from hypr_neuro.quantizing.parts import (
    Connection,
    QuantizedConnection,
    QuantizedLayer,
    QuantizedPopulation,
    check_width_of,
    neurons_of,
    require_arrays,
)
from hypr_neuro.quantizing.record import explained
from hypr_neuro.shown import Shown, as_html

OUTPUT_DECAY = 0.9
"""κ of outputs that spike, unless the network says another, as in training."""


@dataclass(repr=False)
class QuantizedNetwork:
    """A network in integers for a profile: all a device needs; `record` tells how each number came about.

    Attributes
    ----------
    inputs
        Channels of the input.
    populations
        In the order in which a step computes them.
    connections
        Between them, in the order in which they deliver.
    profile
        The chip whose integers these are.
    dt
        Length of a step in seconds.
    outputs
        Populations whose outputs, side by side, are the network's; () for the last one.
    encoder
        How samples became spikes, stored with the network.
    record
        How each number came about, see `explain`.
    notes
        What differs from the float network in time, one line each.
    output_decay
        κ of the trace from which outputs that spike learn, see `output_traces`.
    """

    inputs: int
    populations: tuple[QuantizedPopulation, ...]
    connections: tuple[QuantizedConnection, ...]
    profile: Profile
    dt: float
    outputs: tuple[str, ...] = ()
    encoder: dict[str, Any] | None = None
    record: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    output_decay: float = OUTPUT_DECAY

    def __post_init__(self) -> None:
        self.populations, self.connections = tuple(self.populations), tuple(self.connections)
        check_encoder(self.encoder)
        if isinstance(self.output_decay, bool) or not 0 <= self.output_decay <= 1:
            raise InputError(f"output decay = {self.output_decay!r:.60}, rule: a number from 0 to 1; 1 counts spikes")
        self.outputs = tuple(self.outputs) or tuple(p.name for p in self.populations[-1:])
        check_populations(self.populations, self.outputs)
        sizes = {INPUT: self.inputs} | {p.name: p.size for p in self.populations}
        for c in self.connections:
            if c.source not in sizes or c.target not in sizes or c.target == INPUT:
                raise InputError(f"connection {c.name}: unknown end, known: {', '.join(sizes)}")
            pre = 0 if c.bias_alone else sizes[c.source]
            require_arrays(
                f"connection {c.name}",
                {"weights" if c.dense else "sparse weights": (c.mantissa, (sizes[c.target], pre + int(c.bias_axon)))},
            )
            check_width_of(c, self.profile)

    def __repr__(self) -> str:
        populations = ", ".join(f"'{p.name}' of {p.size} {p.model.name}" for p in self.populations)
        return f"QuantizedNetwork({self.inputs} inputs; {populations}; profile '{self.profile.name}')"

    def table(self) -> Shown:
        """Return the populations with what they receive."""
        connections = [(c, c.mantissa) for c in self.connections]
        more = f"; profile '{self.profile.name}'"
        return network_table("QuantizedNetwork", self.inputs, self.populations, connections, self.outputs, more)

    _repr_html_ = as_html

    # --- chains of layers

    @classmethod
    def from_layers(
        cls,
        layers: Sequence[QuantizedLayer],
        profile: Profile,
        dt: float,
        encoder: dict[str, Any] | None = None,
        record: list[dict[str, Any]] | None = None,
    ) -> QuantizedNetwork:
        """Make the network of layers from the input to the readout; it shares their arrays.

        Raise InputError unless spiking layers end with the only readout, and sizes go together.
        """
        readouts = [layer.model.readout for layer in layers]
        if len(layers) < 2 or readouts != [False] * (len(layers) - 1) + [True]:
            raise InputError("an integer network has spiking layers and ends with its only readout")
        names = [layer_name(i, len(layers)) for i in range(len(layers))]
        for (_, below), (name, layer) in pairwise(zip(names, layers, strict=True)):
            if layer.inputs != below.size:
                raise InputError(f"{name}: {layer.inputs} inputs, but {names[names.index(name) - 1]} has {below.size}")
        populations, connections, source = [], [], INPUT
        for name, layer in zip(names, layers, strict=True):
            populations.append(QuantizedPopulation(name=name, **neurons_of(layer)))
            for key, c in layer.connections().items():
                connections.append(
                    QuantizedConnection(
                        mantissa=c.mantissa,
                        exponent=c.exponent,
                        weight_bits=c.weight_bits,
                        cells=getattr(c, "cells", None),
                        source=source if key == "input" else name,
                        target=name,
                        bias_axon=layer.bias_axon and key == "input",
                    )
                )
            source = name
        return cls(layers[0].inputs, tuple(populations), tuple(connections), profile, dt, (), encoder, record or [], [])

    @property
    def is_chain(self) -> bool:
        """Whether it is a chain of layers, see `layers`."""
        return isinstance(self._chain, tuple)

    @property
    def layers(self) -> tuple[QuantizedLayer, ...]:
        """The layers of a chain, from the input to the readout; they share the network's arrays.

        In a chain each population has a dense connection from the one before it, the first from the input, perhaps one
        from itself, both without delays, and the last population is the only readout. Raise InputError for others.
        """
        if isinstance(self._chain, str):
            raise InputError(
                f"{self._chain}; this network is no chain of layers, which is what is taken here; hn.simulate, "
                "hn.learn and hn.compile (c, lava, netx) take it as it is"
            )
        return self._chain

    @cached_property
    def _chain(self) -> tuple[QuantizedLayer, ...] | str:
        """The layers, or why there are none."""
        layers, source = [], INPUT
        last = self.populations[-1].name
        for p in self.populations:
            if p.model.readout != (p.name == last) or (p.name == last and source == INPUT):
                return f"population '{p.name}' ({p.model.name}), rule: the last of several is a readout, and no other"
            if p.model.most_spikes:
                return f"population '{p.name}' ({p.model.name}), rule: spikes of 0 and 1"
            by_source: dict[str, QuantizedConnection] = {}
            for c in self.incoming(p.name):
                plain = c.dense and isinstance(c.delays, int) and c.delays == 0 and c.current == 0
                if c.source not in (source, p.name) or c.source in by_source or not plain or c.bias_alone:
                    return (
                        f"connection {c.name}, rule: dense, without delay, the only one from '{source}' or '{p.name}'"
                    )
                by_source[c.source] = c
            if source not in by_source or (p.name in by_source and by_source[p.name].bias_axon):
                return f"population '{p.name}', rule: fed by '{source}', biases apart from itself"
            below = by_source[source]
            layers.append(
                QuantizedLayer(input=below, recurrent=by_source.get(p.name), bias_axon=below.bias_axon, **neurons_of(p))
            )
            source = p.name
        if self.outputs != (last,):
            return f"outputs {', '.join(self.outputs)}, rule: the last population alone"
        return tuple(layers)

    def with_layers(self, changed: Mapping[int, QuantizedLayer]) -> QuantizedNetwork:
        """Return the chain with other layers at these places; the others share their arrays."""
        layers = [changed.get(i, layer) for i, layer in enumerate(self.layers)]
        chain = self.from_layers(layers, self.profile, self.dt, self.encoder, self.record)
        frozen = {c.name for c in self.connections if not c.trainable}
        for c in chain.connections:
            c.trainable = c.name not in frozen
        return chain

    # --- shape

    @property
    def output_size(self) -> int:
        """Neurons of all output populations."""
        return sum(self.size(name) for name in self.outputs)

    def name(self, index: int) -> str:
        """Return the name of the population at a place: of a chain 'layers.0', …, 'readout'."""
        return self.populations[index].name

    def population(self, name: str) -> QuantizedPopulation:
        """Return the population of that name."""
        for p in self.populations:
            if p.name == name:
                return p
        raise InputError(f"unknown population {among(name, [p.name for p in self.populations])}")

    def size(self, name: str) -> int:
        """Count the neurons of a population, or the channels of "input"."""
        return self.inputs if name == INPUT else self.population(name).size

    def incoming(self, target: str) -> list[QuantizedConnection]:
        """Return the connections to a population."""
        return [c for c in self.connections if c.target == target]

    def connection_names(self) -> tuple[str, ...]:
        """Name each connection: of a chain 'layers.0.input', 'layers.0.recurrent', else 'a -> b', then 'a -> b (2)'."""
        if self.is_chain:
            return tuple(f"{c.target}.{'recurrent' if c.source == c.target else 'input'}" for c in self.connections)
        return numbered(c.name for c in self.connections)

    def message_scale(self, c: QuantizedConnection) -> float:
        """Return what one unit of the source's output is as a message: 1 of the input and of any spikes.

        Of a population of numbers it is the scale of its states, divided by 2^message_shift.
        """
        if c.message_shift is None or self.population(c.source).model.most_spikes:
            return 1.0
        return float(self.population(c.source).state_scale / 2.0**c.message_shift)

    def weight_step(self, c: QuantizedConnection) -> float:
        """Return the real size of one mantissa unit of a connection."""
        return self.population(c.target).weight_step(c) * self.message_scale(c)

    def weight_bits(self, c: Connection) -> int:
        """Return the bits in which a weight of a connection is stored."""
        return self.profile.precision.stored_weight_bits if c.weight_bits is None else c.weight_bits

    def weight_top(self, c: Connection) -> int:
        """Return the largest magnitude of a mantissa of a connection, also while it learns."""
        return top_of(self.weight_bits(c))

    def weights(self) -> dict[str, Array]:
        """Return the mantissas of every connection by name, of CSR the stored ones; not copies."""
        return {name: c.entries() for name, c in zip(self.connection_names(), self.connections, strict=True)}

    # --- time

    @cached_property
    def clock(self) -> Clock:
        """When its populations run and learn, under the profile's time rules."""
        ends = tuple((c.source, c.target) for c in self.connections)
        delays = tuple(c.largest_delay for c in self.connections)
        return self.profile.graph_clock(tuple(p.name for p in self.populations), ends, self.outputs, delays)

    def latency(self, index: int) -> int:
        """Return the steps by which the population at a place runs behind float time."""
        return self.clock.latency(index)

    @property
    def tail(self) -> int:
        """Steps without input after which the outputs have seen a whole sample."""
        return self.clock.tail

    # --- forms

    def integer(self) -> IntegerNetwork:
        """Return the network as executors run it; it shares the arrays of neuron parameters and copies weights."""
        return IntegerNetwork(
            self.inputs,
            tuple(p.integer() for p in self.populations),
            tuple(c.synapses(self.size(c.source)) for c in self.connections),
            self.clock.connection_delay,
            int(self.profile.precision.state_bits.value),
            outputs=self.outputs,
        )

    def in_one_unit(self, readout: Array) -> Array:
        """Return readouts (…, outputs) in real units where outputs have different ones; else the integers as they are.

        A readout shows its state times its scale, an output that spikes 0 and 1: side by side they do not compare.
        """
        outputs = [self.population(name) for name in self.outputs]
        units = [p.state_scale if p.model.readout else 1.0 for p in outputs]
        if len(set(units)) == 1:
            return readout
        real: Array = readout / np.repeat(units, [p.size for p in outputs])
        return real

    def for_score(self, readout: Array, *, regression: bool) -> Array:
        """Return readouts (…, outputs) as a score takes them: in real units for a regression, else `in_one_unit`."""
        if not regression:
            return self.in_one_unit(readout)
        outputs = [self.population(name) for name in self.outputs]
        units = [p.state_scale if p.model.readout else 1.0 for p in outputs]
        real: Array = readout / np.repeat(units, [p.size for p in outputs])
        return real

    def copy(self) -> QuantizedNetwork:
        """Return a network with its own copy of everything that learning changes."""
        return replace(
            self,
            populations=tuple(replace(p, per_neuron=p.per_neuron.copy()) for p in self.populations),
            connections=tuple(c.copy() for c in self.connections),
        )

    def explain(self) -> list[str]:
        """Return one line a conversion (name, range, scale, integers, rounding, clips, rule), then the notes."""
        return [*explained(self.record), *self.notes]

    def save(self, path: str | Path) -> None:
        """Write an HDF5 file that `load` reads back equal."""
        save_arrays(path, KIND, *contents(self))

    @classmethod
    def load(cls, path: str | Path) -> QuantizedNetwork:
        """Read a file of `save`; raise FileFormatError for a damaged file or one of another kind."""
        return load_network(path, cls, cls.from_layers)


def numbered(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names, the second of one name as 'name (2)'."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(result)
