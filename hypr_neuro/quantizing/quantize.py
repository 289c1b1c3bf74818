"""From float to integers: weights to mantissa · 2^exponent, states to fixed point, parameters by each model's rule.

Every step is recorded (value, scale, integer, rounding, clips); `QuantizedNetwork.explain` prints it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.checks import require_integers
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.store import load_arrays, save_arrays
from hypr_neuro.graph.clock import Clock
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Layer, Network, layer_name
from hypr_neuro.neurons import get_model, integer_model
from hypr_neuro.neurons.base import PSI_ENTRIES, Conversion, NeuronModel
from hypr_neuro.numbers.arrays import Array, stack_rows
from hypr_neuro.profiles.profile import Profile, load_profile, parse_profile
from hypr_neuro.quantizing.learned_values import read_values
from hypr_neuro.run.forward import LayerForward, readout

KIND = "hypr-neuro quantized network"
CALIBRATION_SAMPLES = 64
STATE_SCALES = 64
"""As many powers of two as a state's scale can be."""


@dataclass
class Connection:
    """Weights (post, pre), int64 mantissas; a step's sum Σ m z is shifted by `exponent` (a negative one floors)."""

    mantissa: Array
    exponent: int


@dataclass
class QuantizedLayer:
    """One layer in integers.

    Attributes
    ----------
    model
        The neuron.
    input
        From the layer below; with `bias_axon` its last column belongs to an input that is always on.
    recurrent
        From the layer's own outputs of the step before, or None.
    bias_axon
        Whether `input` has that column.
    per_neuron : (parameters, n) int64
        In the model's order.
    constants : (constants,) int64
        One integer a layer, in the model's order.
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
    input: Connection
    recurrent: Connection | None
    bias_axon: bool
    per_neuron: Array
    constants: Array
    psi_table: Array
    state_scale: float
    current_scale: float
    trainable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check shapes and types, because kernels read what these promise."""
        self.model.require_integer("integer layer")
        expected = {
            "input": (self.input.mantissa, (self.size, self.inputs + int(self.bias_axon))),
            "per_neuron": (self.per_neuron, (len(self.model.fixed_per_neuron), self.size)),
            "constants": (self.constants, (len(self.model.fixed_constants),)),
            "psi_table": (self.psi_table, (PSI_ENTRIES,)),
        }
        if self.recurrent is not None:
            expected["recurrent"] = (self.recurrent.mantissa, (self.size, self.size))
        for name, (array, shape) in expected.items():
            empty = 0 in shape and name not in ("per_neuron", "constants")
            if array.shape != shape or array.dtype != np.int64 or empty:
                raise InputError(
                    f"{self.model.name} layer: {name} is {array.dtype} of shape {array.shape}, rule: int64 of {shape}"
                )
        if not (0 < self.state_scale < float("inf") and 0 < self.current_scale < float("inf")):
            raise InputError(
                f"{self.model.name} layer: scales {self.state_scale}, {self.current_scale}, rule: positive"
            )

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

    def weight_step(self, connection: Connection) -> float:
        """Return the real size of one mantissa unit."""
        return float(2.0**connection.exponent / self.current_scale)

    def constant(self, name: str) -> int:
        """Return a constant of the layer by its name in the model's record."""
        return int(self.constants[self.model.fixed_constants.index(name)])


