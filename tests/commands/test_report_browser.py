"""The report with every section in a browser: on a phone, on a desk; nothing is fetched, nothing is an error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import BROWSER, in_browser, width_of
from report_samples import sample_results

import hypr_neuro as hn
from hypr_neuro.faults.sweep import FaultPoint, FaultSweep
from hypr_neuro.report import render_page
from hypr_neuro.testing.networks import random_network, random_quantized

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(BROWSER is None, reason="no chromium"),
]  # as on a machine without a browser


@pytest.fixture(scope="module")
def page() -> str:
    net, qnet = random_network("brf", 0, hidden=(8,)), random_quantized("brf", 0, "loihi2", hidden=(8,))
    rng = np.random.default_rng(0)
    split = np.array(["train"] * 6 + ["validation", "test"])
    data = hn.SequenceData("mine", rng.integers(0, 2, (8, 30, 4)), rng.integers(0, 3, 8), split, classes=3)
    options = hn.LearnOptions(rate=0.5)
    devices = hn.compare_devices(net, qnet, data, devices=["sim"], options=options, seeds=2, progress=False).as_dict()
    link = {"requests": 57, "retries": 3, "damaged": 1, "bytes a second": 1.6e6}
    devices["columns"][0]["link"] = [link | {"median latency": 7e-5, "late latency": 1.3e-3}]
    splits = hn.split_gap(net, qnet, data, epochs=1, options=options, seeds=2, progress=False)
    points = [FaultPoint(v, s, 0.9 - v - s / 100, 0.95 - v / 2) for v in (0.0, 0.1, 0.5) for s in range(3)]
    faults = {"dead": FaultSweep("dead", "sim", "test", 1, tuple(points)).as_dict()}
    more: dict[str, Any] = {"devices": devices | {"what": "damaged", "adam": "rate 0.001"}, "faults": faults}
    more["causes"] = splits.as_dict() | {"what": "damaged"}
    return render_page(sample_results() | more)


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_is_no_wider_than_its_window(page: str, tmp_path: Path, width: int) -> None:
    assert width_of(page, tmp_path, width) <= width


def test_every_section_is_shown(page: str, tmp_path: Path) -> None:
    document = in_browser(page, tmp_path)
    for title in ("Devices side by side", "Links to the devices", "Faults of the device", "Learning on the chip"):
        assert title in document, title
    assert re.search(r'id="causes', document)


def test_nothing_is_fetched(page: str) -> None:
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//[^"']*""", page)
    assert "<script" not in page
