"""The hooks of a rule, called: what they see cannot be changed by them, and what they answer is checked.

What a hook answers is its author's, so a message names the rule and the hook. Numbers that are not finite are the
hook's fault only where what it saw was finite; else training diverged before, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.train.networks import spiking_places
from hypr_neuro.train.rules.base import Local, Means, Penalty, Rule

NUMBERS = "fiub"
"""Kinds of arrays that hold real numbers."""


def read_only(array: Array) -> Array:
    """Return a view of the array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def deviations_of(rule: Rule, net: Network) -> tuple[float, ...]:
    """Return the standard deviation of the noise on each population's currents, () for no noise."""
    if not rule.uses("noise"):
        return ()
    answer: Any = rule.noise(net)
    count = len(net.populations)
    wanted = f"one finite standard deviation, 0 or larger, for each of {count} populations"
    try:
        array = np.asarray(answer)
    except ValueError:  # lists of different lengths
        array = np.array(None)
    if array.shape != (count,) or array.dtype.kind not in NUMBERS:
        raise InputError(f"rule '{rule.name}': noise {answer!r:.120}, rule: {wanted}")
    deviations = tuple(float(value) for value in answer)
    if not all(0 <= value < float("inf") for value in deviations):
        raise InputError(f"rule '{rule.name}': noise {deviations}, rule: {wanted}")
    return deviations


def penalty_of(rule: Rule, net: Network, means: Means) -> Penalty:
    """Return what the hook `regularizer` adds at the weights that the network has now."""
    with _writes_refused(rule, "regularizer", "values and means"):
        answer: Any = rule.regularizer(_protected(net.arrays()), _protected(means))
    if not isinstance(answer, Penalty):
        raise InputError(
            f"rule '{rule.name}': its regularizer gives {type(answer).__name__}, rule: a Penalty(value, gradient, "
            "by_rate)"
        )
    value = np.asarray(answer.value)
    if value.shape != () or value.dtype.kind not in NUMBERS or not np.isfinite(value):
        raise InputError(
            f"rule '{rule.name}': its regularizer gives the value {answer.value!r:.60}, rule: one finite number"
        )
    shapes = {name: array.shape for name, array in net.arrays().items()}
    gradient = _terms(rule, "gradient", answer.gradient, shapes)
    rates = {net.name(i): (net.populations[i].size,) for i in spiking_places(net)}
    by_rate = _terms(rule, "by_rate", answer.by_rate, rates)
    if by_rate and rule.eligibility == "current":
        raise InputError(f"rule '{rule.name}': by_rate needs eligibility 'spike': rates are those of spikes")
    return Penalty(answer.value, gradient, by_rate)


def reward_of(rule: Rule, loss: Array, means: Means) -> Array:
    """Return the factor (batch,) of each sample's learning signals."""
    with _writes_refused(rule, "reward", "means"):
        reward = np.asarray(rule.reward(loss, _protected(means)))
    if reward.shape != loss.shape or reward.dtype.kind not in NUMBERS or not np.all(np.isfinite(reward)):
        raise InputError(
            f"rule '{rule.name}': its reward is {reward.dtype} of shape {reward.shape}, rule: a finite number for each "
            f"sample, {loss.shape}"
        )
    return reward


def error_of(rule: Rule, local: Local) -> Array:
    """Return the learning signals (λ, batch, n) of one layer."""
    with _writes_refused(rule, "error", "what it sees"):
        given = np.asarray(rule.error(local))
    shape = local.output.shape
    if given.shape != shape or given.dtype.kind not in NUMBERS:
        raise InputError(
            f"rule '{rule.name}': its error for {local.layer} has shape {given.shape}, {given.dtype}, rule: (steps, "
            f"samples, neurons) = {shape}, real numbers"
        )
    seen = local.error, local.output
    if not np.all(np.isfinite(given)) and all(np.all(np.isfinite(array)) for array in seen):
        raise InputError(
            f"rule '{rule.name}': its error for {local.layer} holds a number that is not finite, rule: finite numbers; "
            "look for a division by 0 or a logarithm of 0 in it"
        )
    return given


def _protected(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: read_only(np.asarray(array)) for name, array in arrays.items()}


@contextmanager
def _writes_refused(rule: Rule, hook: str, what: str) -> Iterator[None]:
    """Name the rule where its hook writes to what it is only shown."""
    try:
        yield
    except ValueError as error:
        if isinstance(error, InputError) or "read-only" not in str(error):
            raise
        raise InputError(
            f"rule '{rule.name}': its {hook} writes to an array that it was given, rule: {what} are only to be read; "
            "copy the array first"
        ) from error


def _terms(rule: Rule, part: str, terms: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Check arrays that a regulariser adds, by name."""
    if not isinstance(terms, Mapping):
        raise InputError(
            f"rule '{rule.name}': its regularizer gives {part} = {terms!r:.60}, rule: arrays by name, a mapping"
        )
    found = {}
    for name, term in terms.items():
        array = np.asarray(term)
        if name not in shapes or array.shape != shapes[name]:
            raise InputError(
                f"rule '{rule.name}': its regularizer gives '{name}' of shape {array.shape}, rule: names and "
                f"shapes {shapes}"
            )
        if array.dtype.kind not in NUMBERS or not np.all(np.isfinite(array)):
            raise InputError(
                f"rule '{rule.name}': its regularizer gives {part} '{name}' {array.dtype} that is not all finite real "
                "numbers, rule: finite real numbers"
            )
        found[name] = array
    return found
