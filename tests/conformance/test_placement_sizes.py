"""Networks of 1 to 100,000 neurons are placed, and every number of the placement counted anew by other code.

What is refused is refused for a reason that the other code finds, too. The bound on cores is held against all ways to
lay out tiny networks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from limits_of_chips import limited
from placement_checker import KEYS, Counted, Learns
from placement_networks import TIMELESS, drawn_chip, drawn_network

from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.placement.place import Placement, place
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.output_traces import with_output_traces
from hypr_neuro.sim.learning.options import LearnOptions

pytestmark = pytest.mark.once

SIZES = sorted({round(10 ** (k / 5)) for k in range(26)})
"""1 to 100,000, five a decade."""


def seeds(neurons: int) -> tuple[range, int]:
    """Return networks to try, and of how many that are placed it goes on to the next size."""
    if neurons <= 3_000:
        return range(10 if neurons <= 30 else 4), 10
    first = SIZES.index(neurons)
    return range(first, first + 6), 2 if neurons == SIZES[-1] else 1


def learning_of(seed: int) -> LearnOptions | None:
    return (None, LearnOptions(rule="sgd"), None, LearnOptions())[seed % 4]


def check(qnet: QuantizedNetwork, chip: Profile, placement: Placement, options: LearnOptions | None) -> None:
    """Every neuron stands once, every number is the one counted anew, no limit is exceeded, no bound undercut."""
    seen = with_output_traces(replace(qnet, profile=chip)) if options else qnet
    counted = Counted.of(seen, chip, placement.cores)
    learns = Learns.of(seen, options.rule, bool(options.momentum)) if options else None
    learning = np.zeros(len(placement.cores), np.int64) if learns is None else counted.learning(learns)
    told = {
        "synapses": counted.synapses,
        "in_axons": counted.in_axons,
        "out_axons": counted.out_axons,
        "learning_bits": learning,
        "memory_bits": counted.memory + learning,
    }
    for key, values in told.items():
        assert [getattr(use, key) for use in placement.cores] == values.tolist(), key
    for row in placement.by_connection():
        name = row["connection"]
        assert row["synapses"] == counted.by_connection[name].sum(), name
        assert row["memory_bits"] == counted.bits_of[name], name
        assert row["learns"] == (learns is not None and name in learns.connections), name
    sums = counted.sums(learning)
    for key in KEYS:
        limit = getattr(chip.core, key)
        assert limit is None or sums[key].max() <= limit.value, key
    assert chip.chip.cores is None or placement.used <= chip.chip.cores.value
    assert placement.fewest.cores <= placement.used == len(set(counted.core.tolist()))


def check_refusal(qnet: QuantizedNetwork, chip: Profile, error: DoesNotFitError, options: LearnOptions | None) -> None:
    """What one neuron has too much of is too much, counted for this neuron on a core of its own."""
    found = re.match(r"(p\d)( \(trace\))?: (\d+) .*of one neuron \(number (\d+).*limit (\d+) .*core\.(\w+)", str(error))
    if found is None or found[6] == "out_axons":  # of several cores: which they are is the search's own
        assert re.search(r"cores, limit|out axons|steps of delay", str(error)), str(error)
        return
    seen = with_output_traces(replace(qnet, profile=chip)) if options else qnet
    name = found[1] + (found[2] or "")
    group_of = {p.name: np.full(p.size, 1) for p in seen.populations}
    group_of[name][int(found[4])] = 0
    counted = Counted(seen, chip, group_of, np.array([0, 1]))
    learning = counted.learning(Learns.of(seen, options.rule, bool(options.momentum))) if options else np.zeros(2)
    values = {"in_axons": counted.in_axons, "synaptic_memory": counted.memory + learning, "fan_in": counted.synapses}
    assert values[found[6]][0] == int(found[3]) > int(found[5]) == getattr(chip.core, found[6]).value, str(error)


def test_every_number_of_a_placement_is_counted_anew() -> None:
    placed = dict.fromkeys(SIZES, 0)
    shared = 0
    for neurons in SIZES:
        drawn, wanted = seeds(neurons)
        for seed in drawn:
            if placed[neurons] == wanted:
                break
            qnet, options = drawn_network(seed, neurons, seed % 2 == 1), learning_of(seed)
            chip = drawn_chip(seed + 100 * neurons, qnet)
            if options and not Learns.of(qnet, options.rule, momentum=False).connections:
                with pytest.raises(InputError, match="no connection learns"):
                    place(qnet, chip, learning=options)
                continue
            try:
                placement = place(qnet, chip, learning=options or False)
            except DoesNotFitError as error:
                check_refusal(qnet, chip, error, options)
                continue
            check(qnet, chip, placement, options)
            placed[neurons] += 1
            if neurons <= 3_000 and placement.used > 1:
                shared += on_fewer_cores(qnet, chip, placement, options)
    assert all(placed.values()), placed
    assert sum(placed.values()) > 80, placed
    assert shared > 10


def on_fewer_cores(qnet: QuantizedNetwork, chip: Profile, before: Placement, options: LearnOptions | None) -> bool:
    """Place on one core fewer, which populations must share; tell whether they could."""
    core = {key: q.value for key, q in chip.core if q is not None and key in (*KEYS, "shared_weights")}
    tighter = limited(TIMELESS, before.used - 1, **(dict.fromkeys(KEYS) | core | {"delay": None}))
    try:
        placement = place(qnet, tighter, learning=options or False)
    except DoesNotFitError:
        return False
    check(qnet, tighter, placement, options)
    return placement.shared


def partitions(count: int) -> Iterator[list[int]]:
    """All ways to lay out so many neurons on cores that are alike, the core of each."""

    def more(cores: list[int]) -> Iterator[list[int]]:
        if len(cores) == count:
            yield cores
            return
        for core in range(max(cores, default=-1) + 2):
            yield from more([*cores, core])

    yield from more([])


def fewest_of_all(qnet: QuantizedNetwork, chip: Profile, options: LearnOptions | None) -> int | None:
    """Return the fewest cores of all layouts that keep to every limit, counted anew; None where there is none."""
    seen = with_output_traces(replace(qnet, profile=chip)) if options else qnet
    names = [p.name for p in seen.populations]
    owner = np.repeat(np.arange(len(names)), [p.size for p in seen.populations])
    best: int | None = None
    for cores in partitions(len(owner)):
        if best is not None and max(cores) + 1 >= best:
            continue
        groups, at = np.unique(np.array(cores) * len(names) + owner, return_inverse=True)
        group_of = {name: at[owner == i] for i, name in enumerate(names)}
        counted = Counted(seen, chip, group_of, groups // len(names))
        learning = np.zeros(len(groups), np.int64)
        if options:
            learning = counted.learning(Learns.of(seen, options.rule, bool(options.momentum)))
        sums: Any = counted.sums(learning)
        limits = {key: getattr(chip.core, key) for key in KEYS}
        if all(limit is None or sums[key].max() <= limit.value for key, limit in limits.items()):
            best = max(cores) + 1
    return best


def test_no_layout_of_a_tiny_network_takes_fewer_cores_than_the_bound() -> None:
    """Every one of them is tried, neurons of all populations on any cores."""
    several = reached = 0
    for seed in range(60):
        qnet, options = drawn_network(seed, 2 + seed % 4, seed % 2 == 1), learning_of(seed)
        chip = drawn_chip(seed, qnet)
        try:
            placement = place(qnet, chip, learning=options or False)
        except (DoesNotFitError, InputError):
            continue
        best = fewest_of_all(qnet, chip, options)
        assert best is not None
        assert placement.fewest.cores <= best <= placement.used, f"seed {seed}"
        several += placement.fewest.cores > 1
        reached += 1 < placement.fewest.cores == best
    assert several > 8
    assert reached > 5
