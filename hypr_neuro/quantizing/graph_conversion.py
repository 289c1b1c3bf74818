"""A float graph on its way to integers: what was converted so far, population by population."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import integer_model
from hypr_neuro.neurons.base import FixedParams
from hypr_neuro.numbers.arrays import Array, stack_rows
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.for_netx import netx_biases, on_membrane
from hypr_neuro.quantizing.messages import (
    Heard,
    MessageScale,
    message_scale,
    message_summary,
    require_messages,
    spike_message,
)
from hypr_neuro.quantizing.parts import Connection, QuantizedConnection, QuantizedPopulation
from hypr_neuro.quantizing.record import conversion_summary
from hypr_neuro.quantizing.weight_calibration import joint_range
from hypr_neuro.quantizing.weight_entries import (
    chosen_entries,
    largest_magnitude,
    most_synapses,
    stored_entries,
    with_entries,
)
from hypr_neuro.quantizing.weight_groups import ROW, groups_of
from hypr_neuro.quantizing.weights import PLAIN, quantize_weights
from hypr_neuro.quantizing.width_plan import rule_names, stored_bits

Origin = int | tuple[str, int, int]
"""Where a connection of the chip comes from: place of the float connection whose weights it has (a part of), or of a
bias axon population, first step and number of the input current."""


class GraphConversion:
    """What was converted so far; attributes as in `QuantizedNetwork`."""

    def __init__(self, graph: Network, profile: Profile, groups: int | str, bias: str, netx: bool) -> None:
        self.graph, self.profile = graph, profile
        self.clock = profile.graph_clock(graph.clock.populations, graph.clock.connections, graph.outputs)
        self.groups, self.bias, self.netx = groups, bias, netx
        self.limit = float("inf")
        self.weight_range: Mapping[str, float] = {}
        self.seed: int | None = None
        self.names = {id(c): name for c, name in zip(graph.connections, graph.connection_names(), strict=True)}
        self.places = {id(c): place for place, c in enumerate(graph.connections)}
        self.top = profile.precision.weight_top
        self.chosen = PLAIN
        aliases = zip(graph.connections, rule_names(graph), strict=True)
        self.of_connection = {id(c): profile.of(*names) for c, names in aliases}
        self.populations: list[QuantizedPopulation] = []
        self.connections: list[QuantizedConnection] = []
        self.origins: list[Origin] = []
        self.current_scale: dict[str, float] = {}
        self.messages: dict[str, MessageScale] = {}
        self.record: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def choose_messages(self, ranges: Mapping[str, float]) -> None:
        """Choose what populations of numbers send, in the units in which all that they lead to is converted."""
        heard: dict[str, list[FloatSynapses]] = {}
        for c in self.graph.connections:
            if self._numbers(c):
                heard.setdefault(c.source, []).append(c)
        for p in self.graph.populations:
            if p.model.most_spikes and p.name not in heard:
                require_messages(p.name, self.profile)
        if heard and self.netx:
            raise InputError(
                f"population '{next(iter(heard))}' sends numbers, rule for netx: neurons send 0 and 1; leave target out"
            )
        fan_in = {c.target: 0 for connections in heard.values() for c in connections}
        for c in (c for connections in heard.values() for c in connections):
            fan_in[c.target] += int(most_synapses(c))
        for name, connections in heard.items():
            source = self.graph.population(name)
            neurons = self._neurons(source, ranges[name], 1.0)
            targets = [
                Heard(
                    c.name,
                    self._largest(c),
                    fan_in[c.target],
                    self._scale_behind(c, ranges[c.target]),
                    self.of_connection[id(c)].precision.weight_top,
                )
                for c in connections
            ]
            if source.model.most_spikes:
                most = neurons.constants[source.model.most_spikes]
                self.messages[name] = spike_message(name, most, targets, self.profile)
                continue
            self.messages[name] = message_scale(name, ranges[name], neurons.state_scale, targets, self.profile)
            self.record.append(message_summary(name, ranges[name], self.messages[name]))

    def _scale_behind(self, c: FloatSynapses, state_range: float) -> Callable[[float], float]:
        """Return the scale of the target's current by what a unit of the source's output is as a message.

        It follows from the largest weight that leads there.
        """
        target = self.graph.population(c.target)
        others = [other for other in self.graph.incoming(c.target) if not self._numbers(other)]
        rooms = [(self._largest(other), self.of_connection[id(other)]) for other in others]
        rooms += [(largest_magnitude(b), self.profile) for b in target.biases.values()]

        def scale(unit: float) -> float:
            own = (self._largest(c) / unit, self.of_connection[id(c)])
            room = joint_range([*rooms, own], self.profile.of(target.name))
            return self._neurons(target, state_range, room).current_scale

        return scale

    def _numbers(self, c: FloatSynapses) -> bool:
        return c.source != INPUT and self.graph.population(c.source).model.sends_numbers

    def _largest(self, c: FloatSynapses) -> float:
        """Return the largest weight of a connection that mantissas make room for."""
        entries, own = stored_entries(c.weights), self.of_connection[id(c)]
        return min(self.chosen.room(entries, self._wanted(c), own, self._shift(c)), self.limit)

    def _shift(self, c: FloatSynapses) -> int:
        return int(self.chosen.shifts.get(self.names[id(c)], 0))

    def _neurons(self, p: FloatPopulation, state_range: float, room: float) -> FixedParams:
        number_format = self.profile.of(p.name).fixed_format(state_range, room)
        return integer_model(p.model, number_format).to_integers(p.params, number_format)

    def _unit(self, c: FloatSynapses) -> float:
        """Return what one unit of the source's output is on its way, 1 of spikes and of the input."""
        return self.messages[c.source].scale if c.source in self.messages else 1.0

    def add(self, p: FloatPopulation, state_range: float) -> None:
        """Convert a population and all that leads to it."""
        incoming, biases, params = self.graph.incoming(p.name), p.biases, p.params
        if self.bias == "membrane" and biases:
            params, biases = on_membrane(p, self.notes), {}
        largest = [self._largest(c) / self._unit(c) for c in incoming]
        rooms = [(one, self.of_connection[id(c)]) for c, one in zip(incoming, largest, strict=True)]
        rooms += [(largest_magnitude(b), self.profile) for b in biases.values()]
        of_neurons = self.profile.of(p.name)
        number_format = of_neurons.fixed_format(state_range, joint_range(rooms, of_neurons))
        model = integer_model(p.model, number_format)
        fixed = model.to_integers(params, replace(number_format, weight_exponent_max=1) if self.netx else number_format)
        self.record += [conversion_summary(p.name, c) for c in fixed.conversions]
        if self.netx and "bias" in fixed.per_neuron:
            fixed.per_neuron["bias"] = netx_biases(p, fixed.per_neuron["bias"], fixed.state_scale, self.record)
        per_neuron = stack_rows([fixed.per_neuron[k] for k in model.fixed_per_neuron], p.size, np.int64)
        constants = np.array([fixed.constants[k] for k in model.fixed_constants], dtype=np.int64)
        self.populations.append(
            QuantizedPopulation(
                name=p.name,
                model=model,
                per_neuron=per_neuron,
                constants=constants,
                psi_table=fixed.psi_table,
                state_scale=fixed.state_scale,
                current_scale=fixed.current_scale,
                trainable=p.model.trainable,
            )
        )
        self.current_scale[p.name] = fixed.current_scale
        # lava-dl shifts nothing left and floors nothing: exponents 0 and 1
        shared = max([*largest, self.top / fixed.current_scale])
        for c, magnitude in zip(incoming, largest, strict=True):
            self._connection(c, shared if self.netx else magnitude)
        for first in biases:
            for k in range(p.model.currents):
                self._bias_axons(p, first, k)

    def _connection(self, c: FloatSynapses, room: float) -> None:
        behind = 0 if self.graph.forward(c) else -self.clock.shift(c.source, c.target)
        if behind:
            self.notes.append(
                f"{c.name}: arrives {behind} step(s) later than in float, since '{c.source}' runs so many "
                f"behind '{c.target}' on this chip"
            )
        # of the number that a unit of a message stands for
        unit, sent, own = self._unit(c), self.messages.get(c.source), self.of_connection[id(c)]
        stored = stored_entries(c.weights) / unit
        groups = self._split(c, stored)
        for i, chosen in enumerate(groups):
            undivided = len(groups) == 1
            key, values = (
                (c.source, stored) if undivided else (f"{c.source}, group {i + 1}", np.where(chosen, stored, 0.0))
            )
            wanted = self._wanted(c) / unit if i == 0 or self.groups == ROW else 0.0
            in_group = min(self.chosen.room(values, wanted, own, self._shift(c)), self.limit / unit)
            wide = room if undivided else in_group
            made = self._group(c, key, values, chosen, wide, wanted)
            mantissa, exponent = made.mantissa, made.exponent
            matrix = with_entries(c.weights, mantissa)
            held = chosen if self.groups == ROW else mantissa != 0
            stored_matrix = matrix if undivided else chosen_entries(matrix, held)
            delay = self.clock.delay_in_step(c.source, c.target, c.delay)
            self.origins.append(self.places[id(c)])
            self.connections.append(
                QuantizedConnection(
                    mantissa=stored_matrix,
                    exponent=exponent,
                    weight_bits=stored_bits(own, self.profile),
                    source=c.source,
                    target=c.target,
                    delays=delay,
                    current=c.current,
                    message_bits=None if sent is None else sent.bits,
                    message_shift=None if sent is None else sent.shift,
                    trainable=c.trainable,
                )
            )

    def _split(self, c: FloatSynapses, stored: Array) -> list[Array]:
        """Return masks of the stored weights that have an exponent together."""
        own = self.of_connection[id(c)]
        scale = self.current_scale[c.target] if self.chosen.by_error(own) else None
        return groups_of(
            c, stored, own.precision.stored_weight_bits, self.groups, limit=self.limit / self._unit(c), scale=scale
        )

    def _group(
        self, c: FloatSynapses, key: str, values: Array, chosen: Array, room: float, wanted: float
    ) -> Connection:
        """Return the mantissas of a connection's weights, of those that are not `chosen` 0."""
        if not values.size:
            return Connection(values.astype(np.int64), 0)
        own = self.of_connection[id(c)]
        # binary weights have no 0 to stand where those of other groups are
        binary = own.precision.stored_weight_bits == 1
        inside = values[chosen] if binary and not bool(np.all(chosen)) else values
        made = quantize_weights(
            c.target,
            key,
            inside,
            self.current_scale[c.target],
            room,
            own,
            self.record,
            self.seed,
            calibration=self.chosen,
            wanted=wanted,
            shift=self._shift(c),
        )
        if inside is not values:
            whole = np.zeros(values.shape, np.int64)
            whole[chosen] = made.mantissa
            made.mantissa = whole
        return made

    def _wanted(self, c: FloatSynapses) -> float:
        """Return the weight magnitude to make room for whatever the network's own are."""
        return max((v for name, v in self.weight_range.items() if name == self.names[id(c)]), default=0.0)

    def _bias_axons(self, p: FloatPopulation, first: int, current: int) -> None:
        """Add a constant current as an axon, in step with the population; then another one for what rounding left."""
        delay = self.clock.delay_in_step(INPUT, p.name, first)
        remainder, key = p.bias_of(first, current), f"bias from step {first}" if first else "bias"
        key += f" on current {current}" if p.model.currents > 1 else ""
        for name in (key, f"{key}, remainder"):
            if largest_magnitude(remainder) == 0.0:
                break
            # whole units of the current: a negative exponent would floor, and the error of one sign add up
            room = max(largest_magnitude(remainder), self.top / self.current_scale[p.name])
            mantissa, exponent = self._mantissas(p.name, name, remainder, room)
            if not mantissa.any():
                break
            self.origins.append((p.name, first, current))
            self.connections.append(
                QuantizedConnection(
                    mantissa=mantissa[:, None],
                    exponent=exponent,
                    source=INPUT,
                    target=p.name,
                    bias_axon=True,
                    delays=delay,
                    current=current,
                )
            )
            remainder = remainder - mantissa * 2.0**exponent / self.current_scale[p.name]

    def _mantissas(self, target: str, key: str, values: Array, room: float) -> tuple[Array, int]:
        if not values.size:
            return values.astype(np.int64), 0
        connection = quantize_weights(
            target, key, values, self.current_scale[target], room, self.profile, self.record, self.seed
        )
        return connection.mantissa, connection.exponent
