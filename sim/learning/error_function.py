"""Errors that a function of the user's works out in every step from the outputs: feedback that no data set holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import largest_in
from hypr_neuro.sim.learning.targets import OF_ERRORS, OF_VALUES, Targets

ErrorFunction = Callable[[Array, Any], Any]
"""(outputs (outputs,) int64 in their fixed-point format, target) -> errors (outputs,), integers of `error_bits`.

It is called once for each step that counts, in order, when the outputs have seen the step's input. Its target is what
was given with the step: a label, or integers (outputs,) of a regression."""


def called(function: ErrorFunction, output: Array, target: Any, bits: int) -> Array:
    """Compute the errors of a step; InputError unless they are integers of `bits` bits, one an output."""
    errors = np.asarray(function(output.copy(), target))
    if errors.shape != output.shape or errors.dtype.kind not in "iu":
        raise InputError(
            f"error function returned {errors.dtype} of shape {errors.shape}, rule: integers of shape {output.shape}"
        )
    for entry in (int(errors.min()), int(errors.max())):
        if abs(entry) > largest_in(bits):
            raise InputError(
                f"error function returned {entry}, rule: magnitudes up to {largest_in(bits)} (learning.error_bits = "
                f"{bits}); clip it"
            )
    return errors.astype(np.int64)


def with_errors_of(function: ErrorFunction, readout: Array, targets: Targets, bits: int) -> Targets:
    """Return targets with the function's errors in each step that counts and for which none are given.

    readout : (steps, outputs) in the steps of the targets
    """
    label, scored, errors, given, _ = targets.full(readout.shape[1]).arrays()
    errors, given = errors.copy(), given.copy()
    for t in np.flatnonzero(scored & (given != OF_ERRORS)):
        target = errors[t].copy() if given[t] == OF_VALUES else int(label[t])
        errors[t], given[t] = called(function, readout[t].astype(np.int64), target, bits), OF_ERRORS
    return replace(targets.full(readout.shape[1]), errors=errors, given=given)


def refuse_function(errors: Any, where: str, remedy: str) -> None:
    """Raise InputError for a function where only numbers can go."""
    if callable(errors):
        raise InputError(f"errors is a function, but {where}; {remedy}")
