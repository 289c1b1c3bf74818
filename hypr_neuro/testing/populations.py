"""Random populations of any integer model, for tests: parameters as quantizing gives them, or at the ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.graph.integer import Population
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.testing.networks import varied

QUANTIZABLE = tuple(name for name, m in MODELS.items() if m.has_float and m.integer and m.currents == 1)
"""Models with one input current whose integers come from float parameters."""
ROUNDINGS = ("floor", "zero", "nearest")


def quantized_population(rng: np.random.Generator, name: str, model: str, size: int) -> Population:
    """Draw `size` neurons with float parameters inside their ranges, in the integers of a profile drawn as well."""
    record = get_model(model)
    profile = varied(
        str(rng.choice(["loihi1", "loihi2", "ideal"])),
        precision__state_rounding=str(rng.choice(ROUNDINGS)),
        precision__overflow=str(rng.choice(["lava", "hardware"])),
        precision__coefficient_bits=int(rng.integers(12, 17, endpoint=True)),
        precision__state_bits=24,
    )
    params = {p.name: np.full(size, p.default) for p in record.params}
    for p in record.params:
        if p.trainable:
            low, high = sorted(min(max(share * p.default, p.low), p.high) for share in (0.3, 1.3))
            params[p.name] = rng.uniform(low, high, size)
    fixed = record.to_integers(
        params, profile.fixed_format(float(2 ** rng.uniform(-6, 10)), float(2 ** rng.uniform(-3, 4)))
    )
    values: dict[str, Any] = fixed.per_neuron | fixed.constants
    return Population.of(name, model, size, **{k: values[k] for k in record.fixed_per_neuron + record.fixed_constants})
