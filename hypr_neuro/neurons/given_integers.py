"""What several models' `of_integers` share: whether integers that nobody quantized fit a format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import PSI_ENTRIES, FixedFormat, FixedParams
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import ROUNDING, largest_in

NAMES_OF_ROUNDING = {code: name for name, code in ROUNDING.items()}


def require_range(where: str, name: str, values: Array, low: int, high: int, key: str) -> None:
    """Raise InputError for integers outside of low..high, which the profile's `key` states."""
    array = np.asarray(values)
    if array.size and (array.min() < low or array.max() > high):
        raise InputError(
            f"{where}: {name} = {array.min()}..{array.max()}, rule: {low}..{high} ({key}); change the network, or give "
            "a profile that has room"
        )


def require_same(where: str, name: str, value: object, wanted: object, key: str) -> None:
    """Raise InputError for a setting of the integers that is not the one that the profile's `key` states."""
    if value != wanted:
        raise InputError(
            f"{where}: {name} = {value}, rule: {wanted} ({key}); make the integers so, or give a profile that says "
            f"{value}"
        )


def require_state_bits(where: str, bits: int, fmt: FixedFormat) -> None:
    """Raise InputError for states that are wider than the format's."""
    if bits > fmt.state_bits:
        raise InputError(
            f"{where}: states of {bits} bits, rule: at most {fmt.state_bits} (precision.state_bits); give a profile "
            "with wider states"
        )


def require_coefficients(
    where: str,
    integers: Mapping[str, Array],
    fmt: FixedFormat,
    *,
    coefficients: Sequence[str],
    states: Sequence[str] = (),
    fraction: str = "k",
) -> None:
    """Raise InputError for integers of a model with coefficients and states that the format has no room for.

    Parameters
    ----------
    where
        Names neurons and profile, for errors.
    integers
        By name, with the constants "bits", "rounding" and that of `fraction`, the coefficients' fraction bits.
    fmt
        Of the profile.
    coefficients, states
        Names of parameters that are as wide as coefficients, and as states.
    fraction
        Name of the constant.
    """
    bits = int(integers["bits"])
    require_state_bits(where, bits, fmt)
    wanted = fmt.coefficient_fraction
    key = f"precision.coefficient_bits {fmt.coefficient_bits}, one is the sign"
    require_same(where, fraction, int(integers[fraction]), wanted, key)
    rounding, stated = (NAMES_OF_ROUNDING.get(int(code), int(code)) for code in (integers["rounding"], fmt.rounding))
    require_same(where, "rounding", rounding, stated, "precision.state_rounding")
    for name in coefficients:
        require_range(where, name, integers[name], -(1 << wanted), 1 << wanted, key)
    for name in states:
        require_range(where, name, integers[name], -largest_in(bits), largest_in(bits), f"states of {bits} bits")


def require_loihi(where: str, integers: Mapping[str, Array], fmt: FixedFormat, activation_shift: int) -> None:
    """Raise InputError for decays, thresholds and biases that a format has no room for."""
    top = (1 << fmt.decay_bits) - 1
    key = f"precision.decay_bits {fmt.decay_bits}"
    require_range(where, "du1", integers["du1"], 1, top + 1, f"{key}, Loihi's offset 1 added")
    require_range(where, "dv", integers["dv"], 0, top, key)
    unit, vth = 1 << activation_shift, integers["vth"]
    key = f"precision.threshold_bits {fmt.threshold_bits}, in multiples of {unit}"
    require_range(where, "vth", vth, 0, ((1 << fmt.threshold_bits) - 1) << activation_shift, key)
    for neuron in np.flatnonzero(vth % unit)[:1]:
        raise InputError(f"{where}: vth[{neuron}] = {vth[neuron]}, rule: {key}; round the threshold")
    bias, most = integers["bias"], largest_in(fmt.bias_mantissa_bits)
    # 2^(its zeros at the end) is the largest exponent that a bias can have
    exponent = np.minimum(np.log2(np.maximum(bias & -bias, 1)).astype(np.int64), fmt.bias_exponent_max)
    for neuron in np.flatnonzero(np.abs(bias) >> exponent > most)[:1]:
        raise InputError(
            f"{where}: bias[{neuron}] = {bias[neuron]}, rule: mantissa · 2^exponent, mantissas up to {most}, exponents "
            f"0..{fmt.bias_exponent_max} (precision.bias_mantissa_bits {fmt.bias_mantissa_bits}, "
            "precision.bias_exponent_max); round the bias"
        )


def at_scales(
    integers: Mapping[str, Array],
    per_neuron: Sequence[str],
    state_scale: float,
    current_scale: float,
    psi_table: Array | None = None,
) -> FixedParams:
    """Return integers by name as they are, with their scales; names of `per_neuron` are those of each neuron."""
    constants = {name: int(value) for name, value in integers.items() if name not in per_neuron}
    table = np.zeros(PSI_ENTRIES, dtype=np.int64) if psi_table is None else psi_table
    return FixedParams({name: integers[name] for name in per_neuron}, constants, state_scale, current_scale, table)


def own_scale(where: str, own: float, given: float | None) -> float:
    """Return the scale that the integers have; InputError where another one is given."""
    if given is not None and given != own:
        raise InputError(f"{where}: state scale {given:g}, rule: {own:g}, which its own integers state; leave it out")
    return own
