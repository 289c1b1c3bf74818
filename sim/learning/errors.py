"""Compiled loops of the readout's error and of the learning signals that go down, all in integers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import quotient, sat, shift_nearest, shr_nearest
from hypr_neuro.numbers.jit import compile_kernel, jitable

EXP_ENTRIES, EXP_STEP_LOG2, EXP_FRACTION = 256, 4, 15
EXP_TABLE: Array = np.rint(2.0**EXP_FRACTION * np.exp(-np.arange(EXP_ENTRIES) / 2.0**EXP_STEP_LOG2)).astype(np.int64)
"""e^{-x} in steps of 1/16, with 15 fraction bits."""


@jitable
def softmax_error(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    """error_k = sat(p_k - [k = label]), p the soft-max of integers with `fraction` fraction bits.

    p_k = round(2^(bits-1) E_k / Σ E), E_k = table[min(round((max - o_k) / 2^(fraction-4)), 255)].
    """
    largest = output[0]
    for k in range(output.shape[0]):
        largest = max(largest, output[k])
    total = 0
    for k in range(output.shape[0]):
        index = shr_nearest(largest - output[k], max(fraction - EXP_STEP_LOG2, 0))
        error[k] = table[min(index, EXP_ENTRIES - 1)]
        total += error[k]
    for k in range(output.shape[0]):
        share = quotient((error[k] << bits) + total, 2 * total)
        error[k] = sat(share - (1 << (bits - 1)) * (k == label), bits)


@jitable
def linear_error(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    """error_k = sat(o_k - [k = label]), the derivative of half the squared error."""
    for k in range(output.shape[0]):
        scaled = shift_nearest(output[k], bits - 1 - fraction)
        error[k] = sat(scaled - (1 << (bits - 1)) * (k == label), bits)


@jitable
def sign_error(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    """error_k = top ([k = argmax o] - [k = label]), of equal outputs the first: the perceptron's."""
    best = 0
    for k in range(output.shape[0]):
        if output[k] > output[best]:
            best = k
    for k in range(output.shape[0]):
        error[k] = ((1 << (bits - 1)) - 1) * (1 * (k == best) - 1 * (k == label))


ERRORS: dict[str, Callable[..., None]] = {"softmax": softmax_error, "linear": linear_error, "sign": sign_error}


@cache
def error_kernel(name: str) -> Callable[..., None]:
    """Kernel (outputs, labels, scored, table, fraction, bits, errors): the error of each step of a block.

    outputs : (steps, classes) readout states with `fraction` fraction bits. labels, scored : (steps,), not scored
    gives error 0. errors : (steps, classes) int64, filled
    """
    error_of = ERRORS[name]

    def kernel(outputs, labels, scored, table, fraction, bits, errors):
        for t in range(outputs.shape[0]):
            if scored[t]:
                error_of(outputs[t], labels[t], table, fraction, bits, errors[t])
            else:
                errors[t, :] = 0

    return compile_kernel(kernel)


@cache
def feedback_kernel() -> Callable[..., None]:
    """Kernel (now, mantissa, shift, bits, signal, clips): signal_j = sat(round(Σ_k now_k m_kj / 2^shift)).

    now : (steps, n above) int64. mantissa : (n above, n) int32. signal : (steps, n) int64, filled. clips : (1,)
    """

    def kernel(now, mantissa, shift, bits, signal, clips):
        n, lost = np.uintp(signal.shape[1]), 0
        total = np.zeros(signal.shape[1], np.int64)
        for t in range(np.uintp(now.shape[0])):
            total[:] = 0
            for k in range(np.uintp(now.shape[1])):
                value, row = now[t, k], mantissa[k]
                for j in range(n):
                    total[j] += value * row[j]
            for j in range(n):
                full = shr_nearest(total[j], shift)
                kept = sat(full, bits)
                signal[t, j] = kept
                lost += 1 * (kept != full)
        clips[0] += lost

    return compile_kernel(kernel, disjoint=True)
