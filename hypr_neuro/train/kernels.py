"""Compiled loop of float training: the P-stage of one layer. Array layout and indices as in `forward.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.surrogates import SURROGATES
from hypr_neuro.numbers.unrolled import ADD, DOT, DOTS, FLUSH, LOAD, MAD, MATT, ROWS, STORE, TIMES


@jitable
def _unit(x: Any) -> Any:
    return x


@jitable
def _no_psi_arg(s_prev: Any, s: Any, p: Any) -> float:
    return 0.0


@jitable
def _no_spike_jacobian(s_prev: Any, s: Any, z_prev: Any, I: Any, p: Any, psi: Any) -> Any:
    return s


@jitable
def _load_one(a: Any, i: Any) -> Any:
    return (a[i],)


@jitable
def _store_one(a: Any, i: Any, value: Any) -> None:
    a[i] = value


@jitable
def _product(a: Any, g: Any) -> Any:
    return a * g


def load_currents(currents: int) -> Callable[..., Any]:
    """Return the tagged function (a, i) that loads a neuron's currents, a (batch·n,), or (currents, batch·n)."""
    return _load_one if currents == 1 else LOAD[currents]


def store_currents(currents: int) -> Callable[..., Any]:
    """Return the tagged function (a, i, value) that stores one number, of several currents a tuple."""
    return _store_one if currents == 1 else STORE[currents]


@jitable
def add_outer(to: Any, values: Any, first: Any, row: Any, base: Any, n: Any, index: Any, count: Any) -> None:
    """Add values[first + j] · row[base + i] to to[j, i] for the `count` listed j."""
    for e in range(np.uintp(count)):
        j = np.uintp(index[e])
        z, to_j = values[first + j], to[j]
        for i in range(n):
            to_j[i] += z * row[base + i]


@jitable
def add_product(to: Any, first: Any, row: Any, base: Any, matrix: Any) -> None:
    """Add Σ_i row[base + i] · matrix[i, j] to to[first + j], four rows at a time."""
    n, columns = np.uintp(matrix.shape[0]), np.uintp(matrix.shape[1])
    fours = n // np.uintp(4) * np.uintp(4)
    for i in range(np.uintp(0), fours, np.uintp(4)):
        v0, v1, v2, v3 = row[base + i], row[base + i + 1], row[base + i + 2], row[base + i + 3]
        m0, m1, m2, m3 = matrix[i], matrix[i + 1], matrix[i + 2], matrix[i + 3]
        for j in range(columns):
            to[first + j] += (v0 * m0[j] + v1 * m1[j]) + (v2 * m2[j] + v3 * m3[j])
    for i in range(fours, n):
        value, of_i = row[base + i], matrix[i]
        for j in range(columns):
            to[first + j] += value * of_i[j]


@cache
def adjoint_step(model_name: str, own_spike: bool, recurrent: bool, filtered: bool) -> Callable[..., Any]:
    """Make the tagged function of one neuron and one step back in time.

    r_t = A_{t+1}ᵀ r_{t+1} + C_tᵀ g_t + C'_{t+1}ᵀ g_{t+1}, g_t the learning signal and, by the paths kept, what later
    steps say of z_t (`own_spike`: D_{t+1} · r_{t+1}; `recurrent`: what `later` was given besides); with `filtered`
    g_t = signal_t + κ g_{t+1}, the transpose of the readout's leak (1 - κ is a factor of the signals).

    Its arguments are an entry k of the neurons; `signal` of the step; what `adjoint` (d+1, batch·n) and `later`, its
    last row, hold of the step after; states before and after, output before and current, as the S-stage left them; p,
    by_param (trainable, batch·n) and κ. It adds P_t r_t + E_t g_t to `by_param`, leaves A_tᵀ r_t + C'_tᵀ g_t in
    `adjoint` and what this step says of the spike before in `later`, and returns B_tᵀ r_t and what goes down: B_tᵀ C_t
    g_t, with `recurrent` B_tᵀ r_t; of a model with several currents a tuple each, and `current` is (currents, batch·n).
    """
    model = get_model(model_name)
    currents = model.currents
    load_i = load_currents(currents)
    project, times = (DOT[model.d], _product) if currents == 1 else (DOTS[currents, model.d], TIMES[currents])
    psi_of = SURROGATES[model.surrogate] if model.surrogate else _unit
    psi_arg = model.float_psi_arg or _no_psi_arg
    spike_jacobian = model.float_spike_jacobian or _no_spike_jacobian
    with_d = own_spike and model.float_spike_jacobian is not None
    through = with_d or recurrent
    jacobian, d, m = model.float_jacobian, model.d, len(model.trainable)
    load_s, load_p, store, flush = LOAD[d], LOAD[model.float_count], STORE[d], FLUSH[d]
    dot, mad, matt, add, by_rows = DOT[d], MAD[d], MATT[d], ADD[m], ROWS[m, d]

    @jitable
    def step(k, signal, adjoint, later, before, after, output, current, p, by_param, leak):
        sp, s, z, I, par = load_s(before, k), load_s(after, k), output[k], load_i(current, k), load_p(p, k)
        psi = psi_of(psi_arg(sp, s, par))
        A, B, C, C_prev, P, E = jacobian(sp, s, z, I, par, psi)
        g = signal[k]
        if filtered:
            g += later[k]
            later[k] = leak * g
        g_step = g
        if through:
            g += later[k]
        r = mad(load_s(adjoint, k), C, g)
        of_current = project(B, r)
        of_step = of_current if recurrent else times(project(B, C), g_step)
        add(by_param, k, by_rows(P, r, E, g))
        store(adjoint, k, flush(mad(matt(A, r), C_prev, g)))
        if with_d:
            later[k] = dot(spike_jacobian(sp, s, z, I, par, psi), r)
        elif through:
            later[k] = 0.0
        return of_current, of_step

    return step


