"""Programs of devices end with the program that started them, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hypr_neuro.devices import open_device
from hypr_neuro.errors import MissingPackageError

pytestmark = pytest.mark.once

HELD = """
import signal, sys, time
# what runs in the background is told to ignore it, and hands that on
signal.signal(signal.SIGINT, signal.default_int_handler)
import numpy as np
import hypr_neuro as hn

spec = {"inputs": 4, "outputs": 3, "layers": [{"neuron": "lif", "size": 4}]}
qnet = hn.quantize(hn.Network.build(spec, 0), "cortex_m4", calibration={"layers.0": 4.0, "readout": 4.0})
device = hn.open_device(sys.argv[1])
device.load(qnet)
device.run(np.zeros((1, 2, 4), int))
print(device._requests.transport.process.pid, flush=True)
time.sleep(100)
"""


def alive(number: int) -> bool:
    state = Path(f"/proc/{number}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda end: end.name)
@pytest.mark.parametrize("name", ["c", "board"])
def test_no_program_is_left_behind(name: str, end: signal.Signals) -> None:
    try:
        open_device(name).close()
    except MissingPackageError as error:  # as on a machine without these tools
        pytest.skip(str(error))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONWARNINGS"}
    holder = subprocess.Popen(
        [sys.executable, "-c", HELD, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    assert holder.stdout is not None
    number = int(holder.stdout.readline())
    assert alive(number)
    holder.send_signal(end)
    holder.wait(30)
    holder.stdout.close()
    until = time.monotonic() + 10
    while alive(number) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(number), f"the program of '{name}' lives on"
