"""Compiled loops of learning in integers, batch 1: eligibilities and gradients of one layer, the readout's error.

For synapse (i, k) of a layer, in every step of its window,

    ε ← sat(round(A ε / 2^kc) + b pre_k),            b = round(B 2^fe / 2^kc)
    e = round((C ε_t + C' ε_{t-1}) / 2^kc)
    G ← sat(G + round(g_i e / 2^gs))

with the entries of `fixed_jacobian` (kc fraction bits), ε with fe fraction bits, g_i the learning signal. Entries of
`widths` are named by the constants below.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.fixed_point import quotient, sat, shr, shr_nearest
from hypr_neuro.jit import compile_kernel, jitable
from hypr_neuro.neurons import get_model
from hypr_neuro.tuples import DOT, HEAD, LOAD, STORE

COEFFICIENT_FRACTION, ELIGIBILITY_FRACTION, ELIGIBILITY_BITS, ROUNDING, GRADIENT_SHIFT, ACCUMULATOR_BITS = range(6)
ELIGIBILITY_CLIPS, ACCUMULATOR_CLIPS = range(2)
EXP_ENTRIES, EXP_STEP_LOG2, EXP_FRACTION = 256, 4, 15

dot1, dot2, dot3, dot4 = DOT[1], DOT[2], DOT[3], DOT[4]


@jitable
def advance1(A: Any, e: Any, b: Any, pre: Any, k: int, bits: int, rounding: int) -> Any:
    """A ε + b pre for one state, saturated; and how many entries saturated."""
    f0 = shr(dot1(A[0], e), k, rounding) + b[0] * pre
    s0 = sat(f0, bits)
    return (s0,), 1 * (s0 != f0)


@jitable
def advance2(A: Any, e: Any, b: Any, pre: Any, k: int, bits: int, rounding: int) -> Any:
    """The same for two states."""
    f0 = shr(dot2(A[0], e), k, rounding) + b[0] * pre
    f1 = shr(dot2(A[1], e), k, rounding) + b[1] * pre
    s0, s1 = sat(f0, bits), sat(f1, bits)
    return (s0, s1), 1 * (s0 != f0) + 1 * (s1 != f1)


@jitable
def advance3(A: Any, e: Any, b: Any, pre: Any, k: int, bits: int, rounding: int) -> Any:
    """The same for three states."""
    f0 = shr(dot3(A[0], e), k, rounding) + b[0] * pre
    f1 = shr(dot3(A[1], e), k, rounding) + b[1] * pre
    f2 = shr(dot3(A[2], e), k, rounding) + b[2] * pre
    s0, s1, s2 = sat(f0, bits), sat(f1, bits), sat(f2, bits)
    return (s0, s1, s2), 1 * (s0 != f0) + 1 * (s1 != f1) + 1 * (s2 != f2)


@jitable
def advance4(A: Any, e: Any, b: Any, pre: Any, k: int, bits: int, rounding: int) -> Any:
    """The same for four states."""
    f0 = shr(dot4(A[0], e), k, rounding) + b[0] * pre
    f1 = shr(dot4(A[1], e), k, rounding) + b[1] * pre
    f2 = shr(dot4(A[2], e), k, rounding) + b[2] * pre
    f3 = shr(dot4(A[3], e), k, rounding) + b[3] * pre
    s0, s1, s2, s3 = sat(f0, bits), sat(f1, bits), sat(f2, bits), sat(f3, bits)
    return (s0, s1, s2, s3), 1 * (s0 != f0) + 1 * (s1 != f1) + 1 * (s2 != f2) + 1 * (s3 != f3)


@jitable
def arrive1(B: Any, fe: int, k: int) -> Any:
    """B in the eligibilities' format, for one state."""
    return (shr_nearest(B[0] << fe, k),)


@jitable
def arrive2(B: Any, fe: int, k: int) -> Any:
    """The same for two states."""
    return (shr_nearest(B[0] << fe, k), shr_nearest(B[1] << fe, k))


@jitable
def arrive3(B: Any, fe: int, k: int) -> Any:
    """The same for three states."""
    return (shr_nearest(B[0] << fe, k), shr_nearest(B[1] << fe, k), shr_nearest(B[2] << fe, k))


@jitable
def arrive4(B: Any, fe: int, k: int) -> Any:
    """The same for four states."""
    return (
        shr_nearest(B[0] << fe, k),
        shr_nearest(B[1] << fe, k),
        shr_nearest(B[2] << fe, k),
        shr_nearest(B[3] << fe, k),
    )


ADVANCE: dict[int, Callable[..., Any]] = {1: advance1, 2: advance2, 3: advance3, 4: advance4}
ARRIVE: dict[int, Callable[..., Any]] = {1: arrive1, 2: arrive2, 3: arrive3, 4: arrive4}


@jitable
def no_psi_index(s_prev: Any, s: Any, p: Any) -> int:
    """A readout has no ψ; entry 0 of its table is 0."""
    return 0


