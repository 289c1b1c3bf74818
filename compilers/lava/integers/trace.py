"""A run of an integer network in Lava's own processes as a trace, like the simulator's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from hypr_neuro.compilers.lava.integers.batch import run_in_lava
from hypr_neuro.compilers.rows import recorded_states, trace_of_rows
from hypr_neuro.graph.integer import HasInteger, IntegerNetwork, as_integer
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.traces.trace import Trace


def lava_trace(network: IntegerNetwork | HasInteger, x: Array, record: Sequence[str] = ()) -> Trace:
    """Run x (sample, T, channel) under Lava, each sample from zero states.

    `record` holds "spikes" and names of states, of all populations that have them. Lava counts no events. Raise what
    `batch.run_in_lava` raises, and InputError for a name that no population has.
    """
    integer, tail = as_integer(network)
    recorded_states(integer, record)
    data = np.asarray(x)
    padded = np.concatenate([data, np.zeros((len(data), tail, data.shape[2]), data.dtype)], axis=1)
    cases = {f"sample{i}": (integer, padded[i : i + 1]) for i in range(len(data))}
    with TemporaryDirectory(prefix="hypr-neuro-lava-") as folder:
        runs = run_in_lava(cases, Path(folder))
    return trace_of_rows(integer, data, tail, record, lambda i: np.stack([runs[name][i] for name in cases]), {})
