"""Networks that lava-dl exported: netx files (HDF5, ending .net) as networks of integers.

What lava-dl's `netx.hdf5.Network` runs under Lava's fixed-point models on the CPU, the network of `read_netx` runs bit
for bit; what lava-dl would leave out or change in silence is refused by name.

Source: lava-dl 0.6.0, lava.lib.dl.netx (format, conversion) and lava.lib.dl.slayer (export); lava-nc 0.10.0 (models).
"""

from hypr_neuro.exchange.netx.read import Netx, read_netx

__all__ = ["Netx", "read_netx"]
