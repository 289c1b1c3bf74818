"""Populations that share cores, for chips with fewer cores than there are groups.

Neurons fill the cores in their order, each core as far as every limit allows for the sum of what is on it. Ranges on
one core keep axons of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.placement.limits import Limits
from hypr_neuro.placement.needs import PopulationNeeds, RangeNeeds
from hypr_neuro.placement.splitting import readers
from hypr_neuro.placement.stored import StoredConnection

Places = list[list[tuple[int, int, int]]]
"""For each population (core, first neuron, the one after the last), in the order of its neurons."""


@dataclass(frozen=True)
class OutAxons:
    """Output axons of one core that are too many: what is there, and how many each part of it has."""

    core: int
    axons: int
    by_population: dict[str, int]


def on_shared_cores(
    needs: Sequence[PopulationNeeds], stored: Sequence[StoredConnection], limits: Limits
) -> tuple[Places | None, OutAxons | None]:
    """Return places of all neurons, or None where they do not fit, with what is too much if it is output axons.

    Where a core has too many output axons, its neurons of the population that has most of them become fewer, and all
    are placed anew.
    """
    most = {p.name: p.size for p in needs}
    first: OutAxons | None = None
    while True:
        places = _filled(needs, limits, most)
        if places is None:
            return None, first
        full = _too_many(needs, places, stored, limits)
        if full is None:
            return places, None
        first = first or full
        name = max(full.by_population, key=lambda key: full.by_population[key])
        here = max(stop - a for core, a, stop in places[_at(needs, name)] if core == full.core)
        assert limits.out_axons is not None
        most[name] = min(here * limits.out_axons // full.axons, here - 1)
        if most[name] < 1:
            return None, first


def _at(needs: Sequence[PopulationNeeds], name: str) -> int:
    return [p.name for p in needs].index(name)


def _filled(needs: Sequence[PopulationNeeds], limits: Limits, most: dict[str, int]) -> Places | None:
    left: list[Limits] = []
    places: Places = [[] for _ in needs]
    for p, at in zip(needs, places, strict=True):
        first, core, guess = 0, 0, p.size
        while first < p.size:
            if core == limits.cores:
                return None
            if core == len(left):
                left.append(limits)
            neurons, _ = p.longest(first, min(p.size - first, most[p.name]), guess, left[core])
            if neurons:
                guess = neurons
                left[core] = _beside(left[core], p.range(first, first + neurons))
                at.append((core, first, first + neurons))
                first += neurons
            core += 1
    return places


def _beside(limits: Limits, held: RangeNeeds) -> Limits:
    """Return what a core has left beside a range of neurons."""
    return replace(
        limits,
        neurons=_less(limits.neurons, held.neurons),
        in_axons=_less(limits.in_axons, held.in_axons),
        synaptic_memory=_less(limits.synaptic_memory, held.memory_bits),
    )


def _less(limit: int | None, taken: int) -> int | None:
    return None if limit is None else limit - taken


def shared_cores_of_neurons(needs: Sequence[PopulationNeeds], places: Places) -> dict[str, Array]:
    """Return by population the core of each neuron."""
    cores = {}
    for p, at in zip(needs, places, strict=True):
        cores[p.name] = np.concatenate([np.full(stop - first, core) for core, first, stop in at])
    return cores


def _too_many(
    needs: Sequence[PopulationNeeds], places: Places, stored: Sequence[StoredConnection], limits: Limits
) -> OutAxons | None:
    """Return the first core with too many output axons."""
    if limits.out_axons is None:
        return None
    core_of = shared_cores_of_neurons(needs, places)
    sums: dict[int, dict[str, int]] = {}
    for p in needs:
        axons = readers(stored, p.name, p.size, core_of)
        for core in np.unique(core_of[p.name]):
            sums.setdefault(int(core), {})[p.name] = int(axons[core_of[p.name] == core].sum())
    for core, parts in sorted(sums.items()):
        if sum(parts.values()) > limits.out_axons:
            return OutAxons(core, sum(parts.values()), parts)
    return None
