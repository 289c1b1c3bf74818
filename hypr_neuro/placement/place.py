"""Placement: which neurons go on which core, and what that uses of each limit.

A population is split into equal groups of neurons, as few as the limits allow, each on a core of its own. Where a chip
has fewer cores than that takes, populations share cores if they fit that way.

What a group takes of its core follows from its synapses (`placement.stored`): an input axon for each distinct source
with a synapse to any of its neurons, whichever connection brings it, and one for the bias axon; the memory of these
axons; and, if the network learns, what `learning_memory` counts for those of its synapses that learn and for its
neurons. An output goes once to every core that reads it: a neuron has as many output axons as such cores.

A network that learns from spikes of its outputs has traces of them (`quantizing.output_traces`), which are placed, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import said
from hypr_neuro.placement.cost import UNKNOWN
from hypr_neuro.placement.crossbars import CrossbarTiles, crossbars_of
from hypr_neuro.placement.limits import OTHER_CHIP, Limits
from hypr_neuro.placement.lower_bound import FewestCores, fewest_cores
from hypr_neuro.placement.needs import PopulationNeeds, population_needs
from hypr_neuro.placement.program import ProgramUse
from hypr_neuro.placement.sharing import OutAxons, Places, on_shared_cores, shared_cores_of_neurons
from hypr_neuro.placement.splitting import Split, readers, smallest_split, split_for_axons
from hypr_neuro.placement.stored import StoredConnection, stored_connections
from hypr_neuro.placement.whole_chip import check_whole_chip
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.abilities import require_runs
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.renamed import renamed_names
from hypr_neuro.shown import Shown, as_html, as_text
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.reach import learnable_connections, reached_populations


@dataclass
class ConnectionUse:
    """What a range of neurons has of one connection: synapses, input axons, memory without learning; whether it learns.

    A source that several connections bring is an axon of each of them here, and one axon of the core.
    """

    connection: str
    synapses: int
    in_axons: int
    memory_bits: int
    learns: bool


@dataclass
class CoreUse:
    """Neurons of one population on one core, and what they use; limits are None where the profile has none.

    `layer` is the population's name, of a chain "layers.0", …, "readout".
    """

    core: int
    layer: str
    first_neuron: int
    neurons: int
    synapses: int
    in_axons: int
    out_axons: int
    memory_bits: int
    learning_bits: int
    neuron_limit: int | None
    in_axon_limit: int | None
    out_axon_limit: int | None
    memory_limit: int | None
    connections: list[ConnectionUse] = field(default_factory=list)


@dataclass(repr=False)
class Placement:
    """Cores in the order of populations, one entry for each on a core.

    Attributes
    ----------
    profile
        Name of the chip's profile.
    learning
        Whether the memory that learning takes is counted.
    cores
        What each holds and uses.
    core_limit
        Cores of the chip, None where the profile does not say.
    unknown_limits
        Limits that the profile does not state, as "core.fan_in": nothing was checked against them.
    other_chips
        By limit the chip that the number is of, where that is another one.
    programs
        What the program of the chip takes of its memory, where it runs one, see `compilers.programs`.
    fewest
        Cores that no placement could do without, see `placement.lower_bound`.
    crossbars
        Tiles of analog cells that the weights take, None on a chip of digital weights.
    """

    profile: str
    learning: bool
    cores: list[CoreUse] = field(default_factory=list)
    core_limit: int | None = None
    unknown_limits: list[str] = field(default_factory=list)
    other_chips: dict[str, str] = field(default_factory=dict)
    programs: list[ProgramUse] = field(default_factory=list)
    fewest: FewestCores = field(default_factory=FewestCores)
    crossbars: CrossbarTiles | None = None

    @property
    def used(self) -> int:
        """Number of cores that hold neurons."""
        return len({use.core for use in self.cores})

    @property
    def told_fewest(self) -> str:
        """Tell that no placement takes fewer cores than so many, "" where one would be enough."""
        return f"none takes fewer than {self.fewest.cores:,} ({self.fewest.because})" if self.fewest.because else ""

    @property
    def shared(self) -> bool:
        """Whether any core holds neurons of several populations."""
        return self.used < len(self.cores)

    @property
    def fits(self) -> bool | None:
        """True if every limit that the profile states is kept, None if it states none that a core has room by.

        What is known not to fit raises `DoesNotFitError` instead.
        """
        checked = any(program.checked for program in self.programs)
        checked |= self.crossbars is not None and self.crossbars.limit is not None
        return True if checked or any(key not in self.unknown_limits for key in ROOM) else None

    def table(self) -> Shown:
        """Return what is on each core, and the programs' memory in the title."""
        rows = [
            (
                f"{use.core}",
                use.layer,
                f"{use.neurons:,}",
                f"{use.synapses:,}",
                f"{use.in_axons:,}",
                f"{use.out_axons:,}",
                f"{use.memory_bits / BITS_PER_KIB:,.4g}",
                f"{use.learning_bits / BITS_PER_KIB:,.4g}",
            )
            for use in self.cores
        ]
        headings = (
            "core",
            "population",
            "neurons",
            "synapses",
            "axons in",
            "axons out",
            "KiB memory",
            "of it learning",
        )
        learning = "with learning" if self.learning else "without learning"
        of = "" if self.core_limit is None else f" of {self.core_limit:,}"
        parts = [f"Placement: {self.used:,}{of} cores of '{self.profile}', {learning}"]
        parts += [self.told_fewest] if self.told_fewest else []
        parts += [] if self.crossbars is None else [self.crossbars.told()]
        parts += [f"{p.name} {', '.join(f'{m.name} {m.told()}' for m in p.memories)}" for p in self.programs]
        return Shown("; ".join(parts), headings, rows)

    __repr__ = as_text
    _repr_html_ = as_html

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    def by_connection(self) -> list[dict[str, Any]]:
        """Return what each connection takes on all cores together, and on how many: plain data."""
        totals: dict[str, dict[str, Any]] = {}
        for use in self.cores:
            for c in use.connections:
                empty = {"connection": c.connection, "learns": c.learns, "synapses": 0, "memory_bits": 0, "cores": 0}
                total = totals.setdefault(c.connection, empty)
                total["synapses"] += c.synapses
                total["memory_bits"] += c.memory_bits
                total["cores"] += int(c.synapses > 0)
        return list(totals.values())

    def section(self) -> dict[str, Any]:
        """Return what run folders and reports show: plain data."""
        return {
            "fits": UNKNOWN if self.fits is None else self.fits,
            "learning": self.learning,
            "cores_used": self.used,
            "cores": _or_unknown(self.core_limit),
            "cores_at_least": self.fewest.cores,
            "cores_at_least_by": self.fewest.because,
            "unknown_limits": self.unknown_limits,
            "limits_of_other_chips": self.other_chips,
            "per_core": [_told(use) for use in self.cores],
            "connections": self.by_connection(),
            "programs": [program.section() for program in self.programs],
            **({} if self.crossbars is None else {"crossbars": self.crossbars.section()}),
        }


