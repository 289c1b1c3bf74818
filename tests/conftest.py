"""What all tests share: the seed, printed in the header, and the folder of real data."""

from __future__ import annotations

import gc
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_records import draw_by_records
from model_tests import MODELS, of_models, parameters

ROOT = Path(__file__).resolve().parents[1]
SEED = int(os.environ.get("HYPR_SEED", "0"))


draw_by_records()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--networks", type=int, default=200, help="random integer networks to compare (default 200)")
    parser.addoption(
        "--models", default="", help="names of neurons with commas: tests that name one of them, no others"
    )
    parser.addoption("--cases", type=int, default=1000, help="with --models: at most so many cases of a function")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `--models` and `--cases` do not choose."""
    if models := config.getoption("models"):
        chosen = set(of_models([item.nodeid for item in items], models.split(","), config.getoption("cases")))
        config.hook.pytest_deselected(items=[item for place, item in enumerate(items) if place not in chosen])
        items[:] = [item for place, item in enumerate(items) if place in chosen]


def pytest_collection_finish() -> None:
    """Collect garbage rarely: compiling a kernel makes objects by the million, and looking through them took a seventh
    of the time on Python 3.12."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a group of tests to one worker whole, in the order in which they were collected: slow rooms come first."""
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return GroupScheduling(config, log)


def group_of(nodeid: str) -> str:
    """Name the group of a test.

    Tests of a file that has a fixture for the whole module are one group, since it may have started Lava; of the others
    those of one neuron model are, since they wait for the same kernels.
    """
    file, _, rest = nodeid.partition("::")
    if shares_a_fixture(file):
        return file
    models = [word for word in re.split(r"[^a-z_0-9]+", parameters(nodeid)) if word in MODELS]
    return f"{file}::{models[0] if models else rest.partition('[')[0]}"


@cache
def shares_a_fixture(file: str) -> bool:
    """Whether a test file has a fixture that lives longer than one test."""
    return 'scope="module"' in (ROOT / file).read_text(encoding="utf-8")


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
    if not folder.is_dir():  # data of others, which no clone carries
        pytest.skip(f"real data: no folder {folder}")
    return folder
