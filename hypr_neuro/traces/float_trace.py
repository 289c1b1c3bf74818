"""The float network, recorded like the integer one, so that the two can be set beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Layer, Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import FloatType, LayerForward, block_size, check_input, over_blocks, readout
from hypr_neuro.traces.trace import CURRENT, SPIKES, Trace, float_origin

CHUNK = 256


def float_trace(
    net: Network,
    x: Array,
    record: Sequence[str] = (),
    *,
    samples: Sequence[int] | None = None,
    dtype: FloatType = np.float32,
    on_block: Callable[[int, int], None] | None = None,
) -> Trace:
    """Run x (sample, T, channel) through the float network; states in real units, spikes int8, float time.

    Parameters
    ----------
    net
        What runs.
    x : (sample, T, channel)
        Its input.
    record
        What to keep of every step, nothing else grows with T: "spikes", names of states ("u", "v", …) or "current", of
        all layers that have it, or "layer/name" of one.
    samples
        Number of each sample in its data.
    dtype
        float32 as in training, or float64.
    on_block
        Called with (samples finished, samples in all).

    Raises
    ------
    InputError
        For a wrong shape or an unknown name.
    """
    require("net", net, Network)
    data = np.asarray(x)
    check_input(net, data)
    if 0 in data.shape:
        raise InputError(f"x of shape {data.shape}, rule: none of them 0")
    _check_names(net, record)
    recording = _Recording(net, data.shape[0], data.shape[1], record, dtype)
    out = np.empty((*data.shape[:2], net.outputs), dtype)

    def run(first: int, stop: int) -> tuple[int, Array]:
        counts = np.zeros(len(net.layers), np.int64)

        def visit(start: int, layers: Sequence[LayerForward]) -> None:
            recording.take(first, stop, start, layers, counts)

        out[first:stop] = readout(net, data[first:stop], chunk=CHUNK, dtype=dtype, visit=visit)
        return stop, counts

    totals = np.zeros(len(net.layers), np.int64)
    size = block_size(net, len(data), min(CHUNK, data.shape[1]), dtype)
    for finished, counts in over_blocks(len(data), size, run):
        totals += counts
        if on_block is not None:
            on_block(finished, len(data))
    numbers = None if samples is None else tuple(int(i) for i in samples)
    hidden = range(len(net.layers) - 1)
    rates = {net.name(i): float(totals[i] / (data.shape[0] * data.shape[1] * net.layers[i].size)) for i in hidden}
    spread = sum(int(totals[i]) * _fan_out(net, i) for i in hidden)
    operations = int(np.count_nonzero(data)) * net.layers[0].size + spread
    return Trace(out, recording.spikes, recording.states, {}, rates, operations, float_origin(net, samples=numbers))


def _recordable(layer: Layer) -> list[str]:
    return [*layer.model.state_names, CURRENT, *([] if layer.model.readout else [SPIKES])]


def _check_names(net: Network, record: Sequence[str]) -> None:
    known = {name for layer in net.layers for name in _recordable(layer)}
    exact = {f"{net.name(i)}/{name}" for i, layer in enumerate(net.layers) for name in _recordable(layer)}
    for name in record:
        if name not in known | exact:
            raise InputError(
                f"record: unknown '{name}', known: {', '.join(sorted(known))}, of one layer: {net.name(0)}/{min(known)}"
            )


def _fan_out(net: Network, i: int) -> int:
    """Return the number of neurons that a spike of hidden layer i reaches."""
    layer = net.layers[i]
    return net.layers[i + 1].size + (layer.size if layer.recurrent is not None else 0)


class _Recording:
    """The recorded arrays (T, sample, n), filled block by block."""

    def __init__(self, net: Network, samples: int, steps: int, record: Sequence[str], dtype: FloatType) -> None:
        self.net = net
        self.spikes: dict[str, Array] = {}
        self.states: dict[str, dict[str, Array]] = {}
        for i, layer in enumerate(net.layers):
            name, shape = net.name(i), (steps, samples, layer.size)
            for quantity in _recordable(layer):
                if quantity not in record and f"{name}/{quantity}" not in record:
                    continue
                if quantity == SPIKES:
                    self.spikes[name] = np.empty(shape, np.int8)
                else:
                    self.states.setdefault(name, {})[quantity] = np.empty(shape, dtype)

    def take(self, first: int, stop: int, start: int, layers: Sequence[LayerForward], counts: Array) -> None:
        """Record samples first..stop of the steps from `start` on; spikes are added to `counts`."""
        for i, layer in enumerate(layers):
            name, steps = self.net.name(i), layer.outputs.shape[0] - 1
            place, shape = np.s_[start : start + steps, first:stop], (steps, stop - first, layer.n)
            counts[i] += np.count_nonzero(layer.outputs[1:])
            if name in self.spikes:
                self.spikes[name][place] = layer.outputs[1:].reshape(shape)
            for quantity, array in self.states.get(name, {}).items():
                j = layer.layer.model.state_names.index(quantity) if quantity != CURRENT else 0
                source = layer.current if quantity == CURRENT else layer.states[1:, j]
                array[place] = source.reshape(shape)