BITS_PER_KIB = 8 * 1024
ROOM = ("core.neurons", "core.in_axons", "core.out_axons", "core.synaptic_memory", "chip.neurons")
"""Limits without any of which nothing is known of a chip's room."""


def _or_unknown(value: int | None) -> int | str:
    return UNKNOWN if value is None else value


def _told(use: CoreUse) -> dict[str, Any]:
    """Return plain data, "unknown" for limits that the profile does not state."""
    return {key: UNKNOWN if value is None and key.endswith("_limit") else value for key, value in asdict(use).items()}


def place(
    qnet: QuantizedNetwork, profile: Profile | str | Path | None = None, *, learning: bool | LearnOptions = False
) -> Placement:
    """Assign every neuron to a core.

    Parameters
    ----------
    qnet : QuantizedNetwork
        Any network.
    profile
        The chip; by default the one that the network was quantized for.
    learning : bool or LearnOptions
        Whether to count what learning stores: of the connections and neuron parameters that the options choose; with
        True of every connection that can learn, with momentum where the profile has room for it.

    Returns
    -------
    Placement

    Raises
    ------
    DoesNotFitError
        Naming population, limit, value, the profile's key and what would fit.
    InputError
        For a network that cannot learn, where learning is asked for.
    """
    require("qnet", qnet, QuantizedNetwork)
    chip = qnet.profile if profile is None else load_profile(profile)
    limits, plan = Limits.of(chip), learning_plan(qnet, chip, learning)
    network = qnet if plan is None else plan.qnet
    require_runs(qnet, chip)
    check_whole_chip(qnet, chip, limits)
    crossbars = crossbars_of(network, chip, limits)
    stored = stored_connections(network, chip)
    needs = population_needs({p.name: p.size for p in network.populations}, stored, plan)
    places = _places(needs, stored, limits)
    core_of = shared_cores_of_neurons(needs, places)
    placement = Placement(
        chip.name,
        plan is not None,
        core_limit=limits.cores,
        unknown_limits=limits.unknown,
        other_chips=limits.of_other_chips,
        fewest=fewest_cores(needs, limits),
        crossbars=crossbars,
    )
    for p, ranges in zip(needs, places, strict=True):
        axons = readers(stored, p.name, p.size, core_of)
        placement.cores += [_core_use(p, *at, axons, limits) for at in ranges]
    return placement


