"""What several tests of files start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from nir_networks import small_net

from hypr_neuro.exchange.nir import write_nir


@pytest.fixture(scope="module")
def own_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "net.nir"
    write_nir(small_net(), path)
    return path
