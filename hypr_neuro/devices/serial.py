"""Device 'serial': a board with the network's program, behind a serial line: serial:///dev/ttyACM0?baud=115200."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl

from hypr_neuro.compilers.c.link import write_linked
from hypr_neuro.devices.linked import PATIENCE, LinkedDevice, LinkedProgram
from hypr_neuro.devices.programs import new_folder
from hypr_neuro.errors import InputError, MissingPackageError, among
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.link.transport import SerialTransport, Transport
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions

BAUD = 115200
OPTIONS = ("baud",)


class SerialDevice(LinkedDevice):
    """Runs and learns on a board of the user's, which holds the program of the network.

    Weights and neuron parameters that learn are written over the line; all else must be that of the program, which says
    by its digest what it is.

    Parameters
    ----------
    address : str
        Port and perhaps ?baud=N, such as /dev/ttyACM0?baud=921600 or COM3.
    timeout
        As of a `LinkedDevice`.
    """

    name = "serial"
    address = "/dev/ttyACM0?baud=115200"

    def __init__(self, address: str = "", *, timeout: float = PATIENCE) -> None:
        super().__init__(address, timeout=timeout)
        self.port, _, query = address.partition("?")
        options = dict(parse_qsl(query, keep_blank_values=True))
        for option in options:
            if option not in OPTIONS:
                raise InputError(f"device 'serial://{address}': unknown option {among(option, OPTIONS)}")
        baud = options.get("baud", str(BAUD))
        if not baud.isdecimal() or not 0 < int(baud) <= 100_000_000:
            raise InputError(f"device 'serial://{address}': baud = {baud!r:.20}, rule: bits a second, such as {BAUD}")
        self.baud = int(baud)

    def open(self) -> None:
        """Look for pyserial; the line is opened with the network. Raise MissingPackageError without it."""
        if find_spec("serial") is None:
            raise MissingPackageError(
                f"device '{self.name}': pyserial is not installed; pip install 'hypr-neuro[devices]'"
            )
        super().open()

    def _prepare(self, network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None) -> Any:
        folder = new_folder()
        try:
            digest = write_linked(network, options, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return LinkedProgram(digest, None, **self._plan(network, options))

    def _transport(self, program: LinkedProgram) -> Transport:
        return SerialTransport(self.port, self.baud, f"device 'serial://{self.place}'")


DEVICE = SerialDevice
