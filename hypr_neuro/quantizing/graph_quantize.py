"""From a float graph to integers for a profile.

Weights, states and parameters become integers as in `quantize`: each population by its model's rule, each connection
mantissas and an exponent of its own. Trained weights often spread over more than a mantissa holds: a connection is then
split by size (`weight_groups`).

A constant current is a bias axon, an input that is always on. Its rounding error adds up step after step, so its
mantissas have an exponent apart from the weights', and a second axon brings what rounding left. A target without bias
axons takes it on the membrane (bias="membrane"):

    v ← v + b / du instead of u ← u + b      equal once u has settled, b (1 - du)^{t+1} / du more in step t before

Time. With a connection delay of h steps a population that lies k connections behind the input runs L = h·k steps behind
float time. Connections that skip populations get the delay that keeps them in step. A connection that leads back over k
populations arrives h·k steps later than in float: `notes` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.doubts import of_zeros, warn_of
from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import integer_model
from hypr_neuro.neurons.base import Conversion, FixedParams
from hypr_neuro.numbers.arrays import Array, stack_rows
from hypr_neuro.numbers.checks import require_number
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.abilities import require_runs
from hypr_neuro.quantizing.messages import (
    Heard,
    MessageScale,
    message_scale,
    message_summary,
    require_messages,
    spike_message,
)
from hypr_neuro.quantizing.network import OUTPUT_DECAY, QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection, QuantizedPopulation
from hypr_neuro.quantizing.ranges import Calibration, calibrated_ranges, known_weight_ranges
from hypr_neuro.quantizing.record import conversion_summary
from hypr_neuro.quantizing.suited import suited
from hypr_neuro.quantizing.weight_entries import (
    chosen_entries,
    largest_magnitude,
    most_synapses,
    stored_entries,
    with_entries,
)
from hypr_neuro.quantizing.weight_groups import split_by_row, split_by_size
from hypr_neuro.quantizing.weights import quantize_weights, rounding_seed
from hypr_neuro.renamed import renamed_names
from hypr_neuro.run.graph_forward import state_ranges

__getattr__ = renamed_names(__name__, {"QuantizedGraph": "QuantizedNetwork"})
BIASES = ("line", "membrane")
GROUPS, MOST_GROUPS = 2, 4
"""Of one connection's weights: unless another number is given, and at most."""
ROW = "row"
Origin = int | tuple[str, int, int]
"""Where a connection of the chip comes from: place of the float connection whose weights it has (a part of), or of a
bias axon population, first step and number of the input current."""
NETX, NETX_UNIT = "netx", 1 << 6


def quantize_graph(
    graph: Network,
    profile: Profile | str | Path,
    *,
    calibration: Calibration | None,
    weight_range: Mapping[str, float] | None = None,
    weight_groups: int | str | None = None,
    bias: str | None = None,
    target: str | None = None,
    largest_weight: float | None = None,
    rounding: str = "nearest",
    seed: int = 0,
) -> QuantizedNetwork:
    """Make the integers of a graph for a profile.

    Parameters
    ----------
    graph
        The float graph; its last population gives the outputs.
    profile
        A profile, its name or its file.
    calibration
        Data (its first 64 training samples are run in float), an array (sample, T, channel), or the largest state
        magnitude by population.
    weight_range
        Largest weight magnitude to make room for, by connection ("a -> b"), where it is larger than the network's own;
        learning needs it where weights shall grow.
    weight_groups
        Most groups of one connection, 1 to 4 (default 2, 1 where the profile has one exponent); a further one has to
        halve the weights' squared error. "row" gives each neuron an exponent of its own instead, that of the largest
        weight that leads to it.
    bias
        Where a constant current goes, to a bias axon ("line") or to the membrane ("membrane"), see above; by default to
        an axon, for netx to the membrane.
    target
        "netx" makes integers that a netx file can hold: one exponent for all that leads to a population, no groups,
        biases on the membrane in multiples of 2^6.
    largest_weight
        The exponent is that of weights up to this magnitude, in real units, and larger ones become the largest
        mantissa; a few strong inhibitory weights often cost the others their bits and could be weaker just as well.
        Clips are counted in the record.
    rounding, seed
        "nearest" or "stochastic", see `weights.rounded`, of weights and of biases on axons; its seed.

    Raises
    ------
    InputError
        Naming the population or connection, for a neuron without integer form, values outside the profile's range, and
        delays past 63 steps.
    DoesNotFitError
        For what the chip cannot run, see `abilities`.
    """
    options: dict[str, Any] = {
        "weight_range": weight_range,
        "weight_groups": weight_groups,
        "bias": bias,
        "target": target,
    }
    options |= {"largest_weight": largest_weight, "rounding": rounding, "seed": seed}
    qnet, _ = convert_graph(graph, profile, calibration, **options)
    warn_of(of_zeros(qnet.record))
    return qnet


