"""Conversions at a state's scale that is given: ψ tables and start values of which only the integers are known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import FixedParams, NeuronModel
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import Profile

STATE_SCALES = 64
"""As many powers of two as a state's scale can be."""


def at_state_scale(
    model: NeuronModel, params: Mapping[str, Array], state_scale: float, profile: Profile
) -> FixedParams:
    """Convert parameters as quantizing does where the state has this scale, or the nearest that they can have."""
    top = 1 << (int(profile.precision.state_bits.value) - 1)
    state_range = 0.75 * top / (float(profile.precision.state_headroom.value) * state_scale)
    for _ in range(STATE_SCALES):
        converted = model.to_integers(params, profile.fixed_format(state_range, 0.0))
        if converted.state_scale == state_scale:
            break
        # both scales are powers of two, and a range twice as large gives half the scale
        state_range *= 2.0 if converted.state_scale > state_scale else 0.5
    return converted


def psi_table_at(model: NeuronModel, state_scale: float, profile: Profile) -> Array:
    """Return the surrogate derivative's table of a model at a state's scale, as quantizing makes it.

    It depends on the profile's widths and the scale, not on the parameters; one that is the same at every scale is that
    of any. Raise InputError where parameters at their defaults cannot have this scale.
    """
    params = {p.name: np.array([p.default]) for p in model.params}
    found, next_to_it = (at_state_scale(model, params, scale, profile) for scale in (state_scale, 1.0))
    if found.state_scale == state_scale or (
        found.state_scale != next_to_it.state_scale and np.array_equal(found.psi_table, next_to_it.psi_table)
    ):
        return found.psi_table
    raise InputError(
        f"neuron '{model.name}': no ψ table for a state scale of {state_scale:g} on profile '{profile.name}', rule: a "
        "power of two that its states have room for; quantize the float network for this profile"
    )
