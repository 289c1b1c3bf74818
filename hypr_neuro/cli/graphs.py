"""Runs of graphs and of hand-made integer networks, for `simulate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypr_neuro.data import SequenceData
    from hypr_neuro.graph.float_graph import FloatGraph
    from hypr_neuro.graph.integer import IntegerNetwork
    from hypr_neuro.quantizing.graph_quantize import QuantizedGraph
    from hypr_neuro.traces.trace import Trace

    Graph = FloatGraph | QuantizedGraph | IntegerNetwork

FLOAT, SIM, LAVA = "float", "sim", "lava"


def input_encoding(net: object) -> tuple[int, int] | None:
    """(scale, offset) of a network that was made for scale · data + offset (`IntegerNetwork.notes`), else None."""
    from hypr_neuro.graph.integer import IntegerNetwork

    if not isinstance(net, IntegerNetwork) or "input" not in net.notes:
        return None
    return net.notes["input"]["scale"], net.notes["input"]["offset"]


def encoded(net: object, held: SequenceData) -> SequenceData:
    """The data as the network takes it."""
    from dataclasses import replace

    import numpy as np

    encoding = input_encoding(net)
    if encoding is None:
        return held
    scale, offset = encoding
    return replace(held, x=np.asarray(held.x).astype(np.int64) * scale + offset)


def record_all(net: Graph) -> list[str]:
    """Spikes and every state."""
    from hypr_neuro.quantizing.graph_quantize import QuantizedGraph

    populations = (net.network if isinstance(net, QuantizedGraph) else net).populations
    return ["spikes", *sorted({state for p in populations for state in p.model.state_names})]


def run_graph_on(
    net: Graph,
    held: SequenceData,
    device: str | None,
    record: Sequence[str],
    on_block: Callable[[int, int], None],
) -> Trace:
    """What the network did on a device, with its origin and its input."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.graph.float_graph import FloatGraph
    from hypr_neuro.traces.trace import with_origin

    real = isinstance(net, FloatGraph)
    name = device or (FLOAT if real else SIM)
    if name not in ((FLOAT,) if real else (SIM, LAVA)):
        raise InputError(f"--device {name}, rule: {FLOAT if real else f'{SIM} or {LAVA}'} for this network")
    if isinstance(net, FloatGraph):
        from hypr_neuro.traces.graph_trace import graph_trace

        trace = graph_trace(net, held.x, record, on_block=on_block)
    elif name == LAVA:
        from hypr_neuro.compilers.lava.integers.trace import lava_trace

        trace = lava_trace(net, held.x, record)
        on_block(len(held), len(held))
    else:
        from hypr_neuro.sim.engine import simulate

        trace = simulate(net, held.x, record, on_block)
    return with_origin(trace, net, held.x, device=name)
