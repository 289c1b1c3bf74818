"""netx files that lava-dl exports, and what lava-dl itself computes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netx_runs import STATES, Arrays, ask, export, kept, needs_lava_dl, networks, run, same, wheel_folder, write

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.netx import Netx, read_netx
from hypr_neuro.exchange.netx.weights import check_range
from hypr_neuro.sim.engine import Trace

LAVA_NAMES = {"u": "u", "v": "v", "re": "real", "im": "imag"}
STEPS = 40
CASES = tuple(networks(np.random.default_rng(0)))


def prepared(path: Path, case: dict[str, Any], rng: np.random.Generator) -> tuple[dict[str, Any], Netx, Trace]:
    """The job for lava-dl, what was read, and our run of it."""
    bits = case.get("bits", 0)
    netx = read_netx(path, input_message_bits=bits)
    job = {"path": path, "steps": STEPS, "names": case["names"], "bits": bits}
    x = rng.random((STEPS, *case["shape"])) < 0.2
    if case.get("bias"):
        image = rng.integers(0, 90, case["shape"])
        network, ours = netx.with_input_bias(image), np.zeros((STEPS, image.size), np.int64)
        return job | {"bias": image}, netx, run(network, ours)
    values = x * rng.integers(-127, 128, x.shape) if bits else x.astype(np.int64)
    theirs = values.transpose(0, 3, 2, 1).reshape(STEPS, -1) if case.get("channel_first") else values
    return job | {"x": np.moveaxis(theirs, 0, -1)}, netx, run(netx.network, values.reshape(STEPS, -1))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Netx, Trace, Arrays]]:
    """Of each case and of the networks that slayer exports: what was read, our run and lava-dl's."""
    folder = tmp_path_factory.mktemp("lava-dl")
    rng = np.random.default_rng(0)
    cases = networks(rng)
    paths = {name: write(folder / f"{i}.net", case["layers"]) for i, (name, case) in enumerate(cases.items())}
    export(folder)
    cases["exported"] = {"names": [f"layer/{i}" for i in (0, 1, 3, 4, 5)], "shape": (9, 8, 2), "bias": True}
    cases["exported, resonating"] = {"names": ["layer/0", "layer/1"], "shape": (6,)}
    wheel = wheel_folder()
    assert wheel is not None
    cases["tiny"] = {"names": [f"layer/{i}" for i in range(3)], "shape": (16, 16, 3), "bias": True}
    cases["mnist"] = {"names": [f"layer/{i}" for i in range(4)], "shape": (784,), "bias": True}
    paths |= {
        "exported": folder / "spiking.net",
        "exported, resonating": folder / "resonating.net",
        "tiny": wheel / "tiny.net",
        "mnist": wheel / "mnist.net",
    }
    ours = {name: prepared(paths[name], case, rng) for name, case in cases.items()}
    theirs = ask(folder, {name: job for name, (job, _, _) in ours.items()})
    return {name: (netx, trace, theirs[name]) for name, (_, netx, trace) in ours.items()}


@needs_lava_dl
@pytest.mark.parametrize("name", [*CASES, "exported", "exported, resonating", "tiny", "mnist"])
def test_every_state_is_that_of_lava_dl(name: str, answers: dict[str, tuple[Netx, Trace, Arrays]]) -> None:
    netx, trace, theirs = answers[name]
    for p in netx.network.populations:
        # a membrane is to lava-dl a neuron that never spikes
        spikes = np.zeros_like(trace.readout[0]) if p.model.readout else trace.spikes[p.name][:, 0]
        same(f"{p.name} spikes", spikes, theirs[f"{p.name}/spikes"])
        for state in STATES[p.model.name]:
            found = trace.states[p.name][state][:, 0]
            if state == "v":  # ours is v before the reset, Lava's after it
                found = np.where(spikes != 0, 0, found)
            same(f"{p.name} {state}", found, theirs[f"{p.name}/{LAVA_NAMES[state]}"])
    first, last = netx.network.populations[0], netx.network.populations[-1]
    assert 0.01 < trace.spikes[first.name].mean() < 0.9
    assert trace.states[last.name][STATES[last.model.name][0]].any()


def accepted(parts: tuple[np.ndarray, ...]) -> bool:
    try:
        check_range("weight", *parts)
    except InputError:
        return False
    return True


@needs_lava_dl
def test_weights_are_refused_where_lava_dl_changes_them(tmp_path: Path) -> None:
    # ranges around all edges: both signs, one sign, powers of two; recurrent weights beside input weights
    rng = np.random.default_rng(0)
    edges = np.array([0, 1, 2, 3, 64, 127, 128, 129, 254, 255, 256, 257])
    matrices = []
    for _ in range(1500):
        parts = []
        for _ in range(rng.integers(1, 3)):
            low, high = np.sort(rng.choice(np.concatenate([-edges, edges]), 2))
            parts.append(rng.choice([low, high, rng.integers(low, high, endpoint=True)], (2, 3)))
        if any(part.any() for part in parts):  # lava-dl raises OverflowError on zeros alone
            matrices.append(tuple(parts))
    found = [accepted(parts) for parts in matrices]
    assert 0.2 < np.mean(found) < 0.9
    for parts, ours, theirs in zip(matrices, found, kept(tmp_path, matrices), strict=True):
        assert ours == theirs, parts
