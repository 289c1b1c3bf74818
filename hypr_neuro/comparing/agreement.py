"""Spike trains of the float and the integer network, entry by entry."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.run.forward import readout
from hypr_neuro.sim.engine import simulate


def spike_agreement(net: Network, qnet: QuantizedNetwork, x: Array) -> dict[str, float]:
    """Return the share of equal entries of the spike trains, hidden layer by hidden layer, in float time."""
    trace = simulate(qnet, x, record=("spikes",))
    return {
        name: float((spikes == aligned(qnet, trace.spikes, name, x.shape[1])).mean())
        for name, spikes in float_spikes(net, x).items()
    }


def integer_rates(qnet: QuantizedNetwork, spikes: dict[str, Array], steps: int) -> dict[str, float]:
    """Return mean spikes a neuron and step by hidden layer, of the steps that the float network has, `steps` of them.

    The rates of a trace are those of the device, whose steps before and behind the sample count, too.
    """
    return {name: float(np.mean(aligned(qnet, spikes, name, steps) != 0)) for name in spikes}


def float_spikes(net: Network, x: Array) -> dict[str, Array]:
    """Return spikes of the float network, (T, sample, n) by hidden layer."""
    blocks: dict[str, list[Array]] = {net.name(i): [] for i in range(len(net.layers) - 1)}

    def visit(start: int, layers: Any) -> None:
        for i, name in enumerate(blocks):
            blocks[name].append(layers[i].outputs[1:].reshape(-1, len(x), layers[i].n).copy())

    readout(net, x, visit=visit)
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def aligned(qnet: QuantizedNetwork, spikes: dict[str, Array], name: str, steps: int) -> Array:
    """Shift a layer's spikes from device time back to float time, `steps` of them."""
    index = next(i for i in range(len(qnet.layers)) if qnet.name(i) == name)
    start = qnet.latency(index)
    return spikes[name][start : start + steps]
