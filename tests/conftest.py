"""What all tests share: the seed, printed in the header, and the folder of real data."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
SEED = int(os.environ.get("HYPR_SEED", "0"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--networks", type=int, default=200, help="random integer networks to compare (default 200)")


def pytest_collection_finish() -> None:
    """Collect garbage rarely: compiling a kernel makes objects by the million, and looking through them took a seventh
    of the time on Python 3.12."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_report_header() -> str:
    return f"seed: {SEED} (HYPR_SEED={SEED} repeats this run)"


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator of its own for each test, seeded by HYPR_SEED."""
    return np.random.default_rng(SEED)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder ``shared/data`` beside the repository; tests that need it are skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data: no folder {folder}")
    return folder
