"""A float graph's run as a trace, so that `diff` sets it beside the integer one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hypr_neuro.graph.float_graph import FloatGraph
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.kinds import require
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.graph_forward import checked_input, run_graph
from hypr_neuro.traces.trace import Trace, graph_origin


def graph_trace(
    graph: FloatGraph,
    x: Array,
    record: Sequence[str] = (),
    *,
    samples: Sequence[int] | None = None,
    on_block: Callable[[int, int], None] | None = None,
) -> Trace:
    """Run x (sample, T, channel) through a float graph: states in real units, spikes int8, float time.

    Parameters
    ----------
    graph
        What runs.
    x : (sample, T, channel)
        Its input.
    record
        What to keep of every step: "spikes", names of states, "current", or "population/name" of one.
    samples
        Number of each sample in its data.
    on_block
        Called with (samples finished, samples in all).

    Raises
    ------
    InputError
        For a wrong shape or an unknown name.
    """
    require("graph", graph, FloatGraph)
    data = checked_input(graph, x)
    run = run_graph(graph, data, record, on_block)
    totals = {name: int(counts.sum()) for name, counts in run.counts.items()}
    steps = data.shape[0] * data.shape[1]
    spiking = [p for p in graph.populations if not p.model.readout]
    rates = {p.name: totals[p.name] / (steps * p.size) for p in spiking}
    operations = sum(
        _operations(c.weights, np.count_nonzero(data, axis=(0, 1)))
        if c.source == INPUT
        else totals[c.source] * _fan_out(c.weights)
        for c in graph.synapses
    )
    numbers = None if samples is None else tuple(int(i) for i in samples)
    origin = graph_origin(graph, samples=numbers)
    return Trace(run.readout, run.spikes, run.states, {}, rates, round(operations), origin)


def _operations(weights: Any, sent: Array) -> float:
    """Count the weights read for what each sender sent."""
    if isinstance(weights, np.ndarray):
        return float(sent.sum() * weights.shape[0])
    return float(np.bincount(weights.indices, minlength=weights.shape[1]) @ sent)


def _fan_out(weights: Any) -> float:
    """Return the synapses of a sender, on average."""
    return float(weights.shape[0] if isinstance(weights, np.ndarray) else weights.nnz / weights.shape[1])
