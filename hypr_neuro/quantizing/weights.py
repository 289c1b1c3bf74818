"""Weights in integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import Conversion
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.parts import Connection
from hypr_neuro.quantizing.record import conversion_summary


def quantize_weights(
    layer: str,
    key: str,
    matrix: Array,
    current_scale: float,
    room: float,
    profile: Profile,
    record: list[dict[str, Any]],
) -> Connection:
    """Compute m = round(w · current_scale / 2^e) with the smallest exponent e at which the largest weight fits.

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
        Its weight bits and range of exponents.
    record
        The conversion is appended.

    Raises
    ------
    InputError
        If the exponent is outside the profile's range.
    """
    p = profile.precision
    top = p.weight_top
    low, high = p.weight_exponent_min.value, p.weight_exponent_max.value
    needed = int(np.ceil(np.log2(max(room * current_scale / top, 2.0**low))))
    if needed > high:
        raise InputError(
            f"{layer}.{key}: largest weight {room:.4g} needs weight exponent {needed}, rule: {low}..{high} "
            f"(profile '{profile.name}', precision.weight_exponent_max); rescale the network"
        )
    scale = current_scale / 2.0**needed
    exact = np.rint(matrix * scale)
    mantissa = np.clip(exact, -top, top).astype(np.int64)
    rule = f"weight, {p.weight_bits.value} bits, exponent {needed}"
    clipped = int(np.count_nonzero(exact != mantissa))
    record.append(
        conversion_summary(layer, Conversion(key, matrix, scale, mantissa, "nearest, ties to even", clipped, rule))
    )
    return Connection(mantissa, needed)
