"""Processes of a network that learns: neurons that compute Jacobians, synapses that learn, the readout's error.

A step has two phases. In the spiking phase synapses first send what they hold, weighted, then neurons take their
step and send spikes, which synapses hold for the next step. In the learning phase messages go backward, from the
error through readout and hidden layers, all inside the same step; no loop is closed there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from hypr_neuro.compilers.lava.learning.message import Message
from hypr_neuro.compilers.lava.learning.schedule import Schedule
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.parts import QuantizedLayer
from hypr_neuro.renamed import renamed_names
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.widths import Widths


class LearningNeurons(AbstractProcess):
    """A layer of neurons of any model that learns, or lets learning signals through.

    Ports: a_in (n,) summed currents; s_out (n,) spikes, or the state where the model is a readout; signal_in (n,)
    learning signals; learn_out (rows, n), a `Message` to the synapses. Vars: state (d, n), output (n,), per_neuron,
    constants, psi_table; late (wait, n) learning signals under way; of the p parameters that learn eligibility
    (d, n, p), gradient (n, p) and ring (delay, n, p); gains (delay, n) that wait for their signal; clips (3,) of
    Jacobians, eligibilities and accumulators.

    Parameters
    ----------
    layer, widths, schedule, options
        What learns, how wide its numbers are, when, and how.
    rates : (samples, 2)
        Of weights and parameters, in each sample.
    tensor
        Number of the layer's first trainable parameter.
    wait
        Steps that a learning signal is under way.
    delay
        Steps for which eligibilities wait for theirs.
    places
        Of the trainable parameters that learn.
    fractions
        Bits of their eligibilities.
    momentum_bits
        Width of their momentum.
    record
        .npy file (steps, d + 1, n) int32 for states and outputs of every step, made by the caller, or None.
    """

    def __init__(
        self,
        *,
        layer: QuantizedLayer,
        widths: Widths,
        schedule: Schedule,
        options: LearnOptions,
        rates: Array,
        tensor: int,
        wait: int = 0,
        delay: int = 0,
        places: tuple[int, ...] = (),
        fractions: tuple[int, ...] = (),
        momentum_bits: int = 0,
        record: Path | None = None,
        name: str | None = None,
    ) -> None:
        n, d, p = layer.size, layer.model.d, len(places)
        super().__init__(
            model=layer.model.name,
            size=n,
            widths=widths,
            schedule=schedule,
            options=options,
            rates=rates,
            tensor=tensor,
            wait=wait,
            delay=delay,
            places=places,
            fractions=fractions,
            momentum_bits=momentum_bits,
            record=None if record is None else str(record),
            name=name,
        )
        self.a_in, self.s_out = InPort(shape=(n,)), OutPort(shape=(n,))
        self.signal_in, self.learn_out = InPort(shape=(n,)), OutPort(shape=(Message(d).rows, n))
        self.state, self.output = Var(shape=(d, n), init=0), Var(shape=(n,), init=0)
        self.per_neuron = Var(shape=layer.per_neuron.shape, init=layer.per_neuron)
        self.constants = Var(shape=layer.constants.shape, init=layer.constants)
        self.psi_table = Var(shape=layer.psi_table.shape, init=layer.psi_table)
        # Lava has no empty arrays
        self.late, self.gains = Var(shape=(max(wait, 1), n), init=0), Var(shape=(max(delay, 1), n), init=0)
        self.eligibility, self.gradient = Var(shape=(d, n, max(p, 1)), init=0), Var(shape=(n, max(p, 1)), init=0)
        self.ring = Var(shape=(max(delay, 1), n, max(p, 1)), init=0)
        self.clips = Var(shape=(3,), init=0)


class LearningSynapses(AbstractProcess):
    """One connection, whose weights learn or stay.

    Ports: s_in (inputs,) what the layer below, or the layer itself, sends; a_out (n,) weighted sums of the step before,
    shifted by the exponent; learn_in (rows, n), a `Message` of the neurons; back_out (inputs,) learning signals. Vars:
    weights (n, m) mantissas, with a last column for a bias axon if there is one; pre (m,) the presynaptic values;
    eligibility (d, n, m), gradient (n, m), ring (delay, n, m) of what waits for its signal; clips (3,) of
    eligibilities, accumulators and learning signals.

    Parameters
    ----------
    learns
        Whether the weights do.
    back
        (bits, shift) of the learning signals to the layer below, or None.
    feedback : (n, inputs)
        Feedback weights in place of the weights, or None.
    rates, delay
        As of the neurons.
    record
        .npy file (updates, n, m) int32 for the weights after each update, made by the caller, or None.
    """

    def __init__(
        self,
        *,
        model: str,
        weights: Array,
        exponent: int,
        always_on: bool,
        widths: Widths,
        schedule: Schedule,
        options: LearnOptions,
        rates: Array,
        tensor: int,
        learns: bool = True,
        delay: int = 0,
        back: tuple[int, int] | None = None,
        feedback: Array | None = None,
        weight_bits: int = 8,
        momentum_bits: int = 0,
        residual_bits: int = 0,
        record: Path | None = None,
        name: str | None = None,
    ) -> None:
        n, m = weights.shape
        d, inputs = get_model(model).d, m - int(always_on)
        super().__init__(
            model=model,
            exponent=exponent,
            widths=widths,
            schedule=schedule,
            options=options,
            rates=rates,
            tensor=tensor,
            learns=learns,
            delay=delay,
            back=back,
            feedback=feedback,
            weight_bits=weight_bits,
            momentum_bits=momentum_bits,
            residual_bits=residual_bits,
            shape=(n, m),
            inputs=inputs,
            record=None if record is None else str(record),
            name=name,
        )
        self.s_in, self.a_out = InPort(shape=(inputs,)), OutPort(shape=(n,))
        self.learn_in, self.back_out = InPort(shape=(Message(d).rows, n)), OutPort(shape=(inputs,))
        self.weights = Var(shape=(n, m), init=np.asarray(weights, np.int64))
        self.pre = Var(shape=(m,), init=0)
        self.eligibility, self.gradient = Var(shape=(d, n, m), init=0), Var(shape=(n, m), init=0)
        self.ring = Var(shape=(max(delay, 1), n, m), init=0)
        self.clips = Var(shape=(3,), init=0)


class ErrorUnits(AbstractProcess):
    """The readout's error, sent in the learning phase of the same step.

    Ports: o_in (n,) the readout's outputs; label_in (2,) the label of this step and 1 where it counts; error_out (n,).

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
    """

    def __init__(self, *, size: int, error: str, fraction: int, bits: int, name: str | None = None) -> None:
        super().__init__(size=size, error=error, fraction=fraction, bits=bits, record=None, name=name)
        self.o_in, self.label_in, self.error_out = InPort(shape=(size,)), InPort(shape=(2,)), OutPort(shape=(size,))


__getattr__ = renamed_names(__name__, {"OutputError": "ErrorUnits"})
