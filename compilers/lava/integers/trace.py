"""A run of an integer network in Lava's own processes as a trace, like the simulator's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from hypr_neuro.compilers.lava.integers.batch import run_in_lava
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import HasInteger, IntegerNetwork, as_integer
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.traces.trace import SPIKES, Trace


def lava_trace(network: IntegerNetwork | HasInteger, x: Array, record: Sequence[str] = ()) -> Trace:
    """Run x (sample, T, channel) under Lava, each sample from zero states.

    `record` holds "spikes" and names of states, of all populations that have them. Lava counts no events and no
    operations. Raise what `batch.run_in_lava` raises, and InputError for a name that no population has.
    """
    integer, tail = as_integer(network)
    known = {SPIKES} | {state for p in integer.populations for state in p.model.state_names}
    for name in record:
        if name not in known:
            raise InputError(f"record: unknown '{name}', rule in Lava: {', '.join(sorted(known))}")
    data = np.asarray(x)
    padded = np.concatenate([data, np.zeros((len(data), tail, data.shape[2]), data.dtype)], axis=1)
    cases = {f"sample{i}": (integer, padded[i : i + 1]) for i in range(len(data))}
    with TemporaryDirectory(prefix="hypr-neuro-lava-") as folder:
        runs = run_in_lava(cases, Path(folder))
    spikes: dict[str, Array] = {}
    states: dict[str, dict[str, Array]] = {}
    outputs, rates = {}, {}
    for i, p in enumerate(integer.populations):
        values = np.stack([runs[name][i] for name in cases], axis=2)  # (T, d + 1, sample, n)
        rates[p.name] = float(np.count_nonzero(values[:, -1]) / values[:, -1].size)
        if p.name in integer.outputs:
            outputs[p.name] = values[:, -1]
        if SPIKES in record:
            spikes[p.name] = values[:, -1].astype(np.int8)
        recorded = {state: values[:, j] for j, state in enumerate(p.model.state_names) if state in record}
        states |= {p.name: recorded} if recorded else {}
    return Trace(integer.readout(outputs, tail), spikes, states, {}, rates, 0)
