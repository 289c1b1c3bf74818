"""Networks that commands take: a file's content decides what it is, not its name alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypr_neuro.float_graph import FloatGraph
    from hypr_neuro.graph_quantize import QuantizedGraph
    from hypr_neuro.integer import IntegerNetwork
    from hypr_neuro.network import Network
    from hypr_neuro.quantize import QuantizedNetwork

    Anything = Network | QuantizedNetwork | FloatGraph | QuantizedGraph | IntegerNetwork


def open_anything(path: Path) -> Anything:
    """Any network: .nir of hypr-neuro, or an .h5 file of whatever kind."""
    from hypr_neuro.errors import FileFormatError
    from hypr_neuro.float_graph import KIND as FLOAT_GRAPH
    from hypr_neuro.float_graph import FloatGraph
    from hypr_neuro.graph_quantize import KIND as QUANTIZED_GRAPH
    from hypr_neuro.graph_quantize import QuantizedGraph
    from hypr_neuro.integer import KIND as INTEGER
    from hypr_neuro.integer import IntegerNetwork
    from hypr_neuro.network import KIND as NETWORK
    from hypr_neuro.network import Network
    from hypr_neuro.nir_io import holds_integers, read_nir, read_quantized_nir
    from hypr_neuro.quantize import KIND as QUANTIZED
    from hypr_neuro.quantize import QuantizedNetwork
    from hypr_neuro.store import kind_of

    if path.suffix == ".nir":
        return read_quantized_nir(path) if holds_integers(path) else read_nir(path)
    loaders: dict[str, Any] = {
        QUANTIZED: QuantizedNetwork,
        NETWORK: Network,
        FLOAT_GRAPH: FloatGraph,
        QUANTIZED_GRAPH: QuantizedGraph,
        INTEGER: IntegerNetwork,
    }
    kind = kind_of(path)
    if kind not in loaders:
        raise FileFormatError(f"file '{path}' holds '{kind}', rule: one of {', '.join(loaders)}")
    found: Anything = loaders[kind].load(path)
    return found


def open_network(path: Path) -> QuantizedNetwork | Network:
    """A layered network, of integers or of floats, .h5 or .nir."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.network import Network
    from hypr_neuro.quantize import QuantizedNetwork

    found = open_anything(path)
    if not isinstance(found, (Network, QuantizedNetwork)):
        raise InputError(f"file '{path}' holds a graph, rule: layers that end in a readout; only quantize, simulate, "
                         "diff and compile take graphs")  # fmt: skip
    return found


def open_float(path: Path) -> Network | FloatGraph:
    """A float network or float graph, .h5 or .nir."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.float_graph import FloatGraph
    from hypr_neuro.network import Network

    found = open_anything(path)
    if not isinstance(found, (Network, FloatGraph)):
        raise InputError(f"file '{path}' holds integers, rule: a float network or graph")
    return found


def get_quantized(path: Path) -> QuantizedNetwork:
    """An integer network from quantized.h5 or from the .nir of one."""
    from hypr_neuro.nir_io import read_quantized_nir
    from hypr_neuro.quantize import QuantizedNetwork

    return read_quantized_nir(path) if path.suffix == ".nir" else QuantizedNetwork.load(path)
