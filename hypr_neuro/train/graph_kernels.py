"""Compiled loops of float training on graphs: one population over steps, one connection over steps, both ways.

Arrays are time-major; batch and neurons share one axis, entry b·n + i for sample b and neuron i, as in `run.forward`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.unrolled import FLUSH, LOAD, STORE
from hypr_neuro.train.kernels import add_product, adjoint_step, load_currents, store_currents


@cache
def state_stage(model_name: str, precision: str) -> Callable[..., None]:
    """Compile the kernel that runs a population along given currents.

    Its arguments are

    current : (λ, batch·n), of a model with several (λ, currents, batch·n)
        Input currents.
    states : (λ+1, d, batch·n)
        Row 0 is the state before, the others are filled.
    outputs : (λ+1, batch·n)
        Likewise.
    p : (parameters and coefficients, batch·n)
        Of the neurons.
    """
    model = get_model(model_name)
    step, d = model.float_step, model.d
    load_s, load_p, store, flush = LOAD[d], LOAD[model.float_count], STORE[d], FLUSH[d]
    load_i = load_currents(model.currents)

    def kernel(current, states, outputs, p):
        for t in range(current.shape[0]):
            i_t, s0, s1, z0, z1 = current[t], states[t], states[t + 1], outputs[t], outputs[t + 1]
            for k in range(np.uintp(z1.shape[0])):
                s, z = step(load_s(s0, k), z0[k], load_i(i_t, k), load_p(p, k))
                store(s1, k, flush(s))
                z1[k] = z

    return compile_kernel(kernel, precision, disjoint=True)


@cache
def adjoint_stage(model_name: str, precision: str, own_spike: bool, above: bool, filtered: bool) -> Callable[..., None]:
    """Compile the kernel that takes learning signals of a population to its currents and parameters, backwards.

    Its arguments are

    current, states, outputs, p
        As `state_stage` left them.
    signal : (λ, batch·n)
        ∂L/∂z_t over all paths that the rule keeps, the own spike's apart.
    adjoint : (d+1, batch·n)
        On entry what later steps say of the last state and, in row d, of the last spike or of its filtered trace; on
        return the same of the state before the first step.
    by_current : as current
        Filled with B_tᵀ r_t, the derivative by the currents.
    down : as current
        Filled with what goes down forward connections: B_tᵀ C_t g_t, with `above` B_tᵀ r_t.
    by_param : (trainable, batch·n)
        The sums are added.
    leak : float
        κ of `filtered`.
    """
    step, d = adjoint_step(model_name, own_spike, above, filtered), get_model(model_name).d
    store_i = store_currents(get_model(model_name).currents)

    def kernel(current, states, outputs, p, signal, adjoint, by_current, down, by_param, leak):
        later = adjoint[d]
        for back in range(current.shape[0]):
            t = current.shape[0] - 1 - back
            i_t, s0, s1, z0, g_t = current[t], states[t], states[t + 1], outputs[t], signal[t]
            of_t, down_t = by_current[t], down[t]
            for k in range(np.uintp(g_t.shape[0])):
                of_current, of_step = step(k, g_t, adjoint, later, s0, s1, z0, i_t, p, by_param, leak)
                store_i(of_t, k, of_current)
                store_i(down_t, k, of_step)

    return compile_kernel(kernel, precision, disjoint=True)


@cache
def dense_delivery() -> Callable[..., None]:
    """Compile the kernel (sent (λ, batch·pre), rows (pre, n), current (λ, batch·n)): current += sent · rows."""

    def kernel(sent, rows, current):
        pre, n = np.uintp(rows.shape[0]), np.uintp(rows.shape[1])
        for t in range(sent.shape[0]):
            for b in range(np.uintp(sent.shape[1]) // pre):
                for j in range(pre):
                    z = sent[t, b * pre + j]
                    if z != 0.0:
                        for i in range(n):
                            current[t, b * n + i] += z * rows[j, i]

    return compile_kernel(kernel, disjoint=True)


@cache
def dense_feedback() -> Callable[..., None]:
    """Compile the kernel (signal (λ, batch·n), weights (n, pre), to (λ, batch·pre)): to += signal · weights."""

    def kernel(signal, weights, to):
        n, pre = np.uintp(weights.shape[0]), np.uintp(weights.shape[1])
        for t in range(signal.shape[0]):
            for b in range(np.uintp(signal.shape[1]) // n):
                add_product(to[t], b * pre, signal[t], b * n, weights)

    return compile_kernel(kernel, disjoint=True)


@cache
def dense_gradient() -> Callable[..., None]:
    """Compile the kernel (sent (λ, batch·pre), signal (λ, batch·n), to (batch, pre, n)).

    It adds Σ_t sent_tb ⊗ signal_tb to to_b.
    """

    def kernel(sent, signal, to):
        pre, n = np.uintp(to.shape[1]), np.uintp(to.shape[2])
        for t in range(sent.shape[0]):
            for b in range(np.uintp(to.shape[0])):
                for j in range(pre):
                    z = sent[t, b * pre + j]
                    if z != 0.0:
                        for i in range(n):
                            to[b, j, i] += z * signal[t, b * n + i]

    return compile_kernel(kernel, disjoint=True)


@cache
def sparse_delivery() -> Callable[..., None]:
    """Compile the kernel (sent, starts (pre+1,), post, weight, current, n): weights by sender, else as dense."""

    def kernel(sent, starts, post, weight, current, neurons):
        pre, n = np.uintp(starts.shape[0] - 1), np.uintp(neurons)
        for t in range(sent.shape[0]):
            for b in range(np.uintp(sent.shape[1]) // pre):
                for j in range(pre):
                    z = sent[t, b * pre + j]
                    if z != 0.0:
                        for k in range(starts[j], starts[j + 1]):
                            current[t, b * n + np.uintp(post[k])] += z * weight[k]

    return compile_kernel(kernel, disjoint=True)


@cache
def sparse_feedback() -> Callable[..., None]:
    """Compile the kernel (signal (λ, batch·n), starts, post, weight, to (λ, batch·pre), n), weights by sender."""

    def kernel(signal, starts, post, weight, to, neurons):
        pre, n = np.uintp(starts.shape[0] - 1), np.uintp(neurons)
        for t in range(signal.shape[0]):
            for b in range(np.uintp(signal.shape[1]) // n):
                for j in range(pre):
                    total = to[t, b * pre + j]
                    for k in range(starts[j], starts[j + 1]):
                        total += signal[t, b * n + np.uintp(post[k])] * weight[k]
                    to[t, b * pre + j] = total

    return compile_kernel(kernel, disjoint=True)


@cache
def sparse_gradient() -> Callable[..., None]:
    """Compile the kernel (sent, signal, starts, post, to (batch, stored), n): one sum a stored weight and sample."""

    def kernel(sent, signal, starts, post, to, neurons):
        pre, n = np.uintp(starts.shape[0] - 1), np.uintp(neurons)
        for t in range(sent.shape[0]):
            for b in range(np.uintp(to.shape[0])):
                for j in range(pre):
                    z = sent[t, b * pre + j]
                    if z != 0.0:
                        for k in range(starts[j], starts[j + 1]):
                            to[b, k] += z * signal[t, b * n + np.uintp(post[k])]

    return compile_kernel(kernel, disjoint=True)
