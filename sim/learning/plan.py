"""What learning on a device is made of, before anything runs: every time, width, shift, tensor and random word.

A `LearningPlan` follows from a quantized network and its learning options alone. Simulator, reference, the C and Lava
compilers, placement and the float side read it; none of them works out such a number by itself.

Random numbers come from a counter, folded over four words: seed, update, tensor, entry (`numbers.fixed_point.draw32`).
The third is the number of a `Tensor`, of a layer's fixed feedback weights or of its noise (`counter`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.graph.integer import SUM_BITS
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.neurons.contract import check_steps
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import shr_floor
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedLayer
from hypr_neuro.sim.learning.counter import MOST_LAYERS, PARAMETER_TENSORS, PARAMETERS_OF_A_LAYER
from hypr_neuro.sim.learning.feedback import random_feedback
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.widths import PRODUCT_BITS, Widths, layer_widths

CURRENTS = 1
"""Input currents of a neuron that learns."""


@dataclass(frozen=True)
class Tensor:
    """Something that one run of the update rule changes: a connection, or one neuron parameter of a layer.

    Attributes
    ----------
    layer : int
        Place of the layer.
    name, key : str
        "layers.0.input" and "input"; "layers.0.omega" and "omega" of a parameter.
    number : int
        Third word of the random counter.
    rows, columns : int
        Neurons, and synapses of each; a parameter has one column.
    first : int
        Its first column among those of the layer's weights, or of the layer's learning parameters.
    place : int or None
        Place of the parameter in the model's `trainable`, None of a connection.
    residual_bits : int
        Bits that each entry keeps below its integer, 0 of a parameter.
    """

    layer: int
    name: str
    key: str
    number: int
    rows: int
    columns: int
    first: int
    place: int | None = None
    residual_bits: int = 0

    @property
    def parameter(self) -> bool:
        """Whether it is a neuron parameter."""
        return self.place is not None

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.rows, self.columns


@dataclass(frozen=True)
class ParameterPlan:
    """One neuron parameter that learns.

    Attributes
    ----------
    place, name
        In the model's `trainable`.
    unit : float
        Real size of one unit in which its value changes, see `neurons.base.Learned`.
    fraction : int
        Fraction bits of its eligibilities.
    dropped : int
        Bits that a product of signal and eligibility loses before it is added to the gradient.
    """

    place: int
    name: str
    unit: float
    fraction: int
    dropped: int


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """One layer of a `LearningPlan`.

    Attributes
    ----------
    index, name
        Its place, "layers.0" or "readout".
    layer : QuantizedLayer
        Its integers; what learning changes in it changes here, too.
    readout : bool
        Whether its signal is the error.
    learns : bool
        Whether its weights learn.
    parameters : tuple of ParameterPlan
        Neuron parameters that learn.
    widths : Widths
        All its widths.
    lag : int
        Steps from what is below, the input or a layer, to it: for its spikes, and for its bias axon at the start.
    waiting, signal_wait : int
        Steps for which its eligibilities wait for their signal, and for which signals wait in front of it, see
        `graph.clock`.
    """

    index: int
    name: str
    layer: QuantizedLayer
    readout: bool
    learns: bool
    parameters: tuple[ParameterPlan, ...]
    widths: Widths
    lag: int
    waiting: int
    signal_wait: int

    @property
    def model(self) -> NeuronModel:
        """Its neuron model."""
        return self.layer.model

    @property
    def size(self) -> int:
        """Its neurons."""
        return self.layer.size

    @property
    def synapses(self) -> int:
        """Count a neuron's synapses: inputs, the bias axon if there is one, the layer's neurons if recurrent."""
        return sum(int(c.mantissa.shape[1]) for c in self.layer.connections().values())

    @property
    def places(self) -> tuple[int, ...]:
        """Return the places of the parameters that learn, in the model's `trainable`."""
        return tuple(p.place for p in self.parameters)

    @property
    def first_parameter_number(self) -> int:
        """Tensor number of the model's first trainable parameter; the others follow in their order."""
        return PARAMETER_TENSORS + PARAMETERS_OF_A_LAYER * self.index

    def largest_gain(self) -> int:
        """Return the largest |B·C| with coefficient fraction bits: at `gain_point`, with the largest ψ of the table."""
        psi = int(np.abs(self.layer.psi_table).max())
        constants, largest = tuple(map(int, self.layer.constants)), 0
        for column in self.layer.per_neuron.T:
            p = tuple(map(int, column)) + constants
            state, current = self.model.gain_point(p)
            _, B, C, *_ = self.model.fixed_jacobian(state, state, 0, current, p, psi)
            product = abs(sum(int(b) * int(c) for b, c in zip(B, C, strict=True)))
            largest = max(largest, shr_floor(product, self.widths.coefficient_fraction))
        return largest


