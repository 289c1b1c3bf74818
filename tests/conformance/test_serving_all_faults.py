"""One learning run under everything at once: messages lost, doubled and damaged, connections cut, both sides killed."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cutting_proxy import CuttingProxy
from served import Server
from small_learning import learning_network, learning_samples

from hypr_neuro.devices.grpc import GrpcDevice
from hypr_neuro.link.faults import MessageFaults
from hypr_neuro.sim.learning.chip_learner import ChipLearner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.simulated import SimulatedLearner

pytestmark = pytest.mark.once

SEED = int(os.environ.get("HYPR_SEED", "0"))
FAULTS = int(os.environ.get("HYPR_SERVING_FAULTS", "60"))
OPTIONS = LearnOptions(seed=SEED, update_every=2, parameters=("all",))
SAVED_EVERY = 8
SAMPLES = learning_samples(20 + 4 * FAULTS, SEED)
LINK = {"drop": 0.12, "duplicate": 0.12, "message_flips": 0.12, "cut": 0.08}


class Run:
    """A client that may die, and the server that may die under it."""

    def __init__(self, folder: Path) -> None:
        self.checkpoint, self.server = folder / "learner.h5", Server(folder / "served", "--lease", "20")
        self.proxy = CuttingProxy(self.server.port, SEED, 10**9, most=200_000)
        self.draw, self.kinds = random.Random(SEED), dict.fromkeys(("server killed", "client died"), 0)
        self.outputs: list[Any] = []
        self.before: dict[str, int] = {}
        self.lives = 0
        self.device: GrpcDevice | None = None
        self.learner: ChipLearner | None = None

    @property
    def faults(self) -> int:
        return sum(self.counts().values())

    def counts(self) -> dict[str, int]:
        assert self.device is not None
        assert self.device.line.faulty is not None
        of_link = {kind: count for kind, count in self.device.line.faulty.counts.items() if kind in LINK}
        return (
            {kind: count + self.before.get(kind, 0) for kind, count in of_link.items()}
            | self.kinds
            | {"connection cut": self.proxy.cuts}
        )

    def live(self) -> None:
        """Begin, or come back to life with nothing but the checkpoint."""
        self.device = GrpcDevice(f"127.0.0.1:{self.proxy.port}", patience=120.0)
        self.device.link_faults = MessageFaults(seed=SEED + self.lives, **LINK)
        self.lives += 1
        self.device.open()
        self.device.load(learning_network(SEED), OPTIONS)
        self.learner = self.device.learner()
        if self.checkpoint.exists():
            self.learner.restore(self.checkpoint)
            del self.outputs[self.learner.samples :]

    def die(self) -> None:
        """Vanish without a word: no lease is given back, nothing is closed in order."""
        assert self.device is not None
        self.before = {kind: count for kind, count in self.counts().items() if kind in LINK}
        self.device.line._stop.set()
        self.device.line.channel.close()
        self.kinds["client died"] += 1
        self.live()

    def step(self) -> None:
        assert self.learner is not None
        number = len(self.outputs)
        self.outputs += self.learner.learn(SAMPLES[number : number + 2])
        if number % SAVED_EVERY == 0:
            self.learner.save(self.checkpoint)
        if self.draw.random() < 0.02:
            self.server.kill()
            self.server.start()
            self.kinds["server killed"] += 1
        elif self.draw.random() < 0.04:
            self.die()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a client that died leaves its channel
def test_every_sample_counts_once_whatever_happens(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    run = Run(tmp_path)
    try:
        run.live()
        while run.faults < FAULTS or min(run.kinds.values()) == 0:
            run.step()
        counts = run.counts()
        learner, device = run.learner, run.device
        assert learner is not None
        assert device is not None
        wanted = SimulatedLearner(learning_network(SEED), OPTIONS)
        expected = wanted.learn(SAMPLES[: len(run.outputs)])
        assert all(np.array_equal(a, b) for a, b in zip(run.outputs, expected, strict=True)), counts
        assert learner.samples == wanted.samples
        assert learner.counts() == wanted.counts(), counts
        there, here = learner.read(), wanted.read()
        for kind, by_name in here.items():
            for name, array in by_name.items():
                assert np.array_equal(there[kind][name], array), f"{kind} of {name}"
        print({**counts, "samples": learner.samples})
        device.close()
    finally:
        run.proxy.close()
        run.server.stop()
    assert min(counts.values()) > 0, counts
