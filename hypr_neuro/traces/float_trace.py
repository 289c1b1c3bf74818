"""The float network, recorded like the integer one, so that the two can be set beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import FloatType
from hypr_neuro.run.recorded import checked_input
from hypr_neuro.run.run_float import run_float
from hypr_neuro.traces.trace import Trace, float_origin


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
        What to keep of every step, see `run_float`.
    samples
        Number of each sample in its data.
    dtype
        Of a chain of layers, float32 as in training or float64; any other network runs in float64.
    on_block
        Called with (samples finished, samples in all).

    Raises
    ------
    InputError
        For a wrong shape, values that are not finite or an unknown name.
    """
    run = run_float(net, x, record, on_block, dtype=dtype)
    data = checked_input(net, x)
    totals = {name: int(counts.sum()) for name, counts in run.counts.items()}
    steps = data.shape[0] * data.shape[1]
    rates = {p.name: int(run.fired[p.name].sum()) / (steps * p.size) for p in net.populations if not p.model.readout}
    operations = sum(
        _operations(c, np.count_nonzero(data, axis=(0, 1))) if c.source == INPUT else totals[c.source] * _fan_out(c)
        for c in net.connections
    )
    numbers = None if samples is None else tuple(int(i) for i in samples)
    origin = float_origin(net, samples=numbers)
    return Trace(run.readout, run.spikes, run.states, {}, rates, round(operations), origin)


def _operations(c: FloatSynapses, sent: Array) -> float:
    """Count the weights read for what each sender sent."""
    weights: Any = c.weights
    if c.dense:
        return float(sent.sum() * weights.shape[0])
    if isinstance(weights, Convolution):
        return float(weights.fan_out @ sent)
    return float(np.bincount(weights.indices, minlength=weights.shape[1]) @ sent)


def _fan_out(c: FloatSynapses) -> float:
    """Return the synapses of a sender, on average."""
    weights: Any = c.weights
    return float(weights.shape[0] if c.dense else weights.nnz / weights.shape[1])