@dataclass
class QuantizedNetwork:
    """The integer network, all a target needs; `record` tells how each number came about."""

    layers: list[QuantizedLayer]
    profile: Profile
    dt: float
    encoder: dict[str, Any] | None = None
    record: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.layers) < 2 or [layer.model.readout for layer in self.layers].index(True) != len(self.layers) - 1:
            raise InputError("an integer network has spiking layers and ends with its only readout")
        for i, (below, layer) in enumerate(pairwise(self.layers)):
            if layer.inputs != below.size:
                raise InputError(f"{self.name(i + 1)}: {layer.inputs} inputs, but {self.name(i)} has {below.size}")

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

    @property
    def clock(self) -> Clock:
        """When its layers run and learn, under the profile's time rules."""
        return self.profile.clock(len(self.layers))

    def latency(self, index: int) -> int:
        """Return the steps by which layer `index` runs behind float time."""
        return self.clock.latency(index)

    def weights(self) -> dict[str, Array]:
        """Return every mantissa array by name, such as 'layers.0.input'; not copies."""
        return {
            f"{self.name(i)}.{k}": c.mantissa
            for i, layer in enumerate(self.layers)
            for k, c in layer.connections().items()
        }

    @property
    def tail(self) -> int:
        """Steps without input after which the readout has seen a whole sample."""
        return self.clock.tail

    def integer(self) -> IntegerNetwork:
        """Return the network as executors run it; it shares the arrays of weights and parameters."""
        populations, synapses, below = [], [], INPUT
        for i, layer in enumerate(self.layers):
            name = self.name(i)
            populations.append(Population(name, layer.model, layer.per_neuron, layer.constants))
            matrix, bias = layer.input.mantissa, None
            if layer.bias_axon:
                matrix, bias = matrix[:, :-1], matrix[:, -1]
            synapses.append(Synapses(below, name, matrix, layer.input.exponent, always_on=bias))
            if layer.recurrent is not None:
                synapses.append(Synapses(name, name, layer.recurrent.mantissa, layer.recurrent.exponent))
            below = name
        delay = self.clock.connection_delay
        bits = int(self.profile.precision.state_bits.value)
        return IntegerNetwork(self.inputs, tuple(populations), tuple(synapses), delay, bits)

    def copy(self) -> QuantizedNetwork:
        """Return a network with its own copy of everything that learning changes."""
        layers = []
        for layer in self.layers:
            rec = layer.recurrent
            layers.append(
                replace(
                    layer,
                    input=Connection(layer.input.mantissa.copy(), layer.input.exponent),
                    recurrent=None if rec is None else Connection(rec.mantissa.copy(), rec.exponent),
                    per_neuron=layer.per_neuron.copy(),
                )
            )
        return replace(self, layers=layers)

    def explain(self) -> list[str]:
        """Return one line a conversion: name, range of values, scale, range of integers, rounding, clips, rule."""
        return explained(self.record)

    def save(self, path: str | Path) -> None:
        """Write an HDF5 file that `load` reads back equal."""
        arrays: dict[str, Array] = {}
        layers = []
        for i, layer in enumerate(self.layers):
            arrays |= {f"{i}/{k}": c.mantissa for k, c in layer.connections().items()}
            arrays |= {f"{i}/{k}": getattr(layer, k) for k in ("per_neuron", "constants", "psi_table")}
            layers.append(
                {
                    "neuron": layer.model.name,
                    "exponents": {k: c.exponent for k, c in layer.connections().items()},
                    "bias_axon": layer.bias_axon,
                    "state_scale": layer.state_scale,
                    "current_scale": layer.current_scale,
                    "trainable": list(layer.trainable),
                }
            )
        meta = {
            "dt": self.dt,
            "encoder": self.encoder,
            "profile": self.profile.dump(),
            "layers": layers,
            "record": self.record,
        }
        save_arrays(path, KIND, meta, arrays)

    @classmethod
    def load(cls, path: str | Path) -> QuantizedNetwork:
        """Read a file of `save`; raise FileFormatError for a damaged file or one of another kind."""
        meta, arrays = load_arrays(path, KIND)
        try:
            layers = [_loaded_layer(i, entry, arrays) for i, entry in enumerate(meta["layers"])]
            profile = parse_profile(meta["profile"], str(path))
            return cls(layers, profile, meta["dt"], meta["encoder"], meta["record"])
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise FileFormatError(
                f"file '{path}': {type(error).__name__} {error}; write it again with quantize"
            ) from error


def _loaded_layer(i: int, entry: dict[str, Any], arrays: dict[str, Array]) -> QuantizedLayer:
    exponents = entry["exponents"]
    connections = {k: Connection(arrays[f"{i}/{k}"], exponents[k]) for k in exponents}
    return QuantizedLayer(
        model=get_model(entry["neuron"]),
        input=connections["input"],
        recurrent=connections.get("recurrent"),
        bias_axon=entry["bias_axon"],
        per_neuron=arrays[f"{i}/per_neuron"],
        constants=arrays[f"{i}/constants"],
        psi_table=arrays[f"{i}/psi_table"],
        state_scale=entry["state_scale"],
        current_scale=entry["current_scale"],
        trainable=tuple(entry["trainable"]),
    )


