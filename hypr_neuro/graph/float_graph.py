"""A network of real numbers as a graph: populations of neurons and the connections between them, any way round.

`Network` is a chain that trains; a `FloatGraph` is what other programs bring along: branches, loops over several
layers, delays, spiking outputs, sparse weights. It runs (`graph_forward.run_graph`) and becomes integers
(`graph_quantize.quantize_graph`).

Time. A connection delivers what its source sent `lag` steps before:

    lag = delay         from the input or from a population that stands earlier in the order
    lag = delay + 1     from the target itself or a later population

    I_t = Σ_connections W s_{t - lag} + Σ_{k ≤ t} bias_k
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.store import content_digest, load_arrays, save_arrays
from hypr_neuro.graph.clock import Clock
from hypr_neuro.graph.integer import INPUT, LARGEST_DELAY, check_ends
from hypr_neuro.graph.kinds import require, require_positive
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.arrays import Array, stack_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from hypr_neuro.graph.network import Network

Matrix = Union[Array, "csr_array"]
KIND = "hypr-neuro float graph"
MOST_NEURONS = 1 << 26
"""Of one population: 512 MB a parameter."""


@dataclass(eq=False, repr=False)
class FloatPopulation:
    """n neurons of one model.

    Attributes
    ----------
    params
        Each (n,), every parameter of the model; one number stands for all.
    biases
        Constant currents (n,) by the first step in which they act.
    shape
        Of the neurons, in C order; (n,) if not given.
    """

    name: str
    model: NeuronModel
    params: dict[str, Array]
    biases: Mapping[int, Array] = field(default_factory=dict)
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        where = f"population '{self.name}'"
        self.model.require_float(where)
        given = {key: _real(f"{where}: {key}", value).reshape(-1) for key, value in self.params.items()}
        for key in given:
            self.model.param(key)
        sizes = {len(values) for values in given.values()} | ({prod(self.shape)} if self.shape else set())
        n = max(sizes, default=1)
        if n < 1 or not sizes <= {1, n} or (self.shape and (prod(self.shape) != n or min(self.shape) < 1)):
            raise InputError(
                f"{where}: parameters of sizes {sorted(sizes)}, shape {self.shape}, rule: one number or one a neuron"
            )
        if n > MOST_NEURONS:
            raise InputError(f"{where}: {n} neurons, rule: at most {MOST_NEURONS}; split the population")
        self.shape = self.shape or (n,)
        self.params = {
            p.name: np.array(np.broadcast_to(given.get(p.name, np.array([p.default])), (n,))) for p in self.model.params
        }
        self.biases = {int(k): _real(f"{where}: bias", v) for k, v in sorted(self.biases.items())}
        for first, bias in self.biases.items():
            if bias.shape != (n,) or not np.all(np.isfinite(bias)) or not 0 <= first <= LARGEST_DELAY:
                raise InputError(
                    f"{where}: bias of shape {bias.shape} from step {first}, rule: ({n},), finite, from "
                    f"step 0..{LARGEST_DELAY}"
                )
        self.check()

    def __repr__(self) -> str:
        return f"FloatPopulation('{self.name}', {self.model.name}, {self.size} neurons)"

    @property
    def size(self) -> int:
        """Neurons."""
        return prod(self.shape)

    def bias_name(self, first: int) -> str:
        """Name the constant current that acts from step `first` on."""
        own = "bias" if self.model.bias_on == "current" else "current bias"
        return f"{self.name}.{own}" + (f" from {first}" if first else "")

    def check(self) -> None:
        """Raise InputError, naming the entry, if a bias is not finite or a parameter out of range."""
        where = f"population '{self.name}'"
        for param in self.model.params:
            param.check(where, self.params[param.name])
        if self.model.validate is not None:
            self.model.validate(self.params)
        for first, bias in self.biases.items():
            if not np.all(np.isfinite(bias)):
                raise InputError(
                    f"{self.bias_name(first)} holds a number that is not finite, rule: currents are finite"
                )

    def float_matrix(self) -> Array:
        """Return (parameters and coefficients, n), each column the `p` of one neuron's float functions."""
        rows = stack_rows([self.params[name] for name in self.model.param_names], self.size)
        return np.array([self.model.with_coefficients(tuple(p)) for p in rows.T.tolist()]).T.copy()


