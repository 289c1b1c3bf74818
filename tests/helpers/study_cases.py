"""Small studies: data of two classes, a network of five neurons, workers in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.studies.coordinator import run
from hypr_neuro.studies.plan import StudyPlan
from hypr_neuro.studies.spec import Study, parse_study

CLASSES, CHANNELS = 2, 6
NETWORK = {"inputs": CHANNELS, "outputs": CLASSES, "layers": [{"neuron": "lif", "size": 5}]}


def two_classes(folder: Path) -> Path:
    """Write samples of two classes that fire on different channels."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, count in (("train", 24), ("validation", 8), ("test", 8)):
        y = np.arange(count) % CLASSES
        share = np.where(np.arange(CHANNELS) % CLASSES == y[:, None], 0.5, 0.05)
        arrays |= {f"x_{part}": (rng.random((count, 20, CHANNELS)) < share[:, None]).astype(np.int8), f"y_{part}": y}
    path = folder / "two.npz"
    np.savez(path, **arrays)
    return path


@contextmanager
def workers_here() -> Iterator[Any]:
    """Workers in this process, which start at once."""
    distributed = pytest.importorskip("distributed")
    with distributed.Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as client:
        yield client


def study(data: Path, **more: Any) -> Study:
    fields = {"run": "quantize", "data": str(data), "network": NETWORK, "vary": {"weight_bits": [2, 4, 8]}}
    return parse_study(fields | {"set": {"training.epochs": 1}} | more, "study")


def ran(plan: StudyPlan, client: Any) -> list[int]:
    """Run what waits; numbers of the trials that ran."""
    plan.folder.open(plan.study)
    numbers: list[int] = []
    run(plan, client, lambda trial, figures: numbers.append(trial.number))
    return sorted(numbers)
