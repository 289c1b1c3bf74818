"""The gRPC server around a service."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from hypr_neuro.errors import FileFormatError, HyprError, InputError
from hypr_neuro.remote.packing import LARGEST, SERVICE, packed, unpacked
from hypr_neuro.serving.service import Service, UnknownLeaseError
from hypr_neuro.serving.turns import QueuedError

AT_ONCE = 256
"""Calls at once; more are refused, and asked again."""
SETTINGS = [
    ("grpc.max_receive_message_length", LARGEST),
    ("grpc.max_send_message_length", LARGEST),
    ("grpc.max_concurrent_streams", 64),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.server_handshake_timeout_ms", 10_000),
]
Name = Callable[[Any], str]


def make_server(service: Service, listen: str, credentials: Any = None, name_of: Name | None = None) -> tuple[Any, int]:
    """Return a server that is not started, and its port.

    Parameters
    ----------
    service
        What answers.
    listen
        "host:port", port 0 for any that is free.
    credentials
        `grpc.ssl_server_credentials`; None: no TLS.
    name_of
        Returns the client's name of a call's metadata, and raises InputError for one without a valid token; None:
        nobody is asked.
    """
    server = grpc.server(ThreadPoolExecutor(AT_ONCE, "call"), options=SETTINGS, maximum_concurrent_rpcs=AT_ONCE)
    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(_answering(call, name_of)) for name, call in service.methods().items()
    }
    _add_health(server)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    try:
        port = server.add_insecure_port(listen) if credentials is None else server.add_secure_port(listen, credentials)
    except RuntimeError as error:
        raise InputError(f"--listen {listen}: the address is taken or none of this machine; choose another") from error
    return server, port


def _add_health(server: Any) -> None:
    """Answer the standard question of whether the server serves, to anybody."""
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    servicer = health.HealthServicer()
    for name in ("", SERVICE):
        servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)


def _answering(call: Callable[..., Any], name_of: Name | None) -> Callable[[bytes, Any], bytes]:
    def answer(request: bytes, context: Any) -> bytes:
        code, words = grpc.StatusCode.INTERNAL, ""
        try:
            client = "" if name_of is None else name_of(context.invocation_metadata())
        except InputError as error:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        try:
            meta, arrays = unpacked(request)
        except Exception:
            context.abort(grpc.StatusCode.DATA_LOSS, "the message is damaged; send it again")
        try:
            return packed(call(client, meta, arrays))
        except UnknownLeaseError as error:
            code, words = grpc.StatusCode.FAILED_PRECONDITION, f"lease: {error}"
        except QueuedError as error:
            code, words = grpc.StatusCode.ABORTED, str(error)
        except FileFormatError as error:
            code, words = grpc.StatusCode.INVALID_ARGUMENT, f"FileFormatError: {error}"
        except InputError as error:
            code, words = grpc.StatusCode.INVALID_ARGUMENT, f"InputError: {error}"
        except OSError as error:
            code, words = (
                grpc.StatusCode.FAILED_PRECONDITION,
                f"HyprError: the server's disk: {error.strerror or error}",
            )
        except HyprError as error:
            code, words = grpc.StatusCode.FAILED_PRECONDITION, f"HyprError: {error}"
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, AssertionError) as error:
            code, words = grpc.StatusCode.INVALID_ARGUMENT, f"InputError: the call does not fit: {error}"
        context.abort(code, words[:4000])
        raise AssertionError  # abort does not return

    return answer
