"""Output neurons of integers that cannot spike, read as membranes.

A network whose class is its largest membrane ends, where its format knows spiking neurons only, in neurons with a
threshold that no state reaches. Their spikes say nothing, so they become `cuba_li_loihi`, whose output is v.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.graph.integer import IntegerNetwork, Population
from hypr_neuro.neurons import cuba_li_loihi, lif

NAME = cuba_li_loihi.VARIANT.name


def read_as_membrane(p: Population) -> Population:
    """Return `lif` neurons whose thresholds no v passes with v as output, all others as they are."""
    values = p.named()
    if p.model is not lif.MODEL or np.any(values["vth"] < cuba_li_loihi.NEVER):
        return p
    kept = {name: values[name] for name in (*cuba_li_loihi.PER_NEURON, "lava", "k", "scale_log2")}
    return Population.of(p.name, NAME, p.size, **kept)


def with_threshold(p: Population) -> Population:
    """Return membranes as `lif` neurons that never spike, all others as they are."""
    if p.model.name != NAME:
        return p
    vth = np.full(p.size, cuba_li_loihi.NEVER + 1)
    more: dict[str, Any] = {"vth": vth, "inv_vth": (1 << lif.INVERSE_FRACTION) // vth, "subtract": 0}
    return Population.of(p.name, "lif", p.size, **p.named(), **more)


def membranes(network: IntegerNetwork) -> list[str]:
    """Return the names of outputs that were read as membranes."""
    return [name for name in network.outputs if network.population(name).model.name == NAME]
