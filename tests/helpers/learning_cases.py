"""What tests of learning in integers share: networks, samples and their comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learn import LearnOptions
from hypr_neuro.testing.networks import (
    random_quantized,
    random_spikes,
    varied,
)

STEPS, RATE, PARAMETER_RATE = 30, 60000, 200000


# of "sgd": the gradients of these small networks are far below 2^19
LARGE_RATE = 1 << 23


@dataclass(frozen=True)
class Case:
    """A network and how it learns. profile : its name and the fields that differ. options : of LearnOptions"""

    hidden: tuple[int, ...] = (4, 3)
    chip: str = "loihi2"
    recurrent: bool = True
    bias: bool = True
    profile: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    rate: int = 60000

    def network(self, model: str, seed: int) -> QuantizedNetwork:
        chip = varied(self.chip, **self.profile)
        return random_quantized(model, seed, chip, hidden=self.hidden, recurrent=self.recurrent, bias=self.bias)

    def learn_options(self, seed: int) -> LearnOptions:
        return LearnOptions(seed=seed, **self.options)


DELAYED = {"learning__eligibility_alignment": "delayed", "time__error_latency": 3}


CASES = {
    "recurrent": Case((5,)),
    "feed-forward": Case((5,), "ideal", recurrent=False, bias=False),
    "two layers": Case(),
    "two layers, no delay": Case((4, 3), "ideal", bias=False),
    "late errors": Case((4, 3), "loihi1", recurrent=False, profile={"time__error_latency": 9}),
    "three layers, late errors": Case((6, 5, 4), "ideal", profile={"time__error_latency": 3}),
    "narrow": Case(
        profile={
            "learning__eligibility_bits": 10,
            "learning__accumulator_bits": 10,
            "learning__signal_bits": 6,
            "learning__eligibility_rounding": "floor",
            "precision__state_rounding": "zero",
        },
        options={"parameters": ("all",)},
    ),
    "coarse": Case(
        (4, 3),
        "ideal",
        profile={
            "learning__error_bits": 4,
            "learning__psi_bits": 4,
            "learning__eligibility_fraction": 5,
            "learning__eligibility_rounding": "zero",
            "precision__weight_bits": 6,
            "precision__state_rounding": "floor",
            "precision__coefficient_bits": 12,
        },
        options={"parameters": ("all",)},
    ),
    "delayed eligibilities": Case(profile=DELAYED),
    "delayed eligibilities, three layers": Case((4, 3, 3), profile=DELAYED, options={"parameters": ("all",)}),
    "delayed eligibilities, no delay of spikes": Case((4, 3), "ideal", profile=DELAYED),
    "linear error": Case(profile={"learning__error": "linear"}),
    "sign error": Case(profile={"learning__error": "sign"}),
    "layer rule": Case(options={"rule": "layer"}),
    "sgd": Case(options={"rule": "sgd"}, rate=LARGE_RATE),
    "sign rule": Case(options={"rule": "sign"}),
    "momentum": Case(profile={"learning__momentum_bits": 24}, options={"momentum": 2, "parameters": ("all",)}),
    "narrow momentum": Case(
        profile={"learning__momentum_bits": 15}, options={"momentum": 1, "rule": "sgd"}, rate=LARGE_RATE
    ),
    "residual": Case(profile={"learning__residual_bits": 8}),
    "shadow of 16 bits, weights of 12": Case(
        profile={"learning__residual_bits": 4, "precision__weight_bits": 12}, rate=16 * RATE
    ),
    "largest residual, momentum": Case(
        profile={"learning__residual_bits": 16, "learning__momentum_bits": 32, "precision__weight_bits": 5},
        options={"momentum": 3, "rule": "layer"},
    ),
    "random feedback": Case((4, 3, 3), options={"feedback": "random"}),
    "neuron parameters": Case(options={"parameters": ("all",)}),
    "neuron parameters, layer rule": Case(options={"parameters": ("readout.tau",), "rule": "layer"}),
    "neuron parameters, late signs": Case(
        (4, 3), "ideal", profile=DELAYED, options={"parameters": ("all",), "rule": "sign", "limit": 1}
    ),
    "every third sample": Case(options={"update_every": 3, "parameters": ("all",)}),
    "every seventh step": Case(options={"update_every": 7, "update_on": "step", "parameters": ("all",)}),
    "every step, delayed": Case(profile=DELAYED, options={"update_on": "step", "rule": "sign"}),
    "some layers": Case((4, 3, 3), options={"layers": ("layers.1",), "parameters": ("all",)}),
    "the readout": Case(profile=DELAYED, options={"layers": ("readout",)}),
}


def labelled(seed: int, qnet: QuantizedNetwork, samples: int, steps: int = STEPS):
    """x (sample, T, channel), label (sample, T), scored (sample, T)."""
    rng = np.random.default_rng([seed, 3])
    x = random_spikes(seed, samples, steps, qnet.inputs).astype(np.int32)
    return x, rng.integers(0, qnet.output_size, (samples, steps)), rng.random((samples, steps)) < 0.8


def network(model: str, seed: int, case: str) -> QuantizedNetwork:
    return CASES[case].network(model, seed)
