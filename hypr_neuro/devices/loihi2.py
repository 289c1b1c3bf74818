"""Device 'loihi2': Intel's chip, through Lava; needs Intel's extension of Lava for members of its INRC."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hypr_neuro.compilers.lava import loihi2
from hypr_neuro.compilers.lava.child import run_worker
from hypr_neuro.compilers.lava.record import record_path
from hypr_neuro.compilers.rows import recorded_states, trace_of_rows
from hypr_neuro.devices.device import DeviceBase, Progress
from hypr_neuro.devices.prepared import Prepared
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import check_input
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.traces.trace import Trace

WORKER = "hypr_neuro.compilers.lava.loihi2"
ELSEWHERE = (
    "on the chip Lava's own neurons run and nothing that learns by this rule; learn on 'lava', with the same integers, "
    "and load the learned network here"
)


class Loihi2Device(DeviceBase):
    """Runs a network of Lava's own neurons on a Loihi 2.

    Parameters
    ----------
    timeout
        Seconds for a run, compiling for the chip included.
    """

    name = "loihi2"
    missing: Mapping[str, str] = {
        "integers": "give a quantized network, whose profile says what the chip has",
        "states": "the chip sends spikes alone; record states on 'lava', which has the same integers",
        "events": "the chip counts neither wraps nor saturations; run on 'sim', which gives the same spikes",
        **dict.fromkeys(("learn", "stream", "inspect", "resume", "functions"), ELSEWHERE),
    }

    def __init__(self, timeout: float = 600.0) -> None:
        super().__init__()
        if timeout <= 0:
            raise InputError(f"device 'loihi2': timeout = {timeout}, rule: above 0 seconds")
        self.timeout = timeout

    def open(self) -> None:
        """Look for Intel's extension; raise MissingPackageError, saying who gives it, without it."""
        loihi2.require_chip()
        super().open()

    def _prepare(self, network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None) -> None:
        """Raise InputError for what the chip does not compute as the simulator; needs no chip."""
        if isinstance(network, QuantizedNetwork):
            loihi2.check_on_chip(network)

    def _run(self, prepared: Prepared, x: Array, record: Sequence[str], on_block: Progress | None) -> Trace:
        qnet = prepared.quantized
        data = check_input(qnet, x)
        if any(recorded_states(qnet.integer(), record).values()):
            raise self.lacks("states", "record states")
        with tempfile.TemporaryDirectory(prefix="hypr-neuro-loihi2-") as name:
            folder = Path(name)
            qnet.save(folder / loihi2.NETWORK)
            np.save(folder / loihi2.INPUT, data)
            run_worker(WORKER, folder, self.timeout)
            if (folder / loihi2.ERROR).exists():
                words = (folder / loihi2.ERROR).read_text(encoding="utf-8").strip().splitlines()
                raise HyprError(f"device 'loihi2': {words[-1]}")
            if on_block is not None:
                on_block(len(data), len(data))
            return trace_of_rows(qnet.integer(), data, qnet.tail, record, lambda i: _rows(folder, i, len(data)), {})


def _rows(folder: Path, place: int, samples: int) -> Array:
    """Return what a population sent, (sample, step, 1, n)."""
    spikes: Array = np.load(record_path(folder, place), allow_pickle=False)
    return spikes.reshape(samples, -1, 1, spikes.shape[-1])


DEVICE = Loihi2Device
