"""Every device as tests open it: those that are somewhere else get what they need started beside the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from serial_board import serial_bench
from served import served

from hypr_neuro.devices import Device, DeviceBase, make_device, open_device

SOMEWHERE: dict[str, Callable[[], AbstractContextManager[str]]] = {"serial": serial_bench, "grpc": served}
"""By name of a device with an address, what starts the other side, gives "name://address", and ends it."""
UNREACHABLE = {"serial": "serial:///dev/null-of-a-board", "grpc": "grpc://127.0.0.1:1"}
"""By name of a device with an address, one at which nothing is."""


@contextmanager
def opened(name: str) -> Iterator[Device]:
    """Open a device of that name, with the other side if it has one."""
    if name not in SOMEWHERE:
        with open_device(name) as device:
            yield device
        return
    with SOMEWHERE[name]() as address, open_device(address) as device:
        yield device


def closed_device(name: str) -> DeviceBase:
    """Make a device that is not open."""
    return make_device(UNREACHABLE.get(name, name))
