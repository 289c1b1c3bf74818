"""Compiled loop of one layer in integers: synapses and neurons over a block of steps.

Batch and neurons share one axis, entry b·n + i; a call handles the samples b0 ≤ b < b1, so that threads share a
batch and results do not depend on how. States are int32, products and sums int64. Indices are unsigned because
numba tests signed ones for being negative, which stops the vectoriser.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.fixed_point import shift
from hypr_neuro.jit import compile_kernel, jitable
from hypr_neuro.neurons import get_model
from hypr_neuro.tuples import HEAD, LOAD, STORE


@jitable
def accumulate(sums: Any, spikes: Any, base: Any, count: Any, weights_t: Any, n: Any) -> None:
    """sums[i] = Σ_j weights_t[j, i] · spikes[base + j]; silent inputs cost one test."""
    for i in range(n):
        sums[i] = 0
    for j in range(count):
        z = spikes[base + j]
        if z != 0:
            row = weights_t[j]
            for i in range(n):
                sums[i] += z * row[i]


@jitable
def count_events(counts: Any, happened: Any, bits: Any) -> None:
    """counts[bit] += the neurons whose mask has that bit."""
    for bit in range(bits):
        for i in range(happened.shape[0]):
            counts[bit] += (happened[i] >> bit) & 1


@jitable
def copy_row(target: Any, at: Any, source: Any, start: Any, n: Any) -> None:
    """target[at : at + n] = source[start : start + n]."""
    for i in range(n):
        target[at + i] = source[start + i]


@cache
def layer_kernel(model_name: str) -> Callable[..., None]:
    """Kernel that runs one layer of this model.

    below : (steps, batch·inputs) what arrives from the layer below in each step
    input_t : (inputs, n) mantissas, transposed. bias_line : (n,) mantissas of the always-on line, zeros if none
    bias_on : (steps,) 1 where the always-on line has arrived
    recurrent_t : (n, n) transposed, or (0, 0)
    exponents : (2,) of input and recurrent
    state : (d, batch·n), output : (batch·n), both updated in place
    outputs : (steps, batch·n) filled. states, currents : (steps, d, batch·n), (steps, batch·n), filled if not empty
    events : (batch, bits) counts, added to
    """
    model = get_model(model_name)
    step, d, bits = model.fixed_step, model.d, len(model.events)
    load_s, store = LOAD[d], STORE[d]
    load_p, head = LOAD[len(model.fixed_per_neuron)], HEAD[len(model.fixed_constants)]

    def kernel(below, input_t, bias_line, bias_on, recurrent_t, exponents, state, output, per_neuron, constants,
               outputs, states, currents, events, neurons, first, stop):  # fmt: skip
        n, b0, b1 = np.uintp(neurons), np.uintp(first), np.uintp(stop)
        inputs, recurrent = np.uintp(input_t.shape[0]), np.uintp(recurrent_t.shape[0])
        sums, fed_back = np.zeros(n, np.int64), np.zeros(n, np.int64)
        current, happened = np.zeros(n, np.int64), np.zeros(n, np.int64)
        shared = head(constants)
        e_in, e_rec = exponents[0], exponents[1]
        for t in range(below.shape[0]):
            arriving, on = below[t], bias_on[t]
            for b in range(b0, b1):
                base = b * n
                accumulate(sums, arriving, b * inputs, inputs, input_t, n)
                if recurrent > 0:
                    accumulate(fed_back, output, base, recurrent, recurrent_t, n)
                seen = 0
                for i in range(n):
                    current[i] = shift(sums[i] + on * bias_line[i], e_in) + shift(fed_back[i], e_rec)
                for i in range(n):
                    k = base + i
                    s, z, event = step(load_s(state, k), output[k], (current[i],), load_p(per_neuron, i) + shared)
                    store(state, k, s)
                    output[k] = z
                    happened[i] = event
                    seen |= event
                if seen != 0:
                    count_events(events[b], happened, bits)
                copy_row(outputs[t], base, output, base, n)
                if states.shape[0] > 0:
                    for j in range(d):
                        copy_row(states[t, j], base, state[j], base, n)
                if currents.shape[0] > 0:
                    copy_row(currents[t], base, current, np.uintp(0), n)

    return compile_kernel(kernel)
