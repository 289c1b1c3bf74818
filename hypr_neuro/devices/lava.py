"""Device 'lava': Lava's CPU runtime, in a worker process of its own.

The worker (`compilers.lava.worker`) leads a process group, so that Lava's processes end with it: at `close`, after an
error, a timeout or an interruption, and when this program dies.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hypr_neuro.compilers.lava.build import check_network
from hypr_neuro.compilers.lava.hosted import HostedWorker
from hypr_neuro.compilers.lava.learning.network import check_learning
from hypr_neuro.compilers.lava.record import record_path
from hypr_neuro.compilers.lava.rules import require_lava
from hypr_neuro.compilers.rows import recorded_states, trace_of_rows
from hypr_neuro.devices.device import DeviceBase, Progress
from hypr_neuro.devices.prepared import Prepared
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import check_input
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.traces.trace import Trace

if TYPE_CHECKING:
    from hypr_neuro.compilers.lava.learning.learner import LavaLearner
    from hypr_neuro.sim.learning.chip_learner import ChipLearner


class LavaDevice(DeviceBase):
    """Runs a network, or lets it learn, under Lava.

    Parameters
    ----------
    timeout
        Seconds without a sign of life from Lava (one comes at least every 64 steps) after which it is ended.
    """

    name = "lava"
    missing: Mapping[str, str] = {
        "events": "Lava's own LIF counts neither wraps nor saturations; run on 'sim', which gives the same states",
        "resume": "Lava's processes do not give out all that waits in them; read() gives weights and parameters to go "
        "on from, 'sim' resumes bit for bit",
        "functions": "Lava's processes are programs of their own and call none; give errors beforehand, or learn on "
        "'sim'",
    }

    def __init__(self, timeout: float = 120.0) -> None:
        super().__init__()
        if timeout <= 0:
            raise InputError(f"device 'lava': timeout = {timeout}, rule: above 0 seconds")
        self.timeout = timeout
        self._worker: HostedWorker | None = None
        self._in_lava: LavaLearner | None = None

    def open(self) -> None:
        """Start the worker; raise MissingPackageError if Lava is not installed."""
        require_lava()
        if self._worker is None:
            self._worker = HostedWorker(self.timeout)
        super().open()

    def _prepare(self, network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None) -> None:
        """Raise InputError for what Lava computes otherwise; networks of integers are checked as they run."""
        if isinstance(network, QuantizedNetwork):
            if options is None:
                check_network(network)
            else:
                check_learning(network, options)

    def _learner(self, prepared: Prepared, qnet: QuantizedNetwork) -> ChipLearner:
        from hypr_neuro.compilers.lava.learning.learner import LavaLearner

        assert prepared.options is not None
        self._end_learning()
        self._in_lava = LavaLearner(qnet, prepared.options, self.timeout)
        return self._in_lava

    def _unload(self) -> None:
        """End the processes that learn, too."""
        self._end_learning()
        super()._unload()

    def _end_learning(self) -> None:
        if self._in_lava is not None:
            self._in_lava.end()
            self._in_lava = None

    def _run(self, prepared: Prepared, x: Array, record: Sequence[str], on_block: Progress | None) -> Trace:
        if isinstance(prepared.network, IntegerNetwork):
            return _integers(prepared.network, x, record, on_block)
        qnet = prepared.quantized
        data = check_input(qnet, x)
        check_network(qnet, int(np.abs(data.astype(np.int64)).max()))
        recorded_states(qnet.integer(), record)
        if self._worker is None:
            self._worker = HostedWorker(self.timeout)
        try:
            return _run_in(self._worker, qnet, data, record, on_block)
        except BaseException:
            # an unfinished run leaves Lava's processes in the middle of a step; the next run gets a new worker
            self._worker.end()
            self._worker = None
            raise

    def close(self) -> None:
        """End the worker and Lava's processes; closing twice does nothing."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None
        super().close()


def _run_in(
    worker: HostedWorker, qnet: QuantizedNetwork, x: Array, record: Sequence[str], on_block: Progress | None
) -> Trace:
    """Run x (sample, T, channel) in a worker; raise HyprError with what it says went wrong."""
    with tempfile.TemporaryDirectory(dir=worker.folder) as name:
        out = Path(name)
        qnet.save(out / "network.h5")
        np.save(out / "x.npy", x)
        files = {"network": str(out / "network.h5"), "x": str(out / "x.npy"), "out": name}
        events = worker.ask(files | {"record": list(record)}, on_block)
        return _trace(qnet, x, record, out, events)


def _integers(network: IntegerNetwork, x: Array, record: Sequence[str], on_block: Progress | None) -> Trace:
    """Run a network without a profile, in processes of its own."""
    from hypr_neuro.compilers.lava.integers.trace import lava_trace

    trace = lava_trace(network, check_input(network, x), record)
    if on_block is not None:
        on_block(len(x), len(x))
    return trace


def _trace(qnet: QuantizedNetwork, x: Array, record: Sequence[str], out: Path, events: dict[str, list[int]]) -> Trace:
    """Make the simulator's trace from the files of a run; events of populations that count them."""

    def rows(i: int) -> Array:
        values: Array = np.load(record_path(out, i), allow_pickle=False)
        return values.reshape(len(x), -1, *values.shape[1:])

    counted = {
        p.name: dict(zip(p.model.events, events[p.name], strict=True)) for p in qnet.populations if p.name in events
    }
    return trace_of_rows(qnet.integer(), x, qnet.tail, record, rows, counted)


DEVICE = LavaDevice
