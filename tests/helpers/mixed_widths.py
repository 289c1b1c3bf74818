"""Networks whose connections and populations have widths of their own."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import hypr_neuro as hn
from hypr_neuro.errors import HyprWarning
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.testing.networks import random_network, random_spikes

CHAIN: dict[str, dict[str, Any]] = {
    "layers.0.input": {"weight_bits": 5},
    "layers.0.recurrent": {"weight_levels": "ternary"},
    "layers.1.input": {"weight_bits": 3},
    "layers.1.recurrent": {"weight_bits": 1},
    "layers.0": {"state_bits": 18, "coefficient_bits": 14, "eligibility_bits": 16, "accumulator_bits": 16},
    "layers.1": {"eligibility_bits": 12},
}
"""Of two layers on a chip of 8 bits, every kind of width; the readout has the chip's."""


def mixed_chain(model: str, seed: int, profile: Any = "loihi2", **options: Any) -> QuantizedNetwork:
    net = random_network(model, seed, hidden=(5, 4))
    with warnings.catch_warnings():  # of ternary weights that are 0
        warnings.simplefilter("ignore", HyprWarning)
        return hn.quantize(net, profile, calibration=random_spikes(seed, 4, 60, 4), plan=CHAIN, **options)


def data_that_can_be_learned(seed: int = 0, samples: int = 90, steps: int = 30) -> hn.SequenceData:
    """Three classes of 4 channels: the one of its class is often on."""
    rng = np.random.default_rng(seed)
    y = np.arange(samples) % 3
    rate = 0.1 + 0.4 * (np.arange(4)[None, None] == y[:, None, None])
    x = (rng.random((samples, steps, 4)) < rate).astype(np.int8)
    parts = np.repeat(["train", "validation", "test"], [samples - 2 * (samples // 3), samples // 3, samples // 3])
    return hn.SequenceData("made here", x, y, parts, classes=3)
