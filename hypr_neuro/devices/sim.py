"""Device 'sim': the integer simulator, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hypr_neuro.devices.device import DeviceBase, Progress
from hypr_neuro.devices.prepared import Prepared
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.traces.trace import Trace

if TYPE_CHECKING:
    from hypr_neuro.data.sequence import SequenceData
    from hypr_neuro.sim.learning.chip_learner import ChipLearner
    from hypr_neuro.sim.learning.learn import LearnRun


class SimDevice(DeviceBase):
    """Runs and learns with `hypr_neuro.sim`."""

    name = "sim"
    has_crossbars = True

    def _run(self, prepared: Prepared, x: Array, record: Sequence[str], on_block: Progress | None) -> Trace:
        return simulate(prepared.network, x, record, on_block)

    def learn(self, data: SequenceData, **options: Any) -> LearnRun:
        """Learn as `hypr_neuro.sim.learning.learn.learn`, with functions of the user's, too."""
        from hypr_neuro.sim.learning.learn import learn

        run = learn(self._current("learn").quantized, data, **options)
        self.load(run.qnet)
        return run

    def _learner(self, prepared: Prepared, qnet: QuantizedNetwork) -> ChipLearner:
        from hypr_neuro.sim.learning.simulated import SimulatedLearner

        assert prepared.options is not None
        return SimulatedLearner(qnet, prepared.options)


DEVICE = SimDevice
