"""Rules between the fields of a neuron's record, looked at when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypr_neuro.errors import InputError, among
from hypr_neuro.neurons.contract import check_calls
from hypr_neuro.neurons.parts import no_float_form, no_integer_form
from hypr_neuro.numbers.surrogates import SURROGATES

if TYPE_CHECKING:
    from hypr_neuro.neurons.base import NeuronModel

OF_LEARNING = ("coefficient_fraction", "state_fraction")
"""Integers of learning that a Jacobian may ask for; names of `sim.learning.widths.Widths`."""


def check_record(model: NeuronModel) -> None:
    """Raise InputError, naming the neuron and the rule, for fields that do not go together."""
    _check_names(model)
    _check_float(model)
    _check_integers(model)
    functions = model.float_step, model.float_psi_arg, model.float_jacobian, model.float_spike_jacobian
    change = None if model.learned is None else model.learned.change
    where = f"neuron '{model.name}'"
    check_calls(where, *functions, model.fixed_step, model.psi_index, model.fixed_jacobian, change)


def _check_float(model: NeuronModel) -> None:
    if model.bias_on not in ("current", "state"):
        raise InputError(f"neuron '{model.name}': bias_on = {model.bias_on!r}, rule: 'current' or 'state'")
    spikes = model.has_float and not model.readout
    if (model.surrogate is not None) != spikes or (model.float_psi_arg is not None) != spikes:
        raise InputError(
            f"neuron '{model.name}': a spiking float model has a surrogate and its argument, any other neither"
        )
    if model.surrogate is not None and model.surrogate not in SURROGATES:
        raise InputError(
            f"neuron '{model.name}': unknown surrogate {among(model.surrogate, sorted(SURROGATES))}; "
            "a new one goes into hypr_neuro/numbers/surrogates.py"
        )
    if model.has_float != (model.float_jacobian is not no_float_form):
        raise InputError(f"neuron '{model.name}': rule: float_step and float_jacobian, both or neither")
    if bool(model.coefficients) != (model.float_coefficients is not None):
        raise InputError(f"neuron '{model.name}': rule: coefficients and float_coefficients, both or neither")


def _check_integers(model: NeuronModel) -> None:
    if not model.has_float and not model.integer:
        raise InputError(f"neuron '{model.name}': rule: a float form, an integer form, or both")
    if (model.to_fixed is not no_integer_form) != (model.has_float and model.integer):
        raise InputError(f"neuron '{model.name}': rule: to_fixed where there are both forms, and only there")
    learns = model.learns_on_chip
    if (learns and not model.integer) or (model.psi_index is not None) != (learns and not model.readout):
        raise InputError(
            f"neuron '{model.name}': rule: fixed_jacobian needs fixed_step and, with spikes, psi_index; psi_index "
            "needs fixed_jacobian"
        )
    if model.of_integers is not None and not model.integer:
        raise InputError(f"neuron '{model.name}': rule: of_integers needs fixed_step")
    for field_name in ("learned", "operating_point"):
        if getattr(model, field_name) is not None and not learns:
            raise InputError(f"neuron '{model.name}': rule: {field_name} needs fixed_jacobian")
    if not set(model.fixed_learning) <= set(OF_LEARNING):
        raise InputError(
            f"neuron '{model.name}': fixed_learning = {model.fixed_learning}, rule: of {', '.join(OF_LEARNING)}"
        )


def _check_names(model: NeuronModel) -> None:
    names = [p.name for p in model.params]
    if len(set(names)) != len(names):
        raise InputError(f"neuron '{model.name}': parameter names repeat: {names}")
    if model.membrane and model.membrane not in model.state_names:
        raise InputError(
            f"neuron '{model.name}': membrane = '{model.membrane}', rule: a state, {', '.join(model.state_names)}"
        )
    if model.bias_on == "state" and "bias" not in names:
        raise InputError(f"neuron '{model.name}': bias_on = 'state' needs a parameter 'bias'")
    if model.threshold is not None and model.threshold not in (*names, *model.coefficients):
        raise InputError(
            f"neuron '{model.name}': threshold = '{model.threshold}', rule: a parameter or coefficient of the model, "
            f"{', '.join((*names, *model.coefficients))}"
        )
    for known in (names, model.fixed_constants if model.integer else names):
        if model.most_spikes and (model.readout or model.most_spikes not in known):
            raise InputError(
                f"neuron '{model.name}': most_spikes = '{model.most_spikes}', rule: of a neuron that spikes, one of "
                "its parameters and of its integer constants"
            )
    if model.output_decay is not None and not model.readout:
        raise InputError(f"neuron '{model.name}': rule: output_decay belongs to readouts")
