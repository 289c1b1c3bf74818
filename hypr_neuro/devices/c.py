"""Device 'c': the network in C, compiled for this computer, in a process of its own behind a pipe."""

from __future__ import annotations

import os
from typing import Any

from hypr_neuro.compilers.c import build
from hypr_neuro.devices.linked import LinkedDevice, LinkedProgram
from hypr_neuro.devices.programs import built_program
from hypr_neuro.errors import MissingPackageError
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.link.transport import ProcessTransport, Transport
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions


class CDevice(LinkedDevice):
    """Runs and learns in the C that `hypr-neuro compile --target c` writes."""

    name = "c"
    toolchain = build.HOST

    def open(self) -> None:
        """Look for the compiler; raise MissingPackageError if it is not installed."""
        reason = self._missing_tools()
        if reason is not None:
            raise MissingPackageError(f"device '{self.name}': {reason}")
        super().open()

    def _missing_tools(self) -> str | None:
        missing = build.HOST.missing()
        return None if missing is None else f"{missing}; apt-get install gcc libc6-dev"

    def _prepare(self, network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None) -> Any:
        built, digest = built_program(network, options, self.toolchain)
        return LinkedProgram(digest, built, **self._plan(network, options))

    def _transport(self, program: LinkedProgram) -> Transport:
        assert program.built is not None
        return ProcessTransport([os.fspath(program.built.path)], f"device '{self.name}'")


DEVICE = CDevice
