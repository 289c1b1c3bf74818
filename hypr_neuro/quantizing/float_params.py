"""The float parameters that the integers of neurons stand for, whether learning has changed them or not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.parts import QuantizedPopulation


def float_params(p: QuantizedPopulation, given: Mapping[str, Array] | None = None) -> dict[str, Array]:
    """Return the parameters by name, (n,) each, kept inside their ranges.

    Parameters
    ----------
    p
        The integers.
    given
        Those of the network that was quantized, for what the integers do not say; None where nobody knows them.

    Raises
    ------
    InputError
        For a model that does not say what its integers stand for, where nothing is given.
    """
    model, constants = p.model, p.named_constants()
    per_neuron = dict(zip(model.fixed_per_neuron, p.per_neuron, strict=True))
    if model.stands_for is not None:
        try:
            return _in_range(model, model.stands_for(per_neuron, constants, p.state_scale))
        except InputError as error:
            raise InputError(f"population '{p.name}': {error}") from error
    start = _unlearned(p, per_neuron, constants) if given is None else dict(given)
    learned = model.learned
    params = start if learned is None else learned.params(start, learned.read(per_neuron, constants))
    return _in_range(model, params)


def _unlearned(
    p: QuantizedPopulation, per_neuron: Mapping[str, Array], constants: Mapping[str, int]
) -> dict[str, Array]:
    """Return the parameters that do not learn, and defaults of those that do."""
    model = p.model
    not_learned = {} if model.not_learned is None else model.not_learned(per_neuron, constants)
    if model.learned is None and not set(model.param_names) <= not_learned.keys():
        raise InputError(
            f"population '{p.name}': neuron '{model.name}' does not say what its integers stand for, rule: a model "
            "that learns on chip (docs/models.md); exchange it as quantized.h5"
        )
    return {
        param.name: np.broadcast_to(np.asarray(not_learned.get(param.name, param.default), float), (p.size,)).copy()
        for param in model.params
    }


def _in_range(model: NeuronModel, params: Mapping[str, Array]) -> dict[str, Array]:
    """Return the parameters, clipped to the ranges of the model's record."""
    lowest = {param.name: np.nextafter(param.low, np.inf) if param.open_low else param.low for param in model.params}
    return {param.name: np.clip(params[param.name], lowest[param.name], param.high) for param in model.params}
