"""Each sample teaches a device in another room once, whatever is lost, sent twice, cut or killed on the way."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from cutting_proxy import CuttingProxy
from served import Server
from served_learning import OPTIONS, SEED, CountingLearner, assert_equal, serving, wanted
from small_learning import learning_network, learning_samples

from hypr_neuro.devices import open_device
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.serving.journal import SENT, Journal

FAULTS = int(os.environ.get("HYPR_SERVING_FAULTS", "40"))


def test_lost_calls_lost_answers_and_calls_twice_apply_each_sample_once(tmp_path: Path) -> None:
    samples = learning_samples(FAULTS + 20, SEED)
    CountingLearner.applied, outputs = 0, []
    with serving(tmp_path, FAULTS) as (service, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        learner = device.learner()
        draw = random.Random(SEED)
        while samples[len(outputs) :]:
            outputs += learner.learn(samples[len(outputs) : len(outputs) + draw.choice((1, 1, 2))])
        assert_equal(learner, outputs, samples)
        assert FAULTS - service.faults > FAULTS // 4, "hardly a fault came"
    assert CountingLearner.applied == len(samples)


def test_cut_connections_apply_each_sample_once(tmp_path: Path) -> None:
    samples = learning_samples(60, SEED)
    CountingLearner.applied, outputs = 0, []
    with serving(tmp_path) as (_, port):
        proxy = CuttingProxy(port, SEED, FAULTS // 4, most=4_000)
        with open_device(f"grpc://127.0.0.1:{proxy.port}") as device:
            device.load(learning_network(SEED), OPTIONS)
            learner = device.learner()
            for sample in samples:
                outputs += learner.learn([sample])
            assert_equal(learner, outputs, samples)
        proxy.close()
    assert proxy.cuts >= FAULTS // 8, "hardly a cut came"
    assert CountingLearner.applied == len(samples)


def test_a_server_that_is_killed_goes_on(tmp_path: Path) -> None:
    samples, draw = learning_samples(60, SEED), random.Random(SEED)
    server, outputs = Server(tmp_path), []
    ended = threading.Event()

    def kills() -> None:
        for _ in range(2):
            time.sleep(draw.uniform(0.1, 0.6))
            if ended.is_set():
                return
            server.kill()
            server.start()

    try:
        with open_device(server.address) as device:
            device.load(learning_network(SEED), OPTIONS)
            learner = device.learner()
            outputs += learner.learn(samples[:1])
            killer = threading.Thread(target=kills)
            killer.start()
            for sample in samples[1:]:
                outputs += learner.learn([sample])
                time.sleep(0.02)
            killer.join()
            assert_equal(learner, outputs, samples)
            ended.set()
    finally:
        ended.set()
        assert server.stop() == 0


CLIENT = """
import sys
from pathlib import Path
import numpy as np
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.devices import open_device
import hypr_neuro.sim.learning.learn as driver
from hypr_neuro.quantizing.network import QuantizedNetwork
driver.SAVE_SECONDS = 0.02
address, folder, out, seed = sys.argv[1:]
rng = np.random.default_rng(int(seed))
split = np.array(["train"] * 40)
data = SequenceData("random", rng.integers(0, 2, (40, 30, 4)), rng.integers(0, 3, 40), split, classes=3)
qnet = QuantizedNetwork.load(Path(folder) / "start.h5")
if address == "sim":
    run = driver.learn(qnet, data, epochs=4, rate=2.0)
else:
    with open_device(address) as device:
        from hypr_neuro.remote.learner import RemoteLearner
        RemoteLearner.chunk = 3
        device.load(qnet)
        run = device.learn(data, epochs=4, rate=2.0, checkpoint=Path(folder) / "checkpoint",
                           on_sample=lambda done, of: print(done, flush=True))
