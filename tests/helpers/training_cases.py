"""Small networks and data that tests of training share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.graph.network import Network
from hypr_neuro.testing.networks import random_network, random_spikes
from hypr_neuro.train.run import Epoch

Array = Any


SAMPLES, STEPS = 12, 20


SPLIT = np.array(["train"] * 8 + ["validation"] * 2 + ["test"] * 2)


def task(seed: int = 1, model: str = "lif") -> tuple[Network, SequenceData]:
    """Label = the busier half of the channels: can be learned."""
    net = random_network(model, seed, outputs=2)
    x = random_spikes(seed, SAMPLES, STEPS, net.inputs, rate=0.2)
    y = np.arange(SAMPLES) % 2
    x[y == 1, :, :2] = random_spikes(seed + 1, SAMPLES // 2, STEPS, 2, rate=0.9)
    return net, SequenceData("halves", x, y, SPLIT, 2, encoder={"method": "none"})


def assert_equal_networks(expected: Network, got: Network) -> None:
    for name, value in expected.arrays().items():
        assert np.array_equal(value, got.arrays()[name]), name


def weights_of(kept: list[dict[str, Array]], net: Network) -> Callable[[Epoch], None]:
    return lambda entry: kept.append({k: v.copy() for k, v in net.arrays().items()})
