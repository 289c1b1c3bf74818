"""Device 'sim': the integer simulator, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hypr_neuro.devices.device import DeviceBase, Progress
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.traces.trace import Trace

if TYPE_CHECKING:
    from hypr_neuro.data.sequence import SequenceData
    from hypr_neuro.sim.learning.learn import LearnRun


class SimDevice(DeviceBase):
    """Runs and learns with `hypr_neuro.sim`."""

    name = "sim"

    def _run(self, qnet: QuantizedNetwork, x: Array, record: Sequence[str], on_block: Progress | None) -> Trace:
        return simulate(qnet, x, record, on_block)

    def learn(self, data: SequenceData, **options: Any) -> LearnRun:
        """Learn as `hypr_neuro.sim.learning.learn.learn`, which documents the options."""
        from hypr_neuro.sim.learning.learn import learn

        result = learn(self._network("learn"), data, **options)
        self._qnet, self._trace = result.qnet.copy(), None
        return result


DEVICE = SimDevice