def convert_graph(
    graph: Network,
    profile: Profile | str | Path,
    calibration: Calibration | None,
    *,
    weight_range: Mapping[str, float] | None = None,
    weight_groups: int | str | None = None,
    bias: str | None = None,
    target: str | None = None,
    largest_weight: float | None = None,
    rounding: str = "nearest",
    seed: int = 0,
) -> tuple[QuantizedNetwork, tuple[Origin, ...]]:
    """Do what `quantize_graph` does, without warnings; return also where each connection of the chip comes from."""
    require("graph", graph, Network)
    chip = load_profile(profile)
    for p in graph.populations:
        p.model.require_integer(f"population '{p.name}'")
    require_runs(graph, chip)
    record: list[dict[str, Any]] = []
    graph = suited(graph, chip, record)
    ranges = calibrated_ranges(graph, calibration, state_ranges)
    bias = bias or ("membrane" if target == NETX else "line")
    if bias not in BIASES:
        raise InputError(f"bias = {bias!r}, rule: {' or '.join(BIASES)}")
    if weight_groups is None:
        exponents = chip.precision.weight_exponent_min.value, chip.precision.weight_exponent_max.value
        weight_groups = GROUPS if exponents[0] < exponents[1] else 1  # groups of one exponent are one group
    if isinstance(weight_groups, bool) or (weight_groups != ROW and weight_groups not in range(1, MOST_GROUPS + 1)):
        raise InputError(f"weight_groups = {weight_groups!r}, rule: 1 to {MOST_GROUPS}, or '{ROW}'")
    if target not in (None, NETX):
        raise InputError(f"target = {target!r}, rule: '{NETX}', or none given")
    netx = target == NETX
    if largest_weight is not None:
        require_number("largest_weight", largest_weight)
    if largest_weight is not None and not 0 < largest_weight < float("inf"):
        raise InputError(f"largest_weight = {largest_weight}, rule: positive and finite")
    conversion = _Conversion(graph, chip, 1 if netx else weight_groups, bias, netx)
    conversion.record += record
    conversion.weight_range = known_weight_ranges(graph, weight_range)
    conversion.seed = rounding_seed(rounding, seed)
    conversion.limit = float("inf") if largest_weight is None else float(largest_weight)
    conversion.choose_messages({name: ranges[name] for name in graph.clock.populations})
    for p in graph.populations:
        conversion.add(p, ranges[p.name])
    qnet = QuantizedNetwork(
        inputs=graph.inputs,
        populations=tuple(conversion.populations),
        connections=tuple(conversion.connections),
        profile=chip,
        dt=graph.dt,
        outputs=graph.outputs,
        record=conversion.record,
        notes=conversion.notes,
        output_decay=graph.notes.get("output decay", OUTPUT_DECAY),
    )
    return qnet, tuple(conversion.origins)


