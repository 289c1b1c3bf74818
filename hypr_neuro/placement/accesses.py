"""Accesses to memory: how many numbers a sample reads and writes, and what they take where a figure is known.

Counted for a sample that takes T' device steps, of numbers in their widths:

    weights read             synaptic operations (none where weights are analog cells)
    states read, written     neurons · states · T'
    parameters read          neurons · integers of a neuron · T'

and by learning, on top of that, of everything that it keeps (`placement.learning_memory`):

    each step                eligibilities and gradients of synapses and parameters, read and written; ψ, Jacobians and
                             signals, written once and read once; of what waits one number read and one written; weights
                             over which signals go back, read
    each update              weights and parameters that learn, their momentum, residuals and means, read and written

A memory of words of W bits takes at least bits / W accesses, where numbers lie packed and are met in their order, and
at most one or more whole words for each number. Energy lies between, times that of one access: `energy.memory_access`
of the profile with `energy.memory_word`, or a set of figures of a technology, which is not the chip's. Without either
it is unknown; the counts are there all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from hypr_neuro.errors import InputError, among
from hypr_neuro.placement.cost import UNKNOWN, WIDTH, counted
from hypr_neuro.placement.layer_memory import Entries
from hypr_neuro.placement.learning_memory import neuron_bits, population_memory
from hypr_neuro.placement.place import Placement
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.plan import LearningPlan

BITS_PER_KIB = 8 * 1024


@dataclass(frozen=True)
class AccessFigure:
    """What one access takes.

    Attributes
    ----------
    least_pj, most_pj
        Energy of one access.
    word
        Bits of one access.
    source
        Where it stands, and of which memory it is.
    """

    least_pj: float
    most_pj: float
    word: int
    source: str


HOROWITZ = "Horowitz, ISSCC 2014, doi 10.1109/ISSCC.2014.6757323, rough energy costs in 45 nm at 0.9 V"
SETS: dict[str, tuple[tuple[float, AccessFigure], ...]] = {
    "generic_45nm": (
        (8, AccessFigure(10.0, 10.0, 64, f"{HOROWITZ}: 64 bits of an SRAM of 8 KB")),
        (32, AccessFigure(20.0, 20.0, 64, f"{HOROWITZ}: 64 bits of an SRAM of 32 KB")),
        (1024, AccessFigure(100.0, 100.0, 64, f"{HOROWITZ}: 64 bits of an SRAM of 1 MB")),
        (float("inf"), AccessFigure(1300.0, 2600.0, 64, f"{HOROWITZ}: 64 bits of a DRAM")),
    )
}
"""By name figures of a technology, each for memories of up to so many KiB; not those of any chip here."""


@dataclass(frozen=True)
class Accesses:
    """Numbers of one kind that are read and written in a sample, and the bits of all of them."""

    name: str
    read: float
    written: float
    bits_read: float
    bits_written: float

    def words(self, width: int) -> tuple[float, float]:
        """Return the accesses of that many bits, at least and at most."""
        pairs = ((self.read, self.bits_read), (self.written, self.bits_written))
        return sum(bits / width for _, bits in pairs), sum(_whole_words(n, bits, width) for n, bits in pairs)


def _whole_words(numbers: float, bits: float, width: int) -> float:
    """Return the words of so many numbers, each in words of its own."""
    return numbers * -(-(bits / numbers) // width) if numbers else 0.0


@dataclass(frozen=True)
class MemoryAccesses:
    """All accesses of a sample, or of a step at most.

    Attributes
    ----------
    inference, learning
        By kind; learning is None where the network does not learn.
    figure
        What one access takes, None where that is not known.
    technology
        Name of the set that the figure is of, "" for the profile's own.
    """

    inference: tuple[Accesses, ...]
    learning: tuple[Accesses, ...] | None
    figure: AccessFigure | None
    technology: str = ""

    def energy_nj(self, kinds: Iterable[Accesses]) -> tuple[float, float] | None:
        """Return the energy of accesses in nJ, at least and at most; None if unknown."""
        if self.figure is None:
            return None
        words = [kind.words(self.figure.word) for kind in kinds]
        least, most = sum(low for low, _ in words), sum(high for _, high in words)
        return least * self.figure.least_pj / 1e3, most * self.figure.most_pj / 1e3

    def section(self) -> dict[str, Any]:
        """Return plain data, "unknown" for what has no figure."""
        figure = self.figure
        return {
            "inference": self._section(self.inference),
            "learning": None if self.learning is None else self._section(self.learning),
            "word_bits": UNKNOWN if figure is None else figure.word,
            "source": UNKNOWN if figure is None else figure.source,
            "technology": self.technology,
        }

    def _section(self, kinds: tuple[Accesses, ...]) -> dict[str, Any]:
        energy = self.energy_nj(kinds)
        return {
            "numbers": [vars(kind) for kind in kinds],
            "energy_nj": UNKNOWN if energy is None else list(energy),
        }

    def summary(self) -> list[str]:
        """Tell sums of numbers and energy, in a line each."""
        told = [("memory", self.inference)] + ([] if self.learning is None else [("learning", self.learning)])
        return [
            f"{title}: {counted(sum(k.read for k in kinds))} read, {counted(sum(k.written for k in kinds))} written, "
            f"energy {self._energy(kinds)}"
            for title, kinds in told
        ]

    def _energy(self, kinds: tuple[Accesses, ...]) -> str:
        energy = self.energy_nj(kinds)
        return UNKNOWN if energy is None else f"{energy[0]:.4g} to {energy[1]:.4g} nJ"

    def lines(self) -> list[str]:
        """Tell them, a line a kind."""
        told = [("memory accesses of inference", self.inference)]
        told += [] if self.learning is None else [("memory accesses of learning", self.learning)]
        lines = []
        for title, kinds in told:
            lines.append(f"{title}: energy {self._energy(kinds)}")
            lines += [f"  {k.name:<24}{counted(k.read):>14} read {counted(k.written):>14} written" for k in kinds]
        whose = f"figures of {self.technology}, of no chip here: " if self.technology else ""
        source = "no figure of an access is known" if self.figure is None else f"{whose}{self.figure.source}"
        return [*lines, *wrap(f"accesses: {source}", WIDTH, subsequent_indent="  ")]


def accesses_of(
    placement: Placement,
    qnet: QuantizedNetwork,
    run_steps: int,
    operations: float,
    learning: tuple[LearningPlan, int, float] | None = None,
    technology: str = "",
) -> MemoryAccesses:
    """Count the accesses of a sample.

    Parameters
    ----------
    placement, qnet
        The network and where it lies; figures are those of the profile of `qnet`.
    run_steps
        Device steps.
    operations
        Weights that are read for spikes and inputs.
    learning
        How it learns, in how many steps, with how many updates; None where it does not.
    technology
        Name of a set of `SETS`, whose figure for the memory of the fullest core is taken; "" for the profile's own.

    Raises
    ------
    InputError
        For a set that is none.
    """
    chip = qnet.profile
    figure = _figure(chip) if not technology else figure_for(technology, largest_memory(placement, qnet))
    learned = None if learning is None else _learning(*learning, digital=chip.analog is None)
    return MemoryAccesses(_inference(qnet, run_steps, operations), learned, figure, technology)


def figure_for(technology: str, bits: int) -> AccessFigure:
    """Return a technology's figure for a memory of that size; InputError for an unknown one."""
    if technology not in SETS:
        raise InputError(f"figures of memory: unknown set {among(technology, sorted(SETS))}")
    return next(figure for kib, figure in SETS[technology] if bits <= kib * BITS_PER_KIB)


