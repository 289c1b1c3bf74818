"""What learning stores of one population: records of which `learning_memory` fills in the numbers."""

from __future__ import annotations

from dataclasses import dataclass

from hypr_neuro.neurons.base import NeuronModel

Entries = dict[str, tuple[int, int]]
"""By name how many numbers, and the bits of one."""


@dataclass(frozen=True)
class LearningConnection:
    """The synapses of one connection that learn, or those of them that one core holds.

    Attributes
    ----------
    key
        The connection: of a chain of layers "input" or "recurrent".
    synapses
        How many.
    rows, columns
        What an update changes: neurons and synapses of each, or all weights of a list and 1.
    all_rows
        Rows of the whole connection: means are as wide as these need.
    listed
        Whether its synapses stand in a list.
    """

    key: str
    synapses: int
    rows: int
    columns: int
    all_rows: int
    listed: bool = False


@dataclass(frozen=True)
class LearningTimes:
    """When signals come to a population, and what of its Jacobian they meet.

    Attributes
    ----------
    waiting
        Steps for which eligibilities wait for their signal.
    signals
        Learning signals that wait, with the bits of each: (numbers, bits) for each time that parts of it wait.
    active
        Whether signals reach the population for it or for what lies below.
    passes_down
        Whether something below it learns.
    """

    waiting: int
    signals: tuple[tuple[int, int], ...]
    active: bool
    passes_down: bool


@dataclass(frozen=True)
class LayerMemory:
    """What learning stores of one population, or of its neurons on one core: each entry (numbers, bits of one).

    Attributes
    ----------
    name
        The population, of a chain a layer.
    model, neurons, parameters
        Its neurons, how many, and how many of their parameters learn.
    whole
        Neurons of the whole population.
    learning
        Its synapses that learn, by connection.
    per_synapse, per_neuron
        Of one synapse that learns and of one neuron.
    layer
        Of the population as a whole.
    network
        Weights, states and parameters of the population, which it has without learning, too; {} of a part on a core.
    """

    name: str
    model: NeuronModel
    neurons: int
    whole: int
    parameters: int
    learning: tuple[LearningConnection, ...]
    per_synapse: Entries
    per_neuron: Entries
    layer: Entries
    network: Entries

    @property
    def synapses(self) -> int:
        """How many synapses learn."""
        return sum(c.synapses for c in self.learning)

    @property
    def synapse_bits(self) -> int:
        """Of one synapse that learns."""
        return _bits(self.per_synapse)

    @property
    def neuron_bits(self) -> int:
        """Of one neuron, its synapses apart."""
        return _bits(self.per_neuron)

    @property
    def bits(self) -> int:
        """Of the whole population, every number in its own width."""
        return self.synapses * self.synapse_bits + self.neurons * self.neuron_bits + _bits(self.layer)

    @property
    def whole_bytes(self) -> int:
        """Of the whole population, every number in as many bytes as it needs."""
        return (
            self.synapses * _whole_bytes(self.per_synapse)
            + self.neurons * _whole_bytes(self.per_neuron)
            + _whole_bytes(self.layer)
        )

    @property
    def network_bits(self) -> int:
        """Of weights, states and parameters."""
        return _bits(self.network)

    @property
    def network_bytes(self) -> int:
        """The same, every number in as many bytes as it needs."""
        return _whole_bytes(self.network)


def _bits(entries: Entries) -> int:
    return sum(count * width for count, width in entries.values())


def _whole_bytes(entries: Entries) -> int:
    return sum(count * -(-width // 8) for count, width in entries.values())
