"""`hypr-neuro serve`: lend a device of this machine to clients elsewhere."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from hypr_neuro.cli.choices import choice
from hypr_neuro.cli.console import command

EXAMPLES = (
    "hypr-neuro serve --device sim --listen 127.0.0.1:9000 --state runs/served",
    "hypr-neuro serve --make-credentials lab --host board.example.org --client anna --client ben",
    "hypr-neuro serve --listen 0.0.0.0:9000 --credentials lab --metrics 127.0.0.1:9001",
)


@command
def run(
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="Device to lend.")] = "sim",
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where clients connect; port 0: any.")
    ] = "127.0.0.1:9000",
    state: Annotated[Path, typer.Option("--state", help="Folder for the journals of runs; created if need be.")] = Path(
        "served"
    ),
    credentials: Annotated[
        Path | None, typer.Option("--credentials", help="Folder of certificate and tokens (needed off this machine).")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen off this machine without TLS and tokens all the same.")
    ] = False,
    lease: Annotated[
        float, typer.Option("--lease", metavar="SECONDS", min=1, help="Until a lease expires that is not renewed.")
    ] = 120.0,
    turn: Annotated[
        float, typer.Option("--turn", metavar="SECONDS", min=0.1, help="Length of a turn while others wait.")
    ] = 30.0,
    longest: Annotated[
        float, typer.Option("--longest", metavar="SECONDS", min=0.1, help="After which a run is stopped.")
    ] = 600.0,
    fsync: Annotated[
        str, choice(("always", "interval"), help="When the disk has a sample: before it is answered, or each second.")
    ] = "always",
    keep: Annotated[
        float, typer.Option("--keep", metavar="DAYS", min=0, help="Delete runs that nobody used for so long, at start.")
    ] = 30.0,
    metrics: Annotated[
        str | None, typer.Option("--metrics", metavar="HOST:PORT", help="Where Prometheus reads (default: nowhere).")
    ] = None,
    make: Annotated[
        Path | None, typer.Option("--make-credentials", help="Write credentials into this folder and leave.")
    ] = None,
    host: Annotated[
        list[str] | None, typer.Option("--host", metavar="NAME", help="Name or address in the certificate.")
    ] = None,
    client: Annotated[
        list[str] | None, typer.Option("--client", metavar="NAME", help="Client that gets a token.")
    ] = None,
) -> None:
    """Lend a device to clients elsewhere: one at a time, in turns, every sample applied exactly once.

    Clients use it as the device grpc://HOST:PORT. It ends with SIGTERM or Ctrl-C.
    """
    from hypr_neuro.errors import InputError
    from hypr_neuro.remote.link import LOOPBACK

    if make is not None:
        _make(make, host or ["localhost", "127.0.0.1"], client or ["client"])
        return
    near = listen.rpartition(":")[0] in LOOPBACK
    if credentials is None and not near and not insecure:
        raise InputError(
            f"--listen {listen} without --credentials, rule: TLS and tokens off this machine; make them with "
            "--make-credentials FOLDER, or say --insecure"
        )
    options = {"seconds": lease, "turn": turn, "fsync": fsync == "always", "longest": longest}
    _serve(device, listen, state, credentials, metrics, options, keep)


def _make(folder: Path, hosts: list[str], clients: list[str]) -> None:
    from hypr_neuro.serving.credentials import make_credentials

    for file in make_credentials(folder, hosts, clients):
        print(folder / file)


def _serve(
    device: str,
    listen: str,
    state: Path,
    credentials: Path | None,
    metrics: str | None,
    options: dict[str, Any],
    keep: float,
) -> None:
    # standard error holds one JSON object for each event: gRPC's own lines, of failed handshakes, would stand between
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from hypr_neuro.devices import make_device
    from hypr_neuro.files.lock import alone_in
    from hypr_neuro.files.store import make_folder
    from hypr_neuro.serving.credentials import server_credentials
    from hypr_neuro.serving.log import log
    from hypr_neuro.serving.metrics import serve_metrics
    from hypr_neuro.serving.runs import tidy
    from hypr_neuro.serving.server import make_server
    from hypr_neuro.serving.service import Service

    secure, name_of = (None, None) if credentials is None else server_credentials(credentials)
    with alone_in(make_folder(state), "the server of"), make_device(device) as lent:
        tidy(state, keep)
        service = Service(lent, state, **options)
        server, port = make_server(service, listen, secure, name_of)
        if metrics is not None:
            serve_metrics(service, metrics)
        server.start()
        print(f"device '{device}' at grpc://{listen.rpartition(':')[0]}:{port}", flush=True)
        log("started", device=device, port=port, tls=secure is not None)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        stop.wait()
        log("stopping")
        server.stop(10).wait()
        service.close()
        log("stopped")
