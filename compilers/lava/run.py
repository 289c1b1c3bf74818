"""Runs a quantized network under Lava's CPU runtime and records it in files.

Lava forks its processes and fixes the start method of `multiprocessing` for the process that imports it: for use
inside `worker`, not in a program of a user.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.build import LavaLayer, LavaNetwork, lava_network
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
    """Run x (sample, T, channel), sample after sample, each from zero states; return counted events by layer name.

    `folder` gets .npy files of int32 in device time, rows sample · (T + latency): "{layer}.output" (…, neuron) and,
    where a state of the layer is recorded, "{layer}.state" (…, d, neuron), for Lava's own LIF u and v after the reset.
    `on_block` is called with (steps finished, steps in all).
    """
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg

    network = lava_network(qnet)
    tail, samples = qnet.tail, len(x)
    length = qnet.clock.run_steps(x.shape[1])
    padded = np.pad(x, ((0, 0), (0, tail), (0, 0))).reshape(samples * length, -1)
    source = _source(padded)
    source.s_out.connect(network.s_in)
    _record(network, qnet, record, folder, len(padded))
    config = Loihi2SimCfg(select_tag="fixed_pt")
    try:
        for sample in range(samples):
            if sample > 0:
                network.reset()
            for part in chunks(length, BLOCK):
                source.run(condition=RunSteps(num_steps=part.stop - part.start), run_cfg=config)
                on_block(sample * length + part.stop, len(padded))
        return {layer.name: _events(layer) for layer in network.layers if not layer.builtin}
    finally:
        source.stop()


def _source(rows: Array) -> Any:
    """Return Lava's ring buffer over all steps: data (channel, step)."""
    from lava.proc.io.source import RingBuffer

    return RingBuffer(data=np.ascontiguousarray(rows.T))


def _record(network: LavaNetwork, qnet: QuantizedNetwork, record: Sequence[str], folder: Path, steps: int) -> None:
    from hypr_neuro.compilers.lava.processes.process import LifRecorder, PortRecorder

    for layer, quantized in zip(network.layers, qnet.layers, strict=True):
        ports = {"output": layer.neuron.s_out}
        if any(state in record for state in quantized.model.state_names):
            if layer.builtin:
                LifRecorder(path=folder / f"{layer.name}.state.npy", steps=steps, lif=layer.neuron)
            else:
                ports["state"] = layer.neuron.state_out
        for name, port in ports.items():
            recorder = PortRecorder(path=folder / f"{layer.name}.{name}.npy", steps=steps, shape=port.shape)
            port.connect(recorder.a_in)


def _events(layer: LavaLayer) -> list[int]:
    return [int(count) for count in layer.neuron.events.get()]
