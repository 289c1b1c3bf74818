"""Lava's own CPU models of LIF, RF and RF_IZ, which keep their states and spikes of every step in a file.

They compute nothing: `run_spk` is Lava's. A recorder process beside the neurons would read their variables through
Lava's runtime, which takes several times longer than the step itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
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


class _Recording:
    """To be mixed in before Lava's model; `_states` says what to record after a step."""

    # `proc_params`, `run_spk`, `time_step` and `s_out` come from the Lava model that stands behind this class, which
    # is why types are ignored below
    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)  # type: ignore[call-arg]  # of Lava's model, which follows
        self._rows: Any = None
        self._sent: Any = None

    def run_spk(self) -> None:
        """Run Lava's step and write its states and spikes."""
        if self._rows is None:
            # in the first step, and so in the process that Lava forked for these neurons
            self._rows = np.lib.format.open_memmap(self.proc_params[PATH], mode="r+")  # type: ignore[attr-defined]  # Lava's
            self._listen()
        super().run_spk()  # type: ignore[misc]  # Lava's
        self._rows[self.time_step - 1] = np.stack([*self._states(), self._sent])  # type: ignore[attr-defined]  # Lava's

    def _listen(self) -> None:
        """Remember what the model sends."""
        port: Any = self.s_out  # type: ignore[attr-defined]  # Lava's
        send = port.send

        def keep_and_send(spikes: Array) -> None:
            self._sent = spikes
            send(spikes)

        port.send = keep_and_send

    def _states(self) -> tuple[Array, ...]:
        raise NotImplementedError  # each class that is mixed from this one has its own


class RecordingLif(_Recording, PyLifModelBitAcc):
    """Records u and, as in `neurons.lif`, v before the reset."""

    def reset_voltage(self, spike_vector: Array) -> None:
        """Reset as Lava does, after v is copied."""
        self._before_reset = self.v.copy()
        super().reset_voltage(spike_vector)

    def _states(self) -> tuple[Array, ...]:
        return self.u, self._before_reset


class RecordingRf(_Recording, PyRFModelFixed):
    """Records the real and the imaginary part."""

    def _states(self) -> tuple[Array, ...]:
        return self.real, self.imag


class RecordingRfIz(_Recording, PyRF_IZModelFixed):
    """Records the real and the imaginary part."""

    def _states(self) -> tuple[Array, ...]:
        return self.real, self.imag
