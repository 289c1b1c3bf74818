"""What the C text of a learning network is made of: the numbers of each layer, taken from the definition itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hypr_neuro.compilers.c.learning.source import narrow_input
from hypr_neuro.errors import InputError
from hypr_neuro.quantizing.quantize import QuantizedNetwork
from hypr_neuro.sim.learning.changing import largest_input
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.reference import PARAMETERS, LearningReference
from hypr_neuro.sim.learning.reference_layer import LearningLayer

CURRENTS = 1
GRADED = (1 << 15) - 1
"""Largest value of a graded input of 16 bits."""
LARGEST_WIDTH = 63
"""Bits of a feedback sum, as in the simulator."""


@dataclass(frozen=True)
class Tensor:
    """What one run of the update rule changes: a connection, or one neuron parameter of a layer.

    key : "input", "recurrent" or the parameter's name. number : the random counter's word
    first, columns : its sources among those of the layer, weights and parameters each from 0. rows : neurons
    """

    layer: int
    key: str
    number: int
    rows: int
    first: int
    columns: int
    parameter: bool

    @property
    def label(self) -> str:
        """As C names it."""
        return f"{self.key}_{self.layer}"


class Plan:
    """A quantized network, how it learns, and what follows from both.

    layers : of the definition (`sim.layer_reference`), with all widths and shifts. lowest : first layer that learns
    shifts : of the feedback from each layer but the first. largest : magnitude that an input value may have
    """

    def __init__(self, qnet: QuantizedNetwork, options: LearnOptions) -> None:
        options.check(qnet)
        for i, layer in enumerate(qnet.layers):
            layer.model.require_learning(qnet.name(i))
            if layer.model.currents != CURRENTS:
                raise InputError(
                    f"{qnet.name(i)}: neuron '{layer.model.name}' has {layer.model.currents} input "
                    f"currents, rule: {CURRENTS} for learning; choose another neuron"
                )
        reference = LearningReference(qnet, options)
        self.qnet, self.options, self.layers = qnet, options, reference.layers
        self.lowest, self.shifts = reference.lowest, reference.shifts
        self.largest = self._input_limit()
        self.hop = int(qnet.profile.time.connection_delay.value)
        self.latency = int(qnet.profile.time.error_latency.value) if self.lowest < self.last else 0
        self.tail = max(layer.wait + layer.latency for layer in self.layers)
        self._check_feedback()

    @property
    def last(self) -> int:
        """Index of the readout."""
        return len(self.layers) - 1

    def _input_limit(self) -> int:
        """That of the simulator; less where 32 bits then do for synapses of the input, but 16 bits at least."""
        largest, first = largest_input(self.qnet), self.layers[0]
        narrow = narrow_input(first) if first.learns else largest
        return min(largest, narrow) if narrow >= GRADED else largest

    def _check_feedback(self) -> None:
        """Refuse what the simulator refuses: feedback sums that leave 63 bits."""
        top = (1 << (self.qnet.profile.precision.weight_bits.value - 1)) - 1
        for above in self.layers[1:]:
            parts = 2 * 4 if above.is_readout else above.layer.size
            largest = parts * top * max(above.largest_gain(), 1) << (above.signal_bits - 1)
            if largest.bit_length() > LARGEST_WIDTH:
                raise InputError(
                    f"{above.name}: feedback sums can need {largest.bit_length()} bits, rule: {LARGEST_WIDTH}; lower "
                    "learning.signal_bits or precision.weight_bits in the profile"
                )

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything that learns, layer by layer, weights first."""
        return tuple(t for i, layer in enumerate(self.layers) if layer.learns for t in _tensors(i, layer))

    def active(self, i: int) -> bool:
        """Whether signals reach layer i, so that its Jacobian is computed."""
        return i >= self.lowest

    def passes_down(self, i: int) -> bool:
        """Whether a layer below i learns."""
        return i > self.lowest


def _tensors(i: int, layer: LearningLayer) -> list[Tensor]:
    n, first, found = layer.layer.size, 0, []
    for key, connection in layer.layer.connections().items():
        columns = connection.mantissa.shape[1]
        found.append(Tensor(i, key, 2 * i + (key == "recurrent"), n, first, columns, False))
        first += columns
    for q, j in enumerate(layer.parameters):
        number = PARAMETERS + 16 * i + j
        found.append(Tensor(i, layer.layer.model.trainable[j], number, n, q, 1, True))
    return found
