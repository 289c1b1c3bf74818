"""Marks of tests that need what is not installed everywhere: they are skipped with the reason."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

import pytest

from hypr_neuro.compilers.c.build import CORTEX_M4, EMULATOR, HOST, Toolchain


def lava_is_here() -> bool:
    """Tell whether Lava itself is installed; lava-dl alone brings a part of it."""
    try:
        return find_spec("lava.magma") is not None
    except ModuleNotFoundError:
        return False


def _program(name: str) -> str:
    return "" if shutil.which(name) else f"{name} is not installed"


def _unless(reason: str | None) -> pytest.MarkDecorator:
    return pytest.mark.skipif(bool(reason), reason=reason or "nothing is missing")


def missing(toolchain: Toolchain) -> str:
    """Say what keeps programs of a toolchain from being built and run here, "" if nothing does."""
    return toolchain.missing() or (_program(EMULATOR) if toolchain is CORTEX_M4 else "")


def needs(toolchain: Toolchain) -> None:
    """Skip the test where programs of this toolchain cannot be built or run."""
    if reason := missing(toolchain):  # no Python package brings compilers and emulators; .ci/run installs them
        pytest.skip(reason)


needs_lava = _unless("" if lava_is_here() else "Lava is not installed (Python 3.10: lava-nc==0.10.0)")
needs_gcc = _unless(HOST.missing())
needs_arm = _unless(CORTEX_M4.missing())
needs_qemu = _unless(missing(CORTEX_M4))
needs_make = _unless(_program("make"))
