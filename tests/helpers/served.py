"""A device behind `hypr-neuro serve`, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Server:
    """The process; it can be killed and started again on the same port and folder."""

    def __init__(self, folder: Path, *options: str, device: str = "sim") -> None:
        self.folder, self.options, self.device, self.port = folder, options, device, 0
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "hypr_neuro", "serve", "--device", self.device, "--state", str(self.folder)]
        command += ["--listen", f"127.0.0.1:{self.port}", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the server ended before it listened"
        self.port = int(line.rsplit(":", 1)[1])

    @property
    def address(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.kill()
        self._gone()

    def stop(self) -> int:
        self.process.terminate()
        return self._gone()

    def _gone(self) -> int:
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def served(*options: str) -> Iterator[str]:
    """Serve the simulator and give its address."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), *options)
        try:
            yield server.address
        finally:
            server.stop()
