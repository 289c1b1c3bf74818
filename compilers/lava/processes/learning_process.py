"""Processes of a network that learns: neurons that compute Jacobians, synapses that learn, the error of the outputs.

A step has two phases. In the spiking phase synapses first send what arrives, weighted, then neurons take their
step and send spikes, which synapses keep. In the learning phase messages go backward, from the error through outputs
and the populations before them, all inside the same step; no loop is closed there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from hypr_neuro.compilers.lava.learning.message import Message
from hypr_neuro.compilers.lava.learning.schedule import Schedule
from hypr_neuro.compilers.lava.learning.signal import ReturningSignal, SignalSum
from hypr_neuro.compilers.lava.learning.synapse_inputs import SynapseInputs
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.renamed import renamed_names
from hypr_neuro.sim.learning.incoming import Incoming
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.options import LearnOptions


class LearningNeurons(AbstractProcess):
    """A population of neurons of any model that learns, lets learning signals through, or only runs.

    Ports: a_in (currents, n) summed currents; s_out (n,) spikes, or the state where the model is a readout; signal_in
    (n,) parts of learning signals; learn_out (rows, n), a `Message` to the synapses; of an output readout_out
    (outputs,), what it gives at its place among all outputs, and error_in (outputs,). Vars: state (d, n), output (n,),
    per_neuron, constants, psi_table; late (wait, n) learning signals under way, late_error likewise; early (early, n)
    outputs that wait for the last one; of the p parameters that learn eligibility (d, n, p), gradient (n, p) and ring
    (delay, n, p); gains (delay, currents · n) that wait for their signal; clips (4,) of Jacobians, eligibilities,
    accumulators and learning signals.

    Parameters
    ----------
    layer, schedule, options
        What learns and how wide its numbers are, when, and how.
    rates : (samples, 2)
        Of weights and parameters, in each sample.
    signal
        How learning signals reach it, None where they do not.
    first_output
        Its first place among the outputs, None for no output.
    outputs
        Outputs of the network.
    early
        Steps by which its outputs are earlier than the last.
    momentum_bits
        Width of the momentum of its parameters.
    record
        .npy file (steps, d + 1, n) int32 for states and outputs of every step, made by the caller, or None.
    held
        Start of the names of the files in which it is read and written from outside, None where it is not.
    """

    def __init__(
        self,
        *,
        layer: LayerPlan,
        schedule: Schedule,
        options: LearnOptions,
        rates: Array,
        signal: SignalSum | None,
        first_output: int | None = None,
        outputs: int = 1,
        early: int = 0,
        momentum_bits: int = 0,
        record: Path | None = None,
        held: Path | None = None,
        name: str | None = None,
    ) -> None:
        n, d, p, delay = layer.size, layer.model.d, len(layer.parameters), layer.waiting
        super().__init__(
            model=layer.model.name,
            size=n,
            widths=layer.widths,
            schedule=schedule,
            options=options,
            rates=rates,
            tensor=layer.first_parameter_number,
            signal=signal,
            first_output=first_output,
            outputs=outputs,
            early=early,
            delay=delay,
            places=layer.places,
            learning_numbers=layer.learning_numbers,
            fractions=tuple(parameter.fraction for parameter in layer.parameters),
            momentum_bits=momentum_bits,
            record=None if record is None else str(record),
            held=None if held is None else str(held),
            name=name,
        )
        neurons, output = layer.neurons, 1 if first_output is None else outputs
        currents, rows = layer.model.currents, Message(d, layer.model.currents).rows
        self.a_in, self.s_out = InPort(shape=(currents, n)), OutPort(shape=(n,))
        self.signal_in, self.learn_out = InPort(shape=(n,)), OutPort(shape=(rows, n))
        self.error_in, self.readout_out = InPort(shape=(output,)), OutPort(shape=(output,))
        self.state, self.output = Var(shape=(d, n), init=0), Var(shape=(n,), init=0)
        self.per_neuron = Var(shape=neurons.per_neuron.shape, init=neurons.per_neuron)
        self.constants = Var(shape=neurons.constants.shape, init=neurons.constants)
        self.psi_table = Var(shape=neurons.psi_table.shape, init=neurons.psi_table)
        self.late, self.late_error = (
            _queue(steps, n) for steps in ((signal.wait, signal.error_wait) if signal is not None else (0, 0))
        )
        self.early, self.gains = _queue(early, n), _queue(delay, currents * n)
        self.eligibility, self.gradient = Var(shape=(d, n, max(p, 1)), init=0), Var(shape=(n, max(p, 1)), init=0)
        self.ring = _queue(delay, n, max(p, 1))
        self.clips = Var(shape=(4,), init=0)


class LearningSynapses(AbstractProcess):
    """One connection, whose weights learn or stay.

    Ports: s_in (sources,) what the input or a population sends; a_out (currents, n) weighted sums of what arrives,
    shifted by the exponent; learn_in (rows, n), a `Message` of the neurons; back_out (sources,) parts of learning
    signals. Vars: weights, mantissas as `Incoming.weights` has them, with those of a bias axon; sent (depth, sources +
    1), what was sent in the last steps, the bias axon behind it; eligibility (d, n, m), gradient (n, m), ring (delay,
    n, m) of what waits for its signal, m synapses a neuron; late (wait, sources) parts of signals under way; clips
    (2,) of eligibilities and accumulators.

    Parameters
    ----------
    layer, incoming
        The population to which it leads, and the connection, whose weights are copied.
    returning
        What goes back over it, None for nothing.
    schedule, options, rates
        As of the neurons.
    weight_bits, momentum_bits, residual_bits
        Of the profile.
    record
        .npy file (updates, ...) int32 for the weights after each update, made by the caller, or None.
    held
        As of the neurons.
    """

    def __init__(
        self,
        *,
        layer: LayerPlan,
        incoming: Incoming,
        returning: ReturningSignal | None,
        schedule: Schedule,
        options: LearnOptions,
        rates: Array,
        weight_bits: int = 8,
        momentum_bits: int = 0,
        residual_bits: int = 0,
        record: Path | None = None,
        held: Path | None = None,
        name: str | None = None,
    ) -> None:
        n, d, sources, delay = layer.size, layer.model.d, incoming.source_size, layer.waiting
        super().__init__(
            model=layer.model.name,
            size=n,
            currents=layer.model.currents,
            incoming=incoming,
            returning=returning,
            widths=layer.widths,
            schedule=schedule,
            options=options,
            rates=rates,
            delay=delay,
            weight_bits=weight_bits,
            momentum_bits=momentum_bits,
            residual_bits=residual_bits,
            record=None if record is None else str(record),
            held=None if held is None else str(held),
            name=name,
        )
        self.s_in, self.a_out = InPort(shape=(sources,)), OutPort(shape=(layer.model.currents, n))
        back = 1 if returning is None else returning.size
        rows = Message(d, layer.model.currents).rows
        self.learn_in, self.back_out = InPort(shape=(rows, n)), OutPort(shape=(back,))
        stored = np.asarray(incoming.weights(), np.int64)
        stored = stored if stored.size else np.zeros(1, np.int64)
        self.weights = Var(shape=stored.shape, init=stored)
        self.sent = Var(shape=(SynapseInputs(incoming, n).depth, sources + 1), init=0)
        shape = (n, incoming.synapses) if incoming.learns else (1, 1)
        self.eligibility, self.gradient = Var(shape=(d, *shape), init=0), Var(shape=shape, init=0)
        self.ring = _queue(delay if incoming.learns else 0, *shape)
        self.late = _queue(0 if returning is None else returning.wait, back)
        self.clips = Var(shape=(2,), init=0)


class ErrorUnits(AbstractProcess):
    """The error of all outputs, sent in the learning phase of the same step.

    Ports: o_in (n,) the outputs, side by side; label_in (2,) the label of this step and 1 where it counts, or (n + 1,)
    its targets or errors, and that; error_out (n,).

    Parameters
    ----------
    size
        Outputs.
    error
        Its name, see `sim.learning.errors`.
    fraction
        Of the outputs.
    bits
        Width of the error.
    targets
        What comes with a step, see `LearnOptions.targets`; of "values" the fraction is `LearningPlan.value_fraction`.
    record, rows
        .npy file (rows, n) int32 for the outputs of step t in row t % rows, made by the caller; None and 0 for none.
    """

    def __init__(
        self,
        *,
        size: int,
        error: str,
        fraction: int,
        bits: int,
        targets: str = "labels",
        record: Path | None = None,
        rows: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            size=size,
            error=error,
            fraction=fraction,
            bits=bits,
            targets=targets,
            record=None if record is None else str(record),
            rows=rows,
            held=None,
            name=name,
        )
        told = 2 if targets == "labels" else size + 1
        self.o_in, self.label_in, self.error_out = InPort(shape=(size,)), InPort(shape=(told,)), OutPort(shape=(size,))


def _queue(steps: int, *shape: int) -> Any:
    """Return a Var for what waits so many steps; Lava has no empty arrays."""
    return Var(shape=(max(steps, 1), *shape), init=0)


__getattr__ = renamed_names(__name__, {"OutputError": "ErrorUnits"})