@dataclass(eq=False, repr=False)
class FloatSynapses:
    """One connection.

    Attributes
    ----------
    weights : (post, pre) float64
        Dense or CSR.
    delay
        Steps beyond the usual, 0..63.
    current
        Number of the target's input current.
    """

    source: str
    target: str
    weights: Matrix
    delay: int = 0
    current: int = 0

    def __post_init__(self) -> None:
        self.weights = _matrix(self.name, self.weights)
        if not isinstance(self.delay, (int, np.integer)) or not 0 <= self.delay <= LARGEST_DELAY:
            raise InputError(
                f"{self.name}: delay of {self.delay} steps, rule: 0..{LARGEST_DELAY}; a larger dt makes fewer steps "
                "of a delay in seconds"
            )
        self.delay = int(self.delay)

    def __repr__(self) -> str:
        return f"FloatSynapses({self.name}, {self.shape}, delay {self.delay})"

    @property
    def name(self) -> str:
        """'source -> target', as errors name it."""
        return f"{self.source} -> {self.target}"

    @property
    def shape(self) -> tuple[int, int]:
        """(post, pre)."""
        post, pre = self.weights.shape
        return int(post), int(pre)


def _real(where: str, value: Any) -> Array:
    """Return a float64 copy; raise InputError for anything but real numbers."""
    try:
        raw = np.asarray(value)
    except ValueError as error:  # lists of different lengths
        raise InputError(f"{where} is no array ({error}), rule: real numbers") from error
    _check_real(where, raw.dtype)
    with np.errstate(over="ignore"):  # a longer float beyond float64 becomes inf, refused by its range
        return np.array(raw, dtype=np.float64)


def _check_real(where: str, dtype: Any) -> None:
    """Raise InputError for numbers with more than a real part, and for what are no numbers."""
    if dtype.kind not in "biuf":
        raise InputError(f"{where} of type {dtype}, rule: real numbers")


def _matrix(name: str, value: Any) -> Matrix:
    """Return a float64 copy, dense or CSR; raise InputError for indices outside the shape, which scipy would follow."""
    if hasattr(value, "tocsr"):
        from scipy.sparse import csr_array

        _check_real(f"{name}: weights", value.dtype)
        if hasattr(value, "check_format"):
            try:
                value.check_format(full_check=True)
            except ValueError as error:
                raise InputError(f"{name}: sparse weights, {error}, rule: indices inside {value.shape}") from error
        copied: Any = csr_array(value, dtype=np.float64, copy=True)
        copied.sum_duplicates()
        copied.eliminate_zeros()  # one form of a matrix: formats that have no sparse one give the same back
        stored = copied.data
    else:
        copied = _real(f"{name}: weights", value)
        stored = copied
    if copied.ndim != 2 or 0 in copied.shape or not np.all(np.isfinite(stored)):
        raise InputError(f"{name}: weights of shape {copied.shape}, rule: (post, pre), both positive, finite")
    matrix: Matrix = copied
    return matrix


