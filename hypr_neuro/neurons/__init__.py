"""Neuron models, one file each. Every module of this folder that defines ``MODEL`` is found by its file name.

A module that defines ``VARIANT`` instead gives a model other integers, where it asks for them (`integer_model`).
"""

from __future__ import annotations

from hypr_neuro.errors import InputError, among
from hypr_neuro.neurons.base import FixedFormat, NeuronModel
from hypr_neuro.numbers.registry import load_records, without_record

MODELS: dict[str, NeuronModel] = load_records(__name__, __path__, "MODEL", NeuronModel)
VARIANTS: dict[str, NeuronModel] = load_records(__name__, __path__, "VARIANT", NeuronModel)
"""Records that stand for a model in some formats of integers; a network is never built of them."""


def check_variant(variant: NeuronModel) -> None:
    """Raise InputError for a variant of no model, or one that the float side of its model does not fit."""
    model = MODELS.get(variant.variant_of)
    if model is None:
        raise InputError(
            f"neuron '{variant.name}': variant_of = '{variant.variant_of}', rule: a model, {', '.join(sorted(MODELS))}"
        )
    for kind in ("state_names", "currents", "readout", "param_names", "trainable"):
        own, stated = getattr(variant, kind), getattr(model, kind)
        if own != stated:
            raise InputError(
                f"neuron '{variant.name}': {kind} = {own}, rule: {stated}, as of '{model.name}', for which it stands"
            )


for _variant in VARIANTS.values():
    check_variant(_variant)


def get_model(name: str) -> NeuronModel:
    """Find the model of that name; InputError for an unknown one, listing those that are known."""
    model = MODELS.get(name) or VARIANTS.get(name)
    if model is None:
        file = without_record(__name__, __path__, name, "MODEL")
        raise InputError(f"unknown neuron {among(name, sorted(MODELS), file)}")
    return model


def integer_model(model: NeuronModel, fmt: FixedFormat) -> NeuronModel:
    """Return the record whose integers stand for the model in this format, the model itself but for its variants."""
    if model.integer_form is None:
        return model
    record = get_model(model.integer_form(fmt))
    if record is not model and record.variant_of != model.name:
        raise InputError(
            f"neuron '{model.name}': integer_form gives '{record.name}', rule: '{model.name}' or a VARIANT of "
            f"variant_of = '{model.name}'"
        )
    return record
