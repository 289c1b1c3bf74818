"""Read a network of Lava processes into a network of integers with the same spikes and states.

Time. A connection process sends in step t + 1 what arrived in step t (delay k: t + 1 + k), a neuron process sends in
the step in which it receives. Where a port of neurons is fed by other neurons or by the input without a connection
process between them, spikes arrive in the same step; the network then has connection_delay 0, and the connections'
own step becomes a delay of 1 where they lead forward.

Input. What feeds the network from outside is its input: ports of processes that receive nothing themselves (ring
buffers, say), and ports to which nothing is connected. Several are concatenated, in the order in which their processes
were made. Processes that only receive (ring buffers again, monitors) are left out.

Hierarchical processes are walked to their leaves (`read_processes`) and left as they were found.

Whatever else stands in the network is refused by class and name: learning connections, convolutions, neurons that
exist in floating point only. The integers are those of Lava's fixed-point models (`read_integers`), which Lava chooses
with ``Loihi2SimCfg(select_tag="fixed_pt")``. They agree as long as Lava's own sums stay inside 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypr_neuro.compilers.lava.lava_read import FromLava, LavaInput
from hypr_neuro.compilers.lava.read_network import NetworkReader
from hypr_neuro.compilers.lava.rules import require_lava
from hypr_neuro.errors import InputError

__all__ = ["FromLava", "LavaInput", "from_lava"]


def from_lava(process: Any, *, outside: Iterable[Any] = ()) -> FromLava:
    """Read the integer network of which `process` is a part.

    Parameters
    ----------
    process
        Any process of a Lava network that has been built and not yet run.
    outside
        Processes that are taken as input, whatever feeds them, such as encoders of a user's own.

    Raises
    ------
    InputError
        Naming process and class, for what is not supported.
    MissingPackageError
        Without Lava.
    """
    require_lava()
    if not hasattr(process, "in_ports") or not hasattr(process, "out_ports"):
        raise InputError(
            f"from_lava takes a Lava process, not a {type(process).__name__}; give any process of the network"
        )
    return NetworkReader(process, {p.id for p in outside}).read()
