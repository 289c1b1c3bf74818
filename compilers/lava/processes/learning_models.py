"""CPU models of the processes that learn, for run configurations with select_tag="fixed_pt"."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from hypr_neuro.compilers.lava.learning.eligibility import (
    gradient_kernel,
    jacobian_kernel,
    parameter_kernel,
    synapse_kernel,
)
from hypr_neuro.compilers.lava.learning.message import Message
from hypr_neuro.compilers.lava.learning.records import KEPT, WRITTEN
from hypr_neuro.compilers.lava.learning.signal import ReturningSignal
from hypr_neuro.compilers.lava.learning.synapse_inputs import SynapseInputs
from hypr_neuro.compilers.lava.learning.told_errors import free_errors
from hypr_neuro.compilers.lava.learning.update import ParameterUpdate, WeightUpdate
from hypr_neuro.compilers.lava.population import PopulationStep
from hypr_neuro.compilers.lava.processes.learning_process import ErrorUnits, LearningNeurons, LearningSynapses
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.feedback import add_shifted_kernel, output_errors, signal_kernel
from hypr_neuro.sim.learning.signals import Way


class _Learning(PyLoihiProcessModel):
    """Runs both phases in every step."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._rows: Any = None

    def run_lrn(self) -> None:
        """Learn, and write what is held where the schedule says so."""
        self.learn_step()
        if self.proc_params["held"] is not None and self._schedule.keeps(self.t):
            np.savez(self.proc_params["held"] + KEPT, **self.held())

    def learn_step(self) -> None:
        """Do what a step has in its learning phase."""

    def held(self) -> dict[str, Array]:
        """Return what can be read from outside, by name; what is written takes the place of the same arrays."""
        return {}

    def take_written(self) -> None:
        """Take what was written from outside since the last step."""
        if self.proc_params["held"] is None or not self._schedule.loads(self.t):
            return
        path, held = Path(self.proc_params["held"] + WRITTEN), self.held()
        if path.exists():
            with np.load(path, allow_pickle=False) as written:
                for name in written.files:
                    held[name][...] = written[name]

    @property
    def t(self) -> int:
        """Device step, counted from 0."""
        return int(self.time_step) - 1

    def lrn_guard(self) -> bool:
        """Ask for a learning phase in every step."""
        return True

    def record(self, at: int, row: Any) -> None:
        """Write a row of the record, if there is one."""
        path = self.proc_params["record"]
        if path is None:
            return
        if self._rows is None:
            # mapped in the process that writes it
            self._rows = np.lib.format.open_memmap(path, mode="r+")
        self._rows[at] = row


def queued(queue: Array, new: Array, steps: int) -> Array:
    """Return what went into `queue` (steps, …) so many steps ago; `new` goes in."""
    if steps == 0:
        return new
    oldest: Array = queue[0].copy()
    queue[:-1] = queue[1:]
    queue[-1] = new
    return oldest


