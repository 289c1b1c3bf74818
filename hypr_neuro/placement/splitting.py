"""In how many groups a population is split: the smallest number of equal groups with which every limit holds.

Groups are equal up to one neuron, in the order of neurons. No split has fewer groups than filling one core after the
other takes, since part of a group never takes more than the group. From there on each number is asked for: a larger
one may fail where a smaller one fits, as synapses are not spread evenly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.placement.limits import OTHER_CHIP, Limits
from hypr_neuro.placement.needs import PopulationNeeds
from hypr_neuro.placement.stored import StoredConnection


@dataclass(frozen=True)
class Split:
    """Groups of a population, equal up to one neuron, the larger ones first.

    Attributes
    ----------
    size, groups
        Neurons, and groups of them.
    because
        The limit for which there are several, the first that asked for it; "" where one group is enough.
    """

    size: int
    groups: int
    because: str = ""

    def start(self, group: int) -> int:
        """Return the first neuron of a group, the number of neurons for the one after the last."""
        each, larger = divmod(self.size, self.groups)
        return group * each + min(group, larger)

    def group_of(self, neuron: int) -> int:
        """Return the group of a neuron."""
        each, larger = divmod(self.size, self.groups)
        head = larger * (each + 1)
        return neuron // (each + 1) if neuron < head else larger + (neuron - head) // each

    @property
    def starts(self) -> Array:
        """First neuron of each group, (groups,)."""
        each, larger = divmod(self.size, self.groups)
        group = np.arange(self.groups)
        return np.asarray(group * each + np.minimum(group, larger))

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """First neuron and the one after the last of each group."""
        return [(self.start(g), self.start(g + 1)) for g in range(self.groups)]


def smallest_split(needs: PopulationNeeds, limits: Limits) -> Split:
    """Return the split in fewest groups that keeps to all limits of a core but output axons.

    Raise DoesNotFitError, naming the population, where one neuron alone does not fit.
    """
    needs.check_neurons(limits)
    reasons = _filled_one_after_the_other(needs, limits)
    because = Counter(reasons).most_common(1)[0][0] if reasons else ""
    return split_from(needs, limits, Split(needs.size, len(reasons) + 1, because))


def split_from(needs: PopulationNeeds, limits: Limits, split: Split) -> Split:
    """Return the split in fewest groups, at least as many as `split` has, that keeps to these limits."""
    failed = 0  # a neuron whose group did not fit: its group is the first to be asked for
    while True:
        for g in (split.group_of(failed), *range(split.groups)):
            if needs.exceeds(split.start(g), split.start(g + 1), limits) is not None:
                break
        else:
            return split
        failed = split.start(g)
        split = Split(split.size, split.groups + 1, split.because)


def _filled_one_after_the_other(needs: PopulationNeeds, limits: Limits) -> list[str]:
    """Return for each core that is full, as neurons fill one after the other, the limit that it has reached."""
    reasons: list[str] = []
    first, length = 0, needs.size
    while True:
        length, reason = needs.longest(first, needs.size - first, length, limits)
        if reason is None:
            return reasons
        if length == 0:
            needs.check_one(first, limits)
        reasons.append(reason)
        first += length


def readers(stored: Sequence[StoredConnection], source: str, size: int, core_of: dict[str, Array]) -> Array:
    """Count for each neuron of a population the cores that read it, (neurons,).

    core_of : by population the core of each neuron, which never becomes smaller from one neuron to the next
    """
    outgoing = [c for c in stored if c.source == source]
    cores = 1 + max((int(at.max()) for at in core_of.values()), default=0)
    always = np.zeros(cores, np.bool_)
    for c in outgoing:
        if c.starts is None and c.source_size:
            always[core_of[c.target]] = True
    parts = []
    for c in outgoing:
        if c.starts is not None:
            neuron, target = c.sent
            core = core_of[c.target][target]
            parts.append(_without_repetition((neuron * cores + core)[~always[core]]))
    pairs = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    if len(parts) > 1:
        pairs = _without_repetition(np.sort(pairs, kind="stable"))
    return np.bincount(pairs // cores, minlength=size) + int(np.count_nonzero(always))


def _without_repetition(values: Array) -> Array:
    """Return the different values of those that are in order."""
    return values[np.append(True, values[1:] != values[:-1])] if len(values) else values


def split_for_axons(
    needs: Sequence[PopulationNeeds], splits: list[Split], stored: Sequence[StoredConnection], limits: Limits
) -> list[Split]:
    """Split further those populations whose groups have more output axons than a core, until all keep to the limit.

    Raise DoesNotFitError, naming population and neuron, where one neuron alone has too many.
    """
    while limits.out_axons is not None:
        core_of = cores_of_neurons(needs, splits)
        exceeded = False
        for i, p in enumerate(needs):
            axons = readers(stored, p.name, p.size, core_of)
            if _most(axons, splits[i]) <= limits.out_axons:
                continue
            fullest = int(axons.argmax())
            limits.check(
                p.name,
                f"out axons of one neuron (number {fullest})",
                int(axons[fullest]),
                "out_axons",
                f"let it send to neurons on at most {limits.out_axons} cores: make the populations that it sends to "
                f"smaller, {OTHER_CHIP}",
            )
            split = splits[i]
            while _most(axons, split) > limits.out_axons:
                split = Split(p.size, split.groups + 1, split.because or "out_axons")
            splits[i] = split_from(p, limits, split)
            exceeded = True
            break
        if not exceeded:
            break
    return splits


def _most(axons: Array, split: Split) -> int:
    return int(np.add.reduceat(axons, split.starts).max())


def cores_of_neurons(needs: Sequence[PopulationNeeds], splits: Sequence[Split]) -> dict[str, Array]:
    """Return by population the core of each neuron where every group has a core of its own, in order."""
    first, cores = 0, {}
    for p, split in zip(needs, splits, strict=True):
        cores[p.name] = np.repeat(np.arange(first, first + split.groups), np.diff(split.starts, append=p.size))
        first += split.groups
    return cores
