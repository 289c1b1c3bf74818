"""The float network forward in time: blocks of samples and layer state.

Arrays are time-major; batch and neurons share one contiguous axis, entry b·n + i for sample b and neuron i, so that
the compiler can vectorise over it. Samples do not interact: a batch is run in blocks of samples, on threads, and the
results do not depend on how it is split.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import whole
from hypr_neuro.numbers.threads import threads
from hypr_neuro.run.layer_kernels import events_kernel, s_stage

FloatType = type[Any]
Result = TypeVar("Result")
Events = tuple[Array, Array]
"""Which entries of each step are not 0: index (λ, batch, n+1), of which count (λ, batch) are valid."""
BLOCK_BYTES = 12_000_000
"""Working memory of a block of samples: larger ones fall out of the cache, smaller ones cost more calls."""
GRAPH_BLOCK = 16
"""Samples of a network that is no chain of layers which run together."""


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads())


# a forked child has none of its parent's threads
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def over_batch(batch: int, call: Callable[[int, int], object]) -> None:
    """Call call(b0, b1) on equal slices of the batch, one a core."""
    for _ in over_blocks(batch, max(1, -(-batch // threads())), call):
        pass


def over_blocks(samples: int, size: int, call: Callable[[int, int], Result]) -> Iterator[Result]:
    """Call call(b0, b1) for blocks of at most `size` samples, on threads; yield results in the order of the samples."""
    edges = [(b, min(b + size, samples)) for b in range(0, samples, size)]
    if len(edges) == 1 or threads() == 1:
        yield from (call(a, b) for a, b in edges)
        return
    waiting: deque[Future[Result]] = deque()
    ahead = 2 * threads()  # more would only keep their results in memory
    try:
        for a, b in edges:
            if len(waiting) == ahead:
                yield waiting.popleft().result()
            waiting.append(_pool().submit(call, a, b))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def block_size(net: Network, samples: int, steps: int, dtype: FloatType) -> int:
    """Return the samples of a block: working memory near BLOCK_BYTES, and a block for each core.

    A network that is no chain has the same number always, as its engine calls a kernel for each population.
    """
    if not net.is_chain:
        return GRAPH_BLOCK
    floats = sum((2 * layer.model.d + 6) * layer.size + layer.inputs for layer in net.layers) * steps
    fitting = BLOCK_BYTES // max(1, floats * np.dtype(dtype).itemsize)
    return max(1, min(int(fitting), -(-samples // threads())))


def chunks(steps: int, chunk: int | None) -> Iterator[slice]:
    """Yield consecutive slices of `chunk` steps (None: all at once)."""
    size = max(steps, 1) if chunk is None else whole("chunk", chunk, 1)
    for start in range(0, steps, size):
        yield slice(start, min(start + size, steps))


Workspace = list[dict[str, Array]]
"""Named buffers of each layer, for a block of samples."""
_idle: dict[Any, list[Workspace]] = {}
KINDS_KEPT = 4
LARGEST_KEPT = 4 * BLOCK_BYTES


def take_workspace(layers: Sequence[LayerArrays], batch: int) -> tuple[Any, Workspace]:
    """Return buffers that an earlier block of the same kind has left, or new ones; give them back with their key.

    New memory costs as much as the arithmetic on it: the system hands it out page by page, filled with zeros.
    """
    key = (batch, *((a.layer.model.name, a.layer.size, a.layer.inputs, np.dtype(a.dtype).name) for a in layers))
    idle = _idle.get(key)
    try:
        return key, idle.pop() if idle else [{} for _ in layers]
    except IndexError:  # another thread was first
        return key, [{} for _ in layers]


def drop_workspaces() -> None:
    """Let all idle buffers go."""
    _idle.clear()


def give_workspace(key: Any, workspace: Workspace) -> None:
    """Keep the buffers for a later block; of more than KINDS_KEPT kinds the oldest is let go, large ones at once."""
    if sum(a.nbytes for buffers in workspace for a in buffers.values()) > LARGEST_KEPT:
        return
    _idle.setdefault(key, []).append(workspace)
    for oldest in list(_idle)[:-KINDS_KEPT]:
        _idle.pop(oldest, None)


class LayerArrays:
    """A layer's numbers as kernels take them, in one float type: made once, read by every block.

    Attributes
    ----------
    params : (parameters and coefficients, n)
        Of the neurons.
    weight, weight_t : (n, inputs), (inputs, n)
        From below.
    recurrent, recurrent_t : (n, n), or (0, n)
        From the layer itself.
    bias : (n,)
        On the current.
    """

    def __init__(self, layer: Layer, dtype: FloatType) -> None:
        self.layer, self.dtype = layer, dtype
        self.params = layer.float_matrix().astype(dtype)
        self.weight = np.ascontiguousarray(layer.weight, dtype)
        self.weight_t = np.ascontiguousarray(layer.weight.T, dtype)
        recurrent = np.zeros((0, layer.size)) if layer.recurrent is None else layer.recurrent
        self.recurrent = np.ascontiguousarray(recurrent, dtype)
        self.recurrent_t = np.ascontiguousarray(recurrent.T if len(recurrent) else recurrent, dtype)
        self.bias = (np.zeros(layer.size) if layer.bias is None else layer.bias).astype(dtype)


class HasInputs(Protocol):
    """What takes an input."""

    @property
    def inputs(self) -> int:
        """Channels."""
        ...


class Noise(Protocol):
    """What fills (λ, batch·n) with the noise on a layer's currents, from step `time` on."""

    time: int

    def fill(self, out: Array) -> None:
        """Fill `out` with the next steps."""
        ...


