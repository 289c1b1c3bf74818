"""Helpers that several models' `to_fixed` share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import Array, FixedFormat


def shared_value(model: str, name: str, values: Array) -> float:
    """The one value that all neurons of a layer share; a layer where they differ is refused."""
    first = float(values.flat[0])
    if np.any(values != first):
        other = float(values[values != first][0])
        raise InputError(
            f"neuron '{model}': {name} differs within a layer ({first} and {other}), rule: in integers it is one "
            "constant of the layer; split the layer"
        )
    return first


TARGET_EXPONENT = 4
"""Exponent given to the largest weight: small weights of other connections still get one above the lower limit."""


def input_shift(gain: float, fraction: int, fmt: FixedFormat) -> int:
    """Left shift that aligns the weighted sum with the state, so that weight exponents stay small; at least 0.

    gain : factor between current and state (BRF's δ). fraction : the state's fraction bits
    """
    top = (1 << (fmt.weight_bits - 1)) - 1
    exponent = int(np.ceil(np.log2(max(fmt.weight_range, 1e-9) * gain / top))) + fraction
    return int(np.clip(exponent - TARGET_EXPONENT, 0, fraction))


def psi_table(surrogate: Callable[[float], float], x: Array, gain: Array, fmt: FixedFormat) -> Array:
    """ψ(x)·gain in `psi_bits` bits, then aligned to the coefficients' fraction; (len(x),) int64; both ends are 0.

    One bit of a ψ entry is the sign, the others are fraction: ψ stays below 1 for every surrogate here.
    """
    fraction = fmt.psi_bits - 1
    real = np.array([surrogate(float(v)) for v in x]) * gain
    top = (1 << fraction) - 1
    entries: Array = np.clip(np.rint(real * (1 << fraction)), -top, top).astype(np.int64)
    entries[[0, -1]] = 0  # what lies beyond the table
    up = fmt.coefficient_fraction - fraction
    return entries << up if up >= 0 else entries >> -up
