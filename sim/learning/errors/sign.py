"""The perceptron's: error_k = top ([k = argmax o] - [k = label]), of equal outputs the first."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import largest_in
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.sim.learning.errors.base import OutputError


@jitable
def sign_error(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    """See the module."""
    best = 0
    for k in range(output.shape[0]):
        if output[k] > output[best]:
            best = k
    for k in range(output.shape[0]):
        error[k] = ((1 << (bits - 1)) - 1) * (1 * (k == best) - 1 * (k == label))


def real(output: Array, target: Array) -> Array:
    """[k = first argmax o] - target: the derivative of max o - o_label."""
    largest = output.argmax(axis=-1)[..., None] == np.arange(output.shape[-1])
    return np.asarray(largest.astype(target.dtype) - target)


ERROR = OutputError(
    "sign",
    "+1 for the largest output, -1 for the label's, 0 where they are the same",
    sign_error,
    real,
    one=largest_in,
    loss="perceptron",
)
