"""Devices that run a quantized network, one file each; every module of this folder that defines ``DEVICE`` is one."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from hypr_neuro.devices.device import CAPABILITIES, Device, DeviceBase
from hypr_neuro.errors import InputError, like_and_known
from hypr_neuro.numbers.registry import without_record

__all__ = ["CAPABILITIES", "Device", "DeviceBase", "device_class", "device_names", "open_device", "require_capability"]


def _classes() -> dict[str, type[DeviceBase]]:
    modules = (import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__))
    devices = (getattr(module, "DEVICE", None) for module in modules)
    return {device.name: device for device in devices if device is not None}


def device_names() -> list[str]:
    """Names of the devices, whether or not what they need is installed."""
    return sorted(_classes())


def device_class(name: str) -> type[DeviceBase]:
    """Return the device of that name; an unknown name lists the known ones."""
    classes = _classes()
    if not isinstance(name, str) or name not in classes:
        file = without_record(__name__, __path__, name, "DEVICE")
        raise InputError(f"unknown device {name!r:.60}{file}{like_and_known(name, sorted(classes))}")
    return classes[name]


def require_capability(name: str, capability: str) -> None:
    """Raise InputError, with reason and remedy, for a device that lacks one of `CAPABILITIES`; nothing is opened."""
    device = device_class(name)()
    if capability not in device.capabilities:
        raise device.lacks(capability)


def open_device(name: str, **options: Any) -> Device:
    """Open the device of that name with its own options: ``with open_device("sim") as device: ...``.

    Raise InputError for an unknown name and MissingPackageError for a device whose software is not installed.
    """
    device = device_class(name)(**options)
    device.open()
    return device
