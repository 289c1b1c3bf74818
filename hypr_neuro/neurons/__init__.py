"""Neuron models, one file each. Every module of this folder that defines ``MODEL`` is found by its file name."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import NeuronModel


def _load() -> dict[str, NeuronModel]:
    """Import every file of the folder; one that fails to import stops the program."""
    models = {}
    for info in iter_modules(__path__):
        model = getattr(import_module(f"{__name__}.{info.name}"), "MODEL", None)
        if model is not None:
            if model.name != info.name:
                raise InputError(
                    f"neurons/{info.name}.py: MODEL.name = {model.name!r}, rule: it equals the file's name"
                )
            models[model.name] = model
    return models


MODELS: dict[str, NeuronModel] = _load()


def get_model(name: str) -> NeuronModel:
    """The model of that name; an unknown name lists the known ones."""
    try:
        return MODELS[name]
    except KeyError:
        raise InputError(f"unknown neuron '{name}', known: {', '.join(sorted(MODELS))}") from None
