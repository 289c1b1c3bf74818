"""Neuron parameters in real numbers in the coordinates in which they learn on a chip (`neurons.base.Learned`).

A chip does not learn BRF's ω and b' but δ|ω| and δ|b'|, not a time constant but its decay e^{-1/τ}. Each value depends
on its own parameter alone, apart from those that do not learn.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.layer import Layer
from hypr_neuro.neurons.base import Learned
from hypr_neuro.numbers.arrays import Array

Neurons = FloatPopulation | Layer
DIFFERENCE = 1e-6
"""Half of the difference that a slope is taken over, relative to the parameter or, if larger, to 1e-3."""


def record_of(layer: Neurons) -> Learned:
    """Return how the model's parameters learn; raise InputError for a model of which none does."""
    if layer.model.learned is None:
        raise InputError(f"neuron '{layer.model.name}': no parameter of it learns on a chip")
    return layer.model.learned


def values_of(layer: Neurons) -> tuple[Array, ...]:
    """Return the learned values, (n,) for each trainable parameter of the model, in their order."""
    return tuple(np.array(v, np.float64) for v in record_of(layer).values(layer.params))


def slope(layer: Neurons, place: int) -> Array:
    """Return ∂value/∂parameter (n,) of the trainable parameter at `place`, by central difference."""
    name, record = layer.model.trainable[place], record_of(layer)
    width = DIFFERENCE * np.maximum(np.abs(layer.params[name]), 1e-3)
    above, below = (record.values({**layer.params, name: layer.params[name] + s * width})[place] for s in (1, -1))
    return np.asarray((above - below) / (2 * width))


def gradient_by_value(layer: Neurons, place: int, by_parameter: Array) -> Array:
    """Return ∂L/∂value (n,) from ∂L/∂parameter; 0 where the value does not follow the parameter."""
    steepness = slope(layer, place)
    return np.divide(by_parameter, steepness, out=np.zeros(layer.size), where=steepness != 0.0)


def write_values(layer: Neurons, changed: Mapping[int, Array]) -> None:
    """Give the parameters at these places of `trainable` these values, kept inside the ranges of training."""
    values = tuple(changed.get(j, value) for j, value in enumerate(values_of(layer)))
    params = record_of(layer).params(layer.params, values)
    if layer.model.constrain is not None:
        params = {name: np.array(value, np.float64) for name, value in params.items()}
        layer.model.constrain(params)
    for place in changed:
        name = layer.model.trainable[place]
        layer.params[name][...] = params[name]


def read_values(
    layer: Neurons, constants: Mapping[str, int], start: Mapping[str, Array], now: Mapping[str, Array]
) -> None:
    """Write into the layer the parameters that integers stand for, where these differ from those at the start.

    Parameters
    ----------
    layer
        Its trainable parameters are changed in place.
    constants
        Integers of the whole layer by name.
    start
        Per-neuron integers by name, those of the layer's parameters as they are.
    now
        Per-neuron integers by name, those to read.
    """
    record = record_of(layer)
    before, after = record.read(start, constants), record.read(now, constants)
    equal = [a == b for a, b in zip(before, after, strict=True)]
    values = tuple(np.where(s, exact, a) for s, exact, a in zip(equal, record.values(layer.params), after, strict=True))
    params = record.params(layer.params, values)
    for name, unchanged in zip(layer.model.trainable, equal, strict=True):
        layer.params[name][...] = np.where(unchanged, layer.params[name], params[name])
