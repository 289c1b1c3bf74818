"""Neuron models, one file each. Every module of this folder that defines ``MODEL`` is found by its file name.

A module that defines ``VARIANT`` instead gives a model other integers, where it asks for them (`integer_model`).
"""

from __future__ import annotations

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import FixedFormat, NeuronModel
from hypr_neuro.numbers.registry import load_records, without_record

MODELS: dict[str, NeuronModel] = load_records(__name__, __path__, "MODEL", NeuronModel)
VARIANTS: dict[str, NeuronModel] = load_records(__name__, __path__, "VARIANT", NeuronModel)
"""Records that stand for a model in some formats of integers; a network is never built of them."""


def get_model(name: str) -> NeuronModel:
    """Find the model of that name; InputError for an unknown one, listing those that are known."""
    model = MODELS.get(name) or VARIANTS.get(name)
    if model is None:
        file = without_record(__name__, __path__, name, "MODEL")
        raise InputError(f"unknown neuron '{name}'{file}, known: {', '.join(sorted(MODELS))}")
    return model


def integer_model(model: NeuronModel, fmt: FixedFormat) -> NeuronModel:
    """Return the record whose integers stand for the model in this format, the model itself but for its variants."""
    return model if model.integer_form is None else get_model(model.integer_form(fmt))
