"""Networks that commands take: a file's content decides what it is, not its name alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypr_neuro.errors import InputError
    from hypr_neuro.graph.float_graph import FloatGraph
    from hypr_neuro.graph.integer import IntegerNetwork
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork

    Anything = Network | QuantizedNetwork | FloatGraph | IntegerNetwork

HOLDS = {
    "Network": ("a float network", "`hypr-neuro quantize {path}` makes integers of it"),
    "QuantizedNetwork": ("a quantized network", "give the network.h5 that it was made from"),
    "FloatGraph": ("a float graph", "only quantize, simulate, diff, compile and export take graphs"),
    "IntegerNetwork": ("integers without a profile", "only simulate, diff and compile take them"),
}
"""By kind of network: what a file of it holds, in words, and the commands that take it."""


def open_anything(path: Path) -> Anything:
    """Return any network: .nir of hypr-neuro, or an .h5 file of whatever kind."""
    from hypr_neuro.errors import FileFormatError, InputError
    from hypr_neuro.exchange.nir import holds_integers, is_own, read_own, read_quantized_nir
    from hypr_neuro.files.store import kind_of
    from hypr_neuro.graph.float_graph import KIND as FLOAT_GRAPH
    from hypr_neuro.graph.float_graph import FloatGraph
    from hypr_neuro.graph.integer import KIND as INTEGER
    from hypr_neuro.graph.integer import IntegerNetwork
    from hypr_neuro.graph.network import KIND as NETWORK
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import GRAPH_KIND_0_1, QuantizedNetwork
    from hypr_neuro.quantizing.network import KIND as QUANTIZED

    if path.suffix == ".nir":
        if not is_own(path):
            raise InputError(
                f"file '{path}' is NIR of another program; `hypr-neuro import {path}` makes network.h5 or "
                "graph.h5 of it, with --dt and --reset where the file leaves them open"
            )
        return read_quantized_nir(path) if holds_integers(path) else read_own(path)
    loaders: dict[str, Any] = {
        QUANTIZED: QuantizedNetwork,
        NETWORK: Network,
        FLOAT_GRAPH: FloatGraph,
        GRAPH_KIND_0_1: QuantizedNetwork,
        INTEGER: IntegerNetwork,
    }
    kind = kind_of(path)
    if kind not in loaders:
        raise FileFormatError(f"file '{path}' holds '{kind}', rule: one of {', '.join(loaders)}")
    net: Anything = loaders[kind].load(path)
    return net


def open_float(path: Path) -> Network | FloatGraph:
    """Return a float network or float graph, .h5 or .nir."""
    from hypr_neuro.graph.float_graph import FloatGraph
    from hypr_neuro.graph.network import Network

    net = open_anything(path)
    if not isinstance(net, (Network, FloatGraph)):
        raise refused(path, net, "a float network or graph")
    return net


def in_layers(net: object) -> bool:
    """Tell whether the network is a chain of layers, in floats or in integers for a profile."""
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork

    return isinstance(net, Network) or (isinstance(net, QuantizedNetwork) and net.is_chain)


def get_quantized(path: Path) -> QuantizedNetwork:
    """Return an integer network from quantized.h5 or from the .nir of one."""
    from hypr_neuro.quantizing.network import QuantizedNetwork

    net = open_anything(path)
    if not isinstance(net, QuantizedNetwork):
        raise refused(path, net, "a quantized network")
    return net


def refused(path: Path, net: Anything, rule: str) -> InputError:
    """Return the error for a file that holds another kind of network than a command takes, with what takes it."""
    from hypr_neuro.errors import InputError

    holds, remedy = HOLDS[type(net).__name__]
    return InputError(f"file '{path}' holds {holds}, rule: {rule}; {remedy.format(path=path)}")
