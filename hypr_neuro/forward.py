"""The float network forward in time: S-stage kernel and layer state.

Arrays are time-major; batch and neurons share one contiguous axis, entry b·n + i for sample b and neuron i, so that
the compiler can vectorise over it. A kernel call handles the samples b0 ≤ b < b1, which lets threads share a batch;
results do not depend on how it is shared. Step functions come in through closures (`jit.py`). Indices are unsigned:
numba tests signed ones for being negative, and that test keeps the loops from being vectorised.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from os import cpu_count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.errors import InputError
from hypr_neuro.jit import compile_kernel, jitable
from hypr_neuro.network import Layer, Network
from hypr_neuro.neurons import get_model
from hypr_neuro.tuples import LOAD_REAL, STORE

Array = NDArray[Any]
FloatType = type[np.floating[Any]]
TINY = 1e-30
"""Smaller states count as 0: silent neurons would decay into denormal floats, which are slow."""


@jitable
def flush(rows: Any, start: int, stop: int, d: int) -> None:
    """Set entries below TINY to zero."""
    for j in range(d):
        row = rows[j]
        for k in range(start, stop):
            row[k] = 0.0 if abs(row[k]) < TINY else row[k]


@cache
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


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cpu_count() or 1)


def over_batch(batch: int, call: Callable[[int, int], object]) -> None:
    """call(b0, b1) on slices of the batch, in threads; samples do not interact, so the split changes no result."""
    workers = min(cpu_count() or 1, batch)
    edges = [batch * i // workers for i in range(workers + 1)]
    if workers == 1:
        call(0, batch)
        return
    for future in [_pool().submit(call, a, b) for a, b in itertools.pairwise(edges)]:
        future.result()


def chunks(steps: int, chunk: int | None) -> Iterator[slice]:
    """Consecutive slices of `chunk` steps (None: all at once)."""
    size = steps if chunk is None else chunk
    if size < 1:
        raise InputError(f"chunk = {chunk}, rule: at least 1 step, or None for the whole sequence")
    for start in range(0, steps, size):
        yield slice(start, min(start + size, steps))


class LayerForward:
    """One layer running forward for a batch, in one float type; the state is carried from call to call.

    state : (d, batch·n). output : (batch·n)
    """

    def __init__(self, layer: Layer, batch: int, dtype: FloatType) -> None:
        self.layer, self.batch, self.dtype = layer, batch, dtype
        self.n, self.d = layer.size, layer.model.d
        self.params = layer.param_matrix().astype(dtype)
        self.weight_t = np.ascontiguousarray(layer.weight.T.astype(dtype))
        recurrent = layer.recurrent.T if layer.recurrent is not None else np.zeros((0, 0))
        self.recurrent_t = np.ascontiguousarray(recurrent.astype(dtype))
        self.state = np.zeros((self.d, batch * self.n), dtype)
        self.output = np.zeros(batch * self.n, dtype)

    def forward(self, below: Array) -> Array:
        """S-stage over one sub-sequence: (λ, batch, inputs) to (λ, batch, n).

        Keeps `current` (λ, batch·n), `states` (λ+1, d, batch·n) and `outputs` (λ+1, batch·n) of the sub-sequence.
        """
        steps = below.shape[0]
        self.below = below
        current = below.reshape(steps * self.batch, -1) @ self.weight_t
        if self.layer.bias is not None:
            current += self.layer.bias.astype(self.dtype)
        self.current = current.reshape(steps, -1)
        self.states = np.empty((steps + 1, *self.state.shape), self.dtype)
        self.outputs = np.empty((steps + 1, self.output.size), self.dtype)
        self.states[0], self.outputs[0] = self.state, self.output
        kernel = s_stage(self.layer.model.name)
        args = (self.current, self.recurrent_t, self.states, self.outputs, self.params, self.n)
        over_batch(self.batch, lambda b0, b1: kernel(*args, b0, b1))
        self.state, self.output = self.states[-1].copy(), self.outputs[-1].copy()
        return self.outputs[1:].reshape(steps, self.batch, self.n)


def readout(
    net: Network,
    x: Array,
    *,
    chunk: int = 256,
    dtype: FloatType = np.float32,
    visit: Callable[[int, Sequence[LayerForward]], None] | None = None,
) -> Array:
    """Run the network: x (sample, T, channel) to readout (sample, T, outputs); memory for `chunk` steps at a time.

    visit(start, layers) is called after each sub-sequence, with its first step and the layers' runs.
    """
    data = np.asarray(x)
    if data.ndim != 3 or data.shape[2] != net.inputs:
        raise InputError(f"x of shape {data.shape}, rule: (sample, T, {net.inputs}) for this network")
    layers = [LayerForward(layer, data.shape[0], dtype) for layer in net.layers]
    out = np.empty((data.shape[0], data.shape[1], net.outputs), dtype)
    for part in chunks(data.shape[1], chunk):
        values = np.ascontiguousarray(data[:, part].transpose(1, 0, 2), dtype=dtype)
        for layer in layers:
            values = layer.forward(values)
        out[:, part] = values.transpose(1, 0, 2)
        if visit is not None:
            visit(part.start, layers)
    return out
