"""Output less target, both real numbers in the readout's fixed-point format: the error of a regression.

With b bits of an error, f fraction bits of the outputs and targets y_k, and 2^x of them what full scale stands for
(`LearnOptions.error_exponent`),

    error_k = sat((o_k - y_k) · 2^(b - 1 - f - x)),  to nearest

the derivative of half the squared error, divided by 2^x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import sat, shift_nearest
from hypr_neuro.numbers.jit import jitable

VALUE_BITS = 32
"""Width of a target."""


@jitable
def value_error(output: Any, target: Any, fraction: Any, bits: Any, error: Any) -> None:
    """Write the error of each output into `error`, as the module's equation says; fraction is f + x."""
    for k in range(output.shape[0]):
        error[k] = sat(shift_nearest(output[k] - target[k], bits - 1 - fraction), bits)


def as_values(targets: Array, fraction: int) -> Array:
    """Convert real targets to integers with `fraction` fraction bits, to nearest; InputError beyond 32 bits."""
    scaled = np.rint(np.asarray(targets, np.float64) * 2.0**fraction)
    top = (1 << (VALUE_BITS - 1)) - 1
    if scaled.size and not np.abs(scaled).max() <= top:
        raise InputError(
            f"targets hold magnitudes up to {np.abs(targets).max():g}, rule: at most {top / 2.0**fraction:g}, which "
            f"{VALUE_BITS} bits with the outputs' {fraction} fraction bits hold; give targets in other units"
        )
    return np.asarray(scaled.astype(np.int64))
