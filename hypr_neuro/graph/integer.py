"""A network of integers: populations of neurons and the connections between them, all that an executor needs.

`QuantizedNetwork.integer()` gives one, readers of other formats give one, and a user may write one by hand.

Time. A connection delivers what its source sent `lag` steps before:

    lag = delay + connection_delay     from the input or from a population that stands earlier in the order
    lag = delay + 1                    from the target itself or a later population

and its sum Σ_j m_ij z_j over the spikes of one sending step and one delay is shifted by the exponent before it is
added to the target's current (a negative exponent floors, so the sums of different delays floor apart, as in Lava).
z_j is a spike, a value of the input, or the message of a population whose output is a number (`numbers.message`). A sum
of messages is rounded to nearest instead: what floors drop in every step would add up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError, among
from hypr_neuro.files.store import content_digest, load_arrays, save_arrays
from hypr_neuro.graph.clock import INPUT, Clock
from hypr_neuro.graph.ends import check_ends, check_populations
from hypr_neuro.graph.kinds import wrong_kind
from hypr_neuro.graph.synapses import (
    LARGEST_DELAY,
    Synapses,
    Weights,
    check_message,
    check_spikes,
    loaded_synapses,
    matrix_arrays,
    matrix_entry,
    shift_entry,
)
from hypr_neuro.graph.tables import network_table
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.base import PSI_ENTRIES, NeuronModel
from hypr_neuro.neurons.contract import check_steps
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.shown import Shown, as_html, as_text

__all__ = ["INPUT", "LARGEST_DELAY", "HasInteger", "IntegerNetwork", "Population", "Synapses", "Weights", "as_integer"]

KIND = "hypr-neuro integer network"
SUM_BITS = 31
"""A step's weighted sums stay below 2^31 in magnitude, whatever fires."""


@dataclass(frozen=True, eq=False, repr=False)
class Population:
    """n neurons of one model.

    Attributes
    ----------
    name
        In the network.
    model
        The neuron.
    per_neuron : (parameters, n) int64
        In the model's order.
    constants : (constants,) int64
        Likewise.
    """

    name: str
    model: NeuronModel
    per_neuron: Array
    constants: Array

    def __post_init__(self) -> None:
        self.model.require_integer(f"population '{self.name}'")
        n = self.per_neuron.shape[-1]
        for name, array, shape in (
            ("per_neuron", self.per_neuron, (len(self.model.fixed_per_neuron), n)),
            ("constants", self.constants, (len(self.model.fixed_constants),)),
        ):
            if array.shape != shape or array.dtype != np.int64 or n == 0:
                raise InputError(
                    f"population '{self.name}': {name} is {array.dtype} of shape {array.shape}, rule: int64 of "
                    f"{shape}, at least one neuron"
                )
        for name, array in self.named().items():
            if np.any(np.abs(array) >= 1 << 31):
                raise InputError(f"population '{self.name}': {name} = {array.min()}..{array.max()}, rule: 32 bits")
        if self.model.validate_fixed is not None:
            self.model.validate_fixed(f"population '{self.name}'", self.named())
        first = tuple(int(v) for v in (*self.per_neuron[:, 0], *self.constants))
        check_steps(f"population '{self.name}'", self.model, first, PSI_ENTRIES)

    def __repr__(self) -> str:
        return f"Population('{self.name}', {self.model.name}, {self.size} neurons)"

    @property
    def size(self) -> int:
        """Neurons."""
        return int(self.per_neuron.shape[1])

    def named(self) -> dict[str, Array]:
        """Return integer parameters (n,) and constants () by name."""
        rows = dict(zip(self.model.fixed_per_neuron, self.per_neuron, strict=True))
        return rows | dict(zip(self.model.fixed_constants, self.constants, strict=True))

    @classmethod
    def of(cls, name: str, model: str, size: int, **values: int | Array) -> Population:
        """Make `size` neurons of the model of that name; every integer parameter and constant by its name.

        A parameter is an array (size,) or one number for all. Raise InputError for a missing or unknown name.
        """
        record = get_model(model)
        record.require_integer(f"population '{name}'")
        names = record.fixed_per_neuron + record.fixed_constants
        if set(values) != set(names):
            raise InputError(
                f"population '{name}': parameters {', '.join(sorted(values))}, rule for '{model}': {', '.join(names)}"
            )
        per_neuron = [np.broadcast_to(np.asarray(values[k], np.int64), (size,)) for k in record.fixed_per_neuron]
        constants = np.array([int(np.asarray(values[k])) for k in record.fixed_constants], dtype=np.int64)
        return cls(name, record, np.stack(per_neuron) if per_neuron else np.zeros((0, size), np.int64), constants)


