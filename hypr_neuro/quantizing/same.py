"""Whether a float network and integers belong together: checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable

from hypr_neuro.errors import InputError
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.output_traces import trace_name
from hypr_neuro.quantizing.parts import QuantizedPopulation

REAL, INTEGERS = "the float network", "the integer network"
REMEDY = "give the one that was quantized"


def check_populations(net: Network, qnet: QuantizedNetwork, real: str = REAL, integers: str = INTEGERS) -> None:
    """Raise InputError unless the float network's populations are the first of the integers', and traces the others.

    Parameters
    ----------
    net, qnet
        The two networks.
    real, integers
        How an error names them, such as their files.
    """
    own = len(net.populations)
    shapes = [(p.model.neuron, p.size) for p in net.populations]
    others = [(p.model.neuron, p.size) for p in qnet.populations[:own]]
    traces = {trace_name(p.name) for p in qnet.populations[:own]}
    if shapes != others or net.inputs != qnet.inputs or any(p.name not in traces for p in qnet.populations[own:]):
        raise InputError(
            f"{real} has {net.inputs} inputs, {_told(net.populations)} and {integers} {qnet.inputs} inputs, "
            f"{_told(qnet.populations)}: they differ; {REMEDY}"
        )


def check_same(net: Network, qnet: QuantizedNetwork, real: str = REAL, integers: str = INTEGERS) -> None:
    """Raise InputError as `check_populations`, and for a connection that only one of the two networks has."""
    check_populations(net, qnet, real, integers)
    names = {INPUT: INPUT} | {p.name: q.name for p, q in zip(net.populations, qnet.populations, strict=False)}
    there = {f"{names[c.source]} -> {names[c.target]}" for c in net.connections}
    whole = {c.name for c in qnet.connections if c.target in names.values() and c.columns > int(c.bias_axon)}
    if there != whole:
        name = min(there ^ whole)
        raise InputError(f"connection {name} is only in {real if name in there else integers}: they differ; {REMEDY}")


def check_ends(net: Network, integer: IntegerNetwork, real: str = REAL, integers: str = INTEGERS) -> None:
    """Raise InputError unless both networks have as many inputs and as many outputs; `real`, `integers` as above."""
    here, there = (net.inputs, net.output_size), (integer.inputs, integer.output_size)
    if here != there:
        raise InputError(
            f"{real} has {here[0]} inputs, {here[1]} outputs and {integers} {there[0]} inputs, {there[1]} outputs: "
            f"they differ; {REMEDY}"
        )


def _told(populations: Iterable[FloatPopulation | QuantizedPopulation]) -> str:
    """Return model and size of populations."""
    return ", ".join(f"{p.name} ({p.model.neuron}, {p.size})" for p in populations)
