"""The client's side of the line: calls that are repeated until they are answered, and a lease that is kept alive."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from hypr_neuro.errors import FileFormatError, HyprError, InputError, MissingPackageError
from hypr_neuro.link.faults import FaultyFrames
from hypr_neuro.link.requests import LinkStatistics
from hypr_neuro.link.transport import LinkClosedError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.remote.packing import LARGEST, SERVICE, Content, packed, unpacked

TOKEN, TOKEN_FILE = "HYPR_NEURO_TOKEN", "HYPR_NEURO_TOKEN_FILE"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
KINDS: dict[str, type[HyprError]] = {kind.__name__: kind for kind in (InputError, FileFormatError, HyprError)}
GONE = "lease"
"""What a refusal of a call with a lease that is none begins with."""


class LeaseError(HyprError):
    """The server knows no such lease: it has expired, or the server has started anew."""


class ServerLink:
    """A channel to a server.

    Parameters
    ----------
    address
        "host:port", with "?ca=FILE&token_file=FILE&insecure=1&patience=SECONDS&client=NAME".
    options
        The same by name, and `token`.
    """

    def __init__(self, address: str, **options: Any) -> None:
        self.target, _, query = address.partition("?")
        said = {key: values[-1] for key, values in parse_qs(query, keep_blank_values=True).items()}
        known = ("ca", "token_file", "insecure", "patience", "client")
        for key in said:
            if key not in known:
                raise InputError(f"grpc://{self.target}: unknown option '{key:.40}', known: {', '.join(known)}")
        host, _, port = self.target.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise InputError(
                f"device 'grpc://{self.target}', rule: grpc://HOST:PORT, port 1 to 65535; `hypr-neuro serve` prints it"
            )
        said |= {key: value for key, value in options.items() if value is not None}
        try:
            self.patience = float(said.get("patience", 60.0))
        except ValueError:
            raise InputError(f"patience = {said['patience']!r:.40}, rule: seconds") from None
        self.name = str(said.get("client") or os.environ.get("USER") or "client")
        self.ca, self.insecure = said.get("ca"), str(said.get("insecure", "")) in ("1", "True", "true")
        self.token = said.get("token") or _token(said.get("token_file"))
        self.lease, self.seconds = "", 120.0
        self.channel: Any = None
        self.faulty: FaultyFrames | None = None
        self.statistics = LinkStatistics()
        self._stop = threading.Event()

    @property
    def near(self) -> bool:
        """Whether the server is on this machine."""
        return self.target.rpartition(":")[0] in LOOPBACK

    def open(self) -> dict[str, Any]:
        """Connect and enter; return what the server says of its device."""
        try:
            import grpc
        except ImportError as error:
            raise MissingPackageError(
                "devices elsewhere need grpcio and protobuf; pip install 'hypr-neuro[devices]'"
            ) from error
        settings = [
            ("grpc.max_send_message_length", LARGEST),
            ("grpc.max_receive_message_length", LARGEST),
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.max_reconnect_backoff_ms", 2_000),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
        ]
        if self.ca:
            try:
                root = Path(self.ca).read_bytes()
            except OSError as error:
                raise InputError(f"ca = '{self.ca}': {error.strerror}; give the server's ca.pem") from error
            self.channel = grpc.secure_channel(self.target, grpc.ssl_channel_credentials(root), settings)
        elif self.near or self.insecure:
            if not self.near:
                import warnings

                from hypr_neuro.errors import HyprWarning

                warnings.warn(
                    f"grpc://{self.target}: no TLS, token and data can be read on the way", HyprWarning, stacklevel=4
                )
            self.channel = grpc.insecure_channel(self.target, settings)
        else:
            raise InputError(
                f"grpc://{self.target} without TLS, rule: off this machine TLS; add ?ca=FILE, the server's ca.pem, "
                "or, if nobody can listen, ?insecure=1"
            )
        try:
            told = self.enter()
        except BaseException:
            self.close()
            raise
        self._stop.clear()
        threading.Thread(target=self._renew, daemon=True).start()
        return told

    def enter(self) -> dict[str, Any]:
        """Ask for a lease."""
        told, _ = self._repeated("Enter", {"name": self.name}, {})
        self.lease, self.seconds = str(told["lease"]), float(told["seconds"])
        return told

    def call(self, method: str, meta: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> Content:
        """Return the answer to a call, which is repeated while nobody answers; raise what the server refuses with.

        A lease that has expired meanwhile is asked for anew: who holds what stays on the server.
        """
        for _ in range(20):
            try:
                return self._repeated(method, {**meta, "lease": self.lease}, arrays or {})
            except LeaseError:
                self.enter()
        raise HyprError(f"grpc://{self.target}: every lease is refused at once; ask who runs the server")

    def _repeated(self, method: str, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> Content:
        import grpc

        since, wait = time.monotonic(), 0.05
        request = packed((meta, arrays))
        while True:
            try:
                started = time.monotonic()
                answer = self._exchanged(method, request)
                self.statistics.note(time.monotonic() - started)
                return unpacked(answer)
            except (InputError, LinkClosedError) as error:  # damaged or lost on the way
                last: Exception = error
            except grpc.RpcError as error:
                code, words = error.code(), error.details() or ""
                self._raise(code, words)
                last = error
                if code == grpc.StatusCode.ABORTED:  # in the queue, the server lives
                    since, wait = time.monotonic(), 0.05
            if time.monotonic() - since > self.patience:
                remedy = "host, port and certificate" if self.ca else "host and port, or add ?ca=FILE for TLS"
                raise HyprError(
                    f"grpc://{self.target}: no answer for {self.patience:g} s ({_short(last)}); start the server with "
                    f"`hypr-neuro serve`, or check {remedy}"
                ) from last
            self.statistics.retries += 1
            time.sleep(wait * (0.5 + random.random()))
            wait = min(wait * 2, 2.0)

    def _exchanged(self, method: str, request: bytes) -> bytes:
        """Send a request and return the answer, each as the faults of the link leave it."""
        call = self.channel.unary_unary(f"/{SERVICE}/{method}")
        arriving = [request] if self.faulty is None else self.faulty(request, True)
        answers = []
        for part in arriving:
            self.statistics.bytes_out += len(part)
            answers.append(call(part, timeout=max(self.patience, 60.0), metadata=self._metadata()))
        came = answers[-1:] if self.faulty is None or not answers else self.faulty(answers[0], False)
        if not came:
            raise LinkClosedError(f"grpc://{self.target}: a message was lost")
        self.statistics.bytes_in += len(came[0])
        return bytes(came[0])

    def _raise(self, code: Any, words: str) -> None:
        """Raise what is not worth another try."""
        import grpc

        kind, _, text = words.partition(": ")
        if code == grpc.StatusCode.FAILED_PRECONDITION and kind == GONE:
            raise LeaseError(text)
        if kind in KINDS and code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION):
            raise KINDS[kind](text)
        if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
            raise InputError(f"grpc://{self.target}: {words}; set {TOKEN} or {TOKEN_FILE} to the token you were given")
        if code == grpc.StatusCode.UNIMPLEMENTED:
            raise HyprError(f"grpc://{self.target}: no hypr-neuro server answers there ({words}); check host and port")

    def _metadata(self) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {self.token}")] if self.token else []

    def _renew(self) -> None:
        while not self._stop.wait(self.seconds / 2):
            try:
                self.call("Renew", {})
            except HyprError:
                continue  # the next call tells

    def close(self) -> None:
        """Give the lease back and hang up."""
        self._stop.set()
        if self.channel is None:
            return
        if self.lease:
            import grpc

            try:
                call = self.channel.unary_unary(f"/{SERVICE}/Leave")
                call(packed(({"lease": self.lease}, {})), timeout=2.0, metadata=self._metadata())
            except grpc.RpcError:
                pass  # it expires by itself
        self.channel.close()
        self.channel, self.lease = None, ""


def _token(path: Any) -> str:
    """Return the token of the environment or of a file, "" where there is none."""
    path = path or os.environ.get(TOKEN_FILE)
    if not path:
        return os.environ.get(TOKEN, "")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise InputError(f"token file '{path}': {error.strerror}; give the file that you were given") from error


def _short(error: Exception) -> str:
    details = getattr(error, "details", None)
    return str(details() if callable(details) else error)[:200]