run.qnet.save(out)
"""


def test_a_client_that_is_killed_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    learning_network(SEED).save(tmp_path / "start.h5")
    server, draw = Server(tmp_path / "state"), random.Random(SEED)
    command = [sys.executable, "-c", CLIENT]

    def client(address: str, out: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*command, address, str(tmp_path), str(tmp_path / out), str(SEED)], stdout=subprocess.PIPE
        )

    try:
        for kills in range(4):
            with client(server.address, "found.h5") as process:
                assert process.stdout is not None
                for _ in range(draw.randrange(10, 35) if kills < 3 else 0):
                    assert process.stdout.readline(), "the client was done before it was killed"
                if kills < 3:
                    process.kill()
                process.communicate()
        assert process.returncode == 0
        with client("sim", "wanted.h5") as process:
            process.communicate()
    finally:
        assert server.stop() == 0
    found, undisturbed = (QuantizedNetwork.load(tmp_path / name) for name in ("found.h5", "wanted.h5"))
    for name, weights in undisturbed.weights().items():
        assert np.array_equal(found.weights()[name], weights), name


def test_a_restored_client_may_learn_other_samples(tmp_path: Path) -> None:
    samples = learning_samples(6, SEED)
    with serving(tmp_path / "state") as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        learner = device.learner()
        learner.learn(samples[:2])
        learner.save(tmp_path / "saved")
        learner.learn(samples[2:4])
        learner.restore(tmp_path / "saved")
        outputs = learner.learn(samples[4:])
        expected, all_outputs = wanted([*samples[:2], *samples[4:]])
        assert learner.counts() == expected.counts()
        assert all(np.array_equal(a, b) for a, b in zip(outputs, all_outputs[2:], strict=True))


def test_two_clients_take_turns_and_learn_as_if_alone(tmp_path: Path) -> None:
    samples = learning_samples(12, SEED)
    with serving(tmp_path) as (_, port):
        address = f"grpc://127.0.0.1:{port}"
        with open_device(address) as one, open_device(address) as other:
            learners, outputs = [], ([], [])
            for device in (one, other):
                device.load(learning_network(SEED), OPTIONS)
                learners.append(device.learner())
            for i in range(0, 12, 4):
                for learner, held in zip(learners, outputs, strict=True):
                    held.extend(learner.learn(samples[i : i + 4]))
            for learner, held in zip(learners, outputs, strict=True):
                assert_equal(learner, held, samples)


def test_a_torn_end_of_a_journal_is_cut_and_damage_before_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "steps.log"
    journal = Journal(path)
    for step in range(3):
        journal.add(SENT, step, b"x" * 50)
    journal.sync()
    journal.close()
    whole = path.read_bytes()
    for torn in (whole + b"\x01\x02", whole[:-1], whole[:-60]):
        path.write_bytes(torn)
        again = Journal(path)
        held = [step for _, step, _, _ in again.records()]
        again.close()
        assert held == list(range(len(held)))
        assert len(held) == (3 if len(torn) > len(whole) else 2)
        assert path.stat().st_size == len(held) * len(whole) // 3
    path.write_bytes(whole[:30] + b"y" + whole[31:])
    damaged = Journal(path)
    with pytest.raises(FileFormatError, match="damaged at byte 0"):
        list(damaged.records())
    damaged.close()


def test_stolen_and_guessed_leases_and_runs_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as (service, _):
        methods = service.methods()
        told, _ = methods["Enter"]("anna", {}, {})
        with pytest.raises(Exception, match="no such lease"):
            methods["Renew"]("eve", {"lease": told["lease"]}, {})
        with pytest.raises(Exception, match="no such lease"):
            methods["Renew"]("anna", {"lease": "0" * 64}, {})
        with pytest.raises(InputError, match="unknown here"):
            methods["Look"]("anna", {"lease": told["lease"], "run": "../../etc"}, {})


def test_a_journal_is_trimmed_and_still_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypr_neuro.serving.runs.TRIM", 5_000)
    samples = learning_samples(60, SEED)
    with serving(tmp_path, 10) as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        learner, outputs, sizes = device.learner(), [], []
        for i, sample in enumerate(samples):
            outputs += learner.learn([sample])
            sizes.append(sum(path.stat().st_size for path in tmp_path.rglob("steps.log")))
            if i == 40:
                learner.save(tmp_path / "saved")
        assert max(sizes[:40]) < 9_000
        assert len(list(tmp_path.rglob("state-*.h5"))) <= 2
        learner.restore(tmp_path / "saved")
        again = learner.learn(samples[41:])
        assert all(np.array_equal(a, b) for a, b in zip(again, outputs[41:], strict=True))
        assert_equal(learner, outputs, samples)
