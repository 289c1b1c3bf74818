"""What an integer network is in NIR: the float network that its integers stand for, and the integers beside it.

    weight = mantissa · 2^exponent / current_scale          parameters: `model.learned.read` and `params`

The weight nodes hold these products in float64; a product divided by the weight step and rounded is the mantissa again,
so that they alone carry the weights. Metadata hold what no standard field can: exponents, scales, the integers of each
neuron and layer, ψ tables, profile and record of conversions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.nir.nodes import base_name
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import VARIANTS, get_model
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import parse_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import Connection, QuantizedLayer

Integers = Mapping[str, Any]
GRID_TOLERANCE = 1e-3
"""Share of a weight step by which a weight may miss its mantissa: what float32 loses is less."""


# ---------------------------------------------------------------- integers to float


def float_network(qnet: QuantizedNetwork) -> Network:
    """Return the float network that the integers stand for: weights, biases and neuron parameters.

    Raises
    ------
    InputError
        For a neuron without float form and for mantissas wider than the profile's; the error names the layer.
    """
    layers = []
    for i, layer in enumerate(qnet.layers):
        for key, connection in layer.connections().items():
            _check_width(f"{qnet.name(i)}.{key}", connection.mantissa, weight_top(qnet))
        layers.append(_float_layer(qnet.name(i), layer))
    return Network.from_layers(layers, qnet.dt, qnet.encoder)


def weight_top(qnet: QuantizedNetwork) -> int:
    """Return the largest mantissa of the profile's width."""
    return qnet.profile.precision.weight_top


def _check_width(where: str, mantissa: Array, top: int) -> None:
    """Raise InputError for mantissas beyond ±`top`."""
    if np.any(np.abs(mantissa) > top):
        raise InputError(
            f"{where}: mantissas {mantissa.min()}..{mantissa.max()}, rule: ±{top}, the profile's precision.weight_bits"
        )


def _float_layer(name: str, layer: QuantizedLayer) -> Layer:
    """Return the float layer of a layer of integers."""
    layer.model.require_float(name)
    weight, bias = layer.input.mantissa * layer.weight_step(layer.input), None
    if layer.bias_axon:
        weight, bias = weight[:, :-1], weight[:, -1]
    recurrent = None
    if layer.recurrent is not None:
        recurrent = layer.recurrent.mantissa * layer.weight_step(layer.recurrent)
    per_neuron = dict(zip(layer.model.fixed_per_neuron, layer.per_neuron, strict=True))
    constants = {key: layer.constant(key) for key in layer.model.fixed_constants}
    params = float_params(name, layer.model, per_neuron, constants)
    return Layer(get_model(layer.model.neuron), weight, recurrent, bias, params, layer.trainable)


def float_params(name: str, model: NeuronModel, per_neuron: Mapping[str, Array], constants: Integers) -> Any:
    """Return the parameters by name, (n,) each, that a layer's integers stand for, kept inside their ranges."""
    not_learned = {} if model.not_learned is None else model.not_learned(per_neuron, constants)
    if model.learned is None and not set(model.param_names) <= not_learned.keys():
        raise InputError(
            f"{name}: neuron '{model.name}' does not say what its integers stand for, rule: a model that "
            "learns on chip (docs/models.md); exchange it as quantized.h5"
        )
    size = len(next(iter(per_neuron.values())))
    start = {
        p.name: np.broadcast_to(np.asarray(not_learned.get(p.name, p.default), float), (size,)).copy()
        for p in model.params
    }
    learned = model.learned
    params = start if learned is None else learned.params(start, learned.read(per_neuron, constants))
    lowest = {p.name: np.nextafter(p.low, np.inf) if p.open_low else p.low for p in model.params}
    return {p.name: np.clip(params[p.name], lowest[p.name], p.high) for p in model.params}


# ---------------------------------------------------------------- metadata


def integer_metadata(qnet: QuantizedNetwork) -> dict[str, dict[str, Any]]:
    """Return what goes beside the nodes, by name of the node."""
    metadata: dict[str, dict[str, Any]] = {
        "input": {"profile": _json(qnet.profile.dump()), "record": _json(qnet.record)},
    }
    for i, layer in enumerate(qnet.layers):
        name = base_name(i, len(qnet.layers))
        metadata[name] = {
            "per_neuron": layer.per_neuron.copy(),
            "constants": layer.constants.copy(),
            "psi_table": layer.psi_table.copy(),
            "state_scale": float(layer.state_scale),
            "current_scale": float(layer.current_scale),
        }
        if layer.model.variant_of:
            metadata[name]["integers_of"] = layer.model.name
        for key, connection in layer.connections().items():
            node = f"{name}_{'weight' if key == 'input' else key}"
            metadata[node] = {"exponent": int(connection.exponent), "step": layer.weight_step(connection)}
    return metadata


