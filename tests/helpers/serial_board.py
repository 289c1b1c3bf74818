"""A board behind a serial line, for tests: qemu, whose serial line is a pseudo-terminal.

Whoever sits at a bench flashes the program before he connects. Here the test's device does so when it loads a network:
the link that the test opens leads to the pseudo-terminal of the qemu that runs it.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hypr_neuro.compilers.c import build
from hypr_neuro.devices.prepared import Prepared
from hypr_neuro.devices.programs import built_program
from hypr_neuro.devices.serial import SerialDevice


def tools_missing() -> str | None:
    return build.CORTEX_M4.missing() or build.emulator_missing()


@contextmanager
def flashed(program: Path) -> Iterator[str]:
    """Run a program on the emulated board; yield the path of its serial line."""
    command = [build.EMULATOR, "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "pty"]
    with tempfile.TemporaryFile() as log:
        board = subprocess.Popen(
            [*command, "-kernel", str(program)], stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL
        )
        try:
            assert board.stdout is not None
            said = board.stdout.readline().decode()
            found = re.search(r"(/dev/\S+)", said)
            assert found, said
            yield found[1]
        finally:
            board.kill()
            board.wait()
            board.stdout.close()


class Bench:
    """The hands at the bench: they flash what is loaded next, and plug the line in at one and the same path."""

    def __init__(self, folder: Path) -> None:
        self.port = folder / "ttyACM0"
        self._running: list[object] = []

    def flash(self, prepared: Prepared) -> None:
        self.unplug()
        program, _ = built_program(prepared.network, prepared.options, build.CORTEX_M4)
        context = flashed(program.path)
        line = context.__enter__()
        self._running.append(context)
        self.port.symlink_to(line)

    def unplug(self) -> None:
        self.port.unlink(missing_ok=True)
        while self._running:
            self._running.pop().__exit__(None, None, None)  # type: ignore[attr-defined]


@contextmanager
def serial_bench() -> Iterator[str]:
    """Yield the address of a serial device whose board is flashed with whatever is loaded."""
    reason = tools_missing()
    if reason is not None:  # as on a machine without the tools for a board
        pytest.skip(f"{reason}; apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        bench, load = Bench(Path(folder)), SerialDevice._load

        def flash_and_load(device: SerialDevice, prepared: Prepared) -> None:
            bench.flash(prepared)
            load(device, prepared)

        patch.setattr(SerialDevice, "_load", flash_and_load)
        try:
            yield f"serial://{bench.port}?baud=921600"
        finally:
            bench.unplug()