def largest_memory(placement: Placement, qnet: QuantizedNetwork) -> int:
    """Return the bits of weights, learning, states and parameters on the fullest core."""
    models = {p.name: p.model for p in qnet.populations}
    bits: dict[int, int] = {}
    for use in placement.cores:
        own = neuron_bits(models[use.layer], use.neurons, qnet.profile.of(use.layer)) if use.layer in models else 0
        bits[use.core] = bits.get(use.core, 0) + use.memory_bits + own
    return max(bits.values(), default=0)


def _figure(chip: Profile) -> AccessFigure | None:
    access, word = chip.energy.memory_access, chip.energy.memory_word
    if access is None or word is None:
        return None
    return AccessFigure(access.value, access.value, int(word.value), access.told_source)


def _inference(qnet: QuantizedNetwork, run_steps: int, operations: float) -> tuple[Accesses, ...]:
    states: list[tuple[int, int]] = []
    numbers: list[tuple[int, int]] = []
    for p in qnet.populations:
        bits = int(qnet.profile.of(p.name).precision.state_bits.value)
        states.append((p.size * p.model.d * run_steps, bits))
        numbers.append((p.size * len(p.model.fixed_per_neuron) * run_steps, bits))
    widest = max((qnet.weight_bits(c) for c in qnet.connections), default=0)
    weights = 0.0 if qnet.profile.analog else operations
    return (
        _kind("weights", [(weights, widest)], written=False),
        _kind("states", states),
        _kind("neuron parameters", numbers, written=False),
    )