def learning_plan(qnet: QuantizedNetwork, chip: Profile, learning: bool | LearnOptions) -> LearningPlan | None:
    """Return how the network learns on the chip, None if it shall not."""
    if not isinstance(learning, (bool, LearnOptions)):
        raise InputError(
            f"{said('learning', learning)}, rule: True, False or LearnOptions; hn.LearnOptions(rate=0.2) makes some"
        )
    if learning is False:
        return None
    there = replace(qnet, profile=chip)
    try:
        return LearningPlan(there, _all_that_can_learn(there) if learning is True else learning)
    except InputError as error:
        raise InputError(
            f"{error}; to place the network without learning: learning=False, on the command line --no-learning"
        ) from error


def _all_that_can_learn(qnet: QuantizedNetwork) -> LearnOptions:
    """Return options with which every connection learns that can; InputError, saying why, where none can."""
    if reason := nothing_learns(qnet, qnet.profile):
        raise InputError(reason)
    names = learnable_connections(qnet)
    reached = dict(zip((p.name for p in qnet.populations), reached_populations(qnet), strict=True))
    wanted = (c.trainable and c.entries().size and reached[c.target] for c in qnet.connections)
    return LearnOptions.with_most_state(qnet.profile, names if sum(map(bool, wanted)) > len(names) else ())


def can_learn(chip: Profile) -> bool:
    """Tell whether anything learns on a chip."""
    return bool(chip.learning.ability.value != "none")


def nothing_learns(qnet: QuantizedNetwork, profile: Profile | str | Path | None = None) -> str:
    """Tell why nothing in a network can learn on a chip, by default its own; "" where something can."""
    chip = qnet.profile if profile is None else load_profile(profile)
    if not can_learn(chip):
        return f"profile '{chip.name}' cannot learn (learning.ability: none)"
    if learnable_connections(qnet):
        return ""
    without = sorted({p.model.name for p in qnet.populations if not p.model.learns_on_chip})
    neurons = f", lead to neurons without an integer Jacobian ({', '.join(without)})" if without else ""
    return (
        "no connection learns: all are convolutions, whose weights many synapses share, frozen, or on no way to an "
        f"output{neurons}"
    )


def _places(needs: Sequence[PopulationNeeds], stored: Sequence[StoredConnection], limits: Limits) -> Places:
    """Return where all neurons go: on cores of their population alone if there are enough, else on shared ones."""
    splits = [smallest_split(p, limits) for p in needs]
    try:
        splits = split_for_axons(needs, splits, stored, limits)
        _check_cores(needs, splits, limits)
    except DoesNotFitError:
        shared, full = on_shared_cores(needs, stored, limits)
        if shared is not None:
            return shared
        if full is not None and limits.cores is not None and sum(s.groups for s in splits) > limits.cores:
            raise _too_many_axons(full, limits) from None
        raise
    places: Places = []
    core = 0
    for split in splits:
        places.append([(core + g, first, stop) for g, (first, stop) in enumerate(split.ranges)])
        core += split.groups
    return places


def _check_cores(needs: Sequence[PopulationNeeds], splits: Sequence[Split], limits: Limits) -> None:
    largest = max(range(len(needs)), key=lambda i: splits[i].groups)
    name, split = needs[largest].name, splits[largest]
    reason = f", which core.{split.because} splits" if split.because else ""
    limits.check(
        "network",
        "cores",
        sum(s.groups for s in splits),
        "cores",
        f"{split.groups} of them hold '{name}'{reason}; make it smaller or sparser, {OTHER_CHIP}",
    )


def _too_many_axons(full: OutAxons, limits: Limits) -> DoesNotFitError:
    where = f"core {full.core} ({', '.join(full.by_population)})" if len(full.by_population) > 1 else ""
    return limits.exceeded(
        where or next(iter(full.by_population)),
        "out axons",
        full.axons,
        "out_axons",
        f"let its neurons send to fewer cores: make the populations that they send to smaller, {OTHER_CHIP}",
    )


def _core_use(p: PopulationNeeds, core: int, first: int, stop: int, axons: Array, limits: Limits) -> CoreUse:
    """Return what neurons first to stop of a population take of a core; axons : output axons of each of its neurons."""
    needs = p.range(first, stop)
    return CoreUse(
        core=core,
        layer=p.name,
        first_neuron=first,
        neurons=needs.neurons,
        synapses=needs.synapses,
        in_axons=needs.in_axons,
        out_axons=int(axons[first:stop].sum()),
        memory_bits=needs.memory_bits,
        learning_bits=needs.learning_bits,
        neuron_limit=limits.neurons,
        in_axon_limit=limits.in_axons,
        out_axon_limit=limits.out_axons,
        memory_limit=limits.synaptic_memory,
        connections=[
            ConnectionUse(c.name, held.synapses, held.axons, held.memory_bits, learns)
            for c, held, learns in zip(p.incoming, needs.held, p.learns, strict=True)
        ],
    )


__getattr__ = renamed_names(
    "hypr_neuro.placement",
    {"Estimate": "cost.Estimate", "axon_bits": "stored.axon_bits", "estimate": "estimate.estimate"},
)
