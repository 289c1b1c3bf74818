"""A device that counts what it learns, behind a server of this process that loses calls, and what should come out."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from small_learning import learning_network

from hypr_neuro.devices import DeviceBase
from hypr_neuro.devices.prepared import Prepared
from hypr_neuro.devices.sim import SimDevice
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.serving.server import make_server
from hypr_neuro.serving.service import Service
from hypr_neuro.serving.turns import QueuedError
from hypr_neuro.sim.learning.chip_learner import ChipLearner, LearnSample
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.simulated import SimulatedLearner

SEED = int(os.environ.get("HYPR_SEED", "0"))
OPTIONS = LearnOptions(seed=SEED, update_every=2, momentum=1)


class CountingLearner(SimulatedLearner):
    applied = 0

    def _learn(self, samples: Sequence[LearnSample]) -> list[Array]:
        CountingLearner.applied += len(samples)
        return super()._learn(samples)


class CountingDevice(SimDevice):
    learns = CountingLearner

    def _learner(self, prepared: Prepared, qnet: QuantizedNetwork) -> ChipLearner:
        assert prepared.options is not None
        return self.learns(qnet, prepared.options)


class FaultyService(Service):
    """Loses calls before they act and answers after, and acts twice."""

    faults, draw = 0, random.Random(SEED)
    once = threading.Lock()

    def methods(self) -> dict[str, Callable[..., Any]]:
        plain = super().methods()
        return plain | {name: self._faulty(plain[name]) for name in ("Apply", "Look", "Save")}

    def _faulty(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def answer(*arguments: Any) -> Any:
            kind = self.draw.choice(("none", "before", "after", "twice")) if self.faults > 0 else "none"
            self.faults -= kind != "none"
            if kind == "before":
                raise QueuedError("lost on the way")
            answer = call(*arguments)
            if kind == "twice":
                return call(*arguments)
            if kind == "after":
                raise QueuedError("lost on the way back")
            return answer

        return answer


@contextmanager
def serving(
    folder: Path, faults: int = 0, kind: type[DeviceBase] = CountingDevice
) -> Iterator[tuple[FaultyService, int]]:
    with kind() as device:
        service = FaultyService(device, folder)
        service.faults = faults
        server, port = make_server(service, "127.0.0.1:0")
        server.start()
        try:
            yield service, port
        finally:
            server.stop(0).wait()
            service.close()


def wanted(samples: Sequence[LearnSample]) -> tuple[ChipLearner, list[Array]]:
    learner = SimulatedLearner(learning_network(SEED), OPTIONS)
    return learner, learner.learn(samples)


def assert_equal(found: ChipLearner, outputs: list[Array], samples: Sequence[LearnSample]) -> None:
    undisturbed, expected = wanted(samples)
    assert found.counts() == undisturbed.counts()
    assert len(outputs) == len(expected)
    assert all(np.array_equal(a, b) for a, b in zip(outputs, expected, strict=True))
    for name, weights in undisturbed.fetch().weights().items():
        assert np.array_equal(found.fetch().weights()[name], weights), name
