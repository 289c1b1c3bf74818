"""Weights in integers."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import Conversion
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import whole
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.levels import to_mantissas
from hypr_neuro.quantizing.parts import Connection
from hypr_neuro.quantizing.record import conversion_summary
from hypr_neuro.quantizing.weight_calibration import MANY_LEVELS, WeightCalibration

ROUNDINGS = ("nearest", "stochastic")
PLAIN = WeightCalibration()


def quantize_weights(
    layer: str,
    key: str,
    matrix: Array,
    current_scale: float,
    room: float,
    profile: Profile,
    record: list[dict[str, Any]],
    seed: int | None = None,
    *,
    calibration: WeightCalibration = PLAIN,
    wanted: float = 0.0,
    shift: int = 0,
) -> Connection:
    """Compute m = round(w · current_scale / 2^e) with the smallest exponent e at which `room` fits.

    Where the calibration says so, e is the exponent of least squared error instead.

    Parameters
    ----------
    layer, key
        Names of the layer and of its connection, for the record and for errors.
    matrix
        Weights in an array of any shape.
    current_scale
        Units of the layer's weighted sums, see `QuantizedLayer`.
    room
        The largest weight magnitude to make room for; larger ones are clipped.
    profile
        Of the connection: its weight bits, levels and range of exponents.
    record
        The conversion is appended.
    seed
        Rounds stochastically with this seed; None rounds to the nearest.
    calibration, wanted, shift
        How exponents of least squared error are chosen, see `WeightCalibration.exponent`; `wanted` in real units.

    Raises
    ------
    InputError
        If the exponent is outside the profile's range.
    """
    p = profile.precision
    top, bits = p.weight_top, p.stored_weight_bits
    low, high = p.weight_exponent_min.value, p.weight_exponent_max.value
    if calibration.by_error(profile):
        needed = calibration.exponent(matrix * current_scale, wanted * current_scale, profile, shift)
    else:
        needed = int(np.ceil(np.log2(max(room * current_scale / top, 2.0**low))))
    if needed > high:
        raise InputError(
            f"{layer}.{key}: largest weight {room:.4g} needs weight exponent {needed}, rule: {low}..{high} "
            f"(profile '{profile.name}', precision.weight_exponent_max); rescale the network"
        )
    scale = current_scale / 2.0**needed
    exact = rounded(matrix * scale, seed, f"{layer}.{key}")
    mantissa = to_mantissas(exact, bits)
    rule = f"weight, {_width(profile)}, exponent {needed}"
    clipped = int(np.count_nonzero(np.abs(exact) > top))
    record.append(conversion_summary(layer, Conversion(key, matrix, scale, mantissa, said_of(seed), clipped, rule)))
    return Connection(mantissa, needed)


def _width(profile: Profile) -> str:
    """Tell the bits, or the few levels, of weights."""
    bits, levels = profile.precision.stored_weight_bits, profile.precision.weight_levels.value
    if bits == 1:
        return "binary"
    return f"{bits} bits" if levels == MANY_LEVELS else levels


def rounded(values: Array, seed: int | None, name: str) -> Array:
    """Round to whole numbers: to the nearest, ties to even, or stochastically, ⌊x + u⌋ with u uniform in 0..1.

    A stochastic rounding is right on average: weights far below a step, all of which the nearest makes 0, become a step
    as often as their size says. u depends on the seed, the connection's name and the place of the weight alone.
    """
    if seed is None:
        return np.asarray(np.rint(values))
    draws = np.random.default_rng([seed, crc32(name.encode())]).random(values.shape)
    return np.asarray(np.floor(values + draws))


def said_of(seed: int | None) -> str:
    """Name the rounding in a record."""
    return "nearest, ties to even" if seed is None else f"stochastic, seed {seed}"


def rounding_seed(rounding: str, seed: int) -> int | None:
    """Return the seed of a stochastic rounding, None of one to the nearest; InputError for another."""
    if rounding not in ROUNDINGS:
        raise InputError(f"rounding = {rounding!r}, rule: {' or '.join(ROUNDINGS)}")
    return whole("seed", seed, 0) if rounding == "stochastic" else None
