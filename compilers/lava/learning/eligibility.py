"""Compiled loops of Lava's learning processes over the arithmetic of `sim.learning.eligibility`, a step each.

Shapes: d states, n neurons, m synapses or parameters a neuron, all int64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.by_current import currents_at, jacobian_of
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import sat
from hypr_neuro.numbers.unrolled import HEAD, LOAD, STORE, STORE_BLOCK
from hypr_neuro.numbers.unrolling import unrolled
from hypr_neuro.sim.learning import eligibility as arithmetic
from hypr_neuro.sim.learning.entries import read_jacobian
from hypr_neuro.sim.learning.kernels import no_psi_index


@cache
def jacobian_kernel(model_name: str, input_current: int = 0) -> Callable[..., int]:
    """Make the kernel that fills a step's Jacobian, clamped, and B·C, for one input current.

    It returns how many entries were clamped, as `sim.learning.kernels.jacobian_tile` counts them.

    before, after : (d, n) states. outputs : (n,) before the step. current : what came in, (n,), of several currents
    (currents, n). constants : of the layer, then those of learning that the model asks for
    parts : views of a message as `Message.split` has them, filled. gains : (n,), filled
    by_parameter : (parameters, d, n) P and direct : (parameters, n) E, filled as they are
    """
    model = get_model(model_name)
    d, jacobian, psi_index = model.d, jacobian_of(model, input_current), model.psi_index or no_psi_index
    load_s, load_p, currents_of = LOAD[d], LOAD[len(model.fixed_per_neuron)], currents_at(model)
    head = HEAD[len(model.fixed_constants) + len(model.fixed_learning)]
    clamp = unrolled(arithmetic.clamp_jacobian if input_current == 0 else arithmetic.clamp_another, d)
    gain = unrolled(arithmetic.gain, d)
    store, store_rows = STORE[d], STORE_BLOCK[d, d]
    store_by_parameter, store_direct = STORE_BLOCK[len(model.trainable), d], STORE[len(model.trainable)]

    def kernel(
        before: Any,
        after: Any,
        outputs: Any,
        current: Any,
        per_neuron: Any,
        constants: Any,
        psi_table: Any,
        widths: Any,
        parts: Any,
        gains: Any,
        by_parameter: Any,
        direct: Any,
    ) -> int:
        shared, clipped = head(constants), 0
        for i in range(outputs.shape[0]):
            p = load_p(per_neuron, i) + shared
            s_prev, s = load_s(before, i), load_s(after, i)
            psi = psi_table[psi_index(s_prev, s, p)]
            A, B, C, C_prev, P, E, F = jacobian(s_prev, s, outputs[i], currents_of(current, i), p, psi)
            A, B, C, C_prev, F, count = clamp(A, B, C, C_prev, F, widths.entry_bits)
            clipped += count
            store_rows(parts[0], i, A)
            store(parts[1], i, B)
            store(parts[2], i, C)
            store(parts[3], i, C_prev)
            store(parts[4], i, F)
            gains[i] = gain(B, C, widths.coefficient_fraction)
            store_by_parameter(by_parameter, i, P)
            store_direct(direct, i, E)
        return clipped

    return compile_kernel(kernel)


@cache
def synapse_kernel(model_name: str, scale: int | None = None) -> Callable[..., int]:
    """Make the kernel that takes eligibilities (d, n, m) of synapses through a step; it returns how many were clamped.

    parts : the Jacobian. pre : (1, m) what arrived at every neuron's synapses, or (n, m). e : (n, m), filled
    scale : log2 of what a unit is as a message of numbers, None of spikes and of the input
    """
    d = get_model(model_name).d
    read, step, take, put = unrolled(read_jacobian, d), unrolled(arithmetic.eligibility_step, d), LOAD[d], STORE[d]
    by_current, by_synapse = unrolled(arithmetic.drive_of_current, d), unrolled(arithmetic.drive_of_synapse, d)
    by_number = unrolled(arithmetic.drive_of_number, d)

    def kernel(parts: Any, pre: Any, eligibility: Any, e: Any, widths: Any) -> int:
        w, lost = widths, 0
        for i in range(e.shape[0]):
            A, B, C, C_prev, F = read(parts, i)
            drive, of_neuron = by_current(B, w.eligibility_fraction, w.coefficient_fraction), eligibility[:, i]
            arrived = pre[min(i, pre.shape[0] - 1)]
            for k in range(e.shape[1]):
                new, e[i, k], clipped = step(
                    take(of_neuron, k),
                    A,
                    C,
                    C_prev,
                    F,
                    by_synapse(drive, arrived[k]) if scale is None else by_number(drive, arrived[k], scale),
                    0,
                    w.coefficient_fraction,
                    w.rounding,
                    w.eligibility_bits,
                )
                put(of_neuron, k, new)
                lost += 1 * clipped
        return lost

    return compile_kernel(kernel)


@cache
def parameter_kernel(model_name: str) -> Callable[..., tuple[int, int]]:
    """Make the kernel that takes eligibilities (d, n, m) of neuron parameters through a step.

    parts : the Jacobian. by_parameter, direct : P and E, as of `jacobian_kernel`. places, fractions : (m,) of those
    that learn, in the model's `trainable`, and of their eligibilities. e : (n, m), filled. It returns how many entries
    of E and how many eligibilities were clamped
    """
    d = get_model(model_name).d
    read, step, take, put = unrolled(read_jacobian, d), unrolled(arithmetic.eligibility_step, d), LOAD[d], STORE[d]
    driven = unrolled(arithmetic.drive_of_parameter, d)

    def kernel(
        parts: Any,
        by_parameter: Any,
        direct: Any,
        places: Any,
        fractions: Any,
        eligibility: Any,
        e: Any,
        widths: Any,
    ) -> tuple[int, int]:
        w, entries, lost = widths, 0, 0
        for i in range(e.shape[0]):
            A, _, C, C_prev, F = read(parts, i)
            of_neuron = eligibility[:, i]
            for k in range(e.shape[1]):
                j, fraction = places[k], fractions[k]
                given = direct[j, i]
                reached = sat(given, w.entry_bits)
                entries += 1 * (reached != given)
                new, e[i, k], clipped = step(
                    take(of_neuron, k),
                    A,
                    C,
                    C_prev,
                    F,
                    driven(take(by_parameter[j], i), fraction - w.state_fraction),
                    reached << fraction,
                    w.coefficient_fraction,
                    w.rounding,
                    w.eligibility_bits,
                )
                put(of_neuron, k, new)
                lost += 1 * clipped
        return entries, lost

    return compile_kernel(kernel)


@cache
def gradient_kernel() -> Callable[..., int]:
    """Make the kernel that adds g e to gradients (n, m); it returns how many were clamped.

    signal : (n,). e : (n, m). shifts : (m,). bits : of a gradient
    """
    step = arithmetic.gradient_step

    def kernel(gradient: Any, signal: Any, e: Any, shifts: Any, bits: int) -> int:
        over = 0
        for i in range(np.uintp(gradient.shape[0])):
            for k in range(np.uintp(gradient.shape[1])):
                gradient[i, k], clipped = step(gradient[i, k], signal[i], e[i, k], shifts[k], bits)
                over += 1 * clipped
        return over

    return compile_kernel(kernel)
