"""A device in another room: what the line costs ECG learning, how fairly clients share it, how long it idles.

    python benchmarks/serving.py [--data-dir FOLDER] [--rounds N] [--clients N] [--seconds S]

Overhead: the server is a process of its own; the same samples are learned in this process and over the line, in turns,
and the ratio of each pair counts; processor time of both processes, too, which others on the machine disturb less.
Fairness: server and clients are threads of this process; every client learns without end for the same time; Jain's
index of their device times is 1 where all are equal. Idle: the share of that time in
which the device worked for nobody.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from hypr_neuro.data import load_data
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.devices import make_device, open_device
from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.serving.server import make_server
from hypr_neuro.serving.service import Service
from hypr_neuro.sim.learning.chip_learner import ChipLearner, LearnSample
from hypr_neuro.sim.learning.options import LearnOptions

ROOT = Path(__file__).resolve().parents[1]
CHUNK = 32


def network() -> QuantizedNetwork:
    layer = {"neuron": "brf", "size": 36, "recurrent": True, "bias": True}
    spec = {"inputs": 4, "outputs": 6, "dt": 0.004, "layers": [layer], "readout": {"neuron": "li"}}
    return quantize(Network.build(spec, 0), "loihi2", calibration={"layers.0": 4.0, "readout": 4.0})


def samples_of(data: SequenceData, learner: ChipLearner) -> list[LearnSample]:
    part = data.part("train")
    return [LearnSample.of_data(learner.plan, part.take(np.array([i])), (1 << 15, 1 << 15)) for i in range(256)]


@contextmanager
def server_process() -> Iterator[tuple[str, int]]:
    """Serve the simulator in another process; give its address and the process's number."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hypr_neuro", "serve", "--device", "sim", "--listen", "127.0.0.1:0"]
        with subprocess.Popen(
            [*command, "--state", folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            try:
                assert process.stdout is not None
                yield process.stdout.readline().split()[-1], process.pid
            finally:
                process.terminate()


def overhead(address: str, process: int, data: SequenceData, rounds: int) -> None:
    def worked() -> float:
        """Return the processor seconds of both processes so far."""
        times = psutil.Process(process).cpu_times()
        return time.process_time() + times.user + times.system

    with open_device("sim") as here, open_device(address) as there:
        learners = []
        for device in (here, there):
            device.load(network(), LearnOptions())
            learners.append(device.learner())
        samples = samples_of(data, learners[0])
        spent, work = np.zeros((rounds, 2)), np.zeros(2)
        for i in range(-1, rounds):  # the first compiles
            part = samples[(i % 8) * CHUNK : (i % 8 + 1) * CHUNK]
            for which in (0, 1) if i % 2 else (1, 0):
                began, before = time.perf_counter(), worked()
                learners[which].learn(part)
                if i >= 0:
                    spent[i, which] = (time.perf_counter() - began) / CHUNK
                    work[which] += worked() - before
        near, far = (learner.fetch().weights() for learner in learners)
        same = all(np.array_equal(far[name], weights) for name, weights in near.items())
    ratios = 100 * (spent[:, 1] / spent[:, 0] - 1)
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    print(
        f"a sample of ECG learning, {rounds} pairs of {CHUNK}: {1e3 * np.median(spent[:, 0]):.2f} ms in this process, "
        f"{1e3 * np.median(spent[:, 1]):.2f} ms over the line; overhead of a pair {middle:+.1f} % (median; quartiles "
        f"{low:+.1f} and {high:+.1f} %), of the fastest {100 * (spent[:, 1].min() / spent[:, 0].min() - 1):+.1f} %, "
        f"of processor time {100 * (work[1] / work[0] - 1):+.1f} %; weights equal: {same}"
    )


def fairness(address: str, service: Service, data: SequenceData, clients: int, seconds: float) -> None:
    ended, learned, ready = threading.Event(), [0] * clients, threading.Barrier(clients + 1)
    service.turns.used.clear()

    def client(i: int) -> None:
        with open_device(address, client=f"client {i}") as device:
            device.load(network(), LearnOptions(seed=i))
            learner = device.learner()
            samples = samples_of(data, learner)
            ready.wait()
            while not ended.is_set():
                learner.learn(samples[:CHUNK])
                learned[i] += CHUNK

    threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    ready.wait()
    service.turns.used.update(dict.fromkeys(service.turns.used, 0.0))
    began = time.monotonic()
    time.sleep(seconds)
    used, elapsed = np.array(list(service.turns.used.values())), time.monotonic() - began
    ended.set()
    for thread in threads:
        thread.join()
    index = used.sum() ** 2 / (len(used) * (used**2).sum())
    print(
        f"{clients} clients for {elapsed:.0f} s: Jain's index of device time {index:.3f}, device idle "
        f"{100 * (1 - used.sum() / elapsed):.1f} % while all want it, {sum(learned) / elapsed:.0f} samples/s, "
        f"fewest {min(learned)}, most {max(learned)} a client"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="What a device in another room costs, and how it is shared.")
    parser.add_argument("--data-dir", type=Path, default=ROOT.parent / "shared" / "data" / "ecg")
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--turn", type=float, default=0.5)
    arguments = parser.parse_args()
    data = load_data("ecg", arguments.data_dir)
    with server_process() as (address, process):
        overhead(address, process, data, arguments.rounds)
    with tempfile.TemporaryDirectory() as folder, make_device("sim") as device:
        service = Service(device, Path(folder), turn=arguments.turn)
        server, port = make_server(service, "127.0.0.1:0")
        server.start()
        fairness(f"grpc://127.0.0.1:{port}", service, data, arguments.clients, arguments.seconds)
        server.stop(0).wait()
        service.close()


if __name__ == "__main__":
    main()
