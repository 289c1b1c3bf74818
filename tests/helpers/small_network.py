"""A network of three neurons, whose program is compiled in no time."""

from __future__ import annotations

import numpy as np

from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.lif import lif_parameters


def small(**changes: object) -> IntegerNetwork:
    hidden = Population.of("hidden", "lif", 3, **lif_parameters(du=1, dv=2, vth=3))
    given = {"weights": np.array([[2, 0], [4, 254], [-6, 8]])} | changes
    return IntegerNetwork(2, (hidden,), (Synapses("input", "hidden", **given),))
