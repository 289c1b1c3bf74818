"""Neurons of two input currents beside a network that learns, on no way to an output: they only run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hypr_neuro.graph.integer import INPUT, Population
from hypr_neuro.neurons.base import PSI_ENTRIES
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection, QuantizedPopulation


def with_resonators(qnet: QuantizedNetwork) -> QuantizedNetwork:
    """The network with three of them, "aside", fed by its input and its first population."""
    first, (n, inputs) = qnet.populations[0].name, (3, qnet.inputs)
    p = Population.of("aside", "rf", n, **rf_parameters(period=6.0, alpha=0.1, vth=3))
    aside = QuantizedPopulation(
        name="aside",
        model=p.model,
        per_neuron=p.per_neuron,
        constants=p.constants,
        psi_table=np.zeros(PSI_ENTRIES, np.int64),
        state_scale=1.0,
        current_scale=1.0,
    )
    rng = np.random.default_rng(2)
    more = (
        QuantizedConnection(mantissa=rng.integers(-60, 90, (n, inputs)), exponent=0, source=INPUT, target="aside"),
        QuantizedConnection(
            mantissa=rng.integers(-60, 90, (n, qnet.size(first))),
            exponent=-1,
            source=first,
            target="aside",
            current=1,
            delays=2,
        ),
    )
    return replace(
        qnet, populations=(*qnet.populations, aside), connections=(*qnet.connections, *more), outputs=qnet.outputs
    )
