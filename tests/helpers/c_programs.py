"""Programs that the tests of generated C compile, run and compare."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.c import build
from hypr_neuro.compilers.c.build import CORTEX_M4, Toolchain
from hypr_neuro.graph.integer import HasInteger, IntegerNetwork


def needs(toolchain: Toolchain) -> None:
    """Skip the test, with a reason, where the compiler or the emulator is not installed."""
    reason = toolchain.missing()
    if toolchain is CORTEX_M4 and shutil.which(build.EMULATOR) is None:
        reason = f"{build.EMULATOR} is not installed"
    if reason is not None:
        pytest.skip(reason)


def compiled(network: IntegerNetwork | HasInteger, folder: Path) -> Path:
    return compile_network(network, target="c", out=folder).folder