class LearningPlan:
    """Everything that follows from a quantized network and how it learns.

    Parameters
    ----------
    qnet : QuantizedNetwork
        As it is when learning starts: feedback shifts come from its neuron parameters.
    options : LearnOptions
        How it learns.

    Attributes
    ----------
    clock : Clock
        When things happen.
    layers : tuple of LayerPlan
        From the input to the readout.
    lowest : int
        First layer whose weights learn; no signal goes below it.
    tensors : tuple of Tensor
        All that learns, layer by layer, connections before parameters.
    signal_shifts : tuple of int
        For each hidden layer the shift after which the feedback from the layer above fits its signals.
    error : str
        Name of the readout's error. weight_bits, momentum_bits, residual_bits : of the profile

    Raises
    ------
    InputError
        For options that do not fit the network, neurons that cannot learn, more layers than have random words of
        their own, and feedback sums that leave 63 bits.
    """

    def __init__(self, qnet: QuantizedNetwork, options: LearnOptions | None = None) -> None:
        options = options or LearnOptions()
        options.check(qnet)
        if len(qnet.layers) > MOST_LAYERS:
            raise InputError(
                f"network of {len(qnet.layers)} layers, rule: at most {MOST_LAYERS} to learn, since the parameters of "
                "each have random words of their own; use fewer layers"
            )
        widths = layer_widths(qnet.profile, readout=True)
        self.qnet, self.options, self.clock = qnet, options, qnet.clock
        self.error = str(qnet.profile.learning.error.value)
        self.weight_bits, self.momentum_bits = widths.weight_bits, widths.momentum_bits
        self.residual_bits = widths.residual_bits
        chosen = options.learning_parameters(qnet)
        self.layers = tuple(self._layer(i, chosen[i]) for i in range(len(qnet.layers)))
        self.lowest = min(layer.index for layer in self.layers if layer.learns)
        self.tensors = tuple(t for layer in self.layers for t in self._tensors(layer))
        self.signal_shifts = tuple(self._signal_shift(above) for above in self.layers[1:])

    @property
    def last(self) -> int:
        """Place of the readout."""
        return self.clock.output

    @property
    def error_bits(self) -> int:
        """Bits of an error: of the signals that reach the readout."""
        return self.layers[self.last].widths.signal_bits

    @property
    def weight_top(self) -> int:
        """Largest magnitude of a weight."""
        return self.qnet.profile.precision.weight_top

    def active(self, i: int) -> bool:
        """Tell whether signals reach layer i, so that its Jacobian is computed."""
        return i >= self.lowest

    def passes_down(self, i: int) -> bool:
        """Tell whether a layer below i learns."""
        return i > self.lowest

    def tensors_of(self, i: int) -> tuple[Tensor, ...]:
        """Return the tensors of layer i."""
        return tuple(t for t in self.tensors if t.layer == i)

    @staticmethod
    def connection_number(layer: int, key: str) -> int:
        """Give the number of a connection's tensor, whether it learns or not: 2 · layer, + 1 for "recurrent"."""
        return 2 * layer + int(key == "recurrent")

    def _layer(self, i: int, places: tuple[int, ...]) -> LayerPlan:
        qnet, layer, name = self.qnet, self.qnet.layers[i], self.qnet.name(i)
        layer.model.require_learning(name)
        if layer.model.currents != CURRENTS:
            raise InputError(
                f"{name}: neuron '{layer.model.name}' has {layer.model.currents} input "
                f"currents, rule: {CURRENTS} for learning; choose another neuron"
            )
        first = tuple(int(v) for v in (*layer.per_neuron[:, 0], *layer.constants))
        check_steps(name, layer.model, first, len(layer.psi_table))
        widths = layer_widths(qnet.profile, readout=i == self.clock.output, state_scale=layer.state_scale)
        return LayerPlan(
            i,
            name,
            layer,
            i == self.clock.output,
            self.options.learns(name),
            _parameters(name, layer, places, widths),
            widths,
            self.clock.lag(INPUT if i == 0 else qnet.name(i - 1), name),
            self.clock.waiting(i),
            self.clock.signal_wait(i),
        )

    def _tensors(self, layer: LayerPlan) -> list[Tensor]:
        if not layer.learns:
            return []
        i, tensors, first = layer.index, [], 0
        for key, connection in layer.layer.connections().items():
            columns, number = int(connection.mantissa.shape[1]), self.connection_number(i, key)
            name = f"{layer.name}.{key}"
            tensors.append(Tensor(i, name, key, number, layer.size, columns, first, None, self.residual_bits))
            first += columns
        for q, p in enumerate(layer.parameters):
            number = layer.first_parameter_number + p.place
            tensors.append(Tensor(i, f"{layer.name}.{p.name}", p.name, number, layer.size, 1, q, p.place))
        return tensors

    def _signal_shift(self, above: LayerPlan) -> int:
        """Compute the shift after which the feedback from a layer just fits the signals of the one below.

        That of the readout whole: the magnitudes of its errors sum to 2 at most. Of a hidden layer a quarter of the
        largest possible, which no network gets near.
        """
        largest = self._largest_feedback(above, 2 * 4 if above.readout else above.size)
        if largest.bit_length() > PRODUCT_BITS:
            raise InputError(
                f"{above.name}: feedback sums can need {largest.bit_length()} bits, rule: {PRODUCT_BITS}; lower "
                "learning.signal_bits or precision.weight_bits in the profile"
            )
        below = self.layers[above.index - 1]
        return max((largest >> 2).bit_length() - (below.widths.signal_bits - 1), 0)

    @cached_property
    def free_errors_fit(self) -> bool:
        """Tell whether feedback sums fit 63 bits even where every error is as large as its width allows.

        Those of the profile's rules are not: their magnitudes sum to 2 at most.
        """
        readout = self.layers[self.last]
        return self._largest_feedback(readout, readout.size).bit_length() <= PRODUCT_BITS

    def _largest_feedback(self, above: LayerPlan, parts: int) -> int:
        """Bound the sum that a layer sends down over one weight each of `parts` neurons, each at full signal."""
        return parts * self.weight_top * max(above.largest_gain(), 1) * above.widths.largest_signal

    @cached_property
    def largest_input(self) -> int:
        """Largest input magnitude for which no sum can leave 32 bits, whatever the weights become.

        Raises
        ------
        InputError
            Naming the layer, where spikes alone could do that.
        """
        limit = 0
        for i, layer in enumerate(self.qnet.layers):
            room, each = (1 << SUM_BITS) - 1, 0
            room -= 2 * self.options.noise[i] if self.options.noise else 0
            for key, connection in layer.connections().items():
                reach = self.weight_top << max(connection.exponent, 0)
                if i == 0 and key == "input":
                    each = reach * layer.inputs
                    room -= reach * int(layer.bias_axon)
                else:
                    room -= reach * connection.mantissa.shape[1]
            if room < each or room < 0:
                raise InputError(
                    f"{self.qnet.name(i)}: weights of {self.weight_top} · 2^exponent would let sums reach "
                    f"2^{SUM_BITS}, rule: below, as learning may raise any weight; use fewer inputs or a narrower "
                    "precision.weight_bits"
                )
            if i == 0:
                limit = room // each
        return limit

    @cached_property
    def feedback(self) -> tuple[Array, ...] | None:
        """Fixed (n above, n below) numbers over which signals reach each hidden layer; None: the weights themselves.

        Uniform over the range of a mantissa, see `feedback.feedback_weight`.
        """
        if self.options.feedback == "symmetric":
            return None
        return tuple(
            random_feedback(self.options.seed, above.index, above.size, above.layer.inputs, self.weight_bits)
            for above in self.layers[1:]
        )


def _parameters(name: str, layer: QuantizedLayer, places: tuple[int, ...], widths: Widths) -> tuple[ParameterPlan, ...]:
    model = layer.model
    if not places:
        return ()
    if len(model.trainable) > PARAMETERS_OF_A_LAYER:
        raise InputError(
            f"{name}: neuron '{model.name}' has {len(model.trainable)} trainable parameters, rule: at most "
            f"{PARAMETERS_OF_A_LAYER} where any of them learns, since each has random words of its own"
        )
    assert model.learned is not None
    units = model.learned.units({key: layer.constant(key) for key in model.fixed_constants})
    plans = []
    for j in places:
        fraction = widths.parameter_fraction(units[j])
        plans.append(ParameterPlan(j, model.trainable[j], float(units[j]), fraction, widths.parameter_shift(fraction)))
    return tuple(plans)
