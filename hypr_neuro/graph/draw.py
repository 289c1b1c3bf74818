"""Random layers of a network from its specification."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError, among
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.spec import NetworkSpec, Range, parse_spec
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.arrays import Array


def drawn_layers(
    spec: NetworkSpec | dict[str, Any] | str | Path, seed: int
) -> tuple[list[Layer], float, dict[str, Any]]:
    """Return the layers that `Network.build` draws, dt, and the notes from which it draws them again."""
    parsed = parse_spec(spec)
    rng = np.random.default_rng(seed)
    layers, inputs = [], parsed.inputs
    for i, s in enumerate(parsed.layers):
        model = get_model(s.neuron)
        if model.readout:
            raise InputError(f"layers.{i}.neuron = '{s.neuron}' is a readout; use it under 'readout'")
        drawn = _draw_layer(model, s.size, inputs, s.recurrent, s.bias, s.params, rng)
        layers.append(_training_only(drawn, f"layers.{i}", s.trainable))
        inputs = s.size
    model = get_model(parsed.readout.neuron)
    if not model.readout:
        raise InputError(f"readout.neuron = '{model.name}', rule: a readout, which are {', '.join(readouts())}")
    values, bias = parsed.readout.values, parsed.readout.bias
    drawn = _draw_layer(model, parsed.outputs, inputs, False, bias, values, rng)
    layers.append(_training_only(drawn, "readout", parsed.readout.trainable))
    return layers, parsed.dt, {"spec": _spec_note(parsed, model)}


def readouts() -> list[str]:
    """Return the names of the models that can end a chain of layers."""
    return sorted(name for name, model in MODELS.items() if model.readout and model.has_float)


def _spec_note(spec: NetworkSpec, readout: NeuronModel) -> dict[str, Any]:
    """Return the specification as plain data, from which `build` makes the same network."""
    note: dict[str, Any] = spec.model_dump(mode="json")
    if not note["frozen"]:
        del note["frozen"]
    for part in (*note["layers"], note["readout"]):
        if part["trainable"] is None:
            del part["trainable"]
    entry = note["readout"]
    if not entry["params"]:
        del entry["params"]
    if entry["tau"] is None:
        del entry["tau"]
        if "tau" in readout.param_names and "tau" not in spec.readout.params:
            entry["tau"] = readout.param("tau").default
    return note


def _training_only(layer: Layer, name: str, parameters: list[str] | None) -> Layer:
    """Return a layer of which training changes these parameters alone, beside its weights and constant currents."""
    if parameters is None:
        return layer
    known = [p for p in layer.model.trainable if p != "bias"]
    for parameter in parameters:
        if parameter not in known:
            raise InputError(f"{name}.trainable: unknown parameter {among(parameter, known)}")
    layer.trainable = tuple(p for p in layer.trainable if p == "bias" or p in parameters)
    return layer


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