def quantize(
    net: Network,
    profile: Profile | str | Path,
    *,
    calibration: SequenceData | Array | Mapping[str, float],
    weight_range: Mapping[str, float] | None = None,
) -> QuantizedNetwork:
    """Make the integers of a network for a profile.

    Parameters
    ----------
    net
        The float network.
    profile
        A profile, its name or its file.
    calibration
        Data (its first 64 training samples are run in float), an array (sample, T, channel), or the largest state
        magnitude of each layer by name, such as {"layers.0": 3.1, "readout": 6.0}.
    weight_range
        Largest weight magnitude to make room for, by connection ("layers.0.input"), where it is larger than the
        network's own. Learning from scratch needs it: exponents come from the range training reaches.

    Raises
    ------
    InputError
        If a neuron is float only, the data hold fractions, a range is missing or a weight exponent leaves the profile's
        range.
    """
    require("net", net, Network)
    for i, layer in enumerate(net.layers):
        layer.model.require_integer(net.name(i))
    if isinstance(calibration, SequenceData):
        require_integers(calibration)
    profile = load_profile(profile)
    ranges = calibration if isinstance(calibration, Mapping) else state_ranges(net, calibration_input(calibration))
    record: list[dict[str, Any]] = []
    layers = []
    for i, layer in enumerate(net.layers):
        name = net.name(i)
        if name not in ranges:
            raise InputError(f"calibration lacks '{name}', has: {', '.join(ranges) or 'nothing'}")
        named_ranges = {k.rsplit(".", 1)[1]: v for k, v in (weight_range or {}).items() if k.rsplit(".", 1)[0] == name}
        layers.append(_quantize_layer(name, layer, profile, float(ranges[name]), named_ranges, record))
    return QuantizedNetwork(layers, profile, net.dt, net.encoder, record)


def state_ranges(net: Network, x: Array) -> dict[str, float]:
    """Return the largest magnitude of any state of each layer, over samples (sample, T, channel) run in float."""
    largest = {net.name(i): 0.0 for i in range(len(net.layers))}

    def visit(start: int, layers: Sequence[LayerForward]) -> None:
        for i, layer in enumerate(layers):
            largest[net.name(i)] = max(largest[net.name(i)], float(np.abs(layer.states).max()))

    readout(net, x, visit=visit)
    return largest


def weight_ranges(net: Network) -> dict[str, float]:
    """Return the largest weight magnitude by connection, bias included where it is an axon; see `quantize`."""
    require("net", net, Network)
    ranges = {}
    for i, layer in enumerate(net.layers):
        ranges[f"{net.name(i)}.input"] = float(np.abs(_input_matrix(layer)).max())
        if layer.recurrent is not None:
            ranges[f"{net.name(i)}.recurrent"] = float(np.abs(layer.recurrent).max())
    return ranges


def calibration_input(calibration: SequenceData | Array) -> Array:
    """Return samples (sample, T, channel) to calibrate on: of data the first 64 for training, arrays as they are."""
    if isinstance(calibration, SequenceData):
        return calibration.part("train").x[:CALIBRATION_SAMPLES]
    return np.asarray(calibration)


def _input_matrix(layer: Layer) -> Array:
    return layer.weight if layer.bias is None else np.column_stack([layer.weight, layer.bias])


def _quantize_layer(
    name: str,
    layer: Layer,
    profile: Profile,
    state_range: float,
    weight_range: Mapping[str, float],
    record: list[dict[str, Any]],
) -> QuantizedLayer:
    matrices = {"input": _input_matrix(layer)} | ({} if layer.recurrent is None else {"recurrent": layer.recurrent})
    room = {k: max(float(np.abs(m).max()), weight_range.get(k, 0.0)) for k, m in matrices.items()}
    number_format = profile.fixed_format(state_range, max(room.values()))
    model = integer_model(layer.model, number_format)
    fixed = model.to_integers(layer.params, number_format)
    record += [conversion_summary(name, c) for c in fixed.conversions]
    connections = {
        k: quantize_weights(name, k, m, fixed.current_scale, room[k], profile, record) for k, m in matrices.items()
    }
    return QuantizedLayer(
        model=model,
        input=connections["input"],
        recurrent=connections.get("recurrent"),
        bias_axon=layer.bias is not None,
        per_neuron=stack_rows([fixed.per_neuron[k] for k in model.fixed_per_neuron], layer.size, np.int64),
        constants=np.array([fixed.constants[k] for k in model.fixed_constants], dtype=np.int64),
        psi_table=fixed.psi_table,
        state_scale=fixed.state_scale,
        current_scale=fixed.current_scale,
        trainable=layer.trainable,
    )


