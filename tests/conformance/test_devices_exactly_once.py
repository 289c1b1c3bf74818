"""Learning behind a link that loses, doubles and damages messages, on a device that dies: every sample counts once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from served import served

from hypr_neuro.devices import make_device
from hypr_neuro.devices.grpc import GrpcDevice
from hypr_neuro.devices.linked import LinkedDevice
from hypr_neuro.devices.linked_learner import LinkedLearner
from hypr_neuro.errors import HyprError, MissingPackageError
from hypr_neuro.faults import Faults, FaultyDevice, with_faults
from hypr_neuro.graph.network import Network
from hypr_neuro.link.transport import ProcessTransport
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.chip_learner import LearnSample
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.simulated import SimulatedLearner

pytestmark = pytest.mark.once

SEED = int(os.environ.get("HYPR_SEED", "0"))
FAULTS = int(os.environ.get("HYPR_LINK_FAULTS", "150"))
"""Faults of a learning run that must have happened."""
STEPS = 25


def network() -> QuantizedNetwork:
    layer = {"neuron": "brf", "size": 8, "recurrent": True, "bias": True}
    net = Network.build({"inputs": 4, "outputs": 3, "layers": [layer], "readout": {"tau": 20}}, SEED)
    net.layers[0].weight[...] *= 8
    return quantize(net, "cortex_m4", calibration={"layers.0": 4.0, "readout": 4.0})


def sample(number: int) -> LearnSample:
    rng = np.random.default_rng([SEED, number])
    x = rng.integers(0, 2, (STEPS, 4)).astype(np.int32)
    return LearnSample(x, rng.integers(0, 3, STEPS), rng.random(STEPS) < 0.8, (3 << 16, 2 << 16))


def opened(name: str, **options: Any) -> LinkedDevice:
    device = make_device(name, **options)
    assert isinstance(device, LinkedDevice)
    try:
        device.open()
    except MissingPackageError as error:  # as on a machine without these tools
        pytest.skip(str(error))
    return device


def kill(device: LinkedDevice) -> None:
    """Kill the program on the other side, as when a board loses its power."""
    assert device._requests is not None
    transport = device._requests.transport
    assert isinstance(transport, ProcessTransport)
    if transport.process is not None:
        transport.process.send_signal(signal.SIGKILL)


def learned_under(name: str, faults: Faults | None, between: Callable[[LinkedDevice, int], int], least: int) -> int:
    """Learn until so many faults have happened; compare every output, and all that is held at the end."""
    qnet, options = network(), LearnOptions(seed=SEED, parameters=("all",), update_every=2)
    device = opened(name, timeout=4.0)
    device.link_faults = None if faults is None else faults.of_messages
    happened = number = 0
    try:
        device.load(qnet, options)
        mine, wanted = device.learner(), SimulatedLearner(qnet.copy(), options)
        assert isinstance(mine, LinkedLearner)
        mine.save_every = 7
        while happened < least:
            happened += between(device, number)
            assert np.array_equal(mine.learn([sample(number)])[0], wanted.learn([sample(number)])[0]), number
            number += 1
            if device._faulty is not None:
                happened = max(happened, sum(device._faulty.counts.values()))
        device._faulty = None
        assert mine.samples == wanted.samples == number
        assert mine.counts() == wanted.counts(), "a sample was lost, or counted twice"
        there, here = mine.read(), wanted.read()
        for kind, by_name in here.items():
            for part, array in by_name.items():
                assert np.array_equal(there[kind][part], array), f"{kind} of {part}"
        x = np.stack([sample(n).x for n in range(3)])
        assert np.array_equal(device.run(x).readout, simulate(wanted.fetch(), x).readout)
        return mine.restarts
    finally:
        device.close()


def test_a_link_that_loses_doubles_damages_and_breaks() -> None:
    faults = Faults(drop=0.04, duplicate=0.05, reorder=0.05, message_flips=0.05, cut=0.02, seed=SEED)
    restarts = learned_under("c", faults, lambda device, number: 0, FAULTS)
    assert restarts > 0, "the link never broke"


def test_a_program_that_dies() -> None:
    rng = np.random.default_rng(SEED)

    def sometimes(device: LinkedDevice, number: int) -> int:
        if rng.random() < 0.4:
            kill(device)
            return 1
        return 0

    assert learned_under("c", None, sometimes, 12) >= 12


@pytest.mark.parametrize("name", ["c", "board"])
def test_a_program_that_dies_in_the_middle_of_a_sample(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng([SEED, 1])
    ask, killed = LinkedDevice.ask, [0]

    def dying(device: LinkedDevice, *arguments: Any) -> bytes:
        answer = ask(device, *arguments)
        if rng.random() < 0.03 and killed[0] < 6:
            killed[0] += 1
            kill(device)
        return answer

    monkeypatch.setattr(LinkedDevice, "ask", dying)

    def none_left(device: LinkedDevice, number: int) -> int:
        return 6 if killed[0] >= 6 else 0

    assert learned_under(name, None, none_left, 6) >= 1


def interrupted_now_and_then(monkeypatch: pytest.MonkeyPatch, error: type[BaseException], share: float) -> list[int]:
    """Raise an error behind some of the requests that were answered; return a list of one number: how often it was."""
    rng, raised, ask = np.random.default_rng([SEED, 2]), [0], LinkedDevice.ask

    def interrupted(device: LinkedDevice, *arguments: Any) -> bytes:
        answer = ask(device, *arguments)
        if rng.random() < share:
            raised[0] += 1
            raise error
        return answer

    monkeypatch.setattr(LinkedDevice, "ask", interrupted)
    return raised


def repeated(call: Callable[[], Any]) -> Any:
    """Call it until it is not interrupted."""
    while True:
        try:
            return call()
        except KeyboardInterrupt:
            continue


def test_a_call_that_ctrl_c_interrupts_counts_as_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    qnet, options = network(), LearnOptions(seed=SEED, update_on="step", update_every=5, parameters=("all",))
    device = opened("c")
    try:
        device.load(qnet, options)
        mine, wanted = device.learner(), SimulatedLearner(qnet.copy(), options)
        raised = interrupted_now_and_then(monkeypatch, KeyboardInterrupt, 0.08)
        for number in range(12):
            call = "learn" if number % 3 == 0 else "stream"
            given: Any = [sample(number)] if call == "learn" else sample(number)
            found = repeated(lambda call=call, given=given: getattr(mine, call)(given))
            assert np.array_equal(found, getattr(wanted, call)(given)), (number, call)
            x = sample(number).x[None]
            found = repeated(lambda x=x: device.run(x))
            assert np.array_equal(found.readout, simulate(wanted.fetch(), x).readout), number
        weights = {"layers.0.input": wanted.read()["weights"]["layers.0.input"][::-1].copy()}
        wanted.write({"weights": weights})
        repeated(lambda: mine.write({"weights": weights}))
        held = repeated(mine.read)
        for kind, by_name in wanted.read().items():
            for part, array in by_name.items():
                assert np.array_equal(held[kind][part], array), f"{kind} of {part}"
        assert repeated(mine.counts) == wanted.counts()
        assert raised[0] > 3
    finally:
        monkeypatch.undo()
        device.close()


def test_a_run_that_its_caller_ends_leaves_a_stream_alone() -> None:
    qnet, options = network(), LearnOptions(seed=SEED, update_on="step", update_every=5)
    device = opened("c")

    def enough(done: int, samples: int) -> None:
        raise RuntimeError("enough")

    try:
        device.load(qnet, options)
        mine, wanted = device.learner(), SimulatedLearner(qnet.copy(), options)
        for number in range(3):
            assert np.array_equal(mine.stream(sample(number)), wanted.stream(sample(number))), number
            with pytest.raises(RuntimeError, match="enough"):
                device.run(sample(9).x[None], on_block=enough)
        assert mine.counts() == wanted.counts()
    finally:
        device.close()


def test_what_was_written_survives_a_program_that_dies_right_after() -> None:
    qnet, options = network(), LearnOptions(seed=SEED)
    device = opened("c")
    try:
        device.load(qnet, options)
        mine = device.learner()
        assert isinstance(mine, LinkedLearner)
        write, written = mine._write_now, [0]

        def dying(numbers: Any) -> None:
            write(numbers)
            written[0] += 1
            if written[0] == 1:
                kill(device)

        mine._write_now = dying  # type: ignore[method-assign]
        weights = {"layers.0.input": mine.read()["weights"]["layers.0.input"][::-1] + 1}
        mine.write({"weights": weights})
        assert np.array_equal(mine.read()["weights"]["layers.0.input"], weights["layers.0.input"])
        assert mine.restarts > 0
    finally:
        device.close()


def test_a_device_that_never_comes_back_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    device = opened("c", timeout=1.0)
    try:
        device.load(network(), LearnOptions(seed=SEED))
        learner = device.learner()
        learner.learn([sample(0)])

        def gone(transport: ProcessTransport) -> None:
            transport.command = ["/bin/false"]
            ProcessTransport_open(transport)

        ProcessTransport_open = ProcessTransport.open
        monkeypatch.setattr(ProcessTransport, "open", gone)
        kill(device)
        with pytest.raises(
            HyprError, match=r"device 'c': its program ended with code 1; started \d+ times, learning stopp"
        ):
            learner.learn([sample(1)])
        monkeypatch.undo()
    finally:
        device.close()


def test_the_link_tells_what_it_carried() -> None:
    device = opened("c")
    try:
        device.load(network())
        device.run(np.zeros((2, 9, 4), int))
        figures = device.link.as_dict()
    finally:
        device.close()
    assert figures["requests"] == 1 + 2 * 3
    assert figures["retries"] == figures["damaged"] == 0
    assert figures["bytes in"] > figures["bytes out"] > 0
    assert 0 < figures["median latency"] <= figures["late latency"] < 5


def test_faults_of_the_link_to_a_server() -> None:
    qnet, options = network(), LearnOptions(seed=SEED, parameters=("all",))
    faults = Faults(drop=0.1, duplicate=0.1, message_flips=0.1, cut=0.1, delay=1.0, seed=SEED)
    with served() as address, with_faults(address, faults) as device:
        device.load(qnet, options)
        mine, wanted = device.learner(), SimulatedLearner(qnet.copy(), options)
        for number in range(40):
            assert np.array_equal(mine.learn([sample(number)])[0], wanted.learn([sample(number)])[0]), number
        assert mine.counts() == wanted.counts()
        assert isinstance(device, FaultyDevice)
        assert isinstance(device.inner, GrpcDevice)
        assert device.inner.line.faulty is not None
        counts = device.inner.line.faulty.counts
        assert min(counts[kind] for kind in ("drop", "duplicate", "message_flips", "cut", "delay")) > 0, counts
        assert device.inner.link.retries >= counts["drop"] + counts["cut"]