def _kind(name: str, numbers: Iterable[tuple[float, int]], *, written: bool = True) -> Accesses:
    """Return numbers (count, bits of one) that are read, and where `written` is true written as often."""
    pairs = list(numbers)
    count, bits = float(sum(n for n, _ in pairs)), float(sum(n * width for n, width in pairs))
    return Accesses(name, count, count if written else 0.0, bits, bits if written else 0.0)


KEPT_AT_UPDATES = ("momentum", "residual", "steps that wait")
"""Words in the names of what only an update reads and writes."""


def _learning(plan: LearningPlan, steps: int, updates: float, *, digital: bool) -> tuple[Accesses, ...]:
    memory = [population_memory(plan, i) for i in range(len(plan.layers))]
    kept: dict[str, list[tuple[float, int]]] = {"eligibilities": [], "gradients": [], "signals": [], "updates": []}
    for m in memory:
        for entries, times in ((m.per_synapse, m.synapses), (m.per_neuron, m.neurons)):
            for name, count, bits in _each_step(entries):
                at_update = any(word in name for word in KEPT_AT_UPDATES)
                kept[_kind_of(name)].append((count * times * (updates if at_update else steps), bits))
        kept["updates"] += [(count * updates, bits) for count, bits in m.layer.values()]
    weights: list[tuple[float, int]] = []
    back: list[tuple[float, int]] = []
    for layer in plan.layers:
        for c in layer.incoming:
            size = int(c.weights().size) if digital else 0
            weights += [(size * updates, c.weight_bits)] if c.learns else []
            back += [(size * steps, c.weight_bits)] if plan.returns(c) and plan.options.feedback != "random" else []
        own = len(layer.parameters) * layer.size
        weights += [(own * updates, layer.widths.state_bits)]
    return (
        _kind("eligibilities", kept["eligibilities"]),
        _kind("gradients", kept["gradients"]),
        _kind("Jacobians and signals", kept["signals"]),
        _kind("weights for signals", back, written=False),
        _kind("weights, parameters", weights),
        _kind("of the update rule", kept["updates"]),
    )


def _each_step(entries: Entries) -> Iterable[tuple[str, int, int]]:
    """Yield names, numbers and bits of what a step meets: of what waits in turn one number."""
    for name, (count, bits) in entries.items():
        in_turn = "waiting" in name or "signals" in name
        yield name, 1 if in_turn else count, bits


def _kind_of(name: str) -> str:
    if any(word in name for word in KEPT_AT_UPDATES):
        return "updates"
    if "eligibilities" in name:
        return "eligibilities"
    return "gradients" if "accumulator" in name else "signals"
