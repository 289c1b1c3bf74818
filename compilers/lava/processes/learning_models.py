"""CPU models of the processes that learn, for run configurations with select_tag="fixed_pt"."""

from __future__ import annotations

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
from hypr_neuro.compilers.lava.learning.update import ParameterUpdate, WeightUpdate
from hypr_neuro.compilers.lava.population import PopulationStep
from hypr_neuro.compilers.lava.processes.learning_process import ErrorUnits, LearningNeurons, LearningSynapses
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.feedback import feedback_kernel, output_errors


class _Learning(PyLoihiProcessModel):
    """Runs both phases in every step."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._rows: Any = None

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
    state: Any = LavaPyType(np.ndarray, np.int32)
    output: Any = LavaPyType(np.ndarray, np.int32)
    per_neuron: Any = LavaPyType(np.ndarray, np.int64)
    constants: Any = LavaPyType(np.ndarray, np.int64)
    psi_table: Any = LavaPyType(np.ndarray, np.int64)
    late: Any = LavaPyType(np.ndarray, np.int64)
    gains: Any = LavaPyType(np.ndarray, np.int64)
    eligibility: Any = LavaPyType(np.ndarray, np.int64)
    gradient: Any = LavaPyType(np.ndarray, np.int64)
    ring: Any = LavaPyType(np.ndarray, np.int64)
    clips: Any = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        p, model = proc_params, get_model(proc_params["model"])
        self._widths, self._schedule, self._message = p["widths"], p["schedule"], Message(model.d)
        self._step, self._jacobian = PopulationStep(model.name, p["size"]), jacobian_kernel(model.name)
        self._events = np.zeros(len(model.events), np.int64)
        trainable = len(model.trainable)
        self._by_parameter = np.zeros((trainable, model.d, p["size"]), np.int64)
        self._by_output = np.zeros((trainable, p["size"]), np.int64)
        self._advance, self._accumulate = parameter_kernel(model.name), gradient_kernel()
        self._places, self._fractions = (np.array(p[key], np.int64) for key in ("places", "fractions"))
        self._shifts = np.array([self._widths.parameter_shift(f) for f in p["fractions"]], np.int64)
        self._update = ParameterUpdate(
            model.name, p["options"], p["size"], p["tensor"], p["places"], p["momentum_bits"]
        )

    def run_spk(self) -> None:
        """Compute and send one step."""
        if self._schedule.starts(self.t):
            for array in (self.state, self.output, self.late, self.gains, self.eligibility, self.ring):
                array[...] = 0
        self._current = self.a_in.recv()
        self._before, self._sent_before = self.state.copy(), self.output.copy()
        self._step(self._current, self.state, self.output, self.per_neuron, self.constants, self._events)
        self.s_out.send(self.output)
        self.record(self.t, np.vstack([self.state, self.output]))

    def run_lrn(self) -> None:
        """Send the Jacobian of the step with its learning signal, and learn parameters."""
        signal = queued(self.late, self.signal_in.recv(), self.proc_params["wait"])
        rows = np.zeros((self._message.rows, len(signal)), np.int64)
        learns = self._schedule.learns(self.t)
        if learns:
            self._take_jacobian(rows, signal)
        self.learn_out.send(rows)
        if self.proc_params["places"]:
            self._learn(rows, learns)

    def _take_jacobian(self, rows: Array, signal: Array) -> None:
        gains = np.zeros(len(signal), np.int64)
        self.clips[0] += self._jacobian(
            self._before,
            self.state,
            self._sent_before,
            self._current,
            self.per_neuron,
            self.constants,
            self.psi_table,
            self._widths,
            self._message.split(rows),
            gains,
            self._by_parameter,
            self._by_output,
        )
        rows[self._message.signal] = signal
        rows[self._message.weighted_signal] = queued(self.gains, gains, self.proc_params["delay"]) * signal

    def _learn(self, rows: Array, learns: bool) -> None:
        """Move the eligibilities of the neuron parameters that learn, and update these."""
        if learns:
            e, parts = np.zeros(self.gradient.shape, np.int64), self._message.split(rows)
            self.clips[:2] += self._advance(
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
            self.clips[2] += self._accumulate(self.gradient, signal, e, self._shifts, bits)
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
    pre: Any = LavaPyType(np.ndarray, np.int64)
    eligibility: Any = LavaPyType(np.ndarray, np.int64)
    gradient: Any = LavaPyType(np.ndarray, np.int64)
    ring: Any = LavaPyType(np.ndarray, np.int64)
    clips: Any = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        p = proc_params
        self._schedule, self._message = p["schedule"], Message(get_model(p["model"]).d)
        self._widths, self._advance, self._accumulate = p["widths"], synapse_kernel(p["model"]), gradient_kernel()
        self._shifts = np.full(p["shape"][1], self._widths.gradient_shift, np.int64)
        self._update = WeightUpdate(
            p["options"],
            p["shape"],
            p["tensor"],
            weight_bits=p["weight_bits"],
            momentum_bits=p["momentum_bits"],
            residual_bits=p["residual_bits"],
        )

    def run_spk(self) -> None:
        """Send the weighted sums of the step before and receive the presynaptic values of this one."""
        if self._schedule.starts(self.t):
            for array in (self.pre, self.eligibility, self.ring):
                array[...] = 0
        exponent = self.proc_params["exponent"]
        # what came in one step before, through the weights as they are now
        total = self.weights @ self.pre
        self.a_out.send((total << max(exponent, 0)) >> max(-exponent, 0))
        self._arrived = self.pre.copy()
        self.pre[: self.proc_params["inputs"]] = self.s_in.recv()
        self.pre[self.proc_params["inputs"] :] = 1

    def run_lrn(self) -> None:
        """Send learning signals to the layer below, then learn."""
        rows = self.learn_in.recv()
        if self.proc_params["back"] is not None:
            self._send_back(rows[self._message.weighted_signal])
        if not self.proc_params["learns"]:
            return
        if self._schedule.learns(self.t):
            self._learn(rows)
        if self._schedule.updates(self.t):
            self._change_weights()

    def _send_back(self, down: Array) -> None:
        """Send learning signals, over the weights as they are before this step's update."""
        (bits, shift), fixed = self.proc_params["back"], self.proc_params["feedback"]
        matrix = self.weights[:, : self.proc_params["inputs"]] if fixed is None else fixed
        signal = np.empty((1, matrix.shape[1]), np.int64)
        mantissa = np.ascontiguousarray(matrix, dtype=np.int32)
        feedback_kernel()(np.ascontiguousarray(down[None]), mantissa, shift, bits, signal, self.clips[2:])
        self.back_out.send(signal[0])

    def _learn(self, rows: Array) -> None:
        e, bits = np.zeros(self.gradient.shape, np.int64), self._widths.accumulator_bits
        parts = self._message.split(rows)
        self.clips[0] += self._advance(parts, self._arrived, self.eligibility, e, self._widths)
        e = queued(self.ring, e, self.proc_params["delay"])
        self.clips[1] += self._accumulate(self.gradient, rows[self._message.signal], e, self._shifts, bits)

    def _change_weights(self) -> None:
        self._update(self.weights, self.gradient, self.proc_params["rates"][self._schedule.sample(self.t), 0])
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

    def run_lrn(self) -> None:
        """Send the error."""
        p = self.proc_params
        error = output_errors(
            p["error"], self._output[None], self._label[:1], self._label[1:], p["fraction"], p["bits"]
        )
        self.error_out.send(error[0])
