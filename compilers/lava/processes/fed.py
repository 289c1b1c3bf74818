"""A source whose rows come from a file that another program writes while Lava pauses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class FedRows(AbstractProcess):
    """Sends row t % rows of a file in step t, counted from 0; port s_out (size,).

    Parameters
    ----------
    path
        .npy file (rows, size) int32, made by the caller.
    rows, size
        Its shape.
    """

    def __init__(self, path: Path, rows: int, size: int, name: str | None = None) -> None:
        super().__init__(path=str(path), rows=rows, name=name)
        self.s_out = OutPort(shape=(size,))


@implements(proc=FedRows, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyFedRows(PyLoihiProcessModel):
    """Maps the file in the process that sends."""

    s_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._rows: Any = None

    def run_spk(self) -> None:
        """Send the row of this step."""
        if self._rows is None:
            self._rows = np.lib.format.open_memmap(self.proc_params["path"], mode="r")
        self.s_out.send(np.array(self._rows[(int(self.time_step) - 1) % self.proc_params["rows"]]))
