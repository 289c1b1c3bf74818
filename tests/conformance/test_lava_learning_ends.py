"""Lava's processes that learn end with the device, after a fault, and with the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needed import needs_lava
from process_groups import assert_gone

from hypr_neuro.compilers.lava.learning.learner import LavaLearner
from hypr_neuro.devices.lava import LavaDevice
from hypr_neuro.errors import HyprError
from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.learning.chip_learner import LearnSample
from hypr_neuro.sim.learning.options import LearnOptions

SEED = int(os.environ.get("HYPR_SEED", "0"))


def begin_to_learn(device: LavaDevice) -> tuple[LavaLearner, LearnSample]:
    layer = {"neuron": "brf", "size": 5, "recurrent": True}
    spec = {"inputs": 4, "outputs": 3, "dt": 1e-3, "layers": [layer], "readout": {"neuron": "li"}}
    qnet = quantize(Network.build(spec, SEED), "loihi2", calibration={"layers.0": 4.0, "readout": 4.0})
    device.load(qnet, LearnOptions(seed=SEED))
    learner = device.learner()
    assert isinstance(learner, LavaLearner)
    x = np.random.default_rng(SEED).integers(0, 2, (3000, 4))
    return learner, LearnSample(x, np.zeros(3000, int), np.ones(3000, bool), (1 << 16, 0))


@needs_lava
def test_processes_that_learn_end_with_the_device() -> None:
    with LavaDevice() as device:
        learner, sample = begin_to_learn(device)
        worker = learner._worker
        assert worker is not None
        learner.learn([replace(sample, x=sample.x[:20], label=sample.label[:20], scored=sample.scored[:20])])
        learned = learner.read()
        device.load(learner.fetch())
        assert_gone(worker.process.pid, worker.folder)
        with pytest.raises(HyprError, match="the processes that learned have ended; load the network again"):
            learner.learn([sample])
        for name, weights in learned["weights"].items():
            assert np.array_equal(device.read()["weights"][name], weights), "the device keeps what was learned"
        learner, _ = begin_to_learn(device)
        worker = learner._worker
        assert worker is not None
    assert_gone(worker.process.pid, worker.folder)


@needs_lava
@pytest.mark.parametrize("how", ["killed", "stopped", "interrupted"])
def test_processes_that_learn_end_after_a_fault(how: str) -> None:
    """A dead worker, a silent one, and Ctrl-C in the middle of a sample; what was learned before can be read."""
    with LavaDevice() as device:
        learner, sample = begin_to_learn(device)
        worker = learner._worker
        assert worker is not None
        before, pid = learner.read(), worker.process.pid
        asked = worker.ask

        def at_first_sign(order: Any, on_block: Any = None) -> Any:
            def sign(done: int, steps: int) -> None:
                if how == "interrupted":
                    raise KeyboardInterrupt
                if how == "killed":
                    os.kill(pid, signal.SIGKILL)
                else:
                    worker.timeout = 0.5
                    os.killpg(pid, signal.SIGSTOP)

            return asked(order, sign)

        worker.ask = at_first_sign  # type: ignore[method-assign]
        kinds = {"killed": HyprError, "stopped": HyprError, "interrupted": KeyboardInterrupt}
        words: dict[str, Any] = {"killed": "ended with code -9", "stopped": "no sign of life", "interrupted": None}
        with pytest.raises(kinds[how], match=words[how]):
            learner.learn([sample])
        assert_gone(pid, worker.folder)
        for name, weights in learner.read()["weights"].items():
            assert np.array_equal(before["weights"][name], weights)
        again, _ = begin_to_learn(device)
        assert len(again.learn([sample])[0]) == 3000


@needs_lava
def test_processes_that_learn_end_with_the_program(tmp_path: Path) -> None:
    """The program is killed while it waits between two samples."""
    code = """
import numpy as np
import hypr_neuro as hn
from hypr_neuro.devices import open_device
spec = {"inputs": 4, "outputs": 3, "dt": 1e-3, "layers": [{"neuron": "lif", "size": 5}]}
qnet = hn.quantize(hn.Network.build(spec, 0), "loihi2", calibration={"layers.0": 4.0, "readout": 4.0})
device = open_device("lava")
device.load(qnet, hn.LearnOptions())
learner = device.learner()
print(learner._worker.process.pid, learner._worker.folder, flush=True)
import time
time.sleep(100)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path) as program:
        assert program.stdout is not None
        group, folder = program.stdout.readline().split()
        program.kill()
    assert_gone(int(group), Path(folder))
