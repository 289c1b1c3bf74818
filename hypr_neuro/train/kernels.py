"""Compiled loop of float training: the P-stage of one layer. Array layout and indices as in `forward.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.forward import flush
from hypr_neuro.jit import compile_kernel, jitable
from hypr_neuro.neurons import get_model
from hypr_neuro.surrogates import SURROGATES
from hypr_neuro.tuples import ADD, DOT, LOAD_REAL, MAD, MATT, ROWS, STORE


@jitable
def _unit(x: Any) -> Any:
    return x


@jitable
def _no_psi_arg(s_prev: Any, s: Any, p: Any) -> float:
    return 0.0


@cache
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
