"""Compiled loops of `float_device`: one layer, one step, in float64."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.surrogates import SURROGATES
from hypr_neuro.numbers.unrolled import LOAD, PICK, STORE
from hypr_neuro.numbers.unrolling import unrolled
from hypr_neuro.sim.learning import eligibility
from hypr_neuro.sim.learning.kernels import no_psi_index


@cache
def step_kernel(model_name: str) -> Callable[..., None]:
    """Compile the kernel (state (d, n), output (n,), current (currents, n), p, after (d, n), out (n,)) of one step.

    `p` is (parameters and coefficients, n); `after` and `out` are filled.
    """
    model = get_model(model_name)
    step, pick = model.float_step, PICK[model.currents]
    load_s, load_p, store = LOAD[model.d], LOAD[model.float_count], STORE[model.d]

    def kernel(
        state: Any,
        output: Any,
        current: Any,
        p: Any,
        after: Any,
        out: Any,
    ) -> None:
        for i in range(np.uintp(output.shape[0])):
            s, z = step(load_s(state, i), output[i], pick(current, i), load_p(p, i))
            store(after, i, s)
            out[i] = z

    return compile_kernel(kernel)


@jitable
def only_row(B: Any, input_current: Any) -> Any:
    """Return B of a model with one input current."""
    return B


@jitable
def row_by_current(B: Any, input_current: Any) -> Any:
    """Return the row of B of one of several input currents."""
    return B[input_current]


@cache
def eligibility_kernel(model_name: str) -> Callable[..., None]:
    """Compile the kernel that moves the eligibilities of a layer by one step.

        ε ← A ε + B pre,    e = C ε_t + C' ε_{t-1}         for each synapse
        η ← A η + P,        e^p = C η_t + C' η_{t-1} + E   for each trainable parameter
        gain = B·C                                         for each input current, whose B the synapses on it have

    With m = 0 or no parameters nothing is computed for them. Its arguments are

    before, after : (d, n)
        States.
    output : (n,)
        Outputs of the step before.
    p, p_step
        Parameters and coefficients, and those that the step was taken with, see `float_device`.
    pre : (1, m) or (n, m)
        Presynaptic values, the same for all neurons or those of each.
    synapse, parameter : (n, d, m), (n, d, trainable)
        Eligibilities, updated.
    current : (currents, n)
        Input currents.
    current_of : (m,)
        Input current of each synapse.
    e, e_parameter, gain : (n, m), (n, trainable), (currents, n)
        Filled.
    """
    model = get_model(model_name)
    d, m, jacobian, pick = model.d, len(model.trainable), model.float_jacobian, PICK[model.currents]
    row_of = only_row if model.currents == 1 else row_by_current
    advance, driven, dot = (
        unrolled(f, d) for f in (eligibility.float_eligibility_step, eligibility.drive_of_synapse, eligibility.dot)
    )
    # a readout has no ψ, and its Jacobian takes no notice of one
    psi_of, psi_arg = SURROGATES[model.surrogate or "slayer"], model.float_psi_arg or no_psi_index
    load_s, load_p, store = LOAD[d], LOAD[model.float_count], STORE[d]

    def kernel(
        before: Any,
        after: Any,
        output: Any,
        current: Any,
        p: Any,
        p_step: Any,
        pre: Any,
        current_of: Any,
        synapse: Any,
        parameter: Any,
        e: Any,
        e_parameter: Any,
        gain: Any,
    ) -> None:
        fan_in, parameters = e.shape[1], e_parameter.shape[1]
        stride = np.uintp(1) if pre.shape[0] > 1 else np.uintp(0)
        for i in range(np.uintp(output.shape[0])):
            s0, s1 = load_s(before, i), load_s(after, i)
            psi = psi_of(psi_arg(s0, s1, load_p(p, i)))
            A, B, C, Cp, P, E = jacobian(s0, s1, output[i], pick(current, i), load_p(p_step, i), psi)
            for q in range(gain.shape[0]):
                gain[q, i] = dot(row_of(B, q), C)
            row = pre[i * stride]
            for k in range(fan_in):
                new, e[i, k] = advance(load_s(synapse[i], k), A, C, Cp, driven(row_of(B, current_of[k]), row[k]), 0.0)
                store(synapse[i], k, new)
            if parameters:
                for q in range(m):
                    new, e_parameter[i, q] = advance(load_s(parameter[i], q), A, C, Cp, P[q], E[q])
                    store(parameter[i], q, new)

    return compile_kernel(kernel)
