"""Any file of a network that hypr-neuro wrote: its content decides what it is, not its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.store import kind_of
from hypr_neuro.graph.integer import KIND as INTEGER
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.graph.network import Network
from hypr_neuro.graph.network_file import KIND as NETWORK
from hypr_neuro.graph.network_file import KIND_OF_GRAPHS
from hypr_neuro.numbers.checks import require_path
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.network_file import GRAPH_KIND_0_1
from hypr_neuro.quantizing.network_file import KIND as QUANTIZED

if TYPE_CHECKING:
    AnyNetwork = Network | QuantizedNetwork | IntegerNetwork

LOADERS: dict[str, Any] = {
    QUANTIZED: QuantizedNetwork,
    NETWORK: Network,
    KIND_OF_GRAPHS: Network,
    GRAPH_KIND_0_1: QuantizedNetwork,
    INTEGER: IntegerNetwork,
}


def load(path: str | Path) -> AnyNetwork:
    """Return the network in a file of hypr-neuro: an .h5 of whatever kind, or a .nir that `write_nir` wrote.

    Parameters
    ----------
    path
        Of the file.

    Returns
    -------
    Network, QuantizedNetwork or IntegerNetwork
        What the file holds.

    Raises
    ------
    FileFormatError
        For a missing, damaged or altered file, and for one that holds no network.
    InputError
        For NIR of another program.
    """
    require_path("path", path, "a file of hypr-neuro")
    path = Path(path)
    if path.suffix == ".nir":
        return _own_nir(path)
    kind = kind_of(path)
    if kind not in LOADERS:
        raise FileFormatError(f"file '{path}' holds '{kind}', rule: one of {', '.join(LOADERS)}")
    net: AnyNetwork = LOADERS[kind].load(path)
    return net


def _own_nir(path: Path) -> Network | QuantizedNetwork:
    from hypr_neuro.exchange.nir import holds_integers, is_own, read_own, read_quantized_nir

    if not is_own(path):
        raise InputError(
            f"file '{path}' is NIR of another program; `hypr-neuro import {path}` or hn.import_nir reads it, with dt "
            "and reset where the file leaves them open"
        )
    return read_quantized_nir(path) if holds_integers(path) else read_own(path)