@dataclass(eq=False)
class FloatGraph:
    """Populations in the order in which a step computes them, and the connections between them.

    Attributes
    ----------
    inputs
        Channels of the input.
    populations, synapses
        The graph.
    dt
        Seconds a step.
    outputs
        Populations whose outputs, side by side, are the graph's.
    input_shape
        Shape of the channels in C order.
    notes
        Plain data that travels with the graph, such as the choices of an import.
    """

    inputs: int
    populations: tuple[FloatPopulation, ...]
    synapses: tuple[FloatSynapses, ...]
    dt: float
    outputs: tuple[str, ...]
    input_shape: tuple[int, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.populations, self.synapses = tuple(self.populations), tuple(self.synapses)
        self.input_shape = self.input_shape or (self.inputs,)
        names = [p.name for p in self.populations]
        if not names or len(set(names)) != len(names) or INPUT in names:
            raise InputError(f"populations {names}, rule: at least one, names differ and none is '{INPUT}'")
        if self.inputs < 1 or min(self.input_shape) < 1 or prod(self.input_shape) != self.inputs:
            raise InputError(f"inputs = {self.inputs}, input_shape = {self.input_shape}, rule: as many, at least one")
        require_positive("dt", self.dt, "seconds a step")
        self._index = {name: i for i, name in enumerate(names)}
        if not self.outputs or any(name not in self._index for name in self.outputs):
            raise InputError(f"outputs {self.outputs}, rule: populations of the graph, known: {', '.join(names)}")
        for c in self.synapses:
            check_ends(c, self.inputs, self.populations)
        # in float, connections take no time of their own
        self.clock = Clock(tuple(names), tuple((c.source, c.target) for c in self.synapses), connection_delay=0)

    @classmethod
    def from_network(cls, net: Network) -> FloatGraph:
        """Return a network of layers as a graph that computes the same; populations have the names of the layers."""
        from hypr_neuro.graph.network import Network

        require("net", net, Network)
        populations, synapses, below = [], [], INPUT
        for i, layer in enumerate(net.layers):
            name = net.name(i)
            biases = {} if layer.bias is None else {0: layer.bias}
            populations.append(FloatPopulation(name, layer.model, layer.params, biases, (layer.size,)))
            synapses.append(FloatSynapses(below, name, layer.weight))
            if layer.recurrent is not None:
                synapses.append(FloatSynapses(name, name, layer.recurrent))
            below = name
        return cls(net.inputs, tuple(populations), tuple(synapses), net.dt, (below,), notes=dict(net.notes))

    def population(self, name: str) -> FloatPopulation:
        """Return the population of that name."""
        return self.populations[self._index[name]]

    def incoming(self, target: str) -> list[FloatSynapses]:
        """Return the connections to a population."""
        return [c for c in self.synapses if c.target == target]

    def forward(self, c: FloatSynapses) -> bool:
        """Tell whether the connection comes from the input or from an earlier population."""
        return self.clock.forward(c.source, c.target)

    def lag(self, c: FloatSynapses) -> int:
        """Count the steps from sending to arriving."""
        return self.clock.lag(c.source, c.target, c.delay)

    def connection_names(self) -> list[str]:
        """Name each connection, 'a -> b', the second one of the same ends 'a -> b (2)'."""
        seen: dict[str, int] = {}
        names = []
        for c in self.synapses:
            seen[c.name] = seen.get(c.name, 0) + 1
            names.append(c.name if seen[c.name] == 1 else f"{c.name} ({seen[c.name]})")
        return names

    def arrays(self) -> dict[str, Array]:
        """Return every trainable array by name; not copies.

        Weights have the name of their connection (of CSR the stored ones), constant currents and trainable parameters
        that of their population and their own, 'a.bias', 'a.tau'.
        """
        result: dict[str, Array] = {}
        for name, c in zip(self.connection_names(), self.synapses, strict=True):
            weights: Any = c.weights
            result[name] = weights if isinstance(weights, np.ndarray) else weights.data
        for p in self.populations:
            result |= {p.bias_name(first): bias for first, bias in p.biases.items()}
            result |= {f"{p.name}.{name}": p.params[name] for name in p.model.trainable}
        return result

    def check(self) -> None:
        """Raise InputError, naming the entry, if a weight is not finite or a parameter out of range."""
        for name, array in self.arrays().items():
            if not np.all(np.isfinite(array)):
                raise InputError(f"{name} holds a number that is not finite, rule: weights are finite")
        for p in self.populations:
            p.check()

    @property
    def size(self) -> int:
        """Number of outputs."""
        return sum(self.population(name).size for name in self.outputs)

    def save(self, path: str | Path) -> None:
        """Write an HDF5 file that `load` reads back equal."""
        save_arrays(path, KIND, *self._contents())

    def digest(self) -> str:
        """Return sha256 over everything that decides what the graph computes."""
        meta, arrays = self._contents()
        return content_digest(json.dumps({k: v for k, v in meta.items() if k != "notes"}, sort_keys=True), arrays)

    def _contents(self) -> tuple[dict[str, Any], dict[str, Array]]:
        arrays: dict[str, Array] = {}
        populations, synapses = [], []
        for i, p in enumerate(self.populations):
            arrays |= {f"p{i}/params/{k}": v for k, v in p.params.items()}
            arrays |= {f"p{i}/biases/{k}": v for k, v in p.biases.items()}
            populations.append(
                {"name": p.name, "neuron": p.model.name, "shape": list(p.shape), "biases": list(p.biases)}
            )
        for i, c in enumerate(self.synapses):
            sparse = not isinstance(c.weights, np.ndarray)
            parts = ("data", "indices", "indptr") if sparse else ()
            arrays |= {f"c{i}/{k}": getattr(c.weights, k) for k in parts} or {f"c{i}/dense": np.asarray(c.weights)}
            synapses.append(
                {
                    "source": c.source,
                    "target": c.target,
                    "delay": c.delay,
                    "current": c.current,
                    "shape": list(c.shape),
                    "sparse": sparse,
                }
            )
        meta = {
            "inputs": self.inputs,
            "input_shape": list(self.input_shape),
            "dt": self.dt,
            "outputs": list(self.outputs),
            "notes": self.notes,
            "populations": populations,
            "synapses": synapses,
        }
        return meta, arrays

    @classmethod
    def load(cls, path: str | Path) -> FloatGraph:
        """Read a file of `save`; raise FileFormatError for a damaged file or one of another kind."""
        meta, arrays = load_arrays(path, KIND)
        try:
            populations = [_loaded_population(i, e, arrays) for i, e in enumerate(meta["populations"])]
            synapses = [_loaded_synapses(i, e, arrays) for i, e in enumerate(meta["synapses"])]
            return cls(
                inputs=meta["inputs"],
                populations=tuple(populations),
                synapses=tuple(synapses),
                dt=meta["dt"],
                outputs=tuple(meta["outputs"]),
                input_shape=tuple(meta["input_shape"]),
                notes=meta["notes"],
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise FileFormatError(f"file '{path}': {type(error).__name__} {error}; import it again") from error


def _loaded_population(i: int, entry: dict[str, Any], arrays: dict[str, Array]) -> FloatPopulation:
    model = get_model(entry["neuron"])
    params = {p.name: arrays[f"p{i}/params/{p.name}"] for p in model.params}
    biases = {int(k): arrays[f"p{i}/biases/{k}"] for k in entry["biases"]}
    shape = tuple(entry["shape"])
    for name, values in params.items():  # one number for all is written out in a file: the shape makes no arrays
        if values.shape != (prod(shape),):
            raise ValueError(f"population '{entry['name']}': {name} of shape {values.shape} for neurons {shape}")
    return FloatPopulation(entry["name"], model, params, biases, shape)


def _loaded_synapses(i: int, entry: dict[str, Any], arrays: dict[str, Array]) -> FloatSynapses:
    weights: Any
    if entry["sparse"]:
        from scipy.sparse import csr_array

        parts = tuple(arrays[f"c{i}/{k}"] for k in ("data", "indices", "indptr"))
        weights = csr_array(parts, shape=tuple(entry["shape"]))
    else:
        weights = arrays[f"c{i}/dense"]
    return FloatSynapses(entry["source"], entry["target"], weights, entry["delay"], entry["current"])