class LayerForward:
    """One layer running forward for a block of samples; the state is carried from call to call.

    Attributes
    ----------
    state : (d, batch·n)
        After the last step.
    output : (batch·n,)
        Of the last step.
    noise
        On the currents, or None.
    drawn : (λ, batch·n)
        The last noise.
    """

    def __init__(
        self, arrays: LayerArrays, batch: int, buffers: dict[str, Array] | None = None, noise: Noise | None = None
    ) -> None:
        self.arrays, self.layer, self.batch, self.dtype = arrays, arrays.layer, batch, arrays.dtype
        self.n, self.d, dtype = self.layer.size, self.layer.model.d, self.dtype
        self.params, self.precision = np.tile(arrays.params, batch), np.dtype(dtype).name
        self.state = np.zeros((self.d, batch * self.n), dtype)
        self.output = np.zeros(batch * self.n, dtype)
        self._buffers: dict[str, Array] = {} if buffers is None else buffers
        self.noise = noise

    def take_over(self, arrays: LayerArrays) -> None:
        """Go on with other weights and parameters of the same layer."""
        self.arrays, self.params = arrays, np.tile(arrays.params, self.batch)

    def buffer(self, name: str, steps: int, *shape: int, dtype: type[Any] | None = None) -> Array:
        """Return an array (steps, *shape) that later calls use again: new memory costs more than its arithmetic."""
        reserved = self._buffers.get(name)
        if reserved is None or reserved.shape[0] < steps:
            reserved = self._buffers[name] = np.empty((steps, *shape), dtype or self.dtype)
        return reserved[:steps]

    def forward(self, below: Array, events: Events | None = None) -> Array:
        """Run the S-stage over one sub-sequence: (λ, batch, inputs) to (λ, batch, n), valid until the next call.

        `events` are those of `below`, where the layer below has them (`events` of that layer). Afterwards the layer
        holds `below`, `current` (λ, batch·n), `states` (λ+1, d, batch·n), `outputs` (λ+1, batch·n) and `events`;
        `previous_events` are those of the step before each.
        """
        steps, size = below.shape[0], self.output.size
        self.below = below.reshape(steps, -1)
        self.below_events = self._events_of(self.below) if events is None else events
        self.current = self.buffer("current", steps, size)
        if self.noise is not None:
            self.drawn = self.buffer("noise", steps, size)
            self.noise.fill(self.drawn)
            self.current[...] = self.drawn
        self.states = self.buffer("states", steps + 1, *self.state.shape)
        self.outputs = self.buffer("outputs", steps + 1, size)
        self.states[0], self.outputs[0] = self.state, self.output
        index = self.buffer("index", steps + 1, self.batch, self.n + 1, dtype=np.uint32)
        count = self.buffer("count", steps + 1, self.batch, dtype=np.uint32)
        events_kernel()(self.outputs[:1], self.n, index[:1], count[:1])
        name, precision = self.layer.model.name, self.precision
        kernel = s_stage(name, precision) if self.noise is None else s_stage(name, precision, True)
        kernel(
            self.below,
            *self.below_events,
            self.arrays.weight_t,
            self.arrays.recurrent_t,
            self.arrays.bias,
            self.current,
            self.states,
            self.outputs,
            index,
            count,
            self.params,
            self.n,
        )
        self.previous_events, self.events = (index[:-1], count[:-1]), (index[1:], count[1:])
        self.state, self.output = self.states[-1].copy(), self.outputs[-1].copy()
        return self.outputs[1:].reshape(steps, self.batch, self.n)

    def take(self, below: Array, events: Events | None, current: Array, states: Array, outputs: Array) -> Array:
        """Hold what ran elsewhere in these steps as if `forward` had run it; arrays as it leaves them."""
        steps = len(current)
        self.below = below.reshape(steps, -1)
        self.below_events = self._events_of(self.below) if events is None else events
        self.current, self.states, self.outputs = current, states, outputs
        index = self.buffer("index", steps + 1, self.batch, self.n + 1, dtype=np.uint32)
        count = self.buffer("count", steps + 1, self.batch, dtype=np.uint32)
        events_kernel()(outputs, self.n, index, count)
        self.previous_events, self.events = (index[:-1], count[:-1]), (index[1:], count[1:])
        return outputs[1:].reshape(steps, self.batch, self.n)

    def _events_of(self, below: Array) -> Events:
        steps, inputs = below.shape[0], self.layer.inputs
        index = self.buffer("below_index", steps, self.batch, inputs + 1, dtype=np.uint32)
        count = self.buffer("below_count", steps, self.batch, dtype=np.uint32)
        events_kernel()(below, inputs, index, count)
        return index, count


