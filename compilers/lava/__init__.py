"""Networks for Lava (lava-nc 0.10.0), the vendor's framework for Loihi, from integers, and integers from Lava networks.

Out, a quantized network in Lava's processes, and ours where Lava has none that compute the same:

build      `lava_network`: the processes, with ports that fit into a user's own Lava network
learning   `learning_network`: a quantized network that learns; `learning.run` runs it in a child process
           (`learning.worker`), the other modules are its parts
run        runs a built network over samples and records it; worker: a program of its own for the device 'lava'
processes  what Lava itself does not have; Lava searches that folder for process models, so it holds nothing else
rows       files in which neurons keep what they did; record: a trace of them
rules      what a network must satisfy; imports without Lava

Out, any network of integers in Lava's own processes:

integers   `lava_integer_network`: LIF, RF, RF_IZ and connections; `trace` runs samples like the simulator; `record`
           records, `batch` and `worker` run many in one child process

In:

from_lava  a network of Lava processes as an `IntegerNetwork`: `read_ports` follows the ports, `read_integers` takes
           the integers of each process

child      a worker as a child process, ended with all that Lava started
script_*   what `emit` puts beside the network, to run it; `script_netx` is that of the target netx and needs nothing
           of this package; `script_files` is what the other two share

Importing this package does not import Lava.
"""

from __future__ import annotations

from pathlib import Path

from hypr_neuro.compilers.lava.build import check_network
from hypr_neuro.compilers.lava.integers.network import check_integer_network
from hypr_neuro.compilers.lava.rules import LAVA
from hypr_neuro.files.store import write_text
from hypr_neuro.graph.integer import HasInteger, IntegerNetwork, as_integer
from hypr_neuro.quantizing.network import QuantizedNetwork

NETWORK, SCRIPT = "network.h5", "run_lava.py"
PACKAGES = (LAVA,)
TAKES_INTEGER = True


def emit(network: IntegerNetwork | HasInteger, folder: Path) -> list[str]:
    """Write the network and a script that runs it under Lava into `folder`; return the names of the files.

    Neurons of a `QuantizedNetwork` that Lava lacks run in processes of our own; a network of integers runs in Lava's
    alone. Raise InputError for what Lava cannot do, see `build.check_network` and
    `integers.network.check_integer_network`. Lava itself is not needed.
    """
    if isinstance(network, QuantizedNetwork):
        check_network(network)
        network.save(folder / NETWORK)
        script = _script("script_network.py")
    else:
        integer, tail = as_integer(network)
        check_integer_network(integer)
        integer.save(folder / NETWORK)
        script = _script("script_integer.py").replace("TAIL = 0", f"TAIL = {tail}", 1)
    write_text(folder / SCRIPT, script)
    return [NETWORK, SCRIPT]


def _script(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
