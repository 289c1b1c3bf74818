"""`hypr-neuro serve`: lend a device of this machine to clients elsewhere."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.console import command

EXAMPLES = ("hypr-neuro serve --device sim --listen 127.0.0.1:9000 --state runs/served",)


@command
def run(
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="Device to lend.")] = "sim",
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where clients connect; port 0: any.")
    ] = "127.0.0.1:9000",
    state: Annotated[Path, typer.Option("--state", help="Folder for the journals of runs; created if need be.")] = Path(
        "served"
    ),
    lease: Annotated[float, typer.Option("--lease", min=1, help="Seconds until a lease expires.")] = 120.0,
    turn: Annotated[float, typer.Option("--turn", min=0.1, help="Seconds of a turn while others wait.")] = 30.0,
) -> None:
    """Lend a device to clients elsewhere: one at a time, in turns, every sample applied exactly once.

    Clients use it as the device grpc://HOST:PORT. It ends with SIGTERM or Ctrl-C.
    """
    from hypr_neuro.devices import make_device
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.lock import alone_in
    from hypr_neuro.files.store import make_folder
    from hypr_neuro.remote.link import LOOPBACK
    from hypr_neuro.serving.server import make_server
    from hypr_neuro.serving.service import Service

    host = listen.rpartition(":")[0]
    if host not in LOOPBACK:
        raise InputError(f"--listen {listen}, rule: an address of this machine alone, such as 127.0.0.1:9000")
    with alone_in(make_folder(state), "the server of"), make_device(device) as lent:
        service = Service(lent, state, lease, turn)
        server, port = make_server(service, listen)
        server.start()
        print(f"device '{device}' at grpc://{host}:{port}", flush=True)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        stop.wait()
        server.stop(10).wait()
        service.close()
