"""Compiled loops of float training: S-stage and P-stage of one layer.

Arrays are time-major; batch and neurons share one contiguous axis, entry b·n + i for sample b and neuron i, so that
the compiler can vectorise over it. A call handles the samples b0 ≤ b < b1, which lets threads share a batch; results
do not depend on how it is shared. Step functions come in through closures (`jit.py`). Indices are unsigned: numba
tests signed ones for being negative, and that test keeps the loops from being vectorised.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from hypr_neuro.jit import compile_kernel, jitable
from hypr_neuro.neurons import get_model
from hypr_neuro.surrogates import SURROGATES
from hypr_neuro.tuples import ADD, DOT, LOAD_REAL, MAD, MATT, ROWS, STORE

TINY = 1e-30
"""Smaller states count as 0: silent neurons would decay into denormal floats, which are slow."""


@jitable
def _unit(x: Any) -> Any:
    return x


@jitable
def _no_psi_arg(s_prev: Any, s: Any, p: Any) -> float:
    return 0.0


@jitable
def flush(rows: Any, start: int, stop: int, d: int) -> None:
    """Set entries below TINY to zero."""
    for j in range(d):
        row = rows[j]
        for k in range(start, stop):
            row[k] = 0.0 if abs(row[k]) < TINY else row[k]


@lru_cache(maxsize=None)
def s_stage(model_name: str) -> Callable[..., None]:
    """Kernel (current, recurrent_t, states, outputs, p, n, b0, b1): run one layer over the steps of a chunk.

    current : (λ, batch·n) input currents; the recurrent part is added here
    recurrent_t : (n, n) recurrent weights, transposed (row = sending neuron), or (0, 0)
    states : (λ+1, d, batch·n); row 0 is the state before the chunk, the others are filled
    outputs : (λ+1, batch·n) likewise
    p : (parameters, n)
    """
    model = get_model(model_name)
    step, d = model.float_step, model.d
    load_s, load_p, store = LOAD_REAL[d], LOAD_REAL[len(model.params)], STORE[d]

    def kernel(current, recurrent_t, states, outputs, p, neurons, first, stop):
        n, b0, b1 = np.uintp(neurons), np.uintp(first), np.uintp(stop)
        recurrent = recurrent_t.shape[0] > 0
        for t in range(current.shape[0]):
            i_t, s0, s1, z0, z1 = current[t], states[t], states[t + 1], outputs[t], outputs[t + 1]
            for b in range(b0, b1):
                base = b * n
                if recurrent:
                    for j in range(n):
                        z = z0[base + j]
                        if z != 0.0:
                            row = recurrent_t[j]
                            for i in range(n):
                                i_t[base + i] += z * row[i]
                for i in range(n):
                    k = base + i
                    s, z = step(load_s(s0, k), float(z0[k]), (float(i_t[k]),), load_p(p, i))
                    store(s1, k, s)
                    z1[k] = z
                flush(s1, base, base + n, d)

    return compile_kernel(kernel)


@lru_cache(maxsize=None)
def p_stage(model_name: str) -> Callable[..., None]:
    """Kernel that turns learning signals into the factors of the gradient, backwards over a chunk.

    r_t = A_{t+1}ᵀ r_{t+1} + C_tᵀ g_t + C'_{t+1}ᵀ g_{t+1}; weights get Σ_t (B_tᵀ r_t) ⊗ pre_t, parameters
    Σ_t P_t r_t + E_t g_t.

    current, states, outputs : as the S-stage left them
    signal : (λ, batch·n) g_t = ∂L_t/∂z_t
    adjoint : (d, batch·n), zero on entry; on return what reaches the state before the chunk
    d_current : (λ, batch·n), filled with B_tᵀ r_t
    d_now : (λ, batch·n), filled with B_tᵀ C_t g_t, the part that goes down to the layer below in the same step
    d_params : (trainable, batch·n), the parameters' sums are added
    """
    model = get_model(model_name)
    psi_of = SURROGATES[model.surrogate] if model.surrogate else _unit
    psi_arg = model.float_psi_arg or _no_psi_arg
    jacobian, d, m = model.float_jacobian, model.d, len(model.trainable)
    load_s, load_p, store, add = LOAD_REAL[d], LOAD_REAL[len(model.params)], STORE[d], ADD[m]
    dot, mad, matt, rows = DOT[d], MAD[d], MATT[d], ROWS[m, d]

    def kernel(current, states, outputs, p, signal, adjoint, d_current, d_now, d_params, neurons, first, stop):
        n, b0, b1 = np.uintp(neurons), np.uintp(first), np.uintp(stop)
        for back in range(current.shape[0]):
            t = current.shape[0] - 1 - back
            i_t, s0, s1, z0 = current[t], states[t], states[t + 1], outputs[t]
            g_t, out, now = signal[t], d_current[t], d_now[t]
            for b in range(b0, b1):
                base = b * n
                for i in range(n):
                    k = base + i
                    par, sp, s = load_p(p, i), load_s(s0, k), load_s(s1, k)
                    psi = psi_of(psi_arg(sp, s, par))
                    A, B, C, Cp, P, E = jacobian(sp, s, float(z0[k]), (float(i_t[k]),), par, psi)
                    g = float(g_t[k])
                    r = mad(load_s(adjoint, k), C, g)
                    out[k] = dot(B, r)
                    now[k] = dot(B, C) * g
                    add(d_params, k, rows(P, r, E, g))
                    store(adjoint, k, mad(matt(A, r), Cp, g))
                flush(adjoint, base, base + n, d)

    return compile_kernel(kernel)
