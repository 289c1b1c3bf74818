"""What learning knows of one layer or population, and of each thing in it that learns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.clock import SignalTerm
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.neurons.by_current import jacobian_of
from hypr_neuro.neurons.contract import check_steps
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import draw32, shr_floor
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedLayer, QuantizedPopulation
from hypr_neuro.sim.crossbar.eligibility import Store
from hypr_neuro.sim.learning.counter import PARAMETER_TENSORS, PARAMETERS_OF_A_LAYER
from hypr_neuro.sim.learning.incoming import Incoming
from hypr_neuro.sim.learning.widths import Widths

DRIVE_PROBE = 1 << 10
"""Units of a current, few enough to saturate nothing and enough for what shifts drop to be small."""


@dataclass(frozen=True)
class Tensor:
    """Something that one run of the update rule changes: a connection, or one neuron parameter of a layer.

    Attributes
    ----------
    layer : int
        Place of the layer or population.
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
    incoming : int
        Place of the connection among those to the population, 0 of a parameter.
    weight_bits : int
        In which a weight is stored, 0 of a parameter.
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
    incoming: int = 0
    weight_bits: int = 0

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
    """One layer, or population, of a `LearningPlan`.

    Attributes
    ----------
    index, name
        Its place, "layers.0" or "readout".
    neurons : QuantizedPopulation
        Its integers; what learning changes in it changes here, too.
    incoming : tuple of Incoming
        The connections to it.
    readout : bool
        Whether its signal is the error.
    learns : bool
        Whether any of its weights learn.
    parameters : tuple of ParameterPlan
        Neuron parameters that learn.
    widths : Widths
        All its widths.
    waiting, signal_wait : int
        Steps for which its eligibilities wait for their signal, and for which signals wait in front of it, see
        `graph.clock`.
    terms : tuple of SignalTerm
        What its signal is made of: nothing where no way leads to an output.
    active : bool
        Whether signals reach it for it or for what lies below, so that its Jacobian is computed; only then its neurons
        need one.
    seed : int
        Of the options of learning.
    """

    index: int
    name: str
    neurons: QuantizedPopulation
    incoming: tuple[Incoming, ...]
    readout: bool
    learns: bool
    parameters: tuple[ParameterPlan, ...]
    widths: Widths
    waiting: int
    signal_wait: int
    terms: tuple[SignalTerm, ...]
    active: bool
    network: QuantizedNetwork
    seed: int = 0

    @property
    def layer(self) -> QuantizedLayer:
        """Its integers in a chain of layers; InputError where the network is none."""
        return self.network.layers[self.index]

    @property
    def bits_from_below(self) -> int:
        """Bits of the weights of the first forward connection, in a chain that from the layer below."""
        return next(c.weight_bits for c in self.incoming if c.forward)

    @property
    def model(self) -> NeuronModel:
        """Its neuron model."""
        return self.neurons.model

    @property
    def size(self) -> int:
        """Its neurons."""
        return self.neurons.size

    @property
    def lag(self) -> int:
        """Steps from what is below in a chain, the input or a layer, to it: for spikes and for its bias axon."""
        return self.incoming[0].lag

    @property
    def synapses(self) -> int:
        """Count a neuron's synapses that may learn, of sparse connections those of the neuron that has most."""
        return sum(c.synapses for c in self.incoming if c.learns or not self.learns)

    def learning(self, input_current: int) -> tuple[Incoming, ...]:
        """Return the connections to one input current that learn, by the place of their synapses."""
        chosen = (c for c in self.incoming if c.learns and c.connection.current == input_current)
        return tuple(sorted(chosen, key=lambda c: c.first))

    @property
    def listed(self) -> bool:
        """Whether each of its neurons has synapses of its own, instead of the same sources for all."""
        return any(c.listed for c in self.incoming if c.learns)

    @property
    def takes_error_alone(self) -> bool:
        """Whether its signal is the error of an output, as it is."""
        return [term.connection for term in self.terms] == [None]

    @property
    def places(self) -> tuple[int, ...]:
        """Return the places of the parameters that learn, in the model's `trainable`."""
        return tuple(p.place for p in self.parameters)

    @property
    def first_parameter_number(self) -> int:
        """Tensor number of the model's first trainable parameter; the others follow in their order."""
        return PARAMETER_TENSORS + PARAMETERS_OF_A_LAYER * self.index

    @cached_property
    def learning_numbers(self) -> tuple[int, ...]:
        """What the Jacobian finds behind the layer's constants."""
        return tuple(int(getattr(self.widths, name)) for name in self.model.fixed_learning)

    @cached_property
    def constants(self) -> Array:
        """Constants of the layer, those of learning behind them, as its Jacobian takes them."""
        whole: Array = np.concatenate([self.neurons.constants, np.array(self.learning_numbers, np.int64)])
        return whole.astype(np.int64)

    def eligibility_store(self, input_current: int, shape: tuple[int, int]) -> Store | None:
        """Make the analog variables (neurons, synapses) that keep its eligibilities; None of digital memory."""
        analog = self.network.profile.analog
        if analog is None or analog.eligibility_time is None:
            return None
        return Store(analog, self.index, input_current, shape, draw32(int(analog.chip.value), self.seed, 0, 0))

    def largest_gain(self, input_current: int | None = None) -> int:
        """Return the largest |B·C| with coefficient fraction bits: at `gain_point`, with the largest ψ of the table.

        Of one input current, or of all.
        """
        chosen = range(self.model.currents) if input_current is None else (input_current,)
        return max(self._largest_gain(k) for k in chosen)

    def _largest_gain(self, input_current: int) -> int:
        psi = int(np.abs(self.neurons.psi_table).max())
        constants, largest = tuple(map(int, self.constants)), 0
        for column in np.unique(self.neurons.per_neuron, axis=1).T:  # many may be alike
            p = tuple(map(int, column)) + constants
            state, current = self.model.gain_point(p)
            _, B, C, *_ = jacobian_of(self.model, input_current)(state, state, 0, current, p, psi)
            product = abs(sum(int(b) * int(c) for b, c in zip(B, C, strict=True)))
            largest = max(largest, shr_floor(product, self.widths.coefficient_fraction))
        return largest

    def drive_scale(self, input_current: int = 0) -> float:
        """Return the scale of a current as the Jacobian has it: integer I · B / 2^kc over real I · B.

        That of the current itself, except where a factor of B lies in the weights' scale, as δ of BRF does. Taken of
        the first neuron at its `gain_point`, from what a step makes of a current.
        """
        p = tuple(map(int, self.neurons.per_neuron[:, 0])) + tuple(map(int, self.neurons.constants))
        state, current = self.model.gain_point(p)
        _, B, *_ = jacobian_of(self.model, input_current)(state, state, 0, current, (*p, *self.learning_numbers), 0)
        place = max(range(len(B)), key=lambda j: abs(int(B[j])))
        more = tuple(DRIVE_PROBE * (k == input_current) for k in range(len(current)))
        moves = current, tuple(I + extra for I, extra in zip(current, more, strict=True))
        ends = [self.model.fixed_step(state, 0, I, p)[0][place] for I in moves]
        moved = (int(ends[1]) - int(ends[0])) / DRIVE_PROBE
        drive = int(B[place]) / (1 << self.widths.coefficient_fraction)
        return float(drive * self.neurons.state_scale / moved) if moved * drive > 0 else self.neurons.current_scale


