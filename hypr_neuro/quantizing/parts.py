"""What a quantized network is made of: neurons and connections in integers, with their scales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import log2
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.ends import Endpoints
from hypr_neuro.graph.integer import Population, Synapses, Weights
from hypr_neuro.neurons.base import PSI_ENTRIES, NeuronModel
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.levels import top_of


@dataclass
class Connection:
    """Weights (post, pre), int64 mantissas; a step's sum Σ m z is shifted by `exponent` (a negative one floors).

    `weight_bits` is the width in which a weight is stored, None for that of the chip.
    """

    mantissa: Weights
    exponent: int
    weight_bits: int | None = None


@dataclass(kw_only=True)
class QuantizedConnection(Endpoints, Connection):
    """One connection of a `QuantizedNetwork`.

    Attributes
    ----------
    mantissa : (post, pre) int64
        Dense or CSR; with `bias_axon` one more column, of an input that is always on. A bias axon of its own has that
        column alone, dense.
    exponent, weight_bits
        As of `Connection`.
    source, target
        A population's name, the source may be "input".
    bias_axon
        Whether the mantissas have that column.
    delays, current, message_bits, message_shift
        As of `graph.synapses.Synapses`.
    trainable
        Whether learning may change it.
    cells
        What analog cells that hold the weights remember, see `sim.crossbar.cells`; None of cells that nobody has
        programmed yet, and of digital weights.
    """

    source: str
    target: str
    bias_axon: bool = False
    delays: int | Weights = 0
    current: int = 0
    message_bits: int | None = None
    trainable: bool = True
    message_shift: int | None = None
    cells: dict[str, Array] | None = None

    def copy(self) -> QuantizedConnection:
        """Return a connection with its own copy of everything that learning changes."""
        cells = None if self.cells is None else {name: array.copy() for name, array in self.cells.items()}
        return replace(self, mantissa=self.mantissa.copy(), cells=cells)

    @property
    def columns(self) -> int:
        """Weights of a target neuron, of CSR those that could be: the bias axon counts."""
        return int(self.mantissa.shape[1])

    @property
    def bias_alone(self) -> bool:
        """Whether it is a bias axon of its own, without weights from the source."""
        return self.bias_axon and self.columns == 1

    @property
    def largest_delay(self) -> int:
        """The delay of its weights, the largest of several."""
        values: Any = self.delays
        if isinstance(values, int):
            return values
        stored = values if isinstance(values, np.ndarray) else values.data
        return int(stored.max()) if stored.size else 0

    @property
    def dense(self) -> bool:
        """Whether the mantissas are an array."""
        return isinstance(self.mantissa, np.ndarray)

    def entries(self) -> Array:
        """Return all mantissas, of CSR the stored ones; not a copy."""
        return self.mantissa if isinstance(self.mantissa, np.ndarray) else np.asarray(self.mantissa.data)

    def synapses(self, pre: int) -> Synapses:
        """Return it as executors take it, a copy; `pre` neurons or channels send."""
        weights, always_on = self.mantissa, None
        if self.bias_axon:
            mantissa: Any = self.mantissa
            weights, last = mantissa[:, :-1], mantissa[:, -1:]
            always_on = np.asarray(last if self.dense else last.toarray()).reshape(-1)
            if weights.shape[1] == 0:
                weights = _nothing(len(always_on), pre)
        return Synapses(
            self.source,
            self.target,
            weights,
            self.exponent,
            self.delays,
            always_on,
            self.current,
            self.message_bits,
            self.message_shift,
        )

    @classmethod
    def of(cls, c: Synapses) -> QuantizedConnection:
        """Return a connection of integers with mantissas of its own, which may change."""
        mantissa: Any = c.weights.astype(np.int64)
        if c.always_on is not None:
            mantissa = _with_column(c, mantissa, c.always_on.astype(np.int64)[:, None])
        return cls(
            mantissa=mantissa,
            exponent=int(c.exponent),
            source=c.source,
            target=c.target,
            bias_axon=c.always_on is not None,
            delays=c.delays,
            current=c.current,
            message_bits=c.message_bits,
            message_shift=c.message_shift,
        )


@dataclass(frozen=True, kw_only=True)
class QuantizedNeurons:
    """n neurons of one model in integers, with what the integers stand for.

    Attributes
    ----------
    model
        The neuron.
    per_neuron : (parameters, n) int64
        In the model's order.
    constants : (constants,) int64
        One integer for all, in the model's order.
    psi_table : (PSI_ENTRIES,) int64
        The surrogate derivative.
    state_scale
        state_int = state · state_scale.
    current_scale
        Weighted sum = I · current_scale.
    trainable
        Names of the neuron parameters that learn.
    """

    model: NeuronModel
    per_neuron: Array
    constants: Array
    psi_table: Array
    state_scale: float
    current_scale: float
    trainable: tuple[str, ...] = ()

    def check(self, where: str, others: Mapping[str, tuple[Any, tuple[int, ...]]]) -> None:
        """Check shapes and types, because kernels read what these promise."""
        self.model.require_integer(where)
        require_arrays(
            where,
            {
                **others,
                "per_neuron": (self.per_neuron, (len(self.model.fixed_per_neuron), self.size)),
                "constants": (self.constants, (len(self.model.fixed_constants),)),
                "psi_table": (self.psi_table, (PSI_ENTRIES,)),
            },
        )
        if not (0 < self.state_scale < float("inf") and 0 < self.current_scale < float("inf")):
            raise InputError(f"{where}: scales {self.state_scale}, {self.current_scale}, rule: positive")

    @property
    def size(self) -> int:
        """Neurons."""
        return int(self.per_neuron.shape[1])

    def weight_step(self, connection: Connection) -> float:
        """Return the real size of one mantissa unit of a connection to them."""
        return float(2.0**connection.exponent / self.current_scale)

    def named_constants(self) -> dict[str, int]:
        """Return the layer's constants by name, with the state's fraction where the model's learning asks for it."""
        named = {key: self.constant(key) for key in self.model.fixed_constants}
        if "state_fraction" in self.model.fixed_learning:
            named["state_fraction"] = round(log2(self.state_scale))
        return named

    def constant(self, name: str) -> int:
        """Return a constant by its name in the model's record."""
        return int(self.constants[self.model.fixed_constants.index(name)])


