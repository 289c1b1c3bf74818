"""Networks that commands take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hypr_neuro.errors import InputError
    from hypr_neuro.exchange.loading import AnyNetwork
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork

HOLDS = {
    "Network": ("a float network", "`hypr-neuro quantize {path}` makes integers of it"),
    "QuantizedNetwork": ("a quantized network", "give the network.h5 that it was made from"),
    "IntegerNetwork": ("integers without a profile", "`hypr-neuro quantize {path} --profile P` gives them one"),
}
"""By kind of network: what a file of it holds, in words, and the commands that take it."""


def check_same_network(folder: Path, network: Path, net: AnyNetwork) -> None:
    """Raise InputError for a run folder that holds another network under the name of this one's file.

    Its report would tell of both as if they were one.
    """
    from hypr_neuro.errors import InputError
    from hypr_neuro.exchange.loading import load

    held = folder / network.name
    if not held.is_file() or held.samefile(network) or held.read_bytes() == network.read_bytes():
        return
    if not _equal(load(held), net):
        raise InputError(f"'{folder}' holds another network ({network.name}) than '{network}'; choose another --out")


def _equal(one: AnyNetwork, other: AnyNetwork) -> bool:
    from hypr_neuro.errors import MismatchError
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork
    from hypr_neuro.workflow.equal import require_equal_integers, require_equal_networks

    try:
        if isinstance(one, Network) and isinstance(other, Network):
            require_equal_networks(one, other)
            return True
        if isinstance(one, QuantizedNetwork) and isinstance(other, QuantizedNetwork):
            require_equal_integers(one, other)
            return True
    except MismatchError:
        pass
    return False


def get_float(path: Path, *, foreign: bool = False) -> Network:
    """Return a float network from .h5 or .nir; foreign : also from .nir of any program that says all."""
    from hypr_neuro.exchange.loading import load
    from hypr_neuro.exchange.nir import read_nir
    from hypr_neuro.graph.network import Network

    net = read_nir(path) if foreign and path.suffix == ".nir" else load(path)
    if not isinstance(net, Network):
        raise refused(path, net, "a float network")
    return net


def get_quantized(path: Path) -> QuantizedNetwork:
    """Return an integer network from quantized.h5 or from the .nir of one."""
    from hypr_neuro.exchange.loading import load
    from hypr_neuro.quantizing.network import QuantizedNetwork

    net = load(path)
    if not isinstance(net, QuantizedNetwork):
        raise refused(path, net, "a quantized network")
    return net


def refused(path: Path, net: AnyNetwork, rule: str) -> InputError:
    """Return the error for a file that holds another kind of network than a command takes, with what takes it."""
    from hypr_neuro.errors import InputError

    holds, remedy = HOLDS[type(net).__name__]
    return InputError(f"file '{path}' holds {holds}, rule: {rule}; {remedy.format(path=path)}")