@implements(proc=LearningNeurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyLearningNeurons(_Learning):
    """Steps by the simulator's kernel; the Jacobian of a step in its learning phase."""

    a_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    signal_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    learn_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    error_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    readout_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    state: Any = LavaPyType(np.ndarray, np.int32)
    output: Any = LavaPyType(np.ndarray, np.int32)
    per_neuron: Any = LavaPyType(np.ndarray, np.int64)
    constants: Any = LavaPyType(np.ndarray, np.int64)
    psi_table: Any = LavaPyType(np.ndarray, np.int64)
    late: Any = LavaPyType(np.ndarray, np.int64)
    late_error: Any = LavaPyType(np.ndarray, np.int64)
    early: Any = LavaPyType(np.ndarray, np.int32)
    gains: Any = LavaPyType(np.ndarray, np.int64)
    eligibility: Any = LavaPyType(np.ndarray, np.int64)
    gradient: Any = LavaPyType(np.ndarray, np.int64)
    ring: Any = LavaPyType(np.ndarray, np.int64)
    clips: Any = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        p, model = proc_params, get_model(proc_params["model"])
        self._widths, self._schedule, self._message = p["widths"], p["schedule"], Message(model.d, model.currents)
        self._step, self._signal = PopulationStep(model.name, p["size"]), p["signal"]
        self._events = np.zeros(len(model.events), np.int64)
        self._learning_numbers = np.array(p["learning_numbers"], np.int64)
        trainable = len(model.trainable)
        self._by_parameter = np.zeros((trainable, model.d, p["size"]), np.int64)
        self._by_output = np.zeros((trainable, p["size"]), np.int64)
        self._places, self._fractions = (np.array(p[key], np.int64) for key in ("places", "fractions"))
        self._shifts = np.array([self._widths.parameter_shift(f) for f in p["fractions"]], np.int64)
        self._update = ParameterUpdate(
            model.name, p["options"], p["size"], p["tensor"], p["places"], p["momentum_bits"]
        )

    def run_spk(self) -> None:
        """Compute and send one step."""
        self.take_written()
        if self._schedule.starts(self.t):
            for array in (self.state, self.output, self.gains, self.eligibility, self.ring):
                array[...] = 0
            for queue in (self.late, self.late_error, self.early):
                queue[...] = 0
        self._current = self.a_in.recv()
        self._before, self._sent_before = self.state.copy(), self.output.copy()
        self._step(self._current, self.state, self.output, self.per_neuron, self.constants, self._events)
        self.s_out.send(self.output)
        if self.proc_params["first_output"] is not None:
            readout = np.zeros(self.proc_params["outputs"], np.int32)
            readout[self._of_outputs] = queued(self.early, self.output, self.proc_params["early"])
            self.readout_out.send(readout)
        self.record(self._schedule.row(self.t), np.vstack([self.state, self.output]))

    def held(self) -> dict[str, Array]:
        """Return states, integers, eligibilities, clips, and saturations and wraps of states."""
        return {
            "state": self.state,
            "per_neuron": self.per_neuron,
            "eligibility": self.eligibility,
            "clips": self.clips,
            "events": self._events,
        }

    @property
    def _of_outputs(self) -> slice:
        """The places of an output population among all outputs."""
        first = self.proc_params["first_output"]
        return slice(first, first + self.proc_params["size"])

    def learn_step(self) -> None:
        """Send the Jacobian of the step with its learning signal, and learn parameters."""
        if self._signal is None:
            return
        signal = self._arriving_signal()
        rows = np.zeros((self._message.rows, len(signal)), np.int64)
        learns = self._schedule.learns(self.t)
        if learns:
            self._take_jacobian(rows, signal)
        self.learn_out.send(rows)
        if self.proc_params["places"]:
            self._learn(rows, learns)

    def _arriving_signal(self) -> Array:
        """Receive the parts of the learning signal, bring their sum to its width, and take what has waited enough."""
        s, total = self._signal, self.signal_in.recv()
        if self.proc_params["first_output"] is not None:
            error, part = self.error_in.recv()[self._of_outputs], np.zeros((1, len(total)), np.int64)
            add_shifted_kernel()(error[None], s.error_down, part)
            total = total + queued(self.late_error, part[0], s.error_wait)
        signal = total[None]
        if not s.alone:
            signal = np.empty_like(signal)
            signal_kernel()(total[None], s.shift, s.bits, signal, self.clips[3:])
        return queued(self.late, signal[0], s.wait)

    def _take_jacobian(self, rows: Array, signal: Array) -> None:
        currents, message = self._message.currents, self._message
        gains = np.zeros((currents, len(signal)), np.int64)
        for k in range(currents):
            self.clips[0] += jacobian_kernel(self.proc_params["model"], k)(
                self._before,
                self.state,
                self._sent_before,
                self._current if currents > 1 else self._current[0],
                self.per_neuron,
                np.concatenate([self.constants, self._learning_numbers]),
                self.psi_table,
                self._widths,
                message.split(rows, k),
                gains[k],
                self._by_parameter,
                self._by_output,
            )
        rows[message.signal] = signal
        waited = queued(self.gains, gains.reshape(-1), self.proc_params["delay"]).reshape(gains.shape)
        for k in range(currents):
            rows[message.weighted_signal(k)] = waited[k] * signal

    def _learn(self, rows: Array, learns: bool) -> None:
        """Move the eligibilities of the neuron parameters that learn, and update these."""
        if learns:
            e, parts = np.zeros(self.gradient.shape, np.int64), self._message.split(rows)
            self.clips[:2] += parameter_kernel(self.proc_params["model"])(
                parts,
                self._by_parameter,
                self._by_output,
                self._places,
                self._fractions,
                self.eligibility,
                e,
                self._widths,
            )
            e = queued(self.ring, e, self.proc_params["delay"])
            signal, bits = rows[self._message.signal], self._widths.accumulator_bits
            self.clips[2] += gradient_kernel()(self.gradient, signal, e, self._shifts, bits)
        if self._schedule.updates(self.t):
            rate = self.proc_params["rates"][self._schedule.sample(self.t), 1]
            self._update(self.per_neuron, self.constants, self.gradient, len(self._by_output), rate)
            self.gradient[...] = 0


@implements(proc=LearningSynapses, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyLearningSynapses(_Learning):
    """Loops over the arithmetic of learning; the update at the end of an interval by the simulator's kernels."""

    s_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    a_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    learn_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    back_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    weights: Any = LavaPyType(np.ndarray, np.int64)
    sent: Any = LavaPyType(np.ndarray, np.int64)
    eligibility: Any = LavaPyType(np.ndarray, np.int64)
    gradient: Any = LavaPyType(np.ndarray, np.int64)
    ring: Any = LavaPyType(np.ndarray, np.int64)
    late: Any = LavaPyType(np.ndarray, np.int64)
    clips: Any = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        p = proc_params
        self._schedule, self._message = p["schedule"], Message(get_model(p["model"]).d, p["currents"])
        self._incoming, self._widths = p["incoming"], p["widths"]
        self._inputs = SynapseInputs(self._incoming, p["size"])
        self._shifts = np.full(self._incoming.synapses, self._widths.gradient_shift, np.int64)
        self._update: Any = None
        if self._incoming.learns:
            self._update = WeightUpdate(
                p["options"],
                self._incoming.shape,
                self._incoming.number,
                weight_bits=p["weight_bits"],
                momentum_bits=p["momentum_bits"],
                residual_bits=p["residual_bits"],
            )
        self._way: Any = None

    def run_spk(self) -> None:
        """Send the weighted sums of what arrives and receive the presynaptic values of this step."""
        if self.t == 0:
            self._take_weights()
        self.take_written()
        if self._schedule.starts(self.t):
            for array in (self.sent, self.eligibility, self.ring, self.late):
                array[...] = 0
        c, line = self._incoming, self._inputs.line(self.sent, self.t)
        currents = np.zeros((self.proc_params["currents"], self.proc_params["size"]), np.int32)
        currents[c.connection.current] = self._inputs.sums(c.weights(), line)
        self.a_out.send(currents)
        if c.learns:
            self._arrived = self._inputs.at_synapses(line)
        self._inputs.put(self.sent, self.t, self.s_in.recv())

    def _take_weights(self) -> None:
        """Let the connection hold the weights of this process, which Lava may read and set."""
        c = self._incoming.connection
        mantissa: Any = self.weights
        if not c.dense:
            mantissa = c.mantissa.copy()
            mantissa.data = self.weights[: mantissa.nnz]  # Lava has no empty arrays: one weight where there is none
        self._incoming = replace(self._incoming, connection=replace(c, mantissa=mantissa))
        if self.proc_params["returning"] is not None:
            self._way = Way(self._incoming, self.proc_params["returning"].fixed)

    def held(self) -> dict[str, Array]:
        """Return weights, eligibilities, clips and the counts of updates."""
        counts = np.zeros(4, np.int64) if self._update is None else self._update.counts
        return {"weights": self.weights, "eligibility": self.eligibility, "clips": self.clips, "counts": counts}

    def learn_step(self) -> None:
        """Send learning signals back, then learn."""
        returning, learns = self.proc_params["returning"], self._incoming.learns
        if returning is None and not learns:
            return
        rows = self.learn_in.recv()
        if returning is not None:
            self._send_back(rows[self._message.weighted_signal(self._incoming.connection.current)], returning)
        if learns and self._schedule.learns(self.t):
            self._learn(rows)
        if learns and self._schedule.updates(self.t):
            self._change_weights()

    def _send_back(self, weighted: Array, returning: ReturningSignal) -> None:
        """Send parts of learning signals, over the weights as they are before this step's update."""
        self._way.load()
        total = np.zeros((1, returning.size), np.int64)
        self._way.add(np.ascontiguousarray(weighted[None]), returning.down, total)
        self.back_out.send(queued(self.late, total[0], returning.wait))

    def _learn(self, rows: Array) -> None:
        e, bits = np.zeros(self.gradient.shape, np.int64), self._widths.accumulator_bits
        scale = None if self._incoming.message is None else self._incoming.scale
        parts = self._message.split(rows, self._incoming.connection.current)
        advance = synapse_kernel(self.proc_params["model"], scale)
        self.clips[0] += advance(parts, self._arrived, self.eligibility, e, self._widths)
        e = queued(self.ring, e, self.proc_params["delay"])
        self.clips[1] += gradient_kernel()(self.gradient, rows[self._message.signal], e, self._shifts, bits)

    def _change_weights(self) -> None:
        rate = self.proc_params["rates"][self._schedule.sample(self.t), 0]
        self._update(self._incoming.tensor(), self._inputs.gradient(self.gradient), rate)
        self.gradient[...] = 0
        self.record(self._update.updates - 1, self.weights)


@implements(proc=ErrorUnits, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyErrorUnits(_Learning):
    """Computes errors by the simulator's kernel."""

    o_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    label_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    error_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int64)

    def run_spk(self) -> None:
        """Receive outputs and label."""
        self._output, self._label = self.o_in.recv(), self.label_in.recv()
        if self.proc_params["rows"]:
            self.record(self.t % self.proc_params["rows"], self._output)

    def learn_step(self) -> None:
        """Send the error."""
        p = self.proc_params
        if p["targets"] == "labels":
            error = output_errors(
                p["error"], self._output[None], self._label[:1], self._label[1:], p["fraction"], p["bits"]
            )
        else:
            error = free_errors(self._output, self._label, p["targets"], p["fraction"], p["bits"])
        self.error_out.send(error[0])