@dataclass(eq=False, repr=False)
class IntegerNetwork:
    """Populations in the order in which a step computes them, and the connections between them.

    Attributes
    ----------
    inputs
        Channels of the input.
    populations, synapses
        The network.
    connection_delay
        0 or 1, see above.
    state_bits
        Declared width of the states, for models whose constants do not say it.
    notes
        Plain data that travels with the network and changes nothing that it computes; "input", {"scale": a,
        "offset": b}, says that it was made for a · data + b, which the caller computes.
    outputs
        Populations whose outputs, side by side, are the network's; () for the last one.
    clock
        When populations compute and connections deliver.
    """

    inputs: int
    populations: tuple[Population, ...]
    synapses: tuple[Synapses, ...]
    connection_delay: int = 1
    state_bits: int = 24
    notes: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    clock: Clock = field(init=False, repr=False)
    _index: dict[str, int] = field(init=False, repr=False)
    _limits: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.populations, self.synapses = tuple(self.populations), tuple(self.synapses)
        names = [p.name for p in self.populations]
        self.outputs = tuple(self.outputs) or tuple(names[-1:])
        check_populations(self.populations, self.outputs)
        if not isinstance(self.inputs, (int, np.integer)) or self.inputs < 1 or self.connection_delay not in (0, 1):
            raise InputError(f"inputs = {self.inputs}, connection_delay = {self.connection_delay}, rule: >= 1; 0 or 1")
        self._index = {name: i for i, name in enumerate(names)}
        ends = tuple((c.source, c.target) for c in self.synapses)
        self.clock = Clock(tuple(names), ends, self.connection_delay, outputs=self.outputs)
        for connection in self.synapses:
            self._check(connection)
        self._limits = {name: self._largest_input(name) for name in names}
        self._check_sums()
        self._check_notes()

    def _check_notes(self) -> None:
        encoding = self.notes.get("input")
        fits = isinstance(encoding, dict) and set(encoding) == {"scale", "offset"}
        if encoding is not None and not (fits and all(type(value) is int for value in encoding.values())):
            raise InputError(f"notes: input = {encoding!r:.60}, rule: whole numbers 'scale' and 'offset'")

    def _check(self, c: Synapses) -> None:
        check_ends(c, self.inputs, self.populations)
        if c.always_on is not None and not self.forward(c):
            raise InputError(f"connection {c.name}: always_on, rule: from the input or an earlier population only")
        source = None if c.source == INPUT else self.population(c.source)
        sends_numbers = source is not None and source.model.sends_numbers
        check_message(c, sends_numbers, {s.message for s in self.synapses if s.source == c.source})
        if source is not None and source.model.most_spikes:
            check_spikes(c, source.model.message_bits(source.constants))

    def _check_sums(self) -> None:
        """Check that spikes alone leave every sum inside 32 bits; `largest_input` says what the input may add."""
        for p in self.populations:
            if self.largest_input(p.name) < 1:
                raise InputError(
                    f"population '{p.name}': its weighted sums can reach 2^{SUM_BITS}, rule: below; "
                    "lower weights, exponents or message_bits"
                )

    def largest_input(self, target: str) -> int:
        """Return the largest magnitude of an input value for which no sum of the population can leave 32 bits."""
        return self._limits[self.population(target).name]

    def _largest_input(self, target: str) -> int:
        p = self.population(target)
        # float64 is exact here: what matters lies below 2^53
        room, per_unit = np.full((p.model.currents, p.size), 2.0**SUM_BITS - 1), np.zeros((p.model.currents, p.size))
        for c in self.synapses:
            if c.target != target:
                continue
            up = 2.0 ** max(c.exponent, 0)
            if c.always_on is not None:
                room[c.current] -= np.abs(c.always_on.astype(np.float64)) * up
            if c.source == INPUT:
                per_unit[c.current] += c.magnitudes * up
            else:
                largest = 1.0 if c.message is None else 2.0 ** c.message[1] - 1.0
                room[c.current] -= c.magnitudes * up * largest + c.half
        return int(np.floor(room / np.maximum(per_unit, 1.0)).min())

    @property
    def output_size(self) -> int:
        """Neurons of all output populations."""
        return sum(self.population(name).size for name in self.outputs)

    def table(self) -> Shown:
        """Return the populations with what they receive."""
        connections = [(c, c.weights) for c in self.synapses]
        return network_table("IntegerNetwork", self.inputs, self.populations, connections, self.outputs)

    __repr__ = as_text
    _repr_html_ = as_html

    def readout(self, sent: Mapping[str, Array], tail: int) -> Array:
        """Return the outputs (sample, T, outputs) in float time.

        sent : by output population what it gave in each device step (T + tail, sample, n), of which the last `tail` had
        no input; each is shifted back by its own latency, as far as the tail goes
        """
        parts = []
        for name in self.outputs:
            behind = max(tail - (self.clock.tail - self.clock.latencies[name]), 0)
            parts.append(sent[name][behind : len(sent[name]) - tail + behind])
        return np.asarray(np.concatenate(parts, axis=2).transpose(1, 0, 2))

    def written_out(self) -> IntegerNetwork:
        """Return the network with its convolutions written out, itself where there are none."""
        if all(c.convolution is None for c in self.synapses):
            return self
        return replace(self, synapses=tuple(c.written_out() for c in self.synapses))

    def index(self, name: str) -> int:
        """Return the place of a population in the order."""
        return self._index[name]

    def population(self, name: str) -> Population:
        """Return the population of that name; an unknown name lists the known ones."""
        if name not in self._index:
            raise InputError(f"unknown population {among(name, self._index)}")
        return self.populations[self._index[name]]

    def forward(self, c: Synapses) -> bool:
        """Tell whether the connection leads from the input or an earlier population to a later one."""
        return self.clock.forward(c.source, c.target)

    def lag(self, c: Synapses, delay: int) -> int:
        """Count the steps from sending to arriving, for weights of that delay."""
        return self.clock.lag(c.source, c.target, delay)

    def save(self, path: str | Path) -> None:
        """Write an HDF5 file that `load` reads back equal."""
        meta, arrays = self.contents()
        save_arrays(path, KIND, meta | {"notes": self.notes}, arrays)

    def digest(self) -> str:
        """Return sha256 over everything that decides what the network computes."""
        meta, arrays = self.contents()
        return content_digest(json.dumps(meta, sort_keys=True), arrays)

    def contents(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return all that it computes with, as plain data and arrays, from which `from_contents` makes it again."""
        arrays: dict[str, Array] = {}
        for i, p in enumerate(self.populations):
            arrays |= {f"p{i}/per_neuron": p.per_neuron, f"p{i}/constants": p.constants}
        for i, c in enumerate(self.synapses):
            arrays |= matrix_arrays(f"s{i}/weights", c.weights)
            if not isinstance(c.delays, int):
                arrays |= matrix_arrays(f"s{i}/delays", c.delays)
            if c.always_on is not None:
                arrays[f"s{i}/always_on"] = c.always_on
        meta = {
            "inputs": self.inputs,
            "connection_delay": self.connection_delay,
            "state_bits": self.state_bits,
            "populations": [{"name": p.name, "neuron": p.model.name} for p in self.populations],
            "synapses": [
                {
                    "source": c.source,
                    "target": c.target,
                    "exponent": c.exponent,
                    "current": c.current,
                    "message_bits": c.message_bits,
                    "shape": list(c.shape),
                    "delays": c.delays if isinstance(c.delays, int) else None,
                    **shift_entry(c.message_shift),
                    **matrix_entry(c.weights),
                }
                for c in self.synapses
            ],
        }
        if self.outputs != (self.populations[-1].name,):  # files and digests of others stay what they were
            meta["outputs"] = list(self.outputs)
        return meta, arrays

    @classmethod
    def load(cls, path: str | Path) -> IntegerNetwork:
        """Read a file of `save`; raise FileFormatError for a damaged file or one of another kind."""
        meta, arrays = load_arrays(path, KIND)
        try:
            return cls.from_contents(meta, arrays)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise FileFormatError(f"file '{path}': {type(error).__name__} {error}; write it again") from error

    @classmethod
    def from_contents(cls, meta: Mapping[str, Any], arrays: dict[str, Array]) -> IntegerNetwork:
        """Make the network of `contents`; raise what a missing or misshapen entry raises."""
        populations = [
            Population(e["name"], get_model(e["neuron"]), arrays[f"p{i}/per_neuron"], arrays[f"p{i}/constants"])
            for i, e in enumerate(meta["populations"])
        ]
        synapses = [loaded_synapses(f"s{i}", e, arrays) for i, e in enumerate(meta["synapses"])]
        return cls(
            meta["inputs"],
            tuple(populations),
            tuple(synapses),
            meta["connection_delay"],
            meta["state_bits"],
            dict(meta.get("notes", {})),
            tuple(meta.get("outputs", ())),
        )


class HasInteger(Protocol):
    """What can be turned into an integer network, such as a `QuantizedNetwork`."""

    def integer(self) -> IntegerNetwork:
        """Return the integer network."""
        ...

    @property
    def tail(self) -> int:
        """Steps without input that end a run."""
        ...


def as_integer(network: IntegerNetwork | HasInteger, tail: int | None = None) -> tuple[IntegerNetwork, int]:
    """Return the integer network and the steps without input that end a run, `tail` where it is given.

    Raise InputError for a tail below 0.
    """
    if isinstance(network, type) or not (isinstance(network, IntegerNetwork) or hasattr(network, "integer")):
        raise wrong_kind("network", network, "QuantizedNetwork", "IntegerNetwork")
    steps = 0 if isinstance(network, IntegerNetwork) else network.tail
    if tail is not None:
        if tail < 0:
            raise InputError(f"tail = {tail}, rule: at least 0")
        steps = tail
    return network if isinstance(network, IntegerNetwork) else network.integer(), steps
