"""Every kernel of a learning network, made before Lava forks."""

from __future__ import annotations

import numpy as np

from hypr_neuro.compilers.lava.learning.eligibility import (
    gradient_kernel,
    jacobian_kernel,
    parameter_kernel,
    synapse_kernel,
)
from hypr_neuro.compilers.lava.learning.message import Message
from hypr_neuro.compilers.lava.learning.told_errors import free_errors
from hypr_neuro.compilers.lava.learning.update import ParameterUpdate, WeightUpdate
from hypr_neuro.compilers.lava.population import PopulationStep
from hypr_neuro.sim.learning.feedback import add_shifted_kernel, output_errors, signal_kernel
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.signals import Way


def load_kernels(plan: LearningPlan) -> None:
    """Run every kernel once, on zeros: Lava's processes are forked from this one and inherit them."""
    for layer in plan.layers:
        _step(layer)
        if plan.active(layer.index):
            _learn(layer, plan.options)
    rows, label, signal = np.zeros((1, 2), np.int32), np.zeros(1, np.int32), np.zeros((1, 2), np.int64)
    if plan.options.targets == "labels":
        output_errors(plan.error, rows, label, label, 8, 8)
    else:
        free_errors(rows[0], np.zeros(3, np.int32), plan.options.targets, 8, 8)
    add_shifted_kernel()(signal, 0, signal.copy())
    signal_kernel()(signal, 0, 8, signal.copy(), np.zeros(1, np.int64))
    for layer in plan.layers:
        for c in layer.incoming:
            if plan.returns(c):
                above, below = np.zeros((1, layer.size), np.int64), np.zeros((1, c.source_size), np.int64)
                Way(c, plan.fixed_feedback(c)).add(above, 0, below)


def _step(plan: LayerPlan) -> None:
    model, n = plan.model, plan.size
    current, output = np.zeros((model.currents, n), np.int32), np.zeros(n, np.int32)
    state, events = np.zeros((model.d, n), np.int32), np.zeros(len(model.events), np.int64)
    PopulationStep(model.name, n)(current, state, output, plan.neurons.per_neuron, plan.neurons.constants, events)


def _learn(plan: LayerPlan, options: LearnOptions) -> None:
    neurons, model = plan.neurons, plan.model
    n, d, trainable, per_neuron = plan.size, model.d, len(model.trainable), neurons.per_neuron.copy()
    state, output = np.zeros((d, n), np.int32), np.zeros(n, np.int32)
    message, current = Message(d, model.currents), np.zeros((model.currents, n), np.int32)
    shapes = (message.rows, n), (trainable, d, n), (trainable, n)
    rows, by_parameter, direct = (np.zeros(shape, np.int64) for shape in shapes)
    gains, widths = np.zeros(n, np.int64), plan.widths
    for k in range(model.currents):
        jacobian_kernel(model.name, k)(
            state,
            state,
            output,
            current if model.currents > 1 else current[0],
            per_neuron,
            plan.constants,
            neurons.psi_table,
            widths,
            message.split(rows, k),
            gains,
            by_parameter,
            direct,
        )
    parts = message.split(rows)
    one, gradient, eligibility = np.zeros(1, np.int64), np.zeros((n, 1), np.int64), np.zeros((d, n, 1), np.int64)
    for scale in {None if c.message is None else c.scale for c in plan.incoming if c.learns}:
        synapse_kernel(model.name, scale)(parts, one[None], eligibility, gradient.copy(), widths)
    gradient_kernel()(gradient, gains, gradient.copy(), one, widths.accumulator_bits)
    WeightUpdate(options, (n, 1), 0, weight_bits=8, momentum_bits=24, residual_bits=1)(gradient.copy(), gradient, 0)
    if plan.parameters:
        parameter_kernel(model.name)(parts, by_parameter, direct, one, one, eligibility, gradient.copy(), widths)
        ParameterUpdate(model.name, options, n, 0, [0], 24)(per_neuron, neurons.constants, gradient, trainable, 0)
