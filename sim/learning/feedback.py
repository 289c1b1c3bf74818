"""Compiled loops of the readout's error and of the learning signals of hidden layers, all in integers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import draw32, sat, shr_nearest
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.sim.learning.counter import FEEDBACK_TENSORS
from hypr_neuro.sim.learning.errors import ERRORS


@cache
def error_kernel(name: str) -> Callable[..., None]:
    """Make the kernel (outputs, labels, scored, table, fraction, bits, errors): the error of each step of a block.

    outputs : (steps, classes) readout states with `fraction` fraction bits. labels, scored : (steps,), not scored
    gives error 0. errors : (steps, classes) int64, filled
    """
    error_of = ERRORS[name].integer

    def kernel(outputs: Any, labels: Any, scored: Any, table: Any, fraction: Any, bits: Any, errors: Any) -> None:
        for t in range(outputs.shape[0]):
            if scored[t]:
                error_of(outputs[t], labels[t], table, fraction, bits, errors[t])
            else:
                errors[t, :] = 0

    return compile_kernel(kernel)


def output_errors(name: str, outputs: Array, label: Array, scored: Array, fraction: int, bits: int) -> Array:
    """Compute the errors (steps, classes) of readout states with `fraction` fraction bits, 0 where not scored."""
    errors = np.zeros(outputs.shape, np.int64)
    error_kernel(name)(outputs, label, scored, ERRORS[name].table, fraction, bits, errors)
    return errors


@jitable
def learning_signal(total: Any, shift: Any, bits: Any) -> Any:
    """Return sat(nearest(total / 2^shift)) in `bits` bits, and whether that clipped it; total is Σ_k down_k m_kj."""
    full = shr_nearest(total, shift)
    signal = sat(full, bits)
    return signal, signal != full


@jitable
def sum_back(weighted_signal: Any, mantissa: Any, total: Any, n: Any) -> None:
    """Write total[j] = Σ_k weighted_signal_k m_kj for the n neurons below."""
    total[:] = 0
    for k in range(np.uintp(weighted_signal.shape[0])):
        value, row = weighted_signal[k], mantissa[k]
        for j in range(n):
            total[j] += value * row[j]


@cache
def feedback_kernel() -> Callable[..., None]:
    """Make the kernel (weighted_signal, mantissa, shift, bits, signal, clips) of each step's `learning_signal`.

    weighted_signal : (steps, n above) int64, B·C g of the layer above. mantissa : (n above, n) int32
    signal : (steps, n) int64, filled. clips : (1,), added to
    """

    def kernel(weighted_signal: Any, mantissa: Any, shift: Any, bits: Any, signal: Any, clips: Any) -> None:
        n, lost = np.uintp(signal.shape[1]), 0
        total = np.zeros(signal.shape[1], np.int64)
        for t in range(np.uintp(weighted_signal.shape[0])):
            sum_back(weighted_signal[t], mantissa, total, n)
            for j in range(n):
                signal[t, j], clipped = learning_signal(total[j], shift, bits)
                lost += 1 * clipped
        clips[0] += lost

    return compile_kernel(kernel, disjoint=True)


@cache
def dense_part_kernel() -> Callable[..., None]:
    """Make the kernel (weighted_signal, mantissa, down, total) of one part of learning signals that have several.

    total : (steps, n) int64, nearest(Σ_k weighted_signal_k m_kj / 2^down) added to. Others as in `feedback_kernel`
    """

    def kernel(weighted_signal: Any, mantissa: Any, down: Any, total: Any) -> None:
        n = np.uintp(total.shape[1])
        part = np.zeros(total.shape[1], np.int64)
        for t in range(np.uintp(weighted_signal.shape[0])):
            sum_back(weighted_signal[t], mantissa, part, n)
            for j in range(n):
                total[t, j] += shr_nearest(part[j], down)

    return compile_kernel(kernel, disjoint=True)


@cache
def listed_part_kernel() -> Callable[..., None]:
    """Make the kernel (weighted_signal, post, pre, mantissa, down, total): `dense_part_kernel` over a list of weights.

    post, pre, mantissa : (weights,) ends and mantissas
    """

    def kernel(weighted_signal: Any, post: Any, pre: Any, mantissa: Any, down: Any, total: Any) -> None:
        part = np.zeros(total.shape[1], np.int64)
        for t in range(weighted_signal.shape[0]):
            part[:] = 0
            for k in range(mantissa.shape[0]):
                part[pre[k]] += weighted_signal[t, post[k]] * np.int64(mantissa[k])
            for j in range(total.shape[1]):
                total[t, j] += shr_nearest(part[j], down)

    return compile_kernel(kernel, disjoint=True)


@cache
def add_shifted_kernel() -> Callable[..., None]:
    """Make the kernel (values, down, total) that adds nearest(values / 2^down), all (steps, n)."""

    def kernel(values: Any, down: Any, total: Any) -> None:
        for t in range(total.shape[0]):
            for j in range(total.shape[1]):
                total[t, j] += shr_nearest(values[t, j], down)

    return compile_kernel(kernel)


@cache
def signal_kernel() -> Callable[..., None]:
    """Make the kernel (total, shift, bits, signal, clips) that brings sums (steps, n) to `learning_signal`."""

    def kernel(total: Any, shift: Any, bits: Any, signal: Any, clips: Any) -> None:
        lost = 0
        for t in range(total.shape[0]):
            for j in range(total.shape[1]):
                signal[t, j], clipped = learning_signal(total[t, j], shift, bits)
                lost += 1 * clipped
        clips[0] += lost

    return compile_kernel(kernel, disjoint=True)


@jitable
def feedback_weight(seed: Any, above: Any, place: Any, weight_bits: Any) -> Any:
    """Draw an entry of the fixed matrix that takes the place of layer `above`'s weights, uniform over ±top.

    place : i n + j of the entry (i, j), n neurons below
    """
    top = (1 << (weight_bits - 1)) - 1
    return draw32(seed, 0, FEEDBACK_TENSORS + above, place) % (2 * top + 1) - top


def random_feedback(seed: int, above: int, rows: int, columns: int, weight_bits: int) -> Array:
    """Draw the fixed (rows, columns) matrix in place of the weights of layer `above`."""
    weight_bits = max(weight_bits, 2)  # -1 or 1 reach as far as numbers of 2 bits
    draws = [feedback_weight(seed, above, place, weight_bits) for place in range(rows * columns)]
    return np.array(draws, dtype=np.int64).reshape(rows, columns)
