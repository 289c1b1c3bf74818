"""Start weights that make a network fire: a silent layer passes nothing on, and learns slowly from ψ's tails alone."""

from __future__ import annotations

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import LayerArrays, LayerForward
from hypr_neuro.run.graph_forward import run_graph
from hypr_neuro.run.recorded import checked_input

DOUBLINGS = 12


def scale_to_rate(net: Network, x: Array, target: float) -> dict[str, float]:
    """Double what feeds each spiking population, in their order, until it fires at `target` or above.

    Parameters
    ----------
    net : Network
        Changed: the weights from the input and from earlier populations, by a factor of 2^12 at most, but for frozen
        ones.
    x : ndarray
        (sample, T, channel).
    target : float
        Spikes a neuron and step.

    Returns
    -------
    dict of float
        The rate that each population reached, by name.

    Raises
    ------
    InputError
        For samples of a wrong shape or with numbers that are not finite, and a target that is no rate.
    """
    require("net", net, Network)
    data = checked_input(net, x)
    if isinstance(target, bool) or not isinstance(target, int | float | np.number) or not 0 <= target <= 1:
        raise InputError(f"target = {target!r}, rule: spikes a neuron and step, 0 to 1")
    return _scale_layers(net, data, target) if net.is_chain else _scale_populations(net, data, target)


def _scale_layers(net: Network, x: Array, target: float) -> dict[str, float]:
    """Do so for a chain, one layer after the other: nothing of a layer depends on the ones above."""
    values = np.ascontiguousarray(x.transpose(1, 0, 2), dtype=np.float32)
    rates = {}
    for i, layer in enumerate(net.layers[:-1]):
        for _ in range(DOUBLINGS):
            outputs = LayerForward(LayerArrays(layer, np.float32), values.shape[1]).forward(values)
            if outputs.mean() >= target or "weight" in layer.frozen:
                break
            layer.weight *= 2.0
        rates[net.name(i)] = float(outputs.mean())
        values = np.ascontiguousarray(outputs)
    return rates


def _scale_populations(net: Network, x: Array, target: float) -> dict[str, float]:
    rates, entries = {}, x.shape[0] * x.shape[1]
    for p in net.populations:
        if p.model.readout:
            continue
        for _ in range(DOUBLINGS):
            spikes = run_graph(net, x, record=()).counts[p.name].sum()
            rates[p.name] = float(spikes / (entries * p.size))
            if rates[p.name] >= target:
                break
            scaled = [c for c in net.incoming(p.name) if net.forward(c) and c.trainable]
            if not scaled:
                break
            for c in scaled:
                c.stored()[...] *= 2.0
    return rates
