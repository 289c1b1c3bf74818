"""Kernels of a layer that runs forward in time, the S-stage, and of the events that travel between layers.

Step functions come in through closures (`jit.py`). Indices are unsigned: numba tests signed ones for being negative,
and that test keeps the loops from being vectorised.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.unrolled import FLUSH, LOAD, STORE


@jitable
def list_events(values: Any, first: Any, n: Any, index: Any) -> Any:
    """Fill `index` with the j < n where values[first + j] is not 0; return how many.

    No branch: spikes are rare and unpredictable, and each wrong guess of the processor costs more than a whole row of
    weights.
    """
    count = np.uintp(0)
    for j in range(n):
        index[count] = j
        count += np.uintp(values[first + j] != 0.0)
    return count


@jitable
def add_events(to: Any, base: Any, values: Any, first: Any, rows: Any, n: Any, index: Any, count: Any) -> None:
    """Add to[base:base+n] += Σ_j values[first + j] · rows[j] over the `count` listed j, four rows at a time."""
    fours = count // np.uintp(4) * np.uintp(4)
    for e in range(np.uintp(0), fours, np.uintp(4)):
        j0, j1, j2, j3 = np.uintp(index[e]), np.uintp(index[e + 1]), np.uintp(index[e + 2]), np.uintp(index[e + 3])
        z0, z1, z2, z3 = values[first + j0], values[first + j1], values[first + j2], values[first + j3]
        r0, r1, r2, r3 = rows[j0], rows[j1], rows[j2], rows[j3]
        for i in range(n):
            to[base + i] += (z0 * r0[i] + z1 * r1[i]) + (z2 * r2[i] + z3 * r3[i])
    for e in range(fours, count):
        j = np.uintp(index[e])
        z, row = values[first + j], rows[j]
        for i in range(n):
            to[base + i] += z * row[i]


@cache
def events_kernel() -> Callable[..., None]:
    """Compile the kernel (values (λ, batch·n), n, index, count) that lists the events of each step."""

    def kernel(values, neurons, index, count):
        n = np.uintp(neurons)
        for t in range(values.shape[0]):
            for b in range(np.uintp(count.shape[1])):
                count[t, b] = list_events(values[t], b * n, n, index[t, b])

    return compile_kernel(kernel, disjoint=True)


@cache
def s_stage(model_name: str, precision: str, noisy: bool = False) -> Callable[..., None]:
    """Compile the kernel of one layer over a chunk of steps.

    Its arguments are

    below : (λ, batch·inputs)
        With its events.
    weight_t : (inputs, n)
        Rows are sending neurons.
    recurrent_t : (n, n), or (0, n)
        Likewise.
    bias : (n,)
        On the current.
    current : (λ, batch·n)
        Filled with the input currents; if `noisy`, they are added to what it holds.
    states : (λ+1, d, batch·n)
        Row 0 is the state before the chunk, the others are filled.
    outputs, index, count : (λ+1, batch·n), (λ+1, batch, n+1), (λ+1, batch)
        Likewise, outputs and their events.
    p : (parameters and coefficients, batch·n)
        Of the neurons.
    """
    model = get_model(model_name)
    step, d, spikes = model.float_step, model.d, not model.readout
    load_s, load_p, store, flush = LOAD[d], LOAD[model.float_count], STORE[d], FLUSH[d]

    def kernel(
        below, below_index, below_count, weight_t, recurrent_t, bias, current, states, outputs, index, count, p, neurons
    ):
        n = np.uintp(neurons)
        inputs, size = np.uintp(weight_t.shape[0]), np.uintp(current.shape[1])
        batch, recurrent = size // n, recurrent_t.shape[0] > 0
        for t in range(current.shape[0]):
            x_t, i_t, s0, s1, z0, z1 = below[t], current[t], states[t], states[t + 1], outputs[t], outputs[t + 1]
            for b in range(batch):
                base = b * n
                for i in range(n):
                    i_t[base + i] = i_t[base + i] + bias[i] if noisy else bias[i]
                add_events(i_t, base, x_t, b * inputs, weight_t, n, below_index[t, b], np.uintp(below_count[t, b]))
                if recurrent:
                    add_events(i_t, base, z0, base, recurrent_t, n, index[t, b], np.uintp(count[t, b]))
            for k in range(size):
                s, z = step(load_s(s0, k), z0[k], (i_t[k],), load_p(p, k))
                store(s1, k, flush(s))
                z1[k] = z
            if spikes:
                for b in range(batch):
                    count[t + 1, b] = list_events(z1, b * n, n, index[t + 1, b])

    return compile_kernel(kernel, precision, disjoint=True)
