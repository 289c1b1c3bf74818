"""Lava's own CPU models of LIF, RF and RF_IZ, which keep their states and spikes of every step in a file.

They compute nothing: `run_spk` is Lava's. A recorder process beside the neurons would read their variables through
Lava's runtime, which takes several times longer than the step itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.proc.lif.models import PyLifModelBitAcc
from lava.proc.rf.models import PyRFModelFixed
from lava.proc.rf_iz.models import PyRF_IZModelFixed

from hypr_neuro.numbers.arrays import Array

PATH = "record_path"
"""Key of the process's parameters that names the file."""


def record_to(process: Any, path: Path, states: int, steps: int) -> None:
    """Let the process, run by a model of this file, write `path`: .npy, (steps, states + 1, n) int32, spikes last."""
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.int32, shape=(steps, states + 1, *process.s_out.shape))
    rows.flush()
    process.proc_params[PATH] = str(path)


class _Recording(PyLoihiProcessModel):
    """Stands before one of Lava's models; `recorded` names the attributes to record after a step."""

    recorded: ClassVar[tuple[str, ...]]

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._rows: Any = None
        self._sent: Any = None

    def run_spk(self) -> None:
        """Run Lava's step and write its states and spikes."""
        if self._rows is None:
            # in the first step, and so in the process that Lava forked for these neurons
            self._rows = np.lib.format.open_memmap(self.proc_params[PATH], mode="r+")
            self._listen()
        super().run_spk()
        self._rows[self.time_step - 1] = np.stack([*(getattr(self, name) for name in self.recorded), self._sent])

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
