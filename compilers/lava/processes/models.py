"""CPU models of the processes, for run configurations with select_tag="fixed_pt"."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from hypr_neuro.compilers.lava.population import PopulationStep
from hypr_neuro.compilers.lava.processes.process import AlwaysOn, NeuronPopulation
from hypr_neuro.compilers.lava.rows import PATH, RowWriter
from hypr_neuro.numbers.message import messages_of


@implements(proc=NeuronPopulation, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyPopulation(PyLoihiProcessModel):
    """The simulator's kernel, one step at a time."""

    a_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    a_in_1: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    message_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    state: Any = LavaPyType(np.ndarray, np.int32)
    output: Any = LavaPyType(np.ndarray, np.int32)
    per_neuron: Any = LavaPyType(np.ndarray, np.int64)
    constants: Any = LavaPyType(np.ndarray, np.int64)
    events: Any = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._step = PopulationStep(proc_params["model"], proc_params["size"])
        self._writer, self._message = RowWriter(proc_params.get(PATH)), proc_params["message"]

    def run_spk(self) -> None:
        """Receive, compute, send and, where asked for, write one step."""
        current = self.a_in.recv()
        if self._step.model.currents > 1:
            current = np.stack([current, self.a_in_1.recv()])
        self._step(current, self.state, self.output, self.per_neuron, self.constants, self.events)
        self.s_out.send(self.output)
        if self._message is not None:
            self.message_out.send(messages_of(self.output, *self._message))
        self._writer.write(self.time_step - 1, self.state, self.output)


@implements(proc=AlwaysOn, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyAlwaysOn(PyLoihiProcessModel):
    """Appends 1."""

    s_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self) -> None:
        """Send what arrives, and 1 after it."""
        self.s_out.send(np.append(self.s_in.recv(), np.int32(1)))
