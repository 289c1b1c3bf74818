"""Networks for Lava (lava-nc 0.10.0), the vendor's framework for Loihi: a network of Lava processes from the integers.

build      `lava_network`: the processes, with ports that fit into a user's own Lava network
integer    `lava_integer_network`: an `IntegerNetwork` in Lava's own processes alone; `integer_record` records it,
           `integer_batch` and `integer_worker` run many in one child process
learning   `learning_network`: a quantized network that learns; `learning_run` runs it in a child process
           (`learning_worker`), the other `learning_*` are its parts
child      a worker as a child process, ended with all that Lava started
processes  what Lava itself does not have; Lava searches that folder for process models, so it holds nothing else
rules      what a network must keep to; imports without Lava
run        runs a built network over samples and records it
worker     a program of its own that runs networks for the device 'lava'

Importing this package does not import Lava.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hypr_neuro.compilers.lava.rules import LAVA, check_network
from hypr_neuro.store import write_text

if TYPE_CHECKING:
    from hypr_neuro.quantize import QuantizedNetwork

NETWORK, SCRIPT = "network.h5", "run_lava.py"
PACKAGES = (LAVA,)


def emit(qnet: QuantizedNetwork, folder: Path) -> list[str]:
    """Write the network and a script that runs it under Lava into `folder`; the names of the files.

    Raises InputError for what Lava cannot do, see `rules.check_network`. Lava itself is not needed.
    """
    check_network(qnet)
    qnet.save(folder / NETWORK)
    template = Path(__file__).with_name("script.py").read_text(encoding="utf-8")
    write_text(folder / SCRIPT, template)
    return [NETWORK, SCRIPT]
