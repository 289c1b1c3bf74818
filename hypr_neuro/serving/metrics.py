"""What Prometheus reads: clients, queue, device time, steps that were answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypr_neuro.errors import InputError, MissingPackageError
from hypr_neuro.serving.service import Service


def serve_metrics(service: Service, listen: str) -> tuple[Any, int]:
    """Answer HTTP requests for figures of the service; return the server and its port."""
    try:
        from prometheus_client import CollectorRegistry, start_http_server
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    except ImportError as error:
        raise MissingPackageError("--metrics needs prometheus-client; pip install 'hypr-neuro[devices]'") from error

    class Figures:
        def collect(self) -> Iterator[Any]:
            turns = service.turns
            yield GaugeMetricFamily("hypr_neuro_clients", "Leases that are valid.", value=len(service.leases))
            yield GaugeMetricFamily("hypr_neuro_waiting", "Clients that wait.", value=len(turns.waiting))
            yield GaugeMetricFamily("hypr_neuro_busy", "Whether the device works.", value=int(turns.busy))
            yield CounterMetricFamily("hypr_neuro_steps", "Samples that were answered.", value=service.answered)
            device = CounterMetricFamily("hypr_neuro_device_seconds", "Device time by client.", labels=["client"])
            for client, seconds in list(turns.used.items()):
                device.add_metric([client], seconds)
            yield device

    host, _, port = listen.rpartition(":")
    if not port.isdigit():
        raise InputError(f"--metrics {listen}, rule: HOST:PORT")
    registry = CollectorRegistry()
    registry.register(Figures())
    server, _ = start_http_server(int(port), host or "127.0.0.1", registry)
    return server, server.server_port
