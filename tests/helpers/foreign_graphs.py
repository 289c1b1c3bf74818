"""A graph as another program would write it, for the commands that take it from import to targets."""

from __future__ import annotations

from itertools import pairwise

import nir
import numpy as np

CHANNELS, HIDDEN, CLASSES, DT = 8, 6, 2, 1e-3


def foreign_graph() -> nir.NIRGraph:
    """Recurrent CubaLIF neurons and spiking outputs: no layers that end in a readout, so a graph."""
    rng = np.random.default_rng(1)

    def neurons(n: int) -> nir.CubaLIF:
        one = np.ones(n)
        return nir.CubaLIF(
            tau_syn=2 * DT * one, tau_mem=5 * DT * one, r=5 * one, v_leak=0 * one, v_threshold=one, w_in=2 * one
        )

    nodes = {
        "in": nir.Input(np.array([CHANNELS])),
        "up": nir.Affine(rng.normal(0.2, 0.3, (HIDDEN, CHANNELS)), rng.normal(0, 0.02, HIDDEN)),
        "hidden": neurons(HIDDEN),
        "down": nir.Linear(rng.normal(0.3, 0.5, (CLASSES, HIDDEN))),
        "answer": neurons(CLASSES),
        "out": nir.Output(np.array([CLASSES])),
        "back": nir.Linear(rng.normal(0, 0.2, (HIDDEN, HIDDEN))),
    }
    chain = ["in", "up", "hidden", "down", "answer", "out"]
    return nir.NIRGraph(nodes, [*pairwise(chain), ("hidden", "back"), ("back", "hidden")])


def foreign_convolutions() -> nir.NIRGraph:
    """A convolution over the channels as an image (1, 2, 4), and spiking outputs."""
    rng = np.random.default_rng(2)

    def neurons(*shape: int) -> nir.LIF:
        one = np.ones(shape)
        return nir.LIF(tau=5 * DT * one, r=5 * one, v_leak=0 * one, v_threshold=one)

    kernel = rng.normal(0.3, 0.3, (3, 1, 3, 3))
    nodes = {
        "in": nir.Input(np.array([1, 2, 4])),
        "conv": nir.Conv2d((2, 4), kernel, 1, 1, 1, 1, np.zeros(3)),
        "image": neurons(3, 2, 4),
        "flat": nir.Flatten({"input": np.array([3, 2, 4])}, 0, -1),
        "down": nir.Linear(rng.normal(0.1, 0.3, (CLASSES, 24))),
        "answer": neurons(CLASSES),
        "out": nir.Output(np.array([CLASSES])),
    }
    return nir.NIRGraph(nodes, list(pairwise(nodes)))
