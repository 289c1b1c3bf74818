"""Networks that commands take: a file's content decides what it is, not its name alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypr_neuro.network import Network
    from hypr_neuro.quantize import QuantizedNetwork


def open_network(path: Path) -> QuantizedNetwork | Network:
    """An integer or a float network, .h5 or .nir; a file that is neither gives the error of the first."""
    from hypr_neuro.errors import FileFormatError
    from hypr_neuro.network import Network
    from hypr_neuro.nir_io import holds_integers, read_nir, read_quantized_nir
    from hypr_neuro.quantize import QuantizedNetwork

    if path.suffix == ".nir":
        return read_quantized_nir(path) if holds_integers(path) else read_nir(path)
    try:
        return QuantizedNetwork.load(path)
    except FileFormatError as error:
        try:
            return Network.load(path)
        except FileFormatError:
            raise error from None


def get_quantized(path: Path) -> QuantizedNetwork:
    """An integer network from quantized.h5 or from the .nir of one."""
    from hypr_neuro.nir_io import read_quantized_nir
    from hypr_neuro.quantize import QuantizedNetwork

    return read_quantized_nir(path) if path.suffix == ".nir" else QuantizedNetwork.load(path)
