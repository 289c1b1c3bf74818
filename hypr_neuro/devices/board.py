"""Device 'board': the network in C on an emulated Cortex-M4, behind its serial line."""

from __future__ import annotations

import os

from hypr_neuro.compilers.c import build
from hypr_neuro.devices.c import CDevice
from hypr_neuro.devices.linked import LinkedProgram
from hypr_neuro.link.transport import EmulatorTransport, Transport

EMULATE = (build.EMULATOR, "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "stdio")


class BoardDevice(CDevice):
    """Runs and learns on Arm's MPS2 board with image AN386, emulated by qemu: the program of a real one."""

    name = "board"
    toolchain = build.CORTEX_M4

    def _missing_tools(self) -> str | None:
        missing = build.CORTEX_M4.missing() or build.emulator_missing()
        packages = "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
        return None if missing is None else f"{missing}; apt-get install {packages}"

    def _transport(self, program: LinkedProgram) -> Transport:
        assert program.built is not None
        return EmulatorTransport([*EMULATE, "-kernel", os.fspath(program.built.path)], f"device '{self.name}'")


DEVICE = BoardDevice