def _json(value: Any) -> str:
    """Return JSON text with sorted keys."""
    return json.dumps(value, sort_keys=True)


# ---------------------------------------------------------------- float and metadata to integers


def integer_layer(where: str, layer: Layer, entries: Mapping[str, Mapping[str, Any]], top: int) -> QuantizedLayer:
    """Return the integers of a layer: mantissas from its weights, all else from metadata.

    Parameters
    ----------
    where
        Name of the layer's neuron node.
    layer
        The float layer that the file holds.
    entries
        Metadata of its nodes by role: neuron, weight and, if recurrent, recurrent.
    top
        Largest mantissa.

    Raises
    ------
    FileFormatError
        For weights off the grid of their step and integers of the wrong shape; the error names the node.
    """
    integers = entries["neuron"]
    scale = float(integers["current_scale"])
    matrix = layer.weight if layer.bias is None else np.column_stack([layer.weight, layer.bias])
    connections = {"input": _connection(f"{where}_weight", matrix, entries["weight"], scale, top)}
    if layer.recurrent is not None:
        connections["recurrent"] = _connection(f"{where}_recurrent", layer.recurrent, entries["recurrent"], scale, top)
    model = _integer_model(where, layer.model, integers)
    quantized = QuantizedLayer(
        model=model,
        input=connections["input"],
        recurrent=connections.get("recurrent"),
        bias_axon=layer.bias is not None,
        per_neuron=np.asarray(integers["per_neuron"]),
        constants=np.asarray(integers["constants"]),
        psi_table=np.asarray(integers["psi_table"]),
        state_scale=float(integers["state_scale"]),
        current_scale=scale,
        trainable=layer.trainable,
    )
    if model.validate_fixed is not None:
        model.validate_fixed(
            f"node '{where}'",
            dict(zip(model.fixed_per_neuron, quantized.per_neuron, strict=True)) | _constants(quantized),
        )
    return quantized


def _integer_model(where: str, model: NeuronModel, entry: Mapping[str, Any]) -> NeuronModel:
    """Return the record that the integers are of; raise FileFormatError for one that does not stand for the neuron."""
    name = str(entry.get("integers_of", model.name))
    known = [model.name, *(v.name for v in VARIANTS.values() if v.variant_of == model.name)]
    if name not in known:
        raise FileFormatError(f"node '{where}': integers_of = '{name}', rule: {', '.join(known)}; write the file again")
    return get_model(name)


def _constants(layer: QuantizedLayer) -> dict[str, Array]:
    """Return the constants of a layer by name."""
    return {name: np.array([layer.constant(name)]) for name in layer.model.fixed_constants}


def _connection(node: str, matrix: Array, entry: Mapping[str, Any], current_scale: float, top: int) -> Connection:
    """Return the mantissas of a matrix and their exponent; raise FileFormatError where it is off the grid."""
    exponent = int(entry["exponent"])
    step = 2.0**exponent / current_scale
    if float(entry["step"]) != step:
        raise FileFormatError(
            f"node '{node}': step = {entry['step']}, rule: 2^{exponent} / {current_scale} = {step}; "
            "write the file again"
        )
    exact = matrix / step
    mantissa = np.rint(exact)
    misses = np.argwhere(np.abs(exact - mantissa) > GRID_TOLERANCE)
    if len(misses):
        i, j = (int(v) for v in misses[0])
        raise FileFormatError(
            f"node '{node}': weight [{i}, {j}] = {matrix[i, j]}, rule: a multiple of its step "
            f"{step}; write the file again"
        )
    if np.any(np.abs(mantissa) > top):
        raise FileFormatError(
            f"node '{node}': mantissas {mantissa.min():.0f}..{mantissa.max():.0f}, rule: ±{top}, the "
            "profile's precision.weight_bits; write the file again"
        )
    return Connection(mantissa.astype(np.int64), exponent)


def network_of(layers: list[QuantizedLayer], net: Network, head: Mapping[str, Any], where: str) -> QuantizedNetwork:
    """Return the integer network of these layers, with the profile and record of the input node's metadata."""
    profile = parse_profile(json.loads(head["profile"]), where)
    return QuantizedNetwork.from_layers(layers, profile, net.dt, net.encoder, json.loads(head["record"]))