def neurons_of(neurons: QuantizedNeurons) -> dict[str, Any]:
    """Return what a population and a layer have in common, by name, not copied."""
    return {f.name: getattr(neurons, f.name) for f in fields(QuantizedNeurons)}


@dataclass(frozen=True, kw_only=True)
class QuantizedPopulation(QuantizedNeurons):
    """A population of a `QuantizedNetwork`; `name` is its name there."""

    name: str

    def __post_init__(self) -> None:
        """Check shapes and types."""
        self.check(f"population '{self.name}'", {})

    def integer(self) -> Population:
        """Return it as executors take it; it shares the arrays."""
        return Population(self.name, self.model, self.per_neuron, self.constants)


@dataclass(frozen=True, kw_only=True)
class QuantizedLayer(QuantizedNeurons):
    """One layer of a chain in integers: neurons and the connections to them.

    Attributes
    ----------
    input
        From the layer below; with `bias_axon` its last column belongs to an input that is always on.
    recurrent
        From the layer's own outputs of the step before, or None.
    bias_axon
        Whether `input` has that column.
    """

    input: Connection
    recurrent: Connection | None
    bias_axon: bool

    def __post_init__(self) -> None:
        """Check shapes and types."""
        others = {"input": (self.input.mantissa, (self.size, self.inputs + int(self.bias_axon)))}
        if self.recurrent is not None:
            others["recurrent"] = (self.recurrent.mantissa, (self.size, self.size))
        self.check(f"{self.model.name} layer", others)

    @property
    def size(self) -> int:
        """Neurons."""
        return int(self.input.mantissa.shape[0])

    @property
    def inputs(self) -> int:
        """Inputs from below, the bias axon not counted."""
        return int(self.input.mantissa.shape[1]) - int(self.bias_axon)

    def connections(self) -> dict[str, Connection]:
        """Return the connections by name: "input" and, if there is one, "recurrent"."""
        connections = {"input": self.input}
        return connections if self.recurrent is None else connections | {"recurrent": self.recurrent}


def check_width_of(c: QuantizedConnection, profile: Profile) -> None:
    """Raise InputError for weights stored in more bits than the chip has, or beyond the bits in which they are."""
    own, bits = profile.precision.stored_weight_bits, c.weight_bits
    if bits is None:
        return
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= own:
        raise InputError(
            f"connection {c.name}: weights of {bits!r} bits, rule: 1 to {own}, which profile '{profile.name}' has "
            "(precision.weight_bits); quantize for this profile"
        )
    entries, top = c.entries(), top_of(bits)
    if entries.size and (entries.max() > top or entries.min() < -top or (bits == 1 and not entries.all())):
        levels = "-1 or 1" if bits == 1 else f"±{top}"
        raise InputError(
            f"connection {c.name}: weights {entries.min()}..{entries.max()}, rule: {levels}, which {bits} bit(s) hold; "
            "quantize the network again"
        )


def require_arrays(where: str, expected: Mapping[str, tuple[Any, tuple[int, ...]]]) -> None:
    """Raise InputError for an array that is not int64 of its shape, or is empty where it must not be."""
    for name, (array, shape) in expected.items():
        empty = 0 in shape and name not in ("per_neuron", "constants")
        if array.shape != shape or array.dtype != np.int64 or empty:
            raise InputError(f"{where}: {name} is {array.dtype} of shape {array.shape}, rule: int64 of {shape}")


def _nothing(post: int, pre: int) -> Any:
    """Return a sparse matrix without entries."""
    from scipy.sparse import csr_array

    return csr_array((post, pre), dtype=np.int64)


def _with_column(c: Synapses, mantissa: Any, column: Array) -> Any:
    """Return the mantissas with those of the bias axon as a last column, alone where there are no others."""
    if isinstance(mantissa, np.ndarray):
        return np.column_stack([mantissa, column])
    if not c.magnitudes.any():
        return column
    from scipy.sparse import csr_array, hstack

    # every bias is stored, so that one that is 0 may learn
    ones = csr_array((column[:, 0], np.zeros(len(column), np.int64), np.arange(len(column) + 1)), shape=column.shape)
    return csr_array(hstack([mantissa.tocsr(), ones]))
