"""netx files (HDF5, ending .net) for lava-dl 0.6.0: networks of integers that `lava.lib.dl.netx.hdf5.Network` loads.

chain              `LayerChain`: the network as layers one after the other; what they cannot be is refused
constant_currents  constant currents as input axons that are 1 in every step
weights            weights without exponents
images             convolutions as netx has them, and how their neurons lie in the file
layer              `NetxLayer`: what comes into one layer
arrange            which layers are convolutions
entries            what a layer's group in the file holds, in numbers that lava-dl hands to Lava unchanged
write              `write_netx` and its summary

The file runs in Lava with the simulator's spikes and states, or it is not written: what netx cannot say is refused by
layer, value and rule. `hypr_neuro.exchange.netx` reads the files and states what lava-dl makes of them. A compiled
folder also holds `compilers/lava/script_netx.py`, a program of its own that runs the file under lava-dl.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from hypr_neuro.compilers import Emitted
from hypr_neuro.compilers.netx.write import write_netx
from hypr_neuro.files.store import write_text

if TYPE_CHECKING:
    from hypr_neuro.graph.integer import HasInteger, IntegerNetwork

__all__ = ["PACKAGES", "TAKES_INTEGER", "emit", "write_netx"]

NETWORK, SUMMARY, READOUT, SCRIPT = "network.net", "netx.json", "readout.h5", "run_netx.py"
PACKAGES, TAKES_INTEGER = ("h5py", "lava-dl"), True


def emit(
    network: IntegerNetwork | HasInteger, folder: Path, *, always_on: str = "refuse", readout: str = "refuse"
) -> Emitted:
    """Write the network, its summary and a script that runs it under lava-dl into `folder`.

    lava-dl itself is not needed.

    Parameters
    ----------
    network
        A network of integers, or what has one.
    folder
        Where the files go.
    always_on
        See `write_netx`.
    readout
        See `write_netx`; a readout that stays outside goes to "readout.h5", an `IntegerNetwork` whose input are the
        spikes of the last layer.

    Returns
    -------
    Emitted
        Names of the files and what the manifest says of them.

    Raises
    ------
    InputError
        For what netx cannot say.
    """
    summary = write_netx(network, folder / NETWORK, always_on=always_on, readout=readout)
    names = [NETWORK, SUMMARY, SCRIPT]
    write_text(folder / SUMMARY, json.dumps(summary.as_dict(), indent=2) + "\n")
    write_text(
        folder / SCRIPT, files("hypr_neuro.compilers.lava").joinpath("script_netx.py").read_text(encoding="utf-8")
    )
    if summary.readout is not None:
        summary.readout.save(folder / READOUT)
        names.append(READOUT)
    return Emitted(names, {"netx": summary.as_dict()})
