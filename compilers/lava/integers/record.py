"""Lava's own CPU models of LIF, RF and RF_IZ, which keep their states and spikes of every step in a file.

They compute nothing: `run_spk` is Lava's.
"""

from __future__ import annotations

from typing import Any, ClassVar

from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.proc.lif.models import PyLifModelBitAcc
from lava.proc.rf.models import PyRFModelFixed
from lava.proc.rf_iz.models import PyRF_IZModelFixed

from hypr_neuro.compilers.lava.rows import PATH, RowWriter
from hypr_neuro.numbers.arrays import Array


class _Recording(PyLoihiProcessModel):
    """Stands before one of Lava's models; `recorded` names the attributes to record after a step."""

    recorded: ClassVar[tuple[str, ...]]

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._writer = RowWriter(proc_params.get(PATH))
        self._sent: Any = None

    def run_spk(self) -> None:
        """Run Lava's step and write its states and spikes."""
        if self._sent is None:
            self._listen()
        super().run_spk()
        self._writer.write(self.time_step - 1, [getattr(self, name) for name in self.recorded], self._sent)

    def _listen(self) -> None:
        """Remember what the model sends."""
        port: Any = self.s_out
        send = port.send

        def keep_and_send(spikes: Array) -> None:
            self._sent = spikes
            send(spikes)

        port.send = keep_and_send


class RecordingLif(_Recording, PyLifModelBitAcc):
    """Records u and, as in `neurons.lif`, v before the reset."""

    recorded = ("u", "_before_reset")

    def reset_voltage(self, spike_vector: Array) -> None:
        """Reset as Lava does, after v is copied."""
        self._before_reset = self.v.copy()
        super().reset_voltage(spike_vector)


class RecordingRf(_Recording, PyRFModelFixed):
    """Records the real and the imaginary part."""

    recorded = ("real", "imag")


class RecordingRfIz(_Recording, PyRF_IZModelFixed):
    """Records the real and the imaginary part."""

    recorded = ("real", "imag")


def models_of(processes: list[Any]) -> dict[Any, Any]:
    """Return the model of each process, neurons with those that record.

    Lava's own search, for each process anew through the files of a folder, would find the same ones (of Lava's neurons
    the base classes of those here) and take longer than a run.
    """
    from lava.proc.dense import models as dense
    from lava.proc.io import source
    from lava.proc.sparse import models as sparse

    from hypr_neuro.compilers.lava.processes.models import PyAlwaysOn, PyPopulation

    known = {
        "RingBuffer": source.PySendModelFixed,
        "AlwaysOn": PyAlwaysOn,
        "NeuronPopulation": PyPopulation,
        "Dense": dense.PyDenseModelBitAcc,
        "DelayDense": dense.PyDelayDenseModelBitAcc,
        "Sparse": sparse.PySparseModelBitAcc,
        "DelaySparse": sparse.PyDelaySparseModelBitAcc,
        "LIF": RecordingLif,
        "RF": RecordingRf,
        "RF_IZ": RecordingRfIz,
    }
    return {process: known[type(process).__name__] for process in processes}
