"""Samples through an integer network, each from zero states."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from hypr_neuro.errors import HyprWarning, InputError
from hypr_neuro.graph.integer import HasInteger, IntegerNetwork, as_integer
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import optional_whole
from hypr_neuro.run.forward import chunks
from hypr_neuro.sim.recorder import Recorder
from hypr_neuro.sim.simulator import Simulator, check_values, is_analog
from hypr_neuro.traces.trace import Trace


def simulate(
    network: IntegerNetwork | HasInteger,
    x: Array,
    record: Sequence[str] = (),
    on_block: Callable[[int, int], None] | None = None,
    *,
    tail: int | None = None,
) -> Trace:
    """Run x (sample, T, channel) integers through the integer network, each sample from zero states.

    Parameters
    ----------
    network
        What runs.
    x : (sample, T, channel)
        Integers.
    record
        What to record of every step, nothing else grows with T: "spikes", names of states ("u", "v", …) or "current"
        (with several inputs "current0", …), of all populations that have it, or "population/name" of one.
    on_block
        Called with (steps finished, steps in all).
    tail
        Steps without input at the end; by default those after which the readout of a quantized network has seen the
        whole sample, 0 for a network of integers. The trace's readout is shifted back by them.

    Raises
    ------
    InputError
        For a wrong shape, values that are no integers, or sums that could leave 32 bits.
    """
    integer, tail = as_integer(network, optional_whole("tail", tail, 0))
    data = _checked(integer, x)
    recorder = Recorder(integer, len(data), record)
    simulator = Simulator(network if is_analog(network) else integer, len(data))
    padded = np.concatenate([data.transpose(1, 0, 2), np.zeros((tail, *data.shape[::2]), data.dtype)])
    for part in chunks(len(padded), simulator.longest):
        simulator.block(padded[part], recorder.states, recorder.currents)
        recorder.take(simulator)
        if on_block is not None:
            on_block(part.stop, len(padded))
    for line in simulator.doubts():
        warnings.warn(line, HyprWarning, stacklevel=2)
    return recorder.trace(simulator, tail)


def check_input(network: IntegerNetwork | HasInteger, x: Array) -> Array:
    """Return x as int32 (sample, T, channel), after the checks that `simulate` documents."""
    return _checked(as_integer(network)[0], x).astype(np.int32)


def _checked(integer: IntegerNetwork, x: Array) -> Array:
    data = np.asarray(x)
    if data.ndim != 3 or data.shape[2] != integer.inputs or 0 in data.shape:
        raise InputError(
            f"x of shape {data.shape}, rule: (sample, T, {integer.inputs}) for this network, none of them 0"
        )
    return check_values(integer, data)
