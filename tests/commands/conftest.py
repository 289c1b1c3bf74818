"""Data of two classes, the run folder of a network that was trained on them and quantized, workers of a study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import answer, called, small_data
from study_cases import workers_here


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    answer("train", "--data", data, "--epochs", "4", "--out", folder, run=called)
    answer("quantize", folder / "network.h5", run=called)
    return folder


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Dask's client of workers in this process."""
    with workers_here() as client:
        yield client