class _Conversion:
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
                Heard(c.name, self._largest(c), fan_in[c.target], self._scale_behind(c, ranges[c.target]))
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
        spikes = [self._largest(other) for other in self.graph.incoming(c.target) if not self._numbers(other)]
        room = max([*spikes, *(largest_magnitude(b) for b in target.biases.values())], default=0.0)

        def scale(unit: float) -> float:
            return self._neurons(target, state_range, max(room, self._largest(c) / unit)).current_scale

        return scale

    def _numbers(self, c: FloatSynapses) -> bool:
        return c.source != INPUT and self.graph.population(c.source).model.sends_numbers

    def _largest(self, c: FloatSynapses) -> float:
        """Return the largest weight of a connection that mantissas make room for."""
        return min(max(largest_magnitude(stored_entries(c.weights)), self._wanted(c)), self.limit)

    def _neurons(self, p: FloatPopulation, state_range: float, room: float) -> FixedParams:
        number_format = self.profile.fixed_format(state_range, room)
        return integer_model(p.model, number_format).to_integers(p.params, number_format)

    def _unit(self, c: FloatSynapses) -> float:
        """Return what one unit of the source's output is on its way, 1 of spikes and of the input."""
        return self.messages[c.source].scale if c.source in self.messages else 1.0

    def add(self, p: FloatPopulation, state_range: float) -> None:
        """Convert a population and all that leads to it."""
        incoming, biases, params = self.graph.incoming(p.name), p.biases, p.params
        if self.bias == "membrane" and biases:
            params, biases = self._on_membrane(p), {}
        largest = [self._largest(c) / self._unit(c) for c in incoming]
        room = max([*largest, *(largest_magnitude(b) for b in biases.values())], default=0.0)
        number_format = self.profile.fixed_format(state_range, room)
        model = integer_model(p.model, number_format)
        fixed = model.to_integers(params, replace(number_format, weight_exponent_max=1) if self.netx else number_format)
        self.record += [conversion_summary(p.name, c) for c in fixed.conversions]
        if self.netx and "bias" in fixed.per_neuron:
            fixed.per_neuron["bias"] = self._netx_biases(p, fixed.per_neuron["bias"], fixed.state_scale)
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

    def _on_membrane(self, p: FloatPopulation) -> dict[str, Array]:
        if set(p.biases) != {0} or p.model.bias_on != "state" or np.any(p.params.get("du", np.zeros(1)) <= 0.0):
            raise InputError(
                f"population '{p.name}' ({p.model.name}): bias='membrane', rule: a neuron with a bias on "
                "its membrane, a current that decays, bias from step 0 on; use bias='line'"
            )
        if np.any(p.params["du"] < 1.0):
            self.notes.append(f"{p.name}: constant currents act on the membrane, at once instead of building up")
        return p.params | {"bias": p.params["bias"] + p.biases[0] / p.params["du"]}

    def _netx_biases(self, p: FloatPopulation, bias: Array, scale: float) -> Array:
        """Return biases in multiples of 2^6, as netx holds them."""
        rounded: Array = np.rint(bias / NETX_UNIT).astype(np.int64) * NETX_UNIT
        step = Conversion("bias for netx", bias / scale, scale, rounded, "nearest, ties to even", 0, "multiple of 2^6")
        self.record.append(conversion_summary(p.name, step))
        return rounded

    def _connection(self, c: FloatSynapses, room: float) -> None:
        behind = 0 if self.graph.forward(c) else -self.clock.shift(c.source, c.target)
        if behind:
            self.notes.append(
                f"{c.name}: arrives {behind} step(s) later than in float, since '{c.source}' runs so many "
                f"behind '{c.target}' on this chip"
            )
        # of the number that a unit of a message stands for
        unit, sent = self._unit(c), self.messages.get(c.source)
        stored = stored_entries(c.weights) / unit
        groups = self._split(c, stored)
        for i, chosen in enumerate(groups):
            undivided = len(groups) == 1
            key, values = (
                (c.source, stored) if undivided else (f"{c.source}, group {i + 1}", np.where(chosen, stored, 0.0))
            )
            wanted = self._wanted(c) / unit if i == 0 or self.groups == ROW else 0.0
            in_group = min(max(largest_magnitude(values), wanted), self.limit / unit)
            mantissa, exponent = self._mantissas(c.target, key, values, room if undivided else in_group)
            matrix = with_entries(c.weights, mantissa)
            held = chosen if self.groups == ROW else mantissa != 0
            stored_matrix = matrix if undivided else chosen_entries(matrix, held)
            delay = self.clock.delay_in_step(c.source, c.target, c.delay)
            self.origins.append(self.places[id(c)])
            self.connections.append(
                QuantizedConnection(
                    mantissa=stored_matrix,
                    exponent=exponent,
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
        if isinstance(self.groups, int):
            return split_by_size(stored, self.top, self.groups)
        if isinstance(c.weights, Convolution):  # the weights of a kernel lead to many neurons
            return split_by_size(stored, self.top, 1)
        matrix: Any = c.weights
        rows = np.indices(stored.shape)[0] if c.dense else np.repeat(np.arange(c.shape[0]), np.diff(matrix.indptr))
        return split_by_row(np.minimum(np.abs(stored), self.limit / self._unit(c)), rows, self.top)

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