def run_forward(layers: Sequence[LayerForward], values: Array) -> Array:
    """Run one sub-sequence through all layers: (λ, batch, inputs) to the readout's (λ, batch, outputs)."""
    events = None
    for layer in layers:
        values = layer.forward(values, events)
        events = layer.events
    return values


class Rows:
    """Samples `index` of x (sample, T, channel), read only when a sub-sequence of them is asked for.

    x may be a memory map of a file larger than memory.
    """

    ndim = 3

    def __init__(self, x: Array, index: Array) -> None:
        self.x, self.index = x, index
        self.shape = (len(index), *x.shape[1:])

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: tuple[slice, slice]) -> Array:
        samples, steps = key
        return np.stack([self.x[i, steps] for i in self.index[samples]])


def time_major(x: Array, dtype: FloatType) -> Array:
    """Turn (sample, T, channel) of any number type into contiguous (T, sample, channel)."""
    return np.require(np.asarray(x).transpose(1, 0, 2), dtype, ["C", "W"])


def check_input(net: HasInputs, x: Array | Rows) -> None:
    """Raise InputError unless x is (sample, T, channels of the network)."""
    if x.ndim != 3 or x.shape[2] != net.inputs:
        raise InputError(f"x of shape {x.shape}, rule: (sample, T, {net.inputs}) for this network")
    if isinstance(x, np.ndarray) and x.dtype.kind not in "biuf":
        raise InputError(f"x of type {x.dtype}, rule: real numbers")


def readout(
    net: Network,
    x: Array | Rows,
    *,
    chunk: int = 256,
    dtype: FloatType = np.float32,
    visit: Callable[[int, Sequence[LayerForward]], None] | None = None,
) -> Array:
    """Run the network: x (sample, T, channel) to readout (sample, T, outputs); memory for `chunk` steps at a time.

    visit(start, layers) is called after each sub-sequence, with its first step and the layers' runs.
    """
    data = x if isinstance(x, (np.ndarray, Rows)) else np.asarray(x)
    check_input(net, data)
    out = np.empty((data.shape[0], data.shape[1], net.output_size), dtype)
    arrays = [LayerArrays(layer, dtype) for layer in net.layers]

    def run(first: int, stop: int) -> None:
        key, workspace = take_workspace(arrays, stop - first)
        layers = [LayerForward(a, stop - first, w) for a, w in zip(arrays, workspace, strict=True)]
        for part in chunks(data.shape[1], chunk):
            values = run_forward(layers, time_major(data[first:stop, part], dtype))
            out[first:stop, part] = values.transpose(1, 0, 2)
            if visit is not None:
                visit(part.start, layers)
        give_workspace(key, workspace)

    size = len(data) if visit else block_size(net, len(data), min(chunk, max(1, data.shape[1])), dtype)
    for _ in over_blocks(len(data), max(1, size), run):
        pass
    return out
