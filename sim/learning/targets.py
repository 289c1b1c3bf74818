"""Targets of a learner, step by step: a label, real numbers, or the error itself; whether it counts; and a reward.

With `error_bits` bits and a reward of 8 fraction bits, the error of an output that is learned from is

    error' = sat(nearest(reward · error / 2^8))

where `error` is the one given, that of the real numbers (`value_error`), or that of the profile's rule for the label.
It is the third factor beside learning signal and eligibility: everything below follows from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import largest_in, sat, shr_nearest
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.sim.learning.value_error import VALUE_BITS, value_error

OF_LABEL, OF_ERRORS, OF_VALUES = range(3)
"""Where the error of a step comes from."""
REWARD_FRACTION = 8
"""Fraction bits of a reward."""
FULL_REWARD = 1 << REWARD_FRACTION
"""The reward that changes nothing."""
LARGEST_REWARD = 1 << 15
"""Magnitude in integers, 128: its product with an error of 32 bits fits 64."""


def as_reward(reward: float) -> int:
    """Convert a reward to an integer with 8 fraction bits; InputError for magnitudes above 128."""
    if not abs(reward) <= LARGEST_REWARD / FULL_REWARD:
        raise InputError(f"reward = {reward}, rule: magnitudes up to {LARGEST_REWARD // FULL_REWARD}")
    return round(reward * FULL_REWARD)


@jitable
def rewarded(error: int, reward: int, bits: int) -> int:
    """Multiply an error by a reward: sat(nearest(reward · error / 2^8))."""
    return sat(shr_nearest(error * reward, REWARD_FRACTION), bits)


@cache
def given_error_kernel() -> Callable[..., None]:
    """Make the kernel (output, errors, given, reward, scored, fraction, bits, out) of what is given, and rewards.

    output : (steps, outputs) of the network. errors : (steps, outputs), errors or targets by `given` (steps,).
    reward, scored : (steps,). fraction : `LearningPlan.value_fraction`. out : (steps, outputs), on entry the errors of
    the labels
    """

    def kernel(
        output: Any, errors: Any, given: Any, reward: Any, scored: Any, fraction: Any, bits: Any, out: Any
    ) -> None:
        for t in range(out.shape[0]):
            if scored[t]:
                if given[t] == OF_VALUES:
                    value_error(output[t], errors[t], fraction, bits, out[t])
                for k in range(out.shape[1]):
                    error = errors[t, k] if given[t] == OF_ERRORS else out[t, k]
                    out[t, k] = rewarded(error, reward[t], bits)

    return compile_kernel(kernel)


@dataclass(frozen=True)
class Targets:
    """Targets of some steps.

    Attributes
    ----------
    label, scored : ndarray
        (steps,) int64 and bool.
    errors, given : ndarray or None
        (steps, outputs) int64, and (steps,) what they are: `OF_LABEL` nothing, `OF_ERRORS` errors in place of the
        label's, `OF_VALUES` targets.
    reward : ndarray or None
        (steps,) int64 with 8 fraction bits. The last three are None where neither errors nor rewards are given.
    """

    label: Array
    scored: Array
    errors: Array | None = None
    given: Array | None = None
    reward: Array | None = None

    def __len__(self) -> int:
        return len(self.label)

    @property
    def plain(self) -> bool:
        """Tell whether there are labels alone."""
        return self.errors is None

    def part(self, cut: slice) -> Targets:
        """Return some of the steps."""
        if self.errors is None or self.given is None or self.reward is None:
            return Targets(self.label[cut], self.scored[cut])
        return Targets(self.label[cut], self.scored[cut], self.errors[cut], self.given[cut], self.reward[cut])

    def full(self, outputs: int) -> Targets:
        """Return it with errors and rewards, those that change nothing where there are none."""
        if not self.plain:
            return self
        steps = len(self)
        errors, given = np.zeros((steps, outputs), np.int64), np.zeros(steps, np.int8)
        return Targets(self.label, self.scored, errors, given, np.full(steps, FULL_REWARD, np.int64))

    def copied(self) -> Targets:
        """Copy it, plain if there is nothing but labels."""
        if self.given is None or self.reward is None or not (self.given.any() or np.any(self.reward != FULL_REWARD)):
            return Targets(self.label.copy(), self.scored.copy())
        return Targets(*(array.copy() for array in self.arrays()))

    def before(self, later: Targets) -> Targets:
        """Join these steps and then the `later` ones."""
        if self.plain and later.plain:
            return Targets(np.concatenate([self.label, later.label]), np.concatenate([self.scored, later.scored]))
        outputs = self.errors.shape[1] if self.errors is not None else 0
        outputs = later.errors.shape[1] if later.errors is not None else outputs
        first, second = self.full(outputs).arrays(), later.full(outputs).arrays()
        return Targets(*(np.concatenate([a, b]) for a, b in zip(first, second, strict=True)))

    def arrays(self) -> tuple[Array, Array, Array, Array, Array]:
        """Return all five arrays, of one that is not plain."""
        assert self.errors is not None
        assert self.given is not None
        assert self.reward is not None
        return self.label, self.scored, self.errors, self.given, self.reward


def silence(steps: int) -> Targets:
    """Make targets of steps that are not scored."""
    return Targets(np.zeros(steps, np.int64), np.zeros(steps, bool))


def check_targets(
    steps: int,
    outputs: int,
    error_bits: int,
    label: Array | None,
    scored: Array,
    errors: Array | None = None,
    reward: Array | int | None = None,
    values: Array | None = None,
) -> Targets:
    """Check the targets of some steps; InputError naming what does not fit."""
    scored, free = np.asarray(scored), _free_targets(steps, outputs, error_bits, errors, values)
    label = np.zeros(steps, np.int64) if label is None and free is not None else label
    label = np.asarray(label)
    for name, array, kinds in (("label", label, "iu"), ("scored", scored, "b")):
        if array.shape != (steps,) or array.dtype.kind not in kinds:
            raise InputError(
                f"{name} is {array.dtype} of shape {array.shape}, rule: one "
                f"{'integer' if kinds == 'iu' else 'truth value'} a step, ({steps},)"
                + ("; real targets go in as values=learner.plan.as_values(targets)" if array.dtype.kind == "f" else "")
            )
    known = label[scored]
    if free is None and known.size and not 0 <= known.min() <= known.max() < outputs:
        raise InputError(f"labels {known.min()} to {known.max()}, rule: 0 to {outputs - 1} where scored")
    targets = Targets(np.asarray(label, np.int64), scored)
    if free is None and reward is None:
        return targets
    _, _, none, given, full = targets.full(outputs).arrays()
    given[:] = OF_LABEL if free is None else OF_VALUES if errors is None else OF_ERRORS
    if reward is not None:
        reward = np.broadcast_to(reward, (steps,)) if np.ndim(reward) == 0 else reward
        full = _integers("reward", reward, (steps,), LARGEST_REWARD, "8 fraction bits; as_reward(0.5) gives 128")
    return Targets(targets.label, targets.scored, none if free is None else free, given, full)


def _free_targets(
    steps: int, outputs: int, error_bits: int, errors: Array | None, values: Array | None
) -> Array | None:
    """Return errors or values (steps, outputs), whichever is given; InputError for both and for what does not fit."""
    if errors is not None and values is not None:
        raise InputError("errors and values, rule: one of them; an error that is given needs no target")
    if errors is not None:
        return _integers("errors", errors, (steps, outputs), largest_in(error_bits), "learning.error_bits")
    if values is not None:
        return _integers(
            "values", values, (steps, outputs), largest_in(VALUE_BITS), "learner.plan.as_values(targets) gives them"
        )
    return None


def _integers(name: str, array: Array | int, shape: tuple[int, ...], top: int, remedy: str) -> Array:
    numbers = np.asarray(array)
    if numbers.shape != shape or numbers.dtype.kind not in "iu":
        raise InputError(
            f"{name} is {numbers.dtype} of shape {numbers.shape}, rule: integers of shape {shape} ({remedy})"
        )
    if numbers.size and max(int(numbers.max()), -int(numbers.min())) > top:
        raise InputError(f"{name} holds magnitudes up to {np.abs(numbers).max()}, rule: at most {top} ({remedy})")
    return np.ascontiguousarray(numbers, np.int64)
