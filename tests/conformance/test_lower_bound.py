"""No placement takes fewer cores than the bound from below, whatever is placed and however few cores there are."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest
from limits_of_chips import drawn_limits, limited
from scipy.sparse import csr_array

from hypr_neuro.errors import DoesNotFitError
from hypr_neuro.placement.place import Placement, place
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_quantized, varied

BASE = varied("loihi2")


def placed(qnet: QuantizedNetwork, cores: int, seed: int, learning: bool) -> Placement | None:
    """The placement on a chip of so many cores with limits drawn by seed; None where there is none."""
    limits = drawn_limits(seed) | {"out_axons": None}
    try:
        return place(qnet, limited(BASE, cores=cores, **limits), learning=learning)
    except DoesNotFitError:
        return None


@pytest.mark.parametrize("learning", [False, True])
def test_no_placement_takes_fewer_cores_than_the_bound(learning: bool) -> None:
    """With as few cores as a network can be placed on, too."""
    seen, reached = 0, 0
    for seed in range(40):
        qnet = random_learning_graph(seed, BASE)
        placement = placed(qnet, 40, seed, learning)
        if placement is None:
            continue
        fewest = placement.fewest
        for cores in count(placement.used - 1, -1):
            tighter = placed(qnet, cores, seed, learning) if cores else None
            if tighter is None:
                break
            assert tighter.fewest == fewest
            placement = tighter
        assert fewest.cores <= placement.used, f"seed {seed}"
        seen += 1
        reached += 1 < fewest.cores == placement.used
    assert seen > 15
    assert reached > 3


def test_the_bound_is_reached_where_neurons_alone_are_limited() -> None:
    qnet = random_quantized("lif", 1, "loihi2", hidden=(30,))
    total = sum(p.size for p in qnet.populations)
    chip = limited(BASE, cores=-(-total // 5), neurons=5)
    placement = place(qnet, chip)
    assert (placement.fewest.cores, placement.fewest.because) == (-(-total // 5), "core.neurons")
    assert placement.used == placement.fewest.cores


def test_the_bound_of_memory_is_close() -> None:
    """Words of 64 bits, index bits and copies of bias axons are all that it leaves out."""
    qnet = random_quantized("lif", 1, "loihi2", hidden=(60,))
    memory = sum(use.memory_bits for use in place(qnet, limited(BASE)).cores)
    placement = place(qnet, limited(BASE, synaptic_memory=memory // 8))
    assert placement.fewest.because == "core.synaptic_memory"
    assert 4 <= placement.fewest.cores <= placement.used <= 3 * placement.fewest.cores


def test_a_synapse_that_is_listed_twice_is_one_pair() -> None:
    """Ten entries of a matrix for one neuron and one source take one axon of one core."""
    twice: Any = csr_array((np.ones(10, np.int64), np.zeros(10, np.int64), np.array([0, 10])), shape=(1, 3))
    qnet = random_quantized("lif", 1, "loihi2", inputs=3, hidden=(1,), recurrent=False, bias=False, steps=5)
    first = replace(qnet.connections[0], mantissa=twice)
    placement = place(replace(qnet, connections=(first, *qnet.connections[1:])), limited(BASE, in_axons=1, neurons=1))
    assert placement.cores[0].in_axons == 1
    assert placement.fewest.cores <= placement.used
