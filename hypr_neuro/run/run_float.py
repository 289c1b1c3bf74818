"""A float network forward in time, recorded: chains of layers in their own engine, all others step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import precision
from hypr_neuro.run.forward import FloatType, LayerForward, block_size, over_blocks, readout
from hypr_neuro.run.graph_forward import run_graph
from hypr_neuro.run.recorded import CURRENT, SPIKES, FloatRun, checked_input, reserved

CHUNK = 256
OnBlock = Callable[[int, int], None]


def run_float(
    net: Network,
    x: Array,
    record: Sequence[str] = (SPIKES,),
    on_block: OnBlock | None = None,
    *,
    dtype: FloatType = np.float64,
) -> FloatRun:
    """Run x (sample, T, channel) through a float network, each sample from zero states.

    Parameters
    ----------
    net
        What runs.
    x
        Samples, channels in a row or in the network's input shape.
    record
        What to record of every step, nothing else grows with T: "spikes", names of states ("u", "v", …) or "current"
        ("current0", "current1" of a model with two) of each population that has it, or "population/name" of one.
    on_block
        Called with (samples finished, samples in all).
    dtype
        Of a chain of layers, float64 or float32 as in training; any other network runs in float64.

    Raises
    ------
    InputError
        For a wrong shape, values that are not finite or an unknown name.
    """
    require("net", net, Network)
    dtype = precision(dtype)
    return _run_chain(net, x, record, on_block, dtype) if net.is_chain else run_graph(net, x, record, on_block)


def _run_chain(net: Network, x: Array, record: Sequence[str], on_block: OnBlock | None, dtype: FloatType) -> FloatRun:
    data = checked_input(net, x)
    recorded = reserved(net, record, data.shape[0], data.shape[1], dtype)

    def run(first: int, stop: int) -> int:
        def visit(start: int, layers: Sequence[LayerForward]) -> None:
            _take(net, recorded, slice(first, stop), start, layers)

        recorded.readout[first:stop] = readout(net, data[first:stop], chunk=CHUNK, dtype=dtype, visit=visit)
        return stop

    size = block_size(net, len(data), min(CHUNK, data.shape[1]), dtype)
    for finished in over_blocks(len(data), size, run):
        if on_block is not None:
            on_block(finished, len(data))
    return recorded


def _take(net: Network, recorded: FloatRun, samples: slice, start: int, layers: Sequence[LayerForward]) -> None:
    """Record these samples of the steps from `start` on."""
    for population, layer in zip(net.populations, layers, strict=True):
        name, steps = population.name, layer.outputs.shape[0] - 1
        place, shape = (slice(start, start + steps), samples), (steps, samples.stop - samples.start, layer.n)
        outputs = layer.outputs[1:].reshape(shape)
        recorded.count(population, samples, outputs, (0, 2))
        if name in recorded.spikes:
            recorded.spikes[name][place] = outputs
        for quantity, array in recorded.states.get(name, {}).items():
            j = layer.layer.model.state_names.index(quantity) if quantity != CURRENT else 0
            array[place] = (layer.current if quantity == CURRENT else layer.states[1:, j]).reshape(shape)
