"""What any range of one population's neurons takes of a core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.placement.layer_memory import LayerMemory
from hypr_neuro.placement.learning_memory import part_memory, population_memory
from hypr_neuro.placement.limits import OTHER_CHIP, Limits
from hypr_neuro.placement.stored import HeldSynapses, StoredConnection
from hypr_neuro.sim.learning.plan import LearningPlan

_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class RangeNeeds:
    """What a range of neurons takes.

    Attributes
    ----------
    neurons, synapses, in_axons
        How many; a source that several connections bring, and the bias axon, is one axon.
    memory_bits
        Synapses, with what their learning takes.
    learning_bits
        Of it learning.
    held
        What it has of each connection to the population.
    """

    neurons: int
    synapses: int
    in_axons: int
    memory_bits: int
    learning_bits: int
    held: tuple[HeldSynapses, ...]


class PopulationNeeds:
    """Computes what ranges of a population's neurons take.

    Parameters
    ----------
    name, size
        The population and its neurons.
    incoming
        The connections to it, as they are stored.
    learns
        Of each whether it learns.
    learning
        What learning stores of the whole population, and the plan of it; None where nothing learns.
    """

    def __init__(
        self,
        name: str,
        size: int,
        incoming: Sequence[StoredConnection],
        learns: Sequence[bool],
        learning: tuple[LayerMemory, LearningPlan] | None,
    ) -> None:
        self.name, self.size, self.incoming = name, size, tuple(incoming)
        self.learns, self.learning = tuple(learns), learning

    def range(self, first: int, stop: int) -> RangeNeeds:
        """Return what neurons first to stop take."""
        held = tuple(c.held(first, stop) for c in self.incoming)
        learning = self._learning_bits(held, stop - first)
        return RangeNeeds(
            neurons=stop - first,
            synapses=sum(h.synapses for h in held),
            in_axons=self._axons(held),
            memory_bits=sum(h.memory_bits for h in held) + learning,
            learning_bits=learning,
            held=held,
        )

    def _axons(self, held: Sequence[HeldSynapses]) -> int:
        """Count the distinct sources, the bias axon among them."""
        reached: dict[str, list[Array | None]] = {}
        sizes: dict[str, int] = {}
        for c, h in zip(self.incoming, held, strict=True):
            reached.setdefault(c.source, []).append(h.sources if c.source_size else _NONE)
            sizes[c.source] = max(c.source_size, sizes.get(c.source, 0))
        axons = int(any(h.bias_axon for h in held))
        for source, parts in reached.items():
            listed = [part for part in parts if part is not None]
            if len(listed) < len(parts):
                axons += sizes[source]
            else:
                axons += len(listed[0]) if len(listed) == 1 else len(np.unique(np.concatenate(listed)))
        return axons

    def _learning_bits(self, held: Sequence[HeldSynapses], neurons: int) -> int:
        if self.learning is None:
            return 0
        whole, plan = self.learning
        counts = [h.synapses for h, learns in zip(held, self.learns, strict=True) if learns]
        return part_memory(whole, plan, counts, neurons).bits

    def fan_in(self) -> Array:
        """Return the synapses of each neuron, (neurons,)."""
        return sum((c.row_counts() for c in self.incoming), np.zeros(self.size, np.int64))

    def exceeds(self, needs: RangeNeeds, limits: Limits) -> str | None:
        """Return the limit of a core, other than of output axons, that a range does not keep to; None for none."""
        pairs = (
            ("neurons", needs.neurons, limits.neurons),
            ("in_axons", needs.in_axons, limits.in_axons),
            ("synaptic_memory", needs.memory_bits, limits.synaptic_memory),
        )
        return next((key for key, value, limit in pairs if limit is not None and value > limit), None)

    def check_neurons(self, limits: Limits) -> None:
        """Raise DoesNotFitError, naming population and limit, for delays too long and neurons of too many synapses."""
        for c in self.incoming:
            limits.check(
                f"{self.name}, connection {c.name}",
                "steps of delay",
                c.largest_delay,
                "delay",
                f"shorten its delays, {OTHER_CHIP}",
            )
        fan_in = self.fan_in()
        fullest = int(fan_in.argmax())
        limits.check(
            self.name,
            f"synapses of one neuron (number {fullest})",
            int(fan_in[fullest]),
            "fan_in",
            f"give each of its neurons at most {limits.fan_in} synapses over {self.ways()}, {OTHER_CHIP}",
        )

    def check_one(self, neuron: int, limits: Limits) -> None:
        """Raise DoesNotFitError where one neuron alone takes more than a core has."""
        one = self.range(neuron, neuron + 1)
        limits.check(
            self.name,
            f"in axons of one neuron (number {neuron})",
            one.in_axons,
            "in_axons",
            f"give each of its neurons at most {limits.in_axons} sources over {self.ways()}, {OTHER_CHIP}",
        )
        less = "learn in fewer connections or place without learning, " if one.learning_bits else ""
        limits.check(
            self.name,
            f"memory bits of one neuron (number {neuron}; {one.learning_bits} of them for learning)",
            one.memory_bits,
            "synaptic_memory",
            f"{less}give each of its neurons fewer synapses over {self.ways()}, {OTHER_CHIP}",
        )

    def ways(self) -> str:
        """Name the connections to it."""
        return ", ".join(c.name for c in self.incoming) or "no connection"


def population_needs(
    sizes: dict[str, int], stored: Sequence[StoredConnection], plan: LearningPlan | None
) -> list[PopulationNeeds]:
    """Return the needs of each population of a network, given by name and size, in its order.

    plan : how the network learns, None if it does not
    """
    needs = []
    for i, (name, size) in enumerate(sizes.items()):
        incoming = [c for c in stored if c.target == name]
        learns = [False] * len(incoming)
        if plan is not None:
            learns = [c.learns for c in plan.layers[i].incoming]
        learning = None if plan is None else (population_memory(plan, i), plan)
        needs.append(PopulationNeeds(name, size, incoming, learns, learning))
    return needs