@cache
def learning_kernel(model_name: str) -> Callable[..., None]:
    """Kernel that learns in one layer over a block of steps, for one sample.

    below : (steps, inputs) what arrived, outputs : (steps+1, n) with the outputs before the block in row 0
    bias_on : (steps,), states : (steps+1, d, n) likewise, currents : (steps, n)
    signal : (steps, n) learning signals g, window : (steps,) 1 where the layer learns
    eligibility : (n, d, fan_in) int32 and gradient : (n, fan_in) int64, updated; fan_in = inputs, always-on line
        if there is one, recurrent
    now : (steps, n) filled with round(B·C / 2^kc) g, what goes down to the layer below in the same step
    clips : (2,) counts, added to
    """
    model = get_model(model_name)
    d, jacobian = model.d, model.fixed_jacobian
    psi_index = model.psi_index or no_psi_index
    advance, arrive, dot = ADVANCE[d], ARRIVE[d], DOT[d]
    load_s, store = LOAD[d], STORE[d]
    load_p, head = LOAD[len(model.fixed_per_neuron)], HEAD[len(model.fixed_constants)]

    def kernel(below, outputs, bias_on, states, currents, signal, window, per_neuron, constants, psi_table,
               eligibility, gradient, now, clips, widths, bias_axon, recurrent):  # fmt: skip
        neurons, fan_in = np.uintp(gradient.shape[0]), np.uintp(gradient.shape[1])
        inputs = below.shape[1]
        kc, fe, bits = widths[0], widths[1], widths[2]
        rounding, gs, top_bits = widths[3], widths[4], widths[5]
        shared = head(constants)
        pre = np.zeros(gradient.shape[1], np.int64)
        for t in range(below.shape[0]):
            if window[t] == 0:
                now[t, :] = 0
                continue
            for j in range(inputs):
                pre[j] = below[t, j]
            at = inputs
            if bias_axon:
                pre[at] = bias_on[t]
                at += 1
            if recurrent:
                for j in range(outputs.shape[1]):
                    pre[at + j] = outputs[t, j]
            before, after = states[t], states[t + 1]
            lost, over = 0, 0
            for i in range(neurons):
                p = load_p(per_neuron, i) + shared
                s_prev, s = load_s(before, i), load_s(after, i)
                psi = psi_table[psi_index(s_prev, s, p)]
                A, B, C, Cp, _, _ = jacobian(s_prev, s, outputs[t, i], (currents[t, i],), p, psi)
                g = signal[t, i]
                now[t, i] = shr_nearest(dot(B, C), kc) * g
                b = arrive(B, fe, kc)
                trace, total = eligibility[i], gradient[i]
                for k in range(fan_in):
                    old = load_s(trace, k)
                    new, clipped = advance(A, old, b, pre[k], kc, bits, rounding)
                    store(trace, k, new)
                    lost += clipped
                    effect = shr_nearest(dot(C, new) + dot(Cp, old), kc)
                    full = total[k] + shr_nearest(g * effect, gs)
                    kept = sat(full, top_bits)
                    total[k] = kept
                    over += 1 * (kept != full)
            clips[0] += lost
            clips[1] += over

    return compile_kernel(kernel)


@jitable
def soft_max_error(output: Any, label: int, exp_table: Any, shift: int, error_bits: int, error: Any) -> None:
    """error_k = sat(p_k - [k = label]), p_k = exp_table-based soft-max of integers with `shift` + 4 fraction bits.

    p_k = ⌊2^(bits-1) E_k / Σ E⌋, E_k = exp_table[min(round((max - o_k) / 2^shift), 255)].
    """
    largest = output[0]
    for k in range(output.shape[0]):
        largest = max(largest, output[k])
    total = 0
    for k in range(output.shape[0]):
        index = shr_nearest(largest - output[k], shift)
        error[k] = exp_table[min(index, 255)]
        total += error[k]
    for k in range(output.shape[0]):
        share = quotient(error[k] << (error_bits - 1), total)
        target = (1 << (error_bits - 1)) * (k == label)
        error[k] = sat(share - target, error_bits)


@cache
def error_kernel() -> Callable[..., None]:
    """Kernel (outputs, labels, scored, exp_table, shift, error_bits, errors): the error of each step of a block.

    outputs : (steps, classes) readout states. labels : (steps,). scored : (steps,), 0 gives error 0
    errors : (steps, classes) int64, filled
    """

    def kernel(outputs, labels, scored, exp_table, shift, error_bits, errors):
        for t in range(outputs.shape[0]):
            if scored[t]:
                soft_max_error(outputs[t], labels[t], exp_table, shift, error_bits, errors[t])
            else:
                errors[t, :] = 0

    return compile_kernel(kernel)


@cache
def feedback_kernel() -> Callable[..., None]:
    """Kernel (now, mantissa, shift, bits, signal, clips): signal_j = sat(round(Σ_k now_k m_kj / 2^shift)).

    now : (steps, n above). mantissa : (n above, n) or wider, its first n columns count. signal : (steps, n), filled
    """

    def kernel(now, mantissa, shift, bits, signal, clips):
        lost = 0
        for t in range(now.shape[0]):
            for j in range(signal.shape[1]):
                total = 0
                for k in range(now.shape[1]):
                    total += now[t, k] * mantissa[k, j]
                full = shr_nearest(total, shift)
                kept = sat(full, bits)
                signal[t, j] = kept
                lost += 1 * (kept != full)
        clips[0] += lost

    return compile_kernel(kernel)
