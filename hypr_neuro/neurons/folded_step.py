"""Integers of resonators whose integration step δ is folded into weights and coefficients: `brf`, `rf_threshold`.

States have f fraction bits, coefficients k; θ has the states' scale, ψ is the double Gaussian around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hypr_neuro.neurons.given_integers import at_scales, own_scale
from hypr_neuro.neurons.scaling import input_shift, shared_value, table_of_shift, threshold_table
from hypr_neuro.neurons.values import Conversion, FixedFormat, FixedParams, to_integer
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import largest_in
from hypr_neuro.numbers.surrogates import double_gaussian

DELTA_FRACTION = 20
PSI_RANGE_BITS = 3
"""The ψ table spans ±2^3 around the threshold: the wide Gaussian has σ = 3."""


@dataclass(frozen=True)
class Coefficient:
    """A coefficient by the name of its integer: what it is in real numbers, for the record, and its values (n,)."""

    name: str
    text: str
    values: Array


def folded_params(
    params: Mapping[str, Array],
    delta: float,
    coefficients: tuple[Coefficient, ...],
    own: Mapping[str, int],
    order: tuple[str, ...],
    fmt: FixedFormat,
) -> FixedParams:
    """Convert coefficients, "theta" and δ to integers.

    Parameters
    ----------
    params
        With "theta", the threshold.
    delta
        The one δ of the layer, see `delta_of`.
    coefficients
        In the order of their integers.
    own
        Constants of the layer that the model alone has.
    order
        Names of all constants in the record's order.
    fmt
        Widths and ranges.
    """
    out: list[Conversion] = []
    k, f = fmt.coefficient_fraction, fmt.state_fraction()
    top, state_top = (1 << k) - 1, largest_in(fmt.state_bits)
    rule = f"coefficient, {fmt.coefficient_bits} bits, {k} of fraction"
    per_neuron = {c.name: to_integer(c.text, c.values, 2.0**k, -top, top, rule, out) for c in coefficients}
    per_neuron["theta"] = to_integer("θ", params["theta"], 2.0**f, 0, state_top, f"state, {fmt.state_bits} bits", out)
    i_shift = input_shift(delta, f, fmt)
    psi_shift, table = threshold_table(double_gaussian, PSI_RANGE_BITS, f, fmt)
    constants = {
        "dlt": int(to_integer("δ", np.array([delta]), 2.0**DELTA_FRACTION, 0, 1 << 30, "20 bits of fraction", out)[0]),
        "k": k,
        "i_shift": i_shift,
        "bits": fmt.state_bits,
        "rounding": fmt.rounding,
        "psi_shift": psi_shift,
        **own,
    }
    ordered = {name: constants[name] for name in order}
    return FixedParams(per_neuron, ordered, 2.0**f, delta * 2.0 ** (f - i_shift), table, out)


def delta_of(model: str, params: Mapping[str, Array]) -> float:
    """Return the δ of a layer, one for all of its neurons; InputError where it differs."""
    return shared_value(model, "delta", params["delta"])


def folded_scales(
    where: str,
    integers: Mapping[str, Array],
    per_neuron: tuple[str, ...],
    f: int,
    fmt: FixedFormat,
    state_scale: float | None,
) -> FixedParams:
    """Take integers as they are, of states with f fraction bits; InputError, naming `where`, for another scale."""
    scale = own_scale(where, 2.0**f, state_scale)
    delta = int(integers["dlt"]) / 2.0**DELTA_FRACTION
    table = table_of_shift(double_gaussian, int(integers["psi_shift"]), f, fmt)
    return at_scales(integers, per_neuron, scale, delta * 2.0 ** (f - int(integers["i_shift"])), table)
