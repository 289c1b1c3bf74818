"""Neuron models, one file each. Every module of this folder that defines ``MODEL`` is found by its file name.

A module that defines ``VARIANT`` instead gives a model other integers, where it asks for them (`integer_model`).
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import FixedFormat, NeuronModel


def _load(attribute: str) -> dict[str, NeuronModel]:
    """Import every file of the folder; one that fails to import stops the program."""
    models = {}
    for info in iter_modules(__path__):
        model = getattr(import_module(f"{__name__}.{info.name}"), attribute, None)
        if model is not None:
            if model.name != info.name:
                raise InputError(
                    f"neurons/{info.name}.py: {attribute}.name = {model.name!r}, rule: it equals the file's name"
                )
            models[model.name] = model
    return models


MODELS: dict[str, NeuronModel] = _load("MODEL")
VARIANTS: dict[str, NeuronModel] = _load("VARIANT")
"""Records that stand for a model in some formats of integers; a network is never built of them."""


def get_model(name: str) -> NeuronModel:
    """Find the model of that name; InputError for an unknown one, listing those that are known."""
    model = MODELS.get(name) or VARIANTS.get(name)
    if model is None:
        raise InputError(f"unknown neuron '{name}', known: {', '.join(sorted(MODELS))}")
    return model


def integer_model(model: NeuronModel, fmt: FixedFormat) -> NeuronModel:
    """Return the record whose integers stand for the model in this format, the model itself but for its variants."""
    return model if model.integer_form is None else get_model(model.integer_form(fmt))