def check_neurons(name: str, neurons: QuantizedPopulation) -> None:
    """Raise InputError, naming the population, unless its neurons can learn; their functions are tried once."""
    if not neurons.model.readout and not neurons.psi_table.any():
        raise InputError(
            f"{name}: neuron '{neurons.model.name}' has a ψ table of zeros alone, rule: others to learn; "
            "quantize the network anew"
        )
    first = tuple(int(v) for v in (*neurons.per_neuron[:, 0], *neurons.constants))
    check_steps(name, neurons.model, first, len(neurons.psi_table))


def parameter_plans(
    name: str, layer: QuantizedPopulation, places: tuple[int, ...], widths: Widths
) -> tuple[ParameterPlan, ...]:
    """Plan the neuron parameters at these places of the model's `trainable`, which learn."""
    model = layer.model
    if not places:
        return ()
    if len(model.trainable) > PARAMETERS_OF_A_LAYER:
        raise InputError(
            f"{name}: neuron '{model.name}' has {len(model.trainable)} trainable parameters, rule: at most "
            f"{PARAMETERS_OF_A_LAYER} where any of them learns, since each has random words of its own"
        )
    assert model.learned is not None
    units = model.learned.units(layer.named_constants())
    plans = []
    for j in places:
        fraction = widths.parameter_fraction(units[j])
        plans.append(ParameterPlan(j, model.trainable[j], float(units[j]), fraction, widths.parameter_shift(fraction)))
    return tuple(plans)
