"""Runs a quantized network under Lava's CPU runtime and records it in files.

Lava forks its processes and fixes the start method of `multiprocessing` for the process that imports it: for use
inside `worker`, not in a program of a user.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.build import lava_network
from hypr_neuro.compilers.lava.record import record_path
from hypr_neuro.compilers.lava.rows import record_to
from hypr_neuro.compilers.rows import recorded_states
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.run.forward import chunks

BLOCK = 64
"""Steps between two signs of life."""


def run_network(
    qnet: QuantizedNetwork,
    x: Array,
    record: Sequence[str],
    folder: Path,
    on_block: Callable[[int, int], None],
) -> dict[str, list[int]]:
    """Run x (sample, T, channel), sample after sample, each from zero states; return counted events by population.

    `folder` gets a file of each population, see `record.record_path` and `rows.record_to`: device time, rows
    sample · (T + tail), states where one of them is recorded. `on_block` is called with (steps finished, steps in all).
    """
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.source import RingBuffer

    from hypr_neuro.compilers.lava.integers.record import models_of

    network = lava_network(qnet)
    samples = len(x)
    length = qnet.clock.run_steps(x.shape[1])
    padded = np.pad(x, ((0, 0), (0, qnet.tail), (0, 0))).reshape(samples * length, -1)
    source = RingBuffer(data=np.ascontiguousarray(padded.T))
    network.feed(source.s_out)
    states = recorded_states(qnet.integer(), record)
    for i, p in enumerate(qnet.populations):
        kept = p.model.d if states[p.name] else 0
        record_to(network.populations[p.name], record_path(folder, i), kept, len(padded))
    config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=models_of([source, *network.processes]))
    try:
        for sample in range(samples):
            if sample > 0:
                network.reset()
            for part in chunks(length, BLOCK):
                source.run(condition=RunSteps(num_steps=part.stop - part.start), run_cfg=config)
                on_block(sample * length + part.stop, len(padded))
        return {name: _events(process) for name, process in network.populations.items() if hasattr(process, "events")}
    finally:
        source.stop()


def _events(process: Any) -> list[int]:
    return [int(count) for count in process.events.get()]
