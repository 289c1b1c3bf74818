"""A device in another room: what the line costs ECG learning, how fairly clients share it, how long it idles.

    python benchmarks/serving.py [--data-dir FOLDER] [--clients N] [--seconds S]

Server and clients are threads of this process. Overhead: the same samples in this process and over the line,
alternated. Fairness: every client learns without end for the same time; Jain's index of their device times is 1 where
all are equal. Idle: the share of that time in which the device worked for nobody.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

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


def overhead(address: str, data: SequenceData, rounds: int = 8) -> None:
    with open_device("sim") as here, open_device(address) as there:
        learners = []
        for device in (here, there):
            device.load(network(), LearnOptions())
            learners.append(device.learner())
        samples = samples_of(data, learners[0])
        spent = np.zeros((rounds, 2))
        for i in range(-1, rounds):
            part = samples[(i % 8) * CHUNK : (i % 8 + 1) * CHUNK]
            order = (0, 1) if i % 2 else (1, 0)
            for which in order:
                began = time.perf_counter()
                learners[which].learn(part)
                if i >= 0:
                    spent[i, which] = (time.perf_counter() - began) / CHUNK
        same = all(
            np.array_equal(w, learners[1].fetch().weights()[name]) for name, w in learners[0].fetch().weights().items()
        )
    near, far = 1e3 * np.median(spent, axis=0)
    print(
        f"a sample of ECG learning: {near:.2f} ms in this process, {far:.2f} ms over the line, "
        f"overhead {100 * (far / near - 1):+.1f} %; weights equal: {same}"
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
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--turn", type=float, default=0.5)
    arguments = parser.parse_args()
    data = load_data("ecg", arguments.data_dir)
    with tempfile.TemporaryDirectory() as folder, make_device("sim") as device:
        service = Service(device, Path(folder), turn=arguments.turn)
        server, port = make_server(service, "127.0.0.1:0")
        server.start()
        address = f"grpc://127.0.0.1:{port}"
        overhead(address, data)
        fairness(address, service, data, arguments.clients, arguments.seconds)
        server.stop(0).wait()
        service.close()


if __name__ == "__main__":
    main()
