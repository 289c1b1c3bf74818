"""The end of an update: momentum, stochastic rounding, saturation; the rule that makes the steps is in `updates`.

Written once, on single numbers (`momentum_step`, `rounded_step`, `weight_step`): the kernels here, which the simulator
and Lava call, loop over them, the reference runs them on words (`numbers.words`), and C is their syntax tree.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import draw32, sat, shr_nearest, shr_stochastic
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.unrolled import HEAD, LOAD
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.updates import UPDATES
from hypr_neuro.sim.learning.updates.base import STEP_FRACTION

SATURATED, CHANGED, SMALL, SEEN = range(4)
"""Entries of `counts`: weights that saturated, that changed; steps but 0 below half a unit, all steps but 0."""


@jitable
def momentum_step(step: Any, momentum: Any, shift: Any, bits: Any) -> Any:
    """Average steps: M + nearest((step - M) / 2^shift), saturated to `bits` bits; it takes the step's place."""
    return sat(momentum + shr_nearest(step - momentum, shift), bits)


def real_momentum_step(step: Any, momentum: Any, shift: int) -> Any:
    """Average steps in real numbers: M + (step - M) / 2^shift."""
    return momentum + (step - momentum) / (1 << shift)


@jitable
def rounded_step(step: Any, residual_bits: Any, seed: Any, update: Any, tensor: Any, place: Any) -> Any:
    """Round a step to units of 2^-residual_bits of a mantissa, up with the probability of what is dropped.

    seed, update, tensor, place : words of the random counter; place is i m + j of an entry (i, j)
    """
    return shr_stochastic(step, STEP_FRACTION - residual_bits, draw32(seed, update, tensor, place))


@jitable
def weight_step(
    weight: Any,
    residual: Any,
    step: Any,
    bits: Any,
    residual_bits: Any,
    seed: Any,
    update: Any,
    tensor: Any,
    place: Any,
) -> Any:
    """Take a step off a weight of `bits` bits: its mantissa, its residual, and whether it saturated.

        W ← w 2^r + residual - rounded step, clamped to ±top 2^r;  w = nearest(W / 2^r), residual = W - w 2^r

    With r = `residual_bits` 0 that is w ← sat(w - rounded step), residual 0. With more, a weight keeps that many bits
    below its mantissa, which it learns with but does not send.

    A weight of 1 bit is -1 or 1: its step is rounded to a multiple of 2, so that it turns over with the probability of
    half the step, and it keeps no residual.
    """
    binary = 1 * (bits == 1)
    finer = residual_bits * (1 - binary)
    taken = rounded_step(step, finer - binary, seed, update, tensor, place) << (binary * (1 + residual_bits))
    full = (weight << residual_bits) + residual - taken
    top = ((1 << max(bits - 1, 1)) - 1) << residual_bits
    kept = min(max(full, -top), top)
    mantissa = shr_nearest(kept, residual_bits)
    return mantissa, kept - (mantissa << residual_bits), kept != full


@cache
def step_kernel(rule: str) -> Callable[..., None]:
    """Make the kernel (gradient, state, rate, limit, average_shift, momentum, μ, bits, step): the rule, then momentum.

    gradient : (n, m) int64. state : as the rule has it. momentum : (n, m), used if μ > 0. step : (n, m) int64, zeros
        that are filled
    """
    steps = UPDATES[rule].steps

    def kernel(gradient, state, rate, limit, average_shift, momentum, mu, bits, step):
        steps(gradient, state, rate, limit, average_shift, step)
        if mu > 0:
            for i in range(step.shape[0]):
                for j in range(step.shape[1]):
                    momentum[i, j] = momentum_step(step[i, j], momentum[i, j], mu, bits)
                    step[i, j] = momentum[i, j]

    return compile_kernel(kernel)


class TensorSteps:
    """The update rule of one tensor (n, m) and what it remembers from update to update.

    Attributes
    ----------
    averages : dict of ndarray
        State of the rule by name.
    momentum : ndarray
        (n, m), empty where there is none.
    """

    def __init__(self, options: LearnOptions, shape: tuple[int, int], momentum_bits: int) -> None:
        self.options, self.momentum_bits = options, max(momentum_bits, 1)
        shapes = UPDATES[options.rule].shapes(*shape)
        self.averages = {name: np.zeros(size, np.int64) for name, size in shapes.items()}
        self.momentum = np.zeros(shape if options.momentum else (0, 0), np.int64)

    def __call__(self, gradient: Array, rate: int) -> Array:
        """Return steps (n, m) with 16 fraction bits; averages and momentum move on."""
        o, step = self.options, np.zeros(gradient.shape, np.int64)
        step_kernel(o.rule)(
            np.ascontiguousarray(gradient, dtype=np.int64),
            tuple(self.averages.values()),
            rate,
            o.limit,
            o.average_shift,
            self.momentum,
            o.momentum,
            self.momentum_bits,
            step,
        )
        return step


@cache
def weight_kernel() -> Callable[..., None]:
    """Make the kernel (mantissa, residual, step, bits, residual_bits, seed, update, tensor, counts) of weights.

    mantissa, residual, step : (n, m) int64, residual used if residual_bits > 0. counts : (4,), added to
    """

    def kernel(mantissa, residual, step, bits, residual_bits, seed, update, tensor, counts):
        m, unit = step.shape[1], 1 << (STEP_FRACTION - residual_bits)
        saturations = changes = small = seen = 0
        for i in range(step.shape[0]):
            for j in range(m):
                if step[i, j] == 0:
                    continue
                before, left = mantissa[i, j], 0
                if residual_bits > 0:
                    left = residual[i, j]
                new, left, saturated = weight_step(
                    before, left, step[i, j], bits, residual_bits, seed, update, tensor, i * m + j
                )
                mantissa[i, j] = new
                if residual_bits > 0:
                    residual[i, j] = left
                seen += 1
                small += 1 * (2 * abs(step[i, j]) < unit)
                saturations += 1 * saturated
                changes += 1 * (new != before)
        counts[SATURATED] += saturations
        counts[CHANGED] += changes
        counts[SMALL] += small
        counts[SEEN] += seen

    return compile_kernel(kernel)


@cache
def parameter_update_kernel(model_name: str) -> Callable[..., None]:
    """Make the kernel (per_neuron, constants, step, seed, update, tensor), which changes neuron parameters.

    per_neuron : (integers, n), changed. step : (trainable, n) int64, 0 for those that do not learn. tensor : of the
    first trainable parameter
    """
    model = get_model(model_name)
    assert model.learned is not None
    change_of, learned = model.learned.change, len(model.trainable)
    load_p, head = LOAD[len(model.fixed_per_neuron)], HEAD[len(model.fixed_constants)]
    load_change = LOAD[learned]

    def kernel(per_neuron, constants, step, seed, update, tensor):
        shared = head(constants)
        for i in range(per_neuron.shape[1]):
            for j in range(step.shape[0]):
                step[j, i] = rounded_step(step[j, i], 0, seed, update, tensor + j, i)
            new = change_of(load_p(per_neuron, i) + shared, load_change(step, i))
            for j in range(per_neuron.shape[0]):
                per_neuron[j, i] = new[j]

    return compile_kernel(kernel)
