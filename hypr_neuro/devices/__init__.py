"""Devices that run a quantized network, one file each; every module of this folder that defines ``DEVICE`` is one."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from hypr_neuro.devices.device import CAPABILITIES, Device, DeviceBase
from hypr_neuro.devices.prepared import Prepared
from hypr_neuro.errors import InputError, like_and_known
from hypr_neuro.numbers.registry import without_record

__all__ = [
    "CAPABILITIES",
    "Device",
    "DeviceBase",
    "Prepared",
    "device_class",
    "device_names",
    "make_device",
    "open_device",
    "require_capability",
    "split_address",
]


def _classes() -> dict[str, type[DeviceBase]]:
    modules = (import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__))
    devices = (getattr(module, "DEVICE", None) for module in modules)
    return {device.name: device for device in devices if device is not None}


def device_names() -> list[str]:
    """Names of the devices, whether or not what they need is installed."""
    return sorted(_classes())


def split_address(name: str) -> tuple[str, str]:
    """Split "grpc://host:port" into the device's name and its address, "" of one that is here."""
    device, _, address = name.partition("://")
    return device, address


def device_class(name: str) -> type[DeviceBase]:
    """Return the device of that name, with an address or without; an unknown name lists the known ones."""
    classes = _classes()
    device = split_address(name)[0] if isinstance(name, str) else name
    if not isinstance(device, str) or device not in classes:
        file = without_record(__name__, __path__, name, "DEVICE")
        raise InputError(f"unknown device {name!r:.60}{file}{like_and_known(name, sorted(classes))}")
    return classes[device]


def make_device(name: str, **options: Any) -> DeviceBase:
    """Make the device of that name, and of that address, with its own options; it is not open.

    Raise InputError for an unknown name, and for an address that is missing or that the device has no use for.
    """
    kind, address = device_class(name), split_address(name)[1]
    if bool(address) != bool(kind.address):
        rule = f"{kind.name}://{kind.address}" if kind.address else kind.name
        raise InputError(f"device '{name}', rule: {rule}")
    return kind(address, **options) if address else kind(**options)


def require_capability(name: str, capability: str) -> None:
    """Raise InputError, with reason and remedy, for a device that lacks one of `CAPABILITIES`; nothing is opened.

    Of a device that is somewhere else nothing is known before it is open; it refuses by itself what it cannot.
    """
    device = make_device(name)
    if capability not in device.capabilities:
        raise device.lacks(capability)


def open_device(name: str, **options: Any) -> Device:
    """Open the device of that name with its own options: ``with open_device("sim") as device: ...``.

    Raise InputError for an unknown name and MissingPackageError for a device whose software is not installed.
    """
    device = make_device(name, **options)
    device.open()
    return device
