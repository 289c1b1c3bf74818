"""Chains of layers: which networks are one, and what stands for what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hypr_neuro.errors import InputError
from hypr_neuro.graph.clock import INPUT, layer_name
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.layer import Layer


class Graph(Protocol):
    """What a chain is told by."""

    @property
    def populations(self) -> tuple[FloatPopulation, ...]:
        """Populations in the order in which a step computes them."""
        ...

    @property
    def connections(self) -> tuple[FloatSynapses, ...]:
        """Connections between them."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the populations whose outputs are the network's."""
        ...


def chain_parts(layers: Sequence[Layer]) -> tuple[tuple[FloatPopulation, ...], tuple[FloatSynapses, ...]]:
    """Return copies of the layers as populations and connections; InputError for layers that make no chain."""
    if len(layers) < 2 or not layers[-1].model.readout:
        raise InputError("a network has at least one layer of spiking neurons and ends with a readout")
    for i, layer in enumerate(layers[:-1]):
        if layer.model.readout:
            raise InputError(f"layer {i}: '{layer.model.name}' is a readout, rule: only the last layer is one")
        if layers[i + 1].inputs != layer.size:
            name = layer_name(i + 1, len(layers))
            raise InputError(f"{name}: {layers[i + 1].inputs} inputs, but layer {i} has {layer.size}")
    populations, connections, below = list[FloatPopulation](), list[FloatSynapses](), INPUT
    for i, layer in enumerate(layers):
        name = layer_name(i, len(layers))
        population, incoming = layer.parts(name, below)
        populations.append(population)
        connections += incoming
        below = name
    return tuple(populations), tuple(connections)


def chain_layers(net: Graph) -> tuple[Layer, ...]:
    """Return the layers of a chain, which share its arrays."""
    own = {c.target: c for c in net.connections if c.source == c.target}
    below = {c.target: c for c in net.connections if c.source != c.target}
    return tuple(Layer.of(p, below[p.name], own.get(p.name)) for p in net.populations)


def chain_fault(net: Graph) -> str:
    """Say what keeps a network from being a chain of layers (`Network.chain_fault` defines it), "" if nothing does."""
    *hidden, last = net.populations
    if not last.model.readout:
        return f"the last population '{last.name}' spikes ('{last.model.name}')"
    if not hidden:
        return f"the readout '{last.name}' is the only population"
    for p in hidden:
        if p.model.readout:
            return f"population '{p.name}' is a readout ('{p.model.name}') and not the last one"
    if net.outputs != (last.name,):
        return f"the outputs are those of {', '.join(net.outputs)}, not of the last population '{last.name}' alone"
    return _fault_of_connections(net) or next(filter(None, map(_fault_of_currents, net.populations)), "")


def _fault_of_connections(net: Graph) -> str:
    before = dict(zip((p.name for p in net.populations), (INPUT, *(p.name for p in net.populations)), strict=False))
    heard = set()
    readout = net.populations[-1].name
    for c in net.connections:
        if c.source not in (before[c.target], c.target) or (c.source == c.target == readout):
            return f"population '{c.target}' hears '{c.source}'"
        if c.name in heard:
            return f"population '{c.target}' hears '{c.source}' over two connections"
        if c.delay or not c.dense:
            return f"connection {c.name} has " + (f"a delay of {c.delay}" if c.delay else "sparse weights")
        heard.add(c.name)
    for target, source in before.items():
        if f"{source} -> {target}" not in heard:
            return f"population '{target}' does not hear '{source}'"
    return ""


def _fault_of_currents(p: FloatPopulation) -> str:
    if p.model.currents != 1:
        return f"population '{p.name}' has {p.model.currents} input currents"
    if p.biases and p.model.bias_on == "state":
        return f"population '{p.name}' has a constant current beside the bias of '{p.model.name}'"
    if set(p.biases) - {0}:
        return f"population '{p.name}' has a constant current from step {max(p.biases)} on"
    return ""