@cache
def p_stage(model_name: str, precision: str, own_spike: bool, recurrent: bool, filtered: bool) -> Callable[..., None]:
    """Make the kernel that turns learning signals into gradients, backwards over a sub-sequence.

    Weights get Σ_t (B_tᵀ r_t) ⊗ pre_t, parameters Σ_t P_t r_t + E_t g_t, r and g as `adjoint_step` says; with
    `recurrent` later steps say of z_t also Vᵀ B_{t+1}ᵀ r_{t+1}.

    below (λ, batch·inputs), current, states, outputs : as the S-stage left them, with the events of below and outputs
    signal : (λ, batch·n) ∂L_t/∂z_t
    adjoint : (d+1, batch·n), on entry what later steps say of the last state and (row d) of the last spike or of its
        filtered trace; on return the same of the state before the chunk
    by_weight (batch, inputs, n), by_recurrent (batch, n or 0, n), by_bias (batch·n), by_param (trainable, batch·n) :
        the sums are added
    weight : (n, inputs), or (n, 0) where no signal goes below. below_signal : (λ, batch·inputs), to which the layer
        below's signal is added: Wᵀ B_tᵀ C_t g_t, with `recurrent` Wᵀ B_tᵀ r_t
    v : (n, n) recurrent weights, or (0, n). rows : (2, batch·n) scratch. leak : κ
    """
    step, d = adjoint_step(model_name, own_spike, recurrent, filtered), get_model(model_name).d

    def kernel(
        below,
        below_index,
        below_count,
        current,
        states,
        outputs,
        index,
        count,
        p,
        signal,
        adjoint,
        by_weight,
        by_recurrent,
        by_bias,
        by_param,
        weight,
        below_signal,
        v,
        rows,
        leak,
        neurons,
    ):
        n, size = np.uintp(neurons), np.uintp(current.shape[1])
        inputs, batch, has_recurrent = np.uintp(by_weight.shape[1]), size // n, by_recurrent.shape[1] > 0
        later, d_current, d_step = adjoint[d], rows[0], rows[1]
        for back in range(current.shape[0]):
            t = current.shape[0] - 1 - back
            x_t, i_t, s0, s1, z0, g_t = below[t], current[t], states[t], states[t + 1], outputs[t], signal[t]
            for k in range(size):
                d_current[k], d_step[k] = step(k, g_t, adjoint, later, s0, s1, z0, i_t, p, by_param, leak)
                by_bias[k] += d_current[k]
            for b in range(batch):
                base = b * n
                add_outer(by_weight[b], x_t, b * inputs, d_current, base, n, below_index[t, b], below_count[t, b])
                if has_recurrent:
                    add_outer(by_recurrent[b], z0, base, d_current, base, n, index[t, b], count[t, b])
                if weight.shape[1] > 0:
                    add_product(below_signal[t], b * inputs, d_step, base, weight)
                if recurrent and v.shape[0] > 0:
                    add_product(later, base, d_current, base, v)

    return compile_kernel(kernel, precision, disjoint=True)


@cache
def carried_sums(precision: str) -> Callable[..., None]:
    """Make the kernel that adds what carried eligibilities give: Σ_j adjoint[r, j] · ε_j to row r of the sums.

    adjoint : (rows, d+1, batch·n)
    by_weight, by_recurrent, by_bias, by_param : the sums of `p_stage`, with `rows` in front
    weight, recurrent, bias, param : ε, likewise with j in front
    """

    def kernel(adjoint, by_weight, by_recurrent, by_bias, by_param, weight, recurrent, bias, param):
        n, size = np.uintp(by_weight.shape[3]), np.uintp(by_bias.shape[1])
        inputs, sources = np.uintp(by_weight.shape[2]), np.uintp(by_recurrent.shape[2])
        for r in range(adjoint.shape[0]):
            for j in range(bias.shape[0]):
                phi = adjoint[r, j]
                for k in range(size):
                    by_bias[r, k] += phi[k] * bias[j, k]
                for m in range(param.shape[1]):
                    for k in range(size):
                        by_param[r, m, k] += phi[k] * param[j, m, k]
                for b in range(size // n):
                    for e in range(inputs):
                        for i in range(n):
                            by_weight[r, b, e, i] += phi[b * n + i] * weight[j, b, e, i]
                    for e in range(sources):
                        for i in range(n):
                            by_recurrent[r, b, e, i] += phi[b * n + i] * recurrent[j, b, e, i]

    return compile_kernel(kernel, precision, disjoint=True)


@cache
def current_stage() -> Callable[..., None]:
    """Make the kernel that turns signals ∂L/∂I_t into gradients: weights get Σ_t signal_t ⊗ pre_t, biases Σ_t signal_t.

    Arguments as in `p_stage`.
    """

    def kernel(
        below,
        below_index,
        below_count,
        outputs,
        index,
        count,
        signal,
        by_weight,
        by_recurrent,
        by_bias,
        neurons,
    ):
        n, size = np.uintp(neurons), np.uintp(signal.shape[1])
        inputs, batch, has_recurrent = np.uintp(by_weight.shape[1]), size // n, by_recurrent.shape[1] > 0
        for back in range(signal.shape[0]):
            t = signal.shape[0] - 1 - back
            for k in range(size):
                by_bias[k] += signal[t, k]
            for b in range(batch):
                base = b * n
                add_outer(by_weight[b], below[t], b * inputs, signal[t], base, n, below_index[t, b], below_count[t, b])
                if has_recurrent:
                    add_outer(by_recurrent[b], outputs[t], base, signal[t], base, n, index[t, b], count[t, b])

    return compile_kernel(kernel, disjoint=True)
