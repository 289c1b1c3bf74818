"""A PostgreSQL server of our own on the loopback interface."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

NOBODY = 65534


def programs() -> Path | None:
    """Folder of the server's programs, which Debian keeps out of the path."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


@dataclass(frozen=True)
class Postgres:
    """A server with one database, which root may not run itself."""

    folder: Path
    programs: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://studies:secret@127.0.0.1:{self.port}/postgres"

    def call(self, words: Sequence[str | Path]) -> None:
        as_other = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        subprocess.run(
            [str(word) for word in words], check=True, cwd=self.folder, stdout=subprocess.DEVNULL, **as_other
        )

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = self.folder / "log"
        self.call([self.programs / "pg_ctl", "-D", self.folder / "data", "-o", options, "-w", "-l", log, "start"])

    def stop(self) -> None:
        self.call([self.programs / "pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop"])


def made(folder: Path) -> Postgres:
    """Start a server; skip the test where none is installed."""
    found = programs()
    if found is None:  # no Python package brings the server; SQLite has the same path through the code
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    server = Postgres(folder, found, port)
    server.call([found / "initdb", "-D", folder / "data", "-A", "trust", "-U", "studies", "--no-sync"])
    server.start()
    return server
