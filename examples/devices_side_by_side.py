"""The same learning on several devices, beside the same rule in float and ordinary float training, over seeds.

    python examples/devices_side_by_side.py FOLDER --device sim --device c    FOLDER holds QTDB_train.mat, QTDB_test.mat
    python examples/devices_side_by_side.py FOLDER --data braille --device board    FOLDER holds braille_7class.npz
    python examples/devices_side_by_side.py FOLDER --serve sim                also over gRPC, from a server started here
    python examples/devices_side_by_side.py FOLDER --quick                    one seed, few samples

A network is trained in float and made integers for --profile (loihi2); then some of its weights and of the sensor's
channels are damaged, and it learns on from --train samples. The line below the table says whether weights after every
epoch and outputs are the same bits on all devices.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import hypr_neuro as hn
from hypr_neuro.comparing.compare import disturb
from hypr_neuro.errors import HyprWarning
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.tasks import for_width, task_for

LAYERS = {"ecg": ["brf:36"], "braille": ["se_adlif:32"]}


def fewer(data: hn.SequenceData, train: int, test: int) -> hn.SequenceData:
    """Return the first training and test samples."""
    chosen = [np.flatnonzero(data.split == part)[:n] for part, n in (("train", train), ("test", test))]
    return data.take(np.concatenate(chosen))


def spread(data: hn.SequenceData, train: int, test: int) -> hn.SequenceData:
    """Return as many training and test samples from all over the data, so that few of them are of several classes."""
    parts = [(np.flatnonzero(data.split == part), n) for part, n in (("train", train), ("test", test))]
    return data.take(np.concatenate([of[np.linspace(0, len(of) - 1, min(n, len(of))).astype(int)] for of, n in parts]))


@contextmanager
def served(device: str | None) -> Iterator[list[str]]:
    """Serve a device from another process; yield its address."""
    if device is None:
        yield []
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hypr_neuro", "serve", "--device", device, "--listen", "127.0.0.1:0"]
        server = subprocess.Popen([*command, "--state", folder], stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        try:
            yield [next(word for word in server.stdout.readline().split() if word.startswith("grpc://"))]
        finally:
            server.terminate()
            server.wait()
            server.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", choices=sorted(LAYERS), default="ecg")
    parser.add_argument("--profile", default="loihi2")
    parser.add_argument("--device", action="append")
    parser.add_argument("--serve", metavar="DEVICE")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train", type=int, default=200)
    parser.add_argument("--test", type=int, default=141)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore", HyprWarning)
    whole = hn.load_data(given.data, given.folder)
    data = fewer(whole, *((8, 8) if given.quick else (200, 141)))
    task, profile = task_for(data), hn.load_profile(given.profile)
    spec = task.spec_with(data, LAYERS[given.data], None)
    net, _ = fit(data, task, seed=1, spec=spec, epochs=1 if given.quick else 15, progress=False)
    damaged, shifted, _ = disturb(hn.quantize(net, profile, calibration=data), data, seed=1)
    with served(given.serve) as addresses:
        found = hn.compare_devices(
            net,
            damaged,
            shifted if given.quick else spread(shifted, given.train, given.test),
            devices=[*(given.device or ["sim"]), *addresses],
            epochs=1 if given.quick else 2,
            options=for_width(task.fine_tuning, profile),
            seeds=1 if given.quick else given.seeds,
        )
    print(found)
    for sentence in found.sentences():
        print(sentence)


if __name__ == "__main__":
    main()
