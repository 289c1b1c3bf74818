"""Spike trains of the float and the integer network, entry by entry."""

from __future__ import annotations

import numpy as np

from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.run.run_float import run_float
from hypr_neuro.sim.engine import simulate


def spike_agreement(net: Network, qnet: QuantizedNetwork, x: Array) -> dict[str, float]:
    """Return the share of equal entries of the spike trains, population by population, in float time."""
    real, ours = spikes_of_both(net, qnet, x)
    return equal_shares(real, ours)


def equal_shares(real: dict[str, Array], ours: dict[str, Array]) -> dict[str, float]:
    """Return the share of equal entries by population."""
    return {name: float((spikes[: len(ours[name])] == ours[name]).mean()) for name, spikes in real.items()}


def spikes_of_both(net: Network, qnet: QuantizedNetwork, x: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return spikes (T, sample, n) of float and integers by the integers' names, in float time."""
    trace = simulate(qnet, x, record=("spikes",))
    names = dict(zip((p.name for p in net.populations), (p.name for p in qnet.populations), strict=False))
    real = {names[name]: spikes for name, spikes in float_spikes(net, x).items()}
    return real, {name: aligned(qnet, trace.spikes, name, x.shape[1]) for name in real}


def integer_rates(qnet: QuantizedNetwork, spikes: dict[str, Array], steps: int) -> dict[str, float]:
    """Return mean spikes a neuron and step by population, of the steps that the float network has, `steps` of them.

    The rates of a trace are those of the device, whose steps before and behind the sample count, too.
    """
    return {name: float(np.mean(aligned(qnet, spikes, name, steps) != 0)) for name in spikes}


def float_spikes(net: Network, x: Array) -> dict[str, Array]:
    """Return spikes of the float network, (T, sample, n) by population that spikes; a chain of layers in 32 bits."""
    return run_float(net, x, ("spikes",), dtype=np.float32).spikes


def aligned(qnet: QuantizedNetwork, spikes: dict[str, Array], name: str, steps: int) -> Array:
    """Shift a population's spikes from device time back to float time, `steps` of them.

    Fewer of one that runs further behind the input than every output does: the run ends with the outputs.
    """
    start = qnet.clock.latencies[name]
    return spikes[name][start : start + steps]
