"""What any range of one population's neurons takes of a core."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.placement.layer_memory import LayerMemory
from hypr_neuro.placement.learning_memory import part_memory, population_memory
from hypr_neuro.placement.limits import OTHER_CHIP, Limits
from hypr_neuro.placement.sources import DistinctSources, distinct_of_several
from hypr_neuro.placement.stored import HeldSynapses, StoredConnection
from hypr_neuro.sim.learning.plan import LearningPlan


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
        learning = self.learning_bits(first, stop)
        return RangeNeeds(
            neurons=stop - first,
            synapses=sum(h.synapses for h in held),
            in_axons=self.in_axons(first, stop),
            memory_bits=sum(h.memory_bits for h in held) + learning,
            learning_bits=learning,
            held=held,
        )

    def in_axons(self, first: int, stop: int) -> int:
        """Count the sources of neurons first to stop: those of several connections, and the bias axon, once."""
        always, listed = self._axons
        return always + sum(part.count(first, stop) for part in listed)

    @cached_property
    def _axons(self) -> tuple[int, list[DistinctSources]]:
        """Axons that every neuron has, and what counts all others."""
        whole = {c.source: c.source_size for c in self.incoming if c.starts is None and c.source_size}
        always_on = any(c.rounds or (c.starts is None and c.bias_axon) for c in self.incoming)
        listed = [c for c in self.incoming if c.starts is not None]
        alone = {name for name, count in Counter(c.source for c in listed).items() if count == 1}
        plain = [c for c in listed if c.source in alone and not c.bias_axon and c.source not in whole]
        # the others share sources, or the bias axon, and are counted together
        together = [_counted(c, whole, always_on, at) for c, at in self._numbered(c for c in listed if c not in plain)]
        several = distinct_of_several(together) if together else []
        return sum(whole.values()) + int(always_on), [*(c.distinct for c in plain), *several]

    def _numbered(self, connections: Iterable[StoredConnection]) -> Iterator[tuple[StoredConnection, int]]:
        """Yield connections with the number of their first source; 0 is the bias axon's."""
        first: dict[str, int] = {}
        for c in connections:
            yield c, first.setdefault(c.source, 1 + len(first) * (1 << 32))

    def learning_bits(self, first: int, stop: int) -> int:
        """Return what learning stores of neurons first to stop."""
        if self.learning is None:
            return 0
        whole, plan = self.learning
        counts = [c.synapses(first, stop) for c, learns in zip(self.incoming, self.learns, strict=True) if learns]
        return part_memory(whole, plan, counts, stop - first).bits

    def fan_in(self) -> Array:
        """Return the synapses of each neuron, (neurons,)."""
        return sum((c.row_counts() for c in self.incoming), np.zeros(self.size, np.int64))

    def exceeds(self, first: int, stop: int, limits: Limits) -> str | None:
        """Return the limit of a core, other than of output axons, that a range does not keep to; None for none."""
        if limits.neurons is not None and stop - first > limits.neurons:
            return "neurons"
        if limits.in_axons is not None and self.in_axons(first, stop) > limits.in_axons:
            return "in_axons"
        memory = limits.synaptic_memory
        return None if memory is None or self._keeps_to(first, stop, memory) else "synaptic_memory"

    def _keeps_to(self, first: int, stop: int, memory: int) -> bool:
        """Tell whether a range takes so many bits at most; each axon is looked at only where it is close."""
        learning = self.learning_bits(first, stop)
        between = [c.memory_between(first, stop) for c in self.incoming]
        least, most = learning + sum(low for low, _ in between), learning + sum(high for _, high in between)
        if least > memory or most <= memory:
            return most <= memory
        return learning + sum(c.held(first, stop).memory_bits for c in self.incoming) <= memory

    def longest(self, first: int, most: int, guess: int, limits: Limits) -> tuple[int, str | None]:
        """Return how many neurons from `first` on, at most `most`, keep to the limits, and the limit that ends them.

        A range never takes less than part of it, so that a search by halves finds the end; it begins around `guess`.
        """
        fits, fails, reason = 0, most + 1, None
        probe, step = min(max(guess, 1), most), max(guess // 16, 1)
        while fails - fits > 1:
            fault = self.exceeds(first, first + probe, limits)
            if fault is None:
                fits = probe
                probe = min(fits + step, most) if fails > most else (fits + fails) // 2
            else:
                fails, reason = probe, fault
                probe = max(fails - step, 1) if fits == 0 else (fits + fails) // 2
            step *= 2
        return fits, reason

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


def _counted(c: StoredConnection, whole: Container[str], always_on: bool, at: int) -> tuple[Array, Array]:
    """Return starts and sources of those synapses of a listed connection whose axons not every neuron has anyway."""
    assert c.starts is not None
    assert c.indices is not None
    bias = c.indices == c.source_size
    kept = np.where(bias, not always_on, c.source not in whole)
    starts = np.concatenate([[0], np.cumsum(kept)])[c.starts]
    return starts, np.where(bias, 0, c.indices.astype(np.int64) + at)[kept]


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
