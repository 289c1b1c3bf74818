"""Output less one-hot label: error_k = sat(o_k - [k = label]), the derivative of half the squared error."""

from __future__ import annotations

from typing import Any

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import sat, shift_nearest
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.sim.learning.errors.base import OutputError


@jitable
def linear_error(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    """Write the error of each output into `error`, as the module's equation says."""
    for k in range(output.shape[0]):
        scaled = shift_nearest(output[k], bits - 1 - fraction)
        error[k] = sat(scaled - (1 << (bits - 1)) * (k == label), bits)


def real(output: Array, target: Array) -> Array:
    """Subtract the target from the output, in real numbers."""
    return output - target


ERROR = OutputError(
    "linear",
    "output less one-hot label",
    linear_error,
    real,
    loss="squared_error",
    loss_scale=lambda outputs: outputs / 2,
)
