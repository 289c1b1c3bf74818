"""The float network: layers of neurons, their weights and parameters. Shapes are checked here, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.store import load_arrays, save_arrays
from hypr_neuro.graph.kinds import require_positive
from hypr_neuro.graph.spec import NetworkSpec, Range, parse_spec
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.arrays import Array, stack_rows

KIND = "hypr-neuro network"


@dataclass
class Layer:
    """n neurons of one model with their incoming weights, all float64.

    Attributes
    ----------
    model
        The neuron.
    weight : (n, inputs)
        From the layer below, in the same step.
    recurrent : (n, n)
        From the layer's own spikes of the previous step, or None.
    bias : (n,)
        On the current, or None (models whose bias acts on the state have it in `params`).
    params
        Each (n,), every parameter of the model.
    trainable
        Names of `params` that training changes.
    """

    model: NeuronModel
    weight: Array
    recurrent: Array | None
    bias: Array | None
    params: dict[str, Array]
    trainable: tuple[str, ...]

    def __post_init__(self) -> None:
        self.model.require_float("layer")
        self.weight = np.array(self.weight, dtype=np.float64)
        if self.weight.ndim != 2 or 0 in self.weight.shape:
            raise InputError(f"weight of shape {self.weight.shape}, rule: (neurons, inputs), both positive")
        n = self.weight.shape[0]
        if self.recurrent is not None:
            self.recurrent = np.array(self.recurrent, dtype=np.float64)
            if self.model.readout:
                raise InputError(f"a readout layer ('{self.model.name}') cannot be recurrent: it has no spikes")
        if self.bias is not None:
            if self.model.bias_on == "state":
                raise InputError(f"neuron '{self.model.name}': its bias acts on the state; set params['bias']")
            self.bias = np.array(self.bias, dtype=np.float64)
        for name, array, shape in (("recurrent", self.recurrent, (n, n)), ("bias", self.bias, (n,))):
            if array is not None and array.shape != shape:
                raise InputError(f"{name} of shape {array.shape}, rule: {shape} for {n} neurons")
        for name in (*self.params, *self.trainable):
            self.model.param(name)
        self.params = {p.name: self._param(p.name, p.default, n) for p in self.model.params}
        self.check()

    def _param(self, name: str, default: float, n: int) -> Array:
        values = np.asarray(self.params.get(name, default), dtype=np.float64)
        if values.ndim > 1 or values.size not in (1, n):
            raise InputError(f"parameter '{name}' of shape {values.shape}, rule: one number or ({n},)")
        return np.array(np.broadcast_to(values.reshape(-1), (n,)))

    def check(self) -> None:
        """Raise InputError, naming the entry, if a weight is not finite or a parameter out of range."""
        for name in ("weight", "recurrent", "bias"):
            array = getattr(self, name)
            if array is not None and not np.all(np.isfinite(array)):
                index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
                raise InputError(f"{name}{list(index)} = {array[index]}, rule: weights are finite")
        for param in self.model.params:
            param.check(f"neuron '{self.model.name}'", self.params[param.name])
        if self.model.validate is not None:
            self.model.validate(self.params)

    @property
    def size(self) -> int:
        """Neurons."""
        return int(self.weight.shape[0])

    @property
    def inputs(self) -> int:
        """Neurons or channels below."""
        return int(self.weight.shape[1])

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Yield trainable arrays by name: weight, recurrent, bias, then neuron parameters."""
        yield "weight", self.weight
        if self.recurrent is not None:
            yield "recurrent", self.recurrent
        if self.bias is not None:
            yield "bias", self.bias
        for name in self.trainable:
            yield name, self.params[name]

    def param_matrix(self) -> Array:
        """Return (parameters, n) in the model's order."""
        return stack_rows([self.params[name] for name in self.model.param_names], self.size)

    def float_matrix(self) -> Array:
        """Return (parameters and coefficients, n) float64, each column the `p` of one neuron's float functions.

        Raise InputError, as `check` does, where parameters were changed to values that have no coefficients.
        """
        try:
            columns = [self.model.with_coefficients(tuple(p)) for p in self.param_matrix().T.tolist()]
        except (ArithmeticError, ValueError):
            self.check()
            raise
        return np.array(columns).T.copy()


