"""The end of an update: momentum, stochastic rounding, saturation; the rule that makes the steps is in `updates`.

    M ← sat(M + round((step - M) / 2^μ)), step = M                               with momentum, in `momentum_bits`
    change = stochastic_round(step / 2^(16-r))                                   one draw a weight
    W ← W - change clamped to ±top 2^r,  W = w 2^r + residual,  w = round(W / 2^r)

With r = `residual_bits` 0 that is w ← sat(w - change). With more, a weight keeps that many bits below its mantissa,
which it learns with but does not send.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.fixed_point import draw32, sat, shr_nearest, shr_stochastic
from hypr_neuro.numbers.jit import compile_kernel
from hypr_neuro.numbers.unrolled import HEAD, LOAD
from hypr_neuro.sim.learning.updates import UPDATES

PARAMETER_TENSORS = 1024
"""First word of the random counter for neuron parameters."""
SATURATED, CHANGED, SMALL, SEEN = range(4)
"""Entries of `counts`: weights that saturated, that changed; steps but 0 below half a unit, all steps but 0."""


@cache
def step_kernel(rule: str) -> Callable[..., None]:
    """Kernel (gradient, state, rate, limit, average_shift, momentum, μ, bits, step): the rule, then momentum.

    gradient : (n, m). state : as the rule has it. momentum : (n, m), used if μ > 0. step : (n, m) int64, filled
    """
    steps = UPDATES[rule].steps

    def kernel(gradient, state, rate, limit, average_shift, momentum, mu, bits, step):
        steps(gradient, state, rate, limit, average_shift, step)
        if mu > 0:
            for i in range(step.shape[0]):
                for j in range(step.shape[1]):
                    momentum[i, j] = sat(momentum[i, j] + shr_nearest(step[i, j] - momentum[i, j], mu), bits)
                    step[i, j] = momentum[i, j]

    return compile_kernel(kernel)


@cache
def weight_kernel() -> Callable[..., None]:
    """Kernel (mantissa, residual, step, bits, residual_bits, seed, update, tensor, counts): the change of weights.

    mantissa, residual, step : (n, m) int64, residual used if residual_bits > 0. counts : (4,), added to
    """

    def kernel(mantissa, residual, step, bits, residual_bits, seed, update, tensor, counts):
        top = ((1 << (bits - 1)) - 1) << residual_bits
        down = 16 - residual_bits
        for i in range(step.shape[0]):
            for j in range(step.shape[1]):
                if step[i, j] == 0:
                    continue
                counts[SEEN] += 1
                counts[SMALL] += 1 * (2 * abs(step[i, j]) < (1 << down))
                change = shr_stochastic(step[i, j], down, draw32(seed, update, tensor, i * step.shape[1] + j))
                before = mantissa[i, j]
                full = (before << residual_bits) - change
                if residual_bits > 0:
                    full += residual[i, j]
                kept = min(max(full, -top), top)
                counts[SATURATED] += 1 * (kept != full)
                mantissa[i, j] = shr_nearest(kept, residual_bits)
                if residual_bits > 0:
                    residual[i, j] = kept - (mantissa[i, j] << residual_bits)
                counts[CHANGED] += 1 * (mantissa[i, j] != before)

    return compile_kernel(kernel)


@cache
def parameter_update_kernel(model_name: str) -> Callable[..., None]:
    """Kernel (per_neuron, constants, step, seed, update, tensor): the change of neuron parameters.

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
                step[j, i] = shr_stochastic(step[j, i], 16, draw32(seed, update, tensor + j, i))
            new = change_of(load_p(per_neuron, i) + shared, load_change(step, i))
            for j in range(per_neuron.shape[0]):
                per_neuron[j, i] = new[j]

    return compile_kernel(kernel)


def tensor_number(layer: int, connection: str) -> int:
    """Word of the random counter for a connection: 2·layer, + 1 for recurrent ones."""
    return 2 * layer + int(connection == "recurrent")
