"""Ways on which the bytes of a link travel: the pipes of a program that is started, and a serial line."""

from __future__ import annotations

import os
import select
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypr_neuro.errors import HyprError, InputError, MissingPackageError

PIECE = 65536
POLITE = 2.0
"""Seconds that a program gets to end by itself when its input ends."""


class LinkClosedError(HyprError):
    """The other side is gone: its program has ended, or its line is closed."""


class Transport(ABC):
    """Carries bytes to the other side and back."""

    @abstractmethod
    def open(self) -> None:
        """Reach the other side, anew if it was reached before; raise HyprError if that fails."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send bytes; raise LinkClosedError if nobody can take them."""

    @abstractmethod
    def receive(self, timeout: float) -> bytes:
        """Return the bytes that are there, b"" if none come in that many seconds; raise LinkClosedError at the end."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the other side; closing twice does nothing."""


class ProcessTransport(Transport):
    """The standard input and output of a program of its own, which ends with its input.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    name : str
        What to call it in errors.
    """

    def __init__(self, command: Sequence[str | Path], name: str) -> None:
        self.command, self.name = [str(word) for word in command], name
        self.process: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Start the program, once more if it has run before."""
        self.close()
        # not in the group of this terminal: Ctrl-C is for this program, which ends the other
        try:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise HyprError(f"{self.name}: cannot start '{self.command[0]}' ({error}); load it again") from error
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        os.set_blocking(self.process.stdin.fileno(), False)

    def send(self, data: bytes) -> None:
        """Send bytes to its standard input."""
        assert self.process is not None
        assert self.process.stdin is not None
        number, left = self.process.stdin.fileno(), memoryview(data)
        while left:
            try:
                left = left[os.write(number, left) :]
            except BlockingIOError:
                # a program that does not read cannot be reached either
                if not select.select([], [number], [], POLITE)[1]:
                    raise self._gone() from None
            except BrokenPipeError:
                raise self._gone() from None

    def receive(self, timeout: float) -> bytes:
        """Return what its standard output holds."""
        assert self.process is not None
        assert self.process.stdout is not None
        number = self.process.stdout.fileno()
        if not select.select([number], [], [], timeout)[0]:
            return b""
        data = os.read(number, PIECE)
        if not data:
            raise self._gone()
        return data

    def _gone(self) -> LinkClosedError:
        assert self.process is not None
        code: int | None = None
        with suppress(subprocess.TimeoutExpired):
            code = self.process.wait(POLITE)
        words = ""
        if self.process.stderr is not None and code is not None:
            lines = self.process.stderr.read().decode(errors="replace").strip().splitlines()
            words = f"; its last line: {lines[-1]:.200}" if lines else ""
        return LinkClosedError(f"{self.name}: its program ended with code {code}{words}")

    def close(self) -> None:
        """End the program."""
        process, self.process = self.process, None
        if process is None:
            return
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(POLITE if process.poll() is None and self.ends_with_input else 0.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()

    ends_with_input = True
    """Whether the program ends when its input does; an emulated board does not."""


class EmulatorTransport(ProcessTransport):
    """The serial line of an emulated board, on the standard input and output of its emulator.

    An emulator does not end with its input, so that a guard ends it when this program dies.
    """

    ends_with_input = False

    def __init__(self, command: Sequence[str | Path], name: str) -> None:
        super().__init__(command, name)
        self._guard: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Start the emulator, and the guard: a shell that waits for the end of a pipe which this program holds."""
        super().open()
        assert self.process is not None
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; kill -9 "$1"', "guard", str(self.process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def close(self) -> None:
        """End the guard first: the number of a process that has ended may be another's soon."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.kill()
            guard.wait()
            assert guard.stdin is not None
            guard.stdin.close()
        super().close()


class SerialTransport(Transport):
    """A serial line, by pyserial.

    Parameters
    ----------
    port : str
        Such as /dev/ttyACM0 or COM3.
    baud : int
        Bits a second.
    name : str
        What to call it in errors.
    """

    def __init__(self, port: str, baud: int, name: str) -> None:
        self.port, self.baud, self.name = port, baud, name
        self._line: Any = None

    def open(self) -> None:
        """Open the line; what waited in it is dropped."""
        try:
            import serial
        except ImportError as error:
            raise MissingPackageError(
                f"{self.name}: pyserial is not installed; pip install 'hypr-neuro[devices]'"
            ) from error

        self.close()
        try:
            self._line = serial.Serial(self.port, self.baud, timeout=0, write_timeout=POLITE)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.name}: cannot open the serial line ({error}); plug the board in, check the name of its port "
                "and that you may use it (on Linux the group dialout)"
            ) from error
        self._line.reset_input_buffer()

    def send(self, data: bytes) -> None:
        """Send bytes over the line."""
        import serial

        try:
            self._line.write(data)
        except (serial.SerialException, OSError) as error:
            raise LinkClosedError(f"{self.name}: the serial line is gone ({error})") from error

    def receive(self, timeout: float) -> bytes:
        """Return what the line holds."""
        import serial

        end = time.monotonic() + timeout
        try:
            while True:
                waiting = self._line.in_waiting
                if waiting:
                    return bytes(self._line.read(waiting))
                left = end - time.monotonic()
                if left <= 0:
                    return b""
                self._line.timeout = min(left, 0.05)
                data = bytes(self._line.read(1))
                self._line.timeout = 0
                if data:
                    return data
        except (serial.SerialException, OSError, TypeError) as error:
            raise LinkClosedError(f"{self.name}: the serial line is gone ({error})") from error

    def close(self) -> None:
        """Close the line."""
        line, self._line = self._line, None
        if line is not None:
            with suppress(OSError):
                line.close()
