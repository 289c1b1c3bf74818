"""Devices side by side: equal ones are said to be equal, others are told apart, killed runs go on to the same bits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hypr_neuro.comparing.compare import compare
from hypr_neuro.comparing.device_run import first_difference, run_on_device
from hypr_neuro.comparing.side_by_side import ADAM, RULE, compare_devices
from hypr_neuro.comparing.twin import FloatTwin
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.files.run_folder import to_json
from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.learning.learn import learn
from hypr_neuro.sim.learning.options import LearnOptions

OPTIONS = LearnOptions(rate=0.4, seed=3)
pytestmark = pytest.mark.filterwarnings("ignore::hypr_neuro.errors.HyprWarning")


def data() -> SequenceData:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 12)
    x = (rng.random((12, 15, 4)) < np.where(np.arange(4)[None] // 2 == y[:, None], 0.8, 0.1)[:, None]).astype(np.int8)
    return SequenceData("tiny", x, y, np.array(["train"] * 8 + ["test"] * 4), 2)


def pair() -> tuple[Network, QuantizedNetwork]:
    net = Network.build({"inputs": 4, "outputs": 2, "layers": [{"neuron": "lif", "size": 5}]}, seed=2)
    net.layers[0].weight *= 2.0
    return net, quantize(net, "loihi2", calibration=data())


def test_columns_are_the_devices_the_float_rule_and_adam() -> None:
    net, qnet = pair()
    told = compare_devices(net, qnet, data(), epochs=2, options=OPTIONS, seeds=3, adam={"rate": 0.05})
    assert [c.name for c in told.columns] == ["sim", RULE, ADAM]
    assert told.seeds == [3, 4, 5]
    for k, seed in enumerate(told.seeds):
        seeded = replace(OPTIONS, seed=seed)
        real = FloatTwin(net, qnet, seeded).learn(data(), 2, "test")
        assert told.column(RULE).epochs[k] == [state.score.accuracy for state in real]
    assert told.learned is not None
    expected = learn(qnet, data(), epochs=2, options=OPTIONS).qnet
    assert all(np.array_equal(m, expected.weights()[name]) for name, m in told.learned.weights().items())
    assert set(told.tests) == {RULE, ADAM}
    assert "the start, the data and their split are the same" in told.sentences()[-1]
    assert len(told.table().rows) == 3


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc here")
def test_the_c_program_is_identical_to_the_simulator() -> None:
    net, qnet = pair()
    told = compare_devices(net, qnet, data(), devices=["sim", "c"], options=OPTIONS, seeds=2)
    assert told.differences == []
    assert "c is identical to sim bit for bit: weights after every epoch (1)" in told.identical[0]
    assert told.column("c").scores == told.column("sim").scores


def test_the_first_difference_is_named() -> None:
    _, qnet = pair()
    run = run_on_device("sim", qnet, data(), 2, OPTIONS, "test")
    assert first_difference(run, run) == ""
    name = "layers.0.input"
    changed = [run.integers[0], run.integers[1] | {name: run.integers[1][name] + np.eye(5, 4, dtype=np.int64)}]
    told = first_difference(run, replace(run, device="other", integers=changed))
    held = run.integers[1][name][0, 0]
    assert told == f"after epoch 2, {name}, entry 0, 0: {held} on sim, {held + 1} on other (4 of 20 entries differ)"
    outputs = run.outputs.copy()
    outputs[1, 2, 0] += 5
    assert "outputs (sample, step, output), entry 1, 2, 0:" in first_difference(run, replace(run, outputs=outputs))


def test_devices_are_refused_in_words() -> None:
    net, qnet = pair()
    with pytest.raises(InputError, match="at least one, each of them once"):
        compare_devices(net, qnet, data(), devices=["sim", "sim"], options=OPTIONS)
    with pytest.raises(InputError, match="unknown device"):
        compare_devices(net, qnet, data(), devices=["sam"], options=OPTIONS)


def plain(told: object) -> object:
    """Leave out the seconds, which differ."""
    if isinstance(told, dict):
        return {k: plain(v) for k, v in told.items() if k != "seconds"}
    return [plain(v) for v in told] if isinstance(told, list) else told


SCRIPT = """
import sys, time
sys.path.insert(0, {tests!r})
import hypr_neuro.comparing.device_run as device_run
import test_side_by_side as case
kept = device_run.integers_of
def slow(qnet):
    time.sleep(0.3)
    return kept(qnet)
device_run.integers_of = slow
net, qnet = case.pair()
case.compare_devices(net, qnet, case.data(), epochs=4, options=case.OPTIONS, seeds=2, folder={folder!r})
"""


def test_a_killed_comparison_goes_on_and_ends_with_the_same_bits(tmp_path: Path) -> None:
    net, qnet = pair()
    folder = tmp_path / "kept"
    script = SCRIPT.format(tests=str(Path(__file__).parent), folder=str(folder))
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", script])
    try:
        deadline = time.monotonic() + 120
        # in the middle of the first seed on the device
        while not list(folder.glob("on_sim-*-epoch-2.h5")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not [p for p in folder.glob("on_sim-*.h5") if "epoch" not in p.name]
    resumed = compare_devices(net, qnet, data(), epochs=4, options=OPTIONS, seeds=2, folder=folder)
    whole = compare_devices(net, qnet, data(), epochs=4, options=OPTIONS, seeds=2)
    assert to_json(plain(resumed.as_dict())) == to_json(plain(whole.as_dict()))
    assert resumed.learned is not None
    assert whole.learned is not None
    assert all(np.array_equal(m, whole.learned.weights()[n]) for n, m in resumed.learned.weights().items())
    assert not list(folder.glob("*-epoch-*"))


def test_one_comparison_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    net, qnet = pair()

    def stop(side: str, epoch: int) -> None:
        if side == "device" and epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(net, qnet, data(), epochs=3, options=OPTIONS, checkpoint=tmp_path, on_epoch=stop)
    assert len(list(tmp_path.glob("*-epoch-*"))) == 2
    seen: list[int] = []
    resumed = compare(
        net,
        qnet,
        data(),
        epochs=3,
        options=OPTIONS,
        checkpoint=tmp_path,
        on_sample=lambda done, total: seen.append(done),
    )
    assert seen == list(range(1, 9))  # the third epoch alone
    whole = compare(net, qnet, data(), epochs=3, options=OPTIONS)
    assert json.loads(to_json(resumed.as_dict())) == json.loads(to_json(whole.as_dict()))
