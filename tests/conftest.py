"""What all tests share: the seed, printed in the header, and the folder of real data."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import pytest
from model_records import draw_by_records

ROOT = Path(__file__).resolve().parents[1]
MODELS = frozenset(path.stem for path in (ROOT / "hypr_neuro" / "neurons").glob("*.py"))
"""Names of neuron models, those of the few other files beside them included; nothing is imported."""
SEED = int(os.environ.get("HYPR_SEED", "0"))


draw_by_records()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--networks", type=int, default=200, help="random integer networks to compare (default 200)")


def pytest_collection_finish() -> None:
    """Collect garbage rarely: compiling a kernel makes objects by the million, and looking through them took a seventh
    of the time on Python 3.12."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Name the group of a test; `--dist loadgroup` gives a group to one worker whole.

    Tests that share a fixture of their module are one group, since it may have started Lava; of the others those of one
    neuron model in one file are, since they wait for the same kernels.
    """
    if item.config.pluginmanager.hasplugin("xdist"):
        item.add_marker(pytest.mark.xdist_group(group_of(item)))


def group_of(item: pytest.Item) -> str:
    """The group of one test."""
    file = item.path.stem
    fixtures = getattr(item, "_fixtureinfo", None)
    shared = () if fixtures is None else fixtures.name2fixturedefs.values()
    if any(d.scope != "function" and d.baseid.endswith(".py") for definitions in shared for d in definitions):
        return file
    parameters = getattr(item, "callspec", None)
    values = () if parameters is None else parameters.params.values()
    models = [name for name in map(model_name, values) if name]
    return f"{file}-{models[0] if models else getattr(item, 'originalname', item.name)}"


def model_name(value: object) -> str:
    """The name of the neuron model that a parameter of a test is or names, "" for anything else."""
    name = value if isinstance(value, str) else getattr(value, "name", "")
    return name if isinstance(name, str) and name in MODELS else ""


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
