"""Data of two classes, and the run folder of a network that was trained on them and quantized."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import answer, called, small_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    answer("train", "--data", data, "--epochs", "4", "--out", folder, run=called)
    answer("quantize", folder / "network.h5", run=called)
    return folder