def quantize_weights(
    layer: str,
    key: str,
    matrix: Array,
    current_scale: float,
    room: float,
    profile: Profile,
    record: list[dict[str, Any]],
) -> Connection:
    """Compute m = round(w · current_scale / 2^e) with the smallest exponent e at which the largest weight fits.

    Parameters
    ----------
    layer, key
        Names of the layer and of its connection, for the record and for errors.
    matrix
        Weights in an array of any shape.
    current_scale
        Units of the layer's weighted sums, see `QuantizedLayer`.
    room
        The largest weight magnitude to make room for; larger ones are clipped.
    profile
        Its weight bits and range of exponents.
    record
        The conversion is appended.

    Raises
    ------
    InputError
        If the exponent is outside the profile's range.
    """
    p = profile.precision
    top = p.weight_top
    low, high = p.weight_exponent_min.value, p.weight_exponent_max.value
    needed = int(np.ceil(np.log2(max(room * current_scale / top, 2.0**low))))
    if needed > high:
        raise InputError(
            f"{layer}.{key}: largest weight {room:.4g} needs weight exponent {needed}, rule: {low}..{high} "
            f"(profile '{profile.name}', precision.weight_exponent_max); rescale the network"
        )
    scale = current_scale / 2.0**needed
    exact = np.rint(matrix * scale)
    mantissa = np.clip(exact, -top, top).astype(np.int64)
    rule = f"weight, {p.weight_bits.value} bits, exponent {needed}"
    clipped = int(np.count_nonzero(exact != mantissa))
    record.append(
        conversion_summary(layer, Conversion(key, matrix, scale, mantissa, "nearest, ties to even", clipped, rule))
    )
    return Connection(mantissa, needed)


def conversion_summary(layer: str, c: Conversion) -> dict[str, Any]:
    """Return a conversion as plain data, for the record."""
    error = c.integer / c.scale - c.value
    power, noise = float(np.mean(c.value**2)), float(np.mean(error**2))
    sqnr = 10.0 * float(np.log10(power / noise)) if noise > 0 and power > 0 else None
    return {
        "layer": layer,
        "name": c.name,
        "low": float(c.value.min()),
        "high": float(c.value.max()),
        "scale": c.scale,
        "integer_low": int(c.integer.min()),
        "integer_high": int(c.integer.max()),
        "rounding": c.rounding,
        "clipped": c.clipped,
        "count": int(c.integer.size),
        "sqnr": sqnr,
        "rule": c.rule,
    }


def explained(record: Sequence[Mapping[str, Any]]) -> list[str]:
    """Tell the conversions of a record in words, one a line."""
    return [
        f"{r['layer']}.{r['name']}: {r['low']:.6g}..{r['high']:.6g} × {r['scale']:.6g} -> "
        f"{r['integer_low']}..{r['integer_high']} ({r['rounding']}; {r['clipped']} of {r['count']} clipped; "
        f"SQNR {_decibel(r['sqnr'])}; {r['rule']})"
        for r in record
    ]


def _decibel(value: float | None) -> str:
    return "exact" if value is None else f"{value:.1f} dB"


def dequantize(net: Network, qnet: QuantizedNetwork) -> Network:
    """Return a float network with the weights and neuron parameters that the integers stand for.

    Parameters come from the integers where learning has changed these; those of which the integers are still what
    quantizing gave keep the exact numbers of `net`, as do parameters that do not learn on a chip. Raise InputError if
    the two do not have the same layers.
    """
    require("net", net, Network)
    require("qnet", qnet, QuantizedNetwork)
    shapes = [(layer.model.neuron, layer.size, layer.inputs) for layer in net.layers]
    if shapes != [(layer.model.neuron, layer.size, layer.inputs) for layer in qnet.layers]:
        raise InputError(f"float network {shapes} and integer network differ; give the one that was quantized")
    result = net.copy()
    for layer, fixed in zip(result.layers, qnet.layers, strict=True):
        matrix = fixed.input.mantissa * fixed.weight_step(fixed.input)
        if layer.bias is not None:
            layer.bias[...] = matrix[:, -1]
            matrix = matrix[:, :-1]
        layer.weight[...] = matrix
        if layer.recurrent is not None and fixed.recurrent is not None:
            layer.recurrent[...] = fixed.recurrent.mantissa * fixed.weight_step(fixed.recurrent)
        if layer.model.learned is not None:
            per_neuron = dict(zip(layer.model.fixed_per_neuron, fixed.per_neuron, strict=True))
            constants = {key: fixed.constant(key) for key in layer.model.fixed_constants}
            read_values(layer, constants, _start_integers(layer, fixed, qnet.profile), per_neuron)
    return result


def _start_integers(layer: Layer, fixed: QuantizedLayer, profile: Profile) -> dict[str, Array]:
    """Return the per-neuron integers that quantizing the layer gives, at the state scale that the integer layer has."""
    top = 1 << (profile.precision.state_bits.value - 1)
    state_range = 0.75 * top / (profile.precision.state_headroom.value * fixed.state_scale)
    for _ in range(STATE_SCALES):
        converted = fixed.model.to_integers(layer.params, profile.fixed_format(state_range, 0.0))
        if converted.state_scale == fixed.state_scale:
            break
        # both scales are powers of two, and a range twice as large gives half the scale
        state_range *= 2.0 if converted.state_scale > fixed.state_scale else 0.5
    return converted.per_neuron