@dataclass
class Network:
    """Layers from input to output; the last is the readout.

    Attributes
    ----------
    layers
        From input to output.
    dt
        Seconds a step.
    encoder
        How samples became spikes, stored with the network (see `hypr_neuro.data.encode`).
    notes
        Plain data that travels with the network; "spec" is what `build` was given.
    """

    layers: list[Layer]
    dt: float = 1e-3
    encoder: dict[str, Any] | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.layers) < 2 or not self.layers[-1].model.readout:
            raise InputError("a network has at least one layer of spiking neurons and ends with a readout")
        for i, layer in enumerate(self.layers[:-1]):
            if layer.model.readout:
                raise InputError(f"layer {i}: '{layer.model.name}' is a readout, rule: only the last layer is one")
            if self.layers[i + 1].inputs != layer.size:
                raise InputError(
                    f"{self.name(i + 1)}: {self.layers[i + 1].inputs} inputs, but layer {i} has {layer.size}"
                )
        require_positive("dt", self.dt, "seconds a step")

    @classmethod
    def build(cls, spec: NetworkSpec | dict[str, Any] | str | Path, seed: int = 0) -> Network:
        """Draw weights, uniform in ±√(6/(fan_in + fan_out)), fan_in = inputs (+ neurons), biases 0."""
        parsed = parse_spec(spec)
        rng = np.random.default_rng(seed)
        layers, inputs = [], parsed.inputs
        for i, s in enumerate(parsed.layers):
            model = get_model(s.neuron)
            if model.readout:
                raise InputError(f"layers.{i}.neuron = '{s.neuron}' is a readout; use it under 'readout'")
            layers.append(_draw_layer(model, s.size, inputs, s.recurrent, s.bias, s.params, rng))
            inputs = s.size
        model = get_model(parsed.readout.neuron)
        if not model.readout:
            raise InputError(f"readout.neuron = '{model.name}', rule: a readout, which are {', '.join(readouts())}")
        values, bias = parsed.readout.values, parsed.readout.bias
        layers.append(_draw_layer(model, parsed.outputs, inputs, False, bias, values, rng))
        return cls(layers, parsed.dt, notes={"spec": _spec_note(parsed, model)})

    @property
    def inputs(self) -> int:
        """Channels of the input."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """Neurons of the readout."""
        return self.layers[-1].size

    def name(self, index: int) -> str:
        """Return the name of a layer: 'layers.0', …, 'readout'."""
        return layer_name(index, len(self.layers))

    def arrays(self) -> dict[str, Array]:
        """Return every trainable array by name, such as 'layers.0.weight' or 'readout.tau'; not copies."""
        return {f"{self.name(i)}.{key}": a for i, layer in enumerate(self.layers) for key, a in layer.arrays()}

    def copy(self) -> Network:
        """Return a network with its own arrays."""
        layers = [
            Layer(x.model, x.weight, x.recurrent, x.bias, {k: v.copy() for k, v in x.params.items()}, x.trainable)
            for x in self.layers
        ]
        return Network(layers, self.dt, self.encoder, dict(self.notes))

    def save(self, path: str | Path) -> None:
        """Write an HDF5 file that `load` reads back equal."""
        arrays: dict[str, Array] = {}
        layers = []
        for i, layer in enumerate(self.layers):
            parts = {"weight": layer.weight, "recurrent": layer.recurrent, "bias": layer.bias}
            arrays |= {f"{i}/{k}": v for k, v in parts.items() if v is not None}
            arrays |= {f"{i}/params/{k}": v for k, v in layer.params.items()}
            layers.append({"neuron": layer.model.name, "trainable": list(layer.trainable)})
        meta = {"dt": self.dt, "encoder": self.encoder, "notes": self.notes, "layers": layers}
        save_arrays(path, KIND, meta, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """Read a file of `save`; raise FileFormatError for a damaged file or one of another kind."""
        meta, arrays = load_arrays(path, KIND)
        try:
            layers = []
            for i, entry in enumerate(meta["layers"]):
                model = get_model(entry["neuron"])
                params = {p.name: arrays[f"{i}/params/{p.name}"] for p in model.params}
                parts = [arrays.get(f"{i}/{k}") for k in ("recurrent", "bias")]
                layers.append(
                    Layer(model, arrays[f"{i}/weight"], parts[0], parts[1], params, tuple(entry["trainable"]))
                )
            return cls(layers, meta["dt"], meta["encoder"], meta["notes"])
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise FileFormatError(
                f"file '{path}': {type(error).__name__} {error}; write it again with train"
            ) from error


def readouts() -> list[str]:
    """Return the names of the models that can end a network."""
    return sorted(name for name, model in MODELS.items() if model.readout and model.has_float)


def _spec_note(spec: NetworkSpec, readout: NeuronModel) -> dict[str, Any]:
    """Return the specification as plain data, from which `build` makes the same network."""
    note: dict[str, Any] = spec.model_dump(mode="json")
    entry = note["readout"]
    if not entry["params"]:
        del entry["params"]
    if entry["tau"] is None:
        del entry["tau"]
        if "tau" in readout.param_names and "tau" not in spec.readout.params:
            entry["tau"] = readout.param("tau").default
    return note


def layer_name(index: int, count: int) -> str:
    """Return the name of a layer: 'layers.0', …, 'readout' for the last of `count`."""
    return "readout" if index == count - 1 else f"layers.{index}"


def _draw_layer(
    model: NeuronModel,
    size: int,
    inputs: int,
    recurrent: bool,
    bias: bool,
    params: dict[str, Range],
    rng: np.random.Generator,
) -> Layer:
    """Draw weights and parameters of one layer from `rng`, in a fixed order."""
    fan_in = inputs + (size if recurrent else 0)
    limit = np.sqrt(6.0 / (fan_in + size))
    weight = rng.uniform(-limit, limit, (size, inputs))
    rec = rng.uniform(-limit, limit, (size, size)) if recurrent else None
    drawn: dict[str, Array] = {}
    for name, value in params.items():
        model.param(name)
        low, high = value if isinstance(value, tuple) else (value, value)
        if high < low:
            raise InputError(f"neuron '{model.name}': {name} = [{low}, {high}], rule: lower end first")
        drawn[name] = rng.uniform(low, high, size) if high > low else np.full(size, low)
    trainable = tuple(n for n in model.trainable if n != "bias" or bias)
    return Layer(model, weight, rec, np.zeros(size) if bias and model.bias_on == "current" else None, drawn, trainable)
