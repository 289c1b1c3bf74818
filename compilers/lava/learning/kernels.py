"""The Jacobians of a layer's neurons in one step; and every kernel of a learning network, made before Lava forks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.learning.arrays import Message
from hypr_neuro.compilers.lava.learning.update import ParameterUpdate, WeightUpdate
from hypr_neuro.compilers.lava.population import PopulationStep
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.jit import compile_kernel
from hypr_neuro.numbers.unrolled import HEAD, LOAD, STORE, STORE_BLOCK, STORE_MATRIX
from hypr_neuro.sim.learning.feedback import feedback_kernel, output_errors
from hypr_neuro.sim.learning.kernels import no_psi_index
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LayerPlan, LearningPlan


@cache
def jacobian_kernel(model_name: str) -> Callable[..., int]:
    """Kernel that fills `rows` with a step's Jacobian entries, clamped to ±top; returns how many were clamped.

    before, after : (d, n) states. outputs, current : (n,), the outputs before the step and what came in
    by_parameter : (parameters, d, n) P and own : (parameters, n) E, filled as they are
    """
    model = get_model(model_name)
    d, jacobian, psi_index = model.d, model.fixed_jacobian, model.psi_index or no_psi_index
    load_s, load_p, head = LOAD[d], LOAD[len(model.fixed_per_neuron)], HEAD[len(model.fixed_constants)]
    m, store, store_matrix = len(model.trainable), STORE[d], STORE_MATRIX[d, d]
    store_own, store_by_parameter = STORE[m], STORE_BLOCK[m, d]

    def kernel(
        before: Any,
        after: Any,
        outputs: Any,
        current: Any,
        per_neuron: Any,
        constants: Any,
        psi_table: Any,
        top: int,
        rows: Any,
        by_parameter: Any,
        own: Any,
    ) -> int:
        shared, clipped, at = head(constants), 0, d * d
        of_current, of_state, of_state_before, of_spike = (
            rows[at:],
            rows[at + d :],
            rows[at + 2 * d :],
            rows[at + 3 * d :],
        )
        for i in range(outputs.shape[0]):
            p = load_p(per_neuron, i) + shared
            s_prev, s = load_s(before, i), load_s(after, i)
            psi = psi_table[psi_index(s_prev, s, p)]
            A, B, C, late, P, E, F = jacobian(s_prev, s, outputs[i], (current[i],), p, psi)
            store_matrix(rows, i, A)
            store(of_current, i, B)
            store(of_state, i, C)
            store(of_state_before, i, late)
            store(of_spike, i, F)
            store_by_parameter(by_parameter, i, P)
            store_own(own, i, E)
            for r in range(d * d + 4 * d):
                kept = min(max(rows[r, i], -top), top)
                clipped += 1 * (kept != rows[r, i])
                rows[r, i] = kept
        return clipped

    return compile_kernel(kernel)


def load_kernels(plan: LearningPlan) -> None:
    """Run every kernel once, on zeros: Lava's processes are forked from this one and inherit them."""
    for layer in plan.layers:
        _load_layer(layer, plan.options)
    rows, label, down = np.zeros((1, 2), np.int32), np.zeros(1, np.int32), np.zeros((1, 2), np.int64)
    output_errors(plan.error, rows, label, label, 8, 8)
    feedback_kernel()(down, np.zeros((2, 2), np.int32), 0, 8, down.copy(), np.zeros(1, np.int64))


def _load_layer(plan: LayerPlan, options: LearnOptions) -> None:
    layer, model = plan.layer, plan.model
    n, d, trainable, own = layer.size, model.d, len(model.trainable), layer.per_neuron.copy()
    state, output = np.zeros((d, n), np.int32), np.zeros(n, np.int32)
    PopulationStep(model.name, n)(output, state, output, own, layer.constants, np.zeros(len(model.events), np.int64))
    shapes = (Message(d).rows, n), (trainable, d, n), (trainable, n)
    rows, by_parameter, by_own = (np.zeros(shape, np.int64) for shape in shapes)
    jacobian_kernel(model.name)(
        state, state, output, output, own, layer.constants, layer.psi_table, 1, rows, by_parameter, by_own
    )
    gradient = np.zeros((n, 1), np.int64)
    WeightUpdate(options, (n, 1), 0, weight_bits=8, momentum_bits=24, residual_bits=1)(gradient.copy(), gradient, 0)
    if plan.parameters:
        ParameterUpdate(model.name, options, n, 0, [0], 24)(own, layer.constants, gradient, trainable, 0)
